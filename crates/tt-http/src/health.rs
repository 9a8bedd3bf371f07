//! `/health` and `/health/ready`, for load balancers and orchestrators.

use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use tt_ratelimit::RedisState;

use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::Json;

/// `GET /health`: says that the process answers, and nothing of what it depends on.
pub(crate) async fn health(_cx: Box<Context>) -> Result<&'static str, ApiError> {
    Ok("OK")
}

#[derive(Serialize, JsonSchema)]
pub(crate) struct Readiness {
    store: &'static str,
    redis: &'static str,
    journal: &'static str,
    memory: Memory,
}

/// The memory that requests hold, with the thinking that is kept between two of them, and the most that they may hold.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Memory {
    held_bytes: usize,
    max_bytes: usize,
}

/// `GET /health/ready`: 200 when this process can serve proxied requests, else 503; the body names the part that cannot.
pub(crate) async fn ready(cx: Box<Context>) -> Result<(StatusCode, Json<Readiness>), ApiError> {
    let store = cx.app.store.ping().await.is_ok();
    let ledger = cx.app.ledger.status();
    let journal = !ledger.refusing && ledger.open.saturating_add(ledger.unstored) < ledger.capacity;
    let redis = cx.app.limiter.redis_state();
    let limited = redis != RedisState::Down || !cx.app.config.limits_need_redis;
    let ready = store && journal && limited && !cx.app.draining();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let readiness = Readiness {
        store: if store { "ok" } else { "unavailable" },
        redis: match redis {
            _ if cx.app.budget_accounts.counters().redis_state() == RedisState::Down => "unavailable",
            RedisState::Off => "off",
            RedisState::Up => "ok",
            RedisState::Down => "unavailable",
        },
        journal: match (cx.app.draining(), journal) {
            (true, _) => "draining",
            (false, true) => "ok",
            (false, false) => "full",
        },
        memory: Memory {
            held_bytes: cx.app.memory.held() + cx.app.thinking.held_bytes(),
            max_bytes: cx.app.config.max_buffered_bytes,
        },
    };
    Ok((status, Json(readiness)))
}
