//! The verbs about people: what each asks the server, and what it prints.

use cordboard::cli::session::Environment;
use serde_json::{Value, json};

use crate::{
    kit::{account, read, refusal},
    script::{Script, Told, told},
};

const EVERYBODY: &str = "GET /api/people?limit=200";

/// A server with three people, and who is signed in there.
async fn house() -> (tempfile::TempDir, std::sync::Arc<Script>, Environment) {
    let script = Script::start().await;
    let mut waiting = account(9, "109", "Eve\u{1b}[2J \u{202e}Stranger");
    waiting["pending"] = json!(true);
    waiting["active"] = json!(false);
    let page = |people: &[Value], next: Value| json!({ "people": people, "next": next });
    let (ada, grace) = (
        account(1, "101", "Ada Lovelace"),
        account(2, "102", "Grace Hopper"),
    );
    script
        .says(
            EVERYBODY,
            200,
            page(&[ada.clone(), grace.clone()], json!("u2")),
        )
        .says(
            "GET /api/people?limit=200&after=u2",
            200,
            page(&[waiting], Value::Null),
        )
        .says("GET /api/me", 200, ada)
        .says("GET /api/people/u2", 200, grace);
    let (home, env) = script.signed_in(0).await;
    (home, script, env)
}

/// The same line for people and for programs: both ask the same.
async fn both(script: &Script, env: &Environment, line: &str) -> (Told, Told) {
    let text = told(script, env, line).await;
    let json = told(script, env, &format!("{line} --json")).await;
    assert_eq!(
        (text.exit, json.exit),
        (0, 0),
        "{line}: {}{}",
        text.err,
        json.err
    );
    assert_eq!(text.asked, json.asked, "{line}");
    let harmless = !text
        .out
        .chars()
        .any(|c| c != '\n' && cordboard::cli::show::moves_a_cursor(c));
    assert!(harmless, "{line}: {:?}", text.out);
    (text, json)
}

#[tokio::test]
async fn everybody_is_listed_page_by_page() {
    let (_home, script, env) = house().await;
    // Both pages are asked for anew each time: the first is said once more.
    let (text, json) = both(&script, &env, "cordboard user list").await;
    assert_eq!(json.asked.len(), 2, "{:?}", json.asked);
    let people = read(&json.out)["people"].clone();
    assert_eq!(people.as_array().unwrap().len(), 3);
    assert_eq!(people[1], account(2, "102", "Grace Hopper"));
    let rows: Vec<&str> = text.out.lines().collect();
    assert!(
        rows[0].starts_with("EXT  ID  NAME") && rows[2].contains("Grace Hopper"),
        "{}",
        text.out
    );
    assert!(rows[3].contains("waits to be let in"), "{}", text.out);
}

#[tokio::test]
async fn somebody_is_named_by_id_extension_or_address() {
    let (_home, script, env) = house().await;
    for (who, asked) in [
        ("u2", &["GET /api/people/u2"][..]),
        (
            "102",
            &[
                EVERYBODY,
                "GET /api/people?limit=200&after=u2",
                "GET /api/people/u2",
            ],
        ),
        (
            "P2@Demo.Example",
            &[
                EVERYBODY,
                "GET /api/people?limit=200&after=u2",
                "GET /api/people/u2",
            ],
        ),
    ] {
        let line = format!("cordboard user show {who}");
        let (text, json) = both(&script, &env, &line).await;
        let lines: Vec<&str> = json.asked.iter().map(|a| a.line.as_str()).collect();
        assert_eq!(lines, asked, "{who}");
        assert_eq!(read(&json.out), account(2, "102", "Grace Hopper"));
        assert!(
            text.out.contains("e-mail     p2@demo.example"),
            "{}",
            text.out
        );
    }
    let nobody = told(&script, &env, "cordboard user show 999 --json").await;
    assert_eq!(
        (nobody.exit, &read(&nobody.out)["error"]["code"]),
        (1, &json!("unknown-person"))
    );
}

