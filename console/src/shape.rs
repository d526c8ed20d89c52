//! Where things go on a screen of a given size.
//!
//! One place decides, for two readers: the view draws into these rectangles, and the cursor moves by the same columns. It depends on sizes and counts
//! only, so areas keep their places while calls come and go (people find things by where they are).
//!
//! Three classes of screen: `Full` has boxed tiles and a column of slots; `Folded` (below 96 × 28) has one line a person and a strip of slots; `Small`
//! (below 60 × 20) drops the headings. Below 40 × 12 there is no board, only a sentence.

use ratatui::layout::Rect;

/// The narrowest screen with a board.
pub const MIN_WIDTH: u16 = 40;
/// The lowest screen with a board.
pub const MIN_HEIGHT: u16 = 12;

/// How much there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Class {
    /// Boxed tiles, a column of slots.
    Full,
    /// One line a person, a strip of slots.
    Folded,
    /// The same without headings.
    Small,
    /// Too small for a board.
    #[default]
    Sentence,
}

/// The rectangles of a screen. Those that do not exist in a class are empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// How much there is room for.
    pub class: Class,
    /// The whole screen.
    pub screen: Rect,
    /// Name, link, who.
    pub header: Rect,
    /// The heading over the waiting calls.
    pub waiting_rule: Rect,
    /// The waiting calls.
    pub waiting: Rect,
    /// How wide one waiting call is, with the gap after it.
    pub chip: u16,
    /// How high one waiting call is.
    pub chip_height: u16,
    /// The heading over the people.
    pub people_rule: Rect,
    /// The people.
    pub people: Rect,
    /// How wide and high one person is.
    pub tile: (u16, u16),
    /// People side by side.
    pub columns: u16,
    /// Lines of people that are visible.
    pub rows: u16,
    /// The heading over the slots.
    pub slots_rule: Rect,
    /// The slots.
    pub slots: Rect,
    /// How wide and high one slot is.
    pub slot: (u16, u16),
    /// The heading over one's own calls.
    pub you_rule: Rect,
    /// One's own calls.
    pub you: Rect,
    /// The line for what was last said, or what a drop would do.
    pub note: Rect,
    /// The buttons.
    pub hints: Rect,
}

impl Shape {
    /// The shape of a screen with that many slots on it.
    pub fn of(width: u16, height: u16, slots: usize) -> Self {
        let screen = Rect::new(0, 0, width, height);
        let slots = u16::try_from(slots).unwrap_or(u16::MAX);
        match (width, height) {
            (w, h) if w < MIN_WIDTH || h < MIN_HEIGHT => Self {
                screen,
                ..Self::default()
            },
            (w, h) if w >= 96 && h >= 28 => Self::full(screen, slots),
            (w, h) if w >= 60 && h >= 20 => Self::folded(screen, slots, true),
            _ => Self::folded(screen, slots, false),
        }
    }

    fn full(screen: Rect, slots: u16) -> Self {
        let (w, h) = (screen.width, screen.height);
        let mut rows = Rows { y: 0, screen };
        let header = rows.take(2);
        let waiting_rule = rows.take(1);
        // Tall screens show two lines of waiting calls: a queue of eight is a bad morning, not a surprise.
        let waiting = rows.take(match h {
            44.. => 6,
            32.. => 3,
            _ => 2,
        });
        let you_height = if h >= 44 { 5 } else { 3 };
        let middle = rows.take(h.saturating_sub(rows.y + 1 + you_height + 2));
        let you_rule = rows.take(1);
        let you = rows.take(you_height);
        let note = rows.take(1);
        let hints = rows.take(1);

        let side = if slots == 0 { 0 } else { (w / 4).clamp(30, 42) };
        let left = Rect {
            width: w - side - u16::from(side > 0),
            ..middle
        };
        let right = Rect {
            x: w - side,
            width: side,
            ..middle
        };
        let (people_rule, people) = top(left, 1);
        let (slots_rule, slot_area) = top(right, 1);
        let columns = (people.width / 28).max(1);
        let tile = (people.width / columns, 4);
        Self {
            class: Class::Full,
            screen,
            header,
            waiting_rule,
            waiting,
            chip: (w - 1) / (w / 36).max(1),
            chip_height: 2,
            people_rule,
            people,
            tile,
            columns,
            rows: (people.height / tile.1).max(1),
            slots_rule,
            slots: slot_area,
            slot: (
                side,
                if slots > 0 && slot_area.height / slots >= 4 {
                    4
                } else {
                    3
                }
                .min(slot_area.height),
            ),
            you_rule,
            you,
            note,
            hints,
        }
    }

