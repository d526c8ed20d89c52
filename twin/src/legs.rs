//! The program of one call: dialling out, then its TwiML, verb by verb, until the call is over.
//!
//! One task a call. It waits on the clock, on the customer's web server and on its line (a channel of
//! [`Signal`]s); everything it changes goes through the world in single steps. It never decides about other
//! calls: a leg that `<Dial>` makes is a call with a task of its own. Next: `world::call` and
//! `world::conference` for what its steps mean; `dial` for the nouns of `<Dial>` and for queues.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::callers::{self, Behaviour};
use crate::form::Form;
use crate::switch::Switch;
use crate::twiml::{self, Document, Element};
use crate::world::call::CallStatus;
use crate::world::conference::LeaveReason;
use crate::world::sound::Sound;
use crate::world::{Dial, Effect, Method, Program, Signal, Source, Target};

/// What a caller is told whose program cannot be had.
const SORRY: &str = "We are sorry, an application error.";

/// Why a step ended early.
#[derive(Debug)]
pub(crate) enum Break {
    /// The call is over.
    Over,
    /// Somebody pointed the call at another program.
    Redirected(Source),
    /// Taken out of its queue and bridged to this call.
    Dequeued(String),
}

pub(crate) type Step<T> = Result<T, Break>;

/// What follows a verb.
#[derive(Debug)]
pub(crate) enum Flow {
    /// The next verb.
    Next,
    /// Another document, asked for with these extra parameters.
    Ask(Target, Form),
    /// Out of this document: `<Leave>` in a queue.
    Leave,
}

/// How a chain of documents came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    RanOut,
    Left,
}

pub(crate) struct Leg {
    pub(crate) switch: Arc<Switch>,
    pub(crate) sid: String,
    pub(crate) line: mpsc::Receiver<Signal>,
    /// Keys pressed before anybody listened; the next `<Gather>` takes them.
    pub(crate) typed: String,
    /// The far end has picked up; or it was told to before it rang, and does so at once when it rings.
    pub(crate) picked_up: bool,
    /// The conferences, dials and queues of a whisper document are refused (13201).
    pub(crate) whispering: bool,
}

/// Runs a call to its end.
pub(crate) async fn run(
    switch: Arc<Switch>,
    sid: String,
    line: mpsc::Receiver<Signal>,
    program: Program,
) {
    let mut leg = Leg {
        switch,
        sid,
        line,
        typed: String::new(),
        picked_up: false,
        whispering: false,
    };
    let mut next = match leg.begin(program).await {
        Ok(source) => source,
        Err(Break::Redirected(source)) => Some(source),
        Err(Break::Over | Break::Dequeued(_)) => None,
    };
    while let Some(source) = next.take() {
        // What the old program began before it read that it is not wanted any more.
        leg.switch
            .world(|w| w.let_go(&leg.sid, LeaveReason::UpdatedViaApi));
        leg.whispering = false;
        match leg.documents(source, Form::new()).await {
            Ok(_) => {
                leg.switch
                    .world(|w| w.finish(&leg.sid, CallStatus::Completed, None));
            }
            Err(Break::Over | Break::Dequeued(_)) => {}
            Err(Break::Redirected(source)) => next = Some(source),
        }
    }
    leg.switch
        .world(|w| w.finish(&leg.sid, CallStatus::Completed, None));
    leg.switch.hang_up_line(&leg.sid);
}

impl Leg {
    /// Brings the call up. A source means: run TwiML next.
    async fn begin(&mut self, program: Program) -> Step<Option<Source>> {
        match program {
            Program::Incoming { source } => Ok(Some(source)),
            Program::Outgoing { dial, source } => {
                self.dial_out(&dial).await?;
                Ok(Some(source))
            }
            Program::Join { dial } => {
                self.dial_out(&dial).await?;
                let there = self.switch.world(|w| {
                    let room = w.call(&self.sid).and_then(|c| c.room.clone());
                    room.is_some_and(|room| w.admit(&room, &self.sid))
                });
                if there {
                    self.until_over().await
                } else {
                    Ok(None)
                }
            }
            Program::Child { dial, whisper } => {
                self.dial_out(&dial).await?;
                if let Some(source) = whisper {
                    self.whispering = true;
                    self.documents(source, Form::new()).await?;
                    self.whispering = false;
                }
                self.switch.world(|w| {
                    if let Some(parent) = w.call(&self.sid).and_then(|c| c.parent.clone()) {
                        w.tell(&parent, Signal::ChildAnswered(self.sid.clone()));
                    }
                });
                self.until_over().await
            }
        }
    }

