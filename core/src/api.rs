//! What travels over the HTTP API beside calls: signing in, people, and how the house is arranged.
//!
//! Both sides share these shapes. What comes from a person is text until [`check`](AccountEdit::check) has read it:
//! then every field that is wrong is named, with a sentence, at once, and a console can ask before it sends. What
//! the server says is typed. Fields are only ever added; a request with a field that nobody knows is refused.
//!
//! Times are RFC 3339, durations are whole seconds, `rev` counts a thing's changes: a change names the `rev` it was
//! made on, and is refused where somebody else was faster. Read next: [`crate::wire`] (the sockets).

use serde::{Deserialize, Serialize};

use crate::{
    board::Status,
    ids::{
        CodeId, Email, Extension, GroupId, Language, Phone, QueueId, Rev, SafeText, SessionId,
        SlotId, Timestamp, UserId,
    },
    policy::{Rights, Role},
    secret::Secret,
    wire::Me,
};

mod check;

pub use check::{AccountChange, FieldError, Fields, Guest, Newcome};

/// The shortest password that is taken, in characters (OWASP ASVS 5.0, 6.2.1, asks for 8 and would rather have 15).
pub const PASSWORD_LEAST: usize = 12;
/// The longest, in bytes: more is a way to make the server work.
pub const PASSWORD_MOST: usize = 512;

