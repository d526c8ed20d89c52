//! The REST API, `/2010-04-01/Accounts/{AccountSid}/….json`: authentication, routing, paging, errors and
//! faults.
//!
//! One long match over method and path, rather than a router's table: the paths all begin alike and end in
//! `.json`, and the match reads like the public reference. What a request does is in `calls`, `rooms` and
//! `account`; each hands back an [`Answer`] or a [`Refusal`]. Nothing here waits, but for injected slowness.

mod account;
mod calls;
pub(crate) mod log;
mod rooms;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method as Verb, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use cordboard_media::{RATE, write_wav};
use serde_json::{Value, json};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::form::Form;
use crate::switch::Switch;
use crate::wire::Wire;
use crate::world::{Method, Refusal, Subscription, Target, World};

const PREFIX: &str = "/2010-04-01/Accounts";

/// The longest that the answer to a hold waits for its music.
const HOLD_ANSWER: Duration = Duration::from_secs(1);

/// A successful outcome.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    body: Option<Value>,
}

impl Answer {
    fn ok(body: Value) -> Self {
        Self {
            status: 200,
            body: Some(body),
        }
    }

    fn created(body: Value) -> Self {
        Self {
            status: 201,
            body: Some(body),
        }
    }

    fn gone() -> Self {
        Self {
            status: 204,
            body: None,
        }
    }
}

type Outcome = Result<Answer, Refusal>;

/// One request, taken apart.
struct Request<'a> {
    /// Whose credentials it came with: the account's sid, or a key's.
    user: String,
    method: &'a str,
    /// Path segments after the account, percent-decoded, without `.json`.
    path: Vec<String>,
    /// The path as it came, for errors and page addresses.
    raw_path: &'a str,
    query: Form,
    /// The body of a POST, else empty.
    form: Form,
}

/// Serves a request below `/2010-04-01`. Where the answer is to be lost, the connection is cut before it is
/// written.
pub(crate) async fn serve(
    switch: Arc<Switch>,
    wire: Wire,
    verb: Verb,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if verb == Verb::GET
        && let Some(sound) = recorded(&switch, uri.path())
    {
        return ([(header::CONTENT_TYPE, "audio/x-wav")], sound).into_response();
    }
    let at = switch.clock.now_ms();
    let query = Form::decode(uri.query().unwrap_or_default().as_bytes());
    let form = if verb == Verb::POST || verb == Verb::PUT {
        Form::decode(&body)
    } else {
        Form::new()
    };
    let shown = if form.0.is_empty() {
        query.clone()
    } else {
        form.clone()
    };
    let held = (form.flag("Hold") == Some(true)).then(|| switch.changes.subscribe());
    let fate = switch.faults(|f| f.rest(verb.as_str(), uri.path()));
    if let Some(slow) = fate.slow {
        switch.pause(slow).await;
    }
    let outcome = match fate.refuse {
        Some(429) => Err(Refusal {
            status: 429,
            code: 20429,
            message: String::from("Too Many Requests"),
        }),
        Some(status) => Err(Refusal {
            status,
            code: 20500,
            message: String::from("An internal server error has occurred"),
        }),
        None => admit(&switch, &headers).and_then(|user| {
            let request = Request {
                user,
                method: verb.as_str(),
                path: segments(&switch, uri.path())?,
                raw_path: uri.path(),
                query,
                form,
            };
            switch.world(|w| route(w, &request))
        }),
    };
    let (status, code) = match &outcome {
        Ok(answer) => (answer.status, None),
        Err(refusal) => (refusal.status, Some(refusal.code)),
    };
    let request_id = switch.requests.add(
        at,
        verb.as_str(),
        uri.path(),
        shown,
        status,
        code,
        fate.name(),
    );
    if let (Some(changes), Ok(Answer { body, .. })) = (held, &outcome) {
        hold_is_heard(&switch, body.as_ref(), changes).await;
    }
    if let Some(after) = fate.lose_after {
        switch.pause(after).await;
        wire.cut();
    }
    let mut response = match outcome {
        Ok(Answer {
            status,
            body: Some(body),
        }) => (
            StatusCode::from_u16(status).unwrap_or(StatusCode::OK),
            axum::Json(body),
        )
            .into_response(),
        Ok(Answer { status, body: None }) => StatusCode::from_u16(status)
            .unwrap_or(StatusCode::NO_CONTENT)
            .into_response(),
        Err(refusal) => error(&refusal),
    };
    let headers = response.headers_mut();
    let took = (switch.clock.now_ms() - at).max(1);
    let seconds = format!("{}.{:03}", took / 1000, took % 1000);
    for (name, value) in [
        ("twilio-request-id", request_id.as_str()),
        ("twilio-request-duration", &seconds),
        ("twilio-concurrent-requests", "1"),
        ("x-home-region", "us1"),
        ("x-api-domain", "api.twilio.com"),
    ] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    response
}

