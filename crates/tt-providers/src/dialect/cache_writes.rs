//! The tokens that OpenAI wrote to its cache, by the time for which they are kept.

use serde::Deserialize;

use super::count::Count;
use crate::json::read_members;

/// `cache_write_tokens_details`.
#[derive(Debug, Deserialize, Default, PartialEq, Eq)]
#[serde(default)]
pub(super) struct WriteDetails {
    ttl_30m_tokens: Count,
    ttl_12h_tokens: Count,
}

read_members!(WriteDetails {
    "ttl_30m_tokens" => ttl_30m_tokens,
    "ttl_12h_tokens" => ttl_12h_tokens,
});

/// Written tokens by their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CacheWrites {
    /// Those whose time is not told. They count as those of OpenAI's one time before there were two.
    pub(super) untold: u64,
    pub(super) thirty_minutes: u64,
    pub(super) twelve_hours: u64,
}

impl CacheWrites {
    /// Reads `cache_write_tokens` and its details. The sum is cut to `most`, and so is each part.
    pub(super) fn of(total: u64, details: Option<&WriteDetails>, most: u64) -> Self {
        let (short, long) = details.map_or((0, 0), |d| (d.ttl_30m_tokens.or_zero(), d.ttl_12h_tokens.or_zero()));
        let all = total.max(short.saturating_add(long)).min(most);
        let twelve_hours = long.min(all);
        let thirty_minutes = short.min(all - twelve_hours);
        Self { untold: all - twelve_hours - thirty_minutes, thirty_minutes, twelve_hours }
    }

    pub(super) const fn sum(self) -> u64 {
        self.untold + self.thirty_minutes + self.twelve_hours
    }
}
