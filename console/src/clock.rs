//! The console's clock: civil time that never jumps, from one reading at the start and a monotonic count after
//! it.
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
            began: Timestamp::from_millis(jiff::Timestamp::now().as_millisecond()),
            at: Instant::now(),
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System { began, at } => {
                began.plus(i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX))
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
