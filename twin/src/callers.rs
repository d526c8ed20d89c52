//! People at the far end: scripted callers with a patience, and telephones that answer, refuse or ring for
//! ever.
//!
//! A telephone is configured by number (or by the beginning of one); a caller is one call in. Neither knows
//! what the account does with its calls. Next: `legs`, which asks a telephone what it does, and `control`,
//! which sets it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::form::is_e164;
use crate::switch::Switch;
use crate::world::call::{CallStatus, Direction, NewCall};
use crate::world::{Effect, Program, Signal, Source, Subscription, World};

/// What a telephone does when it is called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "does", rename_all = "snake_case")]
pub enum Behaviour {
    /// Answers after so many seconds of ringing.
    Answers {
        /// Seconds of ringing.
        after: f64,
        /// Seconds from the first person heard until it hangs up by itself; absent: stays.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        talks: Option<f64>,
    },
    /// Answers and then presses keys, as soon as it is asked to after `wait` seconds.
    AnswersAndPresses {
        /// Seconds of ringing.
        after: f64,
        /// The keys.
        digits: String,
        /// Seconds between the answer and the keys.
        wait: f64,
    },
    /// Is engaged.
    Busy,
    /// Rings until the caller gives up.
    NoAnswer,
    /// A machine answers after so many seconds; it presses nothing and stays until hung up.
    Voicemail {
        /// Seconds of ringing.
        after: f64,
    },
    /// There is no such number.
    Invalid,
    /// Rings until it is told to answer or to refuse (`answer`, `hangup`).
    Rings,
}

/// A configured telephone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Telephone {
    /// A number, `client:identity` or `sip:user@host`; with a `*` at the end, every address that begins so.
    pub number: String,
    /// What it does.
    #[serde(flatten)]
    pub behaviour: Behaviour,
}

/// What somebody at the far end sounds like.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voice {
    /// Talks, in no language; each number is another voice.
    Babble(u64),
    /// One tone, in hertz: easy to find again.
    Tone(f32),
    /// Says nothing.
    Silent,
}

/// A caller to place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Caller {
    /// The caller's own number, E.164.
    pub from: String,
    /// A number of the account, E.164.
    pub to: String,
    /// Shown as the caller's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How the caller feels; kept for whoever shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mood: Option<String>,
    /// What the caller sounds like; absent: as the number would have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<Voice>,
    /// Seconds after which the caller gives up if no person was heard; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<f64>,
    /// Seconds of hearing people after which the caller hangs up; absent: stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talks: Option<f64>,
    /// Keys the caller presses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub script: Vec<Press>,
}

/// Keys pressed some time after the call began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Press {
    /// Seconds since the call began.
    pub after: f64,
    /// The keys.
    pub digits: String,
}

/// The telephones of the world, and who hangs up after how much talk.
#[derive(Debug, Default)]
pub(crate) struct Telephones {
    known: Vec<Telephone>,
    talks: std::collections::HashMap<String, Duration>,
}

impl Telephones {
    /// Sets what an address does; the latest word on an address counts.
    pub(crate) fn set(&mut self, telephone: Telephone) {
        self.known.retain(|known| known.number != telephone.number);
        self.known.push(telephone);
    }

    pub(crate) fn all(&self) -> &[Telephone] {
        &self.known
    }

    /// What an address does: its own setting, else that of the longest beginning, else the default.
    pub(crate) fn behaviour(&self, address: &str) -> Behaviour {
        let exact = self.known.iter().find(|t| t.number == address);
        let by_prefix = || {
            self.known
                .iter()
                .filter(|t| {
                    t.number
                        .strip_suffix('*')
                        .is_some_and(|prefix| address.starts_with(prefix))
                })
                .max_by_key(|t| t.number.len())
        };
        match exact.or_else(by_prefix) {
            Some(telephone) => telephone.behaviour.clone(),
            // A client or a SIP telephone that nobody configured is not registered.
            None if address.starts_with("client:") || address.starts_with("sip:") => {
                Behaviour::Invalid
            }
            None => Behaviour::Answers {
                after: 3.0,
                talks: None,
            },
        }
    }

