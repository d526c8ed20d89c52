//! A typed client of the control API, for demos, tests and command lines.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{CallSid, Connect, Connected, FaultOrder, Keys};
use crate::callers::{Caller, Telephone};

/// Why a control request failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The twin could not be reached, or its answer was not understood.
    #[error("the twin at {url} does not answer: {why}")]
    Unreachable {
        /// The twin's address.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// The twin refused; for a client's `connect`, with the SDK's error code.
    #[error("{why}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The SDK's or Twilio's error code; 0 where there is none.
        code: u32,
        /// A sentence.
        why: String,
    },
}

/// The control API of one twin. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    url: String,
    http: reqwest::Client,
}

impl Client {
    /// A client of the twin at `url`, such as `http://127.0.0.1:4010`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        // Neither proxies nor idle limits matter on loopback; the builder without TLS options can't fail.
        let http = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .build()
            .unwrap_or_default();
        Self {
            url: url.trim_end_matches('/').to_owned(),
            http,
        }
    }

    /// The twin's address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Somebody calls a number of the account. Returns the call's sid.
    pub async fn call(&self, caller: &Caller) -> Result<String, ControlError> {
        let placed: CallSid = self.post("call", caller).await?;
        Ok(placed.call_sid)
    }

    /// The far end of a call presses keys.
    pub async fn press(&self, call_sid: &str, digits: &str) -> Result<(), ControlError> {
        let keys = Keys {
            call_sid: call_sid.to_owned(),
            digits: digits.to_owned(),
        };
        self.post::<_, Value>("press", &keys).await.map(drop)
    }

    /// The far end of a call hangs up; one that still rings refuses.
    pub async fn hangup(&self, call_sid: &str) -> Result<(), ControlError> {
        self.post::<_, Value>("hangup", &sid(call_sid))
            .await
            .map(drop)
    }

    /// A telephone whose behaviour is `rings` picks up.
    pub async fn answer(&self, call_sid: &str) -> Result<(), ControlError> {
        self.post::<_, Value>("answer", &sid(call_sid))
            .await
            .map(drop)
    }

    /// A client connects with an access token. A refusal carries the SDK's error code.
    pub async fn connect(
        &self,
        token: &str,
        params: BTreeMap<String, String>,
    ) -> Result<Connected, ControlError> {
        self.post(
            "connect",
            &Connect {
                token: token.to_owned(),
                params,
            },
        )
        .await
    }

    /// A client hangs up.
    pub async fn disconnect(&self, call_sid: &str) -> Result<(), ControlError> {
        self.post::<_, Value>("disconnect", &sid(call_sid))
            .await
            .map(drop)
    }

    /// What a call has said and heard in the last second:
    /// `{"said":{"rms","tones":[{"hz","level"}]},"heard":{…},"connected","packets_in","packets_out",…}`. Asking makes
    /// the twin make sound.
    pub async fn sound(&self, call_sid: &str) -> Result<Value, ControlError> {
        self.get(&format!("sound/{call_sid}")).await
    }

    /// The last seconds (at most 10) of what a call has heard, or `said`, as a WAV file of 8 kHz, mono, 16 bit. There may
    /// be less of it.
    pub async fn listen(
        &self,
        call_sid: &str,
        said: bool,
        seconds: f32,
    ) -> Result<Vec<u8>, ControlError> {
        let which = if said { "said" } else { "heard" };
        let path = format!("sound/{call_sid}/{which}.wav?seconds={seconds}");
        let sent = self.http.get(self.address(&path)).send().await;
        self.body(sent).await
    }

    /// Clients with a live call: `{"clients":[{"identity","call_sid","status","vanished","browser"}]}`, and the
    /// browsers that are connected: `{"browsers":[{"identity","registered","tokens"}]}`.
    pub async fn clients(&self) -> Result<Value, ControlError> {
        self.get("clients").await
    }

    /// The world now: `{"calls":[…],"conferences":[…],"participants":[…],"hears":[…]}`.
    pub async fn world(&self) -> Result<Value, ControlError> {
        self.get("world").await
    }

    /// The past: `{"now","calls":[…],"hears":[…],"hearing":[…]}`, with intervals in milliseconds since 1970;
    /// the last two are [`crate::HearsInterval`] and [`crate::HearingInterval`].
    pub async fn log(&self) -> Result<Value, ControlError> {
        self.get("log").await
    }

    /// Sets faults, each `key=value`. Returns all that is set.
    pub async fn fault<S: AsRef<str>>(&self, settings: &[S]) -> Result<Value, ControlError> {
        let set = settings.iter().map(|s| s.as_ref().to_owned()).collect();
        self.post("fault", &FaultOrder { set, clear: false }).await
    }

    /// Switches every fault off and every quirk back.
    pub async fn clear_faults(&self) -> Result<Value, ControlError> {
        self.post(
            "fault",
            &FaultOrder {
                set: Vec::new(),
                clear: true,
            },
        )
        .await
    }

    /// What is set now, and the seed.
    pub async fn faults(&self) -> Result<Value, ControlError> {
        self.get("fault").await
    }

    /// The last requests: `{"rest":[…],"webhooks":[…]}`, oldest first.
    pub async fn requests(&self) -> Result<Value, ControlError> {
        self.get("requests").await
    }

    /// Says what telephones do when they are called.
    pub async fn telephones(&self, telephones: &[Telephone]) -> Result<(), ControlError> {
        self.post::<_, Value>("telephones", telephones)
            .await
            .map(drop)
    }

    /// The twin's time: `{"now_ms","now","scale"}`.
    pub async fn clock(&self) -> Result<Value, ControlError> {
        self.get("clock").await
    }

    /// One call: its REST body and `who`.
    pub async fn get_call(&self, call_sid: &str) -> Result<Value, ControlError> {
        self.get(&format!("calls/{call_sid}")).await
    }

    /// Waits until the call has one of the statuses (comma-separated; `completed` is every final one), at most
    /// `timeout` of the twin's clock, and returns the call as it then is.
    pub async fn wait_call(
        &self,
        call_sid: &str,
        status: &str,
        timeout: Duration,
    ) -> Result<Value, ControlError> {
        self.get(&format!(
            "calls/{call_sid}/wait?status={status}&timeout={}ms",
            timeout.as_millis()
        ))
        .await
    }

    /// Every change of a call or conference from now on. When this returns, the subscription stands.
    pub async fn events(&self) -> Result<Events, ControlError> {
        let response = self
            .http
            .get(self.address("events"))
            .send()
            .await
            .map_err(|e| self.unreachable(&e))?;
        let mut events = Events {
            response,
            buffer: Vec::new(),
        };
        match events.next().await {
            Some(hello) if hello["type"] == "hello" => Ok(events),
            _ => Err(ControlError::Unreachable {
                url: self.url.clone(),
                why: String::from("no event stream"),
            }),
        }
    }

    fn address(&self, path: &str) -> String {
        format!("{}/control/{path}", self.url)
    }

    fn unreachable(&self, error: &reqwest::Error) -> ControlError {
        ControlError::Unreachable {
            url: self.url.clone(),
            why: error.to_string(),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ControlError> {
        self.read(self.http.get(self.address(path)).send().await)
            .await
    }

    async fn post<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ControlError> {
        self.read(self.http.post(self.address(path)).json(body).send().await)
            .await
    }

    async fn read<T: DeserializeOwned>(
        &self,
        sent: Result<reqwest::Response, reqwest::Error>,
    ) -> Result<T, ControlError> {
        let bytes = self.body(sent).await?;
        serde_json::from_slice(&bytes).map_err(|e| ControlError::Unreachable {
            url: self.url.clone(),
            why: e.to_string(),
        })
    }

    async fn body(
        &self,
        sent: Result<reqwest::Response, reqwest::Error>,
    ) -> Result<Vec<u8>, ControlError> {
        let response = sent.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|e| self.unreachable(&e))?;
        if status.is_success() {
            return Ok(bytes.to_vec());
        }
        let body: Value = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| json!({ "error": { "why": String::from_utf8_lossy(&bytes) } }));
        Err(ControlError::Refused {
            status: status.as_u16(),
            code: body["error"]["code"]
                .as_u64()
                .and_then(|c| u32::try_from(c).ok())
                .unwrap_or(0),
            why: body["error"]["why"]
                .as_str()
                .unwrap_or("refused without a reason")
                .to_owned(),
        })
    }
}

fn sid(call_sid: &str) -> CallSid {
    CallSid {
        call_sid: call_sid.to_owned(),
    }
}

/// The event stream: `{"type":"call","call":{…},"who"}`,
/// `{"type":"conference","conference":{…},"participants":[…]}`, or `{"type":"lagged","missed":n}` for a reader
/// that was too slow.
#[derive(Debug)]
pub struct Events {
    response: reqwest::Response,
    buffer: Vec<u8>,
}

impl Events {
    /// The next change; `None` when the twin is gone.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                match serde_json::from_slice(&line) {
                    Ok(value) => return Some(value),
                    Err(_) => continue,
                }
            }
            let chunk = self.response.chunk().await.ok()??;
            self.buffer.extend_from_slice(&chunk);
        }
    }
}
