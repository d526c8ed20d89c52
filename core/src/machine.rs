//! The verbs: how a call moves.
//!
//! Two questions are asked of a call. [`Call::observe`] takes a fact, something that has happened: it is total, and the worst it says is
//! "ignored, because". [`Call::command`] takes an intent, something a person wants: it answers with a [`Step`] or with a [`Refusal`], a sentence a person can act on.
//!
//! Neither does anything. A step is the call as it is afterwards, and the [`Effect`]s that should follow in the world. Whoever commits the step commits the
//! effects with it. The last thing in every step is `settle`: it compares what the legs are wanted to be with what was asked
//! of the carrier, and asks for the difference. Families of verbs only change wishes and places; they ask for nothing themselves.
//!
//! The machine must not know the time (it is in the [`Context`]), who may do what ([`crate::policy`]), or what a console shows.
//!
//! Read next: `machine/claim.rs` (accepting a call), `route.rs` (ringing and what comes after), `transfer.rs`, `park.rs`, `facts.rs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    call::{
        CUSTOMER, Call, Caller, Dialled, Direction, EndWhy, Errand, Goal, Leave, Leg, Line, Look, Place, Role, Room, Stop, Via,
    },
    ids::{CallId, CallSid, ConferenceSid, LegId, Malformed, Phone, QueueId, SafeText, SlotId, Timestamp, UserId},
};

mod claim;
mod facts;
mod park;
mod route;
mod transfer;

pub use facts::{Fact, InRoom, LegSeen, LegStatus, Reading, RoomSeen};

/// What a person wants of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "intent", rename_all = "kebab-case")]
pub enum Intent {
    /// Take it: from the queue, or because it rings.
    Answer,
    /// Not me.
    Decline {
        /// Because they are on another call.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        busy: bool,
    },
    /// Keep it aside for myself.
    Hold,
    /// Go on with a call that I hold.
    Resume,
    /// Put it into a slot, where anyone may fetch it.
    Park {
        /// Which; none: the first free one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slot: Option<SlotId>,
        /// A note for whoever fetches it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<SafeText>,
    },
    /// Fetch it from its slot.
    Retrieve,
    /// Send it on, without asking first; it returns if nobody takes it.
    Transfer {
        /// To whom.
        to: Target,
    },
    /// Undo the last transfer or park.
    TakeBack,
    /// End it.
    Hangup,
}

/// Somebody a call can be sent to. Serialises as a user id or a number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Target {
    /// One of us.
    User(UserId),
    /// Anybody with a telephone.
    Number(Phone),
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        match target {
            Target::User(user) => user.to_string(),
            Target::Number(number) => number.to_string(),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = Malformed;
    fn try_from(text: String) -> Result<Self, Malformed> {
        match text.parse() {
            Ok(user) => Ok(Self::User(user)),
            Err(_) => Phone::read(&text).map(Self::Number),
        }
    }
}

/// Whether somebody's phone page can be rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhonePage {
    /// It has said so within the last seconds.
    Ready,
    /// It has not.
    Unreachable,
    /// Nobody can say, for instance just after a start.
    #[default]
    Unknown,
}

/// What a step may depend on beside the call: gathered by whoever asks, as plain data.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The time.
    pub now: Timestamp,
    /// Everybody the call or the intent names.
    pub people: BTreeMap<UserId, Reach>,
    /// How this desk works.
    pub desk: Desk,
    /// A slot that is free, if any is.
    pub free_slot: Option<SlotId>,
    /// The slots that are taken by other calls, with who is in them.
    pub taken: BTreeMap<SlotId, SafeText>,
}

/// How a person can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Their name, for sentences.
    pub name: SafeText,
    /// Their phone page.
    pub page: PhonePage,
    /// Their living leg, or the claim they have made, in whichever call.
    pub seat: Option<LegId>,
    /// The number that rings when the page is not there.
    pub fallback: Option<Phone>,
}

