//! Encodes a conversation as a Chat Completions request.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Number, Value, json};
use tt_core::call::conversation::{
    Audio, CacheTtl, Conversation, Document, Format, Image, Media, Message, Part, Role, Sampling, Text, Tool, ToolCall,
    ToolChoice, ToolResult,
};
use tt_core::call::field::Field;
use tt_core::{Dialect, Provider};

use super::super::citation;
use super::super::names::Names;
use super::{effort, root, search, strict};
use crate::codec::{Encoded, Target, Undo};
use crate::dialect::hashed::hashed;
use crate::dialect::waiting_calls::WaitingCalls;
use crate::dialect::web_search::{self, Translated};
use crate::dialect::{foreign, format_words, text_document};
use crate::error::RequestError;
use crate::notes::Notes;

/// The top-level fields that are sent on although no code reads them. Other unknown fields are left out, since OpenAI
/// answers 400 to a field that it does not know.
const PASSED_ON: [&str; 11] = [
    "audio",
    "metadata",
    "modalities",
    "moderation",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "store",
    "stream_options",
    "verbosity",
];

/// The target of this encoder.
const HERE: (Dialect, Provider) = (Dialect::OpenAiChat, Provider::OpenAi);

/// The name of a file whose client gives none. It is always the same, so that the provider's cache knows the file again.
const UNNAMED: &str = "document.pdf";

/// The most stop sequences that OpenAI takes.
const STOPS: usize = 4;

/// Encodes the request. A stream always asks for usage.
///
/// # Errors
/// `Unsupported` for what Chat Completions cannot say: more than four stop sequences, a picture by file id, a document
/// by address.
pub fn encode_request(conversation: &Conversation, target: Target<'_>) -> Result<Encoded, RequestError> {
    let names = Names::of(conversation);
    let mut notes = Notes::default();
    let mut body = Map::new();
    body.insert("model".into(), target.model.into());
    let own = conversation.extra.fields_of(Dialect::OpenAiChat);
    let breakpoints = target.facts.is_some_and(|facts| facts.capabilities.prompt_cache_breakpoint == Some(true));
    let messages = Messages { names: &names, own: own.is_some(), breakpoints, notes: &mut notes };
    body.insert("messages".into(), messages.encode(&conversation.messages)?.into());
    let search = search::translated(conversation, target);
    tools(&mut body, conversation, &names, &search, &mut notes);
    format(&mut body, conversation, &mut notes)?;
    // OpenAI refuses `json_object` where no message holds the word.
    if conversation.format == Format::JsonObject && !written_here(conversation) && !says_json(conversation) {
        notes.changed(Field::Format, "asked for in words too, as OpenAI requires");
        if let Some(Value::Array(messages)) = body.get_mut("messages") {
            messages.insert(0, json!({"role": "system", "content": format_words::IN_JSON}));
        }
    }
    let effort = effort::effort(conversation, target, &mut notes);
    let fixed = !written_here(conversation)
        && effort != Some("none")
        && target.facts.is_some_and(|facts| facts.capabilities.sampling_params_with_thinking == Some(false));
    let silent = conversation.stream && own.is_none();
    if silent && conversation.sampling.logprobs == Some(true) {
        notes.dropped(Field::Logprobs, "a translated stream has no log probabilities");
    }
    sampling(&mut body, &conversation.sampling, (fixed, !silent), &mut notes)?;
    put(&mut body, "parallel_tool_calls", conversation.parallel_tool_calls);
    put(&mut body, "reasoning_effort", effort);
    put(&mut body, "safety_identifier", conversation.end_user.as_deref().map(|user| end_user(user, &mut notes)));
    put(&mut body, "service_tier", conversation.service_tier.as_deref());
    put(&mut body, "prompt_cache_key", conversation.cache.key.as_deref());
    put(&mut body, "prompt_cache_retention", conversation.cache.retention.as_deref());
    put(&mut body, "store", conversation.state.store);
    if conversation.cache.automatic.is_some() {
        notes.dropped(Field::CacheMarks, "Chat Completions caches by itself");
    }
    for (name, value) in own.into_iter().flatten() {
        if PASSED_ON.contains(&name.as_str()) && !body.contains_key(name) {
            body.insert(name.clone(), value.clone());
        } else {
            notes.dropped(Field::written("unknown fields"), "");
        }
    }
    foreign::leave_out(conversation, Dialect::OpenAiChat, &search, &mut notes)?;
    if !conversation.extra.addressed.is_empty() {
        notes.dropped(Field::written("unknown fields"), "");
    }
    if conversation.stream {
        body.insert("stream".into(), true.into());
        let options = body.entry("stream_options").or_insert_with(|| json!({}));
        if !options.is_object() {
            *options = json!({});
        }
        options["include_usage"] = true.into();
    } else {
        body.shift_remove("stream_options");
    }
    let undo = Undo { tool_names: names.undo(), ..Undo::default() };
    Ok(Encoded { body: Value::Object(body).to_string().into_bytes(), undo, notes })
}

