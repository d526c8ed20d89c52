//! What people do at the board, and what must come of it.

use cordboard::{
    app::{Area, Dialog, Link, LinkNews, Msg, Spot, update},
    keymap::{Action, Dir, Key},
};
use cordboard_core::{
    board::{At, Drop, DropTarget},
    call::{Dialled, Direction, EndWhy},
    ids::{SlotId, UserId},
    machine::{Intent, Target},
    wire::{Change, ClientMsg, EmergencyAddress, Position, ServerMsg},
};

use ratatui::buffer::Cell;

use crate::{
    desk::{Desk, MORNING, busy, quiet},
    scene::{EPOCH, House},
};

const GRACE: UserId = UserId(2);
const DON: UserId = UserId(6);
const HEDY: UserId = UserId(9);

fn ringing() -> Desk {
    let mut desk = Desk::new(quiet(), 120, 34);
    desk.call();
    desk
}

pub(crate) fn talking() -> Desk {
    talking_at(120, 34)
}

fn talking_at(width: u16, height: u16) -> Desk {
    let mut desk = Desk::new(quiet(), width, height);
    desk.call();
    desk.key(Key::Char('a'));
    desk.pass(1_000);
    assert!(
        desk.model
            .current()
            .is_some_and(|c| matches!(c.place.at, At::Talking { .. })),
        "\n{}",
        desk.screen()
    );
    desk
}

#[test]
fn a_call_is_answered_and_passed_on_with_four_keystrokes_and_letters() {
    let mut desk = ringing();
    let call = desk.in_place(|at| matches!(at, At::Queued { .. }));
    assert_eq!(desk.bells, 1, "a new call rings");
    desk.enter(); // 1
    assert_eq!(desk.last(), (call, Intent::Answer));
    desk.pass(1_000);
    desk.key(Key::Char('t')); // 2
    desk.keys("grac");
    desk.enter(); // 3
    assert_eq!(
        desk.last(),
        (
            call,
            Intent::Transfer {
                to: Target::User(GRACE)
            }
        )
    );
    desk.pass(100);
    assert!(
        desk.screen().contains("ringing Grace Hopper"),
        "\n{}",
        desk.screen()
    );
    desk.pass(3_000);
    assert!(desk.said().starts_with("Done: send"), "{}", desk.said());
}

#[test]
fn the_same_call_is_passed_on_with_one_drag() {
    let mut desk = ringing();
    let call = desk.in_place(|at| matches!(at, At::Queued { .. }));
    let (from, to) = (desk.call_at(call), desk.person_at(GRACE));
    desk.press(from);
    desk.drag_to((from.0 + 4, from.1 + 1));
    desk.drag_to(to);
    assert!(
        desk.screen()
            .contains("drop: send Acme Corp · Rosa Diaz to Grace Hopper"),
        "\n{}",
        desk.screen()
    );
    desk.release(to);
    assert_eq!(
        desk.last(),
        (
            call,
            Intent::Transfer {
                to: Target::User(GRACE)
            }
        )
    );
    assert_eq!(
        desk.sent.last().unwrap().seen,
        Some(1),
        "the hand has seen revision 1"
    );
    assert!(desk.model.carry.is_none());
}

#[test]
fn every_gesture_has_a_keyboard_twin_that_sends_the_same() {
    let by_mouse = {
        let mut desk = talking();
        let call = desk.model.current().unwrap().id;
        let (from, to) = (desk.call_at(call), desk.slot_at("P3"));
        desk.press(from);
        desk.drag_to(to);
        desk.release(to);
        desk.sent.last().unwrap().order.clone()
    };
    let by_arrows = {
        let mut desk = talking();
        desk.keys("m");
        // From the first tile to the right edge, into the slots, down to the third.
        for _ in 0..desk.model.shape.columns {
            desk.arrow(Dir::Right);
        }
        desk.arrow(Dir::Down);
        desk.arrow(Dir::Down);
        desk.enter();
        desk.sent.last().unwrap().order.clone()
    };
    let by_letters = {
        let mut desk = talking();
        desk.keys("mp3");
        desk.enter();
        desk.sent.last().unwrap().order.clone()
    };
    let by_slot_key = {
        let mut desk = talking();
        desk.keys("p3");
        desk.sent.last().unwrap().order.clone()
    };
    assert_eq!(by_mouse, by_arrows);
    assert_eq!(by_mouse, by_letters);
    assert_eq!(by_mouse, by_slot_key);
}

