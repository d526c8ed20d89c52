//! A day at the desk, typed: whole stories over the twin, the server and the cast as three processes, on every database there is.
//!
//! What is asserted is what a script sees (exit codes, places) and what the carrier knows (who hears whom). Read next: `tests/src/house.rs`.

use cordboard_tests::{backends::every_database, house::House};

const ROSA: &str = "+14155550132";

/// The parked caller is in no row of `hears` and hears music; together, each hears the other.
#[test]
fn a_caller_is_answered_held_parked_fetched_and_sent_to_everybody() {
    let databases = block_on(every_database());
    for database in databases {
        let house = House::open(database);
        let rosa = house.ring(ROSA, "Rosa Diaz");
        house.done(&["call", "answer", &rosa]);
        assert_eq!(house.place(&rosa)["kind"], "talking");
        hears(&house, ROSA, 2, "people");

        house.done(&["call", "hold", &rosa]);
        hears(&house, ROSA, 0, "music");
        house.done(&["call", "resume", &rosa]);
        assert_eq!(house.rows(ROSA), 2);

        house.done(&["call", "park", &rosa, "--slot", "P2", "--note", "for Grace"]);
        assert_eq!(house.place(&rosa)["slot"], "P2");
        hears(&house, ROSA, 0, "music");
        house.done(&["slot", "retrieve", "P2"]);
        hears(&house, ROSA, 2, "people");

        // Declined: back to the sender, who answers again.
        let back = house.verb(&["call", "transfer", &rosa, "104", "--until", "answered"]);
        assert_eq!(back.code, 1, "{back:?}");
        let place = house.place(&rosa);
        assert_eq!(
            (place["kind"].as_str(), place["why"].as_str()),
            (Some("ringing"), Some("returned"))
        );
        hears(&house, ROSA, 0, "music");
        house.done(&["call", "answer", &rosa]);

        // Busy: the same.
        assert_eq!(
            house
                .verb(&["call", "transfer", &rosa, "106", "--until", "answered"])
                .code,
            1
        );
        house.done(&["call", "answer", &rosa]);

        // Nobody answers; taken back in the middle of the ringing.
        house.done(&["call", "transfer", &rosa, "103"]);
        assert_eq!(house.place(&rosa)["kind"], "transferring");
        hears(&house, ROSA, 0, "music");
        house.done(&["call", "take-back", &rosa]);
        assert_eq!(house.place(&rosa)["kind"], "talking");
        assert_eq!(house.rows(ROSA), 2);

        // A fallback telephone that presses the key.
        house.done(&["call", "transfer", &rosa, "105", "--until", "answered"]);
        assert_eq!(house.place(&rosa)["users"][0], "u5");
        assert_eq!(house.rows(ROSA), 2);

        // Somebody else's call, moved by the operator, and then taken.
        house.done(&["call", "transfer", &rosa, "102", "--until", "answered"]);
        assert_eq!(house.place(&rosa)["users"][0], "u2");
        house.done(&["call", "hangup", &rosa]);
        assert_eq!(house.place(&rosa)["kind"], "ended");
        house.wait("the rooms are empty", |h| {
            h.world()["participants"]
                .as_array()
                .is_some_and(Vec::is_empty)
                .then_some(())
        });
    }
}

/// A second caller is answered while the first is held: one leg a person, and nobody is lost.
#[test]
fn a_second_call_is_answered_while_the_first_is_held() {
    let house = House::open(cordboard_tests::backends::sqlite_file());
    let first = house.ring(ROSA, "Rosa Diaz");
    house.done(&["call", "answer", &first]);
    let second = house.ring("+14155550133", "Bob Stone");
    house.done(&["call", "answer", &second]);
    assert_eq!(house.place(&first)["kind"], "held");
    assert_eq!(house.place(&second)["kind"], "talking");
    hears(&house, ROSA, 0, "music");
    assert_eq!(house.rows("+14155550133"), 2);
    let ada = house.world()["calls"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| c["from"] == "client:u1" && c["status"] == "in-progress")
        .count();
    assert_eq!(ada, 1, "one leg a person");
    house.done(&["call", "resume", &first]);
    assert_eq!(house.place(&second)["kind"], "held");
    assert_eq!((house.rows(ROSA), house.rows("+14155550133")), (2, 0));
    house.done(&["call", "hangup", &first]);
    house.done(&["call", "hangup", &second]);
}

/// One call talking, one parked, one ringing elsewhere whose dial was done and its answer lost. The server is killed and comes back.
#[test]
fn a_server_that_is_killed_in_the_middle_of_calls_comes_back_to_the_same_board() {
    for database in block_on(every_database()) {
        let mut house = House::open(database);
        let parked = house.ring("+14155550134", "Parked");
        house.done(&["call", "answer", &parked]);
        house.done(&["call", "park", &parked, "--slot", "P1"]);
        let moved = house.ring("+14155550135", "Moved");
        house.done(&["call", "answer", &moved]);
        house.done(&["twin", "fault", "next.lose_answer=dial"]);
        let sent = house.verb(&["call", "transfer", &moved, "105", "--no-wait"]);
        assert_eq!(sent.code, 0, "{sent:?}");
        let talking = house.ring(ROSA, "Rosa Diaz");
        house.done(&["call", "answer", &talking]);
        let before = places(&house);

        let mut server = house.server.take().unwrap();
        server.kill();
        drop(server);
        house.start_server();
        house.wait("the board is as it was", |h| {
            let now = places(h);
            // The one that rang may have been taken meanwhile: its telephone answers by itself.
            let same = |id: &str| {
                now.iter().find(|p| p.0 == id).map(|p| &p.1)
                    == before.iter().find(|p| p.0 == id).map(|p| &p.1)
            };
            before
                .iter()
                .all(|(id, kind)| kind == "transferring" || kind == "connecting" || same(id))
                .then_some(())
        });
        house.wait("the transfer is taken", |h| {
            (h.place(&moved)["users"][0] == "u5").then_some(())
        });
        let requests = house.done(&["twin", "requests", "--json"]).json;
        let dials = requests["rest"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|r| {
                r["method"] == "POST"
                    && r["path"]
                        .as_str()
                        .is_some_and(|p| p.ends_with("/Calls.json"))
            })
            .count();
        assert_eq!(
            dials, 1,
            "the dial whose answer was lost is not repeated: {requests:#}"
        );
        assert_eq!(house.rows(ROSA), 2);
        hears(&house, "+14155550134", 0, "music");
        house.done(&["slot", "retrieve", "P1"]);
        assert_eq!(house.place(&talking)["kind"], "held");
    }
}

/// Who hears them, on either side, at once; what they hear, as soon as the carrier has fetched the document for it.
fn hears(house: &House, who: &str, rows: usize, what: &str) {
    assert_eq!(
        house.rows(who),
        rows,
        "{who} hears and is heard by the wrong number of people"
    );
    house.wait(&format!("{who} hears {what}"), |h| {
        (h.hearing(who).as_deref() == Some(what)).then_some(())
    });
}

/// Every call's id and place.
fn places(house: &House) -> Vec<(String, String)> {
    let board = house.verb(&["board", "--json"]).json;
    let calls = board["calls"].as_array().cloned().unwrap_or_default();
    calls
        .iter()
        .map(|c| {
            (
                c["id"].to_string(),
                c["place"]["kind"].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}
