//! `tt-mock`: the mock upstream, the bare proxy and the load generator as programs.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use http::uri::Authority;
use http::{HeaderName, HeaderValue};
use tt_testkit::bare_proxy::{BareProxy, Pool};
use tt_testkit::load::{Api, End, Load, Refusals, Sender};
use tt_testkit::mock::{Matcher, Seen};
use tt_testkit::{Behaviour, MockUpstream};

const USAGE: &str = "\
tt-mock upstream [--port N] [--threads N] [--recordings DIR]   a mock of OpenAI, Anthropic and Gemini
tt-mock bare-proxy --upstream http://HOST:PORT [--port N] [--threads N] [--shared-pool true]
                                           passes requests on and does nothing else
tt-mock load --target http://HOST:PORT [--api chat|responses|messages|gemini] [--credential 'NAME: VALUE'] [--model NAME]
             [--senders FILE] [--stream true] [--bytes N] [--connections N] [--threads N] [--warm-up MS]
             [--duration MS | --requests N]
                                           requests one after the other on each connection; prints JSON
tt-mock certificate DIRECTORY              writes certificate.pem and key.pem of localhost and authority.pem, which issued them

Each line of FILE is a credential, a tab, and a model: requests are sent with each line in turn.

The port is a free one and the threads are one (bare-proxy: one per core) unless given. Each thread of the bare proxy has
connections to the upstream of its own unless they share them. A load is of chat completions of 300 bytes for the model
mock-bench, plain, on one connection, for 2000 ms after 200 ms of warm-up unless given.

The upstream's models whose names begin with mock do what the words of the name say (mock-delay-200ms); all others take the
steps of an agent: the results of tools may ask for further calls.";

#[derive(Debug, Default)]
struct Options {
    port: u16,
    threads: Option<usize>,
    upstream: Option<String>,
    recordings: Option<String>,
    pool: Pool,
    target: Option<String>,
    api: Api,
    credential: Option<String>,
    model: Option<String>,
    senders: Option<String>,
    stream: bool,
    bytes: Option<usize>,
    connections: Option<usize>,
    warm_up: Option<u64>,
    duration: Option<u64>,
    requests: Option<u64>,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let result = match command.as_str() {
        #[cfg(feature = "harness")]
        "certificate" => arguments.next().ok_or_else(|| USAGE.to_owned()).and_then(|directory| certificate(&directory)),
        "upstream" => options(arguments).and_then(upstream),
        "bare-proxy" => options(arguments).and_then(bare_proxy),
        "load" => options(arguments).and_then(load),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value\n{USAGE}"))?;
        let no_number = |_| format!("{name} needs a number, not {value}");
        match name.as_str() {
            "--port" => options.port = value.parse().map_err(no_number)?,
            "--threads" => options.threads = Some(value.parse().map_err(no_number)?),
            "--upstream" => options.upstream = Some(value),
            "--shared-pool" => {
                let shared = value.parse().map_err(|_| "--shared-pool is true or false".to_owned())?;
                options.pool = if shared { Pool::Shared } else { Pool::OfEachWorker };
            }
            "--recordings" => options.recordings = Some(value),
            "--target" => options.target = Some(value),
            "--api" => options.api = Api::named(&value).ok_or_else(|| format!("{value} is no API\n{USAGE}"))?,
            "--credential" => options.credential = Some(value),
            "--model" => options.model = Some(value),
            "--senders" => options.senders = Some(value),
            "--stream" => options.stream = value.parse().map_err(|_| "--stream is true or false".to_owned())?,
            "--bytes" => options.bytes = Some(value.parse().map_err(no_number)?),
            "--connections" => options.connections = Some(value.parse().map_err(no_number)?),
            "--warm-up" => options.warm_up = Some(value.parse().map_err(no_number)?),
            "--duration" => options.duration = Some(value.parse().map_err(no_number)?),
            "--requests" => options.requests = Some(value.parse().map_err(no_number)?),
            _ => return Err(format!("{name} is no option\n{USAGE}")),
        }
    }
    Ok(options)
}

