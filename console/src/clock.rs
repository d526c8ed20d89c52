//! The console's clock: civil time that never goes back, from one reading at the start and a monotonic count
//! after it.
//!
//! The count stands still while the computer sleeps. So where civil time is found to be well ahead of it, the
//! clock follows; where civil time was set back, or creeps, it does not.
//!
//! Everything else takes the time from a message, so that a test turns it by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

use cordboard_core::ids::Timestamp;

/// Where the time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The computer's.
    System {
        /// What it showed at the start.
        began: Timestamp,
        /// The start.
        at: Instant,
        /// What civil time has gained since, by sleep, in milliseconds. Shared by all clones.
        slept: Arc<AtomicI64>,
    },
    /// Turned by hand: milliseconds since 1970.
    ByHand(Arc<AtomicI64>),
}

impl Clock {
    /// The computer's clock.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the Clock that the time comes in from"
    )]
    pub fn system() -> Self {
        Self::System {
            began: civil(),
            at: Instant::now(),
            slept: Arc::default(),
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System { began, at, slept } => {
                let counted =
                    began.plus(i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX));
                counted.plus(gained(slept, civil().since(counted)))
            }
            Self::ByHand(ms) => Timestamp::from_millis(ms.load(Ordering::SeqCst)),
        }
    }

    /// What the civil time here is ahead of UTC, in seconds. A clock turned by hand lives in UTC.
    pub fn utc_offset(&self) -> i32 {
        match self {
            Self::System { .. } => {
                let now =
                    jiff::Timestamp::from_millisecond(self.now().millis()).unwrap_or_default();
                jiff::tz::TimeZone::system().to_offset(now).seconds()
            }
            Self::ByHand(_) => 0,
        }
    }
}

/// Civil time being so far ahead of the count is a sleep, or somebody who set the clock; less is drift.
const AHEAD_MS: i64 = 2_000;

#[expect(
    clippy::disallowed_methods,
    reason = "this is the Clock that the time comes in from"
)]
fn civil() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// What is to be added to the count, now that civil time is `ahead` of it.
fn gained(slept: &AtomicI64, ahead: i64) -> i64 {
    let known = slept.load(Ordering::SeqCst);
    if ahead - known > AHEAD_MS {
        slept.fetch_max(ahead, Ordering::SeqCst).max(ahead)
    } else {
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_of_sleep_is_an_hour_and_the_clock_never_goes_back() {
        let slept = AtomicI64::new(0);
        let hour = 3_600_000;
        let ahead = [3, 1_500, hour, hour + 900, hour - 60_000, -hour, 2 * hour];
        let gained: Vec<i64> = ahead.iter().map(|ms| gained(&slept, *ms)).collect();
        assert_eq!(gained, [0, 0, hour, hour, hour, hour, 2 * hour]);
    }
}
