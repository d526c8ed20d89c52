//! What somebody likes on their own machine: colours and keys, in a file that they may also write themselves.
//!
//! A file that cannot be read is never written over: what is in it may be a day's work with one comma too many.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use etcetera::{BaseStrategy as _, base_strategy::Xdg};
use serde::{Deserialize, Serialize};

use crate::{
    keymap::{Keymap, TABLE, row_of},
    theme::Theme,
};

/// Colours and keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preferences {
    /// The colours; none: what suits the terminal.
    pub theme: Option<Theme>,
    /// The keys.
    pub keys: Keymap,
}

/// The file they are kept in, and what it said when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likes {
    /// Where it is, or would be.
    pub path: PathBuf,
    /// What it said, or why it could not be read.
    pub read: Result<Preferences, String>,
}

impl Likes {
    /// Looks at the file of this person, if there is a place for it.
    pub fn look() -> Option<Self> {
        Preferences::file().map(Self::at)
    }

    /// Looks at that file.
    pub fn at(path: PathBuf) -> Self {
        let read = Preferences::read(&path);
        Self { path, read }
    }

    /// The colours, if they were chosen and could be read.
    pub fn theme(&self) -> Option<Theme> {
        self.read.as_ref().ok().and_then(|likes| likes.theme)
    }
}

/// As they are written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    theme: Option<String>,
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    keys: toml::Table,
}

impl Preferences {
    /// Where they are kept: in the folder of the person's settings, if there is one.
    pub fn file() -> Option<PathBuf> {
        let folder = Xdg::new().ok()?.config_dir();
        Some(folder.join("cordboard").join("console.toml"))
    }

    /// Reads them. No file is as good as an empty one.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(why) => return Err(why.to_string()),
        };
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let written: Written = toml::from_str(text).map_err(|e| e.message().to_owned())?;
        let theme = match written.theme {
            Some(name) => {
                let theme = Theme::ALL.into_iter().find(|t| t.name() == name);
                Some(theme.ok_or_else(|| format!("there are no colours “{name}”"))?)
            }
            None => None,
        };
        let mut chosen = Vec::new();
        for (word, key) in written.keys {
            let row = TABLE.iter().find(|row| row.word == word);
            let row = row.ok_or_else(|| format!("nothing is called “{word}”"))?;
            let key = key.as_str().unwrap_or_default().parse();
            chosen.push((row.action, key.map_err(|why| format!("“{word}”: {why}"))?));
        }
        Ok(Self {
            theme,
            keys: Keymap::of(chosen)?,
        })
    }

    /// Keeps them, as a whole or not at all.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let keys = self.keys.chosen().map(|(action, key)| {
            let word = row_of(action).word.to_owned();
            (word, toml::Value::from(key.to_string()))
        });
        let written = Written {
            theme: self.theme.map(|t| t.name().to_owned()),
            keys: keys.collect(),
        };
        let text = toml::to_string(&written).map_err(io::Error::other)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.persist(path)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keymap::{Action, Key};

    #[test]
    fn what_is_kept_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cordboard").join("console.toml");
        assert_eq!(Preferences::read(&path), Ok(Preferences::default()));
        let mut kept = Preferences {
            theme: Some(Theme::Sixteen),
            ..Preferences::default()
        };
        // Two keys that have changed places.
        kept.keys.choose(Action::Hold, Key::F(9)).unwrap();
        kept.keys.choose(Action::Park, Key::Char('h')).unwrap();
        kept.keys.choose(Action::Hold, Key::Char('p')).unwrap();
        kept.write(&path).unwrap();
        assert_eq!(Preferences::read(&path), Ok(kept));
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (text, why) in [
            ("theme = \"pink\"", "no colours “pink”"),
            ("keys = { fly = \"f\" }", "nothing is called “fly”"),
            ("keys = { hold = \"7\" }", "“hold”: A letter"),
            ("keys = { hold = \"x\" }", "x does “hang up” already"),
            ("keys = { hold = 7 }", "“hold”: A letter"),
            ("theme = ", ""),
            ("colour = \"dark\"", "unknown field"),
        ] {
            let said = Preferences::parse(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
