//! What travels between a server and its consoles and phone pages. Nothing else is serialised to a client.
//!
//! JSON text frames over a WebSocket, each an object with a `t` that names it. Fields are only ever added; an
//! unknown field is passed over, an unknown `t` is an error. [`VERSION`] rises when an old console can no
//! longer follow.
//!
//! A console says [`ClientMsg::Hello`]; the server answers [`ServerMsg::Welcome`], then a snapshot or the
//! deltas missed, then lives: one [`ServerMsg::Delta`] a board revision in order, presence beside it, a pulse
//! when nothing else was sent for a while.
//!
//! Read next: [`crate::board`], `wire/phone.rs` (what travels between a server and a phone page).

use serde::{Deserialize, Serialize};

use crate::{
    board::{Card, Group, Online, Person, Queue, Slot, Snapshot, Status},
    ids::{CallId, CodeId, Rev, SafeText, SessionId, Timestamp, UserId},
    machine::{Intent, PhonePage},
    policy::{Rights, Role},
};

mod phone;

pub use phone::{
    PageBeat, PageTrouble, PhoneHeld, PhoneMsg, PhoneOffer, PhoneSeat, PhoneServerMsg, PhoneState,
    Quality, QualityWarning,
};

/// The protocol's version. A server refuses another with a sentence that says which side is older.
pub const VERSION: u32 = 2;

/// The longest frame either side accepts, in bytes. A snapshot is sent in one frame and may be longer; only a
/// server sends those.
pub const MAX_FRAME: usize = 64 * 1024;

/// From a console.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum ClientMsg {
    /// The first message. The bearer token came with the upgrade request, never in a URL.
    Hello {
        /// [`VERSION`] of the console.
        version: u32,
        /// The last board revision it holds, to be sent only what it missed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<Position>,
    },
    /// A person wants something.
    Do(Command),
    /// Asks for a snapshot: the console's digest differs, or it lost count.
    Resync,
    /// Something for one of this console's own phone pages.
    Page {
        /// Which page, by its sign-in.
        page: SessionId,
        /// What it shall do.
        #[serde(flatten)]
        order: PageOrder,
    },
    /// Asks for a [`ServerMsg::Pong`]; measures the way there and back.
    Ping {
        /// Returned as it is.
        n: u64,
    },
}

/// What a console can ask of its own phone page, beside what it does to calls. The page says in its heartbeat what
/// became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum PageOrder {
    /// Turn the microphone off, or on again.
    Mute {
        /// Off.
        on: bool,
    },
}

/// One command. The same `id` twice acts once; the same `id` with another content is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Command {
    /// Chosen by the sender, unique for them: 1 to 64 visible ASCII characters.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[!-~]{1,64}$"))]
    pub id: String,
    /// What they want.
    #[serde(flatten)]
    pub order: Order,
    /// The call's `rev` they were looking at. Without it the command is taken as of now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Rev>,
    /// Only say what would happen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// What a command is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Order {
    /// Something with a call there is.
    Call {
        /// Which.
        call: CallId,
        /// What.
        #[serde(flatten)]
        intent: Intent,
    },
    /// A new call.
    Dial {
        /// An extension, a number as people write it, or an emergency number.
        #[cfg_attr(
            feature = "openapi",
            schema(value_type = String, pattern = r"^(\+[1-9][0-9]{6,14}|[0-9]{2,6})$")
        )]
        to: SafeText,
    },
}

/// A place in the history of a board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Which life of the board.
    pub epoch: String,
    /// Its revision.
    pub rev: Rev,
}

