//! Calls: `queued → initiated → ringing → in-progress → completed`, with the exits busy, no-answer, failed,
//! canceled.
//!
//! A final status absorbs everything that comes later. This module decides what a change means for the call's
//! conference, children, queue and callbacks; it never runs TwiML (see `legs`). The words are Twilio's (Call
//! resource; "initiated" appears in callbacks only, the REST API says "queued" until a call rings).

use super::conference::LeaveReason;
use super::sound::{Playback, Sound};
use super::{Effect, Program, Refusal, Signal, Source, Subscription, Target, World};
use crate::callers::Voice;
use crate::clock::rfc2822;
use crate::form::Form;

/// How many seconds a call may last where nobody set a limit.
pub(crate) const TIME_LIMIT: u64 = 14_400;

/// The highest limit there is, in seconds.
const LONGEST: u64 = 86_400;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallStatus {
    Queued,
    Initiated,
    Ringing,
    InProgress,
    Completed,
    Busy,
    Failed,
    NoAnswer,
    Canceled,
}

impl CallStatus {
    pub(crate) fn is_final(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Busy | Self::Failed | Self::NoAnswer | Self::Canceled
        )
    }

    /// As status callbacks say it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Initiated => "initiated",
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::Failed => "failed",
            Self::NoAnswer => "no-answer",
            Self::Canceled => "canceled",
        }
    }

    /// As the REST API says it.
    pub(crate) fn rest(self) -> &'static str {
        if self == Self::Initiated {
            "queued"
        } else {
            self.word()
        }
    }

    pub(crate) fn read(text: &str) -> Option<Self> {
        Some(match text {
            "queued" => Self::Queued,
            "ringing" => Self::Ringing,
            "in-progress" => Self::InProgress,
            "completed" => Self::Completed,
            "busy" => Self::Busy,
            "failed" => Self::Failed,
            "no-answer" => Self::NoAnswer,
            "canceled" => Self::Canceled,
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Inbound,
    OutboundApi,
    OutboundDial,
}

impl Direction {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::OutboundApi => "outbound-api",
            Self::OutboundDial => "outbound-dial",
        }
    }
}

/// Something about a call that Twilio's debugger would show.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) at: i64,
    pub(crate) code: u32,
    pub(crate) text: String,
    pub(crate) url: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) sid: String,
    pub(crate) parent: Option<String>,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) direction: Direction,
    pub(crate) status: CallStatus,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    /// When it was answered.
    pub(crate) started: Option<i64>,
    pub(crate) ended: Option<i64>,
    pub(crate) number_sid: Option<String>,
    pub(crate) app_sid: Option<String>,
    pub(crate) queue_time: i64,
    pub(crate) answered_by: Option<&'static str>,
    /// Who is at the far end: a number, or a client's identity.
    pub(crate) who: String,
    /// A scripted caller's name and mood.
    pub(crate) name: Option<String>,
    pub(crate) mood: Option<String>,
    /// What a client passed to `connect`: extra top-level parameters of every voice request.
    pub(crate) extra: Form,
    pub(crate) callbacks: Vec<Subscription>,
    pub(crate) fallback: Option<Target>,
    /// The conference it is in, or is being added to.
    pub(crate) room: Option<String>,
    /// The call it talks to without a conference.
    pub(crate) bridged: Option<String>,
    /// The legs its `<Dial>` made.
    pub(crate) children: Vec<String>,
    /// What its own program plays.
    pub(crate) background: Option<Playback>,
    /// A real browser is at the far end. Its sound and its answers come from there.
    pub(crate) browser: bool,
    /// What a scripted telephone sounds like; absent: as its number would have it.
    pub(crate) voice: Option<Voice>,
    /// The far end died without a word; the leg stays until the carrier notices.
    pub(crate) ghost: bool,
    pub(crate) heard_person_at: Option<i64>,
    /// Seconds from the answer to its end, at most.
    pub(crate) time_limit: u64,
    pub(crate) notes: Vec<Note>,
    pub(crate) sip_code: Option<u16>,
    sequence: u32,
}

/// What is needed to make a call.
#[derive(Debug)]
pub(crate) struct NewCall {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) direction: Direction,
    pub(crate) who: String,
    pub(crate) parent: Option<String>,
    pub(crate) callbacks: Vec<Subscription>,
    pub(crate) fallback: Option<Target>,
}

impl Call {
    pub(crate) fn is_live(&self) -> bool {
        !self.status.is_final()
    }

    /// The identity of the client at the far end.
    pub(crate) fn client(&self) -> Option<&str> {
        let address = if self.direction == Direction::Inbound {
            &self.from
        } else {
            &self.to
        };
        address
            .strip_prefix("client:")
            .map(|rest| rest.split('?').next().unwrap_or(rest))
    }

