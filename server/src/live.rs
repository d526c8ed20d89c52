//! What is live and may be lost: the board that consoles follow, and beside it who is connected and what each phone
//! page should be doing.
//!
//! Losing all of it loses no truth: it is rebuilt from the store at start. Deltas are encoded once for
//! everybody who may see the same ([`Audience`]) and handed over in the order of their board revisions, whatever
//! order their commits came back in. Nothing here waits for a client: one that is too slow is told to resync.
//!
//! [`Live`] is an enum because a second kind, with Redis between many servers, will stand beside the one in
//! memory. It must not know the store, the carrier or the sockets. This file is the board's way to those who follow it.
//! Read next: `live/pages.rs` (the phone pages, and who is there), `ws.rs`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::extract::ws::Utf8Bytes;
use cordboard_core::{
    board::{Board, Card, Snapshot, Status},
    ids::{CallId, Rev, SessionId, Timestamp, UserId},
    machine::{Finish, Intent},
    policy::{Permission, Rights},
    wire::{Delta, EmergencyAddress, PairingAsk, PersonPresence, Position, ServerMsg},
};
use tokio::sync::broadcast;

mod here;
mod pages;

use here::{Consoles, PhoneLine};
pub use here::{Doing, PAGE_SILENCE_MS, Page, PageCall, Paired, Silent};
pub use pages::REVIEW_MS;

/// How many deltas a console may be behind before it is sent a snapshot instead.
const BEHIND: usize = 1024;

/// Who may see the same, and is sent the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Those who may see who is calling.
    Desk,
    /// Those who may not: a wall.
    Wall,
}

impl Audience {
    /// Whose rights are these?
    pub const fn of(rights: Rights) -> Self {
        if rights.has(Permission::Board) {
            Self::Desk
        } else {
            Self::Wall
        }
    }

    /// The message as they are told it.
    pub fn told(self, msg: ServerMsg) -> ServerMsg {
        match self {
            Self::Desk => msg,
            Self::Wall => msg.redacted(),
        }
    }
}

/// Something that concerns the sockets of one sign-in or one person. Each socket picks out its own.
#[derive(Debug, Clone)]
pub enum Notice {
    /// That sign-in is over.
    SignedOut(SessionId),
    /// That person may do other things than before, or nothing any more.
    Changed(UserId),
    /// A page of that console has come, gone, or is other than it was.
    Pages(SessionId),
    /// A page wants to be paired with that console; none: not any more.
    Pairing(SessionId, Option<PairingAsk>),
}

/// Live state. Clones share it.
#[derive(Clone)]
pub enum Live {
    /// In this process.
    Memory(Arc<Memory>),
}

/// Live state in this process.
pub struct Memory {
    hub: Mutex<Hub>,
    deltas: broadcast::Sender<Frame>,
    walls: broadcast::Sender<Frame>,
    outcomes: broadcast::Sender<Ended>,
    notices: broadcast::Sender<Notice>,
    emergency_address: Mutex<EmergencyAddress>,
    // Whoever takes more than one of these takes them in this order, after the hub.
    phones: Mutex<HashMap<UserId, PhoneLine>>,
    consoles: Mutex<Consoles>,
    sockets: AtomicU64,
    started: Timestamp,
}

struct Hub {
    board: Board,
    /// Deltas whose predecessors have not come back from the store yet.
    early: BTreeMap<Rev, Delta>,
    snapshot: Option<(Rev, Utf8Bytes)>,
    wall: Option<(Rev, Utf8Bytes)>,
}

impl Hub {
    fn position(&self) -> Position {
        Position {
            epoch: self.board.epoch.clone(),
            rev: self.board.rev,
        }
    }
}

/// One message for every console, encoded once.
#[derive(Clone)]
pub struct Frame {
    /// The board revision it brings; none for what stands outside the count.
    pub rev: Option<Rev>,
    /// The message.
    pub text: Utf8Bytes,
}

/// The end of a command.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Whose it was.
    pub by: UserId,
    /// Its id.
    pub command: Box<str>,
    /// Its call.
    pub call: CallId,
    /// How it ended.
    pub result: Finish,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every critical section here leaves its data whole at each step, so a panic in another thread spoils
    // nothing.
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Encodes a message for a console.
pub fn encode(msg: &ServerMsg) -> Utf8Bytes {
    serde_json::to_string(msg)
        .expect("wire messages are plain data")
        .into()
}

impl Live {
    /// Live state in this process, with the board as the store has it.
    pub fn memory(board: Board, started: Timestamp) -> Self {
        Self::Memory(Arc::new(Memory {
            hub: Mutex::new(Hub {
                board,
                early: BTreeMap::new(),
                snapshot: None,
                wall: None,
            }),
            deltas: broadcast::channel(BEHIND).0,
            walls: broadcast::channel(BEHIND).0,
            outcomes: broadcast::channel(BEHIND).0,
            notices: broadcast::channel(BEHIND).0,
            emergency_address: Mutex::default(),
            phones: Mutex::default(),
            consoles: Mutex::default(),
            sockets: AtomicU64::default(),
            started,
        }))
    }

    fn memory_ref(&self) -> &Memory {
        match self {
            Self::Memory(memory) => memory,
        }
    }

    /// Follows everything that is sent to consoles. Subscribe before taking the snapshot, and pass over what it
    /// already shows.
    pub fn subscribe(&self, audience: Audience) -> broadcast::Receiver<Frame> {
        match audience {
            Audience::Desk => self.memory_ref().deltas.subscribe(),
            Audience::Wall => self.memory_ref().walls.subscribe(),
        }
    }

