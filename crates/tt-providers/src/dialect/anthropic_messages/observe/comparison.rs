//! Holds the recognition of events against their parser.

use super::*;
use crate::dialect::template::comparison::{Compared, compare, tests};

impl Compared for StreamObserver {
    fn fresh() -> Self {
        Self::default()
    }

    fn template(&mut self) -> &mut Template {
        &mut self.template
    }

    fn state(&self) -> String {
        let Self { tally, usage, counted, stop, template: _ } = self;
        format!("{:?}", (tally, usage, counted, stop))
    }
}

/// The parts of an event, each with its alternatives.
const MADE: &[&[&str]] = &[
    &[
        r#"{"type":"content_block_delta""#,
        r#"{"type":"content_block_start""#,
        r#"{"type":"message_delta""#,
        r#"{"type":"ping""#,
        r#"{"type":"error""#,
        r#"{"t\u0079pe":"content_block_delta""#,
    ],
    &["", r#","index":NUMBER"#, r#","usage":{"output_tokens":NUMBER}"#, r#","error":{"message":"TEXT"}"#],
    &[
        r#","delta":{"type":"text_delta","text":"TEXT""#,
        r#","delta":{"type":"thinking_delta","thinking":"TEXT""#,
        r#","delta":{"type":"input_json_delta","partial_json":"TEXT""#,
        r#","delta":{"type":"signature_delta","signature":"TEXT""#,
        r#","delta":{"text":"TEXT","thinking":"TEXT""#,
        r#","content_block":{"text":"TEXT""#,
    ],
    &["", r#","name":"f""#, r#","input":{"a":NUMBER}"#, r#","stop_reason":"TEXT""#, r#","text":"TEXT""#],
    &["}}", "}   }", "}}   ", "}} x", "}"],
];

tests!("anthropic", "messages", 506);
