//! Faults on request: web hooks lost, doubled or late, answers lost after the deed, refusals, slowness, quirks.
//!
//! Every fault is a `key=value` that can be switched while the twin runs; all chance comes from one seeded
//! source. This module only decides; `webhooks`, `rest` and `legs` do what it says. Next: `rest`, for what "the
//! answer is lost" means on the wire.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::clock::parse_duration;
use crate::form::Form;
use crate::world::Quirks;

/// Probabilities, 0 to 1.
const CHANCES: &[&str] = &[
    "webhook.double",
    "webhook.delay",
    "webhook.lose",
    "voice.fail",
    "rest.lose_answer",
    "rest.hang_answer",
    "rest.429",
    "rest.500",
    "rest.slow",
];
/// Durations, with what they are when not set.
const DURATIONS: &[(&str, u64)] = &[
    ("webhook.delay_max", 2_000),
    ("voice.fail_after", 1_000),
    ("rest.slow_max", 2_000),
    ("rest.hang_for", 30_000),
    ("client.offline_for", 4_000),
];
/// One-shots: the next request, or web hook, that matches.
const NEXT: &[&str] = &[
    "next.lose_answer",
    "next.hang_answer",
    "next.429",
    "next.500",
    "next.slow",
    "next.webhook_lose",
    "next.webhook_double",
    "next.webhook_delay",
    "next.voice_fail",
];
const QUIRKS: &[&str] = &[
    "quirk.hold_locks_flags",
    "quirk.hold_before_start",
    "quirk.deny_second_device",
    "quirk.coach_after_leave",
];

/// What happens to one status callback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HookFate {
    pub(crate) lose: bool,
    pub(crate) double: bool,
    pub(crate) delay: Option<Duration>,
}

/// What happens to one REST request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RestFate {
    /// Refused before anything is done: 429 or 500.
    pub(crate) refuse: Option<u16>,
    pub(crate) slow: Option<Duration>,
    /// Done, and then the connection is cut, after this long.
    pub(crate) lose_after: Option<Duration>,
}

impl RestFate {
    pub(crate) fn name(&self) -> Option<&'static str> {
        match (self.refuse, self.lose_after, self.slow) {
            (Some(429), _, _) => Some("429"),
            (Some(_), _, _) => Some("500"),
            (_, Some(Duration::ZERO), _) => Some("lose_answer"),
            (_, Some(_), _) => Some("hang_answer"),
            (_, _, Some(_)) => Some("slow"),
            _ => None,
        }
    }
}

/// What a setting asks of somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Vanish(String),
    /// The network of a client's browser is down for so long.
    Offline(String, Duration),
    /// The token of a client's browser is not taken any more.
    Expire(String),
    Quirk(&'static str, bool),
}

