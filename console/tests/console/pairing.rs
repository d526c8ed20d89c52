//! Pairing a phone page, letting it in, and what is known of it then.

use cordboard::{
    app::{Cmd, Dialog, LinkNews, Msg, update},
    ask::Ask,
    keymap::{Dir, Key},
    theme::Theme,
};
use cordboard_core::{
    ids::{CallId, SessionId},
    machine::PhonePage,
    wire::{
        ClientMsg, PageOrder, PageState, PageTrouble, PairingAsk, PersonPresence, Quality,
        QualityWarning, ServerMsg,
    },
};
use ratatui::style::Color;

use crate::{
    desk::{Desk, MORNING, quiet},
    scene::ME,
};

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

/// A page that is its person's phone, and well.
fn well() -> PageState {
    PageState {
        page: page_id(),
        device: "Firefox on Linux".into(),
        here: true,
        ready: true,
        active: true,
        muted: Some(false),
        call: None,
        trouble: None,
        quality: None,
    }
}

fn ill(trouble: PageTrouble) -> PageState {
    PageState {
        ready: false,
        trouble: Some(trouble),
        ..well()
    }
}

/// Another one, that is not the phone.
fn beside() -> PageState {
    PageState {
        page: "00000000000000bb".parse().unwrap(),
        device: "Chrome on Android".into(),
        active: false,
        ..well()
    }
}

fn lossy(call: CallId) -> PageState {
    PageState {
        call: Some(call),
        quality: Some(Quality {
            rtt_ms: 40,
            jitter_ms: 5,
            loss_percent: 3,
            warning: Some(QualityWarning::HighLoss),
        }),
        ..well()
    }
}

fn pages(pages: Vec<PageState>) -> ServerMsg {
    ServerMsg::Pages { pages }
}

fn page(here: bool, muted: Option<bool>) -> ServerMsg {
    pages(vec![PageState {
        here,
        muted,
        ..well()
    }])
}

