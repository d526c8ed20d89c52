//! A twin and the customer's web server. Every wait has a name, ends by a real change, and prints what it saw.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use cordboard_twin::control::Client;
use cordboard_twin::{Caller, Clock, Credentials, Twin, TwinConfig};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long any wait may take, in real time.
const PATIENCE: Duration = Duration::from_secs(15);

/// One request the customer's server got.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) method: String,
    pub(crate) query: String,
    pub(crate) form: Vec<(String, String)>,
    pub(crate) headers: HashMap<String, String>,
}

impl Seen {
    pub(crate) fn get(&self, key: &str) -> &str {
        self.form
            .iter()
            .find(|(k, _)| k == key)
            .map_or("", |(_, v)| v)
    }
}

#[derive(Debug, Default)]
struct Pages {
    replies: HashMap<String, Vec<(u16, String, String)>>,
    seen: Vec<Seen>,
}

/// The customer's web server: pages by path, and everything it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) url: String,
    pages: Arc<Mutex<Pages>>,
    changed: Arc<watch::Sender<usize>>,
}

impl Site {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let site = Self {
            url,
            pages: Arc::default(),
            changed: Arc::new(watch::channel(0).0),
        };
        let app = Router::new().fallback(answer).with_state(site.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        site
    }

    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// What a path answers from now on: TwiML inside `<Response>`.
    pub(crate) fn twiml(&self, path: &str, verbs: &str) {
        self.reply(
            path,
            200,
            "text/xml",
            &format!("<Response>{verbs}</Response>"),
        );
    }

    pub(crate) fn reply(&self, path: &str, status: u16, kind: &str, body: &str) {
        self.replies(path, &[(status, kind, body)]);
    }

    /// One reply after the other; the last one stays.
    pub(crate) fn replies(&self, path: &str, replies: &[(u16, &str, &str)]) {
        let replies = replies
            .iter()
            .map(|(s, k, b)| (*s, (*k).to_owned(), (*b).to_owned()))
            .collect();
        self.pages
            .lock()
            .unwrap()
            .replies
            .insert(path.to_owned(), replies);
    }

    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        self.pages
            .lock()
            .unwrap()
            .seen
            .iter()
            .filter(|s| s.path == path)
            .cloned()
            .collect()
    }

    /// Waits until `found` finds what it wants among the requests to `path`.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        path: &str,
        found: impl Fn(&[Seen]) -> Option<T>,
    ) -> T {
        let mut changed = self.changed.subscribe();
        let search = async {
            loop {
                if let Some(found) = found(&self.seen(path)) {
                    return found;
                }
                changed.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(found) => found,
            Err(late) => panic!(
                "waited for {what} ({late}); {path} got {:#?}",
                self.seen(path)
            ),
        }
    }

    /// The first request to `path`.
    pub(crate) async fn first(&self, what: &str, path: &str) -> Seen {
        self.until(what, path, |seen| seen.first().cloned()).await
    }

    /// The events of a conference in the order of their sequence numbers, once `count` are there.
    pub(crate) async fn events(&self, count: usize) -> Vec<(u32, String)> {
        self.until(&format!("{count} conference events"), "/conf", |seen| {
            let mut events: Vec<(u32, String)> = seen
                .iter()
                .map(|s| (s.get("SequenceNumber").parse().unwrap(), describe(s)))
                .collect();
            events.sort();
            (events.len() >= count).then_some(events)
        })
        .await
    }
}

fn describe(seen: &Seen) -> String {
    let more = [
        seen.get("ParticipantLabel"),
        seen.get("ReasonParticipantLeft"),
        seen.get("ReasonConferenceEnded"),
    ];
    let more: Vec<&str> = more.into_iter().filter(|m| !m.is_empty()).collect();
    format!("{} {}", seen.get("StatusCallbackEvent"), more.join(" "))
        .trim()
        .to_owned()
}