/// Derives a schema for the API's description, where that is wanted.
macro_rules! shapes {
    ($($(#[$meta:meta])* pub struct $name:ident { $($body:tt)* })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub struct $name { $($body)* }
    )+};
}

/// The same for what a client sends: a field that nobody knows is a mistake.
macro_rules! requests {
    ($($(#[$meta:meta])* pub struct $name:ident { $($body:tt)* })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($body)* }
    )+};
}

shapes! {
    /// What a request is refused with (RFC 9457, `application/problem+json`).
    pub struct Problem {
        /// What kind of problem, as an address: `about:blank` where the status says it all.
        #[serde(rename = "type")]
        pub kind: String,
        /// The status in words.
        pub title: String,
        /// The HTTP status.
        pub status: u16,
        /// A sentence that a person can act on.
        pub detail: String,
        /// A short word for programs.
        pub code: String,
        /// What finds this request in the server's log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub request_id: Option<String>,
        /// What is wrong, field by field.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub errors: Vec<FieldError>,
    }

    /// What anybody may know before they sign in.
    pub struct Front {
        /// Whether there is no administrator yet: whoever has the set-up code becomes it.
        pub setup: bool,
        /// Whether people may enter themselves.
        pub registration: bool,
    }

    /// A sign-in: what lets a client act as a person.
    pub struct Tokens {
        /// The bearer token, for `Authorization`. Short-lived.
        pub access: Secret,
        /// For how many more seconds it holds.
        pub expires_in: u32,
        /// What the next token is had with, once.
        pub refresh: Secret,
        /// This sign-in, in the list of them.
        pub session: SessionId,
        /// Who is signed in.
        pub me: Me,
    }

    /// A sign-in, as its person sees it in the list.
    pub struct SignedIn {
        /// Which.
        pub id: SessionId,
        /// What it is.
        pub kind: SessionKind,
        /// What it called itself.
        pub device: SafeText,
        /// Where it was last heard from.
        pub address: SafeText,
        /// Since when.
        pub since: Timestamp,
        /// When it last asked for a token.
        pub seen: Timestamp,
        /// When it ends if nothing more is heard of it.
        pub expires: Timestamp,
        /// Whether it is the one that asks.
        pub current: bool,
    }

    /// All of somebody's sign-ins, the latest first.
    pub struct SignedIns {
        /// Them.
        pub sessions: Vec<SignedIn>,
    }

    /// Somebody who works here, as they see themselves and administrators see them.
    pub struct Account {
        /// Who.
        pub id: UserId,
        /// How often this has changed.
        pub rev: Rev,
        /// Their name.
        pub name: SafeText,
        /// What they sign in with.
        pub email: Email,
        /// Their extension.
        pub extension: Extension,
        /// What they are here to do.
        pub role: Role,
        /// What they may do beside it.
        pub grants: Rights,
        /// The number that rings when their phone page is not there.
        pub fallback: Option<Phone>,
        /// What they speak, best first.
        pub languages: Vec<Language>,
        /// The groups they belong to.
        pub groups: Vec<GroupId>,
        /// What they say of themselves.
        pub status: Status,
        /// Whether they may sign in and be given calls.
        pub active: bool,
        /// They have entered themselves, and nobody has let them in yet.
        pub pending: bool,
        /// Since when there is this account.
        pub since: Timestamp,
    }

    /// Some of the accounts, in the order of their ids.
    pub struct Accounts {
        /// Them.
        pub people: Vec<Account>,
        /// Where the next ones begin: `after` of the next request. None: these were the last.
        pub next: Option<UserId>,
    }

    /// An invitation, without its code.
    pub struct Invitation {
        /// Which.
        pub id: CodeId,
        /// What it makes of whoever takes it.
        pub role: Role,
        /// What they may do beside it.
        pub grants: Rights,
        /// The groups they come into.
        pub groups: Vec<GroupId>,
        /// Their name, as far as it was known.
        pub name: SafeText,
        /// The address they have to use, if it is for one.
        pub email: Option<Email>,
        /// Their extension, if it was chosen for them.
        pub extension: Option<Extension>,
        /// Who invited.
        pub by: UserId,
        /// When.
        pub since: Timestamp,
        /// Until when it holds.
        pub expires: Timestamp,
    }

    /// Every invitation that can still be taken.
    pub struct Invitations {
        /// Them, the latest first.
        pub invitations: Vec<Invitation>,
    }

    /// A new invitation. Its code is said once, here.
    pub struct Invited {
        /// It.
        pub invitation: Invitation,
        /// What whoever is invited types: `cordboard join CODE`.
        pub code: Secret,
        /// The same as a link. What is behind its `#` stays in the browser.
        pub link: Secret,
    }

    /// What an invitation says to whoever has its code.
    pub struct InvitationSeen {
        /// What it makes of them.
        pub role: Role,
        /// Their name, as far as it was known.
        pub name: SafeText,
        /// The address they have to use, if it is for one.
        pub email: Option<Email>,
        /// Their extension, if it was chosen for them.
        pub extension: Option<Extension>,
        /// Until when it holds.
        pub expires: Timestamp,
    }

    /// A code that lets somebody choose another password. Said once, here.
    pub struct ResetMade {
        /// What they type: `cordboard reset CODE`.
        pub code: Secret,
        /// Until when it holds.
        pub expires: Timestamp,
    }

    /// A group and who is in it.
    pub struct GroupDetail {
        /// Which.
        pub id: GroupId,
        /// How often this has changed.
        pub rev: Rev,
        /// What it is called.
        pub name: SafeText,
        /// Who is in it.
        pub members: Vec<UserId>,
    }

    /// All groups, in their order.
    pub struct GroupDetails {
        /// Them.
        pub groups: Vec<GroupDetail>,
    }

    /// A parking slot.
    pub struct SlotDetail {
        /// Which.
        pub id: SlotId,
        /// How often this has changed.
        pub rev: Rev,
        /// What it is called.
        pub name: SafeText,
        /// How long a call may lie in it, in seconds. None: as long as in any.
        pub park_seconds: Option<u32>,
    }

    /// All slots, in their order.
    pub struct SlotDetails {
        /// Them.
        pub slots: Vec<SlotDetail>,
    }

    /// A queue.
    pub struct QueueDetail {
        /// Which.
        pub id: QueueId,
        /// How often this has changed.
        pub rev: Rev,
        /// What it is called.
        pub name: SafeText,
    }

    /// All queues, in their order. The first is the desk's.
    pub struct QueueDetails {
        /// Them.
        pub queues: Vec<QueueDetail>,
    }

    /// One of our own numbers, and the way a call to it takes.
    pub struct NumberDetail {
        /// The number.
        pub number: Phone,
        /// How often this has changed.
        pub rev: Rev,
        /// What is tried, one after the other. It ends in a queue.
        pub route: Vec<RouteStop>,
    }

    /// All numbers.
    pub struct NumberDetails {
        /// Them.
        pub numbers: Vec<NumberDetail>,
    }

    /// How the desk works.
    pub struct DeskDetail {
        /// How often this has changed.
        pub rev: Rev,
        /// How long a person rings, in seconds.
        pub ring_seconds: u32,
        /// How long whoever sent or parked a call rings when it comes back, in seconds.
        pub return_seconds: u32,
        /// How long a call may lie in a slot, in seconds.
        pub park_seconds: u32,
        /// How long a call may be held, in seconds.
        pub hold_seconds: u32,
        /// Who is tried after the sender.
        pub second: Vec<UserId>,
        /// Whether people may enter themselves.
        pub registration: Registration,
    }

    /// A code that pairs a phone page with this console. Said once, here.
    pub struct PairingMade {
        /// Which.
        pub id: CodeId,
        /// What is typed in the page: two times four letters.
        pub code: Secret,
        /// The same as a link, for a QR code.
        pub link: Secret,
        /// For how many more seconds it holds.
        pub expires_in: u32,
    }

    /// What a page that has named a code waits with.
    pub struct PairingClaimed {
        /// What it asks with whether it was let in.
        pub device_code: Secret,
        /// Two digits to be shown: the console shows the same.
        pub check: String,
        /// How many seconds to leave between two questions.
        pub interval: u32,
        /// For how many more seconds the pairing holds.
        pub expires_in: u32,
    }

    /// What opens one WebSocket from a browser, which can send no header with it: as the subprotocol
    /// `ticket.TICKET`, beside `cordboard`.
    pub struct Ticket {
        /// It. Single use.
        pub ticket: Secret,
        /// For how many seconds.
        pub expires_in: u32,
    }

    /// One line of the audit.
    pub struct AuditLine {
        /// Its number.
        pub id: u64,
        /// When.
        pub at: Timestamp,
        /// The person, if one acted.
        pub actor: Option<UserId>,
        /// Their sign-in.
        pub session: Option<SessionId>,
        /// Where from.
        pub address: Option<SafeText>,
        /// What happened, in a word.
        pub kind: SafeText,
        /// What it happened to, such as `person u7` or a call's id.
        pub subject: Option<String>,
        /// How that was before.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
        pub before: Option<serde_json::Value>,
        /// How it is after.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
        pub after: Option<serde_json::Value>,
        /// What came in, as it came.
        pub raw: String,
        /// Where it stands in the sealed chain. None: it is newer than the last seal.
        pub place: Option<u64>,
        /// The chain's hash at that place, in hexadecimal digits.
        pub hash: Option<String>,
    }

    /// Some lines, in the order that was asked for.
    pub struct AuditLines {
        /// Them.
        pub lines: Vec<AuditLine>,
        /// Where the next ones begin: `after` of the next request, in the same order. None: there are no more, or, in the
        /// order of the chain, none that are sealed.
        pub next: Option<u64>,
    }

    /// What came of reading the whole chain again.
    pub struct AuditVerdict {
        /// Whether every sealed line is what it was.
        pub intact: bool,
        /// How many lines are sealed.
        pub sealed: u64,
        /// How many are too new to be.
        pub unsealed: u64,
        /// The hash at the head: kept somewhere else, it also shows whether the end was cut off.
        pub head: Option<String>,
        /// What is wrong, in a sentence: the first thing, after which nothing more was looked at.
        pub fault: Option<String>,
        /// What is not wrong and should be known all the same, such as where another secret took over.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub notes: Vec<String>,
    }
}

requests! {
    /// Signing in.
    pub struct SignIn {
        /// The address of the account.
        #[cfg_attr(feature = "openapi", schema(value_type = Email))]
        pub email: String,
        /// The password.
        #[cfg_attr(feature = "openapi", schema(value_type = String, format = Password, min_length = 1, max_length = 512))]
        pub password: Secret,
        /// What it shall be called in the list of sign-ins.
        #[serde(default)]
        pub device: String,
        /// What it is.
        #[serde(default)]
        pub kind: SessionKind,
    }

    /// Asking for the next token.
    pub struct Renew {
        /// What came with the last one.
        pub refresh: Secret,
    }

    /// Becoming the first administrator.
    pub struct Setup {
        /// The code that the server has printed.
        pub code: Secret,
        /// Who it is.
        pub person: Newcomer,
    }

    /// Taking an invitation.
    pub struct Join {
        /// Its code.
        pub code: Secret,
        /// Who it is.
        pub person: Newcomer,
    }

    /// Looking at an invitation.
    pub struct InvitationLook {
        /// Its code.
        pub code: Secret,
    }

    /// Choosing another password with a code.
    pub struct Reset {
        /// The code.
        pub code: Secret,
        /// The password.
        #[cfg_attr(feature = "openapi", schema(value_type = String, format = Password, min_length = 12, max_length = 512))]
        pub password: Secret,
    }

    /// Choosing another password.
    pub struct PasswordChange {
        /// The one so far.
        #[cfg_attr(feature = "openapi", schema(value_type = String, format = Password, min_length = 1, max_length = 512))]
        pub current: Secret,
        /// The one from now on.
        #[cfg_attr(feature = "openapi", schema(value_type = String, format = Password, min_length = 12, max_length = 512))]
        pub password: Secret,
    }

    /// Changing somebody. What is not named stays.
    pub struct AccountEdit {
        /// The account's `rev` this was made on.
        pub rev: Rev,
        /// Their name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<SafeText>))]
        pub name: Option<String>,
        /// What they sign in with.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<Email>))]
        pub email: Option<String>,
        /// Their extension.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<Extension>))]
        pub extension: Option<String>,
        /// What they are here to do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub role: Option<Role>,
        /// What they may do beside it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub grants: Option<Rights>,
        /// The number that rings when their phone page is not there; empty: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<Phone>))]
        pub fallback: Option<String>,
        /// What they speak, best first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<Language>>))]
        pub languages: Option<Vec<String>>,
        /// The groups they belong to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<GroupId>>))]
        pub groups: Option<Vec<String>>,
        /// Whether they may sign in and be given calls.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub active: Option<bool>,
    }

    /// Inviting somebody.
    pub struct Invite {
        /// What it makes of them.
        #[serde(default = "agent")]
        pub role: Role,
        /// What they may do beside it.
        #[serde(default)]
        pub grants: Rights,
        /// The groups they come into.
        #[serde(default)]
        #[cfg_attr(feature = "openapi", schema(value_type = Vec<GroupId>))]
        pub groups: Vec<String>,
        /// Their name, if it is known.
        #[serde(default)]
        pub name: String,
        /// The address they have to use; empty: any.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<Email>, nullable = false))]
        pub email: String,
        /// Their extension; empty: they choose.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        #[cfg_attr(feature = "openapi", schema(value_type = Option<Extension>, nullable = false))]
        pub extension: String,
    }

    /// Making or changing a group.
    pub struct GroupEdit {
        /// The group's `rev` this was made on; 0: a new one.
        #[serde(default)]
        pub rev: Rev,
        /// What it is called.
        #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 64))]
        pub name: String,
        /// Who is in it.
        #[serde(default)]
        pub members: Vec<UserId>,
    }

    /// Making or changing a slot.
    pub struct SlotEdit {
        /// The slot's `rev` this was made on; 0: a new one.
        #[serde(default)]
        pub rev: Rev,
        /// What it is called.
        #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 64))]
        pub name: String,
        /// How long a call may lie in it, in seconds. None: as long as in any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(minimum = 5, maximum = 3600))]
        pub park_seconds: Option<u32>,
    }

    /// Renaming a queue.
    pub struct QueueEdit {
        /// The queue's `rev` this was made on.
        pub rev: Rev,
        /// What it is called.
        #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 64))]
        pub name: String,
    }

    /// Adding a number, or giving it another way.
    pub struct NumberEdit {
        /// The number's `rev` this was made on; 0: a new one.
        #[serde(default)]
        pub rev: Rev,
        /// What is tried, one after the other. It has to end in a queue.
        #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 8))]
        pub route: Vec<RouteStop>,
    }

    /// Changing how the desk works. What is not named stays.
    pub struct DeskEdit {
        /// The `rev` this was made on.
        pub rev: Rev,
        /// How long a person rings, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(minimum = 5, maximum = 3600))]
        pub ring_seconds: Option<u32>,
        /// How long whoever sent or parked a call rings when it comes back, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(minimum = 5, maximum = 3600))]
        pub return_seconds: Option<u32>,
        /// How long a call may lie in a slot, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(minimum = 5, maximum = 3600))]
        pub park_seconds: Option<u32>,
        /// How long a call may be held, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "openapi", schema(minimum = 5, maximum = 3600))]
        pub hold_seconds: Option<u32>,
        /// Who is tried after the sender.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub second: Option<Vec<UserId>>,
        /// Whether people may enter themselves.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub registration: Option<Registration>,
    }

    /// Naming the code that a console shows.
    pub struct PairingClaim {
        /// The code, as it was read: case, spaces and dashes do not count.
        pub code: Secret,
        /// What the page calls itself, such as `Firefox on Linux`.
        #[serde(default)]
        pub device: String,
    }

    /// Asking whether the page was let in.
    pub struct PairingPoll {
        /// What it waits with.
        pub device_code: Secret,
    }
}

const fn agent() -> Role {
    Role::Agent
}

/// Somebody new, as they write themselves down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Newcomer {
    /// Their name.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 64))]
    pub name: String,
    /// What they will sign in with.
    #[cfg_attr(feature = "openapi", schema(value_type = Email))]
    pub email: String,
    /// Their password.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = Password, min_length = 12, max_length = 512))]
    pub password: Secret,
    /// Their extension.
    #[cfg_attr(feature = "openapi", schema(value_type = Extension))]
    pub extension: String,
    /// What this sign-in shall be called in the list of them.
    #[serde(default)]
    pub device: String,
}

/// Whether people may enter themselves, and as what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// They may.
    pub open: bool,
    /// Those whose address is of one of these domains; empty: nobody's is.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_items = 32))]
    pub domains: Vec<String>,
}

/// What a sign-in is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SessionKind {
    /// A console.
    #[default]
    Console,
    /// A script.
    Script,
    /// A phone page.
    Phone,
}

/// A stop on the way of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RouteStop {
    /// It rings for people.
    People {
        /// Whom.
        #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 32))]
        users: Vec<UserId>,
        /// For how long, in seconds.
        #[cfg_attr(feature = "openapi", schema(minimum = 5, maximum = 3600))]
        seconds: u32,
    },
    /// It rings for everybody who is in a group at that moment.
    Group {
        /// Which.
        group: GroupId,
        /// For how long, in seconds.
        #[cfg_attr(feature = "openapi", schema(minimum = 5, maximum = 3600))]
        seconds: u32,
    },
    /// It waits in a queue. The last stop.
    Queue {
        /// Which.
        queue: QueueId,
    },
}
