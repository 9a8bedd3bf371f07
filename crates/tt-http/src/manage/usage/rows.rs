//! The rows of an answer of `/manage/usage`, as JSON and as CSV.

use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use schemars::JsonSchema;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tt_core::NanoUsd;
use tt_core::query::{GroupBy, UsageGroup};
use tt_core::spreadsheet::text_cell;

use crate::edge::error::ApiError;
use crate::edge::reply::{Reply, ReplyBody, json_bytes};

/// The sums of a group, as they are printed beside its dimensions. The costs are `null` if none is known.
///
/// `estimated` and what follows it is `null` where the group has requests that are known of by older sums only, which did
/// not have it.
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
    /// Requests whose cost is not known, or not in full, so that `cost_usd` leaves something of them out.
    cost_incomplete: u64,
    /// Requests whose tokens were counted here, since the provider sent no usage.
    estimated: Option<u64>,
    /// Requests whose stream ended early; their tokens were counted as far as it came.
    partial: Option<u64>,
    /// Requests that were sent and whose usage is not known.
    unknown: Option<u64>,
    /// Requests whose `cost_usd` is `null`. They are among those of `cost_incomplete`.
    unpriced: Option<u64>,
    /// Requests whose process died while they ran.
    interrupted: Option<u64>,
    /// The milliseconds from the arrival of each request to its end. Divided by `requests` it is their mean.
    latency_ms_sum: Option<u64>,
    /// The milliseconds from the arrival of a request to its first content byte. Divided by `first_token_count` it is
    /// their mean.
    first_token_ms_sum: Option<u64>,
    /// Requests that had a first content byte.
    first_token_count: Option<u64>,
    cost_by_class: Option<Classes>,
}

/// The parts of a cost by class. They add up to it: each request's cost is rounded once, and its parts are cut to whole
/// nano-dollars; those that are then missing go to the parts that were cut the most.
#[derive(JsonSchema)]
#[schemars(rename = "CostByClass")]
#[expect(dead_code, reason = "a description of rows that are written field by field")]
struct Classes {
    /// Input that was neither read from a cache nor written to one.
    input: NanoUsd,
    /// Input that was read from a cache.
    cached_input: NanoUsd,
    /// Input that was written to a cache.
    cache_write: NanoUsd,
    /// Output, reasoning included.
    output: NanoUsd,
    /// Services beside tokens, as searches of the web.
    fees: NanoUsd,
    /// The cost of requests that were recorded by versions that kept no classes. An administrator's rating them again fills
    /// them in.
    unclassified: NanoUsd,
}

/// The sums but the last, in the order they are printed.
pub(crate) const SUMS: [&str; 19] = [
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
    "cost_incomplete",
    "estimated",
    "partial",
    "unknown",
    "unpriced",
    "interrupted",
    "latency_ms_sum",
    "first_token_ms_sum",
    "first_token_count",
];

/// The last of the sums, an object.
pub(crate) const BY_CLASS: &str = "cost_by_class";

/// The classes of a cost.
pub(crate) const CLASSES: [&str; 6] = ["input", "cached_input", "cache_write", "output", "fees", "unclassified"];

/// The value of a dimension: a number when the field is a number elsewhere in the API.
fn key_value(dimension: &GroupBy, text: Option<&str>) -> Value {
    match (dimension, text) {
        (_, None) => Value::Null,
        (GroupBy::ApiKey | GroupBy::Status, Some(text)) => text.parse::<i64>().map_or(Value::Null, Value::from),
        (_, Some(text)) => Value::from(text),
    }
}

/// The groups as a JSON array. They are written field by field, since a `serde_json::Value` would round an exact decimal.
pub(super) fn as_json(dimensions: &[GroupBy], groups: &[UsageGroup]) -> Result<Reply, ApiError> {
    let mut rows: Vec<Box<RawValue>> = Vec::with_capacity(groups.len());
    for group in groups {
        let keys: Map<String, Value> = dimensions
            .iter()
            .zip(&group.key)
            .map(|(dimension, value)| (dimension.field(), key_value(dimension, value.as_deref())))
            .collect();
        let mut text = Value::Object(keys).to_string();
        text.truncate(text.len() - 1);
        for (name, value) in SUMS.into_iter().zip(sums(group)) {
            let comma = if text.len() > 1 { "," } else { "" };
            text.push_str(&format!("{comma}\"{name}\":{}", value.as_deref().unwrap_or("null")));
        }
        text.push_str(&format!(",\"{BY_CLASS}\":{}}}", classes_json(group)));
        rows.push(RawValue::from_string(text).map_err(|_| ApiError::internal())?);
    }
    let body = serde_json::to_vec(&rows).map_err(|_| ApiError::internal())?;
    Ok(json_bytes(StatusCode::OK, body))
}

