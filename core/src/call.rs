//! The nouns: a call, its legs, the place it is in, and the form in which it is stored.
//!
//! A [`Call`] is a record of decisions (its [`Place`], its claim, what each leg is wanted to do) and of facts
//! (when a leg joined, which wish the carrier has confirmed). Facts are kept so that they merge in any order:
//! moments only move earlier, confirmations only rise. [`Call::check`] states what must hold after every step;
//! it must not repair anything.
//!
//! The serde form of these types is the stored form. A release must read what every earlier one wrote, which
//! the golden files in the tests hold.
//!
//! Read next: [`crate::machine`].

use serde::{Deserialize, Serialize};

mod leg;
mod place;

pub use leg::{Leave, Leg, LegState, Line, Register, Role};
pub use place::{Back, Callee, EndWhy, NoWhy, Offer, Place, RingWhy, Stop, Undo, Via};

use crate::ids::{
    CallId, CallSid, ConferenceSid, Emergency, LegId, Malformed, Phone, Rev, SafeText, SlotId,
    Timestamp, UserId,
};

/// The number of the customer's leg, in every call.
pub const CUSTOMER: u16 = 0;

/// How many legs a call may have had. More than any honest call needs; a script that sends a call round for
/// ever meets it.
pub const MAX_LEGS: usize = 500;

/// How long an outgoing call may go unanswered, in milliseconds. The carrier gives up sooner; this is for when
/// it does not say so.
pub const DIAL_MS: i64 = 90_000;

/// One call: a customer, and everybody who has to do with them until it is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Its name, and the name of its room at the carrier.
    pub id: CallId,
    /// Counts accepted changes; the optimistic lock.
    pub rev: Rev,
    /// The `rev` of the last change of place or claim: what a hand that acts must have seen.
    pub moved: Rev,
    /// Who made that change, if a person did.
    pub moved_by: Option<UserId>,
    /// Who called whom.
    pub direction: Direction,
    /// The party at the other end, whichever of us dialled.
    pub caller: Caller,
    /// The number that was dialled: ours for an incoming call, theirs for an outgoing one.
    pub to: Dialled,
    /// When it began.
    pub arrived: Timestamp,
    /// When the customer and another party first heard each other. Ringing a machine is not an answer. Derived
    /// from the legs' moments, so it does not depend on the order in which they became known.
    pub answered: Option<Timestamp>,
    /// The conference it lives in.
    pub room: Room,
    /// Where it is.
    pub place: Place,
    /// Since when it is there.
    pub since: Timestamp,
    /// A person who has accepted it and has not joined yet. The place is kept until the join.
    pub claim: Option<Claim>,
    /// Everybody's connections, in the order of their numbers; none is ever removed.
    pub legs: Vec<Leg>,
    /// How the last transfer or park can be taken back.
    pub undo: Option<Undo>,
    /// When the carrier is next asked what is true, because something expected has not been seen.
    pub look: Option<Look>,
    /// Commands that were accepted and have not come true.
    pub errands: Vec<Errand>,
}

/// An accepted command on its way: it ends as done, failed or unknown, and exactly once (I4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// The command's id, as its sender chose it.
    pub command: Box<str>,
    /// Who sent it.
    pub by: UserId,
    /// What must come true.
    pub goal: Goal,
    /// When it counts as unknown.
    pub until: Timestamp,
}

/// What must come true for a command to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "goal", rename_all = "kebab-case")]
pub enum Goal {
    /// This person and the customer hear each other.
    Talk {
        /// Who.
        user: UserId,
    },
    /// The customer's hold is confirmed, or the call is safely where it was put.
    Rest,
    /// The party it was sent to rings.
    Ring,
    /// It rings again for this person, from whom it was sent on.
    RingAgain {
        /// Who.
        user: UserId,
    },
    /// The number that was dialled rings.
    RingOut,
    /// The customer's leg has ended.
    End,
    /// Nothing at the carrier: it is done with the commit.
    Said,
}

/// Which way a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// A customer rang one of our numbers.
    In,
    /// One of us dialled.
    Out,
}

/// What is known of the other party. All of it comes from outside and proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Caller {
    /// The name the network or the contacts gave.
    pub name: Option<SafeText>,
    /// The number, unless withheld.
    pub number: Option<Phone>,
}

