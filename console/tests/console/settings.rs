//! What people arrange in the settings, what they see of it, and what must not come of it.

use cordboard::{
    app::{Dialog, LinkNews, Msg, Spot},
    ask::{Answer, Ask, Trouble},
    keymap::{Action, Dir, Key, Keymap, row_of},
    settings::{Pane, Section},
    theme::Theme,
};
use cordboard_core::{
    api::{AccountEdit, RouteStop},
    board::{At, Online, Presence, Status},
    ids::UserId,
    policy::{Permission, Rights, Role},
    wire::{Me, PersonPresence, ServerMsg, VERSION},
};
use proptest::prelude::*;

use crate::{
    anything::clean,
    desk::{Desk, MORNING, busy, quiet},
    office::Office,
    scene::{House, ME},
};

const SIZES: [(u16, u16); 2] = [(80, 24), (160, 48)];

fn house() -> House {
    quiet().with_groups()
}

/// An administrator's console of that size.
fn admin(width: u16, height: u16) -> Desk {
    Desk::new(house().in_role(Role::Admin), width, height)
}

/// Opens a section by its first letters.
fn open(desk: &mut Desk, section: Section) {
    desk.keys(",");
    while desk.model.settings.as_ref().unwrap().section != section {
        let before = desk.model.settings.as_ref().unwrap().section;
        desk.arrow(Dir::Down);
        assert_ne!(
            desk.model.settings.as_ref().unwrap().section,
            before,
            "{section:?} is not there:\n{}",
            desk.screen()
        );
    }
    desk.enter();
}

fn at(section: Section) -> Desk {
    let mut desk = admin(120, 34);
    open(&mut desk, section);
    desk
}

fn picture(name: &str, desk: &Desk) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, desk.screen());
    });
}

fn at_both_sizes(name: &str, act: fn(&mut Desk)) {
    for (width, height) in SIZES {
        let mut desk = admin(width, height);
        act(&mut desk);
        picture(&format!("settings_{name}_{width}x{height}"), &desk);
    }
}

#[test]
fn every_section() {
    for (width, height) in SIZES {
        for section in Section::ALL {
            let mut desk = admin(width, height);
            open(&mut desk, section);
            picture(
                &format!("settings_{section:?}_{width}x{height}").to_lowercase(),
                &desk,
            );
        }
    }
}

#[test]
fn the_sections_before_one_is_open() {
    at_both_sizes("sections", |desk| desk.keys(","));
}

#[test]
fn somebody_is_changed_and_their_extension_is_taken() {
    at_both_sizes("taken", |desk| {
        open(desk, Section::People);
        desk.keys("/alan");
        desk.enter();
        desk.enter();
        desk.key(Key::Tab);
        desk.key(Key::Tab);
        desk.key(Key::Ctrl('u'));
        desk.keys("102");
        desk.key(Key::Ctrl('s'));
    });
}

#[test]
fn somebody_else_was_faster() {
    at_both_sizes("changed", |desk| {
        open(desk, Section::Groups);
        desk.enter();
        desk.keys(" and marketing");
        desk.office.meddled = true;
        desk.key(Key::Ctrl('s'));
    });
}

#[test]
fn leaving_what_is_not_saved() {
    at_both_sizes("unsaved", |desk| {
        open(desk, Section::Profile);
        desk.keys(" King");
        desk.key(Key::Esc);
    });
}

#[test]
fn an_invitation_is_shown_once() {
    at_both_sizes("invited", |desk| {
        open(desk, Section::Invitations);
        desk.keys("n");
        desk.keys("Mary Jackson");
        desk.key(Key::Ctrl('s'));
    });
    let mut desk = at(Section::Invitations);
    desk.keys("n");
    desk.key(Key::Ctrl('s'));
    assert!(
        desk.screen().contains("B4XN-77QK-0WVD"),
        "\n{}",
        desk.screen()
    );
    desk.enter();
    desk.keys("y");
    assert_eq!(
        desk.copied,
        ["https://desk.example.com/join#B4XN-77QK-0WVD"]
    );
    desk.key(Key::Esc);
    assert!(
        !desk.screen().contains("B4XN"),
        "it is not shown again:\n{}",
        desk.screen()
    );
    assert!(
        !format!("{:?}", desk.model.settings).contains("B4XN"),
        "nor kept"
    );
    assert!(matches!(
        &desk.model.settings.as_ref().unwrap().pane,
        Pane::List(_)
    ));
}

