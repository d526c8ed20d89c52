//! Browsers and telephones hear each other, and when they do not.

use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;

use cordboard_media::{Clip, Event, MediaError, Mix, Playing, Stage, StageConfig, Tone, Voice};

use crate::client::{Client, level};
use crate::wait::{Told, until};

fn stage(lost_after: Duration) -> (Stage, Told) {
    let (stage, events) = Stage::start(StageConfig {
        bind: "127.0.0.1:0".parse().expect("an address"),
        lost_after,
        ..StageConfig::default()
    })
    .expect("a stage");
    (stage, Told::new(events))
}

fn people(names: &[&str]) -> Mix {
    Mix {
        people: names.iter().map(|n| (*n).to_owned()).collect(),
        playing: Vec::new(),
    }
}

fn connected(party: &str) -> Event {
    Event::Connected {
        party: party.into(),
    }
}

fn lost(party: &str) -> Event {
    Event::Lost {
        party: party.into(),
    }
}

fn heard(listener: &str, speaker: &str) -> Event {
    Event::Heard {
        listener: listener.into(),
        speaker: speaker.into(),
    }
}

/// A browser that has called and is connected.
async fn call(stage: &Stage, told: &mut Told, party: &str, hz: f32) -> Client {
    let client = Client::new(hz);
    let answer = stage
        .accept(party, &client.offer())
        .await
        .expect("an answer");
    client.answered(&answer);
    told.next(&connected(party)).await;
    client
}

/// Waits until a client hears one frequency and hardly any of another.
async fn client_hears(client: &Client, hz: f32, not: f32) {
    until(
        &format!("the client hears {hz} Hz and not {not} Hz"),
        async || {
            let newest = client.heard(2_000);
            let (loud, quiet) = (level(&newest, hz), level(&newest, not));
            let noticed = client.noticed();
            let seen = (
                loud,
                quiet,
                noticed.connected,
                noticed.heard.len(),
                noticed.sent,
            );
            if loud > 0.15 && quiet < 0.02 {
                Ok(())
            } else {
                Err(seen)
            }
        },
    )
    .await;
}

/// Waits until the strongest tone that a party hears is this.
async fn party_hears(stage: &Stage, party: &str, hz: f32) {
    until(&format!("{party} hears {hz} Hz"), async || {
        let report = stage.report(party).await.expect("a party");
        let strongest = report.heard.tones.first();
        if strongest.is_some_and(|t: &Tone| (t.hz - hz).abs() < 3.0 && t.level > 0.15) {
            Ok(())
        } else {
            Err(report)
        }
    })
    .await;
}

#[tokio::test]
async fn a_browser_hears_a_telephone_and_is_heard() {
    let (stage, mut told) = stage(Duration::from_secs(10));
    stage.telephone("phone", Voice::Tone { hz: 700.0 });
    stage.hears("phone", people(&["web"]));
    stage.hears("web", people(&["phone", "web"]));
    let client = call(&stage, &mut told, "web", 1_200.0).await;
    client_hears(&client, 700.0, 1_200.0).await;
    party_hears(&stage, "phone", 1_200.0).await;
    party_hears(&stage, "web", 700.0).await;

    let report = until("a second has been said", async || {
        let report = stage.report("web").await.unwrap();
        let second = report.packets_in > 60 && report.packets_out > 60;
        if second { Ok(report) } else { Err(report) }
    })
    .await;
    assert!(report.connected, "{report:?}");
    assert_eq!(report.lost, 0, "{report:?}");
    assert!((report.said.rms - 0.21).abs() < 0.05, "{report:?}");
    let said = stage.said("web", 0.5).await.unwrap();
    assert_eq!(said.len(), 4_000);
    assert!(level(&said, 1_200.0) > 0.2, "{}", level(&said, 1_200.0));

    // Each heard the other, and that was told once.
    let all = told.so_far();
    for event in [
        heard("web", "phone"),
        heard("phone", "web"),
        connected("web"),
    ] {
        assert_eq!(
            all.iter().filter(|e| **e == event).count(),
            1,
            "{event:?} in {all:?}"
        );
    }
    assert_eq!(all.len(), 3, "{all:?}");
}

