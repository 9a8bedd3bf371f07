//! One request as the export writes it, in CSV and in JSON.

use std::borrow::Cow;

use serde::Serialize;
use tt_core::query::ExportRow;
use tt_core::spreadsheet::text_cell;
use tt_core::{NanoUsd, Tags};

/// The first record of a CSV: the names of the fields of [`Line`], in its order.
pub(crate) const NAMES: [&str; 31] = [
    "request_id",
    "created_at",
    "user_id",
    "user",
    "api_key_id",
    "alias",
    "route",
    "provider",
    "model",
    "stream",
    "status",
    "outcome",
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "usage_source",
    "cost_usd",
    "unpriced",
    "saved_usd",
    "latency_ms",
    "first_token_ms",
    "attempts",
    "error",
    "tags",
    "dialect",
    "client",
    "session",
    "agent",
    "trace_id",
];

/// One request, with the names of the request log. Money is an exact decimal.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    request_id: String,
    created_at: String,
    user_id: i64,
    user: Option<&'a str>,
    api_key_id: Option<i64>,
    alias: &'a str,
    route: Option<&'static str>,
    provider: Option<&'static str>,
    model: Option<&'a str>,
    stream: bool,
    status: Option<u16>,
    outcome: &'static str,
    input_tokens: u64,
    cached_input_tokens: u64,
    cache_write_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
    usage_source: &'static str,
    cost_usd: Option<NanoUsd>,
    unpriced: bool,
    saved_usd: NanoUsd,
    latency_ms: u64,
    first_token_ms: Option<u64>,
    attempts: u32,
    error: Option<&'a str>,
    tags: &'a Tags,
    dialect: &'static str,
    client: Option<&'a str>,
    session: Option<&'a str>,
    agent: Option<&'a str>,
    trace_id: Option<&'a str>,
}

impl<'a> Line<'a> {
    pub(crate) fn of(export: &'a ExportRow) -> Self {
        let row = &export.row;
        Self {
            request_id: row.request_id.to_string(),
            created_at: row.created_at.rfc3339(),
            user_id: export.user_id.0,
            user: export.email.as_deref(),
            api_key_id: row.api_key_id.map(|id| id.0),
            alias: &row.alias,
            route: row.route.map(|route| route.as_str()),
            provider: row.provider.map(|provider| provider.as_str()),
            model: row.model.as_deref(),
            stream: row.stream,
            status: row.status,
            outcome: row.outcome.as_str(),
            input_tokens: row.usage.total_input(),
            cached_input_tokens: row.usage.cache_read,
            cache_write_tokens: row.usage.cache_write(),
            output_tokens: row.usage.output,
            reasoning_tokens: row.usage.reasoning.unwrap_or(0),
            usage_source: row.source.as_str(),
            cost_usd: row.cost,
            unpriced: export.unpriced,
            saved_usd: row.saved,
            latency_ms: row.latency_ms,
            first_token_ms: row.first_token_ms,
            attempts: row.attempts,
            error: row.error.as_deref(),
            tags: &row.tags,
            dialect: row.dialect.as_str(),
            client: row.client.as_deref(),
            session: row.session.as_deref(),
            agent: row.agent.as_deref(),
            trace_id: row.trace_id.as_deref(),
        }
    }

    /// The cells of a CSV record, in the order of [`NAMES`]. An unknown value is an empty cell. A text from outside is
    /// kept from being a formula.
    pub(crate) fn cells(&self) -> [Cow<'_, str>; NAMES.len()] {
        fn shown<'a>(value: Option<impl ToString>) -> Cow<'a, str> {
            value.map(|value| value.to_string()).unwrap_or_default().into()
        }
        // Serialising a map of strings cannot fail.
        let tags = serde_json::to_string(self.tags).unwrap_or_default();
        [
            Cow::from(&self.request_id),
            Cow::from(&self.created_at),
            shown(Some(self.user_id)),
            text_cell(self.user.unwrap_or_default()),
            shown(self.api_key_id),
            text_cell(self.alias),
            shown(self.route),
            shown(self.provider),
            text_cell(self.model.unwrap_or_default()),
            shown(Some(self.stream)),
            shown(self.status),
            Cow::from(self.outcome),
            shown(Some(self.input_tokens)),
            shown(Some(self.cached_input_tokens)),
            shown(Some(self.cache_write_tokens)),
            shown(Some(self.output_tokens)),
            shown(Some(self.reasoning_tokens)),
            Cow::from(self.usage_source),
            shown(self.cost_usd),
            shown(Some(self.unpriced)),
            shown(Some(self.saved_usd)),
            shown(Some(self.latency_ms)),
            shown(self.first_token_ms),
            shown(Some(self.attempts)),
            text_cell(self.error.unwrap_or_default()),
            Cow::from(text_cell(&tags).into_owned()),
            Cow::from(self.dialect),
            text_cell(self.client.unwrap_or_default()),
            text_cell(self.session.unwrap_or_default()),
            text_cell(self.agent.unwrap_or_default()),
            text_cell(self.trace_id.unwrap_or_default()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(text: &'a str, tags: &'a Tags) -> Line<'a> {
        Line {
            request_id: "0".to_owned(),
            created_at: "2026-01-01T00:00:00Z".to_owned(),
            user_id: 1,
            user: Some(text),
            api_key_id: None,
            alias: text,
            route: None,
            provider: None,
            model: Some(text),
            stream: false,
            status: Some(200),
            outcome: "ok",
            input_tokens: 1,
            cached_input_tokens: 0,
            cache_write_tokens: 0,
            output_tokens: 0,
            reasoning_tokens: 0,
            usage_source: "provider",
            cost_usd: None,
            unpriced: true,
            saved_usd: NanoUsd(-5),
            latency_ms: 1,
            first_token_ms: None,
            attempts: 1,
            error: Some(text),
            tags,
            dialect: "openai_chat",
            client: Some(text),
            session: Some(text),
            agent: Some(text),
            trace_id: Some(text),
        }
    }

    #[test]
    fn csv_and_json_have_the_same_names_in_the_same_order() {
        let object = serde_json::to_value(line("x", &Tags::default())).unwrap();
        assert!(object.as_object().unwrap().keys().eq(NAMES));
    }

    #[test]
    fn no_text_from_outside_is_a_formula() {
        let tags = Tags::default();
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1+1", "＋1", "－1", "＠SUM(A1)"] {
            let line = line(formula, &tags);
            let guarded: Vec<_> = NAMES.iter().zip(line.cells()).filter(|(_, cell)| cell.contains(formula)).collect();
            let names: Vec<_> = guarded.iter().map(|(name, _)| **name).collect();
            assert_eq!(names, ["user", "alias", "model", "error", "client", "session", "agent", "trace_id"]);
            for (name, cell) in guarded {
                assert_eq!(cell, format!("'{formula}"), "{name}");
            }
        }
        // An amount below zero is a number and stays one.
        assert!(line("x", &tags).cells().contains(&Cow::from("-0.000000005")));
    }
}
