//! The link to the server: one WebSocket that is set up again whenever it is gone.
//!
//! It carries frames and notices silence; what is said, and when a picture is current, is decided in
//! [`crate::app`]. It must not queue commands for a later connection: what was asked of a board that is no
//! longer current is not sent.
//!
//! The token travels in the `Authorization` header of the upgrade request, never in a URL, where logs would
//! keep it. It is asked for at every connection, for it holds for minutes and a console lives for hours; where
//! the server does not take it, once more. Only the end of the sign-in itself ends the link.

use std::time::Duration;

use cordboard_core::{
    ids::{SafeText, Timestamp},
    wire::{ClientMsg, MAX_FRAME, ServerMsg},
};
use futures_util::{SinkExt, StreamExt};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        http::{HeaderValue, header::AUTHORIZATION},
        protocol::WebSocketConfig,
    },
};
use url::Url;

use crate::{
    app::{LinkNews, Msg},
    client::{ClientError, Credentials, refusal},
    clock::Clock,
};

/// How long setting up may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How often the server is asked whether it is there.
const PING: Duration = Duration::from_secs(5);
/// How long an answer may take before the picture counts as stale.
const QUIET_MS: i64 = 2_500;
/// How long the server may be silent before the connection counts as dead.
const DEAD_MS: i64 = 10_000;
/// How often silence is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long a connection stands before the next loss is a first one again.
const STEADY_MS: i64 = 30_000;
/// The longest message taken: a snapshot of a very large house.
const LONGEST: usize = 64 << 20;

/// The two ends that the loop holds: what comes in, already as messages, and what goes out.
#[derive(Debug)]
pub struct Wire {
    /// From the server, and about the link.
    pub incoming: mpsc::Receiver<Msg>,
    /// To the server.
    pub outgoing: mpsc::Sender<ClientMsg>,
}

/// How long to wait before the next try: at most 0.5 s, doubling to 15 s, and anything less than that with
/// equal chance, so that a house full of consoles does not come back in one blow.
#[derive(Debug)]
pub struct Backoff<R> {
    tries: u32,
    rng: R,
}

impl<R: Rng> Backoff<R> {
    /// The longest wait.
    pub const MOST_MS: u64 = 15_000;

    /// A backoff that draws from `rng`.
    pub const fn new(rng: R) -> Self {
        Self { tries: 0, rng }
    }

    /// The next wait, in milliseconds.
    pub fn wait_ms(&mut self) -> u64 {
        let most = (500_u64 << self.tries.min(8)).min(Self::MOST_MS);
        self.tries = self.tries.saturating_add(1);
        self.rng.random_range(0..=most)
    }

    /// The last connection was a good one.
    pub const fn reset(&mut self) {
        self.tries = 0;
    }
}

/// Starts the link, as whoever has these credentials. It ends when the loop drops its ends, or when there is
/// nothing left to try.
pub fn start(credentials: Credentials, clock: Clock, seed: u64) -> Wire {
    let (to_loop, incoming) = mpsc::channel(256);
    let (outgoing, from_loop) = mpsc::channel(64);
    tokio::spawn(keep_up(
        credentials,
        clock,
        StdRng::seed_from_u64(seed),
        to_loop,
        from_loop,
    ));
    Wire { incoming, outgoing }
}

/// Why a connection ended.
enum End {
    /// The loop is gone.
    Done,
    /// Worth another try.
    Again(String),
    /// Not worth another try.
    Never(String),
    /// Not before its person has signed in again.
    SignedOut(String),
}

