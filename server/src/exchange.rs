//! The door: the only place where a call changes.
//!
//! Whoever causes a change, comes here. [`Exchange::report`] brings a fact, from the carrier, from a phone page
//! or from the clock; [`Exchange::act`] brings what a person wants. Each loads the call (or two, in the order
//! of their ids), asks the machine on fresh state, commits the step with its effects in one transaction, and
//! then publishes it. The rev decides between writers; the lock in this process only saves them the second try.
//!
//! It must not know the carrier: effects leave through the outbox. It must not know sockets or HTTP. Read next:
//! [`crate::dispatch`], which performs the effects, and [`crate::live`], which tells the consoles.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use cordboard_core::{
    board::Card,
    call::{CUSTOMER, Call, Caller, Stop},
    ids::{CallId, CallSid, Emergency, LegId, Phone, SafeText, SlotId, Timestamp, UserId},
    machine::{
        Aside, By, Context, Desk, Effect, Fact, Finish, Intent, Reach, Refusal, Step, Target,
    },
    policy::{self, Actor, Role, Standing},
    wire::{Cause, Command, Delta, Order, Position},
};
use tokio::sync::{Notify, mpsc};

use crate::{
    auth::Keys,
    clock::Clock,
    error::ApiError,
    live::{Ended, Live},
    store::{
        AuditRow, Change, CommandOutcome, CommandRecord, CommandRow, Commit, Committed, Conflict,
        Outcome, PersonRow, Store, StoreError,
    },
};

/// How often a step is tried again when another writer was first. Each try has seen what the winner did.
const TRIES: usize = 16;

/// How many calls may wait to be looked at.
const LOOKS: usize = 1024;

/// Who acts, as their token says; what they may do is looked up when they act.
#[derive(Debug, Clone)]
pub struct Session {
    /// The person.
    pub user: UserId,
    /// Their name.
    pub name: SafeText,
    /// Their role.
    pub role: Role,
}

/// A fact, and where it came from.
#[derive(Debug, Clone)]
pub struct Report {
    /// What has happened.
    pub fact: Fact,
    /// When it became true, as well as that is known.
    pub at: Timestamp,
    /// What makes two deliveries of it the same.
    pub seen: Option<String>,
    /// The form it came in, for the audit.
    pub raw: Option<String>,
    /// Where it came from: `carrier`, `phone`, `read` or `time`.
    pub source: &'static str,
}

impl Report {
    /// A fact of our own making.
    pub fn of(fact: Fact, at: Timestamp, source: &'static str) -> Self {
        Self {
            fact,
            at,
            seen: None,
            raw: None,
            source,
        }
    }
}

/// What came of a command.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The call as it is now.
    pub call: Arc<Call>,
    /// How the command has ended, if it has.
    pub outcome: Option<Finish>,
}

/// The door. Clones are the same door.
#[derive(Clone)]
pub struct Exchange {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    live: Live,
    clock: Clock,
    keys: Keys,
    desk: Desk,
    slots: Vec<SlotId>,
    people: RwLock<BTreeMap<UserId, PersonRow>>,
    index: Mutex<Index>,
    locks: Vec<tokio::sync::Mutex<()>>,
    outbox: Notify,
    timers: Notify,
    looks: mpsc::Sender<CallId>,
}

/// The calls that are not finished with, as this process last saw them, and what follows from them. A hint,
/// never the truth: a commit on a stale one is sent back.
#[derive(Default)]
struct Index {
    calls: HashMap<CallId, Arc<Call>>,
    seats: HashMap<UserId, LegId>,
    slots: BTreeMap<SlotId, (CallId, SafeText)>,
}

impl Index {
    fn put(&mut self, call: Arc<Call>) {
        let id = call.id;
        self.seats.retain(|_, leg| leg.call != id);
        self.slots.retain(|_, (c, _)| *c != id);
        self.seats
            .extend(call.seats().map(|(user, n)| (user, id.leg(n))));
        if let Some(slot) = call.slot() {
            self.slots
                .insert(slot.clone(), (id, call.caller.title().into()));
        }
        if call.ended() && call.due().is_none() {
            self.calls.remove(&id);
        } else {
            self.calls.insert(id, call);
        }
    }

