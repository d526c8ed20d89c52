//! Coming in and going out: login, join, register, reset, password, admin create, logout, whoami, token.

use std::io::Write as _;

use cordboard::cli::session::Environment;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{
    kit::{account, at_home, binary, read, refusal, tokens},
    script::{Script, told},
};

/// Runs the binary with lines on its standard input.
async fn fed(home: &TempDir, args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = binary(home.path());
    command.args(args).stdin(std::process::Stdio::piped());
    let input = input.to_owned();
    let ended = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        // One that refuses before it reads has closed its end.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    });
    let ended = ended.await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        ended.status.code(),
        text(&ended.stdout),
        text(&ended.stderr),
    )
}

fn file(home: &TempDir) -> Value {
    let path = home.path().join("cordboard/sessions.json");
    std::fs::read_to_string(path).map_or(Value::Null, |text| read(&text))
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_leaves_a_file_and_signing_out_tells_the_server() {
    let script = Script::start().await;
    let wrong = "This e-mail address and password do not belong together.";
    script
        .says("POST /api/login", 401, refusal(401, "not-signed-in", wrong))
        .says("POST /api/login", 200, tokens("access-1", "refresh-1", 600))
        .says("GET /api/me", 200, account(1, "101", "Ada Lovelace"))
        .says("POST /api/logout", 200, json!({}));
    let home = tempfile::tempdir().unwrap();
    let args = [
        "login",
        "--url",
        &script.url,
        "--email",
        " ada@demo.example",
        "--password-stdin",
        "--json",
    ];
    let (exit, out, err) = fed(&home, &args, "nope\n").await;
    assert_eq!((exit, err.trim_end()), (Some(3), wrong));
    assert_eq!(
        read(&out)["error"],
        json!({ "code": "not-signed-in", "why": wrong })
    );
    assert_eq!(file(&home), Value::Null);

    script.asked();
    let (exit, out, err) = fed(&home, &args, "pässword\r\n").await;
    assert_eq!(exit, Some(0), "{err}");
    assert!(
        !out.contains("access-1") && !out.contains("refresh-1"),
        "a token is only printed when asked for"
    );
    let said = read(&out);
    assert_eq!(
        (&said["ok"], &said["me"]["name"]),
        (&json!(true), &json!("Ada Lovelace"))
    );
    let sent = script.asked()[0].body.clone();
    assert_eq!(
        (&sent["email"], &sent["password"], &sent["kind"]),
        (
            &json!("ada@demo.example"),
            &json!("pässword"),
            &json!("console")
        )
    );
    assert!(
        sent["device"].as_str().unwrap().starts_with("Cordboard"),
        "{sent}"
    );
    let kept = &file(&home)["at"][&script.url];
    assert_eq!(
        (&kept["session"], &kept["user"]),
        (&json!("00000000000000a1"), &json!("u1"))
    );

    let (_, out, _) = fed(&home, &["whoami"], "").await;
    assert!(
        out.starts_with("Ada Lovelace (u1), operator, at http"),
        "{out}"
    );
    assert!(out.contains("may: board, calls, desk"), "{out}");
    let (_, out, _) = fed(&home, &["whoami", "--json"], "").await;
    let me = read(&out);
    assert_eq!(
        (&me["id"], &me["rights"]),
        (&json!("u1"), &json!(["board", "calls", "desk"]))
    );
    assert_eq!(
        (&me["role"], &me["extension"]),
        (&json!("operator"), &json!("101"))
    );
    assert_eq!(fed(&home, &["token"], "").await.1, "access-1\n");
    let (_, out, _) = fed(&home, &["token", "--json"], "").await;
    assert!(
        (1..=600).contains(&read(&out)["expires_in"].as_u64().unwrap()),
        "{out}"
    );

    script.asked();
    let (exit, out, err) = fed(&home, &["logout"], "").await;
    assert_eq!(exit, Some(0), "{err}");
    assert!(out.contains("here, and at the server"), "{out}");
    let asked = script.asked();
    assert_eq!(
        (&*asked[0].line, asked[0].bearer.as_deref()),
        ("POST /api/logout", Some("access-1"))
    );
    assert_eq!(file(&home)["at"], json!({}));
    for verb in ["whoami", "logout"] {
        assert_eq!(fed(&home, &[verb], "").await.0, Some(3), "{verb}");
    }
}

#[tokio::test]
async fn whoever_signs_out_is_forgotten_here_even_if_nobody_can_be_told() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let (_home, env) = at_home(&url, tokens("access-1", "refresh-1", 600)).await;
    let (exit, out, err) = crate::kit::run(&env, "cordboard logout --json").await;
    assert_eq!(exit, 4);
    assert!(
        err.contains("signed out here") && err.contains("it does not know"),
        "{err}"
    );
    let said = read(&out);
    assert_eq!(
        (&said["error"]["code"], &said["forgotten"]),
        (&json!("unreachable"), &json!(true))
    );
    let kept = std::fs::read_to_string(env.file.as_ref().unwrap()).unwrap();
    assert!(!kept.contains("refresh-1"), "{kept}");

    // One whose token has run out is renewed once more, in memory, to be ended.
    let script = Script::start().await;
    script.says("POST /api/logout", 200, json!({}));
    let (_home, env) = script.signed_in(601).await;
    let out_of_time = told(&script, &env, "cordboard logout").await;
    assert_eq!(out_of_time.exit, 0, "{}", out_of_time.err);
    let lines: Vec<&str> = out_of_time.asked.iter().map(|a| a.line.as_str()).collect();
    assert_eq!(lines, ["POST /api/token", "POST /api/logout"]);
    let kept = std::fs::read_to_string(env.file.as_ref().unwrap()).unwrap();
    assert!(!kept.contains("refresh-"), "{kept}");

    // One that has ended there is only forgotten here.
    let (_home, env) = script.signed_in(0).await;
    script.end();
    assert_eq!(told(&script, &env, "cordboard logout").await.exit, 0);
}

