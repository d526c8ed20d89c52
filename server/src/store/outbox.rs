//! Requests to the carrier: durable before they are made.
//!
//! A row is `new` until somebody takes it, and `sent` from then until its outcome is known. Taking it is
//! written down before the request leaves, so after a crash a `sent` row says "perhaps made": what can be
//! repeated is, what cannot is looked for and never repeated.
//!
//! A lane has one request in flight; a lane is a leg. What can be repeated says "make this leg as it is wanted
//! to be", so one unsent row is enough however often the wish changes: the sender reads the wish when it sends.
//! Hang-ups and the end of a hold overtake everything.
//!
//! It must not know how a request is spelt at the carrier. Read next: [`super::sql`].

use cordboard_core::{
    call::{Call, Place, RingWhy},
    ids::{CallId, LegId, Timestamp},
    machine::{Aspect, ERRAND_MS, Effect},
};

use super::{
    Store, StoreError, args,
    sql::{self, Conn, Row},
};

/// How long a taken row is its taker's: longer than any request is waited for, and than what came of it takes to
/// be stored.
const LEASE_MS: i64 = 60_000;

/// The least time between two calls that we make: Twilio starts one a second for an account (Twilio docs: "Call
/// creation rate", 1 CPS by default), and queues the rest where we cannot take them back.
const DIAL_MS: i64 = 1_000;

/// A request to the carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its number; higher is later.
    pub id: u64,
    /// The call it is for.
    pub call: CallId,
    /// The leg it is about. [`u16::MAX`] for a connection that is none of this call's legs, which is only ever
    /// hung up.
    pub leg: u16,
    /// What is to be asked.
    pub effect: Effect,
    /// Lower goes first.
    pub priority: i16,
    /// Not before then.
    pub due: Timestamp,
    /// Too late after then: a telephone that would ring when its time is over.
    pub not_after: Option<Timestamp>,
    /// How often it was taken.
    pub attempts: u32,
    /// Whether it was taken.
    pub state: State,
}

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not made.
    New,
    /// Perhaps made; its outcome is not known.
    Sent,
}

/// What goes first. The carrier takes one new call a second, so the order of dials decides who waits.
mod priority {
    /// Ending a leg, or a hold: somebody pays, or listens to music, for nothing.
    pub(super) const AT_ONCE: i64 = 0;
    /// Everything else that makes no new call.
    pub(super) const SOON: i64 = 1;
    /// Ringing somebody for a caller who came back and waits.
    pub(super) const RETURN: i64 = 2;
    /// Ringing somebody for a caller who was sent to them, or who is new.
    pub(super) const TRANSFER: i64 = 3;
    /// A call that one of us makes.
    pub(super) const DIAL_OUT: i64 = 4;
}

/// A row to be.
pub(super) struct Request {
    leg: Option<u16>,
    lane: String,
    kind: &'static str,
    effect: String,
    priority: i64,
    due: Timestamp,
    not_after: Option<Timestamp>,
}

impl Request {
    /// What is to be stored of an effect, if anything is.
    pub(super) fn of(
        call: &Call,
        effect: &Effect,
        now: Timestamp,
    ) -> Result<Option<Self>, StoreError> {
        let leg_of = |sid| {
            call.legs
                .iter()
                .rev()
                .find(|l| l.sid.as_ref() == Some(sid))
                .map(|l| l.n)
        };
        let (leg, kind, priority) = match effect {
            Effect::Set {
                leg,
                what: Aspect::Hold,
            } => {
                let wanted = call.leg(*leg).is_some_and(|l| l.hold.wanted());
                (
                    Some(*leg),
                    "hold",
                    if wanted {
                        priority::SOON
                    } else {
                        priority::AT_ONCE
                    },
                )
            }
            Effect::Set {
                leg,
                what: Aspect::EndsRoom,
            } => (Some(*leg), "ends-room", priority::SOON),
            Effect::HangUp { sid } => (leg_of(sid), "hang-up", priority::AT_ONCE),
            Effect::Redirect { sid, .. } => (leg_of(sid), "redirect", priority::SOON),
            Effect::Dial { leg, .. } => (Some(*leg), "dial", urgency(call)),
            Effect::Invite { leg, .. } => (Some(*leg), "invite", urgency(call)),
            Effect::Cancel { .. } | Effect::Look => return Ok(None),
        };
        let lane = match (leg, effect) {
            (Some(n), _) => call.id.leg(n).to_string(),
            (None, Effect::HangUp { sid } | Effect::Redirect { sid, .. }) => sid.to_string(),
            (None, _) => {
                return Err(StoreError::Invalid(format!(
                    "{}: an effect without a leg",
                    call.id
                )));
            }
        };
        let not_after = match effect {
            Effect::Dial { .. } | Effect::Invite { .. } => {
                Some(call.deadline().unwrap_or(now.plus(ERRAND_MS)))
            }
            _ => None,
        };
        Ok(Some(Self {
            leg,
            lane,
            kind,
            effect: sql::json(effect)?,
            priority,
            due: now,
            not_after,
        }))
    }
}

