//! The command line against a server that says what each test needs: exit codes, shapes of JSON, and what is
//! sent.
//!
//! The server here is a script, not a switchboard: whether calls really move is told by the stories in the
//! workspace's tests. Verbs run in-process where they can; what needs a process (standard input, a closed pipe,
//! usage) runs the binary.

// Marked so that the lints know helpers for test code too.
#![cfg(test)]

use std::{
    collections::HashMap,
    io::Write as _,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{
        Path, Query, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use clap::Parser as _;
use cordboard::cli::{
    self, Exit, Out,
    args::{Cli, http_url},
    session::Environment,
};
use cordboard_core::ids::CallId;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::broadcast};

const TOKEN: &str = "good-token";

/// What the fake server was sent, and what it is to answer.
struct Fake {
    commands: Mutex<Vec<(Value, u64)>>,
    /// Told to consoles after a command; null cuts them off.
    news: broadcast::Sender<Value>,
    /// How many consoles are turned away, because the server is not there. Whoever comes after them finds the
    /// call taken.
    away: AtomicU32,
    back: AtomicBool,
}

type Shared = State<Arc<Fake>>;

fn call_id() -> String {
    CallId::from_bits(7).to_string()
}

fn place(kind: &str) -> Value {
    let mut place = match kind {
        "queued" => json!({ "queue": "desk" }),
        "talking" => json!({ "users": ["u1"] }),
        "together" => json!({ "kind": "talking", "users": ["u2"] }),
        "parked" => json!({ "slot": "P2", "by": "u1", "deadline": "2026-01-01T00:01:30Z" }),
        "transferring" => json!({ "from": "u1", "to": "u2", "deadline": "2026-01-01T00:00:20Z" }),
        "ringing" => {
            json!({ "users": ["u1"], "why": "returned", "deadline": "2026-01-01T00:00:20Z" })
        }
        other => panic!("no place {other}"),
    };
    if place["kind"].is_null() {
        place["kind"] = json!(kind);
    }
    place["since"] = json!("2026-01-01T00:00:00Z");
    place
}

fn card(kind: &str, rev: u64) -> Value {
    json!({
        "id": call_id(), "rev": rev, "moved": rev, "place": place(kind),
        "caller": { "name": "Rosa Diaz", "number": "+14155550132" }, "direction": "in", "to": "+14155550100",
        "with": ["u1"], "since": "2026-01-01T00:00:00Z",
        "legs": [{ "id": format!("{}.0", call_id()), "sid": "CA0123456789abcdef0123456789abcdef", "role": "customer", "user": null,
                   "number": "+14155550132", "state": "joined", "held": false, "muted": false }],
    })
}

fn snapshot(rev: u64, kind: &str) -> Value {
    let person = |id: u32, extension: &str, name: &str| {
        json!({ "id": format!("u{id}"), "extension": extension, "name": name, "identity": format!("u{id}"),
                "presence": "available", "phone": "ready", "calls": [] })
    };
    json!({
        "epoch": "e1", "rev": rev, "calls": [card(kind, rev)],
        "people": [person(1, "101", "Ada Lovelace"), person(2, "102", "Grace Hopper")],
        "slots": [{ "id": "P1", "name": "P1", "call": null, "deadline": null }, { "id": "P2", "name": "P2", "call": null, "deadline": null }],
        "queues": [{ "id": "desk", "name": "Front desk", "calls": [] }],
    })
}

fn error(status: u16, code: &str, why: &str) -> Response {
    let body = Json(json!({ "error": { "code": code, "why": why } }));
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

fn known(headers: &HeaderMap) -> bool {
    headers
        .get("authorization")
        .is_some_and(|v| v == &format!("Bearer {TOKEN}"))
}

async fn command(
    State(fake): Shared,
    Query(query): Query<HashMap<String, u64>>,
    headers: HeaderMap,
    Json(command): Json<Value>,
) -> Response {
    if !known(&headers) {
        return error(401, "not-signed-in", "Sign in first.");
    }
    let id = command["id"].as_str().unwrap().to_owned();
    let again = {
        let mut commands = fake.commands.lock().unwrap();
        commands.push((command.clone(), query["wait"]));
        commands
            .iter()
            .filter(|(c, _)| c["id"] == id.as_str())
            .count()
    };
    let answer = |outcome: &str, kind: &str| {
        Json(json!({ "ok": true, "id": id, "outcome": outcome, "call": card(kind, 2) }))
            .into_response()
    };
    // The command's id says what is to happen.
    match id.split('-').next().unwrap() {
        "refused" => error(409, "refused", "Grace Hopper has Rosa Diaz already."),
        "forbidden" => error(
            403,
            "not-allowed",
            "You can look at the board, but not work calls.",
        ),
        "nosuch" => error(404, "unknown-call", "There is no such call."),
        "other" => error(422, "bad-input", "This id was used for another command."),
        "down" => error(503, "unavailable", "The database is not there."),
        "unknown" => answer("unknown", "transferring"),
        "committed" => answer("committed", "transferring"),
        "would" => answer("would", "talking"),
        "lost" => panic!("this connection is dropped on purpose"),
        "lostonce" if again == 1 => panic!("this connection is dropped on purpose"),
        // Sent before: whatever was to happen has happened, and nothing is news.
        "again" => answer("done", "together"),
        "againback" => answer("done", "ringing"),
        // The board comes whole while the command is on its way: its changes were too many.
        "lagged" => {
            let mut board = snapshot(3, "together");
            board["t"] = json!("snapshot");
            fake.news.send(board).unwrap();
            answer("done", "transferring")
        }
        // The server goes away before it is known how it ends, and is back after a while.
        "restart" => {
            fake.away.store(2, Ordering::SeqCst);
            fake.news.send(Value::Null).unwrap();
            answer("done", "transferring")
        }
        way @ ("taken" | "back") => {
            let end = if way == "taken" {
                "together"
            } else {
                "ringing"
            };
            for (rev, kind) in [(2, "transferring"), (3, end)] {
                let delta = json!({ "t": "delta", "epoch": "e1", "rev": rev, "call": card(kind, rev),
                                    "cause": { "kind": "command", "id": id } });
                fake.news.send(delta).unwrap();
            }
            answer("done", "transferring")
        }
        _ => answer("done", "parked"),
    }
}

async fn sent(
    State(fake): Shared,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if !known(&headers) {
        return error(401, "not-signed-in", "Sign in first.");
    }
    let commands = fake.commands.lock().unwrap();
    if commands
        .iter()
        .any(|(c, _)| c["id"] == query["id"].as_str())
    {
        Json(
            json!({ "ok": true, "id": query["id"], "outcome": "done", "call": card("talking", 3) }),
        )
        .into_response()
    } else {
        error(404, "not-found", "You have sent no command under this id.")
    }
}

async fn console(State(fake): Shared, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    if !known(&headers) {
        return error(401, "not-signed-in", "Sign in first.");
    }
    let away = fake
        .away
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    if away.is_ok() {
        fake.back.store(true, Ordering::SeqCst);
        return error(503, "unavailable", "The server is starting.");
    }
    upgrade.on_upgrade(move |socket| follow(fake, socket))
}

async fn follow(fake: Arc<Fake>, mut socket: WebSocket) {
    let mut news = fake.news.subscribe();
    let Some(Ok(Message::Text(hello))) = socket.recv().await else {
        return;
    };
    let hello: Value = serde_json::from_str(&hello).unwrap();
    assert_eq!(hello["t"], "hello");
    let mut say = vec![
        json!({ "t": "welcome", "version": 1, "now": "2026-01-01T00:00:00Z",
                               "me": { "id": "u1", "name": "Ada Lovelace", "role": "operator" } }),
    ];
    let delta = |rev: u64, kind: &str| json!({ "t": "delta", "epoch": "e1", "rev": rev, "call": card(kind, rev), "cause": { "kind": "command", "id": "x" } });
    if hello["since"].is_null() {
        let mut first = if fake.back.load(Ordering::SeqCst) {
            snapshot(3, "together")
        } else {
            snapshot(1, "talking")
        };
        first["t"] = json!("snapshot");
        say.push(first);
    } else {
        // Resumed: what was missed, and goodbye.
        say.extend([
            delta(1, "parked"),
            json!({ "t": "bye", "why": "That is all.", "again": false }),
        ]);
    }
    for message in say {
        let _ = socket.send(Message::text(message.to_string())).await;
    }
    while let Ok(message) = news.recv().await {
        if message.is_null() {
            return;
        }
        if socket
            .send(Message::text(message.to_string()))
            .await
            .is_err()
        {
            return;
        }
    }
}

async fn login(Json(body): Json<Value>) -> Response {
    if body["password"] == "pässword" {
        Json(json!({ "token": TOKEN, "expires": "2026-01-02T00:00:00Z", "me": { "id": "u1", "name": "Ada Lovelace", "role": "operator" } }))
            .into_response()
    } else {
        error(
            401,
            "not-signed-in",
            "This e-mail address and password do not belong together.",
        )
    }
}

async fn start() -> (Arc<Fake>, Environment) {
    let fake = Arc::new(Fake {
        commands: Mutex::default(),
        news: broadcast::channel(16).0,
        away: AtomicU32::new(0),
        back: AtomicBool::new(false),
    });
    let me = |headers: HeaderMap| async move {
        if known(&headers) {
            Json(json!({ "id": "u1", "name": "Ada Lovelace", "role": "operator" })).into_response()
        } else {
            error(401, "not-signed-in", "Sign in first.")
        }
    };
    let router = Router::new()
        .route("/api/login", post(login))
        .route(
            "/api/logout",
            post(|| async { Json(json!({ "ok": true })) }),
        )
        .route("/api/me", get(me))
        .route("/api/board", get(|| async { Json(snapshot(1, "talking")) }))
        .route(
            "/api/calls",
            get(|| async { Json(json!({ "calls": [card("talking", 1)] })) }),
        )
        .route(
            "/api/calls/{id}",
            get(|Path(id): Path<String>| async move {
                if id == call_id() || id.starts_with("CA") {
                    let mut detail = card("talking", 1);
                    detail["talks"] = json!([]);
                    Json(detail).into_response()
                } else {
                    error(404, "unknown-call", "There is no such call.")
                }
            }),
        )
        .route("/api/commands", post(command).get(sent))
        .route("/ws/console", get(console))
        .with_state(fake.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (
        fake,
        Environment {
            url: Some(url),
            token: Some(TOKEN.to_owned().into()),
            ..Environment::default()
        },
    )
}

/// Runs a line in-process: exit code, standard output, standard error.
async fn run(env: &Environment, line: &str) -> (u8, String, String) {
    let cli =
        Cli::try_parse_from(line.split_whitespace()).unwrap_or_else(|e| panic!("{line}\n{e}"));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut to = Out {
        json: cli.common.json,
        out: &mut out,
        err: &mut err,
    };
    let running = cli::run(cli, env, &mut to);
    let exit = tokio::time::timeout(Duration::from_secs(20), running).await;
    let (out, err) = (
        String::from_utf8(out).unwrap(),
        String::from_utf8(err).unwrap(),
    );
    let exit = exit.unwrap_or_else(|_| panic!("{line} did not end\n{out}\n{err}"));
    (exit as u8, out, err)
}

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
    let stranger = Environment {
        token: Some("stale".to_owned().into()),
        ..env.clone()
    };
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
        token: None,
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
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let gone = Environment {
        url: Some(url),
        ..env
    };
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

fn binary(state: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cordboard"));
    command
        // Set and empty, as compose files leave them, is not set.
        .env("CORDBOARD_TWIN", "")
        .env_remove("CORDBOARD_URL")
        .env_remove("CORDBOARD_TOKEN")
        .env("XDG_STATE_HOME", state);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_leaves_a_private_file_and_signing_out_forgets_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_, env) = start().await;
    let url = http_url(env.url.as_deref().unwrap()).unwrap();
    let state = tempfile::tempdir().unwrap();
    let login = |password: &str| {
        let mut child = binary(state.path())
            .args([
                "login",
                "--url",
                url.as_str(),
                "--email",
                "ada@demo.example",
                "--password-stdin",
                "--json",
            ])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{password}").unwrap();
        child.wait_with_output().unwrap()
    };
    let wrong = login("nope");
    assert_eq!(wrong.status.code(), Some(3), "{wrong:?}");
    let right = login("pässword");
    assert_eq!(right.status.code(), Some(0), "{right:?}");
    assert!(
        !String::from_utf8_lossy(&right.stdout).contains(TOKEN),
        "a token is only printed when asked for"
    );
    let file = state.path().join("cordboard/sessions.json");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let run = |verb: &str| binary(state.path()).arg(verb).output().unwrap();
    assert!(
        String::from_utf8_lossy(&run("whoami").stdout).starts_with("Ada Lovelace (u1), operator")
    );
    assert_eq!(
        String::from_utf8_lossy(&run("token").stdout).trim_end(),
        TOKEN
    );
    assert_eq!(run("logout").status.code(), Some(0));
    assert_eq!(run("whoami").status.code(), Some(3));
}

#[test]
fn usage_pipes_and_pages() {
    let state = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| binary(state.path()).args(args).output().unwrap();
    let wrong = run(&["call", "answer", "--json"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert_eq!(
        serde_json::from_slice::<Value>(&wrong.stdout).unwrap()["error"]["code"],
        "usage"
    );
    for none in [
        &["twin", "world"][..],
        &["demo", "--cast", "--url", "http://127.0.0.1:1"],
    ] {
        let said = run(none);
        assert_eq!(said.status.code(), Some(2), "no twin was named: {said:?}");
        let why = String::from_utf8_lossy(&said.stderr);
        assert!(why.starts_with("Say which twin"), "{why}");
    }
    assert_eq!(
        run(&["twin", "--twin", "http://127.0.0.1:1", "world"])
            .status
            .code(),
        Some(4)
    );
    let bad = binary(state.path())
        .args(["twin", "world"])
        .env("CORDBOARD_TWIN", "nowhere")
        .output()
        .unwrap();
    assert_eq!(bad.status.code(), Some(2));
    let why = String::from_utf8_lossy(&bad.stderr);
    assert!(why.starts_with("CORDBOARD_TWIN is not"), "{why}");
    assert_eq!(
        run(&["twin", "world", "--twin", "http://127.0.0.1:1"])
            .status
            .code(),
        Some(4)
    );
    assert_eq!(run(&["--version"]).status.code(), Some(0));

    // A reader that leaves early is no failure.
    let mut child = binary(state.path())
        .args(["completions", "bash"])
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), b"".as_slice())
    );

    let pages = state.path().join("man");
    assert_eq!(
        run(&["man", pages.to_str().unwrap()]).status.code(),
        Some(0)
    );
    let transfer = std::fs::read_to_string(pages.join("cordboard-call-transfer.1")).unwrap();
    assert!(transfer.contains("until"), "{transfer}");
}
