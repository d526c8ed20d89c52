//! What travels between a server and a phone page.
//!
//! What a page should be doing is state with nothing in it that could be lost: it is sent whole, on every change,
//! on reconnect, and again and again while nothing changes, so that a page notices when nothing arrives any more. What
//! a page says of itself is a heartbeat. Between the two stand the few things a person does in the page, and what cannot
//! wait for a state: a call for help, and the microphone.
//!
//! A page must not conclude from its own call what has become of the other party: the state says that. Read next:
//! `web-phone/src/phone.ts`, which follows these rules in a browser.

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::VERSION;
use crate::{
    ids::{CallId, Phone, SafeText, Timestamp},
    secret::Secret,
};

/// From a phone page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum PhoneMsg {
    /// The first message.
    Hello {
        /// [`VERSION`] of the page.
        version: u32,
        /// The CallSid of the call that it is in already: it has been here before, over a connection that it has
        /// lost and of which the server may not know that yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sid: Option<String>,
    },
    /// Every 2 s, and at once when something in it is different: the page is alive.
    Heartbeat(PageBeat),
    /// This page shall be its person's phone, and not another that is open too. Its person has said so.
    Take,
    /// The page's access token is about to end, or the carrier does not take it: it asks for another.
    Token,
    /// Its person accepts an offer.
    Accept {
        /// Which call.
        call: CallId,
    },
    /// Its person declines an offer.
    Decline {
        /// Which call.
        call: CallId,
        /// Because they are on another call.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        busy: bool,
    },
    /// Its person keeps the call aside. The page has turned its microphone off already.
    Hold {
        /// Which call.
        call: CallId,
    },
    /// Its person goes on with a call that they hold.
    Resume {
        /// Which call.
        call: CallId,
    },
    /// Its person hung up, or closed the page: this leave is meant.
    Leave {
        /// Which call.
        call: CallId,
    },
}

/// What a page says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PageBeat {
    /// Whether it can talk: sound enabled, microphone allowed, connected with the carrier.
    pub ready: bool,
    /// The CallSid of its one active call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// Whether its microphone is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
    /// Why it cannot talk, if it knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<PageTrouble>,
    /// How well its call sounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
}

/// Why a page cannot talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PageTrouble {
    /// A browser plays nothing before somebody has pressed something in the page.
    Asleep,
    /// The browser was told to give it no microphone.
    MicrophoneDenied,
    /// There is none.
    NoMicrophone,
    /// The carrier cannot be reached, or does not take the page's token.
    Carrier,
    /// The call stands and no sound arrives: there is no way through the network.
    NoNetworkAudio,
    /// Its address is neither https nor this machine's, so the browser gives it no microphone.
    Insecure,
}

impl PageTrouble {
    /// What its person can do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Asleep => "Press \u{201c}Enable sound\u{201d} in your phone page.",
            Self::MicrophoneDenied => {
                "Your phone page may not use the microphone. The page says how to allow it."
            }
            Self::NoMicrophone => "Your phone page finds no microphone. Plug one in.",
            Self::Carrier => "Your phone page cannot reach the carrier. Is its network all right?",
            Self::NoNetworkAudio => {
                "No sound reaches your phone page: its network lets none through."
            }
            Self::Insecure => "Your phone page needs https, or an address of its own machine.",
        }
    }
}

/// How well a page's call sounds, as its browser measures it. Rounded, so that what is the same to the ear is the
/// same here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Quality {
    /// There and back, in milliseconds.
    pub rtt_ms: u32,
    /// How unevenly packets arrive, in milliseconds.
    pub jitter_ms: u32,
    /// How many do not, in percent.
    pub loss_percent: u8,
    /// What the ear notices of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<QualityWarning>,
}

/// What somebody notices of a bad connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QualityWarning {
    /// It takes long to get an answer.
    HighRtt,
    /// Words are torn.
    HighJitter,
    /// Words are missing.
    HighLoss,
    /// All in all.
    LowMos,
    /// The microphone gives nothing.
    NoSoundIn,
    /// Nothing is heard.
    NoSoundOut,
    /// The connection is being mended.
    Reconnecting,
}

