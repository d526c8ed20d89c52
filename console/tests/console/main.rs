//! The console as a person meets it: keys and mouse in, screens and commands out, against the made-up house
//! of the `board` example.
//!
//! `desk.rs` is the harness; `stories.rs` what people do; `palette.rs` the same by name; `settings.rs` and
//! `pairing.rs` what they arrange; `slips.rs` what must not come of it; `screens.rs` what they see; `anything.rs` what must hold whatever happens; `running.rs` the real loop; `linking.rs` the real
//! link.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests: what cannot go on has failed"
)]

#[path = "../../examples/board/scene.rs"]
mod scene;

#[path = "../../examples/board/office.rs"]
mod office;

mod anything;
mod desk;
mod linking;
mod pairing;
mod palette;
mod running;
mod screens;
mod settings;
mod slips;
mod stories;