/// Whoever may not see addresses still knows the extensions, and themselves.
#[tokio::test]
async fn an_extension_is_found_on_the_board_where_the_list_is_not_for_everybody() {
    let script = Script::start().await;
    let person = |id: u32, extension: &str| json!({ "id": format!("u{id}"), "extension": extension, "name": "X", "identity": "x", "presence": "available", "phone": "ready" });
    let board = json!({ "epoch": "e", "rev": 1, "people": [person(1, "101"), person(2, "102")], "calls": [], "slots": [], "queues": [] });
    let no = refusal(
        403,
        "not-allowed",
        "You may not see people's addresses and numbers.",
    );
    script
        .says(EVERYBODY, 403, no)
        .says("GET /api/me", 200, account(1, "101", "Ada"))
        .says("GET /api/board", 200, board)
        .says("PUT /api/people/u2/status", 200, account(2, "102", "Grace"))
        .says("PUT /api/people/u1/status", 200, account(1, "101", "Ada"));
    let (_home, env) = script.signed_in(0).await;
    for (who, id) in [("102", 2), ("p1@demo.example", 1)] {
        let told = told(
            &script,
            &env,
            &format!("cordboard user status {who} offline"),
        )
        .await;
        assert_eq!(told.exit, 0, "{}", told.err);
        assert_eq!(told.last().line, format!("PUT /api/people/u{id}/status"));
    }
    let list = told(&script, &env, "cordboard user list").await;
    assert_eq!(list.exit, 3);
}

#[tokio::test]
async fn what_is_set_is_what_was_typed_on_the_revision_that_was_read() {
    let (_home, script, env) = house().await;
    let mut after = account(2, "102", "Grace Hopper");
    after["rev"] = json!(4);
    after["grants"] = json!(["audit", "house"]);
    script.says("PATCH /api/people/u2", 200, after.clone());
    let line = "cordboard user set u2 --role supervisor --grant house,audit --fallback +14155550132 --language de,en \
                --group sales --group desk --name Grace␣Hopper --extension 112 --email g@demo.example";
    let (text, json) = both(&script, &env, line).await;
    assert_eq!(
        json.last().body,
        json!({ "rev": 3, "name": "Grace Hopper", "email": "g@demo.example", "extension": "112", "role": "supervisor",
                "grants": ["audit", "house"], "fallback": "+14155550132", "languages": ["de", "en"], "groups": ["sales", "desk"] })
    );
    assert_eq!(read(&json.out), after);
    assert!(text.out.contains("granted    audit, house"), "{}", text.out);

    let (_, none) = both(
        &script,
        &env,
        "cordboard user set u2 --fallback none --grant none --language none --group none",
    )
    .await;
    assert_eq!(
        none.last().body,
        json!({ "rev": 3, "grants": [], "fallback": "", "languages": [], "groups": [] })
    );
    // A revision that was named is not looked up.
    let (_, named) = both(&script, &env, "cordboard user set u2 --name G --rev 2").await;
    assert_eq!(named.asked.len(), 1);
    assert_eq!(named.last().body, json!({ "rev": 2, "name": "G" }));
    for (verb, active) in [("activate", true), ("deactivate", false)] {
        let (_, json) = both(&script, &env, &format!("cordboard user {verb} u2")).await;
        assert_eq!(json.last().body, json!({ "rev": 3, "active": active }));
    }
}