#[test]
fn a_reset_code_is_asked_about_and_shown_once() {
    let mut desk = at(Section::People);
    desk.keys("/grace");
    desk.enter();
    desk.keys("r");
    assert!(
        desk.screen()
            .contains("Make a code with which Grace Hopper"),
        "\n{}",
        desk.screen()
    );
    desk.enter();
    assert!(!desk.asked.iter().any(Ask::changes), "Enter is no answer");
    desk.keys("y");
    assert_eq!(desk.asked.last(), Some(&Ask::ResetCode(UserId(2))));
    picture("settings_reset_120x34", &desk);
    desk.keys("y");
    assert_eq!(desk.copied, ["K7QF-2M9D-X4TR"]);
    desk.key(Key::Esc);
    assert!(!desk.screen().contains("K7QF"));
}

#[test]
fn the_way_of_a_number_is_put_together_and_ends_in_a_queue() {
    let mut desk = at(Section::Numbers);
    desk.arrow(Dir::Down);
    desk.enter();
    desk.keys("p");
    desk.key(Key::Tab);
    desk.arrow(Dir::Down);
    desk.keys(" ");
    desk.key(Key::Ctrl('s'));
    desk.keys("g");
    desk.key(Key::Ctrl('s'));
    desk.keys("x");
    desk.keys("d");
    assert!(
        desk.screen().contains("Not saved yet"),
        "\n{}",
        desk.screen()
    );
    desk.key(Key::Esc);
    assert!(
        desk.screen().contains("Leave without saving?"),
        "\n{}",
        desk.screen()
    );
    desk.keys("n");
    desk.key(Key::Ctrl('s'));
    let Some(Ask::PutNumber(number, edit)) = desk.asked.last() else {
        panic!("{:?}\n{}", desk.asked, desk.screen());
    };
    assert_eq!((number.as_str(), edit.rev), ("+442079460018", 1));
    let people = RouteStop::People {
        users: vec![UserId(2)],
        seconds: 20,
    };
    let queue = RouteStop::Queue {
        queue: "desk".parse().unwrap(),
    };
    assert_eq!(edit.route, [people, queue]);
    assert!(desk.said().contains("Saved"), "{}", desk.said());
}

#[test]
fn a_new_number_begins_with_its_queue() {
    let mut desk = at(Section::Numbers);
    desk.keys("n");
    desk.keys("+1 415 555 0199");
    desk.key(Key::Ctrl('s'));
    desk.key(Key::Ctrl('s'));
    let Some(Ask::PutNumber(number, edit)) = desk.asked.last() else {
        panic!("{:?}\n{}", desk.asked, desk.screen());
    };
    assert_eq!(
        (number.as_str(), edit.rev, edit.route.len()),
        ("+14155550199", 0, 1)
    );
}

#[test]
fn a_status_says_when_one_is_back() {
    let mut desk = at(Section::Status);
    desk.key(Key::Arrow(Dir::Right));
    desk.key(Key::Tab);
    desk.keys("lunch");
    desk.key(Key::Tab);
    desk.keys("30m");
    desk.enter();
    let Some(Ask::Status(user, status)) = desk.asked.last() else {
        panic!("{:?}\n{}", desk.asked, desk.screen());
    };
    assert_eq!(*user, ME);
    assert_eq!(status.presence, Presence::Away);
    assert_eq!(status.text.as_str(), "lunch");
    assert_eq!(status.back_at, Some(MORNING.plus(30 * 60_000)));
    assert!(desk.screen().contains("✓ Saved."), "\n{}", desk.screen());
}

