//! Who hears whom, and what everybody hears: now, and in the past as intervals.
//!
//! Tests of privacy and of "nobody waits in silence" are made on this log, without any media. It is derived
//! from the machines after each step and decides nothing. Next: `conference::Room::hears`, the rule itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::call::{Call, CallStatus};
use super::conference::{Participant, Room, RoomStatus};
use super::sound::{self, Playback};
use super::{Effect, Hearing, World};

/// Intervals kept of each kind; beyond it the oldest are dropped.
const KEPT: usize = 200_000;

/// One person heard another for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HearsInterval {
    /// Who heard.
    pub listener: String,
    /// Who was heard.
    pub speaker: String,
    /// The listener's call.
    pub listener_sid: String,
    /// The speaker's call.
    pub speaker_sid: String,
    /// The conference; `None` where two legs were bridged without one.
    pub conference_sid: Option<String>,
    /// Milliseconds since 1970.
    pub from: i64,
    /// Milliseconds since 1970; `None` while it lasts.
    pub to: Option<i64>,
    /// When sound of the speaker arrived in the listener's ear for the first time in it, in milliseconds since 1970.
    /// `None`: it has not, or no sound is made.
    #[serde(default)]
    pub audible: Option<i64>,
}

/// Somebody heard people, music, a prompt or silence for a while. Only answered calls are listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HearingInterval {
    /// Who heard.
    pub who: String,
    /// The call.
    pub call_sid: String,
    /// The conference it was in, if any.
    pub conference_sid: Option<String>,
    /// Alone in that conference, or not in one.
    pub alone: bool,
    /// What was heard.
    pub hearing: Hearing,
    /// Milliseconds since 1970.
    pub from: i64,
    /// Milliseconds since 1970; `None` while it lasts.
    pub to: Option<i64>,
}

/// The past, and what is going on.
#[derive(Debug, Default)]
pub(crate) struct HearingLog {
    hears: Vec<HearsInterval>,
    hearing: Vec<HearingInterval>,
    /// Keyed by listener's and speaker's call.
    open_hears: BTreeMap<(String, String), HearsInterval>,
    open_hearing: BTreeMap<String, HearingInterval>,
}

impl HearingLog {
    /// Closed and open intervals, oldest first.
    pub(crate) fn hears(&self) -> Vec<HearsInterval> {
        self.hears
            .iter()
            .chain(self.open_hears.values())
            .cloned()
            .collect()
    }

    pub(crate) fn hearing(&self) -> Vec<HearingInterval> {
        self.hearing
            .iter()
            .chain(self.open_hearing.values())
            .cloned()
            .collect()
    }

    /// For how many milliseconds a call has heard people, and whether it does now.
    fn heard(&self, call: &str, now: i64) -> (i64, bool) {
        let people = |i: &&HearingInterval| i.call_sid == call && i.hearing == Hearing::People;
        let past = self.hearing.iter().filter(people);
        let open = self.open_hearing.get(call).filter(people);
        let spans = past.chain(open).map(|i| i.to.unwrap_or(now) - i.from);
        (spans.sum(), open.is_some())
    }

    /// The calls of those whom a call hears now.
    pub(super) fn heard_by(&self, call: &str) -> impl Iterator<Item = &str> {
        let first = (call.to_owned(), String::new());
        let pairs = self.open_hears.range(first..).map(|(pair, _)| pair);
        let call = call.to_owned();
        pairs
            .take_while(move |(listener, _)| *listener == call)
            .map(|(_, speaker)| speaker.as_str())
    }

    /// Sound of one call has arrived in another.
    pub(crate) fn audible(&mut self, listener: &str, speaker: &str, now: i64) {
        let pair = (listener.to_owned(), speaker.to_owned());
        if let Some(interval) = self.open_hears.get_mut(&pair) {
            interval.audible = interval.audible.or(Some(now));
        }
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = &HearsInterval> {
        self.open_hears.values()
    }

    fn close_hears(&mut self, key: &(String, String), now: i64) {
        if let Some(mut interval) = self.open_hears.remove(key) {
            interval.to = Some(now);
            self.hears.push(interval);
            trim(&mut self.hears);
        }
    }

    fn set_hearing(&mut self, call: &str, now: i64, next: Option<HearingInterval>) {
        let same = match (self.open_hearing.get(call), &next) {
            (Some(a), Some(b)) => {
                a.hearing == b.hearing && a.conference_sid == b.conference_sid && a.alone == b.alone
            }
            (None, None) => true,
            _ => false,
        };
        if same {
            return;
        }
        if let Some(mut interval) = self.open_hearing.remove(call) {
            interval.to = Some(now);
            if interval.from < now {
                self.hearing.push(interval);
                trim(&mut self.hearing);
            }
        }
        if let Some(next) = next {
            self.open_hearing.insert(call.to_owned(), next);
        }
    }
}

fn trim<T>(rows: &mut Vec<T>) {
    if rows.len() > KEPT + KEPT / 10 {
        rows.drain(..KEPT / 10);
    }
}

impl World {
    /// For how long a call has heard people, and whether it does now; none if it is over.
    pub(crate) fn heard(&self, call: &str) -> Option<(Duration, bool)> {
        self.call(call).filter(|c| !c.status.is_final())?;
        let (heard, now) = self.log.heard(call, self.now);
        Some((Duration::from_millis(heard.unsigned_abs()), now))
    }