#[test]
fn a_drop_that_cannot_be_says_why_and_sends_nothing() {
    let mut desk = talking();
    let call = desk.model.current().unwrap().id;
    let before = desk.sent.len();
    let (from, to) = (desk.call_at(call), desk.person_at(HEDY));
    desk.press(from);
    desk.drag_to(to);
    assert!(
        desk.screen()
            .contains("no: Nobody knows whether Hedy Lamarr's phone is there."),
        "\n{}",
        desk.screen()
    );
    desk.release(to);
    assert_eq!(desk.sent.len(), before);
    assert!(desk.said().contains("Hedy Lamarr"), "{}", desk.said());
}

/// A sentence that is long makes the tile under the hand grow over others. The hand goes on to them all the same.
#[test]
fn a_tile_that_grows_hides_no_neighbour_from_the_hand() {
    let (mut grown, mut pairs) = (0, 0);
    for width in [108, 116, 120, 160] {
        let mut desk = talking_at(width, 40);
        let tiles: Vec<_> = desk
            .drawn
            .hits
            .iter()
            .filter_map(|(rect, spot)| match spot {
                Spot::Place(DropTarget::Person(user)) => Some((*rect, *user)),
                _ => None,
            })
            .collect();
        desk.press(desk.call_at(desk.model.current().unwrap().id));
        desk.drag_to(desk.slot_at("P3"));
        let mut over = |at: (u16, u16), user: UserId| {
            desk.drag_to(at);
            let there = desk.model.carry.as_ref().and_then(|c| c.over.clone());
            assert_eq!(there, Some(DropTarget::Person(user)), "\n{}", desk.screen());
            desk.buf.clone()
        };
        for (here, user) in &tiles {
            for (there, neighbour) in &tiles {
                let edge = match (there.x == here.x, there.y) {
                    (true, y) if y == here.bottom() => there.top(),
                    (true, y) if y + there.height == here.y => there.bottom() - 1,
                    _ => continue,
                };
                let seen = over((here.x + 4, here.y + 2), *user);
                let covered = seen.cell((there.x, edge)).map(Cell::symbol);
                grown += usize::from(covered == Some("┃") || covered == Some("┗"));
                over((there.x + 4, edge), *neighbour);
                pairs += 1;
            }
        }
    }
    assert!(pairs > 40 && grown > 0, "{pairs} pairs, {grown} grown");
}

#[test]
fn what_the_preview_promises_is_what_the_drop_sends() {
    let desk = Desk::new(busy(), 120, 34);
    let me = desk.model.actor().unwrap();
    for call in desk.model.board.calls.keys() {
        for target in [
            DropTarget::Person(GRACE),
            DropTarget::Person(DON),
            DropTarget::Me,
            DropTarget::Slot("P1".parse().unwrap()),
        ] {
            let mut desk = Desk::new(busy(), 120, 34);
            let expected = desk.model.board.drop_on(me, *call, &target);
            desk.tell(Msg::Lift(*call, (0, 0)));
            desk.tell(Msg::Over(Some(target.clone()), (1, 1)));
            let preview = desk.model.preview().unwrap();
            desk.tell(Msg::Release(Some(target)));
            match expected {
                Drop::Do(intent, _) => {
                    assert!(preview.legal);
                    assert_eq!(desk.last(), (*call, intent));
                }
                Drop::No(no) => {
                    assert!(!preview.legal && desk.sent.is_empty());
                    assert_eq!(preview.sentence.as_str(), no.why);
                }
                Drop::Choose(_) => assert!(matches!(desk.model.dialog, Some(Dialog::Choose(..)))),
            }
        }
    }
}

