//! The reasons for which an answer ends (`MAPPING.md`, Finish reasons).

use tt_core::call::finish::FinishReason;

/// The meaning of a `finishReason`, before it is known whether a tool was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The model was done. This is `ToolCalls` after a call, else `Stop`.
    Done,
    /// The answer ended for this reason, whether or not a tool was called.
    Cut(FinishReason),
    /// The answer is of no use, unless a tool was called before: then the call counts.
    Broken,
}

impl Ending {
    /// Reads a [`FinishReason`](https://ai.google.dev/api/generate-content#FinishReason). Unknown reasons count as
    /// done.
    pub(super) fn of(reason: &str) -> Self {
        match reason {
            "MAX_TOKENS" => Self::Cut(FinishReason::Length),
            "CONTINUATION" => Self::Cut(FinishReason::Continuation),
            "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "LANGUAGE" | "MODEL_ARMOR"
            | "ESCALATION" | "NO_IMAGE" => Self::Cut(FinishReason::ContentFilter),
            "PUP_LIMITED_DISABLED" => {
                tracing::warn!("the account of the provider key is limited or disabled for a breach of Gemini's terms");
                Self::Cut(FinishReason::ContentFilter)
            }
            image if image.starts_with("IMAGE_") => Self::Cut(FinishReason::ContentFilter),
            "MALFORMED_FUNCTION_CALL" | "MALFORMED_RESPONSE" | "TOO_MANY_TOOL_CALLS" | "MISSING_THOUGHT_SIGNATURE" => {
                Self::Broken
            }
            "STOP" | "OTHER" | "UNEXPECTED_TOOL_CALL" | "FINISH_REASON_UNSPECIFIED" => Self::Done,
            unknown => {
                tracing::warn!(finish_reason = unknown, "unknown Gemini finish reason, taken as stop");
                Self::Done
            }
        }
    }

    /// The finish reason of an answer; `called` is true if it holds a tool call. `None`: the answer is of no use.
    pub(super) const fn finish(self, called: bool) -> Option<FinishReason> {
        match self {
            // The output limit and the filter win over a call, whose arguments may be cut.
            Self::Cut(finish) => Some(finish),
            Self::Done | Self::Broken if called => Some(FinishReason::ToolCalls),
            Self::Done => Some(FinishReason::Stop),
            Self::Broken => None,
        }
    }
}

/// The `finishMessage` of an answer that was refused or cut by a filter, in the words of its provider where it has some.
pub(super) fn message(reason: FinishReason, words: Option<&str>) -> Option<String> {
    match reason {
        FinishReason::Refusal => Some(words.unwrap_or("the model refused to answer").to_owned()),
        FinishReason::ContentFilter | FinishReason::Stop => words.map(str::to_owned),
        _ => None,
    }
}

/// The `finishReason` for a finish.
pub(super) const fn word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop | FinishReason::ToolCalls => "STOP",
        FinishReason::Length | FinishReason::ContextWindow => "MAX_TOKENS",
        FinishReason::ContentFilter | FinishReason::Refusal => "SAFETY",
        FinishReason::Continuation => "CONTINUATION",
        FinishReason::PauseTurn | FinishReason::Compaction | FinishReason::Incomplete => "OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finish_reasons_map_as_listed() {
        use FinishReason::{ContentFilter, Continuation, Length, Stop, ToolCalls};
        for (reason, alone, with_call) in [
            ("STOP", Some(Stop), Some(ToolCalls)),
            ("UNEXPECTED_TOOL_CALL", Some(Stop), Some(ToolCalls)),
            ("OTHER", Some(Stop), Some(ToolCalls)),
            ("A_NEW_ONE", Some(Stop), Some(ToolCalls)),
            ("MAX_TOKENS", Some(Length), Some(Length)),
            ("CONTINUATION", Some(Continuation), Some(Continuation)),
            ("SAFETY", Some(ContentFilter), Some(ContentFilter)),
            ("IMAGE_SAFETY", Some(ContentFilter), Some(ContentFilter)),
            ("ESCALATION", Some(ContentFilter), Some(ContentFilter)),
            ("NO_IMAGE", Some(ContentFilter), Some(ContentFilter)),
            ("PUP_LIMITED_DISABLED", Some(ContentFilter), Some(ContentFilter)),
            ("MALFORMED_FUNCTION_CALL", None, Some(ToolCalls)),
            ("TOO_MANY_TOOL_CALLS", None, Some(ToolCalls)),
        ] {
            let ending = Ending::of(reason);
            assert_eq!((ending.finish(false), ending.finish(true)), (alone, with_call), "{reason}");
        }
    }
}
