//! Reading what was committed: calls, the board's history, commands.
//!
//! Nothing here writes but the pruning of old changes. Read next: [`super::commit`].

use cordboard_core::{
    call::Call,
    ids::{CallId, CallSid, LegId, Rev, Timestamp, UserId},
    wire::{Cause, Change, Delta, Position},
};
use serde::{Deserialize, Serialize};

use super::{Outcome, PORTION, Store, StoreError, args, sql::Row};

/// The statement that finds one command, by actor and id.
pub(super) const COMMAND: &str =
    "SELECT hash, call, outcome, why FROM commands WHERE actor = $1 AND id = $2";

/// A command that was accepted before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandRecord {
    /// Its content, or a hash of it.
    pub hash: String,
    /// The call it made or changed.
    pub call: CallId,
    /// What became of it.
    pub outcome: Outcome,
}

impl CommandRecord {
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            hash: row.get(0)?,
            call: row.parse(1)?,
            outcome: Outcome::read(&row.get::<String>(2)?, row.get(3)?)?,
        })
    }
}

/// What is stored of a delta. Its position is the row's number, and the board's epoch.
#[derive(Serialize, Deserialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    pub(super) change: Change,
    pub(super) cause: Cause,
}

impl Store {
    /// The call, as it was last committed.
    pub async fn load(&self, id: CallId) -> Result<Option<Call>, StoreError> {
        let row = self
            .db
            .row(
                "SELECT body FROM calls WHERE id = $1",
                args![id.to_string()].into(),
            )
            .await?;
        row.map(|row| row.json(0)).transpose()
    }

    /// Which leg a connection is now. One that has moved from call to call is where it went last.
    pub async fn call_of_sid(&self, sid: &CallSid) -> Result<Option<LegId>, StoreError> {
        Ok(self.legs_of_sid(sid).await?.into_iter().next())
    }

    /// Every leg a connection has been, the newest first.
    pub async fn legs_of_sid(&self, sid: &CallSid) -> Result<Vec<LegId>, StoreError> {
        let sql = "SELECT call, n FROM legs WHERE sid = $1 ORDER BY turn DESC, call DESC, n DESC";
        let rows = self.db.rows(sql, args![sid.as_str()].into()).await?;
        rows.iter()
            .map(|row| {
                Ok(LegId {
                    call: row.parse(0)?,
                    n: row.int(1)?,
                })
            })
            .collect()
    }

