//! Seals the audit, and reads the seals again: so that what was written down cannot be changed unseen.
//!
//! A commit writes its lines of the audit and waits for nobody. Within a second this task appends what it finds
//! committed and not sealed to one chain, in the order in which it finds it and, within one look, by time and number:
//!
//! - `hash` is the SHA-256 of the hash before, the place, and every column of the line. It takes no secret, so a hash
//!   that was noted somewhere else vouches for everything before it, whoever computes it.
//! - `seal` is an HMAC of place and hash, under a key derived from the server's secret. Without the secret nobody can
//!   make the next one, so whoever can write to the database and no more can change nothing that is sealed.
//! - The end of the chain has a seal of its own, or the last places could be taken off. It is looked at before
//!   anything is put behind it: what was bent is left as it is, and no later seal covers it up.
//!
//! What is hashed are netstrings (`5:hello,`; `-` for what is absent), all as text and always in the same order. JSON
//! would have to be agreed on first: the order of its keys, its numbers, its escapes. With a length in front no two
//! lines have the same bytes, and a dozen lines of any language compute it.
//!
//! **Another secret.** Each seal names its key. A server that finds the chain under another key than its own writes a
//! line that says so, of kind `seal`, and goes on under its own. Since hashes take no secret, its first seal covers
//! everything before: what is changed there later shows, also after the old secret is gone.
//!
//! **What it does not show.** Lines that were written or changed before they were sealed; that everything was rolled
//! back to an earlier state of the whole database (only a hash noted elsewhere shows that); a chain that was removed
//! altogether and begun anew, but for its first line, which tells when it was begun.
//!
//! **How new lines are found.** Lines become visible in another order than they are numbered in, so there is no number
//! up to which all is sealed. Each look goes over the lines of the last ten seconds, since a transaction may take
//! seven: that is some 15 look-ups in an index for each line that is written. A wider look once a minute finds what
//! took longer, or was written by a server that died or whose clock is up to five minutes off: 7 more. Once after the
//! start all numbers are gone through, in portions. The other way, a table of what is not sealed yet, would cost every
//! commit a statement, and every line two writes.
//!
//! It must not hold a commit up, change a line, or learn the time but from the clock. Read next: `store/audit.rs`.

use std::{fmt::Display, time::Duration};

use aws_lc_rs::{digest, hmac};
use cordboard_core::{api::AuditVerdict, ids::Timestamp};
use tokio_util::sync::CancellationToken;

use crate::{
    auth::{AuditKey, Keys, hex},
    clock::Clock,
    store::{AuditRow, Found, Head, Line, Seal, Store, StoreError},
};

/// How often is looked for new lines, in milliseconds; on a clock that runs fast, not more often than [`LEAST`].
const LOOK_MS: i64 = 700;
const LEAST: Duration = Duration::from_millis(50);

/// How far back each look goes: longer than a transaction takes. Ahead: a little, for lines that are written meanwhile.
const NEAR_MS: i64 = 10_000;
const AHEAD_MS: i64 = 1_000;

/// How often, and how far back, is looked for what the others have missed: two clocks may be five minutes apart, and a
/// transaction may have been tried again and again.
const WIDE_MS: i64 = 60_000;
const FAR_MS: i64 = 6 * 60_000;

/// How many lines are sealed at once. On SQLite commits wait behind it: some 5 ms.
const BATCH: usize = 500;

/// How many numbers are gone through at once after the start.
const WINDOW: i64 = 20_000;

/// How often another sealer may be first before this one lets it be until the next look.
const TRIES: usize = 8;

/// How long it waits after the store has failed, and after it has found the chain bent.
const AGAIN: Duration = Duration::from_secs(5);
const BENT: Duration = Duration::from_mins(1);

/// What the chain's own lines are called in the audit.
const KIND: &str = "seal";

/// Why nothing is sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The end of the chain is not one that a server of this house has left.
    #[error(
        "the audit's chain does not end as a server of this house left it (place {0}): its end was taken off, or moved. Nothing is sealed until it is put back; reading the audit's verdict tells more"
    )]
    Bent(u64),
    /// A server with another secret seals this database.
    #[error(
        "another server seals the audit, with another secret (key {theirs}; this one's is {ours}). Give both the same secret"
    )]
    Foreign {
        /// Its key.
        theirs: String,
        /// Ours.
        ours: String,
    },
}

/// Seals what is written, one look after the other.
pub struct Sealer {
    store: Store,
    clock: Clock,
    keys: Vec<AuditKey>,
    /// The end of the chain as it was last seen.
    end: (u64, String),
    /// When was last looked, and when widely.
    looked: Timestamp,
    wide: Option<Timestamp>,
    /// Numbers that are still to be gone through: after the first, up to the second; since when.
    numbers: Option<(i64, i64, Timestamp)>,
    /// Up to when every line is sealed, as far as is known here.
    swept: Timestamp,
}