#[tokio::test]
async fn a_browser_that_was_rung_hears_and_is_heard() {
    let (stage, mut told) = stage(Duration::from_secs(10));
    stage.telephone("phone", Voice::Tone { hz: 700.0 });
    stage.hears("phone", people(&["web"]));
    stage.hears("web", people(&["phone"]));
    let offer = stage.offer("web").await.unwrap();
    for line in [
        "a=ice-lite",
        "a=setup:actpass",
        "a=rtcp-mux",
        "a=rtpmap:101 telephone-event/8000",
    ] {
        assert!(
            offer.contains(&format!("\r\n{line}\r\n")),
            "no {line} in\n{offer}"
        );
    }
    assert!(offer.contains("UDP/TLS/RTP/SAVPF 0 101\r\n"), "{offer}");
    assert!(!offer.replace("\r\n", "").contains('\n'), "{offer}");
    let client = Client::new(1_200.0);
    let answer = client.answer(&offer);
    assert!(answer.contains("a=setup:active"), "{answer}");
    stage.answered("web", &answer).await.unwrap();
    told.next(&connected("web")).await;
    client_hears(&client, 700.0, 1_200.0).await;
    party_hears(&stage, "phone", 1_200.0).await;
    // After its signalling broke, a browser sends what it last agreed to: nothing changes, and nothing is heard of it.
    let same = stage.accept("web", &answer).await.expect("the same again");
    assert!(same.contains("a=setup:passive\r\n"), "{same}");
    client.say(Some(1_900.0));
    party_hears(&stage, "phone", 1_900.0).await;
    assert_eq!(
        told.so_far()
            .iter()
            .filter(|e| **e == connected("web"))
            .count(),
        1
    );
    let again = stage.answered("web", &answer).await;
    assert!(matches!(again, Err(MediaError::NotOffered)), "{again:?}");
}

#[tokio::test]
async fn two_browsers_hear_each_other_and_not_themselves() {
    let (stage, mut told) = stage(Duration::from_secs(10));
    let ann = call(&stage, &mut told, "ann", 600.0).await;
    let bob = call(&stage, &mut told, "bob", 1_500.0).await;
    for party in ["ann", "bob"] {
        stage.hears(party, people(&["ann", "bob"]));
    }
    client_hears(&ann, 1_500.0, 600.0).await;
    client_hears(&bob, 600.0, 1_500.0).await;
}

#[tokio::test]
async fn who_is_put_on_hold_hears_not_one_frame_more() {
    let (stage, mut told) = stage(Duration::from_secs(10));
    stage.telephone("phone", Voice::Tone { hz: 700.0 });
    stage.hears("web", people(&["phone"]));
    let client = call(&stage, &mut told, "web", 1_200.0).await;
    client_hears(&client, 700.0, 1_200.0).await;
    // Commands are done in order: what had been sent when the report was made is all that had the telephone in it.
    stage.hears("web", Mix::default());
    let sent = stage.report("web").await.unwrap().packets_out;
    until("ten more packets came", async || {
        let newest = client.noticed().heard.keys().last().copied();
        if newest >= Some(sent + 10) {
            Ok(())
        } else {
            Err((newest, sent))
        }
    })
    .await;
    let noticed = client.noticed();
    for (sequence, frame) in noticed.heard.range(sent + 1..) {
        assert!(
            frame.iter().all(|s| *s == 0),
            "packet {sequence} after {sent}: {frame:?}"
        );
    }
    let before = noticed.heard.range(..=sent).next_back().unwrap();
    assert!(before.1.iter().any(|s| *s != 0), "{before:?}");
}

#[tokio::test]
async fn music_is_played_from_its_beginning_sample_by_sample() {
    let (stage, mut told) = stage(Duration::from_secs(10));
    let client = call(&stage, &mut told, "web", 1_200.0).await;
    // A ramp never looks like another part of itself.
    let ramp: Vec<i16> = (0..8_000).map(|n| 1_000 + n * 3).collect();
    let playing = Playing {
        id: 1,
        clip: Arc::new(Clip::from_samples(ramp.clone())),
        times: 1,
    };
    stage.hears(
        "web",
        Mix {
            people: Vec::new(),
            playing: vec![playing],
        },
    );
    let heard = until(
        "a second of music was heard, and silence after it",
        async || {
            let all = client.heard(usize::MAX);
            let music: Vec<i16> = all.iter().copied().filter(|s| *s != 0).collect();
            if music.len() >= ramp.len() && all.last() == Some(&0) {
                Ok(music)
            } else {
                Err((all.len(), music.len()))
            }
        },
    )
    .await;
    assert_eq!(heard.len(), ramp.len());
    for (n, (heard, played)) in heard.iter().zip(&ramp).enumerate() {
        let off = (i32::from(*heard) - i32::from(*played)).abs();
        assert!(
            off <= 40 + i32::from(*played) / 12,
            "sample {n}: {heard} for {played}"
        );
    }
}

