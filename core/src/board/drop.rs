//! What dropping a card on something would do.
//!
//! The console previews with it; the server asks the machine again. Both must come to the same answer at the
//! same revision, and refuse in the same words ([`crate::say`]); the tests hold them together. So this file
//! asks in the machine's order: what is meant, whether the person may, whether the call can be moved, and last
//! whether it has somewhere to go.

use super::{At, Board, Card, CardUndo, Person};
use crate::{
    call::Direction,
    ids::{CallId, Phone, SlotId, UserId},
    machine::{Intent, PhonePage, Refusal, Target},
    policy::{self, Act, Actor},
    say,
};

/// What a card can be dropped on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DropTarget {
    /// A person's tile.
    Person(UserId),
    /// A parking slot.
    Slot(SlotId),
    /// One's own line: answer it, fetch it, resume it, take it back.
    Me,
    /// A telephone number (typed, or a contact's).
    Number(Phone),
}

/// What dropping would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drop {
    /// It would do this; the sentence says so.
    Do(Intent, String),
    /// There is more than one thing to do.
    Choose(Vec<(Intent, String)>),
    /// It can't be done; the sentence says why.
    No(Refusal),
}

impl Board {
    /// What dropping `call` on `target` would do, said by `me`. The server asks the machine again: at the same
    /// revision what is `Do` here is accepted there, and what is `No` is refused.
    pub fn drop_on(&self, me: Actor, call: CallId, target: &DropTarget) -> Drop {
        let Some(card) = self.calls.get(&call) else {
            return Drop::No(say::OVER.into());
        };
        let intent = card.meant(me.user, target);
        if let Err(why) = policy::may(me, Act::Call(&intent, card.standing(me.user))) {
            return Drop::No(why.into());
        }
        if let Some(why) = self.refusal(me.user, card, &intent) {
            return Drop::No(why);
        }
        let sentence = self.would(card, &intent);
        Drop::Do(intent, sentence)
    }

    /// Why the machine would not do `intent` to `card` for `me`.
    fn refusal(&self, me: UserId, card: &Card, intent: &Intent) -> Option<Refusal> {
        let who = card.title();
        if let (At::Connecting { user }, Some(_)) = (&card.place.at, &card.kept) {
            let why = if *user == me {
                say::connecting(who)
            } else {
                say::taken(&self.name(*user), who)
            };
            return Some(why.into());
        }
        let at = card.lies();
        let why = match intent {
            Intent::Answer | Intent::Retrieve | Intent::Resume => match at {
                At::Dialling { .. } => say::not_answered(who),
                At::Held { user, .. } | At::Holding { user, .. } if *user != me => {
                    say::holds(&self.name(*user), who)
                }
                At::Transferring { to, from, .. } if *to != me.to_string() => {
                    say::sending(&self.name(*from), who)
                }
                At::Talking { .. } | At::Connecting { .. } => self.taken_by(me, card),
                // Whoever holds it from inside the room needs no other way in.
                At::Held { .. } | At::Holding { .. } if card.here(me) => return None,
                _ => return self.cannot_join(me, card),
            },
            Intent::TakeBack => match &card.undo {
                Some(undo) if undo.with == Some(me) => return self.cannot_join(me, card),
                Some(undo) => {
                    let taken = undo
                        .slot
                        .as_ref()
                        .is_some_and(|slot| self.in_slot(slot).is_some_and(|c| c.id != card.id));
                    let full = self.slots.iter().all(|s| self.in_slot(&s.id).is_some());
                    (taken && full).then(|| say::SLOTS_GONE.to_owned())?
                }
                None => "There is nothing to take back.".to_owned(),
            },
            Intent::Park {
                slot: Some(slot), ..
            } => self.cannot_move(me, card).or_else(|| {
                if !self.slots.iter().any(|s| s.id == *slot) {
                    return Some(say::no_slot(slot.as_str()));
                }
                let there = self.in_slot(slot)?;
                Some(if there.id == card.id {
                    say::parked_already(who, slot.as_str())
                } else {
                    say::slot_taken(slot.as_str(), there.title())
                })
            })?,
            Intent::Transfer {
                to: Target::User(user),
            } => self
                .cannot_move(me, card)
                .or_else(|| self.cannot_ring(*user, card))?,
            Intent::Transfer {
                to: Target::Number(number),
            } => self.cannot_move(me, card).or_else(|| {
                let back = card.direction == Direction::In && card.to.number() == Some(number);
                let own = card.caller.number.as_ref() == Some(number);
                own.then(|| say::OWN_NUMBER.to_owned())
                    .or_else(|| back.then(|| say::LOOP.to_owned()))
            })?,
            Intent::Park { slot: None, .. }
            | Intent::Hold
            | Intent::Decline { .. }
            | Intent::Hangup => return None,
        };
        Some(why.into())
    }

    /// Who talks to the caller, said to `me`.
    fn taken_by(&self, me: UserId, card: &Card) -> String {
        let who = card.title();
        match card.legs.iter().filter(|l| l.here()).find_map(|l| l.user) {
            _ if card.here(me) => say::you_talk(who),
            Some(user) => say::talks(&self.name(user), who),
            None => say::outside(who),
        }
    }

