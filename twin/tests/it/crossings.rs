//! Calls to which two things happen at once: a hang-up while it records, an end that comes late, a leg that is
//! moved away while it is being brought in, a limit that runs out.

use std::collections::BTreeMap;

use cordboard_twin::{Behaviour, Telephone};
use serde_json::Value;

use crate::kit::{DESK, Kit, heard, hears};

/// The sid of the leg that was dialled to `to`, once it has that status.
fn leg(world: &Value, to: &str, status: &str) -> Option<String> {
    let calls = world["calls"].as_array().unwrap();
    let leg = calls
        .iter()
        .find(|c| c["to"] == to && c["status"] == status)?;
    Some(leg["sid"].as_str().unwrap().to_owned())
}

async fn telephone(kit: &Kit, number: &str, behaviour: Behaviour) {
    let number = number.into();
    kit.control
        .telephones(&[Telephone { number, behaviour }])
        .await
        .unwrap();
}

/// Waits until the only queue has so many callers.
async fn until_queued(kit: &Kit, size: u64) {
    let mut changes = kit.twin.changes();
    let waiting = async {
        loop {
            let (_, queues) = kit.get("Queues").await;
            if queues["queues"][0]["current_size"] == size {
                return;
            }
            let _ = changes.recv().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(15), waiting)
        .await
        .unwrap_or_else(|_| panic!("waited for {size} in the queue"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_ends_a_recording_once() {
    let kit = Kit::with_desk().await;
    kit.site.twiml(
        "/voice",
        "<Record action=\"/recorded\" maxLength=\"60\" recordingStatusCallback=\"/rec\"/>",
    );
    let call = kit.caller("+15550001").await;
    kit.until_status(&call, "in-progress").await;
    kit.control.hangup(&call).await.unwrap();
    let recorded = kit.site.first("the recording's action", "/recorded").await;
    assert_eq!(kit.callbacks("/rec").await, 1, "completed is said once");
    let seconds: u32 = recorded.get("RecordingDuration").parse().unwrap();
    assert!(seconds < 60, "recorded for {seconds} s");
    let over = kit.site.first("the call's end", "/status").await;
    assert_eq!(over.get("RecordingUrl"), recorded.get("RecordingUrl"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_of_the_programs_own_leaves_another_running() {
    let kit = Kit::with_desk().await;
    kit.site.twiml(
        "/voice",
        "<Gather numDigits=\"1\" timeout=\"600\" action=\"/record\"/>",
    );
    kit.site
        .twiml("/record", "<Record action=\"/recorded\" maxLength=\"1\"/>");
    kit.site.twiml("/recorded", "<Pause length=\"600\"/>");
    let call = kit.caller("+15550001").await;
    kit.until_status(&call, "in-progress").await;
    let (status, running) = kit.post(&format!("Calls/{call}/Recordings"), &[]).await;
    assert_eq!(status, 201, "{running}");
    kit.control.press(&call, "1").await.unwrap();
    let recorded = kit.site.first("the recording's action", "/recorded").await;
    let running = running["sid"].as_str().unwrap();
    assert_ne!(recorded.get("RecordingSid"), running);
    let path = format!("Calls/{call}/Recordings/{running}");
    assert_eq!(kit.get(&path).await.1["status"], "in-progress");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_taken_from_the_queue_between_two_waiting_documents_talks() {
    let kit = Kit::with_desk().await;
    kit.site.twiml(
        "/voice",
        "<Enqueue waitUrl=\"/qwait\" action=\"/dequeued\">desk</Enqueue>",
    );
    // So short that the queue pauses before it asks again.
    kit.site.twiml("/qwait", "");
    kit.site.twiml("/app", "<Dial><Queue>desk</Queue></Dial>");
    kit.caller("+15550001").await;
    kit.site
        .until("the waiting document", "/qwait", |s| {
            (!s.is_empty()).then_some(())
        })
        .await;
    let agent = kit.client("ada").await;
    kit.until("both to talk", |w| (hears(w).len() == 2).then_some(()))
        .await;
    kit.control.disconnect(&agent).await.unwrap();
    let done = kit.site.first("the queue's action", "/dequeued").await;
    assert_eq!(done.get("QueueResult"), "bridged");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_moved_from_a_talk_into_the_queue_waits_there() {
    let kit = Kit::with_desk().await;
    kit.site
        .twiml("/voice", "<Dial><Number>+15557001</Number></Dial>");
    kit.site.twiml("/app", "<Dial><Queue>desk</Queue></Dial>");
    let caller = kit.caller("+15550001").await;
    kit.until("both to talk", |w| (hears(w).len() == 2).then_some(()))
        .await;
    // A document that is already here runs before the word that the old talk is over has been read.
    let twiml = format!(
        "<Response><Enqueue action=\"{}\">desk</Enqueue></Response>",
        kit.site.at("/dequeued")
    );
    kit.post(&format!("Calls/{caller}"), &[("Twiml", &twiml)])
        .await;
    until_queued(&kit, 1).await;
    let agent = kit.client("ada").await;
    kit.until("the caller and ada to talk", |w| {
        (hears(w) == ["+15550001<ada", "ada<+15550001"]).then_some(())
    })
    .await;
    kit.control.disconnect(&agent).await.unwrap();
    let done = kit.site.first("the queue's action", "/dequeued").await;
    assert_eq!(done.get("QueueResult"), "bridged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_cannot_say_what_twilio_says() {
    let kit = Kit::with_desk().await;
    kit.site
        .twiml("/app", "<Gather numDigits=\"1\" action=\"/menu\"/>");
    kit.site
        .twiml("/menu", &kit.room("agent", "waitUrl=\"/wait\""));
    let forged = ["Digits", "ConferenceSid", "SequenceNumber", "op"];
    let params = forged.map(|key| (key.to_owned(), "forged".to_owned()));
    let call = kit
        .control
        .connect(&kit.token("ada"), BTreeMap::from(params))
        .await
        .unwrap()
        .call_sid;
    kit.until_status(&call, "in-progress").await;
    kit.control.press(&call, "1").await.unwrap();
    let menu = kit.site.first("the key", "/menu").await;
    assert_eq!((menu.get("Digits"), menu.get("op")), ("1", "forged"));
    let both = menu.form.iter().filter(|(key, _)| key == "Digits").count();
    assert_eq!(both, 1, "no second value is smuggled in");
    let wait = kit.site.first("the waiting document", "/wait").await;
    assert!(wait.get("ConferenceSid").starts_with("CF"), "{wait:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_answered_when_it_enters_a_room_or_leaves_a_queue() {
    let kit = Kit::with_desk().await;
    let on_bridge = "<Dial answerOnBridge=\"true\"";
    kit.site
        .twiml("/app", &kit.room("agent", "").replace("<Dial", on_bridge));
    let agent = kit.client("ada").await;
    kit.until("ada with music in the room", |w| {
        heard(w, &agent, "music").then_some(())
    })
    .await;

    kit.site.twiml("/voice", "<Enqueue>desk</Enqueue>");
    kit.caller("+15550001").await;
    until_queued(&kit, 1).await;
    kit.site
        .twiml("/app", &format!("{on_bridge}><Queue>desk</Queue></Dial>"));
    let agent = kit.client("bob").await;
    kit.until_status(&agent, "in-progress").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leg_that_is_moved_out_of_its_whisper_is_free() {
    let kit = Kit::with_desk().await;
    telephone(&kit, "+15557001", Behaviour::Rings).await;
    kit.site.twiml(
        "/voice",
        "<Dial action=\"/after\"><Number url=\"/whisper\">+15557001</Number></Dial>",
    );
    kit.site.twiml("/whisper", "<Pause length=\"3000\"/>");
    kit.site.twiml("/after", "<Pause length=\"3000\"/>");
    kit.site.twiml("/moved", &kit.room("moved", "waitUrl=\"\""));
    let caller = kit.caller("+15550001").await;
    let child = kit
        .until("the telephone to ring", |w| leg(w, "+15557001", "ringing"))
        .await;
    kit.control.answer(&child).await.unwrap();
    kit.site
        .until("the whisper", "/whisper", |s| (!s.is_empty()).then_some(()))
        .await;
    let moved = kit.site.at("/moved");
    let (status, body) = kit
        .post(&format!("Calls/{child}"), &[("Url", &moved)])
        .await;
    assert_eq!(status, 200, "{body}");
    let after = kit
        .site
        .first("the action of the caller's dial", "/after")
        .await;
    assert_eq!(
        (after.get("DialCallStatus"), after.get("DialBridged")),
        ("completed", "false")
    );
    let in_room = |w: &Value| (w["participants"][0]["call_sid"] == child.as_str()).then_some(());
    kit.until("the moved leg in a room", in_room).await;
    kit.control.hangup(&caller).await.unwrap();
    kit.until_status(&caller, "completed").await;
    kit.until("the moved leg still in its room", in_room).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_telephone_told_to_answer_before_it_rings_answers() {
    let kit = Kit::with_desk().await;
    telephone(&kit, "+15557001", Behaviour::Rings).await;
    let form = [
        ("From", DESK),
        ("To", "+15557001"),
        ("Twiml", "<Response><Pause length=\"600\"/></Response>"),
    ];
    // The second call waits for the second after the first, and does not ring yet.
    kit.post("Calls", &form).await;
    let (_, body) = kit.post("Calls", &form).await;
    let call = body["sid"].as_str().unwrap();
    kit.control.answer(call).await.unwrap();
    kit.until_status(call, "in-progress").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_limit_runs_from_the_answer() {
    let kit = Kit::with_desk().await;
    let long = "<Response><Pause length=\"3000\"/></Response>";
    let form = [
        ("From", DESK),
        ("To", "+15557001"),
        ("Twiml", long),
        ("TimeLimit", "2"),
    ];
    // A telephone rings for three seconds unless told otherwise.
    let (_, body) = kit.post("Calls", &form).await;
    let call = body["sid"].as_str().unwrap();
    let over = kit.until_status(call, "completed").await;
    assert_eq!(over["status"], "completed", "it was answered: {over}");
    let (_, notes) = kit.get(&format!("Calls/{call}/Notifications")).await;
    assert_eq!(notes["notifications"][0]["error_code"], "32015");

    // It can be set later, for any call.
    kit.site.twiml("/voice", "<Pause length=\"3000\"/>");
    let call = kit.caller("+15550001").await;
    kit.until_status(&call, "in-progress").await;
    kit.post(&format!("Calls/{call}"), &[("TimeLimit", "1")])
        .await;
    kit.until_status(&call, "completed").await;

    // And for the leg of a dial.
    kit.site.twiml(
        "/voice",
        "<Dial timeLimit=\"1\" action=\"/after\"><Number>+15557002</Number></Dial>",
    );
    kit.site.twiml("/after", "<Pause length=\"3000\"/>");
    kit.caller("+15550002").await;
    let after = kit.site.first("the dial's action", "/after").await;
    assert_eq!(
        (after.get("DialCallStatus"), after.get("DialBridged")),
        ("completed", "true")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_is_looked_for_after_the_answer() {
    let kit = Kit::with_desk().await;
    let (leg, amd) = (kit.site.at("/leg"), kit.site.at("/amd"));
    let common = [
        ("From", DESK),
        ("Twiml", "<Response><Pause length=\"600\"/></Response>"),
        ("MachineDetection", "Enable"),
    ];
    let more = [
        ("To", "+15557001"),
        ("StatusCallback", &*leg),
        ("StatusCallbackEvent", "answered"),
    ];
    let (_, body) = kit.post("Calls", &[&common[..], &more].concat()).await;
    let answered = kit.site.first("the answer", "/leg").await;
    assert_eq!(
        (answered.get("CallStatus"), answered.get("AnsweredBy")),
        ("in-progress", ""),
        "nobody knows yet who it is"
    );
    let call = body["sid"].as_str().unwrap();
    kit.until("the outcome of the detection", |w| {
        let calls = w["calls"].as_array().unwrap();
        calls
            .iter()
            .any(|c| c["sid"] == call && c["answered_by"] == "human")
            .then_some(())
    })
    .await;

    // Of a call that is over nothing is found out.
    let brief = Behaviour::Answers {
        after: 0.1,
        talks: None,
    };
    telephone(&kit, "+1555800*", brief).await;
    let dial = async |to: &str, twiml: &str| {
        let form = [
            ("From", DESK),
            ("To", to),
            ("Twiml", twiml),
            ("MachineDetection", "Enable"),
            ("AsyncAmd", "true"),
            ("AsyncAmdStatusCallback", &*amd),
        ];
        let (_, body) = kit.post("Calls", &form).await;
        body["sid"].as_str().unwrap().to_owned()
    };
    let gone = dial("+15558001", "<Response/>").await;
    kit.until_status(&gone, "completed").await;
    let stays = dial("+15558002", common[1].1).await;
    let first = kit.site.first("the detection", "/amd").await;
    assert_eq!(
        (first.get("CallSid"), first.get("AnsweredBy")),
        (&*stays, "human")
    );
}
