//! What a console sees agrees with what the machine does: the same rights, the same answers, the same words,
//! the same board whether by deltas or by a snapshot.

use std::collections::BTreeMap;

use cordboard_core::{
    board::{
        Board, Card, Drop, DropTarget, Gap, Group, Online, Person, Presence, Queue, Slot, Snapshot,
        Status,
    },
    ids::{CallId, Rev, Timestamp, UserId},
    machine::{By, PhonePage, Refusal},
    policy::{Act, Actor, Role, Standing, may},
    wire::{Cause, Change, Delta, PersonPresence, Position},
};
use proptest::prelude::*;

use crate::{
    plan::{ops, presences, run},
    stories::{ADA, GRACE, MARY, park, send, talking},
    world::{PEOPLE, World, name, phone, slot},
};

const EPOCH: &str = "e1";

/// The board of that world, from scratch.
pub(crate) fn snapshot(world: &World, rev: Rev) -> Snapshot {
    let person = |(user, p): (&UserId, &crate::world::Person)| Person {
        id: *user,
        extension: format!("10{}", user.0).as_str().into(),
        name: name(*user).into(),
        identity: user.to_string().as_str().into(),
        status: p.status.clone(),
        online: Online::Online,
        phone: p.page,
        groups: Vec::new(),
        languages: Vec::new(),
        fallback: p.fallback.is_some(),
        calls: Vec::new(),
    };
    let slot = |id| Slot {
        name: "Slot".into(),
        id,
        call: None,
        deadline: None,
    };
    Snapshot {
        epoch: EPOCH.to_owned(),
        rev,
        people: world.people.iter().map(person).collect(),
        calls: world.calls.values().map(Card::of).collect(),
        slots: World::slots().into_iter().map(slot).collect(),
        queues: vec![Queue {
            id: "desk".parse().expect("a queue"),
            name: "Desk".into(),
            calls: Vec::new(),
        }],
        groups: Vec::new(),
    }
}

/// Everywhere a card could be dropped, and two places that are not there.
fn targets() -> Vec<DropTarget> {
    let mut all: Vec<_> = PEOPLE
        .into_iter()
        .chain([UserId(99)])
        .map(DropTarget::Person)
        .collect();
    all.extend((1..=4).map(slot).map(DropTarget::Slot));
    all.push(DropTarget::Me);
    // An outside number, ours, and a caller's own.
    all.extend([9_100, 9_000, 1].map(phone).map(DropTarget::Number));
    all
}

/// What the server would do with the intent: rights first, then the machine, then the call that has to be set
/// aside.
fn server(world: &World, me: Actor, card: &Card, target: &DropTarget) -> Result<(), Refusal> {
    let call = &world.calls[&card.id];
    let intent = card.meant(me.user, target);
    may(me, Act::Call(&intent, Standing::of(me.user, call))).map_err(Refusal::from)?;
    let by = By {
        user: me.user,
        command: None,
    };
    let step = call.command(&by, &intent, &world.context(Some(call.id)))?;
    if let Some(aside) = step.aside
        && let Some(there) = world.calls.get(&aside.from.call)
    {
        there.set_aside(me.user, aside, &world.context(Some(there.id)))?;
    }
    Ok(())
}

fn compare(world: &World) -> Result<(), TestCaseError> {
    let board = Board::new(snapshot(world, 1));
    prop_assert_eq!(board.check(), Ok(()));
    for card in board.calls.values() {
        let call = &world.calls[&card.id];
        for user in PEOPLE {
            prop_assert_eq!(
                card.standing(user),
                Standing::of(user, call),
                "{:?} {:#?}",
                user,
                call
            );
            for role in Role::ALL {
                let me = Actor::of(user, role);
                for target in targets() {
                    let said = server(world, me, card, &target);
                    let ends = match board.drop_on(me, card.id, &target) {
                        Drop::Do(..) => Ok(()),
                        Drop::No(no) => Err(no),
                        Drop::Choose(_) => continue,
                    };
                    prop_assert_eq!(
                        ends,
                        said,
                        "the board, and then the machine, of {:?} on {:?}: {:#?}",
                        me,
                        target,
                        card
                    );
                }
            }
        }
    }
    Ok(())
}

