//! A browser's sound on its way to the mix: packets come when they come, frames leave every 20 ms.
//!
//! Samples are put where their RTP timestamp says and leave in that order, so that reordered and doubled packets need
//! no care. A frame that has not come is made up: the last one again, fading. If nothing at all is there, playing
//! waits, which makes the delay longer by what was missing; when more than needed has been there for a second, a frame
//! is left out. So the delay follows the network, between nothing and 100 ms.
//!
//! A queue of packets was not chosen: it must sort, compare and count, where this writes and reads.

use crate::g711;
use crate::pcm::{FRAME, Frame, SILENCE, real};

/// Samples that are there before playing begins: 40 ms, and what comes in the frame.
const BEGIN: u64 = 3 * FRAME as u64;
/// More than this is left out at once: 100 ms.
const TOO_MUCH: u64 = 5 * FRAME as u64;
/// If never less than this waited for a whole second, a frame is left out.
const ENOUGH: u64 = 3 * FRAME as u64;
/// Frames to look at before that is said.
const WATCH: u32 = 50;
/// Room for one second: no honest sender is further ahead.
const ROOM: usize = 8_192;
/// Frames in a row with nothing to play, after which the next packet begins anew.
const STARVED: u32 = 10;
/// Made-up frames after which there is silence.
const FADED: usize = 4;
/// The longest packet, in bytes or samples; 20 ms are usual.
const LONGEST: u64 = 2_000;
/// A timestamp this far from the last is another stream's, not a late or an early packet: 2 s.
const JUMP: i32 = 16_000;

pub(crate) struct Jitter {
    samples: Box<[i16]>,
    known: Box<[bool]>,
    /// The last timestamp, and what it means on the line that never wraps.
    newest: Option<(u32, u64)>,
    /// Where playing is; `None` before it began.
    at: Option<u64>,
    /// Where the first of what waits begins, until playing does.
    first: u64,
    /// The end of what has come.
    end: u64,
    /// The frame that is repeated when one is missing.
    last: Frame,
    starved: u32,
    /// Frames that were made up since the last whole one.
    missing: usize,
    least: u64,
    watched: u32,
    pub(crate) concealed: u64,
}

impl Jitter {
    pub(crate) fn new() -> Self {
        Self {
            samples: vec![0; ROOM].into(),
            known: vec![false; ROOM].into(),
            newest: None,
            at: None,
            first: 0,
            end: 0,
            last: SILENCE,
            starved: 0,
            missing: FADED,
            least: u64::MAX,
            watched: 0,
            concealed: 0,
        }
    }

