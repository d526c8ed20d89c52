//! The control API, `/control/…`: what a test, a demo or a person does to the world that Twilio has no API for.
//!
//! JSON, without authentication, and from this machine only unless the twin was told otherwise; never for a page of
//! another site that a browser shows. Errors are `{"error":{"code":…,"why":"a sentence"}}`. The typed client for it
//! is [`Client`]. Nothing here is Twilio's.
//!
//! | request | body or answer |
//! | --- | --- |
//! | `POST call` | a [`Caller`]; `{"call_sid"}` |
//! | `POST press` · `hangup` · `answer` · `disconnect` | [`Keys`] · [`CallSid`], done by the far end |
//! | `POST connect` | [`Connect`]; [`Connected`], or the SDK's error code |
//! | `GET clients` · `world` · `log` · `requests` · `clock` | what is, what was, what was asked |
//! | `GET telephones` · `POST telephones` | a list of [`Telephone`] |
//! | `GET fault` · `POST fault` | [`FaultOrder`]; all that is set |
//! | `GET calls/{sid}` · `calls/{sid}/wait?status=…&timeout=…` | a call now, or when it is so |
//! | `GET sound/{sid}` | what a call says and hears: `{"said":{"rms","tones":[{"hz","level"}]},"heard":…}` |
//! | `GET sound/{sid}/heard.wav` · `said.wav` | the last seconds (`?seconds=`, at most 10) |
//! | `GET events` | every change: a WebSocket, or JSON lines |

mod client;
mod sound;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use url::Url;

pub use client::{Client, ControlError, Events};

use crate::callers::{self, Caller, Telephone};
use crate::clock::parse_duration;
use crate::edge::outgoing::dial_in;
use crate::faults::Order;
use crate::switch::{Switch, is_local};
use crate::wire::Wire;
use crate::world::call::{CallStatus, Direction};
use crate::world::{Effect, Signal, World};
use crate::{telephone, token};

/// How long a finished call or conference is shown by `GET /control/world`, in milliseconds.
const SHOWN_AFTER_END: i64 = 600_000;

/// A call by its sid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSid {
    /// `CA…`
    pub call_sid: String,
}

/// Keys to press.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keys {
    /// `CA…`
    pub call_sid: String,
    /// `0`–`9`, `*`, `#`.
    pub digits: String,
}

/// A client connects, as a page does with `device.connect`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// An access token.
    pub token: String,
    /// Extra parameters of the voice request, as the page passes them.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
}

/// A client that got through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// `CA…`
    pub call_sid: String,
    /// Who the token says it is.
    pub identity: String,
    /// Seconds the token still lives.
    pub ttl: i64,
}

/// Faults to set, as `key=value`; `clear` switches all others off first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultOrder {
    /// `key=value` each.
    #[serde(default)]
    pub set: Vec<String>,
    /// Switch everything off first.
    #[serde(default)]
    pub clear: bool,
}

struct Refused(StatusCode, u32, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (
            self.0,
            Json(json!({ "error": { "code": self.1, "why": self.2 } })),
        )
            .into_response()
    }
}

fn bad(why: impl Into<String>) -> Refused {
    Refused(StatusCode::BAD_REQUEST, 0, why.into())
}

fn no_such_call(sid: &str) -> Refused {
    Refused(
        StatusCode::NOT_FOUND,
        20404,
        format!("there is no live call {sid}"),
    )
}

type Control = State<Arc<Switch>>;

