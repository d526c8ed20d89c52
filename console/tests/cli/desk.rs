//! The verbs that work the desk: calls, slots, the board, following it.

use std::{sync::atomic::Ordering, time::Duration};

use cordboard::cli::{Exit, session::Environment};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    fake::{TOKEN, call_id, card, start},
    kit::{at_home, run, tokens},
};

#[tokio::test]
async fn every_outcome_has_its_exit_code() {
    let (_, env) = start().await;
    let id = call_id();
    for (command, exit, code) in [
        ("done-1", 0, None),
        ("lostonce-1", 0, None),
        ("refused-1", 1, Some("refused")),
        ("nosuch-1", 1, Some("unknown-call")),
        ("other-1", 1, Some("bad-input")),
        ("forbidden-1", 3, Some("not-allowed")),
        ("down-1", 4, Some("unreachable")),
        ("unknown-1", 5, Some("unknown")),
        // The server stopped waiting before the carrier spoke.
        ("committed-1", 5, Some("unknown")),
        ("lost-1", 5, Some("unknown")),
    ] {
        let (got, out, err) = run(
            &env,
            &format!("cordboard call park {id} --json --id {command}"),
        )
        .await;
        assert_eq!(got, exit, "{command}: {out}{err}");
        let document: Value =
            serde_json::from_str(&out).unwrap_or_else(|e| panic!("{command}: {e}: {out}"));
        match code {
            None => {
                assert_eq!(
                    (&document["ok"], &document["id"]),
                    (&json!(true), &json!(command))
                );
                assert_eq!(document["call"]["place"]["kind"], "parked");
                assert!(err.is_empty(), "{command}: {err}");
            }
            Some(code) => {
                assert_eq!(document["error"]["code"], code, "{command}: {out}");
                let why = document["error"]["why"].as_str().unwrap();
                assert!(
                    why.ends_with('.') && err.trim_end() == why,
                    "{command}: {err}"
                );
            }
        }
    }
}

#[tokio::test]
async fn who_is_not_known_is_told_so_and_who_cannot_be_reached_too() {
    let (_, env) = start().await;
    let url = env.url.clone().unwrap();
    let (_home, stranger) = at_home(&url, tokens("stale", "stale", 600)).await;
    for line in [
        "cordboard whoami",
        "cordboard watch",
        "cordboard call hangup CA0123456789abcdef0123456789abcdef",
    ] {
        assert_eq!(
            run(&stranger, line).await.0,
            Exit::NotAllowed as u8,
            "{line}"
        );
    }
    let nobody = Environment {
        file: Some("does/not/exist.json".into()),
        ..env.clone()
    };
    let (exit, out, err) = run(&nobody, "cordboard board --json").await;
    assert_eq!(exit, 3, "{err}");
    assert_eq!(
        serde_json::from_str::<Value>(&out).unwrap()["error"]["code"],
        "not-signed-in"
    );

    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let (_home, gone) = at_home(&url, tokens(TOKEN, "refresh", 600)).await;
    for line in [
        "cordboard board",
        "cordboard watch --json",
        "cordboard dial +14155550199",
        "cordboard call list --json",
    ] {
        let (exit, _, err) = run(&gone, line).await;
        assert_eq!(exit, Exit::Unreachable as u8, "{line}: {err}");
        assert!(err.contains("cannot be reached"), "{line}: {err}");
    }
}

