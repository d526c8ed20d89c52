//! Where a call is: one place at a time, which owns what belongs to it, with the route that leads on from
//! there.
//!
//! A route is fixed when a place is made and only ever gets shorter, so nothing waits for ever anywhere but in
//! a queue.

use serde::{Deserialize, Serialize};

use super::Direction;
use crate::ids::{Phone, QueueId, SafeText, SlotId, Timestamp, UserId};

/// Where a call is: one place at a time (I1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Place {
    /// Waiting at a desk; any operator may answer.
    Queued {
        /// Which queue.
        queue: QueueId,
        /// Whose card shows a distinct alert: it came back for them while they were on another call.
        alert: Option<UserId>,
    },
    /// Offered to particular people; the first who accepts has it.
    Ringing {
        /// To whom, and how that goes.
        offers: Vec<Offer>,
        /// Why it rings.
        why: RingWhy,
        /// When the next stop is tried.
        deadline: Timestamp,
        /// The rest of its route.
        then: Vec<Stop>,
    },
    /// An outgoing call: our person is in the room, or on the way there; the other side has not answered.
    Dialling {
        /// Who dialled.
        user: UserId,
    },
    /// The customer and at least one other party are together.
    Talking,
    /// A private park: kept by one person, who may be doing something else.
    Held {
        /// Who keeps it.
        by: UserId,
        /// When it is forgotten and rings back.
        deadline: Timestamp,
        /// Its return route, fixed when it was held.
        then: Vec<Stop>,
    },
    /// In a numbered slot, where anyone may fetch it.
    Parked {
        /// Which slot.
        slot: SlotId,
        /// Who put it there.
        by: UserId,
        /// What they wrote on it.
        note: Option<SafeText>,
        /// When it rings back.
        deadline: Timestamp,
        /// Its return route, fixed when it was parked.
        then: Vec<Stop>,
    },
    /// Over. Absorbs everything but the duty to end legs.
    Ended {
        /// How it ended.
        why: EndWhy,
    },
}

impl Place {
    /// Whether a hand that saw `other` still does what it meant here: the same kind of place, with the same
    /// people. Deadlines run and telephones are tried one after the other without anything being moved.
    pub fn stays(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Queued { queue, .. }, Self::Queued { queue: other, .. }) => queue == other,
            (
                Self::Ringing { offers, why, .. },
                Self::Ringing {
                    offers: others,
                    why: because,
                    ..
                },
            ) => {
                why == because
                    && offers
                        .iter()
                        .map(|o| &o.to)
                        .eq(others.iter().map(|o| &o.to))
            }
            (Self::Dialling { user }, Self::Dialling { user: other }) => user == other,
            (Self::Held { by, .. }, Self::Held { by: other, .. }) => by == other,
            (
                Self::Parked { slot, by, .. },
                Self::Parked {
                    slot: other,
                    by: keeper,
                    ..
                },
            ) => (slot, by) == (other, keeper),
            (Self::Talking, Self::Talking) | (Self::Ended { .. }, Self::Ended { .. }) => true,
            _ => false,
        }
    }
}

/// Why a call rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum RingWhy {
    /// It has just arrived.
    New,
    /// Somebody sent it here.
    Transfer {
        /// Who did, and to whom it returns.
        from: UserId,
    },
    /// A transfer was not taken, or a held call was forgotten: it is back with its sender.
    Returned,
    /// A parked call whose time ran out.
    ParkExpired,
    /// The person who was talking vanished without hanging up.
    Reconnect,
}

/// Ringing one party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Who is rung.
    pub to: Callee,
    /// On what.
    pub via: Via,
    /// Whether they said no, or could not be reached.
    pub over: Option<NoWhy>,
}

/// Somebody a call can be given to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Callee {
    /// One of us.
    User(UserId),
    /// Anybody with a telephone.
    Outside(Phone),
}

/// What rings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// Their phone page: the offer is state that the page is shown.
    Page,
    /// A telephone, as the leg with this number.
    Leg(u16),
    /// A telephone that is not dialled yet: a group rings two at a time.
    Later(Phone),
    /// Nothing: shown as a card only.
    Nothing,
}

/// Why an offer came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoWhy {
    /// They pressed the button, or hung up on the question.
    Declined,
    /// They are on another call.
    Busy,
    /// The telephone rang out.
    NoAnswer,
    /// The number could not be reached, or the carrier refused.
    Failed,
    /// They accepted and did not arrive.
    Unreachable,
}

/// A place on a return route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stop", rename_all = "lowercase")]
pub enum Stop {
    /// Ring these people.
    Ring {
        /// Whom.
        users: Vec<UserId>,
        /// Why, as they will see it.
        why: RingWhy,
        /// For how many milliseconds.
        ms: i64,
    },
    /// Wait at this desk.
    Queue {
        /// Which.
        queue: QueueId,
    },
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum EndWhy {
    /// The customer hung up before anybody had joined them.
    Abandoned,
    /// The customer hung up after talking to somebody.
    CallerLeft,
    /// One of us, or the party they talked to, hung up.
    HungUp,
    /// An outgoing call that nobody took.
    NoAnswer,
    /// An outgoing call to an engaged number.
    Busy,
    /// It could not be set up, or the carrier lost it.
    Failed,
}

impl EndWhy {
    /// How a call ended whose customer went: after talking to somebody or not, and with what their telephone
    /// said.
    pub(crate) const fn by_the_customer(
        answered: bool,
        direction: Direction,
        outcome: Option<NoWhy>,
    ) -> Self {
        match (answered, direction, outcome) {
            (true, ..) => Self::CallerLeft,
            (false, Direction::In, _) => Self::Abandoned,
            (false, Direction::Out, Some(NoWhy::Busy)) => Self::Busy,
            (false, Direction::Out, Some(NoWhy::Failed)) => Self::Failed,
            (false, Direction::Out, _) => Self::NoAnswer,
        }
    }
}

/// How to take a transfer or a park back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// Who may.
    pub by: UserId,
    /// What the call goes back to.
    pub to: Back,
}

/// Where a call was before it was moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "back", rename_all = "lowercase")]
pub enum Back {
    /// With this person, talking.
    With {
        /// Who.
        user: UserId,
    },
    /// In a place where nobody was with it.
    Place {
        /// That place.
        place: Box<Place>,
    },
}
