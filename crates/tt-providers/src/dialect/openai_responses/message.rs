//! A message of a stream, while it grows.

use bytes::BytesMut;
use serde_json::{Value, json};
use tt_core::call::citation::Citation;

use super::events::Events;
use super::output;
use crate::dialect::logprobs::Logprobs;

/// The open message. All its text is one part; a refusal is another one.
#[derive(Debug)]
pub(super) struct Message {
    index: u32,
    id: String,
    text: Option<Growing>,
    refusal: Option<Growing>,
    annotations: Vec<Value>,
    /// The log probabilities of the text.
    logprobs: Logprobs,
    /// The citations of the text since the last block, whose length is not known yet.
    cited: Vec<Citation>,
    /// The characters before that text, and up to now.
    characters: (u64, u64),
    /// Signatures of the text, each for an item of its own behind the message.
    signatures: Vec<String>,
}

/// A part that grows: its number within the message, and its text.
#[derive(Debug)]
struct Growing {
    number: u32,
    text: String,
}

impl Message {
    /// A message without parts.
    pub(super) const fn new(index: u32, id: String) -> Self {
        Self {
            index,
            id,
            text: None,
            refusal: None,
            annotations: Vec::new(),
            logprobs: Logprobs::new(),
            cited: Vec::new(),
            characters: (0, 0),
            signatures: Vec::new(),
        }
    }

    /// The length of what is kept, in bytes.
    pub(super) fn kept_bytes(&self) -> usize {
        let length = |part: &Option<Growing>| part.as_ref().map_or(0, |part| part.text.len());
        let signatures = self.signatures.iter().map(String::len).sum::<usize>();
        length(&self.text) + length(&self.refusal) + self.logprobs.kept_bytes() + signatures
    }

    /// Adds text, with its log probabilities.
    pub(super) fn text(&mut self, text: &str, logprobs: Option<&str>, events: &mut Events, out: &mut BytesMut) {
        let number = u32::from(self.refusal.is_some());
        if self.text.is_none() {
            self.begin(number, output::text("", &[], json!([])), events, out);
        }
        let part = self.text.get_or_insert_with(|| Growing { number, text: String::new() });
        part.text.push_str(text);
        self.characters.1 += text.chars().count() as u64;
        let place = format!("\"content_index\":{},\"logprobs\":{},", part.number, logprobs.unwrap_or("[]"));
        self.logprobs.add(logprobs.unwrap_or("[]"));
        events.delta("response.output_text.delta", (&self.id, self.index), &place, text, out);
    }

    /// Adds words of a refusal.
    pub(super) fn refuse(&mut self, text: &str, events: &mut Events, out: &mut BytesMut) {
        let number = u32::from(self.text.is_some());
        if self.refusal.is_none() {
            self.begin(number, output::refusal(""), events, out);
        }
        let part = self.refusal.get_or_insert_with(|| Growing { number, text: String::new() });
        part.text.push_str(text);
        let place = format!("\"content_index\":{},", part.number);
        events.delta("response.refusal.delta", (&self.id, self.index), &place, text, out);
    }

    fn begin(&self, number: u32, part: Value, events: &mut Events, out: &mut BytesMut) {
        let fields = json!({"item_id": self.id, "output_index": self.index, "content_index": number, "part": part});
        events.write("response.content_part.added", fields, out);
    }

    /// Adds a citation of the text of the open block.
    pub(super) fn cite(&mut self, citation: Citation) {
        self.cited.push(citation);
    }

    /// Adds a signature.
    pub(super) fn sign(&mut self, signature: String) {
        self.signatures.push(signature);
    }

    /// Takes note that a block of text ended: its citations are about the text up to here.
    pub(super) fn next_text(&mut self) {
        let (begin, end) = self.characters;
        let place = (begin, end - begin);
        self.annotations.extend(self.cited.drain(..).filter_map(|citation| output::annotation(&citation, place)));
        self.characters.0 = end;
    }

    /// Writes the ends of the parts. Gives the index and the item, and the signatures that go behind it.
    pub(super) fn end(mut self, status: &str, events: &mut Events, out: &mut BytesMut) -> (u32, Value, Vec<String>) {
        self.next_text();
        let Self { index, id, text, refusal, annotations, logprobs, signatures, .. } = self;
        let mut content: Vec<(u32, Value)> = Vec::with_capacity(2);
        let place = |number: u32| json!({"item_id": id, "output_index": index, "content_index": number});
        let with = |number: u32, name: &str, value: Value| {
            let mut fields = place(number);
            fields[name] = value;
            fields
        };
        if let Some(Growing { number, text }) = text {
            for (at, annotation) in annotations.iter().enumerate() {
                let mut fields = with(number, "annotation_index", at.into());
                fields["annotation"] = annotation.clone();
                events.write("response.output_text.annotation.added", fields, out);
            }
            let mut fields = with(number, "text", text.as_str().into());
            let logprobs = logprobs.into_list();
            fields["logprobs"] = logprobs.clone();
            events.write("response.output_text.done", fields, out);
            content.push((number, output::text(&text, &annotations, logprobs)));
        }
        if let Some(Growing { number, text }) = refusal {
            events.write("response.refusal.done", with(number, "refusal", text.as_str().into()), out);
            content.push((number, output::refusal(&text)));
        }
        content.sort_by_key(|(number, _)| *number);
        for (number, part) in &content {
            events.write("response.content_part.done", with(*number, "part", part.clone()), out);
        }
        let content = content.into_iter().map(|(_, part)| part).collect();
        (index, output::message(&id, status, content), signatures)
    }
}
