//! Reads the size of a picture from the first bytes of its base64 text, without decoding the rest: PNG, JPEG, GIF,
//! WebP.

/// The number of a JPEG's segments that are read before its size is given up.
const JPEG_SEGMENTS: usize = 1024;

/// Width and height in pixels; `None` when the format is not known or the header is cut short.
pub(super) fn size(base64: &str) -> Option<(u64, u64)> {
    let bytes = Encoded(base64.as_bytes());
    let (width, height) = if bytes.has(0, b"\x89PNG\r\n\x1a\n") {
        (bytes.big::<4>(16)?, bytes.big::<4>(20)?)
    } else if bytes.has(0, b"GIF8") {
        (bytes.little::<2>(6)?, bytes.little::<2>(8)?)
    } else if bytes.has(0, b"RIFF") && bytes.has(8, b"WEBP") {
        webp(&bytes)?
    } else if bytes.has(0, b"\xff\xd8") {
        jpeg(&bytes)?
    } else {
        return None;
    };
    (width > 0 && height > 0).then_some((width, height))
}

/// WebP container, RFC 9649: lossy, lossless, or extended with a canvas size.
fn webp(bytes: &Encoded<'_>) -> Option<(u64, u64)> {
    if bytes.has(12, b"VP8 ") && bytes.has(23, b"\x9d\x01\x2a") {
        Some((bytes.little::<2>(26)? & 0x3fff, bytes.little::<2>(28)? & 0x3fff))
    } else if bytes.has(12, b"VP8L") && bytes.has(20, b"\x2f") {
        let bits = bytes.little::<4>(21)?;
        Some(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
    } else if bytes.has(12, b"VP8X") {
        Some((bytes.little::<3>(24)? + 1, bytes.little::<3>(27)? + 1))
    } else {
        None
    }
}

/// Walks the segments to the frame header; a thumbnail inside one of them is stepped over with it.
fn jpeg(bytes: &Encoded<'_>) -> Option<(u64, u64)> {
    let mut at = 2;
    for _ in 0..JPEG_SEGMENTS {
        if bytes.at(at)? != 0xff {
            return None;
        }
        match bytes.at(at + 1)? {
            0xff => at += 1,
            0x01 | 0xd0..=0xd8 => at += 2,
            // SOF0 to SOF15 without the Huffman table, extension and arithmetic markers between them.
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                return Some((bytes.big::<2>(at + 7)?, bytes.big::<2>(at + 5)?));
            }
            0xd9 | 0xda => return None,
            _ => at = at.checked_add(2)?.checked_add(usize::try_from(bytes.big::<2>(at + 2)?).ok()?)?,
        }
    }
    None
}

/// Base64 text (either alphabet) read by decoded position.
pub(super) struct Encoded<'a>(pub(super) &'a [u8]);

impl Encoded<'_> {
    /// The number of bytes that the text decodes to, without padding.
    pub(super) fn len(&self) -> u64 {
        let digits = self.0.len() - self.0.iter().rev().take_while(|c| **c == b'=').count();
        u64::try_from(digits).unwrap_or(u64::MAX).saturating_mul(3) / 4
    }

    fn at(&self, position: usize) -> Option<u8> {
        let digit = |i: usize| self.0.get((position / 3).checked_mul(4)?.checked_add(i)?).copied().and_then(digit);
        Some(match position % 3 {
            0 => digit(0)? << 2 | digit(1)? >> 4,
            1 => digit(1)? << 4 | digit(2)? >> 2,
            _ => digit(2)? << 6 | digit(3)?,
        })
    }

    pub(super) fn has(&self, position: usize, expected: &[u8]) -> bool {
        expected.iter().enumerate().all(|(i, byte)| self.at(position + i) == Some(*byte))
    }

    fn big<const N: usize>(&self, position: usize) -> Option<u64> {
        (0..N).try_fold(0, |sum, i| Some(sum << 8 | u64::from(self.at(position + i)?)))
    }

    pub(super) fn little<const N: usize>(&self, position: usize) -> Option<u64> {
        (0..N).rev().try_fold(0, |sum, i| Some(sum << 8 | u64::from(self.at(position + i)?)))
    }
}

