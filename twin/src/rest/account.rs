//! What the account owns, over REST: numbers, applications, keys, caller ids, queues, recordings.

use serde_json::{Value, json};

use super::{
    Answer, Outcome, Request, at_path, check_url, dates, every, missing, not_allowed, page,
    subscription, url_param,
};
use crate::clock::rfc2822;
use crate::form::{Form, is_e164};
use crate::verbs::new_recording;
use crate::world::account::{
    Application, CallerId, Key, Number, Queue, Recording, RecordingStatus, VoiceSettings,
};
use crate::world::bodies::key_body;
use crate::world::{Method, Refusal, Source, World};

pub(super) fn route(w: &mut World, r: &Request<'_>, method: &str, path: &[&str]) -> Outcome {
    match (method, path) {
        ("GET", ["IncomingPhoneNumbers"] | ["IncomingPhoneNumbers", "Local"]) => list_numbers(w, r),
        ("POST", ["IncomingPhoneNumbers"] | ["IncomingPhoneNumbers", "Local"]) => buy_number(w, r),
        (_, ["IncomingPhoneNumbers", sid]) => number(w, r, method, sid),
        ("GET", ["AvailablePhoneNumbers"]) => {
            let uri = r.raw_path.trim_end_matches(".json");
            let countries: Vec<Value> = [("US", "United States"), ("GB", "United Kingdom"), ("DE", "Germany")]
                .iter()
                .map(|(code, name)| json!({
                    "country_code": code, "country": name, "beta": false, "uri": format!("{uri}/{code}.json"),
                    "subresource_uris": { "local": format!("{uri}/{code}/Local.json") },
                }))
                .collect();
            Ok(Answer::ok(
                json!({ "countries": countries, "uri": r.raw_path }),
            ))
        }
        (
            "GET",
            [
                "AvailablePhoneNumbers",
                country,
                "Local" | "Mobile" | "TollFree",
            ],
        ) => available(w, r, country),
        ("GET", ["Applications"]) => {
            let name = r.query.text("FriendlyName");
            page(
                r,
                "applications",
                &w.account.applications,
                |a| name.is_none_or(|n| a.friendly_name == n),
                |a| &a.sid,
                |a| w.application_body(a),
            )
        }
        ("POST", ["Applications"]) => create_application(w, r),
        (_, ["Applications", sid]) => application(w, r, method, sid),
        ("GET", ["Keys"]) => page(
            r,
            "keys",
            &w.account.keys,
            every,
            |k| &k.sid,
            |k| key_body(k, false),
        ),
        ("POST", ["Keys"]) => {
            let (sid, secret) = (w.sid("SK"), w.sid("")[..32].to_owned());
            let friendly_name = r.form.text("FriendlyName").unwrap_or_default().to_owned();
            let key = Key {
                sid,
                friendly_name,
                secret,
                created: w.now,
                updated: w.now,
            };
            w.account.keys.push(key.clone());
            Ok(Answer::created(key_body(&key, true)))
        }
        (_, ["Keys", sid]) => key(w, r, method, sid),
        ("GET", ["OutgoingCallerIds"]) => {
            let number = r.query.text("PhoneNumber");
            page(
                r,
                "outgoing_caller_ids",
                &w.account.caller_ids,
                |c| number.is_none_or(|n| c.number == n),
                |c| &c.sid,
                |c| w.caller_id_body(c),
            )
        }
        ("POST", ["OutgoingCallerIds"]) => verify_caller_id(w, r),
        (_, ["OutgoingCallerIds", sid]) => caller_id(w, r, method, sid),
        ("GET", ["Queues"]) => page(
            r,
            "queues",
            &w.account.queues,
            every,
            |q| &q.sid,
            |q| w.queue_body(q),
        ),
        ("POST", ["Queues"]) => create_queue(w, r),
        (_, ["Queues", sid]) => queue(w, r, method, sid),
        ("GET", ["Queues", sid, "Members"]) => {
            let q = w.account.queue(sid).ok_or_else(|| missing(r))?;
            page(
                r,
                "queue_members",
                q.members.iter().enumerate(),
                every,
                |(_, m)| &m.0,
                |(at, _)| w.member_body(q, *at),
            )
        }
        (_, ["Queues", sid, "Members", member]) => queue_member(w, r, method, sid, member),
        ("GET", ["Recordings"]) => list_recordings(w, r, None),
        (_, ["Recordings", sid]) => recording(w, r, method, sid),
        ("POST", ["Tokens"]) => {
            let ttl = r.form.text("Ttl").unwrap_or("86400").to_owned();
            let body = json!({
                "account_sid": w.account.credentials.account_sid, "username": w.sid("")[..32], "password": w.sid("")[..32],
                "ttl": ttl, "ice_servers": [], "date_created": rfc2822(w.now), "date_updated": rfc2822(w.now),
            });
            Ok(Answer::created(body))
        }
        ("GET" | "POST" | "DELETE", _) => Err(missing(r)),
        _ => not_allowed(),
    }
}

