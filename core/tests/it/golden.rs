//! What is stored and what travels, as files: a release must read what every earlier one wrote, and a script
//! what it was promised.
//!
//! Each value is compared with its file in `tests/golden`, and the file is read back into the value. A form
//! that changed on purpose gets a new file beside the old one, and the old one stays. Where a file is missing,
//! the test writes `NAME.json.new` and fails: look at it, then rename it.

use std::{
    fmt::Debug,
    path::{Path, PathBuf},
};

use cordboard_core::{
    board::{Board, Card, Group, Online, Person, Presence, Queue, Slot, Snapshot, Status},
    ids::{CallId, SessionId, Timestamp},
    machine::{Aspect, Effect, Intent, PhonePage, RefusalCode, Target},
    policy::{Rights, Role},
    wire::{
        Cause, Change, ClientMsg, Command, Delta, EmergencyAddress, Me, Order, PageBeat, PageOrder,
        PageState, PageTrouble, PairingAsk, PersonPresence, PhoneHeld, PhoneMsg, PhoneOffer,
        PhoneSeat, PhoneServerMsg, PhoneState, Position, Quality, QualityWarning, ServerMsg,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    stories::{ADA, GRACE, MARY, Story, park, queued, ringing, send, send_out, talking},
    world::{phone, sid, slot},
};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
        .with_extension("json")
}

/// Compares a value with its file, both ways.
#[expect(
    clippy::disallowed_methods,
    reason = "the files are what this test is about"
)]
fn golden<T: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str, value: &T) {
    let path = file(name);
    let now = format!(
        "{}\n",
        serde_json::to_string_pretty(value).expect("it can be written")
    );
    let Ok(then) = std::fs::read_to_string(&path) else {
        let new = path.with_extension("json.new");
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&new, now).expect("a new file");
        panic!("there is no {}: see {}", path.display(), new.display());
    };
    assert_eq!(now, then, "{name} is not written as it was");
    assert_eq!(
        &serde_json::from_str::<T>(&then).expect("it can be read"),
        value,
        "{name} is not read as it was written"
    );
}

/// Reads what is not written in that form any more.
#[expect(
    clippy::disallowed_methods,
    reason = "the files are what this test is about"
)]
fn still_read<T: DeserializeOwned + PartialEq + Debug>(name: &str, value: &T) {
    let then = std::fs::read_to_string(file(name)).expect("a file that an earlier version wrote");
    let read = serde_json::from_str::<T>(&then).expect("it can be read");
    assert_eq!(&read, value, "{name} is not read as it was meant");
}

/// A call in every place, with everything a call can carry.
pub(crate) fn calls() -> Vec<(&'static str, Story)> {
    let mut dialling = queued();
    let out = dialling
        .world
        .dial(ADA, phone(9_200))
        .expect("Ada may dial");
    let note = Intent::Park {
        slot: Some(slot(2)),
        note: Some("wants the bill".into()),
    };
    let first = talking();
    let aside = first.call;
    vec![
        ("queued", queued()),
        ("ringing", ringing(&[ADA, MARY])),
        (
            "connecting",
            queued().does(ADA, park(1)).does(GRACE, Intent::Retrieve),
        ),
        ("dialling", dialling.of(out).settle()),
        ("talking", talking()),
        (
            "talking-outside",
            talking()
                .does(ADA, send_out())
                .settle()
                .picks_up(2)
                .settle(),
        ),
        ("holding", talking().does(ADA, Intent::Hold)),
        ("held", talking().does(ADA, Intent::Hold).settle()),
        (
            "held-while-leaving",
            first.another().does(ADA, Intent::Answer).of(aside),
        ),
        ("parking", talking().does(ADA, note.clone())),
        ("parked", talking().does(ADA, note).settle()),
        ("transferring", talking().does(ADA, send(GRACE)).settle()),
        (
            "transferring-outside",
            talking().does(GRACE, send_out()).settle(),
        ),
        (
            "returned",
            talking()
                .does(ADA, send(GRACE))
                .settle()
                .does(GRACE, Intent::Decline { busy: true }),
        ),
        ("ended", talking().hangs_up(0).settle()),
    ]
}

#[test]
fn calls_are_stored_as_they_were() {
    for (name, story) in calls() {
        golden(&format!("call/{name}"), story.now());
    }
}

