//! Everything that can be asked about accounts and the house, one function a route.
//!
//! Shapes are [`cordboard_core::api`]'s on both sides. Nothing here checks what it sends or what it may: the server
//! does, and its sentence is handed on.
//!
//! Read next: [`cordboard_core::api`].

use std::time::Duration;

use cordboard_core::{
    api::{
        Account, AccountEdit, Accounts, AuditLines, AuditVerdict, DeskDetail, DeskEdit, Front,
        GroupDetail, GroupDetails, GroupEdit, Invitation, InvitationLook, InvitationSeen,
        Invitations, Invite, Invited, Join, Newcomer, NumberDetail, NumberDetails, NumberEdit,
        PairingClaim, PairingClaimed, PairingMade, PairingPoll, PasswordChange, QueueDetail,
        QueueDetails, QueueEdit, Reset, ResetMade, Setup, SignIn, SignedIns, SlotDetail,
        SlotDetails, SlotEdit, Ticket, Tokens,
    },
    board::Status,
    ids::{CodeId, GroupId, Phone, QueueId, Rev, SessionId, SlotId, UserId},
};
use reqwest::Method;
use secrecy::SecretString;
use serde::{Serialize, de::DeserializeOwned};

use super::{Client, error::ClientError, http::Question};

/// How many accounts are asked for at once.
const PAGE: u32 = 200;
/// How long the whole audit may take to be read again.
const READING: Duration = Duration::from_mins(5);

/// What anybody may ask.
impl Client {
    /// What anybody may know of the server.
    pub async fn front(&self) -> Result<Front, ClientError> {
        self.open(&self.http.to(Method::GET, &["api", "front"]))
            .await
    }

    /// Signs in.
    pub async fn login(&self, sign_in: &SignIn) -> Result<Tokens, ClientError> {
        self.http.sign_in(sign_in).await
    }

    /// The next token for a sign-in.
    pub async fn renew(&self, refresh: &SecretString) -> Result<Tokens, ClientError> {
        self.http.renew(refresh).await
    }

    /// Becomes the first administrator.
    pub async fn setup(&self, setup: &Setup) -> Result<Tokens, ClientError> {
        self.tell(&["api", "setup"], setup).await
    }

    /// What an invitation says.
    pub async fn look(&self, code: &str) -> Result<InvitationSeen, ClientError> {
        let look = InvitationLook { code: code.into() };
        let question = self
            .http
            .to(Method::POST, &["api", "invitations", "look"])
            .json(&look);
        self.open(&question.harmless()).await
    }

    /// Takes an invitation.
    pub async fn join(&self, join: &Join) -> Result<Tokens, ClientError> {
        self.tell(&["api", "join"], join).await
    }

    /// Enters oneself, and waits to be let in.
    pub async fn register(&self, person: &Newcomer) -> Result<(), ClientError> {
        let question = self.http.to(Method::POST, &["api", "register"]);
        Box::pin(self.http.send(&question.json(person), None))
            .await
            .map(drop)
    }

    /// Chooses another password with a code.
    pub async fn reset(&self, reset: &Reset) -> Result<Tokens, ClientError> {
        self.tell(&["api", "password", "reset"], reset).await
    }

    /// Names the code that a console shows.
    pub async fn claim_pairing(&self, claim: &PairingClaim) -> Result<PairingClaimed, ClientError> {
        self.tell(&["api", "pairings", "claim"], claim).await
    }

    /// Whether the page was let in. While nobody has said so it is refused, with the code
    /// `authorization-pending`.
    pub async fn poll_pairing(&self, poll: &PairingPoll) -> Result<Tokens, ClientError> {
        self.tell(&["api", "pairings", "poll"], poll).await
    }

    /// Something that takes no token: one that is held is not sent either.
    async fn open<T: DeserializeOwned>(&self, question: &Question) -> Result<T, ClientError> {
        self.http.ask(question, None).await
    }

    async fn tell<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.open(&self.http.to(Method::POST, path).json(body))
            .await
    }
}

/// Oneself, and everybody.
impl Client {
    /// Ends this sign-in at the server.
    pub async fn logout(&self) -> Result<(), ClientError> {
        self.done(&self.http.to(Method::POST, &["api", "logout"]).harmless())
            .await
    }

    /// Oneself.
    pub async fn me(&self) -> Result<Account, ClientError> {
        self.get(&["api", "me"]).await
    }

