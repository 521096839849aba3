//! Base 62 with the digits in ASCII order (`0-9A-Za-z`), so that fixed-width text sorts like the number it writes.

use crate::random::Random;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The value of each byte as a digit; 0xFF where it is none.
const VALUES: [u8; 256] = {
    let mut values = [0xFF; 256];
    let mut digit = 0;
    while digit < 62 {
        values[DIGITS[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

/// What a digit is worth in each of the last ten places, the last one first.
const POWERS: [u64; 10] = {
    let mut powers = [1; 10];
    let mut place = 1;
    while place < powers.len() {
        powers[place] = 62 * powers[place - 1];
        place += 1;
    }
    powers
};

/// Writes `number` with leading zeros over the whole of `text`; `text` is long enough for it.
pub(crate) fn encode(mut number: u128, text: &mut [u8]) {
    for place in text.iter_mut().rev() {
        *place = DIGITS[(number % 62) as usize];
        number /= 62;
    }
    debug_assert_eq!(number, 0, "the text is too short for the number");
}

/// Reads a number; `None` if a byte is no digit or the number exceeds 128 bits.
pub(crate) fn decode(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0u128, |number, &byte| {
        let value = VALUES[usize::from(byte)];
        if value == 0xFF {
            return None;
        }
        number.checked_mul(62)?.checked_add(u128::from(value))
    })
}

/// Reads a number of at most ten digits, which fits 64 bits; `None` if a byte is no digit.
pub(crate) fn decode_short(text: &[u8]) -> Option<u64> {
    debug_assert!(text.len() <= 10);
    let mut number = 0;
    let mut flaws = 0;
    // Each digit by its power, so that none waits for the one before it.
    for (&byte, power) in text.iter().rev().zip(POWERS) {
        let value = VALUES[usize::from(byte)];
        flaws |= value & 0x80;
        number += u64::from(value) * power;
    }
    (flaws == 0).then_some(number)
}

/// Whether each byte is a digit.
pub(crate) fn is_text(text: &[u8]) -> bool {
    // The digits are the ASCII letters and digits. Without a way out before the end, many bytes are looked at at once.
    text.iter().fold(true, |so_far, byte| so_far & byte.is_ascii_alphanumeric())
}

/// Fills `text` with digits drawn uniformly and independently.
pub(crate) fn draw(random: &dyn Random, text: &mut [u8]) {
    let mut filled = 0;
    let mut pool = [0; 64];
    while filled < text.len() {
        random.fill(&mut pool);
        // 248 = 4 × 62: what lies above would favour the first digits.
        for byte in pool.iter().filter(|byte| **byte < 248).take(text.len() - filled) {
            text[filled] = DIGITS[usize::from(byte % 62)];
            filled += 1;
        }
    }
    zeroize::Zeroize::zeroize(&mut pool);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_round_trip_and_sort_like_their_text(a: u128, b: u128) {
            let (mut left, mut right) = ([0; 22], [0; 22]);
            encode(a, &mut left);
            encode(b, &mut right);
            prop_assert_eq!(decode(&left), Some(a));
            prop_assert_eq!(a.cmp(&b), left.cmp(&right));
        }

        #[test]
        fn the_short_reader_agrees_with_the_long_one(text in proptest::collection::vec(any::<u8>(), 0..=10)) {
            prop_assert_eq!(decode_short(&text).map(u128::from), decode(&text));
            prop_assert_eq!(is_text(&text), decode(&text).is_some());
        }
    }

    #[test]
    fn a_number_beyond_128_bits_is_refused() {
        assert_eq!(decode(b"zzzzzzzzzzzzzzzzzzzzzz"), None);
    }
}
