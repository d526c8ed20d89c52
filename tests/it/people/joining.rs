//! The first administrator, those who are invited, and those who enter themselves; what people change, and what two who
//! change the same thing find.

use cordboard_core::{
    api::{Account, Accounts, InvitationSeen, Invited, SignedIns, Tokens},
    policy::Role,
};
use cordboard_tests::{
    backends::TestDatabase,
    desk::{Desk, Plan},
};
use serde_json::{Value, json};

use super::{
    kit::{Client, House, PASSWORD, newcomer, setup_code},
    pairing::Line,
};

on_both!(
    the_first_administrator_needs_the_code_that_the_server_printed,
    two_who_have_the_set_up_code_do_not_both_become_administrators,
    somebody_who_is_invited_becomes_what_the_invitation_says_once,
    an_invitation_that_is_taken_back_lets_nobody_in,
    people_enter_themselves_only_where_that_is_open_and_wait_to_be_let_in,
    two_administrators_who_edit_one_person_do_not_overwrite_each_other,
    people_change_of_themselves_what_is_theirs_to_change,
    the_last_administrator_stays_one,
    whoever_is_kept_out_is_out_at_once_and_their_history_stays,
    whoever_is_kept_out_in_the_middle_of_a_call_leaves_its_caller_to_the_others,
    a_desk_dials_from_its_own_number_as_soon_as_it_has_one,
    a_reset_code_gives_a_password_back_once_and_ends_every_sign_in,
    a_new_password_takes_the_old_one_and_ends_the_other_sign_ins,
    sign_ins_are_listed_and_ended_one_by_one,
    the_house_is_arranged_and_everything_hangs_together,
);

async fn the_first_administrator_needs_the_code_that_the_server_printed(database: TestDatabase) {
    let desk = Box::pin(Desk::open(Plan::empty(database))).await;
    let stranger = Client::new(desk.server.url.as_str());
    let front: Value = stranger.get("/api/front").await.ok();
    assert_eq!(front, json!({ "setup": true, "registration": false }));
    let wrong = json!({ "code": "BBBB-BBBB-BBBB-BBBB", "person": newcomer("Eve", "100") });
    assert_eq!(stranger.post("/api/setup", wrong).await.fields(), ["code"]);
    assert_eq!(stranger.get("/api/people").await.no(), "not-signed-in");

    let code = setup_code(&desk);
    let bad = json!({ "code": code, "person": {
        "name": " ", "email": "ada", "password": "short", "extension": "911" } });
    let said = stranger.post("/api/setup", bad).await;
    assert_eq!(
        said.fields(),
        [
            "person.name",
            "person.email",
            "person.extension",
            "person.password"
        ]
    );
    let mut easy = newcomer("Ada Lovelace", "101");
    easy["password"] = "switchboard1".into();
    let said = stranger
        .post("/api/setup", json!({ "code": code, "person": easy }))
        .await;
    assert_eq!(said.fields(), ["person.password"]);

    let body = json!({ "code": code.to_lowercase(), "person": newcomer("Ada Lovelace", "101") });
    let tokens: Tokens = stranger.post("/api/setup", body).await.ok();
    assert_eq!((tokens.me.role, tokens.expires_in), (Role::Admin, 600));
    let ada = stranger.with(&tokens.access).me().await;
    assert_eq!(
        (ada.name.as_str(), ada.extension.as_str()),
        ("Ada Lovelace", "101")
    );

    // The code is nothing any more, for whoever comes second with it.
    let again = json!({ "code": code, "person": newcomer("Eve", "100") });
    assert_eq!(
        stranger.post("/api/setup", again).await.no(),
        "setup-closed"
    );
    let front: Value = stranger.get("/api/front").await.ok();
    assert_eq!(front["setup"], false);
}

async fn two_who_have_the_set_up_code_do_not_both_become_administrators(database: TestDatabase) {
    let desk = Box::pin(Desk::open(Plan::empty(database))).await;
    let anyone = Client::new(desk.server.url.as_str());
    let code = setup_code(&desk);
    let tries = (0..6).map(|n| {
        let (anyone, code) = (anyone.clone(), code.clone());
        let person = newcomer(&format!("Person{n}"), &format!("10{n}"));
        async move {
            anyone
                .post("/api/setup", json!({ "code": code, "person": person }))
                .await
        }
    });
    let said = futures_util::future::join_all(tries).await;
    let in_by_it = said.iter().filter(|s| s.status.is_success()).count();
    assert_eq!(in_by_it, 1, "{said:?}");
}

