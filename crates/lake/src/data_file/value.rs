//! Values of a column as this writer handles them: numbers, or numbers that stand for texts. Pure.

use super::encoding::put_deltas;
use parquet::basic::Encoding;
use std::cmp::Ordering;

/// What a column's pages are made of.
pub(super) trait Values {
    /// A value, or a number for it.
    type Value: Copy + Eq;

    fn compare(&self, left: Self::Value, right: Self::Value) -> Ordering;

    /// Spread over all bits.
    fn hash(&self, value: Self::Value) -> u64;

    /// As Parquet's PLAIN encoding has it.
    fn put(&self, value: Self::Value, out: &mut Vec<u8>);

    /// A page without a dictionary.
    fn put_all(&self, values: &[Self::Value], out: &mut Vec<u8>) -> Encoding {
        values.iter().for_each(|value| self.put(*value, out));
        Encoding::PLAIN
    }

    /// As statistics have it.
    fn bytes(&self, value: Self::Value) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(value, &mut out);
        out
    }
}

/// INT64, which also holds instants and decimals of up to 18 digits.
pub(super) struct Longs {
    /// Instants and ids, of which each is near the one before.
    pub(super) as_differences: bool,
}

impl Values for Longs {
    type Value = i64;

    fn compare(&self, left: i64, right: i64) -> Ordering {
        left.cmp(&right)
    }

    fn hash(&self, value: i64) -> u64 {
        spread(value as u64)
    }

    fn put(&self, value: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(&value.to_le_bytes());
    }

    fn put_all(&self, values: &[i64], out: &mut Vec<u8>) -> Encoding {
        if !self.as_differences {
            values.iter().for_each(|value| self.put(*value, out));
            return Encoding::PLAIN;
        }
        put_deltas(out, values);
        Encoding::DELTA_BINARY_PACKED
    }
}

/// INT32, which also holds smaller integers and dates.
pub(super) struct Ints;

impl Values for Ints {
    type Value = i32;

    fn compare(&self, left: i32, right: i32) -> Ordering {
        left.cmp(&right)
    }

    fn hash(&self, value: i32) -> u64 {
        spread(value as u64)
    }

    fn put(&self, value: i32, out: &mut Vec<u8>) {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Decimals of more digits: so many bytes each, the most significant first. Here they fit 64 bits.
pub(super) struct NarrowDecimals {
    pub(super) width: usize,
}

impl Values for NarrowDecimals {
    type Value = i64;

    fn compare(&self, left: i64, right: i64) -> Ordering {
        left.cmp(&right)
    }

    fn hash(&self, value: i64) -> u64 {
        spread(value as u64)
    }

    fn put(&self, value: i64, out: &mut Vec<u8>) {
        out.extend_from_slice(&i128::from(value).to_be_bytes()[16 - self.width..]);
    }
}

/// Decimals of which some do not fit 64 bits.
pub(super) struct Decimals {
    pub(super) width: usize,
}

impl Values for Decimals {
    type Value = i128;

    fn compare(&self, left: i128, right: i128) -> Ordering {
        left.cmp(&right)
    }

    fn hash(&self, value: i128) -> u64 {
        spread(value as u64 ^ spread((value >> 64) as u64))
    }

    fn put(&self, value: i128, out: &mut Vec<u8>) {
        out.extend_from_slice(&value.to_be_bytes()[16 - self.width..]);
    }
}

/// Texts; a value is the index of one in `all`, where each is once if a dictionary is made of them.
pub(super) struct Texts<'a> {
    pub(super) all: Vec<&'a str>,
}

impl Values for Texts<'_> {
    type Value = u32;

    fn compare(&self, left: u32, right: u32) -> Ordering {
        match left == right {
            true => Ordering::Equal,
            false => self.all[left as usize].cmp(self.all[right as usize]),
        }
    }

    fn hash(&self, value: u32) -> u64 {
        spread(u64::from(value))
    }

    fn put(&self, value: u32, out: &mut Vec<u8>) {
        let text = self.all[value as usize].as_bytes();
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
        out.extend_from_slice(text);
    }

    /// Without the length.
    fn bytes(&self, value: u32) -> Vec<u8> {
        self.all[value as usize].as_bytes().to_vec()
    }
}

/// The finalizer of MurmurHash3.
fn spread(mut value: u64) -> u64 {
    value = (value ^ (value >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    value = (value ^ (value >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ (value >> 33)
}
