//! The words that Twilio's requests to us and its answers to our requests share: statuses, parties, directions,
//! dates.
//!
//! Each is read leniently where Twilio may add a word (an unknown status is [`CallState::Unrecognised`], never
//! a failure to read the whole) and strictly where it matters who somebody is. Texts from outside come out as
//! [`SafeText`].
//!
//! Read next: [`super::webhook`].

use cordboard_core::ids::{Phone, SafeText, Timestamp};
use jiff::fmt::rfc2822::DateTimeParser;
use serde::{Deserialize, Deserializer, de};

/// When something became true of which the carrier said so, and of which we heard. Its moments are whole
/// seconds, cut off; ours say when the news came. Within that second the news is the better clock, and later
/// the second's middle is the nearest guess.
pub fn happened(said: Timestamp, heard: Timestamp) -> Timestamp {
    if heard.since(said) < 1_000 {
        heard.max(said)
    } else {
        said.plus(500)
    }
}

/// How far a call (to Twilio: one leg) is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallState {
    /// Accepted by the API, waiting for its turn (one a second).
    Queued,
    /// Leaving Twilio. Only callbacks say this.
    Initiated,
    /// Ringing.
    Ringing,
    /// Answered.
    InProgress,
    /// Over, after it was answered.
    Completed,
    /// Over: engaged.
    Busy,
    /// Over: nobody answered in time.
    NoAnswer,
    /// Over: could not be placed.
    Failed,
    /// Over: given up before the answer.
    Canceled,
    /// A word we do not know. A read says more.
    #[serde(other)]
    Unrecognised,
}

impl CallState {
    /// Reads Twilio's word.
    pub fn read(word: &str) -> Self {
        match word {
            "queued" => Self::Queued,
            "initiated" => Self::Initiated,
            "ringing" => Self::Ringing,
            // A Dial that led to a conference reports "answered" (Twilio docs: Dial, action parameters).
            "in-progress" | "answered" => Self::InProgress,
            "completed" => Self::Completed,
            "busy" => Self::Busy,
            "no-answer" => Self::NoAnswer,
            "failed" => Self::Failed,
            "canceled" => Self::Canceled,
            _ => Self::Unrecognised,
        }
    }

    /// As Twilio spells it, for filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Initiated => "initiated",
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Unrecognised => "",
        }
    }

    /// Whether nothing can follow.
    pub const fn is_over(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Busy | Self::NoAnswer | Self::Failed | Self::Canceled
        )
    }
}

/// Which way a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To a number of ours, or from a browser.
    Inbound,
    /// We created it by REST.
    OutboundApi,
    /// A Dial created it.
    OutboundDial,
    /// Trunks and whatever Twilio adds.
    #[serde(other)]
    Unrecognised,
}

impl Direction {
    /// Reads Twilio's word.
    pub fn read(word: &str) -> Self {
        match word {
            "inbound" => Self::Inbound,
            "outbound-api" => Self::OutboundApi,
            "outbound-dial" => Self::OutboundDial,
            _ => Self::Unrecognised,
        }
    }
}

/// Who or what answered, in the opinion of machine detection (right about nine times in ten).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnsweredBy {
    /// A person.
    Human,
    /// A machine has begun to talk.
    MachineStart,
    /// A machine has beeped.
    MachineEndBeep,
    /// A machine has fallen silent.
    MachineEndSilence,
    /// A machine has ended otherwise.
    MachineEndOther,
    /// A fax.
    Fax,
    /// No opinion.
    #[serde(other)]
    Unknown,
}

impl AnsweredBy {
    /// Reads Twilio's word.
    pub fn read(word: &str) -> Self {
        match word {
            "human" => Self::Human,
            "machine_start" => Self::MachineStart,
            "machine_end_beep" => Self::MachineEndBeep,
            "machine_end_silence" => Self::MachineEndSilence,
            "machine_end_other" => Self::MachineEndOther,
            "fax" => Self::Fax,
            _ => Self::Unknown,
        }
    }

    /// Whether it was certainly not a person.
    pub const fn is_machine(self) -> bool {
        !matches!(self, Self::Human | Self::Unknown)
    }
}

/// One end of a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Party {
    /// A telephone.
    Phone(Phone),
    /// A browser of ours: the identity of its access token (`[A-Za-z0-9_]`, at most 121).
    Client(Box<str>),
    /// A caller who withheld the number.
    Withheld,
    /// SIP addresses, short codes, nonsense: shown, never called.
    Other(SafeText),
}

