//! What a slip of the hand, a busy board or a lost link must not bring about, and what must not be promised.

use cordboard::{
    app::{Area, Dialog, Hand, LinkNews, Mood, Msg, Question, Spot, update},
    keymap::{Action, Dir, Key},
};
use cordboard_core::{
    board::{At, DropTarget},
    call::EndWhy,
    ids::UserId,
    machine::{Intent, Target},
    wire::{ClientMsg, ServerMsg},
};

use crate::{
    desk::{Desk, MORNING, busy, quiet},
    scene::{House, ME},
    stories::talking,
};

const GRACE: UserId = UserId(2);

fn hang_up_link(desk: &mut Desk) {
    desk.tell(Msg::Link(LinkNews::Closed {
        why: "gone".to_owned(),
        next: None,
    }));
}

/// The server makes no row for a call for help, so its answer is a "no" that is none.
#[test]
fn a_call_for_help_that_is_being_dialled_is_no_failure_and_one_that_is_lost_says_what_to_do() {
    let dial = |desk: &mut Desk| -> String {
        desk.key(Key::Char('d'));
        desk.keys("911");
        let cmds = update(&mut desk.model, Msg::Key(Key::Enter));
        match cmds.as_slice() {
            [cordboard::app::Cmd::Send(ClientMsg::Do(command))] => command.id.clone(),
            other => panic!("{other:?}"),
        }
    };
    let mut desk = Desk::new(quiet(), 80, 24);
    let id = dial(&mut desk);
    let why = "Your phone page is dialling 911 now. Talk to them there.".to_owned();
    desk.hear(ServerMsg::No {
        id,
        code: "emergency".to_owned(),
        why: why.clone(),
    });
    assert_eq!(desk.model.note().unwrap().mood, Mood::Good);
    assert!(
        desk.screen().contains(&format!("✓ {why}")),
        "{}",
        desk.screen()
    );

    dial(&mut desk);
    hang_up_link(&mut desk);
    let telephone = "Dial 911 from a telephone now.";
    assert!(desk.said().contains(telephone), "{}", desk.said());

    let mut silent = Desk::new(quiet(), 80, 24);
    dial(&mut silent);
    silent.tell(Msg::Time(MORNING.plus(11_000)));
    assert!(silent.said().contains(telephone), "{}", silent.said());
}

#[test]
fn without_a_connection_whoever_wants_to_dial_is_sent_to_a_telephone() {
    let mut desk = Desk::new(quiet(), 120, 34);
    desk.keys("d911");
    hang_up_link(&mut desk);
    let telephone = "Dial 911 from a telephone now.";
    let screen = desk.screen();
    assert!(
        screen.contains(telephone) && !screen.contains("Enter: call"),
        "{screen}"
    );
    desk.enter();
    assert!(desk.said().contains(telephone), "{}", desk.said());
    desk.keys("d");
    assert!(
        desk.said().contains("Dial from a telephone."),
        "{}",
        desk.said()
    );
    assert!(desk.sent.is_empty());
}

#[test]
fn a_second_hang_up_asks_before_it_ends_a_caller_on_hold() {
    let mut desk = Desk::new(busy(), 120, 34);
    let on_line = desk.model.current().unwrap().id;
    let held = desk.in_place(|at| matches!(at, At::Held { .. }));
    desk.keys("x");
    assert_eq!(desk.last(), (on_line, Intent::Hangup));
    desk.pass(2_000);
    assert!(desk.model.current().is_none(), "\n{}", desk.screen());
    desk.keys("x");
    assert_eq!(desk.sent.len(), 1, "nobody pointed at the one on hold");
    assert!(
        matches!(desk.model.dialog, Some(Dialog::Confirm(Question::HangUp(call, _))) if call == held)
    );
    assert!(
        desk.screen().contains("is not on your line, but on"),
        "\n{}",
        desk.screen()
    );
    desk.key(Key::Esc);
    // Pointed at, it is meant.
    let line = Spot::Call(held, Some(DropTarget::Me));
    desk.click(desk.find("the line of the one on hold", |s| *s == line));
    desk.keys("x");
    assert_eq!(desk.last(), (held, Intent::Hangup));
}

/// What was answered is not selected for ever: another way to another call must not leave the keys behind.
#[test]
fn the_keys_mean_the_call_on_the_line_however_it_came_there() {
    let mut desk = talking();
    let first = desk.model.current().unwrap().id;
    let second = desk.call();
    for (call, at) in [
        (
            first,
            At::Held {
                user: ME,
                deadline: MORNING.plus(90_000),
            },
        ),
        (second, At::Talking { users: vec![ME] }),
    ] {
        // Answered at the phone page.
        let delta = desk.house.change(call, |card| card.place.at = at);
        desk.hear(delta.unwrap());
    }
    assert_eq!(desk.model.subject().unwrap().id, second);
}