fn digit(c: u8) -> Option<u8> {
    Some(match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::base64;
    use super::*;

    fn of(bytes: &[u8]) -> Option<(u64, u64)> {
        size(&base64(bytes))
    }

    #[test]
    fn base64_is_read_by_position() {
        let bytes: Vec<u8> = (0..=255).chain([7]).collect();
        for cut in [255, 256, 257] {
            let text = base64(&bytes[..cut]);
            let encoded = Encoded(text.as_bytes());
            assert_eq!(encoded.len(), u64::try_from(cut).unwrap());
            for (i, byte) in bytes[..cut].iter().enumerate() {
                assert_eq!(encoded.at(i), Some(*byte), "{i}");
            }
            assert_eq!(encoded.at(cut), None);
        }
        assert_eq!(Encoded(b"+/-_").at(1), Some(0xff));
        assert_eq!(Encoded(b"not base64!").at(2), None);
        assert_eq!(Encoded(b"").at(usize::MAX - 3), None);
    }

    #[test]
    fn every_format_says_its_size() {
        let png = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &[0, 0, 4, 0, 0, 0, 3, 0]].concat();
        assert_eq!(of(&png), Some((1024, 768)));
        assert_eq!(of(b"GIF89a\x40\x01\xf0\x00"), Some((320, 240)));
        let webp = |chunk: &[u8], rest: &[u8]| of(&[b"RIFF\0\0\0\0WEBP", chunk, b"\0\0\0\0", rest].concat());
        assert_eq!(webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a\x20\x03\x58\xc2"), Some((800, 600)));
        // 14 bits each, less one: 799 and 599
        let packed: u32 = 799 | 599 << 14;
        assert_eq!(webp(b"VP8L", &[b"\x2f".as_slice(), &packed.to_le_bytes()].concat()), Some((800, 600)));
        assert_eq!(webp(b"VP8X", b"\0\0\0\0\x1f\x03\0\x57\x02\0"), Some((800, 600)));
        assert_eq!(webp(b"ALPH", b"\0\0\0\0\x1f\x03\0\x57\x02\0"), None);
    }

    #[test]
    fn a_jpegs_thumbnail_is_stepped_over() {
        let frame = |marker: u8, height: u16, width: u16| {
            [&[0xff, marker, 0, 17, 8], height.to_be_bytes().as_slice(), &width.to_be_bytes(), &[3; 10]].concat()
        };
        let thumbnail = [b"\xff\xd8".as_slice(), &frame(0xc0, 120, 160)].concat();
        let length = u16::try_from(2 + thumbnail.len()).unwrap().to_be_bytes();
        let exif = [b"\xff\xe1".as_slice(), &length, &thumbnail].concat();
        let tables = [0xff, 0xc4, 0, 4, 9, 9];
        let start = [b"\xff\xd8".as_slice(), &exif, &tables, &[0xff]].concat();
        assert_eq!(of(&[start.as_slice(), &frame(0xc2, 2000, 3000)].concat()), Some((3000, 2000)));
        // the scan begins before any frame, or the data ends
        assert_eq!(of(&[start.as_slice(), &[0xff, 0xda, 0, 2]].concat()), None);
        assert_eq!(of(&start), None);
        assert_eq!(of(&[0xff; 100_000]), None);
    }

    #[test]
    fn what_is_no_picture_has_no_size() {
        for bytes in [b"".as_slice(), b"%PDF-1.7", b"\x89PNG\r\n\x1a\n", b"GIF89a\0\0\0\0"] {
            assert_eq!(of(bytes), None);
        }
        assert_eq!(size("https://example.org/cat.png"), None);
        assert_eq!(size("é"), None);
    }
}
