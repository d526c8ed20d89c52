//! What people do at the door.

use cordboard::{
    app::Spot,
    ask::Trouble,
    door::{Answer, DoorCmd, DoorMsg, Page, Request},
    form::Part,
    keymap::{Action, Dir, Key},
    theme::Theme,
};
use cordboard_core::api::{
    Front, InvitationLook, Join, Newcomer, Reset, SessionKind, Setup, SignIn,
};

use crate::visitor::{SET_UP, URL, Visitor, fields, refused, seen, tokens};

/// Nobody has set it up.
const NEW: Front = Front {
    setup: true,
    registration: false,
};

/// People may register.
const OPEN: Front = Front {
    setup: false,
    registration: true,
};

const WORDS: &str = "plug and cord and bell";

fn visitor() -> Visitor {
    Visitor::at(SET_UP, 80, 24)
}

/// At the page to sign in.
fn signing_in() -> Visitor {
    let mut visitor = visitor();
    visitor.enter();
    visitor
}

fn entered(visitor: &Visitor) -> bool {
    let entered = |cmd: &DoorCmd| matches!(cmd, DoorCmd::Enter(url, _) if url.as_str() == "https://desk.example.com/");
    visitor.done.iter().any(entered)
}

#[test]
fn somebody_signs_in() {
    let mut visitor = signing_in();
    visitor.fill(&[" Ada@Example.com ", WORDS]);
    let asked = Request::SignIn(SignIn {
        email: "Ada@Example.com".to_owned(),
        password: WORDS.into(),
        device: "Console on desk-3".to_owned(),
        kind: SessionKind::Console,
    });
    assert_eq!(*visitor.last(), asked);
    assert!(visitor.says("asking the server…"), "{}", visitor.screen());
    visitor.answer(Ok(tokens()));
    assert!(entered(&visitor));
    let said = format!("{:?} {:?} {:?}", visitor.done, visitor.asked, visitor.door);
    assert!(!said.contains("secret.token"), "{said}");
    assert!(!said.contains("bell"), "{said}");
}