#[test]
fn effects_are_stored_as_they_were() {
    let effects = [
        Effect::Set {
            leg: 0,
            what: Aspect::Hold,
        },
        Effect::Set {
            leg: 2,
            what: Aspect::EndsRoom,
        },
        Effect::HangUp { sid: sid(1) },
        Effect::Redirect {
            sid: sid(1),
            to: CallId::from_bits(9).leg(3),
        },
        Effect::Dial {
            leg: 2,
            to: phone(9_004),
        },
        Effect::Invite {
            leg: 2,
            to: phone(9_100),
        },
        Effect::Cancel { leg: 2 },
        Effect::Look,
    ];
    golden("effects", &effects.to_vec());
}

#[test]
fn cards_keep_the_contract() {
    for (name, story) in calls() {
        let card = Card::of(story.now());
        golden(&format!("card/{name}"), &card);
        let json = serde_json::to_value(&card).unwrap();
        has(
            &json,
            name,
            &[
                "id",
                "rev",
                "place",
                "caller",
                "direction",
                "to",
                "with",
                "since",
                "legs",
            ],
        );
        has(&json["caller"], name, &["name", "number"]);
        has(&json["place"], name, &["kind", "since"]);
        for leg in json["legs"].as_array().unwrap() {
            has(
                leg,
                name,
                &[
                    "id", "sid", "role", "user", "number", "state", "held", "muted",
                ],
            );
        }
        let kind = json["place"]["kind"].as_str().unwrap();
        let more: &[&str] = match kind {
            "queued" => &["queue"],
            "ringing" => &["users", "why", "deadline"],
            "dialling" => &["user", "to"],
            "connecting" => &["user"],
            "talking" => &["users"],
            "holding" | "held" => &["user", "deadline"],
            "parking" | "parked" => &["slot", "by", "deadline"],
            "transferring" => &["from", "to", "deadline"],
            "ended" => &["why"],
            other => panic!("a kind of place that nobody promised: {other}"),
        };
        has(&json["place"], name, more);
    }
}

/// Where a card without its caller says other words than one with.
#[test]
fn cards_on_a_wall_keep_the_contract() {
    for (name, story) in calls() {
        if ["queued", "dialling", "parked", "transferring-outside"].contains(&name) {
            let card = Card::of(story.now()).redacted();
            golden(&format!("wall/{name}"), &card);
        }
    }
}

fn has(json: &Value, name: &str, fields: &[&str]) {
    for field in fields {
        assert!(json.get(field).is_some(), "{name} has no {field}: {json:#}");
    }
}

/// Ada, with everything a person can carry.
fn person() -> Person {
    Person {
        id: ADA,
        extension: "101".into(),
        name: "Ada Lovelace".into(),
        identity: "u1".into(),
        status: Status {
            presence: Presence::Away,
            text: "at lunch".into(),
            back_at: Some(NOW),
        },
        online: Online::Online,
        phone: PhonePage::Ready,
        groups: vec!["sales".parse().expect("a group")],
        languages: ["en", "pt-BR"]
            .map(|l| l.parse().expect("a language"))
            .into(),
        fallback: false,
        calls: Vec::new(),
    }
}

fn group() -> Group {
    Group {
        id: "sales".parse().expect("a group"),
        name: "Sales".into(),
    }
}

fn snapshot() -> Snapshot {
    let story = talking().does(ADA, park(2)).settle();
    let there = Snapshot {
        epoch: "e1".to_owned(),
        rev: 7,
        people: vec![person()],
        calls: vec![Card::of(story.now())],
        slots: vec![Slot {
            id: slot(2),
            name: "Slot 2".into(),
            call: None,
            deadline: None,
        }],
        queues: vec![Queue {
            id: "desk".parse().expect("a queue"),
            name: "Desk".into(),
            calls: Vec::new(),
        }],
        groups: vec![group()],
    };
    Board::new(there).snapshot()
}

/// The same of a server that knew no groups, no languages, and nothing of a person but one word.
fn earlier(snapshot: Snapshot) -> Snapshot {
    let plain = |person: Person| Person {
        status: Status::default(),
        online: Online::Unknown,
        groups: Vec::new(),
        languages: Vec::new(),
        ..person
    };
    Snapshot {
        people: snapshot.people.into_iter().map(plain).collect(),
        groups: Vec::new(),
        ..snapshot
    }
}

