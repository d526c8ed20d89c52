//! Drawing a form: labels, what they hold, what is wrong beside it or below it, and the buttons.
//!
//! How wide the area is decides where things stand: wide, an error stands beside its field; narrower, below it; in a
//! column, the label goes above. Where the fields do not fit, hints go first, and then they scroll: what has the focus
//! is always in sight, with its error. Nothing is remembered from frame to frame.
//!
//! Read next: [`crate::form`], `view/form/plan.rs` (where things stand).

use ratatui::layout::{Position, Rect};

use super::{
    ink::{self, Ink, text_width},
    sheet::Sheet,
};
use crate::{
    app::{Mood, Sentence, Spot},
    field::Field,
    form::{Form, Kind, Part, Pick},
    theme::{Theme, Tone},
};

mod plan;

use plan::{MARK, Plan, ROWS};

/// A sentence below the fields has so many rows at most.
const SAID: u16 = 5;
/// From this height on there is room for hints of two rows.
const ROOMY: u16 = 14;
/// The narrowest area with a form in it.
pub(super) const MIN_WIDTH: u16 = 24;
/// The lowest.
pub(super) const MIN_HEIGHT: u16 = 5;

/// How high a form of that width is: at least, and with all its hints.
pub(super) fn heights(form: &Form, width: u16) -> (u16, u16) {
    let least = Plan::new(form, width, true).height + foot(form, width, 1);
    let full = Plan::new(form, width, false).height + foot(form, width, 2);
    (least, full)
}

/// How high what stands below the fields is, with at least so many rows for a sentence.
fn foot(form: &Form, width: u16, least: u16) -> u16 {
    let (text, _) = said(form);
    let lines = ink::wrap(&text, width.saturating_sub(MARK).into()).len();
    u16::try_from(lines).unwrap_or(u16::MAX).clamp(least, SAID) + 1
}

/// Draws a form into `area`, which has the ground it lies on already.
pub(super) fn draw(sheet: &mut Sheet<'_>, form: &Form, area: Rect, ground: ratatui::style::Style) {
    let area = area.intersection(sheet.buf.area);
    if area.width < MIN_WIDTH || area.height < MIN_HEIGHT {
        let text = "There is no room for a form here. Make the window larger.";
        for (y, line) in (area.top()..area.bottom()).zip(ink::wrap(text, area.width.into())) {
            let ink = sheet.ink().ours(&line, Tone::Text).on(ground);
            sheet.line(row(area, y), &ink);
        }
        return;
    }
    let mut plan = Plan::new(form, area.width, false);
    let mut below = foot(form, area.width, 2);
    let dense = plan.height + below > area.height;
    if dense {
        plan = Plan::new(form, area.width, true);
        // Hints are said down there, and nothing jumps with the focus. The fields have at least as much.
        let least = if area.height < ROOMY {
            1
        } else {
            hint_rows(form, area.width)
        };
        below = foot(form, area.width, least).min(area.height - 3);
    }
    let fields = Rect {
        height: area.height - below,
        ..area
    };
    let mut page = Page {
        sheet,
        form,
        plan,
        area: fields,
        top: 0,
        ground,
    };
    page.top = page.first_row();
    for n in 0..page.plan.blocks.len() {
        page.block(n);
    }
    page.foot(
        Rect {
            y: fields.bottom(),
            height: below,
            ..area
        },
        dense,
    );
}

/// The rows that the longest hint takes below the fields.
fn hint_rows(form: &Form, width: u16) -> u16 {
    let room = width.saturating_sub(MARK).into();
    let hints = form
        .entries()
        .iter()
        .map(|e| ink::wrap(e.hint.as_str(), room).len());
    u16::try_from(hints.max().unwrap_or(0))
        .unwrap_or(SAID)
        .clamp(1, 2)
}

fn row(area: Rect, y: u16) -> Rect {
    Rect {
        y,
        height: 1,
        ..area
    }
}

/// A form being drawn.
struct Page<'s, 'a> {
    sheet: &'s mut Sheet<'a>,
    form: &'s Form,
    plan: Plan,
    /// Where the fields go.
    area: Rect,
    /// The first row that is in sight.
    top: u16,
    ground: ratatui::style::Style,
}