    /// Chooses another password. Other sign-ins end.
    pub async fn change_password(&self, change: &PasswordChange) -> Result<(), ClientError> {
        let question = self.http.to(Method::PUT, &["api", "me", "password"]);
        self.done(&question.json(change)).await
    }

    /// Some of the people, after `after`, at most `limit`.
    pub async fn people(&self, after: Option<UserId>, limit: u32) -> Result<Accounts, ClientError> {
        let mut question = self
            .http
            .to(Method::GET, &["api", "people"])
            .query("limit", limit);
        if let Some(after) = after {
            question = question.query("after", after);
        }
        self.ask(&question).await
    }

    /// All the people, a page after the other.
    pub async fn everybody(&self) -> Result<Vec<Account>, ClientError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.people(after, PAGE).await?;
            all.extend(page.people);
            match page.next {
                // One that does not go on would never end.
                Some(next) if after.is_none_or(|a| a < next) => after = Some(next),
                Some(_) => return Err(self.http.garbled(&"pages that go back")),
                None => return Ok(all),
            }
        }
    }

    /// Somebody.
    pub async fn person(&self, user: UserId) -> Result<Account, ClientError> {
        self.get(&["api", "people", &user.to_string()]).await
    }

    /// Changes somebody.
    pub async fn edit_person(
        &self,
        user: UserId,
        edit: &AccountEdit,
    ) -> Result<Account, ClientError> {
        let path = ["api", "people", &user.to_string()];
        self.ask(&self.http.to(Method::PATCH, &path).json(edit))
            .await
    }

    /// Says whether somebody is here.
    pub async fn set_status(&self, user: UserId, status: &Status) -> Result<Account, ClientError> {
        let path = ["api", "people", &user.to_string(), "status"];
        self.ask(&self.http.to(Method::PUT, &path).json(status))
            .await
    }

    /// Makes a code that lets somebody choose another password.
    pub async fn reset_code(&self, user: UserId) -> Result<ResetMade, ClientError> {
        let path = ["api", "people", &user.to_string(), "reset"];
        self.ask(&self.http.to(Method::POST, &path)).await
    }

    /// Somebody's sign-ins.
    pub async fn sessions(&self, user: UserId) -> Result<SignedIns, ClientError> {
        self.get(&["api", "people", &user.to_string(), "sessions"])
            .await
    }

    /// Ends one of them.
    pub async fn end_session(&self, user: UserId, session: &SessionId) -> Result<(), ClientError> {
        let (user, session) = (user.to_string(), session.as_str());
        let path = ["api", "people", &user, "sessions", session];
        self.done(&self.http.to(Method::DELETE, &path)).await
    }

    /// Ends all of them but the one that asks.
    pub async fn end_sessions(&self, user: UserId) -> Result<(), ClientError> {
        let path = ["api", "people", &user.to_string(), "sessions"];
        self.done(&self.http.to(Method::DELETE, &path)).await
    }

    /// Every invitation that can still be taken.
    pub async fn invitations(&self) -> Result<Vec<Invitation>, ClientError> {
        let all: Invitations = self.get(&["api", "invitations"]).await?;
        Ok(all.invitations)
    }

    /// Invites somebody.
    pub async fn invite(&self, invite: &Invite) -> Result<Invited, ClientError> {
        let question = self.http.to(Method::POST, &["api", "invitations"]);
        self.ask(&question.json(invite)).await
    }

    /// Takes an invitation back.
    pub async fn revoke_invitation(&self, id: &CodeId) -> Result<(), ClientError> {
        let path = ["api", "invitations", id.as_str()];
        self.done(&self.http.to(Method::DELETE, &path)).await
    }

    /// Shows a code that pairs a phone page with this sign-in.
    pub async fn pair(&self) -> Result<PairingMade, ClientError> {
        self.ask(&self.http.to(Method::POST, &["api", "pairings"]))
            .await
    }

    /// Takes it back, or refuses the page that has named it.
    pub async fn end_pairing(&self, id: &CodeId) -> Result<(), ClientError> {
        let path = ["api", "pairings", id.as_str()];
        self.done(&self.http.to(Method::DELETE, &path).harmless())
            .await
    }

    /// Lets the page in that has named it.
    pub async fn confirm_pairing(&self, id: &CodeId) -> Result<(), ClientError> {
        let path = ["api", "pairings", id.as_str(), "confirm"];
        self.done(&self.http.to(Method::POST, &path)).await
    }

    /// What opens one WebSocket from a browser.
    pub async fn ticket(&self) -> Result<Ticket, ClientError> {
        let question = self.http.to(Method::POST, &["api", "ticket"]);
        self.ask(&question.harmless()).await
    }

    async fn done(&self, question: &Question) -> Result<(), ClientError> {
        self.send(question).await.map(drop)
    }
}

