//! A form: fields to be filled in, what is wrong with them, and leaving without losing what was typed.
//!
//! It is as pure as the board: keys, pasted text and clicks come in, and what comes back is a [`Wish`] to whoever
//! shows it. It does not know what it is for: whoever has made it reads its fields by their keys, sends what they
//! hold, and tells it what came of that ([`Form::busy`], [`Form::fail`], [`Form::refuse`]). It must not check what a
//! field holds: both sides of the API share that in [`cordboard_core::api`].
//!
//! While a request is out nothing can be changed, so that what was sent is what stands there; Esc stops waiting.
//!
//! Read next: [`crate::field`], `form/fields.rs` (what there is to fill in), `view/form.rs`.

use cordboard_core::api::FieldError;

use crate::{
    app::{Mood, Sentence},
    field::Field,
    keymap::{Dir, Key},
};

mod fields;

pub use fields::{Entry, Kind, Pick};

/// The longest name, address or number that is taken; what is too long by the rules is said by whoever checks it.
pub const TEXT_MOST: usize = 254;
/// The longest secret: a password of 512 bytes has no more characters.
pub const SECRET_MOST: usize = 512;

/// Something of a form that can be clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// That field.
    Field(usize),
    /// In that field, that option; a toggle has one.
    Option(usize, usize),
    /// The button that sends it.
    Submit,
    /// The button that leaves it, or stops waiting.
    Leave,
    /// Yes to the question.
    Yes,
    /// No to the question.
    No,
}

impl Part {
    /// Whether it is one of the buttons.
    pub const fn is_button(self) -> bool {
        !matches!(self, Self::Field(_) | Self::Option(..))
    }
}

/// What a form wants of whoever shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Nothing: at most it looks different now.
    None,
    /// What it holds is to be sent. Say [`Form::busy`] once it is on its way.
    Submit,
    /// The answer that is waited for is of no interest any more. It may have been carried out all the same.
    Forget,
    /// It is to be closed. Whether that loses something has been asked.
    Leave,
}

/// Fields to be filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    entries: Vec<Entry>,
    focus: usize,
    word: Sentence,
    back: Sentence,
    question: Sentence,
    asking: bool,
    busy: bool,
    wait: u32,
    notice: Option<(Mood, Sentence)>,
}

impl Form {
    /// An empty form. `word` is what sending it is called on the button, such as `Save`.
    pub fn new(word: &str) -> Self {
        Self {
            entries: Vec::new(),
            focus: 0,
            word: Sentence::new(word),
            back: Sentence::new("Back"),
            question: Sentence::new("Leave without saving?"),
            asking: false,
            busy: false,
            wait: 0,
            notice: None,
        }
    }

    /// What the other button is called; without it, `Back`.
    #[must_use]
    pub fn back(mut self, word: &str) -> Self {
        self.back = Sentence::new(word);
        self
    }

    /// What is asked before typed text is lost; without it, `Leave without saving?`
    #[must_use]
    pub fn asking(mut self, question: &str) -> Self {
        self.question = Sentence::new(question);
        self
    }

    fn with(mut self, key: &str, label: &str, kind: Kind) -> Self {
        self.entries.push(Entry::new(key, label, kind));
        // The first that can be filled in has the focus.
        if !self.focused().is_some_and(Entry::editable) {
            self.focus = self.entries.len() - 1;
        }
        self
    }

    /// With a line of text, empty so far.
    #[must_use]
    pub fn text(self, key: &str, label: &str) -> Self {
        self.with(key, label, Kind::Text(Field::new(TEXT_MOST)))
    }

    /// With a secret: shown as dots.
    #[must_use]
    pub fn secret(self, key: &str, label: &str) -> Self {
        self.with(key, label, Kind::Secret(Field::secret(SECRET_MOST)))
    }

