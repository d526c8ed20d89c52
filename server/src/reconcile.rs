//! Asks the carrier what is true: when something expected was not seen, at start, and steadily.
//!
//! Webhooks are best effort, so what they say is believed and what they do not say is asked. It reads and
//! reports, through the door; it never changes anything at the carrier itself. Read next:
//! `core/src/machine/facts.rs`, which merges what it brings.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cordboard_core::{
    call::{Call, Leg, Line, NoWhy, Role},
    ids::{CallId, CallSid, ConferenceSid, Timestamp},
    machine::{Fact, InRoom, LIST_LAG_MS, LegSeen, LegStatus, Reading, RoomSeen},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    exchange::{Exchange, Report},
    twilio::{
        resources::{CallFilter, Participant, ParticipantState, RoomState},
        rest::{Answer, Rest, Why},
        words::{CallState, happened},
    },
};

/// How often every open call is read, whether anything was missed or not.
const ROUND_MS: i64 = 20_000;

/// Reads the calls that are asked for and, in rounds, all of them, until `stop`.
pub async fn run(
    exchange: Exchange,
    rest: Rest,
    mut wanted: mpsc::Receiver<CallId>,
    stop: CancellationToken,
) {
    let clock = exchange.clock().clone();
    let under_way = TaskTracker::new();
    // What is asked for now does not wait behind a round, and a round leaves the carrier room for what is asked of
    // it.
    let (asked_for, in_rounds) = (Looks::new(16), Looks::new(4));
    let go = |looks: &Looks, call| {
        if let Some(turn) = looks.turn(call, &stop) {
            let (exchange, rest) = (exchange.clone(), rest.clone());
            under_way.spawn(async move {
                if let Some(_turn) = turn.await {
                    look(&exchange, &rest, call).await;
                }
            });
        }
    };
    let mut round = clock.now(); // the first one at once
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(first) = wanted.recv() => {
                let mut calls = HashSet::from([first]);
                while let Ok(next) = wanted.try_recv() {
                    calls.insert(next);
                }
                for call in calls {
                    go(&asked_for, call);
                }
            }
            () = clock.sleep_until(round) => {
                round = clock.now().plus(ROUND_MS);
                for call in exchange.calls() {
                    go(&in_rounds, call.id);
                }
            }
        }
    }
    under_way.close();
    under_way.wait().await;
}

/// So many looks at once: each is several requests, and there may be hundreds of calls. A call that waits for its
/// look already is not put in line again: where the carrier is slow, the line would grow with every round.
struct Looks {
    turns: Arc<Semaphore>,
    waiting: Arc<Mutex<HashSet<CallId>>>,
}

impl Looks {
    fn new(at_once: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(at_once)),
            waiting: Arc::default(),
        }
    }

    /// The call's turn, to be waited for; none if it waits already. It does not come any more once the server
    /// stops.
    fn turn(
        &self,
        call: CallId,
        stop: &CancellationToken,
    ) -> Option<impl Future<Output = Option<OwnedSemaphorePermit>> + use<>> {
        if !lock(&self.waiting).insert(call) {
            return None;
        }
        let (waiting, turns, stop) = (self.waiting.clone(), self.turns.clone(), stop.clone());
        Some(async move {
            let turn = stop.run_until_cancelled(turns.acquire_owned()).await;
            lock(&waiting).remove(&call);
            turn?.ok()
        })
    }
}

fn lock(waiting: &Mutex<HashSet<CallId>>) -> MutexGuard<'_, HashSet<CallId>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads one call and reports what was found. A read that fails says nothing: the call asks again by itself.
pub async fn look(exchange: &Exchange, rest: &Rest, id: CallId) {
    let call = match exchange.call(id).await {
        Ok(Some(call)) => call,
        Ok(None) => return,
        Err(cause) => return tracing::error!(call.id = %id, %cause, "cannot be looked at"),
    };
    let Some((sent, (room, legs))) = read_again(exchange, rest, &call).await else {
        return tracing::warn!(call.id = %id, "the carrier did not say what is true of this call");
    };
    let reading = Reading {
        rev: call.rev,
        sent,
        room,
        legs,
    };
    if let Err(cause) = exchange
        .report(id, Report::of(Fact::Read(reading), sent, "read"))
        .await
    {
        tracing::error!(call.id = %id, %cause, "a reading could not be stored");
    }
}

