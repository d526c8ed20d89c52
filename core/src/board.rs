//! What a console sees: one projection, shared by server and console.
//!
//! A [`Card`] is what everybody who is signed in may see of a call. A [`Board`] holds the cards that are not over, the people, the slots and the
//! queues; [`Board::apply`] takes the next delta and no other. Who is busy and which slot is taken is derived from the cards, never stored
//! twice. [`Board::drop_on`] says what dropping a card on something would do: the console previews with it, the server checks again.
//!
//! Nothing here knows a socket, a terminal or the time. Read next: [`crate::wire`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    call::{Back, Call, Callee, Caller, Dialled, Direction, EndWhy, LegState, Line, Place, RingWhy, Role as LegRole},
    ids::{CallId, CallSid, LegId, Phone as Number, QueueId, Rev, SafeText, SlotId, Timestamp, UserId},
    machine::{Intent, PhonePage, Target},
    policy::{self, Actor, Standing},
    wire::{Delta, PersonPresence},
};

/// What is shown of a call. Serialises as the `call` of the command line's contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// Which call.
    pub id: CallId,
    /// Its revision.
    pub rev: Rev,
    /// The revision in which it last changed place or hands.
    pub moved: Rev,
    /// Where it is.
    pub place: CardPlace,
    /// The other party.
    pub caller: Caller,
    /// Who called whom.
    pub direction: Direction,
    /// The number that was dialled.
    pub to: Dialled,
    /// The people who are with it: talking, holding or joining.
    pub with: Vec<UserId>,
    /// When it began.
    pub since: Timestamp,
    /// Everybody's connections that have not ended.
    pub legs: Vec<CardLeg>,
    /// Who can take its last move back, and to what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<CardUndo>,
}

/// Where a call is. The -ing forms mean asked, not yet confirmed by the carrier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CardPlace {
    /// Since when.
    pub since: Timestamp,
    /// Which.
    #[serde(flatten)]
    pub at: At,
}

/// The kinds of place, with what belongs to each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum At {
    /// Waiting at a desk.
    Queued {
        /// Which.
        queue: QueueId,
        /// For whose attention, if it came back for somebody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alert: Option<UserId>,
    },
    /// Ringing for people.
    Ringing {
        /// Those it still rings for.
        users: Vec<UserId>,
        /// `new`, `returned`, `park-expired` or `reconnect`.
        why: String,
        /// When the next stop is tried.
        deadline: Timestamp,
    },
    /// An outgoing call that nobody has taken yet.
    Dialling {
        /// Who dialled.
        user: UserId,
        /// Whom.
        to: Dialled,
    },
    /// Accepted, not yet joined.
    Connecting {
        /// By whom.
        user: UserId,
    },
    /// Together.
    Talking {
        /// Our people.
        users: Vec<UserId>,
    },
    /// Hold asked.
    Holding {
        /// By whom.
        user: UserId,
        /// When it rings back.
        deadline: Timestamp,
    },
    /// Hold confirmed.
    Held {
        /// By whom.
        user: UserId,
        /// When it rings back.
        deadline: Timestamp,
    },
    /// Park asked.
    Parking {
        /// Where.
        slot: SlotId,
        /// By whom.
        by: UserId,
        /// When it rings back.
        deadline: Timestamp,
        /// What was written on it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<SafeText>,
    },
    /// Park confirmed.
    Parked {
        /// Where.
        slot: SlotId,
        /// By whom.
        by: UserId,
        /// When it rings back.
        deadline: Timestamp,
        /// What was written on it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<SafeText>,
    },
    /// Sent on, not taken yet.
    Transferring {
        /// By whom; it returns to them.
        from: UserId,
        /// To whom: a user id or a number.
        to: String,
        /// When it returns.
        deadline: Timestamp,
    },
    /// Over.
    Ended {
        /// How.
        why: EndWhy,
    },
}

/// What is shown of a leg.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CardLeg {
    /// Which.
    pub id: LegId,
    /// The carrier's name for it.
    pub sid: Option<CallSid>,
    /// `customer`, `person` or `outside`.
    pub role: String,
    /// The person.
    pub user: Option<UserId>,
    /// The number.
    pub number: Option<Number>,
    /// How far it has come.
    pub state: LegState,
    /// Confirmed held.
    pub held: bool,
    /// Confirmed muted by the server. A person's own mute is known to their page only.
    pub muted: bool,
}

/// Who can take the last move back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardUndo {
    /// Who moved it.
    pub by: UserId,
    /// What it goes back to, in a word: `talking`, `queued`, `parked`, `held`.
    pub to: String,
}