    /// A leg without TwiML of its own: until it ends or is redirected.
    async fn until_over(&mut self) -> Step<Option<Source>> {
        loop {
            self.signal().await?;
        }
    }

    /// The next signal. Ends and redirects break; keys and a picking up are kept; the rest is handed on.
    pub(crate) async fn signal(&mut self) -> Step<Signal> {
        match self.line.recv().await {
            None | Some(Signal::Ended) => Err(Break::Over),
            Some(Signal::Redirected(source)) => Err(Break::Redirected(source)),
            Some(Signal::Dequeued(by)) => Err(Break::Dequeued(by)),
            Some(signal) => {
                match &signal {
                    Signal::Digits(digits) => self.typed.extend(digits.chars().take(64)),
                    Signal::PickUp => self.picked_up = true,
                    _ => {}
                }
                Ok(signal)
            }
        }
    }

    /// Lets `duration` of the clock pass, unless the call ends or is redirected meanwhile.
    pub(crate) async fn pass(&mut self, duration: Duration) -> Step<()> {
        let switch = self.switch.clone();
        let alarm = switch.clock.sleep(duration);
        tokio::pin!(alarm);
        loop {
            tokio::select! {
                () = &mut alarm => return Ok(()),
                signal = self.signal() => { signal?; }
            }
        }
    }

    /// As [`Leg::pass`], but also until a wanted signal.
    pub(crate) async fn pass_until(
        &mut self,
        duration: Duration,
        wanted: impl Fn(&Signal) -> bool,
    ) -> Step<Option<Signal>> {
        let switch = self.switch.clone();
        let alarm = switch.clock.sleep(duration);
        tokio::pin!(alarm);
        loop {
            tokio::select! {
                () = &mut alarm => return Ok(None),
                signal = self.signal() => {
                    let signal = signal?;
                    if wanted(&signal) {
                        return Ok(Some(signal));
                    }
                }
            }
        }
    }

    /// Plays a sound so often, or for ever (0), in place of the one before. How long is the program's to know.
    pub(crate) fn play(&self, sound: Sound, times: u32) {
        let playing = Some((sound, times));
        self.switch.world(|w| w.set_background(&self.sid, playing));
    }

    /// Plays nothing any more.
    pub(crate) fn hush(&self) {
        self.switch.world(|w| w.set_background(&self.sid, None));
    }

    pub(crate) fn end(&self, status: CallStatus, sip: u16) -> Break {
        self.switch
            .world(|w| w.finish(&self.sid, status, Some(sip)));
        Break::Over
    }