/// What everybody is told of my phone.
fn my_phone(desk: &Desk, phone: PhonePage) -> ServerMsg {
    let me = &desk.model.board.people[&ME];
    ServerMsg::Presence {
        people: vec![PersonPresence {
            id: ME,
            phone,
            online: me.online,
            status: me.status.clone(),
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
        desk.screen().contains("phone silent"),
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

#[test]
fn what_stands_in_the_way_of_my_page_is_said_on_the_board() {
    for trouble in [
        PageTrouble::Asleep,
        PageTrouble::MicrophoneDenied,
        PageTrouble::NoMicrophone,
        PageTrouble::Carrier,
        PageTrouble::NoNetworkAudio,
        PageTrouble::Insecure,
    ] {
        let mut desk = desk(80, 24);
        desk.hear(pages(vec![ill(trouble)]));
        let screen = desk.screen();
        assert!(screen.contains("◌ phone not ready"), "\n{screen}");
        assert!(screen.contains(trouble.advice()), "\n{screen}");
        desk.hear(pages(vec![well()]));
        let screen = desk.screen();
        assert!(screen.contains("● phone ready"), "\n{screen}");
        assert!(!screen.contains(trouble.advice()), "\n{screen}");
    }
}

#[test]
fn of_a_silent_page_nothing_is_claimed() {
    let mut desk = desk(100, 30);
    let gone = PageState {
        here: false,
        quality: Some(Quality {
            warning: Some(QualityWarning::HighRtt),
            ..Quality::default()
        }),
        ..ill(PageTrouble::NoMicrophone)
    };
    desk.hear(pages(vec![gone]));
    let screen = desk.screen();
    assert!(screen.contains("○ phone silent"), "\n{screen}");
    assert!(screen.contains("fallen silent"), "\n{screen}");
    desk.keys("P");
    let screen = desk.screen();
    assert!(screen.contains("Firefox on Linux: silent"), "\n{screen}");
    assert!(
        !screen.contains("microphone") && !screen.contains("slow line"),
        "\n{screen}"
    );
}

#[test]
fn a_page_that_is_not_ready_and_says_no_more_is_not_explained() {
    let mut desk = desk(100, 30);
    desk.hear(pages(vec![PageState {
        ready: false,
        ..well()
    }]));
    assert!(
        desk.screen().contains("has not said why"),
        "\n{}",
        desk.screen()
    );
}

#[test]
fn every_page_of_this_console_is_listed_as_it_has_said_it_is() {
    for (width, height) in [(80, 24), (160, 48)] {
        let mut desk = desk(width, height);
        let call = desk.call();
        let silent = PageState {
            page: "00000000000000cc".parse().unwrap(),
            device: "Safari on iPad".into(),
            here: false,
            ..beside()
        };
        let ill = PageState {
            muted: Some(true),
            active: false,
            page: beside().page,
            device: beside().device,
            ..ill(PageTrouble::NoMicrophone)
        };
        desk.hear(pages(vec![ill, silent, lossy(call)]));
        desk.keys("P");
        assert!(desk.asked.is_empty(), "a code is made when it is wanted");
        picture(&format!("pages_{width}x{height}"), &desk);
        desk.enter();
        assert!(desk.asked.is_empty(), "Enter is no answer");
        desk.keys("n");
        assert_eq!(desk.asked, [Ask::Pair]);
        assert!(desk.screen().contains("WDJB-MJHT"), "\n{}", desk.screen());
    }
}

#[test]
fn more_pages_than_fit_are_counted() {
    let mut desk = desk(80, 24);
    let many = (1..=9).map(|n| PageState {
        page: format!("{n:016x}").parse().unwrap(),
        active: n == 9,
        device: format!("Page {n}").as_str().into(),
        ..well()
    });
    desk.hear(pages(many.collect()));
    desk.keys("P");
    let screen = desk.screen();
    assert!(
        screen.contains("Page 9: ready · your phone"),
        "it comes first\n{screen}"
    );
    let shown = screen.matches(": ready · ").count();
    assert!(shown < 9);
    assert!(
        screen.contains(&format!("and {} more", 9 - shown)),
        "\n{screen}"
    );
}

#[test]
fn a_page_that_asks_comes_before_the_list_of_them() {
    let mut desk = desk(100, 30);
    desk.hear(pages(vec![well()]));
    desk.keys("P");
    assert!(matches!(desk.model.dialog, Some(Dialog::Pages)));
    desk.hear(asks());
    assert!(matches!(desk.model.dialog, Some(Dialog::Admit(_))));
}

#[test]
fn the_settings_pair_another_page_at_once() {
    let mut desk = desk(100, 30);
    desk.hear(pages(vec![well()]));
    desk.keys(",p");
    for _ in 0..4 {
        if !desk.screen().contains("Enter shows a code") {
            desk.keys("p");
            desk.enter();
        }
    }
    assert!(
        desk.screen().contains("Firefox on Linux: ready"),
        "\n{}",
        desk.screen()
    );
    desk.enter();
    assert_eq!(desk.asked.last(), Some(&Ask::Pair));
}

#[test]
fn a_bad_line_is_seen_on_the_call_for_as_long_as_it_is_bad() {
    let mut desk = desk(120, 34);
    let call = desk.call();
    desk.keys("a");
    desk.pass(2_000);
    desk.hear(pages(vec![lossy(call)]));
    let screen = desk.screen();
    let line = screen.lines().find(|l| l.contains("talking"));
    assert!(
        line.is_some_and(|l| l.contains("▲ words are lost")),
        "\n{screen}"
    );
    desk.hear(pages(vec![PageState {
        here: false,
        ..lossy(call)
    }]));
    assert!(
        !desk.screen().contains("words are lost"),
        "it is silent:\n{}",
        desk.screen()
    );
    let mut fair = lossy(call);
    fair.quality = Some(Quality {
        warning: None,
        ..fair.quality.unwrap()
    });
    desk.hear(pages(vec![lossy(call)]));
    desk.hear(pages(vec![fair]));
    assert!(
        !desk.screen().contains("words are lost"),
        "\n{}",
        desk.screen()
    );
}

#[test]
fn the_active_page_is_muted_and_no_other() {
    let mut desk = desk(120, 34);
    let busy = PageState {
        call: Some(desk.call()),
        ..beside()
    };
    desk.hear(pages(vec![busy.clone(), well()]));
    desk.keys("M");
    let order = ClientMsg::Page {
        page: page_id(),
        order: PageOrder::Mute { on: true },
    };
    assert_eq!(desk.orders, [order]);
    desk.hear(pages(vec![busy]));
    desk.keys("M");
    assert_eq!(desk.orders.len(), 1);
    assert!(desk.said().contains("another page"), "{}", desk.said());
}

#[test]
fn a_page_of_another_console_is_not_taken_for_one_of_these() {
    let mut desk = desk(120, 34);
    desk.hear(pages(vec![beside()]));
    assert!(
        desk.screen().contains("● phone: another page"),
        "\n{}",
        desk.screen()
    );
    let gone = my_phone(&desk, PhonePage::Unreachable);
    desk.hear(gone);
    assert!(
        desk.screen().contains("◌ phone: another page, not ready"),
        "\n{}",
        desk.screen()
    );
    desk.keys("P");
    assert!(
        desk.screen().contains("a page of another console"),
        "\n{}",
        desk.screen()
    );
}

#[test]
fn a_call_that_a_page_cannot_take_is_refused_with_what_to_do() {
    let mut desk = desk(120, 34);
    desk.call();
    let gone = my_phone(&desk, PhonePage::Unreachable);
    desk.hear(gone);
    desk.keys("a");
    assert!(desk.said().contains("Open it"), "{}", desk.said());
    desk.hear(pages(vec![ill(PageTrouble::Asleep)]));
    desk.keys("a");
    assert!(
        desk.said().ends_with(PageTrouble::Asleep.advice()) && !desk.said().contains("Open it"),
        "{}",
        desk.said()
    );
    desk.hear(pages(vec![PageState {
        here: false,
        ..ill(PageTrouble::Asleep)
    }]));
    desk.keys("a");
    assert!(desk.said().contains("Open it"), "{}", desk.said());
}

#[test]
fn what_the_server_refuses_for_my_page_is_told_by_its_code_and_not_by_its_words() {
    for (code, why, advised) in [
        ("no-page", "Not now.", true),
        ("refused", "That call has nowhere to go.", false),
    ] {
        let mut desk = desk(120, 34);
        desk.call();
        let ready = my_phone(&desk, PhonePage::Ready);
        desk.hear(ready);
        let cmds = update(&mut desk.model, Msg::Key(Key::Char('a')));
        let [Cmd::Send(ClientMsg::Do(command))] = cmds.as_slice() else {
            panic!("{cmds:?}")
        };
        let id = command.id.clone();
        // The page has fallen asleep meanwhile.
        let gone = my_phone(&desk, PhonePage::Unreachable);
        desk.hear(gone);
        desk.hear(pages(vec![ill(PageTrouble::Asleep)]));
        desk.hear(ServerMsg::No {
            id,
            code: code.to_owned(),
            why: why.to_owned(),
        });
        let said = desk.said();
        assert_eq!(
            said.contains(PageTrouble::Asleep.advice()),
            advised,
            "{said}"
        );
        assert_eq!(said.contains(why), !advised, "{said}");
    }
}

#[test]
fn a_link_without_a_microphone_is_not_shown_but_the_way_to_one_is() {
    for (width, height) in [(80, 24), (160, 48), (48, 20)] {
        let mut desk = desk(width, height);
        desk.office.link = "http://desk.lan:8080/phone".to_owned();
        desk.keys("P");
        picture(&format!("pair_deaf_{width}x{height}"), &desk);
        let screen = desk.screen();
        assert!(
            screen.contains("WDJB-MJHT") && screen.contains("CORDBOARD_PUBLIC_URL=https://…"),
            "\n{screen}"
        );
        assert!(!screen.contains("http://desk.lan"), "\n{screen}");
        assert!(screen.contains("http://localhost:8080/phone"), "\n{screen}");
        assert!(!paper(&desk), "\n{screen}");
        desk.keys("y");
        assert!(desk.copied.is_empty());
        desk.hear(asks());
        assert!(
            matches!(desk.model.dialog, Some(Dialog::Admit(_))),
            "the code works"
        );
    }
}

#[test]
fn a_link_of_this_machine_is_no_picture_for_a_telephone() {
    for (width, height) in [(80, 24), (160, 48)] {
        let mut desk = desk(width, height);
        desk.office.link = "http://127.0.0.1:8080/phone".to_owned();
        desk.keys("P");
        picture(&format!("pair_here_{width}x{height}"), &desk);
        let screen = desk.screen();
        assert!(
            screen.contains("http://127.0.0.1:8080/phone") && screen.contains("WDJB-MJHT"),
            "\n{screen}"
        );
        assert!(screen.contains("this machine only"), "\n{screen}");
        assert!(!paper(&desk), "\n{screen}");
        desk.keys("y");
        assert_eq!(desk.copied, ["http://127.0.0.1:8080/phone#WDJB-MJHT"]);
    }
}

/// Whether there is a code for a camera.
fn paper(desk: &Desk) -> bool {
    let white = Color::Rgb(255, 255, 255);
    desk.buf.content().iter().any(|cell| cell.bg == white)
}