/// A person, as everybody sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    pub presence: Presence,
    /// Their phone page.
    pub phone: PhonePage,
    /// Whether a fallback number rings when their page is not there.
    #[serde(default)]
    pub fallback: bool,
    /// The calls they are with or that ring for them. Derived: filled in where a board is serialised.
    #[serde(default)]
    pub calls: Vec<CallId>,
}

/// What a person says of themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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

/// A parking slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
pub struct Queue {
    /// Its id.
    pub id: QueueId,
    /// What it is called.
    pub name: SafeText,
    /// The calls that wait there, longest first. Derived.
    #[serde(default)]
    pub calls: Vec<CallId>,
}

/// A whole board, as it travels and as `board --json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
}

impl Card {
    /// What is shown of `call`.
    pub fn of(call: &Call) -> Self {
        let mut with: Vec<UserId> = call.seats().map(|(u, _)| u).collect();
        if let Place::Held { by, .. } = &call.place
            && !with.contains(by)
        {
            with.push(*by);
        }
        let at = At::of(call);
        let since = match (&at, &call.claim) {
            (At::Connecting { .. }, Some(claim)) => claim.since,
            _ => call.since,
        };
        Self {
            id: call.id,
            rev: call.rev,
            moved: call.moved,
            place: CardPlace { since, at },
            caller: call.caller.clone(),
            direction: call.direction,
            to: call.to.clone(),
            with,
            since: call.arrived,
            legs: call
                .legs
                .iter()
                .filter(|l| l.alive())
                .map(|l| CardLeg {
                    id: call.id.leg(l.n),
                    sid: l.sid.clone(),
                    role: match l.role {
                        LegRole::Customer => "customer",
                        LegRole::Person(_) => "person",
                        LegRole::Outside(_) => "outside",
                    }
                    .to_owned(),
                    user: l.user(),
                    number: match (&l.role, &l.line) {
                        (LegRole::Customer, _) => call.caller.number.clone(),
                        (LegRole::Outside(number), _) => Some(number.clone()),
                        // A colleague's private number is nobody else's business.
                        (LegRole::Person(_), Line::Telephone(_) | Line::Page | Line::Inbound) => None,
                    },
                    state: l.state(),
                    held: l.hold.is(),
                    muted: false,
                })
                .collect(),
            undo: call.undo.as_ref().map(|u| CardUndo {
                by: u.by,
                to: match &u.to {
                    Back::With { .. } => "talking",
                    Back::Place { place } => match **place {
                        Place::Queued { .. } => "queued",
                        Place::Parked { .. } => "parked",
                        Place::Held { .. } => "held",
                        _ => "ringing",
                    },
                }
                .to_owned(),
            }),
        }
    }

    /// What `user` is to this call, as far as a card can say. Agrees with [`Standing::of`] on the call.
    pub fn standing(&self, user: UserId) -> Standing {
        let mut standing = Standing {
            own: self.with.contains(&user) || self.undo.as_ref().is_some_and(|u| u.by == user),
            emergency: matches!(self.to, Dialled::Emergency(_)),
            ..Standing::default()
        };
        match &self.place.at {
            At::Ringing { users, .. } => standing.offered = users.contains(&user),
            At::Dialling { user: by, .. } | At::Holding { user: by, .. } | At::Held { user: by, .. } => {
                standing.own |= *by == user;
            }
            At::Parking { by, .. } | At::Parked { by, .. } => {
                standing.own |= *by == user;
                standing.open = true;
            }
            At::Transferring { from, to, .. } => {
                standing.own |= *from == user;
                standing.offered = *to == user.to_string();
            }
            At::Queued { .. } | At::Connecting { .. } | At::Talking { .. } | At::Ended { .. } => {}
        }
        standing
    }

    /// Whether it is over.
    pub fn ended(&self) -> bool {
        matches!(self.place.at, At::Ended { .. })
    }

    /// The caller's name, or number, or that there is neither.
    pub fn title(&self) -> &str {
        let caller = &self.caller;
        match (&caller.name, &caller.number) {
            (Some(name), _) if !name.is_empty() => name.as_str(),
            (_, Some(number)) => number.as_str(),
            _ => "number withheld",
        }
    }

    /// The people to whom it is a concern: with it, or rung for it.
    pub fn concerns(&self) -> Vec<UserId> {
        let mut users = self.with.clone();
        match &self.place.at {
            At::Ringing { users: rung, .. } => users.extend(rung),
            At::Transferring { to, .. } => users.extend(to.parse::<UserId>()),
            _ => {}
        }
        users.sort_unstable();
        users.dedup();
        users
    }

