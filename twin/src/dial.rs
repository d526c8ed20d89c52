//! `<Dial>` and `<Enqueue>`: conferences, numbers, clients and queues, seen from the leg that runs them.
//!
//! A leg waits here while others do their part; what the others are told comes from the world. Legs that are
//! dialled are calls of their own; a SIP address is one more telephone. Next: `legs`.

use std::time::Duration;

use crate::form::{Form, is_e164, sip_address};
use crate::legs::{Break, Ended, Flow, Leg, Step};
use crate::twiml::Element;
use crate::world::account::Queue;
use crate::world::call::{CallStatus, Direction, NewCall, TIME_LIMIT};
use crate::world::conference::{DEFAULT_MUSIC, Entry, LeaveReason, label_is_valid};
use crate::world::sound::Sound;
use crate::world::{Dial, Method, Program, Refusal, Signal, Source, Subscription, Target};

/// Nouns of one `<Dial>` that may ring at once.
const MOST_LEGS: usize = 10;

impl Leg {
    pub(crate) async fn dial(&mut self, verb: &Element, base: Option<&str>) -> Step<Flow> {
        let mixed = verb.children.len() > 1
            && verb
                .children
                .iter()
                .any(|c| matches!(c.name.as_str(), "Conference" | "Queue"));
        if mixed {
            self.note(
                13000,
                "Conference and Queue cannot be mixed with other nouns",
                base,
            );
        }
        if let Some(noun) = verb.child("Conference") {
            return self.dial_conference(verb, noun, base).await;
        }
        if let Some(noun) = verb.child("Queue") {
            return self.dial_queue(verb, noun, base).await;
        }
        let mut nouns: Vec<Element> = verb.children.clone();
        if nouns.is_empty() && !verb.text.is_empty() {
            nouns.push(Element {
                name: "Number".into(),
                text: verb.text.clone(),
                ..Element::default()
            });
        }
        nouns.truncate(MOST_LEGS);
        self.dial_legs(verb, &nouns, base).await
    }

    /// What follows a `<Dial>`: its action, or the next verb.
    fn after_dial(&self, verb: &Element, base: Option<&str>, form: Form) -> Flow {
        let action = verb.attribute("action").filter(|a| !a.is_empty());
        match action.and_then(|action| self.target(action, verb.attribute("method"), base)) {
            Some(target) => Flow::Ask(target, form),
            None => Flow::Next,
        }
    }

    async fn dial_gone(&mut self, verb: &Element, base: Option<&str>, form: &Form) {
        if let Some(action) = verb.attribute("action").map(str::to_owned) {
            self.last_request(&action, verb.attribute("method"), base, form)
                .await;
        }
    }

    fn subscription(
        &self,
        noun: &Element,
        default: &[&str],
        base: Option<&str>,
    ) -> Option<Subscription> {
        let url = noun.attribute("statusCallback").filter(|u| !u.is_empty())?;
        let target = self.target(url, noun.attribute("statusCallbackMethod"), base)?;
        let mut events = noun.words("statusCallbackEvent");
        if events.is_empty() {
            events = default.iter().map(|e| (*e).to_owned()).collect();
        }
        Some(Subscription { target, events })
    }

