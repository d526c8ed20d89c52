//! Calls: create, list, fetch, redirect, hang up, and what hangs below a call.

use serde_json::json;

use super::{
    Answer, Outcome, Request, at_path, check_url, dates, every, missing, not_allowed, page,
    subscription, url_param,
};
use crate::clock::rfc2822;
use crate::form::{Form, is_e164, sip_address};
use crate::world::call::{Call, CallStatus, Direction, NewCall};
use crate::world::{Dial, Effect, MachineDetection, Method, Program, Refusal, Source, World};

pub(super) fn list(w: &mut World, r: &Request<'_>) -> Outcome {
    let q = &r.query;
    let status = match q.text("Status") {
        None => None,
        Some(text) => Some(
            CallStatus::read(text)
                .ok_or_else(|| Refusal::bad(20001, format!("Status {text:?} is unknown")))?,
        ),
    };
    let (started, ended) = (dates(q, "StartTime")?, dates(q, "EndTime")?);
    let wanted = |c: &&Call| {
        q.text("To").is_none_or(|to| c.to == to)
            && q.text("From").is_none_or(|from| c.from == from)
            && q.text("ParentCallSid")
                .is_none_or(|p| c.parent.as_deref() == Some(p))
            && status.is_none_or(|s| c.status.rest() == s.rest())
            // Before the answer there is no start time; the date of creation stands in, as it does for Twilio's
            // own filter.
            && started.cover(Some(c.started.unwrap_or(c.created)))
            && ended.cover(c.ended)
    };
    page(
        r,
        "calls",
        w.calls(),
        wanted,
        |c| &c.sid,
        |c| w.call_body(c),
    )
}

pub(super) fn fetch(w: &mut World, r: &Request<'_>, sid: &str) -> Outcome {
    let call = w.call(sid).ok_or_else(|| missing(r))?;
    Ok(Answer::ok(w.call_body(call)))
}

/// Checked ends of an outgoing call: from, to, and who that is.
pub(super) struct Ends {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) who: String,
}

pub(super) fn ends(w: &World, form: &Form) -> Result<Ends, Refusal> {
    let to = form
        .text("To")
        .ok_or_else(|| Refusal::bad(21201, "No 'To' number is specified"))?;
    let from = form
        .text("From")
        .ok_or_else(|| Refusal::bad(21213, "No 'From' number is specified"))?;
    let who = if let Some(client) = to.strip_prefix("client:") {
        let identity = client.split('?').next().unwrap_or(client);
        if identity.is_empty()
            || identity.len() > 121
            || identity.contains(|c: char| c.is_control() || c == ' ')
        {
            return Err(Refusal::bad(
                21211,
                format!("The client identity in {to:?} is not valid"),
            ));
        }
        identity.to_owned()
    } else if to.starts_with("sip:") {
        let invalid = || Refusal::bad(21211, format!("The SIP address in {to:?} is not valid"));
        sip_address(to).ok_or_else(invalid)?.to_owned()
    } else if to.starts_with("app:") {
        return Err(Refusal::bad(
            21214,
            format!("This double of Twilio has no way to reach {to}"),
        ));
    } else if is_e164(to) {
        to.to_owned()
    } else {
        return Err(Refusal::bad(
            21211,
            format!("Invalid 'To' Phone Number: {to}"),
        ));
    };
    let from_client = from.starts_with("client:") || from.starts_with("sip:");
    if from_client {
        if !to.starts_with("client:") && form.text("CallerId").is_none() {
            return Err(Refusal::bad(
                21212,
                format!("Invalid From Number (caller ID): {from}"),
            ));
        }
    } else if !is_e164(from) {
        return Err(Refusal::bad(
            21212,
            format!("Invalid From Number (caller ID): {from}"),
        ));
    } else if !w.account.may_call_from(from)
        && form.text("CallToken").is_none()
        && !to.starts_with("client:")
    {
        return Err(Refusal::bad(
            21210,
            format!(
                "The source phone number provided, {from}, is not yet verified for your account. You may only make calls from phone numbers that you've verified or purchased from Twilio."
            ),
        ));
    }
    let from = form.text("CallerId").unwrap_or(from).to_owned();
    Ok(Ends {
        from,
        to: to.to_owned(),
        who,
    })
}