    fn digest(&self) -> u64 {
        // A card's id and revision identify its content; the sum over all cards is kept incrementally.
        let bits = self.id.bits();
        #[expect(clippy::cast_possible_truncation, reason = "both halves of the id are folded in")]
        let seed = (bits as u64) ^ ((bits >> 64) as u64) ^ self.rev.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The finaliser of SplitMix64: every input bit reaches every output bit.
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl At {
    fn of(call: &Call) -> Self {
        let held = call.at_rest();
        if let Some(claim) = &call.claim {
            return Self::Connecting { user: claim.user };
        }
        match &call.place {
            Place::Queued { queue, alert } => Self::Queued { queue: queue.clone(), alert: *alert },
            Place::Ringing { why: RingWhy::Transfer { from }, offers, deadline, .. } => Self::Transferring {
                from: *from,
                to: offers
                    .first()
                    .map(|o| match &o.to {
                        Callee::User(u) => u.to_string(),
                        Callee::Outside(n) => n.to_string(),
                    })
                    .unwrap_or_default(),
                deadline: *deadline,
            },
            Place::Ringing { offers, why, deadline, .. } => Self::Ringing {
                users: offers
                    .iter()
                    .filter(|o| o.over.is_none())
                    .filter_map(|o| match o.to {
                        Callee::User(u) => Some(u),
                        Callee::Outside(_) => None,
                    })
                    .collect(),
                why: match why {
                    RingWhy::New | RingWhy::Transfer { .. } => "new",
                    RingWhy::Returned => "returned",
                    RingWhy::ParkExpired => "park-expired",
                    RingWhy::Reconnect => "reconnect",
                }
                .to_owned(),
                deadline: *deadline,
            },
            Place::Dialling { user } => Self::Dialling { user: *user, to: call.to.clone() },
            Place::Talking if call.customer().hold.is() => match call.company().find_map(crate::call::Leg::user) {
                // Together, but the unhold is not confirmed: nobody hears anybody yet.
                Some(user) => Self::Connecting { user },
                None => Self::Talking { users: Vec::new() },
            },
            Place::Talking => Self::Talking { users: call.company().filter_map(crate::call::Leg::user).collect() },
            Place::Held { by, deadline, .. } if held => Self::Held { user: *by, deadline: *deadline },
            Place::Held { by, deadline, .. } => Self::Holding { user: *by, deadline: *deadline },
            Place::Parked { slot, by, deadline, note, .. } => {
                let (slot, by, deadline, note) = (slot.clone(), *by, *deadline, note.clone());
                if held {
                    Self::Parked { slot, by, deadline, note }
                } else {
                    Self::Parking { slot, by, deadline, note }
                }
            }
            Place::Ended { why } => Self::Ended { why: *why },
        }
    }

    /// The word for it, as in the contract.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::Ringing { .. } => "ringing",
            Self::Dialling { .. } => "dialling",
            Self::Connecting { .. } => "connecting",
            Self::Talking { .. } => "talking",
            Self::Holding { .. } => "holding",
            Self::Held { .. } => "held",
            Self::Parking { .. } => "parking",
            Self::Parked { .. } => "parked",
            Self::Transferring { .. } => "transferring",
            Self::Ended { .. } => "ended",
        }
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
    /// The calls that are not over.
    pub calls: BTreeMap<CallId, Card>,
    digest: u64,
}

impl Board {
    /// A board from a snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        let calls: BTreeMap<_, _> = snapshot.calls.into_iter().filter(|c| !c.ended()).map(|c| (c.id, c)).collect();
        let digest = calls.values().fold(0_u64, |sum, c| sum.wrapping_add(c.digest()));
        Self {
            epoch: snapshot.epoch,
            rev: snapshot.rev,
            people: snapshot.people.into_iter().map(|p| (p.id, Person { calls: Vec::new(), ..p })).collect(),
            slots: snapshot.slots.into_iter().map(|s| Slot { call: None, deadline: None, ..s }).collect(),
            queues: snapshot.queues.into_iter().map(|q| Queue { calls: Vec::new(), ..q }).collect(),
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
            .map(|p| Person { calls: of_person.remove(&p.id).unwrap_or_default(), ..p.clone() })
            .collect();
        people.sort_by(|a, b| (&a.extension, a.id).cmp(&(&b.extension, b.id)));
        Snapshot {
            epoch: self.epoch.clone(),
            rev: self.rev,
            people,
            slots: self.slots.iter().map(|s| self.filled_slot(s)).collect(),
            queues: self.queues.iter().map(|q| self.filled_queue(q)).collect(),
            calls,
        }
    }

