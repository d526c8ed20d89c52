//! The JSON bodies of the REST API, field for field as the official client libraries read them.
//!
//! Shapes are those of Twilio's published OpenAPI description. Numbers that Twilio writes as strings stay
//! strings. The control API shows the same bodies, so a script that reads one can read the other.

use serde_json::{Value, json};

use super::World;
use super::account::{Application, CallerId, Key, Number, Queue, Recording};
use super::call::Call;
use super::conference::{Participant, Room};
use crate::clock::rfc2822;

fn or_null(text: &str) -> Value {
    if text.is_empty() {
        Value::Null
    } else {
        json!(text)
    }
}

/// A method as it was set; unset is POST.
fn method(text: &str) -> String {
    if text.is_empty() {
        String::from("POST")
    } else {
        text.to_uppercase()
    }
}

/// `+15551234567` is shown as `(555) 123-4567`; anything else as it is.
fn formatted(number: &str) -> String {
    match number.strip_prefix("+1") {
        Some(d) if d.len() == 10 && d.is_ascii() => {
            format!("({}) {}-{}", &d[..3], &d[3..6], &d[6..])
        }
        _ => number.to_owned(),
    }
}

impl World {
    fn base(&self) -> String {
        format!(
            "/2010-04-01/Accounts/{}",
            self.account.credentials.account_sid
        )
    }

    pub(crate) fn call_body(&self, call: &Call) -> Value {
        let base = format!("{}/Calls/{}", self.base(), call.sid);
        let sub = |name: &str| format!("{base}/{name}.json");
        json!({
            "sid": call.sid,
            "account_sid": self.account.credentials.account_sid,
            "parent_call_sid": call.parent,
            "to": call.to,
            "to_formatted": formatted(&call.to),
            "from": call.from,
            "from_formatted": formatted(&call.from),
            "phone_number_sid": call.number_sid,
            "status": call.status.rest(),
            "start_time": call.started.map(rfc2822),
            "end_time": call.ended.map(rfc2822),
            "duration": call.ended.map(|_| call.seconds().to_string()),
            "price": null,
            "price_unit": "USD",
            "direction": call.direction.word(),
            "answered_by": call.answered_by,
            "api_version": "2010-04-01",
            "forwarded_from": null,
            "group_sid": null,
            "caller_name": call.name,
            "queue_time": call.queue_time.to_string(),
            "trunk_sid": null,
            "date_created": rfc2822(call.created),
            "date_updated": rfc2822(call.updated),
            "uri": format!("{base}.json"),
            "subresource_uris": {
                "notifications": sub("Notifications"),
                "recordings": sub("Recordings"),
                "payments": sub("Payments"),
                "events": sub("Events"),
                "siprec": sub("Siprec"),
                "streams": sub("Streams"),
                "transcriptions": sub("Transcriptions"),
                "user_defined_message_subscriptions": sub("UserDefinedMessageSubscriptions"),
                "user_defined_messages": sub("UserDefinedMessages"),
            },
        })
    }

    pub(crate) fn room_body(&self, room: &Room) -> Value {
        let base = format!("{}/Conferences/{}", self.base(), room.sid);
        json!({
            "sid": room.sid,
            "account_sid": self.account.credentials.account_sid,
            "api_version": "2010-04-01",
            "friendly_name": room.name,
            "region": room.region,
            "status": room.status.word(),
            "date_created": rfc2822(room.created),
            "date_updated": rfc2822(room.updated),
            "uri": format!("{base}.json"),
            "subresource_uris": {
                "participants": format!("{base}/Participants.json"),
                "recordings": format!("{base}/Recordings.json"),
            },
            "reason_conference_ended": room.reason_ended,
            "call_sid_ending_conference": room.ended_by,
        })
    }

