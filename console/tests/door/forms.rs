//! Filling in a form: what people do, and what they see. The pictures are in `snapshots/`.

use cordboard::{
    form::{Form, Part, Pick, Wish},
    keymap::{Dir, Key},
    theme::Theme,
};

use crate::hand::{Hand, person, wrong};

fn at_every_size(name: &str, form: fn() -> Form, act: fn(&mut Hand)) {
    for (width, height) in [(80, 24), (160, 48)] {
        let mut hand = Hand::new(form(), width, height);
        act(&mut hand);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("form_{name}_{width}x{height}"), hand.screen());
        });
    }
}

fn empty() -> Form {
    Form::new("Sign in")
        .text("email", "E-mail")
        .hint("What you sign in with.")
        .secret("password", "Password")
}

#[test]
fn an_empty_form() {
    at_every_size("empty", empty, |_| {});
}

#[test]
fn a_form_that_is_filled_in() {
    at_every_size("filled", person, |hand| {
        hand.tabs(2);
        hand.keys("correct horse");
    });
}

#[test]
fn wrong_fields() {
    at_every_size("errors", person, |hand| {
        hand.form.fail(vec![
            wrong(
                "email",
                "Somebody else signs in with that address already. Addresses of people who have left are kept, too.",
            ),
            wrong("password", "A password has at least 12 characters."),
            wrong("groups", "The group night has been removed."),
            wrong("weather", "It rains."),
        ]);
        hand.draw();
    });
}

#[test]
fn while_the_server_is_asked() {
    at_every_size("busy", person, |hand| {
        hand.form.busy(true);
        hand.draw();
    });
}

#[test]
fn before_typed_text_is_lost() {
    at_every_size("unsaved", person, |hand| {
        hand.keys(" King");
        hand.key(Key::Esc);
    });
}

#[test]
fn a_form_without_a_room() {
    let hand = Hand::new(person(), 23, 6);
    assert!(hand.screen().contains("no room"), "{}", hand.screen());
    let narrow = Hand::new(person(), 40, 12);
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("form_filled_40x12", narrow.screen());
    });
}

#[test]
fn enter_goes_on_and_the_last_one_sends() {
    let mut hand = Hand::new(empty(), 80, 24);
    hand.keys("ada@example.com");
    hand.key(Key::Enter);
    assert_eq!(hand.form.focused().unwrap().key, "password");
    hand.keys("correct horse");
    hand.key(Key::Enter);
    assert_eq!(hand.wishes, [Wish::Submit]);
    assert_eq!(hand.form.value("email"), "ada@example.com");
    assert_eq!(hand.form.value("password"), "correct horse");
    let said = format!("{:?}", hand.form);
    assert!(
        !said.contains("correct"),
        "a secret is in no output: {said}"
    );
    assert!(!hand.screen().contains("correct"), "{}", hand.screen());
}

#[test]
fn ctrl_s_sends_from_anywhere_and_only_once() {
    let mut hand = Hand::new(person(), 80, 24);
    hand.key(Key::Ctrl('s'));
    hand.form.busy(true);
    hand.key(Key::Ctrl('s'));
    hand.key(Key::Enter);
    hand.keys("not now");
    hand.paste("nor this");
    assert_eq!(hand.wishes, [Wish::Submit]);
    assert!(!hand.form.changed(), "what was sent is what stands there");
    hand.key(Key::Esc);
    assert_eq!(hand.wishes, [Wish::Submit, Wish::Forget]);
    assert!(
        hand.screen().contains("You did not wait"),
        "{}",
        hand.screen()
    );
}

#[test]
fn fields_take_turns_and_lines_to_be_read_have_none() {
    let mut hand = Hand::new(person(), 80, 24);
    let focus = |hand: &Hand| hand.form.focused().unwrap().key.clone();
    assert_eq!(focus(&hand), "name", "not the line above it");
    hand.key(Key::BackTab);
    assert_eq!(focus(&hand), "active");
    hand.key(Key::Tab);
    assert_eq!(focus(&hand), "name");
    hand.arrow(Dir::Up);
    assert_eq!(focus(&hand), "name", "an arrow does not go round");
    for _ in 0..4 {
        hand.arrow(Dir::Down);
    }
    assert_eq!(focus(&hand), "groups");
    for _ in 0..4 {
        hand.arrow(Dir::Down);
        assert_eq!(focus(&hand), "groups", "a line down in the list");
    }
    hand.arrow(Dir::Down);
    assert_eq!(focus(&hand), "active");
}

#[test]
fn choices_are_made_with_arrows_letters_and_blanks() {
    let mut hand = Hand::new(person(), 80, 24);
    hand.form.focus_on("role");
    hand.arrow(Dir::Right);
    assert_eq!(hand.form.chosen("role"), "supervisor");
    hand.keys("a");
    assert_eq!(hand.form.chosen("role"), "admin");
    hand.keys("a");
    assert_eq!(hand.form.chosen("role"), "agent");
    hand.form.focus_on("groups");
    hand.keys(" l ");
    assert_eq!(hand.form.picked("groups"), ["sales", "support", "lab"]);
    hand.form.focus_on("active");
    hand.keys(" ");
    assert!(!hand.form.is_on("active"));
    hand.keys("y");
    assert!(hand.form.is_on("active"));
}

