//! Holds the recognition of chunks against their parser.

use bytes::Bytes;

use super::*;
use crate::dialect::template::comparison::{Compared, compare, tests};

impl Compared for StreamObserver {
    fn fresh() -> Self {
        Self::new(true)
    }

    fn template(&mut self) -> &mut Template {
        &mut self.observer.template
    }

    fn state(&self) -> String {
        let Observer { tally, usage, service_tier, open_choices, template: _ } = &self.observer;
        format!("{:?}", (tally, usage, service_tier, open_choices))
    }
}

/// The parts of an event, each with its alternatives.
const MADE: &[&[&str]] = &[
    &[r#"{"model":"m""#, r#"{"model":"n""#, r#"{"model":"""#, r#"{"model":NUMBER"#],
    &[r#","choices":["#, r#","choices":[{},"#, r#","choices":null,"other":["#],
    &[r#"{"index":0"#, r#"{"index":NUMBER"#, r#"{"finish_reason":"stop""#, r#"{"finish_reason":null"#],
    &[
        r#","delta":{"content":"TEXT"}"#,
        r#","delta":{"reasoning":"TEXT"}"#,
        r#","delta":{"reasoning_content":"TEXT","reasoning":"TEXT"}"#,
        r#","delta":{"tool_calls":[{"index":0,"function":{"arguments":"TEXT"}}]}"#,
        r#","delta":{"tool_calls":[{"function":{"name":"f","arguments":"TEXT"}}]}"#,
        r#","delta":{"content":"TEXT","refusal":""}"#,
        r#","delta":{"content":"TEXT","refusal":"no"}"#,
        r#","delta":{"content":"TEXT","content":"TEXT"}"#,
        r#","delta":{"content":"TEXT","audio":{}}"#,
    ],
    &["}]", r#"},{"delta":{"content":"TEXT"}}]"#, "}"],
    &["", r#","obfuscation":"TEXT""#, r#","obfuscation":NUMBER"#],
    &["", r#","usage":null"#, r#","usage":{"prompt_tokens":NUMBER,"details":[NUMBER]}"#, r#","usage":NUMBER"#],
    &["", r#","service_tier":"flex""#, r#","service_tier":"default""#, r#","error":{"message":"no"}"#],
    &["}", " }", "", "}}"],
];

#[test]
fn a_chunk_is_parsed_again_after_one_of_another_model() {
    let text = r#"{"model":"m","service_tier":"flex","choices":[{"delta":{"content":"a"}}]}"#;
    for other in [r#"{"model":"n","choices":[]}"#, r#"{"service_tier":"default"}"#] {
        assert_eq!(compare::<StreamObserver>(&[text, text, other, text].map(Bytes::from)), 1, "{other}");
    }
}

tests!("openai", "chat.completions", 354);
