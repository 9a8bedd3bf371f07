//! Counts tokens with o200k_base, for every provider: the length of a prompt before it is sent, and the length of an
//! answer whose stream ended without a usage object.
//!
//! A number that the provider states is never counted here. Text is counted as text: `<|endoftext|>` in a
//! prompt is seven ordinary tokens.
//!
//! The vocabulary takes about 100 ms and 60 MB to load, so it is loaded on first need (or by [`warm_up`]), and most
//! questions are settled without it: a text of B bytes has at most B tokens, and at least B / [`LONGEST_TOKEN`].
//! Counting 100 KB takes about 10 ms: long texts must not be counted on a worker thread.

use std::ops::RangeInclusive;

use crate::plan::InputTokens;

mod bound;
mod count;
mod media;
mod media_bound;
mod picture;
mod pieces;

pub use bound::most_of_text;
pub use count::count;
use count::count_piece;
pub use media::media_tokens;
pub use media_bound::most_of_media;

/// Bytes of the longest token of o200k_base (128 spaces).
pub const LONGEST_TOKEN: u64 = 128;

/// The number of bytes of an answer that are kept and counted; each four bytes beyond them count as a token.
pub const OUTPUT_KEPT_BYTES: usize = 256 * 1024;

/// Loads the tokenizer, so that the first count does not have to.
pub fn warm_up() {
    count("warm");
}

/// Counts `texts` and adds `media` tokens, up to `bound`: `Exact` below it, `AtLeast(bound)` as soon as it is reached.
/// With `u64::MAX` everything is counted. Loads the tokenizer unless the length alone says that the bound is reached.
pub fn count_up_to<T: AsRef<str>>(texts: impl IntoIterator<Item = T>, media: u64, bound: u64) -> InputTokens {
    let mut kept = Vec::new();
    let mut least = media;
    let mut texts = texts.into_iter();
    while least < bound
        && let Some(text) = texts.next()
    {
        least = least.saturating_add(shortest(text.as_ref()));
        kept.push(text);
    }
    if least >= bound {
        return InputTokens::AtLeast(bound);
    }
    let mut counted = media;
    for piece in kept.iter().flat_map(|text| pieces::of(text.as_ref())) {
        counted = counted.saturating_add(count_piece(piece));
        if counted >= bound {
            return InputTokens::AtLeast(bound);
        }
    }
    InputTokens::Exact(counted)
}

/// The count as far as the length of `texts` decides it for every one of `thresholds` (from the smallest to the
/// largest): `AtMost` under all of them, or `AtLeast` the largest. `None`: the texts must be counted. Never loads the
/// tokenizer.
pub fn by_length<T: AsRef<str>>(
    texts: impl IntoIterator<Item = T>,
    media: u64,
    thresholds: RangeInclusive<u64>,
) -> Option<InputTokens> {
    let (smallest, largest) = thresholds.into_inner();
    let (mut least, mut most) = (media, media);
    let mut texts = texts.into_iter();
    while least < largest
        && let Some(text) = texts.next()
    {
        least = least.saturating_add(shortest(text.as_ref()));
        most = most.saturating_add(bytes(text.as_ref()));
    }
    if least >= largest {
        return Some(InputTokens::AtLeast(largest));
    }
    (most < smallest).then_some(InputTokens::AtMost(most))
}

/// The estimated tokens of an answer whose provider did not state them: those of the text up to [`OUTPUT_KEPT_BYTES`],
/// and one for every four bytes beyond.
pub fn estimate_output(text: &str) -> u64 {
    let (kept, beyond) = text.split_at(text.floor_char_boundary(OUTPUT_KEPT_BYTES));
    estimate_kept_output(kept, bytes(beyond))
}

/// As [`estimate_output`], for an answer of which only the beginning, `kept`, was kept and `beyond_bytes` followed it.
pub fn estimate_kept_output(kept: &str, beyond_bytes: u64) -> u64 {
    count(kept).saturating_add(beyond_bytes.div_ceil(4))
}

/// The smallest number of tokens that a text of this length can have.
fn shortest(text: &str) -> u64 {
    bytes(text).div_ceil(LONGEST_TOKEN)
}

fn bytes(text: &str) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

/// Standard base64 with padding, for made headers.
#[cfg(test)]
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let groups = bytes.chunks(3).map(|group| {
        let bits = (0..3).fold(0_usize, |bits, i| bits << 8 | usize::from(group.get(i).copied().unwrap_or(0)));
        let digits = (0..4).map(move |i| char::from(DIGITS[bits >> (18 - 6 * i) & 63]));
        digits.take(group.len() + 1).chain(std::iter::repeat_n('=', 3 - group.len())).collect::<String>()
    });
    groups.collect()
}

/// The header of a picture of this size in pixels, as a part of a request.
#[cfg(test)]
fn png(width: u32, height: u32, detail: Option<&str>) -> crate::call::part::Part {
    use crate::call::media::Media;
    use crate::call::part::{Image, Part};

    let header = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &width.to_be_bytes(), &height.to_be_bytes()];
    let media = Media::Inline { mime: "image/png".into(), data: base64(&header.concat()) };
    Part::Image(Image { detail: detail.map(Into::into), ..Image::new(media) })
}
