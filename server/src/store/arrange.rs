//! The one transaction in which the house changes: its people, groups, slots, queues, numbers, settings, and with
//! them codes and sign-ins.
//!
//! What is to change is a list of [`Edit`]s. They happen together, with their lines of the audit and their places in
//! the board's history, or not at all, and then [`NotArranged`] says what stood in the way. An edit of something
//! that people edit names the revision it was made on.
//!
//! It must not judge who may change what. Read next: [`super::commit`], which does the same for calls.

use std::sync::Arc;

use cordboard_core::{
    board::Status,
    ids::{CodeId, GroupId, Phone, Rev, SafeText, SessionId, SlotId, Timestamp, UserId},
    wire::{self, Cause},
};

use super::{
    AuditRow, CodeRow, GroupRow, NumberRow, PersonRow, QueueRow, SessionRow, SlotRow, Store,
    StoreError, args, audit, calls,
    sql::{self, Conn, Fault},
};

/// What is to be different.
#[derive(Debug, Clone)]
pub enum Edit {
    /// Somebody new, under an id that nobody has.
    EnterPerson {
        /// Them.
        row: PersonRow,
        /// The hash of their password.
        password: String,
    },
    /// Somebody as they are to be. `row.rev` is one more than the revision this was made on. What they say of
    /// themselves is not in it.
    ChangePerson {
        /// Them.
        row: PersonRow,
        /// Whether their groups are others, too.
        regroup: bool,
    },
    /// What a person says of themselves.
    SetStatus {
        /// Who.
        person: UserId,
        /// What.
        status: Status,
    },
    /// Another password, by its hash.
    SetPassword {
        /// Whose.
        person: UserId,
        /// The hash.
        hash: String,
    },
    /// A group as it is to be, with its members; new if `rev` is 1.
    PutGroup(GroupRow),
    /// A group less, at that revision.
    DropGroup(GroupId, Rev),
    /// A slot as it is to be; new if `rev` is 1.
    PutSlot(SlotRow),
    /// A slot less, at that revision. None that a call lies in.
    DropSlot(SlotId, Rev),
    /// A queue as it is to be.
    PutQueue(QueueRow),
    /// A number as it is to be; new if `rev` is 1.
    PutNumber(NumberRow),
    /// A number less, at that revision.
    DropNumber(Phone, Rev),
    /// Settings as they are to be. `rev` is one more than the revision this was made on.
    PutSettings {
        /// Them.
        values: Vec<(&'static str, String)>,
        /// Their revision from now on.
        rev: Rev,
    },
    /// A code that was handed out.
    AddCode(CodeRow),
    /// A code is over: used, or taken back. Once.
    EndCode(CodeId),
    /// More is known of a pairing: which page has named its code, or whether it is let in.
    NameCode {
        /// Which.
        id: CodeId,
        /// What was known so far.
        before: String,
        /// What is known of the page from now on.
        body: String,
    },
    /// A sign-in, with the hash of its first refresh token.
    OpenSession {
        /// It.
        row: SessionRow,
        /// The hash.
        refresh: String,
    },
    /// Sign-ins end.
    EndSessions {
        /// Which.
        which: Sessions,
        /// Why, in a word.
        why: &'static str,
    },
}

impl Edit {
    /// Whether the house is another after it. Codes and sign-ins are not of the house.
    const fn of_the_house(&self) -> bool {
        !matches!(
            self,
            Self::SetPassword { .. }
                | Self::AddCode(_)
                | Self::EndCode(_)
                | Self::NameCode { .. }
                | Self::OpenSession { .. }
                | Self::EndSessions { .. }
        )
    }
}

/// Some sign-ins of one person. Pages that are paired with one end with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sessions {
    /// This one.
    One(UserId, SessionId),
    /// All.
    All(UserId),
    /// All but this one, and its pages.
    Others(UserId, SessionId),
}

/// What must hold beside the edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Guard {
    /// Nothing.
    #[default]
    None,
    /// There is no administrator before it.
    FirstAdmin,
    /// There is one after it.
    AdminStays,
}

/// Edits that happen together.
#[derive(Debug, Clone)]
pub struct Arrangement {
    /// The time.
    pub now: Timestamp,
    /// What is to be different, in this order.
    pub edits: Vec<Edit>,
    /// What must hold beside it.
    pub guard: Guard,
    /// What the audit shall say. Never empty: nothing is done unseen.
    pub audit: Vec<AuditRow>,
    /// What consoles shall see of it.
    pub shown: Vec<wire::Change>,
    /// What consoles are told brought it about.
    pub cause: Cause,
}

