//! Keeping a call: held by one person, or parked in a slot where anyone may fetch it.
//!
//! Both carry a return route that is fixed when they are made, so that a forgotten caller comes back. Read
//! next: `facts.rs`.

use super::{Context, Draft, Goal, Refusal};
use crate::{
    call::{Back, Place, RingWhy, Undo},
    ids::{SafeText, SlotId, UserId},
    say,
};

impl Draft {
    pub(super) fn hold(&mut self, by: UserId, ctx: &Context) -> Result<Goal, Refusal> {
        self.unclaimed(by, ctx)?;
        match &self.call.place {
            Place::Talking if self.call.leg_of(by).is_some() => {}
            Place::Talking => return Err(self.taken_by(by, ctx).into()),
            Place::Held { by: holder, .. } if *holder == by => {
                return Err("You hold this call already.".into());
            }
            Place::Held { by: holder, .. } => {
                return Err(say::holds(&ctx.name(*holder), self.who()).into());
            }
            Place::Dialling { .. } => return Err(say::not_answered(self.who()).into()),
            _ => return Err("You are not talking to this caller.".into()),
        }
        if self.call.company().count() > 1 {
            return Err("Others are in this call. Leave it instead of holding it.".into());
        }
        self.put_on_hold(by, ctx);
        Ok(Goal::Rest)
    }

    pub(super) fn put_on_hold(&mut self, by: UserId, ctx: &Context) {
        let then = Self::return_route(by, RingWhy::Returned, ctx);
        self.place(
            Place::Held {
                by,
                deadline: ctx.now.plus(ctx.desk.hold_ms),
                then,
            },
            ctx.now,
        );
    }

    pub(super) fn park(
        &mut self,
        by: UserId,
        slot: Option<&SlotId>,
        note: Option<SafeText>,
        ctx: &Context,
    ) -> Result<Goal, Refusal> {
        // Whether it can be moved is said before where it could go.
        let undo = self.pick_up(by, ctx)?;
        let slot = match slot {
            Some(slot) => slot.clone(),
            None => ctx
                .free_slot
                .clone()
                .ok_or("Every slot is taken. Fetch a parked call first.")?,
        };
        if !ctx.slots.is_empty() && !ctx.slots.contains(&slot) {
            return Err(say::no_slot(slot.as_str()).into());
        }
        if let Some(who) = ctx.taken.get(&slot) {
            return Err(say::slot_taken(slot.as_str(), who.as_str()).into());
        }
        if self.call.slot() == Some(&slot) {
            return Err(say::parked_already(self.who(), slot.as_str()).into());
        }
        let then = Self::return_route(by, RingWhy::ParkExpired, ctx);
        self.place(
            Place::Parked {
                deadline: ctx.now.plus(ctx.desk.park_ms_in(&slot)),
                slot,
                by,
                note,
                then,
            },
            ctx.now,
        );
        self.call.undo = Some(undo);
        Ok(Goal::Rest)
    }

    /// Takes the call out of whatever place it is in, so that it can be put elsewhere, and says how to undo
    /// that.
    pub(super) fn pick_up(&mut self, by: UserId, ctx: &Context) -> Result<Undo, Refusal> {
        self.unclaimed(by, ctx)?;
        let to = match &self.call.place {
            Place::Talking => {
                let Some(user) = self
                    .call
                    .leg_of(by)
                    .or_else(|| self.call.company().next())
                    .and_then(crate::call::Leg::user)
                else {
                    return Err(self.taken_by(by, ctx).into());
                };
                Back::With { user }
            }
            Place::Held { by: holder, .. } if *holder != by => {
                return Err(say::holds(&ctx.name(*holder), self.who()).into());
            }
            Place::Ringing {
                why: RingWhy::Transfer { from },
                ..
            } => {
                return Err(if *from == by {
                    say::you_send(self.who()).into()
                } else {
                    say::sending(&ctx.name(*from), self.who()).into()
                });
            }
            Place::Dialling { .. } => return Err(say::not_answered(self.who()).into()),
            Place::Ended { .. } => return Err(say::OVER.into()),
            // What rang may be stale when it is taken back; the desk is not.
            Place::Ringing { .. } => Back::Place {
                place: Box::new(Place::Queued {
                    queue: ctx.desk.queue.clone(),
                    alert: None,
                }),
            },
            place @ (Place::Queued { .. } | Place::Held { .. } | Place::Parked { .. }) => {
                Back::Place {
                    place: Box::new(place.clone()),
                }
            }
        };
        self.withdraw_offers(None);
        let company: Vec<u16> = self.call.company().map(|l| l.n).collect();
        for n in company {
            self.dismiss(n, None);
        }
        Ok(Undo { by, to })
    }
}
