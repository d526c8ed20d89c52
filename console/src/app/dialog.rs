//! The windows over the board: which there are, and what keys and clicks do in them.
//!
//! What is typed, chosen or let in is with what it is about: `app/find.rs`, `app/palette.rs`, `app/carry.rs`,
//! `app/pair.rs`. Here is only what leads there.

use cordboard_core::{
    ids::{CallId, Rev, Timestamp},
    machine::Intent,
};

use super::{Cmd, Code, Find, Model, Palette, Sentence};
use crate::keymap::{Action, Dir, Key};

/// A window over the board.
#[derive(Debug, Clone, PartialEq)]
pub enum Dialog {
    /// What every key does; the first line shown.
    Help(usize),
    /// What was said lately; the first line shown.
    Log(usize),
    /// Typing a name or a number.
    Find(Find),
    /// Typing what to do.
    Palette(Palette),
    /// Choosing a slot for a call seen at that revision.
    Park(CallId, Rev),
    /// A question before something that can't be undone.
    Confirm(Question),
    /// More than one thing could be meant.
    Choose(CallId, Rev, Vec<(Intent, Sentence)>),
    /// How the phone pages of this console are.
    Pages,
    /// A code to pair a phone page with.
    Code(Code),
    /// A page asks to be let in; since when the window is there, by the local clock.
    Admit(Timestamp),
}

/// What is asked before it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// End a call that is not on my line, and was not pointed at?
    HangUp(CallId, Rev),
    /// Leave while somebody is on my line, or waits for me?
    Quit,
}

impl Model {
    pub(super) fn key_in_dialog(&mut self, key: Key) -> Vec<Cmd> {
        let Some(dialog) = self.dialog.take() else {
            return Vec::new();
        };
        match dialog {
            Dialog::Find(find) => self.key_in_find(find, key),
            Dialog::Palette(palette) => self.key_in_palette(palette, key),
            Dialog::Park(call, seen) => self.key_in_park(call, seen, key),
            Dialog::Pages => self.key_at_pages(key),
            Dialog::Code(code) => self.key_at_code(code, key),
            Dialog::Admit(since) => self.key_at_admit(since, key),
            Dialog::Help(top) | Dialog::Log(top) => {
                let help = matches!(dialog, Dialog::Help(_));
                let again = |top| {
                    Some(if help {
                        Dialog::Help(top)
                    } else {
                        Dialog::Log(top)
                    })
                };
                match key {
                    Key::Arrow(Dir::Down) => {
                        self.dialog = again(top.saturating_add(1));
                    }
                    Key::Arrow(Dir::Up) => {
                        self.dialog = again(top.saturating_sub(1));
                    }
                    Key::PageDown => self.dialog = again(top.saturating_add(10)),
                    Key::PageUp => self.dialog = again(top.saturating_sub(10)),
                    // A call that rings can be answered from everywhere.
                    key => {
                        if let Some(action @ (Action::Answer | Action::AnswerDigit(_))) =
                            self.keys.action(key)
                        {
                            return self.act(action);
                        }
                    }
                }
                Vec::new()
            }
            Dialog::Confirm(question) => match key {
                Key::Enter | Key::Char('y' | 'Y') => self.confirmed(&question),
                Key::Esc | Key::Char('n' | 'N' | 'q') => Vec::new(),
                _ => {
                    self.dialog = Some(Dialog::Confirm(question));
                    Vec::new()
                }
            },
            Dialog::Choose(call, seen, options) => match key {
                Key::Esc => Vec::new(),
                Key::Enter => self.chosen(call, seen, &options, 0),
                Key::Char(c) if c.is_ascii_digit() && c != '0' => {
                    self.chosen(call, seen, &options, c as usize - '1' as usize)
                }
                _ => {
                    self.dialog = Some(Dialog::Choose(call, seen, options));
                    Vec::new()
                }
            },
        }
    }

    fn chosen(
        &mut self,
        call: CallId,
        seen: Rev,
        options: &[(Intent, Sentence)],
        n: usize,
    ) -> Vec<Cmd> {
        if let Some((intent, sentence)) = options.get(n) {
            return self.order(call, intent.clone(), sentence.as_str(), seen);
        }
        self.dialog = Some(Dialog::Choose(call, seen, options.to_vec()));
        Vec::new()
    }

    pub(super) fn click_line(&mut self, n: usize, double: bool) -> Vec<Cmd> {
        // What is pointed at a second time is meant.
        let again = match &mut self.dialog {
            Some(Dialog::Find(find)) => Some(find.typed.point(n)),
            Some(Dialog::Palette(palette)) => Some(palette.typed.point(n)),
            _ => None,
        };
        match again {
            Some(again) if again || double => return self.key_in_dialog(Key::Enter),
            Some(_) => return Vec::new(),
            None => {}
        }
        match self.dialog.take() {
            Some(Dialog::Park(call, seen)) => self.park_in(call, seen, n),
            Some(Dialog::Choose(call, seen, options)) => self.chosen(call, seen, &options, n),
            other => {
                self.dialog = other;
                Vec::new()
            }
        }
    }

    fn confirmed(&mut self, question: &Question) -> Vec<Cmd> {
        match question {
            Question::Quit => vec![Cmd::Quit],
            &Question::HangUp(call, seen) => {
                let who = self
                    .board
                    .calls
                    .get(&call)
                    .map(|c| c.title().to_owned())
                    .unwrap_or_default();
                self.order(call, Intent::Hangup, &format!("hang up on {who}"), seen)
            }
        }
    }
}