/// How a desk works: its deadlines in milliseconds, and where calls go that nobody takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desk {
    /// Where a call waits in the end.
    pub queue: QueueId,
    /// Who is tried after the sender.
    pub second: Vec<UserId>,
    /// How long a person rings.
    pub ring_ms: i64,
    /// How long the sender of a returned call rings.
    pub return_ms: i64,
    /// How long a call may lie in a slot.
    pub park_ms: i64,
    /// How long a call may be held.
    pub hold_ms: i64,
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            queue: "desk".parse().expect("a valid queue name"),
            second: Vec::new(),
            ring_ms: 20_000,
            return_ms: 15_000,
            park_ms: 90_000,
            hold_ms: 120_000,
        }
    }
}

/// How long a claim lasts before it lapses.
pub const CLAIM_MS: i64 = 4_000;
/// How long a claim lasts whose leg first has to leave another call.
pub const SWITCH_MS: i64 = 8_000;
/// What a paused deadline resumes with at least.
pub const RESUME_MS: i64 = 15_000;
/// How long an accepted command may take before nobody knows.
pub const ERRAND_MS: i64 = 15_000;
/// How long a request whose answer was lost is looked for before it counts as never made.
pub const SETTLE_MS: i64 = 10_000;

/// Something that should happen at the carrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
pub enum Effect {
    /// Make a leg be what it is wanted to be. Repeatable; what is sent is what is wanted at the time of sending.
    Set {
        /// Which leg.
        leg: u16,
        /// In what respect.
        what: Aspect,
    },
    /// End a leg. Repeatable.
    HangUp {
        /// Which connection.
        sid: CallSid,
    },
    /// Let a living leg of this call join another call. Repeatable.
    Redirect {
        /// Which connection.
        sid: CallSid,
        /// As which leg of the other call.
        to: LegId,
    },
    /// Dial a person's telephone, which is asked for a key. Once only.
    Dial {
        /// As which leg.
        leg: u16,
        /// The number.
        to: Phone,
    },
    /// Dial an outside party straight into the room. Once only.
    Invite {
        /// As which leg.
        leg: u16,
        /// The number.
        to: Phone,
    },
    /// Do not send the dial or invite of this leg, if it has not been sent.
    Cancel {
        /// Which leg.
        leg: u16,
    },
    /// Ask the carrier what is true of this call.
    Look,
}

/// What can be set on a leg again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aspect {
    /// Isolated, with music.
    Hold,
    /// The room ends when it leaves.
    EndsRoom,
}

impl Effect {
    /// Whether sending it twice does no harm.
    pub const fn repeatable(&self) -> bool {
        !matches!(self, Self::Dial { .. } | Self::Invite { .. })
    }
}

/// What came of an accepted command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The command.
    pub command: Box<str>,
    /// Who sent it.
    pub by: UserId,
    /// How it ended.
    pub result: Finish,
}

/// How an accepted command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The carrier has confirmed it.
    Done,
    /// It will not come true; a sentence says why.
    Failed(String),
    /// Nobody can say.
    Unknown,
}

/// Why a fact changed nothing. For the log, and for the reader of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// It says what is known already.
    Known,
    /// It is about a leg this call never had.
    ForeignLeg,
    /// It is about another connection than the one this leg has.
    ForeignSid,
    /// It is about another life of the room; its leg is ended.
    ForeignRoom,
    /// It is too late to matter.
    Late,
}

/// A call after a fact or an intent, and what should follow.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The call as it is now. Its `rev` is one higher if anything changed.
    pub call: Call,
    /// What should happen at the carrier, in this order.
    pub effects: Vec<Effect>,
    /// The commands that have ended.
    pub outcomes: Vec<Outcome>,
    /// Another call that must be set aside for this one, in the same transaction: [`Call::set_aside`].
    pub aside: Option<Aside>,
    /// Why a fact changed nothing.
    pub ignored: Option<Ignored>,
}

impl Step {
    /// Whether there is anything to commit.
    pub fn changed(&self, before: &Call) -> bool {
        self.call.rev != before.rev
    }
}

/// The leg that has to leave its call, and the leg it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aside {
    /// Where the person is now.
    pub from: LegId,
    /// Where they go.
    pub to: LegId,
}

/// Why an intent was not taken: a sentence a person can act on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

impl From<&str> for Refusal {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self(why)
    }
}

