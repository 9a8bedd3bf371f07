//! Decodes and encodes a whole Chat Completions answer.
//!
//! [The completion object](https://platform.openai.com/docs/api-reference/chat/object).

use serde_json::{Map, Value, json};
use tt_core::Provider;
use tt_core::call::finish::{Finish, FinishReason};
use tt_core::call::media::Media;
use tt_core::call::part::{Image, Part, Text};
use tt_core::call::reply::{Choice, Reply};
use tt_core::call::tool::ToolCall;

use super::field;
use super::request::parts::assistant;
use super::text_signatures::Signed;
use super::{citation, usage, wire};
use crate::codec::Undo;
use crate::dialect::object::{Object, Path, each};
use crate::dialect::openai_error as error;
use crate::dialect::order::Places;
use crate::dialect::service_tier;
use crate::dialect::short_name::short_name;
use crate::dialect::signatures::made_by;
use crate::error::RequestError;
use crate::upstream::error::{UpstreamError, json_error};

/// The fields of a message (not of its choice) that `Choice::extra` keeps.
const OF_MESSAGE: [&str; 2] = ["annotations", "audio"];

/// The most choices of an answer. OpenAI gives no more.
pub(crate) const MOST_CHOICES: usize = 128;

/// The parts of an answer that the proxy decides, and not the provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EncodeOptions {
    /// The time of the request in seconds since the epoch, for `created`.
    pub created: i64,
    /// The id for an answer to which the provider gave none. `chatcmpl-` is put before an id that lacks it.
    pub fallback_id: String,
    /// The model that was called, for an answer in which the provider names none.
    pub fallback_model: String,
    /// True if the client asked for the usage chunk of a stream.
    pub include_usage: bool,
    /// True if the client used the legacy `functions`, and so expects `function_call` in the answer.
    pub legacy_functions: bool,
    /// True if the client asked for a processing tier, and so is told which one it got.
    pub service_tier: bool,
}

impl EncodeOptions {
    pub(crate) fn id(&self, given: &str) -> String {
        let id = if given.is_empty() { &self.fallback_id } else { given };
        if id.starts_with("chatcmpl-") { id.to_owned() } else { format!("chatcmpl-{id}") }
    }

    pub(crate) fn model<'a>(&'a self, given: &'a str) -> &'a str {
        if given.is_empty() { &self.fallback_model } else { given }
    }

    pub(crate) fn finish(&self, reason: FinishReason) -> &'static str {
        match reason {
            FinishReason::ToolCalls if self.legacy_functions => "function_call",
            other => finish_word(other),
        }
    }
}

/// The `finish_reason` for a finish ([`finish_reason`](https://platform.openai.com/docs/api-reference/chat/object)).
const fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop
        | FinishReason::PauseTurn
        | FinishReason::Continuation
        | FinishReason::Compaction
        | FinishReason::Incomplete => "stop",
        FinishReason::Length | FinishReason::ContextWindow => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter | FinishReason::Refusal => "content_filter",
    }
}

/// Reads an answer with a success status.
///
/// # Errors
/// `Refused` when it is an error object all the same; `Protocol` when it is not a chat completion.
pub fn decode_reply(body: &[u8], undo: &Undo) -> Result<Reply, UpstreamError> {
    let protocol = |why: String| UpstreamError::Protocol(format!("not a chat completion: {why}"));
    let unreadable = |e| protocol(json_error(&e));
    let mut fields = crate::json::object(body).map_err(unreadable)?;
    if let (None | Some(Value::Null), Some(error)) = (fields.get("choices"), fields.get("error")) {
        return Err(UpstreamError::Refused(Box::new(error::in_stream(error))));
    }
    // The usage object is read from the body, since this map would print its numbers in another way.
    let wire: Raw<'_> = serde_json::from_slice(body).map_err(unreadable)?;
    let tier = fields.get("service_tier").and_then(Value::as_str);
    let usage = wire.usage.and_then(|raw| usage::decode(raw.get(), tier));
    for name in ["object", "usage"] {
        fields.shift_remove(name);
    }
    let mut reply = Object { fields, path: Path::Root };
    let read = |reply: &mut Object<'_>| {
        let choices = reply.list("choices")?.ok_or_else(|| reply.at("choices").missing())?;
        if choices.len() > MOST_CHOICES {
            return Err(reply.at("choices").malformed(format!("must hold at most {MOST_CHOICES} choices")));
        }
        Ok(Reply {
            choices: each(choices, &reply.at("choices"), |value, i| choice(value, i, undo))?,
            id: short_name(reply.string("id")?.unwrap_or_default()),
            model: short_name(reply.string("model")?.unwrap_or_default()),
            created: reply.take("created").and_then(|created| created.as_i64()),
            usage,
            extra: std::mem::take(&mut reply.fields),
        })
    };
    read(&mut reply).map_err(|error: RequestError| protocol(error.in_words(field::name)))
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Raw<'a> {
    #[serde(borrow)]
    usage: Option<&'a serde_json::value::RawValue>,
}

