//! Sign-ins and the refresh tokens they go on with.
//!
//! A refresh token is 256 random bits that only its client has; here is its SHA-256. Each is good once: using it
//! brings the next one. A token that comes back after it was used tells that two have it, and nobody can say which of
//! them is the right one, so the whole sign-in ends (RFC 9700, 4.14.2). One case is no theft: the answer with the new
//! token was lost on its way. As long as nothing of the new one has been used, the one before is taken once more.
//!
//! It must not know what a token looks like, nor who may end whose sign-in. Read next: [`super::arrange`], which opens
//! and ends them.

use cordboard_core::{
    api::SessionKind,
    ids::{SafeText, SessionId, Timestamp, UserId},
};

use super::{
    AuditRow, Store, StoreError, args, audit,
    sql::{self, Conn, Row},
};

/// A sign-in that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Which.
    pub id: SessionId,
    /// Whose.
    pub person: UserId,
    /// What it is.
    pub kind: SessionKind,
    /// What it calls itself.
    pub device: SafeText,
    /// Where it was last heard from.
    pub address: SafeText,
    /// The console that it, a phone page, is paired with.
    pub parent: Option<SessionId>,
    /// Since when.
    pub since: Timestamp,
    /// When it last asked for a token.
    pub seen: Timestamp,
    /// When it ends if it asks for none.
    pub expires: Timestamp,
    /// When it ends in any case.
    pub last: Timestamp,
    /// Which refresh token is the next to be used.
    pub generation: u64,
    /// The highest generation whose access token was used.
    pub confirmed: u64,
}

/// What came of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewed {
    /// The sign-in goes on; this is how it is now.
    Yes(SessionRow),
    /// Nobody has such a token, or its sign-in is over.
    Unknown,
    /// It was used before, so somebody has a copy: the sign-in is over, and these with it.
    Stolen(UserId, Vec<SessionId>),
}

macro_rules! sessions {
    ($rest:literal) => {
        concat!(
            "SELECT id, person, kind, device, address, parent, since, seen_at, expires_at, last_at, generation, confirmed
             FROM sessions WHERE ended_at IS NULL AND ",
            $rest
        )
    };
}

impl SessionRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.parse(0)?,
            person: UserId(row.int(1)?),
            kind: sql::of_word(&row.get::<String>(2)?)?,
            device: row.get::<String>(3)?.as_str().into(),
            address: row.get::<String>(4)?.as_str().into(),
            parent: row
                .get::<Option<String>>(5)?
                .map(|id| id.parse())
                .transpose()
                .map_err(|why| StoreError::Unreadable(format!("{why}")))?,
            since: row.time(6)?,
            seen: row.time(7)?,
            expires: row.time(8)?,
            last: row.time(9)?,
            generation: row.int(10)?,
            confirmed: row.int(11)?,
        })
    }

    /// Whether it is over by that time.
    pub fn expired(&self, now: Timestamp) -> bool {
        now > self.expires || now > self.last
    }
}

impl Store {
    /// A sign-in that has not been ended. It may have expired.
    pub async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>, StoreError> {
        let row = self
            .db
            .row(sessions!("id = $1"), args![id.as_str()].into())
            .await?;
        row.as_ref().map(SessionRow::read).transpose()
    }

    /// A person's sign-ins that go on, the latest first.
    pub async fn sessions_of(
        &self,
        person: UserId,
        now: Timestamp,
    ) -> Result<Vec<SessionRow>, StoreError> {
        let sql = sessions!(
            "person = $1 AND expires_at >= $2 AND last_at >= $2 ORDER BY seen_at DESC, id"
        );
        let rows = self.db.rows(sql, args![person, now].into()).await?;
        rows.iter().map(SessionRow::read).collect()
    }

    /// Whether a person has ever signed in from there and that is not long ago.
    pub async fn signed_in_from(
        &self,
        person: UserId,
        address: &str,
        since: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql =
            "SELECT 1 FROM sessions WHERE person = $1 AND address = $2 AND seen_at >= $3 LIMIT 1";
        let row = self
            .db
            .row(sql, args![person, address, since].into())
            .await?;
        Ok(row.is_some())
    }

    /// The access token of that generation was used: its refresh token has arrived. Whether that was news.
    pub async fn confirm_session(
        &self,
        id: &SessionId,
        generation: u64,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE sessions SET confirmed = $2 WHERE id = $1 AND confirmed < $2 AND ended_at IS NULL";
        let touched = self
            .db
            .run(sql, args![id.as_str(), generation].into())
            .await?;
        Ok(touched == 1)
    }

