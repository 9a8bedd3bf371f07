//! Keeps every log event on one line, so that a text from outside that holds a line break cannot forge an event.

use std::io::{self, Write};

/// A writer that is given one event at each write, and writes the line breaks inside it as `\n` and `\r`.
pub(crate) struct OneLine<W>(pub(crate) W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        if text.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
            let mut one = Vec::with_capacity(line.len() + 16);
            for byte in text {
                match byte {
                    b'\n' => one.extend_from_slice(b"\\n"),
                    b'\r' => one.extend_from_slice(b"\\r"),
                    byte => one.push(*byte),
                }
            }
            one.push(b'\n');
            self.0.write_all(&one)?;
        } else {
            self.0.write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_within_an_event_are_escaped() {
        let lines = |events: &[&str]| {
            let mut out = OneLine(Vec::new());
            for event in events {
                out.write_all(event.as_bytes()).unwrap();
            }
            String::from_utf8(out.0).unwrap()
        };
        assert_eq!(lines(&["INFO one\n", "INFO two\n"]), "INFO one\nINFO two\n");
        assert_eq!(lines(&["WARN said: x\r\nERROR forged\n", "INFO\n"]), "WARN said: x\\r\\nERROR forged\nINFO\n");
        assert_eq!(lines(&["WARN x\n\n"]), "WARN x\\n\n");
    }

    #[test]
    fn the_logger_hands_over_each_event_in_one_write() {
        #[derive(Clone, Default)]
        struct Shared(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
        impl Write for Shared {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let written = Shared::default();
        let writer = written.clone();
        let logger = tracing_subscriber::fmt().with_ansi(false).with_writer(move || OneLine(writer.clone())).finish();
        tracing::subscriber::with_default(logger, || {
            let error = "bad thing\nERROR forged";
            tracing::warn!(%error, "it failed\nERROR forged: {error}");
            tracing::info!("the next");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.lines().any(|line| line.starts_with("ERROR")), "{text}");
    }
}