async fn keep_up(
    credentials: Credentials,
    clock: Clock,
    rng: StdRng,
    to_loop: mpsc::Sender<Msg>,
    mut from_loop: mpsc::Receiver<ClientMsg>,
) {
    let mut backoff = Backoff::new(rng);
    loop {
        if to_loop.send(Msg::Link(LinkNews::Connecting)).await.is_err() {
            return;
        }
        let began = clock.now();
        let end = match enter(&credentials).await {
            Err(end) => end,
            Ok(socket) => {
                // Whatever was meant for the last connection is void.
                while from_loop.try_recv().is_ok() {}
                if to_loop.send(Msg::Link(LinkNews::Open)).await.is_err() {
                    return;
                }
                let end = talk(socket, &clock, &to_loop, &mut from_loop).await;
                if clock.now().since(began) >= STEADY_MS {
                    backoff.reset();
                }
                end
            }
        };
        let (why, wait) = match end {
            End::Done => return,
            End::Again(why) => (why, Some(backoff.wait_ms())),
            End::Never(why) => (why, None),
            End::SignedOut(why) => {
                tracing::info!(why, "the sign-in has ended");
                // A loop that has ended wants to hear nothing.
                let _ = to_loop.send(Msg::Link(LinkNews::SignedOut(why))).await;
                return;
            }
        };
        tracing::info!(why, wait, "the link is down");
        let next = wait.map(|ms| clock.now().plus(i64::try_from(ms).unwrap_or(i64::MAX)));
        if to_loop
            .send(Msg::Link(LinkNews::Closed { why, next }))
            .await
            .is_err()
        {
            return;
        }
        let Some(ms) = wait else { return };
        tokio::select! {
            () = sleep(Duration::from_millis(ms)) => {}
            () = to_loop.closed() => return,
        }
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The address of the console's socket.
fn socket_url(server: &Url) -> Result<Url, String> {
    let mut url = server.clone();
    let scheme = match server.scheme() {
        "http" | "ws" => "ws",
        "https" | "wss" => "wss",
        other => {
            return Err(format!(
                "The server's address must begin with http or https, not {other}."
            ));
        }
    };
    let path = format!("{}/ws/console", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url.set_scheme(scheme)
        .map_err(|()| format!("{server} is no address of a server."))?;
    Ok(url)
}

/// Connects, with a new token where the server does not take the one we have.
async fn enter(credentials: &Credentials) -> Result<Socket, End> {
    let refused = |why: ClientError| turned_away(&why);
    let access = credentials.access().await.map_err(refused)?;
    if let Some(socket) = connect(credentials.url(), &access).await? {
        return Ok(socket);
    }
    let access = credentials.instead_of(&access).await.map_err(refused)?;
    // What it gives out and does not take itself is its own affair, and may pass.
    connect(credentials.url(), &access)
        .await?
        .ok_or_else(|| End::Again("The server does not take its own token.".to_owned()))
}

/// No token: only where the sign-in has ended, there will never be one.
fn turned_away(why: &ClientError) -> End {
    let said = why.to_string();
    if why.signed_out() {
        End::SignedOut(said)
    } else if why.forbidden() {
        End::Never(said)
    } else {
        End::Again(said)
    }
}

/// Connects; none: the server does not take the token.
async fn connect(server: &Url, access: &SecretString) -> Result<Option<Socket>, End> {
    let url = socket_url(server).map_err(End::Never)?;
    let mut request = url
        .as_str()
        .into_client_request()
        .map_err(|e| End::Never(format!("{server} is no address of a server: {e}.")))?;
    let mut bearer =
        HeaderValue::from_str(&format!("Bearer {}", access.expose_secret())).map_err(|_| {
            End::Never("The stored token is damaged. Sign in again: cordboard login.".to_owned())
        })?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, bearer);
    let config = WebSocketConfig::default()
        .max_message_size(Some(LONGEST))
        .max_frame_size(Some(LONGEST));
    let connecting = Box::pin(connect_async_with_config(request, Some(config), true));
    let Ok(connected) = timeout(CONNECT, connecting).await else {
        return Err(End::Again(format!(
            "The server at {server} does not answer."
        )));
    };
    match connected {
        Ok((socket, _)) => Ok(Some(socket)),
        Err(Error::Http(response)) => {
            let status = response.status().as_u16();
            let body = response.body().as_deref().unwrap_or_default();
            match refusal(server, status, None, body, false) {
                ClientError::Refused { status: 401, .. } => Ok(None),
                // In the server's own words. A 403 without them is somebody's in between, and may pass.
                ClientError::Refused {
                    status: 403, why, ..
                } => Err(End::Never(why)),
                ClientError::Refused { why, .. } => Err(End::Again(why)),
                // Not for ever: a proxy says this too, while the server behind it is being replaced.
                _ if status == 404 => {
                    Err(End::Again(format!("There is no Cordboard at {server}.")))
                }
                _ => Err(End::Again(format!("The server answered with {status}."))),
            }
        }
        Err(Error::Url(e)) => Err(End::Never(format!(
            "{server} is no address of a server: {e}."
        ))),
        Err(e) => Err(End::Again(format!(
            "The server at {server} cannot be reached: {e}."
        ))),
    }
}

async fn talk(
    mut socket: Socket,
    clock: &Clock,
    to_loop: &mpsc::Sender<Msg>,
    from_loop: &mut mpsc::Receiver<ClientMsg>,
) -> End {
    let mut heard = clock.now();
    // The ping that has not been answered: its number, and when it was sent.
    let mut asked: Option<(u64, Timestamp)> = None;
    let (mut count, mut quiet) = (0_u64, false);
    // The loop says hello first; a server hangs up on anybody who begins with something else.
    let mut greeted = false;
    let mut ping = interval(PING);
    let mut look = interval(LOOK);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let msg = tokio::select! {
            frame = socket.next() => {
                heard = clock.now();
                match frame {
                    None => return End::Again("The server closed the connection.".to_owned()),
                    Some(Err(e)) => return End::Again(format!("The connection broke: {e}.")),
                    Some(Ok(Message::Close(frame))) => {
                        let why = frame.map(|f| SafeText::from(f.reason.as_str())).filter(|r| !r.is_empty());
                        return End::Again(why.map_or_else(|| "The server closed the connection.".to_owned(), |r| format!("The server closed the connection: {r}.")));
                    }
                    Some(Ok(Message::Text(text))) => match serde_json::from_str::<ServerMsg>(&text) {
                        Ok(ServerMsg::Pong { n }) => {
                            let Some((_, at)) = asked.take_if(|(asked, _)| *asked == n) else { continue };
                            quiet = false;
                            Msg::Link(LinkNews::Rtt(u32::try_from(clock.now().since(at)).unwrap_or(0)))
                        }
                        Ok(ServerMsg::Bye { why, again }) => {
                            let _ = socket.close(None).await;
                            return if again { End::Again(why) } else { End::Never(why) };
                        }
                        Ok(msg) => Msg::Server(Box::new(msg)),
                        Err(e) => {
                            tracing::warn!(error = %e, "a message that cannot be read");
                            return End::Again("The server said something this console does not understand. Are they of the same version?".to_owned());
                        }
                    },
                    Some(Ok(_)) => continue,
                }
            }
            msg = from_loop.recv() => {
                let Some(msg) = msg else {
                    let _ = socket.close(None).await;
                    return End::Done;
                };
                match send(&mut socket, &msg).await {
                    Ok(()) => {
                        greeted = true;
                        continue;
                    }
                    Err(end) => return end,
                }
            }
            _ = ping.tick(), if greeted => {
                if asked.is_none() {
                    count += 1;
                    asked = Some((count, clock.now()));
                    if let Err(end) = send(&mut socket, &ClientMsg::Ping { n: count }).await {
                        return end;
                    }
                }
                continue;
            }
            _ = look.tick() => {
                let now = clock.now();
                match asked {
                    // Nothing at all was heard, not only no answer: a long snapshot on a slow line is no
                    // silence.
                    Some((_, at)) if now.since(at.max(heard)) > DEAD_MS => {
                        return End::Again("The server has gone silent.".to_owned());
                    }
                    Some((_, at)) if !quiet && now.since(at.max(heard)) > QUIET_MS => {
                        quiet = true;
                        Msg::Link(LinkNews::Quiet)
                    }
                    _ => continue,
                }
            }
        };
        if to_loop.send(msg).await.is_err() {
            let _ = socket.close(None).await;
            return End::Done;
        }
    }
}

async fn send(socket: &mut Socket, msg: &ClientMsg) -> Result<(), End> {
    let text = serde_json::to_string(msg)
        .map_err(|e| End::Again(format!("A message could not be written: {e}.")))?;
    debug_assert!(text.len() <= MAX_FRAME, "a console's messages are short");
    // A peer that takes nothing for so long is gone, whatever TCP still believes.
    match timeout(CONNECT, socket.send(Message::text(text))).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err(End::Again(format!("The connection broke: {e}."))),
        Err(_) => Err(End::Again("The server takes no messages.".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_jittered_grow_and_stay_below_fifteen_seconds() {
        let seed = 7;
        let mut backoff = Backoff::new(StdRng::seed_from_u64(seed));
        let waits: Vec<u64> = (0..200).map(|_| backoff.wait_ms()).collect();
        assert!(
            waits[0] <= 500 && waits[1] <= 1_000,
            "seed {seed}: {waits:?}"
        );
        assert!(waits.iter().all(|w| *w <= 15_000), "seed {seed}: {waits:?}");
        assert!(
            waits.iter().any(|w| *w > 10_000) && waits[10..].iter().any(|w| *w < 5_000),
            "seed {seed}: {waits:?}"
        );
        backoff.reset();
        assert!(backoff.wait_ms() <= 500);
    }

    #[test]
    fn the_socket_lies_beside_the_api_and_carries_no_secret() {
        let url = |text: &str| socket_url(&text.parse().unwrap()).map(String::from);
        assert_eq!(
            url("http://127.0.0.1:8080").unwrap(),
            "ws://127.0.0.1:8080/ws/console"
        );
        assert_eq!(
            url("https://desk.example/board/").unwrap(),
            "wss://desk.example/board/ws/console"
        );
        assert!(url("ftp://desk.example").is_err());
    }
}
