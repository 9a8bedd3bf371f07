//! Turns settlements into the rows and the hourly sums that are written. It is pure, so that sums are tested without a
//! database.

use std::collections::BTreeMap;

use tt_core::record::{Outcome, Settlement, Totals};
use tt_core::{Timestamp, UsageSource};

use crate::batch::Batch;
use crate::classes;
use crate::decode::{column, json, storable};
use crate::details;
use crate::error::Result;

/// The most values of one tag name that have sums of their own, for one user and UTC day.
pub(crate) const TAG_VALUES: usize = 200;

/// The value under which all values beyond [`TAG_VALUES`] are summed.
pub(crate) const OTHER: &str = "(other)";

/// The most that a sum of one key can be (10⁷ dollars, 10¹⁶ tokens). A provider's host may claim any number; an
/// addition that overflowed would stop the drain for all users.
pub(crate) const BOUND: i64 = 10_000_000_000_000_000;

/// One settlement as the columns of its rows.
pub(crate) struct Row<'a> {
    pub(crate) settlement: &'a Settlement,
    pub(crate) key: Key,
    totals: Totals,
}

/// The dimensions of the hourly sums; '' and 0 stand for none. Sums are written in the order of their keys: the same
/// order in every process, so that two of them cannot wait for each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) user: i64,
    pub(crate) hour: i64,
    pub(crate) provider: &'static str,
    pub(crate) alias: String,
    pub(crate) model: String,
    pub(crate) api_key: i64,
    pub(crate) status: i64,
    pub(crate) route: &'static str,
    pub(crate) dialect: &'static str,
    pub(crate) client: String,
}

/// A tag's name and value before the other dimensions.
pub(crate) type TagKey = (String, String, Key);

/// The sums of one key: requests, tokens, nano-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sums {
    pub(crate) requests: i64,
    pub(crate) input: i64,
    pub(crate) cached: i64,
    pub(crate) cache_write: i64,
    pub(crate) output: i64,
    pub(crate) reasoning: i64,
    pub(crate) cost: i64,
    pub(crate) unpriced: i64,
    pub(crate) saved: i64,
    pub(crate) errors: i64,
    pub(crate) cancelled: i64,
}

/// The key of `usage_hourly`.
pub(crate) const HOURLY_KEY: &str = "user_id, hour, provider, alias, model, api_key_id, status, route, dialect, client";

/// The key of `usage_tags_hourly`.
pub(crate) const TAGS_HOURLY_KEY: &str =
    "user_id, tag_name, hour, tag_value, provider, alias, model, api_key_id, status, route, dialect, client";

/// The columns of [`Sums`], in both rollups.
pub(crate) const SUMS: [&str; 11] = [
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_nano",
    "unpriced",
    "saved_nano",
    "errors",
    "cancelled",
];

impl Sums {
    /// Adds each field, held at [`BOUND`].
    pub(crate) fn add(&mut self, other: &Self) {
        self.each(other, |sum, more| sum.saturating_add(more).clamp(-BOUND, BOUND));
    }

    /// Subtracts each field.
    pub(crate) fn subtract(&mut self, other: &Self) {
        self.each(other, i64::saturating_sub);
    }

    fn each(&mut self, other: &Self, of: impl Fn(i64, i64) -> i64) {
        *self = Self {
            requests: of(self.requests, other.requests),
            input: of(self.input, other.input),
            cached: of(self.cached, other.cached),
            cache_write: of(self.cache_write, other.cache_write),
            output: of(self.output, other.output),
            reasoning: of(self.reasoning, other.reasoning),
            cost: of(self.cost, other.cost),
            unpriced: of(self.unpriced, other.unpriced),
            saved: of(self.saved, other.saved),
            errors: of(self.errors, other.errors),
            cancelled: of(self.cancelled, other.cancelled),
        };
    }
}

impl<'a> Row<'a> {
    /// The columns of `settlement`.
    pub(crate) fn of(settlement: &'a Settlement) -> Self {
        let (intent, last) = (&settlement.intent, settlement.last().map(|attempt| &attempt.started));
        let key = Key {
            user: intent.user_id.0,
            hour: intent.created_at.hour().millis(),
            provider: last.map_or("", |last| last.provider.as_str()),
            alias: storable(&intent.alias),
            model: last.map_or_else(String::new, |last| storable(&last.model)),
            api_key: intent.api_key_id.map_or(0, |id| id.0),
            status: settlement.settled.status.map_or(0, i64::from),
            route: last.map_or("", |last| last.route.as_str()),
            dialect: intent.dialect.as_str(),
            client: intent.client.as_deref().map_or_else(String::new, storable),
        };
        Self { key, totals: settlement.totals(), settlement }
    }

