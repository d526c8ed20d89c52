//! The edge for browsers, frame by frame: a WebSocket that says what the SDK says, and a WebRTC client for the sound.
//!
//! What the SDK itself makes of it is for the browser tests of the whole house. Here every frame is seen, also those that
//! an SDK would never send. Frames are read strictly in order: one too many fails the next step.

// The same client as the media tests use: it shares no code with what it tests.
#[path = "../../../media/tests/it/client.rs"]
mod client;
mod door;
mod hostile;
mod lost;
mod out;
mod rung;
mod telephone;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::kit::{DESK, Kit};
use client::Client;

/// How long any wait may take, in real time.
const PATIENCE: Duration = Duration::from_secs(15);

/// One `Device`, by its socket.
struct Browser {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// All that came, but for heartbeats.
    seen: Vec<Value>,
    beats: usize,
}

impl Browser {
    /// A socket that has said nothing yet.
    async fn open(kit: &Kit) -> Self {
        Self::at(kit, "/signal").await
    }

    /// The same, of whatever else speaks so.
    async fn at(kit: &Kit, path: &str) -> Self {
        let url = format!("{}{path}", kit.twin.url().replace("http", "ws"));
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        Self {
            socket,
            seen: Vec::new(),
            beats: 0,
        }
    }

    /// One that has shown a token, and whose calls outlive it for so many seconds.
    async fn with(kit: &Kit, token: &str, patience: u32) -> Self {
        let mut browser = Self::open(kit).await;
        browser.listen(token, patience).await;
        browser.next("connected").await;
        browser
    }

    /// One that can call and be rung.
    async fn registered(kit: &Kit, identity: &str) -> Self {
        let mut browser = Self::with(kit, &rung(kit, identity), 0).await;
        browser.register().await;
        browser
    }

    async fn say(&mut self, kind: &str, payload: Value) {
        let frame = json!({ "type": kind, "version": "1.6", "payload": payload });
        self.send(&frame.to_string()).await;
    }

    async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    async fn listen(&mut self, token: &str, patience: u32) {
        let about = json!({ "p": "browser", "plugin": "rtc", "v": "2.18.5" });
        let listen = json!({ "browserinfo": about, "reconnectTimeout": patience, "token": token });
        self.say("listen", listen).await;
    }

    async fn register(&mut self) {
        self.say("register", json!({ "media": { "audio": true } }))
            .await;
        assert_eq!(self.next("ready").await, json!({}));
    }

    /// Everything said so far has been understood, and nothing else was answered.
    async fn is_quiet(&mut self) {
        self.register().await;
    }

    /// The payload of the next frame, which must be of that type.
    async fn next(&mut self, kind: &str) -> Value {
        let frame = self.frame(kind).await;
        assert_eq!(frame["type"], kind, "among {:#?}", self.seen);
        assert_eq!(frame["version"], "1.6");
        frame["payload"].clone()
    }

