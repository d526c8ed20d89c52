//! Reads single words that people type: addresses, numbers, spans and moments, stops of a route.
//!
//! Pure functions from text to values. An error is what stands behind "invalid value …:", so it says the form that
//! is wanted. What depends on the house (who is 102?) is read later, by whoever asks the server.
//!
//! Read next: `cli/args.rs`.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use cordboard_core::{
    board::Presence,
    ids::{GroupId, Phone, QueueId, Timestamp},
    policy::{Permission, Role},
    wire::Position,
};
use jiff::{Zoned, civil::Time, tz::TimeZone};
use serde::de::{DeserializeOwned, IntoDeserializer, value::StrDeserializer};
use url::Url;

/// What takes away what there was: groups, languages, a number.
pub const NONE: &str = "none";

/// How long a stop of a route rings where nothing is said.
const RING: Duration = Duration::from_secs(20);

/// A server's address. Only the scheme, the host and the port count, so that one server has one name.
pub fn http_url(text: &str) -> Result<Url, String> {
    let wrong = || "not the address of a server, such as http://127.0.0.1:8080".to_owned();
    let mut url: Url = text.parse().map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https")
        || !url.has_host()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err(wrong());
    }
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// A link to an invitation: the server, and the code behind the `#`. None: it is no link.
pub fn join_link(text: &str) -> Option<Result<(Url, String), String>> {
    let text = text.trim();
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return None;
    }
    let wrong = || "not the link of an invitation, which ends in /join#CODE".to_owned();
    let read = || {
        let mut url: Url = text.parse().map_err(|_| wrong())?;
        let code = url
            .fragment()
            .filter(|code| !code.is_empty())
            .map(str::to_owned)
            .ok_or_else(wrong)?;
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix("join").ok_or_else(wrong)?.to_owned();
        url.set_path(&path);
        Ok((http_url(url.as_str())?, code))
    };
    Some(read())
}

pub(super) fn position(text: &str) -> Result<Position, String> {
    text.rsplit_once(':')
        .filter(|(epoch, _)| !epoch.is_empty())
        .and_then(|(epoch, rev)| {
            Some(Position {
                epoch: epoch.to_owned(),
                rev: rev.parse().ok()?,
            })
        })
        .ok_or_else(|| {
            "not a place in the board's history, which is its epoch, a colon and its rev".to_owned()
        })
}

pub(super) fn command_id(text: &str) -> Result<String, String> {
    if (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("an id has 1 to 64 characters, without spaces".to_owned())
    }
}

pub(super) fn phone(text: &str) -> Result<Phone, String> {
    Phone::read(text).map_err(|e| e.to_string())
}

pub(super) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE, such as webhook.double=0.3".to_owned()),
    }
}

/// What a caller sounds like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Voice {
    /// One tone, in hertz.
    Tone(f32),
    /// Says nothing.
    Silent,
    /// Talks; each number is another voice.
    Babble(u64),
}

/// `tone:440`, `silent`, or the number of a voice.
pub(super) fn voice(text: &str) -> Result<Voice, String> {
    let wrong = || "tone:440 (20 to 3400 Hz), silent, or the number of a voice".to_owned();
    if text == "silent" {
        return Ok(Voice::Silent);
    }
    let Some(hz) = text.strip_prefix("tone:") else {
        return text.parse().map(Voice::Babble).map_err(|_| wrong());
    };
    // What a telephone line carries.
    let hz: f32 = hz.parse().map_err(|_| wrong())?;
    let heard = (20.0..=3_400.0).contains(&hz);
    heard.then_some(Voice::Tone(hz)).ok_or_else(wrong)
}

/// So many seconds of what the twin keeps.
pub(super) fn kept_seconds(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(seconds) if (0.1..=10.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0.1 to 10".to_owned()),
    }
}

pub(super) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.0..=600.0).contains(&rate) => Ok(rate),
        _ => Err("a number from 0 to 600".to_owned()),
    }
}

/// `60s`, `1.5s`, `200ms`, `2m`, `1h`, or a bare number of seconds; at most a day.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.trim() {
        t if t.ends_with("ms") => (&t[..t.len() - 2], 0.001),
        t if t.ends_with('s') => (&t[..t.len() - 1], 1.0),
        t if t.ends_with('m') => (&t[..t.len() - 1], 60.0),
        t if t.ends_with('h') => (&t[..t.len() - 1], 3_600.0),
        t => (t, 1.0),
    };
    match number.trim().parse::<f64>().map(|n| n * unit) {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("a time such as 60s, 1.5s, 200ms, 2m or 1h".to_owned()),
    }
}

