//! What has happened: facts, and how they merge.
//!
//! Facts come late, doubled, out of order, or only by asking (`read.rs`). Moments of a leg take the earliest
//! value; a confirmation names the wish it confirms; what ended stays ended. What a read does not show counts
//! only if the call has not changed since the question was sent.

use serde::{Deserialize, Serialize};

use super::{ARRIVING_MS, Aspect, Context, Draft, Effect, Ignored, Reading};
use crate::{
    call::{
        CUSTOMER, Callee, Direction, EndWhy, Leave, Leg, Line, NoWhy, Place, RingWhy, Role, Via,
        earlier,
    },
    ids::{CallSid, ConferenceSid, Timestamp, UserId},
};

/// Something that has happened to a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum Fact {
    /// The carrier asked what to do with a leg: it exists, and is up.
    Fetched {
        /// Which leg.
        leg: u16,
        /// Which connection.
        sid: CallSid,
    },
    /// A person's telephone pressed the key that accepts.
    Accepted {
        /// Which leg.
        leg: u16,
        /// Which connection.
        sid: CallSid,
    },
    /// A leg entered a room.
    Joined {
        /// Which leg.
        leg: u16,
        /// Which connection.
        sid: CallSid,
        /// Which life of the room.
        room: ConferenceSid,
    },
    /// A leg left a room.
    Left {
        /// Which leg.
        leg: u16,
        /// Which connection.
        sid: CallSid,
        /// Which life of the room.
        room: ConferenceSid,
        /// By its own hand, as the carrier says: not with the room, and not because we asked.
        hung_up: bool,
    },
    /// The room has started: two have joined.
    RoomStarted {
        /// Which life of the room.
        room: ConferenceSid,
    },
    /// The room has ended.
    RoomEnded {
        /// Which life of the room.
        room: ConferenceSid,
        /// Whose leaving ended it, if the carrier says so.
        by: Option<CallSid>,
    },
    /// A telephone rings.
    Rang {
        /// Which leg.
        leg: u16,
        /// Which connection.
        sid: CallSid,
    },
    /// A telephone was picked up.
    PickedUp {
        /// Which leg.
        leg: u16,
        /// Which connection.
        sid: CallSid,
    },
    /// A leg has ended.
    Over {
        /// Which leg.
        leg: u16,
        /// Which connection; none if it never became one.
        sid: Option<CallSid>,
        /// How, if it ended before it was picked up.
        outcome: Option<NoWhy>,
    },
    /// The carrier has taken a once-only request, and this is the connection it made.
    Asked {
        /// Which leg.
        leg: u16,
        /// Which connection.
        sid: CallSid,
    },
    /// The carrier has confirmed a wish.
    Confirmed {
        /// Which leg.
        leg: u16,
        /// In what respect.
        what: Aspect,
        /// The number of the wish.
        wish: u32,
    },
    /// The carrier has refused a request for a leg, or its answer was lost. Somebody has to look.
    Unclear,
    /// What the carrier says is true.
    Read(Reading),
    /// A person has signed off: what rings at their page goes on to where else they can be found. A call they are
    /// in stays theirs.
    SignedOff {
        /// Who.
        user: UserId,
    },
    /// A person's phone page has not been heard of for too long.
    PageGone {
        /// Whose.
        user: UserId,
    },
    /// Time has passed.
    Clock,
}

/// The carrier's moments are whole seconds: within one, nobody can say what came first. The next read can.
const A_SECOND_MS: i64 = 1_000;

