//! What callers hold: a handle whose methods become commands to the media thread.
//!
//! Commands are done in the order they were given, within a millisecond or so. What costs time (making a voice,
//! looking at a spectrum) is done by the caller. Next: `thread`, which does them.

use std::collections::VecDeque;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::browser::Terms;
use crate::event::Sound;
use crate::floor::{Floor, Which};
use crate::pcm::{Ring, real, samples};
use crate::thread::{Command, Media};
use crate::voice::Speech;
use crate::{Clip, Event, Report, Voice};

/// Commands that may wait. The thread takes them at once, so a full queue is a flood; its author waits.
const COMMANDS: usize = 4_096;
/// Events that may wait before the thread keeps them.
const EVENTS: usize = 1_024;
/// Larger than any datagram of WebRTC; what does not fit is not one.
const DATAGRAM: usize = 2_048;

/// Where a stage listens, what it tells browsers, and its patience.
#[derive(Clone, Debug)]
pub struct StageConfig {
    /// The UDP address of everybody's sound; default 0.0.0.0 with a port that the system picks.
    pub bind: SocketAddr,
    /// The addresses that browsers are told. Default, and if empty: `bind` if it is one, else loopback and the primary
    /// address of this machine, which is found without sending a packet. Those of another family than `bind` are
    /// left out.
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
    /// The same id as in the mix before plays on where it is (whatever else is given); a new id begins at the start.
    pub id: u64,
    /// What plays.
    pub clip: Arc<Clip>,
    /// How often; 0 is for ever.
    pub times: u32,
}

/// A handle to the thread that everybody's sound runs on. All clones are the same stage; it ends with the last one.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Before `wake`: the thread, woken by its end, must find this ended.
    commands: SyncSender<Command>,
    wake: Arc<UnixStream>,
    address: SocketAddr,
}

impl Stage {
    /// Starts the media thread.
    ///
    /// Events come out of the receiver in the order they happened. It holds 1024; what does not fit waits, and of
    /// that the oldest beyond another 1024 is dropped with a warning. [`Event::Heard`] is not even made while others
    /// wait: it is told when there is room.
    ///
    /// # Errors
    /// [`MediaError::Socket`], [`MediaError::Certificate`].
    pub fn start(config: StageConfig) -> Result<(Self, mpsc::Receiver<Event>), MediaError> {
        let socket = UdpSocket::bind(config.bind)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let certificate = str0m::crypto::from_feature_flags()
            .dtls_provider
            .generate_certificate()
            .ok_or(MediaError::Certificate)?;
        let candidates = if config.advertise.is_empty() {
            own_addresses(address.ip())
        } else {
            config.advertise
        };
        let terms = Terms {
            certificate,
            candidates: candidates
                .into_iter()
                .filter(|ip| ip.is_ipv4() == address.is_ipv4())
                .map(|ip| SocketAddr::new(ip, address.port()))
                .collect(),
            lost_after: config.lost_after,
        };
        let (commands, receiver) = sync_channel(COMMANDS);
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let (events, told) = mpsc::channel(EVENTS);
        let media = Media {
            socket,
            wake: woken,
            commands: receiver,
            floor: Floor::new(terms),
            events,
            backlog: VecDeque::new(),
            due: None,
            buffer: vec![0; DATAGRAM].into(),
        };
        std::thread::Builder::new()
            .name("media".into())
            .spawn(move || media.run())?;
        let stage = Self {
            commands,
            wake: Arc::new(wake),
            address,
        };
        Ok((stage, told))
    }

    /// Where everybody's sound arrives: the address of the UDP socket.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers a browser's offer. A party that is there already: an ICE restart on its connection if the offer comes
    /// from the same peer connection (by its certificate), and nothing but an answer if it is the same offer again;
    /// else a new connection in its place.
    ///
    /// # Errors
    /// [`MediaError::Sdp`], [`MediaError::NoCommonCodec`]; a connection that was there stays as it was, if it can.
    pub async fn accept(&self, party: &str, offer: &str) -> Result<String, MediaError> {
        let (party, offer) = (party.to_owned(), offer.to_owned());
        self.ask(|reply| Command::Accept {
            party,
            offer,
            reply,
        })
        .await
        .ok_or(MediaError::Ended)?
    }

    /// An offer to a browser that shall be rung. Whatever connection the party had is replaced.
    ///
    /// # Errors
    /// [`MediaError::Ended`]; others cannot be foreseen.
    pub async fn offer(&self, party: &str) -> Result<String, MediaError> {
        let party = party.to_owned();
        self.ask(|reply| Command::Offer { party, reply })
            .await
            .ok_or(MediaError::Ended)?
    }

