//! Prices: a dated table of list prices that is shipped in the binary, the prices an administrator sets over it, and
//! the
//! exact cost of an answer by both.
//!
//! Prices are whole pico-US-dollars per token; an attempt's cost is summed exactly and rounded once, half to even, to
//! nano-dollars. **Invariant:** an answer without a known price costs `None`, never 0; a listed 0 is a price.
//!
//! A model is looked up by its exact name, then by its provider's dated-name rule ([`canonical`] and `price/dated.rs`).
//! The prices of a request are those of the service tier its *answer* names, at its date and its total input (see
//! `price/sheet.rs` for what stands in for a price that is not listed).
//!
//! Some classes of tokens have no price here and are priced as the class they are a part of: cached audio, and pictures
//! and films in the input. Cache writes kept thirty minutes cost as those kept five, writes kept twelve hours as those
//! kept one. The output of models that also write pictures or films at another price has no known cost. The table's
//! `multipliers_milli` apply by [`crate::usage::Reported::modifiers`]: Anthropic's fast mode and inference in the US,
//! OpenAI's regions. Of the fees beside tokens ([`crate::usage::Reported::fees`]) the table lists web searches by the
//! query; an answer that was billed another fee has no known cost. Storage of explicit caches is not covered.

mod bound;
mod dated;
mod entry;
mod exact_line;
mod lines;
mod read;
mod reprice;
mod sheet;
mod table;
mod unit;

pub use bound::CostBound;
pub use entry::{Listed, ModelEntry, Override};
pub use lines::CostLine;
pub use read::BadTable;
pub use table::{PriceTable, bare, canonical};
pub use unit::PicoPerToken;

#[cfg(test)]
mod tests;
