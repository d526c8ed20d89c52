//! A day's calls: answered, held, parked, fetched, sent on and ended, heard from both ends each time.

use serde_json::json;

use super::rig::Rig;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_heard_both_ways_and_by_nobody_where_it_should_not_be() {
    let Some(rig) = Rig::open().await else { return };
    let mut grace = rig.worker("Grace Hopper", "102", 730.0).await;
    let mut alan = rig.worker("Alan Turing", "103", 960.0).await;
    let rosa = rig.caller("Rosa Diaz", 440.0).await;

    // Answered at the console, heard at once.
    let card = grace
        .card("the call waits", |c| c["place"]["kind"] == "queued")
        .await;
    let call = card["id"].as_str().unwrap().to_owned();
    grace.does("answer", &call, json!({})).await;
    rig.ears.hears("the caller", &rosa, grace.tone, true).await;
    rig.ears.plays(&mut grace.browser, 440.0).await;
    grace.browser.wait_for("Rosa Diaz");

    // Muted in the page.
    grace.browser.press("Mute");
    rig.ears.hears("the caller", &rosa, grace.tone, false).await;
    grace
        .pages("the console knows", |p| p["muted"] == true)
        .await;
    grace.browser.press("Mute");
    rig.ears.hears("the caller", &rosa, grace.tone, true).await;

    // Held: neither hears the other, and the caller has music.
    grace.does("hold", &call, json!({})).await;
    rig.ears.hears("the caller", &rosa, grace.tone, false).await;
    rig.ears.music("the caller", &rosa, grace.tone).await;
    rig.ears.plays(&mut grace.browser, 0.0).await;
    grace.does("resume", &call, json!({})).await;
    rig.ears.hears("the caller", &rosa, grace.tone, true).await;
    rig.ears.plays(&mut grace.browser, 440.0).await;

    // Parked, and fetched again.
    grace.does("park", &call, json!({})).await;
    rig.ears.hears("the caller", &rosa, grace.tone, false).await;
    grace.browser.wait_for("Ready");
    grace.does("retrieve", &call, json!({})).await;
    rig.ears.hears("the caller", &rosa, grace.tone, true).await;

    // Sent on to a colleague, who takes it in his page.
    let to = json!({ "to": alan.id });
    grace.does("transfer", &call, to).await;
    alan.browser.press("Accept");
    rig.ears.hears("the caller", &rosa, alan.tone, true).await;
    rig.ears.hears("the caller", &rosa, grace.tone, false).await;
    rig.ears.plays(&mut alan.browser, 440.0).await;
    grace.browser.wait_for("Ready");

    // He hangs up in his page, and that ends it.
    alan.hangs_up().await;
    alan.browser.wait_for("Ready");
}
