//! Recognises an event that is an earlier one with other values in it, which is most of a stream, without parsing it.
//!
//! An event's bytes are cut at the values that change from one event to the next: its text, its number, its counts of
//! tokens, and padding. A later event of which all other bytes are the same, and which has values of the same kinds in these
//! places, is the same document but for these values, so it has the meaning of the first one.
//!
//! **Invariant:** the template is the event that was parsed last, or none. Observers forget it before they parse, so that an
//! event is never compared with one from before another model, another block or the end of a candidate.

use std::borrow::Cow;

use super::text::{Loose, Text};

/// The longest event that is kept, in bytes: comparing a longer one is not worth its cost.
const LONGEST: usize = 4096;

/// The most values of an event that are told apart.
const MOST_VALUES: usize = 32;

/// The most digits of a number: any such number is a `u64`.
const MOST_DIGITS: usize = 19;

/// The event that later events are compared with. At first there is none.
#[derive(Debug, Default)]
pub(super) struct Template {
    /// The event as it came, without its last brace and the spaces around that.
    event: Vec<u8>,
    /// The values that may change, in their order; empty if there is no event.
    values: Vec<Place>,
}

/// A value of an event that may be another one in later events. It is borrowed from the event.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    /// A string that means nothing, without its quotes.
    Padding(&'a str),
    /// The number of the event.
    Number(&'a str),
    /// A JSON value in which each whole number may change.
    Counts(&'a str),
}

/// The values of an event that was recognised.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Recognised<'a> {
    /// The text, which is never empty.
    pub(super) text: Cow<'a, str>,
    /// The number of the event, if it has one.
    pub(super) number: Option<u64>,
    /// The JSON value with the counts, if there is one.
    pub(super) counts: Option<&'a [u8]>,
}

/// The place of a value in the event.
#[derive(Debug, Clone, Copy)]
struct Place {
    kind: Kind,
    start: usize,
    end: usize,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Padding,
    Number,
    /// One of the counts.
    Count,
    /// Nothing: here the value with the counts begins.
    CountsBegin,
    /// Nothing: here it ends.
    CountsEnd,
}

impl Template {
    /// Gives up the event that was kept.
    pub(super) fn forget(&mut self) {
        self.event.clear();
        self.values.clear();
    }

    /// The memory that is kept, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.event.len() + self.values.len() * size_of::<Place>()
    }

    /// Keeps `data`, an event that was parsed. `text` is the one text that it brings, borrowed from `data` unless it is
    /// escaped there; `None`: it has another meaning too, and is not kept. `others` are the values that change beside the
    /// text.
    pub(super) fn learn<'a>(
        &mut self,
        data: &[u8],
        text: Option<&Cow<'_, str>>,
        others: impl IntoIterator<Item = Value<'a>>,
    ) {
        self.forget();
        let text = text.filter(|text| !text.is_empty() && data.len() <= LONGEST);
        let text = text.and_then(|text| match text {
            Cow::Borrowed(text) => place(data, text),
            Cow::Owned(text) => place_of_escaped(data, text),
        });
        if text.and_then(|text| self.keep(data, text, others)).is_none() {
            self.forget();
        }
    }

    /// Keeps `data`, whose text has the place `text`. It is `None` if `data` cannot be kept.
    fn keep<'a>(
        &mut self,
        data: &[u8],
        (start, end): (usize, usize),
        others: impl IntoIterator<Item = Value<'a>>,
    ) -> Option<()> {
        let event = without_brace(data)?;
        self.values.push(Place { kind: Kind::Text, start, end });
        for other in others {
            match other {
                Value::Padding(padding) => self.place(Kind::Padding, data, padding)?,
                Value::Number(number) if is_whole(number.as_bytes()) => self.place(Kind::Number, data, number)?,
                Value::Number(_) => return None,
                Value::Counts(counts) => self.place_counts(data, counts)?,
            }
        }
        self.values.sort_by_key(|value| value.start);
        let in_order = self.values.is_sorted_by(|before, next| before.end <= next.start);
        let inside = self.values.last()?.end <= event.len();
        (in_order && inside && self.values.len() <= MOST_VALUES).then(|| self.event.extend_from_slice(event))
    }

    fn place(&mut self, kind: Kind, data: &[u8], value: &str) -> Option<()> {
        let (start, end) = place(data, value)?;
        self.values.push(Place { kind, start, end });
        Some(())
    }

    fn place_counts(&mut self, data: &[u8], counts: &str) -> Option<()> {
        let (start, end) = place(data, counts)?;
        self.values.push(Place { kind: Kind::CountsBegin, start, end: start });
        let mut at = start;
        while self.values.len() <= MOST_VALUES
            && let Some((from, to)) = whole_number(data, at, end)
        {
            self.values.push(Place { kind: Kind::Count, start: from, end: to });
            at = to;
        }
        self.values.push(Place { kind: Kind::CountsEnd, start: end, end });
        Some(())
    }

    /// The values of `data`, if it differs from the kept event in nothing else.
    pub(super) fn read<'a>(&self, data: &'a [u8]) -> Option<Recognised<'a>> {
        let mut found = Recognised::default();
        let mut reader = Reader { data, at: 0 };
        let (mut same, mut counts) = (0, 0);
        for value in &self.values {
            reader.skip(self.event.get(same..value.start)?)?;
            same = value.end;
            match value.kind {
                Kind::Text => found.text = reader.string()?,
                Kind::Padding => drop(reader.string()?),
                Kind::Number => found.number = Some(reader.number()?),
                Kind::Count => drop(reader.number()?),
                Kind::CountsBegin => counts = reader.at,
                Kind::CountsEnd => found.counts = Some(data.get(counts..reader.at)?),
            }
        }
        let rest = without_brace(data.get(reader.at..)?)?;
        (rest == self.event.get(same..)? && !found.text.is_empty()).then_some(found)
    }
}

