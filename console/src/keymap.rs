//! The one table of what can be done, and the keys that do it.
//!
//! Footer, help, palette and the keys of the board are all read from [`TABLE`], through the [`Keymap`] of whoever has
//! chosen other keys. Keys that move about or write (arrows,
//! digits, letters of a name) and the keys of an open window are with what they work, in [`crate::app`].
//! Whether an action is possible now, and on which call, is decided by [`crate::app`]; which permission it takes
//! stands in the table, so that nobody is shown what they may not do. This module must not know the model, nor the
//! terminal library: keys arrive as [`Key`], translated in [`crate::input`].
//!
//! No binding needs a terminal with an extended keyboard protocol: no key releases, no Ctrl with Shift,
//! nothing that tmux swallows.

use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr};

use cordboard_core::policy::{Permission, Rights};

/// A key, as far as this console tells keys apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// A character as typed; capitals arrive as capitals.
    Char(char),
    /// A letter with Ctrl, in lower case.
    Ctrl(char),
    /// Return.
    Enter,
    /// Escape.
    Esc,
    /// Tab.
    Tab,
    /// Shift and Tab.
    BackTab,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// An arrow.
    Arrow(Dir),
    /// Home.
    Home,
    /// End.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// A function key.
    F(u8),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Char(' ') => f.pad("Space"),
            Self::Char(c) => f.pad(c.encode_utf8(&mut [0; 4])),
            Self::Ctrl(c) => f.pad(&format!("Ctrl-{}", c.to_ascii_uppercase())),
            Self::F(n) => f.pad(&format!("F{n}")),
            Self::BackTab => f.pad("Shift-Tab"),
            Self::Arrow(dir) => write!(f, "{dir:?}"),
            other => write!(f, "{other:?}"),
        }
    }
}

/// Reads a key as it is written, if it is one that can be chosen.
impl FromStr for Key {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut chars = text.chars();
        let key = match (chars.next(), chars.as_str()) {
            (Some(c), "") => Self::Char(c),
            (Some('F'), n) => n.parse().map(Self::F).map_err(|_| NO_CHOICE)?,
            _ => return Err(NO_CHOICE),
        };
        key.can_be_chosen().then_some(key).ok_or(NO_CHOICE)
    }
}

/// Said of a key that cannot be chosen.
const NO_CHOICE: &str =
    "A letter, a sign or a function key can be chosen: no digit, and nothing that moves or edits.";

impl Key {
    /// Whether somebody may choose it for an action. Digits answer calls; everything else moves about, edits text, or
    /// belongs to the terminal.
    pub fn can_be_chosen(self) -> bool {
        match self {
            Self::Char(c) => !c.is_whitespace() && !c.is_control() && !c.is_numeric(),
            Self::F(n) => (1..=12).contains(&n),
            _ => false,
        }
    }
}

/// Where an arrow points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dir {
    /// Left.
    Left,
    /// Right.
    Right,
    /// Up.
    Up,
    /// Down.
    Down,
}

/// Something a person can do at the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Answer the selected waiting call, or the one that waits longest.
    Answer,
    /// Answer the waiting call that carries this digit.
    AnswerDigit(u8),
    /// Do the obvious with what is selected: answer, fetch, resume, send.
    Activate,
    /// Hold, or go on with a held call.
    Hold,
    /// Put into a slot.
    Park,
    /// Send on to somebody.
    Transfer,
    /// Pick up, to be carried by arrows or letters.
    PickUp,
    /// Undo the last transfer or park.
    TakeBack,
    /// Fetch from a slot.
    Retrieve,
    /// Refuse a call that rings for me.
    Decline,
    /// End a call.
    HangUp,
    /// Call a number.
    Dial,
    /// Find a person.
    Search,
    /// Do something by its name.
    Palette,
    /// Copy the caller's number.
    Copy,
    /// Next area.
    NextArea,
    /// Previous area.
    PrevArea,
    /// Show the people of the next group.
    NextGroup,
    /// Back: close, cancel, return to one's own line.
    Back,
    /// Show the help.
    Help,
    /// Show what was said lately.
    Log,
    /// Open the settings.
    Settings,
    /// Pair a phone page with this console, or look at the one that asks.
    Pair,
    /// Turn the microphone of my phone page off, or on again.
    Mute,
    /// Switch mouse capture, so that text can be selected.
    Mouse,
    /// Switch the colours.
    Theme,
    /// Draw everything again.
    Redraw,
    /// Leave to the shell for a moment.
    Suspend,
    /// Leave.
    Quit,
}

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    /// What.
    pub action: Action,
    /// The keys that do it, the one to be shown first.
    pub keys: &'static [Key],
    /// How that key is written.
    pub key: &'static str,
    /// The word on the button.
    pub word: &'static str,
    /// What it does, in a sentence for the help.
    pub help: &'static str,
    /// Where it stands in the help.
    pub group: Group,
    /// What one has to be allowed.
    pub needs: Option<Permission>,
}