    /// The leg that a person has left, or is about to leave, for a call for help.
    fn left_for_help(&self, user: UserId, help: CallId) -> Option<LegId> {
        let seat = self.seats.get(&user).filter(|seat| seat.call != help);
        let behind = || {
            let call = self.calls.values().find(|c| c.reconnects(user))?;
            let leg = call.legs.iter().rev().find(|l| l.user() == Some(user))?;
            Some(call.id.leg(leg.n))
        };
        seat.copied().or_else(behind)
    }
}

/// What a command comes to, once its call is known.
enum Want<'a> {
    /// Something of a call that is there.
    Move(&'a Intent),
    /// A new call, out to that number.
    Dial(Phone),
}

impl Want<'_> {
    /// Whether it asks for that slot and no other.
    fn names(&self, slot: &SlotId) -> bool {
        matches!(self, Self::Move(Intent::Park { slot: Some(wanted), .. }) if wanted == slot)
    }
}

impl Exchange {
    /// A door to the store's calls. What it wants read at the carrier comes out of the receiver.
    pub async fn open(
        store: Store,
        live: Live,
        clock: Clock,
        keys: Keys,
        desk: Desk,
    ) -> Result<(Self, mpsc::Receiver<CallId>), StoreError> {
        let (looks, wanted) = mpsc::channel(LOOKS);
        let mut index = Index::default();
        for call in store.open_calls().await? {
            index.put(Arc::new(call));
        }
        let people = store
            .people()
            .await?
            .into_iter()
            .map(|p| (p.id, p))
            .collect();
        let slots = store.slots().await?.into_iter().map(|s| s.id).collect();
        let inner = Inner {
            store,
            live,
            clock,
            keys,
            desk,
            slots,
            people: RwLock::new(people),
            index: Mutex::new(index),
            locks: (0..64).map(|_| tokio::sync::Mutex::default()).collect(),
            outbox: Notify::new(),
            timers: Notify::new(),
            looks,
        };
        Ok((
            Self {
                inner: Arc::new(inner),
            },
            wanted,
        ))
    }

    /// The store, to read from.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The live side.
    pub fn live(&self) -> &Live {
        &self.inner.live
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.inner.keys
    }

    /// Woken when there is something to send.
    pub fn outbox(&self) -> &Notify {
        &self.inner.outbox
    }

    /// Woken when a deadline may have come nearer.
    pub fn timers(&self) -> &Notify {
        &self.inner.timers
    }

    /// The session of a person who is active.
    pub fn session(&self, user: UserId) -> Option<Session> {
        let people = self
            .inner
            .people
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let person = people.get(&user).filter(|p| p.active)?;
        Some(Session {
            user,
            name: person.name.clone(),
            role: person.role,
        })
    }

    /// The person whose page has that identity at the carrier.
    pub fn by_identity(&self, identity: &str) -> Option<UserId> {
        identity
            .parse()
            .ok()
            .filter(|user| self.session(*user).is_some())
    }

    /// Whose extension that is.
    fn of_extension(&self, text: &str) -> Option<SafeText> {
        let people = self
            .inner
            .people
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        people
            .values()
            .find(|p| p.active && p.extension == text)
            .map(|p| p.name.clone())
    }

    /// Every call that is not finished with.
    pub fn calls(&self) -> Vec<Arc<Call>> {
        self.index().calls.values().cloned().collect()
    }

