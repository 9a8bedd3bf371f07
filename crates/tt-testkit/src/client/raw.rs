//! A bare socket, for requests that are malformed, half sent, or abandoned.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::PATIENCE;

/// A connection that sends exactly the bytes it is given.
#[derive(Debug)]
pub struct RawConnection {
    socket: TcpStream,
}

impl RawConnection {
    /// Connects to `host:port`.
    ///
    /// # Panics
    /// If the connection is refused.
    pub async fn open(address: &str) -> Self {
        let socket = match TcpStream::connect(address).await {
            Ok(socket) => socket,
            Err(error) => panic!("{address}: {error}"),
        };
        // Without this option small writes may be delayed; the test works all the same.
        let _ = socket.set_nodelay(true);
        Self { socket }
    }

    /// Sends bytes. If the server has closed the connection, the next read shows it.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.socket.write_all(bytes.as_ref()).await;
    }

    /// Ends the sending side only.
    pub async fn half_close(&mut self) {
        let _ = self.socket.shutdown().await;
    }

    /// Closes with RST, as a client that crashes does.
    ///
    /// # Panics
    /// If the system does not allow it.
    pub fn abort(self) {
        self.socket.set_zero_linger().unwrap_or_else(|error| panic!("no reset: {error}"));
    }

    /// Reads until `end` has come, the server closes, or `most` time has passed, and returns what came.
    pub async fn read_until(&mut self, end: &str, most: Duration) -> String {
        let mut all = Vec::new();
        let read = async {
            let mut buffer = [0; 16 * 1024];
            while !String::from_utf8_lossy(&all).contains(end) {
                match self.socket.read(&mut buffer).await {
                    Ok(0) | Err(_) => return,
                    Ok(n) => all.extend_from_slice(buffer.get(..n).unwrap_or_default()),
                }
            }
        };
        // The bytes that came in time are the answer.
        let _ = tokio::time::timeout(most, read).await;
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Reads the head of an answer.
    pub async fn read_head(&mut self) -> String {
        self.read_until("\r\n\r\n", PATIENCE).await
    }

    /// Reads until the server closes, and returns what came and whether it closed within `most`.
    pub async fn read_to_end(&mut self, most: Duration) -> (String, bool) {
        let mut all = Vec::new();
        let closed = tokio::time::timeout(most, self.socket.read_to_end(&mut all)).await.is_ok();
        (String::from_utf8_lossy(&all).into_owned(), closed)
    }
}
