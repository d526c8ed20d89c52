//! The tones of a keypad, as a telephone makes them (ITU-T Q.23), and the keys that a browser sends as events instead
//! (RFC 4733).

use std::collections::VecDeque;
use std::f32::consts::TAU;

use crate::pcm::{FRAME, Frame, RATE, SILENCE, real, sample};

/// Keys that may wait to be pressed.
const WAITING: usize = 256;

const LOW: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f32; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: [&str; 4] = ["123A", "456B", "789C", "*0#D"];

/// The two frequencies of a key.
fn frequencies(key: char) -> Option<(f32, f32)> {
    KEYS.iter()
        .zip(LOW)
        .find_map(|(row, low)| Some((low, HIGH[row.find(key)?])))
}

/// The key of an event's code (RFC 4733, 3.2).
pub(crate) fn key_of(event: u8) -> Option<char> {
    const EVENTS: &[u8; 16] = b"0123456789*#ABCD";
    EVENTS.get(usize::from(event)).copied().map(char::from)
}

/// Keys on their way out, in frames: five of tone and five of silence a key.
#[derive(Default)]
pub(crate) struct Keypad {
    /// `w` is a pause.
    keys: VecDeque<char>,
    /// Frames of the first key that are done.
    done: usize,
}

impl Keypad {
    const TONE: usize = 5;
    const KEY: usize = 10;
    const PAUSE: usize = 25;

    pub(crate) fn press(&mut self, keys: &str) {
        for key in keys.chars().map(|k| k.to_ascii_uppercase()) {
            let known = key == 'W' || frequencies(key).is_some();
            if known && self.keys.len() < WAITING {
                self.keys.push_back(key);
            }
        }
    }

    /// The next 20 ms, if keys are being pressed.
    pub(crate) fn frame(&mut self) -> Option<Frame> {
        let key = *self.keys.front()?;
        let (mut frame, length) = (SILENCE, if key == 'W' { Self::PAUSE } else { Self::KEY });
        if let Some((low, high)) = frequencies(key)
            && self.done < Self::TONE
        {
            for (i, out) in frame.iter_mut().enumerate() {
                let t = real(self.done * FRAME + i) / real(RATE as usize);
                *out = sample(0.25 * (TAU * low * t).sin() + 0.25 * (TAU * high * t).sin());
            }
        }
        self.done += 1;
        if self.done >= length {
            self.done = 0;
            self.keys.pop_front();
        }
        Some(frame)
    }
}

/// Tells a new key from the repeated packets of one: all packets of a key carry the timestamp of its beginning.
#[derive(Default)]
pub(crate) struct Events {
    /// The newest few: a packet of the key before may come late.
    told: VecDeque<u32>,
}

impl Events {
    /// The key, if this packet is the first of it.
    pub(crate) fn key(&mut self, timestamp: u32, payload: &[u8]) -> Option<char> {
        let [event, _, _, _, ..] = payload else {
            return None;
        };
        let key = key_of(*event)?;
        if self.told.contains(&timestamp) {
            return None;
        }
        if self.told.len() == 4 {
            self.told.pop_front();
        }
        self.told.push_back(timestamp);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spectrum;

    #[test]
    fn a_key_is_two_tones_of_100_ms_and_a_gap() {
        let mut pad = Keypad::default();
        pad.press("5?w#");
        let frames: Vec<Frame> = std::iter::from_fn(|| pad.frame()).collect();
        assert_eq!(frames.len(), 10 + 25 + 10);
        assert!(frames[5..35].iter().all(|f| *f == SILENCE));
        for (at, tones) in [(0, [770.0, 1336.0]), (35, [941.0, 1477.0])] {
            let mut found: Vec<f32> = spectrum::peaks(&frames[at..at + 5].concat())
                .iter()
                .take(2)
                .map(|t| t.hz)
                .collect();
            found.sort_by(f32::total_cmp);
            assert!(
                found.iter().zip(tones).all(|(a, b)| (a - b).abs() < 6.0) && found.len() == 2,
                "{found:?} is not {tones:?}"
            );
        }
    }

    #[test]
    fn a_flood_of_keys_is_bounded() {
        let mut pad = Keypad::default();
        pad.press(&"1".repeat(10_000));
        assert_eq!(pad.keys.len(), WAITING);
    }

    #[test]
    fn one_key_is_told_once_and_the_same_key_again_is_another() {
        let mut events = Events::default();
        let five = [5, 10, 0, 160];
        let told: Vec<Option<char>> = [800, 800, 800, 2_640, 2_640, 800]
            .iter()
            .map(|at| events.key(*at, &five))
            .collect();
        assert_eq!(told, [Some('5'), None, None, Some('5'), None, None]);
        assert_eq!(events.key(9_000, &[10, 0x8a, 0, 160]), Some('*'));
        assert_eq!(
            events.key(9_160, &[16, 0, 0, 0]),
            None,
            "a hook flash is no key"
        );
        assert_eq!(events.key(9_320, &[5, 0]), None, "cut off");
    }
}