    /// Whether `x` hears `y` as a person: the room's rule, less those who are no longer there.
    pub(crate) fn hears(&self, room: &Room, x: &Participant, y: &Participant) -> bool {
        room.hears(x, y) && !self.is_ghost(&x.call) && !self.is_ghost(&y.call)
    }

    fn is_ghost(&self, call: &str) -> bool {
        self.calls.get(call).is_some_and(|c| c.ghost)
    }

    /// What a participant hears now.
    pub(crate) fn participant_hearing(&self, room: &Room, p: &Participant) -> Hearing {
        if self.is_ghost(&p.call) || !p.joined {
            return Hearing::Silence;
        }
        if p.announcements > 0 {
            return Hearing::Prompt;
        }
        if self.hears_people(room, p) {
            return Hearing::People;
        }
        sound::hearing(self.background_of(room, p).as_ref())
    }

    /// What plays to a participant now.
    fn participant_plays(&self, room: &Room, p: &Participant) -> Vec<Playback> {
        if self.is_ghost(&p.call) || !p.joined {
            return Vec::new();
        }
        let background = self.background_of(room, p);
        let background = background.filter(|_| !self.hears_people(room, p));
        p.announcing.iter().cloned().chain(background).collect()
    }

    fn hears_people(&self, room: &Room, p: &Participant) -> bool {
        room.members.iter().any(|other| self.hears(room, p, other))
    }

    /// What plays to a participant who hears nobody: the document of the wait or the hold, or a ringing tone.
    fn background_of(&self, room: &Room, p: &Participant) -> Option<Playback> {
        if p.hold {
            return p.background.clone();
        }
        let waiting = room.status == RoomStatus::Init;
        let background = p.background.clone().filter(|_| waiting);
        background.or_else(|| Self::ringing(self.rings_into(room)))
    }

    /// What plays to a call now.
    pub(super) fn call_plays(&self, sid: &str) -> Vec<Playback> {
        let answered = |c: &&Call| c.status == CallStatus::InProgress && !c.ghost;
        let Some(call) = self.calls.get(sid).filter(answered) else {
            return Vec::new();
        };
        if let Some(room) = call.room.as_ref().and_then(|r| self.rooms.get(r))
            && let Some(p) = room.member(sid).filter(|p| p.joined)
        {
            return self.participant_plays(room, p);
        }
        let background = call.background.clone().filter(|_| call.bridged.is_none());
        background.into_iter().collect()
    }

    /// Whether somebody is being dialled into the room whose ringing tone the others hear.
    fn rings_into(&self, room: &Room) -> bool {
        room.members
            .iter()
            .filter(|p| !p.joined && p.early_media)
            .any(|p| {
                self.calls
                    .get(&p.call)
                    .is_some_and(|c| c.status == CallStatus::Ringing)
            })
    }

    /// What an answered call hears now, with its conference and whether it is alone there.
    fn call_hearing(&self, sid: &str) -> Option<(Hearing, Option<String>, bool)> {
        let call = self
            .calls
            .get(sid)
            .filter(|c| c.status == CallStatus::InProgress && !c.ghost)?;
        if let Some(room) = call.room.as_ref().and_then(|r| self.rooms.get(r))
            && let Some(p) = room.member(sid).filter(|p| p.joined)
        {
            let alone = room
                .members
                .iter()
                .filter(|p| p.joined && !self.is_ghost(&p.call))
                .count()
                < 2;
            return Some((
                self.participant_hearing(room, p),
                Some(room.sid.clone()),
                alone,
            ));
        }
        match call
            .bridged
            .as_deref()
            .and_then(|other| self.calls.get(other))
        {
            Some(other) if other.ghost => Some((Hearing::Silence, None, true)),
            Some(_) => Some((Hearing::People, None, false)),
            None => Some((sound::hearing(call.background.as_ref()), None, true)),
        }
    }

