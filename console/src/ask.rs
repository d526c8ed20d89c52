//! What the board asks the server over HTTP: one value a question, its address, and how its answer is read.
//!
//! Calls travel over the board's own link; what people change seldom (accounts, groups, numbers, a pairing) is asked
//! one question at a time. A question is data, so [`crate::app`] stays pure: it leaves with a number as
//! [`crate::app::Cmd::Ask`], and what came of it comes back under the same number. Nothing here sends anything; nor
//! does it know what is made of an answer. A question is never asked twice by itself: most of them change something.
//!
//! Read next: `ask/http.rs` (asking them), [`crate::settings`].

use std::fmt;

use cordboard_core::{
    api::{
        Account, AccountEdit, Accounts, DeskDetail, DeskEdit, FieldError, GroupDetail,
        GroupDetails, GroupEdit, Invitations, Invite, Invited, NumberDetail, NumberDetails,
        NumberEdit, PairingMade, PasswordChange, Problem, QueueDetail, QueueDetails, QueueEdit,
        ResetMade, SignedIns, SlotDetail, SlotDetails, SlotEdit,
    },
    board::Status,
    ids::{CodeId, GroupId, Phone, QueueId, Rev, SessionId, SlotId, UserId},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

pub mod http;

/// How many people are asked for at once.
const PAGE: u32 = 200;
/// The longest sentence that is taken from an answer, in characters.
const SENTENCE: usize = 400;

/// A question.
#[derive(Clone, PartialEq, Eq)]
pub enum Ask {
    /// How is my own account?
    Me,
    /// Who works here, after that one?
    People(Option<UserId>),
    /// How is that account?
    Person(UserId),
    /// Change it.
    Edit(UserId, AccountEdit),
    /// Say of somebody whether they are here.
    Status(UserId, Status),
    /// Choose another password for me.
    Password(PasswordChange),
    /// Where is that person signed in?
    Sessions(UserId),
    /// End one of these sign-ins.
    EndSession(UserId, SessionId),
    /// End all of them but the one that asks.
    EndSessions(UserId),
    /// Make a code for another password.
    ResetCode(UserId),
    /// Which invitations are there?
    Invitations,
    /// Invite somebody.
    Invite(Invite),
    /// Take an invitation back.
    Revoke(CodeId),
    /// Which groups are there?
    Groups,
    /// Make or change one.
    PutGroup(GroupId, GroupEdit),
    /// Remove one, as it was in that revision.
    DropGroup(GroupId, Rev),
    /// Which slots are there?
    Slots,
    /// Make or change one.
    PutSlot(SlotId, SlotEdit),
    /// Remove one, as it was in that revision.
    DropSlot(SlotId, Rev),
    /// Which queues are there?
    Queues,
    /// Change one.
    PutQueue(QueueId, QueueEdit),
    /// Which numbers are there?
    Numbers,
    /// Add one, or give it another way.
    PutNumber(Phone, NumberEdit),
    /// Remove one, as it was in that revision.
    DropNumber(Phone, Rev),
    /// How does the desk work?
    Desk,
    /// Change that.
    ChangeDesk(DeskEdit),
    /// Make a code for a phone page.
    Pair,
    /// Let the page in that has named it.
    Confirm(CodeId),
    /// Keep it out, and let the code go.
    Refuse(CodeId),
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// An account.
    Account(Box<Account>),
    /// Some accounts.
    Accounts(Accounts),
    /// Sign-ins.
    Sessions(SignedIns),
    /// A code for another password.
    Reset(ResetMade),
    /// Invitations.
    Invitations(Invitations),
    /// A new one.
    Invited(Box<Invited>),
    /// Groups.
    Groups(GroupDetails),
    /// One of them.
    Group(GroupDetail),
    /// Slots.
    Slots(SlotDetails),
    /// One of them.
    Slot(SlotDetail),
    /// Queues.
    Queues(QueueDetails),
    /// One of them.
    Queue(QueueDetail),
    /// Numbers.
    Numbers(NumberDetails),
    /// One of them.
    Number(NumberDetail),
    /// How the desk works.
    Desk(Box<DeskDetail>),
    /// A code for a phone page.
    Pairing(PairingMade),
    /// It was done; there is no more to say.
    Done,
}

/// Why a question was not answered as was hoped for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A short word for programs: the server's own, or one of those below.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
    /// What is wrong, field by field.
    pub errors: Vec<FieldError>,
    /// How many seconds to wait before asking again.
    pub retry_after: Option<u32>,
}

