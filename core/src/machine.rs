//! The verbs: how a call moves.
//!
//! Two questions are asked of a call. [`Call::observe`] takes a fact, something that has happened: it is total,
//! and the worst it says is "ignored, because". [`Call::command`] takes an intent, something a person wants: it
//! answers with a [`Step`] or with a [`Refusal`], a sentence a person can act on.
//!
//! Neither does anything. A step is the call as it is afterwards, and the [`Effect`]s that should follow in the
//! world. Whoever commits the step commits the effects with it. The last thing in every step is `settle`: it
//! compares what the legs are wanted to be with what was asked of the carrier, and asks for the difference.
//! Families of verbs only change wishes and places; they ask for nothing themselves.
//!
//! The machine must not know the time (it is in the [`Context`]), who may do what ([`crate::policy`]), or what
//! a console shows.
//!
//! Read next: `machine/claim.rs` (accepting a call), `route.rs` (ringing and what comes after), `transfer.rs`,
//! `park.rs`, `facts.rs`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    call::{
        CUSTOMER, Call, Caller, Dialled, Direction, EndWhy, Errand, Goal, Leave, Leg, Line,
        MAX_LEGS, Place, RingWhy, Role, Room, Stop, Via,
    },
    ids::{
        CallId, CallSid, ConferenceSid, Emergency, LegId, Malformed, Phone, QueueId, SafeText,
        SlotId, Timestamp, UserId,
    },
    say,
};

mod claim;
mod facts;
mod park;
mod read;
mod route;
mod settle;
mod transfer;

pub use facts::Fact;
pub use read::{InRoom, LIST_LAG_MS, LegSeen, LegStatus, Reading, RoomSeen};

/// What a person wants of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// Everybody the call ([`Call::people`]) or the intent names, and the desk's second destination. Who is
    /// missing counts as unknown.
    pub people: BTreeMap<UserId, Reach>,
    /// How this desk works.
    pub desk: Desk,
    /// A slot that is free, if any is.
    pub free_slot: Option<SlotId>,
    /// The slots that are taken by other calls, with who is in them.
    pub taken: BTreeMap<SlotId, SafeText>,
    /// Every slot there is. Empty: not asked, and none is refused for not being there.
    pub slots: BTreeSet<SlotId>,
}

/// How a person can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Their name, for sentences.
    pub name: SafeText,
    /// Their phone page.
    pub page: PhonePage,
    /// They want it not to be rung, though it may be there: they have signed off, or do not want to be disturbed.
    /// A call that they were in when their page vanished rings all the same: it is not a new one, but the one they
    /// have, coming back to them.
    pub quiet: bool,
    /// Their living leg, or the claim they have made, in whichever call.
    pub seat: Option<LegId>,
    /// The number that rings when the page is not there.
    pub fallback: Option<Phone>,
}

impl Reach {
    /// Their phone page, as far as a call goes that looks for them for that reason.
    fn rings(&self, why: RingWhy) -> PhonePage {
        if self.quiet && why != RingWhy::Reconnect {
            PhonePage::Unreachable
        } else {
            self.page
        }
    }
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
    /// The slots in which it is another time.
    pub park_ms_in: BTreeMap<SlotId, i64>,
    /// How long a call may be held.
    pub hold_ms: i64,
}

impl Desk {
    /// How long a call may lie in that slot.
    fn park_ms_in(&self, slot: &SlotId) -> i64 {
        self.park_ms_in.get(slot).copied().unwrap_or(self.park_ms)
    }
}

impl Default for Desk {
    fn default() -> Self {
        Self {
            queue: "desk".parse().expect("a valid queue name"),
            second: Vec::new(),
            ring_ms: 20_000,
            return_ms: 15_000,
            park_ms: 90_000,
            park_ms_in: BTreeMap::new(),
            hold_ms: 120_000,
        }
    }
}

/// How long a claim lasts before it lapses.
pub const CLAIM_MS: i64 = 4_000;
/// How long a claim lasts whose connection has asked for its document: it is on its way into the room, or is
/// there and the news of it is lost. The carrier has then been read three times.
pub const ARRIVING_MS: i64 = 12_000;
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
    /// Make a leg be what it is wanted to be. Repeatable; what is sent is what is wanted at the time of
    /// sending.
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
    /// What is wrong with the machine: the call it came to breaks [`Call::check`]. The step is then the call as
    /// it was, and a look at the carrier; whoever commits logs this and goes on. Never seen in a machine
    /// without a bug.
    pub fault: Option<String>,
}

