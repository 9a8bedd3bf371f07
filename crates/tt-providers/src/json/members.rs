//! The members of a JSON object as texts, found by one pass that decodes nothing and takes no memory.
//!
//! A body of 100 KB is mostly one or two long strings. `serde_json` skips a string eight bytes at a time; here the end of a
//! long one is searched for with vector instructions, which takes a fifth of the time.
//!
//! **Invariant:** a text that is read here is read by `serde_json` too, to the same names and values. The opposite does not
//! hold: a text with an escaped name, with deep nesting or with a fault is given up, and the caller reads it with
//! `serde_json`, which finds the words for a fault.

use memchr::memchr2;

/// The deepest nesting that is read, in levels: the bits of the stack of open lists and objects.
const DEPTH: u32 = u64::BITS;

/// The bytes of a string that are looked at in words of eight, before the search for the end of a long one begins: most
/// strings are names and words.
const SHORT: usize = 32;

/// Reads the object `text` and gives each of its members to `each`: the name without quotes, and the text of the value. It
/// is `None` if the text was given up, or `each` gave up a member; then what was read before means nothing.
pub(crate) fn members<'a>(text: &'a str, mut each: impl FnMut(&'a str, &'a str) -> Option<()>) -> Option<()> {
    let mut reader = Reader { text, at: 0 };
    reader.space();
    reader.members(|name, reader| each(name, reader.text()?))?;
    reader.end()
}

/// Reads `text` as a `T`. It is `None` if the text was given up.
pub(crate) fn quickly<'a, T: Object<'a>>(text: &'a str) -> Option<T> {
    let mut reader = Reader { text, at: 0 };
    reader.space();
    let read = T::read(&mut reader)?;
    reader.end()?;
    Some(read)
}

/// A value that is read where it stands in the text, so that nothing is looked at twice.
pub(crate) trait Object<'a>: Sized {
    /// Reads the value that begins here. It is `None` if the text is given up.
    fn read(reader: &mut Reader<'a>) -> Option<Self>;
}

/// The value of a member, which has a default for objects without the member.
pub(crate) trait Member<'a>: Default {
    /// As [`Object::read`].
    fn read(reader: &mut Reader<'a>) -> Option<Self>;
}

/// A member that may be null.
impl<'a, T: Object<'a>> Member<'a> for Option<T> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        if reader.peek() == Some(b'n') { reader.value().map(|()| None) } else { T::read(reader).map(Some) }
    }
}

/// Implements [`Object`] for the struct `$type`: each name in the object is read into a field. A name that stands twice
/// gives the text up.
macro_rules! read_members {
    ($type:ty { $($name:literal => $field:ident),+ $(,)? }) => {
        impl<'a> $crate::json::Object<'a> for $type {
            fn read(reader: &mut $crate::json::Reader<'a>) -> Option<Self> {
                $(let mut $field = None;)+
                reader.members(|name, reader| match name {
                    $($name => $crate::json::once(&mut $field, reader),)+
                    _ => reader.value(),
                })?;
                Some(Self { $($field: $field.unwrap_or_default()),+ })
            }
        }
    };
}
pub(crate) use read_members;

/// Reads the value of a name. It is `None`, by which the text is given up, if the name stands twice.
pub(crate) fn once<'a, T: Member<'a>>(slot: &mut Option<T>, reader: &mut Reader<'a>) -> Option<()> {
    slot.replace(T::read(reader)?).is_none().then_some(())
}

/// Says whether a string has escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escapes {
    None,
    Some,
}

