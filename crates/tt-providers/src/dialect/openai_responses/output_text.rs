//! The text of a whole answer, read without decoding the rest of it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::elements::{each, text_of};
use crate::dialect::text::Loose;
use crate::tally::Tally;

/// The account of the generated text in the list `output`.
pub(super) fn count(output: &str) -> Tally {
    text_of(output, Item::count)
}

/// An item, with its lists as text, so that their elements are read one after another.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Item<'a> {
    #[serde(borrow)]
    summary: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Loose<'a>,
    #[serde(borrow)]
    arguments: Loose<'a>,
    #[serde(borrow)]
    input: Loose<'a>,
}

/// A part of a content, or a paragraph of a summary.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    text: Loose<'a>,
    #[serde(borrow)]
    refusal: Loose<'a>,
}

impl Item<'_> {
    fn count(self, tally: &mut Tally) -> Result<(), serde_json::Error> {
        for list in [self.summary, self.content].into_iter().flatten().filter(|list| list.get().starts_with('[')) {
            each(list.get(), |part: Part<'_>| {
                tally.text(part.text.as_str());
                tally.text(part.refusal.as_str());
                Ok(())
            })?;
        }
        for text in [&self.name, &self.arguments, &self.input] {
            tally.text(text.as_str());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn text(output: &Value) -> String {
        count(&output.to_string()).output_text
    }

    #[test]
    fn all_that_the_model_wrote_is_counted_once() {
        let output = json!([
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "think"}], "content": null},
            {"type": "message", "content": [{"type": "output_text", "text": "a\n"}, {"type": "refusal", "refusal": "no"}]},
            {"type": "function_call", "name": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "name": "g", "input": "x"},
            {"type": "web_search_call", "action": {"query": "not generated as text"}},
        ]);
        assert_eq!(text(&output), "thinka\nnof{}gx");
        let odd = json!([1]);
        assert_eq!(text(&odd), odd.to_string());
    }
}