/// A reading is several requests, of which any may be refused or lost. A claim lapses in seconds, so a second
/// try does not wait for the call's next question.
async fn read_again(
    exchange: &Exchange,
    rest: &Rest,
    call: &Arc<Call>,
) -> Option<(Timestamp, (RoomSeen, Vec<LegSeen>))> {
    let clock = exchange.clock();
    for pause in [200, 400, 0] {
        let sent = clock.now();
        if let Some(seen) = read(exchange, rest, call, sent).await {
            return Some((sent, seen));
        }
        clock.sleep(pause).await;
    }
    None
}

async fn read(
    exchange: &Exchange,
    rest: &Rest,
    call: &Call,
    sent: Timestamp,
) -> Option<(RoomSeen, Vec<LegSeen>)> {
    let room = room(rest, call).await?;
    let there = match &room {
        RoomSeen::Open { sid, .. } => participants(rest, sid).await?,
        RoomSeen::None | RoomSeen::Over { .. } => Vec::new(),
    };
    let mut legs = Vec::new();
    for leg in call.legs.iter().filter(|l| l.alive()) {
        let label = call.id.leg(leg.n);
        let participant = there.iter().find(|p| p.leg() == Some(label));
        let sid = match (&leg.sid, participant) {
            (Some(sid), _) => sid.clone(),
            (None, Some(p)) => p.call_sid.clone(),
            (None, None) => match lost_dial(exchange, rest, call, leg).await? {
                Some(sid) => sid,
                None => continue,
            },
        };
        let in_room = participant
            .filter(|p| p.call_sid == sid && p.status == ParticipantState::Connected)
            .map(|p| in_room(leg, p, sent));
        let status = if in_room.is_some() {
            LegStatus::Up
        } else {
            status(rest, &sid, sent).await?
        };
        legs.push(LegSeen {
            n: leg.n,
            sid,
            status,
            in_room,
        });
    }
    legs.extend(there.iter().filter_map(|p| stray(call, p, sent)));
    Some((room, legs))
}

/// A participant whose leg counts as gone, and has for longer than the carrier's list lags behind.
fn stray(call: &Call, p: &Participant, sent: Timestamp) -> Option<LegSeen> {
    let label = p.leg().filter(|label| label.call == call.id)?;
    let leg = call.leg(label.n)?;
    let long_gone = leg.gone.is_some_and(|gone| sent.since(gone) >= LIST_LAG_MS);
    (long_gone && p.status == ParticipantState::Connected).then(|| LegSeen {
        n: leg.n,
        sid: p.call_sid.clone(),
        status: LegStatus::Up,
        in_room: Some(in_room(leg, p, sent)),
    })
}

fn in_room(leg: &Leg, p: &Participant, sent: Timestamp) -> InRoom {
    InRoom {
        hold: p.hold,
        ends_room: p.end_on_exit,
        joined: joined(leg, p),
        updated: p.updated.map(|said| happened(said, sent)),
    }
}

/// When a participant joined, as well as the carrier says: in whole seconds, and for who was invited only by
/// the pick-up.
fn joined(leg: &Leg, p: &Participant) -> Option<Timestamp> {
    let invited = matches!(leg.role, Role::Outside(_))
        || (leg.role == Role::Customer && leg.line != Line::Inbound);
    match p.created.filter(|_| !invited) {
        Some(created) => Some(leg.picked_up.map_or(created, |up| up.max(created))),
        None => leg.picked_up.filter(|_| leg.line != Line::Inbound),
    }
}

async fn room(rest: &Rest, call: &Call) -> Option<RoomSeen> {
    let found = match call.room_sid() {
        Some(sid) => match rest.conference(sid).await {
            Answer::Done(room) => vec![room],
            answer if answer.why() == Some(Why::RoomOver) => {
                return Some(RoomSeen::Over {
                    sid: sid.clone(),
                    by: None,
                });
            }
            // A room that was there a moment ago and is not to be found: an end is believed only if the caller's
            // has come too. For who is taken for gone nobody does anything any more.
            answer if answer.why() == Some(Why::Gone) && customer_is_over(rest, call).await? => {
                return Some(RoomSeen::Over {
                    sid: sid.clone(),
                    by: None,
                });
            }
            _ => return None,
        },
        None => rest
            .conferences_by_name(&call.id.to_string())
            .await
            .done()?,
    };
    // A name used once has one life; if it ever has several, the one that is open counts.
    let open = found.iter().find(|r| r.status != RoomState::Completed);
    Some(match (open, found.first()) {
        (Some(room), _) => RoomSeen::Open {
            sid: room.sid.clone(),
            started: room.status == RoomState::InProgress,
        },
        (None, Some(room)) => RoomSeen::Over {
            sid: room.sid.clone(),
            by: room.ended_by.clone(),
        },
        (None, None) => RoomSeen::None,
    })
}

