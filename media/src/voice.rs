//! What telephones say: speech-like babble, test tones, nothing.
//!
//! A voice is made as it is needed, a frame at a time, out of tables that its maker fills before the media thread gets
//! it. The same voice always says the same. Next: `throat`, which makes it sound like somebody.

use std::f32::consts::TAU;

use crate::pcm::{FRAME, Frame, RATE, SILENCE, real, sample, samples};
use crate::throat::{Dice, Throat, fraction};

/// What a telephone says when it is not pressing keys.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Voice {
    /// Speech-like babble, recognisable by ear: pitch, timbre and rhythm come from the seed; it pauses as people do.
    /// The same seed says the same.
    Babble {
        /// Whose voice.
        seed: u64,
    },
    /// One tone, its loudness wavering a little: easy to find in a spectrum, and not so steady that it is taken for
    /// a fault.
    Tone {
        /// Its frequency in Hz; clamped to 20 ..= 3900.
        hz: f32,
    },
    /// Nothing.
    Silent,
}

impl Voice {
    /// The fundamental in Hz, which is its strongest tone; `None` if silent. A babble wavers by 3 % around it.
    pub fn pitch(&self) -> Option<f32> {
        match *self {
            // The golden ratio spreads neighbouring seeds as far apart as they go; 90 to 260 Hz.
            Self::Babble { seed } => {
                let spread = fraction(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
                Some(90.0 * (260.0_f32 / 90.0).powf(spread))
            }
            Self::Tone { hz } if hz.is_nan() => Some(440.0),
            Self::Tone { hz } => Some(hz.clamp(20.0, 3_900.0)),
            Self::Silent => None,
        }
    }
}

/// A voice that is speaking.
pub(crate) enum Speech {
    Babble(Box<Babble>),
    Tone { hz: f32, swing: f32, waver: f32 },
    Silent,
}

impl Speech {
    /// Costs a few milliseconds: not for the media thread.
    pub(crate) fn new(voice: Voice) -> Self {
        match (voice, voice.pitch()) {
            (Voice::Babble { seed }, Some(pitch)) => {
                Self::Babble(Box::new(Babble::new(seed, pitch)))
            }
            (Voice::Tone { .. }, Some(hz)) => Self::Tone {
                hz,
                swing: 0.0,
                waver: 0.0,
            },
            _ => Self::Silent,
        }
    }

    /// The next 20 ms.
    pub(crate) fn frame(&mut self) -> Frame {
        match self {
            Self::Silent => SILENCE,
            Self::Babble(babble) => babble.frame(),
            Self::Tone { hz, swing, waver } => std::array::from_fn(|_| {
                let out = 0.3 * (1.0 + 0.2 * (TAU * *waver).sin()) * (TAU * *swing).sin();
                *swing = (*swing + *hz / real(RATE as usize)).fract();
                *waver = (*waver + 3.0 / real(RATE as usize)).fract();
                sample(out)
            }),
        }
    }
}

/// Syllables in phrases, with pauses between: about two thirds of the time there is something to hear.
pub(crate) struct Babble {
    throat: Throat,
    pitch: f32,
    /// Syllables a second, more or less.
    haste: f32,
    dice: Dice,
    swing: f32,
    syllable: Syllable,
    /// Syllables until the phrase ends.
    left: usize,
    phrase: usize,
}

struct Syllable {
    vowel: usize,
    pitch: f32,
    loud: f32,
    /// Samples of it: of noise before the vowel, of the vowel, and of silence after.
    hiss: usize,
    vowel_ends: usize,
    ends: usize,
    at: usize,
}

impl Babble {
    fn new(seed: u64, pitch: f32) -> Self {
        let mut dice = Dice(seed);
        // High voices have small throats, more or less.
        let size = 0.86 + 0.3 * (pitch - 90.0) / 170.0 + dice.between(-0.05, 0.05);
        Self {
            throat: Throat::new(pitch, size),
            pitch,
            haste: dice.between(4.0, 6.0),
            swing: 0.0,
            syllable: Syllable::pause(samples(dice.between(0.2, 0.5))),
            left: 0,
            phrase: 1,
            dice,
        }
    }

    fn frame(&mut self) -> Frame {
        std::array::from_fn(|_| self.sample())
    }