#[test]
fn a_password_is_typed_twice_and_never_shown() {
    let mut desk = at(Section::Password);
    desk.keys("wrong");
    desk.key(Key::Tab);
    desk.keys("correct horse battery");
    desk.key(Key::Tab);
    desk.keys("correct horse");
    desk.key(Key::Ctrl('s'));
    assert!(
        desk.screen().contains("another one than above"),
        "\n{}",
        desk.screen()
    );
    assert!(!desk.asked.iter().any(Ask::changes));
    desk.keys(" battery");
    desk.key(Key::Ctrl('s'));
    assert!(
        desk.screen().contains("This is not your password."),
        "\n{}",
        desk.screen()
    );
    assert!(
        !desk.screen().contains("horse") && !format!("{:?}", desk.model.settings).contains("horse")
    );
}

#[test]
fn a_sign_in_is_ended_after_a_question_and_never_this_one() {
    let mut desk = at(Section::Devices);
    desk.keys("x");
    assert!(desk.said().contains("cordboard logout"), "{}", desk.said());
    desk.arrow(Dir::Down);
    desk.keys("xn");
    assert!(!desk.asked.iter().any(Ask::changes));
    desk.keys("xy");
    assert!(
        matches!(desk.asked.iter().rfind(|a| a.changes()), Some(Ask::EndSession(user, _)) if *user == ME)
    );
    assert!(
        !desk.screen().contains("Firefox"),
        "the list was loaded again:\n{}",
        desk.screen()
    );
    desk.keys("Xy");
    assert!(
        desk.screen().contains("this console") && !desk.screen().contains("laptop"),
        "\n{}",
        desk.screen()
    );
}

#[test]
fn only_what_differs_is_sent() {
    let mut desk = at(Section::People);
    desk.keys("/alan");
    desk.enter();
    desk.enter();
    desk.key(Key::Ctrl('s'));
    assert!(
        desk.screen().contains("Nothing was changed"),
        "\n{}",
        desk.screen()
    );
    desk.keys(" M.");
    desk.key(Key::Ctrl('s'));
    let edit = AccountEdit {
        rev: 1,
        name: Some("Alan Turing M.".to_owned()),
        ..AccountEdit::default()
    };
    assert_eq!(desk.asked.last(), Some(&Ask::Edit(UserId(3), edit)));
    assert!(
        desk.screen().contains("Alan Turing M."),
        "\n{}",
        desk.screen()
    );
}

#[test]
fn who_has_entered_themselves_stands_first_and_is_let_in() {
    let mut desk = at(Section::People);
    assert!(
        desk.screen().contains("not let in yet") && desk.screen().contains("deactivated"),
        "\n{}",
        desk.screen()
    );
    desk.enter();
    desk.keys(" ");
    desk.key(Key::Ctrl('s'));
    let Some(Ask::Edit(user, edit)) = desk.asked.last() else {
        panic!("{:?}", desk.asked)
    };
    assert_eq!((*user, edit.active), (UserId(12), Some(true)));
    assert!(!desk.screen().contains("not let in yet"));
}

#[test]
fn five_hundred_people_come_page_by_page_and_are_found() {
    let mut desk = admin(80, 24);
    desk.office = Office::of(&desk.house.board, ME, MORNING, 500);
    open(&mut desk, Section::People);
    let pages = desk
        .asked
        .iter()
        .filter(|a| matches!(a, Ask::People(_)))
        .count();
    assert_eq!(pages, 3);
    assert!(desk.screen().contains("512 of 512"), "\n{}", desk.screen());
    desk.keys("/person 049");
    assert!(desk.screen().contains("10 of 512"), "\n{}", desk.screen());
    desk.key(Key::Esc);
    desk.key(Key::End);
    picture("settings_crowd_80x24", &desk);
}