    fn folded(screen: Rect, slots: u16, headings: bool) -> Self {
        let (w, h) = (screen.width, screen.height);
        let heading = u16::from(headings);
        let mut rows = Rows { y: 0, screen };
        let header = rows.take(1);
        let waiting_rule = rows.take(heading);
        let waiting = rows.take(1);
        let you_height = if h >= 22 { 2 } else { 1 };
        let strip = u16::from(slots > 0 && h >= 14);
        let middle = rows.take(h.saturating_sub(rows.y + strip + heading + you_height + 2));
        let slot_area = rows.take(strip);
        let you_rule = rows.take(heading);
        let you = rows.take(you_height);
        let note = rows.take(1);
        let hints = rows.take(1);
        let (people_rule, people) = top(middle, heading);
        let columns = (people.width / 38).max(1);
        Self {
            class: if headings {
                Class::Folded
            } else {
                Class::Small
            },
            screen,
            header,
            waiting_rule,
            waiting,
            chip: (w - 1) / (w / 26).max(1),
            chip_height: 1,
            people_rule,
            people,
            tile: (people.width / columns, 1),
            columns,
            rows: people.height.max(1),
            slots_rule: Rect::default(),
            slots: slot_area,
            slot: ((w / slots.max(1)).clamp(9, 20), 1),
            you_rule,
            you,
            note,
            hints,
        }
    }

    /// How many people are visible at once.
    pub fn people_on_page(&self) -> usize {
        usize::from(self.columns) * usize::from(self.rows)
    }

    /// How many waiting calls stand side by side; there is a margin at the left.
    pub fn chips_across(&self) -> u16 {
        self.waiting
            .width
            .saturating_sub(1)
            .checked_div(self.chip)
            .unwrap_or(0)
            .max(1)
    }

    /// How many waiting calls are visible at once.
    pub fn chips_on_page(&self) -> usize {
        let across = self.chips_across();
        // A blank line stands between two lines of chips.
        let down = if self.chip_height > 1 {
            (self.waiting.height + 1) / (self.chip_height + 1)
        } else {
            1
        };
        usize::from(across) * usize::from(down.max(1))
    }
}

struct Rows {
    y: u16,
    screen: Rect,
}

impl Rows {
    fn take(&mut self, height: u16) -> Rect {
        let height = height.min(self.screen.height.saturating_sub(self.y));
        let rect = Rect {
            y: self.y,
            height,
            ..self.screen
        };
        self.y += height;
        rect
    }
}

/// Splits lines off the top.
fn top(area: Rect, lines: u16) -> (Rect, Rect) {
    let lines = lines.min(area.height);
    (
        Rect {
            height: lines,
            ..area
        },
        Rect {
            y: area.y + lines,
            height: area.height - lines,
            ..area
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overlaps_and_nothing_leaves_the_screen_at_any_size() {
        for (w, h, slots) in (1..=320).flat_map(|w| {
            (1..=100)
                .step_by(3)
                .flat_map(move |h| [0, 5, 40].map(|s| (w, h, s)))
        }) {
            let s = Shape::of(w, h, slots);
            let areas = [
                s.header,
                s.waiting_rule,
                s.waiting,
                s.people_rule,
                s.people,
                s.slots_rule,
                s.slots,
                s.you_rule,
                s.you,
                s.note,
                s.hints,
            ];
            for (i, a) in areas.iter().enumerate() {
                assert_eq!(
                    a.intersection(s.screen).area(),
                    a.area(),
                    "{i} leaves {w}×{h}"
                );
                for b in &areas[i + 1..] {
                    assert_eq!(a.intersection(*b).area(), 0, "{a:?} meets {b:?} at {w}×{h}");
                }
            }
            if s.class != Class::Sentence {
                assert!(s.people.height >= 3, "no room for people at {w}×{h}: {s:?}");
                assert!(s.tile.0 * s.columns <= s.people.width);
                assert!(s.chips_on_page() >= 1 && s.chip < s.waiting.width);
            }
        }
    }
}
