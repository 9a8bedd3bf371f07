//! A world of several processes: calls in turn, and what each of them says of the Redis that they share.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{World, within};
use crate::client::{Client, Response};

impl World {
    /// A client of the process whose turn it is, without credentials.
    pub fn next(&self) -> Client {
        self.client_of(self.turn.fetch_add(1, Ordering::Relaxed))
    }

    /// The same with this bearer token.
    pub fn next_as(&self, token: &str) -> Client {
        self.next().bearer(token)
    }

    /// Waits until every process reports this state of Redis (`ok` or `unavailable`); returns the time that took.
    ///
    /// # Panics
    /// If that takes longer than `most`.
    pub async fn redis_is(&self, state: &str, most: Duration) -> Duration {
        within(most, &format!("Redis is {state} to every process"), async || {
            for number in 0..self.processes() {
                if self.readiness(number).await.json()["redis"] != state {
                    return false;
                }
            }
            true
        })
        .await
    }

    /// The answer of a process to the question whether it is ready.
    pub async fn readiness(&self, number: usize) -> Response {
        self.client_of(number).get("/health/ready").send().await
    }

    /// The number of times that the processes have lost Redis so far. A process that waits for it in vain writes that
    /// to its log.
    pub fn losses(&self) -> usize {
        let of = |number| self.program_of(number).stderr().matches("Redis does not answer").count();
        (0..self.processes()).map(of).sum()
    }
}
