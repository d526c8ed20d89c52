//! Pairing a phone page with a console: a code on the terminal, a page that names it, and a person who lets it in.
//!
//! The way round is that of RFC 8628 with the parts exchanged: it is the console that is signed in and shows the code,
//! and the page that types it. The page is given a secret of its own to ask with, and tokens only after the person at
//! the console has seen what asks, from where, and two digits that the page shows as well. So whoever reads the code
//! off somebody's screen gets nothing but a question on it, and the code is used up by that.
//!
//! A page's sign-in ends with its console's. Read next: [`crate::accounts`].

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use cordboard_core::{
    api::{PairingClaim, PairingClaimed, PairingMade, PairingPoll, SessionKind, Tokens},
    ids::{CodeId, SafeText, SessionId, Timestamp},
    wire::PairingAsk,
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use crate::{
    accounts::{Accounts, Entry, Peer, short_id},
    auth::{self, code},
    error::ApiError,
    exchange::Exchange,
    live::Notice,
    office::Office,
    store::{Arrangement, AuditRow, CodeKind, CodeRow, Edit},
};

/// How long a code holds (RFC 8628, 6.1, wants it short-lived; ten minutes are the most that ours may).
const HOLDS_MS: i64 = 600_000;
/// How many seconds a page leaves between two questions. What is asked less than this apart, but for the unevenness of
/// timers, is answered with `slow-down`.
const INTERVAL: u32 = 2;
const TOO_SOON_MS: i64 = 1_500;

/// The pairings. Clones are the same.
#[derive(Clone)]
pub struct Pairings {
    exchange: Exchange,
    accounts: Accounts,
    office: Office,
    /// When each was last asked about.
    asked: Arc<Mutex<HashMap<CodeId, Timestamp>>>,
}

/// What is known of the page that has named the code.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Named {
    device: SafeText,
    address: String,
    check: String,
    /// The SHA-256 of what the page asks with.
    secret: String,
    /// Whether it was let in. None: nobody has said.
    verdict: Option<bool>,
}

impl Named {
    fn of(row: &CodeRow) -> Option<Self> {
        serde_json::from_str(&row.body).ok()
    }

    fn asks(&self, row: &CodeRow) -> PairingAsk {
        PairingAsk {
            pairing: row.id.clone(),
            device: self.device.clone(),
            address: self.address.as_str().into(),
            check: self.check.as_str().into(),
            until: row.expires,
        }
    }
}

fn gone() -> ApiError {
    ApiError::NotFound("There is no such pairing, or not any more.".to_owned())
}

impl Pairings {
    /// Pairings behind a door.
    pub fn new(exchange: Exchange, accounts: Accounts, office: Office) -> Self {
        Self {
            exchange,
            accounts,
            office,
            asked: Arc::default(),
        }
    }

    fn now(&self) -> Timestamp {
        self.exchange.clock().now()
    }

    /// A code for the console that asks. The one it showed before is over.
    pub async fn make(&self, entry: &Entry) -> Result<PairingMade, ApiError> {
        if entry.kind == SessionKind::Phone {
            let why = "A page cannot pair another one. Do it in a console.";
            return Err(ApiError::NotAllowed(why.to_owned()));
        }
        let now = self.now();
        let secret = code::new(code::SHORT);
        let row = CodeRow {
            id: short_id(),
            hash: code::stored(&secret),
            kind: CodeKind::Pairing,
            maker: entry.session.user,
            person: None,
            session: Some(entry.id.clone()),
            body: String::new(),
            since: now,
            expires: now.plus(HOLDS_MS),
        };
        let id = row.id.clone();
        let mut edits = vec![Edit::AddCode(row)];
        if let Some(before) = self.exchange.store().pairing_of(&entry.id, now).await? {
            edits.push(Edit::EndCode(before.id));
        }
        let audit = self.said(entry, &id, "pairing");
        self.exchange
            .arrange(Arrangement::new(audit, edits))
            .await?;
        self.tell(&entry.id, None);
        let text = secret.expose_secret();
        Ok(PairingMade {
            id,
            link: self.office.link("phone", text),
            code: text.into(),
            expires_in: u32::try_from(HOLDS_MS / 1000).unwrap_or(u32::MAX),
        })
    }

    fn said(&self, entry: &Entry, id: &CodeId, kind: &str) -> AuditRow {
        AuditRow {
            subject: Some(format!("pairing {id}")),
            ..entry.session.audit(self.now(), kind)
        }
    }

    fn tell(&self, console: &SessionId, asks: Option<PairingAsk>) {
        let notice = Notice::Pairing(console.clone(), asks);
        self.exchange.live().notice(notice);
    }

