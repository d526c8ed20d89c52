//! Twilio, and nothing but Twilio: the only place in the server that spells its words.
//!
//! What goes out and what comes in, one file each:
//!
//! - [`rest`]: our requests to Twilio, and what their answers mean to someone who must never dial twice;
//! - [`webhook`]: Twilio's requests to us, as typed facts, after [`signature`] has proved that they are
//!   Twilio's;
//! - [`twiml`]: the documents we answer voice requests with;
//! - [`token`]: the access tokens with which a browser becomes a telephone;
//! - [`resources`]: what Twilio's resources hold;
//! - [`words`]: statuses, parties and dates, spelled the same in both directions;
//! - here: the account's settings and every callback URL, built and read in one place ([`Urls`], [`Callback`]).
//!
//! It must not know the store, the exchange or the call machine: it takes and returns plain data. It never
//! retries and never decides; whether a request is sent again is the outbox's business. Twilio's double speaks
//! the same words, so nothing here knows which of the two it talks to.
//!
//! Read next: [`webhook`], then [`rest`].

pub mod resources;
pub mod rest;
pub mod signature;
pub mod token;
pub mod twiml;
pub mod webhook;
pub mod words;

use cordboard_core::ids::{CallId, LegId};
use secrecy::SecretString;
use url::Url;

/// The account and the addresses. Secrets print as `[REDACTED]`.
#[derive(Debug, Clone)]
pub struct TwilioConfig {
    /// Where the REST API is: `https://api.twilio.com`, a region's host, or a local double.
    pub api_base: Url,
    /// `AC…`.
    pub account_sid: String,
    /// Signs Twilio's requests to us. Never used for ours.
    pub auth_token: SecretString,
    /// The second token while tokens are rotated; both are accepted in signatures.
    pub secondary_auth_token: Option<SecretString>,
    /// `SK…`, a standard key (a restricted one cannot sign access tokens).
    pub api_key: String,
    /// The key's secret: authenticates REST requests and signs access tokens.
    pub api_secret: SecretString,
    /// `AP…`, the TwiML app that browsers' calls go through.
    pub app_sid: String,
    /// What Twilio reaches us under. Where it has a path, the proxy in front of us takes that path off.
    pub public_url: Url,
    /// A host that lives when we are dead: sounds, hold documents and the fallback document. Ours where there
    /// is none.
    pub fallback_media_base: Option<Url>,
}

/// Why a [`TwilioConfig`] cannot work. Said at start, so that it is not found out during the first call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A SID of the wrong shape.
    #[error("{what} must be {prefix} and 32 hexadecimal digits, as the Twilio console shows it")]
    Sid {
        /// Which setting.
        what: &'static str,
        /// The two letters that it begins with.
        prefix: &'static str,
    },
    /// An address that Twilio would not call, or that we should not.
    #[error("{what} {why}")]
    Address {
        /// Which setting.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl TwilioConfig {
    /// Where browsers signal, as `host:port`, if the carrier is a local double: at the double. None: it is Twilio,
    /// whose hosts the Voice SDK knows.
    pub fn signalling(&self) -> Option<String> {
        let host = self.api_base.host_str()?;
        if host == "twilio.com" || host.ends_with(".twilio.com") {
            return None;
        }
        let port = self.api_base.port_or_known_default()?;
        Some(format!("{host}:{port}"))
    }

    /// Checks shapes only: nothing is asked of Twilio.
    pub fn check(&self) -> Result<(), ConfigError> {
        for (what, sid, prefix) in [
            ("the account SID", &self.account_sid, "AC"),
            ("the API key", &self.api_key, "SK"),
            ("the TwiML app", &self.app_sid, "AP"),
        ] {
            if !sid
                .strip_prefix(prefix)
                .is_some_and(|s| s.len() == 32 && s.bytes().all(|b| b.is_ascii_hexdigit()))
            {
                return Err(ConfigError::Sid { what, prefix });
            }
        }
        for (what, url) in [
            ("the API address", Some(&self.api_base)),
            ("the public address", Some(&self.public_url)),
            (
                "the fallback media address",
                self.fallback_media_base.as_ref(),
            ),
        ] {
            let Some(url) = url else { continue };
            let why = if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
                "must be an http or https address with a host"
            } else if !url.username().is_empty() || url.password().is_some() {
                // It would be printed with every URL we hand out.
                "must not contain a user name or password"
            } else if url.query().is_some() || url.fragment().is_some() {
                "must not have a query or a fragment"
            } else if url.host_str().is_some_and(|h| h.contains('_')) {
                "must not have an underscore in its host name (Twilio refuses such hosts, errors 11100 and 21205)"
            } else {
                continue;
            };
            return Err(ConfigError::Address { what, why });
        }
        Ok(())
    }
}