/// The dialling itself: time-out, detection, and the place in the queue of one call a second.
pub(super) fn dial(
    w: &mut World,
    form: &Form,
    shortest: u64,
    detection_callback: &str,
) -> Result<Dial, Refusal> {
    let timeout: u64 = match form.text("Timeout") {
        None => 60,
        Some(text) => text
            .parse()
            .ok()
            .filter(|t| (shortest..=600).contains(t))
            .ok_or_else(|| {
                Refusal::bad(
                    21208,
                    format!("Timeout must be {shortest} to 600 seconds, not {text:?}"),
                )
            })?,
    };
    let machine_detection = match form.text("MachineDetection") {
        None => None,
        Some("Enable" | "DetectMessageEnd") => {
            let callback = url_param(
                form,
                detection_callback,
                &format!("{detection_callback}Method"),
                Method::Post,
            )?;
            let later =
                detection_callback == "AmdStatusCallback" || form.flag("AsyncAmd") == Some(true);
            Some(MachineDetection {
                callback: callback.filter(|_| later),
            })
        }
        Some(other) => {
            return Err(Refusal::bad(
                21234,
                format!("Invalid MachineDetection value {other:?}"),
            ));
        }
    };
    Ok(Dial {
        not_before: w.next_dial(),
        // Twilio adds a buffer of about five seconds to the time-out it is given.
        timeout: timeout + 5,
        machine_detection,
        send_digits: form.text("SendDigits").map(str::to_owned),
        parameters: Vec::new(),
    })
}

pub(super) fn time_limit(form: &Form) -> Result<Option<u64>, Refusal> {
    match form.text("TimeLimit") {
        None => Ok(None),
        Some(text) => match text.parse() {
            Ok(limit) if limit > 0 => Ok(Some(limit)),
            _ => Err(Refusal::bad(
                20001,
                format!("TimeLimit must be a number of seconds, not {text:?}"),
            )),
        },
    }
}

/// Where the program is: `Url` before `Twiml` (see [`note_both`]), else an application.
fn source(w: &World, form: &Form) -> Result<Option<(Source, Option<String>)>, Refusal> {
    if let Some(target) = url_param(form, "Url", "Method", Method::Post)? {
        return Ok(Some((Source::Url(target), None)));
    }
    if let Some(twiml) = form.text("Twiml") {
        if twiml.chars().count() > 4000 {
            return Err(Refusal::bad(
                32018,
                "Twiml size exceeded maximum allowed value of 4000 characters",
            ));
        }
        return Ok(Some((Source::Twiml(twiml.to_owned()), None)));
    }
    if let Some(sid) = form.text("ApplicationSid") {
        let app = w.account.application(sid).and_then(|app| app.voice.voice());
        let target =
            app.ok_or_else(|| Refusal::bad(21218, format!("Invalid ApplicationSid {sid}")))?;
        return Ok(Some((Source::Url(target), Some(sid.to_owned()))));
    }
    Ok(None)
}

/// `Url` and `Twiml` together are only a warning.
fn note_both(w: &mut World, form: &Form, call: &str) {
    if let (Some(url), Some(_)) = (form.text("Url"), form.text("Twiml")) {
        let text = "Twiml and Voice URL are both set. Using Voice URL.";
        w.note(call, 32019, text, url);
    }
}

pub(super) fn create(w: &mut World, r: &Request<'_>) -> Outcome {
    let form = &r.form;
    let ends = ends(w, form)?;
    let (source, app_sid) = source(w, form)?.ok_or_else(|| {
        Refusal::bad(
            21205,
            "Url parameter is required: one of Url, Twiml or ApplicationSid",
        )
    })?;
    let fallback = url_param(form, "FallbackUrl", "FallbackMethod", Method::Post)?;
    let callbacks = subscription(form, "StatusCallback", &["completed"])?
        .into_iter()
        .collect();
    let limit = time_limit(form)?;
    let dial = dial(w, form, 1, "AsyncAmdStatusCallback")?;
    let queue_time = dial.not_before - w.now;
    let new = NewCall {
        from: ends.from,
        to: ends.to,
        direction: Direction::OutboundApi,
        who: ends.who,
        parent: None,
        callbacks,
        fallback,
    };
    let sid = w.create_call(new, Program::Outgoing { dial, source });
    if let Some(call) = w.call_mut(&sid) {
        call.queue_time = queue_time;
        call.app_sid = app_sid;
    }
    note_both(w, form, &sid);
    if let Some(limit) = limit {
        w.limit(&sid, limit);
    }
    let call = w.call(&sid).ok_or_else(|| missing(r))?;
    Ok(Answer::created(w.call_body(call)))
}

