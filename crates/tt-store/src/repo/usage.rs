//! Sums over requests: from the hourly sums, and from rows where a range or a local day divides an hour.

use std::collections::BTreeMap;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::RunQueryDsl;
use tt_core::filters::TagFilter;
use tt_core::query::{GroupBy, UsageGroup, UsageQuery};
use tt_core::time::HOUR_MS;
use tt_core::zone::{Offset, hours_with_midnight};
use tt_core::{ApiKeyId, Invalid, Timestamp, UserId, Zone};

use super::Conn;
use crate::decode::count;
use crate::error::Result;
use crate::rollup::OTHER;
use crate::sums::{Sum, Sums};
use crate::usage_filters::{Parameters, Source};
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
    #[diesel(sql_type = BigInt)]
    api_key_id: i64,
    #[diesel(sql_type = BigInt)]
    status: i64,
    #[diesel(sql_type = BigInt)]
    day: i64,
    #[diesel(sql_type = BigInt)]
    hour: i64,
    #[diesel(sql_type = Nullable<Text>)]
    tag_0: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    tag_1: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    tag_2: Option<String>,
    #[diesel(embed)]
    sums: Sums,
}

/// The most hours that a zone's days may divide in one question, and the most sessions that one answer lists.
const MOST_SPLIT: usize = 4000;
const MOST_SESSIONS: usize = 10_000;

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = BigInt)]
    requests: i64,
}

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
    /// The values of these dimensions.
    fn key(&self, group_by: &[GroupBy]) -> Vec<Value> {
        let mut tags = [&self.tag_0, &self.tag_1, &self.tag_2].into_iter();
        group_by.iter().map(|dimension| self.value(dimension, &mut tags)).collect()
    }

    /// The value of a dimension; a tag is the next of `tags`.
    fn value<'a>(&self, dimension: &GroupBy, tags: &mut impl Iterator<Item = &'a Option<String>>) -> Value {
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
            GroupBy::Tag(_) => tags.next().cloned().flatten().map_or(Value::Untagged, Value::Text),
        }
    }
}

/// The sums that `query` asks for, in the order of its dimensions. By tag, requests without the tag are a group of
/// their own, so that the groups add up to the whole.
pub(crate) async fn usage(c: &mut Conn, user: UserId, query: UsageQuery) -> Result<Vec<UsageGroup>> {
    snapshot!(c, {
        let source = source(c, user, &query).await?;
        let (pieces, offsets) = match source {
            Source::Rows => {
                let pieces = Pieces::of_rows(query.from, query.to, query.rows_since);
                let why = "must not lie before the oldest row of the log: what is asked for is known of rows only, which are \
                           kept for a time";
                (pieces.ok_or_else(|| Invalid::new("from", why))?, query.zone.offsets(query.from, query.to))
            }
            Source::Sums => {
                let (offsets, split) = days(c, user, &query).await?;
                (Pieces::of(query.from, query.to, &split, query.rows_since)?, offsets)
            }
        };
        if source == Source::Rows && pieces.rows.is_empty() {
            return Ok(grouped(&query, &[]));
        }
        let rows = load(c, user, &query, source, &pieces, &offsets).await?;
        if query.group_by.contains(&GroupBy::Session) && rows.len() > MOST_SESSIONS {
            return Err(Invalid::new("group_by", "has more sessions in this range than one answer lists").into());
        }
        Ok(grouped(&query, &rows))
    })
}

/// The tables that answer `query`. The sums know a value of a tag only where all its requests of the range count by
/// themselves.
async fn source(c: &mut Conn, user: UserId, query: &UsageQuery) -> Result<Source> {
    if query.needs_rows() {
        return Ok(Source::Rows);
    }
    let Some(TagFilter { name, value: Some(_) }) = &query.filters.tag else { return Ok(Source::Sums) };
    let others: CountRow = diesel::sql_query(format!(
        "SELECT CAST(COUNT(*) AS BIGINT) AS requests FROM (SELECT 1 FROM usage_tags_hourly WHERE user_id = $1 AND \
         tag_name = $2 AND hour >= $3 AND hour < $4 AND tag_value = '{OTHER}' LIMIT 1) AS others"
    ))
    .bind::<BigInt, _>(user.0)
    .bind::<Text, _>(name)
    .bind::<BigInt, _>(query.from.hour().millis())
    .bind::<BigInt, _>(query.to.millis())
    .get_result(c)
    .await?;
    Ok(if others.requests == 0 { Source::Sums } else { Source::Rows })
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
async fn load(
    c: &mut Conn,
    user: UserId,
    query: &UsageQuery,
    source: Source,
    pieces: &Pieces,
    offsets: &[Offset],
) -> Result<Vec<Row>> {
    let words = Words { json_number: super::native::json_number, json_text: super::native::json_text };
    let parameters = Parameters::of_query(query);
    let statement = Statement { words, user, query, source, pieces, offsets, parameters: &parameters };
    let limit = if query.group_by.contains(&GroupBy::Session) { Some(MOST_SESSIONS + 1) } else { None };
    let statement = diesel::sql_query(statement.text(limit)).into_boxed();
    let statement =
        parameters.into_texts().into_iter().fold(statement, |statement, text| statement.bind::<Text, _>(text));
    Ok(statement.load(c).await?)
}

/// The groups of `rows`, which are parts of them.
fn grouped(query: &UsageQuery, rows: &[Row]) -> Vec<UsageGroup> {
    // With a filter by value, the parts with the tag are all there is; else they are in the others too.
    let is_apart = query.filters.tag.as_ref().is_none_or(|tag| tag.value.is_none());
    let keeps_tagged = query.filters.tag.is_none();
    let mut groups: BTreeMap<Vec<Value>, Sums> = BTreeMap::new();
    if query.group_by.is_empty() {
        groups.insert(Vec::new(), Sums::default());
    }
    for row in rows {
        let key = row.key(&query.group_by);
        if row.tagged == 0 || !is_apart {
            groups.entry(key).or_default().add(&row.sums);
            continue;
        }
        let untagged = |(value, by): (&Value, &GroupBy)| match by {
            GroupBy::Tag(_) => Value::Untagged,
            _ => value.clone(),
        };
        let untagged: Vec<Value> = key.iter().zip(&query.group_by).map(untagged).collect();
        groups.entry(untagged).or_default().subtract(&row.sums);
        if keeps_tagged {
            groups.entry(key).or_default().add(&row.sums);
        }
    }
    // Rows that were taken away from the sum of an hour may have been all of a group.
    if !query.group_by.is_empty() {
        groups.retain(|_, sums| sums.value(Sum::Requests) != 0);
    }
    groups
        .into_iter()
        .map(|(key, sums)| UsageGroup { key: key.into_iter().map(Value::shown).collect(), sums: sums.shown() })
        .collect()
}

#[derive(QueryableByName)]
struct KeyRow {
    #[diesel(sql_type = BigInt)]
    user_id: i64,
    #[diesel(sql_type = BigInt)]
    api_key_id: i64,
    #[diesel(embed)]
    count: CountRow,
}

/// The number of requests of all users by credential since the hour of `since`.
pub(crate) async fn requests_since(c: &mut Conn, since: Timestamp) -> Result<Vec<RequestCount>> {
    let rows: Vec<KeyRow> = diesel::sql_query(
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
            requests: count(row.count.requests),
        })
        .collect())
}
