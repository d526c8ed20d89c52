//! The figures of `docs/performance.md`: `target/release/examples/figures WHAT`, after
//! `cargo build --release --workspace --bins --examples`.
//!
//! | WHAT | what is measured |
//! | --- | --- |
//! | `tile` | from a signed webhook until the caller's name is on the screen of a real console |
//! | `idle` | frames that a console draws while nothing happens, and while one caller waits |
//! | `card` | the bytes of every change of a whole story, as they are sent to consoles (`--whole`: and what they say) |
//! | `ack` | from sending a command until its answer: it is committed then |
//! | `memory` | what the server holds: idle, with consoles, after a burst |
//! | `answer` | from Enter in a console until the caller hears the operator, through a real browser |
//! | `voices` | the processor of the twin with twenty calls and four browsers |
//! | `fanout` | from a webhook until its change is at every console, and what that costs the server |
//!
//! Everything runs as processes of their own, as in the stories: the server, the twin, the cast, and the
//! console in a PTY. SQLite always; PostgreSQL too where `TEST_DATABASE_URL` is set (`cargo xtask with-db` sets
//! it). It asserts nothing about the figures: a slow machine is no failure. Read next: `kit.rs`.

mod kit;
mod phone;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    time::Duration,
};

use cordboard::client::{Client, Credentials};
use cordboard_core::{
    machine::Intent,
    wire::{Command, Order},
};
use cordboard_tests::{
    backends::{every_database, sqlite_file},
    house::House,
    terminal::{Size, Terminal},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;
use tokio::{
    runtime::Runtime,
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, sleep},
};

use kit::{Carrier, Line, Sample, charged, name, named, now, operator, resident, say, server, sid};

/// How many webhooks are painted, and how many go before them uncounted.
const TILES: (u32, u32) = (400, 20);
/// How many rounds of four commands are acknowledged, and how many go before them uncounted.
const ROUNDS: (u32, u32) = (150, 5);
/// A switchboard's usual terminal.
const DESK: Size = Size::new(120, 34);
/// Pauses between samples are drawn from this.
const SEED: u64 = 20_261_122;

