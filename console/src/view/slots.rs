//! The parking slots: a column with how long each call may lie there, or a strip where there is no room for
//! one.

use cordboard_core::{
    board::{At, Card, DropTarget, Slot},
    ids::{SafeText, Timestamp},
};
use ratatui::layout::Rect;

use super::{Canvas, ink::Ink, title, verdict};
use crate::{
    app::{Area, Preview, Spot},
    shape::Class,
    theme::Tone,
};

pub(super) fn draw(canvas: &mut Canvas<'_>) {
    let model = canvas.model;
    let shape = &model.shape;
    if shape.slots.is_empty() {
        return;
    }
    let here = model.cursor.area == Area::Slots;
    let taken = canvas.parked.len();
    let mut left = canvas
        .ink()
        .say(" Parking ", if here { Tone::Accent } else { Tone::Text });
    if taken > 0 {
        left = left
            .count(u64::try_from(taken).unwrap_or(0), Tone::Held)
            .gap(1);
    }
    let none = canvas.ink();
    canvas.rule(shape.slots_rule, &left, &none, Tone::Rule);
    canvas.hit(shape.slots, Spot::Area(Area::Slots));

    let (width, height) = (shape.slot.0.max(1), shape.slot.1.max(1));
    let column = shape.class == Class::Full;
    let room = usize::from(if column {
        shape.slots.height / height
    } else {
        shape.slots.width / width
    })
    .max(1);
    let chosen = model
        .cursor
        .slot
        .as_ref()
        .and_then(|id| model.board.slots.iter().position(|s| s.id == *id))
        .unwrap_or(0);
    // More slots than fit: the window follows the selection.
    let first = (chosen + 1).saturating_sub(room);
    for (n, slot) in model.board.slots.iter().skip(first).take(room).enumerate() {
        let n = u16::try_from(n).unwrap_or(0);
        let rect = if column {
            Rect {
                y: shape.slots.y + n * height,
                height,
                ..shape.slots
            }
        } else {
            Rect {
                x: shape.slots.x + n * width,
                width: width - 1,
                height: 1,
                ..shape.slots
            }
        };
        let rect = rect.intersection(shape.slots);
        if column {
            tall(canvas, slot, rect);
        } else {
            flat(canvas, slot, rect);
        }
    }
}

struct Place<'a> {
    card: Option<&'a Card>,
    selected: bool,
    preview: Option<Preview>,
    over: bool,
}

impl<'a> Place<'a> {
    fn of(canvas: &Canvas<'a>, slot: &Slot) -> Self {
        let model = canvas.model;
        let target = DropTarget::Slot(slot.id.clone());
        Self {
            card: canvas.parked.get(&slot.id).copied(),
            selected: model.cursor.area == Area::Slots
                && model.cursor.slot.as_ref() == Some(&slot.id),
            preview: model.preview_on(&target),
            over: model.carry.as_ref().is_some_and(|c| c.over == Some(target)),
        }
    }

    /// The bar at the left edge: what the slot is to the hand.
    fn bar(&self) -> (&'static str, Tone) {
        match (&self.preview, self.over) {
            (Some(p), true) => ("┃", verdict(p)),
            (Some(p), false) if p.legal => ("┃", Tone::Lit),
            (None, _) if self.selected => ("┃", Tone::Accent),
            (_, _) if self.card.is_some() => ("│", Tone::Held),
            _ => ("│", Tone::Rule),
        }
    }
}

