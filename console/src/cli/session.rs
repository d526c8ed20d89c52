//! Which server is meant, and who we are there: the flag, the environment, and what was kept of the last sign-in.
//!
//! It reads and is asked; what lets us in is [`crate::client::Store`]'s. No token comes from the environment or a
//! flag, where others on this machine can read it. A token must not be printed here, nor put into an error.
//!
//! Read next: `client/store.rs`, [`crate::client::Credentials`].

use std::{env, path::PathBuf};

use cordboard_core::{api::Tokens, ids::Timestamp};
use etcetera::{BaseStrategy, base_strategy::Xdg};
use url::Url;

use crate::{
    cli::args::http_url,
    client::{ClientError, Credentials, Kept, Store, StoreError, address},
    clock::Clock,
};

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
    /// What was kept can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing can be asked from here.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What the environment says, read once at the start, so that tests can say something else.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `CORDBOARD_URL`.
    pub url: Option<String>,
    /// `CORDBOARD_TWIN`.
    pub twin: Option<String>,
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
        let Ok(store) = self.store() else {
            return Ok(None);
        };
        // One that was kept and can no longer be read counts as none.
        Ok(store.current()?.and_then(|url| http_url(&url).ok()))
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

    /// Who we are at the server that is meant.
    pub fn signed_in(&self, flag: Option<&Url>) -> Result<Credentials, SessionError> {
        let Some(url) = self.server(flag)? else {
            return Err(SessionError::SignedOut);
        };
        let Ok(store) = self.store() else {
            return Err(SessionError::SignedOutThere(url));
        };
        match store.kept(&url)? {
            Some(kept) => Ok(Credentials::kept(url, Clock::system(), kept, store)?),
            None => Err(SessionError::SignedOutThere(url)),
        }
    }

    /// Remembers a sign-in that was asked for at `asked`, and that its server is the one that is meant.
    pub async fn keep(
        &self,
        url: &Url,
        tokens: Tokens,
        asked: Timestamp,
    ) -> Result<(), SessionError> {
        let store = self.store()?;
        let locked = store.lock().await?;
        Ok(locked.begin(url, Kept::of(tokens, asked))?)
    }

    /// Forgets a sign-in, but not its server; returns who it was, if anybody. They live on in memory.
    pub async fn forget(&self, url: &Url) -> Result<Option<Credentials>, SessionError> {
        let store = self.store()?;
        let kept = store.lock().await?.forget(url)?;
        Ok(kept
            .map(|kept| Credentials::held(url.clone(), Clock::system(), kept))
            .transpose()?)
    }

    fn store(&self) -> Result<Store, StoreError> {
        let file = self.file.as_deref().ok_or(StoreError::Homeless)?;
        Ok(Store::at(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::now;
    use secrecy::ExposeSecret;
    use serde_json::json;

    fn tokens(access: &str) -> Tokens {
        serde_json::from_value(json!({
            "access": access, "expires_in": 600, "refresh": "r", "session": "00000000000000a1",
            "me": { "id": "u1", "name": "Ada", "role": "operator", "rights": [] },
        }))
        .unwrap()
    }

    async fn access(env: &Environment, url: Option<&Url>) -> Result<String, SessionError> {
        let access = env.signed_in(url)?.access().await?;
        Ok(access.expose_secret().to_owned())
    }

    #[tokio::test]
    async fn the_flag_goes_before_the_environment_and_that_before_the_last_sign_in() {
        let folder = tempfile::tempdir().unwrap();
        let home = Environment {
            file: Some(folder.path().join("sessions.json")),
            ..Environment::default()
        };
        let (a, b) = (
            http_url("http://127.0.0.1:1").unwrap(),
            http_url("http://127.0.0.1:2").unwrap(),
        );
        assert!(matches!(home.signed_in(None), Err(SessionError::SignedOut)));

        home.keep(&a, tokens("one"), now()).await.unwrap();
        assert_eq!(access(&home, None).await.unwrap(), "one");
        let elsewhere = home.signed_in(Some(&b));
        assert!(matches!(elsewhere, Err(SessionError::SignedOutThere(_))));

        home.keep(&b, tokens("two"), now()).await.unwrap();
        assert_eq!(home.signed_in(None).unwrap().url(), &b);
        let env = Environment {
            url: Some(a.to_string()),
            ..home.clone()
        };
        assert_eq!(access(&env, None).await.unwrap(), "one");
        assert_eq!(access(&env, Some(&b)).await.unwrap(), "two");

        assert!(home.forget(&b).await.unwrap().is_some());
        assert!(home.forget(&b).await.unwrap().is_none());
        // The server is remembered, for whoever signs in next.
        let nobody = home.signed_in(None);
        assert!(matches!(nobody, Err(SessionError::SignedOutThere(url)) if url == b));
    }

    #[tokio::test]
    async fn without_a_home_nothing_is_kept_and_that_is_said() {
        let homeless = Environment::default();
        let url = http_url("http://127.0.0.1:1").unwrap();
        assert!(matches!(
            homeless.signed_in(None),
            Err(SessionError::SignedOut)
        ));
        let there = homeless.signed_in(Some(&url));
        assert!(matches!(there, Err(SessionError::SignedOutThere(_))));
        let why = homeless.keep(&url, tokens("x"), now()).await.unwrap_err();
        assert!(why.to_string().contains("XDG_STATE_HOME"), "{why}");
    }
}
