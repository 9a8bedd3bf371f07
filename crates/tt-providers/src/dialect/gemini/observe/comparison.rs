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
        let Self { elements, tally, usage, candidates, searches, template: _ } = self;
        format!("{:?}", (elements, tally, usage, candidates, searches))
    }
}

/// The parts of an event, each with its alternatives.
const MADE: &[&[&str]] = &[
    &[r#"{"candidates":["#, r#"{"candidates":[{"index":1},"#, r#"{"other":["#, r#"{"error":{},"candidates":["#],
    &[
        r#"{"content":{"parts":[{"text":"TEXT"}]}"#,
        r#"{"content":{"parts":[{"text":"TEXT","thought":true}],"role":"model"}"#,
        r#"{"content":{"parts":[{"text":"TEXT"},{"text":"TEXT"}]}"#,
        r#"{"content":{"parts":[{"text":"TEXT","functionCall":{"name":"f","args":{"a":NUMBER}}}]}"#,
        r#"{"content":{"parts":[{"text":"TEXT","text":"TEXT"}]}"#,
        r#"{"content":{"parts":[{"text":"TEXT","inlineData":{}}]}"#,
    ],
    &["", r#","index":0"#, r#","index":NUMBER"#],
    &[
        "",
        r#","finishReason":"TEXT""#,
        r#","groundingMetadata":{"webSearchQueries":["TEXT"]}"#,
        r#","urlContextMetadata":{}"#,
    ],
    &["}]", r#"},{"content":{"parts":[{"text":"TEXT"}]}}]"#],
    &[
        "",
        r#","usageMetadata":{"promptTokenCount": NUMBER,"totalTokenCount":NUMBER}"#,
        r#","usageMetadata":{"promptTokensDetails":[{"modality":"TEXT","tokenCount":NUMBER}]}"#,
        r#","usageMetadata":NUMBER"#,
    ],
    &["", r#","modelVersion":"gemini""#, r#","modelVersion":"other""#, r#","promptFeedback":{"blockReason":"TEXT"}"#],
    &["}", " }", "", "}}"],
];

tests!("gemini", "streamGenerateContent", 23);
