//! Our requests to Twilio.
//!
//! What matters here is not the request but what is known when it has failed. Creating a call has no
//! idempotency key, so a request whose fate is unclear must never simply be sent again: it is settled by
//! looking. [`Answer`] therefore tells *not sent*, *not processed*, *refused* and *unclear* apart, and nothing
//! in this file retries: whether and when is the outbox's business.
//!
//! Only the configured host is ever contacted: no redirects, no proxies, and a next page only from the same
//! account's tree. Times and sizes are bounded. Credentials appear in no log and no `Debug`; logged paths hold
//! SIDs and labels, never telephone numbers.
//!
//! Read next: [`super::resources`], then the dispatcher that uses this.

use std::{fmt, time::Duration};

use axum::http::{HeaderMap, HeaderValue, Method as Verb, StatusCode, header};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bytes::BytesMut;
use cordboard_core::ids::{CallSid, ConferenceSid, Phone};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{redirect, retry};
use secrecy::ExposeSecret;
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use super::{
    Callback, Fetch, Method, TwilioConfig, Urls,
    resources::{
        Application, Call, CallFilter, Change, Conference, NewCall, NewParticipant, Number,
        Participant, Who,
    },
    twiml::{JITTER_BUFFER, ROOM_EVENTS},
    words::one_line,
};

/// How a request ended, as far as we can know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an effect whose outcome nobody looks at is a call that nobody settles"]
pub enum Answer<T> {
    /// It was done; this is what Twilio says of it.
    Done(T),
    /// It was not done and, sent again, would not be. [`Answer::why`] sorts it.
    Refused {
        /// HTTP's.
        status: u16,
        /// Twilio's, where there was one.
        code: Option<u32>,
        /// Twilio's sentence, cleaned.
        message: String,
    },
    /// It was not processed (429): too much at once. Safe to send again.
    Busy {
        /// After this long, where Twilio said so.
        retry_after: Option<Duration>,
    },
    /// It may or may not have been done: a time-out, a connection lost after sending, a 5xx, an answer that
    /// cannot be read.
    Unknown(String),
    /// It never left: no connection. Safe to send again.
    Unsent(String),
}

/// What a refusal means for the one who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// The leg is over (21220): a hang-up has what it wanted.
    Over,
    /// There is no such call, room or participant, or no longer (20404).
    Gone,
    /// The room is over or was never there (16003, 16022).
    RoomOver,
    /// The room has not started, so nobody in it can be held (16001).
    NotStarted,
    /// A participant with this label is there (16026): our earlier request was done.
    AlreadyThere,
    /// The room is full (16020).
    RoomFull,
    /// The account's concurrent calls or its queue of new calls are used up (10004, 16021, 22005).
    Limit,
    /// Not a number that can be called (21201, 21211, 21214, 21217, 13223, 13224).
    BadNumber,
    /// The account may not call there (21202, 21203, 21215, 21216, 21219, 13225, 13227).
    NotAllowed,
    /// The account may not call from there (21210, 21212, 21213, 13247).
    BadCallerId,
    /// Our credentials or the account itself (20003, 20005, 20006, 20151; HTTP 401).
    Credentials,
    /// Anything else: a mistake of ours.
    Other,
}

