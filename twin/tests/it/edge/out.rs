//! Calls out: what a program gets to know of them, and what a browser does.

use serde_json::{Value, json};

use super::client::{Client, level};
use super::{Browser, house, outcome, sounds, text, until};
use crate::kit::DESK;
use cordboard_twin::{Behaviour, Telephone};

async fn says_goodbye(browser: &mut Browser, name: &str) {
    browser
        .say("hangup", json!({ "callsid": name, "message": null }))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_out_rings_is_answered_heard_and_ended() {
    let kit = house("").await;
    let tone = "<Play loop=\"0\">https://sounds.example/a.wav</Play>";
    kit.site.twiml("/app", tone);
    let mut ada = Browser::with(&kit, &kit.token("ada"), 0).await;
    let client = Client::new(700.0);
    let params = "To=%2B15557654321&caseId=a%20b%26c%3D%C3%A9&From=me&CallSid=CA0";
    ada.invite("TJS1", &client.offer(), params).await;
    let ringing = ada.next("ringing").await;
    let sid = text(&ringing, "callsid");
    assert_eq!(ringing, json!({ "callsid": sid }), "no early sound");
    let answer = ada.next("answer").await;
    assert_eq!(answer["callsid"], sid.as_str());
    assert!(text(&answer, "sdp").contains("\r\n"), "{answer}");
    client.answered(&text(&answer, "sdp"));

    let asked = kit.site.first("the program", "/app").await;
    let got = |key| asked.get(key);
    assert_eq!((got("To"), got("caseId")), ("+15557654321", "a b&c=é"));
    assert_eq!((got("From"), got("Direction")), ("client:ada", "inbound"));
    assert_eq!(got("CallSid"), sid, "what Twilio says itself stands");
    assert_eq!(got("ApplicationSid"), kit.credentials.app_sid);

    sounds(&kit, &sid, "said", 700.0).await;
    kit.until_status(&sid, "in-progress").await;
    says_goodbye(&mut ada, &sid).await;
    ada.is_quiet().await;
    assert_eq!(outcome(&kit, &sid).await, "completed");

    // The next has no parameters, and is ended from here.
    let (sid, _, _client) = ada.calls(700.0).await;
    kit.control.hangup(&sid).await.unwrap();
    assert_eq!(ada.next("hangup").await, json!({ "callsid": sid }));

    // And one by the REST API.
    let (sid, _, _client) = ada.calls(700.0).await;
    kit.post(&format!("Calls/{sid}"), &[("Status", "completed")])
        .await;
    assert_eq!(ada.next("hangup").await, json!({ "callsid": sid }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_given_up_ends_under_either_name() {
    let kit = house("").await;
    let rings = Telephone {
        number: "+15558001".into(),
        behaviour: Behaviour::Rings,
    };
    kit.control.telephones(&[rings]).await.unwrap();
    let dial = format!(
        "<Dial answerOnBridge=\"true\" callerId=\"{DESK}\"><Number>+15558001</Number></Dial>"
    );
    kit.site.twiml("/app", &dial);
    let mut ada = Browser::with(&kit, &kit.token("ada"), 0).await;
    for own_name in [true, false] {
        ada.invite("TJS1", &Client::new(1.0).offer(), "").await;
        let sid = text(&ada.next("ringing").await, "callsid");
        let leg = kit
            .until("the telephone to ring", |w| {
                let mut legs = w["calls"].as_array()?.iter();
                let leg = legs
                    .find(|c| c["parent_call_sid"] == sid.as_str() && c["status"] == "ringing")?;
                Some(text(leg, "sid"))
            })
            .await;
        let name = if own_name { "TJS1" } else { &sid };
        says_goodbye(&mut ada, name).await;
        assert_eq!(outcome(&kit, &sid).await, "canceled");
        assert_eq!(outcome(&kit, &leg).await, "canceled");
        // Nothing is told back, and the name is free again.
        assert_eq!(ada.seen.last().unwrap()["type"], "ringing");
        ada.is_quiet().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_says_why() {
    let kit = house("").await;
    let mut ada = Browser::with(&kit, &kit.token("ada"), 0).await;
    for (program, code) in [("<Reject reason=\"busy\"/>", 31486), ("<Reject/>", 31603)] {
        kit.site.twiml("/app", program);
        ada.invite("TJS1", &Client::new(1.0).offer(), "").await;
        let sid = text(&ada.next("ringing").await, "callsid");
        assert_eq!(ada.refused(&sid).await, code, "{program}");
    }
    // What nobody can speak.
    let offer = Client::new(1.0).offer();
    let opus = offer.replace("PCMU/8000", "opus/48000");
    let cut = &offer[..offer.len() / 3];
    for (at, sdp) in ["", "v=0", cut, &opus].into_iter().enumerate() {
        ada.invite("TJS1", sdp, "").await;
        assert_eq!(ada.refused("TJS1").await, 31400, "{at}: {sdp}");
    }
    let long = format!("note={}", "a".repeat(5000));
    ada.invite("TJS1", &offer, &long).await;
    assert_eq!(ada.refused("TJS1").await, 31103);
    // No program.
    let app = format!("Applications/{}", kit.credentials.app_sid);
    kit.post(&app, &[("VoiceUrl", "")]).await;
    ada.invite("TJS1", &offer, "").await;
    assert_eq!(ada.refused("TJS1").await, 31002);
    let stranger = kit.signed("eve", |c| {
        c["grants"]["voice"]["outgoing"]["application_sid"] = json!("AP0");
    });
    let mut eve = Browser::with(&kit, &stranger, 0).await;
    eve.invite("TJS1", &offer, "").await;
    assert_eq!(eve.refused("TJS1").await, 31001);
    ada.is_quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_reach_a_menu_both_ways() {
    let kit = house("").await;
    let menu = "<Gather numDigits=\"3\" timeout=\"60\" action=\"/menu\"/>";
    kit.site.twiml("/app", menu);
    kit.site.twiml("/menu", menu);
    let mut ada = Browser::with(&kit, &kit.token("ada"), 0).await;
    let (sid, _, client) = ada.calls(700.0).await;
    // As a frame, where no events were agreed on. What is no key is none.
    let keys = |keys: &str| json!({ "callsid": sid, "dtmf": keys });
    for bad in ["12\u{0}", "abc", &"1".repeat(65)] {
        ada.say("dtmf", keys(bad)).await;
    }
    ada.say("dtmf", keys("4w*2")).await;
    let asked = kit.site.first("keys by a frame", "/menu").await;
    assert_eq!(asked.get("Digits"), "4*2");
    // As sound.
    sounds(&kit, &sid, "said", 700.0).await;
    for (at, key) in [7, 10, 0].into_iter().enumerate() {
        client.press(key);
        let typed = kit.control.sound(&sid).await.unwrap();
        assert!(typed["packets_in"].as_u64().unwrap() > 0, "{at}: {typed}");
        // A key lasts 180 ms; the next must not begin before.
        let sent = client.noticed().sent;
        until(&format!("key {key} is over"), || {
            let now = client.noticed().sent;
            (now > sent + 12).then_some(()).ok_or(now)
        })
        .await;
    }
    let asked = kit
        .site
        .until("keys by sound", "/menu", |s| s.get(1).cloned());
    assert_eq!(asked.await.get("Digits"), "7*0");
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_goes_on_through_another_network() {
    let kit = house("<Client>ada</Client>").await;
    let mut ada = Browser::registered(&kit, "ada").await;
    let caller = cordboard_twin::Caller {
        from: "+15550001".into(),
        to: DESK.into(),
        voice: Some(cordboard_twin::Voice::Tone(500.0)),
        ..cordboard_twin::Caller::default()
    };
    let caller = kit.control.call(&caller).await.unwrap();
    let (sid, _, client) = ada.takes(700.0).await;
    sounds(&kit, &caller, "heard", 700.0).await;
    ada.say(
        "reinvite",
        json!({ "callsid": sid, "sdp": client.restart() }),
    )
    .await;
    let answer = ada.next("answer").await;
    assert_eq!(answer["callsid"], sid.as_str());
    client.answered(&text(&answer, "sdp"));
    client.noticed().heard.clear();
    until("the browser hears the caller again", || {
        let loud = level(&client.heard(4_000), 500.0);
        (loud > 0.05).then_some(()).ok_or(loud)
    })
    .await;
    sounds(&kit, &caller, "heard", 700.0).await;
    client.say(Some(900.0));
    sounds(&kit, &caller, "heard", 900.0).await;
    // A restart that can't be: nothing is said, and the sound stays.
    ada.say("reinvite", json!({ "callsid": sid, "sdp": "v=0" }))
        .await;
    ada.is_quiet().await;
    sounds(&kit, &caller, "heard", 900.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_go_both_ways() {
    let kit = house("").await;
    let mut ada = Browser::with(&kit, &kit.token("ada"), 0).await;
    let (sid, _, _client) = ada.calls(700.0).await;
    let message = |call: &str, kind: &str, content: Value| {
        json!({
            "callsid": call, "content": content, "contenttype": "application/json", "messagetype": kind,
            "voiceeventsid": "KX1",
        })
    };
    let usual = "user-defined-message";
    ada.say("message", message(&sid, usual, json!({ "a": 1 })))
        .await;
    let ack = ada.next("ack").await;
    let whole = json!({ "acktype": "message", "callsid": sid, "voiceeventsid": "KX1" });
    assert_eq!(ack, whole);
    let wrong = [
        (message("CA0", usual, json!({})), 31404),
        (message(&sid, "telegram", json!({})), 31210),
        (message(&sid, usual, json!("a".repeat(11_000))), 31212),
    ];
    for (message, code) in wrong {
        ada.say("message", message).await;
        let error = ada.next("error").await;
        assert_eq!(error["error"]["code"], code, "{error}");
        assert_eq!(error["voiceeventsid"], "KX1", "{error}");
    }

    for (content, seen) in [
        ("{\"hello\":\"w\u{f6}rld\"}", json!({ "hello": "wörld" })),
        ("no JSON", json!("no JSON")),
    ] {
        let path = format!("Calls/{sid}/UserDefinedMessages");
        let (status, body) = kit.post(&path, &[("Content", content)]).await;
        assert_eq!(status, 201, "{body}");
        let message = ada.next("message").await;
        let whole = json!({
            "callsid": sid, "content": seen, "contenttype": "application/json", "messagetype": usual,
            "voiceeventsid": body["sid"],
        });
        assert_eq!(message, whole);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_has_only_so_many_calls() {
    let kit = house("").await;
    let mut ada = Browser::with(&kit, &kit.token("ada"), 0).await;
    let mut eve = Browser::with(&kit, &kit.token("eve"), 0).await;
    let offer = Client::new(1.0).offer();
    let mut calls = Vec::new();
    let (mut rung, mut refused) = (0, 0);
    for turn in 0..10 {
        for at in 0..100 {
            ada.invite(&format!("TJS{turn}-{at}"), &offer, "").await;
        }
        while rung + refused < (turn + 1) * 100 {
            let frame = ada.frame("what becomes of each").await;
            match frame["type"].as_str().unwrap() {
                "ringing" => {
                    rung += 1;
                    calls.push(text(&frame["payload"], "callsid"));
                }
                "hangup" => {
                    assert_eq!(frame["payload"]["error"]["code"], 31206, "{frame}");
                    refused += 1;
                }
                other => assert_eq!(other, "answer"),
            }
        }
        ada.seen.clear();
    }
    assert_eq!((rung, refused), (5, 995));
    // One less, one more.
    eve.invite("TJS1", &offer, "").await;
    eve.next("ringing").await;
    says_goodbye(&mut ada, &calls[0]).await;
    ada.invite("TJSlast", &offer, "").await;
    loop {
        let frame = ada.frame("the sixth").await;
        if frame["type"] == "ringing" {
            break;
        }
        assert_eq!(frame["type"], "answer");
    }
    let world = kit.control.world().await.unwrap();
    let calls = world["calls"].as_array().unwrap().iter();
    let live = calls.filter(|c| matches!(c["status"].as_str(), Some("ringing" | "in-progress")));
    assert_eq!(live.count(), 6, "{world:#}");
}
