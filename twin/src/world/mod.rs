//! The world: every call, conference, participant and number of one account, as plain state machines.
//!
//! Nothing here waits, sends or knows the time by itself: `now` is set by the owner before each step, and what
//! has to happen outside (a web hook, a signal to a call's program, music for a participant) is pushed as an
//! [`Effect`]. A task a call owning its own state was not chosen: redirects, ends and flags touch several calls
//! at once, and half of such a change must never be seen. Next: `call` and `conference` (the machines),
//! `hearing` (who hears whom), `sound` (what that is made of), `switch` (which runs the effects).

pub(crate) mod account;
pub(crate) mod bodies;
pub(crate) mod call;
pub(crate) mod conference;
pub(crate) mod hearing;
pub(crate) mod sound;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::form::Form;
use account::Account;
use call::Call;
use conference::Room;
use hearing::HearingLog;
use sound::Mix;

/// Finished calls, rooms and recordings beyond this many are forgotten, oldest first.
const KEPT: usize = 20_000;

/// What a program runs next: a URL to ask, or a document that is already here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Url(Target),
    Twiml(String),
}

/// A URL and the method to ask it with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) method: Method,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
}

impl Method {
    /// `GET` in any case is GET; anything else is POST, Twilio's default for voice.
    pub(crate) fn read(text: Option<&str>, default: Self) -> Self {
        match text {
            Some(text) if text.eq_ignore_ascii_case("get") => Self::Get,
            Some(text) if text.eq_ignore_ascii_case("post") => Self::Post,
            _ => default,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

impl Target {
    pub(crate) fn new(url: impl Into<String>, method: Method) -> Self {
        Self {
            url: url.into(),
            method,
        }
    }
}

/// A status callback: where, how, and for which events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) target: Target,
    pub(crate) events: Vec<String>,
}

impl Subscription {
    pub(crate) fn wants(&self, event: &str) -> bool {
        self.events.iter().any(|e| e == event)
    }
}

/// What somebody hears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hearing {
    /// At least one other person.
    People,
    /// Music: a `<Play>`, or the carrier's own hold music.
    Music,
    /// A spoken prompt, an announcement or a ringing tone.
    Prompt,
    /// Nothing at all.
    #[default]
    Silence,
}

/// What the program of a call (its own task) is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The call is over.
    Ended,
    /// Run this instead, now.
    Redirected(Source),
    /// Out of its conference without having been redirected: run the `<Dial>`'s action or the next verb.
    LeftRoom,
    /// Keys pressed at the far end.
    Digits(String),
    /// A leg dialled by this call was answered.
    ChildAnswered(String),
    /// A leg dialled by this call is over.
    ChildEnded(String),
    /// Taken out of its queue by somebody's `<Dial><Queue>`, and bridged to that call.
    Dequeued(String),
    /// The far end decided to answer (a device under control).
    PickUp,
}

/// Which of a participant's documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    Wait,
    Hold,
    Announce,
}

/// What the world wants done outside.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Send a status callback.
    Callback { target: Target, form: Form },
    /// Tell the program of a call.
    Tell { call: String, signal: Signal },
    /// Start the program of a call.
    Start { call: String, program: Program },
    /// Run a conference document for a participant, in place of any older one in the same slot.
    Play {
        call: String,
        room: String,
        purpose: Purpose,
        target: Target,
    },
    /// Stop the waiting or hold document of a participant.
    Hush { call: String },
    /// Stop all that a conference plays to a call, announcements too: it has left.
    Silence { call: String },
    /// Call [`World::time_up`] with this limit when so many milliseconds have passed.
    Limit { call: String, limit: u64, ms: u64 },
    /// A person was heard on this call for the first time.
    FirstHeard { call: String },
    /// A browser's call is answered.
    Answered { call: String },
    /// A browser's call is over.
    Over { call: String },
    /// Something is said to the browser of a call, if it has one.
    Message {
        call: String,
        id: String,
        content: String,
    },
    /// What a call hears is another now; `None`: it is over.
    Sound { call: String, mix: Option<Mix> },
    /// Something visible changed; for the event stream.
    Changed(Value),
}

