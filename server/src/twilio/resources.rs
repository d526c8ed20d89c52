//! What Twilio's REST resources hold, and what we ask of them. Plain data for [`super::rest`].
//!
//! Only the fields that something reads are here; Twilio's answers have more and may get more still.
//!
//! Read next: [`super::rest`].

use cordboard_core::ids::{CallId, CallSid, ConferenceSid, LegId, Phone, Timestamp};
use serde::Deserialize;

use super::{
    Sound,
    webhook::EndReason,
    words::{AnsweredBy, CallState, Direction, Party, date, number, unless_empty},
};

/// One leg (Twilio docs: Call resource).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Call {
    /// Its name.
    pub sid: CallSid,
    /// The leg whose Dial created it.
    #[serde(rename = "parent_call_sid", default, deserialize_with = "unless_empty")]
    pub parent: Option<CallSid>,
    /// Who called.
    pub from: Party,
    /// Who was called.
    pub to: Party,
    /// How far it is.
    pub status: CallState,
    /// Which way it goes.
    pub direction: Direction,
    /// Machine detection's opinion.
    #[serde(default)]
    pub answered_by: Option<AnsweredBy>,
    /// When it was created.
    #[serde(rename = "date_created", default, deserialize_with = "date")]
    pub created: Option<Timestamp>,
    /// When it was answered, or began to ring where it never was.
    #[serde(rename = "start_time", default, deserialize_with = "date")]
    pub started: Option<Timestamp>,
    /// When it ended.
    #[serde(rename = "end_time", default, deserialize_with = "date")]
    pub ended: Option<Timestamp>,
    /// Seconds, once it is over.
    #[serde(default, deserialize_with = "number")]
    pub duration: Option<u32>,
    /// Milliseconds that it waited for its turn to be created.
    #[serde(rename = "queue_time", default, deserialize_with = "number")]
    pub queued_ms: Option<u32>,
}

/// How far a room is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoomState {
    /// Somebody is there, it has not started.
    Init,
    /// Started.
    InProgress,
    /// Over for ever.
    Completed,
    /// A word we do not know.
    #[serde(other)]
    Unrecognised,
}

/// One life of a room (Twilio docs: Conference resource).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Conference {
    /// Its name, never used again.
    pub sid: ConferenceSid,
    /// The room's name.
    pub friendly_name: String,
    /// How far it is.
    pub status: RoomState,
    /// Why it ended.
    #[serde(rename = "reason_conference_ended", default)]
    pub ended: Option<EndReason>,
    /// Whose leaving ended it.
    #[serde(
        rename = "call_sid_ending_conference",
        default,
        deserialize_with = "unless_empty"
    )]
    pub ended_by: Option<CallSid>,
    /// When its first participant came.
    #[serde(rename = "date_created", default, deserialize_with = "date")]
    pub created: Option<Timestamp>,
    /// When it last changed; where it is over, when it ended.
    #[serde(rename = "date_updated", default, deserialize_with = "date")]
    pub updated: Option<Timestamp>,
}

impl Conference {
    /// The call that it is the room of; none where it is not ours.
    pub fn call(&self) -> Option<CallId> {
        self.friendly_name.parse().ok()
    }
}

/// How far a participant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParticipantState {
    /// Waits for its turn to be created.
    Queued,
    /// Leaving Twilio.
    Connecting,
    /// Rings.
    Ringing,
    /// There.
    Connected,
    /// Gone.
    Complete,
    /// Could not be reached.
    Failed,
    /// A word we do not know.
    #[serde(other)]
    Unrecognised,
}

/// A leg in a room (Twilio docs: Participant resource). Only those who are there are listed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Participant {
    /// The leg.
    pub call_sid: CallSid,
    /// The room's life.
    pub conference_sid: ConferenceSid,
    /// Its label.
    #[serde(default)]
    pub label: Option<String>,
    /// How far it is.
    pub status: ParticipantState,
    /// Hears, is not heard.
    pub muted: bool,
    /// Hears nobody, is heard by nobody.
    pub hold: bool,
    /// Is heard by one leg only.
    #[serde(default)]
    pub coaching: bool,
    /// By that one.
    #[serde(
        rename = "call_sid_to_coach",
        default,
        deserialize_with = "unless_empty"
    )]
    pub coached: Option<CallSid>,
    /// The room ends when it leaves.
    #[serde(rename = "end_conference_on_exit")]
    pub end_on_exit: bool,
    /// The room may start when it comes.
    #[serde(rename = "start_conference_on_enter")]
    pub start_on_enter: bool,
    /// When it came to be: who was invited, with the invitation; everybody else, on joining.
    #[serde(rename = "date_created", default, deserialize_with = "date")]
    pub created: Option<Timestamp>,
    /// When it last changed: a hold, a flag.
    #[serde(rename = "date_updated", default, deserialize_with = "date")]
    pub updated: Option<Timestamp>,
    /// Milliseconds that it waited for its turn to be created.
    #[serde(rename = "queue_time", default, deserialize_with = "number")]
    pub queued_ms: Option<u32>,
}

