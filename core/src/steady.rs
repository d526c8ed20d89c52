//! Civil time that never goes back: one reading at the start, and a monotonic count after it.
//!
//! The count stands still while the computer sleeps. So where civil time is found to be well ahead of it, the
//! clock follows; where civil time was set back, or creeps, it does not.
//!
//! Both readings come in from outside: the clocks of the server and of the console are made of this.

use crate::ids::Timestamp;

/// Civil time being so far ahead of the count is a sleep, or somebody who set the clock; less is drift.
const AHEAD_MS: i64 = 2_000;

/// What a clock remembers between two readings.
#[derive(Debug)]
pub struct Steady {
    began: Timestamp,
    /// What civil time has gained on the count since, in milliseconds.
    slept: i64,
}

impl Steady {
    /// A clock that is started at `began`, by civil time.
    pub const fn new(began: Timestamp) -> Self {
        Self { began, slept: 0 }
    }

    /// The present moment, now that so many milliseconds have been counted since the start and civil time is
    /// `civil`.
    pub const fn now(&mut self, counted: i64, civil: Timestamp) -> Timestamp {
        let counted = self.began.plus(counted);
        let ahead = civil.since(counted);
        if ahead - self.slept > AHEAD_MS {
            self.slept = ahead;
        }
        counted.plus(self.slept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_of_sleep_is_an_hour_and_the_clock_never_goes_back() {
        let (began, hour) = (Timestamp::from_millis(1_800_000_000_000), 3_600_000);
        let mut clock = Steady::new(began);
        let ahead = [3, 1_500, hour, hour + 900, hour - 60_000, -hour, 2 * hour];
        let gained: Vec<i64> = (0..)
            .zip(ahead)
            .map(|(counted, ahead)| {
                let now = clock.now(counted, began.plus(counted + ahead));
                now.since(began) - counted
            })
            .collect();
        assert_eq!(gained, [0, 0, hour, hour, hour, hour, 2 * hour]);
    }
}
