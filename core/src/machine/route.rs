//! Ringing, and what comes after: offers, stops and deadlines.
//!
//! A route is finite and ends in a queue, so nothing rings for ever. People with a live page are offered the
//! call as state; those without one are rung on their fallback number, two telephones at a time. Read next:
//! `transfer.rs`.

use super::{Context, Draft, Effect, PhonePage};
use crate::{
    call::{Callee, EndWhy, Line, NoWhy, Offer, Place, RingWhy, Role, Stop, Via},
    ids::UserId,
};

/// How many telephones of a group ring at once.
const TELEPHONES: usize = 2;

impl Draft {
    /// Goes to the first stop of `route` that can take the call. Without one, to the desk's queue.
    pub(super) fn go(&mut self, route: &[Stop], ctx: &Context) {
        // People who are shown the call although they are talking, while it already goes to the next stop.
        let mut cards: Vec<Offer> = Vec::new();
        let alert = |cards: &[Offer]| {
            cards.iter().find_map(|o| match o.to {
                Callee::User(user) => Some(user),
                Callee::Outside(_) => None,
            })
        };
        for (i, stop) in route.iter().enumerate() {
            let then = route[i + 1..].to_vec();
            match stop {
                Stop::Queue { queue } => {
                    let place = Place::Queued {
                        queue: queue.clone(),
                        alert: alert(&cards),
                    };
                    return self.place(place, ctx.now);
                }
                Stop::Ring { users, why, ms } => {
                    let mut offers = Self::offers(users, *why, ctx);
                    if offers.is_empty() {
                        continue;
                    }
                    let returning = matches!(why, RingWhy::Returned | RingWhy::ParkExpired);
                    let talking = |o: &Offer| match o.to {
                        Callee::User(user) => {
                            ctx.reach(user).seat.is_some_and(|s| s.call != self.call.id)
                        }
                        Callee::Outside(_) => false,
                    };
                    if returning && offers.iter().all(talking) && !then.is_empty() {
                        cards.append(&mut offers);
                        continue;
                    }
                    cards.retain(|card| offers.iter().all(|o| o.to != card.to));
                    offers.append(&mut cards);
                    let place = Place::Ringing {
                        offers,
                        why: *why,
                        deadline: ctx.now.plus(*ms),
                        then,
                    };
                    return self.place(place, ctx.now);
                }
            }
        }
        self.place(
            Place::Queued {
                queue: ctx.desk.queue.clone(),
                alert: alert(&cards),
            },
            ctx.now,
        );
    }

    /// An offer for everybody of `users` who can be reached.
    fn offers(users: &[UserId], why: RingWhy, ctx: &Context) -> Vec<Offer> {
        users
            .iter()
            .filter_map(|user| {
                let reach = ctx.reach(*user);
                let via = match (reach.rings(why), reach.fallback) {
                    (PhonePage::Ready | PhonePage::Unknown, _) => Via::Page,
                    // A return is for somebody who sits at the desk. Their mobile is not rung for it.
                    (PhonePage::Unreachable, Some(number))
                        if matches!(why, RingWhy::New | RingWhy::Transfer { .. }) =>
                    {
                        Via::Later(number)
                    }
                    (PhonePage::Unreachable, _) => return None,
                };
                Some(Offer {
                    to: Callee::User(*user),
                    via,
                    over: None,
                })
            })
            .collect()
    }

    /// Where a call goes back to when nobody takes it: its sender, the desk's second destination, the queue.
    pub(super) fn return_route(sender: UserId, why: RingWhy, ctx: &Context) -> Vec<Stop> {
        let desk = &ctx.desk;
        let mut route = vec![Stop::Ring {
            users: vec![sender],
            why,
            ms: desk.return_ms,
        }];
        let second: Vec<UserId> = desk
            .second
            .iter()
            .copied()
            .filter(|u| *u != sender)
            .collect();
        if !second.is_empty() {
            route.push(Stop::Ring {
                users: second,
                why: RingWhy::Returned,
                ms: desk.ring_ms,
            });
        }
        route.push(Stop::Queue {
            queue: desk.queue.clone(),
        });
        route
    }

