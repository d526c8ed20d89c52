//! One person with a browser, through everything that a Device and a Call can do and can be told.

use cordboard_twin::{Behaviour, Telephone};
use serde_json::json;

use super::rig::{DESK, Page, Rig};
use crate::phone::rig::{AUDIBLE, level, until};

/// What the page's microphone hears.
const TONE: f32 = 700.0;
/// A number that rings until it is told to answer.
const RINGS: &str = "+15558001";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_unmodified_sdk_finds_all_that_it_expects() {
    let Some(rig) = Rig::open().await else { return };
    let rings = Telephone {
        number: RINGS.to_owned(),
        behaviour: Behaviour::Rings,
    };
    rig.control.telephones(&[rings]).await.unwrap();
    let mut page = rig.page(TONE);
    registration(&rig, &mut page).await;
    out(&rig, &mut page).await;
    rung(&rig, &mut page).await;
    another_window(&rig, &mut page).await;
    keys(&rig, &mut page).await;
    messages(&rig, &mut page).await;
    refusals(&rig, &mut page).await;
    network(&rig, &mut page).await;
    tokens(&rig, &mut page).await;
    assert_eq!(page.outside(), json!([]), "it must not need anybody else");
}

async fn registered(rig: &Rig) -> bool {
    let clients = rig.control.clients().await.unwrap();
    let browsers = clients["browsers"].as_array().unwrap();
    browsers
        .iter()
        .any(|b| b["identity"] == "ada" && b["registered"] == true)
}

async fn registration(rig: &Rig, page: &mut Page) {
    page.register(&rig.token("ada", 3600));
    assert_eq!(page.run("return device.identity"), "ada");
    assert!(registered(rig).await);
    page.run("await device.unregister()");
    page.came("device unregistered");
    assert!(!registered(rig).await);
    page.run("await device.register()");
    page.came("device registered");
    // A token that is about to run out, and its successor.
    page.renew(&rig.token("ada", 12));
    page.came("device tokenWillExpire");
    page.renew(&rig.token("ada", 3600));
    until("the new token is known", async || {
        let sent = page.sent("listen").as_array().unwrap().len();
        if sent == 3 && registered(rig).await {
            Ok(())
        } else {
            Err(json!(sent))
        }
    })
    .await;
    assert_eq!(page.since(), [""; 0]);
}

async fn out(rig: &Rig, page: &mut Page) {
    // It rings before it is answered.
    let dial = format!(
        "<Dial answerOnBridge=\"true\" callerId=\"{DESK}\"><Number>{RINGS}</Number></Dial>"
    );
    rig.twiml("/app", &dial);
    page.run("await connect({ To: '+15557654321', case: 'a b&c=é' })");
    page.came("call ringing false");
    let call = page.call();
    let asked = rig.asked("/app", "case").await;
    assert_eq!(asked["case"], "a b&c=é");
    assert_eq!(asked["To"], "+15557654321");
    assert_eq!(asked["From"], "client:ada");
    assert_eq!(asked["CallSid"], call);
    assert_eq!(page.since(), [""; 0], "nobody has answered");
    let leg = until("the telephone rings", async || {
        let world = rig.control.world().await.unwrap();
        let mut calls = world["calls"].as_array().unwrap().iter();
        let leg = calls.find(|c| c["to"] == RINGS && c["status"] == "ringing");
        leg.map(|c| c["sid"].as_str().unwrap().to_owned())
            .ok_or(world.clone())
    })
    .await;
    rig.control.answer(&leg).await.unwrap();
    page.came("call accept");
    rig.sound(&call, "said", TONE, true).await;
    rig.sound(&leg, "heard", TONE, true).await;
    // It hangs up there.
    rig.control.hangup(&leg).await.unwrap();
    page.came("call disconnect");
    rig.status(&call, "completed").await;

    // Without parameters; and it hangs up here.
    rig.twiml("/app", "<Pause length=\"600\"/>");
    let call = page.connect();
    page.run("call.disconnect()");
    page.came("call disconnect");
    rig.status(&call, "completed").await;
}