    /// The next frame, whatever it is.
    async fn frame(&mut self, waits_for: &str) -> Value {
        let reading = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) if text.as_str() == "\n" => {
                        self.beats += 1;
                        self.socket.send(Message::text("\n")).await.unwrap();
                    }
                    Some(Ok(Message::Text(text))) => {
                        return serde_json::from_str::<Value>(&text).unwrap();
                    }
                    other => panic!("waited for {waits_for}, got {other:?}"),
                }
            }
        };
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(frame) => {
                self.seen.push(frame.clone());
                frame
            }
            Err(late) => panic!(
                "waited for {waits_for} ({late}); there came {:#?}",
                self.seen
            ),
        }
    }

    /// Waits until the socket is closed, one way or the other.
    async fn closed(&mut self, why: &str) {
        let reading = async {
            while let Some(Ok(frame)) = self.socket.next().await {
                if let Message::Close(_) = frame {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading)
            .await
            .unwrap_or_else(|late| panic!("still open ({late}): {why}"));
    }

    /// Calls out; the refusal's code, if that is what comes.
    async fn invite(&mut self, name: &str, sdp: &str, params: &str) {
        let twilio = if params.is_empty() {
            json!({})
        } else {
            json!({ "params": params })
        };
        let invite = json!({ "callsid": name, "sdp": sdp, "twilio": twilio });
        self.say("invite", invite).await;
    }

    /// Why the call of that name was refused.
    async fn refused(&mut self, name: &str) -> u64 {
        let hangup = self.next("hangup").await;
        assert_eq!(hangup["callsid"], name, "{hangup}");
        let error = &hangup["error"];
        assert!(error["message"].is_string(), "{hangup}");
        error["code"].as_u64().unwrap()
    }

    /// A call out that is answered: its sid, its reconnect token, and the sound of its browser.
    async fn calls(&mut self, tone: f32) -> (String, String, Client) {
        let client = Client::new(tone);
        self.invite("TJS1", &client.offer(), "").await;
        let sid = text(&self.next("ringing").await, "callsid");
        let answer = self.next("answer").await;
        assert_eq!(answer["callsid"], sid.as_str());
        client.answered(&text(&answer, "sdp"));
        (sid, text(&answer, "reconnect"), client)
    }

    /// Takes a call that rings; its sid, its token, and the sound of its browser.
    async fn takes(&mut self, tone: f32) -> (String, String, Client) {
        let invite = self.next("invite").await;
        let (sid, token) = (text(&invite, "callsid"), text(&invite, "reconnect"));
        let client = Client::new(tone);
        let answer = client.answer(&text(&invite, "sdp"));
        self.say("answer", json!({ "callsid": sid, "sdp": answer }))
            .await;
        let taken = self.next("answer").await;
        assert_eq!(taken, json!({ "callsid": sid, "reconnect": token }));
        (sid, token, client)
    }
}

/// A token with which one can also be rung.
fn rung(kit: &Kit, identity: &str) -> String {
    kit.signed(identity, |claims| {
        claims["grants"]["voice"]["incoming"] = json!({ "allow": true });
    })
}

fn text(value: &Value, key: &str) -> String {
    let text = value[key].as_str();
    text.unwrap_or_else(|| panic!("no {key} in {value:#}"))
        .to_owned()
}

/// Waits until a call says or hears a tone.
async fn sounds(kit: &Kit, call: &str, side: &str, hz: f64) {
    let mut last = Value::Null;
    let looking = async {
        let mut turn = tokio::time::interval(Duration::from_millis(50));
        loop {
            turn.tick().await;
            last = kit.control.sound(call).await.unwrap();
            let tones = last[side]["tones"].as_array().unwrap();
            let near = |t: &Value| (t["hz"].as_f64().unwrap() - hz).abs() < 5.0;
            if tones.first().is_some_and(near) {
                return;
            }
        }
    };
    if let Err(late) = tokio::time::timeout(PATIENCE, looking).await {
        panic!("{call}: {side} is not {hz} Hz ({late}): {last:#}");
    }
}

/// Looks every 20 ms until it is so.
async fn until<T, S: std::fmt::Debug>(what: &str, look: impl Fn() -> Result<T, S>) -> T {
    let mut last = None;
    let looking = async {
        let mut turn = tokio::time::interval(Duration::from_millis(20));
        loop {
            turn.tick().await;
            match look() {
                Ok(found) => return found,
                Err(seen) => last = Some(seen),
            }
        }
    };
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(found) => found,
        Err(late) => panic!("waited until {what} ({late}); saw {last:?}"),
    }
}

/// Waits until so many browsers are connected.
async fn connected(kit: &Kit, count: usize) {
    let mut last = Value::Null;
    let looking = async {
        let mut turn = tokio::time::interval(Duration::from_millis(20));
        loop {
            turn.tick().await;
            last = kit.control.clients().await.unwrap()["browsers"].clone();
            if last.as_array().unwrap().len() == count {
                return;
            }
        }
    };
    if let Err(late) = tokio::time::timeout(PATIENCE, looking).await {
        panic!("never {count} browsers ({late}): {last:#}");
    }
}

/// A twin whose number rings these nouns, and whose application waits for ever.
async fn house(nouns: &str) -> Kit {
    let kit = Kit::with_desk().await;
    let dial = format!("<Dial action=\"/after\">{nouns}</Dial>");
    kit.site.twiml("/voice", &dial);
    kit.site.twiml("/after", "<Hangup/>");
    kit.site.twiml("/app", "<Pause length=\"3600\"/>");
    kit
}

/// What a browser's call was told by the REST API, once it is over.
async fn outcome(kit: &Kit, call: &str) -> String {
    text(&kit.until_status(call, "completed").await, "status")
}

/// Calls an identity by the REST API; the call.
async fn dial(kit: &Kit, to: &str) -> String {
    let twiml = "<Response><Pause length=\"3600\"/></Response>";
    let form = [("To", to), ("From", DESK), ("Twiml", twiml)];
    let (status, call) = kit.post("Calls", &form).await;
    assert_eq!(status, 201, "{call}");
    text(&call, "sid")
}