    /// Takes the next change. One that was already taken is passed over (`Ok(false)`); one too far ahead, or of another life, is a gap
    /// that a snapshot mends.
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
        self.put(delta.call.clone());
        Ok(true)
    }

    fn put(&mut self, card: Card) {
        let added = if card.ended() { 0 } else { card.digest() };
        let old = if card.ended() { self.calls.remove(&card.id) } else { self.calls.insert(card.id, card) };
        let removed = old.map_or(0, |c| c.digest());
        self.digest = self.digest.wrapping_add(added).wrapping_sub(removed);
    }

    /// Takes news of people's phones and presence; returns whether anything is different.
    pub fn presence(&mut self, people: &[PersonPresence]) -> bool {
        let mut changed = false;
        for news in people {
            if let Some(person) = self.people.get_mut(&news.id) {
                changed |= (person.phone, person.presence) != (news.phone, news.presence);
                (person.phone, person.presence) = (news.phone, news.presence);
            }
        }
        changed
    }

    /// A sum over the cards, equal on two boards exactly when they show the same calls in the same revisions.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// The call in a slot.
    pub fn in_slot(&self, slot: &SlotId) -> Option<&Card> {
        self.calls.values().find(|c| match &c.place.at {
            At::Parked { slot: s, .. } | At::Parking { slot: s, .. } => s == slot,
            _ => false,
        })
    }

    /// The calls of a person: with them first, then those that ring for them; oldest first.
    pub fn calls_of(&self, user: UserId) -> impl Iterator<Item = &Card> {
        let mut calls: Vec<&Card> = self.calls.values().filter(|c| c.concerns().contains(&user)).collect();
        calls.sort_by_key(|c| (!c.with.contains(&user), c.since, c.id));
        calls.into_iter()
    }

    /// The calls that wait at any desk, longest first.
    pub fn waiting(&self) -> Vec<&Card> {
        let mut calls: Vec<&Card> =
            self.calls.values().filter(|c| matches!(c.place.at, At::Queued { .. } | At::Ringing { .. })).collect();
        calls.sort_by_key(|c| (c.since, c.id));
        calls
    }

    /// The slot with what is derived filled in.
    pub fn filled_slot(&self, slot: &Slot) -> Slot {
        let card = self.in_slot(&slot.id);
        let deadline = card.and_then(|c| match &c.place.at {
            At::Parked { deadline, .. } | At::Parking { deadline, .. } => Some(*deadline),
            _ => None,
        });
        Slot { call: card.map(|c| c.id), deadline, ..slot.clone() }
    }

    /// The queue with what is derived filled in.
    pub fn filled_queue(&self, queue: &Queue) -> Queue {
        let calls = self
            .waiting()
            .into_iter()
            .filter(|c| matches!(&c.place.at, At::Queued { queue: q, .. } if *q == queue.id))
            .map(|c| c.id)
            .collect();
        Queue { calls, ..queue.clone() }
    }

    /// A person's name, or what stands for it.
    pub fn name(&self, user: UserId) -> String {
        self.people.get(&user).map_or_else(|| user.to_string(), |p| p.name.to_string())
    }
}

/// What a card can be dropped on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DropTarget {
    /// A person's tile.
    Person(UserId),
    /// A parking slot.
    Slot(SlotId),
    /// One's own line: answer it, fetch it, resume it.
    Me,
    /// A telephone number (typed, or a contact's).
    Number(Number),
}

/// What dropping would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Drop {
    /// It would do this; the sentence says so.
    Do(Intent, String),
    /// There is more than one thing to do.
    Choose(Vec<(Intent, String)>),
    /// It can't be done; the sentence says why.
    No(String),
}

impl Board {
    /// What dropping `call` on `target` would do, said by `me`. The server asks the machine again: at the same revision what is `Do` here is accepted there, and
    /// what is `No` is refused.
    pub fn drop_on(&self, me: Actor, call: CallId, target: &DropTarget) -> Drop {
        let Some(card) = self.calls.get(&call) else {
            return Drop::No("That call is over.".to_owned());
        };
        let (intent, sentence) = match self.intent_for(me, card, target) {
            Ok(found) => found,
            Err(why) => return Drop::No(why),
        };
        match policy::may(me, &intent, card.standing(me.user)) {
            Ok(()) => Drop::Do(intent, sentence),
            Err(why) => Drop::No(why.to_owned()),
        }
    }

