//! The number of tokens of a text, by o200k_base.

use super::pieces;

/// The number of tokens of `text`.
///
/// The text is counted in pieces: exactly, unless it has a run of more than 16 KiB without a place to cut (see
/// `pieces.rs`).
/// The time grows with the length alone, whatever the text.
pub fn count(text: &str) -> u64 {
    pieces::of(text).map(count_piece).sum()
}

/// `piece` is one of [`pieces::of`]: short enough for the regex engine, which would panic on a run of a million spaces.
pub(super) fn count_piece(piece: &str) -> u64 {
    u64::try_from(tiktoken_rs::o200k_base_singleton().count_ordinary(piece)).unwrap_or(u64::MAX)
}
