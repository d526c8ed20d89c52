//! Picking a call up and dropping it, by mouse or by keys: the same state and the same words.
//!
//! A carry always ends: by a drop, by Esc, by another button, when the window loses the focus, when the link
//! is lost, and when the call goes or is moved by somebody else. What a drop would do is asked of
//! [`Board::drop_on`](cordboard_core::board::Board::drop_on), never worked out here.

use cordboard_core::{
    board::{Card, Drop, DropTarget},
    ids::{CallId, Rev},
};

use super::{Area, Cmd, Cursor, Dialog, Model, Mood, Sentence, link, spelled};
use crate::keymap::{Action, Dir, Key};

/// What picked it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// The mouse, with its button down.
    Mouse,
    /// The keyboard.
    Keyboard,
}

/// A call being carried.
#[derive(Debug, Clone, PartialEq)]
pub struct Carry {
    /// Which.
    pub call: CallId,
    /// By what.
    pub hand: Hand,
    /// What it is over.
    pub over: Option<DropTarget>,
    /// Where the pointer is.
    pub at: Option<(u16, u16)>,
    /// What was typed to find a person.
    pub typed: String,
    /// The revision that the hand saw. If somebody moves the call meanwhile, the carry is off.
    pub seen: Rev,
    /// Where the cursor goes back to.
    before: Cursor,
}

/// What a drop would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// Whether it can be done.
    pub legal: bool,
    /// What it would do, or why it can't.
    pub sentence: Sentence,
}

impl Model {
    pub(super) fn lift(&mut self, call: CallId, hand: Hand, at: Option<(u16, u16)>) {
        self.dirty = true;
        if !self.link.is_live() {
            self.say(
                Mood::Bad,
                "Not connected: nothing can be moved until the board is live again.",
            );
            return;
        }
        let Some(card) = self.board.calls.get(&call) else {
            return;
        };
        let seen = card.rev;
        self.dialog = None;
        let before = self.cursor.clone();
        self.carry = Some(Carry {
            call,
            hand,
            over: None,
            at,
            typed: String::new(),
            seen,
            before,
        });
        if hand == Hand::Keyboard {
            // Begin where most calls go.
            if matches!(self.cursor.area, Area::Waiting | Area::You) {
                self.cursor.area = Area::People;
            }
            // Nobody means their own tile: the call is over nothing until the hand is told more.
            if self.cursor.area == Area::People && self.cursor.person.is_some_and(|p| self.is_me(p))
            {
                self.keep_cursor_in_sight();
                return;
            }
            self.carry_to_cursor();
        }
    }

    pub(super) fn carry_over(&mut self, target: Option<DropTarget>, at: (u16, u16)) {
        if let Some(carry) = &mut self.carry {
            (carry.over, carry.at) = (target, Some(at));
            self.dirty = true;
        }
    }

    /// Puts what is carried over `target`, and the cursor with it.
    pub(super) fn carry_to(&mut self, target: DropTarget) {
        match &target {
            DropTarget::Person(user) => {
                self.make_visible(*user);
                (self.cursor.area, self.cursor.person) = (Area::People, Some(*user));
            }
            DropTarget::Slot(slot) => {
                (self.cursor.area, self.cursor.slot) = (Area::Slots, Some(slot.clone()));
            }
            DropTarget::Me => self.cursor.area = Area::You,
            DropTarget::Number(_) => {}
        }
        if let Some(carry) = &mut self.carry {
            carry.over = Some(target);
        }
        self.keep_cursor_in_sight();
        self.dirty = true;
    }

    fn carry_to_cursor(&mut self) {
        let over = match self.cursor.area {
            Area::Waiting => None,
            Area::People => self.cursor.person.map(DropTarget::Person),
            Area::Slots => self.cursor.slot.clone().map(DropTarget::Slot),
            Area::You => Some(DropTarget::Me),
        };
        if let Some(carry) = &mut self.carry {
            carry.over = over;
        }
        self.keep_cursor_in_sight();
    }

    pub(super) fn key_while_carrying(&mut self, key: Key) -> Vec<Cmd> {
        match key {
            Key::Esc => self.cancel_carry(None),
            Key::Enter => {
                let over = self.carry.as_ref().and_then(|c| c.over.clone());
                return self.release(over);
            }
            Key::Arrow(dir) => self.carry_step(|m| m.move_cursor(dir)),
            Key::Tab => self.carry_step(|m| m.next_area(1)),
            Key::BackTab => self.carry_step(|m| m.next_area(-1)),
            Key::PageDown => self.carry_step(|m| m.page(1)),
            Key::PageUp => self.carry_step(|m| m.page(-1)),
            Key::Backspace => {
                if let Some(carry) = &mut self.carry {
                    carry.typed.pop();
                }
                self.carry_to_typed();
            }
            // `?` is no letter of a name.
            Key::Char('?') => return self.act(Action::Help),
            Key::Char(c) => {
                if let Some(carry) = &mut self.carry
                    && carry.typed.len() < 32
                    && !c.is_control()
                {
                    carry.typed.push(c);
                }
                self.carry_to_typed();
            }
            _ => {}
        }
        Vec::new()
    }

