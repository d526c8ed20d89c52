//! The stage from outside: real connections over loopback, heard with other ears than its own.
//!
//! Every wait has a name and a limit, and prints what it saw when it fails.

mod client;
mod stories;
mod wait;
