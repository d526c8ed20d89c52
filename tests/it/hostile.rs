//! What strangers do: forged, broken and repeated webhooks, and names that are escape sequences.
//!
//! Each test says what must not happen and what somebody is told instead. The house lives in this process
//! (`hostile/scene.rs`), except where what people read is the point: there it is the processes of
//! `tests/src/house.rs`. Sockets, tokens and sign-ins are in `hostile/doors.rs`, two hands on one call in
//! `hostile/hands.rs`, calls for help in `hostile/help.rs`, and bad luck in `hostile/setbacks.rs` and
//! `hostile/outages.rs`.

use std::time::Duration;

use cordboard_core::ids::CallId;
use cordboard_tests::{backends::sqlite_file, house::House};
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use reqwest::StatusCode;
use serde_json::{Value, json};

use scene::{FORM, Scene, clean, encoded, is_nasty, now, sign, until};

mod doors;
mod hands;
mod help;
mod outages;
mod scene;
mod setbacks;

const ADA: &str = "ada@demo.example";
const GRACE: &str = "grace@demo.example";

/// A name that would retitle a terminal, clear it, ring it, fill its clipboard, and turn the text around.
const NASTY: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{1b}]52;c;b3duZWQ=\u{7}\u{1b}P$q\u{1b}\\\r\n\u{202e}\u{2066}Ro\u{0}sa\u{7f}";

/// A CallSid that no carrier has made.
const NOBODY: &str = "CAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_carrier_did_not_say_is_not_let_in_and_leaves_nothing() {
    let scene = Scene::open(64).await;
    let store = scene.desk.server.exchange.store().clone();
    let before = store.audit_len().await.unwrap();
    let leg = CallId::from_bits(7).leg(1).to_string();
    let mut paths: Vec<String> = ["voice", "app", "fallback", "ended", "hold/music", "nowhere"]
        .map(|p| format!("/twilio/{p}"))
        .into();
    paths.extend(
        ["wait", "leg", "key", "after", "status", "amd"].map(|p| format!("/twilio/{p}?leg={leg}")),
    );
    paths.push(format!("/twilio/conference?call={}", CallId::from_bits(7)));
    let kinds = [
        None,
        Some(FORM),
        Some("application/json"),
        Some("text/plain; charset=utf-7"),
        Some("multipart/form-data; boundary=x"),
    ];
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(20_261);
    println!("SEED={seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    for path in &paths {
        for kind in kinds {
            let mut garbage = vec![0_u8; dice.random_range(1..2_000)];
            dice.fill_bytes(&mut garbage);
            let forged = sign("not the auth token", &scene.at(path), &[]);
            for signature in [None, Some("!"), Some(forged.as_str())] {
                let (status, text) = scene.post(path, kind, signature, garbage.clone()).await;
                assert_eq!(
                    status,
                    StatusCode::FORBIDDEN,
                    "{path} {kind:?} {signature:?}: {text}"
                );
            }
        }
        // A form such as the carrier's, signed with another key, or signed for another address.
        let form = [
            ("CallSid", NOBODY),
            ("From", "+14155550132"),
            ("To", "+14155550100"),
            ("CallStatus", "ringing"),
        ];
        let elsewhere = scene.signature("/twilio/elsewhere", &form);
        let forged = sign("not the auth token", &scene.at(path), &form);
        for signature in [&elsewhere, &forged] {
            let (status, _) = scene
                .post(path, Some(FORM), Some(signature), encoded(&form))
                .await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
        }
    }
    assert_eq!(
        store.audit_len().await.unwrap(),
        before,
        "something was stored"
    );
    assert_eq!(store.open_calls().await.unwrap(), Vec::new());
}

