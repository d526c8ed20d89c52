//! The pages a browser is shown: the phone, and what an invitation's link leads to.
//!
//! They are files in the binary, without anything from elsewhere and without anything inline, under a policy that
//! allows no more than that. The code in a link stands behind its `#`, which a browser keeps to itself.

use axum::{
    Router,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
    routing::get,
};

use crate::app::App;

pub(super) fn router() -> Router<App> {
    Router::new()
        .route(
            "/phone",
            get(async |State(app): State<App>| page(&app, PHONE)),
        )
        .route(
            "/join",
            get(async |State(app): State<App>| page(&app, JOIN)),
        )
        .route("/assets/phone.js", get(async || file(SCRIPT, PHONE_JS)))
        .route("/assets/join.js", get(async || file(SCRIPT, JOIN_JS)))
        .route("/assets/pages.css", get(async || file(STYLE, CSS)))
}

const PHONE: &str = include_str!("pages/phone.html");
const PHONE_JS: &str = include_str!("pages/phone.js");
const JOIN: &str = include_str!("pages/join.html");
const JOIN_JS: &str = include_str!("pages/join.js");
const CSS: &str = include_str!("pages/pages.css");

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// A page, and what it may load: our own scripts and styles, and our own API and socket.
fn page(app: &App, html: &'static str) -> Response {
    let mut socket = app.public_url.clone();
    let scheme = if socket.scheme() == "https" {
        "wss"
    } else {
        "ws"
    };
    let _ = socket.set_scheme(scheme);
    // The scheme of a WebSocket is another origin for browsers that go by an older text of the policy.
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' {}; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
        origin(&socket)
    );
    (
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::CACHE_CONTROL, "no-cache".to_owned()),
        ],
        html,
    )
        .into_response()
}

/// The origin of a `ws:` address, which `url` counts among those that have one.
fn origin(url: &url::Url) -> String {
    url.origin().ascii_serialization()
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}
