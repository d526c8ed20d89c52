//! What is found by asking: a reading of one call at the carrier, and how it merges with what was told.
//!
//! What was seen is true. What was not seen counts only if the call has not changed since the question was
//! sent: it may be news that the question was too early for. A reading also finds what nobody told: wishes that
//! were not obeyed, legs that did not go, requests that were never made.

use serde::{Deserialize, Serialize};

use super::{Aspect, Context, Draft, Effect, SETTLE_MS};
use crate::{
    call::{CUSTOMER, NoWhy},
    ids::{CallSid, ConferenceSid, Rev, Timestamp},
};

/// How far the carrier's list of participants may lag behind what it has reported, in milliseconds.
pub const LIST_LAG_MS: i64 = 2_000;

/// How long a request to leave is given before it is made again, in milliseconds. Sooner it may cross with a
/// read; and a leg that is moved twice leaves the room it was moved to.
const TELL_AGAIN_MS: i64 = 3_000;

/// What the carrier says of one call, and as of which revision it was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The call's revision when the question was sent.
    pub rev: Rev,
    /// When the question was sent.
    pub sent: Timestamp,
    /// The room.
    pub room: RoomSeen,
    /// The legs that were found, by number.
    pub legs: Vec<LegSeen>,
}

/// What a read found of the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "room", rename_all = "kebab-case")]
pub enum RoomSeen {
    /// There is none, or none yet.
    None,
    /// It is open.
    Open {
        /// Its life.
        sid: ConferenceSid,
        /// Whether it has started.
        started: bool,
    },
    /// It is over.
    Over {
        /// Its life.
        sid: ConferenceSid,
        /// Whose leaving ended it, if the carrier says so.
        by: Option<CallSid>,
    },
}

/// What a read found of a leg.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegSeen {
    /// Which leg.
    pub n: u16,
    /// Which connection.
    pub sid: CallSid,
    /// Its connection.
    pub status: LegStatus,
    /// Its place in the room, if it is there.
    pub in_room: Option<InRoom>,
}

/// The state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum LegStatus {
    /// On its way.
    Queued,
    /// Ringing.
    Ringing,
    /// Up.
    Up,
    /// Over.
    Over {
        /// When it ended.
        at: Option<Timestamp>,
        /// How, if it ended before it was picked up.
        outcome: Option<NoWhy>,
    },
}

/// A participant, as read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InRoom {
    /// Held.
    pub hold: bool,
    /// Ends the room.
    pub ends_room: bool,
    /// When it joined, if the carrier says so.
    pub joined: Option<Timestamp>,
    /// When it last changed.
    pub updated: Option<Timestamp>,
}

impl Draft {
    pub(super) fn read(&mut self, reading: &Reading, ctx: &Context) {
        // What was seen is true. What was not seen may be news that the question was too early for.
        let fresh = reading.rev == self.call.rev;
        let room = match &reading.room {
            RoomSeen::Open { sid, started } => {
                if self.call.room.sid.get_or_insert_with(|| sid.clone()) == sid {
                    self.call.room.started |= *started;
                }
                Some(sid.clone())
            }
            RoomSeen::Over { sid, by } => {
                if self.call.room.sid.as_ref() == Some(sid) {
                    self.room_ended(reading.sent, by.as_ref(), ctx);
                }
                None
            }
            RoomSeen::None => None,
        };
        for seen in &reading.legs {
            if !self.meet(seen.n, &seen.sid) {
                continue;
            }
            if let (Some(in_room), Some(room)) = (&seen.in_room, &room) {
                self.joined(
                    seen.n,
                    &seen.sid,
                    room,
                    in_room.joined.unwrap_or(reading.sent),
                    ctx,
                );
                self.compare(seen.n, in_room, reading, fresh);
            }
            match seen.status {
                LegStatus::Queued => {}
                LegStatus::Ringing => self.moment(seen.n, |l| &mut l.rang, reading.sent),
                LegStatus::Up => {
                    self.moment(seen.n, |l| &mut l.picked_up, reading.sent);
                    let missing = seen.in_room.is_none() && !self.call.emergency();
                    if fresh && missing && seen.n != CUSTOMER {
                        self.not_in_room(seen.n, reading.sent, ctx);
                        self.has_not_arrived(seen.n, reading.sent, ctx);
                    }
                }
                LegStatus::Over { at, outcome } => {
                    self.gone(seen.n, at.unwrap_or(reading.sent), outcome, ctx);
                }
            }
            if fresh && !matches!(seen.status, LegStatus::Over { .. }) {
                self.tell_again(seen.n, seen, reading.sent);
            }
        }
        // A request whose answer was lost, and of which nothing is to be seen after 10 s, was never made. If it
        // waits to be sent, it need not be.
        let never: Vec<u16> = self
            .call
            .legs
            .iter()
            .filter(|l| l.sid.is_none() && l.alive())
            .filter(|l| {
                l.asked
                    .is_some_and(|asked| reading.sent.since(asked) >= SETTLE_MS)
            })
            .map(|l| l.n)
            .collect();
        for n in never {
            self.effects.push(Effect::Cancel { leg: n });
            self.gone(n, ctx.now, Some(NoWhy::Failed), ctx);
        }
    }

