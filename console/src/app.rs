//! What the console knows and how it changes: one pure function, [`update`], from a message to commands.
//!
//! Keys, the mouse, the server and the clock all arrive as [`Msg`]; what should happen in the world leaves as
//! [`Cmd`]. Nothing here draws, waits, reads a clock or opens a socket, so a test or a recording replays it
//! exactly.
//!
//! The console never guesses. A command that was sent is a card marked *asked* until the server's delta says
//! what became of it, and while the link is down nothing is sent at all: the last picture stays, dimmed, and
//! says how old it is.
//!
//! Read next: `app/act.rs` (what can be done, and doing it), `app/carry.rs` (picking up and dropping), `app/dialog.rs`
//! (the windows), `app/typed.rs` (a line with a list), `app/find.rs` (typing names), `app/palette.rs` (typing what to
//! do), `app/link.rs` (what the server says), `app/news.rs` (what is told of it), `app/cursor.rs` (where the keyboard is), `app/settings.rs` and
//! `app/pair.rs` (what is asked over HTTP).

use std::collections::{BTreeMap, VecDeque};

use cordboard_core::{
    board::{At, Board, Card, DropTarget},
    ids::{CallId, Emergency, GroupId, Rev, SafeText, SlotId, Timestamp, UserId},
    machine::Intent,
    policy::{Actor, Rights},
    wire::{ClientMsg, EmergencyAddress, Me, PageState, PairingAsk, ServerMsg},
};

use crate::{
    ask::{Answer, Ask, Trouble},
    form,
    keymap::{Action, Key, Keymap},
    number,
    preferences::Preferences,
    settings::{Section, Settings},
    shape::{Counts, Shape},
    theme::Theme,
};

mod act;
mod carry;
mod cursor;
mod dialog;
mod find;
mod link;
mod news;
mod pair;
mod palette;
mod person;
mod settings;
mod typed;

pub use act::Offer;
pub use carry::{Carry, Hand, Preview};
pub use cursor::{Area, Cursor};
pub use dialog::{Dialog, Question};
pub use find::{Find, Found, Purpose};
pub(crate) use link::natural;
pub use link::{Link, LinkNews};
pub use pair::{Code, Muting, UNREADY_MS};
pub use palette::{Choice, Palette};
pub use person::{Look, State};
pub use typed::Typed;

/// A sentence that is safe to show: cleaned word by word, at most [`Sentence::CELLS`] cells.
///
/// [`SafeText`] holds names and is cut at 64 cells; what is said about names is longer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sentence(String);

impl Sentence {
    /// The longest sentence.
    pub const CELLS: usize = 400;

    /// Cleans `text`, whoever wrote it, and writes the telephone numbers in it as people read them.
    pub fn new(text: &str) -> Self {
        let text = number::spaced_in(text);
        let mut out = String::new();
        for word in text.split_whitespace() {
            let word = SafeText::from(word);
            if out.len() + word.as_str().len() > Self::CELLS {
                out.push('…');
                break;
            }
            if !out.is_empty() && !word.is_empty() {
                out.push(' ');
            }
            out.push_str(word.as_str());
        }
        Self(out)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Sentence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

/// Something on the screen that the mouse can mean. The view says where each one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spot {
    /// A call, and what it lies on: a drop here lands on that.
    Call(CallId, Option<DropTarget>),
    /// A place to drop on, or to select.
    Place(DropTarget),
    /// A button.
    Button(Action),
    /// A line of a list in a window.
    Line(usize),
    /// An area that scrolls.
    Area(Area),
    /// Something of a form.
    Form(form::Part),
    /// A section of the settings.
    Section(Section),
    /// A hint that stands for its key.
    Key(Key),
    /// A window: takes clicks and does nothing with them.
    Window,
}

impl Spot {
    /// The call that could be picked up here.
    pub fn call(&self) -> Option<CallId> {
        match self {
            Self::Call(call, _) => Some(*call),
            _ => None,
        }
    }

    /// Whether a click here does something at once.
    pub const fn is_button(&self) -> bool {
        match self {
            Self::Button(_) | Self::Key(_) => true,
            Self::Form(part) => part.is_button(),
            _ => false,
        }
    }