#[test]
fn a_double_click_on_a_button_is_one_click() {
    let mut desk = Desk::new(busy(), 120, 34);
    let at = desk.find("hang up", |s| *s == Spot::Button(Action::HangUp));
    desk.click(at);
    desk.click(at);
    assert_eq!(desk.sent.len(), 1);
    desk.pass(100);
    desk.click(at);
    assert_eq!(desk.sent.len(), 1, "nor is a third");

    // The footer has changed under the hand.
    let mut desk = Desk::new(busy(), 120, 34);
    desk.keys("x");
    desk.pass(2_000);
    let at = desk.find("answer", |s| *s == Spot::Button(Action::Answer));
    desk.click(at);
    let sent = desk.sent.len();
    desk.pass(300);
    let under = desk.drawn.hits.at(at.0, at.1);
    assert!(
        matches!(under, Some(Spot::Button(_))),
        "{under:?}\n{}",
        desk.screen()
    );
    desk.click(at);
    assert_eq!(
        desk.sent.len(),
        sent,
        "the first click has moved the buttons"
    );
    assert!(desk.model.dialog.is_none() && desk.model.carry.is_none());
}

#[test]
fn a_drop_does_what_was_promised_or_nothing() {
    use crossterm::event::MouseEventKind;
    let mut desk = Desk::new(House::with_people(MORNING, 500), 120, 34);
    let call = desk.call();
    let at = desk.person_at(GRACE);
    desk.press(desk.call_at(call));
    desk.drag_to(at);
    let over = |desk: &Desk| desk.model.carry.as_ref().and_then(|c| c.over.clone());
    assert_eq!(over(&desk), Some(DropTarget::Person(GRACE)));
    desk.mouse(MouseEventKind::ScrollDown, at);
    desk.release(at);
    assert!(desk.sent.is_empty(), "{:?}", desk.sent);
    let Some(DropTarget::Person(now)) = over(&desk) else {
        panic!("it is still in hand\n{}", desk.screen())
    };
    assert_ne!(now, GRACE);
    assert_eq!(desk.model.carry.as_ref().unwrap().hand, Hand::Keyboard);
    assert!(desk.screen().contains("◇ drop: "), "\n{}", desk.screen());
    // Now that the promise has been read.
    desk.enter();
    assert_eq!(
        desk.last(),
        (
            call,
            Intent::Transfer {
                to: Target::User(now)
            }
        )
    );
}

#[test]
fn what_happens_elsewhere_moves_no_page_under_the_pointer() {
    use crossterm::event::MouseEventKind;
    let mut desk = Desk::new(House::with_people(MORNING, 500), 120, 34);
    desk.click(desk.person_at(GRACE));
    for _ in 0..10 {
        desk.mouse(MouseEventKind::ScrollDown, (10, 12));
    }
    assert_eq!(desk.model.first_row, 10);
    desk.call();
    assert_eq!(desk.model.first_row, 10, "a call has come");
    desk.arrow(Dir::Right);
    assert_eq!(
        desk.model.first_row, 0,
        "the keyboard goes where its selection is"
    );
}

#[test]
fn every_call_on_hold_can_be_reached_however_many_there_are() {
    use crossterm::event::MouseEventKind;
    let mut desk = Desk::new(quiet(), 120, 34);
    let calls: Vec<_> = (0..6).map(|_| desk.call()).collect();
    for (n, call) in (1..).zip(&calls) {
        let delta = desk.house.change(*call, |card| {
            card.place.since = MORNING.plus(-10_000 + n);
            card.place.at = At::Held {
                user: ME,
                deadline: MORNING.plus(90_000),
            };
        });
        desk.hear(delta.unwrap());
    }
    let drawn = |desk: &Desk, call| {
        let spot = Spot::Call(call, Some(DropTarget::Me));
        desk.drawn.hits.iter().any(|(_, s)| *s == spot)
    };
    assert!(drawn(&desk, calls[0]) && !drawn(&desk, calls[5]));
    for call in &calls[1..] {
        desk.arrow(Dir::Down);
        assert_eq!(desk.model.subject().unwrap().id, *call);
        assert!(drawn(&desk, *call), "\n{}", desk.screen());
    }
    desk.arrow(Dir::Down);
    assert_eq!(desk.model.subject().unwrap().id, calls[5], "the last");
    for _ in 0..5 {
        desk.arrow(Dir::Up);
        assert_eq!(desk.model.cursor.area, Area::You);
    }
    assert!(drawn(&desk, calls[0]));
    desk.arrow(Dir::Up);
    assert_ne!(
        desk.model.cursor.area,
        Area::You,
        "above the first is another area"
    );

    let people = desk.model.first_row;
    for _ in 0..9 {
        let at = desk.find("one's own line", |s| s.target() == Some(&DropTarget::Me));
        desk.mouse(MouseEventKind::ScrollDown, at);
    }
    assert!(drawn(&desk, calls[5]), "by the wheel:\n{}", desk.screen());
    assert_eq!(desk.model.first_row, people);
}