/// The sums of [`SUMS`]; `None` is not known.
fn sums(group: &UsageGroup) -> [Option<String>; SUMS.len()] {
    let sums = &group.sums;
    let (known, details) = (|number: u64| Some(number.to_string()), sums.whole_details());
    [
        known(sums.requests),
        known(sums.input_tokens),
        known(sums.cached_input_tokens),
        known(sums.cache_write_tokens),
        known(sums.output_tokens),
        known(sums.reasoning_tokens),
        // A sum of costs of which none is known is not 0 but unknown.
        sums.known_cost().map(|cost| cost.to_string()),
        Some(sums.saved.to_string()),
        known(sums.errors),
        known(sums.cancelled),
        known(sums.unpriced),
        details.map(|details| details.estimated.to_string()),
        details.map(|details| details.partial.to_string()),
        details.map(|details| details.unknown.to_string()),
        details.map(|details| details.costless.to_string()),
        details.map(|details| details.interrupted.to_string()),
        details.map(|details| details.latency_ms.to_string()),
        details.map(|details| details.first_token_ms.to_string()),
        details.map(|details| details.first_tokens.to_string()),
    ]
}

/// The parts of the cost, in the order of [`CLASSES`]; `None` where the cost is not known.
fn classes(group: &UsageGroup) -> Option<[NanoUsd; CLASSES.len()]> {
    group.sums.known_cost()?;
    let [input, cached_input, cache_write, output, fees] = group.sums.by_class.parts();
    Some([input, cached_input, cache_write, output, fees, group.sums.unclassified()])
}

fn classes_json(group: &UsageGroup) -> String {
    let Some(classes) = classes(group) else { return "null".to_owned() };
    let fields = CLASSES.iter().zip(classes).map(|(name, cost)| format!("\"{name}\":{cost}"));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// The same rows as [RFC 4180](https://www.rfc-editor.org/rfc/rfc4180) text, after a line of field names. A sum that is
/// not known is an empty cell.
pub(super) fn as_csv(dimensions: &[GroupBy], groups: &[UsageGroup]) -> Result<Reply, ApiError> {
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
    SUMS.iter().try_for_each(|name| writer.write_field(name))?;
    writer.write_record(CLASSES.map(|class| format!("cost_{class}_usd")))?;
    for group in groups {
        for key in &group.key {
            writer.write_field(text_cell(key.as_deref().unwrap_or_default()).as_ref())?;
        }
        sums(group).into_iter().try_for_each(|sum| writer.write_field(sum.unwrap_or_default()))?;
        let classes = classes(group).map(|classes| classes.map(|class| class.to_string()));
        writer.write_record(classes.unwrap_or_default())?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

#[cfg(test)]
mod tests {
    use tt_core::cost::CostByClass;
    use tt_core::query::{UsageDetails, UsageSums};

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
        assert!(text.contains(r#""cost_by_class":null}"#), "{text}");
        assert!(json_text(&[], &[group(vec![], known)]).starts_with(r#"[{"requests":2,"#));
        assert_eq!(json_text(&[], &[]), "[]");
    }

    #[test]
    fn the_classes_and_the_rest_are_the_cost() {
        let [input, output] = [NanoUsd(5), NanoUsd(3)];
        let by_class = CostByClass { input, output, ..CostByClass::default() };
        let sums = UsageSums { requests: 1, cost: NanoUsd(10), by_class, ..UsageSums::default() };
        let text = json_text(&[], &[group(vec![], sums)]);
        let expected = r#""cost_by_class":{"input":0.000000005,"cached_input":0,"cache_write":0,"output":0.000000003,"fees":0,"unclassified":0.000000002}}]"#;
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn sums_that_do_not_cover_every_request_are_unknown() {
        let details = UsageDetails { estimated: 1, latency_ms: 900, ..UsageDetails::default() };
        let whole = UsageSums { requests: 2, detailed: 2, unpriced: 1, details, ..UsageSums::default() };
        let text = json_text(&[], &[group(vec![], whole)]);
        assert!(text.contains(r#""cost_incomplete":1,"estimated":1,"partial":0,"#), "{text}");
        assert!(text.contains(r#""latency_ms_sum":900,"#), "{text}");
        let text = json_text(&[], &[group(vec![], UsageSums { detailed: 1, ..whole })]);
        assert!(text.contains(r#""cost_incomplete":1,"estimated":null,"partial":null,"#), "{text}");
        assert!(
            text.contains(r#""latency_ms_sum":null,"first_token_ms_sum":null,"first_token_count":null,"#),
            "{text}"
        );
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
        // A cost that is not known is empty, and so are its classes.
        let at = lines[0].split(',').position(|name| name == "cost_usd").unwrap();
        assert_eq!(lines[2].replace("\"'＝A1,\"\"B\"\"\"", "alias").split(',').nth(at), Some(""), "{text}");
        assert!(lines[0].ends_with(",cost_fees_usd,cost_unclassified_usd") && lines[2].ends_with(",,,,,,"), "{text}");
    }
}
