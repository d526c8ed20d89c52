//! Where things go on a screen of a given size.
//!
//! One place decides, for two readers: the view draws into these rectangles, and the cursor moves by the same
//! columns. It depends on sizes and counts only, so areas keep their places while calls come and go (people
//! find things by where they are).
//!
//! Three classes of screen: `Full` has boxed tiles and a column of slots; `Folded` (below 96 × 28, or where
//! only lines can show everybody) has one line a person and a strip of slots; `Small` (below 60 × 20) drops
//! the headings. Below 40 × 12 there is no board, only a sentence. Where everybody fits, tiles are as few
//! abreast and as roomy as the screen allows: a name or a sentence that is cut is worse than a gap. What is
//! left over shows what happened lately.

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
    /// The heading over what happened lately; where there is room to spare.
    pub lately_rule: Rect,
    /// What happened lately.
    pub lately: Rect,
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

/// How many there are of what has its place on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// People.
    pub people: usize,
    /// Parking slots.
    pub slots: usize,
}

/// How wide a boxed tile is: at least and at most, as far as the number abreast can decide it.
const TILE: (u16, u16) = (28, 44);
/// How wide a person's line is at least.
const LINE: u16 = 38;
/// A list of what happened lately that is shorter tells too little for the eye to go there.
const LATELY: u16 = 3;

impl Shape {
    /// The shape of a screen with so many people and slots on it.
    pub fn of(width: u16, height: u16, counts: Counts) -> Self {
        let screen = Rect::new(0, 0, width, height);
        let few = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let (people, slots) = (few(counts.people), few(counts.slots));
        match (width, height) {
            (w, h) if w < MIN_WIDTH || h < MIN_HEIGHT => Self {
                screen,
                ..Self::default()
            },
            (w, h) if w >= 96 && h >= 28 => {
                let full = Self::full(screen, people, slots);
                let folded = Self::folded(screen, people, slots, true);
                // To see everybody at once is worth more than boxes.
                let fits = |shape: &Self| shape.people_on_page() >= counts.people;
                if fits(&folded) && !fits(&full) {
                    folded
                } else {
                    full
                }
            }
            (w, h) if w >= 60 && h >= 20 => Self::folded(screen, people, slots, true),
            _ => Self::folded(screen, people, slots, false),
        }
    }

    fn full(screen: Rect, people: u16, slots: u16) -> Self {
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
        let (you_height, note_height) = if h >= 44 { (4, 2) } else { (3, 2) };
        let middle = rows.take(h.saturating_sub(rows.y + 1 + you_height + note_height + 1));
        let you_rule = rows.take(1);
        let you = rows.take(you_height);
        let note = rows.take(note_height);
        let hints = rows.take(1);

        let side = if slots == 0 { 0 } else { (w / 4).clamp(30, 42) };
        let width = w - side - u16::from(side > 0);
        let (columns, tile_height) = grid(width, middle.height.saturating_sub(1), people);
        let lines = people.div_ceil(columns).saturating_mul(tile_height);
        let slot_height: u16 = if slots > 0 && middle.height.saturating_sub(1) / slots >= 4 {
            4
        } else {
            3
        };
        let needed = lines
            .max(slots.saturating_mul(slot_height))
            .max(2 * tile_height)
            .saturating_add(1);
        let (middle, lately_rule, lately) = spare(middle, needed);
        let left = Rect { width, ..middle };
        let right = Rect {
            x: w - side,
            width: side,
            ..middle
        };
        let (people_rule, people) = top(left, 1);
        let (slots_rule, slot_area) = top(right, 1);
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
            tile: (people.width / columns, tile_height),
            columns,
            rows: (people.height / tile_height).max(1),
            lately_rule,
            lately,
            slots_rule,
            slots: slot_area,
            slot: (side, slot_height.min(slot_area.height)),
            you_rule,
            you,
            note,
            hints,
        }
    }

    fn folded(screen: Rect, count: u16, slots: u16, headings: bool) -> Self {
        let (w, h) = (screen.width, screen.height);
        let heading = u16::from(headings);
        let mut rows = Rows { y: 0, screen };
        let header = rows.take(1);
        let waiting_rule = rows.take(heading);
        let roomy = u16::from(h >= 22);
        let waiting = rows.take(1 + roomy);
        let (you_height, note_height) = (1 + roomy, 1 + roomy);
        let strip = u16::from(slots > 0 && h >= 14);
        let middle =
            rows.take(h.saturating_sub(rows.y + strip + heading + you_height + note_height + 1));
        let slot_area = rows.take(strip);
        let you_rule = rows.take(heading);
        let you = rows.take(you_height);
        let note = rows.take(note_height);
        let hints = rows.take(1);
        let (people_rule, people) = top(middle, heading);
        let most = (people.width / LINE).max(1);
        let columns = (1..=most)
            .find(|c| count.div_ceil(*c) <= people.height)
            .unwrap_or(most);
        let (people, lately_rule, lately) = if headings {
            spare(people, count.div_ceil(columns).max(3))
        } else {
            (people, Rect::default(), Rect::default())
        };
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
            chip: (w - 1) / (w / 36).max(1),
            chip_height: 1,
            people_rule,
            people,
            tile: (people.width / columns, 1),
            columns,
            rows: people.height.max(1),
            lately_rule,
            lately,
            slots_rule: Rect::default(),
            slots: slot_area,
            slot: ((w / slots.max(1)).clamp(9, 36), 1),
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
        let gap = self.chip_step() - self.chip_height;
        let down = (self.waiting.height + gap) / self.chip_step().max(1);
        usize::from(across) * usize::from(down.max(1))
    }

    /// From one line of waiting calls to the next: a blank one stands between those of two rows.
    pub fn chip_step(&self) -> u16 {
        self.chip_height + u16::from(self.chip_height > 1)
    }
}

