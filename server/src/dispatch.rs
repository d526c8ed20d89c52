//! Performs effects: from the outbox to the carrier, and what came of it back through the door. Keeps the
//! deadlines too.
//!
//! A row is marked as sent before it is sent. What can be repeated is repeated; a dial is sent once, and if its
//! answer is lost it is settled by looking, never by dialling again. What a leg is to be is read when the
//! request leaves, so a retry asks for what is wanted now. A commit wakes the loop; the poll is the safety net.
//! A row whose outcome could not be stored blocks its leg's lane, so it is settled as soon as the store answers.
//!
//! It decides nothing about calls. Read next: [`crate::reconcile`].

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cordboard_core::{
    call::{CUSTOMER, Call, NoWhy, Place, RingWhy, Role},
    ids::{CallId, Timestamp},
    machine::{Aspect, Effect, Fact},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    exchange::{Exchange, Report},
    store::{OutboxRow, StoreError},
    twilio::{
        Callback, Sound,
        resources::{Change, NewCall, NewParticipant, Participant, Who},
        rest::{Answer, Rest, Why},
        words::happened,
    },
};

/// The longest the outbox and the deadlines go without being looked at, in milliseconds.
const POLL_MS: i64 = 1_000;

/// How often rows are looked for whose sender is no more, in milliseconds.
const LOOK_MS: i64 = 15_000;

/// How long a telephone rings, in seconds. The place's own deadline is shorter: it decides.
const RING_SECONDS: u32 = 30;

/// How many requests are on their way at once.
const AT_ONCE: usize = 64;

/// Sends what the outbox holds, until it is told to stop.
pub struct Dispatcher {
    exchange: Exchange,
    rest: Rest,
    unsettled: Mutex<HashSet<u64>>,
}

impl Dispatcher {
    /// For that door and that carrier.
    pub fn new(exchange: Exchange, rest: Rest) -> Self {
        Self {
            exchange,
            rest,
            unsettled: Mutex::default(),
        }
    }

    /// Runs until `stop`; then finishes what is on its way.
    pub async fn run(self, stop: CancellationToken) {
        let this = std::sync::Arc::new(self);
        let under_way = TaskTracker::new();
        let clock = this.exchange.clock().clone();
        let mut look = None;
        loop {
            let next = match this.go_on(&mut look, &under_way).await {
                Ok(next) => next,
                Err(cause) => {
                    tracing::error!(%cause, "the outbox cannot be read");
                    None
                }
            };
            let now = clock.now();
            let poll = now.plus(POLL_MS);
            let wake = next.map_or(poll, |at| at.min(poll).max(now.plus(5)));
            tokio::select! {
                () = stop.cancelled() => break,
                () = this.exchange.outbox().notified() => {}
                () = clock.sleep_until(wake) => {}
            }
        }
        under_way.close();
        under_way.wait().await;
    }

    /// Settles what is unsettled, and starts what is due. Returns when the next row is. At the beginning, all that
    /// the last process had marked as sent is unsettled; later, at each `look`, what nobody has settled in time.
    async fn go_on(
        self: &std::sync::Arc<Self>,
        look: &mut Option<Timestamp>,
        under_way: &TaskTracker,
    ) -> Result<Option<Timestamp>, StoreError> {
        let (store, now) = (self.exchange.store(), self.exchange.clock().now());
        let lost = match *look {
            None => store
                .outbox_sent()
                .await?
                .iter()
                .map(|row| row.id)
                .collect(),
            Some(at) if at <= now => store.outbox_lapsed(now).await?,
            Some(_) => Vec::new(),
        };
        self.unsettled().extend(lost);
        if look.is_none_or(|at| at <= now) {
            *look = Some(now.plus(LOOK_MS));
        }
        self.settle().await?;
        self.send_due(under_way).await
    }

    /// Settles rows that are marked as sent and that nobody is sending. A dial may have been made: somebody
    /// looks. The rest is sent again.
    async fn settle(&self) -> Result<(), StoreError> {
        let lost = self.unsettled().clone();
        if lost.is_empty() {
            return Ok(());
        }
        // Whether a row is marked is asked of the store: one whose marking failed may not be, and a dial that was
        // not sent is still to be made.
        let sent = self.exchange.store().outbox_sent().await?;
        for id in lost {
            let settled = match sent.iter().find(|row| row.id == id) {
                Some(row) => self.settle_one(row).await,
                None => Ok(()),
            };
            match settled {
                Ok(()) => _ = self.unsettled().remove(&id),
                Err(cause) => {
                    tracing::error!(outbox.id = id, %cause, "what was perhaps sent could not be settled");
                }
            }
        }
        Ok(())
    }

