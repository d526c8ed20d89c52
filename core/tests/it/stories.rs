//! Short stories about one or two calls, told in the words of the trade, each of which holds one rule.
//!
//! A story runs in the small world, so its pages connect and its carrier answers, unless the story says
//! otherwise. Every step is held to the rules of `world.rs` on the way.

use cordboard_core::{
    board::{Card, CardPlace, Presence},
    call::{Call, EndWhy, Place, RingWhy, Stop},
    ids::{CallId, CallSid, UserId},
    machine::{Effect, Fact, Intent, PhonePage, Target},
};

use crate::{
    carrier::{Line, Luck, Wire},
    world::{PEOPLE, World, phone, slot},
};

mod claim;
mod move_on;
mod quiet;
mod trouble;

pub(crate) const ADA: UserId = PEOPLE[0];
pub(crate) const GRACE: UserId = PEOPLE[1];
/// The desk's second destination.
pub(crate) const BOB: UserId = PEOPLE[2];
/// Has no page, and a fallback number.
pub(crate) const MARY: UserId = PEOPLE[3];

/// A world with a call in it.
pub(crate) struct Story {
    pub(crate) world: World,
    pub(crate) call: CallId,
}

/// A caller who waits at the desk.
pub(crate) fn queued() -> Story {
    let mut world = World::new();
    let call = world.arrive(&[]);
    Story { world, call }.settle()
}

/// A caller for whom these people are rung.
pub(crate) fn ringing(users: &[UserId]) -> Story {
    let mut world = World::new();
    let call = world.arrive(&[Stop::Ring {
        users: users.to_vec(),
        why: RingWhy::New,
        ms: 20_000,
    }]);
    Story { world, call }.settle()
}

/// A caller who talks to Ada.
pub(crate) fn talking() -> Story {
    queued().does(ADA, Intent::Answer).settle().is("talking")
}

pub(crate) fn park(n: u32) -> Intent {
    Intent::Park {
        slot: Some(slot(n)),
        note: None,
    }
}

pub(crate) fn send(to: UserId) -> Intent {
    Intent::Transfer {
        to: Target::User(to),
    }
}

pub(crate) fn send_out() -> Intent {
    Intent::Transfer {
        to: Target::Number(phone(9_100)),
    }
}

impl Story {
    pub(crate) fn now(&self) -> &Call {
        &self.world.calls[&self.call]
    }

    /// Another caller comes, and the story goes on about them.
    pub(crate) fn another(mut self) -> Self {
        self.call = self.world.arrive(&[]);
        self.settle()
    }

    /// The story goes on about that call.
    pub(crate) fn of(mut self, call: CallId) -> Self {
        self.call = call;
        self
    }

