//! Fields that several calls take.

use tt_core::budget::{Budget, Period};
use tt_core::{Label, NanoUsd, Timestamp};

use crate::edge::error::ApiError;

/// The fields of a user's or an API key's budget.
pub(crate) const BUDGET_FIELDS: [&str; 2] = ["budget_usd", "budget_period"];

/// The largest limit of requests: the largest that the store can hold.
const LARGEST_LIMIT: u64 = i64::MAX.unsigned_abs();

/// The number of rows of a page when the caller does not say, and the most that a caller may ask for.
const PAGE: u32 = 50;
const LARGEST_PAGE: u32 = 500;

/// A name that a caller gives to a key.
pub(crate) fn label(field: &'static str, text: String) -> Result<Label, ApiError> {
    Label::try_from(text).map_err(|invalid| ApiError::invalid_field(field, invalid.reason))
}

/// A limit of requests; 0 when the caller gives none.
pub(crate) fn limit(field: &'static str, wish: Option<u64>) -> Result<u64, ApiError> {
    match wish.unwrap_or(0) {
        limit if limit <= LARGEST_LIMIT => Ok(limit),
        _ => Err(ApiError::invalid_field(field, "is out of range")),
    }
}

/// A time in a query. Its offset may have a blank where the client meant `+`: that is what an unescaped `+` means in a query.
pub(crate) fn moment(field: &'static str, text: &str) -> Result<Timestamp, ApiError> {
    Ok(Timestamp::parse(field, &text.replace(' ', "+"))?)
}

/// The number of rows that a page is to have.
pub(crate) fn page_size(limit: Option<String>) -> Result<u32, ApiError> {
    let Some(text) = limit else { return Ok(PAGE) };
    let size = text.parse().ok().filter(|size| (1..=LARGEST_PAGE).contains(size));
    size.ok_or_else(|| ApiError::invalid_field("limit", "must be 1 to 500"))
}

/// A budget that a body gives in two fields, a limit and its period, and a third that makes it soft: `None` when it gives
/// none of them, `Some(None)` when the limit is `null`, which takes the budget away.
pub(crate) fn budget(
    [limit_field, period_field]: [&'static str; 2],
    limit: Option<Option<NanoUsd>>,
    period: Option<Option<String>>,
    soft: Option<bool>,
) -> Result<Option<Option<Budget>>, ApiError> {
    let named = period.is_some();
    let period = match period.flatten() {
        None => None,
        Some(word) => {
            let parsed: Result<Period, _> = word.parse();
            Some(parsed.map_err(|invalid| ApiError::invalid_field(period_field, invalid.reason))?)
        }
    };
    match (limit, period) {
        (None, None) if !named && soft.is_none() => Ok(None),
        (None, _) => Err(ApiError::missing_field(limit_field)),
        (Some(None), _) => Ok(Some(None)),
        (Some(Some(_)), None) => Err(ApiError::missing_field(period_field)),
        (Some(Some(limit)), Some(period)) => match Budget::new(limit, period) {
            Ok(budget) => Ok(Some(Some(budget.softened(soft.unwrap_or(false))))),
            Err(invalid) => Err(ApiError::invalid_field(limit_field, invalid.reason)),
        },
    }
}
