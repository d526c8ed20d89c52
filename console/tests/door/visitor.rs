//! The door without a terminal and without a server: keys, mouse and answers in; the screen and questions out.

use cordboard::{
    app::{Msg, Spot},
    ask::Trouble,
    door::{Answer, Door, DoorCmd, DoorMsg, Page, Request, update},
    form::Part,
    input::Pointer,
    keymap::Key,
    theme::Theme,
    view::{self, Drawn},
};
use cordboard_core::{
    api::{FieldError, Front, InvitationSeen, Tokens},
    ids::{Timestamp, UserId},
    policy::Role,
    wire::Me,
};
use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::{buffer::Buffer, layout::Rect};

use crate::hand::{MORNING, screen};

pub(crate) const URL: &str = "https://desk.example.com";

pub(crate) const SET_UP: Front = Front {
    setup: false,
    registration: false,
};

pub(crate) struct Visitor {
    pub(crate) door: Door,
    pub(crate) drawn: Drawn,
    pub(crate) buf: Buffer,
    /// What was asked, oldest first, with its number.
    pub(crate) asked: Vec<(u64, Request)>,
    /// Everything else that should have happened.
    pub(crate) done: Vec<DoorCmd>,
    pub(crate) now: Timestamp,
    pointer: Pointer,
}

impl Visitor {
    /// Somebody at the door of a server, if they know one, that has not answered yet.
    pub(crate) fn new(url: Option<&str>, width: u16, height: u16) -> Self {
        let url = url.map(|url| url.parse().unwrap());
        let (door, first) = Door::new(url, "Console on desk-3", Theme::Dark);
        let mut visitor = Self {
            door,
            drawn: Drawn::default(),
            buf: Buffer::empty(Rect::new(0, 0, width, height)),
            asked: Vec::new(),
            done: Vec::new(),
            now: MORNING,
            pointer: Pointer::default(),
        };
        visitor.follow(first);
        visitor.tell(DoorMsg::Size(width, height));
        visitor.tell(DoorMsg::Time(MORNING));
        visitor
    }

    /// The same, and it has said what can be done.
    pub(crate) fn at(front: Front, width: u16, height: u16) -> Self {
        let mut visitor = Self::new(Some(URL), width, height);
        visitor.answer(Ok(Answer::Front(front)));
        visitor
    }

    fn follow(&mut self, cmds: Vec<DoorCmd>) {
        for cmd in cmds {
            match cmd {
                DoorCmd::Ask(n, _, request) => self.asked.push((n, request)),
                other => self.done.push(other),
            }
        }
    }

    pub(crate) fn tell(&mut self, msg: DoorMsg) {
        let cmds = update(&mut self.door, msg);
        self.follow(cmds);
        self.draw();
    }

    pub(crate) fn draw(&mut self) {
        self.buf.reset();
        self.drawn = view::draw_door(&self.door, &mut self.buf);
    }

    /// The last question is answered.
    pub(crate) fn answer(&mut self, result: Result<Answer, Trouble>) {
        let n = self.asked.last().expect("something was asked").0;
        self.tell(DoorMsg::Answer(n, result));
    }

    pub(crate) fn key(&mut self, key: Key) {
        self.tell(DoorMsg::Key(key));
    }

    pub(crate) fn enter(&mut self) {
        self.key(Key::Enter);
    }

    pub(crate) fn keys(&mut self, text: &str) {
        text.chars().for_each(|c| self.key(Key::Char(c)));
    }

    /// Fills in one field after the other, and sends.
    pub(crate) fn fill(&mut self, values: &[&str]) {
        for value in values {
            self.keys(value);
            self.enter();
        }
    }

    pub(crate) fn pass(&mut self, ms: i64) {
        self.now = self.now.plus(ms);
        self.tell(DoorMsg::Time(self.now));
    }

    pub(crate) fn click(&mut self, what: &Spot) {
        let on_top = |rect: &Rect| {
            rect.positions()
                .find(|p| self.drawn.hits.at(p.x, p.y) == Some(what))
        };
        let here = self.drawn.hits.iter().find_map(|(rect, _)| on_top(rect));
        let here = here.unwrap_or_else(|| panic!("{what:?} is not on\n{}", self.screen()));
        self.now = self.now.plus(1_000);
        for kind in [
            MouseEventKind::Down(MouseButton::Left),
            MouseEventKind::Up(MouseButton::Left),
        ] {
            self.mouse(kind, (here.x, here.y));
        }
    }

    pub(crate) fn press(&mut self, part: Part) {
        self.click(&Spot::Form(part));
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
                Msg::Click(spot) => self.tell(DoorMsg::Click(spot, false)),
                Msg::DoubleClick(spot) => self.tell(DoorMsg::Click(spot, true)),
                Msg::Wheel(_, lines) => self.tell(DoorMsg::Wheel(lines)),
                _ => {}
            }
        }
    }

    pub(crate) fn screen(&self) -> String {
        screen(&self.buf)
    }

    /// The screen says that, wherever it breaks its lines.
    pub(crate) fn says(&self, text: &str) -> bool {
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let bare = self.screen().replace(['│', '▸'], " ");
        plain(&bare).contains(&plain(text))
    }

    pub(crate) fn page(&self) -> &Page {
        &self.door.page
    }

    /// The last question.
    pub(crate) fn last(&self) -> &Request {
        &self.asked.last().expect("something was asked").1
    }
}

pub(crate) fn tokens() -> Answer {
    Answer::Tokens(Box::new(Tokens {
        access: "a.secret.token".into(),
        expires_in: 600,
        refresh: "another-secret".into(),
        session: "0123456789abcdef".parse().unwrap(),
        me: Me {
            id: UserId(1),
            name: "Ada Lovelace".into(),
            role: Role::Operator,
            rights: Role::Operator.rights(),
        },
    }))
}

pub(crate) fn seen(personal: bool) -> Answer {
    Answer::Seen(InvitationSeen {
        role: Role::Operator,
        name: "Grace Hopper".into(),
        email: personal.then(|| "grace@example.com".parse().unwrap()),
        extension: personal.then(|| "102".parse().unwrap()),
        expires: MORNING.plus(6 * 86_400_000 + 5_000_000),
    })
}

pub(crate) fn refused(code: &str, detail: &str) -> Result<Answer, Trouble> {
    Err(Trouble::new(code, detail))
}

pub(crate) fn fields(errors: &[(&str, &str)]) -> Result<Answer, Trouble> {
    let errors = errors.iter().map(|(field, why)| FieldError {
        field: (*field).to_owned(),
        why: (*why).to_owned(),
    });
    Err(Trouble {
        errors: errors.collect(),
        ..Trouble::new("invalid", "Some fields are wrong.")
    })
}
