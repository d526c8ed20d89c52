//! Calls come back as they were committed, whole or not at all, and are found by what is asked of them.

use cordboard_core::board::Card;
use cordboard_core::call::{
    Back, Call, Callee, Claim, Direction, EndWhy, Errand, Goal, Leg, Line, Look, NoWhy, Offer,
    Place, RingWhy, Role, Stop, Undo, Via,
};
use cordboard_core::ids::{CallId, UserId};
use cordboard_server::store::{CommandRow, Commit, Conflict, StoreError};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::{
    ADA, GRACE, House, NOW, arrived, asking, ended, from, hang_up, joined, new, next, parked,
    phone, sid,
};

on_every_database!(
    a_new_store_is_empty,
    every_call_comes_back_as_it_was_stored,
    a_stale_revision_is_refused_and_nothing_of_it_is_kept,
    missed_changes_are_read_in_order_or_not_at_all,
    deadlines_are_found_and_kept,
    a_connection_is_the_leg_it_became_last,
    history_has_the_calls_that_ended,
);

async fn a_new_store_is_empty(house: &House) {
    let store = &house.store;
    let (epoch, rev) = store.board_position().await.unwrap();
    assert_eq!((epoch.len(), rev), (16, 0));
    assert_eq!(
        store.changes_since(&epoch, 0, 10).await.unwrap(),
        Some(Vec::new())
    );
    assert_eq!(store.open_calls().await.unwrap(), Vec::new());
    assert_eq!(store.load(CallId::from_bits(1)).await.unwrap(), None);
    assert_eq!(store.next_due(NOW).await.unwrap(), None);
    assert_eq!(store.outbox_next_due().await.unwrap(), None);
    assert_eq!(store.outbox_due(NOW, 10).await.unwrap(), Vec::new());
    assert_eq!(store.audit_len().await.unwrap(), 0);
    assert_eq!(store.people().await.unwrap(), Vec::new());
}

/// A call in any place, with anything in it: the store must not care what is plausible.
fn any_call(n: u128, dice: &mut StdRng) -> Call {
    let text = |dice: &mut StdRng| -> String {
        (0..dice.random_range(0..40))
            .map(|_| char::from_u32(dice.random_range(0..0x3000)).unwrap_or('\u{1f9d1}'))
            .collect()
    };
    let at = |dice: &mut StdRng| NOW.plus(dice.random_range(-1_000_000..1_000_000));
    let mut call = arrived(n);
    call.caller.name = Some(text(dice).as_str().into());
    call.direction = if dice.random() {
        Direction::In
    } else {
        Direction::Out
    };
    let deadline = at(dice);
    let then = vec![
        Stop::Ring {
            users: vec![ADA, GRACE],
            why: RingWhy::Returned,
            ms: 15_000,
        },
        Stop::Queue {
            queue: "desk".parse().unwrap(),
        },
    ];
    let held = Place::Held {
        by: GRACE,
        deadline,
        then: then.clone(),
    };
    call.place = match dice.random_range(0..7) {
        0 => Place::Queued {
            queue: "desk".parse().unwrap(),
            alert: Some(ADA),
        },
        1 => Place::Ringing {
            offers: vec![
                Offer {
                    to: Callee::User(ADA),
                    via: Via::Page,
                    over: Some(NoWhy::Declined),
                },
                Offer {
                    to: Callee::Outside(phone(7)),
                    via: Via::Later(phone(8)),
                    over: None,
                },
            ],
            why: RingWhy::Transfer { from: GRACE },
            deadline,
            then,
        },
        2 => Place::Dialling { user: ADA },
        3 => Place::Talking,
        4 => held.clone(),
        5 => Place::Parked {
            slot: format!("P{n}").parse().unwrap(),
            by: ADA,
            note: Some(text(dice).as_str().into()),
            deadline,
            then,
        },
        _ => Place::Ended {
            why: EndWhy::Abandoned,
        },
    };
    for n in 1..dice.random_range(1..6) {
        let mut leg = Leg::new(n, Role::Outside(phone(9)), Line::Telephone(phone(9)));
        leg.sid = dice.random::<bool>().then(|| sid(dice.random()));
        leg.rang = dice.random::<bool>().then(|| at(dice));
        leg.joined = dice.random::<bool>().then(|| at(dice));
        leg.hold.want(true);
        leg.hold.confirm(1, at(dice));
        call.legs.push(leg);
    }
    call.claim = dice.random::<bool>().then(|| Claim {
        user: UserId(100 + u32::try_from(n).unwrap()),
        leg: 1,
        since: NOW,
        until: deadline,
        left: Some(-5),
    });
    call.undo = dice.random::<bool>().then(|| Undo {
        by: ADA,
        to: Back::Place {
            place: Box::new(held),
        },
    });
    call.look = dice.random::<bool>().then(|| Look {
        at: at(dice),
        tries: dice.random(),
    });
    if dice.random() {
        let errand = Errand {
            command: text(dice).into(),
            by: ADA,
            goal: Goal::Talk { user: GRACE },
            until: at(dice),
        };
        call.errands.push(errand);
    }
    call.rev = dice.random_range(1..1_000_000_000_000);
    call
}

