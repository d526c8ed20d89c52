//! Telephones among themselves: exactly the mix, never oneself, and names that come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::pcm::{FRAME, SILENCE, rms};
use crate::stage::Playing;
use crate::thread::now;
use crate::{Clip, Voice};

fn floor() -> Floor {
    Floor::new(Terms {
        certificate: str0m::crypto::from_feature_flags()
            .dtls_provider
            .generate_certificate()
            .expect("a certificate"),
        candidates: vec![SocketAddr::from(([127, 0, 0, 1], 9))],
        lost_after: Duration::from_secs(1),
    })
}

fn tone(floor: &mut Floor, party: &str, hz: f32) {
    floor.telephone(party, Speech::new(Voice::Tone { hz }));
}

fn people(names: &[&str]) -> Mix {
    Mix {
        people: names.iter().map(|n| (*n).to_owned()).collect(),
        playing: Vec::new(),
    }
}

fn frames(floor: &mut Floor, count: usize) {
    for _ in 0..count {
        floor.frame(now(), true);
    }
}

fn last(floor: &Floor, party: &str, which: Which) -> Vec<i16> {
    floor.recent(party, which, FRAME).unwrap_or_default()
}

#[test]
fn one_hears_those_in_the_mix_and_never_oneself() {
    let mut floor = floor();
    tone(&mut floor, "ann", 500.0);
    tone(&mut floor, "bob", 900.0);
    floor.hears("ann", people(&["ann", "bob", "bob"]));
    frames(&mut floor, 5);
    assert_eq!(
        last(&floor, "ann", Which::Heard),
        last(&floor, "bob", Which::Said)
    );
    assert_eq!(last(&floor, "bob", Which::Heard), SILENCE);
    floor.hears("ann", Mix::default());
    frames(&mut floor, 1);
    assert_eq!(last(&floor, "ann", Which::Heard), SILENCE);
}

#[test]
fn a_mix_may_name_who_has_yet_to_come_and_who_comes_again() {
    let mut floor = floor();
    floor.hears("ann", people(&["bob"]));
    assert!(floor.is_empty());
    tone(&mut floor, "ann", 500.0);
    frames(&mut floor, 1);
    assert_eq!(last(&floor, "ann", Which::Heard), SILENCE);
    for hz in [900.0, 1_100.0] {
        tone(&mut floor, "bob", hz);
        frames(&mut floor, 2);
        assert_eq!(
            last(&floor, "ann", Which::Heard),
            last(&floor, "bob", Which::Said)
        );
        floor.gone("bob");
        frames(&mut floor, 1);
        assert_eq!(last(&floor, "ann", Which::Heard), SILENCE);
    }
    assert!(floor.observe("bob").is_none());
    floor.gone("ann");
    assert!(floor.names.is_empty(), "{:?}", floor.names.keys());
}

#[test]
fn who_is_heard_is_told_once_for_each_time_they_are_put_into_the_mix() {
    let mut floor = floor();
    tone(&mut floor, "ann", 500.0);
    tone(&mut floor, "bob", 900.0);
    floor.telephone("eve", Speech::new(Voice::Silent));
    let heard = |floor: &mut Floor| std::mem::take(&mut floor.events);
    let ann_hears_bob = [Event::Heard {
        listener: "ann".into(),
        speaker: "bob".into(),
    }];
    floor.hears("ann", people(&["bob", "eve"]));
    floor.frame(now(), false);
    assert_eq!(heard(&mut floor), [], "there was no room");
    frames(&mut floor, 5);
    assert_eq!(heard(&mut floor), ann_hears_bob);
    floor.hears("ann", people(&["bob"]));
    frames(&mut floor, 5);
    assert_eq!(heard(&mut floor), [], "he was there all the time");
    floor.hears("ann", people(&["eve"]));
    floor.hears("ann", people(&["bob"]));
    frames(&mut floor, 5);
    assert_eq!(heard(&mut floor), ann_hears_bob);
}

