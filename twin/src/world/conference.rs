//! Conferences and their participants: `init → in-progress → completed`, joins, flags, leaves and ends.
//!
//! A room is made by its first participant, starts when two are present and one of them may start it, and never
//! comes back: the same name later is another room (Twilio docs: Conference and Participant resources, and
//! `<Conference>`). What is unsettled there is a switch in [`super::Quirks`]. It plays nothing itself: see
//! `music`.

use super::call::CallStatus;
use super::sound::{Playback, Sound};
use super::{Effect, Purpose, Refusal, Signal, Subscription, Target, World};
use crate::clock::rfc2822;
use crate::form::{Form, is_sid};

/// The music that plays where nobody asked for another; known by name, never fetched.
pub(crate) const DEFAULT_MUSIC: &str = "https://s3.amazonaws.com/com.twilio.sounds.music/index.xml";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoomStatus {
    Init,
    InProgress,
    Completed,
}

impl RoomStatus {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaveReason {
    HungUp,
    UpdatedViaApi,
    ModeratorEnded,
    EndedViaApi,
    AddFailed,
}

impl LeaveReason {
    fn word(self) -> &'static str {
        match self {
            Self::HungUp => "participant_hung_up",
            Self::UpdatedViaApi => "participant_updated_via_api",
            Self::ModeratorEnded => "moderator_ended_conference",
            Self::EndedViaApi => "conference_ended_via_api",
            Self::AddFailed => "participant_add_failed",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) sid: String,
    pub(crate) name: String,
    pub(crate) status: RoomStatus,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) region: String,
    pub(crate) reason_ended: Option<&'static str>,
    pub(crate) ended_by: Option<String>,
    pub(crate) members: Vec<Participant>,
    hook: Option<Subscription>,
    sequence: u32,
    max: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Participant {
    pub(crate) call: String,
    pub(crate) label: Option<String>,
    pub(crate) muted: bool,
    pub(crate) hold: bool,
    pub(crate) coaching: bool,
    pub(crate) coach: Option<String>,
    pub(crate) start: bool,
    pub(crate) end: bool,
    pub(crate) beep_on_exit: bool,
    /// False while its leg is still being dialled.
    pub(crate) joined: bool,
    /// While it rings, the others hear its ringing tone.
    pub(crate) early_media: bool,
    /// Dialled by the Participants resource: no TwiML behind it, so it hangs up when it leaves.
    pub(crate) by_api: bool,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) queue_time: Option<i64>,
    /// What it hears while waiting or held.
    pub(crate) background: Option<Playback>,
    /// Announcements that play to it, one over the other.
    pub(crate) announcements: usize,
    /// What they play at the moment.
    pub(crate) announcing: Vec<Playback>,
    wait: Option<Target>,
}

/// What a joiner brings along.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) label: Option<String>,
    pub(crate) muted: bool,
    pub(crate) start: bool,
    pub(crate) end: bool,
    pub(crate) coach: Option<String>,
    pub(crate) coaching: bool,
    /// The waiting document; `None` is silence.
    pub(crate) wait: Option<Target>,
    /// Counts only for the room's first participant, as do `region` and `max`.
    pub(crate) hook: Option<Subscription>,
    pub(crate) region: Option<String>,
    pub(crate) max: usize,
    pub(crate) by_api: bool,
    pub(crate) early_media: bool,
    pub(crate) queue_time: Option<i64>,
}

/// An update of a participant (Participant resource). `None` leaves a flag as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Update {
    pub(crate) muted: Option<bool>,
    pub(crate) hold: Option<bool>,
    pub(crate) hold_target: Option<Target>,
    pub(crate) announce: Option<Target>,
    pub(crate) wait: Option<Target>,
    pub(crate) beep_on_exit: Option<bool>,
    pub(crate) end: Option<bool>,
    pub(crate) coaching: Option<bool>,
    pub(crate) coach: Option<String>,
}

