//! Sockets that are lost in a call, and who may come back.

use serde_json::json;

use super::client::{Client, level};
use super::{Browser, connected, dial, house, outcome, rung, sounds, text};
use crate::kit::Kit;

/// What the SDK sends for each call over a new socket.
async fn reconnect(browser: &mut Browser, call: &str, token: &str, sdp: &str) {
    let again = json!({ "callsid": call, "reconnect": token, "sdp": sdp, "twilio": {} });
    browser.say("invite", again).await;
}

async fn is_up(kit: &Kit, call: &str) {
    let now = kit.control.get_call(call).await.unwrap();
    assert_eq!(now["status"], "in-progress", "{now:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_outlives_its_socket_and_is_spoken_for_again() {
    let kit = house("").await;
    let mut ada = Browser::with(&kit, &kit.token("ada"), 30).await;
    let client = Client::new(700.0);
    let offer = client.offer();
    ada.invite("TJS1", &offer, "").await;
    let sid = text(&ada.next("ringing").await, "callsid");
    let answer = ada.next("answer").await;
    let token = text(&answer, "reconnect");
    client.answered(&text(&answer, "sdp"));
    sounds(&kit, &sid, "said", 700.0).await;
    drop(ada);

    // Others come first: without a token of their own, with a wrong one, with a call that is none.
    let mut eve = Browser::open(&kit).await;
    reconnect(&mut eve, &sid, &token, &offer).await;
    assert_eq!(eve.refused(&sid).await, 31209);
    eve.listen(&kit.token("eve"), 0).await;
    eve.next("connected").await;
    for wrong in ["", "RC0", &token[1..]] {
        reconnect(&mut eve, &sid, wrong, &offer).await;
        assert_eq!(eve.refused(&sid).await, 31209, "{wrong:?}");
    }
    reconnect(&mut eve, "CA0", &token, &offer).await;
    assert_eq!(eve.refused("CA0").await, 31209);
    for kind in ["hangup", "reject"] {
        eve.say(kind, json!({ "callsid": sid })).await;
    }
    eve.is_quiet().await;
    is_up(&kit, &sid).await;

    let mut ada = Browser::with(&kit, &kit.token("ada"), 30).await;
    reconnect(&mut ada, &sid, &token, &offer).await;
    let again = ada.next("answer").await;
    assert_eq!(again, json!({ "callsid": sid, "reconnect": token }));
    sounds(&kit, &sid, "said", 700.0).await;
    assert_eq!(kit.control.sound(&sid).await.unwrap()["lost"], 0);

    // The old one was not lost at all: the newest counts.
    let mut newer = Browser::with(&kit, &kit.token("ada"), 30).await;
    reconnect(&mut newer, &sid, &token, &offer).await;
    newer.next("answer").await;
    ada.say("hangup", json!({ "callsid": sid })).await;
    ada.is_quiet().await;
    is_up(&kit, &sid).await;
    newer.say("hangup", json!({ "callsid": sid })).await;
    assert_eq!(outcome(&kit, &sid).await, "completed");
    reconnect(&mut newer, &sid, &token, &offer).await;
    assert_eq!(newer.refused(&sid).await, 31209);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_was_rung_comes_back_with_the_answer_it_gave() {
    let kit = house("").await;
    let mut ada = Browser::with(&kit, &rung(&kit, "ada"), 30).await;
    ada.register().await;
    let call = dial(&kit, "client:ada").await;
    let invite = ada.next("invite").await;
    let client = Client::new(700.0);
    let answer = client.answer(&text(&invite, "sdp"));
    ada.say("answer", json!({ "callsid": call, "sdp": answer }))
        .await;
    ada.next("answer").await;
    drop(ada);
    let mut ada = Browser::with(&kit, &rung(&kit, "ada"), 30).await;
    reconnect(&mut ada, &call, &text(&invite, "reconnect"), &answer).await;
    ada.next("answer").await;
    sounds(&kit, &call, "said", 700.0).await;
    assert!(client.noticed().connected);
    assert!(
        level(&client.heard(800), 700.0) < 0.01,
        "nobody hears himself"
    );
    kit.control.hangup(&call).await.unwrap();
    assert_eq!(ada.next("hangup").await, json!({ "callsid": call }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_socket_does_not_come_back_ends() {
    let kit = house("<Client>ada</Client>").await;
    for patience in [0, 1] {
        let mut ada = Browser::with(&kit, &kit.token("ada"), patience).await;
        let (sid, _, _client) = ada.calls(700.0).await;
        is_up(&kit, &sid).await;
        drop(ada);
        if patience > 0 {
            // Known to be gone, and not ended for that.
            connected(&kit, 0).await;
            is_up(&kit, &sid).await;
        }
        assert_eq!(outcome(&kit, &sid).await, "completed");
    }
    // More than thirty seconds nobody is given, and less than none neither.
    for odd in ["1e12", "-5", "0.5"] {
        let mut ada = Browser::open(&kit).await;
        let token = kit.token("ada");
        let listen = format!(
            "{{\"type\":\"listen\",\"payload\":{{\"token\":\"{token}\",\"reconnectTimeout\":{odd}}}}}"
        );
        ada.send(&listen).await;
        ada.next("connected").await;
    }
}
