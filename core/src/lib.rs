//! The domain of Cordboard: what a call is, how it moves, and what a console sees of it.
//!
//! This crate is pure. It never learns the time, never draws a random number, never opens a file or a socket,
//! and depends on nothing that does. Facts and intents come in as values; what should happen in the world goes
//! out as values ([`machine::Effect`]).
//!
//! Read in this order: [`ids`] (words), [`call`] (nouns), [`machine`] (verbs), [`policy`] (who may), [`board`]
//! (what is seen), [`wire`] (what travels).

pub mod api;
pub mod board;
pub mod call;
pub mod ids;
pub mod machine;
pub mod policy;
mod say;
#[cfg(feature = "openapi")]
mod schema;
pub mod secret;
pub mod steady;
pub mod wire;
