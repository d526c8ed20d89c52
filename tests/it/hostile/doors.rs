//! The doors that face strangers: sockets, tokens, and the sign-in.
//!
//! What does not belong is told so and shut out, and whoever is inside notices nothing. Read next: `scene.rs`.

use std::time::Duration;

use cordboard_core::ids::UserId;
use cordboard_server::{
    auth::{Bearer, Keys},
    seed::DEMO_PASSWORD,
};
use futures_util::SinkExt as _;
use reqwest::StatusCode;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::{self, Message};

use super::{
    ADA,
    scene::{Scene, clean, now},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_talks_nonsense_is_closed_with_a_sentence_and_hurts_nobody() {
    let scene = Scene::open(64).await;
    let token = scene.token(ADA).await;
    let mut honest = scene.socket("/ws/console", &token).await.unwrap();
    honest.say(&json!({"t": "hello", "version": 2})).await;
    honest.hear("snapshot").await;

    let first_words = [
        (Message::text("hello"), "hello"),
        (Message::text(r#"{"t":"ping","n":1}"#), "hello"),
        (Message::text(r#"{"t":"explode"}"#), "hello"),
        (Message::binary(vec![0xff; 100]), "hello"),
        (
            Message::text(r#"{"t":"hello","version":0}"#),
            "console is older",
        ),
        (
            Message::text(r#"{"t":"hello","version":4294967295}"#),
            "server is older",
        ),
    ];
    for (message, sentence) in first_words {
        let mut line = scene.socket("/ws/console", &token).await.unwrap();
        line.0.send(message.clone()).await.unwrap();
        let words = line.last_words().await;
        let [bye] = words.as_slice() else {
            panic!("{message}: not one last word: {words:?}")
        };
        assert_eq!(
            (bye["t"].as_str(), bye["again"].as_bool()),
            (Some("bye"), Some(false)),
            "{bye}"
        );
        assert!(
            bye["why"].as_str().unwrap().contains(sentence),
            "{message}: {bye}"
        );
        let mut line = scene.socket("/ws/phone", &token).await.unwrap();
        line.0.send(message).await.unwrap();
        assert_eq!(line.last_words().await.last().unwrap()["t"], "bye");
    }
    // After a hello: a kind that nobody knows, no JSON, and a text that is no text, each with escape sequences
    // in it.
    for nonsense in [
        r#"{"t":"\u001b[2Jexplode"}"#,
        "\u{1b}[2J",
        r#"{"t":"do","id":"x","do":"call","call":"\u001b","intent":"hold"}"#,
    ] {
        for path in ["/ws/console", "/ws/phone"] {
            let mut line = scene.socket(path, &token).await.unwrap();
            line.say(&json!({"t": "hello", "version": 2})).await;
            line.0.send(Message::text(nonsense)).await.unwrap();
            let words = line.last_words().await;
            let bye = words.last().unwrap();
            assert_eq!(bye["t"], "bye", "{path} {nonsense}");
            assert!(clean(bye), "{bye:?}");
        }
    }
    // A frame of a megabyte, and bytes that are no frames at all.
    let mut line = scene.socket("/ws/console", &token).await.unwrap();
    line.say(&json!({"t": "hello", "version": 2})).await;
    // The server may have closed before all of it was sent.
    let _ = line.0.send(Message::text("x".repeat(1 << 20))).await;
    line.last_words().await;
    for garbage in [
        &[0xff_u8; 64][..],
        &[0x81, 0x05, b'h', b'e', b'l', b'l', b'o'],
        &[0xc1, 0x80, 0, 0, 0, 0],
        &[
            0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
        ],
    ] {
        let mut raw = TcpStream::connect(scene.desk.server.addr).await.unwrap();
        let upgrade = format!(
            "GET /ws/console HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            scene.desk.server.addr
        );
        raw.write_all(upgrade.as_bytes()).await.unwrap();
        raw.write_all(garbage).await.unwrap();
        let mut answer = Vec::new();
        let closed =
            tokio::time::timeout(Duration::from_secs(8), raw.read_to_end(&mut answer)).await;
        assert!(
            closed.is_ok(),
            "never: the server closes after {garbage:02x?}"
        );
        assert!(
            answer.starts_with(b"HTTP/1.1 101"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    // Nothing at all.
    let began = now();
    let silent = scene.socket("/ws/console", &token).await.unwrap();
    silent.last_words().await;
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );

    honest.say(&json!({"t": "ping", "n": 7})).await;
    assert_eq!(honest.hear("pong").await["n"], 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_forged_or_too_old_opens_nothing() {
    let scene = Scene::open(64).await;
    let today = scene.desk.server.exchange.clock().now();
    let keys = scene.desk.server.exchange.keys();
    let good = scene.token(ADA).await;
    assert_eq!(scene.get(&good, "/api/me").await.0, StatusCode::OK);
    let ada = keys.bearer(&good, today).unwrap();
    let old = keys.access(&ada, today.plus(-3_600_000)).unwrap();
    let stranger = Bearer {
        user: UserId(4_000_000),
        ..ada.clone()
    };
    let stranger = keys.access(&stranger, today).unwrap();
    let others = Keys::new(&"another secret, which is long enough for one".into(), None);
    let forged = others.access(&ada, today).unwrap();
    let (head, tail) = good.rsplit_once('.').unwrap();
    let cut = format!("{head}.");
    let turned = format!("{head}.{}", tail.chars().rev().collect::<String>());
    // {"alg":"none"} {"iss":"cordboard","aud":"cordboard","sub":"u1","iat":0,"exp":9999999999}
    let none = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJjb3JkYm9hcmQiLCJhdWQiOiJjb3JkYm9hcmQiLCJzdWIiOiJ1MSIsImlhdCI6MCwiZXhwIjo5OTk5OTk5OTk5fQ.";
    for token in [
        &*old,
        &stranger,
        &forged,
        &cut,
        &turned,
        none,
        "",
        "x",
        &"x".repeat(4_000),
    ] {
        for path in ["/api/me", "/api/board", "/api/calls", "/api/calls/c_1"] {
            let (status, text) = scene.get(token, path).await;
            assert_eq!(
                status,
                StatusCode::UNAUTHORIZED,
                "{path} with {token}: {text}"
            );
        }
        let dial = json!({"id": "x", "do": "dial", "to": "911"});
        assert_eq!(
            scene.command(token, 0, &dial).await.0,
            StatusCode::UNAUTHORIZED
        );
        for path in ["/ws/console", "/ws/phone"] {
            match scene.socket(path, token).await {
                Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status().as_u16(), 401),
                Err(other) => panic!("{path}: {other}"),
                Ok(_) => panic!("{path} was opened with {token}"),
            }
        }
    }
}

/// Somebody who guesses passwords gets a "later"; whoever has a token works on, and an honest sign-in comes
/// through.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_of_sign_ins_is_turned_away_at_the_door() {
    let scene = Scene::open(8 * 1024).await;
    let token = scene.token(ADA).await;
    let guess = json!({"email": "ada@demo.example", "password": "guess"});
    let flood = (0..200).map(async |_| {
        let request = scene.http.post(scene.at("/api/login")).json(&guess);
        request.send().await.unwrap().status()
    });
    let work = async {
        let began = now();
        for _ in 0..20 {
            assert_eq!(scene.get(&token, "/api/me").await.0, StatusCode::OK);
        }
        began.elapsed()
    };
    let (flood, work) = tokio::join!(futures_util::future::join_all(flood), work);
    let count = |status| flood.iter().filter(|s| **s == status).count();
    let (wrong, later) = (
        count(StatusCode::UNAUTHORIZED),
        count(StatusCode::TOO_MANY_REQUESTS),
    );
    println!(
        "{wrong} were checked, {later} turned away; twenty requests beside them took {work:?}"
    );
    assert_eq!(wrong + later, 200, "{flood:?}");
    assert!(later > 0, "nobody was turned away");
    // Where the flood came from, Ada waits as it does; anywhere else, she does not. (The harness counts as a proxy.)
    let right = json!({"email": ADA, "password": DEMO_PASSWORD});
    let request = scene.http.post(scene.at("/api/login")).json(&right);
    let request = request.header("x-forwarded-for", "198.51.100.7");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
}
