//! What handlers take from a request: who asks, from where, and what they say. Whatever is wrong with it becomes an
//! [`ApiError`], so that no library's own words reach a client.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    extract::{
        ConnectInfo, FromRequest, FromRequestParts,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{HeaderMap, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, RefOr, ResponseBuilder},
};

use crate::{
    accounts::{Entry, Peer},
    app::App,
    error::ApiError,
    exchange::Session,
    twilio::words::one_line,
};

/// What a client sends as JSON, and what it is answered with.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(ApiError))]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// What stands in the path.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub struct UrlPath<T>(pub T);

/// What stands behind the `?`.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub struct UrlQuery<T>(pub T);

impl From<JsonRejection> for ApiError {
    fn from(why: JsonRejection) -> Self {
        // The sentence may quote what was sent.
        let text = one_line(&why.body_text(), 200);
        match why {
            JsonRejection::BytesRejection(_) if why.status().as_u16() == 413 => Self::TooLarge,
            _ => Self::BadInput(text),
        }
    }
}

impl From<PathRejection> for ApiError {
    fn from(_: PathRejection) -> Self {
        Self::NotFound("There is nothing with this name, and nothing could have it.".to_owned())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(why: QueryRejection) -> Self {
        Self::BadInput(one_line(&why.body_text(), 200))
    }
}

/// Where a request comes from. A proxy in front of us says it in `X-Forwarded-For`, from the right: what stands left of
/// the first address that is none of our proxies was written by anybody.
pub fn peer(app: &App, socket: Option<IpAddr>, headers: &HeaderMap) -> Peer {
    let mut address = socket.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let ours = |a: IpAddr| {
        let a = a.to_canonical();
        app.trusted_proxies.iter().any(|net| net.contains(&a))
    };
    let said = headers.get_all("x-forwarded-for");
    let hops: Vec<&str> = said
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .collect();
    for hop in hops.into_iter().rev() {
        if !ours(address) {
            break;
        }
        let Ok(before) = hop.trim().parse() else {
            break;
        };
        address = before;
    }
    Peer { address }
}

impl FromRequestParts<App> for Peer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let socket = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(peer(app, socket.map(|s| s.0.ip()), &parts.headers))
    }
}

/// The bearer token of a request, if it has one.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The ticket among the subprotocols that a browser asks for, if there is one: it can send nothing else with a
/// WebSocket.
fn ticket(headers: &HeaderMap) -> Option<&str> {
    let asked = headers.get(header::SEC_WEBSOCKET_PROTOCOL)?.to_str().ok()?;
    asked
        .split(',')
        .find_map(|protocol| protocol.trim().strip_prefix("ticket."))
}

/// Who asks: the sign-in behind the bearer token, or behind the ticket of a WebSocket, and the person as they are now.
impl FromRequestParts<App> for Entry {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let peer = Peer::from_request_parts(parts, app).await?;
        match (bearer(&parts.headers), ticket(&parts.headers)) {
            (Some(token), _) => app.accounts.enter(token, &peer).await,
            (None, Some(ticket)) if parts.uri.path().starts_with("/ws/") => {
                app.accounts.enter_by_ticket(ticket, &peer).await
            }
            _ => Err(ApiError::NotSignedIn(
                "Sign in first: `cordboard login`.".to_owned(),
            )),
        }
    }
}

impl FromRequestParts<App> for Session {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        Ok(Entry::from_request_parts(parts, app).await?.session)
    }
}

/// That something was done about which there is no more to say.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Done {
    ok: bool,
}

impl Done {
    /// It was.
    pub const fn json() -> Json<Self> {
        Json(Self { ok: true })
    }
}

/// What every request may be refused with, for the API's description.
pub struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> std::collections::BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        [
            (400, "The request cannot be read, or not now."),
            (
                401,
                "Nobody is signed in with this token, or the password is wrong.",
            ),
            (403, "Whoever asks may not."),
            (404, "There is no such thing."),
            (
                409,
                "It cannot be done as things are, or somebody was first.",
            ),
            (410, "It was there, and is over."),
            (413, "The body is too large."),
            (415, "The body is not JSON."),
            (
                422,
                "It can be read, and some of what it says is wrong: see `errors`.",
            ),
            (429, "Too many requests or tries: see `Retry-After`."),
            (503, "It cannot be done right now."),
            (504, "It took too long."),
        ]
        .into_iter()
        .map(|(status, text)| {
            let content = ContentBuilder::new()
                .schema(Some(utoipa::openapi::Ref::from_schema_name("Problem")))
                .build();
            let response = ResponseBuilder::new()
                .description(text)
                .content("application/problem+json", content)
                .build();
            (status.to_string(), RefOr::T(response))
        })
        .collect()
    }
}
