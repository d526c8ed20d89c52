//! The house can be written twice, and nothing that comes from outside breaks the store.

use cordboard_core::api::RouteStop;
use cordboard_core::call::{Errand, Goal};
use cordboard_core::ids::{Email, Timestamp, UserId};
use cordboard_core::policy::Role;
use cordboard_server::store::{AuditRow, CommandRow, Commit, Conflict, NewPerson, StoreError};

use super::{ADA, GRACE, House, NOW, arrived, from, new, next, phone};

on_every_database!(
    the_house_can_be_written_twice,
    what_nobody_can_type_is_kept_or_cleaned_and_never_an_error,
    facts_are_forgotten_after_a_week,
    a_closed_store_says_so,
);

async fn the_house_can_be_written_twice(house: &House) {
    let store = &house.store;
    let ada = NewPerson {
        id: store.next_user_id().await.unwrap(),
        name: "Ada".into(),
        email: Email::read(" Ada@Example.org ").unwrap(),
        extension: "101".parse().unwrap(),
        role: Role::Operator,
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
                &[RouteStop::Queue {
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
        .person_by_email(&Email::read("ADA@example.ORG").unwrap())
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
    assert_eq!(store.people().await.unwrap(), std::slice::from_ref(&read));
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

    // An email and an extension are one person's.
    for (email, extension) in [("ada@example.org", "102"), ("grace@example.org", "101")] {
        let grace = NewPerson {
            id: GRACE,
            email: email.parse().unwrap(),
            extension: extension.parse().unwrap(),
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
        raw: nasty.repeat(20_000),
        ..AuditRow::new(NOW, nasty)
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