    async fn settle_one(&self, row: &OutboxRow) -> Result<(), StoreError> {
        let store = self.exchange.store();
        if row.effect.repeatable() {
            return store
                .outbox_retry(row.id, self.exchange.clock().now())
                .await;
        }
        self.unclear(row).await?;
        store.outbox_done(row.id).await
    }

    fn unsettled(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.unsettled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts everything that is due; returns when the next row is.
    async fn send_due(
        self: &std::sync::Arc<Self>,
        under_way: &TaskTracker,
    ) -> Result<Option<Timestamp>, StoreError> {
        let store = self.exchange.store();
        let now = self.exchange.clock().now();
        let mut later = None;
        for row in store
            .outbox_due(now, AT_ONCE.saturating_sub(under_way.len()).max(1))
            .await?
        {
            if matches!(row.effect, Effect::Dial { .. } | Effect::Invite { .. }) {
                if row.not_after.is_some_and(|at| at < now) {
                    self.too_late(&row).await?;
                    continue;
                }
                // One call a second, and the queue is ours, not the carrier's: theirs cannot be cancelled.
                if let Err(at) = store.take_dial_token(now).await? {
                    later = Some(later.map_or(at, |l: Timestamp| l.min(at)));
                    continue;
                }
            }
            match store.outbox_take(row.id, now).await {
                Ok(true) => {}
                Ok(false) => continue,
                // It may be marked all the same.
                Err(cause) => {
                    self.unsettled().insert(row.id);
                    return Err(cause);
                }
            }
            let this = self.clone();
            under_way.spawn(async move {
                if let Err(cause) = this.perform(&row).await {
                    tracing::error!(call.id = %row.call, %cause, effect = ?row.effect, "an effect's outcome could not be stored");
                    this.unsettled().insert(row.id);
                }
                this.exchange.outbox().notify_one();
            });
        }
        let next = store.outbox_next_due().await?.filter(|at| *at > now);
        Ok(match (later, next) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        })
    }

    async fn too_late(&self, row: &OutboxRow) -> Result<(), StoreError> {
        self.over(row, Some(NoWhy::Failed)).await
    }

    /// Sends one row, and brings back what came of it.
    async fn perform(&self, row: &OutboxRow) -> Result<(), StoreError> {
        let Some(call) = self.exchange.call(row.call).await? else {
            return self.exchange.store().outbox_done(row.id).await;
        };
        match &row.effect {
            Effect::Set { leg, what } => self.set(row, &call, *leg, *what).await,
            Effect::HangUp { sid } => {
                let answer = self.rest.end_call(sid).await;
                self.repeatable(row, answer.map(drop)).await
            }
            Effect::Redirect { sid, to } => {
                // It may have left, or gone, since this was asked for, or by an earlier try.
                let still_here = call
                    .legs
                    .iter()
                    .any(|l| l.sid.as_ref() == Some(sid) && l.alive());
                if !still_here {
                    return self.exchange.store().outbox_done(row.id).await;
                }
                // Asked before, and the answer was lost: moved twice, it would leave the room that it was moved
                // to.
                if row.attempts > 0
                    && let Some(room) = call.room_sid()
                    && let answer = self.rest.participant(room, Who::from(sid)).await
                    && matches!(answer.why(), Some(Why::Gone | Why::RoomOver | Why::Over))
                {
                    self.unclear(row).await?;
                    return self.exchange.store().outbox_done(row.id).await;
                }
                let answer = self.rest.redirect_call(sid, Callback::Leg(*to)).await;
                self.repeatable(row, answer.map(drop)).await
            }
            Effect::Dial { leg, to } => {
                if !wanted(&call, *leg) {
                    return self.never_sent(row).await;
                }
                let Some(from) = self.exchange.house().caller_id().cloned() else {
                    return self.no_number(row).await;
                };
                let new = NewCall {
                    leg: call.id.leg(*leg),
                    to: to.clone(),
                    from,
                    seconds: RING_SECONDS,
                    detect_machine: false,
                };
                let answer = self.rest.create_call(&new).await;
                self.once_only(row, *leg, answer.map(|made| made.sid)).await
            }
            Effect::Invite { leg, to } => {
                let Some(room) = call.room_sid().filter(|_| wanted(&call, *leg)) else {
                    return self.never_sent(row).await;
                };
                let Some(from) = self.exchange.house().caller_id().cloned() else {
                    return self.no_number(row).await;
                };
                let new = NewParticipant {
                    leg: call.id.leg(*leg),
                    to: to.clone(),
                    from,
                    seconds: RING_SECONDS,
                    end_on_exit: *leg == CUSTOMER,
                    early_media: true,
                };
                let answer = self.rest.create_participant(room, &new).await;
                self.once_only(row, *leg, answer.map(|made| made.call_sid))
                    .await
            }
            Effect::Cancel { .. } | Effect::Look => self.exchange.store().outbox_done(row.id).await,
        }
    }