    fn carry_step(&mut self, step: impl FnOnce(&mut Self)) {
        if let Some(carry) = &mut self.carry {
            carry.typed.clear();
        }
        step(self);
        if self.cursor.area == Area::Waiting {
            // Nothing can be dropped there.
            self.move_cursor(Dir::Down);
        }
        self.carry_to_cursor();
    }

    /// Moves to the person whose name or extension was typed, or to the slot.
    fn carry_to_typed(&mut self) {
        let Some(typed) = self
            .carry
            .as_ref()
            .map(|c| c.typed.clone())
            .filter(|t| !t.is_empty())
        else {
            return;
        };
        let slot = self
            .board
            .slots
            .iter()
            .find(|s| s.id.as_str().eq_ignore_ascii_case(&typed))
            .map(|s| s.id.clone());
        let target = slot
            .map(DropTarget::Slot)
            .or_else(|| self.best_person(&typed).map(DropTarget::Person));
        match target {
            Some(target) => self.carry_to(target),
            None => {
                if let Some(carry) = &mut self.carry {
                    carry.over = None;
                }
            }
        }
    }

    /// What dropping the carried call on `target` would do.
    pub fn preview_on(&self, target: &DropTarget) -> Option<Preview> {
        let carry = self.carry.as_ref()?;
        self.preview_of(carry.call, target)
    }

    /// What dropping that call on `target` would do.
    pub fn preview_of(&self, call: CallId, target: &DropTarget) -> Option<Preview> {
        Some(match self.board.drop_on(self.actor()?, call, target) {
            Drop::Do(_, sentence) => Preview {
                legal: true,
                sentence: Sentence::new(&sentence),
            },
            Drop::Choose(_) => Preview {
                legal: true,
                sentence: Sentence::new("choose what to do"),
            },
            Drop::No(no) => Preview {
                legal: false,
                sentence: Sentence::new(&no.why),
            },
        })
    }

    /// What dropping the carried call here and now would do.
    pub fn preview(&self) -> Option<Preview> {
        self.preview_on(self.carry.as_ref()?.over.as_ref()?)
    }

    /// The mouse has let go. What was promised last is what may happen: if something else has come under the
    /// pointer meanwhile (people were scrolled, tiles have moved), the call stays in hand, over that, until it is
    /// dropped with that promise read.
    pub(super) fn let_go(&mut self, target: Option<DropTarget>) -> Vec<Cmd> {
        if let (Some(carry), Some(target)) = (&mut self.carry, &target)
            && carry.over.as_ref() != Some(target)
        {
            (carry.hand, carry.at) = (Hand::Keyboard, None);
            self.carry_to(target.clone());
            return Vec::new();
        }
        self.release(target)
    }

    pub(super) fn release(&mut self, target: Option<DropTarget>) -> Vec<Cmd> {
        let Some(carry) = self.carry.take() else {
            return Vec::new();
        };
        self.cursor = carry.before;
        self.dirty = true;
        let Some(target) = target else {
            self.say(Mood::Info, "Let go over nothing: nothing was moved.");
            return Vec::new();
        };
        let Some(me) = self.actor() else {
            return Vec::new();
        };
        match self.board.drop_on(me, carry.call, &target) {
            Drop::Do(intent, sentence) => self.order(carry.call, intent, &sentence, carry.seen),
            Drop::Choose(options) => {
                let options = spelled(options);
                self.dialog = Some(Dialog::Choose(carry.call, carry.seen, options));
                Vec::new()
            }
            Drop::No(no) => {
                self.say(Mood::Bad, &no.why);
                Vec::new()
            }
        }
    }

    pub(super) fn cancel_carry(&mut self, why: Option<&str>) {
        if let Some(carry) = self.carry.take() {
            self.cursor = carry.before;
            self.dirty = true;
            if let Some(why) = why {
                self.say(Mood::Info, why);
            }
        }
    }

    /// After a change of the board: is what is carried still there, and still where it was picked up?
    pub(super) fn check_carry(&mut self, changed: Option<&Card>) {
        let Some(carry) = &self.carry else { return };
        let why = match self.board.calls.get(&carry.call) {
            None => format!(
                "{}, so nothing was moved.",
                link::how_it_ended(carry.call, changed)
            ),
            Some(card) if card.moved > carry.seen => {
                format!(
                    "{} was moved by somebody else meanwhile, so nothing was done.",
                    card.title()
                )
            }
            Some(_) => return,
        };
        self.cancel_carry(Some(&why));
    }
}
