//! Kafka's zigzag variable-length integers, and a cursor over records that cannot leave its bytes. Pure.

use std::ops::Range;

const MAX_VARINT_BYTES: u32 = 5;
const MAX_VARLONG_BYTES: u32 = 10;

pub(super) fn put_varlong(out: &mut Vec<u8>, value: i64) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Bytes that `put_varlong` will write.
pub(super) fn varlong_len(value: i64) -> usize {
    // 7 bits a byte; zero takes one too
    (64 - (zigzag(value) | 1).leading_zeros() as usize).div_ceil(7)
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Every method answers `None` when the bytes end or are not what it reads.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    pub(super) fn varlong(&mut self) -> Option<i64> {
        self.unsigned(MAX_VARLONG_BYTES).map(|raw| (raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    pub(super) fn varint(&mut self) -> Option<i32> {
        let raw = self.unsigned(MAX_VARINT_BYTES)?;
        i32::try_from((raw >> 1) as i64 ^ -((raw & 1) as i64)).ok()
    }

    /// A length that the remaining bytes can hold; inside, `None` for Kafka's -1, which means null.
    pub(super) fn length(&mut self) -> Option<Option<usize>> {
        let length = self.varint()?;
        if length == -1 {
            return Some(None);
        }
        let length = usize::try_from(length).ok()?;
        (length <= self.bytes.len() - self.at).then_some(Some(length))
    }

    /// Where a length-prefixed field lies, or null.
    pub(super) fn field(&mut self) -> Option<Option<Range<usize>>> {
        let Some(length) = self.length()? else { return Some(None) };
        let start = self.at;
        self.at += length;
        Some(Some(start..self.at))
    }

    fn unsigned(&mut self, max_bytes: u32) -> Option<u64> {
        let mut value = 0_u64;
        for i in 0..max_bytes {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(7 * i)?;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_comes_back() {
        let mut values = vec![0, 1, -1, 63, -64, 64, i64::MAX, i64::MIN];
        values.extend((0..63).flat_map(|bit| [1_i64 << bit, -(1_i64 << bit), (1_i64 << bit) - 1]));
        for value in values {
            let mut bytes = Vec::new();
            put_varlong(&mut bytes, value);
            assert_eq!(bytes.len(), varlong_len(value), "{value}");
            assert_eq!(Cursor::new(&bytes).varlong(), Some(value));
            assert_eq!(Cursor::new(&bytes).varint(), i32::try_from(value).ok(), "{value}");
            assert_eq!(Cursor::new(&bytes[..bytes.len() - 1]).varlong(), None);
        }
    }

    /// Examples of the protocol buffers documentation, whose zigzag encoding Kafka uses.
    #[test]
    fn known_bytes() {
        for (value, want) in [
            (0_i64, &[0_u8][..]),
            (-1, &[1]),
            (1, &[2]),
            (150, &[0xac, 2]),
            (-2_147_483_648, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ] {
            let mut bytes = Vec::new();
            put_varlong(&mut bytes, value);
            assert_eq!(bytes, want, "{value}");
        }
    }

    #[test]
    fn lengths_stay_inside() {
        assert_eq!(Cursor::new(&[4, 9, 9]).field(), Some(Some(1..3)));
        assert_eq!(Cursor::new(&[1]).field(), Some(None));
        for bad in [&[][..], &[6, 9, 9], &[3, 9, 9], &[0xff; 12]] {
            assert_eq!(Cursor::new(bad).field(), None, "{bad:?}");
        }
    }
}