    async fn set(
        &self,
        row: &OutboxRow,
        call: &Call,
        n: u16,
        what: Aspect,
    ) -> Result<(), StoreError> {
        let store = self.exchange.store();
        let (Some(leg), Some(room)) = (call.leg(n).filter(|l| l.alive()), call.room_sid()) else {
            return store.outbox_done(row.id).await;
        };
        let register = match what {
            Aspect::Hold => &leg.hold,
            Aspect::EndsRoom => &leg.ends_room,
        };
        let (wish, on) = (register.wish, register.wanted());
        let change = match (what, on) {
            (Aspect::Hold, true) => Change::Hold(on_hold(&call.place)),
            (Aspect::Hold, false) => Change::Unhold,
            (Aspect::EndsRoom, on) => Change::EndOnExit(on),
        };
        let who = leg.sid.as_ref().map_or(Who::Leg(call.id.leg(n)), Who::from);
        let is = |p: &Participant| match what {
            Aspect::Hold => p.hold,
            Aspect::EndsRoom => p.end_on_exit,
        };
        // Asked before, and the answer was lost: if it is so already, history begins then. It is asked for all
        // the same, since the lost request may be of an older wish and still on its way.
        let already = match row.attempts {
            0 => None,
            _ => match self.rest.participant(room, who.clone()).await {
                Answer::Done(p) if is(&p) == on => {
                    let now = self.exchange.clock().now();
                    p.updated.map(|said| happened(said, now))
                }
                _ => None,
            },
        };
        let sent = self.exchange.clock().now();
        let answer = self.rest.update_participant(room, who, &change).await;
        if let Answer::Done(now) = &answer {
            if is(now) == on {
                // It became true between asking and hearing of it.
                let heard = self.exchange.clock().now();
                let at = sent.plus(heard.since(sent) / 2);
                let at = already.map_or(at, |already| already.min(at));
                let fact = Fact::Confirmed { leg: n, what, wish };
                self.exchange
                    .report(row.call, Report::of(fact, at, "carrier"))
                    .await?;
            } else {
                // Accepted and not done: a held participant's flag is passed over in silence.
                self.unclear(row).await?;
            }
            return store.outbox_done(row.id).await;
        }
        self.repeatable(row, answer.map(drop)).await
    }

    /// What may be sent again, is; what was refused, or may have been done, is looked at.
    async fn repeatable(&self, row: &OutboxRow, answer: Answer<()>) -> Result<(), StoreError> {
        let store = self.exchange.store();
        match &answer {
            Answer::Done(()) => store.outbox_done(row.id).await,
            Answer::Refused {
                status,
                code,
                message,
            } => {
                let expected = matches!(
                    answer.why(),
                    Some(Why::Over | Why::Gone | Why::RoomOver | Why::NotStarted)
                );
                if !expected {
                    tracing::error!(call.id = %row.call, status, code, message, effect = ?row.effect, "the carrier refused");
                }
                self.unclear(row).await?;
                store.outbox_done(row.id).await
            }
            Answer::Unknown(why) if matches!(row.effect, Effect::Set { .. }) => {
                // A read may find that it is true by now. It may fail for the same reason, so the row stays: it
                // says what the leg is to be, and may say it twice.
                tracing::warn!(call.id = %row.call, why, effect = ?row.effect, "the answer was lost");
                self.unclear(row).await?;
                self.again(row, None).await
            }
            Answer::Unknown(why) | Answer::Unsent(why) => {
                tracing::warn!(call.id = %row.call, why, effect = ?row.effect, "not answered, sent again");
                self.again(row, None).await
            }
            Answer::Busy { retry_after } => self.again(row, *retry_after).await,
        }
    }

