//! The words that name things: ids, telephone numbers, moments, and text that is safe to show.
//!
//! Everything here is parsed once at the edge and trusted afterwards ("parse, don't validate"): a [`Phone`] is
//! E.164, a [`CallSid`] has the shape of one, a [`SafeText`] cannot move a cursor. Nothing here makes an id or
//! reads a clock; both come in from outside, so that any failure replays from a seed.
//!
//! Read next: [`crate::call`].

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_width::UnicodeWidthChar;

/// Why a text is not the id, number or moment it was taken for. The sentence names the form that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{got}” is not {wanted}")]
pub struct Malformed {
    got: SafeText,
    wanted: &'static str,
}

impl Malformed {
    pub(crate) fn new(got: &str, wanted: &'static str) -> Self {
        Self {
            got: SafeText::clean(got, 40),
            wanted,
        }
    }
}

/// Serialises a type as the string it prints, and reads it back through `FromStr`.
macro_rules! as_text {
    ($($name:ty),+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                text.parse().map_err(de::Error::custom)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )+};
}

/// An id that is text of a fixed shape, checked once.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $fits:expr, $wanted:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// It as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = Malformed;
            fn from_str(text: &str) -> Result<Self, Malformed> {
                let fits: fn(&str) -> bool = $fits;
                if fits(text) { Ok(Self(text.into())) } else { Err(Malformed::new(text, $wanted)) }
            }
        }
        as_text!($name);
    };
}

text_id!(
    /// A parking slot, such as `P2`.
    SlotId,
    is_short_name,
    "a slot name (letters, digits, - and _, at most 16)"
);
text_id!(
    /// A queue, such as `desk`.
    QueueId,
    is_short_name,
    "a queue name (letters, digits, - and _, at most 16)"
);
text_id!(
    /// A group of people, such as `sales`.
    GroupId,
    is_short_name,
    "a group name (letters, digits, - and _, at most 16)"
);
text_id!(
    /// A sign-in: one console, script or phone page of one person. Names it, and lets nobody in.
    SessionId,
    |text| is_hex(text, 16),
    "a session id (16 hexadecimal digits)"
);
text_id!(
    /// Something that was handed out as a code: an invitation, a reset, a pairing. Names it, and is not the code.
    CodeId,
    |text| is_hex(text, 16),
    "an id of a code (16 hexadecimal digits)"
);
text_id!(
    /// An extension: what people inside dial to reach a person.
    Extension,
    |text| (2..=6).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_digit())
        && Emergency::recognise(text).is_none(),
    "an extension (2 to 6 digits, and no emergency number)"
);
text_id!(
    /// A language that a person speaks: a tag of ISO 639 such as `en`, perhaps with a region, `pt-BR` (BCP 47).
    Language,
    is_language,
    "a language such as en or pt-BR"
);
text_id!(
    /// An e-mail address, in lower case: what a person signs in with.
    Email,
    is_email,
    "an e-mail address, such as ada@example.com"
);
text_id!(
    /// The carrier's name for one leg (one telephone's or browser's connection).
    CallSid,
    |text| is_sid(text, "CA"),
    "a CallSid (CA and 32 hexadecimal digits)"
);
text_id!(
    /// The carrier's name for one life of a room. A room name used again gets another.
    ConferenceSid,
    |text| is_sid(text, "CF"),
    "a ConferenceSid (CF and 32 hexadecimal digits)"
);

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The shape of an address as people have them: what stands around the one @, and nothing that a terminal, a log or
/// a header could stumble over. Whether somebody reads what is sent there, only sending tells.
fn is_email(text: &str) -> bool {
    let atom = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c))
    };
    let label = |part: &str| {
        !part.is_empty()
            && part.len() <= 63
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.len() <= 254
        && !text.bytes().any(|b| b.is_ascii_uppercase())
        && text.split_once('@').is_some_and(|(local, domain)| {
            local.len() <= 64
                && local.split('.').all(atom)
                && domain.contains('.')
                && domain.split('.').all(label)
        })
}

fn is_language(text: &str) -> bool {
    let (language, region) = text
        .split_once('-')
        .map_or((text, None), |(l, r)| (l, Some(r)));
    matches!(language.len(), 2 | 3)
        && language.bytes().all(|b| b.is_ascii_lowercase())
        && region.is_none_or(|r| r.len() == 2 && r.bytes().all(|b| b.is_ascii_uppercase()))
}

