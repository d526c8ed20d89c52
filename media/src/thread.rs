//! The media thread: where everybody's sound meets the socket and the time.
//!
//! It waits for three things at once: a datagram, a command, the next frame. Frames are due every 20 ms from the first
//! on, so that being late once makes none later; with nobody there it waits without end and costs nothing. No frame
//! waits for anybody: sends do not block, and what the outside floods us with is read in portions.
//!
//! An async task was not chosen: a busy runtime would be heard.

use std::collections::VecDeque;
use std::io::Read;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::{mpsc, oneshot};

use crate::Event;
use crate::floor::{Floor, Observed, Which};
use crate::stage::{MediaError, Mix};
use crate::voice::Speech;

const FRAME: Duration = Duration::from_millis(20);
/// Frames that are made up for at once after a stall; more would be heard as a burst.
const CATCH_UP: u32 = 5;
/// Datagrams that are read in a row.
const PORTION: usize = 256;
/// Events that wait for a slow reader beyond what its queue holds.
const BACKLOG: usize = 1_024;

type Reply<T> = oneshot::Sender<T>;

/// What a handle asks of the thread.
pub(crate) enum Command {
    Accept {
        party: String,
        offer: String,
        reply: Reply<Result<String, MediaError>>,
    },
    Offer {
        party: String,
        reply: Reply<Result<String, MediaError>>,
    },
    Answered {
        party: String,
        answer: String,
        reply: Reply<Result<(), MediaError>>,
    },
    Telephone {
        party: String,
        speech: Speech,
    },
    Press {
        party: String,
        keys: String,
    },
    Hears {
        party: String,
        mix: Mix,
    },
    Gone {
        party: String,
    },
    Observe {
        party: String,
        reply: Reply<Option<Observed>>,
    },
    Recent {
        party: String,
        which: Which,
        samples: usize,
        reply: Reply<Option<Vec<i16>>>,
    },
}

pub(crate) struct Media {
    pub(crate) socket: UdpSocket,
    /// A byte here: a command is there. Its end: all handles are gone.
    pub(crate) wake: UnixStream,
    pub(crate) commands: Receiver<Command>,
    pub(crate) floor: Floor,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) backlog: VecDeque<Event>,
    /// When the next frame is, while anybody is there.
    pub(crate) due: Option<Instant>,
    pub(crate) buffer: Box<[u8]>,
}

impl Media {
    /// Until the last handle is dropped.
    pub(crate) fn run(mut self) {
        loop {
            self.wait();
            if !self.obey() {
                return;
            }
            self.listen();
            self.frames();
            self.send();
            self.tell();
        }
    }

    fn wait(&mut self) {
        let left = self.due.map(|due| due.saturating_duration_since(now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut on = [
            PollFd::new(&self.socket, PollFlags::IN),
            PollFd::from_borrowed_fd(self.wake.as_fd(), PollFlags::IN),
        ];
        if let Err(error) = poll(&mut on, left.as_ref()) {
            // Interrupted: as good as woken. Anything else would come again at once.
            if error != rustix::io::Errno::INTR {
                tracing::error!(%error, "the media thread cannot wait");
            }
        }
    }

    /// Does what was asked; false when there is nobody left to ask.
    fn obey(&mut self) -> bool {
        let mut bytes = [0; 256];
        while matches!(self.wake.read(&mut bytes), Ok(256)) {}
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.command(command),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Whoever asked may have stopped waiting: then nobody wants the reply.
    fn command(&mut self, command: Command) {
        let floor = &mut self.floor;
        match command {
            Command::Accept {
                party,
                offer,
                reply,
            } => drop(reply.send(floor.accept(now(), &party, &offer))),
            Command::Offer { party, reply } => drop(reply.send(floor.offer(now(), &party))),
            Command::Answered {
                party,
                answer,
                reply,
            } => drop(reply.send(floor.answered(now(), &party, &answer))),
            Command::Telephone { party, speech } => floor.telephone(&party, speech),
            Command::Press { party, keys } => floor.press(&party, &keys),
            Command::Hears { party, mix } => floor.hears(&party, mix),
            Command::Gone { party } => floor.gone(&party),
            Command::Observe { party, reply } => drop(reply.send(floor.observe(&party))),
            Command::Recent {
                party,
                which,
                samples,
                reply,
            } => drop(reply.send(floor.recent(&party, which, samples))),
        }
    }

    fn listen(&mut self) {
        for _ in 0..PORTION {
            match self.socket.recv_from(&mut self.buffer) {
                Ok((length, from)) => {
                    self.floor.receive(now(), from, &self.buffer[..length]);
                    self.send();
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                // Somebody we sent to is gone, and the system blames the socket.
                Err(_) => {}
            }
        }
    }

    /// The frames that are due.
    fn frames(&mut self) {
        if self.floor.is_empty() {
            self.due = None;
            return;
        }
        let now = now();
        let mut due = self.due.unwrap_or(now);
        for _ in 0..CATCH_UP {
            if due > now {
                break;
            }
            self.floor.frame(now, self.backlog.is_empty());
            due += FRAME;
        }
        if due <= now {
            tracing::warn!(
                late_ms = (now - due).as_millis(),
                "the media thread was held up"
            );
            due = now + FRAME;
        }
        self.due = Some(due);
    }

    fn send(&mut self) {
        for packet in self.floor.packets() {
            // A datagram that cannot leave is one that got lost.
            let _ = self.socket.send_to(&packet.contents, packet.destination);
        }
    }

    /// Hands events over as far as there is room.
    fn tell(&mut self) {
        self.backlog.extend(self.floor.events.drain(..));
        while let Some(event) = self.backlog.pop_front() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Closed(_)) => self.backlog.clear(),
                Err(mpsc::error::TrySendError::Full(event)) => {
                    self.backlog.push_front(event);
                    break;
                }
            }
        }
        while self.backlog.len() > BACKLOG {
            let dropped = self.backlog.pop_front();
            tracing::warn!(?dropped, "nobody reads the media thread's events");
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "sound happens in real time: RTP is sent and missed by the machine's clock, whatever time is told elsewhere"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}
