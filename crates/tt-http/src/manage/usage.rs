//! `/manage/usage`: sums over requests.

use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use schemars::JsonSchema;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tt_core::query::{GroupBy, UsageGroup, UsageQuery};
use tt_core::spreadsheet::text_cell;
use tt_core::{NanoUsd, Timestamp, Zone};

use crate::clock::end_of_hour;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::fields::moment;
use crate::edge::reply::{Reply, ReplyBody, json_bytes};
use crate::state::directory::KnownCaller;

/// The sums of a group, as they are printed beside its dimensions. The costs are `null` if none is known.
#[derive(JsonSchema)]
#[schemars(rename = "UsageSums")]
#[expect(dead_code, reason = "a description of rows that are written field by field")]
pub(crate) struct Sums {
    requests: u64,
    input_tokens: u64,
    cached_input_tokens: u64,
    cache_write_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
    cost_usd: Option<NanoUsd>,
    saved_usd: NanoUsd,
    errors: u64,
    cancelled: u64,
}

/// The sums, in the order they are printed.
pub(crate) const SUMS: [&str; 10] = [
    "requests",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "cost_usd",
    "saved_usd",
    "errors",
    "cancelled",
];

/// `GET /manage/usage`: the sums, by the dimensions that the caller names, as JSON or CSV.
pub(crate) async fn usage(cx: Context, caller: KnownCaller) -> Result<Reply, ApiError> {
    let [from, to, group_by, tz, format] = cx.query(["from", "to", "group_by", "tz", "format"])?;
    let csv = match format.as_deref() {
        None | Some("json") => false,
        Some("csv") => true,
        Some(_) => return Err(ApiError::invalid_field("format", "must be json or csv")),
    };
    let group_by = dimensions(group_by.as_deref().unwrap_or("provider,alias"))?;
    let rows_since = cx.app.rows_since();
    // Sums by session are read from rows, so that without a `from` they begin with the rows.
    let first = if group_by.contains(&GroupBy::Session) { rows_since } else { None };
    let query = UsageQuery {
        from: match from {
            Some(text) => moment("from", &text)?,
            None => first.unwrap_or(Timestamp::from_millis(0)),
        },
        to: match to {
            Some(text) => moment("to", &text)?,
            None => end_of_hour(),
        },
        zone: tz.map_or(Ok(Zone::utc()), |name| Zone::parse("tz", &name))?,
        api_key: None,
        rows_since,
        group_by,
    };
    cx.app.wait_for_drain().await;
    let groups = cx.app.store.usage(caller.user_id, query.clone()).await?;
    if csv { as_csv(&query.group_by, &groups) } else { as_json(&query.group_by, &groups) }
}

fn dimensions(text: &str) -> Result<Vec<GroupBy>, ApiError> {
    let mut dimensions: Vec<GroupBy> = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let dimension: GroupBy = name.parse()?;
        let second_tag =
            matches!(dimension, GroupBy::Tag(_)) && dimensions.iter().any(|d| matches!(d, GroupBy::Tag(_)));
        if second_tag {
            return Err(ApiError::invalid_field("group_by", "can name one tag"));
        }
        if dimensions.contains(&dimension) {
            return Err(ApiError::invalid_field("group_by", "names a dimension twice"));
        }
        dimensions.push(dimension);
    }
    Ok(dimensions)
}

/// The value of a dimension: a number when the field is a number elsewhere in the API.
fn key_value(dimension: &GroupBy, text: Option<&str>) -> Value {
    match (dimension, text) {
        (_, None) => Value::Null,
        (GroupBy::ApiKey | GroupBy::Status, Some(text)) => text.parse::<i64>().map_or(Value::Null, Value::from),
        (_, Some(text)) => Value::from(text),
    }
}

/// The groups as a JSON array. They are written field by field, since a `serde_json::Value` would round an exact decimal.
fn as_json(dimensions: &[GroupBy], groups: &[UsageGroup]) -> Result<Reply, ApiError> {
    let mut rows: Vec<Box<RawValue>> = Vec::with_capacity(groups.len());
    for group in groups {
        let keys: Map<String, Value> = dimensions
            .iter()
            .zip(&group.key)
            .map(|(dimension, value)| (dimension.field(), key_value(dimension, value.as_deref())))
            .collect();
        let mut text = Value::Object(keys).to_string();
        text.truncate(text.len() - 1);
        for (name, value) in SUMS.iter().zip(sums(group)) {
            let comma = if text.len() > 1 { "," } else { "" };
            text.push_str(&format!("{comma}{}:{value}", json!(name)));
        }
        text.push('}');
        rows.push(RawValue::from_string(text).map_err(|_| ApiError::internal())?);
    }
    let body = serde_json::to_vec(&rows).map_err(|_| ApiError::internal())?;
    Ok(json_bytes(StatusCode::OK, body))
}

