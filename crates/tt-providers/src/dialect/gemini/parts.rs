//! Decodes one part of an answer, for whole answers and for streams.

use tt_core::call::media::Media;
use tt_core::call::origin::{Origin, Signature};
use tt_core::call::part::{Audio, Document, Image, Part, Video};
use tt_core::call::tool::ToolCall;
use tt_core::{Dialect, Provider};

use super::{call_ids, wire};
use crate::codec::Undo;
use crate::dialect::compact::compact;
use crate::dialect::custom_tool;

/// The contents of a part.
#[derive(Debug)]
pub(super) enum Piece {
    /// Visible text. It is empty only where it carries a signature.
    Text { text: String, signature: Option<Signature> },
    /// Thinking, which Gemini shows only on demand (`includeThoughts`).
    Thinking { text: String, signature: Option<Signature> },
    /// A call, with all its arguments.
    Call(ToolCall),
    /// A picture, sound or document that the model made.
    Media { mime: String, data: String, signature: Option<Signature> },
}

/// The origin of the signatures in an answer of `model`.
pub(super) fn origin(model: &str) -> Origin {
    Origin::with_model(Dialect::Gemini, Provider::Gemini, model)
}

/// A picture, sound, film or document that the model made, by its media type.
pub(super) fn drawn(mime: String, data: String, signature: Option<Signature>) -> Part {
    let kind = mime.split('/').next().unwrap_or_default().to_owned();
    let media = Media::Inline { mime, data };
    match kind.as_str() {
        "image" => Part::Image(Image { signature, ..Image::new(media) }),
        "audio" => Part::Audio(Audio::new(media)),
        "video" => Part::Video(Video { media, metadata: None }),
        _ => Part::Document(Document::new(media)),
    }
}

/// Decodes a part. `None` for a part that the client does not see: empty text (3.x models end with one), and the work
/// of the provider's own tools (`executableCode`, `codeExecutionResult`, `toolCall`, `toolResponse`).
pub(super) fn piece(part: wire::Part<'_>, of: &Origin, undo: &Undo) -> Option<Piece> {
    let signature =
        part.thought_signature.filter(|value| !value.is_empty()).map(|value| Signature { of: of.clone(), value });
    if let Some(call) = part.function_call {
        return call_of(call, signature, undo).map(Piece::Call);
    }
    if let Some(blob) = part.inline_data {
        return Some(Piece::Media { mime: blob.mime_type?, data: blob.data?, signature });
    }
    let text = part.text?;
    match (text.is_empty() && signature.is_none(), part.thought) {
        (true, _) => None,
        (false, Some(true)) => Some(Piece::Thinking { text, signature }),
        (false, _) => Some(Piece::Text { text, signature }),
    }
}

fn call_of(call: wire::FunctionCall<'_>, signature: Option<Signature>, undo: &Undo) -> Option<ToolCall> {
    let Some(sent) = call.name.filter(|name| !name.is_empty()) else {
        tracing::warn!("Gemini calls a function without naming it");
        return None;
    };
    let name = undo.tool_name(&sent).to_owned();
    let arguments = call.args.map_or_else(|| "{}".to_owned(), |args| compact(args.get()));
    let custom = undo.custom_tools.contains(&name);
    Some(ToolCall {
        id: call.id.filter(|id| !id.is_empty()).unwrap_or_else(call_ids::make_up),
        arguments: if custom { custom_tool::input(&arguments) } else { arguments },
        name,
        custom,
        signature,
        ..ToolCall::default()
    })
}
