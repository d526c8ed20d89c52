//! The audit: who did what, from where, and what came in, as it came. Rows are only ever added.
//!
//! Lines are written in the transaction of what they tell of ([`put`]). A moment later they are sealed: the chain
//! over them is a table beside it, and what a seal is made of is [`crate::sealer`]'s; here is where it is kept.
//! Nothing here must change or remove a line. Read next: [`crate::sealer`].

use std::sync::{Arc, LazyLock};

use cordboard_core::{
    api::{AuditLine, AuditLines},
    ids::{CallId, SessionId, Timestamp, UserId},
};

use super::{
    Store, StoreError, args,
    sql::{Arg, Conn, Row},
};

/// One line of the audit, to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// When.
    pub at: Timestamp,
    /// The person, if one acted.
    pub actor: Option<UserId>,
    /// What happened, in a word.
    pub kind: String,
    /// The call it is about.
    pub call: Option<CallId>,
    /// What came in, as it came.
    pub raw: String,
    /// The sign-in of whoever acted.
    pub session: Option<SessionId>,
    /// Where from.
    pub address: Option<String>,
    /// What it is about, if it is no call: `person u7`.
    pub subject: Option<String>,
    /// How that was before, as JSON.
    pub was: Option<String>,
    /// How it is after, as JSON.
    pub became: Option<String>,
}

impl AuditRow {
    /// A line that says only what happened.
    pub fn new(at: Timestamp, kind: &str) -> Self {
        Self {
            at,
            actor: None,
            kind: kind.to_owned(),
            call: None,
            raw: String::new(),
            session: None,
            address: None,
            subject: None,
            was: None,
            became: None,
        }
    }
}

/// A line as the database has it, every column as it is: what is sealed must not depend on how it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) id: i64,
    pub(crate) at: i64,
    pub(crate) actor: Option<i64>,
    pub(crate) session: Option<String>,
    pub(crate) address: Option<String>,
    pub(crate) kind: String,
    pub(crate) call: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) was: Option<String>,
    pub(crate) became: Option<String>,
    pub(crate) raw: String,
}

/// The columns of a [`Line`], after others.
macro_rules! lines {
    ($before:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $before,
            "a.id, a.at, a.actor, a.session, a.address, a.kind, a.call, a.subject, a.was, a.became, a.raw ",
            $rest
        )
    };
}

impl Line {
    /// The line that such a row will be.
    pub(crate) fn of(id: i64, row: &AuditRow) -> Self {
        Self {
            id,
            at: row.at.millis(),
            actor: row.actor.map(|user| user.0.into()),
            session: row.session.as_ref().map(ToString::to_string),
            address: row.address.clone(),
            kind: row.kind.clone(),
            call: row.call.map(|call| call.to_string()),
            subject: row.subject.clone(),
            was: row.was.clone(),
            became: row.became.clone(),
            raw: row.raw.clone(),
        }
    }

    fn read(row: &Row, first: usize) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get(first)?,
            at: row.get(first + 1)?,
            actor: row.get(first + 2)?,
            session: row.get(first + 3)?,
            address: row.get(first + 4)?,
            kind: row.get(first + 5)?,
            call: row.get(first + 6)?,
            subject: row.get(first + 7)?,
            was: row.get(first + 8)?,
            became: row.get(first + 9)?,
            raw: row.get(first + 10)?,
        })
    }

    fn actor(&self) -> Option<UserId> {
        self.actor.and_then(|u| u32::try_from(u).ok()).map(UserId)
    }

    fn row(self) -> AuditRow {
        AuditRow {
            at: Timestamp::from_millis(self.at),
            actor: self.actor(),
            call: self.call.and_then(|call| call.parse().ok()),
            session: self.session.and_then(|id| id.parse().ok()),
            kind: self.kind,
            address: self.address,
            subject: self.subject,
            was: self.was,
            became: self.became,
            raw: self.raw,
        }
    }

    /// As it is told. `sealed`: its place, and the hash there.
    fn told(self, sealed: Option<(u64, String)>) -> AuditLine {
        // What is no JSON is a text.
        let value = |text: String| serde_json::from_str(&text).unwrap_or(text.into());
        let (place, hash) = sealed.unzip();
        AuditLine {
            id: u64::try_from(self.id).unwrap_or_default(),
            at: Timestamp::from_millis(self.at),
            actor: self.actor(),
            session: self.session.and_then(|id| id.parse().ok()),
            address: self.address.map(|address| address.as_str().into()),
            kind: self.kind.as_str().into(),
            subject: self.subject.or(self.call),
            before: self.was.map(value),
            after: self.became.map(value),
            raw: self.raw,
            place,
            hash,
        }
    }
}

