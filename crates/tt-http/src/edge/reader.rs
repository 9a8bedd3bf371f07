//! The client as the reader of its answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The reader at the other end of one connection, or of one of its streams. Clones are the same reader.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reader {
    cut: Arc<AtomicBool>,
    /// The reader at the end of the connection, where this one reads a stream.
    connection: Option<Arc<AtomicBool>>,
}

impl Reader {
    /// A reader of one stream on this reader's connection.
    pub(crate) fn of_stream(&self) -> Self {
        Self { cut: Arc::default(), connection: Some(Arc::clone(&self.cut)) }
    }

    /// Notes that the connection or the stream is cut because the client took nothing of an answer for
    /// `CLIENT_WRITE_TIMEOUT`.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Relaxed);
    }

    /// True if the stream, or its connection, was cut for that reason.
    pub(crate) fn was_cut(&self) -> bool {
        let is_set = |flag: &Arc<AtomicBool>| flag.load(Ordering::Relaxed);
        is_set(&self.cut) || self.connection.as_ref().is_some_and(is_set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_cut_with_its_connection_and_alone() {
        let connection = Reader::default();
        let (one, other) = (connection.of_stream(), connection.of_stream());
        one.cut();
        assert_eq!([&connection, &one, &other].map(Reader::was_cut), [false, true, false]);
        connection.cut();
        assert!(other.clone().was_cut());
    }
}
