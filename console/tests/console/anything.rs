//! What must hold whatever happens: no panic, no leak, no carry without an end, and what is drawn is what is
//! hit.

use cordboard::{
    app::{LinkNews, Msg, Spot, update},
    keymap::{Dir, Key},
    theme::Theme,
    view,
};
use cordboard_core::{
    board::{At, DropTarget},
    ids::{SafeText, UserId},
};
use proptest::prelude::*;
use ratatui::{buffer::Buffer, layout::Rect};
use unicode_width::UnicodeWidthStr;

use crate::{
    desk::{Desk, MORNING, busy, quiet},
    scene::CALLERS,
};

/// One thing that happens. Numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Event {
    Key(Key),
    Type(String),
    Paste(String),
    Press(usize),
    Drag(usize),
    Release(usize),
    Wheel(usize, bool),
    Pass(i64),
    Call,
    HangUp(usize),
    Steal(usize),
    Quiet,
    Down,
    Up,
    Focus(bool),
    Size(u16, u16),
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        6 => prop::sample::select("ahptmurxndyl/?q0123459 ".chars().collect::<Vec<_>>()).prop_map(Key::Char),
        3 => prop::sample::select(vec![Dir::Left, Dir::Right, Dir::Up, Dir::Down]).prop_map(Key::Arrow),
        3 => prop::sample::select(vec![
            Key::Enter, Key::Enter, Key::Esc, Key::Tab, Key::BackTab, Key::Backspace, Key::Delete, Key::Home, Key::End, Key::PageUp,
            Key::PageDown, Key::F(2), Key::F(3), Key::Ctrl('l'), Key::Ctrl('w'), Key::Ctrl('u'), Key::Ctrl('a'), Key::Ctrl('e'),
        ]),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        10 => key().prop_map(Event::Key),
        1 => ".{0,6}".prop_map(Event::Type),
        1 => any::<String>().prop_map(Event::Paste),
        4 => any::<usize>().prop_map(Event::Press),
        4 => any::<usize>().prop_map(Event::Drag),
        4 => any::<usize>().prop_map(Event::Release),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(n, up)| Event::Wheel(n, up)),
        4 => (1_i64..9_000).prop_map(Event::Pass),
        2 => Just(Event::Call),
        2 => any::<usize>().prop_map(Event::HangUp),
        2 => any::<usize>().prop_map(Event::Steal),
        1 => Just(Event::Quiet),
        1 => Just(Event::Down),
        2 => Just(Event::Up),
        1 => any::<bool>().prop_map(Event::Focus),
        1 => (1_u16..200, 1_u16..60).prop_map(|(w, h)| Event::Size(w, h)),
    ]
}

fn spot(desk: &Desk, n: usize) -> (u16, u16) {
    let spots: Vec<_> = desk.drawn.hits.iter().collect();
    match spots.len() {
        0 => (0, 0),
        len => {
            let rect = spots[n % len].0;
            (rect.x + rect.width / 2, rect.y + rect.height / 2)
        }
    }
}