    async fn dial_conference(
        &mut self,
        verb: &Element,
        noun: &Element,
        base: Option<&str>,
    ) -> Step<Flow> {
        if noun.text.is_empty() || noun.text.chars().count() > 128 {
            self.note(13237, "Dial->Conference: Invalid Conference Name", base);
            return Ok(Flow::Next);
        }
        let wait = match noun.attribute("waitUrl") {
            Some("") => None,
            Some(url) => self.target(url, noun.attribute("waitMethod"), base),
            None => Some(Target::new(DEFAULT_MUSIC, Method::Get)),
        };
        let coach = noun
            .attribute("coach")
            .filter(|c| !c.is_empty())
            .map(str::to_owned);
        let entry = Entry {
            label: noun
                .attribute("participantLabel")
                .filter(|l| !l.is_empty())
                .map(str::to_owned),
            muted: noun.flag("muted", false),
            start: noun.flag("startConferenceOnEnter", true),
            end: noun.flag("endConferenceOnExit", false),
            coaching: coach.is_some(),
            coach,
            wait,
            hook: self.subscription(noun, &[], base),
            region: noun.attribute("region").map(str::to_owned),
            max: usize::try_from(noun.number("maxParticipants", 250).clamp(2, 250)).unwrap_or(250),
            by_api: false,
            early_media: false,
            queue_time: None,
        };
        let joined = self.switch.world(|w| {
            if !w.is_live(&self.sid) {
                return Ok(false);
            }
            let refused = match w.room_named(&noun.text) {
                Some(room) => room.admits(&entry).err(),
                None => match (&entry.label, &entry.coach) {
                    (Some(label), _) if !label_is_valid(label) => {
                        Some(Refusal::bad(16024, "Invalid participant label"))
                    }
                    (_, Some(_)) => Some(Refusal::bad(16028, "there is nobody to coach")),
                    _ => None,
                },
            };
            if let Some(refusal) = refused {
                return Err(refusal);
            }
            w.answer(&self.sid);
            let room = w.open_room(&noun.text, &entry);
            w.list_participant(&room, &self.sid, entry);
            Ok(w.admit(&room, &self.sid))
        });
        match joined {
            Ok(true) => {}
            Ok(false) => return Err(Break::Over),
            Err(refusal) => {
                // The TwiML edition of each code; the dial fails quietly and the next verb runs.
                let code = match refusal.code {
                    16024 => 16023,
                    16026 => 16025,
                    16028 => 13240,
                    other => other,
                };
                self.note(code, &refusal.message, base);
                return Ok(Flow::Next);
            }
        }
        let mut form = Form::new();
        form.push("DialCallStatus", "answered");
        loop {
            match self.signal().await {
                // Checked, because the word may be about a room this call left before.
                Ok(Signal::LeftRoom) => {
                    let gone = self
                        .switch
                        .world(|w| w.call(&self.sid).is_none_or(|c| c.room.is_none()));
                    if gone {
                        break;
                    }
                }
                Ok(Signal::Digits(digits)) => {
                    // Keys in a room are sound for the others, not commands, but for the star where it was
                    // asked for.
                    self.typed.clear();
                    if digits.contains('*') && verb.flag("hangupOnStar", false) {
                        self.switch
                            .world(|w| w.leave(&self.sid, LeaveReason::HungUp, false));
                        break;
                    }
                }
                Ok(_) => {}
                Err(Break::Over) => {
                    self.dial_gone(verb, base, &form).await;
                    return Err(Break::Over);
                }
                Err(redirected) => return Err(redirected),
            }
        }
        Ok(self.after_dial(verb, base, form))
    }