    /// What a drop here lands on.
    pub fn target(&self) -> Option<&DropTarget> {
        match self {
            Self::Call(_, on) => on.as_ref(),
            Self::Place(target) => Some(target),
            _ => None,
        }
    }
}

/// Something that has happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Msg {
    /// The local clock. Comes before every batch of others.
    Time(Timestamp),
    /// The screen has this size now.
    Size(u16, u16),
    /// A key.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The mouse has picked up a call.
    Lift(CallId, (u16, u16)),
    /// The mouse carries a call over something, or over nothing.
    Over(Option<DropTarget>, (u16, u16)),
    /// The mouse has let go of what it carried.
    Release(Option<DropTarget>),
    /// A carry is off: another button, the window lost the focus.
    Cancel,
    /// A click.
    Click(Spot),
    /// Two clicks on the same thing.
    DoubleClick(Spot),
    /// The wheel over something: lines down.
    Wheel(Option<Spot>, i16),
    /// Whether the terminal's window has the focus.
    Focus(bool),
    /// There is no shell to leave to.
    NoShell,
    /// The open help or log is at its end when it begins with this line: further down is nothing.
    LastLine(usize),
    /// News of the connection.
    Link(LinkNews),
    /// The server said something.
    Server(Box<ServerMsg>),
    /// Something has gone wrong on this machine, in a sentence.
    Trouble(String),
    /// What came of the question with that number.
    Answer(u64, Result<Answer, Trouble>),
}

/// Something that should happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Cmd {
    /// Send this to the server.
    Send(ClientMsg),
    /// Ask the server this, under that number.
    Ask(u64, Ask),
    /// Ring the terminal's bell.
    Bell,
    /// Turn mouse capture on or off.
    Mouse(bool),
    /// Put this on the clipboard of the terminal.
    Copy(String),
    /// Draw everything again.
    Redraw,
    /// Stop until the shell brings us back.
    Suspend,
    /// Leave.
    Quit,
    /// Leave the board for the sign-in.
    SignIn,
    /// Keep these colours and keys for the next time.
    Keep(Preferences),
}

/// A command on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The call, unless it is yet to be made.
    pub call: Option<CallId>,
    /// What was asked, in words.
    pub sentence: Sentence,
    /// When, by the local clock.
    pub at: Timestamp,
    /// The call's revision after it, once the server has taken it.
    pub accepted: Option<Rev>,
    /// It is a call for help: whoever hears nothing of it must not wait for this board.
    pub help: Option<Emergency>,
}

/// How something that was said is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// For your information.
    Info,
    /// It has worked.
    Good,
    /// It has not.
    Bad,
    /// Something happened that nobody here asked for: it is told, but takes the place of no answer.
    News,
}

impl Mood {
    /// The sign before a text that is meant so.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Info | Self::News => "· ",
            Self::Good => "✓ ",
            Self::Bad => "! ",
        }
    }
}

/// Something the console has said.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// What.
    pub text: Sentence,
    /// How it is meant.
    pub mood: Mood,
    /// When, by the local clock.
    pub at: Timestamp,
}