impl Arrangement {
    /// Whether the house is another after it.
    pub fn of_the_house(&self) -> bool {
        self.edits.iter().any(Edit::of_the_house)
    }

    /// These edits, because of what `audit` says, and at its time. Nothing is shown of them.
    pub fn new(audit: AuditRow, edits: Vec<Edit>) -> Self {
        Self {
            now: audit.at,
            edits,
            guard: Guard::None,
            cause: Cause {
                kind: audit.kind.as_str().into(),
                id: None,
            },
            audit: vec![audit],
            shown: Vec::new(),
        }
    }
}

/// What an arrangement brought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arranged {
    /// Which life of the board.
    pub epoch: String,
    /// The board's revision after each of the changes that are shown.
    pub revs: Vec<Rev>,
    /// The sign-ins that have ended by it.
    pub ended: Vec<SessionId>,
}

/// Why nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotArranged {
    /// It is not at the revision this was made on, or is not there, or is there already.
    #[error("it has changed meanwhile")]
    Stale,
    /// Somebody else has that already. Which field, and whose.
    #[error("{field} is {whose}'s already")]
    Taken {
        /// Which.
        field: &'static str,
        /// Whose.
        whose: SafeText,
    },
    /// Something still needs it. A sentence says what.
    #[error("{0}")]
    Needed(String),
    /// The code was used already, or taken back.
    #[error("the code is over")]
    Spent,
    /// There is an administrator, or there would be none.
    #[error("the administrator stands in the way")]
    Admin,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Fault for NotArranged {
    fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(cause) => Some(cause),
            _ => None,
        }
    }
}