/// The longest id of an end user that OpenAI takes, in characters.
const LONGEST_END_USER: usize = 64;

/// The id of the end user, or a hash of it where it is too long.
fn end_user(user: &str, notes: &mut Notes) -> String {
    if user.chars().count() <= LONGEST_END_USER {
        return user.to_owned();
    }
    notes.changed(Field::EndUser, "hashed, since it is longer than 64 characters");
    hashed(user).to_string()
}

fn put(body: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body.insert(name.into(), value.into());
    }
}

struct Messages<'a> {
    names: &'a Names,
    /// True if Chat Completions is the dialect of the fields in `Message::extra`.
    own: bool,
    /// True if the model takes cache marks on parts.
    breakpoints: bool,
    notes: &'a mut Notes,
}

impl Messages<'_> {
    fn encode(mut self, messages: &[Message]) -> Result<Vec<Value>, RequestError> {
        let mut encoded = Vec::with_capacity(messages.len());
        // Pictures in tool results go into a user message behind the results: `tool` messages take text only, and no
        // other message may stand between them.
        let mut pictures: Vec<Value> = Vec::new();
        if !self.own {
            answered(messages)?;
        }
        for (i, message) in messages.iter().enumerate() {
            let only_results = message.parts.iter().all(|part| matches!(part, Part::ToolResult(_)));
            if !(pictures.is_empty() || only_results && message.role == Role::Tool) {
                encoded.push(json!({"role": "user", "content": std::mem::take(&mut pictures)}));
            }
            self.message(message, i, &mut encoded, &mut pictures)?;
        }
        if !pictures.is_empty() {
            encoded.push(json!({"role": "user", "content": pictures}));
        }
        Ok(encoded)
    }

    fn message(
        &mut self,
        message: &Message,
        at: usize,
        encoded: &mut Vec<Value>,
        pictures: &mut Vec<Value>,
    ) -> Result<(), RequestError> {
        for part in &message.parts {
            if part.cache().is_some() && !(self.breakpoints && takes_breakpoint(part)) {
                self.notes.dropped(Field::CacheMarks, "");
            }
            if let Part::ToolResult(result) = part {
                encoded.push(self.tool_result(message, result, at, pictures)?);
            }
        }
        if message.role == Role::Tool {
            return Ok(());
        }
        // Other dialects send results and more of the user's words in one message: the pictures stand between them.
        let says_more = message.parts.iter().any(|part| !matches!(part, Part::ToolResult(_)));
        if says_more && !pictures.is_empty() {
            encoded.push(json!({"role": "user", "content": std::mem::take(pictures)}));
        }
        let mut out = Map::new();
        let role = match message.role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        out.insert("role".into(), role.into());
        put(&mut out, "name", message.name.as_deref());
        let mut content = Vec::new();
        let mut refusals = String::new();
        let mut calls = Vec::new();
        for (number, part) in message.parts.iter().enumerate() {
            match part {
                Part::Refusal { text } => refusals.push_str(text),
                Part::ToolCall(call) => calls.push(call),
                Part::ToolResult(_) => {}
                // OpenAI takes pictures of the user alone.
                Part::Image(_) if message.role == Role::Assistant => {
                    self.notes
                        .dropped(Field::Part { message: at, part: number }, "OpenAI takes no pictures of the model");
                }
                part => content.extend(self.part(part, at)?),
            }
        }
        if message.role != Role::Assistant {
            // A user message with nothing but tool results has been written above. A system prompt without parts stands
            // for none.
            if content.is_empty() && (!message.parts.is_empty() || message.role == Role::System) {
                return Ok(());
            }
            out.insert("content".into(), joined(content));
        } else {
            let silent = content.is_empty() && !(calls.is_empty() && refusals.is_empty());
            out.insert("content".into(), if silent { Value::Null } else { joined(content) });
            if !refusals.is_empty() {
                out.insert("refusal".into(), refusals.into());
            }
            self.calls(&mut out, &calls);
        }
        let annotations = citation::annotations(message.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text),
            _ => None,
        }));
        if message.role == Role::Assistant && !annotations.is_empty() {
            out.insert("annotations".into(), annotations.into());
        }
        for field in ["audio", "annotations"] {
            put(&mut out, field, message.extra.get(field).filter(|_| self.own).cloned());
        }
        encoded.push(Value::Object(out));
        Ok(())
    }

    fn calls(&mut self, out: &mut Map<String, Value>, calls: &[&ToolCall]) {
        if calls.iter().any(|call| call.signature.is_some()) {
            self.notes.dropped(Field::Signatures, "only the provider that made it can read it");
        }
        let list: Vec<Value> = calls
            .iter()
            .map(|call| {
                let name = self.names.sent(&call.name);
                if call.custom {
                    json!({"id": call.id, "type": "custom", "custom": {"name": name, "input": call.arguments}})
                } else {
                    json!({"id": call.id, "type": "function",
                        "function": {"name": name, "arguments": call.arguments}})
                }
            })
            .collect();
        if !list.is_empty() {
            out.insert("tool_calls".into(), list.into());
        }
    }

    fn tool_result(
        &mut self,
        message: &Message,
        result: &ToolResult,
        at: usize,
        pictures: &mut Vec<Value>,
    ) -> Result<Value, RequestError> {
        let mut texts = Vec::new();
        for part in &result.content {
            match part {
                Part::Text(_) => texts.extend(self.part(part, at)?),
                Part::Opaque(opaque)
                    if let Some(text) = foreign::in_words(opaque, HERE, &Field::Content(at), self.notes) =>
                {
                    texts.push(json!({"type": "text", "text": text}));
                }
                other => pictures.extend(self.part(other, at)?),
            }
        }
        if result.is_error {
            match texts.first_mut().and_then(|first| first.get_mut("text")) {
                Some(text) => *text = format!("Error: {}", text.as_str().unwrap_or_default()).into(),
                None => texts.push(json!({"type": "text", "text": "Error: "})),
            }
        }
        let mut out = Map::new();
        out.insert("role".into(), "tool".into());
        out.insert("tool_call_id".into(), result.id.as_str().into());
        put(&mut out, "name", message.name.as_deref().map(|name| self.names.sent(name)));
        out.insert("content".into(), joined(texts));
        Ok(Value::Object(out))
    }

    /// Encodes a content part with its cache mark; `None` for a part that `content` cannot hold.
    fn part(&mut self, part: &Part, at: usize) -> Result<Option<Value>, RequestError> {
        let mut encoded = self.bare_part(part, at)?;
        if let (Some(encoded), Some(time), true) = (&mut encoded, part.cache(), self.breakpoints) {
            encoded["prompt_cache_breakpoint"] = json!({"mode": "explicit", "ttl": breakpoint(time)});
            if !matches!(time, CacheTtl::ThirtyMinutes | CacheTtl::TwelveHours) {
                self.notes.changed(Field::CacheMarks, "kept for the time that OpenAI has");
            }
        }
        Ok(encoded)
    }

    fn bare_part(&mut self, part: &Part, at: usize) -> Result<Option<Value>, RequestError> {
        let refuse = |reason: &str| Err(RequestError::unsupported(Field::Content(at), reason));
        Ok(Some(match part {
            Part::Text(Text { text, signature, .. }) => {
                if signature.is_some() {
                    self.notes.dropped(Field::Signatures, "only the provider that made it can read it");
                }
                json!({"type": "text", "text": text})
            }
            Part::Image(Image { media, detail, .. }) => {
                let url = match media {
                    Media::Url { url, .. } => url.clone(),
                    Media::Inline { mime, data } => {
                        // OpenAI does not know the other word for it.
                        let mime = if mime == "image/jpg" { "image/jpeg" } else { mime };
                        format!("data:{mime};base64,{data}")
                    }
                    Media::FileId { .. } | Media::Text(_) => {
                        return refuse("a picture cannot be given by file id: send it inline or by address");
                    }
                };
                let mut image = Map::new();
                image.insert("url".into(), url.into());
                let mut detail = detail.as_deref();
                if detail == Some("original") && !self.own {
                    self.notes.changed(Field::Detail, "sent as high, the most that Chat Completions has");
                    detail = Some("high");
                }
                put(&mut image, "detail", detail);
                json!({"type": "image_url", "image_url": image})
            }
            Part::Audio(Audio { media: Media::Inline { mime, data }, .. }) => {
                json!({"type": "input_audio", "input_audio": {"data": data, "format": audio_format(mime)}})
            }
            Part::Audio(_) => return refuse("sound can only be sent inline"),
            Part::Video(_) => return refuse("Chat Completions takes no films"),
            Part::Document(document) => self.document(document, at)?,
            Part::Thinking(_) | Part::Redacted { .. } => {
                self.notes.dropped(Field::Thinking, "");
                return Ok(None);
            }
            Part::Opaque(opaque) => {
                foreign::keeps(opaque, HERE, &Field::Content(at), self.notes)?;
                return Ok(None);
            }
            Part::ToolCall(_) | Part::ToolResult(_) | Part::Refusal { .. } => return Ok(None),
        }))
    }

    /// Encodes a document: a text as a text part, since OpenAI takes PDFs alone as files.
    fn document(&mut self, document: &Document, at: usize) -> Result<Value, RequestError> {
        let refuse = |reason: &str| Err(RequestError::unsupported(Field::Content(at), reason));
        if document.citations {
            self.notes.dropped(Field::written("citations"), "OpenAI cites no documents of the request");
        }
        if document.context.is_some() {
            self.notes.dropped(Field::written("context"), "OpenAI has no such field of a document");
        }
        let text =
            |text: &str| Ok(json!({"type": "text", "text": text_document::in_words(document.title.as_deref(), text)}));
        let title = document.title.as_deref().filter(|title| !title.is_empty());
        let file = match &document.media {
            Media::FileId { provider: Provider::OpenAi, id } => {
                let mut file = Map::new();
                put(&mut file, "filename", title);
                file.insert("file_id".into(), id.as_str().into());
                file
            }
            Media::FileId { .. } => {
                return refuse("a file id is known to the provider that gave it only: send the data");
            }
            Media::Inline { mime, data }
                if !self.own
                    && let Some(read) = text_document::text(mime, data) =>
            {
                return text(&read.map_err(|reason| RequestError::malformed(Field::Content(at), reason))?);
            }
            Media::Inline { mime, data } => {
                let mut file = Map::new();
                // OpenAI refuses data without a name ("Missing required parameter: '….file.file_id'").
                put(&mut file, "filename", title.or((!self.own).then_some(UNNAMED)));
                file.insert("file_data".into(), format!("data:{mime};base64,{data}").into());
                file
            }
            Media::Text(words) => return text(words),
            Media::Url { .. } => return refuse("a document cannot be given by address: send it inline"),
        };
        Ok(json!({"type": "file", "file": file}))
    }
}

