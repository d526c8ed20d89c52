//! The last thing in every step: the difference between what the legs are wanted to be and what was asked of
//! the carrier.
//!
//! Families of verbs change places and wishes; only this file, and the strays in `facts.rs`, ask for anything.

use super::{Aspect, Context, Draft, Effect, Finish, Outcome, Step};
use crate::{
    call::{
        CUSTOMER, Callee, Direction, EndWhy, Errand, Goal, Leg, LegState, Line, Look, Place,
        RingWhy, Role, Via,
    },
    say,
};

/// When something expected has not been seen, the carrier is asked after this long, in milliseconds; then after
/// twice and four times as long.
const LOOK_MS: i64 = 1_500;
/// How often a telephone that should ring is looked at. The carrier reports it; this is for when it does not.
const RINGING_LOOK_MS: i64 = 15_000;

impl Draft {
    /// Turns wishes into requests, and keeps the books.
    pub(super) fn settle(mut self, ctx: &Context) -> Step {
        self.call_next_telephones(ctx);
        self.hold_or_release();
        self.see_off(ctx);
        self.flag_telephones();
        self.let_go(ctx);
        self.ask_outside(ctx);
        self.keep_history();
        self.schedule_look(ctx);
        self.settle_errands(ctx);
        // A request needs a commit, also where the call is as it was.
        let asked = self.effects.iter().any(|e| *e != Effect::Look);
        if asked || self.call != self.before {
            self.call.rev = self.before.rev + 1;
            let claimant = |call: &crate::call::Call| call.claim.as_ref().map(|c| c.user);
            let moved = !self.call.place.stays(&self.before.place)
                || claimant(&self.call) != claimant(&self.before);
            if moved || self.before.rev == 0 {
                self.call.moved = self.call.rev;
                self.call.moved_by = self.by;
            }
        }
        let fault = self.call.check().err();
        Step {
            call: self.call,
            effects: self.effects,
            outcomes: self.outcomes,
            aside: self.aside,
            ignored: self.ignored,
            fault,
        }
    }

    /// The customer is held exactly while nobody is to be with them. Before the room has started there is
    /// nothing to hold: the wait document is what they hear.
    fn hold_or_release(&mut self) {
        let want = match self.call.place {
            Place::Queued { .. }
            | Place::Ringing { .. }
            | Place::Held { .. }
            | Place::Parked { .. } => true,
            Place::Talking | Place::Dialling { .. } | Place::Ended { .. } => false,
        };
        let (unexplained, ended) = (self.start_is_unexplained(), self.call.ended());
        // A room that has started holds the customer, even where the news of their own join was lost.
        let started = self.call.room.started && !unexplained;
        let customer = &mut self.call.legs[usize::from(CUSTOMER)];
        if started && !ended && customer.alive() && customer.hold.want(want) {
            self.effects.push(Effect::Set {
                leg: CUSTOMER,
                what: Aspect::Hold,
            });
        }
    }

    /// The room has started, so somebody is with the customer, and whoever it is has not been seen to join:
    /// they are about to be. Holding now would take the customer from them.
    fn start_is_unexplained(&self) -> bool {
        let others = || self.call.legs.iter().skip(1);
        self.call.room.started
            && others().all(|l| l.joined.is_none())
            && others().any(|l| l.alive() && l.leave.is_none())
    }

    /// A telephone that leaves has hung up, so the room may end with it, even while we are down. A page that
    /// leaves may have died, and its caller is to come back. A telephone that is sent away must lose the flag
    /// first, or it would take the caller along.
    fn flag_telephones(&mut self) {
        let alone = matches!(self.call.place, Place::Talking) && self.call.company().count() == 1;
        if self.call.ended() {
            return;
        }
        for leg in self.call.legs.iter_mut().skip(1) {
            if matches!(leg.line, Line::Telephone(_))
                && leg.state() == LegState::Joined
                && leg.ends_room.want(alone && leg.leave.is_none())
            {
                self.effects.push(Effect::Set {
                    leg: leg.n,
                    what: Aspect::EndsRoom,
                });
            }
        }
    }

