//! Requests to the carrier: durable before they are made, in order, one in flight a leg, and never twice where
//! once is all that is allowed.

use cordboard_core::call::{Callee, Leg, Line, Offer, Place, RingWhy, Role, Via};
use cordboard_core::ids::CallId;
use cordboard_core::machine::{Aspect, Effect};
use cordboard_server::store::{AuditRow, Commit, State};
use futures_util::future::join_all;

use super::{ADA, GRACE, HOLD, House, NOW, arrived, asking, hang_up, joined, next, phone, sid};

on_every_database!(
    nothing_is_asked_of_the_carrier_without_a_call_and_an_audit_line,
    urgent_requests_go_first_and_a_lane_has_one_in_flight,
    an_unsent_wish_stands_for_the_newer_one,
    what_one_commit_asks_twice_is_asked_once,
    a_request_is_taken_by_one_and_comes_back_when_told,
    a_dial_that_was_not_sent_can_be_taken_back,
    dials_are_timed_and_ordered_by_who_waits,
    one_call_a_second_is_made,
);

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
        actor: Some(ADA),
        raw: "{}".to_owned(),
        ..AuditRow::new(NOW, kind)
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

/// Two calls that end one connection, and a wish that is uttered twice: one row each, in the order of the first
/// time, for the call that came first.
async fn what_one_commit_asks_twice_is_asked_once(house: &House) {
    let (mut one, two) = (arrived(1), arrived(2));
    one.legs[0].hold.want(true);
    let stranger = hang_up(&sid(9));
    house
        .commit(vec![
            asking(0, &one, vec![HOLD, stranger.clone(), HOLD]),
            asking(0, &two, vec![stranger.clone(), hang_up(&sid(8))]),
        ])
        .await
        .unwrap();
    let due = house.store.outbox_due(NOW, 10).await.unwrap();
    let asked: Vec<_> = due.iter().map(|r| (r.call, r.effect.clone())).collect();
    assert_eq!(
        asked,
        [
            (one.id, stranger),
            (two.id, hang_up(&sid(8))),
            (one.id, HOLD)
        ]
    );
    assert!(due[2].id < due[0].id && due[0].id < due[1].id);
    assert_eq!(house.store.outbox_len().await.unwrap(), 3);
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
    let lapsed = async |ms| store.outbox_lapsed(NOW.plus(ms)).await.unwrap();
    assert_eq!(lapsed(60_000).await, [] as [u64; 0], "its taker's time");
    assert_eq!(lapsed(60_001).await, [row.id]);

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