impl Room {
    pub(crate) fn is_over(&self) -> bool {
        self.status == RoomStatus::Completed
    }

    pub(crate) fn member(&self, call_or_label: &str) -> Option<&Participant> {
        self.members
            .iter()
            .find(|p| p.call == call_or_label || p.label.as_deref() == Some(call_or_label))
    }

    /// Whether `entry` may become part of this room; the codes are those of the REST API (the TwiML ones are
    /// one less, but for the coach's).
    pub(crate) fn admits(&self, entry: &Entry) -> Result<(), Refusal> {
        if let Some(label) = &entry.label {
            if !label_is_valid(label) {
                return Err(invalid_label());
            }
            if self.member(label).is_some() {
                return Err(Refusal::bad(
                    16026,
                    "Participant label is in use by another participant",
                ));
            }
        }
        if self.members.len() >= self.max {
            return Err(Refusal::bad(16020, "Conference is full"));
        }
        if let Some(coach) = &entry.coach
            && self.present(coach).is_none()
        {
            return Err(nobody_to_coach());
        }
        Ok(())
    }

    /// Who is there with this call. Whom a coach talks to is named by the call only, never by a label.
    fn present(&self, call: &str) -> Option<&Participant> {
        self.members.iter().find(|p| p.call == call && p.joined)
    }

    fn member_mut(&mut self, call: &str) -> Option<&mut Participant> {
        self.members.iter_mut().find(|p| p.call == call)
    }

    /// Whether `x` hears `y`, but for ghosts: a started room, nobody held, `y` open, and a coach for its agent
    /// only.
    pub(crate) fn hears(&self, x: &Participant, y: &Participant) -> bool {
        self.status == RoomStatus::InProgress
            && x.call != y.call
            && x.joined
            && y.joined
            && !x.hold
            && !y.hold
            && !y.muted
            && (!y.coaching || y.coach.as_deref() == Some(x.call.as_str()))
    }
}

/// A label may have 128 characters, no slash, and must not look like a call's id.
pub(crate) fn label_is_valid(label: &str) -> bool {
    (1..=128).contains(&label.chars().count()) && !label.contains('/') && !is_sid(label, "CA")
}

pub(crate) fn invalid_label() -> Refusal {
    Refusal::bad(
        16024,
        "Invalid participant label, must not exceed 128 characters, must not be a CallSid, must not contain '/'",
    )
}

pub(crate) fn nobody_to_coach() -> Refusal {
    Refusal::bad(
        16028,
        "Participant to be whispered is not present in the conference",
    )
}

impl World {
    /// The room of that name, or a new one with this entry's room-wide attributes.
    pub(crate) fn open_room(&mut self, name: &str, entry: &Entry) -> String {
        if let Some(sid) = self.live_rooms.get(name) {
            return sid.clone();
        }
        let sid = self.sid("CF");
        let room = Room {
            sid: sid.clone(),
            name: name.to_owned(),
            status: RoomStatus::Init,
            created: self.now,
            updated: self.now,
            region: entry.region.clone().unwrap_or_else(|| String::from("us1")),
            reason_ended: None,
            ended_by: None,
            members: Vec::new(),
            hook: entry.hook.clone(),
            sequence: 0,
            max: entry.max,
        };
        self.rooms.insert(sid.clone(), room);
        self.room_order.push(sid.clone());
        self.live_rooms.insert(name.to_owned(), sid.clone());
        sid
    }

    /// Puts a call on the list of a room; it is not there until [`World::admit`].
    pub(crate) fn list_participant(&mut self, room: &str, call: &str, entry: Entry) {
        let now = self.now;
        if let Some(c) = self.call_mut(call) {
            c.room = Some(room.to_owned());
        }
        if let Some(r) = self.rooms.get_mut(room) {
            let coaching = entry.coaching || (!entry.by_api && entry.coach.is_some());
            r.members.push(Participant {
                call: call.to_owned(),
                label: entry.label,
                muted: entry.muted,
                hold: false,
                coaching,
                coach: entry.coach,
                start: entry.start,
                end: entry.end,
                beep_on_exit: false,
                joined: false,
                by_api: entry.by_api,
                early_media: entry.early_media,
                created: now,
                updated: now,
                queue_time: entry.queue_time,
                background: None,
                announcements: 0,
                announcing: Vec::new(),
                wait: entry.wait,
            });
        }
        self.touch_room(room);
    }

