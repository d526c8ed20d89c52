//! What the account owns: credentials, keys, numbers, applications, caller ids, queues and recordings.
//!
//! Rows and their rules; the REST forms that change them are read in `rest::account`. Numbers are bought one by
//! one, as at Twilio: the account starts with none.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Target, World, new_sid};

/// The account's ids and secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `AC…`
    pub account_sid: String,
    /// Signs web hooks and opens the REST API.
    pub auth_token: String,
    /// `SK…`: opens the REST API with its secret, and signs access tokens.
    pub api_key: String,
    /// The key's secret.
    pub api_secret: String,
    /// `AP…`: a TwiML application that exists from the start, without URLs.
    pub app_sid: String,
}

impl Credentials {
    /// Credentials that only depend on the seed.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self::draw(&mut StdRng::seed_from_u64(seed ^ 0x4352_4544))
    }

    /// Credentials nobody can guess.
    #[must_use]
    pub fn random() -> Self {
        Self::draw(&mut rand::make_rng())
    }

    fn draw(rng: &mut StdRng) -> Self {
        Self {
            account_sid: new_sid("AC", rng),
            auth_token: format!("{:032x}", rng.random::<u128>()),
            api_key: new_sid("SK", rng),
            api_secret: format!("{:032x}", rng.random::<u128>()),
            app_sid: new_sid("AP", rng),
        }
    }
}

/// Where calls of a number or an application go. Text as given; empty means unset.
#[derive(Clone, Debug, Default)]
pub(crate) struct VoiceSettings {
    pub(crate) url: String,
    pub(crate) method: String,
    pub(crate) fallback_url: String,
    pub(crate) fallback_method: String,
    pub(crate) status_callback: String,
    pub(crate) status_callback_method: String,
}

impl VoiceSettings {
    pub(crate) fn voice(&self) -> Option<Target> {
        target(&self.url, &self.method)
    }

    pub(crate) fn fallback(&self) -> Option<Target> {
        target(&self.fallback_url, &self.fallback_method)
    }

    pub(crate) fn status(&self) -> Option<Target> {
        target(&self.status_callback, &self.status_callback_method)
    }
}

fn target(url: &str, method: &str) -> Option<Target> {
    (!url.is_empty())
        .then(|| Target::new(url, super::Method::read(Some(method), super::Method::Post)))
}

#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub(crate) sid: String,
    pub(crate) e164: String,
    pub(crate) friendly_name: String,
    pub(crate) voice: VoiceSettings,
    pub(crate) voice_application_sid: String,
    pub(crate) caller_id_lookup: bool,
    pub(crate) emergency_address_sid: String,
    pub(crate) created: i64,
    pub(crate) updated: i64,
}

impl Number {
    /// A number whose calls go nowhere. It has its sid once the account owns it: [`super::World::take_number`].
    pub(crate) fn new(e164: String, now: i64) -> Self {
        Self {
            sid: String::new(),
            friendly_name: e164.clone(),
            e164,
            voice: VoiceSettings::default(),
            voice_application_sid: String::new(),
            caller_id_lookup: false,
            emergency_address_sid: String::new(),
            created: now,
            updated: now,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Application {
    pub(crate) sid: String,
    pub(crate) friendly_name: String,
    pub(crate) voice: VoiceSettings,
    pub(crate) created: i64,
    pub(crate) updated: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) sid: String,
    pub(crate) friendly_name: String,
    pub(crate) secret: String,
    pub(crate) created: i64,
    pub(crate) updated: i64,
}

/// A verified number that isn't Twilio's, usable as caller id.
#[derive(Clone, Debug)]
pub(crate) struct CallerId {
    pub(crate) sid: String,
    pub(crate) number: String,
    pub(crate) friendly_name: String,
    pub(crate) created: i64,
    pub(crate) updated: i64,
}

#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) sid: String,
    pub(crate) name: String,
    pub(crate) max: usize,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    /// Calls in order of arrival, with when they came.
    pub(crate) members: Vec<(String, i64)>,
}

impl Queue {
    /// How long those who wait have waited so far, on the average, in seconds.
    pub(crate) fn average_wait(&self, now: i64) -> i64 {
        let waited = self.members.iter().map(|(_, since)| now - since);
        let size = i64::try_from(self.members.len()).unwrap_or(i64::MAX);
        waited.map(|ms| ms.max(0) / 1000).sum::<i64>() / size.max(1)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordingStatus {
    InProgress,
    Paused,
    Completed,
    Absent,
}

impl RecordingStatus {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::InProgress => "in-progress",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Absent => "absent",
        }
    }
}

/// A recording's life without its sound.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    pub(crate) sid: String,
    pub(crate) call: String,
    pub(crate) source: &'static str,
    pub(crate) status: RecordingStatus,
    pub(crate) channels: u8,
    pub(crate) track: String,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) ended: Option<i64>,
    pub(crate) hook: Option<super::Subscription>,
    pub(crate) deleted: bool,
}

impl Recording {
    pub(crate) fn seconds(&self, now: i64) -> i64 {
        (self.ended.unwrap_or(now) - self.created).max(0) / 1000
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(
            self.status,
            RecordingStatus::InProgress | RecordingStatus::Paused
        )
    }
}

/// Everything the account owns.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) credentials: Credentials,
    /// Where this account's API is; recordings are addressed with it.
    pub(crate) base_url: String,
    pub(crate) created: i64,
    pub(crate) friendly_name: String,
    pub(crate) numbers: Vec<Number>,
    pub(crate) applications: Vec<Application>,
    pub(crate) keys: Vec<Key>,
    pub(crate) caller_ids: Vec<CallerId>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) recordings: Vec<Recording>,
}

