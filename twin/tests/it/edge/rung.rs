//! Calls to browsers: who rings, who takes it, and who is told that it is over.

use serde_json::json;

use super::client::Client;
use super::{Browser, connected, dial, house, outcome, sounds, text};
use crate::kit::Kit;

/// The leg of a document's dial that is the browser's.
async fn leg(kit: &Kit, caller: &str) -> String {
    kit.until("a leg that rings", |w| {
        let mut calls = w["calls"].as_array()?.iter();
        let leg = calls.find(|c| c["parent_call_sid"] == caller)?;
        Some(text(leg, "sid"))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_rings_a_browser_and_gives_it_parameters() {
    let client = "<Client><Identity>ada</Identity>\
        <Parameter name=\"case\" value=\"a b&amp;c=\u{e9}+100%\"/><Parameter name=\"empty\"/></Client>";
    let kit = house(client).await;
    let mut ada = Browser::registered(&kit, "ada").await;
    let caller = kit.caller("+15550001").await;
    let leg = leg(&kit, &caller).await;
    let invite = ada.next("invite").await;
    assert_eq!(invite["callsid"], leg.as_str());
    let about = json!({
        "From": "+15550001", "To": "client:ada", "CallSid": leg, "ApiVersion": "2010-04-01",
        "AccountSid": kit.credentials.account_sid, "Params": "case=a%20b%26c%3D%C3%A9%2B100%25&empty=",
    });
    assert_eq!(invite["parameters"], about);
    let sdp = text(&invite, "sdp");
    assert!(
        sdp.contains("a=setup:actpass\r\n") && sdp.contains("PCMU/8000"),
        "{sdp}"
    );
    assert_eq!(kit.until_status(&leg, "ringing").await["status"], "ringing");

    let client = Client::new(700.0);
    let answer = json!({ "callsid": leg, "sdp": client.answer(&sdp) });
    ada.say("answer", answer.clone()).await;
    let taken = ada.next("answer").await;
    assert_eq!(
        taken,
        json!({ "callsid": leg, "reconnect": invite["reconnect"] })
    );
    sounds(&kit, &caller, "heard", 700.0).await;
    // Said twice, it is still one answer.
    ada.say("answer", answer).await;
    ada.is_quiet().await;

    kit.control.hangup(&caller).await.unwrap();
    assert_eq!(ada.next("hangup").await, json!({ "callsid": leg }));
    assert_eq!(outcome(&kit, &leg).await, "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_rings_a_browser_and_its_person_hangs_up() {
    let kit = house("").await;
    let mut ada = Browser::registered(&kit, "ada").await;
    // What could not be decoded there is made good here.
    let call = dial(&kit, "client:ada?rate=50%&name=Ann+Lee&bare").await;
    let invite = ada.next("invite").await;
    assert_eq!(
        invite["parameters"]["Params"],
        "rate=50%25&name=Ann%20Lee&bare="
    );
    let client = Client::new(700.0);
    let answer = client.answer(&text(&invite, "sdp"));
    ada.say("answer", json!({ "callsid": call, "sdp": answer }))
        .await;
    ada.next("answer").await;
    kit.until_status(&call, "in-progress").await;
    ada.say("hangup", json!({ "callsid": call })).await;
    assert_eq!(outcome(&kit, &call).await, "completed");
    ada.is_quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_two_devices_has_the_call() {
    let kit = house("").await;
    let mut desk = Browser::registered(&kit, "ada").await;
    let mut home = Browser::registered(&kit, "ada").await;
    let mut eve = Browser::registered(&kit, "eve").await;
    let call = dial(&kit, "client:ada").await;
    let late = home.next("invite").await;
    let (sid, _, _client) = desk.takes(700.0).await;
    assert_eq!(sid, call);
    assert_eq!(home.next("cancel").await, json!({ "callsid": call }));
    // Its person was faster than that word.
    let answer = Client::new(1.0).answer(&text(&late, "sdp"));
    home.say("answer", json!({ "callsid": call, "sdp": answer }))
        .await;
    assert_eq!(home.next("hangup").await, json!({ "callsid": call }));
    sounds(&kit, &call, "said", 700.0).await;
    // Neither the loser nor a stranger ends it.
    for browser in [&mut home, &mut eve] {
        for kind in ["reject", "hangup"] {
            browser.say(kind, json!({ "callsid": call })).await;
        }
        browser.is_quiet().await;
    }
    assert_eq!(
        kit.until_status(&call, "in-progress").await["status"],
        "in-progress"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_all_reject_is_busy() {
    let kit = house("").await;
    let mut desk = Browser::registered(&kit, "ada").await;
    let mut home = Browser::registered(&kit, "ada").await;
    let mut eve = Browser::registered(&kit, "eve").await;
    let call = dial(&kit, "client:ada").await;
    desk.next("invite").await;
    home.next("invite").await;
    // A stranger's word does not count, nor does the same one twice.
    eve.say("reject", json!({ "callsid": call })).await;
    eve.is_quiet().await;
    for _ in 0..2 {
        desk.say("reject", json!({ "callsid": call })).await;
    }
    desk.is_quiet().await;
    assert_eq!(
        kit.until_status(&call, "ringing").await["status"],
        "ringing"
    );
    // A microphone that is denied after the answer was pressed hangs up, which is the same here.
    home.say("hangup", json!({ "callsid": call })).await;
    assert_eq!(outcome(&kit, &call).await, "busy");
    desk.is_quiet().await;
    home.is_quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_over_before_it_is_taken_is_cancelled() {
    let kit = house("<Client>ada</Client>").await;
    let mut ada = Browser::registered(&kit, "ada").await;
    // The caller gives up.
    let caller = kit.caller("+15550001").await;
    let sid = text(&ada.next("invite").await, "callsid");
    kit.control.hangup(&caller).await.unwrap();
    assert_eq!(ada.next("cancel").await, json!({ "callsid": sid }));
    assert_eq!(outcome(&kit, &sid).await, "canceled");
    // Nobody comes.
    let dial = "<Dial timeout=\"2\" action=\"/after\"><Client>ada</Client></Dial>";
    kit.site.twiml("/voice", dial);
    kit.caller("+15550001").await;
    let sid = text(&ada.next("invite").await, "callsid");
    assert_eq!(ada.next("cancel").await, json!({ "callsid": sid }));
    let gone = |s: &[crate::kit::Seen]| s.iter().find(|s| s.get("DialCallSid") == sid).cloned();
    let after = kit.site.until("the dial's action", "/after", gone).await;
    assert_eq!(after.get("DialCallStatus"), "no-answer");
    // An answer that nobody can understand.
    kit.caller("+15550001").await;
    let sid = text(&ada.next("invite").await, "callsid");
    ada.say("answer", json!({ "callsid": sid, "sdp": "v=0" }))
        .await;
    assert_eq!(ada.refused(&sid).await, 31400);
    assert_eq!(outcome(&kit, &sid).await, "busy");
    // Nobody picks up for a browser.
    kit.caller("+15550001").await;
    let sid = text(&ada.next("invite").await, "callsid");
    let why = kit.control.answer(&sid).await.unwrap_err().to_string();
    assert!(why.contains("answers for itself"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_gone_does_not_ring() {
    let kit = house("").await;
    let mut desk = Browser::registered(&kit, "ada").await;
    let mut home = Browser::registered(&kit, "ada").await;
    let call = dial(&kit, "client:ada").await;
    desk.next("invite").await;
    home.next("invite").await;
    drop(home);
    connected(&kit, 1).await;
    let mut again = Browser::registered(&kit, "ada").await;
    // It was rung over another socket; this one is not asked.
    again.say("reject", json!({ "callsid": call })).await;
    again.is_quiet().await;
    let rings = kit.until_status(&call, "ringing").await;
    assert_eq!(rings["status"], "ringing");
    desk.say("reject", json!({ "callsid": call })).await;
    desk.is_quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ringing_call_is_taken_in_another_window_by_its_token() {
    let kit = house("").await;
    let mut desk = Browser::registered(&kit, "ada").await;
    let mut home = Browser::registered(&kit, "ada").await;
    let call = dial(&kit, "client:ada").await;
    let token = text(&desk.next("invite").await, "reconnect");
    home.next("invite").await;
    // `device.connect({ connectToken })`, of a device that is not registered.
    let mut window = Browser::with(&kit, &kit.token("ada"), 0).await;
    let client = Client::new(700.0);
    let connect = |sdp: String, token: &str| json!({ "callsid": call, "sdp": sdp, "reconnect": token, "twilio": {} });
    window.say("invite", connect(client.offer(), "RC0")).await;
    assert_eq!(window.refused(&call).await, 31209);
    window.say("invite", connect(String::new(), &token)).await;
    assert_eq!(window.refused(&call).await, 31400);
    desk.is_quiet().await;
    let client = Client::new(700.0);
    window.say("invite", connect(client.offer(), &token)).await;
    let answer = window.next("answer").await;
    assert_eq!(
        (&answer["callsid"], &answer["reconnect"]),
        (&json!(call), &json!(token))
    );
    client.answered(&text(&answer, "sdp"));
    for rung in [&mut desk, &mut home] {
        assert_eq!(rung.next("cancel").await, json!({ "callsid": call }));
    }
    sounds(&kit, &call, "said", 700.0).await;

    // And once more, while it goes on: the window before is told that it is over there.
    let mut third = Browser::with(&kit, &kit.token("ada"), 0).await;
    let client = Client::new(900.0);
    third.say("invite", connect(client.offer(), &token)).await;
    client.answered(&text(&third.next("answer").await, "sdp"));
    assert_eq!(window.next("hangup").await, json!({ "callsid": call }));
    sounds(&kit, &call, "said", 900.0).await;
    third.say("hangup", json!({ "callsid": call })).await;
    assert_eq!(outcome(&kit, &call).await, "completed");
}
