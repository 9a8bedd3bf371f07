//! The properties of any input of a client or a provider: nothing panics, no memory beyond 40 times the input and a
//! constant, no time beyond a constant for each byte.
//!
//! The package `fuzz/` makes inputs for these functions for as long as one likes; the tests beside this file give them a
//! fixed corpus. So this file uses nothing of the tests.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use tt_core::call::conversation::Conversation;
use tt_core::call::decoded::Decoded;
use tt_core::call::embedding::EmbeddingCall;
use tt_core::client::AskedBy;
use tt_core::model::{Capabilities, ModelFacts};
use tt_core::{BaseUrl, Dialect, Provider, Tags};
use tt_providers::codec::{Head, Ingress, ScannedRequest, StreamEncoder, Target, Undo};
use tt_providers::exchange::Step;
use tt_providers::openai_chat::{observe, reply, stream};
use tt_providers::sse::{Frame, Framer};
use tt_providers::tally::Tally;
use tt_providers::upstream::account::Account;
use tt_providers::upstream::models::decode_models;
use tt_providers::{AnswerStream, ClientRequest, Exchange, Trust, codec, decoded_bytes};
use uuid::Uuid;

/// The memory that any input may take for each of its bytes.
const FOR_EACH_BYTE: usize = 40;

/// The memory that small work takes whatever its input, in bytes.
const SMALL: usize = 256 << 10;

/// The memory that an encoder may add where a schema has references, in bytes: 4 MiB of schemas that they name, and their
/// text.
const INLINED: usize = 12 << 20;

/// The memory that an answer, or an event of a stream, may take beyond its length, in bytes: lists of some thousand
/// elements, of which each is hundreds of bytes in memory.
const ANSWERED: usize = 1 << 20;

/// The dialects of clients.
const DIALECTS: [Dialect; 5] = [
    Dialect::OpenAiChat,
    Dialect::AnthropicMessages,
    Dialect::Gemini,
    Dialect::OpenAiResponses,
    Dialect::OpenAiEmbeddings,
];

/// Paths that name a model and ask for a stream or for embeddings, as Gemini's clients write them; the other dialects read
/// nothing there.
const STREAM: &str = "/v1beta/models/m:streamGenerateContent?alt=sse";
const EMBED: &str = "/v1beta/models/m:embedContent";
const BATCH: &str = "/v1beta/models/m:batchEmbedContents";

