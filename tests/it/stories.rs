//! A day at the desk, typed: whole stories over the twin, the server and the cast as three processes, on every
//! database there is.
//!
//! What is asserted is what a script sees (exit codes, places) and what the carrier knows (who hears whom).
//! Read next: `tests/src/house.rs`.

use cordboard_core::{board::At, wire::Delta};
use cordboard_tests::{backends::every_database, house::House};
use serde_json::Value;

const ROSA: &str = "+14155550132";
const PARKED: &str = "+14155550134";

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

        let would = house.done(&["call", "park", &rosa, "--slot", "P2", "--dry-run"]);
        assert_eq!(would.text, "Would: park Rosa Diaz in P2\n");
        assert_eq!(house.place(&rosa)["kind"], "talking");
        house.done(&["call", "park", &rosa, "--slot", "P2", "--note", "for Grace"]);
        assert_eq!(house.place(&rosa)["slot"], "P2");
        hears(&house, ROSA, 0, "music");
        // Twice under one id: the second finds the slot free and is the first all the same.
        for _ in 0..2 {
            house.done(&["slot", "retrieve", "P2", "--id", "fetch-1"]);
            hears(&house, ROSA, 2, "people");
        }
        let other = house.verb(&["call", "hangup", &rosa, "--id", "fetch-1"]);
        assert_eq!(other.code, 1, "another command under its id: {other:?}");

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

/// One call talking, one parked, one ringing elsewhere whose dial was done and its answer lost. The server is
/// killed and comes back: the first board it shows is the one that was, the dial is not repeated, and the
/// parked call's deadline is kept, once.
#[test]
fn a_server_that_is_killed_in_the_middle_of_calls_comes_back_to_the_same_board() {
    for database in block_on(every_database()) {
        block_on(database.set("park_ms", "12000"));
        let mut house = House::open(database);
        let moved = house.ring("+14155550135", "Moved");
        house.done(&["call", "answer", &moved]);
        let parked = house.ring(PARKED, "Parked");
        house.done(&["call", "answer", &parked]);
        house.done(&["call", "park", &parked, "--slot", "P1"]);
        house.done(&["call", "resume", &moved]);
        house.done(&["twin", "fault", "next.lose_answer=dial"]);
        // Nobody answers her telephone for two seconds.
        let sent = house.verb(&["call", "transfer", &moved, "105", "--no-wait"]);
        assert_eq!(sent.code, 0, "{sent:?}");
        let talking = house.ring(ROSA, "Rosa Diaz");
        house.done(&["call", "answer", &talking]);
        house.wait("the dial is done", |h| (dials(h) == 1).then_some(()));
        let before = places(&house);

        let mut server = house.server.take().unwrap();
        server.kill();
        drop(server);
        house.start_server();
        // Not within two seconds: at once.
        let after = places(&house);
        for (id, place) in &before {
            let now = after.iter().find(|(other, _)| other == id).map(|p| &p.1);
            let same =
                now.is_some_and(|now| now["kind"] == place["kind"] && now["slot"] == place["slot"]);
            // The one that rang may have been taken meanwhile.
            assert!(
                same || place["kind"] == "transferring" || place["kind"] == "connecting",
                "{id} was {place:#}, is {now:#?}"
            );
        }
        assert_eq!(before.len(), after.len());
        assert_eq!(house.rows(ROSA), 2);
        hears(&house, PARKED, 0, "music");
        house.wait("the transfer is taken", |h| {
            (h.place(&moved)["users"][0] == "u5").then_some(())
        });
        assert_eq!(
            dials(&house),
            1,
            "the dial whose answer was lost is not repeated"
        );

        // It comes back from its slot to whoever parked it; who is on another call, so it waits for anybody.
        house.wait("the parked call has come back", |h| {
            let kind = h.place(&parked)["kind"].clone();
            (kind != "parked").then_some(())
        });
        house.done(&["call", "answer", &parked]);
        assert_eq!(house.place(&talking)["kind"], "held");
        assert_eq!(house.rows(PARKED), 2);
        let told = block_on(house.database.told());
        let id = house.done(&["call", "show", &parked, "--json"]).json["id"].clone();
        let of_it: Vec<bool> = told
            .iter()
            .filter_map(Delta::card)
            .filter(|card| id == card.id.to_string())
            .map(|card| matches!(card.place.at, At::Parked { .. }))
            .collect();
        let came_back = of_it.windows(2).filter(|two| two[0] && !two[1]).count();
        assert_eq!(came_back, 1, "a deadline is kept once: {of_it:?}");
    }
}