    /// The place's deadline has passed.
    pub(super) fn time_is_up(&mut self, ctx: &Context) {
        let route = match &mut self.call.place {
            Place::Ringing { then, .. } | Place::Held { then, .. } | Place::Parked { then, .. } => {
                std::mem::take(then)
            }
            _ => return,
        };
        self.withdraw_offers(None);
        self.call.undo = None;
        // Whoever kept it, perhaps from inside the room, has let it slip: they are rung like anybody else.
        let keepers: Vec<u16> = self.call.company().map(|l| l.n).collect();
        for n in keepers {
            self.dismiss(n, None);
        }
        self.go(&route, ctx);
    }

    /// If every offer came to nothing, the next stop. Somebody who has accepted is waited for first.
    pub(super) fn next_stop_if_nobody_rings(&mut self, ctx: &Context) {
        if self.call.claim.is_some() {
            return;
        }
        let Place::Ringing { offers, then, .. } = &mut self.call.place else {
            return;
        };
        if offers.iter().all(|o| o.over.is_some()) {
            let route = std::mem::take(then);
            self.withdraw_offers(None);
            self.call.undo = None;
            self.go(&route, ctx);
        }
    }

    /// A leg that was rung is over, or a page is gone: its offer with it.
    pub(super) fn offer_failed(
        &mut self,
        wanted: impl Fn(&Offer) -> bool,
        why: NoWhy,
        ctx: &Context,
    ) {
        let Place::Ringing { offers, .. } = &mut self.call.place else {
            return;
        };
        let mut any = false;
        for offer in offers.iter_mut().filter(|o| o.over.is_none() && wanted(o)) {
            offer.over = Some(why);
            any = true;
        }
        if any {
            self.next_stop_if_nobody_rings(ctx);
        }
    }

    /// Dials the next telephones of a ringing, two at a time.
    pub(super) fn call_next_telephones(&mut self, ctx: &Context) {
        let Place::Ringing { offers, .. } = &self.call.place else {
            return;
        };
        if self.call.claim.is_some() {
            return;
        }
        let on_leg = |o: &Offer| o.over.is_none() && matches!(o.via, Via::Leg(_));
        let free = TELEPHONES.saturating_sub(offers.iter().filter(|o| on_leg(o)).count());
        let next: Vec<(usize, UserId, crate::ids::Phone)> = offers
            .iter()
            .enumerate()
            .filter_map(|(i, o)| match (&o.to, &o.via) {
                (Callee::User(user), Via::Later(number)) if o.over.is_none() => {
                    Some((i, *user, number.clone()))
                }
                _ => None,
            })
            .take(free)
            .collect();
        for (i, user, number) in next {
            let Some(n) = self.new_leg(Role::Person(user), Line::Telephone(number.clone())) else {
                self.offer_failed(|o| o.to == Callee::User(user), NoWhy::Failed, ctx);
                return;
            };
            if let Some(leg) = self.call.leg_mut(n) {
                leg.asked = Some(ctx.now);
            }
            if let Place::Ringing { offers, .. } = &mut self.call.place {
                offers[i].via = Via::Leg(n);
            }
            self.effects.push(Effect::Dial { leg: n, to: number });
        }
    }

    /// The last party left the customer alone without a word.
    pub(super) fn left_alone(&mut self, n: u16, at: crate::ids::Timestamp, ctx: &Context) {
        let Some(leg) = self.call.leg(n) else { return };
        match (&leg.role, &leg.line) {
            // A page that vanishes is not a person who hangs up: the caller is kept, and comes back.
            (Role::Person(user), Line::Page) => {
                let route = Self::return_route(*user, RingWhy::Reconnect, ctx);
                self.go(&route, ctx);
            }
            _ => self.end(EndWhy::HungUp, at),
        }
    }
}
