//! The events of a stream, which are numbered.

use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};

use crate::json;

/// The events that have been written.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The number of the next event.
    sequence: u64,
}

impl Events {
    /// The events behind one that has this number.
    pub(super) const fn after(number: u64) -> Self {
        Self { sequence: number.saturating_add(1) }
    }

    /// Writes an event with these fields.
    pub(super) fn write(&mut self, kind: &str, fields: Value, out: &mut BytesMut) {
        let mut event = json!({"type": kind, "sequence_number": self.sequence});
        if let (Value::Object(event), Value::Object(fields)) = (&mut event, fields) {
            event.extend(fields);
        }
        self.sequence += 1;
        out.put_slice(b"event: ");
        out.put_slice(kind.as_bytes());
        out.put_slice(b"\ndata: ");
        json::write(&event, out);
        out.put_slice(b"\n\n");
    }

    /// Writes an addition. `place` is the place within the item, as fields of JSON.
    pub(super) fn delta(&mut self, kind: &str, (id, index): (&str, u32), place: &str, text: &str, out: &mut BytesMut) {
        let head = format!(
            "event: {kind}\ndata: {{\"type\":\"{kind}\",\"sequence_number\":{},\"item_id\":\"{id}\",\"output_index\":{index},{place}\"delta\":",
            self.sequence
        );
        self.sequence += 1;
        out.put_slice(head.as_bytes());
        json::write(text, out);
        out.put_slice(b"}\n\n");
    }
}
