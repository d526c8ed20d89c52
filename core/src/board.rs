//! What a console sees: one projection, shared by server and console.
//!
//! A [`Card`] is what everybody may see of a call who may see who is calling; [`Card::redacted`] is what a wall may
//! show. A [`Board`] holds the cards that are not
//! over, the people, the slots and the queues; [`Board::apply`] takes the next delta and no other. Who is busy
//! and which slot is taken is derived from the cards, never stored twice. [`Board::drop_on`] says what dropping
//! a card on something would do: the console previews with it, the server checks again.
//!
//! Nothing here knows a socket, a terminal or the time. Read next: [`crate::wire`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{CallId, GroupId, Language, QueueId, Rev, SafeText, SlotId, Timestamp, UserId},
    machine::PhonePage,
    wire::{Change, Delta, PersonPresence},
};

mod card;
mod drop;

pub use card::{At, Card, CardLeg, CardPlace, CardUndo};
pub use drop::{Drop, DropTarget};

/// A person, as everybody sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Person {
    /// Who.
    pub id: UserId,
    /// Their extension.
    pub extension: SafeText,
    /// Their name.
    pub name: SafeText,
    /// Their client identity at the carrier.
    pub identity: SafeText,
    /// What they say of themselves.
    #[serde(flatten)]
    pub status: Status,
    /// Whether they are connected.
    #[serde(default)]
    pub online: Online,
    /// Their phone page.
    pub phone: PhonePage,
    /// The groups they belong to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupId>,
    /// The languages they speak, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<Language>,
    /// Whether a fallback number rings when their page is not there.
    #[serde(default)]
    pub fallback: bool,
    /// The calls they are with or that ring for them. Derived: filled in where a board is serialised.
    #[serde(default)]
    pub calls: Vec<CallId>,
}

/// What a person says of themselves, whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Status {
    /// In one word.
    pub presence: Presence,
    /// In their own.
    #[serde(
        default,
        rename = "presence_text",
        skip_serializing_if = "SafeText::is_empty"
    )]
    pub text: SafeText,
    /// When they mean to be back. It may be over: then they are late, and nobody has said more.
    #[serde(default, rename = "back_at", skip_serializing_if = "Option::is_none")]
    pub back_at: Option<Timestamp>,
}

impl Status {
    /// What a wall may show of it: that they are away, and until when. Why is between them and the desk.
    #[must_use]
    pub fn redacted(self) -> Self {
        Self {
            text: SafeText::default(),
            ..self
        }
    }

    /// Whether calls that look for them should pass their page by.
    pub const fn quiet(&self) -> bool {
        matches!(self.presence, Presence::Dnd | Presence::Offline)
    }
}

/// Whether a person is connected, with a console or a phone page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Online {
    /// They are.
    Online,
    /// They are not.
    Offline,
    /// Nobody can say: the server has just started, or their connection has been silent for long.
    #[default]
    Unknown,
}

/// What a person says of themselves, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// Here.
    #[default]
    Available,
    /// Not at the desk.
    Away,
    /// Here, and busy.
    Busy,
    /// Do not disturb.
    Dnd,
    /// Signed off.
    Offline,
}

/// A group of people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// What it is called.
    pub name: SafeText,
}

/// A parking slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Slot {
    /// Its id, which is what people say.
    pub id: SlotId,
    /// What it is called.
    pub name: SafeText,
    /// The call in it. Derived.
    #[serde(default)]
    pub call: Option<CallId>,
    /// When that call rings back. Derived.
    #[serde(default)]
    pub deadline: Option<Timestamp>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Queue {
    /// Its id.
    pub id: QueueId,
    /// What it is called.
    pub name: SafeText,
    /// The calls that wait there, longest first. Derived.
    #[serde(default)]
    pub calls: Vec<CallId>,
}

impl Person {
    /// Without what is derived.
    fn plain(self) -> Self {
        Self {
            calls: Vec::new(),
            ..self
        }
    }

    /// What a wall may show of them.
    #[must_use]
    pub fn redacted(self) -> Self {
        Self {
            status: self.status.redacted(),
            ..self
        }
    }

    /// How they are reached right now, as it travels.
    pub fn presence(&self) -> PersonPresence {
        PersonPresence {
            id: self.id,
            phone: self.phone,
            online: self.online,
            status: self.status.clone(),
        }
    }
}

impl Slot {
    /// Without what is derived.
    fn plain(self) -> Self {
        Self {
            call: None,
            deadline: None,
            ..self
        }
    }
}

impl Queue {
    /// Without what is derived.
    fn plain(self) -> Self {
        Self {
            calls: Vec::new(),
            ..self
        }
    }
}