/// Waits until the hold that was just put on somebody is heard, or for a while. Twilio takes 0.1 s and more for this
/// answer, in which the hold document has been fetched; one that comes sooner tells of music while there is none.
async fn hold_is_heard(
    switch: &Switch,
    participant: Option<&Value>,
    mut changes: broadcast::Receiver<Value>,
) {
    let text = |key| participant.and_then(|p| p[key].as_str());
    let (Some(room), Some(call)) = (text("conference_sid"), text("call_sid")) else {
        return;
    };
    let silent = || {
        switch.world(|w| {
            let member = w.room(room).and_then(|r| r.member(call));
            member.is_some_and(|m| m.hold && m.background.is_none())
        })
    };
    let heard = async {
        // One that lags behind has missed changes, and looks all the same.
        while silent() && !matches!(changes.recv().await, Err(RecvError::Closed)) {}
    };
    let _ = tokio::time::timeout(HOLD_ANSWER, heard).await;
}

/// A recording's sound, `…/Recordings/RE….wav` or without an extension: silence of its length, at most five
/// minutes. Open to everybody who knows the address, as Twilio's media are unless an account forbids it. MP3 is
/// not offered.
fn recorded(switch: &Switch, path: &str) -> Option<Vec<u8>> {
    let (_, sid) = path
        .strip_suffix(".wav")
        .unwrap_or(path)
        .rsplit_once("/Recordings/")?;
    let seconds = switch.world(|w| {
        let recording = w
            .account
            .recordings
            .iter()
            .find(|r| r.sid == sid && !r.deleted && !r.is_live())?;
        u32::try_from(recording.seconds(w.now)).ok()
    })?;
    let samples = seconds.clamp(1, 300) * RATE;
    Some(write_wav(&vec![0; samples as usize], RATE))
}

/// An error body, as all client libraries read it.
fn error(refusal: &Refusal) -> Response {
    let mut body = json!({
        "code": refusal.code,
        "message": refusal.message,
        "more_info": format!("https://www.twilio.com/docs/errors/{}", refusal.code),
        "status": refusal.status,
    });
    if refusal.status == 401 {
        body["detail"] = json!("");
    }
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = (status, axum::Json(body)).into_response();
    if refusal.status == 401 {
        response.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            header::HeaderValue::from_static("Basic realm=\"Twilio API\""),
        );
    }
    response
}

fn unauthenticated() -> Refusal {
    Refusal {
        status: 401,
        code: 20003,
        message: String::from("Authenticate"),
    }
}

/// Checks the credentials, and tells whose they are.
fn admit(switch: &Switch, headers: &HeaderMap) -> Result<String, Refusal> {
    let value = headers
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .ok_or_else(unauthenticated)?;
    let encoded = value
        .strip_prefix("Basic ")
        .or(value.strip_prefix("basic "))
        .ok_or_else(unauthenticated)?;
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(encoded.trim())
        .map_err(|_| unauthenticated())?;
    let text = String::from_utf8(decoded).map_err(|_| unauthenticated())?;
    let (user, password) = text.split_once(':').ok_or_else(unauthenticated)?;
    if switch.world(|w| w.account.admits(user, password)) {
        Ok(user.to_owned())
    } else {
        Err(unauthenticated())
    }
}

/// The path behind the account. Another account's is not found, however it authenticates.
fn segments(switch: &Switch, path: &str) -> Result<Vec<String>, Refusal> {
    let missing = || Refusal::not_found(path);
    let rest = path.strip_prefix(PREFIX).ok_or_else(missing)?;
    let rest = rest.strip_suffix(".json").ok_or_else(missing)?;
    let mut segments = Vec::new();
    for segment in rest.split('/').skip(1) {
        if segment.is_empty() {
            return Err(missing());
        }
        let decoded = percent_encoding::percent_decode_str(segment)
            .decode_utf8()
            .map_err(|_| missing())?;
        segments.push(decoded.into_owned());
    }
    if segments.is_empty() {
        return Ok(segments);
    }
    let own = switch.world(|w| w.account.credentials.account_sid.clone());
    if segments.remove(0) != own {
        return Err(missing());
    }
    // Told apart from the list of accounts.
    segments.insert(0, String::from("Account"));
    Ok(segments)
}