    pub(crate) fn participant_body(&self, room: &Room, p: &Participant) -> Value {
        let status = match self.call(&p.call).map(|c| c.status.word()) {
            Some("queued") => "queued",
            Some("initiated") => "connecting",
            Some("ringing") if !p.joined => "ringing",
            Some("in-progress" | "ringing") => "connected",
            Some("failed" | "busy" | "no-answer" | "canceled") => "failed",
            _ => "complete",
        };
        json!({
            "account_sid": self.account.credentials.account_sid,
            "call_sid": p.call,
            "label": p.label,
            "conference_sid": room.sid,
            "date_created": rfc2822(p.created),
            "date_updated": rfc2822(p.updated),
            "end_conference_on_exit": p.end,
            "muted": p.muted,
            "hold": p.hold,
            "status": status,
            "start_conference_on_enter": p.start,
            "coaching": p.coaching,
            "call_sid_to_coach": p.coach,
            "queue_time": p.queue_time.map(|ms| ms.to_string()),
            "uri": format!("{}/Conferences/{}/Participants/{}.json", self.base(), room.sid, p.call),
        })
    }

    /// The REST body with `who` and `hearing`, as the control API shows it.
    pub(crate) fn participant_body_with_hearing(&self, room: &Room, p: &Participant) -> Value {
        let mut body = self.participant_body(room, p);
        body["who"] = json!(self.call(&p.call).map(|c| c.who.clone()));
        body["hearing"] = json!(self.participant_hearing(room, p));
        body
    }

    pub(crate) fn number_body(&self, n: &Number) -> Value {
        let voice = &n.voice;
        let emergency = !n.emergency_address_sid.is_empty();
        json!({
            "sid": n.sid,
            "account_sid": self.account.credentials.account_sid,
            "friendly_name": n.friendly_name,
            "phone_number": n.e164,
            "api_version": "2010-04-01",
            "address_requirements": "none",
            "address_sid": null,
            "beta": false,
            "bundle_sid": null,
            "capabilities": { "voice": true, "sms": false, "mms": false, "fax": false },
            "date_created": rfc2822(n.created),
            "date_updated": rfc2822(n.updated),
            "emergency_status": if emergency { "Active" } else { "Inactive" },
            "emergency_address_sid": or_null(&n.emergency_address_sid),
            "emergency_address_status": if emergency { "registered" } else { "unregistered" },
            "identity_sid": null,
            "origin": "twilio",
            "sms_application_sid": "",
            "sms_fallback_method": "POST",
            "sms_fallback_url": "",
            "sms_method": "POST",
            "sms_url": "",
            "status": "in-use",
            "status_callback": voice.status_callback,
            "status_callback_method": method(&voice.status_callback_method),
            "trunk_sid": null,
            "type": "local",
            "uri": format!("{}/IncomingPhoneNumbers/{}.json", self.base(), n.sid),
            "subresource_uris": {
                "assigned_add_ons": format!("{}/IncomingPhoneNumbers/{}/AssignedAddOns.json", self.base(), n.sid),
            },
            "voice_application_sid": or_null(&n.voice_application_sid),
            "voice_caller_id_lookup": n.caller_id_lookup,
            "voice_fallback_method": method(&voice.fallback_method),
            "voice_fallback_url": voice.fallback_url,
            "voice_method": method(&voice.method),
            "voice_receive_mode": "voice",
            "voice_url": voice.url,
        })
    }

    pub(crate) fn application_body(&self, a: &Application) -> Value {
        json!({
            "sid": a.sid,
            "account_sid": self.account.credentials.account_sid,
            "api_version": "2010-04-01",
            "friendly_name": a.friendly_name,
            "date_created": rfc2822(a.created),
            "date_updated": rfc2822(a.updated),
            "message_status_callback": null,
            "public_application_connect_enabled": false,
            "sms_fallback_method": "POST",
            "sms_fallback_url": null,
            "sms_method": "POST",
            "sms_status_callback": null,
            "sms_url": null,
            "status_callback": or_null(&a.voice.status_callback),
            "status_callback_method": method(&a.voice.status_callback_method),
            "uri": format!("{}/Applications/{}.json", self.base(), a.sid),
            "voice_caller_id_lookup": false,
            "voice_fallback_method": method(&a.voice.fallback_method),
            "voice_fallback_url": or_null(&a.voice.fallback_url),
            "voice_method": method(&a.voice.method),
            "voice_url": or_null(&a.voice.url),
        })
    }

