//! Prints the places of a request as a Messages client writes them.

use tt_core::call::field::Field;

/// `field` as the client wrote it: `messages[2].content[0]`. The first message of a decoded request is the system
/// prompt, so the numbers of the client are one less.
pub(super) fn name(field: &Field) -> String {
    let message = |message: usize| match message.checked_sub(1) {
        None => "system".to_owned(),
        Some(index) => format!("messages[{index}]"),
    };
    let content = |number: usize| match number {
        0 => "system".to_owned(),
        _ => format!("{}.content", message(number)),
    };
    match field {
        Field::Written(name) => name.clone(),
        Field::Model => "model".into(),
        Field::Messages => "messages".into(),
        Field::Message(number) => message(*number),
        Field::Content(number) | Field::ToolCalls(number) => content(*number),
        Field::Part { message, part } => format!("{}[{part}]", content(*message)),
        Field::ToolCall { message, .. } => format!("{}[].tool_use", content(*message)),
        Field::Arguments { message, .. } => format!("{}[].input", content(*message)),
        Field::ResultId(number) => format!("{}[].tool_use_id", content(*number)),
        Field::ToolKind(tool) => format!("tools[{tool}].type"),
        Field::ToolParameters(tool) => format!("tools[{tool}].input_schema"),
        Field::ToolGrammar(tool) | Field::HostedTool(tool) => format!("tools[{tool}]"),
        Field::HostedOption { tool, path } => format!("tools[{tool}].{path}"),
        Field::ToolChoice => "tool_choice".into(),
        Field::Format => "output_config.format".into(),
        Field::FormatSchema => "output_config.format.schema".into(),
        Field::Modalities => "modalities".into(),
        Field::Choices => "n".into(),
        Field::Logprobs => "logprobs".into(),
        Field::TopLogprobs => "top_logprobs".into(),
        Field::LogitBias => "logit_bias".into(),
        Field::MaxOutput => "max_tokens".into(),
        Field::Stop => "stop_sequences".into(),
        Field::SpeakerName => "messages[].name".into(),
        Field::Detail => "detail".into(),
        Field::Thinking => "messages[].content[].thinking".into(),
        Field::Signatures => "messages[].content[].signature".into(),
        Field::Citations => "messages[].content[].citations".into(),
        Field::CacheMarks => "cache_control".into(),
        Field::Strict => "tools[].strict".into(),
        Field::ParallelToolCalls => "tool_choice.disable_parallel_tool_use".into(),
        Field::Effort => "thinking".into(),
        Field::Temperature => "temperature".into(),
        Field::TopP => "top_p".into(),
        Field::TopK => "top_k".into(),
        Field::Seed => "seed".into(),
        Field::FrequencyPenalty => "frequency_penalty".into(),
        Field::PresencePenalty => "presence_penalty".into(),
        Field::EndUser => "metadata.user_id".into(),
        Field::ServiceTier => "service_tier".into(),
        Field::CacheKey => "prompt_cache_key".into(),
        Field::CacheRetention => "prompt_cache_retention".into(),
        Field::Store => "store".into(),
        Field::State(field) => field.as_str().into(),
        Field::Embeddings(_) => "input".into(),
        Field::Addressed { name, .. } => name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_prompt_is_the_first_message() {
        for (field, want) in [
            (Field::Message(0), "system"),
            (Field::Part { message: 0, part: 2 }, "system[2]"),
            (Field::Message(1), "messages[0]"),
            (Field::Part { message: 2, part: 1 }, "messages[1].content[1]"),
            (Field::Arguments { message: 3, call: 0 }, "messages[2].content[].input"),
            (Field::ResultId(2), "messages[1].content[].tool_use_id"),
            (Field::FormatSchema, "output_config.format.schema"),
        ] {
            assert_eq!(name(&field), want);
        }
    }
}
