//! New connections while workers are behind: one that asks for `/health` is answered here, on the control plane, and does not
//! wait for its turn on a worker. All others go on to a worker.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::server::places::Place;
use crate::server::turned_away::answer_once;

/// The lag of a worker from which on new connections are looked at.
pub(super) const BEHIND: Duration = Duration::from_millis(10);

/// The longest time that is waited for the first bytes of a connection.
const LONGEST_LOOK: Duration = Duration::from_millis(500);

/// The most connections that are looked at at a time; more go to a worker unseen.
const MOST: usize = 1024;

/// The beginnings of requests that are answered here.
const PROBES: [&[u8]; 2] = [b"GET /health HTTP/1.", b"HEAD /health HTTP/1."];

/// A connection that no worker has yet.
pub(super) struct New {
    pub(super) socket: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) place: Place,
}

/// The looks at new connections.
pub(super) struct Probes {
    seen: mpsc::Sender<New>,
    tasks: TaskTracker,
}

impl Probes {
    /// Makes the looks, and the receiver of the connections that are for a worker.
    pub(super) fn new() -> (Self, mpsc::Receiver<New>) {
        let (seen, for_workers) = mpsc::channel(MOST);
        (Self { seen, tasks: TaskTracker::new() }, for_workers)
    }

    /// Looks at a connection, on the current runtime. It comes back at once if too many are being looked at.
    pub(super) fn look(&self, new: New) -> Option<New> {
        let Ok(room) = self.seen.clone().try_reserve_owned() else { return Some(new) };
        self.tasks.spawn(async move {
            let first = tokio::time::timeout(LONGEST_LOOK, is_probe(&new.socket)).await;
            if first == Ok(true) {
                let _until_its_end = new.place;
                answer_once(new.socket).await;
            } else {
                // A worker has deadlines for those who say nothing, and finds out what is broken.
                let _sender = room.send(new);
            }
        });
        None
    }
}

/// True if the first bytes that come are of a request for `/health`.
async fn is_probe(socket: &TcpStream) -> bool {
    let mut first = [0; 20];
    let Ok(count) = socket.peek(&mut first).await else { return false };
    let first = first.get(..count).unwrap_or_default();
    PROBES.iter().any(|probe| first.starts_with(probe))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_request_for_health_is_told_from_all_others_and_nothing_is_taken_from_the_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for (sent, probe) in [
            ("GET /health HTTP/1.1\r\nhost: x\r\n\r\n", true),
            ("HEAD /health HTTP/1.1\r\nhost: x\r\n\r\n", true),
            ("GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n", false),
            ("POST /v1/chat/completions HTTP/1.1\r\n", false),
            ("G", false),
        ] {
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(sent.as_bytes()).await.unwrap();
            let (socket, _) = listener.accept().await.unwrap();
            assert_eq!(is_probe(&socket).await, probe, "{sent}");
            let mut first = [0; 1];
            assert_eq!(socket.peek(&mut first).await.unwrap(), 1);
            assert_eq!(first.first(), sent.as_bytes().first());
        }
    }
}
