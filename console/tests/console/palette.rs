//! Doing things by their name.

use cordboard::{
    app::{Choice, Dialog, Offer},
    ask::Ask,
    keymap::{Action, Dir, Key},
    settings::{Pane, Section},
};
use cordboard_core::{
    machine::Intent,
    policy::Role,
    wire::{Me, Order, ServerMsg, VERSION},
};

use crate::{
    desk::{Desk, MORNING, busy, quiet},
    scene::House,
};

fn desk(house: House) -> Desk {
    Desk::new(house, 100, 30)
}

fn found(desk: &Desk) -> Vec<Choice> {
    match &desk.model.dialog {
        Some(Dialog::Palette(palette)) => palette.typed.found.clone(),
        other => panic!("{other:?}"),
    }
}

fn picked(desk: &Desk) -> Option<usize> {
    match &desk.model.dialog {
        Some(Dialog::Palette(palette)) => palette.typed.picked,
        other => panic!("{other:?}"),
    }
}

fn everything(role: Role) -> Vec<Choice> {
    let mut desk = desk(quiet().in_role(role));
    desk.keys(":");
    found(&desk)
}

#[test]
fn each_role_finds_what_it_has_and_nothing_else() {
    let admin = everything(Role::Admin);
    for choice in [
        Choice::Do(Action::Transfer),
        Choice::Open(Section::People),
        Choice::Open(Section::Numbers),
    ] {
        assert!(admin.contains(&choice), "{choice:?}");
    }
    let operator = everything(Role::Operator);
    assert!(operator.contains(&Choice::Do(Action::Transfer)));
    assert!(operator.contains(&Choice::Open(Section::Password)));
    assert!(!operator.contains(&Choice::Open(Section::People)));
    let wall = everything(Role::ReadOnly);
    assert!(wall.contains(&Choice::Do(Action::Theme)));
    for choice in &wall {
        assert!(
            !matches!(
                choice,
                Choice::Do(Action::Transfer | Action::Answer | Action::Dial | Action::Pair)
                    | Choice::Open(Section::Phone | Section::People | Section::Desk)
            ),
            "{choice:?}"
        );
    }
}

#[test]
fn what_is_typed_finds_by_key_by_name_and_by_what_it_is_for() {
    let first = |text: &str| {
        let mut desk = desk(quiet().in_role(Role::Admin));
        desk.keys(":");
        desk.keys(text);
        found(&desk).first().copied()
    };
    assert_eq!(first("p"), Some(Choice::Do(Action::Park)));
    assert_eq!(first("P"), Some(Choice::Do(Action::Pair)));
    assert_eq!(first("F3"), Some(Choice::Do(Action::Theme)));
    assert_eq!(first("hang"), Some(Choice::Do(Action::HangUp)));
    assert_eq!(first("trnsf"), Some(Choice::Do(Action::Transfer)));
    assert_eq!(first("invit"), Some(Choice::Open(Section::Invitations)));
    assert_eq!(first("clipboard"), Some(Choice::Do(Action::Copy)));
    assert_eq!(first("xyzzy"), None);
}

#[test]
fn what_is_chosen_is_done_as_by_its_key() {
    let mut by_key = desk(busy());
    by_key.keys("h");
    let mut by_name = desk(busy());
    by_name.keys(":hold");
    let Offer::Yes { sentence, .. } = by_name.model.offer(Action::Hold) else {
        panic!("{}", by_name.screen());
    };
    assert!(
        by_name.screen().contains(&format!("Enter: {sentence}")),
        "\n{}",
        by_name.screen()
    );
    by_name.enter();
    let orders =
        |desk: &Desk| -> Vec<Order> { desk.sent.iter().map(|c| c.order.clone()).collect() };
    assert!(
        matches!(
            &orders(&by_name)[..],
            [Order::Call {
                intent: Intent::Hold,
                ..
            }]
        ),
        "{:?}",
        by_name.sent
    );
    assert_eq!(orders(&by_name), orders(&by_key));
    assert_eq!(by_name.model.dialog, None);
}

#[test]
fn enter_alone_does_nothing_and_a_refusal_says_why_and_stays() {
    let mut desk = desk(quiet());
    desk.keys(":");
    desk.enter();
    assert!(matches!(desk.model.dialog, Some(Dialog::Palette(_))));
    desk.keys("hold");
    assert!(
        desk.screen().contains("no: You have no call"),
        "\n{}",
        desk.screen()
    );
    desk.enter();
    assert!(matches!(desk.model.dialog, Some(Dialog::Palette(_))));
    assert!(desk.said().contains("You have no call"), "{}", desk.said());
    assert!(desk.sent.is_empty());
    desk.key(Key::Esc);
    assert_eq!(desk.model.dialog, None);
}

#[test]
fn a_section_of_the_settings_opens_by_its_name() {
    let mut desk = desk(quiet().in_role(Role::Admin));
    desk.keys(":grou");
    assert_eq!(found(&desk).first(), Some(&Choice::Open(Section::Groups)));
    desk.arrow(Dir::Down);
    desk.arrow(Dir::Up);
    desk.enter();
    let settings = desk.model.open_settings().unwrap();
    assert_eq!(settings.section, Section::Groups);
    assert!(
        matches!(settings.pane, Pane::List(_)),
        "{:?}",
        settings.pane
    );
    assert_eq!(desk.asked, [Ask::Groups]);
}

#[test]
fn what_is_typed_in_the_settings_is_not_thrown_away_by_it() {
    let mut desk = desk(quiet().in_role(Role::Admin));
    desk.keys(":profile");
    desk.enter();
    desk.keys("!");
    desk.key(Key::Ctrl('b'));
    desk.keys(":slots");
    desk.enter();
    let settings = desk.model.open_settings().unwrap();
    assert_eq!(settings.section, Section::Profile);
    assert!(settings.unsaved());
}

#[test]
fn up_from_the_first_line_is_back_to_the_empty_one() {
    let mut desk = desk(quiet());
    desk.keys(":");
    desk.arrow(Dir::Down);
    assert_eq!(picked(&desk), Some(0));
    desk.arrow(Dir::Up);
    assert_eq!(picked(&desk), None, "Enter does nothing again");
    desk.keys("co");
    desk.arrow(Dir::Up);
    assert_eq!(picked(&desk), Some(0), "what is typed means one of them");
}

#[test]
fn what_can_be_chosen_follows_the_rights_while_the_palette_is_open() {
    let mut desk = desk(quiet().in_role(Role::Admin));
    desk.keys(":");
    assert!(found(&desk).contains(&Choice::Open(Section::People)));
    let me = desk.model.me.clone().unwrap();
    desk.hear(ServerMsg::Welcome {
        version: VERSION,
        me: Me {
            role: Role::ReadOnly,
            rights: Role::ReadOnly.rights(),
            ..me
        },
        now: MORNING,
    });
    assert!(!found(&desk).contains(&Choice::Open(Section::People)));
}
