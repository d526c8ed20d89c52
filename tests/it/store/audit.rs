//! The audit is sealed in the order in which it is seen committed, without a commit waiting for it, and whatever is
//! done to a sealed line is found and named.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use cordboard_core::{
    api::{AuditLine, AuditVerdict},
    ids::Timestamp,
};
use cordboard_server::{
    Clock,
    auth::Keys,
    sealer::{SealError, Sealer, verify},
    store::{AuditRow, Commit, Store},
};
use cordboard_tests::backends::{self, Kind, TestDatabase};
use futures_util::future::join_all;
use sqlx::{
    Connection as _, PgConnection, SqliteConnection, raw_sql, sqlite::SqliteConnectOptions,
};
use tokio_util::sync::CancellationToken;

use super::{ADA, House, NOW, arrived, new, next};

on_every_database!(
    a_line_is_read_as_it_was_written_and_in_the_order_of_the_chain,
    the_latest_lines_come_first_sealed_or_not,
    a_running_sealer_seals_what_is_committed,
    eight_who_write_and_two_who_seal_make_one_chain,
    what_is_too_much_for_one_look_is_sealed_all_the_same,
    another_secret_takes_over_and_says_so,
    a_chain_that_nobody_has_begun_is_intact,
);

/// Each case on the databases that a second connection can get at.
macro_rules! on_both {
    ($($case:ident),+ $(,)?) => {
        mod bent_sqlite {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                super::$case(&cordboard_tests::backends::sqlite_file()).await;
            }
        )+}
        mod bent_postgres {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                if let Some(database) = cordboard_tests::backends::fresh_database().await {
                    super::$case(&database).await;
                }
            }
        )+}
    };
}

on_both!(
    whatever_is_done_to_a_sealed_line_is_found_and_named,
    an_end_that_was_bent_is_not_built_upon,
    a_chain_begun_anew_tells_when,
    what_is_seen_late_is_sealed_late,
    a_restart_goes_on_where_the_last_one_stopped,
);

const SECRET: &str = "the secret of this house, long enough";
const OTHER: &str = "another secret of it, and as long as that";

fn keys(secret: &str, before: Option<&str>) -> Keys {
    Keys::new(&secret.into(), before.map(Into::into).as_ref())
}

