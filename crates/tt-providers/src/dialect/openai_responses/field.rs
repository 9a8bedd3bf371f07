//! Prints the places of a request as a Responses client writes them. Those of messages and tools are in
//! [`super::places`], since they depend on the request.

use tt_core::call::field::Field;

/// `field` as the client wrote it.
pub(super) fn name(field: &Field) -> String {
    match field {
        Field::Written(name) | Field::Addressed { name, .. } => name.clone(),
        Field::Model => "model".into(),
        Field::Messages => "input".into(),
        Field::Message(message) | Field::ToolCalls(message) => format!("input[{message}]"),
        Field::Content(message) => format!("input[{message}].content"),
        Field::Part { message, part } => format!("input[{message}].content[{part}]"),
        Field::ToolCall { message, .. } => format!("input[{message}]"),
        Field::Arguments { message, .. } => format!("input[{message}].arguments"),
        Field::ResultId(message) => format!("input[{message}].call_id"),
        Field::ToolKind(tool) => format!("tools[{tool}].type"),
        Field::ToolParameters(tool) => format!("tools[{tool}].parameters"),
        Field::ToolGrammar(tool) => format!("tools[{tool}].format"),
        Field::HostedTool(tool) => format!("tools[{tool}]"),
        Field::ToolChoice => "tool_choice".into(),
        Field::Format => "text.format".into(),
        Field::FormatSchema => "text.format.schema".into(),
        Field::Modalities => "modalities".into(),
        Field::Choices => "n".into(),
        Field::Logprobs => "include".into(),
        Field::TopLogprobs => "top_logprobs".into(),
        Field::LogitBias => "logit_bias".into(),
        Field::MaxOutput => "max_output_tokens".into(),
        Field::Stop => "stop".into(),
        Field::SpeakerName => "input[].name".into(),
        Field::Detail => "input[].content[].detail".into(),
        Field::Thinking | Field::Signatures => "input[].encrypted_content".into(),
        Field::Citations => "input[].content[].annotations".into(),
        Field::CacheMarks => "prompt_cache_breakpoint".into(),
        Field::Strict => "tools[].strict".into(),
        Field::ParallelToolCalls => "parallel_tool_calls".into(),
        Field::Effort => "reasoning.effort".into(),
        Field::Temperature => "temperature".into(),
        Field::TopP => "top_p".into(),
        Field::TopK => "top_k".into(),
        Field::Seed => "seed".into(),
        Field::FrequencyPenalty => "frequency_penalty".into(),
        Field::PresencePenalty => "presence_penalty".into(),
        Field::EndUser => "safety_identifier".into(),
        Field::ServiceTier => "service_tier".into(),
        Field::CacheKey => "prompt_cache_key".into(),
        Field::CacheRetention => "prompt_cache_retention".into(),
        Field::Store => "store".into(),
        Field::State(field) => field.as_str().into(),
        Field::Embeddings(_) => "input".into(),
    }
}
