//! Drawing the model, and saying what was drawn where.
//!
//! [`draw`] paints one frame and returns the [`Hits`] of that frame: the mouse is matched against what the
//! eye sees, not against what the model has become since. Views read the model and change nothing.
//!
//! Only [`Ink`] reaches a cell, and it takes nothing but cleaned text: [`SafeText`], our own sentences,
//! numbers and literals. No view may write a string from outside into the buffer by itself.
//!
//! Read next: `view/ink.rs`, `view/sheet.rs`, then `bars.rs` (header and footer), `waiting.rs`, `people.rs`, `slots.rs`,
//! `lately.rs`, `you.rs`, `phone.rs` (a page in words), `frame.rs` (what windows are made of), `windows.rs`, `palette.rs`, `pair.rs`, `settings.rs`.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
};

use cordboard_core::{
    board::{At, Card},
    ids::{CallId, SafeText, SlotId, UserId},
};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::{Modifier, Style},
};

use crate::{
    app::{Model, Preview, Spot},
    door::Door,
    form::Form,
    number,
    shape::Class,
    theme::{Theme, Tone},
};

mod bars;
mod door;
mod form;
mod frame;
mod ink;
mod lately;
mod pair;
mod palette;
mod people;
mod phone;
mod settings;
mod sheet;
mod slots;
mod waiting;
mod windows;
mod you;

use ink::{Ink, text_width};
use sheet::Sheet;

/// What was drawn where, in the order of drawing: what lies on top comes last.
#[derive(Debug, Clone, Default)]
pub struct Hits {
    spots: Vec<(Rect, Spot)>,
}

impl Hits {
    /// What is on top at that cell.
    pub fn at(&self, x: u16, y: u16) -> Option<&Spot> {
        self.spots
            .iter()
            .rev()
            .find(|(rect, _)| rect.contains(Position { x, y }))
            .map(|(_, spot)| spot)
    }

    /// Everything, in the order of drawing.
    pub fn iter(&self) -> impl Iterator<Item = &(Rect, Spot)> {
        self.spots.iter()
    }
}

/// A drawn frame: where things are, and where the text cursor stands.
#[derive(Debug, Clone, Default)]
pub struct Drawn {
    /// What was drawn where.
    pub hits: Hits,
    /// Where text is being typed.
    pub cursor: Option<Position>,
    /// The first line of the open help or log when its last is in sight.
    pub last_line: Option<usize>,
}

/// Draws the model into `buf`, whose size may be any.
pub fn draw(model: &Model, buf: &mut Buffer) -> Drawn {
    let area = buf.area;
    let mut canvas = Canvas::new(model, buf);
    canvas.buf.set_style(area, model.theme.ground());
    if model.shape.class == Class::Sentence || model.shape.screen != area {
        // The second case is the moment between a resize and its message.
        canvas.too_small("Calls go on.");
        return canvas.sheet.drawn;
    }
    bars::header(&mut canvas);
    waiting::draw(&mut canvas);
    people::draw(&mut canvas);
    slots::draw(&mut canvas);
    lately::draw(&mut canvas);
    you::draw(&mut canvas);
    if !model.link.is_live() {
        canvas.fade();
    }
    people::target(&mut canvas);
    settings::draw(&mut canvas);
    bars::note(&mut canvas);
    bars::hints(&mut canvas);
    windows::draw(&mut canvas);
    canvas.ghost();
    canvas.sheet.drawn
}

/// Draws a form by itself, into the whole of `buf`.
pub fn draw_form(form: &Form, theme: Theme, buf: &mut Buffer) -> Drawn {
    let mut sheet = Sheet::new(theme, buf);
    let area = sheet.buf.area;
    sheet.ground(area, theme.ground());
    form::draw(&mut sheet, form, area, theme.ground());
    sheet.drawn
}

/// Draws the door into the whole of `buf`.
pub fn draw_door(door: &Door, buf: &mut Buffer) -> Drawn {
    let mut sheet = Sheet::new(door.theme, buf);
    door::draw(&mut sheet, door);
    sheet.drawn
}

/// What the views of the board draw on, with what they look up in it.
struct Canvas<'a> {
    model: &'a Model,
    sheet: Sheet<'a>,
    /// The calls of each person who has any: built once a frame, so that a tile costs nothing for people who
    /// have none.
    calls: BTreeMap<UserId, Vec<&'a Card>>,
    /// The call in each slot that has one.
    parked: BTreeMap<&'a SlotId, &'a Card>,
}

impl<'a> Deref for Canvas<'a> {
    type Target = Sheet<'a>;

    fn deref(&self) -> &Sheet<'a> {
        &self.sheet
    }
}