#[test]
fn when_somebody_else_was_faster_nothing_is_kept_silently() {
    let mut desk = at(Section::People);
    desk.keys("/grace");
    desk.enter();
    desk.enter();
    desk.keys("!");
    desk.office.meddled = true;
    desk.key(Key::Ctrl('s'));
    let screen = desk.screen();
    assert!(
        screen.contains("Grace Hopper has changed this person") && screen.contains("Grace Hopper!"),
        "\n{screen}"
    );
    desk.key(Key::Ctrl('s'));
    assert!(
        desk.screen().contains("has changed this person"),
        "the old revision is refused again"
    );
    desk.key(Key::Ctrl('r'));
    assert_eq!(desk.asked.last(), Some(&Ask::Person(UserId(2))));
    assert!(
        !desk.screen().contains("Grace Hopper!"),
        "\n{}",
        desk.screen()
    );
    desk.keys("?");
    desk.key(Key::Ctrl('s'));
    assert!(
        desk.said().contains("Saved"),
        "on the new revision: {}\n{}",
        desk.said(),
        desk.screen()
    );
}

#[test]
fn whoever_leaves_to_somebody_faster_sees_what_they_made() {
    let mut desk = at(Section::People);
    desk.keys("/grace");
    desk.enter();
    desk.enter();
    desk.keys("!");
    desk.office.meddled = true;
    desk.key(Key::Ctrl('s'));
    let asked = desk.asked.len();
    desk.key(Key::Esc);
    desk.keys("y");
    assert_eq!(
        desk.asked[asked..],
        [Ask::People(None), Ask::Groups],
        "the list is loaded again:\n{}",
        desk.screen()
    );
}

#[test]
fn a_late_answer_is_for_nobody() {
    let mut desk = admin(120, 34);
    desk.slow = true;
    open(&mut desk, Section::Devices);
    assert!(
        desk.screen().contains("asking the server"),
        "\n{}",
        desk.screen()
    );
    desk.key(Key::Esc);
    let late = std::mem::take(&mut desk.late);
    desk.slow = false;
    desk.arrow(Dir::Up);
    desk.enter();
    desk.keys("x");
    for (number, answer) in late {
        desk.tell(Msg::Answer(number, answer));
    }
    let settings = desk.model.settings.as_ref().unwrap();
    assert!(matches!(settings.pane, Pane::Form(..)) && settings.data.sessions.is_empty());
    // Nor is an answer that nobody has asked for.
    desk.tell(Msg::Answer(9_999, Ok(Answer::Done)));
    desk.tell(Msg::Answer(9_999, Err(Trouble::new("lost", "gone"))));
}

#[test]
fn while_the_link_is_down_nothing_is_sent_and_it_says_so() {
    let mut desk = at(Section::Profile);
    desk.keys("x");
    let down = |next| LinkNews::Closed {
        why: "gone".to_owned(),
        next,
    };
    desk.tell(Msg::Link(down(None)));
    let asked = desk.asked.len();
    desk.key(Key::Ctrl('s'));
    assert_eq!(desk.asked.len(), asked);
    let screen = desk.screen();
    assert!(
        screen.contains("nothing can be saved") && screen.contains("not connected"),
        "\n{screen}"
    );
    assert!(
        screen.contains("Ada Lovelacex"),
        "what was typed stays:\n{screen}"
    );
}