fn seen(name: &str, email: Option<&str>, extension: Option<&str>) -> Value {
    json!({ "role": "operator", "name": name, "email": email, "extension": extension, "expires": "2026-02-01T00:00:00Z" })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_taken_with_what_it_knows_and_what_is_said() {
    let script = Script::start().await;
    let grace = seen("Grace Hopper", Some("grace@demo.example"), Some("102"));
    script.says("POST /api/invitations/look", 200, grace).says(
        "POST /api/join",
        200,
        tokens("access-1", "refresh-1", 600),
    );
    let home = tempfile::tempdir().unwrap();
    let link = format!("{}join#WDJB-MJHT", script.url);
    let (exit, out, err) = fed(
        &home,
        &["join", &link, "--password-stdin"],
        "a long password\n",
    )
    .await;
    assert_eq!(exit, Some(0), "{err}");
    assert!(out.starts_with("Signed in at http"), "{out}");
    let asked = script.asked();
    assert_eq!(asked[0].body, json!({ "code": "WDJB-MJHT" }));
    let mut sent = asked[1].body.clone();
    assert!(sent["person"]["device"].take().is_string());
    assert_eq!(
        sent,
        json!({ "code": "WDJB-MJHT", "person": { "name": "Grace Hopper", "email": "grace@demo.example",
                "password": "a long password", "extension": "102", "device": null } })
    );
    assert_eq!(file(&home)["current"], script.url.as_str());

    // What is said goes before what is known, and what nobody knows has to be said.
    let anybody = seen("", None, None);
    let script = Script::start().await;
    let taken = json!({ "type": "about:blank", "title": "No", "status": 422, "code": "bad-input", "detail": "Two fields are wrong.",
        "errors": [{ "field": "person.extension", "why": "101 is taken." }, { "field": "person.password", "why": "It is too easy\u{1b}[2J." }] });
    script
        .says("POST /api/invitations/look", 200, anybody)
        .says("POST /api/join", 422, taken);
    let args = [
        "join",
        "CODE",
        "--url",
        &script.url,
        "--password-stdin",
        "--json",
        "--name",
        "Ada",
        "--email",
        "a@b.example",
    ];
    let (exit, out, _) = fed(&home, &args, "a long password\n").await;
    assert_eq!(exit, Some(2));
    assert!(
        read(&out)["error"]["why"]
            .as_str()
            .unwrap()
            .contains("--extension"),
        "{out}"
    );
    let mut args = args.to_vec();
    args.extend(["--extension", "101"]);
    let (exit, out, err) = fed(&home, &args, "a long password\n").await;
    assert_eq!(exit, Some(1));
    assert_eq!(
        err.lines().collect::<Vec<_>>(),
        [
            "Two fields are wrong.",
            "person.extension: 101 is taken.",
            "person.password: It is too easy [2J."
        ]
    );
    let said = read(&out);
    assert_eq!(
        said["error"],
        json!({ "code": "bad-input", "why": "Two fields are wrong." })
    );
    assert_eq!(
        said["errors"][0],
        json!({ "field": "person.extension", "why": "101 is taken." })
    );

    let bad = ["join", "https://desk.example/phone#X"];
    assert_eq!(fed(&home, &bad, "").await.0, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_administrator_registering_and_resetting() {
    let script = Script::start().await;
    script
        .says("POST /api/setup", 200, tokens("access-1", "refresh-1", 600))
        .says("POST /api/register", 202, json!({}))
        .says(
            "POST /api/password/reset",
            200,
            tokens("access-1", "refresh-1", 600),
        );
    let home = tempfile::tempdir().unwrap();
    let who = [
        "--name",
        "Ada Lovelace",
        "--email",
        "ada@demo.example",
        "--extension",
        "101",
        "--password-stdin",
    ];
    let person = |device: Value| json!({ "name": "Ada Lovelace", "email": "ada@demo.example", "extension": "101", "password": "a long password", "device": device });
    let mut args = vec!["admin", "create", "--url", &script.url, "--code", "SETUP"];
    args.extend(who);
    let (exit, _, err) = fed(&home, &args, "a long password\n").await;
    assert_eq!(exit, Some(0), "{err}");
    let mut sent = script.asked().pop().unwrap();
    let device = sent.body["person"]["device"].take();
    assert_eq!(
        (sent.line.as_str(), &sent.body),
        (
            "POST /api/setup",
            &json!({ "code": "SETUP", "person": person(Value::Null) })
        )
    );
    assert!(device.as_str().unwrap().starts_with("Cordboard"));
    assert_eq!(file(&home)["at"][&script.url]["refresh"], "refresh-1");

    let other = tempfile::tempdir().unwrap();
    let mut args = vec!["register", "--json", "--url", &script.url];
    args.extend(who);
    let (exit, out, err) = fed(&other, &args, "a long password\n").await;
    assert_eq!(exit, Some(0), "{err}");
    assert_eq!(read(&out)["pending"], true);
    let mut sent = script.asked().pop().unwrap();
    sent.body["device"].take();
    assert_eq!(
        (sent.line.as_str(), sent.body),
        ("POST /api/register", person(Value::Null))
    );
    assert_eq!(file(&other), Value::Null, "nobody is signed in by that");

    let args = ["reset", "WDJB", "--url", &script.url, "--password-stdin"];
    let (exit, _, err) = fed(&other, &args, "another password\n").await;
    assert_eq!(exit, Some(0), "{err}");
    let sent = script.asked().pop().unwrap();
    assert_eq!(
        sent.body,
        json!({ "code": "WDJB", "password": "another password" })
    );
    assert_eq!(file(&other)["at"][&script.url]["refresh"], "refresh-1");

    // Without a server there is nobody to ask.
    let nowhere = tempfile::tempdir().unwrap();
    for args in [
        &["login"][..],
        &["register"],
        &["reset", "X"],
        &["join", "X"],
        &["admin", "create"],
    ] {
        let (exit, _, err) = fed(&nowhere, args, "").await;
        assert_eq!(exit, Some(2), "{args:?}: {err}");
        assert!(
            err.starts_with("Say where: cordboard ") && err.contains("--url"),
            "{err}"
        );
    }
    // And without a terminal nobody can be asked.
    let (exit, _, err) = fed(&nowhere, &["login", "--url", &script.url], "").await;
    assert_eq!(exit, Some(2));
    assert!(err.contains("no terminal"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_changed_with_the_one_before() {
    let script = Script::start().await;
    script.says("PUT /api/me/password", 200, json!({}));
    let (home, _) = script.signed_in(0).await;
    let args = [
        "password",
        "--url",
        &script.url,
        "--password-stdin",
        "--json",
    ];
    let (exit, out, err) = fed(&home, &args, "the old one\nthe new one, longer\n").await;
    assert_eq!(exit, Some(0), "{err}");
    assert_eq!(read(&out), json!({ "ok": true }));
    let sent = script.asked().pop().unwrap();
    assert_eq!(
        sent.body,
        json!({ "current": "the old one", "password": "the new one, longer" })
    );
    let (exit, _, err) = fed(&home, &args, "only one\n").await;
    assert_eq!(exit, Some(2), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_throttled_is_told_for_how_long() {
    let script = Script::start().await;
    let often = "Too many wrong passwords. Try again in 7 s.";
    script.says("POST /api/login", 429, refusal(429, "too-many", often));
    let home = tempfile::tempdir().unwrap();
    let args = [
        "login",
        "--url",
        &script.url,
        "--email",
        "a@b.example",
        "--password-stdin",
        "--json",
    ];
    let (exit, out, err) = fed(&home, &args, "guess\n").await;
    assert_eq!((exit, err.trim_end()), (Some(1), often));
    let said = read(&out);
    assert_eq!(said["error"]["code"], "too-many");
    assert_eq!(said["retry_after"], 7);
}

#[tokio::test]
async fn nobody_writes_down_who_they_are_where_nobody_can_come_in() {
    let script = Script::start().await;
    let env = Environment {
        url: Some(script.url.clone()),
        ..Environment::default()
    };
    let front = json!({ "setup": false, "registration": false });
    script.says("GET /api/front", 200, front);
    let closed = told(&script, &env, "cordboard register").await;
    assert_eq!(closed.exit, 3);
    assert!(closed.err.contains("invite you"), "{}", closed.err);
    let closed = told(&script, &env, "cordboard admin create --json").await;
    let said = read(&closed.out);
    assert_eq!(
        (closed.exit, &said["error"]["code"]),
        (3, &json!("setup-closed"))
    );
}
