//! A decoded request of any kind.

use std::sync::Arc;

use super::conversation::Conversation;
use super::embedding::EmbeddingCall;
use super::part::Part;
use crate::Provider;
use crate::plan::InputTokens;

/// A decoded request. Clones share it.
#[derive(Debug, Clone)]
pub enum Decoded {
    /// A request for a completion.
    Chat(Arc<Conversation>),
    /// A request for embeddings.
    Embeddings(Arc<EmbeddingCall>),
}

impl Decoded {
    /// Every picture, sound, film and document in the request, in order.
    pub fn media(&self) -> Box<dyn Iterator<Item = &Part> + '_> {
        match self {
            Self::Chat(call) => Box::new(call.media()),
            Self::Embeddings(call) => Box::new(call.media()),
        }
    }

    /// Input tokens for `provider`, counted up to `bound`. May load the tokenizer, and takes about 10 ms for 100 KB.
    pub fn input_up_to(&self, provider: Provider, bound: u64) -> InputTokens {
        match self {
            Self::Chat(call) => call.input_up_to(provider, bound),
            Self::Embeddings(call) => call.input_up_to(provider, bound),
        }
    }
}
