//! The machines under any order of events: what must hold, holds after every step.
//!
//! A run is a list of numbers; each picks an action and whom it is done to. A failing run is shrunk and
//! printed, so it can be replayed as it stands.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::account::{Account, Credentials, RecordingStatus};
use super::call::{CallStatus, Direction, NewCall};
use super::conference::{Entry, LeaveReason, Update};
use super::{Dial, Effect, Method, Program, Purpose, Signal, Source, Subscription, Target, World};
use crate::verbs::new_recording;

fn world() -> World {
    let mut world = World::new(Account::new(Credentials::from_seed(1), String::new(), 0), 1);
    world.now = 1_000_000;
    world
}

fn everything() -> Subscription {
    let events = [
        "start",
        "end",
        "join",
        "leave",
        "mute",
        "hold",
        "modify",
        "announcement",
    ];
    let events = events.iter().map(|e| (*e).to_owned()).collect();
    Subscription {
        target: Target::new("http://127.0.0.1/conf", Method::Post),
        events,
    }
}

fn entry(n: u32, by_api: bool) -> Entry {
    Entry {
        label: Some(format!("leg-{n}")),
        muted: n.is_multiple_of(5),
        start: !n.is_multiple_of(3),
        end: n.is_multiple_of(4),
        coach: None,
        coaching: false,
        wait: None,
        hook: Some(everything()),
        region: None,
        max: 4,
        by_api,
        early_media: true,
        queue_time: None,
    }
}

/// One step, chosen and aimed by a number.
fn step(w: &mut World, calls: &mut Vec<String>, n: u32) {
    w.now += i64::from(n % 7) * 100;
    let call = calls.get(n as usize / 16 % calls.len().max(1)).cloned();
    let room_name = if n.is_multiple_of(2) { "a" } else { "b" };
    let room_of = |w: &World, call: &str| w.call(call).and_then(|c| c.room.clone());
    match (n % 16, call) {
        (0..=2, _) | (_, None) => {
            let by_api = n % 16 == 2;
            let direction = if by_api {
                Direction::OutboundApi
            } else {
                Direction::Inbound
            };
            let new = NewCall {
                from: format!("+1555{n}"),
                to: String::from("+15550100"),
                direction,
                who: format!("+1555{n}"),
                parent: None,
                callbacks: Vec::new(),
                fallback: None,
            };
            let program = if by_api {
                Program::Join {
                    dial: Dial::default(),
                }
            } else {
                Program::Incoming {
                    source: Source::Twiml(String::new()),
                }
            };
            let sid = w.create_call(new, program);
            let entry = entry(n / 16, by_api);
            let fits = w
                .room_named(room_name)
                .is_none_or(|room| room.admits(&entry).is_ok());
            if fits {
                let room = w.open_room(room_name, &entry);
                w.list_participant(&room, &sid, entry);
                if !by_api {
                    w.answer(&sid);
                    w.admit(&room, &sid);
                }
            }
            calls.push(sid);
        }
        (3 | 4, Some(call)) => {
            // A leg that was being dialled is answered.
            if w.call(&call).is_some_and(|c| {
                c.direction == Direction::OutboundApi && c.started.is_none() && c.is_live()
            }) {
                w.progress(&call, CallStatus::Ringing);
                w.answer(&call);
                if let Some(room) = room_of(w, &call) {
                    w.admit(&room, &call);
                }
            }
        }
        (5 | 6, Some(call)) => {
            w.finish(
                &call,
                if n.is_multiple_of(2) {
                    CallStatus::Completed
                } else {
                    CallStatus::Busy
                },
                None,
            );
        }
        (7, Some(call)) => {
            let _ = w.redirect(&call, Source::Twiml(String::new()));
        }
        (8, Some(call)) => {
            if let Some(room) = room_of(w, &call) {
                w.kick(&room, &call);
            }
        }
        (9, Some(_)) => {
            if let Some(room) = w.room_named(room_name).map(|r| r.sid.clone()) {
                w.end_room_by_api(&room);
            }
        }
        (10, Some(call)) => w.leave(&call, LeaveReason::HungUp, false),
        (_, Some(call)) => {
            if let Some(room) = room_of(w, &call) {
                let flag = |bit: u32| (n >> bit & 1 == 1).then_some(n >> (bit + 1) & 1 == 1);
                let coach = calls.get(n as usize / 64 % calls.len()).cloned();
                let update = Update {
                    muted: flag(4),
                    hold: flag(6),
                    end: flag(8),
                    coaching: flag(10),
                    coach: coach.filter(|_| n.is_multiple_of(3)),
                    announce: n
                        .is_multiple_of(5)
                        .then(|| Target::new("http://127.0.0.1/say", Method::Post)),
                    ..Update::default()
                };
                let _ = w.update_participant(&room, &call, update);
            }
        }
    }
}

