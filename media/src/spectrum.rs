//! Which tones are in a sound: for reports, when somebody asks, and never in the media thread.

use std::f32::consts::{PI, TAU};

use crate::event::{Sound, Tone};
use crate::pcm::{RATE, real, rms};

/// Points of the transform: one second at 8 kHz and a bit.
const POINTS: usize = 8_192;
/// Peaks closer than this to a stronger one, in Hz, are its sides.
const APART: f32 = 25.0;
/// What is quieter than this is nobody's tone.
const FLOOR: f32 = 0.001;

impl Sound {
    /// Of at most one second, the newest if there is more.
    pub(crate) fn of(samples: &[i16]) -> Self {
        let newest = &samples[samples.len().saturating_sub(RATE as usize)..];
        Self {
            rms: rms(newest),
            tones: peaks(newest),
        }
    }
}

/// The strongest three peaks of the spectrum of at most [`POINTS`] samples.
pub(crate) fn peaks(samples: &[i16]) -> Vec<Tone> {
    if samples.iter().all(|s| *s == 0) {
        return Vec::new();
    }
    let count = samples.len().min(POINTS);
    let mut re = vec![0.0; POINTS];
    let mut im = vec![0.0; POINTS];
    for (i, sample) in samples[..count].iter().enumerate() {
        // Hann's window; its mean is a half.
        let window = 0.5 - 0.5 * (TAU * real(i) / real(count)).cos();
        re[i] = f32::from(*sample) / 32_768.0 * window;
    }
    transform(&mut re, &mut im);
    let level: Vec<f32> = (0..POINTS / 2)
        .map(|i| re[i].hypot(im[i]) * 4.0 / real(count))
        .collect();
    let mut found: Vec<Tone> = level
        .windows(3)
        .enumerate()
        .filter(|(_, w)| w[1] > FLOOR && w[1] >= w[0] && w[1] > w[2])
        .map(|(i, w)| {
            // The top of the parabola through the three.
            let aside = 0.5 * (w[0] - w[2]) / (w[0] - 2.0 * w[1] + w[2]);
            Tone {
                hz: (real(i + 1) + aside) * real(RATE as usize) / real(POINTS),
                level: w[1],
            }
        })
        .collect();
    found.sort_by(|a, b| b.level.total_cmp(&a.level));
    let mut out: Vec<Tone> = Vec::new();
    for tone in found {
        if out.len() < 3 && out.iter().all(|o| (o.hz - tone.hz).abs() > APART) {
            out.push(tone);
        }
    }
    out
}

/// Fourier's transform in place, by halves (radix 2); the length is a power of two.
fn transform(re: &mut [f32], im: &mut [f32]) {
    let count = re.len();
    let bits = count.trailing_zeros();
    for i in 0..count {
        let j = i.reverse_bits() >> (usize::BITS - bits);
        if i < j {
            re.swap(i, j);
            im.swap(i, j);
        }
    }
    let mut half = 1;
    while half < count {
        let turns: Vec<(f32, f32)> = (0..half)
            .map(|k| (-PI * real(k) / real(half)).sin_cos())
            .collect();
        for start in (0..count).step_by(2 * half) {
            for (k, (sin, cos)) in turns.iter().enumerate() {
                let (a, b) = (start + k, start + k + half);
                let (x, y) = (re[b] * cos - im[b] * sin, re[b] * sin + im[b] * cos);
                (re[b], im[b]) = (re[a] - x, im[a] - y);
                (re[a], im[a]) = (re[a] + x, im[a] + y);
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcm::sample;

    fn tones(parts: &[(f32, f32)]) -> Vec<i16> {
        (0..8_000)
            .map(|i| {
                let t = real(i) / 8_000.0;
                sample(
                    parts
                        .iter()
                        .map(|(hz, level)| level * (TAU * hz * t).sin())
                        .sum(),
                )
            })
            .collect()
    }

    #[test]
    fn three_tones_are_found_with_their_levels() {
        let parts = [(1_333.3, 0.3), (440.0, 0.2), (2_000.5, 0.1)];
        let sound = Sound::of(&tones(&parts));
        assert_eq!(sound.tones.len(), 3, "{sound:?}");
        for (found, (hz, level)) in sound.tones.iter().zip(parts) {
            assert!((found.hz - hz).abs() < 0.7, "{sound:?}");
            assert!((found.level / level - 1.0).abs() < 0.15, "{sound:?}");
        }
        assert!((sound.rms - 0.2646).abs() < 0.001, "{sound:?}");
    }

    #[test]
    fn silence_and_nothing_have_no_tones() {
        assert_eq!(Sound::of(&[0; 8_000]), Sound::default());
        assert_eq!(Sound::of(&[]), Sound::default());
        assert!(Sound::of(&[5]).rms > 0.0);
    }
}
