//! How long a prompt is to be cached.

/// How long what is cached is kept. On a part it is a mark: cache the prompt up to and with this part.
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

/// What a request says of caching as a whole, beside the marks on its parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CachePlan {
    /// The provider is to choose what it caches, and to keep it so long (Anthropic's top-level `cache_control`, OpenAI
    /// `prompt_cache_options`).
    pub automatic: Option<CacheTtl>,
    /// Requests of one key are sent to one cache (OpenAI `prompt_cache_key`).
    pub key: Option<String>,
    /// OpenAI's word for how long (`prompt_cache_retention`: `in_memory`, `24h`).
    pub retention: Option<String>,
}
