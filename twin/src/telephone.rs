//! A telephone in a browser: a page with which a person, and no script, is the caller; or is called.
//!
//! It stands in the public network, outside whatever house is being tried: it has a number, and no token. Its line
//! speaks the words of the edge, so that a call of it is a browser's call like any other. The routes are the control
//! API's, and guarded as it is: a page that lets anybody call as anybody is for this machine.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /telephone` | the page |
//! | `GET /telephone/line?number=…&name=…` | the line: a WebSocket, see `edge/frames.rs`. It begins with `connected`, whose payload is `{"numbers"}`, those of the account |

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State, WebSocketUpgrade};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use serde::Deserialize;

use crate::callers::Caller;
use crate::edge::line;
use crate::form::is_e164;
use crate::switch::Switch;

/// The longest that a caller's name may be, in characters; Twilio's is of 15, of a database that has no more.
const LONGEST_NAME: usize = 64;
/// The longest frame of a line, in bytes. A session description has a few thousand.
const LONGEST_FRAME: usize = 64 * 1024;
/// What the page may load and speak to: what is served here.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) fn routes() -> Router<Arc<Switch>> {
    let page = || async {
        let policy = (header::CONTENT_SECURITY_POLICY, POLICY);
        let page = include_str!("telephone/telephone.html");
        ([policy], file("text/html", page))
    };
    let script = || async { file("text/javascript", include_str!("telephone/telephone.js")) };
    let style = || async { file("text/css", include_str!("telephone/telephone.css")) };
    Router::new()
        .route("/telephone", get(page))
        .route("/telephone/telephone.js", get(script))
        .route("/telephone/telephone.css", get(style))
        .route("/telephone/line", get(plug_in))
}

fn file(kind: &str, text: &'static str) -> ([(HeaderName, String); 3], &'static str) {
    let headers = [
        (header::CONTENT_TYPE, format!("{kind}; charset=utf-8")),
        (header::CACHE_CONTROL, String::from("no-cache")),
        (header::X_CONTENT_TYPE_OPTIONS, String::from("nosniff")),
    ];
    (headers, text)
}

#[derive(Debug, Deserialize)]
struct Plug {
    number: String,
    #[serde(default)]
    name: String,
}

async fn plug_in(
    State(switch): State<Arc<Switch>>,
    Query(Plug { number, name }): Query<Plug>,
    upgrade: WebSocketUpgrade,
) -> impl IntoResponse {
    if !is_e164(&number) || name.chars().count() > LONGEST_NAME {
        let why = "number is one such as +15551230001, and name has 64 characters at most";
        return (StatusCode::BAD_REQUEST, why).into_response();
    }
    let caller = Caller {
        from: number,
        name: Some(name).filter(|name| !name.is_empty()),
        ..Caller::default()
    };
    upgrade
        .max_message_size(LONGEST_FRAME)
        .on_upgrade(|socket| line::serve_telephone(switch, socket, caller))
}