/// Everything the console knows.
#[derive(Debug, Clone)]
pub struct Model {
    /// The board, as of the last delta.
    pub board: Board,
    /// Who is signed in.
    pub me: Option<Me>,
    /// Whether a call for help would show an address.
    pub emergency_address: EmergencyAddress,
    /// The phone pages that are paired with this console.
    pub pages: Vec<PageState>,
    /// A page that wants to be.
    pub pairing: Option<PairingAsk>,
    /// The connection.
    pub link: Link,
    /// The local clock.
    pub now: Timestamp,
    /// What the server's clock shows more than ours, in milliseconds.
    pub offset: i64,
    /// The difference between local civil time and UTC, in seconds; for the clock in the header.
    pub utc_offset: i32,
    /// Where the keyboard is.
    pub cursor: Cursor,
    /// What is being carried.
    pub carry: Option<Carry>,
    /// The window over the board.
    pub dialog: Option<Dialog>,
    /// Commands on their way, by id.
    pub asked: BTreeMap<String, Asked>,
    /// What was said, newest last.
    pub notes: VecDeque<Note>,
    /// The numbers that waiting calls carry.
    pub digits: BTreeMap<CallId, u8>,
    /// Everybody, in the order of their extensions.
    pub everybody: Vec<UserId>,
    /// The people that are shown: everybody, or a group.
    pub order: Vec<UserId>,
    /// The group that is shown.
    pub group: Option<GroupId>,
    /// The settings, open or put aside.
    pub settings: Option<Box<Settings>>,
    /// The first line of people that is visible.
    pub first_row: usize,
    /// The first waiting call that is visible.
    pub first_chip: usize,
    /// The first of my own calls that is visible.
    pub first_own: usize,
    /// Where things are.
    pub shape: Shape,
    /// The colours.
    pub theme: Theme,
    /// The keys.
    pub keys: Keymap,
    /// Whether the mouse is ours.
    pub mouse: bool,
    /// Leaving ends the server too, and every call: this is the demo, in one process.
    pub leaving_ends_all: bool,
    /// Whether there is anything new to draw.
    pub dirty: bool,
    /// When the picture stopped being current, by the local clock.
    pub lost: Option<Timestamp>,
    /// Since when the server owes us a picture.
    lagging: Option<Timestamp>,
    /// A snapshot was asked for: nothing else makes this board current.
    resyncing: bool,
    /// The revision the last pulse named that we had not reached.
    behind: Option<Rev>,
    size: (u16, u16),
    /// How many questions were asked.
    questions: u64,
    /// Who waits for what came of them.
    waiters: BTreeMap<u64, settings::Waiter>,
    muting: Option<Muting>,
    seeker: typed::Seeker,
    ids: Ids,
    last_bell: Option<Timestamp>,
}

/// Makes command ids: a prefix drawn at random outside, and a count.
#[derive(Debug, Clone)]
struct Ids {
    prefix: String,
    count: u64,
}

/// How long a note stays.
pub const NOTE_MS: i64 = 6_000;
/// How many notes are kept for the log.
const NOTES: usize = 200;

impl Model {
    /// A console before its first connection. `run` is drawn at random, so that two consoles never send the
    /// same command id.
    pub fn new(now: Timestamp, run: u64, theme: Theme) -> Self {
        Self {
            board: Board::default(),
            me: None,
            emergency_address: EmergencyAddress::default(),
            pages: Vec::new(),
            pairing: None,
            link: Link::Connecting,
            now,
            offset: 0,
            utc_offset: 0,
            cursor: Cursor::default(),
            carry: None,
            dialog: None,
            asked: BTreeMap::new(),
            notes: VecDeque::new(),
            digits: BTreeMap::new(),
            everybody: Vec::new(),
            order: Vec::new(),
            group: None,
            settings: None,
            first_row: 0,
            first_chip: 0,
            first_own: 0,
            shape: Shape::default(),
            theme,
            keys: Keymap::default(),
            mouse: true,
            leaving_ends_all: false,
            dirty: true,
            lost: None,
            lagging: None,
            resyncing: false,
            behind: None,
            size: (0, 0),
            questions: 0,
            waiters: BTreeMap::new(),
            muting: None,
            seeker: typed::Seeker::default(),
            ids: Ids {
                prefix: format!("t{run:016x}"),
                count: 0,
            },
            last_bell: None,
        }
    }

    /// The server's clock, as far as it is known.
    pub fn server_now(&self) -> Timestamp {
        self.now.plus(self.offset)
    }

    /// Whole seconds from `since` (by the server's clock) to now. All of them turn at the same moment, so one
    /// frame a second shows every timer.
    pub fn seconds_since(&self, since: Timestamp) -> i64 {
        (self.shown_now().millis().div_euclid(1000) - since.millis().div_euclid(1000)).max(0)
    }

    /// Whole seconds from now until `deadline`, never negative.
    pub fn seconds_until(&self, deadline: Timestamp) -> i64 {
        (deadline.millis().div_euclid(1000) - self.shown_now().millis().div_euclid(1000)).max(0)
    }

