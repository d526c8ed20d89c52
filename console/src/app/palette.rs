//! The palette: whatever can be done here, found by its name or its key.
//!
//! It is the table of keys and the sections of the settings in one list, and of both only what whoever is signed in has.
//! What is chosen goes the way of its key, so what it does and why it is refused is decided where it is for a key:
//! [`Model::offer`]. Nothing is picked until something was typed or an arrow was used: Enter by itself does nothing.
//! What there is to choose from is gathered when the window opens; a letter only looks through it.

use std::borrow::Cow;

use super::{Cmd, Dialog, Model, Mood, Offer, Sentence, Spot, Typed};
use crate::{
    keymap::{Action, Key, Keymap, TABLE, row_of},
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
#[derive(Debug, Clone, PartialEq)]
pub struct Palette {
    /// What was typed, and what fits.
    pub typed: Typed<Choice>,
    /// What whoever is signed in has.
    all: Vec<Choice>,
}

impl Model {
    /// The window, with everything in it.
    pub(super) fn palette(&self) -> Palette {
        let all = self.choices();
        let mut typed = Typed::default();
        typed.fits(all.clone());
        Palette { typed, all }
    }

    /// Who is signed in may do other things than before.
    pub(super) fn gather_again(&mut self) {
        let open = self.dialog.take_if(|d| matches!(d, Dialog::Palette(_)));
        if let Some(Dialog::Palette(mut palette)) = open {
            palette.all = self.choices();
            self.look_up(&mut palette);
            self.dialog = Some(Dialog::Palette(palette));
        }
    }

    pub(super) fn key_in_palette(&mut self, mut palette: Palette, key: Key) -> Vec<Cmd> {
        match key {
            Key::Esc => return Vec::new(),
            Key::Enter => return self.choose(palette),
            key => {
                if !palette.typed.moved(key) && palette.typed.text.edit(key) {
                    self.look_up(&mut palette);
                }
            }
        }
        self.dialog = Some(Dialog::Palette(palette));
        Vec::new()
    }

    /// Looks again for what is typed.
    pub(super) fn look_up(&mut self, palette: &mut Palette) {
        let text = palette.typed.text.text().trim().to_owned();
        let found = self.fitting(&palette.all, &text);
        palette.typed.fits(found);
    }

    /// Does what is picked. What cannot be done now says why, and the window stays.
    pub(super) fn choose(&mut self, palette: Palette) -> Vec<Cmd> {
        match palette
            .typed
            .chosen()
            .copied()
            .map(|choice| (choice, self.choice_offer(choice)))
        {
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

    /// Everything that whoever is signed in can choose.
    fn choices(&self) -> Vec<Choice> {
        let actions = TABLE.iter().map(|row| row.action);
        let actions = actions.filter(|a| self.has(*a) && a.has_name() && *a != Action::Palette);
        let around = self.around();
        let sections = around.iter().flat_map(Settings::sections);
        let sections = sections.map(Choice::Open);
        actions.map(Choice::Do).chain(sections).collect()
    }

    /// What fits `text`, best first: its key, the beginning of its name, letters of its name, a word of what it is for.
    fn fitting(&mut self, all: &[Choice], text: &str) -> Vec<Choice> {
        if text.is_empty() {
            return all.to_vec();
        }
        let lower = text.to_lowercase();
        let mut score_of = self.seeker.seek(text);
        let mut ranked: Vec<(u32, Choice)> = Vec::new();
        for choice in all.iter().copied() {
            let word = choice.word().to_lowercase();
            let rank = if choice.key(&self.keys) == text {
                u32::MAX
            } else if word.starts_with(&lower) {
                u32::MAX - 1
            } else if let Some(score) = score_of(&word) {
                score.saturating_add(1)
            } else if choice.about().to_lowercase().contains(&lower) {
                0
            } else {
                continue;
            };
            ranked.push((rank, choice));
        }
        ranked.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
        ranked.into_iter().map(|(_, choice)| choice).collect()
    }
}