    /// Every call that is not finished with: it is not over, or there is still something to be done about its
    /// legs. Oldest first.
    pub async fn open_calls(&self) -> Result<Vec<Call>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT body FROM calls WHERE live ORDER BY arrived, id",
                Vec::new(),
            )
            .await?;
        // One that this version cannot read must not keep a server from starting, which has all the others to
        // look after.
        let read = |row: &Row| {
            row.json(0)
                .inspect_err(
                    |cause| tracing::error!(%cause, "a call cannot be read, and is on no board"),
                )
                .ok()
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    /// Calls that ended at `since` or later, the newest first, at most `limit`.
    pub async fn ended_calls(
        &self,
        since: Timestamp,
        limit: usize,
    ) -> Result<Vec<Call>, StoreError> {
        let sql = "SELECT body FROM calls WHERE ended_at >= $1 ORDER BY ended_at DESC, id LIMIT $2";
        let rows = self.db.rows(sql, args![since, limit as u64].into()).await?;
        rows.iter().map(|row| row.json(0)).collect()
    }

    /// Calls that want to be told the time, the most overdue first, at most `limit`.
    pub async fn due_calls(&self, now: Timestamp, limit: usize) -> Result<Vec<CallId>, StoreError> {
        let sql = "SELECT id FROM calls WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2";
        let rows = self.db.rows(sql, args![now, limit as u64].into()).await?;
        rows.iter().map(|row| row.parse(0)).collect()
    }

    /// When the next call wants to be told the time, of those that do not want it already at `now`.
    pub async fn next_due(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT MIN(due_at) FROM calls WHERE due_at > $1";
        let row = self.db.row(sql, args![now].into()).await?;
        row.map_or(Ok(None), |row| row.maybe_time(0))
    }

    /// Where the board is: its epoch and its revision.
    pub async fn board_position(&self) -> Result<(String, Rev), StoreError> {
        let row = self
            .db
            .row("SELECT epoch, rev FROM board WHERE id = 1", Vec::new())
            .await?;
        let row = row.ok_or_else(|| StoreError::Unreadable("the board has no row".to_owned()))?;
        Ok((row.get(0)?, row.int(1)?))
    }

    /// The changes after `rev`, in order and without a gap, at most `limit`. None: the epoch is another
    /// board's, `rev` is one that has not been, or what followed it is pruned; only a snapshot helps.
    pub async fn changes_since(
        &self,
        epoch: &str,
        rev: Rev,
        limit: usize,
    ) -> Result<Option<Vec<Delta>>, StoreError> {
        // One statement, so that head and changes are of one moment.
        let sql = "SELECT b.epoch, b.rev, c.rev, c.body FROM board b LEFT JOIN changes c ON c.rev > $1 WHERE b.id = 1
                   ORDER BY c.rev LIMIT $2";
        let rows = self
            .db
            .rows(sql, args![rev, limit.max(1) as u64].into())
            .await?;
        let mut deltas = Vec::with_capacity(rows.len());
        let mut expected = rev;
        for row in &rows {
            let head: Rev = row.int(1)?;
            if row.get::<String>(0)? != epoch || rev > head {
                return Ok(None);
            }
            if rev == head {
                return Ok(Some(Vec::new()));
            }
            expected += 1;
            // Nothing after it, or not what comes next: it was pruned.
            if row
                .get::<Option<i64>>(2)?
                .and_then(|r| Rev::try_from(r).ok())
                != Some(expected)
            {
                return Ok(None);
            }
            let Shown { change, cause } = row.json(3)?;
            deltas.push(Delta {
                at: Position {
                    epoch: epoch.to_owned(),
                    rev: expected,
                },
                change,
                cause,
            });
        }
        Ok(Some(deltas))
    }

    /// Forgets all but the last `keep` changes of the board.
    pub async fn prune_changes(&self, keep: u64) -> Result<(), StoreError> {
        let sql = "DELETE FROM changes WHERE rev <= (SELECT rev FROM board WHERE id = 1) - $1
                   AND rev < (SELECT MIN(rev) FROM changes) + $2";
        while self.db.run(sql, args![keep, PORTION].into()).await? > 0 {}
        Ok(())
    }

    /// The command that this person sent under this id.
    pub async fn command(
        &self,
        actor: UserId,
        id: &str,
    ) -> Result<Option<CommandRecord>, StoreError> {
        let row = self.db.row(COMMAND, args![actor, id].into()).await?;
        row.as_ref().map(CommandRecord::read).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database keeps what consoles may have missed: the server that is started on it must be able to tell them.
    #[test]
    fn what_was_stored_before_people_changed_as_well_is_read() {
        let stored = r#"{"call":{"id":"c_00000000000000000000000009","rev":1,"moved":1,
            "place":{"since":"2026-01-01T00:00:00.000Z","kind":"queued","queue":"desk"},
            "caller":{"name":"Rosa Diaz","number":"+14155550132"},"direction":"in","to":"+14155550100",
            "with":[],"since":"2026-01-01T00:00:00.000Z",
            "legs":[{"id":"c_00000000000000000000000009.0","sid":"CA00000000000000000000000000000001",
                "role":"customer","user":null,"number":"+14155550132","state":"up","held":false,"muted":false}]},
            "cause":{"kind":"carrier","id":"CA00000000000000000000000000000001"}}"#;
        let shown: Shown = serde_json::from_str(stored).unwrap();
        let Change::Call(card) = &shown.change else {
            panic!("{:?}", shown.change)
        };
        assert_eq!((card.title(), card.rev), ("Rosa Diaz", 1));
        assert_eq!(shown.cause.kind.as_str(), "carrier");
        // And it is stored like that still.
        let stored: serde_json::Value = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_value(&shown).unwrap(), stored);
    }
}
