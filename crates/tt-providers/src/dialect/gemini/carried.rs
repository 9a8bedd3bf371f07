//! Thinking that another provider signed, which a client of Gemini carries from an answer to the next request.
//!
//! A client of Gemini sends one thing back as it came: the `thoughtSignature` of a call, without which Gemini refuses the
//! request. Parts of thinking it may leave out, and ids of calls it may leave out or replace. So the signature of a call
//! holds all thinking that stands before the call, with its places, and the last part of an answer holds the rest. Libraries
//! read a signature as bytes, so it is base64, the mark at its beginning too.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::memmem;
use tt_core::Provider;
use tt_core::call::part::{Part, Thinking};

use super::node::spells;
use crate::dialect::body::{Fields, JsonText, place};
use crate::dialect::carried::{Carried, Envelope};
use crate::dialect::elements::each;
use crate::dialect::order::{Place, Places};

/// The beginning of what is written here, of a length that base64 does not mix with what follows.
const MARK: &[u8; 15] = b"tokentracer/1: ";

/// The mark in base64. No provider's own signature begins so.
const MARK_BASE64: &str = "dG9rZW50cmFjZXIvMTog";

const ANY_PADDING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const PLAIN: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, ANY_PADDING);
const FOR_ADDRESSES: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, ANY_PADDING);

/// The thinking of an answer that its next part is to carry.
#[derive(Debug, Default)]
pub(super) struct Thoughts {
    places: Places,
    blocks: Vec<(Place, Part)>,
    bytes: usize,
    /// True if a call has come.
    called: bool,
}

impl Thoughts {
    /// Takes note of a text of so many bytes.
    pub(super) fn text(&mut self, bytes: usize) {
        self.places.text(bytes);
    }

    /// Takes note of a call, and gives its signature. The first call of an answer has one in any case: Gemini refuses a call
    /// without a signature, and the next request may go there.
    pub(super) fn call(&mut self) -> Option<String> {
        let signature = self.rest().or_else(|| (!self.called).then(|| sealed(b"[]")));
        self.called = true;
        self.places.call();
        signature
    }

    /// Takes note of thinking. It is carried if another provider signed it.
    pub(super) fn thought(&mut self, part: Part) {
        let bytes = match &part {
            Part::Thinking(Thinking { text, signature: Some(signature), .. })
                if signature.of.provider != Provider::Gemini =>
            {
                text.len() + signature.value.len()
            }
            Part::Redacted { data, .. } => data.len(),
            _ => return,
        };
        self.bytes += size_of::<(Place, Part)>() + bytes;
        self.blocks.push((self.places.thinking(), part));
    }

    /// The signature that carries what no call carries; `None` where nothing is left.
    pub(super) fn rest(&mut self) -> Option<String> {
        self.bytes = 0;
        write(&std::mem::take(&mut self.blocks))
    }

    /// The memory that it takes, in bytes.
    pub(super) const fn held_bytes(&self) -> usize {
        self.bytes
    }
}

/// Writes blocks of thinking as a signature.
fn write(blocks: &[(Place, Part)]) -> Option<String> {
    let envelope = |(at, block): &'_ (Place, Part)| -> Option<Vec<u8>> {
        let envelope = match block {
            Part::Thinking(Thinking { text, signature: Some(signature), .. }) => Envelope::thinking(text, signature),
            Part::Redacted { data, of } => Envelope::redacted(data, of),
            _ => return None,
        };
        serde_json::to_vec(&envelope.standing_at(*at)).ok()
    };
    let all: Vec<Vec<u8>> = blocks.iter().filter_map(envelope).collect();
    if all.is_empty() {
        return None;
    }
    Some(sealed(&[b"[".as_slice(), &all.join(b",".as_slice()), b"]"].concat()))
}

fn sealed(json: &[u8]) -> String {
    STANDARD.encode([MARK.as_slice(), json].concat())
}

/// True if `signature` was written here.
pub(super) fn is_carried(signature: &str) -> bool {
    signature.starts_with(MARK_BASE64)
}

/// The thinking in a signature that was written here; nothing of one that a client has changed.
///
/// Clients may write base64 in the alphabet for addresses, and without padding.
pub(super) fn read(signature: &str) -> Vec<(Place, Part)> {
    let for_addresses = memchr::memchr2(b'-', b'_', signature.as_bytes()).is_some();
    let base64 = if for_addresses { &FOR_ADDRESSES } else { &PLAIN };
    let Ok(bytes) = base64.decode(signature) else { return Vec::new() };
    let Some(json) = bytes.strip_prefix(MARK.as_slice()) else { return Vec::new() };
    // Blocks must take no more memory than the text that they are made of. Providers' signatures are longer than a part.
    let number = memmem::find_iter(json, br#""on":"#).count();
    if number.saturating_sub(2).saturating_mul(size_of::<(Place, Part)>()) > signature.len() {
        return Vec::new();
    }
    let Ok(envelopes) = serde_json::from_slice::<Vec<Envelope<'_>>>(json) else { return Vec::new() };
    let block = |envelope: Envelope<'_>| {
        let place = envelope.place()?;
        let part = match envelope.open() {
            Carried::Thinking { text, signature } => {
                Part::Thinking(Thinking { text, signature: Some(signature), ..Thinking::default() })
            }
            Carried::Redacted { data, of } => Part::Redacted { data, of },
            Carried::Call(_) | Carried::Text(_) => return None,
        };
        Some((place, part))
    };
    envelopes.into_iter().filter_map(block).collect()
}