/// Who acts, and under which command id: with an id, the outcome is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// The person.
    pub user: UserId,
    /// Their command's id.
    pub command: Option<Box<str>>,
}

impl Context {
    fn reach(&self, user: UserId) -> Reach {
        self.people.get(&user).cloned().unwrap_or_else(|| Reach { name: user.to_string().as_str().into(), ..Reach::default() })
    }

    fn name(&self, user: UserId) -> String {
        self.people.get(&user).map_or_else(|| user.to_string(), |r| r.name.to_string())
    }
}

impl Call {
    /// An incoming call, as the leg `sid`, to be taken along `route`.
    pub fn arrive(id: CallId, sid: CallSid, caller: Caller, to: Phone, route: &[Stop], ctx: &Context) -> Step {
        let mut customer = Leg::new(CUSTOMER, Role::Customer, Line::Inbound);
        customer.sid = Some(sid);
        customer.picked_up = Some(ctx.now);
        let mut draft = Draft::new(Self::blank(id, Direction::In, caller, Dialled::Number(to), customer, ctx.now));
        draft.go(route, ctx);
        draft.settle(ctx)
    }

    /// An outgoing call that `by` makes: their page joins the room, then the number is rung.
    pub fn dial(id: CallId, by: &By, to: Phone, ctx: &Context) -> Result<Step, Refusal> {
        let caller = Caller { name: None, number: Some(to.clone()) };
        let customer = Leg::new(CUSTOMER, Role::Customer, Line::Telephone(to.clone()));
        let mut draft = Draft::new(Self::blank(id, Direction::Out, caller, Dialled::Number(to), customer, ctx.now));
        draft.call.place = Place::Dialling { user: by.user };
        draft.claim(by.user, ctx)?;
        draft.errand(by, Goal::RingOut, ctx);
        Ok(draft.settle(ctx))
    }

    fn blank(id: CallId, direction: Direction, caller: Caller, to: Dialled, customer: Leg, now: Timestamp) -> Self {
        Self {
            id,
            rev: 0,
            moved: 0,
            moved_by: None,
            direction,
            caller,
            to,
            arrived: now,
            answered: None,
            room: Room::default(),
            place: Place::Talking,
            since: now,
            claim: None,
            legs: vec![customer],
            undo: None,
            look: None,
            errands: Vec::new(),
        }
    }

    /// Takes a fact that became true at `at`. Never fails.
    pub fn observe(&self, fact: &Fact, at: Timestamp, ctx: &Context) -> Step {
        let mut draft = Draft::new(self.clone());
        draft.observe(fact, at, ctx);
        draft.settle(ctx)
    }

    /// Does what a person wants, or says why not. Rights are not asked here: see [`crate::policy::may`].
    pub fn command(&self, by: &By, intent: &Intent, ctx: &Context) -> Result<Step, Refusal> {
        if self.ended() {
            return Err("That call is over.".into());
        }
        let mut draft = Draft::new(self.clone());
        let goal = match intent {
            Intent::Answer => draft.answer(by.user, ctx)?,
            Intent::Retrieve => draft.retrieve(by.user, ctx)?,
            Intent::Resume => draft.resume(by.user, ctx)?,
            Intent::Decline { busy } => draft.decline(by.user, *busy, ctx)?,
            Intent::Hold => draft.hold(by.user, ctx)?,
            Intent::Park { slot, note } => draft.park(by.user, slot.as_ref(), note.clone(), ctx)?,
            Intent::Transfer { to } => draft.transfer(by.user, to, ctx)?,
            Intent::TakeBack => draft.take_back(by.user, ctx)?,
            Intent::Hangup => draft.hang_up(ctx),
        };
        draft.call.moved_by = Some(by.user);
        draft.errand(by, goal, ctx);
        Ok(draft.settle(ctx))
    }

    /// Puts this call aside because `by` goes to another one: the second half of a switch, committed with the first.
    pub fn set_aside(&self, by: UserId, aside: Aside, ctx: &Context) -> Result<Step, Refusal> {
        let mut draft = Draft::new(self.clone());
        draft.set_aside(by, aside, ctx)?;
        draft.call.moved_by = Some(by);
        Ok(draft.settle(ctx))
    }
}

