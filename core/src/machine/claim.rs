//! Accepting a call: the claim, the join that fulfils it, the lapse that reopens the offer, and setting another
//! call aside for it.
//!
//! A claim is a promise by a person to be in the room soon. Until the join the call stays where it was, so that
//! a page that dies in between costs seconds and not the caller. Read next: `route.rs`.

use super::{
    ARRIVING_MS, Aside, CLAIM_MS, Context, Draft, Goal, PhonePage, RESUME_MS, Refusal, SWITCH_MS,
};
use crate::{
    call::{
        Callee, Claim, EndWhy, Leave, Leg, LegState, Line, NoWhy, Offer, Place, RingWhy, Role, Via,
    },
    ids::{Timestamp, UserId},
    say,
};

impl Draft {
    pub(super) fn answer(&mut self, by: UserId, ctx: &Context) -> Result<Goal, Refusal> {
        self.unclaimed(by, ctx)?;
        match &self.call.place {
            Place::Parked { .. } => return self.retrieve(by, ctx),
            Place::Held { .. } => return self.resume(by, ctx),
            Place::Talking => return Err(self.taken_by(by, ctx).into()),
            Place::Dialling { .. } => return Err(say::not_answered(self.who()).into()),
            Place::Ringing {
                why: RingWhy::Transfer { from },
                offers,
                ..
            } => {
                let mine = offers
                    .iter()
                    .any(|o| o.over.is_none() && o.to == Callee::User(by));
                match (mine, *from == by) {
                    (true, _) => {}
                    (false, true) => return Err(say::you_send(self.who()).into()),
                    (false, false) => return Err(say::sending(&ctx.name(*from), self.who()).into()),
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
                Place::Talking => self.taken_by(by, ctx),
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
            Place::Held { by: holder, .. } => {
                return Err(say::holds(&ctx.name(*holder), self.who()).into());
            }
            Place::Talking => return Err(self.taken_by(by, ctx).into()),
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
            Some(claim) if claim.user == by => Err(say::connecting(self.who()).into()),
            Some(claim) => Err(say::taken(&ctx.name(claim.user), self.who()).into()),
            None => Ok(()),
        }
    }

    /// Who talks to the caller, said to `by`.
    pub(super) fn taken_by(&self, by: UserId, ctx: &Context) -> String {
        match self.call.company().find_map(Leg::user) {
            _ if self.call.leg_of(by).is_some() => say::you_talk(self.who()),
            Some(user) => say::talks(&ctx.name(user), self.who()),
            None => say::outside(self.who()),
        }
    }

    /// Puts a claim on the call for `user`. Their page connects, or, where it is in another call, its leg is
    /// moved here.
    pub(super) fn claim(&mut self, user: UserId, ctx: &Context) -> Result<(), Refusal> {
        let reach = ctx.reach(user);
        if reach.page != PhonePage::Ready {
            return Err(Refusal::no_page());
        }
        let elsewhere = reach.seat.filter(|seat| seat.call != self.call.id);
        // The page has one connection. One that is being let go has to be gone first.
        let lingers = self
            .call
            .legs
            .iter()
            .any(|l| l.user() == Some(user) && l.line == Line::Page && l.alive());
        let leg = self
            .new_leg(Role::Person(user), Line::Page)
            .ok_or(say::TOO_OFTEN)?;
        if let Some(from) = elsewhere {
            self.aside = Some(Aside {
                from,
                to: self.call.id.leg(leg),
            });
        }
        let ms = if elsewhere.is_some() || lingers {
            SWITCH_MS
        } else {
            CLAIM_MS
        };
        self.put_claim(user, leg, ms, ctx);
        Ok(())
    }

    /// If their leg was ordered away and has not been let go, it stays, and they talk at once. Only for taking
    /// back: an answer is always a new leg, so that what comes of it does not hang on how far the news of the
    /// old one has come.
    pub(super) fn come_back(&mut self, user: UserId, ctx: &Context) -> bool {
        let seat = ctx.reach(user).seat;
        if seat.is_some_and(|seat| seat.call != self.call.id) {
            return false;
        }
        let staying = self.call.legs.iter_mut().find(|l| {
            l.user() == Some(user)
                && l.state() == LegState::Joined
                && l.leave
                    == Some(Leave {
                        to: None,
                        asked: None,
                    })
        });
        let Some(leg) = staying else { return false };
        leg.leave = None;
        self.talk(ctx.now);
        true
    }

    /// The claim itself, also for a telephone whose key was pressed.
    pub(super) fn put_claim(&mut self, user: UserId, leg: u16, ms: i64, ctx: &Context) {
        let left = self.call.deadline().map(|d| d.since(ctx.now));
        self.call.claim = Some(Claim {
            user,
            leg,
            since: ctx.now,
            until: ctx.now.plus(ms),
            left,
        });
    }

    /// The claimant's connection has asked for its document. From now on it is hung up for what the carrier says
    /// of it, and no longer for what is not heard of it: they may be talking.
    pub(super) fn await_arrival(&mut self, leg: u16) {
        if let Some(claim) = self.call.claim.as_mut().filter(|c| c.leg == leg) {
            claim.until = claim.until.max(claim.since.plus(ARRIVING_MS));
        }
    }

    /// The carrier says that the claimant's connection lives and has not come into the room, long after it was to.
    /// A page comes when it has picked up; a telephone has heard a question first, and comes when its key has made
    /// the claim.
    pub(super) fn has_not_arrived(&mut self, leg: u16, read: Timestamp, ctx: &Context) {
        let Some(claim) = self.call.claim.as_ref().filter(|c| c.leg == leg) else {
            return;
        };
        let late = self.call.leg(leg).is_some_and(|l| {
            l.joined.is_none()
                && l.picked_up
                    .is_some_and(|up| read.since(up.max(claim.since)) >= CLAIM_MS)
        });
        if late {
            self.lapse(ctx);
        }
    }

    /// The claim came to nothing: its leg goes, its person counts as unreachable for this ringing, the others
    /// may have it.
    pub(super) fn lapse(&mut self, ctx: &Context) {
        let Some(claim) = self.call.claim.take() else {
            return;
        };
        self.dismiss(claim.leg, None);
        if let (Some(left), Some(deadline)) = (claim.left, self.call.deadline_mut()) {
            *deadline = ctx.now.plus(left.max(RESUME_MS));
        }
        match &mut self.call.place {
            Place::Dialling { .. } => self.end(EndWhy::Failed, ctx.now),
            Place::Ringing { offers, .. } => {
                for offer in offers
                    .iter_mut()
                    .filter(|o| o.over.is_none() && o.to == Callee::User(claim.user))
                {
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
    }

    pub(super) fn decline(
        &mut self,
        by: UserId,
        busy: bool,
        ctx: &Context,
    ) -> Result<Goal, Refusal> {
        self.unclaimed(by, ctx)?;
        let Place::Ringing { offers, .. } = &mut self.call.place else {
            return Err("This call does not ring for you.".into());
        };
        let Some(offer) = offers
            .iter_mut()
            .find(|o| o.over.is_none() && o.to == Callee::User(by))
        else {
            return Err("This call does not ring for you.".into());
        };
        offer.over = Some(if busy { NoWhy::Busy } else { NoWhy::Declined });
        if let Via::Leg(n) = offer.via {
            self.dismiss(n, None);
        }
        self.next_stop_if_nobody_rings(ctx);
        Ok(Goal::Said)
    }

    pub(super) fn set_aside(
        &mut self,
        by: UserId,
        aside: Aside,
        ctx: &Context,
    ) -> Result<(), Refusal> {
        let here = self
            .call
            .leg(aside.from.n)
            .is_some_and(|l| l.user() == Some(by) && l.alive());
        if !here {
            // It has left meanwhile: the page connects by itself. Whom it left behind it does not come back to
            // now.
            if self.call.reconnects(by) {
                self.withdraw_offers(None);
                self.put_on_hold(by, ctx);
            }
            return Ok(());
        }
        if self.call.emergency() {
            return Err(say::ON_EMERGENCY.into());
        }
        if self.call.claim.as_ref().is_some_and(|c| c.user == by) {
            return Err(say::ON_THE_WAY.into());
        }
        match self.call.place {
            Place::Dialling { .. } => return Err(say::DIALLING.into()),
            Place::Talking if self.call.company().all(|l| l.user() == Some(by)) => {
                self.put_on_hold(by, ctx);
            }
            _ => {}
        }
        if let Some(leg) = self.call.leg_mut(aside.from.n) {
            // A page's living leg is moved. A telephone is hung up: who answers at the page means to talk
            // there.
            let to = (leg.line == Line::Page).then_some(aside.to);
            match &mut leg.leave {
                Some(leave) if leave.asked.is_some() => {}
                // A leg that was to be hung up, and has not been, can be moved instead.
                leave => *leave = Some(Leave { to, asked: None }),
            }
        }
        Ok(())
    }

    /// Every telephone that still rings for this call stops, except the one that won.
    pub(super) fn withdraw_offers(&mut self, winner: Option<u16>) {
        let Place::Ringing { offers, .. } = &self.call.place else {
            return;
        };
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
