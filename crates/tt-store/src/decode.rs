//! Converts columns to domain types and back. A column that does not parse was not written by this program: it is an
//! error, and is never guessed at.

use tt_core::budget::{Budget, UserBudgets};
use tt_core::caller::RequestLimits;
use tt_core::plan::Route;
use tt_core::record::Outcome;
use tt_core::{AliasName, Dialect, NanoUsd, Scope, UsageSource};

use crate::error::{Result, StoreError};

/// A count as a column. It is held at the type's end, which no real count reaches.
pub(crate) fn column(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A column as a count; a negative one, which should not exist, counts as 0.
pub(crate) fn count(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}

/// Limits from their two columns.
pub(crate) fn limits(minute: i64, day: i64) -> RequestLimits {
    RequestLimits { minute: count(minute), day: count(day) }
}

/// A budget's limit in nano-dollars and its period, both NULL where there is none, and whether it is soft.
pub(crate) type BudgetColumns = (Option<i64>, Option<String>, bool);

/// A budget from its columns.
pub(crate) fn budget(columns: BudgetColumns) -> Result<Option<Budget>> {
    match columns {
        (Some(nano), Some(period), soft) => {
            let budget = Budget::new(NanoUsd(nano), parsed(&period)?).map_err(StoreError::corrupt)?;
            Ok(Some(budget.softened(soft)))
        }
        (None, None, _) => Ok(None),
        _ => Err(StoreError::corrupt("half a budget")),
    }
}

/// The budget that the user set, and the one that an administrator set for them.
pub(crate) fn budgets(own: BudgetColumns, admin: BudgetColumns) -> Result<UserBudgets> {
    Ok(UserBudgets { own: budget(own)?, admin: budget(admin)? })
}

/// A budget as its columns.
pub(crate) fn budget_columns(budget: Option<Budget>) -> (Option<i64>, Option<&'static str>, bool) {
    let soft = budget.is_some_and(|budget| budget.soft);
    (budget.map(|budget| budget.limit.0), budget.map(|budget| budget.period.as_str()), soft)
}

/// A value parsed from its text in a column.
pub(crate) fn parsed<T: std::str::FromStr<Err = tt_core::Invalid>>(text: &str) -> Result<T> {
    text.parse().map_err(StoreError::corrupt)
}

/// A name that was checked before it was stored.
pub(crate) fn name<T: TryFrom<String, Error = tt_core::Invalid>>(text: String) -> Result<T> {
    T::try_from(text).map_err(StoreError::corrupt)
}

/// A status from its column.
pub(crate) fn status(column: i64) -> Result<u16> {
    u16::try_from(column).map_err(StoreError::corrupt)
}

fn one_of<T: Copy>(all: &[T], word: fn(T) -> &'static str, text: &str) -> Result<T> {
    all.iter()
        .copied()
        .find(|value| word(*value) == text)
        .ok_or_else(|| StoreError::corrupt(format!("{text:?} is none of the known words")))
}

/// A route by its word.
pub(crate) fn route(text: &str) -> Result<Route> {
    one_of(&Route::ALL, Route::as_str, text)
}

/// An outcome by its word.
pub(crate) fn outcome(text: &str) -> Result<Outcome> {
    one_of(&Outcome::ALL, Outcome::as_str, text)
}

/// A dialect by its word.
pub(crate) fn dialect(text: &str) -> Result<Dialect> {
    one_of(&Dialect::ALL, Dialect::as_str, text)
}

/// A usage source by its word.
pub(crate) fn source(text: &str) -> Result<UsageSource> {
    use UsageSource::{Estimated, None, Partial, Provider, Unknown};
    one_of(&[None, Provider, Estimated, Partial, Unknown], UsageSource::as_str, text)
}

/// Scopes as a column: their words, separated by blanks.
pub(crate) fn scopes_column(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" ")
}

/// Scopes from their column.
pub(crate) fn scopes(column: &str) -> Result<Vec<Scope>> {
    column.split_whitespace().map(parsed).collect()
}

/// The aliases a key may name as a column: separated by blanks, which no name holds.
pub(crate) fn aliases_column(aliases: &[AliasName]) -> String {
    aliases.iter().map(AliasName::as_str).collect::<Vec<_>>().join(" ")
}

/// The aliases that a key may name. With an empty list the key may name none.
pub(crate) fn aliases(column: &str) -> Result<Vec<AliasName>> {
    column.split_whitespace().map(|text| name(text.to_owned())).collect()
}

/// Text that PostgreSQL takes: it cannot hold U+0000, and a provider may send one in its error.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The bytes that most JSON texts of the log fit in.
const USUAL_JSON: usize = 1024;

/// JSON text of a value.
pub(crate) fn json(value: &impl serde::Serialize) -> Result<String> {
    let mut text = Vec::with_capacity(USUAL_JSON);
    serde_json::to_writer(&mut text, value).map_err(StoreError::corrupt)?;
    String::from_utf8(text).map_err(StoreError::corrupt)
}

/// A value from JSON text.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(StoreError::corrupt)
}