    /// When a call is over, everybody goes; who was never asked for is gone at once.
    fn see_off(&mut self, ctx: &Context) {
        if self.call.ended() {
            for n in 0..self.call.legs.len() {
                self.dismiss(u16::try_from(n).unwrap_or(u16::MAX), None);
            }
            for leg in &mut self.call.legs {
                leg.hold.close();
                leg.ends_room.close();
            }
        }
        for leg in self.call.legs.iter_mut().filter(|l| l.leave.is_some()) {
            if leg.sid.is_none() && leg.asked.is_none() {
                leg.gone.get_or_insert(ctx.now);
            }
            // Gone is gone, whether it was sent away or went by itself: which of the two was known first is not
            // kept.
            if leg.gone.is_some() {
                leg.leave = None;
            }
        }
    }

    /// Lets legs go that were ordered away, once the customer is not left in silence by it.
    fn let_go(&mut self, ctx: &Context) {
        let call = &self.call;
        let ended = call.ended() || !call.customer().alive();
        let safe = ended
            || matches!(call.place, Place::Dialling { .. })
            || call.at_rest()
            || call.company().next().is_some();
        for leg in self.call.legs.iter_mut().filter(|l| l.alive()) {
            let in_room = leg.joined.is_some();
            let takes_the_room_along = !leg.ends_room.settled() || leg.ends_room.is();
            let Some(leave) = &mut leg.leave else {
                continue;
            };
            if leave.asked.is_some() || (in_room && !ended && (!safe || takes_the_room_along)) {
                continue;
            }
            match (&leg.sid, leave.to) {
                (Some(sid), Some(to)) => self.effects.push(Effect::Redirect {
                    sid: sid.clone(),
                    to,
                }),
                (Some(sid), None) => self.effects.push(Effect::HangUp { sid: sid.clone() }),
                // It may be on its way: when its SID becomes known, it is ended.
                (None, _) => self.effects.push(Effect::Cancel { leg: leg.n }),
            }
            leave.asked = Some(ctx.now);
        }
    }