/// Also of somebody who has the auth token, so that size and number are what is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_refused_at_once() {
    let scene = Scene::open(64).await;
    // Signing in is written down, and is not what this is about.
    let token = scene.token(ADA).await;
    let store = scene.desk.server.exchange.store().clone();
    let before = store.audit_len().await.unwrap();
    let names: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "")).collect();
    let long = "x".repeat(40_000);
    let mega = "x".repeat(1 << 20);
    for path in ["/twilio/voice", "/twilio/ended"] {
        for form in [many.clone(), vec![("CallSid", mega.as_str())]] {
            let signature = scene.signature(path, &form);
            let request = scene.http.post(scene.at(path)).header("content-type", FORM);
            refused(
                request
                    .header("x-twilio-signature", signature)
                    .body(encoded(&form)),
            )
            .await;
        }
        // Large, and within what is read: refused for what it says.
        let (status, _) = scene.signed(path, &[("CallSid", &long)]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    for path in ["/api/commands", "/api/login"] {
        let request = scene.http.post(scene.at(path)).bearer_auth(&token);
        refused(request.json(&json!({"email": mega, "password": mega}))).await;
    }
    assert_eq!(
        store.audit_len().await.unwrap(),
        before,
        "something was stored"
    );
}

/// Sends it. It is refused, or the connection is cut while it is still being sent: the rest of it is not read.
async fn refused(request: reqwest::RequestBuilder) {
    let began = now();
    match request.send().await {
        Ok(answer) => assert!(answer.status().is_client_error(), "{answer:?}"),
        Err(cut) => assert!(
            cut.is_request() && !cut.is_timeout() && !cut.is_connect(),
            "{cut:?}"
        ),
    }
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
}

/// Signed and about nothing: answered, so that the carrier does not come again, and not stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_of_calls_that_nobody_knows_is_passed_over() {
    let scene = Scene::open(64).await;
    let store = scene.desk.server.exchange.store().clone();
    let before = store.audit_len().await.unwrap();
    let leg = CallId::from_bits(7).leg(2);
    let status = [
        ("CallSid", NOBODY),
        ("CallStatus", "completed"),
        ("SequenceNumber", "3"),
    ];
    let call = CallId::from_bits(7).to_string();
    let room = [
        ("ConferenceSid", "CFaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ("FriendlyName", call.as_str()),
        ("StatusCallbackEvent", "conference-end"),
        ("SequenceNumber", "1"),
    ];
    for _ in 0..2 {
        assert_eq!(
            scene.signed("/twilio/ended", &status).await.0,
            StatusCode::NO_CONTENT
        );
        assert_eq!(
            scene
                .signed(&format!("/twilio/status?leg={leg}"), &status)
                .await
                .0,
            StatusCode::NO_CONTENT
        );
        assert_eq!(
            scene
                .signed(&format!("/twilio/conference?call={call}"), &room)
                .await
                .0,
            StatusCode::NO_CONTENT
        );
        for (path, hangs_up) in [("leg", true), ("key", true), ("wait", false)] {
            let (code, document) = scene
                .signed(&format!("/twilio/{path}?leg={leg}"), &status)
                .await;
            assert_eq!(code, StatusCode::OK);
            // What is played to who waits may not hang up: it is silence.
            assert_eq!(
                document.contains("<Hangup/>"),
                hangs_up,
                "{path}: {document}"
            );
        }
        // A page that made its ticket up.
        let join = [
            ("CallSid", NOBODY),
            ("From", "client:u1"),
            ("op", "join"),
            ("leg", &*leg.to_string()),
            ("ticket", "0"),
        ];
        let (code, document) = scene.signed("/twilio/app", &join).await;
        assert_eq!(
            (code, document.contains("<Hangup/>")),
            (StatusCode::OK, true),
            "{document}"
        );
    }
    assert_eq!(
        store.audit_len().await.unwrap(),
        before,
        "something was stored"
    );
}

/// The signature has no time in it: whoever saw a request can send it again. It says the same and does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_request_that_is_sent_again_does_nothing() {
    let scene = Scene::open(64).await;
    let token = scene.token(ADA).await;
    let (id, sid) = scene.ring(&token, "+14155550132", "Rosa").await;
    let store = scene.desk.server.exchange.store().clone();
    let arrivals = async || {
        let audit = store.recent_audit(10_000).await.unwrap();
        audit.iter().filter(|row| row.kind == "arrive").count()
    };
    let form = [
        ("CallSid", sid.as_str()),
        ("From", "+14155550132"),
        ("To", "+14155550100"),
        ("CallStatus", "ringing"),
        ("Direction", "inbound"),
    ];
    let first = scene.signed("/twilio/voice", &form).await;
    assert_eq!(first.0, StatusCode::OK);
    for _ in 0..5 {
        assert_eq!(scene.signed("/twilio/voice", &form).await, first);
    }
    assert_eq!(arrivals().await, 1);
    assert_eq!(
        scene.board(&token).await["calls"].as_array().unwrap().len(),
        1
    );

    // The end of the call, kept by somebody and sent again and again, also against the next call of the same
    // caller.
    scene.control.hangup(&sid).await.unwrap();
    let place = async |call: &str, kind: &str| {
        let place = scene.place(&token, call).await;
        if place["kind"] == kind {
            Ok(())
        } else {
            Err(place.to_string())
        }
    };
    until("the call is over", async || place(&id, "ended").await).await;
    let (next, _) = scene.ring(&token, "+14155550132", "Rosa").await;
    let end = [
        ("CallSid", sid.as_str()),
        ("CallStatus", "completed"),
        ("SequenceNumber", "0"),
    ];
    assert_eq!(
        scene.signed("/twilio/ended", &end).await.0,
        StatusCode::NO_CONTENT
    );
    let after = async || {
        let audit = store.recent_audit(10_000).await.unwrap();
        audit
            .into_iter()
            .filter(|row| row.call == id.parse().ok())
            .collect::<Vec<_>>()
    };
    let known = after().await;
    for _ in 0..5 {
        assert_eq!(
            scene.signed("/twilio/ended", &end).await.0,
            StatusCode::NO_CONTENT
        );
        assert_eq!(scene.signed("/twilio/voice", &form).await.0, StatusCode::OK);
    }
    assert_eq!(
        after().await.len(),
        known.len(),
        "a replay was taken for news"
    );
    assert_eq!(place(&next, "queued").await, Ok(()));
}

