//! Coming in for the first time, or again: the first administrator, invitations, entering oneself, reset codes.
//!
//! Whoever brings a code is somebody new until it was found; codes are counted as they are tried, like passwords. Read
//! next: [`crate::office`], which hands the codes out.

use cordboard_core::{
    api::{
        Fields, InvitationLook, InvitationSeen, Join, Newcome, Newcomer, Reset, SessionKind, Setup,
        Tokens,
    },
    board::Status,
    ids::GroupId,
    policy::{Rights, Role},
    wire::Change,
};

use super::{Accounts, Peer, locked, strength};
use crate::{
    auth::{self, code},
    error::ApiError,
    store::{
        Arrangement, AuditRow, CodeKind, CodeRow, Edit, Guard, NotArranged, PersonRow, Sessions,
    },
    throttle,
};

/// How often somebody new is entered under another id, if one was taken meanwhile.
const TRIES: usize = 8;

fn no_code() -> ApiError {
    ApiError::NotFound("This code is not valid, or not any more.".to_owned())
}

/// Somebody about to be entered.
struct Entering {
    newcome: Newcome,
    hash: String,
    role: Role,
    grants: Rights,
    groups: Vec<GroupId>,
    active: bool,
}

/// What stood in the way, with its field named as it was in the request.
fn at(why: NotArranged, prefix: &str) -> ApiError {
    match ApiError::from(why) {
        ApiError::Invalid(mut errors) => {
            for error in &mut errors {
                error.field.insert_str(0, prefix);
            }
            ApiError::Invalid(errors)
        }
        other => other,
    }
}

impl Accounts {
    /// The hash of a new password, if it is a good one.
    pub(super) async fn hash(
        &self,
        field: &str,
        password: &str,
        words: &[&str],
    ) -> Result<String, ApiError> {
        let mut fields = Fields::default();
        fields.password(field, password);
        fields.done(Some(()))?;
        if let Some(why) = strength::weak(password.to_owned(), words).await {
            let mut fields = Fields::default();
            fields.wrong(field, why);
            fields.done(Some(()))?;
        }
        self.inner.passwords.hash(password).await
    }

    /// A code of that kind that still holds, for somebody who has typed it.
    async fn code(&self, kind: CodeKind, typed: &str, peer: &Peer) -> Result<CodeRow, ApiError> {
        let inner = &*self.inner;
        let now = self.now();
        let counted = match kind {
            CodeKind::Invitation => throttle::CodeKind::Invitation,
            CodeKind::Reset => throttle::CodeKind::Reset,
            CodeKind::Pairing => throttle::CodeKind::Pairing,
        };
        locked(&inner.codes).ask(counted, peer.origin(), now)?;
        let Some(read) = code::read(typed) else {
            return Err(no_code());
        };
        let hash = auth::fingerprint(&read);
        let found = inner.exchange.store().code(kind, &hash, now).await?;
        let found = found.ok_or_else(no_code)?;
        locked(&inner.codes).right(counted, peer.origin(), now);
        Ok(found)
    }

    /// The pairing whose code somebody has typed. Counted like every code.
    pub(crate) async fn pairing(&self, typed: &str, peer: &Peer) -> Result<CodeRow, ApiError> {
        self.code(CodeKind::Pairing, typed, peer).await
    }

    /// What an invitation says to whoever has its code.
    pub async fn look_at(
        &self,
        asked: InvitationLook,
        peer: &Peer,
    ) -> Result<InvitationSeen, ApiError> {
        let row = self.code(CodeKind::Invitation, &asked.code, peer).await?;
        let guest = crate::office::guest(&row)?;
        Ok(InvitationSeen {
            role: guest.role,
            name: guest.name,
            email: guest.email,
            extension: guest.extension,
            expires: row.expires,
        })
    }

    /// Makes whoever has the set-up code the first administrator.
    pub async fn set_up(&self, asked: Setup, peer: &Peer) -> Result<Tokens, ApiError> {
        let inner = &*self.inner;
        let now = self.now();
        let secret = self.setup_code().ok_or(ApiError::SetUp)?;
        let kind = throttle::CodeKind::Setup;
        locked(&inner.codes).ask(kind, peer.origin(), now)?;
        let typed = code::read(&asked.code).unwrap_or_default();
        let right = aws_lc_rs::constant_time::verify_slices_are_equal(
            auth::fingerprint(&typed).as_bytes(),
            code::stored(secret).as_bytes(),
        );
        if right.is_err() {
            let mut fields = Fields::default();
            fields.wrong(
                "code",
                "This is not the set-up code. The server prints it when it starts.",
            );
            fields.done(Some(()))?;
        }
        locked(&inner.codes).right(kind, peer.origin(), now);
        let newcome = asked.person.check("person.")?;
        let hash = self.new_password(&asked.person, "person.").await?;
        let newcomer = Entering {
            newcome,
            hash,
            role: Role::Admin,
            grants: Rights::NONE,
            groups: Vec::new(),
            active: true,
        };
        let (guard, kind) = (Guard::FirstAdmin, "set-up");
        match self
            .enter_person(newcomer, guard, kind, Vec::new(), peer)
            .await
        {
            Err(ApiError::Refused(_)) => Err(ApiError::SetUp),
            done => done,
        }
    }

