//! Who gets in, who can be rung, and for how long.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::Client;
use super::{Browser, connected, dial, house, outcome, rung};
use crate::kit::Kit;

async fn browsers(kit: &Kit) -> Value {
    kit.control.clients().await.unwrap()["browsers"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_and_checked_each_time() {
    let kit = Kit::with_desk().await;
    let mut browser = Browser::open(&kit).await;
    // Without one, there is nothing to register or to call with.
    let nothing = json!({ "media": { "audio": true } });
    browser.say("register", nothing).await;
    assert_eq!(browser.next("error").await["error"]["code"], 31204);
    browser.invite("TJS0", "v=0", "").await;
    assert_eq!(browser.refused("TJS0").await, 31204);

    let good = rung(&kit, "ada");
    let (claims, _) = good.rsplit_once('.').unwrap();
    let hour_ago = kit.twin.clock().now_ms() / 1000 - 3600;
    let wrong = [
        ("rubbish".to_owned(), 20101),
        (format!("{claims}.AAAA"), 31202),
        (kit.signed("ada", |c| c["exp"] = json!(hour_ago)), 31205),
        (kit.signed("ada", |c| c["sub"] = json!("AC0")), 20103),
        (
            kit.signed("ada", |c| c["grants"]["voice"] = json!({})),
            20106,
        ),
    ];
    for (token, code) in wrong {
        browser.listen(&token, 0).await;
        let error = browser.next("error").await;
        assert_eq!(error["error"]["code"], code, "{error}");
    }

    browser.listen(&good, 0).await;
    let connected = browser.next("connected").await;
    assert_eq!(connected["token"]["identity"], "ada");
    // A browser counts real seconds, and this clock runs ten times as fast.
    let ttl = connected["token"]["ttl"].as_u64().unwrap();
    assert!((350..=360).contains(&ttl), "{connected}");
    assert_eq!(
        browsers(&kit).await,
        json!([{ "identity": "ada", "registered": false, "tokens": 1 }])
    );
    browser.register().await;
    assert_eq!(browsers(&kit).await[0]["registered"], true);

    // A new token on the same socket, and one that is somebody else's.
    browser.listen(&rung(&kit, "ada"), 0).await;
    browser.next("connected").await;
    browser.listen(&rung(&kit, "eve"), 0).await;
    assert_eq!(browser.next("error").await["error"]["code"], 31204);
    let now = browsers(&kit).await;
    let known = json!([{ "identity": "ada", "registered": true, "tokens": 2 }]);
    assert_eq!(now, known, "only good tokens count");

    browser
        .say("register", json!({ "media": { "audio": false } }))
        .await;
    assert_eq!(browser.next("offline").await, json!({}));
    assert_eq!(browsers(&kit).await[0]["registered"], false);
    browser.register().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_hears_of_us_every_few_seconds() {
    let kit = Kit::with_desk().await;
    let mut browser = Browser::registered(&kit, "ada").await;
    let (limit, before) = (Duration::from_secs(6), browser.beats);
    let silent = tokio::time::timeout(limit, browser.frame("heartbeats only")).await;
    assert!(silent.is_err(), "{silent:?}");
    assert!(browser.beats > before, "no heartbeat in {limit:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_run_out_is_good_for_nothing() {
    let kit = house("<Client>ada</Client>").await;
    let soon = kit.twin.clock().now_ms() / 1000 + 10;
    let short = kit.signed("ada", |c| {
        c["exp"] = json!(soon);
        c["grants"]["voice"]["incoming"] = json!({ "allow": true });
    });
    let mut browser = Browser::with(&kit, &short, 0).await;
    browser.register().await;
    let error = browser.next("error").await;
    assert_eq!(error["error"]["code"], 31205, "{error}");

    // It is told once; then only when it asks.
    browser
        .say("register", json!({ "media": { "audio": true } }))
        .await;
    assert_eq!(browser.next("error").await["error"]["code"], 31205);
    browser.invite("TJS1", &Client::new(1.0).offer(), "").await;
    assert_eq!(browser.refused("TJS1").await, 31205);
    kit.caller("+15550001").await;
    let after = kit.site.first("a dial that reaches nobody", "/after").await;
    assert_eq!(after.get("DialCallStatus"), "no-answer");

    // A new token is enough: the SDK does not register again by itself.
    browser.listen(&rung(&kit, "ada"), 0).await;
    browser.next("connected").await;
    kit.caller("+15550001").await;
    browser.next("invite").await;

    // The same, because somebody wanted it so.
    kit.control.fault(&["client.expire=ada"]).await.unwrap();
    assert_eq!(browser.next("error").await["error"]["code"], 31205);
    browser
        .say("register", json!({ "media": { "audio": true } }))
        .await;
    assert_eq!(browser.next("error").await["error"]["code"], 31205);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_is_registered_and_may_be_is_rung() {
    let kit = house("").await;
    let mut deaf = Browser::with(&kit, &kit.token("deaf"), 0).await;
    deaf.register().await;
    let call = dial(&kit, "client:deaf").await;
    assert_eq!(outcome(&kit, &call).await, "no-answer");
    deaf.is_quiet().await;

    let mut away = Browser::with(&kit, &rung(&kit, "away"), 0).await;
    let call = dial(&kit, "client:away").await;
    assert_eq!(outcome(&kit, &call).await, "no-answer");
    away.is_quiet().await;

    // One who can only be rung, and can't call.
    let only = kit.signed("only", |c| {
        c["grants"]["voice"] = json!({ "incoming": { "allow": true } });
    });
    let mut only = Browser::with(&kit, &only, 0).await;
    only.register().await;
    dial(&kit, "client:only").await;
    only.next("invite").await;
    only.invite("TJS1", "v=0", "").await;
    assert_eq!(only.refused("TJS1").await, 20106);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_down_for_as_long_as_it_was_said() {
    let kit = house("").await;
    let mut ada = Browser::registered(&kit, "ada").await;
    let mut eve = Browser::registered(&kit, "eve").await;
    kit.control
        .fault(&["client.offline_for=10s", "client.offline=ada"])
        .await
        .unwrap();
    ada.closed("ada's network is down").await;
    eve.is_quiet().await;
    let down_until = kit.twin.clock().now_ms() + 9_000;
    // It may come back at once, and is heard of when the network is up; what it says is not lost.
    let mut ada = Browser::open(&kit).await;
    ada.listen(&rung(&kit, "ada"), 0).await;
    ada.say("register", json!({ "media": { "audio": true } }))
        .await;
    eve.is_quiet().await;
    connected(&kit, 2).await;
    ada.next("connected").await;
    assert!(kit.twin.clock().now_ms() >= down_until);
    assert_eq!(ada.next("ready").await, json!({}));
}
