//! One attempt: the request in the target's words, sent, and its answer taken up to the point of no return.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout, timeout_at};
use tt_core::conversation::Conversation;
use tt_core::plan::Step;
use tt_core::record::{AttemptEnded, Change, Note, Outcome, Settled, Totals};
use tt_core::usage::Reported;
use tt_core::{BaseUrl, Dialect, Provider, Timestamp, UsageSource};
use tt_ledger::Guard;
use tt_providers::openai::EncodeOptions;
use tt_providers::stream::Tally;
use tt_providers::{Encoded, ProviderError, RefusedKind, Slices, Target, Trust, Undo, endpoint, openai};

use super::durable;
use super::estimate::estimate;
use super::flow::Flow;
use super::inbound::Inbound;
use super::meter::{Measured, Meter, millis};
use super::relay::Relay;
use super::served;
use crate::app::App;
use crate::context::Context;
use crate::directory::UserView;
use crate::reply::Reply;

/// The largest plain answer taken from a provider.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// The largest error body read from a provider, and the time it has.
const LARGEST_ERROR: usize = 64 * 1024;
const ERROR_TIME: Duration = Duration::from_secs(10);

/// A request ready to be sent to one target, as often as it takes.
#[derive(Clone)]
pub(crate) struct Outbound {
    dialect: Dialect,
    base_url: BaseUrl,
    trust: Trust,
    secret: SecretString,
    body: Slices,
    /// The most output tokens of each choice, where a budget pays for fewer than the client asked for.
    pub(crate) cap: Option<u64>,
    /// Set when the target speaks another dialect than the client.
    translated: Option<Translated>,
    /// What the target cannot express: for the record of the attempt.
    pub(crate) notes: Vec<Note>,
    inbound: Arc<Inbound>,
}

#[derive(Clone)]
struct Translated {
    undo: Undo,
    conversation: Arc<Conversation>,
}

impl Translated {
    fn encode_options(&self, cx: &Context, step: &Step) -> EncodeOptions {
        EncodeOptions {
            created: cx.arrived_at.millis() / 1000,
            fallback_id: cx.id.0.simple().to_string(),
            fallback_model: step.model.to_string(),
            include_usage: self.conversation.include_usage,
            legacy_functions: self.conversation.legacy_functions,
        }
    }
}

impl Outbound {
    /// Puts `inbound` into the step's words: spliced when the target speaks the client's dialect, else encoded anew.
    /// `cap` takes the place of the most output tokens that the client asked for.
    pub(crate) async fn prepare(
        app: &App,
        view: &UserView,
        inbound: &Arc<Inbound>,
        step: &Step,
        cap: Option<u64>,
    ) -> Result<Self, ProviderError> {
        let key = view
            .keys
            .get(&step.key)
            .ok_or_else(|| ProviderError::Protocol("its stored key cannot be opened; save the key again".to_owned()))?;
        let dialect = Dialect::of(step.provider);
        let (body, translated, notes) = if dialect == Dialect::OpenAiChat {
            (inbound.scan.splice_capped(inbound.body(), step.model.as_str(), cap), None, Vec::new())
        } else {
            let mut conversation = inbound.decode()?;
            if let Some(cap) = cap {
                Arc::make_mut(&mut conversation).sampling.max_output_tokens = Some(cap);
            }
            let prices = app.prices.load();
            let facts = prices.facts(step.provider, step.model.as_str());
            let target = Target { model: step.model.as_str(), facts };
            let encoded = tt_providers::encode_request(dialect, &conversation, target)?;
            let notes = notes_of(&encoded);
            (Slices::from(Bytes::from(encoded.body)), Some(Translated { undo: encoded.undo, conversation }), notes)
        };
        key.used.store(true, Ordering::Relaxed);
        let (base_url, trust) = app.config.upstream.address(step.provider, key.base_url.as_ref());
        Ok(Self {
            dialect,
            base_url,
            trust,
            secret: key.secret.clone(),
            body,
            cap,
            translated,
            notes,
            inbound: Arc::clone(inbound),
        })
    }