impl Page<'_, '_> {
    /// The first row in sight: such that what has the focus is, as far in the middle as can be.
    fn first_row(&self) -> u16 {
        let room = self.area.height;
        let most = self.plan.height.saturating_sub(room);
        let Some(block) = self.plan.blocks.get(self.form.focus()) else {
            return 0;
        };
        let mut wanted = block.top..block.bottom;
        let tall = wanted.end - wanted.start > room;
        if let (true, Some(Kind::Many { options, at, .. })) =
            (tall, self.form.focused().map(|e| &e.kind))
        {
            let line = block.input.start + self.line_of(options, *at);
            wanted = line..line + 1;
        }
        let spare = room.saturating_sub(wanted.end - wanted.start);
        wanted.start.saturating_sub(spare / 2).min(most)
    }

    /// The row of a list in which that option stands.
    fn line_of(&self, options: &[Pick], n: usize) -> u16 {
        let (columns, _) = self.plan.columns(options);
        let rows = options.len().div_ceil(columns.into()).max(1);
        u16::try_from(n % rows).unwrap_or(0)
    }

    /// Where that row of the form is on the screen, if it is.
    fn y(&self, row: u16) -> Option<u16> {
        let down = row.checked_sub(self.top)?;
        (down < self.area.height).then(|| self.area.y + down)
    }

    /// That many cells of that row, from that column on.
    fn rect(&self, x: u16, row: u16, width: u16) -> Option<Rect> {
        let y = self.y(row)?;
        let x = (self.area.x + x).min(self.area.right());
        Some(Rect {
            x,
            y,
            width: width.min(self.area.right() - x),
            height: 1,
        })
    }

    fn write(&mut self, x: u16, row: u16, width: u16, ink: Ink) {
        if let Some(rect) = self.rect(x, row, width) {
            self.sheet.line(rect, &ink.on(self.ground));
        }
    }

    fn hit(&mut self, rect: Rect, part: Part) {
        self.sheet.hit(rect, Spot::Form(part));
    }

    fn block(&mut self, n: usize) {
        let form = self.form;
        let (entry, block) = (&form.entries()[n], self.plan.blocks[n].clone());
        let focused = form.focus() == n && entry.editable();
        if entry.editable() {
            for y in block.top..block.input.end {
                let width = self.plan.body.0 + self.plan.body.1;
                if let Some(rect) = self.rect(0, y, width) {
                    self.hit(rect, Part::Field(n));
                }
            }
        }
        let (mark, tone) = match (focused, entry.editable()) {
            (true, _) => ("▸ ", Tone::Accent),
            (false, true) => ("  ", Tone::Text),
            (false, false) => ("  ", Tone::Faint),
        };
        let label = self
            .sheet
            .ink()
            .say(mark, Tone::Accent)
            .sentence(&entry.label, self.tone(tone));
        let width = if self.plan.stacked {
            self.area.width
        } else {
            MARK + self.plan.label
        };
        self.write(0, block.top, width, label);
        // Of a list that is taller than the area the label may be out of sight; that the focus is there is not.
        if focused && self.y(block.top).is_none() {
            let mark = self.sheet.ink().say(mark, Tone::Accent);
            self.write(0, block.top.max(self.top), MARK, mark);
        }

        let at = block.input.start;
        match &entry.kind {
            Kind::Text(field) | Kind::Secret(field) => self.line(field, at, focused),
            Kind::Toggle(on) => self.option(n, 0, (0, at), yes_or_no(*on), *on, focused),
            Kind::Choice {
                options,
                at: chosen,
            } => self.choice(n, options, *chosen, at, focused),
            Kind::Many {
                options,
                on,
                at: cursor,
            } => self.many(n, options, on, focused.then_some(*cursor), at),
            Kind::Info(text) => {
                let (x, room) = self.plan.body;
                for (y, part) in (at..).zip(ink::wrap(text.as_str(), room.into())) {
                    let ink = self.sheet.ink().ours(&part, self.tone(Tone::Text));
                    self.write(x, y, room, ink);
                }
            }
        }
        let tone = if entry.error.is_some() {
            Tone::Bad
        } else {
            Tone::Faint
        };
        let (x, width) = self.plan.note;
        for (y, part) in (block.note.0..).zip(&block.note.1) {
            let ink = self.sheet.ink().ours(part, tone);
            self.write(x, y, width, ink);
        }
    }

