//! What callers hear from us when nobody speaks: made here, so that nothing has to be shipped or licensed.
//!
//! Mono, 8 kHz, 16 bit: what a telephone line carries anyway. Each is shorter than 20 s, so that a caller who
//! waits hears news soon.

use std::{f32::consts::TAU, sync::LazyLock};

use axum::body::Bytes;

use crate::twilio::Sound;

const RATE: u32 = 8_000;

/// The sound as a WAV file.
pub fn wav(sound: Sound) -> Bytes {
    static MADE: LazyLock<[Bytes; 3]> =
        LazyLock::new(|| [file(&ringing()), file(&music()), file(&one_moment())]);
    let [ringing, music, one_moment] = &*MADE;
    match sound {
        Sound::Ringing => ringing.clone(),
        Sound::Music => music.clone(),
        Sound::OneMoment => one_moment.clone(),
    }
}

fn seconds(s: f32) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a few seconds of samples"
    )]
    let samples = (s * RATE as f32) as usize;
    samples
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^24 samples")]
fn tone(samples: usize, hz: &[f32], loud: f32) -> Vec<f32> {
    let wave = |t: f32| hz.iter().map(|f| (TAU * f * t).sin()).sum::<f32>() / hz.len() as f32;
    (0..samples)
        .map(|i| loud * wave(i as f32 / RATE as f32))
        .collect()
}

/// The North American ringing tone (ITU-T E.180): 440 and 480 Hz, 2 s on and 4 s off; three times.
fn ringing() -> Vec<f32> {
    let mut ring = tone(seconds(2.0), &[440.0, 480.0], 0.3);
    ring.resize(seconds(6.0), 0.0);
    ring.repeat(3)
}

/// Slow broken chords, each note fading: quiet enough to wait with.
#[expect(clippy::cast_precision_loss, reason = "fewer than 2^24 samples")]
fn music() -> Vec<f32> {
    const CHORDS: [[f32; 4]; 4] = [
        [261.6, 329.6, 392.0, 523.3],
        [220.0, 261.6, 329.6, 440.0],
        [174.6, 220.0, 261.6, 349.2],
        [196.0, 246.9, 293.7, 392.0],
    ];
    let note = seconds(0.6);
    let mut out = Vec::new();
    for chord in CHORDS {
        for step in [0, 1, 2, 3, 2, 1, 2] {
            let faded = tone(note, &[chord[step], chord[step] * 2.0], 0.25);
            out.extend(
                faded
                    .iter()
                    .enumerate()
                    .map(|(i, s)| s * (1.0 - i as f32 / note as f32)),
            );
        }
    }
    out
}

/// Two soft chimes and a breath: "one moment, please" in every language.
fn one_moment() -> Vec<f32> {
    let mut out = tone(seconds(0.35), &[659.3], 0.25);
    out.extend(tone(seconds(0.5), &[523.3], 0.25));
    out.resize(seconds(4.0), 0.0);
    out
}

/// RIFF, PCM (Microsoft, "Multiple channel audio data and WAVE files").
fn file(samples: &[f32]) -> Bytes {
    let bytes = u32::try_from(samples.len() * 2).expect("a few seconds");
    let mut out = Vec::with_capacity(samples.len() * 2 + 44);
    out.extend(b"RIFF");
    out.extend((36 + bytes).to_le_bytes());
    out.extend(b"WAVEfmt ");
    out.extend(16_u32.to_le_bytes());
    out.extend([1_u16, 1].iter().flat_map(|n| n.to_le_bytes()));
    out.extend([RATE, RATE * 2].iter().flat_map(|n| n.to_le_bytes()));
    out.extend([2_u16, 16].iter().flat_map(|n| n.to_le_bytes()));
    out.extend(b"data");
    out.extend(bytes.to_le_bytes());
    #[expect(
        clippy::cast_possible_truncation,
        reason = "within ±1 times the largest sample"
    )]
    out.extend(
        samples
            .iter()
            .flat_map(|s| ((s.clamp(-1.0, 1.0) * 32_767.0) as i16).to_le_bytes()),
    );
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sound_is_a_wav_shorter_than_twenty_seconds() {
        for sound in Sound::ALL {
            let file = wav(sound);
            assert_eq!((&file[..4], &file[8..12]), (&b"RIFF"[..], &b"WAVE"[..]));
            let data = u32::from_le_bytes(file[40..44].try_into().unwrap());
            assert_eq!(usize::try_from(data).unwrap() + 44, file.len());
            assert!(
                data <= 20 * RATE * 2,
                "{sound:?} is {} s long",
                data / RATE / 2
            );
            assert!(file[44..].iter().any(|b| *b != 0));
        }
    }
}