    fn undo(&self) -> Undo {
        self.translated.as_ref().map(|t| t.undo.clone()).unwrap_or_default()
    }
}

/// What the target cannot express, for the record.
fn notes_of(encoded: &Encoded) -> Vec<Note> {
    let dropped = |param: &&str| Note {
        param: (*param).to_owned(),
        what: Change::Dropped,
        why: "the target has no such parameter".to_owned(),
    };
    encoded.dropped.iter().map(dropped).collect()
}

/// An attempt that did not serve: the guard back, with the attempt ended in it.
pub(crate) struct Failed {
    pub(crate) guard: Guard,
    pub(crate) error: ProviderError,
}

/// Sends `outbound` and answers the client from what comes back.
pub(crate) async fn send(
    cx: &Context,
    outbound: Outbound,
    step: &Step,
    guard: Guard,
    sent_at: Timestamp,
) -> Result<Reply, Box<Failed>> {
    let meter = Meter::start(cx.app.prices.load_full(), step, sent_at).at(outbound.base_url.as_str());
    if outbound.inbound.scan.stream {
        stream(cx, outbound, step, guard, meter).await
    } else {
        plain(cx, outbound, step, guard, meter).await
    }
}

/// Ends the attempt in the guard with what is known of a failure.
fn fail(mut guard: Guard, meter: &Meter, error: ProviderError, answered: bool) -> Box<Failed> {
    let reason = public_reason(&error);
    let elapsed = meter.elapsed_ms();
    guard.attempt_ended(match &error {
        ProviderError::Refused(refused) => AttemptEnded::unbilled(Some(refused.status), reason, elapsed),
        ProviderError::BadAnswer { usage, .. } => meter.ended(Measured {
            status: Some(200),
            error: Some(reason),
            source: UsageSource::Provider,
            usage: (**usage).clone(),
            served_model: None,
        }),
        ProviderError::Protocol(_) | ProviderError::Broken(_) if answered => {
            AttemptEnded { status: Some(200), ..AttemptEnded::unanswered(reason, elapsed) }
        }
        ProviderError::Timeout(_) | ProviderError::Protocol(_) | ProviderError::Broken(_) => {
            AttemptEnded::unanswered(reason, elapsed)
        }
        ProviderError::Connect(_)
        | ProviderError::Unsupported { .. }
        | ProviderError::Missing { .. }
        | ProviderError::InvalidJson { .. }
        | ProviderError::Malformed { .. } => AttemptEnded::unbilled(None, reason, elapsed),
    });
    Box::new(Failed { guard, error })
}

/// Why an attempt failed, in words that hold no key: a stored credential's fault is named as that, not in the
/// provider's words, which may quote the key.
pub(crate) fn public_reason(error: &ProviderError) -> String {
    match error {
        ProviderError::Refused(refused) if refused.kind == RefusedKind::Credential => {
            format!("{} (the provider does not take the stored key, or its account)", refused.status)
        }
        ProviderError::Refused(refused) => format!("{} {}", refused.status, refused.message.trim_end_matches('.')),
        other => other.to_string(),
    }
}

/// A failure's kind, for the log: a provider's words may quote the prompt.
pub(super) const fn kind(error: &ProviderError) -> &'static str {
    match error {
        ProviderError::Unsupported { .. } => "unsupported",
        ProviderError::InvalidJson { .. } | ProviderError::Missing { .. } | ProviderError::Malformed { .. } => {
            "malformed"
        }
        ProviderError::Refused(_) => "an error event",
        ProviderError::Timeout(_) => "no more data in time",
        ProviderError::Connect(_) | ProviderError::Broken(_) => "the connection broke",
        ProviderError::BadAnswer { .. } | ProviderError::Protocol(_) => "unreadable",
    }
}