impl Trouble {
    /// The code where no server has answered, and nothing was done.
    pub const UNREACHABLE: &'static str = "unreachable";
    /// The code where no answer came back: it may have been done all the same.
    pub const LOST: &'static str = "lost";
    /// The code where it has said something else than it should.
    pub const GARBLED: &'static str = "garbled";

    /// One that is told in a sentence.
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// What stands in the answer of a server that refused: a problem (RFC 9457), or what is no answer of ours.
    pub fn read(status: u16, body: &[u8], retry_after: Option<u32>) -> Self {
        let short = |text: &str| text.chars().take(SENTENCE).collect::<String>();
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => Self {
                code: short(&problem.code),
                detail: short(&problem.detail),
                errors: problem.errors,
                retry_after,
            },
            Err(_) => Self {
                retry_after,
                ..Self::new(Self::GARBLED, format!("The server answered with {status}."))
            },
        }
    }

    /// Whether somebody else was faster.
    pub fn changed(&self) -> bool {
        self.code == "changed"
    }
}

/// How a question is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Asks.
    Get,
    /// Makes.
    Post,
    /// Makes, or makes anew.
    Put,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
}

impl Ask {
    /// How it is put.
    pub const fn method(&self) -> Method {
        match self {
            Self::Me
            | Self::People(_)
            | Self::Person(_)
            | Self::Sessions(_)
            | Self::Invitations
            | Self::Groups
            | Self::Slots
            | Self::Queues
            | Self::Numbers
            | Self::Desk => Method::Get,
            Self::ResetCode(_) | Self::Invite(_) | Self::Pair | Self::Confirm(_) => Method::Post,
            Self::Status(..)
            | Self::Password(_)
            | Self::PutGroup(..)
            | Self::PutSlot(..)
            | Self::PutQueue(..)
            | Self::PutNumber(..) => Method::Put,
            Self::Edit(..) | Self::ChangeDesk(_) => Method::Patch,
            Self::EndSession(..)
            | Self::EndSessions(_)
            | Self::Revoke(_)
            | Self::DropGroup(..)
            | Self::DropSlot(..)
            | Self::DropNumber(..)
            | Self::Refuse(_) => Method::Delete,
        }
    }

    /// Whether it changes anything.
    pub fn changes(&self) -> bool {
        self.method() != Method::Get
    }

    /// Where it is put: a path, with what follows it. No part of it needs to be escaped: ids are made of harmless
    /// characters, and a number's + stands for itself in a path.
    pub fn path(&self) -> String {
        match self {
            Self::Me => "/api/me".to_owned(),
            Self::People(None) => format!("/api/people?limit={PAGE}"),
            Self::People(Some(after)) => format!("/api/people?after={after}&limit={PAGE}"),
            Self::Person(user) | Self::Edit(user, _) => format!("/api/people/{user}"),
            Self::Status(user, _) => format!("/api/people/{user}/status"),
            Self::Password(_) => "/api/me/password".to_owned(),
            Self::Sessions(user) | Self::EndSessions(user) => {
                format!("/api/people/{user}/sessions")
            }
            Self::EndSession(user, session) => format!("/api/people/{user}/sessions/{session}"),
            Self::ResetCode(user) => format!("/api/people/{user}/reset"),
            Self::Invitations | Self::Invite(_) => "/api/invitations".to_owned(),
            Self::Revoke(code) => format!("/api/invitations/{code}"),
            Self::Groups => "/api/groups".to_owned(),
            Self::PutGroup(group, _) => format!("/api/groups/{group}"),
            Self::DropGroup(group, rev) => format!("/api/groups/{group}?rev={rev}"),
            Self::Slots => "/api/slots".to_owned(),
            Self::PutSlot(slot, _) => format!("/api/slots/{slot}"),
            Self::DropSlot(slot, rev) => format!("/api/slots/{slot}?rev={rev}"),
            Self::Queues => "/api/queues".to_owned(),
            Self::PutQueue(queue, _) => format!("/api/queues/{queue}"),
            Self::Numbers => "/api/numbers".to_owned(),
            Self::PutNumber(number, _) => format!("/api/numbers/{number}"),
            Self::DropNumber(number, rev) => format!("/api/numbers/{number}?rev={rev}"),
            Self::Desk | Self::ChangeDesk(_) => "/api/desk".to_owned(),
            Self::Pair => "/api/pairings".to_owned(),
            Self::Confirm(code) => format!("/api/pairings/{code}/confirm"),
            Self::Refuse(code) => format!("/api/pairings/{code}"),
        }
    }