    async fn once_only(
        &self,
        row: &OutboxRow,
        leg: u16,
        answer: Answer<cordboard_core::ids::CallSid>,
    ) -> Result<(), StoreError> {
        let store = self.exchange.store();
        match &answer {
            Answer::Done(sid) => {
                let now = self.exchange.clock().now();
                let fact = Fact::Asked {
                    leg,
                    sid: sid.clone(),
                };
                self.exchange
                    .report(row.call, Report::of(fact, now, "carrier"))
                    .await?;
                store.outbox_done(row.id).await
            }
            Answer::Refused { .. } if answer.why() == Some(Why::AlreadyThere) => {
                self.unclear(row).await?;
                store.outbox_done(row.id).await
            }
            Answer::Refused {
                status,
                code,
                message,
            } => {
                tracing::warn!(call.id = %row.call, status, code, message, effect = ?row.effect, "the carrier refused to dial");
                self.over(row, Some(NoWhy::Failed)).await
            }
            // Not processed: the only case in which a dial is sent again.
            Answer::Busy { retry_after } => self.again(row, *retry_after).await,
            Answer::Unsent(why) => {
                tracing::warn!(call.id = %row.call, why, "the carrier cannot be reached");
                self.again(row, None).await
            }
            Answer::Unknown(why) => {
                tracing::warn!(call.id = %row.call, why, effect = ?row.effect, "a dial's answer was lost; it is looked for, never repeated");
                self.unclear(row).await?;
                store.outbox_done(row.id).await
            }
        }
    }

    /// The leg was given up before its dial was sent.
    async fn never_sent(&self, row: &OutboxRow) -> Result<(), StoreError> {
        self.over(row, None).await
    }

    /// We have no number to dial from, so nothing is asked of the carrier.
    async fn no_number(&self, row: &OutboxRow) -> Result<(), StoreError> {
        tracing::warn!(call.id = %row.call, "there is no number of ours to dial from");
        self.over(row, Some(NoWhy::Failed)).await
    }

    /// The row's leg is over without a call at the carrier, and the row is done.
    async fn over(&self, row: &OutboxRow, outcome: Option<NoWhy>) -> Result<(), StoreError> {
        let now = self.exchange.clock().now();
        let fact = Fact::Over {
            leg: row.leg,
            sid: None,
            outcome,
        };
        self.exchange
            .report(row.call, Report::of(fact, now, "carrier"))
            .await?;
        self.exchange.store().outbox_done(row.id).await
    }

    async fn unclear(&self, row: &OutboxRow) -> Result<(), StoreError> {
        let now = self.exchange.clock().now();
        self.exchange
            .report(row.call, Report::of(Fact::Unclear, now, "carrier"))
            .await
            .map(drop)
    }

    /// Later: after what the carrier said, up to 5 s; or twice as long each time, up to 2 s. Somebody waits for
    /// it, and what is repeated is a leg's one row.
    async fn again(&self, row: &OutboxRow, after: Option<Duration>) -> Result<(), StoreError> {
        let doubled = (200_i64 << row.attempts.min(4)).min(2_000);
        let said = after.and_then(|d| i64::try_from(d.as_millis()).ok());
        let wait = said.unwrap_or(doubled).clamp(50, 5_000);
        let due = self.exchange.clock().now().plus(wait);
        self.exchange.store().outbox_retry(row.id, due).await
    }
}

/// What a caller hears from the hold on. Whose other side was lost is told that somebody comes.
const fn on_hold(place: &Place) -> Sound {
    match place {
        Place::Ringing {
            why: RingWhy::Reconnect | RingWhy::Returned,
            ..
        } => Sound::OneMoment,
        _ => Sound::Music,
    }
}

/// Whether a leg is still to be dialled.
fn wanted(call: &Call, n: u16) -> bool {
    !call.ended()
        && call.leg(n).is_some_and(|l| {
            l.alive() && l.leave.is_none() && (l.role != Role::Customer || n == CUSTOMER)
        })
}

