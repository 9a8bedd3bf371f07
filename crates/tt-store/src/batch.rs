//! A batch of rows that one statement writes to one table. It is held by column: PostgreSQL takes the columns as arrays
//! for `unnest`, SQLite as an insert of many rows.

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

/// Rows of one table. Names of tables and columns are constants of this crate, so building SQL from them is safe.
pub(crate) struct Batch {
    table: &'static str,
    rows: usize,
    names: Vec<&'static str>,
    columns: Vec<Column>,
}

impl Batch {
    /// A batch without columns. Its rows come with the first column.
    pub(crate) fn new(table: &'static str) -> Self {
        Self { table, rows: 0, names: Vec::new(), columns: Vec::new() }
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
pub(crate) fn head<DB: diesel::backend::Backend>(batch: &Batch, out: &mut diesel::query_builder::AstPass<'_, '_, DB>) {
    out.push_sql("INSERT INTO ");
    out.push_sql(batch.table());
    for (n, name) in batch.names().iter().enumerate() {
        out.push_sql(if n == 0 { " (" } else { ", " });
        out.push_sql(name);
    }
    out.push_sql(") ");
}
