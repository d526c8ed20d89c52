//! The server's API, typed: requests over HTTP and the two WebSockets, for the command line and the demo's
//! pretend softphones.
//!
//! It sends, waits with limits, and tells apart what matters to whoever asked: not reached, sent but
//! unanswered, refused. It must not print, retry on its own account (one exception: a command whose answer was
//! lost, whose id makes that safe), or decide an exit code.
//!
//! The console has its own link (`net`), which lives for hours; this one serves a question and its answer.
//!
//! Read next: [`crate::cli`].

use std::time::Duration;

use cordboard_core::{
    board::{Card, Snapshot},
    ids::{CallId, SafeText, Timestamp},
    wire::{ClientMsg, Command, Me, PhoneMsg, PhoneServerMsg, ServerMsg},
};
use futures_util::{SinkExt, StreamExt};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::{HeaderValue, header::AUTHORIZATION},
        protocol::WebSocketConfig,
    },
};
use url::Url;

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(4);
/// How long an answer may take beyond what was asked to be waited for.
const ANSWER: Duration = Duration::from_secs(8);
/// The longest answer that is read: a board of a very large house.
const LONGEST: usize = 64 << 20;

/// Why there is no answer, or not the one that was hoped for. Each is a sentence a person can act on.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing was changed: the server was not reached, or it says it can't work now.
    #[error("The server at {} cannot be reached: {why}.", address(url))]
    Unreachable {
        /// Where.
        url: Url,
        /// What happened instead.
        why: String,
    },
    /// The request was sent, and the answer was lost. It may have been carried out.
    #[error(
        "The command was sent, but no answer came: {why}. Look at the board to see what became of it."
    )]
    Lost {
        /// What happened instead.
        why: String,
    },
    /// The server said no.
    #[error("{why}")]
    Refused {
        /// The status.
        status: u16,
        /// A short word for programs.
        code: String,
        /// A sentence for people.
        why: String,
    },
    /// The answer can't be read: another version, or no Cordboard.
    #[error(
        "The server at {} answered something this program does not understand ({what}). Are they of the same version?",
        address(url)
    )]
    Garbled {
        /// Where.
        url: Url,
        /// What was wrong with it.
        what: String,
    },
}

impl ClientError {
    /// Whether the server does not know who is asking.
    pub fn signed_out(&self) -> bool {
        matches!(self, Self::Refused { status: 401, .. })
    }
}

/// The answer to signing in.
#[derive(Debug, Deserialize)]
pub struct SignedIn {
    /// The bearer token.
    pub token: SecretString,
    /// When it expires.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// Who it is for.
    pub me: Me,
}

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

#[derive(Deserialize)]
struct Problem {
    error: Trouble,
}

#[derive(Deserialize)]
struct Trouble {
    code: SafeText,
    why: String,
}

/// A server, and who we are there. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    base: Url,
    token: Option<SecretString>,
    http: reqwest::Client,
}

impl Client {
    /// A client of the server at `base` (a URL whose path ends in `/`), signed in with `token` if there is one.
    pub fn new(base: Url, token: Option<SecretString>) -> Result<Self, ClientError> {
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            // A redirect would carry the token to wherever the answer says.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("cordboard/", env!("CARGO_PKG_VERSION")));
        if loopback(&base) {
            http = http.no_proxy();
        }
        match http.build() {
            Ok(http) => Ok(Self { base, token, http }),
            Err(e) => Err(ClientError::Unreachable {
                url: base,
                why: deepest(&e),
            }),
        }
    }

    /// The server's address.
    pub fn url(&self) -> &Url {
        &self.base
    }

    /// The token, if signed in.
    pub fn token(&self) -> Option<&SecretString> {
        self.token.as_ref()
    }

    /// Signs in. The client keeps what it has; make another with the token.
    pub async fn login(
        &self,
        email: &str,
        password: &SecretString,
    ) -> Result<SignedIn, ClientError> {
        let body = json!({ "email": email, "password": password.expose_secret() });
        self.ask(Method::POST, "api/login", Some(&body), ANSWER)
            .await
    }

