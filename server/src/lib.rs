//! Cordboard.

pub mod twilio;
