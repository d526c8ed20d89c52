//! Typing a name, an extension or a number: to find somebody, to send a call on, to dial.
//!
//! An empty field never swallows Enter for a call that waits: it answers it, unless a call is just being sent
//! on: to take another one then is no slip that anybody wants. So nothing is picked until something was typed
//! or an arrow was used.

use cordboard_core::{
    board::{Drop, DropTarget},
    ids::{CallId, Emergency, Phone, Rev, SafeText, UserId},
};

use super::{Area, Cmd, Dialog, Model, Mood, Sentence, Typed, spelled};
use crate::keymap::{Action, Key};

/// What a name is typed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To find a person; with a call in hand, to send it to them.
    Search(Option<(CallId, Rev)>),
    /// To send that call on.
    Transfer(CallId, Rev),
    /// To call a number. Not a colleague, nor a number without its country code: the server makes no such calls.
    Dial,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// One of us.
    Person(UserId),
    /// A telephone number.
    Number(Phone),
    /// Help.
    Emergency(Emergency),
}

/// A window in which a name is typed.
#[derive(Debug, Clone, PartialEq)]
pub struct Find {
    /// What for.
    pub purpose: Purpose,
    /// What was typed, and who fits.
    pub typed: Typed<Found>,
}

impl Find {
    /// One in which nothing is typed yet.
    pub(super) fn new(purpose: Purpose) -> Self {
        let typed = Typed::default();
        Self { purpose, typed }
    }

    /// The call that would be sent.
    pub fn hand(&self) -> Option<(CallId, Rev)> {
        match self.purpose {
            Purpose::Search(hand) => hand,
            Purpose::Transfer(call, seen) => Some((call, seen)),
            Purpose::Dial => None,
        }
    }
}

/// How many lines are listed. Whoever is not among them needs one more letter.
const LISTED: usize = 50;

impl Model {
    pub(super) fn key_in_find(&mut self, mut find: Find, key: Key) -> Vec<Cmd> {
        match key {
            Key::Esc => return Vec::new(),
            Key::Enter => return self.enter_in_find(find),
            Key::Tab => {
                // To the tile, whatever is in hand.
                if let Some(Found::Person(user)) = find.typed.chosen() {
                    self.show_person(*user);
                    return Vec::new();
                }
            }
            key => {
                if !find.typed.moved(key) && find.typed.text.edit(key) {
                    self.dialog = Some(Dialog::Find(find));
                    self.search();
                    return Vec::new();
                }
            }
        }
        self.dialog = Some(Dialog::Find(find));
        Vec::new()
    }

    fn show_person(&mut self, user: UserId) {
        self.make_visible(user);
        (self.cursor.area, self.cursor.person) = (Area::People, Some(user));
        self.keep_cursor_in_sight();
        self.dirty = true;
    }

    fn enter_in_find(&mut self, find: Find) -> Vec<Cmd> {
        let Some(found) = find.typed.chosen().cloned() else {
            if self.enter_answers(&find) {
                return self.act(Action::Answer);
            }
            self.dialog = Some(Dialog::Find(find));
            return Vec::new();
        };
        match (find.hand(), target_of(&found)) {
            (Some((call, seen)), Some(target)) => {
                let Some(me) = self.actor() else {
                    return Vec::new();
                };
                match self.board.drop_on(me, call, &target) {
                    Drop::Do(intent, sentence) => self.order(call, intent, &sentence, seen),
                    Drop::Choose(options) => {
                        let options = spelled(options);
                        self.dialog = Some(Dialog::Choose(call, seen, options));
                        Vec::new()
                    }
                    Drop::No(no) => {
                        self.say(Mood::Bad, &no.why);
                        self.dialog = Some(Dialog::Find(find));
                        Vec::new()
                    }
                }
            }
            (None, _) if find.purpose == Purpose::Dial => {
                let to = match &found {
                    Found::Person(_) => return Vec::new(),
                    Found::Number(number) => SafeText::from(number.as_str()),
                    Found::Emergency(number) => SafeText::from(number.as_str()),
                };
                let sentence = self.find_sentence(&find, &found).to_string();
                self.dial(&to, &sentence)
            }
            _ => {
                if let Found::Person(user) = found {
                    self.show_person(user);
                }
                Vec::new()
            }
        }
    }

