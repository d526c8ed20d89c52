//! People with a browser each, callers with a tone each, and what is heard.

use std::{ffi::OsString, time::Duration};

use cordboard_tests::{
    backends,
    browser::{self, Browser, Plan},
    page::{measured, pair},
};
use cordboard_twin::{Caller, Voice, control};
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use crate::people::{
    kit::{Client, House},
    pairing::Line,
};

/// The house's own number.
pub(super) const DESK: &str = "+14155550190";
/// The longest anything may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a console says that it is there.
const BEAT: Duration = Duration::from_secs(5);
/// How often it is listened, where it is all the time.
const LISTEN: Duration = Duration::from_millis(200);
/// How loud a tone is, of full scale, that counts as heard; a page's microphone and a caller are both far above it.
pub(crate) const AUDIBLE: f64 = 0.01;

/// A house, and browsers to open in it.
pub(super) struct Rig {
    pub(super) house: House,
    pub(super) twin: control::Client,
    pub(super) ears: Ears,
    installed: (OsString, OsString),
}

/// What is heard at the twin, and in a page.
pub(super) struct Ears(pub(super) control::Client);

impl Ears {
    /// Waits until a call hears such a tone, or does not any more.
    pub(super) async fn hears(&self, who: &str, call: &str, hz: f32, yes: bool) {
        self.sound(&format!("{who} hears {hz} Hz: {yes}"), call, |sound| {
            let level = level(&sound["heard"], hz);
            if yes {
                level > AUDIBLE
            } else {
                level < AUDIBLE / 4.0
            }
        })
        .await;
    }

    /// Waits until a call hears something, and not that voice: music, or a ringing tone.
    pub(super) async fn music(&self, who: &str, call: &str, not: f32) {
        self.sound(&format!("{who} has music"), call, |sound| {
            let loud = sound["heard"]["rms"].as_f64().unwrap_or_default();
            loud > 0.005 && level(&sound["heard"], not) < AUDIBLE / 4.0
        })
        .await;
    }

    async fn sound(&self, what: &str, call: &str, so: impl Fn(&Value) -> bool) {
        until(what, async || {
            let sound = self.0.sound(call).await.map_err(|e| json!(e.to_string()))?;
            if so(&sound) { Ok(()) } else { Err(sound) }
        })
        .await;
    }

    /// Waits until a browser plays such a tone; 0: silence.
    pub(super) async fn plays(&self, browser: &mut Browser, hz: f32) {
        until(&format!("the page plays {hz} Hz"), async || {
            let heard = browser.run("return await page.evaluate(() => cordboard.spectrum())");
            let heard = heard.as_f64().unwrap_or(0.0);
            if (heard - f64::from(hz)).abs() < 12.0 {
                Ok(())
            } else {
                Err(json!(heard))
            }
        })
        .await;
    }
}

/// A call that is listened to all the time, and how loud a tone was in it: first, and at its faintest since then.
pub(super) struct Vigil {
    over: oneshot::Sender<()>,
    listening: JoinHandle<(f64, f64, u32)>,
}

impl Ears {
    /// Listens to a call from now on.
    pub(super) fn keep(&self, call: &str, hz: f32) -> Vigil {
        let (over, mut is_over) = oneshot::channel();
        let (twin, call) = (self.0.clone(), call.to_owned());
        let listening = tokio::spawn(async move {
            let (mut first, mut faintest, mut times) = (0.0, f64::MAX, 0);
            let mut turn = tokio::time::interval(LISTEN);
            loop {
                tokio::select! {
                    _ = &mut is_over => return (first, faintest, times),
                    _ = turn.tick() => {}
                }
                // Each time the last second of it. A call that is over is as silent as can be.
                let sound = twin.sound(&call).await.unwrap_or_default();
                let now = level(&sound["heard"], hz);
                first = if times == 0 { now } else { first };
                faintest = f64::min(faintest, now);
                times += 1;
            }
        });
        Vigil { over, listening }
    }
}

impl Vigil {
    /// Ends it. The tone was there all the time.
    pub(super) async fn never_missed(self, who: &str) {
        let _ = self.over.send(());
        let (first, faintest, times) = self.listening.await.unwrap();
        assert!(times > 10, "{who} was listened to {times} times");
        assert!(
            first > AUDIBLE && faintest > first / 2.0,
            "{who}, listened to {times} times, heard it at {first} first, and at {faintest} once"
        );
    }
}

/// Somebody's console, by its socket. It says every few seconds that it is there, as a console does, also while a test
/// looks elsewhere.
pub(super) struct Console {
    said: mpsc::Sender<Value>,
    heard: mpsc::Receiver<Value>,
}