impl Caller {
    /// The name, or the number, or that there is neither: what sentences call them.
    pub fn title(&self) -> &str {
        match (&self.name, &self.number) {
            (Some(name), _) if !name.is_empty() => name.as_str(),
            (_, Some(number)) => number.as_str(),
            _ => "number withheld",
        }
    }
}

/// What was dialled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Dialled {
    /// An ordinary number.
    Number(Phone),
    /// Help.
    Emergency(Emergency),
    /// A number that whoever looks may not see. No call is made to it.
    Withheld,
}

impl Dialled {
    const WITHHELD: &str = "withheld";

    /// The number, if it is an ordinary one.
    pub const fn number(&self) -> Option<&Phone> {
        match self {
            Self::Number(number) => Some(number),
            Self::Emergency(_) | Self::Withheld => None,
        }
    }
}

impl From<Dialled> for String {
    fn from(dialled: Dialled) -> Self {
        match dialled {
            Dialled::Number(n) => n.to_string(),
            Dialled::Emergency(e) => e.to_string(),
            Dialled::Withheld => Dialled::WITHHELD.to_owned(),
        }
    }
}

impl TryFrom<String> for Dialled {
    type Error = Malformed;
    fn try_from(text: String) -> Result<Self, Malformed> {
        match Emergency::recognise(&text) {
            _ if text == Self::WITHHELD => Ok(Self::Withheld),
            Some(e) if !text.starts_with('+') => Ok(Self::Emergency(e)),
            _ => Phone::read(&text).map(Self::Number),
        }
    }
}

/// The conference at the carrier.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Room {
    /// The carrier's name for it, once anybody was seen in it. A join under another SID is a stray and is hung
    /// up.
    pub sid: Option<ConferenceSid>,
    /// Whether a second participant has ever joined. Before that nothing can be held, and the wait document is
    /// what the caller hears.
    pub started: bool,
    /// When it ended at the carrier.
    pub ended: Option<Timestamp>,
    /// Whose leaving ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<CallSid>,
}

/// An accept that has not become a join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Who accepted.
    pub user: UserId,
    /// The leg they are to join as.
    pub leg: u16,
    /// When they accepted.
    pub since: Timestamp,
    /// When the claim lapses.
    pub until: Timestamp,
    /// What was left of the place's deadline, in milliseconds: it is paused meanwhile.
    pub left: Option<i64>,
}

/// The next question to the carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// How often it was asked in vain.
    pub tries: u8,
}

/// Two parties together for a while: what history calls a talk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Talk {
    /// The leg that talked with the customer.
    pub leg: LegId,
    /// The person, if it was one of us.
    pub user: Option<UserId>,
    /// From when.
    pub from: Timestamp,
    /// Until when; none while it goes on.
    pub to: Option<Timestamp>,
}

impl Call {
    /// The leg with that number.
    pub fn leg(&self, n: u16) -> Option<&Leg> {
        self.legs.get(usize::from(n))
    }

    pub(crate) fn leg_mut(&mut self, n: u16) -> Option<&mut Leg> {
        self.legs.get_mut(usize::from(n))
    }

    /// The customer's leg.
    pub fn customer(&self) -> &Leg {
        &self.legs[usize::from(CUSTOMER)]
    }

    /// Whether it is over.
    pub const fn ended(&self) -> bool {
        matches!(self.place, Place::Ended { .. })
    }

    /// Whether it is a call for help, which nobody else may hold, move or end.
    pub const fn emergency(&self) -> bool {
        matches!(self.to, Dialled::Emergency(_))
    }

    /// The parties who are with the customer and shall stay.
    pub fn company(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter().filter(|l| l.n != CUSTOMER && l.here())
    }

    /// The person's leg that is in the room and shall stay.
    pub fn leg_of(&self, user: UserId) -> Option<&Leg> {
        self.legs
            .iter()
            .rev()
            .find(|l| l.user() == Some(user) && l.here())
    }

    /// Whether their page has left the customer behind, who waits for them to come back.
    pub fn reconnects(&self, user: UserId) -> bool {
        matches!(&self.place, Place::Ringing { why: RingWhy::Reconnect, offers, .. }
            if offers.iter().any(|o| o.to == Callee::User(user)))
    }

    /// The people whose one seat this call takes, each with the leg: claims, and living legs that are not
    /// ordered away.
    pub fn seats(&self) -> impl Iterator<Item = (UserId, u16)> {
        let claimed = self.claim.iter().map(|c| (c.user, c.leg));
        let here = self
            .legs
            .iter()
            .filter(|l| l.here())
            .filter_map(|l| l.user().map(|u| (u, l.n)));
        claimed.chain(here)
    }

