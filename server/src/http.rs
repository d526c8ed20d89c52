//! The router: sign-in, the board and commands over HTTP, health, and what the carrier calls.
//!
//! Handlers translate and decide nothing: they know who asks, hand it to the door, and put what comes back into
//! JSON. The carrier's requests are in [`callbacks`]. Read next: [`crate::ws`], which does the same over
//! sockets.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, FromRequestParts, Path, Query, State, rejection::JsonRejection},
    http::{header, request::Parts},
    routing::{get, post},
};
use cordboard_core::{
    board::{Card, Snapshot},
    call::Talk,
    ids::{CallId, CallSid, Timestamp, UserId},
    machine::Finish,
    wire::{Command, Me, Order},
};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tower_http::{catch_panic::CatchPanicLayer, trace::TraceLayer};

use crate::{
    app::App,
    emergency,
    error::ApiError,
    exchange::{Accepted, Session},
    live::Ended,
    twilio::words::one_line,
    ws,
};

pub mod callbacks;

/// The largest body of an API request, in bytes.
const MOST: usize = 64 * 1024;

/// The longest a command's outcome is waited for, in milliseconds of the wall's clock.
const LONGEST_WAIT_MS: u64 = 30_000;

/// Everything this server answers.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/api/login", post(login))
        .route("/api/logout", post(logout))
        .route("/api/me", get(me))
        .route("/api/board", get(board))
        .route("/api/calls", get(calls))
        .route("/api/calls/{id}", get(call))
        .route("/api/commands", post(command).get(command_sent))
        .route("/ws/console", get(ws::console))
        .route("/ws/phone", get(ws::phone))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .layer(DefaultBodyLimit::max(MOST))
        .merge(callbacks::router())
        .layer(CatchPanicLayer::new())
        .layer(TraceLayer::new_for_http())
        .with_state(app)
}

/// Who asks: the bearer token of the request, and the person as they are now.
impl FromRequestParts<App> for Session {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.strip_prefix("Bearer "))
            .ok_or_else(|| ApiError::NotSignedIn("Sign in first: `cordboard login`.".to_owned()))?;
        let exchange = &app.exchange;
        let user = exchange.keys().user(token.trim(), exchange.clock().now())?;
        exchange.session(user).ok_or_else(|| {
            ApiError::NotSignedIn("Your account is not active. Ask an administrator.".to_owned())
        })
    }
}

impl Session {
    fn me(&self) -> Me {
        Me {
            id: self.user,
            name: self.name.clone(),
            role: self.role,
        }
    }
}

/// A JSON body; where it is none, a sentence that may quote it.
fn body<T>(read: Result<Json<T>, JsonRejection>) -> Result<T, ApiError> {
    read.map(|Json(value)| value)
        .map_err(|e| ApiError::BadInput(one_line(&e.body_text(), 200)))
}

#[derive(Deserialize)]
struct Login {
    email: String,
    password: String,
}

#[derive(Serialize)]
struct LoggedIn {
    token: String,
    expires: Timestamp,
    me: Me,
}

async fn login(
    State(app): State<App>,
    json: Result<Json<Login>, JsonRejection>,
) -> Result<Json<LoggedIn>, ApiError> {
    let Login { email, password } = body(json)?;
    let wrong = || {
        ApiError::NotSignedIn("This e-mail address and password do not belong together.".to_owned())
    };
    let store = app.exchange.store();
    let person = store
        .person_by_email(email.trim())
        .await?
        .filter(|p| p.active);
    let hash = match &person {
        Some(person) => store.password_hash(person.id).await?,
        None => None,
    };
    if !app.passwords.verify(&password, hash.as_deref()).await? {
        return Err(wrong());
    }
    let person = person.ok_or_else(wrong)?;
    let session = app.exchange.session(person.id).ok_or_else(wrong)?;
    let (token, expires) = app
        .exchange
        .keys()
        .token(person.id, app.exchange.clock().now())?;
    Ok(Json(LoggedIn {
        token,
        expires,
        me: session.me(),
    }))
}

/// Tokens of this version end by themselves; the client forgets its own.
async fn logout(_: Session) -> Json<serde_json::Value> {
    Json(serde_json::json!({"ok": true}))
}

async fn me(session: Session) -> Json<Me> {
    Json(session.me())
}

async fn board(State(app): State<App>, _: Session) -> Json<Snapshot> {
    Json(app.exchange.live().board())
}

#[derive(Serialize)]
struct Calls {
    calls: Vec<Card>,
}

async fn calls(State(app): State<App>, _: Session) -> Json<Calls> {
    Json(Calls {
        calls: app.exchange.live().board().calls,
    })
}

#[derive(Serialize)]
struct CallDetail {
    #[serde(flatten)]
    card: Card,
    answered: Option<Timestamp>,
    talks: Vec<Talk>,
}

/// By its id, or by any CallSid in it.
async fn call(
    State(app): State<App>,
    _: Session,
    Path(id): Path<String>,
) -> Result<Json<CallDetail>, ApiError> {
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

#[derive(Deserialize)]
struct Wait {
    /// How long to wait for the outcome, in milliseconds. 0: until it is committed.
    #[serde(default)]
    wait: u64,
}

#[derive(Serialize)]
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

async fn command(
    State(app): State<App>,
    session: Session,
    Query(Wait { wait }): Query<Wait>,
    json: Result<Json<Command>, JsonRejection>,
) -> Result<Json<Answered>, ApiError> {
    let command = body(json)?;
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

#[derive(Deserialize)]
struct Sent {
    id: String,
}

/// A command that this person has sent: its call as it is now, and how far it came. Whoever repeats a command
/// that named its call by where it was, a slot, learns here which call that was.
async fn command_sent(
    State(app): State<App>,
    session: Session,
    Query(Sent { id }): Query<Sent>,
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

async fn healthz() -> &'static str {
    "ok"
}

async fn readyz(State(app): State<App>) -> Result<&'static str, ApiError> {
    app.exchange.store().board_position().await?;
    Ok("ready")
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