impl Row {
    /// Whether somebody with these rights has it at all.
    pub fn open_to(&self, rights: Rights) -> bool {
        self.needs.is_none_or(|p| rights.has(p))
    }

    const fn takes(self, permission: Permission) -> Self {
        Self {
            needs: Some(permission),
            ..self
        }
    }
}

/// The headings of the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Things done to calls.
    Calls,
    /// Getting about.
    Board,
    /// The console itself.
    Console,
}

impl Group {
    /// The heading.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Calls => "Calls",
            Self::Board => "Getting about",
            Self::Console => "This console",
        }
    }
}

const fn row(
    action: Action,
    keys: &'static [Key],
    key: &'static str,
    word: &'static str,
    group: Group,
    help: &'static str,
) -> Row {
    Row {
        action,
        keys,
        key,
        word,
        help,
        group,
        // What is done to calls takes the right to work them.
        needs: match group {
            Group::Calls => Some(Permission::Calls),
            Group::Board | Group::Console => None,
        },
    }
}

/// Every action, in the order in which the footer offers them.
pub const TABLE: &[Row] = &[
    row(
        Action::Answer,
        &[Key::Char('a')],
        "a",
        "answer",
        Group::Calls,
        "Answer the selected call, or one that rings for you, or has waited longest. A call you are on is held.",
    ),
    row(
        Action::AnswerDigit(1),
        &[],
        "1-9",
        "answer that one",
        Group::Calls,
        "Answer the waiting call with that number. A call keeps its number while it waits.",
    ),
    row(
        Action::Activate,
        &[Key::Enter],
        "Enter",
        "act",
        Group::Calls,
        "Do the obvious with what is selected: answer, fetch, resume, carry.",
    ),
    row(
        Action::Decline,
        &[Key::Char('n')],
        "n",
        "not me",
        Group::Calls,
        "Decline a call that rings for you. It goes where it would go if you did not answer.",
    ),
    row(
        Action::TakeBack,
        &[Key::Char('u')],
        "u",
        "take back",
        Group::Calls,
        "Undo your last transfer or park, as long as nobody has taken the call.",
    ),
    row(
        Action::Hold,
        &[Key::Char('h')],
        "h",
        "hold",
        Group::Calls,
        "Hold the call you are on, or go on with a held one.",
    ),
    row(
        Action::Park,
        &[Key::Char('p')],
        "p",
        "park",
        Group::Calls,
        "Put the call into a slot, where anybody can fetch it. Enter takes the first free slot, a digit another.",
    ),
    row(
        Action::Transfer,
        &[Key::Char('t')],
        "t",
        "transfer",
        Group::Calls,
        "Send the call on: type letters of a name, an extension or a number, then Enter.",
    ),
    row(
        Action::PickUp,
        &[Key::Char('m')],
        "m",
        "pick up",
        Group::Calls,
        "Carry the call as the mouse would: arrows or letters choose where, Enter drops it, Esc puts it back.",
    ),
    row(
        Action::Retrieve,
        &[Key::Char('r')],
        "r",
        "fetch",
        Group::Calls,
        "Fetch the call from the selected slot, or the one that has been parked longest.",
    ),
    row(
        Action::Dial,
        &[Key::Char('d')],
        "d",
        "dial",
        Group::Calls,
        "Call a number, written with its country code, or an emergency number.",
    ),
    row(
        Action::HangUp,
        &[Key::Char('x')],
        "x",
        "hang up",
        Group::Calls,
        "End the call on your line, or the one you selected. Asks before it ends any other.",
    ),
    row(
        Action::Search,
        &[Key::Char('/')],
        "/",
        "find",
        Group::Board,
        "Find a person by letters of their name or by extension.",
    ),
    row(
        Action::Palette,
        &[Key::Char(':')],
        ":",
        "command",
        Group::Board,
        "Do anything that can be done here by typing letters of its name, or its key.",
    ),
    row(
        Action::NextArea,
        &[Key::Tab],
        "Tab",
        "next area",
        Group::Board,
        "Go round: waiting, people, parking, you. Arrows move within one.",
    ),
    row(
        Action::PrevArea,
        &[Key::BackTab],
        "Shift-Tab",
        "previous area",
        Group::Board,
        "Go round the other way.",
    ),
    row(
        Action::NextGroup,
        &[Key::Char('g')],
        "g",
        "next group",
        Group::Board,
        "Show the people of one group only: the next one each time, and everybody again.",
    ),
    row(
        Action::Back,
        &[Key::Esc],
        "Esc",
        "back",
        Group::Board,
        "Close what is open, put back what is carried, return to your own line.",
    ),
    row(
        Action::Copy,
        &[Key::Char('y')],
        "y",
        "copy number",
        Group::Board,
        "Copy the caller's number to your terminal's clipboard.",
    )
    .takes(Permission::Board),
    row(
        Action::Pair,
        &[Key::Char('P'), Key::F(4)],
        "P",
        "pair a phone",
        Group::Console,
        "Pair the phone page you talk with, or look at the one that asks to be let in. F4 does it everywhere.",
    )
    .takes(Permission::Calls),
    row(
        Action::Mute,
        &[Key::Char('M')],
        "M",
        "mute",
        Group::Console,
        "Turn the microphone of your phone page off, or on again.",
    )
    .takes(Permission::Calls),
    row(
        Action::Settings,
        &[Key::Char(',')],
        ",",
        "settings",
        Group::Console,
        "Your profile, status, password and sign-ins; and what you may arrange of the house.",
    ),
    row(
        Action::Log,
        &[Key::Char('l')],
        "l",
        "log",
        Group::Console,
        "Read again what was said here lately.",
    ),
    row(
        Action::Theme,
        &[Key::F(3)],
        "F3",
        "colours",
        Group::Console,
        "Change the colours: dark, light, 16 colours, none.",
    ),
    row(
        Action::Mouse,
        &[Key::F(2)],
        "F2",
        "mouse",
        Group::Console,
        "Give the mouse back to the terminal, to select text with it; again to take it.",
    ),
    row(
        Action::Redraw,
        &[Key::Ctrl('l')],
        "Ctrl-L",
        "redraw",
        Group::Console,
        "Draw the whole screen again.",
    ),
    row(
        Action::Suspend,
        &[Key::Ctrl('z')],
        "Ctrl-Z",
        "shell",
        Group::Console,
        "Leave to the shell; fg brings the board back.",
    ),
    row(
        Action::Help,
        &[Key::Char('?'), Key::F(1)],
        "?",
        "help",
        Group::Console,
        "This page.",
    ),
    row(
        Action::Quit,
        &[Key::Char('q'), Key::Ctrl('c')],
        "q",
        "quit",
        Group::Console,
        "Leave the console. Asks first while anybody is on your line or waits for you.",
    ),
];

