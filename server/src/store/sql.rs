//! Two databases, one way to ask: connections, bound values, rows, and who may write when.
//!
//! Every statement of the store is written once and runs on both. That is possible because it keeps to what
//! both understand (`$1` binds, `ON CONFLICT`, `RETURNING`, partial indexes) and to three types: text, 64-bit
//! integers and booleans. An enum of two connections does it in a page; sqlx's `Any` driver was tried and knows
//! fewer types, and a trait with two implementations would be two bodies of SQL.
//!
//! Writing differs, and only here. PostgreSQL takes transactions side by side and may ask for one to be tried
//! again. SQLite has one writer, a task that commits everything that is waiting in one transaction, each piece
//! of work in a savepoint of its own: durable commits cost one wait for the disk a group instead of one each.
//!
//! This module must not know a table. Read next: [`super::commit`].

use std::{borrow::Cow, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use cordboard_core::ids::{Timestamp, UserId};
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use sqlx::{
    Connection as _, Decode, PgConnection, PgPool, Postgres, Row as _, Sqlite, SqliteConnection,
    SqlitePool, Type,
    migrate::Migrator,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions, PgRow},
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
    },
};
use tokio::sync::{mpsc, oneshot};

use super::StoreError;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// How many pieces of work one SQLite transaction takes. Bounds how long the first of them waits for the last.
const GROUP: usize = 128;
/// How much work may wait for the SQLite writer before those who bring more are made to wait themselves.
const WAITING: usize = 1024;
/// How long PostgreSQL may take for a transaction or a query, as this side counts: longer than the limits that
/// it keeps itself, which make the clearer errors. A host that vanishes says nothing at all, and keeps nothing.
const PATIENCE: Duration = Duration::from_secs(7);
/// How often PostgreSQL may ask for a transaction to be tried again before we give up.
const TRIES: u32 = 8;

/// A piece of writing: all of it happens or none. It may run more than once, so it must not keep anything of a
/// former run.
pub(super) trait Work<T, E>:
    for<'c> Fn(Conn<'c>) -> BoxFuture<'c, Result<T, E>> + Send + Sync + 'static
{
}
impl<T, E, F> Work<T, E> for F where
    F: for<'c> Fn(Conn<'c>) -> BoxFuture<'c, Result<T, E>> + Send + Sync + 'static
{
}

/// What work fails with: the store's own errors, or something that contains them.
pub(super) trait Fault: From<StoreError> + Send + 'static {
    /// The store's error, if it is one.
    fn store(&self) -> Option<&StoreError>;
}

impl Fault for StoreError {
    fn store(&self) -> Option<&StoreError> {
        Some(self)
    }
}

/// A database, open.
#[derive(Clone)]
pub(super) enum Db {
    Sqlite {
        /// None for a database in memory: all its connections would share one cache and block each other, so
        /// the writer reads too.
        readers: Option<SqlitePool>,
        writer: Writer,
    },
    Postgres(PgPool),
}

/// The file of a `sqlite:` address; none for one in memory, or of another kind.
pub(crate) fn file_of(url: &str) -> Option<PathBuf> {
    if !url.starts_with("sqlite:") || in_memory(url) {
        return None;
    }
    let options = SqliteConnectOptions::from_str(url).ok()?;
    Some(options.get_filename().to_owned())
}

fn in_memory(url: &str) -> bool {
    url.contains(":memory:") || url.contains("mode=memory")
}

impl Db {
    /// Opens the database, makes it if it is an SQLite file that is not there, and applies the migrations that
    /// it lacks.
    pub(super) async fn open(url: &str) -> Result<Self, StoreError> {
        if url.starts_with("sqlite:") {
            Self::open_sqlite(url).await
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Self::open_postgres(url).await
        } else {
            // The address is not repeated: it may hold a password.
            Err(StoreError::Address(
                "it begins with neither sqlite: nor postgres:".to_owned(),
            ))
        }
    }