async fn every_call_comes_back_as_it_was_stored(house: &House) {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(20_260_101);
    let mut dice = StdRng::seed_from_u64(seed);
    let calls: Vec<Call> = (1..=60).map(|n| any_call(n, &mut dice)).collect();
    for call in &calls {
        house.with(call.clone()).await;
    }
    for call in &calls {
        assert_eq!(house.load(call.id).await, *call, "SEED={seed}");
        let later = next(call, |c| c.caller.number = None);
        house.commit(vec![from(call, &later)]).await.unwrap();
        assert_eq!(house.load(call.id).await, later, "SEED={seed}");
    }
    let open = house.store.open_calls().await.unwrap();
    assert_eq!(
        open.len(),
        calls
            .iter()
            .filter(|c| !c.ended() || c.due().is_some())
            .count()
    );
    assert!(open.is_sorted_by_key(|c| c.arrived));
}

async fn a_stale_revision_is_refused_and_nothing_of_it_is_kept(house: &House) {
    let one = house.with(arrived(1)).await;
    let other = arrived(2);
    let moved = parked(&one, "P1");
    house.commit(vec![from(&one, &moved)]).await.unwrap();
    let before = (
        house.store.board_position().await.unwrap(),
        house.store.audit_len().await.unwrap(),
    );
    let late = joined(&one, ADA);
    let commit = Commit {
        // The other call of the commit is fine, and is not kept either.
        changes: vec![
            asking(0, &other, vec![hang_up(&sid(77))]),
            from(&one, &late),
        ],
        seen: Some("token".to_owned()),
        command: Some(CommandRow {
            actor: ADA,
            id: "a".to_owned(),
            hash: "h".to_owned(),
            call: one.id,
        }),
        ..Commit::new(NOW)
    };
    let refused = house.store.commit(commit).await.unwrap_err();
    assert!(
        matches!(refused, Conflict::Stale(id) if id == one.id),
        "{refused:?}"
    );
    assert_eq!(house.load(one.id).await, moved);
    assert_eq!(house.store.load(other.id).await.unwrap(), None);
    assert_eq!(house.store.command(ADA, "a").await.unwrap(), None);
    assert_eq!(house.store.outbox_len().await.unwrap(), 0);
    assert_eq!(
        (
            house.store.board_position().await.unwrap(),
            house.store.audit_len().await.unwrap()
        ),
        before
    );
    // The token was given back with the rest.
    let again = Commit {
        seen: Some("token".to_owned()),
        ..Commit::new(NOW)
    };
    house.store.commit(again).await.unwrap();
    // A call cannot arrive twice, nor change before it has arrived, nor stand still.
    for change in [new(&one), from(&other, &joined(&other, ADA))] {
        let id = change.call.id;
        let refused = house.commit(vec![change]).await.unwrap_err();
        assert!(
            matches!(refused, Conflict::Stale(stale) if stale == id),
            "{refused:?}"
        );
    }
    let refused = house.commit(vec![from(&moved, &moved)]).await.unwrap_err();
    assert!(
        matches!(refused, Conflict::Store(StoreError::Invalid(_))),
        "{refused:?}"
    );
}

async fn missed_changes_are_read_in_order_or_not_at_all(house: &House) {
    let store = &house.store;
    let mut call = house.with(arrived(1)).await;
    for _ in 0..9 {
        let moved = next(&call, |_| ());
        house.commit(vec![from(&call, &moved)]).await.unwrap();
        call = moved;
    }
    let (epoch, head) = store.board_position().await.unwrap();
    assert_eq!(head, 10);
    let read = async |since, limit| {
        let deltas = store.changes_since(&epoch, since, limit).await.unwrap()?;
        assert!(deltas.iter().all(|d| {
            let shows = |card: &Card| card.rev == d.at.rev && card.id == call.id;
            d.at.epoch == epoch && d.card().is_some_and(shows)
        }));
        Some(deltas.into_iter().map(|d| d.at.rev).collect::<Vec<_>>())
    };
    assert_eq!(read(0, 100).await, Some((1..=10).collect()));
    assert_eq!(read(4, 3).await, Some(vec![5, 6, 7]));
    assert_eq!(read(10, 100).await, Some(Vec::new()));
    assert_eq!(read(11, 100).await, None, "a revision that has not been");
    assert_eq!(store.changes_since("another", 4, 100).await.unwrap(), None);
    store.prune_changes(4).await.unwrap();
    assert_eq!(read(5, 100).await, None, "6 is gone");
    assert_eq!(read(6, 100).await, Some(vec![7, 8, 9, 10]));
    store.prune_changes(0).await.unwrap();
    assert_eq!(
        (read(9, 100).await, read(10, 100).await),
        (None, Some(Vec::new()))
    );
}

