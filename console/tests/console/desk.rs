//! A console without a terminal: the real model, the real views, the real pointer, and the made-up house at
//! the other end.

use cordboard::{
    app::{Cmd, Hand, LinkNews, Model, Msg, Spot, update},
    ask::{Answer, Ask, Trouble},
    input::Pointer,
    keymap::{Dir, Key},
    preferences::Preferences,
    theme::Theme,
    view::{self, Drawn},
};
use cordboard_core::{
    board::{At, DropTarget},
    ids::{CallId, Timestamp, UserId},
    machine::Intent,
    wire::{ClientMsg, Command, Order, ServerMsg},
};
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::{buffer::Buffer, layout::Rect};

use crate::{
    office::Office,
    scene::{House, ME},
};

/// Sunday, 22 November 2026, 09:41:07 UTC.
pub(crate) const MORNING: Timestamp = Timestamp::from_millis(1_795_340_467_000);

/// A house in the middle of a morning: a call in every kind of place.
pub(crate) fn busy() -> House {
    let mut house = House::quiet(MORNING);
    house.fill();
    house
}

/// A house where nothing happens.
pub(crate) fn quiet() -> House {
    House::quiet(MORNING)
}

pub(crate) struct Desk {
    pub(crate) model: Model,
    pub(crate) house: House,
    pub(crate) drawn: Drawn,
    pub(crate) buf: Buffer,
    /// Every command that left, oldest first.
    pub(crate) sent: Vec<Command>,
    /// Everything that was asked over HTTP, and what was said to the pages, oldest first.
    pub(crate) asked: Vec<Ask>,
    pub(crate) orders: Vec<ClientMsg>,
    pub(crate) copied: Vec<String>,
    pub(crate) office: Office,
    /// Whether answers are kept back, and those that are.
    pub(crate) slow: bool,
    pub(crate) late: Vec<(u64, Result<Answer, Trouble>)>,
    pub(crate) bells: usize,
    pub(crate) quit: bool,
    /// The colours and keys that were to be kept last.
    pub(crate) kept: Option<Preferences>,
    /// Whether the board was left for the sign-in.
    pub(crate) door: bool,
    pointer: Pointer,
    now: Timestamp,
}

impl Desk {
    /// A console of that size, signed in and live.
    pub(crate) fn new(house: House, width: u16, height: u16) -> Self {
        let office = Office::of(&house.board, ME, MORNING, 0);
        let mut desk = Self {
            office,
            asked: Vec::new(),
            orders: Vec::new(),
            copied: Vec::new(),
            slow: false,
            late: Vec::new(),
            model: Model::new(MORNING, 7, Theme::Dark),
            house,
            drawn: Drawn::default(),
            buf: Buffer::empty(Rect::new(0, 0, width, height)),
            sent: Vec::new(),
            bells: 0,
            quit: false,
            kept: None,
            door: false,
            pointer: Pointer::default(),
            now: MORNING,
        };
        desk.tell(Msg::Size(width, height));
        desk.tell(Msg::Link(LinkNews::Connecting));
        desk.tell(Msg::Link(LinkNews::Open));
        desk.tell(Msg::Link(LinkNews::Rtt(9)));
        assert!(
            desk.model.link.is_live(),
            "the house has answered: {:?}",
            desk.model.link
        );
        desk.draw();
        desk
    }

    /// Tells the model something, lets the house answer, and paints.
    pub(crate) fn tell(&mut self, msg: Msg) {
        let mut todo = vec![msg];
        while let Some(msg) = todo.pop() {
            for cmd in update(&mut self.model, msg) {
                match cmd {
                    Cmd::Send(msg) => {
                        if let ClientMsg::Do(command) = &msg {
                            self.sent.push(command.clone());
                        }
                        if matches!(msg, ClientMsg::Page { .. }) {
                            self.orders.push(msg.clone());
                        }
                        let answers = self.house.hear(msg);
                        todo.extend(answers.into_iter().rev().map(|m| Msg::Server(Box::new(m))));
                    }
                    Cmd::Ask(number, ask) => {
                        self.asked.push(ask.clone());
                        let answer = self.office.answer(ask);
                        if self.slow {
                            self.late.push((number, answer));
                        } else {
                            todo.push(Msg::Answer(number, answer));
                        }
                    }
                    Cmd::Copy(text) => self.copied.push(text),
                    Cmd::Bell => self.bells += 1,
                    Cmd::Quit => self.quit = true,
                    Cmd::SignIn => self.door = true,
                    Cmd::Keep(likes) => self.kept = Some(likes),
                    Cmd::Mouse(_) | Cmd::Redraw | Cmd::Suspend => {}
                }
            }
        }
        self.draw();
    }

    /// The answers that were kept back come now.
    pub(crate) fn answers_come(&mut self) {
        for (number, answer) in std::mem::take(&mut self.late) {
            self.tell(Msg::Answer(number, answer));
        }
    }

    pub(crate) fn hear(&mut self, msg: ServerMsg) {
        self.tell(Msg::Server(Box::new(msg)));
    }

    /// So much time passes.
    pub(crate) fn pass(&mut self, ms: i64) {
        self.now = self.now.plus(ms);
        for msg in self.house.tick(self.now) {
            self.hear(msg);
        }
        self.tell(Msg::Time(self.now));
    }