/// A clock that stands until it is moved.
#[derive(Clone)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(NOW.millis())))
    }

    fn clock(&self) -> Clock {
        let now = self.0.clone();
        Clock::from_fn(move || now.load(Ordering::SeqCst), 1.0)
    }

    fn move_by(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

async fn sealer(store: &Store, secret: &str) -> Sealer {
    let clock = Hand::new().clock();
    Sealer::open(store.clone(), &keys(secret, None), clock)
        .await
        .unwrap()
}

async fn verdict(store: &Store) -> AuditVerdict {
    verify(store, &keys(SECRET, None)).await.unwrap()
}

/// Writes lines of these kinds, each in a commit of its own.
async fn write(store: &Store, kinds: impl IntoIterator<Item = impl AsRef<str>>) {
    for kind in kinds {
        let line = AuditRow {
            raw: format!("what came in with {}", kind.as_ref()),
            ..AuditRow::new(NOW, kind.as_ref())
        };
        let commit = Commit {
            audit: vec![line],
            ..Commit::new(NOW)
        };
        store.commit(commit).await.unwrap();
    }
}

async fn lines(store: &Store) -> Vec<AuditLine> {
    store.audit(None, 10_000).await.unwrap().lines
}

fn kinds(lines: &[AuditLine]) -> Vec<&str> {
    lines.iter().map(|line| line.kind.as_str()).collect()
}

async fn a_line_is_read_as_it_was_written_and_in_the_order_of_the_chain(house: &House) {
    let store = &house.store;
    let mut sealer = sealer(store, SECRET).await;
    let full = AuditRow {
        actor: Some(ADA),
        session: Some("0123456789abcdef".parse().unwrap()),
        address: Some("192.0.2.7".to_owned()),
        subject: Some("person u2".to_owned()),
        was: Some(r#"{"role":"agent"}"#.to_owned()),
        became: Some(r#"{"role":"admin"}"#.to_owned()),
        raw: "it\u{0}".to_owned(),
        ..AuditRow::new(NOW, "person")
    };
    let commit = Commit {
        audit: vec![full.clone()],
        ..Commit::new(NOW)
    };
    store.commit(commit).await.unwrap();
    let call = house.with(arrived(1)).await;
    assert_eq!(sealer.look().await.unwrap(), 2);
    write(store, ["third", "fourth"]).await;
    let said = store.recent_audit(4).await.unwrap();
    let written = AuditRow {
        raw: "it\u{fffd}".to_owned(),
        ..full
    };
    assert_eq!(said[3], written);

    let all = lines(store).await;
    assert_eq!(kinds(&all), ["seal", "person", "time", "third", "fourth"]);
    let places: Vec<_> = all.iter().map(|line| line.place).collect();
    assert_eq!(places, [Some(1), Some(2), Some(3), None, None]);
    let line = &all[1];
    assert_eq!(
        (line.actor, line.session.clone()),
        (Some(ADA), written.session)
    );
    assert_eq!(line.address.as_ref().unwrap().as_str(), "192.0.2.7");
    assert_eq!(line.subject.as_deref(), Some("person u2"));
    assert_eq!(line.before.as_ref().unwrap()["role"], "agent");
    assert_eq!(line.after.as_ref().unwrap()["role"], "admin");
    assert_eq!(line.hash.as_ref().unwrap().len(), 64);
    assert_eq!(all[2].subject, Some(call.id.to_string()));

    // A page after the other, and no line twice.
    let (mut after, mut read) = (None, Vec::new());
    loop {
        let page = store.audit(after, 2).await.unwrap();
        assert!(page.lines.len() <= 2);
        read.extend(page.lines);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(
        read,
        all[..4],
        "the last page is full, and what is not sealed waits"
    );
    let told = verdict(store).await;
    assert_eq!(
        (told.intact, told.sealed, told.unsealed),
        (true, 3, 2),
        "{told:?}"
    );
    assert_eq!(told.head, all[2].hash);
    assert_eq!(sealer.look().await.unwrap(), 2);
    assert_eq!(sealer.look().await.unwrap(), 0);
    assert_eq!(verdict(store).await.sealed, 5);
}

async fn the_latest_lines_come_first_sealed_or_not(house: &House) {
    let store = &house.store;
    let mut sealer = sealer(store, SECRET).await;
    let line = |seconds: i64, kind: &str| Commit {
        audit: vec![AuditRow::new(NOW.plus(seconds * 1000), kind)],
        ..Commit::new(NOW)
    };
    // By their moments, also where they came to the store in another order; of one moment, by their number.
    for (seconds, kind) in [(1, "one"), (3, "three"), (2, "two"), (3, "too")] {
        store.commit(line(seconds, kind)).await.unwrap();
    }
    sealer.look().await.unwrap();
    for (seconds, kind) in [(4, "four"), (5, "five")] {
        store.commit(line(seconds, kind)).await.unwrap();
    }
    let all = store.latest_audit(None, 10_000).await.unwrap();
    assert_eq!(all.next, None);
    assert_eq!(
        kinds(&all.lines)[..6],
        ["five", "four", "too", "three", "two", "one"]
    );
    // A line is told alike in either order.
    for line in &all.lines {
        assert_eq!(
            line.place.is_some(),
            !["five", "four"].contains(&line.kind.as_str())
        );
    }
    let by_id = |mut lines: Vec<AuditLine>| {
        lines.sort_by_key(|line| line.id);
        lines
    };
    assert_eq!(by_id(all.lines.clone()), by_id(lines(store).await));

    // A page after the other, each line once, whatever comes meanwhile.
    let (mut after, mut read) = (None, Vec::new());
    loop {
        let page = store.latest_audit(after, 2).await.unwrap();
        assert!(page.lines.len() <= 2);
        read.extend(page.lines);
        store.commit(line(6, "later")).await.unwrap();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(read, all.lines);
}

async fn a_running_sealer_seals_what_is_committed(house: &House) {
    let store = &house.store;
    let stop = CancellationToken::new();
    let sealing = tokio::spawn(sealer(store, SECRET).await.run(stop.clone()));
    write(store, ["one", "two"]).await;
    let sealed = async {
        while verdict(store).await.sealed < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), sealed)
        .await
        .expect("lines are sealed while the sealer runs");
    stop.cancel();
    let mut sealer = sealing.await.unwrap();
    write(store, ["the last"]).await;
    assert_eq!(sealer.look().await.unwrap(), 1, "a last look when it stops");
    assert!(verdict(store).await.intact);
}

async fn eight_who_write_and_two_who_seal_make_one_chain(house: &House) {
    let store = &house.store;
    let stop = CancellationToken::new();
    let mut sealing = Vec::new();
    for _ in 0..2 {
        let mut sealer = sealer(store, SECRET).await;
        let stop = stop.clone();
        // One look after the other, which is worse than the day will be.
        sealing.push(tokio::spawn(async move {
            while !stop.is_cancelled() {
                sealer.look().await.unwrap();
            }
            sealer
        }));
    }
    let writing = (1..=8_u128).map(|writer| {
        let house = House {
            store: store.clone(),
        };
        tokio::spawn(async move {
            let mut call = house.with(arrived(writer)).await;
            for _ in 1..40 {
                let moved = next(&call, |_| ());
                house
                    .commit(vec![super::from(&call, &moved)])
                    .await
                    .unwrap();
                call = moved;
            }
        })
    });
    for writer in join_all(writing).await {
        writer.unwrap();
    }
    stop.cancel();
    for one in sealing {
        one.await.unwrap().look().await.unwrap();
    }
    let told = verdict(store).await;
    assert!(told.intact, "{told:?}");
    assert_eq!((told.sealed, told.unsealed), (8 * 40 + 1, 0));
    let mut ids: Vec<u64> = lines(store).await.iter().map(|line| line.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 8 * 40 + 1, "each line once");
}

async fn what_is_too_much_for_one_look_is_sealed_all_the_same(house: &House) {
    let store = &house.store;
    // As after an update, or a day without a sealer.
    for _ in 0..3 {
        let commit = Commit {
            audit: (0..700)
                .map(|n| AuditRow::new(NOW, &n.to_string()))
                .collect(),
            ..Commit::new(NOW)
        };
        store.commit(commit).await.unwrap();
    }
    let mut sealer = sealer(store, SECRET).await;
    assert_eq!(sealer.look().await.unwrap(), 2_100);
    let told = verdict(store).await;
    assert_eq!(
        (told.intact, told.sealed, told.unsealed),
        (true, 2_101, 0),
        "{told:?}"
    );
    // Long before the last ten seconds, in portions.
    let later = Hand::new();
    later.move_by(3_600_000);
    let commit = Commit {
        audit: (0..1_200)
            .map(|n| AuditRow::new(NOW, &n.to_string()))
            .collect(),
        ..Commit::new(NOW)
    };
    store.commit(commit).await.unwrap();
    let mut sealer = Sealer::open(store.clone(), &keys(SECRET, None), later.clock())
        .await
        .unwrap();
    let mut portions = Vec::new();
    while portions.last() != Some(&0) {
        portions.push(sealer.look().await.unwrap());
    }
    assert_eq!(portions, [500, 500, 200, 0]);
    assert_eq!(verdict(store).await.unsealed, 0);
}

async fn another_secret_takes_over_and_says_so(house: &House) {
    let store = &house.store;
    let mut first = sealer(store, SECRET).await;
    write(store, ["one", "two"]).await;
    assert_eq!(first.look().await.unwrap(), 2);

    // What is there cannot be checked without the secret, and that is no forgery.
    let told = verify(store, &keys(OTHER, None)).await.unwrap();
    let why = told.fault.unwrap();
    assert!(why.contains("another secret than this server's"), "{why}");

    let mut second = sealer(store, OTHER).await;
    write(store, ["three"]).await;
    let refused = first.look().await.unwrap_err();
    assert!(matches!(refused, SealError::Foreign { .. }), "{refused}");
    assert_eq!(second.look().await.unwrap(), 1);
    let all = lines(store).await;
    assert_eq!(kinds(&all), ["seal", "one", "two", "seal", "three"]);
    assert!(all[0].before.is_none() && all[3].before == all[0].after);

    let told = verify(store, &keys(OTHER, None)).await.unwrap();
    assert!(told.intact, "{told:?}");
    assert!(told.notes[0].contains("From place 4 on"), "{told:?}");
    assert!(
        told.notes[1].contains("Places 1 to 3 were sealed with a secret"),
        "{told:?}"
    );
    let told = verify(store, &keys(OTHER, Some(SECRET))).await.unwrap();
    assert!(told.intact, "{told:?}");
    assert_eq!(told.notes.len(), 1, "{told:?}");
}

async fn a_chain_that_nobody_has_begun_is_intact(house: &House) {
    write(&house.store, ["one"]).await;
    let told = verdict(&house.store).await;
    assert_eq!(
        (told.intact, told.sealed, told.unsealed),
        (true, 0, 1),
        "{told:?}"
    );
    assert_eq!((told.head, told.fault), (None, None));
    house.commit(vec![new(&arrived(1))]).await.unwrap();
    assert_eq!(lines(&house.store).await.len(), 2);
}

/// Does to the tables what somebody does who can write to the database and does not have the secret.
async fn bend(database: &TestDatabase, statements: &str) {
    match database.kind() {
        Kind::Sqlite => {
            let options: SqliteConnectOptions = database.url().parse().unwrap();
            let mut connection = SqliteConnection::connect_with(&options.foreign_keys(false))
                .await
                .unwrap();
            raw_sql(sqlx::AssertSqlSafe(statements.to_owned()))
                .execute(&mut connection)
                .await
                .unwrap();
            connection.close().await.unwrap();
        }
        Kind::Postgres => {
            let mut connection = PgConnection::connect(database.url()).await.unwrap();
            raw_sql("SET session_replication_role = replica")
                .execute(&mut connection)
                .await
                .unwrap();
            raw_sql(sqlx::AssertSqlSafe(statements.to_owned()))
                .execute(&mut connection)
                .await
                .unwrap();
            connection.close().await.unwrap();
        }
    }
}

async fn whatever_is_done_to_a_sealed_line_is_found_and_named(database: &TestDatabase) {
    let store = Store::open(database.url()).await.unwrap();
    let mut sealer = sealer(&store, SECRET).await;
    write(&store, ["a", "b", "c", "d", "e"]).await;
    assert_eq!(sealer.look().await.unwrap(), 5);
    let good = verdict(&store).await;
    assert!(good.intact && good.sealed == 6, "{good:?}");
    // A copy of all of it, to begin from each time.
    bend(
        database,
        "CREATE TABLE audit_was AS SELECT * FROM audit; CREATE TABLE seals_was AS SELECT * FROM seals;
         CREATE TABLE chain_was AS SELECT * FROM chain;",
    )
    .await;
    let line = "(SELECT line FROM seals WHERE place = 3)";
    let cases = [
        (format!("UPDATE audit SET raw = 'nothing' WHERE id = {line}"), "is not what was sealed at place 3"),
        (format!("UPDATE audit SET actor = 2 WHERE id = {line}"), "is not what was sealed at place 3"),
        (format!("UPDATE audit SET at = at - 1 WHERE id = {line}"), "is not what was sealed at place 3"),
        (format!("UPDATE audit SET address = '' WHERE id = {line}"), "is not what was sealed at place 3"),
        (format!("UPDATE audit SET call = 'nothing that is read as a call' WHERE id = {line}"), "is not what was sealed at place 3"),
        (format!("DELETE FROM audit WHERE id = {line}"), "sealed at place 3, was removed"),
        // Its seal with it.
        (format!("DELETE FROM audit WHERE id = {line}; DELETE FROM seals WHERE place = 3"), "Place 3 of the chain is missing"),
        // And the others moved up.
        (format!("DELETE FROM audit WHERE id = {line}; DELETE FROM seals WHERE place = 3;
                  UPDATE seals SET place = place - 1 WHERE place = 4; UPDATE seals SET place = place - 1 WHERE place = 5;
                  UPDATE seals SET place = place - 1 WHERE place = 6; UPDATE chain SET place = 5"), "The seal at place 3"),
        // Two lines change their places.
        ("UPDATE seals SET line = -1 WHERE place = 3;
          UPDATE seals SET line = (SELECT line FROM seals_was WHERE place = 3) WHERE place = 4;
          UPDATE seals SET line = (SELECT line FROM seals_was WHERE place = 4) WHERE place = 3".to_owned(), "is not what was sealed at place 3"),
        // With their seals.
        ("UPDATE seals SET place = -1 WHERE place = 3; UPDATE seals SET place = 3 WHERE place = 4;
          UPDATE seals SET place = 4 WHERE place = -1".to_owned(), "The seal at place 3"),
        ("UPDATE seals SET hash = 'x' WHERE place = 4".to_owned(), "The seal at place 4"),
        ("UPDATE seals SET seal = 'x' WHERE place = 4".to_owned(), "The seal at place 4"),
        ("UPDATE seals SET key = 'x' WHERE place = 4".to_owned(), "From place 4 on another key seals"),
        // Cut off, in the ways there are.
        ("DELETE FROM seals WHERE place > 4".to_owned(), "stops after place 4"),
        ("DELETE FROM audit WHERE id IN (SELECT line FROM seals WHERE place > 4); DELETE FROM seals WHERE place > 4".to_owned(), "stops after place 4"),
        ("DELETE FROM seals WHERE place > 4; UPDATE chain SET place = 4, hash = (SELECT hash FROM seals WHERE place = 4)".to_owned(), "The chain ends at place 4, and no server of this house left it there"),
        ("DELETE FROM seals WHERE place > 4;
          UPDATE chain SET place = 4, hash = (SELECT hash FROM seals WHERE place = 4), seal = (SELECT seal FROM seals WHERE place = 4)".to_owned(), "The chain ends at place 4"),
        ("UPDATE chain SET place = 4, hash = (SELECT hash FROM seals WHERE place = 4)".to_owned(), "The chain ends at place 4"),
        ("UPDATE chain SET seal = ''".to_owned(), "The chain ends at place 6"),
        ("UPDATE chain SET place = 0, hash = '', seal = '', key = ''".to_owned(), "seals up to place 6, and the chain ends at place 0"),
        ("DELETE FROM chain".to_owned(), "The end of the chain was removed"),
    ];
    for (statements, expected) in &cases {
        bend(database, statements).await;
        let told = verdict(&store).await;
        let why = told.fault.clone().unwrap_or_default();
        assert!(
            !told.intact && why.contains(expected),
            "{statements}\n{told:?}"
        );
        bend(
            database,
            "DELETE FROM seals; DELETE FROM audit; DELETE FROM chain; INSERT INTO audit SELECT * FROM audit_was;
             INSERT INTO seals SELECT * FROM seals_was; INSERT INTO chain SELECT * FROM chain_was;",
        )
        .await;
        assert_eq!(verdict(&store).await, good, "after {statements}");
    }
    // Rolled back to what it was, all of it: only a hash that was noted elsewhere shows that.
    write(&store, ["f"]).await;
    assert_eq!(sealer.look().await.unwrap(), 1);
    let noted = verdict(&store).await.head;
    bend(
        database,
        "DELETE FROM seals WHERE place = 7; DELETE FROM audit WHERE kind = 'f'; DELETE FROM chain;
         INSERT INTO chain SELECT * FROM chain_was",
    )
    .await;
    let told = verdict(&store).await;
    assert!(told.intact && told.head != noted);
    // And the server that saw the end further on, while it runs.
    write(&store, ["g"]).await;
    let refused = sealer.look().await.unwrap_err();
    assert!(matches!(refused, SealError::Bent(6)), "{refused}");
    store.close().await;
}

async fn an_end_that_was_bent_is_not_built_upon(database: &TestDatabase) {
    let store = Store::open(database.url()).await.unwrap();
    sealer(&store, SECRET).await;
    write(&store, ["a", "b"]).await;
    sealer(&store, SECRET).await.look().await.unwrap();
    bend(
        database,
        "DELETE FROM seals WHERE place = 3; DELETE FROM audit WHERE kind = 'b';
         UPDATE chain SET place = 2, hash = (SELECT hash FROM seals WHERE place = 2)",
    )
    .await;
    // A server starts all the same, and seals nothing: the next seal would make it look whole.
    let mut after = sealer(&store, SECRET).await;
    write(&store, ["c"]).await;
    let refused = after.look().await.unwrap_err();
    assert!(matches!(refused, SealError::Bent(2)), "{refused}");
    let told = verdict(&store).await;
    assert!(!told.intact && told.unsealed == 1, "{told:?}");
    store.close().await;
}

async fn a_chain_begun_anew_tells_when(database: &TestDatabase) {
    let store = Store::open(database.url()).await.unwrap();
    let mut before = sealer(&store, SECRET).await;
    write(&store, ["a"]).await;
    before.look().await.unwrap();
    bend(
        database,
        "UPDATE audit SET raw = 'changed' WHERE kind = 'a'; DELETE FROM seals;
         UPDATE chain SET place = 0, hash = '', seal = '', key = '', swept = 0",
    )
    .await;
    let refused = before.look().await.unwrap_err();
    assert!(matches!(refused, SealError::Bent(0)), "{refused}");
    let later = Hand::new();
    later.move_by(1_000);
    let mut after = Sealer::open(store.clone(), &keys(SECRET, None), later.clock())
        .await
        .unwrap();
    after.look().await.unwrap();
    assert!(verdict(&store).await.intact);
    let all = lines(&store).await;
    assert_eq!(kinds(&all), ["seal", "seal", "a"]);
    assert_eq!(all[0].at, NOW.plus(1_000), "the first line says since when");
    store.close().await;
}

async fn what_is_seen_late_is_sealed_late(database: &TestDatabase) {
    let store = Store::open(database.url()).await.unwrap();
    let hand = Hand::new();
    let mut sealer = Sealer::open(store.clone(), &keys(SECRET, None), hand.clock())
        .await
        .unwrap();
    assert_eq!(sealer.look().await.unwrap(), 0);
    // As if their transactions had taken so long, in milliseconds; the numbers are lower than what is sealed already.
    let late = async |number: i64, ms: i64| {
        let at = hand.clock().now().plus(-ms).millis();
        let line =
            format!("INSERT INTO audit (id, at, kind, raw) VALUES ({number}, {at}, 'late', '')");
        bend(database, &line).await;
    };
    hand.move_by(5_000);
    write(&store, ["early"]).await;
    assert_eq!(sealer.look().await.unwrap(), 1);
    late(-1, 6_900).await;
    assert_eq!(sealer.look().await.unwrap(), 1, "by the next look");
    late(-2, 295_000).await;
    hand.move_by(700);
    assert_eq!(sealer.look().await.unwrap(), 0);
    hand.move_by(60_000);
    assert_eq!(sealer.look().await.unwrap(), 1, "by the wide one");
    late(3_000, 3_600_000).await;
    hand.move_by(60_000);
    assert_eq!(sealer.look().await.unwrap(), 0);
    let told = verdict(&store).await;
    let so_far = (told.intact, told.sealed, told.unsealed);
    assert_eq!(so_far, (true, 4, 1), "it is counted while it is not sealed");
    let mut next = Sealer::open(store.clone(), &keys(SECRET, None), hand.clock())
        .await
        .unwrap();
    assert_eq!(next.look().await.unwrap(), 1, "by the next server");
    let told = verdict(&store).await;
    assert_eq!((told.intact, told.sealed, told.unsealed), (true, 5, 0));
    let all = lines(&store).await;
    assert_eq!(kinds(&all), ["seal", "early", "late", "late", "late"]);
    store.close().await;
}

async fn a_restart_goes_on_where_the_last_one_stopped(database: &TestDatabase) {
    for run in 1..=3_u64 {
        let store = Store::open(database.url()).await.unwrap();
        let mut sealer = sealer(&store, SECRET).await;
        // The last one's last line was not sealed.
        assert_eq!(sealer.look().await.unwrap(), u64::from(run > 1));
        write(&store, ["one"]).await;
        assert_eq!(sealer.look().await.unwrap(), 1);
        write(&store, ["two"]).await;
        let told = verdict(&store).await;
        assert_eq!(
            (told.intact, told.sealed, told.unsealed),
            (true, 2 * run, 1),
            "{told:?}"
        );
        store.close().await;
    }
}

/// A line of a transaction that is not over is not seen, whatever comes after it; and somebody who holds the end of
/// the chain holds up sealers, and nobody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_do_not_wait_for_a_sealer_and_a_sealer_not_for_them() {
    let Some(database) = backends::fresh_database().await else {
        return;
    };
    let house = House::open(database.url()).await;
    let mut sealer = sealer(&house.store, SECRET).await;
    let begin = async || {
        let mut connection = PgConnection::connect(database.url()).await.unwrap();
        raw_sql("BEGIN").execute(&mut connection).await.unwrap();
        connection
    };
    let mut slow = begin().await;
    raw_sql(sqlx::AssertSqlSafe(format!(
        "INSERT INTO audit (id, at, kind, raw) VALUES (-1, {}, 'slow', '')",
        NOW.millis()
    )))
    .execute(&mut slow)
    .await
    .unwrap();
    write(&house.store, ["fast"]).await;
    assert_eq!(sealer.look().await.unwrap(), 1, "not what is not committed");
    raw_sql("COMMIT").execute(&mut slow).await.unwrap();

    let mut holder = begin().await;
    raw_sql("UPDATE chain SET place = place")
        .execute(&mut holder)
        .await
        .unwrap();
    let sealing = tokio::spawn(async move { (sealer.look().await.unwrap(), sealer) });
    let commits = join_all((1..=8).map(|n| house.with(arrived(n))));
    tokio::time::timeout(Duration::from_secs(2), commits)
        .await
        .expect("commits go on while the end of the chain is held");
    assert!(!sealing.is_finished(), "the sealer waits");
    raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    let (sealed, mut sealer) = sealing.await.unwrap();
    let rest = sealer.look().await.unwrap();
    assert!(sealed >= 1 && sealed + rest == 9, "{sealed} and {rest}");
    let all = lines(&house.store).await;
    assert_eq!(kinds(&all)[..3], ["seal", "fast", "slow"]);
    assert!(verdict(&house.store).await.intact);
    house.store.close().await;
}

/// Two servers on one database, each with its own numbers for lines and its own clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_whose_clocks_are_apart_seal_one_chain() {
    let Some(database) = backends::fresh_database().await else {
        return;
    };
    let mut servers = Vec::new();
    for off in [0, -290_000] {
        let store = Store::open(database.url()).await.unwrap();
        let hand = Hand::new();
        hand.move_by(off);
        let sealer = Sealer::open(store.clone(), &keys(SECRET, None), hand.clock())
            .await
            .unwrap();
        servers.push((store, hand, sealer));
    }
    for _ in 0..20 {
        for (store, hand, sealer) in &mut servers {
            let at: Timestamp = hand.clock().now();
            let commit = Commit {
                audit: vec![AuditRow::new(at, "one"), AuditRow::new(at, "two")],
                ..Commit::new(at)
            };
            store.commit(commit).await.unwrap();
            assert_eq!(
                sealer.look().await.unwrap(),
                2,
                "each seals its own at once"
            );
            hand.move_by(5_000);
        }
    }
    // One dies with a line that nobody has sealed: the other finds it.
    let (store, hand, _) = &servers[1];
    let at = hand.clock().now();
    let commit = Commit {
        audit: vec![AuditRow::new(at, "orphan")],
        ..Commit::new(at)
    };
    store.commit(commit).await.unwrap();
    let (store, hand, sealer) = &mut servers[0];
    hand.move_by(60_000);
    assert_eq!(sealer.look().await.unwrap(), 1);
    let told = verdict(store).await;
    assert!(told.intact, "{told:?}");
    assert_eq!((told.sealed, told.unsealed), (82, 0));
    for (store, _, _) in servers {
        store.close().await;
    }
}
