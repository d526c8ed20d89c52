//! How the house is arranged: groups, slots, queues, numbers, and the desk. Reading takes the permission `board`,
//! changing `house`.

#![expect(
    unused_qualifications,
    reason = "utoipa's macro writes the paths of its parameters out"
)]

use axum::extract::State;
use cordboard_core::{
    api::{
        DeskDetail, DeskEdit, GroupDetail, GroupDetails, GroupEdit, NumberDetail, NumberDetails,
        NumberEdit, QueueDetail, QueueDetails, QueueEdit, SlotDetail, SlotDetails, SlotEdit,
    },
    ids::{GroupId, Phone, QueueId, Rev, SlotId},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::extract::{Done, Json, Refusals, UrlPath, UrlQuery};
use crate::{app::App, error::ApiError, exchange::Session};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(groups))
        .routes(routes!(put_group, drop_group))
        .routes(routes!(slots))
        .routes(routes!(put_slot, drop_slot))
        .routes(routes!(queues))
        .routes(routes!(put_queue))
        .routes(routes!(numbers))
        .routes(routes!(put_number, drop_number))
        .routes(routes!(desk, change_desk))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct AsOf {
    /// The `rev` that was looked at.
    rev: Rev,
}

/// All groups, in their order, and who is in them.
#[utoipa::path(get, path = "/api/groups", tag = "house",
    responses((status = 200, body = GroupDetails, description = "Them."), Refusals))]
async fn groups(State(app): State<App>, session: Session) -> Result<Json<GroupDetails>, ApiError> {
    app.office.groups(&session).map(Json)
}

/// Make or change a group.
#[utoipa::path(put, path = "/api/groups/{id}", tag = "house", params(("id" = GroupId, Path)), request_body = GroupEdit,
    responses((status = 200, body = GroupDetail, description = "As it is now."), Refusals))]
async fn put_group(
    State(app): State<App>,
    session: Session,
    UrlPath(id): UrlPath<GroupId>,
    Json(edit): Json<GroupEdit>,
) -> Result<Json<GroupDetail>, ApiError> {
    app.office.put_group(&session, id, &edit).await.map(Json)
}

/// Dissolve a group that no number rings.
#[utoipa::path(delete, path = "/api/groups/{id}", tag = "house", params(("id" = GroupId, Path), AsOf),
    responses((status = 200, body = Done, description = "It is gone."), Refusals))]
async fn drop_group(
    State(app): State<App>,
    session: Session,
    UrlPath(id): UrlPath<GroupId>,
    UrlQuery(AsOf { rev }): UrlQuery<AsOf>,
) -> Result<Json<Done>, ApiError> {
    app.office.drop_group(&session, &id, rev).await?;
    Ok(Done::json())
}

/// All parking slots, in their order.
#[utoipa::path(get, path = "/api/slots", tag = "house",
    responses((status = 200, body = SlotDetails, description = "Them."), Refusals))]
async fn slots(State(app): State<App>, session: Session) -> Result<Json<SlotDetails>, ApiError> {
    app.office.slots(&session).map(Json)
}

/// Make or change a parking slot.
#[utoipa::path(put, path = "/api/slots/{id}", tag = "house", params(("id" = SlotId, Path)), request_body = SlotEdit,
    responses((status = 200, body = SlotDetail, description = "As it is now."), Refusals))]
async fn put_slot(
    State(app): State<App>,
    session: Session,
    UrlPath(id): UrlPath<SlotId>,
    Json(edit): Json<SlotEdit>,
) -> Result<Json<SlotDetail>, ApiError> {
    app.office.put_slot(&session, id, &edit).await.map(Json)
}

/// Take a parking slot away that no call lies in.
#[utoipa::path(delete, path = "/api/slots/{id}", tag = "house", params(("id" = SlotId, Path), AsOf),
    responses((status = 200, body = Done, description = "It is gone."), Refusals))]
async fn drop_slot(
    State(app): State<App>,
    session: Session,
    UrlPath(id): UrlPath<SlotId>,
    UrlQuery(AsOf { rev }): UrlQuery<AsOf>,
) -> Result<Json<Done>, ApiError> {
    app.office.drop_slot(&session, &id, rev).await?;
    Ok(Done::json())
}

/// All queues, in their order. The first is the desk's.
#[utoipa::path(get, path = "/api/queues", tag = "house",
    responses((status = 200, body = QueueDetails, description = "Them."), Refusals))]
async fn queues(State(app): State<App>, session: Session) -> Result<Json<QueueDetails>, ApiError> {
    app.office.queues(&session).map(Json)
}

/// Rename a queue.
#[utoipa::path(put, path = "/api/queues/{id}", tag = "house", params(("id" = QueueId, Path)), request_body = QueueEdit,
    responses((status = 200, body = QueueDetail, description = "As it is now."), Refusals))]
async fn put_queue(
    State(app): State<App>,
    session: Session,
    UrlPath(id): UrlPath<QueueId>,
    Json(edit): Json<QueueEdit>,
) -> Result<Json<QueueDetail>, ApiError> {
    app.office.put_queue(&session, &id, &edit).await.map(Json)
}

/// All our numbers, and the way a call to each takes.
#[utoipa::path(get, path = "/api/numbers", tag = "house",
    responses((status = 200, body = NumberDetails, description = "Them."), Refusals))]
async fn numbers(
    State(app): State<App>,
    session: Session,
) -> Result<Json<NumberDetails>, ApiError> {
    app.office.numbers(&session).map(Json)
}

/// Add a number, or give it another way.
#[utoipa::path(put, path = "/api/numbers/{number}", tag = "house", params(("number" = Phone, Path)), request_body = NumberEdit,
    responses((status = 200, body = NumberDetail, description = "As it is now."), Refusals))]
async fn put_number(
    State(app): State<App>,
    session: Session,
    UrlPath(id): UrlPath<Phone>,
    Json(edit): Json<NumberEdit>,
) -> Result<Json<NumberDetail>, ApiError> {
    if app.office.is_new_number(&session, &id, &edit)? {
        app.take_number(&id, false).await?;
    }
    app.office.put_number(&session, id, &edit).await.map(Json)
}

/// Take a number away: calls to it are turned down from now on.
#[utoipa::path(delete, path = "/api/numbers/{number}", tag = "house", params(("number" = Phone, Path), AsOf),
    responses((status = 200, body = Done, description = "It is gone."), Refusals))]
async fn drop_number(
    State(app): State<App>,
    session: Session,
    UrlPath(id): UrlPath<Phone>,
    UrlQuery(AsOf { rev }): UrlQuery<AsOf>,
) -> Result<Json<Done>, ApiError> {
    app.office.drop_number(&session, &id, rev).await?;
    Ok(Done::json())
}

/// How the desk works.
#[utoipa::path(get, path = "/api/desk", tag = "house",
    responses((status = 200, body = DeskDetail, description = "How."), Refusals))]
async fn desk(State(app): State<App>, session: Session) -> Result<Json<DeskDetail>, ApiError> {
    app.office.desk(&session).map(Json)
}

/// Change how the desk works.
#[utoipa::path(patch, path = "/api/desk", tag = "house", request_body = DeskEdit,
    responses((status = 200, body = DeskDetail, description = "How it does now."), Refusals))]
async fn change_desk(
    State(app): State<App>,
    session: Session,
    Json(edit): Json<DeskEdit>,
) -> Result<Json<DeskDetail>, ApiError> {
    app.office.change_desk(&session, &edit).await.map(Json)
}
