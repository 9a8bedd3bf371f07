//! Records as bytes: length, CRC32, then kind, request number and the record as JSON.
//!
//! JSON, since a journal may be replayed by a later version than wrote it; it costs about a microsecond a record. A
//! frame says whose it is by the request's number in its chain, so frames can be copied from segment to segment as
//! they are. A length of 0 is the end: room that is set aside reads as zeros.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tt_core::record::{AttemptEnded, AttemptStarted, Intent, Settled};

/// Length and checksum, each little-endian.
pub(crate) const HEAD: usize = 8;
/// Kind and request number.
const LABEL: usize = 9;
/// No record is longer: a length beyond it is damage.
pub(crate) const LONGEST: usize = 64 << 20;

/// The four kinds of record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Intent(Intent),
    Started(AttemptStarted),
    Ended(AttemptEnded),
    Settled(Settled),
}

/// A record that can be written, with the byte that says which it is.
pub(crate) trait Kind: Serialize {
    const BYTE: u8;
}

impl Kind for Intent {
    const BYTE: u8 = 1;
}
impl Kind for AttemptStarted {
    const BYTE: u8 = 2;
}
impl Kind for AttemptEnded {
    const BYTE: u8 = 3;
}
impl Kind for Settled {
    const BYTE: u8 = 4;
}

/// Appends a record; on an error `buffer` is as it was.
pub(crate) fn push<K: Kind>(buffer: &mut Vec<u8>, request: u64, record: &K) -> io::Result<()> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEAD]);
    buffer.push(K::BYTE);
    buffer.extend_from_slice(&request.to_le_bytes());
    let written = serde_json::to_writer(&mut *buffer, record).map_err(io::Error::from).and_then(|()| {
        let (head, payload) = buffer.split_at_mut(start + HEAD);
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let [.., l0, l1, l2, l3, c0, c1, c2, c3] = head else { return Err(io::ErrorKind::InvalidData.into()) };
        [*l0, *l1, *l2, *l3] = length.to_le_bytes();
        [*c0, *c1, *c2, *c3] = crc32fast::hash(payload).to_le_bytes();
        if payload.len() > LONGEST { Err(io::ErrorKind::InvalidData.into()) } else { Ok(()) }
    });
    if written.is_err() {
        buffer.truncate(start);
    }
    written
}

/// The length of the payload a head announces, and its checksum.
pub(crate) fn head(head: [u8; HEAD]) -> (usize, u32) {
    let [l0, l1, l2, l3, c0, c1, c2, c3] = head;
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
    (length, u32::from_le_bytes([c0, c1, c2, c3]))
}

/// Reads a payload whose checksum is right; `None` when it is no record that this version knows.
pub(crate) fn decode(payload: &[u8]) -> Option<(u64, Record)> {
    fn json<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
        serde_json::from_slice(text).ok()
    }
    let (label, text) = payload.split_at_checked(LABEL)?;
    let (kind, request) = label.split_first()?;
    let record = match *kind {
        Intent::BYTE => Record::Intent(json(text)?),
        AttemptStarted::BYTE => Record::Started(json(text)?),
        AttemptEnded::BYTE => Record::Ended(json(text)?),
        Settled::BYTE => Record::Settled(json(text)?),
        _ => return None,
    };
    Some((u64::from_le_bytes(request.try_into().ok()?), record))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{answered, intent, settled, started};

    #[test]
    fn records_come_back_as_they_were() {
        let mut buffer = Vec::new();
        push(&mut buffer, 7, &intent(1)).unwrap();
        push(&mut buffer, 8, &started(5)).unwrap();
        push(&mut buffer, 9, &answered()).unwrap();
        push(&mut buffer, u64::MAX, &settled()).unwrap();
        let mut read = Vec::new();
        let mut rest = &buffer[..];
        while let Some((first, after)) = rest.split_first_chunk() {
            let (length, crc) = head(*first);
            let (payload, after) = after.split_at(length);
            assert_eq!(crc, crc32fast::hash(payload));
            read.push(decode(payload).unwrap());
            rest = after;
        }
        let records = [
            (7, Record::Intent(intent(1))),
            (8, Record::Started(started(5))),
            (9, Record::Ended(answered())),
            (u64::MAX, Record::Settled(settled())),
        ];
        assert_eq!(read, records);
    }

    #[test]
    fn what_is_no_record_is_said_to_be_none() {
        for bad in [&b""[..], b"\x01", b"\x01\0\0\0\0\0\0\0\0", b"\x09\0\0\0\0\0\0\0\0{}", b"\x04\0\0\0\0\0\0\0\0{}"] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }
}
