//! The number of tokens of a conversation's input, by the rules of each provider.

use std::ops::RangeInclusive;

use super::conversation::Conversation;
use crate::plan::InputTokens;
use crate::{Provider, tokens};

impl Conversation {
    /// Input tokens, counted up to `bound` (`u64::MAX`: all of them); media by the rule of `provider`. May load the
    /// tokenizer, and takes about 10 ms for 100 KB: long conversations must not be counted on a worker thread.
    pub fn input_up_to(&self, provider: Provider, bound: u64) -> InputTokens {
        tokens::count_up_to(self.texts(), self.media_tokens(provider), bound)
    }

    /// Input tokens where the length alone settles every one of `thresholds`; `None`: they must be counted up to the
    /// largest. Never loads the tokenizer.
    pub fn input_by_length(&self, provider: Provider, thresholds: RangeInclusive<u64>) -> Option<InputTokens> {
        tokens::by_length(self.texts(), self.media_tokens(provider), thresholds)
    }

    fn media_tokens(&self, provider: Provider) -> u64 {
        self.media().fold(0, |sum: u64, part| sum.saturating_add(tokens::media_tokens(part, provider)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::call::conversation::{Function, Image, Media, Message, Part, Role, Tool, ToolResult};

    #[test]
    fn the_longest_cache_mark_is_found_wherever_it_stands() {
        use crate::call::conversation::{CacheTtl, Text};
        let text = |cache| Part::Text(Text { cache, ..Text::default() });
        let asks =
            |parts: Vec<Part>| Conversation { messages: vec![message(Role::User, parts)], ..Conversation::default() };
        assert_eq!(asks(vec![text(None)]).longest_cache(), None);
        let two = vec![text(Some(CacheTtl::OneHour)), text(Some(CacheTtl::FiveMinutes))];
        assert_eq!(asks(two.clone()).longest_cache(), Some(CacheTtl::OneHour));
        let result = Part::ToolResult(ToolResult { content: two, ..ToolResult::default() });
        assert_eq!(asks(vec![result]).longest_cache(), Some(CacheTtl::OneHour));
        let mut tools = asks(vec![text(Some(CacheTtl::FiveMinutes))]);
        tools.tools = vec![Tool::Function(Function { cache: Some(CacheTtl::TwelveHours), ..Function::default() })];
        assert_eq!(tools.longest_cache(), Some(CacheTtl::TwelveHours));
    }

    fn message(role: Role, parts: Vec<Part>) -> Message {
        Message { role, name: None, parts, extra: Map::new() }
    }

    #[test]
    fn input_is_all_text_and_all_media() {
        let picture = || Part::Image(Image::new(Media::url("https://example.org/x")));
        let result = vec![Part::text("hello world"), picture()];
        let conversation = Conversation {
            messages: vec![
                message(Role::System, vec![Part::text("hello world")]),
                message(Role::User, vec![Part::text("hello world"), picture()]),
                message(
                    Role::Tool,
                    vec![Part::ToolResult(ToolResult { id: "1".into(), content: result, ..ToolResult::default() })],
                ),
            ],
            tools: vec![Tool::Function(Function {
                name: "hello".into(),
                description: Some("hello world".into()),
                ..Function::default()
            })],
            ..Conversation::default()
        };
        // 2 + 2 + 2 for the messages, 1 + 2 for the tool, and two pictures
        assert_eq!(conversation.input_up_to(Provider::OpenAi, u64::MAX), InputTokens::Exact(9 + 2 * 765));
        assert_eq!(conversation.input_up_to(Provider::Gemini, 526), InputTokens::Exact(9 + 2 * 258));
        assert_eq!(conversation.input_up_to(Provider::Gemini, 525), InputTokens::AtLeast(525));
        // 11 × 4 + 5 bytes
        let by_length = |thresholds| conversation.input_by_length(Provider::Gemini, thresholds);
        assert_eq!(by_length(566..=1000), Some(InputTokens::AtMost(49 + 2 * 258)));
        assert_eq!(by_length(565..=1000), None);
        assert_eq!(by_length(100..=516), Some(InputTokens::AtLeast(516)));
    }
}
