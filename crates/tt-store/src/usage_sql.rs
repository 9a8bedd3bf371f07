//! The SQL of a question for sums. It is text that is made of constants and numbers only: a day is an expression, and diesel
//! cannot group by expressions. The name of a tag, which a client chose, is parameter 1.

use tt_core::UserId;
use tt_core::query::{GroupBy, UsageQuery};
use tt_core::time::{DAY_MS, HOUR_MS};
use tt_core::zone::Offset;

use crate::rollup::{OTHER, SUMS};
use crate::usage_range::{Piece, Pieces};

/// The most that one row adds to a sum that is computed from rows, far above any real request. A provider's host may claim
/// any number, and a sum that overflowed would be an error.
const ROW_BOUND: i64 = 10_000_000_000_000;

/// Expressions that the databases write in ways of their own.
pub(crate) struct Words {
    /// A number in a JSON object, by column and field.
    pub(crate) json_number: fn(&str, &str) -> String,
    /// A text in a JSON object of texts, by column; its name is parameter 1.
    pub(crate) json_text: fn(&str) -> String,
}

/// A dimension: its column in the answer, and its expressions in the hourly sums and in the rows of the log.
struct Dimension {
    by: GroupBy,
    name: &'static str,
    is_text: bool,
    of_sums: String,
    of_rows: String,
}

/// A statement that answers a question.
pub(crate) struct Statement<'a> {
    pub(crate) words: Words,
    pub(crate) user: UserId,
    pub(crate) query: &'a UsageQuery,
    pub(crate) pieces: &'a Pieces,
    pub(crate) offsets: &'a [Offset],
}