/// Tells calls the time when they asked for it, until `stop`. A call that stays due, because the store refuses or
/// because the call does, is told again later and later: the others' deadlines are kept meanwhile.
pub async fn keep_time(exchange: Exchange, stop: CancellationToken) {
    let clock = exchange.clock().clone();
    let mut late = Late::default();
    loop {
        let now = clock.now();
        match exchange.store().due_calls(now, 200).await {
            Ok(due) => {
                late.keep(&due);
                for call in due {
                    if late.waits(call, now) {
                        continue;
                    }
                    let told = tell_the_time(&exchange, call, now).await;
                    if told.is_ok_and(|due| due.is_none_or(|at| at > now)) {
                        late.kept(call);
                    } else {
                        late.missed(call, now);
                    }
                }
            }
            Err(cause) => tracing::error!(%cause, "deadlines cannot be read"),
        }
        let next = exchange.store().next_due(now).await.ok().flatten();
        let again = [next, late.next()].into_iter().flatten().min();
        let now = clock.now();
        let poll = now.plus(POLL_MS);
        let wake = again.map_or(poll, |at| at.min(poll).max(now.plus(10)));
        tokio::select! {
            () = stop.cancelled() => return,
            () = exchange.timers().notified() => {}
            () = clock.sleep_until(wake) => {}
        }
    }
}

/// Tells one call the time; when it wants to be told next. In a task of its own: a call that nobody can reason
/// about must not end the keeping of everybody's time.
async fn tell_the_time(
    exchange: &Exchange,
    call: CallId,
    now: Timestamp,
) -> Result<Option<Timestamp>, ()> {
    let door = exchange.clone();
    let told = tokio::spawn(async move {
        let told = door
            .report(call, Report::of(Fact::Clock, now, "time"))
            .await;
        told.map(|call| call.and_then(|call| call.due()))
    });
    match told.await {
        Ok(Ok(due)) => Ok(due),
        Ok(Err(cause)) => {
            tracing::error!(call.id = %call, %cause, "a deadline could not be kept");
            Err(())
        }
        Err(cause) => {
            tracing::error!(call.id = %call, %cause, "a deadline could not be kept");
            Err(())
        }
    }
}

/// Calls whose deadline has passed and could not be kept: when each is told again, and how long that was.
#[derive(Default)]
struct Late(HashMap<CallId, (Timestamp, i64)>);

impl Late {
    const FIRST_MS: i64 = 1_000;
    const LONGEST_MS: i64 = 30_000;

    /// Forgets those that are not due any more.
    fn keep(&mut self, due: &[CallId]) {
        self.0.retain(|call, _| due.contains(call));
    }

    fn waits(&self, call: CallId, now: Timestamp) -> bool {
        self.0.get(&call).is_some_and(|(again, _)| now < *again)
    }

    fn kept(&mut self, call: CallId) {
        self.0.remove(&call);
    }

    fn missed(&mut self, call: CallId, now: Timestamp) {
        let wait = self
            .0
            .get(&call)
            .map_or(Self::FIRST_MS, |(_, wait)| (wait * 2).min(Self::LONGEST_MS));
        self.0.insert(call, (now.plus(wait), wait));
    }

    fn next(&self) -> Option<Timestamp> {
        self.0.values().map(|(again, _)| *again).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_whose_deadline_cannot_be_kept_is_told_again_later_and_later() {
        let (call, other) = (CallId::from_bits(1), CallId::from_bits(2));
        let at = Timestamp::from_millis;
        let (mut late, mut told) = (Late::default(), Vec::new());
        for now in (0..100_000).step_by(10) {
            late.keep(&[call]);
            assert!(!late.waits(other, at(now)), "everybody else is told");
            if !late.waits(call, at(now)) {
                told.push(now);
                late.missed(call, at(now));
            }
        }
        assert_eq!(
            told,
            [0, 1_000, 3_000, 7_000, 15_000, 31_000, 61_000, 91_000]
        );
        assert_eq!(late.next(), Some(at(121_000)));
        late.keep(&[other]);
        assert!(
            !late.waits(call, at(100_000)),
            "it is due anew: that is another deadline"
        );
    }
}