    /// Dials outside parties, once the room is known.
    fn ask_outside(&mut self, ctx: &Context) {
        if self.call.room.sid.is_none() {
            return; // participants are added by the room's SID only
        }
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
            let Line::Telephone(to) = &leg.line else {
                continue;
            };
            if wanted && leg.asked.is_none() && leg.alive() && leg.leave.is_none() {
                leg.asked = Some(ctx.now);
                self.effects.push(Effect::Invite {
                    leg: leg.n,
                    to: to.clone(),
                });
            }
        }
    }

    /// What history will say, as a function of the moments: so late news changes it the same way in whatever
    /// order it comes.
    fn keep_history(&mut self) {
        self.call.answered = self.call.talks().first().map(|t| t.from);
        let (answered, direction) = (self.call.answered.is_some(), self.call.direction);
        let Some((gone, outcome)) = self
            .call
            .customer()
            .gone
            .map(|at| (at, self.call.customer().outcome))
        else {
            return;
        };
        let by_customer = EndWhy::by_the_customer(answered, direction, outcome);
        let parted = self.parted_by_customer();
        let Place::Ended { why } = &mut self.call.place else {
            return;
        };
        *why = match (*why, parted) {
            (EndWhy::CallerLeft | EndWhy::HungUp, Some(false)) if answered => EndWhy::HungUp,
            (EndWhy::HungUp, Some(true)) if answered => by_customer,
            (EndWhy::Abandoned | EndWhy::CallerLeft | EndWhy::NoAnswer | EndWhy::Busy, _) => {
                by_customer
            }
            (EndWhy::HungUp | EndWhy::Failed, _) => return,
        };
        self.call.since = self.call.since.min(gone);
    }

    /// Whether the call was ended by a command. Written down with the step that does it.
    fn ended_by_us(&self) -> bool {
        let who = if self.before.ended() {
            self.call.moved_by
        } else {
            self.by
        };
        who.is_some()
    }

    /// Whether the customer was the one who hung up: a telephone and the customer leave together, and the news
    /// of the one may overtake the other's. None where one of us ended it, or nobody knows.
    fn parted_by_customer(&self) -> Option<bool> {
        let by = self.call.room.ended_by.as_ref()?;
        let customer = self.call.customer();
        if self.ended_by_us() {
            return None;
        }
        if customer.sid.as_ref() != Some(by) {
            return Some(false); // the flag that ends the room is a telephone's
        }
        // Or the telephone left before it had that flag, and the room ended as we saw the customer off.
        let others = self.call.legs.iter().skip(1);
        let last = others
            .filter(|l| l.joined.is_some())
            .max_by_key(|l| (l.gone.is_none(), l.gone));
        let first = |l: &Leg| match (l.gone, customer.gone) {
            (Some(theirs), Some(customers)) => customers.since(theirs) >= 1_000,
            _ => false,
        };
        let telephone_first =
            last.is_some_and(|l| matches!(l.line, Line::Telephone(_)) && (l.hung_up || first(l)));
        Some(!telephone_first)
    }

    /// A telephone that ends the room was there when the call ended, and nobody has said which of the two hung
    /// up.
    fn parting_is_unclear(&self) -> bool {
        /// The news of it is seconds old by then, and what history says is not worth asking for ever.
        const ENOUGH: u8 = 4;
        let call = &self.call;
        let parted = matches!(
            call.place,
            Place::Ended {
                why: EndWhy::CallerLeft | EndWhy::HungUp
            }
        );
        parted
            && !self.ended_by_us()
            && call.room.ended_by.is_none()
            && call.legs.iter().skip(1).any(|l| l.ends_room.is())
            && call.look.is_none_or(|look| look.tries < ENOUGH)
    }

    /// While anything expected has not been seen, the carrier is asked: after 1.5 s, then 3 s, then every 6 s.
    fn schedule_look(&mut self, ctx: &Context) {
        let call = &self.call;
        let customer = call.customer();
        let unseen =
            call.direction == Direction::In && customer.joined.is_none() && call.room.sid.is_some();
        let unmet = |l: &Leg| {
            l.leave.is_some()
                || !l.hold.settled()
                || !l.ends_room.settled()
                || (l.asked.is_some() && l.sid.is_none())
        };
        let soon = call.claim.is_some()
            || (!call.ended()
                && !call.emergency()
                && (call.room.sid.is_none() || unseen || self.start_is_unexplained()))
            || call.legs.iter().any(|l| l.alive() && unmet(l))
            || self.parting_is_unclear();
        let rings = || {
            call.legs
                .iter()
                .any(|l| l.alive() && l.asked.is_some() && l.joined.is_none())
        };
        let first = match (soon, soon || rings()) {
            (true, _) => LOOK_MS,
            (false, true) => RINGING_LOOK_MS,
            (false, false) => return self.call.look = None,
        };
        self.call.look = Some(match self.call.look {
            Some(look) if look.at <= ctx.now => {
                self.effects.push(Effect::Look);
                let wait = if look.tries == 0 {
                    2 * LOOK_MS
                } else {
                    4 * LOOK_MS
                };
                Look {
                    at: ctx.now.plus(wait.max(if soon { 0 } else { first })),
                    tries: look.tries.saturating_add(1),
                }
            }
            // Something new is expected, sooner than what was looked for.
            Some(look) if look.at > ctx.now.plus(if soon { 4 * LOOK_MS } else { first }) => Look {
                at: ctx.now.plus(first),
                tries: 0,
            },
            Some(look) => look,
            None => Look {
                at: ctx.now.plus(first),
                tries: 0,
            },
        });
    }

    fn settle_errands(&mut self, ctx: &Context) {
        let errands = std::mem::take(&mut self.call.errands);
        for errand in errands {
            let result = self
                .progress(&errand, ctx)
                .or_else(|| (errand.until <= ctx.now).then_some(Finish::Unknown));
            match result {
                Some(result) => {
                    self.outcomes.push(Outcome {
                        command: errand.command,
                        by: errand.by,
                        result,
                    });
                }
                None => self.call.errands.push(errand),
            }
        }
    }

    /// Whether a goal is reached, or out of reach.
    fn progress(&self, errand: &Errand, ctx: &Context) -> Option<Finish> {
        let (call, goal) = (&self.call, errand.goal);
        match goal {
            Goal::Said => return Some(Finish::Done),
            Goal::End => return (!call.customer().alive()).then_some(Finish::Done),
            _ => {}
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
                let joined = call
                    .legs
                    .iter()
                    .any(|l| l.user() == Some(user) && l.state() == LegState::Joined);
                let there = call.leg_of(user).is_some() && matches!(call.place, Place::Talking);
                let hold = &call.customer().hold;
                match () {
                    () if there && hold.settled() && !hold.is() => Some(Finish::Done),
                    () if there || claimed => None,
                    () if joined => Some(Finish::Failed(
                        "The call was put aside before you could talk.".to_owned(),
                    )),
                    () => Some(Finish::Failed(
                        "Your phone did not join in time, so the call was offered again."
                            .to_owned(),
                    )),
                }
            }
            Goal::Rest => match call.place {
                Place::Held { .. }
                | Place::Parked { .. }
                | Place::Queued { .. }
                | Place::Ringing { .. } => call.at_rest().then_some(Finish::Done),
                _ => Some(Finish::Failed(
                    "Somebody took the call meanwhile.".to_owned(),
                )),
            },
            Goal::RingAgain { user } => {
                let rung = |who| {
                    matches!(&call.place, Place::Ringing { offers, .. }
                        if offers.iter().any(|o| o.over.is_none() && o.to == Callee::User(who)))
                };
                match call.place {
                    Place::Talking if call.leg_of(user).is_some() => Some(Finish::Done),
                    Place::Ringing { .. } if rung(user) => call.at_rest().then_some(Finish::Done),
                    Place::Ringing { .. } | Place::Queued { .. } => {
                        let instead = match call.place {
                            Place::Ringing { .. } if rung(errand.by) => "it rings for you",
                            Place::Ringing { .. } => "it rings for others",
                            _ => "it waits at the desk",
                        };
                        let why = say::rings_elsewhere(&ctx.name(user), instead);
                        Some(Finish::Failed(why))
                    }
                    _ => Some(Finish::Failed(
                        "Somebody took the call meanwhile.".to_owned(),
                    )),
                }
            }
            Goal::Ring => match &call.place {
                Place::Talking if call.leg_of(errand.by).is_some() => {
                    Some(Finish::Failed("It was taken back.".to_owned()))
                }
                Place::Talking => Some(Finish::Done),
                Place::Ringing {
                    offers,
                    why: RingWhy::Transfer { .. },
                    ..
                } => {
                    let rings = offers
                        .iter()
                        .filter(|o| o.over.is_none())
                        .any(|o| match o.via {
                            Via::Page => call.at_rest(),
                            Via::Leg(n) => call
                                .leg(n)
                                .is_some_and(|l| l.rang.is_some() || l.picked_up.is_some()),
                            Via::Later(_) | Via::Nothing => false,
                        });
                    rings.then_some(Finish::Done)
                }
                _ if call.claim.is_some() => None,
                _ => Some(Finish::Failed(
                    "It could not ring there, so the call has come back.".to_owned(),
                )),
            },
            Goal::RingOut => match call.place {
                Place::Talking => Some(Finish::Done),
                Place::Dialling { .. } => call.customer().rang.map(|_| Finish::Done),
                _ => Some(Finish::Failed("The call was not made.".to_owned())),
            },
            Goal::End | Goal::Said => None,
        }
    }
}
