//! The SQL of a question for sums. It is text that is made of constants and numbers only: a day is an expression, and diesel
//! cannot group by expressions. Texts that a client chose are parameters.

use tt_core::UserId;
use tt_core::filters::TagFilter;
use tt_core::query::{GroupBy, UsageQuery};
use tt_core::time::{DAY_MS, HOUR_MS};
use tt_core::zone::Offset;

use crate::rollup::OTHER;
use crate::sums::SUMS;
use crate::usage_filters::{Parameters, Source, conditions};
use crate::usage_range::{Piece, Pieces};

/// The most that one row adds to a sum that is computed from rows, far above any real request. A provider's host may claim
/// any number, and a sum that overflowed would be an error.
const ROW_BOUND: i64 = 10_000_000_000_000;

/// Expressions that the databases write in ways of their own.
pub(crate) struct Words {
    /// A number in a JSON object, by column and field.
    pub(crate) json_number: fn(&str, &str) -> String,
    /// A text in a JSON object of texts, by column and the parameter that holds its name.
    pub(crate) json_text: fn(&str, &str) -> String,
}

/// A dimension: its column in the answer, and its expressions in the hourly sums and in the rows of the log.
struct Dimension {
    by: GroupBy,
    name: &'static str,
    is_text: bool,
    of_sums: String,
    of_rows: String,
}

/// The requests that a part of the answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// All requests.
    All,
    /// Requests with the tag that the question names, by its value.
    Tagged,
}

/// A statement that answers a question.
pub(crate) struct Statement<'a> {
    pub(crate) words: Words,
    pub(crate) user: UserId,
    pub(crate) query: &'a UsageQuery,
    pub(crate) source: Source,
    pub(crate) pieces: &'a Pieces,
    pub(crate) offsets: &'a [Offset],
    pub(crate) parameters: &'a Parameters,
}

