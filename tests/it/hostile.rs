//! What strangers and bad luck do: forged and broken webhooks, names that are escape sequences, two hands on
//! one call, a page that dies.
//!
//! Each test says what must not happen and what somebody is told instead. The house lives in this process
//! (`hostile/scene.rs`), except where what people read is the point: there it is the processes of
//! `tests/src/house.rs`. Sockets, tokens and sign-ins are in `hostile/doors.rs`.

use std::time::Duration;

use cordboard_core::ids::CallId;
use cordboard_server::emergency;
use cordboard_tests::{backends::sqlite_file, house::House};
use futures_util::SinkExt as _;
use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use scene::{FORM, Scene, clean, encoded, is_nasty, now, sign, until};

mod doors;
mod outages;
mod scene;

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
    let token = scene.token(ADA).await;
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

/// Fifty calls, each dropped by two operators at the same moment. One wins, and the other is told who.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_who_drop_one_call_at_once_one_wins_and_the_other_is_told_who() {
    let scene = Scene::open(64).await;
    let (ada, grace) = (scene.token(ADA).await, scene.token(GRACE).await);
    // Two pages that ring and are not answered.
    let (alan, edsger) = (
        scene.token("alan@demo.example").await,
        scene.token("edsger@demo.example").await,
    );
    let pages = [
        scene.page(&alan, "u3").await,
        scene.page(&edsger, "u4").await,
    ];
    let beats = pages.map(|mut page| {
        tokio::spawn(async move {
            let mut beat = tokio::time::interval(Duration::from_secs(1));
            loop {
                beat.tick().await;
                let alive = Message::text(r#"{"t":"heartbeat","ready":true}"#);
                if page.0.send(alive).await.is_err() {
                    return;
                }
            }
        })
    });
    let mut calls = Vec::new();
    for n in 0..50 {
        calls.push(
            scene
                .ring(&ada, &format!("+1415556{n:04}"), &format!("Caller {n}"))
                .await
                .0,
        );
    }
    // Two calls go to slots, all others to people.
    let drop_on = |n: usize, call: &str, operator: usize, seen: u64| {
        let id = format!("round-{n}-{operator}");
        let where_to = match n {
            0 | 1 => json!({"intent": "park", "slot": format!("P{}", 2 * n + operator + 1)}),
            _ => json!({"intent": "transfer", "to": format!("u{}", 3 + operator)}),
        };
        let mut command = json!({"id": id, "do": "call", "call": call, "seen": seen});
        command
            .as_object_mut()
            .unwrap()
            .extend(where_to.as_object().unwrap().clone());
        command
    };
    let round = async |n: usize, call: &str| {
        let (_, text) = scene.get(&ada, &format!("/api/calls/{call}")).await;
        let card: Value = serde_json::from_str(&text).unwrap();
        let seen = card["rev"]
            .as_u64()
            .unwrap_or_else(|| panic!("no rev: {text}"));
        let (first, second) = (drop_on(n, call, 0, seen), drop_on(n, call, 1, seen));
        let (a, g) = tokio::join!(
            scene.command(&ada, 0, &first),
            scene.command(&grace, 0, &second)
        );
        let (loser, winner, target) = match (a.0, g.0) {
            (StatusCode::OK, StatusCode::CONFLICT) => (g.1, "Ada Lovelace", 0),
            (StatusCode::CONFLICT, StatusCode::OK) => (a.1, "Grace Hopper", 1),
            _ => panic!("round {n}: not one winner: {a:?} {g:?}"),
        };
        let why = loser["error"]["why"].as_str().unwrap_or_default();
        assert!(
            why.contains(winner),
            "round {n}: the loser is told {why:?}, and {winner} won"
        );
        let place = scene.place(&ada, call).await;
        let there = match n {
            0 | 1 => place["slot"] == format!("P{}", 2 * n + target + 1),
            _ => place["to"] == format!("u{}", 3 + target),
        };
        assert!(there, "round {n}: {winner} won, and the call is at {place}");
        target
    };
    let rounds = calls.iter().enumerate().map(|(n, call)| round(n, call));
    let winners = futures_util::future::join_all(rounds).await;
    println!(
        "Ada won {} of {}",
        winners.iter().filter(|w| **w == 0).count(),
        winners.len()
    );
    for beat in beats {
        beat.abort();
    }
}