/// To a console.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum ServerMsg {
    /// The answer to hello.
    Welcome {
        /// [`VERSION`] of the server.
        version: u32,
        /// Who is signed in.
        me: Me,
        /// The server's clock.
        now: Timestamp,
    },
    /// The whole board.
    Snapshot(Box<Snapshot>),
    /// One change. `rev` is one more than the last.
    Delta(Box<Delta>),
    /// Whose phone and presence is how, as of now. Outside the count.
    Presence {
        /// Those that changed.
        people: Vec<PersonPresence>,
    },
    /// Whether a call for help would show an address. Sent after the first board, and when it changes.
    EmergencyAddress {
        /// As far as the carrier has said.
        state: EmergencyAddress,
    },
    /// The phone pages that are paired with this console, all of them: sent after the first board, and when one
    /// comes, goes, or is other than it was.
    Pages {
        /// As far as they have said.
        pages: Vec<PageState>,
    },
    /// A page has named the code that this console shows, and waits to be let in. None: not any more.
    Pairing {
        /// Who asks.
        asks: Option<PairingAsk>,
    },
    /// Where the board is. The digest is compared only at that revision.
    Pulse {
        /// Which board.
        #[serde(flatten)]
        at: Position,
        /// [`crate::board::Board::digest`] there, as 16 hexadecimal digits.
        digest: String,
        /// The server's clock.
        now: Timestamp,
    },
    /// The command was accepted and committed.
    Yes {
        /// The command.
        id: String,
        /// The call it made or changed.
        call: CallId,
        /// The call's revision after it.
        rev: Rev,
    },
    /// The command was refused; nothing changed.
    No {
        /// The command.
        id: String,
        /// A short word for programs: `refused`, `not-allowed`, `unknown-call`, `moved`, `bad-input`;
        /// `no-page`: it is refused because its person's phone page could not take the call;
        /// `emergency`: the page dials it by itself.
        code: String,
        /// A sentence for people.
        why: String,
    },
    /// What was accepted has come true at the carrier.
    Done {
        /// The command.
        id: String,
        /// Its call.
        call: CallId,
    },
    /// What was accepted has not come true.
    Failed {
        /// The command.
        id: String,
        /// Its call.
        call: CallId,
        /// A sentence.
        why: String,
    },
    /// Nobody can say yet whether it came true.
    Unknown {
        /// The command.
        id: String,
        /// Its call.
        call: CallId,
    },
    /// The answer to a ping.
    Pong {
        /// As it was sent.
        n: u64,
    },
    /// The server is about to close this socket.
    Bye {
        /// Why, in a sentence.
        why: String,
        /// Whether trying again makes sense.
        again: bool,
    },
}

impl ServerMsg {
    /// What a wall may be told of it. What answers a person's own command, or is about their own pages, is theirs to
    /// read.
    #[must_use]
    pub fn redacted(self) -> Self {
        match self {
            Self::Snapshot(board) => Self::Snapshot(Box::new(board.redacted())),
            Self::Delta(delta) => Self::Delta(Box::new(delta.redacted())),
            Self::Presence { people } => Self::Presence {
                people: people.into_iter().map(PersonPresence::redacted).collect(),
            },
            Self::Welcome { .. }
            | Self::EmergencyAddress { .. }
            | Self::Pages { .. }
            | Self::Pairing { .. }
            | Self::Pulse { .. }
            | Self::Yes { .. }
            | Self::No { .. }
            | Self::Done { .. }
            | Self::Failed { .. }
            | Self::Unknown { .. }
            | Self::Pong { .. }
            | Self::Bye { .. } => self,
        }
    }
}

/// One change of the board.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// The board after it.
    #[serde(flatten)]
    pub at: Position,
    /// What is different.
    #[serde(flatten)]
    pub change: Change,
    /// What brought it about.
    pub cause: Cause,
}

impl Delta {
    /// The call that has changed, if it was one.
    pub fn card(&self) -> Option<&Card> {
        match &self.change {
            Change::Call(card) => Some(card),
            _ => None,
        }
    }