    /// Whether Enter, with nothing typed and nothing picked, answers the call that waits.
    pub fn enter_answers(&self, find: &Find) -> bool {
        find.typed.picked.is_none()
            && find.typed.text.is_empty()
            && !matches!(find.purpose, Purpose::Transfer(..))
            && !self.waiting().is_empty()
    }

    /// What Enter would do with that line of the list.
    pub fn find_sentence(&self, find: &Find, found: &Found) -> Sentence {
        if let (Some((call, _)), Some(target)) = (find.hand(), target_of(found)) {
            return self
                .preview_of(call, &target)
                .map(|p| p.sentence)
                .unwrap_or_default();
        }
        let who = match found {
            Found::Person(user) => self.name(*user).to_string(),
            Found::Number(number) => number.to_string(),
            Found::Emergency(number) => format!("{number}, the emergency number"),
        };
        Sentence::new(&match find.purpose {
            Purpose::Dial => format!("call {who}"),
            _ => format!("go to {who}"),
        })
    }

    /// Whether Enter would do anything with that line of the list.
    pub fn find_legal(&self, find: &Find, found: &Found) -> bool {
        match (find.hand(), target_of(found)) {
            (Some((call, _)), Some(target)) => {
                self.preview_of(call, &target).is_some_and(|p| p.legal)
            }
            (Some(_), None) => false,
            (None, _) => true,
        }
    }

    /// Looks again for what is typed in the open window.
    pub(super) fn search(&mut self) {
        let Some(Dialog::Find(find)) = &self.dialog else {
            return;
        };
        let (text, purpose) = (find.typed.text.text(), find.purpose);
        let found = self.find(text.trim(), purpose);
        if let Some(Dialog::Find(find)) = &mut self.dialog {
            find.typed.fits(found);
        }
        self.dirty = true;
    }

    fn find(&mut self, text: &str, purpose: Purpose) -> Vec<Found> {
        let mut found = Vec::new();
        if purpose == Purpose::Dial
            && let Some(number) = Emergency::recognise(text)
        {
            found.push(Found::Emergency(number));
        }
        let digits = text.chars().filter(char::is_ascii_digit).count();
        if let Ok(number) = Phone::read(text)
            && digits >= 4
            && !matches!(purpose, Purpose::Search(None))
        {
            found.push(Found::Number(number));
        }
        if purpose == Purpose::Dial {
            return found;
        }
        let ranked = self.rank_people(text);
        let skip = |user: UserId| self.is_me(user) && !matches!(purpose, Purpose::Search(None));
        found.extend(
            ranked
                .into_iter()
                .filter(|u| !skip(*u))
                .take(LISTED)
                .map(Found::Person),
        );
        found
    }

    /// The people who fit `text`, best first; everybody in the order of the board for no text.
    fn rank_people(&mut self, text: &str) -> Vec<UserId> {
        if text.is_empty() {
            return self.everybody.clone();
        }
        let mut score_of = self.seeker.seek(text);
        let mut ranked: Vec<(u32, usize, UserId)> = Vec::new();
        for (i, user) in self.everybody.iter().enumerate() {
            let Some(person) = self.board.people.get(user) else {
                continue;
            };
            let extension = person.extension.as_str();
            let score = if extension.eq_ignore_ascii_case(text) {
                Some(u32::MAX)
            } else if extension.starts_with(text) {
                Some(u32::MAX - 1)
            } else if person.languages.iter().any(|l| speaks(l.as_str(), text)) {
                // Whoever speaks it, before whose name has these letters.
                Some(u32::MAX - 2)
            } else {
                score_of(person.name.as_str())
            };
            if let Some(score) = score {
                ranked.push((score, i, *user));
            }
        }
        ranked.sort_by_key(|(score, i, _)| (std::cmp::Reverse(*score), *i));
        ranked.into_iter().map(|(.., user)| user).collect()
    }

    /// The one person who fits `text` best.
    pub(super) fn best_person(&mut self, text: &str) -> Option<UserId> {
        self.rank_people(text).into_iter().next()
    }
}

/// Whether a language is meant by what was typed: `pt` for `pt-BR` too.
fn speaks(language: &str, text: &str) -> bool {
    let broad = language.split('-').next().unwrap_or(language);
    language.eq_ignore_ascii_case(text) || broad.eq_ignore_ascii_case(text)
}

fn target_of(found: &Found) -> Option<DropTarget> {
    match found {
        Found::Person(user) => Some(DropTarget::Person(*user)),
        Found::Number(number) => Some(DropTarget::Number(number.clone())),
        Found::Emergency(_) => None,
    }
}