    /// Queued, initiated, ringing, and what the telephone there does.
    async fn dial_out(&mut self, dial: &Dial) -> Step<()> {
        let wait = dial.not_before - self.switch.clock.now_ms();
        if wait > 0 {
            self.pass(Duration::from_millis(wait.unsigned_abs()))
                .await?;
        }
        self.switch
            .world(|w| w.progress(&self.sid, CallStatus::Initiated));
        let to = self
            .switch
            .world(|w| w.call(&self.sid).map(|c| c.to.clone()))
            .unwrap_or_default();
        let address = to.split(['?', ';']).next().unwrap_or(&to).to_owned();
        let client = address.strip_prefix("client:");
        // A telephone in a browser is known by its number.
        if self
            .ring_browsers(dial, client.unwrap_or(&address), &to)
            .await?
        {
            return match client {
                Some(_) => Ok(()),
                None => self.once_answered(dial, false).await,
            };
        }
        let behaviour = self.switch.telephones(|t| t.behaviour(&address));
        self.pass(Duration::from_millis(200)).await?;
        if behaviour == Behaviour::Invalid {
            // A client that is not registered is not there; a number that does not exist fails.
            let status = if address.starts_with("client:") {
                CallStatus::NoAnswer
            } else {
                CallStatus::Failed
            };
            return Err(self.end(status, 404));
        }
        self.switch
            .world(|w| w.progress(&self.sid, CallStatus::Ringing));
        let patience = Duration::from_secs(dial.timeout);
        let rings = match &behaviour {
            Behaviour::Answers { after, .. }
            | Behaviour::AnswersAndPresses { after, .. }
            | Behaviour::Voicemail { after } => callers::seconds(*after),
            Behaviour::Busy => {
                self.pass(Duration::from_millis(300)).await?;
                return Err(self.end(CallStatus::Busy, 486));
            }
            Behaviour::NoAnswer | Behaviour::Rings | Behaviour::Invalid => Duration::MAX,
        };
        if behaviour != Behaviour::Rings {
            self.pass(rings.min(patience)).await?;
            self.picked_up = rings <= patience;
        } else if !self.picked_up {
            self.pass_until(patience, |s| *s == Signal::PickUp).await?;
        }
        if !self.picked_up {
            return Err(self.end(CallStatus::NoAnswer, 487));
        }
        if !self.switch.world(|w| w.answer(&self.sid)) {
            return Err(Break::Over);
        }
        callers::answered(&self.switch, &self.sid, &behaviour);
        let machine = matches!(behaviour, Behaviour::Voicemail { .. });
        self.once_answered(dial, machine).await
    }

    /// What is done to a telephone that has answered before its program begins.
    async fn once_answered(&mut self, dial: &Dial, machine: bool) -> Step<()> {
        self.detect_machine(dial, machine).await?;
        if let Some(digits) = &dial.send_digits {
            let waits = digits.chars().filter(|c| matches!(c, 'w' | 'W')).count() as u64;
            self.pass(Duration::from_millis(500 * waits)).await?;
        }
        Ok(())
    }

    /// Machine detection (Twilio docs: Answering Machine Detection): it listens to whoever has answered, and delays
    /// the program, or reports later.
    async fn detect_machine(&mut self, dial: &Dial, machine: bool) -> Step<()> {
        let Some(detection) = &dial.machine_detection else {
            return Ok(());
        };
        let by = if machine { "machine_start" } else { "human" };
        let takes = Duration::from_millis(if machine { 3_000 } else { 1_500 });
        let Some(target) = detection.callback.clone() else {
            self.pass(takes).await?;
            self.switch.world(|w| w.detected(&self.sid, by));
            return Ok(());
        };
        let (me, sid) = (self.switch.clone(), self.sid.clone());
        self.switch.spawn(async move {
            me.clock.sleep(takes).await;
            me.world(|w| {
                if !w.detected(&sid, by) {
                    return;
                }
                let mut form = Form::new();
                form.push("CallSid", &sid);
                form.push("AccountSid", &w.account.credentials.account_sid);
                form.push("AnsweredBy", by);
                form.push("MachineDetectionDuration", takes.as_millis().to_string());
                w.effect(Effect::Callback { target, form });
            });
        });
        Ok(())
    }

