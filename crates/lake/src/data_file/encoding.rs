//! Parquet's own encodings: runs and packed bits for levels and for indices into a dictionary; differences for numbers that follow each other. Pure.
//!
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/>, "RLE/Bit-Packing Hybrid" and "Delta Encoding".

/// Packed values come in groups of so many.
const GROUP: usize = 8;
/// Differences have their smallest in common over a block, and their width over a part of it: the sizes that everybody writes.
const BLOCK: usize = 128;
const BLOCK_PARTS: usize = 4;
const BLOCK_PART: usize = BLOCK / BLOCK_PARTS;

/// How many bits hold every index into a dictionary of so many values; none for a single one.
pub(super) fn bits_for(values: usize) -> u32 {
    usize::BITS - values.saturating_sub(1).leading_zeros()
}

/// Appends `values`, each of at most `bits` bits, as runs where one repeats and packed elsewhere.
pub(super) fn put_hybrid(out: &mut Vec<u8>, bits: u32, values: &[u32]) {
    // what is packed must be whole groups, so the first of a run may complete the group before it
    let (mut packed, mut at) = (0, 0);
    while at < values.len() {
        let same = values[at..].iter().take_while(|value| **value == values[at]).count();
        let missing = (at - packed).next_multiple_of(GROUP) - (at - packed);
        if same >= missing + GROUP {
            put_packed(out, bits, &values[packed..at + missing]);
            put_run(out, bits, values[at], same - missing);
            packed = at + same;
        }
        at += same;
    }
    put_packed(out, bits, &values[packed..]);
}

/// `count` times the same value.
pub(super) fn put_run(out: &mut Vec<u8>, bits: u32, value: u32, count: usize) {
    put_varint(out, count << 1);
    out.extend_from_slice(&value.to_le_bytes()[..bits.div_ceil(8) as usize]);
}

/// Whole groups; the last one is filled with zeros, and the reader knows how many values there are.
fn put_packed(out: &mut Vec<u8>, bits: u32, values: &[u32]) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(GROUP);
    put_varint(out, groups << 1 | 1);
    put_bits(out, bits, groups * GROUP, values.iter().map(|value| u64::from(*value)));
}

/// `values` side by side, and zeros up to `count`, which is a multiple of eight.
fn put_bits(out: &mut Vec<u8>, bits: u32, count: usize, values: impl Iterator<Item = u64>) {
    let end = out.len() + count / 8 * bits as usize;
    let (mut waiting, mut waiting_bits) = (0_u64, 0);
    for value in values {
        waiting |= value << waiting_bits;
        waiting_bits += bits;
        if waiting_bits >= u64::BITS {
            out.extend_from_slice(&waiting.to_le_bytes());
            waiting_bits -= u64::BITS;
            waiting = value.checked_shr(bits - waiting_bits).unwrap_or(0); // what of it did not fit
        }
    }
    out.extend_from_slice(&waiting.to_le_bytes()[..waiting_bits.div_ceil(8) as usize]);
    out.resize(end, 0);
}

/// Appends `values` as DELTA_BINARY_PACKED.
pub(super) fn put_deltas(out: &mut Vec<u8>, values: &[i64]) {
    put_varint(out, BLOCK);
    put_varint(out, BLOCK_PARTS);
    put_varint(out, values.len());
    let Some((first, rest)) = values.split_first() else { return put_varint(out, 0) };
    put_zigzag(out, *first);
    let mut before = *first;
    let mut deltas = [0_i64; BLOCK];
    for block in rest.chunks(BLOCK) {
        for (delta, value) in deltas.iter_mut().zip(block) {
            *delta = value.wrapping_sub(before);
            before = *value;
        }
        let deltas = &deltas[..block.len()];
        let least = deltas.iter().copied().min().unwrap_or_default();
        put_zigzag(out, least);
        let above = |delta: &i64| delta.wrapping_sub(least) as u64;
        let widths = out.len();
        out.extend_from_slice(&[0; BLOCK_PARTS]);
        for (part, deltas) in deltas.chunks(BLOCK_PART).enumerate() {
            let bits = u64::BITS - deltas.iter().map(above).fold(0, |all, delta| all | delta).leading_zeros();
            out[widths + part] = bits as u8;
            put_bits(out, bits, BLOCK_PART, deltas.iter().map(above));
        }
    }
}

