//! What everybody's sound is made of: who is heard, and what plays. Words for it, and when it has changed.
//!
//! The world has no sound itself. While somebody listens ([`World::listen`]) each step says for whom the sound is
//! another now, and `switch` has it made. What is said here and what `hearing` logs come from the same rule. Next:
//! `sound` at the root of this crate, which makes it.

use std::collections::BTreeSet;

use super::{Effect, Hearing, World};

/// A sound that the carrier plays.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sound {
    /// A file, by its URL.
    File(String),
    /// A text, spoken.
    Said(String),
    /// The carrier's own music.
    Music,
    /// A telephone that rings at the other end.
    Ringing,
    /// Keys that a document presses.
    Beep,
}

impl Sound {
    /// What it is called in the log.
    pub(crate) fn hearing(&self) -> Hearing {
        match self {
            Self::File(_) | Self::Music => Hearing::Music,
            Self::Said(_) | Self::Ringing | Self::Beep => Hearing::Prompt,
        }
    }
}

/// A sound that plays to somebody. Another id is another playing, from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Playback {
    pub(crate) id: u64,
    pub(crate) sound: Sound,
    /// How often; 0 is for ever.
    pub(crate) times: u32,
}

/// The ringing tone of a leg that is being dialled into a room: one tone, however many ring.
const RINGING: Playback = Playback {
    id: 0,
    sound: Sound::Ringing,
    times: 0,
};

/// What plays, as it is called in the log.
pub(crate) fn hearing(background: Option<&Playback>) -> Hearing {
    background.map_or(Hearing::Silence, |p| p.sound.hearing())
}

/// What somebody hears: the calls of people, and what plays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mix {
    pub(crate) people: Vec<String>,
    pub(crate) playing: Vec<Playback>,
}

impl World {
    /// From now on somebody listens. Whoever has a call is told what they hear.
    pub(crate) fn listen(&mut self) {
        self.listening = true;
        let live: Vec<String> = self
            .calls()
            .filter(|c| c.is_live())
            .map(|c| c.sid.clone())
            .collect();
        self.touched_calls.extend(live);
    }

    /// A playing of its own.
    pub(crate) fn playback(&mut self, sound: Sound, times: u32) -> Playback {
        self.playbacks += 1;
        Playback {
            id: self.playbacks,
            sound,
            times,
        }
    }

    /// The ringing tone, if somebody is being dialled into that room.
    pub(super) fn ringing(rings: bool) -> Option<Playback> {
        rings.then(|| RINGING.clone())
    }

    /// Says for whom of these calls the sound is another now.
    pub(super) fn settle_sound(&mut self, calls: &BTreeSet<String>) {
        for sid in calls {
            let mix = self.calls.get(sid).filter(|c| c.is_live()).map(|_| Mix {
                people: self.log.heard_by(sid).map(str::to_owned).collect(),
                playing: self.call_plays(sid),
            });
            if self.mixes.get(sid) == mix.as_ref() {
                continue;
            }
            match &mix {
                Some(mix) => self.mixes.insert(sid.clone(), mix.clone()),
                None => self.mixes.remove(sid),
            };
            let call = sid.clone();
            self.effect(Effect::Sound { call, mix });
        }
    }
}
