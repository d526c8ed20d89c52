//! skeleton

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
    /// The fundamental in Hz; `None` if silent. A babble wavers by about 3 % around it.
    pub fn pitch(&self) -> Option<f32> {
        match *self {
            Self::Babble { .. } => Some(150.0),
            Self::Tone { hz } => Some(hz),
            Self::Silent => None,
        }
    }
}
