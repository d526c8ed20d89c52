//! The one transaction in which a call changes, with everything that follows from the change.
//!
//! In this order: the fact's token and the command's id (so that a repetition ends before it begins), the call
//! under its revision, the claims on shared things, the legs, cancelled dials, the outcomes of commands, the
//! audit, and last the board's row. That row puts commits in order: from there to the end of the transaction
//! nobody else commits, so board revisions are numbered in the order in which they become visible, and so are
//! requests to the carrier. Everything that can comes before it.
//!
//! A claim is a row under a primary key, so the database decides who was first, also between two servers. All
//! claims that the calls of one commit give up are given up before any is taken, so that a person can go from
//! one call to another in one commit.
//!
//! It must not judge a change: whether a call may move was decided by the call machine. Read next:
//! [`super::outbox`].

use std::{collections::BTreeSet, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use cordboard_core::{
    board::Card,
    call::{Call, Place},
    ids::{CallId, CallSid, LegId, Rev, SlotId, Timestamp, UserId},
    machine::{Effect, Finish},
    wire::{self, Cause},
};
use serde::{Deserialize, Serialize};

use super::{
    AuditRow, Store, StoreError, args, audit,
    calls::{self, CommandRecord},
    outbox::{self, Request},
    sql::{self, Conn, Fault},
};

/// What is to be written, all or nothing. Without changes it only remembers: a fact that was ignored, an audit
/// row.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The time.
    pub now: Timestamp,
    /// The calls that change, each at most once. Their board revisions are given in this order.
    pub changes: Vec<Change>,
    /// What makes the fact recognisable when it comes again: [`Conflict::Seen`] for a week.
    pub seen: Option<String>,
    /// The command that is accepted by this.
    pub command: Option<CommandRow>,
    /// Commands that have ended by this.
    pub outcomes: Vec<CommandOutcome>,
    /// What the audit shall say. A commit that changes a call and says nothing here is given a row all the
    /// same: nothing is done unseen (I6).
    pub audit: Vec<AuditRow>,
    /// What consoles are told brought it about.
    pub cause: Cause,
}

impl Commit {
    /// An empty commit at `now`, because of the time.
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            changes: Vec::new(),
            seen: None,
            command: None,
            outcomes: Vec::new(),
            audit: Vec::new(),
            cause: Cause {
                kind: "time".into(),
                id: None,
            },
        }
    }
}

/// A call as it is to be.
#[derive(Debug, Clone)]
pub struct Change {
    /// The revision it was read at; 0 for a call that is new.
    pub before: Rev,
    /// The call. Its revision is higher than `before`.
    pub call: Call,
    /// What is to be asked of the carrier. [`Effect::Look`] is passed over: reading needs no durable row, the
    /// call's own due time brings it back.
    pub effects: Vec<Effect>,
}

/// A command that is accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRow {
    /// Who sent it.
    pub actor: UserId,
    /// The id they chose, unique for them.
    pub id: String,
    /// Its content, or a hash of it: what tells a repetition from a mistake.
    pub hash: String,
    /// The call it makes or changes.
    pub call: CallId,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutcome {
    /// Who sent it.
    pub actor: UserId,
    /// Its id.
    pub id: String,
    /// Its end. The first one stands; later ones are passed over.
    pub outcome: Outcome,
}

/// What became of an accepted command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Not known yet.
    Pending,
    /// It came true.
    Done,
    /// It did not; a sentence says why.
    Failed(String),
    /// Nobody could say.
    Unknown,
}

/// What a commit brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Which life of the board.
    pub epoch: String,
    /// For each change, in order: the board's revision after it, and the call.
    pub changes: Vec<(Rev, CallId)>,
    /// Legs whose dial or invite was taken back before it was sent. It will never be sent.
    pub cancelled: Vec<LegId>,
}

/// Why nothing was committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Conflict {
    /// The call is not at the revision it was read at (or is there already, or is not there). Read it again.
    #[error("{0} has changed meanwhile")]
    Stale(CallId),
    /// The slot is taken.
    #[error("{slot} is taken by {call}")]
    Slot {
        /// Which.
        slot: SlotId,
        /// The call in it.
        call: CallId,
    },
    /// The person has a claim or a leg in another call.
    #[error("{user} is in {call}")]
    Seat {
        /// Who.
        user: UserId,
        /// The call they are in.
        call: CallId,
    },
    /// This fact was committed before.
    #[error("this was seen before")]
    Seen,
    /// This person has sent a command under this id before.
    #[error("the command was sent before")]
    Command(CommandRecord),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Fault for Conflict {
    fn store(&self) -> Option<&StoreError> {
        match self {
            Self::Store(cause) => Some(cause),
            _ => None,
        }
    }
}

