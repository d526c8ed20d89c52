//! The board and its calls: reading them, and what a person wants of them.

#![expect(
    unused_qualifications,
    reason = "utoipa's macro writes the paths of its parameters out"
)]

use std::time::Duration;

use axum::extract::State;
use cordboard_core::{
    board::{Card, Snapshot},
    call::Talk,
    ids::{CallId, CallSid, Timestamp, UserId},
    machine::Finish,
    policy::{Act, Permission},
    wire::{Command, Order},
};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::extract::{Json, Refusals, UrlPath, UrlQuery};
use crate::{
    accounts::Entry,
    app::App,
    emergency,
    error::ApiError,
    exchange::{Accepted, Session},
    live::{Audience, Ended},
    office::may,
};

/// The longest a command's outcome is waited for, in milliseconds of the wall's clock.
const LONGEST_WAIT_MS: u64 = 30_000;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(board))
        .routes(routes!(calls))
        .routes(routes!(call))
        .routes(routes!(command, command_sent))
}

/// The board as this person may see it.
fn seen(app: &App, session: &Session) -> Snapshot {
    let board = app.exchange.live().board();
    match Audience::of(session.rights) {
        Audience::Desk => board,
        Audience::Wall => board.redacted(),
    }
}

/// The board: people, calls, slots, queues and groups. Without the permission `board` nobody is named who calls.
#[utoipa::path(get, path = "/api/board", tag = "calls",
    responses((status = 200, body = Snapshot, description = "The board."), Refusals))]
async fn board(State(app): State<App>, session: Session) -> Json<Snapshot> {
    Json(seen(&app, &session))
}

/// Calls, longest first.
#[derive(Serialize, ToSchema)]
struct Calls {
    calls: Vec<Card>,
}

/// The calls that are not over.
#[utoipa::path(get, path = "/api/calls", tag = "calls",
    responses((status = 200, body = Calls, description = "Them."), Refusals))]
async fn calls(State(app): State<App>, session: Session) -> Json<Calls> {
    let calls = seen(&app, &session).calls;
    Json(Calls { calls })
}

/// A call, and what has become of it so far.
#[derive(Serialize, ToSchema)]
struct CallDetail {
    #[serde(flatten)]
    card: Card,
    answered: Option<Timestamp>,
    talks: Vec<Talk>,
}

/// One call, also one that is over, by its id or by any CallSid in it. Takes the permission `board`.
#[utoipa::path(get, path = "/api/calls/{id}", tag = "calls", params(("id" = String, Path, pattern = "^(c_[01234567][0123456789abcdefghjkmnpqrstvwxyz]{25}|CA[0-9a-fA-F]{32})$")),
    responses((status = 200, body = CallDetail, description = "It."), Refusals))]
