//! The metrics as a scraper reads them, after settlements of every kind.

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