    async fn open_sqlite(url: &str) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|e| StoreError::Address(e.to_string()))?
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .journal_mode(SqliteJournalMode::Wal)
            // Without FULL, a power cut may take back what we have told the carrier.
            .synchronous(SqliteSynchronous::Full)
            // Each connection keeps pages of its own, 2 MB of them if it is let, which the system keeps as well.
            .pragma("cache_size", "-512")
            .pragma("temp_store", "memory");
        let mut connection = SqliteConnection::connect_with(&options)
            .await
            .map_err(StoreError::unreachable)?;
        MIGRATIONS.run(&mut connection).await?;
        let readers = (!in_memory(url)).then(|| {
            SqlitePoolOptions::new()
                .max_connections(4)
                .acquire_timeout(Duration::from_secs(3))
                .connect_lazy_with(options.read_only(true).create_if_missing(false))
        });
        Ok(Self::Sqlite {
            readers,
            writer: Writer::start(connection),
        })
    }

    async fn open_postgres(url: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|e| StoreError::Address(e.to_string()))?
            .application_name("cordboard");
        // On a connection of its own, without our time limits: another instance may be migrating, and is waited
        // for.
        let mut connection = PgConnection::connect_with(&options)
            .await
            .map_err(StoreError::unreachable)?;
        MIGRATIONS.run(&mut connection).await?;
        connection.close().await.map_err(StoreError::unreachable)?;
        let options = options.options([
            ("statement_timeout", "5s"),
            ("lock_timeout", "3s"),
            ("idle_in_transaction_session_timeout", "10s"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(16)
            .acquire_timeout(Duration::from_secs(3))
            // Asking each time whether a connection still lives would cost every commit a round trip. A restart
            // of the database is found by the idle ones.
            .test_before_acquire(false)
            .before_acquire(|connection, seen| {
                Box::pin(async move {
                    if seen.idle_for > Duration::from_secs(1) {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Ok(Self::Postgres(pool))
    }

    /// Finishes what is waiting to be written and lets go of the database.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite { readers, writer } => {
                if let Some(readers) = readers {
                    readers.close().await;
                }
                writer.stop().await;
            }
            Self::Postgres(pool) => pool.close().await,
        }
    }

    /// What one query finds.
    pub(super) async fn rows(
        &self,
        sql: &'static str,
        args: Vec<Arg>,
    ) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite {
                readers: Some(pool),
                ..
            } => {
                Conn::Sqlite(&mut *pool.acquire().await.map_err(StoreError::unreachable)?)
                    .rows(sql, &args)
                    .await
            }
            Self::Sqlite {
                readers: None,
                writer,
            } => {
                let args = Arc::new(args);
                writer
                    .write(move |mut db: Conn<'_>| {
                        let args = args.clone();
                        Box::pin(async move { db.rows(sql, &args).await })
                    })
                    .await
            }
            Self::Postgres(pool) => {
                let mut tries = 1;
                loop {
                    match read_once(pool, sql, &args).await {
                        Err(fault) if fault.passing() => pause(&mut tries, fault).await?,
                        other => return other,
                    }
                }
            }
        }
    }

    /// The first row that one query finds.
    pub(super) async fn row(
        &self,
        sql: &'static str,
        args: Vec<Arg>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// Writes with one statement; returns how many rows it touched.
    pub(super) async fn run(&self, sql: &'static str, args: Vec<Arg>) -> Result<u64, StoreError> {
        let args = Arc::new(args);
        self.write(move |mut db: Conn<'_>| {
            let args = args.clone();
            Box::pin(async move { db.run(sql, &args).await })
        })
        .await
    }

    /// Does `work` in one transaction. It has happened, durably, when this returns `Ok`; it has not when this
    /// returns an error, but for [`StoreError::Uncertain`].
    pub(super) async fn write<T: Send + 'static, E: Fault>(
        &self,
        work: impl Work<T, E>,
    ) -> Result<T, E> {
        match self {
            Self::Sqlite { writer, .. } => writer.write(work).await,
            Self::Postgres(pool) => {
                let mut tries = 1;
                loop {
                    match write_once(pool, &work).await {
                        Err(fault) if fault.store().is_some_and(StoreError::passing) => {
                            pause(&mut tries, fault).await?;
                        }
                        other => return other,
                    }
                }
            }
        }
    }
}

/// Waits before the next try, or gives up. Of those who collide, the database lets one go on; so waiting longer
/// each time parts the others without dice.
async fn pause<E>(tries: &mut u32, fault: E) -> Result<(), E> {
    if *tries == TRIES {
        return Err(fault);
    }
    tokio::time::sleep(Duration::from_millis(1 << *tries)).await;
    *tries += 1;
    Ok(())
}

