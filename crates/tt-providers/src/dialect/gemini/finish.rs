//! The reasons for which an answer ends (`MAPPING.md`, Finish reasons).

use tt_core::call::finish::FinishReason;

/// The meaning of a `finishReason`, before it is known whether a tool was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// By itself: with a call to have it run, without one because all is said.
    Done,
    /// For a reason that a call does not change.
    Cut(FinishReason),
    /// Nothing usable came out. With a call it is a call.
    Broken,
}

impl Ending {
    /// Reads a [`FinishReason`](https://ai.google.dev/api/generate-content#FinishReason). Unknown ones count as done.
    pub(super) fn of(reason: &str) -> Self {
        match reason {
            "MAX_TOKENS" => Self::Cut(FinishReason::Length),
            "CONTINUATION" => Self::Cut(FinishReason::Continuation),
            "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "LANGUAGE" | "MODEL_ARMOR"
            | "ESCALATION" => Self::Cut(FinishReason::ContentFilter),
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

    /// The finish, given whether a tool was called; `None`: the answer is of no use.
    pub(super) const fn finish(self, called: bool) -> Option<FinishReason> {
        match self {
            // Length and filter win over a call: its arguments may be cut.
            Self::Cut(finish) => Some(finish),
            Self::Done | Self::Broken if called => Some(FinishReason::ToolCalls),
            Self::Done => Some(FinishReason::Stop),
            Self::Broken => None,
        }
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
            ("MALFORMED_FUNCTION_CALL", None, Some(ToolCalls)),
            ("TOO_MANY_TOOL_CALLS", None, Some(ToolCalls)),
        ] {
            let ending = Ending::of(reason);
            assert_eq!((ending.finish(false), ending.finish(true)), (alone, with_call), "{reason}");
        }
    }
}
