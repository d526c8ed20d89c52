//! The settings over the board, and the questions that the board asks over HTTP.
//!
//! Every question leaves under a number of its own, and its answer is handed to whoever asked: the settings, or the
//! window of a pairing. What nobody waits for any more is dropped here. See [`crate::settings`] and `app/pair.rs`.

use crate::{
    ask::{Answer, Ask, Trouble},
    keymap::{Action, Key, row_of},
    settings::{Around, Settings, Wish},
};

use super::{Cmd, Dialog, Model, Mood, Spot};

/// Who waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Waiter {
    /// The settings.
    Settings,
    /// The window that shows a code.
    Code,
    /// Whoever has let a page in, or kept it out; what is said when it is done.
    Door(&'static str),
}

impl Model {
    /// Numbers a question and sends it.
    pub(super) fn ask(&mut self, ask: Ask, waiter: Waiter) -> (u64, Cmd) {
        self.questions += 1;
        let number = self.questions;
        self.waiters.insert(number, waiter);
        self.dirty = true;
        (number, Cmd::Ask(number, ask))
    }

    /// What came of a question.
    pub(super) fn answered(&mut self, number: u64, answer: Result<Answer, Trouble>) -> Vec<Cmd> {
        self.dirty = true;
        match self.waiters.remove(&number) {
            Some(Waiter::Settings) => {
                self.with_settings(|s, around| s.answer(number, answer, around))
            }
            Some(Waiter::Code) => {
                self.code_answered(number, answer);
                Vec::new()
            }
            Some(Waiter::Door(said)) => {
                match answer {
                    Ok(_) => self.say(Mood::Good, said),
                    Err(trouble) => self.say(Mood::Bad, &trouble.detail),
                }
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// The settings, if they are in front of the board.
    pub fn open_settings(&self) -> Option<&Settings> {
        self.settings.as_deref().filter(|s| !s.hidden)
    }

    /// Opens the settings, as they were left.
    pub(super) fn show_settings(&mut self) {
        self.cancel_carry(None);
        self.dialog = None;
        let settings = self.settings.get_or_insert_default();
        settings.hidden = false;
        self.dirty = true;
    }

    /// What the settings look at.
    pub fn around(&self) -> Option<Around<'_>> {
        Some(Around {
            me: self.me.as_ref()?,
            board: &self.board,
            now: self.server_now(),
            utc_offset: self.utc_offset,
            live: self.link.is_live(),
            theme: self.theme,
            keys: &self.keys,
        })
    }

    /// Lets the settings do something, and follows what they want.
    fn with_settings(
        &mut self,
        act: impl FnOnce(&mut Settings, &Around<'_>) -> Vec<Wish>,
    ) -> Vec<Cmd> {
        self.dirty = true;
        let Some(mut settings) = self.settings.take() else {
            return Vec::new();
        };
        let wishes = match self.around() {
            Some(around) => act(&mut settings, &around),
            None => vec![Wish::Close],
        };
        let mut cmds = Vec::new();
        let mut open = true;
        for wish in wishes {
            match wish {
                Wish::Ask(ask, why) => {
                    let (number, cmd) = self.ask(ask, Waiter::Settings);
                    settings.sent(number, why);
                    cmds.push(cmd);
                }
                Wish::Say(mood, text) => self.say(mood, &text),
                Wish::Copy(text) => cmds.push(Cmd::Copy(text)),
                Wish::Theme(theme) => {
                    self.theme = theme;
                    self.say(Mood::Info, &format!("Colours: {}.", theme.name()));
                    cmds.push(Cmd::Keep(self.preferences()));
                }
                Wish::Key(action, key) => cmds.extend(self.choose_key(action, key)),
                Wish::Pair => cmds.extend(self.pair_another()),
                Wish::Help => self.dialog = Some(Dialog::Help(0)),
                Wish::Hide => settings.hidden = true,
                Wish::Close => open = false,
            }
        }
        self.settings = open.then_some(settings);
        cmds
    }

    /// Gives an action another key, or its first one again.
    fn choose_key(&mut self, action: Action, key: Option<Key>) -> Option<Cmd> {
        let chosen = match key {
            Some(key) => self.keys.choose(action, key),
            None => self.keys.restore(action),
        };
        if let Err(why) = chosen {
            self.say(Mood::Bad, &why);
            return None;
        }
        let (key, word) = (self.keys.name(action), row_of(action).word);
        self.say(Mood::Good, &format!("{key} does “{word}” from now on."));
        Some(Cmd::Keep(self.preferences()))
    }

    /// A key, with the settings in front.
    pub(super) fn key_in_settings(&mut self, key: Key) -> Vec<Cmd> {
        self.with_settings(|settings, around| settings.key(key, around))
    }

    pub(super) fn paste_in_settings(&mut self, text: &str) {
        if let Some(settings) = &mut self.settings {
            settings.paste(text);
            self.dirty = true;
        }
    }

    pub(super) fn wheel_in_settings(&mut self, lines: i16) {
        self.with_settings(|settings, around| {
            settings.wheel(lines, around);
            Vec::new()
        });
    }

    /// A click, with the settings in front.
    pub(super) fn click_in_settings(&mut self, spot: &Spot, double: bool) -> Vec<Cmd> {
        match spot {
            Spot::Form(part) => self.with_settings(|s, around| s.click_form(*part, double, around)),
            Spot::Section(section) => {
                self.with_settings(|s, around| s.click_section(*section, around))
            }
            Spot::Line(n) => self.with_settings(|s, around| s.click_line(*n, double, around)),
            // A hand that clicks a button twice means it once.
            Spot::Key(key) if !double => self.key_in_settings(*key),
            Spot::Button(action) if !double => {
                // The board's own buttons go on working; what they open comes in front.
                let stays = matches!(action, Action::Help | Action::Quit | Action::Pair);
                if let Some(settings) = self.settings.as_mut().filter(|_| !stays) {
                    settings.hidden = true;
                }
                self.act(*action)
            }
            _ => Vec::new(),
        }
    }

    /// Somebody else is signed in, or may do other things than before: what was shown may not be theirs.
    pub(super) fn check_settings(&mut self) {
        let section = self.settings.as_ref().map(|s| s.section);
        let allowed = match (section, &self.me) {
            (Some(section), Some(me)) => section.open_to(me.rights),
            _ => true,
        };
        if !allowed {
            self.settings = None;
            self.say(
                Mood::Info,
                "You may do other things than before, so the settings were closed.",
            );
        }
    }
}