async fn somebody_who_is_invited_becomes_what_the_invitation_says_once(database: TestDatabase) {
    let house = House::open(database).await;
    let asked = json!({ "role": "operator", "grants": ["audit"], "name": "Grace Hopper",
                        "email": "Grace@example.com", "extension": "102" });
    let invited: Invited = house.ada.post("/api/invitations", asked).await.ok();
    assert!(
        invited.link.ends_with(&format!("/join#{}", &*invited.code)),
        "{}",
        &*invited.link
    );
    let look = json!({ "code": invited.link });
    let seen: InvitationSeen = house.anyone.post("/api/invitations/look", look).await.ok();
    assert_eq!(
        (seen.role, seen.name.as_str()),
        (Role::Operator, "Grace Hopper")
    );

    let other = json!({ "code": invited.code, "person": newcomer("Mallory", "109") });
    let said = house.anyone.post("/api/join", other).await;
    assert_eq!(said.fields(), ["person.email", "person.extension"]);

    let body = json!({ "code": invited.code, "person": newcomer("Grace Hopper", "102") });
    let tokens: Tokens = house.anyone.post("/api/join", body.clone()).await.ok();
    let rights: Vec<_> = tokens
        .me
        .rights
        .iter()
        .map(cordboard_core::policy::Permission::word)
        .collect();
    assert_eq!(rights, ["board", "calls", "desk", "audit"]);
    assert_eq!(house.anyone.post("/api/join", body).await.no(), "not-found");

    // She is on the board, and cannot invite anybody.
    let board: Value = house.ada.get("/api/board").await.ok();
    let names: Vec<_> = board["people"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["name"])
        .collect();
    assert_eq!(names, ["Ada Lovelace", "Grace Hopper"]);
    let grace = house.anyone.with(&tokens.access);
    let said = grace
        .post("/api/invitations", json!({ "role": "agent" }))
        .await;
    assert_eq!(said.no(), "not-allowed");
}

async fn an_invitation_that_is_taken_back_lets_nobody_in(database: TestDatabase) {
    let house = House::open(database).await;
    let invited: Invited = house
        .ada
        .post("/api/invitations", json!({ "role": "agent" }))
        .await
        .ok();
    let list: Value = house.ada.get("/api/invitations").await.ok();
    assert_eq!(list["invitations"][0]["id"], invited.invitation.id.as_str());
    assert!(!list.to_string().contains(&*invited.code), "{list}");
    let path = format!("/api/invitations/{}", invited.invitation.id);
    house.ada.delete(&path).await.ok::<Value>();
    assert_eq!(house.ada.delete(&path).await.no(), "not-found");
    let body = json!({ "code": invited.code, "person": newcomer("Grace Hopper", "102") });
    assert_eq!(house.anyone.post("/api/join", body).await.no(), "not-found");
}

async fn people_enter_themselves_only_where_that_is_open_and_wait_to_be_let_in(
    database: TestDatabase,
) {
    let house = House::open(database).await;
    let grace = newcomer("Grace Hopper", "102");
    assert_eq!(
        house.anyone.post("/api/register", grace.clone()).await.no(),
        "not-allowed"
    );
    let open = json!({ "rev": 0, "registration": { "open": true, "domains": ["no domain"] } });
    assert_eq!(
        house.ada.patch("/api/desk", open).await.fields(),
        ["registration.domains"]
    );
    let open = json!({ "rev": 0, "registration": { "open": true, "domains": ["example.com"] } });
    house.ada.patch("/api/desk", open).await.ok::<Value>();
    let mut elsewhere = grace.clone();
    elsewhere["email"] = "grace@example.org".into();
    assert_eq!(
        house.anyone.post("/api/register", elsewhere).await.fields(),
        ["email"]
    );
    house
        .anyone
        .post("/api/register", grace)
        .await
        .ok::<Value>();

    let login = json!({ "email": "grace@example.com", "password": PASSWORD });
    assert_eq!(
        house.anyone.post("/api/login", login.clone()).await.no(),
        "not-signed-in"
    );
    let people: Accounts = house.ada.get("/api/people").await.ok();
    let waiting = people.people.iter().find(|p| p.pending).unwrap();
    assert!(!waiting.active);
    let board: Value = house.ada.get("/api/board").await.ok();
    assert_eq!(board["people"].as_array().unwrap().len(), 1, "{board}");
    let path = format!("/api/people/{}", waiting.id);
    let let_in: Account = house
        .ada
        .patch(&path, json!({ "rev": waiting.rev, "active": true }))
        .await
        .ok();
    assert!(let_in.active && !let_in.pending);
    let tokens: Tokens = house.anyone.post("/api/login", login).await.ok();
    assert_eq!(tokens.me.role, Role::Agent);
}

