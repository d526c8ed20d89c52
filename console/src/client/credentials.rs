//! Who we are at a server, over all the tokens that this takes.
//!
//! An access token holds for minutes; before it runs out, or when the server does not take it, the next one is had
//! with the refresh token, which changes with it. What is kept in the file is renewed by one process at a time, and
//! the new refresh token is on the disk before the new access token is used: a process that is killed in between
//! leaves one that the server still takes. What is held in memory only (the demo, tests, a softphone) may know a
//! password, and then signs in anew where the server does not take the refresh token any more.
//!
//! It must not sign anybody out because of an error that passes: only the server's 401 to a renewal does.
//!
//! Read next: `client/store.rs`, [`crate::net`] (who asks for a token at every connection).

use std::sync::Arc;

use cordboard_core::{
    api::{SessionKind, SignIn, Tokens},
    ids::Timestamp,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use url::Url;

use super::{
    error::ClientError,
    http::Http,
    store::{Kept, Store},
};
use crate::clock::Clock;

/// Who we are at a server. Cheap to clone; clones share what they have.
#[derive(Debug, Clone)]
pub struct Credentials(Arc<Inner>);

/// What signs in anew, where that is known.
#[derive(Debug)]
pub struct Password {
    /// The account's address.
    pub email: String,
    /// Its password.
    pub password: SecretString,
    /// What the sign-in shall be called in the list of them.
    pub device: String,
    /// What it is.
    pub kind: SessionKind,
}

impl Password {
    fn sign_in(&self) -> SignIn {
        SignIn {
            email: self.email.clone(),
            password: self.password.expose_secret().into(),
            device: self.device.clone(),
            kind: self.kind,
        }
    }
}

#[derive(Debug)]
struct Inner {
    http: Http,
    clock: Clock,
    password: Option<Password>,
    /// A token that somebody has handed us, with nothing to renew it by.
    bearer: Option<SecretString>,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    kept: Option<Kept>,
    /// Where that is also kept, and others renew it too.
    store: Option<Store>,
}

impl Credentials {
    fn new(
        url: Url,
        clock: Clock,
        password: Option<Password>,
        bearer: Option<SecretString>,
        held: Held,
    ) -> Result<Self, ClientError> {
        Ok(Self(Arc::new(Inner {
            http: Http::new(url)?,
            clock,
            password,
            bearer,
            held: Mutex::new(held),
        })))
    }

    /// Those that are kept in a file, and that other processes use as well.
    pub fn kept(url: Url, clock: Clock, kept: Kept, store: Store) -> Result<Self, ClientError> {
        let held = Held {
            kept: Some(kept),
            store: Some(store),
        };
        Self::new(url, clock, None, None, held)
    }

    /// Those that nobody else has, in memory.
    pub fn held(url: Url, clock: Clock, kept: Kept) -> Result<Self, ClientError> {
        let held = Held {
            kept: Some(kept),
            store: None,
        };
        Self::new(url, clock, None, None, held)
    }

    /// Those that a password brings, in memory. It is asked for nothing until a token is needed.
    pub fn password(url: Url, clock: Clock, password: Password) -> Result<Self, ClientError> {
        let held = Held {
            kept: None,
            store: None,
        };
        Self::new(url, clock, Some(password), None, held)
    }

    /// A token and nothing to renew it by: good until the server says otherwise.
    pub fn bearer(url: Url, token: SecretString) -> Result<Self, ClientError> {
        let held = Held {
            kept: None,
            store: None,
        };
        Self::new(url, Clock::system(), None, Some(token), held)
    }

    /// The server's address.
    pub fn url(&self) -> &Url {
        self.0.http.url()
    }

    pub(super) fn http(&self) -> &Http {
        &self.0.http
    }

    /// A token that the server should take now.
    pub async fn access(&self) -> Result<SecretString, ClientError> {
        self.token(None).await
    }

    /// Another token than `refused`, which the server did not take.
    pub async fn instead_of(&self, refused: &SecretString) -> Result<SecretString, ClientError> {
        self.token(Some(refused)).await
    }

    /// How much longer the present token holds, in seconds, as far as that is known.
    pub async fn expires_in(&self) -> Option<u32> {
        let held = self.0.held.lock().await;
        let left = held.kept.as_ref()?.until.since(self.0.clock.now());
        u32::try_from(left / 1_000).ok()
    }

    async fn token(&self, refused: Option<&SecretString>) -> Result<SecretString, ClientError> {
        let other = |token: &SecretString| {
            refused.is_none_or(|r| r.expose_secret() != token.expose_secret())
        };
        if let Some(bearer) = &self.0.bearer {
            let ended = || ClientError::ended(self.url());
            return Some(bearer.clone()).filter(other).ok_or_else(ended);
        }
        let mut held = self.0.held.lock().await;
        let now = || self.0.clock.now();
        if let Some(kept) = &held.kept
            && kept.fresh(now())
            && other(&kept.access)
        {
            return Ok(kept.access.clone());
        }
        match self.0.renew(&mut held, &other).await {
            Ok(access) => Ok(access),
            // An error that passes: the old token is good to its last second.
            Err(error) if !error.signed_out() => match &held.kept {
                Some(kept) if kept.lasts(now()) && other(&kept.access) => {
                    tracing::info!(%error, "the sign-in could not be renewed yet");
                    Ok(kept.access.clone())
                }
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    }
}

impl Inner {
    async fn renew(
        &self,
        held: &mut Held,
        other: &impl Fn(&SecretString) -> bool,
    ) -> Result<SecretString, ClientError> {
        if let Some(store) = held.store.clone() {
            let lock = store.lock().await?;
            let ours = held.kept.as_ref().map(|k| &k.session);
            match store.kept(self.http.url())? {
                // Signed out in another terminal.
                None => {
                    held.kept = None;
                    return Err(ClientError::ended(self.http.url()));
                }
                Some(kept) if Some(&kept.session) == ours => {
                    let done = kept.fresh(self.clock.now()) && other(&kept.access);
                    let refresh = kept.refresh.clone();
                    let kept = held.kept.insert(kept);
                    if done {
                        // Another process was faster.
                        return Ok(kept.access.clone());
                    }
                    let asked = self.clock.now();
                    return match self.http.renew(&refresh).await {
                        Ok(tokens) => {
                            let new = Kept::of(tokens, asked);
                            // First this: until the new token is used, the old one can be tried again.
                            lock.keep(self.http.url(), new.clone())?;
                            Ok(held.kept.insert(new).access.clone())
                        }
                        Err(error) if error.signed_out() => {
                            lock.forget(self.http.url())?;
                            held.kept = None;
                            Err(ClientError::ended(self.http.url()))
                        }
                        Err(error) => Err(error),
                    };
                }
                // Somebody has signed in again since, perhaps as somebody else. That is not us: we go on as who we
                // were, by ourselves.
                Some(_) => held.store = None,
            }
        }
        let asked = self.clock.now();
        let renewed = match &held.kept {
            Some(kept) => self.http.renew(&kept.refresh).await,
            None => Err(ClientError::ended(self.http.url())),
        };
        match renewed {
            Ok(tokens) => Ok(take(held, tokens, asked)),
            Err(error) if error.signed_out() => {
                held.kept = None;
                let Some(password) = &self.password else {
                    return Err(ClientError::ended(self.http.url()));
                };
                let asked = self.clock.now();
                let tokens = self.http.sign_in(&password.sign_in()).await?;
                Ok(take(held, tokens, asked))
            }
            Err(error) => Err(error),
        }
    }
}

fn take(held: &mut Held, tokens: Tokens, asked: Timestamp) -> SecretString {
    held.kept.insert(Kept::of(tokens, asked)).access.clone()
}
