//! Drawing the model, and saying what was drawn where.
//!
//! [`draw`] paints one frame and returns the [`Hits`] of that frame: the mouse is matched against what the
//! eye sees, not against what the model has become since. Views read the model and change nothing.
//!
//! Only [`Ink`] reaches a cell, and it takes nothing but cleaned text: [`SafeText`], our own sentences,
//! numbers and literals. No view may write a string from outside into the buffer by itself.
//!
//! Read next: `view/ink.rs`, then `bars.rs` (header and footer), `waiting.rs`, `people.rs`, `slots.rs`,
//! `lately.rs`, `you.rs`, `windows.rs`.

use std::collections::BTreeMap;

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
    number,
    shape::Class,
    theme::{Theme, Tone},
};

mod bars;
mod ink;
mod lately;
mod people;
mod slots;
mod waiting;
mod windows;
mod you;

use ink::{Ink, text_width};

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
        canvas.sentence_only();
        return canvas.drawn;
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
    bars::note(&mut canvas);
    bars::hints(&mut canvas);
    windows::draw(&mut canvas);
    canvas.ghost();
    canvas.drawn
}

/// What the views draw on.
struct Canvas<'a> {
    model: &'a Model,
    theme: Theme,
    buf: &'a mut Buffer,
    drawn: Drawn,
    /// The calls of each person who has any: built once a frame, so that a tile costs nothing for people who
    /// have none.
    calls: BTreeMap<UserId, Vec<&'a Card>>,
    /// The call in each slot that has one.
    parked: BTreeMap<&'a SlotId, &'a Card>,
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
            theme: model.theme,
            buf,
            drawn: Drawn::default(),
            calls,
            parked,
        }
    }

    fn ink(&self) -> Ink {
        Ink::new(self.theme)
    }

    fn style(&self, tone: Tone) -> Style {
        self.theme.style(tone)
    }

    /// Makes `rect` mean `spot`.
    fn hit(&mut self, rect: Rect, spot: Spot) {
        let rect = rect.intersection(self.buf.area);
        if !rect.is_empty() {
            self.drawn.hits.spots.push((rect, spot));
        }
    }

    /// Writes a line at the left of the first row of `rect`, cut to fit. Returns how wide it became.
    fn line(&mut self, rect: Rect, ink: &Ink) -> u16 {
        let rect = rect.intersection(self.buf.area);
        if rect.is_empty() {
            0
        } else {
            ink.write(self.buf, rect)
        }
    }

    /// Writes a line at the right end, if it fits at all; returns what is left of the first row at its left.
    fn line_right(&mut self, rect: Rect, ink: &Ink) -> Rect {
        let width = ink.width();
        if width == 0 || width > rect.width {
            return Rect {
                height: rect.height.min(1),
                ..rect
            };
        }
        self.line(
            Rect {
                x: rect.right() - width,
                width,
                height: 1,
                ..rect
            },
            ink,
        );
        Rect {
            width: rect.width - width,
            height: 1,
            ..rect
        }
    }

    /// Left and right on one row; the right one is kept, the left one is cut.
    fn line_both(&mut self, rect: Rect, left: &Ink, right: &Ink) {
        let mut rest = self.line_right(rect, right);
        if right.width() > 0 && rest.width < rect.width {
            rest.width = rest.width.saturating_sub(1);
        }
        self.line(rest, left);
    }

    /// A line at the foot of `rect`: in its last row, or in more of its rows if it is too long for one.
    fn foot(&mut self, rect: Rect, ink: &Ink) {
        let lines = ink.fold(rect.width.saturating_sub(1), usize::from(rect.height));
        let first = rect.bottom() - u16::try_from(lines.len()).unwrap_or(0).min(rect.height);
        for (y, line) in (first..rect.bottom()).zip(&lines) {
            let row = Rect {
                y,
                height: 1,
                ..rect
            };
            self.line(row, line);
        }
    }

    /// A horizontal rule, with words on it. Words at the right are left out if they don't fit.
    fn rule(&mut self, rect: Rect, left: &Ink, right: &Ink, tone: Tone) {
        if rect.is_empty() {
            return;
        }
        let style = self.style(tone);
        for x in rect.left()..rect.right() {
            self.put(x, rect.y, "─", style);
        }
        let inner = Rect {
            x: rect.x + 2,
            width: rect.width.saturating_sub(4),
            ..rect
        };
        let width = self.line(inner, left);
        if right.width() > 0 && width + right.width() + 2 <= inner.width {
            self.line_right(inner, right);
        }
    }

    /// One symbol of our own.
    fn put(&mut self, x: u16, y: u16, symbol: &'static str, style: Style) {
        if let Some(cell) = self.buf.cell_mut(Position { x, y }) {
            cell.set_symbol(symbol);
            cell.set_style(ink::whole(style));
        }
    }

    /// A ground of one style, with nothing on it.
    fn ground(&mut self, rect: Rect, style: Style) {
        let rect = rect.intersection(self.buf.area);
        for y in rect.top()..rect.bottom() {
            // Half of a wide character is none: the terminal would draw it over the edge.
            if let Some(beside) = rect.left().checked_sub(1)
                && let Some(cell) = self.buf.cell_mut(Position { x: beside, y })
                && text_width(cell.symbol()) > 1
            {
                cell.set_symbol(" ");
            }
            for x in rect.left()..rect.right() {
                if let Some(cell) = self.buf.cell_mut(Position { x, y }) {
                    cell.reset();
                    cell.set_style(self.theme.ground().patch(style));
                }
            }
        }
    }

    /// A box: light with round corners, or heavy where a drop would land.
    fn boxed(&mut self, rect: Rect, style: Style, heavy: bool) {
        if rect.width < 2 || rect.height < 2 {
            return;
        }
        let [across, down, tl, tr, bl, br] = if heavy {
            ["━", "┃", "┏", "┓", "┗", "┛"]
        } else {
            ["─", "│", "╭", "╮", "╰", "╯"]
        };
        let (l, r, t, b) = (rect.left(), rect.right() - 1, rect.top(), rect.bottom() - 1);
        for x in l + 1..r {
            self.put(x, t, across, style);
            self.put(x, b, across, style);
        }
        for y in t + 1..b {
            self.put(l, y, down, style);
            self.put(r, y, down, style);
        }
        for (x, y, symbol) in [(l, t, tl), (r, t, tr), (l, b, bl), (r, b, br)] {
            self.put(x, y, symbol, style);
        }
    }

    /// A word that can be clicked, such as a hint; returns its width.
    fn button(&mut self, x: u16, y: u16, limit: u16, ink: &Ink, spot: Spot) -> u16 {
        let width = ink.width();
        if x + width > limit {
            return 0;
        }
        let rect = Rect {
            x,
            y,
            width,
            height: 1,
        };
        self.line(rect, ink);
        self.hit(rect, spot);
        width
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

    /// For a screen without room for a board.
    fn sentence_only(&mut self) {
        let area = self.buf.area;
        let text = format!(
            "Cordboard needs {} × {} cells. This window has {} × {}. Calls go on.",
            crate::shape::MIN_WIDTH,
            crate::shape::MIN_HEIGHT,
            area.width,
            area.height,
        );
        let lines = ink::wrap(&text, area.width.into());
        for (y, line) in (area.top()..area.bottom()).zip(lines) {
            let ink = self.ink().ours(&line, Tone::Text);
            self.line(
                Rect {
                    y,
                    height: 1,
                    ..area
                },
                &ink,
            );
        }
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
