//! The interface of the crate as the golden tests use it. When the interface changes, only this file changes, and no
//! snapshot.

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use serde_json::Value;
use tt_core::call::conversation::Conversation;
use tt_core::call::event::Event;
use tt_core::fee::{Fee, web_searches};
use tt_core::model::{Capabilities, ModelFacts};
use tt_core::usage::{Reported, Usage};
use tt_core::{Dialect, Provider};

use crate::api::openai::stream::Encoder;
use crate::api::openai::{self, EncodeOptions, Observer, Scan};
use crate::api::sse::Framer;
use crate::api::tally::Tally;
use crate::api::{
    Disposition, Refused, RequestError, StreamDecoder, StreamEncoder as _, Target, Undo, UpstreamError, changed,
    dropped, name,
};

/// The time of every answer in these tests, in seconds since the epoch.
const CREATED: i64 = 1_800_000_000;

/// A model that requests are encoded for, with facts that no change of the price table changes.
pub(crate) struct Model {
    pub(crate) dialect: Dialect,
    pub(crate) name: &'static str,
    facts: Option<ModelFacts>,
}

impl Model {
    /// The models that differ in what the encoders do for them.
    pub(crate) fn all() -> Vec<Self> {
        let model = |dialect, name, facts| Self { dialect, name, facts };
        let older = Capabilities {
            assistant_prefill: Some(true),
            native_structured_output: Some(true),
            reasoning: Some(true),
            ..Capabilities::default()
        };
        let newer = Capabilities {
            sampling_params: Some(false),
            assistant_prefill: Some(false),
            native_structured_output: Some(true),
            adaptive_thinking: Some(true),
            mid_conversation_system: Some(true),
            xhigh_reasoning_effort: Some(true),
            reasoning: Some(true),
            ..Capabilities::default()
        };
        let facts = |context_window, max_output, capabilities| {
            Some(ModelFacts { context_window: Some(context_window), max_output: Some(max_output), capabilities })
        };
        vec![
            model(Dialect::OpenAiChat, "gpt-5.4", None),
            model(Dialect::AnthropicMessages, "claude-unknown", None),
            model(Dialect::AnthropicMessages, "claude-sonnet-4-5", facts(200_000, 64_000, older)),
            model(Dialect::AnthropicMessages, "claude-opus-4-8", facts(1_000_000, 128_000, newer)),
            model(Dialect::Gemini, "gemini-2.5-flash", None),
            model(Dialect::Gemini, "gemini-3-pro-preview", None),
        ]
    }
}

impl Model {
    /// The model as the target of a request.
    pub(crate) fn target(&self) -> Target<'_> {
        Target { model: self.name, facts: self.facts.as_ref() }
    }
}

/// A request of the client, encoded for a provider.
pub(crate) struct Sent {
    pub(crate) body: Vec<u8>,
    /// Lines that name the changes to be undone in the answer and the dropped parameters; empty without any.
    pub(crate) notes: String,
}

/// Encodes a conversation for `model`.
pub(crate) fn encode_for(model: &Model, conversation: &Conversation) -> Result<Sent, String> {
    let target = Target { model: model.name, facts: model.facts.as_ref() };
    let encoded =
        crate::api::encode_request(model.dialect, conversation, target).map_err(|error| refused_request(&error))?;
    let mut notes = String::new();
    let Undo { tool_names, answer_tool, custom_tools } = &encoded.undo;
    for (sent, client) in tool_names {
        writeln!(notes, "undo: tool {sent:?} is {client:?}").unwrap();
    }
    if let Some(tool) = answer_tool {
        writeln!(notes, "undo: tool {tool:?} stands for the answer").unwrap();
    }
    for tool in custom_tools {
        writeln!(notes, "undo: tool {tool:?} is a custom tool").unwrap();
    }
    for (what, names) in [("dropped", dropped(&encoded)), ("changed", changed(&encoded))] {
        if !names.is_empty() {
            writeln!(notes, "{what}: {}", names.join(", ")).unwrap();
        }
    }
    Ok(Sent { body: encoded.body, notes })
}

/// Reads a Chat Completions request.
pub(crate) fn decode_request(body: &[u8]) -> Result<Conversation, String> {
    openai::decode_request(body).map_err(|error| refused_request(&error))
}

/// The request as it passes to a provider that speaks the client's dialect.
pub(crate) fn pass_through(body: &[u8], model: &str) -> Result<Vec<u8>, String> {
    let body = Bytes::copy_from_slice(body);
    let scan = Scan::of(&body).map_err(|error| refused_request(&error))?;
    Ok(scan.splice(&body, model, None).to_vec())
}

/// The request that an answer made by hand belongs to, as far as it changes how the answer is shown.
#[derive(Clone)]
pub(crate) struct Asked {
    undo: Undo,
    include_usage: bool,
    legacy_functions: bool,
}

impl Asked {
    /// A request without changes to undo, which asks for usage.
    pub(crate) fn plainly() -> Self {
        Self { undo: Undo::default(), include_usage: true, legacy_functions: false }
    }