impl<T> Answer<T> {
    /// The same with another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Answer<U> {
        self.then(|value| Answer::Done(f(value)))
    }

    /// Goes on where it was done.
    fn then<U>(self, f: impl FnOnce(T) -> Answer<U>) -> Answer<U> {
        match self {
            Self::Done(value) => f(value),
            Self::Refused {
                status,
                code,
                message,
            } => Answer::Refused {
                status,
                code,
                message,
            },
            Self::Busy { retry_after } => Answer::Busy { retry_after },
            Self::Unknown(why) => Answer::Unknown(why),
            Self::Unsent(why) => Answer::Unsent(why),
        }
    }

    /// The value, where it was done.
    pub fn done(self) -> Option<T> {
        match self {
            Self::Done(value) => Some(value),
            _ => None,
        }
    }

    /// What a refusal means; none for anything else.
    pub const fn why(&self) -> Option<Why> {
        let Self::Refused { status, code, .. } = self else {
            return None;
        };
        Some(match (*code, *status) {
            (Some(21220), _) => Why::Over,
            (Some(16003 | 16022), _) => Why::RoomOver,
            (Some(16001), _) => Why::NotStarted,
            (Some(16026), _) => Why::AlreadyThere,
            (Some(16020), _) => Why::RoomFull,
            (Some(10004 | 16021 | 22005), _) => Why::Limit,
            (Some(21201 | 21211 | 21214 | 21217 | 13223 | 13224), _) => Why::BadNumber,
            (Some(21202 | 21203 | 21215 | 21216 | 21219 | 13225 | 13227), _) => Why::NotAllowed,
            (Some(21210 | 21212 | 21213 | 13247), _) => Why::BadCallerId,
            (Some(20003 | 20005 | 20006 | 20151), _) | (_, 401) => Why::Credentials,
            (Some(20404), _) | (_, 404) => Why::Gone,
            _ => Why::Other,
        })
    }

    /// Whether nothing was done and the same may be sent again.
    pub const fn is_safe_to_repeat(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unsent(_))
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// The TLS roots could not be loaded, most likely.
    #[error("the HTTPS client could not be set up (are CA certificates installed?): {0}")]
    Client(#[source] reqwest::Error),
    /// A key with characters that no header can carry.
    #[error("the API key or its secret has characters that HTTP cannot carry")]
    Credentials,
}

/// The most bytes of an answer that are read. A page of a thousand calls is about 1.5 MB.
const MOST_BYTES: usize = 4 << 20;
/// The most pages that are followed; beyond them the list is not what was asked for but a mistake.
const MOST_PAGES: usize = 20;
/// What need not be escaped in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'_')
    .remove(b'-')
    .remove(b'.')
    .remove(b'~');

type Form<'a> = Vec<(&'static str, &'a str)>;

