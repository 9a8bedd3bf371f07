//! Records as bytes: length, CRC32, then kind, request number and the record as MessagePack.
//!
//! A record is an array of its fields in their order, without names, which takes a third of JSON's size and work. A later
//! version may read a journal that this one wrote. So fields of the four kinds, and of the types in them, are only ever
//! appended, each with `#[serde(default)]`; any other change takes a new kind. The kinds of the first version held JSON
//! and are still read.
//!
//! A frame names its request by the number in its chain, so frames are copied from segment to segment unchanged. A length
//! of 0 is the end, because reserved room reads as zeros.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tt_core::record::{AttemptEnded, AttemptStarted, Intent, Settled};

/// Bytes of a frame's head: length and checksum, four each, little-endian.
pub(crate) const HEAD: usize = 8;
/// Bytes of kind and request number.
const LABEL: usize = 9;
/// The most bytes of a payload: a greater length is damage.
pub(crate) const LONGEST: usize = 64 << 20;

/// The four kinds of record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Record {
    Intent(Intent),
    Started(AttemptStarted),
    Ended(AttemptEnded),
    Settled(Settled),
}

/// A record that can be written.
pub(crate) trait Kind: Serialize {
    /// The byte that tells its kind.
    const BYTE: u8;
}

impl Kind for Intent {
    const BYTE: u8 = 0x11;
}
impl Kind for AttemptStarted {
    const BYTE: u8 = 0x12;
}
impl Kind for AttemptEnded {
    const BYTE: u8 = 0x13;
}
impl Kind for Settled {
    const BYTE: u8 = 0x14;
}

/// Kinds of the first version lack this bit, and their records are JSON.
const JSON: u8 = 0x10;

/// Appends a record. On an error `buffer` is unchanged.
pub(crate) fn push<K: Kind>(buffer: &mut Vec<u8>, request: u64, record: &K) -> io::Result<()> {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; HEAD]);
    buffer.push(K::BYTE);
    buffer.extend_from_slice(&request.to_le_bytes());
    let written = rmp_serde::encode::write(buffer, record).map_err(io::Error::other).and_then(|()| {
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

/// The length and the checksum of the payload after a head.
pub(crate) fn head(head: [u8; HEAD]) -> (usize, u32) {
    let [l0, l1, l2, l3, c0, c1, c2, c3] = head;
    let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
    (length, u32::from_le_bytes([c0, c1, c2, c3]))
}

/// Reads a payload whose checksum is right. Returns `None` if it is no record that this version knows.
pub(crate) fn decode(payload: &[u8]) -> Option<(u64, Record)> {
    let (label, content) = payload.split_at_checked(LABEL)?;
    let (kind, request) = label.split_first()?;
    let record = match *kind | JSON {
        Intent::BYTE => Record::Intent(content_of(*kind, content)?),
        AttemptStarted::BYTE => Record::Started(content_of(*kind, content)?),
        AttemptEnded::BYTE => Record::Ended(content_of(*kind, content)?),
        Settled::BYTE => Record::Settled(content_of(*kind, content)?),
        _ => return None,
    };
    Some((u64::from_le_bytes(request.try_into().ok()?), record))
}

fn content_of<T: DeserializeOwned>(kind: u8, content: &[u8]) -> Option<T> {
    if kind & JSON == 0 { serde_json::from_slice(content).ok() } else { rmp_serde::from_slice(content).ok() }
}

#[cfg(test)]
mod tests {
    use tt_core::usage::{BilledBeside, Reported, Usage};
    use tt_core::{NanoUsd, UsageSource};

    use super::*;
    use crate::sim::fixtures::{answered, intent, settled, started};

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

    /// An attempt's end in which no field is empty.
    #[allow(clippy::needless_update, reason = "fields that a later version appends come from the fixture")]
    fn full() -> AttemptEnded {
        let usage = Usage { input: 1, cache_read: u64::MAX, output: 70_000, reasoning: Some(3), ..Usage::default() };
        AttemptEnded {
            source: UsageSource::Partial,
            usage: Reported {
                usage,
                raw: r#"{"prompt_tokens": 1}"#.into(),
                service_tier: Some("flex".into()),
                modifiers: vec!["us".into()],
                beside: vec![BilledBeside { model: None, usage }],
                ..answered().usage
            },
            served_model: Some("m-1".into()),
            cost: Some(NanoUsd(123_456_789)),
            saved: Some(NanoUsd(-5)),
            price_version: Some("v".into()),
            instead_of: Some("m-2".into()),
            ..AttemptEnded::unbilled(Some(200), "broke", 5)
        }
    }

    #[test]
    fn numbers_money_and_texts_come_back_exactly() {
        let mut buffer = Vec::new();
        push(&mut buffer, 1, &full()).unwrap();
        assert_eq!(decode(&buffer[HEAD..]), Some((1, Record::Ended(full()))));
    }

    #[test]
    fn a_journal_of_the_first_version_is_still_read() {
        let json = serde_json::to_vec(&full()).unwrap();
        let payload = [&[3, 9, 0, 0, 0, 0, 0, 0, 0][..], &json].concat();
        assert_eq!(decode(&payload), Some((9, Record::Ended(full()))));
    }

    #[test]
    fn what_is_no_record_is_said_to_be_none() {
        let label = |kind: u8| [kind, 0, 0, 0, 0, 0, 0, 0, 0];
        for bad in [&b""[..], b"\x01", &label(1), &label(0x11), &label(9), &label(0x19), &label(0x24)] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
        for kind in [1, 2, 3, 4, 0x11, 0x12, 0x13, 0x14, 0x15] {
            for content in [&b"{}"[..], b"\x90", b"\xc1", b"\xdf\xff\xff\xff\xff"] {
                assert_eq!(decode(&[&label(kind)[..], content].concat()), None, "{kind} {content:?}");
            }
        }
    }
}
