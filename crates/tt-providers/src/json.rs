//! JSON values of clients and providers: read into no more memory than they need, and the bound of that memory.
//!
//! `serde_json` parses here too; only the lists and objects are made differently. `serde_json` makes a [`Value`]'s list or
//! object empty and grows it by doubling, since it does not know the length: `[0]` takes four times the memory of its
//! element, and a list that grows takes up to three times its length for a moment. A body of many small values would take
//! more than a hundred bytes of memory for each of its own, and no setting of `serde_json` changes that. Here a first pass
//! over the text counts the elements, and each list and object is made with room for as many. The tests hold the result,
//! and each error, equal to those of `serde_json`.
//!
//! **Invariant:** reading takes at most [`decoded_bytes`], which is at most 42 times the text and a constant for values
//! without names.

use std::fmt;

use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

mod members;

pub(crate) use members::{Member, Object, Reader, members, once, quickly, read_members};

/// The deepest nesting that is read, in levels. `serde_json` has the same limit.
const DEPTH: usize = 128;

/// The memory of a value in a list, without what it points to, in bytes.
const VALUE: usize = size_of::<Value>();

/// The memory that an entry of an object takes beside its value, in bytes: its hash, the name without its text, and its
/// share of a hash table that is filled by half.
const NAME: usize = size_of::<usize>() + size_of::<String>() + 21;

/// The memory of the smallest hash table of an object, in bytes.
const TABLE: usize = 52;

/// The memory that an allocator adds to an allocation, in bytes.
const ALLOCATION: usize = 16;

/// The memory that an entry may take in the neutral form beside its value, in bytes: a message or a part is made of an
/// object of two entries at least.
const NEUTRAL: usize = 176;

/// The most choices of an answer that are read, and the memory of one in the neutral form, in bytes.
const CHOICES: (usize, usize) = (128, 400);

/// The memory that reading any text takes, in bytes.
const FIXED: usize = 4096;

/// An upper bound of the memory, in bytes, that the JSON text `json` takes while it is decoded, as a request or as an
/// answer of any dialect: its values and the neutral form made of them. The text itself is not counted.
///
/// It has room for one copy of the text, once all values are read: arguments of calls and blocks that only one dialect
/// knows are kept as text.
///
/// The bound comes from one pass that decodes nothing. Of a text that is no JSON, it bounds what is allocated before the
/// fault is found.
pub fn decoded_bytes(json: &[u8]) -> usize {
    let (mut values, mut names, mut objects, mut allocations) = (1_usize, 0_usize, 0_usize, 0_usize);
    let (mut text, mut longest_escaped, mut opened) = (0_usize, 0_usize, 0_usize);
    let mut before = Token::Other;
    for token in Tokens(json) {
        match token {
            Token::Open(container) => {
                opened += 1;
                values += 1;
                allocations += 1;
                objects += usize::from(container == Container::Object);
            }
            // An empty list or object allocates nothing and holds no value.
            Token::Close => {
                if let Token::Open(container) = before {
                    values -= 1;
                    allocations -= 1;
                    objects -= usize::from(container == Container::Object);
                }
            }
            Token::Comma => values += 1,
            Token::Colon => names += 1,
            Token::Text { bytes, escaped } => {
                text += bytes;
                allocations += usize::from(bytes > 0);
                longest_escaped = longest_escaped.max(if escaped { bytes } else { 0 });
            }
            Token::Other => {}
        }
        before = token;
    }
    // The text of a string with escapes is collected in a buffer that grows by doubling.
    let buffer = longest_escaped.saturating_mul(3);
    values * VALUE
        + names * (NAME + NEUTRAL)
        + objects * (TABLE + ALLOCATION)
        + allocations * ALLOCATION
        + opened * size_of::<u32>()
        + opened.min(CHOICES.0) * CHOICES.1
        + text
        + buffer.max(json.len())
        + FIXED
}

/// The memory that a value takes, in bytes.
pub(crate) fn memory(value: &Value) -> usize {
    VALUE
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len() + ALLOCATION,
            Value::Array(values) => ALLOCATION + values.iter().map(memory).sum::<usize>(),
            Value::Object(fields) => memory_of_names(fields) - VALUE + fields.values().map(memory).sum::<usize>(),
        }
}

