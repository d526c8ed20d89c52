//! What only one can have, one has: a slot, a seat, the first sight of a fact, a command's id, a revision.

use cordboard_core::call::{Call, Claim, Leave, Leg, Line, Place, Role};
use cordboard_core::ids::{CallId, Rev, Timestamp, UserId};
use cordboard_server::store::{Change, CommandOutcome, CommandRow, Commit, Conflict, Outcome};
use futures_util::future::join_all;

use super::{ADA, GRACE, House, NOW, arrived, ended, from, joined, next, parked, phone};

on_every_database!(
    a_taken_slot_names_the_call_in_it,
    a_slot_is_free_again_when_its_call_has_left_it,
    a_person_has_one_seat_and_can_change_it_in_one_commit,
    a_fact_is_seen_once,
    a_command_is_accepted_once_and_ends_once,
    of_a_hundred_claims_of_one_slot_one_wins,
    fifty_writers_of_one_call_number_its_changes_without_a_gap,
    two_calls_committed_in_both_orders_do_not_block_each_other,
);

async fn a_taken_slot_names_the_call_in_it(house: &House) {
    let (one, two) = (house.with(arrived(1)).await, house.with(arrived(2)).await);
    house
        .commit(vec![from(&one, &parked(&one, "P1"))])
        .await
        .unwrap();
    let refused = house
        .commit(vec![from(&two, &parked(&two, "P1"))])
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, Conflict::Slot { slot, call } if slot.as_str() == "P1" && *call == one.id),
        "{refused:?}"
    );
    assert_eq!(house.load(two.id).await, two);
    house
        .commit(vec![from(&two, &parked(&two, "P2"))])
        .await
        .unwrap();
}

async fn a_slot_is_free_again_when_its_call_has_left_it(house: &House) {
    let (one, two) = (house.with(arrived(1)).await, house.with(arrived(2)).await);
    let lying = parked(&one, "P1");
    house.commit(vec![from(&one, &lying)]).await.unwrap();
    // From slot to slot, and both calls' slots exchanged in one commit.
    let over = parked(&lying, "P2");
    house.commit(vec![from(&lying, &over)]).await.unwrap();
    let second = parked(&two, "P1");
    house.commit(vec![from(&two, &second)]).await.unwrap();
    let (swapped, with) = (parked(&over, "P1"), parked(&second, "P2"));
    house
        .commit(vec![from(&over, &swapped), from(&second, &with)])
        .await
        .unwrap();
    // Staying there through other changes keeps it; ending gives it up.
    let noted = next(&swapped, |c| c.caller.name = None);
    house.commit(vec![from(&swapped, &noted)]).await.unwrap();
    let three = house.with(arrived(3)).await;
    let refused = house
        .commit(vec![from(&three, &parked(&three, "P1"))])
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, Conflict::Slot { call, .. } if *call == one.id),
        "{refused:?}"
    );
    house
        .commit(vec![from(&noted, &ended(&noted, NOW))])
        .await
        .unwrap();
    house
        .commit(vec![from(&three, &parked(&three, "P1"))])
        .await
        .unwrap();
}

