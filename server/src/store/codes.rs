//! Codes that were handed out: invitations, resets of passwords, pairings of phone pages.
//!
//! Only their SHA-256 is here. A code is over when it was used, was taken back, or has expired. They are made and
//! ended by [`super::arrange`].

use cordboard_core::ids::{CodeId, SessionId, Timestamp, UserId};

use super::{Store, StoreError, args, sql::Row};

/// What a code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeKind {
    /// Joining.
    Invitation,
    /// Choosing another password.
    Reset,
    /// Pairing a phone page with a console.
    Pairing,
}

impl CodeKind {
    /// The word it is stored as.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Invitation => "invitation",
            Self::Reset => "reset",
            Self::Pairing => "pairing",
        }
    }

    fn read(word: &str) -> Result<Self, StoreError> {
        [Self::Invitation, Self::Reset, Self::Pairing]
            .into_iter()
            .find(|kind| kind.word() == word)
            .ok_or_else(|| StoreError::Unreadable(format!("“{word}” is no kind of code")))
    }
}

/// A code, without the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeRow {
    /// Which.
    pub id: CodeId,
    /// The SHA-256 of the code, in hexadecimal digits.
    pub hash: String,
    /// What for.
    pub kind: CodeKind,
    /// Who made it.
    pub maker: UserId,
    /// Whose password it resets.
    pub person: Option<UserId>,
    /// The console that shows it.
    pub session: Option<SessionId>,
    /// What belongs to it, as JSON; empty: nothing yet.
    pub body: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when it holds.
    pub expires: Timestamp,
}

macro_rules! codes {
    ($rest:literal) => {
        concat!(
            "SELECT id, hash, kind, maker, person, session, body, since, expires_at FROM codes WHERE over_at IS NULL AND ",
            $rest
        )
    };
}

impl CodeRow {
    fn read(row: &Row) -> Result<Self, StoreError> {
        let user = |column| {
            Ok::<_, StoreError>(
                row.get::<Option<i64>>(column)?
                    .and_then(|id| u32::try_from(id).ok())
                    .map(UserId),
            )
        };
        Ok(Self {
            id: row.parse(0)?,
            hash: row.get(1)?,
            kind: CodeKind::read(&row.get::<String>(2)?)?,
            maker: UserId(row.int(3)?),
            person: user(4)?,
            session: row.get::<Option<String>>(5)?.and_then(|id| id.parse().ok()),
            body: row.get(6)?,
            since: row.time(7)?,
            expires: row.time(8)?,
        })
    }
}

impl Store {
    /// The code with that hash, if it still holds.
    pub async fn code(
        &self,
        kind: CodeKind,
        hash: &str,
        now: Timestamp,
    ) -> Result<Option<CodeRow>, StoreError> {
        let sql = codes!("hash = $1 AND kind = $2 AND expires_at >= $3");
        let row = self
            .db
            .row(sql, args![hash, kind.word(), now].into())
            .await?;
        row.as_ref().map(CodeRow::read).transpose()
    }

    /// The code with that id, if it still holds.
    pub async fn code_by_id(
        &self,
        kind: CodeKind,
        id: &CodeId,
        now: Timestamp,
    ) -> Result<Option<CodeRow>, StoreError> {
        let sql = codes!("id = $1 AND kind = $2 AND expires_at >= $3");
        let values = args![id.as_str(), kind.word(), now];
        let row = self.db.row(sql, values.into()).await?;
        row.as_ref().map(CodeRow::read).transpose()
    }

    /// Every code of a kind that still holds, the latest first; at most `limit`.
    pub async fn codes(
        &self,
        kind: CodeKind,
        now: Timestamp,
        limit: u64,
    ) -> Result<Vec<CodeRow>, StoreError> {
        let sql = codes!("kind = $1 AND expires_at >= $2 ORDER BY since DESC, id LIMIT $3");
        let rows = self
            .db
            .rows(sql, args![kind.word(), now, limit].into())
            .await?;
        rows.iter().map(CodeRow::read).collect()
    }

    /// The pairing that a console shows, if there is one.
    pub async fn pairing_of(
        &self,
        session: &SessionId,
        now: Timestamp,
    ) -> Result<Option<CodeRow>, StoreError> {
        let sql = codes!(
            "kind = 'pairing' AND session = $1 AND expires_at >= $2 ORDER BY since DESC LIMIT 1"
        );
        let row = self
            .db
            .row(sql, args![session.as_str(), now].into())
            .await?;
        row.as_ref().map(CodeRow::read).transpose()
    }
}