/// Applies the voice settings that a form names; what it does not name stays.
fn voice_settings(form: &Form, voice: &mut VoiceSettings) -> Result<(), Refusal> {
    let before = voice.clone();
    let urls: [(&str, &mut String); 3] = [
        ("VoiceUrl", &mut voice.url),
        ("VoiceFallbackUrl", &mut voice.fallback_url),
        ("StatusCallback", &mut voice.status_callback),
    ];
    for (name, field) in urls {
        if let Some(value) = form.get(name) {
            if !value.is_empty() {
                check_url(value, name)?;
            }
            value.clone_into(field);
        }
    }
    let methods: [(&str, &mut String); 3] = [
        ("VoiceMethod", &mut voice.method),
        ("VoiceFallbackMethod", &mut voice.fallback_method),
        ("StatusCallbackMethod", &mut voice.status_callback_method),
    ];
    for (name, field) in methods {
        if let Some(value) = form.text(name) {
            value.clone_into(field);
        }
    }
    if voice.url.is_empty()
        && !voice.fallback_url.is_empty()
        && before.fallback_url != voice.fallback_url
    {
        return Err(Refusal::bad(
            21405,
            "Cannot set VoiceFallbackUrl without setting Url",
        ));
    }
    Ok(())
}

fn list_numbers(w: &mut World, r: &Request<'_>) -> Outcome {
    let (number, name) = (r.query.text("PhoneNumber"), r.query.text("FriendlyName"));
    page(
        r,
        "incoming_phone_numbers",
        &w.account.numbers,
        |n| {
            number.is_none_or(|p| n.e164.contains(p.trim_matches('*')))
                && name.is_none_or(|p| n.friendly_name == p)
        },
        |n| &n.sid,
        |n| w.number_body(n),
    )
}

fn buy_number(w: &mut World, r: &Request<'_>) -> Outcome {
    let number = match (r.form.text("PhoneNumber"), r.form.text("AreaCode")) {
        (Some(number), _) if is_e164(number) => number.to_owned(),
        (Some(number), _) => {
            return Err(Refusal::bad(
                21421,
                format!("{number} is not a valid number"),
            ));
        }
        (None, Some(code))
            if code.len() == 3
                && code.bytes().all(|b| b.is_ascii_digit())
                && !code.starts_with(['0', '1']) =>
        {
            let free = (0..10_000)
                .map(|n| format!("+1{code}555{n:04}"))
                .find(|n| w.account.number(n).is_none());
            free.ok_or_else(|| {
                Refusal::bad(21452, format!("No phone numbers found in area code {code}"))
            })?
        }
        (None, Some(code)) => {
            return Err(Refusal::bad(
                21452,
                format!("No phone numbers found in area code {code}"),
            ));
        }
        (None, None) => return Err(Refusal::bad(21421, "PhoneNumber or AreaCode is required")),
    };
    if w.account.number(&number).is_some() {
        return Err(Refusal::bad(21422, format!("{number} is not available.")));
    }
    let mut row = Number::new(number, w.now);
    number_form(w, &r.form, &mut row)?;
    let row = w.take_number(row);
    Ok(Answer::created(w.number_body(&row)))
}

fn number_form(w: &World, form: &Form, row: &mut Number) -> Result<(), Refusal> {
    if let Some(app) = form.get("VoiceApplicationSid") {
        if !app.is_empty() && w.account.application(app).is_none() {
            return Err(Refusal::bad(
                21420,
                format!("ApplicationSid {app} is not accessible"),
            ));
        }
        app.clone_into(&mut row.voice_application_sid);
    }
    voice_settings(form, &mut row.voice)?;
    if let Some(name) = form.text("FriendlyName") {
        name.clone_into(&mut row.friendly_name);
    }
    if let Some(lookup) = form.flag("VoiceCallerIdLookup") {
        row.caller_id_lookup = lookup;
    }
    if let Some(address) = form.get("EmergencyAddressSid") {
        address.clone_into(&mut row.emergency_address_sid);
    }
    Ok(())
}

