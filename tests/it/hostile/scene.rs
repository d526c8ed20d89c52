//! A switchboard in this process, and the ways in that strangers have: raw requests, signed or not, and raw
//! sockets.
//!
//! Nothing here goes through our own client: it is too polite to send what a stranger would. No assertion about
//! Cordboard belongs here.

use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use cordboard_server::{
    seed::{DEMO_NUMBER, DEMO_PASSWORD},
    twilio::{TwilioConfig, rest::Rest},
};
use cordboard_tests::{
    backends::{TestDatabase, sqlite_file},
    desk::{Desk, Plan},
};
use cordboard_twin::{Caller, TwinConfig, control};
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{self, Message, client::IntoClientRequest},
};

/// What a form says it is.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// The longest that anything is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A switchboard, its carrier, and a stranger's HTTP client.
pub(super) struct Scene {
    pub(super) control: control::Client,
    pub(super) desk: Desk,
    pub(super) http: reqwest::Client,
}

impl Scene {
    /// The demo's house on a database file, in real time, with two operators: Ada (u1) and Grace (u2).
    pub(super) async fn open(password_kib: u32) -> Self {
        Self::on(sqlite_file(), password_kib).await
    }

    /// The same on any database.
    pub(super) async fn on(database: TestDatabase, password_kib: u32) -> Self {
        let desk = Desk::open(Plan {
            database,
            carrier: TwinConfig::default(),
            scale: 1.0,
            operators: &[2],
            settings: &[],
            password_kib,
            empty: false,
            requests_per_minute: 60_000,
        })
        .await;
        // A connection that was cut in the middle of a body must not be the next request's.
        let http = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self {
            control: desk.twin.control(),
            desk,
            http,
        }
    }

