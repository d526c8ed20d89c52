//! A form without a terminal: keys and mouse in, the screen and its wishes out.

use cordboard::{
    app::{Msg, Spot},
    form::{Form, Part, Pick, Wish},
    input::Pointer,
    keymap::{Dir, Key},
    theme::Theme,
    view::{self, Drawn},
};
use cordboard_core::{api::FieldError, ids::Timestamp};
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use proptest::test_runner::TestCaseError;
use ratatui::{buffer::Buffer, layout::Rect};
use unicode_width::UnicodeWidthStr;

/// Sunday, 22 November 2026, 09:41:07 UTC.
pub(crate) const MORNING: Timestamp = Timestamp::from_millis(1_795_340_467_000);

/// A form with a field of every kind.
pub(crate) fn person() -> Form {
    let role = |key: &str, label: &str| Pick::new(key, label);
    Form::new("Save")
        .info("Since", "14 March 2024, invited by Grace Hopper")
        .text("name", "Name")
        .hint("As it is shown on the board.")
        .filled("Ada Lovelace")
        .text("email", "E-mail")
        .hint("What they sign in with.")
        .filled("ada@example.com")
        .secret("password", "Password")
        .hint("At least 12 characters.")
        .choice(
            "role",
            "Role",
            vec![
                role("agent", "agent"),
                role("operator", "operator"),
                role("supervisor", "supervisor"),
                role("admin", "admin"),
                role("read-only", "looking only"),
            ],
            "operator",
        )
        .many(
            "groups",
            "Groups",
            vec![
                Pick::new("sales", "Sales"),
                Pick::new("support", "Support"),
                Pick::new("accounts", "Accounts"),
                Pick::new("lab", "Laboratory"),
                Pick::new("night", "Night shift"),
            ],
            &["support"],
        )
        .hint("A call to a group rings for everybody in it.")
        .toggle("active", "May sign in", true)
}

pub(crate) fn wrong(field: &str, why: &str) -> FieldError {
    FieldError {
        field: field.to_owned(),
        why: why.to_owned(),
    }
}

pub(crate) struct Hand {
    pub(crate) form: Form,
    pub(crate) theme: Theme,
    pub(crate) drawn: Drawn,
    pub(crate) buf: Buffer,
    /// What it wanted, oldest first.
    pub(crate) wishes: Vec<Wish>,
    pointer: Pointer,
    now: Timestamp,
}

impl Hand {
    pub(crate) fn new(form: Form, width: u16, height: u16) -> Self {
        let mut hand = Self {
            form,
            theme: Theme::Dark,
            drawn: Drawn::default(),
            buf: Buffer::empty(Rect::new(0, 0, width, height)),
            wishes: Vec::new(),
            pointer: Pointer::default(),
            now: MORNING,
        };
        hand.draw();
        hand
    }

    fn want(&mut self, wish: Wish) {
        if wish != Wish::None {
            self.wishes.push(wish);
        }
    }

    pub(crate) fn key(&mut self, key: Key) {
        let wish = self.form.key(key);
        self.want(wish);
        self.draw();
    }

    pub(crate) fn keys(&mut self, text: &str) {
        text.chars().for_each(|c| self.key(Key::Char(c)));
    }

    pub(crate) fn tabs(&mut self, times: usize) {
        for _ in 0..times {
            self.key(Key::Tab);
        }
    }

    pub(crate) fn arrow(&mut self, dir: Dir) {
        self.key(Key::Arrow(dir));
    }

    pub(crate) fn paste(&mut self, text: &str) {
        self.form.paste(text);
        self.draw();
    }

    pub(crate) fn size(&mut self, width: u16, height: u16) {
        self.buf = Buffer::empty(Rect::new(0, 0, width, height));
        self.draw();
    }

    pub(crate) fn mouse(&mut self, kind: MouseEventKind, (column, row): (u16, u16)) {
        let event = MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        };
        let msgs = self.pointer.mouse(event, &self.drawn.hits, self.now, false);
        for msg in msgs {
            match msg {
                Msg::Click(Spot::Form(part)) => {
                    let wish = self.form.click(part, false);
                    self.want(wish);
                }
                Msg::DoubleClick(Spot::Form(part)) => {
                    let wish = self.form.click(part, true);
                    self.want(wish);
                }
                Msg::Wheel(_, lines) => self.form.wheel(lines),
                _ => {}
            }
        }
        self.draw();
    }

    /// Where that part is drawn.
    pub(crate) fn at(&self, part: Part) -> (u16, u16) {
        let on_top = |rect: &Rect| {
            rect.positions()
                .find(|p| self.drawn.hits.at(p.x, p.y) == Some(&Spot::Form(part)))
        };
        let here = self.drawn.hits.iter().find_map(|(rect, _)| on_top(rect));
        let here = here.unwrap_or_else(|| panic!("{part:?} is not on\n{}", self.screen()));
        (here.x, here.y)
    }

    pub(crate) fn click(&mut self, part: Part) {
        let at = self.at(part);
        self.now = self.now.plus(1_000);
        self.mouse(MouseEventKind::Down(MouseButton::Left), at);
        self.mouse(MouseEventKind::Up(MouseButton::Left), at);
    }

    /// Clicks there twice, as fast as a hand does.
    pub(crate) fn click_twice(&mut self, part: Part) {
        let at = self.at(part);
        self.click(part);
        self.mouse(MouseEventKind::Down(MouseButton::Left), at);
        self.mouse(MouseEventKind::Up(MouseButton::Left), at);
    }

    pub(crate) fn draw(&mut self) {
        self.buf.reset();
        self.drawn = view::draw_form(&self.form, self.theme, &mut self.buf);
    }

    pub(crate) fn screen(&self) -> String {
        screen(&self.buf)
    }
}

/// A screen as text.
pub(crate) fn screen(buf: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buf.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buf.area.width {
            let symbol = buf[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(symbol.width().max(1)).unwrap();
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Every cell holds harmless text as wide as the screen thinks it is, and what can be hit is on the screen.
pub(crate) fn sound(buf: &Buffer, drawn: &Drawn) -> Result<(), TestCaseError> {
    use proptest::prop_assert;
    for y in 0..buf.area.height {
        let (mut x, mut cells) = (0, 0);
        while x < buf.area.width {
            let symbol = buf[(x, y)].symbol();
            let bad = symbol.chars().any(|c| {
                c.is_control()
                    || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            });
            prop_assert!(!bad, "{symbol:?} at {x},{y}");
            let width = symbol.width().max(1);
            cells += width;
            x += u16::try_from(width).unwrap();
        }
        prop_assert!(
            cells == usize::from(buf.area.width),
            "row {y} is out of step:\n{}",
            screen(buf)
        );
    }
    for (rect, spot) in drawn.hits.iter() {
        prop_assert!(
            rect.intersection(buf.area) == *rect,
            "{spot:?} leaves the screen"
        );
    }
    if let Some(cursor) = drawn.cursor {
        prop_assert!(
            buf.area.contains(cursor),
            "the cursor is at {cursor:?} of {:?}",
            buf.area
        );
    }
    Ok(())
}
