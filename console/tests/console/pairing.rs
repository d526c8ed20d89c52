//! Pairing a phone page, letting it in, and what is known of it then.

use cordboard::{
    app::{Dialog, LinkNews, Msg},
    ask::Ask,
    keymap::{Dir, Key},
    theme::Theme,
};
use cordboard_core::{
    ids::SessionId,
    wire::{ClientMsg, PageOrder, PageState, PairingAsk, ServerMsg},
};
use ratatui::style::Color;

use crate::desk::{Desk, MORNING, quiet};

fn desk(width: u16, height: u16) -> Desk {
    Desk::new(quiet(), width, height)
}

fn picture(name: &str, desk: &Desk) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, desk.screen());
    });
}

fn asks() -> ServerMsg {
    ServerMsg::Pairing {
        asks: Some(PairingAsk {
            pairing: "000000000000005b".parse().unwrap(),
            device: "Firefox on Linux".into(),
            address: "192.0.2.7".into(),
            check: "42".into(),
            until: MORNING.plus(300_000),
        }),
    }
}

fn page_id() -> SessionId {
    "00000000000000aa".parse().unwrap()
}

fn page(here: bool, muted: Option<bool>) -> ServerMsg {
    ServerMsg::Pages {
        pages: vec![PageState {
            page: page_id(),
            device: "Firefox on Linux".into(),
            here,
            ready: true,
            active: true,
            muted,
            call: None,
            trouble: None,
            quality: None,
        }],
    }
}

#[test]
fn a_code_is_shown_large_and_to_be_scanned() {
    for (width, height) in [(80, 24), (160, 48), (48, 20)] {
        let mut desk = desk(width, height);
        desk.keys("P");
        picture(&format!("pair_{width}x{height}"), &desk);
        assert!(desk.screen().contains("WDJB-MJHT"), "\n{}", desk.screen());
    }
}

#[test]
fn a_code_can_be_read_by_a_camera_in_every_theme() {
    for theme in Theme::ALL {
        let mut desk = desk(80, 24);
        desk.model.theme = theme;
        desk.keys("P");
        let (black, white) = match theme {
            Theme::Dark | Theme::Light => (Color::Rgb(0, 0, 0), Color::Rgb(255, 255, 255)),
            Theme::Sixteen | Theme::Mono => (Color::Black, Color::White),
        };
        let paper = |x: u16, y: u16| desk.buf[(x, y)].fg == black && desk.buf[(x, y)].bg == white;
        // 29 modules and a quiet zone of 4 on each side; two to a cell, one above the other.
        let all = |x: u16, y: u16| (0..19).all(|dy| (0..37).all(|dx| paper(x + dx, y + dy)));
        let area = desk.buf.area;
        let inside =
            |p: &ratatui::layout::Position| p.x + 37 <= area.width && p.y + 19 <= area.height;
        let top = area.positions().filter(inside).find(|p| all(p.x, p.y));
        let top = top.unwrap_or_else(|| panic!("no paper in {theme:?}:\n{}", desk.screen()));
        // Round it the paper is white: no module touches what is around.
        assert!((0..37).all(|x| desk.buf[(top.x + x, top.y)].symbol() == " "));
    }
}

#[test]
fn a_code_counts_down_runs_out_and_is_dropped_when_its_window_closes() {
    let mut desk = desk(120, 34);
    desk.keys("P");
    desk.pass(61_000);
    assert!(
        desk.screen().contains("holds for 8:59"),
        "\n{}",
        desk.screen()
    );
    desk.keys("y");
    assert_eq!(desk.copied, ["https://desk.example.com/phone#WDJB-MJHT"]);
    desk.pass(540_000);
    assert!(
        desk.screen().contains("has run out") && !desk.screen().contains("WDJB"),
        "\n{}",
        desk.screen()
    );
    desk.keys("n");
    assert_eq!(desk.asked.iter().filter(|a| **a == Ask::Pair).count(), 2);
    desk.key(Key::Esc);
    assert!(
        matches!(desk.asked.last(), Some(Ask::Refuse(_))),
        "{:?}",
        desk.asked
    );
    assert!(!format!("{:?}", desk.model).contains("WDJB"));
}

