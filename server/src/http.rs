//! The router: everything that is asked over HTTP, and what holds for all of it.
//!
//! Handlers translate and decide nothing: they know who asks, hand it to the door or the office, and put what comes
//! back into JSON. Each is described where it stands, and [`openapi`] collects that into `/api/openapi.json`; a test
//! holds the two together. The carrier's requests are in [`callbacks`]. Read next: `http/guard.rs` (rates, ids,
//! headers), `http/extract.rs` (who asks), [`crate::ws`], which does the same over sockets.

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    middleware,
    routing::get,
};
use tower_http::{catch_panic::CatchPanicLayer, trace::TraceLayer};

use crate::{app::App, error::ApiError, ws};

mod access;
mod audit;
pub mod callbacks;
mod calls;
pub mod extract;
mod guard;
pub mod openapi;
pub(crate) mod origin;
mod pages;
mod pairing;
mod people;
mod rooms;

pub use guard::Requests;

/// The largest body of an API request, in bytes.
const MOST: usize = 64 * 1024;

/// Everything this server answers.
pub fn router(app: App) -> Router {
    let (api, document) = openapi::api();
    let api = api
        .route("/api/openapi.json", get(openapi::serve))
        .layer(axum::Extension(openapi::Document::of(&document)))
        .layer(middleware::from_fn_with_state(app.clone(), guard::rate))
        .layer(middleware::from_fn(guard::in_time))
        .layer(DefaultBodyLimit::max(MOST));
    Router::new()
        .merge(api)
        .route("/ws/console", get(ws::console))
        .route("/ws/phone", get(ws::phone))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .merge(pages::router())
        .fallback(async || ApiError::NoRoute)
        .method_not_allowed_fallback(async || ApiError::NoMethod)
        .merge(callbacks::router())
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(TraceLayer::new_for_http().make_span_with(guard::span))
        .layer(middleware::from_fn_with_state(app.clone(), guard::name))
        .with_state(app)
}

async fn healthz() -> &'static str {
    "ok"
}

async fn readyz(State(app): State<App>) -> Result<&'static str, ApiError> {
    app.exchange.store().board_position().await?;
    Ok("ready")
}
