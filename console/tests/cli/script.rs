//! A server that takes down what it is asked, and answers what a test has written into its script.
//!
//! Two things it does by itself: it knows which access tokens are good, and gives out the next for a refresh token
//! as the real one does: each once, the one before only for as long as what came for it was not used; whoever comes
//! with another has a copy, and then the whole sign-in ends.
//!
//! Read next: `renewal.rs`, `people.rs`.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::{Bytes, to_bytes},
    extract::{FromRequestParts, Request, State, WebSocketUpgrade, ws::Message},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use cordboard::cli::session::Environment;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::{broadcast, watch},
};

use crate::kit::{at_home_for, problem, run, tokens};

/// What was asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    /// `GET /api/me`.
    pub(crate) line: String,
    /// The token that came with it.
    pub(crate) bearer: Option<String>,
    /// Null: there was none.
    pub(crate) body: Value,
}

/// The sign-in at the server.
#[derive(Debug, Default)]
struct SignIn {
    /// The number of the token that was given out last.
    generation: u32,
    /// The highest that was used.
    confirmed: u32,
    /// Those that are not good any more, although they are ours.
    stale: Vec<String>,
    ended: bool,
}

pub(crate) struct Script {
    pub(crate) url: String,
    asked: Mutex<Vec<Asked>>,
    answers: Mutex<BTreeMap<String, VecDeque<(u16, Value)>>>,
    sign_in: Mutex<SignIn>,
    /// How many renewals are carried out, and their answers lost.
    lose: Mutex<u32>,
    /// Renewals are not answered before this is true.
    pub(crate) open: watch::Sender<bool>,
    /// Told to consoles; null cuts them off.
    pub(crate) news: broadcast::Sender<Value>,
}

