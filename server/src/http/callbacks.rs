//! What the carrier asks of us: documents, and news.
//!
//! Each request is proved to be the carrier's before anything else is read of it. News becomes facts; a
//! document is a function of the call's state, so a request made twice gets the same answer. If the store
//! fails, news is refused (it comes again) and a caller hears "one moment"; also if it only takes too long.
//!
//! Emergency calls are answered before the store is asked. Read next: `twilio/webhook.rs`, `twilio/twiml.rs`.

use std::time::Duration;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, OriginalUri, State},
    http::{HeaderMap, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{any, get},
};
use cordboard_core::{
    call::{Call, Caller, Place, RingWhy},
    ids::{Emergency, LegId},
    machine::{Fact, Script},
};

use crate::{
    app::App,
    emergency,
    error::ApiError,
    exchange::Report,
    sounds,
    store::StoreError,
    twilio::{
        Callback, Sound,
        twiml::{self, Document, Entrance, Reject},
        webhook::{CallStatus, ConferenceEvent, Delivery, LeaveReason, RoomEvent, VoiceRequest},
        words::{CallState, Party, happened},
    },
};

/// How long a voice request waits for us before its caller is asked for one moment. The carrier hears nothing
/// from us meanwhile, and the person at the telephone hears silence.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// The largest body the carrier sends is a few kilobytes.
const MOST: usize = 64 * 1024;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/twilio/{*path}", any(callback))
        .route("/media/{file}", get(media))
        .layer(DefaultBodyLimit::max(MOST))
}

/// What callers hear. Public: the carrier fetches it without credentials.
async fn media(axum::extract::Path(file): axum::extract::Path<String>) -> Response {
    match Sound::ALL
        .into_iter()
        .find(|s| file == format!("{}.wav", s.name()))
    {
        Some(sound) => ([(header::CONTENT_TYPE, "audio/wav")], sounds::wav(sound)).into_response(),
        None => ApiError::NotFound("There is no such sound.".to_owned()).into_response(),
    }
}

