//! Sending a call on, and taking it back.
//!
//! A blind transfer is safe: the customer is held, the target is rung, and what is not taken returns. Taking back and accepting are both a change of the
//! same call, so one of them is first and the other is refused. Read next: `park.rs`.

use super::{Context, Draft, Goal, PhonePage, Refusal, RESUME_MS, Target};
use crate::{
    call::{Back, Callee, Line, Offer, Place, RingWhy, Role, Via},
    ids::UserId,
};

impl Draft {
    pub(super) fn transfer(&mut self, by: UserId, to: &Target, ctx: &Context) -> Result<Goal, Refusal> {
        let offer = self.offer_to(by, to, ctx)?;
        let undo = self.pick_up(by, ctx)?;
        let offer = match (offer.via, to) {
            (Via::Later(number), Target::Number(_)) => {
                let leg = self.new_leg(Role::Outside(number.clone()), Line::Telephone(number));
                Offer { via: Via::Leg(leg), ..Offer { via: Via::Nothing, ..offer_of(to) } }
            }
            (via, _) => Offer { via, ..offer_of(to) },
        };
        let then = self.return_route(by, RingWhy::Returned, ctx);
        let deadline = ctx.now.plus(ctx.desk.ring_ms);
        let why = RingWhy::Transfer { from: by };
        self.place(Place::Ringing { offers: vec![offer], why, deadline, then }, ctx.now);
        self.call.undo = Some(undo);
        Ok(Goal::Ring)
    }

    /// How `to` would be rung. Refuses where nothing would ring.
    fn offer_to(&self, by: UserId, to: &Target, ctx: &Context) -> Result<Offer, Refusal> {
        let via = match to {
            Target::Number(number) => Via::Later(number.clone()),
            Target::User(user) if *user == by => {
                return Err("You cannot send a call to yourself. Answer or resume it.".into());
            }
            Target::User(user) => {
                let reach = ctx.people.get(user).ok_or("Nobody works here under that name.")?;
                if self.call.leg_of(*user).is_some() {
                    return Err(format!("{} has this call already.", reach.name).into());
                }
                match (reach.page, &reach.fallback) {
                    (PhonePage::Ready, _) => Via::Page,
                    (_, Some(number)) => Via::Later(number.clone()),
                    (PhonePage::Unreachable, None) => {
                        return Err(format!("{} cannot be reached: no phone page, no fallback number.", reach.name).into());
                    }
                    (PhonePage::Unknown, None) => {
                        return Err(format!("Nobody knows whether {}'s phone is there. Try again in a moment.", reach.name).into());
                    }
                }
            }
        };
        Ok(Offer { via, ..offer_of(to) })
    }

    pub(super) fn take_back(&mut self, by: UserId, ctx: &Context) -> Result<Goal, Refusal> {
        self.unclaimed(by, ctx)?;
        let undo = match (&self.call.undo, &self.call.place) {
            (Some(undo), Place::Ringing { why: RingWhy::Transfer { .. }, .. } | Place::Parked { .. }) if undo.by == by => {
                undo.clone()
            }
            (Some(undo), _) if undo.by != by => {
                return Err(format!("{} moved this call, and only they can take it back.", ctx.name(undo.by)).into());
            }
            (_, Place::Talking) => return Err(self.taken_by(ctx).into()),
            _ => return Err("There is nothing to take back.".into()),
        };
        self.withdraw_offers(None);
        self.call.undo = None;
        match undo.to {
            Back::With { user } if user == by => {
                self.put_on_hold(by, ctx);
                let staying = self.call.legs.iter_mut().find(|l| {
                    l.user() == Some(by) && l.alive() && l.joined.is_some() && l.leave.is_some_and(|leave| !leave.asked)
                });
                match staying {
                    // Their leg has not been let go yet.
                    Some(leg) => {
                        leg.leave = None;
                        self.talk(ctx.now);
                    }
                    None => self.claim(by, ctx)?,
                }
                Ok(Goal::Talk { user: by })
            }
            // Somebody else's call: it rings for them again, and then for whoever moved it.
            Back::With { user } => {
                let mut route = self.return_route(user, RingWhy::Returned, ctx);
                route.insert(1, crate::call::Stop::Ring {
                    users: vec![by],
                    why: RingWhy::Returned,
                    ms: ctx.desk.return_ms,
                });
                self.go(&route, ctx);
                Ok(Goal::Rest)
            }
            Back::Place { place } => {
                let mut place = *place;
                match &mut place {
                    Place::Parked { slot, deadline, .. } => {
                        if ctx.taken.contains_key(slot) {
                            *slot = ctx.free_slot.clone().ok_or("Its slot was taken meanwhile, and every other one too.")?;
                        }
                        *deadline = (*deadline).max(ctx.now.plus(RESUME_MS));
                    }
                    Place::Held { deadline, .. } => *deadline = (*deadline).max(ctx.now.plus(RESUME_MS)),
                    _ => {}
                }
                self.place(place, ctx.now);
                Ok(Goal::Rest)
            }
        }
    }
}

fn offer_of(to: &Target) -> Offer {
    let to = match to {
        Target::User(user) => Callee::User(*user),
        Target::Number(number) => Callee::Outside(number.clone()),
    };
    Offer { to, via: Via::Nothing, over: None }
}
