//! One server, over HTTP: a question and its answer, with limits of time and size.
//!
//! It neither knows who is signed in nor asks twice. What it tells apart is what matters to whoever asked: not
//! reached, sent but unanswered, refused.
//!
//! Read next: `client/routes.rs` (what can be asked), `client/credentials.rs` (as whom).

use std::time::Duration;

use cordboard_core::{
    api::{Renew, SignIn, Tokens},
    ids::SafeText,
};
use reqwest::{
    Method, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use super::{
    LONGEST,
    error::{ClientError, deepest, refusal},
};

/// How long a server may take to accept a connection.
pub(super) const CONNECT: Duration = Duration::from_secs(4);
/// How long an answer may take beyond what was asked to be waited for.
pub(super) const ANSWER: Duration = Duration::from_secs(8);
/// How often a question that may be asked again is asked, where its answer is lost.
pub(super) const TRIES: u32 = 3;

/// The one server that is asked. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Http {
    base: Url,
    http: reqwest::Client,
}

/// A question to the server.
pub(super) struct Question {
    method: Method,
    url: Url,
    body: Option<Vec<u8>>,
    limit: Duration,
    /// Whether it matters that it may have been carried out although no answer came.
    once: bool,
}

impl Question {
    pub(super) fn query(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.url
            .query_pairs_mut()
            .append_pair(key, &value.to_string());
        self
    }

    pub(super) fn json(mut self, body: &impl Serialize) -> Self {
        // The shapes that are sent are texts, numbers and lists of them: they can be written.
        self.body = Some(serde_json::to_vec(body).unwrap_or_default());
        self
    }

    /// It may take so much longer than an answer usually does.
    pub(super) fn patient(mut self, longer: Duration) -> Self {
        self.limit += longer;
        self
    }

    /// Nothing is lost with its answer.
    pub(super) fn harmless(mut self) -> Self {
        self.once = false;
        self
    }
}

impl Http {
    /// The server at `base`, a URL whose path ends in `/`.
    pub(super) fn new(base: Url) -> Result<Self, ClientError> {
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            // A redirect would carry the token to wherever the answer says.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("cordboard/", env!("CARGO_PKG_VERSION")));
        if super::loopback(&base) {
            http = http.no_proxy();
        }
        match http.build() {
            Ok(http) => Ok(Self { base, http }),
            Err(e) => Err(ClientError::Unreachable {
                url: base,
                why: deepest(&e),
            }),
        }
    }

    pub(super) fn url(&self) -> &Url {
        &self.base
    }

    /// A question about what lies at `path`. Segments are pushed, not joined: a slash or a dot in what was typed
    /// must not lead elsewhere.
    pub(super) fn to(&self, method: Method, path: &[&str]) -> Question {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        Question {
            once: method != Method::GET,
            method,
            url,
            body: None,
            limit: ANSWER,
        }
    }

    /// Signs in. Nothing is lost with the answer but a sign-in that nobody uses.
    pub(super) async fn sign_in(&self, sign_in: &SignIn) -> Result<Tokens, ClientError> {
        let question = self.to(Method::POST, &["api", "login"]).json(sign_in);
        self.ask(&question.harmless(), None).await
    }

    /// The next token for a sign-in. Where the answer is lost, the same is asked again: the server allows that for
    /// as long as what it gave out was not used.
    pub(super) async fn renew(&self, refresh: &SecretString) -> Result<Tokens, ClientError> {
        let refresh = refresh.expose_secret().into();
        let question = self
            .to(Method::POST, &["api", "token"])
            .json(&Renew { refresh });
        let mut tries = 1;
        loop {
            match self.ask(&question, None).await {
                Err(ClientError::Lost { .. }) if tries < TRIES => tries += 1,
                Err(ClientError::Lost { why }) => return Err(self.unreachable(why)),
                answer => return answer,
            }
        }
    }

    /// The answer, read.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        question: &Question,
        bearer: Option<&SecretString>,
    ) -> Result<T, ClientError> {
        // Boxed: a request under way is large, and every verb waits on several.
        let bytes = Box::pin(self.send(question, bearer)).await?;
        self.read(&bytes)
    }

    pub(super) fn read<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(bytes).map_err(|e| self.garbled(&e))
    }

    /// The body of a good answer; everything else is an error.
    pub(super) async fn send(
        &self,
        question: &Question,
        bearer: Option<&SecretString>,
    ) -> Result<Vec<u8>, ClientError> {
        let mut request = self
            .http
            .request(question.method.clone(), question.url.clone())
            .timeout(question.limit);
        if let Some(token) = bearer {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(body) = &question.body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone());
        }
        let lost = |e: &reqwest::Error| {
            if question.once && !e.is_connect() && !e.is_builder() {
                ClientError::Lost { why: deepest(e) }
            } else {
                self.unreachable(deepest(e))
            }
        };
        let mut response = request.send().await.map_err(|e| lost(&e))?;
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| lost(&e))? {
            if bytes.len() + chunk.len() > LONGEST {
                return Err(self.garbled(&"an endless answer"));
            }
            bytes.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return Ok(bytes);
        }
        Err(self.refused(status, retry_after, &bytes, question.once))
    }

    pub(super) fn refused(
        &self,
        status: StatusCode,
        retry_after: Option<Duration>,
        body: &[u8],
        once: bool,
    ) -> ClientError {
        refusal(&self.base, status.as_u16(), retry_after, body, once)
    }

    pub(super) fn unreachable(&self, why: String) -> ClientError {
        ClientError::Unreachable {
            url: self.base.clone(),
            why,
        }
    }

    pub(super) fn garbled(&self, what: &impl std::fmt::Display) -> ClientError {
        ClientError::Garbled {
            url: self.base.clone(),
            what: SafeText::from(&*what.to_string()).to_string(),
        }
    }
}

/// The seconds to wait, where the server has said so. A date, which HTTP also allows, is nothing that ours sends.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}