    /// Lets somebody in who has an invitation.
    pub async fn join(&self, asked: Join, peer: &Peer) -> Result<Tokens, ApiError> {
        let row = self.code(CodeKind::Invitation, &asked.code, peer).await?;
        let guest = crate::office::guest(&row)?;
        let newcome = asked.person.check("person.")?;
        let mut fields = Fields::default();
        if guest.email.as_ref().is_some_and(|e| *e != newcome.email) {
            fields.wrong("person.email", "The invitation is for another address.");
        }
        if guest
            .extension
            .as_ref()
            .is_some_and(|e| *e != newcome.extension)
        {
            let why = "The invitation says another extension.";
            fields.wrong("person.extension", why);
        }
        fields.done(Some(()))?;
        let hash = self.new_password(&asked.person, "person.").await?;
        let house = self.inner.exchange.house();
        let newcomer = Entering {
            newcome,
            hash,
            role: guest.role,
            grants: guest.grants,
            // A group may have been dissolved since.
            groups: guest
                .groups
                .into_iter()
                .filter(|g| house.group(g).is_some())
                .collect(),
            active: true,
        };
        let used = vec![Edit::EndCode(row.id)];
        self.enter_person(newcomer, Guard::None, "join", used, peer)
            .await
    }

    /// Enters somebody by themselves. They are let in by somebody else.
    pub async fn register(&self, asked: &Newcomer, peer: &Peer) -> Result<(), ApiError> {
        let inner = &*self.inner;
        let now = self.now();
        let registration = inner.exchange.house().registration.clone();
        if !registration.open {
            return Err(ApiError::NotAllowed(
                "People cannot enter themselves here. Ask an administrator for an invitation."
                    .to_owned(),
            ));
        }
        // Each one that is right costs a hash and a row, so none is given back.
        locked(&inner.codes).ask(throttle::CodeKind::Invitation, peer.origin(), now)?;
        let newcome = asked.check("")?;
        let ours = |domain: &String| domain.eq_ignore_ascii_case(newcome.email.domain());
        if !registration.domains.iter().any(ours) {
            let mut fields = Fields::default();
            let why = "Addresses of this domain cannot enter themselves here.";
            fields.wrong("email", why);
            fields.done(Some(()))?;
        }
        let hash = self.new_password(asked, "").await?;
        let newcomer = Entering {
            newcome,
            hash,
            role: Role::Agent,
            grants: Rights::NONE,
            groups: Vec::new(),
            active: false,
        };
        let (_, edits, audit) = self.entering(&newcomer, "register", peer).await?;
        self.arrange(Arrangement::new(audit, edits)).await?;
        Ok(())
    }

    async fn new_password(&self, person: &Newcomer, at: &str) -> Result<String, ApiError> {
        let words = [&*person.name, &*person.email];
        self.hash(&format!("{at}password"), &person.password, &words)
            .await
    }

    /// What enters somebody new: their row, the edits, and what is said of it.
    async fn entering(
        &self,
        newcomer: &Entering,
        kind: &str,
        peer: &Peer,
    ) -> Result<(PersonRow, Vec<Edit>, AuditRow), ApiError> {
        let now = self.now();
        let store = self.inner.exchange.store();
        let row = PersonRow {
            id: store.next_user_id().await?,
            rev: 1,
            name: newcomer.newcome.name.clone(),
            email: newcomer.newcome.email.clone(),
            extension: newcomer.newcome.extension.clone(),
            role: newcomer.role,
            grants: newcomer.grants,
            fallback: None,
            languages: Vec::new(),
            groups: newcomer.groups.clone(),
            status: Status::default(),
            active: newcomer.active,
            pending: !newcomer.active,
            since: now,
        };
        let edits = vec![Edit::EnterPerson {
            row: row.clone(),
            password: newcomer.hash.clone(),
        }];
        let audit = AuditRow {
            actor: Some(row.id),
            address: Some(peer.text()),
            subject: Some(format!("person {}", row.id)),
            became: serde_json::to_string(&row).ok(),
            ..AuditRow::new(now, kind)
        };
        Ok((row, edits, audit))
    }

    async fn enter_person(
        &self,
        newcomer: Entering,
        guard: Guard,
        kind: &str,
        also: Vec<Edit>,
        peer: &Peer,
    ) -> Result<Tokens, ApiError> {
        for _ in 0..TRIES {
            let (row, mut edits, mut audit) = self.entering(&newcomer, kind, peer).await?;
            let device = newcomer.newcome.device.as_str();
            let opening = self.opening(row.id, SessionKind::Console, device, None, peer);
            audit.session = Some(opening.row.id.clone());
            edits.extend(also.iter().cloned());
            edits.push(opening.edit());
            let shown = vec![Change::Person(Box::new(row.shown()))];
            let plan = Arrangement {
                guard,
                shown,
                ..Arrangement::new(audit, edits)
            };
            match self.arrange(plan).await {
                Ok(_) => return self.tokens(&opening.row, &opening.refresh),
                // Somebody else was given this id meanwhile.
                Err(NotArranged::Stale) => {}
                Err(why) => return Err(at(why, "person.")),
            }
        }
        Err(ApiError::Unavailable)
    }

    /// Gives whoever has a reset code the password they choose. All sign-ins end, and a new one begins.
    pub async fn reset(&self, asked: Reset, peer: &Peer) -> Result<Tokens, ApiError> {
        let row = self.code(CodeKind::Reset, &asked.code, peer).await?;
        let user = row.person.ok_or_else(no_code)?;
        let house = self.inner.exchange.house();
        let person = house.active(user).ok_or_else(no_code)?;
        let words = [person.name.as_str(), person.email.as_str()];
        let hash = self.hash("password", &asked.password, &words).await?;
        let opening = self.opening(user, SessionKind::Console, "after a reset", None, peer);
        let edits = vec![
            Edit::EndCode(row.id),
            Edit::SetPassword { person: user, hash },
            Edit::EndSessions {
                which: Sessions::All(user),
                why: "password",
            },
            opening.edit(),
        ];
        let audit = self.said(&opening, "password-reset");
        self.arrange(Arrangement::new(audit, edits)).await?;
        self.tokens(&opening.row, &opening.refresh)
    }
}
