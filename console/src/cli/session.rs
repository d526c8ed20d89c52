//! Who is signed in where: the token file, and the environment that goes before it.
//!
//! One file, `sessions.json` in the state folder (`$XDG_STATE_HOME/cordboard`), readable by its owner only,
//! written whole and renamed into place. Tokens are kept by server address, so that a token never travels to
//! another server than the one that gave it. A token must not be printed here, nor put into an error.
//!
//! Read next: [`crate::client`].

use std::{
    collections::BTreeMap,
    env, fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use cordboard_core::ids::Timestamp;
use etcetera::{BaseStrategy, base_strategy::Xdg};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use crate::{cli::args::http_url, client::address};

/// Why it is not known who is signed in.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Nobody has signed in.
    #[error(
        "You are not signed in. Run cordboard login --url URL, or cordboard demo to look around."
    )]
    SignedOut,
    /// Nobody has signed in there.
    #[error("You are not signed in at {at}. Run cordboard login --url {at}.", at = address(.0))]
    SignedOutThere(Url),
    /// The address in the environment is not one.
    #[error("{0} is {1}.")]
    Environment(&'static str, String),
    /// There is no home to keep it in.
    #[error(
        "There is no home folder to keep the token in. Set XDG_STATE_HOME, or CORDBOARD_URL and CORDBOARD_TOKEN."
    )]
    Homeless,
    /// The file can't be read or written.
    #[error("The token file {path} cannot be {verb}: {why}.")]
    File {
        /// Which.
        path: PathBuf,
        /// Read or written.
        verb: &'static str,
        /// Why not.
        why: String,
    },
}

/// One server we are signed in at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    /// The bearer token.
    #[serde(serialize_with = "exposed")]
    pub token: SecretString,
    /// When it expires.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// Whose it is, for people.
    #[serde(default)]
    pub name: String,
}

fn exposed<S: Serializer>(token: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(token.expose_secret())
}

/// What is in the file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Sessions {
    /// Where the last sign-in was.
    #[serde(default)]
    current: Option<String>,
    /// By server.
    #[serde(default)]
    at: BTreeMap<String, Session>,
}

/// What the environment says, read once at the start, so that tests can say something else.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `CORDBOARD_URL`.
    pub url: Option<String>,
    /// `CORDBOARD_TWIN`.
    pub twin: Option<String>,
    /// `CORDBOARD_TOKEN`.
    pub token: Option<SecretString>,
    /// The token file.
    pub file: Option<PathBuf>,
}

impl Environment {
    /// The real one. Empty variables count as absent.
    pub fn read() -> Self {
        let said = |name| env::var(name).ok().filter(|v| !v.trim().is_empty());
        Self {
            url: said("CORDBOARD_URL"),
            twin: said("CORDBOARD_TWIN"),
            token: said("CORDBOARD_TOKEN").map(|t| t.trim().to_owned().into()),
            file: Xdg::new()
                .ok()
                .and_then(|xdg| xdg.state_dir())
                .map(|dir| dir.join("cordboard").join("sessions.json")),
        }
    }

    /// Which server is meant, if any is.
    pub fn server(&self, flag: Option<&Url>) -> Result<Option<Url>, SessionError> {
        if let Some(url) = flag {
            return Ok(Some(url.clone()));
        }
        if let Some(text) = &self.url {
            return http_url(text)
                .map(Some)
                .map_err(|why| SessionError::Environment("CORDBOARD_URL", why));
        }
        // One that was kept and can no longer be read counts as none.
        Ok(self.load()?.current.and_then(|url| http_url(&url).ok()))
    }

    /// Which twin is meant, if any is.
    pub fn twin(&self, flag: Option<Url>) -> Result<Option<Url>, SessionError> {
        match (flag, &self.twin) {
            (None, Some(text)) => http_url(text)
                .map(Some)
                .map_err(|why| SessionError::Environment("CORDBOARD_TWIN", why)),
            (flag, _) => Ok(flag),
        }
    }

    /// The server that is meant and the token for it.
    pub fn signed_in(&self, flag: Option<&Url>) -> Result<(Url, SecretString), SessionError> {
        let Some(url) = self.server(flag)? else {
            return Err(SessionError::SignedOut);
        };
        if let Some(token) = &self.token {
            return Ok((url, token.clone()));
        }
        match self.load()?.at.remove(url.as_str()) {
            Some(session) => Ok((url, session.token)),
            None => Err(SessionError::SignedOutThere(url)),
        }
    }