#[derive(Debug)]
pub(crate) struct Faults {
    seed: u64,
    rng: StdRng,
    chances: BTreeMap<&'static str, f64>,
    durations: BTreeMap<&'static str, Duration>,
    next: VecDeque<(&'static str, String)>,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            rng: StdRng::seed_from_u64(seed),
            chances: BTreeMap::new(),
            durations: BTreeMap::new(),
            next: VecDeque::new(),
        }
    }

    /// Reads one setting. The error is a sentence for the person who typed it.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<Option<Order>, String> {
        if let Some(key) = CHANCES.iter().find(|k| **k == key) {
            let chance: f64 = value
                .parse()
                .map_err(|_| format!("{key} is a probability from 0 to 1, not {value:?}"))?;
            if !(0.0..=1.0).contains(&chance) {
                return Err(format!("{key} is a probability from 0 to 1, not {value}"));
            }
            if chance == 0.0 {
                self.chances.remove(key);
            } else {
                self.chances.insert(key, chance);
            }
        } else if let Some((key, _)) = DURATIONS.iter().find(|(k, _)| *k == key) {
            let duration = parse_duration(value)
                .ok_or_else(|| format!("{key} is a duration such as 2s or 200ms, not {value:?}"))?;
            self.durations.insert(key, duration);
        } else if let Some(key) = NEXT.iter().find(|k| **k == key) {
            self.next.push_back((key, value.to_owned()));
        } else if let Some(key) = QUIRKS.iter().find(|k| **k == key) {
            let on = match value {
                "on" | "true" | "refuse" => true,
                "off" | "false" | "accept" => false,
                _ => {
                    return Err(format!(
                        "{key} is on or off (hold_before_start: refuse or accept), not {value:?}"
                    ));
                }
            };
            return Ok(Some(Order::Quirk(key, on)));
        } else if key == "client.vanish" {
            return Ok(Some(Order::Vanish(value.to_owned())));
        } else if key == "client.offline" {
            let lasts = self.duration("client.offline_for");
            return Ok(Some(Order::Offline(value.to_owned(), lasts)));
        } else if key == "client.expire" {
            return Ok(Some(Order::Expire(value.to_owned())));
        } else if key == "seed" {
            self.seed = value
                .parse()
                .map_err(|_| format!("seed is a whole number, not {value:?}"))?;
            self.rng = StdRng::seed_from_u64(self.seed);
        } else {
            let mut known: Vec<&str> = CHANCES.to_vec();
            known.extend(DURATIONS.iter().map(|(k, _)| *k));
            known.extend(NEXT);
            known.extend(QUIRKS);
            known.extend(["client.vanish", "client.offline", "client.expire", "seed"]);
            return Err(format!(
                "unknown fault {key:?}; known are {}",
                known.join(", ")
            ));
        }
        Ok(None)
    }

    /// Switches everything off; the seed stays.
    pub(crate) fn clear(&mut self) {
        self.chances.clear();
        self.durations.clear();
        self.next.clear();
    }

    pub(crate) fn body(&self, quirks: &Quirks) -> Value {
        let durations: BTreeMap<&str, String> = self
            .durations
            .iter()
            .map(|(k, d)| (*k, format!("{}ms", d.as_millis())))
            .collect();
        let next: Vec<String> = self.next.iter().map(|(k, v)| format!("{k}={v}")).collect();
        json!({ "seed": self.seed, "chances": self.chances, "durations": durations, "next": next, "quirks": quirks })
    }

    pub(crate) fn webhook(&mut self, form: &Form) -> HookFate {
        let mut fate = HookFate {
            lose: self.chance("webhook.lose"),
            double: self.chance("webhook.double"),
            delay: self
                .chance("webhook.delay")
                .then(|| self.upto("webhook.delay_max")),
        };
        let words = [
            form.get("StatusCallbackEvent"),
            form.get("CallStatus"),
            form.get("RecordingStatus"),
        ];
        let about = |value: &str| words.iter().flatten().any(|w| *w == value);
        fate.lose |= self.take("next.webhook_lose", about);
        fate.double |= self.take("next.webhook_double", about);
        if self.take("next.webhook_delay", about) {
            fate.delay = Some(self.duration("webhook.delay_max"));
        }
        fate
    }

    /// Whether a voice request fails now, and after how long it "times out".
    pub(crate) fn voice(&mut self, url: &str) -> Option<Duration> {
        let next = self.take("next.voice_fail", |part| {
            part == "any" || url.contains(part)
        });
        (self.chance("voice.fail") | next).then(|| self.duration("voice.fail_after"))
    }

    pub(crate) fn rest(&mut self, method: &str, path: &str) -> RestFate {
        let mut fate = RestFate::default();
        let about = |value: &str| matches_request(value, method, path);
        if self.chance("rest.429") | self.take("next.429", about) {
            fate.refuse = Some(429);
        } else if self.chance("rest.500") | self.take("next.500", about) {
            fate.refuse = Some(500);
        }
        if self.chance("rest.slow") {
            fate.slow = Some(self.upto("rest.slow_max"));
        }
        if self.take("next.slow", about) {
            fate.slow = Some(self.duration("rest.slow_max"));
        }
        if fate.refuse.is_none() {
            if self.chance("rest.lose_answer") | self.take("next.lose_answer", about) {
                fate.lose_after = Some(Duration::ZERO);
            } else if self.chance("rest.hang_answer") | self.take("next.hang_answer", about) {
                fate.lose_after =
                    Some(self.duration("rest.hang_for").max(Duration::from_millis(1)));
            }
        }
        fate
    }

    /// As [`Faults::voice`], for a request that nothing stands behind: only when it is named.
    pub(crate) fn last_resort(&mut self, url: &str) -> Option<Duration> {
        let next = self.take("next.voice_fail", |part| url.contains(part));
        next.then(|| self.duration("voice.fail_after"))
    }

    /// Somewhere between the two.
    pub(crate) fn between(&mut self, low: Duration, high: Duration) -> Duration {
        low + high.saturating_sub(low).mul_f64(self.rng.random::<f64>())
    }

    fn chance(&mut self, key: &str) -> bool {
        // A fault that is off draws nothing; one that is switched on shifts the draws of the others.
        self.chances
            .get(key)
            .copied()
            .is_some_and(|p| self.rng.random_bool(p))
    }

    fn duration(&self, key: &str) -> Duration {
        let default = DURATIONS
            .iter()
            .find(|(k, _)| *k == key)
            .map_or(0, |(_, ms)| *ms);
        self.durations
            .get(key)
            .copied()
            .unwrap_or(Duration::from_millis(default))
    }

    fn upto(&mut self, key: &str) -> Duration {
        let most = self.duration(key);
        most.mul_f64(self.rng.random::<f64>())
    }

    fn take(&mut self, key: &str, about: impl Fn(&str) -> bool) -> bool {
        let found = self
            .next
            .iter()
            .position(|(k, value)| *k == key && about(value));
        found.is_some_and(|at| self.next.remove(at).is_some())
    }
}