impl Action {
    /// Whether it is done by its name, and its key can be chosen: not what is a key by its nature.
    pub const fn has_name(self) -> bool {
        !matches!(
            self,
            Self::AnswerDigit(_) | Self::Activate | Self::NextArea | Self::PrevArea | Self::Back
        )
    }
}

/// The keys as somebody has them: those of the table, but for what they have chosen.
///
/// A choice takes the place of the first key of a row, the one that is shown. Others of the row stay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keymap {
    chosen: BTreeMap<Action, Key>,
}

impl Keymap {
    /// What `key` does on the board itself, where no text is being typed.
    pub fn action(&self, key: Key) -> Option<Action> {
        if let Key::Char(digit @ '1'..='9') = key {
            return digit
                .to_digit(10)
                .and_then(|d| u8::try_from(d).ok())
                .map(Action::AnswerDigit);
        }
        self.all_of(key).next()
    }

    /// Every action that `key` stands for: one at most, in a map that holds together.
    fn all_of(&self, key: Key) -> impl Iterator<Item = Action> {
        TABLE
            .iter()
            .filter(move |row| match self.chosen.get(&row.action) {
                Some(chosen) => *chosen == key || row.keys.iter().skip(1).any(|k| *k == key),
                None => row.keys.contains(&key),
            })
            .map(|row| row.action)
    }

    /// These choices, if they hold together.
    pub fn of(chosen: impl IntoIterator<Item = (Action, Key)>) -> Result<Self, String> {
        let keys = Self {
            chosen: chosen.into_iter().collect(),
        };
        for (action, key) in keys.chosen() {
            keys.may(action, key)?;
        }
        Ok(keys)
    }

