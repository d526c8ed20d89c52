//! The client against a small server of its own, and against servers that misbehave at the level of bytes.
//!
//! What is proved here: what is sent, and that each way of failing is told apart from the others.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use cordboard_core::ids::{CallId, Timestamp};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::twilio::{Sound, tests::config, words::CallState};

/// One request as it arrived.
#[derive(Debug, Clone)]
struct Seen {
    line: String,
    authorization: String,
    form: Vec<(String, String)>,
}

impl Seen {
    fn all(&self, name: &str) -> Vec<&str> {
        self.form
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
            .collect()
    }

    fn one(&self, name: &str) -> &str {
        match self.all(name)[..] {
            [value] => value,
            ref other => panic!("{name} was sent {} times in {self:?}", other.len()),
        }
    }
}

/// Answers from a list, and remembers what was asked.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Response>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Script {
    fn saw(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn last(&self) -> Seen {
        self.saw().pop().expect("nothing was asked")
    }

    fn say(&self, status: u16, body: &Value) {
        self.say_with(status, &[], body.to_string());
    }

    fn say_with(&self, status: u16, headers: &[(&'static str, &str)], body: impl Into<Body>) {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        self.answers
            .lock()
            .unwrap()
            .push_back(response.body(body.into()).unwrap());
    }
}

async fn answer(State(script): State<Script>, request: Request) -> Response {
    let line = format!("{} {}", request.method(), request.uri());
    let authorization = request
        .headers()
        .get("authorization")
        .map_or("", |v| v.to_str().unwrap())
        .to_owned();
    let body = to_bytes(request.into_body(), 1 << 20).await.unwrap();
    let form = form_urlencoded::parse(&body).into_owned().collect();
    script.seen.lock().unwrap().push(Seen {
        line,
        authorization,
        form,
    });
    let next = script.answers.lock().unwrap().pop_front();
    next.unwrap_or_else(|| (StatusCode::NOT_IMPLEMENTED, "the script is over").into_response())
}

async fn server() -> (Rest, Script) {
    let script = Script::default();
    let app = Router::new().fallback(answer).with_state(script.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rest = rest(listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (rest, script)
}

fn rest(at: SocketAddr) -> Rest {
    let wait = Duration::from_millis(500);
    Rest::with_patience(&config(&format!("http://{at}")), wait, wait).unwrap()
}

fn call_sid() -> CallSid {
    format!("CA{}", "1".repeat(32)).parse().unwrap()
}

fn room() -> ConferenceSid {
    format!("CF{}", "2".repeat(32)).parse().unwrap()
}

fn leg() -> cordboard_core::ids::LegId {
    CallId::from_bits(5).leg(2)
}

fn tree() -> String {
    format!("/2010-04-01/Accounts/AC{}", "a".repeat(32))
}

fn a_call(n: u8) -> Value {
    json!({
        "sid": format!("CA{n:032x}"), "from": "+14155550100", "to": "+14155550132", "status": "queued",
        "direction": "outbound-api", "duration": null, "queue_time": "0", "date_created": "Fri, 18 Oct 2019 17:00:00 +0000",
    })
}

fn a_participant() -> Value {
    json!({
        "call_sid": call_sid(), "conference_sid": room(), "label": leg(), "status": "queued", "muted": false, "hold": false,
        "coaching": false, "end_conference_on_exit": false, "start_conference_on_enter": true, "queue_time": "1000",
    })
}

fn a_refusal(status: u16, code: u32) -> Value {
    json!({"code": code, "message": "Twilio's own sentence", "more_info": "https://www.twilio.com/docs/errors/1", "status": status})
}

fn new_call() -> NewCall {
    NewCall {
        leg: leg(),
        to: "+14155550132".parse().unwrap(),
        from: "+14155550100".parse().unwrap(),
        seconds: 25,
        detect_machine: true,
    }
}

#[tokio::test]
async fn a_telephone_is_rung_with_its_leg_in_every_url() {
    let (rest, script) = server().await;
    script.say(201, &a_call(1));
    let call = rest.create_call(&new_call()).await.done().unwrap();
    assert_eq!((call.status, call.queued_ms), (CallState::Queued, Some(0)));
    let seen = script.last();
    assert_eq!(seen.line, format!("POST {}/Calls.json", tree()));
    let basic = BASE64.encode(format!("SK{}:the-api-secret", "b".repeat(32)));
    assert_eq!(seen.authorization, format!("Basic {basic}"));
    assert_eq!(
        (seen.one("To"), seen.one("From"), seen.one("Timeout")),
        ("+14155550132", "+14155550100", "25")
    );
    for name in ["Url", "StatusCallback", "AsyncAmdStatusCallback"] {
        assert!(
            seen.one(name).contains(&leg().to_string()),
            "{name} of {seen:?}"
        );
    }
    assert_eq!(
        seen.all("StatusCallbackEvent"),
        ["initiated", "ringing", "answered", "completed"]
    );
    assert_eq!(seen.one("AsyncAmd"), "true");
    assert_eq!(
        seen.one("FallbackUrl"),
        "https://desk.example.com/pbx/twilio/fallback"
    );
}

#[tokio::test]
async fn an_outside_party_is_rung_into_the_room_with_everybodys_attributes() {
    let (rest, script) = server().await;
    script.say(201, &a_participant());
    let new = NewParticipant {
        leg: leg(),
        to: "+14155550132".parse().unwrap(),
        from: "+14155550100".parse().unwrap(),
        seconds: 1,
        end_on_exit: false,
        early_media: true,
    };
    let participant = rest.create_participant(&room(), &new).await.done().unwrap();
    assert_eq!(
        (participant.leg(), participant.queued_ms),
        (Some(leg()), Some(1000))
    );
    let seen = script.last();
    assert_eq!(
        seen.line,
        format!("POST {}/Conferences/{}/Participants.json", tree(), room())
    );
    assert_eq!(
        (seen.one("Label"), seen.one("Timeout")),
        (leg().to_string().as_str(), "5")
    );
    assert_eq!(
        (
            seen.one("EndConferenceOnExit"),
            seen.one("EarlyMedia"),
            seen.one("Beep")
        ),
        ("false", "true", "false")
    );
    assert_eq!(
        seen.all("ConferenceStatusCallbackEvent").join(" "),
        ROOM_EVENTS
    );
}

#[tokio::test]
async fn each_change_of_a_participant_is_one_request() {
    let (rest, script) = server().await;
    let coached: CallSid = format!("CA{}", "3".repeat(32)).parse().unwrap();
    let hold_url = "https://desk.example.com/pbx/twilio/hold/music";
    for (change, form) in [
        (
            Change::Hold(Sound::Music),
            vec![
                ("Hold", "true"),
                ("HoldUrl", hold_url),
                ("HoldMethod", "GET"),
            ],
        ),
        (Change::Unhold, vec![("Hold", "false")]),
        (Change::Mute(true), vec![("Muted", "true")]),
        (Change::Mute(false), vec![("Muted", "false")]),
        (
            Change::EndOnExit(true),
            vec![("EndConferenceOnExit", "true")],
        ),
        (
            Change::Coach(coached.clone()),
            vec![("Coaching", "true"), ("CallSidToCoach", coached.as_str())],
        ),
        (Change::StopCoaching, vec![("Coaching", "false")]),
    ] {
        script.say(200, &a_participant());
        assert!(
            rest.update_participant(&room(), leg(), &change)
                .await
                .done()
                .is_some(),
            "{change:?}"
        );
        let seen = script.last();
        assert_eq!(
            seen.line,
            format!(
                "POST {}/Conferences/{}/Participants/{}.json",
                tree(),
                room(),
                leg()
            )
        );
        let sent: Vec<_> = seen
            .form
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        assert_eq!(sent, form, "{change:?}");
    }
    script.say(200, &a_participant());
    assert!(
        rest.participant(&room(), &call_sid())
            .await
            .done()
            .is_some()
    );
    assert!(
        script
            .last()
            .line
            .ends_with(&format!("/Participants/{}.json", call_sid()))
    );
}

#[tokio::test]
async fn a_redirect_gives_a_living_leg_another_document() {
    let (rest, script) = server().await;
    script.say(200, &a_call(1));
    assert!(
        rest.redirect_call(&call_sid(), Callback::Leg(leg()))
            .await
            .done()
            .is_some()
    );
    let seen = script.last();
    assert_eq!(
        seen.line,
        format!("POST {}/Calls/{}.json", tree(), call_sid())
    );
    assert_eq!(
        seen.one("Url"),
        format!("https://desk.example.com/pbx/twilio/leg?leg={}", leg())
    );
}

#[tokio::test]
async fn ending_what_is_over_is_done() {
    let (rest, script) = server().await;
    for (status, code) in [(400, 21220), (404, 20404)] {
        script.say(status, &a_refusal(status, code));
        assert_eq!(rest.end_call(&call_sid()).await, Answer::Done(()), "{code}");
    }
    script.say(200, &json!({"anything": "that was said"}));
    assert_eq!(rest.end_call(&call_sid()).await, Answer::Done(()));
    assert_eq!(
        script.last().form,
        [("Status".to_owned(), "completed".to_owned())]
    );
    script.say_with(204, &[], Body::empty());
    assert_eq!(rest.kick(&room(), leg()).await, Answer::Done(()));
    assert_eq!(
        script.last().line,
        format!(
            "DELETE {}/Conferences/{}/Participants/{}.json",
            tree(),
            room(),
            leg()
        )
    );
    script.say(404, &a_refusal(404, 20404));
    assert_eq!(rest.kick(&room(), leg()).await, Answer::Done(()));
    script.say(404, &a_refusal(404, 20404));
    assert_eq!(rest.end_conference(&room()).await, Answer::Done(()));
    script.say(401, &a_refusal(401, 20003));
    assert_eq!(
        rest.end_call(&call_sid()).await.why(),
        Some(Why::Credentials)
    );
}

#[tokio::test]
async fn refusals_say_why() {
    let (rest, script) = server().await;
    for (status, code, why) in [
        (400, 21220, Why::Over),
        (404, 20404, Why::Gone),
        (400, 16001, Why::NotStarted),
        (400, 16022, Why::RoomOver),
        (400, 16026, Why::AlreadyThere),
        (400, 21211, Why::BadNumber),
        (400, 21215, Why::NotAllowed),
        (400, 21212, Why::BadCallerId),
        (400, 16021, Why::Limit),
        (401, 20003, Why::Credentials),
        (400, 20001, Why::Other),
    ] {
        script.say(status, &a_refusal(status, code));
        let answer = rest.create_call(&new_call()).await;
        assert_eq!(answer.why(), Some(why), "{code}");
        assert!(!answer.is_safe_to_repeat());
        let wanted = Answer::Refused {
            status,
            code: Some(code),
            message: "Twilio's own sentence".into(),
        };
        assert_eq!(answer, wanted);
    }
    script.say(
        400,
        &json!({"title": "RFC 9457\u{1b}[2J", "code": 20001, "status": 400, "type": "about:blank"}),
    );
    let Answer::Refused { message, .. } = rest.create_call(&new_call()).await else {
        panic!()
    };
    assert_eq!(message, "RFC 9457\u{fffd}[2J");
    script.say_with(403, &[], "<html>a proxy's page</html>");
    let Answer::Refused {
        status: 403,
        code: None,
        ..
    } = rest.create_call(&new_call()).await
    else {
        panic!()
    };
}

#[tokio::test]
async fn too_many_is_busy_and_a_server_error_is_unclear() {
    let (rest, script) = server().await;
    let body = a_refusal(429, 20429).to_string();
    for (said, retry_after) in [
        ("2", Some(2)),
        ("999999999", None),
        ("soon", None),
        ("-1", None),
    ] {
        script.say_with(429, &[("retry-after", said)], body.clone());
        let answer = rest.create_call(&new_call()).await;
        assert!(answer.is_safe_to_repeat());
        assert_eq!(
            answer,
            Answer::Busy {
                retry_after: retry_after.map(Duration::from_secs)
            },
            "{said}"
        );
    }
    for status in [500, 502, 503, 504, 408] {
        script.say_with(status, &[("retry-after", "1")], "");
        let answer = rest.create_call(&new_call()).await;
        assert!(matches!(answer, Answer::Unknown(_)), "{status}: {answer:?}");
        assert!(!answer.is_safe_to_repeat());
    }
    assert_eq!(script.saw().len(), 9, "nothing was sent twice");
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_unclear_and_a_redirect_is_not_followed() {
    let (rest, script) = server().await;
    script.say_with(201, &[], "{\"sid\":");
    assert!(matches!(
        rest.create_call(&new_call()).await,
        Answer::Unknown(_)
    ));
    script.say_with(200, &[], vec![b' '; MOST_BYTES + 1]);
    assert!(
        matches!(rest.fetch_call(&call_sid()).await, Answer::Unknown(why) if why.contains("too long"))
    );
    script.say_with(307, &[("location", "/elsewhere")], "");
    assert!(matches!(
        rest.create_call(&new_call()).await,
        Answer::Refused { status: 307, .. }
    ));
    assert_eq!(script.saw().len(), 3);
}

/// A server that reads a whole request and then does `then` with the connection.
async fn rude(then: &'static [u8], close: bool) -> Rest {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rest = rest(listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut kept = Vec::new();
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.windows(13).any(|w| w == b"FallbackUrl=h") {
                assert!(
                    socket.read_buf(&mut request).await.unwrap() > 0,
                    "{}",
                    String::from_utf8_lossy(&request)
                );
            }
            socket.write_all(then).await.unwrap();
            if !close {
                kept.push(socket);
            }
        }
    });
    rest
}

#[tokio::test]
async fn a_lost_answer_is_unclear_and_no_connection_is_unsent() {
    for (then, close) in [
        (&b""[..], true),
        (b"", false),
        (b"HTTP/1.1 201 Cre", true),
        (
            b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{\"sid\"",
            true,
        ),
        (b"nonsense\r\n\r\n", true),
    ] {
        let answer = rude(then, close).await.create_call(&new_call()).await;
        let Answer::Unknown(why) = &answer else {
            panic!("{then:?}, {close}: {answer:?}")
        };
        assert!(!why.contains("1415555"), "no telephone number in {why}");
    }
    let answer = rude(
        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 100\r\n\r\n{\"code\"",
        true,
    )
    .await;
    let answer = answer.create_call(&new_call()).await;
    assert!(
        matches!(
            answer,
            Answer::Refused {
                status: 400,
                code: None,
                ..
            }
        ),
        "a refusal is one, even cut off: {answer:?}"
    );

    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let answer = rest(gone).create_call(&new_call()).await;
    assert!(matches!(answer, Answer::Unsent(_)), "{answer:?}");
    assert!(answer.is_safe_to_repeat());
    // The other side answers in plain text where TLS was expected: nothing was sent either.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    let wait = Duration::from_millis(500);
    let answer = Rest::with_patience(&config(&format!("https://{at}")), wait, wait)
        .unwrap()
        .numbers()
        .await;
    assert!(matches!(answer, Answer::Unsent(_)), "{answer:?}");
}

#[tokio::test]
async fn a_list_is_all_its_pages() {
    let (rest, script) = server().await;
    let next = format!("{}/Calls.json?PageSize=1000&Page=1&PageToken=PACA1", tree());
    script.say(200, &json!({"calls": [a_call(1), a_call(2)], "page": 0, "page_size": 1000, "next_page_uri": next}));
    script.say(
        200,
        &json!({"calls": [a_call(3)], "page": 1, "next_page_uri": null, "uri": "x"}),
    );
    let filter = CallFilter {
        parent: Some(call_sid()),
        from: Some("client:u7".into()),
        to: Some("+14155550132".into()),
        status: Some(CallState::InProgress),
        since: Some(Timestamp::from_millis(1_767_225_600_123)),
    };
    assert_eq!(rest.calls(&filter).await.done().unwrap().len(), 3);
    let saw = script.saw();
    let query = saw[0].line.split_once('?').unwrap().1;
    assert_eq!(
        query,
        format!(
            "ParentCallSid={}&From=client%3Au7&To=%2B14155550132&Status=in-progress&StartTime%3E=2026-01-01T00%3A00%3A00Z&PageSize=1000",
            call_sid()
        )
    );
    assert_eq!(saw[1].line, format!("GET {next}"));

    script.say(200, &json!({"conferences": [], "next_page_uri": null}));
    assert_eq!(rest.conferences_by_name("c_1 &").await.done().unwrap(), []);
    assert!(
        script
            .last()
            .line
            .ends_with("/Conferences.json?FriendlyName=c_1+%26&PageSize=1000"),
        "{:?}",
        script.last()
    );

    script.say(
        200,
        &json!({"participants": [a_participant()], "next_page_uri": next}),
    );
    script.say_with(429, &[], "");
    assert_eq!(
        rest.participants(&room()).await,
        Answer::Busy { retry_after: None },
        "half a list is no list"
    );
}

#[tokio::test]
async fn a_next_page_elsewhere_is_not_followed() {
    let (rest, script) = server().await;
    let (other, elsewhere) = server().await;
    let port = other.base.port().unwrap();
    for next in [
        format!("http://127.0.0.1:{port}{}/Calls.json", tree()),
        format!("//127.0.0.1:{port}{}/Calls.json", tree()),
        "/2010-04-01/Accounts/ACffffffffffffffffffffffffffffffff/Calls.json".to_owned(),
        format!("{}/../other", tree()),
        "http://[".to_owned(),
    ] {
        script.say(200, &json!({"calls": [], "next_page_uri": next}));
        let answer = rest.calls(&CallFilter::default()).await;
        assert!(matches!(answer, Answer::Unknown(_)), "{next}: {answer:?}");
    }
    assert_eq!((script.saw().len(), elsewhere.saw().len()), (5, 0));
    for _ in 0..=MOST_PAGES {
        script.say(
            200,
            &json!({"calls": [], "next_page_uri": format!("{}/Calls.json?Page=1", tree())}),
        );
    }
    assert!(
        matches!(rest.calls(&CallFilter::default()).await, Answer::Unknown(why) if why.contains("pages"))
    );
}

#[tokio::test]
async fn numbers_and_the_app_are_pointed_at_us() {
    let (rest, script) = server().await;
    let number = json!({"sid": format!("PN{}", "4".repeat(32)), "phone_number": "+14155550100", "voice_application_sid": "AP1"});
    script.say(201, &number);
    let number_bought = rest
        .buy_number(&"+14155550100".parse().unwrap())
        .await
        .done()
        .unwrap();
    let seen = script.last();
    assert_eq!(seen.one("PhoneNumber"), "+14155550100");
    assert_eq!(
        seen.one("VoiceUrl"),
        "https://desk.example.com/pbx/twilio/voice"
    );
    assert_eq!(
        seen.one("StatusCallback"),
        "https://desk.example.com/pbx/twilio/ended#rc=3&rp=all"
    );
    script.say(200, &number);
    assert!(rest.point_number(&number_bought).await.done().is_some());
    assert_eq!(script.last().one("VoiceApplicationSid"), "");
    script.say(
        200,
        &json!({"incoming_phone_numbers": [number], "next_page_uri": null}),
    );
    assert_eq!(rest.numbers().await.done().unwrap().len(), 1);
    for created in [true, false] {
        script.say(
            201,
            &json!({"sid": "AP1", "friendly_name": "Cordboard", "voice_url": null}),
        );
        let answer = if created {
            rest.create_application("Cordboard").await
        } else {
            rest.update_application("AP1").await
        };
        assert_eq!(answer.done().unwrap().sid, "AP1");
        assert_eq!(
            script.last().one("VoiceUrl"),
            "https://desk.example.com/pbx/twilio/app"
        );
    }
    script.say(404, &a_refusal(404, 20404));
    assert_eq!(
        rest.update_application("../Calls").await.why(),
        Some(Why::Gone)
    );
    assert!(
        script
            .last()
            .line
            .ends_with("/Applications/..%2FCalls.json"),
        "{:?}",
        script.last()
    );
}

#[tokio::test]
async fn secrets_are_not_printed() {
    let (rest, _) = server().await;
    let (printed, header) = (format!("{rest:?}"), rest.credentials.to_str().unwrap());
    assert!(
        !printed.contains("secret") && !printed.contains("Basic") && !printed.contains(header),
        "{printed}"
    );
}