/// Checks that each call has a result before the model speaks again, and each result a call: OpenAI refuses a history without.
fn answered(messages: &[Message]) -> Result<(), RequestError> {
    let (mut waiting, mut open, mut calls) = (WaitingCalls::default(), BTreeMap::new(), 0);
    let all_answered = |open: &BTreeMap<usize, Field>| match open.first_key_value() {
        None => Ok(()),
        Some((_, at)) => Err(RequestError::malformed(
            at.clone(),
            "nothing answers this call: send a result for each call before the conversation goes on",
        )),
    };
    for (index, message) in messages.iter().enumerate() {
        let (mut number, mut speaks) = (0, message.role == Role::Assistant);
        for part in &message.parts {
            match part {
                Part::ToolResult(result) => {
                    let call = waiting.answer(&result.id).ok_or_else(|| {
                        RequestError::malformed(Field::ResultId(index), "answers no open call of the model before it")
                    })?;
                    open.remove(&call);
                }
                Part::ToolCall(call) => {
                    if std::mem::take(&mut speaks) {
                        all_answered(&open)?;
                    }
                    waiting.add(&call.id, calls);
                    open.insert(calls, Field::ToolCall { message: index, call: number });
                    (calls, number) = (calls + 1, number + 1);
                }
                _ => {}
            }
        }
        if speaks {
            all_answered(&open)?;
        }
    }
    all_answered(&open)
}

