//! Settlements for tests.

use tt_core::plan::Route;
use tt_core::record::{Attempt, AttemptEnded, AttemptStarted, Intent, Note, Operation, Outcome, Settled, Settlement};
use tt_core::usage::Reported;
use tt_core::{Dialect, NanoUsd, Provider, ProviderKeyId, RequestId, Tags, Timestamp, Usage, UsageSource, UserId};
use uuid::Uuid;

/// A text that must not be sent.
pub(crate) const SECRET: &str = "the words of somebody";

/// A request that arrived at 1,000 ms and was served after 400 ms by these attempts.
pub(crate) fn settlement(attempts: Vec<Attempt>) -> Settlement {
    let intent = Intent {
        request_id: RequestId(Uuid::from_u128(0x019a_bc00_0000_7000_8000_0000_0000_0001)),
        created_at: Timestamp::from_millis(1000),
        user_id: UserId(4711),
        api_key_id: None,
        alias: "fast".to_owned(),
        dialect: Dialect::OpenAiChat,
        stream: false,
        route_reason: SECRET.to_owned(),
        chain: Vec::new(),
        tags: Tags::parse("team=search").unwrap(),
        client: None,
        session: None,
        agent: None,
        trace_id: None,
        parent_span: None,
        operation: Operation::Chat,
    };
    let settled =
        Settled { status: Some(200), outcome: Outcome::Ok, error: None, latency_ms: 400, first_token_ms: None };
    Settlement { intent, attempts, settled }
}

/// An attempt at a model of OpenAI that was sent at 1,100 ms.
pub(crate) fn attempt(ended: Option<AttemptEnded>) -> Attempt {
    let note = Note { param: SECRET.to_owned(), what: tt_core::record::Change::Dropped, why: SECRET.to_owned() };
    let started = AttemptStarted {
        alias: "fast".to_owned(),
        route: Route::Primary,
        provider: Provider::OpenAi,
        provider_key_id: ProviderKeyId(1),
        model: "gpt-4o".to_owned(),
        started_at: Timestamp::from_millis(1100),
        notes: vec![note],
        held: None,
    };
    Attempt { started, ended }
}

/// An answer that took 250 ms.
pub(crate) fn answered(usage: Usage) -> AttemptEnded {
    AttemptEnded {
        status: Some(200),
        error: None,
        source: UsageSource::Provider,
        usage: Reported { usage, raw: SECRET.to_owned(), ..Reported::default() },
        served_model: Some("gpt-4o-2024-08-06".to_owned()),
        cost: Some(NanoUsd(123)),
        ..AttemptEnded::unbilled(None, "", 250)
    }
}
