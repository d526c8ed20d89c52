//! What an operator sees and does: the console in a real terminal, over the twin, the server and the cast as
//! processes.
//!
//! The mouse and the keyboard do here what verbs do in `stories.rs`; what is asserted is the screen, and that
//! the call is where the screen says. Read next: `tests/src/terminal.rs`.

use std::{fmt::Write as _, path::Path};

use cordboard_tests::{
    backends::sqlite_file,
    house::{House, binary},
    terminal::{Size, Spot, Terminal, framed, rows, shows, spot, spot_in},
};
use rustix::process::Signal;
use vt100::{MouseProtocolMode, Screen};

use crate::stories::block_on;

const DESK: Size = Size::new(120, 34);
const ROSA: (&str, &str) = ("+14155550132", "Rosa Diaz");
const BOB: (&str, &str) = ("+14155550133", "Bob Stone");

#[test]
fn a_caller_is_carried_by_mouse_into_a_slot_and_from_there_to_a_colleague() {
    let house = House::open(sqlite_file());
    let mut desk = console(&house);
    let rosa = house.ring(ROSA.0, ROSA.1);
    wait_line(&desk, "── Waiting", "Rosa Diaz");
    let bob = house.ring(BOB.0, BOB.1);
    wait_line(&desk, "── Waiting", "Bob Stone");
    desk.wait_for("Waiting 2");

    desk.keys("a");
    wait_line(&desk, "── You", "▶ Rosa Diaz");
    wait_place(&house, &rosa, "talking");
    desk.wait_for("Waiting 1");

    // One key: the first is held, the second is on the line.
    desk.keys("a");
    wait_line(&desk, "── You", "▶ Bob Stone");
    wait_line(&desk, "── You", "‖ Rosa Diaz");
    wait_place(&house, &bob, "talking");
    assert_eq!(house.place(&rosa)["kind"], "held");

    // From one's own line into a slot. Before the drop the screen says what it would do, and nothing has been
    // done.
    let from = wait_line(&desk, "── You", "Rosa Diaz");
    let to = desk.wait_for("P2 free");
    desk.press(from);
    desk.drag(from, to);
    desk.wait_for("drop: park Rosa Diaz in P2");
    assert_eq!(
        house.place(&rosa)["kind"],
        "held",
        "a call that is only carried has not moved"
    );
    desk.release(to);
    let from = desk.wait_for("P2 Rosa Diaz");
    wait_place(&house, &rosa, "parked");
    assert_eq!(house.place(&rosa)["slot"], "P2");

    // Over a colleague who cannot be reached the screen says why, and a drop there moves nothing.
    let from = (from.0 + 3, from.1);
    let never = desk.wait_for("123 Hedy Lamarr");
    desk.press(from);
    desk.drag(from, never);
    desk.wait_for("no: Hedy Lamarr");
    desk.release(never);
    desk.wait_until("nothing is in hand", |s| {
        (!shows(s, "no: Hedy")).then_some(())
    });
    desk.wait_for("P2 Rosa Diaz");
    assert_eq!(house.place(&rosa)["slot"], "P2");
    // To one who can.
    let to = desk.wait_for("102 Grace Hopper");
    desk.press(from);
    desk.drag(from, to);
    desk.wait_for("drop: send Rosa Diaz to Grace Hopper");
    desk.release(to);
    wait_tile(&desk, "102 Grace Hopper", "on a call");
    wait_tile(&desk, "102 Grace Hopper", "Rosa Diaz");
    desk.wait_for("P2 free");
    assert_eq!(house.place(&rosa)["users"][0], "u2");
    assert_eq!(
        house.place(&bob)["kind"],
        "talking",
        "the other call was not touched"
    );
}

#[test]
fn a_transfer_is_taken_back_with_one_key_while_it_rings() {
    let house = House::open(sqlite_file());
    let mut desk = console(&house);
    let rosa = house.ring(ROSA.0, ROSA.1);
    wait_line(&desk, "── Waiting", "Rosa Diaz");
    desk.keys("a");
    wait_line(&desk, "── You", "▶ Rosa Diaz");
    wait_place(&house, &rosa, "talking");

    desk.keys("t");
    desk.keys("103");
    desk.wait_for("Alan Turing");
    desk.keys("\r");
    wait_tile(&desk, "103 Alan Turing", "ringing");
    wait_line(&desk, "── You", "ringing Alan Turing");
    wait_place(&house, &rosa, "transferring");
    desk.keys("u");
    wait_line(&desk, "── You", "▶ Rosa Diaz");
    wait_tile(&desk, "103 Alan Turing", "available");
    wait_place(&house, &rosa, "talking");
}