    /// The call is in the room: join, and perhaps start. False when the room is over.
    pub(crate) fn admit(&mut self, room: &str, call: &str) -> bool {
        let now = self.now;
        let Some(r) = self.rooms.get_mut(room).filter(|r| !r.is_over()) else {
            return false;
        };
        let Some(member) = r.member_mut(call) else {
            return false;
        };
        member.joined = true;
        member.updated = now;
        let wait = member.wait.clone();
        r.updated = now;
        self.touch_room(room);
        self.touched_calls.insert(call.to_owned());
        self.participant_event(room, call, "participant-join", "join", None);
        if self
            .rooms
            .get(room)
            .is_some_and(|r| r.status == RoomStatus::Init)
            && let Some(target) = wait
        {
            self.effect(Effect::Play {
                call: call.to_owned(),
                room: room.to_owned(),
                purpose: Purpose::Wait,
                target,
            });
        }
        self.start_if_due(room);
        true
    }

    fn start_if_due(&mut self, room: &str) {
        let now = self.now;
        let Some(r) = self.rooms.get_mut(room) else {
            return;
        };
        let present = r.members.iter().filter(|p| p.joined);
        if r.status != RoomStatus::Init
            || present.clone().count() < 2
            || !present.clone().any(|p| p.start)
        {
            return;
        }
        r.status = RoomStatus::InProgress;
        r.updated = now;
        let waiting: Vec<String> = r
            .members
            .iter()
            .filter(|p| p.joined && !p.hold)
            .map(|p| p.call.clone())
            .collect();
        for call in waiting {
            self.effect(Effect::Hush { call: call.clone() });
            self.set_member_background(room, &call, None);
        }
        self.room_event(room, "conference-start", "start", |_| {});
    }

    /// Takes a call out of its room, wherever that is, and ends the room if that call's flag or its being the
    /// last demands it. The call itself goes on: who removes it decides what it does next.
    pub(crate) fn leave(&mut self, call: &str, reason: LeaveReason, kicked: bool) {
        let Some(room) = self.call_mut(call).and_then(|c| c.room.take()) else {
            return;
        };
        let Some(at) = self
            .rooms
            .get(&room)
            .and_then(|r| r.members.iter().position(|p| p.call == call))
        else {
            return;
        };
        let now = self.now;
        self.effect(Effect::Silence {
            call: call.to_owned(),
        });
        let joined = self.rooms[&room].members[at].joined;
        let reason = if joined {
            reason
        } else {
            LeaveReason::AddFailed
        };
        self.participant_event(&room, call, "participant-leave", "leave", Some(reason));
        let Some(r) = self.rooms.get_mut(&room) else {
            return;
        };
        let gone = r.members.remove(at);
        r.updated = now;
        let (over, empty) = (r.is_over(), r.members.is_empty());
        self.touch_room(&room);
        if over {
            return;
        }
        if gone.end && gone.joined {
            let why = if kicked {
                "participant-with-end-conference-on-exit-kicked"
            } else {
                "participant-with-end-conference-on-exit-left"
            };
            self.end_room(&room, why, Some(&gone), LeaveReason::ModeratorEnded);
        } else if empty {
            let why = if kicked {
                "last-participant-kicked"
            } else {
                "last-participant-left"
            };
            self.end_room(&room, why, Some(&gone), LeaveReason::ModeratorEnded);
        } else if self.quirks.coach_audible_after_leave {
            self.free_coaches_of(&room, call);
        }
    }

