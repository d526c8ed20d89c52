//! A line of text being typed: the cursor, the editing keys, what may come in, and what of it is shown.
//!
//! It is edited by what people take for one character (a grapheme cluster): the cursor never stands inside an
//! accented letter or a flag, and no key tears one apart. What can't be seen doesn't come in, so that what is read
//! on the screen is what is sent; a secret is taken as it is, since what it looks like is nobody's business. It is
//! bounded. It must not show anything by itself, nor know what it is typed for.
//!
//! A secret is not in its `Debug` output, and its letters are wiped from memory when it goes.
//!
//! Read next: [`crate::form`], `app/find.rs`.

use std::fmt;

use cordboard_core::ids::SafeText;
use secrecy::SecretString;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use crate::keymap::{Dir, Key};

/// What stands for a character of a secret.
const DOT: &str = "•";

/// A line of text being typed.
#[derive(Clone, PartialEq, Eq)]
pub struct Field {
    text: String,
    /// Where the cursor is, in bytes: always between two grapheme clusters.
    at: usize,
    /// How many characters it holds at most.
    longest: usize,
    secret: bool,
}

/// Cleaned text for cells, grapheme by grapheme: what of a [`Field`] is in sight.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cells(String);

impl Cells {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What of a field is in sight, in a room of so many cells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// The text.
    pub text: Cells,
    /// How many cells after its beginning the cursor stands.
    pub cursor: u16,
    /// Whether there is more before it.
    pub before: bool,
    /// Whether there is more after it.
    pub after: bool,
}

impl Default for Field {
    fn default() -> Self {
        Self::new(Self::LONGEST)
    }
}

impl Field {
    /// The longest text, where nothing else was said.
    pub const LONGEST: usize = 64;

    /// An empty field for at most `longest` characters.
    pub const fn new(longest: usize) -> Self {
        Self {
            text: String::new(),
            at: 0,
            longest,
            secret: false,
        }
    }

    /// The same for a secret: shown as dots.
    pub fn secret(longest: usize) -> Self {
        Self {
            // All at once: a text that grows leaves copies of itself behind.
            text: String::with_capacity(longest * 4),
            secret: true,
            ..Self::new(longest)
        }
    }

    /// Whether nothing is in it.
    pub const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// What is in it.
    pub fn text(&self) -> String {
        self.text.clone()
    }

    /// The same, borrowed.
    pub const fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// Puts another text into it, cleaned as if it was pasted; the cursor stands behind it.
    pub fn set(&mut self, text: &str) {
        self.clear();
        self.paste(text);
    }

    /// Empties it.
    pub fn clear(&mut self) {
        if self.secret {
            let longest = self.longest;
            // Dropped with its letters wiped.
            drop(std::mem::replace(self, Self::secret(longest)));
        } else {
            self.text.clear();
            self.at = 0;
        }
    }

    /// Types a character. One that could not be seen is passed over; a blank is a blank, of whatever kind.
    pub fn insert(&mut self, c: char) {
        if c.is_control() || self.text.chars().count() >= self.longest {
            return;
        }
        let c = match c {
            c if self.secret => c,
            c if c.is_whitespace() => ' ',
            c if unseen(c) => return,
            c => c,
        };
        self.text.insert(self.at, c);
        self.at += c.len_utf8();
        self.settle();
    }

    /// Types what was pasted: in one line, without the blanks and the line's end that came along at its ends.
    pub fn paste(&mut self, text: &str) {
        let text = if self.secret {
            text.trim_matches(['\r', '\n'])
        } else {
            text.trim()
        };
        for c in text.chars().take(self.longest) {
            // Two words on two lines are two words. A secret has one line.
            let c = if matches!(c, '\n' | '\t') && !self.secret {
                ' '
            } else {
                c
            };
            self.insert(c);
        }
    }

    /// Takes an editing key; false if it is none.
    pub fn edit(&mut self, key: Key) -> bool {
        match key {
            Key::Char(c) => self.insert(c),
            Key::Backspace => self.cut(self.left(), self.at),
            Key::Delete => self.cut(self.at, self.right()),
            Key::Ctrl('u') => self.cut(0, self.at),
            Key::Ctrl('k') => self.cut(self.at, self.text.len()),
            Key::Ctrl('w') => self.cut(self.word(), self.at),
            Key::Arrow(Dir::Left) => self.at = self.left(),
            Key::Arrow(Dir::Right) => self.at = self.right(),
            Key::Home | Key::Ctrl('a') => self.at = 0,
            Key::End | Key::Ctrl('e') => self.at = self.text.len(),
            _ => return false,
        }
        true
    }

