//! Who may what: every route of the API, every message of a socket and every verb of the command line, for every role,
//! against one table. A route, message or verb without a row fails, and so does a row that is not as the server is.

use std::collections::BTreeSet;

use cordboard_core::{
    api::Tokens,
    ids::Timestamp,
    policy::{Permission, Role},
};
use cordboard_tests::backends::{self, TestDatabase};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    kit::{Client, House, newcomer},
    pairing::Line,
};

/// What it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Nothing: whoever comes may ask.
    Nothing,
    /// Being signed in.
    SignIn,
    /// A permission.
    One(Permission),
    /// This permission, or that.
    Either(Permission, Permission),
}

impl Takes {
    pub(super) fn allows(self, role: Role) -> bool {
        let rights = role.rights();
        match self {
            Self::Nothing | Self::SignIn => true,
            Self::One(a) => rights.has(a),
            Self::Either(a, b) => rights.has(a) || rights.has(b),
        }
    }
}

use Permission::{Audit, Board, Calls, Directory, House as Rooms, People, Presence};
use Takes::{Either, Nothing, One, SignIn};

/// Method, path as in the description, what it takes, and a body that can be read. `{me}` in a path is whoever asks.
fn routes() -> Vec<(Method, &'static str, &'static str, Takes, Value)> {
    let get = Method::GET;
    let (post, put, patch, delete) = (Method::POST, Method::PUT, Method::PATCH, Method::DELETE);
    let n = Value::Null;
    let call = "/api/calls/c_00000000000000000000000000";
    let command = json!({ "id": "x", "do": "call", "call": "c_00000000000000000000000000", "intent": "hold" });
    let dial = json!({ "id": "y", "do": "dial", "to": "+14155550132" });
    let queue = json!({ "route": [{ "kind": "queue", "queue": "desk" }] });
    let code = json!({ "code": "BBBB-BBBB-BBBB-BBBB" });
    let join = json!({ "code": "BBBB-BBBB-BBBB-BBBB", "person": newcomer("Eve", "199") });
    vec![
        (get.clone(), "/api/front", "/api/front", Nothing, n.clone()),
        (
            post.clone(),
            "/api/login",
            "/api/login",
            Nothing,
            json!({ "email": "x@example.com", "password": "x" }),
        ),
        (
            post.clone(),
            "/api/token",
            "/api/token",
            Nothing,
            json!({ "refresh": "x" }),
        ),
        (
            post.clone(),
            "/api/setup",
            "/api/setup",
            Nothing,
            join.clone(),
        ),
        (
            post.clone(),
            "/api/invitations/look",
            "/api/invitations/look",
            Nothing,
            code.clone(),
        ),
        (post.clone(), "/api/join", "/api/join", Nothing, join),
        (
            post.clone(),
            "/api/register",
            "/api/register",
            Nothing,
            newcomer("Eve", "199"),
        ),
        (
            post.clone(),
            "/api/password/reset",
            "/api/password/reset",
            Nothing,
            json!({ "code": "BBBB-BBBB-BBBB-BBBB", "password": "another lantern, green" }),
        ),
        (
            post.clone(),
            "/api/pairings/claim",
            "/api/pairings/claim",
            Nothing,
            json!({ "code": "BBBB-BBBB" }),
        ),
        (
            post.clone(),
            "/api/pairings/poll",
            "/api/pairings/poll",
            Nothing,
            json!({ "device_code": "x" }),
        ),
        (
            post.clone(),
            "/api/logout",
            "/api/logout",
            SignIn,
            json!({}),
        ),
        (
            put.clone(),
            "/api/me/password",
            "/api/me/password",
            SignIn,
            json!({ "current": "x", "password": "another lantern, green" }),
        ),
        (get.clone(), "/api/me", "/api/me", SignIn, n.clone()),
        (
            get.clone(),
            "/api/people",
            "/api/people",
            Either(Directory, People),
            n.clone(),
        ),
        (
            get.clone(),
            "/api/people/{id}",
            "/api/people/u1",
            Either(Directory, People),
            n.clone(),
        ),
        (
            get.clone(),
            "/api/people/{id}",
            "/api/people/{me}",
            SignIn,
            n.clone(),
        ),
        (
            patch.clone(),
            "/api/people/{id}",
            "/api/people/u1",
            One(People),
            json!({ "rev": 99, "name": "Eve" }),
        ),
        (
            patch.clone(),
            "/api/people/{id}",
            "/api/people/{me}",
            SignIn,
            json!({ "rev": 99, "name": "Eve" }),
        ),
        (
            patch.clone(),
            "/api/people/{id}",
            "/api/people/{me}",
            One(People),
            json!({ "rev": 99, "role": "read-only" }),
        ),
        (
            patch.clone(),
            "/api/people/{id}",
            "/api/people/{me}",
            One(People),
            json!({ "rev": 99, "grants": [] }),
        ),
        (
            patch.clone(),
            "/api/people/{id}",
            "/api/people/{me}",
            One(People),
            json!({ "rev": 99, "email": "e@example.com" }),
        ),
        (
            patch.clone(),
            "/api/people/{id}",
            "/api/people/{me}",
            One(People),
            json!({ "rev": 99, "extension": "190" }),
        ),
        (
            patch.clone(),
            "/api/people/{id}",
            "/api/people/{me}",
            One(People),
            json!({ "rev": 99, "groups": [] }),
        ),
        (
            patch.clone(),
            "/api/people/{id}",
            "/api/people/{me}",
            One(People),
            json!({ "rev": 99, "active": true }),
        ),
        (
            put.clone(),
            "/api/people/{id}/status",
            "/api/people/u1/status",
            One(Presence),
            json!({ "presence": "available" }),
        ),
        (
            put.clone(),
            "/api/people/{id}/status",
            "/api/people/{me}/status",
            SignIn,
            json!({ "presence": "available" }),
        ),
        (
            post.clone(),
            "/api/people/{id}/reset",
            "/api/people/u1/reset",
            One(People),
            json!({}),
        ),
        (
            get.clone(),
            "/api/people/{id}/sessions",
            "/api/people/u1/sessions",
            One(People),
            n.clone(),
        ),
        // Whoever may not ask is not told who is there.
        (
            get.clone(),
            "/api/people/{id}/sessions",
            "/api/people/u999/sessions",
            One(People),
            n.clone(),
        ),
        (
            get.clone(),
            "/api/people/{id}/sessions",
            "/api/people/{me}/sessions",
            SignIn,
            n.clone(),
        ),
        (
            delete.clone(),
            "/api/people/{id}/sessions",
            "/api/people/{me}/sessions",
            SignIn,
            n.clone(),
        ),
        (
            delete.clone(),
            "/api/people/{id}/sessions",
            "/api/people/u1/sessions",
            One(People),
            n.clone(),
        ),
        (
            delete.clone(),
            "/api/people/{id}/sessions/{session}",
            "/api/people/u1/sessions/0123456789abcdef",
            One(People),
            n.clone(),
        ),
        (
            delete.clone(),
            "/api/people/{id}/sessions/{session}",
            "/api/people/{me}/sessions/0123456789abcdef",
            SignIn,
            n.clone(),
        ),
        (
            get.clone(),
            "/api/invitations",
            "/api/invitations",
            One(People),
            n.clone(),
        ),
        (
            post.clone(),
            "/api/invitations",
            "/api/invitations",
            One(People),
            json!({ "role": "read-only" }),
        ),
        (
            delete.clone(),
            "/api/invitations/{id}",
            "/api/invitations/0123456789abcdef",
            One(People),
            n.clone(),
        ),
        (
            get.clone(),
            "/api/groups",
            "/api/groups",
            One(Board),
            n.clone(),
        ),
        (
            put.clone(),
            "/api/groups/{id}",
            "/api/groups/x",
            One(Rooms),
            json!({ "rev": 99, "name": "X" }),
        ),
        (
            delete.clone(),
            "/api/groups/{id}",
            "/api/groups/x?rev=1",
            One(Rooms),
            n.clone(),
        ),
        (
            get.clone(),
            "/api/slots",
            "/api/slots",
            One(Board),
            n.clone(),
        ),
        (
            put.clone(),
            "/api/slots/{id}",
            "/api/slots/x",
            One(Rooms),
            json!({ "rev": 99, "name": "X" }),
        ),
        (
            delete.clone(),
            "/api/slots/{id}",
            "/api/slots/x?rev=1",
            One(Rooms),
            n.clone(),
        ),
        (
            get.clone(),
            "/api/queues",
            "/api/queues",
            One(Board),
            n.clone(),
        ),
        (
            put.clone(),
            "/api/queues/{id}",
            "/api/queues/x",
            One(Rooms),
            json!({ "rev": 99, "name": "X" }),
        ),
        (
            get.clone(),
            "/api/numbers",
            "/api/numbers",
            One(Board),
            n.clone(),
        ),
        (
            put.clone(),
            "/api/numbers/{number}",
            "/api/numbers/+14155550190",
            One(Rooms),
            queue,
        ),
        (
            delete.clone(),
            "/api/numbers/{number}",
            "/api/numbers/+14155550191?rev=1",
            One(Rooms),
            n.clone(),
        ),
        (get.clone(), "/api/desk", "/api/desk", One(Board), n.clone()),
        (
            patch.clone(),
            "/api/desk",
            "/api/desk",
            One(Rooms),
            json!({ "rev": 99 }),
        ),
        (
            post.clone(),
            "/api/pairings",
            "/api/pairings",
            SignIn,
            json!({}),
        ),
        (
            delete.clone(),
            "/api/pairings/{id}",
            "/api/pairings/0123456789abcdef",
            SignIn,
            n.clone(),
        ),
        (
            post.clone(),
            "/api/pairings/{id}/confirm",
            "/api/pairings/0123456789abcdef/confirm",
            SignIn,
            json!({}),
        ),
        (
            post.clone(),
            "/api/ticket",
            "/api/ticket",
            SignIn,
            json!({}),
        ),
        (get.clone(), "/api/board", "/api/board", SignIn, n.clone()),
        (get.clone(), "/api/calls", "/api/calls", SignIn, n.clone()),
        (get.clone(), "/api/calls/{id}", call, One(Board), n.clone()),
        // Of a call that there is, the door asks again: tests/it/hostile and the machine's own tests hold that.
        (
            post.clone(),
            "/api/commands",
            "/api/commands",
            SignIn,
            command,
        ),
        (post, "/api/commands", "/api/commands", One(Calls), dial),
        (
            get.clone(),
            "/api/commands",
            "/api/commands?id=x",
            SignIn,
            n.clone(),
        ),
        (
            get.clone(),
            "/api/audit",
            "/api/audit",
            One(Audit),
            n.clone(),
        ),
        (
            get,
            "/api/audit/verdict",
            "/api/audit/verdict",
            One(Audit),
            n,
        ),
    ]
}

