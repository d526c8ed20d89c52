//! Pairing a phone page with a console, and the tickets for a browser's sockets.

use axum::extract::State;
use cordboard_core::{
    api::{PairingClaim, PairingClaimed, PairingMade, PairingPoll, Ticket, Tokens},
    ids::CodeId,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::extract::{Done, Json, Refusals, UrlPath};
use crate::{
    accounts::{Entry, Peer},
    app::App,
    error::ApiError,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(make))
        .routes(routes!(claim))
        .routes(routes!(poll))
        .routes(routes!(refuse))
        .routes(routes!(confirm))
        .routes(routes!(ticket))
}

/// A code that pairs a phone page with this sign-in. The one before is over.
#[utoipa::path(post, path = "/api/pairings", tag = "phone",
    responses((status = 200, body = PairingMade, description = "The code, said once."), Refusals))]
async fn make(State(app): State<App>, entry: Entry) -> Result<Json<PairingMade>, ApiError> {
    app.pairings.make(&entry).await.map(Json)
}

/// Name a code, as a page. It is used up by that.
#[utoipa::path(post, path = "/api/pairings/claim", tag = "phone", security(()), request_body = PairingClaim,
    responses((status = 200, body = PairingClaimed, description = "What to wait with."), Refusals))]
async fn claim(
    State(app): State<App>,
    peer: Peer,
    Json(asked): Json<PairingClaim>,
) -> Result<Json<PairingClaimed>, ApiError> {
    app.pairings.claim(&asked, &peer).await.map(Json)
}

/// Ask whether the page was let in. Problems say how it stands, as RFC 8628 does: `authorization-pending`,
/// `slow-down`, `expired-token`, `access-denied`.
#[utoipa::path(post, path = "/api/pairings/poll", tag = "phone", security(()), request_body = PairingPoll,
    responses((status = 200, body = Tokens, description = "It was."), Refusals))]
async fn poll(
    State(app): State<App>,
    peer: Peer,
    Json(asked): Json<PairingPoll>,
) -> Result<Json<Tokens>, ApiError> {
    app.pairings.poll(&asked, &peer).await.map(Json)
}

/// Refuse the page that has named this sign-in's code, or take the code back.
#[utoipa::path(delete, path = "/api/pairings/{id}", tag = "phone", params(("id" = CodeId, Path)),
    responses((status = 200, body = Done, description = "It is over."), Refusals))]
async fn refuse(
    State(app): State<App>,
    entry: Entry,
    UrlPath(id): UrlPath<CodeId>,
) -> Result<Json<Done>, ApiError> {
    app.pairings.judge(&entry, &id, false).await?;
    Ok(Done::json())
}

/// Let the page in that has named this sign-in's code.
#[utoipa::path(post, path = "/api/pairings/{id}/confirm", tag = "phone", params(("id" = CodeId, Path)),
    responses((status = 200, body = Done, description = "It is let in."), Refusals))]
async fn confirm(
    State(app): State<App>,
    entry: Entry,
    UrlPath(id): UrlPath<CodeId>,
) -> Result<Json<Done>, ApiError> {
    app.pairings.judge(&entry, &id, true).await?;
    Ok(Done::json())
}

/// A ticket for one WebSocket from a browser, within half a minute: as the subprotocol `ticket.TICKET` beside
/// `cordboard`.
#[utoipa::path(post, path = "/api/ticket", tag = "phone",
    responses((status = 200, body = Ticket, description = "It."), Refusals))]
async fn ticket(State(app): State<App>, entry: Entry) -> Json<Ticket> {
    Json(app.accounts.ticket(&entry))
}