impl Outcome {
    /// How it ended, if it has.
    pub fn ended(self) -> Option<Finish> {
        match self {
            Self::Pending => None,
            Self::Done => Some(Finish::Done),
            Self::Failed(why) => Some(Finish::Failed(why)),
            Self::Unknown => Some(Finish::Unknown),
        }
    }

    /// The word it is stored as, and the reason.
    fn stored(&self) -> (&'static str, Option<String>) {
        match self {
            Self::Pending => ("pending", None),
            Self::Done => ("done", None),
            Self::Failed(why) => ("failed", Some(why.clone())),
            Self::Unknown => ("unknown", None),
        }
    }

    pub(super) fn read(word: &str, why: Option<String>) -> Result<Self, StoreError> {
        match word {
            "pending" => Ok(Self::Pending),
            "done" => Ok(Self::Done),
            "failed" => Ok(Self::Failed(why.unwrap_or_default())),
            "unknown" => Ok(Self::Unknown),
            other => Err(StoreError::Unreadable(format!(
                "“{other}” is not an outcome"
            ))),
        }
    }
}

/// The rows a call has in `parked`, `seated` and `legs`: derived from the call, and kept beside it to see what
/// has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slot: Option<SlotId>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    seats: BTreeSet<(UserId, u16)>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    sids: BTreeSet<(CallSid, u16)>,
}

impl Claims {
    fn of(call: &Call) -> Self {
        Self {
            slot: call.slot().cloned(),
            seats: call.seats().collect(),
            sids: call
                .legs
                .iter()
                .filter_map(|l| Some((l.sid.clone()?, l.n)))
                .collect(),
        }
    }
}

/// A change made ready outside the transaction, which is short because of it.
struct Ready {
    id: CallId,
    before: Rev,
    rev: Rev,
    live: bool,
    due: Option<Timestamp>,
    arrived: Timestamp,
    ended: Option<Timestamp>,
    body: String,
    claims: Claims,
    shown: String,
    cancels: Vec<u16>,
    requests: Vec<Request>,
}

