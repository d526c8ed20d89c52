//! Rooms: the order of events, holds and who hears whom, transfers, redirects, labels, coaching.

use std::time::Duration;

use cordboard_twin::{Behaviour, Telephone};

use crate::kit::{DESK, Kit, heard, hears};

#[tokio::test(flavor = "multi_thread")]
async fn an_inbound_call_tells_its_story_in_order() {
    let kit = Kit::with_desk().await;
    let (customer, agent, room) = kit.talk().await;
    let first = &kit.site.seen("/voice")[0];
    assert_eq!(
        (
            first.get("CallStatus"),
            first.get("Direction"),
            first.get("To")
        ),
        ("ringing", "inbound", DESK)
    );
    assert_eq!(kit.site.seen("/wait")[0].get("CallSid"), customer);

    kit.control.disconnect(&agent).await.unwrap();
    kit.until("the customer alone", |w| {
        heard(w, &customer, "silence").then_some(())
    })
    .await;
    kit.control.hangup(&customer).await.unwrap();
    let events = kit.site.events(6).await;
    let story: Vec<&str> = events.iter().map(|(_, e)| e.as_str()).collect();
    assert_eq!(
        story,
        [
            "participant-join cust",
            "participant-join agent",
            "conference-start",
            "participant-leave agent participant_hung_up",
            "participant-leave cust participant_hung_up",
            "conference-end participant-with-end-conference-on-exit-left",
        ]
    );
    assert_eq!(
        events.iter().map(|(n, _)| *n).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5, 6]
    );
    let status = kit.site.first("the number's callback", "/status").await;
    assert_eq!(
        (status.get("CallStatus"), status.get("SequenceNumber")),
        ("completed", "0")
    );

    let (_, body) = kit.get(&format!("Conferences/{room}")).await;
    assert_eq!(body["status"], "completed");
    assert_eq!(body["call_sid_ending_conference"], customer.as_str());
    assert_eq!(
        kit.get(&format!("Conferences/{room}/Participants/{customer}"))
            .await
            .0,
        404
    );
    assert_eq!(
        kit.get(&format!("Conferences/{room}/Participants")).await.1["participants"],
        serde_json::json!([])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_separates_both_ways_and_plays_its_document() {
    let kit = Kit::with_desk().await;
    let (customer, agent, room) = kit.talk().await;
    assert_eq!(
        hears(&kit.control.world().await.unwrap()),
        ["+15550001<ada", "ada<+15550001"]
    );
    kit.site.twiml(
        "/hold",
        "<Say>One moment please, we are getting somebody for you.</Say>",
    );
    let path = format!("Conferences/{room}/Participants/cust");
    let (status, body) = kit
        .post(
            &path,
            &[("Hold", "true"), ("HoldUrl", &kit.site.at("/hold"))],
        )
        .await;
    assert_eq!(
        (status, &body["hold"], &body["label"]),
        (200, &true.into(), &"cust".into())
    );
    kit.until("the prompt", |w| {
        heard(w, &customer, "prompt").then_some(())
    })
    .await;
    let world = kit.control.world().await.unwrap();
    assert!(
        hears(&world).is_empty() && heard(&world, &agent, "silence"),
        "{world:#}"
    );
    // The hold document does not repeat itself.
    kit.until("silence after the prompt", |w| {
        heard(w, &customer, "silence").then_some(())
    })
    .await;

    // Without a HoldUrl there is the carrier's own music.
    let (_, body) = kit.post(&path, &[("Hold", "false")]).await;
    assert_eq!(body["hold"], false);
    kit.post(&path, &[("Hold", "true")]).await;
    kit.until("music", |w| heard(w, &customer, "music").then_some(()))
        .await;
    kit.post(&path, &[("Hold", "false")]).await;
    kit.until("both to talk again", |w| {
        (hears(w).len() == 2).then_some(())
    })
    .await;
    let story: Vec<String> = kit
        .site
        .events(7)
        .await
        .into_iter()
        .map(|(_, e)| e)
        .collect();
    assert_eq!(
        story[3..],
        [
            "participant-hold cust",
            "participant-unhold cust",
            "participant-hold cust",
            "participant-unhold cust",
        ]
    );

    let log = kit.control.log().await.unwrap();
    let spoken: Vec<&serde_json::Value> = log["hears"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|h| h["listener_sid"] == customer.as_str())
        .collect();
    assert_eq!(
        spoken.len(),
        3,
        "three talks between the holds: {spoken:#?}"
    );
    assert!(spoken[0]["to"].as_i64() <= spoken[1]["from"].as_i64() && spoken[2]["to"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hold_forbids_can_be_switched() {
    let kit = Kit::with_desk().await;
    kit.site.twiml("/voice", &kit.room("cust", "waitUrl=\"\""));
    let customer = kit.caller("+15550001").await;
    let room = kit
        .until("the room", |w| {
            w["participants"][0]["conference_sid"]
                .as_str()
                .map(str::to_owned)
        })
        .await;
    let path = format!("Conferences/{room}/Participants/{customer}");
    let (status, body) = kit.post(&path, &[("Hold", "true")]).await;
    assert_eq!((status, body["code"].as_u64()), (400, Some(16001)));
    kit.control
        .fault(&["quirk.hold_before_start=accept"])
        .await
        .unwrap();
    assert_eq!(kit.post(&path, &[("Hold", "true")]).await.0, 200);

    let (_, body) = kit.post(&path, &[("EndConferenceOnExit", "true")]).await;
    assert_eq!(
        body["end_conference_on_exit"], false,
        "a held participant keeps its flag"
    );
    kit.control
        .fault(&["quirk.hold_locks_flags=off"])
        .await
        .unwrap();
    let (_, body) = kit.post(&path, &[("EndConferenceOnExit", "true")]).await;
    assert_eq!(body["end_conference_on_exit"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_nobody_answers_leaves_no_trace_but_its_events() {
    let kit = Kit::with_desk().await;
    let (customer, _, room) = kit.talk().await;
    let silent = Telephone {
        number: "+15559*".into(),
        behaviour: Behaviour::NoAnswer,
    };
    kit.control.telephones(&[silent]).await.unwrap();
    let callback = kit.site.at("/leg");
    let form = [
        ("From", DESK),
        ("To", "+15559001"),
        ("Label", "xfer"),
        ("Timeout", "5"),
        ("StatusCallback", &callback),
        (
            "StatusCallbackEvent",
            "initiated ringing answered completed",
        ),
        ("EndConferenceOnExit", "false"),
    ];
    let (status, body) = kit
        .post(&format!("Conferences/{room}/Participants"), &form)
        .await;
    assert_eq!(
        (status, &body["status"], &body["queue_time"]),
        (201, &"queued".into(), &"0".into()),
        "{body}"
    );
    let call = body["call_sid"].as_str().unwrap().to_owned();
    let (status, again) = kit
        .post(&format!("Conferences/{room}/Participants"), &form)
        .await;
    assert_eq!((status, again["code"].as_u64()), (400, Some(16026)));
    kit.until_status(&call, "no-answer").await;
    let legs = kit
        .site
        .until("three callbacks of the leg", "/leg", |s| {
            let mut s: Vec<(u32, String, String)> = s
                .iter()
                .map(|s| {
                    (
                        s.get("SequenceNumber").parse().unwrap(),
                        s.get("CallStatus").into(),
                        s.get("SipResponseCode").into(),
                    )
                })
                .collect();
            s.sort();
            (s.len() == 3).then_some(s)
        })
        .await;
    assert_eq!(
        legs,
        [
            (0, "initiated".into(), String::new()),
            (1, "ringing".into(), String::new()),
            (2, "no-answer".into(), "487".into()),
        ]
    );
    let events = kit.site.events(4).await;
    assert_eq!(events[3].1, "participant-leave xfer participant_add_failed");
    let left = kit
        .site
        .seen("/conf")
        .into_iter()
        .find(|s| s.get("SequenceNumber") == "4")
        .unwrap();
    assert_eq!(left.get("ParticipantCallStatus"), "no-answer");
    assert!(heard(
        &kit.control.world().await.unwrap(),
        &customer,
        "people"
    ));
    assert_eq!(
        kit.get(&format!("Conferences/{room}/Participants/xfer"))
            .await
            .1["code"],
        20404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_answers_joins_and_takes_over() {
    let kit = Kit::with_desk().await;
    let (customer, agent, room) = kit.talk().await;
    let participants = format!("Conferences/{room}/Participants");
    let (_, body) = kit
        .post(
            &participants,
            &[("From", DESK), ("To", "+15559002"), ("Label", "xfer")],
        )
        .await;
    let target = body["call_sid"].as_str().unwrap().to_owned();
    kit.until("three to talk", |w| (hears(w).len() == 6).then_some(()))
        .await;
    let (_, body) = kit
        .post(
            &format!("{participants}/xfer"),
            &[("EndConferenceOnExit", "true")],
        )
        .await;
    assert_eq!(
        (&body["end_conference_on_exit"], &body["status"]),
        (&true.into(), &"connected".into())
    );
    assert_eq!(kit.delete(&format!("{participants}/agent")).await.0, 204);
    kit.until_status(&agent, "completed").await;
    kit.until("two to talk", |w| {
        (hears(w) == ["+15550001<+15559002", "+15559002<+15550001"]).then_some(())
    })
    .await;
    let modify = kit.site.events(6).await;
    assert_eq!(modify[4].1, "participant-modify xfer");
    kit.control.hangup(&target).await.unwrap();
    kit.until_status(&customer, "completed").await;
    assert_eq!(
        kit.site.events(9).await[8].1,
        "conference-end xfer participant-with-end-conference-on-exit-left"
            .replace("xfer ", "")
            .as_str()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirected_customer_ends_the_room_and_goes_on() {
    let kit = Kit::with_desk().await;
    let (customer, agent, _) = kit.talk().await;
    kit.site.twiml("/later", "<Pause length=\"3000\"/>");
    let (status, body) = kit
        .post(
            &format!("Calls/{customer}"),
            &[("Url", &kit.site.at("/later"))],
        )
        .await;
    assert_eq!((status, &body["status"]), (200, &"in-progress".into()));
    let asked = kit.site.first("the new document", "/later").await;
    assert_eq!(
        (asked.get("CallSid"), asked.get("CallStatus")),
        (customer.as_str(), "in-progress")
    );
    let story: Vec<String> = kit
        .site
        .events(6)
        .await
        .into_iter()
        .map(|(_, e)| e)
        .collect();
    assert_eq!(
        story[3..],
        [
            "participant-leave cust participant_updated_via_api",
            "participant-leave agent moderator_ended_conference",
            "conference-end participant-with-end-conference-on-exit-left",
        ]
    );
    kit.until_status(&agent, "completed").await;
    // The same name is another room now.
    let (_, rooms) = kit.get("Conferences?FriendlyName=room-1").await;
    let first = rooms["conferences"][0]["sid"].clone();
    kit.site.twiml("/back", &kit.room("cust", "waitUrl=\"\""));
    kit.post(
        &format!("Calls/{customer}"),
        &[("Url", &kit.site.at("/back"))],
    )
    .await;
    kit.until("the customer in a room", |w| {
        w["participants"]
            .as_array()
            .unwrap()
            .first()
            .map(|p| assert_ne!(p["conference_sid"], first))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_removed_goes_on_with_the_action() {
    let kit = Kit::with_desk().await;
    let (customer, _, room) = kit.talk().await;
    // The customer's document named no action, so its call ends; a second one names one.
    kit.site.twiml(
        "/voice2",
        &kit.room("second", "waitUrl=\"\"")
            .replace("<Dial>", "<Dial action=\"after?x=1\">"),
    );
    kit.site.twiml("/after", "<Pause length=\"3000\"/>");
    kit.site.twiml("/app", "<Redirect>/voice2</Redirect>");
    let second = kit.client("bob").await;
    kit.until("three in the room", |w| {
        (w["participants"].as_array().unwrap().len() == 3).then_some(())
    })
    .await;
    assert_eq!(
        kit.delete(&format!("Conferences/{room}/Participants/{second}"))
            .await
            .0,
        204
    );
    let after = kit.site.first("the action", "/after").await;
    assert_eq!(
        (
            after.get("DialCallStatus"),
            after.get("DialCallSid"),
            after.query.as_str()
        ),
        ("answered", "", "x=1")
    );
    assert_eq!(
        kit.get(&format!("Calls/{second}")).await.1["status"],
        "in-progress"
    );
    assert_eq!(
        kit.post(&format!("Conferences/{room}"), &[("Status", "completed")])
            .await
            .1["status"],
        "completed"
    );
    kit.until_status(&customer, "completed").await;
    let events = kit.site.events(8).await;
    assert_eq!(
        events.last().unwrap().1,
        "conference-end conference-ended-via-api"
    );
    assert_eq!(
        events[5].1,
        "participant-leave cust conference_ended_via_api"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coach_is_heard_by_one_only() {
    let kit = Kit::with_desk().await;
    let (_, agent, room) = kit.talk().await;
    kit.site.twiml(
        "/app",
        &kit.room(
            "sup",
            "muted=\"true\" startConferenceOnEnter=\"false\" waitUrl=\"\"",
        ),
    );
    kit.client("eve").await;
    kit.until("the silent listener", |w| {
        (hears(w).len() == 4).then_some(())
    })
    .await;
    let path = format!("Conferences/{room}/Participants/sup");
    let (status, body) = kit
        .post(
            &path,
            &[
                ("Coaching", "true"),
                ("CallSidToCoach", "CA00000000000000000000000000000000"),
            ],
        )
        .await;
    assert_eq!((status, body["code"].as_u64()), (400, Some(16028)));
    let (status, body) = kit
        .post(&path, &[("Coaching", "true"), ("CallSidToCoach", "agent")])
        .await;
    assert_eq!(
        (status, body["code"].as_u64()),
        (400, Some(16028)),
        "a label is no CallSid"
    );
    let (_, body) = kit
        .post(&path, &[("Coaching", "true"), ("CallSidToCoach", &agent)])
        .await;
    assert_eq!(
        (&body["coaching"], &body["call_sid_to_coach"]),
        (&true.into(), &agent.as_str().into())
    );
    let gone = ("CallSidToCoach", "CA00000000000000000000000000000000");
    let (status, body) = kit.post(&path, &[("Coaching", "false"), gone]).await;
    assert_eq!(
        (status, &body["coaching"]),
        (200, &false.into()),
        "who stops needs nobody to coach: {body}"
    );
    kit.post(&path, &[("Coaching", "true"), ("CallSidToCoach", &agent)])
        .await;
    kit.post(&path, &[("Muted", "false")]).await;
    let rows = hears(&kit.control.world().await.unwrap());
    assert!(
        rows.contains(&"ada<eve".to_owned()) && !rows.contains(&"+15550001<eve".to_owned()),
        "{rows:?}"
    );
    // Twilio's worst case: the coached leg leaves, and the coach speaks to everybody.
    kit.delete(&format!("Conferences/{room}/Participants/agent"))
        .await;
    let rows = hears(&kit.control.world().await.unwrap());
    assert!(rows.contains(&"+15550001<eve".to_owned()), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_label_sends_the_joiner_to_the_next_verb() {
    let kit = Kit::with_desk().await;
    kit.talk().await;
    kit.site.twiml(
        "/app",
        &format!("{}<Redirect>/taken</Redirect>", kit.room("cust", "")),
    );
    kit.site.twiml("/taken", "<Hangup/>");
    let second = kit.client("bob").await;
    kit.site
        .until("the verb behind", "/taken", |s| {
            (!s.is_empty()).then_some(())
        })
        .await;
    kit.until_status(&second, "completed").await;
    let (_, notes) = kit.get(&format!("Calls/{second}/Notifications")).await;
    assert_eq!(notes["notifications"][0]["error_code"], "16025");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_is_heard_and_reported() {
    let kit = Kit::with_desk().await;
    let (customer, agent, room) = kit.talk().await;
    kit.site.twiml(
        "/say",
        "<Say>You are number three in the queue, please wait.</Say>",
    );
    kit.post(
        &format!("Conferences/{room}/Participants/cust"),
        &[("AnnounceUrl", &kit.site.at("/say"))],
    )
    .await;
    kit.until("the announcement", |w| {
        (heard(w, &customer, "prompt") && heard(w, &agent, "people")).then_some(())
    })
    .await;
    kit.until("people again", |w| {
        heard(w, &customer, "people").then_some(())
    })
    .await;
    assert_eq!(kit.site.events(4).await[3].1, "announcement-end");
    kit.site.twiml("/bad", "<Gather/>");
    kit.post(
        &format!("Conferences/{room}"),
        &[("AnnounceUrl", &kit.site.at("/bad"))],
    )
    .await;
    let events = kit.site.events(6).await;
    assert!(
        events[4].1 == "announcement-fail" && events[5].1 == "announcement-fail",
        "{events:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_announcements_the_longer_is_heard_on() {
    let kit = Kit::with_desk().await;
    let (customer, _, room) = kit.talk().await;
    let path = format!("Conferences/{room}/Participants/cust");
    kit.site.twiml(
        "/song",
        "<Play loop=\"0\">https://com.twilio.sounds.music/a.mp3</Play>",
    );
    kit.site.twiml("/word", "<Say>Soon.</Say>");
    for document in ["/song", "/word"] {
        kit.post(&path, &[("AnnounceUrl", &kit.site.at(document))])
            .await;
    }
    assert_eq!(kit.site.events(4).await[3].1, "announcement-end");
    let world = kit.control.world().await.unwrap();
    assert!(heard(&world, &customer, "prompt"), "{world:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_ends_with_whoever_hears_it() {
    let kit = Kit::with_desk().await;
    let (customer, _, room) = kit.talk().await;
    let path = format!("Conferences/{room}/Participants/cust");
    kit.site
        .twiml("/again", "<Say>Soon.</Say><Redirect>/again</Redirect>");
    kit.site.twiml(
        "/once",
        "<Say>You are number three in the queue, please wait.</Say>",
    );
    for document in ["/again", "/once"] {
        kit.post(&path, &[("AnnounceUrl", &kit.site.at(document))])
            .await;
    }
    kit.site
        .until("the second announcement", "/once", |s| {
            (!s.is_empty()).then_some(())
        })
        .await;
    kit.control.hangup(&customer).await.unwrap();
    kit.site.events(6).await;
    let asked = kit.site.seen("/again").len();
    // Another call, that lasts longer than both documents.
    kit.site.twiml("/voice", "<Pause length=\"8\"/>");
    let other = kit.caller("+15550002").await;
    kit.until_status(&other, "completed").await;
    let events = kit.site.events(6).await;
    assert!(
        events.len() == 6 && events[5].1.starts_with("conference-end"),
        "nothing is said of a room after its end: {events:?}"
    );
    let again = kit.site.seen("/again").len() - asked;
    assert!(again < 2, "it was asked for {again} times after the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_before_the_answer_leaves_cancelled() {
    let kit = Kit::with_desk().await;
    let (.., room) = kit.talk().await;
    let rings = Telephone {
        number: "+15559*".into(),
        behaviour: Behaviour::Rings,
    };
    kit.control.telephones(&[rings]).await.unwrap();
    let participants = format!("Conferences/{room}/Participants");
    for (label, to) in [("removed", "+15559001"), ("ended", "+15559002")] {
        let form = [("From", DESK), ("To", to), ("Label", label)];
        assert_eq!(kit.post(&participants, &form).await.0, 201);
        kit.until("the ringing", |w| {
            w["participants"]
                .as_array()
                .unwrap()
                .iter()
                .any(|p| p["label"] == label && p["status"] == "ringing")
                .then_some(())
        })
        .await;
        if label == "removed" {
            kit.delete(&format!("{participants}/{label}")).await;
        } else {
            kit.post(&format!("Conferences/{room}"), &[("Status", "completed")])
                .await;
        }
        let status = kit
            .site
            .until(&format!("the leave of {label}"), "/conf", |s| {
                s.iter()
                    .find(|s| {
                        s.get("StatusCallbackEvent") == "participant-leave"
                            && s.get("ParticipantLabel") == label
                    })
                    .map(|s| s.get("ParticipantCallStatus").to_owned())
            })
            .await;
        assert_eq!(status, "canceled", "{label}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_vanishes_leaves_its_leg_behind_for_a_while() {
    let kit = Kit::with_desk().await;
    let (customer, agent, _) = kit.talk().await;
    let busy = kit
        .control
        .connect(&kit.token("ada"), std::collections::BTreeMap::new())
        .await
        .unwrap_err();
    assert_eq!(busy.to_string(), "A Call is already active");
    let before = kit.twin.clock().now_ms();
    kit.control.fault(&["client.vanish=ada"]).await.unwrap();
    let world = kit.control.world().await.unwrap();
    assert!(
        heard(&world, &customer, "silence") && hears(&world).is_empty(),
        "{world:#}"
    );
    assert!(
        kit.control.disconnect(&agent).await.is_err(),
        "a dead browser sends nothing"
    );
    kit.control
        .wait_call(&agent, "completed", Duration::from_mins(1))
        .await
        .unwrap();
    let lasted = kit.twin.clock().now_ms() - before;
    assert!(
        (15_000..=23_000).contains(&lasted),
        "the ghost stayed {lasted} ms"
    );
}
