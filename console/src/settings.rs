//! The settings: sections, and in each a list or a form. For oneself, and for the house where one may.
//!
//! As pure as the board. Keys, clicks and answers come in; what comes back is [`Wish`]es to [`crate::app`], which
//! numbers the questions and sends them. What the server has answered is kept as it was then ([`data`]), and every
//! change names the revision it was made on: where somebody else was faster, what was typed stays, and it is said.
//! An answer that is not waited for any more is dropped. Nothing is saved by itself.
//!
//! It must not know how it looks, nor decide who may do what: [`section`] asks the rights, and the server asks again.
//!
//! Read next: `settings/section.rs`, `settings/forms.rs`, `settings/reading.rs`,
//! `settings/keys.rs`, `settings/answers.rs`, `app/settings.rs`, `view/settings.rs`.

use std::collections::BTreeMap;

use cordboard_core::{
    board::Board,
    ids::{CodeId, GroupId, Phone, Rev, SessionId, SlotId, Timestamp, UserId},
    wire::Me,
};

use crate::{
    app::{Mood, Sentence},
    ask::Ask,
    field::Field,
    form::{self, Form},
    keymap::{Action, Key, Keymap},
    theme::Theme,
};

mod answers;
pub mod data;
mod forms;
mod keys;
pub mod moments;
mod reading;
pub mod route;
pub mod rows;
pub mod section;

use data::Data;
pub use forms::About;
pub use keys::Hint;
use reading::Sent;
use route::Route;
pub use section::Section;

/// Said where a request would be of no use.
const DOWN: &str = "Not connected: nothing can be saved until the board is live again.";

/// What the settings look at beside themselves.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// Who is signed in.
    pub me: &'a Me,
    /// The board.
    pub board: &'a Board,
    /// The server's clock.
    pub now: Timestamp,
    /// What the civil time here is ahead of UTC, in seconds.
    pub utc_offset: i32,
    /// Whether the server can be asked.
    pub live: bool,
    /// The colours.
    pub theme: Theme,
    /// The keys.
    pub keys: &'a Keymap,
}

/// What is wanted of the board.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    /// Ask the server, and say which number it got: [`Settings::sent`].
    Ask(Ask, Why),
    /// Say something.
    Say(Mood, String),
    /// Put this on the clipboard.
    Copy(String),
    /// Take these colours.
    Theme(Theme),
    /// Give that action this key, or the one that it had at first.
    Key(Action, Option<Key>),
    /// Pair a phone page.
    Pair,
    /// Show the help.
    Help,
    /// Back to the board; what is typed here stays.
    Hide,
    /// Back to the board.
    Close,
}

/// What an answer is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// To be shown.
    Load,
    /// The open form, or way, was sent.
    Save,
    /// Something was done to a line of the list; what is said of it then.
    Act(String),
}

/// What is asked before it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doing {
    /// End that sign-in of mine.
    EndSession(SessionId),
    /// End all but this one.
    EndSessions,
    /// Make a code for another password.
    Reset(UserId),
    /// Take that invitation back.
    Revoke(CodeId),
    /// Remove that group.
    DropGroup(GroupId, Rev),
    /// Remove that slot.
    DropSlot(SlotId, Rev),
    /// Remove that number.
    DropNumber(Phone, Rev),
}

/// What a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Shall that be done? A yes or a no answers it.
    Sure(Doing),
    /// Which key shall do that? The next one that is pressed.
    Press(Action),
}

/// Something that is shown once.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Whose it is.
    pub head: Sentence,
    /// What is typed.
    pub code: String,
    /// The same as a link, if there is one.
    pub link: Option<String>,
    /// What to do with it.
    pub told: Sentence,
    /// Whether it was put on the clipboard.
    pub copied: bool,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret")
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

/// A list, and where the keyboard is in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct List {
    /// The line, of those that are shown.
    pub at: usize,
    /// What is looked for.
    pub find: Field,
    /// Whether it is being typed.
    pub typing: bool,
}

