//! A twin, the customer's web server, and a page with a Device.

use std::{
    collections::HashMap,
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router, body::Bytes, extract::State, http::Uri, response::IntoResponse, response::Response,
};
use cordboard_tests::browser::{self, Browser, Plan};
use cordboard_twin::{Caller, Credentials, Twin, TwinConfig, Voice, control};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::phone::rig::{AUDIBLE, level, until};

/// The account's number.
pub(super) const DESK: &str = "+15550100";

/// What a web hook was asked with.
type Form = HashMap<String, String>;

/// The customer's web server: documents by path, what each was asked with, and the page.
#[derive(Clone, Default)]
struct Site {
    /// Where the page is, and the SDK.
    folder: PathBuf,
    pages: Arc<Mutex<HashMap<String, String>>>,
    asked: Arc<Mutex<Vec<(String, Form)>>>,
}

async fn answer(State(site): State<Site>, uri: Uri, body: Bytes) -> Response {
    let file = |kind: &'static str, path: &str| {
        let text = std::fs::read(site.folder.join(path)).unwrap();
        ([("content-type", kind)], text).into_response()
    };
    match uri.path() {
        "/page" => return file("text/html", "device.html"),
        "/twilio.min.js" => {
            let path = "node_modules/@twilio/voice-sdk/dist/twilio.min.js";
            return file("text/javascript", path);
        }
        _ => {}
    }
    let form = url::form_urlencoded::parse(&body).into_owned().collect();
    let mut asked = site.asked.lock().unwrap_or_else(PoisonError::into_inner);
    asked.push((uri.path().to_owned(), form));
    let pages = site.pages.lock().unwrap_or_else(PoisonError::into_inner);
    let verbs = pages.get(uri.path()).cloned().unwrap_or_default();
    let twiml = format!("<Response>{verbs}</Response>");
    ([("content-type", "text/xml")], twiml).into_response()
}

pub(super) struct Rig {
    pub(super) twin: Twin,
    pub(super) control: control::Client,
    credentials: Credentials,
    installed: (OsString, OsString),
    site: Site,
    /// Of the customer's web server.
    url: String,
    http: reqwest::Client,
    stop: CancellationToken,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Rig {
    /// None: there is no browser, and it was said.
    pub(super) async fn open() -> Option<Self> {
        let installed = browser::installed()?;
        let stop = CancellationToken::new();
        let config = TwinConfig {
            numbers: vec![DESK.to_owned()],
            ..TwinConfig::default()
        };
        let twin = cordboard_twin::serve(config, stop.clone()).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // A name that browsers trust with a microphone.
        let url = format!("http://localhost:{port}");
        let site = Site {
            folder: PathBuf::from(&installed.0),
            ..Site::default()
        };
        let app = Router::new().fallback(answer).with_state(site.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let rig = Self {
            control: twin.control(),
            credentials: twin.credentials().clone(),
            twin,
            installed,
            site,
            url: url.clone(),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            stop,
        };
        let numbers = rig.rest("GET", "IncomingPhoneNumbers", &[]).await;
        let number = numbers["incoming_phone_numbers"][0]["sid"]
            .as_str()
            .unwrap();
        let voice = [("VoiceUrl", &*format!("{url}/voice"))];
        rig.rest("POST", &format!("IncomingPhoneNumbers/{number}"), &voice)
            .await;
        let app = format!("Applications/{}", rig.credentials.app_sid);
        rig.rest("POST", &app, &[("VoiceUrl", &format!("{url}/app"))])
            .await;
        Some(rig)
    }

    /// A request to the REST API, which must go well.
    pub(super) async fn rest(&self, method: &str, path: &str, form: &[(&str, &str)]) -> Value {
        let c = &self.credentials;
        let url = format!(
            "{}/2010-04-01/Accounts/{}/{path}.json",
            self.twin.url(),
            c.account_sid
        );
        let request = self.http.request(method.parse().unwrap(), url).form(form);
        let request = request.basic_auth(&c.account_sid, Some(&c.auth_token));
        let response = request.send().await.unwrap();
        let status = response.status();
        let body: Value = response.json().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {body}");
        body
    }

    /// What a path answers from now on.
    pub(super) fn twiml(&self, path: &str, verbs: &str) {
        let mut pages = self.site.pages.lock().unwrap();
        pages.insert(path.to_owned(), verbs.to_owned());
    }

    /// What a path was asked with last.
    pub(super) async fn asked(&self, path: &str, with: &str) -> Form {
        until(&format!("{path} is asked with {with}"), async || {
            let asked = self.site.asked.lock().unwrap();
            let mut last = asked.iter().rev().filter(|(at, _)| at == path);
            let last = last.find(|(_, form)| form.contains_key(with));
            last.map(|(_, form)| form.clone())
                .ok_or_else(|| json!(format!("{asked:#?}")))
        })
        .await
    }

    /// Somebody calls the desk, and says a tone.
    pub(super) async fn caller(&self, tone: f32) -> String {
        let caller = Caller {
            from: "+15550001".to_owned(),
            to: DESK.to_owned(),
            voice: Some(Voice::Tone(tone)),
            ..Caller::default()
        };
        self.control.call(&caller).await.unwrap()
    }

    /// A token that lives so many seconds.
    pub(super) fn token(&self, identity: &str, seconds: i64) -> String {
        let c = &self.credentials;
        let now = self.twin.clock().now_ms() / 1000;
        let header = jsonwebtoken::Header {
            cty: Some("twilio-fpa;v=1".to_owned()),
            ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256)
        };
        let claims = json!({
            "jti": format!("{}-{now}", c.api_key), "iss": c.api_key, "sub": c.account_sid,
            "iat": now.min(now + seconds), "exp": now + seconds,
            "grants": {
                "identity": identity,
                "voice": { "outgoing": { "application_sid": c.app_sid }, "incoming": { "allow": true } },
            },
        });
        let key = jsonwebtoken::EncodingKey::from_secret(c.api_secret.as_bytes());
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    }

    /// Waits until a call is so.
    pub(super) async fn status(&self, call: &str, status: &str) {
        until(&format!("{call} is {status}"), async || {
            let now = self.control.get_call(call).await.unwrap();
            if now["status"] == status {
                Ok(())
            } else {
                Err(now)
            }
        })
        .await;
    }

    /// Waits until a call says (`said`) or hears (`heard`) a tone, or does not.
    pub(super) async fn sound(&self, call: &str, side: &str, hz: f32, yes: bool) {
        until(&format!("{call}, {side}, {hz} Hz: {yes}"), async || {
            let sound = self.control.sound(call).await.unwrap();
            let loud = level(&sound[side], hz);
            if yes && loud > AUDIBLE || !yes && loud < AUDIBLE / 4.0 {
                Ok(())
            } else {
                Err(sound)
            }
        })
        .await;
    }

    /// A browser whose microphone hears a tone, with a page that holds the SDK and no Device yet.
    pub(super) fn page(&self, tone: f32) -> Page {
        let plan = Plan {
            tone,
            ..Plan::default()
        };
        let mut browser = Browser::start(&self.installed, plan);
        let (page, edge) = (&self.url, format!("localhost:{}", self.twin.addr().port()));
        // What leaves this machine would be somebody else's concern: it must not happen.
        browser.run(&format!(
            "globalThis.outside = [];
            page.on('request', (request) => {{
                const url = request.url();
                if (!url.startsWith('{page}') && !/^(data|blob):/.test(url)) globalThis.outside.push(url);
            }});
            await page.goto('{page}/page?{edge}');"
        ));
        Page { browser, tone }
    }
}

/// A page with one Device, and at most one Call that is looked at.
pub(super) struct Page {
    browser: Browser,
    /// What its microphone hears.
    pub(super) tone: f32,
}

impl Page {
    /// Runs the body of an async function in the page; it must not fail.
    pub(super) fn run(&mut self, code: &str) -> Value {
        let code = json!(format!("(async () => {{ {code} }})()"));
        self.browser
            .run(&format!("return await page.evaluate({code})"))
    }

