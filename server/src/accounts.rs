//! Signing in, staying signed in, and being let in: passwords, sign-ins, and the codes that open a door once.
//!
//! A client shows a password or a code and is given a sign-in: an access token for ten minutes, and a refresh token
//! for the next one. Whoever asks with an access token is looked up here: the token says which sign-in, and the store
//! whether it goes on. A sign-in that is ended is over within seconds, for open sockets as well.
//!
//! What a person may do is not decided here, nor how the house is arranged. Read next: `accounts/joining.rs` (codes),
//! [`crate::auth`] (what tokens are made of), [`crate::throttle`] (who may try again), [`crate::office`] (people and the house).

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cordboard_core::{
    api::{
        Fields, Front, PasswordChange, Renew, SessionKind, SignIn, SignedIn, SignedIns, Ticket,
        Tokens,
    },
    ids::{Email, SafeText, SessionId, Timestamp, UserId},
    wire::Me,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::{
    auth::{self, ACCESS_SECONDS, Bearer, Passwords, code},
    error::ApiError,
    exchange::{Exchange, Session},
    live::Notice,
    store::{
        Arranged, Arrangement, AuditRow, CodeRow, Edit, NotArranged, Renewed, SessionRow, Sessions,
    },
    throttle::{self, Account, Origin},
};

mod joining;
mod strength;

/// How long a sign-in goes on without asking for a token: over a holiday.
const IDLE_MS: i64 = 14 * DAY_MS;
/// How long a sign-in lasts in any case.
const LAST_MS: i64 = 90 * DAY_MS;
/// How long it is remembered that a sign-in was.
const KEEP_MS: i64 = 30 * DAY_MS;
const DAY_MS: i64 = 24 * 3_600_000;
/// How long what the store said of a sign-in is believed: one that is ended by another server is over here after
/// that.
const BELIEVED_MS: i64 = 4_000;
/// How long the store is waited for where there is something to go on without it.
const HEALTHY: Duration = Duration::from_millis(500);
/// How many sign-ins one person has at most. The oldest goes.
const SIGN_INS: usize = 50;
/// How long a WebSocket ticket holds: a page asks for one and uses it.
const TICKET_SECONDS: u32 = 30;
/// How long what is known of a sign-in is kept without being asked for: as long as its access token may hold.
const KNOWN_MS: i64 = 900_000;
/// How often the store forgets sign-ins and codes that are over.
const SWEEP_MS: i64 = 60_000;

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where from.
    pub address: IpAddr,
}

impl Peer {
    fn origin(&self) -> Origin {
        Origin::of(self.address)
    }

    /// As it is written down.
    pub fn text(&self) -> String {
        self.address.to_canonical().to_string()
    }
}

/// The accounts. Clones are the same.
#[derive(Clone)]
pub struct Accounts {
    inner: Arc<Inner>,
}

struct Inner {
    exchange: Exchange,
    passwords: Passwords,
    sign_ins: Mutex<throttle::SignIns>,
    codes: Mutex<throttle::Codes>,
    known: Mutex<HashMap<SessionId, Known>>,
    tickets: Mutex<HashMap<String, (Bearer, Timestamp)>>,
    /// What the first administrator types. None where there shall be none by way of a code: the demo, whose passwords
    /// everybody knows.
    setup: Option<SecretString>,
}

/// What the store last said of a sign-in.
#[derive(Clone)]
struct Known {
    person: UserId,
    kind: SessionKind,
    parent: Option<SessionId>,
    device: SafeText,
    confirmed: u64,
    looked: Timestamp,
}

/// The sign-in that a request or a socket comes with.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Who.
    pub session: Session,
    /// Which sign-in.
    pub id: SessionId,
    /// What it is.
    pub kind: SessionKind,
    /// The console that it, a page, is paired with.
    pub parent: Option<SessionId>,
    /// What it calls itself.
    pub device: SafeText,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whole at each step, so a panic in another thread spoils nothing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wrong() -> ApiError {
    ApiError::NotSignedIn("This e-mail address and password do not belong together.".to_owned())
}

/// What is said where a sign-in is over.
pub(crate) fn over() -> ApiError {
    ApiError::NotSignedIn("Your sign-in is over. Sign in again.".to_owned())
}

/// A fresh id of 16 hexadecimal digits.
pub(crate) fn short_id<T: std::str::FromStr>() -> T {
    let half = u64::try_from(auth::unguessable() >> 64).expect("half of 128 bits");
    let Ok(id) = format!("{half:016x}").parse() else {
        unreachable!("16 hexadecimal digits are such an id");
    };
    id
}