    fn intent_for(&self, me: Actor, card: &Card, target: &DropTarget) -> Result<(Intent, String), String> {
        let who = card.title();
        let at = &card.place.at;
        if let At::Connecting { user } = at {
            return Err(if *user == me.user {
                format!("{who} is being connected to you. Wait a moment.")
            } else {
                format!("{} has just taken {who}.", self.name(*user))
            });
        }
        match target {
            DropTarget::Me => match at {
                At::Parked { slot, .. } => Ok((Intent::Retrieve, format!("fetch {who} from {slot}"))),
                At::Parking { slot, .. } => Ok((Intent::Retrieve, format!("fetch {who} back from {slot}"))),
                At::Held { user, .. } | At::Holding { user, .. } if *user == me.user => {
                    Ok((Intent::Resume, format!("resume {who}")))
                }
                At::Held { user, .. } | At::Holding { user, .. } => {
                    Err(format!("{} holds {who}.", self.name(*user)))
                }
                At::Queued { .. } | At::Ringing { .. } => Ok((Intent::Answer, format!("answer {who}"))),
                At::Transferring { from, .. } if *from == me.user => {
                    Ok((Intent::TakeBack, format!("take {who} back")))
                }
                At::Transferring { to, .. } if *to == me.user.to_string() => {
                    Ok((Intent::Answer, format!("answer {who}")))
                }
                At::Transferring { from, .. } => Err(format!("{} is sending {who} on.", self.name(*from))),
                At::Talking { .. } if card.with.contains(&me.user) => Err(format!("You are talking to {who}.")),
                At::Talking { users } => Err(match users.first() {
                    Some(user) => format!("{} is talking to {who}.", self.name(*user)),
                    None => format!("{who} is talking to an outside number."),
                }),
                At::Dialling { .. } => Err(format!("{who} has not answered yet.")),
                At::Connecting { .. } | At::Ended { .. } => Err("That call is over.".to_owned()),
            },
            DropTarget::Slot(slot) => {
                self.can_move(me, card)?;
                if !self.slots.iter().any(|s| s.id == *slot) {
                    return Err(format!("There is no slot {slot}."));
                }
                match self.in_slot(slot) {
                    Some(there) if there.id == card.id => Err(format!("{who} is parked in {slot} already.")),
                    Some(there) => Err(format!("{slot} is taken by {}.", there.title())),
                    None => Ok((
                        Intent::Park { slot: Some(slot.clone()), note: None },
                        format!("park {who} in {slot}"),
                    )),
                }
            }
            DropTarget::Person(user) if *user == me.user => self.intent_for(me, card, &DropTarget::Me),
            DropTarget::Person(user) => {
                self.can_move(me, card)?;
                let Some(person) = self.people.get(user) else {
                    return Err("Nobody works here under that name.".to_owned());
                };
                if card.with.contains(user) {
                    return Err(format!("{} has {who} already.", person.name));
                }
                match (person.phone, person.fallback) {
                    (PhonePage::Unreachable, false) => {
                        return Err(format!("{} cannot be reached: no phone page, no fallback number.", person.name));
                    }
                    (PhonePage::Unknown, false) => {
                        return Err(format!("Nobody knows whether {}'s phone is there. Try again in a moment.", person.name));
                    }
                    _ => {}
                }
                let mut sentence = format!("send {who} to {}, back to you if unanswered", person.name);
                if person.phone != PhonePage::Ready {
                    sentence = format!("ring {}'s fallback number for {who}, back to you if unanswered", person.name);
                }
                Ok((Intent::Transfer { to: Target::User(*user) }, sentence))
            }
            DropTarget::Number(number) => {
                self.can_move(me, card)?;
                Ok((
                    Intent::Transfer { to: Target::Number(number.clone()) },
                    format!("send {who} to {number}, back to you if unanswered"),
                ))
            }
        }
    }

    /// Whether a card can be moved at all: the refusals that parking and sending have in common.
    fn can_move(&self, me: Actor, card: &Card) -> Result<(), String> {
        let who = card.title();
        match &card.place.at {
            At::Dialling { .. } => Err(format!("{who} has not answered yet.")),
            At::Transferring { from, .. } if *from != me.user => {
                Err(format!("{} is sending {who} on.", self.name(*from)))
            }
            At::Transferring { .. } => Err(format!("You are sending {who} on. Take it back first.")),
            At::Held { user, .. } | At::Holding { user, .. } if *user != me.user => {
                Err(format!("{} holds {who}.", self.name(*user)))
            }
            At::Talking { users } if users.is_empty() => Err(format!("{who} is talking to an outside number.")),
            At::Ended { .. } => Err("That call is over.".to_owned()),
            _ => Ok(()),
        }
    }
}