fn main() -> ExitCode {
    let runtime = Runtime::new().expect("a runtime can be built");
    let what = std::env::args().nth(1).unwrap_or_default();
    match what.as_str() {
        "tile" => every(&runtime, tile),
        "idle" => idle(&runtime),
        "card" => card(&runtime),
        "ack" => every(&runtime, ack),
        "memory" => memory(&runtime),
        "fanout" => fanout(&runtime),
        "answer" => phone::answer(&runtime, console),
        "voices" => phone::voices(&runtime),
        _ => {
            say("figures tile | idle | card | ack | memory | fanout | answer | voices");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Measures on every database there is.
fn every(runtime: &Runtime, measure: fn(&Runtime, &House, &str)) {
    for database in runtime.block_on(every_database()) {
        let kind = format!("{:?}", database.kind()).to_lowercase();
        measure(runtime, &House::open(database), &kind);
    }
}

/// Does nothing for a while, so that what came before is over.
fn rest(runtime: &Runtime, long: Duration) {
    runtime.block_on(async { sleep(long).await });
}

/// A console of a house, live, in a terminal.
fn console(house: &House) -> Terminal {
    let state = house.folder.path().display().to_string();
    let desk = Terminal::start(&["console"], &[("XDG_STATE_HOME", state)], DESK);
    desk.wait_for("● live");
    desk
}

fn tile(runtime: &Runtime, house: &House, kind: &str) {
    let desk = console(house);
    let carrier = Carrier::of(house);
    // A second console only listens: it parts the way of a webhook in two.
    let (heard, mut hears) = mpsc::channel(64);
    runtime.block_on(async {
        let mut line = Line::open(&house.url(), &operator(house).await).await;
        line.until("snapshot").await;
        tokio::spawn(async move {
            while let Some(frame) = line.next().await {
                let at = now();
                if let Some((n, false)) = named(&frame)
                    && heard.send((n, at)).await.is_err()
                {
                    return;
                }
            }
        });
    });
    // A telephone does not ring in step with the screen: the pauses are drawn by lot.
    let mut dice = StdRng::seed_from_u64(SEED);
    let [mut answered, mut sent, mut painted] = [(); 3].map(|()| Sample::default());
    let (counted, warm): (u32, u32) = TILES;
    for n in 0..warm + counted {
        rest(runtime, Duration::from_millis(dice.random_range(30..150)));
        let (sid, name) = (sid(1, n), name(n));
        let begun = now();
        let post = runtime.spawn({
            let (carrier, sid, name) = (carrier.clone(), sid.clone(), name.clone());
            async move {
                carrier.rings(&sid, &name).await;
                begun.elapsed()
            }
        });
        desk.wait_for(&name);
        let on_screen = begun.elapsed();
        let answer = runtime.block_on(post).expect("the webhook is answered");
        let at = runtime.block_on(async {
            while let Some((heard, at)) = hears.recv().await {
                if heard == n {
                    return at;
                }
            }
            panic!("the listening console was cut off");
        });
        if n >= warm {
            answered.push(answer);
            sent.push(at.saturating_duration_since(begun));
            painted.push(on_screen);
        }
        runtime.block_on(carrier.over(&sid));
        desk.wait_gone(&name);
    }
    answered.print(format_args!("{kind}: webhook → its answer"));
    sent.print(format_args!("{kind}: webhook → change at a console"));
    painted.print(format_args!("{kind}: webhook → tile painted"));
}

/// What a frame writes, without where and how.
fn words(frame: &str) -> String {
    let mut words = String::new();
    for piece in frame.split('\x1b') {
        // Every sequence of a frame begins with a bracket and ends with a letter.
        let text = match piece.strip_prefix('[') {
            Some(sequence) => sequence
                .split_once(|c: char| c.is_ascii_alphabetic())
                .map_or("", |(_, text)| text),
            None => piece,
        };
        if !text.is_empty() {
            words.push_str(text);
            words.push(' ');
        }
    }
    words
}

fn idle(runtime: &Runtime) {
    let house = House::open(sqlite_file());
    let desk = console(&house);
    // Phone pages that have not been heard of are given up after six seconds, and the way there and back is
    // measured after five.
    rest(runtime, Duration::from_secs(10));
    let watched = |what: &str| {
        // What came before is painted first.
        rest(runtime, Duration::from_secs(2));
        let from = desk.written();
        rest(runtime, Duration::from_secs(10));
        let bytes = desk.bytes(from);
        let bytes = String::from_utf8_lossy(&bytes);
        // What comes before the first mark is the end of a frame that began earlier.
        let frames: Vec<&str> = bytes.split("\x1b[?2026h").skip(1).collect();
        say(format_args!(
            "{what:<40} {:3} frames, {:6} bytes in 10 s",
            frames.len(),
            bytes.len()
        ));
        for frame in frames {
            say(format_args!("      {}", words(frame)));
        }
    };
    watched("nobody rings, nobody talks");
    let _rosa = house.ring("+14155550132", "Rosa Diaz");
    watched("one caller waits");
}

/// A story in which everything is done that is done all day. The sizes are those of the text; a frame's head is
/// 4 bytes more.
fn card(runtime: &Runtime) {
    let whole = std::env::args().any(|a| a == "--whole");
    let house = House::open(sqlite_file());
    let mut line = runtime.block_on(async {
        let mut line = Line::open(&house.url(), &operator(&house).await).await;
        line.until("snapshot").await;
        line
    });
    let rosa = house.ring("+14155550132", "Rosa Diaz");
    for verb in [
        &["call", "answer", &rosa][..],
        &["call", "hold", &rosa],
        &["call", "resume", &rosa],
        &[
            "call",
            "park",
            &rosa,
            "--slot",
            "P2",
            "--note",
            "wants the bill",
        ],
        &["slot", "retrieve", "P2"],
        &["call", "transfer", &rosa, "102", "--until", "answered"],
        &["call", "hangup", &rosa],
    ] {
        let _done = house.done(verb);
    }
    let mut sizes = Vec::new();
    runtime.block_on(async {
        while let Some(frame) = line.next().await {
            let said: Value = serde_json::from_str(&frame).unwrap_or_default();
            if said["t"] != "delta" {
                continue;
            }
            let kind = said["call"]["place"]["kind"].as_str().unwrap_or_default();
            say(format_args!("{:6} bytes   {kind}", frame.len()));
            if whole {
                say(&frame);
            }
            sizes.push(frame.len());
            if kind == "ended" {
                break;
            }
        }
    });
    sizes.sort_unstable();
    say(format_args!(
        "{} changes: min {}, median {}, max {} bytes",
        sizes.len(),
        sizes.first().unwrap_or(&0),
        sizes.get(sizes.len() / 2).unwrap_or(&0),
        sizes.last().unwrap_or(&0),
    ));
}

fn ack(runtime: &Runtime, house: &House, kind: &str) {
    let rosa = house.ring("+14155550132", "Rosa Diaz");
    let _answered = house.done(&["call", "answer", &rosa]);
    let base = house.url().parse().expect("the server's own address");
    runtime.block_on(async {
        let token = operator(house).await;
        let client = Client::signed_in(
            Credentials::bearer(base, token.into()).expect("a client of a local server"),
        );
        let (card, _) = client.call(&rosa).await.expect("the call is known");
        let slot = "P3".parse().expect("a slot name");
        let cycle = [
            (Intent::Hold, "held"),
            (Intent::Resume, "talking"),
            (
                Intent::Park {
                    slot: Some(slot),
                    note: None,
                },
                "parked",
            ),
            (Intent::Retrieve, "talking"),
        ];
        let mut all = Sample::default();
        let mut each: Vec<Sample> = cycle.iter().map(|_| Sample::default()).collect();
        let (counted, warm): (u32, u32) = ROUNDS;
        for round in 0..warm + counted {
            for (step, ((intent, settled), sample)) in cycle.iter().zip(&mut each).enumerate() {
                let command = Command {
                    id: format!("figure-{round}-{step}"),
                    order: Order::Call {
                        call: card.id,
                        intent: intent.clone(),
                    },
                    seen: None,
                    dry_run: false,
                };
                let begun = now();
                let answer = client.command(&command, Duration::ZERO).await;
                let took = begun.elapsed();
                if let Err(why) = answer {
                    panic!("{intent:?} is refused: {why}");
                }
                if round >= warm {
                    sample.push(took);
                    all.push(took);
                }
                // The next command finds a call that has come to rest, as a person's would.
                wait_place(&client, &rosa, settled).await;
            }
        }
        for ((intent, _), sample) in cycle.iter().zip(&mut each) {
            let word = format!("{intent:?}").to_lowercase();
            let word = word.split([' ', '{']).next().unwrap_or_default().to_owned();
            sample.print(format_args!("{kind}: {word} acknowledged"));
        }
        all.print(format_args!("{kind}: all commands acknowledged"));
    });
}

/// Waits until a call is in a place of that kind, and the carrier has had time to say all it had to say about
/// it.
async fn wait_place(client: &Client, call: &str, kind: &str) {
    let begun = now();
    loop {
        sleep(Duration::from_millis(20)).await;
        let (card, _) = client.call(call).await.expect("the call is known");
        if card.place.at.kind() == kind {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "never {kind}: {card:?}"
        );
    }
}

fn memory(runtime: &Runtime) {
    let house = House::open(sqlite_file());
    let carrier = Carrier::of(&house);
    let process = server(&house).id();
    let held = |what: &str| {
        // Whatever is still being done about what came before.
        rest(runtime, Duration::from_secs(2));
        let (all, own) = resident(process);
        let mb = |bytes: u64| f64::from(u32::try_from(bytes / 1_000).unwrap_or(u32::MAX)) / 1_000.0;
        say(format_args!(
            "{what:<40} {:6.1} MB resident, {:6.1} MB of it its own",
            mb(all),
            mb(own)
        ));
        own
    };
    let token = runtime.block_on(operator(&house));
    let listening = |count: u32| {
        runtime.block_on(async {
            for _ in 0..count {
                let mut line = Line::open(&house.url(), &token).await;
                line.until("snapshot").await;
                tokio::spawn(async move { while line.next().await.is_some() {} });
            }
        });
    };
    held("idle, six phone pages");
    listening(100);
    held("100 consoles");
    burst(runtime, &carrier, 2, 1_000);
    held("100 consoles, after 2,000 changes");
    burst(runtime, &carrier, 3, 1_000);
    let before = held("100 consoles, after 4,000 changes");
    listening(900);
    let after = held("1,000 consoles");
    burst(runtime, &carrier, 4, 1_000);
    let busy = held("1,000 consoles, after 2,000 more");
    say(format_args!(
        "a connection: {} bytes idle, {} bytes after a burst",
        after.saturating_sub(before) / 900,
        busy.saturating_sub(before) / 900,
    ));
}

/// So many calls come and go, eight at a time: two changes each.
fn burst(runtime: &Runtime, carrier: &Carrier, series: u32, calls: u32) {
    runtime.block_on(async {
        let tasks: Vec<_> = (0..8)
            .map(|lane| {
                let carrier = carrier.clone();
                tokio::spawn(async move {
                    for n in (lane..calls).step_by(8) {
                        let sid = sid(series, n);
                        carrier.rings(&sid, &name(n)).await;
                        carrier.over(&sid).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("the webhooks are answered");
        }
    });
}

fn fanout(runtime: &Runtime) {
    let house = House::open(sqlite_file());
    let token = runtime.block_on(operator(&house));
    let mut there = 0;
    let (heard, mut hears) = mpsc::channel(64);
    let mut series = 10;
    for consoles in [100, 1_000] {
        runtime.block_on(async {
            let begun = now();
            for _ in there..consoles {
                let mut line = Line::open(&house.url(), &token).await;
                let heard = heard.clone();
                tokio::spawn(async move {
                    line.until("snapshot").await;
                    let mut got = Vec::new();
                    while let Some(frame) = line.next().await {
                        let at = now();
                        let Some((n, over)) = named(&frame) else {
                            continue;
                        };
                        got.push((n, over, at));
                        // The last change of a round hands in what was noted.
                        if (n, over) == (CALLS - 1, true)
                            && heard.send(std::mem::take(&mut got)).await.is_err()
                        {
                            return;
                        }
                    }
                });
            }
            say(format_args!(
                "{} more consoles connected, one after the other, in {:.0} ms",
                consoles - there,
                begun.elapsed().as_secs_f64() * 1_000.0
            ));
            there = consoles;
            paced(&house, &mut hears, consoles, series).await;
            series += 1;
        });
    }
}

/// How many calls come and go in a round: 20 changes a second for fifteen seconds.
const CALLS: u32 = 150;

/// What one console has noted: which call, whether it was its end, and when.
type Noted = Vec<(u32, bool, std::time::Instant)>;

/// Sends a change every 50 ms, whether the last has arrived or not, and measures from when each was due.
async fn paced(house: &House, hears: &mut mpsc::Receiver<Noted>, consoles: u32, series: u32) {
    let carrier = Carrier::of(house);
    let process = server(house).id();
    sleep(Duration::from_secs(2)).await;
    let (cpu, begun) = (charged(process), now());
    let every = Duration::from_millis(50);
    let mut due = BTreeMap::new();
    let mut beat = interval_at(Instant::from_std(begun) + every, every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for n in 0..CALLS {
        for over in [false, true] {
            due.insert((n, over), beat.tick().await.into_std());
            let (carrier, sid) = (carrier.clone(), sid(series, n));
            tokio::spawn(async move {
                if over {
                    carrier.over(&sid).await;
                } else {
                    carrier.rings(&sid, &name(n)).await;
                }
            });
        }
    }
    let mut sample = Sample::default();
    let mut later = 0;
    for _ in 0..consoles {
        let noted = hears.recv().await.expect("the consoles listen");
        let mut first = BTreeSet::new();
        for (n, over, at) in noted {
            // What counts is the first time: a call may change once more after its end was told.
            if first.insert((n, over)) {
                sample.extend(
                    due.get(&(n, over))
                        .map(|due| at.saturating_duration_since(*due)),
                );
            } else {
                later += 1;
            }
        }
    }
    let spent = charged(process).saturating_sub(cpu);
    let each = spent / u32::try_from(sample.len().max(1)).unwrap_or(u32::MAX);
    sample.print(format_args!("{consoles} consoles: webhook → console"));
    say(format_args!(
        "{consoles} consoles: {} deliveries and {later} of later changes in {:.1} s, {:.1} µs of the server's CPU a delivery",
        sample.len(),
        begun.elapsed().as_secs_f64(),
        each.as_secs_f64() * 1e6,
    ));
}
