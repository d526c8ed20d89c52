//! The audit: reading it, and whether it is what it was. Takes the permission `audit`.
#![expect(
    unused_qualifications,
    reason = "utoipa's macro writes the paths of its parameters out"
)]

use axum::extract::State;
use cordboard_core::{
    api::{AuditLines, AuditVerdict},
    policy::{Act, Permission},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::extract::{Json, Refusals, UrlQuery};
use crate::{app::App, error::ApiError, exchange::Session, office::may, sealer};

/// How many lines are read at once, if nothing else is said, and at most.
const PAGE: u32 = 100;
const PAGE_MOST: u32 = 1000;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(audit))
        .routes(routes!(verdict))
}

/// In which order lines are told.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Order {
    /// That of the chain, from its beginning. What is too new to be sealed comes last.
    #[default]
    Chain,
    /// The latest first, sealed or not.
    Newest,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Lines {
    /// The order.
    #[serde(default)]
    #[param(inline)]
    order: Order,
    /// The `next` of the lines before, in the same order: those that follow come.
    #[serde(default)]
    after: Option<u64>,
    /// How many, at most 1000.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Who did what, in the order in which it was sealed, or the latest first.
#[utoipa::path(get, path = "/api/audit", tag = "audit", params(Lines),
    responses((status = 200, body = AuditLines, description = "Some lines."), Refusals))]
async fn audit(
    State(app): State<App>,
    session: Session,
    UrlQuery(asked): UrlQuery<Lines>,
) -> Result<Json<AuditLines>, ApiError> {
    may(&session, Act::Use(Permission::Audit))?;
    let limit = asked.limit.unwrap_or(PAGE).clamp(1, PAGE_MOST) as usize;
    let store = app.exchange.store();
    let lines = match asked.order {
        Order::Chain => store.audit(asked.after, limit).await?,
        Order::Newest => store.latest_audit(asked.after, limit).await?,
    };
    Ok(Json(lines))
}

/// Reads the whole chain again and says whether every sealed line is what it was.
#[utoipa::path(get, path = "/api/audit/verdict", tag = "audit",
    responses((status = 200, body = AuditVerdict, description = "What came of it."), Refusals))]
async fn verdict(State(app): State<App>, session: Session) -> Result<Json<AuditVerdict>, ApiError> {
    may(&session, Act::Use(Permission::Audit))?;
    let store = app.exchange.store();
    Ok(Json(sealer::verify(store, app.exchange.keys()).await?))
}