    /// What goes with it.
    pub fn body(&self) -> Option<Value> {
        match self {
            Self::Edit(_, edit) => json(edit),
            Self::Status(_, status) => json(status),
            Self::Password(change) => json(change),
            Self::Invite(invite) => json(invite),
            Self::PutGroup(_, edit) => json(edit),
            Self::PutSlot(_, edit) => json(edit),
            Self::PutQueue(_, edit) => json(edit),
            Self::PutNumber(_, edit) => json(edit),
            Self::ChangeDesk(edit) => json(edit),
            _ => None,
        }
    }

    /// Reads the answer of a server that has not refused.
    pub fn read(&self, body: &[u8]) -> Result<Answer, Trouble> {
        match self {
            Self::Me | Self::Person(_) | Self::Edit(..) | Self::Status(..) => {
                typed(body).map(|account| Answer::Account(Box::new(account)))
            }
            Self::People(_) => typed(body).map(Answer::Accounts),
            Self::Sessions(_) => typed(body).map(Answer::Sessions),
            Self::ResetCode(_) => typed(body).map(Answer::Reset),
            Self::Invitations => typed(body).map(Answer::Invitations),
            Self::Invite(_) => typed(body).map(|invited| Answer::Invited(Box::new(invited))),
            Self::Groups => typed(body).map(Answer::Groups),
            Self::PutGroup(..) => typed(body).map(Answer::Group),
            Self::Slots => typed(body).map(Answer::Slots),
            Self::PutSlot(..) => typed(body).map(Answer::Slot),
            Self::Queues => typed(body).map(Answer::Queues),
            Self::PutQueue(..) => typed(body).map(Answer::Queue),
            Self::Numbers => typed(body).map(Answer::Numbers),
            Self::PutNumber(..) => typed(body).map(Answer::Number),
            Self::Desk | Self::ChangeDesk(_) => {
                typed(body).map(|desk| Answer::Desk(Box::new(desk)))
            }
            Self::Pair => typed(body).map(Answer::Pairing),
            Self::Password(_)
            | Self::EndSession(..)
            | Self::EndSessions(_)
            | Self::Revoke(_)
            | Self::DropGroup(..)
            | Self::DropSlot(..)
            | Self::DropNumber(..)
            | Self::Confirm(_)
            | Self::Refuse(_) => Ok(Answer::Done),
        }
    }
}

/// Without what goes with it: that may be a password.
impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ask({:?} {})", self.method(), self.path())
    }
}

/// These shapes always can be.
fn json(body: &impl Serialize) -> Option<Value> {
    serde_json::to_value(body).ok()
}

fn typed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Trouble> {
    serde_json::from_slice(body).map_err(|why| {
        tracing::warn!(%why, "an answer could not be read");
        let detail = "The server answered something this console does not understand. Are they of the same version?";
        Trouble::new(Trouble::GARBLED, detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_with_a_password_does_not_print_it() {
        let ask = Ask::Password(PasswordChange {
            current: "correct horse".into(),
            password: "battery staple".into(),
        });
        assert_eq!(format!("{ask:?}"), "Ask(Put /api/me/password)");
        let body = ask.body().map(|b| b.to_string()).unwrap_or_default();
        assert!(body.contains("battery staple"));
    }

    #[test]
    fn a_refusal_is_read_with_what_is_wrong_with_each_field() {
        let body = br#"{"type":"about:blank","title":"Unprocessable Content","status":422,"detail":"Look at the fields.","code":"invalid","errors":[{"field":"extension","why":"It is taken."}]}"#;
        let trouble = Trouble::read(422, body, None);
        assert_eq!(
            (trouble.code.as_str(), trouble.errors.len()),
            ("invalid", 1)
        );
        let other = Trouble::read(502, b"<html>", Some(7));
        assert_eq!(other.detail, "The server answered with 502.");
        assert_eq!(other.retry_after, Some(7));
    }

    #[test]
    fn what_asks_has_nothing_with_it_and_what_is_put_has() {
        let number: Phone = "+14155550100".parse().unwrap();
        let put = Ask::PutNumber(number, NumberEdit::default());
        assert_eq!(put.path(), "/api/numbers/+14155550100");
        assert!(put.changes() && put.body().is_some());
        assert!(!Ask::Me.changes() && Ask::Me.body().is_none());
        assert!(matches!(
            Ask::Refuse("0123456789abcdef".parse().unwrap()).read(b"{}"),
            Ok(Answer::Done)
        ));
        assert!(Ask::Me.read(b"{}").is_err());
    }
}
