//! Encodes messages as `contents` and `systemInstruction` (`MAPPING.md`, History).

mod wire;

use memchr::memmem;
use serde_json::value::RawValue;
use tt_core::call::conversation::{
    Conversation, Document, Image, Media, Message, Opaque, Part as Said, Role, Signature, Text, Thinking, ToolCall,
    ToolResult, Video,
};
use tt_core::call::field::Field;
use tt_core::{Dialect, Provider};

pub(super) use self::wire::{Content, SystemInstruction};
use self::wire::{FunctionCall, FunctionResponse, FunctionResponsePart, Output, Part};
use super::super::foreign;
use super::super::waiting_calls::WaitingCalls;
use super::call_ids;
use super::family::Family;
use super::media::{self, Blob, MediaPart, media};
use super::tools::Names;
use crate::error::RequestError;
use crate::json;
use crate::notes::Notes;

/// The value that replaces a signature which the client did not send back
/// ([documented](https://ai.google.dev/gemini-api/docs/thought-signatures)).
pub(super) const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The same value in base64, as some clients write signatures.
const NO_SIGNATURE_BASE64: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

/// True for the value that clients send where they have no signature.
pub(super) fn is_no_signature(value: &str) -> bool {
    value == NO_SIGNATURE || value == NO_SIGNATURE_BASE64
}

/// The encoded messages.
#[derive(Debug)]
pub(super) struct Contents<'a> {
    pub(super) system: Option<SystemInstruction<'a>>,
    pub(super) contents: Vec<Content<'a>>,
}

/// A call that waits for its result.
#[derive(Debug)]
struct Pending<'a> {
    /// The call's id as the client knows it.
    id: &'a str,
    name: String,
    result: Option<FunctionResponse<'a>>,
}

/// Encodes the messages.
///
/// # Errors
///
/// `Unsupported` for parts that Gemini has no field for, for a call without a result, for a result without a call, and
/// for a conversation of which nothing is left to send.
pub(super) fn encode<'a>(
    conversation: &'a Conversation,
    (model, family): (&'a str, Family),
    names: &'a Names,
    notes: &mut Notes,
) -> Result<Contents<'a>, RequestError> {
    let mut encoder = Encoder {
        model,
        family,
        names,
        system: Vec::new(),
        contents: Vec::new(),
        pending: Vec::new(),
        waiting: WaitingCalls::default(),
        beside: Vec::new(),
        notes,
    };
    let mut calls_at = 0;
    for (i, message) in conversation.messages.iter().enumerate() {
        encoder.note_dropped(message);
        let answers = message.role == Role::User && message.parts.iter().any(is_result);
        if matches!(message.role, Role::User | Role::Assistant) && !answers {
            encoder.close_results(calls_at)?;
        }
        match message.role {
            Role::System | Role::Developer => encoder.instructions(i, message)?,
            Role::User if answers => {
                encoder.results(i, message)?;
                if !message.parts.iter().all(is_result) {
                    encoder.close_results(calls_at)?;
                    encoder.user(i, message)?;
                }
            }
            Role::User => encoder.user(i, message)?,
            Role::Assistant => {
                encoder.assistant(i, message)?;
                calls_at = i;
            }
            Role::Tool => encoder.results(i, message)?,
        }
    }
    encoder.close_results(calls_at)?;
    let Encoder { system, mut contents, notes, .. } = encoder;
    if contents.is_empty() {
        return Err(RequestError::unsupported(
            Field::Messages,
            "Gemini needs at least one message that is not an instruction",
        ));
    }
    if family.checks_signatures {
        replace_lost_signatures(&mut contents, notes);
    }
    Ok(Contents { system: (!system.is_empty()).then_some(SystemInstruction { parts: system }), contents })
}

