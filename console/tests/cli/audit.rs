//! `admin audit`: what is shown, verified and taken away.

use serde_json::{Value, json};

use crate::{
    kit::{read, refusal},
    script::{Script, told},
};

fn line(id: u64, place: Option<u64>) -> Value {
    json!({ "id": id, "at": "2026-01-01T09:41:07.000Z", "actor": "u1", "session": "00000000000000a1", "address": "10.0.0.7",
            "kind": "person-changed", "subject": "person u2", "before": { "name": "Grace" }, "after": { "name": "G\u{9b}2J" }, "raw": "{}",
            "place": place, "hash": place.map(|p| format!("{p:064x}")) })
}

fn verdict(intact: bool) -> Value {
    let fault = (!intact).then_some("the line at place 2 is another one.");
    json!({ "intact": intact, "sealed": 3, "unsealed": 1, "head": format!("{:064x}", 3), "fault": fault })
}

async fn house() -> (
    tempfile::TempDir,
    std::sync::Arc<Script>,
    cordboard::cli::session::Environment,
) {
    let script = Script::start().await;
    script
        .says(
            "GET /api/audit?order=newest&limit=100",
            200,
            json!({ "lines": [line(11, None), line(9, Some(3))], "next": 9 }),
        )
        .says(
            "GET /api/audit?order=newest&limit=100&after=9",
            200,
            json!({ "lines": [line(8, Some(2)), line(7, Some(1))], "next": null }),
        )
        .says(
            "GET /api/audit?limit=100",
            200,
            json!({ "lines": [line(7, Some(1)), line(8, Some(2))], "next": 2 }),
        )
        .says(
            "GET /api/audit?limit=2&after=2",
            200,
            json!({ "lines": [line(9, Some(3)), line(11, None)], "next": null }),
        )
        .says(
            "GET /api/audit?limit=1000",
            200,
            json!({ "lines": [line(7, Some(1)), line(8, Some(2))], "next": 2 }),
        )
        .says(
            "GET /api/audit?limit=1000&after=2",
            200,
            json!({ "lines": [line(9, Some(3)), line(11, None)], "next": null }),
        );
    let (home, env) = script.signed_in(0).await;
    (home, script, env)
}

#[tokio::test]
async fn lines_are_shown_a_page_at_a_time() {
    let (_home, script, env) = house().await;
    let first = told(&script, &env, "cordboard admin audit").await;
    assert_eq!(first.exit, 0, "{}", first.err);
    assert!(
        first.out.contains("person-changed  person u2"),
        "{}",
        first.out
    );
    assert!(
        first.out.contains("cordboard admin audit --after 9\n"),
        "{}",
        first.out
    );
    assert!(!first.out.contains('\u{9b}'), "{:?}", first.out);
    let next = told(&script, &env, "cordboard admin audit --after 9 --json").await;
    let page = read(&next.out);
    assert_eq!(
        (&page["lines"][0]["id"], &page["next"]),
        (&json!(8), &Value::Null)
    );
    // From the beginning of the chain, as it can be verified.
    let first = told(&script, &env, "cordboard admin audit --oldest").await;
    assert!(
        first
            .out
            .contains("cordboard admin audit --oldest --after 2\n"),
        "{}",
        first.out
    );
    let next = told(
        &script,
        &env,
        "cordboard admin audit --oldest --after 2 --limit 2 --json",
    )
    .await;
    let page = read(&next.out);
    assert_eq!(
        (&page["lines"][0]["id"], &page["next"]),
        (&json!(9), &Value::Null)
    );
}

#[tokio::test]
async fn what_is_not_what_was_written_is_an_error() {
    let (_home, script, env) = house().await;
    script
        .says("GET /api/audit/verdict", 200, verdict(true))
        .says("GET /api/audit/verdict", 200, verdict(true))
        .says("GET /api/audit/verdict", 200, verdict(false));
    let good = told(&script, &env, "cordboard admin audit --verify").await;
    assert_eq!(good.exit, 0, "{}", good.err);
    assert!(
        good.out
            .starts_with("Intact: 3 lines are sealed; 1 are too new"),
        "{}",
        good.out
    );
    let good = told(&script, &env, "cordboard admin audit --verify --json").await;
    assert_eq!(read(&good.out), verdict(true));
    assert_eq!(good.asked.len(), 1);
    let bad = told(&script, &env, "cordboard admin audit --verify --json").await;
    assert_eq!(bad.exit, 1);
    let said = read(&bad.out);
    assert_eq!(
        (&said["error"]["code"], &said["intact"], &said["sealed"]),
        (&json!("not-intact"), &json!(false), &json!(3))
    );
    assert!(bad.err.contains("place 2"), "{}", bad.err);
}

#[tokio::test]
async fn a_head_that_was_kept_shows_whether_the_end_was_cut_off() {
    let (_home, script, env) = house().await;
    script.says("GET /api/audit/verdict", 200, verdict(true));
    let kept = |n: u64| format!("cordboard admin audit --head {n:064X} --json");
    let there = told(&script, &env, &kept(2)).await;
    assert_eq!(there.exit, 0, "{}", there.err);
    assert_eq!(read(&there.out)["head_place"], 2);
    let gone = told(&script, &env, &kept(4)).await;
    assert_eq!(gone.exit, 1);
    let said = read(&gone.out);
    assert_eq!(
        (&said["error"]["code"], &said["head_place"]),
        (&json!("unknown-head"), &Value::Null)
    );
}

#[tokio::test]
async fn an_export_is_whole_and_private_or_not_there() {
    use std::os::unix::fs::PermissionsExt as _;
    let (home, script, env) = house().await;
    script.says("GET /api/audit/verdict", 200, verdict(true));
    let file = home.path().join("audit.jsonl");
    let command = format!(
        "cordboard admin audit --verify --export {} --json",
        file.display()
    );
    let done = told(&script, &env, &command).await;
    assert_eq!(done.exit, 0, "{}", done.err);
    assert_eq!(read(&done.out)["lines"], 4);
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = text.lines().map(read).collect();
    assert_eq!(
        lines,
        [
            line(7, Some(1)),
            line(8, Some(2)),
            line(9, Some(3)),
            line(11, None)
        ]
    );
    assert!(
        !text.contains('\u{9b}'),
        "what moves a cursor is written as an escape"
    );
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let streamed = told(&script, &env, "cordboard admin audit --verify --export -").await;
    assert_eq!(streamed.out, text);
    assert!(streamed.err.starts_with("Intact"), "{}", streamed.err);

    let (home, script, env) = house().await;
    script
        .says(
            "GET /api/audit?limit=1000",
            200,
            json!({ "lines": [line(7, Some(1))], "next": 1 }),
        )
        .says(
            "GET /api/audit?limit=1000&after=1",
            403,
            refusal(403, "not-allowed", "You may not read who did what."),
        );
    // The first answer is the house's; the one after it leads where nothing may be read any more.
    told(&script, &env, "cordboard admin audit --export -").await;
    let file = home.path().join("half.jsonl");
    let half = told(
        &script,
        &env,
        &format!("cordboard admin audit --export {}", file.display()),
    )
    .await;
    assert_eq!(half.exit, 3, "{}", half.err);
    let left: Vec<_> = std::fs::read_dir(home.path())
        .unwrap()
        .flatten()
        .map(|e| e.file_name())
        .collect();
    assert_eq!(left, ["cordboard"], "no half of an export is left behind");
}