/// What holds a line in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) place: u64,
    /// The number of the line.
    pub(crate) line: i64,
    pub(crate) hash: String,
    /// What only our secret makes of it.
    pub(crate) tag: String,
    pub(crate) key: String,
}

/// What there is at a place of the chain.
#[derive(Debug)]
pub(crate) enum Found {
    /// A seal and its line.
    Line(Seal, Line),
    /// A seal whose line is not there.
    Gone(Seal),
    /// Something at this place that was not written here.
    Unreadable(u64),
}

impl Found {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let place = row.int(0)?;
        let read = || -> Result<Self, StoreError> {
            let seal = Seal {
                place,
                line: row.get(1)?,
                hash: row.get(2)?,
                tag: row.get(3)?,
                key: row.get(4)?,
            };
            if row.get::<Option<i64>>(5)?.is_none() {
                return Ok(Self::Gone(seal));
            }
            Ok(Self::Line(seal, Line::read(row, 5)?))
        };
        Ok(read().unwrap_or(Self::Unreadable(place)))
    }
}

/// The end of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// The last place; 0 before there is one.
    pub(crate) place: u64,
    /// The hash there.
    pub(crate) hash: String,
    /// What seals the end.
    pub(crate) tag: String,
    /// The name of the key.
    pub(crate) key: String,
    /// Up to when every line is sealed.
    pub(crate) swept: Timestamp,
}

/// Writes lines, numbered from `first`.
pub(super) async fn put(
    db: &mut Conn<'_>,
    first: u64,
    rows: &[AuditRow],
) -> Result<(), StoreError> {
    for (line, said) in (first..).zip(rows) {
        let sql = "INSERT INTO audit (id, at, actor, kind, call, raw, session, address, subject, was, became)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
        let values = args![
            line,
            said.at,
            said.actor,
            said.kind.as_str(),
            said.call.map(|c| c.to_string()),
            said.raw.as_str(),
            said.session.as_ref().map(ToString::to_string),
            said.address.clone(),
            said.subject.clone(),
            said.was.clone(),
            said.became.clone()
        ];
        db.run(sql, &values).await?;
    }
    Ok(())
}

/// Writes seals, many with a statement: on SQLite everybody's commit waits for it.
async fn put_seals(db: &mut Conn<'_>, mut seals: &[Seal]) -> Result<(), StoreError> {
    static MANY: LazyLock<String> = LazyLock::new(|| insert(64));
    static SOME: LazyLock<String> = LazyLock::new(|| insert(8));
    static ONE: LazyLock<String> = LazyLock::new(|| insert(1));
    while !seals.is_empty() {
        let (n, sql) = match seals.len() {
            64.. => (64, MANY.as_str()),
            8.. => (8, SOME.as_str()),
            _ => (1, ONE.as_str()),
        };
        let (now, rest) = seals.split_at(n);
        let values: Vec<Arg> = now
            .iter()
            .flat_map(|s| {
                args![
                    s.place,
                    s.line,
                    s.hash.as_str(),
                    s.tag.as_str(),
                    s.key.as_str()
                ]
            })
            .collect();
        db.run(sql, &values).await?;
        seals = rest;
    }
    Ok(())
}

/// The statement that writes so many seals.
fn insert(n: usize) -> String {
    let row = |i: usize| {
        let binds: Vec<String> = (1..=5).map(|k| format!("${}", i * 5 + k)).collect();
        format!("({})", binds.join(", "))
    };
    let rows: Vec<String> = (0..n).map(row).collect();
    format!(
        "INSERT INTO seals (place, line, hash, seal, key) VALUES {}",
        rows.join(", ")
    )
}