/// True for a part on which OpenAI takes a cache mark.
const fn takes_breakpoint(part: &Part) -> bool {
    matches!(part, Part::Text(_) | Part::Image(_) | Part::Document(_))
}

/// The time of a cache mark that OpenAI has.
const fn breakpoint(time: CacheTtl) -> &'static str {
    match time {
        CacheTtl::FiveMinutes | CacheTtl::ThirtyMinutes | CacheTtl::OneHour => "30m",
        CacheTtl::TwelveHours => "12h",
    }
}

/// The `format` for a media type of sound: `wav` for `audio/wav`.
fn audio_format(mime: &str) -> &str {
    match mime.strip_prefix("audio/").unwrap_or(mime) {
        "mpeg" => "mp3",
        "x-wav" | "wave" | "vnd.wave" => "wav",
        other => other,
    }
}

/// Encodes content parts: a single text as a string, anything else as a list.
fn joined(mut parts: Vec<Value>) -> Value {
    let text = match parts.as_mut_slice() {
        [] => Some(String::new()),
        [Value::Object(part)] if part.len() == 2 && part.get("type").and_then(Value::as_str) == Some("text") => part
            .get_mut("text")
            .map(Value::take)
            .and_then(|text| if let Value::String(text) = text { Some(text) } else { None }),
        _ => None,
    };
    text.map_or(Value::Array(parts), Value::String)
}