#[tokio::test]
async fn what_is_sent_is_what_was_typed() {
    let (fake, env) = start().await;
    let id = call_id();
    let sid = "CA0123456789abcdef0123456789abcdef";
    for line in [
        format!("cordboard call transfer {sid} hopper --id a"),
        format!("cordboard call transfer {id} +1.415.555.0199 --no-wait --id committed-b"),
        format!("cordboard call park {id} --slot P2 --note hello --seen 4 --id c"),
        format!(
            "cordboard call take-back {} --dry-run --id would-d",
            &id[..12]
        ),
        "cordboard dial 102 --id e".to_owned(),
        "cordboard dial 911 --id f".to_owned(),
    ] {
        let (exit, _, err) = run(&env, &line).await;
        assert_eq!(exit, 0, "{line}: {err}");
    }
    let sent = fake.commands.lock().unwrap().clone();
    let bodies: Vec<&Value> = sent.iter().map(|(c, _)| c).collect();
    assert_eq!(
        *bodies[0],
        json!({ "id": "a", "do": "call", "call": id, "intent": "transfer", "to": "u2" })
    );
    assert_eq!(
        *bodies[1],
        json!({ "id": "committed-b", "do": "call", "call": id, "intent": "transfer", "to": "+14155550199" })
    );
    assert_eq!(
        *bodies[2],
        json!({ "id": "c", "do": "call", "call": id, "intent": "park", "slot": "P2", "note": "hello", "seen": 4 })
    );
    assert_eq!(
        *bodies[3],
        json!({ "id": "would-d", "do": "call", "call": id, "intent": "take-back", "dry_run": true })
    );
    assert_eq!(*bodies[4], json!({ "id": "e", "do": "dial", "to": "102" }));
    assert_eq!(*bodies[5], json!({ "id": "f", "do": "dial", "to": "911" }));
    let waits: Vec<u64> = sent.iter().map(|(_, wait)| *wait).collect();
    assert!(
        waits[0] >= 15_000,
        "a verb waits for the carrier: {waits:?}"
    );
    assert_eq!((waits[1], waits[3]), (0, 0));
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_under_the_same_id() {
    let (fake, env) = start().await;
    let (exit, ..) = run(
        &env,
        &format!("cordboard call hold {} --id lostonce-x", call_id()),
    )
    .await;
    assert_eq!(exit, 0);
    let sent = fake.commands.lock().unwrap().clone();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1]);
}

/// The slots of the board here are free, as they are after the first time.
#[tokio::test]
async fn a_slot_is_fetched_from_once_however_often_it_is_asked_for() {
    let (fake, env) = start().await;
    let line = "cordboard slot retrieve P2 --id a%2F.b";
    let (exit, _, err) = run(&env, line).await;
    assert_eq!(exit, 1, "{err}");
    assert!(err.contains("P2 is free"), "{err}");

    let first = json!({ "id": "a%2F.b", "do": "call", "call": call_id(), "intent": "retrieve" });
    fake.commands.lock().unwrap().push((first.clone(), 0));
    let (exit, _, err) = run(&env, line).await;
    assert_eq!(exit, 0, "{err}");
    let sent = fake.commands.lock().unwrap().clone();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[1].0, first, "the same command, under the same id");
}