/// The word a value has on the wire, for words that are a closed list.
fn worded<T: DeserializeOwned>(word: &str) -> Result<T, serde::de::value::Error> {
    let word: StrDeserializer<'_, serde::de::value::Error> = word.into_deserializer();
    T::deserialize(word)
}

/// A role, by its word.
pub(super) fn role() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::word)).try_map(|word| worded(&word))
}

/// A permission, or that there shall be none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// None.
    Nothing,
    /// This one.
    This(Permission),
}

/// A permission, by its word, or `none`.
pub(super) fn grant() -> impl TypedValueParser<Value = Grant> {
    let words = Permission::ALL.into_iter().map(Permission::word);
    PossibleValuesParser::new(words.chain([NONE])).try_map(|word| {
        if word == NONE {
            Ok(Grant::Nothing)
        } else {
            worded(&word).map(Grant::This)
        }
    })
}

/// What a person says of themselves, by its word.
pub(super) fn presence() -> impl TypedValueParser<Value = Presence> {
    PossibleValuesParser::new(["available", "away", "busy", "dnd", "offline"])
        .try_map(|word| worded(&word))
}

/// When somebody means to be back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// After so long.
    In(Duration),
    /// When the clock here shows that the next time.
    At(Time),
    /// Then.
    On(Timestamp),
}

pub(super) fn back(text: &str) -> Result<Back, String> {
    let text = text.trim();
    let wrong = || "a time such as 30m, 13:30 or 2026-01-31T13:30:00Z".to_owned();
    if let Some((hours, minutes)) = text.split_once(':').filter(|_| text.len() <= 5) {
        let time = hours.parse().ok().zip(minutes.parse().ok());
        let time = time.and_then(|(h, m)| Time::new(h, m, 0, 0).ok());
        return time.map(Back::At).ok_or_else(wrong);
    }
    if text.contains('T') {
        return text.parse().map(Back::On).map_err(|_| wrong());
    }
    match duration(text) {
        // A bare number would be seconds, which nobody means.
        Ok(span) if text.ends_with(char::is_alphabetic) => Ok(Back::In(span)),
        _ => Err(wrong()),
    }
}

impl Back {
    /// The moment it means now, where clocks show the time of `zone`.
    pub fn moment(self, now: Timestamp, zone: TimeZone) -> Timestamp {
        match self {
            Self::On(moment) => moment,
            Self::In(span) => now.plus(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
            Self::At(time) => {
                let here = jiff::Timestamp::from_millisecond(now.millis())
                    .unwrap_or_default()
                    .to_zoned(zone);
                let next = today_or_tomorrow(&here, time).unwrap_or(here);
                Timestamp::from_millis(next.timestamp().as_millisecond())
            }
        }
    }
}

/// The next time that it is `time`: today, or tomorrow where that is over.
fn today_or_tomorrow(here: &Zoned, time: Time) -> Result<Zoned, jiff::Error> {
    // Where a clock skips that hour, the hour after it is meant; where it has it twice, the first.
    let today = here
        .date()
        .to_datetime(time)
        .to_zoned(here.time_zone().clone())?;
    if today > *here {
        return Ok(today);
    }
    let tomorrow = here.date().tomorrow()?.to_datetime(time);
    tomorrow.to_zoned(here.time_zone().clone())
}

/// A stop on the way of a call, as it is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// It rings for people: each an extension, an id or an e-mail address.
    People(Vec<String>, u32),
    /// It rings for a group.
    Group(GroupId, u32),
    /// It waits in a queue.
    Queue(QueueId),
}

/// `101,102@20s`, `group:sales@30s`, `queue:desk`.
pub(super) fn stop(text: &str) -> Result<Stop, String> {
    if let Some(queue) = text.strip_prefix("queue:") {
        return queue
            .parse()
            .map(Stop::Queue)
            .map_err(|e| format!("{e}; a queue has no time"));
    }
    // An e-mail address has an @ of its own: what stands behind the last one may be a time.
    let (whom, seconds) = match text.rsplit_once('@').map(|(w, t)| (w, duration(t))) {
        Some((whom, Ok(time))) => (whom, time),
        _ => (text, RING),
    };
    let seconds = u32::try_from(seconds.as_secs()).unwrap_or(u32::MAX);
    if let Some(group) = whom.strip_prefix("group:") {
        let group = group.parse().map_err(|e| format!("{e}"))?;
        return Ok(Stop::Group(group, seconds));
    }
    let people: Vec<String> = whom.split(',').map(|who| who.trim().to_owned()).collect();
    if people.iter().any(String::is_empty) {
        return Err("write 101,102@20s, group:sales@20s or queue:desk".to_owned());
    }
    Ok(Stop::People(people, seconds))
}