/// A sign-in about to be opened, and its first refresh token.
struct Opening {
    row: SessionRow,
    refresh: SecretString,
}

impl Opening {
    fn edit(&self) -> Edit {
        Edit::OpenSession {
            row: self.row.clone(),
            refresh: auth::fingerprint(self.refresh.expose_secret()),
        }
    }
}

impl Accounts {
    /// The accounts behind a door. `setup`: whether whoever has a code may become the first administrator.
    pub fn new(exchange: Exchange, passwords: Passwords, setup: bool) -> Self {
        let setup = (setup && !exchange.house().has_admin()).then(|| code::new(code::LONG));
        Self {
            inner: Arc::new(Inner {
                exchange,
                passwords,
                sign_ins: Mutex::default(),
                codes: Mutex::default(),
                known: Mutex::default(),
                tickets: Mutex::default(),
                setup,
            }),
        }
    }

    /// The code that makes the first administrator, while there is none.
    pub fn setup_code(&self) -> Option<&SecretString> {
        let inner = &*self.inner;
        inner
            .setup
            .as_ref()
            .filter(|_| !inner.exchange.house().has_admin())
    }

    fn now(&self) -> Timestamp {
        self.inner.exchange.clock().now()
    }

    /// What anybody may know.
    pub fn front(&self) -> Front {
        Front {
            setup: self.setup_code().is_some(),
            registration: self.inner.exchange.house().registration.open,
        }
    }

    /// Signs somebody in by their password.
    pub async fn sign_in(&self, asked: SignIn, peer: &Peer) -> Result<Tokens, ApiError> {
        let inner = &*self.inner;
        let store = inner.exchange.store();
        let now = self.now();
        let person = match Email::read(&asked.email) {
            Ok(email) => store.person_by_email(&email).await?,
            Err(_) => None,
        };
        let person = person.filter(|p| p.active);
        // The same questions for an account that does not exist: nobody has the id 0.
        let id = person.as_ref().map_or(UserId(0), |p| p.id);
        let lately = now.plus(-KEEP_MS);
        let known = store.signed_in_from(id, &peer.text(), lately).await?;
        let account = Account::typed(&asked.email);
        let attempt =
            locked(&inner.sign_ins).ask(account, peer.origin(), known && person.is_some(), now)?;
        let hash = match store.password_hash(id).await {
            Ok(hash) => hash,
            Err(cause) => {
                locked(&inner.sign_ins).undone(attempt, now);
                return Err(cause.into());
            }
        };
        match inner
            .passwords
            .verify(&asked.password, hash.as_deref())
            .await
        {
            Ok(true) => locked(&inner.sign_ins).right(attempt, now),
            Ok(false) => {
                tracing::warn!(address = %peer.text(), user = %id, "a wrong password");
                return Err(wrong());
            }
            Err(busy) => {
                locked(&inner.sign_ins).undone(attempt, now);
                return Err(busy);
            }
        }
        let person = person.ok_or_else(wrong)?;
        let kind = match asked.kind {
            // Pages are paired.
            SessionKind::Phone => SessionKind::Script,
            kind => kind,
        };
        let opening = self.opening(person.id, kind, &asked.device, None, peer);
        let mut edits = vec![opening.edit()];
        // Hashed when less was asked of a hash: now that the password is here, it is done again.
        if hash.is_some_and(|hash| inner.passwords.outdated(&hash)) {
            edits.push(Edit::SetPassword {
                person: person.id,
                hash: inner.passwords.hash(&asked.password).await?,
            });
        }
        edits.extend(self.too_many(person.id, now).await?);
        let audit = self.said(&opening, "sign-in");
        self.open(opening, edits, audit).await
    }

    /// The sign-ins that go because there are too many.
    async fn too_many(&self, person: UserId, now: Timestamp) -> Result<Vec<Edit>, ApiError> {
        let all = self.inner.exchange.store().sessions_of(person, now).await?;
        let spare = all.into_iter().skip(SIGN_INS - 1);
        Ok(spare
            .map(|session| Edit::EndSessions {
                which: Sessions::One(person, session.id),
                why: "too-many",
            })
            .collect())
    }

