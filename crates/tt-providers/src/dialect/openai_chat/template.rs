//! Recognises a chunk that is an earlier one with another text in it, which is most of a stream, without parsing it.
//!
//! A chunk's bytes are cut at its text (and at OpenAI's padding, `obfuscation`, which may have any length). A later
//! chunk of which all other bytes are the same, and whose text is a JSON string without escapes, is the same document
//! but for that string, so it has the meaning of the first one.

use super::wire::Chunk;
use crate::dialect::text::Loose;

/// The longest chunk that is kept, in bytes: comparing a longer one is not worth its cost.
const LONGEST: usize = 4096;

/// The chunk that later chunks are compared with. At first there is none.
#[derive(Debug, Default)]
pub(super) struct Template {
    /// The whole chunk as it came; empty if there is none.
    chunk: Vec<u8>,
    /// The offsets at which the text begins and ends.
    text: (usize, usize),
    /// The offsets at which the padding behind the text begins and ends; `None` if there is no padding.
    padding: Option<(usize, usize)>,
}

impl Template {
    pub(super) fn forget(&mut self) {
        self.chunk.clear();
    }

    /// The length of the kept chunk, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.chunk.len()
    }

    /// Keeps `data`, read as `chunk`, if it brings only a piece of text of one choice.
    pub(super) fn learn(&mut self, data: &[u8], chunk: &Chunk<'_>) {
        let Some(text) = only_text(chunk).and_then(|text| place(data, text)) else { return };
        if data.len() > LONGEST {
            return;
        }
        self.chunk.clear();
        self.chunk.extend_from_slice(data);
        self.text = text;
        self.padding = borrowed(&chunk.obfuscation).and_then(|padding| place(data, padding)).filter(|p| p.0 > text.1);
    }

    /// The text of `data`, if `data` differs from the kept chunk in nothing else.
    pub(super) fn text<'a>(&self, data: &'a [u8]) -> Option<&'a str> {
        let (start, end) = self.text;
        let rest = data.strip_prefix(self.chunk.get(..start).filter(|fixed| !fixed.is_empty())?)?;
        let (text, rest) = string(rest)?;
        let rest_is_the_same = match self.padding {
            None => rest == self.chunk.get(end..)?,
            Some((start, padding_end)) => {
                let (_, rest) = string(rest.strip_prefix(self.chunk.get(end..start)?)?)?;
                rest == self.chunk.get(padding_end..)?
            }
        };
        Some(text).filter(|text| rest_is_the_same && !text.is_empty())
    }
}

/// The text of `chunk`, if it brings nothing else that the observer takes note of.
fn only_text<'a>(chunk: &Chunk<'a>) -> Option<&'a str> {
    let [choice] = chunk.choices.as_deref()? else { return None };
    let delta = choice.delta.as_ref()?;
    let nothing_else = chunk.error.is_none()
        && chunk.usage.is_none_or(|usage| usage.get() == "null")
        && !choice.finish_reason.is_filled()
        && !delta.refusal.is_filled()
        && !delta.thinking().is_filled()
        && delta.tool_calls.is_none()
        && delta.function_call.is_none()
        && delta.audio.is_none()
        && delta.thinking_blocks.is_none();
    borrowed(&delta.content).filter(|text| nothing_else && !text.is_empty())
}

fn borrowed<'a>(text: &Loose<'a>) -> Option<&'a str> {
    match text {
        Loose::Text(std::borrow::Cow::Borrowed(text)) => Some(text),
        _ => None,
    }
}

/// The offset of `part` in `whole`, from which it is borrowed.
fn place(whole: &[u8], part: &str) -> Option<(usize, usize)> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (whole.get(start..end)? == part.as_bytes()).then_some((start, end))
}

/// The inside of a JSON string without escapes, and what follows, from its closing quote on.
fn string(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (inside, rest) = bytes.split_at_checked(memchr::memchr2(b'"', b'\\', bytes)?)?;
    if rest.first() != Some(&b'"') || inside.iter().any(|byte| *byte < 0x20) {
        return None;
    }
    Some((std::str::from_utf8(inside).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(data: &str) -> Template {
        let mut template = Template::default();
        template.learn(data.as_bytes(), &Chunk::read(data.as_bytes()).unwrap());
        template
    }

    fn chunk(text: &str, padding: &str) -> String {
        format!(
            r#"{{"id":"c","model":"m","choices":[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}],"usage":null,"obfuscation":"{padding}"}}"#
        )
    }

    #[test]
    fn another_text_and_another_padding_are_the_same_chunk() {
        let template = learned(&chunk("Hello", "aB3"));
        for (text, padding) in [("x", ""), (" wörld €", "zzzzzzzz"), ("{}", "1")] {
            assert_eq!(template.text(chunk(text, padding).as_bytes()), Some(text));
        }
    }

    #[test]
    fn anything_else_is_parsed() {
        let template = learned(&chunk("Hello", "aB3"));
        let finished = chunk("x", "p").replace("null}", r#""stop"}"#);
        let usage = chunk("x", "p").replace(r#""usage":null"#, r#""usage":{}"#);
        let long = chunk("x", "p") + " ";
        for other in [
            &chunk("", "p"),
            &chunk(r"a\n", "p"),
            &chunk(r#"","refusal":"x"#, "p"),
            &chunk("x", r"\u0041"),
            &chunk("\u{1}", "p"),
            &finished,
            &usage,
            &long,
            &chunk("x", "p").replace("\"m\"", "\"n\""),
            &String::new(),
        ] {
            assert_eq!(template.text(other.as_bytes()), None, "{other}");
        }
        let mut broken = chunk("xy", "p").into_bytes();
        let at = broken.iter().position(|byte| *byte == b'y').unwrap();
        broken[at] = 0xff;
        assert_eq!(template.text(&broken), None);
    }

    #[test]
    fn only_a_chunk_that_is_nothing_but_text_is_kept() {
        for other in [
            r#"{"choices":[{"index":0,"delta":{"content":"a\nb"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":""}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"a","refusal":"b"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"a","tool_calls":[]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":1}}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"a"}}],"error":{}}"#,
        ] {
            let template = learned(other);
            assert_eq!(template.text(other.as_bytes()), None, "{other}");
        }
    }
}