#[tokio::test]
async fn until_answered_ends_when_they_talk_or_it_came_back() {
    let (_, env) = start().await;
    let id = call_id();
    let line = |command: &str| {
        format!("cordboard call transfer {id} 102 --until answered --json --id {command}")
    };
    let (exit, out, err) = run(&env, &line("taken-1")).await;
    assert_eq!(exit, 0, "{out}{err}");
    assert_eq!(
        serde_json::from_str::<Value>(&out).unwrap()["call"]["place"]["users"],
        json!(["u2"])
    );
    let (exit, out, err) = run(&env, &line("back-1")).await;
    assert_eq!(exit, 1, "{out}{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["error"]["code"], "came-back");
    assert_eq!(document["call"]["place"]["kind"], "ringing");
    assert!(err.contains("Grace Hopper did not take it"), "{err}");
    let (exit, ..) = run(&env, &line("refused-1")).await;
    assert_eq!(exit, 1);
}

#[tokio::test]
async fn until_answered_knows_an_end_that_was_before_its_answer() {
    let (_, env) = start().await;
    let id = call_id();
    for (command, exit) in [("again-1", 0), ("againback-1", 1), ("lagged-1", 0)] {
        let line =
            format!("cordboard call transfer {id} 102 --until answered --json --id {command}");
        let (got, out, err) = run(&env, &line).await;
        assert_eq!(got, exit, "{command}: {out}{err}");
    }
}

#[tokio::test]
async fn until_answered_outlives_the_server_it_asked() {
    let (fake, env) = start().await;
    let line = format!(
        "cordboard call transfer {} 102 --until answered --json --id restart-1",
        call_id()
    );
    let (exit, out, err) = run(&env, &line).await;
    assert_eq!(exit, 0, "{out}{err}");
    assert_eq!(
        fake.away.load(Ordering::SeqCst),
        0,
        "it came back more than once"
    );
}

#[tokio::test]
async fn looking_has_the_contracts_shapes() {
    let (_, env) = start().await;
    let json = |out: String| serde_json::from_str::<Value>(&out).unwrap();
    let board = json(run(&env, "cordboard board --json").await.1);
    assert_eq!((&board["epoch"], &board["rev"]), (&json!("e1"), &json!(1)));
    for part in ["people", "calls", "slots", "queues"] {
        assert!(board[part].is_array(), "{part}");
    }
    assert_eq!(
        json(run(&env, "cordboard call list --json").await.1)["calls"][0]["id"],
        call_id().as_str()
    );
    let shown = json(
        run(&env, &format!("cordboard call show {} --json", call_id()))
            .await
            .1,
    );
    assert!(
        shown["talks"].is_array(),
        "what the server adds is handed on"
    );
    assert_eq!(
        json(run(&env, "cordboard token --json").await.1)["token"],
        TOKEN
    );
    assert_eq!(run(&env, "cordboard token").await.1, format!("{TOKEN}\n"));

    let text = run(&env, "cordboard board").await.1;
    assert!(
        text.contains("101  Ada Lovelace")
            && text.contains("P1  free")
            && text.contains("Rosa Diaz"),
        "{text}"
    );
    let text = run(&env, &format!("cordboard call show {}", call_id()))
        .await
        .1;
    assert!(text.contains("talks to Ada Lovelace"), "{text}");
}

#[tokio::test]
async fn watching_begins_with_the_board_and_resumes_without_it() {
    let (fake, env) = start().await;
    // The watcher is there when somebody listens to the news.
    let telling = async {
        let there = async {
            while fake.news.receiver_count() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), there)
            .await
            .expect("the watcher connects");
        let delta = json!({ "t": "delta", "epoch": "e1", "rev": 2, "call": card("parked", 2), "cause": { "kind": "command", "id": "x1" } });
        fake.news.send(delta).unwrap();
        fake.news
            .send(json!({ "t": "bye", "why": "That is all.", "again": false }))
            .unwrap();
    };
    let ((exit, out, err), ()) = tokio::join!(run(&env, "cordboard watch --json"), telling);
    assert_eq!(exit, 1, "nobody's token was refused: {err}");
    let lines: Vec<Value> = out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(
        (&lines[0]["epoch"], &lines[0]["rev"]),
        (&json!("e1"), &json!(1))
    );
    assert!(lines[0]["snapshot"]["people"].is_array());
    assert_eq!(lines[1]["cause"], json!({ "kind": "command", "id": "x1" }));
    let changed = &lines[1]["changed"];
    assert_eq!(changed["calls"][0]["place"]["kind"], "parked");
    assert_eq!(
        changed["slots"],
        json!([{ "id": "P2", "name": "P2", "call": call_id(), "deadline": "2026-01-01T00:01:30.000Z" }])
    );
    assert_eq!(
        (&changed["people"], &changed["queues"]),
        (&json!([]), &json!([]))
    );

    let (_, out, err) = run(&env, "cordboard watch --json --since e1:0").await;
    let first: Value =
        serde_json::from_str(out.lines().next().unwrap_or_else(|| panic!("{err}"))).unwrap();
    assert!(first["snapshot"].is_null() && first["rev"] == 1, "{first}");
    assert_eq!(first["changed"]["calls"].as_array().unwrap().len(), 1);
}