fn tools(
    body: &mut Map<String, Value>,
    conversation: &Conversation,
    names: &Names,
    search: &Translated<'_>,
    notes: &mut Notes,
) {
    let own_search = conversation.tools.iter().find_map(|tool| match tool {
        Tool::Hosted(hosted) if hosted.of == Dialect::OpenAiChat => Some(hosted.raw.clone()),
        _ => None,
    });
    let searches = own_search.or_else(|| search.sent.as_ref().map(|search| search::encode(search, notes)));
    put(body, web_search::CHAT_FIELD, searches);
    let custom: HashSet<&str> =
        conversation.tools.iter().filter(|tool| tool.is_custom()).filter_map(Tool::name).collect();
    if conversation.tools.iter().any(|tool| tool.cache().is_some()) {
        notes.dropped(Field::CacheMarks, "");
    }
    let own = written_here(conversation);
    let list: Vec<Value> = conversation.tools.iter().filter_map(|tool| one_tool(tool, names, own, notes)).collect();
    // OpenAI refuses a rule for calling tools without tools. Models that search do so for every answer.
    if list.is_empty() && search.sent.is_some() {
        return;
    }
    if !list.is_empty() {
        body.insert("tools".into(), list.into());
    }
    let pointer = |name: &str| {
        let kind = if custom.contains(name) { "custom" } else { "function" };
        json!({"type": kind, kind: {"name": names.sent(name)}})
    };
    let choice = match &conversation.tool_choice {
        // No rule of Chat Completions forces a hosted tool. Models that search do so for every answer; for others
        // `foreign::leave_out` refuses the rule.
        None | Some(ToolChoice::Hosted { .. }) => return,
        Some(ToolChoice::Auto) => "auto".into(),
        Some(ToolChoice::None) => "none".into(),
        Some(ToolChoice::Required) => "required".into(),
        Some(ToolChoice::Named(name)) => pointer(name),
        Some(ToolChoice::Allowed { names, required, .. }) => json!({"type": "allowed_tools", "allowed_tools": {
            "mode": if *required { "required" } else { "auto" },
            "tools": names.iter().map(|name| pointer(name)).collect::<Vec<Value>>(),
        }}),
    };
    body.insert("tool_choice".into(), choice);
}

/// True for a request of a client of OpenAI's dialects, who knows which schemas OpenAI takes.
fn written_here(conversation: &Conversation) -> bool {
    conversation.extra.of.is_none_or(|of| matches!(of, Dialect::OpenAiChat | Dialect::OpenAiResponses))
}

/// The value of `strict` for `schema`: left out where the client of another dialect asks for it, and OpenAI would refuse
/// the schema; `field` is noted then. `own` is true for a client of OpenAI's dialects.
fn held(strict: Option<bool>, schema: Option<&Value>, own: bool, field: Field, notes: &mut Notes) -> Option<bool> {
    if own || strict != Some(true) || schema.is_some_and(strict::fits) {
        return strict;
    }
    notes.changed(field, strict::OPEN);
    None
}