#[test]
fn a_carry_ends_when_its_call_goes_or_is_moved_by_somebody_else_and_the_next_release_is_no_click() {
    for gone in [true, false] {
        let mut desk = talking();
        let call = desk.model.current().unwrap().id;
        let (from, to) = (desk.call_at(call), desk.person_at(GRACE));
        desk.press(from);
        desk.drag_to(to);
        assert!(desk.model.carry.is_some());
        let delta = desk.house.change(call, |card| {
            card.place.at = if gone {
                At::Ended {
                    why: EndWhy::CallerLeft,
                }
            } else {
                At::Talking { users: vec![GRACE] }
            };
        });
        desk.hear(delta.unwrap());
        assert!(desk.model.carry.is_none(), "gone: {gone}");
        let before = desk.sent.len();
        let cursor = desk.model.cursor.clone();
        desk.drag_to((to.0 + 1, to.1));
        desk.release((to.0 + 1, to.1));
        assert_eq!(
            (desk.sent.len(), &desk.model.cursor),
            (before, &cursor),
            "the release was swallowed"
        );
        desk.click(desk.person_at(DON));
        assert_eq!(
            desk.model.cursor.person,
            Some(DON),
            "and the next click is a click again"
        );
    }
}

#[test]
fn escape_focus_loss_and_the_other_button_let_go() {
    use crossterm::event::{MouseButton, MouseEventKind};
    for how in 0..3 {
        let mut desk = talking();
        let call = desk.model.current().unwrap().id;
        let (from, to) = (desk.call_at(call), desk.person_at(GRACE));
        desk.press(from);
        desk.drag_to(to);
        match how {
            0 => desk.key(Key::Esc),
            1 => desk.tell(Msg::Focus(false)),
            _ => desk.mouse(MouseEventKind::Down(MouseButton::Right), to),
        }
        assert!(desk.model.carry.is_none(), "way {how}");
        let before = desk.sent.len();
        desk.release(to);
        assert_eq!(desk.sent.len(), before, "way {how}");
    }
}

#[test]
fn a_nervous_finger_is_a_click() {
    let mut desk = talking();
    let call = desk.model.current().unwrap().id;
    let from = desk.call_at(call);
    desk.press(from);
    desk.drag_to((from.0 + 2, from.1));
    desk.release((from.0 + 2, from.1));
    assert!(desk.model.carry.is_none());
    assert!(
        desk.sent.len() == 1 && desk.said().starts_with("Done: answer"),
        "{}",
        desk.said()
    );
}

#[test]
fn two_clicks_on_a_waiting_call_answer_it() {
    let mut desk = Desk::new(busy(), 120, 34);
    let second = desk.model.waiting()[1].id;
    let at = desk.call_at(second);
    desk.click(at);
    assert!(desk.sent.is_empty());
    desk.click(at);
    assert_eq!(desk.last(), (second, Intent::Answer));
}

#[test]
fn every_hint_is_a_button_that_does_what_its_key_does() {
    let mut desk = talking();
    let at = desk.find("the hold hint", |s| *s == Spot::Button(Action::Hold));
    desk.click(at);
    assert_eq!(desk.last().1, Intent::Hold);
}

#[test]
fn with_a_call_in_hand_the_buttons_are_the_keys_of_the_carry() {
    let button =
        |desk: &Desk, action: Action| desk.find("a button", |s| *s == Spot::Button(action));
    let mut desk = talking();
    let call = desk.model.current().unwrap().id;
    desk.keys("m");
    desk.click(button(&desk, Action::Back));
    assert!(desk.model.carry.is_none(), "put back:\n{}", desk.screen());

    desk.keys("m");
    desk.click(button(&desk, Action::NextArea));
    let over = desk.model.carry.as_ref().and_then(|c| c.over.clone());
    let first: SlotId = "P1".parse().unwrap();
    assert_eq!(over, Some(DropTarget::Slot(first)), "\n{}", desk.screen());
    desk.click(button(&desk, Action::Activate));
    assert!(matches!(desk.last(), (c, Intent::Park { .. }) if c == call));
}

#[test]
fn waiting_calls_keep_their_numbers_while_others_leave() {
    let mut desk = Desk::new(quiet(), 120, 34);
    let calls: Vec<_> = (0..3).map(|_| desk.call()).collect();
    assert_eq!(desk.model.digits[&calls[2]], 3);
    desk.keys("1");
    assert_eq!(desk.last(), (calls[0], Intent::Answer));
    desk.pass(1_000);
    assert_eq!(
        desk.model.digits[&calls[2]], 3,
        "the third is still the third"
    );
    desk.keys("3");
    assert_eq!(desk.last(), (calls[2], Intent::Answer));
}