/// The memory that an object takes, in bytes, without its values.
pub(crate) fn memory_of_names(fields: &Map<String, Value>) -> usize {
    let names = fields.keys().map(|name| NAME + name.len() + ALLOCATION);
    VALUE + TABLE + ALLOCATION + names.sum::<usize>()
}

/// `value` as JSON text without white space, in a string that has room for no more.
pub(crate) fn compact(value: &Value) -> String {
    struct Length(usize);

    impl std::io::Write for Length {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let mut length = Length(0);
    // Neither writer fails, and the text is UTF-8.
    let counted = serde_json::to_writer(&mut length, value);
    let mut text = Vec::with_capacity(length.0);
    let written = serde_json::to_writer(&mut text, value);
    debug_assert!(counted.is_ok() && written.is_ok());
    String::from_utf8(text).unwrap_or_default()
}

/// Appends `value` to `out` as JSON text. Writing to memory does not fail.
pub(crate) fn write<T: Serialize + ?Sized>(value: &T, out: &mut BytesMut) {
    let written = serde_json::to_writer(out.writer(), value);
    debug_assert!(written.is_ok(), "{written:?}");
}

/// Reads `json` as `serde_json::from_slice` does. Of text that is UTF-8 as a whole, as nearly all is, no string is checked
/// by itself.
///
/// # Errors
/// As `serde_json::from_slice`.
pub(crate) fn borrowed<'a, T: serde::Deserialize<'a>>(json: &'a [u8]) -> serde_json::Result<T> {
    match simdutf8::basic::from_utf8(json) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(json),
    }
}

/// Reads a JSON object.
///
/// # Errors
/// As `serde_json::from_slice`: a data error for any other value.
pub(crate) fn object(json: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    let mut lengths = Lengths::of(json);
    let mut reader = serde_json::Deserializer::from_slice(json);
    let object = reader.deserialize_map(Whole(&mut lengths))?;
    reader.end()?;
    Ok(object)
}

/// Reads any JSON value.
///
/// # Errors
/// As `serde_json::from_slice`.
pub(crate) fn value(json: &[u8]) -> Result<Value, serde_json::Error> {
    let mut lengths = Lengths::of(json);
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = Read(&mut lengths).deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// A piece of a JSON text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Open(Container),
    Close,
    Comma,
    Colon,
    /// A string of so many bytes between its quotes. `escaped` is true if it holds a backslash.
    Text {
        bytes: usize,
        escaped: bool,
    },
    /// A byte of a number or of a word, or one that belongs to no JSON.
    Other,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Container {
    List,
    Object,
}

/// The tokens of a text, white space left out. It need not be JSON.
struct Tokens<'a>(&'a [u8]);

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            return Some(match byte {
                b' ' | b'\n' | b'\r' | b'\t' => continue,
                b'{' => Token::Open(Container::Object),
                b'[' => Token::Open(Container::List),
                b'}' | b']' => Token::Close,
                b',' => Token::Comma,
                b':' => Token::Colon,
                b'"' => self.text(),
                _ => Token::Other,
            });
        }
    }
}

impl Tokens<'_> {
    /// Reads a string from behind its opening quote.
    fn text(&mut self) -> Token {
        let (mut bytes, mut escaped) = (0, false);
        loop {
            let rest = self.0.get(bytes..).unwrap_or_default();
            match memchr::memchr2(b'"', b'\\', rest) {
                Some(at) if rest.get(at) == Some(&b'"') => {
                    bytes += at;
                    self.0 = self.0.get(bytes + 1..).unwrap_or_default();
                    return Token::Text { bytes, escaped };
                }
                Some(at) => {
                    bytes += at + 2;
                    escaped = true;
                }
                None => {
                    let bytes = std::mem::take(&mut self.0).len();
                    return Token::Text { bytes, escaped };
                }
            }
        }
    }
}

/// The numbers of elements of all lists and objects of a text, in the order in which they open.
struct Lengths(std::vec::IntoIter<u32>);

