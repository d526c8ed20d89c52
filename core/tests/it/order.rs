//! The order of the news does not matter (I8): a recorded call, its facts told in any order that respects
//! causes, some of them twice, comes to the same end: the same place, flags and legs, and the same moments.

use cordboard_core::{
    call::{Call, Caller, NoWhy, Place, Stop},
    ids::{CallId, CallSid, ConferenceSid, Timestamp, UserId},
    machine::{Aspect, By, Context, Fact, Intent, PhonePage, Reach, Target},
};
use proptest::prelude::*;

use crate::world::{name, phone, sid};

const ADA: UserId = UserId(1);
const GRACE: UserId = UserId(2);
const MARY: UserId = UserId(4);

/// SplitMix64: a trace is a function of its seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).expect("less than n")
    }
}

#[derive(Debug, Clone)]
enum News {
    Does(UserId, Intent),
    Fact(Fact),
}

/// Something that happened, when, and because of what: a command comes after the command before it, a fact
/// after its cause.
#[derive(Debug, Clone)]
struct Item {
    news: News,
    at: Timestamp,
    cause: Option<usize>,
}

/// A recording.
struct Trace {
    chance: Chance,
    items: Vec<Item>,
    now: Timestamp,
    /// The last command.
    last: Option<usize>,
    /// The number of the customer's latest hold wish.
    wish: u32,
    legs: u16,
}

fn room() -> ConferenceSid {
    format!("CF{:032x}", 1).parse().expect("a ConferenceSid")
}

fn of_leg(leg: u16) -> CallSid {
    sid(100 + u32::from(leg))
}

impl Trace {
    fn does(&mut self, user: UserId, intent: Intent) {
        self.tick();
        self.items.push(Item {
            news: News::Does(user, intent),
            at: self.now,
            cause: None,
        });
        self.last = Some(self.items.len() - 1);
    }

    fn fact(&mut self, fact: Fact, cause: Option<usize>) -> usize {
        self.tick();
        self.items.push(Item {
            news: News::Fact(fact),
            at: self.now,
            cause,
        });
        self.items.len() - 1
    }

    /// Moments have a resolution of a second at the carrier, so many are the same.
    fn tick(&mut self) {
        self.now = self.now.plus([0, 0, 1_000, 2_000][self.chance.below(4)]);
    }

    /// A page answers: its leg asks, and joins. Which leg, and because of what whatever comes next happens.
    fn joins(&mut self, user: UserId) -> (u16, Option<usize>) {
        self.does(user, Intent::Answer);
        self.legs += 1;
        let (leg, sid) = (self.legs, of_leg(self.legs));
        self.fact(
            Fact::Fetched {
                leg,
                sid: sid.clone(),
            },
            self.last,
        );
        let joined = self.fact(
            Fact::Joined {
                leg,
                sid,
                room: room(),
            },
            self.last,
        );
        (leg, Some(joined))
    }

    /// The next wish for the customer's hold is confirmed.
    fn confirmed(&mut self, cause: Option<usize>) -> usize {
        self.wish += 1;
        self.fact(
            Fact::Confirmed {
                leg: 0,
                what: Aspect::Hold,
                wish: self.wish,
            },
            cause,
        )
    }

    fn hold_and_resume(&mut self) {
        for intent in [Intent::Hold, Intent::Resume] {
            self.does(ADA, intent);
            self.confirmed(self.last);
        }
    }