/// The mock's journal is off: nobody could read it, and it would grow.
fn upstream(options: Options) -> Result<(), String> {
    let mut builder = MockUpstream::builder().port(options.port).threads(options.threads.unwrap_or(1)).journal(false);
    if let Some(directory) = options.recordings {
        builder = builder.recordings(directory);
    }
    let mock = builder.start().map_err(|error| format!("port {}: {error}", options.port))?;
    let named = |seen: &Seen| seen.model.as_deref().is_some_and(|model| !model.starts_with("mock"));
    mock.on(Matcher::when(named), Behaviour::ok().agent_of_one_model());
    announce(mock.address())?;
    mock.serve_forever();
    Ok(())
}

fn bare_proxy(options: Options) -> Result<(), String> {
    let authority = authority(options.upstream)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let proxy = BareProxy::start(address, options.threads.unwrap_or(cores), authority, options.pool)
        .map_err(|error| format!("port {}: {error}", options.port))?;
    announce(proxy.address())?;
    proxy.serve_forever();
    Ok(())
}

#[cfg(feature = "harness")]
fn certificate(directory: &str) -> Result<(), String> {
    let authority = tt_testkit::certificates::Authority::new();
    let issued = authority.issue(&["localhost", "127.0.0.1"]);
    for (name, text) in
        [("authority.pem", authority.pem()), ("certificate.pem", &issued.chain), ("key.pem", &issued.key)]
    {
        let path = std::path::Path::new(directory).join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn load(options: Options) -> Result<(), String> {
    let end = match options.requests {
        Some(requests) => End::Requests(requests),
        None => End::After(Duration::from_millis(options.duration.unwrap_or(2000))),
    };
    let senders = senders(&options)?;
    let load = Load {
        target: authority(options.target)?,
        senders,
        refusals: Refusals::Fail,
        connections: options.connections.unwrap_or(1),
        threads: options.threads.unwrap_or(1),
        warm_up: Duration::from_millis(options.warm_up.unwrap_or(200)),
        end,
    };
    let report = load.run()?;
    writeln!(std::io::stdout(), "{}", report.json()).map_err(|error| error.to_string())
}

/// The senders of a load: those of the file, or the one of the other options.
fn senders(options: &Options) -> Result<Vec<Sender>, String> {
    let sender = |credential: &str, model: &str| {
        let credential = header(credential).ok_or("a credential is no header")?;
        let request = options.api.request(model, options.stream, options.bytes.unwrap_or(300));
        Ok(Sender { credential, request })
    };
    let Some(path) = &options.senders else {
        let credential = options.credential.as_deref().unwrap_or("authorization: Bearer sk-mock");
        return Ok(vec![sender(credential, options.model.as_deref().unwrap_or("mock-bench"))?]);
    };
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let lines = text.lines().map(|line| {
        let (credential, model) = line.split_once('\t').ok_or_else(|| format!("{path}: a line has no tab"))?;
        sender(credential, model)
    });
    let senders: Vec<Sender> = lines.collect::<Result<_, String>>()?;
    if senders.is_empty() { Err(format!("{path}: nobody is in it")) } else { Ok(senders) }
}

/// A header from its line.
fn header(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = line.split_once(':')?;
    Some((name.trim().parse().ok()?, value.trim().parse().ok()?))
}

/// The `host:port` of `http://host:port`.
fn authority(url: Option<String>) -> Result<Authority, String> {
    let url = url.ok_or(USAGE)?;
    let authority = url.trim_start_matches("http://").trim_end_matches('/').parse();
    authority.map_err(|error| format!("{url}: {error}"))
}

fn announce(address: SocketAddr) -> Result<(), String> {
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{address}").and_then(|()| out.flush()).map_err(|error| error.to_string())
}
