//! Conferences and participants: list, fetch, add, hold, mute, coach, announce, remove, end.

use super::{
    Answer, Outcome, Request, at_path, calls, check_url, dates, missing, page, subscription,
    url_param,
};
use crate::form::{Form, is_sid};
use crate::world::call::{Direction, NewCall};
use crate::world::conference::{
    DEFAULT_MUSIC, Entry, Participant, Room, RoomStatus, Update, invalid_label, label_is_valid,
    nobody_to_coach,
};
use crate::world::{Method, Program, Refusal, Target, World};

pub(super) fn list(w: &mut World, r: &Request<'_>) -> Outcome {
    let q = &r.query;
    let status = q.text("Status");
    if !matches!(status, None | Some("init" | "in-progress" | "completed")) {
        return Err(Refusal::bad(
            20001,
            "Status may be init, in-progress or completed",
        ));
    }
    let (created, updated) = (dates(q, "DateCreated")?, dates(q, "DateUpdated")?);
    let wanted = |c: &&Room| {
        q.text("FriendlyName").is_none_or(|name| c.name == name)
            && status.is_none_or(|s| c.status.word() == s)
            && created.cover(Some(c.created))
            && updated.cover(Some(c.updated))
    };
    page(
        r,
        "conferences",
        w.rooms(),
        wanted,
        |c| &c.sid,
        |c| w.room_body(c),
    )
}

fn room<'w>(w: &'w World, r: &Request<'_>, sid: &str) -> Result<&'w Room, Refusal> {
    w.room(sid).ok_or_else(|| missing(r))
}

pub(super) fn fetch(w: &mut World, r: &Request<'_>, sid: &str) -> Outcome {
    Ok(Answer::ok(w.room_body(room(w, r, sid)?)))
}

pub(super) fn update(w: &mut World, r: &Request<'_>, sid: &str) -> Outcome {
    let over = room(w, r, sid)?.is_over();
    let announce = url_param(&r.form, "AnnounceUrl", "AnnounceMethod", Method::Post)?;
    match r.form.text("Status") {
        Some("completed") => w.end_room_by_api(sid),
        Some(_) => return Err(Refusal::bad(20001, "Status may only be completed")),
        None if over => {
            return Err(Refusal::bad(
                16022,
                "Conference does not exist or is completed",
            ));
        }
        None => {}
    }
    if let Some(target) = announce {
        w.announce_to_all(sid, &target);
    }
    Ok(Answer::ok(w.room_body(room(w, r, sid)?)))
}

/// Only those who are there, or on their way: a room that is over has none.
pub(super) fn participants(w: &mut World, r: &Request<'_>, sid: &str) -> Outcome {
    let room = room(w, r, sid)?;
    let q = &r.query;
    let wanted = |p: &&Participant| {
        q.flag("Muted").is_none_or(|f| p.muted == f)
            && q.flag("Hold").is_none_or(|f| p.hold == f)
            && q.flag("Coaching").is_none_or(|f| p.coaching == f)
    };
    page(
        r,
        "participants",
        &room.members,
        wanted,
        |p| &p.call,
        |p| w.participant_body(room, p),
    )
}

pub(super) fn participant(w: &mut World, r: &Request<'_>, sid: &str, who: &str) -> Outcome {
    let room = room(w, r, sid)?;
    let p = room.member(who).ok_or_else(|| missing(r))?;
    Ok(Answer::ok(w.participant_body(room, p)))
}

fn wait(form: &Form) -> Result<Option<Target>, Refusal> {
    match form.get("WaitUrl") {
        Some("") => Ok(None),
        Some(url) => {
            check_url(url, "WaitUrl")?;
            Ok(Some(Target::new(
                url,
                Method::read(form.text("WaitMethod"), Method::Post),
            )))
        }
        None => Ok(Some(Target::new(DEFAULT_MUSIC, Method::Get))),
    }
}