#[test]
fn keys_are_heard_instead_of_the_voice() {
    let mut floor = floor();
    tone(&mut floor, "ann", 500.0);
    floor.telephone("bob", Speech::new(Voice::Silent));
    floor.hears("bob", people(&["ann"]));
    floor.press("ann", "1");
    frames(&mut floor, 5);
    let tones = crate::spectrum::peaks(&floor.recent("bob", Which::Heard, 800).unwrap());
    let mut hz: Vec<f32> = tones.iter().take(2).map(|t| t.hz).collect();
    hz.sort_by(f32::total_cmp);
    assert!(
        (hz[0] - 697.0).abs() < 6.0 && (hz[1] - 1_209.0).abs() < 6.0,
        "{tones:?}"
    );
    frames(&mut floor, 5);
    assert_eq!(last(&floor, "bob", Which::Heard), SILENCE, "the gap");
    frames(&mut floor, 1);
    assert!(rms(&last(&floor, "bob", Which::Heard)) > 0.1);
}

#[test]
fn music_is_added_to_the_voices() {
    let mut floor = floor();
    tone(&mut floor, "ann", 500.0);
    floor.telephone("bob", Speech::new(Voice::Silent));
    floor.hears(
        "bob",
        Mix {
            people: vec!["ann".into()],
            playing: vec![Playing {
                id: 1,
                clip: Arc::new(Clip::from_samples(vec![100; 50])),
                times: 0,
            }],
        },
    );
    frames(&mut floor, 2);
    let expected: Vec<i16> = last(&floor, "ann", Which::Said)
        .iter()
        .map(|s| s + 100)
        .collect();
    assert_eq!(last(&floor, "bob", Which::Heard), expected);
}

#[test]
fn garbage_and_strangers_change_nothing() {
    let mut floor = floor();
    tone(&mut floor, "ann", 500.0);
    let stranger = SocketAddr::from(([127, 0, 0, 1], 4_000));
    let offer = floor.offer(now(), "web").unwrap();
    assert!(offer.contains("\r\na=ice-lite\r\n"), "{offer}");
    for first in 0..=255_u8 {
        for length in [0, 1, 12, 20, 200] {
            floor.receive(now(), stranger, &vec![first; length]);
        }
    }
    for sdp in ["", "v=0", "hello\0", &offer, &"a=x\r\n".repeat(100_000)] {
        let answered = floor.answered(now(), "web", sdp);
        assert!(answered.is_err(), "{sdp:.80}");
        assert!(floor.accept(now(), "new", sdp).is_err(), "{sdp:.80}");
    }
    assert!(matches!(
        floor.answered(now(), "nobody", "v=0"),
        Err(MediaError::NotOffered)
    ));
    for nobody in ["nobody", ""] {
        floor.press(nobody, "1");
        floor.gone(nobody);
        assert!(floor.observe(nobody).is_none());
        assert!(floor.recent(nobody, Which::Said, usize::MAX).is_none());
    }
    frames(&mut floor, 3);
    assert!(rms(&last(&floor, "ann", Which::Said)) > 0.1);
    assert!(floor.observe("new").is_none());
}

/// An offer with what Chromium puts into one, and these payload types.
fn chromiums(types: &str) -> String {
    let mut lines = vec![
        "v=0".to_owned(),
        "o=- 1 2 IN IP4 127.0.0.1".into(),
        "s=-".into(),
        "t=0 0".into(),
        "a=group:BUNDLE 0".into(),
        "a=extmap-allow-mixed".into(),
        "a=msid-semantic: WMS sound".into(),
        format!("m=audio 9 UDP/TLS/RTP/SAVPF {types}"),
        "c=IN IP4 0.0.0.0".into(),
        "a=rtcp:9 IN IP4 0.0.0.0".into(),
        "a=ice-ufrag:abcd".into(),
        "a=ice-pwd:abcdefghijklmnopqrstuvwx".into(),
        "a=ice-options:trickle".into(),
        format!("a=fingerprint:sha-256 {}", ["AB"; 32].join(":")),
        "a=setup:actpass".into(),
        "a=mid:0".into(),
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level".into(),
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid".into(),
        "a=sendrecv".into(),
        "a=msid:sound track".into(),
        "a=rtcp-mux".into(),
        "a=rtcp-rsize".into(),
    ];
    for (number, coding) in [
        ("0", "PCMU/8000"),
        ("111", "opus/48000/2"),
        ("63", "red/48000/2"),
        ("9", "G722/8000"),
        ("8", "PCMA/8000"),
        ("13", "CN/8000"),
        ("110", "telephone-event/48000"),
        ("126", "telephone-event/8000"),
    ] {
        if types.split(' ').any(|t| t == number) {
            lines.push(format!("a=rtpmap:{number} {coding}"));
        }
    }
    lines.push("a=ssrc:3735928559 cname:somebody".into());
    lines.push("a=ssrc:3735928559 msid:sound track\r\n".into());
    lines.join("\r\n")
}

