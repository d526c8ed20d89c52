//! What the stories in `it/` share: the databases they run on and the processes they watch.
//!
//! Helpers only: no assertion about Cordboard's behaviour belongs here. Read next: [`backends`].

pub mod backends;
pub mod house;
pub mod softphone;
pub mod terminal;