impl Account {
    pub(crate) fn new(credentials: Credentials, base_url: String, now: i64) -> Self {
        let application = Application {
            sid: credentials.app_sid.clone(),
            friendly_name: String::from("Voice"),
            voice: VoiceSettings::default(),
            created: now,
            updated: now,
        };
        let key = Key {
            sid: credentials.api_key.clone(),
            friendly_name: String::from("First key"),
            secret: credentials.api_secret.clone(),
            created: now,
            updated: now,
        };
        Self {
            credentials,
            base_url,
            created: now,
            friendly_name: String::from("Twin"),
            numbers: Vec::new(),
            applications: vec![application],
            keys: vec![key],
            caller_ids: Vec::new(),
            queues: Vec::new(),
            recordings: Vec::new(),
        }
    }

    /// The address of a recording, without an extension, as callbacks name it.
    pub(crate) fn recording_url(&self, sid: &str) -> String {
        format!(
            "{}/2010-04-01/Accounts/{}/Recordings/{sid}",
            self.base_url, self.credentials.account_sid
        )
    }

    pub(crate) fn recording(&self, sid: &str) -> Option<&Recording> {
        self.recordings.iter().find(|r| r.sid == sid)
    }

    pub(crate) fn number(&self, number: &str) -> Option<&Number> {
        self.numbers.iter().find(|n| n.e164 == number)
    }

    pub(crate) fn application(&self, sid: &str) -> Option<&Application> {
        self.applications.iter().find(|a| a.sid == sid)
    }

    /// Whether the account may show this number as the caller's.
    pub(crate) fn may_call_from(&self, number: &str) -> bool {
        self.number(number).is_some() || self.caller_ids.iter().any(|c| c.number == number)
    }

    /// Where a number's calls go: its application's settings if it has one, else its own.
    pub(crate) fn voice_of(&self, number: &Number) -> (VoiceSettings, Option<String>) {
        match self.application(&number.voice_application_sid) {
            Some(app) => (app.voice.clone(), Some(app.sid.clone())),
            None => (number.voice.clone(), None),
        }
    }

    /// Checks HTTP Basic credentials: the account and its token, or a key and its secret.
    pub(crate) fn admits(&self, user: &str, password: &str) -> bool {
        let secret = if user == self.credentials.account_sid {
            Some(&self.credentials.auth_token)
        } else {
            self.keys.iter().find(|k| k.sid == user).map(|k| &k.secret)
        };
        secret.is_some_and(|secret| {
            aws_lc_rs::constant_time::verify_slices_are_equal(
                secret.as_bytes(),
                password.as_bytes(),
            )
            .is_ok()
        })
    }

    pub(crate) fn queue(&self, sid_or_name: &str) -> Option<&Queue> {
        self.queues
            .iter()
            .find(|q| q.sid == sid_or_name || q.name == sid_or_name)
    }

    pub(crate) fn queue_mut(&mut self, sid_or_name: &str) -> Option<&mut Queue> {
        self.queues
            .iter_mut()
            .find(|q| q.sid == sid_or_name || q.name == sid_or_name)
    }

    pub(crate) fn leave_queues(&mut self, call: &str) {
        for queue in &mut self.queues {
            queue.members.retain(|(member, _)| member != call);
        }
    }
}

impl World {
    /// Starts recording a leg. A second recording of the same leg from the same source is a silent repetition of
    /// the first; one from another source runs beside it.
    pub(crate) fn start_recording(&mut self, mut recording: Recording) -> Recording {
        if let Some(running) = self
            .account
            .recordings
            .iter()
            .find(|r| r.call == recording.call && r.source == recording.source && r.is_live())
        {
            return running.clone();
        }
        recording.sid = self.sid("RE");
        self.account.recordings.push(recording.clone());
        self.recording_event(&recording);
        recording
    }

    /// Moves a recording to another state and reports it. One that is over stays as it is, and nothing is said.
    pub(crate) fn set_recording(
        &mut self,
        sid: &str,
        status: RecordingStatus,
    ) -> Option<Recording> {
        let now = self.now;
        let recording = self
            .account
            .recordings
            .iter_mut()
            .find(|r| r.sid == sid && r.is_live())?;
        recording.status = status;
        recording.updated = now;
        if status == RecordingStatus::Completed {
            recording.ended = Some(now);
        }
        let recording = recording.clone();
        self.recording_event(&recording);
        Some(recording)
    }

    pub(super) fn complete_recordings(&mut self, call: &str) {
        let live: Vec<String> = self
            .account
            .recordings
            .iter()
            .filter(|r| r.call == call && r.is_live())
            .map(|r| r.sid.clone())
            .collect();
        for sid in live {
            self.set_recording(&sid, RecordingStatus::Completed);
        }
    }

    fn recording_event(&mut self, recording: &Recording) {
        let Some(hook) = recording
            .hook
            .as_ref()
            .filter(|h| h.wants(recording.status.word()))
        else {
            return;
        };
        let mut form = crate::form::Form::new();
        form.push("AccountSid", &self.account.credentials.account_sid);
        form.push("CallSid", &recording.call);
        form.push("RecordingSid", &recording.sid);
        form.push("RecordingUrl", self.account.recording_url(&recording.sid));
        form.push("RecordingStatus", recording.status.word());
        form.push("RecordingDuration", recording.seconds(self.now).to_string());
        form.push("RecordingChannels", recording.channels.to_string());
        form.push(
            "RecordingStartTime",
            crate::clock::rfc2822(recording.created),
        );
        form.push("RecordingSource", recording.source);
        form.push("RecordingTrack", &recording.track);
        form.push("ErrorCode", "0");
        let target = hook.target.clone();
        self.effect(super::Effect::Callback { target, form });
    }
}