    /// Runs documents until one runs out of verbs. Boxed, because a queue's document may queue again.
    pub(crate) fn documents(
        &mut self,
        source: Source,
        extra: Form,
    ) -> Pin<Box<dyn Future<Output = Step<Ended>> + Send + '_>> {
        Box::pin(self.run_documents(source, extra))
    }

    async fn run_documents(&mut self, source: Source, mut extra: Form) -> Step<Ended> {
        let mut source = source;
        let mut quick = 0;
        loop {
            let began = self.switch.clock.now_ms();
            let (document, base) = self.load(&source, &extra).await?;
            for warning in &document.warnings {
                self.note(12200, warning, base.as_deref());
            }
            let mut next = None;
            for verb in &document.verbs {
                match self.verb(verb, base.as_deref()).await? {
                    Flow::Next => {}
                    Flow::Ask(target, form) => {
                        next = Some((target, form));
                        break;
                    }
                    Flow::Leave => return Ok(Ended::Left),
                }
            }
            let Some((target, form)) = next else {
                return Ok(Ended::RanOut);
            };
            source = Source::Url(target);
            extra = form;
            quick = if self.switch.clock.now_ms() - began < 200 {
                quick + 1
            } else {
                0
            };
            if quick > 50 {
                // Redirects in a circle: Twilio gives up as well.
                self.note(11200, "too many redirects in a row", base.as_deref());
                return Err(self.end(CallStatus::Completed, 200));
            }
        }
    }

    /// Gets a document, if need be from the fallback URL. Without any, the call ends.
    async fn load(&mut self, source: &Source, extra: &Form) -> Step<(Document, Option<String>)> {
        let (code, why, failed) = match source {
            Source::Twiml(text) => match twiml::parse(text.as_bytes()) {
                Ok(document) => return Ok((document, None)),
                Err(e) => (e.code, e.why, String::new()),
            },
            Source::Url(target) => match self.fetch(target, extra, false).await? {
                Ok(document) => return Ok((document, Some(target.url.clone()))),
                Err((code, why)) => (code, why, target.url.clone()),
            },
        };
        self.note(code, &why, Some(&failed));
        let fallback = self
            .switch
            .world(|w| w.call(&self.sid).and_then(|c| c.fallback.clone()));
        if let Some(target) = fallback.filter(|f| f.url != failed) {
            let mut form = extra.clone();
            form.push("ErrorCode", code.to_string());
            form.push("ErrorUrl", failed);
            match self.fetch(&target, &form, true).await? {
                Ok(document) => return Ok((document, Some(target.url))),
                Err((code, why)) => self.note(code, &why, Some(&target.url)),
            }
        }
        // "An application error has occurred", says the carrier, and hangs up.
        self.switch.world(|w| w.answer(&self.sid));
        self.play(Sound::Said(String::from(SORRY)), 1);
        self.pass(Duration::from_secs(2)).await?;
        Err(self.end(CallStatus::Completed, 200))
    }

    async fn fetch(
        &mut self,
        target: &Target,
        extra: &Form,
        is_fallback: bool,
    ) -> Step<Result<Document, (u32, String)>> {
        let form = self.form(extra);
        let switch = self.switch.clone();
        let request = async {
            if is_fallback {
                switch.last_resort(target, &form).await
            } else {
                switch.voice_request(target, &form).await
            }
        };
        tokio::pin!(request);
        let reply = loop {
            tokio::select! {
                reply = &mut request => break reply,
                signal = self.signal() => { signal?; }
            }
        };
        Ok(reply.and_then(|reply| {
            let kind = reply.content_type.to_ascii_lowercase();
            if kind.starts_with("audio/") {
                let play = Element {
                    name: "Play".into(),
                    text: target.url.clone(),
                    ..Element::default()
                };
                return Ok(Document {
                    verbs: vec![play],
                    warnings: Vec::new(),
                });
            }
            if !kind.starts_with("text/xml") && !kind.starts_with("application/xml") {
                return Err((12300, format!("the answer's type is {kind:?}, not XML")));
            }
            twiml::parse(&reply.body).map_err(|e| (e.code, e.why))
        }))
    }

    /// The call's own parameters, with the extra ones of this request.
    fn form(&self, extra: &Form) -> Form {
        self.switch.world(|w| match w.call(&self.sid) {
            Some(call) => w.call_form(call, extra),
            None => extra.clone(),
        })
    }

    pub(crate) fn note(&self, code: u32, text: &str, url: Option<&str>) {
        tracing::debug!(call = %self.sid, code, text, "call notice");
        self.switch
            .world(|w| w.note(&self.sid, code, text, url.unwrap_or_default()));
    }

    pub(crate) fn answer(&self) {
        self.switch.world(|w| w.answer(&self.sid));
    }

    /// The document that `url` names, seen from `base`; a bad one is a note and no document.
    pub(crate) fn target(
        &self,
        url: &str,
        method: Option<&str>,
        base: Option<&str>,
    ) -> Option<Target> {
        match resolve(base, url) {
            Ok(url) => Some(Target::new(url, Method::read(method, Method::Post))),
            Err(why) => {
                self.note(11100, &why, base);
                None
            }
        }
    }

    async fn verb(&mut self, verb: &Element, base: Option<&str>) -> Step<Flow> {
        let on_bridge = verb.name == "Dial" && verb.flag("answerOnBridge", false);
        if !matches!(verb.name.as_str(), "Reject" | "Redirect") && !on_bridge {
            self.answer();
        }
        match verb.name.as_str() {
            "Say" | "Play" | "Pause" => self.sound(verb, base).await?,
            "Redirect" => {
                let url = if verb.text.is_empty() {
                    base.unwrap_or_default()
                } else {
                    &verb.text
                };
                let Some(target) = self.target(url, verb.attribute("method"), base) else {
                    return Err(self.end(CallStatus::Completed, 200));
                };
                return Ok(Flow::Ask(target, Form::new()));
            }
            "Hangup" => return Err(self.end(CallStatus::Completed, 200)),
            "Reject" => {
                let busy = verb.attribute("reason") == Some("busy");
                let (status, sip) = if busy {
                    (CallStatus::Busy, 486)
                } else {
                    (CallStatus::NoAnswer, 603)
                };
                return Err(self.end(status, sip));
            }
            "Leave" => return Ok(Flow::Leave),
            "Gather" => return self.gather(verb, base).await,
            "Record" => return self.record(verb, base).await,
            "Start" => self.start(verb, base),
            "Stop" => {}
            "Dial" | "Enqueue" if self.whispering => {
                self.note(
                    13201,
                    "Dial: Cannot Dial out from a Dial Call Segment",
                    base,
                );
            }
            "Dial" => return self.dial(verb, base).await,
            "Enqueue" => return self.enqueue(verb, base).await,
            other => self.note(
                12200,
                &format!("<{other}> is not played by this double"),
                base,
            ),
        }
        Ok(Flow::Next)
    }

    /// A request after the caller has gone: it is made, and its answer is moot.
    pub(crate) async fn last_request(
        &mut self,
        url: &str,
        method: Option<&str>,
        base: Option<&str>,
        extra: &Form,
    ) {
        if url.is_empty() {
            return;
        }
        let Some(target) = self.target(url, method, base) else {
            return;
        };
        let form = self.form(extra);
        if let Err((code, why)) = self.switch.voice_request(&target, &form).await {
            self.note(code, &why, Some(&target.url));
        }
    }
}