    /// Ada sends the call on, her leg goes when the hold is confirmed, it is refused, and she answers it again.
    fn refused_transfer(&mut self, from: u16) -> u16 {
        let to = self.chance.below(3);
        let target = [
            Target::User(GRACE),
            Target::User(MARY),
            Target::Number(phone(9_100)),
        ][to]
            .clone();
        self.does(ADA, Intent::Transfer { to: target });
        let sent = self.last;
        let held = self.confirmed(sent);
        let gone = of_leg(from);
        self.fact(
            Fact::Left {
                leg: from,
                sid: gone.clone(),
                room: room(),
                hung_up: false,
            },
            Some(held),
        );
        self.fact(
            Fact::Over {
                leg: from,
                sid: Some(gone),
                outcome: None,
            },
            Some(held),
        );
        if to == 0 {
            let busy = self.chance.below(2) == 0;
            self.does(GRACE, Intent::Decline { busy });
        } else {
            // A telephone: it rings, and then it is engaged, rings out, or hangs up on the question.
            self.legs += 1;
            let (leg, sid) = (self.legs, of_leg(self.legs));
            self.fact(
                Fact::Asked {
                    leg,
                    sid: sid.clone(),
                },
                sent,
            );
            self.fact(
                Fact::Rang {
                    leg,
                    sid: sid.clone(),
                },
                sent,
            );
            let outcome = [Some(NoWhy::Busy), Some(NoWhy::NoAnswer), None]
                [self.chance.below(if to == 1 { 3 } else { 2 })];
            if outcome.is_none() {
                self.fact(
                    Fact::PickedUp {
                        leg,
                        sid: sid.clone(),
                    },
                    sent,
                );
                self.fact(
                    Fact::Fetched {
                        leg,
                        sid: sid.clone(),
                    },
                    sent,
                );
            }
            self.fact(
                Fact::Over {
                    leg,
                    sid: Some(sid),
                    outcome,
                },
                sent,
            );
        }
        let (leg, joined) = self.joins(ADA);
        self.confirmed(joined);
        leg
    }

    /// A call with two holds and a refused transfer, in some order, and one of four ends.
    fn record(seed: u64) -> Self {
        let start = Timestamp::from_millis(1_767_225_600_000);
        let mut t = Self {
            chance: Chance(seed),
            items: Vec::new(),
            now: start,
            last: None,
            wish: 0,
            legs: 0,
        };
        let customer = of_leg(0);
        t.fact(
            Fact::Fetched {
                leg: 0,
                sid: customer.clone(),
            },
            None,
        );
        t.fact(
            Fact::Joined {
                leg: 0,
                sid: customer.clone(),
                room: room(),
            },
            None,
        );
        let (mut ada, _) = t.joins(ADA);
        t.fact(Fact::RoomStarted { room: room() }, t.last);
        let when = t.chance.below(3);
        for i in 0..3 {
            if i == when {
                ada = t.refused_transfer(ada);
            } else {
                t.hold_and_resume();
            }
        }
        let talking = of_leg(ada);
        match t.chance.below(4) {
            0 => {} // they talk on
            1 => {
                // The caller hangs up, and the room goes with them.
                let last = t.last;
                t.now = t.now.plus(1_000);
                t.fact(
                    Fact::Left {
                        leg: 0,
                        sid: customer.clone(),
                        room: room(),
                        hung_up: false,
                    },
                    last,
                );
                t.fact(
                    Fact::Left {
                        leg: ada,
                        sid: talking.clone(),
                        room: room(),
                        hung_up: false,
                    },
                    last,
                );
                t.fact(
                    Fact::RoomEnded {
                        room: room(),
                        by: Some(customer.clone()),
                    },
                    last,
                );
                t.fact(
                    Fact::Over {
                        leg: 0,
                        sid: Some(customer),
                        outcome: None,
                    },
                    last,
                );
                t.fact(
                    Fact::Over {
                        leg: ada,
                        sid: Some(talking),
                        outcome: None,
                    },
                    last,
                );
            }
            2 => {
                t.does(ADA, Intent::Hangup);
                for (leg, sid) in [(0, customer), (ada, talking)] {
                    t.fact(
                        Fact::Left {
                            leg,
                            sid: sid.clone(),
                            room: room(),
                            hung_up: false,
                        },
                        t.last,
                    );
                    t.fact(
                        Fact::Over {
                            leg,
                            sid: Some(sid),
                            outcome: None,
                        },
                        t.last,
                    );
                }
            }
            _ => {
                // Parked, and the caller is patient.
                t.does(
                    ADA,
                    Intent::Park {
                        slot: None,
                        note: None,
                    },
                );
                let held = t.confirmed(t.last);
                t.fact(
                    Fact::Left {
                        leg: ada,
                        sid: talking.clone(),
                        room: room(),
                        hung_up: false,
                    },
                    Some(held),
                );
                t.fact(
                    Fact::Over {
                        leg: ada,
                        sid: Some(talking),
                        outcome: None,
                    },
                    Some(held),
                );
            }
        }
        t
    }
}

/// A call under test, and the clock that goes with the news.
struct Replay {
    call: Call,
    now: Timestamp,
}

