//! Twilio on your own machine: the REST API, TwiML, signed web hooks, and who hears whom.
//!
//! [`serve`] starts a double of Twilio Programmable Voice for one account. Any Twilio program can be pointed at
//! it: it has the REST API of calls, conferences, participants, queues, recordings, numbers, applications and
//! keys; it fetches TwiML and runs it; it signs, times and retries web hooks; it knows the limits and the error
//! codes. The Voice SDK, unmodified, signals and talks with it from a browser. It knows, at every moment, who hears
//! whom and what everybody hears, keeps it as a log, and makes it heard where there is an ear. It knows nothing of the
//! programs that use it.
//!
//! What Twilio has no API for (people who call, telephones that answer, browsers that connect, faults) is done
//! over [`control`]. Time is a [`Clock`] that may run up to ten times as fast.
//!
//! A tour: `world` holds the state machines; `switch` gives them time and runs their effects; `legs`, `verbs`
//! and `dial` run the TwiML of a call, `music` that of a waiting participant; `webhooks` talks to the
//! customer's server; `edge` is where browsers connect, and `sound` what they hear; `rest` and `control` are the two
//! APIs; `faults` decides what goes wrong; `callers` are the people at the far end, and `telephone` is there for a person
//! who would be one of them.

pub mod clock;
pub mod control;

mod callers;
mod dial;
mod edge;
mod faults;
mod form;
mod legs;
mod music;
mod rest;
mod sound;
mod switch;
mod telephone;
mod token;
mod twiml;
mod verbs;
mod webhooks;
mod wire;
mod world;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State, WebSocketUpgrade};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use axum::routing::get;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use callers::{Behaviour, Caller, Press, Telephone, Voice};
pub use clock::Clock;
pub use world::Hearing;
pub use world::account::Credentials;
pub use world::hearing::{HearingInterval, HearsInterval};

use switch::Switch;
use webhooks::Hooks;
use wire::{Exchange, Wire};
use world::World;
use world::account::{Account, Number};

/// A REST body may not be larger.
const MAX_BODY: usize = 256 * 1024;

/// How to run a twin.
#[derive(Clone, Debug)]
pub struct TwinConfig {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Everybody who should agree on the time gets a clone of this.
    pub clock: Clock,
    /// Of all chance: ids and faults.
    pub seed: u64,
    /// The account's ids and secrets.
    pub credentials: Credentials,
    /// Numbers that the account owns from the start, in E.164. Their calls go nowhere yet.
    pub numbers: Vec<String>,
    /// Opens the control API, which asks for no password, to other machines.
    pub control_from_anywhere: bool,
}

impl Default for TwinConfig {
    /// Any free port of 127.0.0.1, real time, seed 1, credentials nobody can guess.
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            clock: Clock::system(),
            seed: 1,
            credentials: Credentials::random(),
            numbers: Vec::new(),
            control_from_anywhere: false,
        }
    }
}

/// Why a twin could not start.
#[derive(Debug, thiserror::Error)]
pub enum TwinError {
    /// The address is taken, or not this machine's.
    #[error("the twin can't listen on {addr}: {source}")]
    Listen {
        /// The address wanted.
        addr: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The HTTP client for web hooks could not be made.
    #[error("the twin can't make its web hook client: {0}")]
    Hooks(#[from] reqwest::Error),
}

/// A running twin. Dropping the handle does not stop it; cancelling the token given to [`serve`] does.
#[derive(Debug)]
pub struct Twin {
    addr: SocketAddr,
    credentials: Credentials,
    switch: Arc<Switch>,
    server: JoinHandle<()>,
}

impl Twin {
    /// `http://127.0.0.1:PORT`, to be used in place of `https://api.twilio.com`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// The page that is a telephone: with it, a person in a browser calls, and is called.
    #[must_use]
    pub fn telephone_url(&self) -> String {
        format!("{}/telephone", self.url())
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The account's ids and secrets.
    #[must_use]
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The twin's clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.switch.clock
    }

    /// A client of its control API.
    #[must_use]
    pub fn control(&self) -> control::Client {
        control::Client::new(&self.url())
    }

    /// Every change of a call or conference from now on, as the control API's event stream shows it.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Value> {
        self.switch.changes.subscribe()
    }

    /// Waits until the twin has stopped.
    pub async fn stopped(self) {
        // The server task ends by the token; a panic inside it was reported when it happened.
        let _ = self.server.await;
        self.switch.drain().await;
    }
}

/// Starts a twin. It is listening when this returns, and stops when `shutdown` is cancelled.
pub async fn serve(config: TwinConfig, shutdown: CancellationToken) -> Result<Twin, TwinError> {
    let addr = config.listen;
    let listener = TcpListener::bind(addr)
        .await
        .map_err(|source| TwinError::Listen { addr, source })?;
    let addr = listener
        .local_addr()
        .map_err(|source| TwinError::Listen { addr, source })?;
    let account = Account::new(
        config.credentials.clone(),
        format!("http://{addr}"),
        config.clock.now_ms(),
    );
    let auth_token = config.credentials.auth_token.clone();
    let hooks = Hooks::new(config.clock.clone(), auth_token, config.seed)?;
    let mut world = World::new(account, config.seed);
    for number in config.numbers {
        world.take_number(Number::new(number, config.clock.now_ms()));
    }
    let switch = Switch::new(world, config.clock, hooks, config.seed, shutdown.clone());
    let routes = Router::new()
        .fallback(rest_request)
        .with_state(switch.clone())
        .merge(edge_routes(switch.clone()))
        .merge(control::routes(
            switch.clone(),
            config.control_from_anywhere,
        ))
        .layer(DefaultBodyLimit::max(MAX_BODY));
    let server = tokio::spawn(async move {
        let service = routes.into_make_service_with_connect_info::<Wire>();
        let stopped = shutdown.clone();
        let serving = axum::serve(Exchange(listener), service)
            .with_graceful_shutdown(shutdown.cancelled_owned());
        // Graceful means: no new connections. Long polls and event streams would keep the server for ever.
        tokio::select! {
            outcome = serving => {
                if let Err(why) = outcome {
                    tracing::error!(%why, "the twin's server has stopped");
                }
            }
            () = async { stopped.cancelled().await; tokio::time::sleep(std::time::Duration::from_millis(500)).await } => {}
        }
    });
    Ok(Twin {
        addr,
        credentials: config.credentials,
        switch,
        server,
    })
}

/// Where browsers connect. From any page, as at Twilio: the token is what counts.
fn edge_routes(switch: Arc<Switch>) -> Router {
    let signal = async |State(switch): State<Arc<Switch>>, upgrade: WebSocketUpgrade| {
        upgrade
            .max_message_size(MAX_BODY)
            .on_upgrade(move |socket| edge::line::serve(switch, socket))
    };
    Router::new()
        .route("/signal", get(signal))
        .with_state(switch)
}

async fn rest_request(
    State(switch): State<Arc<Switch>>,
    ConnectInfo(wire): ConnectInfo<Wire>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    rest::serve(switch, wire, method, uri, headers, body).await
}