/// Sends the request and takes the answer's head.
async fn head(
    cx: &Context,
    outbound: &Outbound,
    step: &Step,
    stream: bool,
) -> Result<Response<Incoming>, ProviderError> {
    let request = endpoint::chat_request(
        step.provider,
        outbound.base_url.as_str(),
        step.model.as_str(),
        stream,
        &outbound.secret,
        outbound.body.clone(),
    )?;
    ask(&cx.worker.client, step.provider, outbound.trust, &outbound.secret, request).await
}

/// Sends `request`, which holds `secret`, and takes the answer's head; an error status becomes the provider's error.
pub(crate) async fn ask(
    client: &tt_providers::Client,
    provider: Provider,
    trust: Trust,
    secret: &SecretString,
    request: Request<Slices>,
) -> Result<Response<Incoming>, ProviderError> {
    let response = client.send(request, trust).await?;
    if response.status() == StatusCode::OK {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    if !parts.status.is_client_error() && !parts.status.is_server_error() {
        return Err(ProviderError::Protocol(format!("status {}", parts.status.as_u16())));
    }
    // What can be read of the body explains the status; the status stands without it.
    let body = timeout(ERROR_TIME, collect(body, LARGEST_ERROR, ERROR_TIME)).await;
    let body = without_secret(body.ok().and_then(Result::ok).unwrap_or_default(), secret);
    let refused = tt_providers::refused(provider, parts.status.as_u16(), &parts.headers, &body);
    Err(ProviderError::Refused(Box::new(refused)))
}

/// The shortest secret looked for in a provider's words: shorter ones are no keys, and would be found everywhere.
const SHORTEST_SECRET: usize = 8;

/// An error's body with the stored key struck out: some hosts quote it, and the words go to the caller and the log.
fn without_secret(body: Bytes, secret: &SecretString) -> Bytes {
    match std::str::from_utf8(&body).ok().and_then(|text| struck_out(text, secret)) {
        Some(text) => Bytes::from(text),
        None => body,
    }
}

/// `text` with the secret struck out; `None` where it does not stand in it.
fn struck_out(text: &str, secret: &SecretString) -> Option<String> {
    let secret = secret.expose_secret();
    (secret.len() >= SHORTEST_SECRET && text.contains(secret)).then(|| text.replace(secret, "[key]"))
}

/// The same for an error inside a stream.
pub(super) fn error_without_secret(mut error: ProviderError, secret: &SecretString) -> ProviderError {
    if let ProviderError::Refused(refused) = &mut error
        && let Some(message) = struck_out(&refused.message, secret)
    {
        refused.message = message;
    }
    error
}

/// A body in full, at most `cap_bytes` of it, with no silence longer than `idle`.
pub(crate) async fn collect(mut body: Incoming, cap_bytes: usize, idle: Duration) -> Result<Bytes, ProviderError> {
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let frame = timeout(idle, body.frame()).await.map_err(|_| ProviderError::Timeout(idle))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| ProviderError::Broken("in the middle of the answer".to_owned()))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + rest.len() + data.len() > cap_bytes {
            return Err(ProviderError::Protocol(format!("the answer is larger than {cap_bytes} bytes")));
        }
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&std::mem::take(&mut first));
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

async fn plain(
    cx: &Context,
    outbound: Outbound,
    step: &Step,
    guard: Guard,
    meter: Meter,
) -> Result<Reply, Box<Failed>> {
    let upstream = &cx.app.config.upstream;
    let mut answered = false;
    let whole = async {
        let response = head(cx, &outbound, step, false).await?;
        answered = true;
        collect(response.into_body(), LARGEST_ANSWER, upstream.idle_timeout).await
    };
    let body = match timeout(upstream.total_timeout, whole).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return Err(fail(guard, &meter, error, answered)),
        Err(_) => return Err(fail(guard, &meter, ProviderError::Timeout(upstream.total_timeout), answered)),
    };
    let answer = match read_answer(cx, &outbound, step, body) {
        Ok(answer) => answer,
        Err(error) => return Err(fail(guard, &meter, error, true)),
    };
    Ok(serve(cx, &outbound, step, guard, &meter, answer).await)
}

