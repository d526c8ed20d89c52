//! The headless backend of Cordboard: it answers the carrier, moves calls, and keeps consoles and phone pages
//! up to date.
//!
//! Every change of a call goes through one door ([`exchange`]). Around it: [`store`] (durable truth), [`live`]
//! (what may be lost), [`dispatch`] and [`reconcile`] (to the carrier and back), [`twilio`] (the only place
//! that spells the carrier's words), [`http`] and [`ws`] (thin).
//!
//! [`serve`] builds all of it in order. Tests and the demo call it in-process; the binary calls it and nothing
//! else.

pub mod accounts;
pub mod app;
pub mod auth;
pub mod clock;
pub mod config;
pub mod dispatch;
pub mod emergency;
pub mod error;
pub mod exchange;
pub mod house;
pub mod http;
pub mod live;
pub mod office;
pub mod pairing;
pub mod reconcile;
pub mod sealer;
pub mod seed;
pub mod sounds;
pub mod store;
pub mod throttle;
pub mod twilio;
pub mod ws;

use std::{net::SocketAddr, time::Duration};

use cordboard_core::ids::Phone;
use secrecy::SecretString;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

pub use clock::Clock;
pub use config::{Config, ConfigError, Settings, TwilioSettings};

use crate::{
    accounts::Accounts,
    app::{App, Parts},
    auth::{Keys, Passwords},
    dispatch::Dispatcher,
    error::ApiError,
    exchange::Exchange,
    house::House,
    http::Requests,
    live::Live,
    office::Office,
    pairing::Pairings,
    sealer::Sealer,
    store::{Store, StoreError},
    twilio::{
        Urls,
        rest::{Rest, RestError},
        signature::Verifier,
    },
};

/// How long requests under way may take when the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// How often the store forgets what has served its time.
const FORGET_MS: i64 = 3_600_000;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}. Choose another with --listen.")]
    Listen(SocketAddr, std::io::Error),
    /// The database does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The carrier's client cannot be made.
    #[error(transparent)]
    Rest(#[from] RestError),
    /// The demo's house cannot be written, or the carrier does not take its number.
    #[error("the demo's people and number could not be set up: {0}")]
    Seed(#[from] ApiError),
}

/// A server that runs.
pub struct Running {
    /// Where it is reached.
    pub url: Url,
    /// Where it listens.
    pub addr: SocketAddr,
    /// The number that leads to its desk, if it was seeded.
    pub number: Option<Phone>,
    /// E-mail address and password of the demo's operator, if it was seeded.
    pub operator: Option<(String, String)>,
    /// What makes the first administrator, while there is none.
    pub setup_code: Option<SecretString>,
    /// The door, for tests that look inside.
    pub exchange: Exchange,
    closed: JoinHandle<()>,
}

impl Running {
    /// Waits until it has stopped, and the database is closed.
    pub async fn join(self) {
        if let Err(cause) = self.closed.await {
            tracing::error!(%cause, "the database was not closed");
        }
    }
}

/// Starts a server; it runs until `stop`. When this returns, it listens, and its board is what it was when it
/// last stopped.
pub async fn serve(
    config: Config,
    clock: Clock,
    stop: CancellationToken,
) -> Result<Running, StartError> {
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|e| StartError::Listen(config.listen, e))?;
    let addr = listener
        .local_addr()
        .map_err(|e| StartError::Listen(config.listen, e))?;
    let here: Url = format!("http://{addr}")
        .parse()
        .expect("a socket address makes an address");
    let public_url = config.public_url.clone().unwrap_or_else(|| here.clone());
    let twilio = config.twilio(public_url.clone())?;
    let rest = Rest::new(&twilio)?;
    let keys = Keys::new(&config.secret()?, config.previous_secret.as_ref());
    let passwords = Passwords::new(config.password_kib);

    let ours = config.make_room()?;
    let store = Store::open(&config.database_url).await?;
    let seeded = if config.seed_demo {
        Some(seed::demo(&store, &passwords).await?)
    } else {
        seed::furnish(&store).await?;
        None
    };
    let house = House::load(&store).await?;
    let live = Live::memory(house.board(&store).await?, clock.now());
    // Before anybody can ask for anything: its first line would come in between.
    let sealer = Sealer::open(store.clone(), &keys, clock.clone()).await?;
    let (exchange, looks) = Exchange::open(store, live, clock, keys, house).await?;

    let tasks = TaskTracker::new();
    // The demo has people already, whose passwords everybody knows; nobody needs to be let in by a code.
    let accounts = Accounts::new(exchange.clone(), passwords, seeded.is_none());
    let setup_code = accounts.setup_code().cloned();
    let office = Office::new(exchange.clone(), public_url.clone());
    let app = App::new(Parts {
        exchange: exchange.clone(),
        pairings: Pairings::new(exchange.clone(), accounts.clone(), office.clone()),
        requests: Requests::new(config.requests_per_minute),
        trusted_proxies: config.trusted_proxies.clone(),
        accounts: accounts.clone(),
        office,
        rest: rest.clone(),
        urls: Urls::new(&twilio),
        verifier: Verifier::new(&twilio),
        twilio,
        public_url,
        stop: stop.clone(),
    });
    let router = http::router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let stopped = stop.clone();
    tasks.spawn(async move {
        let serving = axum::serve(listener, router).with_graceful_shutdown(stopped.clone().cancelled_owned());
        let limit = async {
            stopped.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            done = serving => if let Err(cause) = done { tracing::error!(%cause, "the listener has failed") },
            () = limit => tracing::warn!("requests under way were cut off"),
        }
    });
    // Only now, because the carrier may call as soon as it knows where we are.
    if let Some(number) = &seeded {
        app.take_number(number, true).await?;
    }
    tasks.spawn(reconcile::run(
        exchange.clone(),
        rest.clone(),
        looks,
        stop.clone(),
    ));
    tasks.spawn(
        stop.clone()
            .run_until_cancelled_owned(emergency::watch_address(exchange.clone(), rest.clone())),
    );
    tasks.spawn(Dispatcher::new(exchange.clone(), rest).run(stop.clone()));
    let sealing = tasks.spawn(sealer.run(stop.clone()));
    tasks.spawn(dispatch::keep_time(exchange.clone(), stop.clone()));
    tasks.spawn(app.watch_pages());
    tasks.spawn(stop.clone().run_until_cancelled_owned(accounts.sweep()));
    tasks.spawn(
        stop.run_until_cancelled_owned(forget(exchange.store().clone(), exchange.clock().clone())),
    );
    let closing = exchange.store().clone();
    tasks.close();
    let closed = tokio::spawn(async move {
        tasks.wait().await;
        // Once more, now that nobody writes.
        if let Ok(mut sealer) = sealing.await
            && let Err(cause) = sealer.look().await
        {
            tracing::warn!(%cause, "the last lines of the audit are sealed at the next start");
        }
        closing.close().await;
        drop(ours);
    });
    let operator = seeded.is_some().then(|| {
        (
            seed::DEMO_PEOPLE[0].email.to_owned(),
            seed::DEMO_PASSWORD.to_owned(),
        )
    });
    tracing::info!(%addr, "listening");
    Ok(Running {
        url: here,
        addr,
        number: seeded,
        operator,
        setup_code,
        exchange,
        closed,
    })
}

/// Lets the store forget what has served its time, for ever. Also at start: a server that is restarted every day
/// would never come to it.
async fn forget(store: Store, clock: Clock) {
    loop {
        if let Err(cause) = store.prune(clock.now()).await {
            tracing::warn!(%cause, "what has served its time could not be forgotten");
        }
        clock.sleep(FORGET_MS).await;
    }
}