    fn opening(
        &self,
        person: UserId,
        kind: SessionKind,
        device: &str,
        parent: Option<SessionId>,
        peer: &Peer,
    ) -> Opening {
        let now = self.now();
        let device = SafeText::clean(device, 48);
        Opening {
            row: SessionRow {
                id: short_id(),
                person,
                kind,
                device: if device.is_empty() {
                    "unnamed".into()
                } else {
                    device
                },
                address: peer.text().as_str().into(),
                parent,
                since: now,
                seen: now,
                expires: now.plus(IDLE_MS),
                last: now.plus(LAST_MS),
                generation: 1,
                confirmed: 0,
            },
            refresh: auth::new_secret(),
        }
    }

    /// A line of the audit about a sign-in that is opened.
    fn said(&self, opening: &Opening, kind: &str) -> AuditRow {
        let row = &opening.row;
        AuditRow {
            actor: Some(row.person),
            session: Some(row.id.clone()),
            address: Some(row.address.to_string()),
            subject: Some(format!("person {}", row.person)),
            became: Some(json!({ "device": row.device, "kind": row.kind }).to_string()),
            ..AuditRow::new(self.now(), kind)
        }
    }

    async fn open(
        &self,
        opening: Opening,
        edits: Vec<Edit>,
        audit: AuditRow,
    ) -> Result<Tokens, ApiError> {
        self.arrange(Arrangement::new(audit, edits)).await?;
        self.tokens(&opening.row, &opening.refresh)
    }

    fn tokens(&self, row: &SessionRow, refresh: &SecretString) -> Result<Tokens, ApiError> {
        let exchange = &self.inner.exchange;
        let session = exchange.session(row.person).ok_or_else(over)?;
        let bearer = Bearer {
            user: row.person,
            session: row.id.clone(),
            generation: row.generation,
        };
        Ok(Tokens {
            access: exchange.keys().access(&bearer, self.now())?.into(),
            expires_in: ACCESS_SECONDS,
            refresh: refresh.expose_secret().into(),
            session: row.id.clone(),
            me: session.me(),
        })
    }

    /// The next tokens of a sign-in.
    pub async fn renew(&self, asked: Renew, peer: &Peer) -> Result<Tokens, ApiError> {
        let now = self.now();
        let next = auth::new_secret();
        let stolen = AuditRow {
            address: Some(peer.text()),
            ..AuditRow::new(now, "refresh-reused")
        };
        let (hash, new) = (
            auth::fingerprint(&asked.refresh),
            auth::fingerprint(next.expose_secret()),
        );
        let address = peer.text();
        let expires = now.plus(IDLE_MS);
        let store = self.inner.exchange.store();
        match store
            .renew_session(&hash, &new, &address, now, expires, stolen)
            .await?
        {
            Renewed::Yes(row) => self.tokens(&row, &next),
            Renewed::Unknown => Err(over()),
            Renewed::Stolen(user, ended) => {
                tracing::warn!(%user, address, "a refresh token came twice: its sign-in is over");
                self.ended(&ended);
                Err(over())
            }
        }
    }

    /// Has the door arrange something. Nothing is believed of the sign-ins that end by it; their sockets are told by the
    /// door.
    async fn arrange(&self, plan: Arrangement) -> Result<Arranged, NotArranged> {
        let done = self.inner.exchange.arrange(plan).await?;
        self.forget(&done.ended);
        Ok(done)
    }

    /// The store has ended these sign-ins by itself, so their sockets are told here.
    fn ended(&self, ended: &[SessionId]) {
        self.forget(ended);
        for id in ended {
            let notice = Notice::SignedOut(id.clone());
            self.inner.exchange.live().notice(notice);
        }
    }

    /// Believes nothing of sign-ins that are over.
    fn forget(&self, ended: &[SessionId]) {
        let mut known = locked(&self.inner.known);
        for id in ended {
            known.remove(id);
        }
    }

    /// Whose access token that is, if their sign-in goes on.
    pub async fn enter(&self, token: &str, peer: &Peer) -> Result<Entry, ApiError> {
        let now = self.now();
        let bearer = self.inner.exchange.keys().bearer(token, now)?;
        self.entry(bearer, peer).await
    }

    /// Whose ticket that is; it is used by this.
    pub async fn enter_by_ticket(&self, ticket: &str, peer: &Peer) -> Result<Entry, ApiError> {
        let now = self.now();
        let held = locked(&self.inner.tickets).remove(&auth::fingerprint(ticket));
        match held {
            Some((bearer, until)) if now <= until => self.entry(bearer, peer).await,
            _ => Err(ApiError::NotSignedIn(
                "This ticket is not valid, or not any more. Ask for another.".to_owned(),
            )),
        }
    }

