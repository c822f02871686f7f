//! Parquet's own encodings: runs and packed bits for levels and for indices into a dictionary. Pure.
//!
//! <https://parquet.apache.org/docs/file-format/data-pages/encodings/>, "RLE/Bit-Packing Hybrid".

/// Packed values come in groups of so many.
const GROUP: usize = 8;

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
    let end = out.len() + groups * bits as usize;
    let (mut waiting, mut waiting_bits) = (0_u64, 0);
    for value in values {
        waiting |= u64::from(*value) << waiting_bits;
        waiting_bits += bits;
        if waiting_bits >= 32 {
            out.extend_from_slice(&(waiting as u32).to_le_bytes());
            waiting >>= 32;
            waiting_bits -= 32;
        }
    }
    out.extend_from_slice(&waiting.to_le_bytes()[..waiting_bits.div_ceil(8) as usize]);
    out.resize(end, 0);
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
            let (mut header, mut shift) = (0_usize, 0);
            loop {
                let (byte, rest) = bytes.split_first().expect("a header");
                bytes = rest;
                header |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
            }
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

    #[test]
    fn widths() {
        assert_eq!([0, 1, 2, 3, 4, 5, 256, 257].map(bits_for), [0, 0, 1, 2, 2, 3, 8, 9]);
    }
}
