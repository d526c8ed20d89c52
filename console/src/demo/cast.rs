//! The cast: everybody in the demo but the operator's hands. Colleagues at their pretend phones, and callers
//! who ring, wait, talk and give up.
//!
//! It stands outside, as people do: it signs in like anybody, speaks the wire to the server and the control API
//! to the twin, and so can run in a process of its own and outlive both. What happens depends on the seed
//! alone, as far as that is in its hands.
//!
//! Read next: [`cordboard::softphone`], `demo/people.rs`.

use std::{sync::Arc, time::Duration};

use cordboard::softphone::{Person, Softphone, World};
use cordboard_core::ids::Phone;
use cordboard_server::seed::{DEMO_NUMBER, DEMO_PASSWORD, DEMO_PEOPLE};
use cordboard_twin::{Clock, control};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};
use url::Url;

use super::people;

/// No more callers at once than this: a demo left alone over a weekend should look as it did on Friday.
const CROWD: usize = 8;
/// How soon the first caller rings.
const FIRST: Duration = Duration::from_secs(2);

/// What the cast needs to know.
#[derive(Debug, Clone)]
pub(crate) struct CastConfig {
    pub(crate) server: Url,
    pub(crate) twin: control::Client,
    /// The twin's clock, if it runs in this process; otherwise the twin is asked how fast its clock runs.
    pub(crate) clock: Option<Clock>,
    pub(crate) seed: u64,
    pub(crate) calls_per_minute: f64,
    /// The number that callers ring.
    pub(crate) number: Option<Phone>,
}

/// A cast at work.
pub(crate) struct Cast {
    tasks: TaskTracker,
    phones: Vec<Softphone>,
}

impl Cast {
    /// Sets everybody to work until `stop`.
    pub(crate) async fn start(config: CastConfig, stop: CancellationToken) -> Self {
        let tasks = TaskTracker::new();
        let clock = match config.clock {
            Some(clock) => clock,
            None => clock_of(&config.twin).await,
        };
        let world = World {
            server: config.server,
            twin: config.twin,
            clock,
            stop,
        };
        let mut dice = StdRng::seed_from_u64(config.seed);
        let mut phones = Vec::new();
        for person in &DEMO_PEOPLE {
            let manner = people::manner(person);
            // Drawn for everybody, so that one person's manner does not change another's day.
            let own = StdRng::seed_from_u64(dice.next_u64());
            let Some(manner) = manner else { continue };
            let person = Person {
                name: person.name,
                email: person.email,
                password: DEMO_PASSWORD,
                manner,
            };
            let (phone, life) = Softphone::open(person, world.clone(), own);
            phones.push(phone);
            tasks.spawn(life);
        }
        tasks.spawn(telephones(world.clone()));
        if config.calls_per_minute > 0.0 {
            let number = config
                .number
                .unwrap_or_else(|| DEMO_NUMBER.parse().expect("the demo's number is a number"));
            tasks.spawn(callers(
                world,
                number,
                config.calls_per_minute,
                StdRng::seed_from_u64(dice.next_u64()),
            ));
        }
        tasks.close();
        Self { tasks, phones }
    }

    /// Waits until every phone can be rung.
    pub(crate) async fn ready(&mut self) {
        for phone in &mut self.phones {
            phone.ready().await;
        }
    }

    /// Waits until everybody has gone home.
    pub(crate) async fn join(self) {
        self.tasks.wait().await;
    }
}

/// A clock as fast as the twin's. One that can't be asked yet keeps ordinary time.
async fn clock_of(twin: &control::Client) -> Clock {
    let asked = tokio::time::timeout(Duration::from_secs(2), twin.clock()).await;
    match asked {
        Ok(Ok(clock)) => Clock::scaled(clock["scale"].as_f64().unwrap_or(1.0)),
        _ => Clock::system(),
    }
}

/// Tells the twin what the fallback telephones do: at once, and again whenever it has forgotten, because it was
/// restarted.
async fn telephones(world: World) {
    let rows = people::telephones(&DEMO_PEOPLE);
    let work = async {
        loop {
            match world.twin.telephones(&rows).await {
                Ok(()) => {
                    // The stream ends when the twin does.
                    if let Ok(mut events) = world.twin.events().await {
                        while events.next().await.is_some() {}
                    }
                }
                Err(error) => debug!(%error, "the twin does not take telephones"),
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    world.stop.run_until_cancelled(work).await;
}

/// Lets strangers ring, one after another, at about the wanted rate.
async fn callers(world: World, number: Phone, per_minute: f64, mut dice: StdRng) {
    let crowd = Arc::new(tokio::sync::Semaphore::new(CROWD));
    let work = async {
        let mut pause = FIRST;
        loop {
            world.clock.sleep(pause).await;
            // Drawn also when there is no room, so that the day does not depend on how fast anybody answers.
            let caller = people::caller(&mut dice, &number);
            pause = people::pause(&mut dice, per_minute);
            let Ok(place) = crowd.clone().try_acquire_owned() else {
                continue;
            };
            match world.twin.call(&caller).await {
                Ok(sid) => {
                    info!(from = %caller.from, %sid, "a caller rings");
                    let (twin, stop) = (world.twin.clone(), world.stop.clone());
                    tokio::spawn(async move {
                        let _place = place;
                        let gone = async {
                            // Whoever stays longer than an hour leaves the crowd, if not the line.
                            for _ in 0..120 {
                                match twin
                                    .wait_call(&sid, "completed", Duration::from_secs(30))
                                    .await
                                {
                                    Ok(call)
                                        if call["status"] == "in-progress"
                                            || call["status"] == "ringing" => {}
                                    _ => return,
                                }
                            }
                        };
                        stop.run_until_cancelled(gone).await;
                    });
                }
                Err(error) => warn!(%error, "a caller could not ring"),
            }
        }
    };
    world.stop.run_until_cancelled(work).await;
}
