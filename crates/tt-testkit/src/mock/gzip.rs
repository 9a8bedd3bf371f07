//! Bodies in gzip, as a provider or a proxy before it may send them unasked.

/// The head of a gzip file: deflate, no name, no time.
const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// `data` in gzip, in one block that is stored as it is. It may have 65,535 bytes.
pub(super) fn stored(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    let mut file = HEAD.to_vec();
    file.push(1);
    file.extend(length.to_le_bytes());
    file.extend((!length).to_le_bytes());
    file.extend(data.iter().take(usize::from(length)));
    file.extend(crc32(data).to_le_bytes());
    file.extend(u32::from(length).to_le_bytes());
    file
}

/// About `size` bytes of gzip that hold 160 times as many: one letter, repeated 258 times by each 13 bits.
pub(super) fn bomb(size: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    // The last block, with the codes that the format fixes.
    bits.push(0b011, 3);
    bits.push(reversed(0x30 + u32::from(b'a'), 8), 8);
    while bits.bytes.len() < size {
        bits.push(reversed(0b1100_0101, 8), 8);
        bits.push(0, 5);
    }
    bits.push(0, 7);
    bits.push(0, 7);
    [HEAD.to_vec(), bits.bytes, vec![0; 8]].concat()
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    held: u32,
    count: u32,
}

impl Bits {
    fn push(&mut self, value: u32, count: u32) {
        self.held |= value << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.held.to_le_bytes()[0]);
            self.held >>= 8;
            self.count -= 8;
        }
    }
}

/// The `count` low bits in reverse: Huffman codes are written from their highest bit.
fn reversed(code: u32, count: u32) -> u32 {
    code.reverse_bits() >> (32 - count)
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_the_format() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(stored(b"ab").len(), HEAD.len() + 5 + 2 + 8);
    }

    #[test]
    fn a_bomb_has_the_size_that_was_asked_for() {
        assert!((1000..1030).contains(&bomb(1000).len()));
    }
}