/// `POST:/Participants` is a request whose path ends so (a creation); with a slash at the end it is any request
/// below it (an update). `dial`, `hold` and `hangup` are short for the usual ones.
fn matches_request(pattern: &str, method: &str, path: &str) -> bool {
    let path = path.strip_suffix(".json").unwrap_or(path);
    let one = |pattern: &str| {
        let (want, part) = pattern.split_once(':').unwrap_or(("", pattern));
        (want.is_empty() || want.eq_ignore_ascii_case(method))
            && if part.ends_with('/') {
                path.contains(part)
            } else {
                path.ends_with(part)
            }
    };
    match pattern {
        "dial" => one("POST:/Participants") || one("POST:/Calls"),
        "hold" => one("POST:/Participants/"),
        "hangup" => one("POST:/Calls/"),
        _ => one(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_answered_with_the_known_ones() {
        let sentence = Faults::new(1).set("webhook.loose", "1").unwrap_err();
        assert!(
            sentence.contains("webhook.lose,") && sentence.contains("next.lose_answer"),
            "{sentence}"
        );
        assert!(
            Faults::new(1)
                .set("rest.429", "2")
                .unwrap_err()
                .contains("probability")
        );
        assert!(
            Faults::new(1)
                .set("rest.slow_max", "2")
                .unwrap_err()
                .contains("duration")
        );
    }

    #[test]
    fn a_one_shot_takes_exactly_the_next_match() {
        let mut faults = Faults::new(1);
        faults
            .set("next.lose_answer", "POST:/Participants")
            .unwrap();
        let path = "/2010-04-01/Accounts/AC1/Conferences/CF1/Participants";
        assert_eq!(faults.rest("GET", &format!("{path}.json")).lose_after, None);
        assert_eq!(
            faults.rest("POST", &format!("{path}/CA1.json")).lose_after,
            None
        );
        assert_eq!(
            faults.rest("POST", &format!("{path}.json")).lose_after,
            Some(Duration::ZERO)
        );
        assert_eq!(
            faults.rest("POST", &format!("{path}.json")).lose_after,
            None
        );
    }

    #[test]
    fn the_same_seed_draws_the_same_fates() {
        let fates = |seed| {
            let mut faults = Faults::new(seed);
            faults.set("webhook.lose", "0.5").unwrap();
            (0..64)
                .map(|_| faults.webhook(&Form::new()).lose)
                .collect::<Vec<_>>()
        };
        assert_eq!(fates(7), fates(7));
        assert_ne!(fates(7), fates(8));
    }
}
