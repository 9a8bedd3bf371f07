//! Takes log lines from every thread and writes them on a thread of its own, so that a standard error that nobody reads
//! stops no request.
//!
//! It is written by hand: `tracing-appender` reports a writer that hangs at the end on standard error itself, and so
//! hangs there too; and it bounds the number of the lines, not their bytes.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The most bytes of lines that wait to be written.
pub(crate) const MOST_BYTES: usize = 1 << 20;

/// Lines on their way to an output. Clones share the lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Notified whenever `waiting` has changed.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The lines that wait, the oldest first.
    text: Vec<u8>,
    /// The number of lines that found no room since the last report of it.
    lost: u64,
    /// True while the thread writes lines that it has taken.
    writing: bool,
}

impl Queue {
    /// Starts the thread that writes to `output`. After an output that was full takes lines again, `tell` is given the
    /// number of lines that were lost meanwhile.
    ///
    /// # Errors
    /// When the system has no thread.
    pub(crate) fn start(mut output: impl Write + Send + 'static, tell: fn(u64)) -> io::Result<Self> {
        let queue = Self::default();
        let lines = queue.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            loop {
                let (text, lost) = lines.take();
                // There is no other place to report an error to.
                let _written = output.write_all(&text).and_then(|()| output.flush());
                lines.written(text);
                if lost > 0 {
                    tell(lost);
                }
            }
        })?;
        Ok(queue)
    }

    /// Adds a line, which ends with a line break, or counts it as lost if there is no room.
    pub(crate) fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        if waiting.text.len() + line.len() <= MOST_BYTES {
            waiting.text.extend_from_slice(line);
        } else {
            waiting.lost += 1;
        }
        drop(waiting);
        self.0.changed.notify_all();
    }

    /// Waits until every line is written, `most` at the longest.
    pub(crate) fn flush(&self, most: Duration) {
        let until = Instant::now() + most;
        let mut waiting = self.lock();
        while waiting.writing || !waiting.text.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            waiting = self.0.changed.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for lines and takes all of them, with the number of lines that were lost behind them.
    fn take(&self) -> (Vec<u8>, u64) {
        let mut waiting = self.lock();
        while waiting.text.is_empty() {
            waiting = self.0.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.writing = true;
        (std::mem::take(&mut waiting.text), std::mem::take(&mut waiting.lost))
    }

    /// Notes that the lines that were taken are written, and takes their memory back for others if it is little.
    fn written(&self, mut text: Vec<u8>) {
        let mut waiting = self.lock();
        waiting.writing = false;
        if waiting.text.is_empty() && text.capacity() <= MOST_BYTES / 16 {
            text.clear();
            waiting.text = text;
        }
        drop(waiting);
        self.0.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a line with each write.
impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// The time that a test waits for another thread.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// An output that passes on what it is given, and takes the next only when it is let.
    struct Gate {
        written: mpsc::Sender<Vec<u8>>,
        open: mpsc::Receiver<()>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.send(bytes.to_vec()).map_err(io::Error::other)?;
            self.open.recv().map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gate() -> (Gate, mpsc::Receiver<Vec<u8>>, mpsc::Sender<()>) {
        let ((written, seen), (opener, open)) = (mpsc::channel(), mpsc::channel());
        (Gate { written, open }, seen, opener)
    }

    #[test]
    fn lines_are_written_in_their_order_and_flushed() {
        let (gate, seen, opener) = gate();
        let queue = Queue::start(gate, |lost| panic!("{lost} lines were lost")).unwrap();
        for _ in 0..3 {
            opener.send(()).unwrap();
        }
        for line in ["one\n", "two\n", "three\n"] {
            queue.push(line.as_bytes());
        }
        queue.flush(PATIENCE);
        assert_eq!(seen.try_iter().flatten().collect::<Vec<u8>>(), b"one\ntwo\nthree\n");
    }

    #[test]
    fn an_output_that_hangs_holds_up_nobody_and_lost_lines_are_counted_once() {
        static TOLD: AtomicU64 = AtomicU64::new(0);
        let (gate, seen, opener) = gate();
        let queue = Queue::start(gate, |lost| {
            TOLD.fetch_add(lost, Ordering::Relaxed);
        })
        .unwrap();
        queue.push(b"first\n");
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), b"first\n");
        // The output hangs from here on.
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        let (fit, more) = (MOST_BYTES / line.len(), 7);
        for _ in 0..fit + more {
            queue.push(&line);
        }
        let began = Instant::now();
        queue.flush(Duration::from_millis(50));
        assert!(began.elapsed() >= Duration::from_millis(50), "it did not wait for the lines");
        assert_eq!((queue.lock().text.len(), TOLD.load(Ordering::Relaxed)), (MOST_BYTES, 0));
        // It goes on.
        for _ in 0..3 {
            opener.send(()).unwrap();
        }
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap().len(), MOST_BYTES);
        queue.flush(PATIENCE);
        queue.push(b"last\n");
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), b"last\n");
        assert_eq!(TOLD.load(Ordering::Relaxed), more as u64);
    }
}