    /// The call, as it is now.
    pub async fn call(&self, id: CallId) -> Result<Option<Arc<Call>>, StoreError> {
        if let Some(call) = self.index().calls.get(&id) {
            return Ok(Some(call.clone()));
        }
        Ok(self.inner.store.load(id).await?.map(Arc::new))
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.inner
            .index
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A customer has rung one of our numbers. The same connection arrives once, however often it says so.
    pub async fn arrive(
        &self,
        sid: &CallSid,
        caller: Caller,
        to: &Phone,
        route: &[Stop],
        raw: Option<String>,
    ) -> Result<Arc<Call>, StoreError> {
        let id = self.inner.keys.call_id(sid);
        let _lock = self.lock(id).await;
        for _ in 0..TRIES {
            if let Some(call) = self.call(id).await? {
                return Ok(call);
            }
            let now = self.inner.clock.now();
            let people: Vec<UserId> = route
                .iter()
                .flat_map(|s| match s {
                    Stop::Ring { users, .. } => users.clone(),
                    Stop::Queue { .. } => Vec::new(),
                })
                .collect();
            let ctx = self.context(people, now);
            let step = Call::arrive(id, sid.clone(), caller.clone(), to.clone(), route, &ctx);
            let commit = Commit {
                audit: vec![audit(now, None, "arrive", id, raw.clone())],
                cause: Cause {
                    kind: "carrier".into(),
                    id: Some(sid.as_str().into()),
                },
                ..Commit::new(now)
            };
            match self.commit(commit, vec![(0, step)]).await {
                Ok(mut calls) => return Ok(calls.remove(0)),
                Err(Conflict::Store(e)) => return Err(e),
                Err(_) => self.forget(id),
            }
        }
        Err(StoreError::Contended)
    }

    /// Writes a call for help down that a page is making, over the connection `sid`. Whoever they were with is
    /// held; a number they were dialling is given up.
    pub async fn help(
        &self,
        user: UserId,
        sid: &CallSid,
        number: Emergency,
    ) -> Result<Arc<Call>, StoreError> {
        let id = self.inner.keys.call_id(sid);
        for _ in 0..TRIES {
            let left = self.index().left_for_help(user, id);
            let _locks = self.lock_both(id, left.map(|leg| leg.call)).await;
            if let Some(call) = self.call(id).await? {
                return Ok(call);
            }
            let now = self.inner.clock.now();
            let ctx = self.context(vec![user], now);
            let mut steps = vec![(0, Call::help(id, user, sid.clone(), number, &ctx))];
            if let Some(from) = left
                && let Some(there) = self.call(from.call).await?
            {
                let ctx = self.context(there.people(), now);
                let to = id.leg(CUSTOMER + 1);
                let by = By {
                    user,
                    command: None,
                };
                let step = there
                    .set_aside(user, Aside { from, to }, &ctx)
                    .or_else(|_| there.command(&by, &Intent::Hangup, &ctx));
                let step = step.ok().filter(|step| step.changed(&there));
                steps.extend(step.map(|step| (there.rev, step)));
            }
            let commit = Commit {
                audit: vec![audit(
                    now,
                    Some(user),
                    "emergency",
                    id,
                    Some(number.to_string()),
                )],
                cause: Cause {
                    kind: "phone".into(),
                    id: Some(sid.as_str().into()),
                },
                ..Commit::new(now)
            };
            match self.commit(commit, steps).await {
                Ok(mut calls) => return Ok(calls.remove(0)),
                Err(Conflict::Store(e)) => return Err(e),
                Err(Conflict::Seat { call: winner, .. }) => self.refresh(winner).await?,
                Err(Conflict::Stale(stale)) => self.forget(stale),
                Err(_) => self.forget(id),
            }
        }
        Err(StoreError::Contended)
    }

    /// Brings a fact about a call. Nothing comes back for a call that nobody knows.
    pub async fn report(
        &self,
        id: CallId,
        report: Report,
    ) -> Result<Option<Arc<Call>>, StoreError> {
        let _lock = self.lock(id).await;
        for _ in 0..TRIES {
            let Some(call) = self.call(id).await? else {
                return Ok(None);
            };
            let now = self.inner.clock.now();
            let ctx = self.context(call.people(), now);
            let mut step = call.observe(&report.fact, report.at, &ctx);
            if let Some(why) = step.ignored {
                tracing::debug!(call.id = %id, ?why, fact = ?report.fact, "a fact changed nothing");
            }
            if let Some(fault) = &step.fault {
                tracing::error!(call.id = %id, fault, fact = ?report.fact, "a fact would break the call, which stays as it was");
            }
            if !step.changed(&call) {
                if step.effects.iter().all(|e| *e == Effect::Look) {
                    self.want_looks(id, &step);
                    return Ok(Some(call));
                }
                step.call.rev += 1; // an effect needs a commit to be durable in
            }
            let commit = Commit {
                seen: report.seen.clone(),
                audit: vec![audit(
                    now,
                    None,
                    report.source,
                    id,
                    report
                        .raw
                        .clone()
                        .or_else(|| Some(format!("{:?}", report.fact))),
                )],
                cause: Cause {
                    kind: report.source.into(),
                    id: None,
                },
                ..Commit::new(now)
            };
            match self.commit(commit, vec![(call.rev, step)]).await {
                Ok(mut calls) => return Ok(Some(calls.remove(0))),
                Err(Conflict::Store(e)) => return Err(e),
                Err(Conflict::Seen) => return self.call(id).await,
                Err(Conflict::Seat { user, call: winner }) => {
                    tracing::warn!(call.id = %id, %user, %winner, "a fact would give a person two seats");
                    self.refresh(winner).await?;
                }
                Err(_) => self.forget(id),
            }
        }
        Err(StoreError::Contended)
    }

    /// Does what a person wants, or says why not.
    pub async fn act(&self, session: &Session, command: &Command) -> Result<Accepted, ApiError> {
        if command.id.is_empty()
            || command.id.len() > 64
            || !command.id.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(ApiError::BadInput(
                "A command id has 1 to 64 visible ASCII characters.".to_owned(),
            ));
        }
        let hash = serde_json::to_string(&command.order).map_err(|_| ApiError::Unavailable)?;
        if !command.dry_run
            && let Some(record) = self.inner.store.command(session.user, &command.id).await?
        {
            return self.again(record, &hash).await;
        }
        let (id, want) = match &command.order {
            Order::Call { call, intent } => (*call, Want::Move(intent)),
            Order::Dial { to } => (
                CallId::from_bits(crate::auth::unguessable()),
                Want::Dial(self.dialled(to)?),
            ),
        };
        let done = self.carry_out(session, command, id, &want, &hash).await;
        match done {
            // The same command may have been on its way twice: then it is what the first has done that stands
            // in the way of the second.
            Err(why) if !command.dry_run && why != ApiError::Unavailable => {
                match self.inner.store.command(session.user, &command.id).await? {
                    Some(record) => self.again(record, &hash).await,
                    None => Err(why),
                }
            }
            done => done,
        }
    }

