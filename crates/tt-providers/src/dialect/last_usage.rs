//! The usage of a stream that reports it with every event.

/// The usage object that came last, as sent. It is not decoded before the account is asked for: only the last one counts.
#[derive(Debug, Default)]
pub(super) struct LastUsage(Option<Vec<u8>>);

impl LastUsage {
    /// Keeps the usage object of an event, if it has one, in the place of an earlier one.
    pub(super) fn keep(&mut self, object: Option<&[u8]>) {
        if let Some(object) = object {
            let kept = self.0.get_or_insert_default();
            kept.clear();
            kept.extend_from_slice(object);
        }
    }

    /// The object, if one has come since this was last called.
    pub(super) fn take(&mut self) -> Option<String> {
        self.0.take().and_then(|object| String::from_utf8(object).ok())
    }

    /// The memory that is kept, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, Vec::len)
    }
}