#[tokio::test]
async fn whoever_was_slower_is_told_and_may_insist_once() {
    let (_home, script, env) = house().await;
    let changed = refusal(
        409,
        "changed",
        "Ada Lovelace has changed Grace Hopper meanwhile.",
    );
    let mut newer = account(2, "102", "Grace Hopper");
    newer["rev"] = json!(7);
    script.says("PATCH /api/people/u2", 409, changed.clone());
    let slow = told(&script, &env, "cordboard user set u2 --name G --json").await;
    assert_eq!(slow.exit, 1);
    assert_eq!(read(&slow.out)["error"]["code"], "changed");
    assert!(
        slow.err.starts_with("Ada Lovelace has changed"),
        "{}",
        slow.err
    );
    assert_eq!(slow.asked.len(), 2);

    let (_home, script, env) = house().await;
    script
        .says("PATCH /api/people/u2", 409, changed.clone())
        .says("PATCH /api/people/u2", 200, newer.clone())
        .says("GET /api/people/u2", 200, newer);
    // The first account is read first, the newer one after that.
    let insists = told(&script, &env, "cordboard user set u2 --name G --force").await;
    assert_eq!(insists.exit, 0, "{}", insists.err);
    let revs: Vec<&Value> = insists
        .asked
        .iter()
        .filter(|a| a.line.starts_with("PATCH"))
        .map(|a| &a.body["rev"])
        .collect();
    assert_eq!(revs, [3, 7]);

    let (_home, script, env) = house().await;
    script.says("PATCH /api/people/u2", 409, changed);
    let in_vain = told(&script, &env, "cordboard user set u2 --name G --force").await;
    assert_eq!(
        (in_vain.exit, in_vain.asked.len()),
        (1, 4),
        "once, and no more"
    );
}

#[tokio::test]
async fn people_are_invited_reset_and_signed_out() {
    let (_home, script, env) = house().await;
    let invitation = json!({ "id": "00000000000000c1", "role": "operator", "grants": ["audit"], "groups": ["sales"], "name": "Eve",
        "email": "eve@demo.example", "extension": null, "by": "u1", "since": "2026-01-01T00:00:00.000Z", "expires": "2026-01-08T00:00:00.000Z" });
    let invited = json!({ "invitation": invitation, "code": "WDJB-MJHT", "link": "https://desk.example/join#WDJB-MJHT" });
    let session = json!({ "id": "00000000000000a1", "kind": "phone", "device": "Firefox on Linux", "address": "10.0.0.7",
        "since": "2026-01-01T00:00:00.000Z", "seen": "2026-01-01T09:41:07.000Z", "expires": "2026-02-01T00:00:00.000Z", "current": true });
    script
        .says("POST /api/invitations", 201, invited.clone())
        .says(
            "GET /api/invitations",
            200,
            json!({ "invitations": [invitation] }),
        )
        .says("DELETE /api/invitations/00000000000000c1", 200, json!({}))
        .says(
            "POST /api/people/u2/reset",
            200,
            json!({ "code": "QFNP-XKCD", "expires": "2026-01-02T00:00:00.000Z" }),
        )
        .says(
            "GET /api/people/u1/sessions",
            200,
            json!({ "sessions": [session] }),
        )
        .says(
            "GET /api/people/u2/sessions",
            200,
            json!({ "sessions": [] }),
        )
        .says(
            "DELETE /api/people/u1/sessions/00000000000000a1",
            200,
            json!({}),
        )
        .says("DELETE /api/people/u1/sessions", 200, json!({}))
        .says("DELETE /api/people/u2/sessions", 200, json!({}))
        .says(
            "DELETE /api/people/u2/sessions/00000000000000a1",
            200,
            json!({}),
        );

    let line = "cordboard user invite --role operator --grant audit --group sales --name Eve --email eve@demo.example";
    let (text, json) = both(&script, &env, line).await;
    assert_eq!(
        json.last().body,
        json!({ "role": "operator", "grants": ["audit"], "groups": ["sales"], "name": "Eve", "email": "eve@demo.example" })
    );
    assert_eq!(read(&json.out), invited);
    let lines: Vec<&str> = text.out.lines().collect();
    assert_eq!(
        (lines[0], lines[1]),
        ("WDJB-MJHT", "https://desk.example/join#WDJB-MJHT")
    );
    assert!(lines[2].contains("2026-01-08 00:00:00Z"), "{}", text.out);

    let (text, json) = both(&script, &env, "cordboard invitation list").await;
    assert_eq!(read(&json.out)["invitations"][0]["name"], "Eve");
    assert!(text.out.contains("operator + audit"), "{}", text.out);
    both(
        &script,
        &env,
        "cordboard invitation revoke 00000000000000c1",
    )
    .await;

    let (text, json) = both(&script, &env, "cordboard user reset-code u2").await;
    assert_eq!(read(&json.out)["code"], "QFNP-XKCD");
    assert!(
        text.out.starts_with("QFNP-XKCD\n") && text.out.contains("cordboard reset QFNP-XKCD"),
        "{}",
        text.out
    );

    for line in ["cordboard sessions", "cordboard sessions list"] {
        let (text, json) = both(&script, &env, line).await;
        assert_eq!(read(&json.out)["sessions"][0]["device"], "Firefox on Linux");
        assert!(
            text.out.contains("phone page") && text.out.contains("this one"),
            "{}",
            text.out
        );
    }
    for (line, asked) in [
        (
            "cordboard sessions end 00000000000000a1",
            "DELETE /api/people/u1/sessions/00000000000000a1",
        ),
        (
            "cordboard sessions end-others",
            "DELETE /api/people/u1/sessions",
        ),
        ("cordboard user sessions u2", "GET /api/people/u2/sessions"),
        (
            "cordboard user end-sessions u2",
            "DELETE /api/people/u2/sessions",
        ),
        (
            "cordboard user end-sessions u2 --session 00000000000000a1",
            "DELETE /api/people/u2/sessions/00000000000000a1",
        ),
    ] {
        let (_, json) = both(&script, &env, line).await;
        assert_eq!(json.last().line, asked);
        assert!(read(&json.out).is_object());
    }
}