/// A call being changed, and what has been asked for so far.
struct Draft {
    before: Call,
    call: Call,
    effects: Vec<Effect>,
    outcomes: Vec<Outcome>,
    aside: Option<Aside>,
    ignored: Option<Ignored>,
}

impl Draft {
    fn new(call: Call) -> Self {
        Self { before: call.clone(), call, effects: Vec::new(), outcomes: Vec::new(), aside: None, ignored: None }
    }

    fn place(&mut self, place: Place, since: Timestamp) {
        self.call.place = place;
        self.call.since = since;
    }

    fn end(&mut self, why: EndWhy, at: Timestamp) {
        if !self.call.ended() {
            self.withdraw_offers(None);
            self.call.claim = None;
            self.call.undo = None;
            self.place(Place::Ended { why }, at);
        }
    }

    fn hang_up(&mut self, ctx: &Context) -> Goal {
        self.end(EndWhy::HungUp, ctx.now);
        Goal::End
    }

    fn errand(&mut self, by: &By, goal: Goal, ctx: &Context) {
        if let Some(command) = &by.command {
            let (command, by, until) = (command.clone(), by.user, ctx.now.plus(ERRAND_MS));
            self.call.errands.push(Errand { command, by, goal, until });
        }
    }

    fn new_leg(&mut self, role: Role, line: Line) -> u16 {
        let n = u16::try_from(self.call.legs.len()).expect("a call has fewer than 65,536 legs");
        self.call.legs.push(Leg::new(n, role, line));
        n
    }

    /// Orders a leg away. It goes when nobody is left in silence by it.
    fn dismiss(&mut self, n: u16, to: Option<LegId>) {
        if let Some(leg) = self.call.leg_mut(n)
            && leg.alive()
            && leg.leave.is_none()
        {
            leg.leave = Some(Leave { to, asked: false });
        }
    }

    /// Turns wishes into requests, and keeps the books. The last thing in every step.
    fn settle(mut self, ctx: &Context) -> Step {
        self.call_next_telephones(ctx);
        self.hold_or_release();
        self.flag_telephones();
        self.see_off(ctx);
        self.ask_outside(ctx);
        self.schedule_look(ctx);
        self.settle_errands(ctx);
        if self.call != self.before {
            self.call.rev = self.before.rev + 1;
            if (&self.call.place, &self.call.claim) != (&self.before.place, &self.before.claim) || self.before.rev == 0 {
                self.call.moved = self.call.rev;
            }
        }
        debug_assert_eq!(self.call.check(), Ok(()), "after {:?}", self.before.place);
        Step {
            call: self.call,
            effects: self.effects,
            outcomes: self.outcomes,
            aside: self.aside,
            ignored: self.ignored,
        }
    }

    /// The customer is held exactly while nobody is to be with them. Before the room has started there is nothing to hold: the wait document is what they hear.
    fn hold_or_release(&mut self) {
        let want = match self.call.place {
            Place::Queued { .. } | Place::Ringing { .. } | Place::Held { .. } | Place::Parked { .. } => true,
            Place::Talking | Place::Dialling { .. } | Place::Ended { .. } => false,
        };
        let (started, ended) = (self.call.room.started, self.call.ended());
        let customer = &mut self.call.legs[usize::from(CUSTOMER)];
        if started && !ended && customer.alive() && customer.joined.is_some() && customer.hold.want(want) {
            self.effects.push(Effect::Set { leg: CUSTOMER, what: Aspect::Hold });
        }
    }

    /// A telephone that leaves has hung up, so the room may end with it, even while we are down. A page that leaves may have died, and its caller is to come back.
    fn flag_telephones(&mut self) {
        let alone = self.call.company().count() == 1;
        let talking = matches!(self.call.place, Place::Talking);
        let here: Vec<u16> = self.call.company().filter(|l| matches!(l.line, Line::Telephone(_))).map(|l| l.n).collect();
        for n in here {
            if let Some(leg) = self.call.leg_mut(n)
                && leg.ends_room.want(alone && talking)
            {
                self.effects.push(Effect::Set { leg: n, what: Aspect::EndsRoom });
            }
        }
    }

