//! Accepting a call: the claim, the join that fulfils it, the lapse that reopens the offer, and setting another call aside for it.
//!
//! A claim is a promise by a person to be in the room soon. Until the join the call stays where it was, so that a page that dies in
//! between costs seconds and not the caller. Read next: `route.rs`.

use super::{Aside, CLAIM_MS, Context, Draft, Goal, PhonePage, Refusal, RESUME_MS, SWITCH_MS};
use crate::{
    call::{Callee, Claim, EndWhy, Line, NoWhy, Offer, Place, RingWhy, Role, Via},
    ids::{Timestamp, UserId},
};

impl Draft {
    pub(super) fn answer(&mut self, by: UserId, ctx: &Context) -> Result<Goal, Refusal> {
        self.unclaimed(by, ctx)?;
        match &self.call.place {
            Place::Parked { .. } => return self.retrieve(by, ctx),
            Place::Held { by: holder, .. } if *holder == by => return self.resume(by, ctx),
            Place::Held { by: holder, .. } => return Err(format!("{} holds this call.", ctx.name(*holder)).into()),
            Place::Talking if self.call.leg_of(by).is_some() => return Err("You are talking to this caller.".into()),
            Place::Talking => return Err(self.taken_by(ctx).into()),
            Place::Dialling { .. } => return Err("This number has not answered yet.".into()),
            Place::Ringing { why: RingWhy::Transfer { from }, offers, .. } => {
                let mine = offers.iter().any(|o| o.over.is_none() && o.to == Callee::User(by));
                match (mine, *from == by) {
                    (true, _) => {}
                    (false, true) => return Err("You are sending this call on. Take it back instead.".into()),
                    (false, false) => return Err(format!("{} is sending this call on.", ctx.name(*from)).into()),
                }
            }
            Place::Ringing { .. } | Place::Queued { .. } | Place::Ended { .. } => {}
        }
        self.claim(by, ctx)?;
        Ok(Goal::Talk { user: by })
    }

    pub(super) fn retrieve(&mut self, by: UserId, ctx: &Context) -> Result<Goal, Refusal> {
        self.unclaimed(by, ctx)?;
        if !matches!(self.call.place, Place::Parked { .. }) {
            return Err(match self.call.place {
                Place::Talking => self.taken_by(ctx),
                _ => "This call is not in a slot.".to_owned(),
            }
            .into());
        }
        self.claim(by, ctx)?;
        Ok(Goal::Talk { user: by })
    }

    pub(super) fn resume(&mut self, by: UserId, ctx: &Context) -> Result<Goal, Refusal> {
        self.unclaimed(by, ctx)?;
        match &self.call.place {
            Place::Held { by: holder, .. } if *holder == by => {}
            Place::Held { by: holder, .. } => return Err(format!("{} holds this call.", ctx.name(*holder)).into()),
            _ => return Err("You do not hold this call.".into()),
        }
        if self.call.leg_of(by).is_some() {
            self.talk(ctx.now);
        } else {
            self.claim(by, ctx)?;
        }
        Ok(Goal::Talk { user: by })
    }

    /// Refuses while somebody is on the way to this call, and says who.
    pub(super) fn unclaimed(&self, by: UserId, ctx: &Context) -> Result<(), Refusal> {
        match &self.call.claim {
            Some(claim) if claim.user == by => Err("This call is being connected to you already.".into()),
            Some(claim) => Err(format!("{} has just taken this call.", ctx.name(claim.user)).into()),
            None => Ok(()),
        }
    }

    pub(super) fn taken_by(&self, ctx: &Context) -> String {
        match self.call.company().find_map(crate::call::Leg::user) {
            Some(user) => format!("{} is talking to this caller.", ctx.name(user)),
            None => "This caller is talking to an outside number.".to_owned(),
        }
    }

    /// Puts a claim on the call for `user`. Their page connects, or, where it is in another call, its leg is moved here.
    pub(super) fn claim(&mut self, user: UserId, ctx: &Context) -> Result<(), Refusal> {
        let reach = ctx.reach(user);
        if reach.page != PhonePage::Ready {
            return Err("Your phone page is not connected, so the call has nowhere to go. Open it, and try again.".into());
        }
        let leg = self.new_leg(Role::Person(user), Line::Page);
        let elsewhere = reach.seat.filter(|seat| seat.call != self.call.id);
        if let Some(from) = elsewhere {
            self.aside = Some(Aside { from, to: self.call.id.leg(leg) });
        }
        let ms = if elsewhere.is_some() { SWITCH_MS } else { CLAIM_MS };
        self.put_claim(user, leg, ms, ctx);
        Ok(())
    }