/// Twilio's REST API, for one account.
#[derive(Clone)]
pub struct Rest {
    http: reqwest::Client,
    base: Url,
    account: String,
    credentials: HeaderValue,
    urls: Urls,
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest")
            .field("base", &self.base.as_str())
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl Rest {
    /// With 2 s to connect and 5 s in all: an answer that takes longer comes too late for the caller who waits
    /// for it.
    pub fn new(config: &TwilioConfig) -> Result<Self, RestError> {
        Self::with_patience(config, Duration::from_secs(2), Duration::from_secs(5))
    }

    /// With other limits: to connect, and in all.
    pub fn with_patience(
        config: &TwilioConfig,
        connect: Duration,
        all: Duration,
    ) -> Result<Self, RestError> {
        let http = reqwest::Client::builder()
            .connect_timeout(connect)
            .timeout(all)
            .redirect(redirect::Policy::none())
            // Its own retries are safe ones, but every request must be counted, and only the outbox counts.
            .retry(retry::never())
            // A proxy would read the calls of everybody; who needs one sets it as the API address.
            .no_proxy()
            .referer(false)
            .https_only(config.api_base.scheme() == "https")
            .user_agent(concat!("cordboard/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(RestError::Client)?;
        let plain = format!("{}:{}", config.api_key, config.api_secret.expose_secret());
        let mut credentials = HeaderValue::from_str(&format!("Basic {}", BASE64.encode(plain)))
            .map_err(|_| RestError::Credentials)?;
        credentials.set_sensitive(true);
        Ok(Self {
            http,
            base: config.api_base.clone(),
            account: config.account_sid.clone(),
            credentials,
            urls: Urls::new(config),
        })
    }

    // ---- calls ----

    /// Rings a telephone. Once only: an [`Answer::Unknown`] is settled by looking (callbacks, [`Rest::calls`]),
    /// never by repeating.
    pub async fn create_call(&self, call: &NewCall) -> Answer<Call> {
        let (document, status) = (
            self.urls.of(Callback::Leg(call.leg)),
            self.urls.of(Callback::Status(call.leg)),
        );
        let (machine, fallback) = (self.urls.of(Callback::Amd(call.leg)), self.urls.fallback());
        let seconds = call.seconds.clamp(5, 600).to_string();
        let mut form = vec![
            ("To", call.to.as_str()),
            ("From", call.from.as_str()),
            ("Url", &document),
            ("Method", Method::Post.as_str()),
            ("FallbackUrl", &fallback.url),
            ("FallbackMethod", fallback.method.as_str()),
            ("Timeout", &seconds),
        ];
        follow(&mut form, &status);
        if call.detect_machine {
            form.extend([
                ("MachineDetection", "Enable"),
                ("AsyncAmd", "true"),
                ("AsyncAmdStatusCallback", machine.as_str()),
                ("AsyncAmdStatusCallbackMethod", Method::Post.as_str()),
            ]);
        }
        self.post("Calls.json", form).await
    }

    /// Takes a living leg out of what it does and gives it the document of `to`. A leg that leaves a room this
    /// way ends the room where its `end_on_exit` says so.
    pub async fn redirect_call(&self, sid: &CallSid, to: Callback) -> Answer<Call> {
        let (url, fallback) = (self.urls.of(to), self.urls.fallback());
        let form = vec![
            ("Url", url.as_str()),
            ("Method", Method::Post.as_str()),
            ("FallbackUrl", &fallback.url),
            ("FallbackMethod", fallback.method.as_str()),
        ];
        self.post(&format!("Calls/{sid}.json"), form).await
    }

    /// Hangs a leg up, whether it rings or talks. One that is over already is done.
    pub async fn end_call(&self, sid: &CallSid) -> Answer<()> {
        // Not `canceled`: a leg that was answered in the meantime would live on.
        self.end(
            Verb::POST,
            &format!("Calls/{sid}.json"),
            Some(vec![("Status", "completed")]),
        )
        .await
    }

    /// One leg.
    pub async fn fetch_call(&self, sid: &CallSid) -> Answer<Call> {
        self.get(&format!("Calls/{sid}.json")).await
    }

    /// The legs that fit, newest first.
    pub async fn calls(&self, filter: &CallFilter) -> Answer<Vec<Call>> {
        let since = filter.since.map(|t| {
            t.to_string()
                .split('.')
                .next()
                .unwrap_or_default()
                .to_owned()
                + "Z"
        });
        let mut query = Form::new();
        query.extend(
            filter
                .parent
                .as_ref()
                .map(|sid| ("ParentCallSid", sid.as_str())),
        );
        query.extend(filter.from.as_deref().map(|from| ("From", from)));
        query.extend(filter.to.as_deref().map(|to| ("To", to)));
        query.extend(filter.status.map(|status| ("Status", status.as_str())));
        query.extend(since.as_deref().map(|since| ("StartTime>", since)));
        self.list("Calls.json", "calls", query).await
    }

    // ---- rooms ----

    /// One life of a room.
    pub async fn conference(&self, sid: &ConferenceSid) -> Answer<Conference> {
        self.get(&format!("Conferences/{sid}.json")).await
    }

    /// All lives of the room with that name.
    pub async fn conferences_by_name(&self, name: &str) -> Answer<Vec<Conference>> {
        self.list(
            "Conferences.json",
            "conferences",
            vec![("FriendlyName", name)],
        )
        .await
    }

    /// Ends a room and hangs up who is in it. One that is over already is done.
    pub async fn end_conference(&self, sid: &ConferenceSid) -> Answer<()> {
        self.end(
            Verb::POST,
            &format!("Conferences/{sid}.json"),
            Some(vec![("Status", "completed")]),
        )
        .await
    }

    /// Rings an outside party into a room. Once only, like [`Rest::create_call`]; [`Why::AlreadyThere`] proves
    /// that an earlier request was done. By SID, never by name: Twilio refuses when that life of the room is
    /// over, and would open a new one for a name.
    pub async fn create_participant(
        &self,
        room: &ConferenceSid,
        new: &NewParticipant,
    ) -> Answer<Participant> {
        let (label, seconds) = (new.leg.to_string(), new.seconds.clamp(5, 600).to_string());
        let (wait, status) = (
            self.urls.of(Callback::Wait(new.leg)),
            self.urls.of(Callback::Status(new.leg)),
        );
        let events = self.urls.of(Callback::Conference(new.leg.call));
        let mut form = vec![
            ("To", new.to.as_str()),
            ("From", new.from.as_str()),
            ("Label", &label),
            ("Timeout", &seconds),
            ("Beep", "false"),
            ("JitterBufferSize", JITTER_BUFFER),
            ("StartConferenceOnEnter", "true"),
            ("EndConferenceOnExit", flag(new.end_on_exit)),
            ("EarlyMedia", flag(new.early_media)),
            ("WaitUrl", &wait),
            ("WaitMethod", Method::Post.as_str()),
            ("ConferenceStatusCallback", &events),
            ("ConferenceStatusCallbackMethod", Method::Post.as_str()),
        ];
        form.extend(
            ROOM_EVENTS
                .split(' ')
                .map(|event| ("ConferenceStatusCallbackEvent", event)),
        );
        follow(&mut form, &status);
        self.post(&format!("Conferences/{room}/Participants.json"), form)
            .await
    }

    /// Everybody in a room. Empty, or [`Why::Gone`], when it is over.
    pub async fn participants(&self, room: &ConferenceSid) -> Answer<Vec<Participant>> {
        self.list(
            &format!("Conferences/{room}/Participants.json"),
            "participants",
            Form::new(),
        )
        .await
    }

    /// One in a room; [`Why::Gone`] where they are not there.
    pub async fn participant(
        &self,
        room: &ConferenceSid,
        who: impl Into<Who>,
    ) -> Answer<Participant> {
        self.get(&participant_path(room, &who.into())).await
    }

    /// Changes one in a room. The answer says what holds afterwards.
    pub async fn update_participant(
        &self,
        room: &ConferenceSid,
        who: impl Into<Who>,
        change: &Change,
    ) -> Answer<Participant> {
        let hold;
        let form = match change {
            Change::Hold(sound) => {
                hold = self.urls.hold(*sound);
                let Fetch { url, method } = &hold;
                vec![
                    ("Hold", "true"),
                    ("HoldUrl", url.as_str()),
                    ("HoldMethod", method.as_str()),
                ]
            }
            Change::Unhold => vec![("Hold", "false")],
            Change::Mute(muted) => vec![("Muted", flag(*muted))],
            Change::EndOnExit(end) => vec![("EndConferenceOnExit", flag(*end))],
            Change::Coach(coached) => {
                vec![("Coaching", "true"), ("CallSidToCoach", coached.as_str())]
            }
            Change::StopCoaching => vec![("Coaching", "false")],
        };
        self.post(&participant_path(room, &who.into()), form).await
    }

    /// Takes one out of a room. Who is not there is done. Their leg may go on with its next document: to end
    /// it, end the call.
    pub async fn kick(&self, room: &ConferenceSid, who: impl Into<Who>) -> Answer<()> {
        self.end(Verb::DELETE, &participant_path(room, &who.into()), None)
            .await
    }

    // ---- numbers and the app ----

    /// The account's numbers. Also the cheapest question that a standard key may ask: it proves the
    /// credentials.
    pub async fn numbers(&self) -> Answer<Vec<Number>> {
        self.list(
            "IncomingPhoneNumbers.json",
            "incoming_phone_numbers",
            Form::new(),
        )
        .await
    }

    /// Buys a number, pointed at us from the start. Costs money at the real Twilio.
    pub async fn buy_number(&self, phone: &Phone) -> Answer<Number> {
        let (voice, ended, fallback) = self.voice_urls(Callback::Voice);
        let mut form = vec![("PhoneNumber", phone.as_str())];
        point(&mut form, &voice, &ended, &fallback);
        self.post("IncomingPhoneNumbers.json", form).await
    }

    /// Points a number at us.
    pub async fn point_number(&self, number: &Number) -> Answer<Number> {
        let (voice, ended, fallback) = self.voice_urls(Callback::Voice);
        let mut form = Form::new();
        point(&mut form, &voice, &ended, &fallback);
        if number
            .voice_application_sid
            .as_deref()
            .is_some_and(|sid| !sid.is_empty())
        {
            form.push(("VoiceApplicationSid", "")); // it would override the URLs
        }
        self.post(
            &format!("IncomingPhoneNumbers/{}.json", segment(&number.sid)),
            form,
        )
        .await
    }

    /// Makes a TwiML app that browsers' calls go through.
    pub async fn create_application(&self, name: &str) -> Answer<Application> {
        let (voice, ended, fallback) = self.voice_urls(Callback::App);
        let mut form = vec![("FriendlyName", name)];
        point(&mut form, &voice, &ended, &fallback);
        self.post("Applications.json", form).await
    }

    /// Points a TwiML app at us.
    pub async fn update_application(&self, sid: &str) -> Answer<Application> {
        let (voice, ended, fallback) = self.voice_urls(Callback::App);
        let mut form = Form::new();
        point(&mut form, &voice, &ended, &fallback);
        self.post(&format!("Applications/{}.json", segment(sid)), form)
            .await
    }

    fn voice_urls(&self, voice: Callback) -> (String, String, Fetch) {
        (
            self.urls.of(voice),
            self.urls.of(Callback::Ended),
            self.urls.fallback(),
        )
    }

    // ---- the one way out ----

    fn root(&self) -> String {
        format!(
            "{}/2010-04-01/Accounts/{}/",
            self.base.path().trim_end_matches('/'),
            segment(&self.account)
        )
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.root()));
        url
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Answer<T> {
        self.send(Verb::GET, self.url(path), None)
            .await
            .then(|body| read(&body))
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, form: Form<'_>) -> Answer<T> {
        self.send(Verb::POST, self.url(path), Some(form))
            .await
            .then(|body| read(&body))
    }

    /// Ends something whose absence is as good as success.
    async fn end(&self, verb: Verb, path: &str, form: Option<Form<'_>>) -> Answer<()> {
        let answer = self.send(verb, self.url(path), form).await;
        match answer.why() {
            Some(Why::Over | Why::Gone | Why::RoomOver) => Answer::Done(()),
            _ => answer.map(|_| ()),
        }
    }

    /// A whole list: all its pages, or no list.
    async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        rows: &str,
        mut query: Form<'_>,
    ) -> Answer<Vec<T>> {
        #[derive(Deserialize)]
        struct Page {
            next_page_uri: Option<String>,
            #[serde(flatten)]
            rest: serde_json::Map<String, serde_json::Value>,
        }
        query.push(("PageSize", "1000"));
        let mut url = self.url(path);
        url.query_pairs_mut().extend_pairs(&query);
        let mut all = Vec::new();
        for _ in 0..MOST_PAGES {
            let mut page: Page = match self
                .send(Verb::GET, url, None)
                .await
                .then(|body| read(&body))
            {
                Answer::Done(page) => page,
                other => return other.map(|_: Page| Vec::new()),
            };
            match serde_json::from_value::<Vec<T>>(page.rest.remove(rows).unwrap_or_default()) {
                Ok(mut these) => all.append(&mut these),
                Err(why) => return Answer::Unknown(format!("Twilio's list cannot be read: {why}")),
            }
            let Some(next) = page.next_page_uri else {
                return Answer::Done(all);
            };
            url = match self.base.join(&next) {
                // The credentials go nowhere but there, whatever an answer says.
                Ok(url)
                    if url.origin() == self.base.origin()
                        && url.path().starts_with(&self.root()) =>
                {
                    url
                }
                _ => {
                    return Answer::Unknown(
                        "the next page is not in this account's tree".to_owned(),
                    );
                }
            };
        }
        Answer::Unknown(format!("the list has more than {MOST_PAGES} pages"))
    }

    /// Sends, waits, and says what is known.
    async fn send(&self, verb: Verb, url: Url, form: Option<Form<'_>>) -> Answer<BytesMut> {
        let path = url.path().to_owned();
        let mut request = self
            .http
            .request(verb.clone(), url)
            .header(header::AUTHORIZATION, self.credentials.clone());
        if let Some(form) = form {
            request = request.form(&form);
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                let unsent = error.is_connect() || error.is_builder();
                let why = plain(error);
                tracing::warn!(%verb, path, unsent, why, "no answer from Twilio");
                return if unsent {
                    Answer::Unsent(why)
                } else {
                    Answer::Unknown(why)
                };
            }
        };
        let status = response.status();
        let headers = response.headers().clone();
        let said = |name| {
            headers
                .get(name)
                .and_then(|v: &HeaderValue| v.to_str().ok())
                .unwrap_or("-")
        };
        tracing::debug!(
            %verb, path, status = status.as_u16(),
            request_id = said("twilio-request-id"), seconds = said("twilio-request-duration"),
            "Twilio answered"
        );
        let mut body = BytesMut::new();
        let cut = loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > MOST_BYTES => {
                    break Some("the answer is too long".to_owned());
                }
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break None,
                Err(error) => break Some(plain(error)),
            }
        };
        judge(status, &headers, body, cut)
    }
}

