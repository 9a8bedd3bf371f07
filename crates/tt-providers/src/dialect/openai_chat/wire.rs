//! The wire format of a chunk of a streamed answer: the fields that are read, without copying.
//!
//! [The streaming object](https://platform.openai.com/docs/api-reference/chat-streaming/streaming). Hosts that speak
//! the dialect leave out or add many fields; unknown ones are skipped, and a field of another type counts as absent.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tt_core::call::finish::FinishReason;

use crate::dialect::few::Few;
use crate::dialect::text::Loose;

/// The data of the event that ends a stream.
pub(crate) const DONE: &[u8] = b"[DONE]";

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Chunk<'a> {
    #[serde(borrow)]
    pub(crate) id: Loose<'a>,
    #[serde(borrow)]
    pub(crate) created: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) model: Loose<'a>,
    #[serde(borrow)]
    pub(crate) choices: Option<Few<Choice<'a>, 128>>,
    #[serde(borrow)]
    pub(crate) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) service_tier: Loose<'a>,
    #[serde(borrow)]
    pub(crate) error: Option<&'a RawValue>,
    /// Padding that makes chunks of one length (`stream_options.include_obfuscation`).
    #[serde(borrow)]
    pub(crate) obfuscation: Loose<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Choice<'a> {
    pub(crate) index: u32,
    #[serde(borrow)]
    pub(crate) delta: Option<Delta<'a>>,
    #[serde(borrow)]
    pub(crate) logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) finish_reason: Loose<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Delta<'a> {
    #[serde(borrow)]
    pub(crate) content: Loose<'a>,
    #[serde(borrow)]
    pub(crate) refusal: Loose<'a>,
    /// Thinking, under the name that DeepSeek, other hosts and this proxy use.
    #[serde(borrow)]
    pub(crate) reasoning_content: Loose<'a>,
    /// Thinking, under the name that OpenRouter, Groq, vLLM and Ollama use.
    #[serde(borrow)]
    pub(crate) reasoning: Loose<'a>,
    #[serde(borrow)]
    pub(crate) tool_calls: Option<Few<Call<'a>, 128>>,
    #[serde(borrow)]
    pub(crate) function_call: Option<Function<'a>>,
    pub(crate) audio: Option<IgnoredAny>,
    #[serde(borrow)]
    pub(crate) extra_content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) thinking_blocks: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(crate) annotations: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Call<'a> {
    pub(crate) index: Option<u32>,
    #[serde(borrow)]
    pub(crate) id: Loose<'a>,
    #[serde(borrow)]
    pub(crate) function: Option<Function<'a>>,
    #[serde(borrow)]
    pub(crate) custom: Option<Function<'a>>,
    #[serde(borrow)]
    pub(crate) extra_content: Option<&'a RawValue>,
}

/// A function's name and arguments, or a custom tool's name and input.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Function<'a> {
    #[serde(borrow)]
    pub(crate) name: Loose<'a>,
    #[serde(borrow, alias = "input")]
    pub(crate) arguments: Loose<'a>,
}

impl<'a> Chunk<'a> {
    /// Reads an event's data.
    pub(crate) fn read(data: &'a [u8]) -> Result<Self, serde_json::Error> {
        // Without this check serde would read a list as the fields in their order.
        if data.first() != Some(&b'{') {
            return Err(serde::de::Error::custom("it is not an object"));
        }
        serde_json::from_slice(data)
    }
}

impl Choice<'_> {
    /// The log probabilities of its text: a list that is not empty, as sent.
    pub(crate) fn logprobs_of_text(&self) -> Option<&str> {
        #[derive(Deserialize)]
        struct Logprobs<'a> {
            #[serde(borrow)]
            content: Option<&'a RawValue>,
        }

        let logprobs: Logprobs<'_> = serde_json::from_str(self.logprobs?.get()).ok()?;
        let list = logprobs.content?.get();
        let entries = list.strip_prefix('[')?.strip_suffix(']')?;
        (!entries.trim().is_empty()).then_some(list)
    }
}

impl<'a> Delta<'a> {
    /// The thinking. Hosts that know both names of it send it twice.
    pub(crate) fn thinking(&self) -> &Loose<'a> {
        if self.reasoning_content.is_filled() { &self.reasoning_content } else { &self.reasoning }
    }

    /// True if something stands in it that is no text of the answer.
    pub(crate) fn has_more_than_text(&self) -> bool {
        let calls = self.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty()) || self.function_call.is_some();
        calls || self.thinking().is_filled() || self.thinking_blocks.is_some() || self.refusal.is_filled()
    }

    /// The texts that the model made.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &Loose<'a>> {
        let calls = self.tool_calls.as_deref().unwrap_or_default();
        let calls = calls.iter().flat_map(|call| [&call.function, &call.custom]);
        let functions = calls.chain([&self.function_call]).flatten();
        let of_functions = functions.flat_map(|function| [&function.name, &function.arguments]);
        [self.thinking(), &self.content, &self.refusal].into_iter().chain(of_functions)
    }

    /// True if the delta holds content. Once the client has been sent content, no other target may answer.
    pub(crate) fn is_content(&self) -> bool {
        self.content.is_filled() || self.audio.is_some() || self.has_more_than_text()
    }
}

/// The finish reason for a `finish_reason` of the wire. An unknown one counts as `stop`.
pub(crate) fn finish(word: &str) -> Option<FinishReason> {
    match word {
        "" => None,
        "length" => Some(FinishReason::Length),
        "tool_calls" | "function_call" => Some(FinishReason::ToolCalls),
        "content_filter" => Some(FinishReason::ContentFilter),
        "stop" => Some(FinishReason::Stop),
        other => {
            tracing::debug!(finish_reason = other, "unknown finish reason read as stop");
            Some(FinishReason::Stop)
        }
    }
}
