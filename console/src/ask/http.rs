//! Asks the board's questions over HTTP, one connection for all of them.
//!
//! Each question is asked once, within a limit of time, and its answer goes back under its number, whatever it is: a
//! console that waits for an answer that never comes is worse than one that reads "not reached". It must not decide
//! who is asking: the token is somebody else's to keep fresh.
//!
//! Read next: [`crate::ask`], [`crate::run`].

use std::{future::Future, time::Duration};

use reqwest::{Client, header::RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;
use url::Url;

use super::{Answer, Ask, Method, Trouble};
use crate::{app::Msg, client::ClientError};

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(4);
/// How long it may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const LONGEST: usize = 4 << 20;
/// How many questions wait to be asked.
const WAITING: usize = 32;

/// Where the board's questions go, and where the answers come from.
#[derive(Debug)]
pub struct Line {
    /// Takes numbered questions.
    pub asks: mpsc::Sender<(u64, Ask)>,
    /// Brings [`Msg::Answer`]s.
    pub answers: mpsc::Receiver<Msg>,
}

impl From<ClientError> for Trouble {
    fn from(why: ClientError) -> Self {
        let detail = why.to_string();
        match why {
            ClientError::Unreachable { .. } => Self::new(Self::UNREACHABLE, detail),
            ClientError::Lost { .. } => Self::new(Self::LOST, detail),
            ClientError::Garbled { .. } => Self::new(Self::GARBLED, detail),
            ClientError::Store(_) => Self::new("not-kept", detail),
            ClientError::Refused {
                code,
                errors,
                retry_after,
                ..
            } => Self {
                code,
                detail,
                errors,
                retry_after: retry_after.and_then(|wait| u32::try_from(wait.as_secs()).ok()),
            },
        }
    }
}

/// Starts to ask the server at `url` whatever comes. `token` brings the bearer token of whoever is signed in, fresh,
/// each time it is called. It ends when the loop drops its ends.
pub fn start<F, T>(url: Url, token: F) -> Result<Line, reqwest::Error>
where
    F: Fn() -> T + Clone + Send + Sync + 'static,
    T: Future<Output = Result<SecretString, Trouble>> + Send,
{
    let client = Client::builder()
        .connect_timeout(CONNECT)
        .timeout(ANSWER)
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let (asks, mut from_loop) = mpsc::channel::<(u64, Ask)>(WAITING);
    let (to_loop, answers) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        while let Some((number, ask)) = from_loop.recv().await {
            let (client, url, token, to_loop) =
                (client.clone(), url.clone(), token.clone(), to_loop.clone());
            // A slow answer holds no other one up.
            tokio::spawn(async move {
                let answer = match token().await {
                    Ok(token) => put(&client, &url, &token, &ask).await,
                    Err(trouble) => Err(trouble),
                };
                let _ = to_loop.send(Msg::Answer(number, answer)).await;
            });
        }
    });
    Ok(Line { asks, answers })
}

async fn put(
    client: &Client,
    url: &Url,
    token: &SecretString,
    ask: &Ask,
) -> Result<Answer, Trouble> {
    let address = url.join(&ask.path()).map_err(|why| {
        Trouble::new(
            Trouble::UNREACHABLE,
            format!("{url} is no address of a server: {why}."),
        )
    })?;
    let request = match ask.method() {
        Method::Get => client.get(address),
        Method::Post => client.post(address),
        Method::Put => client.put(address),
        Method::Patch => client.patch(address),
        Method::Delete => client.delete(address),
    };
    let mut request = request.bearer_auth(token.expose_secret());
    if let Some(body) = ask.body() {
        request = request.json(&body);
    }
    let response = request.send().await.map_err(|why| gone(ask, url, &why))?;
    let status = response.status();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|v| v.to_str().ok()?.parse().ok());
    let body = whole(response).await.map_err(|why| gone(ask, url, &why))?;
    let Some(body) = body else {
        return Err(Trouble::new(
            Trouble::GARBLED,
            "The server's answer is too long.",
        ));
    };
    if status.is_success() {
        ask.read(&body)
    } else {
        Err(Trouble::read(status.as_u16(), &body, retry_after))
    }
}

/// The whole answer; none: it is longer than any of ours.
async fn whole(mut response: reqwest::Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LONGEST {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// There is no answer. Whether that means that nothing was done depends on how far it came.
fn gone(ask: &Ask, url: &Url, why: &reqwest::Error) -> Trouble {
    let host = url.host_str().unwrap_or("the server");
    if why.is_connect() || why.is_builder() {
        Trouble::new(
            Trouble::UNREACHABLE,
            format!("The server at {host} cannot be reached. Nothing was changed."),
        )
    } else if ask.changes() {
        let detail =
            "It was sent, but no answer came. Look whether it was done before you repeat it.";
        Trouble::new(Trouble::LOST, detail)
    } else {
        Trouble::new(
            Trouble::UNREACHABLE,
            format!("The server at {host} did not answer."),
        )
    }
}
