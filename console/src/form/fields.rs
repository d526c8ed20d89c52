//! What there is to fill in: a field, what it holds, and how keys change that.

use cordboard_core::ids::SafeText;

use crate::{
    app::Sentence,
    field::Field,
    keymap::{Dir, Key},
};

/// Something that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pick {
    /// What it is for the program.
    pub key: String,
    /// What it is called.
    pub label: SafeText,
}

impl Pick {
    /// One that is called `label`.
    pub fn new(key: impl Into<String>, label: &str) -> Self {
        Self {
            key: key.into(),
            label: label.into(),
        }
    }
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A line of text.
    Text(Field),
    /// A line that nobody shall read.
    Secret(Field),
    /// One of a list.
    Choice {
        /// What there is.
        options: Vec<Pick>,
        /// Which it is.
        at: usize,
    },
    /// Yes or no.
    Toggle(bool),
    /// Any of a list.
    Many {
        /// What there is.
        options: Vec<Pick>,
        /// Whether each is chosen.
        on: Vec<bool>,
        /// Where the keyboard is in it.
        at: usize,
    },
    /// A line to be read.
    Info(Sentence),
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is called in a request, and in an error about it.
    pub key: String,
    /// What people call it.
    pub label: Sentence,
    /// What it is about.
    pub hint: Sentence,
    /// What is wrong with what it holds.
    pub error: Option<Sentence>,
    /// What it holds.
    pub kind: Kind,
    kept: Kept,
}

/// What a field held when it was filled, without any secret.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    Nothing,
    Text(String),
    At(usize),
    On(Vec<bool>),
}

impl Entry {
    pub(super) fn new(key: &str, label: &str, kind: Kind) -> Self {
        let mut entry = Self {
            key: key.to_owned(),
            label: Sentence::new(label),
            hint: Sentence::default(),
            error: None,
            kind,
            kept: Kept::Nothing,
        };
        entry.keep();
        entry
    }

    /// Whether it can be filled in.
    pub const fn editable(&self) -> bool {
        !matches!(self.kind, Kind::Info(_))
    }

    /// What is in it, if it is a line of text or a secret.
    pub fn text(&self) -> &str {
        match &self.kind {
            Kind::Text(field) | Kind::Secret(field) => field.as_str(),
            _ => "",
        }
    }

    pub(super) fn set(&mut self, text: &str) {
        if let Kind::Text(field) | Kind::Secret(field) = &mut self.kind {
            field.set(text);
        }
    }

    pub(super) fn keep(&mut self) {
        self.kept = match &self.kind {
            Kind::Text(field) => Kept::Text(field.text()),
            Kind::Choice { at, .. } => Kept::At(*at),
            Kind::Toggle(on) => Kept::On(vec![*on]),
            Kind::Many { on, .. } => Kept::On(on.clone()),
            Kind::Secret(_) | Kind::Info(_) => Kept::Nothing,
        };
    }

    pub(super) fn changed(&self) -> bool {
        match (&self.kind, &self.kept) {
            (Kind::Text(field), Kept::Text(kept)) => field.as_str() != kept,
            (Kind::Choice { at, .. }, Kept::At(kept)) => at != kept,
            (Kind::Toggle(on), Kept::On(kept)) => kept.first() != Some(on),
            (Kind::Many { on, .. }, Kept::On(kept)) => on != kept,
            (Kind::Secret(field), _) => !field.is_empty(),
            _ => false,
        }
    }

    /// Whether another value is in it; where the cursor stands is none.
    pub(super) fn holds_other_than(&self, before: &Self) -> bool {
        match (&self.kind, &before.kind) {
            (Kind::Text(now), Kind::Text(then)) | (Kind::Secret(now), Kind::Secret(then)) => {
                now.as_str() != then.as_str()
            }
            (Kind::Many { on: now, .. }, Kind::Many { on: then, .. }) => now != then,
            (now, then) => now != then,
        }
    }

    /// Takes a key that does not lead out of it.
    pub(super) fn edit(&mut self, key: Key) {
        match &mut self.kind {
            Kind::Text(field) | Kind::Secret(field) => {
                field.edit(key);
            }
            Kind::Choice { options, at } => {
                let last = options.len().saturating_sub(1);
                *at = match key {
                    Key::Arrow(Dir::Left) => at.saturating_sub(1),
                    Key::Arrow(Dir::Right) => (*at + 1).min(last),
                    Key::Char(' ') if *at == last => 0,
                    Key::Char(' ') => *at + 1,
                    Key::Home => 0,
                    Key::End => last,
                    Key::Char(c) => beginning_with(options, *at, c).unwrap_or(*at),
                    _ => *at,
                };
            }
            Kind::Toggle(on) => {
                *on = match key {
                    Key::Char(' ') => !*on,
                    Key::Arrow(Dir::Right) | Key::Char('y' | 'Y') => true,
                    Key::Arrow(Dir::Left) | Key::Char('n' | 'N') => false,
                    _ => *on,
                };
            }
            Kind::Many { options, on, at } => match key {
                Key::Char(' ') => {
                    if let Some(on) = on.get_mut(*at) {
                        *on = !*on;
                    }
                }
                Key::Arrow(Dir::Left) => *at = at.saturating_sub(1),
                Key::Arrow(Dir::Right) => *at = (*at + 1).min(options.len().saturating_sub(1)),
                Key::Home => *at = 0,
                Key::End => *at = options.len().saturating_sub(1),
                Key::Char(c) => *at = beginning_with(options, *at, c).unwrap_or(*at),
                _ => {}
            },
            Kind::Info(_) => {}
        }
    }

    /// Takes pasted text, if it is one of text.
    pub(super) fn paste(&mut self, text: &str) {
        if let Kind::Text(field) | Kind::Secret(field) = &mut self.kind {
            field.paste(text);
        }
    }

    /// That option was clicked.
    pub(super) fn pick(&mut self, option: usize) {
        match &mut self.kind {
            Kind::Choice { options, at } if option < options.len() => *at = option,
            Kind::Toggle(on) => *on = !*on,
            Kind::Many { on, at, .. } => {
                if let Some(on) = on.get_mut(option) {
                    *on = !*on;
                    *at = option;
                }
            }
            _ => {}
        }
    }
}

/// The next option after `at` that begins with that letter, all the way round.
fn beginning_with(options: &[Pick], at: usize, c: char) -> Option<usize> {
    let first = |o: &Pick| o.label.as_str().chars().next();
    let same = |a: char, b: char| a.to_lowercase().eq(b.to_lowercase());
    (1..=options.len())
        .map(|step| (at + step) % options.len())
        .find(|n| first(&options[*n]).is_some_and(|f| same(f, c)))
}