#[test]
fn a_snapshot_keeps_the_contract() {
    let snapshot = snapshot();
    golden("snapshot-2", &snapshot);
    still_read("snapshot", &earlier(snapshot.clone()));
    let json = serde_json::to_value(&snapshot).unwrap();
    has(
        &json,
        "board",
        &[
            "epoch", "rev", "people", "calls", "slots", "queues", "groups",
        ],
    );
    has(
        &json["people"][0],
        "person",
        &[
            "id",
            "extension",
            "name",
            "identity",
            "presence",
            "online",
            "phone",
            "calls",
        ],
    );
    has(
        &json["slots"][0],
        "slot",
        &["id", "name", "call", "deadline"],
    );
    assert_eq!(
        json["slots"][0]["call"], json["calls"][0]["id"],
        "who is in a slot is filled in"
    );
    for (page, word) in [
        (PhonePage::Ready, "ready"),
        (PhonePage::Unreachable, "unreachable"),
        (PhonePage::Unknown, "unknown"),
    ] {
        assert_eq!(serde_json::to_value(page).unwrap(), word);
    }
    for (online, word) in [
        (Online::Online, "online"),
        (Online::Offline, "offline"),
        (Online::Unknown, "unknown"),
    ] {
        assert_eq!(serde_json::to_value(online).unwrap(), word);
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_123);

/// The file of a message. Whoever adds a variant is stopped here, and writes a message for it below.
const fn of_client(msg: &ClientMsg) -> &'static str {
    match msg {
        ClientMsg::Hello { .. } => "hello",
        ClientMsg::Do(Command {
            order: Order::Call { intent, .. },
            ..
        }) => match intent {
            Intent::Answer => "do-answer",
            Intent::Decline { .. } => "do-decline",
            Intent::Hold => "do-hold",
            Intent::Resume => "do-resume",
            Intent::Park { .. } => "do-park",
            Intent::Retrieve => "do-retrieve",
            Intent::Transfer {
                to: Target::User(_),
            } => "do-transfer",
            Intent::Transfer {
                to: Target::Number(_),
            } => "do-transfer-out",
            Intent::TakeBack => "do-take-back",
            Intent::Hangup => "do-hangup",
        },
        ClientMsg::Do(Command {
            order: Order::Dial { .. },
            ..
        }) => "do-dial",
        ClientMsg::Resync => "resync",
        ClientMsg::Page {
            order: PageOrder::Mute { .. },
            ..
        } => "page-mute",
        ClientMsg::Ping { .. } => "ping",
    }
}

fn of_server(msg: &ServerMsg) -> &'static str {
    match msg {
        ServerMsg::Welcome { .. } => "welcome-2",
        ServerMsg::Snapshot(_) => "snapshot-2",
        ServerMsg::Delta(delta) => match delta.change {
            Change::Call(_) => "delta",
            Change::Person(_) => "delta-person",
            Change::PersonGone(_) => "delta-person-gone",
            Change::Slots(_) => "delta-slots",
            Change::Queues(_) => "delta-queues",
            Change::Groups(_) => "delta-groups",
        },
        ServerMsg::Presence { .. } => "presence-2",
        ServerMsg::EmergencyAddress { .. } => "emergency_address",
        ServerMsg::Pages { .. } => "pages-2",
        ServerMsg::Pairing { asks: Some(_) } => "pairing",
        ServerMsg::Pairing { asks: None } => "pairing-over",
        ServerMsg::Pulse { .. } => "pulse",
        ServerMsg::Yes { .. } => "yes",
        ServerMsg::No { code, .. } if code == "no-page" => "no-page",
        ServerMsg::No { .. } => "no",
        ServerMsg::Done { .. } => "done",
        ServerMsg::Failed { .. } => "failed",
        ServerMsg::Unknown { .. } => "unknown",
        ServerMsg::Pong { .. } => "pong",
        ServerMsg::Bye { .. } => "bye",
    }
}