#[test]
fn a_key_is_chosen_kept_and_named_wherever_it_is() {
    let mut desk = Desk::new(busy().in_role(Role::Admin), 120, 34);
    open(&mut desk, Section::Keys);
    let at = |desk: &mut Desk, word: &str| {
        desk.key(Key::Home);
        let picked = |desk: &Desk| {
            let settings = desk.model.open_settings().unwrap();
            settings.data.actions[settings.picked().unwrap()]
        };
        while row_of(picked(desk)).word != word {
            let before = picked(desk);
            desk.arrow(Dir::Down);
            assert_ne!(picked(desk), before, "{word}");
        }
    };
    at(&mut desk, "hold");
    desk.enter();
    assert!(
        desk.screen()
            .contains("Press the key that shall do “hold”. So far it is h."),
        "\n{}",
        desk.screen()
    );
    desk.keys("p");
    assert!(desk.said().contains("“park” already"), "{}", desk.said());
    assert_eq!(desk.kept, None);
    desk.enter();
    desk.key(Key::Esc);
    assert_eq!(desk.kept, None);
    desk.enter();
    desk.keys("o");
    assert!(
        desk.said().contains("o does “hold” from now on"),
        "{}",
        desk.said()
    );
    let kept = desk.kept.clone().unwrap();
    assert_eq!(kept.keys.action(Key::Char('o')), Some(Action::Hold));
    desk.key(Key::Esc);
    desk.key(Key::Esc);
    // The board's footer and keys know it at once.
    let hints = desk.screen().lines().last().unwrap().to_owned();
    assert!(
        hints.contains("o  hold") && !hints.contains("h  hold"),
        "{hints}"
    );
    desk.keys("h");
    assert!(desk.sent.is_empty(), "{:?}", desk.sent);
    desk.keys("o");
    assert_eq!(desk.sent.len(), 1);
    // Nor does a sentence go on naming the old one.
    let mut free = Desk::new(quiet(), 80, 24);
    free.call();
    assert!(free.screen().contains("a: answer"), "\n{}", free.screen());
    free.model
        .keys
        .choose(Action::Answer, Key::Char('Z'))
        .unwrap();
    free.model.keys.choose(Action::Help, Key::F(9)).unwrap();
    free.pass(10_000);
    let screen = free.screen();
    assert!(
        screen.contains("Z: answer") && screen.contains("F9 help"),
        "\n{screen}"
    );
    assert!(
        !screen.contains("a: ") && !screen.contains("? help"),
        "\n{screen}"
    );
    // And back.
    open(&mut desk, Section::Keys);
    at(&mut desk, "hold");
    desk.keys("x");
    assert_eq!(desk.model.keys, Keymap::default());
    assert_eq!(desk.kept.unwrap().keys, Keymap::default());
}

#[test]
fn nobody_is_shown_a_key_for_what_they_have_not() {
    let mut desk = Desk::new(house().in_role(Role::ReadOnly), 120, 34);
    open(&mut desk, Section::Keys);
    let actions = &desk.model.open_settings().unwrap().data.actions;
    assert!(actions.contains(&Action::Theme));
    assert!(!actions.contains(&Action::Answer) && !actions.contains(&Action::Pair));
}

#[test]
fn colours_are_kept() {
    let mut desk = at(Section::Theme);
    desk.arrow(Dir::Down);
    desk.enter();
    assert_eq!(desk.kept.take().unwrap().theme, Some(Theme::Light));
    desk.key(Key::F(3));
    assert_eq!(desk.kept.unwrap().theme, Some(Theme::Sixteen));
}

#[test]
fn a_call_is_answered_from_the_board_and_what_was_typed_waits() {
    let mut desk = at(Section::Profile);
    desk.keys("x");
    desk.call();
    desk.pass(4_000);
    assert!(desk.screen().contains("1 waiting"), "\n{}", desk.screen());
    desk.key(Key::Ctrl('b'));
    desk.keys("a");
    assert_eq!(desk.sent.len(), 1, "answered");
    desk.keys(",");
    assert!(
        desk.screen().contains("Ada Lovelacex"),
        "\n{}",
        desk.screen()
    );
    desk.key(Key::Ctrl('c'));
    assert!(matches!(desk.model.dialog, Some(Dialog::Confirm(_))) && !desk.quit);
    assert!(
        desk.screen().contains("is not saved"),
        "\n{}",
        desk.screen()
    );
}