#[test]
fn a_wrong_password_is_typed_again_and_nothing_else() {
    let mut visitor = signing_in();
    visitor.fill(&["ada@example.com", "plug and chord"]);
    let why = "The e-mail address or the password is wrong.";
    visitor.answer(refused("not-signed-in", why));
    assert!(visitor.says(&format!("! {why}")), "{}", visitor.screen());
    visitor.fill(&[WORDS]);
    match visitor.last() {
        Request::SignIn(asked) => {
            assert_eq!(
                (&*asked.email, &*asked.password),
                ("ada@example.com", WORDS)
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(!visitor.says(why), "that was the other password");
}

#[test]
fn what_is_plainly_wrong_is_not_even_asked() {
    let mut visitor = signing_in();
    visitor.fill(&["ada", ""]);
    assert_eq!(visitor.asked.len(), 1, "only what can be done here");
    assert!(
        visitor.says("! This is no e-mail address."),
        "{}",
        visitor.screen()
    );
    assert!(
        visitor.says("! Type your password."),
        "{}",
        visitor.screen()
    );
}

#[test]
fn whoever_tries_too_often_sees_the_clock_and_is_held_until_it_has_run_down() {
    let mut visitor = signing_in();
    visitor.fill(&["ada@example.com", "wrong"]);
    visitor.answer(Err(Trouble {
        retry_after: Some(12),
        ..Trouble::new("too-many", "Too many wrong passwords.")
    }));
    assert!(
        visitor.says("! Too many wrong passwords. Try again in 12 s."),
        "{}",
        visitor.screen()
    );
    let questions = visitor.asked.len();
    visitor.pass(1_000);
    assert!(visitor.says("Try again in 11 s."), "{}", visitor.screen());
    visitor.key(Key::Ctrl('s'));
    visitor.press(Part::Submit);
    visitor.enter();
    // Leaving the page is no way round it.
    visitor.key(Key::Esc);
    visitor.keys("y1");
    visitor.fill(&["ada@example.com", WORDS]);
    assert_eq!(visitor.asked.len(), questions);
    assert!(visitor.says("Try again in"), "{}", visitor.screen());
    assert_eq!(
        visitor.door.next_change().since(visitor.door.now),
        1_000,
        "the clock is painted when it changes"
    );
    visitor.pass(12_000);
    assert!(!visitor.says("Try again"), "{}", visitor.screen());
    visitor.enter();
    assert_eq!(visitor.asked.len(), questions + 1);
    assert_eq!(visitor.door.next_change().since(visitor.door.now), 60_000);
}

#[test]
fn time_alone_draws_nothing() {
    let mut visitor = signing_in();
    visitor.door.dirty = false;
    visitor.pass(30_000);
    assert!(!visitor.door.dirty);
}

#[test]
fn a_new_server_begins_with_being_set_up() {
    let mut visitor = Visitor::at(NEW, 80, 24);
    assert_eq!(*visitor.page(), Page::Setup);
    assert!(
        visitor.says("It printed a set-up code when it started"),
        "{}",
        visitor.screen()
    );
    visitor.fill(&[
        "KM4T-9QXD",
        "Ada Lovelace",
        "ada@example.com",
        "101",
        WORDS,
        WORDS,
    ]);
    let asked = Request::Setup(Setup {
        code: "KM4T-9QXD".into(),
        person: Newcomer {
            name: "Ada Lovelace".to_owned(),
            email: "ada@example.com".to_owned(),
            password: WORDS.into(),
            extension: "101".to_owned(),
            device: "Console on desk-3".to_owned(),
        },
    });
    assert_eq!(*visitor.last(), asked);
    visitor.answer(refused(
        "not-signed-in",
        "This is not the code that the server has printed.",
    ));
    assert_eq!(
        visitor.door.form.as_ref().unwrap().focused().unwrap().key,
        "code"
    );
    assert!(
        visitor.says("! This is not the code"),
        "{}",
        visitor.screen()
    );
    visitor.keys("-2FWP");
    visitor.key(Key::Ctrl('s'));
    visitor.answer(Ok(tokens()));
    assert!(entered(&visitor));
}

#[test]
fn everything_wrong_is_said_at_once_before_it_is_sent_and_after() {
    let mut visitor = Visitor::at(NEW, 160, 48);
    let questions = visitor.asked.len();
    visitor.fill(&["", "", "ada", "9", "short", "other"]);
    assert_eq!(visitor.asked.len(), questions);
    for said in [
        "! Type the code that the server has printed.",
        "! A name is missing.",
        "! This is no e-mail address.",
        "! An extension has 2 to 6 digits",
        "! A password has at least 12 characters.",
    ] {
        assert!(visitor.says(said), "{said}:\n{}", visitor.screen());
    }
    assert!(
        !visitor.says("are not the same"),
        "one complaint a password is enough"
    );
    let mut visitor = Visitor::at(NEW, 80, 24);
    visitor.fill(&[
        "KM4T",
        "Ada",
        "ada@example.com",
        "101",
        WORDS,
        "plug and chord and bell",
    ]);
    assert!(
        visitor.says("! The two passwords are not the same."),
        "{}",
        visitor.screen()
    );
    visitor.key(Key::Ctrl('u'));
    visitor.fill(&[WORDS]);
    visitor.answer(fields(&[
        ("person.extension", "101 is somebody else's."),
        ("person.password", "Anybody would try that first."),
    ]));
    assert!(
        visitor.says("! 101 is somebody else's."),
        "{}",
        visitor.screen()
    );
    assert!(
        visitor.says("! Anybody would try that first."),
        "{}",
        visitor.screen()
    );
    let form = visitor.door.form.as_ref().unwrap();
    assert_eq!(form.focused().unwrap().key, "extension");
}

#[test]
fn somebody_else_was_faster_with_setting_up() {
    let mut visitor = Visitor::at(NEW, 80, 24);
    visitor.fill(&["KM4T", "Ada", "ada@example.com", "101", WORDS, WORDS]);
    visitor.answer(refused(
        "setup-closed",
        "This server has been set up already.",
    ));
    assert_eq!(*visitor.last(), Request::Front, "what can be done now?");
    visitor.answer(Ok(Answer::Front(SET_UP)));
    assert_eq!(*visitor.page(), Page::Welcome);
    assert!(
        visitor.says("! This server has been set up already."),
        "{}",
        visitor.screen()
    );
    assert!(!visitor.says("Set up this server"), "{}", visitor.screen());
}

#[test]
fn an_invitation_is_looked_at_before_it_is_taken() {
    let mut visitor = visitor();
    visitor.keys("2");
    visitor.fill(&["H7RN-WRONG"]);
    let why = "There is no such invitation, or it does not hold any more.";
    visitor.answer(refused("not-found", why));
    assert!(visitor.says(&format!("! {why}")), "{}", visitor.screen());
    visitor.key(Key::Ctrl('u'));
    visitor.fill(&["H7RN-C3VB"]);
    let look = InvitationLook {
        code: "H7RN-C3VB".into(),
    };
    assert_eq!(*visitor.last(), Request::Look(look));
    visitor.answer(Ok(seen(true)));
    for said in [
        "operator: you work the switchboard",
        "6 more days",
        "Grace Hopper",
        "grace@example.com",
        "102",
    ] {
        assert!(visitor.says(said), "{said}:\n{}", visitor.screen());
    }
    // What it fixes is not asked again.
    visitor.fill(&["", WORDS, WORDS]);
    let join = Request::Join(Join {
        code: "H7RN-C3VB".into(),
        person: Newcomer {
            name: "Grace Hopper".to_owned(),
            email: "grace@example.com".to_owned(),
            password: WORDS.into(),
            extension: "102".to_owned(),
            device: "Console on desk-3".to_owned(),
        },
    });
    assert_eq!(*visitor.last(), join);
    visitor.answer(Ok(tokens()));
    assert!(entered(&visitor));
}

#[test]
fn the_link_of_an_invitation_names_its_server() {
    let mut visitor = Visitor::new(None, 80, 24);
    assert_eq!(*visitor.page(), Page::Address);
    visitor.tell(DoorMsg::Paste(
        "https://desk.example.com/join#H7RN-C3VB\n".to_owned(),
    ));
    visitor.enter();
    assert!(matches!(visitor.last(), Request::Look(look) if &*look.code == "H7RN-C3VB"));
    visitor.answer(Ok(seen(false)));
    assert!(matches!(visitor.page(), Page::Join { code, .. } if code == "H7RN-C3VB"));
    visitor.fill(&["", "grace@example.com", "102", WORDS, WORDS]);
    visitor.answer(Ok(tokens()));
    assert!(entered(&visitor));
    // Pasted where a code is asked for, at another server.
    let mut visitor = self::visitor();
    visitor.keys("2");
    visitor.tell(DoorMsg::Paste("https://other.example/join#AB12".to_owned()));
    visitor.enter();
    assert!(
        visitor.screen().contains("https://other.example"),
        "{}",
        visitor.screen()
    );
    visitor.answer(refused("not-found", "There is no such invitation."));
    visitor.key(Key::Ctrl('u'));
    visitor.tell(DoorMsg::Paste("https://other.example/join".to_owned()));
    visitor.enter();
    assert!(
        visitor.says("There is no code in this link"),
        "{}",
        visitor.screen()
    );
}

#[test]
fn a_forgotten_password_is_replaced_with_a_code() {
    let mut visitor = visitor();
    visitor.keys("3");
    visitor.fill(&["X2JD", WORDS, WORDS]);
    let reset = Request::Reset(Reset {
        code: "X2JD".into(),
        password: WORDS.into(),
    });
    assert_eq!(*visitor.last(), reset);
    visitor.answer(refused("not-signed-in", "This code does not hold."));
    assert!(
        visitor.says("! This code does not hold."),
        "{}",
        visitor.screen()
    );
    assert_eq!(
        visitor.door.form.as_ref().unwrap().focused().unwrap().key,
        "code"
    );
    visitor.keys("-88PL");
    visitor.key(Key::Ctrl('s'));
    visitor.answer(Ok(tokens()));
    assert!(entered(&visitor));
}

#[test]
fn whoever_registers_is_told_to_wait_and_signs_in_later() {
    let mut visitor = Visitor::at(OPEN, 80, 24);
    assert!(
        !self::visitor().says("Register"),
        "where nobody may, nobody is invited to"
    );
    visitor.keys("4");
    assert_eq!(*visitor.page(), Page::Register);
    visitor.fill(&["Ada Lovelace", "ada@example.com", "101", WORDS, WORDS]);
    assert!(matches!(visitor.last(), Request::Register(_)));
    visitor.answer(fields(&[("extension", "101 is taken.")]));
    assert!(visitor.says("! 101 is taken."), "{}", visitor.screen());
    visitor.key(Key::Backspace);
    visitor.keys("7");
    visitor.key(Key::Ctrl('s'));
    visitor.answer(Ok(Answer::Registered));
    assert!(
        visitor.says("An administrator has to let you in."),
        "{}",
        visitor.screen()
    );
    visitor.enter();
    assert_eq!(*visitor.page(), Page::SignIn);
    let form = visitor.door.form.as_ref().unwrap();
    assert_eq!(form.value("email"), "ada@example.com");
    assert_eq!(form.focused().unwrap().key, "password");
}

#[test]
fn an_address_is_asked_for_once_and_told_back_when_a_server_answers_there() {
    let mut visitor = Visitor::new(None, 80, 24);
    assert_eq!(visitor.asked, [], "nobody to ask");
    visitor.fill(&[""]);
    assert!(
        visitor.says("! Type the address of your server"),
        "{}",
        visitor.screen()
    );
    visitor.fill(&["desk.example.com"]);
    assert_eq!(
        visitor.door.url.as_ref().unwrap().as_str(),
        "https://desk.example.com/"
    );
    visitor.answer(Ok(Answer::Front(SET_UP)));
    assert_eq!(*visitor.page(), Page::Welcome);
}

#[test]
fn a_password_travels_over_https_or_not_at_all() {
    let mut visitor = Visitor::new(Some("http://desk.example.com/"), 80, 24);
    assert_eq!(visitor.asked, []);
    assert_eq!(*visitor.page(), Page::Address);
    assert!(
        visitor.says("could read your password. Use https"),
        "{}",
        visitor.screen()
    );
    assert!(
        visitor.screen().contains("http://desk.example.com"),
        "to be mended"
    );
    visitor.key(Key::Ctrl('u'));
    visitor.fill(&["http://127.0.0.1:8080"]);
    assert_eq!(
        visitor.asked.len(),
        1,
        "nobody is on the way to this computer"
    );
}

#[test]
fn a_server_that_is_not_there_is_asked_again_with_r() {
    let mut visitor = Visitor::new(Some(URL), 80, 24);
    assert!(
        visitor.says("asking https://desk.example.com…"),
        "{}",
        visitor.screen()
    );
    visitor.keys("r");
    assert_eq!(visitor.asked.len(), 1, "it is being asked");
    let why = "The server at https://desk.example.com cannot be reached: connection refused. Is it running, and is that its address?";
    visitor.answer(refused(Trouble::UNREACHABLE, why));
    assert!(visitor.says(why), "{}", visitor.screen());
    visitor.keys("r");
    assert_eq!(visitor.asked.len(), 2);
    visitor.answer(refused(Trouble::UNREACHABLE, why));
    visitor.enter();
    assert_eq!(visitor.asked.len(), 3, "the first way does the same");
    visitor.answer(Ok(Answer::Front(SET_UP)));
    assert!(
        visitor.says("is there. Who are you?"),
        "{}",
        visitor.screen()
    );
}

#[test]
fn a_server_that_goes_while_somebody_types_costs_them_nothing() {
    let mut visitor = signing_in();
    visitor.fill(&["ada@example.com", WORDS]);
    visitor.answer(refused(
        Trouble::UNREACHABLE,
        "The server cannot be reached.",
    ));
    assert!(
        visitor.says("! The server cannot be reached."),
        "{}",
        visitor.screen()
    );
    visitor.enter();
    assert_eq!(visitor.asked[1].1, visitor.asked[2].1, "the same once more");
}

#[test]
fn an_answer_to_a_page_that_was_left_is_passed_over() {
    let mut visitor = signing_in();
    visitor.fill(&["ada@example.com", WORDS]);
    let sign_in = visitor.asked.last().unwrap().0;
    visitor.key(Key::Esc);
    assert!(
        visitor.says("You did not wait for the answer."),
        "{}",
        visitor.screen()
    );
    visitor.tell(DoorMsg::Answer(sign_in, Ok(tokens())));
    assert!(!entered(&visitor), "they have thought better of it");
    visitor.key(Key::Esc);
    visitor.keys("y2");
    visitor.tell(DoorMsg::Answer(sign_in, refused("not-signed-in", "No.")));
    assert!(!visitor.says("No."), "{}", visitor.screen());
    // The same for what is known of a server that was left.
    let mut visitor = Visitor::new(Some(URL), 80, 24);
    visitor.keys("1");
    assert_eq!(*visitor.page(), Page::Address);
    visitor.answer(Ok(Answer::Front(SET_UP)));
    assert_eq!(*visitor.page(), Page::Address);
}

#[test]
fn going_back_asks_before_it_loses_anything() {
    let mut visitor = signing_in();
    visitor.key(Key::Esc);
    assert_eq!(*visitor.page(), Page::Welcome, "nothing was typed");
    visitor.enter();
    visitor.keys("ada");
    visitor.key(Key::Esc);
    assert!(
        visitor.says("Go back? What you have typed is lost then."),
        "{}",
        visitor.screen()
    );
    visitor.keys("n");
    assert_eq!(*visitor.page(), Page::SignIn);
    visitor.key(Key::Esc);
    visitor.keys("y");
    assert_eq!(*visitor.page(), Page::Welcome);
    visitor.key(Key::Esc);
    assert_eq!(visitor.done.last(), Some(&DoorCmd::Quit));
}

#[test]
fn ctrl_c_leaves_from_anywhere_and_the_screens_keys_work_everywhere() {
    let mut visitor = signing_in();
    visitor.keys("q");
    visitor.key(Key::F(3));
    assert_eq!(visitor.door.theme, Theme::Light);
    visitor.key(Key::F(2));
    visitor.key(Key::Ctrl('l'));
    visitor.key(Key::Ctrl('z'));
    visitor.tell(DoorMsg::NoShell);
    assert!(visitor.says("There is no shell"), "{}", visitor.screen());
    visitor.key(Key::Ctrl('c'));
    assert_eq!(
        visitor.done[..],
        [
            DoorCmd::Mouse(false),
            DoorCmd::Redraw,
            DoorCmd::Suspend,
            DoorCmd::Quit
        ]
    );
    assert_eq!(visitor.door.form.as_ref().unwrap().value("email"), "q");
}

#[test]
fn the_mouse_goes_all_the_way() {
    for (width, height) in [(80, 24), (160, 48), (60, 20)] {
        let mut visitor = Visitor::at(SET_UP, width, height);
        visitor.click(&Spot::Line(0));
        visitor.press(Part::Field(1));
        visitor.keys(WORDS);
        visitor.press(Part::Field(0));
        visitor.keys("ada@example.com");
        visitor.press(Part::Submit);
        assert!(matches!(visitor.last(), Request::SignIn(asked) if &*asked.password == WORDS));
        visitor.press(Part::Leave);
        assert!(visitor.says("You did not wait"), "{}", visitor.screen());
        visitor.press(Part::Leave);
        visitor.press(Part::Yes);
        assert_eq!(*visitor.page(), Page::Welcome);
        visitor.click(&Spot::Line(3));
        assert_eq!(*visitor.page(), Page::Address);
        visitor.press(Part::Leave);
        visitor.click(&Spot::Button(Action::Quit));
        assert_eq!(visitor.done.last(), Some(&DoorCmd::Quit));
    }
}

#[test]
fn arrows_and_the_wheel_choose_a_way() {
    let mut visitor = visitor();
    visitor.key(Key::Arrow(Dir::Down));
    visitor.tell(DoorMsg::Wheel(1));
    assert_eq!(visitor.door.at, 2);
    visitor.tell(DoorMsg::Wheel(9));
    visitor.key(Key::Arrow(Dir::Down));
    assert_eq!(visitor.door.at, 3);
    visitor.key(Key::Home);
    visitor.enter();
    assert_eq!(*visitor.page(), Page::SignIn);
}
