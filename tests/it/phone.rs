//! The phone page in a real browser, with real sound: Chromium, the unmodified Voice SDK, and the twin's edge.
//!
//! Whoever talks, talks in a tone of their own, so that who hears whom can be read off a spectrum: at the twin, of what
//! came in and what went out, and in the page, of what its browser plays. What the house thinks of it is read where
//! people read it: on a console's socket, and in the page. Without a browser these tests are skipped, and say so.
//!
//! Read next: `phone/rig.rs` (people, callers and ears), `tests/src/browser.rs`.

mod calls;
pub(crate) mod rig;
mod trouble;