/// The routes. `from_anywhere` opens them to other machines.
pub(crate) fn routes(switch: Arc<Switch>, from_anywhere: bool) -> Router {
    let guard = move |ConnectInfo(wire): ConnectInfo<Wire>, request: Request, next: Next| async move {
        let headers = request.headers();
        let why = if !from_anywhere && !wire.peer.ip().to_canonical().is_loopback() {
            "the control API answers this machine only"
        } else if from_foreign_page(headers) || (!from_anywhere && under_foreign_name(headers)) {
            "the control API answers no page of another site"
        } else {
            return next.run(request).await;
        };
        Refused(StatusCode::FORBIDDEN, 0, why.to_owned()).into_response()
    };
    Router::new()
        .route("/control/call", post(call))
        .route("/control/press", post(press))
        .route("/control/hangup", post(hangup))
        .route("/control/answer", post(answer))
        .route("/control/connect", post(connect))
        .route("/control/disconnect", post(disconnect))
        .route("/control/clients", get(clients))
        .route("/control/world", get(world))
        .route("/control/log", get(log))
        .route("/control/fault", get(faults).post(set_faults))
        .route("/control/requests", get(requests))
        .route("/control/telephones", get(telephones).post(set_telephones))
        .route("/control/clock", get(clock))
        .route("/control/calls/{sid}", get(one_call))
        .route("/control/calls/{sid}/wait", get(wait))
        .route("/control/sound/{sid}", get(sound::report))
        .route("/control/sound/{sid}/{which}", get(sound::wav))
        .route("/control/events", get(events))
        .merge(telephone::routes())
        .layer(axum::middleware::from_fn(guard))
        .with_state(switch)
}

/// Whether a page of another site asks, in a browser on this machine. Programs send no origin.
fn from_foreign_page(headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN);
    origin.is_some_and(|origin| !origin.to_str().is_ok_and(is_local))
}

/// Whether it is asked under a name that its owner has pointed here, so that a page of that name counts as ours. An
/// address can't be.
fn under_foreign_name(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else {
        return false;
    };
    let url = Url::parse(&format!("http://{}", host.to_str().unwrap_or_default()));
    !url.is_ok_and(|url| url.domain().is_none_or(|name| name == "localhost"))
}

async fn call(
    State(switch): Control,
    Json(caller): Json<Caller>,
) -> Result<Json<CallSid>, Refused> {
    let call_sid = callers::place(&switch, caller).map_err(bad)?;
    Ok(Json(CallSid { call_sid }))
}

fn live(w: &World, sid: &str) -> Result<(), Refused> {
    if w.call(sid).is_some_and(|c| c.is_live() && !c.ghost) {
        Ok(())
    } else {
        Err(no_such_call(sid))
    }
}

async fn press(State(switch): Control, Json(keys): Json<Keys>) -> Result<Json<Value>, Refused> {
    if keys.digits.is_empty()
        || !keys
            .digits
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '*' | '#' | 'w'))
    {
        return Err(bad(format!("keys are 0-9, * and #, not {:?}", keys.digits)));
    }
    switch.world(|w| {
        live(w, &keys.call_sid)?;
        w.tell(&keys.call_sid, Signal::Digits(keys.digits));
        Ok(Json(json!({})))
    })
}

/// The far end hangs up: a caller, a called telephone, or a client.
async fn hangup(
    State(switch): Control,
    Json(order): Json<CallSid>,
) -> Result<Json<Value>, Refused> {
    switch.world(|w| {
        live(w, &order.call_sid)?;
        let call = w.call(&order.call_sid);
        let refuses =
            call.is_some_and(|c| c.direction != Direction::Inbound && c.started.is_none());
        let (status, sip) = if refuses {
            (CallStatus::Busy, Some(603))
        } else {
            (CallStatus::Completed, None)
        };
        w.finish(&order.call_sid, status, sip);
        Ok(Json(json!({})))
    })
}

/// A telephone or client that rings picks up. A real browser does so itself.
async fn answer(
    State(switch): Control,
    Json(order): Json<CallSid>,
) -> Result<Json<Value>, Refused> {
    switch.world(|w| {
        live(w, &order.call_sid)?;
        if w.call(&order.call_sid).is_some_and(|c| c.browser) {
            return Err(bad("it rings in a browser, which answers for itself"));
        }
        w.tell(&order.call_sid, Signal::PickUp);
        Ok(Json(json!({})))
    })
}

