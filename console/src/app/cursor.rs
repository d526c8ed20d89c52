//! Where the keyboard is: one of four areas, and in each what was selected there last.
//!
//! Selections are ids, not positions, so they stay with a call or a person while others come and go.

use cordboard_core::{
    board::{Card, DropTarget},
    ids::{CallId, SlotId, UserId},
};

use super::{Hand, Model, Spot};
use crate::{keymap::Dir, shape::Class};

/// A part of the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Area {
    /// The waiting calls.
    Waiting,
    /// The people.
    People,
    /// The slots.
    Slots,
    /// One's own calls. Home.
    #[default]
    You,
}

/// Where the keyboard is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cursor {
    /// In which area.
    pub area: Area,
    /// The selected waiting call; none: the first.
    pub waiting: Option<CallId>,
    /// The selected person.
    pub person: Option<UserId>,
    /// The selected slot.
    pub slot: Option<SlotId>,
    /// The selected call of my own; none: the first.
    pub own: Option<CallId>,
}

impl Model {
    /// The selected waiting call, or the one that waits longest.
    pub fn selected_waiting(&self) -> Option<&Card> {
        let waiting = self.waiting();
        let selected = waiting
            .iter()
            .copied()
            .find(|c| Some(c.id) == self.cursor.waiting);
        selected.or_else(|| waiting.first().copied())
    }

    /// The selected call of my own, or the first.
    pub fn selected_own(&self) -> Option<&Card> {
        let own = self.own();
        let selected = own.iter().copied().find(|c| Some(c.id) == self.cursor.own);
        selected.or_else(|| own.first().copied())
    }

    pub(super) fn go_home(&mut self) {
        self.cursor.area = Area::You;
        self.cursor.own = None;
        self.first_own = 0;
    }

    /// The areas that are on the screen, in their order.
    fn areas(&self) -> Vec<Area> {
        let shape = &self.shape;
        [
            (Area::Waiting, shape.waiting),
            (Area::People, shape.people),
            (Area::Slots, shape.slots),
            (Area::You, shape.you),
        ]
        .into_iter()
        .filter(|(_, rect)| !rect.is_empty())
        .map(|(area, _)| area)
        .collect()
    }

    /// The people of the next group, or everybody again.
    pub(super) fn next_group(&mut self) {
        let at = self
            .board
            .groups
            .iter()
            .position(|g| Some(&g.id) == self.group.as_ref());
        let next = at.map_or(0, |n| n + 1);
        self.group = self.board.groups.get(next).map(|g| g.id.clone());
        self.first_row = 0;
        self.cursor.area = Area::People;
        self.show_group();
        if self.person_index().is_none() {
            self.cursor.person = self.order.first().copied();
        }
    }

    /// Brings the people that are shown in line with the group, and makes room for everybody: tiles keep their size
    /// when a group is looked at.
    pub(super) fn show_group(&mut self) {
        let shown = self
            .group
            .as_ref()
            .filter(|id| self.board.groups.iter().any(|g| g.id == **id));
        self.group = shown.cloned();
        let belongs = |user: &UserId| match (&self.group, self.board.people.get(user)) {
            (Some(group), Some(person)) => person.groups.contains(group),
            _ => true,
        };
        self.order = self.everybody.iter().copied().filter(belongs).collect();
        self.reshape();
    }

    /// Somebody outside the group is meant: then everybody is shown.
    pub(super) fn make_visible(&mut self, user: UserId) {
        if !self.order.contains(&user) {
            self.group = None;
            self.show_group();
        }
    }

    pub(super) fn next_area(&mut self, step: isize) {
        let areas = self.areas();
        let at = areas
            .iter()
            .position(|a| *a == self.cursor.area)
            .unwrap_or(0);
        let count = isize::try_from(areas.len()).unwrap_or(1).max(1);
        let next = (isize::try_from(at).unwrap_or(0) + step).rem_euclid(count);
        if let Some(area) = usize::try_from(next).ok().and_then(|n| areas.get(n)) {
            self.enter(*area);
        }
    }

    /// Goes to an area, and selects something there if nothing is.
    fn enter(&mut self, area: Area) {
        self.cursor.area = area;
        match area {
            Area::Slots if self.cursor.slot.is_none() => {
                self.cursor.slot = self.board.slots.first().map(|s| s.id.clone());
            }
            Area::People if self.cursor.person.is_none() => {
                self.cursor.person = self.order.first().copied();
            }
            _ => {}
        }
        self.keep_cursor_in_sight();
    }

