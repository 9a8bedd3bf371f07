//! A request for embeddings and its answer in the neutral form.

use super::extra::Extra;
use super::part::{Part, Text};
use crate::plan::InputTokens;
use crate::usage::Reported;
use crate::{Provider, tokens};

/// One request for embeddings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EmbeddingCall {
    /// The model as the client named it.
    pub model: String,
    /// The inputs, each of which becomes one vector, in the order sent.
    pub inputs: Vec<EmbeddingInput>,
    /// The id of the end user, as the client sent it (OpenAI `user`).
    pub end_user: Option<String>,
    /// The fields that none of the fields above holds.
    pub extra: Extra,
}

/// One input of a request for embeddings.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingInput {
    /// The contents.
    pub content: EmbeddingContent,
    /// The number of dimensions that its vector is to have; `None`: the model's own.
    pub dimensions: Option<u64>,
}

/// The contents of an input.
#[derive(Debug, Clone, PartialEq)]
pub enum EmbeddingContent {
    /// One text.
    Text(String),
    /// A text in the tokens of the model, by their ids (OpenAI).
    Tokens(Vec<u32>),
    /// Several texts, or texts beside media, which become one vector (Gemini). There is at least one part.
    Parts(Vec<Part>),
}

/// The answer to a request for embeddings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EmbeddingReply {
    /// The model that answered; empty where the provider names none.
    pub model: String,
    /// The vectors in the order of the inputs. Their numbers are finite: 32 bits are what providers compute with.
    pub vectors: Vec<Vec<f32>>,
    /// The provider's usage; `None`: it sent none.
    pub usage: Option<Reported>,
}

impl EmbeddingCall {
    /// Every text among the inputs, in order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.inputs.iter().flat_map(|input| {
            let (text, parts) = match &input.content {
                EmbeddingContent::Text(text) => (Some(text.as_str()), [].as_slice()),
                EmbeddingContent::Tokens(_) => (None, [].as_slice()),
                EmbeddingContent::Parts(parts) => (None, parts.as_slice()),
            };
            let texts = parts.iter().filter_map(|part| match part {
                Part::Text(Text { text, .. }) => Some(text.as_str()),
                _ => None,
            });
            text.into_iter().chain(texts)
        })
    }

    /// Every picture, sound, film and document among the inputs, in order.
    pub fn media(&self) -> impl Iterator<Item = &Part> {
        let parts = self.inputs.iter().flat_map(|input| match &input.content {
            EmbeddingContent::Parts(parts) => parts.as_slice(),
            EmbeddingContent::Text(_) | EmbeddingContent::Tokens(_) => &[],
        });
        parts.filter(|part| part.is_media())
    }

    /// Input tokens, counted up to `bound`: ids as they are, texts by the tokenizer, which may load it, and media by the
    /// rule of `provider`. Takes about 10 ms for 100 KB of text.
    pub fn input_up_to(&self, provider: Provider, bound: u64) -> InputTokens {
        let ids = self.inputs.iter().map(|input| match &input.content {
            EmbeddingContent::Tokens(ids) => ids.len() as u64,
            EmbeddingContent::Text(_) | EmbeddingContent::Parts(_) => 0,
        });
        let media = self.media().map(|part| tokens::media_tokens(part, provider));
        let counted = ids.chain(media).fold(0_u64, u64::saturating_add);
        tokens::count_up_to(self.texts(), counted, bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::conversation::{Image, Media};

    #[test]
    fn ids_texts_and_media_are_counted() {
        let input = |content| EmbeddingInput { content, dimensions: None };
        let picture = Part::Image(Image::new(Media::url("https://example.org/x")));
        let call = EmbeddingCall {
            inputs: vec![
                input(EmbeddingContent::Text("hello world".into())),
                input(EmbeddingContent::Tokens(vec![1, 2, 3])),
                input(EmbeddingContent::Parts(vec![Part::text("hello world"), picture])),
            ],
            ..EmbeddingCall::default()
        };
        assert_eq!(call.texts().collect::<Vec<_>>(), ["hello world", "hello world"]);
        assert_eq!(call.input_up_to(Provider::Gemini, u64::MAX), InputTokens::Exact(2 + 3 + 2 + 258));
        assert_eq!(call.input_up_to(Provider::Gemini, 100), InputTokens::AtLeast(100));
    }
}
