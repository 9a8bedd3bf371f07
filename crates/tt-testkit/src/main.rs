//! `tt-mock`: the mock upstream and the bare proxy as programs.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use tt_testkit::MockUpstream;
use tt_testkit::bare_proxy::BareProxy;

const USAGE: &str = "\
tt-mock upstream [--port N] [--threads N] [--recordings DIR]   a mock of OpenAI, Anthropic and Gemini
tt-mock bare-proxy --upstream http://HOST:PORT [--port N] [--threads N]   passes requests on and does nothing else

The port is a free one and the threads are one (bare-proxy: one per core) unless given.";

#[derive(Debug, Default)]
struct Options {
    port: u16,
    threads: Option<usize>,
    upstream: Option<String>,
    recordings: Option<String>,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let result = options(arguments).and_then(|options| match command.as_str() {
        "upstream" => upstream(options),
        "bare-proxy" => bare_proxy(options),
        _ => Err(USAGE.to_owned()),
    });
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
            "--recordings" => options.recordings = Some(value),
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
    announce(mock.address())?;
    mock.serve_forever();
    Ok(())
}

fn bare_proxy(options: Options) -> Result<(), String> {
    let upstream = options.upstream.ok_or(USAGE)?;
    let authority = upstream.trim_start_matches("http://").trim_end_matches('/').parse();
    let authority = authority.map_err(|error| format!("{upstream}: {error}"))?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let proxy = BareProxy::start(address, options.threads.unwrap_or(cores), authority)
        .map_err(|error| format!("port {}: {error}", options.port))?;
    announce(proxy.address())?;
    proxy.serve_forever();
    Ok(())
}

fn announce(address: SocketAddr) -> Result<(), String> {
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{address}").and_then(|()| out.flush()).map_err(|error| error.to_string())
}