impl Draft {
    pub(super) fn observe(&mut self, fact: &Fact, at: Timestamp, ctx: &Context) {
        match fact {
            Fact::Fetched { leg, sid } => {
                if self.meet(*leg, sid) {
                    self.moment(*leg, |l| &mut l.picked_up, at);
                    self.await_arrival(*leg);
                }
            }
            Fact::Accepted { leg, sid } => self.accepted(*leg, sid, at, ctx),
            Fact::Joined { leg, sid, room } => self.joined(*leg, sid, room, at, ctx),
            Fact::Left {
                leg,
                sid,
                room,
                hung_up,
            } => {
                if self.call.room.sid.get_or_insert_with(|| room.clone()) != room {
                    self.ignored = Some(Ignored::ForeignRoom);
                } else if self.meet(*leg, sid) {
                    // Who leaves a room has been in it.
                    self.joined(*leg, sid, room, at, ctx);
                    if let Some(leg) = self.call.leg_mut(*leg) {
                        leg.hung_up |= *hung_up;
                    }
                    self.gone(*leg, at, None, ctx);
                }
            }
            Fact::RoomStarted { room } => {
                if self.call.room.sid.get_or_insert_with(|| room.clone()) == room {
                    self.call.room.started = true;
                } else {
                    self.ignored = Some(Ignored::ForeignRoom);
                }
            }
            Fact::RoomEnded { room, by } => {
                if self.call.room.sid.get_or_insert_with(|| room.clone()) == room {
                    self.room_ended(at, by.as_ref(), ctx);
                } else {
                    self.ignored = Some(Ignored::ForeignRoom);
                }
            }
            Fact::Rang { leg, sid } => {
                if self.meet(*leg, sid) {
                    self.moment(*leg, |l| &mut l.rang, at);
                }
            }
            Fact::PickedUp { leg, sid } => {
                if self.meet(*leg, sid) {
                    self.moment(*leg, |l| &mut l.picked_up, at);
                }
            }
            Fact::Over { leg, sid, outcome } => {
                let known = match sid {
                    Some(sid) => self.meet(*leg, sid),
                    None => self.call.leg(*leg).is_some_and(|l| l.sid.is_none()),
                };
                if known {
                    self.gone(*leg, at, *outcome, ctx);
                }
            }
            Fact::Asked { leg, sid } => {
                self.meet(*leg, sid);
            }
            Fact::Confirmed { leg, what, wish } => match self.call.leg_mut(*leg) {
                Some(leg) => match what {
                    Aspect::Hold => leg.hold.confirm(*wish, at),
                    Aspect::EndsRoom => leg.ends_room.confirm(*wish, at),
                },
                None => self.ignored = Some(Ignored::ForeignLeg),
            },
            Fact::Unclear => {
                if let Some(look) = &mut self.call.look {
                    look.at = look.at.min(ctx.now);
                } else {
                    self.effects.push(Effect::Look);
                }
            }
            Fact::Read(reading) => self.read(reading, ctx),
            Fact::SignedOff { user } => self.page_rings_no_more(*user, ctx),
            Fact::PageGone { user } => self.page_gone(*user, ctx),
            Fact::Clock => {
                if self.call.claim.as_ref().is_some_and(|c| c.until <= ctx.now) {
                    self.lapse(ctx);
                }
                if self.call.claim.is_none() && self.call.deadline().is_some_and(|d| d <= ctx.now) {
                    self.time_is_up(ctx);
                }
                if self.call.claim.is_none()
                    && self.call.dialled_until().is_some_and(|d| d <= ctx.now)
                {
                    self.end(EndWhy::NoAnswer, ctx.now);
                }
            }
        }
    }

    /// Learns, or checks, which connection a leg is. A second connection that says it is this leg is ended.
    pub(super) fn meet(&mut self, n: u16, sid: &CallSid) -> bool {
        let Some(leg) = self.call.leg_mut(n) else {
            self.ignored = Some(Ignored::ForeignLeg);
            return false;
        };
        match &leg.sid {
            Some(known) if known == sid => true,
            Some(_) => {
                self.ignored = Some(Ignored::ForeignSid);
                self.effects.push(Effect::HangUp { sid: sid.clone() });
                false
            }
            None => {
                leg.sid = Some(sid.clone());
                // It was taken for dead, or never born, and lives: the duty to end it does too.
                if leg.gone.take().is_some() {
                    leg.leave.get_or_insert(Leave {
                        to: None,
                        asked: None,
                    });
                }
                // Ordered away before it was known: now it can be told.
                if let Some(leave) = &mut leg.leave {
                    leave.asked = None;
                }
                true
            }
        }
    }

    pub(super) fn moment(
        &mut self,
        n: u16,
        of: impl Fn(&mut Leg) -> &mut Option<Timestamp>,
        at: Timestamp,
    ) {
        if let Some(leg) = self.call.leg_mut(n) {
            let moment = of(leg);
            *moment = earlier(*moment, Some(at));
        }
    }

