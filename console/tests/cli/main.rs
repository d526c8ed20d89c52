//! The command line against servers that say what each test needs: exit codes, shapes of JSON, what is sent, and
//! what is kept of a sign-in. Also the console's link, which lives off the same sign-in.
//!
//! The servers here are scripts, not switchboards: whether calls really move, and who may do what, is told by the
//! stories in the workspace's tests. Verbs run in-process where they can; what needs a process (standard input, a
//! terminal, a closed pipe, usage, two at once) runs the binary.
//!
//! Read next: `kit.rs`, `script.rs` (a server that takes down what it is asked), `fake.rs` (one with a desk).

// Marked so that the lints know helpers for test code too.
#![cfg(test)]

mod audit;
mod desk;
mod fake;
mod house;
mod kit;
mod link;
mod pair;
mod people;
mod renewal;
mod script;
mod sign;
mod terminal;
mod twin;
mod usage;
