//! What must not be lost: calls, claims, requests to the carrier, commands, the audit, and the house they
//! belong to.
//!
//! All SQL of the project lives in this module and in `migrations/`. One body of it runs on SQLite, which is
//! embedded and the default, and on PostgreSQL. A change of a call is one [`Commit`]: it has happened entirely,
//! with everything that follows from it, or not at all, and then a [`Conflict`] names who was first.
//!
//! The store keeps what it is given. It must not decide what a call does next, know the carrier, or publish
//! anything. The time comes in from outside.
//!
//! Read next: `store/commit.rs` (the one transaction), `calls.rs` (reading), `outbox.rs` (requests to the
//! carrier), `house.rs` (people, slots, numbers), `sql.rs` (two databases).

mod arrange;
mod audit;
mod calls;
mod codes;
mod commit;
mod house;
mod outbox;
mod people;
mod sessions;
mod sql;

use std::{ops::Range, sync::Arc};

use tokio::sync::Mutex;

pub use arrange::{Arranged, Arrangement, Edit, Guard, NotArranged, Sessions};
pub use audit::AuditRow;
pub(crate) use audit::{Found, Head, Line, Seal};
pub use calls::CommandRecord;
pub use codes::{CodeKind, CodeRow};
pub use commit::{Change, CommandOutcome, CommandRow, Commit, Committed, Conflict, Outcome};
pub use house::{GroupRow, NumberRow, QueueRow, SlotRow};
pub use outbox::{OutboxRow, State};
pub use people::{NewPerson, PersonRow};
pub use sessions::{Renewed, SessionRow};

pub(crate) use sql::file_of;
use sql::{Db, args};

/// How many rows are forgotten at once: no commit waits long behind that.
const PORTION: u64 = 2_000;

/// An open database. Clones are the same one.
#[derive(Clone)]
pub struct Store {
    db: Db,
    /// Who takes rows of the outbox: one word a process.
    owner: Arc<str>,
    /// Numbers that this process may give to lines of the audit.
    lines: Arc<Mutex<Range<u64>>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match &self.db {
            Db::Sqlite { readers: None, .. } => "memory",
            Db::Sqlite { .. } => "sqlite",
            Db::Postgres(_) => "postgres",
        };
        write!(f, "Store({kind})")
    }
}

/// Why the store cannot do something. Cheap to clone: one lost transaction may have many who wait for it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The URL leads to no kind of database we know. The URL itself is not repeated: it may hold a password.
    #[error(
        "the database address is not understood: {0}. Write sqlite:FILE or postgres://USER@HOST/NAME"
    )]
    Address(String),
    /// No connection could be had, within the time a person will wait.
    #[error("the database cannot be reached: {0}")]
    Unreachable(Arc<sqlx::Error>),
    /// The schema could not be brought up to date.
    #[error("the database could not be brought up to date: {0}")]
    Migrate(Arc<sqlx::migrate::MigrateError>),
    /// A statement failed. Nothing of its transaction was kept.
    #[error("the database refused: {0}")]
    Database(Arc<sqlx::Error>),
    /// The connection was lost while the database was committing. When the same is tried again, the fact's
    /// token, the command's id or the call's revision tells whether this was kept.
    #[error(
        "the connection to the database was lost during a commit, and nobody can say whether it was kept: {0}"
    )]
    Uncertain(Arc<sqlx::Error>),
    /// A row is not what this version can read.
    #[error("a row of the database cannot be read: {0}")]
    Unreadable(String),
    /// Others were first, again and again.
    #[error("too many changed the same thing at once. Try again")]
    Contended,
    /// What was to be written contradicts itself or what is there; the sentence says how.
    #[error("{0}")]
    Invalid(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// For what fails before there is a connection.
    fn unreachable(cause: sqlx::Error) -> Self {
        match cause {
            sqlx::Error::PoolClosed => Self::Closed,
            cause => Self::Unreachable(Arc::new(cause)),
        }
    }

    /// For what a commit itself fails with.
    fn during_commit(cause: sqlx::Error) -> Self {
        // A refusal (a deadlock, say) is a clear answer; anything that ends the connection is none.
        let refused = cause
            .as_database_error()
            .is_some_and(|e| e.code().is_none_or(|code| !code.starts_with("57P")));
        if refused {
            cause.into()
        } else {
            Self::Uncertain(Arc::new(cause))
        }
    }

    /// Whether trying the whole transaction again is safe and may help: the database has kept nothing of it,
    /// and either asks for that (PostgreSQL's documentation, "Serialization Failure Handling") or was lost
    /// before the commit. 23505 is two who make the same new row; the second try finds it.
    fn passing(&self) -> bool {
        let Self::Database(cause) = self else {
            return false;
        };
        match &**cause {
            sqlx::Error::Io(_) => true,
            cause => cause
                .as_database_error()
                .and_then(|e| {
                    e.code()
                        .map(|code| matches!(&*code, "40001" | "40P01" | "23505" | "57P01"))
                })
                .unwrap_or(false),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(cause: sqlx::Error) -> Self {
        match cause {
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Closed,
            cause => Self::Database(Arc::new(cause)),
        }
    }
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(cause: sqlx::migrate::MigrateError) -> Self {
        Self::Migrate(Arc::new(cause))
    }
}

impl Store {
    /// Opens `sqlite:FILE` (made if it is not there), `sqlite::memory:` or `postgres://…`, and brings its
    /// schema up to date.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let db = Db::open(url).await?;
        let epoch = one_off();
        db.run("INSERT INTO board (id, epoch, rev, line) VALUES (1, $1, 0, 0) ON CONFLICT (id) DO NOTHING", args![epoch].into()).await?;
        Ok(Self {
            db,
            owner: one_off().into(),
            lines: Arc::new(Mutex::new(1..1)),
        })
    }

    /// Finishes what is waiting to be written, and lets go of the database. Whoever still has a clone is told
    /// that it is closed.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Forgets what has served its time: facts seen more than 7 days ago (Twilio repeats a webhook within
    /// minutes), and changes of the board beyond the last 100,000 (a console that missed more is sent a
    /// snapshot).
    pub async fn prune(&self, now: cordboard_core::ids::Timestamp) -> Result<(), StoreError> {
        const SEEN_MS: i64 = 7 * 24 * 3_600_000;
        let sql = "DELETE FROM seen WHERE token IN (SELECT token FROM seen WHERE at < $1 LIMIT $2)";
        while self
            .db
            .run(sql, args![now.plus(-SEEN_MS), PORTION].into())
            .await?
            == PORTION
        {}
        self.prune_changes(100_000).await
    }
}

/// A word that no other process and no other board has.
#[expect(
    clippy::disallowed_methods,
    reason = "by its epoch a console knows that it talks to the same history: drawn from a seed it could repeat"
)]
fn one_off() -> String {
    format!("{:016x}", rand::random::<u64>())
}