fn choice(mut choice: Object<'_>, position: usize, undo: &Undo) -> Result<Choice, RequestError> {
    let index = match choice.count("index")? {
        Some(index) => u32::try_from(index).map_err(|_| choice.at("index").malformed("is too large"))?,
        None => u32::try_from(position).unwrap_or(u32::MAX),
    };
    let word = choice.string("finish_reason")?.unwrap_or_default();
    let finish = wire::finish(&word).map(|reason| Finish::in_word(reason, word));
    let logprobs = choice.take("logprobs");
    // Azure leaves out the message of a filtered answer.
    let (mut parts, kept) = match choice.take("message") {
        None => (Vec::new(), Map::new()),
        Some(message) => {
            let mut message = Object::of(message, choice.at("message"))?;
            message.take("role");
            let parts = assistant(&mut message, &format!("call_function_{position}"))?;
            (parts, std::mem::take(&mut message.fields))
        }
    };
    for part in &mut parts {
        if let Part::ToolCall(call) = part {
            call.name = undo.tool_name(&call.name).to_owned();
        }
    }
    // An empty string is no text of the model: Azure and others send it beside tool calls.
    parts.retain(|part| !matches!(part, Part::Text(Text { text, signature: None, .. }) if text.is_empty()));
    let mut extra = std::mem::take(&mut choice.fields);
    extra.extend(kept.into_iter().filter(|(_, value)| !value.is_null()));
    Ok(Choice { index, parts, finish, logprobs, extra })
}

/// Encodes an answer.
pub fn encode_reply(reply: &Reply, options: &EncodeOptions) -> Vec<u8> {
    let mut body = Map::new();
    body.insert("id".into(), options.id(&reply.id).into());
    body.insert("object".into(), "chat.completion".into());
    body.insert("created".into(), options.created.into());
    body.insert("model".into(), options.model(&reply.model).into());
    let choices: Vec<Value> = reply.choices.iter().map(|choice| encode_choice(choice, options)).collect();
    body.insert("choices".into(), choices.into());
    if let Some(reported) = &reply.usage {
        body.insert("usage".into(), usage::encode(&reported.usage));
    }
    for name in ["service_tier", "system_fingerprint"] {
        if let Some(value) = reply.extra.get(name) {
            body.insert(name.into(), value.clone());
        }
    }
    let tier = reply.usage.as_ref().and_then(|reported| reported.service_tier.as_deref());
    if let Some(tier) = tier.filter(|_| options.service_tier && !body.contains_key("service_tier")) {
        body.insert("service_tier".into(), service_tier::of_openai(tier).into());
    }
    Value::Object(body).to_string().into_bytes()
}

