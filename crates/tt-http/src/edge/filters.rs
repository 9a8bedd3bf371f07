//! The filters of the calls about recorded requests, as a query names them.

use tt_core::filters::{Filters, TagFilter};
use tt_core::plan::Route;
use tt_core::record::Outcome;
use tt_core::{ApiKeyId, Dialect};

use crate::edge::context::Context;
use crate::edge::error::ApiError;

/// The parameters that are filters.
pub(crate) const FILTERS: [&str; 11] =
    ["alias", "provider", "model", "api_key", "client", "session", "tag", "status", "route", "dialect", "outcome"];

/// The value under which the sums have all values of a tag beyond those that are summed by themselves.
const OTHER: &str = "(other)";

/// The longest name and value of a tag, in characters.
const LONGEST_TAG: usize = 64;

impl Context {
    /// As [`Context::query`], with the filters, which may stand in the query too.
    ///
    /// # Errors
    /// As [`Context::query`], and when a filter has a value that it cannot have.
    pub(crate) fn query_and_filters<const N: usize>(
        &self,
        known: [&'static str; N],
    ) -> Result<([Option<String>; N], Filters), ApiError> {
        self.query_and_filters_as(known, FILTERS)
    }

    /// As [`Context::query_and_filters`], for a call whose filters have other names, in the order of [`FILTERS`].
    pub(crate) fn query_and_filters_as<const N: usize>(
        &self,
        known: [&'static str; N],
        names: [&'static str; FILTERS.len()],
    ) -> Result<([Option<String>; N], Filters), ApiError> {
        let names: Vec<&'static str> = known.into_iter().chain(names).collect();
        let mut values = vec![None; names.len()];
        self.query_into(&names, &mut values)?;
        let mut values = values.into_iter();
        let own = std::array::from_fn(|_| values.next().flatten());
        Ok((own, filters(std::array::from_fn(|_| values.next().flatten()))?))
    }
}

/// The filters of these values, which stand in the order of [`FILTERS`].
pub(crate) fn filters(values: [Option<String>; FILTERS.len()]) -> Result<Filters, ApiError> {
    let [alias, provider, model, api_key, client, session, tag, status, route, dialect, outcome] = values;
    Ok(Filters {
        alias: alias.map(|text| plain("alias", text)).transpose()?,
        provider: or_none(provider, |text| Ok(text.parse()?))?,
        model: or_none(model, |text| plain("model", text))?,
        api_key: or_none(api_key, |text| {
            text.parse().map(ApiKeyId).map_err(|_| ApiError::invalid_field("api_key", "must be the id of an API key"))
        })?,
        client: or_none(client, |text| plain("client", text))?,
        session: or_none(session, |text| plain("session", text))?,
        tag: tag.map(tag_filter).transpose()?,
        status: or_none(status, |text| {
            text.parse().map_err(|_| ApiError::invalid_field("status", "must be an HTTP status"))
        })?,
        route: or_none(route, |text| one_of("route", &Route::ALL, Route::as_str, &text))?,
        dialect: dialect.map(|text| one_of("dialect", &Dialect::ALL, Dialect::as_str, &text)).transpose()?,
        outcome: outcome.map(|text| one_of("outcome", &Outcome::ALL, Outcome::as_str, &text)).transpose()?,
    })
}

/// A filter that is empty keeps to the requests that have no value.
fn or_none<T>(
    filter: Option<String>,
    read: impl FnOnce(String) -> Result<T, ApiError>,
) -> Result<Option<Option<T>>, ApiError> {
    match filter {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(Some(None)),
        Some(text) => Ok(Some(Some(read(text)?))),
    }
}

/// A text to filter by. Control characters are refused: nothing that is stored has them, and PostgreSQL takes no NUL.
fn plain(field: &'static str, text: String) -> Result<String, ApiError> {
    if text.chars().any(char::is_control) {
        return Err(ApiError::invalid_field(field, "must not hold control characters"));
    }
    Ok(text)
}

/// A word among those that there are.
fn one_of<T: Copy>(field: &'static str, all: &[T], word: fn(T) -> &'static str, text: &str) -> Result<T, ApiError> {
    all.iter().copied().find(|value| word(*value) == text).ok_or_else(|| {
        let words = all.iter().map(|value| word(*value)).collect::<Vec<_>>().join(", ");
        ApiError::invalid_field(field, format!("must be one of {words}"))
    })
}

/// `NAME=VALUE`; `NAME=` keeps to the requests without the tag.
fn tag_filter(text: String) -> Result<TagFilter, ApiError> {
    let text = plain("tag", text)?;
    let wrong =
        || ApiError::invalid_field("tag", "must be NAME=VALUE, each of at most 64 characters; NAME= means none");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    if name.is_empty() || [name, value].iter().any(|part| part.chars().count() > LONGEST_TAG) {
        return Err(wrong());
    }
    if value == OTHER {
        return Err(ApiError::invalid_field(
            "tag",
            "cannot keep to `(other)`, which stands for all values that are not summed by themselves",
        ));
    }
    Ok(TagFilter { name: name.to_owned(), value: (!value.is_empty()).then(|| value.to_owned()) })
}

#[cfg(test)]
mod tests {
    use tt_core::Provider;

    use super::*;

    /// The filters of a query of one.
    fn one(name: &str, value: &str) -> Result<Filters, ApiError> {
        filters(FILTERS.map(|known| (known == name).then(|| value.to_owned())))
    }

    #[test]
    fn each_filter_has_its_own_form() {
        assert_eq!(one("", "").unwrap(), Filters::default());
        assert_eq!(one("provider", "gemini").unwrap().provider, Some(Some(Provider::Gemini)));
        assert_eq!(one("api_key", "7").unwrap(), Filters::of_key(ApiKeyId(7)));
        assert_eq!(one("status", "502").unwrap().status, Some(Some(502)));
        assert_eq!(one("dialect", "openai_chat").unwrap().dialect, Some(Dialect::OpenAiChat));
        assert_eq!(one("outcome", "cancelled").unwrap().outcome, Some(Outcome::Cancelled));
        let tag = |text| one("tag", text).unwrap().tag.unwrap();
        assert_eq!(tag("team=a=b"), TagFilter { name: "team".into(), value: Some("a=b".into()) });
        assert_eq!(tag("team="), TagFilter { name: "team".into(), value: None });
    }

    #[test]
    fn an_empty_filter_means_none() {
        for name in ["provider", "model", "api_key", "client", "session", "status", "route"] {
            assert_ne!(one(name, "").unwrap(), Filters::default(), "{name}");
        }
        assert_eq!(one("session", "").unwrap().session, Some(None));
    }

    #[test]
    fn what_no_request_can_have_is_refused() {
        for (name, value) in [
            ("alias", "a\0"),
            ("provider", "nobody"),
            ("api_key", "x"),
            ("status", "-1"),
            ("route", "scenic"),
            ("dialect", "latin"),
            ("outcome", "fine"),
            ("dialect", ""),
            ("tag", "team"),
            ("tag", "=a"),
            ("tag", "team=(other)"),
        ] {
            assert!(one(name, value).is_err(), "{name}={value}");
        }
    }
}
