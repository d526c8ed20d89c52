//! What people may have changed about the people here and the house: invited, changed, kept out, arranged.
//!
//! Each of these asks [`policy::may`] on the house as it is now, reads what was typed, says of every wrong field what
//! is wrong with it, and hands one [`Arrangement`] to the door. It must not know HTTP. Read next:
//! [`crate::accounts`] (signing in), `office/rooms.rs` (groups, slots, queues, numbers, the desk).

use cordboard_core::{
    api::{
        Account, AccountChange, AccountEdit, Accounts, Fields, Guest, Invitation, Invitations,
        Invite, Invited, ResetMade,
    },
    board::{Presence, Status},
    ids::{CodeId, Rev, SafeText, Timestamp, UserId},
    machine::Fact,
    policy::{self, Act, Permission, Role},
    secret::Secret,
    wire::Change,
};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use url::Url;

use crate::{
    accounts::short_id,
    auth::code,
    error::ApiError,
    exchange::{Exchange, Report, Session},
    house::House,
    store::{Arrangement, AuditRow, CodeKind, CodeRow, Edit, Guard, PersonRow, Sessions},
};

mod rooms;

/// How long an invitation holds.
const INVITATION_MS: i64 = 7 * DAY_MS;
/// How long a reset code holds.
const RESET_MS: i64 = DAY_MS;
const DAY_MS: i64 = 24 * 3_600_000;
/// How many invitations are listed.
const INVITATIONS: u64 = 500;
/// How many people are listed at once, if nothing else is said, and at most.
const PAGE: usize = 100;
const PAGE_MOST: usize = 500;
/// How far ahead somebody can say that they are back.
const BACK_MS: i64 = 366 * DAY_MS;

/// The office. Clones are the same.
#[derive(Clone)]
pub struct Office {
    exchange: Exchange,
    /// Where browsers reach us: what links begin with.
    public_url: Url,
}

/// What an invitation makes of whoever takes it.
pub(crate) fn guest(row: &CodeRow) -> Result<Guest, ApiError> {
    serde_json::from_str(&row.body).map_err(|cause| {
        tracing::error!(code.id = %row.id, %cause, "an invitation cannot be read");
        ApiError::Unavailable
    })
}

/// Whether `by` may do that.
pub(crate) fn may(by: &Session, act: Act<'_>) -> Result<(), ApiError> {
    policy::may(by.actor(), act).map_err(|why| ApiError::NotAllowed(why.to_owned()))
}

fn nobody() -> ApiError {
    ApiError::NotFound("There is nobody with this id.".to_owned())
}

/// What is said where a change was made on an older revision.
fn overtaken(what: &str) -> ApiError {
    ApiError::Changed(format!(
        "{what} was changed by somebody else meanwhile. Look at it again before you change it."
    ))
}

/// As JSON, for the audit.
fn json<T: Serialize>(value: &T) -> Option<String> {
    serde_json::to_string(value).ok()
}

/// An account as it travels.
pub(crate) fn account(row: &PersonRow) -> Account {
    Account {
        id: row.id,
        rev: row.rev,
        name: row.name.clone(),
        email: row.email.clone(),
        extension: row.extension.clone(),
        role: row.role,
        grants: row.grants,
        fallback: row.fallback.clone(),
        languages: row.languages.clone(),
        groups: row.groups.clone(),
        status: row.status.clone(),
        active: row.active,
        pending: row.pending,
        since: row.since,
    }
}

impl Office {
    /// The office behind a door.
    pub const fn new(exchange: Exchange, public_url: Url) -> Self {
        Self {
            exchange,
            public_url,
        }
    }

    fn now(&self) -> Timestamp {
        self.exchange.clock().now()
    }

    /// A person's account.
    pub fn person(&self, by: &Session, id: UserId) -> Result<Account, ApiError> {
        may(by, Act::See(id))?;
        let house = self.exchange.house();
        house.people.get(&id).map(account).ok_or_else(nobody)
    }