#[test]
fn whoever_asks_is_let_in_only_by_a_meant_yes() {
    for (width, height) in [(80, 24), (160, 48)] {
        let mut desk = desk(width, height);
        desk.keys("P");
        desk.hear(asks());
        // The hand was still on the window before.
        desk.keys("y");
        assert_eq!(desk.asked, [Ask::Pair]);
        desk.pass(1_000);
        picture(&format!("admit_{width}x{height}"), &desk);
        desk.enter();
        desk.key(Key::Char(' '));
        assert_eq!(desk.asked, [Ask::Pair], "Enter is no answer");
        desk.keys("y");
        assert_eq!(
            desk.asked.last(),
            Some(&Ask::Confirm("000000000000005b".parse().unwrap()))
        );
        assert!(desk.said().contains("let in"), "{}", desk.said());
        assert!(desk.model.dialog.is_none());
    }
}

#[test]
fn a_page_is_kept_out_or_looked_at_later() {
    let mut desk = desk(120, 34);
    desk.hear(asks());
    desk.pass(1_000);
    desk.key(Key::Esc);
    assert!(
        desk.screen().contains("asks to be let in: P looks at it"),
        "\n{}",
        desk.screen()
    );
    desk.keys("P");
    assert!(matches!(desk.model.dialog, Some(Dialog::Admit(_))));
    desk.pass(1_000);
    desk.keys("n");
    assert_eq!(
        desk.asked,
        [Ask::Refuse("000000000000005b".parse().unwrap())]
    );
    desk.hear(ServerMsg::Pairing { asks: None });
    assert!(!desk.screen().contains("asks to be let in"));
}

#[test]
fn a_page_that_asks_takes_nothing_out_of_anybodys_hands() {
    let mut desk = desk(120, 34);
    desk.call();
    desk.keys("a");
    desk.pass(1_000);
    desk.keys("m");
    desk.hear(asks());
    assert!(desk.model.carry.is_some() && desk.model.dialog.is_none());
    desk.key(Key::Esc);
    desk.keys("tgra");
    desk.hear(ServerMsg::Pairing { asks: None });
    desk.hear(asks());
    assert!(
        matches!(desk.model.dialog, Some(Dialog::Find(_))),
        "\n{}",
        desk.screen()
    );
    assert!(
        desk.screen().contains("F4 looks at it"),
        "\n{}",
        desk.screen()
    );
    desk.key(Key::F(4));
    assert!(matches!(desk.model.dialog, Some(Dialog::Admit(_))));
}

#[test]
fn the_microphone_is_off_when_the_page_has_said_so() {
    let mut desk = desk(120, 34);
    desk.keys("M");
    assert!(
        desk.said().contains("No phone page is paired"),
        "{}",
        desk.said()
    );
    desk.hear(page(true, Some(false)));
    assert!(
        desk.screen().contains("● phone ready"),
        "\n{}",
        desk.screen()
    );
    desk.keys("M");
    let order = ClientMsg::Page {
        page: page_id(),
        order: PageOrder::Mute { on: true },
    };
    assert_eq!(desk.orders, [order]);
    assert!(
        desk.screen().contains("muting…") && !desk.screen().contains("phone muted"),
        "\n{}",
        desk.screen()
    );
    desk.keys("M");
    assert_eq!(desk.orders.len(), 1, "asked once");
    desk.hear(page(true, Some(true)));
    assert!(desk.screen().contains("phone muted"), "\n{}", desk.screen());
    desk.keys("M");
    desk.pass(3_500);
    assert!(
        desk.said()
            .contains("has not said that its microphone is on"),
        "{}",
        desk.said()
    );
    assert!(
        desk.screen().contains("phone muted"),
        "as it has said last:\n{}",
        desk.screen()
    );
    desk.hear(page(false, Some(true)));
    assert!(
        desk.screen().contains("phone not reachable"),
        "\n{}",
        desk.screen()
    );
}

#[test]
fn without_a_link_no_page_is_paired_or_let_in() {
    let mut desk = desk(120, 34);
    desk.hear(asks());
    desk.pass(1_000);
    desk.tell(Msg::Link(LinkNews::Closed {
        why: "gone".to_owned(),
        next: None,
    }));
    desk.keys("y");
    assert!(
        desk.asked.is_empty() && desk.said().contains("nobody can be let in"),
        "{}",
        desk.said()
    );
    desk.key(Key::Esc);
    desk.hear(ServerMsg::Pairing { asks: None });
    desk.arrow(Dir::Down);
    desk.keys("P");
    assert!(
        desk.asked.is_empty() && desk.said().contains("Not connected"),
        "{}",
        desk.said()
    );
}
