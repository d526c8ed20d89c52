//! What Twilio tells us, as typed facts.
//!
//! [`Verifier::open`](super::signature::Verifier::open) turns a signed request into a [`Delivery`]; the
//! delivery reads itself as the kind of request that its path says it is. A form is hostile even when signed: a
//! browser's `connect` parameters arrive as top-level parameters next to Twilio's own, so the first of a
//! repeated name wins and nothing but `From` says who somebody is.
//!
//! Deliveries are late, doubled, out of order or lost. Each fact therefore knows its
//! [`dedupe_key`](CallStatus::dedupe_key) and its number in its series. It must not decide what a fact means;
//! that is the exchange's.
//!
//! Read next: [`super::twiml`], what voice requests are answered with.

use std::fmt;

use cordboard_core::ids::{CallId, CallSid, ConferenceSid, LegId, SafeText, Timestamp};
use serde::Serialize;

use super::{
    signature::Refused,
    words::{AnsweredBy, CallState, Direction, Party, moment, one_line},
};

/// The parameters of a request, decoded, in the order they came. The raw record of the audit: unknown names are
/// kept.
///
/// Prints its names only: the values hold telephone numbers.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// The most parameters that are read. Twilio sends about forty; a page adds a few.
    pub const MOST: usize = 200;

    /// Decodes a form body or a query. Strict about UTF-8: a replaced character would no longer be what was
    /// signed.
    pub(crate) fn read(encoded: &[u8]) -> Result<Self, Refused> {
        let mut pairs = Vec::new();
        for pair in encoded
            .split(|b| *b == b'&')
            .filter(|pair| !pair.is_empty())
        {
            if pairs.len() == Self::MOST {
                return Err(Refused::TooMany);
            }
            let (name, value) = match pair.iter().position(|b| *b == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            pairs.push((decoded(name)?, decoded(value)?));
        }
        Ok(Self(pairs))
    }

    /// The first value under that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first value under that name, unless it is empty.
    fn some(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str) -> Option<SafeText> {
        self.get(name)
            .map(SafeText::from)
            .filter(|text| !text.is_empty())
    }

    fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => None,
        }
    }

    /// An extra that cannot be read is as good as none: it must not cost us the event it came with.
    fn parsed<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.some(name)?.parse().ok()
    }

    fn needed<T: std::str::FromStr>(&self, name: &'static str) -> Result<T, Unreadable> {
        self.parsed(name).ok_or(Unreadable { name })
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, _)| one_line(name, 40)))
            .finish()
    }
}

fn decoded(bytes: &[u8]) -> Result<String, Refused> {
    let spaced: Vec<u8> = bytes
        .iter()
        .map(|b| if *b == b'+' { b' ' } else { *b })
        .collect();
    let bytes: Vec<u8> = percent_encoding::percent_decode(&spaced).collect();
    String::from_utf8(bytes).map_err(|_| Refused::NotText)
}

/// A signed request without something that every such request has. Answered with 400: Twilio would only send
/// the same again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{name} is missing or is not what Twilio sends")]
pub struct Unreadable {
    name: &'static str,
}

/// A request that is Twilio's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    params: Params,
    token: Option<Box<str>>,
}

impl Delivery {
    /// The token is a header and not signed: one that does not look like one is passed over, not refused.
    pub(crate) fn new(params: Params, token: Option<&str>) -> Self {
        let token = token
            .filter(|t| {
                (1..=64).contains(&t.len())
                    && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            })
            .map(Into::into);
        Self { params, token }
    }