#[test]
fn sections_and_lines_and_hints_can_be_clicked() {
    let mut desk = admin(120, 34);
    desk.keys(",");
    let slots = desk.find("the slots", |s| *s == Spot::Section(Section::Slots));
    desk.click(slots);
    assert!(desk.screen().contains("Slot 5"), "\n{}", desk.screen());
    let third = desk.find("the third slot", |s| *s == Spot::Line(2));
    desk.click(third);
    desk.pass(1_000);
    desk.click(third);
    assert!(
        matches!(desk.model.settings.as_ref().unwrap().pane, Pane::Form(..)),
        "\n{}",
        desk.screen()
    );
    desk.keys("!");
    let people = desk.find("the people", |s| *s == Spot::Section(Section::People));
    desk.click(people);
    let screen = desk.screen();
    assert!(
        screen.contains("Leave without saving?"),
        "asked before it is lost:\n{screen}"
    );
}

#[test]
fn each_role_is_shown_what_it_has() {
    let sections = |role| {
        let mut desk = Desk::new(house().in_role(role), 120, 34);
        desk.keys(",");
        let around = desk.model.around().unwrap();
        cordboard::settings::Settings::sections(&around).count()
    };
    assert_eq!(sections(Role::Admin), Section::ALL.len());
    assert_eq!(
        sections(Role::Supervisor),
        8,
        "their own, and the people to look at"
    );
    assert_eq!(sections(Role::Operator), 7);
    assert_eq!(sections(Role::Agent), 7);
    assert_eq!(sections(Role::ReadOnly), 6, "no phone");
}

#[test]
fn a_supervisor_looks_at_people_and_changes_nobody() {
    let mut desk = Desk::new(house().in_role(Role::Supervisor), 120, 34);
    open(&mut desk, Section::People);
    desk.keys("n");
    assert!(matches!(
        desk.model.settings.as_ref().unwrap().pane,
        Pane::List(_)
    ));
    desk.keys("r");
    assert!(
        desk.said().contains("Only administrators"),
        "{}",
        desk.said()
    );
    desk.enter();
    desk.keys("zzz");
    desk.enter();
    assert!(!desk.asked.iter().any(Ask::changes));
}

#[test]
fn losing_a_right_closes_what_needs_it() {
    let mut desk = at(Section::Desk);
    desk.hear(ServerMsg::Welcome {
        version: VERSION,
        me: Me {
            id: ME,
            name: "Ada Lovelace".into(),
            role: Role::Agent,
            rights: Role::Agent.rights(),
        },
        now: MORNING,
    });
    assert!(desk.model.settings.is_none());
}

#[test]
fn help_lists_what_the_role_may_do() {
    for (role, name) in [
        (Role::Admin, "admin"),
        (Role::Agent, "agent"),
        (Role::ReadOnly, "wall"),
    ] {
        let mut desk = Desk::new(house().in_role(role), 160, 48);
        desk.keys("?");
        picture(&format!("help_{name}_160x48"), &desk);
    }
    let mut wall = Desk::new(house().in_role(Role::ReadOnly), 120, 34);
    wall.call();
    for action in [
        Action::Answer,
        Action::HangUp,
        Action::Dial,
        Action::Pair,
        Action::Mute,
        Action::Copy,
    ] {
        assert!(!wall.model.has(action), "{action:?}");
    }
    wall.keys("a");
    assert!(
        wall.sent.is_empty() && wall.said().contains("You can look at the board"),
        "{}",
        wall.said()
    );
}

#[test]
fn a_wall_says_a_caller_and_not_that_they_withhold_their_number() {
    let desk = Desk::new(busy().in_role(Role::ReadOnly), 160, 48);
    let screen = desk.screen();
    assert!(
        screen.contains("a caller") && !screen.contains("withheld") && !screen.contains("Rosa"),
        "\n{screen}"
    );
    picture("wall_160x48", &desk);
}

