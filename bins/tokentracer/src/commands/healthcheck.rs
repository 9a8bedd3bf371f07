//! `tokentracer healthcheck`: asks the server with these settings whether it is ready. It serves container images,
//! which hold no curl.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Command;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::config::Config;

/// The longest that the server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The command line.
pub(crate) fn command() -> Command {
    Command::new("healthcheck").about("Ask a running server whether it is ready")
}

/// Asks `/health/ready` on the configured port. Errors are one line each.
pub(crate) async fn run(config: &Config) -> Result<(), String> {
    let host = if config.host.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { config.host };
    let address = SocketAddr::new(host, config.port);
    let head = tokio::time::timeout(TIMEOUT, status_line(address)).await;
    match head {
        Ok(Ok(line)) if line.starts_with("HTTP/1.1 200") => Ok(()),
        Ok(Ok(line)) => Err(format!("{address} is not ready: {line}")),
        Ok(Err(error)) => Err(format!("{address} does not answer: {error}")),
        Err(_) => Err(format!("{address} does not answer within {TIMEOUT:?}")),
    }
}

async fn status_line(address: SocketAddr) -> std::io::Result<String> {
    let mut socket = TcpStream::connect(address).await?;
    let request = format!("GET /health/ready HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    socket.take(4096).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned())
}