    /// With one of these, to begin with the one of that key, or the first.
    #[must_use]
    pub fn choice(self, key: &str, label: &str, options: Vec<Pick>, chosen: &str) -> Self {
        let at = options.iter().position(|o| o.key == chosen).unwrap_or(0);
        self.with(key, label, Kind::Choice { options, at })
    }

    /// With a yes or no.
    #[must_use]
    pub fn toggle(self, key: &str, label: &str, on: bool) -> Self {
        self.with(key, label, Kind::Toggle(on))
    }

    /// With any of these, to begin with those of these keys.
    #[must_use]
    pub fn many(self, key: &str, label: &str, options: Vec<Pick>, chosen: &[&str]) -> Self {
        let on = options.iter().map(|o| chosen.contains(&&*o.key)).collect();
        self.with(key, label, Kind::Many { options, on, at: 0 })
    }

    /// With a line to be read.
    #[must_use]
    pub fn info(self, label: &str, text: &str) -> Self {
        self.with("", label, Kind::Info(Sentence::new(text)))
    }

    /// What the last field is about, in a few words.
    #[must_use]
    pub fn hint(mut self, hint: &str) -> Self {
        if let Some(entry) = self.entries.last_mut() {
            entry.hint = Sentence::new(hint);
        }
        self
    }

    /// With this in the last field, if it is one of text.
    #[must_use]
    pub fn filled(mut self, text: &str) -> Self {
        if let Some(entry) = self.entries.last_mut() {
            entry.set(text);
            entry.keep();
        }
        self
    }