#[test]
fn a_park_that_nobody_fetches_rings_whoever_parked() {
    let database = sqlite_file();
    block_on(database.set("park_ms", "3000"));
    let house = House::open(database);
    let mut desk = console(&house);
    let rosa = house.ring(ROSA.0, ROSA.1);
    wait_line(&desk, "── Waiting", "Rosa Diaz");
    desk.keys("a");
    wait_line(&desk, "── You", "▶ Rosa Diaz");
    desk.keys("p");
    desk.wait_for("Park Rosa Diaz in");
    desk.keys("\r");
    desk.wait_for("P1 Rosa Diaz");
    // Nobody does anything.
    wait_line(&desk, "── Waiting", "Rosa Diaz");
    desk.wait_for("parked too long, rings for you");
    desk.wait_for("P1 free");
    let place = house.place(&rosa);
    assert_eq!(
        (place["kind"].as_str(), place["why"].as_str()),
        (Some("ringing"), Some("park-expired")),
        "{place}"
    );
    desk.keys("a");
    wait_line(&desk, "── You", "▶ Rosa Diaz");
    wait_place(&house, &rosa, "talking");
}

#[test]
fn a_terminal_that_changes_its_size_loses_nothing() {
    let house = House::open(sqlite_file());
    let mut desk = console(&house);
    let _rosa = house.ring(ROSA.0, ROSA.1);
    wait_line(&desk, "── Waiting", "Rosa Diaz");
    desk.keys("a");
    wait_line(&desk, "── You", "▶ Rosa Diaz");
    desk.wait_for("╭─ 102 Grace Hopper");

    desk.resize(Size::new(80, 24));
    desk.wait_until(
        "the small board: the call, a colleague, a slot and the keys",
        |s| {
            let all = ["Rosa Diaz", "Grace Hopper", "P1", "help"];
            (s.size().1.get() == 80 && all.iter().all(|text| shows(s, text))).then_some(())
        },
    );
    desk.resize(Size::new(20, 5));
    desk.wait_until("a sentence instead of a board", |s| {
        (!shows(s, "Grace") && rows(s).iter().any(|r| !r.trim().is_empty())).then_some(())
    });
    desk.resize(DESK);
    desk.wait_for("╭─ 102 Grace Hopper");
    wait_line(&desk, "── You", "▶ Rosa Diaz");
    desk.keys("h");
    wait_line(&desk, "── You", "‖ Rosa Diaz");
}

/// A caller's name is the one text on the board that any stranger on earth can write.
#[test]
fn a_callers_name_cannot_speak_to_the_terminal() {
    let house = House::open(sqlite_file());
    let mut desk = console(&house);
    let before = desk.written();
    let titles = desk.titles().len();
    let _evil = house.ring("+19005550666", "\x1b]0;x\x07\x1b[2J\u{9b}2J\u{202e}evil");
    wait_line(&desk, "── Waiting", "evil");
    desk.keys("a");
    wait_line(&desk, "── You", "talking");
    let written = desk.bytes(before);
    assert!(
        !written.windows(4).any(|w| w == b"\x1b[2J"),
        "the screen was cleared by a name"
    );
    assert!(
        !written.windows(5).any(|w| w == b"\x1b]0;x"),
        "the window was named by a caller"
    );
    let text = String::from_utf8(written).expect("a frame is whole characters");
    let stray = text.chars().find(|c| {
        let ours = matches!(c, '\x1b' | '\x07' | '\r' | '\n');
        (c.is_control() && !ours) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    });
    assert_eq!(stray, None, "a control character has come through");
    for title in &desk.titles()[titles..] {
        assert!(
            title.iter().all(|b| !b.is_ascii_control()),
            "a title with a control character: {title:?}"
        );
        assert!(!title.starts_with(b"x"), "{title:?}");
    }
    // The rest of the board is where it was.
    wait_tile(&desk, "101 Ada Lovelace", "on a call");
    desk.wait_for("P1 free");
}

