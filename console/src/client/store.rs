//! The file that lets us in again tomorrow: what came with each sign-in, by server.
//!
//! One file, `sessions.json`, readable by its owner only, written whole and renamed into place. Tokens are kept by
//! server address, so that a token never travels to another server than the one that gave it. Whoever writes holds
//! the lock beside it, and has read the file after having the lock: of two processes that renew at once, the
//! second finds what the first has written. A token must not be printed here, nor put into an error.
//!
//! Read next: `client/credentials.rs`.

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use cordboard_core::{
    api::Tokens,
    ids::{SafeText, SessionId, Timestamp, UserId},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

/// How often the lock is tried, and how often in vain: longer than a renewal may take.
const LOCK_EVERY: Duration = Duration::from_millis(15);
const LOCK_TRIES: u32 = 2_700;

/// How long before its end a token is not used any more, in milliseconds: it has to last for the way to the
/// server, and a bit longer.
const MARGIN_MS: i64 = 60_000;

/// Why the file can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no home to keep it in.
    #[error("There is no home folder to keep your sign-in in. Set XDG_STATE_HOME.")]
    Homeless,
    /// The file can't be read, written or locked.
    #[error("The token file {path} cannot be {verb}: {why}.")]
    File {
        /// Which.
        path: PathBuf,
        /// Read, written or locked.
        verb: &'static str,
        /// Why not.
        why: String,
    },
}

/// What lets us in at one server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Kept {
    /// The bearer token.
    #[serde(serialize_with = "exposed")]
    pub access: SecretString,
    /// What the next one is had with, once.
    #[serde(serialize_with = "exposed")]
    pub refresh: SecretString,
    /// When it was asked for, by this machine's clock.
    pub since: Timestamp,
    /// When it runs out, by this machine's clock: what the server's says does not matter.
    pub until: Timestamp,
    /// Which sign-in, in the list of them.
    pub session: SessionId,
    /// Whose.
    pub user: UserId,
    /// Their name, for people.
    pub name: SafeText,
}

impl Kept {
    /// What the server has given, as of the moment when it was asked.
    pub fn of(tokens: Tokens, asked: Timestamp) -> Self {
        Self {
            access: String::from(tokens.access).into(),
            refresh: String::from(tokens.refresh).into(),
            since: asked,
            until: asked.plus(i64::from(tokens.expires_in) * 1_000),
            session: tokens.session,
            user: tokens.me.id,
            name: tokens.me.name,
        }
    }

    /// Whether the token holds for a while yet. One that comes from the future is not trusted: somebody has set
    /// the clock back, and nobody knows how long it has been.
    pub fn fresh(&self, now: Timestamp) -> bool {
        // A token that was never good for long is used for half of its time.
        let margin = MARGIN_MS.min(self.until.since(self.since) / 2);
        self.since <= now && now.plus(margin) < self.until
    }

    /// Whether it has not run out, however soon it will.
    pub(super) fn lasts(&self, now: Timestamp) -> bool {
        self.since <= now && now < self.until
    }
}

fn exposed<S: Serializer>(token: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(token.expose_secret())
}

/// What is in the file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Sessions {
    /// Where the last sign-in was. It stays when that has ended.
    #[serde(default)]
    current: Option<String>,
    /// By server.
    #[serde(default)]
    at: BTreeMap<String, Kept>,
}

/// The file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    path: Arc<Path>,
}

impl Store {
    /// The file at `path`, which need not be there yet.
    pub fn at(path: &Path) -> Self {
        Self { path: path.into() }
    }

    /// The server of the last sign-in.
    pub fn current(&self) -> Result<Option<String>, StoreError> {
        Ok(self.load()?.current)
    }

    /// What is kept for a server.
    pub fn kept(&self, url: &Url) -> Result<Option<Kept>, StoreError> {
        Ok(self.load()?.at.remove(url.as_str()))
    }

    /// Waits until nobody else writes.
    pub async fn lock(&self) -> Result<Locked<'_>, StoreError> {
        let file = self.open_lock().map_err(|e| self.wrong("locked", &e))?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => {
                    return Ok(Locked {
                        store: self,
                        _lock: file,
                    });
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_EVERY).await,
                Err(TryLockError::Error(e)) => return Err(self.wrong("locked", &e)),
            }
        }
        Err(self.wrong("locked", &"another cordboard does not let go of it"))
    }

    /// The lock is a file of its own, for the other is replaced whenever it is written.
    fn open_lock(&self) -> io::Result<File> {
        private_folder(self.folder()?)?;
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(self.path.with_extension("lock"))
    }

    fn load(&self) -> Result<Sessions, StoreError> {
        match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|_| self.wrong("read", &"it is damaged; remove it and sign in again")),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Sessions::default()),
            Err(e) => Err(self.wrong("read", &e)),
        }
    }

    /// Whole or not at all, also where the power fails: what the server was asked for next may depend on it.
    fn write(&self, sessions: &Sessions) -> io::Result<()> {
        let folder = self.folder()?;
        private_folder(folder)?;
        // `tempfile` makes its files 0600 from the first moment; a chmod afterwards would leave a gap.
        let mut file = tempfile::Builder::new()
            .prefix(".sessions")
            .tempfile_in(folder)?;
        serde_json::to_writer_pretty(&mut file, sessions)?;
        file.flush()?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|e| e.error)?;
        #[cfg(unix)]
        File::open(folder)?.sync_all()?;
        Ok(())
    }

    fn folder(&self) -> io::Result<&Path> {
        Ok(self.path.parent().ok_or(ErrorKind::InvalidInput)?)
    }

    fn wrong(&self, verb: &'static str, why: &impl std::fmt::Display) -> StoreError {
        StoreError::File {
            path: self.path.to_path_buf(),
            verb,
            why: why.to_string(),
        }
    }
}

