//! Fields of Anthropic Messages that clients and hosts of Chat Completions write too, in the same form: cache marks and
//! thinking blocks.

use tt_core::call::conversation::{CacheTtl, Origin, Part, Signature, Thinking};
use tt_core::{Dialect, Provider};

use super::object::Object;
use crate::error::RequestError;

/// The origin of blocks that only Anthropic can read. A client sends them back without the name of the model.
pub(super) const ANTHROPIC: Origin = Origin::of(Dialect::AnthropicMessages, Provider::Anthropic);

/// Takes the cache mark `cache_control` of a part, a tool or a whole request.
pub(super) fn cache_mark(owner: &mut Object<'_>) -> Result<Option<CacheTtl>, RequestError> {
    let Some(control) = owner.take("cache_control") else { return Ok(None) };
    let mut control = Object::of(control, owner.at("cache_control"))?;
    if control.need_string("type")? != "ephemeral" {
        return Err(control.at("type").malformed("must be ephemeral"));
    }
    match control.string("ttl")?.as_deref() {
        None | Some("5m") => Ok(Some(CacheTtl::FiveMinutes)),
        Some("1h") => Ok(Some(CacheTtl::OneHour)),
        Some(_) => Err(control.at("ttl").malformed("must be 5m or 1h")),
    }
}

/// Reads a block of thinking, with its signature or redacted.
pub(super) fn thinking_block(mut block: Object<'_>) -> Result<Part, RequestError> {
    match block.need_string("type")?.as_str() {
        "thinking" => {
            let signature = block.string("signature")?.filter(|value| !value.is_empty());
            Ok(Part::Thinking(Thinking {
                text: block.string("thinking")?.unwrap_or_default(),
                signature: signature.map(|value| Signature { of: ANTHROPIC, value }),
                ..Thinking::default()
            }))
        }
        "redacted_thinking" => Ok(Part::Redacted { data: block.need_string("data")?, of: ANTHROPIC }),
        _ => Err(block.at("type").malformed("must be thinking or redacted_thinking")),
    }
}