impl DerefMut for Canvas<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.sheet
    }
}

impl<'a> Canvas<'a> {
    fn new(model: &'a Model, buf: &'a mut Buffer) -> Self {
        let mut calls: BTreeMap<UserId, Vec<&Card>> = BTreeMap::new();
        let mut parked = BTreeMap::new();
        for card in model.board.calls.values() {
            for user in card.concerns() {
                calls.entry(user).or_default().push(card);
            }
            if let At::Parked { slot, .. } | At::Parking { slot, .. } = card.lies() {
                parked.insert(slot, card);
            }
        }
        for (user, cards) in &mut calls {
            cards.sort_by_key(|c| (!c.with.contains(user), c.since, c.id));
        }
        Self {
            model,
            sheet: Sheet::new(model.theme, buf),
            calls,
            parked,
        }
    }

    /// The board as it was: everything in the colour of what may be passed over.
    fn fade(&mut self) {
        let shape = &self.model.shape;
        let (faint, ground) = (self.style(Tone::Faint), self.theme.ground());
        for rect in [
            shape.waiting,
            shape.people,
            shape.slots,
            shape.lately,
            shape.you,
        ] {
            for position in rect.intersection(self.buf.area).positions() {
                if let Some(cell) = self.buf.cell_mut(position) {
                    cell.modifier.remove(Modifier::BOLD | Modifier::REVERSED);
                    cell.set_style(
                        Style {
                            bg: ground.bg,
                            ..faint
                        }
                        .add_modifier(Modifier::DIM),
                    );
                }
            }
        }
    }

    /// What is carried, at the pointer, as long as it is over nothing: over a target, the target speaks.
    fn ghost(&mut self) {
        let Some(carry) = &self.model.carry else {
            return;
        };
        let (Some((x, y)), None) = (carry.at, &carry.over) else {
            return;
        };
        let Some(card) = self.model.board.calls.get(&carry.call) else {
            return;
        };
        let title = SafeText::clean(card.title(), 24);
        let ink = self
            .ink()
            .say(" ◇ ", Tone::Carried)
            .safe(&title, Tone::Carried)
            .say(" ", Tone::Carried);
        let width = ink.width().min(self.buf.area.width);
        let x = (x + 2).min(self.buf.area.width - width);
        let y = (y + 1).min(self.buf.area.height - 1);
        self.line(
            Rect {
                x,
                y,
                width,
                height: 1,
            },
            &ink,
        );
    }

    /// How a call stands to what is being carried or has been asked: what its name is drawn in.
    fn name_tone(&self, card: &Card, usual: Tone) -> Tone {
        if self.carried(card.id) {
            Tone::Faint
        } else {
            usual
        }
    }

    fn carried(&self, call: CallId) -> bool {
        self.model.carry.as_ref().is_some_and(|c| c.call == call)
    }
}

/// The name, or the number, of a call: cleaned and short.
fn title(card: &Card, cells: usize) -> SafeText {
    match (&card.caller.name, &card.caller.number) {
        (Some(name), _) if !name.is_empty() => SafeText::clean(name.as_str(), cells),
        (_, Some(number)) => SafeText::clean(&number::spaced(number), cells),
        _ => SafeText::clean(card.title(), cells),
    }
}

/// The colour of what a drop would do.
const fn verdict(preview: &Preview) -> Tone {
    if preview.legal {
        Tone::Target
    } else {
        Tone::Forbidden
    }
}

/// What a call is doing, in a word or two.
fn doing(at: &At) -> &'static str {
    match at {
        At::Queued { alert: Some(_), .. } => "came back",
        At::Queued { .. } => "waiting",
        At::Ringing { why, .. } => match why.as_str() {
            "returned" => "came back",
            "park-expired" => "parked too long",
            "reconnect" => "was cut off",
            _ => "ringing",
        },
        At::Dialling { .. } => "calling",
        At::Connecting { .. } => "connecting",
        At::Talking { .. } => "talking",
        At::Holding { .. } => "holding…",
        At::Held { .. } => "on hold",
        At::Parking { .. } => "parking…",
        At::Parked { .. } => "parked",
        At::Transferring { .. } => "being sent",
        At::Ended { .. } => "over",
    }
}

/// The colour that goes with it.
fn tone_of(at: &At) -> Tone {
    match at {
        At::Queued { .. }
        | At::Ringing { .. }
        | At::Transferring { .. }
        | At::Dialling { .. }
        | At::Connecting { .. } => Tone::Ring,
        At::Talking { .. } => Tone::Busy,
        At::Holding { .. } | At::Held { .. } | At::Parking { .. } | At::Parked { .. } => Tone::Held,
        At::Ended { .. } => Tone::Faint,
    }
}