    /// Whether the customer is confirmed to hear nobody: held, or alone in a room that has never started.
    pub fn at_rest(&self) -> bool {
        // The start may be news that has not come: anybody else in the room counts for more.
        let alone = || {
            self.legs
                .iter()
                .skip(1)
                .all(|l| l.state() != LegState::Joined)
        };
        (!self.room.started && alone())
            || (self.customer().hold.settled() && self.customer().hold.is())
    }

    /// The slot it takes.
    pub fn slot(&self) -> Option<&SlotId> {
        match &self.place {
            Place::Parked { slot, .. } => Some(slot),
            _ => None,
        }
    }

    /// When the present place runs out.
    pub fn deadline(&self) -> Option<Timestamp> {
        match &self.place {
            Place::Ringing { deadline, .. }
            | Place::Held { deadline, .. }
            | Place::Parked { deadline, .. } => Some(*deadline),
            _ => None,
        }
    }

    pub(crate) fn deadline_mut(&mut self) -> Option<&mut Timestamp> {
        match &mut self.place {
            Place::Ringing { deadline, .. }
            | Place::Held { deadline, .. }
            | Place::Parked { deadline, .. } => Some(deadline),
            _ => None,
        }
    }

    /// When an outgoing call that nobody takes counts as unanswered.
    pub(crate) fn dialled_until(&self) -> Option<Timestamp> {
        // A call for help is given up by nobody but its caller.
        let dials = matches!(self.place, Place::Dialling { .. }) && !self.emergency();
        dials.then(|| self.since.plus(DIAL_MS))
    }

    /// When the machine next wants to be told the time. Stored beside the call: a deadline that outlives the
    /// process, and cannot go stale.
    pub fn due(&self) -> Option<Timestamp> {
        // A claim pauses the deadline of the place.
        let place = match &self.claim {
            Some(claim) => Some(claim.until),
            None => self.deadline().or_else(|| self.dialled_until()),
        };
        let errand = self.errands.iter().map(|e| e.until).min();
        [place, self.look.map(|l| l.at), errand]
            .into_iter()
            .flatten()
            .min()
    }