    /// Everything that came.
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// `I-Twilio-Idempotency-Token`: the same on every delivery of one event.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    fn key(&self, natural: Option<String>) -> Option<String> {
        self.token
            .as_ref()
            .map(|token| format!("token:{token}"))
            .or(natural)
    }

    /// As a request for a document (numbers, the app, wait, key, after, fallback).
    pub fn voice(self) -> Result<VoiceRequest, Unreadable> {
        let p = &self.params;
        Ok(VoiceRequest {
            call_sid: p.needed("CallSid")?,
            from: Party::read(p.get("From").unwrap_or_default()),
            to: Party::read(p.get("To").unwrap_or_default()),
            direction: Direction::read(p.get("Direction").unwrap_or_default()),
            call_status: CallState::read(p.get("CallStatus").unwrap_or_default()),
            parent: p.parsed("ParentCallSid"),
            caller_name: p.text("CallerName"),
            forwarded_from: p.some("ForwardedFrom").map(Party::read),
            digits: p
                .some("Digits")
                .filter(|d| d.len() <= 32 && d.bytes().all(is_key))
                .map(Into::into),
            dial_call_status: p.some("DialCallStatus").map(CallState::read),
            dial_call_sid: p.parsed("DialCallSid"),
            queue_time: p.parsed("QueueTime"),
            error_code: p.parsed("ErrorCode"),
            error_url: p.some("ErrorUrl").map(|url| one_line(url, 2000).into()),
            delivery: self,
        })
    }

    /// As a call status callback.
    pub fn call_status(self) -> Result<CallStatus, Unreadable> {
        let p = &self.params;
        Ok(CallStatus {
            call_sid: p.needed("CallSid")?,
            status: p
                .some("CallStatus")
                .map(CallState::read)
                .ok_or(Unreadable { name: "CallStatus" })?,
            sequence: p.parsed("SequenceNumber"),
            timestamp: p.some("Timestamp").and_then(moment),
            sip_response: p.parsed("SipResponseCode"),
            answered_by: p.some("AnsweredBy").map(AnsweredBy::read),
            duration: p.parsed("CallDuration"),
            parent: p.parsed("ParentCallSid"),
            error_code: p.parsed("ErrorCode"),
            delivery: self,
        })
    }

    /// As a conference callback.
    pub fn conference_event(self) -> Result<ConferenceEvent, Unreadable> {
        let p = &self.params;
        Ok(ConferenceEvent {
            conference_sid: p.needed("ConferenceSid")?,
            friendly_name: p.text("FriendlyName").unwrap_or_default(),
            call: p.some("FriendlyName").and_then(|name| name.parse().ok()),
            sequence: p.parsed("SequenceNumber"),
            timestamp: p.some("Timestamp").and_then(moment),
            event: p
                .some("StatusCallbackEvent")
                .map(RoomEvent::read)
                .ok_or(Unreadable {
                    name: "StatusCallbackEvent",
                })?,
            call_sid: p.parsed("CallSid"),
            label: p.text("ParticipantLabel"),
            leg: p
                .some("ParticipantLabel")
                .and_then(|label| label.parse().ok()),
            muted: p.flag("Muted"),
            hold: p.flag("Hold"),
            coaching: p.flag("Coaching"),
            coached: p.parsed("CallSidToCoach"),
            end_on_exit: p.flag("EndConferenceOnExit"),
            start_on_enter: p.flag("StartConferenceOnEnter"),
            call_status: p.some("ParticipantCallStatus").map(CallState::read),
            left: p.some("ReasonParticipantLeft").map(LeaveReason::read),
            ended: p.some("ReasonConferenceEnded").map(EndReason::read),
            ended_by: p.parsed("CallSidEndingConference"),
            reason: p
                .text("Reason")
                .or_else(|| p.text("ReasonAnnouncementFailed")),
            delivery: self,
        })
    }

    /// As the result of machine detection.
    pub fn amd(self) -> Result<AmdResult, Unreadable> {
        let p = &self.params;
        Ok(AmdResult {
            call_sid: p.needed("CallSid")?,
            answered_by: p
                .some("AnsweredBy")
                .map(AnsweredBy::read)
                .ok_or(Unreadable { name: "AnsweredBy" })?,
            took_ms: p.parsed("MachineDetectionDuration"),
            delivery: self,
        })
    }
}

const fn is_key(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'*' | b'#' | b'A'..=b'D' | b'a'..=b'd')
}

