//! Sound for a double of Twilio: real browsers over WebRTC, telephones made of samples, and one mix a listener.
//!
//! A [`Stage`] holds *parties*, named by strings. A browser's sound comes over a UDP socket (ICE, DTLS, SRTP,
//! G.711); a telephone's is made here, from a [`Voice`]. Who hears whom is data that the caller gives
//! ([`Stage::hears`]); nothing here knows calls, conferences, HTTP or signalling, and nothing of the outside (a
//! broken session description, a flood of packets, a hostile WAV file) may stop the thread that everybody's sound
//! depends on.
//!
//! Everything is mono, 8 kHz, 16 bit, in frames of 20 ms: what a telephone line carries.
//!
//! Next: `floor`, who is there and what everybody says and hears in a frame; `browser`, one WebRTC connection;
//! `thread`, where both meet the socket and the time.

mod browser;
mod clip;
mod ear;
mod event;
mod floor;
mod g711;
mod jitter;
mod pcm;
mod spectrum;
mod stage;
mod thread;
mod throat;
mod tones;
mod voice;
mod wav;

pub use clip::Clip;
pub use event::{Event, Report, Sound, Tone};
pub use pcm::RATE;
pub use stage::{MediaError, Mix, Playing, Stage, StageConfig};
pub use voice::Voice;
pub use wav::{WavError, write as write_wav};