    /// How the key of an action is written.
    pub fn name(&self, action: Action) -> Cow<'static, str> {
        match self.chosen.get(&action) {
            Some(key) => key.to_string().into(),
            None => row_of(action).key.into(),
        }
    }

    /// What was chosen, and for what.
    pub fn chosen(&self) -> impl Iterator<Item = (Action, Key)> {
        self.chosen.iter().map(|(action, key)| (*action, *key))
    }

    /// Gives an action another key. Refused, in a sentence: a key that does something else, or cannot be chosen.
    pub fn choose(&mut self, action: Action, key: Key) -> Result<(), String> {
        if row_of(action).keys.first() == Some(&key) {
            return self.restore(action);
        }
        self.may(action, key)?;
        self.chosen.insert(action, key);
        Ok(())
    }

    /// Gives an action the key of the table again. Refused where that does something else by now.
    pub fn restore(&mut self, action: Action) -> Result<(), String> {
        if let Some(key) = row_of(action).keys.first() {
            self.free_for(action, *key)?;
        }
        self.chosen.remove(&action);
        Ok(())
    }

    fn may(&self, action: Action, key: Key) -> Result<(), String> {
        let row = row_of(action);
        if !action.has_name() {
            return Err(format!("{} always does “{}”.", row.key, row.word));
        }
        if !key.can_be_chosen() {
            return Err(NO_CHOICE.to_owned());
        }
        self.free_for(action, key)
    }

    fn free_for(&self, action: Action, key: Key) -> Result<(), String> {
        match self.all_of(key).find(|other| *other != action) {
            Some(other) => Err(format!(
                "{key} does “{}” already. Give that another key first.",
                row_of(other).word
            )),
            None => Ok(()),
        }
    }
}

/// The row of an action. Every action has one.
pub fn row_of(action: Action) -> &'static Row {
    let wanted = if let Action::AnswerDigit(_) = action {
        Action::AnswerDigit(1)
    } else {
        action
    };
    TABLE
        .iter()
        .find(|row| row.action == wanted)
        .unwrap_or(&TABLE[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_key_does_two_things_and_every_row_can_be_reached() {
        let mut seen = std::collections::HashSet::new();
        for row in TABLE {
            for key in row.keys {
                assert!(seen.insert(*key), "{key:?} is bound twice");
                assert_eq!(Keymap::default().action(*key), Some(row.action));
            }
            assert_eq!(
                row_of(row.action).word,
                row.word,
                "{:?} has no row of its own",
                row.action
            );
        }
        let keys = Keymap::default();
        assert_eq!(keys.action(Key::Char('7')), Some(Action::AnswerDigit(7)));
        assert_eq!(keys.action(Key::Char('0')), None);
        let words: BTreeSet<_> = TABLE.iter().map(|r| r.word).collect();
        assert_eq!(words.len(), TABLE.len(), "a word stands for one action");
    }

    #[test]
    fn a_chosen_key_takes_the_place_of_the_first_and_of_nothing_else() {
        let mut keys = Keymap::default();
        let refused = keys.choose(Action::Hold, Key::Char('p')).unwrap_err();
        assert!(refused.contains("“park” already"), "{refused}");
        for key in [Key::Char('7'), Key::Enter, Key::Ctrl('c'), Key::Char(' ')] {
            assert!(keys.choose(Action::Hold, key).is_err(), "{key}");
        }
        assert!(keys.choose(Action::Back, Key::Char('b')).is_err());
        assert_eq!(keys, Keymap::default());

        keys.choose(Action::Hold, Key::Char('o')).unwrap();
        assert_eq!(keys.action(Key::Char('o')), Some(Action::Hold));
        assert_eq!(keys.action(Key::Char('h')), None);
        assert_eq!(keys.name(Action::Hold), "o");
        // What was freed can be taken, and then not be taken back.
        keys.choose(Action::Park, Key::Char('h')).unwrap();
        assert_eq!(keys.action(Key::Char('h')), Some(Action::Park));
        assert!(keys.restore(Action::Hold).is_err());
        keys.restore(Action::Park).unwrap();
        keys.choose(Action::Hold, Key::Char('h')).unwrap();
        assert_eq!(keys, Keymap::default());
        // The others of a row stay.
        keys.choose(Action::Help, Key::F(9)).unwrap();
        assert_eq!(keys.action(Key::F(1)), Some(Action::Help));
        assert_eq!(keys.action(Key::Char('?')), None);
    }

    #[test]
    fn a_key_is_read_as_it_is_written() {
        for key in [Key::Char('o'), Key::Char('Ä'), Key::Char('F'), Key::F(12)] {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for text in ["", "7", "F13", "F", "Enter", "ab", " ", "\u{1b}"] {
            assert!(text.parse::<Key>().is_err() || text == "F", "{text}");
        }
    }
}
