//! Plans: what chance does to the small world.

use cordboard_core::{
    board::Presence,
    call::{Call, Callee, NoWhy, Place, RingWhy, Stop},
    ids::{CallId, UserId},
    machine::{Fact, Intent, PhonePage, Target},
};
use proptest::prelude::*;

use crate::{
    carrier::{Line, Luck},
    world::{PEOPLE, World, phone, slot},
};

/// Something that happens. Numbers are taken modulo what there is, so that a shorter plan stays a plan.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Arrive {
        ring: bool,
    },
    Dial {
        user: u8,
    },
    /// Anything, by anybody.
    Act {
        user: u8,
        call: u8,
        intent: Intent,
    },
    /// One of the things that make sense where the call is.
    Work {
        call: u8,
        i: u8,
    },
    Deliver {
        i: u16,
        keep: bool,
    },
    Lose {
        i: u16,
    },
    Perform {
        i: u16,
        luck: Luck,
    },
    Connect {
        user: u8,
    },
    SecondTab {
        user: u8,
    },
    PickUp {
        i: u8,
    },
    Press {
        i: u8,
    },
    End {
        i: u8,
        busy: bool,
    },
    PageGone {
        user: u8,
    },
    PageBack {
        user: u8,
    },
    /// What somebody says of themselves.
    Say {
        user: u8,
        presence: Presence,
    },
    Pass {
        ms: i64,
    },
    Read {
        call: u8,
    },
    /// Everything under way arrives, in order.
    Settle,
}

/// What is written on a parked call.
pub(crate) const NOTE: &str = "wants the bill";

fn intents() -> impl Strategy<Value = Intent> {
    let user = (0_usize..4).prop_map(|u| PEOPLE[u]);
    prop_oneof![
        4 => Just(Intent::Answer),
        1 => any::<bool>().prop_map(|busy| Intent::Decline { busy }),
        2 => Just(Intent::Hold),
        2 => Just(Intent::Resume),
        2 => prop::option::of((1_u32..5).prop_map(slot)).prop_map(|slot| Intent::Park { slot, note: Some(NOTE.into()) }),
        2 => Just(Intent::Retrieve),
        3 => user.prop_map(|u| Intent::Transfer { to: Target::User(u) }),
        1 => Just(Intent::Transfer { to: Target::Number(phone(9_100)) }),
        2 => Just(Intent::TakeBack),
        1 => Just(Intent::Hangup),
    ]
}

pub(crate) fn presences() -> impl Strategy<Value = Presence> {
    prop_oneof![
        3 => Just(Presence::Available),
        1 => Just(Presence::Away),
        1 => Just(Presence::Busy),
        2 => Just(Presence::Dnd),
        2 => Just(Presence::Offline),
    ]
}

pub(crate) fn ops() -> impl Strategy<Value = Op> {
    let luck = prop_oneof![6 => Just(Luck::Good), 1 => Just(Luck::Deaf), 1 => Just(Luck::Lost)];
    prop_oneof![
        2 => any::<bool>().prop_map(|ring| Op::Arrive { ring }),
        1 => (0_u8..4).prop_map(|user| Op::Dial { user }),
        24 => (0_u8..3, any::<u8>()).prop_map(|(call, i)| Op::Work { call, i }),
        4 => (0_u8..4, 0_u8..3, intents()).prop_map(|(user, call, intent)| Op::Act { user, call, intent }),
        24 => (any::<u16>(), prop::bool::weighted(0.15)).prop_map(|(i, keep)| Op::Deliver { i, keep }),
        1 => any::<u16>().prop_map(|i| Op::Lose { i }),
        20 => (any::<u16>(), luck).prop_map(|(i, luck)| Op::Perform { i, luck }),
        12 => (0_u8..4).prop_map(|user| Op::Connect { user }),
        1 => (0_u8..4).prop_map(|user| Op::SecondTab { user }),
        8 => any::<u8>().prop_map(|i| Op::PickUp { i }),
        6 => any::<u8>().prop_map(|i| Op::Press { i }),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(i, busy)| Op::End { i, busy }),
        1 => (0_u8..4).prop_map(|user| Op::PageGone { user }),
        2 => (0_u8..4).prop_map(|user| Op::PageBack { user }),
        2 => (0_u8..4, presences()).prop_map(|(user, presence)| Op::Say { user, presence }),
        6 => prop_oneof![4 => Just(50), 3 => Just(700), 2 => Just(4_000), 1 => Just(16_000), 1 => Just(130_000)].prop_map(|ms| Op::Pass { ms }),
        1 => (0_u8..3).prop_map(|call| Op::Read { call }),
        10 => Just(Op::Settle),
    ]
}

