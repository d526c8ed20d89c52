//! The house: its people, slots, queues, telephone numbers and settings.
//!
//! Everything that writes here may be done twice with the same result, so that a seed can be run again. It must
//! not know who may change what. Read next: [`super::calls`].

use std::collections::BTreeMap;

use cordboard_core::{
    board::Presence,
    call::Stop,
    ids::{Phone, QueueId, SafeText, SlotId, UserId},
    policy::Role,
};

use super::{
    Store, StoreError, args,
    sql::{self, Conn, Row},
};

/// A person who works here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonRow {
    /// Who.
    pub id: UserId,
    /// Their name.
    pub name: SafeText,
    /// What they sign in with, in lower case.
    pub email: String,
    /// Their extension.
    pub extension: String,
    /// What they may do.
    pub role: Role,
    /// The number that rings when their page is not there.
    pub fallback: Option<Phone>,
    /// What they said of themselves last.
    pub presence: Presence,
    /// Whether they may sign in and be given calls.
    pub active: bool,
}

/// A person to be entered, or brought up to date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPerson {
    /// Who: [`Store::next_user_id`] for somebody new.
    pub id: UserId,
    /// Their name.
    pub name: SafeText,
    /// What they sign in with, theirs alone; case does not count.
    pub email: String,
    /// Their extension, theirs alone.
    pub extension: String,
    /// What they may do.
    pub role: Role,
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
            email: String::new(),
            extension: String::new(),
            role: Role::ReadOnly,
            fallback: None,
            presence: Presence::default(),
            active: true,
            password_hash: String::new(),
        }
    }
}

/// A parking slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRow {
    /// Its id, which is what people say.
    pub id: SlotId,
    /// What it is called.
    pub name: SafeText,
    /// Where it stands on the board.
    pub position: u32,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRow {
    /// Its id.
    pub id: QueueId,
    /// What it is called.
    pub name: SafeText,
}

/// One of our own telephone numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberRow {
    /// The number.
    pub number: Phone,
    /// The way a call to it takes.
    pub route: Vec<Stop>,
}

impl PersonRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: UserId(row.int(0)?),
            name: row.get::<String>(1)?.as_str().into(),
            email: row.get(2)?,
            extension: row.get(3)?,
            role: sql::of_word(&row.get::<String>(4)?)?,
            fallback: row
                .get::<Option<String>>(5)?
                .map(|number| number.parse())
                .transpose()
                .map_err(|why| StoreError::Unreadable(format!("{why}")))?,
            presence: sql::of_word(&row.get::<String>(6)?)?,
            active: row.get(7)?,
        })
    }
}

fn plain(email: &str) -> String {
    email.trim().to_lowercase()
}

impl Store {
    /// Everybody, in the order of their extensions.
    pub async fn people(&self) -> Result<Vec<PersonRow>, StoreError> {
        let sql = "SELECT id, name, email, extension, role, fallback, presence, active FROM people ORDER BY extension, id";
        self.db
            .rows(sql, Vec::new())
            .await?
            .iter()
            .map(PersonRow::read)
            .collect()
    }

    /// One person.
    pub async fn person(&self, id: UserId) -> Result<Option<PersonRow>, StoreError> {
        let sql = "SELECT id, name, email, extension, role, fallback, presence, active FROM people WHERE id = $1";
        self.db
            .row(sql, args![id].into())
            .await?
            .as_ref()
            .map(PersonRow::read)
            .transpose()
    }

