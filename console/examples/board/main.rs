//! The board with made-up data: no server, no carrier, everything can be tried.
//!
//! `cargo run -p cordboard --example board` shows a busy morning; `quiet` an empty one; `people=5000` a large
//! house; `down` a board that loses its link after two seconds. `theme=light` (or `dark`, `16`, `mono`)
//! chooses the colours; `role=admin` (or `supervisor`, `operator`, `agent`, `read-only`) who sits there, `staff=500`
//! how many more people the settings know. `pairing` has a phone page ask to be let in after two seconds; `pages` has
//! three of them, the first of which sounds badly; `asleep` has one that cannot talk; `link=http://desk.lan:8080/phone`
//! is where a code leads.

mod office;
mod scene;

use std::time::Duration;

use cordboard::{
    app::{LinkNews, Model, Msg},
    ask::{Ask, http::Line},
    clock::Clock,
    net::Wire,
    run::{ConsoleError, ExitReason, Settings, on_terminal},
    theme::Theme,
};
use cordboard_core::{
    ids::{CallId, SafeText, Timestamp},
    policy::Role,
    wire::{PageState, PageTrouble, PairingAsk, Quality, QualityWarning, ServerMsg},
};
use office::Office;
use scene::{House, ME};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ConsoleError> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let given = |word: &str| words.iter().any(|w| w == word);
    let value = |key: &str| {
        words
            .iter()
            .find_map(|w| w.strip_prefix(key).map(str::to_owned))
    };
    let var = |name: &str| std::env::var(name).ok();
    let theme = match value("theme=").as_deref() {
        Some("light") => Theme::Light,
        Some("dark") => Theme::Dark,
        Some("16") => Theme::Sixteen,
        Some("mono") => Theme::Mono,
        _ => Theme::suited(
            var("NO_COLOR").as_deref(),
            var("COLORTERM").as_deref(),
            var("TERM").as_deref(),
        ),
    };
    let clock = Clock::system();
    let count = value("people=").and_then(|n| n.parse().ok());
    let mut house = count.map_or_else(
        || House::quiet(clock.now()),
        |n| House::with_people(clock.now(), n),
    );
    house = house.with_groups();
    if let Some(role) = value("role=") {
        let role = Role::ALL.into_iter().find(|r| r.word() == role);
        house = house.in_role(role.unwrap_or(Role::Operator));
    }
    if !given("quiet") {
        house.fill();
    }

    let staff = value("staff=").and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut office = Office::of(&house.board, ME, clock.now(), staff);
    if let Some(link) = value("link=") {
        office.link = link;
    }
    let pages = if given("pages") {
        several_pages(house.board.calls_of(ME).next().map(|card| card.id))
    } else if given("asleep") {
        vec![PageState {
            ready: false,
            trouble: Some(PageTrouble::Asleep),
            ..page("Firefox on Linux", 1)
        }]
    } else {
        Vec::new()
    };
    let line = at_the_office(office);
    let (to_loop, incoming) = mpsc::channel(256);
    let (outgoing, from_loop) = mpsc::channel(64);
    tokio::spawn(serve(
        house,
        clock.clone(),
        to_loop,
        from_loop,
        given("down"),
        given("pairing"),
        pages,
    ));
    let model = Model::new(clock.now(), 7, theme);
    let wire = Wire { incoming, outgoing };
    let ended = on_terminal(
        model,
        wire,
        Some(line),
        clock,
        Settings::default(),
        "board.log".into(),
    );
    match ended.await? {
        ExitReason::Quit | ExitReason::SignedOut | ExitReason::Signal(_) | ExitReason::HungUp => {
            Ok(())
        }
    }
}

/// Answers what is asked over HTTP, after a moment.
fn at_the_office(mut office: Office) -> Line {
    let (asks, mut asked) = mpsc::channel::<(u64, Ask)>(32);
    let (to_loop, answers) = mpsc::channel(32);
    tokio::spawn(async move {
        while let Some((number, ask)) = asked.recv().await {
            tokio::time::sleep(Duration::from_millis(40)).await;
            let answer = office.answer(ask);
            if to_loop.send(Msg::Answer(number, answer)).await.is_err() {
                return;
            }
        }
    });
    Line { asks, answers }
}

/// A page that is its person's phone, and well.
fn page(device: &str, n: u8) -> PageState {
    PageState {
        page: format!("{n:016x}").parse().expect("an id"),
        device: SafeText::from(device),
        here: true,
        ready: true,
        active: n == 1,
        muted: Some(false),
        call: None,
        trouble: None,
        quality: None,
    }
}

fn several_pages(call: Option<CallId>) -> Vec<PageState> {
    vec![
        PageState {
            call,
            quality: Some(Quality {
                rtt_ms: 40,
                jitter_ms: 5,
                loss_percent: 3,
                warning: Some(QualityWarning::HighLoss),
            }),
            ..page("Firefox on Linux", 1)
        },
        PageState {
            ready: false,
            trouble: Some(PageTrouble::NoMicrophone),
            muted: None,
            ..page("Chrome on Android", 2)
        },
        PageState {
            here: false,
            ..page("Safari on iPad", 3)
        },
    ]
}

fn somebody_asks(now: Timestamp) -> ServerMsg {
    ServerMsg::Pairing {
        asks: Some(PairingAsk {
            pairing: "000000000000005b".parse().expect("an id"),
            device: SafeText::from("Firefox on Linux"),
            address: SafeText::from("192.0.2.7"),
            check: SafeText::from("42"),
            until: now.plus(300_000),
        }),
    }
}

async fn serve(
    mut house: House,
    clock: Clock,
    to_loop: mpsc::Sender<Msg>,
    mut from_loop: mpsc::Receiver<cordboard_core::wire::ClientMsg>,
    goes_down: bool,
    pairs: bool,
    pages: Vec<PageState>,
) {
    for news in [LinkNews::Connecting, LinkNews::Open] {
        if to_loop.send(Msg::Link(news)).await.is_err() {
            return;
        }
    }
    let began = clock.now();
    let mut beat = interval(Duration::from_millis(100));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut measured, mut asked) = (false, false);
    loop {
        if pairs && !asked && clock.now().since(began) > 2_000 {
            asked = true;
            let asks = somebody_asks(clock.now());
            let _ = to_loop.send(Msg::Server(Box::new(asks))).await;
        }
        let out = tokio::select! {
            msg = from_loop.recv() => match msg {
                Some(msg) => house.hear(msg),
                None => return,
            },
            _ = beat.tick() => house.tick(clock.now()),
        };
        let said = !out.is_empty();
        for msg in out {
            if to_loop.send(Msg::Server(Box::new(msg))).await.is_err() {
                return;
            }
        }
        if said && !measured {
            measured = true;
            let pages = pages.clone();
            let _ = to_loop
                .send(Msg::Server(Box::new(ServerMsg::Pages { pages })))
                .await;
            let _ = to_loop.send(Msg::Link(LinkNews::Rtt(9))).await;
        }
        if goes_down && clock.now().since(began) > 2_000 {
            let why = "The server at http://127.0.0.1:8080 cannot be reached: connection refused."
                .to_owned();
            let next = Some(clock.now().plus(12_000));
            let _ = to_loop
                .send(Msg::Link(LinkNews::Closed { why, next }))
                .await;
            to_loop.closed().await;
            return;
        }
    }
}