async fn two_administrators_who_edit_one_person_do_not_overwrite_each_other(
    database: TestDatabase,
) {
    let house = House::open(database).await;
    let (_, grace) = house.join("Grace Hopper", "102", "agent").await;
    let path = format!("/api/people/{}", grace.me.id);
    let seen: Account = house.ada.get(&path).await.ok();
    let first: Account = house
        .ada
        .patch(&path, json!({ "rev": seen.rev, "extension": "202" }))
        .await
        .ok();
    assert_eq!((first.extension.as_str(), first.rev), ("202", seen.rev + 1));
    let second = house
        .ada
        .patch(
            &path,
            json!({ "rev": seen.rev, "fallback": "+14155550177" }),
        )
        .await;
    assert_eq!(second.no(), "changed");
    assert!(
        second.body["detail"]
            .as_str()
            .unwrap()
            .starts_with("Grace Hopper was changed"),
        "{second:?}"
    );
    // The same that there is, is no change; and what is another's, is not to be had.
    let same: Account = house
        .ada
        .patch(&path, json!({ "rev": first.rev, "extension": "202" }))
        .await
        .ok();
    assert_eq!(same.rev, first.rev);
    let taken = house
        .ada
        .patch(
            &path,
            json!({ "rev": first.rev, "extension": "101", "email": "ada@example.com" }),
        )
        .await;
    assert_eq!(taken.fields(), ["email", "extension"]);
    assert_eq!(
        taken.body["errors"][0]["why"],
        "This is Ada Lovelace's already."
    );
    // At the very same moment.
    let tries = (0..8).map(|n| {
        let (ada, path) = (house.ada.clone(), path.clone());
        let edit = json!({ "rev": first.rev, "name": format!("Grace {n}") });
        async move { ada.patch(&path, edit).await }
    });
    let said = futures_util::future::join_all(tries).await;
    let won = said.iter().filter(|s| s.status.is_success()).count();
    assert_eq!(won, 1, "{said:?}");
    assert!(
        said.iter()
            .filter(|s| !s.status.is_success())
            .all(|s| s.no() == "changed"),
        "{said:?}"
    );
}

async fn people_change_of_themselves_what_is_theirs_to_change(database: TestDatabase) {
    let house = House::open(database).await;
    let (grace, tokens) = house.join("Grace Hopper", "102", "agent").await;
    let path = format!("/api/people/{}", tokens.me.id);
    let edit = json!({ "rev": 1, "name": "Grace B. Hopper", "fallback": "+1 415 555 0177", "languages": ["en", "fr"] });
    let me: Account = grace.patch(&path, edit).await.ok();
    assert_eq!(me.fallback.unwrap().as_str(), "+14155550177");
    for (field, value) in [
        ("role", json!("admin")),
        ("grants", json!(["people"])),
        ("extension", json!("999999")),
        ("email", json!("g@example.com")),
        ("active", json!(true)),
        ("groups", json!([])),
    ] {
        let mut edit = json!({ "rev": 2 });
        edit[field] = value;
        assert_eq!(
            grace.patch(&path, edit).await.no(),
            "not-allowed",
            "{field}"
        );
    }
    let ada = format!("/api/people/{}", house.tokens.me.id);
    assert_eq!(
        grace
            .patch(&ada, json!({ "rev": 1, "name": "Nobody" }))
            .await
            .no(),
        "not-allowed"
    );
    let wrong =
        json!({ "rev": 2, "name": "\u{202e}evil", "fallback": "12", "languages": ["english"] });
    assert_eq!(
        grace.patch(&path, wrong).await.fields(),
        ["fallback", "name", "languages"]
    );
    let extra = json!({ "rev": 2, "is_admin": true });
    assert_eq!(grace.patch(&path, extra).await.no(), "bad-input");
}

