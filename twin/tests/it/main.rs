//! The twin from outside: a real listener, a small web server as the customer's, and the control API for the
//! people.

mod api;
mod conferences;
// Marked, as the kit is, so that the lints know it for test code, helpers included.
#[cfg(test)]
mod crossings;
#[cfg(test)]
mod edge;
mod faults;
#[cfg(test)]
mod kit;
mod programs;
