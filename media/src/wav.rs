//! WAV files. As they come from anywhere: read what a telephone can play, refuse the rest, believe no length. And as they
//! leave here: one channel of 16 bits.

use crate::g711;
use crate::pcm::{RATE, clip};

/// The longest recording, in seconds: ten minutes.
const LONGEST: u64 = 600;

/// What a file of ours has before its sound, without its first eight bytes.
const HEAD: u32 = 36;
/// How many samples fit into one.
const MOST: usize = (u32::MAX - HEAD) as usize / 2;

/// Why a WAV file cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WavError {
    /// Not a RIFF WAVE file, or cut off before its sound begins.
    #[error("not a WAV file: {0}")]
    Malformed(&'static str),
    /// A coding, width or number of channels other than PCM 8 or 16 bit or G.711 mu-law in one or two channels.
    #[error("a WAV coding that is not played here: {0}")]
    Unsupported(String),
    /// Longer than ten minutes.
    #[error("longer than ten minutes")]
    TooLong,
}

/// A WAV file of those samples, so many a second: RIFF, PCM, mono, 16 bit (Microsoft, "Multiple channel audio data and
/// WAVE files"). What does not fit into the four gigabytes that such a file can have is left out.
#[must_use]
pub fn write(samples: &[i16], rate: u32) -> Vec<u8> {
    let samples = &samples[..samples.len().min(MOST)];
    let bytes = u32::try_from(samples.len() * 2).unwrap_or_default();
    let mut out = Vec::with_capacity(samples.len() * 2 + HEAD as usize + 8);
    out.extend(b"RIFF");
    out.extend((HEAD + bytes).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(16_u32.to_le_bytes());
    out.extend([1_u16, 1].iter().flat_map(|n| n.to_le_bytes()));
    let second = rate.saturating_mul(2);
    out.extend([rate, second].iter().flat_map(|n| n.to_le_bytes()));
    out.extend([2_u16, 16].iter().flat_map(|n| n.to_le_bytes()));
    out.extend(b"data");
    out.extend(bytes.to_le_bytes());
    out.extend(samples.iter().flat_map(|s| s.to_le_bytes()));
    out
}

#[derive(Clone, Copy, Debug)]
struct Format {
    coding: Coding,
    channels: usize,
    rate: u64,
}

#[derive(Clone, Copy, Debug)]
enum Coding {
    Eight,
    Sixteen,
    MuLaw,
}

/// Mono samples at 8 kHz.
pub(crate) fn read(file: &[u8]) -> Result<Vec<i16>, WavError> {
    let begins = |head: &[u8]| head.starts_with(b"RIFF") && head.ends_with(b"WAVE");
    let Some((_, rest)) = file.split_at_checked(12).filter(|(head, _)| begins(head)) else {
        return Err(WavError::Malformed("it does not begin as one"));
    };
    let mut format = None;
    let mut chunks = rest;
    while let [a, b, c, d, l0, l1, l2, l3, body @ ..] = chunks {
        let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        // A stream's writer cannot know the length and writes what it likes: what is there counts.
        let (content, after) = body.split_at(length.min(body.len()));
        match [*a, *b, *c, *d] {
            [b'f', b'm', b't', b' '] => format = Some(read_format(content)?),
            [b'd', b'a', b't', b'a'] => {
                let format = format.ok_or(WavError::Malformed("its sound has no format"))?;
                return resample(format, content);
            }
            _ => {}
        }
        // Chunks begin at even places.
        chunks = after.get(length % 2..).unwrap_or_default();
    }
    Err(WavError::Malformed("it has no sound"))
}

fn read_format(chunk: &[u8]) -> Result<Format, WavError> {
    let number = |at: usize| {
        chunk
            .get(at..at + 2)
            .map(|b| u16::from_le_bytes([b[0], b[1]]))
    };
    let (Some(tag), Some(channels), Some(low), Some(high), Some(bits)) =
        (number(0), number(2), number(4), number(6), number(14))
    else {
        return Err(WavError::Malformed("its format is cut off"));
    };
    // WAVE_FORMAT_EXTENSIBLE: the tag is the beginning of the GUID.
    let tag = if tag == 0xfffe {
        number(24).unwrap_or(tag)
    } else {
        tag
    };
    let coding = match (tag, bits) {
        (1, 8) => Coding::Eight,
        (1, 16) => Coding::Sixteen,
        (7, 8) => Coding::MuLaw,
        _ => {
            return Err(WavError::Unsupported(format!(
                "format {tag} of {bits} bits"
            )));
        }
    };
    let rate = u64::from(low) | u64::from(high) << 16;
    if rate == 0 {
        return Err(WavError::Malformed("its rate is zero"));
    }
    if !(1..=2).contains(&channels) {
        return Err(WavError::Unsupported(format!("{channels} channels")));
    }
    Ok(Format {
        coding,
        channels: usize::from(channels),
        rate,
    })
}

/// Each sample out is the mean of the samples in that fall into its time, or the nearest if none does: crude, and at
/// telephone quality nobody hears it.
fn resample(format: Format, data: &[u8]) -> Result<Vec<i16>, WavError> {
    let width = match format.coding {
        Coding::Sixteen => 2,
        Coding::Eight | Coding::MuLaw => 1,
    };
    let step = width * format.channels;
    let count = data.len() / step;
    let counted = count as u64;
    if counted > LONGEST * format.rate {
        return Err(WavError::TooLong);
    }
    let out = counted * u64::from(RATE) / format.rate;
    let mono = |frame: usize| {
        let frame = &data[frame * step..][..step];
        let sum: i32 = frame
            .chunks_exact(width)
            .map(|s| match (format.coding, s) {
                (Coding::Sixteen, [low, high]) => i32::from(i16::from_le_bytes([*low, *high])),
                (Coding::Eight, [byte]) => (i32::from(*byte) - 128) * 256,
                (Coding::MuLaw, [byte]) => i32::from(g711::decode(*byte)),
                _ => 0,
            })
            .sum();
        sum / if format.channels == 2 { 2 } else { 1 }
    };
    let place = |n: u64| usize::try_from(n * format.rate / u64::from(RATE)).unwrap_or(usize::MAX);
    Ok((0..out)
        .map(|n| {
            let from = place(n).min(count - 1);
            let to = place(n + 1).clamp(from + 1, count);
            let sum: i64 = (from..to).map(|f| i64::from(mono(f))).sum();
            let mean = sum / i64::try_from(to - from).unwrap_or(1);
            clip(i32::try_from(mean).unwrap_or(0))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use proptest::prelude::*;

    use super::*;
    use crate::event::Sound;
    use crate::pcm::{real, sample};

    fn wav(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut out = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        out.extend([tag, channels].iter().flat_map(|n| n.to_le_bytes()));
        out.extend(rate.to_le_bytes());
        out.extend([0; 6]);
        out.extend(bits.to_le_bytes());
        out.extend(b"LIST\x03\0\0\0abc\0data");
        out.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
        out.extend(data);
        out
    }

    fn sine(rate: u32, hz: f32) -> Vec<i16> {
        (0..rate as usize)
            .map(|i| sample(0.3 * (TAU * hz * real(i) / real(rate as usize)).sin()))
            .collect()
    }

    #[test]
    fn a_tone_is_the_same_tone_from_every_kind_of_file() {
        for rate in [4_000, 8_000, 11_025, 16_000, 44_100, 48_000] {
            let tone = sine(rate, 600.0);
            let sixteen: Vec<u8> = tone.iter().flat_map(|s| s.to_le_bytes()).collect();
            let stereo: Vec<u8> = tone
                .iter()
                .flat_map(|s| [*s; 2])
                .flat_map(i16::to_le_bytes)
                .collect();
            let eight: Vec<u8> = tone
                .iter()
                .map(|s| (s / 256 + 128).to_le_bytes()[0])
                .collect();
            let law: Vec<u8> = tone.iter().map(|s| g711::encode(*s)).collect();
            for file in [
                wav(1, 1, rate, 16, &sixteen),
                wav(1, 2, rate, 16, &stereo),
                wav(1, 1, rate, 8, &eight),
                wav(7, 1, rate, 8, &law),
            ] {
                let read = read(&file).unwrap();
                assert!(
                    (7_998..=8_000).contains(&read.len()),
                    "{rate}: {}",
                    read.len()
                );
                let sound = Sound::of(&read);
                assert!((sound.tones[0].hz - 600.0).abs() < 1.0, "{rate}: {sound:?}");
                assert!((sound.rms - 0.212).abs() < 0.02, "{rate}: {sound:?}");
            }
        }
    }

    #[test]
    fn at_eight_thousand_nothing_is_changed() {
        let samples: Vec<i16> = (0..1_000).map(|n| n * 31).collect();
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        assert_eq!(read(&wav(1, 1, 8_000, 16, &bytes)).unwrap(), samples);
    }

    #[test]
    fn what_is_written_is_such_a_file_and_is_read_as_it_was() {
        let file = write(&[1, -2, 300], 48_000);
        let head =
            b"RIFF\x2a\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\xbb\0\0\0\x77\x01\0\x02\0\x10\0";
        assert_eq!(
            file,
            [&head[..], b"data\x06\0\0\0\x01\0\xfe\xff\x2c\x01"].concat()
        );
        let samples: Vec<i16> = (0..1_000).map(|n| n * 31 - 15_000).collect();
        assert_eq!(read(&write(&samples, RATE)).unwrap(), samples);
        assert_eq!(read(&write(&[], RATE)).unwrap(), []);
        let tone = read(&write(&sine(44_100, 600.0), 44_100)).unwrap();
        assert!((Sound::of(&tone).tones[0].hz - 600.0).abs() < 1.0);
    }

    #[test]
    fn what_cannot_be_played_is_refused_and_said_why() {
        let refused = |file: &[u8]| read(file).unwrap_err().to_string();
        assert_eq!(
            refused(b"ID3 and an mp3"),
            "not a WAV file: it does not begin as one"
        );
        assert_eq!(
            refused(b"RIFF\0\0\0\0WAVE"),
            "not a WAV file: it has no sound"
        );
        assert!(refused(&wav(3, 1, 8_000, 32, &[0; 8])).contains("format 3 of 32 bits"));
        assert!(refused(&wav(1, 6, 8_000, 16, &[0; 12])).contains("6 channels"));
        assert!(refused(&wav(1, 1, 0, 16, &[0; 8])).contains("rate is zero"));
        assert_eq!(
            read(&wav(1, 1, 8_000, 8, &vec![0; 4_800_001])),
            Err(WavError::TooLong)
        );
        assert_eq!(read(&wav(1, 1, 1, 8, &[0; 601])), Err(WavError::TooLong));
        assert_eq!(read(&wav(1, 1, 8_000, 16, &[])), Ok(Vec::new()));
    }

    #[test]
    fn a_length_that_lies_is_not_believed() {
        let mut file = wav(1, 1, 8_000, 16, &[1, 0, 2, 0]);
        let at = file.len() - 8;
        file[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(read(&file).unwrap(), [1, 2]);
    }

    proptest! {
        #[test]
        fn no_file_can_break_it(
            noise in prop::collection::vec(any::<u8>(), 0..300),
            tag in prop_oneof![Just(1_u16), Just(7), Just(0xfffe), any::<u16>()],
            channels in 0..4_u16,
            rate: u32,
            bits in prop_oneof![Just(8_u16), Just(16), any::<u16>()],
            cut in 0..400_usize,
        ) {
            let _ = read(&noise);
            let _ = read(&[b"RIFF____WAVE", &noise[..]].concat());
            let mut file = wav(tag, channels, rate, bits, &noise);
            file.truncate(cut);
            if let Ok(samples) = read(&file) {
                prop_assert!(samples.len() as u64 <= LONGEST * u64::from(RATE));
            }
        }
    }
}