async fn the_last_administrator_stays_one(database: TestDatabase) {
    let house = House::open(database).await;
    let path = format!("/api/people/{}", house.tokens.me.id);
    for edit in [
        json!({ "rev": 1, "role": "agent" }),
        json!({ "rev": 1, "active": false }),
    ] {
        let said = house.ada.patch(&path, edit).await;
        assert_eq!(said.no(), "refused");
        assert!(
            said.body["detail"]
                .as_str()
                .unwrap()
                .contains("last administrator"),
            "{said:?}"
        );
    }
    // Two who take it from each other at once: one of them stays.
    let (grace, tokens) = house.join("Grace Hopper", "102", "admin").await;
    let other = format!("/api/people/{}", tokens.me.id);
    let down = json!({ "rev": 1, "role": "agent" });
    let (a, b) = tokio::join!(
        house.ada.patch(&other, down.clone()),
        grace.patch(&path, down)
    );
    assert!(
        !(a.status.is_success() && b.status.is_success()),
        "{a:?} {b:?}"
    );
    let people: Accounts = match house.ada.get("/api/people").await {
        said if said.status.is_success() => said.ok(),
        _ => grace.get("/api/people").await.ok(),
    };
    assert!(
        people.people.iter().any(|p| p.role == Role::Admin),
        "{people:?}"
    );
}

async fn whoever_is_kept_out_is_out_at_once_and_their_history_stays(database: TestDatabase) {
    let house = House::open(database).await;
    let (grace, tokens) = house.join("Grace Hopper", "102", "operator").await;
    let path = format!("/api/people/{}", tokens.me.id);
    house
        .ada
        .patch(&path, json!({ "rev": 1, "active": false }))
        .await
        .ok::<Account>();
    assert_eq!(grace.get("/api/me").await.no(), "not-signed-in");
    let renew = json!({ "refresh": tokens.refresh });
    assert_eq!(
        house.anyone.post("/api/token", renew).await.no(),
        "not-signed-in"
    );
    let login = json!({ "email": "grace@example.com", "password": PASSWORD });
    assert_eq!(
        house.anyone.post("/api/login", login).await.no(),
        "not-signed-in"
    );
    let kept: Account = house.ada.get(&path).await.ok();
    assert_eq!((kept.name.as_str(), kept.active), ("Grace Hopper", false));
    let board: Value = house.ada.get("/api/board").await.ok();
    assert_eq!(board["people"].as_array().unwrap().len(), 1, "{board}");
}

/// As for a page that vanishes; but nobody waits for whoever does not work here any more.
async fn whoever_is_kept_out_in_the_middle_of_a_call_leaves_its_caller_to_the_others(
    database: TestDatabase,
) {
    let house = House::open(database).await;
    house.open_number("+14155550100").await;
    let (grace, tokens) = house.join("Grace Hopper", "102", "operator").await;
    let _phone = house.phone("grace@example.com").await;
    let mut console = Line::of(&house.ada, "/ws/console").await;
    house.ring("+14155550132", "+14155550100").await;
    let rings = console
        .until("a caller", |m| m["call"]["place"]["kind"] == "queued")
        .await;
    let call = &rings["call"]["id"];
    let answer = json!({ "id": "1", "do": "call", "call": call, "intent": "answer" });
    let answer = grace.post("/api/commands?wait=30000", answer).await;
    answer.ok::<Value>();
    let talks = |m: &Value| m["call"]["place"]["kind"] == "talking";
    console.until("they talk", talks).await;
    let path = format!("/api/people/{}", tokens.me.id);
    house
        .ada
        .patch(&path, json!({ "rev": 1, "active": false }))
        .await
        .ok::<Account>();
    let moved = |m: &Value| !m["call"].is_null() && !talks(m);
    let moved = console.until("the caller is elsewhere", moved).await;
    assert_eq!(moved["call"]["place"]["kind"], "queued", "{moved}");
}

