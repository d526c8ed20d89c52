//! G.711 mu-law: the coding of telephone lines, a byte a sample (ITU-T G.711).
//!
//! The logarithm is made of eight straight pieces, each twice as steep as the one before; a bias lets the first
//! begin at zero. Bytes travel inverted, so that silence has many ones.

const BIAS: i32 = 0x84;
const LOUDEST: i32 = 32_635;

static DECODED: [i16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = expand(byte);
        byte += 1;
    }
    table
};

const fn expand(byte: usize) -> i16 {
    let code = !byte & 0xff;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "at most 32 124"
    )]
    let loudness = ((((code & 0x0f) << 3) + 0x84) << ((code & 0x70) >> 4)) as i16;
    let loudness = loudness.wrapping_sub(0x84);
    if code & 0x80 == 0 {
        loudness
    } else {
        -loudness
    }
}

pub(crate) fn decode(byte: u8) -> i16 {
    DECODED[usize::from(byte)]
}

pub(crate) fn encode(sample: i16) -> u8 {
    let sample = i32::from(sample);
    let loudness = sample.abs().min(LOUDEST) + BIAS;
    // The bias keeps bit 7 or a higher one set, and the limit keeps bit 15 clear: 0 to 7.
    let piece = 24 - loudness.leading_zeros();
    let step = (loudness >> (piece + 3)) & 0x0f;
    let sign = if sample < 0 { 0x80 } else { 0 };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "four bits and three bits"
    )]
    let code = sign | (piece << 4) as u8 | step as u8;
    !code
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_corners_are_those_of_the_recommendation() {
        assert_eq!(encode(0), 0xff);
        assert_eq!(decode(0xff), 0);
        assert_eq!(decode(0x7f), 0);
        assert_eq!((decode(0x80), decode(0x00)), (32_124, -32_124));
        assert_eq!((encode(i16::MAX), encode(i16::MIN)), (0x80, 0x00));
    }

    #[test]
    fn every_byte_comes_back() {
        for byte in 0..=255_u8 {
            // 0x7f is the other zero.
            if byte != 0x7f {
                assert_eq!(encode(decode(byte)), byte);
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_lost_is_small(sample: i16) {
            let back = i32::from(decode(encode(sample)));
            let sample = i32::from(sample);
            let allowed = 8 + sample.abs() / 16 + if sample.abs() > LOUDEST { 700 } else { 0 };
            prop_assert!((back - sample).abs() <= allowed, "{sample} came back as {back}");
        }
    }
}