async fn rung(rig: &Rig, page: &mut Page) {
    let client = "<Client><Identity>ada</Identity><Parameter name=\"case\" value=\"a b&amp;c=\u{e9}+100%\"/></Client>";
    rig.twiml("/voice", &format!("<Dial>{client}</Dial>"));
    let caller = rig.caller(440.0).await;
    page.came("device incoming");
    let about = page.run(
        "return { ...call.parameters, ...Object.fromEntries(call.customParameters), direction: call.direction }",
    );
    assert_eq!(about["case"], "a b&c=é+100%", "{about}");
    assert_eq!(about["From"], "+15550001", "{about}");
    assert_eq!(about["direction"], "INCOMING", "{about}");
    page.run("accept()");
    page.came("call accept");
    let call = page.call();
    rig.sound(&caller, "heard", TONE, true).await;
    page.plays(440.0, TONE);

    page.run("call.mute(true)");
    until("the microphone is silent", async || {
        let sound = rig.control.sound(&call).await.unwrap();
        if sound["said"]["rms"] == 0.0 && level(&sound["heard"], 440.0) > AUDIBLE {
            Ok(())
        } else {
            Err(sound)
        }
    })
    .await;
    page.run("call.mute(false)");
    rig.sound(&caller, "heard", TONE, true).await;
    rig.control.hangup(&caller).await.unwrap();
    page.came("call disconnect");

    // Not wanted.
    let caller = rig.caller(440.0).await;
    page.came("device incoming");
    let call = page.call();
    page.run("call.reject()");
    page.came("call reject");
    rig.status(&call, "busy").await;
    rig.status(&caller, "completed").await;

    // Not minded, until the caller gives up.
    for ignored in [true, false] {
        let caller = rig.caller(440.0).await;
        page.came("device incoming");
        if ignored {
            page.run("call.ignore()");
        }
        rig.control.hangup(&caller).await.unwrap();
        page.came("call cancel");
    }
    assert_eq!(page.since(), [""; 0]);
    until("no call is left in the Device", async || {
        let calls = page.run("return device.calls.length");
        if calls == 0 { Ok(()) } else { Err(calls) }
    })
    .await;
}

/// A call that rings in one Device is taken by another, with its token.
async fn another_window(rig: &Rig, page: &mut Page) {
    let caller = rig.caller(440.0).await;
    page.came("device incoming");
    let token = json!(rig.token("ada", 3600));
    page.run(&format!(
        "window.second = new Twilio.Device({token}, usual);
        window.moved = watch(await second.connect({{ connectToken: call.connectToken, rtcConstraints: raw }}), 'moved');"
    ));
    page.all_came(&["call cancel", "moved accept"]);
    rig.sound(&caller, "heard", TONE, true).await;
    page.run("moved.disconnect()");
    page.came("moved disconnect");
    rig.status(&caller, "completed").await;
    page.run("second.destroy()");
}

async fn keys(rig: &Rig, page: &mut Page) {
    let menu = "<Gather numDigits=\"6\" finishOnKey=\"\" timeout=\"60\" action=\"/menu\"/>";
    rig.twiml("/app", menu);
    rig.twiml("/menu", "<Hangup/>");
    let call = page.connect();
    rig.sound(&call, "said", TONE, true).await;
    page.run("call.sendDigits('15w9*#0')");
    let asked = rig.asked("/menu", "Digits").await;
    assert_eq!(asked["Digits"], "159*#0");
    assert_eq!(page.sent("dtmf"), json!([]), "keys go as sound");
    page.came("call disconnect");
}

