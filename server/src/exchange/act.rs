//! What a person wants of a call: rights, refusals, dry runs, and the same answer to the same command for ever.
//!
//! Read next: `core/src/machine.rs`, which decides; [`crate::exchange`], which commits.

use std::sync::Arc;

use cordboard_core::{
    call::Call,
    ids::{CallId, Phone, SafeText, SlotId, Timestamp, UserId},
    machine::{By, Finish, Intent, Refusal, RefusalCode, Step, Target},
    policy::{self, Act, Standing},
    wire::{Cause, Command, Order},
};

use super::{Exchange, Session, TRIES, audit};
use crate::{
    error::ApiError,
    store::{CommandRecord, CommandRow, Commit, Conflict, Outcome},
};

/// Why nobody can be dialled from here.
const NO_NUMBER: &str = "This desk has no telephone number of its own to dial from. An administrator opens one in the settings, under Numbers.";

/// What came of a command.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The call as it is now.
    pub call: Arc<Call>,
    /// How the command has ended, if it has.
    pub outcome: Option<Finish>,
}

/// What a command comes to, once its call is known.
enum Want<'a> {
    /// Something of a call that is there.
    Move(&'a Intent),
    /// A new call, out to that number.
    Dial(Phone),
}

impl Want<'_> {
    /// Whether it asks for that slot and no other.
    fn names(&self, slot: &SlotId) -> bool {
        matches!(self, Self::Move(Intent::Park { slot: Some(wanted), .. }) if wanted == slot)
    }
}

impl Exchange {
    /// Does what a person wants, or says why not.
    pub async fn act(&self, session: &Session, command: &Command) -> Result<Accepted, ApiError> {
        if command.id.is_empty()
            || command.id.len() > 64
            || !command.id.bytes().all(|b| b.is_ascii_graphic())
        {
            return Err(ApiError::BadInput(
                "A command id has 1 to 64 visible ASCII characters.".to_owned(),
            ));
        }
        let hash = serde_json::to_string(&command.order).map_err(|_| ApiError::Unavailable)?;
        if !command.dry_run
            && let Some(record) = self.inner.store.command(session.user, &command.id).await?
        {
            return self.again(record, &hash).await;
        }
        let (id, want) = match &command.order {
            Order::Call { call, intent } => (*call, Want::Move(intent)),
            Order::Dial { to } => (
                CallId::from_bits(crate::auth::unguessable()),
                Want::Dial(self.dialled(to)?),
            ),
        };
        let done = self.carry_out(session, command, id, &want, &hash).await;
        match done {
            // The same command may have been on its way twice: then it is what the first has done that stands
            // in the way of the second.
            Err(why)
                if !command.dry_run
                    && !matches!(why, ApiError::Unavailable | ApiError::Uncertain) =>
            {
                match self.inner.store.command(session.user, &command.id).await? {
                    Some(record) => self.again(record, &hash).await,
                    None => Err(why),
                }
            }
            done => done,
        }
    }

    /// A command that was sent before: the same outcome, for ever.
    async fn again(&self, record: CommandRecord, hash: &str) -> Result<Accepted, ApiError> {
        if record.hash != hash {
            return Err(ApiError::OtherContent);
        }
        let call = self.call(record.call).await?.ok_or_else(unknown_call)?;
        let outcome = match record.outcome {
            Outcome::Pending => None,
            Outcome::Done => Some(Finish::Done),
            Outcome::Failed(why) => Some(Finish::Failed(why)),
            Outcome::Unknown => Some(Finish::Unknown),
        };
        Ok(Accepted { call, outcome })
    }