impl Email {
    /// An address as a person types it: space around it and the case of its letters do not count.
    pub fn read(text: &str) -> Result<Self, Malformed> {
        text.trim().to_ascii_lowercase().parse()
    }

    /// What stands behind the @.
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }
}

/// Whether people may call something of theirs that: `[A-Za-z0-9_-]`, 1 to 16 characters.
fn is_short_name(text: &str) -> bool {
    (1..=16).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// Whether it is a Twilio SID of that kind: two capital letters and 32 hexadecimal digits (Twilio docs, "What is
/// a SID").
fn is_sid(text: &str, kind: &str) -> bool {
    text.strip_prefix(kind)
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A call, for as long as it is remembered. 128 random bits: also the name of its room, so it must not be
/// guessable.
///
/// Prints as `c_` and 26 characters of Crockford's base 32 in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u128);

const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl CallId {
    /// An id from 128 bits that the caller drew at random.
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The bits: what digests and lock tables use.
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// The leg of this call with that number.
    pub const fn leg(self, n: u16) -> LegId {
        LegId { call: self, n }
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0_u8; 28];
        text[..2].copy_from_slice(b"c_");
        let mut bits = self.0;
        for place in text[2..].iter_mut().rev() {
            *place = BASE32[(bits & 31) as usize];
            bits >>= 5;
        }
        f.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for CallId {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = || Malformed::new(text, "a call id (c_ and 26 letters and digits)");
        let digits = text
            .strip_prefix("c_")
            .filter(|d| d.len() == 26)
            .ok_or_else(wrong)?;
        let mut bits = 0_u128;
        for (i, byte) in digits.bytes().enumerate() {
            let value = BASE32.iter().position(|b| *b == byte).ok_or_else(wrong)?;
            if i == 0 && value > 7 {
                return Err(wrong()); // 26 characters hold 130 bits, an id has 128
            }
            bits = bits << 5 | value as u128;
        }
        Ok(Self(bits))
    }
}

/// One leg of one call: the participant label at the carrier, and what every callback URL carries.
///
/// Fixed at commit, before anything is asked of the carrier; never a person, never user text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId {
    /// The call it belongs to.
    pub call: CallId,
    /// Its number within the call; the customer's leg is 0.
    pub n: u16,
}

impl fmt::Display for LegId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.call, self.n)
    }
}

impl FromStr for LegId {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let wrong = || Malformed::new(text, "a leg id (a call id, a dot and a number)");
        let (call, n) = text.split_once('.').ok_or_else(wrong)?;
        Ok(Self {
            call: call.parse().map_err(|_| wrong())?,
            n: n.parse().map_err(|_| wrong())?,
        })
    }
}

/// A person who works here. Prints as `u` and a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub u32);

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "u{}", self.0)
    }
}

impl FromStr for UserId {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        // One way to write each: nobody is two people in a log.
        text.strip_prefix('u')
            .filter(|n| n.bytes().all(|b| b.is_ascii_digit()) && (!n.starts_with('0') || *n == "0"))
            .and_then(|n| n.parse().ok())
            .map(Self)
            .ok_or_else(|| Malformed::new(text, "a user id (u and a number)"))
    }
}

/// A telephone number in E.164: `+`, then 2 to 15 digits of which the first is not 0.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Phone(Box<str>);

impl Phone {
    /// The number as `+` and digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A number as a person writes it: spaces, dots, dashes, slashes and brackets are passed over.
    pub fn read(text: &str) -> Result<Self, Malformed> {
        let bare: String = text
            .chars()
            .filter(|c| !matches!(c, ' ' | '.' | '-' | '/' | '(' | ')'))
            .collect();
        bare.parse().map_err(|_| {
            Malformed::new(
                text,
                "a telephone number with its country code, such as +14155550132",
            )
        })
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Phone {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let digits = text.strip_prefix('+').unwrap_or_default();
        let fits = (2..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(Malformed::new(
                text,
                "an E.164 number, such as +14155550132",
            ))
        }
    }
}

/// An emergency number, as dialled: no country code. It goes its own way, before any store or limit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Emergency(&'static str);

impl Emergency {
    /// Numbers that reach help somewhere (911 and its test number 933, 112, 999, 000, 110, 118, 119 and so on).
    /// Recognised everywhere: a person under stress dials the number they know, and the network maps it.
    const NUMBERS: [&'static str; 14] = [
        "911", "933", "112", "999", "000", "110", "111", "113", "114", "115", "117", "118", "119",
        "144",
    ];