/// Gemini 3 refuses a step of the current turn whose first call lacks its signature. The turn begins with the
/// last thing the user said.
fn replace_lost_signatures(contents: &mut [Content<'_>], notes: &mut Notes) {
    let turn = contents.iter().rposition(|content| content.role == "user" && !content.results).unwrap_or(0);
    for step in contents.iter_mut().skip(turn).filter(|content| content.role == "model") {
        if let Some(first) = step.parts.iter_mut().find(|part| part.function_call.is_some()) {
            first.thought_signature.get_or_insert_with(|| {
                notes.changed(Field::Signatures, "the signature of a call is lost: Gemini is told not to check it");
                NO_SIGNATURE
            });
        }
    }
}

struct Encoder<'a, 'n> {
    model: &'a str,
    family: Family,
    names: &'a Names,
    system: Vec<Part<'a>>,
    contents: Vec<Content<'a>>,
    pending: Vec<Pending<'a>>,
    /// The places in `pending` of the calls without a result.
    waiting: WaitingCalls<'a>,
    /// The media of tool results that this model does not take inside the results.
    beside: Vec<Part<'a>>,
    notes: &'n mut Notes,
}

impl<'a> Encoder<'a, '_> {
    fn note_dropped(&mut self, message: &Message) {
        // The name beside the result of a tool is that of the function.
        if message.name.is_some() && message.role != Role::Tool {
            self.notes.dropped(Field::SpeakerName, "");
        }
        if message.parts.iter().any(|part| part.cache().is_some()) {
            self.notes.dropped(Field::CacheMarks, "");
        }
    }

    /// The value of a signature, if the model can read it.
    fn ours(&mut self, signature: Option<&'a Signature>) -> Option<&'a str> {
        let found = signature.and_then(|signature| signature.for_model(Provider::Gemini, self.model));
        if signature.is_some() && found.is_none() {
            self.notes.dropped(Field::Signatures, "only the model that made it can read it");
        }
        found
    }

    /// Gemini refuses empty text. An empty text with a signature is sent all the same: the signature must come back on
    /// it.
    fn text(&mut self, text: &'a Text) -> Option<Part<'a>> {
        if !text.citations.is_empty() {
            self.notes.dropped(Field::Citations, "");
        }
        let thought_signature = self.ours(text.signature.as_ref());
        (!text.text.is_empty() || thought_signature.is_some()).then(|| Part {
            text: Some(&text.text),
            thought_signature,
            ..Part::default()
        })
    }

    fn media(&mut self, i: usize, j: usize, said: &'a Said) -> Result<Part<'a>, RequestError> {
        let mut part = media_part(i, j, said)?;
        match said {
            Said::Image(Image { signature, .. }) => part.thought_signature = self.ours(signature.as_ref()),
            Said::Video(Video { metadata, .. }) => part.video_metadata = metadata.as_ref(),
            Said::Document(document) => self.note_lost(document),
            _ => {}
        }
        Ok(part)
    }

    /// Notes what Gemini has no field for.
    fn note_lost(&mut self, document: &Document) {
        let title = document.title.as_ref().is_some_and(|title| !title.is_empty());
        for (field, said) in
            [("title", title), ("context", document.context.is_some()), ("citations", document.citations)]
        {
            if said {
                self.notes.dropped(Field::written(field), "Gemini has no such field of a document");
            }
        }
    }

    fn opaque(&mut self, i: usize, j: usize, opaque: &Opaque) -> Result<Option<Part<'a>>, RequestError> {
        let at = Field::Part { message: i, part: j };
        if !foreign::keeps(opaque, (Dialect::Gemini, Provider::Gemini), &at, self.notes)? {
            return Ok(None);
        }
        let raw = json::object(opaque.raw.as_bytes()).map_err(|_| misplaced(i, j, "the part is no JSON object"))?;
        Ok(Some(Part { opaque: Some(raw), ..Part::default() }))
    }

    fn instructions(&mut self, i: usize, message: &'a Message) -> Result<(), RequestError> {
        if !self.contents.is_empty() {
            self.notes
                .changed(Field::Message(i), "moved to the top: Gemini takes no instructions inside the conversation");
        }
        for (j, said) in message.parts.iter().enumerate() {
            match said {
                Said::Text(text) => {
                    let part = plain(&text.text);
                    self.system.extend(part);
                }
                Said::Refusal { text } => self.system.extend(plain(text)),
                _ => return Err(misplaced(i, j, "Gemini takes only text as instructions")),
            }
        }
        Ok(())
    }

    fn user(&mut self, i: usize, message: &'a Message) -> Result<(), RequestError> {
        let mut parts = Vec::new();
        for (j, said) in message.parts.iter().enumerate() {
            match said {
                Said::Text(text) => parts.extend(self.text(text)),
                Said::Refusal { text } => parts.extend(plain(text)),
                Said::Image(_) | Said::Audio(_) | Said::Video(_) | Said::Document(_) => {
                    parts.push(self.media(i, j, said)?);
                }
                Said::Opaque(opaque) => parts.extend(self.opaque(i, j, opaque)?),
                Said::Thinking(_) | Said::Redacted { .. } => {
                    self.notes.dropped(Field::Thinking, "thinking is the assistant's alone");
                }
                // Results stand in a content of their own, before what the user says.
                Said::ToolResult(_) | Said::WebSearch { .. } => {}
                Said::ToolCall(_) => {
                    return Err(misplaced(i, j, "the user calls no tools"));
                }
            }
        }
        if parts.is_empty() {
            return Err(RequestError::unsupported(Field::Content(i), "Gemini refuses an empty message"));
        }
        self.push("user", parts);
        Ok(())
    }

    fn assistant(&mut self, i: usize, message: &'a Message) -> Result<(), RequestError> {
        let mut parts = Vec::new();
        for (j, said) in message.parts.iter().enumerate() {
            match said {
                Said::Text(text) => parts.extend(self.text(text)),
                Said::Refusal { text } => parts.extend(plain(text)),
                Said::Image(_) | Said::Audio(_) | Said::Video(_) | Said::Document(_) => {
                    parts.push(self.media(i, j, said)?);
                }
                Said::Opaque(opaque) => parts.extend(self.opaque(i, j, opaque)?),
                Said::ToolCall(call) => {
                    let field = Field::Arguments { message: i, call: self.pending.len() };
                    let args = arguments(call)
                        .ok_or_else(|| RequestError::malformed(field, "must be a JSON object as text"))?;
                    parts.push(self.call(call, args));
                }
                // Gemini ignores thoughts without a signature, and a signature of another provider is never sent.
                Said::Thinking(Thinking { text, signature, .. }) => {
                    let model = self.model;
                    let signature = signature.as_ref().and_then(|by| by.for_model(Provider::Gemini, model));
                    if signature.is_none() {
                        self.notes.dropped(Field::Thinking, "Gemini takes only thinking that it has signed");
                    }
                    parts.extend(signature.map(|signature| Part {
                        text: Some(text),
                        thought: Some(true),
                        thought_signature: Some(signature),
                        ..Part::default()
                    }));
                }
                Said::Redacted { .. } => {
                    self.notes.dropped(Field::Thinking, "Gemini takes only thinking that it has signed");
                }
                Said::WebSearch { .. } => {}
                Said::ToolResult(_) => {
                    return Err(misplaced(i, j, "the model gives no results of tools"));
                }
            }
        }
        // An empty message is left out, and its neighbours merge.
        if !parts.is_empty() {
            self.push("model", parts);
        }
        Ok(())
    }

    fn call(&mut self, call: &'a ToolCall, args: Box<RawValue>) -> Part<'a> {
        let name = self.names.sent(&call.name);
        self.waiting.add(&call.id, self.pending.len());
        self.pending.push(Pending { id: &call.id, name: name.clone(), result: None });
        let id = Some(call.id.as_str()).filter(|id| call_ids::from_gemini(id));
        Part {
            function_call: Some(FunctionCall { id, name, args }),
            thought_signature: self.ours(call.signature.as_ref()),
            ..Part::default()
        }
    }

    fn results(&mut self, i: usize, message: &'a Message) -> Result<(), RequestError> {
        for (j, said) in message.parts.iter().enumerate() {
            let Said::ToolResult(ToolResult { id, content, is_error, .. }) = said else {
                if message.role == Role::User {
                    continue;
                }
                return Err(misplaced(i, j, "only the result of a call belongs here"));
            };
            let Some(waiting) = self.waiting.answer(id) else {
                return Err(RequestError::unsupported(
                    Field::ResultId(i),
                    format!("{id} is no call of the model before it, or it has a result already"),
                ));
            };
            let (output, parts) = self.output(i, content, *is_error)?;
            if let Some(call) = self.pending.get_mut(waiting) {
                let id = Some(id.as_str()).filter(|id| call_ids::from_gemini(id));
                call.result = Some(FunctionResponse { id, name: call.name.clone(), response: output, parts });
            }
        }
        Ok(())
    }

    /// Encodes a tool result. Its texts are joined. Media stand inside the response if the model reads them there, else
    /// in a content of their own behind it.
    fn output(
        &mut self,
        i: usize,
        content: &'a [Said],
        is_error: bool,
    ) -> Result<(Output, Vec<FunctionResponsePart<'a>>), RequestError> {
        let mut texts: Vec<&str> = Vec::new();
        let mut inside = Vec::new();
        for (j, said) in content.iter().enumerate() {
            match said {
                Said::Text(Text { text, .. }) | Said::Refusal { text } => texts.push(text),
                Said::Document(Document { media: Media::Text(text), .. }) => texts.push(text),
                Said::Image(Image { media: Media::Inline { mime, data }, .. })
                | Said::Document(Document { media: Media::Inline { mime, data }, .. })
                    if self.family.media_in_results && media::fits_result(mime) =>
                {
                    inside.push(FunctionResponsePart { inline_data: Blob::new(mime, data) });
                }
                Said::Image(_) | Said::Audio(_) | Said::Video(_) | Said::Document(_) => {
                    let part = self.media(i, j, said)?;
                    self.beside.push(part);
                }
                Said::Opaque(opaque) => {
                    let (here, at) = ((Dialect::Gemini, Provider::Gemini), Field::Part { message: i, part: j });
                    match foreign::in_words(opaque, here, &at, self.notes) {
                        Some(text) => texts.push(text),
                        None => {
                            let part = self.opaque(i, j, opaque)?;
                            self.beside.extend(part);
                        }
                    }
                }
                _ => return Err(misplaced(i, j, "a tool's result holds text, pictures and files")),
            }
        }
        let text = texts.join("\n");
        let output = if is_error { Output::Error { error: text } } else { Output::of(text) };
        Ok((output, inside))
    }

    /// Ends a turn of results: they become one content, in the order of the calls, as many as there are calls.
    fn close_results(&mut self, calls_at: usize) -> Result<(), RequestError> {
        let mut parts = Vec::new();
        self.waiting.clear();
        for call in self.pending.drain(..) {
            let result = call.result.ok_or_else(|| {
                RequestError::malformed(Field::ToolCalls(calls_at), format!("the call {} has no result", call.id))
            })?;
            parts.push(Part { function_response: Some(result), ..Part::default() });
        }
        if !parts.is_empty() {
            self.contents.push(Content { role: "user", parts, results: true });
        }
        if !self.beside.is_empty() {
            let parts = std::mem::take(&mut self.beside);
            self.contents.push(Content { role: "user", parts, results: true });
        }
        Ok(())
    }

    /// Appends a content. Neighbours of one role merge, but nothing merges into results: Gemini counts their parts
    /// against the calls.
    fn push(&mut self, role: &'static str, parts: Vec<Part<'a>>) {
        match self.contents.last_mut() {
            Some(last) if last.role == role && !last.results => last.parts.extend(parts),
            _ => self.contents.push(Content { role, parts, results: false }),
        }
    }
}

fn is_result(part: &Said) -> bool {
    matches!(part, Said::ToolResult(_))
}

impl Output {
    fn of(text: String) -> Self {
        match object(&text) {
            Some(object) if !may_refer(&text) => Self::Object(object),
            _ => Self::Text { output: text },
        }
    }
}

/// True if the JSON may have a key `$ref`. Gemini reads it as the name of a part that the response does not have, and
/// refuses the request.
fn may_refer(json: &str) -> bool {
    [r#""$ref""#, r#"\u0024ref""#].iter().any(|key| memmem::find(json.as_bytes(), key.as_bytes()).is_some())
}

/// The text read as JSON; `None` if it is not an object.
fn object(text: &str) -> Option<Box<RawValue>> {
    text.trim_start().starts_with('{').then(|| RawValue::from_string(text.to_owned()).ok())?
}

fn arguments(call: &ToolCall) -> Option<Box<RawValue>> {
    if call.custom {
        return object(&serde_json::json!({"input": call.arguments}).to_string());
    }
    let text = call.arguments.trim();
    object(if text.is_empty() || text == "null" { "{}" } else { text })
}

/// A text part; `None` for empty text, which Gemini refuses.
fn plain(text: &str) -> Option<Part<'_>> {
    (!text.is_empty()).then(|| Part { text: Some(text), ..Part::default() })
}

fn media_part<'a>(i: usize, j: usize, said: &'a Said) -> Result<Part<'a>, RequestError> {
    match media(said) {
        Some(MediaPart::Inline(blob)) => Ok(Part { inline_data: Some(blob), ..Part::default() }),
        Some(MediaPart::File(file)) => Ok(Part { file_data: Some(file), ..Part::default() }),
        Some(MediaPart::Text(text)) => Ok(Part { text: Some(text), ..Part::default() }),
        None => Err(misplaced(i, j, "a file id of another provider means nothing to Gemini; send the data")),
    }
}

fn misplaced(i: usize, j: usize, reason: &str) -> RequestError {
    RequestError::unsupported(Field::Part { message: i, part: j }, reason)
}