    fn accepted(&mut self, n: u16, sid: &CallSid, at: Timestamp, ctx: &Context) {
        if !self.meet(n, sid) {
            return;
        }
        self.moment(n, |l| &mut l.picked_up, at);
        if self.call.claim.as_ref().is_some_and(|c| c.leg == n) {
            self.ignored = Some(Ignored::Known);
            return;
        }
        let Some(leg) = self
            .call
            .leg(n)
            .filter(|l| l.alive() && l.leave.is_none() && l.joined.is_none())
        else {
            self.ignored = Some(Ignored::Late);
            return;
        };
        let Some(user) = leg.user() else { return };
        let elsewhere = ctx.reach(user).seat.is_some_and(|s| s.call != self.call.id);
        if self.call.offered_to_leg(n) && self.call.claim.is_none() && !elsewhere {
            self.by = Some(user);
            self.put_claim(user, n, ARRIVING_MS, ctx);
        } else {
            // Somebody was first, or they are in another call: this telephone is thanked and hung up.
            self.ignored = Some(Ignored::Late);
            self.dismiss(n, None);
            self.offer_failed(|o| o.via == Via::Leg(n), NoWhy::Busy, ctx);
        }
    }

    pub(super) fn joined(
        &mut self,
        n: u16,
        sid: &CallSid,
        room: &ConferenceSid,
        at: Timestamp,
        ctx: &Context,
    ) {
        if !self.meet(n, sid) {
            return;
        }
        if self.call.room.sid.get_or_insert_with(|| room.clone()) != room {
            self.ignored = Some(Ignored::ForeignRoom);
            self.astray(n, sid, at, ctx);
            return;
        }
        if self
            .call
            .leg(n)
            .is_some_and(|l| l.gone.is_some_and(|gone| at.since(gone) >= A_SECOND_MS))
        {
            // It had left, and is back: its seat is given away.
            self.effects.push(Effect::HangUp { sid: sid.clone() });
        }
        let new = self.call.leg(n).is_some_and(|l| l.joined.is_none());
        self.moment(n, |l| &mut l.joined, at);
        // Two are there, even where the news of the first is still on its way: a caller waits in the room
        // before anybody is let in to them, and a number is dialled by somebody who is in it.
        self.call.room.started |= (n == CUSTOMER) == (self.call.direction == Direction::Out);
        let here = self.call.leg(n).is_some_and(Leg::here);
        if !new || !here || self.call.ended() {
            return;
        }
        if n == CUSTOMER {
            if matches!(self.call.place, Place::Dialling { .. }) {
                self.talk(at);
            }
            return;
        }
        let claimed = self.call.claim.as_ref().is_some_and(|c| c.leg == n);
        match &self.call.place {
            // The dialler is in the room; the other side is asked now.
            Place::Dialling { .. } if claimed => self.call.claim = None,
            _ if claimed => self.talk_with(n, at),
            // Later than its claim, and still the first.
            Place::Queued { .. }
            | Place::Ringing { .. }
            | Place::Parked { .. }
            | Place::Held { .. }
                if self.call.claim.is_none() && self.free_to_stay(n, ctx) =>
            {
                self.talk_with(n, at);
            }
            _ => self.dismiss(n, None),
        }
    }

    /// A leg went into another life of the room: nobody is there, and nobody will come.
    fn astray(&mut self, n: u16, sid: &CallSid, at: Timestamp, ctx: &Context) {
        if n == CUSTOMER {
            return self.end(EndWhy::Failed, ctx.now);
        }
        if self.call.claim.as_ref().is_some_and(|c| c.leg == n) {
            self.lapse(ctx);
        }
        let joined = self.call.leg(n).is_some_and(|l| l.joined.is_some());
        if joined {
            // It was in this room, so it has left it.
            self.gone(n, at, None, ctx);
        }
        self.dismiss(n, None);
        match self.call.leg_mut(n).filter(|l| l.alive()) {
            Some(leg) => {
                if let Some(leave) = &mut leg.leave {
                    leave.asked = None;
                }
            }
            // Nobody else is going to end it.
            None => self.effects.push(Effect::HangUp { sid: sid.clone() }),
        }
    }

    fn talk_with(&mut self, n: u16, at: Timestamp) {
        self.by = self.call.leg(n).and_then(Leg::user);
        self.withdraw_offers(Some(n));
        // Who was on the way for nothing, or was being let go, goes.
        if let Some(claim) = self.call.claim.take().filter(|c| c.leg != n) {
            self.dismiss(claim.leg, None);
        }
        self.talk(at);
    }