#[test]
fn who_takes_no_calls_is_said_before_a_card_is_dropped_on_them() {
    let mut story = talking();
    story.world.people.get_mut(&MARY).unwrap().page = PhonePage::Ready;
    for user in [GRACE, MARY] {
        story.world.say(user, Presence::Dnd);
    }
    let board = Board::new(snapshot(&story.world, 1));
    let me = Actor::of(ADA, Role::Operator);
    let on = |user| board.drop_on(me, story.call, &DropTarget::Person(user));
    let no = "Grace takes no calls at the moment, and has no fallback number.";
    assert_eq!(on(GRACE), Drop::No(no.into()));
    let instead = "ring Mary's fallback number for Caller 1, back to you if unanswered";
    assert_eq!(on(MARY), Drop::Do(send(MARY), instead.to_owned()));
}

/// Takes `change` as the board's next, and says what the board is then.
fn then(board: &Board, change: Change) -> Board {
    let mut board = board.clone();
    let delta = Delta {
        at: Position {
            epoch: EPOCH.to_owned(),
            rev: board.rev + 1,
        },
        change,
        cause: Cause {
            kind: "command".into(),
            id: None,
        },
    };
    assert_eq!(board.apply(&delta), Ok(true));
    assert_eq!(delta.card(), None);
    board
}

/// The news of a change may overtake what somebody has said meanwhile, or the other way round. Who they are is the
/// change's to say; how they are reached is the presence's.
#[test]
fn a_changed_person_is_reached_as_before() {
    let mut board = Board::new(snapshot(&World::new(), 1));
    let now = PersonPresence {
        id: ADA,
        phone: PhonePage::Unreachable,
        online: Online::Offline,
        status: Status {
            presence: Presence::Away,
            text: "at lunch".into(),
            back_at: Some(Timestamp::from_millis(1)),
        },
    };
    assert!(board.presence(std::slice::from_ref(&now)));
    let other = Person {
        extension: "201".into(),
        name: "Ada King".into(),
        groups: vec!["sales".parse().unwrap()],
        languages: vec!["en".parse().unwrap()],
        fallback: true,
        status: Status::default(),
        online: Online::Unknown,
        phone: PhonePage::Unknown,
        // What is derived is not taken over.
        calls: vec![CallId::from_bits(9)],
        ..board.people[&ADA].clone()
    };
    board = then(&board, Change::Person(Box::new(other.clone())));
    let known = &board.people[&ADA];
    assert_eq!(known.presence(), now);
    let expected = Person {
        status: now.status.clone(),
        online: now.online,
        phone: now.phone,
        calls: Vec::new(),
        ..other.clone()
    };
    assert_eq!(*known, expected);

    // Of somebody new nothing else is known.
    let newcomer = Person {
        id: UserId(7),
        ..other
    };
    let came = then(&board, Change::Person(Box::new(newcomer.clone())));
    let plain = Person {
        calls: Vec::new(),
        ..newcomer
    };
    assert_eq!(came.people[&UserId(7)], plain);
    let left = then(&came, Change::PersonGone(UserId(7)));
    assert_eq!((&left.people, left.rev), (&board.people, board.rev + 2));
}

