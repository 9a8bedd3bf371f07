//! Turns settlements into the rows and the hourly sums that are written. It is pure, so that sums are tested without a
//! database.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use tt_core::record::{Outcome, Settlement, Totals};
use tt_core::{Timestamp, UsageSource};

use crate::batch::{Batch, Ending};
use crate::classes;
use crate::decode::{column, json, storable};
use crate::details;
use crate::error::Result;
use crate::sums::{self, BOUND, COST_SUMS, COSTS, Sum, Sums};

/// The most values of one tag name that have sums of their own, for one user and UTC day.
pub(crate) const TAG_VALUES: usize = 200;

/// The value under which all values beyond [`TAG_VALUES`] are summed.
pub(crate) const OTHER: &str = "(other)";

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

/// The statement that adds rows of [`hourly`] to the sums that are there, and its ending.
pub(crate) struct Hourly;
pub(crate) static ADD_HOURLY: LazyLock<Ending> = LazyLock::new(|| sums::upsert("usage_hourly", HOURLY_KEY));

/// The statement that adds rows of [`tags_hourly`] to the sums that are there, and its ending.
pub(crate) struct TagsHourly;
pub(crate) static ADD_TAGS_HOURLY: LazyLock<Ending> =
    LazyLock::new(|| sums::upsert("usage_tags_hourly", TAGS_HOURLY_KEY));

/// The key of `usage_hourly`.
pub(crate) const HOURLY_KEY: &str = "user_id, hour, provider, alias, model, api_key_id, status, route, dialect, client";

/// The key of `usage_tags_hourly`.
pub(crate) const TAGS_HOURLY_KEY: &str =
    "user_id, tag_name, hour, tag_value, provider, alias, model, api_key_id, status, route, dialect, client";

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
        let Totals { usage, source, cost, unpriced, saved, by_class, .. } = &self.totals;
        let settled = &self.settlement.settled;
        let is = |outcome| i64::from(settled.outcome == outcome);
        let of = |wanted| i64::from(*source == wanted);
        let sums = Sums::of([
            (Sum::Requests, 1),
            (Sum::Input, column(usage.total_input())),
            (Sum::Cached, column(usage.cache_read)),
            (Sum::CacheWrite, column(usage.cache_write())),
            (Sum::Output, column(usage.output)),
            (Sum::Reasoning, column(usage.reasoning.unwrap_or(0))),
            (Sum::Cost, cost.map_or(0, |cost| cost.0)),
            (Sum::Unpriced, i64::from(*unpriced || *source == UsageSource::Unknown)),
            (Sum::Saved, saved.0),
            (Sum::Errors, is(Outcome::Error)),
            (Sum::Cancelled, is(Outcome::Cancelled)),
            (Sum::Detailed, 1),
            (Sum::Estimated, of(UsageSource::Estimated)),
            (Sum::Partial, of(UsageSource::Partial)),
            (Sum::Unknown, of(UsageSource::Unknown)),
            (Sum::Costless, i64::from(cost.is_none())),
            (Sum::Interrupted, is(Outcome::Interrupted)),
            (Sum::LatencyMs, column(settled.latency_ms)),
            (Sum::FirstTokenMs, settled.first_token_ms.map_or(0, column)),
            (Sum::FirstTokens, i64::from(settled.first_token_ms.is_some())),
        ]);
        sums.with_costs(by_class)
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
    Ok(COSTS.into_iter().enumerate().fold(shown(rows)?, |batch, (at, name)| {
        let is_rare = matches!(COST_SUMS[at], Sum::CostCacheWrite | Sum::CostFees);
        batch.big(name, rows, |r| r.totals.by_class.parts()[at].0).rare_if(is_rare)
    }))
}

/// The columns that the log shows.
fn shown(rows: &[Row<'_>]) -> Result<Batch> {
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
        .rare()
        .big("cache_write_1h_tokens", rows, |r| column(r.totals.usage.cache_write_1h))
        .rare()
        .big("output_tokens", rows, |r| column(r.totals.usage.output))
        .maybe_big("reasoning_tokens", rows, |r| r.totals.usage.reasoning.map(column))
        .word("usage_source", rows, |r| Some(r.totals.source.as_str()))
        .maybe_big("cost_nano", rows, |r| r.totals.cost.map(|cost| cost.0))
        .bool("unpriced", rows, |r| r.totals.unpriced)
        .rare()
        .big("saved_nano", rows, |r| r.totals.saved.0)
        .rare()
        .big("latency_ms", rows, |r| column(r.settlement.settled.latency_ms))
        .maybe_big("first_token_ms", rows, |r| r.settlement.settled.first_token_ms.map(column))
        .big("attempts", rows, |r| i64::try_from(r.settlement.attempts.len()).unwrap_or(i64::MAX))
        .maybe_text("error", rows, |r| r.settlement.settled.error.as_deref().map(storable))
        .rare()
        .word("dialect", rows, |r| Some(r.key.dialect))
        .maybe_text("client", rows, |r| some(&r.key.client))
        .maybe_text("session", rows, |r| r.settlement.intent.session.as_deref().map(storable))
        .rare()
        .try_maybe_text("tags", rows, |r| {
            let tags = &r.settlement.intent.tags;
            if tags.is_empty() { Ok(None) } else { json(tags).map(Some) }
        })?
        .try_maybe_text("other_usage", rows, |r| classes::other_usage(&r.totals))?
        .rare()
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
    sums::columns(with_key(Batch::new("usage_hourly"), &rows, |r| &r.0), &rows, |r| &r.1)
}

/// The rows of `usage_tags_hourly`.
pub(crate) fn tags_hourly(sums: BTreeMap<TagKey, Sums>) -> Batch {
    let rows: Vec<_> = sums.into_iter().collect();
    let batch =
        Batch::new("usage_tags_hourly")
            .text("tag_name", &rows, |r| r.0.0.clone())
            .text("tag_value", &rows, |r| r.0.1.clone());
    sums::columns(with_key(batch, &rows, |r| &r.0.2), &rows, |r| &r.1)
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
