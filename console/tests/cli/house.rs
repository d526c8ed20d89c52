//! The verbs about the house: groups, slots, queues, numbers, the desk.

use cordboard::cli::session::Environment;
use serde_json::{Value, json};

use crate::{
    kit::{account, read, refusal},
    script::{Asked, Script, told},
};

async fn house() -> (tempfile::TempDir, std::sync::Arc<Script>, Environment) {
    let script = Script::start().await;
    let people = [
        account(1, "101", "Ada Lovelace"),
        account(2, "102", "Grace Hopper"),
    ];
    let person = |id: u32, extension: &str, name: &str| json!({ "id": format!("u{id}"), "extension": extension, "name": name, "identity": "x", "presence": "available", "phone": "ready" });
    let board = json!({ "epoch": "e", "rev": 1, "calls": [], "slots": [], "queues": [],
                        "people": [person(1, "101", "Ada Lovelace"), person(2, "102", "Grace Hopper")] });
    let route = json!([{ "kind": "people", "users": ["u1"], "seconds": 15 }, { "kind": "group", "group": "sales", "seconds": 20 },
                       { "kind": "queue", "queue": "desk" }]);
    let desk = json!({ "rev": 5, "ring_seconds": 20, "return_seconds": 15, "park_seconds": 90, "hold_seconds": 300, "second": ["u2"],
                       "registration": { "open": false, "domains": ["demo.example"] } });
    script
        .says("GET /api/people?limit=200", 200, json!({ "people": people, "next": null }))
        .says("GET /api/me", 200, account(1, "101", "Ada Lovelace"))
        .says("GET /api/board", 200, board)
        .says("GET /api/groups", 200, json!({ "groups": [{ "id": "sales", "rev": 4, "name": "Sales", "members": ["u1", "u2"] }] }))
        .says("GET /api/slots", 200, json!({ "slots": [{ "id": "P1", "rev": 2, "name": "Lift", "park_seconds": 120 }] }))
        .says("GET /api/queues", 200, json!({ "queues": [{ "id": "desk", "rev": 1, "name": "Front desk" }] }))
        .says("GET /api/numbers", 200, json!({ "numbers": [{ "number": "+14155550100", "rev": 6, "route": route }] }))
        .says("GET /api/desk", 200, desk);
    let (home, env) = script.signed_in(0).await;
    (home, script, env)
}

/// Runs it for programs, and again for people; returns what changes something, and both outputs.
async fn both(script: &Script, env: &Environment, line: &str) -> (Option<Asked>, Value, String) {
    let json = told(script, env, &format!("{line} --json")).await;
    let text = told(script, env, line).await;
    assert_eq!(
        (json.exit, text.exit),
        (0, 0),
        "{line}: {}{}",
        json.err,
        text.err
    );
    let change = |asked: Vec<Asked>| asked.into_iter().find(|a| !a.line.starts_with("GET"));
    let (asked, same) = (change(json.asked), change(text.asked));
    assert_eq!(asked, same, "{line}");
    (asked, read(&json.out), text.out)
}

#[tokio::test]
async fn lists_are_tables_for_people_and_documents_for_programs() {
    let (_home, script, env) = house().await;
    for (line, field, text) in [
        (
            "cordboard group list",
            "groups",
            "sales  Sales  Ada Lovelace, Grace Hopper",
        ),
        ("cordboard slot list", "slots", "P1  Lift  2:00"),
        ("cordboard queue list", "queues", "desk  Front desk"),
        (
            "cordboard number list",
            "numbers",
            "+14155550100  Ada Lovelace for 0:15, then group sales for 0:20, then queue desk",
        ),
    ] {
        let (change, json, said) = both(&script, &env, line).await;
        assert_eq!(change, None);
        assert_eq!(json[field].as_array().unwrap().len(), 1, "{json}");
        assert!(said.contains(text), "{line}: {said}");
    }
    let (_, json, said) = both(&script, &env, "cordboard admin desk").await;
    assert_eq!(
        (&json["rev"], &json["hold_seconds"]),
        (&json!(5), &json!(300))
    );
    assert!(
        said.contains("holds for     5:00") && said.contains("Grace Hopper"),
        "{said}"
    );
    assert!(said.contains("by invitation only"), "{said}");
}