impl Ready {
    fn of(change: &Change, now: Timestamp, cause: &Cause) -> Result<Self, StoreError> {
        let call = &change.call;
        if call.rev <= change.before {
            return Err(StoreError::Invalid(format!(
                "{} was to be stored without a new revision",
                call.id
            )));
        }
        let ended = matches!(call.place, Place::Ended { .. }).then_some(call.since);
        Ok(Self {
            id: call.id,
            before: change.before,
            rev: call.rev,
            live: ended.is_none() || call.due().is_some(),
            due: call.due(),
            arrived: call.arrived,
            ended,
            body: sql::json(call)?,
            claims: Claims::of(call),
            shown: sql::json(&calls::Shown {
                change: wire::Change::Call(Box::new(Card::of(call))),
                cause: cause.clone(),
            })?,
            cancels: change
                .effects
                .iter()
                .filter_map(|e| match e {
                    Effect::Cancel { leg } => Some(*leg),
                    _ => None,
                })
                .collect(),
            requests: change
                .effects
                .iter()
                .filter_map(|e| Request::of(call, e, now).transpose())
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Store {
    /// Writes all of `commit`, or nothing. When it returns `Ok`, it is durable.
    pub async fn commit(&self, mut commit: Commit) -> Result<Committed, Conflict> {
        let changes = commit
            .changes
            .iter()
            .map(|c| Ready::of(c, commit.now, &commit.cause))
            .collect::<Result<Vec<_>, _>>()?;
        if commit.audit.is_empty() && !changes.is_empty() {
            let effects: Vec<_> = commit
                .changes
                .iter()
                .map(|c| (c.call.id, &c.effects))
                .collect();
            let raw = sql::json(&(&commit.cause, effects))?;
            commit.audit.push(AuditRow {
                call: changes.first().map(|c| c.id),
                raw,
                ..AuditRow::new(commit.now, commit.cause.kind.as_str())
            });
        }
        commit.seen = commit.seen.map(recognisable);
        let line = self.lines(commit.audit.len() as u64).await?;
        let commit = Arc::new((commit, changes));
        self.db
            .write(move |db: Conn<'_>| {
                let commit = commit.clone();
                Box::pin(async move { apply(db, &commit.0, &commit.1, line).await })
            })
            .await
    }

    /// The first of `n` numbers for lines of the audit. They are taken from the board's row a block at a time,
    /// because taking them within a commit would have all others wait for the audit's writing too. The price:
    /// two servers' lines are each in order, and interleave by blocks; `at` tells when.
    pub(super) async fn lines(&self, n: u64) -> Result<u64, StoreError> {
        const BLOCK: u64 = 4096;
        let mut lines = self.lines.lock().await;
        if lines.end - lines.start < n {
            let block = n.max(BLOCK);
            let end: u64 = self
                .db
                .write(move |mut db: Conn<'_>| {
                    Box::pin(async move {
                        let sql = "UPDATE board SET line = line + $1 WHERE id = 1 RETURNING line";
                        let row = db.row(sql, &args![block]).await?;
                        row.ok_or(StoreError::Contended)?.int(0)
                    })
                })
                .await?;
            *lines = end - block + 1..end + 1;
        }
        let first = lines.start;
        lines.start += n;
        Ok(first)
    }
}

/// A token comes from outside, and an index takes only so much: a long one is known by its hash.
fn recognisable(token: String) -> String {
    if token.len() <= 200 {
        return token;
    }
    let hash = digest(&SHA256, token.as_bytes());
    hash.as_ref()
        .iter()
        .fold("sha256:".to_owned(), |mut text, byte| {
            use std::fmt::Write as _;
            let _ = write!(text, "{byte:02x}");
            text
        })
}

async fn apply(
    mut db: Conn<'_>,
    commit: &Commit,
    changes: &[Ready],
    first_line: u64,
) -> Result<Committed, Conflict> {
    let db = &mut db;
    if let Some(token) = &commit.seen {
        let sql = "INSERT INTO seen (token, at) VALUES ($1, $2) ON CONFLICT (token) DO NOTHING";
        if db.run(sql, &args![token.as_str(), commit.now]).await? == 0 {
            return Err(Conflict::Seen);
        }
    }
    if let Some(command) = &commit.command {
        accept(db, command, commit.now).await?;
    }
    let claims = write_calls(db, changes).await?;
    claim(db, changes, &claims).await?;
    let mut cancelled = Vec::new();
    for change in changes {
        for leg in &change.cancels {
            if outbox::cancel(db, change.id.leg(*leg)).await? {
                cancelled.push(change.id.leg(*leg));
            }
        }
    }
    for ended in &commit.outcomes {
        let (word, why) = ended.outcome.stored();
        let sql = "UPDATE commands SET outcome = $3, why = $4 WHERE actor = $1 AND id = $2 AND outcome = 'pending'";
        db.run(sql, &args![ended.actor, ended.id.as_str(), word, why])
            .await?;
    }
    audit::put(db, first_line, &commit.audit).await?;
    publish(db, changes, cancelled).await
}

async fn accept(db: &mut Conn<'_>, command: &CommandRow, now: Timestamp) -> Result<(), Conflict> {
    let sql = "INSERT INTO commands (actor, id, hash, call, outcome, at) VALUES ($1, $2, $3, $4, 'pending', $5)
               ON CONFLICT (actor, id) DO NOTHING";
    let (id, hash) = (command.id.as_str(), command.hash.as_str());
    if db
        .run(
            sql,
            &args![command.actor, id, hash, command.call.to_string(), now],
        )
        .await?
        == 1
    {
        return Ok(());
    }
    let row = db
        .row(calls::COMMAND, &args![command.actor, id])
        .await?
        .ok_or(StoreError::Contended)?;
    Err(Conflict::Command(CommandRecord::read(&row)?))
}

/// Moves every call on from the revision it was read at; returns the claims each had. In the order of their
/// ids, so that two commits of the same two calls wait for each other instead of blocking each other.
async fn write_calls(db: &mut Conn<'_>, changes: &[Ready]) -> Result<Vec<Claims>, Conflict> {
    let mut order: Vec<usize> = (0..changes.len()).collect();
    order.sort_by_key(|i| changes[*i].id);
    let mut had = vec![Claims::default(); changes.len()];
    for i in order {
        let c = &changes[i];
        let claims = sql::json(&c.claims)?;
        let values = args![
            c.id.to_string(),
            c.rev,
            c.live,
            c.due,
            c.ended,
            claims,
            c.body.as_str(),
            c.arrived
        ];
        if c.before == 0 {
            let sql = "INSERT INTO calls (id, rev, live, due_at, ended_at, claims, claims_before, body, arrived)
                       VALUES ($1, $2, $3, $4, $5, $6, '{}', $7, $8) ON CONFLICT (id) DO NOTHING";
            if db.run(sql, &values).await? == 0 {
                return Err(Conflict::Stale(c.id));
            }
        } else {
            let sql = "UPDATE calls SET rev = $2, live = $3, due_at = $4, ended_at = $5, claims = $6, claims_before = claims, body = $7, arrived = $8
                       WHERE id = $1 AND rev = $9 RETURNING claims_before";
            let mut values = Vec::from(values);
            values.push(c.before.into());
            let row = db.row(sql, &values).await?.ok_or(Conflict::Stale(c.id))?;
            had[i] = row.json(0)?;
        }
    }
    Ok(had)
}

/// Gives up and takes what the calls' claims say.
async fn claim(db: &mut Conn<'_>, changes: &[Ready], had: &[Claims]) -> Result<(), Conflict> {
    for (change, had) in changes.iter().zip(had) {
        let call = change.id.to_string();
        if let Some(slot) = had
            .slot
            .as_ref()
            .filter(|s| change.claims.slot.as_ref() != Some(s))
        {
            db.run(
                "DELETE FROM parked WHERE slot = $1 AND call = $2",
                &args![slot.as_str(), call.as_str()],
            )
            .await?;
        }
        for (user, _) in had.seats.difference(&change.claims.seats) {
            db.run(
                "DELETE FROM seated WHERE person = $1 AND call = $2",
                &args![*user, call.as_str()],
            )
            .await?;
        }
    }
    for (change, had) in changes.iter().zip(had) {
        let call = change.id;
        if let Some(slot) = change
            .claims
            .slot
            .as_ref()
            .filter(|s| had.slot.as_ref() != Some(s))
        {
            let (take, who) = (
                "INSERT INTO parked (slot, call) VALUES ($1, $2) ON CONFLICT (slot) DO NOTHING",
                "SELECT call FROM parked WHERE slot = $1",
            );
            if let Some(first) = take_or_winner(
                db,
                take,
                &args![slot.as_str(), call.to_string()],
                who,
                &args![slot.as_str()],
            )
            .await?
            {
                return Err(Conflict::Slot {
                    slot: slot.clone(),
                    call: first,
                });
            }
        }
        for (user, leg) in change.claims.seats.difference(&had.seats) {
            let (take, who) = (
                "INSERT INTO seated (person, call, leg) VALUES ($1, $2, $3) ON CONFLICT (person) DO NOTHING",
                "SELECT call FROM seated WHERE person = $1",
            );
            if let Some(first) = take_or_winner(
                db,
                take,
                &args![*user, call.to_string(), *leg],
                who,
                &args![*user],
            )
            .await?
            {
                return Err(Conflict::Seat {
                    user: *user,
                    call: first,
                });
            }
        }
        for (sid, n) in change.claims.sids.difference(&had.sids) {
            let sql = "INSERT INTO legs (sid, turn, call, n) SELECT $1, COALESCE(MAX(turn), 0) + 1, $2, $3 FROM legs WHERE sid = $1
                       ON CONFLICT (sid, call, n) DO NOTHING";
            db.run(sql, &args![sid.as_str(), call.to_string(), *n])
                .await?;
        }
    }
    Ok(())
}

/// Makes a row that only one may have, or says whose it is.
async fn take_or_winner(
    db: &mut Conn<'_>,
    take: &'static str,
    values: &[sql::Arg],
    who: &'static str,
    key: &[sql::Arg],
) -> Result<Option<CallId>, StoreError> {
    // Between the two statements its holder may give it up: then it is there to be taken.
    for _ in 0..4 {
        if db.run(take, values).await? == 1 {
            return Ok(None);
        }
        if let Some(row) = db.row(who, key).await? {
            return Ok(Some(row.parse(0)?));
        }
    }
    Err(StoreError::Contended)
}

/// The end of the transaction: the board's row, and what is numbered by it.
async fn publish(
    db: &mut Conn<'_>,
    changes: &[Ready],
    cancelled: Vec<LegId>,
) -> Result<Committed, Conflict> {
    let revs = changes.len() as u64;
    let requests = changes.iter().map(|c| c.requests.len() as u64).sum();
    // What changes nothing that is seen need not wait for its turn.
    let row = if revs == 0 {
        db.row("SELECT epoch, rev, line FROM board WHERE id = 1", &[])
            .await?
    } else {
        let sql = "UPDATE board SET rev = rev + $1, line = line + $2 WHERE id = 1
                   RETURNING epoch, rev, line";
        db.row(sql, &args![revs, requests]).await?
    };
    let row = row.ok_or_else(|| StoreError::Unreadable("the board has no row".to_owned()))?;
    let mut rev = row.int::<Rev>(1)?.saturating_sub(revs);
    let mut line = row.int::<u64>(2)?.saturating_sub(requests);
    let mut numbered = Vec::with_capacity(changes.len());
    for change in changes {
        rev += 1;
        let sql = "INSERT INTO changes (rev, body) VALUES ($1, $2)";
        db.run(sql, &args![rev, change.shown.as_str()]).await?;
        numbered.push((rev, change.id));
        for request in &change.requests {
            line += 1;
            outbox::put(db, line, change.id, request).await?;
        }
    }
    Ok(Committed {
        epoch: row.get(0)?,
        changes: numbered,
        cancelled,
    })
}
