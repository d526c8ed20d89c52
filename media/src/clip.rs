//! skeleton

use std::time::Duration;

/// A recorded or synthesised sound: mono, 8 kHz, 16 bit. Share it in an `Arc`; playing copies nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Clip {
    samples: Box<[i16]>,
}

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

impl Clip {
    /// Mono samples at 8 kHz.
    pub fn from_samples(samples: Vec<i16>) -> Self {
        Self {
            samples: samples.into(),
        }
    }

    /// A WAV file: PCM of 8 or 16 bit or G.711 mu-law, any rate, one or two channels; at most ten minutes.
    pub fn from_wav(file: &[u8]) -> Result<Self, WavError> {
        let _ = file;
        Err(WavError::Malformed("skeleton"))
    }

    /// A text as syllables without language, the same for the same text: 60 ms a character, at least 500 ms; what
    /// comes after 4096 characters is not said.
    pub fn say(text: &str) -> Self {
        let _ = text;
        Self::from_samples(Vec::new())
    }

    /// The North American ringing tone: 440 and 480 Hz, 2 s on and 4 s off. One period; play it for ever.
    pub fn ringing() -> Self {
        Self::from_samples(Vec::new())
    }

    /// The carrier's own hold music: gentle, quiet, and no tune anybody owns. Play it for ever.
    pub fn music() -> Self {
        Self::from_samples(Vec::new())
    }

    /// One beep of half a second, as before a recording.
    pub fn beep() -> Self {
        Self::from_samples(Vec::new())
    }

    /// Its samples.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// How many samples.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there is nothing to hear.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// How long it takes to play once.
    pub fn duration(&self) -> Duration {
        Duration::from_micros(
            u64::try_from(self.len())
                .unwrap_or(u64::MAX)
                .saturating_mul(125),
        )
    }
}

impl std::fmt::Debug for Clip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clip({:?})", self.duration())
    }
}