    /// The browser's answer to the last [`Stage::offer`].
    ///
    /// # Errors
    /// As [`Stage::accept`], and [`MediaError::NotOffered`]. After an error the party must be offered again.
    pub async fn answered(&self, party: &str, answer: &str) -> Result<(), MediaError> {
        let (party, answer) = (party.to_owned(), answer.to_owned());
        self.ask(|reply| Command::Answered {
            party,
            answer,
            reply,
        })
        .await
        .ok_or(MediaError::Ended)?
    }

    /// Puts a telephone there, or changes its voice. It speaks and listens at once, until [`Stage::gone`].
    pub fn telephone(&self, party: &str, voice: Voice) {
        self.tell(Command::Telephone {
            party: party.to_owned(),
            speech: Speech::new(voice),
        });
    }

    /// Keys that a party presses: whoever hears it hears the tones (ITU-T Q.23) instead of its voice, 100 ms each and
    /// 100 ms apart. `w` is a pause of 500 ms; other characters are skipped, as is what comes after 256 waiting keys.
    pub fn press(&self, party: &str, keys: &str) {
        self.tell(Command::Press {
            party: party.to_owned(),
            keys: keys.to_owned(),
        });
    }

    /// Whom and what a party hears from now on; replaces the last word. A party that is not there yet is remembered.
    pub fn hears(&self, party: &str, mix: Mix) {
        self.tell(Command::Hears {
            party: party.to_owned(),
            mix,
        });
    }

    /// The party has left: its connection is dropped and its mix forgotten. Others who have it in their mix keep the
    /// name, and hear whoever next comes by it.
    pub fn gone(&self, party: &str) {
        self.tell(Command::Gone {
            party: party.to_owned(),
        });
    }

    /// What a party has said and heard lately; `None`: no such party. Its spectra cost the caller, not the media thread,
    /// about a millisecond (some more without optimisation).
    pub async fn report(&self, party: &str) -> Option<Report> {
        let party = party.to_owned();
        let observed = self
            .ask(|reply| Command::Observe { party, reply })
            .await??;
        let counters = observed.counters;
        Some(Report {
            said: Sound::of(&observed.said),
            heard: Sound::of(&observed.heard),
            connected: observed.connected,
            packets_in: counters.packets_in,
            packets_out: counters.packets_out,
            lost: counters.lost,
            jitter_ms: counters.jitter_ms,
            buffered_ms: counters.buffered_ms,
            concealed: counters.concealed,
        })
    }

    /// The last `seconds` (at most 10) of what a party heard, 8 kHz mono; less if it has not been there so long.
    pub async fn heard(&self, party: &str, seconds: f32) -> Option<Vec<i16>> {
        self.recent(party, seconds, Which::Heard).await
    }

    /// The last `seconds` (at most 10) of what a party said, as [`Stage::heard`].
    pub async fn said(&self, party: &str, seconds: f32) -> Option<Vec<i16>> {
        self.recent(party, seconds, Which::Said).await
    }

    async fn recent(&self, party: &str, seconds: f32, which: Which) -> Option<Vec<i16>> {
        let party = party.to_owned();
        let samples = samples(seconds.min(real(Ring::SECONDS)));
        self.ask(|reply| Command::Recent {
            party,
            which,
            samples,
            reply,
        })
        .await?
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.tell(command(reply));
        answer.await.ok()
    }

    fn tell(&self, command: Command) {
        if self.commands.send(command).is_err() {
            tracing::error!("the media thread has ended, and everybody's sound with it");
            return;
        }
        // If no byte fits, the thread has not read the last thousands and will see the command with them.
        let _ = (&*self.wake).write(&[1]);
    }
}

/// The addresses at which a socket that is bound to `ip` can be reached from here and from the neighbourhood.
fn own_addresses(ip: IpAddr) -> Vec<IpAddr> {
    if !ip.is_unspecified() {
        return vec![ip];
    }
    // Addresses for documentation, which nobody has: connecting UDP only looks up the way there.
    let (loopback, far): (IpAddr, IpAddr) = match ip {
        IpAddr::V4(_) => (
            Ipv4Addr::LOCALHOST.into(),
            Ipv4Addr::new(192, 0, 2, 1).into(),
        ),
        IpAddr::V6(_) => (
            Ipv6Addr::LOCALHOST.into(),
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
        ),
    };
    let primary = UdpSocket::bind(SocketAddr::new(ip, 0)).and_then(|socket| {
        socket.connect(SocketAddr::new(far, 9))?;
        socket.local_addr()
    });
    let mut own = vec![loopback];
    // Without a network there is no way: loopback alone.
    own.extend(
        primary
            .ok()
            .map(|a| a.ip())
            .filter(|ip| !ip.is_loopback() && !ip.is_unspecified()),
    );
    own
}
