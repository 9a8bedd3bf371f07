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

tests!("openai", "responses", 193);