impl Step {
    /// Whether there is anything to commit. Also a stray that is hung up counts, for no request leaves without
    /// a committed change (I6). A lone [`Effect::Look`] does not: a question is not stored, and is to be asked
    /// even where nothing changed.
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

/// Why an intent was not taken: a sentence a person can act on, and what a program goes by instead of its words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    /// What kind of a no it is.
    pub code: RefusalCode,
    /// The sentence.
    pub why: String,
}

/// The kinds of refusals that a program can do something about. For all others there is the sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalCode {
    /// Any other.
    Refused,
    /// Whoever wants the call has no phone page that could take it.
    NoPage,
}

impl RefusalCode {
    /// As it travels ([`crate::wire::ServerMsg::No`]).
    pub const fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::NoPage => "no-page",
        }
    }
}

impl Refusal {
    /// The call has nowhere to go. The board and the machine refuse with it alike.
    pub(crate) fn no_page() -> Self {
        Self {
            code: RefusalCode::NoPage,
            why: say::NO_PAGE.to_owned(),
        }
    }
}

impl From<&str> for Refusal {
    fn from(why: &str) -> Self {
        why.to_owned().into()
    }
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        let code = RefusalCode::Refused;
        Self { code, why }
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
        self.people.get(&user).cloned().unwrap_or_else(|| Reach {
            name: user.to_string().as_str().into(),
            ..Reach::default()
        })
    }

    fn name(&self, user: UserId) -> String {
        self.people
            .get(&user)
            .map_or_else(|| user.to_string(), |r| r.name.to_string())
    }
}

impl Call {
    /// An incoming call, as the leg `sid`, to be taken along `route`.
    pub fn arrive(
        id: CallId,
        sid: CallSid,
        caller: Caller,
        to: Phone,
        route: &[Stop],
        ctx: &Context,
    ) -> Step {
        let mut customer = Leg::new(CUSTOMER, Role::Customer, Line::Inbound);
        customer.sid = Some(sid);
        customer.picked_up = Some(ctx.now);
        let mut draft = Draft::new(Self::blank(
            id,
            Direction::In,
            caller,
            Dialled::Number(to),
            customer,
            ctx.now,
        ));
        draft.go(route, ctx);
        draft.settle(ctx)
    }

    /// An outgoing call that `by` makes: their page joins the room, then the number is rung.
    pub fn dial(id: CallId, by: &By, to: Phone, ctx: &Context) -> Result<Step, Refusal> {
        let caller = Caller {
            name: None,
            number: Some(to.clone()),
        };
        let customer = Leg::new(CUSTOMER, Role::Customer, Line::Telephone(to.clone()));
        let mut draft = Draft::new(Self::blank(
            id,
            Direction::Out,
            caller,
            Dialled::Number(to),
            customer,
            ctx.now,
        ));
        draft.by = Some(by.user);
        draft.call.place = Place::Dialling { user: by.user };
        draft.claim(by.user, ctx)?;
        draft.errand(by, Goal::RingOut, ctx);
        draft.settle(ctx).sound()
    }

    /// A call for help that `by`'s page has made by itself, over the connection `sid`. It is written down, not
    /// carried out: it has no room, so nothing is asked of the carrier, and it lasts as long as the page's
    /// connection. Whether anybody has answered is not known here.
    pub fn help(id: CallId, by: UserId, sid: CallSid, number: Emergency, ctx: &Context) -> Step {
        let caller = Caller {
            name: Some(format!("Emergency {number}").as_str().into()),
            number: None,
        };
        // Who answers has a connection of the carrier's own, which we never learn.
        let customer = Leg::new(CUSTOMER, Role::Customer, Line::Inbound);
        let mut draft = Draft::new(Self::blank(
            id,
            Direction::Out,
            caller,
            Dialled::Emergency(number),
            customer,
            ctx.now,
        ));
        draft.by = Some(by);
        draft.call.place = Place::Dialling { user: by };
        let mut page = Leg::new(CUSTOMER + 1, Role::Person(by), Line::Page);
        page.sid = Some(sid);
        page.picked_up = Some(ctx.now);
        page.joined = Some(ctx.now);
        draft.call.legs.push(page);
        draft.settle(ctx)
    }