impl Statement<'_> {
    /// The text. Each row of the answer is a part of a group, and parts add up. If `tagged` is true, parts by the value of the
    /// tag come beside those of all requests.
    pub(crate) fn text(&self, tagged: bool, limit: Option<usize>) -> String {
        let kinds: &[bool] = if tagged { &[true, false] } else { &[false] };
        let mut parts = Vec::new();
        for tagged in kinds {
            // The sums know no sessions.
            if !self.query.group_by.contains(&GroupBy::Session) {
                parts.push(self.of_sums(*tagged));
            }
            if !self.pieces.rows.is_empty() {
                parts.push(self.of_rows(*tagged));
            }
        }
        let limit = limit.map(|most| format!(" LIMIT {most}")).unwrap_or_default();
        format!("{}{}{limit}", self.with_pieces(), parts.join(" UNION ALL "))
    }

    fn dimensions(&self) -> Vec<Dimension> {
        let text = |by, name, of_rows: &str| Dimension {
            by,
            name,
            is_text: true,
            of_sums: name.to_owned(),
            of_rows: of_rows.to_owned(),
        };
        let number =
            |by, name, of_sums: String, of_rows: String| Dimension { by, name, is_text: false, of_sums, of_rows };
        vec![
            text(GroupBy::Provider, "provider", "COALESCE(l.provider, '')"),
            text(GroupBy::Alias, "alias", "l.alias"),
            text(GroupBy::Model, "model", "COALESCE(l.model, '')"),
            text(GroupBy::Route, "route", "COALESCE(l.route, '')"),
            text(GroupBy::Dialect, "dialect", "l.dialect"),
            text(GroupBy::Client, "client", "COALESCE(l.client, '')"),
            Dimension { of_sums: "''".to_owned(), ..text(GroupBy::Session, "session", "COALESCE(l.session, '')") },
            number(GroupBy::ApiKey, "api_key_id", "api_key_id".to_owned(), "COALESCE(l.api_key_id, 0)".to_owned()),
            number(GroupBy::Status, "status", "status".to_owned(), "COALESCE(l.status, 0)".to_owned()),
            number(GroupBy::Day, "day", self.day("hour"), self.day("l.created_at")),
            number(GroupBy::Hour, "hour", "hour".to_owned(), format!("l.created_at - l.created_at % {HOUR_MS}")),
        ]
    }

    /// The local day of the moment `at`.
    fn day(&self, at: &str) -> String {
        let local = match self.offsets {
            [] => at.to_owned(),
            [Offset { ms, .. }] => format!("({at} + {ms})"),
            [spans @ .., last] => {
                let spans =
                    spans.iter().map(|Offset { until, ms }| format!("WHEN {at} < {} THEN {ms}", until.millis()));
                format!("({at} + CASE {} ELSE {} END)", spans.collect::<Vec<_>>().join(" "), last.ms)
            }
        };
        format!("{local} - {local} % {DAY_MS}")
    }

    /// The columns of the answer that name the group, and the expressions to group by.
    fn columns(&self, tag: Option<&str>, of: fn(&Dimension) -> &str) -> (Vec<String>, Vec<String>) {
        let (mut columns, mut groups) = (Vec::new(), Vec::new());
        for dimension in self.dimensions() {
            let (name, kind) = (dimension.name, if dimension.is_text { "TEXT" } else { "BIGINT" });
            if self.query.group_by.contains(&dimension.by) {
                columns.push(format!("CAST({} AS {kind}) AS {name}", of(&dimension)));
                groups.push(of(&dimension).to_owned());
            } else {
                let none = if dimension.is_text { "''" } else { "0" };
                columns.push(format!("CAST({none} AS {kind}) AS {name}"));
            }
        }
        columns.push(format!("CAST({} AS BIGINT) AS tagged", i64::from(tag.is_some())));
        columns.push(format!("CAST({} AS TEXT) AS tag_value", tag.unwrap_or("''")));
        groups.extend(tag.map(str::to_owned));
        (columns, groups)
    }

    /// The parts that are whole hours.
    fn of_sums(&self, tagged: bool) -> String {
        let (mut columns, groups) = self.columns(tagged.then_some("tag_value"), |dimension| &dimension.of_sums);
        // A SUM of BIGINTs is NUMERIC on PostgreSQL.
        columns.extend(SUMS.map(|name| format!("CAST(COALESCE(SUM({name}), 0) AS BIGINT) AS {name}")));
        let table = if tagged { "usage_tags_hourly" } else { "usage_hourly" };
        let (begins, ends) = self.pieces.hours;
        let mut filters =
            vec![format!("user_id = {}", self.user.0), format!("hour >= {begins}"), format!("hour < {ends}")];
        if tagged {
            filters.push("tag_name = $1".to_owned());
        }
        filters.extend(self.query.api_key.map(|key| format!("api_key_id = {}", key.0)));
        if !self.pieces.without.is_empty() {
            filters.push(format!("hour NOT IN ({})", list(self.pieces.without.iter())));
        }
        select(&columns, table, &filters, &groups)
    }

    /// The parts that are rows.
    fn of_rows(&self, tagged: bool) -> String {
        let tag = (self.words.json_text)("l.tags");
        let counted = format!("COALESCE(v.tag_value, '{OTHER}')");
        let (mut columns, groups) = self.columns(tagged.then_some(counted.as_str()), |dimension| &dimension.of_rows);
        let sums = SUMS.iter().zip(self.sums());
        columns.extend(sums.map(|(name, of)| {
            let bound = format!(
                "CASE WHEN {of} > {ROW_BOUND} THEN {ROW_BOUND} WHEN {of} < -{ROW_BOUND} THEN -{ROW_BOUND} ELSE {of} END"
            );
            format!("CAST(COALESCE(SUM(piece.sign * ({bound})), 0) AS BIGINT) AS {name}")
        }));
        let mut from = format!(
            "piece JOIN request_logs AS l ON l.user_id = {} AND l.created_at >= piece.begins AND l.created_at < piece.ends",
            self.user.0
        );
        let mut filters: Vec<String> =
            self.query.api_key.map(|key| format!("l.api_key_id = {}", key.0)).into_iter().collect();
        if tagged {
            from.push_str(&format!(
                " LEFT JOIN usage_tag_values AS v ON v.user_id = l.user_id AND v.tag_name = $1 AND v.tag_value = {tag} \
                 AND v.day = l.created_at - l.created_at % {DAY_MS}"
            ));
            filters.push(format!("{tag} IS NOT NULL"));
        }
        select(&columns, &from, &filters, &groups)
    }

    /// The part of a row in each sum, in the order of [`SUMS`]: the same that the drain adds to the hourly sums.
    fn sums(&self) -> [String; 11] {
        let bounded = |column: &str| format!("(CASE WHEN {column} > {ROW_BOUND} THEN {ROW_BOUND} ELSE {column} END)");
        let rare = |field| bounded(&(self.words.json_number)("l.other_usage", field));
        let writes = [
            bounded("l.cache_write_5m_tokens"),
            bounded("l.cache_write_1h_tokens"),
            rare("cache_write_30m"),
            rare("cache_write_12h"),
        ]
        .join(" + ");
        [
            "1".to_owned(),
            format!("({} + {} + {writes})", bounded("l.input_tokens"), bounded("l.cache_read_tokens")),
            "l.cache_read_tokens".to_owned(),
            format!("({writes})"),
            "l.output_tokens".to_owned(),
            "COALESCE(l.reasoning_tokens, 0)".to_owned(),
            "COALESCE(l.cost_nano, 0)".to_owned(),
            "(CASE WHEN l.unpriced OR l.usage_source = 'unknown' THEN 1 ELSE 0 END)".to_owned(),
            "l.saved_nano".to_owned(),
            "(CASE WHEN l.outcome = 'error' THEN 1 ELSE 0 END)".to_owned(),
            "(CASE WHEN l.outcome = 'cancelled' THEN 1 ELSE 0 END)".to_owned(),
        ]
    }

    /// The pieces as a table.
    fn with_pieces(&self) -> String {
        if self.pieces.rows.is_empty() {
            return String::new();
        }
        let rows = self.pieces.rows.iter().map(|Piece { from, to, sign }| format!("({from}, {to}, {sign})"));
        format!("WITH piece (begins, ends, sign) AS (VALUES {}) ", rows.collect::<Vec<_>>().join(", "))
    }
}

fn select(columns: &[String], from: &str, filters: &[String], groups: &[String]) -> String {
    let filters = if filters.is_empty() { String::new() } else { format!(" WHERE {}", filters.join(" AND ")) };
    let groups = if groups.is_empty() { String::new() } else { format!(" GROUP BY {}", groups.join(", ")) };
    format!("SELECT {} FROM {from}{filters}{groups}", columns.join(", "))
}

fn list<'a>(numbers: impl Iterator<Item = &'a i64>) -> String {
    numbers.map(i64::to_string).collect::<Vec<_>>().join(", ")
}
