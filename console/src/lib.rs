//! Cordboard's console: the screen that people work the desk with, and the verbs that scripts work it with.
//!
//! The screen is one closed loop ([`run`]): terminal events ([`terminal`], [`input`]) and the server's
//! messages ([`net`]) become messages, [`app`]'s update changes the model and says what to do, [`view`]
//! paints it and returns the hit map of what it painted. Keys are known to [`keymap`] only, and what somebody likes is in [`preferences`]. While nobody is signed
//! in, the same loop shows the [`door`]; what is filled in there and elsewhere is a [`form`]. The verbs are in [`cli`],
//! over [`client`].
//!
//! Nothing here knows the server's crate, or the twin's but for [`softphone`]: it all speaks the wire. Read next: [`app`], [`cli`].

pub mod app;
pub mod ask;
pub mod cli;
pub mod client;
pub mod clock;
pub mod door;
pub mod field;
pub mod form;
pub mod input;
pub mod keymap;
pub mod net;
pub mod number;
pub mod preferences;
pub mod reach;
pub mod run;
pub mod settings;
pub mod shape;
pub mod softphone;
pub mod terminal;
pub mod theme;
pub mod view;