    /// The id as its column holds it.
    pub(crate) fn request_id(&self) -> String {
        self.settlement.intent.request_id.to_string()
    }

    fn sums(&self) -> Sums {
        let (usage, outcome) = (&self.totals.usage, self.settlement.settled.outcome);
        let mut sums = Sums::default();
        sums.add(&Sums {
            requests: 1,
            input: column(usage.total_input()),
            cached: column(usage.cache_read),
            cache_write: column(usage.cache_write()),
            output: column(usage.output),
            reasoning: column(usage.reasoning.unwrap_or(0)),
            cost: self.totals.cost.map_or(0, |cost| cost.0),
            unpriced: i64::from(self.totals.unpriced || self.totals.source == UsageSource::Unknown),
            saved: self.totals.saved.0,
            errors: i64::from(outcome == Outcome::Error),
            cancelled: i64::from(outcome == Outcome::Cancelled),
        });
        sums
    }

    /// The arrival of the request.
    pub(crate) fn created_at(&self) -> Timestamp {
        self.settlement.intent.created_at
    }

    /// The amount that the request takes from budgets, in nano-dollars.
    pub(crate) fn charged(&self) -> i64 {
        charge(&self.totals)
    }

    /// True if an attempt billed something whose price is unknown.
    pub(crate) fn unpriced(&self) -> bool {
        self.totals.unpriced
    }

    /// True if nothing tells what an attempt used.
    pub(crate) fn usage_unknown(&self) -> bool {
        self.totals.source == UsageSource::Unknown
    }

    /// The UTC day that the request's tags count in.
    pub(crate) fn day(&self) -> i64 {
        Timestamp::from_millis(self.key.hour).day().millis()
    }

    /// The request's tags, in a form that can be stored.
    pub(crate) fn tags(&self) -> impl Iterator<Item = (String, String)> {
        self.settlement.intent.tags.iter().map(|(name, value)| (storable(name), storable(value)))
    }
}

/// The amount that a request takes from budgets, in nano-dollars, held at [`BOUND`].
pub(crate) fn charge(totals: &Totals) -> i64 {
    totals.charged.0.clamp(-BOUND, BOUND)
}