impl Replay {
    fn new() -> Self {
        let now = Timestamp::from_millis(1_767_225_600_000);
        let id = CallId::from_bits(7);
        let caller = Caller {
            name: None,
            number: Some(phone(1)),
        };
        let route: [Stop; 0] = [];
        Self {
            call: Call::arrive(id, of_leg(0), caller, phone(9_000), &route, &context(now)).call,
            now,
        }
    }

    /// Whether it was taken. A fact always is.
    fn take(&mut self, item: &Item) -> Result<(), String> {
        self.now = self.now.max(item.at);
        let ctx = context(self.now);
        let step = match &item.news {
            News::Fact(fact) => self.call.observe(fact, item.at, &ctx),
            News::Does(user, intent) => {
                let by = By {
                    user: *user,
                    command: None,
                };
                self.call.command(&by, intent, &ctx).map_err(|r| r.why)?
            }
        };
        assert_eq!(step.fault, None);
        self.call = step.call;
        Ok(())
    }
}

fn context(now: Timestamp) -> Context {
    let ready = |user| {
        (
            user,
            Reach {
                name: name(user).into(),
                page: PhonePage::Ready,
                ..Reach::default()
            },
        )
    };
    let mary = Reach {
        name: "Mary".into(),
        page: PhonePage::Unreachable,
        fallback: Some(phone(9_004)),
        ..Reach::default()
    };
    let people = [ready(ADA), ready(GRACE), (MARY, mary)].into();
    Context {
        now,
        people,
        free_slot: "P1".parse().ok(),
        ..Context::default()
    }
}

/// What must not depend on the order: everything but counters, our own moments (when something was asked), and
/// deadlines.
fn settled(call: &Call) -> Call {
    let mut call = Call {
        rev: 0,
        moved: 0,
        moved_by: None,
        look: None,
        errands: Vec::new(),
        ..call.clone()
    };
    let parked = matches!(call.place, Place::Parked { .. });
    if let Place::Parked { deadline, .. } = &mut call.place {
        *deadline = Timestamp::default();
    }
    if parked {
        call.since = Timestamp::default(); // the moment it was done, which is ours
    }
    for leg in &mut call.legs {
        leg.asked = leg.asked.map(|_| Timestamp::default());
    }
    call
}

/// Tells the facts in another order, some twice; each command as soon as it is taken.
fn shuffled(items: &[Item], chance: &mut Chance) -> Result<Call, String> {
    let mut replay = Replay::new();
    let mut told = vec![false; items.len()];
    let mut again: Vec<usize> = Vec::new();
    loop {
        // The next command, as soon as it is taken.
        while let Some(i) =
            (0..items.len()).find(|i| !told[*i] && matches!(items[*i].news, News::Does(..)))
        {
            if replay.take(&items[i]).is_err() {
                break;
            }
            told[i] = true;
        }
        let ready = |i: &usize| {
            !told[*i]
                && matches!(items[*i].news, News::Fact(_))
                && items[*i].cause.is_none_or(|c| told[c])
        };
        let fresh: Vec<usize> = (0..items.len()).filter(ready).collect();
        if fresh.is_empty() && again.is_empty() {
            break;
        }
        let pick = chance.below(fresh.len() + again.len());
        let i = if let Some(i) = fresh.get(pick) {
            *i
        } else {
            again.swap_remove(pick - fresh.len())
        };
        replay.take(&items[i])?;
        if !std::mem::replace(&mut told[i], true) && chance.below(4) == 0 {
            again.push(i);
        }
    }
    match told.iter().position(|t| !t) {
        Some(i) => Err(format!(
            "{:?} was never taken in {:#?}",
            items[i], replay.call
        )),
        None => Ok(replay.call),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3 * ProptestConfig::default().cases, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_news_does_not_matter(seed: u64) {
        let trace = Trace::record(seed);
        let mut in_order = Replay::new();
        for item in &trace.items {
            let taken = in_order.take(item);
            prop_assert_eq!(&taken, &Ok(()), "{:?} in {:#?}", item, in_order.call);
        }
        let talks = in_order.call.talks();
        let mut chance = trace.chance;
        for _ in 0..4 {
            let call = shuffled(&trace.items, &mut chance).map_err(TestCaseError::fail)?;
            prop_assert_eq!(settled(&call), settled(&in_order.call));
            prop_assert_eq!(call.talks(), talks.clone());
        }
    }
}
