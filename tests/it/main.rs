//! Every test that looks at Cordboard from outside, in one binary.
//!
//! One module a seam. A module drives what people and programs drive and asserts what they would see; a test of
//! one function lives beside that function. Read next: `tidy.rs`, for the rules the repository holds itself to.
#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests; clippy's own exception sees only functions marked #[test]"
)]

mod backends;
mod clients;
mod hostile;
mod people;
mod phone;
mod screens;
mod sdk;
mod store;
mod stories;
mod storm;
mod tidy;
