//! The settings of a server: a file, the environment and flags, the later over the earlier; checked once, at
//! start.
//!
//! Secrets print as `[REDACTED]`. Whoever starts a server in-process (the demo, the tests) fills the struct in.
//! Nothing else reads the environment.

use std::{
    fmt,
    fs::TryLockError,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use crate::twilio::TwilioConfig;

/// How many requests a minute somebody may make, if nothing else is said: ten a second, which no console and no sane
/// script comes near.
pub const REQUESTS_PER_MINUTE: u32 = 600;

/// Everything a server needs to know before it starts.
#[derive(Clone)]
pub struct Config {
    /// Where it listens. Port 0: any free one.
    pub listen: SocketAddr,
    /// What the carrier calls and signs. Without one: the address it listens on.
    pub public_url: Option<Url>,
    /// Another host, which answers when we do not: the media that held callers hear, and what becomes of a call
    /// whose webhook failed. Without one: ourselves.
    pub fallback_url: Option<Url>,
    /// `sqlite:…` or `postgres:…`.
    pub database_url: String,
    /// For many instances; not used by this version.
    pub redis_url: Option<String>,
    /// Signs our tokens and tickets. Without one it is made once and kept beside the database, readable by its
    /// owner only.
    pub secret: Option<SecretString>,
    /// The secret until lately: access tokens made under it are taken until they run out, ten minutes later.
    pub previous_secret: Option<SecretString>,
    /// Proxies that stand before us. What they say in `X-Forwarded-For` is believed; what anybody else says there is
    /// not.
    pub trusted_proxies: Vec<IpNet>,
    /// How many requests a minute a sign-in, or an address without one, may make.
    pub requests_per_minute: u32,
    /// Where such a secret is kept: the folder of the database, if it has one and nothing else was said.
    pub data_dir: PathBuf,
    /// The carrier's account.
    pub twilio: TwilioSettings,
    /// Write the demo's people, slots and number, and point the number at this server.
    pub seed_demo: bool,
    /// How much memory argon2 takes, in KiB. The default is what passwords deserve; tests that sign in a
    /// hundred times take less.
    pub password_kib: u32,
}

/// The carrier's account, as settings.
#[derive(Debug, Clone)]
pub struct TwilioSettings {
    /// The REST API.
    pub api_base: Url,
    /// `AC…`
    pub account_sid: String,
    /// Signs webhooks.
    pub auth_token: SecretString,
    /// Signs them after a promotion: accepted too, while tokens are changed.
    pub secondary_auth_token: Option<SecretString>,
    /// `SK…`
    pub api_key: String,
    /// Its secret.
    pub api_secret: SecretString,
    /// `AP…`: the app through which pages connect.
    pub app_sid: String,
}

/// Settings as they are written: in a TOML file, or one by one by environment and flags. Every field may be
/// absent.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// See [`Config::listen`].
    pub listen: Option<SocketAddr>,
    /// See [`Config::public_url`].
    pub public_url: Option<String>,
    /// See [`Config::fallback_url`].
    pub fallback_url: Option<String>,
    /// See [`Config::database_url`].
    pub database_url: Option<String>,
    /// See [`Config::redis_url`].
    pub redis_url: Option<String>,
    /// See [`Config::secret`].
    pub secret: Option<SecretString>,
    /// See [`Config::previous_secret`].
    pub previous_secret: Option<SecretString>,
    /// See [`Config::data_dir`].
    pub data_dir: Option<PathBuf>,
    /// See [`Config::trusted_proxies`].
    #[serde(default)]
    pub trusted_proxies: Vec<IpNet>,
    /// See [`Config::requests_per_minute`].
    pub requests_per_minute: Option<u32>,
    /// See [`TwilioSettings::api_base`].
    pub twilio_api_base: Option<String>,
    /// See [`TwilioSettings::account_sid`].
    pub twilio_account_sid: Option<String>,
    /// See [`TwilioSettings::auth_token`].
    pub twilio_auth_token: Option<SecretString>,
    /// See [`TwilioSettings::secondary_auth_token`].
    pub twilio_secondary_auth_token: Option<SecretString>,
    /// See [`TwilioSettings::api_key`].
    pub twilio_api_key: Option<String>,
    /// See [`TwilioSettings::api_secret`].
    pub twilio_api_secret: Option<SecretString>,
    /// See [`TwilioSettings::app_sid`].
    pub twilio_app_sid: Option<String>,
    /// See [`Config::seed_demo`].
    #[serde(default)]
    pub seed_demo: bool,
}