/// The sums as JSON numbers.
fn sums(group: &UsageGroup) -> [String; 10] {
    let sums = &group.sums;
    [
        sums.requests.to_string(),
        sums.input_tokens.to_string(),
        sums.cached_input_tokens.to_string(),
        sums.cache_write_tokens.to_string(),
        sums.output_tokens.to_string(),
        sums.reasoning_tokens.to_string(),
        // A sum of costs of which none is known is not 0 but unknown.
        sums.known_cost().map_or_else(|| "null".to_owned(), |cost| cost.to_string()),
        sums.saved.to_string(),
        sums.errors.to_string(),
        sums.cancelled.to_string(),
    ]
}

/// The same rows as [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180) text, after a line of field names. A sum that is
/// not known is an empty cell.
fn as_csv(dimensions: &[GroupBy], groups: &[UsageGroup]) -> Result<Reply, ApiError> {
    let text = csv_text(dimensions, groups).map_err(|error| ApiError::internal().because(error))?;
    let mut reply = Response::new(ReplyBody::full(text));
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    Ok(reply)
}

fn csv_text(dimensions: &[GroupBy], groups: &[UsageGroup]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    for dimension in dimensions {
        writer.write_field(text_cell(&dimension.field()).as_ref())?;
    }
    writer.write_record(SUMS)?;
    for group in groups {
        for key in &group.key {
            writer.write_field(text_cell(key.as_deref().unwrap_or_default()).as_ref())?;
        }
        writer.write_record(sums(group).map(|sum| if sum == "null" { String::new() } else { sum }))?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

#[cfg(test)]
mod tests {
    use tt_core::NanoUsd;
    use tt_core::query::UsageSums;

    use super::*;

    fn group(key: Vec<Option<&str>>, sums: UsageSums) -> UsageGroup {
        UsageGroup { key: key.into_iter().map(|k| k.map(str::to_owned)).collect(), sums }
    }

    fn json_text(dimensions: &[GroupBy], groups: &[UsageGroup]) -> String {
        match as_json(dimensions, groups).unwrap().into_body() {
            ReplyBody::Full(Some(bytes)) => String::from_utf8(bytes.to_vec()).unwrap(),
            _ => String::new(),
        }
    }

    #[test]
    fn money_is_exact_and_what_is_unknown_is_null() {
        let known = UsageSums { requests: 2, cost: NanoUsd(12_345), ..UsageSums::default() };
        let unknown = UsageSums { requests: 1, unpriced: 1, ..UsageSums::default() };
        let text = json_text(&[GroupBy::Status], &[group(vec![Some("200")], known), group(vec![None], unknown)]);
        assert!(text.starts_with(r#"[{"status":200,"requests":2,"#), "{text}");
        assert!(text.contains(r#""cost_usd":0.000012345,"#), "{text}");
        assert!(text.contains(r#"{"status":null,"requests":1,"#) && text.contains(r#""cost_usd":null"#), "{text}");
        assert!(json_text(&[], &[group(vec![], known)]).starts_with(r#"[{"requests":2,"#));
        assert_eq!(json_text(&[], &[]), "[]");
    }

    #[test]
    fn dimensions_stand_once() {
        assert_eq!(dimensions("provider, tag:team").unwrap(), [GroupBy::Provider, GroupBy::Tag("team".into())]);
        for bad in ["provider,provider", "tag:a,tag:b", "colour", "tag:", "tag:a\0b"] {
            assert!(dimensions(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn csv_is_quoted_and_never_a_formula() {
        let known = UsageSums { requests: 2, cost: NanoUsd(12_345), ..UsageSums::default() };
        let unknown = UsageSums { requests: 1, unpriced: 1, ..UsageSums::default() };
        let dimensions = [GroupBy::Alias, GroupBy::Tag("=team".into())];
        let groups =
            [group(vec![Some("a,\"b\""), Some("=1+1")], known), group(vec![Some("＝A1,\"B\""), None], unknown)];
        let text = String::from_utf8(csv_text(&dimensions, &groups).unwrap()).unwrap();
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert!(lines[0].starts_with("alias,tag:=team,requests,input_tokens,"), "{text}");
        assert!(lines[1].starts_with("\"a,\"\"b\"\"\",'=1+1,2,0,"), "{text}");
        assert!(lines[1].contains(",0.000012345,"), "{text}");
        assert!(lines[2].starts_with("\"'＝A1,\"\"B\"\"\",,1,"), "{text}");
        assert_eq!(lines.len(), 3, "{text}");
        // A cost that is not known is empty.
        assert_eq!(lines[2].split(',').rev().nth(3), Some(""), "{text}");
    }
}