async fn call(
    State(app): State<App>,
    session: Session,
    UrlPath(id): UrlPath<String>,
) -> Result<Json<CallDetail>, ApiError> {
    may(&session, Act::Use(Permission::Board))?;
    let unknown = || ApiError::NotFound("There is no such call.".to_owned());
    let id = match (id.parse::<CallId>(), id.parse::<CallSid>()) {
        (Ok(id), _) => id,
        (_, Ok(sid)) => {
            app.exchange
                .store()
                .call_of_sid(&sid)
                .await?
                .ok_or_else(unknown)?
                .call
        }
        (Err(_), Err(_)) => {
            return Err(ApiError::BadInput(
                "That is neither a call id nor a CallSid.".to_owned(),
            ));
        }
    };
    let call = app.exchange.call(id).await?.ok_or_else(unknown)?;
    Ok(Json(CallDetail {
        card: Card::of(&call),
        answered: call.answered,
        talks: call.talks(),
    }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Wait {
    /// How long to wait for the outcome, in milliseconds. 0: until it is committed.
    #[serde(default)]
    #[param(maximum = 30000)]
    wait: u64,
}

/// What came of a command.
#[derive(Serialize, ToSchema)]
struct Answered {
    ok: bool,
    id: String,
    /// `done`, `committed`, `unknown` or `would`; of a command that was sent before, also `failed`.
    outcome: &'static str,
    /// None for a call that has none: the page dials for help by itself.
    call: Option<Card>,
    /// What there is to say beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// Do something with a call, or make one. The same `id` twice acts once; with another content it is refused.
#[utoipa::path(post, path = "/api/commands", tag = "calls", params(Wait), request_body = Command,
    responses((status = 200, body = Answered, description = "It was accepted, and perhaps more."), Refusals))]
async fn command(
    State(app): State<App>,
    entry: Entry,
    UrlQuery(Wait { wait }): UrlQuery<Wait>,
    Json(command): Json<Command>,
) -> Result<Json<Answered>, ApiError> {
    let session = entry.session;
    if let Some(answer) = emergency::dial(&app, &session, &command) {
        return answer.map(|why| {
            Json(Answered {
                ok: true,
                outcome: if command.dry_run { "would" } else { "done" },
                id: command.id,
                call: None,
                why: Some(why),
            })
        });
    }
    super::guard::count_command(&app, Some(&entry.id))?;
    // Before acting: the outcome may be faster than the answer.
    let mut outcomes = app.exchange.live().outcomes();
    let Accepted { call, outcome } = app.exchange.act(&session, &command).await?;
    let card = Card::of(&call);
    let answered = |outcome, call, why| {
        Ok(Json(Answered {
            ok: true,
            id: command.id.clone(),
            outcome,
            call: Some(call),
            why,
        }))
    };
    if command.dry_run {
        let would = match &command.order {
            Order::Call { intent, .. } => app.exchange.live().would(&card, intent),
            Order::Dial { to } => format!("dial {to}"),
        };
        return answered("would", card, Some(would));
    }
    let finish = match outcome {
        Some(finish) => finish,
        None if wait == 0 => return answered("committed", card, None),
        None => {
            let limit = Duration::from_millis(wait.min(LONGEST_WAIT_MS));
            let stored = || {
                let (store, id) = (app.exchange.store().clone(), command.id.clone());
                async move {
                    // A store that fails now says nothing about the command: unknown is the truth.
                    let record = store.command(session.user, &id).await.ok().flatten();
                    record.and_then(|r| r.outcome.ended())
                }
            };
            ended(&mut outcomes, session.user, &command.id, limit, stored)
                .await
                .unwrap_or(Finish::Unknown)
        }
    };
    let card = app
        .exchange
        .call(call.id)
        .await?
        .map_or(card, |c| Card::of(&c));
    match finish {
        Finish::Done => answered("done", card, None),
        Finish::Unknown => answered("unknown", card, None),
        Finish::Failed(why) => Err(ApiError::Failed(why)),
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Sent {
    /// The id it was sent under.
    id: String,
}

/// A command that this person has sent: its call as it is now, and how far it came. Whoever repeats a command
/// that named its call by where it was, a slot, learns here which call that was.
#[utoipa::path(get, path = "/api/commands", tag = "calls", params(Sent),
    responses((status = 200, body = Answered, description = "How far it came."), Refusals))]
async fn command_sent(
    State(app): State<App>,
    session: Session,
    UrlQuery(Sent { id }): UrlQuery<Sent>,
) -> Result<Json<Answered>, ApiError> {
    let unknown = || ApiError::NotFound("You have sent no command under this id.".to_owned());
    let record = app.exchange.store().command(session.user, &id).await?;
    let record = record.ok_or_else(unknown)?;
    let call = app.exchange.call(record.call).await?.ok_or_else(unknown)?;
    let (outcome, why) = match record.outcome.ended() {
        None => ("committed", None),
        Some(Finish::Done) => ("done", None),
        Some(Finish::Unknown) => ("unknown", None),
        Some(Finish::Failed(why)) => ("failed", Some(why)),
    };
    Ok(Json(Answered {
        ok: true,
        id,
        outcome,
        call: Some(Card::of(&call)),
        why,
    }))
}

/// How a command ends, if it does within the limit. The store is asked where the news may have been missed: it
/// came faster than we read, or only just.
async fn ended<F: Future<Output = Option<Finish>>>(
    outcomes: &mut Receiver<Ended>,
    by: UserId,
    command: &str,
    limit: Duration,
    stored: impl Fn() -> F,
) -> Option<Finish> {
    let heard = async {
        loop {
            match outcomes.recv().await {
                Ok(e) if e.by == by && *e.command == *command => return Some(e.result),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => {
                    if let Some(finish) = stored().await {
                        return Some(finish);
                    }
                }
                Err(RecvError::Closed) => return None,
            }
        }
    };
    match tokio::time::timeout(limit, heard).await {
        Ok(Some(finish)) => Some(finish),
        Ok(None) | Err(_) => stored().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::broadcast;

    fn of(command: &str) -> Ended {
        Ended {
            by: UserId(1),
            command: command.into(),
            call: CallId::from_bits(7),
            result: Finish::Done,
        }
    }

    #[tokio::test]
    async fn news_that_was_missed_is_read_from_the_store() {
        let (say, mut outcomes) = broadcast::channel(1);
        // The channel keeps one: ours is dropped before we read.
        for command in ["ours", "a", "b"] {
            say.send(of(command)).unwrap();
        }
        let wait = Duration::from_mins(1);
        let stored = || async { Some(Finish::Failed("Nobody answered.".to_owned())) };
        assert_eq!(
            ended(&mut outcomes, UserId(1), "ours", wait, stored).await,
            Some(Finish::Failed("Nobody answered.".to_owned()))
        );
    }

    #[tokio::test]
    async fn the_store_has_the_last_word_when_the_time_is_over() {
        let (_say, mut outcomes) = broadcast::channel(1);
        let (user, wait) = (UserId(1), Duration::ZERO);
        let stored = || async { Some(Finish::Done) };
        assert_eq!(
            ended(&mut outcomes, user, "ours", wait, stored).await,
            Some(Finish::Done)
        );
        let pending = || async { None };
        assert_eq!(
            ended(&mut outcomes, user, "ours", wait, pending).await,
            None
        );
    }
}