async fn deadlines_are_found_and_kept(house: &House) {
    let store = &house.store;
    let at = |ms| NOW.plus(ms);
    let due = |n, ms| {
        let mut call = arrived(n);
        call.look = Some(Look {
            at: at(ms),
            tries: 0,
        });
        call
    };
    for (n, ms) in [(1, 3_000), (2, 1_000), (3, 2_000)] {
        house.with(due(n, ms)).await;
    }
    for (now, next) in [(0, Some(1_000)), (1_000, Some(2_000)), (3_000, None)] {
        assert_eq!(store.next_due(at(now)).await.unwrap(), next.map(at));
    }
    let ids = async |now, limit| {
        store
            .due_calls(now, limit)
            .await
            .unwrap()
            .into_iter()
            .map(CallId::bits)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(at(999), 10).await, Vec::<u128>::new());
    assert_eq!(ids(at(2_000), 10).await, [2, 3]);
    assert_eq!(ids(at(9_000), 2).await, [2, 3]);
    // One that is over and still has something to see to is due, and open; without, it is neither.
    let call = due(2, 1_000);
    let over = next(&ended(&call, at(1_500)), |c| {
        c.look = Some(Look {
            at: at(5_000),
            tries: 1,
        });
    });
    house.commit(vec![from(&call, &over)]).await.unwrap();
    assert_eq!(
        (
            ids(at(9_000), 10).await,
            store.open_calls().await.unwrap().len()
        ),
        (vec![3, 1, 2], 3)
    );
    let done = next(&over, |c| c.look = None);
    house.commit(vec![from(&over, &done)]).await.unwrap();
    assert_eq!(
        (
            ids(at(9_000), 10).await,
            store.open_calls().await.unwrap().len()
        ),
        (vec![3, 1], 2)
    );
}

async fn a_connection_is_the_leg_it_became_last(house: &House) {
    let store = &house.store;
    let one = joined(&arrived(1), ADA);
    let page = one.legs[1].sid.clone().unwrap();
    assert_eq!(store.call_of_sid(&page).await.unwrap(), None);
    house.with(one.clone()).await;
    assert_eq!(store.call_of_sid(&page).await.unwrap(), Some(one.id.leg(1)));
    // The leg moves to another call, whose id sorts before this one's, and the first call changes once more.
    let gone = next(&one, |c| c.legs[1].gone = Some(NOW));
    let mut two = joined(&arrived(0), ADA);
    two.legs[1].sid = Some(page.clone());
    house
        .commit(vec![from(&one, &gone), new(&two)])
        .await
        .unwrap();
    house
        .commit(vec![from(&gone, &next(&gone, |_| ()))])
        .await
        .unwrap();
    assert_eq!(store.call_of_sid(&page).await.unwrap(), Some(two.id.leg(1)));
    assert_eq!(
        store.legs_of_sid(&page).await.unwrap(),
        [two.id.leg(1), one.id.leg(1)]
    );
    // A connection that becomes known later.
    let late = next(&two, |c| {
        let mut leg = Leg::new(2, Role::Outside(phone(5)), Line::Telephone(phone(5)));
        leg.sid = Some(sid(5));
        c.legs.push(leg);
    });
    house.commit(vec![from(&two, &late)]).await.unwrap();
    assert_eq!(
        store.call_of_sid(&sid(5)).await.unwrap(),
        Some(two.id.leg(2))
    );
}

async fn history_has_the_calls_that_ended(house: &House) {
    for (n, ms) in [(1, 1_000), (2, 3_000), (3, 2_000)] {
        let call = house.with(arrived(n)).await;
        house
            .commit(vec![from(&call, &ended(&call, NOW.plus(ms)))])
            .await
            .unwrap();
    }
    house.with(arrived(4)).await;
    let read = async |since, limit| {
        let calls = house
            .store
            .ended_calls(NOW.plus(since), limit)
            .await
            .unwrap();
        calls.into_iter().map(|c| c.id.bits()).collect::<Vec<_>>()
    };
    assert_eq!(read(0, 10).await, [2, 3, 1]);
    assert_eq!(read(2_000, 10).await, [2, 3]);
    assert_eq!(read(0, 1).await, [2]);
}