#[test]
fn tiles_say_when_somebody_is_back_and_who_is_not_here() {
    for (width, height) in SIZES {
        let mut desk = Desk::new(house(), width, height);
        let say = |id: u32, presence, text: &str, back: Option<i64>, online| PersonPresence {
            id: UserId(id),
            phone: desk.model.board.people[&UserId(id)].phone,
            online,
            status: Status {
                presence,
                text: text.into(),
                back_at: back.map(|ms| MORNING.plus(ms)),
            },
        };
        let people = vec![
            say(
                4,
                Presence::Away,
                "lunch",
                Some(19 * 60_000),
                Online::Online,
            ),
            say(
                6,
                Presence::Dnd,
                "closing the books",
                Some(-5 * 60_000),
                Online::Online,
            ),
            say(5, Presence::Available, "", None, Online::Offline),
            say(9, Presence::Available, "", None, Online::Unknown),
            say(11, Presence::Busy, "", Some(30 * 3_600_000), Online::Online),
        ];
        desk.hear(ServerMsg::Presence { people });
        let screen = desk.screen();
        assert!(
            screen.contains("back 10:00") && screen.contains("was to be back 09:36"),
            "\n{screen}"
        );
        assert!(
            screen.contains("lunch") && screen.contains("offline") && screen.contains("unknown"),
            "\n{screen}"
        );
        picture(&format!("status_{width}x{height}"), &desk);
    }
}

#[test]
fn groups_are_looked_at_one_by_one_and_nobody_is_lost() {
    let mut desk = Desk::new(house(), 120, 34);
    desk.keys("g");
    assert_eq!(desk.model.order, [2, 3, 7].map(UserId));
    picture("group_120x34", &desk);
    desk.keys("g");
    assert_eq!(desk.model.order.len(), 4);
    // Whoever is looked for is found in any group, and then seen.
    desk.keys("/hedy");
    desk.enter();
    assert_eq!(desk.model.order.len(), 4, "she belongs to this one");
    desk.keys("/knuth");
    desk.enter();
    assert_eq!(desk.model.order.len(), 12);
    desk.keys("ggg");
    assert_eq!(desk.model.order.len(), 12, "round again");
    desk.keys("/de");
    let Some(Dialog::Find(find)) = &desk.model.dialog else {
        panic!()
    };
    assert!(
        matches!(
            find.typed.found.first(),
            Some(cordboard::app::Found::Person(UserId(4)))
        ),
        "who speaks it first: {:?}",
        find.typed.found
    );
}

/// One thing that happens.
#[derive(Debug, Clone)]
enum Event {
    Key(Key),
    Paste(String),
    Click(usize),
    Wheel(bool),
    Answers,
    Slow(bool),
    Refuse(String),
    Meddle,
    Down,
    Up,
    Size(u16, u16),
    Rights(u8),
}

fn event() -> impl Strategy<Value = Event> {
    let keys = vec![
        Key::Enter,
        Key::Enter,
        Key::Enter,
        Key::Esc,
        Key::Tab,
        Key::BackTab,
        Key::Backspace,
        Key::Home,
        Key::End,
        Key::PageDown,
        Key::Ctrl('s'),
        Key::Ctrl('s'),
        Key::Ctrl('r'),
        Key::Ctrl('b'),
        Key::Ctrl('u'),
        Key::F(3),
        Key::F(4),
        Key::Arrow(Dir::Down),
        Key::Arrow(Dir::Down),
        Key::Arrow(Dir::Down),
        Key::Arrow(Dir::Up),
        Key::Arrow(Dir::Right),
    ];
    prop_oneof![
        12 => prop::sample::select(keys).prop_map(Event::Key),
        8 => prop::sample::select(",/nrxXyYpgud PMg1".chars().collect::<Vec<_>>()).prop_map(|c| Event::Key(Key::Char(c))),
        1 => any::<char>().prop_map(|c| Event::Key(Key::Char(c))),
        1 => any::<String>().prop_map(Event::Paste),
        6 => any::<usize>().prop_map(Event::Click),
        1 => any::<bool>().prop_map(Event::Wheel),
        3 => Just(Event::Answers),
        1 => any::<bool>().prop_map(Event::Slow),
        2 => any::<String>().prop_map(Event::Refuse),
        1 => Just(Event::Meddle),
        1 => Just(Event::Down),
        2 => Just(Event::Up),
        1 => (1_u16..170, 1_u16..50).prop_map(|(w, h)| Event::Size(w, h)),
        1 => (0_u8..6).prop_map(Event::Rights),
    ]
}

