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
        ComponentsBuilder, InfoBuilder, OpenApiBuilder, RefOr, Schema, SecurityRequirement,
        schema::AdditionalProperties,
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
    let (router, mut document) = OpenApiRouter::with_openapi(document)
        .merge(access::routes())
        .merge(calls::routes())
        .merge(people::routes())
        .merge(rooms::routes())
        .merge(pairing::routes())
        .merge(audit::routes())
        .split_for_parts();
    close(&mut document, "RouteStop");
    (router, document)
}

/// Says of each kind of a thing that it takes no other fields: utoipa says what `deny_unknown_fields` means of structs
/// only, not of enums.
fn close(document: &mut utoipa::openapi::OpenApi, name: &str) {
    let schemas = document.components.as_mut().map(|c| &mut c.schemas);
    if let Some(RefOr::T(Schema::OneOf(kinds))) = schemas.and_then(|s| s.get_mut(name)) {
        for kind in &mut kinds.items {
            if let RefOr::T(Schema::Object(fields)) = kind {
                fields.additional_properties =
                    Some(Box::new(AdditionalProperties::FreeForm(false)));
            }
        }
    }
}

/// `GET /api/openapi.json`.
pub(super) async fn serve(Extension(document): Extension<Document>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, Bytes::clone(&document.0)).into_response()
}

#[cfg(test)]
mod tests {
    use cordboard_core::api::RouteStop;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_stop_is_described_as_it_is_taken() {
        let (_, document) = api();
        let document = serde_json::to_value(&document).unwrap();
        let stops = document["components"]["schemas"]["RouteStop"]["oneOf"].as_array();
        let stops = stops.unwrap();
        assert_eq!(stops.len(), 3);
        for stop in stops {
            assert_eq!(stop["additionalProperties"], json!(false), "{stop}");
            if let Some(seconds) = stop["properties"].get("seconds") {
                let range = (&seconds["minimum"], &seconds["maximum"]);
                assert_eq!(range, (&json!(5), &json!(3600)), "{stop}");
            }
        }
        let other: Value = json!({ "kind": "queue", "queue": "desk", "seconds": 20 });
        assert!(serde_json::from_value::<RouteStop>(other).is_err());
    }
}
