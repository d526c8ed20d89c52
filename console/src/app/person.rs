//! How a person appears: what they are doing, and whether they can be reached.
//!
//! Unknown is shown as unknown. A person is never "free" because a link is down or because nobody knows
//! whether their phone is there.

use cordboard_core::{
    board::{At, Card, Online, Person, Presence},
    ids::{CallId, Timestamp, UserId},
    machine::PhonePage,
};

use super::Model;

/// What a person is doing, or what keeps them from being rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Here, phone ready.
    Available,
    /// In a call.
    Talking,
    /// Accepted a call, not yet joined.
    Connecting,
    /// Calling somebody.
    Dialling,
    /// A call rings for them.
    Ringing,
    /// Keeps a caller on hold, and is in no call.
    Holding,
    /// Says they are busy.
    Busy,
    /// Says they are away.
    Away,
    /// Do not disturb.
    Dnd,
    /// Signed off.
    Offline,
    /// Not connected, without having said a word.
    Gone,
    /// Here, but their phone is not.
    Unreachable,
    /// Nobody can say.
    Unknown,
}

impl State {
    /// A symbol one cell wide.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Available => "●",
            Self::Talking => "■",
            Self::Connecting | Self::Dialling | Self::Ringing => "◐",
            Self::Holding => "‖",
            Self::Busy => "◆",
            Self::Away => "○",
            Self::Dnd => "⊘",
            Self::Offline | Self::Gone => "·",
            Self::Unreachable => "◌",
            Self::Unknown => "?",
        }
    }

    /// The word beside it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Talking => "on a call",
            Self::Connecting => "connecting",
            Self::Dialling => "calling",
            Self::Ringing => "ringing",
            Self::Holding => "holding",
            Self::Busy => "busy",
            Self::Away => "away",
            Self::Dnd => "do not disturb",
            Self::Offline => "signed off",
            Self::Gone => "offline",
            Self::Unreachable => "phone not reachable",
            Self::Unknown => "unknown",
        }
    }
}

/// How a person appears now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// What they are doing.
    pub state: State,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// The call that is shown on their tile.
    pub call: Option<CallId>,
    /// How many other calls they have.
    pub more: usize,
}

impl Model {
    /// How a person appears, given their calls (as from `Board::calls_of`: with them first).
    pub fn look(&self, person: &Person, calls: &[&Card]) -> Look {
        let rank = |card: &&&Card| match &card.place.at {
            At::Talking { users } if users.contains(&person.id) => 0,
            At::Connecting { user } | At::Dialling { user, .. } if *user == person.id => 1,
            At::Ringing { .. } | At::Transferring { .. } => 2,
            _ => 3,
        };
        let shown = calls.iter().min_by_key(rank).copied();
        let call = shown.map(|c| c.id);
        let more = calls.len().saturating_sub(1);
        if !self.link.is_live() {
            return Look {
                state: State::Unknown,
                since: self.lost.map(|at| at.plus(self.offset)),
                call,
                more,
            };
        }
        let (state, since) = match shown.map(|c| (&c.place.at, c.place.since)) {
            Some((At::Talking { .. }, since)) => (State::Talking, Some(since)),
            Some((At::Connecting { .. }, since)) => (State::Connecting, Some(since)),
            Some((At::Dialling { .. }, since)) => (State::Dialling, Some(since)),
            Some((At::Ringing { .. } | At::Transferring { .. }, since)) => {
                (State::Ringing, Some(since))
            }
            Some((_, since)) if person.status.presence == Presence::Available => {
                (State::Holding, Some(since))
            }
            _ => (resting(person), None),
        };
        Look {
            state,
            since,
            call,
            more,
        }
    }

    /// When somebody means to be back, and whether that is over: then they are late, and nobody has said more.
    pub fn back(&self, person: &Person) -> Option<(Timestamp, bool)> {
        let at = person.status.back_at?;
        let away = person.status.presence != Presence::Available;
        (away && self.link.is_live()).then(|| (at, at <= self.server_now()))
    }

    /// My own phone page.
    pub fn my_phone(&self) -> PhonePage {
        match &self.me {
            Some(me) if self.link.is_live() => self
                .board
                .people
                .get(&me.id)
                .map_or(PhonePage::Unknown, |p| p.phone),
            _ => PhonePage::Unknown,
        }
    }

    /// Whether a waiting call rings for me in particular.
    pub fn is_mine(&self, card: &Card) -> bool {
        let Some(me) = &self.me else { return false };
        match &card.place.at {
            At::Queued { alert, .. } => *alert == Some(me.id),
            At::Ringing { users, .. } => users.contains(&me.id),
            At::Transferring { to, .. } => *to == me.id.to_string(),
            _ => false,
        }
    }

    /// Whether that is me.
    pub fn is_me(&self, user: UserId) -> bool {
        self.me.as_ref().is_some_and(|m| m.id == user)
    }
}

/// Nobody's call: what they say of themselves, unless their phone says otherwise.
fn resting(person: &Person) -> State {
    match (person.status.presence, person.online, person.phone) {
        (Presence::Dnd, ..) => State::Dnd,
        (Presence::Offline, ..) => State::Offline,
        (_, Online::Offline, _) => State::Gone,
        // A page that is heard of is a connection, whatever else is not known.
        (_, Online::Unknown, PhonePage::Unreachable | PhonePage::Unknown) => State::Unknown,
        (Presence::Away, ..) => State::Away,
        (.., PhonePage::Unreachable) => State::Unreachable,
        (.., PhonePage::Unknown) => State::Unknown,
        (Presence::Busy, _, PhonePage::Ready) => State::Busy,
        (Presence::Available, _, PhonePage::Ready) => State::Available,
    }
}
