//! Signing in, staying signed in, and coming in for the first time.

use axum::{extract::State, http::StatusCode};
use cordboard_core::api::{
    Front, InvitationLook, InvitationSeen, Join, Newcomer, PasswordChange, Renew, Reset, Setup,
    SignIn, Tokens,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::extract::{Done, Json, Refusals};
use crate::{
    accounts::{Entry, Peer},
    app::App,
    error::ApiError,
    store::Sessions,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(front))
        .routes(routes!(login))
        .routes(routes!(renew))
        .routes(routes!(logout))
        .routes(routes!(set_up))
        .routes(routes!(look))
        .routes(routes!(join))
        .routes(routes!(register))
        .routes(routes!(reset))
        .routes(routes!(password))
}

/// What can be done here without being signed in.
#[utoipa::path(get, path = "/api/front", tag = "access", security(()),
    responses((status = 200, body = Front, description = "What can be done."), Refusals))]
async fn front(State(app): State<App>) -> Json<Front> {
    Json(app.accounts.front())
}

/// Sign in with a password.
#[utoipa::path(post, path = "/api/login", tag = "access", security(()), request_body = SignIn,
    responses((status = 200, body = Tokens, description = "Signed in."), Refusals))]
async fn login(
    State(app): State<App>,
    peer: Peer,
    Json(asked): Json<SignIn>,
) -> Result<Json<Tokens>, ApiError> {
    app.accounts.sign_in(asked, &peer).await.map(Json)
}

/// The next access token, and the refresh token for the one after. The refresh token that is shown is used up.
#[utoipa::path(post, path = "/api/token", tag = "access", security(()), request_body = Renew,
    responses((status = 200, body = Tokens, description = "The sign-in goes on."), Refusals))]
async fn renew(
    State(app): State<App>,
    peer: Peer,
    Json(asked): Json<Renew>,
) -> Result<Json<Tokens>, ApiError> {
    app.accounts.renew(asked, &peer).await.map(Json)
}

/// End this sign-in, and with it the phone pages that are paired with it.
#[utoipa::path(post, path = "/api/logout", tag = "access",
    responses((status = 200, body = Done, description = "Signed out."), Refusals))]
async fn logout(State(app): State<App>, entry: Entry) -> Result<Json<Done>, ApiError> {
    let which = Sessions::One(entry.session.user, entry.id.clone());
    app.accounts.end(&entry.session, which, "sign-out").await?;
    Ok(Done::json())
}

/// Become the first administrator, with the code that the server has printed.
#[utoipa::path(post, path = "/api/setup", tag = "access", security(()), request_body = Setup,
    responses((status = 200, body = Tokens, description = "Set up, and signed in."), Refusals))]
async fn set_up(
    State(app): State<App>,
    peer: Peer,
    Json(asked): Json<Setup>,
) -> Result<Json<Tokens>, ApiError> {
    app.accounts.set_up(asked, &peer).await.map(Json)
}

/// What an invitation says, without taking it.
#[utoipa::path(post, path = "/api/invitations/look", tag = "access", security(()), request_body = InvitationLook,
    responses((status = 200, body = InvitationSeen, description = "What it says."), Refusals))]
async fn look(
    State(app): State<App>,
    peer: Peer,
    Json(asked): Json<InvitationLook>,
) -> Result<Json<InvitationSeen>, ApiError> {
    app.accounts.look_at(asked, &peer).await.map(Json)
}

/// Take an invitation.
#[utoipa::path(post, path = "/api/join", tag = "access", security(()), request_body = Join,
    responses((status = 200, body = Tokens, description = "Joined, and signed in."), Refusals))]
async fn join(
    State(app): State<App>,
    peer: Peer,
    Json(asked): Json<Join>,
) -> Result<Json<Tokens>, ApiError> {
    app.accounts.join(asked, &peer).await.map(Json)
}

/// Enter oneself, where that is open. An administrator has to let one in.
#[utoipa::path(post, path = "/api/register", tag = "access", security(()), request_body = Newcomer,
    responses((status = 202, body = Done, description = "Entered, and not let in yet."), Refusals))]
async fn register(
    State(app): State<App>,
    peer: Peer,
    Json(asked): Json<Newcomer>,
) -> Result<(StatusCode, Json<Done>), ApiError> {
    app.accounts.register(&asked, &peer).await?;
    Ok((StatusCode::ACCEPTED, Done::json()))
}

/// Choose another password with a code from an administrator. Every sign-in ends, and a new one begins.
#[utoipa::path(post, path = "/api/password/reset", tag = "access", security(()), request_body = Reset,
    responses((status = 200, body = Tokens, description = "Changed, and signed in."), Refusals))]
async fn reset(
    State(app): State<App>,
    peer: Peer,
    Json(asked): Json<Reset>,
) -> Result<Json<Tokens>, ApiError> {
    app.accounts.reset(asked, &peer).await.map(Json)
}

/// Choose another password. Other sign-ins end.
#[utoipa::path(put, path = "/api/me/password", tag = "access", request_body = PasswordChange,
    responses((status = 200, body = Done, description = "Changed."), Refusals))]
async fn password(
    State(app): State<App>,
    entry: Entry,
    peer: Peer,
    Json(asked): Json<PasswordChange>,
) -> Result<Json<Done>, ApiError> {
    app.accounts.change_password(&entry, asked, &peer).await?;
    Ok(Done::json())
}