fn urgency(call: &Call) -> i64 {
    match &call.place {
        Place::Ringing {
            why: RingWhy::Returned | RingWhy::ParkExpired | RingWhy::Reconnect,
            ..
        } => priority::RETURN,
        Place::Dialling { .. } => priority::DIAL_OUT,
        _ => priority::TRANSFER,
    }
}

/// Adds a row, or lets the unsent one that is there stand for it.
pub(super) async fn put(
    db: &mut Conn<'_>,
    id: u64,
    call: CallId,
    request: &Request,
) -> Result<(), StoreError> {
    // The place in the queue is kept, unless the new wish is more urgent: a hold that was not sent may have
    // become an unhold.
    let sql = "INSERT INTO outbox (id, call, leg, lane, kind, effect, priority, due_at, not_after, attempts, state)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 'new')
               ON CONFLICT (lane, kind) WHERE state = 'new' DO UPDATE SET
                   effect = excluded.effect, priority = excluded.priority, not_after = excluded.not_after,
                   due_at = CASE WHEN excluded.due_at < outbox.due_at THEN excluded.due_at ELSE outbox.due_at END";
    let r = request;
    let values = args![
        id,
        call.to_string(),
        r.leg,
        r.lane.as_str(),
        r.kind,
        r.effect.as_str(),
        r.priority,
        r.due,
        r.not_after
    ];
    db.run(sql, &values).await?;
    Ok(())
}

/// Takes back the dial or invite of a leg; whether there was one that had not been sent.
pub(super) async fn cancel(db: &mut Conn<'_>, leg: LegId) -> Result<bool, StoreError> {
    let sql = "DELETE FROM outbox WHERE lane = $1 AND kind IN ('dial', 'invite') AND state = 'new'";
    Ok(db.run(sql, &args![leg.to_string()]).await? > 0)
}

impl OutboxRow {
    /// Those that this version can read. One that it cannot, after a step back to an older version, say, must not
    /// keep all the others from leaving.
    fn readable(rows: &[Row]) -> Vec<Self> {
        let read = |row| {
            Self::read(row)
                .inspect_err(
                    |cause| tracing::error!(%cause, "a request cannot be read, and is not sent"),
                )
                .ok()
        };
        rows.iter().filter_map(read).collect()
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.int(0)?,
            call: row.parse(1)?,
            leg: row.get::<Option<i64>>(2)?.map_or(Ok(u16::MAX), |n| {
                u16::try_from(n)
                    .map_err(|_| StoreError::Unreadable(format!("{n} is not the number of a leg")))
            })?,
            effect: row.json(3)?,
            priority: row.int(4)?,
            due: row.time(5)?,
            not_after: row.maybe_time(6)?,
            attempts: row.int(7)?,
            state: if row.get::<String>(8)? == "new" {
                State::New
            } else {
                State::Sent
            },
        })
    }
}