impl Script {
    pub(crate) async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let script = Arc::new(Self {
            url: format!("http://{}/", listener.local_addr().unwrap()),
            asked: Mutex::default(),
            answers: Mutex::default(),
            sign_in: Mutex::new(SignIn {
                generation: 1,
                ..SignIn::default()
            }),
            lose: Mutex::default(),
            open: watch::channel(true).0,
            news: broadcast::channel(16).0,
        });
        let router = Router::new().fallback(answer).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        script
    }

    /// Somebody who signed in so many seconds ago; a token holds for 600.
    pub(crate) async fn signed_in(&self, seconds: i64) -> (TempDir, Environment) {
        at_home_for(&self.url, tokens("access-1", "refresh-1", 600), seconds).await
    }

    /// What is answered to `line`; the last answer again and again.
    pub(crate) fn says(&self, line: &str, status: u16, body: Value) -> &Self {
        let mut answers = self.answers.lock().unwrap();
        let queue = answers.entry(line.to_owned()).or_default();
        queue.push_back((status, body));
        drop(answers);
        self
    }

    /// The access tokens so far are not good any more.
    pub(crate) fn expire(&self) {
        let mut sign_in = self.sign_in.lock().unwrap();
        let now = format!("access-{}", sign_in.generation);
        sign_in.stale.push(now);
    }

    /// The sign-in has ended here.
    pub(crate) fn end(&self) {
        self.sign_in.lock().unwrap().ended = true;
    }

    /// So many renewals are carried out, and their answers lost.
    pub(crate) fn lose(&self, n: u32) {
        *self.lose.lock().unwrap() = n;
    }

    /// What was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// The same without what came along.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|a| a.line).collect()
    }

    fn renew(&self, body: &Value) -> Response {
        let mut sign_in = self.sign_in.lock().unwrap();
        let given = body["refresh"].as_str().unwrap_or_default();
        let n: u32 = given.trim_start_matches("refresh-").parse().unwrap_or(0);
        let known = n == sign_in.generation
            || (n + 1 == sign_in.generation && sign_in.confirmed < sign_in.generation);
        if sign_in.ended || !known {
            sign_in.ended = true;
            return problem(401, "not-signed-in", "This sign-in has ended.");
        }
        sign_in.generation += 1;
        let n = sign_in.generation;
        drop(sign_in);
        let mut lose = self.lose.lock().unwrap();
        if *lose > 0 {
            *lose -= 1;
            drop(lose);
            panic!("this connection is dropped on purpose");
        }
        drop(lose);
        Json(tokens(&format!("access-{n}"), &format!("refresh-{n}"), 600)).into_response()
    }

    fn knows(&self, bearer: Option<&str>) -> bool {
        let mut sign_in = self.sign_in.lock().unwrap();
        let Some(n) = bearer
            .and_then(|b| b.strip_prefix("access-"))
            .and_then(|n| n.parse().ok())
        else {
            return false;
        };
        let bearer = format!("access-{n}");
        let good = !sign_in.ended && n <= sign_in.generation && !sign_in.stale.contains(&bearer);
        if good {
            sign_in.confirmed = sign_in.confirmed.max(n);
        }
        good
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let body: Bytes = to_bytes(body, 1 << 20).await.unwrap();
    let path = parts.uri.path_and_query().unwrap().as_str();
    let line = format!("{} {path}", parts.method);
    let bearer = parts.headers.get("authorization");
    let bearer = bearer.map(|v| v.to_str().unwrap().trim_start_matches("Bearer ").to_owned());
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).unwrap()
    };
    script.asked.lock().unwrap().push(Asked {
        line: line.clone(),
        bearer: bearer.clone(),
        body: body.clone(),
    });
    if line == "POST /api/token" && !script.answers.lock().unwrap().contains_key(&line) {
        let _ = script.open.subscribe().wait_for(|open| *open).await;
        return script.renew(&body);
    }
    let open = [
        "login",
        "setup",
        "join",
        "register",
        "front",
        "password/reset",
        "invitations/look",
        "token",
    ];
    let open = open.map(|p| format!("/api/{p}")).iter().any(|p| p == path);
    if !open && !script.knows(bearer.as_deref()) {
        return problem(401, "not-signed-in", "Sign in first.");
    }
    if path == "/ws/console" {
        let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
        let news = script.news.subscribe();
        return match upgrade {
            Ok(upgrade) => upgrade.on_upgrade(|socket| tell(news, socket)),
            Err(e) => e.into_response(),
        };
    }
    let said = {
        let mut answers = script.answers.lock().unwrap();
        answers.get_mut(&line).map(|queue| {
            if queue.len() > 1 {
                queue.pop_front().unwrap()
            } else {
                queue[0].clone()
            }
        })
    };
    match said {
        Some((429, body)) => {
            let wait = [("retry-after", "7")];
            (StatusCode::TOO_MANY_REQUESTS, wait, Json(body)).into_response()
        }
        Some((status, body)) => (StatusCode::from_u16(status).unwrap(), Json(body)).into_response(),
        None => problem(404, "not-found", &format!("Nothing is written for {line}.")),
    }
}

/// A console: it is welcomed, and told the news.
async fn tell(mut news: broadcast::Receiver<Value>, mut socket: axum::extract::ws::WebSocket) {
    let Some(Ok(Message::Text(hello))) = socket.recv().await else {
        return;
    };
    assert_eq!(serde_json::from_str::<Value>(&hello).unwrap()["t"], "hello");
    let welcome = json!({ "t": "welcome", "version": 2, "now": "2026-01-01T00:00:00Z",
                          "me": { "id": "u1", "name": "Ada Lovelace", "role": "operator", "rights": [] } });
    let _ = socket.send(Message::text(welcome.to_string())).await;
    while let Ok(message) = news.recv().await {
        if message.is_null()
            || socket
                .send(Message::text(message.to_string()))
                .await
                .is_err()
        {
            return;
        }
    }
}

/// What a line did: its exit code, what it printed, and what it asked.
pub(crate) struct Told {
    pub(crate) exit: u8,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) asked: Vec<Asked>,
}

impl Told {
    /// What was asked last.
    pub(crate) fn last(&self) -> &Asked {
        self.asked.last().expect("something was asked")
    }
}

pub(crate) async fn told(script: &Script, env: &Environment, line: &str) -> Told {
    script.asked();
    let (exit, out, err) = run(env, line).await;
    Told {
        exit,
        out,
        err,
        asked: script.asked(),
    }
}
