//! The real loop on a screen in memory: what goes in by the event stream and the wire, what comes out as
//! frames and messages.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use cordboard::{
    app::{LinkNews, Model, Msg},
    clock::Clock,
    net::Wire,
    run::{Ended, ExitReason, Settings, drive},
    terminal::Screen,
    theme::Theme,
};
use cordboard_core::{
    machine::Intent,
    wire::{ClientMsg, Order},
};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseEvent, MouseEventKind};
use ratatui::{Frame, Terminal, backend::TestBackend};
use tokio::sync::mpsc;

use crate::{
    desk::{MORNING, busy, quiet},
    scene::House,
};

struct Paper {
    terminal: Terminal<TestBackend>,
    frames: usize,
    titles: Vec<String>,
    bells: usize,
    shell: bool,
}

impl Paper {
    fn new(width: u16, height: u16) -> Self {
        Self {
            terminal: Terminal::new(TestBackend::new(width, height)).unwrap(),
            frames: 0,
            titles: Vec::new(),
            bells: 0,
            shell: false,
        }
    }
}

impl Screen for Paper {
    fn frame(&mut self, draw: &mut dyn FnMut(&mut Frame<'_>)) -> io::Result<()> {
        self.frames += 1;
        self.terminal
            .draw(|frame| draw(frame))
            .map(|_| ())
            .map_err(|e| match e {})
    }
    fn clear(&mut self) -> io::Result<()> {
        self.terminal.clear().map_err(|e| match e {})
    }
    fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal
            .size()
            .map(|s| (s.width, s.height))
            .map_err(|e| match e {})
    }
    fn bell(&mut self) {
        self.bells += 1;
    }
    fn title(&mut self, text: &str) {
        self.titles.push(text.to_owned());
    }
    fn mouse(&mut self, _on: bool) {}
    fn copy(&mut self, _text: &str) {}
    fn suspend(&mut self) -> io::Result<bool> {
        Ok(self.shell)
    }
}

/// The events one by one, with the loop going round between them.
fn one_by_one(events: Vec<Event>) -> mpsc::Receiver<io::Result<Event>> {
    let (to_loop, input) = mpsc::channel(1);
    tokio::spawn(async move {
        for event in events {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            if to_loop.send(Ok(event)).await.is_err() {
                return;
            }
        }
    });
    input
}

fn press(c: char) -> Event {
    Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE))
}

struct Run {
    ended: Result<ExitReason, Ended>,
    paper: Paper,
    sent: Vec<ClientMsg>,
}

/// Runs the loop over these events, on a board with these messages already on the wire.
fn run(incoming: Vec<Msg>, events: Vec<Event>) -> Run {
    run_on(Paper::new(120, 34), incoming, events)
}

fn run_on(mut paper: Paper, incoming: Vec<Msg>, events: Vec<Event>) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (to_loop, from_net) = mpsc::channel(256);
        let (outgoing, mut to_net) = mpsc::channel(64);
        for msg in incoming {
            to_loop.try_send(msg).unwrap();
        }
        let clock = Clock::ByHand(Arc::new(AtomicI64::new(MORNING.millis())));
        let wire = Wire {
            incoming: from_net,
            outgoing,
        };
        let model = Model::new(clock.now(), 7, Theme::Dark);
        let settings = Settings {
            frame_ms: 0,
            bell: true,
        };
        let ended = drive(
            model,
            &mut paper,
            one_by_one(events),
            wire,
            std::future::pending(),
            &clock,
            settings,
        )
        .await;
        let mut sent = Vec::new();
        while let Ok(msg) = to_net.try_recv() {
            sent.push(msg);
        }
        Run { ended, paper, sent }
    })
}

/// What a server says to a console that has just come.
fn hello(house: &mut House) -> Vec<Msg> {
    let mut msgs = vec![Msg::Link(LinkNews::Connecting), Msg::Link(LinkNews::Open)];
    let said = house.hear(ClientMsg::Hello {
        version: cordboard_core::wire::VERSION,
        since: None,
    });
    msgs.extend(said.into_iter().map(|m| Msg::Server(Box::new(m))));
    msgs
}