pub(super) fn update(w: &mut World, r: &Request<'_>, sid: &str) -> Outcome {
    let form = &r.form;
    let call = w.call(sid).ok_or_else(|| missing(r))?;
    let (live, answered) = (call.is_live(), call.status == CallStatus::InProgress);
    let status = form.text("Status");
    if !matches!(status, None | Some("completed" | "canceled")) {
        return Err(Refusal::bad(20001, "Status may be completed or canceled"));
    }
    let redirect = source(w, form)?;
    if !live {
        let what = if redirect.is_some() {
            "redirect"
        } else {
            "modify"
        };
        return Err(Refusal::bad(
            21220,
            format!("Call is not in-progress. Cannot {what}."),
        ));
    }
    let fallback = url_param(form, "FallbackUrl", "FallbackMethod", Method::Post)?;
    let callback = subscription(form, "StatusCallback", &["completed"])?;
    if let Some(limit) = time_limit(form)? {
        w.limit(sid, limit);
    }
    if let Some(call) = w.call_mut(sid) {
        call.fallback = fallback.or(call.fallback.take());
        if let Some(callback) = callback {
            call.callbacks = vec![callback];
        }
    }
    match (status, redirect) {
        (Some("completed"), _) => {
            w.finish(sid, CallStatus::Completed, None);
        }
        (Some(_), _) if !answered => {
            w.finish(sid, CallStatus::Canceled, None);
        }
        (None, Some((source, _))) => {
            w.redirect(sid, source).map_err(|e| at_path(r, e))?;
            note_both(w, form, sid);
        }
        // Once a call is answered, "canceled" has no effect; Twilio answers 200 all the same.
        _ => {}
    }
    let call = w.call(sid).ok_or_else(|| missing(r))?;
    Ok(Answer::ok(w.call_body(call)))
}

/// What hangs below a call.
pub(super) fn sub(w: &mut World, r: &Request<'_>, method: &str, sid: &str, what: &str) -> Outcome {
    let call = w.call(sid).ok_or_else(|| missing(r))?;
    match (method, what) {
        (_, "Recordings") => super::account::call_recordings(w, r, method, sid),
        ("GET", "Events") => page(r, "events", [], every, |sid: &&str| sid, |_| json!({})),
        ("GET", "Notifications") => {
            let account = &w.account.credentials.account_sid;
            let rows = call.notes.iter().enumerate().map(|(at, note)| {
                let id = format!("NO{at:032x}");
                let warning = matches!(note.code, 12200 | 13000 | 13521 | 32015 | 32019);
                let body = json!({
                    "sid": id, "account_sid": account, "call_sid": sid, "api_version": "2010-04-01",
                    "error_code": note.code.to_string(), "log": if warning { "1" } else { "0" },
                    "message_text": note.text, "message_date": rfc2822(note.at), "request_url": note.url,
                    "more_info": format!("https://www.twilio.com/docs/errors/{}", note.code),
                    "date_created": rfc2822(note.at), "date_updated": rfc2822(note.at),
                });
                (id, body)
            });
            page(
                r,
                "notifications",
                rows,
                every,
                |(id, _)| id,
                |(_, body)| body.clone(),
            )
        }
        ("POST", "Streams") => {
            check_url_wss(r.form.text("Url"))?;
            let id = w.sid("MZ");
            Ok(Answer::ok(stream_body(w, r, sid, &id, "in-progress")))
        }
        ("POST", "UserDefinedMessages") => {
            let content = r.form.text("Content");
            let content = content.ok_or_else(|| Refusal::bad(20001, "Content is required"))?;
            let (id, account) = (w.sid("KX"), w.account.credentials.account_sid.clone());
            w.effect(Effect::Message {
                call: sid.to_owned(),
                id: id.clone(),
                content: content.to_owned(),
            });
            let body = json!({ "sid": id, "account_sid": account, "call_sid": sid, "date_created": rfc2822(w.now) });
            Ok(Answer::created(body))
        }
        ("POST", "UserDefinedMessageSubscriptions") => {
            let callback = r
                .form
                .text("Callback")
                .ok_or_else(|| Refusal::bad(20001, "Callback is required"))?;
            check_url(callback, "Callback")?;
            let (id, account) = (w.sid("ZY"), w.account.credentials.account_sid.clone());
            let body = json!({ "sid": id, "account_sid": account, "call_sid": sid, "date_created": rfc2822(w.now), "uri": r.raw_path });
            Ok(Answer::created(body))
        }
        (_, "Events" | "Notifications" | "Streams") => not_allowed(),
        _ => Err(missing(r)),
    }
}

pub(super) fn stop_stream(w: &mut World, r: &Request<'_>, call: &str, stream: &str) -> Outcome {
    w.call(call).ok_or_else(|| missing(r))?;
    Ok(Answer::ok(stream_body(w, r, call, stream, "stopped")))
}

fn check_url_wss(url: Option<&str>) -> Result<(), Refusal> {
    match url {
        Some(url) if url.starts_with("wss://") => Ok(()),
        _ => Err(Refusal::bad(21205, "Url must be a wss:// address")),
    }
}

/// Streams are accepted and answered for; their sound goes nowhere.
fn stream_body(
    w: &World,
    r: &Request<'_>,
    call: &str,
    stream: &str,
    status: &str,
) -> serde_json::Value {
    let account = &w.account.credentials.account_sid;
    json!({
        "sid": stream, "account_sid": account, "call_sid": call, "name": r.form.text("Name"), "status": status,
        "date_updated": rfc2822(w.now),
        "uri": format!("/2010-04-01/Accounts/{account}/Calls/{call}/Streams/{stream}.json"),
    })
}
