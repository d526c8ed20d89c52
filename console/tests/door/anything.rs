//! What must hold whatever is done to a form, and at the door: no panic, nothing on the screen that moves a cursor, and what has the
//! focus is in sight with what is wrong with it.

use cordboard::{
    app::Spot,
    ask::Trouble,
    door::{Answer, DoorMsg, Page, Request},
    form::{Kind, Part},
    keymap::{Dir, Key},
    theme::Theme,
};
use cordboard_core::api::Front;
use crossterm::event::{MouseButton, MouseEventKind};
use proptest::prelude::*;

use crate::{
    hand::{Hand, person, sound, wrong},
    visitor::{URL, Visitor, seen, tokens},
};

#[derive(Debug, Clone)]
enum Event {
    Key(Key),
    Paste(String),
    Click(usize),
    Mouse(u16, u16, bool),
    Wheel(bool),
    Size(u16, u16),
    Busy(bool),
    Fail(Vec<usize>, String),
    Refuse(String),
    Wait(u32),
    Theme(usize),
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        4 => any::<char>().prop_map(Key::Char),
        3 => prop::sample::select("ayn  é\u{301}한👍🇩🇪".chars().collect::<Vec<_>>()).prop_map(Key::Char),
        4 => prop::sample::select(vec![Dir::Left, Dir::Right, Dir::Up, Dir::Down]).prop_map(Key::Arrow),
        4 => prop::sample::select(vec![
            Key::Enter, Key::Esc, Key::Tab, Key::Tab, Key::BackTab, Key::Backspace, Key::Delete, Key::Home, Key::End,
            Key::PageUp, Key::F(3), Key::Ctrl('s'), Key::Ctrl('w'), Key::Ctrl('u'), Key::Ctrl('k'), Key::Ctrl('a'),
        ]),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        10 => key().prop_map(Event::Key),
        2 => any::<String>().prop_map(Event::Paste),
        4 => any::<usize>().prop_map(Event::Click),
        1 => (0_u16..300, 0_u16..90, any::<bool>()).prop_map(|(x, y, down)| Event::Mouse(x, y, down)),
        1 => any::<bool>().prop_map(Event::Wheel),
        2 => (1_u16..=90, 1_u16..=40).prop_map(|(w, h)| Event::Size(w, h)),
        1 => (90_u16..=300, 20_u16..=90).prop_map(|(w, h)| Event::Size(w, h)),
        1 => any::<bool>().prop_map(Event::Busy),
        2 => (prop::collection::vec(0_usize..9, 0..4), any::<String>()).prop_map(|(n, why)| Event::Fail(n, why)),
        1 => any::<String>().prop_map(Event::Refuse),
        1 => (0_u32..100).prop_map(Event::Wait),
        1 => (0_usize..4).prop_map(Event::Theme),
    ]
}

fn happen(hand: &mut Hand, event: Event) {
    match event {
        Event::Key(key) => hand.key(key),
        Event::Paste(text) => hand.paste(&text),
        Event::Click(n) => {
            let spots: Vec<Part> = hand
                .drawn
                .hits
                .iter()
                .filter_map(|(_, spot)| match spot {
                    Spot::Form(part) => Some(*part),
                    _ => None,
                })
                .collect();
            // Parts that lie under others are not to be had.
            if let Some(part) = n.checked_rem(spots.len()).map(|n| spots[n])
                && !matches!(part, Part::Field(_))
            {
                hand.click(part);
            }
        }
        Event::Mouse(x, y, down) => {
            let button = MouseButton::Left;
            hand.mouse(
                if down {
                    MouseEventKind::Down(button)
                } else {
                    MouseEventKind::Up(button)
                },
                (x, y),
            );
        }
        Event::Wheel(up) => hand.mouse(
            if up {
                MouseEventKind::ScrollUp
            } else {
                MouseEventKind::ScrollDown
            },
            (3, 3),
        ),
        Event::Size(w, h) => hand.size(w, h),
        Event::Busy(on) => hand.form.busy(on),
        Event::Fail(fields, why) => {
            let names = ["name", "person.email", "password", "role", "groups[3]", "x"];
            let errors = fields.iter().map(|n| wrong(names[n % 6], &why));
            hand.form.fail(errors.collect());
        }
        Event::Refuse(why) => hand.form.refuse(&why),
        Event::Wait(seconds) => hand.form.wait(seconds),
        Event::Theme(n) => hand.theme = Theme::ALL[n],
    }
    hand.draw();
}

