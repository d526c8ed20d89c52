//! Calls to which two things happen at once: a hang-up while it records, an end that comes late, a leg that is
//! moved away while it is being brought in, a limit that runs out.

use crate::kit::Kit;

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
    let recorded = kit
        .site
        .until("the recording's action", "/recorded", |s| {
            s.first().cloned()
        })
        .await;
    assert_eq!(kit.callbacks("/rec").await, 1, "completed is said once");
    let seconds: u32 = recorded.get("RecordingDuration").parse().unwrap();
    assert!(seconds < 60, "recorded for {seconds} s");
    let over = kit
        .site
        .until("the call's end", "/status", |s| s.first().cloned())
        .await;
    assert_eq!(over.get("RecordingUrl"), recorded.get("RecordingUrl"));
}