    /// The accounts after that one, in the order of their ids.
    pub fn people(
        &self,
        by: &Session,
        after: Option<UserId>,
        limit: Option<u32>,
    ) -> Result<Accounts, ApiError> {
        // Nobody's in particular: whoever may see only themselves may not.
        if !by.rights.has(Permission::People) {
            may(by, Act::Use(Permission::Directory))?;
        }
        let limit = limit.map_or(PAGE, |n| (n as usize).clamp(1, PAGE_MOST));
        let house = self.exchange.house();
        let mut rest = house
            .people
            .range(after.map_or(UserId(0), |a| UserId(a.0.saturating_add(1)))..)
            .map(|(_, row)| account(row));
        let people: Vec<Account> = rest.by_ref().take(limit).collect();
        let next = rest.next().and(people.last().map(|p| p.id));
        Ok(Accounts { people, next })
    }

    /// Changes somebody.
    pub async fn change(
        &self,
        by: &Session,
        id: UserId,
        edit: &AccountEdit,
    ) -> Result<Account, ApiError> {
        may(by, Act::Profile(id))?;
        let change = edit.check()?;
        let house = self.exchange.house();
        let was = house.people.get(&id).ok_or_else(nobody)?;
        if !of_oneself(&change) || by.user != id {
            may(by, Act::Rule(was.rights()))?;
        }
        if edit.rev != was.rev {
            return Err(overtaken(was.name.as_str()));
        }
        let row = changed(was, &change);
        if !of_oneself(&change) {
            may(by, Act::Rule(row.rights()))?;
        }
        check_place(&house, &change, &row)?;
        if row.rev == was.rev {
            return Ok(account(was));
        }
        let mut edits = vec![Edit::ChangePerson {
            row: row.clone(),
            regroup: row.groups != was.groups,
        }];
        if was.active && !row.active {
            edits.push(Edit::EndSessions {
                which: Sessions::All(id),
                why: "deactivated",
            });
        }
        let audit = AuditRow {
            subject: Some(format!("person {id}")),
            was: json(was),
            became: json(&row),
            ..by.audit(self.now(), "person")
        };
        let ruled = was.active && was.role == Role::Admin;
        let plan = Arrangement {
            guard: if ruled && (row.role != Role::Admin || !row.active) {
                Guard::AdminStays
            } else {
                Guard::None
            },
            shown: match (was.active, row.active) {
                (_, true) => vec![Change::Person(Box::new(row.shown()))],
                (true, false) => vec![Change::PersonGone(id)],
                (false, false) => Vec::new(),
            },
            ..Arrangement::new(audit, edits)
        };
        self.exchange.arrange(plan).await?;
        if was.active && !row.active {
            self.signed_off(id).await;
        }
        let house = self.exchange.house();
        house.people.get(&id).map(account).ok_or_else(nobody)
    }

    /// What somebody says of themselves, or is said of them.
    pub async fn set_status(
        &self,
        by: &Session,
        id: UserId,
        status: Status,
    ) -> Result<Account, ApiError> {
        may(by, Act::Presence(id))?;
        let now = self.now();
        let mut fields = Fields::default();
        if let Some(back) = status.back_at
            && (back.since(now) < -60_000 || back.since(now) > BACK_MS)
        {
            let why = "This has to be a moment from now on, within a year.";
            fields.wrong("back_at", why);
        }
        fields.done(Some(()))?;
        let house = self.exchange.house();
        let was = house.active(id).ok_or_else(nobody)?;
        if was.status == status {
            return Ok(account(was));
        }
        let leaves = status.presence == Presence::Offline;
        let audit = AuditRow {
            subject: Some(format!("person {id}")),
            was: json(&was.status),
            became: json(&status),
            ..by.audit(now, "status")
        };
        let edit = Edit::SetStatus { person: id, status };
        self.exchange
            .arrange(Arrangement::new(audit, vec![edit]))
            .await?;
        if leaves {
            self.signed_off(id).await;
        }
        let house = self.exchange.house();
        house.people.get(&id).map(account).ok_or_else(nobody)
    }

