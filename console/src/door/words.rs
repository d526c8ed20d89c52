//! What is said between the door, the loop that runs it, and the server.
//!
//! Passwords, codes and tokens are in it, so that questions and answers tell only their names to a log.

use std::fmt;

use cordboard_core::{
    api::{Front, InvitationLook, InvitationSeen, Join, Newcomer, Reset, Setup, SignIn, Tokens},
    ids::Timestamp,
};
use url::Url;

use crate::{app::Spot, ask::Trouble, keymap::Key};

/// A question to the server.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    /// What can be done there?
    Front,
    /// Sign me in.
    SignIn(SignIn),
    /// Make me the first administrator.
    Setup(Setup),
    /// What does this invitation say?
    Look(InvitationLook),
    /// I take it.
    Join(Join),
    /// Here is my new password.
    Reset(Reset),
    /// Write me down.
    Register(Newcomer),
}

impl Request {
    /// What it is, in a word.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Front => "front",
            Self::SignIn(_) => "sign-in",
            Self::Setup(_) => "setup",
            Self::Look(_) => "look",
            Self::Join(_) => "join",
            Self::Reset(_) => "reset",
            Self::Register(_) => "register",
        }
    }
}

/// Passwords and codes are in it: only its name is told.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A good answer.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// What can be done.
    Front(Front),
    /// What the invitation says.
    Seen(InvitationSeen),
    /// Somebody is signed in.
    Tokens(Box<Tokens>),
    /// It was written down. Somebody has to let them in.
    Registered,
}

/// Tokens are in it: only its name is told.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Front(_) => "front",
            Self::Seen(_) => "seen",
            Self::Tokens(_) => "tokens",
            Self::Registered => "registered",
        })
    }
}

/// Something that has happened.
#[derive(Debug, Clone, PartialEq)]
pub enum DoorMsg {
    /// The local clock. Comes before every batch of others.
    Time(Timestamp),
    /// The screen has this size now.
    Size(u16, u16),
    /// A key.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// A click, or the second of two.
    Click(Spot, bool),
    /// The wheel: lines down.
    Wheel(i16),
    /// There is no shell to leave to.
    NoShell,
    /// The request of that number was answered.
    Answer(u64, Result<Answer, Trouble>),
}

/// Something that should happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DoorCmd {
    /// Ask the server there, under that number.
    Ask(u64, Url, Request),
    /// Somebody is signed in there.
    Enter(Url, Answer),
    /// Turn mouse capture on or off.
    Mouse(bool),
    /// Draw everything again.
    Redraw,
    /// Stop until the shell brings us back.
    Suspend,
    /// Leave.
    Quit,
}
