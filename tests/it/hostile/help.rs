//! Calls for help: what is said before one is dialled, and that one goes out with the store gone.

use std::time::Duration;

use cordboard_server::emergency;
use reqwest::StatusCode;
use serde_json::json;

use super::scene::{Scene, now, until};
use super::{ADA, NOBODY};

/// Whoever is about to dial for help knows beforehand whether they must say where they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_registered_is_found_and_ends_the_warning() {
    let scene = Scene::open(64).await;
    let token = scene.token(ADA).await;
    let _page = scene.page(&token, "u1").await;
    let mut console = scene.socket("/ws/console", &token).await.unwrap();
    console.say(&json!({"t": "hello", "version": 2})).await;
    let dry = json!({"id": "help", "do": "dial", "to": "911", "dry_run": true});
    let would = async || {
        let (_, said) = scene.command(&token, 0, &dry).await;
        said["why"].as_str().unwrap_or_default().to_owned()
    };
    let warned = "dial 911 from your phone page at once. No address is registered for our number. Say where you are.";
    until("the carrier has been asked", async || {
        let said = would().await;
        if said == warned { Ok(()) } else { Err(said) }
    })
    .await;

    let rest = scene.carrier();
    let number = rest.numbers().await.done().unwrap().remove(0);
    let address = [("EmergencyAddressSid", "ADaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")];
    scene
        .at_carrier(
            &format!("IncomingPhoneNumbers/{}.json", number.sid),
            &address,
        )
        .await;
    // What the server's own watch does at start and every hour.
    let watch = emergency::watch_address(scene.desk.server.exchange.clone(), rest);
    tokio::spawn(watch);
    while console.hear("emergency_address").await["state"] != "registered" {}
    assert_eq!(would().await, "dial 911 from your phone page at once.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_for_help_needs_no_store() {
    let scene = Scene::open(64).await;
    let token = scene.token(ADA).await;
    let mut page = scene.page(&token, "u1").await;
    scene.desk.server.exchange.store().close().await;

    let (status, said) = scene
        .command(&token, 0, &json!({"id": "help", "do": "dial", "to": "911"}))
        .await;
    assert_eq!(
        (status, said["outcome"].as_str(), said["call"].is_null()),
        (StatusCode::OK, Some("done"), true),
        "{said}"
    );
    assert!(
        said["why"].as_str().unwrap().contains("dialling 911"),
        "{said}"
    );
    assert_eq!(page.hear("emergency").await["to"], "911");
    for to in ["911", "112"] {
        let form = [
            ("CallSid", NOBODY),
            ("From", "client:u1"),
            ("op", "dial"),
            ("to", to),
        ];
        let began = now();
        let (status, document) = scene.signed("/twilio/app", &form).await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            document.contains(&format!("<Number>{to}</Number>")),
            "{document}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "{:?}",
            began.elapsed()
        );
    }
    // Everybody else is asked for a moment, or told that nothing was changed.
    let form = [
        ("CallSid", NOBODY),
        ("From", "+14155550132"),
        ("To", "+14155550100"),
        ("CallStatus", "ringing"),
    ];
    let (status, document) = scene.signed("/twilio/voice", &form).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        document.contains("<Response>") && !document.contains("<Hangup"),
        "{document}"
    );
    let (status, said) = scene
        .command(
            &token,
            0,
            &json!({"id": "dial", "do": "dial", "to": "+14155550188"}),
        )
        .await;
    assert_eq!(
        (status, said["code"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("unavailable"))
    );
}