    fn free_coaches_of(&mut self, room: &str, coached: &str) {
        let now = self.now;
        let Some(r) = self.rooms.get_mut(room) else {
            return;
        };
        for coach in r
            .members
            .iter_mut()
            .filter(|p| p.coaching && p.coach.as_deref() == Some(coached))
        {
            coach.coaching = false;
            coach.coach = None;
            coach.updated = now;
        }
    }

    /// Removes a participant (Participant resource, DELETE). A leg that TwiML brought goes on with its
    /// document.
    pub(crate) fn kick(&mut self, room: &str, call: &str) {
        let by_api = self
            .rooms
            .get(room)
            .and_then(|r| r.member(call))
            .is_some_and(|p| p.by_api || !p.joined);
        self.leave(call, LeaveReason::UpdatedViaApi, true);
        if by_api {
            self.finish(call, CallStatus::Completed, None);
        } else {
            self.tell(call, Signal::LeftRoom);
        }
    }

    /// Ends a room by request (Conference resource, `Status=completed`).
    pub(crate) fn end_room_by_api(&mut self, room: &str) {
        self.end_room(
            room,
            "conference-ended-via-api",
            None,
            LeaveReason::EndedViaApi,
        );
    }

    fn end_room(
        &mut self,
        room: &str,
        why: &'static str,
        by: Option<&Participant>,
        reason: LeaveReason,
    ) {
        let now = self.now;
        let Some(r) = self.rooms.get_mut(room).filter(|r| !r.is_over()) else {
            return;
        };
        r.status = RoomStatus::Completed;
        r.updated = now;
        r.reason_ended = Some(why);
        r.ended_by = by.map(|p| p.call.clone());
        self.live_rooms.remove(&r.name);
        let rest: Vec<(String, bool, bool)> = r
            .members
            .iter()
            .map(|p| (p.call.clone(), p.by_api, p.joined))
            .collect();
        self.touch_room(room);
        for (call, _, joined) in &rest {
            let reason = if *joined {
                reason
            } else {
                LeaveReason::AddFailed
            };
            if let Some(c) = self.call_mut(call) {
                c.room = None;
            }
            self.effect(Effect::Silence { call: call.clone() });
            self.participant_event(room, call, "participant-leave", "leave", Some(reason));
        }
        if let Some(r) = self.rooms.get_mut(room) {
            r.members.clear();
        }
        let label = by.and_then(|p| p.label.clone());
        let ended_by = by.map(|p| p.call.clone());
        self.room_event(room, "conference-end", "end", |form| {
            form.push("ReasonConferenceEnded", why);
            form.push("Reason", why);
            if let Some(call) = &ended_by {
                form.push("CallSidEndingConference", call);
            }
            if let Some(label) = &label {
                form.push("ParticipantLabelEndingConference", label);
            }
        });
        for (call, by_api, joined) in rest {
            if by_api || !joined {
                self.finish(&call, CallStatus::Completed, None);
            } else {
                self.tell(&call, Signal::LeftRoom);
            }
        }
    }