fn of_phone(msg: &PhoneMsg) -> &'static str {
    match msg {
        PhoneMsg::Hello { sid: Some(_), .. } => "hello-again",
        PhoneMsg::Hello { .. } => "hello",
        PhoneMsg::Heartbeat(beat) if beat.trouble.is_some() => "heartbeat-trouble",
        PhoneMsg::Heartbeat(beat) if beat.quality.is_some() => "heartbeat-quality",
        PhoneMsg::Heartbeat(beat) if beat.muted.is_some() => "heartbeat-muted",
        PhoneMsg::Heartbeat(_) => "heartbeat",
        PhoneMsg::Take => "take",
        PhoneMsg::Token => "token",
        PhoneMsg::Hold { .. } => "hold",
        PhoneMsg::Resume { .. } => "resume",
        PhoneMsg::Accept { .. } => "accept",
        PhoneMsg::Decline { .. } => "decline",
        PhoneMsg::Leave { .. } => "leave",
    }
}

const fn of_phone_server(msg: &PhoneServerMsg) -> &'static str {
    match msg {
        PhoneServerMsg::Welcome { pulse_ms: None, .. } => "welcome-2",
        PhoneServerMsg::Welcome { .. } => "welcome-3",
        PhoneServerMsg::State(_) => "state-2",
        PhoneServerMsg::Token { .. } => "token",
        PhoneServerMsg::No { .. } => "no",
        PhoneServerMsg::Mute { .. } => "mute",
        PhoneServerMsg::Emergency { .. } => "emergency",
        PhoneServerMsg::Bye { .. } => "bye",
    }
}

/// As they were sent before a page said what troubles it.
fn earlier_pages(call: CallId) -> ServerMsg {
    let page = |page: SessionId, device: &str, on: Option<CallId>| PageState {
        page,
        device: device.into(),
        here: on.is_some(),
        ready: on.is_some(),
        active: false,
        muted: on.map(|_| true),
        call: on,
        trouble: None,
        quality: None,
    };
    let other = "fedcba9876543210".parse().expect("a sign-in");
    let pages = vec![
        page(page_id(), "Firefox on Linux", Some(call)),
        page(other, "Safari on iPhone", None),
    ];
    ServerMsg::Pages { pages }
}

/// How a call sounds.
const fn quality() -> Quality {
    Quality {
        rtt_ms: 40,
        jitter_ms: 5,
        loss_percent: 3,
        warning: Some(QualityWarning::HighLoss),
    }
}

/// A phone page's sign-in.
fn page_id() -> SessionId {
    "0123456789abcdef".parse().expect("a sign-in")
}