    /// Reads `undo`, `include_usage` and `legacy_functions` of a case.
    pub(crate) fn of(case: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let undo = &case["undo"];
        let undo = Undo {
            tool_names: list(&undo["tool_names"]).iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect(),
            answer_tool: undo["answer_tool"].as_str().map(str::to_owned),
            custom_tools: list(&undo["custom_tools"]).iter().map(text).collect(),
        };
        let flag = |name: &str, absent| case[name].as_bool().unwrap_or(absent);
        Self { undo, include_usage: flag("include_usage", true), legacy_functions: flag("legacy_functions", false) }
    }

    fn options(&self) -> EncodeOptions {
        EncodeOptions {
            created: CREATED,
            fallback_id: "fallback-id".into(),
            fallback_model: "fallback-model".into(),
            include_usage: self.include_usage,
            legacy_functions: self.legacy_functions,
            service_tier: false,
        }
    }
}

/// An answer as the client gets it, and its account.
pub(crate) struct Got {
    /// The body or the events.
    pub(crate) body: Vec<u8>,
    /// The failure that ended the answer.
    pub(crate) error: Option<String>,
    /// Usage, model and length of the text, a line each.
    pub(crate) facts: String,
}

/// A plain answer translated to Chat Completions.
pub(crate) fn translate_reply(dialect: Dialect, body: &[u8], asked: &Asked) -> Got {
    match crate::api::decode_reply(dialect, body, &asked.undo) {
        Ok(reply) => Got {
            body: openai::encode_reply(&reply, &asked.options()),
            error: None,
            facts: format!(
                "model: {}\ntext: {} bytes\n{}",
                reply.model,
                reply.output_text().len(),
                usage(reply.usage.as_ref())
            ),
        },
        Err(error) => Got { body: Vec::new(), error: Some(failure(&error)), facts: String::new() },
    }
}

/// Observes a Chat Completions answer that passes as it is.
pub(crate) fn observe_reply(body: &[u8]) -> String {
    match openai::observe_reply(body) {
        Ok(facts) => {
            let model = facts.model.unwrap_or_default();
            format!("model: {model}\ntext: {} bytes\n{}", facts.output_text.len(), usage(facts.usage.as_ref()))
        }
        Err(error) => format!("{}\n", failure(&error)),
    }
}

/// A stream translated to Chat Completions, as the proxy does it: to the end, or to what goes wrong first.
pub(crate) fn translate_stream(dialect: Dialect, sse: &str, asked: &Asked) -> Got {
    let mut decoder = StreamDecoder::new(dialect, asked.undo.clone());
    let mut encoder = Encoder::new(asked.options());
    let (mut out, mut events, mut tally) = (BytesMut::new(), Vec::new(), Tally::default());
    let mut write = |events: &mut Vec<Event>| {
        for event in events.drain(..) {
            tally.event(&event);
            encoder.event(&event, &mut out);
        }
    };
    let mut error = None;
    for frame in frames(sse) {
        let read = decoder.data(&frame, &mut events);
        write(&mut events);
        if let Err(why) = read {
            error = Some(failure(&why));
            break;
        }
    }
    if error.is_none() {
        error = decoder.end(&mut events).err().map(|why| failure(&why));
        write(&mut events);
    }
    let facts = tally_facts(&tally);
    Got { body: out.to_vec(), error, facts }
}

/// A Chat Completions stream that passes as it is, as the proxy does it: which frames the client does not get, and
/// what is learned. Frames are counted from 0.
pub(crate) fn observe_stream(sse: &str) -> Got {
    let mut observer = Observer::new();
    let mut lines = String::new();
    let mut error = None;
    let mut count = 0;
    for (n, frame) in frames(sse).into_iter().enumerate() {
        let seen = observer.observe(&frame);
        count = n + 1;
        if let Some(refused) = seen.error {
            error = Some(failure(&UpstreamError::Refused(Box::new(refused))));
            break;
        }
        for (what, is) in [
            ("unreadable", seen.unreadable),
            ("the usage chunk: left out unless the client asked for it", seen.usage_only),
            ("the end", seen.done),
            ("a finish reason", seen.finish),
        ] {
            if is {
                writeln!(lines, "frame {n}: {what}").unwrap();
            }
        }
        if seen.unreadable {
            break;
        }
    }
    let facts = format!("frames: {count}\n{}", tally_facts(observer.tally()));
    Got { body: lines.into_bytes(), error, facts }
}

fn frames(sse: &str) -> Vec<Bytes> {
    let mut framer = Framer::new();
    framer.push(Bytes::copy_from_slice(sse.as_bytes()));
    let mut frames = Vec::new();
    while let Some(frame) = framer.next() {
        frames.push(frame.unwrap().data);
    }
    frames.extend(framer.finish().map(|frame| frame.data));
    // The program ignores such an event, so that no codec sees it.
    frames.retain(|data| data.trim_ascii() != b"null");
    frames
}

