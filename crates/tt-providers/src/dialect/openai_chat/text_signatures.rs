//! Signatures of texts. Google's OpenAI endpoint has one for a message, `extra_content.google.thought_signature`. A message
//! whose text is signed in several pieces, or in a piece of it, also has `thought_signatures`: each with the bytes of
//! `content` that it is about.

use serde_json::{Value, json};
use tt_core::call::origin::{Origin, Signature};
use tt_core::call::part::{Part, Text};
use tt_core::{Dialect, Provider};

/// The origin of the signatures in `extra_content.google`.
pub(super) const GEMINI: Origin = Origin::of(Dialect::Gemini, Provider::Gemini);

/// The signatures of the texts of one message, as it is written.
#[derive(Debug, Default)]
pub(super) struct Signed {
    signed: Vec<(u64, u64, String)>,
    bytes: usize,
}

impl Signed {
    /// Takes note that the bytes from `begin` to `end` of the content are signed.
    pub(super) fn add(&mut self, begin: u64, end: u64, signature: &str) {
        self.bytes += size_of::<(u64, u64, String)>() + signature.len();
        self.signed.push((begin, end, signature.to_owned()));
    }

    /// The `extra_content` of a message with so many bytes of content; `None` where nothing is signed.
    pub(super) fn extra_content(&self, length: u64) -> Option<Value> {
        let (_, _, last) = self.signed.last()?;
        let mut google = json!({"thought_signature": last});
        let covers_all = matches!(self.signed.as_slice(), [(0, end, _)] if *end == length);
        if !covers_all {
            let mut all: Vec<Value> = self
                .signed
                .iter()
                .map(|(begin, end, signature)| {
                    json!({"content_offset": begin, "content_end": end, "thought_signature": signature})
                })
                .collect();
            // The last one stands above.
            if let Some(Value::Object(last)) = all.last_mut() {
                last.shift_remove("thought_signature");
            }
            google["thought_signatures"] = all.into();
        }
        Some(json!({"google": google}))
    }

    /// The memory that it takes, in bytes.
    pub(super) const fn held_bytes(&self) -> usize {
        self.bytes
    }
}

/// Divides the text of a message at the places in its `extra_content` and signs the pieces. False where it has no such
/// places, or where they do not fit the message.
pub(super) fn sign(said: &mut Vec<Part>, extra_content: &Value) -> bool {
    let Some(places) = extra_content.pointer("/google/thought_signatures").and_then(Value::as_array) else {
        return false;
    };
    let last = extra_content.pointer("/google/thought_signature");
    let read = |place: &Value| {
        let number = |name: &str| usize::try_from(place.get(name)?.as_u64()?).ok();
        let value = place.get("thought_signature").or(last)?.as_str().filter(|value| !value.is_empty())?;
        Some((number("content_offset")?, number("content_end")?, value.to_owned()))
    };
    let Some(places) = places.iter().map(read).collect::<Option<Vec<_>>>().filter(|places| !places.is_empty()) else {
        return false;
    };
    let whole = match said.as_slice() {
        [] => "",
        [Part::Text(Text { text, cache: None, .. })] => text.as_str(),
        _ => return false,
    };
    let mut pieces = Vec::with_capacity(places.len() * 2 + 1);
    let mut from = 0;
    for (begin, end, value) in places {
        let (Some(before), Some(text)) = (whole.get(from..begin), whole.get(begin..end)) else { return false };
        if !before.is_empty() {
            pieces.push(Part::text(before));
        }
        let signature = Some(Signature { of: GEMINI, value });
        pieces.push(Part::Text(Text { text: text.to_owned(), signature, ..Text::default() }));
        from = end;
    }
    match whole.get(from..) {
        Some("") => {}
        Some(rest) => pieces.push(Part::text(rest)),
        None => return false,
    }
    pieces.shrink_to_fit();
    *said = pieces;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(text: &str, value: &str) -> Part {
        let signature = Some(Signature { of: GEMINI, value: value.into() });
        Part::Text(Text { text: text.into(), signature, ..Text::default() })
    }

    #[test]
    fn each_piece_gets_its_signature_back() {
        let mut written = Signed::default();
        written.add(2, 5, "a");
        written.add(8, 8, "b");
        let extra = written.extra_content(8).unwrap();
        assert_eq!(extra["google"]["thought_signature"], "b");
        let mut said = vec![Part::text("x ßa yz")];
        assert!(sign(&mut said, &extra));
        assert_eq!(said, [Part::text("x "), signed("ßa", "a"), Part::text(" yz"), signed("", "b")]);
    }

    #[test]
    fn one_signature_over_all_text_has_googles_form() {
        let mut written = Signed::default();
        assert_eq!(written.extra_content(3), None);
        written.add(0, 3, "a");
        assert_eq!(written.extra_content(3), Some(json!({"google": {"thought_signature": "a"}})));
    }

    #[test]
    fn places_that_do_not_fit_sign_nothing() {
        let place =
            |begin: u64, end: u64| json!({"thought_signature": "s", "content_offset": begin, "content_end": end});
        for places in [json!([]), json!([place(0, 9)]), json!([place(1, 2), place(0, 1)]), json!([{}]), json!("x")] {
            let mut said = vec![Part::text("ßa")];
            let extra = json!({"google": {"thought_signatures": places}});
            assert!(!sign(&mut said, &extra), "{extra}");
            assert_eq!(said, [Part::text("ßa")]);
        }
        let mut said = vec![Part::text("ab"), Part::text("c")];
        assert!(!sign(&mut said, &json!({"google": {"thought_signatures": [place(0, 1)]}})));
    }
}
