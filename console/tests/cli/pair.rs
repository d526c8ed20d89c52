//! `pair`: the code, the page that names it, and letting it in.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    kit::{read, refusal},
    script::{Script, told},
    terminal::Terminal,
};

const PAIRING: &str = "00000000000000c1";

fn asks(pairing: &str) -> Value {
    json!({ "t": "pairing", "asks": { "pairing": pairing, "device": "Firefox on Linux", "address": "10.0.0.7", "check": "42",
            "until": "2026-01-01T00:10:00.000Z" } })
}

async fn house(
    expires_in: u32,
) -> (
    tempfile::TempDir,
    std::sync::Arc<Script>,
    cordboard::cli::session::Environment,
) {
    house_at("https://desk.example/phone", expires_in).await
}

async fn house_at(
    address: &str,
    expires_in: u32,
) -> (
    tempfile::TempDir,
    std::sync::Arc<Script>,
    cordboard::cli::session::Environment,
) {
    let script = Script::start().await;
    let made = json!({ "id": PAIRING, "code": "WDJB-MJHT", "link": format!("{address}#WDJB-MJHT"), "expires_in": expires_in });
    script
        .says("POST /api/pairings", 201, made)
        .says(
            &format!("POST /api/pairings/{PAIRING}/confirm"),
            200,
            json!({}),
        )
        .says(&format!("DELETE /api/pairings/{PAIRING}"), 200, json!({}));
    let (home, env) = script.signed_in(0).await;
    (home, script, env)
}

/// Says something to the console that waits.
async fn news(script: &Script, messages: &[Value]) {
    let there = async {
        while script.news.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
    };
    let limit = Duration::from_secs(20);
    tokio::time::timeout(limit, there).await.expect("a console");
    for message in messages {
        script.news.send(message.clone()).unwrap();
    }
}

#[tokio::test]
async fn the_page_that_names_the_code_is_let_in() {
    let (_home, script, env) = house(600).await;
    // One of another console of ours, then none, then the one.
    let other = asks("00000000000000c2");
    let none = json!({ "t": "pairing", "asks": null });
    let pulse = json!({ "t": "pulse", "epoch": "e", "rev": 1, "digest": "0", "now": "2026-01-01T00:00:00Z" });
    let messages = [other, none, pulse, asks(PAIRING)];
    let (told, ()) = tokio::join!(
        told(&script, &env, "cordboard pair --yes --json"),
        news(&script, &messages)
    );
    assert_eq!(told.exit, 0, "{}", told.err);
    let lines: Vec<Value> = told.out.lines().map(read).collect();
    assert_eq!(lines[0]["pairing"]["code"], "WDJB-MJHT");
    assert_eq!(lines[1]["asks"]["check"], "42");
    assert_eq!(
        (&lines[2]["ok"], &lines[2]["paired"]["device"]),
        (&json!(true), &json!("Firefox on Linux"))
    );
    let asked: Vec<&str> = told.asked.iter().map(|a| a.line.as_str()).collect();
    let confirm = format!("POST /api/pairings/{PAIRING}/confirm");
    assert_eq!(
        asked,
        ["GET /ws/console", "POST /api/pairings", &confirm],
        "heard before the code is out"
    );
}

#[tokio::test]
async fn a_code_that_nobody_names_runs_out_and_is_taken_back() {
    let (_home, script, env) = house(1).await;
    let told = told(&script, &env, "cordboard pair --yes").await;
    assert_eq!(told.exit, 1, "{}", told.err);
    assert!(
        told.out.contains("https://desk.example/phone#WDJB-MJHT") && told.out.contains("a minute"),
        "{}",
        told.out
    );
    assert!(told.err.contains("run out"), "{}", told.err);
    assert_eq!(told.last().line, format!("DELETE /api/pairings/{PAIRING}"));
}

#[tokio::test]
async fn a_page_can_name_the_code_after_the_server_was_away() {
    let (_home, script, env) = house(600).await;
    let telling = async {
        news(&script, &[Value::Null]).await;
        let gone = async {
            while script.news.receiver_count() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone)
            .await
            .expect("the end");
        news(&script, &[asks(PAIRING)]).await;
    };
    let (told, ()) = tokio::join!(told(&script, &env, "cordboard pair --yes"), telling);
    assert_eq!(told.exit, 0, "{}", told.err);
    assert!(
        told.out.contains("Firefox on Linux is paired"),
        "{}",
        told.out
    );
}

#[tokio::test]
async fn nobody_is_let_in_where_nobody_can_be_asked_or_the_server_says_no() {
    let (_home, script, env) = house(600).await;
    // A test has no terminal for its standard input, unless somebody runs it by hand.
    if !std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        let told = told(&script, &env, "cordboard pair").await;
        assert_eq!((told.exit, told.asked.len()), (2, 0), "{}", told.err);
    }
    let script = Script::start().await;
    script.says(
        "POST /api/pairings",
        403,
        refusal(403, "not-allowed", "Only a console can be paired."),
    );
    let (_home, env) = script.signed_in(0).await;
    assert_eq!(told(&script, &env, "cordboard pair --yes").await.exit, 3);
}

#[tokio::test]
async fn a_link_without_a_microphone_is_not_printed_but_the_way_to_one_is() {
    let (_home, script, env) = house_at("http://desk.lan:8080/phone", 1).await;
    let told = told(&script, &env, "cordboard pair --yes").await;
    assert!(!told.out.contains("http://desk.lan"), "{}", told.out);
    for part in [
        "CORDBOARD_PUBLIC_URL=https://…",
        "ssh -L 8080:127.0.0.1:8080 desk.lan",
        "http://localhost:8080/phone",
        "WDJB-MJHT",
    ] {
        assert!(told.out.contains(part), "{part}: {}", told.out);
    }
}

#[tokio::test]
async fn a_link_of_this_machine_is_printed_with_that_it_is_one() {
    let (_home, script, env) = house_at("http://localhost:8080/phone", 1).await;
    let told = told(&script, &env, "cordboard pair --yes").await;
    for part in [
        "Open http://localhost:8080/phone#WDJB-MJHT",
        "this machine only",
    ] {
        assert!(told.out.contains(part), "{part}: {}", told.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_a_picture_on_a_terminal_and_nowhere_else() {
    let (home, script, env) = house(1).await;
    // Black on white, whatever the terminal's colours are.
    let paper = "\x1b[30;107m";
    let told = told(&script, &env, "cordboard pair --yes").await;
    assert!(!told.out.contains(paper), "{}", told.out);

    let mut terminal = Terminal::start(home.path(), "cordboard pair --yes; echo the end");
    terminal.wait(paper);
    terminal.wait("Open https://desk.example/phone#WDJB-MJHT");
    terminal.wait("the end");
    let mut terminal = Terminal::start(home.path(), "cordboard pair --yes --json; echo the end");
    let seen = terminal.wait("the end");
    assert!(
        seen.contains("WDJB-MJHT") && !seen.contains(paper),
        "{seen}"
    );

    let (home, _script, _env) = house_at("http://127.0.0.1:8080/phone", 1).await;
    let mut terminal = Terminal::start(home.path(), "cordboard pair --yes; echo the end");
    let seen = terminal.wait("the end");
    assert!(
        seen.contains("this machine only") && !seen.contains(paper),
        "{seen}"
    );
}