#[tokio::test]
async fn a_thing_is_sent_whole_and_what_is_not_named_stays() {
    let (_home, script, env) = house().await;
    let group = json!({ "id": "sales", "rev": 5, "name": "Sales", "members": ["u2"] });
    let slot = json!({ "id": "P1", "rev": 3, "name": "Lift", "park_seconds": null });
    let number = json!({ "number": "+14155550100", "rev": 7, "route": [{ "kind": "queue", "queue": "desk" }] });
    script
        .says("PUT /api/groups/sales", 200, group.clone())
        .says("PUT /api/groups/night", 200, group)
        .says("PUT /api/slots/P1", 200, slot.clone())
        .says("PUT /api/slots/P9", 200, slot)
        .says(
            "PUT /api/queues/desk",
            200,
            json!({ "id": "desk", "rev": 2, "name": "Desk" }),
        )
        .says("PUT /api/numbers/+14155550100", 200, number.clone())
        .says("PUT /api/numbers/+14155550199", 200, number);
    for (line, asked, body) in [
        (
            "group set sales --name Sales␣team",
            "PUT /api/groups/sales",
            json!({ "rev": 4, "name": "Sales team", "members": ["u1", "u2"] }),
        ),
        (
            "group set sales --member 102,u1",
            "PUT /api/groups/sales",
            json!({ "rev": 4, "name": "Sales", "members": ["u2", "u1"] }),
        ),
        (
            "group set sales --member none --rev 3",
            "PUT /api/groups/sales",
            json!({ "rev": 3, "name": "Sales", "members": [] }),
        ),
        (
            "group set night",
            "PUT /api/groups/night",
            json!({ "rev": 0, "name": "night", "members": [] }),
        ),
        (
            "slot set P1 --park none",
            "PUT /api/slots/P1",
            json!({ "rev": 2, "name": "Lift" }),
        ),
        (
            "slot set P1 --name Hall",
            "PUT /api/slots/P1",
            json!({ "rev": 2, "name": "Hall", "park_seconds": 120 }),
        ),
        (
            "slot set P9 --park 90s",
            "PUT /api/slots/P9",
            json!({ "rev": 0, "name": "P9", "park_seconds": 90 }),
        ),
        (
            "queue set desk --name Desk",
            "PUT /api/queues/desk",
            json!({ "rev": 1, "name": "Desk" }),
        ),
        (
            "number set +14155550100 102,me@25s group:sales queue:desk",
            "PUT /api/numbers/+14155550100",
            json!({ "rev": 6, "route": [{ "kind": "people", "users": ["u2", "u1"], "seconds": 25 },
                    { "kind": "group", "group": "sales", "seconds": 20 }, { "kind": "queue", "queue": "desk" }] }),
        ),
        (
            "number set +1.415.555.0199 queue:desk",
            "PUT /api/numbers/+14155550199",
            json!({ "rev": 0, "route": [{ "kind": "queue", "queue": "desk" }] }),
        ),
    ] {
        let (change, json, said) = both(&script, &env, &format!("cordboard {line}")).await;
        let change = change.unwrap();
        assert_eq!(
            (change.line.as_str(), &change.body),
            (asked, &body),
            "{line}"
        );
        assert!(json["rev"].is_number(), "{line}: {json}");
        assert!(said.lines().count() >= 2, "{line}: {said}");
    }
}

#[tokio::test]
async fn a_thing_is_taken_away_on_the_revision_that_was_read() {
    let (_home, script, env) = house().await;
    for (line, asked) in [
        ("group delete sales", "DELETE /api/groups/sales?rev=4"),
        ("slot delete P1", "DELETE /api/slots/P1?rev=2"),
        ("slot delete P1 --rev 1", "DELETE /api/slots/P1?rev=1"),
        (
            "number delete +14155550100",
            "DELETE /api/numbers/+14155550100?rev=6",
        ),
    ] {
        script.says(asked, 200, json!({}));
        let (change, json, _) = both(&script, &env, &format!("cordboard {line}")).await;
        assert_eq!(change.unwrap().line, asked);
        assert_eq!(json["ok"], true);
    }
    for (line, code) in [
        ("group delete nope", "unknown-group"),
        ("slot delete P7", "unknown-slot"),
        ("queue set nope --name X", "unknown-queue"),
        ("number delete +14155550199", "unknown-number"),
    ] {
        let told = told(&script, &env, &format!("cordboard {line} --json")).await;
        assert_eq!(
            (told.exit, &read(&told.out)["error"]["code"]),
            (1, &json!(code)),
            "{line}"
        );
        assert!(told.err.contains("There are "), "{}", told.err);
        assert!(
            told.asked.iter().all(|a| a.line.starts_with("GET")),
            "{line}"
        );
    }
}

#[tokio::test]
async fn the_desk_is_changed_field_by_field() {
    let (_home, script, env) = house().await;
    let changed = json!({ "rev": 6, "ring_seconds": 30, "return_seconds": 15, "park_seconds": 90, "hold_seconds": 300, "second": [],
                          "registration": { "open": true, "domains": ["demo.example"] } });
    script.says("PATCH /api/desk", 200, changed);
    for (line, body) in [
        (
            "--ring 30s --return 10 --park 2m --hold 600",
            json!({ "rev": 5, "ring_seconds": 30, "return_seconds": 10, "park_seconds": 120, "hold_seconds": 600 }),
        ),
        (
            "--second 101,u2",
            json!({ "rev": 5, "second": ["u1", "u2"] }),
        ),
        ("--second none", json!({ "rev": 5, "second": [] })),
        (
            "--registration open",
            json!({ "rev": 5, "registration": { "open": true, "domains": ["demo.example"] } }),
        ),
        (
            "--domain a.example,b.example",
            json!({ "rev": 5, "registration": { "open": false, "domains": ["a.example", "b.example"] } }),
        ),
    ] {
        let (change, json, said) =
            both(&script, &env, &format!("cordboard admin desk set {line}")).await;
        let change = change.unwrap();
        assert_eq!(
            (change.line.as_str(), &change.body),
            ("PATCH /api/desk", &body),
            "{line}"
        );
        assert_eq!(json["rev"], 6);
        assert!(
            said.contains("open to demo.example") && said.contains("nobody"),
            "{said}"
        );
    }
    let (_home, script, env) = house().await;
    let changed = refusal(
        409,
        "changed",
        "Grace Hopper has changed the desk meanwhile.",
    );
    script.says("PATCH /api/desk", 409, changed);
    let slow = told(&script, &env, "cordboard admin desk set --ring 30s --force").await;
    assert_eq!(
        (slow.exit, slow.asked.len()),
        (1, 4),
        "read and sent twice: {:?}",
        slow.asked
    );
}