#[tokio::test]
async fn a_browsers_keys_are_told_once_and_heard_as_tones() {
    let (stage, mut told) = stage(Duration::from_secs(10));
    stage.telephone("phone", Voice::Silent);
    stage.hears("phone", people(&["web"]));
    let client = call(&stage, &mut told, "web", 0.0).await;
    let key = |key| Event::Key {
        party: "web".into(),
        key,
    };
    for (event, pressed) in [(5, '5'), (5, '5'), (11, '#')] {
        client.press(event);
        told.next(&key(pressed)).await;
        // The next begins after this has ended: its ten packets have all been sent.
        let began = client.noticed().sent;
        until("the key's packets are sent", async || {
            let sent = client.noticed().sent;
            if sent >= began + 12 {
                Ok(())
            } else {
                Err((began, sent))
            }
        })
        .await;
    }
    until("the telephone hears the tones of a 5", async || {
        let all = stage.heard("phone", 10.0).await.unwrap();
        let best = all
            .windows(800)
            .step_by(160)
            .map(|w| level(w, 770.0).min(level(w, 1_336.0)))
            .fold(0.0, f32::max);
        if best > 0.2 { Ok(()) } else { Err(best) }
    })
    .await;
    let keys = told
        .so_far()
        .iter()
        .filter(|e| matches!(e, Event::Key { .. }))
        .count();
    assert_eq!(keys, 3, "{:?}", told.all);
}

#[tokio::test]
async fn a_telephones_keys_are_heard_by_a_browser() {
    let (stage, mut told) = stage(Duration::from_secs(10));
    stage.telephone("phone", Voice::Silent);
    stage.hears("web", people(&["phone"]));
    let client = call(&stage, &mut told, "web", 1_200.0).await;
    stage.press("phone", "w9");
    until("the browser hears the tones of a 9", async || {
        let all = client.heard(usize::MAX);
        let best = all
            .windows(800)
            .step_by(160)
            .map(|w| level(w, 852.0).min(level(w, 1_477.0)))
            .fold(0.0, f32::max);
        if best > 0.2 { Ok(()) } else { Err(best) }
    })
    .await;
}

#[tokio::test]
async fn one_who_falls_silent_is_lost_and_may_come_back() {
    let (stage, mut told) = stage(Duration::from_millis(400));
    let client = call(&stage, &mut told, "web", 1_200.0).await;
    client.say(None);
    told.next(&lost("web")).await;
    assert!(!stage.report("web").await.unwrap().connected);
    client.say(Some(1_200.0));
    told.next(&connected("web")).await;
    drop(client);
    told.next(&lost("web")).await;
    assert_eq!(told.all.len(), 4, "{:?}", told.all);
}

#[tokio::test]
async fn one_who_never_comes_is_lost_but_one_who_is_rung_is_waited_for() {
    let (stage, mut told) = stage(Duration::from_millis(200));
    stage.offer("rung").await.unwrap();
    let client = Client::new(1_200.0);
    stage.accept("web", &client.offer()).await.unwrap();
    told.next(&lost("web")).await;
    assert_eq!(told.so_far(), [lost("web")]);
    assert!(!stage.report("rung").await.unwrap().connected);
}