    /// A command that was sent before: the same outcome, for ever.
    async fn again(&self, record: CommandRecord, hash: &str) -> Result<Accepted, ApiError> {
        if record.hash != hash {
            return Err(ApiError::OtherContent);
        }
        let call = self.call(record.call).await?.ok_or_else(unknown_call)?;
        let outcome = match record.outcome {
            Outcome::Pending => None,
            Outcome::Done => Some(Finish::Done),
            Outcome::Failed(why) => Some(Finish::Failed(why)),
            Outcome::Unknown => Some(Finish::Unknown),
        };
        Ok(Accepted { call, outcome })
    }

    /// Decides, and commits what was decided; again, where somebody else was first.
    async fn carry_out(
        &self,
        session: &Session,
        command: &Command,
        id: CallId,
        want: &Want<'_>,
        hash: &str,
    ) -> Result<Accepted, ApiError> {
        let mut other: Option<CallId> = None;
        for _ in 0..TRIES {
            let _locks = self.lock_both(id, other).await;
            let now = self.inner.clock.now();
            let before = match want {
                Want::Move(_) => Some(self.call(id).await?.ok_or_else(unknown_call)?),
                Want::Dial(_) => None,
            };
            let step = match (&before, want) {
                (Some(call), Want::Move(intent)) => {
                    self.moved(session, command, call, intent, now)?
                }
                (_, Want::Dial(number)) => self.dial(session, command, id, number, now)?,
                (None, Want::Move(_)) => return Err(unknown_call()),
            };
            let mut steps = vec![(before.as_ref().map_or(0, |c| c.rev), step)];
            if let Some(aside) = steps[0].1.aside {
                if other != Some(aside.from.call) {
                    other = Some(aside.from.call);
                    continue; // once more, with both locks
                }
                if let Some(there) = self.call(aside.from.call).await? {
                    let ctx = self.context(there.people(), now);
                    let step = there
                        .set_aside(session.user, aside, &ctx)
                        .map_err(refused)?;
                    if step.changed(&there) {
                        steps.push((there.rev, step));
                    }
                }
            }
            if command.dry_run {
                let call = before.unwrap_or_else(|| Arc::new(steps.remove(0).1.call));
                return Ok(Accepted {
                    call,
                    outcome: None,
                });
            }
            let commit = Commit {
                command: Some(CommandRow {
                    actor: session.user,
                    id: command.id.clone(),
                    hash: hash.to_owned(),
                    call: id,
                }),
                audit: vec![audit(
                    now,
                    Some(session.user),
                    "command",
                    id,
                    Some(hash.to_owned()),
                )],
                cause: Cause {
                    kind: "command".into(),
                    id: Some(command.id.as_str().into()),
                },
                ..Commit::new(now)
            };
            let outcome = steps[0]
                .1
                .outcomes
                .iter()
                .find(|o| *o.command == *command.id)
                .map(|o| o.result.clone());
            match self.commit(commit, steps).await {
                Ok(mut calls) => {
                    return Ok(Accepted {
                        call: calls.remove(0),
                        outcome,
                    });
                }
                Err(Conflict::Store(e)) => return Err(e.into()),
                Err(Conflict::Command(record)) => return self.again(record, hash).await,
                Err(Conflict::Slot { slot, call: winner }) => {
                    self.refresh(winner).await?;
                    if want.names(&slot) {
                        let who = self.call(winner).await?;
                        let who = who.as_ref().map_or("another call", |c| c.caller.title());
                        return Err(ApiError::Refused(format!("{slot} is taken by {who}.")));
                    }
                }
                Err(Conflict::Seat { call: winner, .. }) => self.refresh(winner).await?,
                Err(Conflict::Stale(stale)) => self.forget(stale),
                Err(Conflict::Seen) => return Err(ApiError::Unavailable),
            }
        }
        Err(ApiError::Unavailable)
    }

