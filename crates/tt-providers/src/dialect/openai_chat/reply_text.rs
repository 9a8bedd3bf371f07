//! The text of a whole answer, read without decoding the rest of it.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::{Call, Function};
use crate::dialect::elements::{each, text_of};
use crate::dialect::text::Loose;
use crate::tally::Tally;

/// The account of the generated text in the list `choices`.
pub(super) fn count(choices: &str) -> Tally {
    text_of(choices, Choice::count)
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Option<Message<'a>>,
}

/// A message, with its lists as text, so that their elements are read one after another.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Message<'a> {
    #[serde(borrow)]
    thinking_blocks: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Loose<'a>,
    #[serde(borrow)]
    reasoning: Loose<'a>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Loose<'a>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<Function<'a>>,
}

/// A part of `content`, or a thinking block.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    text: Loose<'a>,
    #[serde(borrow)]
    refusal: Loose<'a>,
    #[serde(borrow)]
    thinking: Loose<'a>,
}

impl Choice<'_> {
    fn count(self, tally: &mut Tally) -> Result<(), serde_json::Error> {
        let Some(message) = self.message else { return Ok(()) };
        let before = tally.text_bytes();
        if let Some(blocks) = message.thinking_blocks {
            each(blocks.get(), |block: Part<'_>| {
                tally.text(block.thinking.as_str());
                Ok(())
            })?;
        }
        // The blocks are the same thinking once more.
        if tally.text_bytes() == before {
            let named = [&message.reasoning_content, &message.reasoning];
            tally.text(named.into_iter().map(Loose::as_str).find(|text| !text.is_empty()).unwrap_or_default());
        }
        match message.content {
            Some(text) if text.get().starts_with('"') => {
                tally.text(serde_json::from_str::<Loose<'_>>(text.get())?.as_str());
            }
            Some(parts) => each(parts.get(), |part: Part<'_>| {
                tally.text(part.text.as_str());
                tally.text(part.refusal.as_str());
                Ok(())
            })?,
            None => {}
        }
        tally.text(message.refusal.as_str());
        if let Some(calls) = message.tool_calls {
            each(calls.get(), |call: Call<'_>| {
                [call.function, call.custom].into_iter().flatten().for_each(|call| called(&call, tally));
                Ok(())
            })?;
        }
        message.function_call.iter().for_each(|call| called(call, tally));
        Ok(())
    }
}

fn called(call: &Function<'_>, tally: &mut Tally) {
    tally.text(call.name.as_str());
    tally.text(call.arguments.as_str());
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn text(choices: Value) -> String {
        let raw = serde_json::value::to_raw_value(&choices).unwrap();
        count(raw.get()).output_text
    }

    #[test]
    fn all_that_the_model_wrote_is_counted_once() {
        let message = json!({
            "role": "assistant",
            "reasoning_content": "think",
            "thinking_blocks": [{"type": "thinking", "thinking": "think", "signature": "s"}],
            "content": [{"type": "text", "text": "a\n"}, {"type": "refusal", "refusal": "no"}],
            "refusal": "!",
            "tool_calls": [
                {"id": "1", "function": {"name": "f", "arguments": "{}"}},
                {"id": "2", "type": "custom", "custom": {"name": "g", "input": "x"}},
            ],
            "function_call": {"name": "h", "arguments": "[]"},
            "other": "not generated",
        });
        assert_eq!(text(json!([{"index": 0}, {"message": message}])), "thinka\nno!f{}gxh[]");
        assert_eq!(text(json!([{"message": {"reasoning_content": "t", "thinking_blocks": []}}])), "t");
        assert_eq!(text(json!([{"message": {"content": null}}, {"message": {"content": "x"}}])), "x");
    }

    #[test]
    fn a_form_that_is_not_known_counts_with_all_its_bytes() {
        for odd in [json!([{"message": {"content": {"a": "b"}}}]), json!([1]), json!([{"message": "text"}])] {
            assert_eq!(text(odd.clone()), odd.to_string());
        }
    }
}
