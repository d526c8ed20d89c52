//! The pages a browser is shown: the phone, and what an invitation's link leads to.
//!
//! They are files in the binary, without anything from elsewhere and without anything inline, under a policy that
//! allows no more than that. The code in a link stands behind its `#`, which a browser keeps to itself. The phone page
//! is what `web-phone` was built into when the server was compiled; its policy admits the carrier's hosts, which are
//! Twilio's only where Twilio is the carrier.

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use url::Url;

use super::origin::near_end;
use crate::{app::App, error::ApiError};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route(
            "/phone",
            get(async |State(app): State<App>, asked: HeaderMap| phone(&app, &asked)),
        )
        .route("/join", get(async || page(&policy(""), JOIN.to_owned())))
        .route("/assets/join.js", get(async || file(SCRIPT, JOIN_JS)))
        .route("/assets/pages.css", get(async || file(STYLE, CSS)))
        .route("/assets/{name}", get(asset))
}

const UNBUILT: &str = include_str!("pages/unbuilt.html");
const JOIN: &str = include_str!("pages/join.html");
const JOIN_JS: &str = include_str!("pages/join.js");
const CSS: &str = include_str!("pages/pages.css");

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The page itself, which is served with a policy of its own.
const PHONE: &str = "phone.html";

/// Where the page's own HTML has room for what lets the SDK signal at a double.
const SIGNALLING: &str = "<!--signalling-->";

/// A file of the phone page.
struct Asset {
    name: &'static str,
    /// An entity tag.
    mark: &'static str,
    plain: &'static [u8],
    /// The same, gzipped.
    packed: Option<&'static [u8]>,
}

/// The phone page, if there was one when this was compiled.
static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/phone_page.rs"));

fn of(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// The phone page. Where the carrier is a double, the script that lets the SDK signal there comes before the SDK.
fn phone(app: &App, asked: &HeaderMap) -> Response {
    let built = of(PHONE).and_then(|asset| str::from_utf8(asset.plain).ok());
    let Some(html) = built else {
        return page(&policy(""), UNBUILT.to_owned());
    };
    let mut hosts = sockets(&app.public_url, asked);
    let mut script = String::new();
    if let Some(double) = app.twilio.signalling() {
        script = format!(r#"<script src="/assets/signalling.js" data-host="{double}"></script>"#);
        hosts.push(format!("ws://{double}"));
    } else {
        // A region of Twilio's is a part of the host's name, in the middle; a policy can leave open only its beginning.
        hosts.push("https://*.twilio.com wss://*.twilio.com".to_owned());
    }
    page(&policy(&hosts.join(" ")), html.replace(SIGNALLING, &script))
}

/// Our own sockets. Their scheme makes them another origin for browsers that go by an older text of the policy.
fn sockets(public: &Url, asked: &HeaderMap) -> Vec<String> {
    let mut socket = public.clone();
    let scheme = if socket.scheme() == "https" {
        "wss"
    } else {
        "ws"
    };
    let _ = socket.set_scheme(scheme);
    let near = near_end(asked).map(|near| format!("ws://{near}"));
    let mut all = vec![socket.origin().ascii_serialization()];
    all.extend(near.filter(|near| *near != all[0]));
    all
}

/// What a page may load: our own files, our own API, and `hosts` to connect to.
fn policy(hosts: &str) -> String {
    let connect = format!("'self' {hosts}");
    format!(
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; \
         media-src 'self' blob: mediastream:; connect-src {}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types cordboard",
        connect.trim_end()
    )
}

fn page(policy: &str, html: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, html).into_response()
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}

/// A file of the phone page: packed where that is understood, and not again where it is known already.
async fn asset(Path(name): Path<String>, asked: HeaderMap) -> Response {
    let Some(asset) = of(&name).filter(|asset| asset.name != PHONE) else {
        return ApiError::NotFound("There is no such file.".to_owned()).into_response();
    };
    let kind = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js") => SCRIPT,
        Some("css") => STYLE,
        Some("svg") => "image/svg+xml",
        Some("wav") => "audio/wav",
        _ => "text/plain; charset=utf-8",
    };
    let says = |name, word: &str| {
        let values = asked.get_all(name).iter();
        values
            .filter_map(|value| value.to_str().ok())
            .any(|value| value.split(',').any(|one| one.trim().starts_with(word)))
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::ETAG, HeaderValue::from_static(asset.mark));
    // The SDK asks for its sounds one by one, a dozen times.
    let kept = if kind == "audio/wav" {
        "max-age=3600"
    } else {
        "no-cache"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if says(header::IF_NONE_MATCH, asset.mark) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    match asset
        .packed
        .filter(|_| says(header::ACCEPT_ENCODING, "gzip"))
    {
        Some(packed) => {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            (headers, packed).into_response()
        }
        None => (headers, asset.plain).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_comes_packed_once_and_only_by_its_name() {
        let asked = |name: header::HeaderName, value: &'static str| {
            HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
        };
        let get = |name: &str, asked| asset(Path(name.to_owned()), asked);
        for name in ["../Cargo.toml", "phone.html", "phone.js.gz", ".gitignore"] {
            let answer = get(name, HeaderMap::new()).await;
            assert!(answer.status().is_client_error(), "{name}");
        }
        // Without Node there is no page, and nothing more to see.
        let Some(built) = of("phone.js") else {
            return;
        };
        let plain = get("phone.js", HeaderMap::new()).await;
        assert_eq!(plain.headers().get(header::CONTENT_ENCODING), None);
        let packed = get("phone.js", asked(header::ACCEPT_ENCODING, "br, gzip;q=0.8")).await;
        assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
        assert!(
            built
                .packed
                .is_some_and(|packed| packed.len() < built.plain.len() / 2)
        );
        let known = get("phone.js", asked(header::IF_NONE_MATCH, built.mark)).await;
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    }
}