/// What a status means. A refusal is one even when its body was cut off; a success whose body was is not known
/// well enough.
fn judge(
    status: StatusCode,
    headers: &HeaderMap,
    body: BytesMut,
    cut: Option<String>,
) -> Answer<BytesMut> {
    /// Twilio's error body, in the shape of 2010 and in that of RFC 9457.
    #[derive(Default, Deserialize)]
    struct Problem {
        #[serde(default)]
        code: Option<u32>,
        #[serde(default, alias = "title")]
        message: Option<String>,
    }
    if status.is_success() {
        return cut.map_or(Answer::Done(body), Answer::Unknown);
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        let seconds = headers
            .get(header::RETRY_AFTER)
            .and_then(|v| v.to_str().ok()?.trim().parse().ok());
        // An hour and more is a mistake, not advice.
        let retry_after = seconds.filter(|s| *s <= 3600).map(Duration::from_secs);
        return Answer::Busy { retry_after };
    }
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        return Answer::Unknown(format!("Twilio answered {status}"));
    }
    let problem = serde_json::from_slice::<Problem>(&body).unwrap_or_default();
    let message = problem.message.map_or_else(
        || format!("Twilio answered {status}"),
        |text| one_line(&text, 300),
    );
    Answer::Refused {
        status: status.as_u16(),
        code: problem.code,
        message,
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Answer<T> {
    match serde_json::from_slice(body) {
        Ok(value) => Answer::Done(value),
        // Done, most likely; but what was done must be looked at.
        Err(why) => Answer::Unknown(format!("Twilio's answer cannot be read: {why}")),
    }
}

/// The whole chain of an error in one line, without its URL (a query may hold telephone numbers).
fn plain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut line = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    one_line(&line, 300)
}