    /// What rings for somebody who has signed off goes on to where else they can be found.
    async fn signed_off(&self, user: UserId) {
        for call in self.exchange.calls() {
            if call.people().contains(&user) {
                let report = Report::of(Fact::SignedOff { user }, self.now(), "phone");
                if let Err(cause) = self.exchange.report(call.id, report).await {
                    tracing::error!(call.id = %call.id, %cause, "that somebody has signed off could not be reported");
                }
            }
        }
    }

    /// A code with which somebody chooses another password.
    pub async fn reset(&self, by: &Session, id: UserId) -> Result<ResetMade, ApiError> {
        let house = self.exchange.house();
        let person = house.active(id).ok_or_else(nobody)?;
        may(by, Act::Rule(person.rights()))?;
        let now = self.now();
        let secret = code::new(code::LONG);
        let row = CodeRow {
            id: short_id(),
            hash: code::stored(&secret),
            kind: CodeKind::Reset,
            maker: by.user,
            person: Some(id),
            session: by.id.clone(),
            body: String::new(),
            since: now,
            expires: now.plus(RESET_MS),
        };
        let expires = row.expires;
        let audit = AuditRow {
            subject: Some(format!("person {id}")),
            ..by.audit(now, "reset-code")
        };
        self.exchange
            .arrange(Arrangement::new(audit, vec![Edit::AddCode(row)]))
            .await?;
        Ok(ResetMade {
            code: secret.expose_secret().into(),
            expires,
        })
    }

    /// Invites somebody.
    pub async fn invite(&self, by: &Session, asked: &Invite) -> Result<Invited, ApiError> {
        may(by, Act::Use(Permission::People))?;
        let guest = asked.check()?;
        may(by, Act::Rule(guest.role.rights().with(guest.grants)))?;
        let house = self.exchange.house();
        let mut fields = Fields::default();
        for person in house.people.values() {
            if guest.email.as_ref() == Some(&person.email) {
                fields.wrong("email", format!("This is {}'s already.", person.name));
            }
            if guest.extension.as_ref() == Some(&person.extension) {
                fields.wrong("extension", format!("This is {}'s already.", person.name));
            }
        }
        for group in &guest.groups {
            if house.group(group).is_none() {
                fields.wrong("groups", format!("There is no group {group}."));
            }
        }
        fields.done(Some(()))?;
        let now = self.now();
        let secret = code::new(code::LONG);
        let row = CodeRow {
            id: short_id(),
            hash: code::stored(&secret),
            kind: CodeKind::Invitation,
            maker: by.user,
            person: None,
            session: by.id.clone(),
            body: json(&guest).unwrap_or_default(),
            since: now,
            expires: now.plus(INVITATION_MS),
        };
        let invitation = invitation(&row, guest);
        let audit = AuditRow {
            subject: Some(format!("invitation {}", row.id)),
            became: json(&invitation),
            ..by.audit(now, "invite")
        };
        self.exchange
            .arrange(Arrangement::new(audit, vec![Edit::AddCode(row)]))
            .await?;
        Ok(Invited {
            invitation,
            link: self.link("join", secret.expose_secret()),
            code: secret.expose_secret().into(),
        })
    }