    /// What is shown while nothing can be changed may be passed over.
    const fn tone(&self, tone: Tone) -> Tone {
        if self.form.is_busy() {
            Tone::Faint
        } else {
            tone
        }
    }

    /// Themes without grounds of their own show with brackets where a field begins and ends.
    const fn bare(&self) -> bool {
        matches!(self.sheet.theme, Theme::Sixteen | Theme::Mono)
    }

    /// A line of text.
    fn line(&mut self, field: &Field, at: u16, focused: bool) {
        let (x, width) = self.plan.input;
        let Some(rect) = self.rect(x, at, width).filter(|r| r.width > 2) else {
            return;
        };
        let live = focused && !self.form.is_busy();
        let ground = match (self.bare(), live) {
            (true, _) => self.ground,
            (false, true) => self.sheet.style(Tone::Selected),
            (false, false) => self.sheet.style(Tone::Chip),
        };
        if !self.bare() {
            self.sheet.ground(rect, ground);
        }
        let shown = field.shown(rect.width - 2);
        let edge = if live { Tone::Accent } else { Tone::Rule };
        let (left, right) = if self.bare() { ("[", "]") } else { (" ", " ") };
        let left = if shown.before { "‹" } else { left };
        let right = if shown.after { "›" } else { right };
        let text = self.tone(if live { Tone::Strong } else { Tone::Text });
        let ink = self
            .sheet
            .ink()
            .say(left, edge)
            .typed(&shown.text, text)
            .on(ground);
        self.sheet.line(rect, &ink);
        let end = Rect {
            x: rect.right() - 1,
            width: 1,
            ..rect
        };
        let ink = self.sheet.ink().say(right, edge).on(ground);
        self.sheet.line(end, &ink);
        if live && self.form.asked().is_none() {
            self.sheet.drawn.cursor = Some(Position {
                x: rect.x + 1 + shown.cursor,
                y: rect.y,
            });
        }
    }

    /// One option, with its mark: a square for what stands alone.
    fn option(
        &mut self,
        n: usize,
        option: usize,
        (x, row): (u16, u16),
        label: Called<'_>,
        on: bool,
        here: bool,
    ) {
        let tone = self.tone(if on { Tone::Strong } else { Tone::Text });
        let ink = self
            .sheet
            .ink()
            .say(if on { "[✓] " } else { "[ ] " }, self.tone(Tone::Good));
        self.choose(n, option, (x, row), label.after(ink, tone), here);
    }

    /// Writes an option where it can be clicked; where the keyboard is, on its own ground.
    fn choose(&mut self, n: usize, option: usize, (x, row): (u16, u16), ink: Ink, here: bool) {
        let room = self.plan.body.1.saturating_sub(x);
        let width = ink.width().min(room);
        let Some(rect) = self.rect(self.plan.body.0 + x, row, width) else {
            return;
        };
        let ground = if here && !self.form.is_busy() {
            self.sheet.style(Tone::Selected)
        } else {
            self.ground
        };
        self.sheet.line(rect, &ink.on(ground));
        self.hit(rect, Part::Option(n, option));
    }

    fn choice(&mut self, n: usize, options: &[Pick], chosen: usize, at: u16, focused: bool) {
        let (places, rows) = self.plan.flow(options);
        if rows > ROWS {
            self.one_of(n, options, chosen, at, focused);
            return;
        }
        for (m, (option, (x, y))) in options.iter().zip(places).enumerate() {
            let on = m == chosen;
            let tone = self.tone(if on { Tone::Strong } else { Tone::Text });
            let ink = self
                .sheet
                .ink()
                .say(if on { "● " } else { "○ " }, self.tone(Tone::Accent))
                .safe(&option.label, tone);
            self.choose(n, m, (x, at + y), ink, on && focused);
        }
    }