    /// The moment the picture is of: now, or when the link was lost. A stopped picture does not count on.
    pub fn shown_now(&self) -> Timestamp {
        match self.lost {
            Some(lost) if !self.link.is_live() => lost.plus(self.offset),
            _ => self.server_now(),
        }
    }

    /// Who acts.
    pub fn actor(&self) -> Option<Actor> {
        self.me.as_ref().map(|me| Actor {
            user: me.id,
            rights: me.rights,
        })
    }

    /// What whoever is signed in may do.
    pub fn rights(&self) -> Rights {
        self.me.as_ref().map_or(Rights::NONE, |me| me.rights)
    }

    /// The calls that wait and could be answered, at the desk or ringing: those that are for me first (they ring
    /// for me, came back to me, were sent to me), and the longest first among each.
    pub fn waiting(&self) -> Vec<&Card> {
        let mut calls = self.board.waiting();
        if let Some(me) = &self.me {
            let mine = me.id.to_string();
            calls.extend(
                self.board
                    .calls
                    .values()
                    .filter(|c| matches!(&c.place.at, At::Transferring { to, .. } if *to == mine)),
            );
        }
        calls.sort_by_key(|c| (!self.is_mine(c), c.waits_since(), c.id));
        calls
    }

    /// My calls: the one I am on first, then those I hold, then those I am sending on.
    pub fn own(&self) -> Vec<&Card> {
        let Some(me) = self.me.as_ref().map(|m| m.id) else {
            return Vec::new();
        };
        let rank = |card: &Card| match &card.place.at {
            At::Talking { users } if users.contains(&me) => Some(0),
            At::Connecting { user } | At::Dialling { user, .. } if *user == me => Some(0),
            At::Held { user, .. } | At::Holding { user, .. } if *user == me => Some(1),
            At::Transferring { from, .. } if *from == me => Some(2),
            _ => None,
        };
        let mut own: Vec<_> = self
            .board
            .calls
            .values()
            .filter_map(|c| rank(c).map(|r| (r, c)))
            .collect();
        own.sort_by_key(|(r, c)| (*r, c.place.since, c.id));
        own.into_iter().map(|(_, c)| c).collect()
    }

    /// The call I am on, or joining, or making.
    pub fn current(&self) -> Option<&Card> {
        self.own().into_iter().find(|c| {
            matches!(
                c.place.at,
                At::Talking { .. } | At::Connecting { .. } | At::Dialling { .. }
            )
        })
    }

    /// The command on its way for a call, if there is one that the server has not taken, or whose result has
    /// not reached this board.
    pub fn asked_of(&self, call: CallId) -> Option<&Asked> {
        let rev = self.board.calls.get(&call).map_or(0, |c| c.rev);
        self.asked
            .values()
            .find(|a| a.call == Some(call) && a.accepted.is_none_or(|r| r > rev))
    }

    /// What was last said in answer to somebody here, while it is new.
    pub fn note(&self) -> Option<&Note> {
        self.notes
            .iter()
            .rev()
            .take_while(|n| self.now.since(n.at) < NOTE_MS)
            .find(|n| n.mood != Mood::News)
    }

    /// A person's name.
    pub fn name(&self, user: UserId) -> SafeText {
        self.board
            .people
            .get(&user)
            .map_or_else(|| SafeText::from(&*user.to_string()), |p| p.name.clone())
    }

    /// The title of the terminal's window.
    pub fn title(&self) -> String {
        if !self.link.is_live() {
            return "Cordboard: not connected".to_owned();
        }
        let waiting = self.waiting().len();
        match (self.current(), waiting) {
            (Some(card), 0) => format!("{} · Cordboard", card.title()),
            (Some(card), n) => format!("({n}) {} · Cordboard", card.title()),
            (None, 0) => "Cordboard".to_owned(),
            (None, n) => format!("({n}) waiting · Cordboard"),
        }
    }

