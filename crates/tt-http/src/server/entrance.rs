//! The entrance of a worker, by which the acceptor hands it connections, and the choice between entrances.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

/// Connections handed to a worker that it has not taken yet; when so many wait, the acceptor waits too.
const MOST_HANDED_OVER: usize = 1024;

/// The time after which a worker that has taken none of the connections that wait for it is stuck. It gets no more of
/// them then, as long as another worker is not stuck.
const STUCK_AFTER: Duration = Duration::from_millis(20);

/// The worker has ended.
#[derive(Debug)]
pub(super) struct Ended;

/// The acceptor's side of a worker.
pub(super) struct Entrance<T> {
    hand_over: mpsc::Sender<T>,
    connections: Arc<AtomicUsize>,
    /// The number of connections that the worker has been handed.
    handed_over: usize,
    /// The number of them that it had taken at the last look.
    taken: usize,
    /// The time since when it has taken none, though one waits.
    waits_since: Option<Instant>,
}

/// The number of a worker's connections, those included that it has not taken yet.
#[derive(Clone)]
pub(super) struct Connections(Arc<AtomicUsize>);

/// A connection that the worker has taken. Dropping it takes it out of the number.
pub(super) struct Taken(Arc<AtomicUsize>);

/// Makes an entrance, the worker's side of it, and the number of the worker's connections.
pub(super) fn entrance<T>() -> (Entrance<T>, mpsc::Receiver<T>, Connections) {
    let (hand_over, handed_over) = mpsc::channel(MOST_HANDED_OVER);
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Connections(Arc::clone(&connections));
    let entrance = Entrance { hand_over, connections, handed_over: 0, taken: 0, waits_since: None };
    (entrance, handed_over, count)
}

/// The entrance of the worker that serves the fewest connections, among those that are not stuck if there are any.
/// `None` if there are no entrances.
pub(super) fn choose<'a, T: 'a>(
    entrances: impl Iterator<Item = &'a mut Entrance<T>>,
    now: Instant,
) -> Option<&'a mut Entrance<T>> {
    let looked_at = entrances.map(|entrance| {
        let order = (entrance.is_stuck(now), entrance.connections.load(Ordering::Relaxed));
        (order, entrance)
    });
    looked_at.min_by_key(|(order, _)| *order).map(|(_, entrance)| entrance)
}

impl<T> Entrance<T> {
    /// Hands the worker a connection, once it has room for one.
    pub(super) async fn hand_over(&mut self, connection: T) -> Result<(), Ended> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.hand_over.send(connection).await.map_err(|_| Ended)?;
        self.handed_over += 1;
        self.waits_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    fn is_stuck(&mut self, now: Instant) -> bool {
        let waiting = self.hand_over.max_capacity() - self.hand_over.capacity();
        let taken = self.handed_over.saturating_sub(waiting);
        if waiting == 0 {
            self.waits_since = None;
        } else if taken != self.taken {
            self.waits_since = Some(now);
        }
        self.taken = taken;
        self.waits_since.is_some_and(|since| now.saturating_duration_since(since) >= STUCK_AFTER)
    }
}

impl Connections {
    /// Notes that the worker has taken a connection.
    pub(super) fn taken(&self) -> Taken {
        Taken(Arc::clone(&self.0))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands one connection to the worker that is chosen at the time `now`; its place among the entrances.
    async fn place(entrances: &mut [Entrance<usize>], now: Instant) -> usize {
        let before: Vec<usize> = entrances.iter().map(|entrance| entrance.handed_over).collect();
        choose(entrances.iter_mut(), now).unwrap().hand_over(0).await.unwrap();
        before.iter().zip(entrances.iter()).position(|(before, entrance)| *before != entrance.handed_over).unwrap()
    }

    #[tokio::test]
    async fn a_worker_that_takes_nothing_gets_no_more_until_it_goes_on() {
        let ((stuck, mut untaken, stuck_count), (well, mut taking, well_count)) = (entrance(), entrance());
        let mut entrances = [stuck, well];
        // The connections that are open.
        let mut kept = Vec::new();
        let mut take = async |kept: &mut Vec<Taken>| {
            taking.recv().await.unwrap();
            kept.push(well_count.taken());
        };
        assert_eq!(place(&mut entrances, Instant::now()).await, 0);
        assert_eq!(place(&mut entrances, Instant::now()).await, 1);
        take(&mut kept).await;
        // The first worker serves as few as the second, and then fewer.
        let later = Instant::now() + STUCK_AFTER;
        for _ in 0..10 {
            assert_eq!(place(&mut entrances, later).await, 1);
            take(&mut kept).await;
        }
        // It goes on, with its one connection.
        untaken.recv().await.unwrap();
        let _connection = stuck_count.taken();
        assert_eq!(place(&mut entrances, later).await, 0);
    }

    #[tokio::test]
    async fn a_worker_that_is_busy_and_takes_now_and_then_is_not_stuck() {
        let (mut busy, mut untaken, _count) = entrance::<usize>();
        let mut now = Instant::now();
        for number in 0..100 {
            busy.hand_over(number).await.unwrap();
        }
        for _ in 0..10 {
            assert!(!busy.is_stuck(now));
            untaken.recv().await.unwrap();
            now += 2 * STUCK_AFTER;
        }
        assert!(!busy.is_stuck(now));
        assert!(busy.is_stuck(now + STUCK_AFTER));
    }

    #[tokio::test]
    async fn where_all_are_stuck_the_one_with_the_fewest_connections_gets_the_next() {
        let ((first, _a, _), (second, _b, _)) = (entrance(), entrance());
        let mut entrances = [first, second];
        for expected in [0, 1, 0, 1] {
            let later = Instant::now() + 2 * STUCK_AFTER;
            assert_eq!(place(&mut entrances, later).await, expected);
        }
    }
}