#[test]
fn an_empty_field_does_not_swallow_the_answer_key() {
    let mut desk = talking();
    desk.key(Key::Char('/'));
    let call = desk.call();
    desk.enter();
    assert_eq!(desk.last(), (call, Intent::Answer));
    assert!(desk.model.dialog.is_none());
}

#[test]
fn enter_before_a_name_sends_nothing_and_takes_no_other_call() {
    let mut desk = talking();
    desk.call();
    desk.key(Key::Char('t'));
    let sent = desk.sent.len();
    desk.enter();
    assert_eq!(desk.sent.len(), sent, "nobody was named");
    assert!(matches!(desk.model.dialog, Some(Dialog::Find(_))));
}

#[test]
fn what_others_do_to_a_call_is_told_and_hides_no_answer() {
    let mut desk = talking();
    desk.keys("t");
    desk.keys("turing");
    desk.enter();
    desk.pass(1_000);
    desk.pass(21_000);
    let told: Vec<_> = desk.model.notes.iter().map(|n| n.text.as_str()).collect();
    assert!(
        told.iter()
            .any(|t| t.contains("came back to you: Alan Turing")),
        "{told:?}"
    );
    desk.keys("r");
    desk.call();
    let note = desk.model.note().expect("r was answered");
    assert_eq!(
        note.text.as_str(),
        "Nobody is parked.",
        "news does not take its place"
    );
}

#[test]
fn a_call_for_help_is_in_every_header_until_it_is_over() {
    let mut desk = Desk::new(quiet(), 80, 24);
    let (id, delta) = desk.house.arrive(MORNING);
    let ServerMsg::Delta(mut help) = delta else {
        panic!("{delta:?}")
    };
    let Change::Call(card) = &mut help.change else {
        panic!("{help:?}")
    };
    card.to = Dialled::Emergency("911".parse().unwrap());
    card.direction = Direction::Out;
    card.with = vec![GRACE];
    card.place.at = At::Dialling {
        user: GRACE,
        to: card.to.clone(),
    };
    desk.hear(ServerMsg::Delta(help));
    let header = |desk: &Desk| desk.screen().lines().next().unwrap_or_default().to_owned();
    assert!(
        header(&desk).contains("EMERGENCY  Grace Hopper has dialled 911 at "),
        "{}",
        desk.screen()
    );
    assert!(header(&desk).contains("● live"), "{}", desk.screen());
    assert!(desk.bells > 0, "nobody is called to the screen");
    // And nobody is invited to move it.
    desk.press(desk.call_at(id));
    desk.release(desk.call_at(id));
    desk.key(Key::Char('m'));
    assert!(desk.model.carry.is_none(), "{}", desk.screen());
    let over = desk.house.change(id, |card| {
        card.place.at = At::Ended {
            why: EndWhy::HungUp,
        };
    });
    desk.hear(over.unwrap());
    assert!(!header(&desk).contains("EMERGENCY"), "{}", desk.screen());
}

/// The warning is there before Enter is pressed: afterwards it would be too late to think of it.
#[test]
fn who_dials_for_help_is_told_before_whether_they_must_say_where_they_are() {
    let mut desk = Desk::new(quiet(), 80, 24);
    desk.key(Key::Char('d'));
    desk.keys("911");
    assert!(
        desk.screen().contains("address is not known. Say where"),
        "{}",
        desk.screen()
    );
    for (state, warned) in [
        (EmergencyAddress::Missing, true),
        (EmergencyAddress::Registered, false),
    ] {
        desk.hear(ServerMsg::EmergencyAddress { state });
        let screen = desk.screen();
        assert!(
            screen.contains("Enter: call 911, the emergency number"),
            "{screen}"
        );
        assert_eq!(screen.contains("Say where you are."), warned, "{screen}");
    }
}

#[test]
fn a_paste_fills_a_field_and_is_never_a_command() {
    let mut desk = talking();
    desk.tell(Msg::Paste("x\nyq".to_owned()));
    assert!(!desk.quit && desk.model.dialog.is_none() && desk.model.current().is_some());
    desk.keys("t");
    desk.tell(Msg::Paste("\u{1b}[2J+1 (415) 555-0199\n".to_owned()));
    let Some(Dialog::Find(find)) = &desk.model.dialog else {
        panic!("the window is open")
    };
    assert_eq!(find.typed.text.text(), "[2J+1 (415) 555-0199");
}