    /// A second later.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a story reads better without ampersands"
    )]
    pub(crate) fn does(mut self, user: UserId, intent: Intent) -> Self {
        self.world.now = self.world.now.plus(1_000);
        self.world
            .act(user, self.call, &intent)
            .unwrap_or_else(|why| panic!("{user} may {intent:?}, but: {why}"));
        self
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a story reads better without ampersands"
    )]
    pub(crate) fn cannot(mut self, user: UserId, intent: Intent, because: &str) -> Self {
        match self.world.act(user, self.call, &intent) {
            Err(why) => assert_eq!(why, because, "{user} {intent:?}"),
            Ok(()) => panic!("{user} should not {intent:?}"),
        }
        self
    }

    /// Everything under way arrives, is done and is answered.
    pub(crate) fn settle(mut self) -> Self {
        self.world.settle();
        self
    }

    /// That much time passes, and everything that was due is told so.
    pub(crate) fn pass(mut self, ms: i64) -> Self {
        let end = self.world.now.plus(ms);
        while let Some(due) = self
            .world
            .calls
            .values()
            .filter_map(Call::due)
            .min()
            .filter(|d| *d <= end)
        {
            self.world.now = self.world.now.max(due);
            for id in self.world.calls.keys().copied().collect::<Vec<_>>() {
                if self.world.calls[&id]
                    .due()
                    .is_some_and(|d| d <= self.world.now)
                {
                    self.world.report(id, &Fact::Clock, self.world.now);
                }
            }
            self.world.settle();
        }
        self.world.now = end;
        self
    }

    pub(crate) fn page(mut self, user: UserId, page: PhonePage) -> Self {
        self.world.people.get_mut(&user).expect("a person").page = page;
        if page != PhonePage::Ready {
            self.world
                .report(self.call, &Fact::PageGone { user }, self.world.now);
        }
        self
    }

    /// What somebody says of themselves.
    pub(crate) fn says(mut self, user: UserId, presence: Presence) -> Self {
        self.world.say(user, presence);
        self
    }

    /// A fact of the carrier's, a second later.
    pub(crate) fn hears(mut self, fact: &Fact) -> Self {
        self.world.now = self.world.now.plus(1_000);
        self.world.report(self.call, fact, self.world.now);
        self
    }

    pub(crate) fn kind(&self) -> &'static str {
        Card::of(self.now()).place.at.kind()
    }

    pub(crate) fn is(self, kind: &str) -> Self {
        let CardPlace { at, .. } = Card::of(self.now()).place;
        assert_eq!(at.kind(), kind, "{:#?}", self.now());
        self
    }

    pub(crate) fn with(self, users: &[UserId]) -> Self {
        assert_eq!(Card::of(self.now()).with, users, "{:#?}", self.now());
        self
    }

    pub(crate) fn ended(self, how: EndWhy) -> Self {
        assert_eq!(self.now().place, Place::Ended { why: how });
        self
    }

    /// For whom it rings, and why.
    pub(crate) fn rings_for(self, users: &[UserId], because: &str) -> Self {
        match Card::of(self.now()).place.at {
            cordboard_core::board::At::Ringing {
                users: rung, why, ..
            } => assert_eq!((&*rung, &*why), (users, because)),
            at => panic!("it does not ring, but is {at:?}"),
        }
        self
    }

    /// The connection of the leg with that number.
    pub(crate) fn sid(&self, n: u16) -> CallSid {
        self.now()
            .leg(n)
            .and_then(|l| l.sid.clone())
            .unwrap_or_else(|| panic!("leg {n} has no sid: {:#?}", self.now()))
    }

    pub(crate) fn wire(&self, n: u16) -> &Wire {
        &self.world.wires[&self.sid(n)]
    }

    /// The party with that leg hangs up, a second later.
    pub(crate) fn hangs_up(mut self, n: u16) -> Self {
        self.world.now = self.world.now.plus(1_000);
        let sid = self.sid(n);
        self.world.hang_up(&sid, None);
        self
    }

    /// The telephone with that leg is picked up, and, where it is asked, presses the key.
    pub(crate) fn picks_up(mut self, n: u16) -> Self {
        let sid = self.sid(n);
        self.world.pick_up(&sid);
        self
    }

    pub(crate) fn presses(mut self, n: u16) -> Self {
        let sid = self.sid(n);
        self.world.press(&sid);
        self
    }

    /// The first request under way that fits goes to the carrier, with that luck; its answer waits.
    pub(crate) fn performs(mut self, fits: impl Fn(&Effect) -> bool, luck: Luck) -> Self {
        let i = self.world.outbox.iter().position(|(_, e)| fits(e));
        let i = i.unwrap_or_else(|| panic!("no such request in {:?}", self.world.outbox));
        self.world.perform(i, luck);
        self
    }

    pub(crate) fn asked(&self, fits: impl Fn(&Effect) -> bool) -> usize {
        self.world.outbox.iter().filter(|(_, e)| fits(e)).count()
    }

    /// Whether the caller is held at the carrier.
    pub(crate) fn held(&self) -> bool {
        self.wire(0).hold
    }

    /// Time runs on, and all is well.
    pub(crate) fn comes_to_rest(mut self) -> Self {
        self.world.quiesce();
        self.world.check_rest();
        self
    }

    pub(crate) fn nobody_left(self) -> Self {
        let left: Vec<&Wire> = self
            .world
            .wires
            .values()
            .filter(|w| w.leg.call == self.call && w.state != Line::Over)
            .collect();
        assert!(left.is_empty(), "still there: {left:?}");
        self
    }
}