#[tokio::test]
async fn a_status_is_said_whole() {
    let (_home, script, env) = house().await;
    let mut away = account(1, "101", "Ada Lovelace");
    away["status"] = json!({ "presence": "away", "presence_text": "lunch", "back_at": "2026-01-01T12:30:00.000Z" });
    script.says("PUT /api/people/u1/status", 200, away.clone());
    let line = "cordboard status away --text lunch --back 2026-01-01T13:30:00+01:00";
    let (text, json) = both(&script, &env, line).await;
    assert_eq!(json.last().body, away["status"]);
    assert_eq!(read(&json.out), away);
    assert_eq!(
        text.out,
        "Ada Lovelace: away (lunch), back at 2026-01-01 12:30:00Z.\n"
    );

    let soon = told(&script, &env, "cordboard status busy --back 30m").await;
    let back = soon.last().body["back_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let minutes = cordboard_core::ids::Timestamp::since(back, cordboard::cli::now()) / 60_000;
    assert!((29..=30).contains(&minutes), "{minutes}");
    let (_, plain) = both(&script, &env, "cordboard status available").await;
    assert_eq!(plain.last().body, json!({ "presence": "available" }));
    let hostile = told(&script, &env, "cordboard status away --text \u{1b}[2J").await;
    assert_eq!(hostile.exit, 1);
    assert!(!hostile.asked.iter().any(|a| a.line.starts_with("PUT")));
}

#[tokio::test]
async fn a_refusal_says_which_field_and_when_to_try_again() {
    let (_home, script, env) = house().await;
    let mut taken = refusal(422, "bad-input", "One field is wrong.");
    taken["errors"] = json!([{ "field": "extension", "why": "101 is Ada Lovelace's." }]);
    script
        .says("PATCH /api/people/u2", 422, taken)
        .says(
            "PATCH /api/people/u2",
            403,
            refusal(403, "not-allowed", "You may not manage people."),
        )
        .says(
            "PATCH /api/people/u2",
            500,
            refusal(500, "internal", "Something broke."),
        );
    let line = "cordboard user set u2 --extension 101 --json";
    let wrong = told(&script, &env, line).await;
    assert_eq!(wrong.exit, 1);
    assert_eq!(
        wrong.err,
        "One field is wrong.\nextension: 101 is Ada Lovelace's.\n"
    );
    assert_eq!(
        read(&wrong.out)["errors"],
        json!([{ "field": "extension", "why": "101 is Ada Lovelace's." }])
    );
    let forbidden = told(&script, &env, line).await;
    assert_eq!(forbidden.exit, 3);
    assert!(read(&forbidden.out)["errors"].is_null());
    // Nobody can say whether it was done.
    assert_eq!(told(&script, &env, line).await.exit, 5);
}
