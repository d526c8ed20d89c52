//! What one party hears: the sum of the voices and clips in its mix.

use std::sync::Arc;

use crate::Clip;
use crate::pcm::{FRAME, Frame, SILENCE, clip};
use crate::stage::Playing;

/// What a party says in a frame.
#[derive(Clone, Copy)]
pub(crate) struct Said {
    pub(crate) frame: Frame,
    pub(crate) loudness: Loudness,
}

#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) enum Loudness {
    /// All zero: need not be added.
    Nothing,
    /// Too quiet to be noticed.
    Quiet,
    /// Anybody would notice.
    Audible,
}

impl Said {
    pub(crate) const NOTHING: Self = Self {
        frame: SILENCE,
        loudness: Loudness::Nothing,
    };

    pub(crate) fn new(frame: &Frame) -> Self {
        // -44 dB of full scale, compared as sums of squares.
        const AUDIBLE: i64 = 200 * 200 * 160;
        let power: i64 = frame.iter().map(|s| i64::from(*s) * i64::from(*s)).sum();
        let loudness = match power {
            0 => Loudness::Nothing,
            1..AUDIBLE => Loudness::Quiet,
            _ => Loudness::Audible,
        };
        Self {
            frame: *frame,
            loudness,
        }
    }
}

#[derive(Default)]
pub(crate) struct Ear {
    pub(crate) people: Vec<Seat>,
    playing: Vec<Track>,
}

/// A speaker in a mix, by index: names are looked up when the mix is set, not in every frame.
pub(crate) struct Seat {
    pub(crate) who: usize,
    /// That this speaker is heard has been told.
    pub(crate) told: bool,
}

struct Track {
    id: u64,
    clip: Arc<Clip>,
    at: usize,
    /// How often it still begins, counting the one that plays; `None` is for ever.
    left: Option<u32>,
}

impl Ear {
    pub(crate) fn is_empty(&self) -> bool {
        self.people.is_empty() && self.playing.is_empty()
    }

    /// Another mix: `people` without the listener itself and without doubles.
    pub(crate) fn set(&mut self, people: &[usize], playing: Vec<Playing>) {
        let told = |who| self.people.iter().any(|s| s.who == who && s.told);
        self.people = people
            .iter()
            .map(|who| Seat {
                who: *who,
                told: told(*who),
            })
            .collect();
        let mut before = std::mem::take(&mut self.playing);
        for new in playing {
            if self.playing.iter().any(|t| t.id == new.id) {
                continue;
            }
            let same = before.iter().position(|t| t.id == new.id);
            self.playing.push(match same {
                Some(index) => before.swap_remove(index),
                None => Track::new(new),
            });
        }
    }

    /// The next 20 ms; every track goes on by as much, heard or not.
    pub(crate) fn hear(&mut self, said: &[Said]) -> Frame {
        let mut sum = [0_i32; FRAME];
        let mut silent = true;
        for seat in &self.people {
            if let Some(said) = said.get(seat.who)
                && said.loudness > Loudness::Nothing
            {
                silent = false;
                add(&mut sum, said.frame.iter());
            }
        }
        for track in &mut self.playing {
            silent &= !track.play(&mut sum);
        }
        if silent { SILENCE } else { sum.map(clip) }
    }
}

impl Track {
    fn new(playing: Playing) -> Self {
        let left = match playing.times {
            // It would begin again for ever within one frame.
            _ if playing.clip.is_empty() => Some(0),
            0 => None,
            times => Some(times),
        };
        Self {
            id: playing.id,
            clip: playing.clip,
            at: 0,
            left,
        }
    }

    /// Whether there was anything to play. A finished track stays: its id must not begin again.
    fn play(&mut self, sum: &mut [i32; FRAME]) -> bool {
        let mut done = 0;
        while done < FRAME && self.left != Some(0) {
            let rest = &self.clip.samples()[self.at..];
            let count = rest.len().min(FRAME - done);
            add(&mut sum[done..], rest[..count].iter());
            done += count;
            self.at += count;
            if self.at == self.clip.len() {
                self.at = 0;
                self.left = self.left.map(|l| l - 1);
            }
        }
        done > 0
    }
}

fn add<'a>(sum: &mut [i32], samples: impl Iterator<Item = &'a i16>) {
    for (sum, sample) in sum.iter_mut().zip(samples) {
        // Sixty-five thousand voices fit; checking each sample would cost more than adding it.
        *sum = sum.wrapping_add(i32::from(*sample));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn playing(id: u64, samples: &[i16], times: u32) -> Playing {
        Playing {
            id,
            clip: Arc::new(Clip::from_samples(samples.to_vec())),
            times,
        }
    }

    #[test]
    fn a_clip_plays_as_often_as_it_was_told_and_crosses_frames() {
        let mut ear = Ear::default();
        let clip: Vec<i16> = (1..=100).collect();
        ear.set(&[], vec![playing(1, &clip, 2)]);
        let heard: Vec<i16> = (0..3).flat_map(|_| ear.hear(&[])).collect();
        let expected: Vec<i16> = clip.iter().chain(&clip).copied().collect();
        assert_eq!(heard[..200], expected);
        assert!(heard[200..].iter().all(|s| *s == 0));
    }

    #[test]
    fn a_known_id_plays_on_and_a_new_one_begins() {
        let mut ear = Ear::default();
        let clip: Vec<i16> = (0..1_000).collect();
        ear.set(&[], vec![playing(1, &clip, 0)]);
        ear.hear(&[]);
        ear.set(&[], vec![playing(1, &clip, 0)]);
        assert_eq!(ear.hear(&[])[0], 160);
        ear.set(&[], vec![playing(2, &clip, 0)]);
        assert_eq!(ear.hear(&[])[1], 1);
        // What has ended stays so while its id is in the mix.
        ear.set(&[], vec![playing(3, &[7; 160], 1)]);
        assert_eq!(ear.hear(&[]), [7; 160]);
        ear.set(&[], vec![playing(3, &[7; 160], 1)]);
        assert_eq!(ear.hear(&[]), SILENCE);
    }

    #[test]
    fn an_empty_clip_ends_at_once_even_if_it_plays_for_ever() {
        let mut ear = Ear::default();
        ear.set(&[], vec![playing(1, &[], 0), playing(2, &[5; 160], 0)]);
        assert_eq!(ear.hear(&[]), [5; 160]);
    }

    proptest! {
        #[test]
        fn what_is_heard_is_exactly_the_mix(
            voices in prop::collection::vec(prop::array::uniform4(any::<i16>()), 1..12),
            mix in prop::collection::btree_set(0..12_usize, 0..12),
            music: Vec<i16>,
        ) {
            let said: Vec<Said> = voices
                .iter()
                .map(|v| Said::new(&std::array::from_fn(|i| v[i % 4])))
                .collect();
            let people: Vec<usize> = mix.into_iter().collect();
            let mut ear = Ear::default();
            ear.set(&people, vec![playing(9, &music, 1)]);
            let heard = ear.hear(&said);
            for (i, heard) in heard.iter().enumerate() {
                let voices: i64 = people
                    .iter()
                    .filter_map(|w| voices.get(*w))
                    .map(|v| i64::from(v[i % 4]))
                    .sum();
                let sum = voices + music.get(i).map_or(0, |m| i64::from(*m));
                let clamped = sum.clamp(i64::from(i16::MIN), i64::from(i16::MAX));
                prop_assert_eq!(i64::from(*heard), clamped);
            }
        }
    }
}
