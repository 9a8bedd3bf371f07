//! Signatures of other providers, which a client of Responses carries from an answer to the next request.
//!
//! Responses has one place for what only the provider can read: `encrypted_content` of a reasoning item, which every client
//! sends back as it came. So a signature goes to the client in there, in a text with a mark of its own: together with the
//! thinking that was signed, since some clients send only the encrypted form back, or as an item of its own beside the call
//! or the text that was signed.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use memchr::memmem;
use serde::Deserialize;
use tt_core::call::origin::{Origin, Signature};

use crate::dialect::body::JsonText;
pub(super) use crate::dialect::carried::Carried;
use crate::dialect::carried::Envelope;
use crate::dialect::elements::{MOST_CUTS, each, without};
use crate::dialect::text::Loose;

/// The beginning of every such text. No provider's own begins so.
pub(super) const MARK: &str = "tokentracer.1.";

fn sealed(envelope: &Envelope<'_>) -> String {
    // Writing to memory does not fail.
    let json = serde_json::to_vec(envelope).unwrap_or_default();
    let mut sealed = String::with_capacity(MARK.len() + json.len() * 4 / 3 + 3);
    sealed.push_str(MARK);
    URL_SAFE_NO_PAD.encode_string(json, &mut sealed);
    sealed
}

/// The `encrypted_content` of thinking whose whole text is `text`.
pub(super) fn thinking(text: &str, signature: &Signature) -> String {
    sealed(&Envelope::thinking(text, signature))
}

/// The `encrypted_content` of hidden thinking.
pub(super) fn redacted(data: &str, of: &Origin) -> String {
    sealed(&Envelope::redacted(data, of))
}

/// The `encrypted_content` of an item that stands before a signed call.
pub(super) fn call(signature: &Signature) -> String {
    sealed(&Envelope::call(signature))
}

/// The `encrypted_content` of an item that stands behind a signed text.
pub(super) fn text(signature: &Signature) -> String {
    sealed(&Envelope::text(signature))
}

/// True if `encrypted` was written here.
pub(super) fn is_carried(encrypted: &str) -> bool {
    encrypted.starts_with(MARK)
}

/// The contents of a text that was written here; `None` for one that a client has changed.
pub(super) fn read(encrypted: &str) -> Option<Carried> {
    let json = URL_SAFE_NO_PAD.decode(encrypted.strip_prefix(MARK)?).ok()?;
    serde_json::from_slice::<Envelope<'_>>(&json).ok().map(Envelope::open)
}

/// The places in `body` of the items of the list `input` that were written here, each with the comma that goes with it.
pub(super) fn places(body: &str, input: JsonText<'_>) -> Vec<Range<usize>> {
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Item<'a> {
        #[serde(borrow)]
        encrypted_content: Loose<'a>,
    }

    if memmem::find(input.get().as_bytes(), MARK.as_bytes()).is_none() {
        return Vec::new();
    }
    let mut items: Vec<(Range<usize>, bool)> = Vec::new();
    let read = each(input.get(), |item: JsonText<'_>| {
        let written_here =
            serde_json::from_str::<Item<'_>>(item.get()).is_ok_and(|item| is_carried(item.encrypted_content.as_str()));
        items.push((crate::dialect::body::place(body, item), written_here));
        Ok(())
    });
    if read.is_err() {
        return Vec::new();
    }
    let cuts = without(&items);
    if cuts.len() > MOST_CUTS { Vec::new() } else { cuts }
}

#[cfg(test)]
mod tests {
    use tt_core::{Dialect, Provider};

    use super::*;

    #[test]
    fn what_is_carried_comes_back() {
        let of = Origin::with_model(Dialect::AnthropicMessages, Provider::Anthropic, "claude-opus-4-8");
        let signature = || Signature { of: of.clone(), value: "sig+/=".into() };
        assert_eq!(
            read(&thinking("größe \"x\"", &signature())),
            Some(Carried::Thinking { text: "größe \"x\"".into(), signature: signature() })
        );
        assert_eq!(read(&redacted("d", &of)), Some(Carried::Redacted { data: "d".into(), of: of.clone() }));
        assert_eq!(read(&call(&signature())), Some(Carried::Call(signature())));
        assert_eq!(read(&text(&signature())), Some(Carried::Text(signature())));
        let unnamed = Signature { of: Origin::of(Dialect::Gemini, Provider::Gemini), value: "g".into() };
        assert_eq!(read(&call(&unnamed)), Some(Carried::Call(unnamed)));
    }

    #[test]
    fn a_text_that_was_changed_is_nothing() {
        let whole = redacted("d", &Origin::of(Dialect::Gemini, Provider::Gemini));
        assert!(is_carried(&whole));
        let cut = whole.get(..whole.len() - 3).unwrap();
        for changed in ["gAAAA", "", MARK, cut, &format!("{whole}!")] {
            assert_eq!(read(changed), None, "{changed}");
        }
    }
}
