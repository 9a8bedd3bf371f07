//! The order of thinking among the texts and calls of a message, for which Chat Completions has no place: each entry of
//! `thinking_blocks` has an `index`, its place among the blocks, and a `content_offset`, the bytes of `content` before it.
//!
//! A run of texts is one block, since `content` joins them. The official SDKs merge the entries of streamed lists by their
//! `index`, and fail without it.

use serde_json::{Map, Value};
use tt_core::call::part::{Part, Text};

/// The place of a block of thinking in its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The number of blocks before it.
    pub(crate) index: u64,
    /// The length of the text before it, in bytes.
    pub(crate) offset: u64,
}

impl Place {
    /// Writes the place into an entry of `thinking_blocks`.
    pub(crate) fn write(self, mut entry: Value) -> Value {
        entry["index"] = self.index.into();
        entry["content_offset"] = self.offset.into();
        entry
    }

    /// Reads the place in an entry of `thinking_blocks`; `None` where it has none.
    pub(crate) fn read(entry: &Map<String, Value>) -> Option<Self> {
        let number = |name: &str| entry.get(name)?.as_u64();
        Some(Self { index: number("index")?, offset: number("content_offset")? })
    }
}

/// Counts the blocks of a message as they are written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Places {
    /// The number of the blocks so far.
    blocks: u64,
    /// The length of the texts so far, in bytes.
    text: u64,
    /// True if the last block is a text, which more text continues.
    in_text: bool,
}

impl Places {
    /// Takes note of a text of so many bytes.
    pub(crate) fn text(&mut self, bytes: usize) {
        if bytes > 0 {
            self.blocks += u64::from(!self.in_text);
            self.text += bytes as u64;
            self.in_text = true;
        }
    }

    /// Takes note of a call.
    pub(crate) fn call(&mut self) {
        self.blocks += 1;
        self.in_text = false;
    }

    /// The place of a block of thinking that is written now.
    pub(crate) fn thinking(&mut self) -> Place {
        let place = Place { index: self.blocks, offset: self.text };
        self.call();
        place
    }
}

/// Puts blocks of thinking back where they stood among the parts of a message: `said` are its texts, `calls` its calls. Blocks
/// without a place, or with one that cannot be, stand first.
pub(crate) fn restored(blocks: Vec<(Option<Place>, Part)>, said: Vec<Part>, calls: Vec<Part>) -> Vec<Part> {
    let mut parts = Vec::with_capacity(blocks.len() + said.len() + calls.len());
    let rises = blocks.windows(2).all(|pair| matches!(pair, [(a, _), (b, _)] if a < b));
    if !rises || blocks.iter().any(|(place, _)| place.is_none()) {
        parts.extend(blocks.into_iter().map(|(_, block)| block));
        parts.extend(said.into_iter().chain(calls));
        return parts;
    }
    let (mut texts, mut calls) = (Texts::of(said), calls.into_iter());
    let mut placed = 0;
    for (place, block) in blocks {
        let Some(Place { index, offset }) = place else { continue };
        let before = parts.len();
        texts.up_to(offset, &mut parts);
        placed += u64::from(parts.len() > before);
        let missing = usize::try_from(index.saturating_sub(placed)).unwrap_or(usize::MAX);
        parts.extend(calls.by_ref().take(missing));
        parts.push(block);
        placed = index.saturating_add(1);
    }
    texts.rest(&mut parts);
    parts.extend(calls);
    parts.shrink_to_fit();
    parts
}

/// The texts of a message, taken from their beginning.
struct Texts {
    parts: std::vec::IntoIter<Part>,
    /// A text of which some bytes have been taken, and their number.
    begun: Option<(Text, usize)>,
    /// The bytes taken so far, of all texts.
    taken: u64,
}

impl Texts {
    fn of(parts: Vec<Part>) -> Self {
        Self { parts: parts.into_iter(), begun: None, taken: 0 }
    }

    /// Moves the texts up to the byte `offset`, counted over all texts, to `out`. One that goes on beyond it is cut between
    /// two characters.
    fn up_to(&mut self, offset: u64, out: &mut Vec<Part>) {
        while self.taken < offset {
            let (text, from) = match self.begun.take() {
                Some(begun) => begun,
                None => match self.parts.next() {
                    Some(Part::Text(text)) => (text, 0),
                    Some(other) => {
                        out.push(other);
                        continue;
                    }
                    None => return,
                },
            };
            let wanted = usize::try_from(offset - self.taken).unwrap_or(usize::MAX);
            let to = text.text.floor_char_boundary(from.saturating_add(wanted));
            self.taken = if to >= text.text.len() { self.taken + (to - from) as u64 } else { offset };
            match text.text.get(from..to) {
                Some(piece) if to < text.text.len() => {
                    let piece = Part::text(piece);
                    out.extend((to > from).then_some(piece));
                    self.begun = Some((text, to));
                }
                _ => out.extend(remaining(text, from)),
            }
        }
    }

