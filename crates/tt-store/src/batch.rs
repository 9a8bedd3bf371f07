//! A batch of rows that one statement writes to one table. It is held by column: PostgreSQL takes the columns as arrays
//! for `unnest`, SQLite as an insert of many rows.

use std::ops::Range;

use crate::error::Result;

/// The values of one column, one for each row.
pub(crate) enum Column {
    /// A column of type BIGINT NOT NULL.
    Big(Vec<i64>),
    /// A column of type BIGINT.
    MaybeBig(Vec<Option<i64>>),
    /// A column of type BOOLEAN NOT NULL.
    Bool(Vec<bool>),
    /// A column of type TEXT NOT NULL.
    Text(Vec<String>),
    /// A column of type TEXT.
    MaybeText(Vec<Option<String>>),
    /// A column of type TEXT whose values are words of this program.
    Word(Vec<Option<&'static str>>),
}

impl Column {
    /// True if each of `rows` holds 0, false, no text or NULL here.
    fn is_empty(&self, rows: &Range<usize>) -> bool {
        fn all<T>(values: &[T], rows: &Range<usize>, is_empty: impl Fn(&T) -> bool) -> bool {
            values.get(rows.clone()).is_some_and(|values| values.iter().all(is_empty))
        }
        match self {
            Self::Big(values) => all(values, rows, |value| *value == 0),
            Self::MaybeBig(values) => all(values, rows, Option::is_none),
            Self::Bool(values) => all(values, rows, |value| !value),
            Self::Text(values) => all(values, rows, String::is_empty),
            Self::MaybeText(values) => all(values, rows, Option::is_none),
            Self::Word(values) => all(values, rows, Option::is_none),
        }
    }

    /// The value that [`Column::is_empty`] tells of, as SQL.
    pub(crate) const fn empty(&self) -> &'static str {
        match self {
            Self::Big(_) => "0",
            Self::Bool(_) => "FALSE",
            Self::Text(_) => "''",
            Self::MaybeBig(_) | Self::MaybeText(_) | Self::Word(_) => "NULL",
        }
    }
}

/// The part of an insert that follows the values.
pub(crate) struct Ending {
    pub(crate) all: String,
    /// The same for rows that are plain ([`Batch::is_plain`]), where it may leave out the rare columns.
    pub(crate) plain: String,
}

/// Nothing follows the values.
pub(crate) static NO_ENDING: Ending = Ending { all: String::new(), plain: String::new() };

impl Ending {
    /// An ending that is the same for all rows.
    pub(crate) fn same(text: String) -> Self {
        Self { plain: text.clone(), all: text }
    }
}

/// Rows of one table. Names of tables and columns are constants of this crate, so building SQL from them is safe.
pub(crate) struct Batch {
    table: &'static str,
    rows: usize,
    names: Vec<&'static str>,
    columns: Vec<Column>,
    /// For each column: true if most rows hold nothing there.
    rare: Vec<bool>,
}

impl Batch {
    /// A batch without columns. Its rows come with the first column.
    pub(crate) fn new(table: &'static str) -> Self {
        Self { table, rows: 0, names: Vec::new(), columns: Vec::new(), rare: Vec::new() }
    }

    /// Adds a BIGINT NOT NULL column: the value of each row.
    pub(crate) fn big<R>(self, name: &'static str, rows: &[R], of: impl Fn(&R) -> i64) -> Self {
        self.with(name, rows.len(), Column::Big(rows.iter().map(of).collect()))
    }

    /// Adds a BIGINT column.
    pub(crate) fn maybe_big<R>(self, name: &'static str, rows: &[R], of: impl Fn(&R) -> Option<i64>) -> Self {
        self.with(name, rows.len(), Column::MaybeBig(rows.iter().map(of).collect()))
    }

    /// Adds a BOOLEAN NOT NULL column.
    pub(crate) fn bool<R>(self, name: &'static str, rows: &[R], of: impl Fn(&R) -> bool) -> Self {
        self.with(name, rows.len(), Column::Bool(rows.iter().map(of).collect()))
    }