impl Lengths {
    fn of(json: &[u8]) -> Self {
        let opened = json.iter().filter(|byte| matches!(byte, b'{' | b'[')).count();
        let mut lengths: Vec<u32> = Vec::with_capacity(opened);
        let mut open: Vec<usize> = Vec::with_capacity(DEPTH.min(opened));
        for token in Tokens(json) {
            let inside = open.last().and_then(|at| lengths.get_mut(*at));
            match (token, inside) {
                (Token::Close, _) => {
                    open.pop();
                    continue;
                }
                (Token::Comma, Some(length)) => *length = length.saturating_add(1),
                // The first element of a list or object has no comma before it.
                (_, Some(length)) if *length == 0 => *length = 1,
                _ => {}
            }
            if let Token::Open(_) = token {
                // The reader gives up here too.
                if open.len() == DEPTH {
                    break;
                }
                open.push(lengths.len());
                lengths.push(0);
            }
        }
        Self(lengths.into_iter())
    }

    fn next(&mut self) -> usize {
        self.0.next().and_then(|length| usize::try_from(length).ok()).unwrap_or(0)
    }
}

/// Reads the next value of a text.
struct Read<'l>(&'l mut Lengths);

impl<'de> DeserializeSeed<'de> for Read<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Read<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::with_capacity(self.0.next());
        while let Some(value) = list.next_element_seed(Read(self.0))? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        Whole(self.0).visit_map(map).map(Value::Object)
    }
}

/// Reads an object.
struct Whole<'l>(&'l mut Lengths);

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Map::with_capacity(self.0.next());
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(Read(self.0))?;
            fields.insert(name, value);
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Any JSON value of a few levels.
    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::vec((".{0,4}", inner), 0..8).prop_map(|entries| entries.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_is_read_as_serde_json_reads_it(value in any_value(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
            let read = super::value(text.as_bytes()).unwrap();
            prop_assert_eq!(&read, &serde_json::from_str::<Value>(&text).unwrap());
            prop_assert_eq!(read.to_string(), serde_json::from_str::<Value>(&text).unwrap().to_string());
        }

        #[test]
        fn a_faulty_text_is_refused_as_serde_json_refuses_it(text in r#"[\[\]{}",:0a\\ ]{0,24}"#) {
            let (here, there) = (super::value(text.as_bytes()), serde_json::from_str::<Value>(&text));
            prop_assert_eq!(here.map_err(|error| error.to_string()), there.map_err(|error| error.to_string()));
            prop_assert_eq!(super::object(text.as_bytes()).is_ok(), serde_json::from_str::<Map<String, Value>>(&text).is_ok());
        }

        #[test]
        fn lists_and_objects_have_room_for_their_elements_only(values in prop::collection::vec(any_value(), 0..20)) {
            let Value::Array(read) = super::value(Value::Array(values).to_string().as_bytes()).unwrap() else { panic!() };
            prop_assert_eq!(read.len(), read.capacity());
        }
    }

    #[test]
    fn nesting_ends_where_serde_json_ends_it() {
        for (levels, reads) in [(127, true), (128, false), (100_000, false)] {
            let text = "[".repeat(levels) + &"]".repeat(levels);
            assert_eq!((value(text.as_bytes()).is_ok(), serde_json::from_str::<Value>(&text).is_ok()), (reads, reads));
        }
    }

    /// `serde_json` reads an object of this one name as JSON in a string, for its own `RawValue`.
    #[test]
    fn no_name_has_a_meaning_of_its_own() {
        let text = r#"{"$serde_json::private::RawValue":"[0]"}"#;
        assert_eq!(value(text.as_bytes()).unwrap().to_string(), text);
    }

    #[test]
    fn the_bound_is_near_twice_the_text_for_text_and_near_40_times_the_text_for_the_smallest_values() {
        let text = json!({"messages": [{"role": "user", "content": "x".repeat(100_000)}]}).to_string();
        assert!(decoded_bytes(text.as_bytes()) < 207_000);
        for (piece, most) in [("[0],", 42), ("{},", 27), ("0,", 38), (r#""","#, 26), ("[],", 27)] {
            let list = format!("[{}0]", piece.repeat(100_000));
            assert!(decoded_bytes(list.as_bytes()) / list.len() <= most, "{piece}");
        }
    }
}
