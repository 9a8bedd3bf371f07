//! Prints the places of a request as a Gemini client writes them.

use tt_core::call::field::Field;

/// `field` in Gemini's words. Messages and tools are named by [`super::places::Places`] where the request has been
/// decoded.
pub(super) fn name(field: &Field) -> String {
    match field {
        Field::Written(name) => name.clone(),
        Field::Model => "model".into(),
        Field::Messages => "contents".into(),
        Field::Message(message) | Field::ToolCalls(message) | Field::ResultId(message) => {
            format!("contents[{message}]")
        }
        Field::Content(message) => format!("contents[{message}].parts"),
        Field::Part { message, part } => format!("contents[{message}].parts[{part}]"),
        Field::ToolCall { message, .. } | Field::Arguments { message, .. } => format!("contents[{message}].parts"),
        Field::ToolKind(tool) | Field::ToolGrammar(tool) | Field::HostedTool(tool) => format!("tools[{tool}]"),
        Field::HostedOption { tool, path } => format!("tools[{tool}].{path}"),
        Field::ToolParameters(tool) => format!("tools[{tool}].parameters"),
        Field::ToolChoice => "toolConfig.functionCallingConfig".into(),
        Field::ParallelToolCalls | Field::Strict => "toolConfig".into(),
        Field::Format => "generationConfig.responseMimeType".into(),
        Field::FormatSchema => "generationConfig.responseJsonSchema".into(),
        Field::Modalities => "generationConfig.responseModalities".into(),
        Field::Choices => "generationConfig.candidateCount".into(),
        Field::Logprobs => "generationConfig.responseLogprobs".into(),
        Field::TopLogprobs => "generationConfig.logprobs".into(),
        Field::MaxOutput => "generationConfig.maxOutputTokens".into(),
        Field::Stop => "generationConfig.stopSequences".into(),
        Field::Detail => "generationConfig.mediaResolution".into(),
        Field::Effort => "generationConfig.thinkingConfig".into(),
        Field::Temperature => "generationConfig.temperature".into(),
        Field::TopP => "generationConfig.topP".into(),
        Field::TopK => "generationConfig.topK".into(),
        Field::Seed => "generationConfig.seed".into(),
        Field::FrequencyPenalty => "generationConfig.frequencyPenalty".into(),
        Field::PresencePenalty => "generationConfig.presencePenalty".into(),
        Field::Thinking => "thought".into(),
        Field::Signatures => "thoughtSignature".into(),
        Field::Citations => "citationMetadata".into(),
        Field::ServiceTier => "serviceTier".into(),
        Field::Store => "store".into(),
        Field::State(field) => field.as_str().into(),
        // A request for embeddings names them itself.
        Field::Embeddings(_) => "content".into(),
        // Gemini's requests do not have these fields.
        Field::LogitBias => "logitBias".into(),
        Field::SpeakerName => "name".into(),
        Field::CacheMarks => "cachedContent".into(),
        Field::EndUser => "user".into(),
        Field::CacheKey => "cacheKey".into(),
        Field::CacheRetention => "cacheRetention".into(),
        Field::Addressed { name, .. } => name.clone(),
    }
}