/// Why a server cannot be configured.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file that cannot be read or written.
    #[error("{}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A setting that is needed and absent.
    #[error(
        "{0} is not set, or empty. Set it in the environment, or see `cordboard serve --help`."
    )]
    Missing(&'static str),
    /// A setting that is not an address.
    #[error("{0} is not an address such as https://desk.example.com.")]
    Address(&'static str),
    /// A setting that is no network.
    #[error("“{0}” is no address or network such as 10.0.0.0/8 (CORDBOARD_TRUSTED_PROXIES).")]
    Network(String),
    /// A secret that can be guessed.
    #[error(
        "CORDBOARD_SECRET (in the settings file: secret) is shorter than 32 characters. Make one with `openssl rand -hex 32`, or leave it out to have one made."
    )]
    WeakSecret,
    /// The file with the secret that was made has none in it.
    #[error(
        "{} should hold the secret that was made at the first start, and has fewer than 32 characters. Put it back from a backup, or remove the file to have another made: everybody then signs in again.",
        .0.display()
    )]
    WeakKept(PathBuf),
    /// Another process has the database.
    #[error(
        "another server works with {}. Stop it first, or give this one another database.",
        .0.display()
    )]
    InUse(PathBuf),
    /// An account that cannot work.
    #[error(transparent)]
    Twilio(#[from] crate::twilio::ConfigError),
}

impl ConfigError {
    fn file(path: &Path, why: &std::io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}

// By hand, because the address of a database may hold a password.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("public_url", &self.public_url.as_ref().map(Url::as_str))
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads a TOML file.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let fail = |why: String| ConfigError::File {
            path: path.to_owned(),
            why,
        };
        let text = std::fs::read_to_string(path).map_err(|e| fail(e.to_string()))?;
        toml::from_str(&text).map_err(|e| fail(e.message().to_owned()))
    }

    /// Completes the settings to a configuration.
    pub fn complete(self) -> Result<Config, ConfigError> {
        use ConfigError::Missing;
        let database_url = said(self.database_url);
        let beside = || {
            let file = crate::store::file_of(database_url.as_deref()?)?;
            let folder = file.parent()?.to_owned();
            (!folder.as_os_str().is_empty()).then_some(folder)
        };
        let data_dir = self
            .data_dir
            .or_else(beside)
            .unwrap_or_else(|| PathBuf::from("."));
        let maybe = |name, text| said(text).map(|u| address(name, &u)).transpose();
        let secret = |name, text| said_secret(text).ok_or(Missing(name));
        Ok(Config {
            listen: self
                .listen
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            public_url: maybe("CORDBOARD_PUBLIC_URL", self.public_url)?,
            fallback_url: maybe("CORDBOARD_FALLBACK_URL", self.fallback_url)?,
            database_url: database_url
                .unwrap_or_else(|| format!("sqlite:{}", data_dir.join("cordboard.db").display())),
            redis_url: said(self.redis_url),
            secret: said_secret(self.secret),
            previous_secret: said_secret(self.previous_secret),
            data_dir,
            trusted_proxies: self.trusted_proxies,
            requests_per_minute: self
                .requests_per_minute
                .unwrap_or(REQUESTS_PER_MINUTE)
                .max(1),
            twilio: TwilioSettings {
                api_base: address(
                    "TWILIO_API_BASE",
                    said(self.twilio_api_base)
                        .as_deref()
                        .unwrap_or("https://api.twilio.com"),
                )?,
                account_sid: said(self.twilio_account_sid).ok_or(Missing("TWILIO_ACCOUNT_SID"))?,
                auth_token: secret("TWILIO_AUTH_TOKEN", self.twilio_auth_token)?,
                secondary_auth_token: said_secret(self.twilio_secondary_auth_token),
                api_key: said(self.twilio_api_key).ok_or(Missing("TWILIO_API_KEY"))?,
                api_secret: secret("TWILIO_API_SECRET", self.twilio_api_secret)?,
                app_sid: said(self.twilio_app_sid).ok_or(Missing("TWILIO_APP_SID"))?,
            },
            seed_demo: self.seed_demo,
            password_kib: crate::auth::PASSWORD_KIB,
        })
    }
}

/// The networks in a list such as `10.0.0.0/8, 192.0.2.7`.
pub fn networks(list: &str) -> Result<Vec<IpNet>, ConfigError> {
    list.split([',', ' '])
        .filter(|part| !part.is_empty())
        .map(|part| {
            let one = part.parse::<std::net::IpAddr>().map(IpNet::from);
            part.parse()
                .or(one)
                .map_err(|_| ConfigError::Network(part.to_owned()))
        })
        .collect()
}