fn number(w: &mut World, r: &Request<'_>, method: &str, sid: &str) -> Outcome {
    let at = w
        .account
        .numbers
        .iter()
        .position(|n| n.sid == sid)
        .ok_or_else(|| missing(r))?;
    match method {
        "GET" => {}
        "POST" => {
            let mut row = w.account.numbers[at].clone();
            number_form(w, &r.form, &mut row)?;
            row.updated = w.now;
            w.account.numbers[at] = row;
        }
        "DELETE" => {
            w.account.numbers.remove(at);
            return Ok(Answer::gone());
        }
        _ => return not_allowed(),
    }
    Ok(Answer::ok(w.number_body(&w.account.numbers[at])))
}

/// Twenty free numbers of the area asked for; any other valid one may be bought just as well.
fn available(w: &mut World, r: &Request<'_>, country: &str) -> Outcome {
    let prefix = match country {
        "US" | "CA" => format!(
            "+1{}555",
            r.query
                .text("AreaCode")
                .filter(|a| a.len() == 3)
                .unwrap_or("415")
        ),
        "GB" => String::from("+4420794"),
        "DE" => String::from("+4930555"),
        _ => return Err(missing(r)),
    };
    let pattern: String = r
        .query
        .text("Contains")
        .unwrap_or_default()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    let rows: Vec<Value> = (0..10_000)
        .map(|n| format!("{prefix}{n:04}"))
        .filter(|n| w.account.number(n).is_none() && n.contains(&pattern))
        .take(20)
        .map(|n| json!({
            "phone_number": n, "friendly_name": n, "iso_country": country, "address_requirements": "none", "beta": false,
            "capabilities": { "voice": true, "sms": false, "mms": false }, "lata": null, "latitude": null,
            "longitude": null, "locality": null, "postal_code": null, "rate_center": null, "region": null,
        }))
        .collect();
    Ok(Answer::ok(
        json!({ "available_phone_numbers": rows, "uri": r.raw_path }),
    ))
}

fn create_application(w: &mut World, r: &Request<'_>) -> Outcome {
    let mut voice = VoiceSettings::default();
    voice_settings(&r.form, &mut voice)?;
    let friendly_name = r.form.text("FriendlyName").unwrap_or_default().to_owned();
    let app = Application {
        sid: w.sid("AP"),
        friendly_name,
        voice,
        created: w.now,
        updated: w.now,
    };
    w.account.applications.push(app.clone());
    Ok(Answer::created(w.application_body(&app)))
}

fn application(w: &mut World, r: &Request<'_>, method: &str, sid: &str) -> Outcome {
    let at = w
        .account
        .applications
        .iter()
        .position(|a| a.sid == sid)
        .ok_or_else(|| missing(r))?;
    match method {
        "GET" => {}
        "POST" => {
            let mut app = w.account.applications[at].clone();
            voice_settings(&r.form, &mut app.voice)?;
            if let Some(name) = r.form.text("FriendlyName") {
                name.clone_into(&mut app.friendly_name);
            }
            app.updated = w.now;
            w.account.applications[at] = app;
        }
        "DELETE" => {
            w.account.applications.remove(at);
            return Ok(Answer::gone());
        }
        _ => return not_allowed(),
    }
    Ok(Answer::ok(w.application_body(&w.account.applications[at])))
}

fn key(w: &mut World, r: &Request<'_>, method: &str, sid: &str) -> Outcome {
    let now = w.now;
    let at = w
        .account
        .keys
        .iter()
        .position(|k| k.sid == sid)
        .ok_or_else(|| missing(r))?;
    match method {
        "GET" => {}
        "POST" => {
            let key = &mut w.account.keys[at];
            r.form
                .text("FriendlyName")
                .unwrap_or_default()
                .clone_into(&mut key.friendly_name);
            key.updated = now;
        }
        "DELETE" => {
            w.account.keys.remove(at);
            return Ok(Answer::gone());
        }
        _ => return not_allowed(),
    }
    Ok(Answer::ok(key_body(&w.account.keys[at], false)))
}