    async fn dial_legs(
        &mut self,
        verb: &Element,
        nouns: &[Element],
        base: Option<&str>,
    ) -> Step<Flow> {
        let timeout = verb.number("timeout", 30).clamp(1, 600);
        let limit = verb.number("timeLimit", TIME_LIMIT);
        let mut waiting = Vec::new();
        let mut last: Option<String> = None;
        for noun in nouns {
            match self.new_leg(verb, noun, base) {
                Ok(new) => {
                    let whisper = noun
                        .attribute("url")
                        .and_then(|url| self.target(url, noun.attribute("method"), base))
                        .map(Source::Url);
                    let dial = Dial {
                        timeout,
                        send_digits: noun.attribute("sendDigits").map(str::to_owned),
                        parameters: parameters(noun),
                        ..Dial::default()
                    };
                    let child = self.switch.world(|w| {
                        if !w.is_live(&self.sid) {
                            return Err(Break::Over);
                        }
                        let child = w.create_call(new, Program::Child { dial, whisper });
                        w.limit(&child, limit);
                        if let Some(call) = w.call_mut(&self.sid) {
                            call.children.push(child.clone());
                        }
                        Ok(child)
                    });
                    waiting.push(child?);
                }
                Err((code, why)) => self.note(code, &why, base),
            }
        }
        self.play(Sound::Ringing, 0);
        let mut talking: Option<String> = None;
        while !waiting.is_empty() {
            match self.signal().await {
                Ok(Signal::ChildAnswered(child))
                    if talking.is_none() && waiting.contains(&child) =>
                {
                    // Otherwise one of them is gone, and the word of it is on its way.
                    if self.switch.world(|w| w.bridge_leg(&self.sid, &child)) {
                        waiting.retain(|c| *c == child);
                        talking = Some(child);
                    }
                }
                Ok(Signal::ChildEnded(child)) => {
                    if waiting.contains(&child) {
                        waiting.retain(|c| *c != child);
                        last = Some(child);
                    }
                }
                Ok(Signal::Digits(digits)) => {
                    self.typed.clear();
                    if digits.contains('*')
                        && verb.flag("hangupOnStar", false)
                        && let Some(child) = &talking
                    {
                        self.switch
                            .world(|w| w.finish(child, CallStatus::Completed, None));
                    }
                }
                Ok(_) => {}
                Err(Break::Over) => {
                    let form = self.dial_outcome(
                        talking.as_deref().or(waiting.first().map(String::as_str)),
                        talking.is_some(),
                    );
                    self.dial_gone(verb, base, &form).await;
                    return Err(Break::Over);
                }
                Err(redirected) => return Err(redirected),
            }
        }
        self.hush();
        let form = self.dial_outcome(last.as_deref(), talking.is_some());
        Ok(self.after_dial(verb, base, form))
    }

    fn dial_outcome(&self, child: Option<&str>, bridged: bool) -> Form {
        let mut form = Form::new();
        self.switch
            .world(|w| match child.and_then(|sid| w.call(sid)) {
                Some(call) => {
                    // A child that was redirected away lives on; for this dial it is completed.
                    let status = if call.is_live() {
                        "completed"
                    } else {
                        call.status.word()
                    };
                    form.push("DialCallStatus", status);
                    form.push("DialCallSid", &call.sid);
                    if call.started.is_some() && !call.is_live() {
                        form.push("DialCallDuration", call.seconds().to_string());
                    }
                }
                None => form.push("DialCallStatus", "failed"),
            });
        form.push("DialBridged", bridged.to_string());
        form
    }

    /// Checks a noun and makes the call it asks for.
    fn new_leg(
        &self,
        verb: &Element,
        noun: &Element,
        base: Option<&str>,
    ) -> Result<NewCall, (u32, String)> {
        let own = self.switch.world(|w| {
            w.call(&self.sid)
                .map(|c| (c.from.clone(), c.to.clone(), c.direction))
        });
        let Some((from, to, direction)) = own else {
            return Err((13201, String::from("the call is over")));
        };
        let callbacks = self
            .subscription(noun, &["completed"], base)
            .into_iter()
            .collect();
        let caller_id = verb.attribute("callerId").map(str::to_owned);
        let new = |from: String, to: String, who: String| NewCall {
            from,
            to,
            direction: Direction::OutboundDial,
            who,
            parent: Some(self.sid.clone()),
            callbacks,
            fallback: None,
        };
        match noun.name.as_str() {
            "Number" => {
                let to_number = dialable(&noun.text).ok_or_else(|| {
                    (
                        13223,
                        format!("Dial: Invalid phone number format {:?}", noun.text),
                    )
                })?;
                let showing = caller_id.clone().unwrap_or_else(|| {
                    if direction == Direction::Inbound {
                        from.clone()
                    } else {
                        to.clone()
                    }
                });
                if !showing.starts_with('+') {
                    return Err((
                        13214,
                        String::from("Dial: a client needs a callerId to call a number"),
                    ));
                }
                let allowed = showing == from
                    || showing == to
                    || self.switch.world(|w| w.account.may_call_from(&showing));
                if !allowed {
                    return Err((
                        13247,
                        format!("Dial: Invalid From number (caller ID) {showing}"),
                    ));
                }
                let who = to_number.clone();
                Ok(new(showing, to_number, who))
            }
            "Client" => {
                let identity = noun
                    .child("Identity")
                    .map_or(noun.text.as_str(), |i| i.text.as_str());
                let valid = !identity.is_empty()
                    && identity.len() <= 256
                    && !identity.contains(|c: char| c.is_control() || c == ' ');
                if !valid {
                    return Err((13223, format!("Dial: Invalid client identity {identity:?}")));
                }
                let who = identity.split('?').next().unwrap_or(identity).to_owned();
                Ok(new(
                    caller_id.unwrap_or(from),
                    format!("client:{identity}"),
                    who,
                ))
            }
            "Sip" => {
                let who = sip_address(&noun.text)
                    .ok_or_else(|| (13223, format!("Dial: Invalid SIP address {:?}", noun.text)))?;
                let who = who.to_owned();
                Ok(new(caller_id.unwrap_or(from), noun.text.clone(), who))
            }
            other => Err((13224, format!("<{other}> can't be dialled here"))),
        }
    }

