//! The API's description, collected from where its routes are.

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Bytes,
    http::header,
    response::{IntoResponse, Response},
};
use cordboard_core::api::{FieldError, Problem};
use utoipa::{
    OpenApi, PartialSchema as _,
    openapi::{
        ComponentsBuilder, InfoBuilder, OpenApiBuilder, SecurityRequirement,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;

use super::{access, audit, calls, pairing, people, rooms};
use crate::app::App;

/// The document, encoded once.
#[derive(Clone)]
pub struct Document(Arc<Bytes>);

impl Document {
    /// As it is served.
    pub fn of(document: &utoipa::openapi::OpenApi) -> Self {
        let text = document.to_json().unwrap_or_default();
        Self(Arc::new(text.into()))
    }
}

#[derive(OpenApi)]
struct Nothing;

/// The routes that are described, and their description.
pub fn api() -> (Router<App>, utoipa::openapi::OpenApi) {
    let info = InfoBuilder::new()
        .title("Cordboard")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Everything a console does with people, calls and the house, for programs. Sign in with POST /api/login, send \
             the access token as a bearer token, and ask for the next with POST /api/token before it runs out. Changes \
             name the `rev` they were made on. Calls as they happen: the WebSocket /ws/console.",
        ))
        .build();
    let bearer = SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .build(),
    );
    let components = ComponentsBuilder::new()
        .security_scheme("bearer", bearer)
        // Every refusal is one, whatever the route.
        .schema("Problem", Problem::schema())
        .schema("FieldError", FieldError::schema())
        .build();
    let document = OpenApiBuilder::from(Nothing::openapi())
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new(
            "bearer",
            Vec::<String>::new(),
        )]))
        .build();
    OpenApiRouter::with_openapi(document)
        .merge(access::routes())
        .merge(calls::routes())
        .merge(people::routes())
        .merge(rooms::routes())
        .merge(pairing::routes())
        .merge(audit::routes())
        .split_for_parts()
}

/// `GET /api/openapi.json`.
pub(super) async fn serve(Extension(document): Extension<Document>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, Bytes::clone(&document.0)).into_response()
}