#[test]
fn a_board_without_a_server_says_so_and_comes_back_by_itself() {
    let mut house = House::open(sqlite_file());
    let mut desk = console(&house);
    let rosa = house.ring(ROSA.0, ROSA.1);
    wait_line(&desk, "── Waiting", "Rosa Diaz");
    desk.keys("a");
    wait_line(&desk, "── You", "▶ Rosa Diaz");
    wait_place(&house, &rosa, "talking");
    wait_tile(&desk, "102 Grace Hopper", "available");
    let bright = ink(&desk.screen(), "Grace Hopper");

    let mut server = house.server.take().unwrap();
    server.kill();
    drop(server);
    desk.wait_for("○ not connected");
    wait_tile(&desk, "102 Grace Hopper", "unknown");
    let screen = desk.screen();
    for row in rows(&screen) {
        assert!(
            !row.contains("● available"),
            "nobody is known to be free:\n{}",
            framed(&screen)
        );
    }
    assert_ne!(
        ink(&screen, "Grace Hopper"),
        bright,
        "an old picture does not look like a live one"
    );
    // A key that would move a call says why it cannot, and is not kept for later.
    desk.keys("h");
    wait_line(&desk, "── You", "▶ Rosa Diaz");

    house.start_server();
    desk.wait_for("● live");
    wait_tile(&desk, "102 Grace Hopper", "available");
    wait_line(&desk, "── You", "▶ Rosa Diaz");
    assert_eq!(ink(&desk.screen(), "Grace Hopper"), bright);
    assert_eq!(
        house.place(&rosa)["kind"],
        "talking",
        "what was typed while the link was down was not sent afterwards"
    );
    desk.keys("h");
    wait_line(&desk, "── You", "‖ Rosa Diaz");
    wait_place(&house, &rosa, "held");
}

#[test]
fn a_console_that_is_left_gives_the_terminal_back() {
    let house = House::open(sqlite_file());
    let mut desk = console(&house);
    let screen = desk.screen();
    assert!(
        screen.alternate_screen() && screen.bracketed_paste(),
        "{}",
        framed(&screen)
    );
    assert_eq!(
        screen.mouse_protocol_mode(),
        MouseProtocolMode::ButtonMotion
    );
    assert!(!desk.as_before(), "keys are read raw");

    let rosa = house.ring(ROSA.0, ROSA.1);
    wait_line(&desk, "── Waiting", "Rosa Diaz");
    desk.keys("a");
    wait_line(&desk, "── You", "▶ Rosa Diaz");
    // On a call, it asks.
    desk.keys("q");
    desk.wait_for("Leave");
    desk.keys("\x1b");
    desk.wait_gone("Leave");
    desk.keys("q");
    desk.wait_for("Leave");
    desk.keys("y");
    assert_eq!(desk.ended(), 0);
    assert_eq!(desk.disturbed(), [""; 0]);
    assert_eq!(
        house.place(&rosa)["kind"],
        "talking",
        "calls go on without it"
    );
}

#[test]
fn ctrl_c_and_a_signal_give_the_terminal_back() {
    let house = House::open(sqlite_file());
    let mut desk = console(&house);
    assert!(!desk.disturbed().is_empty());
    desk.keys("\x03");
    desk.ended();
    assert_eq!(desk.disturbed(), [""; 0], "after Ctrl-C");
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut desk = console(&house);
        desk.signal(signal);
        desk.ended();
        assert_eq!(desk.disturbed(), [""; 0], "after {signal:?}");
    }
}

/// Names the panic, in the process that is to have it.
const TO_PANIC: &str = "CORDBOARD_TEST_PANIC";

#[test]
fn a_panic_gives_the_terminal_back_and_is_read_on_it() {
    let me = std::env::current_exe().unwrap();
    let test = "screens::in_a_terminal_of_its_own";
    let mut desk = Terminal::run(
        &me,
        &["--exact", test, "--ignored", "--nocapture"],
        &[(TO_PANIC, "as planned".to_owned())],
        DESK,
    );
    assert_ne!(desk.ended(), 0);
    let written = String::from_utf8_lossy(&desk.bytes(0)).into_owned();
    assert!(
        written.contains("\x1b[?1049h"),
        "the screen was taken:\n{written}"
    );
    assert_eq!(desk.disturbed(), [""; 0]);
    let screen = desk.screen();
    assert!(
        shows(&screen, "as planned"),
        "its message is on the shell's screen\n{}",
        framed(&screen)
    );
}