    fn blank(
        id: CallId,
        direction: Direction,
        caller: Caller,
        to: Dialled,
        customer: Leg,
        now: Timestamp,
    ) -> Self {
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
        let step = draft.settle(ctx);
        if step.fault.is_none() {
            return step;
        }
        // A call that cannot be is not stored. Asking the carrier brings the fact again, perhaps to a better
        // state.
        Step {
            call: self.clone(),
            effects: vec![Effect::Look],
            outcomes: Vec::new(),
            aside: None,
            ..step
        }
    }

    /// Does what a person wants, or says why not. Rights are not asked here: see [`crate::policy::may`].
    pub fn command(&self, by: &By, intent: &Intent, ctx: &Context) -> Result<Step, Refusal> {
        if self.ended() {
            return Err(say::OVER.into());
        }
        let mut draft = Draft::new(self.clone());
        draft.by = Some(by.user);
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
        draft.errand(by, goal, ctx);
        draft.settle(ctx).sound()
    }

    /// Puts this call aside because `by` goes to another one: the second half of a switch, committed with the
    /// first.
    pub fn set_aside(&self, by: UserId, aside: Aside, ctx: &Context) -> Result<Step, Refusal> {
        let mut draft = Draft::new(self.clone());
        draft.by = Some(by);
        draft.set_aside(by, aside, ctx)?;
        draft.settle(ctx).sound()
    }
}

impl Step {
    /// A command that would break the call is refused, however it came to that.
    fn sound(self) -> Result<Self, Refusal> {
        match &self.fault {
            None => Ok(self),
            Some(fault) => Err(format!(
                "That would break the call, so nothing was changed. Please report this: {fault}."
            )
            .into()),
        }
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
    /// Whose hand moves it, if a person's does.
    by: Option<UserId>,
}

impl Draft {
    fn new(call: Call) -> Self {
        Self {
            before: call.clone(),
            call,
            effects: Vec::new(),
            outcomes: Vec::new(),
            aside: None,
            ignored: None,
            by: None,
        }
    }

    /// The other party, for sentences.
    fn who(&self) -> &str {
        self.call.caller.title()
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
            self.call.errands.push(Errand {
                command,
                by,
                goal,
                until,
            });
        }
    }

    /// A leg for somebody, unless the call has had too many.
    fn new_leg(&mut self, role: Role, line: Line) -> Option<u16> {
        if self.call.legs.len() >= MAX_LEGS {
            return None;
        }
        let n = u16::try_from(self.call.legs.len()).ok()?;
        self.call.legs.push(Leg::new(n, role, line));
        Some(n)
    }

    /// Orders a leg away. It goes when nobody is left in silence by it.
    fn dismiss(&mut self, n: u16, to: Option<LegId>) {
        if let Some(leg) = self.call.leg_mut(n)
            && leg.alive()
            && leg.leave.is_none()
        {
            leg.leave = Some(Leave { to, asked: None });
        }
    }
}

/// What the carrier should be told when it asks what to do with a leg. A function of the call's state, so a
/// request made twice gets the same answer.
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
        let Some(leg) = self.leg(n) else {
            return Script::HangUp;
        };
        let other = leg.sid.as_ref().is_some_and(|known| known != sid);
        if self.ended() || other || !leg.alive() || leg.leave.is_some() {
            return Script::HangUp;
        }
        let claimed = self.claim.as_ref().is_some_and(|c| c.leg == n);
        match (&leg.role, &leg.line) {
            (Role::Customer, _) => Script::Join { ends_room: true },
            (Role::Person(_), _) if claimed || leg.joined.is_some() => {
                Script::Join { ends_room: false }
            }
            (Role::Person(_), Line::Telephone(_)) if self.offered_to_leg(n) => Script::AskKey,
            (Role::Person(_) | Role::Outside(_), _) => Script::HangUp,
        }
    }

    fn offered_to_leg(&self, n: u16) -> bool {
        match &self.place {
            Place::Ringing { offers, .. } => offers
                .iter()
                .any(|o| o.over.is_none() && o.via == Via::Leg(n)),
            _ => false,
        }
    }

    /// The room to act on at the carrier, once known.
    pub fn room_sid(&self) -> Option<&ConferenceSid> {
        self.room.sid.as_ref()
    }
}
