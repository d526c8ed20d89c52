//! What is heard, made: the stage on which everybody stands, the clips that play, and which call is who on it.
//!
//! The stage opens when somebody can hear it, or asks what is heard: a browser connects, or the control API is asked
//! for sound. Until then there is none, and it costs nothing. What is heard is decided by `world`; this only has it
//! made. Next: `cordboard_media`.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cordboard_media::{Clip, Event, Mix, Playing, Stage, StageConfig};
use tokio::sync::mpsc;

use crate::callers::Voice;
use crate::edge::Edge;
use crate::switch::Switch;
use crate::world::call::{Call, CallStatus};
use crate::world::sound::{Mix as Heard, Sound};
use crate::world::{Signal, World};

/// How long nothing may come from a browser before its call ends (Twilio: about a minute, error 32014).
const SILENCE: Duration = Duration::from_mins(1);
/// How many clips that are not files are kept.
const CLIPS: usize = 500;

/// The stage, if it is open, and what it needs.
#[derive(Debug, Default)]
pub(crate) struct Loudspeaker {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    stage: Option<Stage>,
    clips: HashMap<Sound, Arc<Clip>>,
    /// The telephones that stand there.
    telephones: HashSet<String>,
}

impl Loudspeaker {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stage; opened, if nobody has yet. Must not be called within a step of the world, which it changes.
    pub(crate) fn stage(&self, switch: &Arc<Switch>) -> Result<Stage, String> {
        let config = StageConfig {
            lost_after: SILENCE,
            ..StageConfig::default()
        };
        let (stage, events) = {
            let mut inner = self.inner();
            if let Some(stage) = &inner.stage {
                return Ok(stage.clone());
            }
            let opened = Stage::start(config);
            let (stage, events) = opened.map_err(|why| format!("no sound can be made: {why}"))?;
            inner.stage = Some(stage.clone());
            (stage, events)
        };
        switch.spawn(follow(switch.clone(), events));
        switch.world(World::listen);
        Ok(stage)
    }

    /// A file is known by its URL.
    pub(crate) fn keep(&self, url: &str, clip: Clip) {
        let mut inner = self.inner();
        if inner.clips.len() < CLIPS * 2 {
            inner
                .clips
                .insert(Sound::File(url.to_owned()), Arc::new(clip));
        }
    }

    /// What a call hears is another now; none: it is over.
    pub(crate) fn heard(&self, edge: &Edge, call: &Call, mix: Option<&Heard>) {
        let mut inner = self.inner();
        let Some(stage) = inner.stage.clone() else {
            return;
        };
        let Some(mix) = mix else {
            inner.telephones.remove(&call.sid);
            return;
        };
        if !call.browser
            && call.status == CallStatus::InProgress
            && inner.telephones.insert(call.sid.clone())
        {
            stage.telephone(&call.sid, voice(call));
        }
        let people = mix.people.iter().map(|sid| edge.party(sid).to_owned());
        let playing = mix.playing.iter().map(|p| Playing {
            id: p.id,
            clip: inner.clip(&p.sound),
            times: p.times,
        });
        let mix = Mix {
            people: people.collect(),
            playing: playing.collect(),
        };
        stage.hears(edge.party(&call.sid), mix);
    }

    /// Somebody has left the stage.
    pub(crate) fn gone(&self, party: &str) {
        if let Some(stage) = &self.inner().stage {
            stage.gone(party);
        }
    }

    /// Keys at the far end of a call are sound for whoever hears it.
    pub(crate) fn pressed(&self, party: &str, keys: &str) {
        if let Some(stage) = &self.inner().stage {
            stage.press(party, keys);
        }
    }
}

impl Inner {
    fn clip(&mut self, sound: &Sound) -> Arc<Clip> {
        if let Some(clip) = self.clips.get(sound) {
            return clip.clone();
        }
        let clip = Arc::new(match sound {
            Sound::Said(text) => Clip::say(text),
            // A file from elsewhere is not fetched: something plays in its place.
            Sound::Music | Sound::File(_) => Clip::music(),
            Sound::Ringing => Clip::ringing(),
            Sound::Beep => Clip::beep(),
        });
        if self.clips.len() < CLIPS {
            self.clips.insert(sound.clone(), clip.clone());
        }
        clip
    }
}

/// What is at the far end of a call that is no browser's.
fn voice(call: &Call) -> cordboard_media::Voice {
    match call.voice {
        Some(Voice::Tone(hz)) => cordboard_media::Voice::Tone { hz },
        Some(Voice::Silent) => cordboard_media::Voice::Silent,
        Some(Voice::Babble(seed)) => cordboard_media::Voice::Babble { seed },
        // The same number has the same voice each time, in each run.
        None => cordboard_media::Voice::Babble {
            seed: BuildHasherDefault::<DefaultHasher>::default().hash_one(&call.who),
        },
    }
}

/// Takes what happens on the stage into the world, until the twin stops.
async fn follow(switch: Arc<Switch>, mut events: mpsc::Receiver<Event>) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Connected { .. } => {}
            Event::Key { party, key } => {
                let keys = Signal::Digits(key.to_string());
                switch.world(|w| w.tell(call_of(&party), keys));
            }
            Event::Lost { party } => switch.world(|w| {
                let call = call_of(&party);
                w.note(
                    call,
                    32014,
                    "no sound has come from the browser for a minute",
                    "",
                );
                w.finish(call, CallStatus::Completed, None);
            }),
            Event::Heard { listener, speaker } => switch.world(|w| {
                let now = w.now;
                w.log.audible(call_of(&listener), call_of(&speaker), now);
            }),
        }
    }
}

/// The call behind a name on the stage: one that rings in several browsers has several.
fn call_of(party: &str) -> &str {
    party.split_once('/').map_or(party, |(call, _)| call)
}