    async fn dial_queue(
        &mut self,
        verb: &Element,
        noun: &Element,
        base: Option<&str>,
    ) -> Step<Flow> {
        let mut left = verb.number("timeout", 30);
        let member = loop {
            match self.switch.world(|w| w.dequeue(&noun.text, &self.sid)) {
                Some(member) => break Some(member),
                None if left == 0 => break None,
                None => {
                    left -= 1;
                    self.play(Sound::Ringing, 0);
                    self.pass(Duration::from_secs(1)).await?;
                }
            }
        };
        let mut form = Form::new();
        let Some(member) = member else {
            form.push("DialCallStatus", "no-answer");
            return Ok(self.after_dial(verb, base, form));
        };
        form.push("DialCallStatus", "completed");
        form.push("DialCallSid", &member);
        form.push("DialBridged", "true");
        match self.talk_with(&member).await {
            Ok(()) => {}
            Err(Break::Over) => {
                self.dial_gone(verb, base, &form).await;
                return Err(Break::Over);
            }
            Err(redirected) => return Err(redirected),
        }
        self.hush();
        Ok(self.after_dial(verb, base, form))
    }

    /// `<Enqueue>`: waits in a queue with its own document, asked for again whenever it ends.
    pub(crate) async fn enqueue(&mut self, verb: &Element, base: Option<&str>) -> Step<Flow> {
        let name = if verb.text.is_empty() {
            String::from("default")
        } else {
            verb.text.chars().take(64).collect()
        };
        let max = usize::try_from(verb.number("maxQueueSize", 1000).clamp(1, 5000)).unwrap_or(1000);
        let began = self.switch.clock.now_ms();
        let queue = self.switch.world(|w| {
            if !w.is_live(&self.sid) {
                return None;
            }
            if w.account.queue(&name).is_none() {
                let sid = w.sid("QU");
                let (created, updated) = (w.now, w.now);
                w.account.queues.push(Queue {
                    sid,
                    name: name.clone(),
                    max,
                    created,
                    updated,
                    members: Vec::new(),
                });
            }
            let now = w.now;
            let queue = w.account.queue_mut(&name)?;
            let full = queue.members.len() >= queue.max;
            if !full {
                queue.members.push((self.sid.clone(), now));
            }
            Some((queue.sid.clone(), if full { "queue-full" } else { "leave" }))
        });
        let Some((queue, mut result)) = queue else {
            return Err(Break::Over);
        };
        if result == "leave" {
            let wait = match verb.attribute("waitUrl").filter(|u| !u.is_empty()) {
                Some(url) => self.target(url, verb.attribute("waitUrlMethod"), base),
                None => None,
            };
            match self.wait_in_queue(&queue, wait).await {
                Ok(bridged) => result = if bridged { "bridged" } else { "leave" },
                Err(Break::Redirected(source)) => {
                    let form = self.queue_result("redirected", &queue, began);
                    self.dial_gone(verb, base, &form).await;
                    return Err(Break::Redirected(source));
                }
                Err(broken) => {
                    let form = self.queue_result("hangup", &queue, began);
                    self.dial_gone(verb, base, &form).await;
                    return Err(broken);
                }
            }
        }
        self.switch.world(|w| w.account.leave_queues(&self.sid));
        let form = self.queue_result(result, &queue, began);
        Ok(self.after_dial(verb, base, form))
    }

