//! Thinking of a stream, while it grows.

use bytes::BytesMut;
use serde_json::{Value, json};
use tt_core::call::origin::Signature;
use tt_core::call::part::Thinking;

use super::events::Events;
use super::output;

/// Open thinking: the paragraphs of its summary, and what only the provider can read.
#[derive(Debug, Default)]
pub(super) struct Reasoning {
    /// The index and the id of the item; `None` until there is something to show.
    item: Option<(u32, String)>,
    summary: Vec<String>,
    /// The number of the paragraph that grows, as the provider counts.
    part: u32,
    signature: Option<Signature>,
    encrypted: Option<Signature>,
}

impl Reasoning {
    /// Thinking that begins, without its text.
    pub(super) fn of(thinking: &Thinking) -> Self {
        let Thinking { signature, encrypted, .. } = thinking;
        Self { signature: signature.clone(), encrypted: encrypted.clone(), ..Self::default() }
    }

    /// The length of what is kept, in bytes.
    pub(super) fn kept_bytes(&self) -> usize {
        let signature = |signature: &Option<Signature>| signature.as_ref().map_or(0, |one| one.value.len());
        self.summary.iter().map(String::len).sum::<usize>() + signature(&self.signature) + signature(&self.encrypted)
    }

    pub(super) fn sign(&mut self, signature: Signature) {
        self.signature = Some(signature);
    }

    /// True if its item has begun.
    pub(super) const fn is_shown(&self) -> bool {
        self.item.is_some()
    }

    /// True if it has text or something that the provider can read.
    pub(super) const fn has_something_to_show(&self) -> bool {
        self.item.is_some() || self.signature.is_some() || self.encrypted.is_some()
    }

    /// Takes note that its item has begun.
    pub(super) fn show(&mut self, index: u32, id: String) {
        self.item = Some((index, id));
    }

    /// The place of the paragraph that grows, as fields of an event.
    fn place(&self, name: &str, value: Value) -> Value {
        let (index, id) = self.item.as_ref().map_or((0, ""), |(index, id)| (*index, id.as_str()));
        let paragraph = self.summary.len().saturating_sub(1);
        json!({"item_id": id, "output_index": index, "summary_index": paragraph, name: value})
    }

    /// Adds text to the paragraph of that number.
    pub(super) fn think(&mut self, part: u32, text: &str, events: &mut Events, out: &mut BytesMut) {
        if self.summary.is_empty() || self.part != part {
            self.end_paragraph(events, out);
            self.part = part;
            self.summary.push(String::new());
            let fields = self.place("part", output::summary_text(""));
            events.write("response.reasoning_summary_part.added", fields, out);
        }
        let place = format!("\"summary_index\":{},", self.summary.len().saturating_sub(1));
        if let (Some((index, id)), Some(last)) = (&self.item, self.summary.last_mut()) {
            events.delta("response.reasoning_summary_text.delta", (id, *index), &place, text, out);
            last.push_str(text);
        }
    }

    fn end_paragraph(&self, events: &mut Events, out: &mut BytesMut) {
        let Some(text) = self.summary.last() else { return };
        events.write("response.reasoning_summary_text.done", self.place("text", text.as_str().into()), out);
        let fields = self.place("part", output::summary_text(text));
        events.write("response.reasoning_summary_part.done", fields, out);
    }

    /// Ends it. Gives the index and the item.
    pub(super) fn end(self, events: &mut Events, out: &mut BytesMut) -> (u32, Value) {
        self.end_paragraph(events, out);
        let Self { item, summary, signature, encrypted, .. } = self;
        let (index, id) = item.unwrap_or_default();
        let whole = Thinking { summary, signature, encrypted, ..Thinking::default() };
        let texts: Vec<&str> = whole.summary.iter().map(String::as_str).collect();
        (index, output::reasoning(&id, &texts, output::encrypted(&whole)))
    }
}
