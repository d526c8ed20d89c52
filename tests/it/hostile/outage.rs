//! Bad luck: a carrier or a store that fails for a while, in the middle of something.
//!
//! What was asked for comes true soon after, and nothing is left that blocks what is asked for next.

use std::time::Duration;

use cordboard_tests::{backends::sqlite_file, house::House};

use super::scene::now;

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