    /// How many samples wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.end.saturating_sub(self.at.unwrap_or(self.first))
    }

    /// A packet of mu-law bytes with its RTP timestamp.
    pub(crate) fn put(&mut self, timestamp: u32, payload: &[u8]) {
        let length = payload.len() as u64;
        if payload.is_empty() || length > LONGEST {
            return;
        }
        let mut begins = self.place(timestamp);
        let base = self.at.unwrap_or(self.first);
        if begins + length > base + ROOM as u64 {
            // Far ahead of all that waits: what lies between will never come.
            begins = self.anew(timestamp);
        } else if begins + (ROOM as u64) / 2 < self.end {
            return;
        }
        for (position, byte) in (begins..).zip(payload) {
            if self.at.is_none_or(|at| position >= at) {
                let index = index(position);
                self.samples[index] = g711::decode(*byte);
                self.known[index] = true;
            }
        }
        self.end = self.end.max(begins + length);
        if self.at.is_none() {
            self.first = self.first.min(begins);
            self.trim();
        }
    }

    /// Where a timestamp is on the line that never wraps. Another stream begins the line anew.
    fn place(&mut self, timestamp: u32) -> u64 {
        if let Some((last, place)) = self.newest {
            let step = timestamp.wrapping_sub(last).cast_signed();
            if step.abs() < JUMP
                && let Some(begins) = place.checked_add_signed(i64::from(step))
            {
                if step > 0 {
                    self.newest = Some((timestamp, begins));
                }
                return begins;
            }
        }
        self.anew(timestamp)
    }

    /// Begins the line with this timestamp, far enough from zero that what was sent before it has a place, too.
    fn anew(&mut self, timestamp: u32) -> u64 {
        const BEGINS: u64 = 1 << 32;
        self.forget();
        self.newest = Some((timestamp, BEGINS));
        self.first = BEGINS;
        self.end = BEGINS;
        BEGINS
    }

    /// Before playing begins nothing leaves: only the newest 100 ms are worth keeping.
    fn trim(&mut self) {
        let oldest = self.end.saturating_sub(TOO_MUCH);
        if self.first < oldest {
            for position in self.first..oldest {
                self.known[index(position)] = false;
            }
            self.first = oldest;
        }
    }

    fn forget(&mut self) {
        self.known.fill(false);
        self.newest = None;
        self.at = None;
        self.first = 0;
        self.end = 0;
        self.starved = 0;
        self.least = u64::MAX;
        self.watched = 0;
    }

    /// The next 20 ms.
    pub(crate) fn pull(&mut self) -> Frame {
        let Some(at) = self.at else {
            if self.waiting() >= BEGIN {
                self.at = Some(self.first);
                return self.pull();
            }
            return self.conceal();
        };
        if self.end < at + FRAME as u64 {
            // Nothing has come: wait where we are, and begin anew if it lasts.
            self.starved += 1;
            self.least = 0;
            if self.starved >= STARVED {
                self.forget();
            }
            return self.conceal();
        }
        self.starved = 0;
        let mut frame = self.take(at);
        if self.waiting() > TOO_MUCH || self.too_long() {
            let next = self.take(at + FRAME as u64);
            frame = blend(&frame, &next);
        }
        frame
    }

    /// The frame that begins at `at`, which is played with this.
    fn take(&mut self, at: u64) -> Frame {
        let mut frame = SILENCE;
        let mut whole = true;
        for (position, sample) in (at..).zip(&mut frame) {
            let index = index(position);
            if std::mem::take(&mut self.known[index]) {
                *sample = self.samples[index];
            } else {
                whole = false;
            }
        }
        self.at = Some(at + FRAME as u64);
        if whole {
            self.last = frame;
            self.missing = 0;
            return frame;
        }
        self.conceal()
    }

    /// The last frame again, quieter each time and silent after 80 ms.
    fn conceal(&mut self) -> Frame {
        if self.at.is_some() {
            self.concealed += 1;
        }
        if self.missing >= FADED {
            return SILENCE;
        }
        let from = 1.0 - real(self.missing) / real(FADED);
        self.missing += 1;
        let mut frame = self.last;
        for (i, sample) in frame.iter_mut().enumerate() {
            let gain = (from - real(i) / real(FADED * FRAME)).max(0.0);
            *sample = crate::pcm::sample(f32::from(*sample) / 32_767.0 * gain);
        }
        frame
    }

    /// Whether more than enough waited for as long as we watch.
    fn too_long(&mut self) -> bool {
        self.least = self.least.min(self.waiting());
        self.watched += 1;
        if self.watched < WATCH {
            return false;
        }
        let too_long = self.least > ENOUGH;
        self.watched = 0;
        self.least = u64::MAX;
        too_long
    }
}

fn index(position: u64) -> usize {
    // A remainder by a small number fits.
    usize::try_from(position % ROOM as u64).unwrap_or(0)
}