    /// A page has named a code. Once: whoever comes second is told that there is no such code.
    pub async fn claim(
        &self,
        asked: &PairingClaim,
        peer: &Peer,
    ) -> Result<PairingClaimed, ApiError> {
        let row = self.accounts.pairing(&asked.code, peer).await?;
        let console = row.session.clone().ok_or_else(gone)?;
        let secret = auth::new_secret();
        let device = SafeText::clean(&asked.device, 48);
        let named = Named {
            device: if device.is_empty() {
                "a browser".into()
            } else {
                device
            },
            address: peer.text(),
            check: format!("{:02}", auth::unguessable() % 100),
            secret: auth::fingerprint(secret.expose_secret()),
            verdict: None,
        };
        let edit = Edit::NameCode {
            id: row.id.clone(),
            before: String::new(),
            body: serde_json::to_string(&named).map_err(|_| ApiError::Unavailable)?,
        };
        let now = self.now();
        let audit = AuditRow {
            address: Some(peer.text()),
            subject: Some(format!("pairing {}", row.id)),
            became: serde_json::to_string(&named.asks(&row)).ok(),
            ..AuditRow::new(now, "pairing-named")
        };
        self.exchange
            .arrange(Arrangement::new(audit, vec![edit]))
            .await?;
        self.tell(&console, Some(named.asks(&row)));
        Ok(PairingClaimed {
            device_code: format!("{}.{}", row.id, secret.expose_secret()).into(),
            check: named.check,
            interval: INTERVAL,
            expires_in: u32::try_from(row.expires.since(now) / 1000).unwrap_or(0),
        })
    }

    /// The person at the console lets the page in, or does not.
    pub async fn judge(&self, entry: &Entry, id: &CodeId, let_in: bool) -> Result<(), ApiError> {
        let store = self.exchange.store();
        let row = store
            .code_by_id(CodeKind::Pairing, id, self.now())
            .await?
            .filter(|row| row.session.as_ref() == Some(&entry.id))
            .ok_or_else(gone)?;
        let named = Named::of(&row);
        let edit = match named {
            // Nobody has named it: it is taken back.
            None if !let_in => Edit::EndCode(row.id.clone()),
            None => {
                let why = "No page has named this code yet, so there is nothing to let in.";
                return Err(ApiError::Refused(why.to_owned()));
            }
            Some(named) if named.verdict.is_some() => return Err(gone()),
            Some(named) => Edit::NameCode {
                id: row.id.clone(),
                before: row.body.clone(),
                body: serde_json::to_string(&Named {
                    verdict: Some(let_in),
                    ..named
                })
                .map_err(|_| ApiError::Unavailable)?,
            },
        };
        let kind = if let_in {
            "pairing-let-in"
        } else {
            "pairing-refused"
        };
        let audit = self.said(entry, id, kind);
        self.exchange
            .arrange(Arrangement::new(audit, vec![edit]))
            .await?;
        self.tell(&entry.id, None);
        Ok(())
    }

    /// A page asks whether it was let in. If so, it is given its tokens, once.
    pub async fn poll(&self, asked: &PairingPoll, peer: &Peer) -> Result<Tokens, ApiError> {
        let (id, secret) = asked
            .device_code
            .split_once('.')
            .and_then(|(id, secret)| Some((id.parse::<CodeId>().ok()?, secret)))
            .ok_or(ApiError::ExpiredToken)?;
        let now = self.now();
        let row = self
            .exchange
            .store()
            .code_by_id(CodeKind::Pairing, &id, now)
            .await?
            .ok_or(ApiError::ExpiredToken)?;
        let named = Named::of(&row).ok_or(ApiError::ExpiredToken)?;
        let right = aws_lc_rs::constant_time::verify_slices_are_equal(
            auth::fingerprint(secret).as_bytes(),
            named.secret.as_bytes(),
        );
        if right.is_err() {
            return Err(ApiError::ExpiredToken);
        }
        match named.verdict {
            Some(true) => {
                self.accounts
                    .open_page(&row, named.device.as_str(), peer)
                    .await
            }
            Some(false) => Err(ApiError::AccessDenied),
            None => {
                let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
                asked.retain(|_, at| now.since(*at) < HOLDS_MS);
                let last = asked.insert(id, now);
                if last.is_some_and(|last| now.since(last).abs() < TOO_SOON_MS) {
                    Err(ApiError::SlowDown)
                } else {
                    Err(ApiError::AuthorizationPending)
                }
            }
        }
    }

    /// The page that waits to be let in by that console, if there is one.
    pub async fn asks(&self, console: &SessionId) -> Result<Option<PairingAsk>, ApiError> {
        let store = self.exchange.store();
        let row = store.pairing_of(console, self.now()).await?;
        Ok(row.and_then(|row| {
            let named = Named::of(&row).filter(|named| named.verdict.is_none())?;
            Some(named.asks(&row))
        }))
    }
}