async fn answer(
    State(site): State<Site>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let form = form_urlencoded::parse(&body).into_owned().collect();
    let seen = Seen {
        path: uri.path().to_owned(),
        method: method.to_string(),
        query: uri.query().unwrap_or_default().to_owned(),
        form,
        headers: headers
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_str().unwrap_or_default().to_owned()))
            .collect(),
    };
    let reply = {
        let mut pages = site.pages.lock().unwrap();
        pages.seen.push(seen);
        match pages.replies.get_mut(uri.path()) {
            Some(replies) if replies.len() > 1 => Some(replies.remove(0)),
            Some(replies) => replies.first().cloned(),
            None => None,
        }
    };
    site.changed.send_modify(|n| *n += 1);
    match reply {
        Some((status, kind, body)) => (
            StatusCode::from_u16(status).unwrap(),
            [("content-type", kind)],
            body,
        )
            .into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

/// A twin, its customer, and the account's REST API.
pub(crate) struct Kit {
    pub(crate) twin: Twin,
    pub(crate) site: Site,
    pub(crate) control: Client,
    pub(crate) credentials: Credentials,
    http: reqwest::Client,
    stop: CancellationToken,
}

impl Drop for Kit {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The account's number in these tests.
pub(crate) const DESK: &str = "+15550100";

impl Kit {
    /// At ten times the speed, unless a test is about real time.
    pub(crate) async fn start() -> Self {
        Self::at_scale(10.0).await
    }

    pub(crate) async fn at_scale(scale: f64) -> Self {
        Self::of(TwinConfig {
            clock: Clock::scaled(scale),
            ..TwinConfig::default()
        })
        .await
    }

    /// With these settings, but for what makes it repeatable.
    pub(crate) async fn of(config: TwinConfig) -> Self {
        let stop = CancellationToken::new();
        let config = TwinConfig {
            credentials: Credentials::from_seed(7),
            seed: 7,
            ..config
        };
        let twin = cordboard_twin::serve(config, stop.clone()).await.unwrap();
        let site = Site::start().await;
        let credentials = twin.credentials().clone();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            control: twin.control(),
            twin,
            site,
            credentials,
            http,
            stop,
        }
    }

    /// Tells the twin to stop.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// With a number whose calls ask for `/voice`, and an application that asks for `/app`.
    pub(crate) async fn with_desk() -> Self {
        let kit = Self::start().await;
        let (voice, status) = (kit.site.at("/voice"), kit.site.at("/status"));
        let form = [
            ("PhoneNumber", DESK),
            ("VoiceUrl", &voice),
            ("StatusCallback", &status),
        ];
        let (code, body) = kit.post("IncomingPhoneNumbers", &form).await;
        assert_eq!(code, 201, "{body}");
        let app = kit.site.at("/app");
        let (code, body) = kit
            .post(
                &format!("Applications/{}", kit.credentials.app_sid),
                &[("VoiceUrl", &app)],
            )
            .await;
        assert_eq!(code, 200, "{body}");
        kit
    }

    /// The same, and where `/voice` does not answer, its number asks for `/fallback`.
    pub(crate) async fn with_fallback() -> Self {
        let kit = Self::with_desk().await;
        let (_, numbers) = kit.get("IncomingPhoneNumbers").await;
        let sid = numbers["incoming_phone_numbers"][0]["sid"]
            .as_str()
            .unwrap();
        let form = [("VoiceFallbackUrl", &*kit.site.at("/fallback"))];
        let (code, body) = kit
            .post(&format!("IncomingPhoneNumbers/{sid}"), &form)
            .await;
        assert_eq!(code, 200, "{body}");
        kit
    }

    pub(crate) fn account_url(&self, path: &str) -> String {
        let (path, query) = path
            .split_once('?')
            .map_or((path, String::new()), |(p, q)| (p, format!("?{q}")));
        format!(
            "{}/2010-04-01/Accounts/{}/{path}.json{query}",
            self.twin.url(),
            self.credentials.account_sid
        )
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let c = &self.credentials;
        let request = request.basic_auth(&c.api_key, Some(&c.api_secret));
        answered(request.send().await.unwrap()).await
    }

    /// With the account's own token, for what no key may do.
    pub(crate) async fn as_account(
        &self,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
    ) -> (u16, Value) {
        let c = &self.credentials;
        let request = self.http.request(method, self.account_url(path)).form(form);
        let request = request.basic_auth(&c.account_sid, Some(&c.auth_token));
        answered(request.send().await.unwrap()).await
    }

    /// A page as a list names it: `next_page_uri` and the like.
    pub(crate) async fn follow(&self, uri: &Value) -> (u16, Value) {
        let url = format!("{}{}", self.twin.url(), uri.as_str().unwrap());
        self.send(self.http.get(url)).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.http.get(self.account_url(path))).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        self.send(self.http.post(self.account_url(path)).form(form))
            .await
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        self.send(self.http.delete(self.account_url(path))).await
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// How many callbacks to `path` the twin has made so far. It counts them where they are made: what has not
    /// arrived yet proves nothing.
    pub(crate) async fn callbacks(&self, path: &str) -> usize {
        let url = self.site.at(path);
        let made = self.control.requests().await.unwrap();
        let made = made["webhooks"].as_array().unwrap();
        made.iter().filter(|hook| hook["url"] == url).count()
    }

    /// A customer calls the desk.
    pub(crate) async fn caller(&self, from: &str) -> String {
        let caller = Caller {
            from: from.into(),
            to: DESK.into(),
            ..Caller::default()
        };
        self.control.call(&caller).await.unwrap()
    }

    pub(crate) fn token(&self, identity: &str) -> String {
        self.signed(identity, |_| ())
    }

    /// A token whose claims are not quite the usual ones.
    pub(crate) fn signed(&self, identity: &str, change: impl FnOnce(&mut Value)) -> String {
        let c = &self.credentials;
        let now = self.twin.clock().now_ms() / 1000;
        let header = jsonwebtoken::Header {
            cty: Some("twilio-fpa;v=1".into()),
            ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256)
        };
        let mut claims = json!({
            "jti": format!("{}-{now}", c.api_key), "iss": c.api_key, "sub": c.account_sid, "iat": now, "exp": now + 3600,
            "grants": { "identity": identity, "voice": { "outgoing": { "application_sid": c.app_sid } } },
        });
        change(&mut claims);
        jsonwebtoken::encode(
            &header,
            &claims,
            &jsonwebtoken::EncodingKey::from_secret(c.api_secret.as_bytes()),
        )
        .unwrap()
    }

    /// A client connects through the application.
    pub(crate) async fn client(&self, identity: &str) -> String {
        self.control
            .connect(&self.token(identity), BTreeMap::new())
            .await
            .unwrap()
            .call_sid
    }

    /// Waits until the world is as wanted.
    pub(crate) async fn until<T>(&self, what: &str, found: impl Fn(&Value) -> Option<T>) -> T {
        let mut changes = self.twin.changes();
        let mut last = Value::Null;
        let search = async {
            loop {
                last = self.control.world().await.unwrap();
                if let Some(found) = found(&last) {
                    return found;
                }
                // Lagging only means that much has happened; the next look sees it all.
                let _ = changes.recv().await;
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(found) => found,
            Err(late) => panic!("waited for {what} ({late}); the world is {last:#}"),
        }
    }

    pub(crate) async fn until_status(&self, call: &str, status: &str) -> Value {
        let body = self
            .control
            .wait_call(call, status, Duration::from_mins(2))
            .await
            .unwrap();
        let is = body["status"].as_str().unwrap();
        assert!(
            is == status || status == "completed",
            "waited for {call} to be {status}; it is {body:#}"
        );
        body
    }

    /// A customer and an agent talk in a room: the customer's call, the agent's call, and the room.
    pub(crate) async fn talk(&self) -> (String, String, String) {
        self.site.twiml(
            "/voice",
            &self.room("cust", "endConferenceOnExit=\"true\" waitUrl=\"/wait\""),
        );
        self.site.twiml(
            "/wait",
            "<Play loop=\"0\">https://com.twilio.sounds.music/a.mp3</Play>",
        );
        self.site.twiml(
            "/app",
            &self.room("agent", "endConferenceOnExit=\"false\" waitUrl=\"\""),
        );
        let customer = self.caller("+15550001").await;
        self.until("the customer to wait with music", |w| {
            heard(w, &customer, "music").then_some(())
        })
        .await;
        let agent = self.client("ada").await;
        self.until("both to talk", |w| {
            (heard(w, &customer, "people") && heard(w, &agent, "people")).then_some(())
        })
        .await;
        let (_, rooms) = self.get("Conferences?Status=in-progress").await;
        (
            customer,
            agent,
            rooms["conferences"][0]["sid"].as_str().unwrap().to_owned(),
        )
    }

    pub(crate) fn room(&self, label: &str, more: &str) -> String {
        format!(
            "<Dial><Conference participantLabel=\"{label}\" beep=\"false\" {more} statusCallback=\"{}#rc=3&amp;rp=all\" \
             statusCallbackEvent=\"start end join leave mute hold modify announcement\">room-1</Conference></Dial>",
            self.site.at("/conf")
        )
    }
}

/// A status and a body; what is no JSON is null.
async fn answered(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// Whether the participant with this call hears that.
pub(crate) fn heard(world: &Value, call: &str, what: &str) -> bool {
    world["participants"]
        .as_array()
        .unwrap()
        .iter()
        .any(|p| p["call_sid"] == call && p["hearing"] == what)
}

/// Who hears whom, sorted, as `listener<speaker`.
pub(crate) fn hears(world: &Value) -> Vec<String> {
    let row = |h: &Value| {
        format!(
            "{}<{}",
            h["listener"].as_str().unwrap(),
            h["speaker"].as_str().unwrap()
        )
    };
    let mut rows: Vec<String> = world["hears"].as_array().unwrap().iter().map(row).collect();
    rows.sort();
    rows
}
