//! The server's API, typed: requests over HTTP and the two WebSockets, for the command line, the console's forms
//! and the demo's pretend softphones.
//!
//! It sends, waits with limits, and tells apart what matters to whoever asked: not reached, sent but unanswered,
//! refused. It must not print, decide an exit code, or retry on its own account; two exceptions: a command whose
//! answer was lost, whose id makes that safe, and a request whose token the server did not take, which has done
//! nothing and is sent once more with a new token.
//!
//! The console has its own link (`net`), which lives for hours; this one serves a question and its answer.
//!
//! Read next: `client/routes.rs` (what can be asked), `client/credentials.rs` (as whom), [`crate::cli`].

use std::time::Duration;

use cordboard_core::{
    board::{Card, Snapshot},
    ids::{CallId, SafeText},
    wire::{ClientMsg, Command, PhoneMsg, PhoneServerMsg, ServerMsg},
};
use reqwest::Method;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use url::Url;

pub use credentials::{Credentials, Password};
pub(crate) use error::refusal;
pub use error::{CHANGED, ClientError};
use http::{Http, Question, TRIES};
pub use socket::Socket;
pub use store::{Kept, Locked, Store, StoreError};

mod credentials;
mod error;
mod http;
mod routes;
mod socket;
mod store;

/// The longest answer that is read: a board of a very large house.
const LONGEST: usize = 64 << 20;

/// The answer to a command that was not refused.
#[derive(Debug, Deserialize)]
pub struct Answer {
    /// The command's id.
    pub id: String,
    /// How far it came.
    pub outcome: Outcome,
    /// The call as it is now. A dry run of a new call has none.
    #[serde(default)]
    pub call: Option<Card>,
    /// What it would do, or why nobody knows.
    #[serde(default)]
    pub why: Option<SafeText>,
}

/// How far a command came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The carrier has confirmed it.
    Done,
    /// The server has taken it; the time to wait was over before more was known.
    Committed,
    /// Nobody can say.
    Unknown,
    /// Nothing was done: a dry run.
    Would,
}

#[derive(Deserialize)]
struct Calls {
    calls: Vec<Card>,
}

/// A server, and who we are there. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    http: Http,
    credentials: Option<Credentials>,
}

impl Client {
    /// Somebody unknown, at the server at `base` (a URL whose path ends in `/`).
    pub fn new(base: Url) -> Result<Self, ClientError> {
        Ok(Self {
            http: Http::new(base)?,
            credentials: None,
        })
    }

    /// Somebody who is signed in.
    pub fn signed_in(credentials: Credentials) -> Self {
        Self {
            http: credentials.http().clone(),
            credentials: Some(credentials),
        }
    }

    /// The server's address.
    pub fn url(&self) -> &Url {
        self.http.url()
    }

    /// The whole board.
    pub async fn board(&self) -> Result<Snapshot, ClientError> {
        self.get(&["api", "board"]).await
    }

    /// The calls that are not over.
    pub async fn calls(&self) -> Result<Vec<Card>, ClientError> {
        let calls: Calls = self.get(&["api", "calls"]).await?;
        Ok(calls.calls)
    }

    /// One call, by its id or any CallSid in it, with everything the server says of it.
    pub async fn call(&self, name: &str) -> Result<(Card, Value), ClientError> {
        let raw: Value = self.get(&["api", "calls", name]).await?;
        let card = Card::deserialize(&raw).map_err(|e| self.http.garbled(&e))?;
        Ok((card, raw))
    }

    /// Sends a command and waits up to `wait` for its outcome. An answer that is lost is asked for again: the
    /// id makes the server act once.
    pub async fn command(&self, command: &Command, wait: Duration) -> Result<Answer, ClientError> {
        let question = self
            .http
            .to(Method::POST, &["api", "commands"])
            .query("wait", wait.as_millis())
            .json(command)
            .patient(wait);
        let mut lost = None;
        for left in (0..TRIES).rev() {
            match self.ask::<Answer>(&question).await {
                Err(ClientError::Lost { why }) if left > 0 => lost = Some(why),
                // Not reached this time, but the first time it was: nobody can say that nothing happened.
                Err(ClientError::Unreachable { why, .. }) if lost.is_some() => {
                    return Err(ClientError::Lost { why });
                }
                answer => return answer,
            }
        }
        Err(ClientError::Lost {
            why: lost.unwrap_or_default(),
        })
    }

    /// The call of a command that was sent before under this id, if there was one.
    pub async fn sent(&self, id: &str) -> Result<Option<CallId>, ClientError> {
        #[derive(Deserialize)]
        struct Sent {
            call: Card,
        }
        let question = self
            .http
            .to(Method::GET, &["api", "commands"])
            .query("id", id);
        match self.ask::<Sent>(&question).await {
            Ok(sent) => Ok(Some(sent.call.id)),
            Err(ClientError::Refused { status: 404, .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Opens the console's socket. Say [`ClientMsg::Hello`] first.
    pub async fn console(&self) -> Result<Socket<ClientMsg, ServerMsg>, ClientError> {
        self.socket("ws/console").await
    }

    /// Opens a phone page's socket. Say [`PhoneMsg::Hello`] first.
    pub async fn phone(&self) -> Result<Socket<PhoneMsg, PhoneServerMsg>, ClientError> {
        self.socket("ws/phone").await
    }

    async fn socket<Out, In>(&self, path: &str) -> Result<Socket<Out, In>, ClientError> {
        let Some(credentials) = &self.credentials else {
            return Socket::open(&self.http, path, None).await;
        };
        let access = credentials.access().await?;
        match Socket::open(&self.http, path, Some(&access)).await {
            Err(e) if e.signed_out() => {
                let access = credentials.instead_of(&access).await?;
                Socket::open(&self.http, path, Some(&access)).await
            }
            opened => opened,
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, ClientError> {
        self.ask(&self.http.to(Method::GET, path)).await
    }

    /// The answer, as whoever is signed in.
    async fn ask<T: DeserializeOwned>(&self, question: &Question) -> Result<T, ClientError> {
        let bytes = self.send(question).await?;
        self.http.read(&bytes)
    }

    /// The same for an answer that says nothing but yes.
    async fn send(&self, question: &Question) -> Result<Vec<u8>, ClientError> {
        let Some(credentials) = &self.credentials else {
            return Box::pin(self.http.send(question, None)).await;
        };
        let access = Box::pin(credentials.access()).await?;
        match Box::pin(self.http.send(question, Some(&access))).await {
            // It has done nothing, so it can be sent again.
            Err(e) if e.signed_out() => {
                let access = Box::pin(credentials.instead_of(&access)).await?;
                Box::pin(self.http.send(question, Some(&access))).await
            }
            answer => answer,
        }
    }
}

/// A server's address as people and scripts write it: without the slash at the end.
pub fn address(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// Whether the server is this machine. Then no proxy stands in between, and plain HTTP is nobody else's
/// business.
pub fn loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}
