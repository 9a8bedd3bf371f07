//! The account of an answer while it passes: its usage, its model, and enough of its text to count tokens if the
//! provider reports no usage.

use tt_core::call::event::{Delta, Event};
use tt_core::call::part::{Part, Text};
use tt_core::record::bounds::MODEL_BYTES;
use tt_core::usage::Reported;

/// The most output text that is kept, in bytes. Of the rest only the length is kept.
const TEXT_CAP_BYTES: usize = 256 << 10;

/// The running account of one answer, for every dialect and for pass-through and translation alike.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// The provider's usage as last reported.
    pub usage: Option<Reported>,
    /// The model that answers, as the provider names it.
    pub served_model: Option<String>,
    /// The text generated so far (answers, thinking, refusals, tool calls), at most 256 KiB. Its tokens are counted
    /// when the provider reports no usage.
    pub output_text: String,
    /// The length of the text beyond `output_text`, in bytes.
    pub extra_bytes: u64,
    /// True if a choice has ended with a finish reason.
    pub finished: bool,
    /// True if the provider ended the stream properly.
    pub done: bool,
    /// True if the provider works on after its answer, whose result is fetched later, so that nobody knows what it will bill.
    pub deferred: bool,
}

impl Tally {
    /// The account of a whole answer whose text is `text`.
    pub fn of(text: &str) -> Self {
        let mut tally = Self::default();
        tally.text(text);
        tally
    }

    /// Takes note of a neutral event.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::Start { model, .. } => self.model(model),
            Event::BlockStart { head, .. } => self.head(head),
            Event::Delta { delta, .. } => self.delta(delta),
            Event::Finish { finish, .. } => {
                self.finished = true;
                if let Some(words) = finish.explanation() {
                    self.without_end(words);
                }
            }
            Event::Usage(reported) => self.usage = Some(reported.clone()),
            Event::Done => self.done = true,
            Event::BlockStop { .. } | Event::Ping => {}
        }
    }

    fn head(&mut self, head: &Part) {
        match head {
            Part::Text(Text { text, .. }) | Part::Refusal { text } => self.text(text),
            Part::Thinking(thinking) => thinking.texts().for_each(|text| self.text(text)),
            Part::ToolCall(call) => {
                self.text(&call.name);
                self.text(&call.arguments);
            }
            Part::Audio(audio) => self.text(audio.transcript.as_deref().unwrap_or_default()),
            Part::Opaque(opaque) => self.text(opaque.text.as_deref().unwrap_or_default()),
            Part::Image(_)
            | Part::Video(_)
            | Part::Document(_)
            | Part::ToolResult(_)
            | Part::Redacted { .. }
            | Part::WebSearch { .. } => {}
        }
    }

    fn delta(&mut self, delta: &Delta) {
        match delta {
            Delta::Text { text, .. }
            | Delta::Thinking(text)
            | Delta::Summary { text, .. }
            | Delta::Refusal(text)
            | Delta::Arguments(text) => self.text(text),
            Delta::Signature(_) | Delta::Citation(_) | Delta::Bytes(_) | Delta::Raw(_) => {}
        }
    }

    /// True if the provider reported a usage that can be true: every request has input, and text that was generated is
    /// output. Some hosts report zeros, or leave one of the numbers out.
    pub fn has_credible_usage(&self) -> bool {
        let credible = |reported: &Reported| {
            let usage = reported.total();
            usage.total_input() > 0 && (usage.output > 0 || self.text_bytes() == 0)
        };
        self.usage.as_ref().is_some_and(credible)
    }

    /// The length of all generated text so far, in bytes.
    pub fn text_bytes(&self) -> u64 {
        self.extra_bytes.saturating_add(self.output_text.len() as u64)
    }

    /// The memory that the account takes beside itself, in bytes.
    pub fn held_bytes(&self) -> usize {
        let usage = self.usage.as_ref().map_or(0, |usage| usage.raw.len());
        self.output_text.len() + self.served_model.as_ref().map_or(0, String::len) + usage
    }

    /// Takes note of generated text.
    pub fn text(&mut self, text: &str) {
        let room = TEXT_CAP_BYTES.saturating_sub(self.output_text.len());
        let kept = if self.extra_bytes == 0 { cut(text, room) } else { "" };
        self.output_text.push_str(kept);
        self.extra_bytes = self.extra_bytes.saturating_add((text.len() - kept.len()) as u64);
    }

    /// Takes `words` from the end of the text: the provider wrote them, and not the model.
    fn without_end(&mut self, words: &str) {
        let length = words.len() as u64;
        if self.extra_bytes >= length {
            self.extra_bytes -= length;
        } else if self.extra_bytes == 0 && self.output_text.ends_with(words) {
            self.output_text.truncate(self.output_text.len() - words.len());
        }
    }

    /// Takes note of the model that answers. An empty name is ignored, a name of more than 255 bytes is cut.
    pub fn model(&mut self, model: &str) {
        let model = cut(model, MODEL_BYTES);
        if !model.is_empty() && self.served_model.as_deref() != Some(model) {
            self.served_model = Some(model.to_owned());
        }
    }
}