    pub(super) fn move_cursor(&mut self, dir: Dir) {
        let columns = isize::try_from(self.shape.columns.max(1)).unwrap_or(1);
        let side = self.shape.class == Class::Full;
        match (self.cursor.area, dir) {
            (Area::Waiting, Dir::Up) => {}
            (Area::Waiting, Dir::Down) => self.enter(Area::People),

            (Area::People, Dir::Right)
                if side && self.at_right_edge() && !self.board.slots.is_empty() =>
            {
                self.enter(Area::Slots);
            }
            (Area::People, Dir::Up)
                if self
                    .person_index()
                    .is_some_and(|i| i < columns.unsigned_abs()) =>
            {
                self.enter(Area::Waiting);
            }
            (Area::People, Dir::Up) => self.step(-columns),
            (Area::People, Dir::Down) => {
                let last_row = self.order.len().saturating_sub(1) / columns.unsigned_abs();
                if self
                    .person_index()
                    .is_none_or(|i| i / columns.unsigned_abs() >= last_row)
                {
                    self.enter(if side || self.shape.slots.is_empty() {
                        Area::You
                    } else {
                        Area::Slots
                    });
                } else {
                    self.step(columns);
                }
            }

            (Area::Slots, Dir::Left) if side => self.enter(Area::People),
            (Area::Slots, Dir::Right) if side => {}
            (Area::Slots, Dir::Up) if !side => self.enter(Area::People),
            (Area::Slots, Dir::Down) if !side => self.enter(Area::You),
            (Area::Slots, Dir::Up) if self.slot_index() == Some(0) => self.enter(Area::Waiting),
            (Area::Slots, Dir::Down)
                if self.slot_index() == Some(self.board.slots.len().saturating_sub(1)) =>
            {
                self.enter(Area::You);
            }

            // One's own calls stand one above the other; for what is carried they are one place.
            (Area::You, Dir::Up) if self.own_index() == 0 || self.carry.is_some() => {
                self.enter(if side || self.shape.slots.is_empty() {
                    Area::People
                } else {
                    Area::Slots
                });
            }
            (Area::You, Dir::Down) if self.carry.is_some() => {}

            (_, Dir::Left | Dir::Up) => self.step(-1),
            (_, Dir::Right | Dir::Down) => self.step(1),
        }
        self.keep_cursor_in_sight();
        self.dirty = true;
    }

    fn person_index(&self) -> Option<usize> {
        self.cursor
            .person
            .and_then(|p| self.order.iter().position(|u| *u == p))
    }

    /// Which of my own calls is selected: the first, if none was.
    fn own_index(&self) -> usize {
        let own = self.own();
        let selected = own.iter().position(|c| Some(c.id) == self.cursor.own);
        selected.unwrap_or(0)
    }

    fn slot_index(&self) -> Option<usize> {
        self.cursor
            .slot
            .as_ref()
            .and_then(|id| self.board.slots.iter().position(|s| s.id == *id))
    }

    fn at_right_edge(&self) -> bool {
        let columns = usize::from(self.shape.columns.max(1));
        self.person_index()
            .is_none_or(|i| i % columns == columns - 1 || i + 1 == self.order.len())
    }

    /// Moves the selection of the area by so many places, stopping at its ends.
    fn step(&mut self, by: isize) {
        let go = |at: Option<usize>, len: usize| -> Option<usize> {
            let last = len.checked_sub(1)?;
            Some(at.unwrap_or(0).saturating_add_signed(by).min(last))
        };
        match self.cursor.area {
            Area::Waiting => {
                let calls: Vec<CallId> = self.waiting().iter().map(|c| c.id).collect();
                let at = calls.iter().position(|c| Some(*c) == self.cursor.waiting);
                self.cursor.waiting = go(at, calls.len()).map(|i| calls[i]);
            }
            Area::People => {
                self.cursor.person =
                    go(self.person_index(), self.order.len()).map(|i| self.order[i]);
            }
            Area::Slots => {
                let at = go(self.slot_index(), self.board.slots.len());
                self.cursor.slot = at.map(|i| self.board.slots[i].id.clone());
            }
            Area::You => {
                let calls: Vec<CallId> = self.own().iter().map(|c| c.id).collect();
                let at = calls.iter().position(|c| Some(*c) == self.cursor.own);
                self.cursor.own = go(at, calls.len()).map(|i| calls[i]);
            }
        }
        self.dirty = true;
    }

    /// To the first or the last of the area.
    pub(super) fn jump(&mut self, by: isize) {
        self.step(by);
        self.keep_cursor_in_sight();
    }

    /// A page of people up or down.
    pub(super) fn page(&mut self, pages: isize) {
        self.cursor.area = Area::People;
        let page = isize::try_from(self.shape.people_on_page()).unwrap_or(1);
        self.step(page.saturating_mul(pages));
        self.keep_cursor_in_sight();
    }