/// Everybody, one of each role. The administrator is u1.
pub(super) async fn everybody(house: &House) -> Vec<(Role, String)> {
    let mut all = vec![(Role::Admin, "ada@example.com".to_owned())];
    for (role, name, extension) in [
        (Role::Supervisor, "Susan", "102"),
        (Role::Operator, "Otto", "103"),
        (Role::Agent, "Agnes", "104"),
        (Role::ReadOnly, "Wally", "105"),
    ] {
        house.join(name, extension, role.word()).await;
        all.push((role, format!("{}@example.com", name.to_lowercase())));
    }
    all
}

#[test]
fn every_route_that_is_described_has_a_row_and_no_row_is_of_another() {
    let (_, document) = cordboard_server::http::openapi::api();
    let document = serde_json::to_value(&document).unwrap();
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let rows: BTreeSet<(String, String)> = routes()
        .into_iter()
        .map(|(method, path, ..)| (method.to_string(), path.to_owned()))
        .collect();
    let without: Vec<_> = described.difference(&rows).collect();
    let beyond: Vec<_> = rows.difference(&described).collect();
    assert!(
        without.is_empty() && beyond.is_empty(),
        "no row: {without:?}; no route: {beyond:?}"
    );
}

on_both!(every_route_is_open_to_whom_the_table_says_and_to_nobody_else);

