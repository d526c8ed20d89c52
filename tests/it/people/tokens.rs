//! What a thief finds, and somebody whose line is bad: refresh tokens that come twice, answers that were lost, tokens that
//! run out in the middle, a thousand wrong passwords.

use cordboard_core::api::Tokens;
use cordboard_tests::{
    backends::TestDatabase,
    desk::{Desk, Plan},
};
use serde_json::{Value, json};

use super::{
    kit::{Client, House},
    pairing::Line,
};

on_both!(
    a_refresh_token_that_comes_back_after_its_successor_was_used_ends_the_sign_in,
    an_answer_that_was_lost_costs_nobody_their_sign_in,
    a_hundred_who_renew_at_once_leave_one_branch_alive,
    a_token_that_runs_out_in_the_middle_of_a_call_touches_neither_call_nor_board,
    a_sign_in_too_many_is_the_end_of_the_oldest_at_once,
    a_console_that_signs_out_takes_its_page_with_it,
    a_thousand_wrong_passwords_from_one_address_try_few_and_lock_nobody_out,
    a_thousand_wrong_passwords_from_many_addresses_lock_nobody_out_who_was_here_before,
    an_account_that_does_not_exist_is_answered_like_one_that_does,
    requests_have_a_rate_and_say_when_to_come_again,
);

async fn renew(house: &House, refresh: &str) -> super::kit::Said {
    let body = json!({ "refresh": refresh });
    house.anyone.post("/api/token", body).await
}

