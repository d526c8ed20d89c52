//! The REST API as client libraries see it: authentication, errors, paging, dates, validation, one dial a
//! second.

use axum::http::Method;
use cordboard_twin::TwinConfig;
use serde_json::{Value, json};

use crate::kit::{DESK, Kit};

/// A path, a form, and the status and code it is refused with.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, u64);

#[tokio::test(flavor = "multi_thread")]
async fn both_kinds_of_credentials_open_it_and_others_do_not() {
    let kit = Kit::start().await;
    let c = &kit.credentials;
    let ask = async |user: &str, password: &str| {
        let url = kit.account_url("IncomingPhoneNumbers?PageSize=1");
        kit.http()
            .get(url)
            .basic_auth(user, Some(password))
            .send()
            .await
            .unwrap()
    };
    let good = ask(&c.account_sid, &c.auth_token).await;
    assert_eq!(good.status(), 200);
    assert!(
        good.headers()["twilio-request-id"]
            .to_str()
            .unwrap()
            .starts_with("RQ")
    );
    assert!(
        good.headers()["twilio-request-duration"]
            .to_str()
            .unwrap()
            .parse::<f64>()
            .unwrap()
            > 0.0
    );
    assert_eq!(ask(&c.api_key, &c.api_secret).await.status(), 200);
    let bad = ask(&c.account_sid, "wrong").await;
    assert_eq!(
        (
            bad.status().as_u16(),
            bad.headers().contains_key("www-authenticate")
        ),
        (401, true)
    );
    let body: Value = bad.json().await.unwrap();
    assert_eq!(
        body,
        json!({ "code": 20003, "detail": "", "message": "Authenticate",
        "more_info": "https://www.twilio.com/docs/errors/20003", "status": 401 })
    );

    let (_, key) = kit
        .as_account(Method::POST, "Keys", &[("FriendlyName", "second")])
        .await;
    assert_eq!(
        ask(
            key["sid"].as_str().unwrap(),
            key["secret"].as_str().unwrap()
        )
        .await
        .status(),
        200
    );
    let path = format!("Keys/{}", key["sid"].as_str().unwrap());
    let (_, again) = kit.as_account(Method::GET, &path, &[]).await;
    assert!(again.get("secret").is_none(), "a secret is shown once");
    kit.as_account(Method::DELETE, &path, &[]).await;
    assert_eq!(
        ask(
            key["sid"].as_str().unwrap(),
            key["secret"].as_str().unwrap()
        )
        .await
        .status(),
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_neither_the_account_nor_the_keys() {
    let kit = Kit::start().await;
    let account = kit.account_url("").replace("/.json", ".json");
    let list = account.replace(&format!("/{}", kit.credentials.account_sid), "");
    let c = &kit.credentials;
    for url in [list, account, kit.account_url("Keys")] {
        let ask = async |user: &str, password: &str| {
            let request = kit.http().get(&url).basic_auth(user, Some(password));
            let response = request.send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        };
        let (status, body) = ask(&c.api_key, &c.api_secret).await;
        assert!(
            status == 401 && body.contains("20003") && !body.contains(&c.auth_token),
            "{url}: {status} {body}"
        );
        assert_eq!(ask(&c.account_sid, &c.auth_token).await.0, 200, "{url}");
    }
    let (status, body) = kit.post("Keys", &[]).await;
    assert_eq!((status, body["code"].as_u64()), (401, Some(20003)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_only_looks_changes_no_id() {
    let (calm, watched) = (Kit::start().await, Kit::start().await);
    watched.get("Calls").await;
    let wrong = watched.http().get(watched.account_url("Calls"));
    assert_eq!(wrong.send().await.unwrap().status(), 401);
    let mut ids = Vec::new();
    for kit in [calm, watched] {
        let form = [("PhoneNumber", DESK)];
        ids.push(kit.post("IncomingPhoneNumbers", &form).await.1["sid"].clone());
    }
    assert_eq!(ids[0], ids[1], "the same seed makes the same ids");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_large_request_only_the_beginning_is_remembered() {
    let kit = Kit::start().await;
    let long = "ö".repeat(40_000);
    let form = [("Label", "first"), ("Twiml", &*long), ("To", "+15551234")];
    let request = kit.http().post(kit.account_url("Calls")).form(&form);
    let refused = request.basic_auth("AC0", Some("wrong")).send();
    assert_eq!(refused.await.unwrap().status(), 401);
    let row = kit.control.requests().await.unwrap()["rest"][0].clone();
    assert_eq!(row["params"]["Label"], "first");
    let kept = row["params"].to_string().len();
    assert!(kept < 10_000, "{kept} bytes are kept of one request");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_twilios_codes() {
    let kit = Kit::with_desk().await;
    let twiml = "<Response/>";
    let long = format!("<Response>{}</Response>", "x".repeat(4000));
    let cases: &[Case<'_>] = &[
        ("Calls", &[("From", DESK), ("Twiml", twiml)], 400, 21201),
        (
            "Calls",
            &[("To", "+15551234"), ("Twiml", twiml)],
            400,
            21213,
        ),
        (
            "Calls",
            &[("To", "555"), ("From", DESK), ("Twiml", twiml)],
            400,
            21211,
        ),
        (
            "Calls",
            &[("To", "+15551234"), ("From", "+15559999"), ("Twiml", twiml)],
            400,
            21210,
        ),
        ("Calls", &[("To", "+15551234"), ("From", DESK)], 400, 21205),
        (
            "Calls",
            &[("To", "+15551234"), ("From", DESK), ("Url", "nonsense")],
            400,
            21205,
        ),
        (
            "Calls",
            &[("To", "+15551234"), ("From", DESK), ("Twiml", &long)],
            400,
            32018,
        ),
        (
            "Calls",
            &[
                ("To", "+15551234"),
                ("From", DESK),
                ("Twiml", twiml),
                ("Timeout", "601"),
            ],
            400,
            21208,
        ),
        (
            "Calls",
            &[
                ("To", "+15551234"),
                ("From", DESK),
                ("ApplicationSid", "AP1"),
            ],
            400,
            21218,
        ),
        (
            "Calls/CA00000000000000000000000000000000",
            &[("Status", "completed")],
            404,
            20404,
        ),
        (
            "Conferences/CF00000000000000000000000000000000/Participants",
            &[("To", "+15551234"), ("From", DESK)],
            404,
            16022,
        ),
        (
            "Conferences/room/Participants",
            &[("To", "+15551234"), ("From", DESK), ("Label", "a/b")],
            400,
            16024,
        ),
        ("IncomingPhoneNumbers", &[("PhoneNumber", DESK)], 400, 21422),
        (
            "IncomingPhoneNumbers",
            &[("PhoneNumber", "0800")],
            400,
            21421,
        ),
        (
            "IncomingPhoneNumbers",
            &[
                ("PhoneNumber", "+15550199"),
                ("VoiceFallbackUrl", "https://x.example/"),
            ],
            400,
            21405,
        ),
        ("Queues", &[], 400, 20001),
        ("Conferences", &[], 405, 20004),
        (
            "Conferences/room/Participants",
            &[("To", "+15551234"), ("From", DESK), ("Timeout", "4")],
            400,
            21208,
        ),
        ("Nonsense", &[], 404, 20404),
    ];
    for (path, form, status, code) in cases {
        let (got, body) = kit.post(path, form).await;
        assert_eq!(
            (got, body["code"].as_u64()),
            (*status, Some(*code)),
            "POST {path} {form:?}: {body}"
        );
        assert_eq!(
            (body["status"].as_u64(), body["message"].is_string()),
            (Some(u64::from(*status)), true)
        );
    }
    let (status, body) = kit.get("Calls/CA00000000000000000000000000000000").await;
    let path = format!(
        "/2010-04-01/Accounts/{}/Calls/CA00000000000000000000000000000000.json",
        kit.credentials.account_sid
    );
    assert_eq!(
        (status, body["message"].as_str().unwrap()),
        (
            404,
            &*format!("The requested resource {path} was not found")
        )
    );
    // A refused dial has not used up its second.
    let (_, body) = kit
        .post(
            "Calls",
            &[("To", "+15551234"), ("From", DESK), ("Twiml", twiml)],
        )
        .await;
    assert_eq!(body["queue_time"], "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paged_to_and_fro() {
    let kit = Kit::start().await;
    for n in 0..5 {
        kit.post(
            "IncomingPhoneNumbers",
            &[
                ("PhoneNumber", &format!("+1555020{n}")),
                ("FriendlyName", "line"),
            ],
        )
        .await;
    }
    let number = |page: &Value, at: usize| {
        page["incoming_phone_numbers"][at]["phone_number"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (_, first) = kit
        .get("IncomingPhoneNumbers?PageSize=2&FriendlyName=line")
        .await;
    assert_eq!(
        (number(&first, 0), number(&first, 1)),
        ("+15550200".into(), "+15550201".into())
    );
    assert_eq!(
        (
            &first["page"],
            &first["page_size"],
            &first["start"],
            &first["end"]
        ),
        (&0.into(), &2.into(), &0.into(), &1.into())
    );
    assert!(first["previous_page_uri"].is_null());
    let follow = async |uri: &Value| kit.follow(uri).await.1;
    let second = follow(&first["next_page_uri"]).await;
    assert_eq!(
        (number(&second, 0), &second["page"], &second["start"]),
        ("+15550202".into(), &1.into(), &2.into())
    );
    assert!(
        second["next_page_uri"]
            .as_str()
            .unwrap()
            .contains("FriendlyName=line")
    );
    let third = follow(&second["next_page_uri"]).await;
    assert_eq!(
        (number(&third, 0), &third["next_page_uri"]),
        ("+15550204".into(), &Value::Null)
    );
    assert_eq!(
        number(&follow(&second["previous_page_uri"]).await, 0),
        "+15550200"
    );
    assert_eq!(
        kit.get("IncomingPhoneNumbers?PageToken=PAnone").await.1["code"],
        21481
    );
    assert_eq!(
        kit.get("IncomingPhoneNumbers?PageSize=1001").await.1["code"],
        20007
    );
    let (_, none) = kit.get("Calls").await;
    assert_eq!(
        (&none["calls"], &none["start"], &none["end"]),
        (&json!([]), &0.into(), &0.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_past_all_pages_is_still_an_answer() {
    let kit = Kit::with_desk().await;
    kit.post("IncomingPhoneNumbers", &[("PhoneNumber", "+15550201")])
        .await;
    let (_, numbers) = kit.get("IncomingPhoneNumbers?PageSize=1").await;
    let first = numbers["incoming_phone_numbers"][0]["sid"]
        .as_str()
        .unwrap();
    let (status, page) = kit
        .get(&format!(
            "IncomingPhoneNumbers?Page={}&PageToken=PB{first}&PageSize=1",
            usize::MAX
        ))
        .await;
    assert_eq!((status, &page["page"]), (200, &usize::MAX.into()), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_page_is_there_though_its_row_left_the_filter() {
    let kit = Kit::with_desk().await;
    kit.site.twiml("/voice", "<Pause length=\"3000\"/>");
    for n in 0..3 {
        let call = kit.caller(&format!("+1555000{n}")).await;
        kit.until_status(&call, "in-progress").await;
    }
    let sid = |page: &Value| page["calls"][0]["sid"].as_str().unwrap().to_owned();
    let (_, first) = kit.get("Calls?Status=in-progress&PageSize=1").await;
    let newest = sid(&first);
    kit.control.hangup(&newest).await.unwrap();
    kit.until_status(&newest, "completed").await;
    let (status, second) = kit.follow(&first["next_page_uri"]).await;
    assert_eq!(
        (status, &second["calls"][0]["from"]),
        (200, &"+15550001".into()),
        "{second}"
    );
    kit.control.hangup(&sid(&second)).await.unwrap();
    kit.until_status(&sid(&second), "completed").await;
    let (status, third) = kit.follow(&second["next_page_uri"]).await;
    assert_eq!(
        (status, &third["calls"][0]["from"], &third["next_page_uri"]),
        (200, &"+15550000".into(), &Value::Null),
        "{third}"
    );
    let (status, body) = kit.get("Calls?StartTime%3E=yesterday").await;
    assert_eq!(
        (status, body["code"].as_u64()),
        (400, Some(20001)),
        "a date that can't be read is no filter that lets all through"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_a_second_is_dialled_and_the_others_wait() {
    let kit = Kit::with_desk().await;
    let mut calls = Vec::new();
    for n in 0..3 {
        let to = format!("+1555300{n}");
        let (status, body) = kit
            .post(
                "Calls",
                &[
                    ("To", &to),
                    ("From", DESK),
                    ("Twiml", "<Response><Pause length=\"600\"/></Response>"),
                ],
            )
            .await;
        assert_eq!((status, body["status"].as_str()), (201, Some("queued")));
        let waits: i64 = body["queue_time"].as_str().unwrap().parse().unwrap();
        assert!(
            (n * 1000 - 700..=n * 1000).contains(&waits),
            "call {n} waits {waits} ms"
        );
        calls.push(body["sid"].as_str().unwrap().to_owned());
    }
    let mut answered = Vec::new();
    for call in &calls {
        kit.until_status(call, "in-progress").await;
    }
    for row in kit.control.log().await.unwrap()["calls"]
        .as_array()
        .unwrap()
    {
        answered.push(row["answered"].as_i64().unwrap());
    }
    answered.sort_unstable();
    assert!(
        answered.windows(2).all(|w| w[1] - w[0] > 500),
        "answered at {answered:?}"
    );
    // Inbound calls are not limited.
    kit.site.twiml("/voice", "<Pause length=\"600\"/>");
    let before = kit.twin.clock().now_ms();
    for n in 0..5 {
        kit.caller(&format!("+1555400{n}")).await;
    }
    kit.site
        .until("five voice requests", "/voice", |s| {
            (s.len() == 5).then_some(())
        })
        .await;
    assert!(kit.twin.clock().now_ms() - before < 4_000);

    let (_, list) = kit
        .get("Calls?Status=in-progress&From=%2B15550100&To=%2B15553001")
        .await;
    assert_eq!(list["calls"].as_array().unwrap().len(), 1);
    assert_eq!(list["calls"][0]["direction"], "outbound-api");
    let today = kit.twin.clock().now().to_string()[..10].to_owned();
    let count = async |query: String| kit.get(&query).await.1["calls"].as_array().unwrap().len();
    assert_eq!(
        count(format!("Calls?StartTime={today}&PageSize=100")).await,
        8
    );
    assert_eq!(count(format!("Calls?StartTime%3C={today}")).await, 8);
    assert_eq!(count("Calls?StartTime%3E=2099-01-01".into()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn web_hooks_carry_a_signature_and_a_token() {
    let kit = Kit::with_desk().await;
    kit.site
        .twiml("/voice", "<Redirect method=\"GET\">/next?a=1</Redirect>");
    kit.site.twiml("/next", "<Hangup/>");
    let call = kit.caller("+15550001").await;
    kit.until_status(&call, "completed").await;
    let sign = |data: &str| {
        use base64::Engine;
        let key = aws_lc_rs::hmac::Key::new(
            aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            kit.credentials.auth_token.as_bytes(),
        );
        base64::engine::general_purpose::STANDARD
            .encode(aws_lc_rs::hmac::sign(&key, data.as_bytes()))
    };
    let voice = &kit.site.seen("/voice")[0];
    let mut form = voice.form.clone();
    form.sort();
    let data: String = form.iter().flat_map(|(k, v)| [k.as_str(), v]).collect();
    assert_eq!(
        voice.headers["x-twilio-signature"],
        sign(&format!("{}{data}", kit.site.at("/voice")))
    );
    assert_eq!(voice.headers["user-agent"], "TwilioProxy/1.1");
    assert_eq!(voice.headers["i-twilio-idempotency-token"].len(), 36);
    // A GET has its parameters in the URL, and the URL is what is signed.
    let next = &kit.site.seen("/next")[0];
    assert!(
        next.method == "GET" && next.query.starts_with("a=1&CallSid="),
        "{next:?}"
    );
    assert_eq!(
        next.headers["x-twilio-signature"],
        sign(&format!("{}?{}", kit.site.at("/next"), next.query))
    );
}

#[tokio::test]
async fn a_number_can_be_there_from_the_start() {
    let kit = Kit::of(TwinConfig {
        numbers: vec![DESK.to_owned()],
        ..TwinConfig::default()
    })
    .await;
    let (_, body) = kit.get("IncomingPhoneNumbers").await;
    let numbers = body["incoming_phone_numbers"].as_array().unwrap();
    assert_eq!(numbers.len(), 1, "{body}");
    assert_eq!(numbers[0]["phone_number"], DESK);
    let sid = numbers[0]["sid"].as_str().unwrap();
    let path = format!("IncomingPhoneNumbers/{sid}");
    let (code, body) = kit
        .post(&path, &[("VoiceUrl", &kit.site.at("/voice"))])
        .await;
    assert_eq!(code, 200, "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn recordings_queues_and_numbers_live_and_die() {
    let kit = Kit::with_desk().await;
    let (customer, ..) = kit.talk().await;
    let hook = kit.site.at("/rec");
    let form = [
        ("RecordingChannels", "dual"),
        ("RecordingStatusCallback", &*hook),
        ("RecordingStatusCallbackEvent", "in-progress completed"),
    ];
    let (status, body) = kit
        .post(&format!("Calls/{customer}/Recordings"), &form)
        .await;
    assert_eq!(
        (status, &body["channels"], &body["status"]),
        (201, &2.into(), &"in-progress".into())
    );
    let sid = body["sid"].as_str().unwrap().to_owned();
    let (_, twice) = kit
        .post(&format!("Calls/{customer}/Recordings"), &form)
        .await;
    assert_eq!(
        twice["sid"],
        sid.as_str(),
        "a second recording of a leg is the first"
    );
    let (_, body) = kit
        .post(
            &format!("Calls/{customer}/Recordings/Twilio.CURRENT"),
            &[("Status", "paused")],
        )
        .await;
    assert_eq!(body["status"], "paused");
    kit.control.hangup(&customer).await.unwrap();
    kit.site
        .until("the recording's end", "/rec", |s| {
            s.iter()
                .any(|s| s.get("RecordingStatus") == "completed")
                .then_some(())
        })
        .await;
    let sound = kit
        .http()
        .get(
            kit.account_url(&format!("Recordings/{sid}"))
                .replace(".json", ".wav"),
        )
        .send()
        .await
        .unwrap();
    assert_eq!(
        (sound.status().as_u16(), &sound.bytes().await.unwrap()[..4]),
        (200, b"RIFF".as_slice())
    );
    assert_eq!(
        kit.get(&format!("Recordings?CallSid={customer}")).await.1["recordings"][0]["status"],
        "completed"
    );
    assert_eq!(kit.delete(&format!("Recordings/{sid}")).await.0, 204);
    assert_eq!(kit.get(&format!("Recordings/{sid}")).await.0, 404);

    let (_, queue) = kit
        .post("Queues", &[("FriendlyName", "desk"), ("MaxSize", "3")])
        .await;
    let path = format!("Queues/{}", queue["sid"].as_str().unwrap());
    assert_eq!(kit.post(&path, &[("MaxSize", "4")]).await.1["max_size"], 4);
    kit.post("Queues", &[("FriendlyName", "door")]).await;
    for (name, code) in [("door", 22003), (&*"d".repeat(65), 20001)] {
        let (status, body) = kit.post(&path, &[("FriendlyName", name)]).await;
        assert_eq!((status, body["code"].as_u64()), (400, Some(code)), "{body}");
    }
    let (_, same) = kit.post(&path, &[("FriendlyName", "desk")]).await;
    assert_eq!(same["friendly_name"], "desk", "its own name is free");
    assert_eq!(kit.get(&format!("{path}/Members/Front")).await.0, 404);
    assert_eq!(kit.delete(&path).await.0, 204);

    let (_, numbers) = kit.get("IncomingPhoneNumbers").await;
    let path = format!(
        "IncomingPhoneNumbers/{}",
        numbers["incoming_phone_numbers"][0]["sid"]
            .as_str()
            .unwrap()
    );
    assert_eq!(
        kit.post(&path, &[("FriendlyName", "Desk")]).await.1["friendly_name"],
        "Desk"
    );
    assert_eq!(kit.delete(&path).await.0, 204);
    let (_, free) = kit.get("AvailablePhoneNumbers/US/Local?AreaCode=808").await;
    assert!(
        free["available_phone_numbers"][0]["phone_number"]
            .as_str()
            .unwrap()
            .starts_with("+1808")
    );
    assert_eq!(kit.get("").await.0, 404);
    let (status, body) = kit
        .post(&format!("Calls/{customer}"), &[("Status", "completed")])
        .await;
    assert_eq!((status, body["code"].as_u64()), (400, Some(21220)));
    assert_eq!(kit.delete(&format!("Calls/{customer}")).await.0, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_stands_before_twiml_and_a_stream_is_answered_for() {
    let kit = Kit::with_desk().await;
    let form = [
        ("To", "+15551234"),
        ("From", DESK),
        ("Url", &kit.site.at("/doc")),
        ("Twiml", "<Response/>"),
    ];
    kit.site.twiml("/doc", "<Pause length=\"3000\"/>");
    let (status, call) = kit.post("Calls", &form).await;
    assert_eq!(status, 201, "{call}");
    assert!(call.get("annotation").is_none(), "{call}");
    let path = format!("Calls/{}", call["sid"].as_str().unwrap());
    let (_, notes) = kit.get(&format!("{path}/Notifications")).await;
    assert_eq!(notes["notifications"][0]["error_code"], "32019");
    let stream = [("Url", "wss://office.example/ear")];
    let (status, body) = kit.post(&format!("{path}/Streams"), &stream).await;
    assert_eq!((status, &body["status"]), (200, &"in-progress".into()));
}

/// What a busy desk asks of it: twenty calls, and a thousand requests from ten sides at once. How long it took
/// is printed and not judged: that would judge the machine, and this build is not optimised.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_get_a_thousand_answers() {
    let kit = std::sync::Arc::new(Kit::with_desk().await);
    kit.site.twiml("/voice", "<Pause length=\"3000\"/>");
    let mut calls = Vec::new();
    for n in 0..20 {
        calls.push(kit.caller(&format!("+155560{n:02}")).await);
    }
    kit.site
        .until("twenty voice requests", "/voice", |s| {
            (s.len() == 20).then_some(())
        })
        .await;
    let calls = std::sync::Arc::new(calls);
    let before = kit.twin.clock().now_ms();
    let asking: Vec<_> = (0..10)
        .map(|at| {
            let (kit, calls) = (kit.clone(), calls.clone());
            tokio::spawn(async move {
                for n in 0..100 {
                    let call = &calls[(at + n) % calls.len()];
                    let (status, body) = kit.get(&format!("Calls/{call}")).await;
                    assert_eq!((status, body["sid"].as_str()), (200, Some(call.as_str())));
                }
            })
        })
        .collect();
    for asker in asking {
        asker.await.unwrap();
    }
    let took = (kit.twin.clock().now_ms() - before) / 10;
    println!("a thousand requests took {took} ms");
    let logged = kit.control.requests().await.unwrap()["rest"]
        .as_array()
        .unwrap()
        .len();
    assert!(logged >= 1000, "{logged} requests are in the log");
}