    /// Ends the session at the server.
    pub async fn logout(&self) -> Result<(), ClientError> {
        self.bytes(Method::POST, "api/logout", None::<&()>, ANSWER)
            .await
            .map(drop)
    }

    /// Who is signed in.
    pub async fn me(&self) -> Result<Me, ClientError> {
        self.ask(Method::GET, "api/me", None::<&()>, ANSWER).await
    }

    /// The whole board.
    pub async fn board(&self) -> Result<Snapshot, ClientError> {
        self.ask(Method::GET, "api/board", None::<&()>, ANSWER)
            .await
    }

    /// The calls that are not over.
    pub async fn calls(&self) -> Result<Vec<Card>, ClientError> {
        self.ask::<Calls>(Method::GET, "api/calls", None::<&()>, ANSWER)
            .await
            .map(|c| c.calls)
    }

    /// One call, by its id or any CallSid in it, with everything the server says of it.
    pub async fn call(&self, name: &str) -> Result<(Card, Value), ClientError> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            // Pushed, not joined: a slash or a dot in what was typed must not lead elsewhere.
            path.pop_if_empty().extend(["api", "calls", name]);
        }
        let raw: Value = self
            .ask(Method::GET, url.as_str(), None::<&()>, ANSWER)
            .await?;
        let card = Card::deserialize(&raw).map_err(|e| self.garbled(&e))?;
        Ok((card, raw))
    }

    /// Sends a command and waits up to `wait` for its outcome. An answer that is lost is asked for again: the
    /// id makes the server act once.
    pub async fn command(&self, command: &Command, wait: Duration) -> Result<Answer, ClientError> {
        let mut lost = None;
        for left in (0..3_u32).rev() {
            let path = format!("api/commands?wait={}", wait.as_millis());
            match self
                .ask::<Answer>(Method::POST, &path, Some(command), wait + ANSWER)
                .await
            {
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
        let mut url = self
            .base
            .join("api/commands")
            .map_err(|e| self.garbled(&e))?;
        url.query_pairs_mut().append_pair("id", id);
        match self
            .ask::<Sent>(Method::GET, url.as_str(), None::<&()>, ANSWER)
            .await
        {
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

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        limit: Duration,
    ) -> Result<T, ClientError> {
        // Boxed: a request under way is large, and every verb waits on several.
        let bytes = Box::pin(self.bytes(method, path, body, limit)).await?;
        serde_json::from_slice(&bytes).map_err(|e| self.garbled(&e))
    }

    /// The body of a good answer; everything else is an error.
    async fn bytes(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
        limit: Duration,
    ) -> Result<Vec<u8>, ClientError> {
        let changes = method != Method::GET && path.starts_with("api/commands");
        let url = self.base.join(path).map_err(|e| self.garbled(&e))?;
        let mut request = self.http.request(method, url).timeout(limit);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let lost = |e: &reqwest::Error| {
            if changes && !e.is_connect() && !e.is_builder() {
                ClientError::Lost { why: deepest(e) }
            } else {
                self.unreachable(deepest(e))
            }
        };
        let mut response = request.send().await.map_err(|e| lost(&e))?;
        let status = response.status();
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
        Err(self.problem(status, &bytes, changes))
    }

    fn problem(&self, status: StatusCode, body: &[u8], changes: bool) -> ClientError {
        let said = serde_json::from_slice::<Problem>(body)
            .ok()
            .map(|p| p.error);
        match status.as_u16() {
            // A gateway in between: whether the request went through is not known.
            502 | 504 if changes => ClientError::Lost {
                why: format!("a gateway answered {status}"),
            },
            502..=504 => self.unreachable(match said {
                Some(said) => SafeText::from(said.why.trim_end_matches('.')).to_string(),
                None => format!("it answered {status}"),
            }),
            500..=599 if changes => ClientError::Lost {
                why: format!("the server answered {status}"),
            },
            code => match said {
                Some(said) => ClientError::Refused {
                    status: code,
                    code: said.code.to_string(),
                    why: sentence(&said.why),
                },
                None if code == 401 => ClientError::Refused {
                    status: 401,
                    code: "not-signed-in".to_owned(),
                    why: "You are not signed in. Run cordboard login.".to_owned(),
                },
                None => self.garbled(&format!("status {status}")),
            },
        }
    }

    async fn socket<Out, In>(&self, path: &str) -> Result<Socket<Out, In>, ClientError> {
        let mut url = self.base.join(path).map_err(|e| self.garbled(&e))?;
        let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
        url.set_scheme(scheme)
            .map_err(|()| self.garbled(&"no address for a socket"))?;
        let mut request = url
            .as_str()
            .into_client_request()
            .map_err(|e| self.garbled(&e))?;
        if let Some(token) = &self.token {
            let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
                .map_err(|_| self.garbled(&"a token that no header can carry"))?;
            bearer.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, bearer);
        }
        let config = WebSocketConfig::default()
            .max_message_size(Some(LONGEST))
            .max_frame_size(Some(LONGEST));
        let opening = Box::pin(connect_async_with_config(request, Some(config), true));
        match tokio::time::timeout(CONNECT, opening).await {
            Ok(Ok((stream, _))) => Ok(Socket {
                stream,
                base: self.base.clone(),
                kinds: std::marker::PhantomData,
            }),
            Ok(Err(tungstenite::Error::Http(response))) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err(self.problem(response.status(), body, false))
            }
            Ok(Err(e)) => Err(self.unreachable(e.to_string())),
            Err(_) => Err(self.unreachable("no answer in time".to_owned())),
        }
    }

    fn unreachable(&self, why: String) -> ClientError {
        ClientError::Unreachable {
            url: self.base.clone(),
            why,
        }
    }

    fn garbled(&self, what: &impl std::fmt::Display) -> ClientError {
        ClientError::Garbled {
            url: self.base.clone(),
            what: SafeText::from(&*what.to_string()).to_string(),
        }
    }
}