/// A recording that callers hear. Each is at most 20 s long, so that a caller who waits hears news soon after
/// it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sound {
    /// A ringing tone: somebody's telephone rings for this caller.
    Ringing,
    /// Music: held, parked or queued.
    Music,
    /// "One moment, please": the other side was lost, or we are slow.
    OneMoment,
}

impl Sound {
    /// All of them: the files that a media host must have.
    pub const ALL: [Self; 3] = [Self::Ringing, Self::Music, Self::OneMoment];

    /// Its name in URLs; the file is this and `.wav`, the hold document this and `.xml`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ringing => "ringing",
            Self::Music => "music",
            Self::OneMoment => "one-moment",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// How Twilio fetches a URL of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// For documents on a static host: object stores answer POST with 405.
    Get,
    /// For everything we answer ourselves: parameters travel in the body and are signed there.
    Post,
}

impl Method {
    /// As Twilio spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// A URL together with the method it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Absolute.
    pub url: String,
    /// How to ask for it.
    pub method: Method,
}

/// A request that Twilio makes of us, as its path and query say. [`Urls::of`] writes what [`Callback::parse`]
/// reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Callback {
    /// A number of ours was called: wants a document.
    Voice,
    /// A browser called `connect`: wants a document.
    App,
    /// An earlier request to us failed (parameters `ErrorCode`, `ErrorUrl`): wants a document.
    Fallback,
    /// What this leg hears while it waits alone: wants a document of Play, Say, Pause and Redirect only.
    Wait(LegId),
    /// A telephone that we rang answered, or a living leg was redirected: wants a document that joins, or asks
    /// for the key.
    Leg(LegId),
    /// The key was pressed: wants a document.
    Key(LegId),
    /// The leg left its room by itself (Dial's action): wants a document.
    After(LegId),
    /// What a held leg hears: wants a document. Nothing in it depends on the call, so a static host can serve
    /// it.
    Hold(Sound),
    /// Something happened in the room: wants a 2xx.
    Conference(CallId),
    /// A leg we created rings, was answered or ended: wants a 2xx.
    Status(LegId),
    /// A call to a number or through the app ended; only its CallSid says which: wants a 2xx.
    Ended,
    /// Machine detection has an opinion: wants a 2xx.
    Amd(LegId),
}

impl Callback {
    /// Reads the raw path and query of a request. Strict: exactly the parameter that belongs there, once, well
    /// formed.
    pub fn parse(path_and_query: &str) -> Option<Self> {
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        let path = path.strip_prefix("/twilio/")?;
        // Fetched by GET, so Twilio adds its parameters to the query; none of them matters here.
        if let Some(sound) = path.strip_prefix("hold/") {
            return Sound::named(sound).map(Self::Hold);
        }
        let only = |key: &str| {
            let mut pairs = form_urlencoded::parse(query?.as_bytes());
            let (name, value) = pairs.next()?;
            (name == key && pairs.next().is_none()).then(|| value.into_owned())
        };
        let leg = || only("leg")?.parse::<LegId>().ok();
        Some(match path {
            "wait" => Self::Wait(leg()?),
            "leg" => Self::Leg(leg()?),
            "key" => Self::Key(leg()?),
            "after" => Self::After(leg()?),
            "status" => Self::Status(leg()?),
            "amd" => Self::Amd(leg()?),
            "conference" => Self::Conference(only("call")?.parse().ok()?),
            _ if query.is_some() => return None,
            "voice" => Self::Voice,
            "app" => Self::App,
            "fallback" => Self::Fallback,
            "ended" => Self::Ended,
            _ => return None,
        })
    }

