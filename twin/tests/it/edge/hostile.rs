//! What no SDK says. Nothing of it may hurt anybody else.

use futures_util::SinkExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::client::Client;
use super::{Browser, connected, house, text};

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_is_passed_over() {
    let kit = house("").await;
    let mut ada = Browser::registered(&kit, "ada").await;
    let mut eve = Browser::registered(&kit, "eve").await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let frames = [
        "",
        "\n\n",
        "\u{0}",
        "7",
        "null",
        "[]",
        "{}",
        "{\"type\":\"invite\"}",
        "{\"type\":\"invite\",\"payload\":null}",
        "{\"type\":\"invite\",\"payload\":{\"callsid\":7}}",
        "{\"type\":\"register\",\"payload\":{\"media\":{}}}",
        "{\"type\":7,\"payload\":{}}",
        "{\"type\":\"listen\",\"payload\":{\"token\":\"t\",\"reconnectTimeout\":1e999}}",
        "{\"type\":\"hangup\",\"payload\":{\"callsid\":\"\"}}",
        "{\"type\":\"answer\",\"payload\":{\"callsid\":\"\",\"sdp\":",
        "{\"type\":\"close\",\"payload\":{}}",
        &deep,
    ];
    for frame in frames {
        eve.send(frame).await;
    }
    for _ in 0..5_000 {
        eve.send("{\"type\":\"sing\",\"payload\":{}}").await;
    }
    let binary = Message::binary(vec![0xff; 1000]);
    eve.socket.send(binary).await.unwrap();
    eve.is_quiet().await;
    ada.is_quiet().await;
    // What no frame is as long as ends that socket, and no other.
    let huge = format!("{{\"type\":\"sing\",\"x\":\"{}\"}}", "a".repeat(300 * 1024));
    let _ = eve.socket.send(Message::text(huge)).await;
    eve.closed("a frame of 300 kB").await;
    ada.is_quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_nobody_elses() {
    let kit = house("").await;
    let menu = "<Gather numDigits=\"1\" timeout=\"60\" action=\"/menu\"/>";
    kit.site.twiml("/app", menu);
    kit.site.twiml("/menu", "<Pause length=\"3600\"/>");
    let mut ada = Browser::with(&kit, &kit.token("ada"), 0).await;
    let (sid, _, client) = ada.calls(700.0).await;
    let mut eve = Browser::registered(&kit, "eve").await;
    let theirs = [
        ("hangup", json!({ "callsid": sid })),
        ("hangup", json!({ "callsid": "TJS1" })),
        ("reject", json!({ "callsid": sid })),
        ("dtmf", json!({ "callsid": sid, "dtmf": "1" })),
        ("reinvite", json!({ "callsid": sid, "sdp": client.offer() })),
    ];
    for (kind, payload) in theirs {
        eve.say(kind, payload).await;
    }
    eve.is_quiet().await;
    let answer = json!({ "callsid": sid, "sdp": client.offer() });
    eve.say("answer", answer).await;
    assert_eq!(eve.next("hangup").await, json!({ "callsid": sid }));
    ada.say("dtmf", json!({ "callsid": sid, "dtmf": "2" }))
        .await;
    let asked = kit.site.first("the key", "/menu").await;
    assert_eq!(asked.get("Digits"), "2", "nobody else's key counts");
    let now = kit.control.get_call(&sid).await.unwrap();
    assert_eq!(now["status"], "in-progress", "{now:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_offers_and_odd_parameters_are_survived() {
    let kit = house("").await;
    let mut ada = Browser::with(&kit, &kit.token("ada"), 0).await;
    let offer = Client::new(1.0).offer();
    // With single line feeds it is understood, as by any reader of lines.
    let lf = offer.replace("\r\n", "\n");
    let twice = offer.replace("m=audio", "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nm=audio");
    let many = format!("{offer}{}", "a=x\r\n".repeat(10_000));
    let long = offer.replace("a=mid:", &format!("a=mid:{}", "m".repeat(60_000)));
    let controls = offer.replace("s=", "s=\u{0}\u{7}\u{1b}[2J");
    for (at, sdp) in [&lf, &twice, &many, &long, &controls]
        .into_iter()
        .enumerate()
    {
        ada.invite("TJS1", sdp, "").await;
        let frame = ada.frame(&format!("an answer to offer {at}")).await;
        match frame["type"].as_str().unwrap() {
            "hangup" => assert_eq!(frame["payload"]["error"]["code"], 31400, "{at}: {frame}"),
            "ringing" => {
                ada.next("answer").await;
                ada.say("hangup", json!({ "callsid": "TJS1" })).await;
            }
            other => panic!("{at}: {other}"),
        }
    }
    let params = "To=%00%1b%5B2J&a%0Ab=%ff%fe&=&&x&%=%&To=2&AccountSid=AC0&k=%E2%80%AE";
    ada.invite("TJS1", &offer, params).await;
    let sid = text(&ada.next("ringing").await, "callsid");
    ada.next("answer").await;
    let call = kit.control.get_call(&sid).await.unwrap();
    assert_eq!(call["from"], "client:ada", "{call:#}");
    let asked = kit.site.until("the program", "/app", |s| s.last().cloned());
    let account = &kit.credentials.account_sid;
    assert_eq!(asked.await.get("AccountSid"), account);
    assert_eq!(
        kit.control.clients().await.unwrap()["clients"][0]["call_sid"],
        sid.as_str()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_reads_nothing_is_cut_off_when_it_must_be() {
    let kit = house("").await;
    let mut ada = Browser::registered(&kit, "ada").await;
    let mut eve = Browser::registered(&kit, "eve").await;
    // Each is answered with as much, until there is no room for answers; then nobody listens to eve either.
    let long = "x".repeat(200_000);
    let frame = json!({
        "type": "message",
        "payload": { "callsid": "CA0", "voiceeventsid": long },
    })
    .to_string();
    let flood = async {
        loop {
            if eve.socket.send(Message::text(frame.clone())).await.is_err() {
                return;
            }
        }
    };
    let limit = std::time::Duration::from_secs(3);
    let stuck = tokio::time::timeout(limit, flood).await;
    assert!(stuck.is_err(), "it takes any flood");
    ada.is_quiet().await;
    kit.control.fault(&["client.offline=eve"]).await.unwrap();
    // At once, and not when the twin has had enough of it by itself.
    let soon = std::time::Duration::from_secs(5);
    let cut = tokio::time::timeout(soon, connected(&kit, 1)).await;
    assert!(cut.is_ok(), "the stuck socket is still there");
    ada.is_quiet().await;
}