    /// A caller rings the desk now.
    pub(crate) fn call(&mut self) -> CallId {
        let (id, delta) = self.house.arrive(self.now);
        self.hear(delta);
        id
    }

    pub(crate) fn key(&mut self, key: Key) {
        self.tell(Msg::Key(key));
    }

    /// Types characters, one key each.
    pub(crate) fn keys(&mut self, text: &str) {
        for c in text.chars() {
            self.key(Key::Char(c));
        }
    }

    pub(crate) fn enter(&mut self) {
        self.key(Key::Enter);
    }

    pub(crate) fn arrow(&mut self, dir: Dir) {
        self.key(Key::Arrow(dir));
    }

    pub(crate) fn mouse(&mut self, kind: MouseEventKind, at: (u16, u16)) {
        let carrying = self
            .model
            .carry
            .as_ref()
            .is_some_and(|c| c.hand == Hand::Mouse);
        let event = MouseEvent {
            kind,
            column: at.0,
            row: at.1,
            modifiers: KeyModifiers::NONE,
        };
        for msg in self
            .pointer
            .mouse(event, &self.drawn.hits, self.now, carrying)
        {
            self.tell(msg);
        }
    }

    pub(crate) fn press(&mut self, at: (u16, u16)) {
        self.mouse(MouseEventKind::Down(MouseButton::Left), at);
    }

    pub(crate) fn drag_to(&mut self, at: (u16, u16)) {
        self.mouse(MouseEventKind::Drag(MouseButton::Left), at);
    }

    pub(crate) fn release(&mut self, at: (u16, u16)) {
        self.mouse(MouseEventKind::Up(MouseButton::Left), at);
    }

    pub(crate) fn click(&mut self, at: (u16, u16)) {
        self.press(at);
        self.release(at);
    }

    fn draw(&mut self) {
        if self.model.shape.screen != self.buf.area {
            self.buf = Buffer::empty(self.model.shape.screen);
        }
        self.buf.reset();
        self.drawn = view::draw(&self.model, &mut self.buf);
        self.model.dirty = false;
        if let Some(last) = self.drawn.last_line {
            update(&mut self.model, Msg::LastLine(last));
        }
    }

    /// The screen as text.
    pub(crate) fn screen(&self) -> String {
        let mut out = String::new();
        for y in 0..self.buf.area.height {
            let mut line = String::new();
            let mut x = 0;
            while x < self.buf.area.width {
                let symbol = self.buf[(x, y)].symbol();
                line.push_str(symbol);
                x += u16::try_from(unicode_width::UnicodeWidthStr::width(symbol).max(1)).unwrap();
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }

    /// A cell in the middle of the first spot that `wanted` is true of.
    pub(crate) fn find(&self, what: &str, wanted: impl Fn(&Spot) -> bool) -> (u16, u16) {
        let on_top = |rect: &Rect, spot: &Spot| {
            rect.positions()
                .map(|p| (p.x, p.y))
                .filter(|(x, y)| self.drawn.hits.at(*x, *y) == Some(spot))
                .collect::<Vec<_>>()
        };
        let cells = self
            .drawn
            .hits
            .iter()
            .filter(|(_, s)| wanted(s))
            .map(|(r, s)| on_top(r, s))
            .find(|cells| !cells.is_empty());
        let cells =
            cells.unwrap_or_else(|| panic!("{what} is not on the screen:\n{}", self.screen()));
        cells[cells.len() / 2]
    }

    pub(crate) fn call_at(&self, call: CallId) -> (u16, u16) {
        self.find("the call", |s| s.call() == Some(call))
    }

    pub(crate) fn person_at(&self, user: UserId) -> (u16, u16) {
        self.find("the person", |s| {
            s.target() == Some(&DropTarget::Person(user))
        })
    }

    pub(crate) fn slot_at(&self, slot: &str) -> (u16, u16) {
        let slot: cordboard_core::ids::SlotId = slot.parse().unwrap();
        self.find("the slot", |s| {
            s.target() == Some(&DropTarget::Slot(slot.clone()))
        })
    }

    /// What the last command wanted, and of which call.
    pub(crate) fn last(&self) -> (CallId, Intent) {
        match self.sent.last().map(|c| &c.order) {
            Some(Order::Call { call, intent }) => (*call, intent.clone()),
            other => panic!("the last command is {other:?}, on\n{}", self.screen()),
        }
    }

    /// The oldest call in a place that `wanted` is true of.
    pub(crate) fn in_place(&self, wanted: impl Fn(&At) -> bool) -> CallId {
        let mut calls: Vec<_> = self
            .model
            .board
            .calls
            .values()
            .filter(|c| wanted(&c.place.at))
            .collect();
        calls.sort_by_key(|c| (c.since, c.id));
        calls
            .first()
            .map_or_else(|| panic!("no such call on\n{}", self.screen()), |c| c.id)
    }

    /// What is said in the line above the buttons.
    pub(crate) fn said(&self) -> String {
        self.model
            .note()
            .map(|n| n.text.to_string())
            .unwrap_or_default()
    }
}