    /// Uses the refresh token with that hash; `next` is the hash of the one that takes its place. `expires`: until
    /// when the sign-in goes on without another. `lost`: the line of the audit that is written where it was a copy.
    pub async fn renew_session(
        &self,
        hash: &str,
        next: &str,
        address: &str,
        now: Timestamp,
        expires: Timestamp,
        lost: AuditRow,
    ) -> Result<Renewed, StoreError> {
        let line = self.lines(1).await?;
        let values = (hash.to_owned(), next.to_owned(), address.to_owned(), lost);
        self.db
            .write(move |mut db: Conn<'_>| {
                let (hash, next, address, lost) = values.clone();
                Box::pin(async move {
                    renew(
                        &mut db,
                        (&hash, &next),
                        &address,
                        (now, expires),
                        (line, lost),
                    )
                    .await
                })
            })
            .await
    }

    /// A sign-in is in use, and goes on until `expires` without more.
    pub async fn touch_session(
        &self,
        id: &SessionId,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE sessions SET seen_at = $2, expires_at = CASE WHEN last_at < $3 THEN last_at ELSE $3 END
                   WHERE id = $1 AND ended_at IS NULL";
        self.db
            .run(sql, args![id.as_str(), now, expires].into())
            .await?;
        Ok(())
    }

    /// Ends sign-ins that have expired, and forgets those that ended before `keep`, and codes that expired before it.
    /// Which have just ended.
    pub async fn sweep_sessions(
        &self,
        now: Timestamp,
        keep: Timestamp,
    ) -> Result<Vec<SessionId>, StoreError> {
        self.db
            .write(move |mut db: Conn<'_>| {
                Box::pin(async move {
                    let sql = "UPDATE sessions SET ended_at = $1, ended_why = 'expired'
                               WHERE ended_at IS NULL AND (expires_at < $1 OR last_at < $1) RETURNING id";
                    let rows = db.rows(sql, &args![now]).await?;
                    let ended: Vec<SessionId> =
                        rows.iter().map(|row| row.parse(0)).collect::<Result<_, _>>()?;
                    for id in &ended {
                        let sql = "DELETE FROM refreshes WHERE session = $1";
                        db.run(sql, &args![id.as_str()]).await?;
                    }
                    let sql = "DELETE FROM sessions WHERE ended_at IS NOT NULL AND ended_at < $1";
                    db.run(sql, &args![keep]).await?;
                    let sql = "DELETE FROM codes WHERE expires_at < $1";
                    db.run(sql, &args![keep]).await?;
                    Ok(ended)
                })
            })
            .await
    }
}

async fn renew(
    db: &mut Conn<'_>,
    (hash, next): (&str, &str),
    address: &str,
    (now, expires): (Timestamp, Timestamp),
    (line, mut lost): (u64, AuditRow),
) -> Result<Renewed, StoreError> {
    let sql = "SELECT session, generation FROM refreshes WHERE hash = $1";
    let Some(found) = db.row(sql, &args![hash]).await? else {
        return Ok(Renewed::Unknown);
    };
    let (id, generation): (SessionId, u64) = (found.parse(0)?, found.int(1)?);
    // Touched before it is read: of two who use the same token at once, the second waits here and then sees what
    // the first has done.
    let touch = "UPDATE sessions SET seen_at = seen_at WHERE id = $1";
    db.run(touch, &args![id.as_str()]).await?;
    let row = db.row(sessions!("id = $1"), &args![id.as_str()]).await?;
    let Some(row) = row else {
        return Ok(Renewed::Unknown);
    };
    let session = SessionRow::read(&row)?;
    if session.expired(now) {
        return Ok(Renewed::Unknown);
    }
    let answer_was_lost =
        generation + 1 == session.generation && session.confirmed < session.generation;
    if generation != session.generation && !answer_was_lost {
        let sql = "UPDATE sessions SET ended_at = $2, ended_why = 'stolen' WHERE ended_at IS NULL AND (id = $1 OR parent = $1)
                   RETURNING id";
        let rows = db.rows(sql, &args![id.as_str(), now]).await?;
        let ended: Vec<SessionId> = rows
            .iter()
            .map(|row| row.parse(0))
            .collect::<Result<_, _>>()?;
        for id in &ended {
            let sql = "DELETE FROM refreshes WHERE session = $1";
            db.run(sql, &args![id.as_str()]).await?;
        }
        (lost.actor, lost.session) = (Some(session.person), Some(id));
        audit::put(db, line, &[lost]).await?;
        return Ok(Renewed::Stolen(session.person, ended));
    }
    if answer_was_lost {
        // What was in that answer has never been seen, and shall not be.
        let sql = "DELETE FROM refreshes WHERE session = $1 AND generation = $2";
        db.run(sql, &args![id.as_str(), session.generation]).await?;
    }
    let renewed = SessionRow {
        generation: generation + 1,
        address: address.into(),
        seen: now,
        expires: expires.min(session.last),
        ..session
    };
    let sql = "UPDATE sessions SET generation = $2, address = $3, seen_at = $4, expires_at = $5 WHERE id = $1";
    let values = args![
        id.as_str(),
        renewed.generation,
        address,
        now,
        renewed.expires
    ];
    db.run(sql, &values).await?;
    let sql = "INSERT INTO refreshes (hash, session, generation) VALUES ($1, $2, $3)";
    db.run(sql, &args![next, id.as_str(), renewed.generation])
        .await?;
    Ok(Renewed::Yes(renewed))
}