#[test]
#[ignore = "the other half of the test above, which runs it in a terminal"]
fn in_a_terminal_of_its_own() {
    let why = std::env::var(TO_PANIC).expect("it is run by the other half");
    let _screen = cordboard::terminal::TerminalScreen::take(true).unwrap();
    panic!("{why}");
}

/// In the demo the server, the twin and the cast are tasks of the same process. Where one of them panics, the
/// board goes on.
#[test]
fn a_panic_elsewhere_takes_the_terminal_from_nobody_and_is_read_afterwards() {
    let me = std::env::current_exe().unwrap();
    let test = "screens::beside_a_task_that_panics";
    let mut desk = Terminal::run(
        &me,
        &["--exact", test, "--ignored", "--nocapture"],
        &[(TO_PANIC, "as planned".to_owned())],
        DESK,
    );
    assert_eq!(desk.ended(), 0);
    let written = String::from_utf8_lossy(&desk.bytes(0)).into_owned();
    let at = |text: &str| {
        written
            .find(text)
            .unwrap_or_else(|| panic!("no {text:?} in:\n{written}"))
    };
    assert!(at("still here") < at("\x1b[?1049l"), "{written}");
    assert!(at("\x1b[?1049l") < at("as planned"), "{written}");
    assert_eq!(desk.disturbed(), [""; 0]);
}

#[test]
#[ignore = "the other half of the test above, which runs it in a terminal"]
fn beside_a_task_that_panics() {
    let why = std::env::var(TO_PANIC).expect("it is run by the other half");
    let mut screen = cordboard::terminal::TerminalScreen::take(true).unwrap();
    let task = std::thread::spawn(move || panic!("{why}"));
    assert!(task.join().is_err());
    cordboard::terminal::Screen::title(&mut screen, "still here");
}

/// As under `make demo`: what the shell waits for is not the console, but what has started it.
#[test]
fn ctrl_z_leaves_to_the_shell_with_all_of_the_job_and_fg_brings_the_board_back() {
    let house = House::open(sqlite_file());
    let state = house.folder.path().to_str().unwrap().to_owned();
    let mut desk = Terminal::run(
        Path::new("/bin/sh"),
        &["-i"],
        &[
            ("XDG_STATE_HOME", state),
            ("PS1", "ready> ".to_owned()),
            ("BOARD", binary().to_str().unwrap().to_owned()),
        ],
        DESK,
    );
    desk.wait_for("ready> ");
    desk.keys("sh -c '\"$BOARD\" console; echo the job is over'\r");
    desk.wait_for("● live");
    desk.keys("\x1a");
    desk.wait_until("the shell's screen", |s| {
        (!s.alternate_screen() && shows(s, "topped")).then_some(())
    });
    desk.keys("fg\r");
    desk.wait_until("the board again", |s| {
        (s.alternate_screen() && shows(s, "● live")).then_some(())
    });
    desk.keys("q");
    // The job's own line, which its command's is not; and then the shell reads again.
    desk.wait_until("the shell after the job", |s| {
        let rows = rows(s);
        let over = rows.iter().position(|r| r.starts_with("the job is over"))?;
        let next = rows.get(over + 1)?;
        next.starts_with("ready>").then_some(())
    });
    desk.keys("exit\r");
    desk.ended();
    assert_eq!(desk.disturbed(), [""; 0]);
}

/// Below what a PTY takes before it makes the writer wait: a reader that stops would stop its test without a
/// word.
const AT_ONCE: usize = 3_900;

