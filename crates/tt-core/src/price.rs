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
//! A class of tokens that has no price of its own is priced as the class it is a part of. Cache writes kept thirty minutes
//! cost as those kept five. The output of models that also write films at another price has no known cost. The table's
//! `multipliers_milli` apply by [`crate::usage::Reported::modifiers`]: Anthropic's fast mode and inference in the US,
//! OpenAI's regions; fast mode without a listed multiple has no known cost. Fees beside tokens
//! ([`crate::usage::Reported::fees`]) have the prices of `price/fees.rs`; an answer that was billed a fee without a price
//! has no known cost. Storage of explicit caches is not covered.

mod bound;
mod by_class;
mod dated;
mod difference;
mod entry;
mod exact_line;
mod fees;
mod lines;
mod read;
mod reprice;
mod sheet;
mod table;
mod unit;

pub use bound::CostBound;
pub use by_class::Priced;
pub use difference::ModelChange;
pub use entry::{Listed, ModelEntry, Override};
pub use lines::CostLine;
pub use read::BadTable;
pub use table::{PriceTable, bare, canonical};
pub use unit::PicoPerToken;

#[cfg(test)]
mod tests;