/// What people would do with a call where it is. What is said more often is likelier.
fn sensible(call: &Call) -> Vec<(UserId, Intent)> {
    let send = |by: UserId| {
        PEOPLE.into_iter().filter(move |u| *u != by).map(move |u| {
            (
                by,
                Intent::Transfer {
                    to: Target::User(u),
                },
            )
        })
    };
    let park = |by: UserId| {
        (
            by,
            Intent::Park {
                slot: None,
                note: Some(NOTE.into()),
            },
        )
    };
    let outside = |by: UserId| {
        (
            by,
            Intent::Transfer {
                to: Target::Number(phone(9_100)),
            },
        )
    };
    let mut all = Vec::new();
    match &call.place {
        Place::Queued { .. } => {
            all.extend(PEOPLE.map(|u| (u, Intent::Answer)));
            all.push(park(PEOPLE[0]));
        }
        Place::Ringing { offers, .. } => {
            let rung = offers
                .iter()
                .filter(|o| o.over.is_none())
                .filter_map(|o| match o.to {
                    Callee::User(u) => Some(u),
                    Callee::Outside(_) => None,
                });
            all.extend(rung.flat_map(|u| {
                [
                    (u, Intent::Answer),
                    (u, Intent::Answer),
                    (u, Intent::Decline { busy: false }),
                ]
            }));
        }
        Place::Talking => {
            for user in call.seats().map(|(u, _)| u) {
                all.extend([
                    (user, Intent::Hold),
                    (user, Intent::Hold),
                    (user, Intent::Hold),
                    park(user),
                    outside(user),
                ]);
                all.extend(send(user));
            }
            all.push(park(PEOPLE[1]));
            all.extend(send(PEOPLE[0]));
        }
        Place::Held { by, .. } => {
            all.extend([
                (*by, Intent::Resume),
                (*by, Intent::Resume),
                (*by, Intent::Resume),
                park(*by),
                outside(*by),
            ]);
            all.extend(send(*by));
        }
        Place::Parked { .. } => all.extend(PEOPLE.map(|u| (u, Intent::Retrieve))),
        Place::Dialling { user } => all.push((*user, Intent::Hangup)),
        Place::Ended { .. } => {}
    }
    all.extend(call.undo.iter().map(|u| (u.by, Intent::TakeBack)));
    all
}

fn nth(world: &World, call: u8) -> Option<CallId> {
    let n = world.calls.len();
    (n > 0).then(|| {
        *world
            .calls
            .keys()
            .nth(usize::from(call) % n)
            .expect("fewer than there are")
    })
}

pub(crate) fn run(world: &mut World, op: &Op) {
    let who = |user: u8| -> UserId { PEOPLE[usize::from(user)] };
    let pick = |i: u16, of: usize| (of > 0).then(|| usize::from(i) % of);
    match op {
        Op::Arrive { ring } if world.calls.len() < 3 => {
            let ringing = Stop::Ring {
                users: vec![PEOPLE[0], PEOPLE[1], PEOPLE[3]],
                why: RingWhy::New,
                ms: 20_000,
            };
            world.arrive(if *ring {
                std::slice::from_ref(&ringing)
            } else {
                &[]
            });
        }
        Op::Dial { user } if world.calls.len() < 3 => drop(world.dial(who(*user), phone(9_200))),
        Op::Arrive { .. } | Op::Dial { .. } => {}
        Op::Act { user, call, intent } => {
            if let Some(call) = nth(world, *call) {
                drop(world.act(who(*user), call, intent));
            }
        }
        Op::Work { call, i } => {
            if let Some(call) = nth(world, *call) {
                let choice = sensible(&world.calls[&call]);
                if let Some(i) = pick(u16::from(*i), choice.len()) {
                    let (user, intent) = choice[i].clone();
                    drop(world.act(user, call, &intent));
                }
            }
        }
        Op::Deliver { i, keep } => {
            if let Some(i) = pick(*i, world.inbox.len()) {
                let (id, fact, at) = if *keep {
                    world.inbox[i].clone()
                } else {
                    world.inbox.remove(i)
                };
                world.report(id, &fact, at);
            }
        }
        Op::Lose { i } => {
            if let Some(i) = pick(*i, world.inbox.len()) {
                world.inbox.remove(i);
            }
        }
        Op::Perform { i, luck } => {
            if let Some(i) = pick(*i, world.outbox.len()) {
                world.perform(i, *luck);
            }
        }
        Op::Connect { user } => world.connect(who(*user)),
        Op::SecondTab { user } => world.second_tab(who(*user)),
        Op::PickUp { i } | Op::Press { i } | Op::End { i, .. } => {
            let fits = |line: Line| match op {
                Op::PickUp { .. } => line == Line::Ringing,
                Op::Press { .. } => line == Line::Asked,
                _ => line != Line::Over,
            };
            let wires: Vec<_> = world
                .wires
                .iter()
                .filter(|(_, w)| fits(w.state))
                .map(|(sid, _)| sid.clone())
                .collect();
            let Some(i) = pick(u16::from(*i), wires.len()) else {
                return;
            };
            let sid = wires[i].clone();
            match op {
                Op::PickUp { .. } => world.pick_up(&sid),
                Op::Press { .. } => world.press(&sid),
                Op::End { busy, .. } => world.hang_up(&sid, busy.then_some(NoWhy::Busy)),
                _ => {}
            }
        }
        Op::PageGone { user } => {
            let user = who(*user);
            world.people.get_mut(&user).expect("a person").page = PhonePage::Unreachable;
            for id in world.calls.keys().copied().collect::<Vec<_>>() {
                world.report(id, &Fact::PageGone { user }, world.now);
            }
        }
        Op::PageBack { user } => {
            world.people.get_mut(&who(*user)).expect("a person").page = PhonePage::Ready;
        }
        Op::Say { user, presence } => world.say(who(*user), *presence),
        Op::Pass { ms } => {
            world.now = world.now.plus(*ms);
            for id in world.calls.keys().copied().collect::<Vec<_>>() {
                if world.calls[&id].due().is_some_and(|due| due <= world.now) {
                    world.report(id, &Fact::Clock, world.now);
                }
            }
        }
        Op::Settle => world.settle(),
        Op::Read { call } => {
            if let Some(call) = nth(world, *call) {
                let reading = world.read(call);
                world.inbox.push((call, Fact::Read(reading), world.now));
            }
        }
    }
}