#[test]
fn messages_travel_as_they_did() {
    let call = CallId::from_bits(9);
    let id = || "k1".to_owned();
    let at = || Position {
        epoch: "e1".to_owned(),
        rev: 8,
    };

    let order = |order| {
        ClientMsg::Do(Command {
            id: id(),
            order,
            seen: Some(3),
            dry_run: false,
        })
    };
    let intents = [
        Intent::Answer,
        Intent::Decline { busy: true },
        Intent::Hold,
        Intent::Resume,
        Intent::Park {
            slot: Some(slot(2)),
            note: Some("wants the bill".into()),
        },
        Intent::Retrieve,
        send(GRACE),
        send_out(),
        Intent::TakeBack,
        Intent::Hangup,
    ];
    let mut client: Vec<ClientMsg> = intents
        .into_iter()
        .map(|intent| order(Order::Call { call, intent }))
        .collect();
    client.extend([
        ClientMsg::Hello {
            version: 1,
            since: Some(at()),
        },
        order(Order::Dial { to: "102".into() }),
        ClientMsg::Resync,
        ClientMsg::Page {
            page: page_id(),
            order: PageOrder::Mute { on: true },
        },
        ClientMsg::Ping { n: 5 },
    ]);
    for msg in &client {
        golden(&format!("wire/client/{}", of_client(msg)), msg);
    }

    let delta = |change| {
        ServerMsg::Delta(Box::new(Delta {
            at: at(),
            change,
            cause: Cause {
                kind: "command".into(),
                id: Some("k1".into()),
            },
        }))
    };
    let welcome = |version, rights| ServerMsg::Welcome {
        version,
        me: Me {
            id: ADA,
            name: "Ada Lovelace".into(),
            role: Role::Operator,
            rights,
        },
        now: NOW,
    };
    let presence = |online, status| ServerMsg::Presence {
        people: vec![PersonPresence {
            id: ADA,
            phone: PhonePage::Unreachable,
            online,
            status,
        }],
    };
    let dnd = Status {
        presence: Presence::Dnd,
        ..Status::default()
    };
    let server = [
        welcome(2, Role::Operator.rights()),
        ServerMsg::Snapshot(Box::new(snapshot())),
        delta(Change::Call(Box::new(Card::of(talking().now())))),
        delta(Change::Person(Box::new(person()))),
        delta(Change::PersonGone(GRACE)),
        delta(Change::Slots(snapshot().slots)),
        delta(Change::Queues(snapshot().queues)),
        delta(Change::Groups(snapshot().groups)),
        presence(Online::Offline, person().status),
        ServerMsg::Pages {
            pages: vec![
                PageState {
                    page: page_id(),
                    device: "Firefox on Linux".into(),
                    here: true,
                    ready: true,
                    active: true,
                    muted: Some(true),
                    call: Some(call),
                    trouble: None,
                    quality: Some(quality()),
                },
                PageState {
                    page: "fedcba9876543210".parse().expect("a sign-in"),
                    device: "Safari on iPhone".into(),
                    here: false,
                    ready: false,
                    active: false,
                    muted: None,
                    call: None,
                    trouble: Some(PageTrouble::Asleep),
                    quality: None,
                },
            ],
        },
        ServerMsg::Pairing {
            asks: Some(PairingAsk {
                pairing: "00112233445566ff".parse().expect("a pairing"),
                device: "Firefox on Linux".into(),
                address: "192.0.2.7".into(),
                check: "42".into(),
                until: NOW,
            }),
        },
        ServerMsg::Pairing { asks: None },
        ServerMsg::EmergencyAddress {
            state: EmergencyAddress::Missing,
        },
        ServerMsg::Pulse {
            at: at(),
            digest: "00000000000000ff".to_owned(),
            now: NOW,
        },
        ServerMsg::Yes {
            id: id(),
            call,
            rev: 4,
        },
        ServerMsg::No {
            id: id(),
            code: "moved".to_owned(),
            why: "Grace has just taken Caller 1.".to_owned(),
        },
        ServerMsg::No {
            id: id(),
            code: RefusalCode::NoPage.word().to_owned(),
            why: "Your phone page is not connected.".to_owned(),
        },
        ServerMsg::Done { id: id(), call },
        ServerMsg::Failed {
            id: id(),
            call,
            why: "Nobody answered.".to_owned(),
        },
        ServerMsg::Unknown { id: id(), call },
        ServerMsg::Pong { n: 5 },
        ServerMsg::Bye {
            why: "The server restarts.".to_owned(),
            again: true,
        },
    ];
    for msg in &server {
        golden(&format!("wire/server/{}", of_server(msg)), msg);
    }
    for (name, msg) in [
        ("welcome", welcome(1, Rights::NONE)),
        (
            "snapshot",
            ServerMsg::Snapshot(Box::new(earlier(snapshot()))),
        ),
        ("presence", presence(Online::Unknown, dnd)),
        ("pages", earlier_pages(call)),
    ] {
        still_read(&format!("wire/server/{name}"), &msg);
    }

    let phone_page = [
        PhoneMsg::Hello {
            version: 1,
            sid: None,
        },
        PhoneMsg::Hello {
            version: 2,
            sid: Some(sid(1).to_string()),
        },
        PhoneMsg::Heartbeat(PageBeat {
            ready: true,
            sid: Some(sid(1).to_string()),
            ..PageBeat::default()
        }),
        PhoneMsg::Heartbeat(PageBeat {
            ready: true,
            muted: Some(false),
            ..PageBeat::default()
        }),
        PhoneMsg::Heartbeat(PageBeat {
            trouble: Some(PageTrouble::MicrophoneDenied),
            ..PageBeat::default()
        }),
        PhoneMsg::Heartbeat(PageBeat {
            ready: true,
            sid: Some(sid(1).to_string()),
            muted: Some(false),
            quality: Some(quality()),
            ..PageBeat::default()
        }),
        PhoneMsg::Take,
        PhoneMsg::Token,
        PhoneMsg::Accept { call },
        PhoneMsg::Decline { call, busy: true },
        PhoneMsg::Hold { call },
        PhoneMsg::Resume { call },
        PhoneMsg::Leave { call },
    ];
    for msg in &phone_page {
        golden(&format!("wire/phone/{}", of_phone(msg)), msg);
    }

    let offer = PhoneOffer {
        call,
        name: Some("Caller 1".into()),
        number: Some(phone(1)),
        why: "new".to_owned(),
        since: NOW,
    };
    let seat = PhoneSeat {
        call,
        leg: call.leg(2).to_string(),
        ticket: "t".into(),
        joined: false,
        at: "connecting".to_owned(),
        name: Some("Caller 1".into()),
        number: Some(phone(1)),
        since: NOW,
    };
    let held = PhoneHeld {
        call: CallId::from_bits(10),
        name: None,
        number: Some(phone(2)),
        since: NOW,
    };
    let earlier_welcome = PhoneServerMsg::Welcome {
        version: 1,
        identity: "u1".to_owned(),
        name: "".into(),
        token: "eyJ".into(),
        expires: NOW,
        now: Timestamp::default(),
        signalling: None,
        pulse_ms: None,
    };
    still_read("wire/phone-server/welcome", &earlier_welcome);
    let earlier_state = PhoneServerMsg::State(PhoneState {
        active: true,
        other: None,
        offers: vec![PhoneOffer {
            since: Timestamp::default(),
            ..offer.clone()
        }],
        seat: Some(PhoneSeat {
            at: String::new(),
            name: None,
            number: None,
            since: Timestamp::default(),
            ..seat.clone()
        }),
        held: Vec::new(),
    });
    still_read("wire/phone-server/state", &earlier_state);
    let to_phone = [
        PhoneServerMsg::Welcome {
            version: 1,
            identity: "u1".to_owned(),
            name: "Ada Lovelace".into(),
            token: "eyJ".into(),
            expires: NOW,
            now: NOW,
            signalling: Some("127.0.0.1:4010".to_owned()),
            pulse_ms: None,
        },
        PhoneServerMsg::Welcome {
            version: 2,
            identity: "u1".to_owned(),
            name: "Ada Lovelace".into(),
            token: "eyJ".into(),
            expires: NOW,
            now: NOW,
            signalling: None,
            pulse_ms: Some(5_000),
        },
        PhoneServerMsg::State(PhoneState {
            active: true,
            other: None,
            offers: vec![offer],
            seat: Some(seat),
            held: vec![held],
        }),
        PhoneServerMsg::Token {
            token: "eyJ".into(),
            expires: NOW,
        },
        PhoneServerMsg::No {
            call,
            why: "Grace has just taken Caller 1.".to_owned(),
        },
        PhoneServerMsg::Mute { on: true },
        PhoneServerMsg::Emergency {
            to: "112".to_owned(),
        },
        PhoneServerMsg::Bye {
            why: "Your account is used elsewhere.".to_owned(),
        },
    ];
    for msg in &to_phone {
        golden(&format!("wire/phone-server/{}", of_phone_server(msg)), msg);
    }
}

/// What is left out is as if it were said, and what is not known is passed over.
#[test]
fn short_forms_and_later_fields_are_read() {
    let short: ClientMsg = serde_json::from_str(
        r#"{"t":"do","id":"k1","do":"call","call":"c_00000000000000000000000009","intent":"park"}"#,
    )
    .unwrap();
    let ClientMsg::Do(command) = short else {
        panic!("{short:?}")
    };
    let call = CallId::from_bits(9);
    assert_eq!(
        command.order,
        Order::Call {
            call,
            intent: Intent::Park {
                slot: None,
                note: None
            }
        }
    );
    assert_eq!((command.seen, command.dry_run), (None, false));
    let later: ServerMsg = serde_json::from_str(r#"{"t":"pong","n":5,"mood":"good"}"#).unwrap();
    assert_eq!(later, ServerMsg::Pong { n: 5 });
    for bad in [
        r#"{"t":"sing"}"#,
        r#"{"t":"do","id":"k1","do":"call","call":"c_9","intent":"answer"}"#,
        r#"{"t":"ping"}"#,
    ] {
        assert!(serde_json::from_str::<ClientMsg>(bad).is_err(), "{bad}");
    }
}
