//! Keeping a call: held by one person, or parked in a slot where anyone may fetch it.
//!
//! Both carry a return route that is fixed when they are made, so that a forgotten caller comes back. Read next: `facts.rs`.

use super::{Context, Draft, Goal, Refusal};
use crate::{
    call::{Back, Place, RingWhy, Undo},
    ids::{SafeText, SlotId, UserId},
};

impl Draft {
    pub(super) fn hold(&mut self, by: UserId, ctx: &Context) -> Result<Goal, Refusal> {
        self.unclaimed(by, ctx)?;
        match &self.call.place {
            Place::Talking if self.call.leg_of(by).is_some() => {}
            Place::Talking => return Err(self.taken_by(ctx).into()),
            Place::Held { by: holder, .. } if *holder == by => return Err("You hold this call already.".into()),
            Place::Dialling { .. } => return Err("This number has not answered yet.".into()),
            _ => return Err("You are not talking to this caller.".into()),
        }
        if self.call.company().count() > 1 {
            return Err("Others are in this call. Leave it instead of holding it.".into());
        }
        self.put_on_hold(by, ctx);
        Ok(Goal::Rest)
    }

    pub(super) fn put_on_hold(&mut self, by: UserId, ctx: &Context) {
        let then = self.return_route(by, RingWhy::Returned, ctx);
        self.place(Place::Held { by, deadline: ctx.now.plus(ctx.desk.hold_ms), then }, ctx.now);
    }

    pub(super) fn park(
        &mut self,
        by: UserId,
        slot: Option<&SlotId>,
        note: Option<SafeText>,
        ctx: &Context,
    ) -> Result<Goal, Refusal> {
        let slot = match slot {
            Some(slot) => slot.clone(),
            None => ctx.free_slot.clone().ok_or("Every slot is taken. Fetch a parked call first.")?,
        };
        if let Some(who) = ctx.taken.get(&slot) {
            return Err(format!("{slot} is taken by {who}.").into());
        }
        if let Place::Parked { slot: there, .. } = &self.call.place
            && *there == slot
        {
            return Err(format!("This call is parked in {slot} already.").into());
        }
        let undo = self.pick_up(by, ctx)?;
        let then = self.return_route(by, RingWhy::ParkExpired, ctx);
        self.place(Place::Parked { slot, by, note, deadline: ctx.now.plus(ctx.desk.park_ms), then }, ctx.now);
        self.call.undo = Some(undo);
        Ok(Goal::Rest)
    }

    /// Takes the call out of whatever place it is in, so that it can be put elsewhere, and says how to undo that.
    pub(super) fn pick_up(&mut self, by: UserId, ctx: &Context) -> Result<Undo, Refusal> {
        self.unclaimed(by, ctx)?;
        let to = match &self.call.place {
            Place::Talking => {
                let Some(user) = self.call.leg_of(by).or_else(|| self.call.company().next()).and_then(crate::call::Leg::user)
                else {
                    return Err(self.taken_by(ctx).into());
                };
                Back::With { user }
            }
            Place::Held { by: holder, .. } if *holder != by => {
                return Err(format!("{} holds this call.", ctx.name(*holder)).into());
            }
            Place::Ringing { why: RingWhy::Transfer { from }, .. } => {
                return Err(if *from == by {
                    "You are sending this call on. Take it back first.".into()
                } else {
                    format!("{} is sending this call on.", ctx.name(*from)).into()
                });
            }
            Place::Dialling { .. } => return Err("This number has not answered yet.".into()),
            Place::Ended { .. } => return Err("That call is over.".into()),
            // What rang may be stale when it is taken back; the desk is not.
            Place::Ringing { .. } => {
                Back::Place { place: Box::new(Place::Queued { queue: ctx.desk.queue.clone(), alert: None }) }
            }
            place @ (Place::Queued { .. } | Place::Held { .. } | Place::Parked { .. }) => {
                Back::Place { place: Box::new(place.clone()) }
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
