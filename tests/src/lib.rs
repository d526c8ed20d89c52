//! What the stories in `it/` share: the databases they run on and the processes they watch.
//!
//! Helpers only: no assertion about Cordboard's behaviour belongs here. Read next: [`backends`].

pub mod backends;
pub mod browser;
pub mod console;
pub mod desk;
pub mod follower;
pub mod house;
pub mod page;
pub mod relay;
pub mod terminal;

/// The wall's time: how long a story has waited for a process that lives in it.
#[expect(
    clippy::disallowed_methods,
    reason = "a wait for a real process is bounded by the wall's clock"
)]
pub(crate) fn wall() -> std::time::Instant {
    std::time::Instant::now()
}
