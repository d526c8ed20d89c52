//! Reads what a person has typed, field by field, and says of each that is wrong what is wrong with it.
//!
//! The server does this before anything else; a console does it before it sends. What depends on the house, such as
//! whether an extension is taken, only the server can say: it uses the same [`Fields`].

use serde::{Deserialize, Serialize};

use super::{AccountEdit, Invite, Newcomer, PASSWORD_LEAST, PASSWORD_MOST};
use crate::{
    ids::{Email, Extension, GroupId, Language, Phone, SafeText},
    policy::{Rights, Role},
};

/// How many languages a person has, at most: they are shown in one line.
const LANGUAGES: usize = 8;
/// How many groups a person is in, at most.
const GROUPS: usize = 32;

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// Which, as in the request: `person.email`.
    pub field: String,
    /// A sentence.
    pub why: String,
}

/// The fields of a request that are wrong so far.
#[derive(Debug, Default)]
pub struct Fields(Vec<FieldError>);

impl Fields {
    /// That field is wrong.
    pub fn wrong(&mut self, field: &str, why: impl Into<String>) {
        self.0.push(FieldError {
            field: field.to_owned(),
            why: why.into(),
        });
    }

    /// What was read, or that it is wrong.
    pub fn read<T, E>(&mut self, field: &str, read: Result<T, E>, why: &str) -> Option<T> {
        read.map_err(|_| self.wrong(field, why)).ok()
    }

    /// `value`, if nothing was wrong.
    pub fn done<T>(self, value: Option<T>) -> Result<T, Vec<FieldError>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }

    /// A name that people and things are called by.
    pub fn name(&mut self, field: &str, text: &str) -> Option<SafeText> {
        let name = SafeText::from(text);
        if name.is_empty() {
            self.wrong(field, "A name is missing.");
            return None;
        }
        if name.as_str() != text.trim() {
            // Not changed behind their back.
            let why =
                "A name has at most 64 columns, without control characters or invisible ones.";
            self.wrong(field, why);
            return None;
        }
        Some(name)
    }

    fn email(&mut self, field: &str, text: &str) -> Option<Email> {
        let why = "This is no e-mail address. One looks like ada@example.com.";
        self.read(field, Email::read(text), why)
    }

    fn extension(&mut self, field: &str, text: &str) -> Option<Extension> {
        let why = "An extension has 2 to 6 digits and is no emergency number.";
        self.read(field, text.trim().parse(), why)
    }

    /// A password's length. How easily it is guessed, the server says.
    pub fn password(&mut self, field: &str, text: &str) {
        if text.chars().count() < PASSWORD_LEAST {
            self.wrong(
                field,
                format!("A password has at least {PASSWORD_LEAST} characters."),
            );
        } else if text.len() > PASSWORD_MOST {
            self.wrong(
                field,
                format!("A password has at most {PASSWORD_MOST} bytes."),
            );
        }
    }

    fn languages(&mut self, field: &str, list: &[String]) -> Option<Vec<Language>> {
        if list.len() > LANGUAGES {
            self.wrong(field, format!("At most {LANGUAGES} languages."));
            return None;
        }
        let why = "A language is a tag such as en or pt-BR.";
        let read: Result<Vec<_>, _> = list.iter().map(|l| l.trim().parse()).collect();
        self.read(field, read, why)
    }

    fn groups(&mut self, field: &str, list: &[String]) -> Option<Vec<GroupId>> {
        if list.len() > GROUPS {
            self.wrong(field, format!("At most {GROUPS} groups."));
            return None;
        }
        let why = "A group's id has at most 16 letters, digits, - and _.";
        let read: Result<Vec<_>, _> = list.iter().map(|g| g.parse()).collect();
        self.read(field, read, why)
    }
}

/// A newcomer whose fields are what they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newcome {
    /// Their name.
    pub name: SafeText,
    /// What they will sign in with.
    pub email: Email,
    /// Their extension.
    pub extension: Extension,
    /// What this sign-in shall be called.
    pub device: SafeText,
}

impl Newcomer {
    /// Reads it. `at` stands before the fields' names, such as `person.`.
    pub fn check(&self, at: &str) -> Result<Newcome, Vec<FieldError>> {
        let mut fields = Fields::default();
        let f = |name: &str| format!("{at}{name}");
        let name = fields.name(&f("name"), &self.name);
        let email = fields.email(&f("email"), &self.email);
        let extension = fields.extension(&f("extension"), &self.extension);
        fields.password(&f("password"), &self.password);
        let read = (|| {
            Some(Newcome {
                name: name?,
                email: email?,
                extension: extension?,
                device: SafeText::from(&*self.device),
            })
        })();
        fields.done(read)
    }
}

