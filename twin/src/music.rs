//! What a conference plays to one participant: the waiting document, the hold document, announcements.
//!
//! These documents know `Play`, `Say`, `Pause` and `Redirect` only (13238 otherwise), and nobody repeats them:
//! when one ends there is silence, as at Twilio. What plays is written to the world, which decides what is
//! heard. Each runs until its token is cancelled: the hold ended, the room started, the participant left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::form::Form;
use crate::legs::resolve;
use crate::switch::Switch;
use crate::twiml::{self, Element};
use crate::verbs::say_length;
use crate::world::sound::Sound;
use crate::world::{Method, Purpose, Target};

struct Player {
    switch: Arc<Switch>,
    call: String,
    room: String,
    purpose: Purpose,
    stop: CancellationToken,
    /// What an announcement plays at the moment, by its id.
    announcing: AtomicU64,
}

/// Runs a document for a participant until it ends or is stopped.
pub(crate) async fn play(
    switch: Arc<Switch>,
    call: String,
    room: String,
    purpose: Purpose,
    target: Target,
    stop: CancellationToken,
) {
    let player = Player {
        switch,
        call,
        room,
        purpose,
        stop,
        announcing: AtomicU64::new(0),
    };
    let url = target.url.clone();
    let stop = player.stop.clone();
    let Some(outcome) = stop.run_until_cancelled(player.documents(target)).await else {
        return;
    };
    if let Err((code, why)) = &outcome {
        player
            .switch
            .world(|w| w.note(&player.call, *code, why.clone(), &url));
    }
    if purpose == Purpose::Announce {
        let failure = outcome.err().map(|(_, why)| why);
        player.switch.world(|w| {
            // As in `hear`: whoever has left meanwhile, and perhaps come back, heard no end of it.
            if !player.stop.is_cancelled() {
                let before = player.announcing.load(Ordering::Relaxed);
                w.set_announcing(&player.room, &player.call, before, None);
                w.announced(&player.room, &player.call, &url, failure.as_deref());
            }
        });
    } else {
        player.hush();
    }
}

impl Player {
    async fn documents(&self, mut target: Target) -> Result<(), (u32, String)> {
        if is_carriers_own(&target.url) {
            self.hear(Some((Sound::Music, 0)));
            if self.purpose != Purpose::Announce {
                std::future::pending::<()>().await;
            }
            return Ok(());
        }
        let mut quick = 0;
        loop {
            let began = self.switch.clock.now_ms();
            let form = self.switch.world(|w| {
                let mut more = Form::new();
                more.push("ConferenceSid", &self.room);
                if let Some(room) = w.room(&self.room) {
                    more.push("FriendlyName", &room.name);
                }
                match w.call(&self.call) {
                    Some(call) => w.call_form(call, &more),
                    None => more,
                }
            });
            let reply = self.switch.last_resort(&target, &form).await?;
            let kind = reply.content_type.to_ascii_lowercase();
            if kind.starts_with("audio/") {
                self.play(&target.url, Some("1")).await?;
                return Ok(());
            }
            if !kind.starts_with("text/xml") && !kind.starts_with("application/xml") {
                return Err((12300, format!("the answer's type is {kind:?}, not XML")));
            }
            let document = twiml::parse(&reply.body).map_err(|e| (e.code, e.why))?;
            let mut next = None;
            for verb in &document.verbs {
                next = self.verb(verb, &target.url).await?;
                if next.is_some() {
                    break;
                }
            }
            let Some(following) = next else { return Ok(()) };
            target = following;
            // A document that plays nothing and redirects to itself would ask for ever, as fast as it can.
            quick = if self.switch.clock.now_ms() - began < 200 {
                quick + 1
            } else {
                0
            };
            if quick > 10 {
                self.switch.clock.sleep(Duration::from_secs(1)).await;
            }
        }
    }

    async fn verb(&self, verb: &Element, base: &str) -> Result<Option<Target>, (u32, String)> {
        match verb.name.as_str() {
            "Play" => {
                let url = resolve(Some(base), &verb.text).map_err(|why| (11100, why))?;
                self.play(&url, verb.attribute("loop")).await?;
            }
            "Say" => {
                let times = times(verb.attribute("loop"));
                self.hear(Some((Sound::Said(verb.text.clone()), times)));
                self.repeat(times, say_length(&verb.text)).await;
            }
            "Pause" => {
                self.hush();
                self.switch
                    .clock
                    .sleep(Duration::from_secs(verb.number("length", 1).min(3600)))
                    .await;
            }
            "Redirect" => {
                let url = if verb.text.is_empty() {
                    base.to_owned()
                } else {
                    resolve(Some(base), &verb.text).map_err(|why| (11100, why))?
                };
                return Ok(Some(Target::new(
                    url,
                    Method::read(verb.attribute("method"), Method::Post),
                )));
            }
            other => {
                return Err((
                    13238,
                    format!("<{other}> is not allowed in a conference's document"),
                ));
            }
        }
        Ok(None)
    }

    async fn play(&self, url: &str, again: Option<&str>) -> Result<(), (u32, String)> {
        let times = times(again);
        if is_carriers_own(url) {
            self.hear(Some((Sound::Music, 0)));
            self.repeat(times, Duration::from_mins(1)).await;
            return Ok(());
        }
        let length = self.switch.media(url).await.map_err(|why| (11200, why))?;
        self.hear(Some((Sound::File(url.to_owned()), times)));
        self.repeat(times, length).await;
        Ok(())
    }

    async fn repeat(&self, times: u32, length: Duration) {
        if times == 0 {
            std::future::pending::<()>().await;
        }
        self.switch.clock.sleep(length.saturating_mul(times)).await;
    }

    fn hear(&self, sound: Option<(Sound, u32)>) {
        self.switch.world(|w| {
            // The token is cancelled under this very lock, so a document that was replaced can't speak any
            // more.
            if self.stop.is_cancelled() {
                return;
            }
            if self.purpose == Purpose::Announce {
                let before = self.announcing.load(Ordering::Relaxed);
                let now = w.set_announcing(&self.room, &self.call, before, sound);
                self.announcing.store(now, Ordering::Relaxed);
            } else {
                w.set_member_background(&self.room, &self.call, sound);
            }
        });
    }

    fn hush(&self) {
        self.hear(None);
    }
}

/// How often; 0 is for ever.
fn times(again: Option<&str>) -> u32 {
    again.and_then(|t| t.parse().ok()).unwrap_or(1)
}

/// The carrier's own music, known by name and never fetched.
fn is_carriers_own(url: &str) -> bool {
    [
        "https://s3.amazonaws.com/com.twilio.",
        "http://com.twilio.",
        "https://com.twilio.",
        "http://twimlets.com/holdmusic",
        "https://twimlets.com/holdmusic",
    ]
    .iter()
    .any(|own| url.starts_with(own))
}
