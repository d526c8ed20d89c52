//! People: their accounts, what they say of themselves, their sign-ins; and invitations.

#![expect(
    unused_qualifications,
    reason = "utoipa's macro writes the paths of its parameters out"
)]

use axum::extract::State;
use cordboard_core::{
    api::{Account, AccountEdit, Accounts, Invitations, Invite, Invited, ResetMade, SignedIns},
    board::Status,
    ids::{CodeId, SessionId, UserId},
    policy::Act,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::extract::{Done, Json, Refusals, UrlPath, UrlQuery};
use crate::{
    accounts::Entry, app::App, error::ApiError, exchange::Session, office::may, store::Sessions,
};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(me))
        .routes(routes!(people))
        .routes(routes!(person, change))
        .routes(routes!(status))
        .routes(routes!(reset))
        .routes(routes!(sessions, end_all))
        .routes(routes!(end_one))
        .routes(routes!(invitations, invite))
        .routes(routes!(revoke))
}

/// Whoever is signed in.
#[utoipa::path(get, path = "/api/me", tag = "people",
    responses((status = 200, body = Account, description = "Oneself."), Refusals))]
async fn me(State(app): State<App>, session: Session) -> Result<Json<Account>, ApiError> {
    app.office.person(&session, session.user).map(Json)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Page {
    /// The last one that was seen: those after it come.
    #[serde(default)]
    after: Option<UserId>,
    /// How many, at most 500.
    #[serde(default)]
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// Everybody, also those who are kept out. Takes the permission `directory` or `people`.
#[utoipa::path(get, path = "/api/people", tag = "people", params(Page),
    responses((status = 200, body = Accounts, description = "Some of them."), Refusals))]
async fn people(
    State(app): State<App>,
    session: Session,
    UrlQuery(page): UrlQuery<Page>,
) -> Result<Json<Accounts>, ApiError> {
    app.office
        .people(&session, page.after, page.limit)
        .map(Json)
}

/// One person. Oneself, or with the permission `directory` or `people`.
#[utoipa::path(get, path = "/api/people/{id}", tag = "people", params(("id" = UserId, Path)),
    responses((status = 200, body = Account, description = "Them."), Refusals))]
async fn person(
    State(app): State<App>,
    session: Session,
    UrlPath(id): UrlPath<UserId>,
) -> Result<Json<Account>, ApiError> {
    app.office.person(&session, id).map(Json)
}

/// Change a person. Of oneself: the name, the fallback number and the languages. Everything else takes the permission
/// `people`, and nobody gives what they do not have.
#[utoipa::path(patch, path = "/api/people/{id}", tag = "people", params(("id" = UserId, Path)), request_body = AccountEdit,
    responses((status = 200, body = Account, description = "As they are now."), Refusals))]
async fn change(
    State(app): State<App>,
    session: Session,
    UrlPath(id): UrlPath<UserId>,
    Json(edit): Json<AccountEdit>,
) -> Result<Json<Account>, ApiError> {
    app.office.change(&session, id, &edit).await.map(Json)
}

/// Say whether a person is here. Of others, it takes the permission `presence`. Signing off sends on what rings for
/// them.
#[utoipa::path(put, path = "/api/people/{id}/status", tag = "people", params(("id" = UserId, Path)), request_body = Status,
    responses((status = 200, body = Account, description = "As they are now."), Refusals))]
async fn status(
    State(app): State<App>,
    session: Session,
    UrlPath(id): UrlPath<UserId>,
    Json(status): Json<Status>,
) -> Result<Json<Account>, ApiError> {
    app.office.set_status(&session, id, status).await.map(Json)
}

/// A code with which a person chooses another password. Takes the permission `people`.
#[utoipa::path(post, path = "/api/people/{id}/reset", tag = "people", params(("id" = UserId, Path)),
    responses((status = 200, body = ResetMade, description = "The code, said once."), Refusals))]
async fn reset(
    State(app): State<App>,
    session: Session,
    UrlPath(id): UrlPath<UserId>,
) -> Result<Json<ResetMade>, ApiError> {
    app.office.reset(&session, id).await.map(Json)
}