    /// Whether the person of a leg that came unasked has no seat elsewhere by now.
    fn free_to_stay(&self, n: u16, ctx: &Context) -> bool {
        match self.call.leg(n).map(|l| &l.role) {
            Some(Role::Person(user)) => {
                ctx.reach(*user).seat.is_none_or(|s| s.call == self.call.id)
            }
            _ => self.call.offered_to_leg(n),
        }
    }

    pub(super) fn gone(&mut self, n: u16, at: Timestamp, outcome: Option<NoWhy>, ctx: &Context) {
        let Some(leg) = self.call.leg_mut(n) else {
            return;
        };
        let was = leg
            .gone
            .is_none()
            .then(|| (leg.here(), leg.leave.is_some()));
        leg.gone = earlier(leg.gone, Some(at));
        leg.outcome = leg.outcome.or(outcome);
        let Some((was_here, ordered)) = was else {
            return;
        };
        if self.call.ended() {
            return;
        }
        if n == CUSTOMER {
            let answered = self.call.answered.is_some();
            return self.end(
                EndWhy::by_the_customer(answered, self.call.direction, outcome),
                at,
            );
        }
        if self.call.claim.as_ref().is_some_and(|c| c.leg == n) {
            return self.lapse(ctx);
        }
        match self.call.place {
            Place::Dialling { user } if self.call.leg(n).and_then(Leg::user) == Some(user) => {
                self.end(EndWhy::HungUp, at);
            }
            Place::Ringing { .. } => {
                self.offer_failed(
                    |o| o.via == Via::Leg(n),
                    outcome.unwrap_or(NoWhy::Declined),
                    ctx,
                );
            }
            Place::Talking if was_here && !ordered && self.call.company().next().is_none() => {
                self.left_alone(n, at, ctx);
            }
            _ => {}
        }
    }

    /// The room is over, and with it everybody's stay in it.
    pub(super) fn room_ended(&mut self, at: Timestamp, by: Option<&CallSid>, ctx: &Context) {
        let room = &mut self.call.room;
        room.ended = earlier(room.ended, Some(at));
        room.ended_by = room.ended_by.take().or_else(|| by.cloned());
        // Whoever was there when it closed. Who called us was, from their first moment; who is still being rung
        // was not, and their telephone rings on.
        let inbound = self.call.direction == Direction::In;
        let there = |l: &&Leg| l.joined.is_some() || (l.n == CUSTOMER && inbound);
        let legs: Vec<u16> = self.call.legs.iter().filter(there).map(|l| l.n).collect();
        for n in legs {
            if self.call.leg(n).is_some_and(Leg::alive) {
                self.gone(n, at, None, ctx);
            }
        }
    }

    fn page_gone(&mut self, user: UserId, ctx: &Context) {
        // Nobody but their own hand ends a call for help: the connection may well live on.
        if self.call.emergency() {
            return;
        }
        let by_page = |n: u16| self.call.leg(n).is_some_and(|l| l.line == Line::Page);
        if self
            .call
            .claim
            .as_ref()
            .is_some_and(|c| c.user == user && by_page(c.leg))
        {
            self.lapse(ctx);
        }
        self.page_rings_no_more(user, ctx);
        let ghost = self
            .call
            .leg_of(user)
            .filter(|l| l.line == Line::Page)
            .map(|l| l.n);
        if let Some(n) = ghost {
            self.dismiss(n, None);
            match self.call.place {
                Place::Talking if self.call.company().next().is_none() => {
                    self.left_alone(n, ctx.now, ctx);
                }
                Place::Dialling { .. } => self.end(EndWhy::Failed, ctx.now),
                _ => {}
            }
        }
    }

    fn page_rings_no_more(&mut self, user: UserId, ctx: &Context) {
        self.ring_their_telephone_instead(user, ctx);
        self.offer_failed(
            |o| o.to == Callee::User(user) && o.via == Via::Page,
            NoWhy::Unreachable,
            ctx,
        );
    }

    /// A page that was rung is gone: their fallback number is next, where the offer is one that rings
    /// telephones.
    fn ring_their_telephone_instead(&mut self, user: UserId, ctx: &Context) {
        let Some(number) = ctx.reach(user).fallback else {
            return;
        };
        if let Place::Ringing {
            offers,
            why: RingWhy::New | RingWhy::Transfer { .. },
            ..
        } = &mut self.call.place
        {
            for offer in offers.iter_mut() {
                if offer.to == Callee::User(user) && offer.via == Via::Page && offer.over.is_none()
                {
                    offer.via = Via::Later(number.clone());
                }
            }
        }
    }
}
