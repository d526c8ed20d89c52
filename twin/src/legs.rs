//! The program of one call: dialling out, then its TwiML, verb by verb, until the call is over.
//!
//! One task a call. It waits on the clock, on the customer's web server and on its line (a channel of [`Signal`]s);
//! everything it changes goes through the world in single steps. It never decides about other calls: a leg that
//! `<Dial>` makes is a call with a task of its own. Next: `world::call` and `world::conference` for what its steps
//! mean; `dial` for the nouns of `<Dial>` and for queues.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::callers::{self, Behaviour};
use crate::form::Form;
use crate::switch::Switch;
use crate::twiml::{self, Document, Element};
use crate::world::account::{Recording, RecordingStatus};
use crate::world::call::CallStatus;
use crate::world::{Dial, Hearing, Method, Program, Signal, Source, Subscription, Target};

/// Why a step ended early.
#[derive(Debug)]
pub(crate) enum Break {
    /// The call is over.
    Over,
    /// Somebody pointed the call at another program.
    Redirected(Source),
    /// Taken out of its queue and bridged to somebody.
    Dequeued,
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
        whispering: false,
    };
    if let Some(limit) = leg
        .switch
        .world(|w| w.call(&leg.sid).and_then(|c| c.time_limit))
    {
        let (me, sid) = (leg.switch.clone(), leg.sid.clone());
        leg.switch.spawn(async move {
            me.clock.sleep(Duration::from_secs(limit.min(86_400))).await;
            me.world(|w| w.finish(&sid, CallStatus::Completed, None));
        });
    }
    let mut next = match leg.begin(program).await {
        Ok(source) => source,
        Err(Break::Redirected(source)) => Some(source),
        Err(Break::Over | Break::Dequeued) => None,
    };
    while let Some(source) = next.take() {
        match leg.documents(source, Form::new()).await {
            Ok(_) => {
                leg.switch
                    .world(|w| w.finish(&leg.sid, CallStatus::Completed, None));
            }
            Err(Break::Over | Break::Dequeued) => {}
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

    /// The next signal. Ends and redirects break; keys are kept; the rest is handed on.
    pub(crate) async fn signal(&mut self) -> Step<Signal> {
        match self.line.recv().await {
            None | Some(Signal::Ended) => Err(Break::Over),
            Some(Signal::Redirected(source)) => Err(Break::Redirected(source)),
            Some(Signal::Dequeued) => Err(Break::Dequeued),
            Some(signal) => {
                if let Signal::Digits(digits) = &signal {
                    self.typed.extend(digits.chars().take(64));
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

    pub(crate) fn hear(&self, hearing: Hearing) {
        self.switch.world(|w| w.set_background(&self.sid, hearing));
    }

    fn end(&self, status: CallStatus, sip: u16) -> Break {
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
        let address = to.split('?').next().unwrap_or(&to).to_owned();
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
        if rings > patience {
            let manual = behaviour == Behaviour::Rings;
            let picked = self
                .pass_until(patience, |s| manual && *s == Signal::PickUp)
                .await?;
            if picked.is_none() {
                return Err(self.end(CallStatus::NoAnswer, 487));
            }
        } else {
            self.pass(rings).await?;
        }
        self.detect_machine(dial, matches!(behaviour, Behaviour::Voicemail { .. }))
            .await?;
        if !self.switch.world(|w| w.answer(&self.sid)) {
            return Err(Break::Over);
        }
        callers::answered(&self.switch, &self.sid, &behaviour);
        if let Some(digits) = &dial.send_digits {
            let waits = digits.chars().filter(|c| matches!(c, 'w' | 'W')).count() as u64;
            self.pass(Duration::from_millis(500 * waits)).await?;
        }
        Ok(())
    }

    /// Machine detection (Twilio docs: Answering Machine Detection): it delays the program, or reports later.
    async fn detect_machine(&mut self, dial: &Dial, machine: bool) -> Step<()> {
        let Some(detection) = &dial.machine_detection else {
            return Ok(());
        };
        let by = if machine { "machine_start" } else { "human" };
        let takes = Duration::from_millis(if machine { 3_000 } else { 1_500 });
        let set = |w: &mut crate::world::World, sid: &str| {
            if let Some(call) = w.call_mut(sid) {
                call.answered_by = Some(by);
            }
        };
        let Some(target) = detection.callback.clone() else {
            self.switch.world(|w| set(w, &self.sid));
            return self.pass(takes).await;
        };
        let (me, sid) = (self.switch.clone(), self.sid.clone());
        self.switch.spawn(async move {
            me.clock.sleep(takes).await;
            me.world(|w| {
                set(w, &sid);
                let mut form = Form::new();
                form.push("CallSid", &sid);
                form.push("AccountSid", &w.account.credentials.account_sid);
                form.push("AnsweredBy", by);
                form.push("MachineDetectionDuration", takes.as_millis().to_string());
                w.effect(crate::world::Effect::Callback { target, form });
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
            Source::Url(target) => match self.fetch(target, extra).await? {
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
            match self.fetch(&target, &form).await? {
                Ok(document) => return Ok((document, Some(target.url))),
                Err((code, why)) => self.note(code, &why, Some(&target.url)),
            }
        }
        // "An application error has occurred", says the carrier, and hangs up.
        self.switch.world(|w| w.answer(&self.sid));
        self.hear(Hearing::Prompt);
        self.pass(Duration::from_secs(2)).await?;
        Err(self.end(CallStatus::Completed, 200))
    }

    async fn fetch(
        &mut self,
        target: &Target,
        extra: &Form,
    ) -> Step<Result<Document, (u32, String)>> {
        let form = self.form(extra);
        let switch = self.switch.clone();
        let request = switch.voice_request(target, &form);
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

    /// The call's own parameters, and then the extra ones.
    fn form(&self, extra: &Form) -> Form {
        let mut form = self.switch.world(|w| {
            w.call(&self.sid)
                .map(|c| w.call_form(c))
                .unwrap_or_default()
        });
        form.extend(extra);
        form
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

    /// `<Say>`, `<Play>` and `<Pause>`.
    async fn sound(&mut self, verb: &Element, base: Option<&str>) -> Step<()> {
        let (hearing, length) = self.sound_of(verb, base).await?;
        self.hear(hearing);
        let outcome = self.pass(length).await;
        if outcome.is_ok() {
            self.hear(Hearing::Silence);
        }
        outcome
    }

    async fn sound_of(&mut self, verb: &Element, base: Option<&str>) -> Step<(Hearing, Duration)> {
        let times = verb.number("loop", 1);
        let repeat = |once: Duration| {
            let times = if times == 0 { 1000 } else { times.min(1000) };
            once.saturating_mul(u32::try_from(times).unwrap_or(1000))
        };
        Ok(match verb.name.as_str() {
            "Say" => {
                if verb.text.chars().count() > 4096 {
                    self.note(13521, "<Say> may have 4096 characters", base);
                }
                (Hearing::Prompt, repeat(say_length(&verb.text)))
            }
            "Play" if verb.attribute("digits").is_some() => {
                (Hearing::Prompt, Duration::from_millis(500))
            }
            "Play" => {
                let Some(target) = self.target(&verb.text, Some("GET"), base) else {
                    return Ok((Hearing::Silence, Duration::ZERO));
                };
                let switch = self.switch.clone();
                let media = switch.media(&target.url);
                tokio::pin!(media);
                let length = loop {
                    tokio::select! {
                        length = &mut media => break length,
                        signal = self.signal() => { signal?; }
                    }
                };
                match length {
                    Ok(length) => (Hearing::Music, repeat(length)),
                    Err(why) => {
                        self.note(11200, &why, Some(&target.url));
                        (Hearing::Silence, Duration::ZERO)
                    }
                }
            }
            _ => (
                Hearing::Silence,
                Duration::from_secs(verb.number("length", 1).min(3600)),
            ),
        })
    }

    /// `<Gather>`: plays what is inside and collects keys; the first key stops the playing.
    async fn gather(&mut self, verb: &Element, base: Option<&str>) -> Step<Flow> {
        let finish = verb.attribute("finishOnKey").unwrap_or("#").to_owned();
        let most = usize::try_from(verb.number("numDigits", u64::MAX)).unwrap_or(usize::MAX);
        let timeout = Duration::from_secs(verb.number("timeout", 5).min(3600));
        let listens = verb
            .attribute("input")
            .is_none_or(|i| i.split_ascii_whitespace().any(|w| w == "dtmf"));
        let mut digits = String::new();
        let mut ended_by = None;
        if listens {
            ended_by = take_keys(&mut self.typed, &mut digits, &finish, most);
        }
        for inner in &verb.children {
            if !digits.is_empty() || ended_by.is_some() {
                break;
            }
            let (hearing, length) = self.sound_of(inner, base).await?;
            self.hear(hearing);
            let pressed = self
                .pass_until(length, |s| listens && matches!(s, Signal::Digits(_)))
                .await?;
            if pressed.is_some() {
                ended_by = take_keys(&mut self.typed, &mut digits, &finish, most);
            }
        }
        self.hear(Hearing::Silence);
        while ended_by.is_none() && digits.chars().count() < most {
            if self
                .pass_until(timeout, |s| listens && matches!(s, Signal::Digits(_)))
                .await?
                .is_none()
            {
                break;
            }
            ended_by = take_keys(&mut self.typed, &mut digits, &finish, most);
        }
        if digits.is_empty() && ended_by.is_none() && !verb.flag("actionOnEmptyResult", false) {
            return Ok(Flow::Next);
        }
        let action = verb
            .attribute("action")
            .or(base)
            .unwrap_or_default()
            .to_owned();
        let Some(target) = self.target(&action, verb.attribute("method"), base) else {
            return Ok(Flow::Next);
        };
        let mut form = Form::new();
        form.push("Digits", digits);
        form.push("msg", "Gather End");
        if let Some(key) = ended_by {
            form.push("FinishedOnKey", key.to_string());
        }
        Ok(Flow::Ask(target, form))
    }

    /// `<Record>`: somebody talks for five seconds, or until a key or the end.
    async fn record(&mut self, verb: &Element, base: Option<&str>) -> Step<Flow> {
        let hook = self.recording_hook(verb, base);
        let recording = self.switch.world(|w| {
            let recording = new_recording(&self.sid, "RecordVerb", 1, hook, w.now);
            w.start_recording(recording)
        });
        let finish = verb
            .attribute("finishOnKey")
            .unwrap_or("1234567890*#")
            .to_owned();
        let length = Duration::from_secs(verb.number("maxLength", 3600).clamp(1, 3600).min(5));
        let outcome = self
            .pass_until(
                length,
                |s| matches!(s, Signal::Digits(d) if d.contains(|c| finish.contains(c))),
            )
            .await;
        let key = std::mem::take(&mut self.typed)
            .chars()
            .find(|c| finish.contains(*c));
        let recording = self
            .switch
            .world(|w| w.set_recording(&recording.sid, RecordingStatus::Completed))
            .unwrap_or(recording);
        let action = verb
            .attribute("action")
            .or(base)
            .unwrap_or_default()
            .to_owned();
        let mut form = Form::new();
        let account = self
            .switch
            .world(|w| w.account.credentials.account_sid.clone());
        form.push(
            "RecordingUrl",
            format!(
                "https://api.twilio.com/2010-04-01/Accounts/{account}/Recordings/{}",
                recording.sid
            ),
        );
        form.push("RecordingSid", &recording.sid);
        form.push("RecordingDuration", recording.seconds(i64::MAX).to_string());
        match outcome {
            Ok(_) => {
                if let Some(key) = key {
                    form.push("Digits", key.to_string());
                }
                let target = self.target(&action, verb.attribute("method"), base);
                Ok(target.map_or(Flow::Next, |target| Flow::Ask(target, form)))
            }
            Err(Break::Over) => {
                form.push("Digits", "hangup");
                self.last_request(&action, verb.attribute("method"), base, &form)
                    .await;
                Err(Break::Over)
            }
            Err(redirected) => Err(redirected),
        }
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

    fn recording_hook(&self, verb: &Element, base: Option<&str>) -> Option<Subscription> {
        let url = verb
            .attribute("recordingStatusCallback")
            .filter(|u| !u.is_empty())?;
        let target = self.target(url, verb.attribute("recordingStatusCallbackMethod"), base)?;
        let mut events = verb.words("recordingStatusCallbackEvent");
        if events.is_empty() {
            events.push(String::from("completed"));
        }
        Some(Subscription { target, events })
    }

    /// `<Start>`: a recording is started; streams are accepted without being carried.
    fn start(&self, verb: &Element, base: Option<&str>) {
        for inner in &verb.children {
            if inner.name == "Recording" {
                let channels = if inner.attribute("channels") == Some("mono") {
                    1
                } else {
                    2
                };
                let hook = self.recording_hook(inner, base);
                self.switch.world(|w| {
                    let recording =
                        new_recording(&self.sid, "StartCallRecordingTwiML", channels, hook, w.now);
                    w.start_recording(recording);
                });
            }
        }
    }
}

pub(crate) fn new_recording(
    call: &str,
    source: &'static str,
    channels: u8,
    hook: Option<Subscription>,
    now: i64,
) -> Recording {
    Recording {
        sid: String::new(),
        call: call.to_owned(),
        source,
        status: RecordingStatus::InProgress,
        channels,
        track: String::from("both"),
        created: now,
        updated: now,
        ended: None,
        hook,
        deleted: false,
    }
}

/// Moves typed keys into `digits` until the finishing key or the number wanted; hands back the finishing key.
fn take_keys(typed: &mut String, digits: &mut String, finish: &str, most: usize) -> Option<char> {
    let mut rest = typed.chars();
    let mut ended_by = None;
    while digits.chars().count() < most {
        match rest.next() {
            Some(key) if finish.contains(key) => {
                ended_by = Some(key);
                break;
            }
            Some(key) if key.is_ascii_digit() || matches!(key, '*' | '#') => digits.push(key),
            Some(_) => {}
            None => break,
        }
    }
    *typed = rest.collect();
    ended_by
}

/// How long a text takes to say.
pub(crate) fn say_length(text: &str) -> Duration {
    let letters = u64::try_from(text.chars().take(4096).count()).unwrap_or(4096);
    Duration::from_millis((letters * 60).max(500))
}

/// A URL seen from the document it stands in. An absolute one stays exactly as it was written, since that is what
/// gets signed.
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
    use super::*;

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

    #[test]
    fn keys_are_taken_up_to_the_finishing_one() {
        let (mut typed, mut digits) = (String::from("12#3"), String::new());
        assert_eq!(take_keys(&mut typed, &mut digits, "#", 10), Some('#'));
        assert_eq!((typed.as_str(), digits.as_str()), ("3", "12"));
        let (mut typed, mut digits) = (String::from("12"), String::new());
        assert_eq!(take_keys(&mut typed, &mut digits, "#", 1), None);
        assert_eq!((typed.as_str(), digits.as_str()), ("2", "1"));
    }
}