/// The rows of `request_logs`.
pub(crate) fn logs(rows: &[Row<'_>]) -> Result<Batch> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let word = |word: &'static str| (!word.is_empty()).then_some(word);
    Batch::new("request_logs")
        .big("created_at", rows, |r| r.created_at().millis())
        .text("request_id", rows, Row::request_id)
        .big("user_id", rows, |r| r.key.user)
        .maybe_big("api_key_id", rows, |r| r.settlement.intent.api_key_id.map(|id| id.0))
        .text("alias", rows, |r| r.key.alias.clone())
        .word("route", rows, |r| word(r.key.route))
        .word("provider", rows, |r| word(r.key.provider))
        .maybe_text("model", rows, |r| some(&r.key.model))
        .bool("stream", rows, |r| r.settlement.intent.stream)
        .maybe_big("status", rows, |r| r.settlement.settled.status.map(i64::from))
        .word("outcome", rows, |r| Some(r.settlement.settled.outcome.as_str()))
        .big("input_tokens", rows, |r| column(r.totals.usage.input))
        .big("cache_read_tokens", rows, |r| column(r.totals.usage.cache_read))
        .big("cache_write_5m_tokens", rows, |r| column(r.totals.usage.cache_write_5m))
        .big("cache_write_1h_tokens", rows, |r| column(r.totals.usage.cache_write_1h))
        .big("output_tokens", rows, |r| column(r.totals.usage.output))
        .maybe_big("reasoning_tokens", rows, |r| r.totals.usage.reasoning.map(column))
        .word("usage_source", rows, |r| Some(r.totals.source.as_str()))
        .maybe_big("cost_nano", rows, |r| r.totals.cost.map(|cost| cost.0))
        .bool("unpriced", rows, |r| r.totals.unpriced)
        .big("saved_nano", rows, |r| r.totals.saved.0)
        .big("latency_ms", rows, |r| column(r.settlement.settled.latency_ms))
        .maybe_big("first_token_ms", rows, |r| r.settlement.settled.first_token_ms.map(column))
        .big("attempts", rows, |r| i64::try_from(r.settlement.attempts.len()).unwrap_or(i64::MAX))
        .maybe_text("error", rows, |r| r.settlement.settled.error.as_deref().map(storable))
        .word("dialect", rows, |r| Some(r.key.dialect))
        .maybe_text("client", rows, |r| some(&r.key.client))
        .maybe_text("session", rows, |r| r.settlement.intent.session.as_deref().map(storable))
        .try_maybe_text("tags", rows, |r| {
            let tags = &r.settlement.intent.tags;
            if tags.is_empty() { Ok(None) } else { json(tags).map(Some) }
        })?
        .try_maybe_text("other_usage", rows, |r| classes::other_usage(&r.totals))?
        .try_text("details", rows, |r| details::json_of(r.settlement))
}

/// The sums of `rows` by key.
pub(crate) fn by_key(rows: &[Row<'_>]) -> BTreeMap<Key, Sums> {
    let mut sums: BTreeMap<Key, Sums> = BTreeMap::new();
    for row in rows {
        // Most rows have the same key as an earlier row.
        match sums.get_mut(&row.key) {
            Some(sum) => sum.add(&row.sums()),
            None => _ = sums.insert(row.key.clone(), row.sums()),
        }
    }
    sums
}

/// The sums of `rows` by tag and key. `counts` tells whether a value of (user, day, name) counts by itself.
pub(crate) fn by_tag(rows: &[Row<'_>], counts: impl Fn(i64, i64, &str, &str) -> bool) -> BTreeMap<TagKey, Sums> {
    let mut sums: BTreeMap<TagKey, Sums> = BTreeMap::new();
    for row in rows {
        for (name, value) in row.tags() {
            let value = if counts(row.key.user, row.day(), &name, &value) { value } else { OTHER.to_owned() };
            sums.entry((name, value, row.key.clone())).or_default().add(&row.sums());
        }
    }
    sums
}

/// The rows of `usage_hourly`.
pub(crate) fn hourly(sums: BTreeMap<Key, Sums>) -> Batch {
    let rows: Vec<_> = sums.into_iter().collect();
    with_sums(with_key(Batch::new("usage_hourly"), &rows, |r| &r.0), &rows, |r| &r.1)
}

/// The rows of `usage_tags_hourly`.
pub(crate) fn tags_hourly(sums: BTreeMap<TagKey, Sums>) -> Batch {
    let rows: Vec<_> = sums.into_iter().collect();
    let batch =
        Batch::new("usage_tags_hourly")
            .text("tag_name", &rows, |r| r.0.0.clone())
            .text("tag_value", &rows, |r| r.0.1.clone());
    with_sums(with_key(batch, &rows, |r| &r.0.2), &rows, |r| &r.1)
}

fn with_key<R>(batch: Batch, rows: &[R], key: impl Fn(&R) -> &Key) -> Batch {
    batch
        .big("user_id", rows, |r| key(r).user)
        .big("hour", rows, |r| key(r).hour)
        .word("provider", rows, |r| Some(key(r).provider))
        .text("alias", rows, |r| key(r).alias.clone())
        .text("model", rows, |r| key(r).model.clone())
        .big("api_key_id", rows, |r| key(r).api_key)
        .big("status", rows, |r| key(r).status)
        .word("route", rows, |r| Some(key(r).route))
        .word("dialect", rows, |r| Some(key(r).dialect))
        .text("client", rows, |r| key(r).client.clone())
}

fn with_sums<R>(batch: Batch, rows: &[R], sums: impl Fn(&R) -> &Sums) -> Batch {
    batch
        .big("requests", rows, |r| sums(r).requests)
        .big("input_tokens", rows, |r| sums(r).input)
        .big("cached_input_tokens", rows, |r| sums(r).cached)
        .big("cache_write_tokens", rows, |r| sums(r).cache_write)
        .big("output_tokens", rows, |r| sums(r).output)
        .big("reasoning_tokens", rows, |r| sums(r).reasoning)
        .big("cost_nano", rows, |r| sums(r).cost)
        .big("unpriced", rows, |r| sums(r).unpriced)
        .big("saved_nano", rows, |r| sums(r).saved)
        .big("errors", rows, |r| sums(r).errors)
        .big("cancelled", rows, |r| sums(r).cancelled)
}

/// The end of an insert that adds to sums that are there already, at most to [`BOUND`]. Both databases take it.
pub(crate) fn upsert(table: &str, key: &str) -> String {
    let set = SUMS
        .map(|name| {
            let sum = format!("{table}.{name} + excluded.{name}");
            format!(
                "{name} = CASE WHEN {sum} > {BOUND} THEN {BOUND} WHEN {sum} < -{BOUND} THEN -{BOUND} ELSE {sum} END"
            )
        })
        .join(", ");
    format!("ON CONFLICT ({key}) DO UPDATE SET {set}")
}
