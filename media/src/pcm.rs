//! Samples and frames: the units of everything here, and the few conversions that may lose precision, so that each
//! is written, and excused, once.

/// Samples a second, everywhere in this crate.
pub const RATE: u32 = 8_000;

/// Samples of a frame of 20 ms.
pub(crate) const FRAME: usize = 160;

/// 20 ms of sound.
pub(crate) type Frame = [i16; FRAME];

/// 20 ms of nothing.
pub(crate) const SILENCE: Frame = [0; FRAME];

/// How many samples a while takes.
pub(crate) fn samples(seconds: f32) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates: nothing is negative, infinity is the largest, NaN is 0"
    )]
    let whole = (seconds * 8_000.0).round() as usize;
    whole
}

/// A count as a number to calculate with.
pub(crate) fn real(count: usize) -> f32 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of a few seconds of samples: exact below 2^24"
    )]
    let real = count as f32;
    real
}

/// ±1 to a sample; louder is clipped.
pub(crate) fn sample(loudness: f32) -> i16 {
    #[expect(clippy::cast_possible_truncation, reason = "`as` saturates; NaN is 0")]
    let sample = (loudness * 32_767.0).round() as i16;
    sample
}

/// A sum of samples to a sample; louder is clipped.
pub(crate) fn clip(sum: i32) -> i16 {
    #[expect(clippy::cast_possible_truncation, reason = "clamped to the range")]
    let sample = sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
    sample
}

/// Root mean square, 0 to 1.
pub(crate) fn rms(samples: &[i16]) -> f32 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: f64 = samples.iter().map(|s| f64::from(*s).powi(2)).sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a mean of at most ten seconds, told with three digits"
    )]
    let rms = ((sum / samples.len() as f64).sqrt() / 32_768.0) as f32;
    rms
}

/// The last ten seconds of something.
pub(crate) struct Ring {
    samples: Box<[i16]>,
    /// Where the next frame goes.
    end: usize,
    /// How many samples there have been, at most the ring's length.
    filled: usize,
}

impl Ring {
    pub(crate) const SECONDS: usize = 10;

    pub(crate) fn new() -> Self {
        Self {
            samples: vec![0; Self::SECONDS * RATE as usize].into(),
            end: 0,
            filled: 0,
        }
    }

    pub(crate) fn push(&mut self, frame: &Frame) {
        // The ring's length is a whole number of frames.
        self.samples[self.end..self.end + FRAME].copy_from_slice(frame);
        self.end = (self.end + FRAME) % self.samples.len();
        self.filled = (self.filled + FRAME).min(self.samples.len());
    }

    /// The newest `count` samples, or as many as there are.
    pub(crate) fn last(&self, count: usize) -> Vec<i16> {
        let count = count.min(self.filled);
        let mut out = Vec::with_capacity(count);
        if count > self.end {
            out.extend(&self.samples[self.samples.len() - (count - self.end)..]);
        }
        out.extend(&self.samples[self.end - count.min(self.end)..self.end]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_keeps_the_newest_ten_seconds() {
        let mut ring = Ring::new();
        assert_eq!(ring.last(1000), Vec::<i16>::new());
        for n in 0..501 {
            ring.push(&[n; FRAME]);
        }
        let all = ring.last(usize::MAX);
        assert_eq!(all.len(), 80_000);
        assert_eq!((all[0], all[79_999]), (1, 500));
        assert_eq!(ring.last(161).first(), Some(&499));
        assert_eq!(ring.last(320), [[499; FRAME], [500; FRAME]].concat());
    }

    #[test]
    fn loud_sums_are_clipped_and_not_wrapped() {
        assert_eq!(
            (clip(70_000), clip(-70_000), clip(5)),
            (i16::MAX, i16::MIN, 5)
        );
        assert_eq!((sample(2.0), sample(-2.0)), (i16::MAX, i16::MIN));
        assert_eq!(sample(f32::NAN), 0);
    }
}