    /// Moves all that is left to `out`.
    fn rest(self, out: &mut Vec<Part>) {
        out.extend(self.begun.and_then(|(text, from)| remaining(text, from)));
        out.extend(self.parts);
    }
}

/// A text without its first `from` bytes. Its citations have lost their places then, and are left out; `None` if nothing is
/// left.
fn remaining(mut text: Text, from: usize) -> Option<Part> {
    if from > 0 {
        text.text.drain(..from);
        text.citations = Vec::new();
        if text.text.is_empty() && text.signature.is_none() {
            return None;
        }
    }
    Some(Part::Text(text))
}

#[cfg(test)]
mod tests {
    use tt_core::call::tool::ToolCall;

    use super::*;

    fn call(id: &str) -> Part {
        Part::ToolCall(ToolCall { id: id.into(), ..ToolCall::default() })
    }

    /// Writes `parts` as a message holds them (thinking with its places, all text, the calls), and reads them again.
    fn round_trip(parts: &[Part]) -> Vec<Part> {
        let mut places = Places::default();
        let (mut blocks, mut text, mut calls) = (Vec::new(), String::new(), Vec::new());
        for part in parts {
            match part {
                Part::Text(said) => {
                    places.text(said.text.len());
                    text.push_str(&said.text);
                }
                Part::ToolCall(_) => {
                    places.call();
                    calls.push(part.clone());
                }
                thinking => blocks.push((Some(places.thinking()), thinking.clone())),
            }
        }
        restored(blocks, vec![Part::text(text)].into_iter().filter(|part| *part != Part::text("")).collect(), calls)
    }

    #[test]
    fn thinking_stands_where_it_stood() {
        let (thought, text) = (|text: &str| Part::thinking(text), |text: &str| Part::text(text));
        for parts in [
            vec![thought("a"), text("größer"), thought("b"), call("1")],
            vec![thought("a"), call("1"), thought("b"), call("2")],
            vec![text("x"), thought("a"), call("1")],
            vec![text("x"), thought("a"), thought("b"), text("y"), call("1"), call("2"), thought("c"), text("z")],
            vec![thought("a"), text("x"), call("1"), call("2")],
            vec![thought("a")],
            vec![call("1"), thought("a"), call("2")],
            vec![text("x"), call("1")],
        ] {
            assert_eq!(round_trip(&parts), parts);
        }
    }

    #[test]
    fn thinking_without_a_place_stands_first() {
        let place = |index, offset| Some(Place { index, offset });
        let (a, b) = (Part::thinking("a"), Part::thinking("b"));
        let first = vec![a.clone(), b.clone(), Part::text("xy"), call("1")];
        for places in [[None, None], [place(0, 0), None], [place(3, 0), place(1, 0)], [place(1, 1), place(1, 1)]] {
            let blocks = places.into_iter().zip([a.clone(), b.clone()]).collect();
            assert_eq!(restored(blocks, vec![Part::text("xy")], vec![call("1")]), first, "{places:?}");
        }
    }

    #[test]
    fn a_place_beyond_the_message_or_inside_a_character_loses_nothing() {
        let a = || vec![(Some(Place { index: u64::MAX, offset: u64::MAX }), Part::thinking("a"))];
        let expected = vec![Part::text("xy"), call("1"), Part::thinking("a")];
        assert_eq!(restored(a(), vec![Part::text("xy")], vec![call("1")]), expected);
        let inside = vec![(Some(Place { index: 1, offset: 2 }), Part::thinking("a"))];
        let expected = vec![Part::text("x"), Part::thinking("a"), Part::text("ß")];
        assert_eq!(restored(inside, vec![Part::text("xß")], vec![]), expected);
        let signed = Part::Text(Text { text: "xy".into(), ..Text::default() });
        let all = vec![(Some(Place { index: 1, offset: 2 }), Part::thinking("a"))];
        assert_eq!(restored(all, vec![signed.clone()], vec![]), vec![signed, Part::thinking("a")]);
    }
}