impl Store {
    /// How many lines the audit has.
    pub async fn audit_len(&self) -> Result<u64, StoreError> {
        let row = self
            .db
            .row("SELECT COUNT(*) FROM audit", Vec::new())
            .await?;
        row.map_or(Ok(0), |row| row.int(0))
    }

    /// The last `n` lines of the audit, the newest first; between servers, by blocks.
    pub async fn recent_audit(&self, n: usize) -> Result<Vec<AuditRow>, StoreError> {
        let sql = lines!("", "FROM audit a ORDER BY a.id DESC LIMIT $1");
        let rows = self.db.rows(sql, args![n as u64].into()).await?;
        rows.iter()
            .map(|row| Line::read(row, 0).map(Line::row))
            .collect()
    }

    /// At most `limit` lines in the order of the chain, those after that place; where the chain ends, those that are
    /// not sealed yet.
    pub async fn audit(&self, after: Option<u64>, limit: usize) -> Result<AuditLines, StoreError> {
        let limit = limit.max(1);
        let sql = lines!(
            "s.place, s.hash, ",
            "FROM seals s JOIN audit a ON a.id = s.line WHERE s.place > $1 ORDER BY s.place LIMIT $2"
        );
        let values = args![after.unwrap_or(0), limit as u64];
        let mut lines = Vec::new();
        for row in &self.db.rows(sql, values.into()).await? {
            lines.push(Line::read(row, 2)?.told(Some((row.int(0)?, row.get(1)?))));
        }
        if lines.len() == limit {
            let next = lines.last().and_then(|line: &AuditLine| line.place);
            return Ok(AuditLines { lines, next });
        }
        let sql = lines!(
            "",
            "FROM audit a WHERE a.at >= (SELECT swept FROM chain WHERE id = 1)
             AND (SELECT s.place FROM seals s WHERE s.line = a.id) IS NULL ORDER BY a.at, a.id LIMIT $1"
        );
        let left = (limit - lines.len()) as u64;
        for row in &self.db.rows(sql, args![left].into()).await? {
            lines.push(Line::read(row, 0)?.told(None));
        }
        Ok(AuditLines { lines, next: None })
    }

    /// At most `limit` lines, the latest first, sealed or not: those before the line with that number. Their order is that
    /// of their moments, which servers whose clocks differ may tell a little wrong; only the chain's is proof.
    pub async fn latest_audit(
        &self,
        before: Option<u64>,
        limit: usize,
    ) -> Result<AuditLines, StoreError> {
        let limit = limit.max(1);
        // A line that is not there is later than any.
        let sql = lines!(
            "(SELECT s.place FROM seals s WHERE s.line = a.id), (SELECT s.hash FROM seals s WHERE s.line = a.id), ",
            "FROM audit a WHERE (a.at, a.id) < (COALESCE((SELECT b.at FROM audit b WHERE b.id = $1), $2), $1)
             ORDER BY a.at DESC, a.id DESC LIMIT $3"
        );
        let values = args![before.unwrap_or(u64::MAX), u64::MAX, limit as u64];
        let mut lines = Vec::new();
        for row in &self.db.rows(sql, values.into()).await? {
            let place: Option<i64> = row.get(0)?;
            let place = place.and_then(|place| u64::try_from(place).ok());
            lines.push(Line::read(row, 2)?.told(place.zip(row.get(1)?)));
        }
        let full = lines.len() == limit;
        let next = lines.last().filter(|_| full).map(|line| line.id);
        Ok(AuditLines { lines, next })
    }

    /// The end of the chain.
    pub(crate) async fn chain_head(&self) -> Result<Head, StoreError> {
        let sql = "SELECT place, hash, seal, key, swept FROM chain WHERE id = 1";
        let row = self.db.row(sql, Vec::new()).await?;
        let row =
            row.ok_or_else(|| StoreError::Unreadable("the audit's chain has no row".to_owned()))?;
        Ok(Head {
            place: row.int(0)?,
            hash: row.get(1)?,
            tag: row.get(2)?,
            key: row.get(3)?,
            swept: row.time(4)?,
        })
    }

    // That a line has no seal is asked one line at a time, by a subquery that is a value: of NOT EXISTS and of an
    // outer join PostgreSQL may make a join that reads all seals there are, when it misjudges how many lines are new.