impl Store {
    /// What can be asked of the carrier now, the most urgent first, at most `limit`: of each lane only the
    /// first, and only while nothing of it is in flight.
    pub async fn outbox_due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let sql = "SELECT id, call, leg, effect, priority, due_at, not_after, attempts, state FROM outbox o
                   WHERE state = 'new' AND due_at <= $1
                   AND NOT EXISTS (SELECT 1 FROM outbox p WHERE p.lane = o.lane AND p.state = 'sent')
                   AND NOT EXISTS (SELECT 1 FROM outbox p WHERE p.lane = o.lane AND p.state = 'new' AND p.due_at <= $1
                       AND (p.priority < o.priority OR (p.priority = o.priority AND p.id < o.id)))
                   ORDER BY priority, id LIMIT $2";
        let rows = self.db.rows(sql, args![now, limit as u64].into()).await?;
        Ok(OutboxRow::readable(&rows))
    }

    /// Writes down, durably, that the row is being sent. False: somebody else has it, it is gone, or its lane
    /// has another in flight. Nothing is sent without it.
    pub async fn outbox_take(&self, id: u64, now: Timestamp) -> Result<bool, StoreError> {
        // The index on lanes in flight decides between two who take two rows of one lane at the same moment.
        let sql = "UPDATE outbox SET state = 'sent', attempts = attempts + 1, owner = $2, lease_until = $3
                   WHERE id = $1 AND state = 'new'
                   AND NOT EXISTS (SELECT 1 FROM outbox p WHERE p.lane = outbox.lane AND p.state = 'sent')";
        Ok(self
            .db
            .run(
                sql,
                args![id, self.owner.as_ref(), now.plus(LEASE_MS)].into(),
            )
            .await?
            == 1)
    }

    /// The row has served: its outcome is known, or it is not to be made any more.
    pub async fn outbox_done(&self, id: u64) -> Result<(), StoreError> {
        self.db
            .run("DELETE FROM outbox WHERE id = $1", args![id].into())
            .await?;
        Ok(())
    }

    /// The row is to be sent again at `due`. One that was put in meanwhile for the same thing stands for it.
    pub async fn outbox_retry(&self, id: u64, due: Timestamp) -> Result<(), StoreError> {
        self.db
            .write(move |mut db: Conn<'_>| {
                Box::pin(async move {
                    let newer = "DELETE FROM outbox WHERE id = $1 AND state = 'sent' AND EXISTS (
                        SELECT 1 FROM outbox p WHERE p.lane = outbox.lane AND p.kind = outbox.kind AND p.state = 'new')";
                    if db.run(newer, &args![id]).await? == 0 {
                        let again = "UPDATE outbox SET state = 'new', due_at = $2, owner = NULL, lease_until = NULL
                                     WHERE id = $1 AND state = 'sent'";
                        db.run(again, &args![id, due]).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Rows that were perhaps sent: at a start, what has to be settled.
    pub async fn outbox_sent(&self) -> Result<Vec<OutboxRow>, StoreError> {
        let sql = "SELECT id, call, leg, effect, priority, due_at, not_after, attempts, state FROM outbox WHERE state = 'sent' ORDER BY id";
        let rows = self.db.rows(sql, Vec::new()).await?;
        Ok(OutboxRow::readable(&rows))
    }

    /// Those of them whose taker has had the time to bring an outcome, and has not: it stopped trying.
    pub async fn outbox_lapsed(&self, now: Timestamp) -> Result<Vec<u64>, StoreError> {
        let sql = "SELECT id FROM outbox WHERE state = 'sent' AND lease_until < $1";
        let rows = self.db.rows(sql, args![now].into()).await?;
        rows.iter().map(|row| row.int(0)).collect()
    }

    /// Whether something is still to be asked for this leg that was not sent yet.
    pub async fn outbox_waits(&self, leg: LegId) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM outbox WHERE lane = $1 AND state = 'new' LIMIT 1";
        let row = self.db.row(sql, args![leg.to_string()].into()).await?;
        Ok(row.is_some())
    }

    /// How many rows there are, sent or not.
    pub async fn outbox_len(&self) -> Result<u64, StoreError> {
        let row = self
            .db
            .row("SELECT COUNT(*) FROM outbox", Vec::new())
            .await?;
        row.map_or(Ok(0), |row| row.int(0))
    }

    /// When the next row that has not been sent may be. It may have passed.
    pub async fn outbox_next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let row = self
            .db
            .row(
                "SELECT MIN(due_at) FROM outbox WHERE state = 'new'",
                Vec::new(),
            )
            .await?;
        row.map_or(Ok(None), |row| row.maybe_time(0))
    }

    /// Leave to make one new call, for this whole account and all its servers; otherwise when to ask again.
    pub async fn take_dial_token(
        &self,
        now: Timestamp,
    ) -> Result<Result<(), Timestamp>, StoreError> {
        // A moment further off than one step was written by a clock that has been put back since.
        let sql =
            "UPDATE pace SET next_at = $2 WHERE name = 'dial' AND (next_at <= $1 OR next_at > $2)";
        if self
            .db
            .run(sql, args![now, now.plus(DIAL_MS)].into())
            .await?
            == 1
        {
            return Ok(Ok(()));
        }
        let row = self
            .db
            .row("SELECT next_at FROM pace WHERE name = 'dial'", Vec::new())
            .await?;
        let row =
            row.ok_or_else(|| StoreError::Unreadable("the pace of dials has no row".to_owned()))?;
        // Others may have been given theirs in between, but never further off than one step each.
        Ok(Err(row.time(0)?))
    }
}
