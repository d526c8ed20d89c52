//! Faults: lost answers, refusals, doubled, late and lost web hooks, failing voice requests, retries.

use std::sync::Arc;
use std::time::Duration;

use crate::kit::{DESK, Kit, Seen};

fn order(seen: &[Seen]) -> Vec<String> {
    seen.iter()
        .map(|s| s.get("SequenceNumber").to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_a_deed_without_a_word() {
    let kit = Kit::with_desk().await;
    let (.., room) = kit.talk().await;
    kit.control
        .fault(&["next.lose_answer=POST:/Participants"])
        .await
        .unwrap();
    let form = [("From", DESK), ("To", "+15559001"), ("Label", "xfer")];
    let url = kit.account_url(&format!("Conferences/{room}/Participants"));
    let c = &kit.credentials;
    let lost = kit
        .http()
        .post(url)
        .basic_auth(&c.account_sid, Some(&c.auth_token))
        .form(&form)
        .send()
        .await;
    assert!(
        lost.is_err(),
        "the connection is cut, there is no answer: {lost:?}"
    );
    let (status, body) = kit
        .get(&format!("Conferences/{room}/Participants/xfer"))
        .await;
    assert_eq!(
        (status, &body["label"]),
        (200, &"xfer".into()),
        "the dial was done all the same"
    );
    let (status, body) = kit
        .post(&format!("Conferences/{room}/Participants"), &form)
        .await;
    assert_eq!(
        (status, body["code"].as_u64()),
        (400, Some(16026)),
        "only the next answer is lost"
    );
    let requests = kit.control.requests().await.unwrap();
    let row = requests["rest"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["fault"] == "lose_answer")
        .unwrap();
    assert_eq!(
        (&row["status"], &row["params"]["Label"]),
        (&201.into(), &"xfer".into())
    );
    let hooks = requests["webhooks"].as_array().unwrap();
    let attempts = hooks
        .iter()
        .flat_map(|h| h["attempts"].as_array().unwrap())
        .collect::<Vec<_>>();
    assert!(!attempts.is_empty());
    for said in [row, &hooks[0], attempts[0]] {
        let at = said["at"].as_str().unwrap_or_default();
        assert!(
            at.ends_with('Z') && at.parse::<jiff::Timestamp>().is_ok(),
            "times are RFC 3339, UTC: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_is_never_processed() {
    let kit = Kit::with_desk().await;
    kit.control.fault(&["rest.429=1"]).await.unwrap();
    let form = [
        ("From", DESK),
        ("To", "+15559001"),
        ("Twiml", "<Response/>"),
    ];
    let (status, body) = kit.post("Calls", &form).await;
    assert_eq!((status, body["code"].as_u64()), (429, Some(20429)));
    kit.control.clear_faults().await.unwrap();
    kit.control
        .fault(&["next.500=POST:/Calls", "next.slow=POST:/Calls"])
        .await
        .unwrap();
    assert_eq!(kit.post("Calls", &form).await.0, 500);
    assert!(
        kit.get("Calls").await.1["calls"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_eq!(kit.post("Calls", &form).await.0, 201);
    let refused = kit.control.fault(&["rest.42=1"]).await.unwrap_err();
    assert!(
        refused.to_string().contains("known are webhook.double"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn doubles_share_a_token_and_the_lost_are_logged() {
    let kit = Kit::with_desk().await;
    kit.control
        .fault(&["webhook.double=1", "next.webhook_lose=participant-hold"])
        .await
        .unwrap();
    let (.., room) = kit.talk().await;
    kit.post(
        &format!("Conferences/{room}/Participants/cust"),
        &[("Hold", "true")],
    )
    .await;
    kit.post(
        &format!("Conferences/{room}/Participants/cust"),
        &[("Hold", "false")],
    )
    .await;
    let seen = kit
        .site
        .until("eight callbacks", "/conf", |s| {
            (s.len() == 8).then(|| s.to_vec())
        })
        .await;
    let mut numbers = order(&seen);
    numbers.sort();
    assert_eq!(
        numbers,
        ["1", "1", "2", "2", "3", "3", "5", "5"],
        "the fourth was lost, its number used"
    );
    for number in ["1", "5"] {
        let tokens: Vec<&str> = seen
            .iter()
            .filter(|s| s.get("SequenceNumber") == number)
            .map(|s| s.headers["i-twilio-idempotency-token"].as_str())
            .collect();
        assert!(
            tokens[0] == tokens[1] && !tokens[0].is_empty(),
            "{tokens:?}"
        );
    }
    let requests = kit.control.requests().await.unwrap();
    let lost = requests["webhooks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["params"]["SequenceNumber"] == "4")
        .unwrap();
    assert_eq!(
        (&lost["fault"], lost["attempts"].as_array().unwrap().len()),
        (&"lose+double".into(), 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_callback_is_overtaken() {
    let kit = Kit::with_desk().await;
    kit.control
        .fault(&[
            "next.webhook_delay=participant-join",
            "webhook.delay_max=3s",
        ])
        .await
        .unwrap();
    kit.talk().await;
    let seen = kit
        .site
        .until("three callbacks", "/conf", |s| {
            (s.len() == 3).then(|| s.to_vec())
        })
        .await;
    assert_eq!(
        order(&seen).last().unwrap(),
        "1",
        "the first join came last: {:?}",
        order(&seen)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragment_brings_a_refused_callback_back() {
    let kit = Kit::with_desk().await;
    kit.site.replies(
        "/conf",
        &[
            (503, "text/plain", ""),
            (503, "text/plain", ""),
            (204, "text/plain", ""),
        ],
    );
    kit.site.twiml("/voice", &kit.room("cust", "waitUrl=\"\""));
    kit.caller("+15550001").await;
    let seen = kit
        .site
        .until("the third attempt", "/conf", |s| {
            (s.len() == 3).then(|| s.to_vec())
        })
        .await;
    assert_eq!(order(&seen), ["1", "1", "1"]);
    let tokens: std::collections::BTreeSet<&str> = seen
        .iter()
        .map(|s| s.headers["i-twilio-idempotency-token"].as_str())
        .collect();
    assert_eq!(tokens.len(), 1, "retries keep their token");
    // Without a fragment a 503 is final: the number's callback is sent once.
    kit.site.reply("/status", 503, "text/plain", "");
    kit.site.twiml("/voice", "<Hangup/>");
    let call = kit.caller("+15550002").await;
    kit.until_status(&call, "completed").await;
    let attempts = kit
        .site
        .until("the status callback", "/status", |s| {
            (!s.is_empty()).then_some(s.len())
        })
        .await;
    assert_eq!(attempts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_request_that_times_out_goes_to_the_fallback() {
    let kit = Kit::with_fallback().await;
    kit.site.twiml("/voice", "<Pause length=\"600\"/>");
    kit.site.twiml("/fallback", "<Pause length=\"600\"/>");
    kit.control.fault(&["voice.fail=1"]).await.unwrap();
    kit.caller("+15550001").await;
    let asked = kit.site.first("the fallback", "/fallback").await;
    assert_eq!(asked.get("ErrorCode"), "11200");
    assert!(
        kit.site.seen("/voice").is_empty(),
        "the request never arrived"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_that_stops_keeps_nobody_waiting() {
    let kit = Arc::new(Kit::with_desk().await);
    kit.site.twiml("/voice", "<Pause length=\"3000\"/>");
    let call = kit.caller("+15550001").await;
    kit.until_status(&call, "in-progress").await;
    let control = kit.control.clone();
    let waits = tokio::spawn(async move {
        let hour = Duration::from_hours(1);
        let _ = control.wait_call(&call, "completed", hour).await;
    });
    let faults = ["rest.slow_max=3600s", "next.slow=GET:/Calls"];
    kit.control.fault(&faults).await.unwrap();
    let asker = kit.clone();
    let asks = tokio::spawn(async move {
        let url = asker.account_url("Calls");
        let _ = asker.http().get(url).send().await;
    });
    let taken =
        async { while kit.control.faults().await.unwrap()["next"] != serde_json::json!([]) {} };
    let patience = Duration::from_secs(15);
    tokio::time::timeout(patience, taken)
        .await
        .expect("the slow request arrives");
    kit.stop();
    for (what, task) in [("the wait", waits), ("the slow request", asks)] {
        let done = tokio::time::timeout(patience, task).await;
        done.unwrap_or_else(|late| panic!("{what} goes on after the twin's end ({late})"))
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_set_again_brings_no_token_back() {
    let kit = Kit::with_desk().await;
    kit.site.twiml("/voice", "<Hangup/>");
    let mut tokens = Vec::new();
    for round in 1..=2 {
        kit.control.fault(&["seed=5"]).await.unwrap();
        kit.caller("+15550001").await;
        kit.site
            .until("the end of the call", "/status", |s| {
                (s.len() == round).then_some(())
            })
            .await;
        let voice = kit.site.seen("/voice").pop().unwrap();
        tokens.push(voice.headers["i-twilio-idempotency-token"].clone());
    }
    assert_ne!(tokens[0], tokens[1], "a receiver would drop the second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_limit_is_no_longer_than_it_says() {
    let kit = Kit::with_fallback().await;
    kit.site.twiml("/fallback", "<Hangup/>");
    // It accepts a connection and says nothing.
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/voice#rt=2000&tt=4000",
        deaf.local_addr().unwrap()
    );
    let (_, numbers) = kit.get("IncomingPhoneNumbers").await;
    let sid = numbers["incoming_phone_numbers"][0]["sid"]
        .as_str()
        .unwrap();
    kit.post(
        &format!("IncomingPhoneNumbers/{sid}"),
        &[("VoiceUrl", &url)],
    )
    .await;
    let call = kit.caller("+15550001").await;
    kit.until_status(&call, "completed").await;
    assert_eq!(kit.site.seen("/fallback").len(), 1);
    let requests = kit.control.requests().await.unwrap();
    let attempts = &requests["webhooks"][0]["attempts"];
    assert_eq!(
        attempts[0]["error"], "no answer within 2000 ms",
        "{requests:#}"
    );
}
