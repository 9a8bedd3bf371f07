//! Puts load on an endpoint of one of the APIs that clients speak. Each of a number of connections sends one request after the other, on
//! current-thread runtimes; every answer is read to its end and its latency is counted.
//!
//! It measures only success: the first answer that is not 200, or is cut, ends the run with an error.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use http::uri::Authority;
use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The text that the prompt repeats.
const FILLER: &str = "All is well here, and nothing else needs to be said. ";
/// The number of bytes of an error's body that are shown.
const SHOWN: usize = 300;
/// The significant digits that latencies keep.
const DIGITS: u8 = 3;
/// The longest latency that is told apart, in nanoseconds: longer ones count as this.
const LONGEST_NANOS: u64 = 600_000_000_000;

/// A load to make.
#[derive(Debug, Clone)]
pub struct Load {
    /// The target: `host:port`.
    pub target: Authority,
    /// Those whose requests are sent, in turn over all connections; at least one.
    pub senders: Vec<Sender>,
    /// The meaning of an answer of 503.
    pub refusals: Refusals,
    /// The number of connections that send at the same time.
    pub connections: usize,
    /// The number of threads that the connections are spread over.
    pub threads: usize,
    /// The time at the beginning in which requests are made but not counted.
    pub warm_up: Duration,
    /// The condition that ends the load.
    pub end: End,
}

/// A client, with the one request that it makes again and again.
#[derive(Debug, Clone)]
pub struct Sender {
    /// The header with the credential.
    pub credential: (HeaderName, HeaderValue),
    /// The path and the body; [`Api::request`] makes them.
    pub request: (String, Bytes),
}

/// The meaning of an answer of 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusals {
    /// It ends the load as any other answer that is no success.
    Fail,
    /// The server is overloaded: the answer is counted as refused, and its connection is silent for as long as its
    /// `retry-after` asks.
    Wait,
    /// As [`Refusals::Wait`], of a client that does not do as it is asked: the next request is sent at once.
    Again,
}

/// The condition that ends a load.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// The load ends this long after the warm-up. Requests that are on their way then are answered, but not counted.
    After(Duration),
    /// The load ends when this many requests have been counted.
    Requests(u64),
}

/// The result of a load.
#[derive(Debug, Clone)]
pub struct Report {
    /// Nanoseconds from the first byte sent to the last received, of the requests that were counted.
    pub latencies: Histogram<u64>,
    /// The same of the answers of 503, unless they fail the load; those of the warm-up included.
    pub refusals: Histogram<u64>,
    /// All requests, those of the warm-up included.
    pub sent: u64,
    /// Bytes of bodies received, over all requests.
    pub received_bytes: u64,
    /// From the end of the warm-up to the end of the last counted request.
    pub elapsed: Duration,
}

impl Default for Report {
    fn default() -> Self {
        let empty =
            || Histogram::new_with_max(LONGEST_NANOS, DIGITS).unwrap_or_else(|error| panic!("no histogram: {error}"));
        Self { latencies: empty(), refusals: empty(), sent: 0, received_bytes: 0, elapsed: Duration::ZERO }
    }
}

impl Report {
    /// The numbers for another program: counts, requests a second, latencies in microseconds.
    pub fn json(&self) -> Value {
        let seconds = self.elapsed.as_secs_f64();
        let micros = |nanos: u64| nanos as f64 / 1000.0;
        json!({
            "requests": self.latencies.len(),
            "sent": self.sent,
            "refused": self.refusals.len(),
            "seconds": seconds,
            "requests_per_second": if seconds > 0.0 { self.latencies.len() as f64 / seconds } else { 0.0 },
            "p50_us": micros(self.latencies.value_at_quantile(0.5)),
            "p99_us": micros(self.latencies.value_at_quantile(0.99)),
            "highest_us": micros(self.latencies.max()),
            "answer_bytes": self.received_bytes.checked_div(self.sent).unwrap_or(0),
        })
    }
}

/// The API that a load's requests are written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Api {
    /// OpenAI's Chat Completions.
    #[default]
    Chat,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages.
    Messages,
    /// Gemini's `generateContent`.
    Gemini,
}