/// A WebSocket that carries `Out` to the server and `In` from it, each as a JSON text frame.
#[derive(Debug)]
pub struct Socket<Out, In> {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    base: Url,
    kinds: std::marker::PhantomData<fn(Out) -> In>,
}

impl<Out: Serialize, In: DeserializeOwned> Socket<Out, In> {
    /// Sends one message.
    pub async fn send(&mut self, message: &Out) -> Result<(), ClientError> {
        let text = serde_json::to_string(message).map_err(|e| self.broken(&e))?;
        self.stream
            .send(Message::text(text))
            .await
            .map_err(|e| self.broken(&e))
    }

    /// The next message. A socket that closes is [`ClientError::Unreachable`]. Dropping the future loses
    /// nothing.
    pub async fn next(&mut self) -> Result<In, ClientError> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).map_err(|e| ClientError::Garbled {
                        url: self.base.clone(),
                        what: e.to_string(),
                    });
                }
                Some(Ok(Message::Close(_))) | None => {
                    return Err(self.broken(&"it closed the connection"));
                }
                Some(Ok(_)) => {}
                Some(Err(e)) => return Err(self.broken(&e)),
            }
        }
    }

    /// Says goodbye. What the other side thinks of it does not matter any more.
    pub async fn close(mut self) {
        let _ = tokio::time::timeout(Duration::from_millis(300), self.stream.close(None)).await;
    }

    fn broken(&self, why: &impl std::fmt::Display) -> ClientError {
        ClientError::Unreachable {
            url: self.base.clone(),
            why: why.to_string(),
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

/// The innermost cause: "connection refused" says more than "error sending request".
fn deepest(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    SafeText::from(&*cause.to_string()).to_string()
}

/// What the server says in a sentence, without anything that moves a cursor. Longer than a name, shorter than a
/// page.
fn sentence(text: &str) -> String {
    let clean: String = text
        .chars()
        .take(300)
        .map(|c| {
            if crate::cli::show::moves_a_cursor(c) {
                ' '
            } else {
                c
            }
        })
        .collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}
