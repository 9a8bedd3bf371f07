//! The filters of a question for sums as SQL: conditions on the hourly sums and on rows, and the parameters of a statement.

use tt_core::filters::Filters;
use tt_core::query::UsageQuery;

/// The tables that the sums of a question are computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Hourly sums, and rows for the hours that the range divides.
    Sums,
    /// Rows only.
    Rows,
}

/// The texts of a question that a client chose, which a statement is given as parameters. A text that stands twice is one
/// parameter.
pub(crate) struct Parameters(Vec<String>);

impl Parameters {
    /// The parameters of a question.
    pub(crate) fn of_query(query: &UsageQuery) -> Self {
        let Filters { alias, model, client, session, tag, .. } = &query.filters;
        let mut texts: Vec<&str> = query.tags().collect();
        texts.extend(tag.as_ref().map(|tag| tag.name.as_str()));
        texts.extend(tag.as_ref().and_then(|tag| tag.value.as_deref()));
        texts.extend(alias.as_deref());
        texts.extend([model, client, session].into_iter().filter_map(|filter| filter.as_ref()?.as_deref()));
        let mut unique: Vec<String> = Vec::new();
        for text in texts {
            if !unique.iter().any(|known| known == text) {
                unique.push(text.to_owned());
            }
        }
        Self(unique)
    }

    /// The placeholder of a text of the question. A text that is not in it has none.
    pub(crate) fn of(&self, text: &str) -> String {
        let at = self.0.iter().position(|known| known == text);
        at.map_or_else(|| "NULL".to_owned(), |at| format!("${}", at + 1))
    }

    /// A table that names all of them. At the beginning of a statement it tells PostgreSQL their types, and SQLite their
    /// order: SQLite numbers parameters as it meets them.
    pub(crate) fn as_table(&self) -> Option<String> {
        let columns = |of: fn(usize) -> String| (1..=self.0.len()).map(of).collect::<Vec<_>>().join(", ");
        let (names, values) = (columns(|at| format!("p{at}")), columns(|at| format!("CAST(${at} AS TEXT)")));
        (!self.0.is_empty()).then(|| format!("asked ({names}) AS (SELECT {values})"))
    }

    /// The texts, in the order of their placeholders.
    pub(crate) fn into_texts(self) -> Vec<String> {
        self.0
    }
}

/// The conditions of all filters but that by tag, on the columns of `source`.
pub(crate) fn conditions(filters: &Filters, parameters: &Parameters, source: Source) -> Vec<String> {
    let Filters { alias, provider, model, api_key, client, session, tag: _, status, route, dialect, outcome } = filters;
    let mut found = Vec::new();
    let mut add = |column: &str, is_text: bool, wanted: Option<Option<String>>| {
        let Some(wanted) = wanted else { return };
        found.push(match (wanted, source) {
            (Some(value), Source::Sums) => format!("{column} = {value}"),
            (Some(value), Source::Rows) => format!("l.{column} = {value}"),
            (None, Source::Sums) if is_text => format!("{column} = ''"),
            (None, Source::Sums) => format!("{column} = 0"),
            (None, Source::Rows) => format!("l.{column} IS NULL"),
        });
    };
    let word = |word: &str| format!("'{word}'");
    let text = |filter: &Option<Option<String>>| {
        filter.as_ref().map(|wanted| wanted.as_deref().map(|text| parameters.of(text)))
    };
    add("alias", true, alias.as_deref().map(|alias| Some(parameters.of(alias))));
    add("provider", true, provider.map(|wanted| wanted.map(|provider| word(provider.as_str()))));
    add("model", true, text(model));
    add("client", true, text(client));
    add("api_key_id", false, api_key.map(|wanted| wanted.map(|key| key.0.to_string())));
    add("status", false, status.map(|wanted| wanted.map(|status| status.to_string())));
    add("route", true, route.map(|wanted| wanted.map(|route| word(route.as_str()))));
    add("dialect", true, dialect.map(|dialect| Some(word(dialect.as_str()))));
    // The sums know neither; a question with one of these is answered from rows.
    add("session", true, text(session));
    add("outcome", true, outcome.map(|outcome| Some(word(outcome.as_str()))));
    found
}

#[cfg(test)]
mod tests {
    use tt_core::filters::TagFilter;
    use tt_core::query::GroupBy;
    use tt_core::{Provider, Timestamp};

    use super::*;

    fn query(filters: Filters) -> UsageQuery {
        let at = Timestamp::from_millis(0);
        UsageQuery { filters, ..UsageQuery::new(at, at, vec![GroupBy::Tag("team".to_owned())]) }
    }

    #[test]
    fn texts_of_clients_are_parameters_and_stand_once() {
        let query = query(Filters {
            alias: Some("x' OR 1=1 --".to_owned()),
            model: Some(Some("team".to_owned())),
            tag: Some(TagFilter { name: "team".to_owned(), value: Some("a".to_owned()) }),
            session: Some(None),
            ..Filters::default()
        });
        let parameters = Parameters::of_query(&query);
        assert_eq!(parameters.of("a"), "$2");
        assert_eq!(
            parameters.as_table().as_deref(),
            Some("asked (p1, p2, p3) AS (SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT))")
        );
        let of = |source| conditions(&query.filters, &parameters, source);
        assert_eq!(of(Source::Rows), ["l.alias = $3", "l.model = $1", "l.session IS NULL"]);
        assert_eq!(parameters.into_texts(), ["team", "a", "x' OR 1=1 --"]);
    }

    #[test]
    fn what_has_no_value_is_empty_in_the_sums_and_null_in_rows() {
        let filters = Filters { provider: Some(None), status: Some(None), api_key: Some(None), ..Filters::default() };
        let of = |source| conditions(&filters, &Parameters(Vec::new()), source);
        assert_eq!(of(Source::Sums), ["provider = ''", "api_key_id = 0", "status = 0"]);
        assert_eq!(of(Source::Rows), ["l.provider IS NULL", "l.api_key_id IS NULL", "l.status IS NULL"]);
        let filters = Filters { provider: Some(Some(Provider::Gemini)), status: Some(Some(200)), ..Filters::default() };
        let of = |source| conditions(&filters, &Parameters(Vec::new()), source);
        assert_eq!(of(Source::Sums), ["provider = 'gemini'", "status = 200"]);
    }
}