fn private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// The file, while nobody else writes it.
#[derive(Debug)]
pub struct Locked<'a> {
    store: &'a Store,
    /// Let go when it is closed, also by the end of the process.
    _lock: File,
}

impl Locked<'_> {
    /// Keeps what lets us in at a server. What was there before is forgotten.
    pub fn keep(&self, url: &Url, kept: Kept) -> Result<(), StoreError> {
        self.change(|sessions| {
            sessions.at.insert(url.to_string(), kept);
            true
        })
        .map(drop)
    }

    /// Keeps what has just been signed in, at the server that is meant from now on.
    pub fn begin(&self, url: &Url, kept: Kept) -> Result<(), StoreError> {
        // A sign-in also mends a damaged file.
        let mut sessions = self.store.load().unwrap_or_default();
        sessions.at.insert(url.to_string(), kept);
        sessions.current = Some(url.to_string());
        self.store
            .write(&sessions)
            .map_err(|e| self.store.wrong("written", &e))
    }

    /// Forgets what lets us in at a server, but not that it was the last one; returns it, if there was something.
    pub fn forget(&self, url: &Url) -> Result<Option<Kept>, StoreError> {
        let mut was = None;
        self.change(|sessions| {
            was = sessions.at.remove(url.as_str());
            was.is_some()
        })?;
        Ok(was)
    }

    fn change(&self, change: impl FnOnce(&mut Sessions) -> bool) -> Result<bool, StoreError> {
        let mut sessions = self.store.load()?;
        let changed = change(&mut sessions);
        if changed {
            self.store
                .write(&sessions)
                .map_err(|e| self.store.wrong("written", &e))?;
        }
        Ok(changed)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::client) fn kept(n: u32, since: i64, seconds: i64) -> Kept {
        let since = Timestamp::from_millis(since);
        Kept {
            access: format!("access-{n}").into(),
            refresh: format!("refresh-{n}").into(),
            since,
            until: since.plus(seconds * 1_000),
            session: "00000000000000a1".parse().unwrap(),
            user: UserId(1),
            name: "Ada".into(),
        }
    }

    fn url(port: u16) -> Url {
        format!("http://127.0.0.1:{port}/").parse().unwrap()
    }

    fn access(store: &Store, url: &Url) -> Option<String> {
        let kept = store.kept(url).unwrap()?;
        Some(kept.access.expose_secret().to_owned())
    }

    #[tokio::test]
    async fn a_token_stays_with_its_server_and_the_last_server_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(&folder.path().join("deep/sessions.json"));
        let (a, b) = (url(1), url(2));
        assert_eq!((store.current().unwrap(), access(&store, &a)), (None, None));

        let locked = store.lock().await.unwrap();
        locked.begin(&a, kept(1, 0, 600)).unwrap();
        locked.begin(&b, kept(2, 0, 600)).unwrap();
        locked.keep(&a, kept(3, 0, 600)).unwrap();
        assert_eq!(store.current().unwrap().as_deref(), Some(b.as_str()));
        assert_eq!(access(&store, &a).as_deref(), Some("access-3"));
        assert_eq!(access(&store, &b).as_deref(), Some("access-2"));

        assert!(locked.forget(&b).unwrap().is_some());
        assert!(locked.forget(&b).unwrap().is_none());
        assert_eq!(access(&store, &b), None);
        assert_eq!(store.current().unwrap().as_deref(), Some(b.as_str()));
        assert!(access(&store, &a).is_some());
    }

    #[test]
    fn a_token_is_good_by_our_clock_and_not_to_its_last_second() {
        let at = Timestamp::from_millis;
        let token = kept(1, 1_000_000, 600);
        assert!(token.fresh(at(1_000_000)) && token.fresh(at(1_000_000 + 539_000)));
        assert!(!token.fresh(at(1_000_000 + 541_000)));
        assert!(token.lasts(at(1_000_000 + 541_000)) && !token.lasts(at(1_000_000 + 600_000)));
        // The clock was set back.
        assert!(!token.fresh(at(999_000)) && !token.lasts(at(999_000)));
        let short = kept(2, 0, 20);
        assert!(short.fresh(at(9_000)) && !short.fresh(at(11_000)));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn nobody_else_can_read_what_is_kept() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cordboard/sessions.json");
        let store = Store::at(&file);
        let locked = store.lock().await.unwrap();
        locked.begin(&url(1), kept(1, 0, 600)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(&file.with_extension("lock")), 0o600);
        assert_eq!(mode(file.parent().unwrap()), 0o700);
    }

    #[tokio::test]
    async fn only_one_writes_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(&folder.path().join("sessions.json"));
        let first = store.lock().await.unwrap();
        let second = store.lock();
        tokio::pin!(second);
        // It has tried, in vain, before it waits for the first time.
        let waiting = tokio::time::timeout(LOCK_EVERY, &mut second).await;
        assert!(waiting.is_err());
        drop(first);
        second.await.unwrap();
    }

    #[tokio::test]
    async fn a_damaged_file_is_said_to_be_damaged_and_is_mended_by_signing_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sessions.json");
        fs::write(&file, "{").unwrap();
        let store = Store::at(&file);
        let why = store.kept(&url(1)).unwrap_err().to_string();
        assert!(why.contains("damaged"), "{why}");
        let locked = store.lock().await.unwrap();
        assert!(locked.keep(&url(1), kept(1, 0, 600)).is_err());
        locked.begin(&url(1), kept(1, 0, 600)).unwrap();
        assert_eq!(access(&store, &url(1)).as_deref(), Some("access-1"));
    }
}
