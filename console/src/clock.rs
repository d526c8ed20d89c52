//! The console's clock: civil time that never goes back ([`cordboard_core::steady`]).
//!
//! Everything else takes the time from a message, so that a test turns it by hand.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

use cordboard_core::{ids::Timestamp, steady::Steady};

/// Where the time comes from.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The computer's.
    System {
        /// The start of the count.
        at: Instant,
        /// What it showed then, and what was gained since. Shared by all clones.
        steady: Arc<Mutex<Steady>>,
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
            at: Instant::now(),
            steady: Arc::new(Mutex::new(Steady::new(civil()))),
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System { at, steady } => {
                let mut steady = steady.lock().unwrap_or_else(PoisonError::into_inner);
                let counted = i64::try_from(at.elapsed().as_millis()).unwrap_or(i64::MAX);
                steady.now(counted, civil())
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

#[expect(
    clippy::disallowed_methods,
    reason = "this is the Clock that the time comes in from"
)]
fn civil() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}