/// What a call does once it is up.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    /// Somebody called in: ask for TwiML at once.
    Incoming { source: Source },
    /// We call out; after the answer, run TwiML.
    Outgoing { dial: Dial, source: Source },
    /// We call out; after the answer, straight into the conference it was added to.
    Join { dial: Dial },
    /// A leg of somebody's `<Dial>`: after the answer, an optional whisper, then the bridge.
    Child { dial: Dial, whisper: Option<Source> },
}

/// How an outgoing leg is dialled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dial {
    /// When it may start (milliseconds since 1970); later than now when calls are queued by the one-a-second
    /// rule.
    pub(crate) not_before: i64,
    /// Seconds of ringing, all told.
    pub(crate) timeout: u64,
    pub(crate) machine_detection: Option<MachineDetection>,
    pub(crate) send_digits: Option<String>,
    /// What a client's page is given to read (`<Parameter>`).
    pub(crate) parameters: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
pub(crate) struct MachineDetection {
    /// Asynchronous: the program runs at once and the answer goes to this URL.
    pub(crate) callback: Option<Target>,
}

/// A refusal with Twilio's error code and HTTP status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: u32,
    pub(crate) message: String,
}

impl Refusal {
    /// A validation or state error: HTTP 400.
    pub(crate) fn bad(code: u32, message: impl Into<String>) -> Self {
        Self {
            status: 400,
            code,
            message: message.into(),
        }
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self {
            status: 404,
            code: 20404,
            message: format!("The requested resource {what} was not found"),
        }
    }
}

/// Behaviours of Twilio that public sources don't settle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Quirks {
    /// `EndConferenceOnExit` updates are silently ignored while the participant is held.
    pub(crate) hold_locks_flags: bool,
    /// Holding before the room has started is refused with 16001.
    pub(crate) refuse_hold_before_start: bool,
    /// An identity may have one active call only.
    pub(crate) deny_second_device: bool,
    /// When the coached leg leaves, everybody hears the coach.
    pub(crate) coach_audible_after_leave: bool,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            hold_locks_flags: true,
            refuse_hold_before_start: true,
            deny_second_device: true,
            coach_audible_after_leave: true,
        }
    }
}

/// All state of one account.
#[derive(Debug)]
pub(crate) struct World {
    /// The present moment; set by the owner before every step.
    pub(crate) now: i64,
    pub(crate) account: Account,
    pub(crate) quirks: Quirks,
    /// Whether anybody watches the event stream; without a watcher no bodies are rendered.
    pub(crate) watched: bool,
    pub(crate) log: HearingLog,
    /// Whether sound is made: without anybody to hear it, nothing is said about it.
    listening: bool,
    /// What everybody hears, as it was said last.
    mixes: HashMap<String, Mix>,
    playbacks: u64,
    calls: HashMap<String, Call>,
    call_order: Vec<String>,
    rooms: HashMap<String, Room>,
    room_order: Vec<String>,
    /// By name, and in its order, so that two looks at the same world are alike.
    live_rooms: BTreeMap<String, String>,
    next_dial_at: i64,
    sids: StdRng,
    effects: Vec<Effect>,
    touched_calls: BTreeSet<String>,
    touched_rooms: BTreeSet<String>,
}

impl World {
    pub(crate) fn new(account: Account, seed: u64) -> Self {
        Self {
            now: 0,
            account,
            quirks: Quirks::default(),
            watched: false,
            log: HearingLog::default(),
            listening: false,
            mixes: HashMap::new(),
            playbacks: 0,
            calls: HashMap::new(),
            call_order: Vec::new(),
            rooms: HashMap::new(),
            room_order: Vec::new(),
            live_rooms: BTreeMap::new(),
            next_dial_at: 0,
            // Another stream than the faults', the tokens' and the request ids', so that only what is made draws ids.
            sids: StdRng::seed_from_u64(seed ^ 0x5349_4453),
            effects: Vec::new(),
            touched_calls: BTreeSet::new(),
            touched_rooms: BTreeSet::new(),
        }
    }