#[test]
fn only_calls_that_can_be_made_are_offered() {
    let mut desk = Desk::new(quiet(), 120, 34);
    desk.keys("d");
    for (typed, offered) in [
        ("", false),
        ("grace", false),
        ("102", false),
        ("020 7946 0018", false),
        ("+44 20 7946 0018", true),
        ("112", true),
    ] {
        desk.keys(typed);
        let Some(Dialog::Find(find)) = &desk.model.dialog else {
            panic!("the window is open")
        };
        assert_eq!(!find.typed.found.is_empty(), offered, "{typed:?}: {find:?}");
        let screen = desk.screen();
        assert_eq!(screen.contains("Enter: call"), offered, "{screen}");
        desk.key(Key::Ctrl('u'));
    }
    desk.key(Key::Esc);
    desk.click(desk.person_at(GRACE));
    assert!(
        !desk.screen().contains("Enter: call"),
        "\n{}",
        desk.screen()
    );
    desk.enter();
    assert!(desk.model.dialog.is_none() && desk.sent.is_empty());
    assert!(
        desk.said()
            .contains("no call on your line to send to Grace"),
        "{}",
        desk.said()
    );
}

#[test]
fn a_dead_board_calls_no_line_and_no_slot_free() {
    let mut desk = Desk::new(quiet(), 120, 34);
    hang_up_link(&mut desk);
    assert!(
        !desk.screen().contains("No call on your line"),
        "\n{}",
        desk.screen()
    );
    let mut desk = talking();
    desk.keys("p");
    assert!(desk.screen().contains("free  Enter or p"));
    desk.tell(Msg::Link(LinkNews::Quiet));
    let screen = desk.screen();
    assert!(
        !screen.contains("free") && screen.contains("P1 not known"),
        "\n{screen}"
    );
}

#[test]
fn whoever_comes_back_after_a_talk_has_not_waited_through_it() {
    let mut desk = talking();
    let back = desk.model.current().unwrap().id;
    desk.pass(180_000);
    let new = desk.call();
    desk.pass(5_000);
    let now = MORNING.plus(1_000 + 185_000);
    let delta = desk.house.change(back, |card| {
        card.place.since = now;
        card.talked = Some(now);
        card.place.at = At::Queued {
            queue: "desk".parse().unwrap(),
            alert: Some(GRACE),
        };
    });
    desk.hear(delta.unwrap());
    let order: Vec<_> = desk.model.waiting().iter().map(|c| c.id).collect();
    assert_eq!(order, [new, back]);
    let screen = desk.screen();
    assert!(
        screen.contains("longest 0:05") && !screen.contains("3:0"),
        "\n{screen}"
    );
}

#[test]
fn a_window_about_a_call_that_is_over_blames_nobody_unless_it_is_known_who_ended_it() {
    for (why, said) in [
        (EndWhy::HungUp, "The call is over."),
        (EndWhy::CallerLeft, "The caller hung up."),
    ] {
        let mut desk = talking();
        let call = desk.model.current().unwrap().id;
        desk.keys("p");
        let delta = desk
            .house
            .change(call, |card| card.place.at = At::Ended { why });
        desk.hear(delta.unwrap());
        assert!(desk.model.dialog.is_none());
        assert_eq!(desk.said(), said);
    }
}

#[test]
fn leaving_asks_for_those_on_hold_and_parked_too_and_says_what_becomes_of_them() {
    let mut desk = talking();
    desk.keys("h");
    desk.pass(1_000);
    desk.keys("q");
    let screen = desk.screen();
    assert!(
        !desk.quit && screen.contains("waits for you") && !screen.contains("phone page keeps"),
        "\n{screen}"
    );
    let mut desk = talking();
    desk.keys("p2");
    desk.pass(1_000);
    desk.keys("q");
    assert!(
        !desk.quit && desk.screen().contains("rings again"),
        "\n{}",
        desk.screen()
    );

    let mut desk = talking();
    desk.model.leaving_ends_all = true;
    desk.keys("q");
    let screen = desk.screen();
    assert!(
        screen.contains("This is the demo") && !screen.contains("ends no call"),
        "\n{screen}"
    );
    let mut desk = Desk::new(quiet(), 120, 34);
    desk.keys("q");
    assert!(desk.quit, "nobody is left behind");
}

#[test]
fn at_the_end_of_the_help_there_is_nothing_to_scroll() {
    let mut desk = Desk::new(quiet(), 80, 24);
    desk.keys("?");
    for _ in 0..9 {
        desk.key(Key::PageDown);
    }
    let end = desk.screen();
    desk.arrow(Dir::Up);
    assert_ne!(desk.screen(), end, "one line up is one line up");
}