async fn read_once(pool: &PgPool, sql: &'static str, args: &[Arg]) -> Result<Vec<Row>, StoreError> {
    let mut connection = pool.acquire().await.map_err(StoreError::unreachable)?;
    match tokio::time::timeout(PATIENCE, Conn::Postgres(&mut connection).rows(sql, args)).await {
        Ok(found) => found,
        Err(_) => Err(StoreError::unreachable(abandon(connection))),
    }
}

async fn write_once<T, E: Fault>(pool: &PgPool, work: &impl Work<T, E>) -> Result<T, E> {
    let mut connection = pool.acquire().await.map_err(StoreError::unreachable)?;
    let mut committing = false;
    let transaction = async {
        let mut tx = connection.begin().await.map_err(StoreError::from)?;
        match work(Conn::Postgres(&mut tx)).await {
            Ok(done) => {
                committing = true;
                tx.commit().await.map_err(StoreError::during_commit)?;
                Ok(done)
            }
            Err(fault) => {
                // If this fails too, the pool throws the connection away.
                let _ = tx.rollback().await;
                Err(fault)
            }
        }
    };
    if let Ok(done) = tokio::time::timeout(PATIENCE, transaction).await {
        return done;
    }
    let late = abandon(connection);
    let why = if committing {
        StoreError::during_commit(late)
    } else {
        // Its commit was never asked for, so nothing of it is kept.
        StoreError::unreachable(late)
    };
    Err(why.into())
}

/// Throws a connection away that does not answer: given back, the pool would wait for it, with its place taken.
fn abandon(connection: PoolConnection<Postgres>) -> sqlx::Error {
    drop(connection.detach());
    let why = format!("no answer within {} s", PATIENCE.as_secs());
    std::io::Error::new(std::io::ErrorKind::TimedOut, why).into()
}

/// The one task that writes to an SQLite database. It ends when it is told to, or when nobody is left who could
/// bring it work.
#[derive(Clone)]
pub(super) struct Writer {
    /// None tells it to stop.
    queue: mpsc::Sender<Option<Box<dyn Job>>>,
}

/// A piece of work with somebody who waits for it.
trait Job: Send {
    /// Does the work; returns whether it shall be kept.
    fn run<'c>(&'c mut self, db: Conn<'c>) -> BoxFuture<'c, bool>;
    /// Tells whoever waits. `lost`: why nothing was kept although the work went well.
    fn answer(self: Box<Self>, lost: Option<StoreError>);
}

struct Waiting<T, E, W> {
    work: W,
    result: Option<Result<T, E>>,
    to: oneshot::Sender<Result<T, E>>,
}

impl<T: Send, E: Fault, W: Work<T, E>> Job for Waiting<T, E, W> {
    fn run<'c>(&'c mut self, db: Conn<'c>) -> BoxFuture<'c, bool> {
        Box::pin(async move {
            let result = (self.work)(db).await;
            self.result.insert(result).is_ok()
        })
    }

    fn answer(self: Box<Self>, lost: Option<StoreError>) {
        let result = match (self.result, lost) {
            (Some(Err(fault)), _) => Err(fault),
            (_, Some(lost)) => Err(lost.into()),
            (Some(done), None) => done,
            (None, None) => Err(StoreError::Closed.into()),
        };
        // That nobody waits any more is no reason to undo it.
        let _ = self.to.send(result);
    }
}

impl Writer {
    fn start(connection: SqliteConnection) -> Self {
        let (queue, jobs) = mpsc::channel(WAITING);
        tokio::spawn(write_in_groups(connection, jobs));
        Self { queue }
    }

    async fn write<T: Send + 'static, E: Fault>(&self, work: impl Work<T, E>) -> Result<T, E> {
        let (to, answer) = oneshot::channel();
        self.queue
            .send(Some(Box::new(Waiting {
                work,
                result: None,
                to,
            })))
            .await
            .map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    async fn stop(&self) {
        // An error says that it has stopped already.
        let _ = self.queue.send(None).await;
        self.queue.closed().await;
    }
}

async fn write_in_groups(
    mut connection: SqliteConnection,
    mut jobs: mpsc::Receiver<Option<Box<dyn Job>>>,
) {
    let mut come = Vec::with_capacity(GROUP);
    let mut stop = false;
    while !stop && jobs.recv_many(&mut come, GROUP).await > 0 {
        stop = come.iter().any(Option::is_none);
        let mut group: Vec<Box<dyn Job>> = come.drain(..).flatten().collect();
        let lost = write_group(&mut connection, &mut group).await.err();
        if let Some(cause) = &lost {
            tracing::error!(%cause, waiting = group.len(), "a group of commits was lost");
        }
        for job in group {
            job.answer(lost.clone());
        }
    }
    if let Err(cause) = connection.close().await {
        tracing::warn!(%cause, "the database did not close cleanly; its journal is read at the next start");
    }
    // Only now: whoever waits for the end waits for this.
    drop(jobs);
}