    /// Everybody whose reachability the next step may depend on.
    pub fn people(&self) -> Vec<UserId> {
        let of_stops = |stops: &[Stop]| -> Vec<UserId> {
            stops
                .iter()
                .flat_map(|s| match s {
                    Stop::Ring { users, .. } => users.clone(),
                    Stop::Queue { .. } => Vec::new(),
                })
                .collect()
        };
        let mut all: Vec<UserId> = self.legs.iter().filter_map(Leg::user).collect();
        all.extend(self.claim.iter().map(|c| c.user));
        all.extend(self.moved_by);
        all.extend(self.undo.iter().map(|u| u.by));
        match &self.place {
            Place::Ringing {
                offers, why, then, ..
            } => {
                all.extend(offers.iter().filter_map(|o| match o.to {
                    Callee::User(u) => Some(u),
                    Callee::Outside(_) => None,
                }));
                if let RingWhy::Transfer { from } = why {
                    all.push(*from);
                }
                all.extend(of_stops(then));
            }
            Place::Held { by, then, .. } | Place::Parked { by, then, .. } => {
                all.push(*by);
                all.extend(of_stops(then));
            }
            Place::Dialling { user } => all.push(*user),
            Place::Queued { alert, .. } => all.extend(*alert),
            Place::Talking | Place::Ended { .. } => {}
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Who talked with the customer, and when: a function of the legs' moments and the customer's hold log, so
    /// it does not depend on the order in which they became known.
    pub fn talks(&self) -> Vec<Talk> {
        let customer = self.customer();
        // A join whose news was lost is known by what came before it; a read that makes up for it comes seconds
        // later. Who called us is in the room before anybody is let in to them, so there the earlier of the two
        // is as good.
        let came = match self.direction {
            Direction::In => earlier(customer.joined, customer.picked_up),
            Direction::Out => customer.joined.or(customer.picked_up),
        };
        let Some(came) = came else {
            return Vec::new();
        };
        // The spans in which the customer was not held.
        let mut open = Vec::new();
        let mut from = Some(came);
        for (wish, at) in &customer.hold.log {
            match (wish % 2 == 1, from) {
                (true, Some(start)) => {
                    open.push((start, Some(*at)));
                    from = None;
                }
                (false, None) => from = Some(*at),
                _ => {}
            }
        }
        open.extend(from.map(|start| (start, customer.gone)));
        let mut talks: Vec<Talk> = self
            .legs
            .iter()
            .filter(|l| l.n != CUSTOMER)
            .flat_map(|l| {
                let leg = self.id.leg(l.n);
                // A page joins as soon as its document was fetched, which we saw to the millisecond: the carrier
                // tells a join to the second, and one that is known by the leave only was some time before.
                let joined = match (&l.line, l.joined, l.gone) {
                    (Line::Page, Some(joined), Some(gone)) if joined >= gone => {
                        earlier(l.joined, l.picked_up)
                    }
                    (Line::Page, Some(_), _) => l.joined.max(l.picked_up),
                    (_, joined, _) => joined,
                };
                let left = earlier(l.gone, customer.gone);
                open.iter().filter_map(move |(start, end)| {
                    let from = (*start).max(joined?);
                    let to = earlier(*end, left);
                    (to.is_none_or(|to| to > from)).then(|| Talk {
                        leg,
                        user: l.user(),
                        from,
                        to,
                    })
                })
            })
            .collect();
        talks.sort_by_key(|t| (t.from, t.leg));
        talks
    }

    /// What must hold after every step. The error is a sentence for whoever mends the machine.
    pub fn check(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{}: {what}", self.id));
        if self.legs.is_empty()
            || self
                .legs
                .iter()
                .enumerate()
                .any(|(i, l)| usize::from(l.n) != i)
        {
            return wrong("legs are not numbered from 0");
        }
        if !matches!(self.customer().role, Role::Customer)
            || self.legs.iter().skip(1).any(|l| l.role == Role::Customer)
        {
            return wrong("leg 0, and only leg 0, is the customer's");
        }
        if self.legs.len() > MAX_LEGS {
            return wrong("too many legs");
        }
        if self.moved > self.rev {
            return wrong("moved in a revision that has not been");
        }
        // I2 within a call: a person has at most one leg that is there to stay.
        let mut seats: Vec<UserId> = self.seats().map(|(u, _)| u).collect();
        seats.sort_unstable();
        if seats.windows(2).any(|w| w[0] == w[1]) {
            return wrong("a person has two legs (I2)");
        }
        if let Some(claim) = &self.claim {
            let leg = self.leg(claim.leg);
            if matches!(self.place, Place::Ended { .. } | Place::Talking) {
                return wrong("a call that is over, or talks, is claimed (I7)");
            }
            if leg.is_none_or(|l| l.user() != Some(claim.user) || !l.alive() || l.joined.is_some())
            {
                return wrong("the claim's leg is not one that can still join");
            }
        }
        if self.ended() && self.legs.iter().any(|l| l.alive() && l.leave.is_none()) {
            return wrong("a call that is over keeps a leg (I7)");
        }
        if self
            .legs
            .iter()
            .any(|l| l.hold.done > l.hold.wish || l.ends_room.done > l.ends_room.wish)
        {
            return wrong("something was confirmed that nobody wished");
        }
        let stays = |leg: &Leg| match &self.place {
            Place::Talking => true,
            Place::Held { by, .. } | Place::Dialling { user: by } => leg.user() == Some(*by),
            _ => false,
        };
        if !self.company().all(stays) {
            return wrong("a party stays in a call that is not with them");
        }
        match &self.place {
            Place::Talking if self.company().next().is_none() => {
                return wrong("the customer is said to talk, and nobody is with them");
            }
            Place::Dialling { user } if self.claim.is_none() && self.leg_of(*user).is_none() => {
                return wrong("it is being dialled, and the dialler is not there");
            }
            _ => {}
        }
        if self.undo.is_some()
            && !matches!(
                self.place,
                Place::Parked { .. }
                    | Place::Ringing {
                        why: RingWhy::Transfer { .. },
                        ..
                    }
            )
        {
            return wrong("something can be taken back that was not moved");
        }
        if let Place::Ringing { offers, .. } = &self.place
            && self.claim.is_none()
            && offers.iter().all(|o| o.over.is_some())
        {
            return wrong("it rings, and nobody is left to be rung");
        }
        Ok(())
    }
}

/// The earlier of two moments, of which either may not have come.
pub(crate) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
