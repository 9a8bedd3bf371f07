//! Sums over requests: from the hourly sums, and from rows where a range or a local day divides an hour.

use std::collections::BTreeMap;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use tt_core::query::{GroupBy, UsageGroup, UsageQuery, UsageSums};
use tt_core::time::HOUR_MS;
use tt_core::zone::{Offset, hours_with_midnight};
use tt_core::{ApiKeyId, Invalid, NanoUsd, Timestamp, UserId, Zone};

use super::Conn;
use crate::decode::count;
use crate::error::Result;
use crate::rollup::Sums;
use crate::usage_range::Pieces;
use crate::usage_sql::{Statement, Words};
use crate::view::RequestCount;

/// One group. A dimension that was not asked for is '' or 0.
#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    tagged: i64,
    #[diesel(sql_type = Text)]
    provider: String,
    #[diesel(sql_type = Text)]
    alias: String,
    #[diesel(sql_type = Text)]
    model: String,
    #[diesel(sql_type = Text)]
    route: String,
    #[diesel(sql_type = Text)]
    dialect: String,
    #[diesel(sql_type = Text)]
    client: String,
    #[diesel(sql_type = Text)]
    session: String,
    #[diesel(sql_type = Text)]
    tag_value: String,
    #[diesel(sql_type = BigInt)]
    api_key_id: i64,
    #[diesel(sql_type = BigInt)]
    status: i64,
    #[diesel(sql_type = BigInt)]
    day: i64,
    #[diesel(sql_type = BigInt)]
    hour: i64,
    #[diesel(sql_type = BigInt)]
    requests: i64,
    #[diesel(sql_type = BigInt)]
    input_tokens: i64,
    #[diesel(sql_type = BigInt)]
    cached_input_tokens: i64,
    #[diesel(sql_type = BigInt)]
    cache_write_tokens: i64,
    #[diesel(sql_type = BigInt)]
    output_tokens: i64,
    #[diesel(sql_type = BigInt)]
    reasoning_tokens: i64,
    #[diesel(sql_type = BigInt)]
    cost_nano: i64,
    #[diesel(sql_type = BigInt)]
    unpriced: i64,
    #[diesel(sql_type = BigInt)]
    saved_nano: i64,
    #[diesel(sql_type = BigInt)]
    errors: i64,
    #[diesel(sql_type = BigInt)]
    cancelled: i64,
}

/// The most hours that a zone's days may divide in one question, and the most sessions that one answer lists.
const MOST_SPLIT: usize = 4000;
const MOST_SESSIONS: usize = 10_000;

#[derive(QueryableByName)]
struct SpanRow {
    #[diesel(sql_type = BigInt)]
    first: i64,
    #[diesel(sql_type = BigInt)]
    last: i64,
}

/// A group's value of one dimension. The order of values is the order in which groups are listed.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone)]
enum Value {
    Text(String),
    Number(i64),
    Day(i64),
    Hour(i64),
    /// The group of requests without the tag, which is listed last.
    Untagged,
}

impl Value {
    fn shown(self) -> Option<String> {
        match self {
            Self::Text(text) => (!text.is_empty()).then_some(text),
            Self::Number(number) => (number != 0).then(|| number.to_string()),
            // A day is shown as a date, without a time.
            Self::Day(at) => Timestamp::from_millis(at).rfc3339().split('T').next().map(str::to_owned),
            Self::Hour(at) => Some(Timestamp::from_millis(at).rfc3339()),
            Self::Untagged => None,
        }
    }
}

impl Row {
    fn value(&self, dimension: &GroupBy) -> Value {
        match dimension {
            GroupBy::Provider => Value::Text(self.provider.clone()),
            GroupBy::Alias => Value::Text(self.alias.clone()),
            GroupBy::Model => Value::Text(self.model.clone()),
            GroupBy::Route => Value::Text(self.route.clone()),
            GroupBy::Dialect => Value::Text(self.dialect.clone()),
            GroupBy::Client => Value::Text(self.client.clone()),
            GroupBy::Session => Value::Text(self.session.clone()),
            GroupBy::ApiKey => Value::Number(self.api_key_id),
            GroupBy::Status => Value::Number(self.status),
            GroupBy::Day => Value::Day(self.day),
            GroupBy::Hour => Value::Hour(self.hour),
            GroupBy::Tag(_) if self.tagged == 0 => Value::Untagged,
            GroupBy::Tag(_) => Value::Text(self.tag_value.clone()),
        }
    }

    fn sums(&self) -> Sums {
        Sums {
            requests: self.requests,
            input: self.input_tokens,
            cached: self.cached_input_tokens,
            cache_write: self.cache_write_tokens,
            output: self.output_tokens,
            reasoning: self.reasoning_tokens,
            cost: self.cost_nano,
            unpriced: self.unpriced,
            saved: self.saved_nano,
            errors: self.errors,
            cancelled: self.cancelled,
        }
    }
}

/// The sums that `query` asks for, in the order of its dimensions. By tag, requests without the tag are a group of
/// their own, so that the groups add up to the whole.
pub(crate) async fn usage(c: &mut Conn, user: UserId, query: UsageQuery) -> Result<Vec<UsageGroup>> {
    snapshot!(c, {
        let by_session = query.group_by.contains(&GroupBy::Session);
        let (pieces, offsets) = if by_session {
            let pieces = Pieces::of_rows(query.from, query.to, query.rows_since);
            let why = "must not lie before the oldest row of the log where sums are grouped by session";
            (pieces.ok_or_else(|| Invalid::new("from", why))?, query.zone.offsets(query.from, query.to))
        } else {
            let (offsets, split) = days(c, user, &query).await?;
            (Pieces::of(query.from, query.to, &split, query.rows_since)?, offsets)
        };
        if by_session && pieces.rows.is_empty() {
            return Ok(Vec::new());
        }
        let rows = load(c, user, &query, &pieces, &offsets).await?;
        if by_session && rows.len() > MOST_SESSIONS {
            return Err(Invalid::new("group_by", "has more sessions in this range than one answer lists").into());
        }
        Ok(grouped(&query, &rows))
    })
}