/// Two frames in the time of one, the first fading into the second, so that the cut is not heard.
fn blend(first: &Frame, second: &Frame) -> Frame {
    let mut out = SILENCE;
    for (i, sample) in out.iter_mut().enumerate() {
        let gain = real(i) / real(FRAME);
        let mixed = f32::from(first[i]) * (1.0 - gain) + f32::from(second[i]) * gain;
        *sample = crate::pcm::sample(mixed / 32_767.0);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The sound of the nth packet, which is one of 120: all are different, and none is silence.
    fn packet(n: u32) -> [u8; FRAME] {
        [byte(n); FRAME]
    }

    fn byte(n: u32) -> u8 {
        u8::try_from(n % 120).unwrap()
    }

    fn sound(n: u32) -> Frame {
        [g711::decode(byte(n)); FRAME]
    }

    /// Whether a frame is this packet's sound, whole.
    fn is(frame: &Frame, n: u32) -> bool {
        let sample = g711::decode(byte(n));
        frame.iter().all(|s| *s == sample)
    }

    /// Which packets were played whole, in the order they were.
    fn played(frames: &[Frame], packets: u32) -> Vec<u32> {
        let mut from = 0;
        frames
            .iter()
            .filter_map(|frame| {
                let n = (from..packets).find(|n| is(frame, *n))?;
                from = n + 1;
                Some(n)
            })
            .collect()
    }

    /// How many frames are some packet's sound.
    fn whole(frames: &[Frame], packets: u32) -> usize {
        let is_one = |frame: &&Frame| (0..packets).any(|n| is(frame, n));
        frames.iter().filter(is_one).count()
    }

    /// Anywhere, and often just before the clock begins again at zero.
    fn start() -> impl Strategy<Value = u32> {
        prop_oneof![any::<u32>(), u32::MAX - 9_000..=u32::MAX]
    }

    fn step(n: u32) -> u32 {
        n.wrapping_mul(160)
    }

    #[test]
    fn an_even_stream_is_played_whole_after_60_ms() {
        let mut jitter = Jitter::new();
        let mut frames = Vec::new();
        for n in 0..100 {
            jitter.put(step(n), &packet(n));
            frames.push(jitter.pull());
        }
        assert_eq!(frames[..2], [SILENCE; 2]);
        let expected: Vec<Frame> = (0..98).map(sound).collect();
        assert_eq!(frames[2..], expected);
        assert_eq!(jitter.concealed, 0);
    }

    #[test]
    fn what_is_lost_fades_and_what_never_ends_falls_silent() {
        let mut jitter = Jitter::new();
        for n in 0..10 {
            jitter.put(step(n), &[g711::encode(8_000); FRAME]);
            jitter.pull();
        }
        let rest: Vec<f32> = (0..20).map(|_| crate::pcm::rms(&jitter.pull())).collect();
        assert!(rest[1] > 0.2, "{rest:?}");
        assert!(rest.is_sorted_by(|a, b| a >= b), "{rest:?}");
        assert!(rest[8..].iter().all(|r| *r == 0.0), "{rest:?}");
        // And the next stream, wherever its clock stands, begins as the first did.
        for n in 0..3 {
            jitter.put(777_777 + step(n), &packet(n));
        }
        assert_eq!(jitter.pull(), sound(0));
    }

    #[test]
    fn a_delay_that_nobody_needs_is_taken_back() {
        let mut jitter = Jitter::new();
        let mut n = 0;
        let mut put = |jitter: &mut Jitter, count| {
            for _ in 0..count {
                jitter.put(step(n), &packet(n));
                n += 1;
            }
        };
        put(&mut jitter, 3);
        for _ in 0..50 {
            jitter.pull();
            put(&mut jitter, 1);
        }
        // 200 ms of a stalled sender, then all at once.
        for _ in 0..9 {
            jitter.pull();
        }
        put(&mut jitter, 10);
        for _ in 0..200 {
            jitter.pull();
            put(&mut jitter, 1);
            assert!(
                jitter.waiting() <= TOO_MUCH + 8 * FRAME as u64,
                "{}",
                jitter.waiting()
            );
        }
        assert!(jitter.waiting() <= TOO_MUCH, "{}", jitter.waiting());
        assert!(jitter.concealed < 20, "{}", jitter.concealed);
    }

    proptest! {
        #[test]
        fn reordered_and_doubled_packets_are_played_once_in_order(
            start in start(),
            late in prop::collection::vec(0..25_u32, 60),
            doubles in prop::collection::vec(any::<bool>(), 60),
        ) {
            // Each packet comes after at most two that were sent after it: as late as the delay allows.
            let mut order: Vec<u32> = (0..60).collect();
            order.sort_by_key(|n| 10 * n + if *n < 3 { 0 } else { late[*n as usize] });
            let mut jitter = Jitter::new();
            let mut frames = Vec::new();
            for (n, twice) in order.iter().zip(&doubles) {
                for _ in 0..=u8::from(*twice) {
                    jitter.put(start.wrapping_add(step(*n)), &packet(*n));
                }
                frames.push(jitter.pull());
            }
            let seen = played(&frames, 60);
            prop_assert!(seen.len() >= 56, "{seen:?}");
            prop_assert_eq!(whole(&frames, 60), seen.len());
        }

        #[test]
        fn losses_cost_what_was_lost_and_no_more(
            start in start(),
            lost in prop::collection::vec(prop::bool::weighted(0.2), 120),
        ) {
            let mut jitter = Jitter::new();
            let mut frames = Vec::new();
            for (n, lost) in (0..).zip(&lost) {
                if n < 3 || !*lost {
                    jitter.put(start.wrapping_add(step(n)), &packet(n));
                }
                frames.push(jitter.pull());
            }
            let seen = played(&frames, 120);
            let came = (0_u32..).zip(&lost).filter(|(n, l)| *n < 3 || !**l).count();
            prop_assert!(seen.len() + 12 >= came, "{} of {came} played: {seen:?}", seen.len());
            prop_assert_eq!(whole(&frames, 120), seen.len());
        }

        #[test]
        fn nothing_that_comes_can_break_it(
            packets in prop::collection::vec((any::<u32>(), 0..3_000_usize, 0..4_u8), 0..200),
        ) {
            let mut jitter = Jitter::new();
            let mut timestamp = 0_u32;
            for (jump, length, kind) in packets {
                timestamp = match kind {
                    0 => jump,
                    1 => timestamp.wrapping_add(jump % 20_000),
                    2 => timestamp.wrapping_sub(jump % 20_000),
                    _ => timestamp.wrapping_add(160),
                };
                jitter.put(timestamp, &vec![0x55; length]);
                prop_assert!(jitter.waiting() <= ROOM as u64);
                jitter.pull();
            }
        }
    }
}