/// How the house is arranged.
impl Client {
    /// The groups, in their order.
    pub async fn groups(&self) -> Result<Vec<GroupDetail>, ClientError> {
        let all: GroupDetails = self.get(&["api", "groups"]).await?;
        Ok(all.groups)
    }

    /// Makes or changes a group.
    pub async fn set_group(
        &self,
        id: &GroupId,
        edit: &GroupEdit,
    ) -> Result<GroupDetail, ClientError> {
        self.set("groups", id.as_str(), edit).await
    }

    /// Takes a group away.
    pub async fn delete_group(&self, id: &GroupId, rev: Rev) -> Result<(), ClientError> {
        self.delete("groups", id.as_str(), rev).await
    }

    /// The slots, in their order.
    pub async fn slots(&self) -> Result<Vec<SlotDetail>, ClientError> {
        let all: SlotDetails = self.get(&["api", "slots"]).await?;
        Ok(all.slots)
    }

    /// Makes or changes a slot.
    pub async fn set_slot(&self, id: &SlotId, edit: &SlotEdit) -> Result<SlotDetail, ClientError> {
        self.set("slots", id.as_str(), edit).await
    }

    /// Takes a slot away.
    pub async fn delete_slot(&self, id: &SlotId, rev: Rev) -> Result<(), ClientError> {
        self.delete("slots", id.as_str(), rev).await
    }

    /// The queues, in their order.
    pub async fn queues(&self) -> Result<Vec<QueueDetail>, ClientError> {
        let all: QueueDetails = self.get(&["api", "queues"]).await?;
        Ok(all.queues)
    }

    /// Renames a queue.
    pub async fn set_queue(
        &self,
        id: &QueueId,
        edit: &QueueEdit,
    ) -> Result<QueueDetail, ClientError> {
        self.set("queues", id.as_str(), edit).await
    }

    /// Our own numbers.
    pub async fn numbers(&self) -> Result<Vec<NumberDetail>, ClientError> {
        let all: NumberDetails = self.get(&["api", "numbers"]).await?;
        Ok(all.numbers)
    }

    /// Adds a number, or gives it another way.
    pub async fn set_number(
        &self,
        number: &Phone,
        edit: &NumberEdit,
    ) -> Result<NumberDetail, ClientError> {
        self.set("numbers", number.as_str(), edit).await
    }

    /// Takes a number away.
    pub async fn delete_number(&self, number: &Phone, rev: Rev) -> Result<(), ClientError> {
        self.delete("numbers", number.as_str(), rev).await
    }

    /// How the desk works.
    pub async fn desk(&self) -> Result<DeskDetail, ClientError> {
        self.get(&["api", "desk"]).await
    }

    /// Changes how the desk works.
    pub async fn edit_desk(&self, edit: &DeskEdit) -> Result<DeskDetail, ClientError> {
        self.ask(&self.http.to(Method::PATCH, &["api", "desk"]).json(edit))
            .await
    }

    /// Some lines of the audit, at most `limit`, after those that ended with `after`: the latest first, or in the order
    /// of the chain.
    pub async fn audit(
        &self,
        newest: bool,
        after: Option<u64>,
        limit: u32,
    ) -> Result<AuditLines, ClientError> {
        let mut question = self.http.to(Method::GET, &["api", "audit"]);
        if newest {
            question = question.query("order", "newest");
        }
        question = question.query("limit", limit);
        if let Some(after) = after {
            question = question.query("after", after);
        }
        self.ask(&question).await
    }

    /// Has the whole audit read again.
    pub async fn audit_verdict(&self) -> Result<AuditVerdict, ClientError> {
        let question = self.http.to(Method::GET, &["api", "audit", "verdict"]);
        self.ask(&question.patient(READING)).await
    }

    async fn set<T: DeserializeOwned>(
        &self,
        what: &str,
        id: &str,
        edit: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.ask(&self.http.to(Method::PUT, &["api", what, id]).json(edit))
            .await
    }

    async fn delete(&self, what: &str, id: &str, rev: Rev) -> Result<(), ClientError> {
        let question = self.http.to(Method::DELETE, &["api", what, id]);
        self.done(&question.query("rev", rev)).await
    }
}