    /// Whether a card can be moved at all: the refusals that parking and sending have in common.
    fn cannot_move(&self, me: UserId, card: &Card) -> Option<String> {
        let who = card.title();
        match card.lies() {
            At::Dialling { .. } => Some(say::not_answered(who)),
            At::Transferring { from, .. } if *from == me => Some(say::you_send(who)),
            At::Transferring { from, .. } => Some(say::sending(&self.name(*from), who)),
            At::Held { user, .. } | At::Holding { user, .. } if *user != me => {
                Some(say::holds(&self.name(*user), who))
            }
            At::Talking { users } if users.is_empty() => Some(say::outside(who)),
            _ => None,
        }
    }

    /// Why a call cannot ring for `user`.
    fn cannot_ring(&self, user: UserId, card: &Card) -> Option<String> {
        if card.here(user) {
            return Some(say::has_already(&self.name(user), card.title()));
        }
        let Some(person) = self.people.get(&user) else {
            return Some(say::NOBODY.to_owned());
        };
        match (person.phone, person.fallback) {
            (_, false) if person.status.quiet() => Some(say::takes_no_calls(person.name.as_str())),
            (PhonePage::Unreachable, false) => Some(say::unreachable(person.name.as_str())),
            (PhonePage::Unknown, false) => Some(say::nobody_knows(person.name.as_str())),
            _ => None,
        }
    }

    /// Why `me` cannot come to `card`: no phone, or a call they cannot leave.
    fn cannot_join(&self, me: UserId, card: &Card) -> Option<Refusal> {
        if self
            .people
            .get(&me)
            .is_none_or(|p| p.phone != PhonePage::Ready)
        {
            return Some(Refusal::no_page());
        }
        let on_the_way = |c: &Card| {
            c.kept.is_some() && matches!(c.place.at, At::Connecting { user } if user == me)
        };
        let there = self
            .calls
            .values()
            .find(|c| c.id != card.id && (c.here(me) || on_the_way(c)))?;
        match there.lies() {
            _ if there.emergency() => Some(say::ON_EMERGENCY.into()),
            _ if on_the_way(there) => Some(say::ON_THE_WAY.into()),
            At::Dialling { .. } => Some(say::DIALLING.into()),
            _ => None,
        }
    }

    /// Whose call it was before somebody else moved it, if it would not ring for them now.
    fn passes_by(&self, undo: &CardUndo) -> Option<&Person> {
        let person = self
            .people
            .get(&undo.with.filter(|user| *user != undo.by)?)?;
        let rings = person.phone != PhonePage::Unreachable && !person.status.quiet();
        (!rings).then_some(person)
    }

    /// What `intent` would do to `card`, before it is done: the rest of a sentence, such as "park Rosa Diaz in P2".
    pub fn would(&self, card: &Card, intent: &Intent) -> String {
        let who = card.title();
        match (intent, card.lies()) {
            (Intent::Retrieve, At::Parking { slot, .. }) => format!("fetch {who} back from {slot}"),
            (Intent::Retrieve, At::Parked { slot, .. }) => format!("fetch {who} from {slot}"),
            (Intent::Resume, _) => format!("resume {who}"),
            (Intent::Hold, _) => format!("hold {who}"),
            (Intent::Hangup, _) => format!("hang up on {who}"),
            (Intent::Decline { .. }, _) => format!("decline {who}"),
            (Intent::Park { slot: None, .. }, _) => format!("park {who} in the first free slot"),
            (Intent::TakeBack, _) => match card.undo.as_ref().and_then(|u| self.passes_by(u)) {
                Some(person) => format!(
                    "take {who} back, to ring for you: {} cannot be rung at the moment",
                    person.name
                ),
                None => format!("take {who} back"),
            },
            (
                Intent::Park {
                    slot: Some(slot), ..
                },
                _,
            ) => format!("park {who} in {slot}"),
            (
                Intent::Transfer {
                    to: Target::User(user),
                },
                _,
            ) => match self.people.get(user) {
                Some(person) if person.phone != PhonePage::Ready || person.status.quiet() => {
                    format!(
                        "ring {}'s fallback number for {who}, back to you if unanswered",
                        person.name
                    )
                }
                _ => format!(
                    "send {who} to {}, back to you if unanswered",
                    self.name(*user)
                ),
            },
            (
                Intent::Transfer {
                    to: Target::Number(number),
                },
                _,
            ) => {
                format!("send {who} to {number}, back to you if unanswered")
            }
            (Intent::Answer | Intent::Retrieve, _) => format!("answer {who}"),
        }
    }
}

impl Card {
    /// What `me` means who drops this card there, whether or not it can be done.
    pub fn meant(&self, me: UserId, target: &DropTarget) -> Intent {
        match target {
            DropTarget::Slot(slot) => Intent::Park {
                slot: Some(slot.clone()),
                note: None,
            },
            DropTarget::Number(number) => Intent::Transfer {
                to: Target::Number(number.clone()),
            },
            DropTarget::Person(user) if *user != me => Intent::Transfer {
                to: Target::User(*user),
            },
            DropTarget::Person(_) | DropTarget::Me => match self.lies() {
                At::Parked { .. } | At::Parking { .. } => Intent::Retrieve,
                At::Held { user, .. } | At::Holding { user, .. } if *user == me => Intent::Resume,
                At::Transferring { from, .. } if *from == me => Intent::TakeBack,
                _ => Intent::Answer,
            },
        }
    }
}