/// Whatever a caller calls themselves, no terminal and no log obeys it; and a person who dials for help is told
/// in a sentence.
#[test]
fn a_name_that_is_an_escape_sequence_reaches_no_screen_and_no_log() {
    let house = House::open(sqlite_file());
    let rosa = house.ring("+14155550132", NASTY_ARGUMENT);
    house.done(&[
        "call",
        "park",
        &rosa,
        "--slot",
        "P1",
        "--note",
        NASTY_ARGUMENT,
    ]);
    for args in [
        &["board"][..],
        &["board", "--json"],
        &["call", "list"],
        &["call", "show", &rosa],
        &["call", "show", &rosa, "--json"],
    ] {
        let said = house.done(args);
        let bad: Vec<char> = said
            .text
            .chars()
            .chain(said.errors.chars())
            .filter(|c| *c != '\n' && is_nasty(*c))
            .collect();
        assert_eq!(
            bad,
            Vec::<char>::new(),
            "cordboard {}: {:?}",
            args.join(" "),
            said.text
        );
        assert!(
            said.text.contains("osa"),
            "the name is gone altogether: {}",
            said.text
        );
    }
    assert!(clean(&house.done(&["board", "--json"]).json));

    let colleague = house.verb(&["dial", "102"]);
    assert_eq!(colleague.code, 1, "{colleague:?}");
    assert!(
        colleague.errors.contains("Grace Hopper's extension"),
        "{colleague:?}"
    );
    let help = house.verb(&["dial", "911"]);
    assert_eq!(help.code, 0, "{help:?}");
    assert!(help.text.contains("dialling 911"), "{help:?}");
    let help = house.done(&["dial", "911", "--json"]).json;
    assert_eq!(
        (help["outcome"].as_str(), &help["call"]),
        (Some("done"), &Value::Null),
        "{help}"
    );

    for log in ["serve", "cast", "twin"] {
        let text = std::fs::read_to_string(house.folder.path().join(format!("{log}.log"))).unwrap();
        let bad: Vec<&str> = text
            .lines()
            .filter(|line| line.chars().any(is_nasty))
            .take(3)
            .collect();
        assert_eq!(bad, Vec::<&str>::new(), "{log}.log");
    }
}

/// [`NASTY`], without the zero that no argument of a program can hold.
const NASTY_ARGUMENT: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{1b}]52;c;b3duZWQ=\u{7}\u{1b}P$q\u{1b}\\\r\n\u{202e}\u{2066}Rosa\u{7f}";

/// The same from a carrier that cleans nothing, and with a zero in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nasty_name_in_a_webhook_is_cleaned_before_it_is_data() {
    let scene = Scene::open(64).await;
    let token = scene.token(ADA).await;
    let form = [
        ("CallSid", NOBODY),
        ("From", "+14155550132"),
        ("To", "+14155550100"),
        ("CallStatus", "ringing"),
        ("CallerName", NASTY),
    ];
    let (status, document) = scene.signed("/twilio/voice", &form).await;
    assert_eq!(status, StatusCode::OK, "{document}");
    assert!(
        document.contains("<Conference"),
        "the caller is not let in: {document}"
    );
    let (_, text) = scene.get(&token, "/api/board").await;
    let board: Value = serde_json::from_str(&text).unwrap();
    assert!(text.contains("sa"), "{text}");
    assert!(clean(&board) && !text.chars().any(is_nasty), "{text:?}");
    let (_, text) = scene.get(&token, &format!("/api/calls/{NOBODY}")).await;
    assert!(clean(&serde_json::from_str(&text).unwrap()), "{text:?}");
}