/// Dials somebody into a room (Participant resource, create).
pub(super) fn add(w: &mut World, r: &Request<'_>, sid_or_name: &str) -> Outcome {
    let form = &r.form;
    let ends = calls::ends(w, form)?;
    let label = form.text("Label").map(str::to_owned);
    if label.as_deref().is_some_and(|l| !label_is_valid(l)) {
        return Err(invalid_label());
    }
    let coaching = form.flag("Coaching").unwrap_or(false);
    let coach = form.text("CallSidToCoach").map(str::to_owned);
    if coaching && coach.is_none() {
        return Err(Refusal::bad(
            20001,
            "CallSidToCoach is required when Coaching is true",
        ));
    }
    let max = match form.text("MaxParticipants").map(str::parse::<usize>) {
        None => 250,
        Some(Ok(max)) if (2..=250).contains(&max) => max,
        Some(_) => return Err(Refusal::bad(20001, "MaxParticipants must be 2 to 250")),
    };
    let mut entry = Entry {
        label,
        muted: form.flag("Muted").unwrap_or(false),
        start: form.flag("StartConferenceOnEnter").unwrap_or(true),
        end: form.flag("EndConferenceOnExit").unwrap_or(false),
        coach: coach.filter(|_| coaching),
        coaching,
        wait: wait(form)?,
        hook: subscription(form, "ConferenceStatusCallback", &["start", "end"])?,
        region: form.text("Region").map(str::to_owned),
        max,
        by_api: true,
        early_media: form.flag("EarlyMedia").unwrap_or(true),
        queue_time: None,
    };
    let callbacks = subscription(form, "StatusCallback", &["completed"])?
        .into_iter()
        .collect();
    let limit = calls::time_limit(form)?;
    let there = if is_sid(sid_or_name, "CF") {
        let room = w.room(sid_or_name).filter(|room| !room.is_over());
        let refused = || Refusal {
            status: 404,
            code: 16022,
            message: String::from("Conference does not exist or is completed"),
        };
        Some(room.ok_or_else(refused)?)
    } else {
        w.room_named(sid_or_name)
    };
    match there {
        Some(room) => room.admits(&entry)?,
        None if entry.coach.is_some() => return Err(nobody_to_coach()),
        None => {}
    }
    // The second of the one-call-a-second rule is taken only when nothing can refuse any more.
    let dial = calls::dial(w, form, 5, "AmdStatusCallback")?;
    let queue_time = dial.not_before - w.now;
    entry.queue_time = Some(queue_time);
    let room = if is_sid(sid_or_name, "CF") {
        sid_or_name.to_owned()
    } else {
        w.open_room(sid_or_name, &entry)
    };
    let new = NewCall {
        from: ends.from,
        to: ends.to,
        direction: Direction::OutboundApi,
        who: ends.who,
        parent: None,
        callbacks,
        fallback: None,
    };
    let call = w.create_call(new, Program::Join { dial });
    if let Some(call) = w.call_mut(&call) {
        call.queue_time = queue_time;
    }
    if let Some(limit) = limit {
        w.limit(&call, limit);
    }
    w.list_participant(&room, &call, entry);
    let room = self::room(w, r, &room)?;
    let p = room.member(&call).ok_or_else(|| missing(r))?;
    Ok(Answer::created(w.participant_body(room, p)))
}

pub(super) fn update_participant(w: &mut World, r: &Request<'_>, sid: &str, who: &str) -> Outcome {
    let form = &r.form;
    let call = room(w, r, sid)?
        .member(who)
        .ok_or_else(|| missing(r))?
        .call
        .clone();
    let update = Update {
        muted: form.flag("Muted"),
        hold: form.flag("Hold"),
        hold_target: url_param(form, "HoldUrl", "HoldMethod", Method::Get)?,
        announce: url_param(form, "AnnounceUrl", "AnnounceMethod", Method::Post)?,
        wait: url_param(form, "WaitUrl", "WaitMethod", Method::Post)?,
        beep_on_exit: form.flag("BeepOnExit"),
        end: form.flag("EndConferenceOnExit"),
        coaching: form.flag("Coaching"),
        coach: form.text("CallSidToCoach").map(str::to_owned),
    };
    w.update_participant(sid, &call, update)
        .map_err(|e| at_path(r, e))?;
    let room = room(w, r, sid)?;
    let p = room.member(&call).ok_or_else(|| missing(r))?;
    Ok(Answer::ok(w.participant_body(room, p)))
}

pub(super) fn remove(w: &mut World, r: &Request<'_>, sid: &str, who: &str) -> Outcome {
    let room = room(w, r, sid)?;
    if room.status == RoomStatus::Completed {
        return Err(missing(r));
    }
    let call = room.member(who).ok_or_else(|| missing(r))?.call.clone();
    w.kick(sid, &call);
    Ok(Answer::gone())
}