    fn sample(&mut self) -> i16 {
        if self.syllable.at >= self.syllable.ends {
            self.next();
        }
        let Syllable {
            vowel,
            pitch,
            loud,
            hiss,
            vowel_ends,
            at,
            ..
        } = self.syllable;
        self.syllable.at += 1;
        if at < hiss {
            return sample(0.06 * loud * self.dice.between(-1.0, 1.0));
        }
        if at >= vowel_ends {
            return 0;
        }
        self.swing = (self.swing + pitch / real(RATE as usize)).fract();
        // 15 ms to open the mouth, 50 ms to close it.
        let opens = (real(at - hiss) / 120.0).min(1.0);
        let closes = (real(vowel_ends - at) / 400.0).min(1.0);
        sample(0.4 * loud * opens * closes * self.throat.at(vowel, self.swing))
    }

    /// Another syllable; after the last of a phrase a breath, and then another phrase.
    fn next(&mut self) {
        let dice = &mut self.dice;
        if self.left == 0 {
            self.phrase = 4 + dice.pick(9);
            self.left = self.phrase;
            self.syllable = Syllable::pause(samples(dice.between(0.25, 1.3)));
            return;
        }
        self.left -= 1;
        // A phrase falls, as a statement does.
        let falls = 0.02 - 0.04 * (1.0 - real(self.left) / real(self.phrase));
        let hiss = if dice.pick(3) == 0 { samples(0.03) } else { 0 };
        let long = dice.between(0.7, 1.2) / self.haste;
        let vowel_ends = hiss + samples(long * 0.85);
        self.syllable = Syllable {
            vowel: dice.pick(5),
            pitch: self.pitch * (1.0 + falls + dice.between(-0.01, 0.01)),
            loud: dice.between(0.6, 1.0),
            hiss,
            vowel_ends,
            ends: vowel_ends + samples(long * 0.15),
            at: 0,
        };
    }
}

impl Syllable {
    fn pause(ends: usize) -> Self {
        Self {
            vowel: 0,
            pitch: 0.0,
            loud: 0.0,
            hiss: 0,
            vowel_ends: 0,
            // A pause of no length would never come to an end of itself.
            ends: ends.max(FRAME),
            at: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Sound;
    use crate::pcm::rms;

    fn speak(voice: Voice, seconds: usize) -> Vec<i16> {
        let mut speech = Speech::new(voice);
        (0..seconds * 50).flat_map(|_| speech.frame()).collect()
    }

    #[test]
    fn a_seed_always_says_the_same_and_another_says_something_else() {
        let said = speak(Voice::Babble { seed: 7 }, 3);
        assert_eq!(said, speak(Voice::Babble { seed: 7 }, 3));
        assert_ne!(said, speak(Voice::Babble { seed: 8 }, 3));
    }

    #[test]
    fn a_babble_is_known_by_its_pitch_and_pauses() {
        for seed in [0, 1, 2, 3, u64::MAX, 0xdead_beef] {
            let voice = Voice::Babble { seed };
            let pitch = voice.pitch().unwrap();
            let said = speak(voice, 30);
            let speaking = said.chunks(FRAME).filter(|f| rms(f) > 0.01).count();
            assert!(
                (700..1_350).contains(&speaking),
                "{seed}: {speaking} of 1500 frames"
            );
            assert!(rms(&said) > 0.03, "{seed}: {}", rms(&said));
            let right = said
                .chunks(8_000)
                .filter(|second| {
                    let sound = Sound::of(second);
                    sound
                        .tones
                        .first()
                        .is_some_and(|t| (t.hz / pitch - 1.0).abs() < 0.05)
                })
                .count();
            assert!(
                right >= 25,
                "{seed}: {right} of 30 seconds have {pitch} Hz on top"
            );
        }
    }

    #[test]
    fn neighbours_have_pitches_that_can_be_told_apart() {
        let mut pitches: Vec<f32> = (0..16)
            .filter_map(|seed| Voice::Babble { seed }.pitch())
            .collect();
        pitches.sort_by(f32::total_cmp);
        assert!(
            pitches.windows(2).all(|p| p[1] / p[0] > 1.03),
            "{pitches:?}"
        );
    }

    #[test]
    fn a_tone_is_where_it_says_whatever_was_asked() {
        for hz in [440.0, 2_000.0, f32::NAN, f32::INFINITY, -5.0] {
            let voice = Voice::Tone { hz };
            let sound = Sound::of(&speak(voice, 1));
            let found = sound.tones[0].hz;
            assert!(
                (found - voice.pitch().unwrap()).abs() < 1.5,
                "{hz}: {sound:?}"
            );
        }
        assert_eq!(Sound::of(&speak(Voice::Silent, 1)), Sound::default());
    }
}
