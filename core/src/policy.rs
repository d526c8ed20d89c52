//! Who may do what to a call: the only authorisation rule.
//!
//! It is asked at the moment of the change, on the call as it is then (the server), and beforehand for the sake
//! of the preview (the console). It must not look at anything but the actor, the intent and the call.

use serde::{Deserialize, Serialize};

use crate::{
    call::{Call, Place},
    ids::UserId,
    machine::Intent,
};

/// What a person is here to do. Each may do what those after it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs the place.
    Admin,
    /// Answers for the desk.
    Supervisor,
    /// Works the switchboard: answers anything that waits, moves other people's calls.
    Operator,
    /// Works their own calls, and what is offered to them.
    Agent,
    /// Looks.
    ReadOnly,
}

impl Role {
    /// Whether this role works the switchboard.
    pub const fn works_the_desk(self) -> bool {
        matches!(self, Self::Admin | Self::Supervisor | Self::Operator)
    }
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// The person.
    pub user: UserId,
    /// Their role at this moment.
    pub role: Role,
}

/// Whose call it is, as far as rights go: what both a stored call and a card can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// They are in it, hold it, parked it, sent it, or have accepted it.
    pub own: bool,
    /// It rings for them.
    pub offered: bool,
    /// It lies in a slot or is otherwise anybody's to fetch.
    pub open: bool,
    /// It is a call for help.
    pub emergency: bool,
}

impl Standing {
    /// What `user` is to `call`.
    pub fn of(user: UserId, call: &Call) -> Self {
        use crate::call::{Callee, RingWhy};
        let (mut own, mut offered) = (call.seats().any(|(u, _)| u == user), false);
        match &call.place {
            Place::Ringing { offers, why, .. } => {
                let sent = matches!(why, RingWhy::Transfer { .. });
                offered = offers
                    .iter()
                    .any(|o| (sent || o.over.is_none()) && o.to == Callee::User(user));
                own |= matches!(why, RingWhy::Transfer { from } if *from == user);
            }
            Place::Held { by, .. } | Place::Parked { by, .. } | Place::Dialling { user: by } => {
                own |= *by == user;
            }
            Place::Queued { .. } | Place::Talking | Place::Ended { .. } => {}
        }
        own |= call.undo.as_ref().is_some_and(|u| u.by == user);
        Self {
            own,
            offered,
            open: call.slot().is_some(),
            emergency: call.emergency(),
        }
    }
}

/// Whether `actor` may do `intent` to a call in which they have that standing. The error is a sentence.
pub fn may(actor: Actor, intent: &Intent, standing: Standing) -> Result<(), &'static str> {
    if actor.role == Role::ReadOnly {
        return Err("You can look at the board, but not work calls.");
    }
    if standing.emergency && !(standing.own && *intent == Intent::Hangup) {
        return Err(
            "This is an emergency call. Nobody may hold, move or end it but the person who made it.",
        );
    }
    if actor.role.works_the_desk() || standing.own || standing.offered {
        return Ok(());
    }
    match intent {
        Intent::Answer | Intent::Retrieve if standing.open => Ok(()),
        Intent::Answer | Intent::Retrieve => {
            Err("This call is not offered to you. Ask an operator to send it.")
        }
        _ => Err("This is somebody else's call. Operators may move it."),
    }
}