    /// When the picture changes next by time alone, by the local clock.
    pub fn next_change(&self) -> Timestamp {
        let minute = {
            let local = self.now.millis();
            Timestamp::from_millis((local.div_euclid(60_000) + 1) * 60_000)
        };
        let mut next = minute;
        if self.ticking() {
            let server = self.server_now().millis();
            let turn = (server.div_euclid(1000) + 1) * 1000 - self.offset;
            next = next.min(Timestamp::from_millis(turn));
        }
        if let Some(note) = self.note() {
            next = next.min(note.at.plus(NOTE_MS));
        }
        if let Some(at) = self.pair_change() {
            next = next.min(at);
        }
        next
    }

    /// Whether any shown number counts seconds.
    fn ticking(&self) -> bool {
        !self.link.is_live()
            || !self.board.calls.is_empty()
            || matches!(self.dialog, Some(Dialog::Code(_) | Dialog::Admit(_)))
    }

    /// What of the time is visible: a change of this is worth a frame.
    fn visible_time(&self) -> (i64, Option<i64>, bool) {
        let seconds = self
            .ticking()
            .then(|| self.server_now().millis().div_euclid(1000));
        (
            self.now.millis().div_euclid(60_000),
            seconds,
            self.note().is_some(),
        )
    }

    /// What this person likes, to be kept.
    fn preferences(&self) -> Preferences {
        Preferences {
            theme: Some(self.theme),
            keys: self.keys.clone(),
        }
    }

    /// Says something.
    fn say(&mut self, mood: Mood, text: &str) {
        self.notes.push_back(Note {
            text: Sentence::new(text),
            mood,
            at: self.now,
        });
        while self.notes.len() > NOTES {
            self.notes.pop_front();
        }
        self.dirty = true;
    }
}

/// What there is to choose from, in sentences that are safe to show.
fn spelled(options: Vec<(Intent, String)>) -> Vec<(Intent, Sentence)> {
    let said = |(intent, sentence): (Intent, String)| (intent, Sentence::new(&sentence));
    options.into_iter().map(said).collect()
}

/// Takes one message.
pub fn update(model: &mut Model, msg: Msg) -> Vec<Cmd> {
    match msg {
        Msg::Time(now) => return model.time(now),
        Msg::Size(width, height) => {
            model.size = (width, height);
            model.dirty = true;
            model.cancel_carry(None);
            model.reshape();
        }
        Msg::Key(key) => return model.key(key),
        Msg::Paste(text) => model.paste(&text),
        Msg::Lift(call, at) => model.lift(call, Hand::Mouse, Some(at)),
        Msg::Over(target, at) => model.carry_over(target, at),
        Msg::Release(target) => return model.let_go(target),
        Msg::Cancel => model.cancel_carry(None),
        Msg::Click(spot) => return model.click(&spot, false),
        Msg::DoubleClick(spot) => return model.click(&spot, true),
        Msg::Wheel(spot, lines) => model.wheel(spot.as_ref(), lines),
        Msg::Focus(false) => {
            if model.carry.as_ref().is_some_and(|c| c.hand == Hand::Mouse) {
                model.cancel_carry(None);
            }
        }
        Msg::Focus(true) => {}
        Msg::NoShell => model.say(
            Mood::Bad,
            "There is no shell to leave to: this console was started by itself. q leaves it.",
        ),
        Msg::LastLine(last) => {
            if let Some(Dialog::Help(top) | Dialog::Log(top)) = &mut model.dialog {
                *top = last.min(*top);
            }
        }
        Msg::Link(news) => return model.link_news(news),
        Msg::Server(msg) => return model.hear(*msg),
        Msg::Trouble(why) => model.say(Mood::Bad, &why),
        Msg::Answer(number, answer) => return model.answered(number, answer),
    }
    Vec::new()
}

impl Model {
    fn time(&mut self, now: Timestamp) -> Vec<Cmd> {
        let before = self.visible_time();
        self.now = now;
        self.dirty |= before != self.visible_time();
        self.remind()
    }

    fn reshape(&mut self) {
        let counts = Counts {
            people: self.everybody.len(),
            slots: self.board.slots.len(),
        };
        self.shape = Shape::of(self.size.0, self.size.1, counts);
        self.keep_cursor_in_sight();
        self.dirty = true;
    }

