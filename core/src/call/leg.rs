//! One party's connection: what happened to it, and what it is wanted to be.
//!
//! A leg's life is a set of moments, each the earliest known; its state is read off them ([`Leg::state`]), so
//! the order in which news arrives does not matter. What can be set again and again is a [`Register`] of
//! numbered wishes. Nothing here decides: see [`crate::machine`].

use serde::{Deserialize, Serialize};

use super::NoWhy;
use crate::ids::{CallSid, LegId, Phone, Timestamp, UserId};

/// One party's connection to the call.
///
/// What happened to it is a set of moments, each the earliest known; its state is read off them
/// ([`Leg::state`]), so the order in which news arrives does not matter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// Its number within the call.
    pub n: u16,
    /// Whose it is.
    pub role: Role,
    /// What it runs over.
    pub line: Line,
    /// The carrier's name for it, once known.
    pub sid: Option<CallSid>,
    /// When the telephone began to ring.
    pub rang: Option<Timestamp>,
    /// When it was picked up (a person's telephone is then asked for a key).
    pub picked_up: Option<Timestamp>,
    /// When it entered the room.
    pub joined: Option<Timestamp>,
    /// When it left the room or ended, whichever was first.
    pub gone: Option<Timestamp>,
    /// Isolated from the room, with music.
    pub hold: Register,
    /// Whether the room ends when it leaves.
    pub ends_room: Register,
    /// That it shall leave.
    pub leave: Option<Leave>,
    /// When the once-only request for it (dial, invite) was put into the outbox.
    pub asked: Option<Timestamp>,
    /// Whether it left the room by its own hand, as far as the carrier has said so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hung_up: bool,
    /// How its telephone ended before it came to anything.
    pub outcome: Option<NoWhy>,
}

/// Whose leg it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The party the call is about. Always leg 0.
    Customer,
    /// One of us.
    Person(UserId),
    /// A third party, reached by number.
    Outside(Phone),
}

/// What a leg runs over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// It came to us.
    Inbound,
    /// A person's phone page: it connects by itself, or its living leg is redirected.
    Page,
    /// We dial it.
    Telephone(Phone),
}

/// How a leg is to leave, and whether that was asked of the carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// Where to: another call, or nowhere.
    pub to: Option<LegId>,
    /// When the request was put into the outbox. Nobody is removed before the customer's hold is confirmed.
    pub asked: Option<Timestamp>,
}

/// Something a leg is wanted to be, and what the carrier has confirmed of it.
///
/// Every change of the wish has a number; wishes alternate between off (even) and on (odd). A confirmation
/// names the number it confirms, so late and doubled answers cannot turn it back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Register {
    /// The number of the present wish.
    pub wish: u32,
    /// The number of the latest confirmed wish.
    pub done: u32,
    /// When each wish was confirmed: `(number, moment)`, ascending.
    pub log: Vec<(u32, Timestamp)>,
}

impl Register {
    /// Whether it is wanted on.
    pub const fn wanted(&self) -> bool {
        self.wish % 2 == 1
    }

    /// Whether it was last confirmed on.
    pub const fn is(&self) -> bool {
        self.done % 2 == 1
    }

    /// Whether the carrier has confirmed the present wish.
    pub const fn settled(&self) -> bool {
        self.done == self.wish
    }

    /// Wishes it on or off; returns whether that is a new wish.
    pub fn want(&mut self, on: bool) -> bool {
        let new = self.wanted() != on;
        self.wish += u32::from(new);
        new
    }

    /// Takes a confirmation of wish number `wish`, which became true at `at`.
    ///
    /// One of a wish that was never made says nothing about now. It is kept in the log all the same: a leave
    /// may be told before the join that it ends, and then nobody has wished what came of the join.
    pub fn confirm(&mut self, wish: u32, at: Timestamp) {
        if wish <= self.wish {
            self.done = self.done.max(wish);
        }
        match self.log.binary_search_by_key(&wish, |e| e.0) {
            Ok(i) => self.log[i].1 = self.log[i].1.min(at),
            Err(i) => self.log.insert(i, (wish, at)),
        }
    }

    /// The call is over: what was still wished is wished no longer, and what was ever confirmed is how it was
    /// left.
    pub(crate) fn close(&mut self) {
        self.done = self.log.last().map_or(0, |e| e.0);
        self.wish = self.done;
    }
}

/// A leg's progress, read off its moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LegState {
    /// Not there yet.
    Wanted,
    /// Its telephone rings.
    Ringing,
    /// Picked up, not in the room.
    Up,
    /// In the room.
    Joined,
    /// Gone for good.
    Gone,
}

impl Leg {
    /// A leg about which nothing is known yet.
    pub fn new(n: u16, role: Role, line: Line) -> Self {
        Self {
            n,
            role,
            line,
            sid: None,
            rang: None,
            picked_up: None,
            joined: None,
            gone: None,
            hold: Register::default(),
            ends_room: Register::default(),
            leave: None,
            asked: None,
            hung_up: false,
            outcome: None,
        }
    }

    /// How far it has come.
    pub fn state(&self) -> LegState {
        match self {
            Self { gone: Some(_), .. } => LegState::Gone,
            Self {
                joined: Some(_), ..
            } => LegState::Joined,
            Self {
                picked_up: Some(_), ..
            } => LegState::Up,
            Self { rang: Some(_), .. } => LegState::Ringing,
            _ => LegState::Wanted,
        }
    }

    /// Whether it is in the room and shall stay.
    pub fn here(&self) -> bool {
        self.state() == LegState::Joined && self.leave.is_none()
    }

    /// Whether it has not ended.
    pub fn alive(&self) -> bool {
        self.gone.is_none()
    }

    /// The person whose leg it is.
    pub fn user(&self) -> Option<UserId> {
        match self.role {
            Role::Person(user) => Some(user),
            _ => None,
        }
    }
}