    /// Compares the log with the machines for everything that was touched.
    pub(super) fn settle_hearing(&mut self) {
        let rooms = std::mem::take(&mut self.touched_rooms);
        let mut calls = std::mem::take(&mut self.touched_calls);
        let mut all_rooms = rooms;
        for call in &calls {
            if let Some(room) = self.calls.get(call).and_then(|c| c.room.clone()) {
                all_rooms.insert(room);
            }
        }
        for room in &all_rooms {
            if let Some(room) = self.rooms.get(room) {
                calls.extend(room.members.iter().map(|p| p.call.clone()));
            }
        }
        let mut wanted: BTreeMap<(String, String), Option<String>> = BTreeMap::new();
        for room in all_rooms.iter().filter_map(|sid| self.rooms.get(sid)) {
            for x in &room.members {
                for y in &room.members {
                    if self.hears(room, x, y) {
                        wanted.insert((x.call.clone(), y.call.clone()), Some(room.sid.clone()));
                    }
                }
            }
        }
        for sid in &calls {
            let Some(call) = self.calls.get(sid) else {
                continue;
            };
            let Some(other) = call.bridged.as_ref() else {
                continue;
            };
            if call.room.is_none() && !call.ghost && !self.is_ghost(other) {
                wanted.insert((sid.clone(), other.clone()), None);
                wanted.insert((other.clone(), sid.clone()), None);
            }
        }
        self.settle_pairs(&all_rooms, &calls, wanted);
        for sid in &calls {
            let next = self
                .call_hearing(sid)
                .map(|(hearing, conference_sid, alone)| HearingInterval {
                    who: self.calls[sid].who.clone(),
                    call_sid: sid.clone(),
                    conference_sid,
                    alone,
                    hearing,
                    from: self.now,
                    to: None,
                });
            self.log.set_hearing(sid, self.now, next);
        }
        if self.listening {
            self.settle_sound(&calls);
        }
        if self.watched {
            self.publish(&calls, &all_rooms);
        }
    }

    fn settle_pairs(
        &mut self,
        rooms: &BTreeSet<String>,
        calls: &BTreeSet<String>,
        wanted: BTreeMap<(String, String), Option<String>>,
    ) {
        let stale: Vec<(String, String)> = self
            .log
            .open_hears
            .iter()
            .filter(|(key, open)| {
                let touched = open
                    .conference_sid
                    .as_ref()
                    .is_some_and(|room| rooms.contains(room))
                    || calls.contains(&key.0)
                    || calls.contains(&key.1);
                touched && wanted.get(*key) != Some(&open.conference_sid)
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in stale {
            self.log.close_hears(&key, self.now);
        }
        for ((listener_sid, speaker_sid), conference_sid) in wanted {
            let key = (listener_sid.clone(), speaker_sid.clone());
            if self.log.open_hears.contains_key(&key) {
                continue;
            }
            let who = |sid: &str| {
                self.calls
                    .get(sid)
                    .map(|c| c.who.clone())
                    .unwrap_or_default()
            };
            let (listener, speaker) = (who(&listener_sid), who(&speaker_sid));
            let now = self.now;
            let first = self.calls.get_mut(&listener_sid).is_some_and(|c| {
                let first = c.heard_person_at.is_none();
                c.heard_person_at = c.heard_person_at.or(Some(now));
                first
            });
            if first {
                self.effect(Effect::FirstHeard {
                    call: listener_sid.clone(),
                });
            }
            let interval = HearsInterval {
                listener,
                speaker,
                listener_sid,
                speaker_sid,
                conference_sid,
                from: now,
                to: None,
                audible: None,
            };
            self.log.open_hears.insert(key, interval);
        }
    }

    fn publish(&mut self, calls: &BTreeSet<String>, rooms: &BTreeSet<String>) {
        for sid in calls {
            if let Some(call) = self.calls.get(sid) {
                let body = json!({ "type": "call", "at": self.now, "call": self.call_body(call), "who": call.who });
                self.effect(Effect::Changed(body));
            }
        }
        for sid in rooms {
            if let Some(room) = self.rooms.get(sid) {
                let participants: Vec<_> = room
                    .members
                    .iter()
                    .map(|p| self.participant_body_with_hearing(room, p))
                    .collect();
                let body = json!({
                    "type": "conference", "at": self.now,
                    "conference": self.room_body(room), "participants": participants,
                });
                self.effect(Effect::Changed(body));
            }
        }
    }
}