/// The offsets of the query's zone, and the hours in which a local day begins. Both cover the hours for which there are sums,
/// so that a range without an end asks for no more.
async fn days(c: &mut Conn, user: UserId, query: &UsageQuery) -> Result<(Vec<Offset>, Vec<Timestamp>)> {
    if !query.group_by.contains(&GroupBy::Day) || query.zone == Zone::utc() {
        return Ok((Zone::utc().offsets(query.from, query.to), Vec::new()));
    }
    let SpanRow { first, last } = diesel::sql_query(
        "SELECT CAST(COALESCE(MIN(hour), 0) AS BIGINT) AS first, CAST(COALESCE(MAX(hour), 0) AS BIGINT) AS last \
         FROM usage_hourly WHERE user_id = $1",
    )
    .bind::<BigInt, _>(user.0)
    .get_result(c)
    .await?;
    // Whole hours: the part of an hour outside the range is taken away from its sum, which must be of one day too.
    let from = query.from.max(Timestamp::from_millis(first)).hour();
    let to = query.to.min(Timestamp::from_millis(last).plus_millis(HOUR_MS)).hour_up();
    let offsets = query.zone.offsets(from, to);
    let split = hours_with_midnight(&offsets, from, to);
    if split.len() > MOST_SPLIT {
        return Err(
            Invalid::new("tz", "has days that divide too many hours of this range; choose a shorter one").into()
        );
    }
    Ok((offsets, split))
}

/// Reads all parts of the sums in one statement, and so at one moment.
async fn load(c: &mut Conn, user: UserId, query: &UsageQuery, pieces: &Pieces, offsets: &[Offset]) -> Result<Vec<Row>> {
    let tag = query.group_by.iter().find_map(|by| match by {
        GroupBy::Tag(name) => Some(name.clone()),
        _ => None,
    });
    let words = Words { json_number: super::native::json_number, json_text: super::native::json_text };
    let statement = Statement { words, user, query, pieces, offsets };
    let limit = if query.group_by.contains(&GroupBy::Session) { Some(MOST_SESSIONS + 1) } else { None };
    let mut statement = diesel::sql_query(statement.text(tag.is_some(), limit)).into_boxed();
    if let Some(name) = tag {
        statement = statement.bind::<Text, _>(name);
    }
    Ok(statement.load(c).await?)
}

/// The groups of `rows`, which are parts of them.
fn grouped(query: &UsageQuery, rows: &[Row]) -> Vec<UsageGroup> {
    let key = |row: &Row| query.group_by.iter().map(|by| row.value(by)).collect::<Vec<_>>();
    let mut groups: BTreeMap<Vec<Value>, Sums> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.tagged == 0) {
        groups.entry(key(row)).or_default().add(&row.sums());
    }
    for row in rows.iter().filter(|row| row.tagged != 0) {
        let values = key(row);
        let untagged: Vec<Value> = values
            .iter()
            .zip(&query.group_by)
            .map(|(value, by)| if matches!(by, GroupBy::Tag(_)) { Value::Untagged } else { value.clone() })
            .collect();
        groups.entry(untagged).or_default().subtract(&row.sums());
        groups.entry(values).or_default().add(&row.sums());
    }
    // Rows that were taken away from the sum of an hour may have been all of a group.
    if !query.group_by.is_empty() {
        groups.retain(|_, sums| sums.requests != 0);
    }
    groups
        .into_iter()
        .map(|(key, sums)| UsageGroup { key: key.into_iter().map(Value::shown).collect(), sums: usage_sums(&sums) })
        .collect()
}

fn usage_sums(sums: &Sums) -> UsageSums {
    UsageSums {
        requests: count(sums.requests),
        input_tokens: count(sums.input),
        cached_input_tokens: count(sums.cached),
        cache_write_tokens: count(sums.cache_write),
        output_tokens: count(sums.output),
        reasoning_tokens: count(sums.reasoning),
        cost: NanoUsd(sums.cost),
        unpriced: count(sums.unpriced),
        saved: NanoUsd(sums.saved),
        errors: count(sums.errors),
        cancelled: count(sums.cancelled),
    }
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    user_id: i64,
    #[diesel(sql_type = BigInt)]
    api_key_id: i64,
    #[diesel(sql_type = BigInt)]
    requests: i64,
}

/// The number of requests of all users by credential since the hour of `since`.
pub(crate) async fn requests_since(c: &mut Conn, since: Timestamp) -> Result<Vec<RequestCount>> {
    let rows: Vec<CountRow> = diesel::sql_query(
        "SELECT user_id, api_key_id, CAST(SUM(requests) AS BIGINT) AS requests FROM usage_hourly \
         WHERE hour >= $1 GROUP BY user_id, api_key_id ORDER BY user_id, api_key_id",
    )
    .bind::<BigInt, _>(since.hour().millis())
    .load(c)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| RequestCount {
            user_id: UserId(row.user_id),
            api_key_id: (row.api_key_id != 0).then_some(ApiKeyId(row.api_key_id)),
            requests: count(row.requests),
        })
        .collect())
}
