//! A receptionist at her own terminal: in by the door, a phone page paired, and a call worked from the one to the other.
//!
//! The console is the binary in a real terminal. The page is what a browser's would be: its code, its sign-in, its
//! socket, and the carrier's `connect`. What is asserted is what she sees, what the page is told, and who hears whom.

use std::{collections::BTreeMap, time::Duration};

use cordboard_core::api::{PairingClaimed, Tokens};
use cordboard_tests::{backends::TestDatabase, console, terminal::shows};
use cordboard_twin::{Caller, control};
use serde_json::{Value, json};

use super::{
    kit::{House, PASSWORD},
    pairing::Line,
};

on_both!(a_call_is_answered_muted_and_ended_from_a_console_that_has_paired_its_page);

const DESK: &str = "+14155550190";

async fn a_call_is_answered_muted_and_ended_from_a_console_that_has_paired_its_page(
    database: TestDatabase,
) {
    let house = House::open(database).await;
    house.buy(DESK).await;
    let way = json!({ "route": [{ "kind": "queue", "queue": "desk" }] });
    let path = format!("/api/numbers/{DESK}");
    house.ada.put(&path, way).await.ok::<Value>();
    house.join("Grace Hopper", "102", "operator").await;

    // In by the door.
    let home = tempfile::tempdir().unwrap();
    let url = &house.anyone.url;
    let mut desk = console::signed_in(url, home.path(), "grace@example.com", PASSWORD);
    desk.wait_for("no phone page");

    // The page asks with what the console shows, and is let in by whoever compares the digits.
    let code = console::code(&mut desk);
    let claim = json!({ "code": code, "device": "Firefox on Linux" });
    let claimed: PairingClaimed = house.anyone.post("/api/pairings/claim", claim).await.ok();
    desk.wait_for("Firefox on Linux");
    desk.wait_for(&format!("It shows {} as well", claimed.check));
    console::let_in(&mut desk);
    let body = json!({ "device_code": claimed.device_code });
    let tokens: Tokens = house.anyone.post("/api/pairings/poll", body).await.ok();
    let phone = house.anyone.with(&tokens.access);
    let hello = json!({ "t": "hello", "version": 2 });
    let (mut page, welcome) = Line::greeted(&phone, "/ws/phone", hello).await;
    page.say(json!({ "t": "heartbeat", "ready": true, "muted": false }))
        .await;
    desk.wait_for("● phone ready");

    // A caller is answered at the console, and the page is told to join.
    let twin = control::Client::new(&house.desk.twin.url());
    let rosa = Caller {
        from: "+14155550132".to_owned(),
        to: DESK.to_owned(),
        name: Some("Rosa Diaz".to_owned()),
        patience: Some(600.0),
        ..Caller::default()
    };
    let rosa = twin.call(&rosa).await.unwrap();
    desk.wait_for("Waiting 1");
    desk.keys("a");
    let state = page
        .until("a seat", |m| m["t"] == "state" && !m["seat"].is_null())
        .await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let params = BTreeMap::from([
        ("op".to_owned(), "join".to_owned()),
        ("leg".to_owned(), text(&state["seat"]["leg"])),
        ("ticket".to_owned(), text(&state["seat"]["ticket"])),
    ]);
    let leg = twin
        .connect(&text(&welcome["token"]), params)
        .await
        .unwrap();
    let beat = |muted: bool| json!({ "t": "heartbeat", "ready": true, "sid": leg.call_sid, "muted": muted });
    page.say(beat(false)).await;
    desk.wait_for("▶ Rosa Diaz");
    page.until("the seat is taken", |m| {
        m["t"] == "state" && m["seat"]["joined"] == true
    })
    .await;
    assert_eq!(hears(&twin.world().await.unwrap()), 2, "each the other");

    // Muted is shown when the page has said so, and not before.
    desk.keys("M");
    page.until("the page is told to mute", |m| {
        m["t"] == "mute" && m["on"] == true
    })
    .await;
    desk.wait_for("muting…");
    assert!(!shows(&desk.screen(), "phone muted"));
    page.say(beat(true)).await;
    desk.wait_for("phone muted");

    // Ended from the console.
    desk.keys("x");
    page.until("the seat is gone", |m| {
        m["t"] == "state" && m["seat"].is_null()
    })
    .await;
    desk.wait_for("No call on your line");
    let ended = twin
        .wait_call(&rosa, "completed", Duration::from_secs(20))
        .await
        .unwrap();
    assert_eq!(ended["status"], "completed", "{ended}");
    assert_eq!(hears(&twin.world().await.unwrap()), 0);

    // A page that is closed is shown as closed.
    drop(page);
    desk.wait_for("no phone page");
}

/// How many hear somebody.
fn hears(world: &Value) -> usize {
    world["hears"].as_array().map_or(0, Vec::len)
}