fn tall(canvas: &mut Canvas<'_>, slot: &Slot, rect: Rect) {
    if rect.is_empty() {
        return;
    }
    let place = Place::of(canvas, slot);
    let (bar, tone) = place.bar();
    let lines = if place.card.is_some() {
        rect.height.min(3)
    } else {
        rect.height.min(2)
    };
    for y in rect.top()..rect.top() + lines {
        let style = canvas.style(tone);
        canvas.put(rect.x, y, bar, style);
    }
    let target = DropTarget::Slot(slot.id.clone());
    canvas.hit(rect, Spot::Place(target.clone()));
    let inner = Rect {
        x: rect.x + 2,
        width: rect.width.saturating_sub(3),
        ..rect
    };
    let row = |n: u16| Rect {
        y: inner.y + n,
        height: u16::from(n < inner.height),
        ..inner
    };
    let head = canvas
        .ink()
        .slot(
            &slot.id,
            if place.selected {
                Tone::Accent
            } else {
                Tone::Strong
            },
        )
        .gap(1);

    if let (Some(preview), true) = (&place.preview, place.over) {
        let tone = verdict(preview);
        canvas.line(row(0), &head.sentence(&preview.sentence, tone));
        return;
    }
    let Some(card) = place.card else {
        let lit = place.preview.as_ref().is_some_and(|p| p.legal);
        let ink = if lit {
            head.say("free · drop here to park", Tone::Lit)
        } else {
            head.say(free(canvas), Tone::Faint)
        };
        canvas.line(row(0), &ink);
        return;
    };
    let model = canvas.model;
    let ink = head
        .say(mark(canvas, card), Tone::Held)
        .safe(&title(card, 30), canvas.name_tone(card, Tone::Strong));
    let time = canvas
        .ink()
        .time(model.seconds_since(card.place.since), Tone::Held);
    canvas.line_both(row(0), &ink, &time);

    let (At::Parked {
        by, deadline, note, ..
    }
    | At::Parking {
        by, deadline, note, ..
    }) = card.lies()
    else {
        return;
    };
    let by = if model.is_me(*by) {
        SafeText::from("you")
    } else {
        model.name(*by)
    };
    if inner.height == 2 {
        let left = canvas
            .ink()
            .gap(3)
            .then(meter(canvas, card, *deadline, 8))
            .say(" by ", Tone::Faint)
            .safe(&by, Tone::Faint);
        canvas.line(row(1), &left);
    } else {
        let left = canvas.ink().gap(3).then(meter(canvas, card, *deadline, 10));
        let back = canvas
            .ink()
            .say("back in ", Tone::Faint)
            .time(model.seconds_until(*deadline), urgency(canvas, *deadline));
        canvas.line_both(row(1), &left, &back);
        let ink = canvas
            .ink()
            .gap(3)
            .say("by ", Tone::Faint)
            .safe(&by, Tone::Faint);
        let ink = match note {
            Some(note) if !note.is_empty() => ink.say(" · ", Tone::Faint).safe(note, Tone::Text),
            _ => ink,
        };
        canvas.line(row(2), &ink);
    }
    canvas.hit(
        Rect {
            height: lines,
            ..rect
        },
        Spot::Call(card.id, Some(target)),
    );
}

fn flat(canvas: &mut Canvas<'_>, slot: &Slot, rect: Rect) {
    let place = Place::of(canvas, slot);
    let (bar, tone) = place.bar();
    let target = DropTarget::Slot(slot.id.clone());
    let head = canvas.ink().say(bar, tone).slot(
        &slot.id,
        if place.selected {
            Tone::Accent
        } else {
            Tone::Text
        },
    );
    let Some(card) = place.card else {
        let lit = place.preview.as_ref().is_some_and(|p| p.legal);
        let tone = match (lit, place.over) {
            (true, true) => Tone::Target,
            (true, false) => Tone::Lit,
            _ => Tone::Faint,
        };
        let ink = head.gap(1).say(free(canvas), tone);
        canvas.line(rect, &ink);
        canvas.hit(rect, Spot::Place(target));
        return;
    };
    let (At::Parked { deadline, .. } | At::Parking { deadline, .. }) = card.lies() else {
        return;
    };
    let left = head
        .gap(1)
        .say(mark(canvas, card), Tone::Held)
        .safe(&title(card, 30), canvas.name_tone(card, Tone::Strong));
    let time = canvas.ink().time(
        canvas.model.seconds_until(*deadline),
        urgency(canvas, *deadline),
    );
    canvas.line_both(rect, &left, &time);
    canvas.hit(rect, Spot::Call(card.id, Some(target)));
}

fn mark(canvas: &Canvas<'_>, card: &Card) -> &'static str {
    match &card.place.at {
        _ if canvas.carried(card.id) => "◇ ",
        _ if canvas.model.asked_of(card.id).is_some() => "◌ ",
        At::Parking { .. } => "… ",
        At::Connecting { .. } => "◐ ",
        _ => "",
    }
}

/// How much of a call's time in a place is left.
pub(super) fn meter(canvas: &Canvas<'_>, card: &Card, deadline: Timestamp, cells: i64) -> Ink {
    let model = canvas.model;
    let whole = deadline.since(card.place.since).max(1);
    let left = model.seconds_until(deadline) * 1000;
    let full = (left * cells).div_euclid(whole).clamp(0, cells);
    let tone = urgency(canvas, deadline);
    let mut ink = canvas.ink();
    for _ in 0..full {
        ink = ink.say("━", tone);
    }
    for _ in full..cells {
        ink = ink.say("─", Tone::Rule);
    }
    ink
}

pub(super) fn urgency(canvas: &Canvas<'_>, deadline: Timestamp) -> Tone {
    match canvas.model.seconds_until(deadline) {
        0..=10 => Tone::Bad,
        11..=30 => Tone::Ring,
        _ => Tone::Held,
    }
}

/// The word for a slot in which no call is known.
pub(super) fn free(canvas: &Canvas<'_>) -> &'static str {
    if canvas.model.link.is_live() {
        "free"
    } else {
        "not known"
    }
}