/// How long a call may lie in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Park {
    /// As long as the desk says.
    AsAny,
    /// So many seconds.
    For(u32),
}

pub(super) fn park(text: &str) -> Result<Park, String> {
    if text == NONE {
        return Ok(Park::AsAny);
    }
    seconds(text).map(Park::For)
}

/// A whole number of seconds: `90`, `90s` or `2m`.
pub(super) fn seconds(text: &str) -> Result<u32, String> {
    let span = duration(text)?;
    u32::try_from(span.as_secs())
        .ok()
        .filter(|_| span.subsec_nanos() == 0)
        .ok_or_else(|| "whole seconds, such as 90s or 2m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_one_name() {
        assert_eq!(
            http_url("http://127.0.0.1:8080").unwrap(),
            http_url("http://127.0.0.1:8080/?x=1#y").unwrap()
        );
        assert_eq!(
            http_url("https://Desk.example/board")
                .unwrap()
                .join("api/me")
                .unwrap()
                .as_str(),
            "https://desk.example/board/api/me"
        );
    }

    #[test]
    fn an_invitations_link_names_its_server_and_its_code() {
        let read = |text| join_link(text).map(|r| r.map(|(url, code)| (url.to_string(), code)));
        let of = |url: &str| Some(Ok((url.to_owned(), "WDJB-MJHT".to_owned())));
        assert_eq!(
            read("https://desk.example/join#WDJB-MJHT"),
            of("https://desk.example/")
        );
        assert_eq!(
            read("http://10.0.0.1:8080/a/join/#WDJB-MJHT"),
            of("http://10.0.0.1:8080/a/")
        );
        assert_eq!(read("WDJB-MJHT"), None);
        for bad in [
            "https://desk.example/join",
            "https://desk.example/#X",
            "https://u:p@d.example/join#X",
        ] {
            assert!(read(bad).unwrap().is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_read_with_and_without_units() {
        assert_eq!(duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        assert_eq!(duration("1.5h"), Ok(Duration::from_mins(90)));
        assert!(duration("-1s").is_err() && duration("soon").is_err() && duration("NaN").is_err());
        assert_eq!(seconds("2m"), Ok(120));
        assert!(seconds("1.5s").is_err());
        assert_eq!(
            (park("none"), park("90s")),
            (Ok(Park::AsAny), Ok(Park::For(90)))
        );
    }

    #[test]
    fn whoever_is_back_at_half_past_one_means_the_next_one() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let moment = |text: &str, now: &str| back(text).unwrap().moment(at(now), zone.clone());
        let noon = "2026-06-30T10:00:00Z";
        assert_eq!(moment("13:30", noon), at("2026-06-30T11:30:00Z"));
        assert_eq!(moment("9:05", noon), at("2026-07-01T07:05:00Z"));
        assert_eq!(moment("30m", noon), at("2026-06-30T10:30:00Z"));
        assert_eq!(moment("2h", noon), at("2026-06-30T12:00:00Z"));
        assert_eq!(
            moment("2026-07-02T08:00:00+02:00", noon),
            at("2026-07-02T06:00:00Z")
        );
        for bad in ["30", "25:00", "13:60", "noon", "", "-5m", "tomorrow"] {
            assert!(back(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_route_is_written_stop_by_stop() {
        let people = |list: &[&str], s| {
            Ok(Stop::People(
                list.iter().map(|p| (*p).to_owned()).collect(),
                s,
            ))
        };
        assert_eq!(stop("101,102@30s"), people(&["101", "102"], 30));
        assert_eq!(stop("101"), people(&["101"], 20));
        assert_eq!(stop("ada@example.com"), people(&["ada@example.com"], 20));
        assert_eq!(
            stop("ada@example.com,u2@1m"),
            people(&["ada@example.com", "u2"], 60)
        );
        assert_eq!(
            stop("group:sales@20"),
            Ok(Stop::Group("sales".parse().unwrap(), 20))
        );
        assert_eq!(stop("queue:desk"), Ok(Stop::Queue("desk".parse().unwrap())));
        for bad in ["queue:desk@20s", "group:", "101,", ""] {
            assert!(stop(bad).is_err(), "{bad}");
        }
    }
}