    fn cut(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.at = from;
        self.settle();
    }

    /// The beginning of the cluster before the cursor.
    fn left(&self) -> usize {
        let before = &self.text[..self.at];
        let cluster = before.graphemes(true).next_back();
        self.at - cluster.map_or(0, str::len)
    }

    /// The end of the cluster after the cursor.
    fn right(&self) -> usize {
        let cluster = self.text[self.at..].graphemes(true).next();
        self.at + cluster.map_or(0, str::len)
    }

    /// The beginning of the word before the cursor. A secret has no words: where they end would be telling.
    fn word(&self) -> usize {
        if self.secret {
            return 0;
        }
        let before = self.text[..self.at].trim_end_matches(' ');
        before.rfind(' ').map_or(0, |blank| blank + 1)
    }

    /// Where the cursor has come to stand inside a cluster, because what was typed belongs to its neighbour, it goes
    /// behind it.
    fn settle(&mut self) {
        let ends = self
            .text
            .grapheme_indices(true)
            .map(|(at, cluster)| at + cluster.len());
        let after = ends.into_iter().find(|end| *end >= self.at);
        if self.at > 0 {
            self.at = after.unwrap_or(self.text.len());
        }
    }

    /// What is in sight in a room of that many cells. The cursor always is; behind the text it takes one of them.
    pub fn shown(&self, cells: u16) -> Shown {
        let room = usize::from(cells);
        let clusters: Vec<(usize, String, usize)> = self
            .text
            .grapheme_indices(true)
            .map(|(at, cluster)| {
                let seen = self.seen(cluster);
                let width = seen.width();
                (at, seen, width)
            })
            .collect();
        let cursor = clusters.partition_point(|(at, ..)| *at < self.at);
        let total: usize = clusters.iter().map(|(.., width)| width).sum();
        // As much before the cursor as there is room for, and the cursor itself.
        let mut first = cursor;
        let mut used = clusters
            .get(cursor)
            .map_or(1, |(.., width)| (*width).max(1));
        if total < room {
            first = 0;
        }
        while let Some((.., width)) = first.checked_sub(1).and_then(|n| clusters.get(n)) {
            if used + width > room {
                break;
            }
            used += width;
            first -= 1;
        }
        let mut shown = Shown {
            before: first > 0,
            ..Shown::default()
        };
        let mut width = 0;
        for (n, (_, seen, cells)) in clusters.iter().enumerate().skip(first) {
            if n == cursor {
                shown.cursor = u16::try_from(width).unwrap_or(u16::MAX);
            }
            if width + cells > room {
                shown.after = true;
                break;
            }
            width += cells;
            shown.text.0.push_str(seen);
        }
        if cursor == clusters.len() {
            shown.cursor = u16::try_from(width).unwrap_or(u16::MAX);
        }
        shown
    }

    /// How a cluster looks. What would look like nothing is shown as being there.
    fn seen(&self, cluster: &str) -> String {
        if self.secret {
            return DOT.to_owned();
        }
        if cluster == " " {
            return cluster.to_owned();
        }
        let clean = SafeText::clean(cluster, SafeText::CELLS);
        if clean.as_str().width() == 0 {
            char::REPLACEMENT_CHARACTER.to_string()
        } else {
            clean.to_string()
        }
    }
}

/// Whether a character leaves no trace on the screen, even behind a letter.
fn unseen(c: char) -> bool {
    let mut text = "a".to_owned();
    text.push(c);
    SafeText::from(&*text).as_str() == "a"
}