    /// What a wall may show of it. What brought it about is not named: that may be a connection, or a command whose
    /// id says whom it is about.
    #[must_use]
    pub fn redacted(self) -> Self {
        let change = match self.change {
            Change::Call(card) => Change::Call(Box::new(card.redacted())),
            Change::Person(person) => Change::Person(Box::new(person.redacted())),
            Change::PersonGone(_) | Change::Slots(_) | Change::Queues(_) | Change::Groups(_) => {
                self.change
            }
        };
        let cause = Cause {
            id: None,
            ..self.cause
        };
        Self {
            change,
            cause,
            ..self
        }
    }
}

/// What a delta changes. It travels under its own name, beside the position: `"call":{…}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The whole card as it is now. A call that ended is sent once more, in the place `ended`, and is then off the
    /// board.
    Call(Box<Card>),
    /// Somebody has come to work here, or is other than they were. How they are reached at the moment is not in it:
    /// [`ServerMsg::Presence`] says that.
    Person(Box<Person>),
    /// Somebody does not work here any more.
    PersonGone(UserId),
    /// All slots, in their order.
    Slots(Vec<Slot>),
    /// All queues, in their order.
    Queues(Vec<Queue>),
    /// All groups, in their order.
    Groups(Vec<Group>),
}

/// A phone page that is paired with a console, as far as it has said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageState {
    /// Its sign-in.
    pub page: SessionId,
    /// What it calls itself, such as `Firefox on Linux`.
    pub device: SafeText,
    /// Whether it has been heard of within the last seconds.
    pub here: bool,
    /// Whether it can talk: microphone allowed, connected with the carrier.
    pub ready: bool,
    /// Whether it is its person's phone. Of several pages one is; the others neither ring nor connect.
    #[serde(default)]
    pub active: bool,
    /// Whether its microphone is off. None: it has not said.
    pub muted: Option<bool>,
    /// The call it is in.
    pub call: Option<CallId>,
    /// Why it cannot talk, if it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<PageTrouble>,
    /// How well its call sounds. None: it is in no call, or has not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
}

/// A page that wants to be paired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingAsk {
    /// The pairing, to confirm or refuse it by.
    pub pairing: CodeId,
    /// What it calls itself.
    pub device: SafeText,
    /// Where it asks from.
    pub address: SafeText,
    /// Two digits that the page shows as well: the same page, not another one that has the code.
    pub check: SafeText,
    /// Until when it waits.
    pub until: Timestamp,
}

/// What brought a change about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// `command`, `carrier`, `time`, `phone` or `read`.
    pub kind: SafeText,
    /// The command's id, or what there is to name.
    pub id: Option<SafeText>,
}

/// Who is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Me {
    /// Their id.
    pub id: UserId,
    /// Their name.
    pub name: SafeText,
    /// What they are here to do.
    pub role: Role,
    /// What they may do: the role's rights and those they were granted.
    #[serde(default)]
    pub rights: Rights,
}

/// The fast-changing side of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonPresence {
    /// Who.
    pub id: UserId,
    /// Their phone page.
    pub phone: PhonePage,
    /// Whether they are connected.
    #[serde(default)]
    pub online: Online,
    /// What they say of themselves.
    #[serde(flatten)]
    pub status: Status,
}

impl PersonPresence {
    /// What a wall may be told of it.
    #[must_use]
    pub fn redacted(self) -> Self {
        Self {
            status: self.status.redacted(),
            ..self
        }
    }
}

/// Whether emergency services learn an address from the number that we dial from. Without one they are reached
/// all the same, perhaps the wrong ones, and at a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmergencyAddress {
    /// The carrier has not been asked yet, or has not answered.
    #[default]
    Unknown,
    /// They learn it.
    Registered,
    /// They do not.
    Missing,
}

impl EmergencyAddress {
    /// What whoever dials for help should know before; nothing where all is well.
    pub const fn warning(self) -> Option<&'static str> {
        match self {
            Self::Registered => None,
            Self::Unknown => {
                Some("Whether they will see an address is not known. Say where you are.")
            }
            Self::Missing => Some("No address is registered for our number. Say where you are."),
        }
    }
}