    /// The fields.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        let entry = self.entries.iter().find(|e| e.key == key);
        debug_assert!(entry.is_some(), "the form has no field {key}");
        entry
    }

    /// Which field has the focus.
    pub const fn focus(&self) -> usize {
        self.focus
    }

    /// The field that has it.
    pub fn focused(&self) -> Option<&Entry> {
        self.entries.get(self.focus)
    }

    /// Gives it to the field of that key.
    pub fn focus_on(&mut self, key: &str) {
        if let Some(n) = self.entries.iter().position(|e| e.key == key) {
            self.focus = n;
        }
    }

    /// What is in a line of text or a secret, as it was typed.
    pub fn value(&self, key: &str) -> &str {
        self.entry(key).map_or("", Entry::text)
    }

    /// The key of what was chosen.
    pub fn chosen(&self, key: &str) -> &str {
        match self.entry(key).map(|e| &e.kind) {
            Some(Kind::Choice { options, at }) => options.get(*at).map_or("", |o| &*o.key),
            _ => "",
        }
    }

    /// Whether it says yes.
    pub fn is_on(&self, key: &str) -> bool {
        matches!(self.entry(key).map(|e| &e.kind), Some(Kind::Toggle(true)))
    }

    /// The keys of those that were chosen, in the order of the list.
    pub fn picked(&self, key: &str) -> Vec<String> {
        match self.entry(key).map(|e| &e.kind) {
            Some(Kind::Many { options, on, .. }) => options
                .iter()
                .zip(on)
                .filter(|(_, on)| **on)
                .map(|(o, _)| o.key.clone())
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Puts text into the field of that key, as if it had been typed.
    pub fn fill(&mut self, key: &str, text: &str) {
        if let Some(entry) = self.entries.iter_mut().find(|e| e.key == key) {
            entry.set(text);
        }
    }

    /// Whether anything is in it that leaving would lose.
    pub fn changed(&self) -> bool {
        self.entries.iter().any(Entry::changed)
    }

    /// What it holds is kept elsewhere now: leaving loses nothing.
    pub fn keep(&mut self) {
        self.entries.iter_mut().for_each(Entry::keep);
    }

    /// A request is out, or is no more.
    pub const fn busy(&mut self, on: bool) {
        self.busy = on;
    }

    /// Whether one is.
    pub const fn is_busy(&self) -> bool {
        self.busy
    }

    /// Nothing may be sent for so many seconds; 0: now it may. It does not count by itself.
    pub fn wait(&mut self, seconds: u32) {
        if seconds == 0 && self.wait > 0 {
            self.notice = None;
        }
        self.wait = seconds;
    }

    /// For how many seconds nothing may be sent.
    pub const fn waits(&self) -> u32 {
        self.wait
    }

    /// Fields are wrong. An error is for the field it names, `person.email` also for `email`; those that are for
    /// none are said below. The first wrong field has the focus.
    pub fn fail(&mut self, errors: Vec<FieldError>) {
        self.busy = false;
        self.clear_errors();
        let mut nowhere = Vec::new();
        for FieldError { field, why } in errors {
            match self.place_of(&field) {
                Some(n) => {
                    let entry = &mut self.entries[n];
                    let said = entry.error.take();
                    let said = said.map_or_else(String::new, |before| format!("{before} "));
                    entry.error = Some(Sentence::new(&format!("{said}{why}")));
                }
                None => nowhere.push(why),
            }
        }
        if let Some(first) = self.entries.iter().position(|e| e.error.is_some()) {
            self.focus = first;
        }
        if !nowhere.is_empty() {
            self.refuse(&nowhere.join(" "));
        }
    }

    /// The field an error is for: as it is called, or by one of the names between the dots, the last first.
    fn place_of(&self, field: &str) -> Option<usize> {
        let called = |name: &str| {
            let editable = |e: &Entry| e.editable() && e.key == name;
            self.entries.iter().position(editable)
        };
        called(field).or_else(|| field.rsplit(['.', '[', ']']).find_map(called))
    }

    /// It was refused, for no field's sake.
    pub fn refuse(&mut self, why: &str) {
        self.busy = false;
        self.notice = Some((Mood::Bad, Sentence::new(why)));
    }

    /// Says something below the fields, until something is changed.
    pub fn say(&mut self, mood: Mood, text: &str) {
        self.notice = Some((mood, Sentence::new(text)));
    }

    /// What is said below the fields.
    pub const fn notice(&self) -> Option<&(Mood, Sentence)> {
        self.notice.as_ref()
    }

    /// The question, if it is being asked.
    pub fn asked(&self) -> Option<&Sentence> {
        self.asking.then_some(&self.question)
    }

    /// The words on its two buttons.
    pub const fn words(&self) -> (&Sentence, &Sentence) {
        (&self.word, &self.back)
    }

    fn clear_errors(&mut self) {
        self.notice = None;
        for entry in &mut self.entries {
            entry.error = None;
        }
    }

    /// Takes a key.
    pub fn key(&mut self, key: Key) -> Wish {
        if self.asking {
            match key {
                Key::Char('y' | 'Y') => return Wish::Leave,
                Key::Char('n' | 'N') | Key::Esc => self.asking = false,
                _ => {}
            }
            return Wish::None;
        }
        if self.busy {
            return if key == Key::Esc {
                self.forget()
            } else {
                Wish::None
            };
        }
        match key {
            Key::Esc => return self.leave(),
            Key::Ctrl('s') => return self.submit(),
            Key::Enter if self.next(self.focus).is_none() => return self.submit(),
            Key::Enter => self.step(1),
            Key::Tab => self.round(true),
            Key::BackTab => self.round(false),
            Key::Arrow(Dir::Down) => self.down(),
            Key::Arrow(Dir::Up) => self.up(),
            key => self.change(|entry| entry.edit(key)),
        }
        Wish::None
    }

    /// Takes pasted text: it fills the field it is pasted into, and does nothing else.
    pub fn paste(&mut self, text: &str) {
        if !self.busy && !self.asking {
            self.change(|entry| entry.paste(text));
        }
    }

    /// Takes a click, or the second of two: a hand that clicks a button twice means it once.
    pub fn click(&mut self, part: Part, double: bool) -> Wish {
        match part {
            _ if double && part.is_button() => {}
            Part::Yes if self.asking => return Wish::Leave,
            Part::No if self.asking => self.asking = false,
            Part::Leave if self.busy => return self.forget(),
            _ if self.asking || self.busy => {}
            Part::Submit => return self.submit(),
            Part::Leave => return self.leave(),
            Part::Field(n) => self.go_to(n),
            Part::Option(n, option) => {
                self.go_to(n);
                if self.focus == n {
                    self.change(|entry| entry.pick(option));
                }
            }
            Part::Yes | Part::No => {}
        }
        Wish::None
    }

    /// Takes the wheel: the focus goes that many lines down.
    pub fn wheel(&mut self, lines: i16) {
        if self.busy || self.asking {
            return;
        }
        for _ in 0..lines.unsigned_abs().min(16) {
            if lines > 0 {
                self.down();
            } else {
                self.up();
            }
        }
    }

    fn submit(&mut self) -> Wish {
        if self.busy || self.wait > 0 {
            return Wish::None;
        }
        self.clear_errors();
        Wish::Submit
    }

    fn leave(&mut self) -> Wish {
        if self.changed() {
            self.asking = true;
            return Wish::None;
        }
        Wish::Leave
    }

    fn forget(&mut self) -> Wish {
        self.busy = false;
        let said = "You did not wait for the answer. The server may have done it all the same.";
        self.say(Mood::Info, said);
        Wish::Forget
    }

    /// Changes the field with the focus. What was wrong with it is not known of what it holds now.
    fn change(&mut self, edit: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.entries.get_mut(self.focus).filter(|e| e.editable()) else {
            return;
        };
        let before = entry.clone();
        edit(entry);
        if entry.holds_other_than(&before) {
            entry.error = None;
            if self.wait == 0 {
                self.notice = None;
            }
        }
    }

    fn go_to(&mut self, n: usize) {
        if self.entries.get(n).is_some_and(Entry::editable) {
            self.focus = n;
        }
    }

    /// The next field that can be filled in.
    fn next(&self, after: usize) -> Option<usize> {
        (after + 1..self.entries.len()).find(|n| self.entries[*n].editable())
    }

    /// The one before.
    fn previous(&self, before: usize) -> Option<usize> {
        (0..before.min(self.entries.len())).rfind(|n| self.entries[*n].editable())
    }

    fn step(&mut self, by: isize) {
        let to = if by > 0 {
            self.next(self.focus)
        } else {
            self.previous(self.focus)
        };
        self.focus = to.unwrap_or(self.focus);
    }

    /// To the next one, and from the last to the first.
    fn round(&mut self, on: bool) {
        let to = if on {
            self.next(self.focus)
                .or_else(|| self.entries.iter().position(Entry::editable))
        } else {
            self.previous(self.focus)
                .or_else(|| self.entries.iter().rposition(Entry::editable))
        };
        self.focus = to.unwrap_or(self.focus);
    }

    /// A line down: within a list, or out of it.
    fn down(&mut self) {
        if let Some(Kind::Many { at, options, .. }) = self.kind_mut()
            && *at + 1 < options.len()
        {
            *at += 1;
            return;
        }
        let from = self.focus;
        self.step(1);
        if self.focus != from
            && let Some(Kind::Many { at, .. }) = self.kind_mut()
        {
            *at = 0;
        }
    }

    /// A line up.
    fn up(&mut self) {
        if let Some(Kind::Many { at, .. }) = self.kind_mut()
            && *at > 0
        {
            *at -= 1;
            return;
        }
        let from = self.focus;
        self.step(-1);
        if self.focus != from
            && let Some(Kind::Many { at, options, .. }) = self.kind_mut()
        {
            *at = options.len().saturating_sub(1);
        }
    }

    fn kind_mut(&mut self) -> Option<&mut Kind> {
        self.entries.get_mut(self.focus).map(|e| &mut e.kind)
    }
}