    /// The person who signs in with `email`.
    pub async fn person_by_email(&self, email: &str) -> Result<Option<PersonRow>, StoreError> {
        let sql = "SELECT id, name, email, extension, role, fallback, presence, active FROM people WHERE email = $1";
        self.db
            .row(sql, args![plain(email)].into())
            .await?
            .as_ref()
            .map(PersonRow::read)
            .transpose()
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
    /// under it then changes the first's person, so people are entered by one administrator at a time.
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
        let (person, role, presence) = (
            person.clone(),
            sql::word(&person.role)?,
            sql::word(&person.presence)?,
        );
        self.db
            .write(move |mut db: Conn<'_>| {
                let (p, role, presence) = (person.clone(), role.clone(), presence.clone());
                Box::pin(async move {
                    let (email, extension) = (plain(&p.email), p.extension.as_str());
                    let taken = "SELECT name FROM people WHERE (email = $1 OR extension = $2) AND id <> $3";
                    if let Some(row) = db.row(taken, &args![email.as_str(), extension, p.id]).await? {
                        let whose: String = row.get(0)?;
                        return Err(StoreError::Invalid(format!("{email} or extension {extension} is {whose}'s already")));
                    }
                    let sql = "INSERT INTO people (id, name, email, extension, role, fallback, presence, active, password)
                               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                               ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email, extension = excluded.extension,
                                   role = excluded.role, fallback = excluded.fallback, presence = excluded.presence,
                                   active = excluded.active, password = excluded.password";
                    let fallback = p.fallback.as_ref().map(ToString::to_string);
                    let hash = p.password_hash.as_str();
                    let values = args![p.id, p.name.as_str(), email, extension, role, fallback, presence, p.active, hash];
                    db.run(sql, &values).await?;
                    Ok(())
                })
            })
            .await
    }

    /// What a person says of themselves. Whether there is such a person.
    pub async fn set_presence(&self, id: UserId, presence: Presence) -> Result<bool, StoreError> {
        let word = sql::word(&presence)?;
        Ok(self
            .db
            .run(
                "UPDATE people SET presence = $2 WHERE id = $1",
                args![id, word].into(),
            )
            .await?
            == 1)
    }

    /// Lets a person in, or keeps them out. Whether there is such a person.
    pub async fn set_active(&self, id: UserId, active: bool) -> Result<bool, StoreError> {
        Ok(self
            .db
            .run(
                "UPDATE people SET active = $2 WHERE id = $1",
                args![id, active].into(),
            )
            .await?
            == 1)
    }

    /// Gives a person another password, by its hash. Whether there is such a person.
    pub async fn set_password_hash(&self, id: UserId, hash: &str) -> Result<bool, StoreError> {
        Ok(self
            .db
            .run(
                "UPDATE people SET password = $2 WHERE id = $1",
                args![id, hash].into(),
            )
            .await?
            == 1)
    }

    /// Every parking slot, in the order of the board.
    pub async fn slots(&self) -> Result<Vec<SlotRow>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT id, name, position FROM slots ORDER BY position, id",
                Vec::new(),
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(SlotRow {
                    id: row.parse(0)?,
                    name: row.get::<String>(1)?.as_str().into(),
                    position: row.int(2)?,
                })
            })
            .collect()
    }

    /// Adds a parking slot, or renames and moves the one there is.
    pub async fn upsert_slot(
        &self,
        id: &SlotId,
        name: &str,
        position: u32,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO slots (id, name, position) VALUES ($1, $2, $3)
                   ON CONFLICT (id) DO UPDATE SET name = excluded.name, position = excluded.position";
        self.db
            .run(sql, args![id.as_str(), name, position].into())
            .await?;
        Ok(())
    }

    /// Every queue, in the order in which they were added. The first is the desk's.
    pub async fn queues(&self) -> Result<Vec<QueueRow>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT id, name FROM queues ORDER BY position, id",
                Vec::new(),
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(QueueRow {
                    id: row.parse(0)?,
                    name: row.get::<String>(1)?.as_str().into(),
                })
            })
            .collect()
    }

    /// Adds a queue after the others, or renames the one there is.
    pub async fn upsert_queue(&self, id: &QueueId, name: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO queues (id, name, position) SELECT $1, $2, COALESCE(MAX(position), 0) + 1 FROM queues WHERE 1 = 1
                   ON CONFLICT (id) DO UPDATE SET name = excluded.name";
        self.db.run(sql, args![id.as_str(), name].into()).await?;
        Ok(())
    }

    /// Every telephone number of ours.
    pub async fn numbers(&self) -> Result<Vec<NumberRow>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT number, route FROM numbers ORDER BY number",
                Vec::new(),
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(NumberRow {
                    number: row.parse(0)?,
                    route: row.json(1)?,
                })
            })
            .collect()
    }

    /// One telephone number of ours.
    pub async fn number(&self, number: &Phone) -> Result<Option<NumberRow>, StoreError> {
        let row = self
            .db
            .row(
                "SELECT number, route FROM numbers WHERE number = $1",
                args![number.as_str()].into(),
            )
            .await?;
        row.map(|row| {
            Ok(NumberRow {
                number: row.parse(0)?,
                route: row.json(1)?,
            })
        })
        .transpose()
    }

    /// Adds a telephone number, or gives the one there is another route.
    pub async fn upsert_number(&self, number: &Phone, route: &[Stop]) -> Result<(), StoreError> {
        let sql = "INSERT INTO numbers (number, route) VALUES ($1, $2) ON CONFLICT (number) DO UPDATE SET route = excluded.route";
        self.db
            .run(sql, args![number.as_str(), sql::json(&route)?].into())
            .await?;
        Ok(())
    }

    /// Every setting.
    pub async fn settings(&self) -> Result<BTreeMap<String, String>, StoreError> {
        let rows = self
            .db
            .rows("SELECT key, value FROM settings", Vec::new())
            .await?;
        rows.iter()
            .map(|row| Ok((row.get(0)?, row.get(1)?)))
            .collect()
    }

    /// One setting.
    pub async fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        let row = self
            .db
            .row(
                "SELECT value FROM settings WHERE key = $1",
                args![key].into(),
            )
            .await?;
        row.map(|row| row.get(0)).transpose()
    }

    /// Makes or changes a setting.
    pub async fn set_setting(&self, key: &str, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        self.db.run(sql, args![key, value].into()).await?;
        Ok(())
    }
}
