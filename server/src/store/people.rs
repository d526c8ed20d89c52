//! The people who work here, and the groups they belong to.
//!
//! A change of a person names the revision it was made on, and happens with its line of the audit and its place in
//! the board's history, or not at all. It must not know who may change whom. Read next: [`super::house`].

use std::collections::BTreeMap;

use cordboard_core::{
    board::{self, Online, Presence, Status},
    ids::{Email, Extension, GroupId, Language, Phone, Rev, SafeText, Timestamp, UserId},
    machine::PhonePage,
    policy::{Rights, Role},
};

use serde::Serialize;

use super::{
    Store, StoreError, args,
    sql::{self, Conn, Row},
};

/// A person who works here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonRow {
    /// Who.
    pub id: UserId,
    /// How often this has changed. What they say of themselves does not count.
    pub rev: Rev,
    /// Their name.
    pub name: SafeText,
    /// What they sign in with.
    pub email: Email,
    /// Their extension.
    pub extension: Extension,
    /// What they are here to do.
    pub role: Role,
    /// What they may do beside it.
    pub grants: Rights,
    /// The number that rings when their page is not there.
    pub fallback: Option<Phone>,
    /// What they speak, best first.
    pub languages: Vec<Language>,
    /// The groups they belong to, in the order of their ids.
    pub groups: Vec<GroupId>,
    /// What they said of themselves last.
    pub status: Status,
    /// Whether they may sign in and be given calls.
    pub active: bool,
    /// They have entered themselves, and nobody has let them in yet.
    pub pending: bool,
    /// Since when there is this account.
    pub since: Timestamp,
}

impl PersonRow {
    /// What they may do.
    pub fn rights(&self) -> Rights {
        self.role.rights().with(self.grants)
    }

    /// As everybody sees them, before anything is known of their phone.
    pub fn shown(&self) -> board::Person {
        board::Person {
            id: self.id,
            extension: self.extension.as_str().into(),
            name: self.name.clone(),
            identity: self.id.to_string().as_str().into(),
            status: self.status.clone(),
            online: Online::Unknown,
            phone: PhonePage::Unknown,
            groups: self.groups.clone(),
            languages: self.languages.clone(),
            fallback: self.fallback.is_some(),
            calls: Vec::new(),
        }
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: UserId(row.int(0)?),
            name: row.get::<String>(1)?.as_str().into(),
            email: row.parse(2)?,
            extension: row.parse(3)?,
            role: sql::of_word(&row.get::<String>(4)?)?,
            fallback: row
                .get::<Option<String>>(5)?
                .map(|number| number.parse())
                .transpose()
                .map_err(|why| StoreError::Unreadable(format!("{why}")))?,
            status: Status {
                presence: sql::of_word(&row.get::<String>(6)?)?,
                text: row.get::<String>(11)?.as_str().into(),
                back_at: row.maybe_time(12)?,
            },
            active: row.get(7)?,
            rev: row.int(8)?,
            grants: row.json(9)?,
            languages: row.json(10)?,
            pending: row.get(13)?,
            since: row.time(14)?,
            groups: Vec::new(),
        })
    }
}

/// A person to be entered, or brought up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPerson {
    /// Who: [`Store::next_user_id`] for somebody new.
    pub id: UserId,
    /// Their name.
    pub name: SafeText,
    /// What they sign in with, theirs alone.
    pub email: Email,
    /// Their extension, theirs alone.
    pub extension: Extension,
    /// What they are here to do.
    pub role: Role,
    /// What they may do beside it.
    pub grants: Rights,
    /// The number that rings when their page is not there.
    pub fallback: Option<Phone>,
    /// What they say of themselves.
    pub presence: Presence,
    /// Whether they may sign in and be given calls.
    pub active: bool,
    /// The hash of their password, in PHC form.
    pub password_hash: String,
}

/// Somebody who may only look, and is nobody yet.
impl Default for NewPerson {
    fn default() -> Self {
        Self {
            id: UserId(0),
            name: SafeText::default(),
            email: "nobody@cordboard.invalid"
                .parse()
                .expect("an e-mail address"),
            extension: "00".parse().expect("an extension"),
            role: Role::ReadOnly,
            grants: Rights::NONE,
            fallback: None,
            presence: Presence::default(),
            active: true,
            password_hash: String::new(),
        }
    }
}

macro_rules! people {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, email, extension, role, fallback, presence, active, rev, grants, languages,
                status_text, back_at, pending, since FROM people ",
            $rest
        )
    };
}

