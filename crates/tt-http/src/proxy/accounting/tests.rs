//! Every way out of an account settles the request once, by the rules of the table at the head of the module.

use std::sync::Mutex;
use std::time::Instant;

use futures_util::FutureExt;
use http::{HeaderMap, Uri};
use tt_core::plan::Route;
use tt_core::record::Settlement;
use tt_core::usage::Usage;
use tt_core::{Dialect, ModelName, ProviderKeyId, UserId};
use tt_ledger::Ledger;
use tt_metrics::Metrics;
use tt_providers::{ClientRequest, Head, Refused, RefusedKind, codec};

use super::*;
use crate::fixtures::intent;
use crate::state::compute::Compute;
use crate::state::memory_limit::MemoryLimit;
use crate::state::target_health::tests::pass;
use crate::state::worker_load::WorkerLoad;

/// The one settlement of a request after `act` on its account.
async fn settlement(act: impl AsyncFnOnce(Box<Accounting>)) -> Settlement {
    settlement_for(Reader::default(), act).await
}

/// As [`settlement`], of a request whose answer goes to `reader`.
async fn settlement_for(reader: Reader, act: impl AsyncFnOnce(Box<Accounting>)) -> Settlement {
    let (ledger, drain) = Ledger::new(10, now);
    let guard = ledger.open(intent()).unwrap();
    let metrics = Arc::new(Metrics::new(PriceTable::builtin().unwrap(), "test"));
    let own_share = OwnShare::new(metrics, Instant::now(), Duration::ZERO);
    let call = Arc::new(WorkerLoad::new()).begin();
    act(Accounting::new(guard, call, None, Arc::new(inbound()), own_share, reader)).await;
    drop(ledger);
    let stored = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&stored);
    let drained = drain.run(
        move |batch: Arc<[Settlement]>| {
            sink.lock().unwrap().extend(batch.iter().cloned());
            async { Ok::<(), std::io::Error>(()) }
        },
        std::future::pending(),
    );
    assert_eq!(drained.await.open, 0);
    let mut all = std::mem::take(&mut *stored.lock().unwrap());
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn inbound() -> Inbound {
    let body = r#"{"model":"a","messages":[{"role":"user","content":"How tall is the Eiffel tower?"}]}"#;
    let (uri, headers) = (Uri::from_static("/v1/chat/completions"), HeaderMap::new());
    let ingress = codec(Dialect::OpenAiChat).ingress.unwrap();
    let request = ClientRequest::read(ingress, &Head { uri: &uri, headers: &headers }, body.into()).unwrap();
    let compute = Compute::new();
    compute.start().unwrap();
    Inbound::new(request, UserId(1), MemoryLimit::new(1 << 30).request(Arc::default()), Arc::new(compute))
}

fn attempt(accounting: Box<Accounting>) -> OpenAttempt {
    let step = Step {
        alias: "a".to_owned(),
        route: Route::Primary,
        provider: Provider::OpenAi,
        key: ProviderKeyId(1),
        model: ModelName::try_from("gpt-4o".to_owned()).unwrap(),
        instead_of: None,
        reason: String::new(),
    };
    let prices = PriceTable::builtin().unwrap();
    // Without a journal nothing is to be waited for.
    let started = accounting.attempt_started(&step, None, Vec::new(), prices, pass()).now_or_never().unwrap();
    started.map_err(|e| e.1).unwrap()
}

/// An answer of some text, whose provider reported 1000 tokens of input, or nothing.
fn tally(reported: bool) -> Tally {
    let usage = Usage { input: 1000, ..Usage::default() };
    let mut tally = Tally::of("It is 330 metres tall.");
    tally.usage = reported.then(|| Reported { usage, ..Reported::default() });
    tally.served_model = Some("gpt-4o".to_owned());
    tally
}