/// The words are said here and not by sqlx's `Transaction`: SQLite may roll back on its own (a full disk),
/// after which sqlx would count itself inside a transaction for ever.
async fn write_group(
    connection: &mut SqliteConnection,
    group: &mut [Box<dyn Job>],
) -> Result<(), StoreError> {
    // IMMEDIATE: a transaction that begins by reading and then writes may fail at once where this one waits its
    // turn.
    say(connection, "BEGIN IMMEDIATE").await?;
    let done = async {
        // Alone, it needs no savepoint to fall back to; each statement is two hand-overs between threads, which
        // is what a quiet house waits for.
        if let [job] = group {
            let kept = job.run(Conn::Sqlite(connection)).await;
            return say(connection, if kept { "COMMIT" } else { "ROLLBACK" }).await;
        }
        for job in group {
            say(connection, "SAVEPOINT one").await?;
            if !job.run(Conn::Sqlite(connection)).await {
                say(connection, "ROLLBACK TO one").await?;
            }
            say(connection, "RELEASE one").await?;
        }
        say(connection, "COMMIT").await
    }
    .await;
    if done.is_err() {
        // It may have rolled back by itself; then this fails, and that is well.
        let _ = say(connection, "ROLLBACK").await;
    }
    done
}

async fn say(connection: &mut SqliteConnection, words: &'static str) -> Result<(), StoreError> {
    sqlx::query(words).execute(connection).await?;
    Ok(())
}

/// A connection, within a transaction or not.
pub(super) enum Conn<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// One body for both: `$query` with its values bound, as the statement of whichever database `$conn` leads to.
macro_rules! on {
    ($conn:expr, $sql:expr, $args:expr, |$query:ident, $c:ident| $body:expr) => {
        match $conn {
            Conn::Sqlite($c) => {
                let mut $query = sqlx::query::<Sqlite>($sql);
                for arg in $args {
                    $query = bind!($query, arg);
                }
                let $c = &mut **$c;
                $body
            }
            Conn::Postgres($c) => {
                let mut $query = sqlx::query::<Postgres>($sql);
                for arg in $args {
                    $query = bind!($query, arg);
                }
                let $c = &mut **$c;
                $body
            }
        }
    };
}

macro_rules! bind {
    ($query:expr, $arg:expr) => {
        match $arg {
            Arg::Text(text) => $query.bind(text.as_deref()),
            Arg::Int(int) => $query.bind(*int),
            Arg::Flag(flag) => $query.bind(*flag),
        }
    };
}

impl Conn<'_> {
    /// Runs a statement; returns how many rows it touched.
    pub(super) async fn run(&mut self, sql: &'static str, args: &[Arg]) -> Result<u64, StoreError> {
        Ok(on!(self, sql, args, |query, c| query
            .execute(c)
            .await?
            .rows_affected()))
    }

    /// Everything a statement finds or returns.
    pub(super) async fn rows(
        &mut self,
        sql: &'static str,
        args: &[Arg],
    ) -> Result<Vec<Row>, StoreError> {
        Ok(on!(self, sql, args, |query, c| query
            .fetch_all(c)
            .await?
            .into_iter()
            .map(Row::from)
            .collect()))
    }

    /// The first row a statement finds or returns.
    pub(super) async fn row(
        &mut self,
        sql: &'static str,
        args: &[Arg],
    ) -> Result<Option<Row>, StoreError> {
        Ok(on!(self, sql, args, |query, c| query
            .fetch_optional(c)
            .await?
            .map(Row::from)))
    }
}

/// A value for a `$n`. Without a value it still has its type, which PostgreSQL wants to know.
#[derive(Debug)]
pub(super) enum Arg {
    Text(Option<String>),
    Int(Option<i64>),
    Flag(bool),
}

