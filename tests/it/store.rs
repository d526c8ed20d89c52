//! The store keeps its promises on every database: each case runs on an SQLite file, on SQLite in memory, and on PostgreSQL.
//!
//! The queries are not checked when they are compiled, so every one of them must run here. Cases drive the store as the exchange does, and never look at a table.

use cordboard_core::{
    call::{
        Back, Call, Callee, Caller, Claim, Direction, EndWhy, Errand, Goal, Leg, Line, Look, NoWhy,
        Offer, Place, RingWhy, Role, Stop, Undo, Via,
    },
    ids::{CallId, CallSid, Phone, Rev, Timestamp, UserId},
    machine::{Aspect, Context, Effect},
};
use cordboard_server::store::{
    AuditRow, Change, CommandOutcome, CommandRow, Commit, Committed, Conflict, NewPerson, Outcome,
    State, Store, StoreError,
};
use cordboard_tests::backends::{self, TestDatabase};
use futures_util::future::join_all;
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};

/// Each case as a test of its own on each database.
macro_rules! on_every_database {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let database = cordboard_tests::backends::sqlite_file();
                let house = super::House::open(database.url()).await;
                super::$case(&house).await;
                house.store.close().await;
            }
        )+}
        mod memory {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let house = super::House::open("sqlite::memory:").await;
                super::$case(&house).await;
                house.store.close().await;
            }
        )+}
        mod postgres {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let Some(database) = cordboard_tests::backends::fresh_database().await else { return };
                let house = super::House::open(database.url()).await;
                super::$case(&house).await;
                house.store.close().await;
            }
        )+}
    };
}

on_every_database!(
    a_new_store_is_empty,
    every_call_comes_back_as_it_was_stored,
    a_stale_revision_is_refused_and_nothing_of_it_is_kept,
    a_taken_slot_names_the_call_in_it,
    a_slot_is_free_again_when_its_call_has_left_it,
    a_person_has_one_seat_and_can_change_it_in_one_commit,
    a_fact_is_seen_once,
    a_command_is_accepted_once_and_ends_once,
    of_a_hundred_claims_of_one_slot_one_wins,
    fifty_writers_of_one_call_number_its_changes_without_a_gap,
    two_calls_committed_in_both_orders_do_not_block_each_other,
    nothing_is_asked_of_the_carrier_without_a_call_and_an_audit_line,
    urgent_requests_go_first_and_a_lane_has_one_in_flight,
    an_unsent_wish_stands_for_the_newer_one,
    a_request_is_taken_by_one_and_comes_back_when_told,
    a_dial_that_was_not_sent_can_be_taken_back,
    dials_are_timed_and_ordered_by_who_waits,
    missed_changes_are_read_in_order_or_not_at_all,
    one_call_a_second_is_made,
    deadlines_are_found_and_kept,
    a_connection_is_the_leg_it_became_last,
    history_has_the_calls_that_ended,
    the_house_can_be_written_twice,
    what_nobody_can_type_is_kept_or_cleaned_and_never_an_error,
    facts_are_forgotten_after_a_week,
    a_closed_store_says_so,
);

struct House {
    store: Store,
}

