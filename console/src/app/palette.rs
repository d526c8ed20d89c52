//! The palette: whatever can be done here, found by its name or its key.
//!
//! It is the table of keys and the sections of the settings in one list, and of both only what whoever is signed in has.
//! What is chosen goes the way of its key, so what it does and why it is refused is decided where it is for a key:
//! [`Model::offer`]. Nothing is picked until something was typed or an arrow was used: Enter by itself does nothing.

use std::borrow::Cow;

use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{AtomKind, CaseMatching, Normalization, Pattern},
};

use super::{Cmd, Dialog, Model, Mood, Offer, Sentence, Spot};
use crate::{
    field::Field,
    keymap::{Action, Dir, Key, Keymap, TABLE, row_of},
    settings::{Section, Settings},
};

/// Something that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// An action of the table.
    Do(Action),
    /// A section of the settings.
    Open(Section),
}

impl Choice {
    /// What it is called.
    pub fn word(self) -> &'static str {
        match self {
            Self::Do(action) => row_of(action).word,
            Self::Open(section) => section.word(),
        }
    }

    /// The key that does the same, as it is written.
    pub fn key(self, keys: &Keymap) -> Cow<'static, str> {
        match self {
            Self::Do(action) => keys.name(action),
            Self::Open(_) => "".into(),
        }
    }

    /// What it is for, in a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Self::Do(action) => row_of(action).help,
            Self::Open(section) => section.about(),
        }
    }
}

/// The window in which a name is typed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Palette {
    /// What was typed.
    pub text: Field,
    /// What fits, best first.
    pub found: Vec<Choice>,
    /// Which of them is meant.
    pub picked: Option<usize>,
}

impl Palette {
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
}

impl Model {
    /// The window, with everything in it.
    pub(super) fn palette(&self) -> Palette {
        Palette {
            found: self.choices("").collect(),
            ..Palette::default()
        }
    }

    pub(super) fn key_in_palette(&mut self, mut palette: Palette, key: Key) -> Vec<Cmd> {
        match key {
            Key::Esc => return Vec::new(),
            Key::Enter => return self.choose(palette),
            Key::Arrow(Dir::Down) => palette.step(1),
            Key::Arrow(Dir::Up) => palette.step(-1),
            Key::PageDown => palette.step(10),
            Key::PageUp => palette.step(-10),
            key => {
                if palette.text.edit(key) {
                    self.look_up(&mut palette);
                }
            }
        }
        self.dialog = Some(Dialog::Palette(palette));
        Vec::new()
    }

    /// Looks again for what is typed.
    pub(super) fn look_up(&self, palette: &mut Palette) {
        let text = palette.text.text().trim().to_owned();
        palette.found = self.choices(&text).collect();
        palette.picked = (!text.is_empty() && !palette.found.is_empty()).then_some(0);
    }

    /// Does what is picked. What cannot be done now says why, and the window stays.
    pub(super) fn choose(&mut self, palette: Palette) -> Vec<Cmd> {
        let picked = palette.picked.and_then(|n| palette.found.get(n)).copied();
        match picked.map(|choice| (choice, self.choice_offer(choice))) {
            Some((Choice::Do(action), Offer::Yes { .. })) => self.act(action),
            Some((Choice::Open(section), Offer::Yes { .. })) => {
                self.show_settings();
                self.click_in_settings(&Spot::Section(section), false)
            }
            Some((_, Offer::No(why))) => {
                self.say(Mood::Bad, why.as_str());
                self.dialog = Some(Dialog::Palette(palette));
                Vec::new()
            }
            None => {
                self.dialog = Some(Dialog::Palette(palette));
                Vec::new()
            }
        }
    }

    /// Whether that is possible now, and what it would do.
    pub fn choice_offer(&self, choice: Choice) -> Offer {
        match choice {
            Choice::Do(action) => self.offer(action),
            Choice::Open(section) => match self.offer(Action::Settings) {
                Offer::Yes { call, .. } => Offer::Yes {
                    call,
                    sentence: Sentence::new(&format!("open {} in the settings", section.word())),
                },
                no @ Offer::No(_) => no,
            },
        }
    }

    /// What fits `text`, best first: its key, the beginning of its name, letters of its name, a word of what it is for.
    fn choices(&self, text: &str) -> impl Iterator<Item = Choice> + use<> {
        let actions = TABLE
            .iter()
            .map(|row| row.action)
            .filter(|a| self.has(*a) && a.has_name() && *a != Action::Palette)
            .map(Choice::Do);
        let sections = self.around().map(|around| {
            let sections: Vec<Section> = Settings::sections(&around).collect();
            sections
        });
        let sections = sections.unwrap_or_default().into_iter().map(Choice::Open);
        let pattern = Pattern::new(
            text,
            CaseMatching::Ignore,
            Normalization::Smart,
            AtomKind::Fuzzy,
        );
        let (mut matcher, mut chars) = (Matcher::new(Config::DEFAULT), Vec::new());
        let lower = text.to_lowercase();
        let mut ranked: Vec<(u32, Choice)> = actions
            .chain(sections)
            .filter_map(|choice| {
                let word = choice.word().to_lowercase();
                let rank = if text.is_empty() {
                    0
                } else if choice.key(&self.keys) == text {
                    u32::MAX
                } else if word.starts_with(&lower) {
                    u32::MAX - 1
                } else if let Some(score) =
                    pattern.score(Utf32Str::new(&word, &mut chars), &mut matcher)
                {
                    score.saturating_add(1)
                } else if choice.about().to_lowercase().contains(&lower) {
                    0
                } else {
                    return None;
                };
                Some((rank, choice))
            })
            .collect();
        ranked.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
        ranked.into_iter().map(|(_, choice)| choice)
    }
}
