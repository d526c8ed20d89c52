//! What the measurements share: a carrier that signs, consoles that only listen, what the system says of a
//! process, and tables.
//!
//! The clients here are as thin as they can be, because they share the machine with what is measured. Nothing
//! is asserted beyond that an answer came.

use std::{
    fmt::Display,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use cordboard_tests::house::{House, Process};
use futures_util::{SinkExt as _, StreamExt as _, stream::SplitStream};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest},
};

/// The number that leads to the desk.
const DESK: &str = "+14155550100";
/// How often a console says that it is there. The server gives up on one that is silent for 30 s.
const PING: Duration = Duration::from_secs(10);

/// Now, by the wall's clock.
#[expect(clippy::disallowed_methods, reason = "it measures real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The server of a house.
pub(crate) fn server(house: &House) -> &Process {
    house.server.as_ref().expect("the server is up")
}

/// A carrier that sends what Twilio would, signed, on connections that stay open. Its calls exist nowhere else.
#[derive(Clone)]
pub(crate) struct Carrier {
    http: reqwest::Client,
    url: String,
    key: Arc<hmac::Key>,
    account: String,
}

impl Carrier {
    /// The carrier that this house believes.
    pub(crate) fn of(house: &House) -> Self {
        let token = house.twin.said("auth_token");
        Self {
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(10))
                .build()
                .expect("a client for plain HTTP"),
            url: house.url().trim_end_matches('/').to_owned(),
            key: Arc::new(hmac::Key::new(
                hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                token.as_bytes(),
            )),
            account: house.twin.said("account_sid"),
        }
    }

    /// Somebody of that name rings (Twilio docs: TwiML voice request).
    pub(crate) async fn rings(&self, sid: &str, name: &str) {
        let form = [
            ("AccountSid", self.account.as_str()),
            ("ApiVersion", "2010-04-01"),
            ("CallSid", sid),
            ("CallStatus", "ringing"),
            ("CallerName", name),
            ("Direction", "inbound"),
            ("From", "+14155550132"),
            ("To", DESK),
        ];
        self.post("/twilio/voice", &form).await;
    }

    /// They have hung up (Twilio docs: Call resource, StatusCallback).
    pub(crate) async fn over(&self, sid: &str) {
        let form = [
            ("AccountSid", self.account.as_str()),
            ("ApiVersion", "2010-04-01"),
            ("CallDuration", "1"),
            ("CallSid", sid),
            ("CallStatus", "completed"),
            ("Direction", "inbound"),
            ("From", "+14155550132"),
            ("SequenceNumber", "0"),
            ("To", DESK),
        ];
        self.post("/twilio/ended", &form).await;
    }

    /// Posts a form whose names are in order, as the signature wants them (Twilio docs: Validating requests).
    async fn post(&self, path: &str, form: &[(&str, &str)]) {
        let url = format!("{}{path}", self.url);
        let signed = form
            .iter()
            .fold(url.clone(), |text, (name, value)| text + name + value);
        let signature = BASE64.encode(hmac::sign(&self.key, signed.as_bytes()));
        let answer = self
            .http
            .post(&url)
            .header("x-twilio-signature", signature)
            .form(form)
            .send()
            .await
            .unwrap_or_else(|e| panic!("no answer to {path}: {e}"));
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        assert!(status.is_success(), "{path}: {status} {text}");
    }
}

/// A CallSid of our own.
pub(crate) fn sid(series: u32, n: u32) -> String {
    format!("CA{series:016x}{n:016x}")
}

/// A name that is on the screen once.
pub(crate) fn name(n: u32) -> String {
    format!("Q{n:05}Z")
}

/// Which name is in a frame, and whether its call is over.
pub(crate) fn named(frame: &str) -> Option<(u32, bool)> {
    let at = frame.find("\"Q")? + 2;
    let n = frame.get(at..at + 5)?.parse().ok()?;
    frame.get(at + 5..)?.starts_with("Z\"").then_some(())?;
    Some((n, frame.contains("\"ended\"")))
}

/// A console that listens: a socket, and what is said on it as text.
pub(crate) struct Line(SplitStream<WebSocketStream<MaybeTlsStream<TcpStream>>>);

