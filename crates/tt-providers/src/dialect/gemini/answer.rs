//! Writes a whole answer for a client of Gemini, and the parts of answers for streams too.

use serde_json::{Map, Value, json};
use tt_core::Provider;
use tt_core::call::conversation::{Audio, Document, Image, Media, Part, Text, ToolCall, Video};
use tt_core::call::reply::{Choice, Reply};

use super::carried::Thoughts;
use super::sources::Sources;
use super::{finish, logprobs, usage};
use crate::codec::ReplyContext;
use crate::dialect::signatures::made_by;

/// Writes an answer as the body of `generateContent`.
pub(super) fn encode_reply(reply: &Reply, context: &ReplyContext) -> Vec<u8> {
    let mut body = Map::new();
    let candidates: Vec<Value> = reply.choices.iter().map(candidate).collect();
    body.insert("candidates".to_owned(), candidates.into());
    if let Some(reported) = &reply.usage {
        body.insert("usageMetadata".to_owned(), usage::encode(&reported.usage, reported.service_tier.as_deref()));
    }
    body.insert("modelVersion".to_owned(), model(&reply.model, context).into());
    body.insert("responseId".to_owned(), id(&reply.id, context).into());
    Value::Object(body).to_string().into_bytes()
}

/// The model that answered, or the one that was called where the provider names none.
pub(super) fn model<'a>(given: &'a str, context: &'a ReplyContext) -> &'a str {
    if given.is_empty() { &context.model } else { given }
}

/// The provider's id, or that of the request where it gives none.
pub(super) fn id(given: &str, context: &ReplyContext) -> String {
    if given.is_empty() { context.id.simple().to_string() } else { given.to_owned() }
}

fn candidate(choice: &Choice) -> Value {
    let (parts, cited) = parts(&choice.parts);
    let reason = choice.finish.as_ref().map(|finish| finish.reason).unwrap_or_default();
    let mut out = Map::new();
    out.insert("content".to_owned(), json!({"parts": parts, "role": "model"}));
    out.insert("finishReason".to_owned(), finish::word(reason).into());
    if let Some(words) = finish::message(reason, refusal(&choice.parts)) {
        out.insert("finishMessage".to_owned(), words.into());
    }
    out.insert("index".to_owned(), choice.index.into());
    out.extend(cited.fields());
    let logprobs = choice.logprobs.as_ref().and_then(|all| all.get("content"));
    if let Some(result) = logprobs.and_then(logprobs::gemini) {
        out.insert("logprobsResult".to_owned(), result);
    }
    Value::Object(out)
}

/// The parts of an answer, which carry the thinking that another provider signed, and the sources of its texts.
fn parts(said: &[Part]) -> (Vec<Value>, Sources) {
    let (mut thoughts, mut sources) = (Thoughts::default(), Sources::default());
    let mut parts = Vec::with_capacity(said.len());
    for said in said {
        match said {
            Part::ToolCall(call) => parts.push(call_part(call, thoughts.call())),
            said => {
                match said {
                    Part::Text(Text { text, citations, .. }) => {
                        sources.text(citations, text, Some(parts.len()));
                        thoughts.text(text.len());
                    }
                    Part::Refusal { text } => thoughts.text(text.len()),
                    Part::Thinking(_) | Part::Redacted { .. } => thoughts.thought(said.clone()),
                    _ => {}
                }
                parts.extend(part(said));
            }
        }
    }
    if let Some(rest) = thoughts.rest() {
        match parts.last_mut().filter(|last| last.get("text").is_some() && last.get("thought").is_none()) {
            Some(last) if last.get("thoughtSignature").is_none() => last["thoughtSignature"] = rest.into(),
            _ => parts.push(text_part("", false, Some(&rest))),
        }
    }
    (parts, sources)
}

/// The words of a refusal among the parts of an answer.
fn refusal(parts: &[Part]) -> Option<&str> {
    parts.iter().find_map(|part| if let Part::Refusal { text } = part { Some(text.as_str()) } else { None })
}

/// A part of an answer. `None` for a part without contents, and for one that only another provider can read.
pub(super) fn part(part: &Part) -> Option<Value> {
    match part {
        Part::Text(Text { text, signature, .. }) => {
            let signature = made_by(Provider::Gemini, signature.as_ref());
            (!text.is_empty() || signature.is_some()).then(|| text_part(text, false, signature))
        }
        Part::Refusal { text } => (!text.is_empty()).then(|| text_part(text, false, None)),
        Part::Thinking(thinking) => {
            let (text, signature) = (
                thinking.texts().collect::<Vec<_>>().join("\n\n"),
                made_by(Provider::Gemini, thinking.signature.as_ref()),
            );
            (!text.is_empty() || signature.is_some()).then(|| text_part(&text, true, signature))
        }
        Part::ToolCall(call) => Some(call_part(call, None)),
        Part::Image(Image { media, signature, .. }) => inline(media, made_by(Provider::Gemini, signature.as_ref())),
        Part::Audio(Audio { media, .. })
        | Part::Video(Video { media, .. })
        | Part::Document(Document { media, .. }) => inline(media, None),
        Part::ToolResult(_) | Part::Redacted { .. } | Part::Opaque(_) | Part::WebSearch { .. } => None,
    }
}

pub(super) fn text_part(text: &str, thought: bool, signature: Option<&str>) -> Value {
    let mut out = json!({"text": text});
    if thought {
        out["thought"] = true.into();
    }
    if let Some(signature) = signature {
        out["thoughtSignature"] = signature.into();
    }
    out
}

/// A call with all its arguments. `carried` is the signature that carries the thinking before it.
pub(super) fn call_part(call: &ToolCall, carried: Option<String>) -> Value {
    let mut out = json!({"functionCall": {"id": call.id, "name": call.name, "args": arguments(&call.arguments)}});
    let own = made_by(Provider::Gemini, call.signature.as_ref()).map(str::to_owned);
    if let Some(signature) = own.or(carried) {
        out["thoughtSignature"] = signature.into();
    }
    out
}

/// The arguments, which must be an object. Text that is none stands under `arguments`, so that nothing that the model
/// wrote is lost.
fn arguments(text: &str) -> Value {
    let text = text.trim();
    if text.is_empty() || text == "null" {
        return json!({});
    }
    match crate::json::value(text.as_bytes()) {
        Ok(object @ Value::Object(_)) => object,
        _ => json!({"arguments": text}),
    }
}

fn inline(media: &Media, signature: Option<&str>) -> Option<Value> {
    let Media::Inline { mime, data } = media else { return None };
    let mut out = json!({"inlineData": {"mimeType": mime, "data": data}});
    if let Some(signature) = signature {
        out["thoughtSignature"] = signature.into();
    }
    Some(out)
}