async fn customer_is_over(rest: &Rest, call: &Call) -> Option<bool> {
    let Some(sid) = call.customer().sid.as_ref() else {
        return Some(true);
    };
    match rest.fetch_call(sid).await {
        Answer::Done(seen) => Some(seen.status.is_over()),
        answer if answer.why() == Some(Why::Gone) => Some(true),
        _ => None,
    }
}

async fn participants(rest: &Rest, room: &ConferenceSid) -> Option<Vec<Participant>> {
    match rest.participants(room).await {
        Answer::Done(all) => Some(all),
        answer if answer.why() == Some(Why::RoomOver) => Some(Vec::new()),
        _ => None,
    }
}

/// A telephone that was dialled and whose answer was lost: the one connection to its number that has begun since
/// and is no known leg's. Where there could be two, none: whoever is taken for another is hung up in the end. Its
/// callbacks name the leg, and settle it.
async fn lost_dial(
    exchange: &Exchange,
    rest: &Rest,
    call: &Call,
    leg: &Leg,
) -> Option<Option<CallSid>> {
    let (Some(asked), Line::Telephone(number), Role::Person(_)) = (leg.asked, &leg.line, &leg.role)
    else {
        return Some(None);
    };
    let store = exchange.store();
    let unsettled = |l: &Leg| l.alive() && l.sid.is_none() && l.line == leg.line;
    let rivals = exchange
        .calls()
        .iter()
        .any(|other| other.id != call.id && other.legs.iter().any(unsettled));
    // Not lost, only not sent yet: the carrier takes one a second, and says when it takes none.
    if rivals || store.outbox_waits(call.id.leg(leg.n)).await.ok()? {
        return Some(None);
    }
    let filter = CallFilter {
        to: Some(number.to_string()),
        ..CallFilter::default()
    };
    let mut candidates = Vec::new();
    for found in rest.calls(&filter).await.done()? {
        let since = found.created.is_some_and(|at| at >= asked.plus(-1_000));
        if since && !found.status.is_over() && store.legs_of_sid(&found.sid).await.ok()?.is_empty()
        {
            candidates.push(found.sid);
        }
    }
    let sid = candidates.pop();
    Some(sid.filter(|_| candidates.is_empty()))
}

async fn status(rest: &Rest, sid: &CallSid, sent: Timestamp) -> Option<LegStatus> {
    match rest.fetch_call(sid).await {
        Answer::Done(seen) => Some(match seen.status {
            CallState::Queued | CallState::Initiated => LegStatus::Queued,
            CallState::Ringing => LegStatus::Ringing,
            state if state.is_over() => LegStatus::Over {
                at: seen.ended.map(|said| happened(said, sent)),
                outcome: outcome(state),
            },
            _ => LegStatus::Up,
        }),
        answer if answer.why() == Some(Why::Gone) => Some(LegStatus::Over {
            at: None,
            outcome: None,
        }),
        _ => None,
    }
}

/// How a leg ended, if it never came to anything.
pub(crate) const fn outcome(state: CallState) -> Option<NoWhy> {
    match state {
        CallState::Busy => Some(NoWhy::Busy),
        CallState::NoAnswer => Some(NoWhy::NoAnswer),
        CallState::Failed => Some(NoWhy::Failed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_waits_for_one_look_at_a_time_and_for_none_once_the_server_stops() {
        let (looks, stop) = (Looks::new(1), CancellationToken::new());
        let (one, two) = (CallId::from_bits(1), CallId::from_bits(2));
        let first = looks.turn(one, &stop).unwrap().await.unwrap();
        // Its look has begun, so what happens from now on is worth another.
        let again = looks.turn(one, &stop).unwrap();
        assert!(looks.turn(one, &stop).is_none());
        let other = looks.turn(two, &stop).unwrap();
        drop(first);
        drop(again.await.unwrap());
        let held = looks.turn(one, &stop).unwrap().await;
        stop.cancel();
        assert!(held.is_some() && other.await.is_none());
    }
}
