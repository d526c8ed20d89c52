//! Sending a call on, and taking it back.
//!
//! A blind transfer is safe: the customer is held, the target is rung, and what is not taken returns. Taking
//! back and accepting are both a change of the same call, so one of them is first and the other is refused.
//! Read next: `park.rs`.

use super::{Context, Draft, Goal, PhonePage, RESUME_MS, Refusal, Target};
use crate::{
    call::{Back, Callee, Dialled, Direction, Line, Offer, Place, RingWhy, Role, Stop, Via},
    ids::{Phone, UserId},
    say,
};

impl Draft {
    pub(super) fn transfer(
        &mut self,
        by: UserId,
        to: &Target,
        ctx: &Context,
    ) -> Result<Goal, Refusal> {
        // Whether it can be moved is said before where it could go; but the company is asked while it is there.
        let has_it =
            matches!(to, Target::User(user) if *user != by && self.call.leg_of(*user).is_some());
        let undo = self.pick_up(by, ctx)?;
        let why = RingWhy::Transfer { from: by };
        let (to, via) = match to {
            Target::User(user) if *user == by => {
                return Err("You cannot send a call to yourself. Answer or resume it.".into());
            }
            Target::User(user) if has_it => {
                return Err(say::has_already(&ctx.name(*user), self.who()).into());
            }
            Target::User(user) => (Callee::User(*user), Self::ring(*user, why, ctx)?),
            Target::Number(number) => {
                self.not_in_a_circle(number)?;
                let role = Role::Outside(number.clone());
                let leg = self
                    .new_leg(role, Line::Telephone(number.clone()))
                    .ok_or(say::TOO_OFTEN)?;
                (Callee::Outside(number.clone()), Via::Leg(leg))
            }
        };
        let offer = Offer {
            to,
            via,
            over: None,
        };
        let then = Self::return_route(by, RingWhy::Returned, ctx);
        let deadline = ctx.now.plus(ctx.desk.ring_ms);
        self.place(
            Place::Ringing {
                offers: vec![offer],
                why,
                deadline,
                then,
            },
            ctx.now,
        );
        self.call.undo = Some(undo);
        Ok(Goal::Ring)
    }

    /// How `user` would be rung. Refuses where nothing would ring.
    fn ring(user: UserId, why: RingWhy, ctx: &Context) -> Result<Via, Refusal> {
        let reach = ctx.people.get(&user).ok_or(say::NOBODY)?;
        match (reach.rings(why), &reach.fallback) {
            (PhonePage::Ready, _) => Ok(Via::Page),
            (_, Some(number)) => Ok(Via::Later(number.clone())),
            _ if reach.quiet => Err(say::takes_no_calls(reach.name.as_str()).into()),
            (PhonePage::Unreachable, None) => Err(say::unreachable(reach.name.as_str()).into()),
            (PhonePage::Unknown, None) => Err(say::nobody_knows(reach.name.as_str()).into()),
        }
    }

    /// A call that is sent to where it came from, or to the caller, goes round or nowhere.
    fn not_in_a_circle(&self, number: &Phone) -> Result<(), Refusal> {
        if self.call.caller.number.as_ref() == Some(number) {
            return Err(say::OWN_NUMBER.into());
        }
        match &self.call.to {
            Dialled::Number(to) if self.call.direction == Direction::In && to == number => {
                Err(say::LOOP.into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn take_back(&mut self, by: UserId, ctx: &Context) -> Result<Goal, Refusal> {
        self.unclaimed(by, ctx)?;
        let undo = match (&self.call.undo, &self.call.place) {
            (
                Some(undo),
                Place::Ringing {
                    why: RingWhy::Transfer { .. },
                    ..
                }
                | Place::Parked { .. },
            ) if undo.by == by => undo.clone(),
            (Some(undo), _) if undo.by != by => {
                return Err(format!(
                    "{} moved this call, and only they can take it back.",
                    ctx.name(undo.by)
                )
                .into());
            }
            (_, Place::Talking) => return Err(self.taken_by(by, ctx).into()),
            _ => return Err("There is nothing to take back.".into()),
        };
        self.withdraw_offers(None);
        self.call.undo = None;
        match undo.to {
            Back::With { user } if user == by && ctx.reach(by).page != PhonePage::Ready => {
                Err(Refusal::no_page())
            }
            // Their leg has not been let go: nothing has happened to them.
            Back::With { user } if self.come_back(user, ctx) => Ok(Goal::Talk { user }),
            Back::With { user } if user == by => {
                self.put_on_hold(by, ctx);
                self.claim(by, ctx)?;
                Ok(Goal::Talk { user: by })
            }
            // Somebody else's call: it rings for them again, and then for whoever moved it.
            Back::With { user } => {
                let mut route = Self::return_route(user, RingWhy::Returned, ctx);
                route.insert(
                    1,
                    Stop::Ring {
                        users: vec![by],
                        why: RingWhy::Returned,
                        ms: ctx.desk.return_ms,
                    },
                );
                self.go(&route, ctx);
                Ok(Goal::RingAgain { user })
            }
            Back::Place { place } => {
                let mut place = *place;
                match &mut place {
                    Place::Parked { slot, deadline, .. } => {
                        if ctx.taken.contains_key(slot) {
                            *slot = ctx.free_slot.clone().ok_or(say::SLOTS_GONE)?;
                        }
                        *deadline = (*deadline).max(ctx.now.plus(RESUME_MS));
                    }
                    Place::Held { deadline, .. } => {
                        *deadline = (*deadline).max(ctx.now.plus(RESUME_MS));
                    }
                    _ => {}
                }
                self.place(place, ctx.now);
                Ok(Goal::Rest)
            }
        }
    }
}