#[test]
fn take_back_says_how_long_it_is_possible_and_undoes_the_last_move() {
    let mut desk = talking();
    let call = desk.model.current().unwrap().id;
    desk.keys("t");
    desk.keys("turing");
    desk.enter();
    desk.pass(2_000);
    assert!(
        desk.screen().contains("take back Acme Corp · Ros… 0:18"),
        "\n{}",
        desk.screen()
    );
    desk.keys("u");
    assert_eq!(desk.last(), (call, Intent::TakeBack));

    let mut small = talking_at(80, 24);
    small.keys("t");
    small.keys("turing");
    small.enter();
    small.pass(2_000);
    let screen = small.screen();
    let footer = screen.lines().last().unwrap_or_default();
    assert!(footer.contains("u take back 0:18"), "\n{screen}");
}

#[test]
fn somebody_elses_call_is_hung_up_only_after_a_question() {
    let mut desk = Desk::new(busy(), 120, 34);
    let waiting = desk.model.waiting()[0].id;
    desk.click(desk.call_at(waiting));
    desk.keys("x");
    assert!(
        desk.sent.is_empty() && desk.screen().contains("This is not your call."),
        "\n{}",
        desk.screen()
    );
    desk.key(Key::Esc);
    assert!(desk.sent.is_empty());
    desk.keys("xy");
    assert_eq!(desk.last(), (waiting, Intent::Hangup));
}

#[test]
fn a_letter_typed_on_a_tile_still_means_my_own_call() {
    // The wrong leg is what people fear most: pointing at a colleague does not change whose call is meant.
    let mut desk = Desk::new(busy(), 120, 34);
    let mine = desk.model.current().unwrap().id;
    desk.click(desk.person_at(GRACE));
    assert_eq!(desk.model.cursor.area, Area::People);
    assert_eq!(desk.model.subject().unwrap().id, mine);
}

#[test]
fn enter_with_a_call_on_the_line_takes_no_other_call() {
    let mut desk = Desk::new(busy(), 120, 34);
    desk.key(Key::Esc);
    desk.enter();
    assert!(
        desk.sent.is_empty() && desk.said().contains("holds this one"),
        "{}",
        desk.said()
    );
}

#[test]
fn while_the_link_is_down_the_picture_stands_still_and_commands_are_refused() {
    let mut desk = talking();
    desk.pass(5_000);
    let next = Some(MORNING.plus(20_000));
    desk.tell(Msg::Link(LinkNews::Closed {
        why: "The server closed the connection.".to_owned(),
        next,
    }));
    desk.tell(Msg::Time(MORNING.plus(16_000)));
    let screen = desk.screen();
    assert!(
        screen.contains("not connected · the board is 0:10 old"),
        "\n{screen}"
    );
    assert!(
        screen.contains("talking 0:05"),
        "timers stand still:\n{screen}"
    );
    assert!(
        screen.contains("? unknown"),
        "nobody is free because a link is down:\n{screen}"
    );
    assert!(!screen.contains("● available"), "\n{screen}");
    let before = desk.sent.len();
    desk.keys("h");
    assert_eq!(desk.sent.len(), before);
    assert!(desk.said().starts_with("Not connected"), "{}", desk.said());
}

#[test]
fn a_command_whose_answer_the_link_took_along_is_not_called_done() {
    let mut desk = talking();
    // The house hears nothing any more: a command is sent into the dark.
    let asked = update(&mut desk.model, Msg::Key(Key::Char('h')));
    assert_eq!(asked.len(), 1);
    desk.tell(Msg::Link(LinkNews::Closed {
        why: "gone".to_owned(),
        next: None,
    }));
    assert!(
        desk.said()
            .contains("whether “hold Acme Corp · Rosa Diaz” was heard is not known"),
        "{}",
        desk.said()
    );
    assert!(desk.model.asked.is_empty());
}