#[test]
fn a_list_that_is_taller_than_its_area_shows_that_it_has_the_focus() {
    let mut hand = Hand::new(person(), 50, 12);
    hand.form.refuse("Too much is asked.");
    hand.form.wait(1);
    for _ in 0..20 {
        if matches!(hand.form.focused().unwrap().kind, Kind::Many { .. }) {
            hand.size(24, 8);
            hand.key(Key::Arrow(Dir::Down));
            hand.key(Key::Arrow(Dir::Down));
            hand.key(Key::Arrow(Dir::Down));
            hand.draw();
            assert!(hand.screen().contains('▸'), "\n{}", hand.screen());
            return;
        }
        hand.key(Key::Tab);
    }
    panic!("there is no list:\n{}", hand.screen());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_breaks_and_the_focus_is_in_sight(
        events in prop::collection::vec(event(), 1..60), w in 24_u16..160, h in 8_u16..50,
    ) {
        let mut hand = Hand::new(person(), w, h);
        for event in events {
            happen(&mut hand, event.clone());
            sound(&hand.buf, &hand.drawn)?;
            let area = hand.buf.area;
            let entry = hand.form.focused().unwrap();
            prop_assert!(entry.editable(), "after {event:?}");
            if area.width < 24 || area.height < 8 {
                continue;
            }
            let screen = hand.screen();
            prop_assert!(screen.contains('▸'), "after {event:?}:\n{screen}");
            if let (Some(why), true) = (&entry.error, hand.form.notice().is_none())
                && !hand.form.is_busy() && hand.form.asked().is_none() && hand.form.waits() == 0
            {
                // Its beginning, wherever a narrow screen breaks it.
                let begin: String = why.as_str().chars().take(1).collect();
                let bare: String = screen.split_whitespace().collect();
                prop_assert!(bare.contains(&format!("!{begin}")), "{why} after {event:?}:\n{screen}");
            }
            let text = matches!(entry.kind, Kind::Text(_) | Kind::Secret(_));
            let free = !hand.form.is_busy() && hand.form.asked().is_none();
            prop_assert_eq!(hand.drawn.cursor.is_some(), text && free, "after {:?}", event);
        }
        // There is always a way out.
        hand.form.busy(false);
        if hand.form.asked().is_none() {
            hand.key(Key::Esc);
        }
        if hand.form.asked().is_some() {
            hand.keys("y");
        }
        prop_assert_eq!(hand.wishes.last(), Some(&cordboard::form::Wish::Leave));
    }
}

/// Something that a server may answer, also when nobody has asked for it.
fn answer() -> impl Strategy<Value = Result<Answer, Trouble>> {
    let front = |(setup, registration)| {
        Ok(Answer::Front(Front {
            setup,
            registration,
        }))
    };
    let codes = vec![
        "not-signed-in",
        "not-found",
        "setup-closed",
        "too-many",
        "unreachable",
        "invalid",
    ];
    let trouble = (
        prop::sample::select(codes),
        any::<String>(),
        prop::collection::vec(
            (
                prop::sample::select(vec!["code", "person.email", "x"]),
                ".{0,80}",
            ),
            0..3,
        ),
        prop::option::of(0_u32..90),
    );
    prop_oneof![
        3 => any::<(bool, bool)>().prop_map(front),
        2 => any::<bool>().prop_map(|personal| Ok(seen(personal))),
        1 => Just(Ok(tokens())),
        1 => Just(Ok(Answer::Registered)),
        4 => trouble.prop_map(|(code, detail, errors, retry_after)| Err(Trouble {
            errors: errors.into_iter().map(|(field, why)| wrong(field, &why)).collect(),
            retry_after,
            ..Trouble::new(code, detail)
        })),
    ]
}