/// Encodes a function or a custom tool; `None` for a hosted tool, which Chat Completions does not have.
fn one_tool(tool: &Tool, names: &Names, own: bool, notes: &mut Notes) -> Option<Value> {
    let mut inner = Map::new();
    inner.insert("name".into(), names.sent(tool.name()?).into());
    put(&mut inner, "description", tool.description());
    match tool {
        Tool::Function(function) => {
            put(
                &mut inner,
                "parameters",
                function.parameters.clone().map(|schema| if own { schema } else { typed(schema) }),
            );
            put(&mut inner, "strict", held(function.strict, function.parameters.as_ref(), own, Field::Strict, notes));
            Some(json!({"type": "function", "function": inner}))
        }
        Tool::Custom(custom) => {
            put(&mut inner, "format", custom.format.clone());
            Some(json!({"type": "custom", "custom": inner}))
        }
        Tool::Hosted(_) => None,
    }
}

/// A schema whose root has a type: OpenAI refuses one without ("schema must be a JSON Schema of 'type: \"object\"'").
fn typed(mut schema: Value) -> Value {
    if let Some(root) = schema.as_object_mut()
        && !root.contains_key("type")
    {
        root.insert("type".to_owned(), "object".into());
    }
    schema
}

fn format(body: &mut Map<String, Value>, conversation: &Conversation, notes: &mut Notes) -> Result<(), RequestError> {
    let own = written_here(conversation);
    let value = match &conversation.format {
        Format::Text => return Ok(()),
        Format::JsonObject => json!({"type": "json_object"}),
        Format::JsonSchema { name, description, schema, strict } => {
            let mut inner = Map::new();
            inner.insert("name".into(), name.as_str().into());
            put(&mut inner, "description", description.as_deref());
            let schema = match schema {
                Some(schema) if !own => Some(root::object_root(schema)?),
                schema => schema.clone(),
            };
            let strict = held(*strict, schema.as_ref(), own, Field::FormatSchema, notes);
            put(&mut inner, "schema", schema);
            put(&mut inner, "strict", strict);
            json!({"type": "json_schema", "json_schema": inner})
        }
    };
    body.insert("response_format".into(), value);
    Ok(())
}

/// True if a text of the conversation holds the word "JSON".
fn says_json(conversation: &Conversation) -> bool {
    let said = |text: &str| text.as_bytes().windows(4).any(|word| word.eq_ignore_ascii_case(b"json"));
    conversation.messages.iter().flat_map(|message| &message.parts).any(|part| match part {
        Part::Text(text) => said(&text.text),
        _ => false,
    })
}

/// Writes the sampling. `fixed`: the model takes no `temperature` and `top_p` but 1, and the client of another dialect does not
/// know it. `logprobs`: the client can be given log probabilities.
fn sampling(
    body: &mut Map<String, Value>,
    sampling: &Sampling,
    (fixed, logprobs): (bool, bool),
    notes: &mut Notes,
) -> Result<(), RequestError> {
    if sampling.stop.len() > STOPS {
        return Err(RequestError::unsupported(Field::Stop, "at most 4 stop sequences are taken"));
    }
    if sampling.top_k.is_some() {
        notes.dropped(Field::TopK, "");
    }
    put(body, "max_completion_tokens", sampling.max_output_tokens);
    for (name, field, value) in
        [("temperature", Field::Temperature, &sampling.temperature), ("top_p", Field::TopP, &sampling.top_p)]
    {
        if fixed && value.as_ref().and_then(Number::as_f64).is_some_and(|value| (value - 1.0).abs() > f64::EPSILON) {
            notes.dropped(field, "the model takes none while it thinks");
        } else {
            put(body, name, value.clone());
        }
    }
    put(body, "frequency_penalty", sampling.frequency_penalty.clone());
    put(body, "presence_penalty", sampling.presence_penalty.clone());
    put(body, "seed", sampling.seed);
    put(body, "n", sampling.n);
    if logprobs {
        put(body, "logprobs", sampling.logprobs);
        put(body, "top_logprobs", sampling.top_logprobs);
    }
    put(body, "logit_bias", sampling.logit_bias.clone());
    if !sampling.stop.is_empty() {
        body.insert("stop".into(), sampling.stop.clone().into());
    }
    Ok(())
}