    fn key(&mut self, key: Key) -> Vec<Cmd> {
        self.dirty = true;
        if key == Key::Ctrl('c') {
            return self.act(Action::Quit);
        }
        if let Some(
            action @ (Action::Redraw
            | Action::Suspend
            | Action::Mouse
            | Action::Theme
            | Action::Pair),
        ) = self.keys.action(key)
            && !matches!(key, Key::Char(_))
        {
            return self.act(action);
        }
        if self.dialog.is_some() {
            return self.key_in_dialog(key);
        }
        if self.open_settings().is_some() {
            return self.key_in_settings(key);
        }
        if self.carry.is_some() {
            return self.key_while_carrying(key);
        }
        if let Key::Arrow(dir) = key {
            self.move_cursor(dir);
            return Vec::new();
        }
        match key {
            Key::Home => self.jump(isize::MIN),
            Key::End => self.jump(isize::MAX),
            Key::PageUp => self.page(-1),
            Key::PageDown => self.page(1),
            _ => {
                if let Some(action) = self.keys.action(key) {
                    return self.act(action);
                }
            }
        }
        Vec::new()
    }

    /// Pasted text only ever fills a field: it is never a command.
    fn paste(&mut self, text: &str) {
        if let Some(Dialog::Find(find)) = &mut self.dialog {
            find.typed.text.paste(text);
            self.search();
            self.dirty = true;
        } else if let Some(Dialog::Palette(mut palette)) =
            self.dialog.take_if(|d| matches!(d, Dialog::Palette(_)))
        {
            palette.typed.text.paste(text);
            self.look_up(&mut palette);
            self.dialog = Some(Dialog::Palette(palette));
            self.dirty = true;
        } else if self.dialog.is_none() && self.open_settings().is_some() {
            self.paste_in_settings(text);
        }
    }

    fn click(&mut self, spot: &Spot, double: bool) -> Vec<Cmd> {
        self.dirty = true;
        match (spot, &self.dialog) {
            // A hand that clicks twice means it once: the second answer or hang-up would reach another call.
            (Spot::Button(_) | Spot::Key(_), _) if double => return Vec::new(),
            (_, None) if self.open_settings().is_some() => {
                return self.click_in_settings(spot, double);
            }
            (Spot::Key(key), _) => return self.key(*key),
            (Spot::Button(action), _) => return self.press(*action),
            (Spot::Line(n), Some(_)) => return self.click_line(*n, double),
            (Spot::Window, _) => return Vec::new(),
            // A click beside a window closes it.
            (_, Some(_)) => {
                self.dialog = None;
                return Vec::new();
            }
            _ => {}
        }
        if let (Some(carry), Some(target)) = (&self.carry, spot.target()) {
            // For hands that can't drag: click where it should go, and once more to let go.
            if carry.over.as_ref() == Some(target) {
                return self.release(Some(target.clone()));
            }
            self.carry_to(target.clone());
            return Vec::new();
        }
        self.select(spot);
        if double {
            self.act(Action::Activate)
        } else {
            Vec::new()
        }
    }

    /// A button is pressed: in a window its own, on the board as its key would.
    fn press(&mut self, action: Action) -> Vec<Cmd> {
        match (action, &self.dialog) {
            (Action::Activate, Some(_)) => self.key_in_dialog(Key::Enter),
            (Action::Back, Some(_)) => {
                self.dialog = None;
                Vec::new()
            }
            // With a call in hand the buttons of the footer are the keys of the carry.
            (Action::Activate, None) if self.carry.is_some() => self.key_while_carrying(Key::Enter),
            (Action::Back, None) if self.carry.is_some() => self.key_while_carrying(Key::Esc),
            (Action::NextArea, None) if self.carry.is_some() => self.key_while_carrying(Key::Tab),
            (action, Some(_)) => {
                self.dialog = None;
                self.act(action)
            }
            (action, None) => self.act(action),
        }
    }

    /// The slots with nobody in them.
    pub fn free_slots(&self) -> impl Iterator<Item = &SlotId> {
        self.board
            .slots
            .iter()
            .map(|s| &s.id)
            .filter(|id| self.board.in_slot(id).is_none())
    }
}