/// Twilio wants a document for a call (Twilio docs: TwiML voice requests). May come twice; the reply must be
/// the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoiceRequest {
    /// The leg that will execute the document.
    pub call_sid: CallSid,
    /// Who calls. For a browser, the signed proof of who it is.
    pub from: Party,
    /// What was called.
    pub to: Party,
    /// Which way.
    pub direction: Direction,
    /// `Ringing` on the first request of an inbound call, `InProgress` later; over when the caller has gone in
    /// the meantime.
    pub call_status: CallState,
    /// The leg whose Dial created this one.
    pub parent: Option<CallSid>,
    /// The network's name for the caller. Never proof of anything.
    pub caller_name: Option<SafeText>,
    /// Who forwarded the call here.
    pub forwarded_from: Option<Party>,
    /// Keys pressed in a Gather: `0-9*#A-D`, at most 32.
    pub digits: Option<Box<str>>,
    /// How a Dial went. A conference always reports "answered", read here as `InProgress`.
    pub dial_call_status: Option<CallState>,
    /// The leg that a Dial created.
    pub dial_call_sid: Option<CallSid>,
    /// Seconds in a queue, or milliseconds before an API call was placed, as the request's kind says.
    pub queue_time: Option<u32>,
    /// In a fallback request: what went wrong (`11200` and so on).
    pub error_code: Option<u32>,
    /// In a fallback request: the URL that failed. [`Urls::read`](super::Urls::read) says which callback it
    /// was.
    pub error_url: Option<Box<str>>,
    delivery: Delivery,
}

impl VoiceRequest {
    /// All parameters: those of a browser's `connect` are among them, untrusted.
    pub const fn params(&self) -> &Params {
        &self.delivery.params
    }

    /// The token alone. Without one a repeated request is answered again, which is harmless: the reply is a
    /// function of state.
    pub fn dedupe_key(&self) -> Option<String> {
        self.delivery.key(None)
    }
}

/// A leg got further (Twilio docs: Call resource, StatusCallback).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallStatus {
    /// The leg.
    pub call_sid: CallSid,
    /// How far.
    pub status: CallState,
    /// From 0, per call, in the order things happened.
    pub sequence: Option<u32>,
    /// When it happened; deliveries are later.
    pub timestamp: Option<Timestamp>,
    /// What the network said, such as 486.
    pub sip_response: Option<u16>,
    /// Machine detection's opinion.
    pub answered_by: Option<AnsweredBy>,
    /// Seconds, on the last one.
    pub duration: Option<u32>,
    /// The leg whose Dial created this one.
    pub parent: Option<CallSid>,
    /// Why it failed.
    pub error_code: Option<u32>,
    delivery: Delivery,
}

impl CallStatus {
    /// All parameters.
    pub const fn params(&self) -> &Params {
        &self.delivery.params
    }

    /// The same for every delivery of this event, and for no other.
    pub fn dedupe_key(&self) -> Option<String> {
        // Without a number the status stands alone: within one call no status comes twice.
        let number = self
            .sequence
            .map_or_else(|| "-".to_owned(), |n| n.to_string());
        self.delivery.key(Some(format!(
            "call:{}:{}:{number}",
            self.call_sid,
            self.status.as_str()
        )))
    }
}

/// What happened in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RoomEvent {
    /// Two are present: people can hear each other.
    Started,
    /// The room is over; its SID never comes back.
    Ended,
    /// Somebody came in.
    Joined,
    /// Somebody left, or never answered.
    Left,
    /// Muted by us (a page that mutes itself is never reported).
    Muted,
    /// No longer muted.
    Unmuted,
    /// Held: hears and is heard by nobody.
    Held,
    /// No longer held.
    Unheld,
    /// Coaching or flags changed.
    Modified,
    /// An announcement was played.
    Announced,
    /// An announcement could not be played.
    AnnouncementFailed,
    /// Speech events and whatever Twilio adds: kept in the audit, otherwise passed over.
    Unrecognised,
}

impl RoomEvent {
    fn read(word: &str) -> Self {
        match word {
            "conference-start" => Self::Started,
            "conference-end" => Self::Ended,
            "participant-join" => Self::Joined,
            "participant-leave" => Self::Left,
            "participant-mute" => Self::Muted,
            "participant-unmute" => Self::Unmuted,
            "participant-hold" => Self::Held,
            "participant-unhold" => Self::Unheld,
            "participant-modify" => Self::Modified,
            "announcement-end" => Self::Announced,
            "announcement-fail" => Self::AnnouncementFailed,
            _ => Self::Unrecognised,
        }
    }
}

/// Why somebody left a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LeaveReason {
    /// The leg hung up.
    HungUp,
    /// We redirected or removed it.
    UpdatedViaApi,
    /// Somebody whose leaving ends the room left it.
    ModeratorEnded,
    /// We ended the room.
    EndedViaApi,
    /// It was rung and never came.
    AddFailed,
    /// Something else.
    Unrecognised,
}