    /// A choice from more than can be shown: the one that is chosen, between two arrows.
    fn one_of(&mut self, n: usize, options: &[Pick], chosen: usize, at: u16, focused: bool) {
        let Some(option) = options.get(chosen) else {
            return;
        };
        let last = options.len() - 1;
        let ink = self.sheet.ink().say("‹ ", self.tone(Tone::Accent));
        self.choose(n, chosen.saturating_sub(1), (0, at), ink, false);
        let name = self
            .sheet
            .ink()
            .safe(&option.label, self.tone(Tone::Strong));
        let width = name.width().min(self.plan.body.1.saturating_sub(16));
        self.choose(n, chosen, (2, at), name, focused);
        let place = self
            .sheet
            .ink()
            .say(" ›", self.tone(Tone::Accent))
            .gap(2)
            .count(u64::try_from(chosen + 1).unwrap_or(0), Tone::Faint)
            .say(" of ", Tone::Faint)
            .count(u64::try_from(options.len()).unwrap_or(0), Tone::Faint);
        self.choose(n, (chosen + 1).min(last), (2 + width, at), place, false);
    }

    fn many(&mut self, n: usize, options: &[Pick], on: &[bool], cursor: Option<usize>, first: u16) {
        if options.is_empty() {
            let ink = self.sheet.ink().say("There are none.", Tone::Faint);
            let (x, room) = self.plan.body;
            self.write(x, first, room, ink);
        }
        let (columns, width) = self.plan.columns(options);
        let rows = options.len().div_ceil(columns.into()).max(1);
        for (m, (option, on)) in options.iter().zip(on).enumerate() {
            let column = u16::try_from(m / rows).unwrap_or(0);
            let at = (column * width, first + self.line_of(options, m));
            let label = Called::Safe(&option.label);
            self.option(n, m, at, label, *on, cursor == Some(m));
        }
    }
}

/// What an option is called.
enum Called<'a> {
    Safe(&'a cordboard_core::ids::SafeText),
    Say(&'static str),
}

impl Called<'_> {
    fn after(self, ink: Ink, tone: Tone) -> Ink {
        match self {
            Self::Safe(text) => ink.safe(text, tone),
            Self::Say(text) => ink.say(text, tone),
        }
    }
}

const fn yes_or_no(on: bool) -> Called<'static> {
    Called::Say(if on { "yes" } else { "no" })
}

/// Below the fields.
impl Page<'_, '_> {
    fn foot(&mut self, area: Rect, dense: bool) {
        let (text, tone) = self.said(dense);
        let lines = ink::wrap(&text, area.width.saturating_sub(MARK).into());
        for (n, part) in (0..area.height - 1).zip(&lines) {
            let rect = Rect {
                x: area.x + MARK,
                y: area.y + n,
                width: area.width - MARK,
                height: 1,
            };
            let ink = self.sheet.ink().ours(part, tone).on(self.ground);
            self.sheet.line(rect, &ink);
        }
        let last = row(area, area.bottom() - 1);
        let used = self.buttons(last);
        self.more(Rect {
            x: last.x + used,
            width: last.width - used,
            ..last
        });
    }

    /// What is said in the last rows: what matters most just now, or what there was no room for at the field.
    fn said(&self, dense: bool) -> (String, Tone) {
        let (text, tone) = said(self.form);
        let focused = self.form.focused().filter(|_| dense && text.is_empty());
        match focused.map(|e| (&e.error, &e.hint)) {
            Some((Some(why), _)) if !self.notes_in_sight() => (format!("! {why}"), Tone::Bad),
            Some((None, hint)) => (hint.to_string(), Tone::Faint),
            _ => (text, tone),
        }
    }

    /// Whether all that is said of the field with the focus can be read.
    fn notes_in_sight(&self) -> bool {
        let block = self.plan.blocks.get(self.form.focus());
        block.is_some_and(|b| {
            let lines = u16::try_from(b.note.1.len()).unwrap_or(u16::MAX);
            (b.note.0..b.note.0.saturating_add(lines)).all(|y| self.y(y).is_some())
        })
    }

