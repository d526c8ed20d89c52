//! Where the fields of a form stand, in an area of a given width.
//!
//! In rows and columns of the form itself: which of them are in sight is another question.

use std::ops::Range;

use super::super::ink::{self, text_width};
use crate::form::{Entry, Form, Kind, Pick};

/// How wide a label is at most; longer ones are cut.
const LABEL: u16 = 24;
/// How wide a line of text is at most: an address of usual length is in sight as a whole.
const INPUT: u16 = 56;
/// How wide an error beside its field is at least.
const BESIDE: u16 = 28;
/// From this width on, errors stand beside their fields.
const WIDE: u16 = 96;
/// Below this width, labels stand above their fields.
const NARROW: u16 = 46;
/// A choice that takes more rows than this is shown as one, with arrows.
pub(super) const ROWS: u16 = 3;
/// The mark before what has the focus.
pub(super) const MARK: u16 = 2;

/// Where a field stands, in rows from the first.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) top: u16,
    /// The rows of what it holds.
    pub(super) input: Range<u16>,
    /// The first row of what is said of it, and that in lines.
    pub(super) note: (u16, Vec<String>),
    pub(super) bottom: u16,
}

/// Where everything stands.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) blocks: Vec<Block>,
    pub(super) height: u16,
    pub(super) label: u16,
    /// Where a line of text begins, and how wide it is.
    pub(super) input: (u16, u16),
    /// The same for everything else that a field holds: it stands under the text in the line, not under its edge.
    pub(super) body: (u16, u16),
    /// The same for what is said of it.
    pub(super) note: (u16, u16),
    /// Labels stand above their fields.
    pub(super) stacked: bool,
}

impl Plan {
    pub(super) fn new(form: &Form, width: u16, dense: bool) -> Self {
        let labels = form.entries().iter().map(|e| text_width(e.label.as_str()));
        let label = labels.max().unwrap_or(0).min(LABEL).min(width / 3);
        let stacked = width < NARROW;
        let beside = width >= WIDE;
        let x = if stacked { MARK } else { MARK + label + 2 };
        let rest = width.saturating_sub(x);
        let input = if beside {
            INPUT.min(rest - BESIDE - 2).min(rest * 11 / 20)
        } else {
            rest.min(INPUT)
        };
        let note = if beside {
            (x + input + 2, rest - input - 2)
        } else {
            (x + 1, rest - 1)
        };
        let body = (x + 1, if beside { input } else { rest } - 1);
        let mut plan = Self {
            blocks: Vec::new(),
            height: 0,
            label,
            input: (x, input),
            body,
            note,
            stacked,
        };
        let entries = form.entries();
        for (n, entry) in entries.iter().enumerate() {
            let last_of_kind = entries
                .get(n + 1)
                .is_none_or(|e| e.editable() != entry.editable());
            let gap = !dense && (entry.editable() || last_of_kind);
            plan.place(entry, dense, gap, beside);
        }
        plan
    }

    fn place(&mut self, entry: &Entry, dense: bool, gap: bool, beside: bool) {
        let top = self.height;
        let first = top + u16::from(self.stacked);
        let input = first..first + self.rows(entry);
        let said = match &entry.error {
            Some(why) => format!("! {why}"),
            None if dense => String::new(),
            None => entry.hint.to_string(),
        };
        let said = if said.is_empty() {
            Vec::new()
        } else {
            ink::wrap(&said, self.note.1.into())
        };
        let lines = u16::try_from(said.len()).unwrap_or(u16::MAX);
        let (note, bottom) = if beside {
            let bottom = input.end.max(first.saturating_add(lines));
            // Its own blank row may take the end of a long sentence.
            (first, bottom.max(input.end + u16::from(gap)))
        } else {
            let at = input.end;
            (at, at.saturating_add(lines.max(u16::from(gap))))
        };
        // Two sentences beside two fields, one right under the other, would be read as one.
        let bottom = bottom + u16::from(beside && gap && lines > 1 && bottom == first + lines);
        self.blocks.push(Block {
            top,
            input,
            note: (note, said),
            bottom,
        });
        self.height = bottom;
    }

    /// How many rows it takes to show what a field holds.
    fn rows(&self, entry: &Entry) -> u16 {
        match &entry.kind {
            Kind::Text(_) | Kind::Secret(_) | Kind::Toggle(_) => 1,
            Kind::Choice { options, .. } => {
                let (_, rows) = self.flow(options);
                if rows > ROWS { 1 } else { rows }
            }
            Kind::Many { options, .. } => {
                let (columns, _) = self.columns(options);
                let rows = options.len().div_ceil(columns.into()).max(1);
                u16::try_from(rows).unwrap_or(u16::MAX)
            }
            Kind::Info(text) => {
                let lines = ink::wrap(text.as_str(), self.body.1.into()).len();
                u16::try_from(lines).unwrap_or(u16::MAX)
            }
        }
    }

    /// Options one after the other, as words in a line: where each begins, and how many rows there are.
    pub(super) fn flow(&self, options: &[Pick]) -> (Vec<(u16, u16)>, u16) {
        let room = self.body.1;
        let (mut x, mut y, mut places) = (0, 0, Vec::new());
        for option in options {
            let width = option_width(option) - 2;
            if x > 0 && x + width > room {
                (x, y) = (0, y + 1);
            }
            places.push((x, y));
            x += width + 2;
        }
        (places, y + 1)
    }

    /// How many options stand abreast in a list, and how wide each is.
    pub(super) fn columns(&self, options: &[Pick]) -> (u16, u16) {
        let widest = options.iter().map(option_width).max().unwrap_or(1) + 2;
        let columns = (self.body.1 / widest).clamp(1, 3);
        // A short list is read more easily as one.
        let columns = if options.len() <= 3 { 1 } else { columns };
        (columns, widest.min(self.body.1))
    }
}

/// An option with its mark: `[✓] Sales`.
fn option_width(option: &Pick) -> u16 {
    text_width(option.label.as_str()) + 4
}
