//! Cordboard.

pub mod cli;
pub mod client;
