//! Holds the recognition of events against their parser.

use proptest::prelude::*;

use super::*;
use crate::dialect::template::comparison::{Compared, changed, compare, made, recorded};

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

#[test]
fn most_recorded_texts_are_recognised() {
    let recognised: usize =
        recorded("anthropic", "messages").iter().map(|stream| compare::<StreamObserver>(stream)).sum();
    assert!(recognised >= 506, "only {recognised}");
}

proptest! {
    #[test]
    fn an_event_means_the_same_whether_it_is_recognised_or_parsed(events in made(MADE)) {
        compare::<StreamObserver>(&events);
    }

    #[test]
    fn a_changed_event_means_the_same_whether_it_is_recognised_or_parsed(events in changed(recorded("anthropic", "messages"))) {
        compare::<StreamObserver>(&events);
    }
}
