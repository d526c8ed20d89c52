//! Web hooks: requests to the customer's web server, signed, timed, retried and logged as Twilio does.
//!
//! Two kinds: a *voice request* wants TwiML back and is asked by `legs` and `music`; a *status callback* is
//! sent and forgotten. Whether one is lost, doubled or late is decided by `faults`. Time limits are the
//! clock's; connecting is bounded in real time besides, at five seconds whatever `#ct` says. Sources: Twilio docs
//! "Webhooks security" (signature) and "Connection overrides" (`#rc`, `#rp`, `#rt`, `#tt`).

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::clock::{Clock, rfc3339};
use crate::form::Form;
use crate::twiml::MAX_BYTES;
use crate::world::{Method, Target};

/// Web hooks remembered for `GET /control/requests`.
pub(crate) const REMEMBERED: usize = 20_000;

/// The value of `X-Twilio-Signature`: base64 of HMAC-SHA1, keyed by the auth token, over the URL without its
/// fragment and, for a form POST, each key with its distinct values, sorted by bytes.
pub(crate) fn signature(auth_token: &str, url: &str, form: Option<&Form>) -> String {
    let url = url.split('#').next().unwrap_or(url);
    let mut data = String::from(url);
    if let Some(form) = form {
        let mut pairs: Vec<&(String, String)> = form.0.iter().collect();
        pairs.sort();
        pairs.dedup();
        for (key, value) in pairs {
            data.push_str(key);
            data.push_str(value);
        }
    }
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, auth_token.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(hmac::sign(&key, data.as_bytes()))
}

/// What a URL's fragment asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Overrides {
    read: Duration,
    total: Duration,
    retries: u32,
    retry_on: Vec<String>,
}

impl Overrides {
    fn read(url: &str) -> Self {
        let fragment = url.split_once('#').map_or("", |(_, f)| f);
        let form = Form::decode(fragment.as_bytes());
        let ms = |key: &str, low: u64, high: u64, default: u64| {
            let value = form
                .get(key)
                .and_then(|v| v.parse().ok())
                .unwrap_or(default);
            Duration::from_millis(value.clamp(low, high))
        };
        let retry_on = form.get("rp").unwrap_or("ct");
        Self {
            read: ms("rt", 100, 15_000, 15_000),
            total: ms("tt", 100, 15_000, 15_000),
            retries: form
                .get("rc")
                .and_then(|v| v.parse().ok())
                .unwrap_or(1)
                .min(5),
            retry_on: retry_on.split(',').map(str::to_owned).collect(),
        }
    }

    fn retry(&self, failure: &str) -> bool {
        self.retry_on.iter().any(|p| p == failure || p == "all")
    }
}

/// A complete answer of the customer's server.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    /// Cut off just beyond the largest document allowed.
    pub(crate) body: Vec<u8>,
}

/// Why there is no usable answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub(crate) struct Failure {
    /// `ct`, `rt`, `4xx` or `5xx`: the words of `#rp`.
    pub(crate) kind: &'static str,
    pub(crate) why: String,
}

#[derive(Debug)]
struct Logged {
    id: u64,
    at: i64,
    kind: &'static str,
    method: &'static str,
    url: String,
    params: Form,
    token: String,
    attempts: Vec<Value>,
    fault: Option<String>,
}

/// The engine.
#[derive(Debug)]
pub(crate) struct Hooks {
    client: reqwest::Client,
    clock: Clock,
    auth_token: String,
    /// Of the idempotency tokens. A stream of their own: they are drawn whenever a request happens to be sent, and a
    /// seed that is set again must not bring old tokens back.
    tokens: Mutex<StdRng>,
    log: Mutex<(u64, VecDeque<Logged>)>,
}