    /// Follows what concerns single sockets.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.memory_ref().notices.subscribe()
    }

    /// Tells the sockets whom it concerns.
    pub fn notice(&self, notice: Notice) {
        // Nobody listening is no error.
        let _ = self.memory_ref().notices.send(notice);
    }

    /// Follows the ends of commands.
    pub fn outcomes(&self) -> broadcast::Receiver<Ended> {
        self.memory_ref().outcomes.subscribe()
    }

    /// The board, encoded, and its revision.
    pub fn snapshot(&self, audience: Audience) -> (Rev, Utf8Bytes) {
        let mut hub = locked(&self.memory_ref().hub);
        let rev = hub.board.rev;
        let kept = match audience {
            Audience::Desk => &hub.snapshot,
            Audience::Wall => &hub.wall,
        };
        if let Some((at, text)) = kept
            && *at == rev
        {
            return (rev, text.clone());
        }
        let board = ServerMsg::Snapshot(Box::new(hub.board.snapshot()));
        let text = encode(&audience.told(board));
        let kept = Some((rev, text.clone()));
        match audience {
            Audience::Desk => hub.snapshot = kept,
            Audience::Wall => hub.wall = kept,
        }
        (rev, text)
    }

    /// The board as data.
    pub fn board(&self) -> Snapshot {
        locked(&self.memory_ref().hub).board.snapshot()
    }

    /// Where the board is.
    pub fn position(&self) -> Position {
        locked(&self.memory_ref().hub).position()
    }

    /// Where the board is, for a pulse.
    pub fn pulse(&self, now: Timestamp) -> ServerMsg {
        let hub = locked(&self.memory_ref().hub);
        ServerMsg::Pulse {
            at: hub.position(),
            digest: format!("{:016x}", hub.board.digest()),
            now,
        }
    }

    /// Sends deltas on, in order. One whose predecessor is still on its way waits for it. Returns the revisions
    /// that are missing, if any.
    pub fn publish(&self, deltas: impl IntoIterator<Item = Delta>) -> Option<(Rev, Rev)> {
        let memory = self.memory_ref();
        let mut touched: Vec<UserId> = Vec::new();
        let mut hub = locked(&memory.hub);
        hub.early.extend(deltas.into_iter().map(|d| (d.at.rev, d)));
        while let Some(entry) = hub.early.first_entry() {
            let rev = *entry.key();
            if rev > hub.board.rev + 1 {
                break;
            }
            let Some((_, delta)) = hub.early.pop_first() else {
                break;
            };
            if let Some(card) = delta.card() {
                let before = hub.board.calls.get(&card.id);
                touched.extend(before.map(Card::concerns).unwrap_or_default());
                touched.extend(card.concerns());
            }
            if hub.board.apply(&delta) == Ok(true) {
                memory.everybody(Some(rev), ServerMsg::Delta(Box::new(delta)));
            }
        }
        touched.sort_unstable();
        touched.dedup();
        memory.pages_follow(&hub.board, touched);
        hub.early
            .keys()
            .next()
            .map(|first| (hub.board.rev + 1, *first - 1))
    }

    /// What that would do to the call, in words ([`Board::would`]).
    pub fn would(&self, card: &Card, intent: &Intent) -> String {
        locked(&self.memory_ref().hub).board.would(card, intent)
    }

    /// Tells that a command has ended.
    pub fn ended(&self, ended: Ended) {
        let _ = self.memory_ref().outcomes.send(ended);
    }

    /// Whether a call for help would show an address, as the carrier last said.
    pub fn emergency_address(&self) -> EmergencyAddress {
        *locked(&self.memory_ref().emergency_address)
    }

    /// The carrier has said whether it would. Whether that is news; if so, every console is told.
    pub fn tell_emergency_address(&self, state: EmergencyAddress) -> bool {
        let memory = self.memory_ref();
        let news = std::mem::replace(&mut *locked(&memory.emergency_address), state) != state;
        if news {
            memory.everybody(None, ServerMsg::EmergencyAddress { state });
        }
        news
    }

    /// A console has connected. What comes back names its socket.
    pub fn console_connected(&self, user: UserId, now: Timestamp) -> u64 {
        let memory = self.memory_ref();
        let id = memory.sockets.fetch_add(1, Ordering::Relaxed);
        locked(&memory.consoles).opened(user, id, now);
        id
    }

    /// A console has said something over that socket.
    pub fn console_heard(&self, user: UserId, socket: u64, now: Timestamp) {
        locked(&self.memory_ref().consoles).heard(user, socket, now);
    }

    /// A console's socket is gone.
    pub fn console_disconnected(&self, user: UserId, socket: u64) {
        locked(&self.memory_ref().consoles).closed(user, socket);
    }

    /// What a person says of themselves is something else now.
    pub fn status(&self, user: UserId, status: Status) {
        let memory = self.memory_ref();
        let mut hub = locked(&memory.hub);
        let news = hub.board.people.get(&user).map(|p| PersonPresence {
            status,
            ..p.presence()
        });
        memory.tell(&mut hub, news.into_iter().collect());
    }
}

impl Memory {
    /// Puts news of people on the board and tells the consoles.
    fn tell(&self, hub: &mut Hub, news: Vec<PersonPresence>) {
        if news.is_empty() {
            return;
        }
        hub.board.presence(&news);
        (hub.snapshot, hub.wall) = (None, None);
        self.everybody(None, ServerMsg::Presence { people: news });
    }

    /// Tells every console, each what it may see.
    fn everybody(&self, rev: Option<Rev>, msg: ServerMsg) {
        let frame = |msg: &ServerMsg| Frame {
            rev,
            text: encode(msg),
        };
        // Nobody listening is no error; but most houses have no wall to encode it a second time for.
        let _ = self.deltas.send(frame(&msg));
        if self.walls.receiver_count() > 0 {
            let _ = self.walls.send(frame(&Audience::Wall.told(msg)));
        }
    }
}