impl Store {
    /// Makes all of the edits, or none. When it returns `Ok`, they are durable.
    pub async fn arrange(&self, plan: Arrangement) -> Result<Arranged, NotArranged> {
        debug_assert!(!plan.audit.is_empty(), "nothing is done unseen");
        let shown = plan
            .shown
            .iter()
            .map(|change| {
                sql::json(&calls::Shown {
                    change: change.clone(),
                    cause: plan.cause.clone(),
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let line = self.lines(plan.audit.len() as u64).await?;
        let plan = Arc::new((plan, shown));
        self.db
            .write(move |db: Conn<'_>| {
                let plan = plan.clone();
                Box::pin(async move { apply(db, &plan.0, &plan.1, line).await })
            })
            .await
    }
}

async fn apply(
    mut db: Conn<'_>,
    plan: &Arrangement,
    shown: &[String],
    first_line: u64,
) -> Result<Arranged, NotArranged> {
    let db = &mut db;
    if plan.guard != Guard::None {
        // Whoever asks such a thing waits for the others who do: two who make the last two administrators into
        // agents would each find the other still there.
        db.run("UPDATE board SET rev = rev WHERE id = 1", &[])
            .await?;
    }
    if plan.guard == Guard::FirstAdmin && admins(db).await? > 0 {
        return Err(NotArranged::Admin);
    }
    let mut ended = Vec::new();
    for edit in &plan.edits {
        make(db, edit, plan.now, &mut ended).await?;
    }
    if plan.guard == Guard::AdminStays && admins(db).await? == 0 {
        return Err(NotArranged::Admin);
    }
    audit::put(db, first_line, &plan.audit).await?;
    if shown.is_empty() {
        return Ok(Arranged {
            ended,
            ..Arranged::default()
        });
    }
    let n = shown.len() as u64;
    let sql = "UPDATE board SET rev = rev + $1 WHERE id = 1 RETURNING epoch, rev";
    let row = db.row(sql, &args![n]).await?;
    let row = row.ok_or_else(|| StoreError::Unreadable("the board has no row".to_owned()))?;
    let last: Rev = row.int(1)?;
    let revs: Vec<Rev> = (last + 1 - n..=last).collect();
    for (rev, body) in revs.iter().zip(shown) {
        let sql = "INSERT INTO changes (rev, body) VALUES ($1, $2)";
        db.run(sql, &args![*rev, body.as_str()]).await?;
    }
    Ok(Arranged {
        epoch: row.get(0)?,
        revs,
        ended,
    })
}

async fn admins(db: &mut Conn<'_>) -> Result<u64, StoreError> {
    let sql = "SELECT COUNT(*) FROM people WHERE active AND role = 'admin'";
    db.row(sql, &[]).await?.map_or(Ok(0), |row| row.int(0))
}

/// Refuses where a statement that had to touch one row touched none.
fn one(touched: u64, why: NotArranged) -> Result<(), NotArranged> {
    if touched == 1 { Ok(()) } else { Err(why) }
}

async fn make(
    db: &mut Conn<'_>,
    edit: &Edit,
    now: Timestamp,
    ended: &mut Vec<SessionId>,
) -> Result<(), NotArranged> {
    match edit {
        Edit::EnterPerson { row, password } => enter(db, row, password).await,
        Edit::ChangePerson { row, regroup } => change_person(db, row, *regroup).await,
        Edit::SetStatus { person, status } => {
            let sql =
                "UPDATE people SET presence = $2, status_text = $3, back_at = $4 WHERE id = $1";
            let word = sql::word(&status.presence)?;
            let values = args![*person, word, status.text.as_str(), status.back_at];
            one(db.run(sql, &values).await?, NotArranged::Stale)
        }
        Edit::SetPassword { person, hash } => {
            let sql = "UPDATE people SET password = $2 WHERE id = $1";
            let touched = db.run(sql, &args![*person, hash.as_str()]).await?;
            one(touched, NotArranged::Stale)
        }
        Edit::PutGroup(row) => put_group(db, row).await,
        Edit::DropGroup(id, rev) => {
            needed_by_no_number(db, &format!("\"group\":\"{id}\"")).await?;
            let sql = "UPDATE people SET rev = rev + 1 WHERE id IN (SELECT person FROM members WHERE grp = $1)";
            db.run(sql, &args![id.as_str()]).await?;
            db.run("DELETE FROM members WHERE grp = $1", &args![id.as_str()])
                .await?;
            let sql = "DELETE FROM groups WHERE id = $1 AND rev = $2";
            one(
                db.run(sql, &args![id.as_str(), *rev]).await?,
                NotArranged::Stale,
            )
        }
        Edit::PutSlot(row) => {
            let sql = if row.rev == 1 {
                "INSERT INTO slots (id, rev, name, position, park_ms)
                 SELECT $1, $2, $3, COALESCE(MAX(position), 0) + 1, $4 FROM slots WHERE 1 = 1
                 ON CONFLICT (id) DO NOTHING"
            } else {
                "UPDATE slots SET rev = $2, name = $3, park_ms = $4 WHERE id = $1 AND rev = $2 - 1"
            };
            let values = args![row.id.as_str(), row.rev, row.name.as_str(), row.park_ms];
            one(db.run(sql, &values).await?, NotArranged::Stale)
        }
        Edit::DropSlot(id, rev) => {
            let sql = "SELECT call FROM parked WHERE slot = $1";
            if db.row(sql, &args![id.as_str()]).await?.is_some() {
                let why = format!("A call is parked in {id}. Fetch it first.");
                return Err(NotArranged::Needed(why));
            }
            let sql = "DELETE FROM slots WHERE id = $1 AND rev = $2";
            one(
                db.run(sql, &args![id.as_str(), *rev]).await?,
                NotArranged::Stale,
            )
        }
        Edit::PutQueue(row) => {
            let sql = "UPDATE queues SET rev = $2, name = $3 WHERE id = $1 AND rev = $2 - 1";
            let values = args![row.id.as_str(), row.rev, row.name.as_str()];
            one(db.run(sql, &values).await?, NotArranged::Stale)
        }
        Edit::PutNumber(row) => {
            let sql = if row.rev == 1 {
                "INSERT INTO numbers (number, rev, route) VALUES ($1, $2, $3) ON CONFLICT (number) DO NOTHING"
            } else {
                "UPDATE numbers SET rev = $2, route = $3 WHERE number = $1 AND rev = $2 - 1"
            };
            let values = args![row.number.as_str(), row.rev, sql::json(&row.route)?];
            one(db.run(sql, &values).await?, NotArranged::Stale)
        }
        Edit::DropNumber(number, rev) => {
            let sql = "DELETE FROM numbers WHERE number = $1 AND rev = $2";
            let touched = db.run(sql, &args![number.as_str(), *rev]).await?;
            one(touched, NotArranged::Stale)
        }
        Edit::PutSettings { values, rev } => {
            // The first time there is no row yet.
            let before = rev.saturating_sub(1).to_string();
            let sql = "INSERT INTO settings (key, value) VALUES ('rev', $1)
                       ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE settings.value = $2";
            let touched = db.run(sql, &args![rev.to_string(), before]).await?;
            one(touched, NotArranged::Stale)?;
            for (key, value) in values {
                let sql = "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
                db.run(sql, &args![*key, value.as_str()]).await?;
            }
            Ok(())
        }
        Edit::AddCode(row) => {
            let sql = "INSERT INTO codes (id, hash, kind, maker, person, session, body, since, expires_at)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
            let values = args![
                row.id.as_str(),
                row.hash.as_str(),
                row.kind.word(),
                row.maker,
                row.person,
                row.session.as_ref().map(ToString::to_string),
                row.body.as_str(),
                row.since,
                row.expires
            ];
            db.run(sql, &values).await?;
            Ok(())
        }
        Edit::EndCode(id) => {
            let sql = "UPDATE codes SET over_at = $2 WHERE id = $1 AND over_at IS NULL";
            let touched = db.run(sql, &args![id.as_str(), now]).await?;
            one(touched, NotArranged::Spent)
        }
        Edit::NameCode { id, before, body } => {
            let sql = "UPDATE codes SET body = $3 WHERE id = $1 AND over_at IS NULL AND body = $2";
            let values = args![id.as_str(), before.as_str(), body.as_str()];
            let touched = db.run(sql, &values).await?;
            one(touched, NotArranged::Spent)
        }
        Edit::OpenSession { row, refresh } => {
            let sql = "INSERT INTO sessions (id, person, kind, device, address, parent, since, seen_at, expires_at, last_at, generation, confirmed)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, 1, 0)";
            let values = args![
                row.id.as_str(),
                row.person,
                sql::word(&row.kind)?,
                row.device.as_str(),
                row.address.as_str(),
                row.parent.as_ref().map(ToString::to_string),
                row.since,
                row.expires,
                row.last
            ];
            db.run(sql, &values).await?;
            let sql = "INSERT INTO refreshes (hash, session, generation) VALUES ($1, $2, 1)";
            db.run(sql, &args![refresh.as_str(), row.id.as_str()])
                .await?;
            Ok(())
        }
        Edit::EndSessions { which, why } => {
            let rows = match which {
                Sessions::One(person, id) => {
                    let sql = "UPDATE sessions SET ended_at = $1, ended_why = $2
                               WHERE ended_at IS NULL AND person = $3 AND (id = $4 OR parent = $4) RETURNING id";
                    db.rows(sql, &args![now, *why, *person, id.as_str()])
                        .await?
                }
                Sessions::All(person) => {
                    let sql = "UPDATE sessions SET ended_at = $1, ended_why = $2
                               WHERE ended_at IS NULL AND person = $3 RETURNING id";
                    db.rows(sql, &args![now, *why, *person]).await?
                }
                Sessions::Others(person, id) => {
                    let sql = "UPDATE sessions SET ended_at = $1, ended_why = $2
                               WHERE ended_at IS NULL AND person = $3 AND id <> $4 AND COALESCE(parent, '') <> $4
                                 AND id <> COALESCE((SELECT s.parent FROM sessions s WHERE s.id = $4), '') RETURNING id";
                    db.rows(sql, &args![now, *why, *person, id.as_str()])
                        .await?
                }
            };
            for row in &rows {
                let id: SessionId = row.parse(0)?;
                db.run(
                    "DELETE FROM refreshes WHERE session = $1",
                    &args![id.as_str()],
                )
                .await?;
                ended.push(id);
            }
            Ok(())
        }
    }
}

/// Refuses where somebody else has this e-mail address or extension.
async fn free(db: &mut Conn<'_>, row: &PersonRow) -> Result<(), NotArranged> {
    for (field, value, sql) in [
        (
            "email",
            row.email.as_str(),
            "SELECT name FROM people WHERE email = $1 AND id <> $2",
        ),
        (
            "extension",
            row.extension.as_str(),
            "SELECT name FROM people WHERE extension = $1 AND id <> $2",
        ),
    ] {
        if let Some(found) = db.row(sql, &args![value, row.id]).await? {
            let whose = found.get::<String>(0)?.as_str().into();
            return Err(NotArranged::Taken { field, whose });
        }
    }
    Ok(())
}

async fn enter(db: &mut Conn<'_>, row: &PersonRow, password: &str) -> Result<(), NotArranged> {
    free(db, row).await?;
    let sql = "INSERT INTO people (id, name, email, extension, role, fallback, presence, active, password, rev, grants, languages,
                   status_text, back_at, pending, since)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT (id) DO NOTHING";
    let values = args![
        row.id,
        row.name.as_str(),
        row.email.as_str(),
        row.extension.as_str(),
        sql::word(&row.role)?,
        row.fallback.as_ref().map(ToString::to_string),
        sql::word(&row.status.presence)?,
        row.active,
        password,
        row.rev,
        sql::json(&row.grants)?,
        sql::json(&row.languages)?,
        row.status.text.as_str(),
        row.status.back_at,
        row.pending,
        row.since
    ];
    one(db.run(sql, &values).await?, NotArranged::Stale)?;
    join_groups(db, row).await
}

async fn change_person(
    db: &mut Conn<'_>,
    row: &PersonRow,
    regroup: bool,
) -> Result<(), NotArranged> {
    free(db, row).await?;
    let sql = "UPDATE people SET name = $2, email = $3, extension = $4, role = $5, fallback = $6, active = $7, rev = $8,
                   grants = $9, languages = $10, pending = $11
               WHERE id = $1 AND rev = $8 - 1";
    let values = args![
        row.id,
        row.name.as_str(),
        row.email.as_str(),
        row.extension.as_str(),
        sql::word(&row.role)?,
        row.fallback.as_ref().map(ToString::to_string),
        row.active,
        row.rev,
        sql::json(&row.grants)?,
        sql::json(&row.languages)?,
        row.pending
    ];
    one(db.run(sql, &values).await?, NotArranged::Stale)?;
    if !regroup {
        return Ok(());
    }
    // The groups are others as well: whoever is about to change one of them has to look again.
    let sql =
        "UPDATE groups SET rev = rev + 1 WHERE id IN (SELECT grp FROM members WHERE person = $1)";
    db.run(sql, &args![row.id]).await?;
    db.run("DELETE FROM members WHERE person = $1", &args![row.id])
        .await?;
    join_groups(db, row).await?;
    db.run(sql, &args![row.id]).await?;
    Ok(())
}

async fn join_groups(db: &mut Conn<'_>, row: &PersonRow) -> Result<(), NotArranged> {
    for group in &row.groups {
        let sql = "INSERT INTO members (grp, person) SELECT id, $2 FROM groups WHERE id = $1";
        let touched = db.run(sql, &args![group.as_str(), row.id]).await?;
        let why = NotArranged::Needed(format!("There is no group {group}."));
        one(touched, why)?;
    }
    Ok(())
}

async fn put_group(db: &mut Conn<'_>, row: &GroupRow) -> Result<(), NotArranged> {
    let sql = if row.rev == 1 {
        "INSERT INTO groups (id, rev, name, position) SELECT $1, $2, $3, COALESCE(MAX(position), 0) + 1 FROM groups WHERE 1 = 1
         ON CONFLICT (id) DO NOTHING"
    } else {
        "UPDATE groups SET rev = $2, name = $3 WHERE id = $1 AND rev = $2 - 1"
    };
    let values = args![row.id.as_str(), row.rev, row.name.as_str()];
    one(db.run(sql, &values).await?, NotArranged::Stale)?;
    // The people are others as well: whoever is about to change one of them has to look again.
    let touch =
        "UPDATE people SET rev = rev + 1 WHERE id IN (SELECT person FROM members WHERE grp = $1)";
    db.run(touch, &args![row.id.as_str()]).await?;
    db.run(
        "DELETE FROM members WHERE grp = $1",
        &args![row.id.as_str()],
    )
    .await?;
    for member in &row.members {
        let sql = "INSERT INTO members (grp, person) SELECT $1, id FROM people WHERE id = $2";
        let touched = db.run(sql, &args![row.id.as_str(), *member]).await?;
        let why = NotArranged::Needed(format!("There is nobody with the id {member}."));
        one(touched, why)?;
    }
    db.run(touch, &args![row.id.as_str()]).await?;
    Ok(())
}

/// Refuses where a number's way leads there.
async fn needed_by_no_number(db: &mut Conn<'_>, what: &str) -> Result<(), NotArranged> {
    for row in &db
        .rows("SELECT number, route FROM numbers ORDER BY number", &[])
        .await?
    {
        if row.get::<String>(1)?.contains(what) {
            let number: String = row.get(0)?;
            let why = format!("Calls to {number} ring there. Give that number another way first.");
            return Err(NotArranged::Needed(why));
        }
    }
    Ok(())
}