    /// Waits until an expression is true in the page.
    fn until(&mut self, what: &str, expression: &str) {
        self.browser.wait_until(what, expression);
    }

    /// Waits for an event, after the last one that was waited for.
    pub(super) fn came(&mut self, event: &str) {
        self.until(event, &format!("came({})", json!(event)));
    }

    /// The same for several, in whatever order.
    pub(super) fn all_came(&mut self, events: &[&str]) {
        let all = json!(events);
        let every = format!("{all}.every((e) => since().includes(e))");
        self.until(&all.to_string(), &every);
        self.run("read = events.length");
    }

    /// What has happened since then.
    pub(super) fn since(&mut self) -> Vec<String> {
        let since = self.run("return since()");
        serde_json::from_value(since).unwrap()
    }

    /// A Device with that token, registered.
    pub(super) fn register(&mut self, token: &str) {
        self.run(&format!("open({}); await device.register()", json!(token)));
        self.came("device registered");
    }

    /// Gives its Device another token.
    pub(super) fn renew(&mut self, token: &str) {
        self.run(&format!("device.updateToken({})", json!(token)));
    }

    /// Calls, without parameters, until it is connected. The call's sid.
    pub(super) fn connect(&mut self) -> String {
        self.run("await connect()");
        self.came("call accept");
        self.call()
    }

    /// The sid of its call.
    pub(super) fn call(&mut self) -> String {
        let sid = self.run("return call.parameters.CallSid");
        sid.as_str().unwrap().to_owned()
    }

    /// Waits until the page plays a tone, and hardly any of another.
    pub(super) fn plays(&mut self, hz: f32, not: f32) {
        self.until(
            &format!("the page plays {hz} Hz and not {not} Hz"),
            &format!("level({hz}) > -50 && level({not}) < -75"),
        );
    }

    /// The frames that the page has sent, of one type.
    pub(super) fn sent(&mut self, kind: &str) -> Value {
        self.run(&format!(
            "return frames.map((f) => f.trim() && JSON.parse(f)).filter((f) => f.type === '{kind}')"
        ))
    }

    /// Addresses elsewhere that the page wanted something of.
    pub(super) fn outside(&mut self) -> Value {
        self.browser.run("return globalThis.outside")
    }
}