impl Party {
    /// Reads `From`, `To` and the like. A browser's address may carry parameters (`client:ada?call=7`); they
    /// are not part of who it is.
    pub fn read(text: &str) -> Self {
        // "ANONYMOUS", "RESTRICTED" and so on, typed on a telephone's keys (Twilio support: calls from odd
        // numbers).
        const WORDS_AS_NUMBERS: [&str; 5] = [
            "+266696687",
            "+7378742833",
            "+2562533",
            "+8656696",
            "+86282452253",
        ];
        const WORDS: [&str; 7] = [
            "",
            "anonymous",
            "restricted",
            "blocked",
            "unknown",
            "unavailable",
            "private",
        ];
        if WORDS_AS_NUMBERS.contains(&text) || WORDS.iter().any(|w| text.eq_ignore_ascii_case(w)) {
            return Self::Withheld;
        }
        if let Some(rest) = text.strip_prefix("client:") {
            let identity = rest.split('?').next().unwrap_or_default();
            let fits = (1..=121).contains(&identity.len())
                && identity
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_');
            return if fits {
                Self::Client(identity.into())
            } else {
                Self::Other(text.into())
            };
        }
        text.parse()
            .map_or_else(|_| Self::Other(text.into()), Self::Phone)
    }

    /// The telephone number, where it is one.
    pub const fn phone(&self) -> Option<&Phone> {
        match self {
            Self::Phone(phone) => Some(phone),
            _ => None,
        }
    }

    /// The browser's identity, where it is one. This, in a signed request, is what authorises a person.
    pub fn client(&self) -> Option<&str> {
        match self {
            Self::Client(identity) => Some(identity),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Party {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map_or(Self::Withheld, |text| Self::read(&text)))
    }
}

/// Reads a date as Twilio writes it: RFC 2822, such as `Fri, 18 Feb 2011 21:07:19 +0000`.
pub fn moment(text: &str) -> Option<Timestamp> {
    // A wrong weekday is no reason to lose an event.
    const PARSER: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);
    PARSER
        .parse_timestamp(text)
        .ok()
        .map(|t| Timestamp::from_millis(t.as_millisecond()))
}

/// One line for people and logs out of text from outside: no control characters, nothing that turns the text
/// around, at most `most` characters.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    text.chars()
        .take(most)
        .map(|c| {
            let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if c.is_control() || turns {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

/// For serde: a date or null.
pub(crate) fn date<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    match Option::<String>::deserialize(from)? {
        None => Ok(None),
        Some(text) => moment(&text)
            .map(Some)
            .ok_or_else(|| de::Error::custom("a date that is not RFC 2822")),
    }
}

/// For serde: a number that Twilio writes as a string, a number, or null.
pub(crate) fn number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u32),
        Text(String),
    }
    match Option::<Written>::deserialize(from)? {
        None => Ok(None),
        Some(Written::Number(n)) => Ok(Some(n)),
        Some(Written::Text(text)) if text.is_empty() => Ok(None),
        Some(Written::Text(text)) => text
            .parse()
            .map(Some)
            .map_err(|_| de::Error::custom("a number that is none")),
    }
}

/// For serde: something that Twilio leaves out by writing null or an empty string.
pub(crate) fn unless_empty<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
    D: Deserializer<'de>,
{
    Option::<String>::deserialize(from)?
        .filter(|text| !text.is_empty())
        .map(|text| text.parse().map_err(de::Error::custom))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_is_what_it_is_and_nothing_more() {
        assert_eq!(
            Party::read("+14155550132").phone().unwrap().as_str(),
            "+14155550132"
        );
        assert_eq!(Party::read("client:u12").client(), Some("u12"));
        assert_eq!(Party::read("client:u12?call=7").client(), Some("u12"));
        for withheld in [
            "",
            "anonymous",
            "Anonymous",
            "RESTRICTED",
            "+266696687",
            "+86282452253",
        ] {
            assert_eq!(Party::read(withheld), Party::Withheld, "{withheld}");
        }
        for other in [
            "client:",
            "client:../../u12",
            "client:u 12",
            "sip:ada@example.com",
            "12345",
            "+1\u{0}4155550132",
        ] {
            assert!(matches!(Party::read(other), Party::Other(_)), "{other}");
        }
    }

    #[test]
    fn dates_are_read_as_twilio_writes_them() {
        assert_eq!(
            moment("Fri, 18 Feb 2011 21:07:19 +0000").unwrap().millis(),
            1_298_063_239_000
        );
        assert_eq!(
            moment("Mon, 18 Feb 2011 21:07:19 +0000"),
            moment("Fri, 18 Feb 2011 21:07:19 +0000")
        );
        for wrong in [
            "",
            "2011-02-18T21:07:19Z",
            "Fri, 32 Feb 2011 21:07:19 +0000",
            "\u{0}",
        ] {
            assert_eq!(moment(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_unknown_status_does_not_spoil_the_rest() {
        assert_eq!(
            serde_json::from_str::<CallState>("\"no-answer\"").unwrap(),
            CallState::NoAnswer
        );
        assert_eq!(
            serde_json::from_str::<CallState>("\"teleported\"").unwrap(),
            CallState::Unrecognised
        );
        assert_eq!(CallState::read("in-progress"), CallState::InProgress);
        assert_eq!(
            serde_json::from_str::<AnsweredBy>("\"machine_end_beep\"").unwrap(),
            AnsweredBy::MachineEndBeep
        );
        assert_eq!(
            serde_json::from_str::<Direction>("\"trunking-originating\"").unwrap(),
            Direction::Unrecognised
        );
    }
}
