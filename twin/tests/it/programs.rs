//! Programs of calls: fallbacks, keys, dials, queues, detection, and the people at the far end.

use std::collections::BTreeMap;
use std::time::Duration;

use cordboard_twin::control::ControlError;
use cordboard_twin::{Behaviour, Caller, Press, Telephone};

use crate::kit::{DESK, Kit, heard, hears};

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_answer_is_asked_again_at_the_fallback() {
    let kit = Kit::with_fallback().await;
    kit.site.twiml("/fallback", "<Pause length=\"600\"/>");
    let bad: &[(u16, &str, &str, &str)] = &[
        (503, "text/plain", "", "11200"),
        (200, "text/html", "<Response/>", "12300"),
        (200, "text/xml", "<Response>", "12100"),
        (200, "text/xml", "<html/>", "12102"),
    ];
    for (at, (status, kind, body, code)) in bad.iter().enumerate() {
        kit.site.reply("/voice", *status, kind, body);
        let call = kit.caller("+15550001").await;
        let asked = kit
            .site
            .until(&format!("fallback for {code}"), "/fallback", |s| {
                s.get(at).cloned()
            })
            .await;
        assert_eq!(
            (asked.get("ErrorCode"), asked.get("ErrorUrl")),
            (*code, &*kit.site.at("/voice"))
        );
        kit.until_status(&call, "in-progress").await;
    }
    // Without a working fallback the call ends.
    kit.site.reply("/fallback", 500, "text/plain", "");
    let call = kit.caller("+15550002").await;
    kit.until_status(&call, "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_telephone_presses_its_key_when_it_is_asked() {
    let kit = Kit::with_desk().await;
    let mobile = Behaviour::AnswersAndPresses {
        after: 2.0,
        digits: "1".into(),
        wait: 1.0,
    };
    let machine = Behaviour::Voicemail { after: 1.0 };
    kit.control
        .telephones(&[
            Telephone {
                number: "+15557001".into(),
                behaviour: mobile,
            },
            Telephone {
                number: "+15557002".into(),
                behaviour: machine,
            },
            Telephone {
                number: "+15557003".into(),
                behaviour: Behaviour::Busy,
            },
            Telephone {
                number: "+15557004".into(),
                behaviour: Behaviour::Invalid,
            },
        ])
        .await
        .unwrap();
    kit.site.twiml("/ask", "<Gather numDigits=\"1\" timeout=\"4\" action=\"/accepted\"><Say>Press 1.</Say></Gather><Hangup/>");
    kit.site.twiml("/accepted", "<Pause length=\"600\"/>");
    let url = kit.site.at("/ask");
    let dial = async |to: &str| {
        let form = [
            ("From", DESK),
            ("To", to),
            ("Url", &*url),
            ("MachineDetection", "Enable"),
        ];
        kit.post("Calls", &form).await.1["sid"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let calls = [
        dial("+15557001").await,
        dial("+15557002").await,
        dial("+15557003").await,
        dial("+15557004").await,
    ];
    let key = kit.site.first("the key", "/accepted").await;
    assert_eq!(
        (key.get("CallSid"), key.get("Digits"), key.get("AnsweredBy")),
        (&*calls[0], "1", "human")
    );
    let voicemail = kit.until_status(&calls[1], "completed").await;
    assert_eq!(
        (&voicemail["answered_by"], &voicemail["status"]),
        (&"machine_start".into(), &"completed".into())
    );
    assert_eq!(
        kit.until_status(&calls[2], "completed").await["status"],
        "busy"
    );
    assert_eq!(
        kit.until_status(&calls[3], "completed").await["status"],
        "failed"
    );
    assert_eq!(
        kit.site.seen("/accepted").len(),
        1,
        "nobody else pressed anything"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_call_goes_out_without_a_room() {
    let kit = Kit::with_desk().await;
    kit.site.twiml(
        "/app",
        &format!("<Dial callerId=\"{DESK}\" action=\"/after\"><Number>911</Number></Dial>"),
    );
    kit.site.twiml("/after", "<Hangup/>");
    let params = BTreeMap::from([
        ("op".to_owned(), "dial".to_owned()),
        ("CallSid".to_owned(), "CAforged".to_owned()),
    ]);
    let call = kit
        .control
        .connect(&kit.token("ada"), params)
        .await
        .unwrap()
        .call_sid;
    let asked = kit.site.first("the voice request", "/app").await;
    assert_eq!(
        (asked.get("CallSid"), asked.get("From"), asked.get("op")),
        (&*call, "client:ada", "dial")
    );
    assert_eq!(asked.get("ApplicationSid"), kit.credentials.app_sid);
    let pairs = kit
        .until("ada and 911 to talk", |w| {
            w["hears"].as_array().filter(|h| h.len() == 2).cloned()
        })
        .await;
    assert!(
        pairs.iter().any(|h| h["listener"] == "911"
            && h["speaker"] == "ada"
            && h["conference_sid"].is_null()),
        "{pairs:?}"
    );
    let (_, list) = kit.get(&format!("Calls?ParentCallSid={call}")).await;
    let child = &list["calls"][0];
    assert_eq!(
        (&child["direction"], &child["to"], &child["queue_time"]),
        (&"outbound-dial".into(), &"911".into(), &"0".into())
    );
    kit.control
        .hangup(child["sid"].as_str().unwrap())
        .await
        .unwrap();
    let after = kit.site.first("the action", "/after").await;
    assert_eq!(
        (after.get("DialCallStatus"), after.get("DialBridged")),
        ("completed", "true")
    );
    kit.until_status(&call, "completed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_ring_together_and_the_first_wins() {
    let kit = Kit::with_desk().await;
    let rings = |number: &str| Telephone {
        number: number.into(),
        behaviour: Behaviour::Rings,
    };
    kit.control
        .telephones(&[rings("client:a_1"), rings("client:a_2")])
        .await
        .unwrap();
    kit.site.twiml("/voice", "<Dial answerOnBridge=\"true\" action=\"/after\"><Client>a_1</Client><Client><Identity>a_2</Identity></Client></Dial>");
    kit.site.twiml("/after", "<Hangup/>");
    let caller = kit.caller("+15550001").await;
    let ringing = |w: &serde_json::Value| -> Option<Vec<String>> {
        let rows = w["calls"]
            .as_array()?
            .iter()
            .filter(|c| c["direction"] == "outbound-dial" && c["status"] == "ringing");
        Some(
            rows.map(|c| c["sid"].as_str().unwrap().to_owned())
                .collect::<Vec<_>>(),
        )
        .filter(|r| r.len() == 2)
    };
    let legs = kit.until("two clients to ring", ringing).await;
    assert_eq!(
        kit.get(&format!("Calls/{caller}")).await.1["status"],
        "ringing",
        "not answered before the bridge"
    );
    kit.control.answer(&legs[0]).await.unwrap();
    kit.until_status(&caller, "in-progress").await;
    assert_eq!(
        kit.until_status(&legs[1], "completed").await["status"],
        "canceled"
    );
    kit.control.hangup(&caller).await.unwrap();
    kit.until_status(&legs[0], "completed").await;
    let after = kit.site.first("the moot action", "/after").await;
    assert_eq!(after.get("CallStatus"), "completed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sip_telephone_is_dialled_like_any_other() {
    let kit = Kit::with_desk().await;
    let desk = Telephone {
        number: "sip:desk@office.example".into(),
        behaviour: Behaviour::Answers {
            after: 1.0,
            talks: None,
        },
    };
    kit.control.telephones(&[desk]).await.unwrap();
    let dial = |uri: &str| format!("<Dial action=\"/after\"><Sip>{uri}</Sip></Dial>");
    kit.site.twiml("/after", "<Hangup/>");
    let uri = "sip:desk@office.example;transport=tcp?x-ticket=7";
    kit.site.twiml("/voice", &dial(uri));
    let caller = kit.caller("+15550001").await;
    kit.until("the two to talk", |w| {
        (hears(w).first()? == "+15550001<sip:desk@office.example").then_some(())
    })
    .await;
    kit.control.hangup(&caller).await.unwrap();
    for (at, uri, status) in [
        (1, "sip:nobody@office.example", "failed"),
        (2, "desk@office.example", "failed"),
    ] {
        kit.site.twiml("/voice", &dial(uri));
        kit.caller("+15550002").await;
        let after = kit.site.until(uri, "/after", |s| s.get(at).cloned()).await;
        assert_eq!(after.get("DialCallStatus"), status, "{uri}");
    }
    let form = [
        ("To", uri),
        ("From", DESK),
        ("Twiml", "<Response><Pause length=\"60\"/></Response>"),
    ];
    let (status, call) = kit.post("Calls", &form).await;
    assert_eq!((status, call["to"].as_str()), (201, Some(uri)), "{call}");
    kit.until_status(call["sid"].as_str().unwrap(), "in-progress")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_gives_its_front_to_who_asks() {
    let kit = Kit::with_desk().await;
    kit.site.twiml(
        "/voice",
        "<Enqueue waitUrl=\"/qwait\" action=\"/dequeued\">desk</Enqueue>",
    );
    kit.site.twiml(
        "/qwait",
        "<Play>https://com.twilio.sounds.music/a.mp3</Play>",
    );
    kit.site.twiml("/dequeued", "<Hangup/>");
    kit.site.twiml("/app", "<Dial><Queue>desk</Queue></Dial>");
    let first = kit.caller("+15550001").await;
    kit.site
        .until("the first to wait", "/qwait", |s| {
            (!s.is_empty()).then_some(())
        })
        .await;
    let second = kit.caller("+15550002").await;
    let wait = kit
        .site
        .until("the second to wait", "/qwait", |s| {
            s.iter().find(|s| s.get("CallSid") == second).cloned()
        })
        .await;
    assert_eq!(
        (wait.get("QueuePosition"), wait.get("CurrentQueueSize")),
        ("2", "2")
    );
    let agent = kit.client("ada").await;
    kit.until("ada and the first to talk", |w| {
        w["hears"]
            .as_array()
            .unwrap()
            .iter()
            .any(|h| h["listener_sid"] == agent.as_str() && h["speaker_sid"] == first.as_str())
            .then_some(())
    })
    .await;
    kit.control.disconnect(&agent).await.unwrap();
    let done = kit.site.first("the queue's action", "/dequeued").await;
    assert_eq!(
        (done.get("CallSid"), done.get("QueueResult")),
        (&*first, "bridged")
    );
    let (_, queues) = kit.get("Queues").await;
    let queue = queues["queues"][0]["sid"].as_str().unwrap().to_owned();
    kit.site.twiml("/taken", "<Hangup/>");
    assert_eq!(
        kit.post(
            &format!("Queues/{queue}/Members/Front"),
            &[("Url", &kit.site.at("/taken"))]
        )
        .await
        .0,
        200
    );
    kit.until_status(&second, "completed").await;
    assert_eq!(
        kit.get(&format!("Queues/{queue}")).await.1["current_size"],
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_have_patience_talk_and_keys() {
    let kit = Kit::with_desk().await;
    kit.site.twiml(
        "/voice",
        &kit.room("cust", "endConferenceOnExit=\"true\" waitUrl=\"/wait\"")
            .replace("cust", "c"),
    );
    kit.site.twiml(
        "/wait",
        "<Play loop=\"0\">https://com.twilio.sounds.music/a.mp3</Play>",
    );
    let start = kit.twin.clock().now_ms();
    let caller = |from: &str| Caller {
        from: from.into(),
        to: DESK.into(),
        ..Caller::default()
    };
    let impatient = kit
        .control
        .call(&Caller {
            patience: Some(5.0),
            ..caller("+15550001")
        })
        .await
        .unwrap();
    kit.until_status(&impatient, "completed").await;
    assert!(kit.twin.clock().now_ms() - start >= 5_000);
    let row = |w: &serde_json::Value| w["participants"].as_array().unwrap().len();
    kit.until("an empty house", |w| (row(w) == 0).then_some(()))
        .await;

    let talker = kit
        .control
        .call(&Caller {
            patience: Some(20.0),
            talks: Some(3.0),
            ..caller("+15550002")
        })
        .await
        .unwrap();
    kit.until("the talker to wait", |w| (row(w) == 1).then_some(()))
        .await;
    kit.site.twiml("/app", &kit.room("agent", "waitUrl=\"\""));
    let agent = kit.client("ada").await;
    kit.until_status(&talker, "completed").await;
    kit.until_status(&agent, "completed").await;
    let log = kit.control.log().await.unwrap();
    let call = log["calls"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["call_sid"] == talker.as_str())
        .unwrap();
    let talked = call["ended"].as_i64().unwrap() - call["heard_person"].as_i64().unwrap();
    assert!((3_000..6_000).contains(&talked), "talked {talked} ms");

    // Time on hold is no talk.
    let held = kit
        .control
        .call(&Caller {
            talks: Some(3.0),
            ..caller("+15550004")
        })
        .await
        .unwrap();
    kit.until("the held one to wait", |w| (row(w) == 1).then_some(()))
        .await;
    kit.client("ada").await;
    let room = kit
        .until("both to talk", |w| {
            (hears(w).len() == 2).then(|| w["participants"][0]["conference_sid"].clone())
        })
        .await;
    let path = format!("Conferences/{}/Participants/c", room.as_str().unwrap());
    for _ in 0..5 {
        kit.post(&path, &[("Hold", "true")]).await;
        kit.until("music", |w| heard(w, &held, "music").then_some(()))
            .await;
        kit.post(&path, &[("Hold", "false")]).await;
    }
    kit.until_status(&held, "completed").await;
    let log = kit.control.log().await.unwrap();
    let with_people: i64 = log["hearing"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|h| h["call_sid"] == held.as_str() && h["hearing"] == "people")
        .map(|h| h["to"].as_i64().unwrap() - h["from"].as_i64().unwrap())
        .sum();
    assert!(with_people >= 3_000, "heard people for {with_people} ms");

    kit.site
        .twiml("/voice", "<Gather finishOnKey=\"#\" action=\"/menu\"/>");
    kit.site.twiml("/menu", "<Hangup/>");
    let script = vec![
        Press {
            after: 1.0,
            digits: "42".into(),
        },
        Press {
            after: 2.0,
            digits: "#".into(),
        },
    ];
    kit.control
        .call(&Caller {
            script,
            ..caller("+15550003")
        })
        .await
        .unwrap();
    let menu = kit.site.first("the menu's answer", "/menu").await;
    assert_eq!((menu.get("Digits"), menu.get("FinishedOnKey")), ("42", "#"));
    let wrong = kit
        .control
        .call(&Caller {
            to: "+15559".into(),
            ..caller("+15550004")
        })
        .await
        .unwrap_err();
    assert!(
        wrong.to_string().contains("not a number of this account"),
        "{wrong}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_token_does_not_connect() {
    let kit = Kit::with_desk().await;
    let refused = async |token: &str| match kit.control.connect(token, BTreeMap::new()).await {
        Err(ControlError::Refused { status, code, .. }) => (status, code),
        other => panic!("expected a refusal, got {other:?}"),
    };
    assert_eq!(refused("rubbish").await, (401, 20101));
    let good = kit.token("ada");
    let (claims, _) = good.rsplit_once('.').unwrap();
    assert_eq!(refused(&format!("{claims}.AAAA")).await, (401, 31202));
    assert_eq!(refused(&kit.token("a d a")).await, (401, 31204));
    assert!(
        kit.control.world().await.unwrap()["calls"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_call_is_never_answered() {
    let kit = Kit::with_desk().await;
    kit.site.twiml("/voice", "<Reject reason=\"busy\"/>");
    let call = kit.caller("+15550001").await;
    let body = kit.until_status(&call, "completed").await;
    assert_eq!(
        (&body["status"], &body["start_time"], &body["duration"]),
        (&"busy".into(), &serde_json::Value::Null, &"0".into())
    );
    // A recording's action is asked even when the caller has hung up.
    kit.site
        .twiml("/voice", "<Record action=\"/recorded\" maxLength=\"60\"/>");
    kit.site.twiml("/recorded", "<Hangup/>");
    let call = kit.caller("+15550002").await;
    kit.until_status(&call, "in-progress").await;
    kit.control.hangup(&call).await.unwrap();
    let recorded = kit.site.first("the recording's action", "/recorded").await;
    assert_eq!(
        (recorded.get("Digits"), recorded.get("RecordingSid").len()),
        ("hangup", 34)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_streamed_both_ways() {
    let kit = Kit::with_desk().await;
    let url = format!("{}/control/events", kit.twin.url().replace("http", "ws"));
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let mut lines = kit.control.events().await.unwrap();
    let hello = futures_util::StreamExt::next(&mut socket)
        .await
        .unwrap()
        .unwrap();
    assert!(hello.to_text().unwrap().contains("\"hello\""), "{hello:?}");
    kit.site.twiml("/voice", "<Hangup/>");
    let call = kit.caller("+15550001").await;
    let over = |change: &serde_json::Value| {
        change["call"]["sid"] == call.as_str() && change["call"]["status"] == "completed"
    };
    let first = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            let message = futures_util::StreamExt::next(&mut socket)
                .await
                .unwrap()
                .unwrap();
            let change: serde_json::Value =
                serde_json::from_str(message.to_text().unwrap()).unwrap();
            if over(&change) {
                return change;
            }
        }
    });
    assert_eq!(
        first.await.expect("the end of the call on the socket")["who"],
        "+15550001"
    );
    let second = tokio::time::timeout(Duration::from_secs(10), async {
        while !over(&lines.next().await.unwrap()) {}
    });
    second.await.expect("the end of the call as a line");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queues_document_is_told_the_average_wait() {
    let kit = Kit::with_desk().await;
    kit.site
        .twiml("/voice", "<Enqueue waitUrl=\"/qwait\">desk</Enqueue>");
    kit.site.twiml("/qwait", "<Pause length=\"3\"/>");
    kit.caller("+15550001").await;
    let waits = kit
        .site
        .until("the document again", "/qwait", |s| {
            s.get(1)
                .map(|s| s.get("AvgQueueTime").parse::<u32>().unwrap())
        })
        .await;
    assert!(waits >= 3, "alone for three seconds, and told {waits}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_of_another_site_reads_the_control_api() {
    use tokio_tungstenite::tungstenite::{Error, client::IntoClientRequest};

    let kit = Kit::start().await;
    let socket = async |origin: &'static str| {
        let url = format!("{}/control/events", kit.twin.url().replace("http", "ws"));
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("origin", origin.parse().unwrap());
        match tokio_tungstenite::connect_async(request).await {
            Ok(_) => 101,
            Err(Error::Http(response)) => response.status().as_u16(),
            Err(other) => panic!("{origin}: {other}"),
        }
    };
    assert_eq!(socket("http://127.0.0.1:4010").await, 101);
    for origin in ["https://elsewhere.example", "http://203.0.113.5", "null"] {
        assert_eq!(socket(origin).await, 403, "{origin}");
    }
    let under = async |host: &str| {
        let url = format!("{}/control/world", kit.twin.url());
        let request = kit.http().get(url).header("host", host);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(under("localhost:4010").await, 200);
    assert_eq!(under("[::1]:4010").await, 200);
    assert_eq!(under("elsewhere.example:4010").await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dials_out_hears_the_ringing() {
    let kit = Kit::with_desk().await;
    kit.site.twiml("/app", &kit.room("agent", "waitUrl=\"\""));
    let agent = kit.client("ada").await;
    let room = kit
        .until("the room", |w| {
            w["participants"][0]["conference_sid"]
                .as_str()
                .map(str::to_owned)
        })
        .await;
    let form = [
        ("From", DESK),
        ("To", "+15558001"),
        ("Label", "cust"),
        ("EndConferenceOnExit", "true"),
    ];
    kit.post(&format!("Conferences/{room}/Participants"), &form)
        .await;
    kit.until("the ringing tone", |w| {
        heard(w, &agent, "prompt").then_some(())
    })
    .await;
    kit.until("the answer", |w| heard(w, &agent, "people").then_some(()))
        .await;
}
