//! The metrics as a scraper reads them, after settlements of every kind.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod operators_files;
#[cfg(test)]
mod readings;
#[cfg(test)]
mod settlements;