    /// The emergency number in `text`, if it is one. Spaces and a leading `+` are passed over.
    pub fn recognise(text: &str) -> Option<Self> {
        let digits: String = text
            .chars()
            .filter(|c| !matches!(c, ' ' | '-' | '+' | '.'))
            .collect();
        Self::NUMBERS.into_iter().find(|n| *n == digits).map(Self)
    }

    /// The digits.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Emergency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl FromStr for Emergency {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        Self::recognise(text).ok_or_else(|| Malformed::new(text, "an emergency number"))
    }
}

/// How often a thing has changed: a call's own counter, or the board's. The two are never compared.
pub type Rev = u64;

/// A moment: milliseconds since 1970 in UTC. Prints and serialises as RFC 3339 with milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From milliseconds since 1970.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This moment and that many milliseconds.
    #[must_use]
    pub const fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this; negative where `earlier` is later.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        write!(f, "{moment:.3}")
    }
}

impl FromStr for Timestamp {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        text.parse::<jiff::Timestamp>()
            .map(|t| Self(t.as_millisecond()))
            .map_err(|_| Malformed::new(text, "a moment in RFC 3339, such as 2026-01-31T09:41:07Z"))
    }
}

as_text!(CallId, LegId, UserId, Phone, Emergency, Timestamp);

/// Text from outside that is safe to put in a terminal cell, a log line or a document.
///
/// Control characters become `\u{FFFD}`; format characters (bidi overrides, joiners, tags), variation
/// selectors, private use and surrogates are dropped; at most two combining marks (or letters without a width) and
/// one spacing mark follow a base; the text is NFC and at most 64 cells wide. Dropping joiners splits emoji
/// families: the price of columns that stay aligned on every terminal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SafeText(Box<str>);

impl SafeText {
    /// The widest a safe text gets, in terminal cells.
    pub const CELLS: usize = 64;

