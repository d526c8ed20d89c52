//! The switch: owns the world behind one lock, gives it the time, and runs what it wants done.
//!
//! The lock is never held across an await. Effects are run before it is released, so that two steps can't swap
//! theirs; each of them only sends on a channel, cancels a token or starts a task. Next: `legs` for a call's
//! own program, `music` for conference documents, `callers` for the people at the far end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use cordboard_media::Clip;

use crate::callers::{self, Telephones};
use crate::clock::Clock;
use crate::edge::Edge;
use crate::faults::Faults;
use crate::form::Form;
use crate::rest::log::RestLog;
use crate::sound::Loudspeaker;
use crate::webhooks::{Hooks, Reply};
use crate::world::{Effect, Purpose, Signal, Target, World};
use crate::{legs, music};

/// Signals a program may leave unread; a program reads all the time, so this is never reached in earnest.
const SIGNALS: usize = 1024;

/// Everything that runs shares one of these.
#[derive(Debug)]
pub(crate) struct Switch {
    state: Mutex<State>,
    pub(crate) clock: Clock,
    pub(crate) hooks: Hooks,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) telephones: Mutex<Telephones>,
    pub(crate) requests: RestLog,
    /// The event stream; each message is one JSON object.
    pub(crate) changes: broadcast::Sender<Value>,
    pub(crate) shutdown: CancellationToken,
    pub(crate) sound: Loudspeaker,
    /// Taken after the world, where both are.
    edge: Mutex<Edge>,
    media: Mutex<HashMap<String, Duration>>,
    tasks: TaskTracker,
    me: Weak<Self>,
}

#[derive(Debug)]
struct State {
    world: World,
    /// The way to each call's program.
    lines: HashMap<String, mpsc::Sender<Signal>>,
    /// What stops the running document of a call, for waiting and hold.
    documents: HashMap<String, CancellationToken>,
    /// What stops all announcements to a call.
    announcements: HashMap<String, CancellationToken>,
}

impl State {
    fn hush(&mut self, call: &str) {
        if let Some(document) = self.documents.remove(call) {
            document.cancel();
        }
    }

    fn silence(&mut self, call: &str) {
        self.hush(call);
        if let Some(announcements) = self.announcements.remove(call) {
            announcements.cancel();
        }
    }
}