/// The places in `body` of the signatures in `contents` that were written here, which Gemini cannot read.
pub(super) fn places(body: &str, contents: JsonText<'_>) -> Vec<Range<usize>> {
    let mut places = Vec::new();
    if memmem::find(contents.get().as_bytes(), MARK_BASE64.as_bytes()).is_some() {
        list(contents, |content| {
            let fields = Fields::of(content.get(), "", &[]).ok();
            let parts = fields.and_then(|fields| fields.value("parts"));
            if let Some(parts) = parts {
                list(parts, |part| {
                    let fields = Fields::of(part.get(), "", &[]).ok();
                    let signatures = fields.iter().flat_map(Fields::entries);
                    let signatures = signatures.filter(|(name, _)| spells(name, "thoughtSignature"));
                    let ours = signatures.filter(|(_, value)| text(*value).is_some_and(|text| is_carried(&text)));
                    places.extend(ours.map(|(_, value)| place(body, value)));
                });
            }
        });
    }
    places
}

fn text(value: JsonText<'_>) -> Option<Cow<'_, str>> {
    value.read::<crate::dialect::text::Text<'_>>().ok().map(|text| text.0)
}

/// Calls `take` for each element of a list. One value stands for a list of one, as Google reads it.
fn list<'a>(value: JsonText<'a>, mut take: impl FnMut(JsonText<'a>)) {
    if value.get().starts_with('[') {
        // A value that is no list is refused elsewhere.
        let _ = each(value.get(), |element: JsonText<'a>| {
            take(element);
            Ok(())
        });
    } else {
        take(value);
    }
}

#[cfg(test)]
mod tests {
    use tt_core::Dialect;
    use tt_core::call::origin::{Origin, Signature};

    use super::*;

    fn blocks() -> Vec<(Place, Part)> {
        let of = Origin::with_model(Dialect::AnthropicMessages, Provider::Anthropic, "claude-opus-4-8");
        let signature = Some(Signature { of: of.clone(), value: "sig+/=".into() });
        let thinking = Part::Thinking(Thinking { text: "größe \"x\" ÿ~~".into(), signature, ..Thinking::default() });
        vec![
            (Place { index: 0, offset: 0 }, thinking),
            (Place { index: 2, offset: 7 }, Part::Redacted { data: "d".into(), of }),
        ]
    }

    #[test]
    fn what_is_carried_comes_back_in_either_alphabet() {
        assert_eq!(STANDARD.encode(MARK), MARK_BASE64);
        let whole = write(&blocks()).unwrap();
        assert!(is_carried(&whole));
        let for_addresses = whole.replace('+', "-").replace('/', "_");
        for sent_back in [whole.as_str(), whole.trim_end_matches('='), &for_addresses] {
            assert_eq!(read(sent_back), blocks(), "{sent_back}");
        }
        assert_eq!(write(&[]), None);
    }

    #[test]
    fn what_was_changed_is_nothing() {
        let whole = write(&blocks()).unwrap();
        let cut = whole.get(..whole.len() - 8).unwrap();
        for changed in ["", "c2ln", MARK_BASE64, cut, &format!("{whole}!"), &STANDARD.encode("tokentracer/1: {}")] {
            assert_eq!(read(changed), [], "{changed}");
        }
    }

    #[test]
    fn a_call_carries_the_thinking_before_it_and_the_end_the_rest() {
        let mut thoughts = Thoughts::default();
        let [(_, first), (_, second)] = blocks().try_into().unwrap();
        thoughts.thought(first.clone());
        thoughts.thought(Part::thinking("unsigned"));
        thoughts.text(3);
        assert!(thoughts.held_bytes() > 0);
        let carried = thoughts.call().unwrap();
        assert_eq!(read(&carried), [(Place { index: 0, offset: 0 }, first)]);
        assert_eq!((thoughts.call(), thoughts.held_bytes()), (None, 0));
        thoughts.thought(second.clone());
        assert_eq!(read(&thoughts.rest().unwrap()), [(Place { index: 4, offset: 3 }, second)]);
    }

    #[test]
    fn small_envelopes_take_no_more_memory_than_their_text() {
        let small = r#"{"on":"redacted","dialect":"gemini","provider":"gemini","value":"","at":[0,0]}"#;
        let many = STANDARD.encode(format!("tokentracer/1: [{}]", [small; 100].join(",")));
        assert_eq!(read(&many), []);
    }
}
