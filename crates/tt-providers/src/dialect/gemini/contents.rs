//! Messages as `contents` and `systemInstruction`.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tt_core::call::conversation::{
    Conversation, Document, Image, Media, Message, Opaque, Part as Said, Role, Signature, Text, Thinking, ToolCall,
    ToolResult, Video,
};
use tt_core::call::field::Field;
use tt_core::{Dialect, Provider};

use super::super::foreign;
use super::call_ids;
use super::family::Family;
use super::media::{Blob, FileData, MediaPart, media};
use super::tools::Names;
use crate::error::RequestError;
use crate::notes::Notes;

/// Takes the place of a signature that was lost on the way
/// ([documented](https://ai.google.dev/gemini-api/docs/thought-signatures)).
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The messages in Gemini's words.
#[derive(Debug)]
pub(super) struct Contents<'a> {
    pub(super) system: Option<SystemInstruction<'a>>,
    pub(super) contents: Vec<Content<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct SystemInstruction<'a> {
    parts: Vec<Part<'a>>,
}

/// [`Content`](https://ai.google.dev/api/caching#Content).
#[derive(Debug, Serialize)]
pub(super) struct Content<'a> {
    role: &'static str,
    parts: Vec<Part<'a>>,
    /// Made of tools' results: no turn of the user's begins here, and nothing merges into it.
    #[serde(skip)]
    results: bool,
}

/// [`Part`](https://ai.google.dev/api/caching#Part): one field, with a signature and a thought mark beside.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_data: Option<Blob<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<FileData<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<FunctionResponse<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    video_metadata: Option<&'a Value>,
    /// A part of Gemini's own tools, as it came.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    opaque: Option<Map<String, Value>>,
}

#[derive(Debug, Serialize)]
struct FunctionCall<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: String,
    args: Box<RawValue>,
}

#[derive(Debug, Serialize)]
struct FunctionResponse<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: String,
    response: Output,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<FunctionResponsePart<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FunctionResponsePart<'a> {
    inline_data: Blob<'a>,
}

/// A function's response, always an object (`MAPPING.md`, Tool calls in the history).
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Output {
    Object(Box<RawValue>),
    Text { output: String },
    Error { error: String },
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
/// `Unsupported` for parts Gemini has no place for, for a call without a result or a result without a call, and where
/// nothing is left to send.
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
        beside: Vec::new(),
        notes,
    };
    let mut calls_at = 0;
    for (i, message) in conversation.messages.iter().enumerate() {
        encoder.note_dropped(message);
        if matches!(message.role, Role::User | Role::Assistant) {
            encoder.close_results(calls_at)?;
        }
        match message.role {
            Role::System | Role::Developer => encoder.instructions(i, message)?,
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
    /// Media of results that cannot stand inside them.
    beside: Vec<Part<'a>>,
    notes: &'n mut Notes,
}

impl<'a> Encoder<'a, '_> {
    fn note_dropped(&mut self, message: &Message) {
        if message.name.is_some() {
            self.notes.dropped(Field::SpeakerName, "");
        }
        if message.parts.iter().any(|part| part.cache().is_some()) {
            self.notes.dropped(Field::CacheMarks, "");
        }
    }

    /// A signature, where the model can read it.
    fn ours(&mut self, signature: Option<&'a Signature>) -> Option<&'a str> {
        let found = signature.and_then(|signature| signature.for_model(Provider::Gemini, self.model));
        if signature.is_some() && found.is_none() {
            self.notes.dropped(Field::Signatures, "only the model that made it can read it");
        }
        found
    }

    /// Empty text is refused, but its signature must come back on an empty part.
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
            _ => {}
        }
        Ok(part)
    }

    fn opaque(&mut self, i: usize, j: usize, opaque: &Opaque) -> Result<Option<Part<'a>>, RequestError> {
        let at = Field::Part { message: i, part: j };
        if !foreign::keeps(opaque, (Dialect::Gemini, Provider::Gemini), &at, self.notes)? {
            return Ok(None);
        }
        let raw = serde_json::from_str(&opaque.raw).map_err(|_| misplaced(i, j, "the part is no JSON object"))?;
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
                Said::ToolCall(_) | Said::ToolResult(_) => {
                    return Err(misplaced(i, j, "calls and results of tools do not belong in a user message"));
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
                        .ok_or_else(|| RequestError::unsupported(field, "must be a JSON object as text"))?;
                    parts.push(self.call(call, args));
                }
                // Unsigned thoughts mean nothing to it, and another's signature is never sent.
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
                Said::ToolResult(_) => {
                    return Err(misplaced(i, j, "results of tools do not belong in an assistant message"));
                }
            }
        }
        // Nothing left: the message goes and its neighbours merge.
        if !parts.is_empty() {
            self.push("model", parts);
        }
        Ok(())
    }

    fn call(&mut self, call: &'a ToolCall, args: Box<RawValue>) -> Part<'a> {
        let name = self.names.sent(&call.name);
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
                return Err(misplaced(i, j, "a tool message holds the result of a call"));
            };
            let waiting = self.pending.iter().position(|call| call.id == id && call.result.is_none());
            let Some(waiting) = waiting else {
                return Err(RequestError::unsupported(
                    Field::ResultId(i),
                    format!("{id} is no call of the assistant message before, or it has a result already"),
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

    /// Text joined; media inside the response where the model reads them there, else in a message of their own behind.
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
                    if self.family.media_in_results =>
                {
                    inside.push(FunctionResponsePart { inline_data: Blob::new(mime, data) });
                }
                Said::Image(_) | Said::Audio(_) | Said::Video(_) | Said::Document(_) => {
                    let part = self.media(i, j, said)?;
                    self.beside.push(part);
                }
                Said::Opaque(opaque) => {
                    let part = self.opaque(i, j, opaque)?;
                    self.beside.extend(part);
                }
                _ => return Err(misplaced(i, j, "a tool's result holds text, pictures and files")),
            }
        }
        let text = texts.join("\n");
        let output = if is_error { Output::Error { error: text } } else { Output::of(text) };
        Ok((output, inside))
    }

    /// All results of one turn become one content, in the order of the calls, as many as there are calls.
    fn close_results(&mut self, calls_at: usize) -> Result<(), RequestError> {
        let mut parts = Vec::new();
        for call in self.pending.drain(..) {
            let result = call.result.ok_or_else(|| {
                RequestError::unsupported(Field::ToolCalls(calls_at), format!("the call {} has no result", call.id))
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

    /// Neighbours of one role merge, but not into results: there the API counts parts against calls.
    fn push(&mut self, role: &'static str, parts: Vec<Part<'a>>) {
        match self.contents.last_mut() {
            Some(last) if last.role == role && !last.results => last.parts.extend(parts),
            _ => self.contents.push(Content { role, parts, results: false }),
        }
    }
}

impl Output {
    fn of(text: String) -> Self {
        match object(&text) {
            Some(object) => Self::Object(object),
            None => Self::Text { output: text },
        }
    }
}

/// The text as JSON, if it is an object.
fn object(text: &str) -> Option<Box<RawValue>> {
    text.trim_start().starts_with('{').then(|| RawValue::from_string(text.to_owned()).ok())?
}

fn arguments(call: &ToolCall) -> Option<Box<RawValue>> {
    if call.custom {
        return object(&serde_json::json!({"input": call.arguments}).to_string());
    }
    let text = call.arguments.trim();
    object(if text.is_empty() { "{}" } else { text })
}

/// Text, but not empty text, which is refused.
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
