//! How a line is run, and what servers here say.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use clap::Parser as _;
use cordboard::cli::{
    self, Out,
    args::{Cli, http_url},
    now,
    session::Environment,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A refusal, as ours are (RFC 9457).
pub(crate) fn refusal(status: u16, code: &str, detail: &str) -> Value {
    json!({ "type": "about:blank", "title": "No", "status": status, "detail": detail, "code": code })
}

pub(crate) fn problem(status: u16, code: &str, detail: &str) -> Response {
    let body = Json(refusal(status, code, detail));
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

/// A sign-in as the server gives it.
pub(crate) fn tokens(access: &str, refresh: &str, expires_in: u32) -> Value {
    json!({
        "access": access, "refresh": refresh, "expires_in": expires_in, "session": "00000000000000a1",
        "me": { "id": "u1", "name": "Ada Lovelace", "role": "operator", "rights": ["board", "calls", "desk"] },
    })
}

pub(crate) fn account(id: u32, extension: &str, name: &str) -> Value {
    json!({
        "id": format!("u{id}"), "rev": 3, "name": name, "email": format!("p{id}@demo.example"), "extension": extension,
        "role": "operator", "grants": [], "fallback": null, "languages": ["en"], "groups": ["sales"],
        "status": { "presence": "available" }, "active": true, "pending": false, "since": "2026-01-01T00:00:00.000Z",
    })
}

/// Somebody who has signed in at `url` just now, and the home that this is kept in.
pub(crate) async fn at_home(url: &str, tokens: Value) -> (TempDir, Environment) {
    at_home_for(url, tokens, 0).await
}

/// The same, so many seconds ago.
pub(crate) async fn at_home_for(url: &str, tokens: Value, seconds: i64) -> (TempDir, Environment) {
    let home = tempfile::tempdir().unwrap();
    let env = Environment {
        url: Some(url.to_owned()),
        file: Some(home.path().join("cordboard/sessions.json")),
        ..Environment::default()
    };
    let tokens = serde_json::from_value(tokens).unwrap();
    let asked = now().plus(-seconds * 1_000);
    env.keep(&http_url(url).unwrap(), tokens, asked)
        .await
        .unwrap();
    (home, env)
}

/// Runs a line in-process: exit code, standard output, standard error.
pub(crate) async fn run(env: &Environment, line: &str) -> (u8, String, String) {
    let words: Vec<String> = line
        .split_whitespace()
        .map(|w| w.replace('␣', " "))
        .collect();
    let cli = Cli::try_parse_from(words).unwrap_or_else(|e| panic!("{line}\n{e}"));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut to = Out {
        json: cli.common.json,
        terminal: false,
        out: &mut out,
        err: &mut err,
    };
    let running = Box::pin(cli::run(cli, env, &mut to));
    let exit = tokio::time::timeout(Duration::from_secs(20), running).await;
    let (out, err) = (
        String::from_utf8(out).unwrap(),
        String::from_utf8(err).unwrap(),
    );
    let exit = exit.unwrap_or_else(|_| panic!("{line} did not end\n{out}\n{err}"));
    (exit as u8, out, err)
}

/// The binary, with a home of its own.
pub(crate) fn binary(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cordboard"));
    command
        // Set and empty, as compose files leave them, is not set.
        .env("CORDBOARD_TWIN", "")
        .env_remove("CORDBOARD_URL")
        .env("XDG_STATE_HOME", state);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}