async fn connect(
    State(switch): Control,
    Json(order): Json<Connect>,
) -> Result<Json<Connected>, Refused> {
    let connected = connect_client(&switch, &order)?;
    Ok(Json(connected))
}

fn connect_client(switch: &Switch, order: &Connect) -> Result<Connected, Refused> {
    switch.world(|w| {
        let identity = token::check(&order.token, &w.account, w.now)
            .map_err(|e| Refused(StatusCode::UNAUTHORIZED, e.code, e.why))?;
        let name = identity.name.clone();
        if w.quirks.deny_second_device
            && w.calls()
                .any(|c| c.is_live() && !c.ghost && c.client() == Some(&name))
        {
            return Err(Refused(
                StatusCode::CONFLICT,
                0,
                String::from("A Call is already active"),
            ));
        }
        let (call_sid, program) = dial_in(w, &identity, &order.params)
            .map_err(|e| Refused(StatusCode::BAD_REQUEST, e.code, e.why))?;
        w.effect(Effect::Start {
            call: call_sid.clone(),
            program,
        });
        Ok(Connected {
            call_sid,
            identity: name,
            ttl: identity.ttl,
        })
    })
}

async fn disconnect(state: Control, order: Json<CallSid>) -> Result<Json<Value>, Refused> {
    hangup(state, order).await
}

async fn clients(State(switch): Control) -> Json<Value> {
    let rows: Vec<Value> = switch.world(|w| {
        w.calls()
            .filter(|c| c.is_live())
            .filter_map(|c| {
                let identity = c.client()?;
                Some(json!({
                    "identity": identity, "call_sid": c.sid, "status": c.status.rest(), "vanished": c.ghost,
                    "browser": c.browser,
                }))
            })
            .collect()
    });
    let browsers = switch.edge(|e| e.body());
    Json(json!({ "clients": rows, "browsers": browsers }))
}

async fn world(State(switch): Control) -> Json<Value> {
    Json(switch.world(|w| world_body(w)))
}

fn world_body(w: &World) -> Value {
    let recent = |live: bool, at: i64| live || w.now - at < SHOWN_AFTER_END;
    let calls: Vec<Value> = w
        .calls()
        .filter(|c| recent(c.is_live(), c.updated))
        .take(2000)
        .map(|c| {
            let mut body = w.call_body(c);
            body["who"] = json!(c.who);
            if c.mood.is_some() {
                body["mood"] = json!(c.mood);
            }
            body
        })
        .collect();
    let conferences: Vec<Value> = w
        .rooms()
        .filter(|r| recent(!r.is_over(), r.updated))
        .take(2000)
        .map(|r| w.room_body(r))
        .collect();
    let participants: Vec<Value> = w
        .live_rooms()
        .flat_map(|room| {
            room.members
                .iter()
                .map(move |p| w.participant_body_with_hearing(room, p))
        })
        .collect();
    let hears: Vec<Value> = w
        .log
        .open()
        .map(|h| {
            json!({
                "listener": h.listener, "speaker": h.speaker, "listener_sid": h.listener_sid,
                "speaker_sid": h.speaker_sid, "conference_sid": h.conference_sid,
            })
        })
        .collect();
    json!({ "calls": calls, "conferences": conferences, "participants": participants, "hears": hears })
}

/// The past: who heard whom and what, and every call with its outcome.
async fn log(State(switch): Control) -> Json<Value> {
    Json(switch.world(|w| {
        let calls: Vec<Value> = w
            .calls()
            .map(|c| json!({
                "call_sid": c.sid, "who": c.who, "from": c.from, "to": c.to, "direction": c.direction.word(),
                "parent_call_sid": c.parent, "status": c.status.rest(), "created": c.created, "answered": c.started,
                "ended": c.ended, "heard_person": c.heard_person_at, "vanished": c.ghost, "name": c.name,
                "notes": c.notes.iter().map(|n| json!({ "at": n.at, "code": n.code, "text": n.text, "url": n.url }))
                    .collect::<Vec<_>>(),
            }))
            .collect();
        json!({ "now": w.now, "calls": calls, "hears": w.log.hears(), "hearing": w.log.hearing() })
    }))
}