    /// Its path alone: what a router matches. [`Callback::Hold`] has its sound as last segment.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Voice => "/twilio/voice",
            Self::App => "/twilio/app",
            Self::Fallback => "/twilio/fallback",
            Self::Wait(_) => "/twilio/wait",
            Self::Leg(_) => "/twilio/leg",
            Self::Key(_) => "/twilio/key",
            Self::After(_) => "/twilio/after",
            Self::Hold(Sound::Ringing) => "/twilio/hold/ringing",
            Self::Hold(Sound::Music) => "/twilio/hold/music",
            Self::Hold(Sound::OneMoment) => "/twilio/hold/one-moment",
            Self::Conference(_) => "/twilio/conference",
            Self::Status(_) => "/twilio/status",
            Self::Ended => "/twilio/ended",
            Self::Amd(_) => "/twilio/amd",
        }
    }

    /// Whether Twilio waits for a document (and the caller hears silence meanwhile), not only for a 2xx.
    pub const fn wants_document(self) -> bool {
        !matches!(
            self,
            Self::Conference(_) | Self::Status(_) | Self::Ended | Self::Amd(_)
        )
    }
}

/// Every URL we ever give to Twilio.
#[derive(Debug, Clone)]
pub struct Urls {
    base: String,
    media: Option<String>,
}

/// Asks Twilio to deliver a status callback up to three times more, whatever went wrong. Without it a single
/// connection that fails loses the event (Twilio docs: Webhooks, connection overrides). Not part of what is
/// signed.
const DELIVER_AGAIN: &str = "#rc=3&rp=all";

impl Urls {
    /// The URLs under the account's public address.
    pub fn new(config: &TwilioConfig) -> Self {
        let bare = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
        Self {
            base: bare(&config.public_url),
            media: config.fallback_media_base.as_ref().map(bare),
        }
    }

    /// The URL for a callback, as given to Twilio: with its fragment where repeated delivery is wanted.
    pub fn of(&self, callback: Callback) -> String {
        let mut url = format!("{}{}", self.base, callback.path());
        let (key, value) = match callback {
            Callback::Wait(leg)
            | Callback::Leg(leg)
            | Callback::Key(leg)
            | Callback::After(leg)
            | Callback::Status(leg)
            | Callback::Amd(leg) => ("?leg=", leg.to_string()),
            Callback::Conference(call) => ("?call=", call.to_string()),
            Callback::Voice
            | Callback::App
            | Callback::Fallback
            | Callback::Hold(_)
            | Callback::Ended => ("", String::new()),
        };
        url.push_str(key);
        url.extend(form_urlencoded::byte_serialize(value.as_bytes()));
        if !callback.wants_document() {
            url.push_str(DELIVER_AGAIN);
        }
        url
    }

    /// The document that a held leg hears, on the host that survives us where there is one.
    pub fn hold(&self, sound: Sound) -> Fetch {
        let url = match &self.media {
            Some(media) => format!("{media}/{}.xml", sound.name()),
            None => self.of(Callback::Hold(sound)),
        };
        Fetch {
            url,
            method: Method::Get,
        }
    }

    /// The audio file itself.
    pub fn sound(&self, sound: Sound) -> String {
        match &self.media {
            Some(media) => format!("{media}/{}.wav", sound.name()),
            None => format!("{}/media/{}.wav", self.base, sound.name()),
        }
    }

    /// Where Twilio turns when a voice request to us fails. A static document where another host has one: ours
    /// would fail again.
    pub fn fallback(&self) -> Fetch {
        match &self.media {
            Some(media) => Fetch {
                url: format!("{media}/fallback.xml"),
                method: Method::Get,
            },
            None => Fetch {
                url: self.of(Callback::Fallback),
                method: Method::Post,
            },
        }
    }