    /// Adds a TEXT NOT NULL column.
    pub(crate) fn text<R>(self, name: &'static str, rows: &[R], of: impl Fn(&R) -> String) -> Self {
        self.with(name, rows.len(), Column::Text(rows.iter().map(of).collect()))
    }

    /// Adds a TEXT column.
    pub(crate) fn maybe_text<R>(self, name: &'static str, rows: &[R], of: impl Fn(&R) -> Option<String>) -> Self {
        self.with(name, rows.len(), Column::MaybeText(rows.iter().map(of).collect()))
    }

    /// Adds a TEXT NOT NULL column whose values are made with the column, and may fail.
    pub(crate) fn try_text<R>(self, name: &'static str, rows: &[R], of: impl Fn(&R) -> Result<String>) -> Result<Self> {
        let values = rows.iter().map(of).collect::<Result<_>>()?;
        Ok(self.with(name, rows.len(), Column::Text(values)))
    }

    /// As [`Batch::try_text`], for a TEXT column.
    pub(crate) fn try_maybe_text<R>(
        self,
        name: &'static str,
        rows: &[R],
        of: impl Fn(&R) -> Result<Option<String>>,
    ) -> Result<Self> {
        let values = rows.iter().map(of).collect::<Result<_>>()?;
        Ok(self.with(name, rows.len(), Column::MaybeText(values)))
    }

    /// Adds a TEXT column of words that this program knows.
    pub(crate) fn word<R>(self, name: &'static str, rows: &[R], of: impl Fn(&R) -> Option<&'static str>) -> Self {
        self.with(name, rows.len(), Column::Word(rows.iter().map(of).collect()))
    }

    fn with(mut self, name: &'static str, rows: usize, column: Column) -> Self {
        self.rows = rows;
        self.names.push(name);
        self.columns.push(column);
        self.rare.push(false);
        self
    }

    /// The name of the table.
    pub(crate) const fn table(&self) -> &'static str {
        self.table
    }

    /// The names of the columns.
    pub(crate) fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// Marks the last column as one in which most rows hold 0, false or NULL. SQLite takes less time for rows of which that
    /// holds in every such column.
    pub(crate) fn rare(self) -> Self {
        self.rare_if(true)
    }

    /// As [`Batch::rare`], if `is_rare`.
    pub(crate) fn rare_if(mut self, is_rare: bool) -> Self {
        if let Some(last) = self.rare.last_mut() {
            *last = is_rare;
        }
        self
    }

    /// True if `rows` hold nothing in any of the rare columns.
    pub(crate) fn is_plain(&self, rows: &Range<usize>) -> bool {
        self.columns.iter().zip(&self.rare).all(|(column, is_rare)| !is_rare || column.is_empty(rows))
    }

    /// The columns, each with whether it is rare.
    pub(crate) fn marked(&self) -> impl Iterator<Item = (&Column, bool)> {
        self.columns.iter().zip(self.rare.iter().copied())
    }

    /// The two halves of an update from rows called `new`: the assignments of the columns after the first `keys`, and
    /// the condition that the first `keys` columns are equal.
    pub(crate) fn assignments(&self, keys: usize) -> (String, String) {
        let set = self.names.iter().skip(keys).map(|name| format!("{name} = new.{name}"));
        let same = self.names.iter().take(keys).map(|name| format!("{}.{name} = new.{name}", self.table));
        (set.collect::<Vec<_>>().join(", "), same.collect::<Vec<_>>().join(" AND "))
    }

    /// The values of the columns.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The number of rows.
    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }
}

/// The beginning of the statement that inserts `batch`.
pub(crate) fn head<DB: diesel::backend::Backend>(
    insert: &'static str,
    batch: &Batch,
    out: &mut diesel::query_builder::AstPass<'_, '_, DB>,
) {
    out.push_sql(insert);
    out.push_sql(" INTO ");
    out.push_sql(batch.table());
    for (n, name) in batch.names().iter().enumerate() {
        out.push_sql(if n == 0 { " (" } else { ", " });
        out.push_sql(name);
    }
    out.push_sql(") ");
}
