//! Prompt caching: the marks on parts and tools, and the settings of the whole request.

/// The time for which a provider keeps a cached prompt. On a part, a call or a tool it is a cache mark: the provider is
/// to cache the prompt up to and including that place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CacheTtl {
    /// Five minutes (Anthropic `5m`).
    FiveMinutes,
    /// Thirty minutes (OpenAI `30m`).
    ThirtyMinutes,
    /// One hour (Anthropic `1h`).
    OneHour,
    /// Twelve hours (OpenAI `12h`).
    TwelveHours,
}

/// The cache settings of a whole request. The marks on single parts and tools stand with those.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CachePlan {
    /// The provider chooses the places that it caches, and keeps them for this time (Anthropic's top-level
    /// `cache_control`, OpenAI `prompt_cache_options`). `None`: the client did not ask for it.
    pub automatic: Option<CacheTtl>,
    /// The cache key: the provider routes requests with the same key to the same cache (OpenAI `prompt_cache_key`).
    pub key: Option<String>,
    /// The retention policy in OpenAI's words (`prompt_cache_retention`: `in_memory` or `24h`).
    pub retention: Option<String>,
}
