//! Bad luck in the middle of something: a request fails, its outcome cannot be stored, a browser loses its call.
//!
//! What was asked for comes true soon after, and nothing is left that bars what is asked for next. What is heard
//! while the store is away is in `outages.rs`.

use std::time::Duration;

use cordboard_tests::{backends::sqlite_file, house::House};
use sqlx::{Connection as _, Executor as _, SqliteConnection};

use super::scene::now;
use crate::stories::block_on;

/// The store takes nothing while the carrier answers, so what came of a request cannot be written down. Its row
/// would bar every later request for that leg.
#[test]
fn a_request_whose_outcome_could_not_be_stored_bars_nothing() {
    let house = House::open(sqlite_file());
    let rosa = house.ring("+14155550132", "Rosa Diaz");
    house.done(&["call", "answer", &rosa]);
    // Longer than it takes to see the request leave, and to close the store behind it.
    house.done(&["twin", "fault", "rest.slow_max=3s", "next.slow=hold"]);
    house.done(&["call", "hold", &rosa, "--no-wait"]);
    let mut other = block_on(SqliteConnection::connect(house.database.url())).unwrap();
    house.wait("the hold is on its way", |_| {
        let sent = sqlx::query_scalar("SELECT COUNT(*) FROM outbox WHERE state = 'sent'");
        let sent: i64 = block_on(sent.fetch_one(&mut other)).unwrap();
        (sent == 1).then_some(())
    });
    block_on(other.execute("BEGIN IMMEDIATE")).unwrap();
    let log = house.folder.path().join("serve.log");
    house.wait("what came of it cannot be stored", |_| {
        let said = std::fs::read_to_string(&log).ok()?;
        said.contains("an effect's outcome could not be stored")
            .then_some(())
    });
    block_on(other.execute("ROLLBACK")).unwrap();

    house.wait("the hold is confirmed", |h| {
        (h.place(&rosa)["kind"] == "held").then_some(())
    });
    house.done(&["call", "resume", &rosa]);
    assert_eq!(house.rows("+14155550132"), 2);
    let left = block_on(async {
        let left = sqlx::query_scalar("SELECT COUNT(*) FROM outbox");
        left.fetch_one(&mut other).await
    });
    let left: i64 = left.unwrap();
    assert_eq!(left, 0, "a request is left over");
}

/// The carrier fails for a while. What was asked of it meanwhile comes true soon after, not when the next look
/// is due.
#[test]
fn a_hold_that_the_carrier_failed_comes_true_when_it_recovers() {
    let house = House::open(sqlite_file());
    let rosa = house.ring("+14155550132", "Rosa Diaz");
    house.done(&["call", "answer", &rosa]);
    house.done(&["twin", "fault", "rest.500=1"]);
    house.done(&["call", "hold", &rosa, "--no-wait"]);
    let failed = house.wait("five requests have failed", |h| {
        let requests = h.done(&["twin", "requests", "--json"]).json;
        let rest = requests["rest"].as_array()?;
        (rest.iter().filter(|r| r["status"] == 500).count() >= 5).then_some(rest.len())
    });
    assert_eq!(
        house.place(&rosa)["kind"],
        "holding",
        "after {failed} requests"
    );
    house.done(&["twin", "fault", "rest.500=0"]);
    let began = now();
    house.wait("the hold is confirmed", |h| {
        (h.place(&rosa)["kind"] == "held").then_some(())
    });
    assert!(
        began.elapsed() < Duration::from_millis(3_500),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(house.rows("+14155550132"), 0);
}

/// A browser loses its call, and nobody has hung up. The caller is not left alone in silence: somebody comes back.
#[test]
fn a_caller_whose_operator_vanished_is_asked_for_one_moment_and_comes_back() {
    let house = House::open(sqlite_file());
    let rosa = house.ring("+14155550132", "Rosa Diaz");
    house.done(&["call", "answer", &rosa]);
    let call = house.done(&["call", "show", &rosa, "--json"]).json;
    let legs = call["legs"].as_array().unwrap();
    let page = legs.iter().find(|leg| leg["role"] == "person").unwrap();
    house.done(&["twin", "hangup", page["sid"].as_str().unwrap()]);
    house.wait("the caller comes back to Ada", |h| {
        let place = h.place(&rosa);
        (place["why"] == "reconnect" && place["users"][0] == "u1").then_some(())
    });
    house.wait("the hold sounds of one moment", |h| {
        let requests = h.done(&["twin", "requests", "--json"]).json;
        let rest = requests["rest"].as_array()?;
        let mut hold = rest.iter().filter_map(|r| r["params"]["HoldUrl"].as_str());
        hold.next_back()?
            .ends_with("/hold/one-moment")
            .then_some(())
    });
    house.done(&["call", "answer", &rosa]);
    assert_eq!(house.rows("+14155550132"), 2);
}
