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
        let Self { tally, last, sequence, template: _ } = self;
        format!("{:?}", (tally, last, sequence))
    }
}

/// The parts of an event, each with its alternatives.
const MADE: &[&[&str]] = &[
    &["{", r#"{"sequence_number":NUMBER,"#, r#"{"sequence_number":[NUMBER],"#],
    &[
        r#""type":"response.output_text.delta""#,
        r#""type":"response.function_call_arguments.delta""#,
        r#""type":"response.audio.delta""#,
        r#""type":"response.output_text.done""#,
        r#""type":"response.created""#,
        r#""type":"error""#,
        r#""type":"""#,
        r#""typ\u0065":"error.delta""#,
    ],
    &[r#","delta":"TEXT""#, r#","delta":{"text":"TEXT"}"#, r#","delta":"TEXT","delta":"TEXT""#, ""],
    &["", r#","obfuscation":"TEXT""#, r#","obfuscation":NUMBER"#],
    &["", r#","response":{"model":"TEXT"}"#, r#","error":{"message":"TEXT"}"#, r#","logprobs":[]"#],
    &["", r#","sequence_number":NUMBER"#],
    &["}", " }", "", "}}"],
];

#[test]
fn most_recorded_texts_are_recognised() {
    let recognised: usize =
        recorded("openai", "responses").iter().map(|stream| compare::<StreamObserver>(stream)).sum();
    assert!(recognised >= 193, "only {recognised}");
}

proptest! {
    #[test]
    fn an_event_means_the_same_whether_it_is_recognised_or_parsed(events in made(MADE)) {
        compare::<StreamObserver>(&events);
    }

    #[test]
    fn a_changed_event_means_the_same_whether_it_is_recognised_or_parsed(events in changed(recorded("openai", "responses"))) {
        compare::<StreamObserver>(&events);
    }
}
