//! What callers hold: a handle whose methods become commands to the media thread.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::{Clip, Event, Report, Voice};

/// Where a stage listens, what it tells browsers, and its patience.
#[derive(Clone, Debug)]
pub struct StageConfig {
    /// The UDP address of everybody's sound; default 0.0.0.0 with a port that the system picks.
    pub bind: SocketAddr,
    /// The addresses that browsers are told; default (and if empty) 127.0.0.1 and the primary address of this
    /// machine, found without sending a packet. Those of another family than `bind` are left out.
    pub advertise: Vec<IpAddr>,
    /// How long nothing may come from a browser before it is [`Event::Lost`]; real time, default 10 s.
    pub lost_after: Duration,
}

impl Default for StageConfig {
    fn default() -> Self {
        Self {
            bind: SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0),
            advertise: Vec::new(),
            lost_after: Duration::from_secs(10),
        }
    }
}

/// Why the stage could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The socket, the wake pipe or the thread could not be made.
    #[error("the media socket: {0}")]
    Socket(#[from] std::io::Error),
    /// No certificate for DTLS could be made.
    #[error("no DTLS certificate could be made")]
    Certificate,
    /// The browser's session description cannot be understood or agreed to; says why.
    #[error("the session description: {0}")]
    Sdp(String),
    /// The browser offers no G.711 mu-law, the only coding spoken here.
    #[error("the session description offers no PCMU")]
    NoCommonCodec,
    /// An answer from a party to whom nothing was offered.
    #[error("nothing was offered to this party")]
    NotOffered,
    /// The media thread has ended.
    #[error("the media thread has ended")]
    Ended,
}

/// What one party hears.
#[derive(Clone, Debug, Default)]
pub struct Mix {
    /// The parties whose voices are heard. Oneself is never heard, even if named; a name twice counts once; names
    /// that nobody has yet are remembered.
    pub people: Vec<String>,
    /// The clips that are heard, added together.
    pub playing: Vec<Playing>,
}

/// A clip in a mix.
#[derive(Clone, Debug)]
pub struct Playing {
    /// The same id as in the mix before plays on where it is (whatever clip is given); a new id begins at the start.
    pub id: u64,
    /// What plays.
    pub clip: Arc<Clip>,
    /// How often; 0 is for ever.
    pub times: u32,
}

/// A handle to the thread that everybody's sound runs on. All clones are the same stage; it ends with the last one.
#[derive(Clone, Debug)]
pub struct Stage {
    commands: std::sync::mpsc::SyncSender<()>,
}

impl Stage {
    /// Starts the media thread.
    ///
    /// Events come out of the receiver in the order they happened. It holds 1024; what does not fit waits, and of
    /// that the oldest beyond another 1024 is dropped with a warning, except [`Event::Heard`], which is told when
    /// there is room.
    pub fn start(config: StageConfig) -> Result<(Self, mpsc::Receiver<Event>), MediaError> {
        let _ = config;
        Err(MediaError::Ended)
    }

    /// Answers a browser's offer. A party that is there already: an ICE restart on its connection if the offer comes
    /// from the same peer connection, else a new connection in its place.
    ///
    /// # Errors
    /// [`MediaError::Sdp`], [`MediaError::NoCommonCodec`]; a connection that was there stays as it was, if it can.
    pub async fn accept(&self, party: &str, offer: &str) -> Result<String, MediaError> {
        let _ = (party, offer);
        Err(MediaError::Ended)
    }

    /// An offer to a browser that shall be rung. Whatever connection the party had is replaced.
    pub async fn offer(&self, party: &str) -> Result<String, MediaError> {
        let _ = party;
        Err(MediaError::Ended)
    }

    /// The browser's answer to the last [`Stage::offer`].
    ///
    /// # Errors
    /// As [`Stage::accept`], and [`MediaError::NotOffered`]. After an error the party must be offered again.
    pub async fn answered(&self, party: &str, answer: &str) -> Result<(), MediaError> {
        let _ = (party, answer);
        Err(MediaError::Ended)
    }

    /// Puts a telephone there, or changes its voice. It speaks and listens at once, until [`Stage::gone`].
    pub fn telephone(&self, party: &str, voice: Voice) {
        let _ = (party, voice);
    }

    /// Keys that a party presses: whoever hears it hears the tones (ITU-T Q.23) instead of its voice, 100 ms each and
    /// 100 ms apart. `w` is a pause of 500 ms; other characters are skipped, as is what comes after 256 waiting keys.
    pub fn press(&self, party: &str, keys: &str) {
        let _ = (party, keys);
    }

    /// Whom and what a party hears from now on; replaces the last word. A party that is not there yet is remembered.
    pub fn hears(&self, party: &str, mix: Mix) {
        let _ = (party, mix);
    }

    /// The party has left: its connection is closed and its mix forgotten. Others who have it in their mix keep the
    /// name, and hear whoever next comes by it.
    pub fn gone(&self, party: &str) {
        let _ = party;
    }

    /// What a party has said and heard lately; `None`: no such party.
    pub async fn report(&self, party: &str) -> Option<Report> {
        let _ = party;
        None
    }

    /// The last `seconds` (at most 10) of what a party heard, 8 kHz mono; less if it has not been there so long.
    pub async fn heard(&self, party: &str, seconds: f32) -> Option<Vec<i16>> {
        let _ = (party, seconds);
        None
    }

    /// The last `seconds` (at most 10) of what a party said, as [`Stage::heard`].
    pub async fn said(&self, party: &str, seconds: f32) -> Option<Vec<i16>> {
        let _ = (party, seconds);
        None
    }

    /// Where everybody's sound arrives: the address of the UDP socket.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0)
    }
}