/// Runs `work` on an input of `length` bytes.
///
/// # Panics
/// If it takes more memory than 40 times the length and `constant` bytes, or if it takes more time than any work that is
/// nearly linear: 50 ms and 5 µs for each byte, in an optimised build.
pub(crate) fn bounded<T>(what: &str, length: usize, constant: usize, work: impl Fn() -> T) -> T {
    let (mut result, mut took) = (None, Duration::MAX);
    let slow = if cfg!(debug_assertions) { 20 } else { 1 };
    let most =
        (Duration::from_millis(50) + Duration::from_micros(5) * u32::try_from(length).unwrap_or(u32::MAX)) * slow;
    // The time is that of the processor in this thread. A case that takes long once may have waited for memory.
    for _ in 0..3 {
        let start = processor_time();
        let counted = allocation_counter::measure(|| result = Some(black_box(work())));
        took = took.min(processor_time() - start);
        let peak = usize::try_from(counted.bytes_max).unwrap_or(usize::MAX);
        let allowed = length.saturating_mul(FOR_EACH_BYTE).saturating_add(constant);
        assert!(peak <= allowed, "{what} of {length} bytes takes {peak} bytes of memory, {allowed} are allowed");
        if took <= most {
            break;
        }
    }
    assert!(took <= most, "{what} of {length} bytes takes {took:?}, {most:?} are allowed");
    result.expect("the work has run")
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

fn models() -> [(&'static str, Option<ModelFacts>); 2] {
    let capabilities = Capabilities {
        native_structured_output: Some(true),
        adaptive_thinking: Some(true),
        mid_conversation_system: Some(true),
        ..Capabilities::default()
    };
    [("gemini-2.5-flash", None), ("gemini-3-pro-preview", Some(ModelFacts { capabilities, ..ModelFacts::default() }))]
}

/// Encodes `call`, which `body` was decoded to, for every dialect and kind of model.
fn encode(call: &Conversation, body: &[u8]) {
    let refers = body.windows(4).any(|piece| piece == b"$ref" || piece == br"\u00");
    let constant = if refers { INLINED } else { SMALL };
    for translation in DIALECTS.into_iter().filter_map(|dialect| codec(dialect).translation) {
        for (model, facts) in models() {
            let target = Target { model, facts: facts.as_ref() };
            let encoded = bounded("encoding a request", body.len(), constant, || translation.encode(call, target));
            match encoded {
                Ok(encoded) => {
                    serde_json::from_slice::<serde::de::IgnoredAny>(&encoded.body).expect("a request is JSON");
                    black_box(encoded.notes.named(|field| format!("{field:?}")));
                }
                Err(error) => drop(error.in_words(|field| format!("{field:?}"))),
            }
        }
    }
}

/// The body of a client's request: scanned, passed through, decoded, and encoded for every dialect.
pub(crate) fn request(body: &[u8]) {
    let body = Bytes::copy_from_slice(body);
    for ingress in DIALECTS.into_iter().filter_map(|dialect| codec(dialect).ingress) {
        let paths: &[_] = if ingress.dialect() == Dialect::Gemini { &[STREAM, EMBED, BATCH] } else { &[STREAM] };
        paths.iter().for_each(|path| request_of(ingress, path, &body));
    }
}

fn request_of(ingress: &dyn Ingress, path: &'static str, body: &Bytes) {
    let (uri, headers) = (Uri::from_static(path), HeaderMap::new());
    let head = Head { uri: &uri, headers: &headers };
    let scanned = bounded("scanning a body", body.len(), SMALL, || ingress.scan(&head, body));
    let Ok(scanned) = scanned else { return };
    black_box(scanned.get().splice(body, "model", Some(5)).to_vec());
    let bound = decoded_bytes(body);
    let call = bounded("decoding a request", body.len(), SMALL, || {
        let mut call = None;
        let counted = allocation_counter::measure(|| call = Some(scanned.decode(body)));
        assert!(
            counted.bytes_max <= bound as u64,
            "{} bytes decode to {}, bound {bound}",
            body.len(),
            counted.bytes_max
        );
        call.expect("the request was decoded")
    });
    match (&scanned, call) {
        (ScannedRequest::Chat(chat), Ok(Decoded::Chat(call))) => {
            drop(chat.fees(&call));
            encode(&call, body);
        }
        (_, Ok(Decoded::Embeddings(call))) => encode_embeddings(&call, body),
        _ => {}
    }
}

/// Encodes `call`, which `body` was decoded to, for every dialect that has embeddings.
fn encode_embeddings(call: &EmbeddingCall, body: &[u8]) {
    for translation in DIALECTS.into_iter().filter_map(|dialect| codec(dialect).embeddings) {
        let encoded =
            bounded("encoding embeddings", body.len(), SMALL, || translation.encode(call, "gemini-embedding-001"));
        match encoded {
            Ok(encoded) => {
                serde_json::from_slice::<serde::de::IgnoredAny>(&encoded.body).expect("a request is JSON");
                black_box(encoded.notes.named(|field| format!("{field:?}")));
            }
            Err(error) => drop(error.in_words(|field| format!("{field:?}"))),
        }
    }
}

/// A JSON Schema, as that of a tool and as that of an answer.
pub(crate) fn schema(text: &[u8]) {
    let Ok(schema @ Value::Object(_)) = serde_json::from_slice::<Value>(text) else { return };
    let tool = |strict| json!({"type": "function", "function": {"name": "f", "strict": strict, "parameters": schema}});
    let format = json!({"type": "json_schema", "json_schema": {"name": "s", "schema": schema}});
    let messages = json!([{"role": "user", "content": "x"}]);
    for body in [
        json!({"model": "m", "messages": messages, "tools": [tool(true), tool(false)]}),
        json!({"model": "m", "messages": messages, "response_format": format}),
    ] {
        let body = body.to_string();
        let call =
            tt_providers::openai_chat::request::decode_request(body.as_bytes()).expect("the schema is an object");
        encode(&call, body.as_bytes());
    }
}

/// The body of an answer, whose first byte chooses the dialect.
pub(crate) fn answer(input: &[u8]) {
    let Some((kind, body)) = input.split_first() else { return };
    let dialect = dialect(*kind);
    let egress = codec(dialect).egress;
    let undo = undo();
    for client in DIALECTS {
        let Some(exchange) = exchange(client, dialect) else { continue };
        drop(bounded("an answer for a client", body.len(), ANSWERED, || exchange.reply(Bytes::copy_from_slice(body))));
    }
    if let Some(embeddings) = codec(dialect).embeddings {
        let decoded = bounded("decoding embeddings", body.len(), ANSWERED, || embeddings.decode_reply(body, 1));
        drop(decoded);
        let batch = (EMBED, r#"{"content":{"parts":[{"text":"x"}]}}"#);
        let exchange = exchange_of(Dialect::Gemini, batch, dialect);
        drop(bounded("embeddings for a client", body.len(), ANSWERED, || exchange.reply(Bytes::copy_from_slice(body))));
    }
    let decoded = codec(dialect).translation.map(|translation| {
        bounded("decoding an answer", body.len(), ANSWERED, || translation.decode_reply(body, &undo))
    });
    if let Some(Ok(decoded)) = decoded {
        let options = reply::EncodeOptions::default();
        let written = bounded("encoding an answer", body.len(), ANSWERED, || reply::encode_reply(&decoded, &options));
        serde_json::from_slice::<serde::de::IgnoredAny>(&written).expect("an answer is JSON");
    }
    if dialect == Dialect::OpenAiChat {
        drop(bounded("counting an answer", body.len(), SMALL, || observe::observe_reply(body)));
    }
    for provider in Provider::ALL {
        drop(bounded("reading a list of models", body.len(), SMALL, || decode_models(provider, body)));
    }
    for status in [400, 429, 500] {
        drop(bounded("reading an error", body.len(), SMALL, || egress.refused(status, &HeaderMap::new(), body)));
    }
}

/// The body of a streamed answer, whose first byte chooses the dialect and the way.
pub(crate) fn stream(input: &[u8]) {
    let Some((kind, body)) = input.split_first() else { return };
    let body = Bytes::copy_from_slice(body);
    let dialect = dialect(*kind);
    let length = body.len();
    for client in DIALECTS {
        let Some(exchange) = exchange(client, dialect) else { continue };
        bounded("a stream", length, ANSWERED, || answer_stream(&mut exchange.stream(), &body));
        let frames = frames(std::iter::once(body.clone()));
        assert_eq!(
            account(exchange.stream(), &frames),
            account(exchange.stream(), &spaced(&frames)),
            "spaces between the tokens of JSON change nothing"
        );
    }
    if dialect == Dialect::OpenAiChat {
        bounded("a translated stream", length, ANSWERED, || translate(&body));
    }
}

/// Gives a stream to the client, as the proxy does it, and throws away the bytes.
fn answer_stream(answer: &mut AnswerStream, body: &Bytes) {
    let mut out = BytesMut::new();
    let whole = frames(std::iter::once(body.clone())).into_iter().try_for_each(|frame| {
        let step = answer.frame(&frame, &mut out)?;
        black_box(answer.held_bytes());
        out.clear();
        if step.done { Err(tt_providers::UpstreamError::Broken("the end".into())) } else { Ok(()) }
    });
    if whole.is_ok() {
        drop(answer.body_ended(&mut out));
    }
    answer.end(&mut out);
    black_box(answer.tally().clone());
}

/// The steps of a stream up to its first error, and its account.
fn account(mut answer: AnswerStream, frames: &[Frame]) -> (Vec<Step>, Tally) {
    let mut out = BytesMut::new();
    let steps = frames.iter().map_while(|frame| answer.frame(frame, &mut out).ok()).collect();
    (steps, answer.tally().clone())
}

/// The same events, of which every other one has a space more where its JSON object begins. So none begins like the one
/// before it, by which an event is recognised without being parsed.
fn spaced(frames: &[Frame]) -> Vec<Frame> {
    let mut space = false;
    let frames = frames.iter().map(|frame| {
        let Some(rest) = frame.data.trim_ascii().strip_prefix(b"{") else { return frame.clone() };
        space = !space;
        let begin: &[u8] = if space { b"{ " } else { b"{" };
        Frame { data: [begin, rest].concat().into(), raw: frame.raw.clone() }
    });
    frames.collect()
}

/// Decodes a stream of Chat Completions, and writes it again.
fn translate(body: &Bytes) {
    let translation = codec(Dialect::OpenAiChat).translation.expect("answers are translated from it");
    let mut decoder = translation.stream_decoder(undo());
    let mut encoder = stream::Encoder::new(reply::EncodeOptions::default());
    let (mut events, mut out) = (Vec::new(), BytesMut::new());
    for frame in frames(std::iter::once(body.clone())) {
        let read = decoder.data(&frame.data, &mut events);
        for event in events.drain(..) {
            encoder.event(&event, &mut out);
        }
        out.clear();
        if read.is_err() {
            return;
        }
    }
    drop(decoder.end(&mut events));
}

/// The bytes of an event stream, whose first byte is the length of the pieces in which they come.
pub(crate) fn framing(input: &[u8]) {
    let Some((length, body)) = input.split_first() else { return };
    let body = Bytes::copy_from_slice(body);
    let length = usize::from(*length).max(1);
    let pieces = || (0..body.len()).step_by(length).map(|at| body.slice(at..(at + length).min(body.len())));
    // Frames are read one after another, as they come: an event may be a single byte.
    let read = |frame: Frame| drop(black_box(frame));
    bounded("framing", body.len(), SMALL, || each_frame(std::iter::once(body.clone()), read));
    bounded("framing pieces", body.len(), SMALL, || each_frame(pieces(), read));
    let (whole, cut) = (frames(std::iter::once(body.clone())), frames(pieces()));
    let raw: Vec<u8> = whole.iter().flat_map(|frame| frame.raw.iter().copied()).collect();
    assert_eq!(raw, body, "frames are the bytes that came");
    assert_eq!(whole, cut, "frames do not depend on where the input was cut");
}

/// The frames of a body that comes in `pieces`, the unfinished one at its end included.
fn frames(pieces: impl Iterator<Item = Bytes>) -> Vec<Frame> {
    let mut frames = Vec::new();
    each_frame(pieces, |frame| frames.push(frame));
    frames
}

/// Takes the frames of a body that comes in `pieces`, the unfinished one at its end included.
fn each_frame(pieces: impl Iterator<Item = Bytes>, mut take: impl FnMut(Frame)) {
    let mut framer = Framer::new();
    for piece in pieces {
        framer.push(piece);
        while let Some(frame) = framer.next() {
            match frame {
                Ok(frame) => take(frame),
                Err(_) => return,
            }
        }
    }
    framer.finish().into_iter().for_each(take);
}

/// A text that stands in an address or in a header.
pub(crate) fn text(input: &[u8]) {
    bounded("a header", input.len(), SMALL, || {
        let Ok(value) = HeaderValue::from_bytes(input) else { return };
        for name in ["retry-after", "retry-after-ms"] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value.clone())]);
            for dialect in DIALECTS {
                let wait = codec(dialect).egress.refused(429, &headers, b"").retry_after;
                assert!(wait.is_none_or(|wait| wait <= Duration::from_hours(24)), "{wait:?}");
            }
        }
        let Ok(value) = value.to_str() else { return };
        let names = ["user-agent", "x-claude-code-agent-id", "traceparent", "session-id"];
        black_box(AskedBy::from_headers(names.map(|name| (name, value)), Some));
        drop(Tags::parse(value));
    });
    let Ok(text) = std::str::from_utf8(input) else { return };
    bounded("an address", input.len(), SMALL, || {
        if let Ok(base) = BaseUrl::parse(text) {
            for provider in Provider::ALL {
                let account = Account::new(provider, base.clone(), Trust::User, "key".into());
                black_box(account.region());
                drop(account.models(Some(text)));
            }
        }
        for dialect in DIALECTS {
            if let Ok(path) = codec(dialect).egress.path(text, true) {
                assert!(path.parse::<Uri>().is_ok(), "{path} is no path");
            }
        }
    });
}