/// Her page dials at once; the caller she was with is held; everybody sees it, and nobody can take it from her.
#[test]
fn a_call_for_help_asks_nobody_and_is_seen_by_everybody() {
    for database in block_on(every_database()) {
        let house = House::open(database);
        let rosa = house.ring(ROSA, "Rosa Diaz");
        house.done(&["call", "answer", &rosa]);
        house.wait("what help would learn is known", |h| {
            let would = h.done(&["dial", "911", "--dry-run"]).text;
            let known = "Would: dial 911 from your phone page at once. No address is registered";
            would.contains(known).then_some(())
        });
        house.done(&["dial", "911"]);
        let help = house.wait("the call for help is on the board", |h| {
            let board = h.verb(&["board", "--json"]).json;
            let calls = board["calls"].as_array()?;
            calls.iter().find(|c| c["to"] == "911").cloned()
        });
        assert_eq!(help["place"]["kind"], "dialling", "{help:#}");
        assert_eq!(help["with"], serde_json::json!(["u1"]), "{help:#}");
        house.wait("the caller is held", |h| {
            (h.place(&rosa)["kind"] == "held").then_some(())
        });
        hears(&house, ROSA, 0, "music");
        let id = help["id"].as_str().unwrap();
        for args in [
            vec!["call", "park", id, "--slot", "P1"],
            vec!["call", "transfer", id, "102"],
            vec!["call", "hold", id],
        ] {
            let said = house.verb(&args);
            assert_eq!(said.code, 3, "{args:?}: {said:?}");
            assert!(said.errors.contains("emergency call"), "{said:?}");
        }
        let there = |h: &House| {
            let world = h.world();
            let calls = world["calls"].as_array().cloned().unwrap_or_default();
            calls
                .iter()
                .filter(|c| c["to"] == "911" && c["end_time"].is_null())
                .count()
        };
        assert_eq!(there(&house), 1, "{:#}", house.world());
        house.done(&["call", "hangup", id]);
        house.wait("nobody is on the line for help", |h| {
            (there(h) == 0).then_some(())
        });
        house.done(&["call", "resume", &rosa]);
        hears(&house, ROSA, 2, "people");
    }
}

/// How many telephones were dialled.
fn dials(house: &House) -> usize {
    let requests = house.done(&["twin", "requests", "--json"]).json;
    let asked = requests["rest"].as_array().cloned().unwrap_or_default();
    let dials = |r: &&Value| {
        let path = r["path"].as_str().unwrap_or_default();
        r["method"] == "POST" && path.ends_with("/Calls.json")
    };
    asked.iter().filter(dials).count()
}

/// Who hears them, on either side, at once; what they hear, as soon as the carrier has fetched the document for
/// it.
fn hears(house: &House, who: &str, rows: usize, what: &str) {
    assert_eq!(
        house.rows(who),
        rows,
        "{who} hears and is heard by the wrong number of people"
    );
    // At once: a verb that is done is done for the ear, too.
    assert_eq!(house.hearing(who).as_deref(), Some(what));
}

/// Every call's id and place.
fn places(house: &House) -> Vec<(String, Value)> {
    let board = house.verb(&["board", "--json"]).json;
    let calls = board["calls"].as_array().cloned().unwrap_or_default();
    calls
        .iter()
        .map(|c| (c["id"].to_string(), c["place"].clone()))
        .collect()
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}