#[test]
fn a_browser_that_speaks_everything_is_answered_with_what_we_speak() {
    let mut floor = floor();
    let offer = chromiums("0 111 63 9 8 13 110 126");
    for _ in 0..2 {
        let answer = floor.accept(now(), "web", &offer).unwrap();
        for line in [
            "m=audio 9 UDP/TLS/RTP/SAVPF 0 126",
            "a=ice-lite",
            "a=setup:passive",
            "a=mid:0",
            "a=rtcp-mux",
            "a=rtpmap:126 telephone-event/8000",
        ] {
            assert!(
                answer.contains(&format!("\r\n{line}\r\n")),
                "no {line} in\n{answer}"
            );
        }
        assert_eq!(answer.matches("a=candidate").count(), 1, "{answer}");
        assert!(answer.contains(" 127.0.0.1 9 typ host"), "{answer}");
    }
}

#[test]
fn a_browser_that_speaks_nothing_of_ours_is_refused() {
    let mut floor = floor();
    let refused = floor.accept(now(), "web", &chromiums("111 110"));
    assert!(
        matches!(refused, Err(MediaError::NoCommonCodec)),
        "{refused:?}"
    );
    assert!(floor.is_empty());
}

#[derive(Clone, Debug)]
enum Act {
    Telephone(usize),
    Gone(usize),
    Hears(usize, Vec<usize>),
    Press(usize),
    Frame,
}

fn act() -> impl Strategy<Value = Act> {
    let who = 0..6_usize;
    prop_oneof![
        who.clone().prop_map(Act::Telephone),
        who.clone().prop_map(Act::Gone),
        (who.clone(), prop::collection::vec(who.clone(), 0..8)).prop_map(|(w, m)| Act::Hears(w, m)),
        who.prop_map(Act::Press),
        Just(Act::Frame),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_asked_everybody_hears_exactly_their_mix(acts in prop::collection::vec(act(), 1..60)) {
        let name = |n: usize| format!("party {n}");
        let mut floor = floor();
        let mut there = BTreeSet::new();
        let mut mixes: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for act in acts {
            match act {
                Act::Telephone(who) => {
                    tone(&mut floor, &name(who), 300.0 + 100.0 * crate::pcm::real(who));
                    there.insert(who);
                }
                Act::Gone(who) => {
                    floor.gone(&name(who));
                    there.remove(&who);
                    mixes.remove(&who);
                }
                Act::Hears(who, mix) => {
                    let people = mix.iter().map(|n| name(*n)).collect();
                    floor.hears(&name(who), Mix { people, playing: Vec::new() });
                    mixes.insert(who, mix.into_iter().collect());
                }
                Act::Press(who) => floor.press(&name(who), "5"),
                Act::Frame => {
                    floor.frame(now(), true);
                    for who in &there {
                        let mut sum = [0_i32; FRAME];
                        for other in mixes.get(who).into_iter().flatten() {
                            if other != who && there.contains(other) {
                                let said = last(&floor, &name(*other), Which::Said);
                                sum.iter_mut().zip(said).for_each(|(s, x)| *s += i32::from(x));
                            }
                        }
                        let expected: Vec<i16> = sum.map(crate::pcm::clip).to_vec();
                        prop_assert_eq!(last(&floor, &name(*who), Which::Heard), expected);
                    }
                }
            }
            prop_assert_eq!(floor.is_empty(), there.is_empty());
            prop_assert!(floor.slots.len() <= 6);
        }
    }
}