fn dialect(kind: u8) -> Dialect {
    DIALECTS.into_iter().cycle().nth(usize::from(kind)).unwrap_or(Dialect::OpenAiChat)
}

/// The changes to undo in an answer to a request with a custom tool and a tool of an odd name.
fn undo() -> Undo {
    Undo {
        tool_names: [("f_".to_owned(), "f!".to_owned())].into(),
        answer_tool: Some("answer".to_owned()),
        custom_tools: ["g".to_owned()].into(),
    }
}

/// The exchange of a stream for a client of `client` with a provider of `dialect`; `None` for a client's dialect that is not
/// served, and for a provider's that other clients are not translated to. The tool is one of OpenAI's dialects, since the
/// others have no custom ones.
fn exchange(client: Dialect, dialect: Dialect) -> Option<Exchange> {
    codec(client).ingress?;
    match client {
        _ if client == dialect => {}
        Dialect::OpenAiEmbeddings => drop(codec(dialect).embeddings?),
        _ => drop(codec(dialect).translation?),
    }
    let body = match client {
        Dialect::OpenAiChat => {
            r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"x"}],
            "tools":[{"type":"custom","custom":{"name":"g"}}]}"#
        }
        Dialect::AnthropicMessages => {
            r#"{"model":"m","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#
        }
        Dialect::Gemini => r#"{"contents":[{"parts":[{"text":"x"}]}]}"#,
        Dialect::OpenAiResponses => r#"{"model":"m","stream":true,"input":"x","tools":[{"type":"custom","name":"g"}]}"#,
        Dialect::OpenAiEmbeddings => r#"{"model":"m","input":"x","encoding_format":"base64"}"#,
    };
    Some(exchange_of(client, (STREAM, body), dialect))
}

fn exchange_of(client: Dialect, (path, body): (&'static str, &'static str), dialect: Dialect) -> Exchange {
    let (uri, headers) = (Uri::from_static(path), HeaderMap::new());
    let head = Head { uri: &uri, headers: &headers };
    let ingress = codec(client).ingress.expect("clients speak it");
    let request = ClientRequest::read(ingress, &head, Bytes::from_static(body.as_bytes())).expect("it is a request");
    let target = Target { model: "m", facts: None };
    let exchange = Exchange::new(&Arc::new(request), dialect, target, None, (0, Uuid::nil()));
    exchange.expect("every dialect takes the request")
}
