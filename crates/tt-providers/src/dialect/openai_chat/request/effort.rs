//! Encodes the amount of thinking (`reasoning_effort`).

use tt_core::Dialect;
use tt_core::call::conversation::{Conversation, Effort};
use tt_core::call::field::Field;

use crate::codec::Target;
use crate::notes::Notes;

/// The effort to send. A client of another dialect does not know OpenAI's models: for a model that is not known to think it
/// is left out, and else it is the nearest that the model takes.
pub(super) fn effort(conversation: &Conversation, target: Target<'_>, notes: &mut Notes) -> Option<&'static str> {
    sent(conversation, target, notes).map(Effort::as_str)
}

fn sent(conversation: &Conversation, target: Target<'_>, notes: &mut Notes) -> Option<Effort> {
    let asked = conversation.thinking.nearest_effort();
    if conversation.extra.of.is_none_or(|of| matches!(of, Dialect::OpenAiChat | Dialect::OpenAiResponses)) {
        if conversation.thinking.in_other_words() {
            notes.changed(Field::Effort, "sent as the nearest effort");
        }
        return asked;
    }
    let can = target.facts.map(|facts| facts.capabilities).unwrap_or_default();
    if can.reasoning != Some(true) {
        if asked.map_or(conversation.thinking.in_other_words(), |effort| effort != Effort::None) {
            notes.dropped(Field::Effort, "the model is not known to think");
        }
        return None;
    }
    if asked.is_none() && conversation.thinking.in_other_words() {
        notes.dropped(Field::Effort, "the model has no such amount");
    }
    let minimal = if can.minimal_reasoning_effort == Some(true) { Effort::Minimal } else { Effort::Low };
    let most = if can.xhigh_reasoning_effort == Some(true) { Effort::XHigh } else { Effort::High };
    let sent = match asked? {
        Effort::None if can.none_reasoning_effort != Some(true) => minimal,
        Effort::Minimal => minimal,
        Effort::XHigh => most,
        Effort::Max if can.max_reasoning_effort != Some(true) => most,
        other => other,
    };
    if Some(sent) != conversation.thinking.effort {
        notes.changed(Field::Effort, "sent as the nearest effort");
    }
    Some(sent)
}