impl House {
    async fn open(url: &str) -> Self {
        Self {
            store: Store::open(url).await.unwrap(),
        }
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Committed, Conflict> {
        self.store
            .commit(Commit {
                changes,
                ..Commit::new(NOW)
            })
            .await
    }

    /// Stores a call as new and returns it.
    async fn with(&self, call: Call) -> Call {
        self.commit(vec![new(&call)]).await.unwrap();
        call
    }

    async fn load(&self, id: CallId) -> Call {
        self.store.load(id).await.unwrap().unwrap()
    }

    /// What is due, as the words of its effects.
    async fn due(&self, now: Timestamp) -> Vec<Effect> {
        self.store
            .outbox_due(now, 100)
            .await
            .unwrap()
            .into_iter()
            .map(|row| row.effect)
            .collect()
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);
const ADA: UserId = UserId(1);
const GRACE: UserId = UserId(2);

fn sid(n: u128) -> CallSid {
    format!("CA{n:032x}").parse().unwrap()
}

fn phone(n: u32) -> Phone {
    format!("+1415555{n:04}").parse().unwrap()
}

/// A call that has just arrived and waits at the desk.
fn arrived(n: u128) -> Call {
    let caller = Caller {
        name: Some("Zoë".into()),
        number: Some(phone(132)),
    };
    let route = [Stop::Queue {
        queue: "desk".parse().unwrap(),
    }];
    let ctx = Context {
        now: NOW,
        ..Context::default()
    };
    Call::arrive(
        CallId::from_bits(n),
        sid(n << 16),
        caller,
        phone(100),
        &route,
        &ctx,
    )
    .call
}

/// The call one revision on, changed by `with`.
fn next(call: &Call, with: impl FnOnce(&mut Call)) -> Call {
    let mut call = call.clone();
    call.rev += 1;
    with(&mut call);
    call
}

fn parked(call: &Call, slot: &str) -> Call {
    next(call, |c| {
        c.place = Place::Parked {
            slot: slot.parse().unwrap(),
            by: ADA,
            note: None,
            deadline: NOW.plus(90_000),
            then: Vec::new(),
        };
    })
}

/// The call with a leg of `user`'s phone page in it.
fn joined(call: &Call, user: UserId) -> Call {
    next(call, |c| {
        let n = u16::try_from(c.legs.len()).unwrap();
        let mut leg = Leg::new(n, Role::Person(user), Line::Page);
        leg.sid = Some(sid(c.id.bits() << 16 | u128::from(n)));
        leg.joined = Some(NOW);
        c.legs.push(leg);
        c.place = Place::Talking;
    })
}

fn ended(call: &Call, at: Timestamp) -> Call {
    next(call, |c| {
        c.place = Place::Ended {
            why: EndWhy::CallerLeft,
        };
        c.since = at;
        c.look = None;
        c.errands.clear();
        for leg in &mut c.legs {
            leg.gone = Some(at);
        }
    })
}

fn new(call: &Call) -> Change {
    Change {
        before: 0,
        call: call.clone(),
        effects: Vec::new(),
    }
}

fn from(before: &Call, call: &Call) -> Change {
    Change {
        before: before.rev,
        call: call.clone(),
        effects: Vec::new(),
    }
}

fn asking(before: Rev, call: &Call, effects: Vec<Effect>) -> Change {
    Change {
        before,
        call: call.clone(),
        effects,
    }
}

fn hang_up(sid: &CallSid) -> Effect {
    Effect::HangUp { sid: sid.clone() }
}

const HOLD: Effect = Effect::Set {
    leg: 0,
    what: Aspect::Hold,
};

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
    assert_eq!(store.next_due().await.unwrap(), None);
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
            slot: format!("P{}", n).parse().unwrap(),
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
        user: UserId(n as u32 + 100),
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
    println!("SEED={seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let calls: Vec<Call> = (1..=60).map(|n| any_call(n, &mut dice)).collect();
    for call in &calls {
        house.with(call.clone()).await;
    }
    for call in &calls {
        assert_eq!(house.load(call.id).await, *call);
        let later = next(call, |c| c.caller.number = None);
        house.commit(vec![from(call, &later)]).await.unwrap();
        assert_eq!(house.load(call.id).await, later);
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
        c.legs[1].leave = Some(cordboard_core::call::Leave {
            to: Some(claimed.id.leg(1)),
            asked: Some(cordboard_core::ids::Timestamp::default()),
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
            .map(|d| (d.call.rev, d.at.rev))
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

/// I6: no side effect without a durable earlier intent, no intent without a line in the audit.
async fn nothing_is_asked_of_the_carrier_without_a_call_and_an_audit_line(house: &House) {
    let call = arrived(1);
    let effects = vec![Effect::Look, hang_up(&sid(9))];
    house.commit(vec![asking(0, &call, effects)]).await.unwrap();
    assert_eq!(
        house.due(NOW).await,
        [hang_up(&sid(9))],
        "to look needs no row"
    );
    let said = house.store.recent_audit(5).await.unwrap();
    assert_eq!(said.len(), 1, "the store speaks where its caller is silent");
    assert_eq!(
        (said[0].call, said[0].kind.as_str()),
        (Some(call.id), "time")
    );
    assert!(said[0].raw.contains("hang-up"), "{}", said[0].raw);

    let line = |kind: &str| AuditRow {
        at: NOW,
        actor: Some(ADA),
        kind: kind.to_owned(),
        call: None,
        raw: "{}".to_owned(),
    };
    let commit = Commit {
        audit: vec![line("first"), line("second")],
        ..Commit::new(NOW)
    };
    house.store.commit(commit).await.unwrap();
    let kinds: Vec<String> = house
        .store
        .recent_audit(2)
        .await
        .unwrap()
        .into_iter()
        .map(|l| l.kind)
        .collect();
    assert_eq!(
        (kinds.as_slice(), house.store.audit_len().await.unwrap()),
        (["second".to_owned(), "first".to_owned()].as_slice(), 3)
    );
}

async fn urgent_requests_go_first_and_a_lane_has_one_in_flight(house: &House) {
    let mut one = joined(&arrived(1), ADA);
    one.rev = 1;
    one.legs[0].hold.want(true);
    let page = one.legs[1].sid.clone().unwrap();
    let to = CallId::from_bits(2).leg(3);
    let redirect = Effect::Redirect {
        sid: page.clone(),
        to,
    };
    let flag = Effect::Set {
        leg: 1,
        what: Aspect::EndsRoom,
    };
    house
        .commit(vec![asking(
            0,
            &one,
            vec![HOLD, flag.clone(), redirect.clone()],
        )])
        .await
        .unwrap();
    let other = arrived(2);
    house
        .commit(vec![asking(0, &other, vec![hang_up(&sid(99))])])
        .await
        .unwrap();

    let due = house.store.outbox_due(NOW, 10).await.unwrap();
    let effects: Vec<&Effect> = due.iter().map(|r| &r.effect).collect();
    assert_eq!(
        effects,
        [&hang_up(&sid(99)), &HOLD, &flag],
        "the hang-up first; of leg 1 only the first"
    );
    assert_eq!(
        due.iter().map(|r| r.leg).collect::<Vec<_>>(),
        [u16::MAX, 0, 1]
    );
    assert!(
        due.iter()
            .all(|r| r.state == State::New && r.attempts == 0 && r.due == NOW)
    );
    assert_eq!(house.store.outbox_due(NOW, 1).await.unwrap().len(), 1);
    assert_eq!(
        house.due(NOW.plus(-1)).await,
        Vec::new(),
        "not before its time"
    );

    assert!(house.store.outbox_take(due[2].id, NOW).await.unwrap());
    assert_eq!(
        house.due(NOW).await,
        [hang_up(&sid(99)), HOLD],
        "nothing more of leg 1 while the flag is in flight"
    );
    let later = next(&one, |_| ());
    house
        .commit(vec![asking(one.rev, &later, vec![hang_up(&page)])])
        .await
        .unwrap();
    house.store.outbox_done(due[2].id).await.unwrap();
    assert_eq!(
        house.due(NOW).await,
        [hang_up(&sid(99)), hang_up(&page), HOLD],
        "the hang-up has overtaken the redirect"
    );
    assert_eq!(house.store.outbox_len().await.unwrap(), 4);
}

async fn an_unsent_wish_stands_for_the_newer_one(house: &House) {
    let mut call = arrived(1);
    call.legs[0].hold.want(true);
    house
        .commit(vec![asking(0, &call, vec![HOLD])])
        .await
        .unwrap();
    let first = house.store.outbox_due(NOW, 10).await.unwrap().remove(0);
    assert_eq!(first.priority, 1);
    // The wish turns before it was sent: the same row, more urgent.
    let unheld = next(&call, |c| _ = c.legs[0].hold.want(false));
    house
        .commit(vec![asking(call.rev, &unheld, vec![HOLD])])
        .await
        .unwrap();
    let due = house.store.outbox_due(NOW, 10).await.unwrap();
    assert_eq!(
        due.iter().map(|r| (r.id, r.priority)).collect::<Vec<_>>(),
        [(first.id, 0)]
    );
    // It turns while one is in flight: a second row, which waits for the first.
    assert!(house.store.outbox_take(first.id, NOW).await.unwrap());
    let held = next(&unheld, |c| _ = c.legs[0].hold.want(true));
    house
        .commit(vec![asking(unheld.rev, &held, vec![HOLD])])
        .await
        .unwrap();
    assert_eq!(
        (
            house.due(NOW).await,
            house.store.outbox_len().await.unwrap()
        ),
        (Vec::new(), 2)
    );
    // The first is to be tried again: the second stands for it.
    house
        .store
        .outbox_retry(first.id, NOW.plus(500))
        .await
        .unwrap();
    let due = house.store.outbox_due(NOW, 10).await.unwrap();
    assert_eq!((due.len(), house.store.outbox_len().await.unwrap()), (1, 1));
    assert_ne!(due[0].id, first.id);
}

async fn a_request_is_taken_by_one_and_comes_back_when_told(house: &House) {
    let store = &house.store;
    house
        .commit(vec![asking(0, &arrived(1), vec![hang_up(&sid(9))])])
        .await
        .unwrap();
    let row = store.outbox_due(NOW, 10).await.unwrap().remove(0);
    let takers = (0..20).map(|_| {
        let (store, id) = (store.clone(), row.id);
        tokio::spawn(async move { store.outbox_take(id, NOW).await.unwrap() })
    });
    let won = join_all(takers)
        .await
        .into_iter()
        .filter(|taken| *taken.as_ref().unwrap())
        .count();
    assert_eq!(won, 1);
    let sent = store.outbox_sent().await.unwrap();
    assert_eq!(
        sent.iter()
            .map(|r| (r.id, r.state, r.attempts))
            .collect::<Vec<_>>(),
        [(row.id, State::Sent, 1)]
    );
    assert_eq!(store.outbox_next_due().await.unwrap(), None);

    store.outbox_retry(row.id, NOW.plus(400)).await.unwrap();
    assert_eq!(store.outbox_next_due().await.unwrap(), Some(NOW.plus(400)));
    assert_eq!(house.due(NOW.plus(399)).await, Vec::new());
    let again = store.outbox_due(NOW.plus(400), 10).await.unwrap();
    assert_eq!(
        again.iter().map(|r| (r.id, r.attempts)).collect::<Vec<_>>(),
        [(row.id, 1)]
    );
    // What is not in flight is not put back, and what is done is gone.
    store.outbox_retry(row.id, NOW).await.unwrap();
    assert_eq!(store.outbox_next_due().await.unwrap(), Some(NOW.plus(400)));
    assert!(store.outbox_take(row.id, NOW.plus(400)).await.unwrap());
    store.outbox_done(row.id).await.unwrap();
    assert!(!store.outbox_take(row.id, NOW.plus(400)).await.unwrap());
    assert_eq!(store.outbox_len().await.unwrap(), 0);
}

async fn a_dial_that_was_not_sent_can_be_taken_back(house: &House) {
    let store = &house.store;
    let one = next(&arrived(1), |c| {
        c.rev = 1;
        c.legs
            .push(Leg::new(1, Role::Person(ADA), Line::Telephone(phone(1))));
        c.legs.push(Leg::new(
            2,
            Role::Outside(phone(2)),
            Line::Telephone(phone(2)),
        ));
    });
    let dials = vec![
        Effect::Dial {
            leg: 1,
            to: phone(1),
        },
        Effect::Invite {
            leg: 2,
            to: phone(2),
        },
    ];
    house.commit(vec![asking(0, &one, dials)]).await.unwrap();
    let due = store.outbox_due(NOW, 10).await.unwrap();
    assert!(store.outbox_take(due[0].id, NOW).await.unwrap());
    let two = next(&one, |_| ());
    let cancels = vec![
        Effect::Cancel { leg: 1 },
        Effect::Cancel { leg: 2 },
        Effect::Cancel { leg: 0 },
    ];
    let done = house
        .commit(vec![asking(one.rev, &two, cancels)])
        .await
        .unwrap();
    assert_eq!(
        done.cancelled,
        [one.id.leg(2)],
        "the first is on its way, and of leg 0 there never was one"
    );
    assert_eq!(store.outbox_len().await.unwrap(), 1);
    assert!(
        !store.outbox_take(due[1].id, NOW).await.unwrap(),
        "it will never be sent"
    );
}

async fn dials_are_timed_and_ordered_by_who_waits(house: &House) {
    let rung = |n: u128, why| {
        let mut call = arrived(n);
        call.place = Place::Ringing {
            offers: vec![Offer {
                to: Callee::User(ADA),
                via: Via::Leg(1),
                over: None,
            }],
            why,
            deadline: NOW.plus(20_000),
            then: Vec::new(),
        };
        call
    };
    let mut out = arrived(1);
    out.place = Place::Dialling { user: ADA };
    let calls = [
        (out, 0_u32),
        (rung(2, RingWhy::Transfer { from: GRACE }), 1),
        (rung(3, RingWhy::ParkExpired), 1),
        (rung(4, RingWhy::Returned), 1),
    ];
    for (call, leg) in &calls {
        let leg = u16::try_from(*leg).unwrap();
        house
            .commit(vec![asking(
                0,
                call,
                vec![Effect::Dial { leg, to: phone(1) }],
            )])
            .await
            .unwrap();
    }
    let due = house.store.outbox_due(NOW, 10).await.unwrap();
    let order: Vec<u128> = due.iter().map(|r| r.call.bits()).collect();
    assert_eq!(
        order,
        [3, 4, 2, 1],
        "those who came back, then who was sent on, then who dials"
    );
    assert_eq!(
        due[0].not_after,
        Some(NOW.plus(20_000)),
        "until its time to ring is over"
    );
    assert_eq!(
        due[3].not_after,
        Some(NOW.plus(15_000)),
        "until its command is given up"
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
        assert!(
            deltas
                .iter()
                .all(|d| d.at.epoch == epoch && d.call.rev == d.at.rev && d.call.id == call.id)
        );
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

async fn one_call_a_second_is_made(house: &House) {
    let store = &house.store;
    let tries = (0..20).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.take_dial_token(NOW).await.unwrap() })
    });
    let answers: Vec<_> = join_all(tries)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        answers.iter().filter(|a| a.is_ok()).count(),
        1,
        "{answers:?}"
    );
    assert!(
        answers
            .iter()
            .all(|a| a.is_ok() || *a == Err(NOW.plus(1_000))),
        "{answers:?}"
    );
    assert_eq!(
        store.take_dial_token(NOW.plus(999)).await.unwrap(),
        Err(NOW.plus(1_000))
    );
    assert_eq!(
        store.take_dial_token(NOW.plus(1_000)).await.unwrap(),
        Ok(())
    );
    // A clock that is put back an hour must not stop us for an hour.
    assert_eq!(
        store.take_dial_token(NOW.plus(-3_600_000)).await.unwrap(),
        Ok(())
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
    assert_eq!(store.next_due().await.unwrap(), Some(at(1_000)));
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
        })
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

async fn the_house_can_be_written_twice(house: &House) {
    let store = &house.store;
    let ada = NewPerson {
        id: store.next_user_id().await.unwrap(),
        name: "Ada".into(),
        email: " Ada@Example.org ".to_owned(),
        extension: "101".to_owned(),
        role: cordboard_core::policy::Role::Operator,
        fallback: Some(phone(9)),
        password_hash: "$argon2id$…".to_owned(),
        ..NewPerson::default()
    };
    for _ in 0..2 {
        store.upsert_person(&ada).await.unwrap();
        store
            .upsert_slot(&"P1".parse().unwrap(), "One", 2)
            .await
            .unwrap();
        store
            .upsert_slot(&"P2".parse().unwrap(), "Two", 1)
            .await
            .unwrap();
        store
            .upsert_queue(&"desk".parse().unwrap(), "Desk")
            .await
            .unwrap();
        store
            .upsert_queue(&"after".parse().unwrap(), "After hours")
            .await
            .unwrap();
        store
            .upsert_number(
                &phone(100),
                &[Stop::Queue {
                    queue: "desk".parse().unwrap(),
                }],
            )
            .await
            .unwrap();
        store.set_setting("ring_ms", "20000").await.unwrap();
    }
    assert_eq!(ada.id, UserId(1));
    assert_eq!(store.next_user_id().await.unwrap(), UserId(2));
    let read = store
        .person_by_email("ADA@example.ORG")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (
            read.id,
            read.name.as_str(),
            read.extension.as_str(),
            read.active
        ),
        (ADA, "Ada", "101", true)
    );
    assert_eq!(
        (read.role, read.fallback.clone()),
        (ada.role, ada.fallback.clone())
    );
    assert_eq!(store.people().await.unwrap(), [read.clone()]);
    assert_eq!(store.person(ADA).await.unwrap(), Some(read));
    assert_eq!(store.person(GRACE).await.unwrap(), None);
    assert_eq!(
        store.password_hash(ADA).await.unwrap().as_deref(),
        Some("$argon2id$…")
    );
    assert_eq!(store.password_hash(GRACE).await.unwrap(), None);
    assert_eq!(
        store
            .slots()
            .await
            .unwrap()
            .iter()
            .map(|s| s.name.as_str())
            .collect::<Vec<_>>(),
        ["Two", "One"]
    );
    assert_eq!(
        store
            .queues()
            .await
            .unwrap()
            .iter()
            .map(|q| q.id.as_str())
            .collect::<Vec<_>>(),
        ["desk", "after"]
    );
    let number = store.number(&phone(100)).await.unwrap().unwrap();
    assert_eq!(
        (number.route.len(), store.numbers().await.unwrap()),
        (1, vec![number])
    );
    assert_eq!(store.number(&phone(101)).await.unwrap(), None);
    assert_eq!(
        store.setting("ring_ms").await.unwrap().as_deref(),
        Some("20000")
    );
    assert_eq!(store.setting("park_ms").await.unwrap(), None);
    assert_eq!(store.settings().await.unwrap().len(), 1);

    assert!(
        store
            .set_presence(ADA, cordboard_core::board::Presence::Dnd)
            .await
            .unwrap()
    );
    assert!(store.set_active(ADA, false).await.unwrap());
    assert!(store.set_password_hash(ADA, "other").await.unwrap());
    assert!(!store.set_active(GRACE, false).await.unwrap());
    let read = store.person(ADA).await.unwrap().unwrap();
    assert_eq!(
        (read.presence, read.active),
        (cordboard_core::board::Presence::Dnd, false)
    );

    // An email and an extension are one person's.
    for (email, extension) in [("ada@example.org", "102"), ("grace@example.org", "101")] {
        let grace = NewPerson {
            id: GRACE,
            email: email.to_owned(),
            extension: extension.to_owned(),
            ..ada.clone()
        };
        let refused = store.upsert_person(&grace).await.unwrap_err();
        assert!(
            matches!(&refused, StoreError::Invalid(why) if why.contains("Ada")),
            "{refused}"
        );
    }
}

async fn what_nobody_can_type_is_kept_or_cleaned_and_never_an_error(house: &House) {
    let nasty = "\0\u{1b}[2J'; DROP TABLE calls; --\u{202e}\u{10ffff}\u{fffe}";
    let call = next(&arrived(1), |c| {
        c.rev = 1;
        c.caller.name = Some(nasty.into());
        c.errands.push(Errand {
            command: nasty.into(),
            by: ADA,
            goal: Goal::Rest,
            until: NOW,
        });
    });
    let said = AuditRow {
        at: NOW,
        actor: None,
        kind: nasty.to_owned(),
        call: None,
        raw: nasty.repeat(20_000),
    };
    let commit = Commit {
        changes: vec![new(&call)],
        command: Some(CommandRow {
            actor: ADA,
            id: nasty.to_owned(),
            hash: nasty.to_owned(),
            call: call.id,
        }),
        audit: vec![said],
        ..Commit::new(Timestamp::from_millis(i64::MAX))
    };
    house.store.commit(commit).await.unwrap();
    assert_eq!(house.load(call.id).await, call);
    assert_eq!(
        house.store.recent_audit(1).await.unwrap()[0].raw,
        nasty.replace('\0', "\u{fffd}").repeat(20_000)
    );
    assert!(house.store.command(ADA, nasty).await.unwrap().is_some());
    house.store.set_setting(nasty, nasty).await.unwrap();
    assert!(house.store.setting(nasty).await.unwrap().is_some());
}

async fn facts_are_forgotten_after_a_week(house: &House) {
    let see = async |token: String, now| {
        house
            .store
            .commit(Commit {
                seen: Some(token),
                ..Commit::new(now)
            })
            .await
    };
    let week = 7 * 24 * 3_600_000;
    for n in 0..50 {
        see(format!("old {n}"), NOW).await.unwrap();
    }
    see("young".to_owned(), NOW.plus(2)).await.unwrap();
    house.store.prune(NOW.plus(week + 1)).await.unwrap();
    see("old 7".to_owned(), NOW.plus(week)).await.unwrap();
    let again = see("young".to_owned(), NOW.plus(week)).await.unwrap_err();
    assert!(matches!(again, Conflict::Seen), "{again:?}");
}

async fn a_closed_store_says_so(house: &House) {
    let call = house.with(arrived(1)).await;
    house.store.close().await;
    house.store.close().await;
    let refused = house
        .commit(vec![from(&call, &next(&call, |_| ()))])
        .await
        .unwrap_err();
    assert!(
        matches!(refused, Conflict::Store(StoreError::Closed)),
        "{refused:?}"
    );
    let refused = house.store.load(call.id).await.unwrap_err();
    assert!(matches!(refused, StoreError::Closed), "{refused:?}");
}

/// What only databases outlive that are not in memory.
async fn a_restart_keeps_everything(database: &TestDatabase) {
    let first = House::open(database.url()).await;
    let one = joined(&arrived(1), ADA);
    let commit = Commit {
        changes: vec![asking(0, &one, vec![HOLD, hang_up(&sid(9))])],
        seen: Some("token".to_owned()),
        command: Some(CommandRow {
            actor: ADA,
            id: "c".to_owned(),
            hash: "h".to_owned(),
            call: one.id,
        }),
        ..Commit::new(NOW)
    };
    first.store.commit(commit).await.unwrap();
    let taken = first.store.outbox_due(NOW, 1).await.unwrap().remove(0);
    assert!(first.store.outbox_take(taken.id, NOW).await.unwrap());
    assert_eq!(first.store.take_dial_token(NOW).await.unwrap(), Ok(()));
    let position = first.store.board_position().await.unwrap();
    first.store.close().await;

    let second = House::open(database.url()).await;
    let store = &second.store;
    assert_eq!(
        store.board_position().await.unwrap(),
        position,
        "the same history"
    );
    assert_eq!(store.open_calls().await.unwrap(), [one.clone()]);
    assert_eq!(
        store
            .outbox_sent()
            .await
            .unwrap()
            .iter()
            .map(|r| r.id)
            .collect::<Vec<_>>(),
        [taken.id]
    );
    assert_eq!(store.outbox_len().await.unwrap(), 2);
    assert_eq!(
        store.take_dial_token(NOW).await.unwrap(),
        Err(NOW.plus(1_000))
    );
    let again = store
        .commit(Commit {
            seen: Some("token".to_owned()),
            ..Commit::new(NOW)
        })
        .await
        .unwrap_err();
    assert!(matches!(again, Conflict::Seen), "{again:?}");
    assert!(store.command(ADA, "c").await.unwrap().is_some());
    let two = arrived(2);
    let refused = second
        .commit(vec![new(&joined(&two, ADA))])
        .await
        .unwrap_err();
    assert!(
        matches!(refused, Conflict::Seat { call, .. } if call == one.id),
        "{refused:?}"
    );
    // What was sent can be settled by whoever comes after.
    store.outbox_retry(taken.id, NOW).await.unwrap();
    assert!(store.outbox_take(taken.id, NOW).await.unwrap());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_everything_on_sqlite() {
    a_restart_keeps_everything(&backends::sqlite_file()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_keeps_everything_on_postgres() {
    if let Some(database) = backends::fresh_database().await {
        a_restart_keeps_everything(&database).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_postgres_is_migrated_by_two_who_open_it_at_once() {
    let Some(database) = backends::empty_database().await else {
        return;
    };
    let (one, two) = tokio::join!(Store::open(database.url()), Store::open(database.url()));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(
        one.board_position().await.unwrap(),
        two.board_position().await.unwrap()
    );
    one.close().await;
    two.close().await;
}

/// Two servers on one database are one house.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_postgres_compete_by_the_same_rules() {
    let Some(database) = backends::fresh_database().await else {
        return;
    };
    let houses = [
        House::open(database.url()).await,
        House::open(database.url()).await,
    ];
    for n in 1..=40 {
        houses[0].with(arrived(n)).await;
    }
    let tries = (1..=40).map(|n| {
        let (store, call) = (houses[n as usize % 2].store.clone(), arrived(n));
        tokio::spawn(async move {
            let user = UserId(u32::try_from(n).unwrap() % 4);
            store
                .commit(Commit {
                    changes: vec![from(&call, &joined(&call, user))],
                    ..Commit::new(NOW)
                })
                .await
        })
    });
    let won = join_all(tries)
        .await
        .into_iter()
        .filter(|result| result.as_ref().unwrap().is_ok())
        .count();
    assert_eq!(won, 4, "one seat for each of four people");
    for house in houses {
        house.store.close().await;
    }
}

/// The group in which SQLite commits is nobody's fate but their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_fails_in_a_group_fails_alone() {
    let database = backends::sqlite_file();
    let house = House::open(database.url()).await;
    let tries = (1..=200).map(|n| {
        let (store, call) = (house.store.clone(), arrived(n));
        tokio::spawn(async move {
            // Every other one claims to have read a call that is not there.
            let before = u64::from(n % 2 == 0);
            let call = next(&call, |_| ());
            (
                n,
                store
                    .commit(Commit {
                        changes: vec![asking(before, &call, vec![HOLD])],
                        ..Commit::new(NOW)
                    })
                    .await
                    .is_ok(),
            )
        })
    });
    for result in join_all(tries).await {
        let (n, went) = result.unwrap();
        assert_eq!(went, n % 2 == 1, "call {n}");
    }
    assert_eq!(house.store.open_calls().await.unwrap().len(), 100);
    assert_eq!(house.store.outbox_len().await.unwrap(), 100);
    assert_eq!(house.store.board_position().await.unwrap().1, 100);
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_explained_without_its_password() {
    for url in [
        "mysql://u:secret@localhost/x",
        "",
        "sqlite:/nowhere/at/all/x.db",
        "postgres://u:secret@127.0.0.1:1/x",
    ] {
        let error = Store::open(url).await.unwrap_err().to_string();
        assert!(
            error.len() > 30 && !error.contains("secret"),
            "{url}: {error}"
        );
    }
}