async fn a_refresh_token_that_comes_back_after_its_successor_was_used_ends_the_sign_in(
    database: TestDatabase,
) {
    let house = House::open(database).await;
    let stolen = house.tokens.refresh.clone();
    let next: Tokens = renew(&house, &stolen).await.ok();
    // The right one goes on.
    let ada = house.anyone.with(&next.access);
    ada.me().await;
    // The thief comes with the copy.
    assert_eq!(renew(&house, &stolen).await.no(), "not-signed-in");
    // And nobody has it any more: nobody can say which of the two was right.
    assert_eq!(ada.get("/api/me").await.no(), "not-signed-in");
    assert_eq!(renew(&house, &next.refresh).await.no(), "not-signed-in");
    // It is written down.
    let again = house.anyone.login("ada@example.com").await;
    let ada = house.anyone.with(&again.access);
    let lines: Value = ada.get("/api/audit?limit=200").await.ok();
    let kinds: Vec<_> = lines["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| &l["kind"])
        .collect();
    assert!(kinds.contains(&&json!("refresh-reused")), "{kinds:?}");
}

async fn an_answer_that_was_lost_costs_nobody_their_sign_in(database: TestDatabase) {
    let house = House::open(database).await;
    let old = house.tokens.refresh.clone();
    let lost: Tokens = renew(&house, &old).await.ok();
    let again: Tokens = renew(&house, &old).await.ok();
    house.anyone.with(&again.access).me().await;
    // What was in the lost answer is nothing.
    assert_ne!(lost.refresh, again.refresh);
    let next: Tokens = renew(&house, &again.refresh).await.ok();
    house.anyone.with(&next.access).me().await;
    assert_eq!(renew(&house, &lost.refresh).await.no(), "not-signed-in");
    house.anyone.with(&next.access).me().await;
}

async fn a_hundred_who_renew_at_once_leave_one_branch_alive(database: TestDatabase) {
    let house = House::open(database).await;
    let old = house.tokens.refresh.clone();
    let said = futures_util::future::join_all((0..100).map(|_| renew(&house, &old))).await;
    let tokens: Vec<Tokens> = said
        .into_iter()
        .filter(|s| s.status.is_success())
        .map(super::kit::Said::ok)
        .collect();
    assert!(!tokens.is_empty(), "nobody went on");
    let alive =
        futures_util::future::join_all(tokens.iter().map(|t| renew(&house, &t.refresh))).await;
    let alive = alive.iter().filter(|s| s.status.is_success()).count();
    assert!(alive <= 1, "{alive} branches");
}

/// A socket is let in by a token, and from then on belongs to the sign-in: while that goes on, the console that it is
/// follows and orders. What comes with the token itself is refused, until the next one is fetched.
async fn a_token_that_runs_out_in_the_middle_of_a_call_touches_neither_call_nor_board(
    database: TestDatabase,
) {
    const NUMBER: &str = "+14155550100";
    const ROSA: &str = "+14155550132";
    let house = House::open(database).await;
    house.open_number(NUMBER).await;
    let phone = house.phone("ada@example.com").await;
    let mut console = Line::of(&house.ada, "/ws/console").await;
    house.ring(ROSA, NUMBER).await;
    let rings = console
        .until("Rosa", |m| m["call"]["place"]["kind"] == "queued")
        .await;
    let call = rings["call"]["id"].clone();
    let order =
        |id: &str, intent: &str| json!({ "id": id, "do": "call", "call": call, "intent": intent });
    let done = "/api/commands?wait=30000";
    house
        .ada
        .post(done, order("1", "answer"))
        .await
        .ok::<Value>();
    assert_eq!(in_hearing(&house, ROSA).await, 2);

    house
        .desk
        .later(i64::from(house.tokens.expires_in) * 1000 + 61_000);
    // The token is over, as it is for whatever is asked with it.
    let said = house.ada.post(done, order("2", "hold")).await;
    assert_eq!((said.status.as_u16(), said.no()), (401, "not-signed-in"));
    assert_eq!(house.ada.get("/api/me").await.no(), "not-signed-in");
    // They go on talking, at the page that is still the same one, and the board goes on.
    assert_eq!((in_hearing(&house, ROSA).await, phone.lost()), (2, 0));
    house.ring("+14155550133", NUMBER).await;
    let next = |m: &Value| m["call"]["caller"]["number"] == "+14155550133";
    console.until("the next caller", next).await;
    // So do orders over it: the sign-in goes on, and no token is asked for.
    let mut hold = order("3", "hold");
    hold["t"] = json!("do");
    console.say(hold).await;
    let over =
        |m: &Value| (m["t"] == "done" || m["t"] == "no" || m["t"] == "failed") && m["id"] == "3";
    let ended = console.until("the hold is confirmed", over).await;
    assert_eq!(ended["t"], "done", "{ended}");
    assert_eq!(in_hearing(&house, ROSA).await, 0);

    let tokens: Tokens = renew(&house, &house.tokens.refresh).await.ok();
    let ada = house.anyone.with(&tokens.access);
    ada.post(done, order("4", "resume")).await.ok::<Value>();
    assert_eq!((in_hearing(&house, ROSA).await, phone.lost()), (2, 0));
}

/// In how many rows of the carrier's `hears` they are: they and another, each hearing the other, are in two.
async fn in_hearing(house: &House, who: &str) -> usize {
    let world = house.desk.twin.control().world().await.unwrap();
    let hears = world["hears"].as_array().unwrap().iter();
    hears
        .filter(|h| h["listener"] == who || h["speaker"] == who)
        .count()
}

async fn a_sign_in_too_many_is_the_end_of_the_oldest_at_once(database: TestDatabase) {
    let house = House::open(database).await;
    for _ in 1..50 {
        house.anyone.login("ada@example.com").await;
    }
    // It is there, and has just been looked at.
    house.ada.me().await;
    house.anyone.login("ada@example.com").await;
    assert_eq!(house.ada.get("/api/me").await.no(), "not-signed-in");
}

async fn a_console_that_signs_out_takes_its_page_with_it(database: TestDatabase) {
    let house = House::open(database).await;
    let page = super::pairing::page_of(&house).await;
    let phone = house.anyone.with(&page.access);
    phone.me().await;
    house.ada.post("/api/logout", json!({})).await.ok::<Value>();
    assert_eq!(phone.get("/api/me").await.no(), "not-signed-in");
    assert_eq!(renew(&house, &page.refresh).await.no(), "not-signed-in");
}

fn wrong(email: &str) -> Value {
    json!({ "email": email, "password": "not her password" })
}

/// What came of a thousand tries: how many passwords were looked at, and how many were sent away.
fn counted(said: &[super::kit::Said]) -> (usize, usize) {
    let of = |code: &str| said.iter().filter(|s| s.no() == code).count();
    let sent_away = said.iter().filter(|s| s.no() == "too-many");
    assert!(
        sent_away
            .clone()
            .all(|s| s.retry_after.is_some_and(|t| (1..=60).contains(&t)))
    );
    (of("not-signed-in"), of("too-many"))
}

async fn a_thousand_wrong_passwords_from_one_address_try_few_and_lock_nobody_out(
    database: TestDatabase,
) {
    let house = House::open(database).await;
    let thief = house.anyone.from("203.0.113.7");
    let mut said = Vec::new();
    for _ in 0..1000 {
        said.push(thief.post("/api/login", wrong("ada@example.com")).await);
    }
    let (tried, sent_away) = counted(&said);
    assert_eq!(tried + sent_away, 1000);
    assert!((5..=12).contains(&tried), "{tried} were tried");
    // She herself notices nothing, where she has been before; and where she has not, either.
    house.anyone.login("ada@example.com").await;
    house
        .anyone
        .from("198.51.100.9")
        .login("ada@example.com")
        .await;
}

async fn a_thousand_wrong_passwords_from_many_addresses_lock_nobody_out_who_was_here_before(
    database: TestDatabase,
) {
    let house = House::open(database).await;
    let mut said = Vec::new();
    for n in 0..1000 {
        let thief = house.anyone.from(&format!("203.{}.{}.7", n / 250, n % 250));
        said.push(thief.post("/api/login", wrong("ada@example.com")).await);
    }
    let (tried, sent_away) = counted(&said);
    assert_eq!(tried + sent_away, 1000);
    assert!(tried < 60, "{tried} were tried");
    house.anyone.login("ada@example.com").await;
}

async fn an_account_that_does_not_exist_is_answered_like_one_that_does(database: TestDatabase) {
    let house = House::open(database).await;
    let there = house
        .anyone
        .post("/api/login", wrong("ada@example.com"))
        .await;
    let not = house
        .anyone
        .post("/api/login", wrong("nobody@example.com"))
        .await;
    let bent = house.anyone.post("/api/login", wrong("no address")).await;
    for said in [&not, &bent] {
        assert_eq!(
            (said.status, &said.body["detail"]),
            (there.status, &there.body["detail"])
        );
    }
}

async fn requests_have_a_rate_and_say_when_to_come_again(database: TestDatabase) {
    let plan = Plan {
        requests_per_minute: 60,
        ..Plan::empty(database)
    };
    let desk = Box::pin(Desk::open(plan)).await;
    let anyone = Client::new(desk.server.url.as_str());
    let thief = anyone.from("203.0.113.7");
    let mut said = Vec::new();
    for _ in 0..20 {
        said.push(thief.get("/api/front").await);
    }
    let sent_away = said.iter().filter(|s| s.status.as_u16() == 429);
    let waits: Vec<_> = sent_away.map(|s| (s.no(), s.retry_after)).collect();
    assert!(waits.len() >= 4, "{waits:?}");
    assert_eq!(waits.last(), Some(&("too-many", Some(1))));
    // Somebody else is counted apart.
    anyone.get("/api/front").await.ok::<Value>();
}
