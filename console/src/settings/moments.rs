//! Moments as people write and read them: `30m`, `13:30`, `26 Nov 09:41`.
//!
//! Everything is told in the civil time of whoever looks, by the difference to UTC that holds now: nobody plans to
//! be back beyond the night in which the clocks change. No clock is read here.

use cordboard_core::ids::Timestamp;
use jiff::tz::Offset;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// Reads when somebody means to be back: `30m`, `2h`, `1h30`, or a time of day such as `13:30`, which is the next
/// one. Empty: they do not say. The error is a sentence.
pub fn read_back(
    text: &str,
    now: Timestamp,
    utc_offset: i32,
) -> Result<Option<Timestamp>, &'static str> {
    const WHY: &str = "Write how long, such as 30m or 1h30, or when, such as 13:30.";
    let text = text.trim().to_ascii_lowercase();
    if text.is_empty() {
        return Ok(None);
    }
    if let Some((hours, minutes)) = text.split_once(':') {
        let (hours, minutes) = (digits(hours).ok_or(WHY)?, digits(minutes).ok_or(WHY)?);
        if hours > 23 || minutes > 59 {
            return Err(WHY);
        }
        return Ok(Some(next(now, utc_offset, hours * 60 + minutes)));
    }
    let minutes = match text.split_once('h') {
        Some((hours, rest)) => {
            let rest = rest.trim_end_matches('m');
            let rest = if rest.is_empty() {
                Some(0)
            } else {
                digits(rest)
            };
            digits(hours).ok_or(WHY)? * 60 + rest.ok_or(WHY)?
        }
        None => digits(text.strip_suffix('m').ok_or(WHY)?).ok_or(WHY)?,
    };
    if minutes == 0 || minutes > 7 * 24 * 60 {
        return Err("Between one minute and a week.");
    }
    Ok(Some(now.plus(minutes * MINUTE)))
}

/// At most four digits, and nothing else.
fn digits(text: &str) -> Option<i64> {
    let text = text.trim();
    let plain = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// The next moment at which the clock on the wall shows that minute of the day.
fn next(now: Timestamp, utc_offset: i32, minute: i64) -> Timestamp {
    let local = now.millis() + i64::from(utc_offset) * 1000;
    let today = local.div_euclid(DAY) * DAY + minute * MINUTE;
    let then = if today > local { today } else { today + DAY };
    Timestamp::from_millis(then - i64::from(utc_offset) * 1000)
}

/// The time of day: `09:41`.
pub fn clock(at: Timestamp, utc_offset: i32) -> String {
    civil(at, utc_offset, "%H:%M")
}

/// The day and the time: `26 Nov 09:41`.
pub fn day(at: Timestamp, utc_offset: i32) -> String {
    civil(at, utc_offset, "%-d %b %H:%M")
}

/// The day with its year: `26 Nov 2026`.
pub fn date(at: Timestamp, utc_offset: i32) -> String {
    civil(at, utc_offset, "%-d %b %Y")
}

fn civil(at: Timestamp, utc_offset: i32, format: &str) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or_default();
    let offset = Offset::from_seconds(utc_offset).unwrap_or(Offset::UTC);
    offset.to_datetime(moment).strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sunday, 22 November 2026, 09:41:07 UTC.
    const NOW: Timestamp = Timestamp::from_millis(1_795_340_467_000);

    #[test]
    fn a_while_and_a_time_of_day_are_read() {
        let at = |text: &str| read_back(text, NOW, 3600).map(|t| t.map(|t| day(t, 3600)));
        assert_eq!(at(" "), Ok(None));
        assert_eq!(at("30m"), Ok(Some("22 Nov 11:11".to_owned())));
        assert_eq!(at("1h30"), Ok(Some("22 Nov 12:11".to_owned())));
        assert_eq!(at("2 H"), Ok(Some("22 Nov 12:41".to_owned())));
        assert_eq!(at("13:30"), Ok(Some("22 Nov 13:30".to_owned())));
        assert_eq!(
            at("9:00"),
            Ok(Some("23 Nov 09:00".to_owned())),
            "tomorrow: today it is over"
        );
        for bad in [
            "13:60", "24:00", "soon", "0m", "90", "99999m", "-5m", "1h3x", ":",
        ] {
            assert!(at(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_day_is_that_of_whoever_looks() {
        assert_eq!(day(NOW, 0), "22 Nov 09:41");
        assert_eq!(day(NOW, 15 * 3600), "23 Nov 00:41");
        assert_eq!(date(NOW, 0), "22 Nov 2026");
        assert_eq!(
            clock(Timestamp::from_millis(i64::MAX), i32::MAX),
            clock(Timestamp::default(), 0)
        );
    }
}