impl QualityWarning {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::HighRtt => "slow line",
            Self::HighJitter => "uneven line",
            Self::HighLoss => "words are lost",
            Self::LowMos => "poor line",
            Self::NoSoundIn => "the microphone is silent",
            Self::NoSoundOut => "nothing arrives",
            Self::Reconnecting => "reconnecting",
        }
    }
}

/// To a phone page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum PhoneServerMsg {
    /// The answer to hello: who the page is, and how to reach the carrier.
    Welcome {
        /// [`VERSION`] of the server.
        version: u32,
        /// The identity the token is for.
        identity: String,
        /// Whose page it is.
        #[serde(default)]
        name: SafeText,
        /// A Twilio access token.
        token: Secret,
        /// When it expires; a new one is sent before.
        expires: Timestamp,
        /// The server's clock, which the moments below go by.
        #[serde(default)]
        now: Timestamp,
        /// `host:port` of the carrier's double, which signals there without TLS. None: the carrier itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signalling: Option<String>,
        /// The server says something at least so often, in milliseconds: a page that hears nothing for much longer
        /// is not connected, whatever its browser believes. None: it says only what there is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pulse_ms: Option<u32>,
    },
    /// What the page should be doing now. Sent whole on every change, on reconnect, and as a pulse: nothing that
    /// can be lost.
    State(PhoneState),
    /// A new access token.
    Token {
        /// A Twilio access token.
        token: Secret,
        /// When it expires.
        expires: Timestamp,
    },
    /// A command of the page was refused.
    No {
        /// The call it was about.
        call: CallId,
        /// A sentence.
        why: String,
    },
    /// Turn the microphone off, or on again; the next heartbeat says that it is.
    Mute {
        /// Off.
        on: bool,
    },
    /// Connect at once, with `op=dial`: an emergency call asks nobody.
    Emergency {
        /// The number.
        to: String,
    },
    /// The server is about to close this socket.
    Bye {
        /// Why, in a sentence.
        why: String,
    },
}

/// What a page should be doing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PhoneState {
    /// Whether this page is its person's phone. If not, there is nothing in the rest. A server that did not know
    /// of several took each for it.
    #[serde(default = "yes")]
    pub active: bool,
    /// What the page that is calls itself, where it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<SafeText>,
    /// Calls it should ring for.
    pub offers: Vec<PhoneOffer>,
    /// The call its person belongs in. A page without an active call connects with these; a page whose leg
    /// lives in another call waits to be redirected.
    pub seat: Option<PhoneSeat>,
    /// Calls that its person keeps aside, but for the one in the seat.
    #[serde(default)]
    pub held: Vec<PhoneHeld>,
}

const fn yes() -> bool {
    true
}

/// A call a page should ring for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneOffer {
    /// Which.
    pub call: CallId,
    /// Who is calling.
    pub name: Option<SafeText>,
    /// From where.
    pub number: Option<Phone>,
    /// Why it rings: as in the card's place.
    pub why: String,
    /// Since when.
    #[serde(default)]
    pub since: Timestamp,
}

/// The call a page's person belongs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneSeat {
    /// Which.
    pub call: CallId,
    /// The leg, as text: a parameter of `connect`.
    pub leg: String,
    /// The ticket that lets this person in, once: a parameter of `connect`.
    pub ticket: Secret,
    /// Whether the leg is in the room.
    pub joined: bool,
    /// The kind of the card's place, such as `talking` or `holding`. Where it is neither `talking` nor
    /// `dialling`, the other party is not to hear this page, so its microphone is off.
    #[serde(default)]
    pub at: String,
    /// Who the other party is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<SafeText>,
    /// Their number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<Phone>,
    /// Since when it is `at`.
    #[serde(default)]
    pub since: Timestamp,
}

/// A call that a page's person keeps aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneHeld {
    /// Which.
    pub call: CallId,
    /// Who waits.
    pub name: Option<SafeText>,
    /// Their number.
    pub number: Option<Phone>,
    /// Since when.
    pub since: Timestamp,
}