    /// The claim itself, also for a telephone whose key was pressed.
    pub(super) fn put_claim(&mut self, user: UserId, leg: u16, ms: i64, ctx: &Context) {
        let left = self.call.deadline().map(|d| d.since(ctx.now));
        self.call.claim = Some(Claim { user, leg, since: ctx.now, until: ctx.now.plus(ms), left });
    }

    /// The claim came to nothing: its leg goes, its person counts as unreachable for this ringing, the others may have it.
    pub(super) fn lapse(&mut self, ctx: &Context) {
        let Some(claim) = self.call.claim.take() else { return };
        self.dismiss(claim.leg, None);
        if let (Some(left), Some(deadline)) = (claim.left, self.call.deadline_mut()) {
            *deadline = ctx.now.plus(left.max(RESUME_MS));
        }
        match &mut self.call.place {
            Place::Dialling { .. } => self.end(EndWhy::Failed, ctx.now),
            Place::Ringing { offers, .. } => {
                for offer in offers.iter_mut().filter(|o| o.over.is_none() && o.to == Callee::User(claim.user)) {
                    offer.over = Some(NoWhy::Unreachable);
                }
                self.next_stop_if_nobody_rings(ctx);
            }
            _ => {}
        }
    }

    /// Somebody is with the customer now.
    pub(super) fn talk(&mut self, at: Timestamp) {
        self.withdraw_offers(None);
        self.call.claim = None;
        self.call.undo = None;
        self.place(Place::Talking, at);
        self.call.answered.get_or_insert(at);
    }

    pub(super) fn decline(&mut self, by: UserId, busy: bool, ctx: &Context) -> Result<Goal, Refusal> {
        self.unclaimed(by, ctx)?;
        let Place::Ringing { offers, .. } = &mut self.call.place else {
            return Err("This call does not ring for you.".into());
        };
        let Some(offer) = offers.iter_mut().find(|o| o.over.is_none() && o.to == Callee::User(by)) else {
            return Err("This call does not ring for you.".into());
        };
        offer.over = Some(if busy { NoWhy::Busy } else { NoWhy::Declined });
        if let Via::Leg(n) = offer.via {
            self.dismiss(n, None);
        }
        self.next_stop_if_nobody_rings(ctx);
        Ok(Goal::Rest)
    }

    pub(super) fn set_aside(&mut self, by: UserId, aside: Aside, ctx: &Context) -> Result<(), Refusal> {
        let here = self.call.leg(aside.from.n).is_some_and(|l| l.user() == Some(by) && l.alive());
        if !here {
            return Ok(()); // It has left meanwhile: the page connects by itself.
        }
        if self.call.emergency() {
            return Err("You are on an emergency call. Stay on it.".into());
        }
        if self.call.claim.as_ref().is_some_and(|c| c.user == by) {
            return Err("Another call is just being connected to you. Wait a moment.".into());
        }
        match self.call.place {
            Place::Dialling { .. } => return Err("You are dialling. Hang up first.".into()),
            Place::Talking if self.call.company().all(|l| l.user() == Some(by)) => {
                self.put_on_hold(by, ctx);
            }
            _ => {}
        }
        // A leg that was to be hung up, and has not been, can be moved instead.
        if let Some(leg) = self.call.leg_mut(aside.from.n) {
            match &mut leg.leave {
                Some(leave) if leave.asked => {}
                leave => *leave = Some(crate::call::Leave { to: Some(aside.to), asked: false }),
            }
        }
        Ok(())
    }

    /// Every telephone that still rings for this call stops, except the one that won.
    pub(super) fn withdraw_offers(&mut self, winner: Option<u16>) {
        let Place::Ringing { offers, .. } = &self.call.place else { return };
        let legs: Vec<u16> = offers
            .iter()
            .filter_map(|o: &Offer| match o.via {
                Via::Leg(n) if Some(n) != winner => Some(n),
                _ => None,
            })
            .filter(|n| self.call.leg(*n).is_some_and(|l| l.joined.is_none()))
            .collect();
        for n in legs {
            self.dismiss(n, None);
        }
    }
}