async fn a_person_has_one_seat_and_can_change_it_in_one_commit(house: &House) {
    let (one, two) = (house.with(arrived(1)).await, house.with(arrived(2)).await);
    let with_ada = joined(&one, ADA);
    house.commit(vec![from(&one, &with_ada)]).await.unwrap();
    // A claim counts as much as a leg.
    let claimed = next(&two, |c| {
        c.legs.push(Leg::new(1, Role::Person(ADA), Line::Page));
        c.claim = Some(Claim {
            user: ADA,
            leg: 1,
            since: NOW,
            until: NOW.plus(4_000),
            left: None,
        });
    });
    let refused = house.commit(vec![from(&two, &claimed)]).await.unwrap_err();
    assert!(
        matches!(refused, Conflict::Seat { user: ADA, call } if call == one.id),
        "{refused:?}"
    );
    // The switch: set aside there, claimed here. The order in which the calls are named does not matter.
    let aside = next(&with_ada, |c| {
        c.legs[1].leave = Some(Leave {
            to: Some(claimed.id.leg(1)),
            asked: Some(Timestamp::default()),
        });
        c.place = Place::Held {
            by: ADA,
            deadline: NOW.plus(120_000),
            then: Vec::new(),
        };
    });
    house
        .commit(vec![from(&two, &claimed), from(&with_ada, &aside)])
        .await
        .unwrap();
    // The claim becomes a join: the same seat. Grace takes the other call.
    let there = next(&claimed, |c| {
        c.claim = None;
        c.legs[1].joined = Some(NOW);
        c.place = Place::Talking;
    });
    house
        .commit(vec![
            from(&claimed, &there),
            from(&aside, &joined(&aside, GRACE)),
        ])
        .await
        .unwrap();
    let three = house.with(arrived(3)).await;
    for (user, winner) in [(ADA, two.id), (GRACE, one.id)] {
        let refused = house
            .commit(vec![from(&three, &joined(&three, user))])
            .await
            .unwrap_err();
        assert!(
            matches!(refused, Conflict::Seat { user: u, call } if (u, call) == (user, winner)),
            "{refused:?}"
        );
    }
    // Nobody gets into two calls by one commit.
    let four = house.with(arrived(4)).await;
    let both = vec![
        from(&three, &joined(&three, UserId(3))),
        from(&four, &joined(&four, UserId(3))),
    ];
    let refused = house.commit(both).await.unwrap_err();
    assert!(
        matches!(
            refused,
            Conflict::Seat {
                user: UserId(3),
                ..
            }
        ),
        "{refused:?}"
    );
}

async fn a_fact_is_seen_once(house: &House) {
    let mut call = house.with(arrived(1)).await;
    let long = "x".repeat(100_000);
    for token in ["EV1", "", "nul\0nul", &long, &format!("{long}y")] {
        let change = next(&call, |_| ());
        let commit = |change: Change| Commit {
            changes: vec![change],
            seen: Some(token.to_owned()),
            ..Commit::new(NOW)
        };
        house
            .store
            .commit(commit(from(&call, &change)))
            .await
            .unwrap();
        call = change;
        let again = house
            .store
            .commit(commit(from(&call, &next(&call, |_| ()))))
            .await
            .unwrap_err();
        assert!(matches!(again, Conflict::Seen), "{again:?}");
        assert_eq!(house.load(call.id).await.rev, call.rev);
    }
}

async fn a_command_is_accepted_once_and_ends_once(house: &House) {
    let call = house.with(arrived(1)).await;
    let row = |actor, id: &str, hash: &str| CommandRow {
        actor,
        id: id.to_owned(),
        hash: hash.to_owned(),
        call: call.id,
    };
    let moved = parked(&call, "P1");
    let accept = |row, changes| Commit {
        command: Some(row),
        changes,
        ..Commit::new(NOW)
    };
    house
        .store
        .commit(accept(row(ADA, "c1", "park"), vec![from(&call, &moved)]))
        .await
        .unwrap();
    let record = house.store.command(ADA, "c1").await.unwrap().unwrap();
    assert_eq!(
        (record.hash.as_str(), record.call, &record.outcome),
        ("park", call.id, &Outcome::Pending)
    );

    let end = |id: &str, outcome| CommandOutcome {
        actor: ADA,
        id: id.to_owned(),
        outcome,
    };
    let why = "Nobody answered.".to_owned();
    let finish = Commit {
        outcomes: vec![end("c1", Outcome::Failed(why.clone()))],
        ..Commit::new(NOW)
    };
    house.store.commit(finish).await.unwrap();
    // The first end stands.
    let finish = Commit {
        outcomes: vec![end("c1", Outcome::Done)],
        ..Commit::new(NOW)
    };
    house.store.commit(finish).await.unwrap();

    // Sent again, with the same or another content, it does nothing and tells what it was.
    for hash in ["park", "hang up"] {
        let refused = house
            .store
            .commit(accept(
                row(ADA, "c1", hash),
                vec![from(&moved, &joined(&moved, ADA))],
            ))
            .await
            .unwrap_err();
        let Conflict::Command(record) = refused else {
            panic!("{refused:?}")
        };
        assert_eq!(
            (record.hash.as_str(), record.outcome),
            ("park", Outcome::Failed(why.clone()))
        );
    }
    assert_eq!(house.load(call.id).await, moved);
    // An id is its sender's own; and a command may end in the commit that accepts it.
    let both = Commit {
        outcomes: vec![CommandOutcome {
            actor: GRACE,
            id: "c1".to_owned(),
            outcome: Outcome::Unknown,
        }],
        ..accept(row(GRACE, "c1", "other"), Vec::new())
    };
    house.store.commit(both).await.unwrap();
    assert_eq!(
        house
            .store
            .command(GRACE, "c1")
            .await
            .unwrap()
            .unwrap()
            .outcome,
        Outcome::Unknown
    );
}

