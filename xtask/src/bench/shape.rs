//! The requests that the benchmark makes.

/// A kind of request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    /// The client's API, by the name that the load generator knows.
    pub(super) api: &'static str,
    pub(super) model: &'static str,
    pub(super) stream: bool,
    pub(super) bytes: usize,
}

const SMALL: usize = 300;

/// The requests that pass through to OpenAI. Each is measured with every number of connections. The models are the
/// upstream's, and TokenTracer has aliases of the same names, so that all three processes get the same bytes.
pub(super) const SHAPES: [Shape; 3] = [
    Shape { name: "300 B", api: "chat", model: "mock-bench", stream: false, bytes: SMALL },
    Shape { name: "100 KB", api: "chat", model: "mock-bench", stream: false, bytes: 100 * 1024 },
    Shape { name: "200 chunks", api: "chat", model: "mock-bench-chunks-200", stream: true, bytes: SMALL },
];

/// The requests of other clients, and to other providers. Only their instructions are counted.
pub(super) const OF_OTHER_APIS: [Shape; 12] = [
    plain("300 B, Responses to OpenAI", "responses", "openai/mock-bench"),
    plain("300 B, Messages to Anthropic", "messages", "anthropic/mock-bench"),
    plain("300 B, Gemini to Gemini", "gemini", "gemini/mock-bench"),
    chunks("200 chunks, Responses to OpenAI", "responses", "openai/mock-bench-chunks-200"),
    chunks("200 chunks, Messages to Anthropic", "messages", "anthropic/mock-bench-chunks-200"),
    chunks("200 chunks, Gemini to Gemini", "gemini", "gemini/mock-bench-chunks-200"),
    plain("300 B, Chat to Anthropic", "chat", "anthropic/mock-bench"),
    plain("300 B, Chat to Gemini", "chat", "gemini/mock-bench"),
    plain("300 B, Messages to OpenAI", "messages", "openai/mock-bench"),
    plain("300 B, Gemini to Anthropic", "gemini", "anthropic/mock-bench"),
    chunks("200 chunks, Chat to Anthropic", "chat", "anthropic/mock-bench-chunks-200"),
    chunks("200 chunks, Messages to OpenAI", "messages", "openai/mock-bench-chunks-200"),
];

const fn plain(name: &'static str, api: &'static str, model: &'static str) -> Shape {
    Shape { name, api, model, stream: false, bytes: SMALL }
}

const fn chunks(name: &'static str, api: &'static str, model: &'static str) -> Shape {
    Shape { name, api, model, stream: true, bytes: SMALL }
}