/// The longest beginning of `text` of at most `bytes` bytes that ends between characters.
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes.min(text.len()))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tt_core::call::finish::Finish;

    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!((cut("a€b", 3), cut("a€b", 4), cut("a€b", 99)), ("a", "a€", "a€b"));
    }

    #[test]
    fn text_beyond_the_cap_is_only_measured() {
        let mut tally = Tally::default();
        tally.text(&"a".repeat(TEXT_CAP_BYTES - 1));
        tally.text("€x");
        tally.text("y");
        assert_eq!((tally.output_text.len(), tally.extra_bytes), (TEXT_CAP_BYTES - 1, 5));
    }

    #[test]
    fn the_words_of_a_filter_are_no_text_of_the_model() {
        let words = || "The filter cut it.".to_owned();
        let cut = Finish { detail: Some(words().into()), ..Finish::default() };
        for (said, left) in [("It was ", 7), ("", 0)] {
            let mut tally = Tally::default();
            tally.text(said);
            tally.event(&Event::BlockStart { choice: 0, block: 1, head: Part::Refusal { text: words() } });
            tally.event(&Event::Finish { choice: 0, finish: cut.clone() });
            assert_eq!(tally.text_bytes(), left, "{said}");
        }
        let mut tally = Tally::of(&"a".repeat(TEXT_CAP_BYTES));
        tally.event(&Event::BlockStart { choice: 0, block: 1, head: Part::Refusal { text: words() } });
        tally.event(&Event::Finish { choice: 0, finish: cut });
        assert_eq!((tally.output_text.len(), tally.extra_bytes), (TEXT_CAP_BYTES, 0));
    }

    #[test]
    fn events_add_up() {
        let mut tally = Tally::default();
        for event in [
            Event::Start { id: "i".into(), model: "m".into(), created: None },
            Event::BlockStart { choice: 0, block: 0, head: Part::thinking("t") },
            Event::BlockStart { choice: 0, block: 1, head: Part::text("") },
            Event::Delta { choice: 0, block: 1, delta: Delta::text("x".into()) },
            Event::BlockStop { choice: 0, block: 1 },
            Event::Usage(Reported { raw: "1".into(), ..Reported::default() }),
            Event::Usage(Reported { raw: "2".into(), ..Reported::default() }),
            Event::Finish { choice: 0, finish: Finish::default() },
        ] {
            tally.event(&event);
        }
        assert_eq!((tally.output_text.as_str(), tally.served_model.as_deref()), ("tx", Some("m")));
        assert_eq!((tally.usage.unwrap().raw.as_str(), tally.finished, tally.done), ("2", true, false));
    }
}