/// A URL seen from the document it stands in. An absolute one stays exactly as it was written, since that is
/// what gets signed.
pub(crate) fn resolve(base: Option<&str>, url: &str) -> Result<String, String> {
    let url = url.trim();
    let absolute = url::Url::parse(url).ok();
    let is_absolute = absolute.is_some();
    let parsed = if let Some(absolute) = absolute {
        absolute
    } else {
        let base =
            base.ok_or_else(|| format!("{url:?} is relative, and the document has no address"))?;
        url::Url::parse(base)
            .and_then(|base| base.join(url))
            .map_err(|e| format!("{url:?} is not a URL: {e}"))?
    };
    if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
        return Err(format!("{url:?} is not an http or https URL"));
    }
    if parsed.host_str().is_some_and(|host| host.contains('_')) {
        return Err(format!(
            "the host of {url:?} has an underscore, which Twilio refuses"
        ));
    }
    Ok(if is_absolute {
        url.to_owned()
    } else {
        parsed.to_string()
    })
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::clock::Clock;
    use crate::webhooks::Hooks;
    use crate::world::World;
    use crate::world::account::{Account, Credentials, Queue};
    use crate::world::call::{Call, Direction, NewCall};

    fn switch() -> Arc<Switch> {
        let clock = Clock::system();
        let account = Account::new(Credentials::from_seed(1), String::new(), 0);
        let hooks = Hooks::new(clock.clone(), String::new(), 1).unwrap();
        let world = World::new(account, 1);
        Switch::new(world, clock, hooks, 1, CancellationToken::new())
    }

    fn caller(w: &mut World) -> String {
        let sid = w.create_quiet_call(NewCall {
            from: String::from("+15550001"),
            to: String::from("+15550100"),
            direction: Direction::Inbound,
            who: String::from("+15550001"),
            parent: None,
            callbacks: Vec::new(),
            fallback: None,
        });
        w.answer(&sid);
        sid
    }

    fn line(signals: impl IntoIterator<Item = Signal>) -> mpsc::Receiver<Signal> {
        let (line, heard) = mpsc::channel(8);
        for signal in signals {
            line.try_send(signal).unwrap();
        }
        heard
    }

    fn twiml(verbs: &str) -> Source {
        Source::Twiml(format!("<Response>{verbs}</Response>"))
    }

    #[tokio::test]
    async fn who_has_hung_up_begins_nothing_more() {
        for verb in [
            "<Dial><Conference>room</Conference></Dial>",
            "<Dial><Number>+15557001</Number></Dial>",
            "<Dial><Queue>desk</Queue></Dial>",
            "<Enqueue>desk</Enqueue>",
        ] {
            let switch = switch();
            let gone = switch.world(|w| {
                let (waits, gone) = (caller(w), caller(w));
                w.account.queues.push(Queue {
                    sid: String::from("QU1"),
                    name: String::from("desk"),
                    max: 10,
                    created: 0,
                    updated: 0,
                    members: vec![(waits, 0)],
                });
                w.finish(&gone, CallStatus::Completed, None);
                gone
            });
            let mut leg = Leg {
                switch: switch.clone(),
                sid: gone,
                line: line([Signal::Ended]),
                typed: String::new(),
                picked_up: false,
                whispering: false,
            };
            let outcome = leg.documents(twiml(verb), Form::new()).await;
            assert!(matches!(outcome, Err(Break::Over)), "{verb}: {outcome:?}");
            switch.world(|w| {
                assert_eq!(w.live_rooms().count(), 0, "{verb}");
                let live: Vec<&Call> = w.calls().filter(|c| c.is_live()).collect();
                assert_eq!(live.len(), 1, "{verb}: {live:#?}");
                assert_eq!(live[0].bridged, None, "{verb}");
                let queue = w.account.queue("desk").unwrap();
                assert_eq!(queue.members.len(), 1, "{verb}: {queue:?}");
            });
        }
    }

    #[tokio::test]
    async fn what_a_moved_call_began_too_late_is_left_again() {
        let switch = switch();
        let sid = switch.world(caller);
        let moved = twiml("<Dial><Conference>second</Conference></Dial>");
        let line = line([Signal::Redirected(moved), Signal::Ended]);
        let source = twiml("<Dial><Conference>first</Conference></Dial>");
        run(switch.clone(), sid, line, Program::Incoming { source }).await;
        switch.world(|w| {
            let live: Vec<&String> = w.live_rooms().map(|room| &room.name).collect();
            assert!(live.is_empty(), "{live:?} is left behind");
        });
    }

    #[test]
    fn urls_are_resolved_against_their_document() {
        let base = Some("https://pub.example/tw/voice?c=1#rc=2");
        assert_eq!(
            resolve(base, "wait?c=2").unwrap(),
            "https://pub.example/tw/wait?c=2"
        );
        assert_eq!(resolve(base, "/x").unwrap(), "https://pub.example/x");
        assert_eq!(
            resolve(base, "http://OTHER.example/a'b").unwrap(),
            "http://OTHER.example/a'b"
        );
        assert!(resolve(None, "/x").is_err());
        assert!(resolve(None, "ftp://x/y").is_err());
        assert!(resolve(None, "http://a_b.example/").is_err());
    }
}