impl Drop for Field {
    fn drop(&mut self) {
        if self.secret {
            // It wipes what it is given.
            drop(SecretString::from(std::mem::take(&mut self.text)));
        }
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.secret {
            f.write_str("Field(secret)")
        } else {
            f.debug_struct("Field")
                .field("text", &self.text)
                .field("at", &self.at)
                .finish_non_exhaustive()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn typed(text: &str) -> Field {
        let mut field = Field::default();
        text.chars().for_each(|c| field.insert(c));
        field
    }

    #[test]
    fn a_letter_with_its_accent_is_one_character() {
        let mut field = typed("ze\u{301}o");
        for _ in 0..2 {
            field.edit(Key::Arrow(Dir::Left));
        }
        field.insert('x');
        assert_eq!(field.as_str(), "zxe\u{301}o");
        field.edit(Key::Delete);
        assert_eq!(field.as_str(), "zxo");
        // An accent that is typed after its letter belongs to it, and the cursor stands behind both.
        let mut field = typed("ao");
        field.edit(Key::Arrow(Dir::Left));
        field.insert('\u{308}');
        field.insert('!');
        assert_eq!(field.as_str(), "a\u{308}!o");
    }

    #[test]
    fn the_keys_of_a_shell_work() {
        let mut field = typed("Ada King Lovelace  ");
        field.edit(Key::Ctrl('w'));
        assert_eq!(field.as_str(), "Ada King ");
        field.edit(Key::Ctrl('w'));
        field.edit(Key::Home);
        field.edit(Key::Ctrl('k'));
        assert!(field.is_empty());
        let mut field = typed("ada");
        field.edit(Key::Arrow(Dir::Left));
        field.edit(Key::Ctrl('u'));
        assert_eq!(field.as_str(), "a");
        assert!(!field.edit(Key::Tab), "no key of a line of text");
    }

    #[test]
    fn what_is_pasted_is_one_line_of_what_can_be_seen() {
        let mut field = Field::default();
        field.paste("  Ada\r\nLove\u{200b}lace\u{202e}\u{1b}[2J \n");
        assert_eq!(field.as_str(), "Ada Lovelace[2J");
        let mut field = Field::new(5);
        field.paste("0123456789");
        assert_eq!(field.as_str(), "01234");
    }

    #[test]
    fn a_secret_keeps_its_letters_and_shows_none() {
        let mut field = Field::secret(64);
        field.paste("correct horse\u{200d}\n");
        assert_eq!(field.as_str(), "correct horse\u{200d}");
        assert_eq!(field.shown(40).text.as_str(), "•".repeat(13));
        assert_eq!(format!("{field:?}"), "Field(secret)");
        field.edit(Key::Ctrl('w'));
        assert!(field.is_empty(), "a secret has no words");
    }

    #[test]
    fn a_long_text_is_seen_where_the_cursor_is() {
        let mut field = typed("a long text with an end");
        let shown = field.shown(10);
        assert_eq!(
            (shown.text.as_str(), shown.cursor, shown.before, shown.after),
            ("th an end", 9, true, false)
        );
        field.edit(Key::Home);
        let shown = field.shown(10);
        assert_eq!(
            (shown.text.as_str(), shown.cursor, shown.before, shown.after),
            ("a long tex", 0, false, true)
        );
        assert_eq!(typed("a ").shown(10).cursor, 2, "a blank takes its cell");
    }

    fn key() -> impl Strategy<Value = Key> {
        prop_oneof![
            4 => any::<char>().prop_map(Key::Char),
            2 => prop::sample::select("aé\u{301}\u{308}\u{200d}👍🏽🇩🇪한ก็ ".chars().collect::<Vec<_>>()).prop_map(Key::Char),
            3 => prop::sample::select(vec![
                Key::Backspace, Key::Delete, Key::Home, Key::End, Key::Arrow(Dir::Left), Key::Arrow(Dir::Right),
                Key::Ctrl('w'), Key::Ctrl('u'), Key::Ctrl('k'),
            ]),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_typed_the_cursor_stands_between_characters_and_in_sight(
            keys in prop::collection::vec(key(), 0..60), paste in any::<String>(), cells in 1_u16..40, secret: bool,
        ) {
            let mut field = if secret { Field::secret(64) } else { Field::default() };
            for (n, key) in keys.into_iter().enumerate() {
                field.edit(key);
                if n == 7 {
                    field.paste(&paste);
                }
                let ends: Vec<usize> = field.text.grapheme_indices(true).map(|(at, _)| at).chain([field.text.len()]).collect();
                prop_assert!(ends.contains(&field.at), "{:?}", field);
                prop_assert!(field.text.chars().count() <= 64);
                let shown = field.shown(cells);
                prop_assert!(shown.text.as_str().width() <= usize::from(cells));
                prop_assert!(shown.cursor < cells, "{:?} of {:?}", shown, field);
                prop_assert!(!shown.text.as_str().chars().any(char::is_control));
            }
        }
    }
}