    /// A call, moved as somebody wants it, if they may: by their rights as they are now, on the call as it is
    /// now.
    fn moved(
        &self,
        session: &Session,
        command: &Command,
        call: &Call,
        intent: &Intent,
        now: Timestamp,
    ) -> Result<Step, ApiError> {
        if command.seen.is_some_and(|seen| seen < call.moved) {
            return Err(ApiError::Moved(self.moved_by(call, session.user)));
        }
        let role = self.session(session.user).ok_or_else(signed_off)?.role;
        let actor = Actor {
            user: session.user,
            role,
        };
        policy::may(actor, intent, Standing::of(session.user, call))
            .map_err(|why| ApiError::NotAllowed(why.to_owned()))?;
        let mut people = call.people();
        people.push(session.user);
        if let Intent::Transfer {
            to: Target::User(user),
        } = intent
        {
            people.push(*user);
        }
        let mut ctx = self.context(people, now);
        ctx.taken.retain(|slot, _| call.slot() != Some(slot));
        call.command(&by(session, command), intent, &ctx)
            .map_err(refused)
    }

    /// A call out, if they may.
    fn dial(
        &self,
        session: &Session,
        command: &Command,
        id: CallId,
        number: &Phone,
        now: Timestamp,
    ) -> Result<Step, ApiError> {
        let role = self.session(session.user).ok_or_else(signed_off)?.role;
        if role == Role::ReadOnly {
            return Err(ApiError::NotAllowed(
                "You can look at the board, but not work calls.".to_owned(),
            ));
        }
        let ctx = self.context(vec![session.user], now);
        Call::dial(id, &by(session, command), number.clone(), &ctx).map_err(refused)
    }