fn happen(desk: &mut Desk, event: Event) {
    use crossterm::event::MouseEventKind;
    match event {
        Event::Key(key) => desk.key(key),
        Event::Type(text) => desk.keys(&text),
        Event::Paste(text) => desk.tell(Msg::Paste(text)),
        Event::Press(n) => desk.press(spot(desk, n)),
        Event::Drag(n) => desk.drag_to(spot(desk, n)),
        Event::Release(n) => desk.release(spot(desk, n)),
        Event::Wheel(n, true) => desk.mouse(MouseEventKind::ScrollUp, spot(desk, n)),
        Event::Wheel(n, false) => desk.mouse(MouseEventKind::ScrollDown, spot(desk, n)),
        Event::Pass(ms) => desk.pass(ms),
        Event::Call => {
            desk.call();
        }
        Event::HangUp(n) | Event::Steal(n) => {
            let calls: Vec<_> = desk.house.board.calls.keys().copied().collect();
            if calls.is_empty() {
                return;
            }
            let at = match event {
                Event::HangUp(_) => At::Ended {
                    why: cordboard_core::call::EndWhy::CallerLeft,
                },
                _ => At::Talking {
                    users: vec![UserId(2)],
                },
            };
            let delta = desk
                .house
                .change(calls[n % calls.len()], |card| card.place.at = at);
            desk.hear(delta.unwrap());
        }
        Event::Quiet => desk.tell(Msg::Link(LinkNews::Quiet)),
        Event::Down => desk.tell(Msg::Link(LinkNews::Closed {
            why: "gone".to_owned(),
            next: None,
        })),
        Event::Up => {
            desk.tell(Msg::Link(LinkNews::Connecting));
            desk.tell(Msg::Link(LinkNews::Open));
        }
        Event::Focus(on) => desk.tell(Msg::Focus(on)),
        Event::Size(w, h) => desk.tell(Msg::Size(w, h)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_nothing_breaks_and_every_carry_ends(events in prop::collection::vec(event(), 1..80)) {
        let mut desk = Desk::new(busy(), 120, 34);
        for event in events {
            happen(&mut desk, event.clone());
            if let Some(carry) = &desk.model.carry {
                prop_assert!(desk.model.link.is_live(), "a carry over a dead board, after {event:?}");
                let card = desk.model.board.calls.get(&carry.call);
                prop_assert!(card.is_some_and(|c| c.moved <= carry.seen), "a carry of what has gone, after {event:?}");
            }
            if desk.model.link.is_live() {
                prop_assert_eq!(desk.model.board.rev, desk.house.board.rev, "live, and another board than the house's, after {:?}", event);
            }
        }
        desk.key(Key::Esc);
        desk.key(Key::Esc);
        prop_assert!(desk.model.carry.is_none() && desk.model.dialog.is_none());
    }

    #[test]
    fn any_size_is_drawn_without_a_panic_and_without_leaving_the_screen(w in 1_u16..=200, h in 1_u16..=60, keys in "[?/ptmldq]{0,1}", theme in 0_usize..4) {
        let mut desk = Desk::new(busy(), w, h);
        desk.model.theme = Theme::ALL[theme];
        desk.keys(&keys);
        for (rect, spot) in desk.drawn.hits.iter() {
            prop_assert_eq!(rect.intersection(desk.buf.area), *rect, "{:?}", spot);
        }
        // Between a resize and its message the buffer has another size than the model thinks.
        let mut other = Buffer::empty(Rect::new(0, 0, h.max(2), w.clamp(2, 80)));
        view::draw(&desk.model, &mut other);
    }

    #[test]
    fn no_name_from_outside_reaches_a_cell_uncleaned(name in any::<String>(), note in any::<String>(), why in any::<String>()) {
        let mut desk = Desk::new(busy(), 120, 34);
        let call = desk.model.waiting()[0].id;
        let delta = desk.house.change(call, |card| card.caller.name = Some(SafeText::from(&*name))).unwrap();
        desk.hear(delta);
        let delta = desk.house.change(call, |card| {
            card.place.at = At::Parked { slot: "P1".parse().unwrap(), by: UserId(1), deadline: MORNING.plus(50_000), note: Some(SafeText::from(&*note)) };
        }).unwrap();
        desk.hear(delta);
        clean(&desk)?;
        desk.tell(Msg::Link(LinkNews::Closed { why: why.clone(), next: None }));
        clean(&desk)?;
        desk.tell(Msg::Server(Box::new(cordboard_core::wire::ServerMsg::Bye { why, again: true })));
        clean(&desk)?;
        prop_assert!(!desk.model.title().chars().any(char::is_control));
    }
}

/// Every cell holds one cell's worth of harmless text, or two, or nothing because the one before it is wide.
pub(crate) fn clean(desk: &Desk) -> Result<(), TestCaseError> {
    for y in 0..desk.buf.area.height {
        let mut cells = 0;
        let mut x = 0;
        while x < desk.buf.area.width {
            let symbol = desk.buf[(x, y)].symbol();
            let bad = symbol.chars().any(|c| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
            prop_assert!(!bad, "{symbol:?} at {x},{y}");
            prop_assert!(symbol.chars().count() <= 4, "{symbol:?} at {x},{y}");
            let width = symbol.width().max(1);
            cells += width;
            x += u16::try_from(width).unwrap();
        }
        prop_assert_eq!(
            cells,
            usize::from(desk.buf.area.width),
            "row {} is out of step",
            y
        );
    }
    Ok(())
}

#[test]
fn hostile_callers_leave_every_column_where_it_was() {
    let mut desk = Desk::new(busy(), 120, 34);
    for _ in CALLERS {
        desk.call();
        desk.pass(500);
        clean(&desk).unwrap();
    }
    // The frames of the tiles are where they are without any caller.
    let quiet = Desk::new(quiet(), 120, 34);
    let shape = &desk.model.shape;
    for row in 0..shape.rows {
        let y = shape.people.y + row * shape.tile.1 + 1;
        for column in 0..shape.columns {
            let x = shape.people.x + column * shape.tile.0;
            let (here, there) = (desk.buf[(x, y)].symbol(), quiet.buf[(x, y)].symbol());
            assert!(
                here == there || (here == "┃" && there == "│"),
                "{here:?} for {there:?} at {x},{y}:\n{}",
                desk.screen()
            );
        }
    }
}

#[test]
fn every_drawn_call_can_be_hit_and_picked_up() {
    for (w, h) in [(80, 24), (120, 34), (160, 48), (200, 60), (44, 14)] {
        let desk = Desk::new(busy(), w, h);
        let mut drawn = std::collections::BTreeSet::new();
        for (rect, spot) in desk.drawn.hits.iter() {
            let Spot::Call(call, _) = spot else { continue };
            drawn.insert(*call);
            let reachable = rect.positions().any(|p| {
                desk.drawn
                    .hits
                    .at(p.x, p.y)
                    .is_some_and(|s| s.call() == Some(*call))
            });
            assert!(
                reachable,
                "a call is drawn at {rect:?} and cannot be hit at {w}×{h}"
            );
        }
        if w >= 160 {
            assert_eq!(
                drawn.len(),
                desk.model.board.calls.len(),
                "every call is on a large screen:\n{}",
                desk.screen()
            );
        }
    }
}

#[test]
fn a_drop_lands_on_what_is_drawn() {
    for (w, h) in [(80, 24), (120, 34), (200, 60)] {
        let desk = Desk::new(busy(), w, h);
        for (rect, spot) in desk.drawn.hits.iter() {
            let Some(DropTarget::Person(user)) = spot.target() else {
                continue;
            };
            // The tile or the line that this is part of: its own row, or the head of its box above it.
            let person = &desk.model.board.people[user];
            let rows = if desk.model.shape.tile.1 > 1 {
                rect.y.saturating_sub(1)..=rect.y
            } else {
                rect.y..=rect.y
            };
            let text: String = rows
                .flat_map(|y| (rect.left()..rect.right()).map(move |x| (x, y)))
                .map(|p| desk.buf[p].symbol())
                .collect();
            assert!(
                text.contains(person.extension.as_str()),
                "{} is hit at {rect:?}, where {text:?} is drawn, at {w}×{h}",
                person.name
            );
        }
    }
}

#[test]
fn time_alone_makes_no_frame_on_an_idle_board() {
    let mut desk = Desk::new(quiet(), 120, 34);
    for second in 0..52 {
        update(&mut desk.model, Msg::Time(MORNING.plus(second * 1000)));
        assert!(!desk.model.dirty, "after {second} s");
    }
    update(&mut desk.model, Msg::Time(MORNING.plus(53_000)));
    assert!(desk.model.dirty, "the minute in the header has turned");
    let mut busy = Desk::new(busy(), 120, 34);
    update(&mut busy.model, Msg::Time(MORNING.plus(900)));
    assert!(!busy.model.dirty, "no shown second has turned");
    update(&mut busy.model, Msg::Time(MORNING.plus(1_000)));
    assert!(busy.model.dirty);
    assert_eq!(busy.model.next_change(), MORNING.plus(2_000));
}
