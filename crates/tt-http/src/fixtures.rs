//! Values that the tests of several modules begin with.

use tt_core::record::{Intent, Operation};
use tt_core::{Dialect, RequestId, Tags, Timestamp, UserId};

/// A plain chat request of user 1, made at the Unix epoch.
pub(crate) fn intent() -> Intent {
    Intent {
        request_id: RequestId(uuid::Uuid::from_u128(1)),
        created_at: Timestamp::from_millis(0),
        user_id: UserId(1),
        api_key_id: None,
        alias: "a".to_owned(),
        dialect: Dialect::OpenAiChat,
        stream: false,
        route_reason: String::new(),
        chain: Vec::new(),
        tags: Tags::default(),
        client: None,
        session: None,
        agent: None,
        trace_id: None,
        parent_span: None,
        operation: Operation::Chat,
    }
}