    /// The number that was typed, if it is one that we dial.
    fn dialled(&self, typed: &SafeText) -> Result<Phone, ApiError> {
        if let Some(name) = self.of_extension(typed.as_str().trim()) {
            return Err(ApiError::Refused(format!(
                "{typed} is {name}'s extension: calls between colleagues come later. Dial a telephone number, or transfer a call to {typed}."
            )));
        }
        Phone::read(typed.as_str()).map_err(|e| ApiError::BadInput(format!("{e}.")))
    }

    /// Commits steps of one transaction, and tells everybody.
    async fn commit(
        &self,
        mut commit: Commit,
        steps: Vec<(u64, Step)>,
    ) -> Result<Vec<Arc<Call>>, Conflict> {
        let inner = &*self.inner;
        for (_, step) in &steps {
            let outcome = |o: &cordboard_core::machine::Outcome| CommandOutcome {
                actor: o.by,
                id: o.command.to_string(),
                outcome: match &o.result {
                    Finish::Done => Outcome::Done,
                    Finish::Failed(why) => Outcome::Failed(why.clone()),
                    Finish::Unknown => Outcome::Unknown,
                },
            };
            commit.outcomes.extend(step.outcomes.iter().map(outcome));
        }
        commit.changes = steps
            .iter()
            .map(|(before, step)| Change {
                before: *before,
                call: step.call.clone(),
                effects: step.effects.clone(),
            })
            .collect();
        let cause = commit.cause.clone();
        let Committed {
            epoch,
            changes,
            cancelled,
        } = inner.store.commit(commit).await?;
        let calls: Vec<Arc<Call>> = steps
            .iter()
            .map(|(_, s)| Arc::new(s.call.clone()))
            .collect();
        {
            let mut index = self.index();
            for call in &calls {
                index.put(call.clone());
            }
        }
        let deltas = changes.iter().zip(&calls).map(|((rev, _), call)| Delta {
            at: Position {
                epoch: epoch.clone(),
                rev: *rev,
            },
            call: Card::of(call),
            cause: cause.clone(),
        });
        if let Some((from, _)) = inner.live.publish(deltas) {
            self.fill_gap(&epoch, from);
        }
        for (_, step) in steps {
            self.want_looks(step.call.id, &step);
            for o in step.outcomes {
                inner.live.ended(Ended {
                    by: o.by,
                    command: o.command,
                    call: step.call.id,
                    result: o.result,
                });
            }
        }
        // A dial that was never sent is over: tell its call.
        for leg in cancelled {
            let fact = Fact::Over {
                leg: leg.n,
                sid: None,
                outcome: None,
            };
            self.report_later(leg.call, Report::of(fact, inner.clock.now(), "carrier"));
        }
        inner.outbox.notify_one();
        inner.timers.notify_one();
        Ok(calls)
    }

    /// Reports from within a commit, which must not wait for another one.
    fn report_later(&self, call: CallId, report: Report) {
        let door = self.clone();
        tokio::spawn(async move {
            if let Err(cause) = door.report(call, report).await {
                tracing::error!(call.id = %call, %cause, "what follows from a commit could not be reported");
            }
        });
    }

