//! What a wall may show: where calls are and who of us is with them, and nothing that names the other party or was
//! written about them; that somebody is away, and not why.
//!
//! Every caller, number, note, connection and word of a status of the small world can be told by how it begins, so
//! that none of them is missed in what is written, wherever it stands.

use cordboard_core::{
    board::{Board, Card, Person, Presence, Snapshot, Status},
    call::Call,
    ids::{CallId, Emergency},
    wire::{Cause, Change, Delta, Position, ServerMsg},
};
use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    golden::calls,
    plan::{NOTE, ops, run},
    stories::ADA,
    world::{PEOPLE, World, phone, sid},
};

/// How everything begins that is nobody else's business. A number's digits count without the plus as well.
const PRIVATE: [&str; 5] = ["Caller ", "1415555", NOTE, "CA0000", "dentist"];

/// What of that is in `shown`. The number that callers dial to reach us is no secret.
fn private(shown: &impl Serialize) -> Vec<&'static str> {
    let text = serde_json::to_string(shown)
        .expect("it can be written")
        .replace(phone(9_000).as_str(), "ours");
    let told = |word: &&str| text.contains(*word);
    PRIVATE.into_iter().filter(told).collect()
}

/// It tells nothing, it can be read again, and nothing is left to take away.
fn holds<T: Serialize + DeserializeOwned + Clone + PartialEq + std::fmt::Debug>(
    shown: &T,
    again: &T,
) -> Result<(), TestCaseError> {
    prop_assert_eq!(private(shown), Vec::<&str>::new(), "{:#?}", shown);
    let text = serde_json::to_string(shown).expect("it can be written");
    let read: T = serde_json::from_str(&text).expect("it can be read");
    prop_assert_eq!(&read, shown);
    prop_assert_eq!(again, shown);
    Ok(())
}

/// The board, on which everybody says why they are away.
fn board(world: &World) -> Snapshot {
    let mut board = crate::board::snapshot(world, 1);
    for person in &mut board.people {
        person.status = Status {
            presence: Presence::Away,
            text: "dentist".into(),
            back_at: Some(world.now),
        };
    }
    Board::new(board).snapshot()
}

/// The board with all calls and people on it, the change that each would be, and each by itself.
fn on_a_wall(world: &World) -> Result<(), TestCaseError> {
    let cards: Vec<Card> = world.calls.values().map(Card::of).collect();
    for card in &cards {
        let shown = card.clone().redacted();
        holds(&shown, &shown.clone().redacted())?;
        prop_assert_eq!(card.ended(), shown.ended());
        prop_assert_eq!(card.concerns(), shown.concerns());
        prop_assert_eq!((shown.id, shown.rev), (card.id, card.rev));
        for user in PEOPLE {
            prop_assert_eq!(card.standing(user), shown.standing(user));
        }
        told(Change::Call(Box::new(card.clone())))?;
    }
    let board = board(world);
    for person in &board.people {
        told(Change::Person(Box::new(person.clone())))?;
    }
    let presence = ServerMsg::Presence {
        people: board.people.iter().map(Person::presence).collect(),
    };
    let shown = presence.redacted();
    holds(&shown, &shown.clone().redacted())?;
    let shown: Snapshot = board.clone().redacted();
    holds(&shown, &shown.clone().redacted())?;
    for person in &shown.people {
        let status = (person.status.presence, person.status.back_at);
        prop_assert_eq!(status, (Presence::Away, Some(world.now)));
    }
    let digest = |snapshot| Board::new(snapshot).digest();
    prop_assert_eq!(
        digest(shown),
        digest(board),
        "a wall's digest is everybody's"
    );
    Ok(())
}

fn told(change: Change) -> Result<(), TestCaseError> {
    let delta = Delta {
        at: Position {
            epoch: "e1".to_owned(),
            rev: 1,
        },
        change,
        // An arrival names the connection it came over.
        cause: Cause {
            kind: "carrier".into(),
            id: Some(sid(1).as_str().into()),
        },
    };
    let shown = ServerMsg::Delta(Box::new(delta)).redacted();
    holds(&shown, &shown.clone().redacted())
}

proptest! {
    #[test]
    fn nothing_of_a_caller_is_on_a_wall(plan in prop::collection::vec(ops(), 1..60)) {
        let mut world = World::new();
        world.arrive(&[]);
        for (i, op) in plan.iter().enumerate() {
            run(&mut world, op);
            if i % 6 == 5 {
                on_a_wall(&world)?;
            }
        }
        on_a_wall(&world)?;
    }
}

#[test]
fn what_is_hidden_was_there() {
    let boards: Vec<Snapshot> = calls().iter().map(|(_, s)| board(&s.world)).collect();
    assert_eq!(private(&boards), PRIVATE, "or the tests here prove nothing");
    for (name, story) in calls() {
        on_a_wall(&story.world).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

/// That somebody calls for help, and whom, everybody who stands before the wall should know.
#[test]
fn a_call_for_help_is_on_every_wall() {
    let mut world = World::new();
    let number = Emergency::recognise("911").unwrap();
    let id = CallId::from_bits(911);
    let call: Call = Call::help(id, ADA, sid(77), number, &world.context(None)).call;
    world.calls.insert(id, call);
    on_a_wall(&world).unwrap();
    let shown = Card::of(&world.calls[&id]).redacted();
    assert!(shown.emergency(), "{shown:#?}");
    assert_eq!(shown.title(), "Emergency 911");
    assert_eq!(serde_json::to_value(&shown.place).unwrap()["to"], "911");
}
