//! Restarts, several servers, and databases that are not there.

use cordboard_core::ids::UserId;
use cordboard_server::store::{CommandRow, Commit, Conflict, Store, StoreError};
use cordboard_tests::backends::{self, TestDatabase};
use futures_util::future::join_all;
use sqlx::{Connection as _, PgConnection, SqliteConnection};

use super::{ADA, HOLD, House, NOW, arrived, asking, from, hang_up, joined, new, next, sid};

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
    assert_eq!(
        store.open_calls().await.unwrap(),
        std::slice::from_ref(&one)
    );
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

/// A database that cannot be written for a while costs those who wait then, and nobody after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_group_is_told_to_all_and_the_next_is_kept() {
    let database = backends::sqlite_file();
    let house = House::open(database.url()).await;
    let mut other = SqliteConnection::connect(database.url()).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .unwrap();
    // It waits five seconds for the other to end, which it does not.
    let tries = (1..=10).map(|n| house.commit(vec![new(&arrived(n))]));
    for result in join_all(tries).await {
        let refused = result.unwrap_err();
        assert!(
            matches!(refused, Conflict::Store(StoreError::Database(_))),
            "{refused:?}"
        );
    }
    // Reading goes on meanwhile.
    assert_eq!(house.store.open_calls().await.unwrap(), Vec::new());
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    house.with(arrived(1)).await;
    assert_eq!(house.store.board_position().await.unwrap().1, 1);
    house.store.close().await;
}

/// The database restarts: connections that were idle are found dead, and replaced without anybody noticing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_were_cut_are_replaced() {
    let Some(database) = backends::fresh_database().await else {
        return;
    };
    let house = House::open(database.url()).await;
    let mut call = house.with(arrived(1)).await;
    let mut other = PgConnection::connect(database.url()).await.unwrap();
    for round in 0..5 {
        // Several connections, then none of them.
        let reads = (0..6).map(|_| house.store.open_calls());
        assert!(join_all(reads).await.iter().all(Result::is_ok));
        // Each waited for: one that is only told to go may still answer, and die under the next statement.
        let cut = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        let cut: i64 = sqlx::query_scalar(cut).fetch_one(&mut other).await.unwrap();
        assert!(cut > 0);
        let moved = next(&call, |_| ());
        house.commit(vec![from(&call, &moved)]).await.unwrap();
        assert_eq!(
            house.store.load(call.id).await.unwrap().unwrap(),
            moved,
            "round {round}"
        );
        call = moved;
    }
    house.store.close().await;
}