    fn talk_time(&mut self, call: &str) -> Option<Duration> {
        self.talks.remove(call)
    }

    pub(crate) fn set_talk_time(&mut self, call: &str, talks: Option<f64>) {
        if let Some(talks) = talks {
            self.talks.insert(call.to_owned(), seconds(talks));
        }
    }

    /// The call is over, perhaps without a word.
    pub(crate) fn forget(&mut self, call: &str) {
        self.talks.remove(call);
    }
}

/// Seconds as somebody typed them, kept between zero and a day.
pub(crate) fn seconds(value: f64) -> Duration {
    Duration::from_secs_f64(if value.is_finite() {
        value.clamp(0.0, 86_400.0)
    } else {
        0.0
    })
}

/// Somebody calls a number of the account. Hands back the call's sid, or a sentence.
pub(crate) fn place(switch: &Arc<Switch>, caller: Caller) -> Result<String, String> {
    if !is_e164(&caller.from) && caller.from != "anonymous" {
        return Err(format!(
            "from must be a number such as +15551230001, not {:?}",
            caller.from
        ));
    }
    let sid = switch.world(|w| {
        let (call, program) = ring(w, &caller)?;
        // In the same step, so that no end of the call comes before it.
        switch.telephones(|t| t.set_talk_time(&call, caller.talks));
        let sid = call.clone();
        w.effect(Effect::Start { call, program });
        Ok::<_, String>(sid)
    })?;
    for press in caller.script {
        let (me, sid) = (switch.clone(), sid.clone());
        switch.spawn(async move {
            me.clock.sleep(seconds(press.after)).await;
            me.world(|w| w.tell(&sid, Signal::Digits(press.digits)));
        });
    }
    if let Some(patience) = caller.patience {
        let (me, call) = (switch.clone(), sid.clone());
        switch.spawn(async move {
            me.clock.sleep(seconds(patience)).await;
            me.world(|w| {
                if w.call(&call).is_some_and(|c| c.heard_person_at.is_none()) {
                    w.finish(&call, CallStatus::Completed, None);
                }
            });
        });
    }
    Ok(sid)
}

/// A call arrives at a number of the account; and what it shall run. Whoever has made everything ready starts that.
pub(crate) fn ring(w: &mut World, caller: &Caller) -> Result<(String, Program), String> {
    let Some(number) = w.account.number(&caller.to) else {
        return Err(format!(
            "{} is not a number of this account; buy it first (POST IncomingPhoneNumbers)",
            caller.to
        ));
    };
    let (voice, app) = w.account.voice_of(number);
    let Some(source) = voice.voice() else {
        return Err(format!(
            "{} has no VoiceUrl, so nobody would answer",
            caller.to
        ));
    };
    let callbacks = voice
        .status()
        .map(|target| Subscription {
            target,
            events: vec![String::from("completed")],
        })
        .into_iter()
        .collect();
    let new = NewCall {
        from: caller.from.clone(),
        to: caller.to.clone(),
        direction: Direction::Inbound,
        who: caller.from.clone(),
        parent: None,
        callbacks,
        fallback: voice.fallback(),
    };
    let sid = w.create_quiet_call(new);
    if let Some(call) = w.call_mut(&sid) {
        call.name.clone_from(&caller.name);
        call.mood.clone_from(&caller.mood);
        call.voice = caller.voice;
        call.app_sid = app;
    }
    let source = Source::Url(source);
    Ok((sid, Program::Incoming { source }))
}