async fn a_desk_dials_from_its_own_number_as_soon_as_it_has_one(database: TestDatabase) {
    let house = House::open(database).await;
    let _phone = house.phone("ada@example.com").await;
    let dial = async |id: &str| {
        let order = json!({ "id": id, "do": "dial", "to": "+14155550177" });
        house.ada.post("/api/commands?wait=30000", order).await
    };
    let refused = dial("1").await;
    assert_eq!(refused.no(), "refused", "{refused:?}");
    let why = refused.body["detail"].as_str().unwrap();
    assert!(
        why.starts_with("This desk has no telephone number"),
        "{why}"
    );
    // Not the first that there ever was, and without a restart.
    house.open_number("+14155550190").await;
    dial("2").await.ok::<Value>();
    let world = house.desk.twin.control().world().await.unwrap();
    let calls = world["calls"].as_array().unwrap();
    let dialled = calls.iter().find(|c| c["to"] == "+14155550177");
    assert_eq!(dialled.unwrap()["from"], "+14155550190", "{calls:#?}");
}

async fn a_reset_code_gives_a_password_back_once_and_ends_every_sign_in(database: TestDatabase) {
    let house = House::open(database).await;
    let (grace, tokens) = house.join("Grace Hopper", "102", "agent").await;
    let made: Value = house
        .ada
        .post(&format!("/api/people/{}/reset", tokens.me.id), json!({}))
        .await
        .ok();
    let new = "another lantern, green";
    let reset = json!({ "code": made["code"], "password": new });
    let again: Tokens = house
        .anyone
        .post("/api/password/reset", reset.clone())
        .await
        .ok();
    assert_eq!(again.me.id, tokens.me.id);
    assert_eq!(
        house.anyone.post("/api/password/reset", reset).await.no(),
        "not-found"
    );
    assert_eq!(grace.get("/api/me").await.no(), "not-signed-in");
    let old = json!({ "email": "grace@example.com", "password": PASSWORD });
    assert_eq!(
        house.anyone.post("/api/login", old).await.no(),
        "not-signed-in"
    );
    let login = json!({ "email": "grace@example.com", "password": new });
    house.anyone.post("/api/login", login).await.ok::<Tokens>();
}

async fn a_new_password_takes_the_old_one_and_ends_the_other_sign_ins(database: TestDatabase) {
    let house = House::open(database).await;
    let here = house.anyone.login("ada@example.com").await;
    let here = house.anyone.with(&here.access);
    let wrong = json!({ "current": "not my password", "password": "another lantern, green" });
    assert_eq!(
        here.put("/api/me/password", wrong).await.fields(),
        ["current"]
    );
    let easy = json!({ "current": PASSWORD, "password": "ada lovelace 1" });
    assert_eq!(
        here.put("/api/me/password", easy).await.fields(),
        ["password"]
    );
    let right = json!({ "current": PASSWORD, "password": "another lantern, green" });
    here.put("/api/me/password", right).await.ok::<Value>();
    assert_eq!(house.ada.get("/api/me").await.no(), "not-signed-in");
    here.me().await;
}

async fn sign_ins_are_listed_and_ended_one_by_one(database: TestDatabase) {
    let house = House::open(database).await;
    let tokens = house.anyone.login("ada@example.com").await;
    let other = house.anyone.with(&tokens.access);
    let path = format!("/api/people/{}/sessions", tokens.me.id);
    let all: SignedIns = house.ada.get(&path).await.ok();
    assert_eq!(all.sessions.len(), 2);
    let mine: Vec<_> = all
        .sessions
        .iter()
        .filter(|s| s.current)
        .map(|s| s.id.clone())
        .collect();
    assert_eq!(mine, std::slice::from_ref(&house.tokens.session));
    house
        .ada
        .delete(&format!("{path}/{}", tokens.session))
        .await
        .ok::<Value>();
    assert_eq!(other.get("/api/me").await.no(), "not-signed-in");
    assert_eq!(
        house
            .ada
            .delete(&format!("{path}/{}", tokens.session))
            .await
            .no(),
        "not-found"
    );
    let third = house.anyone.login("ada@example.com").await;
    house.ada.delete(&path).await.ok::<Value>();
    assert_eq!(
        house.anyone.with(&third.access).get("/api/me").await.no(),
        "not-signed-in"
    );
    house.ada.me().await;
    house.ada.post("/api/logout", json!({})).await.ok::<Value>();
    assert_eq!(house.ada.get("/api/me").await.no(), "not-signed-in");
}

