//! Sounds that are played: recordings, and the ones the carrier has, which are made here so that nothing has to be
//! shipped or licensed. Next: `wav`, which reads recordings; `throat`, for what is said.

use std::f32::consts::TAU;
use std::fmt;
use std::time::Duration;

use crate::pcm::{RATE, real, sample, samples};
use crate::throat::{Dice, Throat};
use crate::wav::{self, WavError};

/// A recorded or synthesised sound: mono, 8 kHz, 16 bit. Share it in an `Arc`; playing copies nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Clip {
    samples: Box<[i16]>,
}

impl Clip {
    /// Mono samples at 8 kHz.
    pub fn from_samples(samples: Vec<i16>) -> Self {
        Self {
            samples: samples.into(),
        }
    }

    /// A WAV file: PCM of 8 or 16 bit or G.711 mu-law, any rate, one or two channels; at most ten minutes.
    pub fn from_wav(file: &[u8]) -> Result<Self, WavError> {
        wav::read(file).map(Self::from_samples)
    }

    /// A text as syllables without language, the same for the same text: 60 ms a character, at least 500 ms; what
    /// comes after 4096 characters is not said.
    pub fn say(text: &str) -> Self {
        let mut out = Speaker::new().say(text);
        out.resize(out.len().max(samples(0.5)), 0);
        Self::from_samples(out)
    }

    /// The North American ringing tone: 440 and 480 Hz, 2 s on and 4 s off. One period; play it for ever.
    pub fn ringing() -> Self {
        let mut out: Vec<i16> = (0..samples(2.0))
            .map(|i| {
                let t = real(i) / real(RATE as usize);
                sample(0.12 * ((TAU * 440.0 * t).sin() + (TAU * 480.0 * t).sin()))
            })
            .collect();
        out.resize(samples(6.0), 0);
        Self::from_samples(out)
    }

    /// The carrier's own hold music: gentle, quiet, and no tune anybody owns. Play it for ever.
    pub fn music() -> Self {
        Self::from_samples(waltz())
    }

    /// One beep of half a second, as before a recording.
    pub fn beep() -> Self {
        let length = samples(0.5);
        Self::from_samples(
            (0..length)
                .map(|i| {
                    // 5 ms at each end, or it would click.
                    let edge = (real(i.min(length - 1 - i)) / 40.0).min(1.0);
                    sample(0.3 * edge * (TAU * 1_000.0 * real(i) / real(RATE as usize)).sin())
                })
                .collect(),
        )
    }

    /// Its samples.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// How many samples.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is nothing to play.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// How long it takes to play once.
    pub fn duration(&self) -> Duration {
        let length = u64::try_from(self.len()).unwrap_or(u64::MAX);
        Duration::from_micros(length.saturating_mul(1_000_000 / u64::from(RATE)))
    }
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clip({:?})", self.duration())
    }
}

/// The voice of announcements.
struct Speaker {
    throat: Throat,
    dice: Dice,
    swing: f32,
}

impl Speaker {
    const PITCH: f32 = 165.0;
    const LETTER: usize = 480;
    const LONGEST: usize = 4_096;

    fn new() -> Self {
        Self {
            throat: Throat::new(Self::PITCH, 1.05),
            dice: Dice(0),
            swing: 0.0,
        }
    }

    /// Vowels sing, other letters hiss or hum before they fall back to the vowel, and what is no letter is a pause.
    fn say(mut self, text: &str) -> Vec<i16> {
        let letters: Vec<char> = text.chars().take(Self::LONGEST).collect();
        let mut out = Vec::with_capacity(letters.len() * Self::LETTER);
        let mut vowel = 0;
        for (n, letter) in letters.iter().enumerate() {
            let letter = letter.to_lowercase().next().unwrap_or(' ');
            // Every sentence falls a little, and begins high again.
            let pitch = Self::PITCH * (1.04 - 0.002 * real(n % 40));
            let (loud, hiss) = match letter {
                'a' | 'e' | 'i' | 'o' | 'u' | 'y' | '0'..='9' => {
                    vowel = u32::from(letter) as usize % 5;
                    (0.4, 0.0)
                }
                's' | 'f' | 'h' | 'x' | 'z' | 'c' => (0.04, 0.12),
                'p' | 't' | 'k' | 'b' | 'd' | 'g' | 'q' => (0.15, 0.05),
                _ if letter.is_alphabetic() => (0.25, 0.0),
                _ => (0.0, 0.0),
            };
            for i in 0..Self::LETTER {
                self.swing = (self.swing + pitch / real(RATE as usize)).fract();
                let edge = (real(i.min(Self::LETTER - 1 - i)) / 60.0).min(1.0);
                let voiced = loud * self.throat.at(vowel, self.swing);
                out.push(sample(
                    edge * (voiced + hiss * self.dice.between(-1.0, 1.0)),
                ));
            }
        }
        out
    }
}

