//! A server with a desk: one call, two people, slots, and commands whose ids say what is to become of them.
//!
//! Read next: `desk.rs`.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::{
        Path, Query, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use cordboard::cli::session::Environment;
use cordboard_core::ids::CallId;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::broadcast};

use crate::kit::{account, at_home, problem, tokens};

pub(crate) const TOKEN: &str = "good-token";

/// What the fake server was sent, and what it is to answer.
pub(crate) struct Fake {
    pub(crate) commands: Mutex<Vec<(Value, u64)>>,
    /// Told to consoles after a command; null cuts them off.
    pub(crate) news: broadcast::Sender<Value>,
    /// How many consoles are turned away, because the server is not there. Whoever comes after them finds the
    /// call taken.
    pub(crate) away: AtomicU32,
    back: AtomicBool,
    /// Where whoever is signed in is kept.
    _home: TempDir,
}

type Shared = State<Arc<Fake>>;

pub(crate) fn call_id() -> String {
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

pub(crate) fn card(kind: &str, rev: u64) -> Value {
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
        return problem(401, "not-signed-in", "Sign in first.");
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
        "refused" => problem(409, "refused", "Grace Hopper has Rosa Diaz already."),
        "forbidden" => problem(
            403,
            "not-allowed",
            "You can look at the board, but not work calls.",
        ),
        "nosuch" => problem(404, "unknown-call", "There is no such call."),
        "other" => problem(422, "bad-input", "This id was used for another command."),
        "down" => problem(503, "unavailable", "The database is not there."),
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
        return problem(401, "not-signed-in", "Sign in first.");
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
        problem(404, "not-found", "You have sent no command under this id.")
    }
}

async fn console(State(fake): Shared, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    if !known(&headers) {
        return problem(401, "not-signed-in", "Sign in first.");
    }
    let away = fake
        .away
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
    if away.is_ok() {
        fake.back.store(true, Ordering::SeqCst);
        return problem(503, "unavailable", "The server is starting.");
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
        json!({ "t": "welcome", "version": 2, "now": "2026-01-01T00:00:00Z",
                               "me": { "id": "u1", "name": "Ada Lovelace", "role": "operator", "rights": ["board", "calls", "desk"] } }),
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

/// The server, and somebody who is signed in there.
pub(crate) async fn start() -> (Arc<Fake>, Environment) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (home, env) = at_home(&url, tokens(TOKEN, "refresh", 600)).await;
    let fake = Arc::new(Fake {
        _home: home,
        commands: Mutex::default(),
        news: broadcast::channel(16).0,
        away: AtomicU32::new(0),
        back: AtomicBool::new(false),
    });
    let me = |headers: HeaderMap| async move {
        if known(&headers) {
            Json(account(1, "101", "Ada Lovelace")).into_response()
        } else {
            problem(401, "not-signed-in", "Sign in first.")
        }
    };
    let router = Router::new()
        .route(
            "/api/token",
            post(|| async { problem(401, "not-signed-in", "This sign-in has ended.") }),
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
                    problem(404, "unknown-call", "There is no such call.")
                }
            }),
        )
        .route("/api/commands", post(command).get(sent))
        .route("/ws/console", get(console))
        .with_state(fake.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (fake, env)
}