#[test]
fn the_house_is_rearranged_as_a_whole() {
    let story = talking().does(ADA, park(2)).settle();
    let board = Board::new(snapshot(&story.world, 1));
    let [two, four] = [2, 4].map(|n| Slot {
        id: slot(n),
        name: "Shelf".into(),
        call: None,
        deadline: None,
    });
    let later = Queue {
        id: "later".parse().unwrap(),
        name: "Later".into(),
        calls: Vec::new(),
    };
    let sales = Group {
        id: "sales".parse().unwrap(),
        name: "Sales".into(),
    };
    let full = |slot: &Slot| board.filled_slot(slot);
    let with = then(&board, Change::Slots(vec![four.clone(), full(&two)]));
    assert_eq!(with.slots, [four.clone(), two.clone()]);
    assert_eq!(with.snapshot().slots, [four, full(&two)]);
    assert!(full(&two).call.is_some());
    let with = then(&with, Change::Queues(vec![later.clone()]));
    let with = then(&with, Change::Groups(vec![sales.clone()]));
    assert_eq!((with.queues.len(), &with.queues[0]), (1, &later));
    assert_eq!(with.snapshot().groups, [sales]);
    // Calls are none of its business.
    assert_eq!((&with.calls, with.digest()), (&board.calls, board.digest()));
    assert_eq!(with.check(), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases, ..ProptestConfig::default() })]

    /// What is `Do` is not refused, what is `No` is not accepted, and both refuse in the same words.
    #[test]
    fn a_preview_is_a_promise(
        plan in prop::collection::vec(ops(), 1..60),
        no_page in prop::option::of((0_usize..4, any::<bool>())),
        said in prop::array::uniform4(presences()),
    ) {
        let mut world = World::new();
        for (user, presence) in PEOPLE.into_iter().zip(said) {
            world.say(user, presence);
        }
        world.arrive(&[]);
        for (i, op) in plan.iter().enumerate() {
            run(&mut world, op);
            if let Some((user, unknown)) = no_page
                && i == plan.len() / 2
            {
                let page = if unknown { PhonePage::Unknown } else { PhonePage::Unreachable };
                world.people.get_mut(&PEOPLE[user]).expect("a person").page = page;
            }
            if i % 6 == 5 {
                compare(&world)?;
            }
        }
        compare(&world)?;
    }

    /// A board that took every delta is the board that a snapshot shows, and its digest says so; one that
    /// missed any says that too.
    #[test]
    fn deltas_and_snapshots_come_to_the_same(plan in prop::collection::vec(ops(), 1..60), skip in any::<prop::sample::Index>()) {
        let mut world = World::new();
        let mut board = Board::new(snapshot(&world, 0));
        let mut late = board.clone();
        let (mut known, mut deltas) = (BTreeMap::new(), Vec::new());
        world.arrive(&[]);
        for op in &plan {
            run(&mut world, op);
            for call in world.calls.values().filter(|c| known.get(&c.id) != Some(&c.rev)) {
                let cause = Cause { kind: "carrier".into(), id: None };
                let at = Position { epoch: EPOCH.to_owned(), rev: board.rev + 1 };
                let delta = Delta { at, change: Change::Call(Box::new(Card::of(call))), cause };
                prop_assert_eq!(board.apply(&delta), Ok(true));
                prop_assert_eq!(board.apply(&delta), Ok(false), "the same change twice is one change");
                deltas.push(delta);
            }
            known = world.calls.values().map(|c| (c.id, c.rev)).collect();
            prop_assert_eq!(board.check(), Ok(()));
        }
        let fresh = Board::new(Snapshot { people: board.snapshot().people, ..snapshot(&world, board.rev) });
        prop_assert_eq!(&board, &fresh);
        prop_assert_eq!(board.digest(), fresh.digest());
        prop_assert_eq!(board.snapshot(), fresh.snapshot());
        let there_and_back: Snapshot = serde_json::from_str(&serde_json::to_string(&board.snapshot()).unwrap()).unwrap();
        prop_assert_eq!(Board::new(there_and_back), fresh);

        // The same, with one delta lost on the way.
        if !deltas.is_empty() {
            let lost = skip.index(deltas.len());
            for (i, delta) in deltas.iter().enumerate().filter(|(i, _)| *i != lost) {
                let taken = late.apply(delta);
                prop_assert_eq!(taken, if i < lost { Ok(true) } else { Err(Gap::Missing) });
            }
            let same = late.calls == board.calls;
            prop_assert_eq!(late.digest() == board.digest(), same);
        }
    }
}
