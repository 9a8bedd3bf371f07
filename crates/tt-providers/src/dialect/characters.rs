//! Places in a text, converted between bytes and characters. Gemini counts bytes, all other dialects characters.

/// The bytes of a text between two marks.
const STEP: usize = 1024;

/// A text with marks, so that a place is found without reading all that stands before it.
#[derive(Debug)]
pub(super) struct Characters<'a> {
    text: &'a str,
    /// The characters that begin before each multiple of [`STEP`] bytes.
    marks: Vec<u64>,
}

impl<'a> Characters<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let mut before = 0;
        let steps = text.as_bytes().chunks(STEP).map(|step| {
            let mark = before;
            before += beginning(step);
            mark
        });
        let mut marks: Vec<u64> = steps.collect();
        marks.push(before);
        Self { text, marks }
    }

    /// The characters before the byte `at`. Behind the end there are no more.
    pub(super) fn before(&self, at: usize) -> u64 {
        let at = at.min(self.text.len());
        let step = at / STEP;
        let rest = self.text.as_bytes().get(step * STEP..at).unwrap_or_default();
        self.marks.get(step).copied().unwrap_or_default() + beginning(rest)
    }

    /// The byte at which the character `number` begins; the length of the text for one behind its end.
    pub(super) fn byte(&self, number: u64) -> usize {
        let step = self.marks.partition_point(|before| *before <= number).saturating_sub(1);
        let (from, before) = (step * STEP, self.marks.get(step).copied().unwrap_or_default());
        let mut left = number - before;
        let rest = self.text.as_bytes().get(from..).unwrap_or_default();
        let at = rest.iter().position(|byte| {
            let begins = is_beginning(*byte);
            let found = begins && left == 0;
            left -= u64::from(begins && left > 0);
            found
        });
        at.map_or(self.text.len(), |at| from + at)
    }
}

fn beginning(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| is_beginning(**byte)).count() as u64
}

/// True for a byte that begins a character.
const fn is_beginning(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_and_characters_are_those_of_the_text(piece in "[aß€😀]{0,9}", times in 0usize..400) {
            let text = piece.repeat(times);
            let characters = Characters::of(&text);
            for (number, (at, _)) in text.char_indices().enumerate().step_by(7) {
                prop_assert_eq!(characters.before(at), number as u64);
                prop_assert_eq!(characters.byte(number as u64), at);
            }
            let all = text.chars().count() as u64;
            prop_assert_eq!((characters.before(usize::MAX), characters.byte(all)), (all, text.len()));
            prop_assert_eq!(characters.byte(all + 5), text.len());
        }
    }
}