    /// Revisions were committed whose deltas never came (their writer died between commit and publish): the
    /// store has them.
    fn fill_gap(&self, epoch: &str, from: u64) {
        let (door, epoch) = (self.clone(), epoch.to_owned());
        tokio::spawn(async move {
            // Most gaps are a commit on its way back to us.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            match door.inner.store.changes_since(&epoch, from - 1, 1000).await {
                Ok(Some(deltas)) => {
                    door.inner.live.publish(deltas);
                }
                Ok(None) => {
                    tracing::error!(from, "the board has a gap that the store no longer has");
                }
                Err(cause) => tracing::error!(from, %cause, "a gap in the board could not be read"),
            }
        });
    }

    fn want_looks(&self, id: CallId, step: &Step) {
        if step.effects.contains(&Effect::Look) {
            // If too many wait already, the call asks again by itself.
            let _ = self.inner.looks.try_send(id);
        }
    }

    fn forget(&self, id: CallId) {
        self.index().calls.remove(&id);
    }

    async fn refresh(&self, id: CallId) -> Result<(), StoreError> {
        if let Some(call) = self.inner.store.load(id).await? {
            self.index().put(Arc::new(call));
        }
        Ok(())
    }

    fn moved_by(&self, call: &Call, me: UserId) -> String {
        match call
            .moved_by
            .filter(|u| *u != me)
            .and_then(|u| self.session(u))
        {
            Some(who) => format!(
                "{} has moved this call meanwhile. Look where it is now.",
                who.name
            ),
            None => "This call has moved meanwhile. Look where it is now.".to_owned(),
        }
    }

    /// What a step may depend on, for those people.
    fn context(&self, people: Vec<UserId>, now: Timestamp) -> Context {
        let inner = &*self.inner;
        let rows = inner.people.read().unwrap_or_else(PoisonError::into_inner);
        let index = self.index();
        let mut wanted = people;
        wanted.extend(&inner.desk.second);
        let people = wanted
            .into_iter()
            .filter_map(|user| {
                let row = rows.get(&user).filter(|p| p.active)?;
                let reach = Reach {
                    name: row.name.clone(),
                    page: inner.live.page(user),
                    seat: index.seats.get(&user).copied(),
                    fallback: row.fallback.clone(),
                };
                Some((user, reach))
            })
            .collect();
        Context {
            now,
            people,
            desk: inner.desk.clone(),
            free_slot: inner
                .slots
                .iter()
                .find(|s| !index.slots.contains_key(s))
                .cloned(),
            slots: inner.slots.iter().cloned().collect(),
            taken: index
                .slots
                .iter()
                .map(|(slot, (_, who))| (slot.clone(), who.clone()))
                .collect(),
        }
    }

    async fn lock(&self, id: CallId) -> tokio::sync::MutexGuard<'_, ()> {
        self.inner.locks[self.lock_of(id)].lock().await
    }

    async fn lock_both(
        &self,
        a: CallId,
        b: Option<CallId>,
    ) -> (
        tokio::sync::MutexGuard<'_, ()>,
        Option<tokio::sync::MutexGuard<'_, ()>>,
    ) {
        let (i, j) = (self.lock_of(a), b.map(|b| self.lock_of(b)));
        match j {
            Some(j) if j != i => {
                let (first, second) = (i.min(j), i.max(j));
                (
                    self.inner.locks[first].lock().await,
                    Some(self.inner.locks[second].lock().await),
                )
            }
            _ => (self.inner.locks[i].lock().await, None),
        }
    }

    fn lock_of(&self, id: CallId) -> usize {
        usize::try_from(id.bits() % self.inner.locks.len() as u128)
            .expect("less than the number of locks")
    }
}

fn audit(
    at: Timestamp,
    actor: Option<UserId>,
    kind: &str,
    call: CallId,
    raw: Option<String>,
) -> AuditRow {
    AuditRow {
        at,
        actor,
        kind: kind.to_owned(),
        call: Some(call),
        raw: raw.unwrap_or_default(),
    }
}

/// Who acts. A dry run leaves no errand behind.
fn by(session: &Session, command: &Command) -> By {
    By {
        user: session.user,
        command: (!command.dry_run).then(|| command.id.as_str().into()),
    }
}

fn refused(why: Refusal) -> ApiError {
    ApiError::Refused(why.0)
}

fn unknown_call() -> ApiError {
    ApiError::NotFound("There is no such call.".to_owned())
}

fn signed_off() -> ApiError {
    ApiError::NotSignedIn("Your account is not active. Ask an administrator.".to_owned())
}