impl LeaveReason {
    fn read(word: &str) -> Self {
        match word {
            "participant_hung_up" => Self::HungUp,
            "participant_updated_via_api" => Self::UpdatedViaApi,
            "moderator_ended_conference" => Self::ModeratorEnded,
            "conference_ended_via_api" => Self::EndedViaApi,
            "participant_add_failed" => Self::AddFailed,
            _ => Self::Unrecognised,
        }
    }
}

/// Why a room ended. REST and callbacks spell it the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// We ended it.
    ConferenceEndedViaApi,
    /// Somebody whose leaving ends the room left it.
    ParticipantWithEndConferenceOnExitLeft,
    /// Somebody whose leaving ends the room was removed.
    ParticipantWithEndConferenceOnExitKicked,
    /// Nobody was left.
    LastParticipantLeft,
    /// Nobody was left, the last one removed by us.
    LastParticipantKicked,
    /// Something else.
    #[serde(other)]
    Unrecognised,
}

impl EndReason {
    fn read(word: &str) -> Self {
        match word {
            "conference-ended-via-api" => Self::ConferenceEndedViaApi,
            "participant-with-end-conference-on-exit-left" => {
                Self::ParticipantWithEndConferenceOnExitLeft
            }
            "participant-with-end-conference-on-exit-kicked" => {
                Self::ParticipantWithEndConferenceOnExitKicked
            }
            "last-participant-left" => Self::LastParticipantLeft,
            "last-participant-kicked" => Self::LastParticipantKicked,
            _ => Self::Unrecognised,
        }
    }
}

/// Something happened in a room (Twilio docs: Conference, statusCallback).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConferenceEvent {
    /// Which life of the room.
    pub conference_sid: ConferenceSid,
    /// The room's name.
    pub friendly_name: SafeText,
    /// The room's name as the call that it is; none for a room that is not ours.
    pub call: Option<CallId>,
    /// From 1, per conference, in the order things happened.
    pub sequence: Option<u32>,
    /// When it happened; deliveries are later.
    pub timestamp: Option<Timestamp>,
    /// What happened.
    pub event: RoomEvent,
    /// To which leg.
    pub call_sid: Option<CallSid>,
    /// The participant's label.
    pub label: Option<SafeText>,
    /// The label as the leg that it is.
    pub leg: Option<LegId>,
    /// Muted, after the event; as the other flags, only with participant events.
    pub muted: Option<bool>,
    /// Held.
    pub hold: Option<bool>,
    /// Coaching.
    pub coaching: Option<bool>,
    /// Whom it coaches.
    pub coached: Option<CallSid>,
    /// The room ends when it leaves.
    pub end_on_exit: Option<bool>,
    /// The room may start when it comes.
    pub start_on_enter: Option<bool>,
    /// With `Left`: what became of the leg itself.
    pub call_status: Option<CallState>,
    /// With `Left`: why.
    pub left: Option<LeaveReason>,
    /// With `Ended`: why.
    pub ended: Option<EndReason>,
    /// With `Ended`: whose leaving ended it.
    pub ended_by: Option<CallSid>,
    /// Twilio's own sentence, for the audit.
    pub reason: Option<SafeText>,
    delivery: Delivery,
}

impl ConferenceEvent {
    /// All parameters.
    pub const fn params(&self) -> &Params {
        &self.delivery.params
    }

    /// The same for every delivery of this event, and for no other. None when there is neither token nor
    /// number: hold and unhold repeat, so nothing else would tell two of them apart.
    pub fn dedupe_key(&self) -> Option<String> {
        self.delivery.key(
            self.sequence
                .map(|n| format!("conference:{}:{n}", self.conference_sid)),
        )
    }
}

/// Machine detection's opinion, when asked for asynchronously (Twilio docs: Answering machine detection).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmdResult {
    /// The leg.
    pub call_sid: CallSid,
    /// The opinion.
    pub answered_by: AnsweredBy,
    /// How long it took, in milliseconds.
    pub took_ms: Option<u32>,
    delivery: Delivery,
}

