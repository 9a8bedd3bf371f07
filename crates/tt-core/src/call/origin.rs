//! The origin of data that only its maker can read: signatures, encrypted thinking, blocks of a provider's own tools.

use std::sync::Arc;

use crate::{Dialect, Provider};

/// The maker of an opaque value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The dialect that the value was written in.
    pub dialect: Dialect,
    /// The provider whose API sent it.
    pub provider: Provider,
    /// The model that the provider said answered; `None` where a client sent the value back without the name.
    pub model: Option<Arc<str>>,
}

impl Origin {
    /// An origin whose model is not known.
    pub const fn of(dialect: Dialect, provider: Provider) -> Self {
        Self { dialect, provider, model: None }
    }

    /// An origin with the model that the provider named. An empty name counts as not known.
    pub fn with_model(dialect: Dialect, provider: Provider, model: &str) -> Self {
        Self { dialect, provider, model: (!model.is_empty()).then(|| model.into()) }
    }

    /// True if `model` of `provider` can read a signature of this origin. The provider must be the same, and the model
    /// where it is known: by the same name, or by an alias and the dated name that it stands for (`claude-sonnet-4-5`
    /// and `claude-sonnet-4-5-20250929`).
    pub fn signs_for(&self, provider: Provider, model: &str) -> bool {
        self.provider == provider && self.model.as_deref().is_none_or(|made_by| same_model(made_by, model))
    }

    /// True if `provider`, called in `dialect`, can read a block of this origin.
    pub fn is(&self, dialect: Dialect, provider: Provider) -> bool {
        (self.dialect, self.provider) == (dialect, provider)
    }
}

fn same_model(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    long.strip_prefix(short).is_some_and(is_version)
}

/// True if `rest` is the end that a dated name has behind its alias: nothing, or digits (`-20250929`, `-2025-08-07`,
/// `-001`). A single digit makes the name of another model (`claude-opus-4` and `claude-opus-4-8`).
fn is_version(rest: &str) -> bool {
    let Some(digits) = rest.strip_prefix('-') else { return rest.is_empty() };
    digits.len() >= 3 && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// An opaque signature over a part of an answer. It must go back with the part, and only to its maker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The maker, to whom alone it may go back.
    pub of: Origin,
    /// The signature as the provider sent it.
    pub value: String,
}

impl Signature {
    /// The value, if `provider` made the signature and `model` can read it.
    pub fn for_model(&self, provider: Provider, model: &str) -> Option<&str> {
        self.of.signs_for(provider, model).then_some(self.value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_read_by_its_provider_and_its_model() {
        let of = |model: &str| Origin::with_model(Dialect::AnthropicMessages, Provider::Anthropic, model);
        for (made_by, asked, reads) in [
            ("", "claude-opus-4-8", true),
            ("claude-opus-4-8", "claude-opus-4-8", true),
            ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5", true),
            ("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", true),
            ("claude-opus-4", "claude-opus-4-8", false),
            ("claude-opus-4-8", "claude-sonnet-4-5", false),
            ("gemini-2.5-flash", "gemini-2.5-flash-lite", false),
        ] {
            assert_eq!(of(made_by).signs_for(Provider::Anthropic, asked), reads, "{made_by} {asked}");
            assert!(!of(made_by).signs_for(Provider::Gemini, asked));
        }
        assert!(of("").is(Dialect::AnthropicMessages, Provider::Anthropic));
        assert!(!of("").is(Dialect::OpenAiChat, Provider::Anthropic));
    }
}