    /// Decides, and commits what was decided; again, where somebody else was first.
    async fn carry_out(
        &self,
        session: &Session,
        command: &Command,
        id: CallId,
        want: &Want<'_>,
        hash: &str,
    ) -> Result<Accepted, ApiError> {
        let mut other: Option<CallId> = None;
        for _ in 0..TRIES {
            let held = self.lock_both(id, other).await;
            let now = self.inner.clock.now();
            let before = match want {
                Want::Move(_) => Some(self.call(id).await?.ok_or_else(unknown_call)?),
                Want::Dial(_) => None,
            };
            let step = match (&before, want) {
                (Some(call), Want::Move(intent)) => {
                    self.moved(session, command, call, intent, now)?
                }
                (_, Want::Dial(number)) => self.dial(session, command, id, number, now)?,
                (None, Want::Move(_)) => return Err(unknown_call()),
            };
            let mut steps = vec![(before.as_ref().map_or(0, |c| c.rev), step)];
            if let Some(aside) = steps[0].1.aside {
                if other != Some(aside.from.call) {
                    other = Some(aside.from.call);
                    continue; // once more, with both locks
                }
                if let Some(there) = self.call(aside.from.call).await? {
                    let ctx = self.context(there.people(), now);
                    let step = there
                        .set_aside(session.user, aside, &ctx)
                        .map_err(refused)?;
                    if step.changed(&there) {
                        steps.push((there.rev, step));
                    }
                }
            }
            if command.dry_run {
                let call = before.unwrap_or_else(|| Arc::new(steps.remove(0).1.call));
                return Ok(Accepted {
                    call,
                    outcome: None,
                });
            }
            let commit = Commit {
                command: Some(CommandRow {
                    actor: session.user,
                    id: command.id.clone(),
                    hash: hash.to_owned(),
                    call: id,
                }),
                audit: vec![audit(
                    now,
                    Some(session.user),
                    "command",
                    id,
                    Some(hash.to_owned()),
                )],
                cause: Cause {
                    kind: "command".into(),
                    id: Some(command.id.as_str().into()),
                },
                ..Commit::new(now)
            };
            let outcome = steps[0]
                .1
                .outcomes
                .iter()
                .find(|o| *o.command == *command.id)
                .map(|o| o.result.clone());
            match self.commit(commit, steps, &held).await {
                Ok(mut calls) => {
                    return Ok(Accepted {
                        call: calls.remove(0),
                        outcome,
                    });
                }
                Err(Conflict::Command(record)) => return self.again(record, hash).await,
                Err(Conflict::Slot { slot, call: winner }) => {
                    self.refresh(winner).await?;
                    if want.names(&slot) {
                        let who = self.call(winner).await?;
                        let who = who.as_ref().map_or("another call", |c| c.caller.title());
                        return Err(ApiError::Refused(format!("{slot} is taken by {who}.")));
                    }
                }
                Err(Conflict::Seen) => return Err(ApiError::Unavailable),
                Err(conflict) => self.give_way(id, conflict).await?,
            }
        }
        Err(ApiError::Unavailable)
    }

    /// A call, moved as somebody wants it, if they may: by their rights as they are now, on the call as it is
    /// now.
    fn moved(
        &self,
        session: &Session,
        command: &Command,
        call: &Call,
        intent: &Intent,
        now: Timestamp,
    ) -> Result<Step, ApiError> {
        if command.seen.is_some_and(|seen| seen < call.moved) {
            return Err(ApiError::Moved(self.moved_by(call, session.user)));
        }
        let actor = self.session(session.user).ok_or_else(signed_off)?.actor();
        let standing = Standing::of(session.user, call);
        policy::may(actor, Act::Call(intent, standing))
            .map_err(|why| ApiError::NotAllowed(why.to_owned()))?;
        let mut people = call.people();
        people.push(session.user);
        if let Intent::Transfer {
            to: Target::User(user),
        } = intent
        {
            people.push(*user);
        }
        let mut ctx = self.context(people, now);
        ctx.taken.retain(|slot, _| call.slot() != Some(slot));
        call.command(&by(session, command), intent, &ctx)
            .map_err(refused)
    }

    /// A call out, if they may.
    fn dial(
        &self,
        session: &Session,
        command: &Command,
        id: CallId,
        number: &Phone,
        now: Timestamp,
    ) -> Result<Step, ApiError> {
        let actor = self.session(session.user).ok_or_else(signed_off)?.actor();
        policy::may(actor, Act::Dial).map_err(|why| ApiError::NotAllowed(why.to_owned()))?;
        if self.house().caller_id().is_none() {
            return Err(ApiError::Refused(NO_NUMBER.to_owned()));
        }
        let ctx = self.context(vec![session.user], now);
        Call::dial(id, &by(session, command), number.clone(), &ctx).map_err(refused)
    }

    /// The number that was typed, if it is one that we dial.
    fn dialled(&self, typed: &SafeText) -> Result<Phone, ApiError> {
        if let Some(name) = self.of_extension(typed.as_str().trim()) {
            return Err(ApiError::Refused(format!(
                "{typed} is {name}'s extension: calls between colleagues come later. Dial a telephone number, or transfer a call to {typed}."
            )));
        }
        Phone::read(typed.as_str()).map_err(|e| ApiError::BadInput(format!("{e}.")))
    }

    /// Whose extension that is.
    fn of_extension(&self, text: &str) -> Option<SafeText> {
        self.house().by_extension(text).map(|p| p.name.clone())
    }

    fn moved_by(&self, call: &Call, me: UserId) -> String {
        match call
            .moved_by
            .filter(|u| *u != me)
            .and_then(|u| self.session(u))
        {
            Some(who) => format!(
                "{} has moved this call meanwhile. Look where it is now.",
                who.name
            ),
            None => "This call has moved meanwhile. Look where it is now.".to_owned(),
        }
    }
}

/// Who acts. A dry run leaves no errand behind.
fn by(session: &Session, command: &Command) -> By {
    By {
        user: session.user,
        command: (!command.dry_run).then(|| command.id.as_str().into()),
    }
}

fn refused(why: Refusal) -> ApiError {
    match why.code {
        RefusalCode::Refused => ApiError::Refused(why.why),
        RefusalCode::NoPage => ApiError::NoPage(why.why),
    }
}

fn unknown_call() -> ApiError {
    ApiError::NotFound("There is no such call.".to_owned())
}

fn signed_off() -> ApiError {
    ApiError::NotSignedIn("Your account is not active. Ask an administrator.".to_owned())
}