impl Participant {
    /// The leg that its label says it is; none where it is not ours.
    pub fn leg(&self) -> Option<LegId> {
        self.label.as_deref()?.parse().ok()
    }
}

/// A number of the account (Twilio docs: IncomingPhoneNumber resource).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Number {
    /// `PN…`.
    pub sid: String,
    /// The number.
    #[serde(rename = "phone_number")]
    pub phone: Phone,
    /// What people call it.
    #[serde(default)]
    pub friendly_name: Option<String>,
    /// What is asked when it is called.
    #[serde(default)]
    pub voice_url: Option<String>,
    /// Overrides the URLs where it is set.
    #[serde(default)]
    pub voice_application_sid: Option<String>,
    /// `registered` where an emergency call from it shows its address.
    #[serde(default)]
    pub emergency_address_status: Option<String>,
}

impl Number {
    /// Whether emergency services learn an address from it. Otherwise the call still goes through, at a price
    /// and blind.
    pub fn has_emergency_address(&self) -> bool {
        self.emergency_address_status.as_deref() == Some("registered")
    }
}

/// A TwiML app: what a browser's `connect` reaches (Twilio docs: Application resource).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Application {
    /// `AP…`.
    pub sid: String,
    /// What people call it.
    #[serde(default)]
    pub friendly_name: Option<String>,
    /// What is asked when it is called.
    #[serde(default)]
    pub voice_url: Option<String>,
}

/// A telephone to be rung, whose answer fetches `/twilio/leg`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCall {
    /// Which leg it will be: in every URL, so that a lost answer can be found again.
    pub leg: LegId,
    /// Whom to ring.
    pub to: Phone,
    /// What they see: a number of the account, or one that it has verified.
    pub from: Phone,
    /// How long it rings, in seconds; Twilio takes 5 to 600 and adds about 5.
    pub seconds: u32,
    /// Whether a machine's answer should be reported. Detection runs beside the document, so it delays nothing.
    pub detect_machine: bool,
}

/// An outside party to be rung straight into a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewParticipant {
    /// Which leg it will be, and its label.
    pub leg: LegId,
    /// Whom to ring.
    pub to: Phone,
    /// What they see.
    pub from: Phone,
    /// How long it rings, in seconds; Twilio takes 5 to 600 and adds about 5.
    pub seconds: u32,
    /// The room ends when it leaves: true for a customer that we called.
    pub end_on_exit: bool,
    /// Whether the room hears the ringing.
    pub early_media: bool,
}

/// Which participant: by its label, so that a leg can be addressed before its CallSid is known, or by its
/// CallSid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// By label.
    Leg(LegId),
    /// By SID.
    Call(CallSid),
}

impl From<LegId> for Who {
    fn from(leg: LegId) -> Self {
        Self::Leg(leg)
    }
}

impl From<&CallSid> for Who {
    fn from(sid: &CallSid) -> Self {
        Self::Call(sid.clone())
    }
}

/// A desired state of a participant: asking twice is asking once.
///
/// One a request: Twilio silently ignores `end_on_exit` of a participant that is held, and whether two changes
/// in one request happen together is not documented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Hears a sound, and nobody else.
    Hold(Sound),
    /// Back among the others.
    Unhold,
    /// Is heard, or not.
    Mute(bool),
    /// The room ends when it leaves, or not.
    EndOnExit(bool),
    /// Is heard by this leg only.
    Coach(CallSid),
    /// Is heard by everybody again. Mute first.
    StopCoaching,
}