async fn of_a_hundred_claims_of_one_slot_one_wins(house: &House) {
    let calls: Vec<Call> = (1..=100).map(arrived).collect();
    for call in &calls {
        house.with(call.clone()).await;
    }
    let tries = calls.iter().map(|call| {
        let store = house.store.clone();
        let commit = Commit {
            changes: vec![from(call, &parked(call, "P1"))],
            ..Commit::new(NOW)
        };
        tokio::spawn(async move { store.commit(commit).await })
    });
    let results: Vec<_> = join_all(tries)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let winners: Vec<CallId> = results
        .iter()
        .flatten()
        .map(|done| done.changes[0].1)
        .collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    for result in results {
        if let Err(refused) = result {
            assert!(
                matches!(&refused, Conflict::Slot { call, .. } if *call == winners[0]),
                "{refused:?}"
            );
        }
    }
    let lying = house
        .store
        .open_calls()
        .await
        .unwrap()
        .into_iter()
        .filter(|c| c.slot().is_some())
        .count();
    assert_eq!(lying, 1);
}

/// I3: no two changes share a revision, and there is one for each.
async fn fifty_writers_of_one_call_number_its_changes_without_a_gap(house: &House) {
    let id = house.with(arrived(1)).await.id;
    let (epoch, start) = house.store.board_position().await.unwrap();
    let writers = (0..50_u32).map(|n| {
        let store = house.store.clone();
        tokio::spawn(async move {
            loop {
                let call = store.load(id).await.unwrap().unwrap();
                let change = from(&call, &next(&call, |c| c.caller.number = Some(phone(n))));
                match store
                    .commit(Commit {
                        changes: vec![change],
                        ..Commit::new(NOW)
                    })
                    .await
                {
                    Ok(done) => return (call.rev + 1, done.changes[0].0),
                    Err(Conflict::Stale(_)) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
        })
    });
    let mut revs: Vec<(Rev, Rev)> = join_all(writers)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    revs.sort_unstable();
    // The board counts them in the same order.
    let expected: Vec<(Rev, Rev)> = (1..=50).map(|n| (n + 1, start + n)).collect();
    assert_eq!(revs, expected);
    let shown = house
        .store
        .changes_since(&epoch, start, 100)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        shown
            .iter()
            .map(|d| (d.card().unwrap().rev, d.at.rev))
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(house.load(id).await.rev, 51);
}

async fn two_calls_committed_in_both_orders_do_not_block_each_other(house: &House) {
    let (one, two) = (house.with(arrived(1)).await, house.with(arrived(2)).await);
    let writers = (0..20).map(|n| {
        let (store, one, two) = (house.store.clone(), one.id, two.id);
        tokio::spawn(async move {
            loop {
                let (a, b) = (
                    store.load(one).await.unwrap().unwrap(),
                    store.load(two).await.unwrap().unwrap(),
                );
                let (a, b) = (from(&a, &next(&a, |_| ())), from(&b, &next(&b, |_| ())));
                let changes = if n % 2 == 0 { vec![a, b] } else { vec![b, a] };
                match store
                    .commit(Commit {
                        changes,
                        ..Commit::new(NOW)
                    })
                    .await
                {
                    Ok(_) => return,
                    Err(Conflict::Stale(_)) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
        })
    });
    for done in join_all(writers).await {
        done.unwrap();
    }
    assert_eq!(
        (house.load(one.id).await.rev, house.load(two.id).await.rev),
        (21, 21)
    );
    assert_eq!(house.store.board_position().await.unwrap().1, 42);
}