async fn callback(
    State(app): State<App>,
    method: Method,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response {
    let Ok(body) = body else {
        return ApiError::BadInput(
            "The body is larger than any that the carrier sends.".to_owned(),
        )
        .into_response();
    };
    let path = uri
        .path_and_query()
        .map_or("", axum::http::uri::PathAndQuery::as_str);
    let delivery = match app.verifier.open(&method, path, &headers, &body, MOST) {
        Ok(delivery) => delivery,
        Err(why) => {
            tracing::warn!(%why, path = uri.path(), "a callback was not let in");
            return ApiError::Forged.into_response();
        }
    };
    let Some(callback) = Callback::parse(path) else {
        return ApiError::NotFound("Nothing of ours has this address.".to_owned()).into_response();
    };
    if !callback.wants_document() {
        return match news(&app, callback, delivery).await {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(problem) => problem.into_response(),
        };
    }
    let request = match delivery.voice() {
        Ok(request) => request,
        Err(_) if matches!(callback, Callback::Hold(_)) => {
            // Fetched for a participant, or by a cache: the document is the same for everybody.
            return xml(&document_without_request(&app, callback));
        }
        Err(why) => return ApiError::BadInput(why.to_string()).into_response(),
    };
    // A request that failed comes again at the fallback address, and says which one it was.
    let callback = match callback {
        Callback::Fallback => request
            .error_url
            .as_deref()
            .and_then(|url| app.urls.read(url))
            .unwrap_or(Callback::Fallback),
        callback => callback,
    };
    let one_moment = xml(&twiml::one_moment(
        &app.urls,
        again(&app, callback, &request),
    ));
    // In a task of its own, which goes on when the wait for it is over: what the request said still holds, and
    // the caller asks again soon.
    let made = tokio::spawn(async move { document(&app, callback, &request).await });
    match tokio::time::timeout(PATIENCE, made).await {
        Ok(Ok(Ok(document))) => return xml(&document),
        Ok(Ok(Err(cause))) => tracing::error!(%cause, "a caller is asked for one moment"),
        Ok(Err(cause)) => tracing::error!(%cause, "a caller is asked for one moment"),
        Err(_) => tracing::error!("a caller is asked for one moment: the store is slow to answer"),
    }
    one_moment
}

fn xml(document: &Document) -> Response {
    (
        [(header::CONTENT_TYPE, "text/xml; charset=utf-8")],
        document.to_xml(),
    )
        .into_response()
}

fn document_without_request(app: &App, callback: Callback) -> Document {
    match callback {
        Callback::Hold(sound) => twiml::hold(&app.urls, sound),
        _ => twiml::nothing(),
    }
}

/// Where a request goes on that could not be answered. What its form held is not sent again: neither a key nor a
/// ticket.
fn again(app: &App, callback: Callback, request: &VoiceRequest) -> Callback {
    match callback {
        // They are asked for the key once more, or let in if it was counted.
        Callback::Key(leg) => Callback::Leg(leg),
        Callback::App => ticketed(app, request).map_or(callback, Callback::Leg),
        callback => callback,
    }
}

async fn document(
    app: &App,
    callback: Callback,
    request: &VoiceRequest,
) -> Result<Document, StoreError> {
    let sid = &request.call_sid;
    let now = app.exchange.clock().now();
    match callback {
        Callback::Voice => arrival(app, request).await,
        Callback::App => page(app, request).await,
        Callback::Wait(leg) => {
            let call = app.exchange.call(leg.call).await?;
            Ok(call.map_or_else(twiml::nothing, |call| while_waiting(app, &call, leg)))
        }
        Callback::Leg(leg) => {
            let fact = Fact::Fetched {
                leg: leg.n,
                sid: sid.clone(),
            };
            let call = app
                .exchange
                .report(leg.call, Report::of(fact, now, "carrier"))
                .await?;
            Ok(scripted(app, call.as_deref(), leg, request))
        }
        Callback::Key(leg) => {
            if request.digits.is_some() {
                let fact = Fact::Accepted {
                    leg: leg.n,
                    sid: sid.clone(),
                };
                app.exchange
                    .report(leg.call, Report::of(fact, now, "carrier"))
                    .await?;
            }
            let call = app.exchange.call(leg.call).await?;
            Ok(match call.as_deref().map(|c| c.script(leg.n, sid)) {
                Some(Script::Join { .. } | Script::AskKey) => {
                    scripted(app, call.as_deref(), leg, request)
                }
                _ => twiml::say_and_hang_up("This call has been taken. Goodbye."),
            })
        }
        // A leg has left its room and nobody sent it elsewhere.
        Callback::After(_) | Callback::Fallback => Ok(twiml::hang_up()),
        Callback::Hold(sound) => Ok(twiml::hold(&app.urls, sound)),
        Callback::Conference(_) | Callback::Status(_) | Callback::Ended | Callback::Amd(_) => {
            Ok(twiml::nothing())
        }
    }
}

fn scripted(app: &App, call: Option<&Call>, leg: LegId, request: &VoiceRequest) -> Document {
    match call.map(|c| (c, c.script(leg.n, &request.call_sid))) {
        Some((_, Script::Join { ends_room })) => {
            let entrance = if ends_room {
                Entrance::Customer
            } else {
                Entrance::Talking
            };
            twiml::join(&app.urls, leg, entrance)
        }
        Some((call, Script::AskKey)) => {
            let who = match (&call.caller.name, &call.caller.number) {
                (Some(name), _) => name.to_string(),
                (None, Some(number)) => twiml::spoken(number),
                (None, None) => "an unknown number".to_owned(),
            };
            twiml::ask(
                &app.urls,
                leg,
                &format!("A call for you from {who}. Press any key to take it."),
            )
        }
        Some((_, Script::HangUp)) | None => twiml::hang_up(),
    }
}

/// What a lone caller hears, by where their call is. Nothing at all when it is over: its leg is being ended, and
/// no document of a room may hang up (error 13238).
fn while_waiting(app: &App, call: &Call, leg: LegId) -> Document {
    let (sentence, sound) = match &call.place {
        Place::Ringing {
            why: RingWhy::New | RingWhy::Transfer { .. },
            ..
        }
        | Place::Dialling { .. } => (None, Sound::Ringing),
        Place::Queued { .. } => (
            Some("Thank you for calling. Somebody will be with you soon."),
            Sound::Music,
        ),
        Place::Talking => (None, Sound::OneMoment),
        Place::Ended { .. } => return twiml::nothing(),
        Place::Ringing { .. } | Place::Held { .. } | Place::Parked { .. } => (None, Sound::Music),
    };
    twiml::wait(&app.urls, leg, sentence, sound)
}

/// One of our numbers was rung.
async fn arrival(app: &App, request: &VoiceRequest) -> Result<Document, StoreError> {
    let Party::Phone(to) = &request.to else {
        return Ok(twiml::reject(Reject::Rejected));
    };
    let Some(route) = app.exchange.house().route(to) else {
        tracing::warn!("a number that is not set up here was rung");
        return Ok(twiml::reject(Reject::Rejected));
    };
    let caller = Caller {
        name: request.caller_name.clone(),
        number: request.from.phone().cloned(),
    };
    let raw = serde_json::to_string(request.params()).ok();
    let call = app
        .exchange
        .arrive(&request.call_sid, caller, to, &route, raw)
        .await?;
    Ok(scripted(
        app,
        Some(&call),
        call.id.leg(cordboard_core::call::CUSTOMER),
        request,
    ))
}

/// A page has called `connect`.
async fn page(app: &App, request: &VoiceRequest) -> Result<Document, StoreError> {
    // Only `From` is the carrier's word; the rest was chosen by the page.
    let Some(identity) = request.from.client() else {
        return Ok(twiml::hang_up());
    };
    let params = request.params();
    if params.get("op") == Some("dial")
        && let Some(number) = params.get("to").and_then(Emergency::recognise)
    {
        tracing::warn!(identity, "an emergency call");
        if let Some(user) = app.exchange.by_identity(identity) {
            emergency::write_down(app, user, request.call_sid.clone(), number);
        }
        let caller_id = app.exchange.house().caller_id().cloned();
        return Ok(twiml::emergency(number, caller_id));
    }
    let Some(leg) = ticketed(app, request) else {
        tracing::warn!(identity, "a page connected without a ticket that holds");
        return Ok(twiml::hang_up());
    };
    let fact = Fact::Fetched {
        leg: leg.n,
        sid: request.call_sid.clone(),
    };
    let now = app.exchange.clock().now();
    let call = app
        .exchange
        .report(leg.call, Report::of(fact, now, "carrier"))
        .await?;
    Ok(scripted(app, call.as_deref(), leg, request))
}

/// The leg that a page has a ticket for. Nothing is asked but the keys.
fn ticketed(app: &App, request: &VoiceRequest) -> Option<LegId> {
    let (identity, params) = (request.from.client()?, request.params());
    let leg = params.get("leg")?.parse().ok()?;
    let ticket = params.get("ticket").unwrap_or_default();
    let keys = app.exchange.keys();
    keys.is_ticket(leg, identity, ticket).then_some(leg)
}

/// News about a room or a leg.
async fn news(app: &App, callback: Callback, delivery: Delivery) -> Result<(), ApiError> {
    let raw = serde_json::to_string(delivery.params()).ok();
    let unreadable = |why: crate::twilio::webhook::Unreadable| ApiError::BadInput(why.to_string());
    let now = app.exchange.clock().now();
    let (call, fact, at, seen) = match callback {
        Callback::Conference(call) => {
            let event = delivery.conference_event().map_err(unreadable)?;
            let at = event.timestamp.map_or(now, |said| happened(said, now));
            let Some(fact) = room_fact(&event, call) else {
                return Ok(());
            };
            (call, fact, at, event.dedupe_key())
        }
        Callback::Status(leg) => {
            let status = delivery.call_status().map_err(unreadable)?;
            let at = status.timestamp.map_or(now, |said| happened(said, now));
            let Some(fact) = leg_fact(&status, leg.n) else {
                return Ok(());
            };
            (leg.call, fact, at, status.dedupe_key())
        }
        Callback::Ended => {
            let status = delivery.call_status().map_err(unreadable)?;
            let at = status.timestamp.map_or(now, |said| happened(said, now));
            let mut legs = app.exchange.store().legs_of_sid(&status.call_sid).await?;
            let Some(last) = legs.pop() else {
                return Ok(());
            };
            // A connection that moved between calls was a leg of each.
            for leg in legs {
                if let Some(fact) = leg_fact(&status, leg.n) {
                    app.exchange
                        .report(leg.call, Report::of(fact, at, "carrier"))
                        .await?;
                }
            }
            let Some(fact) = leg_fact(&status, last.n) else {
                return Ok(());
            };
            (last.call, fact, at, status.dedupe_key())
        }
        _ => return Ok(()),
    };
    let report = Report {
        fact,
        at,
        seen,
        raw,
        source: "carrier",
    };
    if app.exchange.report(call, report).await?.is_none() {
        tracing::warn!(call.id = %call, "news of a call that nobody knows");
    }
    Ok(())
}

fn room_fact(event: &ConferenceEvent, call: cordboard_core::ids::CallId) -> Option<Fact> {
    let room = event.conference_sid.clone();
    let leg = || {
        let leg = event.leg.filter(|leg| leg.call == call)?;
        Some((leg.n, event.call_sid.clone()?))
    };
    match event.event {
        RoomEvent::Started => Some(Fact::RoomStarted { room }),
        RoomEvent::Ended => Some(Fact::RoomEnded {
            room,
            by: event.ended_by.clone(),
        }),
        RoomEvent::Joined => leg().map(|(leg, sid)| Fact::Joined { leg, sid, room }),
        // Somebody who never answered has not been in the room: how their telephone ended says more.
        RoomEvent::Left => {
            leg().map(
                |(leg, sid)| match event.call_status.and_then(crate::reconcile::outcome) {
                    Some(outcome) => Fact::Over {
                        leg,
                        sid: Some(sid),
                        outcome: Some(outcome),
                    },
                    None => Fact::Left {
                        leg,
                        sid,
                        room,
                        hung_up: event.left == Some(LeaveReason::HungUp),
                    },
                },
            )
        }
        // A hold or a flag that is not what we asked for would be seen by the next read: it carries no number
        // of ours.
        _ => None,
    }
}

fn leg_fact(status: &CallStatus, leg: u16) -> Option<Fact> {
    let sid = status.call_sid.clone();
    match status.status {
        CallState::Queued | CallState::Initiated => Some(Fact::Asked { leg, sid }),
        CallState::Ringing => Some(Fact::Rang { leg, sid }),
        CallState::InProgress => Some(Fact::PickedUp { leg, sid }),
        state if state.is_over() => Some(Fact::Over {
            leg,
            sid: Some(sid),
            outcome: crate::reconcile::outcome(state),
        }),
        _ => None,
    }
}