fn route(w: &mut World, r: &Request<'_>) -> Outcome {
    let path: Vec<&str> = r.path.iter().map(String::as_str).collect();
    // A standard key opens all but the account itself, whose token it would read there, and the keys.
    let of_the_account = matches!(*path, [] | ["Account"] | ["Account", "Keys", ..]);
    if of_the_account && r.user != w.account.credentials.account_sid {
        return Err(unauthenticated());
    }
    match (r.method, path.as_slice()) {
        ("GET", []) => page(
            r,
            "accounts",
            [&w.account.credentials.account_sid],
            every,
            |sid| sid,
            |_| w.account_body(),
        ),
        ("GET", ["Account"]) => Ok(Answer::ok(w.account_body())),
        ("POST", ["Account"]) => {
            if let Some(name) = r.form.text("FriendlyName") {
                name.clone_into(&mut w.account.friendly_name);
            }
            Ok(Answer::ok(w.account_body()))
        }
        (method, ["Account", "Calls"]) => match method {
            "GET" => calls::list(w, r),
            "POST" => calls::create(w, r),
            _ => not_allowed(),
        },
        (method, ["Account", "Calls", call]) => match method {
            "GET" => calls::fetch(w, r, call),
            "POST" => calls::update(w, r, call),
            "DELETE" => w
                .delete_call(call)
                .map_err(|e| at_path(r, e))
                .map(|()| Answer::gone()),
            _ => not_allowed(),
        },
        (method, ["Account", "Calls", call, what]) => calls::sub(w, r, method, call, what),
        (method, ["Account", "Calls", call, "Recordings", recording]) => {
            account::call_recording(w, r, method, call, recording)
        }
        ("POST", ["Account", "Calls", call, "Streams", stream]) => {
            calls::stop_stream(w, r, call, stream)
        }
        (method, ["Account", "Conferences"]) => match method {
            "GET" => rooms::list(w, r),
            _ => not_allowed(),
        },
        (method, ["Account", "Conferences", room]) => match method {
            "GET" => rooms::fetch(w, r, room),
            "POST" => rooms::update(w, r, room),
            _ => not_allowed(),
        },
        (method, ["Account", "Conferences", room, "Participants"]) => match method {
            "GET" => rooms::participants(w, r, room),
            "POST" => rooms::add(w, r, room),
            _ => not_allowed(),
        },
        (method, ["Account", "Conferences", room, "Participants", participant]) => match method {
            "GET" => rooms::participant(w, r, room, participant),
            "POST" => rooms::update_participant(w, r, room, participant),
            "DELETE" => rooms::remove(w, r, room, participant),
            _ => not_allowed(),
        },
        ("GET", ["Account", "Conferences", room, "Recordings"]) => {
            w.room(room).ok_or_else(|| missing(r))?;
            page(
                r,
                "recordings",
                Vec::new(),
                every,
                |sid: &&str| sid,
                |_| Value::Null,
            )
        }
        (method, ["Account", rest @ ..]) => account::route(w, r, method, rest),
        _ => Err(missing(r)),
    }
}

fn not_allowed() -> Outcome {
    Err(Refusal {
        status: 405,
        code: 20004,
        message: String::from("Method not allowed"),
    })
}

/// Not found, in Twilio's words: they name the path.
fn missing(r: &Request<'_>) -> Refusal {
    Refusal::not_found(r.raw_path)
}

fn at_path(r: &Request<'_>, refusal: Refusal) -> Refusal {
    if refusal.code == 20404 {
        missing(r)
    } else {
        refusal
    }
}

/// The filter of a list that has none.
fn every<T>(_: &T) -> bool {
    true
}