fn happen(desk: &mut Desk, event: Event) {
    match event {
        Event::Key(key) => desk.key(key),
        Event::Paste(text) => desk.tell(Msg::Paste(text)),
        Event::Click(n) => {
            let spots: Vec<Spot> = desk.drawn.hits.iter().map(|(_, s)| s.clone()).collect();
            if !spots.is_empty() {
                desk.tell(Msg::Click(spots[n % spots.len()].clone()));
            }
        }
        Event::Wheel(down) => desk.tell(Msg::Wheel(None, if down { 3 } else { -3 })),
        Event::Answers => desk.answers_come(),
        Event::Slow(on) => desk.slow = on,
        Event::Refuse(why) => {
            if let Some((number, _)) = desk.late.pop() {
                let mut trouble = Trouble::new("invalid", why.clone());
                trouble.errors.push(cordboard_core::api::FieldError {
                    field: "name".to_owned(),
                    why,
                });
                desk.tell(Msg::Answer(number, Err(trouble)));
            }
        }
        Event::Meddle => desk.office.meddled = true,
        Event::Down => desk.tell(Msg::Link(LinkNews::Closed {
            why: "gone".to_owned(),
            next: None,
        })),
        Event::Up => {
            desk.tell(Msg::Link(LinkNews::Connecting));
            desk.tell(Msg::Link(LinkNews::Open));
        }
        Event::Size(w, h) => desk.tell(Msg::Size(w, h)),
        Event::Rights(n) => {
            let role = Role::ALL.get(usize::from(n)).copied();
            let rights = role.map_or(Rights::NONE.and(Permission::House), Role::rights);
            let role = role.unwrap_or(Role::ReadOnly);
            let me = Me {
                id: ME,
                name: "Ada Lovelace".into(),
                role,
                rights,
            };
            desk.hear(ServerMsg::Welcome {
                version: VERSION,
                me,
                now: MORNING,
            });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_in_the_settings_nothing_breaks(events in prop::collection::vec(event(), 1..90), section in 0_usize..14) {
        let mut desk = admin(120, 34);
        open(&mut desk, Section::ALL[section]);
        for event in events {
            happen(&mut desk, event.clone());
            for (rect, spot) in desk.drawn.hits.iter() {
                prop_assert_eq!(rect.intersection(desk.buf.area), *rect, "{:?} after {:?}", spot, event);
            }
            if let (Some(settings), Some(around)) = (desk.model.open_settings(), desk.model.around()) {
                prop_assert!(settings.section.open_to(around.me.rights), "{:?} after {:?}", settings.section, event);
            }
        }
        clean(&desk)?;
        desk.answers_come();
        clean(&desk)?;
    }

    #[test]
    fn the_settings_are_drawn_at_any_size(w in 1_u16..=200, h in 1_u16..=60, section in 0_usize..14, deeper: bool, theme in 0_usize..4) {
        let mut desk = admin(120, 34);
        open(&mut desk, Section::ALL[section]);
        if deeper {
            desk.enter();
        }
        desk.model.theme = Theme::ALL[theme];
        desk.tell(Msg::Size(w, h));
        for (rect, spot) in desk.drawn.hits.iter() {
            prop_assert_eq!(rect.intersection(desk.buf.area), *rect, "{:?}", spot);
        }
        clean(&desk)?;
    }
}

#[test]
fn what_a_call_does_does_not_close_the_settings() {
    let mut desk = at(Section::Groups);
    let call = desk.call();
    let delta = desk.house.change(call, |card| {
        card.place.at = At::Talking {
            users: vec![UserId(2)],
        };
    });
    desk.hear(delta.unwrap());
    assert!(desk.model.open_settings().is_some());
}