    /// A new id: two letters and 32 hexadecimal digits.
    pub(crate) fn sid(&mut self, prefix: &str) -> String {
        new_sid(prefix, &mut self.sids)
    }

    /// The account owns a number from now on; with its sid.
    pub(crate) fn take_number(&mut self, number: account::Number) -> account::Number {
        let number = account::Number {
            sid: self.sid("PN"),
            ..number
        };
        self.account.numbers.push(number.clone());
        number
    }

    pub(crate) fn call(&self, sid: &str) -> Option<&Call> {
        self.calls.get(sid)
    }

    /// Whether there is such a call and it is not over. What a program begins, it asks this first, in the same
    /// step: it may have hung up without having read so yet.
    pub(crate) fn is_live(&self, sid: &str) -> bool {
        self.call(sid).is_some_and(Call::is_live)
    }

    pub(crate) fn call_mut(&mut self, sid: &str) -> Option<&mut Call> {
        self.touched_calls.insert(sid.to_owned());
        self.calls.get_mut(sid)
    }

    pub(crate) fn room(&self, sid: &str) -> Option<&Room> {
        self.rooms.get(sid)
    }

    /// The live room of that name.
    pub(crate) fn room_named(&self, name: &str) -> Option<&Room> {
        self.live_rooms
            .get(name)
            .and_then(|sid| self.rooms.get(sid))
    }

    /// Calls, newest first.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.call_order
            .iter()
            .rev()
            .filter_map(|sid| self.calls.get(sid))
    }

    /// Conferences, newest first.
    pub(crate) fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.room_order
            .iter()
            .rev()
            .filter_map(|sid| self.rooms.get(sid))
    }

    pub(crate) fn live_rooms(&self) -> impl Iterator<Item = &Room> {
        self.live_rooms
            .values()
            .filter_map(|sid| self.rooms.get(sid))
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(crate) fn tell(&mut self, call: &str, signal: Signal) {
        self.effect(Effect::Tell {
            call: call.to_owned(),
            signal,
        });
    }

    fn touch_room(&mut self, sid: &str) {
        self.touched_rooms.insert(sid.to_owned());
    }

    /// Brings the hearing log up to date with what changed and hands out the effects, in order.
    pub(crate) fn settle(&mut self) -> Vec<Effect> {
        if !self.touched_calls.is_empty() || !self.touched_rooms.is_empty() {
            self.settle_hearing();
        }
        if self.call_order.len() > KEPT * 2 {
            self.forget_old();
        }
        if self.account.recordings.len() > KEPT * 2 {
            self.forget_recordings();
        }
        std::mem::take(&mut self.effects)
    }

    fn forget_recordings(&mut self) {
        let mut surplus = self.account.recordings.len() - KEPT;
        self.account.recordings.retain(|recording| {
            let goes = surplus > 0 && !recording.is_live();
            surplus -= usize::from(goes);
            !goes
        });
    }

    fn forget_old(&mut self) {
        let surplus = self.call_order.len() - KEPT;
        let old: Vec<String> = self.call_order.drain(..surplus).collect();
        let mut living = Vec::new();
        for sid in old {
            if self.calls.get(&sid).is_some_and(|c| !c.status.is_final()) {
                living.push(sid);
            } else {
                self.calls.remove(&sid);
            }
        }
        living.append(&mut self.call_order);
        self.call_order = living;
        let rooms = std::mem::take(&mut self.room_order);
        let surplus = rooms.len().saturating_sub(KEPT);
        for (at, sid) in rooms.into_iter().enumerate() {
            if at < surplus && self.rooms.get(&sid).is_none_or(Room::is_over) {
                self.rooms.remove(&sid);
            } else {
                self.room_order.push(sid);
            }
        }
    }
}

pub(crate) fn new_sid(prefix: &str, rng: &mut StdRng) -> String {
    format!("{prefix}{:032x}", rng.random::<u128>())
}
