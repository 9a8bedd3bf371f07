//! `/manage/usage`: sums over requests, from the rollups.

use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tt_core::query::{GroupBy, UsageGroup, UsageQuery};
use tt_core::{NanoUsd, Timestamp};

use crate::clock::now;
use crate::edge::context::Context;
use crate::edge::error::ApiError;
use crate::edge::reply::{Reply, ReplyBody, json_bytes};
use crate::state::directory::KnownCaller;

/// The sums, in the order they are printed.
const SUMS: [&str; 10] = [
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

/// `GET /manage/usage`.
pub(crate) async fn usage(cx: Context, caller: KnownCaller) -> Result<Reply, ApiError> {
    let [from, to, group_by, format] = cx.query(["from", "to", "group_by", "format"])?;
    let csv = match format.as_deref() {
        None | Some("json") => false,
        Some("csv") => true,
        Some(_) => return Err(ApiError::invalid_field("format", "must be json or csv")),
    };
    let query = UsageQuery {
        from: from.map_or(Ok(Timestamp::from_millis(0)), |text| Timestamp::parse("from", &text))?.hour(),
        to: to.map_or(Ok(now().plus_millis(1)), |text| Timestamp::parse("to", &text))?.hour_up(),
        group_by: dimensions(group_by.as_deref().unwrap_or("provider,alias"))?,
    };
    cx.app.wait_for_drain().await;
    let groups = cx.app.store.usage(caller.user_id, query.clone()).await?;
    if csv { Ok(as_csv(&query.group_by, &groups)) } else { as_json(&query.group_by, &groups) }
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

/// Numbers where the field is a number elsewhere in the API.
fn key_value(dimension: &GroupBy, text: Option<&str>) -> Value {
    match (dimension, text) {
        (_, None) => Value::Null,
        (GroupBy::ApiKey | GroupBy::Status, Some(text)) => text.parse::<i64>().map_or(Value::Null, Value::from),
        (_, Some(text)) => Value::from(text),
    }
}

/// Groups are written field by field: an exact decimal does not survive a `serde_json::Value`.
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
    let nothing_known = sums.cost == NanoUsd::ZERO && sums.unpriced > 0 && sums.unpriced >= sums.requests;
    [
        sums.requests.to_string(),
        sums.input_tokens.to_string(),
        sums.cached_input_tokens.to_string(),
        sums.cache_write_tokens.to_string(),
        sums.output_tokens.to_string(),
        sums.reasoning_tokens.to_string(),
        // Where nothing is known of the cost it is not 0.
        if nothing_known { "null".to_owned() } else { sums.cost.to_string() },
        sums.saved.to_string(),
        sums.errors.to_string(),
        sums.cancelled.to_string(),
    ]
}

fn as_csv(dimensions: &[GroupBy], groups: &[UsageGroup]) -> Reply {
    let mut text = String::new();
    let mut line = |cells: Vec<String>| {
        text.push_str(&cells.join(","));
        text.push_str("\r\n");
    };
    line(dimensions.iter().map(|d| csv_cell(&d.field())).chain(SUMS.map(str::to_owned)).collect());
    for group in groups {
        let keys = group.key.iter().map(|value| csv_cell(value.as_deref().unwrap_or_default()));
        let sums = sums(group).map(|sum| if sum == "null" { String::new() } else { sum });
        line(keys.chain(sums).collect());
    }
    let mut reply = Response::new(ReplyBody::full(text));
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    reply
}

/// What begins a formula in a spreadsheet, in full width too.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// RFC 4180 quoting; a text that a spreadsheet would run as a formula is kept from that.
fn csv_cell(text: &str) -> String {
    let guarded = if text.starts_with(FORMULA) { format!("'{text}") } else { text.to_owned() };
    if guarded.contains([',', '"', '\r', '\n']) { format!("\"{}\"", guarded.replace('"', "\"\"")) } else { guarded }
}

#[cfg(test)]
mod tests {
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
    fn csv_cells_are_quoted_and_never_formulas() {
        assert_eq!(csv_cell("a,b"), "\"a,b\"");
        assert_eq!(csv_cell("say \"x\""), "\"say \"\"x\"\"\"");
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1+1"] {
            assert_eq!(csv_cell(formula), format!("'{formula}"));
        }
        assert_eq!(csv_cell("=A1,\"B\""), "\"'=A1,\"\"B\"\"\"");
    }
}