/// A change of an account whose fields are what they should be. What is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// Their name.
    pub name: Option<SafeText>,
    /// What they sign in with.
    pub email: Option<Email>,
    /// Their extension.
    pub extension: Option<Extension>,
    /// What they are here to do.
    pub role: Option<Role>,
    /// What they may do beside it.
    pub grants: Option<Rights>,
    /// The number that rings when their phone page is not there, or that there shall be none.
    pub fallback: Option<Option<Phone>>,
    /// What they speak.
    pub languages: Option<Vec<Language>>,
    /// The groups they belong to.
    pub groups: Option<Vec<GroupId>>,
    /// Whether they may sign in and be given calls.
    pub active: Option<bool>,
}

impl AccountEdit {
    /// Reads it.
    pub fn check(&self) -> Result<AccountChange, Vec<FieldError>> {
        let mut fields = Fields::default();
        let fallback = self.fallback.as_deref().map(|text| {
            if text.trim().is_empty() {
                return Some(None);
            }
            let why = "This is no telephone number with its country code, such as +14155550132.";
            fields.read("fallback", Phone::read(text), why).map(Some)
        });
        let change = AccountChange {
            name: self.name.as_deref().and_then(|t| fields.name("name", t)),
            email: self.email.as_deref().and_then(|t| fields.email("email", t)),
            extension: self
                .extension
                .as_deref()
                .and_then(|t| fields.extension("extension", t)),
            role: self.role,
            grants: self.grants,
            fallback: fallback.flatten(),
            languages: self
                .languages
                .as_deref()
                .and_then(|l| fields.languages("languages", l)),
            groups: self
                .groups
                .as_deref()
                .and_then(|g| fields.groups("groups", g)),
            active: self.active,
        };
        fields.done(Some(change))
    }
}

/// An invitation whose fields are what they should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guest {
    /// What it makes of whoever takes it.
    pub role: Role,
    /// What they may do beside it.
    pub grants: Rights,
    /// The groups they come into.
    pub groups: Vec<GroupId>,
    /// Their name; empty: not known.
    pub name: SafeText,
    /// The address they have to use.
    pub email: Option<Email>,
    /// Their extension.
    pub extension: Option<Extension>,
}

impl Invite {
    /// Reads it.
    pub fn check(&self) -> Result<Guest, Vec<FieldError>> {
        let mut fields = Fields::default();
        let said = |text: &str| !text.trim().is_empty();
        let name = if said(&self.name) {
            fields.name("name", &self.name)
        } else {
            Some(SafeText::default())
        };
        let email = said(&self.email).then(|| fields.email("email", &self.email));
        let extension =
            said(&self.extension).then(|| fields.extension("extension", &self.extension));
        let groups = fields.groups("groups", &self.groups);
        let read = name.zip(groups).map(|(name, groups)| Guest {
            role: self.role,
            grants: self.grants,
            groups,
            name,
            email: email.flatten(),
            extension: extension.flatten(),
        });
        fields.done(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let nobody = Newcomer {
            name: "\u{1b}[2J".to_owned(),
            email: "ada@".to_owned(),
            password: "short".into(),
            extension: "911".to_owned(),
            device: String::new(),
        };
        let wrong = nobody.check("person.").unwrap_err();
        let fields: Vec<&str> = wrong.iter().map(|e| e.field.as_str()).collect();
        assert_eq!(
            fields,
            [
                "person.name",
                "person.email",
                "person.extension",
                "person.password"
            ]
        );
    }

    #[test]
    fn an_empty_fallback_takes_the_number_away_and_a_wrong_one_is_said() {
        let edit = |fallback: &str| AccountEdit {
            fallback: Some(fallback.to_owned()),
            ..AccountEdit::default()
        };
        assert_eq!(edit("").check().unwrap().fallback, Some(None));
        let number = "+14155550132".parse().ok();
        assert_eq!(
            edit("+1 415 555 0132").check().unwrap().fallback,
            Some(number)
        );
        assert_eq!(edit("0132").check().unwrap_err()[0].field, "fallback");
        assert_eq!(
            AccountEdit::default().check().unwrap(),
            AccountChange::default()
        );
    }

    #[test]
    fn an_address_is_one_that_people_have() {
        for good in ["ada@example.com", " Ada.L+desk@mail.example.co.uk "] {
            assert!(Email::read(good).is_ok(), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        for bad in [
            "ada",
            "@example.com",
            "ada@",
            "ada@example",
            "a b@example.com",
            "ada@-x.com",
            "ada..l@example.com",
            "ada@exa\u{1b}mple.com",
            "ada@example.com\nbcc: x@y.z",
            &long,
        ] {
            assert!(Email::read(bad).is_err(), "{bad}");
        }
    }
}