async fn messages(rig: &Rig, page: &mut Page) {
    rig.twiml("/app", "<Pause length=\"600\"/>");
    let call = page.connect();
    page.run("call.sendMessage({ content: { up: 1 }, messageType: 'user-defined-message' })");
    page.came("call sent {\"up\":1}");
    let path = format!("Calls/{call}/UserDefinedMessages");
    rig.rest("POST", &path, &[("Content", "{\"down\":2}")])
        .await;
    page.came("call received {\"down\":2}");
    page.run("call.sendMessage({ content: {}, messageType: 'telegram' })");
    page.came("call error 31210");
    page.run("call.disconnect()");
    page.came("call disconnect");
}

async fn refusals(rig: &Rig, page: &mut Page) {
    for (program, code) in [("<Reject reason=\"busy\"/>", 31486), ("<Reject/>", 31603)] {
        rig.twiml("/app", program);
        page.run("await connect()");
        page.came(&format!("call error {code}"));
        page.came("call disconnect");
    }
    let app = format!("Applications/{}", rig.twin.credentials().app_sid);
    let before = rig.rest("GET", &app, &[]).await;
    rig.rest("POST", &app, &[("VoiceUrl", "")]).await;
    page.run("await connect()");
    page.came("call error 31002");
    page.came("call disconnect");
    let url = before["voice_url"].as_str().unwrap();
    rig.rest("POST", &app, &[("VoiceUrl", url)]).await;
}

/// The network is down for four seconds in a call: the sound does not mind.
async fn network(rig: &Rig, page: &mut Page) {
    rig.twiml("/app", "<Pause length=\"600\"/>");
    let call = page.connect();
    rig.sound(&call, "said", TONE, true).await;
    let before = rig.control.sound(&call).await.unwrap();
    rig.control
        .fault(&["client.offline_for=4s", "client.offline=ada"])
        .await
        .unwrap();
    page.came("call reconnecting 53001");
    let mut looks = 0;
    until("the socket is back", async || {
        let sound = rig.control.sound(&call).await.unwrap();
        assert!(level(&sound["said"], TONE) > AUDIBLE, "{looks}: {sound:#}");
        looks += 1;
        let since = page.since();
        if since.iter().any(|e| e == "call reconnected") {
            Ok(())
        } else {
            Err(json!(since))
        }
    })
    .await;
    page.came("call reconnected");
    until("it is registered again", async || {
        if registered(rig).await {
            Ok(())
        } else {
            Err(json!(false))
        }
    })
    .await;
    let after = rig.control.sound(&call).await.unwrap();
    assert_eq!(after["lost"], before["lost"], "{after:#}");
    assert!(looks > 10, "{looks} looks in four seconds");
    // And the call is still its own.
    rig.control.hangup(&call).await.unwrap();
    page.came("call disconnect");
    rig.status(&call, "completed").await;
}

async fn tokens(rig: &Rig, page: &mut Page) {
    rig.control.fault(&["client.expire=ada"]).await.unwrap();
    page.came("device error 20104");
    page.renew(&rig.token("eve", 3600));
    page.came("device error 20101");
    page.renew(&rig.token("ada", 3600));
    // It is rung again, without having registered again.
    rig.caller(440.0).await;
    page.came("device incoming");
    page.run("call.reject()");
    page.came("call reject");
    page.run("device.destroy()");
    page.came("device destroyed");
    until("the socket is closed", async || {
        let clients = rig.control.clients().await.unwrap();
        if clients["browsers"] == json!([]) {
            Ok(())
        } else {
            Err(clients)
        }
    })
    .await;

    let old = rig.token("ada", -60);
    let good = rig.token("ada", 3600);
    let forged = format!("{}.AAAA", good.rsplit_once('.').unwrap().0);
    for (token, code) in [(old.as_str(), 20104), (&forged, 31202), ("rubbish", 20101)] {
        let token = json!(token);
        page.run(&format!(
            "open({token}); device.register().catch(() => {{}})"
        ));
        page.came(&format!("device error {code}"));
        page.run("device.destroy()");
        page.came("device destroyed");
    }
}