/// The place in a text up to which it has been read.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads the object that begins here. Each of its values is read by `each`, which is given the name.
    pub(crate) fn members(&mut self, mut each: impl FnMut(&'a str, &mut Self) -> Option<()>) -> Option<()> {
        self.byte(b'{')?;
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Some(());
        }
        loop {
            let name = self.plain_string()?;
            self.colon()?;
            each(name, self)?;
            self.space();
            match self.next()? {
                b',' => self.space(),
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// The text of the value that begins here.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        self.with_text(Self::value).map(|(text, ())| text)
    }

    /// The text of what `read` reads, and what it makes of it.
    pub(crate) fn with_text<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<(&'a str, T)> {
        let from = self.at;
        let found = read(self)?;
        Some((self.text.get(from..self.at)?, found))
    }

    /// The string that begins here, without its quotes. It is `None` if there is none, or if it has escapes.
    pub(crate) fn plain_string(&mut self) -> Option<&'a str> {
        self.byte(b'"')?;
        let from = self.at;
        let escapes = self.string()?;
        self.text.get(from..self.at - 1).filter(|_| escapes == Escapes::None)
    }

    /// Reads the end of the text.
    fn end(mut self) -> Option<()> {
        self.space();
        (self.at == self.text.len()).then_some(())
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The next byte.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Reads the colon behind a name, and the white space around it.
    fn colon(&mut self) -> Option<()> {
        self.space();
        self.byte(b':')?;
        self.space();
        Some(())
    }

    /// Reads a name and the colon behind it.
    fn name(&mut self) -> Option<()> {
        self.byte(b'"')?;
        self.string()?;
        self.colon()
    }

    /// Reads a value, which begins here, without recursion.
    pub(crate) fn value(&mut self) -> Option<()> {
        // A bit for each open list or object, set for an object; the innermost is the lowest.
        let (mut depth, mut objects) = (0, 0_u64);
        loop {
            match self.next()? {
                b'"' => {
                    self.string()?;
                }
                opening @ (b'{' | b'[') => {
                    let is_object = opening == b'{';
                    self.space();
                    if self.peek()? == if is_object { b'}' } else { b']' } {
                        self.at += 1;
                    } else if depth == DEPTH {
                        return None;
                    } else {
                        depth += 1;
                        objects = (objects << 1) | u64::from(is_object);
                        if is_object {
                            self.name()?;
                        }
                        continue;
                    }
                }
                b't' => self.word(b"rue")?,
                b'f' => self.word(b"alse")?,
                b'n' => self.word(b"ull")?,
                b'-' => {
                    let first = self.next()?;
                    self.number(first)?;
                }
                first => self.number(first)?,
            }
            loop {
                if depth == 0 {
                    return Some(());
                }
                self.space();
                match (self.next()?, objects & 1 == 1) {
                    (b',', is_object) => {
                        self.space();
                        if is_object {
                            self.name()?;
                        }
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        objects >>= 1;
                        depth -= 1;
                    }
                    _ => return None,
                }
            }
        }
    }

    fn word(&mut self, rest: &[u8]) -> Option<()> {
        let end = self.at + rest.len();
        let is_word = self.bytes().get(self.at..end)? == rest;
        self.at = end;
        is_word.then_some(())
    }

    /// Reads a number whose first digit is `first` (RFC 8259, 6).
    fn number(&mut self, first: u8) -> Option<()> {
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Some(())
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Option<()> {
        let from = self.at;
        self.digits();
        (self.at > from).then_some(())
    }

    /// Reads a string behind its opening quote, with its closing one.
    fn string(&mut self) -> Option<Escapes> {
        let mut escapes = Escapes::None;
        loop {
            self.plain()?;
            match self.next()? {
                b'"' => return Some(escapes),
                b'\\' => escapes = Escapes::Some,
                // A control character, which must be escaped.
                _ => return None,
            }
            match self.next()? {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                b'u' => {
                    let digits = self.bytes().get(self.at..self.at + 4)?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    self.at += 4;
                }
                _ => return None,
            }
        }
    }

    /// Goes to the next quote, backslash or control character.
    #[inline]
    fn plain(&mut self) -> Option<()> {
        let mut rest = self.bytes().get(self.at..)?;
        let mut skipped = 0;
        while skipped < SHORT
            && let Some((word, after)) = rest.split_first_chunk::<8>()
        {
            let special = special(u64::from_le_bytes(*word));
            if special != 0 {
                self.at += skipped + special.trailing_zeros() as usize / 8;
                return Some(());
            }
            (rest, skipped) = (after, skipped + 8);
        }
        self.at += skipped + plain_bytes(rest)?;
        Some(())
    }
}

/// Marks quotes, backslashes and control characters among eight bytes: of the first one the highest bit is set, of those
/// before it none, and of those behind it any may be. The first byte is the lowest.
///
/// A quote and the control characters are the bytes that are at most 0x20 once their second bit is flipped. For the
/// comparison of all bytes at once see "Determine if a word has a byte less than n",
/// <https://graphics.stanford.edu/~seander/bithacks.html>.
#[inline]
const fn special(word: u64) -> u64 {
    const EACH: u64 = u64::MAX / 255;
    let (flipped, slashes) = (word ^ (EACH * 0x02), word ^ (EACH * b'\\' as u64));
    let low = flipped.wrapping_sub(EACH * 0x21) & !flipped;
    let slash = slashes.wrapping_sub(EACH) & !slashes;
    (low | slash) & (EACH << 7)
}

/// The bytes before the next quote or backslash. It is `None` if there is neither, or a control character stands before it.
fn plain_bytes(text: &[u8]) -> Option<usize> {
    let end = memchr2(b'"', b'\\', text)?;
    // Whether there is a control character is found out sixteen bytes at a time.
    let least = text.get(..end)?.iter().fold(u8::MAX, |least, byte| least.min(*byte));
    (least >= b' ').then_some(end)
}

#[cfg(test)]
mod tests;