fn check(w: &World) {
    let mut names = BTreeSet::new();
    for room in w.live_rooms() {
        assert!(
            names.insert(room.name.clone()),
            "two live rooms are called {}",
            room.name
        );
        assert!(
            !room.is_over() && !room.members.is_empty(),
            "a live room has members: {room:?}"
        );
        let mut labels = BTreeSet::new();
        for p in &room.members {
            assert!(
                p.label.is_none() || labels.insert(p.label.clone()),
                "a label is taken twice: {room:?}"
            );
            let call = w.call(&p.call).expect("a participant has a call");
            assert!(
                call.is_live() && call.room.as_deref() == Some(&room.sid),
                "{call:?} is listed in {}",
                room.sid
            );
            assert!(
                !p.joined || call.status == CallStatus::InProgress,
                "joined means answered: {call:?}"
            );
        }
    }
    for room in w.rooms().filter(|r| r.is_over()) {
        assert!(
            room.members.is_empty() && room.reason_ended.is_some(),
            "a room that is over is empty: {room:?}"
        );
    }
    // The log says of the present what the rule says.
    let mut heard: BTreeSet<(String, String)> = BTreeSet::new();
    for room in w.live_rooms() {
        for x in &room.members {
            for y in &room.members {
                if w.hears(room, x, y) {
                    heard.insert((x.call.clone(), y.call.clone()));
                }
            }
        }
    }
    let logged = w
        .log
        .open()
        .map(|h| (h.listener_sid.clone(), h.speaker_sid.clone()))
        .collect();
    assert_eq!(heard, logged);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_order_of_events_breaks_the_machines(steps in proptest::collection::vec(any::<u32>(), 1..60)) {
        let (mut w, mut calls) = (world(), Vec::new());
        let mut last: BTreeMap<String, u32> = BTreeMap::new();
        let mut ended = BTreeSet::new();
        let mut announcements: Vec<(String, String)> = Vec::new();
        for n in steps {
            step(&mut w, &mut calls, n);
            // An announcement ends in its own time, whoever is still there.
            if n.is_multiple_of(2) && let Some((room, call)) = announcements.pop() {
                w.announced(&room, &call, "http://127.0.0.1/say", None);
            }
            for effect in w.settle() {
                match effect {
                    Effect::Callback { form, .. } => {
                        let room = form.get("ConferenceSid").unwrap().to_owned();
                        let number: u32 = form.get("SequenceNumber").unwrap().parse().unwrap();
                        let before = last.insert(room.clone(), number).unwrap_or(0);
                        prop_assert_eq!(number, before + 1, "numbers of a room have no gap");
                        prop_assert!(!ended.contains(&room), "nothing is said of a room after its end");
                        if form.get("StatusCallbackEvent") == Some("conference-end") {
                            ended.insert(room);
                        }
                    }
                    Effect::Play { call, room, purpose: Purpose::Announce, .. } => announcements.push((room, call)),
                    Effect::Tell { call, signal: Signal::LeftRoom } => {
                        prop_assert!(w.call(&call).is_some_and(|c| c.room.is_none()));
                    }
                    _ => {}
                }
            }
            check(&w);
        }
        for interval in w.log.hears() {
            prop_assert!(interval.to.is_none_or(|to| to >= interval.from));
        }
    }
}

#[test]
fn a_final_status_absorbs_everything_later() {
    let (mut w, mut calls) = (world(), Vec::new());
    step(&mut w, &mut calls, 0);
    let call = calls[0].clone();
    assert!(w.finish(&call, CallStatus::Completed, None));
    assert!(
        !w.finish(&call, CallStatus::Failed, None)
            && !w.answer(&call)
            && !w.progress(&call, CallStatus::Ringing)
    );
    assert_eq!(
        w.redirect(&call, Source::Twiml(String::new()))
            .unwrap_err()
            .code,
        21220
    );
    assert_eq!(w.call(&call).unwrap().status, CallStatus::Completed);
}

#[test]
fn dials_are_a_second_apart() {
    let mut w = world();
    let first: Vec<i64> = (0..3).map(|_| w.next_dial() - w.now).collect();
    assert_eq!(first, [0, 1000, 2000]);
    w.now += 10_000;
    assert_eq!(w.next_dial(), w.now, "an idle time is not saved up");
}

#[test]
fn old_recordings_are_forgotten_but_for_one_that_runs() {
    let mut w = world();
    let runs = new_recording("CA1", "RecordVerb", 1, None, w.now);
    for n in 0..=super::KEPT * 2 {
        let mut recording = runs.clone();
        if n > 0 {
            recording.status = RecordingStatus::Completed;
        }
        recording.sid = format!("RE{n}");
        w.account.recordings.push(recording);
    }
    w.settle();
    let left = &w.account.recordings;
    assert_eq!(left.len(), super::KEPT);
    assert_eq!(left[0].sid, "RE0", "what still runs is kept");
    assert_eq!(
        left.last().unwrap().sid,
        format!("RE{}", super::KEPT * 2),
        "and the latest"
    );
}

#[test]
fn rooms_are_shown_in_a_stable_order() {
    let mut w = world();
    let mut names: Vec<String> = (0..20).map(|n| format!("room-{}", n * 7 % 20)).collect();
    for name in &names {
        w.open_room(name, &entry(0, false));
    }
    names.sort();
    let shown: Vec<&String> = w.live_rooms().map(|r| &r.name).collect();
    assert_eq!(shown, names.iter().collect::<Vec<_>>());
}

#[test]
fn only_the_living_talk() {
    let (mut w, mut calls) = (world(), Vec::new());
    for n in [0, 1] {
        step(&mut w, &mut calls, n);
        w.leave(&calls[n as usize], LeaveReason::HungUp, false);
    }
    let [here, gone] = &calls[..] else {
        panic!("two calls, not {calls:?}")
    };
    w.finish(gone, CallStatus::Completed, None);
    w.bridge(here, gone);
    assert_eq!(w.call(here).unwrap().bridged, None);
}