/// Somebody leans on a key, pastes a page into the wrong window, or drags the mouse over a slow line: more
/// than the event library's buffer at once, and every byte of it counts.
#[test]
fn a_burst_of_keys_and_mouse_reports_is_read_to_its_end() {
    let house = House::open(sqlite_file());
    let mut desk = console(&house);
    let _rosa = house.ring(ROSA.0, ROSA.1);
    wait_line(&desk, "── Waiting", "Rosa Diaz");
    let mut events = 0;
    for name in ["Grace Hopper", "Alan Turing"].into_iter().cycle().take(12) {
        desk.keys("/");
        desk.wait_for("letters of a name");
        let mut burst = String::new();
        while burst.len() < AT_ONCE {
            let n = events % 60;
            let _ = write!(burst, "x\x7f\x1b[<35;{};{}M", n + 1, n / 2 + 1);
            events += 3;
        }
        burst.push_str(name);
        desk.keys(&burst);
        desk.wait_until(&format!("{name}, the last word of a burst"), |s| {
            let wanted = format!(" {name}");
            rows(s)
                .iter()
                .any(|r| r.contains("▶ ") && r.contains(&wanted))
                .then_some(())
        });
        desk.keys("\x1b");
        desk.wait_gone("─ Find ");
    }
    assert!(events > 5_000, "{events} are no burst");
    // And the board is alive.
    desk.keys("a");
    wait_line(&desk, "── You", "▶ Rosa Diaz");
}

/// A console at 120 × 34, signed in as the operator, with everybody's state known.
#[test]
fn colours_and_keys_are_there_the_next_time() {
    let house = House::open(sqlite_file());
    let folder = house.folder.path().to_str().unwrap().to_owned();
    let env = [
        ("XDG_STATE_HOME", folder.clone()),
        ("XDG_CONFIG_HOME", folder),
    ];
    let mut desk = Terminal::start(&["console"], &env, DESK);
    desk.wait_for("● live");
    desk.keys("\x1bOR");
    desk.wait_for("Colours: light.");
    desk.keys(":");
    desk.wait_for("letters of what to do");
    desk.keys("keys");
    desk.wait_for("Enter: open Keys in the settings");
    desk.keys("\r");
    desk.wait_for("▶ a");
    desk.keys("\r");
    desk.wait_for("Press the key that shall do “answer”");
    desk.keys("Z");
    desk.wait_for("Z does “answer” from now on");
    desk.keys("\x03");
    assert_eq!(desk.ended(), 0);

    let mut desk = Terminal::start(&["console"], &env, DESK);
    desk.wait_for("● live");
    let _rosa = house.ring(ROSA.0, ROSA.1);
    desk.wait_for("Z  answer Rosa Diaz");
    desk.keys("Z");
    wait_line(&desk, "── You", "▶ Rosa Diaz");
    desk.keys("\x1bOR");
    desk.wait_for("Colours: 16 colours.");
}

fn console(house: &House) -> Terminal {
    let state = house.folder.path().to_str().unwrap().to_owned();
    let desk = Terminal::start(&["console"], &[("XDG_STATE_HOME", state)], DESK);
    desk.wait_for("● live");
    wait_tile(&desk, "102 Grace Hopper", "available");
    desk
}

/// Waits for a text below a heading and above the next one; where it is.
fn wait_line(desk: &Terminal, heading: &str, text: &str) -> Spot {
    desk.wait_until(&format!("“{text}” under “{heading}”"), |s| {
        let (_, top) = spot(s, heading)?;
        let next = rows(s)
            .iter()
            .skip(usize::from(top) + 1)
            .position(|r| r.starts_with("── "));
        let found = spot_in(s, text, top + 1)?;
        next.is_none_or(|n| usize::from(found.1) <= usize::from(top) + n)
            .then_some(found)
    })
}

/// Waits for a text inside the tile with that title.
fn wait_tile(desk: &Terminal, title: &str, text: &str) {
    desk.wait_until(&format!("“{text}” in the tile “{title}”"), |s| {
        let (x, y) = spot(s, title)?;
        let inside = |y: u16| -> String {
            (x..x + 24)
                .filter_map(|x| s.cell(y, x))
                .map(|c| if c.has_contents() { c.contents() } else { " " })
                .collect()
        };
        (y + 1..y + 3)
            .any(|y| inside(y).contains(text))
            .then_some(())
    });
}

/// Waits until the server says that a call is there, as the screen does already.
fn wait_place(house: &House, call: &str, kind: &str) {
    house.wait(&format!("the call is {kind}"), |h| {
        (h.place(call)["kind"] == kind).then_some(())
    });
}

/// The colour and weight a text is drawn in.
fn ink(screen: &Screen, text: &str) -> (vt100::Color, bool, bool) {
    let (x, y) = spot(screen, text).unwrap();
    let cell = screen.cell(y, x).unwrap();
    (cell.fgcolor(), cell.bold(), cell.dim())
}