#[test]
fn an_error_stands_with_its_field_until_that_is_changed() {
    let mut hand = Hand::new(person(), 80, 24);
    hand.form.fail(vec![
        wrong("person.email", "That is taken."),
        wrong("person.password", "Too short."),
        wrong("person.weather", "It rains."),
    ]);
    hand.draw();
    assert_eq!(hand.form.focused().unwrap().key, "email");
    for said in ["! That is taken.", "! Too short.", "! It rains."] {
        assert!(hand.screen().contains(said), "{}", hand.screen());
    }
    hand.arrow(Dir::Left);
    assert!(
        hand.screen().contains("That is taken."),
        "it was only moved in"
    );
    hand.keys("x");
    assert!(!hand.screen().contains("That is taken."));
    assert!(!hand.screen().contains("It rains."), "{}", hand.screen());
    assert!(hand.screen().contains("Too short."), "{}", hand.screen());
}

#[test]
fn leaving_asks_only_where_something_would_be_lost() {
    let mut hand = Hand::new(person(), 80, 24);
    hand.key(Key::Esc);
    assert_eq!(hand.wishes, [Wish::Leave]);
    hand.wishes.clear();
    hand.keys("!");
    hand.key(Key::Backspace);
    hand.key(Key::Esc);
    assert_eq!(hand.wishes, [Wish::Leave], "it is what it was");
    hand.wishes.clear();
    hand.keys("!");
    hand.key(Key::Esc);
    assert!(hand.screen().contains("Leave without saving?"));
    hand.key(Key::Enter);
    assert!(hand.form.asked().is_some(), "Enter loses nothing");
    hand.keys("n!");
    assert_eq!(hand.form.value("name"), "Ada Lovelace!!");
    hand.key(Key::Esc);
    hand.keys("y");
    assert_eq!(hand.wishes, [Wish::Leave]);
    let mut kept = Hand::new(person(), 80, 24);
    kept.keys("!");
    kept.form.keep();
    kept.key(Key::Esc);
    assert_eq!(kept.wishes, [Wish::Leave]);
}

#[test]
fn nobody_is_let_through_before_the_time() {
    let mut hand = Hand::new(empty(), 80, 24);
    hand.form.refuse("Too many requests.");
    hand.form.wait(12);
    hand.keys("ada");
    hand.key(Key::Ctrl('s'));
    hand.click(Part::Submit);
    assert_eq!(hand.wishes, []);
    assert!(
        hand.screen()
            .contains("! Too many requests. Try again in 12 s."),
        "{}",
        hand.screen()
    );
    hand.form.wait(0);
    hand.draw();
    assert!(!hand.screen().contains("Too many"), "{}", hand.screen());
    hand.click(Part::Submit);
    assert_eq!(hand.wishes, [Wish::Submit]);
}

#[test]
fn the_mouse_reaches_everything() {
    for (width, height) in [(80, 24), (160, 48), (44, 40)] {
        let mut hand = Hand::new(person(), width, height);
        hand.click(Part::Field(3));
        assert_eq!(hand.form.focused().unwrap().key, "password");
        hand.click(Part::Option(4, 3));
        assert_eq!(hand.form.chosen("role"), "admin");
        hand.click(Part::Option(5, 4));
        hand.click(Part::Option(5, 1));
        assert_eq!(hand.form.picked("groups"), ["night"]);
        hand.click(Part::Option(6, 0));
        assert!(!hand.form.is_on("active"));
        hand.click(Part::Submit);
        assert_eq!(hand.wishes, [Wish::Submit]);
        hand.click(Part::Leave);
        hand.click(Part::No);
        assert!(hand.form.asked().is_none());
        hand.click(Part::Leave);
        hand.click(Part::Yes);
        assert_eq!(hand.wishes, [Wish::Submit, Wish::Leave]);
    }
}

#[test]
fn a_nervous_finger_neither_sends_twice_nor_says_yes() {
    let mut hand = Hand::new(person(), 80, 24);
    hand.click_twice(Part::Submit);
    assert_eq!(hand.wishes, [Wish::Submit]);
    hand.keys("!");
    // The question comes to stand where the button was.
    hand.click_twice(Part::Leave);
    assert_eq!(hand.wishes, [Wish::Submit]);
    assert!(hand.form.asked().is_some());
}

#[test]
fn a_long_list_is_seen_where_the_keyboard_is() {
    let rights: Vec<Pick> = (0..40)
        .map(|n| Pick::new(format!("r{n}"), &format!("right number {n}")))
        .collect();
    let form = Form::new("Save")
        .text("name", "Name")
        .many("rights", "Rights", rights.clone(), &[])
        .choice("best", "The best of them", rights, "r7")
        .text("after", "After");
    let mut hand = Hand::new(form, 44, 12);
    hand.arrow(Dir::Down);
    for n in 0..40 {
        let here = format!("right number {n}");
        assert!(hand.screen().contains(&here), "{here}:\n{}", hand.screen());
        hand.arrow(Dir::Down);
    }
    assert!(hand.screen().contains("8 of 40"), "{}", hand.screen());
    hand.arrow(Dir::Right);
    assert_eq!(hand.form.chosen("best"), "r8");
    assert!(
        hand.screen().contains("↑ "),
        "more is above:\n{}",
        hand.screen()
    );
}

#[test]
fn without_colours_everything_is_still_told_apart() {
    for theme in Theme::ALL {
        let mut hand = Hand::new(person(), 80, 24);
        hand.theme = theme;
        hand.draw();
        let bare = matches!(theme, Theme::Mono | Theme::Sixteen);
        assert_eq!(hand.screen().contains("[Ada Lovelace"), bare, "{theme:?}");
        assert!(hand.screen().contains("● operator"), "{theme:?}");
        assert!(hand.screen().contains("[✓] Support"), "{theme:?}");
    }
}
