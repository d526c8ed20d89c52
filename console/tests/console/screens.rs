//! What is seen at the turning points, at three sizes. The pictures are in `snapshots/`.

use cordboard::{
    app::{LinkNews, Msg},
    keymap::Key,
};
use cordboard_core::{
    board::{At, DropTarget},
    ids::UserId,
};

use crate::{
    desk::{Desk, MORNING, busy, quiet},
    scene::House,
};

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 34), (200, 60)];

fn at_every_size(name: &str, house: fn() -> House, act: fn(&mut Desk)) {
    for (width, height) in SIZES {
        let mut desk = Desk::new(house(), width, height);
        act(&mut desk);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("{name}_{width}x{height}"), desk.screen());
        });
    }
}

#[test]
fn idle() {
    at_every_size("idle", quiet, |_| {});
}

#[test]
fn ringing() {
    at_every_size("ringing", quiet, |desk| {
        desk.call();
        desk.pass(7_000);
    });
}

#[test]
fn talking() {
    at_every_size("talking", quiet, |desk| {
        desk.call();
        desk.key(Key::Char('a'));
        desk.pass(1_000);
        desk.pass(11_000);
    });
}

#[test]
fn a_busy_morning() {
    at_every_size("busy", busy, |_| {});
}

#[test]
fn carried_over_somebody_who_can_take_it() {
    at_every_size("carry_legal", busy, |desk| {
        let call = desk.in_place(|at| matches!(at, At::Queued { .. }));
        desk.tell(Msg::Lift(call, (30, 10)));
        desk.tell(Msg::Over(Some(DropTarget::Person(UserId(8))), (30, 10)));
    });
}

#[test]
fn carried_over_somebody_who_cannot() {
    at_every_size("carry_illegal", busy, |desk| {
        let call = desk.in_place(|at| matches!(at, At::Queued { .. }));
        desk.tell(Msg::Lift(call, (30, 10)));
        desk.tell(Msg::Over(Some(DropTarget::Person(UserId(9))), (30, 10)));
    });
}

#[test]
fn parked() {
    at_every_size("parked", quiet, |desk| {
        desk.call();
        desk.key(Key::Char('a'));
        desk.pass(1_000);
        desk.keys("p2");
        desk.pass(1_000);
        desk.pass(30_000);
    });
}

#[test]
fn the_link_is_down() {
    at_every_size("down", busy, |desk| {
        let why =
            "The server at http://127.0.0.1:8080 cannot be reached: connection refused.".to_owned();
        desk.tell(Msg::Link(LinkNews::Closed {
            why,
            next: Some(MORNING.plus(15_000)),
        }));
        desk.tell(Msg::Time(MORNING.plus(12_000)));
    });
}

#[test]
fn help() {
    at_every_size("help", busy, |desk| desk.keys("?"));
}

#[test]
fn sending_by_name() {
    at_every_size("search", busy, |desk| desk.keys("tho"));
}

#[test]
fn choosing_a_slot() {
    at_every_size("park", busy, |desk| desk.keys("p"));
}

#[test]
fn too_small_for_a_board() {
    let desk = Desk::new(busy(), 30, 8);
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("sentence_30x8", desk.screen());
    });
}