    /// The address of one of our pages, with a code behind the `#`, which no browser sends to a server.
    pub(crate) fn link(&self, page: &str, code: &str) -> Secret {
        let mut url = self.public_url.clone();
        let path = format!("{}/{page}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url.set_fragment(Some(code));
        url.as_str().into()
    }

    /// Every invitation that can still be taken.
    pub async fn invitations(&self, by: &Session) -> Result<Invitations, ApiError> {
        may(by, Act::Use(Permission::People))?;
        let store = self.exchange.store();
        let rows = store
            .codes(CodeKind::Invitation, self.now(), INVITATIONS)
            .await?;
        let all = rows
            .iter()
            .filter_map(|row| Some(invitation(row, guest(row).ok()?)));
        Ok(Invitations {
            invitations: all.collect(),
        })
    }

    /// Takes an invitation back.
    pub async fn revoke(&self, by: &Session, id: &CodeId) -> Result<(), ApiError> {
        may(by, Act::Use(Permission::People))?;
        let now = self.now();
        let store = self.exchange.store();
        let row = store.code_by_id(CodeKind::Invitation, id, now).await?;
        let row = row.ok_or_else(|| {
            ApiError::NotFound("There is no such invitation, or not any more.".to_owned())
        })?;
        let guest = guest(&row)?;
        may(by, Act::Rule(guest.role.rights().with(guest.grants)))?;
        let audit = AuditRow {
            subject: Some(format!("invitation {id}")),
            was: json(&invitation(&row, guest)),
            ..by.audit(now, "revoke")
        };
        self.exchange
            .arrange(Arrangement::new(audit, vec![Edit::EndCode(row.id)]))
            .await?;
        Ok(())
    }
}

fn invitation(row: &CodeRow, guest: Guest) -> Invitation {
    Invitation {
        id: row.id.clone(),
        role: guest.role,
        grants: guest.grants,
        groups: guest.groups,
        name: guest.name,
        email: guest.email,
        extension: guest.extension,
        by: row.maker,
        since: row.since,
        expires: row.expires,
    }
}

/// Whether a change touches nothing but what people may change of themselves.
const fn of_oneself(change: &AccountChange) -> bool {
    change.email.is_none()
        && change.extension.is_none()
        && change.role.is_none()
        && change.grants.is_none()
        && change.groups.is_none()
        && change.active.is_none()
}

/// The account after a change; of the next revision, if it is another.
fn changed(was: &PersonRow, change: &AccountChange) -> PersonRow {
    let mut row = was.clone();
    let change = change.clone();
    row.name = change.name.unwrap_or(row.name);
    row.email = change.email.unwrap_or(row.email);
    row.extension = change.extension.unwrap_or(row.extension);
    row.role = change.role.unwrap_or(row.role);
    row.grants = change.grants.unwrap_or(row.grants);
    row.fallback = change.fallback.unwrap_or(row.fallback);
    row.languages = change.languages.unwrap_or(row.languages);
    if let Some(mut groups) = change.groups {
        groups.sort();
        groups.dedup();
        row.groups = groups;
    }
    if let Some(active) = change.active {
        row.active = active;
        row.pending &= !active;
    }
    if row != *was {
        row.rev += 1;
    }
    row
}

/// Whether there is room for somebody like that in the house.
fn check_place(house: &House, change: &AccountChange, row: &PersonRow) -> Result<(), ApiError> {
    let mut fields = Fields::default();
    let others = || house.people.values().filter(|p| p.id != row.id);
    if change.email.is_some()
        && let Some(other) = others().find(|p| p.email == row.email)
    {
        fields.wrong("email", format!("This is {}'s already.", other.name));
    }
    if change.extension.is_some()
        && let Some(other) = others().find(|p| p.extension == row.extension)
    {
        fields.wrong("extension", format!("This is {}'s already.", other.name));
    }
    for group in change.groups.iter().flatten() {
        if house.group(group).is_none() {
            fields.wrong("groups", format!("There is no group {group}."));
        }
    }
    if let Some(Some(number)) = &change.fallback
        && house.numbers.contains_key(number)
    {
        let why = "This is one of our own numbers: a call to it would go round in a circle.";
        fields.wrong("fallback", why);
    }
    Ok(fields.done(Some(()))?)
}

/// Whether a change was made on the revision that there is. `what` begins the sentence.
fn on_this(rev: Rev, is: Option<Rev>, what: &SafeText) -> Result<(), ApiError> {
    match (rev, is) {
        (0, None) => Ok(()),
        (0, Some(_)) => Err(ApiError::Changed(format!("There is {what} already."))),
        (_, None) => Err(ApiError::NotFound(format!(
            "There is no {what}, or not any more."
        ))),
        (rev, Some(is)) if rev == is => Ok(()),
        _ => Err(overtaken(what.as_str())),
    }
}
