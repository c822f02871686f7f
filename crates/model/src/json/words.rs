//! Bytes read eight or more at a time: the digits of plain numbers, known keys, runs of ordinary characters.
//!
//! In: bytes and an offset. Out: values, or where something ends; `None` for whatever is not plain, which the scanner reads its slower way. Not here:
//! errors.

/// Whole numbers of more digits may not fit 64 bits.
const PLAIN_DIGITS_MAX: usize = 18;

/// Reads a plain number digit by digit; gives up on anything that is not one.
pub(super) struct Digits<'a> {
    bytes: &'a [u8],
    /// The first byte that was not read.
    pub(super) at: usize,
    pub(super) is_negative: bool,
}

impl<'a> Digits<'a> {
    #[inline]
    pub(super) fn after_sign(bytes: &'a [u8], at: usize) -> Option<Digits<'a>> {
        match bytes.get(at)? {
            b'-' => Some(Digits { bytes, at: at + 1, is_negative: true }),
            b'0'..=b'9' => Some(Digits { bytes, at, is_negative: false }),
            _ => None,
        }
    }

    /// The digits before the point. JSON allows no zero in front of others.
    #[inline]
    pub(super) fn whole(&mut self) -> Option<u64> {
        let starts_with_zero = self.bytes.get(self.at) == Some(&b'0');
        let (value, count) = self.run()?;
        (count == 1 || !starts_with_zero).then_some(value)
    }

    /// The digits after the point and how many there are; None if there is no point, Some(None) if there is no plain fraction.
    #[inline]
    pub(super) fn fraction(&mut self) -> Option<Option<(u64, usize)>> {
        if self.bytes.get(self.at) != Some(&b'.') {
            return None;
        }
        self.at += 1;
        Some(self.run())
    }

    /// True if the number ends here: not in an exponent, not in a second point.
    #[inline]
    pub(super) fn at_end(&self) -> bool {
        matches!(self.bytes.get(self.at), None | Some(b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r'))
    }

    /// Eight bytes at a time: how many digits a number has changes from one to the next, and a branch on it is guessed wrong.
    #[inline]
    fn run(&mut self) -> Option<(u64, usize)> {
        let start = self.at;
        let mut value = 0_u64;
        while let Some(word) = word_at(self.bytes, self.at) {
            let count = leading_digits(word);
            if self.at - start + count > PLAIN_DIGITS_MAX {
                return None;
            }
            value = value * EIGHT_DIGITS_POWERS[count] + value_of_digits(word, count);
            self.at += count;
            if count < 8 {
                return (self.at > start).then_some((value, self.at - start));
            }
        }
        while let Some(digit) = self.bytes.get(self.at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
        {
            if self.at - start == PLAIN_DIGITS_MAX {
                return None;
            }
            value = value * 10 + u64::from(digit);
            self.at += 1;
        }
        (self.at > start).then_some((value, self.at - start))
    }
}

const EIGHT_DIGITS_POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// Eight bytes of a text, the first of them lowest.
#[inline]
fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok()).map(u64::from_le_bytes)
}

/// How many bytes of a word, from its first, are digits.
#[inline]
fn leading_digits(word: u64) -> usize {
    // 0x30 to 0x39 are the only bytes with a high half of 3 that keep it when 6 is added
    let high_halves = (word & 0xf0f0_f0f0_f0f0_f0f0) ^ 0x3030_3030_3030_3030;
    let after_six = (word.wrapping_add(0x0606_0606_0606_0606) & 0xf0f0_f0f0_f0f0_f0f0) ^ 0x3030_3030_3030_3030;
    // a carry out of a byte comes from one that is no digit, and changes those after it alone
    (high_halves | after_six).trailing_zeros() as usize / 8
}

/// The number that the first `count` bytes of a word spell, all of them digits.
#[inline]
fn value_of_digits(word: u64, count: usize) -> u64 {
    if count == 0 {
        return 0;
    }
    // the missing digits are zeros in front; then neighbours are joined: 8 digits, 4 pairs, 2 fours, 1 eight
    let digits = (word & 0x0f0f_0f0f_0f0f_0f0f) << (64 - 8 * count);
    let pairs = (digits * 10 + (digits >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs * 100 + (pairs >> 16)) & 0x0000_ffff_0000_ffff;
    (fours * 10_000 + (fours >> 32)) & 0xffff_ffff
}

/// 10^0 to 10^38.
pub(super) const POWERS_OF_TEN: [u128; 39] = {
    let mut powers = [1_u128; 39];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// What to multiply by for this many digits more; None if it does not fit 64 bits.
#[inline]
pub(super) fn shift(digits: usize) -> Option<u64> {
    const POWERS: [u64; 20] = {
        let mut powers = [1; 20];
        let mut exponent = 1;
        while exponent < powers.len() {
            powers[exponent] = powers[exponent - 1] * 10;
            exponent += 1;
        }
        powers
    };
    POWERS.get(digits).copied()
}

/// Keys are short: their ends, which overlap, are compared as numbers; a call that compares memory takes longer.
#[inline]
pub(super) fn begins_with(bytes: &[u8], key: &[u8]) -> bool {
    let Some(bytes) = bytes.get(..key.len()) else { return false };
    match key.len() {
        4..8 => has_same_ends::<4>(bytes, key),
        8..16 => has_same_ends::<8>(bytes, key),
        16..=32 => has_same_ends::<16>(bytes, key),
        _ => bytes == key,
    }
}

#[inline]
fn has_same_ends<const N: usize>(one: &[u8], other: &[u8]) -> bool {
    one.first_chunk::<N>() == other.first_chunk::<N>() && one.last_chunk::<N>() == other.last_chunk::<N>()
}

/// The first byte from `at` on that ends a run of ordinary characters: a quote, a backslash or a control character.
#[inline]
pub(super) fn end_of_plain(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const WIDE: usize = 16;
    let is_end = |byte: &u8| (*byte < b' ') | (*byte == b'"') | (*byte == b'\\');
    // a wide register at once; where the end is in it, words say
    while let Some(wide) = bytes.get(at..).and_then(|rest| rest.first_chunk::<WIDE>())
        && !wide.iter().fold(false, |found, byte| found | is_end(byte))
    {
        at += WIDE;
    }
    // the lowest set bit marks the first zero byte of a word; bits above it may be wrong
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    while let Some(word) = word_at(bytes, at) {
        let below_space = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\'))) | below_space;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| !is_end(byte)) {
        at += 1;
    }
    at
}
