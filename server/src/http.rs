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
    ids::{CallId, CallSid, Timestamp},
    machine::Finish,
    wire::{Command, Me, Order},
};
use serde::{Deserialize, Serialize};
use tower_http::{catch_panic::CatchPanicLayer, trace::TraceLayer};

use crate::{
    app::App,
    emergency,
    error::ApiError,
    exchange::{Accepted, Session},
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
        .route("/api/commands", post(command))
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
    /// `done`, `committed`, `unknown` or `would`.
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
            let ended = async {
                loop {
                    match outcomes.recv().await {
                        Ok(e) if e.by == session.user && *e.command == *command.id => {
                            return Some(e.result);
                        }
                        Ok(_) => {}
                        Err(_) => return None,
                    }
                }
            };
            let limit = Duration::from_millis(wait.min(LONGEST_WAIT_MS));
            tokio::time::timeout(limit, ended)
                .await
                .ok()
                .flatten()
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

async fn healthz() -> &'static str {
    "ok"
}

async fn readyz(State(app): State<App>) -> Result<&'static str, ApiError> {
    app.exchange.store().board_position().await?;
    Ok("ready")
}