    /// What Twilio signed when it asked for this raw path and query. The Host header has no say: whoever sends
    /// a request chooses it.
    pub fn signed(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.base)
    }

    /// Which callback an absolute URL of ours is: what `ErrorUrl` in a fallback request says.
    pub fn read(&self, url: &str) -> Option<Callback> {
        let rest = url.strip_prefix(self.base.as_str())?;
        Callback::parse(rest.split('#').next()?)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn config(api: &str) -> TwilioConfig {
        TwilioConfig {
            api_base: api.parse().unwrap(),
            account_sid: format!("AC{}", "a".repeat(32)),
            auth_token: "the-auth-token".into(),
            secondary_auth_token: None,
            api_key: format!("SK{}", "b".repeat(32)),
            api_secret: "the-api-secret".into(),
            app_sid: format!("AP{}", "c".repeat(32)),
            public_url: "https://desk.example.com/pbx/".parse().unwrap(),
            fallback_media_base: None,
        }
    }

    #[test]
    fn browsers_signal_at_the_double_and_at_twilio_only_where_it_is_twilio() {
        let signalling = |api| config(api).signalling();
        assert_eq!(signalling("https://api.twilio.com"), None);
        assert_eq!(signalling("https://api.dublin.ie1.twilio.com"), None);
        let double = Some("127.0.0.1:4010".to_owned());
        assert_eq!(signalling("http://127.0.0.1:4010"), double);
        assert_eq!(
            signalling("http://nottwilio.com"),
            Some("nottwilio.com:80".to_owned())
        );
    }

    pub(crate) fn leg() -> LegId {
        CallId::from_bits(7).leg(3)
    }

    proptest! {
        #[test]
        fn a_callback_reads_back_from_its_own_url(bits: u128, n: u16) {
            let urls = Urls::new(&config("http://localhost"));
            let leg = CallId::from_bits(bits).leg(n);
            for callback in [
                Callback::Voice, Callback::App, Callback::Fallback, Callback::Ended, Callback::Wait(leg), Callback::Leg(leg),
                Callback::Key(leg), Callback::After(leg), Callback::Status(leg), Callback::Amd(leg),
                Callback::Conference(leg.call), Callback::Hold(Sound::Music), Callback::Hold(Sound::OneMoment),
            ] {
                let url = urls.of(callback);
                prop_assert_eq!(urls.read(&url), Some(callback), "{}", url);
                prop_assert_eq!(url.contains('#'), !callback.wants_document());
            }
        }

        #[test]
        fn no_path_panics_the_parser(path in "(/twilio/)?.{0,60}") {
            let _ = Callback::parse(&path);
        }
    }

    #[test]
    fn anything_but_the_one_parameter_is_refused() {
        let leg = leg();
        for wrong in [
            "/twilio/wait".to_owned(),
            "/twilio/wait?leg=".to_owned(),
            format!("/twilio/wait?call={leg}"),
            format!("/twilio/wait?leg={leg}&leg={leg}"),
            format!("/twilio/wait?x=1&leg={leg}"),
            format!("/twilio/wait/?leg={leg}"),
            format!("/Twilio/wait?leg={leg}"),
            format!("/twilio/voice?leg={leg}"),
            "/twilio/voice?".to_owned(),
            "/twilio/hold/../voice".to_owned(),
            "/twilio/hold/".to_owned(),
            "https://desk.example.com/twilio/voice".to_owned(),
        ] {
            assert_eq!(Callback::parse(&wrong), None, "{wrong}");
        }
        assert_eq!(
            Callback::parse("/twilio/hold/music?CallSid=CA1"),
            Some(Callback::Hold(Sound::Music))
        );
    }

    #[test]
    fn hold_and_fallback_live_on_the_host_that_survives_us() {
        let mut config = config("http://localhost");
        let ours = Urls::new(&config);
        assert_eq!(
            ours.hold(Sound::Music).url,
            "https://desk.example.com/pbx/twilio/hold/music"
        );
        assert_eq!(ours.fallback().method, Method::Post);
        config.fallback_media_base = Some("https://static.example.net/cordboard".parse().unwrap());
        let apart = Urls::new(&config);
        assert_eq!(
            apart.hold(Sound::Music).url,
            "https://static.example.net/cordboard/music.xml"
        );
        assert_eq!(
            apart.sound(Sound::Ringing),
            "https://static.example.net/cordboard/ringing.wav"
        );
        assert_eq!(
            apart.fallback(),
            Fetch {
                url: "https://static.example.net/cordboard/fallback.xml".into(),
                method: Method::Get
            }
        );
    }

    #[test]
    fn settings_that_cannot_work_are_named_and_secrets_are_not_printed() {
        let good = config("https://api.twilio.com");
        assert_eq!(good.check(), Ok(()));
        assert!(!format!("{good:?}").contains("the-a"), "{good:?}");
        let mut bad = good.clone();
        bad.api_key = "AC".into();
        assert!(
            bad.check()
                .unwrap_err()
                .to_string()
                .contains("the API key must be SK")
        );
        let mut bad = good.clone();
        bad.public_url = "https://desk_one.example.com".parse().unwrap();
        assert!(bad.check().unwrap_err().to_string().contains("underscore"));
        let mut bad = good;
        bad.public_url = "https://me:pw@desk.example.com".parse().unwrap();
        assert!(bad.check().is_err());
    }
}