    fn queue_result(&self, result: &str, queue: &str, began: i64) -> Form {
        let mut form = Form::new();
        form.push("QueueResult", result);
        form.push("QueueSid", queue);
        form.push(
            "QueueTime",
            ((self.switch.clock.now_ms() - began).max(0) / 1000).to_string(),
        );
        form
    }

    /// True when it was dequeued and the talk is over, false when the document left.
    async fn wait_in_queue(&mut self, queue: &str, wait: Option<Target>) -> Step<bool> {
        match self.pass_the_wait(queue, wait).await {
            Ok(()) => Ok(false),
            Err(Break::Dequeued(by)) => {
                self.hush();
                self.talk_with(&by).await?;
                Ok(true)
            }
            Err(broken) => Err(broken),
        }
    }

    /// Music, or the queue's document over and over, until that leaves or the wait is broken.
    async fn pass_the_wait(&mut self, queue: &str, wait: Option<Target>) -> Step<()> {
        let Some(target) = wait else {
            self.play(Sound::Music, 0);
            loop {
                self.signal().await?;
            }
        };
        loop {
            let form = self.switch.world(|w| {
                let mut form = Form::new();
                if let Some(q) = w.account.queue(queue) {
                    let position = q.members.iter().position(|(call, _)| *call == self.sid);
                    form.push("QueueSid", &q.sid);
                    form.push("QueuePosition", position.map_or(0, |p| p + 1).to_string());
                    let since = position.map_or(w.now, |p| q.members[p].1);
                    form.push("QueueTime", ((w.now - since).max(0) / 1000).to_string());
                    form.push("AvgQueueTime", q.average_wait(w.now).to_string());
                    form.push("CurrentQueueSize", q.members.len().to_string());
                    form.push("MaxQueueSize", q.max.to_string());
                }
                form
            });
            let began = self.switch.clock.now_ms();
            if self.documents(Source::Url(target.clone()), form).await? == Ended::Left {
                return Ok(());
            }
            if self.switch.clock.now_ms() - began < 1000 {
                self.pass(Duration::from_secs(1)).await?;
            }
        }
    }

    /// Until that call is gone; the end of an earlier talk may still be on its way. Keys are sound for the
    /// other, not commands.
    async fn talk_with(&mut self, other: &str) -> Step<()> {
        loop {
            match self.signal().await? {
                Signal::ChildEnded(gone) if gone == other => return Ok(()),
                _ => self.typed.clear(),
            }
        }
    }
}

/// The `<Parameter>`s of a noun.
fn parameters(noun: &Element) -> Vec<(String, String)> {
    let all = noun.children.iter().filter(|c| c.name == "Parameter");
    all.filter_map(|p| {
        let (name, value) = (p.attribute("name")?, p.attribute("value").unwrap_or(""));
        Some((name.to_owned(), value.to_owned()))
    })
    .collect()
}

/// A number as `<Number>` takes it: E.164, ten digits for North America, or a short emergency number.
fn dialable(text: &str) -> Option<String> {
    let digits: String = text
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.'))
        .collect();
    if is_e164(&digits)
        || matches!(
            digits.as_str(),
            "911" | "933" | "112" | "999" | "000" | "110" | "113" | "118"
        )
    {
        return Some(digits);
    }
    let us = digits.len() == 10 && digits.bytes().all(|b| b.is_ascii_digit());
    us.then(|| format!("+1{digits}"))
}
