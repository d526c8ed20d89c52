//! What makes a tone sound like somebody: a voice box and five vowels, as tables that are read at the voice's pitch.
//!
//! A table is one swing of the vocal cords, with the overtones that the vowel's formants let through. The fundamental
//! is always the strongest, stronger than in a real voice, so that a spectrum tells who speaks.

use std::f32::consts::TAU;

use crate::pcm::{RATE, real};

const POINTS: usize = 256;

/// The first three formants in Hz of a, e, i, o, u: rounded from what everybody measures.
const FORMANTS: [[f32; 3]; 5] = [
    [750.0, 1_100.0, 2_450.0],
    [500.0, 1_850.0, 2_500.0],
    [280.0, 2_250.0, 3_000.0],
    [550.0, 850.0, 2_400.0],
    [320.0, 800.0, 2_250.0],
];

pub(crate) struct Throat {
    vowels: [[f32; POINTS]; 5],
}

impl Throat {
    /// For a voice of this pitch in Hz; `size` scales the formants: a child's throat is above 1, a large man's below.
    pub(crate) fn new(pitch: f32, size: f32) -> Self {
        Self {
            vowels: FORMANTS.map(|formants| vowel(pitch, formants.map(|f| f * size))),
        }
    }

    /// The vowel (0 to 4) at a moment of the swing, 0 to 1; between -1 and 1.
    pub(crate) fn at(&self, vowel: usize, swing: f32) -> f32 {
        let table = &self.vowels[vowel % 5];
        let position = swing.fract() * real(POINTS);
        let part = position.fract();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates, and the remainder is in the table"
        )]
        let before = position as usize % POINTS;
        table[before] * (1.0 - part) + table[(before + 1) % POINTS] * part
    }
}

fn vowel(pitch: f32, formants: [f32; 3]) -> [f32; POINTS] {
    let mut table = [0.0_f32; POINTS];
    let highest = real(RATE as usize) * 0.43;
    for overtone in 1..=40 {
        let hz = pitch * real(overtone);
        if hz > highest {
            break;
        }
        let near = |formant: f32, width: f32| (-((hz - formant) / width).powi(2)).exp();
        let strength = if overtone == 1 {
            1.0
        } else {
            0.05 + 0.65 * near(formants[0], 160.0)
                + 0.4 * near(formants[1], 200.0)
                + 0.25 * near(formants[2], 260.0)
        };
        for (i, point) in table.iter_mut().enumerate() {
            // Overtones that begin together would all peak together: a rasp.
            let aside = real(overtone * overtone) * 0.13;
            *point += strength * (TAU * (real(overtone * i) / real(POINTS) + aside)).sin();
        }
    }
    let loudest = table.iter().fold(0.01_f32, |most, p| most.max(p.abs()));
    table.map(|p| p / loudest)
}

/// Dice that always fall the same for a seed (`SplitMix64`).
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// At least `from` and less than `to`.
    pub(crate) fn between(&mut self, from: f32, to: f32) -> f32 {
        from + (to - from) * fraction(self.roll())
    }

    /// 0 up to, and not including, `count`.
    pub(crate) fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.roll() >> 33).unwrap_or(0) % count.max(1)
    }
}

/// All of a number's range onto 0 to 1.
pub(crate) fn fraction(n: u64) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "24 bits, which fit exactly")]
    let fraction = (n >> 40) as f32 / (1_u64 << 24) as f32;
    fraction
}
