//! Decodes `contents` and `systemInstruction`.
//!
//! A content of the user may hold results of tools beside text and media. Each result becomes a message of its own, and
//! the rest one message behind them. Neighbouring contents of the model are one message: clients keep the pieces of a stream
//! as contents of their own.

mod turn;

use memchr::memmem;
use serde_json::{Map, Value};
use tt_core::Provider;
use tt_core::call::conversation::{
    Audio, Document, Image, Media, Message, Opaque, Part, Role, Signature, Text, Thinking, ToolCall, ToolResult, Video,
};

use self::turn::Turn;
use super::config::detail;
use crate::dialect::body::JsonText;
use crate::dialect::compact::compact;
use crate::dialect::gemini::call_ids::Calls;
use crate::dialect::gemini::carried;
use crate::dialect::gemini::contents::is_no_signature;
use crate::dialect::gemini::node::Node;
use crate::dialect::gemini::parts::{drawn, origin};
use crate::dialect::gemini::places::{MessagePlace, PartPlace};
use crate::dialect::media_type::by_extension;
use crate::dialect::object::Path;
use crate::error::RequestError;
use crate::json;

/// The parts that only Gemini knows: the work of its own tools.
const OPAQUE: [&str; 4] = ["executableCode", "codeExecutionResult", "toolCall", "toolResponse"];

/// The fields of a part that are read.
const KNOWN: [&str; 13] = [
    "text",
    "thought",
    "thoughtSignature",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "videoMetadata",
    "mediaResolution",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
];

/// The host of the files that clients have stored with Gemini.
const FILES: &str = "https://generativelanguage.googleapis.com/";

/// Decodes all messages, the system instruction first, and notes the place of each.
pub(super) fn messages<'a>(body: &Node<'a, '_>, places: &mut Vec<MessagePlace>) -> Result<Vec<Message>, RequestError> {
    let (contents, path) = (body.objects("contents")?, body.at("contents"));
    let mut reader = Reader {
        messages: Vec::with_capacity(contents.len() + 1),
        places,
        calls: Calls::default(),
        turn: Turn::default(),
    };
    reader.places.reserve_exact(contents.len() + 1);
    if let Some(system) = body.object("systemInstruction")? {
        reader.system(&system)?;
    }
    let before = reader.messages.len();
    for (i, content) in contents.into_iter().enumerate() {
        reader.content(i, &Node::of(content, path.index(i))?, content)?;
    }
    reader.end_turn();
    if reader.messages.len() == before {
        return Err(path.malformed("must hold at least one content with a part"));
    }
    Ok(reader.messages)
}

struct Reader<'a, 'm> {
    messages: Vec<Message>,
    places: &'m mut Vec<MessagePlace>,
    calls: Calls<'a>,
    /// The contents of the model that have been read and may go on.
    turn: Turn,
}