    pub(super) fn wheel(&mut self, spot: Option<&Spot>, lines: i16) {
        self.dirty = true;
        if self.dialog.is_none() && self.open_settings().is_some() {
            self.wheel_in_settings(lines);
            return;
        }
        let shift = |top: usize| top.saturating_add_signed(isize::from(lines));
        match &mut self.dialog {
            Some(super::Dialog::Help(top) | super::Dialog::Log(top)) => {
                *top = shift(*top);
                return;
            }
            Some(super::Dialog::Find(find)) => {
                find.typed.step(isize::from(lines.signum()));
                return;
            }
            Some(super::Dialog::Palette(palette)) => {
                palette.typed.step(isize::from(lines.signum()));
                return;
            }
            Some(_) => return,
            None => {}
        }
        if let Some(carry) = self.carry.as_mut().filter(|c| c.hand == Hand::Mouse) {
            // What the pointer is over now is known when it moves next.
            carry.over = None;
        }
        if spot.and_then(Spot::target) == Some(&DropTarget::Me) {
            self.first_own = shift(self.first_own).min(self.last_first_own());
        } else if matches!(spot, Some(Spot::Area(Area::Waiting) | Spot::Call(_, None))) {
            self.first_chip = shift(self.first_chip).min(
                self.waiting()
                    .len()
                    .saturating_sub(self.shape.chips_on_page()),
            );
        } else {
            self.first_row = shift(self.first_row).min(self.last_first_row());
        }
    }

    /// The highest `first_row` that still fills the screen.
    fn last_first_row(&self) -> usize {
        let rows = self
            .order
            .len()
            .div_ceil(usize::from(self.shape.columns.max(1)));
        rows.saturating_sub(usize::from(self.shape.rows))
    }

    pub(super) fn keep_cursor_in_sight(&mut self) {
        if let Some(at) = self.person_index()
            && self.cursor.area == Area::People
        {
            let row = at / usize::from(self.shape.columns.max(1));
            let rows = usize::from(self.shape.rows.max(1));
            self.first_row = self.first_row.clamp((row + 1).saturating_sub(rows), row);
        }
        if let (Some(at), Area::Waiting) = (self.chip_index(), self.cursor.area) {
            let page = self.shape.chips_on_page().max(1);
            self.first_chip = self.first_chip.clamp((at + 1).saturating_sub(page), at);
        }
        if self.cursor.area == Area::You {
            let (at, rows) = (self.own_index(), usize::from(self.shape.you.height.max(1)));
            self.first_own = self.first_own.clamp((at + 1).saturating_sub(rows), at);
        }
        self.keep_page_in_bounds();
    }

    fn chip_index(&self) -> Option<usize> {
        let selected = self.cursor.waiting?;
        self.waiting().iter().position(|c| c.id == selected)
    }

    /// No page begins so late that it is not full.
    fn keep_page_in_bounds(&mut self) {
        self.first_row = self.first_row.min(self.last_first_row());
        let chips = self.waiting().len();
        self.first_chip = self
            .first_chip
            .min(chips.saturating_sub(self.shape.chips_on_page().max(1)));
        self.first_own = self.first_own.min(self.last_first_own());
    }

    /// The highest `first_own` that still fills the area.
    fn last_first_own(&self) -> usize {
        let rows = usize::from(self.shape.you.height.max(1));
        self.own().len().saturating_sub(rows)
    }

    /// Selections of what has gone fall back to the first. Pages stay where they are: a board on which something
    /// happens every second must not move under a pointer, nor undo what the wheel has done.
    pub(super) fn check_cursor(&mut self) {
        if self
            .cursor
            .own
            .is_some_and(|c| !self.own().iter().any(|o| o.id == c) && self.asked_of(c).is_none())
        {
            self.cursor.own = None;
        }
        if self.cursor.waiting.is_some_and(|c| {
            !self.digits.contains_key(&c) && !self.waiting().iter().any(|w| w.id == c)
        }) {
            self.cursor.waiting = None;
        }
        if self
            .cursor
            .person
            .is_some_and(|p| !self.board.people.contains_key(&p))
        {
            self.cursor.person = self.order.first().copied();
        }
        if self.cursor.slot.is_some() && self.slot_index().is_none() {
            self.cursor.slot = None;
        }
        self.keep_page_in_bounds();
    }

    /// A click selects.
    pub(super) fn select(&mut self, spot: &Spot) {
        match spot {
            Spot::Call(call, None) => {
                (self.cursor.area, self.cursor.waiting) = (Area::Waiting, Some(*call));
            }
            Spot::Call(call, Some(DropTarget::Me)) => {
                (self.cursor.area, self.cursor.own) = (Area::You, Some(*call));
            }
            Spot::Call(_, Some(target)) | Spot::Place(target) => match target {
                DropTarget::Person(user) => {
                    (self.cursor.area, self.cursor.person) = (Area::People, Some(*user));
                }
                DropTarget::Slot(slot) => {
                    (self.cursor.area, self.cursor.slot) = (Area::Slots, Some(slot.clone()));
                }
                DropTarget::Me | DropTarget::Number(_) => self.go_home(),
            },
            Spot::Area(area) => self.enter(*area),
            Spot::Button(_)
            | Spot::Key(_)
            | Spot::Line(_)
            | Spot::Form(_)
            | Spot::Section(_)
            | Spot::Window => {}
        }
        self.keep_cursor_in_sight();
    }
}