/// Status, outcome and error of the request; status, source, error and cost of its last attempt.
fn rows(settlement: &Settlement) -> String {
    let Settled { status, outcome, error, .. } = &settlement.settled;
    let request = format!("{} {} {}", status.unwrap_or(0), outcome.as_str(), error.as_deref().unwrap_or("-"));
    let Some(ended) = settlement.attempts.last().and_then(|attempt| attempt.ended.as_ref()) else { return request };
    let (status, error) = (ended.status.unwrap_or(0), ended.error.as_deref().unwrap_or("-"));
    let priced = ended.cost.map_or("unknown cost".to_owned(), |cost| format!("{cost} USD"));
    format!("{request} | {status} {} {error}, {priced}", ended.source.as_str())
}

#[tokio::test]
async fn an_answer_with_its_usage_settles_at_once_and_tells_the_cost() {
    let settled = settlement(async |accounting| {
        let attempt = attempt(accounting);
        assert_eq!(attempt.number(), 1);
        let mut tally = tally(true);
        tally.usage.as_mut().unwrap().usage.output = 9;
        let settling = attempt.whole(Cow::Owned(tally));
        assert!(settling.is_ready());
        assert_eq!(settling.await, Some(NanoUsd(2_590_000)));
    });
    assert_eq!(rows(&settled.await), "200 ok - | 200 provider -, 0.00259 USD");
}

#[tokio::test]
async fn output_that_the_usage_leaves_out_is_counted() {
    let settled = settlement(async |accounting| {
        let settling = attempt(accounting).whole(Cow::Owned(tally(true)));
        assert!(!settling.is_ready());
        // 1000 tokens of input as reported, and 7 of output as counted.
        assert_eq!(settling.await, Some(NanoUsd(2_570_000)));
    });
    assert_eq!(rows(&settled.await), "200 ok - | 200 estimated -, 0.00257 USD");
}

#[tokio::test]
async fn an_answer_without_usage_is_counted_before_it_settles() {
    let settled = settlement(async |accounting| {
        let settling = attempt(accounting).whole(Cow::Borrowed(&tally(false)));
        assert!(!settling.is_ready());
        assert!(settling.await.is_some_and(|cost| cost > NanoUsd::ZERO));
    })
    .await;
    assert!(rows(&settled).starts_with("200 ok - | 200 estimated -, 0.000"), "{}", rows(&settled));
    let counted = settled.attempts[0].ended.as_ref().unwrap().usage.usage;
    assert!(counted.input > 5 && counted.output > 5, "{counted:?}");
}

#[tokio::test]
async fn a_client_that_leaves_while_tokens_are_counted_has_left() {
    let settled = settlement(async |accounting| {
        drop(attempt(accounting).whole(Cow::Owned(tally(false))));
    });
    let rows = rows(&settled.await);
    assert!(rows.starts_with("499 cancelled the client left | 200 partial the client left, 0.000"), "{rows}");
}

#[tokio::test]
async fn a_stream_that_the_client_leaves_is_counted_from_its_first_content_on() {
    let settled = settlement(async |accounting| {
        let mut attempt = attempt(accounting);
        attempt.first_content();
        attempt.client_left(tally(true));
    })
    .await;
    // 1000 tokens of input as reported, and 7 of output as counted.
    assert_eq!(rows(&settled), "499 cancelled the client left | 200 partial the client left, 0.00257 USD");
    assert!(settled.settled.first_token_ms.is_some());
}

#[tokio::test]
async fn a_client_that_took_nothing_for_too_long_is_told_from_one_that_left() {
    let reader = Reader::default();
    let settled = settlement_for(reader.clone(), async |accounting| {
        let attempt = attempt(accounting);
        reader.cut();
        attempt.client_left(tally(true));
    });
    let rows = rows(&settled.await);
    assert!(rows.starts_with("499 cancelled the client took nothing of the answer for CLIENT_WRITE_TIMEOUT"), "{rows}");
}

#[tokio::test]
async fn a_stream_that_breaks_is_counted_and_the_row_says_why() {
    let settled = settlement(async |accounting| {
        let cost = attempt(accounting).broke(tally(true), &UpstreamError::Unread("it broke".to_owned())).await;
        assert_eq!(cost, Some(NanoUsd(2_570_000)));
    });
    assert_eq!(
        rows(&settled.await),
        "200 error the answer was not read: it broke | 200 partial the answer was not read: it broke, 0.00257 USD"
    );
}