    /// Seconds from the answer to the end; zero when never answered.
    pub(crate) fn seconds(&self) -> i64 {
        match (self.started, self.ended) {
            (Some(from), Some(to)) => ((to - from).max(0) + 999) / 1000,
            _ => 0,
        }
    }
}

impl World {
    /// Makes a call and starts its program. Its status is the direction's first one.
    pub(crate) fn create_call(&mut self, new: NewCall, program: Program) -> String {
        let sid = self.create_quiet_call(new);
        self.effect(Effect::Start {
            call: sid.clone(),
            program,
        });
        sid
    }

    /// As [`World::create_call`], without a program yet: the maker starts it when all is in place.
    pub(crate) fn create_quiet_call(&mut self, new: NewCall) -> String {
        let sid = self.sid("CA");
        let status = match new.direction {
            Direction::Inbound => CallStatus::Ringing,
            Direction::OutboundApi | Direction::OutboundDial => CallStatus::Queued,
        };
        let number = if new.direction == Direction::Inbound {
            &new.to
        } else {
            &new.from
        };
        let number_sid = self.account.number(number).map(|n| n.sid.clone());
        let call = Call {
            sid: sid.clone(),
            parent: new.parent,
            from: new.from,
            to: new.to,
            direction: new.direction,
            status,
            created: self.now,
            updated: self.now,
            started: None,
            ended: None,
            number_sid,
            app_sid: None,
            queue_time: 0,
            answered_by: None,
            who: new.who,
            name: None,
            mood: None,
            extra: Form::new(),
            callbacks: new.callbacks,
            fallback: new.fallback,
            room: None,
            bridged: None,
            children: Vec::new(),
            background: None,
            browser: false,
            voice: None,
            ghost: false,
            heard_person_at: None,
            time_limit: TIME_LIMIT,
            notes: Vec::new(),
            sip_code: None,
            sequence: 0,
        };
        self.calls.insert(sid.clone(), call);
        self.call_order.push(sid.clone());
        self.touched_calls.insert(sid.clone());
        sid
    }

    /// The next free place under the rule of one call created per second and account. Milliseconds since 1970.
    pub(crate) fn next_dial(&mut self) -> i64 {
        let at = self.next_dial_at.max(self.now);
        self.next_dial_at = at + 1000;
        at
    }

    /// An outgoing call moves on: initiated, then ringing.
    pub(crate) fn progress(&mut self, sid: &str, status: CallStatus) -> bool {
        let now = self.now;
        let Some(call) = self.call_mut(sid) else {
            return false;
        };
        if !call.is_live() || call.status == CallStatus::InProgress {
            return false;
        }
        call.status = status;
        call.updated = now;
        let room = call.room.clone();
        if let Some(room) = room {
            self.touch_room(&room);
        }
        self.call_event(
            sid,
            if status == CallStatus::Initiated {
                "initiated"
            } else {
                "ringing"
            },
        );
        true
    }

    /// The call is answered. False when it already was, or is over.
    pub(crate) fn answer(&mut self, sid: &str) -> bool {
        let now = self.now;
        let Some(call) = self.call_mut(sid) else {
            return false;
        };
        if !call.is_live() || call.status == CallStatus::InProgress {
            return false;
        }
        call.status = CallStatus::InProgress;
        call.started = Some(now);
        call.updated = now;
        let limit = call.time_limit;
        let browser = call.browser;
        self.limit(sid, limit);
        if browser {
            let call = sid.to_owned();
            self.effect(Effect::Answered { call });
        }
        self.call_event(sid, "answered");
        true
    }

    /// How many seconds the call may last, counted from its answer.
    pub(crate) fn limit(&mut self, sid: &str, limit: u64) {
        let (now, limit) = (self.now, limit.min(LONGEST));
        let Some(call) = self.call_mut(sid) else {
            return;
        };
        call.time_limit = limit;
        if let Some(started) = call.started {
            let passed = (now - started).max(0).unsigned_abs();
            self.effect(Effect::Limit {
                call: sid.to_owned(),
                limit,
                ms: (limit * 1000).saturating_sub(passed),
            });
        }
    }

    /// That limit has run out; one that was replaced meanwhile means nothing any more.
    pub(crate) fn time_up(&mut self, sid: &str, limit: u64) {
        if self.call(sid).is_some_and(|c| c.time_limit == limit)
            && self.finish(sid, CallStatus::Completed, None)
        {
            let why = "Call is terminated due to exceeding maximum call duration";
            self.note(sid, 32015, why, "");
        }
    }

    /// Who answered has been found out. False when the call is over.
    pub(crate) fn detected(&mut self, sid: &str, by: &'static str) -> bool {
        let Some(call) = self.call_mut(sid).filter(|c| c.is_live()) else {
            return false;
        };
        call.answered_by = Some(by);
        true
    }