/// At Twilio a verification call follows; here the number counts as verified at once.
fn verify_caller_id(w: &mut World, r: &Request<'_>) -> Outcome {
    let number = r
        .form
        .text("PhoneNumber")
        .filter(|n| is_e164(n))
        .ok_or_else(|| Refusal::bad(21421, "PhoneNumber is not valid"))?;
    if w.account.caller_ids.iter().any(|c| c.number == number) {
        return Err(Refusal::bad(
            21450,
            "Phone number already validated on your account",
        ));
    }
    let row = CallerId {
        sid: w.sid("PN"),
        number: number.to_owned(),
        friendly_name: r.form.text("FriendlyName").unwrap_or(number).to_owned(),
        created: w.now,
        updated: w.now,
    };
    w.account.caller_ids.push(row.clone());
    Ok(Answer::ok(json!({
        "account_sid": w.account.credentials.account_sid, "call_sid": w.sid("CA"), "friendly_name": row.friendly_name,
        "phone_number": row.number, "validation_code": "123456",
    })))
}

fn caller_id(w: &mut World, r: &Request<'_>, method: &str, sid: &str) -> Outcome {
    let now = w.now;
    let at = w
        .account
        .caller_ids
        .iter()
        .position(|c| c.sid == sid)
        .ok_or_else(|| missing(r))?;
    match method {
        "GET" => {}
        "POST" => {
            let row = &mut w.account.caller_ids[at];
            r.form
                .text("FriendlyName")
                .unwrap_or_default()
                .clone_into(&mut row.friendly_name);
            row.updated = now;
        }
        "DELETE" => {
            w.account.caller_ids.remove(at);
            return Ok(Answer::gone());
        }
        _ => return not_allowed(),
    }
    Ok(Answer::ok(w.caller_id_body(&w.account.caller_ids[at])))
}

fn queue_max(form: &Form) -> Result<Option<usize>, Refusal> {
    match form.text("MaxSize").map(str::parse::<usize>) {
        None => Ok(None),
        Some(Ok(max)) if (1..=5000).contains(&max) => Ok(Some(max)),
        Some(_) => Err(Refusal::bad(20001, "MaxSize must be 1 to 5000")),
    }
}

/// A queue's name, if it is short enough and no other queue's.
fn queue_name(w: &World, name: &str, own: Option<&str>) -> Result<String, Refusal> {
    if name.is_empty() || name.chars().count() > 64 {
        return Err(Refusal::bad(
            20001,
            "FriendlyName is required and has at most 64 characters",
        ));
    }
    let taken = w.account.queue(name).map(|q| q.sid.as_str());
    if taken.is_some() && taken != own {
        return Err(Refusal::bad(
            22003,
            "Queue with this friendly name already exists",
        ));
    }
    Ok(name.to_owned())
}

fn create_queue(w: &mut World, r: &Request<'_>) -> Outcome {
    let name = queue_name(w, r.form.text("FriendlyName").unwrap_or_default(), None)?;
    let max = queue_max(&r.form)?.unwrap_or(100);
    let queue = Queue {
        sid: w.sid("QU"),
        name,
        max,
        created: w.now,
        updated: w.now,
        members: Vec::new(),
    };
    w.account.queues.push(queue.clone());
    Ok(Answer::created(w.queue_body(&queue)))
}

fn queue(w: &mut World, r: &Request<'_>, method: &str, sid: &str) -> Outcome {
    let now = w.now;
    let at = w
        .account
        .queues
        .iter()
        .position(|q| q.sid == sid)
        .ok_or_else(|| missing(r))?;
    match method {
        "GET" => {}
        "POST" => {
            let max = queue_max(&r.form)?;
            let name = r.form.text("FriendlyName");
            let name = name
                .map(|name| queue_name(w, name, Some(sid)))
                .transpose()?;
            let queue = &mut w.account.queues[at];
            if let Some(name) = name {
                queue.name = name;
            }
            queue.max = max.unwrap_or(queue.max);
            queue.updated = now;
        }
        "DELETE" => {
            if !w.account.queues[at].members.is_empty() {
                return Err(Refusal::bad(
                    22002,
                    "Cannot delete a queue that is not empty",
                ));
            }
            w.account.queues.remove(at);
            return Ok(Answer::gone());
        }
        _ => return not_allowed(),
    }
    Ok(Answer::ok(w.queue_body(&w.account.queues[at])))
}