    /// Lets legs go that were ordered away, once the customer is not left in silence by it.
    fn see_off(&mut self, ctx: &Context) {
        if self.call.ended() {
            for n in 0..self.call.legs.len() {
                self.dismiss(u16::try_from(n).expect("legs are few"), None);
            }
        }
        let customer = self.call.customer();
        let safe = self.call.ended()
            || !customer.alive()
            || customer.joined.is_none()
            || self.call.at_rest()
            || self.call.company().next().is_some();
        for leg in &mut self.call.legs {
            let in_room = leg.joined.is_some();
            let (Some(leave), true) = (&mut leg.leave, leg.gone.is_none()) else { continue };
            if leave.asked || (in_room && !safe) {
                continue;
            }
            match (&leg.sid, leave.to) {
                (Some(sid), Some(to)) => self.effects.push(Effect::Redirect { sid: sid.clone(), to }),
                (Some(sid), None) => self.effects.push(Effect::HangUp { sid: sid.clone() }),
                // It may be on its way: when its SID becomes known, it is ended.
                (None, _) if leg.asked.is_some() => self.effects.push(Effect::Cancel { leg: leg.n }),
                // Nothing was ever asked of the carrier.
                (None, _) => leg.gone = Some(ctx.now),
            }
            leave.asked = true;
        }
    }

    /// Dials outside parties, once the room is known.
    fn ask_outside(&mut self, ctx: &Context) {
        let Some(_room) = &self.call.room.sid else { return };
        let dialler_is_here = match self.call.place {
            Place::Dialling { user } => self.call.leg_of(user).is_some(),
            _ => false,
        };
        let ringing: Vec<u16> = match &self.call.place {
            Place::Ringing { offers, .. } => offers
                .iter()
                .filter_map(|o| match o.via {
                    Via::Leg(n) if o.over.is_none() => Some(n),
                    _ => None,
                })
                .collect(),
            _ => Vec::new(),
        };
        for leg in &mut self.call.legs {
            let wanted = match leg.role {
                Role::Outside(_) => ringing.contains(&leg.n),
                Role::Customer => dialler_is_here,
                Role::Person(_) => false,
            };
            let Line::Telephone(to) = &leg.line else { continue };
            if wanted && leg.asked.is_none() && leg.alive() && leg.leave.is_none() {
                leg.asked = Some(ctx.now);
                self.effects.push(Effect::Invite { leg: leg.n, to: to.clone() });
            }
        }
    }

    /// While anything expected has not been seen, the carrier is asked: after 1.5 s, then 3 s, then every 6 s.
    fn schedule_look(&mut self, ctx: &Context) {
        let call = &self.call;
        let unmet = call.claim.is_some()
            || (call.room.sid.is_none() && !call.ended())
            || call.legs.iter().any(|l| {
                l.alive()
                    && (l.leave.is_some()
                        || !l.hold.settled()
                        || !l.ends_room.settled()
                        || (l.asked.is_some() && l.sid.is_none()))
            });
        self.call.look = match (unmet, self.call.look) {
            (false, _) => None,
            (true, None) => Some(Look { at: ctx.now.plus(1_500), tries: 0 }),
            (true, Some(look)) if look.at <= ctx.now => {
                self.effects.push(Effect::Look);
                let wait = if look.tries == 0 { 3_000 } else { 6_000 };
                Some(Look { at: ctx.now.plus(wait), tries: look.tries.saturating_add(1) })
            }
            (true, waiting) => waiting,
        };
    }

    fn settle_errands(&mut self, ctx: &Context) {
        let errands = std::mem::take(&mut self.call.errands);
        for errand in errands {
            let result = self.progress(errand.goal).or_else(|| (errand.until <= ctx.now).then_some(Finish::Unknown));
            match result {
                Some(result) => {
                    self.outcomes.push(Outcome { command: errand.command, by: errand.by, result });
                }
                None => self.call.errands.push(errand),
            }
        }
    }