impl Store {
    /// Everybody, in the order of their extensions.
    pub async fn people(&self) -> Result<Vec<PersonRow>, StoreError> {
        let rows = self
            .db
            .rows(people!("ORDER BY extension, id"), Vec::new())
            .await?;
        let mut people: Vec<PersonRow> =
            rows.iter().map(PersonRow::read).collect::<Result<_, _>>()?;
        let mut groups = self.memberships().await?;
        for person in &mut people {
            person.groups = groups.remove(&person.id).unwrap_or_default();
        }
        Ok(people)
    }

    /// Who is in which groups.
    async fn memberships(&self) -> Result<BTreeMap<UserId, Vec<GroupId>>, StoreError> {
        let sql = "SELECT person, grp FROM members ORDER BY grp";
        let mut all: BTreeMap<UserId, Vec<GroupId>> = BTreeMap::new();
        for row in &self.db.rows(sql, Vec::new()).await? {
            all.entry(UserId(row.int(0)?))
                .or_default()
                .push(row.parse(1)?);
        }
        Ok(all)
    }

    /// One person.
    pub async fn person(&self, id: UserId) -> Result<Option<PersonRow>, StoreError> {
        let row = self
            .db
            .row(people!("WHERE id = $1"), args![id].into())
            .await?;
        self.with_groups(row).await
    }

    /// The person who signs in with `email`.
    pub async fn person_by_email(&self, email: &Email) -> Result<Option<PersonRow>, StoreError> {
        let row = self
            .db
            .row(people!("WHERE email = $1"), args![email.as_str()].into())
            .await?;
        self.with_groups(row).await
    }

    async fn with_groups(&self, row: Option<Row>) -> Result<Option<PersonRow>, StoreError> {
        let Some(row) = row else { return Ok(None) };
        let mut person = PersonRow::read(&row)?;
        let sql = "SELECT grp FROM members WHERE person = $1 ORDER BY grp";
        let rows = self.db.rows(sql, args![person.id].into()).await?;
        person.groups = rows
            .iter()
            .map(|row| row.parse(0))
            .collect::<Result<_, _>>()?;
        Ok(Some(person))
    }

    /// The hash of a person's password, if there is such a person.
    pub async fn password_hash(&self, id: UserId) -> Result<Option<String>, StoreError> {
        let row = self
            .db
            .row(
                "SELECT password FROM people WHERE id = $1",
                args![id].into(),
            )
            .await?;
        row.map_or(Ok(None), |row| row.get(0))
    }

    /// An id that nobody has. Two who ask at the same time are told the same one; the second to enter somebody
    /// under it then changes the first's person, so this is for seeds, which run alone.
    pub async fn next_user_id(&self) -> Result<UserId, StoreError> {
        let row = self
            .db
            .row("SELECT COALESCE(MAX(id), 0) + 1 FROM people", Vec::new())
            .await?;
        row.map_or(Ok(UserId(1)), |row| row.int(0).map(UserId))
    }

    /// Enters a person, or brings the one with this id up to date. An email or extension that is another's is
    /// [`StoreError::Invalid`].
    pub async fn upsert_person(&self, person: &NewPerson) -> Result<(), StoreError> {
        let (person, role, presence, grants) = (
            person.clone(),
            sql::word(&person.role)?,
            sql::word(&person.presence)?,
            sql::json(&person.grants)?,
        );
        self.db
            .write(move |mut db: Conn<'_>| {
                let (p, role, presence) = (person.clone(), role.clone(), presence.clone());
                let grants = grants.clone();
                Box::pin(async move {
                    let (email, extension) = (p.email.as_str(), p.extension.as_str());
                    let taken = "SELECT name FROM people WHERE (email = $1 OR extension = $2) AND id <> $3";
                    if let Some(row) = db.row(taken, &args![email, extension, p.id]).await? {
                        let whose: String = row.get(0)?;
                        return Err(StoreError::Invalid(format!("{email} or extension {extension} is {whose}'s already")));
                    }
                    let sql = "INSERT INTO people (id, name, email, extension, role, fallback, presence, active, password, grants)
                               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                               ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email, extension = excluded.extension,
                                   role = excluded.role, fallback = excluded.fallback, presence = excluded.presence,
                                   active = excluded.active, password = excluded.password, grants = excluded.grants,
                                   rev = people.rev + 1";
                    let fallback = p.fallback.as_ref().map(ToString::to_string);
                    let hash = p.password_hash.as_str();
                    let values = args![p.id, p.name.as_str(), email, extension, role, fallback, presence, p.active, hash, grants];
                    db.run(sql, &values).await?;
                    Ok(())
                })
            })
            .await
    }
}
