//! The verbs that play, listen and record: `Say`, `Play`, `Pause`, `Gather`, `Record`, `Start`.
//!
//! Here a sound is what it is and how long it lasts, and a recording is its life without its content. The keys come from the far end over the call's line.
//! Next: `legs`.

use std::time::Duration;

use crate::form::Form;
use crate::legs::{Break, Flow, Leg, Step};
use crate::twiml::Element;
use crate::world::account::{Recording, RecordingStatus};
use crate::world::sound::Sound;
use crate::world::{Signal, Subscription};

impl Leg {
    /// `<Say>`, `<Play>` and `<Pause>`.
    pub(crate) async fn sound(&mut self, verb: &Element, base: Option<&str>) -> Step<()> {
        let length = self.begin_sound(verb, base).await?;
        let outcome = self.pass(length).await;
        if outcome.is_ok() {
            self.hush();
        }
        outcome
    }

    /// Plays what a verb plays, and says for how long.
    async fn begin_sound(&mut self, verb: &Element, base: Option<&str>) -> Step<Duration> {
        let (sound, length) = self.sound_of(verb, base).await?;
        match sound {
            Some((sound, times)) => self.play(sound, times),
            None => self.hush(),
        }
        Ok(length)
    }

    async fn sound_of(
        &mut self,
        verb: &Element,
        base: Option<&str>,
    ) -> Step<(Option<(Sound, u32)>, Duration)> {
        let times = u32::try_from(verb.number("loop", 1)).unwrap_or(0);
        let repeat =
            |once: Duration| once.saturating_mul(if times == 0 { 1000 } else { times.min(1000) });
        Ok(match verb.name.as_str() {
            "Say" => {
                if verb.text.chars().count() > 4096 {
                    self.note(13521, "<Say> may have 4096 characters", base);
                }
                let said = Sound::Said(verb.text.clone());
                (Some((said, times)), repeat(say_length(&verb.text)))
            }
            "Play" if verb.attribute("digits").is_some() => {
                (Some((Sound::Beep, 1)), Duration::from_millis(500))
            }
            "Play" => {
                let Some(target) = self.target(&verb.text, Some("GET"), base) else {
                    return Ok((None, Duration::ZERO));
                };
                let switch = self.switch.clone();
                let media = switch.media(&target.url);
                tokio::pin!(media);
                let length = loop {
                    tokio::select! {
                        length = &mut media => break length,
                        signal = self.signal() => { signal?; }
                    }
                };
                match length {
                    Ok(length) => (
                        Some((Sound::File(target.url.clone()), times)),
                        repeat(length),
                    ),
                    Err(why) => {
                        self.note(11200, &why, Some(&target.url));
                        (None, Duration::ZERO)
                    }
                }
            }
            _ => (
                None,
                Duration::from_secs(verb.number("length", 1).min(3600)),
            ),
        })
    }

    /// `<Gather>`: plays what is inside and collects keys; the first key stops the playing.
    pub(crate) async fn gather(&mut self, verb: &Element, base: Option<&str>) -> Step<Flow> {
        let finish = verb.attribute("finishOnKey").unwrap_or("#").to_owned();
        let most = usize::try_from(verb.number("numDigits", u64::MAX)).unwrap_or(usize::MAX);
        let timeout = Duration::from_secs(verb.number("timeout", 5).min(3600));
        let listens = verb
            .attribute("input")
            .is_none_or(|i| i.split_ascii_whitespace().any(|w| w == "dtmf"));
        let mut digits = String::new();
        let mut ended_by = None;
        if listens {
            ended_by = take_keys(&mut self.typed, &mut digits, &finish, most);
        }
        for inner in &verb.children {
            if !digits.is_empty() || ended_by.is_some() {
                break;
            }
            let length = self.begin_sound(inner, base).await?;
            let pressed = self
                .pass_until(length, |s| listens && matches!(s, Signal::Digits(_)))
                .await?;
            if pressed.is_some() {
                ended_by = take_keys(&mut self.typed, &mut digits, &finish, most);
            }
        }
        self.hush();
        while ended_by.is_none() && digits.chars().count() < most {
            if self
                .pass_until(timeout, |s| listens && matches!(s, Signal::Digits(_)))
                .await?
                .is_none()
            {
                break;
            }
            ended_by = take_keys(&mut self.typed, &mut digits, &finish, most);
        }
        if digits.is_empty() && ended_by.is_none() && !verb.flag("actionOnEmptyResult", false) {
            return Ok(Flow::Next);
        }
        let action = verb
            .attribute("action")
            .or(base)
            .unwrap_or_default()
            .to_owned();
        let Some(target) = self.target(&action, verb.attribute("method"), base) else {
            return Ok(Flow::Next);
        };
        let mut form = Form::new();
        form.push("Digits", digits);
        form.push("msg", "Gather End");
        if let Some(key) = ended_by {
            form.push("FinishedOnKey", key.to_string());
        }
        Ok(Flow::Ask(target, form))
    }