impl Statement<'_> {
    /// The text. Each row of the answer is a part of a group, and parts add up. Rows that are `tagged` are the parts of
    /// requests with a tag, by its value, and are in the others too.
    pub(crate) fn text(&self, limit: Option<usize>) -> String {
        let mut selects = Vec::new();
        for part in self.parts() {
            if self.source == Source::Sums {
                selects.push(self.of_sums(*part));
            }
            if !self.pieces.rows.is_empty() {
                selects.push(self.of_rows(*part));
            }
        }
        let limit = limit.map(|most| format!(" LIMIT {most}")).unwrap_or_default();
        format!("{}{}{limit}", self.with(), selects.join(" UNION ALL "))
    }

    fn parts(&self) -> &'static [Part] {
        let tag = self.query.filters.tag.as_ref();
        match (self.source, self.tag()) {
            (Source::Rows, _) | (Source::Sums, None) => &[Part::All],
            (Source::Sums, Some(_)) if tag.is_some_and(|tag| tag.value.is_some()) => &[Part::Tagged],
            (Source::Sums, Some(_)) => &[Part::Tagged, Part::All],
        }
    }

    /// The one tag of a question to the sums.
    fn tag(&self) -> Option<&str> {
        let filtered = self.query.filters.tag.as_ref().map(|tag| tag.name.as_str());
        filtered.or_else(|| self.query.tags().next())
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

    /// The columns of the answer that name the group, and the expressions to group by. `tags` are the expressions of the
    /// values of its tags; a question with fewer has NULL for the others.
    fn columns(&self, part: Part, tags: &[String], of: fn(&Dimension) -> &str) -> (Vec<String>, Vec<String>) {
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
        columns.push(format!("CAST({} AS BIGINT) AS tagged", i64::from(part == Part::Tagged)));
        for at in 0..UsageQuery::MOST_TAGS {
            columns.push(format!("CAST({} AS TEXT) AS tag_{at}", tags.get(at).map_or("NULL", String::as_str)));
        }
        groups.extend(tags.iter().cloned());
        (columns, groups)
    }

    /// The parts that are whole hours.
    fn of_sums(&self, part: Part) -> String {
        let is_tagged = part == Part::Tagged;
        let by_tag = is_tagged && self.query.tags().next().is_some();
        let tags: Vec<String> = by_tag.then(|| "tag_value".to_owned()).into_iter().collect();
        let (mut columns, groups) = self.columns(part, &tags, |dimension| &dimension.of_sums);
        // A SUM of BIGINTs is NUMERIC on PostgreSQL.
        columns.extend(SUMS.map(|name| format!("CAST(COALESCE(SUM({name}), 0) AS BIGINT) AS {name}")));
        let table = if is_tagged { "usage_tags_hourly" } else { "usage_hourly" };
        let (begins, ends) = self.pieces.hours;
        let mut filters =
            vec![format!("user_id = {}", self.user.0), format!("hour >= {begins}"), format!("hour < {ends}")];
        if is_tagged {
            filters.extend(self.tag().map(|name| format!("tag_name = {}", self.parameters.of(name))));
            let value = self.query.filters.tag.as_ref().and_then(|tag| tag.value.as_deref());
            filters.extend(value.map(|value| format!("tag_value = {}", self.parameters.of(value))));
        }
        filters.extend(conditions(&self.query.filters, self.parameters, Source::Sums));
        if !self.pieces.without.is_empty() {
            filters.push(format!("hour NOT IN ({})", list(self.pieces.without.iter())));
        }
        select(&columns, table, &filters, &groups)
    }

    /// The parts that are rows.
    fn of_rows(&self, part: Part) -> String {
        let mut from = format!(
            "piece JOIN request_logs AS l ON l.user_id = {} AND l.created_at >= piece.begins AND l.created_at < piece.ends",
            self.user.0
        );
        let mut filters = conditions(&self.query.filters, self.parameters, Source::Rows);
        let mut tags = Vec::new();
        let is_by_tag = self.source == Source::Rows || part == Part::Tagged;
        for (at, name) in self.query.tags().enumerate().filter(|_| is_by_tag) {
            let (value, name) = (self.tag_of_row(name), self.parameters.of(name));
            from.push_str(&format!(
                " LEFT JOIN usage_tag_values AS v{at} ON v{at}.user_id = l.user_id AND v{at}.tag_name = {name} \
                 AND v{at}.tag_value = {value} AND v{at}.day = l.created_at - l.created_at % {DAY_MS}"
            ));
            tags.push(format!("COALESCE(v{at}.tag_value, CASE WHEN {value} IS NOT NULL THEN '{OTHER}' END)"));
        }
        if part == Part::Tagged {
            filters.extend(self.tag().map(|name| format!("{} IS NOT NULL", self.tag_of_row(name))));
        }
        filters.extend(self.tag_filter());
        let (mut columns, groups) = self.columns(part, &tags, |dimension| &dimension.of_rows);
        let sums = SUMS.iter().zip(self.sums());
        columns.extend(sums.map(|(name, of)| {
            let bound = format!(
                "CASE WHEN {of} > {ROW_BOUND} THEN {ROW_BOUND} WHEN {of} < -{ROW_BOUND} THEN -{ROW_BOUND} ELSE {of} END"
            );
            format!("CAST(COALESCE(SUM(piece.sign * ({bound})), 0) AS BIGINT) AS {name}")
        }));
        select(&columns, &from, &filters, &groups)
    }

    /// The value of a tag of the row; NULL where it has none.
    fn tag_of_row(&self, name: &str) -> String {
        (self.words.json_text)("l.tags", &self.parameters.of(name))
    }

    /// The condition of the filter by tag on rows. Requests without the tag are found among rows only: the sums of all
    /// less those with the tag are theirs.
    fn tag_filter(&self) -> Option<String> {
        let TagFilter { name, value } = self.query.filters.tag.as_ref()?;
        let tag = self.tag_of_row(name);
        match (value, self.source) {
            (Some(value), _) => Some(format!("{tag} = {}", self.parameters.of(value))),
            (None, Source::Rows) => Some(format!("{tag} IS NULL")),
            (None, Source::Sums) => None,
        }
    }

    /// The part of a row in each sum, in the order of [`SUMS`]: the same that the drain adds to the hourly sums.
    fn sums(&self) -> [String; SUMS.len()] {
        let bounded = |column: &str| format!("(CASE WHEN {column} > {ROW_BOUND} THEN {ROW_BOUND} ELSE {column} END)");
        let rare = |field| bounded(&(self.words.json_number)("l.other_usage", field));
        let one_if = |condition: &str| format!("(CASE WHEN {condition} THEN 1 ELSE 0 END)");
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
            one_if("l.unpriced OR l.usage_source = 'unknown'"),
            "l.saved_nano".to_owned(),
            one_if("l.outcome = 'error'"),
            one_if("l.outcome = 'cancelled'"),
            "l.cost_input_nano".to_owned(),
            "l.cost_cached_nano".to_owned(),
            "l.cost_cache_write_nano".to_owned(),
            "l.cost_output_nano".to_owned(),
            "l.cost_fees_nano".to_owned(),
            "1".to_owned(),
            one_if("l.usage_source = 'estimated'"),
            one_if("l.usage_source = 'partial'"),
            one_if("l.usage_source = 'unknown'"),
            one_if("l.cost_nano IS NULL"),
            one_if("l.outcome = 'interrupted'"),
            "l.latency_ms".to_owned(),
            "COALESCE(l.first_token_ms, 0)".to_owned(),
            one_if("l.first_token_ms IS NOT NULL"),
        ]
    }

    /// The parameters and the pieces as tables.
    fn with(&self) -> String {
        let mut tables: Vec<String> = self.parameters.as_table().into_iter().collect();
        if !self.pieces.rows.is_empty() {
            let rows = self.pieces.rows.iter().map(|Piece { from, to, sign }| format!("({from}, {to}, {sign})"));
            let rows = rows.collect::<Vec<_>>().join(", ");
            tables.push(format!("piece (begins, ends, sign) AS (VALUES {rows})"));
        }
        if tables.is_empty() { String::new() } else { format!("WITH {} ", tables.join(", ")) }
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