/// Whether `entry` may see or end the sign-ins of `id`, who has to be there.
fn of(app: &App, entry: &Entry, id: UserId) -> Result<(), ApiError> {
    may(&entry.session, Act::Profile(id))?;
    let house = app.exchange.house();
    let person = house.people.get(&id);
    let person =
        person.ok_or_else(|| ApiError::NotFound("There is nobody with this id.".to_owned()))?;
    if id == entry.session.user {
        return Ok(());
    }
    may(&entry.session, Act::Rule(person.rights()))
}

/// Where a person is signed in. One's own, or with the permission `people`.
#[utoipa::path(get, path = "/api/people/{id}/sessions", tag = "people", params(("id" = UserId, Path)),
    responses((status = 200, body = SignedIns, description = "Their sign-ins."), Refusals))]
async fn sessions(
    State(app): State<App>,
    entry: Entry,
    UrlPath(id): UrlPath<UserId>,
) -> Result<Json<SignedIns>, ApiError> {
    of(&app, &entry, id)?;
    app.accounts.list(id, Some(&entry.id)).await.map(Json)
}

/// Sign a person out everywhere; of oneself: everywhere but here.
#[utoipa::path(delete, path = "/api/people/{id}/sessions", tag = "people", params(("id" = UserId, Path)),
    responses((status = 200, body = Done, description = "Signed out."), Refusals))]
async fn end_all(
    State(app): State<App>,
    entry: Entry,
    UrlPath(id): UrlPath<UserId>,
) -> Result<Json<Done>, ApiError> {
    of(&app, &entry, id)?;
    let which = if id == entry.session.user {
        Sessions::Others(id, entry.id.clone())
    } else {
        Sessions::All(id)
    };
    app.accounts
        .end(&entry.session, which, "end-sign-ins")
        .await?;
    Ok(Done::json())
}

/// Sign a person out of one place, and out of the phone pages that are paired with it.
#[utoipa::path(delete, path = "/api/people/{id}/sessions/{session}", tag = "people",
    params(("id" = UserId, Path), ("session" = SessionId, Path)),
    responses((status = 200, body = Done, description = "Signed out."), Refusals))]
async fn end_one(
    State(app): State<App>,
    entry: Entry,
    UrlPath((id, session)): UrlPath<(UserId, SessionId)>,
) -> Result<Json<Done>, ApiError> {
    of(&app, &entry, id)?;
    let which = Sessions::One(id, session);
    let ended = app
        .accounts
        .end(&entry.session, which, "end-sign-in")
        .await?;
    if ended == 0 {
        let why = "There is no such sign-in, or not any more.";
        return Err(ApiError::NotFound(why.to_owned()));
    }
    Ok(Done::json())
}

/// Every invitation that can still be taken. Takes the permission `people`.
#[utoipa::path(get, path = "/api/invitations", tag = "people",
    responses((status = 200, body = Invitations, description = "Without their codes."), Refusals))]
async fn invitations(
    State(app): State<App>,
    session: Session,
) -> Result<Json<Invitations>, ApiError> {
    app.office.invitations(&session).await.map(Json)
}

/// Invite somebody. Takes the permission `people`, and nobody gives what they do not have.
#[utoipa::path(post, path = "/api/invitations", tag = "people", request_body = Invite,
    responses((status = 200, body = Invited, description = "The code, said once."), Refusals))]
async fn invite(
    State(app): State<App>,
    session: Session,
    Json(asked): Json<Invite>,
) -> Result<Json<Invited>, ApiError> {
    app.office.invite(&session, &asked).await.map(Json)
}

/// Take an invitation back. Takes the permission `people`.
#[utoipa::path(delete, path = "/api/invitations/{id}", tag = "people", params(("id" = CodeId, Path)),
    responses((status = 200, body = Done, description = "It is over."), Refusals))]
async fn revoke(
    State(app): State<App>,
    session: Session,
    UrlPath(id): UrlPath<CodeId>,
) -> Result<Json<Done>, ApiError> {
    app.office.revoke(&session, &id).await?;
    Ok(Done::json())
}