    /// `<Record>`: somebody talks for five seconds, or until a key or the end.
    pub(crate) async fn record(&mut self, verb: &Element, base: Option<&str>) -> Step<Flow> {
        let hook = self.recording_hook(verb, base);
        let recording = self.switch.world(|w| {
            let recording = new_recording(&self.sid, "RecordVerb", 1, hook, w.now);
            w.start_recording(recording)
        });
        let finish = verb
            .attribute("finishOnKey")
            .unwrap_or("1234567890*#")
            .to_owned();
        let length = Duration::from_secs(verb.number("maxLength", 3600).clamp(1, 3600).min(5));
        let outcome = self
            .pass_until(
                length,
                |s| matches!(s, Signal::Digits(d) if d.contains(|c| finish.contains(c))),
            )
            .await;
        let key = std::mem::take(&mut self.typed)
            .chars()
            .find(|c| finish.contains(*c));
        let seconds = self.switch.world(|w| {
            w.set_recording(&recording.sid, RecordingStatus::Completed);
            let recording = w.account.recording(&recording.sid);
            recording.map_or(0, |r| r.seconds(w.now))
        });
        let action = verb
            .attribute("action")
            .or(base)
            .unwrap_or_default()
            .to_owned();
        let mut form = Form::new();
        let url = self
            .switch
            .world(|w| w.account.recording_url(&recording.sid));
        form.push("RecordingUrl", url);
        form.push("RecordingSid", &recording.sid);
        form.push("RecordingDuration", seconds.to_string());
        match outcome {
            Ok(_) => {
                if let Some(key) = key {
                    form.push("Digits", key.to_string());
                }
                let target = self.target(&action, verb.attribute("method"), base);
                Ok(target.map_or(Flow::Next, |target| Flow::Ask(target, form)))
            }
            Err(Break::Over) => {
                form.push("Digits", "hangup");
                self.last_request(&action, verb.attribute("method"), base, &form)
                    .await;
                Err(Break::Over)
            }
            Err(redirected) => Err(redirected),
        }
    }

    fn recording_hook(&self, verb: &Element, base: Option<&str>) -> Option<Subscription> {
        let url = verb
            .attribute("recordingStatusCallback")
            .filter(|u| !u.is_empty())?;
        let target = self.target(url, verb.attribute("recordingStatusCallbackMethod"), base)?;
        let mut events = verb.words("recordingStatusCallbackEvent");
        if events.is_empty() {
            events.push(String::from("completed"));
        }
        Some(Subscription { target, events })
    }

    /// `<Start>`: a recording is started; streams are accepted without being carried.
    pub(crate) fn start(&self, verb: &Element, base: Option<&str>) {
        for inner in &verb.children {
            if inner.name == "Recording" {
                let channels = if inner.attribute("channels") == Some("mono") {
                    1
                } else {
                    2
                };
                let hook = self.recording_hook(inner, base);
                self.switch.world(|w| {
                    let recording =
                        new_recording(&self.sid, "StartCallRecordingTwiML", channels, hook, w.now);
                    w.start_recording(recording);
                });
            }
        }
    }
}

pub(crate) fn new_recording(
    call: &str,
    source: &'static str,
    channels: u8,
    hook: Option<Subscription>,
    now: i64,
) -> Recording {
    Recording {
        sid: String::new(),
        call: call.to_owned(),
        source,
        status: RecordingStatus::InProgress,
        channels,
        track: String::from("both"),
        created: now,
        updated: now,
        ended: None,
        hook,
        deleted: false,
    }
}

/// Moves typed keys into `digits` until the finishing key or the number wanted; hands back the finishing key.
fn take_keys(typed: &mut String, digits: &mut String, finish: &str, most: usize) -> Option<char> {
    let mut rest = typed.chars();
    let mut ended_by = None;
    while digits.chars().count() < most {
        match rest.next() {
            Some(key) if finish.contains(key) => {
                ended_by = Some(key);
                break;
            }
            Some(key) if key.is_ascii_digit() || matches!(key, '*' | '#') => digits.push(key),
            Some(_) => {}
            None => break,
        }
    }
    *typed = rest.collect();
    ended_by
}

/// How long a text takes to say.
pub(crate) fn say_length(text: &str) -> Duration {
    let letters = u64::try_from(text.chars().take(4096).count()).unwrap_or(4096);
    Duration::from_millis((letters * 60).max(500))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_up_to_the_finishing_one() {
        let (mut typed, mut digits) = (String::from("12#3"), String::new());
        assert_eq!(take_keys(&mut typed, &mut digits, "#", 10), Some('#'));
        assert_eq!((typed.as_str(), digits.as_str()), ("3", "12"));
        let (mut typed, mut digits) = (String::from("12"), String::new());
        assert_eq!(take_keys(&mut typed, &mut digits, "#", 1), None);
        assert_eq!((typed.as_str(), digits.as_str()), ("2", "1"));
    }
}