/// An empty setting is none. An empty token would be a key that everybody knows.
fn said(text: Option<String>) -> Option<String> {
    text.filter(|t| !t.trim().is_empty())
}

fn said_secret(text: Option<SecretString>) -> Option<SecretString> {
    text.filter(|t| !t.expose_secret().trim().is_empty())
}

fn address(name: &'static str, text: &str) -> Result<Url, ConfigError> {
    text.parse().map_err(|_| ConfigError::Address(name))
}

impl Config {
    /// The adapter's settings, with the public address as it turned out.
    pub(crate) fn twilio(&self, public_url: Url) -> Result<TwilioConfig, ConfigError> {
        let t = self.twilio.clone();
        let config = TwilioConfig {
            api_base: t.api_base,
            account_sid: t.account_sid,
            auth_token: t.auth_token,
            secondary_auth_token: t.secondary_auth_token,
            api_key: t.api_key,
            api_secret: t.api_secret,
            app_sid: t.app_sid,
            public_url,
            fallback_media_base: self.fallback_url.clone(),
        };
        config.check()?;
        Ok(config)
    }

    /// Makes what an embedded database needs before it is opened: its folder, and its file, which only its owner
    /// can read. What comes back says, for as long as it is held, that the file is ours: two servers on one file
    /// would each believe to know all its calls. None for a database that is elsewhere, or in memory.
    pub(crate) fn make_room(&self) -> Result<Option<std::fs::File>, ConfigError> {
        let Some(file) = crate::store::file_of(&self.database_url) else {
            return Ok(None);
        };
        if let Some(folder) = file.parent().filter(|f| !f.as_os_str().is_empty()) {
            make_folder(folder)?;
        }
        match write_private(&file, "") {
            Err(why) if why.kind() == std::io::ErrorKind::AlreadyExists => warn_if_open(&file),
            made => made.map_err(|why| ConfigError::file(&file, &why))?,
        }
        let mut name = file.clone().into_os_string();
        name.push("-lock");
        let lock = private()
            .create(true)
            .open(&name)
            .map_err(|why| ConfigError::file(Path::new(&name), &why))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Err(ConfigError::InUse(file)),
            Err(TryLockError::Error(cause)) => {
                tracing::warn!(%cause, "whether another server works with this database cannot be told");
                Ok(None)
            }
        }
    }

    /// The secret: the one that was set, or the one that is kept, made at the first start.
    pub(crate) fn secret(&self) -> Result<SecretString, ConfigError> {
        if let Some(secret) = &self.secret {
            return if secret.expose_secret().len() < 32 {
                Err(ConfigError::WeakSecret)
            } else {
                Ok(secret.clone())
            };
        }
        let path = self.data_dir.join("secret");
        let fail = |why: std::io::Error| ConfigError::file(&path, &why);
        match std::fs::read_to_string(&path) {
            Ok(kept) if kept.trim().len() >= 32 => return Ok(kept.trim().into()),
            Ok(_) => return Err(ConfigError::WeakKept(path)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(fail(e)),
        }
        let made = format!(
            "{:032x}{:032x}",
            crate::auth::unguessable(),
            crate::auth::unguessable()
        );
        make_folder(&self.data_dir)?;
        write_private(&path, &made).map_err(fail)?;
        Ok(made.into())
    }
}

/// Makes a folder that only its owner can look into, where there is none.
fn make_folder(path: &Path) -> Result<(), ConfigError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .map_err(|why| ConfigError::file(path, &why))
}

/// How a file is opened that only its owner can read, if this makes it.
fn private() -> std::fs::OpenOptions {
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Writes a file that only its owner can read; never over one that is there.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    private()
        .create_new(true)
        .open(path)?
        .write_all(text.as_bytes())
}