    /// Changes a participant (Participant resource, POST). All is checked before anything is changed.
    pub(crate) fn update_participant(
        &mut self,
        room: &str,
        call: &str,
        update: Update,
    ) -> Result<(), Refusal> {
        let quirks = self.quirks.clone();
        let now = self.now;
        let Some(r) = self.rooms.get_mut(room) else {
            return Err(Refusal::not_found(room));
        };
        let Some(before) = r.member(call).cloned() else {
            return Err(Refusal::not_found(call));
        };
        if update.hold == Some(true)
            && quirks.refuse_hold_before_start
            && (r.status != RoomStatus::InProgress || !before.joined)
        {
            return Err(Refusal::bad(16001, "Conference is not bridged"));
        }
        let coach = update.coach.clone().or(before.coach.clone());
        let asks = update.coaching.is_some() || update.coach.is_some();
        if asks && update.coaching.unwrap_or(before.coaching) {
            let target = coach
                .as_deref()
                .and_then(|sid| r.present(sid))
                .filter(|p| p.call != call);
            match target {
                None => return Err(nobody_to_coach()),
                Some(target) if target.hold => {
                    return Err(Refusal::bad(
                        16027,
                        "Participant to be whispered is on hold",
                    ));
                }
                Some(_) => {}
            }
        }
        let started = r.status == RoomStatus::InProgress;
        let Some(member) = r.member_mut(call) else {
            return Err(Refusal::not_found(call));
        };
        member.updated = now;
        if let Some(wait) = update.wait {
            member.wait = Some(wait);
        }
        if let Some(muted) = update.muted {
            member.muted = muted;
        }
        if let Some(hold) = update.hold {
            member.hold = hold;
        }
        if let Some(end) = update.end
            && !(before.hold && quirks.hold_locks_flags)
        {
            member.end = end;
        }
        if let Some(beep) = update.beep_on_exit {
            member.beep_on_exit = beep;
        }
        if let Some(coaching) = update.coaching {
            member.coaching = coaching;
            member.coach = if coaching { coach } else { None };
        } else if before.coaching && update.coach.is_some() {
            member.coach = coach;
        }
        let after = member.clone();
        r.updated = now;
        self.touch_room(room);
        if let Some(target) = update.announce {
            self.announce(room, call, target);
        }
        match (before.hold, after.hold) {
            (_, true) if !before.hold || update.hold_target.is_some() => {
                let target = update
                    .hold_target
                    .unwrap_or_else(|| Target::new(DEFAULT_MUSIC, super::Method::Get));
                self.effect(Effect::Hush {
                    call: call.to_owned(),
                });
                self.set_member_background(room, call, None);
                self.effect(Effect::Play {
                    call: call.to_owned(),
                    room: room.to_owned(),
                    purpose: Purpose::Hold,
                    target,
                });
            }
            (true, false) => {
                self.effect(Effect::Hush {
                    call: call.to_owned(),
                });
                self.set_member_background(room, call, None);
                if !started && let Some(target) = after.wait.clone() {
                    let (call, room) = (call.to_owned(), room.to_owned());
                    self.effect(Effect::Play {
                        call,
                        room,
                        purpose: Purpose::Wait,
                        target,
                    });
                }
            }
            _ => {}
        }
        if before.hold != after.hold {
            let event = if after.hold {
                "participant-hold"
            } else {
                "participant-unhold"
            };
            self.participant_event(room, call, event, "hold", None);
        }
        if before.muted != after.muted {
            let event = if after.muted {
                "participant-mute"
            } else {
                "participant-unmute"
            };
            self.participant_event(room, call, event, "mute", None);
        }
        let modified = before.end != after.end
            || before.coaching != after.coaching
            || before.coach != after.coach
            || before.beep_on_exit != after.beep_on_exit;
        if modified {
            self.participant_event(room, call, "participant-modify", "modify", None);
        }
        Ok(())
    }

    /// Plays an announcement to everybody present (Conference resource, `AnnounceUrl`).
    pub(crate) fn announce_to_all(&mut self, room: &str, target: &Target) {
        let calls: Vec<String> = self
            .rooms
            .get(room)
            .map(|r| {
                r.members
                    .iter()
                    .filter(|p| p.joined && !p.hold)
                    .map(|p| p.call.clone())
                    .collect()
            })
            .unwrap_or_default();
        for call in calls {
            self.announce(room, &call, target.clone());
        }
    }

    fn announce(&mut self, room: &str, call: &str, target: Target) {
        let Some(member) = self.rooms.get_mut(room).and_then(|r| r.member_mut(call)) else {
            return;
        };
        member.announcements += 1;
        self.touch_room(room);
        let (call, room) = (call.to_owned(), room.to_owned());
        self.effect(Effect::Play {
            call,
            room,
            purpose: Purpose::Announce,
            target,
        });
    }

