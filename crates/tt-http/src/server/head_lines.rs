//! Refuses a head with a line that ends in a bare LF.
//!
//! hyper takes such a line, as RFC 9112 (2.2) allows, and cannot be told otherwise. A proxy in front that takes the LF for
//! a part of the line, and so for a part of a header's value, would see another request than this server. So each bare LF
//! becomes a NUL on its way to hyper, which no head may have: hyper answers with 400.
//!
//! The lines of a head are looked at when it begins while no request is answered, as heads do that come from a proxy. Of
//! heads that a client sends ahead of the answers before them, the first is looked at.

/// The byte that takes the place of a bare LF.
const REFUSED: u8 = 0;

/// The lines of one head, as its bytes come.
#[derive(Debug, Default)]
pub(super) struct HeadLines {
    /// True once a line of the head has ended that is not empty. Empty lines before the first line are allowed.
    begun: bool,
    /// True if the line that has not ended yet has a byte that is no CR at its end.
    has_content: bool,
    /// True if the last byte was a CR.
    after_cr: bool,
    /// True once the head has ended, or has been refused.
    over: bool,
}

impl HeadLines {
    /// Looks at the next bytes, which may go on behind the end of the head.
    pub(super) fn look_at(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        while !self.over && at < bytes.len() {
            let rest = bytes.get_mut(at..).unwrap_or_default();
            let end = memchr::memchr(b'\n', rest);
            let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
            if let Some((last, others)) = line.split_last() {
                self.has_content |= self.after_cr || !others.is_empty() || *last != b'\r';
                self.after_cr = *last == b'\r';
            }
            let Some(end) = end else { return };
            if !self.after_cr {
                rest.iter_mut().skip(end).take(1).for_each(|byte| *byte = REFUSED);
                self.over = true;
                return;
            }
            self.over = self.begun && !self.has_content;
            self.begun |= self.has_content;
            (self.has_content, self.after_cr) = (false, false);
            at += end + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes as hyper gets them, when they come in pieces of at most `most`.
    fn passed_on(head: &str, most: usize) -> String {
        let (mut lines, mut bytes) = (HeadLines::default(), head.as_bytes().to_vec());
        bytes.chunks_mut(most).for_each(|piece| lines.look_at(piece));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_bare_line_feed_in_a_head_is_refused_wherever_the_head_is_cut() {
        for (head, expected) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
            ("GET / HTTP/1.1\nHost: x\r\n\r\n", "GET / HTTP/1.1\0Host: x\r\n\r\n"),
            ("GET / HTTP/1.1\r\nA: b\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nA: b\0Host: x\r\n\r\n"),
            ("GET / HTTP/1.1\r\nHost: x\r\n\n", "GET / HTTP/1.1\r\nHost: x\r\n\0"),
            ("GET / HTTP/1.1\r\nHost: x\n\r\n", "GET / HTTP/1.1\r\nHost: x\0\r\n"),
            ("\nGET / HTTP/1.1\r\n\r\n", "\0GET / HTTP/1.1\r\n\r\n"),
            // Empty lines before a head are no end of it.
            ("\r\n\r\nGET / HTTP/1.1\nHost: x\r\n\r\n", "\r\n\r\nGET / HTTP/1.1\0Host: x\r\n\r\n"),
            // A line of one CR is not empty.
            ("GET / HTTP/1.1\r\n\r\r\n\n", "GET / HTTP/1.1\r\n\r\r\n\0"),
            // The body is not looked at.
            ("POST / HTTP/1.1\r\nHost: x\r\n\r\n{\n}\n\n", "POST / HTTP/1.1\r\nHost: x\r\n\r\n{\n}\n\n"),
        ] {
            for most in 1..=head.len() {
                assert_eq!(passed_on(head, most), expected, "{head:?} in pieces of {most}");
            }
        }
    }
}