    /// Whether a goal is reached, or out of reach.
    fn progress(&self, goal: Goal) -> Option<Finish> {
        let call = &self.call;
        if goal == Goal::End {
            return (!call.customer().alive() || call.legs.iter().all(|l| !l.alive())).then_some(Finish::Done);
        }
        if let Place::Ended { why } = call.place {
            return Some(Finish::Failed(
                match why {
                    EndWhy::NoAnswer => "Nobody answered.",
                    EndWhy::Busy => "The number is engaged.",
                    EndWhy::Failed => "The call could not be set up.",
                    EndWhy::Abandoned | EndWhy::CallerLeft => "The caller hung up.",
                    EndWhy::HungUp => "The call was ended.",
                }
                .to_owned(),
            ));
        }
        match goal {
            Goal::Talk { user } => {
                let claimed = call.claim.as_ref().is_some_and(|c| c.user == user);
                let there = call.leg_of(user).is_some() && matches!(call.place, Place::Talking);
                let hold = &call.customer().hold;
                match () {
                    () if there && hold.settled() && !hold.is() => Some(Finish::Done),
                    () if there || claimed => None,
                    () => Some(Finish::Failed("Your phone did not join in time, so the call was offered again.".to_owned())),
                }
            }
            Goal::Rest => match call.place {
                Place::Held { .. } | Place::Parked { .. } | Place::Queued { .. } | Place::Ringing { .. } => {
                    call.at_rest().then_some(Finish::Done)
                }
                _ => Some(Finish::Failed("Somebody took the call meanwhile.".to_owned())),
            },
            Goal::Ring => match &call.place {
                Place::Talking => Some(Finish::Done),
                Place::Ringing { offers, why: crate::call::RingWhy::Transfer { .. }, .. } => {
                    let rings = offers.iter().filter(|o| o.over.is_none()).any(|o| match o.via {
                        Via::Page => call.at_rest(),
                        Via::Leg(n) => call.leg(n).is_some_and(|l| l.rang.is_some() || l.picked_up.is_some()),
                        Via::Later(_) | Via::Nothing => false,
                    });
                    rings.then_some(Finish::Done)
                }
                _ if call.claim.is_some() => None,
                _ => Some(Finish::Failed("It could not ring there, so the call has come back.".to_owned())),
            },
            Goal::RingOut => match call.place {
                Place::Talking => Some(Finish::Done),
                Place::Dialling { .. } => call.customer().rang.map(|_| Finish::Done),
                _ => Some(Finish::Failed("The call was not made.".to_owned())),
            },
            Goal::End => None,
        }
    }
}

/// What the carrier should be told when it asks what to do with a leg. A function of the call's state, so a request made twice gets the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Join the room; `ends_room`: the room ends when this leg leaves.
    Join {
        /// The flag.
        ends_room: bool,
    },
    /// Say who is calling and ask for a key.
    AskKey,
    /// Nothing more: hang up.
    HangUp,
}

impl Call {
    /// What to do with the leg `n`, when the connection `sid` asks.
    pub fn script(&self, n: u16, sid: &CallSid) -> Script {
        let Some(leg) = self.leg(n) else { return Script::HangUp };
        let other = leg.sid.as_ref().is_some_and(|known| known != sid);
        if self.ended() || other || !leg.alive() || leg.leave.is_some() {
            return Script::HangUp;
        }
        let claimed = self.claim.as_ref().is_some_and(|c| c.leg == n);
        match (&leg.role, &leg.line) {
            (Role::Customer, _) => Script::Join { ends_room: true },
            (Role::Person(_), _) if claimed || leg.joined.is_some() => Script::Join { ends_room: false },
            (Role::Person(_), Line::Telephone(_)) if self.offered_to_leg(n) => Script::AskKey,
            (Role::Person(_) | Role::Outside(_), _) => Script::HangUp,
        }
    }

    fn offered_to_leg(&self, n: u16) -> bool {
        match &self.place {
            Place::Ringing { offers, .. } => offers.iter().any(|o| o.over.is_none() && o.via == Via::Leg(n)),
            _ => false,
        }
    }

    /// The room to act on at the carrier, once known.
    pub fn room_sid(&self) -> Option<&ConferenceSid> {
        self.room.sid.as_ref()
    }
}