    pub(crate) fn caller_id_body(&self, c: &CallerId) -> Value {
        json!({
            "sid": c.sid,
            "account_sid": self.account.credentials.account_sid,
            "friendly_name": c.friendly_name,
            "phone_number": c.number,
            "date_created": rfc2822(c.created),
            "date_updated": rfc2822(c.updated),
            "uri": format!("{}/OutgoingCallerIds/{}.json", self.base(), c.sid),
        })
    }

    pub(crate) fn queue_body(&self, q: &Queue) -> Value {
        json!({
            "sid": q.sid,
            "account_sid": self.account.credentials.account_sid,
            "friendly_name": q.name,
            "current_size": q.members.len(),
            "average_wait_time": q.average_wait(self.now),
            "max_size": q.max,
            "date_created": rfc2822(q.created),
            "date_updated": rfc2822(q.updated),
            "uri": format!("{}/Queues/{}.json", self.base(), q.sid),
            "subresource_uris": { "members": format!("{}/Queues/{}/Members.json", self.base(), q.sid) },
        })
    }

    pub(crate) fn member_body(&self, q: &Queue, at: usize) -> Value {
        let (call, since) = &q.members[at];
        json!({
            "queue_sid": q.sid,
            "call_sid": call,
            "date_enqueued": rfc2822(*since),
            "position": at + 1,
            "wait_time": (self.now - since).max(0) / 1000,
            "uri": format!("{}/Queues/{}/Members/{call}.json", self.base(), q.sid),
        })
    }

    /// `of_call` decides the address: below its call, or in the account's list.
    pub(crate) fn recording_body(&self, r: &Recording, of_call: bool) -> Value {
        let done = !r.is_live();
        let own = format!("{}/Recordings/{}", self.base(), r.sid);
        let mut body = json!({
            "sid": r.sid,
            "account_sid": self.account.credentials.account_sid,
            "api_version": "2010-04-01",
            "call_sid": r.call,
            "conference_sid": null,
            "channels": r.channels,
            "date_created": rfc2822(r.created),
            "date_updated": rfc2822(r.updated),
            "start_time": rfc2822(r.created),
            "duration": done.then(|| r.seconds(self.now).to_string()),
            "price": null,
            "price_unit": "USD",
            "source": r.source,
            "status": if r.deleted { "deleted" } else { r.status.word() },
            "error_code": null,
            "encryption_details": null,
            "track": r.track,
            "uri": if of_call {
                format!("{}/Calls/{}/Recordings/{}.json", self.base(), r.call, r.sid)
            } else {
                format!("{own}.json")
            },
        });
        if !of_call {
            body["media_url"] = json!(self.account.recording_url(&r.sid));
            body["subresource_uris"] = json!({
                "add_on_results": format!("{own}/AddOnResults.json"),
                "transcriptions": format!("{own}/Transcriptions.json"),
            });
        }
        body
    }

    pub(crate) fn account_body(&self) -> Value {
        let base = self.base();
        let sub = |name: &str| format!("{base}/{name}.json");
        json!({
            "sid": self.account.credentials.account_sid,
            "owner_account_sid": self.account.credentials.account_sid,
            "friendly_name": self.account.friendly_name,
            "auth_token": self.account.credentials.auth_token,
            "status": "active",
            "type": "Full",
            "date_created": rfc2822(self.account.created),
            "date_updated": rfc2822(self.account.created),
            "uri": format!("{base}.json"),
            "subresource_uris": {
                "applications": sub("Applications"), "available_phone_numbers": sub("AvailablePhoneNumbers"),
                "calls": sub("Calls"), "conferences": sub("Conferences"),
                "incoming_phone_numbers": sub("IncomingPhoneNumbers"), "keys": sub("Keys"),
                "outgoing_caller_ids": sub("OutgoingCallerIds"), "queues": sub("Queues"),
                "recordings": sub("Recordings"),
            },
        })
    }
}

/// A key's body; the secret is shown once, when it is made.
pub(crate) fn key_body(key: &Key, with_secret: bool) -> Value {
    let mut body = json!({
        "sid": key.sid,
        "friendly_name": key.friendly_name,
        "date_created": rfc2822(key.created),
        "date_updated": rfc2822(key.updated),
    });
    if with_secret {
        body["secret"] = json!(key.secret);
    }
    body
}