/// Which calls to list. An empty filter lists all that Twilio remembers: always give it a beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// Created by that leg's Dial.
    pub parent: Option<CallSid>,
    /// From that number, or `client:identity`.
    pub from: Option<String>,
    /// To that number.
    pub to: Option<String>,
    /// That far.
    pub status: Option<CallState>,
    /// Begun at or after. Leaves out a leg that still waits for its turn: it has no beginning yet.
    pub since: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn resources_are_read_as_twilio_writes_them() {
        let sid = |prefix: &str| format!("{prefix}{}", "a".repeat(32));
        let call: Call = serde_json::from_value(json!({
            "account_sid": sid("AC"), "answered_by": "machine_start", "api_version": "2010-04-01", "caller_name": "",
            "date_created": "Fri, 18 Oct 2019 17:00:00 +0000", "date_updated": "Fri, 18 Oct 2019 17:01:00 +0000",
            "direction": "outbound-api", "duration": "4", "end_time": "Fri, 18 Oct 2019 17:03:00 +0000",
            "forwarded_from": null, "from": "client:u7", "from_formatted": "u7", "group_sid": null, "parent_call_sid": "",
            "phone_number_sid": sid("PN"), "price": "-0.200", "price_unit": "USD", "sid": sid("CA"),
            "start_time": "Fri, 18 Oct 2019 17:02:00 +0000", "status": "completed", "subresource_uris": {}, "to": "+14155550132",
            "to_formatted": "(415) 555-0132", "trunk_sid": null, "uri": "/2010-04-01/…", "queue_time": "1000",
        }))
        .unwrap();
        assert_eq!((call.duration, call.queued_ms), (Some(4), Some(1000)));
        assert_eq!((call.parent, call.from.client()), (None, Some("u7")));
        assert_eq!(call.ended.unwrap().since(call.started.unwrap()), 60_000);
        let fresh: Call = serde_json::from_value(json!({
            "sid": sid("CA"), "from": "+14155550100", "to": "+14155550132", "status": "queued", "direction": "outbound-api",
            "answered_by": null, "parent_call_sid": null, "start_time": null, "end_time": null, "duration": null, "queue_time": "0",
            "date_created": null,
        }))
        .unwrap();
        assert_eq!((fresh.started, fresh.duration), (None, None));

        let leg = CallId::from_bits(3).leg(1);
        let participant: Participant = serde_json::from_value(json!({
            "account_sid": sid("AC"), "call_sid": sid("CA"), "label": leg.to_string(), "conference_sid": sid("CF"),
            "date_created": "Fri, 18 Feb 2011 21:07:19 +0000", "date_updated": "Fri, 18 Feb 2011 21:07:19 +0000",
            "end_conference_on_exit": false, "muted": false, "hold": true, "status": "connected",
            "start_conference_on_enter": true, "coaching": true, "call_sid_to_coach": sid("CA"), "queue_time": null, "uri": "/…",
        }))
        .unwrap();
        assert_eq!(participant.leg(), Some(leg));
        assert!(
            participant.hold
                && participant.coached.is_some()
                && participant.status == ParticipantState::Connected
        );

        let room: Conference = serde_json::from_value(json!({
            "status": "completed", "region": "us1", "sid": sid("CF"), "date_updated": "Thu, 01 Jan 2015 10:23:45 +0000",
            "date_created": "Thu, 01 Jan 2015 10:23:45 +0000", "subresource_uris": {}, "friendly_name": leg.call.to_string(),
            "uri": "/…", "api_version": "2010-04-01", "account_sid": sid("AC"),
            "reason_conference_ended": "participant-with-end-conference-on-exit-left", "call_sid_ending_conference": sid("CA"),
        }))
        .unwrap();
        assert_eq!(room.call(), Some(leg.call));
        assert_eq!(
            room.ended,
            Some(EndReason::ParticipantWithEndConferenceOnExitLeft)
        );

        let number: Number = serde_json::from_value(json!({
            "sid": sid("PN"), "phone_number": "+18089255327", "friendly_name": "(808) 925-5327", "voice_url": "",
            "voice_application_sid": "", "emergency_address_status": "registered", "capabilities": {"voice": true},
        }))
        .unwrap();
        assert!(number.has_emergency_address());
    }

    #[test]
    fn what_names_a_leg_must_be_a_name() {
        let wrong = json!({"sid": "CA1", "friendly_name": "x", "status": "init"});
        assert!(serde_json::from_value::<Conference>(wrong).is_err());
    }
}