impl Line {
    /// Connects, says hello, and goes on saying that it is there until it is dropped or the server goes.
    pub(crate) async fn open(url: &str, token: &str) -> Self {
        let url = format!("{}/ws/console", url.trim_end_matches('/')).replacen("http", "ws", 1);
        let mut request = url.into_client_request().expect("the server's own address");
        let bearer = format!("Bearer {token}").parse().expect("a token");
        request.headers_mut().insert("authorization", bearer);
        let (stream, _) = tokio_tungstenite::connect_async(request)
            .await
            .unwrap_or_else(|e| panic!("a console is not let in: {e}"));
        let (mut says, hears) = stream.split();
        let hello = json!({"t": "hello", "version": 2}).to_string();
        says.send(Message::text(hello)).await.expect("it listens");
        tokio::spawn(async move {
            let mut beat = tokio::time::interval(PING);
            loop {
                beat.tick().await;
                let ping = json!({"t": "ping", "n": 1}).to_string();
                if says.send(Message::text(ping)).await.is_err() {
                    return;
                }
            }
        });
        Self(hears)
    }

    /// The next frame of text; none when the server has gone.
    pub(crate) async fn next(&mut self) -> Option<tokio_tungstenite::tungstenite::Utf8Bytes> {
        loop {
            match self.0.next().await?.ok()? {
                Message::Text(text) => return Some(text),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Passes over frames until one of that kind.
    pub(crate) async fn until(&mut self, kind: &str) {
        let start = format!("{{\"t\":\"{kind}\"");
        while let Some(frame) = self.next().await {
            if frame.starts_with(&start) {
                return;
            }
        }
        panic!("the server said no {kind}");
    }
}

/// The bearer token of the operator.
pub(crate) async fn operator(house: &House) -> String {
    let body = json!({"email": "ada@demo.example", "password": "switchboard"});
    let url = format!("{}/api/login", house.url().trim_end_matches('/'));
    let http = Carrier::of(house).http;
    let answer = http.post(url).json(&body).send().await;
    let answer: serde_json::Value = match answer {
        Ok(answer) => answer.json().await.unwrap_or_default(),
        Err(e) => panic!("no answer to signing in: {e}"),
    };
    answer["token"]
        .as_str()
        .unwrap_or_else(|| panic!("no token: {answer}"))
        .to_owned()
}

/// Memory that a process holds, in bytes: resident, of which its own (not a file's). From `/proc/PID/status`.
pub(crate) fn resident(process: u32) -> (u64, u64) {
    let path = format!("/proc/{process}/status");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let of = |key: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(key))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    };
    (
        of("VmRSS:").unwrap_or_default(),
        of("RssAnon:").unwrap_or_default(),
    )
}

/// What the kernel has charged a process for, all threads, its own work and the kernel's. Counted in ticks of
/// 10 ms: measure seconds. From `/proc/PID/stat`.
pub(crate) fn charged(process: u32) -> Duration {
    let path = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    // The name, in parentheses, may hold anything; the fields are counted from behind it: utime is the 12th,
    // stime the 13th.
    let fields = text.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|n| n.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Measurements of one thing.
#[derive(Default)]
pub(crate) struct Sample(Vec<Duration>);

impl Sample {
    /// One more.
    pub(crate) fn push(&mut self, one: Duration) {
        self.0.push(one);
    }

    /// Many more.
    pub(crate) fn extend(&mut self, more: impl IntoIterator<Item = Duration>) {
        self.0.extend(more);
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Prints a row of a table: what it is, how many, p50, p90, p99 and the longest.
    pub(crate) fn print(&mut self, what: impl Display) {
        self.0.sort_unstable();
        let ms = |percent: usize| {
            let at = (self.0.len() * percent).div_ceil(100).max(1) - 1;
            self.0.get(at).map_or(0.0, |d| d.as_secs_f64() * 1_000.0)
        };
        say(format_args!(
            "{what:<40} n {:6}   p50 {:7.2}   p90 {:7.2}   p99 {:7.2}   max {:7.2} ms",
            self.0.len(),
            ms(50),
            ms(90),
            ms(99),
            ms(100),
        ));
    }
}

/// Prints a line of the result.
#[expect(clippy::print_stdout, reason = "its output is what it is for")]
pub(crate) fn say(line: impl Display) {
    println!("{line}");
}