    /// Cleans `text` and cuts it to `cells` terminal cells (an ellipsis marks the cut).
    pub fn clean(text: &str, cells: usize) -> Self {
        let cells = cells.min(Self::CELLS);
        let mut out = String::new();
        let (mut width, mut marks, mut beside, mut cut_at) = (0, 0, 0, 0);
        // NFC may only be asked of bounded input: one name can carry a megabyte of combining marks. What is dropped
        // whatever surrounds it goes first, or it would keep apart what belongs together.
        let kept = |c: &char| {
            !matches!(
                c.general_category(),
                GeneralCategory::Format
                    | GeneralCategory::PrivateUse
                    | GeneralCategory::Surrogate
                    | GeneralCategory::Unassigned
            )
        };
        for c in text.chars().take(4 * Self::CELLS * 4).filter(kept).nfc() {
            // What is trimmed in the end must not carry a mark that would be left without its base.
            if out.is_empty() && c.is_whitespace() && !c.is_control() {
                continue;
            }
            let c = match c.general_category() {
                GeneralCategory::Control
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator => char::REPLACEMENT_CHARACTER,
                GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark => {
                    // Variation selectors are non-spacing marks that change a cell's width on some terminals
                    // only.
                    let variation = matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' | '\u{180B}'..='\u{180F}');
                    if variation || marks == 2 || out.is_empty() {
                        continue;
                    }
                    marks += 1;
                    c
                }
                // A vowel beside its consonant, as in Indic scripts: part of the same cell, so no more than one.
                GeneralCategory::SpacingMark => {
                    if beside == 1 || out.is_empty() {
                        continue;
                    }
                    beside += 1;
                    c
                }
                // A letter that takes no room of its own, such as a joining vowel of Hangul: part of the same cell, or one
                // cell could carry a thousand.
                _ if c.width() == Some(0) => {
                    if marks == 2 || out.is_empty() {
                        continue;
                    }
                    marks += 1;
                    c
                }
                _ => {
                    (marks, beside) = (0, 0);
                    c
                }
            };
            let w = c.width().unwrap_or(0);
            if width + w > cells {
                out.truncate(cut_at);
                out.push('…');
                break;
            }
            width += w;
            out.push(c);
            if width < cells {
                cut_at = out.len();
            }
        }
        Self(out.trim().into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing was left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for SafeText {
    fn from(text: &str) -> Self {
        Self::clean(text, Self::CELLS)
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for SafeText {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SafeText {
    /// Cleans again: a console does not trust its server, and a server not its database.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self::from(&*std::borrow::Cow::<'de, str>::deserialize(
            from,
        )?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr;

    proptest! {
        #[test]
        fn ids_print_and_parse_back(bits: u128, n: u16) {
            let leg = CallId::from_bits(bits).leg(n);
            prop_assert_eq!(leg.to_string().parse::<LegId>().unwrap(), leg);
            prop_assert_eq!(serde_json::from_str::<LegId>(&serde_json::to_string(&leg).unwrap()).unwrap(), leg);
        }

        #[test]
        fn nothing_from_outside_panics_a_parser(text in ".{0,80}") {
            let _ = (text.parse::<CallId>(), text.parse::<LegId>(), text.parse::<Phone>(), Phone::read(&text));
            let _ = (text.parse::<SlotId>(), text.parse::<Timestamp>(), text.parse::<CallSid>(), Emergency::recognise(&text));
        }

        #[test]
        fn safe_text_is_safe_for_any_input(text in any::<String>(), cells in 1_usize..80) {
            let safe = SafeText::clean(&text, cells);
            prop_assert!(!safe.as_str().chars().any(char::is_control));
            prop_assert!(safe.as_str().width() <= cells.min(SafeText::CELLS));
            prop_assert_eq!(SafeText::clean(safe.as_str(), cells), safe, "cleaning twice changes nothing");
        }
    }

    #[test]
    fn a_hostile_name_loses_its_teeth_and_an_honest_one_keeps_its_letters() {
        let hostile =
            "\u{1b}]52;c;aGk=\u{7}\u{1b}[2J\u{9b}2J\u{202e}evil\u{2066}\u{200d}\u{e0041}\n";
        assert_eq!(
            SafeText::from(hostile).as_str(),
            "\u{fffd}]52;c;aGk=\u{fffd}\u{fffd}[2J\u{fffd}2Jevil\u{fffd}"
        );
        assert_eq!(
            SafeText::from("Zöe Müller 李小龍 דוד").as_str(),
            "Zöe Müller 李小龍 דוד"
        );
        let zalgo = format!("Z{}", "\u{301}".repeat(100_000));
        assert!(SafeText::from(&*zalgo).as_str().len() < 10);
        // Marks that stand beside their base are part of its cell, too.
        let indic = format!("0{}", "\u{d81}\u{cc0}\u{c46}\u{bbe}".repeat(9));
        assert_eq!(SafeText::from(&*indic).as_str().chars().count(), 4);
        // So are letters that join the one before, and the server says that a text has at most 512 characters.
        let vowels = format!("ᄀ{}", "\u{1160}".repeat(1000));
        assert_eq!(SafeText::from(&*vowels).as_str().chars().count(), 3);
        let old_hangul = "ᄀᆞᆯ";
        assert_eq!(SafeText::from(old_hangul).as_str(), old_hangul);
        assert_eq!(
            SafeText::from("கொழும்பு").as_str(),
            "கொழும்பு",
            "a name that people have"
        );
        // What is dropped does not keep apart what belongs together.
        assert_eq!(SafeText::from("e\u{200d}\u{301}").as_str(), "é");
    }

    #[test]
    fn a_moment_is_rfc_3339_in_utc() {
        let t = Timestamp::from_millis(1_767_225_600_123);
        assert_eq!(
            serde_json::to_string(&t).unwrap(),
            "\"2026-01-01T00:00:00.123Z\""
        );
        assert_eq!(
            "2026-01-01T01:00:00.123+01:00"
                .parse::<Timestamp>()
                .unwrap(),
            t
        );
    }

    #[test]
    fn a_person_has_one_id() {
        assert_eq!("u10".parse(), Ok(UserId(10)));
        for text in ["u", "10", "u010", "u+1", "u-1", "u 1", "u4294967296"] {
            assert!(text.parse::<UserId>().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        assert_eq!(
            Phone::read("+1 (415) 555-01.32").unwrap().as_str(),
            "+14155550132"
        );
        assert!(Phone::read("0555 0132").is_err());
        assert!("+".parse::<Phone>().is_err());
        assert_eq!(Emergency::recognise("9 1 1").unwrap().as_str(), "911");
        assert!(Emergency::recognise("9112").is_none());
    }
}