#[test]
fn a_card_is_marked_asked_until_the_delta_and_refuses_a_second_order() {
    let mut desk = talking();
    let call = desk.model.current().unwrap().id;
    let asked = update(&mut desk.model, Msg::Key(Key::Char('h')));
    assert_eq!(asked.len(), 1);
    desk.tell(Msg::Time(MORNING.plus(1_500)));
    assert!(
        desk.screen().contains("asked: hold Acme Corp"),
        "\n{}",
        desk.screen()
    );
    assert!(desk.model.asked_of(call).is_some());
    let before = desk.sent.len();
    desk.keys("x");
    assert_eq!(desk.sent.len(), before, "one order at a time");
    // The delta may come before its yes, and says as much: the next order need not wait for it.
    let [cordboard::app::Cmd::Send(msg @ ClientMsg::Do(command))] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    let mut later = Vec::new();
    for answer in desk.house.hear(msg.clone()) {
        match answer {
            ServerMsg::Delta(mut delta) => {
                delta.cause.id = Some(command.id.as_str().into());
                desk.hear(ServerMsg::Delta(delta));
            }
            other => later.push(other),
        }
    }
    assert!(!later.is_empty(), "the yes is still on its way");
    assert!(desk.model.asked_of(call).is_none(), "the delta has come");
    for answer in later {
        desk.hear(answer);
    }
    assert!(desk.model.asked_of(call).is_none());
}

#[test]
fn a_gap_and_a_wrong_digest_bring_a_new_snapshot() {
    let mut desk = talking();
    let call = desk.model.current().unwrap().id;
    desk.house.change(call, |c| c.undo = None);
    let second = desk.house.change(call, |c| c.undo = None).unwrap();
    desk.hear(second);
    assert_eq!(
        desk.model.board.rev, desk.house.board.rev,
        "the gap was mended"
    );
    assert!(desk.model.link.is_live());

    let at = Position {
        epoch: EPOCH.to_owned(),
        rev: desk.house.board.rev,
    };
    let right = ServerMsg::Pulse {
        at: at.clone(),
        digest: format!("{:016x}", desk.house.board.digest()),
        now: MORNING,
    };
    assert_eq!(update(&mut desk.model, Msg::Server(Box::new(right))), []);
    let wrong = ServerMsg::Pulse {
        at,
        digest: "0000000000000000".to_owned(),
        now: MORNING,
    };
    let cmds = update(&mut desk.model, Msg::Server(Box::new(wrong)));
    assert_eq!(cmds, [cordboard::app::Cmd::Send(ClientMsg::Resync)]);
    assert_eq!(desk.model.link, Link::Resyncing);
    for answer in desk.house.hear(ClientMsg::Resync) {
        desk.hear(answer);
    }
    assert!(desk.model.link.is_live());
}

#[test]
fn silence_is_shown_as_silence() {
    let mut desk = talking();
    desk.tell(Msg::Link(LinkNews::Quiet));
    assert!(
        desk.screen().contains("no word from the server"),
        "\n{}",
        desk.screen()
    );
    desk.tell(Msg::Link(LinkNews::Rtt(12)));
    assert!(desk.model.link.is_live());
}

#[test]
fn leaving_while_on_a_call_asks_once() {
    let mut desk = talking();
    desk.keys("q");
    assert!(
        !desk.quit && desk.screen().contains("your phone page keeps it"),
        "\n{}",
        desk.screen()
    );
    desk.keys("y");
    assert!(desk.quit);
}

#[test]
fn five_thousand_people_are_paged_and_found() {
    let mut desk = Desk::new(House::with_people(MORNING, 5_000), 120, 34);
    assert!(
        desk.drawn.hits.iter().count() < 100,
        "only what is visible is drawn"
    );
    desk.key(Key::PageDown);
    assert!(desk.model.first_row > 0);
    desk.keys("/4321");
    desk.enter();
    assert!(
        desk.screen().contains("4321 Person 4221"),
        "\n{}",
        desk.screen()
    );
}

#[test]
fn whose_sign_in_has_ended_is_led_back_to_the_door() {
    let mut desk = Desk::new(busy(), 80, 24);
    desk.tell(Msg::Link(LinkNews::SignedOut("It is over.".to_owned())));
    desk.pass(10_000);
    let screen = desk.screen();
    assert!(
        screen.contains("signed out") && screen.contains("Enter on the board opens the door again"),
        "\n{screen}"
    );
    desk.keys("h");
    assert!(desk.sent.is_empty() && !desk.door);
    desk.enter();
    assert!(desk.door);
}