/// Sixteen bars of three: a low note and two soft chords, and above them a few bells on five tones.
fn waltz() -> Vec<i16> {
    const BEAT: f32 = 0.5;
    const ROOTS: [i32; 8] = [-5, 0, -3, 2, -7, -2, 0, -5];
    const FIVE: [i32; 5] = [0, 2, 4, 7, 9];
    let hz = |semitones: i32| {
        // Exact: semitones are few.
        let up = f32::from(i16::try_from(semitones).unwrap_or(0)) / 12.0;
        233.1 * up.exp2()
    };
    let mut out = vec![0.0_f32; samples(BEAT * 48.0)];
    let mut strike = |beat: usize, hz: f32, loud: f32, rings: f32| {
        let from = samples(BEAT) * beat;
        let length = samples(rings * 3.0);
        for i in 0..length {
            let t = real(i) / real(RATE as usize);
            let edge = (real(i) / 160.0).min(1.0) * (real(length - i) / 800.0).min(1.0);
            let wave = (TAU * hz * t).sin() + 0.2 * (TAU * 3.0 * hz * t).sin();
            // What rings on past the end is heard at the beginning again: it plays in a circle.
            let place = (from + i) % out.len();
            out[place] += loud * edge * (-t / rings).exp() * wave;
        }
    };
    let mut dice = Dice(3);
    for bar in 0..16 {
        let root = ROOTS[bar % 8];
        strike(bar * 3, hz(root - 12), 0.1, 0.5);
        for beat in 1..3 {
            for third in [4, 7] {
                strike(bar * 3 + beat, hz(root + third), 0.035, 0.3);
            }
        }
        strike(bar * 3, hz(12 + FIVE[dice.pick(5)]), 0.07, 0.6);
        if bar % 2 == 1 {
            strike(bar * 3 + 2, hz(12 + FIVE[dice.pick(5)]), 0.05, 0.6);
        }
    }
    out.into_iter().map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Sound;
    use crate::pcm::rms;

    #[test]
    fn a_text_takes_sixty_milliseconds_a_character() {
        for (text, ms) in [
            ("", 500),
            ("Hi.", 500),
            ("Please hold the line.", 1_260),
            ("Grüße, 你好", 540),
            (&"a".repeat(5_000), 245_760),
        ] {
            assert_eq!(
                Clip::say(text).duration(),
                Duration::from_millis(ms),
                "{text:.20}"
            );
        }
        assert_eq!(Clip::say("good day"), Clip::say("good day"));
        assert_ne!(Clip::say("good day"), Clip::say("bad night"));
        assert!(rms(Clip::say("good day").samples()) > 0.03);
    }

    #[test]
    fn ringing_is_two_seconds_of_two_tones_and_four_of_nothing() {
        let ringing = Clip::ringing();
        assert_eq!(ringing.duration(), Duration::from_secs(6));
        let mut hz: Vec<f32> = Sound::of(&ringing.samples()[..8_000])
            .tones
            .iter()
            .map(|t| t.hz)
            .collect();
        hz.sort_by(f32::total_cmp);
        assert!(
            hz.len() == 2 && (hz[0] - 440.0).abs() < 1.0 && (hz[1] - 480.0).abs() < 1.0,
            "{hz:?}"
        );
        assert!(ringing.samples()[16_000..].iter().all(|s| *s == 0));
    }

    #[test]
    fn music_is_quiet_all_the_way_and_never_clips() {
        let music = Clip::music();
        assert_eq!(music.duration(), Duration::from_secs(24));
        for (n, second) in music.samples().chunks(8_000).enumerate() {
            let loud = rms(second);
            assert!((0.01..0.2).contains(&loud), "second {n}: {loud}");
        }
        assert!(music.samples().iter().all(|s| s.unsigned_abs() < 20_000));
        let beep = Sound::of(Clip::beep().samples());
        assert!((beep.tones[0].hz - 1_000.0).abs() < 2.0, "{beep:?}");
    }
}