/// A plain answer, ready for the client.
struct Answer {
    body: Bytes,
    usage: Option<Reported>,
    served_model: Option<String>,
    /// What was said: counted where the provider gave no usage.
    tally: Tally,
}

fn read_answer(cx: &Context, outbound: &Outbound, step: &Step, body: Bytes) -> Result<Answer, ProviderError> {
    let Some(translated) = &outbound.translated else {
        let facts = openai::observe::observe_reply(&body)?;
        let tally = said(&facts.output_text);
        return Ok(Answer { body, usage: facts.usage, served_model: facts.model, tally });
    };
    let reply = tt_providers::decode_reply(outbound.dialect, &body, &translated.undo)?;
    Ok(Answer {
        body: Bytes::from(openai::encode_reply(&reply, &translated.encode_options(cx, step))),
        tally: said(&reply.output_text()),
        served_model: Some(reply.model).filter(|model| !model.is_empty()),
        usage: reply.usage,
    })
}

/// A tally of a whole answer's text.
fn said(text: &str) -> Tally {
    let mut tally = Tally::default();
    tally.text(text);
    tally
}

/// Settles a whole answer and hands it out.
async fn serve(
    cx: &Context,
    outbound: &Outbound,
    step: &Step,
    mut guard: Guard,
    meter: &Meter,
    answer: Answer,
) -> Reply {
    let Answer { body, usage, served_model, tally } = answer;
    let (source, usage) = match usage {
        Some(usage) => (UsageSource::Provider, usage),
        None => {
            let (done, counted) = tokio::sync::oneshot::channel();
            let (inbound, provider) = (Arc::clone(&outbound.inbound), meter.provider());
            cx.app.estimator.run(move |precision| {
                // Nobody waits any more when the client has left: the guard has settled.
                let _gone = done.send(estimate(&inbound, provider, &tally, precision));
            });
            (UsageSource::Estimated, counted.await.unwrap_or_default())
        }
    };
    guard.last_attempt_ended(meter.ended(Measured { status: Some(200), error: None, source, usage, served_model }));
    let attempts = guard.attempts().len();
    let totals = Totals::of(guard.attempts());
    let cost = totals.cost.filter(|_| !totals.unpriced);
    let settled = guard.settle(Settled {
        status: Some(200),
        outcome: Outcome::Ok,
        error: None,
        latency_ms: millis(cx.arrived),
        first_token_ms: None,
    });
    durable(settled).await;
    served::plain(step, attempts, outbound.cap.is_some(), cost, body)
}

async fn stream(
    cx: &Context,
    outbound: Outbound,
    step: &Step,
    guard: Guard,
    meter: Meter,
) -> Result<Reply, Box<Failed>> {
    let upstream = &cx.app.config.upstream;
    let deadline = Instant::now() + upstream.first_byte_timeout;
    let response = match timeout_at(deadline, head(cx, &outbound, step, true)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(fail(guard, &meter, error, false)),
        Err(_) => return Err(fail(guard, &meter, ProviderError::Timeout(upstream.first_byte_timeout), false)),
    };
    let flow = match &outbound.translated {
        None => Flow::pass(outbound.inbound.scan.include_usage == Some(true)),
        Some(translated) => Flow::translate(outbound.dialect, outbound.undo(), translated.encode_options(cx, step)),
    };
    let (attempts, capped) = (guard.attempts().len(), outbound.cap.is_some());
    let relay = Relay::new(cx, response.into_body(), flow, guard, meter, outbound.inbound, outbound.secret);
    match relay.open(deadline, upstream.first_byte_timeout).await {
        Ok(relay) => Ok(served::stream(step, attempts, capped, relay)),
        Err(failed) => Err(failed),
    }
}