#[test]
fn keys_become_commands_and_q_leaves() {
    let mut house = quiet();
    house.arrive(MORNING);
    let run = run(hello(&mut house), vec![press('a'), press('q')]);
    assert_eq!(run.ended.unwrap(), ExitReason::Quit);
    assert!(
        matches!(run.sent[0], ClientMsg::Hello { since: None, .. }),
        "{:?}",
        run.sent
    );
    let orders: Vec<_> = run
        .sent
        .iter()
        .filter_map(|m| {
            if let ClientMsg::Do(c) = m {
                Some(&c.order)
            } else {
                None
            }
        })
        .collect();
    assert!(
        matches!(
            orders[..],
            [Order::Call {
                intent: Intent::Answer,
                ..
            }]
        ),
        "{orders:?}"
    );
    assert!(
        run.paper
            .titles
            .iter()
            .any(|t| t == "(1) waiting · Cordboard"),
        "{:?}",
        run.paper.titles
    );
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("loop_answering_120x34", run.paper.terminal.backend());
    });
}

#[test]
fn ctrl_z_without_a_shell_is_refused_in_words_and_with_one_the_title_is_ours_again() {
    let suspend = || Event::Key(KeyEvent::new(KeyCode::Char('z'), KeyModifiers::CONTROL));
    let alone = run(hello(&mut quiet()), vec![suspend(), press('l'), press('q')]);
    let drawn = alone.paper.terminal.backend().to_string();
    assert!(drawn.contains("There is no shell to leave to"), "{drawn}");
    let titles = |run: &Run| {
        run.paper
            .titles
            .iter()
            .filter(|t| *t == "Cordboard")
            .count()
    };
    assert_eq!(titles(&alone), 1);
    let shell = run_on(
        Paper {
            shell: true,
            ..Paper::new(120, 34)
        },
        hello(&mut quiet()),
        vec![press('l'), suspend(), press('q')],
    );
    assert_eq!(titles(&shell), 2, "{:?}", shell.paper.titles);
}

#[test]
fn events_that_change_nothing_paint_nothing() {
    let after = |n: usize| {
        let moved = MouseEvent {
            kind: MouseEventKind::Moved,
            column: 3,
            row: 3,
            modifiers: KeyModifiers::NONE,
        };
        let mut events: Vec<Event> = std::iter::repeat_n(Event::Mouse(moved), n).collect();
        events.push(press('q'));
        run(hello(&mut quiet()), events).paper.frames
    };
    let (few, many) = (after(1), after(200));
    assert_eq!(few, many, "200 motions of the mouse cost no frame");
}

#[test]
fn a_flood_is_painted_once() {
    let mut house = busy();
    let mut msgs = hello(&mut house);
    let call = *house.board.calls.keys().next().unwrap();
    for _ in 0..100 {
        let delta = house.change(call, |c| c.undo = None).unwrap();
        msgs.push(Msg::Server(Box::new(delta)));
    }
    let run = run(
        msgs,
        vec![
            press('?'),
            Event::Key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE)),
            press('q'),
            press('y'),
        ],
    );
    assert_eq!(run.ended.unwrap(), ExitReason::Quit);
    assert!(
        run.paper.frames <= 8,
        "{} frames for 100 deltas and four keys",
        run.paper.frames
    );
}

#[test]
fn the_end_of_the_terminal_is_the_end_of_the_console() {
    let run = run(hello(&mut quiet()), Vec::new());
    assert_eq!(run.ended.unwrap(), ExitReason::HungUp);
}

#[test]
fn a_server_that_does_not_want_us_is_no_reason_to_go_on() {
    let why = "The server does not accept your sign-in any more. Sign in again: cordboard login."
        .to_owned();
    let msgs = vec![
        Msg::Link(LinkNews::Connecting),
        Msg::Link(LinkNews::SignedOut(why.clone())),
    ];
    match run(msgs, vec![press('h'); 5]).ended {
        Err(Ended::Refused(said)) => assert_eq!(said, why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_clock_by_hand_is_turned_by_hand() {
    let ms = Arc::new(AtomicI64::new(5));
    let clock = Clock::ByHand(ms.clone());
    ms.store(6, Ordering::SeqCst);
    assert_eq!((clock.now().millis(), clock.utc_offset()), (6, 0));
}