/// A page of a list. `rows` are all there are, in the list's order; `wanted` is its filter, and only what the page
/// shows is rendered.
fn page<T>(
    r: &Request<'_>,
    key: &str,
    rows: impl IntoIterator<Item = T>,
    wanted: impl Fn(&T) -> bool,
    sid: impl Fn(&T) -> &str,
    body: impl Fn(&T) -> Value,
) -> Outcome {
    let size: usize = match r.query.text("PageSize") {
        None => 50,
        Some(text) => {
            let size = text
                .parse()
                .map_err(|_| Refusal::bad(20001, format!("PageSize {text:?} is not a number")))?;
            if size > 1000 {
                return Err(Refusal::bad(
                    20007,
                    "Page size must be less than or equal to 1000",
                ));
            }
            std::cmp::max(size, 1)
        }
    };
    let all: Vec<T> = rows.into_iter().collect();
    let number: usize = r
        .query
        .text("Page")
        .and_then(|p| p.parse().ok())
        .unwrap_or(0);
    // A token names the last row of the page before ("PA") or the first row of the page behind ("PB"). A row that
    // left the filter between two pages, such as a call that ended, still has its place among all.
    let start = match r.query.text("PageToken") {
        None => number.saturating_mul(size),
        Some(token) => {
            let invalid = || Refusal::bad(21481, "Invalid PageToken");
            let at = |named: &str| {
                let at = all.iter().position(|row| sid(row) == named);
                at.ok_or_else(invalid)
            };
            let wanted_before = |at: usize| all[..at].iter().filter(|row| wanted(row)).count();
            match (token.strip_prefix("PA"), token.strip_prefix("PB")) {
                (Some(last), _) => wanted_before(at(last)? + 1),
                (_, Some(first)) => wanted_before(at(first)?).saturating_sub(size),
                _ => return Err(invalid()),
            }
        }
    };
    let rows: Vec<&T> = all.iter().filter(|row| wanted(row)).collect();
    let shown: Vec<&T> = rows.iter().skip(start).take(size).copied().collect();
    let mut filters = Form::new();
    for (name, value) in &r.query.0 {
        if !matches!(name.as_str(), "PageSize" | "Page" | "PageToken") {
            filters.push(name, value);
        }
    }
    let address = |page: usize, token: Option<String>| {
        let mut query = filters.clone();
        query.push("PageSize", size.to_string());
        query.push("Page", page.to_string());
        if let Some(token) = token {
            query.push("PageToken", token);
        }
        format!("{}?{}", r.raw_path, query.encode())
    };
    let more = rows.len() > start.saturating_add(shown.len());
    let next = shown
        .last()
        .filter(|_| more)
        .map(|row| address(number.saturating_add(1), Some(format!("PA{}", sid(row)))));
    let previous = shown
        .first()
        .filter(|_| number > 0 && start > 0)
        .map(|row| address(number - 1, Some(format!("PB{}", sid(row)))));
    let bodies: Vec<Value> = shown.into_iter().map(body).collect();
    Ok(Answer::ok(json!({
        key: bodies,
        "page": number,
        "page_size": size,
        "start": start,
        "end": if bodies.is_empty() { start } else { start + bodies.len() - 1 },
        "uri": address(number, r.query.text("PageToken").map(str::to_owned)),
        "first_page_uri": address(0, None),
        "next_page_uri": next,
        "previous_page_uri": previous,
    })))
}

/// A checked URL parameter with its method.
fn url_param(
    form: &Form,
    url: &str,
    method: &str,
    default: Method,
) -> Result<Option<Target>, Refusal> {
    let Some(value) = form.text(url) else {
        return Ok(None);
    };
    check_url(value, url)?;
    Ok(Some(Target::new(
        value,
        Method::read(form.text(method), default),
    )))
}

/// `21205` for what Twilio would not call.
fn check_url(value: &str, name: &str) -> Result<(), Refusal> {
    crate::legs::resolve(None, value)
        .map(|_| ())
        .map_err(|why| Refusal::bad(21205, format!("{name} is not a valid URL: {why}")))
}

/// A status callback with its method and events.
fn subscription(
    form: &Form,
    prefix: &str,
    default: &[&str],
) -> Result<Option<Subscription>, Refusal> {
    let Some(target) = url_param(form, prefix, &format!("{prefix}Method"), Method::Post)? else {
        return Ok(None);
    };
    let mut events = form.words(&format!("{prefix}Event"));
    if events.is_empty() {
        events = default.iter().map(|e| (*e).to_owned()).collect();
    }
    Ok(Some(Subscription { target, events }))
}

/// A date filter: the plain key is that day, `<` is on or before, `>` on or after.
struct Dates {
    on: Option<i64>,
    before: Option<i64>,
    after: Option<i64>,
}

fn dates(query: &Form, key: &str) -> Result<Dates, Refusal> {
    let read = |suffix: &str| {
        let name = format!("{key}{suffix}");
        query.text(&name).map_or(Ok(None), |text| {
            let moment = crate::clock::parse_moment(text);
            let refusal = || Refusal::bad(20001, format!("{name} is not a date: {text:?}"));
            moment.map(Some).ok_or_else(refusal)
        })
    };
    Ok(Dates {
        on: read("")?,
        before: read("<")?,
        after: read(">")?,
    })
}

impl Dates {
    /// Whether they let this moment through; one that is not yet only where they ask for nothing.
    fn cover(&self, ms: Option<i64>) -> bool {
        const DAY: i64 = 86_400_000;
        let Some(ms) = ms else {
            return self.on.is_none() && self.before.is_none() && self.after.is_none();
        };
        // A filter has the grain it is written in: a day, or a second.
        let end = |day: i64| day + if day % DAY == 0 { DAY } else { 1000 };
        self.on
            .is_none_or(|day| ms.div_euclid(DAY) == day.div_euclid(DAY))
            && self.before.is_none_or(|day| ms < end(day))
            && self.after.is_none_or(|day| ms >= day)
    }
}