fn queue_member(w: &mut World, r: &Request<'_>, method: &str, sid: &str, member: &str) -> Outcome {
    let q = w.account.queue(sid).ok_or_else(|| missing(r))?;
    let at = match member {
        "Front" => (!q.members.is_empty()).then_some(0),
        call => q.members.iter().position(|(c, _)| c == call),
    };
    let at = at.ok_or_else(|| missing(r))?;
    let body = w.member_body(q, at);
    let call = q.members[at].0.clone();
    match method {
        "GET" => {}
        "POST" => {
            let target = url_param(&r.form, "Url", "Method", Method::Post)?;
            let target = target.ok_or_else(|| Refusal::bad(21205, "Url is required"))?;
            w.redirect(&call, Source::Url(target))
                .map_err(|e| at_path(r, e))?;
        }
        _ => return not_allowed(),
    }
    Ok(Answer::ok(body))
}

fn list_recordings(w: &World, r: &Request<'_>, call: Option<&str>) -> Outcome {
    let q = &r.query;
    let deleted = q.flag("IncludeSoftDeleted") == Some(true);
    let created = dates(q, "DateCreated")?;
    let wanted = |rec: &&Recording| {
        call.or(q.text("CallSid")).is_none_or(|c| rec.call == c)
            // Conferences are not recorded here, only legs.
            && (call.is_some() || q.text("ConferenceSid").is_none())
            && (deleted || !rec.deleted)
            && created.cover(Some(rec.created))
    };
    page(
        r,
        "recordings",
        w.account.recordings.iter().rev(),
        wanted,
        |rec| &rec.sid,
        |rec| w.recording_body(rec, call.is_some()),
    )
}

fn recording(w: &mut World, r: &Request<'_>, method: &str, sid: &str) -> Outcome {
    let hidden = r.query.flag("IncludeSoftDeleted") != Some(true);
    let at = w
        .account
        .recordings
        .iter()
        .position(|rec| rec.sid == sid && !(hidden && rec.deleted));
    let at = at.ok_or_else(|| missing(r))?;
    match method {
        "GET" => Ok(Answer::ok(
            w.recording_body(&w.account.recordings[at], false),
        )),
        "DELETE" => {
            w.account.recordings[at].deleted = true;
            Ok(Answer::gone())
        }
        _ => not_allowed(),
    }
}

pub(super) fn call_recordings(w: &mut World, r: &Request<'_>, method: &str, call: &str) -> Outcome {
    match method {
        "GET" => list_recordings(w, r, Some(call)),
        "POST" => {
            if w.call(call)
                .is_none_or(|c| c.started.is_none() || !c.is_live())
            {
                return Err(Refusal::bad(
                    21220,
                    "Requested resource is not eligible for recording",
                ));
            }
            let hook = subscription(&r.form, "RecordingStatusCallback", &["completed"])?;
            let channels = if r.form.text("RecordingChannels") == Some("dual") {
                2
            } else {
                1
            };
            let mut recording = new_recording(call, "StartCallRecordingAPI", channels, hook, w.now);
            if let Some(track) = r.form.text("RecordingTrack") {
                track.clone_into(&mut recording.track);
            }
            let recording = w.start_recording(recording);
            Ok(Answer::created(w.recording_body(&recording, true)))
        }
        _ => not_allowed(),
    }
}

pub(super) fn call_recording(
    w: &mut World,
    r: &Request<'_>,
    method: &str,
    call: &str,
    sid: &str,
) -> Outcome {
    let found = w.account.recordings.iter().find(|rec| {
        rec.call == call
            && !rec.deleted
            && (rec.sid == sid || (sid == "Twilio.CURRENT" && rec.is_live()))
    });
    let recording = found.ok_or_else(|| missing(r))?.clone();
    match method {
        "GET" => Ok(Answer::ok(w.recording_body(&recording, true))),
        "DELETE" => {
            if let Some(row) = w
                .account
                .recordings
                .iter_mut()
                .find(|rec| rec.sid == recording.sid)
            {
                row.deleted = true;
            }
            Ok(Answer::gone())
        }
        "POST" => {
            let status = match r.form.text("Status") {
                Some("paused") => RecordingStatus::Paused,
                Some("in-progress") => RecordingStatus::InProgress,
                Some("stopped" | "completed") => RecordingStatus::Completed,
                Some("absent") => RecordingStatus::Absent,
                _ => {
                    return Err(Refusal::bad(
                        20001,
                        "Status may be paused, in-progress or stopped",
                    ));
                }
            };
            if !recording.is_live() {
                return Err(Refusal::bad(
                    21220,
                    "Recording is not in-progress. Cannot update.",
                ));
            }
            let row = w
                .set_recording(&recording.sid, status)
                .ok_or_else(|| missing(r))?;
            Ok(Answer::ok(w.recording_body(&row, true)))
        }
        _ => not_allowed(),
    }
}
