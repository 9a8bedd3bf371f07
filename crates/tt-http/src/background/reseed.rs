//! Gives the limiter the day's request counts: at the start, and whenever Redis comes back, since it may have lost its
//! data.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tt_core::{Causes, UserId};
use tt_ratelimit::RedisState;
use tt_store::{RequestCount, StoreError};

use crate::background::interval::turns;
use crate::clock::now;
use crate::state::app::App;

/// The time between two looks at whether Redis has come back.
const PERIOD: Duration = Duration::from_secs(1);

/// Runs until it is dropped.
pub(super) async fn run(app: Arc<App>) {
    let mut turns = turns(PERIOD);
    let mut seeded = 0;
    loop {
        turns.tick().await;
        let returns = app.limiter.redis_recoveries();
        if returns != seeded && app.limiter.redis_state() == RedisState::Up {
            match seed(&app).await {
                Ok(()) => seeded = returns,
                Err(error) => tracing::warn!(
                    error = %Causes(&error),
                    "the day's request counts could not be given to Redis: trying again"
                ),
            }
        }
    }
}

/// Gives the limiter the requests that every user and API key has made since the UTC day began.
pub(crate) async fn seed(app: &App) -> Result<(), StoreError> {
    let day = now().day();
    let mut users: HashMap<UserId, u64> = HashMap::new();
    for RequestCount { user_id, api_key_id, requests } in app.store.requests_since(day).await? {
        let total = users.entry(user_id).or_default();
        *total = total.saturating_add(requests);
        if api_key_id.is_some() {
            app.limiter.seed_day(user_id, api_key_id, day, requests).await;
        }
    }
    for (user, requests) in users {
        app.limiter.seed_day(user, None, day, requests).await;
    }
    Ok(())
}