    /// The buttons. Returns how many cells they take.
    fn buttons(&mut self, rect: Rect) -> u16 {
        let form = self.form;
        let (word, back) = form.words();
        let stop = Sentence::new("Stop waiting");
        let (yes, no) = (Sentence::new("Yes"), Sentence::new("No"));
        let free = !form.is_busy() && form.waits() == 0;
        let buttons = if form.asked().is_some() {
            vec![(yes, "y", Part::Yes, true), (no, "n", Part::No, true)]
        } else if form.is_busy() {
            vec![(stop, "Esc", Part::Leave, true)]
        } else {
            vec![
                (word.clone(), "Ctrl-S", Part::Submit, free),
                (back.clone(), "Esc", Part::Leave, true),
            ]
        };
        // Without room for all of it, keys go before buttons do.
        let width = |(word, key, ..): &(Sentence, &'static str, Part, bool)| {
            text_width(word.as_str()) + 4 + 1 + text_width(key) + 3
        };
        let keys = MARK + buttons.iter().map(width).sum::<u16>() <= rect.width + 3;
        let mut x = rect.x + MARK;
        for (n, (word, key, part, live)) in buttons.into_iter().enumerate() {
            let tone = match (n, live) {
                (0, true) => Tone::Selected,
                _ => Tone::Chip,
            };
            let ground = self.sheet.style(tone);
            // Where a chip has no ground, brackets make the button.
            let (open, close) = if self.bare() && tone == Tone::Chip {
                ("[ ", " ]")
            } else {
                ("  ", "  ")
            };
            let text = if live { tone } else { Tone::Faint };
            let ink = self
                .sheet
                .ink()
                .say(open, text)
                .sentence(&word, text)
                .say(close, text)
                .on(ground);
            let spot = Spot::Form(part);
            let width = self.sheet.button(x, rect.y, rect.right(), &ink, spot);
            x += width;
            if keys {
                let key = self.sheet.ink().gap(1).say(key, Tone::Faint);
                let key = key.on(self.ground);
                let rest = Rect {
                    x,
                    width: rect.right() - x,
                    ..rect
                };
                x += self.sheet.line(rest, &key);
            }
            x = (x + 3).min(rect.right());
        }
        x - rect.x
    }

    /// How many fields are out of sight.
    fn more(&mut self, rect: Rect) {
        let out = |from: &dyn Fn(u16) -> bool| {
            let blocks = self.plan.blocks.iter();
            let hidden = blocks.filter(|b| from(b.input.start)).count();
            u64::try_from(hidden).unwrap_or(0)
        };
        let above = out(&|y| y < self.top);
        let below = out(&|y| y >= self.top + self.area.height);
        if above + below == 0 {
            return;
        }
        let mut ink = self.sheet.ink();
        for (sign, count) in [("↑ ", above), ("↓ ", below)] {
            if count > 0 {
                ink = ink.say(sign, Tone::Accent).count(count, Tone::Text).gap(1);
            }
        }
        let ink = ink.say("more", Tone::Faint).on(self.ground);
        self.sheet.line_right(rect, &ink);
    }
}

/// What matters most just now.
fn said(form: &Form) -> (String, Tone) {
    if let Some(question) = form.asked() {
        return (question.to_string(), Tone::Strong);
    }
    if form.is_busy() {
        return ("◌ asking the server…".to_owned(), Tone::Ring);
    }
    let notice = form
        .notice()
        .map(|(mood, text)| format!("{}{text}", mood.sign()));
    let seconds = form.waits();
    if seconds > 0 {
        let notice = notice.unwrap_or_else(|| Mood::Bad.sign().to_owned());
        return (format!("{notice} Try again in {seconds} s."), Tone::Bad);
    }
    match (notice, form.notice()) {
        (Some(text), Some((mood, _))) => (text, super::bars::mood(*mood)),
        _ => (String::new(), Tone::Faint),
    }
}