impl<'a> Reader<'a, '_> {
    fn push(&mut self, role: Role, parts: Vec<Part>, extra: Map<String, Value>, place: MessagePlace) {
        self.messages.push(Message { role, name: None, parts, extra });
        self.places.push(place);
    }

    fn system(&mut self, system: &Node<'a, '_>) -> Result<(), RequestError> {
        let (parts, path) = (system.objects("parts")?, system.at("parts"));
        let mut texts = Vec::with_capacity(parts.len());
        for (i, part) in parts.into_iter().enumerate() {
            let part = Node::of(part, path.index(i))?;
            texts.push(Part::text(part.need_string("text")?));
        }
        if !texts.is_empty() {
            let parts = (0..texts.len()).map(|part| PartPlace::new(0, part)).collect();
            let place = MessagePlace { parts, ..MessagePlace::default() };
            self.push(Role::System, texts, Map::new(), place);
        }
        Ok(())
    }

    fn content(&mut self, i: usize, content: &Node<'a, '_>, raw: JsonText<'_>) -> Result<(), RequestError> {
        let role = match content.string("role")?.as_deref() {
            None | Some("user" | "function" | "") => Role::User,
            Some("model") => Role::Assistant,
            Some(_) => return Err(content.at("role").malformed("must be user or model")),
        };
        let (parts, path) = (content.objects("parts")?, content.at("parts"));
        if role == Role::Assistant {
            self.calls.turn(i);
            return self.model(i, parts, &path);
        }
        if parts.is_empty() {
            return Ok(());
        }
        self.end_turn();
        let may_answer = memmem::find(raw.get().as_bytes(), b"unction").is_some();
        let answers = |part: JsonText<'a>, path| {
            let node = if may_answer { Some(Node::of(part, path)?) } else { None };
            node.map_or(Ok(false), |node| node.raw("functionResponse").map(|response| response.is_some()))
        };
        let mut others = parts.len();
        for (j, &part) in parts.iter().enumerate() {
            if answers(part, path.index(j))? {
                others -= 1;
                let node = Node::of(part, path.index(j))?;
                if let Some(response) = node.object("functionResponse")? {
                    let result = self.result(&response, (i, j))?;
                    let parts = vec![PartPlace::new(i, j)];
                    let place = MessagePlace { content: Some(i), parts, calls: Vec::new() };
                    self.push(Role::Tool, vec![Part::ToolResult(result)], Map::new(), place);
                }
            }
        }
        if others == 0 {
            return Ok(());
        }
        let mut said = Turn::default();
        said.make_room_for(others);
        for (j, part) in parts.into_iter().enumerate() {
            if !answers(part, path.index(j))? {
                self.read(&mut said, part, (i, j), &path)?;
            }
        }
        let (parts, extra, place) = said.end();
        self.push(role, parts, extra, place);
        Ok(())
    }

    /// Reads a content of the model.
    fn model(&mut self, i: usize, parts: Vec<JsonText<'a>>, path: &Path<'_>) -> Result<(), RequestError> {
        let mut turn = std::mem::take(&mut self.turn).of_model();
        turn.make_room_for(parts.len());
        for (j, part) in parts.into_iter().enumerate() {
            self.read(&mut turn, part, (i, j), path)?;
        }
        self.turn = turn;
        Ok(())
    }

    /// Ends the contents of the model that have been read.
    fn end_turn(&mut self) {
        let turn = std::mem::take(&mut self.turn);
        if !turn.is_empty() {
            let (parts, extra, place) = turn.end();
            self.push(Role::Assistant, parts, extra, place);
        }
    }

    /// Reads one part, which stands at `at` (content and part).
    fn read(
        &mut self,
        turn: &mut Turn,
        raw: JsonText<'a>,
        at: (usize, usize),
        path: &Path<'_>,
    ) -> Result<(), RequestError> {
        let node = Node::of(raw, path.index(at.1))?;
        let written = node.text("thoughtSignature")?.unwrap_or_default();
        let is_ours = carried::is_carried(&written);
        let theirs = Some(&written).filter(|value| !(value.is_empty() || is_no_signature(value) || is_ours));
        let signature = theirs.map(|value| Signature { of: origin(""), value: value.to_string() });
        let part = self.part(&node, raw, signature)?;
        turn.add(part, at);
        if is_ours {
            turn.carry(carried::read(&written));
        }
        for (name, value) in node.others(&KNOWN) {
            turn.extra(name, json::value(value.get().as_bytes()).unwrap_or_default());
        }
        Ok(())
    }

    fn part(
        &mut self,
        part: &Node<'a, '_>,
        raw: JsonText<'_>,
        signature: Option<Signature>,
    ) -> Result<Part, RequestError> {
        if let Some(call) = part.object("functionCall")? {
            return self.call(&call, signature).map(Part::ToolCall);
        }
        if let Some(blob) = part.object("inlineData")? {
            return inline(&blob, part, signature);
        }
        if let Some(file) = part.object("fileData")? {
            return stored(&file, part);
        }
        if let Some(text) = part.string("text")? {
            let thought = part.flag("thought")?.unwrap_or(false);
            return Ok(if thought {
                Part::Thinking(Thinking { text, signature, ..Thinking::default() })
            } else {
                Part::Text(Text { text, signature, ..Text::default() })
            });
        }
        for kind in OPAQUE {
            if part.raw(kind)?.is_some() {
                let of = origin("");
                return Ok(Part::Opaque(Opaque {
                    of,
                    kind: kind.to_owned(),
                    raw: raw.get().to_owned(),
                    text: None,
                    pending: false,
                }));
            }
        }
        Err(part.path.malformed("must hold text, inlineData, fileData, functionCall or functionResponse"))
    }

    fn call(&mut self, call: &Node<'a, '_>, signature: Option<Signature>) -> Result<ToolCall, RequestError> {
        let name = call.need_string("name")?;
        let arguments = match call.raw("args")? {
            None => "{}".to_owned(),
            Some(args) if args.get().starts_with('{') => compact(args.get()),
            Some(_) => return Err(call.at("args").malformed("must be an object")),
        };
        let given = call.string("id")?.filter(|id| !id.is_empty());
        let id = self.calls.called(given, (call.raw("id")?, call.raw("name")?));
        Ok(ToolCall { id, name, arguments, signature, ..ToolCall::default() })
    }

    fn result(&mut self, response: &Node<'a, '_>, at: (usize, usize)) -> Result<ToolResult, RequestError> {
        response.need_string("name")?;
        let output = response.raw("response")?.ok_or_else(|| response.at("response").missing())?;
        let (text, is_error) = said(output, &response.at("response"))?;
        let (media, path) = (response.objects("parts")?, response.at("parts"));
        let mut content = Vec::with_capacity(1 + media.len());
        content.push(Part::text(text));
        for (i, part) in media.into_iter().enumerate() {
            let part = Node::of(part, path.index(i))?;
            let blob = part.object("inlineData")?.ok_or_else(|| part.at("inlineData").missing())?;
            content.push(inline(&blob, &part, None)?);
        }
        let given = response.string("id")?.filter(|id| !id.is_empty());
        let id = self.calls.answered(given, (response.raw("id")?, response.raw("name")?), at);
        Ok(ToolResult { id, content, is_error, ..ToolResult::default() })
    }
}

