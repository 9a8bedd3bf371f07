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
    /// The numbers of connections that it is measured with.
    pub(super) connections: &'static [usize],
    /// The load lasts so many times as long as others. The processor time of a process is told in ticks of a hundredth of a
    /// second, so a load that leaves it idle most of the time must be long.
    pub(super) times_as_long: u64,
}

impl Shape {
    /// True if it is a request of Chat Completions that passes through.
    pub(super) fn is_chat(&self) -> bool {
        SHAPES.iter().any(|shape| shape.name == self.name)
    }

    /// True if any model may answer it: it asks for one answer at once.
    pub(super) fn is_plain(&self) -> bool {
        self.model == "mock-bench" && !self.stream
    }
}

const SMALL: usize = 300;

/// The requests that pass through to OpenAI. Each is measured with each of its numbers of connections. The models are the
/// upstream's, and TokenTracer has aliases of the same names, so that all processes get the same bytes.
pub(super) const SHAPES: [Shape; 5] = [
    Shape { connections: &[1, 64], ..plain("300 B", "chat", "mock-bench") },
    Shape { connections: &[1, 16], bytes: 100 * 1024, ..plain("100 KB", "chat", "mock-bench") },
    Shape { connections: &[1, 64], ..chunks("200 chunks", "chat", "mock-bench-chunks-200") },
    Shape {
        connections: &[16, 64],
        times_as_long: 4,
        ..chunks("50 chunks, 5 ms apart", "chat", "mock-chunks-50-drip-5ms")
    },
    Shape { connections: &[1000], ..plain("300 B, upstream takes 50 ms", "chat", "mock-delay-50ms") },
];

/// The requests whose instructions are counted, of [`SHAPES`].
pub(super) fn counted() -> impl Iterator<Item = Shape> {
    SHAPES.into_iter().filter(|shape| shape.model.starts_with("mock-bench"))
}

/// The requests of other clients, and to other providers: TokenTracer alone gets them.
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

pub(super) const fn plain(name: &'static str, api: &'static str, model: &'static str) -> Shape {
    Shape { name, api, model, stream: false, bytes: SMALL, connections: &[16], times_as_long: 1 }
}

const fn chunks(name: &'static str, api: &'static str, model: &'static str) -> Shape {
    Shape { stream: true, ..plain(name, api, model) }
}