fn participant_path(room: &ConferenceSid, who: &Who) -> String {
    match who {
        Who::Leg(leg) => format!(
            "Conferences/{room}/Participants/{}.json",
            segment(&leg.to_string())
        ),
        Who::Call(sid) => format!("Conferences/{room}/Participants/{sid}.json"),
    }
}

fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

const fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// Asks for every step of a leg we create. One event a key: Twilio's own libraries send it so.
fn follow<'a>(form: &mut Form<'a>, status: &'a str) {
    form.extend([
        ("StatusCallback", status),
        ("StatusCallbackMethod", Method::Post.as_str()),
    ]);
    form.extend(
        ["initiated", "ringing", "answered", "completed"]
            .map(|event| ("StatusCallbackEvent", event)),
    );
}

/// Points a number or an app at us.
fn point<'a>(form: &mut Form<'a>, voice: &'a str, ended: &'a str, fallback: &'a Fetch) {
    form.extend([
        ("VoiceUrl", voice),
        ("VoiceMethod", Method::Post.as_str()),
        ("VoiceFallbackUrl", &fallback.url),
        ("VoiceFallbackMethod", fallback.method.as_str()),
        ("StatusCallback", ended),
        ("StatusCallbackMethod", Method::Post.as_str()),
    ]);
}

#[cfg(test)]
mod tests;