/// Leaves what is `needed` of an area, and makes the rest a list of what happened lately, if it is enough for
/// one.
fn spare(area: Rect, needed: u16) -> (Rect, Rect, Rect) {
    let left_over = area.height.saturating_sub(needed);
    let height = if left_over > LATELY { left_over } else { 0 };
    let (area, rest) = top(area, area.height - height);
    let (rule, list) = top(rest, height.min(1));
    (area, rule, list)
}

/// How many tiles stand abreast in that room, and how high they are.
fn grid(width: u16, height: u16, people: u16) -> (u16, u16) {
    let most = (width / TILE.0).max(1);
    let fewest = width.div_ceil(TILE.1).clamp(1, most);
    let fits = |columns: &u16, tall: u16| people.div_ceil(*columns).saturating_mul(tall) <= height;
    [5, 4]
        .into_iter()
        .find_map(|tall| (fewest..=most).find(|c| fits(c, tall)).map(|c| (c, tall)))
        .unwrap_or((most, 4))
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
        for (w, h, (people, slots)) in (1..=320).flat_map(|w| {
            (1..=100)
                .step_by(3)
                .flat_map(move |h| [(0, 0), (12, 5), (300, 40)].map(|n| (w, h, n)))
        }) {
            let s = Shape::of(w, h, Counts { people, slots });
            let areas = [
                s.header,
                s.waiting_rule,
                s.waiting,
                s.people_rule,
                s.people,
                s.lately_rule,
                s.lately,
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
    #[test]
    fn everybody_in_the_demo_has_room_for_a_sentence_at_the_usual_sizes() {
        let counts = Counts {
            people: 12,
            slots: 4,
        };
        for (w, h) in [(80, 24), (120, 34), (160, 48), (200, 60)] {
            let s = Shape::of(w, h, counts);
            assert!(
                s.people_on_page() >= 12,
                "somebody is hidden at {w}×{h}: {s:?}"
            );
            assert!(s.class == Class::Folded || s.tile.1 == 5, "{w}×{h}: {s:?}");
        }
        assert_eq!(Shape::of(80, 24, counts).columns, 1, "a whole line each");
        let many = Counts {
            people: 40,
            slots: 4,
        };
        assert_eq!(Shape::of(80, 24, many).columns, 2);
        let dense = Shape::of(120, 34, many);
        assert_eq!(
            dense.class,
            Class::Folded,
            "a line each, where boxes would hide some"
        );
        assert!(dense.people_on_page() >= 40);
        let crowd = Counts {
            people: 400,
            slots: 4,
        };
        assert_eq!(
            Shape::of(120, 34, crowd).class,
            Class::Full,
            "they scroll either way"
        );
    }
}
