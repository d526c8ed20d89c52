//! What is seen at the door, at two sizes. The pictures are in `snapshots/`.

use cordboard::{
    app::Spot,
    ask::Trouble,
    door::{Answer, DoorMsg},
    keymap::Key,
    theme::Theme,
};
use cordboard_core::api::Front;

use crate::visitor::{SET_UP, URL, Visitor, fields, refused, seen};

fn at_every_size(name: &str, url: Option<&str>, act: fn(&mut Visitor)) {
    for (width, height) in [(80, 24), (160, 48)] {
        let mut visitor = Visitor::new(url, width, height);
        act(&mut visitor);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("door_{name}_{width}x{height}"), visitor.screen());
        });
    }
}

fn open(visitor: &mut Visitor, setup: bool, registration: bool) {
    visitor.answer(Ok(Answer::Front(Front {
        setup,
        registration,
    })));
}

#[test]
fn which_server() {
    at_every_size("address", None, |_| {});
}

#[test]
fn an_address_that_will_not_do() {
    at_every_size("address_plain", Some("http://desk.example.com"), |_| {});
}

#[test]
fn asking() {
    at_every_size("asking", Some(URL), |_| {});
}

#[test]
fn what_can_be_done() {
    at_every_size("welcome", Some(URL), |visitor| open(visitor, false, true));
}

#[test]
fn nobody_is_there() {
    at_every_size("unreachable", Some(URL), |visitor| {
        let why = "The server at https://desk.example.com cannot be reached: Connection refused. Is it running, and is that its address?";
        visitor.answer(refused(Trouble::UNREACHABLE, why));
    });
}

#[test]
fn signing_in() {
    at_every_size("sign_in", Some(URL), |visitor| {
        open(visitor, false, false);
        visitor.enter();
        visitor.fill(&["ada@example.com", "plug and chord and bell"]);
        let why = "The e-mail address or the password is wrong.";
        visitor.answer(refused("not-signed-in", why));
    });
}

#[test]
fn held_back() {
    at_every_size("throttled", Some(URL), |visitor| {
        open(visitor, false, false);
        visitor.enter();
        visitor.fill(&["ada@example.com", "plug and chord and bell"]);
        visitor.answer(Err(Trouble {
            retry_after: Some(30),
            ..Trouble::new("too-many", "Too many wrong passwords.")
        }));
        visitor.pass(7_500);
    });
}

#[test]
fn setting_up() {
    at_every_size("setup", Some(URL), |visitor| open(visitor, true, false));
}

#[test]
fn setting_up_with_everything_wrong() {
    at_every_size("setup_errors", Some(URL), |visitor| {
        open(visitor, true, false);
        visitor.fill(&["KM4T", "", "ada", "9", "short", ""]);
    });
}

#[test]
fn which_invitation() {
    at_every_size("invitation", Some(URL), |visitor| {
        open(visitor, false, false);
        visitor.keys("2");
    });
}

#[test]
fn joining() {
    at_every_size("join", Some(URL), |visitor| {
        open(visitor, false, false);
        visitor.keys("2");
        visitor.fill(&["H7RN-C3VB"]);
        visitor.answer(Ok(seen(false)));
        visitor.fill(&[
            "",
            "grace@example.com",
            "101",
            "plug and cord",
            "plug and cord",
        ]);
        visitor.answer(fields(&[(
            "person.extension",
            "101 is Ada Lovelace's extension.",
        )]));
    });
}

#[test]
fn joining_with_an_invitation_for_one() {
    at_every_size("join_personal", Some(URL), |visitor| {
        open(visitor, false, false);
        visitor.keys("2");
        visitor.fill(&["H7RN-C3VB"]);
        visitor.answer(Ok(seen(true)));
    });
}

#[test]
fn a_new_password() {
    at_every_size("reset", Some(URL), |visitor| {
        open(visitor, false, false);
        visitor.keys("3");
        visitor.fill(&[
            "X2JD-88PL",
            "plug and cord and bell",
            "plug and cord and bell",
        ]);
    });
}

#[test]
fn registering() {
    at_every_size("register", Some(URL), |visitor| {
        open(visitor, false, true);
        visitor.keys("4");
        visitor.keys("Ada");
        visitor.key(Key::Esc);
    });
}

#[test]
fn registered() {
    at_every_size("registered", Some(URL), |visitor| {
        open(visitor, false, true);
        visitor.keys("4");
        let words = "plug and cord and bell";
        visitor.fill(&["Ada Lovelace", "ada@example.com", "101", words, words]);
        visitor.answer(Ok(Answer::Registered));
    });
}

#[test]
fn small_screens_have_the_same_door_and_smaller_ones_a_sentence() {
    let mut visitor = Visitor::at(SET_UP, 40, 12);
    visitor.click(&Spot::Line(0));
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("door_sign_in_40x12", visitor.screen());
    });
    let visitor = Visitor::at(SET_UP, 39, 12);
    assert!(
        visitor.says("Cordboard needs 40 × 12 cells."),
        "{}",
        visitor.screen()
    );
}

#[test]
fn every_theme_has_every_page() {
    for theme in Theme::ALL {
        let mut visitor = Visitor::new(Some(URL), 80, 24);
        visitor.door.theme = theme;
        visitor.draw();
        let asking = visitor.screen();
        open(&mut visitor, true, true);
        visitor.tell(DoorMsg::Paste("KM4T".to_owned()));
        visitor.draw();
        assert!(
            asking.contains("asking") && visitor.screen().contains("KM4T"),
            "{theme:?}"
        );
    }
}
