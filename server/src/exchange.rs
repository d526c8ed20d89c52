//! The door: the only place where a call changes.
//!
//! Whoever causes a change, comes here. [`Exchange::report`] brings a fact, from the carrier, from a phone page
//! or from the clock; [`Exchange::act`] brings what a person wants (`exchange/act.rs`). Each loads the call (or
//! two, in the order of their ids), asks the machine on fresh state, commits the step with its effects in one
//! transaction, and then publishes it. The rev decides between writers; the lock in this process only saves
//! them the second try. A commit that has begun is published whether or not anybody still waits for it.
//!
//! It must not know the carrier: effects leave through the outbox. It must not know sockets or HTTP. Read next:
//! [`crate::dispatch`], which performs the effects, and [`crate::live`], which tells the consoles.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use cordboard_core::{
    board::Card,
    call::{CUSTOMER, Call, Caller, Line, Stop},
    ids::{
        CallId, CallSid, Emergency, LegId, Phone, SafeText, SessionId, SlotId, Timestamp, UserId,
    },
    machine::{Aside, By, Context, Effect, Fact, Finish, Intent, PhonePage, Reach, Step},
    policy::{Actor, Rights, Role},
    wire::{Cause, Change as WireChange, Delta, Position},
};
use tokio::sync::{Notify, OwnedMutexGuard, mpsc};

use crate::{
    auth::Keys,
    clock::Clock,
    house::House,
    live::{Ended, Live, Notice},
    store::{
        Arranged, Arrangement, AuditRow, Change, CommandOutcome, Commit, Committed, Conflict, Edit,
        NotArranged, Outcome, PersonRow, Store, StoreError,
    },
};

mod act;

pub use act::Accepted;

/// How often a step is tried again when another writer was first. Each try has seen what the winner did.
const TRIES: usize = 16;

/// How long the store is left alone before it is asked again what became of a commit, in milliseconds.
const AGAIN_MS: i64 = 1_000;

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
    /// What they may do.
    pub rights: Rights,
    /// Their sign-in, where one acts.
    pub id: Option<SessionId>,
    /// Where from.
    pub address: Option<Arc<str>>,
}

impl Session {
    /// Who acts.
    pub const fn actor(&self) -> Actor {
        Actor {
            user: self.user,
            rights: self.rights,
        }
    }
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
    house: RwLock<Arc<House>>,
    /// Held while the house is read again: what is read later is newer.
    reading: tokio::sync::Mutex<()>,
    index: Mutex<Index>,
    locks: Vec<Arc<tokio::sync::Mutex<()>>>,
    outbox: Notify,
    timers: Notify,
    looks: mpsc::Sender<CallId>,
}

/// The locks of one or two calls. A commit under way holds them too: whoever asked for it may go away.
type Held = Arc<(OwnedMutexGuard<()>, Option<OwnedMutexGuard<()>>)>;

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
        // Read from the store for another call's sake, without this one's lock: a commit may have been faster.
        if self
            .calls
            .get(&id)
            .is_some_and(|known| known.rev > call.rev)
        {
            return;
        }
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

