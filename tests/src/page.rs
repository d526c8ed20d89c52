//! The phone page in a browser, as more than one story needs it: measured, and paired with somebody's console.
//!
//! No assertion about Cordboard's behaviour belongs here. Read next: [`crate::browser`], `it/phone/rig.rs`.

use serde_json::{Value, json};

use crate::browser::Browser;

/// Lets a browser's pages be measured: what they play can be asked for, and what they say is the tone, not what a
/// browser makes of a voice.
pub fn measured(browser: &mut Browser) {
    browser.run(
        "await context.addInitScript(() => {
            localStorage['cordboard.measure'] = '1';
            localStorage['cordboard.raw-microphone'] = '1';
        })",
    );
}

/// Pairs a browser's page with the console of whoever has that access token, as they would.
///
/// # Panics
/// If it cannot be paired.
pub async fn pair(server: &str, token: &str, browser: &mut Browser) {
    let server = server.trim_end_matches('/');
    let http = reqwest::Client::builder().no_proxy().build();
    let http = http.expect("a client");
    let post = async |path: &str| -> Value {
        let request = http.post(format!("{server}{path}")).bearer_auth(token);
        let answer = request.json(&json!({})).send().await;
        let answer = answer.expect("the server answers");
        let status = answer.status();
        let body = answer.json().await.expect("it is JSON");
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    };
    let made = post("/api/pairings").await;
    let text = |key: &str| made[key].as_str().expect("a pairing has a code and an id");
    browser.go(&format!("{server}/phone#{}", text("code")));
    browser.press("Pair this page");
    browser.wait_for_form("the digits to compare", r"^\d\d$");
    post(&format!("/api/pairings/{}/confirm", text("id"))).await;
    browser.wait_for_form("the page inside", "^Enable sound$|^Use this one$");
}
