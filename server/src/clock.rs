//! The server's time: one clock for everything that has a deadline.
//!
//! Handed in from outside, so that a test can run a server, the carrier's double and a cast of callers on one
//! clock that goes faster than the wall's. The machine's own is civil time that never goes back
//! ([`cordboard_core::steady`]): deadlines do not move when the clock is set, and a server whose machine has
//! slept knows how late it is. Socket time-outs do not use it: a stalled kernel is not faster
//! because a test is in a hurry.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use cordboard_core::{ids::Timestamp, steady::Steady};

/// A clock. Clones agree with each other.
#[derive(Clone)]
pub struct Clock {
    now: Arc<dyn Fn() -> i64 + Send + Sync>,
    scale: f64,
}

impl Clock {
    /// The wall's.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the server learns the time"
    )]
    pub fn system() -> Self {
        let civil = || Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
        let (started, steady) = (Instant::now(), Mutex::new(Steady::new(civil())));
        let now = move || {
            let mut steady = steady.lock().unwrap_or_else(PoisonError::into_inner);
            let counted = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
            steady.now(counted, civil()).millis()
        };
        Self::from_fn(now, 1.0)
    }

    /// Another's: `now` in milliseconds since 1970, which runs `scale` times as fast as the wall's.
    pub fn from_fn(now: impl Fn() -> i64 + Send + Sync + 'static, scale: f64) -> Self {
        Self {
            now: Arc::new(now),
            scale: if scale.is_finite() {
                scale.max(1.0)
            } else {
                1.0
            },
        }
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis((self.now)())
    }

    /// How long the wall's clock takes for so many milliseconds of this one.
    pub fn real(&self, ms: i64) -> Duration {
        Duration::from_millis(u64::try_from(ms).unwrap_or(0)).div_f64(self.scale)
    }

    /// Waits so many milliseconds of this clock.
    pub async fn sleep(&self, ms: i64) {
        tokio::time::sleep(self.real(ms)).await;
    }

    /// Waits until this clock shows `at`.
    pub async fn sleep_until(&self, at: Timestamp) {
        self.sleep(at.since(self.now()).max(0)).await;
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({}, ×{})", self.now(), self.scale)
    }
}