impl Api {
    /// The API of this name: `chat`, `responses`, `messages` or `gemini`.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "chat" => Self::Chat,
            "responses" => Self::Responses,
            "messages" => Self::Messages,
            "gemini" => Self::Gemini,
            _ => return None,
        })
    }

    /// The path and the body of a request. The body has exactly `bytes` bytes, or the fewest it takes.
    pub fn request(self, model: &str, stream: bool, bytes: usize) -> (String, Bytes) {
        let streamed = if stream { r#""stream":true,"# } else { "" };
        let (path, head, tail) = match self {
            Self::Chat => (
                "/v1/chat/completions".to_owned(),
                format!(r#"{{"model":"{model}",{streamed}"messages":[{{"role":"user","content":""#),
                r#""}]}"#,
            ),
            Self::Responses => (
                "/v1/responses".to_owned(),
                format!(r#"{{"model":"{model}",{streamed}"input":[{{"role":"user","content":""#),
                r#""}]}"#,
            ),
            Self::Messages => (
                "/v1/messages".to_owned(),
                format!(r#"{{"model":"{model}",{streamed}"max_tokens":100,"messages":[{{"role":"user","content":""#),
                r#""}]}"#,
            ),
            Self::Gemini => {
                let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
                let head = r#"{"contents":[{"role":"user","parts":[{"text":""#;
                (format!("/v1beta/models/{model}:{method}"), head.to_owned(), r#""}]}]}"#)
            }
        };
        let room = bytes.saturating_sub(head.len() + tail.len());
        let prompt: String = FILLER.chars().cycle().take(room).collect();
        (path, format!("{head}{prompt}{tail}").into())
    }
}

/// The state that the connections share.
struct Run {
    load: Load,
    /// Counting begins here.
    begin: Instant,
    /// The number of requests still to be counted, with [`End::Requests`].
    left: AtomicU64,
    /// The number of requests begun.
    begun: AtomicUsize,
    failed: AtomicBool,
}

impl Load {
    /// Makes the load; returns when it has ended.
    ///
    /// # Errors
    /// The first request that failed, in words.
    pub fn run(self) -> Result<Report, String> {
        let left = match self.end {
            End::After(_) => 0,
            End::Requests(requests) => requests,
        };
        let begin = Instant::now() + self.warm_up;
        let run = Run {
            load: self,
            begin,
            left: AtomicU64::new(left),
            begun: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
        };
        let run = Arc::new(run);
        let threads = run.load.threads.clamp(1, run.load.connections.max(1));
        let handles: Vec<_> = (0..threads)
            .map(|index| {
                let connections = (index..run.load.connections).step_by(threads).count();
                let run = Arc::clone(&run);
                std::thread::spawn(move || thread(&run, connections))
            })
            .collect();
        let mut report = Report::default();
        let mut failure = None;
        for handle in handles {
            match handle.join() {
                Ok(Ok(part)) => report.add(&part),
                Ok(Err(problem)) => failure = failure.or(Some(problem)),
                Err(_) => failure = failure.or_else(|| Some("a thread panicked".to_owned())),
            }
        }
        failure.map_or(Ok(report), Err)
    }
}

impl Report {
    fn add(&mut self, part: &Self) {
        // Both grow as they need to, so there is always room.
        let added = self.latencies.add(&part.latencies).and_then(|()| self.refusals.add(&part.refusals));
        if let Err(error) = added {
            panic!("the latencies of two threads do not fit together: {error}");
        }
        self.sent += part.sent;
        self.received_bytes += part.received_bytes;
        self.elapsed = self.elapsed.max(part.elapsed);
    }
}

fn thread(run: &Arc<Run>, connections: usize) -> Result<Report, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let mut all = JoinSet::new();
        for _ in 0..connections {
            let run = Arc::clone(run);
            all.spawn(async move {
                let result = run.connection().await;
                run.failed.fetch_or(result.is_err(), Ordering::Relaxed);
                result
            });
        }
        let mut report = Report::default();
        let mut failure = None;
        while let Some(ended) = all.join_next().await {
            match ended.map_err(|error| error.to_string()).flatten() {
                Ok(part) => report.add(&part),
                Err(problem) => failure = failure.or(Some(problem)),
            }
        }
        failure.map_or(Ok(report), Err)
    })
}

impl Run {
    async fn connection(&self) -> Result<Report, String> {
        let target = self.load.target.as_str();
        let socket = TcpStream::connect(target).await.map_err(|error| format!("{target}: {error}"))?;
        socket.set_nodelay(true).map_err(|error| format!("{target}: {error}"))?;
        let connected = http1::handshake(TokioIo::new(socket)).await;
        let (sender, connection) = connected.map_err(|error| format!("{target}: {error}"))?;
        let mut requests = pin!(self.requests(sender));
        // One task for both sides: a wake-up serves whichever has something to do.
        let report = tokio::select! {
            report = &mut requests => report,
            // The requests then learn how it ended.
            _ = connection => requests.await,
        };
        report.map_err(|problem| format!("{target}: {problem}"))
    }

    async fn requests(&self, mut sender: SendRequest<Full<Bytes>>) -> Result<Report, String> {
        let mut report = Report::default();
        loop {
            let start = Instant::now();
            let counts = start >= self.begin;
            if self.failed.load(Ordering::Relaxed) || !self.goes_on(start, counts) {
                return Ok(report);
            }
            sender.ready().await.map_err(|error| error.to_string())?;
            let answer = sender.send_request(self.request()?).await.map_err(|error| error.to_string())?;
            if self.load.refusals != Refusals::Fail && answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                report.sent += 1;
                report.refusals.saturating_record(nanos(start.elapsed()));
                if !self.after_refusal(answer, &mut sender).await? {
                    return Ok(report);
                }
                continue;
            }
            report.received_bytes += read(answer).await?;
            let end = Instant::now();
            report.sent += 1;
            let in_time = match self.load.end {
                End::After(duration) => end <= self.begin + duration,
                End::Requests(_) => true,
            };
            if counts && in_time {
                report.latencies.saturating_record(nanos(end.duration_since(start)));
                report.elapsed = end.duration_since(self.begin);
            }
        }
    }

    /// Reads a refusal to its end and, with [`Refusals::Wait`], waits as it asks, at most until the load ends. False: the server
    /// has closed the connection, as it may.
    async fn after_refusal(
        &self,
        answer: http::Response<Incoming>,
        sender: &mut SendRequest<Full<Bytes>>,
    ) -> Result<bool, String> {
        let asked = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let asked = asked.map(Duration::from_secs).ok_or("a 503 has no retry-after in seconds")?;
        let mut body = answer.into_body();
        while let Some(Ok(_)) = body.frame().await {}
        let until = match self.load.end {
            End::After(duration) => (Instant::now() + asked).min(self.begin + duration),
            End::Requests(_) => Instant::now() + asked,
        };
        if self.load.refusals == Refusals::Wait {
            tokio::time::sleep_until(until.into()).await;
        }
        Ok(sender.ready().await.is_ok())
    }

    fn goes_on(&self, now: Instant, counts: bool) -> bool {
        match self.load.end {
            End::After(duration) => now < self.begin + duration,
            End::Requests(_) if !counts => true,
            End::Requests(_) => {
                self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
            }
        }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, String> {
        let senders = &self.load.senders;
        let turn = self.begun.fetch_add(1, Ordering::Relaxed);
        let sender = senders.get(turn % senders.len().max(1)).ok_or("a load without senders")?;
        let (path, body) = &sender.request;
        Request::post(path.as_str())
            .header(header::HOST, self.load.target.as_str())
            .header(&sender.credential.0, &sender.credential.1)
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(Full::new(body.clone()))
            .map_err(|error| error.to_string())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Reads an answer to its end; its body's length.
async fn read(answer: http::Response<Incoming>) -> Result<u64, String> {
    let status = answer.status();
    let mut body = answer.into_body();
    let mut bytes = 0;
    let mut shown = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("an answer was cut after {bytes} bytes: {error}"))?;
        if let Some(data) = frame.data_ref() {
            bytes += data.len() as u64;
            if status != StatusCode::OK && shown.len() < SHOWN {
                shown.extend_from_slice(data);
            }
        }
    }
    if status == StatusCode::OK {
        return Ok(bytes);
    }
    shown.truncate(SHOWN);
    Err(format!("{status}: {}", String::from_utf8_lossy(&shown)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Behaviour, MockUpstream};

    fn sender(model: &str, stream: bool) -> Sender {
        Sender {
            credential: (header::AUTHORIZATION, HeaderValue::from_static("Bearer sk-mock")),
            request: Api::Chat.request(model, stream, 300),
        }
    }

    fn load(mock: &MockUpstream, model: &str, stream: bool) -> Load {
        Load {
            target: mock.address().to_string().parse().unwrap(),
            senders: vec![sender(model, stream)],
            refusals: Refusals::Fail,
            connections: 4,
            threads: 2,
            warm_up: Duration::ZERO,
            end: End::Requests(50),
        }
    }

    #[test]
    fn a_body_has_the_asked_length_and_is_json() {
        for (stream, bytes) in [(false, 300), (true, 300), (false, 102_400)] {
            for api in [Api::Chat, Api::Responses, Api::Messages, Api::Gemini] {
                let (path, body) = api.request("mock-bench", stream, bytes);
                assert_eq!(body.len(), bytes);
                let read: Value = serde_json::from_slice(&body).unwrap();
                if api == Api::Gemini {
                    assert_eq!(path.contains("/mock-bench:stream"), stream, "{path}");
                } else {
                    assert_eq!(read.pointer("/model").unwrap(), "mock-bench");
                    assert_eq!(read.get("stream").is_some(), stream);
                }
            }
        }
        assert!(serde_json::from_slice::<Value>(&Api::Chat.request("mock-bench", false, 0).1).is_ok());
    }

    #[test]
    fn the_number_of_requests_sent_and_counted_is_the_one_asked_for() {
        let mock = MockUpstream::start();
        let report = load(&mock, "mock-small", false).run().unwrap();
        assert_eq!((report.sent, report.latencies.len()), (50, 50));
        assert_eq!(mock.requests().len(), 50);
        let json = report.json();
        assert_eq!(json["requests"], 50);
        let [half, most, highest] = ["p50_us", "p99_us", "highest_us"].map(|name| json[name].as_f64().unwrap());
        assert!(1.0 < half && half <= most && most <= highest, "no answer comes within a microsecond: {json}");
        assert!(highest <= 1e6 * report.elapsed.as_secs_f64(), "{json}");
    }

    #[test]
    fn a_load_for_a_time_ends_by_itself() {
        let mock = MockUpstream::start();
        let load = Load {
            warm_up: Duration::from_millis(200),
            end: End::After(Duration::from_millis(500)),
            ..load(&mock, "mock-bench", false)
        };
        let report = load.run().unwrap();
        assert!(!report.latencies.is_empty() && report.latencies.len() < report.sent);
        assert!(report.elapsed <= Duration::from_millis(500));
    }

    #[test]
    fn streams_are_read_to_their_end() {
        let mock = MockUpstream::start();
        let few = load(&mock, "mock-bench-chunks-2", true).run().unwrap();
        let many = load(&mock, "mock-bench-chunks-200", true).run().unwrap();
        assert!(many.received_bytes > 20 * few.received_bytes, "{} and {}", many.received_bytes, few.received_bytes);
    }

    #[test]
    fn an_answer_that_is_no_success_ends_the_run() {
        let mock = MockUpstream::start();
        let failure = load(&mock, "mock-status-503", false).run().unwrap_err();
        assert!(failure.contains("503"), "{failure}");
        let failure = load(&mock, "mock-chunks-20-cut-after-3", true).run().unwrap_err();
        assert!(failure.contains("cut"), "{failure}");
    }

    #[test]
    fn senders_take_turns() {
        let mock = MockUpstream::start();
        let senders = ["mock-a", "mock-b", "mock-c", "mock-d", "mock-e"].map(|model| sender(model, false)).to_vec();
        Load { senders, ..load(&mock, "mock-bench", false) }.run().unwrap();
        for model in ["mock-a", "mock-b", "mock-c", "mock-d", "mock-e"] {
            let sent = mock.requests().iter().filter(|seen| seen.model.as_deref() == Some(model)).count();
            assert_eq!(sent, 10, "{model}");
        }
    }

    #[test]
    fn a_refusal_is_counted_and_its_connection_waits_where_the_load_is_to_overload() {
        let mock = MockUpstream::start();
        mock.on("full", Behaviour::status(503).header("retry-after", "60"));
        let load = Load {
            refusals: Refusals::Wait,
            end: End::After(Duration::from_millis(300)),
            ..load(&mock, "full", false)
        };
        let report = load.clone().run().unwrap();
        assert_eq!((report.sent, report.refusals.len(), report.latencies.len()), (4, 4, 0), "one a connection");
        let report = Load { refusals: Refusals::Again, ..load }.run().unwrap();
        assert!(report.refusals.len() > 4 && report.sent == report.refusals.len(), "{} refused", report.refusals.len());
    }

    #[test]
    fn a_target_that_refuses_connections_is_an_error() {
        let gone = MockUpstream::start();
        let load = load(&gone, "mock-bench", false);
        drop(gone);
        assert!(load.run().is_err());
    }
}
