//! What every window over the board is made of: its frame, its rows, its buttons, and a line to type in with a list
//! below.
//!
//! It knows nothing of what is in a window: whatever draws one stands above it, and this stands on the sheet alone.

use ratatui::{
    layout::{Position, Rect},
    style::Style,
};

use super::{Canvas, ink, ink::Ink, text_width};
use crate::{
    app::{Spot, Typed},
    settings::Hint,
    theme::Tone,
};

/// Opens a window of that size in the middle, a little above it, and returns its inside.
pub(super) fn window(canvas: &mut Canvas<'_>, width: u16, height: u16, head: &Ink) -> Rect {
    let screen = canvas.buf.area;
    let width = width.min(screen.width.saturating_sub(2)).max(4);
    // The footer stays visible: it says what the keys do.
    let height = height.min(screen.height.saturating_sub(3)).max(3);
    let rect = Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + 1 + screen.height.saturating_sub(height + 3) / 3,
        width,
        height,
    };
    let raised = canvas.theme.raised();
    canvas.ground(rect, raised);
    // The whole screen under it takes clicks as "beside the window".
    canvas.hit(rect, Spot::Window);
    let style = canvas.style(Tone::Accent);
    let style = style.patch(Style {
        bg: raised.bg,
        ..Default::default()
    });
    canvas.boxed(rect, style, false);
    canvas.line(
        Rect {
            x: rect.x + 2,
            width: rect.width.saturating_sub(4),
            height: 1,
            ..rect
        },
        &head.clone().on(raised),
    );
    Rect {
        x: rect.x + 2,
        y: rect.y + 1,
        width: rect.width.saturating_sub(4),
        height: rect.height.saturating_sub(2),
    }
}

/// A line of a window.
pub(super) fn row(inner: Rect, n: usize) -> Rect {
    let n = u16::try_from(n).unwrap_or(u16::MAX);
    if n < inner.height {
        Rect {
            y: inner.y + n,
            height: 1,
            ..inner
        }
    } else {
        Rect { height: 0, ..inner }
    }
}

/// A window with a few lines, and the keys that do something with them.
pub(super) fn notice(canvas: &mut Canvas<'_>, head: &Ink, lines: Vec<Ink>, keys: &[Hint]) {
    let widest = lines.iter().map(Ink::width).max().unwrap_or(0);
    let buttons: u16 = keys
        .iter()
        .map(|(_, key, word)| text_width(key) + text_width(word) + 6)
        .sum();
    let width = widest.max(head.width() + 2).max(buttons).max(40) + 4;
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(4);
    let inner = window(canvas, width, height, head);
    let raised = canvas.theme.raised();
    let last = row(inner, usize::from(inner.height).saturating_sub(1));
    for (n, line) in lines.into_iter().enumerate() {
        let rect = row(inner, n);
        if rect.y < last.y {
            canvas.line(rect, &line.on(raised));
        }
    }
    let mut x = last.x;
    for (key, name, word) in keys {
        let ink = canvas
            .ink()
            .say(" ", Tone::Key)
            .say(name, Tone::Key)
            .say(" ", Tone::Key)
            .gap(1)
            .say(word, Tone::Text)
            .on(raised);
        x += canvas.button(x, last.y, last.right(), &ink, Spot::Key(*key)) + 3;
    }
}

/// What stands round a line to type in.
pub(super) struct Typing {
    pub(super) head: Ink,
    /// Its height does not follow the list: a window that jumps with every letter is hard to read.
    pub(super) size: (u16, u16),
    /// What the line begins with.
    pub(super) sign: &'static str,
    /// What stands in it as long as nothing is typed.
    pub(super) ghost: &'static str,
    /// What Enter would do, or why it would not.
    pub(super) said: (String, Tone),
}

/// A window with a line to type in, what fits, and two lines of what would come of it. `line` draws one of what was
/// found: what it begins with is given, and which ground it stands on.
pub(super) fn typing<T>(
    canvas: &mut Canvas<'_>,
    typing: &Typing,
    typed: &Typed<T>,
    mut line: impl FnMut(&mut Canvas<'_>, &T, Rect, Ink, Style),
) {
    let inner = window(canvas, typing.size.0, typing.size.1, &typing.head);
    let raised = canvas.theme.raised();
    let sign = canvas.ink().say(typing.sign, Tone::Accent);
    let room = inner.width.saturating_sub(sign.width()).max(1);
    let shown = typed.text.shown(room);
    let at = sign.width() + shown.cursor;
    let field = sign.typed(&shown.text, Tone::Strong);
    let field = if typed.text.is_empty() {
        field.say(typing.ghost, Tone::Faint)
    } else {
        field
    };
    canvas.line(row(inner, 0), &field.on(raised));
    canvas.drawn.cursor = Some(Position {
        x: (inner.x + at).min(inner.right().saturating_sub(1)),
        y: inner.y,
    });

    let room = usize::from(inner.height).saturating_sub(4);
    let first = typed.picked.map_or(0, |p| (p + 1).saturating_sub(room));
    for (n, found) in typed.found.iter().enumerate().skip(first).take(room) {
        let rect = row(inner, 1 + n - first);
        let (lead, ground) = if typed.picked == Some(n) {
            let ground = canvas.style(Tone::Selected);
            canvas.ground(rect, ground);
            ("▶ ", ground)
        } else {
            ("  ", raised)
        };
        let lead = canvas.ink().say(lead, Tone::Accent);
        line(canvas, found, rect, lead, ground);
        canvas.hit(rect, Spot::Line(n));
    }
    let (text, tone) = &typing.said;
    let last = usize::from(inner.height).saturating_sub(2);
    let lines = ink::wrap(text, inner.width.into());
    for (n, part) in lines.iter().take(2).enumerate() {
        let ink = canvas.ink().ours(part, *tone).on(raised);
        canvas.line(row(inner, last + n), &ink);
    }
}