#[tokio::test]
async fn ice_restarts_on_the_same_connection() {
    let (stage, mut told) = stage(Duration::from_secs(10));
    stage.telephone("phone", Voice::Tone { hz: 700.0 });
    stage.hears("phone", people(&["web"]));
    stage.hears("web", people(&["phone"]));
    let client = call(&stage, &mut told, "web", 1_200.0).await;
    client_hears(&client, 700.0, 1_200.0).await;
    let before = stage.report("web").await.unwrap();
    let answer = stage.accept("web", &client.restart()).await.unwrap();
    assert!(answer.contains("a=ice-lite\r\n"), "{answer}");
    client.answered(&answer);
    client.say(Some(1_900.0));
    party_hears(&stage, "phone", 1_900.0).await;
    client_hears(&client, 700.0, 1_200.0).await;
    let after = stage.report("web").await.unwrap();
    assert!(
        after.packets_in > before.packets_in && after.packets_out > before.packets_out,
        "{before:?} {after:?}"
    );
    let all = told.so_far();
    assert_eq!(
        all.iter().filter(|e| **e == connected("web")).count(),
        1,
        "{all:?}"
    );
    assert!(!all.contains(&lost("web")), "{all:?}");
}

#[tokio::test]
async fn another_browser_takes_the_partys_place() {
    let (stage, mut told) = stage(Duration::from_secs(10));
    stage.telephone("phone", Voice::Silent);
    stage.hears("phone", people(&["web"]));
    let _first = call(&stage, &mut told, "web", 1_200.0).await;
    party_hears(&stage, "phone", 1_200.0).await;
    let _second = call(&stage, &mut told, "web", 1_900.0).await;
    party_hears(&stage, "phone", 1_900.0).await;
}

#[tokio::test]
async fn nothing_from_outside_stops_the_sound() {
    let (stage, mut told) = stage(Duration::from_secs(10));
    stage.telephone("phone", Voice::Tone { hz: 700.0 });
    stage.hears("web", people(&["phone"]));
    let good = Client::new(1_200.0).offer();
    for bad in [
        String::new(),
        "v=0\r\n".into(),
        "x".repeat(1 << 20),
        good.replace("a=fingerprint", "a=finger"),
        good.replace("a=ice-ufrag", "a=ufrag"),
        good.replace("m=audio", "m=\0"),
        good.replace("SAVPF 0", "SAVPF 111"),
        good.replace("a=setup:actpass", "a=ice-lite"),
        good[..good.len() / 2].into(),
    ] {
        let answer = stage.accept("bad", &bad).await;
        if let Ok(answer) = answer {
            assert!(answer.starts_with("v=0\r\n"), "{answer}");
        }
        stage.gone("bad");
    }
    let attacker = UdpSocket::bind("127.0.0.1:0").unwrap();
    for n in 0..5_000_u32 {
        // All that looks like STUN, DTLS, RTP and RTCP by its first byte, and is not.
        let first = [0, 1, 20, 22, 63, 128, 144, 200][n as usize % 8];
        let mut garbage = vec![first; n as usize % 1_500];
        garbage
            .iter_mut()
            .zip(n.to_be_bytes())
            .skip(1)
            .for_each(|(g, b)| *g = b);
        let _ = attacker.send_to(&garbage, stage.address());
    }
    for party in ["nobody", "", "phone"] {
        stage.gone(&format!("{party}?"));
        stage.press(party, "zz\0w😀");
    }
    assert!(stage.report("nobody").await.is_none());
    assert!(stage.heard("nobody", f32::NAN).await.is_none());
    assert!(stage.heard("phone", f32::INFINITY).await.is_some());
    assert_eq!(stage.heard("phone", -1.0).await, Some(Vec::new()));
    let client = call(&stage, &mut told, "web", 1_200.0).await;
    client_hears(&client, 700.0, 1_200.0).await;
}

#[tokio::test]
async fn the_default_stage_is_reached_by_loopback() {
    let (stage, events) = Stage::start(StageConfig::default()).unwrap();
    let mut told = Told::new(events);
    stage.telephone("phone", Voice::Babble { seed: 1 });
    stage.hears("web", people(&["phone"]));
    let client = Client::new(1_200.0);
    let answer = stage.accept("web", &client.offer()).await.unwrap();
    assert!(answer.contains(" 127.0.0.1 "), "{answer}");
    client.answered(&answer);
    told.next(&connected("web")).await;
    told.next(&heard("web", "phone")).await;
}

#[tokio::test]
async fn the_stage_ends_with_its_last_handle() {
    let (stage, told) = stage(Duration::from_secs(10));
    stage.telephone("phone", Voice::Silent);
    let clone = stage.clone();
    drop(stage);
    assert!(clone.report("phone").await.is_some());
    drop(clone);
    told.end().await;
}
