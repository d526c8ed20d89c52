//! The palette: what can be done here, with its key and what it is for.
//!
//! Read next: `app/palette.rs`, `view/frame.rs`.

use ratatui::{layout::Rect, style::Style};

use super::{Canvas, frame, frame::Typing, ink::Ink, text_width};
use crate::{
    app::{Choice, Offer, Palette},
    theme::Tone,
};

/// The cells of a key, and of a name.
const KEY: u16 = 6;
const WORD: u16 = 16;

pub(super) fn draw(canvas: &mut Canvas<'_>, palette: &Palette) {
    let said = match palette.typed.chosen() {
        Some(choice) => match canvas.model.choice_offer(*choice) {
            Offer::Yes { sentence, .. } => (format!("Enter: {sentence}"), Tone::Target),
            Offer::No(why) => (format!("no: {why}"), Tone::Forbidden),
        },
        None if palette.typed.found.is_empty() => {
            ("Nothing here is called that.".to_owned(), Tone::Faint)
        }
        None => (
            "Type letters, or choose with the arrows.".to_owned(),
            Tone::Faint,
        ),
    };
    let height = if canvas.buf.area.height < 30 { 16 } else { 24 };
    let typing = Typing {
        head: canvas.ink().say(" Do ", Tone::Accent),
        size: (84, height),
        sign: ": ",
        ghost: "letters of what to do, or its key",
        said,
    };
    frame::typing(
        canvas,
        &typing,
        &palette.typed,
        |canvas, choice, rect, ink, ground| line(canvas, *choice, rect, ink, ground),
    );
}

fn line(canvas: &mut Canvas<'_>, choice: Choice, rect: Rect, ink: Ink, ground: Style) {
    let possible = matches!(canvas.model.choice_offer(choice), Offer::Yes { .. });
    let (word, about) = if possible {
        (Tone::Strong, Tone::Text)
    } else {
        (Tone::Faint, Tone::Faint)
    };
    let key = choice.key(&canvas.model.keys);
    let ink = ink
        .gap(usize::from(KEY.saturating_sub(text_width(&key))))
        .key(key, Tone::Key)
        .gap(1)
        .say(choice.word(), word)
        .gap(usize::from(WORD.saturating_sub(text_width(choice.word()))) + 1)
        .say(choice.about(), about);
    canvas.line(rect, &ink.on(ground));
}