/// The one text among `texts` that is not empty; `None` if there are more.
pub(super) fn only_text<'a: 'l, 'l>(texts: impl IntoIterator<Item = &'l Loose<'a>>) -> Option<&'l Cow<'a, str>> {
    let mut filled = texts.into_iter().filter(|text| text.is_filled());
    match (filled.next(), filled.next()) {
        (Some(text), None) => text.text(),
        _ => None,
    }
}

/// A reader of an event that has the values of the kept one in its places.
struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads `same`, which must come next.
    fn skip(&mut self, same: &[u8]) -> Option<()> {
        let end = self.at.checked_add(same.len())?;
        (self.data.get(self.at..end)? == same).then(|| self.at = end)
    }

    /// Reads a string from behind its opening quote to before its closing one.
    fn string(&mut self) -> Option<Cow<'a, str>> {
        let start = self.at;
        let (end, escaped) = end_of_string(self.data, start)?;
        self.at = end;
        if escaped {
            return decoded(self.data, start, end);
        }
        let inside = self.data.get(start..end)?;
        if inside.iter().any(|byte| *byte < 0x20) {
            return None;
        }
        std::str::from_utf8(inside).ok().map(Cow::Borrowed)
    }

    /// Reads a whole number. Behind it stands what ended the kept one's digits, which is no part of a number.
    fn number(&mut self) -> Option<u64> {
        let (start, mut number) = (self.at, 0_u64);
        while let Some(byte @ b'0'..=b'9') = self.data.get(self.at) {
            number = number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            self.at += 1;
        }
        let digits = self.at - start;
        let leading_zero = digits > 1 && self.data.get(start) == Some(&b'0');
        ((1..=MOST_DIGITS).contains(&digits) && !leading_zero).then_some(number)
    }
}

/// True for a whole number that [`Reader::number`] reads.
fn is_whole(number: &[u8]) -> bool {
    let mut reader = Reader { data: number, at: 0 };
    reader.number().is_some() && reader.at == number.len()
}

/// The place of the first whole number from `at` on in `json`, whose bytes from there to `end` are JSON between two tokens.
fn whole_number(json: &[u8], mut at: usize, end: usize) -> Option<(usize, usize)> {
    let of_number = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    while at < end {
        match json.get(at)? {
            b'"' => at = end_of_string(json, at + 1)?.0 + 1,
            b'-' | b'0'..=b'9' => {
                let number = json.get(at..)?;
                let number = number.get(..number.iter().take_while(of_number).count())?;
                if is_whole(number) {
                    return Some((at, at + number.len()));
                }
                at += number.len();
            }
            _ => at += 1,
        }
    }
    None
}

/// The offset of the quote that closes the string whose inside begins at `at`, and whether anything in it is escaped.
fn end_of_string(bytes: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut escaped = false;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'"') {
            return Some((at, escaped));
        }
        escaped = true;
        at += 2;
    }
}

/// `object` without its last brace and the spaces around that, with which Anthropic pads its events.
fn without_brace(object: &[u8]) -> Option<&[u8]> {
    fn trimmed(mut bytes: &[u8]) -> &[u8] {
        while let [rest @ .., b' '] = bytes {
            bytes = rest;
        }
        bytes
    }
    trimmed(object).strip_suffix(b"}").map(trimmed)
}

/// The string whose inside goes from `start` to `end`, decoded.
fn decoded(json: &[u8], start: usize, end: usize) -> Option<Cow<'_, str>> {
    let quoted = json.get(start.checked_sub(1)?..=end)?;
    serde_json::from_slice::<Text<'_>>(quoted).ok().map(|text| text.0)
}

/// The place in `json` of the string with escapes that is `text`; `None` if there are more of them.
fn place_of_escaped(json: &[u8], text: &str) -> Option<(usize, usize)> {
    let mut found = None;
    let mut at = 0;
    while let Some(quote) = memchr::memchr(b'"', json.get(at..)?) {
        let start = at + quote + 1;
        let (end, escaped) = end_of_string(json, start)?;
        at = end + 1;
        if escaped
            && decoded(json, start, end).is_some_and(|decoded| decoded == text)
            && found.replace((start, end)).is_some()
        {
            return None;
        }
    }
    found
}

/// The offset of `part` in `whole`, from which it is borrowed.
fn place(whole: &[u8], part: &str) -> Option<(usize, usize)> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (whole.get(start..end)? == part.as_bytes()).then_some((start, end))
}

#[cfg(test)]
pub(super) mod comparison;
#[cfg(test)]
mod tests;
