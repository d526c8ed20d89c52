//! What a stage tells: events as they happen, and reports when asked.

/// What happened to a party, for whoever decides what that means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A browser's keypad, by RFC 4733: once a key, however often its packets were repeated. One of `0-9*#A-D`.
    Key {
        /// Who pressed it.
        party: String,
        /// The key.
        key: char,
    },
    /// ICE and DTLS are up: sound flows. Again after a [`Event::Lost`] from which a browser came back.
    Connected {
        /// Whose connection.
        party: String,
    },
    /// Nothing came from a browser for [`StageConfig::lost_after`](crate::StageConfig::lost_after), or its ICE or
    /// DTLS died. The party stays, silent, until [`Stage::gone`](crate::Stage::gone); it may come back by itself or
    /// with a new offer.
    Lost {
        /// Whose connection.
        party: String,
    },
    /// The first time that a listener heard audible sound from a speaker since the speaker was put into the
    /// listener's mix. A browser hears only while its connection is up.
    Heard {
        /// Who heard it.
        listener: String,
        /// Who was heard.
        speaker: String,
    },
}

/// What a party has said and heard lately, and how its connection is.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What the party said in the last second.
    pub said: Sound,
    /// What the party heard in the last second.
    pub heard: Sound,
    /// ICE and DTLS are up. A telephone always is.
    pub connected: bool,
    /// RTP packets from the browser; 0 for a telephone, as all that follow.
    pub packets_in: u64,
    /// RTP packets to the browser.
    pub packets_out: u64,
    /// Packets that the browser sent and that never came, by their sequence numbers.
    pub lost: u64,
    /// Interarrival jitter in milliseconds (RFC 3550, 6.4.1).
    pub jitter_ms: f32,
    /// How much of the browser's sound waits in the jitter buffer, in milliseconds.
    pub buffered_ms: f32,
    /// Frames (20 ms) that were made up because nothing had come.
    pub concealed: u64,
}

/// One second of sound, in numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sound {
    /// Root mean square, 0 (silence) to 1.
    pub rms: f32,
    /// The strongest spectral peaks, strongest first, at most three; none in silence.
    pub tones: Vec<Tone>,
}

/// A peak of the spectrum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// Its frequency in Hz, to about 1 Hz for a steady tone.
    pub hz: f32,
    /// Its amplitude, 0 to 1 of full scale.
    pub level: f32,
}
