//! Sums over the hourly rollups. The SQL is text that is made of this file's constants only: a day is an expression,
//! and diesel cannot group by expressions.

use std::collections::BTreeMap;

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Text};
use diesel_async::RunQueryDsl;
use tt_core::query::{GroupBy, UsageGroup, UsageQuery, UsageSums};
use tt_core::{ApiKeyId, NanoUsd, Timestamp, UserId};

use super::Conn;
use crate::decode::count;
use crate::error::Result;
use crate::rollup::{SUMS, Sums};
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

/// The dimensions: for each the [`GroupBy`], its column in the answer, its type and its expression in the table.
const DIMENSIONS: [(GroupBy, &str, &str, &str); 8] = [
    (GroupBy::Provider, "provider", "TEXT", "provider"),
    (GroupBy::Alias, "alias", "TEXT", "alias"),
    (GroupBy::Model, "model", "TEXT", "model"),
    (GroupBy::Route, "route", "TEXT", "route"),
    (GroupBy::ApiKey, "api_key_id", "BIGINT", "api_key_id"),
    (GroupBy::Status, "status", "BIGINT", "status"),
    (GroupBy::Day, "day", "BIGINT", "hour - hour % 86400000"),
    (GroupBy::Hour, "hour", "BIGINT", "hour"),
];

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

/// The query of one rollup. `$1` is the user, `$2` from, `$3` to, `$4` the tag name: SQLite numbers parameters by first
/// appearance.
fn select(by: &[GroupBy], tagged: bool) -> String {
    let mut columns = Vec::new();
    let mut groups = Vec::new();
    for (dimension, name, kind, expression) in &DIMENSIONS {
        if by.contains(dimension) {
            columns.push(format!("{expression} AS {name}"));
            groups.push((*expression).to_owned());
        } else {
            let none = if *kind == "TEXT" { "''" } else { "0" };
            columns.push(format!("CAST({none} AS {kind}) AS {name}"));
        }
    }
    let (table, also) = if tagged {
        columns.push("CAST(1 AS BIGINT) AS tagged, tag_value".to_owned());
        groups.push("tag_value".to_owned());
        ("usage_tags_hourly", " AND tag_name = $4")
    } else {
        columns.push("CAST(0 AS BIGINT) AS tagged, CAST('' AS TEXT) AS tag_value".to_owned());
        ("usage_hourly", "")
    };
    // A SUM of BIGINTs is NUMERIC on PostgreSQL.
    columns.extend(SUMS.map(|name| format!("CAST(COALESCE(SUM({name}), 0) AS BIGINT) AS {name}")));
    let groups = if groups.is_empty() { String::new() } else { format!(" GROUP BY {}", groups.join(", ")) };
    format!("SELECT {} FROM {table} WHERE user_id = $1 AND hour >= $2 AND hour < $3{also}{groups}", columns.join(", "))
}

/// The sums that `query` asks for, in the order of its dimensions. By tag, requests without the tag are a group of
/// their own, so that the groups add up to the whole.
pub(crate) async fn usage(c: &mut Conn, user: UserId, query: UsageQuery) -> Result<Vec<UsageGroup>> {
    let tag = query.group_by.iter().find_map(|by| match by {
        GroupBy::Tag(name) => Some(name.clone()),
        _ => None,
    });
    let whole = select(&query.group_by, false);
    // Both rollups are read in one statement, and so at one moment: their difference is then the requests without the
    // tag.
    let text = match &tag {
        Some(_) => format!("{} UNION ALL {whole}", select(&query.group_by, true)),
        None => whole,
    };
    let mut statement = diesel::sql_query(text)
        .into_boxed()
        .bind::<BigInt, _>(user.0)
        .bind::<BigInt, _>(query.from.hour().millis())
        .bind::<BigInt, _>(query.to.hour_up().millis());
    if let Some(name) = tag.clone() {
        statement = statement.bind::<Text, _>(name);
    }
    let rows: Vec<Row> = statement.load(c).await?;
    let key = |row: &Row| query.group_by.iter().map(|by| row.value(by)).collect::<Vec<_>>();
    let mut groups: BTreeMap<Vec<Value>, Sums> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.tagged == 0) {
        groups.insert(key(row), row.sums());
    }
    for row in rows.iter().filter(|row| row.tagged != 0) {
        let values = key(row);
        let untagged: Vec<Value> = values
            .iter()
            .zip(&query.group_by)
            .map(|(value, by)| if matches!(by, GroupBy::Tag(_)) { Value::Untagged } else { value.clone() })
            .collect();
        if let Some(rest) = groups.get_mut(&untagged) {
            rest.subtract(&row.sums());
        }
        groups.insert(values, row.sums());
    }
    if tag.is_some() {
        groups.retain(|_, sums| sums.requests != 0);
    }
    Ok(groups
        .into_iter()
        .map(|(key, sums)| UsageGroup { key: key.into_iter().map(Value::shown).collect(), sums: usage_sums(&sums) })
        .collect())
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