impl Console {
    async fn open(client: &Client) -> Self {
        let mut line = Line::of(client, "/ws/console").await;
        let (said, mut to_say) = mpsc::channel(16);
        let (to_hear, heard) = mpsc::channel(10_000);
        tokio::spawn(async move {
            let mut beat = tokio::time::interval(BEAT);
            loop {
                tokio::select! {
                    said = to_say.recv() => match said {
                        Some(said) => line.say(said).await,
                        None => return,
                    },
                    _ = beat.tick() => line.say(json!({ "t": "ping", "n": 1 })).await,
                    heard = line.next() => match heard {
                        Some(heard) => to_hear.send(heard).await.unwrap_or_default(),
                        None => return,
                    },
                }
            }
        });
        Self { said, heard }
    }

    pub(super) async fn say(&self, message: Value) {
        self.said.send(message).await.unwrap();
    }

    /// The first message that fits, from where the last search ended.
    pub(super) async fn until(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut heard = Vec::new();
        let waiting = async {
            while let Some(message) = self.heard.recv().await {
                if fits(&message) {
                    return Some(message);
                }
                heard.push(message);
            }
            None
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(Some(message)) => message,
            Ok(None) => panic!("never: {what}; the socket was closed"),
            Err(late) => {
                let from = heard.len().saturating_sub(8);
                panic!(
                    "never: {what} ({late}); the last messages: {:#?}",
                    &heard[from..]
                )
            }
        }
    }
}

/// Somebody at work: a console, by its socket, and a browser.
pub(super) struct Worker {
    pub(super) client: Client,
    pub(super) console: Console,
    pub(super) browser: Browser,
    pub(super) id: String,
    /// What their microphone hears: a tone that is not in the music that waiting callers hear.
    pub(super) tone: f32,
    orders: u32,
}

impl Rig {
    /// None: there is no browser, and it was said.
    pub(super) async fn open() -> Option<Self> {
        let installed = browser::installed()?;
        let house = House::open(backends::sqlite_file()).await;
        house.open_number(DESK).await;
        let twin = house.desk.twin.control();
        Some(Self {
            house,
            ears: Ears(twin.clone()),
            twin,
            installed,
        })
    }

    /// Somebody who works here, with a page that is paired and wide awake.
    pub(super) async fn worker(&self, name: &str, extension: &str, tone: f32) -> Worker {
        let plan = Plan {
            tone,
            ..Plan::default()
        };
        self.awake(name, extension, plan).await
    }

    /// The same, with such a browser.
    pub(super) async fn awake(&self, name: &str, extension: &str, plan: Plan) -> Worker {
        let mut worker = self.at_the_door(name, extension, plan).await;
        worker.browser.press("Enable sound");
        // On the way there it says nothing that is not so.
        let said = |p: &Value| {
            assert_ne!(p["trouble"], "no-microphone", "{p:#}");
            can_talk(p)
        };
        worker.pages("a page that is ready", said).await;
        worker
    }

    /// The same, with a page that is paired and asleep.
    pub(super) async fn at_the_door(&self, name: &str, extension: &str, plan: Plan) -> Worker {
        let server = &self.house.anyone.url;
        self.at_the_door_of(server, name, extension, plan).await
    }

    /// The same, at that address of the server.
    pub(super) async fn at_the_door_of(
        &self,
        server: &str,
        name: &str,
        extension: &str,
        plan: Plan,
    ) -> Worker {
        let (client, tokens) = self.house.join(name, extension, "operator").await;
        let console = Console::open(&client).await;
        let mut browser = Browser::start(&self.installed, plan);
        measured(&mut browser);
        let token = client.token.as_deref().unwrap();
        pair(server, token, &mut browser).await;
        Worker {
            client,
            console,
            browser,
            id: tokens.me.id.to_string(),
            tone: plan.tone,
            orders: 0,
        }
    }

    /// Another browser for somebody, not paired yet.
    pub(super) fn browser(&self, plan: Plan) -> Browser {
        Browser::start(&self.installed, plan)
    }

    /// Somebody rings, and says a tone.
    pub(super) async fn caller(&self, name: &str, tone: f32) -> String {
        let caller = Caller {
            from: "+14155550132".to_owned(),
            to: DESK.to_owned(),
            name: Some(name.to_owned()),
            voice: Some(Voice::Tone(tone)),
            ..Caller::default()
        };
        self.twin.call(&caller).await.unwrap()
    }

    /// The call of somebody's browser at the carrier: one other than `before`.
    pub(super) async fn leg(&self, worker: &mut Worker, before: &str) -> String {
        until("a leg of the browser", async || {
            let clients = self
                .twin
                .clients()
                .await
                .map_err(|e| json!(e.to_string()))?;
            let rows = clients["clients"].as_array().into_iter().flatten();
            let theirs = rows.filter(|c| c["identity"] == worker.id.as_str());
            let sids = theirs.filter_map(|c| c["call_sid"].as_str());
            let found = sids
                .filter(|sid| *sid != before)
                .map(ToOwned::to_owned)
                .next();
            if let Some(found) = found {
                return Ok(found);
            }
            let board: Value = worker.client.get("/api/board").await.ok();
            Err(json!({ "clients": clients, "calls": board["calls"], "page": worker.browser.text() }))
        })
        .await
    }
}