impl Switch {
    pub(crate) fn new(
        world: World,
        clock: Clock,
        hooks: Hooks,
        seed: u64,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            state: Mutex::new(State {
                world,
                lines: HashMap::new(),
                documents: HashMap::new(),
                announcements: HashMap::new(),
            }),
            requests: RestLog::new(seed),
            clock,
            hooks,
            faults: Mutex::new(Faults::new(seed)),
            telephones: Mutex::new(Telephones::default()),
            changes: broadcast::channel(4096).0,
            shutdown,
            sound: Loudspeaker::default(),
            edge: Mutex::default(),
            media: Mutex::new(HashMap::new()),
            tasks: TaskTracker::new(),
            me: me.clone(),
        })
    }

    /// One step of the world, with its effects.
    pub(crate) fn world<R>(&self, step: impl FnOnce(&mut World) -> R) -> R {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.world.now = self.clock.now_ms();
        state.world.watched = self.changes.receiver_count() > 0;
        let result = step(&mut state.world);
        for effect in state.world.settle() {
            self.run(&mut state, effect);
        }
        result
    }

    pub(crate) fn faults<R>(&self, step: impl FnOnce(&mut Faults) -> R) -> R {
        step(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The browsers. No step of the world may be taken within.
    pub(crate) fn edge<R>(&self, step: impl FnOnce(&mut Edge) -> R) -> R {
        step(&mut self.edge.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn telephones<R>(&self, step: impl FnOnce(&mut Telephones) -> R) -> R {
        step(
            &mut self
                .telephones
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Starts a task that ends with the twin.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let shutdown = self.shutdown.clone();
        self.tasks.spawn(async move {
            shutdown.run_until_cancelled(work).await;
        });
    }

    /// Lets `duration` of the clock pass, or less where the twin stops: for the answers to requests, which nobody
    /// cancels.
    pub(crate) async fn pause(&self, duration: Duration) {
        let alarm = self.clock.sleep(duration);
        self.shutdown.run_until_cancelled(alarm).await;
    }

    /// Waits for all tasks after the shutdown.
    pub(crate) async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Forgets the way to a program that has ended.
    pub(crate) fn hang_up_line(&self, call: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.lines.remove(call);
        state.silence(call);
        self.telephones(|t| t.forget(call));
    }

    fn run(&self, state: &mut State, effect: Effect) {
        let Some(me) = self.me.upgrade() else { return };
        match effect {
            Effect::Callback { target, form } => self.callback(&me, &target, &form),
            Effect::Tell { call, signal } => {
                if let Signal::Digits(keys) = &signal {
                    self.edge(|e| self.sound.pressed(e.party(&call), keys));
                }
                let stuck = state.lines.get(&call).is_some_and(|line| {
                    matches!(
                        line.try_send(signal),
                        Err(mpsc::error::TrySendError::Full(_))
                    )
                });
                // A program that leaves so many signals unread is stuck. Its line is cut, which it reads as the
                // end.
                if stuck {
                    state.lines.remove(&call);
                }
            }
            Effect::Start { call, program } => {
                let (line, heard) = mpsc::channel(SIGNALS);
                state.lines.insert(call.clone(), line);
                self.spawn(legs::run(me, call, heard, program));
            }
            Effect::Play {
                call,
                room,
                purpose,
                target,
            } => {
                // An announcement plays over whatever else there is, other announcements too, and replaces none.
                let stop = if purpose == Purpose::Announce {
                    let all = state.announcements.entry(call.clone());
                    all.or_insert_with(|| self.shutdown.child_token())
                        .child_token()
                } else {
                    state.hush(&call);
                    let stop = self.shutdown.child_token();
                    state.documents.insert(call.clone(), stop.clone());
                    stop
                };
                self.spawn(music::play(me, call, room, purpose, target, stop));
            }
            Effect::Hush { call } => state.hush(&call),
            Effect::Silence { call } => state.silence(&call),
            Effect::Limit { call, limit, ms } => self.spawn(async move {
                me.clock.sleep(Duration::from_millis(ms)).await;
                me.world(|w| w.time_up(&call, limit));
            }),
            Effect::FirstHeard { call } => callers::first_heard(&me, &call),
            Effect::Answered { call } => self.edge(|e| e.answered(&call)),
            Effect::Over { call } => {
                let Some(call) = state.world.call(&call) else {
                    return;
                };
                self.edge(|e| {
                    self.sound.gone(e.party(&call.sid));
                    e.over(call).iter().for_each(|fork| self.sound.gone(fork));
                });
            }
            Effect::Message { call, id, content } => {
                self.edge(|e| e.message(&call, &id, &content));
            }
            Effect::Sound { call, mix } => {
                if mix.is_none() {
                    self.sound.gone(&call);
                }
                if let Some(call) = state.world.call(&call) {
                    self.edge(|e| self.sound.heard(e, call, mix.as_ref()));
                }
            }
            Effect::Changed(change) => {
                let _ = self.changes.send(change);
            }
        }
    }

    fn callback(&self, me: &Arc<Self>, target: &Target, form: &Form) {
        let fate = self.faults(|f| f.webhook(form));
        let token = self.hooks.token();
        let mut faults = Vec::new();
        if fate.lose {
            faults.push("lose");
        }
        if fate.delay.is_some() {
            faults.push("delay");
        }
        if fate.double {
            faults.push("double");
        }
        let fault = (!faults.is_empty()).then(|| faults.join("+"));
        let id = self.hooks.open("status", target, form, &token, fault);
        if fate.lose {
            return;
        }
        for _ in 0..=usize::from(fate.double) {
            let (me, target, form, token) =
                (me.clone(), target.clone(), form.clone(), token.clone());
            self.spawn(async move {
                if let Some(delay) = fate.delay {
                    me.clock.sleep(delay).await;
                }
                me.hooks.deliver(id, &target, &form, &token).await;
            });
        }
    }

    /// A voice request: asks for TwiML and hands back the answer, or Twilio's error code and a reason.
    pub(crate) async fn voice_request(
        &self,
        target: &Target,
        form: &Form,
    ) -> Result<Reply, (u32, String)> {
        let fails = self.faults(|f| f.voice(&target.url));
        self.request(target, form, fails).await
    }

    /// As [`Switch::voice_request`], where chance must not strike, since nothing would catch the call: a
    /// conference's document, and a fallback itself. Only a one-shot fault that names it makes it fail.
    pub(crate) async fn last_resort(
        &self,
        target: &Target,
        form: &Form,
    ) -> Result<Reply, (u32, String)> {
        let fails = self.faults(|f| f.last_resort(&target.url));
        self.request(target, form, fails).await
    }

    async fn request(
        &self,
        target: &Target,
        form: &Form,
        fails: Option<Duration>,
    ) -> Result<Reply, (u32, String)> {
        let token = self.hooks.token();
        let id = self.hooks.open(
            "voice",
            target,
            form,
            &token,
            fails.map(|_| String::from("fail")),
        );
        if let Some(after) = fails {
            self.clock.sleep(after).await;
            self.hooks.attempt(
                id,
                json!({ "error": "no answer in time (injected)", "kind": "rt" }),
            );
            return Err((11200, String::from("no answer in time")));
        }
        self.hooks.ask(id, target, form, &token).await.map_err(|f| {
            let code = if f.kind == "ct" { 11205 } else { 11200 };
            (code, f.why)
        })
    }

    /// How long a media file plays. Files on this machine are fetched once, as Twilio caches them; others are
    /// taken on trust, since a double that calls out to the network is a bad double.
    pub(crate) async fn media(&self, url: &str) -> Result<Duration, String> {
        const UNKNOWN: Duration = Duration::from_secs(10);
        if !is_local(url) {
            return Ok(UNKNOWN);
        }
        if let Some(known) = self
            .media
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(url)
        {
            return Ok(*known);
        }
        let target = Target::new(url, crate::world::Method::Get);
        let token = self.hooks.token();
        let id = self
            .hooks
            .open("media", &target, &Form::new(), &token, None);
        let reply = self
            .hooks
            .ask(id, &target, &Form::new(), &token)
            .await
            .map_err(|f| f.why)?;
        let length = match Clip::from_wav(&reply.body) {
            Ok(clip) => {
                let length = clip.duration();
                self.sound.keep(url, clip);
                length
            }
            Err(_) => UNKNOWN,
        };
        let mut media = self.media.lock().unwrap_or_else(PoisonError::into_inner);
        if media.len() < 1000 {
            media.insert(url.to_owned(), length);
        }
        Ok(length)
    }
}

pub(crate) fn is_local(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    })
}