/// The provider works on, and nobody here learns what it will bill.
#[tokio::test]
async fn a_stream_of_an_answer_in_the_background_that_ends_early_has_an_unknown_usage() {
    let promised = || Tally { deferred: true, ..tally(false) };
    let left = settlement(async |accounting| attempt(accounting).client_left(promised()));
    let rows_left = rows(&left.await);
    assert!(rows_left.starts_with("499 cancelled the client left | 200 unknown the provider answers"), "{rows_left}");
    let broke = settlement(async |accounting| {
        let _cost = attempt(accounting).broke(promised(), &UpstreamError::Unread("it broke".to_owned())).await;
    });
    let rows_broke = rows(&broke.await);
    assert!(
        rows_broke.starts_with("200 error the answer was not read: it broke | 200 unknown the provider answers"),
        "{rows_broke}"
    );
}

#[tokio::test]
async fn an_attempt_that_is_dropped_is_unanswered() {
    let settled = settlement(async |accounting| drop(attempt(accounting)));
    let expected = "499 cancelled the client left | 0 unknown the client left, unknown cost";
    assert_eq!(rows(&settled.await), expected);
    let settled = settlement(async |accounting| drop(accounting));
    assert_eq!(rows(&settled.await), "499 cancelled the client left");
}

#[tokio::test]
async fn a_request_that_nothing_served_has_the_clients_error() {
    let settled = settlement(async |accounting| {
        let error = ApiError::invalid_field("temperature", "is too high");
        assert_eq!(accounting.nothing_served(&error).await, None);
    });
    assert_eq!(rows(&settled.await), "400 error `temperature`: is too high.");
}

#[tokio::test]
async fn a_failed_attempt_is_billed_by_what_is_known() {
    let refused = || {
        UpstreamError::Refused(Box::new(Refused {
            status: 429,
            kind: RefusedKind::RateLimited,
            message: "slow down".to_owned(),
            code: None,
            param: None,
            retry_after: None,
            should_retry: None,
            original: None,
        }))
    };
    let broken = || UpstreamError::Broken("it broke".to_owned());
    let useless = || {
        let usage = Reported { usage: Usage { input: 1000, ..Usage::default() }, ..Reported::default() };
        UpstreamError::BadAnswer { reason: "MALFORMED".to_owned(), usage: Box::new(usage) }
    };
    let late = || UpstreamError::Timeout(std::time::Duration::from_secs(1));
    let unconnected = || UpstreamError::Connect("no route".into());
    let (silent, reporting) = (tally(false), tally(true));
    let cases = [
        (refused(), Received::Nothing, "429 none 0"),
        (refused(), Received::Stream(&silent), "429 none 0"),
        (refused(), Received::Stream(&reporting), "429 partial 0.0025"),
        (unconnected(), Received::Nothing, "- none 0"),
        (late(), Received::Nothing, "- unknown -"),
        (late(), Received::Head, "- unknown -"),
        (late(), Received::Stream(&silent), "200 unknown -"),
        (broken(), Received::Nothing, "- unknown -"),
        (broken(), Received::Head, "200 unknown -"),
        (useless(), Received::Head, "200 provider 0.0025"),
    ];
    for (error, received, expected) in cases {
        let case = format!("{error:?} after {received:?}");
        let settled = settlement(async move |accounting| {
            let Failed { accounting, error } = *attempt(accounting).failed(error, received);
            // The account is ready for another attempt, which is dropped here.
            assert_eq!(accounting.guard.attempts().len(), 1, "{error}");
            drop(attempt(accounting));
        });
        let ended = settled.await.attempts.remove(0).ended.unwrap();
        let status = ended.status.map_or("-".to_owned(), |status| status.to_string());
        let cost = ended.cost.map_or("-".to_owned(), |cost| cost.to_string());
        assert_eq!(format!("{status} {} {cost}", ended.source.as_str()), expected, "{case}");
        assert!(ended.error.is_some(), "{case}");
    }
}