async fn every_route_is_open_to_whom_the_table_says_and_to_nobody_else(database: TestDatabase) {
    let house = House::open(database).await;
    let people = everybody(&house).await;
    let mut wrong = Vec::new();
    for (method, row, path, takes, body) in routes() {
        let body = (!body.is_null()).then_some(body);
        if takes != Nothing {
            let said = house
                .anyone
                .ask(method.clone(), &path.replace("{me}", "u1"), body.clone())
                .await;
            if said.status != StatusCode::UNAUTHORIZED {
                wrong.push(format!("{method} {row} for nobody: {}", said.status));
            }
        }
        for (role, email) in &people {
            // Each anew, since some of these end a sign-in.
            let tokens = house.anyone.login(email).await;
            let client = house.anyone.with(&tokens.access);
            let path = path.replace("{me}", &tokens.me.id.to_string());
            let said = client.ask(method.clone(), &path, body.clone()).await;
            let allowed = said.status != StatusCode::FORBIDDEN || takes == Nothing;
            if allowed != takes.allows(*role)
                || (takes != Nothing && said.status == StatusCode::UNAUTHORIZED)
            {
                wrong.push(format!(
                    "{method} {path} for {}: {} {}",
                    role.word(),
                    said.status,
                    said.body["detail"]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Each message of a console and of a page: what it takes, and how it is said.
fn messages() -> Vec<(&'static str, &'static str, Takes, Value)> {
    let call = "c_00000000000000000000000000";
    vec![
        (
            "/ws/console",
            "hello",
            SignIn,
            json!({ "t": "hello", "version": 2 }),
        ),
        (
            "/ws/console",
            "do",
            One(Calls),
            json!({ "t": "do", "id": "z", "do": "dial", "to": "+14155550132" }),
        ),
        ("/ws/console", "resync", SignIn, json!({ "t": "resync" })),
        (
            "/ws/console",
            "page",
            SignIn,
            json!({ "t": "page", "page": "0123456789abcdef", "order": "mute", "on": true }),
        ),
        (
            "/ws/console",
            "ping",
            SignIn,
            json!({ "t": "ping", "n": 7 }),
        ),
        (
            "/ws/phone",
            "hello",
            One(Calls),
            json!({ "t": "hello", "version": 2 }),
        ),
        (
            "/ws/phone",
            "heartbeat",
            One(Calls),
            json!({ "t": "heartbeat", "ready": true }),
        ),
        (
            "/ws/phone",
            "accept",
            One(Calls),
            json!({ "t": "accept", "call": call }),
        ),
        (
            "/ws/phone",
            "decline",
            One(Calls),
            json!({ "t": "decline", "call": call }),
        ),
        (
            "/ws/phone",
            "leave",
            One(Calls),
            json!({ "t": "leave", "call": call }),
        ),
        (
            "/ws/phone",
            "hold",
            One(Calls),
            json!({ "t": "hold", "call": call }),
        ),
        (
            "/ws/phone",
            "resume",
            One(Calls),
            json!({ "t": "resume", "call": call }),
        ),
        ("/ws/phone", "take", One(Calls), json!({ "t": "take" })),
        ("/ws/phone", "token", One(Calls), json!({ "t": "token" })),
    ]
}

#[test]
fn every_message_has_a_row() {
    use cordboard_core::wire::{ClientMsg, PhoneMsg};
    let mut consoles = BTreeSet::new();
    let mut pages = BTreeSet::new();
    for (path, name, _, message) in messages() {
        if path == "/ws/console" {
            let message: ClientMsg = serde_json::from_value(message).unwrap();
            // Every kind there is, so that a new one fails to compile here.
            consoles.insert(match message {
                ClientMsg::Hello { .. } => "hello",
                ClientMsg::Do(_) => "do",
                ClientMsg::Resync => "resync",
                ClientMsg::Page { .. } => "page",
                ClientMsg::Ping { .. } => "ping",
            });
            assert!(consoles.contains(name));
        } else {
            let message: PhoneMsg = serde_json::from_value(message).unwrap();
            pages.insert(match message {
                PhoneMsg::Hello { .. } => "hello",
                PhoneMsg::Heartbeat { .. } => "heartbeat",
                PhoneMsg::Accept { .. } => "accept",
                PhoneMsg::Decline { .. } => "decline",
                PhoneMsg::Leave { .. } => "leave",
                PhoneMsg::Hold { .. } => "hold",
                PhoneMsg::Resume { .. } => "resume",
                PhoneMsg::Take => "take",
                PhoneMsg::Token => "token",
            });
            assert!(pages.contains(name));
        }
    }
    assert_eq!((consoles.len(), pages.len()), (5, 9));
}

async fn heard(house: &House, tokens: &Tokens, path: &str, message: &Value) -> bool {
    let client: Client = house.anyone.with(&tokens.access);
    let bearer = format!("Bearer {}", &*tokens.access);
    if path == "/ws/phone" && !One(Calls).allows(tokens.me.role) {
        return Line::open_with(&client, path, &bearer).await == Err(403);
    }
    let mut line = Line::of(&client, path).await;
    line.say(message.clone()).await;
    match message["t"].as_str().unwrap() {
        "do" => {
            let answer = line
                .until("an answer", |m| m["t"] == "no" || m["t"] == "yes")
                .await;
            (answer["code"] != "not-allowed") == One(Calls).allows(tokens.me.role)
        }
        "ping" => line.until("pong", |m| m["t"] == "pong").await["n"] == 7,
        "resync" => line.until("a snapshot", |m| m["t"] == "snapshot").await["people"].is_array(),
        "page" => line.until("one's own pages", |m| m["t"] == "pages").await["pages"] == json!([]),
        "token" => line.until("a token", |m| m["t"] == "token").await["token"].is_string(),
        "accept" | "decline" | "hold" | "resume" => {
            let answer = line.until("a refusal", |m| m["t"] == "no").await;
            answer["why"] == "There is no such call."
        }
        // Nothing is answered to these; the socket is still there.
        _ => true,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_is_heard_from_whom_the_table_says() {
    let house = Box::pin(House::open(backends::sqlite_file())).await;
    let mut wrong = Vec::new();
    for (role, email) in everybody(&house).await {
        let tokens = house.anyone.login(&email).await;
        for (path, name, _, message) in messages() {
            if !heard(&house, &tokens, path, &message).await {
                wrong.push(format!("{path} {name} for {}", role.word()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_sees_that_there_are_calls_and_not_whose() {
    let house = Box::pin(House::open(backends::sqlite_file())).await;
    let (wall, _) = house.join("Wally", "105", "read-only").await;
    let mut desk = Line::of(&house.ada, "/ws/console").await;
    let mut line = Line::of(&wall, "/ws/console").await;
    line.until("the board", |m| m["t"] == "snapshot").await;
    house.open_number("+14155550100").await;
    house.ring("+14155550132", "+14155550100").await;
    let seen = desk
        .until("the call", |m| m["t"] == "delta" && !m["call"].is_null())
        .await;
    assert_eq!(seen["call"]["caller"]["number"], "+14155550132", "{seen}");
    let seen = line
        .until("the call", |m| m["t"] == "delta" && !m["call"].is_null())
        .await;
    assert!(!seen.to_string().contains("5550132"), "{seen}");
    for path in ["/api/board", "/api/calls"] {
        let said: Value = wall.get(path).await.ok();
        assert_eq!(said["calls"].as_array().unwrap().len(), 1, "{said}");
        assert!(!said.to_string().contains("5550132"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wall_sees_that_somebody_is_away_and_not_why() {
    let house = Box::pin(House::open(backends::sqlite_file())).await;
    let (wall, _) = house.join("Wally", "105", "read-only").await;
    let mut desk = Line::of(&house.ada, "/ws/console").await;
    let mut line = Line::of(&wall, "/ws/console").await;
    let board = line.until("the board", |m| m["t"] == "snapshot").await;
    let since = json!({ "epoch": board["epoch"], "rev": board["rev"] });
    let back = Timestamp::from_millis(house.desk.twin.clock().now_ms() + 3_600_000);
    let status = json!({ "presence": "away", "presence_text": "at the dentist", "back_at": back });
    house
        .ada
        .put("/api/people/u1/status", status)
        .await
        .ok::<Value>();
    // Nothing else has a reason to tell of Ada whether she is away.
    let away = |m: &Value| {
        let people = m["people"].as_array().into_iter().flatten();
        people
            .filter(|p| p["id"] == "u1" && p["presence"] == "away")
            .any(|p| p["back_at"] == json!(back))
    };
    let seen = desk.until("that Ada is away", away).await;
    assert!(seen.to_string().contains("dentist"), "{seen}");
    // As it happens, to whoever was away themselves, and on a whole board.
    let hello = json!({ "t": "hello", "version": 2, "since": since });
    let (mut again, _) = Line::greeted(&wall, "/ws/console", hello).await;
    let seen = again.until("that Ada is away", away).await;
    assert!(!seen.to_string().contains("dentist"), "{seen}");
    let seen = line.until("that Ada is away", away).await;
    assert!(!seen.to_string().contains("dentist"), "{seen}");
    line.say(json!({ "t": "resync" })).await;
    let seen = line.until("the board", |m| m["t"] == "snapshot").await;
    assert!(
        away(&seen) && !seen.to_string().contains("dentist"),
        "{seen}"
    );
    let said: Value = wall.get("/api/board").await.ok();
    assert!(
        away(&said) && !said.to_string().contains("dentist"),
        "{said}"
    );
}