fn encode_choice(choice: &Choice, options: &EncodeOptions) -> Value {
    let mut said: Option<String> = None;
    let mut thought: Option<String> = None;
    let mut refusal: Option<String> = None;
    let (mut blocks, mut calls, mut images) = (Vec::new(), Vec::new(), Vec::new());
    let mut signed = Signed::default();
    let mut places = Places::default();
    for part in &choice.parts {
        match part {
            Part::Text(part) => {
                let text = said.get_or_insert_default();
                let begin = text.len() as u64;
                text.push_str(&part.text);
                places.text(part.text.len());
                if let Some(signature) = made_by(Provider::Gemini, part.signature.as_ref()) {
                    signed.add(begin, text.len() as u64, signature);
                }
            }
            Part::Thinking(part) => {
                let text = part.texts().collect::<Vec<_>>().join("\n\n");
                thought.get_or_insert_default().push_str(&text);
                if let Some(signature) = made_by(Provider::Anthropic, part.signature.as_ref()) {
                    let block = json!({"type": "thinking", "thinking": text, "signature": signature});
                    blocks.push(places.thinking().write(block));
                }
            }
            Part::Redacted { data, of } if of.provider == Provider::Anthropic => {
                blocks.push(places.thinking().write(json!({"type": "redacted_thinking", "data": data})));
            }
            Part::Refusal { text } => refusal.get_or_insert_default().push_str(text),
            Part::ToolCall(call) => {
                places.call();
                calls.push(call);
            }
            Part::Image(image) => images.extend(picture(image, images.len())),
            // Chat Completions has no field for other media in an answer, nor for opaque blocks. Results of tools do not
            // stand in answers.
            Part::Audio(_)
            | Part::Video(_)
            | Part::Document(_)
            | Part::ToolResult(_)
            | Part::Redacted { .. }
            | Part::WebSearch { .. }
            | Part::Opaque(_) => {}
        }
    }
    let length = said.as_ref().map_or(0, String::len) as u64;
    let said = said.filter(|text| !text.is_empty());
    let silent = calls.is_empty() && refusal.is_none() && !choice.extra.contains_key("audio");
    let mut message = Map::new();
    message.insert("role".into(), "assistant".into());
    message.insert("content".into(), said.or_else(|| silent.then(String::new)).into());
    message.insert("refusal".into(), refusal.into());
    if let Some(thought) = thought.filter(|text| !text.is_empty()) {
        message.insert("reasoning_content".into(), thought.into());
    }
    if !blocks.is_empty() {
        message.insert("thinking_blocks".into(), blocks.into());
    }
    if let Some(extra_content) = signed.extra_content(length) {
        message.insert("extra_content".into(), extra_content);
    }
    if !images.is_empty() {
        message.insert("images".into(), images.into());
    }
    match calls.as_slice() {
        [] => {}
        [call, ..] if options.legacy_functions => {
            message.insert("function_call".into(), json!({"name": call.name, "arguments": call.arguments}));
        }
        calls => {
            message.insert("tool_calls".into(), calls.iter().map(|call| encode_call(call)).collect::<Vec<_>>().into());
        }
    }
    let mut out = Map::new();
    out.insert("index".into(), choice.index.into());
    for (name, value) in choice.extra.iter().filter(|(name, _)| OF_MESSAGE.contains(&name.as_str())) {
        message.insert(name.clone(), value.clone());
    }
    let annotations = citation::annotations(choice.parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text),
        _ => None,
    }));
    if !annotations.is_empty() {
        message.insert("annotations".into(), annotations.into());
    }
    out.insert("message".into(), message.into());
    out.insert("logprobs".into(), choice.logprobs.clone().into());
    let finish = choice.finish.as_ref();
    out.insert("finish_reason".into(), options.finish(finish.map(|finish| finish.reason).unwrap_or_default()).into());
    if let Some(word) = finish.and_then(native) {
        out.insert("native_finish_reason".into(), word.into());
    }
    Value::Object(out)
}

/// The provider's word for an end that is none, since the provider goes on when it is asked to: OpenAI has no word for it.
pub(crate) fn native(finish: &Finish) -> Option<&str> {
    let goes_on = matches!(finish.reason, FinishReason::PauseTurn | FinishReason::Continuation);
    Some(finish.native.as_str()).filter(|word| goes_on && !word.is_empty())
}