fn tally_facts(tally: &Tally) -> String {
    let state = match (tally.finished, tally.done) {
        (_, true) => "ended",
        (true, false) => "finished, without its end",
        (false, false) => "broken off",
    };
    let model = tally.served_model.as_deref().unwrap_or_default();
    format!(
        "state: {state}\nmodel: {model}\ntext: {} bytes\n{}",
        tally.output_text.len() as u64 + tally.extra_bytes,
        usage(tally.usage.as_ref())
    )
}

/// Reads an answer with an error status, and prints the error.
pub(crate) fn refusal(provider: Provider, status: u16, headers: &HeaderMap, body: &[u8]) -> String {
    failure(&UpstreamError::Refused(Box::new(crate::api::refused(provider, status, headers, body))))
}

/// The usage by class, classes of 0 left out, and all that decides its price.
fn usage(reported: Option<&Reported>) -> String {
    let Some(reported) = reported else { return "usage: none\n".to_owned() };
    let mut text = format!("usage: {}\n", classes(&reported.usage, &reported.fees));
    for pass in &reported.beside {
        let model = pass.model.as_deref().unwrap_or("the same model");
        writeln!(text, "beside, {model}: {}", classes(&pass.usage, &[])).unwrap();
    }
    if let Some(tier) = &reported.service_tier {
        writeln!(text, "tier: {tier}").unwrap();
    }
    if !reported.modifiers.is_empty() {
        writeln!(text, "modifiers: {}", reported.modifiers.join(", ")).unwrap();
    }
    writeln!(text, "as sent: {}", reported.raw.split_whitespace().collect::<Vec<_>>().join(" ")).unwrap();
    text
}

fn classes(usage: &Usage, fees: &[Fee]) -> String {
    let classes = [
        ("input", Some(usage.input)),
        ("cache_read", Some(usage.cache_read)),
        ("cache_write_5m", Some(usage.cache_write_5m)),
        ("cache_write_30m", Some(usage.cache_write_30m)),
        ("cache_write_1h", Some(usage.cache_write_1h)),
        ("cache_write_12h", Some(usage.cache_write_12h)),
        ("output", Some(usage.output)),
        ("reasoning", usage.reasoning.map(|n| n + 1)),
        ("audio_input", Some(usage.audio_input)),
        ("audio_output", Some(usage.audio_output)),
        ("cached_audio", Some(usage.cached_audio)),
        ("image_input", Some(usage.image_input)),
        ("image_output", Some(usage.image_output)),
        ("video_input", Some(usage.video_input)),
        ("tool_prompt", Some(usage.tool_prompt)),
        ("web_searches", Some(web_searches(fees))),
    ];
    // A stated reasoning of 0 differs from an unstated one, so it is counted from 1 above and shown from 0 here.
    let shown = classes.into_iter().filter_map(|(name, count)| match count {
        None | Some(0) => None,
        Some(count) if name == "reasoning" => Some(format!("{name} {}", count - 1)),
        Some(count) => Some(format!("{name} {count}")),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// A client's error, which is answered at once.
fn refused_request(error: &RequestError) -> String {
    let what = match error {
        RequestError::Unsupported { field, reason } => format!("unsupported parameter {:?}: {reason}", name(field)),
        RequestError::InvalidJson { reason } => format!("not JSON: {reason}"),
        RequestError::Missing { field } => format!("missing field {:?}", name(field)),
        RequestError::Malformed { field, reason } => format!("invalid field {:?}: {reason}", name(field)),
    };
    format!("{what} -> answer")
}

/// A failure and the next step after it.
fn failure(error: &UpstreamError) -> String {
    let what = match error {
        UpstreamError::Refused(refused) => refused_line(refused),
        UpstreamError::Timeout(after) => format!("timeout after {after:?}"),
        UpstreamError::Connect(_) => "no connection".to_owned(),
        UpstreamError::Broken(why) => format!("broken connection: {why}"),
        UpstreamError::Protocol(why) => format!("unreadable answer: {why}"),
        UpstreamError::Unread(why) => format!("an answer that was not read: {why}"),
        UpstreamError::BadAnswer { reason, usage: billed } => {
            format!("unusable answer: {reason}, billed: {}", classes(&billed.usage, &billed.fees))
        }
    };
    let next = match error.disposition() {
        Disposition::Answer => "answer".to_owned(),
        Disposition::FallBack => "fall back".to_owned(),
        Disposition::Retry(None) => "retry".to_owned(),
        Disposition::Retry(Some(wait)) => format!("retry after {wait:?}"),
    };
    format!("{what} -> {next}")
}

fn refused_line(refused: &Refused) -> String {
    let Refused { status, kind, message, code, param, retry_after, should_retry, original: _ } = refused;
    let mut line = format!("refused {status} {kind:?}");
    for (name, value) in [("code", code), ("param", param)] {
        if let Some(value) = value {
            write!(line, " {name} {value:?}").unwrap();
        }
    }
    if let Some(wait) = retry_after {
        write!(line, " wait {wait:?}").unwrap();
    }
    if let Some(again) = should_retry {
        write!(line, " again {again}").unwrap();
    }
    format!("{line} {message:?}")
}
