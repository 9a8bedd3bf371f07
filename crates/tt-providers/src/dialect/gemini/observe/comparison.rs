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

#[test]
fn most_recorded_texts_are_recognised() {
    let recognised: usize =
        recorded("gemini", "streamGenerateContent").iter().map(|stream| compare::<StreamObserver>(stream)).sum();
    assert!(recognised >= 23, "only {recognised}");
}

proptest! {
    #[test]
    fn an_event_means_the_same_whether_it_is_recognised_or_parsed(events in made(MADE)) {
        compare::<StreamObserver>(&events);
    }

    #[test]
    fn a_changed_event_means_the_same_whether_it_is_recognised_or_parsed(events in changed(recorded("gemini", "streamGenerateContent"))) {
        compare::<StreamObserver>(&events);
    }
}
