//! Sound for a double of Twilio: real browsers over WebRTC, telephones made of samples, and one mix a listener.
//!
//! A [`Stage`] holds *parties*, named by strings. A browser's sound comes over a UDP socket (ICE, DTLS, SRTP,
//! G.711); a telephone's is made here, from a [`Voice`]. Who hears whom is data that the caller gives
//! ([`Stage::hears`]); nothing here knows calls, conferences, HTTP or signalling, and nothing of the outside (a
//! broken SDP, a flood of packets, a hostile WAV) may stop the thread that everybody's sound depends on.
//!
//! Everything is mono, 8 kHz, 16 bit, in frames of 20 ms: what a telephone line carries.
//!
//! Next: `floor`, who is there and what everybody says and hears in a frame; `browser`, one WebRTC connection;
//! `thread`, where both meet the socket and the time.

mod clip;
mod event;
mod stage;
mod voice;

pub use clip::{Clip, WavError};
pub use event::{Event, Report, Sound, Tone};
pub use stage::{MediaError, Mix, Playing, Stage, StageConfig};
pub use voice::Voice;

/// Samples a second, everywhere in this crate.
pub const RATE: u32 = 8_000;