#[derive(Debug, Clone)]
enum Visit {
    Key(Key),
    Fill(Vec<String>),
    Paste(String),
    Click(usize),
    Wheel(bool),
    Size(u16, u16),
    Pass(i64),
    Answer(Result<Answer, Trouble>),
    Late(u64, Result<Answer, Trouble>),
}

fn visit() -> impl Strategy<Value = Visit> {
    let typed = prop_oneof![
        Just("ada@example.com".to_owned()),
        Just("plug and cord and bell".to_owned()),
        Just("101".to_owned()),
        Just("https://desk.example.com/join#AB12".to_owned()),
        any::<String>(),
    ];
    prop_oneof![
        8 => key().prop_map(Visit::Key),
        2 => (1_u8..7).prop_map(|n| Visit::Key(Key::Char(char::from(b'0' + n)))),
        4 => prop::collection::vec(typed, 1..7).prop_map(Visit::Fill),
        1 => any::<String>().prop_map(Visit::Paste),
        4 => any::<usize>().prop_map(Visit::Click),
        1 => any::<bool>().prop_map(Visit::Wheel),
        1 => (1_u16..=200, 1_u16..=60).prop_map(|(w, h)| Visit::Size(w, h)),
        2 => (1_i64..40_000).prop_map(Visit::Pass),
        8 => answer().prop_map(Visit::Answer),
        1 => (0_u64..20, answer()).prop_map(|(n, answer)| Visit::Late(n, answer)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_at_the_door_it_stays_whole(visits in prop::collection::vec(visit(), 1..50), known: bool) {
        let mut visitor = Visitor::new(known.then_some(URL), 80, 24);
        for visit in visits {
            let (questions, held) = (visitor.asked.len(), visitor.door.waits() > 0);
            let came = format!("{visit:?}");
            match visit {
                Visit::Key(key) => visitor.key(key),
                Visit::Fill(values) => {
                    let values: Vec<&str> = values.iter().map(|v| &**v).collect();
                    for value in values {
                        visitor.tell(DoorMsg::Paste(value.to_owned()));
                        visitor.enter();
                    }
                }
                Visit::Paste(text) => visitor.tell(DoorMsg::Paste(text)),
                Visit::Click(n) => {
                    let spots: Vec<Spot> = visitor.drawn.hits.iter().map(|(_, spot)| spot.clone()).collect();
                    if let Some(spot) = n.checked_rem(spots.len()).map(|n| &spots[n]) {
                        visitor.tell(DoorMsg::Click(spot.clone(), false));
                    }
                }
                Visit::Wheel(up) => visitor.tell(DoorMsg::Wheel(if up { -1 } else { 1 })),
                Visit::Size(w, h) => {
                    visitor.buf = ratatui::buffer::Buffer::empty(ratatui::layout::Rect::new(0, 0, w, h));
                    visitor.tell(DoorMsg::Size(w, h));
                }
                Visit::Pass(ms) => visitor.pass(ms),
                Visit::Answer(result) => {
                    if !visitor.asked.is_empty() {
                        visitor.answer(result);
                    }
                }
                Visit::Late(n, result) => visitor.tell(DoorMsg::Answer(n, result)),
            }
            sound(&visitor.buf, &visitor.drawn)?;
            let front = |(_, request): &(u64, Request)| matches!(request, Request::Front);
            let late = visitor.asked[questions..].iter().filter(|asked| !front(asked)).count();
            // Another server has not asked for rest; and a link may lead to one.
            let elsewhere = visitor.asked[questions..].iter().any(|(_, r)| matches!(r, Request::Look(_)));
            prop_assert!(!held || late == 0 || elsewhere, "asked too soon, after {came}");
            let said = format!("{:?}", visitor.done);
            prop_assert!(!said.contains("secret.token"), "{said}");
            prop_assert!(visitor.door.next_change() > visitor.door.now);
            prop_assert_eq!(visitor.door.form.is_none(), *visitor.page() == Page::Welcome);
        }
    }
}
