//! `GET /metrics`: who may read the metrics, and the state of the server at the moment of a scrape.
//!
//! A scrape asks neither the store nor Redis: it reads what the server knows anyway, so it takes no longer when they are
//! away. Metrics are written once at a time, off the workers, because there may be thousands of series.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use secrecy::SecretString;
use tokio::time::timeout;
use tt_core::Timestamp;
use tt_metrics::{Format, Readings};
use tt_ratelimit::RedisState;

use crate::clock::now;
use crate::edge::context::Context;
use crate::edge::credentials::bearer;
use crate::edge::error::ApiError;
use crate::edge::reply::{Reply, ReplyBody, bare_reply};
use crate::state::app::App;

/// The longest time that a scrape waits for the one before it.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// The store counts as up for so long after it has answered. It is asked for changes each second.
const STORE_ANSWERED: Duration = Duration::from_secs(5);

/// `GET /metrics`.
pub(crate) async fn show(cx: Box<Context>) -> Result<Reply, ApiError> {
    may_read(cx.app.config.metrics_token.as_ref(), cx.client, cx.headers())?;
    let accept = cx.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::accepted(accept.unwrap_or_default());
    let turn = timeout(TURN_TIMEOUT, Arc::clone(&cx.app.scrapes).acquire_owned()).await;
    let turn = turn.map_err(|_| ApiError::overloaded())?;
    let app = Arc::clone(&cx.app);
    let write = move || {
        // A scraper may leave meanwhile. The next one waits all the same.
        let _turn = turn;
        app.metrics.exposition(&readings(&app), format)
    };
    let written = cx.app.control.spawn_blocking(write);
    let text = written.await.map_err(|error| ApiError::internal().because(error))?;
    let text = text.map_err(|error| ApiError::internal().because(error))?;
    let mut reply = bare_reply(ReplyBody::full(text));
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(reply)
}

/// Checks that a client may read the metrics: with the token where one is set, else from this machine, unless a proxy
/// says that it passes the request on for somebody else.
///
/// # Errors
/// Where a token is set: when it is missing or wrong (401), as with every credential. Else 403: no credential would help,
/// and the path is no secret, so the answer says what an operator has to do.
fn may_read(token: Option<&SecretString>, client: IpAddr, headers: &HeaderMap) -> Result<(), ApiError> {
    match token {
        Some(token) if tt_crypto::is_secret(token, bearer(headers)?) => Ok(()),
        Some(_) => Err(ApiError::invalid_credentials()),
        // The client is the peer itself here, because only `X-Forwarded-For` names another one.
        None if client.is_loopback() && !headers.keys().any(is_of_proxies) => Ok(()),
        None => Err(ApiError::forbidden(
            "Without METRICS_TOKEN, metrics are answered to this machine only, and not through a proxy. Set \
             METRICS_TOKEN, and send it as a bearer token.",
        )),
    }
}

/// True for a header by which proxies say that they pass a request on.
fn is_of_proxies(name: &HeaderName) -> bool {
    *name == header::FORWARDED || name.as_str().starts_with("x-forwarded-")
}

/// The state of the server now.
fn readings(app: &App) -> Readings {
    let (ledger, backlog) = (app.ledger.status(), app.ledger.backlog());
    Readings {
        in_flight_requests: ledger.open as u64,
        buffered_bytes: (app.memory.held() + app.thinking.held_bytes()) as u64,
        journal_bytes: ledger.journal_bytes,
        journal_lag: backlog.oldest.map_or(Duration::ZERO, |oldest| since(oldest, now())),
        store_up: app.directory.age() <= STORE_ANSWERED,
        redis_up: redis_up(app.limiter.redis_state(), app.budget_accounts.counters().redis_state()),
        targets: app.directory.target_samples(),
        budgets: app.budget_sums.as_ref().map(|sums| sums.now()).unwrap_or_default(),
    }
}

/// True if both limits and budgets reach Redis; `None` if neither uses it.
fn redis_up(limits: RedisState, budgets: RedisState) -> Option<bool> {
    let used = [limits, budgets].into_iter().filter(|state| *state != RedisState::Off);
    used.map(|state| state == RedisState::Up).reduce(|all, up| all && up)
}

/// The time from `then` to `now`; zero if the clock was set back meanwhile.
fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(now.millis().saturating_sub(then.millis())).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn status(token: Option<&str>, client: &str, headers: &[(&str, &str)]) -> u16 {
        let token = token.map(SecretString::from);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        let may = may_read(token.as_ref(), client.parse().unwrap(), &map);
        may.err().map_or(StatusCode::OK, |error| error.status).as_u16()
    }

    #[test]
    fn without_a_token_only_this_machine_reads_them_and_no_proxy() {
        for local in ["127.0.0.1", "127.9.9.9", "::1"] {
            assert_eq!(status(None, local, &[]), 200, "{local}");
            // A credential does no harm.
            assert_eq!(status(None, local, &[("authorization", "Bearer x")]), 200);
            for proxied in ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-prefix"] {
                assert_eq!(status(None, local, &[(proxied, "127.0.0.1")]), 403, "{proxied}");
            }
        }
        for other in ["192.0.2.1", "10.0.0.1", "2001:db8::1"] {
            assert_eq!(status(None, other, &[]), 403, "{other}");
        }
    }

    #[test]
    fn with_a_token_it_alone_counts() {
        let right = ("authorization", "Bearer 0123456789abcdef0123456789abcdef");
        assert_eq!(status(Some(TOKEN), "192.0.2.1", &[right, ("x-forwarded-for", "192.0.2.7")]), 200);
        assert_eq!(status(Some(TOKEN), "127.0.0.1", &[]), 401);
        assert_eq!(status(Some(TOKEN), "127.0.0.1", &[("authorization", "Basic eDp5")]), 401);
        assert_eq!(status(Some(TOKEN), "127.0.0.1", &[("authorization", "Bearer 0123456789abcdef")]), 401);
        assert_eq!(status(Some(TOKEN), "127.0.0.1", &[right, right]), 401, "two credentials are a wrong one");
    }

    #[test]
    fn redis_is_up_if_all_that_use_it_reach_it() {
        use RedisState::{Down, Off, Up};
        for (limits, budgets, up) in [
            (Off, Off, None),
            (Up, Up, Some(true)),
            (Up, Down, Some(false)),
            (Down, Up, Some(false)),
            (Up, Off, Some(true)),
        ] {
            assert_eq!(redis_up(limits, budgets), up, "{limits:?} {budgets:?}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_negative_lag() {
        let at = Timestamp::from_millis;
        assert_eq!(since(at(1000), at(3500)), Duration::from_millis(2500));
        assert_eq!(since(at(1000), at(10)), Duration::ZERO);
    }
}