/// What is beside the sections.
#[derive(Debug, Clone, PartialEq)]
pub enum Pane {
    /// What the section is for: it is not open.
    About,
    /// What it shows is on its way.
    Loading,
    /// It could not be had.
    Failed(Sentence),
    /// A list.
    List(List),
    /// A form.
    Form(Box<Form>, About),
    /// The way of a number.
    Route,
    /// A page that is no list: the phone, the colours.
    Page(usize),
}

/// The settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The section.
    pub section: Section,
    /// What is beside them.
    pub pane: Pane,
    /// What the server has answered.
    pub data: Data,
    /// The way that is being changed.
    pub route: Option<Route>,
    /// What is being asked.
    pub question: Option<(Asked, Sentence)>,
    /// What is shown once.
    pub secret: Option<Secret>,
    /// Whether somebody else was faster: what is typed can only be left, or loaded anew.
    pub conflict: bool,
    /// Whether the board is in front of them.
    pub hidden: bool,
    /// The list to go back to.
    list: List,
    /// What is opened again once it has been loaded anew.
    again: Option<About>,
    out: BTreeMap<u64, Why>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            section: Section::Profile,
            pane: Pane::About,
            data: Data::default(),
            route: None,
            question: None,
            secret: None,
            conflict: false,
            hidden: false,
            list: List::default(),
            again: None,
            out: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// The sections that whoever is signed in has.
    pub fn sections(around: &Around<'_>) -> impl Iterator<Item = Section> {
        let rights = around.me.rights;
        Section::ALL.into_iter().filter(move |s| s.open_to(rights))
    }

    /// Whether the section is open, and the keyboard in it.
    pub const fn inside(&self) -> bool {
        !matches!(self.pane, Pane::About)
    }

    /// Whether an answer is waited for.
    pub fn waits(&self) -> bool {
        !self.out.is_empty()
    }

    /// Whether leaving loses something that was typed.
    pub fn unsaved(&self) -> bool {
        let typed = matches!(&self.pane, Pane::Form(form, _) if form.changed());
        typed || self.route.as_ref().is_some_and(Route::changed)
    }

    /// Whether text is being typed: then no letter is a key.
    pub const fn typing(&self) -> bool {
        match &self.pane {
            Pane::Form(..) => true,
            Pane::List(list) => list.typing,
            _ => false,
        }
    }

    /// A question has left under that number.
    pub fn sent(&mut self, number: u64, why: Why) {
        self.out.insert(number, why);
    }

    /// Opens a section.
    fn enter(&mut self, section: Section, around: &Around<'_>) -> Vec<Wish> {
        self.section = section;
        self.out.clear();
        (self.route, self.question, self.again) = (None, None, None);
        self.conflict = false;
        self.list = List::default();
        if section == Section::People {
            self.data.people.clear();
        }
        self.load(around)
    }

    /// Asks for what the section shows.
    fn load(&mut self, around: &Around<'_>) -> Vec<Wish> {
        if self.section == Section::Keys {
            self.data.actions = rows::actions(around);
        }
        let asks = self.section.asks(around.me.id);
        if !asks.is_empty() && !around.live {
            self.pane = Pane::Failed(Sentence::new("Not connected: this cannot be loaded now."));
            return Vec::new();
        }
        if asks.is_empty() {
            self.show(around);
        } else if !matches!(self.pane, Pane::List(_)) {
            self.pane = Pane::Loading;
        }
        asks.into_iter()
            .map(|ask| Wish::Ask(ask, Why::Load))
            .collect()
    }

    /// Shows what has come.
    fn show(&mut self, around: &Around<'_>) {
        if let Some(about) = self.again.take() {
            self.open(about, around);
            return;
        }
        let about = match self.section {
            Section::Profile => About::Profile,
            Section::Status => About::Status,
            Section::Password => About::Password,
            Section::Desk => About::Desk,
            Section::Phone => {
                self.pane = Pane::Page(0);
                return;
            }
            Section::Theme => {
                let at = Theme::ALL.iter().position(|t| *t == around.theme);
                self.pane = Pane::Page(at.unwrap_or(0));
                return;
            }
            _ => {
                let list = match &self.pane {
                    Pane::List(list) => list.clone(),
                    _ => std::mem::take(&mut self.list),
                };
                let last = rows::shown(self.section, &self.data, &list)
                    .len()
                    .saturating_sub(1);
                let at = list.at.min(last);
                self.pane = Pane::List(List { at, ..list });
                return;
            }
        };
        self.open(about, around);
    }

    /// Opens a form, or says that what it is about is not there any more.
    fn open(&mut self, about: About, around: &Around<'_>) {
        if let Pane::List(list) = &self.pane {
            self.list = list.clone();
        }
        self.conflict = false;
        let form = forms::open(&about, &self.data, around, self.route.as_ref());
        self.pane = form.map_or_else(
            || Pane::Failed(Sentence::new("It is not there any more.")),
            |form| Pane::Form(Box::new(form), about),
        );
    }

    /// Out of a form, or a way, to where it was opened.
    fn back(&mut self) {
        self.out.clear();
        self.conflict = false;
        match (&self.pane, self.section) {
            (
                Pane::Form(_, About::PeopleStop(_) | About::GroupStop(_) | About::QueueStop(_)),
                _,
            ) => {
                self.pane = Pane::Route;
            }
            (
                Pane::Form(_, About::Profile | About::Status | About::Password | About::Desk)
                | Pane::List(_)
                | Pane::Page(_)
                | Pane::Failed(_)
                | Pane::Loading
                | Pane::About,
                _,
            ) => self.pane = Pane::About,
            _ => {
                self.route = None;
                self.pane = Pane::List(std::mem::take(&mut self.list));
            }
        }
    }

    /// Out of what was being changed, without saving. Where somebody else was faster, the list shows what they made.
    fn leave(&mut self, around: &Around<'_>) -> Vec<Wish> {
        let stale = self.conflict;
        self.back();
        if stale && self.inside() && around.live {
            self.load(around)
        } else {
            Vec::new()
        }
    }

    /// Asks anew for what the open form is about, and opens it again.
    fn reload(&mut self, around: &Around<'_>) -> Vec<Wish> {
        let about = match &self.pane {
            Pane::Form(_, about) => Some(about.clone()),
            _ => None,
        };
        self.out.clear();
        if !around.live {
            self.tell(Mood::Bad, "Not connected: this cannot be loaded now.");
            return Vec::new();
        }
        match about {
            Some(About::Person(user)) => {
                self.again = Some(About::Person(user));
                self.pane = Pane::Loading;
                vec![Wish::Ask(Ask::Person(user), Why::Load)]
            }
            Some(about) => {
                self.again = Some(about);
                self.pane = Pane::Loading;
                self.load(around)
            }
            None if matches!(self.pane, Pane::Route) => {
                self.route = None;
                self.pane = Pane::List(std::mem::take(&mut self.list));
                self.load(around)
            }
            None => self.load(around),
        }
    }

    /// Says something where whoever types looks.
    fn tell(&mut self, mood: Mood, text: &str) {
        match (&mut self.pane, &mut self.route) {
            (Pane::Form(form, _), _) => form.say(mood, text),
            (Pane::Route, Some(route)) => route.notice = Some((mood, Sentence::new(text))),
            _ => {}
        }
    }

    /// The form is sent.
    fn submit(&mut self, around: &Around<'_>) -> Vec<Wish> {
        let Pane::Form(form, about) = &mut self.pane else {
            return Vec::new();
        };
        let sent = match reading::read(form, about, &self.data, around) {
            Ok(sent) => sent,
            Err(errors) => {
                form.fail(errors);
                return Vec::new();
            }
        };
        match sent {
            Sent::Ask(_) if !around.live => {
                form.refuse(DOWN);
                Vec::new()
            }
            Sent::Ask(ask) => {
                form.busy(true);
                vec![Wish::Ask(ask, Why::Save)]
            }
            Sent::Same => {
                form.say(
                    Mood::Info,
                    "Nothing was changed, so there is nothing to save.",
                );
                Vec::new()
            }
            Sent::Read => {
                self.back();
                Vec::new()
            }
            Sent::Stop(stop, n) => {
                if let Some(route) = &mut self.route {
                    route.put(stop, n);
                }
                self.pane = Pane::Route;
                Vec::new()
            }
            Sent::Number(number, queue) => {
                let stops = vec![cordboard_core::api::RouteStop::Queue { queue }];
                self.route = Some(Route::new(number, 0, stops));
                self.pane = Pane::Route;
                Vec::new()
            }
        }
    }

    /// The way is sent.
    fn save_route(&mut self, around: &Around<'_>) -> Vec<Wish> {
        let Some(route) = self.route.as_mut().filter(|r| !r.busy) else {
            return Vec::new();
        };
        if !around.live {
            route.notice = Some((Mood::Bad, Sentence::new(DOWN)));
            return Vec::new();
        }
        (route.busy, route.notice) = (true, None);
        vec![Wish::Ask(
            Ask::PutNumber(route.number.clone(), route.edit()),
            Why::Save,
        )]
    }

    /// What was asked about is to be done.
    fn go_ahead(doing: Doing, around: &Around<'_>) -> Vec<Wish> {
        if !around.live {
            return vec![Wish::Say(Mood::Bad, DOWN.to_owned())];
        }
        let (ask, said) = match doing {
            Doing::EndSession(session) => (
                Ask::EndSession(around.me.id, session),
                "That sign-in has ended.",
            ),
            Doing::EndSessions => (
                Ask::EndSessions(around.me.id),
                "All your other sign-ins have ended.",
            ),
            Doing::Reset(user) => (Ask::ResetCode(user), ""),
            Doing::Revoke(code) => (Ask::Revoke(code), "The invitation is taken back."),
            Doing::DropGroup(group, rev) => (Ask::DropGroup(group, rev), "The group is removed."),
            Doing::DropSlot(slot, rev) => (Ask::DropSlot(slot, rev), "The slot is removed."),
            Doing::DropNumber(number, rev) => {
                (Ask::DropNumber(number, rev), "The number is removed.")
            }
        };
        vec![Wish::Ask(ask, Why::Act(said.to_owned()))]
    }

    /// Takes a click on something of the form.
    pub fn click_form(&mut self, part: form::Part, double: bool, around: &Around<'_>) -> Vec<Wish> {
        let Pane::Form(form, _) = &mut self.pane else {
            return Vec::new();
        };
        let wish = form.click(part, double);
        self.grant(wish, around)
    }

    /// Takes a click on a section.
    pub fn click_section(&mut self, section: Section, around: &Around<'_>) -> Vec<Wish> {
        if self.secret.is_some() || self.question.is_some() || !section.open_to(around.me.rights) {
            return Vec::new();
        }
        if self.unsaved() {
            return self.ask_to_leave();
        }
        if matches!(&self.pane, Pane::Form(form, _) if form.is_busy()) {
            return Vec::new();
        }
        self.pane = Pane::About;
        self.enter(section, around)
    }

    /// Something typed would be lost: it is asked about first.
    fn ask_to_leave(&mut self) -> Vec<Wish> {
        match (&mut self.pane, &mut self.route) {
            (Pane::Form(form, _), _) if !form.is_busy() && form.asked().is_none() => {
                form.key(Key::Esc);
            }
            (_, Some(route)) => route.asking = true,
            _ => {}
        }
        Vec::new()
    }

    /// Takes pasted text: it fills what is being typed.
    pub fn paste(&mut self, text: &str) {
        if self.secret.is_some() || self.question.is_some() {
            return;
        }
        match &mut self.pane {
            Pane::Form(form, _) => form.paste(text),
            Pane::List(list) if list.typing => {
                list.find.paste(text);
                list.at = 0;
            }
            _ => {}
        }
    }

    /// Takes the wheel.
    pub fn wheel(&mut self, lines: i16, around: &Around<'_>) {
        match &mut self.pane {
            Pane::Form(form, _) => form.wheel(lines),
            Pane::List(_) | Pane::Page(_) | Pane::Route => self.step(isize::from(lines), around),
            _ => {}
        }
    }

    /// Follows what a form wants.
    fn grant(&mut self, wish: form::Wish, around: &Around<'_>) -> Vec<Wish> {
        match wish {
            form::Wish::None => Vec::new(),
            form::Wish::Submit => self.submit(around),
            form::Wish::Forget => {
                self.out.clear();
                Vec::new()
            }
            form::Wish::Leave => self.leave(around),
        }
    }
}