fn put_zigzag(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)) as usize);
}

fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The reader's side, as the specification has it.
    fn decode(mut bytes: &[u8], bits: u32, count: usize) -> Vec<u32> {
        let mut values = Vec::new();
        while values.len() < count {
            let header = varint(&mut bytes);
            if header & 1 == 0 {
                let (value, rest) = bytes.split_at(bits.div_ceil(8) as usize);
                bytes = rest;
                let mut wide = [0; 4];
                wide[..value.len()].copy_from_slice(value);
                values.extend(std::iter::repeat_n(u32::from_le_bytes(wide), header >> 1));
                continue;
            }
            let (packed, rest) = bytes.split_at((header >> 1) * bits as usize);
            bytes = rest;
            let bit = |at: usize| u32::from(packed[at / 8] >> (at % 8) & 1);
            for value in 0..(header >> 1) * GROUP {
                values.push((0..bits as usize).map(|n| bit(value * bits as usize + n) << n).sum());
            }
        }
        assert!(bytes.is_empty(), "{} bytes too many", bytes.len());
        values.truncate(count);
        values
    }

    proptest! {
        #[test]
        fn comes_back(bits in 0_u32..=20, runs in prop::collection::vec((any::<u32>(), 1_usize..40), 0..40)) {
            let of = |(value, count): &(u32, usize)| std::iter::repeat_n(value & ((1 << bits) - 1), *count);
            let values: Vec<u32> = runs.iter().flat_map(of).collect();
            let mut out = Vec::new();
            put_hybrid(&mut out, bits, &values);
            prop_assert_eq!(decode(&out, bits, values.len()), values);
        }
    }

    fn varint(bytes: &mut &[u8]) -> usize {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (byte, rest) = bytes.split_first().expect("a byte");
            *bytes = rest;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return value;
            }
        }
        value
    }

    fn zigzag(bytes: &mut &[u8]) -> i64 {
        let value = varint(bytes) as u64;
        (value >> 1) as i64 ^ -((value & 1) as i64)
    }

    /// The reader's side, as the specification has it.
    fn decode_deltas(mut bytes: &[u8]) -> Vec<i64> {
        let bytes = &mut bytes;
        assert_eq!((varint(bytes), varint(bytes)), (128, 4));
        let count = varint(bytes);
        let mut values = vec![zigzag(bytes)];
        while values.len() < count {
            let least = zigzag(bytes);
            let (widths, rest) = bytes.split_at(4);
            *bytes = rest;
            for width in widths.iter().map(|width| usize::from(*width)) {
                let (packed, rest) =
                    if values.len() < count { bytes.split_at(32 * width / 8) } else { bytes.split_at(0) };
                *bytes = rest;
                let bit = |at: usize| u64::from(packed[at / 8] >> (at % 8) & 1);
                for n in 0..32.min(count - values.len()) {
                    let above: u64 = (0..width).map(|at| bit(n * width + at) << at).sum();
                    values.push(values[values.len() - 1].wrapping_add(least).wrapping_add(above as i64));
                }
            }
        }
        assert!(bytes.is_empty(), "{} bytes too many", bytes.len());
        values.truncate(count);
        values
    }

    proptest! {
        #[test]
        fn differences_come_back(values in prop::collection::vec(prop_oneof![any::<i64>(), 0_i64..100, Just(i64::MIN), Just(i64::MAX)], 0..400)) {
            let mut out = Vec::new();
            put_deltas(&mut out, &values);
            prop_assert_eq!(decode_deltas(&out), values);
        }
    }

    #[test]
    fn differences_of_a_kind_take_a_few_bits() {
        let times: Vec<i64> = (0..1_025).map(|n| 1_795_000_000_000 + n * 100 + n % 4).collect();
        let mut out = Vec::new();
        put_deltas(&mut out, &times);
        assert_eq!(out.len(), 11 + 8 * (2 + 4 + 128 * 3 / 8), "each 97 to 101 after the one before: three bits");
        assert_eq!(decode_deltas(&out), times);
    }

    #[test]
    fn widths() {
        assert_eq!([0, 1, 2, 3, 4, 5, 256, 257].map(bits_for), [0, 0, 1, 2, 2, 3, 8, 9]);
    }
}