    /// Lines between those moments that have no seal, by their time.
    pub(crate) async fn unsealed_between(
        &self,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<Line>, StoreError> {
        let sql = lines!(
            "",
            "FROM audit a WHERE a.at >= $1 AND a.at <= $2
             AND (SELECT s.place FROM seals s WHERE s.line = a.id) IS NULL ORDER BY a.at, a.id LIMIT $3"
        );
        let rows = self
            .db
            .rows(sql, args![from, to, limit as u64].into())
            .await?;
        rows.iter().map(|row| Line::read(row, 0)).collect()
    }

    /// Lines that have no seal, by their number, of those after `after` up to `to`.
    pub(crate) async fn unsealed_numbered(
        &self,
        after: i64,
        to: i64,
        limit: usize,
    ) -> Result<Vec<Line>, StoreError> {
        let sql = lines!(
            "",
            "FROM audit a WHERE a.id > $1 AND a.id <= $2
             AND (SELECT s.place FROM seals s WHERE s.line = a.id) IS NULL ORDER BY a.id LIMIT $3"
        );
        let rows = self
            .db
            .rows(sql, args![after, to, limit as u64].into())
            .await?;
        rows.iter().map(|row| Line::read(row, 0)).collect()
    }

    /// The highest number of a line.
    pub(crate) async fn last_line(&self) -> Result<i64, StoreError> {
        let sql = "SELECT COALESCE(MAX(id), 0) FROM audit";
        let row = self.db.row(sql, Vec::new()).await?;
        row.map_or(Ok(0), |row| row.get(0))
    }

    /// Moves the end of the chain on, unless somebody else has: then it answers no, and nothing has happened. The
    /// chain's row is the first that is written, so two who seal wait for each other, and nobody else for either.
    /// `said` is a line of the sealer's own, with its number; it is written here, and one of `seals` is for it.
    pub(crate) async fn seal(
        &self,
        from: &Head,
        said: Option<(u64, AuditRow)>,
        seals: Vec<Seal>,
        to: Head,
    ) -> Result<bool, StoreError> {
        let all = Arc::new((from.clone(), said, seals, to));
        self.db
            .write(move |mut db: Conn<'_>| {
                let all = all.clone();
                Box::pin(async move {
                    let (from, said, seals, to) = &*all;
                    let sql =
                        "UPDATE chain SET place = $1, hash = $2, seal = $3, key = $4, swept = $5
                               WHERE id = 1 AND place = $6 AND hash = $7 AND key = $8";
                    let values = args![
                        to.place,
                        to.hash.as_str(),
                        to.tag.as_str(),
                        to.key.as_str(),
                        to.swept,
                        from.place,
                        from.hash.as_str(),
                        from.key.as_str()
                    ];
                    if db.run(sql, &values).await? == 0 {
                        return Ok(false);
                    }
                    if let Some((line, row)) = said {
                        put(&mut db, *line, std::slice::from_ref(row)).await?;
                    }
                    put_seals(&mut db, seals).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// A number for a line that is not part of a commit.
    pub(crate) async fn line(&self) -> Result<u64, StoreError> {
        self.lines(1).await
    }

    /// What the chain has after one place, up to another; a place that has nothing is not told.
    pub(crate) async fn chain(
        &self,
        after: u64,
        to: u64,
        limit: usize,
    ) -> Result<Vec<Found>, StoreError> {
        let sql = lines!(
            "s.place, s.line, s.hash, s.seal, s.key, ",
            "FROM seals s LEFT JOIN audit a ON a.id = s.line WHERE s.place > $1 AND s.place <= $2 ORDER BY s.place LIMIT $3"
        );
        let rows = self
            .db
            .rows(sql, args![after, to, limit as u64].into())
            .await?;
        rows.iter().map(Found::read).collect()
    }

    /// At one moment: how many lines there are, how many seals, and the highest place.
    pub(crate) async fn chain_count(&self) -> Result<(u64, u64, u64), StoreError> {
        let sql =
            "SELECT (SELECT COUNT(*) FROM audit), COUNT(*), COALESCE(MAX(place), 0) FROM seals";
        let row = self.db.row(sql, Vec::new()).await?;
        row.map_or(Ok((0, 0, 0)), |row| {
            Ok((row.int(0)?, row.int(1)?, row.int(2)?))
        })
    }
}