async fn the_house_is_arranged_and_everything_hangs_together(database: TestDatabase) {
    let house = House::open(database).await;
    let (_, grace) = house.join("Grace Hopper", "102", "agent").await;
    let ada = &house.ada;
    let id = grace.me.id;
    let group = json!({ "name": "Sales", "members": [id] });
    ada.put("/api/groups/sales", group.clone())
        .await
        .ok::<Value>();
    assert_eq!(ada.put("/api/groups/sales", group).await.no(), "changed");
    let person: Account = ada.get(&format!("/api/people/{id}")).await.ok();
    assert_eq!((person.groups[0].as_str(), person.rev), ("sales", 2));
    let board: Value = ada.get("/api/board").await.ok();
    assert_eq!(board["groups"], json!([{ "id": "sales", "name": "Sales" }]));

    ada.put("/api/slots/P5", json!({ "name": "P5", "park_seconds": 30 }))
        .await
        .ok::<Value>();
    let slot: Value = ada
        .put("/api/slots/P5", json!({ "rev": 1, "name": "Lift" }))
        .await
        .ok();
    assert_eq!(
        slot,
        json!({ "id": "P5", "rev": 2, "name": "Lift", "park_seconds": null })
    );
    assert_eq!(
        ada.put("/api/slots/P6", json!({ "name": "P6", "park_seconds": 1 }))
            .await
            .fields(),
        ["park_seconds"]
    );
    assert_eq!(ada.delete("/api/slots/P5?rev=1").await.no(), "changed");

    let way = json!({ "route": [{ "kind": "group", "group": "sales", "seconds": 20 }] });
    assert_eq!(
        ada.put("/api/numbers/+14155550199", way).await.fields(),
        ["route"]
    );
    let desk: Value = ada.get("/api/queues").await.ok();
    assert_eq!(
        desk["queues"][0]["id"], "desk",
        "a house begins with a queue: {desk}"
    );
    let way = json!({ "route": [{ "kind": "group", "group": "sales", "seconds": 20 }, { "kind": "queue", "queue": "desk" }] });
    assert_eq!(
        ada.put("/api/numbers/+14155550199", way.clone())
            .await
            .fields(),
        ["number"]
    );
    house.buy("+14155550199").await;
    ada.put("/api/numbers/+14155550199", way)
        .await
        .ok::<Value>();
    let said = ada.delete("/api/groups/sales?rev=1").await;
    assert_eq!(said.no(), "refused");
    assert!(
        said.body["detail"]
            .as_str()
            .unwrap()
            .contains("+14155550199"),
        "{said:?}"
    );
    ada.delete("/api/numbers/+14155550199?rev=1")
        .await
        .ok::<Value>();
    ada.delete("/api/groups/sales?rev=1").await.ok::<Value>();
    let person: Account = ada.get(&format!("/api/people/{id}")).await.ok();
    assert!(person.groups.is_empty());

    let desk: Value = ada
        .patch(
            "/api/desk",
            json!({ "rev": 0, "park_seconds": 60, "second": [id] }),
        )
        .await
        .ok();
    assert_eq!(
        (desk["rev"].as_u64(), desk["park_seconds"].as_u64()),
        (Some(1), Some(60))
    );
    assert_eq!(
        ada.patch("/api/desk", json!({ "rev": 0, "ring_seconds": 30 }))
            .await
            .no(),
        "changed"
    );
    let wrong = json!({ "rev": 1, "ring_seconds": 0, "second": ["u77"] });
    assert_eq!(
        ada.patch("/api/desk", wrong).await.fields(),
        ["ring_seconds", "second"]
    );
}
