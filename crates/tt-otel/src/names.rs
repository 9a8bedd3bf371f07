//! Every name that is sent: of attributes, their values, metrics and their units. They are those of OpenTelemetry's semantic
//! conventions ([`SCHEMA_URL`], and the conventions for generative AI), and below `tokentracer.` our own.

/// The version of the semantic conventions that the names follow.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.42.0";
/// The instrumentation scope of everything that is sent.
pub const SCOPE: &str = "tokentracer";

/// The name of the service; an attribute of the resource.
pub const SERVICE_NAME: &str = "service.name";
/// The version of the program.
pub const SERVICE_VERSION: &str = "service.version";
/// The id of the run of a process, by which the metrics of several processes are kept apart.
pub const SERVICE_INSTANCE_ID: &str = "service.instance.id";

/// The kind of answer asked of a model: one of the words below.
pub const OPERATION_NAME: &str = "gen_ai.operation.name";
/// The operation of a chat with OpenAI and Anthropic.
pub const CHAT: &str = "chat";
/// The operation of a chat with Gemini.
pub const GENERATE_CONTENT: &str = "generate_content";
/// The operation of embeddings.
pub const EMBEDDINGS: &str = "embeddings";
/// The operation of a count of tokens, for which the conventions have no word.
pub const COUNT_TOKENS: &str = "count_tokens";

/// The provider: one of the words below.
pub const PROVIDER_NAME: &str = "gen_ai.provider.name";
/// OpenAI, or a host that speaks its API.
pub const OPENAI: &str = "openai";
/// Anthropic.
pub const ANTHROPIC: &str = "anthropic";
/// Google's Gemini API.
pub const GEMINI: &str = "gcp.gemini";

/// The model that was asked for.
pub const REQUEST_MODEL: &str = "gen_ai.request.model";
/// True if a stream was asked for; left out otherwise.
pub const REQUEST_STREAM: &str = "gen_ai.request.stream";
/// The model that the provider says answered.
pub const RESPONSE_MODEL: &str = "gen_ai.response.model";
/// Seconds from sending an attempt to the first content of its stream.
pub const RESPONSE_TIME_TO_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
/// All input tokens, those of caches included.
pub const USAGE_INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
/// Input tokens read from a cache.
pub const USAGE_CACHE_READ_INPUT_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
/// Input tokens written to a cache.
pub const USAGE_CACHE_WRITE_INPUT_TOKENS: &str = "gen_ai.usage.cache_write.input_tokens";
/// All output tokens, thinking included.
pub const USAGE_OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
/// Output tokens that are thinking.
pub const USAGE_REASONING_OUTPUT_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";
/// The session or conversation that the client named.
pub const CONVERSATION_ID: &str = "gen_ai.conversation.id";
/// The agent that the client named.
pub const AGENT_ID: &str = "gen_ai.agent.id";

/// The kind of failure: an HTTP status, or one of the words below.
pub const ERROR_TYPE: &str = "error.type";
/// The client left before the end.
pub const CANCELLED: &str = "cancelled";
/// The process died while the request ran.
pub const INTERRUPTED: &str = "interrupted";
/// An answer began, and broke or could not be read.
pub const BROKEN: &str = "broken";
/// No answer came: no connection, or no answer in time.
pub const UNANSWERED: &str = "unanswered";

/// The method of the request.
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
/// The path of the route, where the dialect has one route only.
pub const HTTP_ROUTE: &str = "http.route";
/// The status that the client, or TokenTracer from its provider, got.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// `http` or `https`.
pub const URL_SCHEME: &str = "url.scheme";
/// The path of the request.
pub const URL_PATH: &str = "url.path";

/// The id of the request: `x-request-id`, and the id of its row.
pub const REQUEST_ID: &str = "tokentracer.request.id";
/// The alias that the request is recorded under.
pub const ALIAS: &str = "tokentracer.alias";
/// The end of the request: `ok`, `error`, `cancelled` or `interrupted`.
pub const OUTCOME: &str = "tokentracer.outcome";
/// The program that asked, as in the row.
pub const CLIENT: &str = "tokentracer.client";
/// The number of attempts of the request.
pub const ATTEMPTS: &str = "tokentracer.attempts";
/// The number of an attempt within its request; the first is 1.
pub const ATTEMPT_NUMBER: &str = "tokentracer.attempt.number";
/// The kind of step that led to an attempt: `primary`, `light` or `fallback`.
pub const ATTEMPT_ROUTE: &str = "tokentracer.attempt.route";
/// The origin of the numbers of tokens, as in the row.
pub const USAGE_SOURCE: &str = "tokentracer.usage.source";
/// The cost in nano-dollars; left out where it is not known.
pub const COST_NANO_USD: &str = "tokentracer.cost.nano_usd";

/// The kind of tokens that a counter counts: one of the words below.
pub const TOKEN_MODALITY: &str = "gen_ai.token.modality";
/// Tokens of sound.
pub const AUDIO: &str = "audio";
/// Tokens of pictures.
pub const IMAGE: &str = "image";
/// Tokens of video, for which the conventions have no word.
pub const VIDEO: &str = "video";
/// Tokens of which the provider does not say the kind.
pub const UNKNOWN: &str = "unknown";

/// Histogram: the time of an attempt at a reply.
pub const INFERENCE_DURATION: &str = "gen_ai.client.inference.duration";
/// Histogram: the time of an attempt to the first content of its stream.
pub const INFERENCE_TIME_TO_FIRST_CHUNK: &str = "gen_ai.client.inference.time_to_first_chunk";
/// Histogram: the time of an attempt at embeddings.
pub const EMBEDDINGS_DURATION: &str = "gen_ai.client.embeddings.duration";
/// Counter: as [`USAGE_INPUT_TOKENS`].
pub const INFERENCE_INPUT_TOKENS: &str = "gen_ai.client.inference.usage.input_tokens";
/// Counter: as [`USAGE_CACHE_READ_INPUT_TOKENS`].
pub const INFERENCE_CACHE_READ_INPUT_TOKENS: &str = "gen_ai.client.inference.usage.cache_read.input_tokens";
/// Counter: as [`USAGE_CACHE_WRITE_INPUT_TOKENS`].
pub const INFERENCE_CACHE_WRITE_INPUT_TOKENS: &str = "gen_ai.client.inference.usage.cache_write.input_tokens";
/// Counter: as [`USAGE_OUTPUT_TOKENS`].
pub const INFERENCE_OUTPUT_TOKENS: &str = "gen_ai.client.inference.usage.output_tokens";
/// Counter: as [`USAGE_REASONING_OUTPUT_TOKENS`].
pub const INFERENCE_REASONING_OUTPUT_TOKENS: &str = "gen_ai.client.inference.usage.reasoning.output_tokens";

/// The unit of times.
pub const SECONDS: &str = "s";
/// The unit of counters of tokens.
pub const TOKENS: &str = "{token}";

/// The bounds of the buckets of the histograms of times, in seconds.
pub const TIME_BUCKETS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