    /// A leg that lives, and is in another room or none: it has left this one. The carrier's list lags behind
    /// its own joins a little.
    fn not_in_room(&mut self, n: u16, sent: Timestamp, ctx: &Context) {
        let Some(leg) = self.call.leg(n) else { return };
        if leg.alive()
            && leg
                .joined
                .is_some_and(|joined| sent.since(joined) >= LIST_LAG_MS)
        {
            let moves = leg.leave.is_some_and(|leave| leave.to.is_some());
            let sid = leg.sid.clone();
            self.gone(n, sent, None, ctx);
            // Nobody hears it, and nobody else is going to end it.
            self.effects
                .extend(sid.filter(|_| !moves).map(|sid| Effect::HangUp { sid }));
        }
    }

    /// It was told to leave a while ago and has not: the request is repeatable. Or it counts as gone, and is
    /// there: it goes.
    fn tell_again(&mut self, n: u16, seen: &LegSeen, sent: Timestamp) {
        let Some(leg) = self.call.leg_mut(n) else {
            return;
        };
        if leg.gone.is_some() {
            if seen.in_room.is_some() {
                self.effects.push(Effect::HangUp {
                    sid: seen.sid.clone(),
                });
            }
        } else if let Some(leave) = &mut leg.leave
            && leave
                .asked
                .is_some_and(|asked| sent.since(asked) >= TELL_AGAIN_MS)
            && (seen.in_room.is_some() || leave.to.is_none())
        {
            leave.asked = None;
        }
    }

    /// Compares what a participant is with what it is wanted to be: confirms, or asks again.
    fn compare(&mut self, n: u16, seen: &InRoom, reading: &Reading, fresh: bool) {
        let mut again = Vec::new();
        if let Some(leg) = self.call.leg_mut(n).filter(|l| l.alive()) {
            for (what, is, register) in [
                (Aspect::Hold, seen.hold, &mut leg.hold),
                (Aspect::EndsRoom, seen.ends_room, &mut leg.ends_room),
            ] {
                // The customer's flag was set when it joined; only wishes of ours are compared.
                if !fresh || (what == Aspect::EndsRoom && n == CUSTOMER) {
                    continue;
                }
                // With one wish outstanding, a value that is as wished can only be its effect. With more it may
                // be that of an older one.
                let outstanding = register.wish - register.done.min(register.wish);
                match (is == register.wanted(), outstanding) {
                    (true, 0) => {}
                    (true, 1) => {
                        let at = seen.updated.unwrap_or(reading.sent).min(reading.sent);
                        register.confirm(register.wish, at);
                    }
                    _ => again.push(what),
                }
            }
        }
        self.effects
            .extend(again.into_iter().map(|what| Effect::Set { leg: n, what }));
    }
}