impl Exchange {
    /// A door to the store's calls. What it wants read at the carrier comes out of the receiver.
    pub async fn open(
        store: Store,
        live: Live,
        clock: Clock,
        keys: Keys,
        house: House,
    ) -> Result<(Self, mpsc::Receiver<CallId>), StoreError> {
        let (looks, wanted) = mpsc::channel(LOOKS);
        let mut index = Index::default();
        for call in store.open_calls().await? {
            index.put(Arc::new(call));
        }
        let inner = Inner {
            store,
            live,
            clock,
            keys,
            house: RwLock::new(Arc::new(house)),
            reading: tokio::sync::Mutex::default(),
            index: Mutex::new(index),
            locks: (0..64).map(|_| Arc::default()).collect(),
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

    /// The house, as it stands at this moment.
    pub fn house(&self) -> Arc<House> {
        self.inner
            .house
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What a person may do at this moment. None: they are not active.
    pub fn session(&self, user: UserId) -> Option<Session> {
        self.house().session(user)
    }

    /// The person whose page has that identity at the carrier.
    pub fn by_identity(&self, identity: &str) -> Option<UserId> {
        identity
            .parse()
            .ok()
            .filter(|user| self.session(*user).is_some())
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

    /// The leg that somebody talks over with their page, as far as is known here, if the page says that its one
    /// connection is another, or that it has none.
    pub fn disowned(&self, user: UserId, sid: Option<&str>) -> Option<LegId> {
        let index = self.index();
        let seat = *index.seats.get(&user)?;
        let leg = index.calls.get(&seat.call)?.leg(seat.n)?;
        let known = leg.sid.as_ref()?;
        (leg.line == Line::Page && leg.here() && Some(known.as_str()) != sid).then_some(seat)
    }

    /// Wants a call to be looked at, soon. It is not promised: the call asks again by itself.
    pub fn look_at(&self, id: CallId) {
        let _ = self.inner.looks.try_send(id);
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
        let held = self.lock(id).await;
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
            match self.commit(commit, vec![(0, step)], &held).await {
                Ok(mut calls) => return Ok(calls.remove(0)),
                Err(conflict) => self.give_way(id, conflict).await?,
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
            let held = self.lock_both(id, left.map(|leg| leg.call)).await;
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
            match self.commit(commit, steps, &held).await {
                Ok(mut calls) => return Ok(calls.remove(0)),
                Err(conflict) => self.give_way(id, conflict).await?,
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
        let held = self.lock(id).await;
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
            match self.commit(commit, vec![(call.rev, step)], &held).await {
                Ok(mut calls) => return Ok(Some(calls.remove(0))),
                Err(Conflict::Seen) => return self.call(id).await,
                Err(conflict) => {
                    if matches!(conflict, Conflict::Seat { .. }) {
                        tracing::warn!(call.id = %id, %conflict, "a fact would give a person two seats");
                    }
                    self.give_way(id, conflict).await?;
                }
            }
        }
        Err(StoreError::Contended)
    }

    /// Changes the house, and tells everybody. To the end, also when whoever asked goes away meanwhile.
    pub async fn arrange(&self, plan: Arrangement) -> Result<Arranged, NotArranged> {
        let door = self.clone();
        let done = tokio::spawn(async move { door.arrange_and_tell(plan).await });
        match done.await {
            Ok(done) => done,
            Err(stopped) => match stopped.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The process ends.
                Err(_) => Err(StoreError::Closed.into()),
            },
        }
    }

    async fn arrange_and_tell(&self, plan: Arrangement) -> Result<Arranged, NotArranged> {
        let inner = &*self.inner;
        let (shown, cause, anew) = (plan.shown.clone(), plan.cause.clone(), plan.of_the_house());
        let mut statuses = Vec::new();
        for edit in &plan.edits {
            if let Edit::SetStatus { person, status } = edit {
                statuses.push((*person, status.clone()));
            }
        }
        let done = inner.store.arrange(plan).await;
        if anew
            && matches!(
                &done,
                Ok(_) | Err(NotArranged::Store(StoreError::Uncertain(_)))
            )
        {
            self.read_house().await;
        }
        let done = done?;
        let deltas = done.revs.iter().zip(shown).map(|(rev, change)| Delta {
            at: Position {
                epoch: done.epoch.clone(),
                rev: *rev,
            },
            change,
            cause: cause.clone(),
        });
        if let Some((from, _)) = inner.live.publish(deltas) {
            self.fill_gap(&done.epoch, from);
        }
        for (person, status) in statuses {
            inner.live.status(person, status);
        }
        for id in &done.ended {
            inner.live.notice(Notice::SignedOut(id.clone()));
        }
        Ok(done)
    }

    /// Takes the house as the store has it now, and tells the sockets of those whose rights are others than before.
    async fn read_house(&self) {
        let inner = &*self.inner;
        let _one_at_a_time = inner.reading.lock().await;
        let house = loop {
            match House::load(&inner.store).await {
                Ok(house) => break Arc::new(house),
                Err(StoreError::Closed) => return,
                Err(cause) => {
                    tracing::error!(%cause, "the house could not be read again, and is as it was until it can");
                    inner.clock.sleep(AGAIN_MS).await;
                }
            }
        };
        let before = {
            let mut held = inner.house.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *held, house.clone())
        };
        for (user, was) in &before.people {
            let is = house.active(*user);
            let rights = |p: &PersonRow| p.rights();
            if was.active && is.map(rights) != Some(was.rights()) {
                inner.live.notice(Notice::Changed(*user));
            }
        }
    }

    /// Another writer was first: what is remembered of the calls in question is read again before the next try.
    /// An error where there is no use in one.
    async fn give_way(&self, id: CallId, conflict: Conflict) -> Result<(), StoreError> {
        match conflict {
            Conflict::Store(cause) => return Err(cause),
            Conflict::Seat { call: winner, .. } | Conflict::Slot { call: winner, .. } => {
                self.refresh(winner).await?;
            }
            Conflict::Stale(stale) => self.forget(stale),
            Conflict::Seen | Conflict::Command(_) => self.forget(id),
        }
        Ok(())
    }

    /// Commits steps of one transaction, and tells everybody. To the end, also when whoever asked goes away
    /// meanwhile, as a client does by closing its connection: what was committed and never published would be
    /// on no board of this process.
    async fn commit(
        &self,
        commit: Commit,
        steps: Vec<(u64, Step)>,
        held: &Held,
    ) -> Result<Vec<Arc<Call>>, Conflict> {
        let (door, held) = (self.clone(), held.clone());
        let done = tokio::spawn(async move {
            let calls: Vec<CallId> = steps.iter().map(|(_, step)| step.call.id).collect();
            let done = door.commit_and_tell(commit, steps).await;
            if let Err(Conflict::Store(StoreError::Uncertain(_))) = &done {
                door.find_out(calls);
            }
            drop(held);
            done
        });
        match done.await {
            Ok(done) => done,
            Err(stopped) => match stopped.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The process ends.
                Err(_) => Err(StoreError::Closed.into()),
            },
        }
    }

    async fn commit_and_tell(
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
            change: WireChange::Call(Box::new(Card::of(call))),
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

    /// Nobody could say whether a commit of those calls was kept. The store can, as soon as it answers: until
    /// then what is remembered here may be old.
    fn find_out(&self, calls: Vec<CallId>) {
        let door = self.clone();
        tokio::spawn(async move {
            while let Err(cause) = door.read_again(&calls).await {
                if matches!(cause, StoreError::Closed) {
                    return;
                }
                tracing::warn!(%cause, "what became of a commit is not known yet");
                door.inner.clock.sleep(AGAIN_MS).await;
            }
        });
    }

    async fn read_again(&self, calls: &[CallId]) -> Result<(), StoreError> {
        for id in calls {
            let _held = self.lock(*id).await;
            self.refresh(*id).await?;
        }
        let inner = &*self.inner;
        let at = inner.live.position();
        if let Some(deltas) = inner.store.changes_since(&at.epoch, at.rev, 1000).await? {
            inner.live.publish(deltas);
        }
        // It may have left requests and deadlines behind, too.
        inner.outbox.notify_one();
        inner.timers.notify_one();
        Ok(())
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
            self.look_at(id);
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

    /// What a step may depend on, for those people.
    fn context(&self, people: Vec<UserId>, now: Timestamp) -> Context {
        let inner = &*self.inner;
        let house = self.house();
        let index = self.index();
        let mut wanted = people;
        wanted.extend(&house.desk.second);
        let people = wanted
            .into_iter()
            .filter_map(|user| {
                let row = house.people.get(&user)?;
                let reach = Reach {
                    name: row.name.clone(),
                    // Nobody rings for who does not work here any more, whatever they still hold open.
                    page: if row.active {
                        inner.live.page(user)
                    } else {
                        PhonePage::Unreachable
                    },
                    quiet: row.status.quiet() || !row.active,
                    seat: index.seats.get(&user).copied(),
                    fallback: row.fallback.clone().filter(|_| row.active),
                };
                Some((user, reach))
            })
            .collect();
        Context {
            now,
            people,
            desk: house.desk.clone(),
            free_slot: house
                .slots
                .iter()
                .map(|s| &s.id)
                .find(|s| !index.slots.contains_key(s))
                .cloned(),
            slots: house.slots.iter().map(|s| s.id.clone()).collect(),
            taken: index
                .slots
                .iter()
                .map(|(slot, (_, who))| (slot.clone(), who.clone()))
                .collect(),
        }
    }

    async fn lock(&self, id: CallId) -> Held {
        self.lock_both(id, None).await
    }

    async fn lock_both(&self, a: CallId, b: Option<CallId>) -> Held {
        let locks = &self.inner.locks;
        let (i, j) = (self.lock_of(a), b.map(|b| self.lock_of(b)));
        Arc::new(match j {
            Some(j) if j != i => {
                let first = locks[i.min(j)].clone().lock_owned().await;
                (first, Some(locks[i.max(j)].clone().lock_owned().await))
            }
            _ => (locks[i].clone().lock_owned().await, None),
        })
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
        actor,
        call: Some(call),
        raw: raw.unwrap_or_default(),
        ..AuditRow::new(at, kind)
    }
}