impl AmdResult {
    /// All parameters.
    pub const fn params(&self) -> &Params {
        &self.delivery.params
    }

    /// The same for every delivery of this opinion: a call gets one.
    pub fn dedupe_key(&self) -> Option<String> {
        self.delivery.key(Some(format!("amd:{}", self.call_sid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CALL: &str = "CA0123456789abcdef0123456789abcdef";
    const ROOM: &str = "CF0123456789abcdef0123456789abcdef";

    fn delivery(pairs: &[(&str, &str)]) -> Delivery {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        Delivery::new(Params::read(body.as_bytes()).unwrap(), None)
    }

    #[test]
    fn a_browsers_parameters_cannot_say_who_it_is() {
        let request = delivery(&[
            ("CallSid", CALL),
            ("From", "client:u7"),
            ("To", ""),
            ("Direction", "inbound"),
            ("CallStatus", "ringing"),
            ("op", "join"),
            ("From", "client:u1"),
            ("CallSid", "CAffffffffffffffffffffffffffffffff"),
        ])
        .voice()
        .unwrap();
        assert_eq!(request.from.client(), Some("u7"));
        assert_eq!(request.call_sid.as_str(), CALL);
        assert_eq!(request.to, Party::Withheld);
        assert_eq!(
            (request.direction, request.call_status),
            (Direction::Inbound, CallState::Ringing)
        );
        assert_eq!(request.params().get("op"), Some("join"));
        assert_eq!(request.dedupe_key(), None);
        assert!(
            !format!("{request:?}").contains("u1"),
            "values of unknown parameters stay out of logs: {request:?}"
        );
    }

    #[test]
    fn keys_are_keys_and_the_rest_of_a_dial_is_read() {
        let with = |digits| {
            delivery(&[("CallSid", CALL), ("Digits", digits)])
                .voice()
                .unwrap()
                .digits
        };
        assert_eq!(with("1").as_deref(), Some("1"));
        assert_eq!(with("*0#D").as_deref(), Some("*0#D"));
        assert_eq!(
            (with("hangup"), with("1\u{1b}"), with(&"1".repeat(33))),
            (None, None, None)
        );
        let after = delivery(&[
            ("CallSid", CALL),
            ("DialCallStatus", "no-answer"),
            ("ErrorCode", "11200"),
            ("ErrorUrl", "https://x/\n"),
            ("CallerName", "\u{1b}[2JBob"),
        ])
        .voice()
        .unwrap();
        assert_eq!(after.dial_call_status, Some(CallState::NoAnswer));
        assert_eq!(after.error_code, Some(11_200));
        assert_eq!(after.error_url.as_deref(), Some("https://x/\u{fffd}"));
        assert_eq!(after.caller_name.unwrap().as_str(), "\u{fffd}[2JBob");
    }

    #[test]
    fn what_every_request_has_is_demanded_by_name() {
        assert_eq!(
            delivery(&[]).voice().unwrap_err().to_string(),
            "CallSid is missing or is not what Twilio sends"
        );
        assert!(delivery(&[("CallSid", "CA1")]).voice().is_err());
        assert!(delivery(&[("CallSid", CALL)]).call_status().is_err());
        let odd = [
            ("CallSid", CALL),
            ("CallStatus", "ringing"),
            ("SequenceNumber", "-1"),
            ("Timestamp", "yesterday"),
            ("ParentCallSid", "CA1"),
        ];
        let read = delivery(&odd).call_status().unwrap();
        assert_eq!(
            (read.sequence, read.timestamp, read.parent),
            (None, None, None),
            "an odd extra does not cost us the event"
        );
        assert!(
            delivery(&[("ConferenceSid", ROOM)])
                .conference_event()
                .is_err()
        );
        assert!(delivery(&[("CallSid", CALL)]).amd().is_err());
    }

    #[test]
    fn a_call_status_is_one_event() {
        let read = |pairs: &[(&str, &str)]| delivery(pairs).call_status().unwrap();
        let ended = read(&[
            ("CallSid", CALL),
            ("CallStatus", "no-answer"),
            ("SequenceNumber", "2"),
            ("Timestamp", "Tue, 31 Aug 2010 20:36:28 +0000"),
            ("SipResponseCode", "487"),
            ("CallDuration", "0"),
        ]);
        assert!(ended.status.is_over());
        assert_eq!(ended.timestamp.unwrap().millis(), 1_283_286_988_000);
        assert_eq!(
            (ended.sip_response, ended.duration, ended.sequence),
            (Some(487), Some(0), Some(2))
        );
        let ringing = read(&[
            ("CallSid", CALL),
            ("CallStatus", "ringing"),
            ("SequenceNumber", "1"),
        ]);
        assert_ne!(ended.dedupe_key(), ringing.dedupe_key());
        assert_eq!(ended.dedupe_key(), ended.clone().dedupe_key());
    }

    #[test]
    fn a_conference_event_knows_its_room_its_leg_and_its_number() {
        let leg = CallId::from_bits(9).leg(2);
        let event = delivery(&[
            ("ConferenceSid", ROOM),
            ("FriendlyName", &leg.call.to_string()),
            ("SequenceNumber", "4"),
            ("StatusCallbackEvent", "participant-leave"),
            ("CallSid", CALL),
            ("ParticipantLabel", &leg.to_string()),
            ("Muted", "false"),
            ("Hold", "true"),
            ("EndConferenceOnExit", "TRUE"),
            ("ReasonParticipantLeft", "participant_add_failed"),
            ("ParticipantCallStatus", "busy"),
        ])
        .conference_event()
        .unwrap();
        assert_eq!((event.call, event.leg), (Some(leg.call), Some(leg)));
        assert_eq!(
            (event.event, event.left),
            (RoomEvent::Left, Some(LeaveReason::AddFailed))
        );
        assert_eq!(
            (event.muted, event.hold, event.end_on_exit),
            (Some(false), Some(true), None)
        );
        assert_eq!(event.call_status, Some(CallState::Busy));
        assert_eq!(event.dedupe_key().unwrap(), format!("conference:{ROOM}:4"));
        let end = delivery(&[
            ("ConferenceSid", ROOM),
            ("FriendlyName", "somebody's room"),
            ("StatusCallbackEvent", "conference-end"),
            ("ReasonConferenceEnded", "last-participant-left"),
        ])
        .conference_event()
        .unwrap();
        assert_eq!(
            (end.call, end.ended),
            (None, Some(EndReason::LastParticipantLeft))
        );
        assert_eq!(end.dedupe_key(), None);
    }

    #[test]
    fn the_token_is_the_key_where_there_is_one_and_it_looks_like_one() {
        let params = delivery(&[("CallSid", CALL), ("AnsweredBy", "machine_start")]).params;
        let with = |token| Delivery::new(params.clone(), token).amd().unwrap();
        assert_eq!(with(Some("0b1f-22")).dedupe_key().unwrap(), "token:0b1f-22");
        let long = "a".repeat(65);
        for odd in ["", "a b", "é", long.as_str()] {
            assert_eq!(
                with(Some(odd)).dedupe_key().unwrap(),
                format!("amd:{CALL}"),
                "{odd}"
            );
        }
        assert!(with(None).answered_by.is_machine());
    }

    proptest! {
        #[test]
        fn no_form_panics_a_reader(
            pairs in prop::collection::vec(
                (prop::sample::select(vec![
                    "CallSid", "From", "To", "Digits", "CallStatus", "SequenceNumber", "Timestamp", "ConferenceSid", "FriendlyName",
                    "StatusCallbackEvent", "ParticipantLabel", "AnsweredBy", "ErrorCode", "CallDuration", "Muted",
                ]), prop_oneof![any::<String>(), Just(CALL.to_owned()), Just(ROOM.to_owned()), "[0-9]{0,12}"]),
                0..20,
            ),
            raw: Vec<u8>,
        ) {
            let pairs: Vec<_> = pairs.iter().map(|(n, v)| (*n, v.as_str())).collect();
            let d = delivery(&pairs);
            let _ = (d.clone().voice(), d.clone().call_status(), d.clone().conference_event(), d.amd());
            let _ = Params::read(&raw);
        }

        #[test]
        fn what_is_encoded_decodes_to_itself(pairs in prop::collection::vec((any::<String>(), any::<String>()), 0..20)) {
            let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            prop_assert_eq!(Params::read(body.as_bytes()).unwrap().0, pairs);
        }
    }
}