    /// A ticket for one WebSocket.
    pub fn ticket(&self, entry: &Entry) -> Ticket {
        let ticket = auth::new_secret();
        let now = self.now();
        let until = now.plus(i64::from(TICKET_SECONDS) * 1000);
        let bearer = Bearer {
            user: entry.session.user,
            session: entry.id.clone(),
            generation: 0,
        };
        let mut tickets = locked(&self.inner.tickets);
        tickets.retain(|_, (_, until)| *until >= now);
        tickets.insert(auth::fingerprint(ticket.expose_secret()), (bearer, until));
        Ticket {
            ticket: ticket.expose_secret().into(),
            expires_in: TICKET_SECONDS,
        }
    }

    async fn entry(&self, bearer: Bearer, peer: &Peer) -> Result<Entry, ApiError> {
        let inner = &*self.inner;
        let known = self.look(&bearer.session).await?.ok_or_else(over)?;
        if known.person != bearer.user {
            return Err(over());
        }
        if bearer.generation > known.confirmed {
            self.confirm(&bearer).await;
            if let Some(known) = locked(&inner.known).get_mut(&bearer.session) {
                known.confirmed = known.confirmed.max(bearer.generation);
            }
        }
        let session = inner.exchange.session(bearer.user).ok_or_else(|| {
            ApiError::NotSignedIn("Your account is not active. Ask an administrator.".to_owned())
        })?;
        Ok(Entry {
            session: Session {
                id: Some(bearer.session.clone()),
                address: Some(peer.text().into()),
                ..session
            },
            id: bearer.session,
            kind: known.kind,
            parent: known.parent,
            device: known.device,
        })
    }

    /// The access token of that generation was used. Not waited for longer than a healthy store takes: a call for help
    /// may be behind it.
    async fn confirm(&self, bearer: &Bearer) {
        let (store, bearer) = (self.inner.exchange.store().clone(), bearer.clone());
        let kept = tokio::spawn(async move {
            let kept = store.confirm_session(&bearer.session, bearer.generation);
            if let Err(cause) = kept.await {
                tracing::warn!(%cause, "that a token was used could not be kept");
            }
        });
        let _ = tokio::time::timeout(HEALTHY, kept).await;
    }

    /// A sign-in that goes on, as the store has said within the last seconds; or as it said last, where it does not
    /// answer now. That is never long ago: whoever asks has a token that is not ten minutes old.
    async fn look(&self, id: &SessionId) -> Result<Option<Known>, ApiError> {
        let inner = &*self.inner;
        let now = self.now();
        let before = locked(&inner.known).get(id).cloned();
        if let Some(known) = &before
            && now.since(known.looked).abs() <= BELIEVED_MS
        {
            return Ok(before);
        }
        let asked = inner.exchange.store().session(id);
        let row = match (tokio::time::timeout(HEALTHY, asked).await, before) {
            (Ok(Ok(row)), _) => row,
            (Ok(Err(_)) | Err(_), Some(before)) => return Ok(Some(before)),
            (Ok(Err(cause)), None) => return Err(cause.into()),
            (Err(_), None) => inner.exchange.store().session(id).await?,
        };
        let Some(row) = row.filter(|row| !row.expired(now)) else {
            locked(&inner.known).remove(id);
            return Ok(None);
        };
        let known = Known {
            person: row.person,
            kind: row.kind,
            parent: row.parent,
            device: row.device,
            confirmed: row.confirmed,
            looked: now,
        };
        locked(&inner.known).insert(id.clone(), known.clone());
        Ok(Some(known))
    }

    /// A socket of that sign-in has been open for long: it goes on, as if it had asked for a token.
    pub fn touch(&self, id: &SessionId) {
        let now = self.now();
        let (store, id) = (self.inner.exchange.store().clone(), id.clone());
        // Beside the socket, which waits for no store.
        tokio::spawn(async move {
            let kept = store.touch_session(&id, now, now.plus(IDLE_MS)).await;
            if let Err(cause) = kept {
                tracing::warn!(%cause, "that a sign-in is in use could not be kept");
            }
        });
    }