/// A whole board, as it travels and as `board --json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Snapshot {
    /// Which life of the board.
    pub epoch: String,
    /// Its revision.
    pub rev: Rev,
    /// Everybody, by extension.
    pub people: Vec<Person>,
    /// Every call that is not over, oldest first.
    pub calls: Vec<Card>,
    /// Every slot.
    pub slots: Vec<Slot>,
    /// Every queue.
    pub queues: Vec<Queue>,
    /// Every group, in the order of the house.
    #[serde(default)]
    pub groups: Vec<Group>,
}

impl Snapshot {
    /// What a wall may show of it.
    #[must_use]
    pub fn redacted(mut self) -> Self {
        self.calls = self.calls.into_iter().map(Card::redacted).collect();
        self.people = self.people.into_iter().map(Person::redacted).collect();
        self
    }
}

/// Why a delta was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap {
    /// Revisions between are missing.
    Missing,
    /// It belongs to another life of the board.
    Foreign,
}

/// The board.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Board {
    /// Which life of the board.
    pub epoch: String,
    /// Its revision.
    pub rev: Rev,
    /// Everybody.
    pub people: BTreeMap<UserId, Person>,
    /// Every slot, in the order of the desk. `call` and `deadline` are not kept here: see [`Board::in_slot`].
    pub slots: Vec<Slot>,
    /// Every queue.
    pub queues: Vec<Queue>,
    /// Every group.
    pub groups: Vec<Group>,
    /// The calls that are not over.
    pub calls: BTreeMap<CallId, Card>,
    digest: u64,
}