async fn faults(State(switch): Control) -> Json<Value> {
    let quirks = switch.world(|w| w.quirks.clone());
    Json(switch.faults(|f| f.body(&quirks)))
}

async fn set_faults(
    State(switch): Control,
    Json(order): Json<FaultOrder>,
) -> Result<Json<Value>, Refused> {
    if order.clear {
        switch.faults(crate::faults::Faults::clear);
        switch.world(|w| w.quirks = crate::world::Quirks::default());
    }
    for setting in &order.set {
        let (key, value) = setting
            .split_once('=')
            .ok_or_else(|| bad(format!("a fault is key=value, not {setting:?}")))?;
        match switch.faults(|f| f.set(key, value)).map_err(bad)? {
            None => {}
            Some(Order::Quirk(quirk, on)) => switch.world(|w| match quirk {
                "quirk.hold_locks_flags" => w.quirks.hold_locks_flags = on,
                "quirk.hold_before_start" => w.quirks.refuse_hold_before_start = on,
                "quirk.deny_second_device" => w.quirks.deny_second_device = on,
                _ => w.quirks.coach_audible_after_leave = on,
            }),
            Some(Order::Vanish(identity)) => vanish(&switch, &identity)?,
            Some(Order::Offline(identity, lasts)) => {
                let until = switch.clock.now_ms() + i64::try_from(lasts.as_millis()).unwrap_or(0);
                switch.edge(|e| e.take_down(&identity, until));
            }
            Some(Order::Expire(identity)) => switch.edge(|e| e.expire(&identity)),
        }
    }
    Ok(faults(State(switch)).await)
}

/// A browser dies without a word. Its leg stays, dumb and deaf, until the carrier misses its sound.
fn vanish(switch: &Arc<Switch>, identity: &str) -> Result<(), Refused> {
    let call = switch.world(|w| {
        let sid = w
            .calls()
            .find(|c| c.is_live() && !c.ghost && c.client() == Some(identity))
            .map(|c| c.sid.clone())?;
        if let Some(call) = w.call_mut(&sid) {
            call.ghost = true;
        }
        Some(sid)
    });
    let call = call.ok_or_else(|| bad(format!("client {identity} has no call to vanish from")))?;
    let after = switch.faults(|f| f.between(Duration::from_secs(15), Duration::from_secs(20)));
    let me = switch.clone();
    switch.spawn(async move {
        me.clock.sleep(after).await;
        me.world(|w| w.finish(&call, CallStatus::Completed, None));
    });
    Ok(())
}

async fn requests(State(switch): Control) -> Json<Value> {
    Json(json!({ "rest": switch.requests.body(), "webhooks": switch.hooks.body() }))
}

async fn telephones(State(switch): Control) -> Json<Value> {
    Json(json!({ "telephones": switch.telephones(|t| t.all().to_vec()) }))
}

async fn set_telephones(State(switch): Control, Json(rows): Json<Vec<Telephone>>) -> Json<Value> {
    switch.telephones(|t| rows.into_iter().for_each(|row| t.set(row)));
    telephones(State(switch)).await
}

async fn clock(State(switch): Control) -> Json<Value> {
    Json(
        json!({ "now_ms": switch.clock.now_ms(), "now": switch.clock.now().to_string(), "scale": switch.clock.scale() }),
    )
}

fn call_view(w: &World, sid: &str) -> Option<Value> {
    let call = w.call(sid)?;
    let mut body = w.call_body(call);
    body["who"] = json!(call.who);
    Some(body)
}

