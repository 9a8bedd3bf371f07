//! Cuts a long text into pieces whose tokens, taken together, are exactly the tokens of the whole text.
//!
//! o200k_base first splits a text by a regular expression and then merges bytes inside each split, never across two.
//! So a cut is exact wherever the expression always splits and does not look past the cut. Its alternatives match:
//! letters and marks, behind at most one other character and before at most one contraction (`'s`); one to three
//! digits; other characters, behind at most one space and before any `\r`, `\n`, `/`; white space. No match holds
//!
//! - something that is not white space, then white space other than `\r` and `\n`;
//! - a digit next to something that is not one;
//! - a letter, then a line end or a sign other than the apostrophe of a contraction.
//!
//! No match crosses such a place, so the text before it is split in the same way with and without the rest. The one
//! look-ahead (white space not followed by anything else) stands behind white space, and none of these places does.
//!
//! A run of [`MOST`] bytes without such a place (a single word, or only spaces) is cut anyway. The count may then be
//! off in either direction, since merging is greedy, and no bound is known; random runs were off by -1 to 2 a cut,
//! mostly by 0 or 1 too many.

/// The number of bytes of a piece after which a place to cut is looked for.
const LEAST: usize = 4 * 1024;

/// The number of bytes after which a piece ends even without such a place. The regex engine gives up (with a panic) on
/// a run of a million spaces, and merging byte pairs gets slower by the byte in longer runs.
const MOST: usize = 16 * 1024;

/// The pieces of `text`, in order.
pub(super) fn of(text: &str) -> impl Iterator<Item = &str> {
    cut(text, LEAST, MOST)
}

/// The smallest pieces of `text`, in order: cut at every safe place.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    cut(text, 1, MOST)
}

/// Pieces that end at the first safe place from `least` bytes on, or at the first character that begins at `most` bytes
/// or later.
pub(super) fn cut(text: &str, least: usize, most: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at(end(rest, least.max(1), most));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

fn end(text: &str, least: usize, most: usize) -> usize {
    let (before, after) = text.split_at(text.floor_char_boundary(least));
    let mut last = before.chars().next_back();
    for (at, next) in after.char_indices() {
        let at = before.len() + at;
        if at > 0 && (at >= most || last.is_some_and(|last| always_split(last, next))) {
            return at;
        }
        last = Some(next);
    }
    text.len()
}

/// True if the expression always splits between these two characters. Only characters whose class is certain are
/// judged.
fn always_split(last: char, next: char) -> bool {
    if last.is_whitespace() {
        return false;
    }
    if next.is_whitespace() && !matches!(next, '\r' | '\n') {
        return true;
    }
    if last.is_ascii() && next.is_ascii() && last.is_ascii_digit() != next.is_ascii_digit() {
        return true;
    }
    is_letter(last)
        && match next {
            '\r' | '\n' | '、' | '。' | '「' | '」' | '，' | '！' | '？' | '：' | '；' => true,
            '\'' => false,
            next => next.is_ascii_punctuation(),
        }
}

/// Letters beyond doubt: ASCII, kana, the common ideographs, Hangul syllables. A text in another script has spaces.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic()
        || matches!(c, '\u{3041}'..='\u{3096}' | '\u{30A1}'..='\u{30FA}' | '\u{4E00}'..='\u{9FA5}' | '\u{AC00}'..='\u{D7A3}')
}
