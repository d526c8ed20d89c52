//! What one frame costs: `target/release/examples/frame`, after
//! `cargo build --release --workspace --bins --examples`.
//!
//! The real model, the real views and the real encoder, on a screen of 200 × 60 in memory; the made-up house of
//! the `board` example at the other end. A row of the table is a house of that many people and one kind of
//! reason to draw: a second that passed, a card that changed, or a screen that was lost and is written whole.
//! `take` is the model's part, `draw` is the view with the comparison and the encoding, both by the wall's
//! clock; `CPU` is what the kernel charged this thread for both, as a mean. On a machine that is shared,
//! believe the CPU.
//!
//! It asserts nothing. Read next: `docs/performance.md`.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::{
    cell::Cell,
    io::{self, Write},
    rc::Rc,
    time::{Duration, Instant},
};

use cordboard::{
    app::{Cmd, LinkNews, Model, Msg, update},
    theme::Theme,
    view,
};
use cordboard_core::{
    board::{At, Online, Status},
    ids::{CallId, Timestamp, UserId},
    machine::PhonePage,
    wire::{PersonPresence, ServerMsg},
};
use ratatui::{Terminal, TerminalOptions, Viewport, backend::CrosstermBackend, layout::Rect};
use scene::House;

#[expect(
    dead_code,
    reason = "the house can do more than is needed for measuring"
)]
#[path = "board/scene.rs"]
mod scene;

const WIDTH: u16 = 200;
const HEIGHT: u16 = 60;
/// How many frames a row of the table is made from.
const FRAMES: u32 = 2_000;
/// A Sunday morning.
const MORNING: Timestamp = Timestamp::from_millis(1_795_340_467_000);

/// Why a frame is drawn.
#[derive(Clone, Copy, Debug)]
enum Why {
    /// Numbers that count seconds have changed.
    Second,
    /// A call has gone from the desk to a colleague, or back.
    Card,
    /// A colleague's phone page has come or gone.
    Presence,
    /// What is on the screen is not known: everything is written.
    Whole,
}

fn main() -> io::Result<()> {
    println!("{WIDTH} × {HEIGHT}, {FRAMES} frames a row; times in µs");
    println!("people  because of    take p50    p99   draw p50    p99   CPU mean   bytes mean");
    for people in [12, 64, 1_000, 5_000] {
        for why in [Why::Second, Why::Card, Why::Presence, Why::Whole] {
            measure(people, why)?;
        }
    }
    Ok(())
}

fn measure(people: usize, why: Why) -> io::Result<()> {
    let mut house = House::with_people(MORNING, people);
    house.fill();
    let waiting = *house
        .board
        .calls
        .iter()
        .find(|(_, card)| matches!(card.place.at, At::Queued { .. }))
        .expect("somebody waits in the made-up house")
        .0;
    let mut model = Model::new(MORNING, 7, Theme::Dark);
    tell(&mut model, &mut house, Msg::Size(WIDTH, HEIGHT));
    tell(&mut model, &mut house, Msg::Link(LinkNews::Connecting));
    tell(&mut model, &mut house, Msg::Link(LinkNews::Open));
    tell(&mut model, &mut house, Msg::Link(LinkNews::Rtt(9)));

    let area = Rect::new(0, 0, WIDTH, HEIGHT);
    let viewport = Viewport::Fixed(area);
    let written = Count::default();
    let out = CrosstermBackend::new(written.clone());
    let mut terminal = Terminal::with_options(out, TerminalOptions { viewport })?;
    let (mut takes, mut draws) = (Vec::new(), Vec::new());
    let (mut from, mut bytes) = (None, 0);
    // The first frames fill caches; they are drawn and not counted.
    let warm = FRAMES / 10;
    for n in 0..warm + FRAMES {
        if n == warm {
            (takes, draws) = (Vec::new(), Vec::new());
            (from, bytes) = (Some(cpu()), written.0.get());
        }
        let msg = next(&mut house, &model, waiting, why, n);
        if matches!(why, Why::Whole) {
            terminal.resize(area)?;
        }
        let began = now();
        tell(&mut model, &mut house, msg);
        let taken = now();
        terminal.draw(|frame| {
            view::draw(&model, frame.buffer_mut());
        })?;
        takes.push(taken - began);
        draws.push(taken.elapsed());
    }
    let spent = from.map_or(Duration::ZERO, |from| cpu().saturating_sub(from));
    let bytes = written.0.get() - bytes;
    println!(
        "{people:6}  {:<11} {:9} {:6}  {:9} {:6}  {:9}  {:11}",
        format!("{why:?}").to_lowercase(),
        percentile(&mut takes, 50),
        percentile(&mut takes, 99),
        percentile(&mut draws, 50),
        percentile(&mut draws, 99),
        (spent / FRAMES).as_micros(),
        bytes / u64::from(FRAMES),
    );
    Ok(())
}

/// What the model is told before frame `n`.
fn next(house: &mut House, model: &Model, waiting: CallId, why: Why, n: u32) -> Msg {
    let msg = match why {
        Why::Second | Why::Whole => return Msg::Time(model.now.plus(1_000)),
        Why::Card => house
            .change(waiting, |card| {
                card.place.at = if n.is_multiple_of(2) {
                    At::Talking {
                        users: vec![UserId(9)],
                    }
                } else {
                    At::Queued {
                        queue: "desk".parse().expect("a queue name"),
                        alert: None,
                    }
                };
            })
            .expect("the call is there"),
        Why::Presence => ServerMsg::Presence {
            people: vec![PersonPresence {
                id: UserId(9),
                phone: if n.is_multiple_of(2) {
                    PhonePage::Ready
                } else {
                    PhonePage::Unreachable
                },
                online: Online::Online,
                status: Status::default(),
            }],
        },
    };
    Msg::Server(Box::new(msg))
}

/// Tells the model something, and the model what the house answers.
fn tell(model: &mut Model, house: &mut House, msg: Msg) {
    let mut todo = vec![msg];
    while let Some(msg) = todo.pop() {
        for cmd in update(model, msg) {
            if let Cmd::Send(msg) = cmd {
                let answers = house.hear(msg);
                todo.extend(answers.into_iter().rev().map(|m| Msg::Server(Box::new(m))));
            }
        }
    }
}

/// Where the bytes of a terminal go.
#[derive(Clone, Default)]
struct Count(Rc<Cell<u64>>);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.set(self.0.get() + bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// In microseconds.
fn percentile(all: &mut [Duration], percent: usize) -> u128 {
    all.sort_unstable();
    let at = (all.len() * percent).div_ceil(100).max(1) - 1;
    all.get(at).map_or(0, Duration::as_micros)
}

#[expect(clippy::disallowed_methods, reason = "it measures real time")]
fn now() -> Instant {
    Instant::now()
}

/// What the kernel has charged this thread for. Counted in ticks of a few milliseconds, so only sums over many
/// frames say something.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}