    /// Ends some of a person's sign-ins.
    pub async fn end(&self, by: &Session, which: Sessions, kind: &str) -> Result<usize, ApiError> {
        let (Sessions::One(person, _) | Sessions::All(person) | Sessions::Others(person, _)) =
            &which;
        let audit = AuditRow {
            subject: Some(format!("person {person}")),
            ..by.audit(self.now(), kind)
        };
        let why = if by.user == *person {
            "signed-out"
        } else {
            "ended"
        };
        let plan = Arrangement::new(audit, vec![Edit::EndSessions { which, why }]);
        Ok(self.arrange(plan).await?.ended.len())
    }

    /// A person's sign-ins. `current`: the one that asks.
    pub async fn list(
        &self,
        person: UserId,
        current: Option<&SessionId>,
    ) -> Result<SignedIns, ApiError> {
        let store = self.inner.exchange.store();
        let rows = store.sessions_of(person, self.now()).await?;
        let sessions = rows.into_iter().map(|row| SignedIn {
            current: current == Some(&row.id),
            expires: row.expires.min(row.last),
            id: row.id,
            kind: row.kind,
            device: row.device,
            address: row.address,
            since: row.since,
            seen: row.seen,
        });
        Ok(SignedIns {
            sessions: sessions.collect(),
        })
    }

    /// Another password, by whoever knows the one so far. Other sign-ins end.
    pub async fn change_password(
        &self,
        entry: &Entry,
        asked: PasswordChange,
        peer: &Peer,
    ) -> Result<(), ApiError> {
        let inner = &*self.inner;
        let user = entry.session.user;
        let now = self.now();
        let house = inner.exchange.house();
        let person = house.active(user).ok_or_else(over)?;
        let hash = inner.exchange.store().password_hash(user).await?;
        // Whoever has found an open console guesses no more than anybody else.
        let account = Account::typed(person.email.as_str());
        let attempt = locked(&inner.sign_ins).ask(account, peer.origin(), true, now)?;
        match inner
            .passwords
            .verify(&asked.current, hash.as_deref())
            .await
        {
            Ok(true) => locked(&inner.sign_ins).right(attempt, now),
            Ok(false) => {
                let mut fields = Fields::default();
                fields.wrong("current", "This is not your password so far.");
                return fields.done(None).map_err(ApiError::from);
            }
            Err(busy) => {
                locked(&inner.sign_ins).undone(attempt, now);
                return Err(busy);
            }
        }
        let words = [person.name.as_str(), person.email.as_str()];
        let hash = self.hash("password", &asked.password, &words).await?;
        let edits = vec![
            Edit::SetPassword { person: user, hash },
            Edit::EndSessions {
                which: Sessions::Others(user, entry.id.clone()),
                why: "password",
            },
        ];
        let audit = AuditRow {
            subject: Some(format!("person {user}")),
            ..entry.session.audit(now, "password")
        };
        self.arrange(Arrangement::new(audit, edits)).await?;
        Ok(())
    }

    /// Opens the sign-in of a page that its console has let in.
    pub(crate) async fn open_page(
        &self,
        pairing: &CodeRow,
        device: &str,
        peer: &Peer,
    ) -> Result<Tokens, ApiError> {
        let console = pairing.session.clone();
        let opening = self.opening(pairing.maker, SessionKind::Phone, device, console, peer);
        let edits = vec![Edit::EndCode(pairing.id.clone()), opening.edit()];
        let audit = self.said(&opening, "pair");
        self.open(opening, edits, audit).await
    }

    /// Lets the store forget what is over, for ever.
    pub async fn sweep(self) {
        let exchange = &self.inner.exchange;
        loop {
            let now = self.now();
            let keep = now.plus(-KEEP_MS);
            match exchange.store().sweep_sessions(now, keep).await {
                Ok(ended) => self.ended(&ended),
                Err(cause) => {
                    tracing::warn!(%cause, "sign-ins that are over could not be forgotten");
                }
            }
            locked(&self.inner.known).retain(|_, k| now.since(k.looked) < KNOWN_MS);
            exchange.clock().sleep(SWEEP_MS).await;
        }
    }
}

impl Session {
    /// Who it is, as it travels.
    pub fn me(&self) -> Me {
        Me {
            id: self.user,
            name: self.name.clone(),
            role: self.role,
            rights: self.rights,
        }
    }

    /// A line of the audit about something that they do.
    pub fn audit(&self, at: Timestamp, kind: &str) -> AuditRow {
        AuditRow {
            actor: Some(self.user),
            session: self.id.clone(),
            address: self.address.as_deref().map(str::to_owned),
            ..AuditRow::new(at, kind)
        }
    }
}