    /// An announcement has ended, or failed. Of one to somebody who has left nothing is said, least of all after
    /// the end of the room.
    pub(crate) fn announced(&mut self, room: &str, call: &str, url: &str, failure: Option<&str>) {
        let Some(member) = self.rooms.get_mut(room).and_then(|r| r.member_mut(call)) else {
            return;
        };
        member.announcements = member.announcements.saturating_sub(1);
        self.touch_room(room);
        let event = if failure.is_some() {
            "announcement-fail"
        } else {
            "announcement-end"
        };
        self.room_event(room, event, "announcement", |form| {
            form.push("CallSid", call);
            form.push("AnnounceUrl", url);
            if let Some(why) = failure {
                form.push("ReasonAnnouncementFailed", why);
            }
        });
    }

    /// What the waiting or hold document of a participant plays now.
    pub(crate) fn set_member_background(
        &mut self,
        room: &str,
        call: &str,
        sound: Option<(Sound, u32)>,
    ) {
        let playback = sound.map(|(sound, times)| self.playback(sound, times));
        if let Some(member) = self.rooms.get_mut(room).and_then(|r| r.member_mut(call))
            && (member.background.is_some() || playback.is_some())
        {
            member.background = playback;
            self.touch_room(room);
        }
    }

    /// What an announcement plays now, in place of what it played before, which is named by its id. With the new id.
    pub(crate) fn set_announcing(
        &mut self,
        room: &str,
        call: &str,
        before: u64,
        sound: Option<(Sound, u32)>,
    ) -> u64 {
        let playback = sound.map(|(sound, times)| self.playback(sound, times));
        let id = playback.as_ref().map_or(0, |p| p.id);
        if let Some(member) = self.rooms.get_mut(room).and_then(|r| r.member_mut(call)) {
            member.announcing.retain(|p| p.id != before);
            member.announcing.extend(playback);
            self.touch_room(room);
        }
        id
    }

    fn participant_event(
        &mut self,
        room: &str,
        call: &str,
        event: &str,
        kind: &str,
        left: Option<LeaveReason>,
    ) {
        let Some(member) = self.rooms.get(room).and_then(|r| r.member(call)).cloned() else {
            return;
        };
        let status = match self.calls.get(call).map(|c| c.status) {
            // A call that leaves before its answer is cancelled in the same step; no word of a leave is "ringing".
            Some(CallStatus::Queued | CallStatus::Initiated | CallStatus::Ringing) => {
                CallStatus::Canceled
            }
            Some(status) => status,
            None => CallStatus::Completed,
        };
        self.room_event(room, event, kind, |form| {
            form.push("CallSid", &member.call);
            form.push("Muted", member.muted.to_string());
            form.push("Hold", member.hold.to_string());
            form.push("Coaching", member.coaching.to_string());
            form.push("EndConferenceOnExit", member.end.to_string());
            form.push("StartConferenceOnEnter", member.start.to_string());
            if let Some(label) = &member.label {
                form.push("ParticipantLabel", label);
            }
            if let Some(coach) = &member.coach {
                form.push("CallSidToCoach", coach);
            }
            if let Some(reason) = left {
                form.push("ParticipantCallStatus", status.word());
                form.push("ReasonParticipantLeft", reason.word());
            }
        });
    }

    fn room_event(&mut self, room: &str, event: &str, kind: &str, more: impl FnOnce(&mut Form)) {
        let now = self.now;
        let account = self.account.credentials.account_sid.clone();
        let Some(r) = self.rooms.get_mut(room) else {
            return;
        };
        let Some(hook) = r.hook.as_ref().filter(|h| h.wants(kind)) else {
            return;
        };
        let target = hook.target.clone();
        r.sequence += 1;
        let mut form = Form::new();
        form.push("ConferenceSid", &r.sid);
        form.push("FriendlyName", &r.name);
        form.push("AccountSid", account);
        form.push("SequenceNumber", r.sequence.to_string());
        form.push("Timestamp", rfc2822(now));
        form.push("StatusCallbackEvent", event);
        more(&mut form);
        self.effect(Effect::Callback { target, form });
    }
}