impl Board {
    /// A board from a snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        let calls: BTreeMap<_, _> = snapshot
            .calls
            .into_iter()
            .filter(|c| !c.ended())
            .map(|c| (c.id, c))
            .collect();
        let digest = calls
            .values()
            .fold(0_u64, |sum, c| sum.wrapping_add(c.digest()));
        Self {
            epoch: snapshot.epoch,
            rev: snapshot.rev,
            people: snapshot
                .people
                .into_iter()
                .map(|p| (p.id, p.plain()))
                .collect(),
            slots: snapshot.slots.into_iter().map(Slot::plain).collect(),
            queues: snapshot.queues.into_iter().map(Queue::plain).collect(),
            groups: snapshot.groups,
            calls,
            digest,
        }
    }

    /// The board as it travels, with what is derived filled in.
    pub fn snapshot(&self) -> Snapshot {
        let mut calls: Vec<Card> = self.calls.values().cloned().collect();
        calls.sort_by_key(|c| (c.since, c.id));
        let mut of_person: BTreeMap<UserId, Vec<CallId>> = BTreeMap::new();
        for card in &calls {
            for user in card.concerns() {
                of_person.entry(user).or_default().push(card.id);
            }
        }
        let mut people: Vec<Person> = self
            .people
            .values()
            .map(|p| Person {
                calls: of_person.remove(&p.id).unwrap_or_default(),
                ..p.clone()
            })
            .collect();
        people.sort_by(|a, b| (&a.extension, a.id).cmp(&(&b.extension, b.id)));
        Snapshot {
            epoch: self.epoch.clone(),
            rev: self.rev,
            people,
            slots: self.slots.iter().map(|s| self.filled_slot(s)).collect(),
            queues: self.queues.iter().map(|q| self.filled_queue(q)).collect(),
            groups: self.groups.clone(),
            calls,
        }
    }

    /// Takes the next change. One that was already taken is passed over (`Ok(false)`); one too far ahead, or of
    /// another life, is a gap that a snapshot mends.
    pub fn apply(&mut self, delta: &Delta) -> Result<bool, Gap> {
        if delta.at.epoch != self.epoch {
            return Err(Gap::Foreign);
        }
        if delta.at.rev <= self.rev {
            return Ok(false);
        }
        if delta.at.rev != self.rev + 1 {
            return Err(Gap::Missing);
        }
        self.rev = delta.at.rev;
        match &delta.change {
            Change::Call(card) => self.put((**card).clone()),
            Change::Person(person) => self.put_person((**person).clone()),
            Change::PersonGone(user) => {
                self.people.remove(user);
            }
            Change::Slots(slots) => self.slots = slots.iter().cloned().map(Slot::plain).collect(),
            Change::Queues(queues) => {
                self.queues = queues.iter().cloned().map(Queue::plain).collect();
            }
            Change::Groups(groups) => self.groups.clone_from(groups),
        }
        Ok(true)
    }

    /// Enters a person, or brings them up to date. How somebody known is reached right now is the presence's to
    /// say, and is newer there.
    fn put_person(&mut self, person: Person) {
        let person = person.plain();
        match self.people.get_mut(&person.id) {
            Some(known) => {
                *known = Person {
                    status: std::mem::take(&mut known.status),
                    online: known.online,
                    phone: known.phone,
                    ..person
                };
            }
            None => {
                self.people.insert(person.id, person);
            }
        }
    }

    fn put(&mut self, card: Card) {
        let added = if card.ended() { 0 } else { card.digest() };
        let old = if card.ended() {
            self.calls.remove(&card.id)
        } else {
            self.calls.insert(card.id, card)
        };
        let removed = old.map_or(0, |c| c.digest());
        self.digest = self.digest.wrapping_add(added).wrapping_sub(removed);
    }

    /// Takes news of people's phones and presence; returns whether anything is different.
    pub fn presence(&mut self, people: &[PersonPresence]) -> bool {
        let mut changed = false;
        for news in people {
            if let Some(person) = self.people.get_mut(&news.id) {
                let known = (person.phone, person.online) == (news.phone, news.online);
                changed |= !known || person.status != news.status;
                (person.phone, person.online) = (news.phone, news.online);
                person.status.clone_from(&news.status);
            }
        }
        changed
    }

    /// A sum over the cards, equal on two boards exactly when they show the same calls in the same revisions.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// What must hold on any board. The error is a sentence for whoever mends the server.
    pub fn check(&self) -> Result<(), String> {
        let mut seats: BTreeMap<UserId, CallId> = BTreeMap::new();
        let mut slots: BTreeMap<&SlotId, CallId> = BTreeMap::new();
        let mut digest = 0_u64;
        for (id, card) in &self.calls {
            if *id != card.id || card.ended() {
                return Err(format!("{id} is not a call of this board"));
            }
            digest = digest.wrapping_add(card.digest());
            let claimant = match card.place.at {
                At::Connecting { user } if card.kept.is_some() => Some(user),
                _ => None,
            };
            let here = card.legs.iter().filter(|l| l.here()).filter_map(|l| l.user);
            for user in here.chain(claimant) {
                if let Some(other) = seats.insert(user, *id) {
                    return Err(format!("{user} is in {other} and in {id} (I2)"));
                }
            }
            if let At::Parked { slot, .. } | At::Parking { slot, .. } = card.lies()
                && let Some(other) = slots.insert(slot, *id)
            {
                return Err(format!("{slot} holds {other} and {id} (I2)"));
            }
        }
        if digest != self.digest {
            return Err("the digest is not that of the cards".to_owned());
        }
        Ok(())
    }

    /// The call in a slot. It stays there until whoever fetches it has joined.
    pub fn in_slot(&self, slot: &SlotId) -> Option<&Card> {
        self.calls.values().find(|c| match c.lies() {
            At::Parked { slot: s, .. } | At::Parking { slot: s, .. } => s == slot,
            _ => false,
        })
    }

    /// The calls of a person: with them first, then those that ring for them; oldest first.
    pub fn calls_of(&self, user: UserId) -> impl Iterator<Item = &Card> {
        let mut calls: Vec<&Card> = self
            .calls
            .values()
            .filter(|c| c.concerns().contains(&user))
            .collect();
        calls.sort_by_key(|c| (!c.with.contains(&user), c.since, c.id));
        calls.into_iter()
    }

    /// The calls that wait at any desk, longest first.
    pub fn waiting(&self) -> Vec<&Card> {
        let mut calls: Vec<&Card> = self
            .calls
            .values()
            .filter(|c| matches!(c.place.at, At::Queued { .. } | At::Ringing { .. }))
            .collect();
        calls.sort_by_key(|c| (c.waits_since(), c.id));
        calls
    }

    /// The slot with what is derived filled in.
    pub fn filled_slot(&self, slot: &Slot) -> Slot {
        let card = self.in_slot(&slot.id);
        let deadline = card.and_then(|c| match &c.place.at {
            At::Parked { deadline, .. } | At::Parking { deadline, .. } => Some(*deadline),
            _ => None,
        });
        Slot {
            call: card.map(|c| c.id),
            deadline,
            ..slot.clone()
        }
    }

    /// The queue with what is derived filled in.
    pub fn filled_queue(&self, queue: &Queue) -> Queue {
        let calls = self
            .waiting()
            .into_iter()
            .filter(|c| matches!(&c.place.at, At::Queued { queue: q, .. } if *q == queue.id))
            .map(|c| c.id)
            .collect();
        Queue {
            calls,
            ..queue.clone()
        }
    }

    /// A person's name, or what stands for it.
    pub fn name(&self, user: UserId) -> String {
        self.people
            .get(&user)
            .map_or_else(|| user.to_string(), |p| p.name.to_string())
    }
}
