//! Many rows on their way into one table, by column: what PostgreSQL's `unnest` takes as arrays and SQLite as a
//! multi-row insert.

use diesel::QueryableByName;
use diesel::sql_types::Text;

/// One column's values, one a row.
pub(crate) enum Column {
    /// BIGINT NOT NULL.
    Big(Vec<i64>),
    /// BIGINT.
    MaybeBig(Vec<Option<i64>>),
    /// BOOLEAN NOT NULL.
    Bool(Vec<bool>),
    /// TEXT NOT NULL.
    Text(Vec<String>),
    /// TEXT.
    MaybeText(Vec<Option<String>>),
}

/// The key of a row that was inserted.
#[derive(QueryableByName)]
pub(crate) struct Key {
    /// The request.
    #[diesel(sql_type = Text)]
    pub(crate) request_id: String,
}

/// Rows of one table. Table and column names are constants of this crate, so the SQL made of them is safe.
pub(crate) struct Batch {
    table: &'static str,
    rows: usize,
    names: Vec<&'static str>,
    columns: Vec<Column>,
}

impl Batch {
    /// No columns yet.
    pub(crate) fn new(table: &'static str) -> Self {
        Self { table, rows: 0, names: Vec::new(), columns: Vec::new() }
    }

    /// Adds BIGINT NOT NULL columns' worth of `rows`.
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

    fn with(mut self, name: &'static str, rows: usize, column: Column) -> Self {
        self.rows = rows;
        self.names.push(name);
        self.columns.push(column);
        self
    }

    /// The table.
    pub(crate) const fn table(&self) -> &'static str {
        self.table
    }

    /// The columns' names, separated by commas.
    pub(crate) fn names(&self) -> String {
        self.names.join(", ")
    }

    /// For an update from rows called `new`: what the columns after the first `keys` are set to, and that those are
    /// the same.
    pub(crate) fn assignments(&self, keys: usize) -> (String, String) {
        let set = self.names.iter().skip(keys).map(|name| format!("{name} = new.{name}"));
        let same = self.names.iter().take(keys).map(|name| format!("{}.{name} = new.{name}", self.table));
        (set.collect::<Vec<_>>().join(", "), same.collect::<Vec<_>>().join(" AND "))
    }

    /// The columns' values.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many columns.
    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// No rows?
    pub(crate) const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows in ranges of at most `binds` values.
    pub(crate) fn chunks(&self, binds: usize) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let rows = self.rows;
        let step = (binds / self.width().max(1)).max(1);
        (0..rows).step_by(step).map(move |start| start..(start + step).min(rows))
    }
}