async fn one_call(State(switch): Control, Path(sid): Path<String>) -> Result<Json<Value>, Refused> {
    switch
        .world(|w| call_view(w, &sid))
        .map(Json)
        .ok_or_else(|| no_such_call(&sid))
}

#[derive(Debug, Deserialize)]
struct Wait {
    /// A status, or several with commas; `completed` stands for every final one.
    status: String,
    #[serde(default)]
    timeout: Option<String>,
}

/// Answers when the call has one of the statuses, or with what it has when the time is up (the clock's time) or the
/// twin stops.
async fn wait(
    State(switch): Control,
    Path(sid): Path<String>,
    Query(wait): Query<Wait>,
) -> Result<Json<Value>, Refused> {
    let timeout = match &wait.timeout {
        None => Duration::from_secs(30),
        Some(text) => parse_duration(text)
            .ok_or_else(|| bad(format!("timeout is a duration such as 30s, not {text:?}")))?,
    };
    // Subscribed before the first look, so that no change falls between the two.
    let mut changes = switch.changes.subscribe();
    let there = |switch: &Switch| {
        let status = switch.world(|w| w.call(&sid).map(|c| c.status))?;
        let wanted = wait
            .status
            .split(',')
            .any(|s| s == status.rest() || (s == "completed" && status.is_final()));
        Some(wanted)
    };
    let alarm = switch.pause(timeout);
    tokio::pin!(alarm);
    loop {
        match there(&switch) {
            None => return Err(no_such_call(&sid)),
            Some(true) => break,
            Some(false) => {}
        }
        tokio::select! {
            () = &mut alarm => break,
            change = changes.recv() => if matches!(change, Err(broadcast::error::RecvError::Closed)) { break },
        }
    }
    switch
        .world(|w| call_view(w, &sid))
        .map(Json)
        .ok_or_else(|| no_such_call(&sid))
}

/// Every change of a call or a conference: a WebSocket where one is asked for, else one JSON object a line.
async fn events(
    State(switch): Control,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let changes = switch.changes.subscribe();
    let hello = json!({ "type": "hello", "at": switch.clock.now_ms() });
    if let Ok(upgrade) = upgrade {
        return upgrade.on_upgrade(move |socket| to_socket(switch, socket, changes, hello));
    }
    let first = futures_util::stream::once(async move { hello });
    let rest =
        futures_util::stream::unfold((switch, changes), |(switch, mut changes)| async move {
            let change = next_change(&switch, &mut changes).await?;
            Some((change, (switch, changes)))
        });
    let lines = first
        .chain(rest)
        .map(|line| Ok::<_, std::convert::Infallible>(format!("{line}\n")));
    (
        [(header::CONTENT_TYPE, "application/x-ndjson")],
        axum::body::Body::from_stream(lines),
    )
        .into_response()
}

async fn next_change(switch: &Switch, changes: &mut broadcast::Receiver<Value>) -> Option<Value> {
    tokio::select! {
        () = switch.shutdown.cancelled() => None,
        change = changes.recv() => match change {
            Ok(change) => Some(change),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(json!({ "type": "lagged", "missed": missed })),
            Err(broadcast::error::RecvError::Closed) => None,
        },
    }
}

async fn to_socket(
    switch: Arc<Switch>,
    mut socket: WebSocket,
    mut changes: broadcast::Receiver<Value>,
    hello: Value,
) {
    let mut next = Some(hello);
    while let Some(change) = next {
        if socket
            .send(Message::text(change.to_string()))
            .await
            .is_err()
        {
            return;
        }
        next = tokio::select! {
            change = next_change(&switch, &mut changes) => change,
            // Whoever listens has nothing to say; a close or an error ends the stream.
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => None,
                Some(Ok(_)) => Some(json!({ "type": "hello", "at": switch.clock.now_ms() })),
            },
        };
    }
}