/// A file that is there keeps the rights that somebody gave it, for a backup, say. What that means is said.
fn warn_if_open(path: &Path) {
    #[cfg(unix)]
    if let Ok(file) = std::fs::metadata(path) {
        let mode = std::os::unix::fs::PermissionsExt::mode(&file.permissions());
        if mode & 0o077 != 0 {
            let path = path.display();
            tracing::warn!(%path, "others on this machine can read the database, with callers' numbers and password hashes. Take the right away with chmod 600");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            twilio_account_sid: Some(format!("AC{}", "a".repeat(32))),
            twilio_auth_token: Some("the-auth-token".into()),
            twilio_api_key: Some(format!("SK{}", "b".repeat(32))),
            twilio_api_secret: Some("the-api-secret".into()),
            twilio_app_sid: Some(format!("AP{}", "c".repeat(32))),
            ..Settings::default()
        }
    }

    #[test]
    fn the_secret_is_kept_beside_the_database_wherever_one_starts_from() {
        let kept = |database: &str, data_dir: Option<&str>| {
            let settings = Settings {
                database_url: Some(database.to_owned()),
                data_dir: data_dir.map(PathBuf::from),
                ..settings()
            };
            settings.complete().unwrap().data_dir
        };
        for (database, folder) in [
            ("sqlite:/x/y.db", "/x"),
            ("sqlite:///x/y.db?mode=rwc", "/x"),
            ("sqlite:new/y.db", "new"),
            ("sqlite:/a%20b/y.db", "/a b"),
            ("sqlite:y.db", "."),
            ("sqlite::memory:", "."),
            ("postgres://me@host/name", "."),
        ] {
            assert_eq!(kept(database, None), Path::new(folder), "{database}");
        }
        assert_eq!(kept("sqlite:/x/y.db", Some("/z")), Path::new("/z"));
    }

    #[tokio::test]
    async fn a_database_in_a_new_folder_opens_also_with_a_secret_that_was_set() {
        let home = tempfile::tempdir().unwrap();
        let config = Settings {
            data_dir: Some(home.path().join("deep/new")),
            secret: Some("s".repeat(32).into()),
            ..settings()
        };
        let config = config.complete().unwrap();
        let _ours = config.make_room().unwrap();
        config.secret().unwrap();
        let store = crate::store::Store::open(&config.database_url).await;
        store.unwrap().close().await;
        assert!(home.path().join("deep/new/cordboard.db").exists());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_database_is_its_owners_and_one_servers_whatever_its_folder_lets_others_do() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let all = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(home.path(), all).unwrap();
        let config = Settings {
            data_dir: Some(home.path().to_owned()),
            ..settings()
        };
        let config = config.complete().unwrap();
        let ours = config.make_room().unwrap();
        let store = crate::store::Store::open(&config.database_url).await;
        for name in ["cordboard.db", "cordboard.db-wal"] {
            let mode = std::fs::metadata(home.path().join(name)).unwrap();
            assert_eq!(mode.permissions().mode() & 0o777, 0o600, "{name}");
        }
        let why = config.make_room().unwrap_err().to_string();
        assert!(why.starts_with("another server works with "), "{why}");
        store.unwrap().close().await;
        drop(ours);
        config.make_room().unwrap();
    }

    #[test]
    fn a_kept_secret_that_is_damaged_is_not_blamed_on_the_environment() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("secret"), "short\n").unwrap();
        let config = Settings {
            data_dir: Some(home.path().to_owned()),
            ..settings()
        };
        let why = config.complete().unwrap().secret().unwrap_err().to_string();
        assert!(why.contains("remove the file"), "{why}");
        assert!(!why.contains("CORDBOARD_SECRET"), "{why}");
    }

    #[test]
    fn a_file_sets_what_survives_us_and_the_token_that_comes_next() {
        let file = r#"
            fallback_url = "https://static.example.net/cordboard"
            twilio_account_sid = "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            twilio_auth_token = "the-auth-token"
            twilio_secondary_auth_token = "the-next-token"
            twilio_api_key = "SKbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
            twilio_api_secret = "the-api-secret"
            twilio_app_sid = "APcccccccccccccccccccccccccccccccc"
        "#;
        let config = |file: &str| toml::from_str::<Settings>(file).unwrap().complete();
        let here: Url = "https://desk.example.com".parse().unwrap();
        let twilio = config(file).unwrap().twilio(here.clone()).unwrap();
        let next = twilio.secondary_auth_token.unwrap();
        assert_eq!(next.expose_secret(), "the-next-token");
        let fallback = twilio.fallback_media_base.unwrap();
        assert_eq!(fallback.as_str(), "https://static.example.net/cordboard");

        let empty = file
            .replace("https://static.example.net/cordboard", "")
            .replace("the-next-token", " ");
        let twilio = config(&empty).unwrap().twilio(here).unwrap();
        assert!(twilio.secondary_auth_token.is_none() && twilio.fallback_media_base.is_none());
    }

    #[test]
    fn an_empty_token_verifies_nothing() {
        let empty = Settings {
            twilio_auth_token: Some(String::new().into()),
            ..settings()
        };
        let why = empty.complete().unwrap_err().to_string();
        assert!(
            why.starts_with("TWILIO_AUTH_TOKEN is not set, or empty."),
            "{why}"
        );
    }
}