    /// The call is over, for whatever reason; only the first final status counts.
    pub(crate) fn finish(&mut self, sid: &str, status: CallStatus, sip_code: Option<u16>) -> bool {
        let now = self.now;
        let Some(call) = self.call_mut(sid) else {
            return false;
        };
        if !call.is_live() {
            return false;
        }
        let was_answered = call.started.is_some();
        // A call that was never answered can't be completed: its end is a cancellation.
        call.status = if status == CallStatus::Completed && !was_answered {
            CallStatus::Canceled
        } else {
            status
        };
        call.sip_code = sip_code.or(was_answered.then_some(200)).or(Some(487));
        call.ended = Some(now);
        call.updated = now;
        let (parent, browser) = (call.parent.clone(), call.browser);
        if browser {
            let call = sid.to_owned();
            self.effect(Effect::Over { call });
        }
        // Told first: the ends of its children must not look like the end of a dial that goes on.
        self.tell(sid, Signal::Ended);
        self.let_go(sid, LeaveReason::HungUp);
        self.complete_recordings(sid);
        self.call_event(sid, "completed");
        if let Some(parent) = parent {
            self.tell(&parent, Signal::ChildEnded(sid.to_owned()));
        }
        true
    }

    /// A call's program lets go of whatever it brought the call into: a conference, the legs of a dial, a talk, a
    /// queue.
    pub(crate) fn let_go(&mut self, sid: &str, reason: LeaveReason) {
        self.leave(sid, reason, false);
        self.release_children(sid);
        self.unbridge(sid);
        self.account.leave_queues(sid);
    }

    /// Ends the legs a call's `<Dial>` made.
    fn release_children(&mut self, sid: &str) {
        let children = self
            .calls
            .get_mut(sid)
            .map(|c| std::mem::take(&mut c.children))
            .unwrap_or_default();
        for child in children {
            self.finish(&child, CallStatus::Completed, None);
        }
    }

    /// Takes a leg from the call that dialled it. False when it is not among that call's legs.
    fn disown(&mut self, parent: &str, leg: &str) -> bool {
        let Some(parent) = self.call_mut(parent) else {
            return false;
        };
        let before = parent.children.len();
        parent.children.retain(|child| child != leg);
        parent.children.len() < before
    }

    /// Two calls talk to each other, without a conference. False when one of them is over.
    pub(crate) fn bridge(&mut self, a: &str, b: &str) -> bool {
        if !self.is_live(a) || !self.is_live(b) {
            return false;
        }
        for (one, other) in [(a, b), (b, a)] {
            if let Some(call) = self.call_mut(one) {
                call.bridged = Some(other.to_owned());
            }
        }
        true
    }

    /// The leg of a `<Dial>` that was first: its parent is answered and talks to it, and the other legs end. False
    /// when one of the two is over, or the leg was moved away.
    pub(crate) fn bridge_leg(&mut self, parent: &str, leg: &str) -> bool {
        let legs = self
            .call(parent)
            .map(|c| c.children.clone())
            .unwrap_or_default();
        if !legs.iter().any(|l| l == leg) || !self.bridge(parent, leg) {
            return false;
        }
        self.answer(parent);
        for other in legs.iter().filter(|l| *l != leg) {
            self.finish(other, CallStatus::Completed, None);
        }
        true
    }

    /// Whoever is first in a queue is taken out and talks to `by`, which is answered.
    pub(crate) fn dequeue(&mut self, queue: &str, by: &str) -> Option<String> {
        if !self.is_live(by) {
            return None;
        }
        let queue = self.account.queue_mut(queue)?;
        if queue.members.is_empty() {
            return None;
        }
        let (first, _) = queue.members.remove(0);
        self.answer(by);
        self.tell(&first, Signal::Dequeued(by.to_owned()));
        self.bridge(by, &first);
        Some(first)
    }

    fn unbridge(&mut self, sid: &str) {
        let Some(other) = self.call_mut(sid).and_then(|c| c.bridged.take()) else {
            return;
        };
        if let Some(call) = self.call_mut(&other) {
            call.bridged = None;
        }
        self.tell(&other, Signal::ChildEnded(sid.to_owned()));
    }

    /// Points a live call at another program (Call resource, `Url` or `Twiml`). It leaves its conference, its
    /// queue and whoever it talks to.
    pub(crate) fn redirect(&mut self, sid: &str, source: Source) -> Result<(), Refusal> {
        let Some(call) = self.call(sid) else {
            return Err(Refusal::not_found(sid));
        };
        if call.status != CallStatus::InProgress {
            return Err(Refusal::bad(
                21220,
                "Call is not in-progress. Cannot redirect.",
            ));
        }
        let (parent, talks) = (call.parent.clone(), call.bridged.is_some());
        // Told first, so that no end of a child sends the program on to the action of a dial it has left.
        self.tell(sid, Signal::Redirected(source));
        self.let_go(sid, LeaveReason::UpdatedViaApi);
        // The parent no longer owns a leg that was moved: its dial goes on as if the leg had hung up.
        if let Some(parent) = parent.filter(|parent| self.disown(parent, sid))
            && !talks
        {
            self.tell(&parent, Signal::ChildEnded(sid.to_owned()));
        }
        let now = self.now;
        if let Some(call) = self.call_mut(sid) {
            call.updated = now;
            call.background = None;
        }
        Ok(())
    }

