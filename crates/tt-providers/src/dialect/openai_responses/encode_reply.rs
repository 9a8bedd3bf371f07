//! Encodes a whole answer for a client of Responses.

use serde_json::{Value, json};
use tt_core::call::part::{Part, Text};
use tt_core::call::reply::Reply;

use super::carried;
use super::output::{self, CallKind, ItemIds};
use super::response::{Repeated, Response, Status};
use super::tool_names::ToolNames;
use crate::codec::ReplyContext;

/// Writes an answer. Of several choices, the first is given.
pub(super) fn encode_reply(reply: &Reply, context: &ReplyContext, repeated: &Repeated, names: &ToolNames) -> Vec<u8> {
    let choice = reply.choices.first();
    let parts = choice.map_or(&[][..], |choice| choice.parts.as_slice());
    let refused = parts.iter().any(|part| matches!(part, Part::Refusal { .. }));
    let status = Status::of(choice.and_then(|choice| choice.finish.as_ref()), refused);
    let mut items = Items { ids: ItemIds::of(context.id), names, message: None, items: Vec::new() };
    parts.iter().for_each(|part| items.part(part));
    items.close();
    if let Some(logprobs) = choice.and_then(|choice| choice.logprobs.as_ref()).and_then(|all| all.get("content")) {
        items.logprobs(logprobs);
    }
    // A search is whole when it is told.
    let ends = |last: &Value| last.get("status").is_some() && last["type"] != "web_search_call";
    if let Some(last) = items.items.last_mut().filter(|last| ends(last)) {
        last["status"] = status.word().into();
    }
    let response = Response::new(&reply.id, &reply.model, context, repeated);
    response.object(status, items.items.into(), reply.usage.as_ref()).to_string().into_bytes()
}

struct Items<'a> {
    ids: ItemIds,
    names: &'a ToolNames,
    /// The message that neighbouring texts belong to.
    message: Option<Message>,
    items: Vec<Value>,
}

/// A message, whose texts are one.
#[derive(Default)]
struct Message {
    text: String,
    annotations: Vec<Value>,
    refusal: String,
    signatures: Vec<String>,
}

impl Items<'_> {
    fn part(&mut self, part: &Part) {
        match part {
            Part::Text(text) => self.text(text),
            Part::Refusal { text } => self.message.get_or_insert_default().refusal.push_str(text),
            Part::Thinking(thinking) => {
                let (summary, encrypted) = (thinking.texts().collect::<Vec<_>>(), output::encrypted(thinking));
                if !summary.is_empty() || encrypted.is_some() {
                    self.close();
                    let id = self.ids.next("rs");
                    self.items.push(output::reasoning(&id, &summary, encrypted));
                }
            }
            Part::Redacted { data, of } => self.carry(carried::redacted(data, of)),
            Part::ToolCall(call) => {
                if let Some(signature) = &call.signature {
                    self.carry(carried::call(signature));
                }
                self.close();
                let kind = CallKind::of(call, self.names);
                let id = self.ids.next(kind.prefix());
                let arguments = if call.arguments.is_empty() && !call.custom { "{}" } else { &call.arguments };
                self.items.push(kind.item(&id, "completed", call, arguments, self.names));
            }
            Part::Image(image) => {
                self.close();
                let id = self.ids.next("ig");
                self.items.extend(output::picture(&id, image));
            }
            Part::WebSearch { query } => {
                self.close();
                let id = self.ids.next("ws");
                self.items.push(output::web_search(&id, query));
            }
            Part::Audio(_) | Part::Video(_) | Part::Document(_) => {
                tracing::warn!("answers of Responses hold no sound and no files: they are left out");
            }
            Part::Opaque(_) | Part::ToolResult(_) => {}
        }
    }

    fn text(&mut self, text: &Text) {
        if !text.text.is_empty() {
            let message = self.message.get_or_insert_default();
            let place = (message.text.chars().count() as u64, text.text.chars().count() as u64);
            message.annotations.extend(text.citations.iter().filter_map(|one| output::annotation(one, place)));
            message.text.push_str(&text.text);
        }
        if let Some(signature) = &text.signature {
            match &mut self.message {
                Some(message) => message.signatures.push(carried::text(signature)),
                None => self.carry(carried::text(signature)),
            }
        }
    }

    /// Writes the log probabilities of the answer on its text. They are not told apart by texts, so they stay out where there
    /// are several.
    fn logprobs(&mut self, logprobs: &Value) {
        let contents = self.items.iter_mut().filter_map(|item| item.get_mut("content")?.as_array_mut());
        let mut texts: Vec<_> = contents.flatten().filter(|part| part["type"] == "output_text").collect();
        if let [text] = texts.as_mut_slice() {
            text["logprobs"] = logprobs.clone();
        }
    }

    /// Adds a reasoning item that holds only what the provider can read.
    fn carry(&mut self, encrypted: String) {
        self.close();
        let id = self.ids.next("rs");
        self.items.push(output::reasoning(&id, &[], Some(encrypted)));
    }

    /// Ends the message.
    fn close(&mut self) {
        let Some(message) = self.message.take() else { return };
        let id = self.ids.next("msg");
        let mut content = Vec::new();
        if !message.text.is_empty() || message.refusal.is_empty() {
            content.push(output::text(&message.text, &message.annotations, json!([])));
        }
        if !message.refusal.is_empty() {
            content.push(output::refusal(&message.refusal));
        }
        self.items.push(output::message(&id, "completed", content));
        message.signatures.into_iter().for_each(|signature| self.carry(signature));
    }
}
