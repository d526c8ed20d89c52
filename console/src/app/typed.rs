//! A line to type in, with a list of what fits it: what finding somebody and the palette have in common.
//!
//! It must not know what is found, nor what choosing it does. Read next: `app/find.rs`, `app/palette.rs`,
//! `view/frame.rs` (how it looks).

use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{AtomKind, CaseMatching, Normalization, Pattern},
};

use crate::{
    field::Field,
    keymap::{Dir, Key},
};

/// What was typed, and what fits.
#[derive(Debug, Clone, PartialEq)]
pub struct Typed<T> {
    /// What was typed.
    pub text: Field,
    /// What fits, best first.
    pub found: Vec<T>,
    /// Which of them is meant.
    pub picked: Option<usize>,
}

impl<T> Default for Typed<T> {
    fn default() -> Self {
        Self {
            text: Field::default(),
            found: Vec::new(),
            picked: None,
        }
    }
}

impl<T> Typed<T> {
    /// What is meant.
    pub fn chosen(&self) -> Option<&T> {
        self.picked.and_then(|n| self.found.get(n))
    }

    /// Takes what fits now. The best is meant, unless nothing is typed: Enter by itself does nothing.
    pub(super) fn fits(&mut self, found: Vec<T>) {
        let typed = !self.text.text().trim().is_empty();
        self.picked = (typed && !found.is_empty()).then_some(0);
        self.found = found;
    }

    /// Goes up or down in the list, if that is what the key says.
    pub(super) fn moved(&mut self, key: Key) -> bool {
        match key {
            // Back to the line, where nothing is typed that would mean one of them.
            Key::Arrow(Dir::Up) if self.picked == Some(0) && self.text.is_empty() => {
                self.picked = None;
            }
            Key::Arrow(Dir::Down) => self.step(1),
            Key::Arrow(Dir::Up) => self.step(-1),
            Key::PageDown => self.step(10),
            Key::PageUp => self.step(-10),
            _ => return false,
        }
        true
    }

    pub(super) fn step(&mut self, by: isize) {
        let Some(last) = self.found.len().checked_sub(1) else {
            return;
        };
        self.picked = match self.picked {
            None if by > 0 => Some(0),
            None => None,
            Some(at) => Some(at.saturating_add_signed(by).min(last)),
        };
    }

    /// A line is pointed at. Whether it was meant already.
    pub(super) fn point(&mut self, n: usize) -> bool {
        let again = self.picked == Some(n);
        if n < self.found.len() {
            self.picked = Some(n);
        }
        again
    }
}

/// Looks for letters in names. Its memory is worth keeping from one letter to the next, and holds nothing of what was
/// looked for.
#[derive(Debug, Clone)]
pub(super) struct Seeker {
    matcher: Matcher,
    chars: Vec<char>,
}

impl Default for Seeker {
    fn default() -> Self {
        Self {
            matcher: Matcher::new(Config::DEFAULT),
            chars: Vec::new(),
        }
    }
}

impl Seeker {
    /// How well each name has the letters of `text` in their order: more is better. None: it has not.
    pub(super) fn seek(&mut self, text: &str) -> impl FnMut(&str) -> Option<u32> {
        let pattern = Pattern::new(
            text,
            CaseMatching::Ignore,
            Normalization::Smart,
            AtomKind::Fuzzy,
        );
        move |name| {
            let name = Utf32Str::new(name, &mut self.chars);
            pattern.score(name, &mut self.matcher)
        }
    }
}