/// Somebody who talks to somebody, and both are heard: the caller's call at the carrier, and the house's.
pub(super) async fn talking(
    rig: &Rig,
    worker: &mut Worker,
    name: &str,
    hz: f32,
) -> (String, String) {
    let caller = rig.caller(name, hz).await;
    let card = worker
        .card("the call waits", |c| {
            kind(c) == "queued" && c["caller"]["name"] == name
        })
        .await;
    let call = card["id"].as_str().unwrap().to_owned();
    worker.does("answer", &call, json!({})).await;
    rig.ears
        .hears("the caller", &caller, worker.tone, true)
        .await;
    rig.ears.plays(&mut worker.browser, hz).await;
    (caller, call)
}

/// Where a card says that its call is.
pub(super) fn kind(card: &Value) -> &str {
    card["place"]["kind"].as_str().unwrap_or_default()
}

/// Whether a console was told of a page that it is the phone and can talk.
fn can_talk(page: &Value) -> bool {
    page["ready"] == true && page["active"] == true
}

/// How loud a tone is in what was heard, whatever else there is.
pub(crate) fn level(sound: &Value, hz: f32) -> f64 {
    let tones = sound["tones"].as_array().into_iter().flatten();
    let near = |t: &&Value| (t["hz"].as_f64().unwrap_or(0.0) - f64::from(hz)).abs() < 8.0;
    let levels = tones
        .filter(near)
        .map(|t| t["level"].as_f64().unwrap_or(0.0));
    levels.fold(0.0, f64::max)
}

/// Asks until it is so.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, Value>) -> T {
    let mut last = Value::Null;
    let asking = async {
        let mut turn = tokio::time::interval(Duration::from_millis(50));
        loop {
            turn.tick().await;
            match ask().await {
                Ok(found) => return found,
                Err(seen) => last = seen,
            }
        }
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(found) => found,
        Err(late) => panic!("never: {what} ({late}); last seen: {last:#}"),
    }
}

impl Worker {
    /// Waits until the console says that the page can talk.
    pub(super) async fn ready(&mut self) {
        self.pages("a page that is ready", can_talk).await;
    }

    /// Waits for what the console is told of a page.
    pub(super) async fn pages(&mut self, what: &str, so: impl Fn(&Value) -> bool) -> Value {
        let told = |m: &Value| {
            let pages = m["pages"].as_array().into_iter().flatten();
            m["t"] == "pages" && pages.into_iter().any(&so)
        };
        self.console.until(what, told).await
    }

    /// Waits until every console is told that somebody's phone cannot be reached.
    pub(super) async fn sees_unreachable(&mut self, whose: &str) {
        let so = |m: &Value| {
            let people = m["people"].as_array().into_iter().flatten();
            let theirs = people.into_iter().find(|p| p["id"] == whose);
            m["t"] == "presence" && theirs.is_some_and(|p| p["phone"] == "unreachable")
        };
        self.console.until("their tile says so", so).await;
    }

    /// Waits until the board shows a call so; the card.
    pub(super) async fn card(&mut self, what: &str, so: impl Fn(&Value) -> bool) -> Value {
        let shown = |m: &Value| m["t"] == "delta" && so(&m["call"]);
        self.console.until(what, shown).await["call"].clone()
    }

    /// Does something to a call, and waits until the carrier has confirmed it.
    pub(super) async fn does(&mut self, intent: &str, call: &str, more: Value) {
        let mut order = json!({ "do": "call", "call": call, "intent": intent });
        if let (Some(order), Some(more)) = (order.as_object_mut(), more.as_object()) {
            order.extend(more.clone());
        }
        let id = self.orders(order).await;
        let ended = |m: &Value| m["id"] == id.as_str() && m["t"] != "yes";
        let end = self
            .console
            .until(&format!("the end of {intent}"), ended)
            .await;
        assert_eq!(end["t"], "done", "{intent}: {end}");
    }

    /// Hangs up in the page, and waits until the board shows that it is over.
    pub(super) async fn hangs_up(&mut self) {
        self.browser.press("Hang up");
        self.card("the call is over", |c| kind(c) == "ended").await;
    }

    /// Calls a number, and waits until the server has said yes.
    pub(super) async fn dials(&mut self, to: &str) {
        let id = self.orders(json!({ "do": "dial", "to": to })).await;
        let answered = |m: &Value| m["id"] == id.as_str();
        let answer = self.console.until(&format!("{to} dialled"), answered).await;
        assert_eq!(answer["t"], "yes", "{answer}");
    }

    async fn orders(&mut self, mut order: Value) -> String {
        self.orders += 1;
        let id = format!("{}-{}", self.id, self.orders);
        order["t"] = json!("do");
        order["id"] = json!(id);
        self.console.say(order).await;
        id
    }
}
