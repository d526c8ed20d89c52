//! What holds for every request: a name for the log, a rate, a time, and headers that keep browsers from doing more
//! than they should.

use std::{
    any::Any,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, Method, Response as HttpResponse, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use cordboard_core::ids::{SessionId, Timestamp};

use super::extract::{bearer, peer};
use crate::{
    app::App,
    error::{ApiError, REQUEST},
    throttle::{Gcra, KEYS, Origin, Rate, Wait},
};

/// How long a request may take. Longer than the longest that a command's outcome is waited for.
const IN_TIME: Duration = Duration::from_secs(45);

/// Who makes requests, as they are counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Asker {
    Session(SessionId),
    Address(Origin),
}

/// How many requests everybody has made lately.
pub struct Requests(Mutex<Gcra<Asker>>);

impl Requests {
    /// So many a minute, and a fifth of that at once.
    pub fn new(per_minute: u32) -> Self {
        let rate = Rate::new(
            (per_minute / 5).max(10),
            (60_000 / per_minute.max(1)).max(1),
        );
        Self(Mutex::new(Gcra::new(rate, KEYS)))
    }

    fn check(&self, asker: Asker, now: Timestamp) -> Result<(), Wait> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.check(asker, now)
    }
}

/// Counts a request, and sends away who makes too many. A command is let through here: it may be a call for help,
/// which nothing keeps waiting; the others are counted once that is known.
pub(super) async fn rate(State(app): State<App>, request: Request, next: Next) -> Response {
    if request.method() == Method::POST && request.uri().path() == "/api/commands" {
        return next.run(request).await;
    }
    match count(&app, &request) {
        Ok(()) => next.run(request).await,
        Err(wait) => ApiError::from(wait).into_response(),
    }
}

fn count(app: &App, request: &Request) -> Result<(), Wait> {
    let now = app.exchange.clock().now();
    // The signature is enough to count by; whether the sign-in goes on is found out later.
    let session = bearer(request.headers())
        .and_then(|token| app.exchange.keys().bearer(token, now).ok())
        .map(|bearer| bearer.session);
    let asker = session.map_or_else(
        || {
            let socket = request.extensions().get::<ConnectInfo<SocketAddr>>();
            let peer = peer(app, socket.map(|s| s.0.ip()), request.headers());
            Asker::Address(Origin::of(peer.address))
        },
        Asker::Session,
    );
    app.requests.check(asker, now)
}

/// Counts a command that is no call for help.
pub(super) fn count_command(app: &App, session: Option<&SessionId>) -> Result<(), ApiError> {
    let now = app.exchange.clock().now();
    match session {
        Some(id) => Ok(app.requests.check(Asker::Session(id.clone()), now)?),
        None => Ok(()),
    }
}

/// Gives up a request that takes too long. What it has begun may be done all the same.
pub(super) async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(IN_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::TimedOut.into_response(),
    }
}

/// A request's name.
#[derive(Clone)]
struct Name(String);

/// Names a request, for the log and for whoever asks about it, and puts on every answer what a browser must know. A
/// name that comes from outside is not taken: it could be another's.
pub(super) async fn name(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let name = format!("{:016x}", crate::auth::unguessable() >> 64);
    request.extensions_mut().insert(Name(name.clone()));
    let path = request.uri().path();
    let api = path.starts_with("/api/");
    let mut response = REQUEST.scope(name.clone(), next.run(request)).await;
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&name) {
        headers.insert("x-request-id", value);
    }
    for (header, value) in ALWAYS {
        headers.insert(*header, HeaderValue::from_static(value));
    }
    if api {
        // Tokens, names and numbers are nobody's to keep.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        headers.insert(header::CONTENT_SECURITY_POLICY, nothing);
    }
    if app.public_url.scheme() == "https" {
        let year = HeaderValue::from_static("max-age=31536000; includeSubDomains");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

/// On every answer (OWASP ASVS 5.0, 3.4).
const ALWAYS: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    ),
];

/// What the log says of a request. Never its query or its headers: they are the client's.
pub(super) fn span(request: &Request) -> tracing::Span {
    let name = request.extensions().get::<Name>().map(|n| n.0.as_str());
    tracing::info_span!(
        "request",
        id = name,
        method = %request.method(),
        path = request.uri().path(),
    )
}

/// A handler has panicked: the log has it, and the client is told no more than that.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that the layer asks for"
)]
pub(super) fn panicked(panic: Box<dyn Any + Send + 'static>) -> HttpResponse<Body> {
    let said = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned());
    tracing::error!(panic = said, "a handler has panicked");
    ApiError::Broken.into_response()
}