/// A picture of an answer, the one with this index: OpenAI has no field for it, and hosts that speak its dialect use
/// `images`. `None` for a picture that is not in the answer itself.
pub(crate) fn picture(image: &Image, index: usize) -> Option<Value> {
    let Media::Inline { mime, data } = &image.media else { return None };
    let url = format!("data:{mime};base64,{data}");
    let mut picture = json!({"type": "image_url", "image_url": {"url": url}, "index": index});
    if let Some(signature) = made_by(Provider::Gemini, image.signature.as_ref()) {
        picture["extra_content"] = signed(signature);
    }
    Some(picture)
}

/// `extra_content` as Google's OpenAI endpoint writes it.
pub(crate) fn signed(signature: &str) -> Value {
    json!({"google": {"thought_signature": signature}})
}

fn encode_call(call: &ToolCall) -> Value {
    let mut out = if call.custom {
        json!({"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}})
    } else {
        json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}})
    };
    if let Some(signature) = made_by(Provider::Gemini, call.signature.as_ref()) {
        out["extra_content"] = signed(signature);
    }
    out
}

#[cfg(test)]
mod tests {
    use tt_core::Dialect;
    use tt_core::call::origin::{Origin, Signature};
    use tt_core::call::part::Thinking;
    use tt_core::usage::Reported;

    use super::*;

    fn written(parts: Vec<Part>, options: &EncodeOptions) -> Value {
        let choice = Choice { index: 0, parts, finish: None, logprobs: None, extra: Map::new() };
        let reply = Reply { choices: vec![choice], ..Reply::default() };
        serde_json::from_slice(&encode_reply(&reply, options)).unwrap()
    }

    fn message(parts: Vec<Part>) -> Value {
        written(parts, &EncodeOptions::default())["choices"][0]["message"].take()
    }

    fn call(name: &str) -> Part {
        let (id, arguments) = ("c".into(), "{}".into());
        Part::ToolCall(ToolCall { id, name: name.into(), arguments, ..ToolCall::default() })
    }

    fn decoded(body: &Value) -> Result<Reply, UpstreamError> {
        decode_reply(body.to_string().as_bytes(), &Undo::default())
    }

    #[test]
    fn content_is_null_only_where_something_else_is_said() {
        assert_eq!(message(vec![])["content"], "");
        assert_eq!(message(vec![call("f")])["content"], Value::Null);
        assert_eq!(message(vec![Part::text(""), call("f")])["content"], Value::Null);
        assert_eq!(message(vec![Part::text("a"), Part::text("b"), call("f")])["content"], "ab");
        let refusal = message(vec![Part::Refusal { text: "no".into() }]);
        assert_eq!((&refusal["content"], &refusal["refusal"]), (&Value::Null, &json!("no")));
    }

    #[test]
    fn thinking_is_shown_and_kept_verbatim_where_it_is_signed() {
        let claude = || Origin::of(Dialect::AnthropicMessages, Provider::Anthropic);
        let gemini = || Origin::of(Dialect::Gemini, Provider::Gemini);
        let signature = |of, value: &str| Some(Signature { of, value: value.into() });
        let parts = vec![
            Part::Thinking(Thinking { text: "a".into(), signature: signature(claude(), "s"), ..Thinking::default() }),
            Part::Redacted { data: "d".into(), of: claude() },
            Part::Redacted { data: "unreadable to anyone".into(), of: gemini() },
            Part::Thinking(Thinking { summary: vec!["b".into(), "c".into()], ..Thinking::default() }),
            Part::Text(Text { text: "x".into(), signature: signature(gemini(), "g"), ..Text::default() }),
        ];
        let found = message(parts.clone());
        assert_eq!(found["reasoning_content"], "ab\n\nc");
        assert_eq!(
            found["thinking_blocks"],
            json!([
                {"type": "thinking", "thinking": "a", "signature": "s", "index": 0, "content_offset": 0},
                {"type": "redacted_thinking", "data": "d", "index": 1, "content_offset": 0},
            ])
        );
        assert_eq!(found["extra_content"]["google"]["thought_signature"], "g");
        let back = decoded(&written(parts, &EncodeOptions::default())).unwrap();
        assert_eq!(back.choices[0].parts.len(), 3);
    }

