//! Prints the places of a request as a Chat Completions client writes them.

use tt_core::Dialect;
use tt_core::call::field::Field;

/// The names under `extra_body` by which a client addresses fields to providers of another dialect.
pub(super) const ADDRESSEES: [(&str, Dialect); 2] =
    [("anthropic", Dialect::AnthropicMessages), ("google", Dialect::Gemini)];

/// `field` as the client wrote it: `messages[2].tool_calls[0].function.arguments`.
pub(super) fn name(field: &Field) -> String {
    match field {
        Field::Written(name) => name.clone(),
        Field::Model => "model".into(),
        Field::Messages => "messages".into(),
        Field::Message(message) => format!("messages[{message}]"),
        Field::Content(message) => format!("messages[{message}].content"),
        Field::Part { message, part } => format!("messages[{message}].content[{part}]"),
        Field::ToolCalls(message) => format!("messages[{message}].tool_calls"),
        Field::ToolCall { message, call } => format!("messages[{message}].tool_calls[{call}]"),
        Field::Arguments { message, call } => format!("messages[{message}].tool_calls[{call}].function.arguments"),
        Field::ResultId(message) => format!("messages[{message}].tool_call_id"),
        Field::ToolKind(tool) => format!("tools[{tool}].type"),
        Field::ToolParameters(tool) => format!("tools[{tool}].function.parameters"),
        Field::ToolGrammar(tool) => format!("tools[{tool}].custom.format"),
        Field::ToolChoice => "tool_choice".into(),
        Field::Format => "response_format".into(),
        Field::FormatSchema => "response_format.json_schema.schema".into(),
        Field::Modalities => "modalities".into(),
        Field::Choices => "n".into(),
        Field::Logprobs => "logprobs".into(),
        Field::TopLogprobs => "top_logprobs".into(),
        Field::LogitBias => "logit_bias".into(),
        Field::MaxOutput => "max_completion_tokens".into(),
        Field::Stop => "stop".into(),
        Field::SpeakerName => "messages[].name".into(),
        Field::Detail => "detail".into(),
        Field::Thinking => "thinking".into(),
        Field::Signatures => "extra_content".into(),
        Field::Citations => "messages[].annotations".into(),
        Field::CacheMarks => "cache_control".into(),
        // The one hosted tool of this dialect.
        Field::HostedTool(_) => "web_search_options".into(),
        Field::HostedOption { path, .. } => format!("web_search_options.{path}"),
        Field::Strict => "strict".into(),
        Field::ParallelToolCalls => "parallel_tool_calls".into(),
        Field::Effort => "reasoning_effort".into(),
        Field::Temperature => "temperature".into(),
        Field::TopP => "top_p".into(),
        Field::TopK => "top_k".into(),
        Field::Seed => "seed".into(),
        Field::FrequencyPenalty => "frequency_penalty".into(),
        Field::PresencePenalty => "presence_penalty".into(),
        Field::EndUser => "user".into(),
        Field::ServiceTier => "service_tier".into(),
        Field::CacheKey => "prompt_cache_key".into(),
        Field::CacheRetention => "prompt_cache_retention".into(),
        Field::Store => "store".into(),
        Field::State(field) => field.as_str().into(),
        Field::Embeddings(_) => "input".into(),
        Field::Addressed { to, name } => {
            let addressee = ADDRESSEES.iter().find(|(_, dialect)| dialect == to).map_or("", |(addressee, _)| addressee);
            let path = [addressee, name].into_iter().filter(|part| !part.is_empty());
            path.fold("extra_body".to_owned(), |path, part| format!("{path}.{part}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_as_the_client_writes_them() {
        for (field, want) in [
            (Field::Part { message: 2, part: 0 }, "messages[2].content[0]"),
            (Field::Arguments { message: 1, call: 3 }, "messages[1].tool_calls[3].function.arguments"),
            (Field::ToolKind(4), "tools[4].type"),
            (Field::written("seed"), "seed"),
            (Field::Addressed { to: Dialect::Gemini, name: String::new() }, "extra_body.google"),
            (Field::Addressed { to: Dialect::AnthropicMessages, name: "model".into() }, "extra_body.anthropic.model"),
        ] {
            assert_eq!(name(&field), want);
        }
    }
}