    /// An address of the server.
    pub(super) fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.desk.server.addr)
    }

    /// The bearer token of somebody who signs in.
    pub(super) async fn token(&self, email: &str) -> String {
        let body = json!({"email": email, "password": DEMO_PASSWORD});
        let answer = self.http.post(self.at("/api/login")).json(&body).send();
        let answer: Value = answer.await.unwrap().json().await.unwrap();
        answer["access"]
            .as_str()
            .unwrap_or_else(|| panic!("no token: {answer}"))
            .to_owned()
    }

    /// What a GET of the API answers.
    pub(super) async fn get(&self, token: &str, path: &str) -> (StatusCode, String) {
        let request = self.http.get(self.at(path)).bearer_auth(token);
        let answer = request.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    /// Sends a command, waits up to so many milliseconds for its outcome.
    pub(super) async fn command(
        &self,
        token: &str,
        wait: u32,
        command: &Value,
    ) -> (StatusCode, Value) {
        let url = self.at(&format!("/api/commands?wait={wait}"));
        let request = self.http.post(url).bearer_auth(token).json(command);
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    /// The board, as a stranger's program reads it.
    pub(super) async fn board(&self, token: &str) -> Value {
        let (status, text) = self.get(token, "/api/board").await;
        assert_eq!(status, StatusCode::OK, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// The carrier, asked as the server asks it.
    pub(super) fn carrier(&self) -> Rest {
        let credentials = self.desk.twin.credentials().clone();
        Rest::new(&TwilioConfig {
            api_base: self.desk.twin.url().parse().unwrap(),
            account_sid: credentials.account_sid,
            auth_token: credentials.auth_token.into(),
            secondary_auth_token: None,
            api_key: credentials.api_key,
            api_secret: credentials.api_secret.into(),
            app_sid: credentials.app_sid,
            public_url: self.at("").parse().unwrap(),
            fallback_media_base: None,
        })
        .unwrap()
    }

    /// Changes something of the account at the carrier, as its owner would in the carrier's own console.
    pub(super) async fn at_carrier(&self, path: &str, form: &[(&str, &str)]) {
        let who = self.desk.twin.credentials();
        let url = format!(
            "{}/2010-04-01/Accounts/{}/{path}",
            self.desk.twin.url(),
            who.account_sid
        );
        let request = self
            .http
            .post(url)
            .basic_auth(&who.account_sid, Some(&who.auth_token))
            .header("content-type", FORM)
            .body(encoded(form));
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    /// A POST to a callback, without a signature unless one is given.
    pub(super) async fn post(
        &self,
        path: &str,
        kind: Option<&str>,
        signature: Option<&str>,
        body: Vec<u8>,
    ) -> (StatusCode, String) {
        let mut request = self.http.post(self.at(path)).body(body);
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        if let Some(signature) = signature {
            request = request.header("x-twilio-signature", signature);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap_or_default())
    }

    /// A POST that the carrier could have made.
    pub(super) async fn signed(&self, path: &str, form: &[(&str, &str)]) -> (StatusCode, String) {
        let signature = self.signature(path, form);
        self.post(path, Some(FORM), Some(&signature), encoded(form))
            .await
    }

    /// Signs as the carrier does (Twilio docs: Validating requests): the URL, then the parameters by name, each
    /// with its value.
    pub(super) fn signature(&self, path: &str, form: &[(&str, &str)]) -> String {
        sign(
            &self.desk.twin.credentials().auth_token,
            &self.at(path),
            form,
        )
    }

    /// Somebody rings and waits at the desk; their call's id and CallSid.
    pub(super) async fn ring(&self, token: &str, from: &str, name: &str) -> (String, String) {
        let caller = Caller {
            from: from.to_owned(),
            to: DEMO_NUMBER.to_owned(),
            name: Some(name.to_owned()),
            ..Caller::default()
        };
        let sid = self.control.call(&caller).await.unwrap();
        let path = format!("/api/calls/{sid}");
        let id = until("the caller waits at the desk", async || {
            let (_, text) = self.get(token, &path).await;
            let card: Value = serde_json::from_str(&text).unwrap_or_default();
            match card["place"]["kind"].as_str() {
                Some("queued") => Ok(card["id"].as_str().unwrap().to_owned()),
                _ => Err(text),
            }
        })
        .await;
        (id, sid)
    }

    /// Where a call is.
    pub(super) async fn place(&self, token: &str, call: &str) -> Value {
        let (_, text) = self.get(token, &format!("/api/calls/{call}")).await;
        let card: Value = serde_json::from_str(&text).unwrap_or_default();
        card["place"].clone()
    }

    /// Opens a socket.
    pub(super) async fn socket(&self, path: &str, token: &str) -> Result<Line, tungstenite::Error> {
        let url = format!("ws://{}{path}", self.desk.server.addr);
        let mut request = url.into_client_request().unwrap();
        let bearer = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        let (stream, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Line(stream))
    }

    /// A page that has said hello and that it can talk.
    pub(super) async fn page(&self, token: &str, user: &str) -> Line {
        let mut line = self.socket("/ws/phone", token).await.unwrap();
        line.say(&json!({"t": "hello", "version": 2})).await;
        line.say(&json!({"t": "heartbeat", "ready": true})).await;
        until("the page is shown as ready", async || {
            let people = self.board(token).await["people"].clone();
            let ready = |p: &Value| p["id"] == user && p["phone"] == "ready";
            if people.as_array().unwrap().iter().any(ready) {
                Ok(())
            } else {
                Err(people.to_string())
            }
        })
        .await;
        line
    }
}

/// A socket, as a stranger holds it.
pub(super) struct Line(pub(super) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Line {
    /// Sends a message.
    pub(super) async fn say(&mut self, message: &Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    /// Everything that is said until the other side closes.
    pub(super) async fn last_words(mut self) -> Vec<Value> {
        let mut words = Vec::new();
        let all = async {
            while let Some(Ok(message)) = self.0.next().await {
                if let Message::Text(text) = message {
                    words.push(serde_json::from_str(&text).unwrap());
                }
            }
        };
        let closed = tokio::time::timeout(PATIENCE, all).await;
        assert!(
            closed.is_ok(),
            "never: the server closes the socket; it said {words:?}"
        );
        words
    }

    /// The next message of that kind.
    pub(super) async fn hear(&mut self, kind: &str) -> Value {
        let hear = async {
            loop {
                let message = self.0.next().await.unwrap().unwrap();
                if let Message::Text(text) = message {
                    let value: Value = serde_json::from_str(&text).unwrap();
                    if value["t"] == kind {
                        return value;
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, hear)
            .await
            .unwrap_or_else(|_| panic!("never: a message {kind}"))
    }
}

/// Now, by the wall's clock: how long a stranger is kept waiting.
#[expect(
    clippy::disallowed_methods,
    reason = "what is measured is how long real requests take"
)]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// A form, encoded.
pub(super) fn encoded(form: &[(&str, &str)]) -> Vec<u8> {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish()
        .into_bytes()
}

/// A signature under that auth token.
pub(super) fn sign(auth_token: &str, url: &str, form: &[(&str, &str)]) -> String {
    let mut pairs = form.to_vec();
    pairs.sort_unstable();
    pairs.dedup();
    let text = pairs
        .iter()
        .fold(url.to_owned(), |text, (name, value)| text + name + value);
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, auth_token.as_bytes());
    BASE64.encode(hmac::sign(&key, text.as_bytes()))
}

/// Waits for something that has a name; the error is what was seen instead.
pub(super) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let end = now() + PATIENCE;
    let mut looks = tokio::time::interval(Duration::from_millis(10));
    loop {
        looks.tick().await;
        match look().await {
            Ok(found) => return found,
            Err(seen) => assert!(now() < end, "never: {what}; last seen: {seen}"),
        }
    }
}

/// What a terminal obeys, and what turns text around.
pub(super) fn is_nasty(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether no text in it, decoded, holds any of that.
pub(super) fn clean(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.chars().any(is_nasty),
        Value::Array(all) => all.iter().all(clean),
        Value::Object(all) => all
            .iter()
            .all(|(k, v)| !k.chars().any(is_nasty) && clean(v)),
        _ => true,
    }
}