/// Two calls for one slot: one lies there, and the other's operator is told who does.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slot_takes_one_of_two_and_says_whom() {
    let scene = Scene::open(64).await;
    let (ada, grace) = (scene.token(ADA).await, scene.token(GRACE).await);
    for n in 0..10 {
        let names = [format!("Rosa {n}"), format!("Bob {n}")];
        let (rosa, _) = scene
            .ring(&ada, &format!("+1415557{n:04}"), &names[0])
            .await;
        let (bob, _) = scene
            .ring(&ada, &format!("+1415558{n:04}"), &names[1])
            .await;
        let park = |call: &str, who: &str| json!({"id": format!("{who}-{n}"), "do": "call", "call": call, "intent": "park", "slot": "P1"});
        let (first, second) = (park(&rosa, "a"), park(&bob, "g"));
        let (a, g) = tokio::join!(
            scene.command(&ada, 0, &first),
            scene.command(&grace, 0, &second)
        );
        let (loser, there) = match (a.0, g.0) {
            (StatusCode::OK, StatusCode::CONFLICT) => (g.1, 0),
            (StatusCode::CONFLICT, StatusCode::OK) => (a.1, 1),
            _ => panic!("not one winner: {a:?} {g:?}"),
        };
        let why = loser["error"]["why"].as_str().unwrap_or_default();
        assert!(
            why.contains("P1") && why.contains(&names[there]),
            "{why:?} does not say that {} lies there",
            names[there]
        );
        for call in [rosa, bob] {
            let over = json!({"id": format!("over-{call}"), "do": "call", "call": call, "intent": "hangup"});
            let (status, said) = scene.command(&ada, 10_000, &over).await;
            assert_eq!(status, StatusCode::OK, "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_command_that_is_sent_twice_acts_once_and_its_id_is_for_nothing_else() {
    let scene = Scene::open(64).await;
    let (ada, grace) = (scene.token(ADA).await, scene.token(GRACE).await);
    let (call, _) = scene.ring(&ada, "+14155550132", "Rosa").await;
    let park = json!({"id": "once", "do": "call", "call": call, "intent": "park", "slot": "P3"});
    let all =
        futures_util::future::join_all((0..10).map(|_| scene.command(&ada, 10_000, &park))).await;
    for (status, said) in &all {
        assert_eq!(
            (*status, said["call"]["id"].as_str()),
            (StatusCode::OK, Some(call.as_str())),
            "{said}"
        );
    }
    let audit = scene
        .desk
        .server
        .exchange
        .store()
        .recent_audit(10_000)
        .await
        .unwrap();
    assert_eq!(
        audit.iter().filter(|row| row.kind == "command").count(),
        1,
        "it acted more than once"
    );
    let (status, said) = scene
        .command(
            &ada,
            0,
            &json!({"id": "once", "do": "call", "call": call, "intent": "hangup"}),
        )
        .await;
    assert_eq!(
        (status, said["error"]["code"].as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, Some("other-content"))
    );
    assert_eq!(scene.place(&ada, &call).await["slot"], "P3");
    // An id is its sender's: another person's is another.
    let (status, _) = scene
        .command(
            &grace,
            10_000,
            &json!({"id": "once", "do": "call", "call": call, "intent": "hangup"}),
        )
        .await;
    assert_eq!(status, StatusCode::OK);
    for bad in [
        json!({}),
        json!({"id": "", "do": "dial", "to": "+14155550188"}),
        json!({"id": "\u{1b}[2J", "do": "dial", "to": "1"}),
        json!({"id": "x".repeat(65), "do": "dial", "to": "1"}),
        json!({"id": "y", "do": "explode"}),
        json!({"id": "y", "do": "call", "call": "c_1", "intent": "park"}),
    ] {
        let (status, said) = scene.command(&ada, 0, &bad).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}: {said}");
        assert!(clean(&said), "{said:?}");
    }
}

/// Grace accepts, and her page is gone before it connects. The caller is nobody's for four seconds, and then
/// anybody's again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accept_that_does_not_become_a_join_reopens_the_offer() {
    let scene = Scene::open(64).await;
    let (ada, grace) = (scene.token(ADA).await, scene.token(GRACE).await);
    let mut page = scene.page(&grace, "u2").await;
    let (call, _) = scene.ring(&ada, "+14155550132", "Rosa").await;
    page.say(&json!({"t": "accept", "call": call})).await;
    until("Grace's accept is on the board", async || {
        let place = scene.place(&ada, &call).await;
        if place["kind"] == "connecting" && place["user"] == "u2" {
            Ok(())
        } else {
            Err(place.to_string())
        }
    })
    .await;
    let accepted = now();
    drop(page);
    let (status, said) = scene
        .command(
            &ada,
            0,
            &json!({"id": "mine", "do": "call", "call": call, "intent": "park"}),
        )
        .await;
    assert_eq!(status, StatusCode::CONFLICT, "{said}");
    assert!(
        said["error"]["why"]
            .as_str()
            .is_some_and(|why| why.contains("Grace Hopper")),
        "{said}"
    );
    until("the caller waits at the desk again", async || {
        let place = scene.place(&ada, &call).await;
        if place["kind"] == "queued" {
            Ok(())
        } else {
            Err(place.to_string())
        }
    })
    .await;
    let took = accepted.elapsed();
    assert!(
        (Duration::from_secs(3)..=Duration::from_secs(5)).contains(&took),
        "it took {took:?}"
    );
    let (status, said) = scene
        .command(
            &ada,
            10_000,
            &json!({"id": "park", "do": "call", "call": call, "intent": "park"}),
        )
        .await;
    assert_eq!(status, StatusCode::OK, "{said}");
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

/// Whoever is about to dial for help knows beforehand whether they must say where they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_registered_is_found_and_ends_the_warning() {
    let scene = Scene::open(64).await;
    let token = scene.token(ADA).await;
    let _page = scene.page(&token, "u1").await;
    let mut console = scene.socket("/ws/console", &token).await.unwrap();
    console.say(&json!({"t": "hello", "version": 1})).await;
    let dry = json!({"id": "help", "do": "dial", "to": "911", "dry_run": true});
    let would = async || {
        let (_, said) = scene.command(&token, 0, &dry).await;
        said["why"].as_str().unwrap_or_default().to_owned()
    };
    let warned = "dial 911 from your phone page at once. No address is registered for our number. Say where you are.";
    until("the carrier has been asked", async || {
        let said = would().await;
        if said == warned { Ok(()) } else { Err(said) }
    })
    .await;

    let rest = scene.carrier();
    let number = rest.numbers().await.done().unwrap().remove(0);
    let address = [("EmergencyAddressSid", "ADaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")];
    scene
        .at_carrier(
            &format!("IncomingPhoneNumbers/{}.json", number.sid),
            &address,
        )
        .await;
    // What the server's own watch does at start and every hour.
    let watch = emergency::watch_address(scene.desk.server.exchange.clone(), rest, number.phone);
    tokio::spawn(watch);
    while console.hear("emergency_address").await["state"] != "registered" {}
    assert_eq!(would().await, "dial 911 from your phone page at once.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_for_help_needs_no_store() {
    let scene = Scene::open(64).await;
    let token = scene.token(ADA).await;
    let mut page = scene.page(&token, "u1").await;
    scene.desk.server.exchange.store().close().await;

    let (status, said) = scene
        .command(&token, 0, &json!({"id": "help", "do": "dial", "to": "911"}))
        .await;
    assert_eq!(
        (status, said["outcome"].as_str(), said["call"].is_null()),
        (StatusCode::OK, Some("done"), true),
        "{said}"
    );
    assert!(
        said["why"].as_str().unwrap().contains("dialling 911"),
        "{said}"
    );
    assert_eq!(page.hear("emergency").await["to"], "911");
    for to in ["911", "112"] {
        let form = [
            ("CallSid", NOBODY),
            ("From", "client:u1"),
            ("op", "dial"),
            ("to", to),
        ];
        let began = now();
        let (status, document) = scene.signed("/twilio/app", &form).await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            document.contains(&format!("<Number>{to}</Number>")),
            "{document}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
    }
    // Everybody else is asked for a moment, or told that nothing was changed.
    let form = [
        ("CallSid", NOBODY),
        ("From", "+14155550132"),
        ("To", "+14155550100"),
        ("CallStatus", "ringing"),
    ];
    let (status, document) = scene.signed("/twilio/voice", &form).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        document.contains("<Response>") && !document.contains("<Hangup"),
        "{document}"
    );
    let (status, said) = scene
        .command(
            &token,
            0,
            &json!({"id": "dial", "do": "dial", "to": "+14155550188"}),
        )
        .await;
    assert_eq!(
        (status, said["error"]["code"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("unavailable"))
    );
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
