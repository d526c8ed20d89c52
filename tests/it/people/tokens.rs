//! What a thief finds, and somebody whose line is bad: refresh tokens that come twice, answers that were lost, tokens that
//! run out in the middle, a thousand wrong passwords.

use cordboard_core::api::Tokens;
use cordboard_tests::{
    backends::TestDatabase,
    desk::{Desk, Plan},
};
use serde_json::{Value, json};

use super::kit::{Client, House};

on_both!(
    a_refresh_token_that_comes_back_after_its_successor_was_used_ends_the_sign_in,
    an_answer_that_was_lost_costs_nobody_their_sign_in,
    a_hundred_who_renew_at_once_leave_one_branch_alive,
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