    /// Remembers a session, and that it is the current one.
    pub fn keep(&self, url: &Url, session: Session) -> Result<(), SessionError> {
        let mut sessions = self.load().unwrap_or_default();
        sessions.at.insert(url.to_string(), session);
        sessions.current = Some(url.to_string());
        self.store(&sessions)
    }

    /// Forgets a session; returns whether there was one.
    pub fn forget(&self, url: &Url) -> Result<bool, SessionError> {
        let mut sessions = self.load()?;
        let was = sessions.at.remove(url.as_str()).is_some();
        if sessions.current.as_deref() == Some(url.as_str()) {
            sessions.current = None;
        }
        if was {
            self.store(&sessions)?;
        }
        Ok(was)
    }

    fn load(&self) -> Result<Sessions, SessionError> {
        let Some(path) = &self.file else {
            return Ok(Sessions::default());
        };
        let wrong = |why: String| SessionError::File {
            path: path.clone(),
            verb: "read",
            why,
        };
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|_| wrong("it is damaged; remove it and sign in again".to_owned())),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(Sessions::default()),
            Err(e) => Err(wrong(e.to_string())),
        }
    }

    fn store(&self, sessions: &Sessions) -> Result<(), SessionError> {
        let path = self.file.as_deref().ok_or(SessionError::Homeless)?;
        let wrong = |why: String| SessionError::File {
            path: path.to_owned(),
            verb: "written",
            why,
        };
        let text = serde_json::to_vec_pretty(sessions).map_err(|e| wrong(e.to_string()))?;
        write_private(path, &text).map_err(|e| wrong(e.to_string()))
    }
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    // `tempfile` makes its files 0600 from the first moment; a chmod afterwards would leave a gap.
    let mut file = tempfile::Builder::new()
        .prefix(".sessions")
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(token: &str) -> Session {
        Session {
            token: token.to_owned().into(),
            expires: None,
            name: "Ada".to_owned(),
        }
    }

    #[test]
    fn a_token_stays_with_its_server() {
        let folder = tempfile::tempdir().unwrap();
        let home = Environment {
            file: Some(folder.path().join("deep/sessions.json")),
            ..Environment::default()
        };
        let (a, b) = (
            http_url("http://127.0.0.1:1").unwrap(),
            http_url("http://127.0.0.1:2").unwrap(),
        );
        assert!(matches!(home.signed_in(None), Err(SessionError::SignedOut)));

        home.keep(&a, session("one")).unwrap();
        assert_eq!(home.signed_in(None).unwrap().1.expose_secret(), "one");
        assert!(matches!(
            home.signed_in(Some(&b)),
            Err(SessionError::SignedOutThere(_))
        ));

        home.keep(&b, session("two")).unwrap();
        assert_eq!(home.signed_in(None).unwrap().0, b);
        assert_eq!(home.signed_in(Some(&a)).unwrap().1.expose_secret(), "one");
        assert!(home.forget(&b).unwrap());
        assert!(!home.forget(&b).unwrap());
        assert!(matches!(home.signed_in(None), Err(SessionError::SignedOut)));

        let env = Environment {
            url: Some(b.to_string()),
            token: Some("env".to_owned().into()),
            ..home
        };
        assert_eq!(env.signed_in(None).unwrap().1.expose_secret(), "env");
        assert_eq!(env.signed_in(None).unwrap().0, b);
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cordboard/sessions.json");
        let home = Environment {
            file: Some(file.clone()),
            ..Environment::default()
        };
        home.keep(&http_url("http://127.0.0.1:1").unwrap(), session("one"))
            .unwrap();
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::metadata(file.parent().unwrap())
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o700
        );
    }

    #[test]
    fn a_damaged_file_is_said_to_be_damaged_and_can_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sessions.json");
        fs::write(&file, "{").unwrap();
        let home = Environment {
            file: Some(file),
            ..Environment::default()
        };
        let url = http_url("http://127.0.0.1:1").unwrap();
        assert!(
            home.signed_in(Some(&url))
                .unwrap_err()
                .to_string()
                .contains("damaged")
        );
        home.keep(&url, session("new")).unwrap();
        assert_eq!(home.signed_in(None).unwrap().1.expose_secret(), "new");
    }
}