/// What is asked for new lines.
#[derive(Clone, Copy)]
enum Ask {
    Between(Timestamp, Timestamp),
    Since(Timestamp),
    Numbered(i64, i64),
}

impl Sealer {
    /// Begins the chain, or goes on with it; where it was under another key, says so in the audit.
    pub async fn open(store: Store, keys: &Keys, clock: Clock) -> Result<Self, StoreError> {
        let now = clock.now();
        let mut this = Self {
            end: (0, String::new()),
            looked: now,
            wide: None,
            numbers: Some((0, store.last_line().await?, now)),
            swept: Timestamp::from_millis(0),
            keys: keys.audit().to_vec(),
            store,
            clock,
        };
        match this.begin().await {
            Ok(()) => {}
            Err(SealError::Store(cause)) => return Err(cause),
            // Calls come first: a server whose audit was bent still answers the telephone.
            Err(cause) => tracing::error!(%cause, "the audit is not sealed"),
        }
        Ok(this)
    }

    /// Seals until `stop`. Gives itself back, for a last look when nobody writes any more.
    pub async fn run(mut self, stop: CancellationToken) -> Self {
        loop {
            let wait = match self.look().await {
                Ok(_) if self.numbers.is_some() => Duration::ZERO,
                Ok(_) => self.clock.real(LOOK_MS).max(LEAST),
                Err(cause) => {
                    tracing::error!(%cause, "the audit could not be sealed");
                    match cause {
                        SealError::Store(_) => AGAIN,
                        _ => BENT,
                    }
                }
            };
            tokio::select! {
                () = stop.cancelled() => return self,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Looks for lines that are not sealed, and seals them; returns how many. The first looks go through everything,
    /// in portions.
    pub async fn look(&mut self) -> Result<u64, SealError> {
        match self.look_through().await {
            // Always second: somebody else seals them. Nothing is taken for done here, so the next look sees to it.
            Err(SealError::Store(StoreError::Contended)) => Ok(0),
            other => other,
        }
    }

    async fn look_through(&mut self) -> Result<u64, SealError> {
        let now = self.clock.now();
        // Since the last look that went well: the store may have been away for longer.
        let since = self.looked.min(now).plus(-NEAR_MS);
        let mut sealed = self.drain(Ask::Between(since, now.plus(AHEAD_MS))).await?;
        self.looked = now;
        if let Some((after, to, started)) = self.numbers {
            let end = to.min(after.saturating_add(WINDOW));
            let (n, last) = self.batch(Ask::Numbered(after, end)).await?;
            sealed += n as u64;
            let after = if n == BATCH { last.id } else { end };
            self.numbers = (after < to).then_some((after, to, started));
            if self.numbers.is_none() {
                self.swept = started.plus(-FAR_MS);
            }
        }
        let due = |at: Timestamp| !(0..WIDE_MS).contains(&now.since(at));
        if self.numbers.is_none() && self.wide.is_none_or(due) {
            sealed += self.drain(Ask::Since(self.swept)).await?;
            self.wide = Some(now);
            self.swept = self.swept.max(now.plus(-FAR_MS));
        }
        Ok(sealed)
    }

    /// Seals all there is of what was asked for.
    async fn drain(&mut self, mut ask: Ask) -> Result<u64, SealError> {
        let mut sealed = 0;
        loop {
            let (n, last) = self.batch(ask).await?;
            sealed += n as u64;
            if n < BATCH {
                return Ok(sealed);
            }
            // So that what is sealed by now is not gone over again and again.
            ask = match ask {
                Ask::Between(_, to) => Ask::Between(last.at, to),
                Ask::Since(_) => Ask::Since(last.at),
                Ask::Numbered(_, to) => Ask::Numbered(last.id, to),
            };
        }
    }

    /// Seals a batch of it; returns how many lines that were, and the last of them.
    async fn batch(&mut self, ask: Ask) -> Result<(usize, Last), SealError> {
        for _ in 0..TRIES {
            // The end first: if somebody else seals one of these lines, they move it.
            let head = self.head().await?;
            let mut found = match ask {
                Ask::Between(from, to) => self.store.unsealed_between(from, to, BATCH).await?,
                Ask::Since(from) => {
                    let (from, to) = (from.max(head.swept), Timestamp::from_millis(i64::MAX));
                    self.store.unsealed_between(from, to, BATCH).await?
                }
                Ask::Numbered(after, to) => self.store.unsealed_numbered(after, to, BATCH).await?,
            };
            let Some(last) = found.last() else {
                return Ok((0, Last::default()));
            };
            let last = Last {
                id: last.id,
                at: Timestamp::from_millis(last.at),
            };
            found.sort_by_key(|line| (line.at, line.id));
            if self.append(&head, None, &found).await? {
                return Ok((found.len(), last));
            }
        }
        Err(StoreError::Contended.into())
    }

    /// The end of the chain, which must be one of ours.
    async fn head(&mut self) -> Result<Head, SealError> {
        let head = self.store.chain_head().await?;
        let ours = &self.keys[0];
        if head.key != ours.name && !head.key.is_empty() {
            return Err(SealError::Foreign {
                theirs: head.key,
                ours: ours.name.clone(),
            });
        }
        self.check(&head)?;
        Ok(head)
    }

    /// Whether the end is one that we could have left, and not one from before what we have seen.
    fn check(&mut self, head: &Head) -> Result<(), SealError> {
        let fits = match self.keys.iter().find(|key| key.name == head.key) {
            Some(key) => key.end(head.place, &head.hash) == head.tag,
            None if head.key.is_empty() => {
                head.place == 0 && head.hash.is_empty() && head.tag.is_empty()
            }
            None => true,
        };
        let back = head.place < self.end.0 || head.place == self.end.0 && head.hash != self.end.1;
        if !fits || back {
            return Err(SealError::Bent(head.place));
        }
        self.end = (head.place, head.hash.clone());
        Ok(())
    }

    /// Makes the chain's key ours.
    async fn begin(&mut self) -> Result<(), SealError> {
        for _ in 0..TRIES {
            let head = self.store.chain_head().await?;
            self.check(&head)?;
            let ours = &self.keys[0].name;
            if head.key == *ours {
                return Ok(());
            }
            let row = AuditRow {
                subject: Some("audit".to_owned()),
                was: said(&head.key),
                became: said(ours),
                ..AuditRow::new(self.clock.now(), KIND)
            };
            if !head.key.is_empty() {
                tracing::warn!(
                    before = head.key,
                    now = ours,
                    "the audit is sealed with another secret from now on"
                );
            }
            let number = self.store.line().await?;
            let line = Line::of(i64::try_from(number).unwrap_or(i64::MAX), &row);
            if self.append(&head, Some((number, row)), &[line]).await? {
                return Ok(());
            }
        }
        Err(StoreError::Contended.into())
    }

    /// Puts lines at the end of the chain, unless that is somewhere else by now.
    async fn append(
        &mut self,
        head: &Head,
        own: Option<(u64, AuditRow)>,
        lines: &[Line],
    ) -> Result<bool, StoreError> {
        let key = &self.keys[0];
        let (mut place, mut hash) = (head.place, head.hash.clone());
        let seals = lines
            .iter()
            .map(|line| {
                place += 1;
                hash = hash_of(&hash, place, line);
                Seal {
                    place,
                    line: line.id,
                    hash: hash.clone(),
                    tag: key.seal(place, &hash),
                    key: key.name.clone(),
                }
            })
            .collect();
        let to = Head {
            place,
            tag: key.end(place, &hash),
            key: key.name.clone(),
            swept: head.swept.max(self.swept),
            hash,
        };
        let end = (to.place, to.hash.clone());
        let done = self.store.seal(head, own, seals, to).await?;
        if done {
            self.end = end;
        }
        Ok(done)
    }
}

/// The last line of a batch.
#[derive(Clone, Copy)]
struct Last {
    id: i64,
    at: Timestamp,
}

impl Default for Last {
    fn default() -> Self {
        Self {
            id: 0,
            at: Timestamp::from_millis(0),
        }
    }
}

/// What a line of the chain's own says of a key.
fn said(key: &str) -> Option<String> {
    (!key.is_empty()).then(|| format!(r#"{{"key":"{key}"}}"#))
}

impl AuditKey {
    /// What seals a place: 128 bits.
    fn seal(&self, place: u64, hash: &str) -> String {
        self.sign("place", place, hash)
    }

    /// What seals the end of the chain.
    fn end(&self, place: u64, hash: &str) -> String {
        self.sign("end", place, hash)
    }

    fn sign(&self, what: &str, place: u64, hash: &str) -> String {
        let mut text = Vec::new();
        for field in [what, &place.to_string(), hash] {
            netstring(Some(field), |bytes| text.extend_from_slice(bytes));
        }
        hex(&hmac::sign(&self.key, &text).as_ref()[..16])
    }
}

/// The hash of a line at a place, after that hash.
fn hash_of(before: &str, place: u64, line: &Line) -> String {
    fn text(number: impl Display) -> String {
        number.to_string()
    }
    let (place, id, at, actor) = (
        text(place),
        text(line.id),
        text(line.at),
        line.actor.map(text),
    );
    let fields = [
        Some("cordboard audit 1"),
        Some(before),
        Some(&place),
        Some(&id),
        Some(&at),
        actor.as_deref(),
        line.session.as_deref(),
        line.address.as_deref(),
        Some(&line.kind),
        line.call.as_deref(),
        line.subject.as_deref(),
        line.was.as_deref(),
        line.became.as_deref(),
        Some(&line.raw),
    ];
    let mut context = digest::Context::new(&digest::SHA256);
    for field in fields {
        netstring(field, |bytes| context.update(bytes));
    }
    hex(context.finish().as_ref())
}

/// A field as it is hashed and signed.
fn netstring(field: Option<&str>, mut to: impl FnMut(&[u8])) {
    match field {
        None => to(b"-"),
        Some(text) => {
            to(text.len().to_string().as_bytes());
            to(b":");
            to(text.as_bytes());
            to(b",");
        }
    }
}

/// Reads the whole chain again, a portion at a time, and says whether every line is what was sealed.
pub async fn verify(store: &Store, keys: &Keys) -> Result<AuditVerdict, StoreError> {
    let head = match store.chain_head().await {
        Ok(head) => head,
        Err(StoreError::Unreadable(why)) => {
            return Ok(AuditVerdict {
                intact: false,
                sealed: 0,
                unsealed: store.audit_len().await?,
                head: None,
                fault: Some(format!(
                    "The end of the chain was removed or changed: {why}."
                )),
                notes: Vec::new(),
            });
        }
        Err(cause) => return Err(cause),
    };
    let mut reader = Reader {
        keys: keys.audit(),
        place: 0,
        hash: String::new(),
        key: String::new(),
        since: 0,
        notes: Vec::new(),
    };
    let mut fault = reader.read(store, &head).await?;
    let (lines, seals, last) = store.chain_count().await?;
    if fault.is_none() {
        fault = reader.end(&head);
    }
    // The end now: it may have moved on meanwhile, and never back.
    let now = store.chain_head().await?.place;
    if fault.is_none() && (last > now || now < head.place) {
        fault = Some(format!(
            "There are seals up to place {last}, and the chain ends at place {now}: its end was moved back."
        ));
    }
    Ok(AuditVerdict {
        intact: fault.is_none(),
        sealed: head.place,
        unsealed: lines.saturating_sub(seals),
        head: (head.place > 0).then_some(head.hash),
        fault,
        notes: reader.notes,
    })
}

/// Goes along the chain.
struct Reader<'k> {
    keys: &'k [AuditKey],
    /// The last place that was read, its hash and the name of its key, and since which place that key seals.
    place: u64,
    hash: String,
    key: String,
    since: u64,
    notes: Vec<String>,
}

impl Reader<'_> {
    fn known(&self, name: &str) -> Option<&AuditKey> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Reads up to the end; returns what is wrong first.
    async fn read(&mut self, store: &Store, head: &Head) -> Result<Option<String>, StoreError> {
        while self.place < head.place {
            let found = store.chain(self.place, head.place, BATCH).await?;
            if found.is_empty() {
                return Ok(Some(format!(
                    "The chain should go on to place {} and stops after place {}: its end was cut off.",
                    head.place, self.place
                )));
            }
            for one in found {
                if let Err(fault) = self.go_on(one) {
                    return Ok(Some(fault));
                }
            }
        }
        Ok(None)
    }

    /// Reads the next place.
    fn go_on(&mut self, found: Found) -> Result<(), String> {
        let next = self.place + 1;
        let (place, line) = match &found {
            Found::Line(seal, line) => (seal.place, Some((seal, line))),
            Found::Gone(seal) => (seal.place, None),
            Found::Unreadable(place) => (*place, None),
        };
        if place != next {
            return Err(format!(
                "Place {next} of the chain is missing: the seal there was removed."
            ));
        }
        let Some((seal, line)) = line else {
            return Err(match found {
                Found::Gone(seal) => {
                    format!("Line {}, sealed at place {place}, was removed.", seal.line)
                }
                _ => format!("What stands at place {place} was not written by Cordboard."),
            });
        };
        let hash = hash_of(&self.hash, place, line);
        let sealed = self
            .known(&seal.key)
            .map(|key| key.seal(place, &seal.hash) == seal.tag);
        match sealed {
            Some(false) => {
                return Err(format!(
                    "The seal at place {place} (line {}) was changed: it was not made with this house's secret.",
                    line.id
                ));
            }
            _ if hash == seal.hash => {}
            Some(true) => {
                return Err(format!(
                    "Line {} is not what was sealed at place {place}: it was changed, or stands in another's place.",
                    line.id
                ));
            }
            None => {
                return Err(format!(
                    "Line {} at place {place}, or its seal, was changed.",
                    line.id
                ));
            }
        }
        if seal.key != self.key {
            let told =
                line.kind == KIND && line.was == said(&self.key) && line.became == said(&seal.key);
            if !told {
                return Err(format!(
                    "From place {place} on another key seals ({}), and nothing there says that the secret was changed.",
                    seal.key
                ));
            }
            self.note(place, line, &seal.key);
            self.since = place;
        }
        (self.place, self.hash) = (place, hash);
        self.key.clone_from(&seal.key);
        Ok(())
    }

    /// Notes that another key takes over.
    fn note(&mut self, place: u64, line: &Line, key: &str) {
        if self.key.is_empty() {
            return;
        }
        let at = Timestamp::from_millis(line.at);
        self.notes.push(format!(
            "From place {place} on, {at}, another secret seals (key {key}, before {}).",
            self.key
        ));
        if self.known(&self.key).is_none() {
            self.notes.push(format!(
                "Places {} to {} were sealed with a secret that this server does not have. What was changed there later would show; what was changed before that moment would not.",
                self.since, self.place
            ));
        }
    }

    /// Whether the chain ends where it was read to, and under a key of ours.
    fn end(&self, head: &Head) -> Option<String> {
        let here = (head.place, &head.hash, &head.key) == (self.place, &self.hash, &self.key);
        let sealed = match self.known(&head.key) {
            Some(key) => key.end(head.place, &head.hash) == head.tag,
            None if head.key.is_empty() => head.tag.is_empty(),
            None => {
                return Some(format!(
                    "Places {} to {} are sealed with another secret than this server's (key {}). Either its secret was changed and it has sealed nothing since, or somebody else has sealed them.",
                    self.since, self.place, head.key
                ));
            }
        };
        (!here || !sealed).then(|| {
            format!(
                "The chain ends at place {}, and no server of this house left it there: what stood behind was taken off, or the end was changed.",
                head.place
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form does not change: a hash that somebody noted has to be found again. Computed by hand, with
    /// `printf … | sha256sum`.
    #[test]
    fn a_line_is_hashed_in_a_form_that_anybody_can_compute() {
        let mut text = String::new();
        for field in [Some("hello"), None, Some(""), Some("é")] {
            netstring(field, |bytes| {
                text.push_str(std::str::from_utf8(bytes).unwrap());
            });
        }
        assert_eq!(text, "5:hello,-0:,2:é,");
        let line = Line {
            id: 7,
            at: 1_767_225_600_000,
            actor: Some(1),
            session: None,
            address: Some("192.0.2.7".to_owned()),
            kind: "person".to_owned(),
            call: None,
            subject: Some("person u2".to_owned()),
            was: Some(r#"{"role":"agent"}"#.to_owned()),
            became: Some(r#"{"role":"admin"}"#.to_owned()),
            raw: String::new(),
        };
        assert_eq!(
            hash_of("ab", 12, &line),
            "3b0e5bd58d7c58eff15df99be33b445bb818b47de937258ad027a4c7fda453ed"
        );
    }

    /// No two lines have the same bytes: moving a letter from one column to the next is another line.
    #[test]
    fn every_column_counts_and_so_does_where_a_text_stands() {
        let line = Line::of(1, &AuditRow::new(Timestamp::from_millis(5), "kind"));
        let with = |change: fn(&mut Line)| {
            let mut line = line.clone();
            change(&mut line);
            hash_of("", 1, &line)
        };
        let mut all = vec![
            hash_of("", 1, &line),
            hash_of("a", 1, &line),
            hash_of("", 2, &line),
            with(|l| l.id = 2),
            with(|l| l.at = 6),
            with(|l| l.actor = Some(5)),
            with(|l| l.session = Some("x".to_owned())),
            with(|l| l.address = Some("x".to_owned())),
            with(|l| l.kind = "kin".to_owned()),
            with(|l| l.call = Some("x".to_owned())),
            with(|l| l.call = Some(String::new())),
            with(|l| l.subject = Some("x".to_owned())),
            with(|l| l.was = Some("x".to_owned())),
            with(|l| l.became = Some("x".to_owned())),
            with(|l| l.raw = "x".to_owned()),
        ];
        let n = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), n);
    }
}
