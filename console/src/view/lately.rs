//! What happened lately, newest first, where the screen has room to spare. The whole of it is in the log
//! (`l`).

use ratatui::layout::Rect;

use super::{
    Canvas,
    bars::{mood, wall},
    ink::Ink,
};
use crate::{
    app::{Mood, Note, Spot},
    keymap::Action,
    theme::Tone,
};

pub(super) fn draw(canvas: &mut Canvas<'_>) {
    let model = canvas.model;
    let shape = &model.shape;
    if shape.lately.is_empty() {
        return;
    }
    let left = canvas.ink().say(" Lately ", Tone::Text);
    let right = canvas
        .ink()
        .gap(1)
        .key(model.keys.name(Action::Log), Tone::Text)
        .say(" log ", Tone::Faint);
    canvas.rule(shape.lately_rule, &left, &right, Tone::Rule);
    canvas.hit(shape.lately_rule, Spot::Button(Action::Log));
    if model.notes.is_empty() {
        let ink = canvas.ink().gap(1).say("Nothing yet.", Tone::Faint);
        canvas.line(shape.lately, &ink);
        return;
    }
    let rows = shape.lately.top()..shape.lately.bottom();
    for (y, note) in rows.zip(model.notes.iter().rev()) {
        let row = Rect {
            y,
            height: 1,
            ..shape.lately
        };
        let ink = canvas.ink().gap(1).then(said(canvas, note));
        canvas.line(row, &ink);
    }
}

/// Something that was said, and when.
pub(super) fn said(canvas: &Canvas<'_>, note: &Note) -> Ink {
    let tone = mood(note.mood);
    let text = match note.mood {
        Mood::Bad => tone,
        Mood::News => Tone::Text,
        Mood::Good | Mood::Info => Tone::Faint,
    };
    wall(canvas, note.at, Tone::Faint)
        .gap(2)
        .say(note.mood.sign(), tone)
        .sentence(&note.text, text)
}
