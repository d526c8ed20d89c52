//! The twin's time: real time, optionally run faster, always the same for everybody who holds a clone.
//!
//! Ringing, patience, music and web hook time-outs are measured here. Socket time-outs are not: a stalled
//! kernel does not stall ten times less because a test is in a hurry. A paused clock was not chosen, since real
//! sockets and a clock that only moves when told to dead-lock each other. Next: `world`, whose moments all come
//! from here.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

/// A clock that starts at a given moment and runs `scale` times as fast as the wall.
///
/// Clones share the same origin, so a server, the twin and a cast of callers that were given one clock agree.
#[derive(Clone, Debug)]
pub struct Clock {
    face: Arc<Face>,
}

#[derive(Debug)]
struct Face {
    started: Instant,
    epoch_ms: i64,
    scale: f64,
}

/// The fastest a clock may run. At 60 times, a stall of 100 ms is 6 s and time-outs fire that nobody caused.
pub const MAX_SCALE: f64 = 10.0;

impl Clock {
    /// Real time, starting from the machine's own clock.
    #[must_use]
    pub fn system() -> Self {
        Self::scaled(1.0)
    }

    /// Starts now, runs `scale` times as fast; `scale` is clamped to 1.0 ..= [`MAX_SCALE`].
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the clock itself has to begin at the machine's time"
    )]
    pub fn scaled(scale: f64) -> Self {
        Self::starting_at(Timestamp::now().as_millisecond(), scale)
    }

    /// Starts at `epoch_ms` (milliseconds since 1970, UTC) and runs `scale` times as fast.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the clock itself is measured against the machine's"
    )]
    pub fn starting_at(epoch_ms: i64, scale: f64) -> Self {
        let scale = if scale.is_finite() {
            scale.clamp(1.0, MAX_SCALE)
        } else {
            1.0
        };
        Self {
            face: Arc::new(Face {
                started: Instant::now(),
                epoch_ms,
                scale,
            }),
        }
    }

    /// Milliseconds since 1970, UTC, by this clock.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        let elapsed = self.face.started.elapsed().mul_f64(self.face.scale);
        self.face.epoch_ms + i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX / 2)
    }

    /// The present moment by this clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms()).unwrap_or(Timestamp::MAX)
    }

    /// How many times as fast as the wall this clock runs.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.face.scale
    }

    /// How long the wall takes for `duration` of this clock.
    #[must_use]
    pub fn real(&self, duration: Duration) -> Duration {
        duration.div_f64(self.face.scale)
    }

    /// Sleeps for `duration` of this clock.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(self.real(duration)).await;
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

/// A moment as Twilio writes it: `Fri, 18 Feb 2011 21:07:19 +0000`, always UTC.
pub(crate) fn rfc2822(ms: i64) -> String {
    let moment = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    // The printer's own form for a timestamp ends in "-0000" ("zone unknown"); Twilio's ends in "+0000".
    match DateTimePrinter::new().timestamp_to_string(&moment) {
        Ok(text) => text.replace("-0000", "+0000"),
        Err(_) => String::from("Thu, 01 Jan 1970 00:00:00 +0000"),
    }
}

/// A moment in RFC 3339, UTC, to the millisecond: how we write what is not Twilio's.
pub(crate) fn rfc3339(ms: i64) -> String {
    let moment = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{moment:.3}")
}

/// Reads a date filter: a day (`2011-02-18`), an ISO 8601 moment or an RFC 2822 one. Milliseconds since 1970.
pub(crate) fn parse_moment(text: &str) -> Option<i64> {
    if let Ok(day) = text.parse::<jiff::civil::Date>()
        && text.len() == 10
    {
        return day
            .to_zoned(jiff::tz::TimeZone::UTC)
            .ok()
            .map(|z| z.timestamp().as_millisecond());
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.as_millisecond());
    }
    jiff::fmt::rfc2822::parse(text)
        .ok()
        .map(|z| z.timestamp().as_millisecond())
}

/// Reads `2s`, `200ms`, `1.5s` or `3m`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, unit) = if let Some(number) = text.strip_suffix("ms") {
        (number, 0.001)
    } else if let Some(number) = text.strip_suffix('s') {
        (number, 1.0)
    } else if let Some(number) = text.strip_suffix('m') {
        (number, 60.0)
    } else {
        return None;
    };
    let value: f64 = number.trim().parse().ok()?;
    (value.is_finite() && (0.0..=86_400.0).contains(&(value * unit)))
        .then(|| Duration::from_secs_f64(value * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_and_read_as_twilio_does() {
        let text = rfc2822(1_298_063_239_000);
        assert_eq!(text, "Fri, 18 Feb 2011 21:07:19 +0000");
        assert_eq!(parse_moment(&text), Some(1_298_063_239_000));
        assert_eq!(rfc3339(1_298_063_239_007), "2011-02-18T21:07:19.007Z");
        assert_eq!(parse_moment("2011-02-18"), Some(1_297_987_200_000));
        assert_eq!(
            parse_moment("2011-02-18T21:07:19Z"),
            Some(1_298_063_239_000)
        );
        assert_eq!(parse_moment("yesterday"), None);
    }

    #[test]
    fn a_scale_beyond_reason_is_clamped() {
        assert!((Clock::scaled(60.0).scale() - MAX_SCALE).abs() < f64::EPSILON);
        assert!((Clock::scaled(f64::NAN).scale() - 1.0).abs() < f64::EPSILON);
        assert_eq!(
            Clock::scaled(4.0).real(Duration::from_secs(8)),
            Duration::from_secs(2)
        );
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("200ms"), Some(Duration::from_millis(200)));
        assert_eq!(parse_duration("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2"), None);
        assert_eq!(parse_duration("-1s"), None);
        assert_eq!(parse_duration("99999m"), None);
    }
}
