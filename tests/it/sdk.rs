//! The Voice SDK itself against the twin, with nothing of Cordboard between: what any Twilio program's page would see.
//!
//! The page is a dozen lines around the SDK as npm has it (`tests/browser/device.html`). It writes down each event of
//! `Device` and `Call`; a story waits for them in order, and looks at the twin for what its program was asked and what it
//! hears. A browser takes seconds to start, so one of them lives through all stories of one person. Without a browser these
//! tests are skipped, and say so.
//!
//! Read next: `sdk/rig.rs`, `twin/tests/it/edge.rs` for the same frame by frame.

mod alone;
mod rig;
mod together;
