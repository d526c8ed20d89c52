//! Waiting for what is meant.

use std::fmt::Debug;
use std::time::Duration;

use cordboard_media::Event;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// Long enough for a busy machine; what is waited for takes half a second.
const LIMIT: Duration = Duration::from_secs(20);

/// Looks every 10 ms until `look` finds what `name` says, and returns it; `Err` is what it saw instead.
pub(crate) async fn until<T, S: Debug>(
    name: &str,
    mut look: impl AsyncFnMut() -> Result<T, S>,
) -> T {
    let mut ticks = interval(Duration::from_millis(10));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let began = ticks.tick().await;
    loop {
        let seen = match look().await {
            Ok(found) => return found,
            Err(seen) => seen,
        };
        let waited = ticks.tick().await - began;
        assert!(
            waited < LIMIT,
            "waited {waited:?} in vain until {name}; saw {seen:?}"
        );
    }
}

/// What a stage has told.
pub(crate) struct Told {
    events: Receiver<Event>,
    /// All that came, oldest first.
    pub(crate) all: Vec<Event>,
}

impl Told {
    pub(crate) fn new(events: Receiver<Event>) -> Self {
        let all = Vec::new();
        Self { events, all }
    }

    /// Waits for an event that has not come yet.
    pub(crate) async fn next(&mut self, wanted: &Event) {
        #[expect(clippy::disallowed_methods, reason = "the limit of a wait")]
        let limit = Instant::now() + LIMIT;
        loop {
            let Ok(Some(event)) = timeout_at(limit, self.events.recv()).await else {
                panic!("waited in vain for {wanted:?}; there were {:?}", self.all);
            };
            self.all.push(event.clone());
            if event == *wanted {
                return;
            }
        }
    }

    /// All that came until now.
    pub(crate) fn so_far(&mut self) -> &[Event] {
        while let Ok(event) = self.events.try_recv() {
            self.all.push(event);
        }
        &self.all
    }

    /// Waits until the stage has ended.
    pub(crate) async fn end(mut self) {
        #[expect(clippy::disallowed_methods, reason = "the limit of a wait")]
        let limit = Instant::now() + LIMIT;
        while let Some(event) = timeout_at(limit, self.events.recv())
            .await
            .unwrap_or_else(|_| {
                panic!("the stage goes on without a handle; it told {:?}", self.all)
            })
        {
            self.all.push(event);
        }
    }
}