/// The text of a function's response, and whether it tells of a failure. The object stays JSON, except where a text is
/// all that is in it, under `output` or `error`.
fn said(response: JsonText<'_>, path: &Path<'_>) -> Result<(String, bool), RequestError> {
    let node = Node::of(response, *path)?;
    let alone = |name: &str| node.others(&[name]).next().is_none();
    for (name, is_error) in [("output", false), ("error", true)] {
        if let Some(value) = node.raw(name)?.filter(|_| alone(name))
            && let Ok(text) = serde_json::from_str::<String>(value.get())
            // A text that is itself an object would be taken for the response.
            && (is_error || !text.trim_start().starts_with('{'))
        {
            return Ok((text, is_error));
        }
    }
    Ok((compact(response.get()), false))
}

/// Reads `inlineData` of a part.
pub(in crate::dialect::gemini) fn inline(
    blob: &Node<'_, '_>,
    part: &Node<'_, '_>,
    signature: Option<Signature>,
) -> Result<Part, RequestError> {
    let data = plain_base64(blob.need_string("data")?);
    let title = blob.string("displayName")?;
    let drawn = drawn(blob.need_string("mimeType")?.to_ascii_lowercase(), data, signature);
    finished(drawn, title, part)
}

/// Reads `fileData` of a part.
pub(in crate::dialect::gemini) fn stored(file: &Node<'_, '_>, part: &Node<'_, '_>) -> Result<Part, RequestError> {
    let (url, mime) = (file.need_string("fileUri")?, file.string("mimeType")?);
    let title = file.string("displayName")?;
    let kind = mime.as_deref().or_else(|| by_extension(&url));
    let kind = kind.or_else(|| is_film(&url).then_some("video")).unwrap_or_default();
    let kind = kind.split('/').next().unwrap_or_default().to_owned();
    let media = if url.starts_with(FILES) || url.starts_with("files/") {
        Media::FileId { provider: Provider::Gemini, id: url }
    } else {
        Media::Url { url, mime }
    };
    let read = match kind.as_str() {
        "image" => Part::Image(Image::new(media)),
        "audio" => Part::Audio(Audio::new(media)),
        "video" => Part::Video(Video { media, metadata: None }),
        _ => Part::Document(Document::new(media)),
    };
    finished(read, title, part)
}

/// True for the address of a film on YouTube, which Gemini reads without a media type.
fn is_film(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or(url);
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    matches!(host, "youtu.be" | "youtube.com" | "www.youtube.com" | "m.youtube.com")
}

/// Adds the fields that stand beside the media.
fn finished(mut read: Part, title: Option<String>, part: &Node<'_, '_>) -> Result<Part, RequestError> {
    match &mut read {
        Part::Video(video) => video.metadata = part.value("videoMetadata")?,
        Part::Document(document) => document.title = title,
        Part::Image(image) => {
            let resolution = part.object("mediaResolution")?;
            let level = resolution.map(|resolution| resolution.string("level")).transpose()?.flatten();
            image.detail = level.as_deref().and_then(detail).map(str::to_owned);
        }
        _ => {}
    }
    Ok(read)
}

/// Plain base64, as other providers read it: without white space, in the standard alphabet. Google's own Python library
/// writes the one for addresses.
fn plain_base64(data: String) -> String {
    let mut bytes = data.into_bytes();
    bytes.retain(|byte| !byte.is_ascii_whitespace());
    for byte in &mut bytes {
        match byte {
            b'-' => *byte = b'+',
            b'_' => *byte = b'/',
            _ => {}
        }
    }
    // One character of ASCII stands in place of another, so the text stays UTF-8.
    String::from_utf8(bytes).unwrap_or_default()
}