    /// What the call's own program plays now.
    pub(crate) fn set_background(&mut self, sid: &str, sound: Option<(Sound, u32)>) {
        let silent = self.calls.get(sid).is_none_or(|c| c.background.is_none());
        if silent && sound.is_none() {
            return;
        }
        let playback = sound.map(|(sound, times)| self.playback(sound, times));
        if let Some(call) = self.call_mut(sid) {
            call.background = playback;
        }
    }

    pub(crate) fn note(&mut self, sid: &str, code: u32, text: impl Into<String>, url: &str) {
        let at = self.now;
        if let Some(call) = self.calls.get_mut(sid)
            && call.notes.len() < 100
        {
            call.notes.push(Note {
                at,
                code,
                text: text.into(),
                url: url.to_owned(),
            });
        }
    }

    pub(crate) fn delete_call(&mut self, sid: &str) -> Result<(), Refusal> {
        let Some(call) = self.calls.get(sid) else {
            return Err(Refusal::not_found(sid));
        };
        if call.is_live() {
            return Err(Refusal::bad(
                20009,
                "Cannot delete this call because it's still in progress.",
            ));
        }
        self.calls.remove(sid);
        Ok(())
    }

    /// The parameters every voice request and call callback has (Twilio docs: TwiML voice request parameters), then
    /// `more` of this one, and last what a client added, which never stands for what Twilio says itself.
    pub(crate) fn call_form(&self, call: &Call, more: &Form) -> Form {
        let mut form = Form::new();
        form.push("CallSid", &call.sid);
        form.push("AccountSid", &self.account.credentials.account_sid);
        form.push("From", &call.from);
        form.push("To", &call.to);
        form.push("Caller", &call.from);
        form.push("Called", &call.to);
        form.push("CallStatus", call.status.word());
        form.push("ApiVersion", "2010-04-01");
        form.push("Direction", call.direction.word());
        if let Some(parent) = &call.parent {
            form.push("ParentCallSid", parent);
        }
        if let Some(app) = &call.app_sid {
            form.push("ApplicationSid", app);
        }
        if let Some(name) = &call.name {
            form.push("CallerName", name);
        }
        if let Some(by) = call.answered_by {
            form.push("AnsweredBy", by);
        }
        if call.direction == Direction::Inbound && call.from.starts_with('+') {
            form.push("StirVerstat", "TN-Validation-Passed-A");
        }
        for (side, number) in [("From", &call.from), ("To", &call.to)] {
            if number.starts_with("+1") && number.len() == 12 {
                form.push(format!("{side}Country"), "US");
                form.push(
                    if side == "From" {
                        "CallerCountry"
                    } else {
                        "CalledCountry"
                    },
                    "US",
                );
            }
        }
        form.extend(more);
        for (key, value) in &call.extra.0 {
            form.push_if_absent(key, value);
        }
        form
    }

    /// A call callback for `event`, to everybody who asked for it.
    fn call_event(&mut self, sid: &str, event: &str) {
        let Some(call) = self.calls.get(sid) else {
            return;
        };
        let wanted: Vec<Target> = call
            .callbacks
            .iter()
            .filter(|s| s.wants(event))
            .map(|s| s.target.clone())
            .collect();
        if wanted.is_empty() {
            return;
        }
        let mut more = Form::new();
        more.push("CallbackSource", "call-progress-events");
        more.push("Timestamp", rfc2822(self.now));
        more.push("SequenceNumber", call.sequence.to_string());
        if event == "completed" {
            let seconds = call.seconds();
            more.push("CallDuration", seconds.to_string());
            more.push("Duration", ((seconds + 59) / 60).to_string());
            if let Some(code) = call.sip_code {
                more.push("SipResponseCode", code.to_string());
            }
            if let Some(recording) = self.account.recordings.iter().find(|r| r.call == sid) {
                more.push("RecordingUrl", self.account.recording_url(&recording.sid));
                more.push("RecordingSid", &recording.sid);
                more.push("RecordingDuration", recording.seconds(self.now).to_string());
            }
        }
        let form = self.call_form(call, &more);
        if let Some(call) = self.calls.get_mut(sid) {
            call.sequence += 1;
        }
        for target in wanted {
            self.effect(Effect::Callback {
                target,
                form: form.clone(),
            });
        }
    }
}