/// A text that PostgreSQL can keep. It has no place for NUL, which anybody on the Internet can put into a form.
impl From<&str> for Arg {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}
impl From<String> for Arg {
    fn from(text: String) -> Self {
        Self::Text(Some(if text.contains('\0') {
            text.replace('\0', "\u{fffd}")
        } else {
            text
        }))
    }
}
impl From<Option<String>> for Arg {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::Text(None), Self::from)
    }
}
impl From<i64> for Arg {
    fn from(int: i64) -> Self {
        Self::Int(Some(int))
    }
}
impl From<u16> for Arg {
    fn from(int: u16) -> Self {
        Self::Int(Some(int.into()))
    }
}
impl From<u32> for Arg {
    fn from(int: u32) -> Self {
        Self::Int(Some(int.into()))
    }
}
/// Revisions and limits: they count from 0 and never come near the end.
impl From<u64> for Arg {
    fn from(int: u64) -> Self {
        Self::Int(Some(i64::try_from(int).unwrap_or(i64::MAX)))
    }
}
impl From<Option<u16>> for Arg {
    fn from(int: Option<u16>) -> Self {
        Self::Int(int.map(i64::from))
    }
}
impl From<Option<i64>> for Arg {
    fn from(int: Option<i64>) -> Self {
        Self::Int(int)
    }
}
impl From<Timestamp> for Arg {
    fn from(at: Timestamp) -> Self {
        Self::Int(Some(at.millis()))
    }
}
impl From<Option<Timestamp>> for Arg {
    fn from(at: Option<Timestamp>) -> Self {
        Self::Int(at.map(Timestamp::millis))
    }
}
impl From<UserId> for Arg {
    fn from(user: UserId) -> Self {
        Self::Int(Some(user.0.into()))
    }
}
impl From<Option<UserId>> for Arg {
    fn from(user: Option<UserId>) -> Self {
        Self::Int(user.map(|u| u.0.into()))
    }
}
impl From<bool> for Arg {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// The values of a statement, in order.
macro_rules! args {
    ($($value:expr),* $(,)?) => { [$($crate::store::sql::Arg::from($value)),*] };
}
pub(super) use args;

/// One row of either database.
pub(super) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self::Sqlite(row)
    }
}
impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self::Postgres(row)
    }
}

impl Row {
    /// The value of the column with that number, counted from 0.
    pub(super) fn get<T>(&self, column: usize) -> Result<T, StoreError>
    where
        T: for<'r> Decode<'r, Sqlite>
            + Type<Sqlite>
            + for<'r> Decode<'r, Postgres>
            + Type<Postgres>,
    {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Postgres(row) => row.try_get(column)?,
        })
    }

    /// A text that must be a `T`. What a database holds is checked as if it came from outside: it may be older
    /// than we are, or mended by hand.
    pub(super) fn parse<T: FromStr<Err: std::fmt::Display>>(
        &self,
        column: usize,
    ) -> Result<T, StoreError> {
        self.get::<String>(column)?
            .parse()
            .map_err(|why: T::Err| StoreError::Unreadable(why.to_string()))
    }

    /// A JSON text that must be a `T`.
    pub(super) fn json<T: DeserializeOwned>(&self, column: usize) -> Result<T, StoreError> {
        serde_json::from_str(&self.get::<String>(column)?)
            .map_err(|why| StoreError::Unreadable(why.to_string()))
    }

    /// An integer that must fit, such as a revision or the number of a leg.
    pub(super) fn int<T: TryFrom<i64>>(&self, column: usize) -> Result<T, StoreError> {
        let int: i64 = self.get(column)?;
        T::try_from(int)
            .map_err(|_| StoreError::Unreadable(format!("the number {int} is out of range")))
    }

    /// A moment.
    pub(super) fn time(&self, column: usize) -> Result<Timestamp, StoreError> {
        self.get(column).map(Timestamp::from_millis)
    }

    /// A moment that may not have come.
    pub(super) fn maybe_time(&self, column: usize) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp::from_millis))
    }
}

/// Writes a value as the JSON text that [`Row::json`] reads.
pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|why| StoreError::Unreadable(why.to_string()))
}

/// A word such as a role's, as serde spells it: so a column says `read-only` and not `"read-only"`.
pub(super) fn word<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        other => Err(StoreError::Unreadable(format!("{other:?} is not a word"))),
    }
}

/// The other way.
pub(super) fn of_word<T: DeserializeOwned>(word: &str) -> Result<T, StoreError> {
    serde_json::from_value(Cow::from(word).into())
        .map_err(|why| StoreError::Unreadable(why.to_string()))
}
