//! What views draw on: cells, and what was drawn where.
//!
//! It knows lines, rules, boxes and buttons, and nothing of what they stand for: the board draws on it, and so do a
//! form and the door. Text comes as [`Ink`] only.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
};

use super::{
    Drawn,
    ink::{self, Ink, text_width},
};
use crate::{
    app::Spot,
    theme::{Theme, Tone},
};

/// A buffer being drawn on, in a theme.
pub(super) struct Sheet<'a> {
    pub(super) theme: Theme,
    pub(super) buf: &'a mut Buffer,
    pub(super) drawn: Drawn,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(theme: Theme, buf: &'a mut Buffer) -> Self {
        Self {
            theme,
            buf,
            drawn: Drawn::default(),
        }
    }

    pub(super) fn ink(&self) -> Ink {
        Ink::new(self.theme)
    }

    pub(super) fn style(&self, tone: Tone) -> Style {
        self.theme.style(tone)
    }

    /// Makes `rect` mean `spot`.
    pub(super) fn hit(&mut self, rect: Rect, spot: Spot) {
        let rect = rect.intersection(self.buf.area);
        if !rect.is_empty() {
            self.drawn.hits.spots.push((rect, spot));
        }
    }

    /// Writes a line at the left of the first row of `rect`, cut to fit. Returns how wide it became.
    pub(super) fn line(&mut self, rect: Rect, ink: &Ink) -> u16 {
        let rect = rect.intersection(self.buf.area);
        if rect.is_empty() {
            0
        } else {
            ink.write(self.buf, rect)
        }
    }

    /// Writes a line at the right end, if it fits at all; returns what is left of the first row at its left.
    pub(super) fn line_right(&mut self, rect: Rect, ink: &Ink) -> Rect {
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
    pub(super) fn line_both(&mut self, rect: Rect, left: &Ink, right: &Ink) {
        let mut rest = self.line_right(rect, right);
        if right.width() > 0 && rest.width < rect.width {
            rest.width = rest.width.saturating_sub(1);
        }
        self.line(rest, left);
    }

    /// A line at the foot of `rect`: in its last row, or in more of its rows if it is too long for one.
    pub(super) fn foot(&mut self, rect: Rect, ink: &Ink) {
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
    pub(super) fn rule(&mut self, rect: Rect, left: &Ink, right: &Ink, tone: Tone) {
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
    pub(super) fn put(&mut self, x: u16, y: u16, symbol: &'static str, style: Style) {
        if let Some(cell) = self.buf.cell_mut(Position { x, y }) {
            cell.set_symbol(symbol);
            cell.set_style(ink::whole(style));
        }
    }

    /// A ground of one style, with nothing on it.
    pub(super) fn ground(&mut self, rect: Rect, style: Style) {
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
    pub(super) fn boxed(&mut self, rect: Rect, style: Style, heavy: bool) {
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
    pub(super) fn button(&mut self, x: u16, y: u16, limit: u16, ink: &Ink, spot: Spot) -> u16 {
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

    /// For a screen without room for what belongs on it.
    pub(super) fn too_small(&mut self, comfort: &str) {
        let area = self.buf.area;
        let text = format!(
            "Cordboard needs {} × {} cells. This window has {} × {}. {comfort}",
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
}
