//! Puts a body together out of the pieces in which it comes.

use bytes::{Bytes, BytesMut};

/// The bytes from which on a body has room for the rest of it, so that nothing is copied again as it grows. Room that is
/// not used takes no memory: the system gives memory to what is written.
const LARGE: usize = 1 << 20;

/// The pieces of a body so far. A body of one piece is not copied, and one of more pieces is copied once, but for its first
/// MiB.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The only piece; empty from the second one on.
    first: Bytes,
    all: BytesMut,
}

impl Gathered {
    /// The number of bytes so far.
    pub fn len(&self) -> usize {
        self.first.len() + self.all.len()
    }

    /// True if nothing has come.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a piece. The body has at most `most` bytes in all.
    pub fn push(&mut self, piece: Bytes, most: usize) {
        if self.is_empty() {
            self.first = piece;
            return;
        }
        let total = self.len() + piece.len();
        if self.all.capacity() < total {
            let room = if total < LARGE { (2 * total).min(LARGE).min(most) } else { most };
            self.all.reserve(room.max(total) - self.all.len());
        }
        self.all.extend_from_slice(&std::mem::take(&mut self.first));
        self.all.extend_from_slice(&piece);
    }

    /// The body.
    pub fn into_bytes(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_one_body() {
        let mut gathered = Gathered::default();
        assert!(gathered.is_empty());
        let only = Bytes::from_static(b"one piece");
        gathered.push(only.clone(), 100);
        assert_eq!(gathered.into_bytes().as_ptr(), only.as_ptr(), "it was copied");
        let mut gathered = Gathered::default();
        for piece in ["ab", "", "c", "def"] {
            gathered.push(Bytes::from_static(piece.as_bytes()), 6);
        }
        assert_eq!((gathered.len(), gathered.into_bytes()), (6, Bytes::from_static(b"abcdef")));
    }

    #[test]
    fn a_large_body_is_not_moved_as_it_grows() {
        const MOST: usize = 32 << 20;
        let piece = Bytes::from(vec![b'x'; 64 << 10]);
        let (mut gathered, mut places) = (Gathered::default(), Vec::new());
        while gathered.len() < MOST {
            gathered.push(piece.clone(), MOST);
            places.push(gathered.all.as_ptr());
        }
        // The room for the first MiB may be twice as much.
        let large = places.split_off(2 * LARGE / piece.len());
        assert!(large.len() > 400 && large.iter().all(|place| *place == large[0]), "a large body was moved");
        assert_eq!(gathered.into_bytes().len(), MOST);
    }
}