impl Hooks {
    pub(crate) fn new(clock: Clock, auth_token: String, seed: u64) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .user_agent("TwilioProxy/1.1")
            .connect_timeout(Duration::from_secs(5))
            .pool_max_idle_per_host(64)
            .http1_only()
            .no_proxy()
            .build()?;
        Ok(Self {
            client,
            clock,
            auth_token,
            tokens: Mutex::new(StdRng::seed_from_u64(seed ^ 0x544F_4B4E)),
            log: Mutex::new((0, VecDeque::new())),
        })
    }

    /// An idempotency token, in the form of a UUID, version 4.
    pub(crate) fn token(&self) -> String {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let n = (tokens.random::<u128>() & !(0xF << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let h = format!("{n:032x}");
        format!(
            "{}-{}-{}-{}-{}",
            &h[..8],
            &h[8..12],
            &h[12..16],
            &h[16..20],
            &h[20..]
        )
    }

    /// Opens a log entry; its attempts are added as they happen.
    pub(crate) fn open(
        &self,
        kind: &'static str,
        target: &Target,
        form: &Form,
        token: &str,
        fault: Option<String>,
    ) -> u64 {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let id = log.0;
        log.0 += 1;
        if log.1.len() >= REMEMBERED {
            log.1.pop_front();
        }
        log.1.push_back(Logged {
            id,
            at: self.clock.now_ms(),
            kind,
            method: target.method.as_str(),
            url: target.url.clone(),
            params: form.clone(),
            token: token.to_owned(),
            attempts: Vec::new(),
            fault,
        });
        id
    }

    pub(crate) fn attempt(&self, id: u64, mut outcome: Value) {
        outcome["at"] = json!(rfc3339(self.clock.now_ms()));
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let first = log.1.front().map_or(0, |l| l.id);
        let at = usize::try_from(id.wrapping_sub(first)).unwrap_or(usize::MAX);
        if let Some(entry) = log.1.get_mut(at) {
            entry.attempts.push(outcome);
        }
    }

    /// The log as JSON, oldest first. Repeated keys show their first value; that is what a receiver should
    /// read.
    pub(crate) fn body(&self) -> Vec<Value> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.1
            .iter()
            .map(|l| {
                let mut params = serde_json::Map::new();
                for (key, value) in &l.params.0 {
                    params.entry(key.clone()).or_insert_with(|| json!(value));
                }
                let mut body = json!({
                    "at": rfc3339(l.at), "kind": l.kind, "method": l.method, "url": l.url, "params": params,
                    "token": l.token, "attempts": l.attempts,
                });
                if let Some(fault) = &l.fault {
                    body["fault"] = json!(fault);
                }
                body
            })
            .collect()
    }

    /// Sends a request, with the retries its URL asks for, within its total time.
    pub(crate) async fn ask(
        &self,
        id: u64,
        target: &Target,
        form: &Form,
        token: &str,
    ) -> Result<Reply, Failure> {
        let overrides = Overrides::read(&target.url);
        let work = async {
            let mut tries = 0;
            loop {
                let outcome = self.once(target, form, token, &overrides).await;
                self.attempt(
                    id,
                    match &outcome {
                        Ok(reply) => json!({ "status": reply.status }),
                        Err(failure) => json!({ "error": failure.why, "kind": failure.kind }),
                    },
                );
                match outcome {
                    Ok(reply) if reply.status < 400 => return Ok(reply),
                    Ok(reply) => {
                        let kind = if reply.status < 500 { "4xx" } else { "5xx" };
                        if tries >= overrides.retries || !overrides.retry(kind) {
                            return Err(Failure {
                                kind,
                                why: format!("the server answered {}", reply.status),
                            });
                        }
                    }
                    Err(failure) => {
                        if tries >= overrides.retries || !overrides.retry(failure.kind) {
                            return Err(failure);
                        }
                    }
                }
                tries += 1;
                // A short breath between attempts; the docs give no figure.
                self.clock
                    .sleep(Duration::from_millis(100 << tries.min(5)))
                    .await;
            }
        };
        tokio::select! {
            outcome = work => outcome,
            () = self.clock.sleep(overrides.total) => {
                let failure = Failure { kind: "rt", why: format!("no answer within {} ms", overrides.total.as_millis()) };
                self.attempt(id, json!({ "error": failure.why, "kind": failure.kind }));
                Err(failure)
            }
        }
    }

    async fn once(
        &self,
        target: &Target,
        form: &Form,
        token: &str,
        overrides: &Overrides,
    ) -> Result<Reply, Failure> {
        let plain = target.url.split('#').next().unwrap_or(&target.url);
        let request = match target.method {
            Method::Post => {
                let sign = signature(&self.auth_token, plain, Some(form));
                self.client
                    .post(plain)
                    .header(
                        "content-type",
                        "application/x-www-form-urlencoded; charset=utf-8",
                    )
                    .header("x-twilio-signature", sign)
                    .body(form.encode())
            }
            Method::Get => {
                let url = match (form.0.is_empty(), plain.contains('?')) {
                    (true, _) => plain.to_owned(),
                    (false, true) => format!("{plain}&{}", form.encode()),
                    (false, false) => format!("{plain}?{}", form.encode()),
                };
                let sign = signature(&self.auth_token, &url, None);
                self.client.get(&url).header("x-twilio-signature", sign)
            }
        };
        let request = request
            .header("accept", "*/*")
            .header("i-twilio-idempotency-token", token);
        let exchange = async {
            let failed = |e: reqwest::Error| {
                let kind = if e.is_connect() { "ct" } else { "rt" };
                Failure {
                    kind,
                    why: format!("{}", e.without_url()),
                }
            };
            let mut response = request.send().await.map_err(failed)?;
            let status = response.status().as_u16();
            let content_type = response
                .headers()
                .get("content-type")
                .and_then(|v| v.to_str().ok())
                .unwrap_or_default()
                .to_owned();
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(failed)? {
                body.extend_from_slice(&chunk);
                if body.len() > MAX_BYTES {
                    break;
                }
            }
            Ok(Reply {
                status,
                content_type,
                body,
            })
        };
        tokio::select! {
            outcome = exchange => outcome,
            () = self.clock.sleep(overrides.read) => {
                Err(Failure { kind: "rt", why: format!("no answer within {} ms", overrides.read.as_millis()) })
            }
        }
    }

    /// Delivers a status callback. One that does not arrive is gone: nobody waits for it.
    pub(crate) async fn deliver(&self, id: u64, target: &Target, form: &Form, token: &str) {
        if let Err(failure) = self.ask(id, target, form, token).await {
            tracing::debug!(url = %target.url, why = %failure.why, "status callback not delivered (11200)");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Form {
        Form(
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        )
    }

    /// The vectors that all official helper libraries test with (auth token 12345).
    #[test]
    fn signatures_match_the_official_vectors() {
        let p = form(&[
            ("To", "+18005551212"),
            ("Digits", "1234"),
            ("CallSid", "CA1234567890ABCDE"),
            ("Caller", "+14158675309"),
            ("From", "+14158675309"),
        ]);
        let base = "mycompany.com/myapp.php?foo=1&bar=2";
        let sign = |url: &str, form: Option<&Form>| signature("12345", url, form);
        assert_eq!(
            sign(&format!("https://{base}"), Some(&p)),
            "RSOYDt4T1cUTdK1PDd93/VVr8B8="
        );
        assert_eq!(
            sign(&format!("https://{base}#rc=3&rp=all"), Some(&p)),
            "RSOYDt4T1cUTdK1PDd93/VVr8B8="
        );
        assert_eq!(
            sign("http://mycompany.com:1234/myapp.php?foo=1&bar=2", Some(&p)),
            "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="
        );
        assert_eq!(
            sign(
                "https://user:pass@mycompany.com/myapp.php?foo=1&bar=2",
                Some(&p)
            ),
            "CukzLTc1tT5dXEDIHm/tKBanW10="
        );
        let digits = form(&[
            ("Sid", "CA123"),
            ("SidAccount", "AC123"),
            ("Digits", "5678"),
            ("Digits", "1234"),
            ("Digits", "1234"),
        ]);
        assert_eq!(
            sign(&format!("https://{base}"), Some(&digits)),
            "IK+Dwps556ElfBT0I3Rgjkr1wJU="
        );
        let special = form(&[
            ("Message", "Hello & goodbye! @#$%^*()"),
            ("From", "+1 (415) 867-5309"),
            ("Special", "unicode: ñáéíóú"),
        ]);
        assert_eq!(
            sign(&format!("https://{base}"), Some(&special)),
            "dCPiR4WtQ6QFN6pJh81CtlCcWLQ="
        );
        let empty = form(&[
            ("Digits", ""),
            ("CallSid", "CA1234567890ABCDE"),
            ("EmptyParam", ""),
        ]);
        assert_eq!(
            sign(&format!("https://{base}"), Some(&empty)),
            "9HHp/OqQMEwdrVebHDdA/+tqjX8="
        );
        assert_eq!(
            sign(&format!("https://{base}"), None),
            "zYQTYrRWXE7LtzbG4PfP7/bkkGo="
        );
        assert_ne!(
            signature("54321", &format!("https://{base}"), Some(&p)),
            "RSOYDt4T1cUTdK1PDd93/VVr8B8="
        );
    }

    #[test]
    fn a_fragment_overrides_within_its_bounds() {
        let o = Overrides::read("https://x/voice?a=1#rc=3&rp=4xx,5xx&rt=1&tt=99999");
        assert_eq!(
            (o.retries, o.read.as_millis(), o.total.as_millis()),
            (3, 100, 15_000)
        );
        assert!(o.retry("5xx") && !o.retry("ct"));
        let plain = Overrides::read("https://x/voice");
        assert!(plain.retries == 1 && plain.retry("ct") && !plain.retry("5xx"));
        assert!(Overrides::read("https://x/#rc=9&rp=all").retry("rt"));
    }
}
