//! Fees: the services that a provider bills beside tokens, such as searches and sessions of a code interpreter.

use serde::{Deserialize, Serialize};

/// A service that a provider bills beside the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeeKind {
    /// A search of the web that the provider ran (Anthropic `server_tool_use.web_search_requests`, Google Search).
    WebSearch,
    /// Grounding with Google Maps.
    Maps,
    /// A search of stored files or a vector store (OpenAI `file_search`).
    FileSearch,
    /// A session of a hosted code interpreter.
    CodeSession,
    /// A container that hosted tools run in.
    Container,
    /// A page that the provider fetched (Anthropic `web_fetch`).
    Fetch,
}

/// The unit that a fee is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeeUnit {
    /// Each query of the service.
    Query,
    /// Each prompt that was answered with the service, whatever the number of queries.
    Prompt,
    /// Each session of the service. A session of a container with more than a gigabyte of memory counts as so many.
    Session,
    /// Each hour of use, where a begun hour counts as a whole one.
    Hour,
}

/// A number of units of one service.
///
/// It is written to journals, as all of [`crate::record`] is: new fields go to the end, with a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fee {
    /// The service that was billed.
    pub kind: FeeKind,
    /// The number of units.
    pub count: u64,
    /// The unit that `count` is in.
    pub unit: FeeUnit,
}

impl Fee {
    /// A fee for `count` searches of the web, billed by the query.
    pub const fn web_searches(count: u64) -> Self {
        Self { kind: FeeKind::WebSearch, count, unit: FeeUnit::Query }
    }

    /// Adds this to `fees`: to the entry of the same kind and unit, or as a new one. A count of 0 adds nothing.
    ///
    /// ```
    /// use tt_core::fee::Fee;
    ///
    /// let mut fees = Vec::new();
    /// Fee::web_searches(2).add_to(&mut fees);
    /// Fee::web_searches(1).add_to(&mut fees);
    /// assert_eq!(fees, [Fee::web_searches(3)]);
    /// ```
    pub fn add_to(self, fees: &mut Vec<Self>) {
        match fees.iter_mut().find(|fee| (fee.kind, fee.unit) == (self.kind, self.unit)) {
            Some(fee) => fee.count = fee.count.saturating_add(self.count),
            None if self.count > 0 => fees.push(self),
            None => {}
        }
    }
}

/// The number of searches of the web among `fees`. Only those billed by the query count.
pub fn web_searches(fees: &[Fee]) -> u64 {
    let searches = fees.iter().filter(|fee| (fee.kind, fee.unit) == (FeeKind::WebSearch, FeeUnit::Query));
    searches.fold(0, |sum, fee| sum.saturating_add(fee.count))
}