    #[test]
    fn citations_are_annotations_again() {
        let cited = json!({"start_index": 0, "end_index": 2, "title": "t", "url": "https://example.org"});
        let annotations = json!([{"type": "url_citation", "url_citation": cited}]);
        let body = json!({"choices": [{"message": {"content": "hi", "annotations": annotations}}]});
        let reply = decoded(&body).unwrap();
        assert!(reply.choices[0].extra.is_empty());
        let Part::Text(text) = &reply.choices[0].parts[0] else { panic!("{reply:?}") };
        assert_eq!(text.citations.len(), 1);
        assert_eq!(message(reply.choices[0].parts.clone())["annotations"], annotations);
    }

    #[test]
    fn a_legacy_client_gets_one_call_in_its_own_words() {
        let options = EncodeOptions { legacy_functions: true, ..EncodeOptions::default() };
        let found = written(vec![call("f"), call("g")], &options);
        assert_eq!(found["choices"][0]["message"]["function_call"], json!({"name": "f", "arguments": "{}"}));
        assert_eq!(found["choices"][0]["message"].get("tool_calls"), None);
    }

    #[test]
    fn ids_and_models_fall_back_on_what_the_caller_knows() {
        let options = EncodeOptions {
            created: 7,
            fallback_id: "req".into(),
            fallback_model: "asked".into(),
            ..EncodeOptions::default()
        };
        let found = written(vec![], &options);
        assert_eq!((&found["id"], &found["model"]), (&json!("chatcmpl-req"), &json!("asked")));
        assert_eq!((&found["created"], &found["object"]), (&json!(7), &json!("chat.completion")));
        assert_eq!((options.id("chatcmpl-1"), options.id("msg_1")), ("chatcmpl-1".into(), "chatcmpl-msg_1".into()));
    }

    #[test]
    fn usage_stands_in_openais_shape_or_not_at_all() {
        let usage = tt_core::Usage { input: 1, cache_read: 2, cache_write_1h: 3, output: 4, ..Default::default() };
        let reply = Reply { usage: Some(Reported { usage, ..Reported::default() }), ..Reply::default() };
        let found: Value = serde_json::from_slice(&encode_reply(&reply, &EncodeOptions::default())).unwrap();
        assert_eq!((&found["usage"]["prompt_tokens"], &found["usage"]["total_tokens"]), (&json!(6), &json!(10)));
        assert_eq!(found["usage"]["prompt_tokens_details"]["cache_write_tokens"], 3);
        assert_eq!(written(vec![], &EncodeOptions::default()).get("usage"), None);
    }

    #[test]
    fn what_is_no_completion_is_a_protocol_error() {
        for body in [
            json!({}),
            json!([]),
            json!({"choices": {}}),
            json!({"choices": [1]}),
            json!({"choices": [{"message": 1}]}),
        ] {
            assert!(matches!(decoded(&body), Err(UpstreamError::Protocol(_))), "{body}");
        }
        let refused = decoded(&json!({"error": {"message": "m", "code": 503}}));
        assert!(matches!(refused, Err(UpstreamError::Refused(refused)) if refused.status == 503));
    }

    #[test]
    fn an_answer_without_a_message_is_empty() {
        // Azure, for a filtered answer.
        let body = json!({"choices": [{"finish_reason": "content_filter", "index": 0}]});
        let choice = &decoded(&body).unwrap().choices[0];
        assert_eq!(
            (choice.parts.len(), choice.finish.clone()),
            (0, Some(Finish::in_word(FinishReason::ContentFilter, "content_filter")))
        );
    }

    #[test]
    fn gemini_through_its_openai_endpoint_keeps_its_signature() {
        let file = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/fixtures/recordings/gemini/gemini-compat-chat-compatible-api-with-tool-calls-without-id-a8759ae9.json"
        );
        let record = std::fs::read(file).unwrap();
        let record: Value = serde_json::from_slice(&record).unwrap();
        let reply = decoded(&record["response"]["body"]).unwrap();
        assert!(matches!(&reply.choices[0].parts[..], [Part::Text(Text { text, signature: Some(signature), .. })]
                if text == "The current time is Noon." && signature.of.provider == Provider::Gemini));
        assert_eq!(reply.usage.unwrap().usage.total(), 100);
    }
}
