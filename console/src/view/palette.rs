//! The palette: a line to type in, what fits, and below it what Enter would do or why it would not.
//!
//! Read next: `app/palette.rs`.

use ratatui::layout::Position;

use super::{
    Canvas, ink, text_width,
    windows::{row, window},
};
use crate::{
    app::{Choice, Offer, Palette, Spot},
    theme::Tone,
};

/// The cells of a key, and of a name.
const KEY: u16 = 6;
const WORD: u16 = 16;

pub(super) fn draw(canvas: &mut Canvas<'_>, palette: &Palette) {
    let head = canvas.ink().say(" Do ", Tone::Accent);
    // Its height does not follow the list: a window that jumps with every letter is hard to read.
    let height = if canvas.buf.area.height < 30 { 16 } else { 24 };
    let inner = window(canvas, 84, height, &head);
    let raised = canvas.theme.raised();
    let sign = canvas.ink().say(": ", Tone::Accent);
    let room = inner.width.saturating_sub(sign.width()).max(1);
    let shown = palette.text.shown(room);
    let at = sign.width() + shown.cursor;
    let field = sign.typed(&shown.text, Tone::Strong);
    let field = if palette.text.is_empty() {
        field.say("letters of what to do, or its key", Tone::Faint)
    } else {
        field
    };
    canvas.line(row(inner, 0), &field.on(raised));
    canvas.drawn.cursor = Some(Position {
        x: (inner.x + at).min(inner.right().saturating_sub(1)),
        y: inner.y,
    });

    let room = usize::from(inner.height).saturating_sub(4);
    let first = palette.picked.map_or(0, |p| (p + 1).saturating_sub(room));
    for (n, choice) in palette.found.iter().enumerate().skip(first).take(room) {
        let rect = row(inner, 1 + n - first);
        line(canvas, *choice, palette.picked == Some(n), rect);
        canvas.hit(rect, Spot::Line(n));
    }
    let (text, tone) = match palette.picked.and_then(|n| palette.found.get(n)) {
        Some(choice) => match canvas.model.choice_offer(*choice) {
            Offer::Yes { sentence, .. } => (format!("Enter: {sentence}"), Tone::Target),
            Offer::No(why) => (format!("no: {why}"), Tone::Forbidden),
        },
        None if palette.found.is_empty() => {
            ("Nothing here is called that.".to_owned(), Tone::Faint)
        }
        None => (
            "Type letters, or choose with the arrows.".to_owned(),
            Tone::Faint,
        ),
    };
    let last = usize::from(inner.height).saturating_sub(2);
    let lines = ink::wrap(&text, inner.width.into());
    for (n, part) in lines.iter().take(2).enumerate() {
        let ink = canvas.ink().ours(part, tone).on(raised);
        canvas.line(row(inner, last + n), &ink);
    }
}

fn line(canvas: &mut Canvas<'_>, choice: Choice, picked: bool, rect: ratatui::layout::Rect) {
    let ground = if picked {
        canvas.style(Tone::Selected)
    } else {
        canvas.theme.raised()
    };
    if picked {
        canvas.ground(rect, ground);
    }
    let possible = matches!(canvas.model.choice_offer(choice), Offer::Yes { .. });
    let (word, about) = if possible {
        (Tone::Strong, Tone::Text)
    } else {
        (Tone::Faint, Tone::Faint)
    };
    let key = choice.key(&canvas.model.keys);
    let ink = canvas
        .ink()
        .say(if picked { "▶ " } else { "  " }, Tone::Accent)
        .gap(usize::from(KEY.saturating_sub(text_width(&key))))
        .key(key, Tone::Key)
        .gap(1)
        .say(choice.word(), word)
        .gap(usize::from(WORD.saturating_sub(text_width(choice.word()))) + 1)
        .say(choice.about(), about);
    canvas.line(rect, &ink.on(ground));
}