/// A person was heard for the first time: from now on a talker's time runs, as long as somebody is heard.
pub(crate) fn first_heard(switch: &Arc<Switch>, call: &str) {
    let Some(talks) = switch.telephones(|t| t.talk_time(call)) else {
        return;
    };
    let (me, call) = (switch.clone(), call.to_owned());
    switch.spawn(async move {
        let mut rest = talks;
        loop {
            me.clock.sleep(rest).await;
            let Some((heard, hears)) = me.world(|w| w.heard(&call)) else {
                return; // it is over
            };
            match (talks.saturating_sub(heard), hears) {
                (Duration::ZERO, true) => {
                    me.world(|w| w.finish(&call, CallStatus::Completed, None));
                    return;
                }
                (left, true) => rest = left,
                // On hold nobody hangs up for having said everything: they wait for somebody to say goodbye to.
                (_, false) => rest = Duration::from_secs(1),
            }
        }
    });
}

/// After an answer: the keys somebody presses, and the talk after which they hang up.
pub(crate) fn answered(switch: &Arc<Switch>, call: &str, behaviour: &Behaviour) {
    match behaviour {
        Behaviour::Answers { talks, .. } => switch.telephones(|t| t.set_talk_time(call, *talks)),
        Behaviour::AnswersAndPresses { digits, wait, .. } => {
            let (me, call, digits, wait) = (
                switch.clone(),
                call.to_owned(),
                digits.clone(),
                seconds(*wait),
            );
            switch.spawn(async move {
                me.clock.sleep(wait).await;
                me.world(|w| w.tell(&call, Signal::Digits(digits)));
            });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_beginning_counts() {
        let mut telephones = Telephones::default();
        telephones.set(Telephone {
            number: "+1555*".into(),
            behaviour: Behaviour::Busy,
        });
        telephones.set(Telephone {
            number: "+155512*".into(),
            behaviour: Behaviour::NoAnswer,
        });
        telephones.set(Telephone {
            number: "+15551234567".into(),
            behaviour: Behaviour::Rings,
        });
        assert_eq!(telephones.behaviour("+15559999999"), Behaviour::Busy);
        assert_eq!(telephones.behaviour("+15551299999"), Behaviour::NoAnswer);
        assert_eq!(telephones.behaviour("+15551234567"), Behaviour::Rings);
        assert_eq!(
            telephones.behaviour("+4930123456"),
            Behaviour::Answers {
                after: 3.0,
                talks: None
            }
        );
        assert_eq!(telephones.behaviour("client:a_1"), Behaviour::Invalid);
    }

    #[tokio::test]
    async fn a_talk_that_never_began_is_forgotten_with_its_call() {
        let stop = tokio_util::sync::CancellationToken::new();
        let config = crate::TwinConfig::default();
        let twin = crate::serve(config, stop.clone()).await.unwrap();
        let switch = twin.switch.clone();
        let number = crate::world::account::Number {
            sid: String::from("PN1"),
            e164: String::from("+15550100"),
            friendly_name: String::new(),
            voice: crate::world::account::VoiceSettings {
                // Nobody listens there.
                url: String::from("http://127.0.0.1:1/voice"),
                ..Default::default()
            },
            voice_application_sid: String::new(),
            caller_id_lookup: false,
            emergency_address_sid: String::new(),
            created: 0,
            updated: 0,
        };
        switch.world(|w| w.account.numbers.push(number));
        let caller = Caller {
            from: "+15550001".into(),
            to: "+15550100".into(),
            talks: Some(5.0),
            ..Caller::default()
        };
        let call = place(&switch, caller).unwrap();
        assert_eq!(switch.telephones(|t| t.talks.len()), 1);
        twin.control().hangup(&call).await.unwrap();
        stop.cancel();
        switch.hang_up_line(&call);
        assert_eq!(switch.telephones(|t| t.talks.len()), 0);
        twin.stopped().await;
    }

    #[test]
    fn a_telephone_is_plain_json() {
        let text = r#"{"number":"+1555*","does":"answers_and_presses","after":2.0,"digits":"1","wait":1.0}"#;
        let telephone: Telephone = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&telephone).unwrap(), text);
    }
}
