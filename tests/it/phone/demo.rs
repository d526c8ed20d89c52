//! The whole of it, as a newcomer has it: `cordboard demo`, a console in a terminal, and two browsers.
//!
//! The page is paired by the code on the screen, the call is worked with keys and heard in the browsers, and each side
//! hangs up once. In the end one of the browsers is a caller's.

use std::time::Duration;

use cordboard_tests::{
    browser::{self, Browser, Plan},
    console,
    house::Process,
    page::{measured, pair},
};
use cordboard_twin::{Caller, Voice, control};
use serde_json::{Value, json};

use super::{rig::Ears, telephone::telephone};
use crate::people::kit::Client;

// Neither is in the music that waiting callers hear.
const ADA: f32 = 730.0;
const GRACE: f32 = 960.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_pairs_a_browser_with_the_demo_and_talks() {
    let Some(installed) = browser::installed() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "demo",
        "--headless",
        "--calls-per-minute",
        "0",
        "--port",
        "0",
    ];
    let demo = Process::start("demo", &args, &[], &folder);
    let url = demo.said("url");
    assert_eq!(demo.said("phone"), format!("{url}/phone"));
    let twin = control::Client::new(&demo.said("twin"));
    let ears = Ears(twin.clone());
    let anyone = Client::new(&url);
    let open = |tone| {
        let plan = Plan {
            tone,
            ..Plan::default()
        };
        let mut browser = Browser::start(&installed, plan);
        measured(&mut browser);
        browser
    };

    // In by the door, and the page by its code.
    let mut desk = console::signed_in(&url, folder.path(), "ada@demo.example", "switchboard");
    let shown = console::code(&mut desk);
    let mut ada = open(ADA);
    ada.go(&format!("{url}/phone"));
    ada.run(&format!(
        "await page.getByLabel('Code from your console').fill({})",
        json!(shown)
    ));
    ada.press("Pair this page");
    console::let_in(&mut desk);
    // The demo has a pretend phone for her, which makes room.
    ada.press("Use this one");
    ada.wait_for("Ready");
    desk.wait_for("● phone ready");

    // A colleague with a browser of her own.
    let login =
        json!({ "email": "grace@demo.example", "password": "switchboard", "device": "a test" });
    let tokens: Value = anyone.post("/api/login", login).await.ok();
    let mut grace = open(GRACE);
    pair(&url, tokens["access"].as_str().unwrap(), &mut grace).await;
    grace.press("Use this one");
    grace.wait_for("Ready");

    // Answered, held, taken again, parked and fetched, with keys.
    let rosa = ring(&twin, &demo, "Rosa Diaz").await;
    desk.wait_for("answer Rosa Diaz");
    desk.keys("a");
    ears.hears("Rosa", &rosa, ADA, true).await;
    ears.plays(&mut ada, 440.0).await;
    desk.keys("h");
    ears.hears("Rosa", &rosa, ADA, false).await;
    ears.music("Rosa", &rosa, ADA).await;
    ears.plays(&mut ada, 0.0).await;
    desk.keys("h");
    ears.hears("Rosa", &rosa, ADA, true).await;
    desk.keys("p");
    desk.wait_for("Park Rosa Diaz in");
    desk.keys("\r");
    desk.wait_for("P1 Rosa Diaz");
    ears.music("Rosa", &rosa, ADA).await;
    ada.wait_for("Ready");
    desk.keys("r");
    ears.hears("Rosa", &rosa, ADA, true).await;

    // Passed on to the other browser, and ended there.
    desk.keys("t");
    desk.keys("102");
    desk.wait_for("Enter: send Rosa Diaz to Grace Hopper");
    desk.keys("\r");
    grace.press("Accept");
    ears.hears("Rosa", &rosa, GRACE, true).await;
    ears.hears("Rosa", &rosa, ADA, false).await;
    ears.plays(&mut grace, 440.0).await;
    grace.press("Hang up");
    let over = twin.wait_call(&rosa, "completed", Duration::from_secs(20));
    assert_eq!(over.await.unwrap()["status"], "completed");

    // The caller hangs up; then she does, at the console.
    for (ends, name) in [("caller", "Bob Stone"), ("console", "Carla Reyes")] {
        let caller = ring(&twin, &demo, name).await;
        desk.wait_for(&format!("answer {name}"));
        desk.keys("a");
        ears.hears(name, &caller, ADA, true).await;
        desk.wait_for(&format!("▶ {name}"));
        if ends == "caller" {
            twin.hangup(&caller).await.unwrap();
        } else {
            desk.keys("x");
        }
        desk.wait_for("No call on your line");
        ada.wait_for("Ready");
        let over = twin.wait_call(&caller, "completed", Duration::from_secs(20));
        assert_eq!(over.await.unwrap()["status"], "completed", "{ends}");
    }

    // The other browser is a caller's telephone now: two people talk.
    telephone(&mut grace, &demo.said("telephone"));
    grace.press("Call");
    desk.wait_for("answer Your other browser");
    desk.keys("a");
    ears.plays(&mut ada, GRACE).await;
    ears.plays(&mut grace, ADA).await;
    desk.keys("x");
    grace.wait_for("The other end has hung up.");
}

async fn ring(twin: &control::Client, demo: &Process, name: &str) -> String {
    let caller = Caller {
        from: "+14155550132".to_owned(),
        to: demo.said("number"),
        name: Some(name.to_owned()),
        voice: Some(Voice::Tone(440.0)),
        ..Caller::default()
    };
    twin.call(&caller).await.unwrap()
}
