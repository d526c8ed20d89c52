//! The headless backend of Cordboard: it answers the carrier, moves calls, and keeps consoles and phone pages
//! up to date.
//!
//! Every change of a call goes through one door ([`exchange`]). Around it: [`store`] (durable truth), [`live`]
//! (what may be lost), [`dispatch`] and [`reconcile`] (to the carrier and back), [`twilio`] (the only place
//! that spells the carrier's words), [`http`] and [`ws`] (thin).
//!
//! [`serve`] builds all of it in order. Tests and the demo call it in-process; the binary calls it and nothing
//! else.

pub mod app;
pub mod auth;
pub mod clock;
pub mod config;
pub mod dispatch;
pub mod emergency;
pub mod error;
pub mod exchange;
pub mod http;
pub mod live;
pub mod reconcile;
pub mod seed;
pub mod sounds;
pub mod store;
pub mod twilio;
pub mod ws;

use std::{net::SocketAddr, time::Duration};

use cordboard_core::{
    board::{Board, Card, Person, Queue, Slot, Snapshot},
    ids::{Phone, QueueId},
    machine::{Desk, PhonePage},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use url::Url;

pub use clock::Clock;
pub use config::{Config, ConfigError, Settings, TwilioSettings};

use crate::{
    app::{App, Parts},
    auth::{Keys, Passwords},
    dispatch::Dispatcher,
    error::ApiError,
    exchange::Exchange,
    live::Live,
    store::{Store, StoreError},
    twilio::{
        Urls,
        rest::{Answer, Rest, RestError},
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
    /// The demo's house cannot be written.
    #[error("the demo's people could not be written: {0}")]
    Seed(#[from] ApiError),
    /// The carrier did not take our settings.
    #[error("the carrier could not be set up: {0}")]
    Carrier(String),
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
    let keys = Keys::new(&config.secret()?);
    let passwords = Passwords::new(config.password_kib);

    let ours = config.make_room()?;
    let store = Store::open(&config.database_url).await?;
    let seeded = if config.seed_demo {
        Some(seed::demo(&store, &passwords).await?)
    } else {
        None
    };
    let live = Live::memory(board(&store).await?, clock.now());
    let desk = desk(&store).await?;
    let caller_id = match &seeded {
        Some(number) => number.clone(),
        None => store.numbers().await?.into_iter().next().map_or_else(
            || {
                seed::DEMO_NUMBER
                    .parse()
                    .expect("the demo's number is a number")
            },
            |row| row.number,
        ),
    };
    let (exchange, looks) = Exchange::open(store, live, clock, keys, desk).await?;

    let tasks = TaskTracker::new();
    let app = App::new(Parts {
        exchange: exchange.clone(),
        passwords,
        urls: Urls::new(&twilio),
        verifier: Verifier::new(&twilio),
        twilio,
        caller_id: caller_id.clone(),
        public_url,
        stop: stop.clone(),
    });
    let router = http::router(app.clone());
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
        point_at_us(&rest, &app, number)
            .await
            .map_err(StartError::Carrier)?;
    }
    tasks.spawn(reconcile::run(
        exchange.clone(),
        rest.clone(),
        looks,
        stop.clone(),
    ));
    tasks.spawn(
        stop.clone()
            .run_until_cancelled_owned(emergency::watch_address(
                exchange.clone(),
                rest.clone(),
                caller_id.clone(),
            )),
    );
    tasks.spawn(Dispatcher::new(exchange.clone(), rest, caller_id).run(stop.clone()));
    tasks.spawn(dispatch::keep_time(exchange.clone(), stop.clone()));
    tasks.spawn(app.watch_pages());
    tasks.spawn(
        stop.run_until_cancelled_owned(forget(exchange.store().clone(), exchange.clock().clone())),
    );
    let closing = exchange.store().clone();
    tasks.close();
    let closed = tokio::spawn(async move {
        tasks.wait().await;
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

/// Buys the demo's number if the account does not have it, and points it and the app at this server.
async fn point_at_us(rest: &Rest, app: &App, number: &Phone) -> Result<(), String> {
    fn done<T: std::fmt::Debug>(what: &str, answer: Answer<T>) -> Result<T, String> {
        match answer {
            Answer::Done(value) => Ok(value),
            other => Err(format!("{what}: {other:?}")),
        }
    }
    let owned = done("listing numbers", rest.numbers().await)?
        .into_iter()
        .find(|n| n.phone == *number);
    let owned = match owned {
        Some(owned) => owned,
        None => done("buying the number", rest.buy_number(number).await)?,
    };
    done("pointing the number", rest.point_number(&owned).await)?;
    done(
        "pointing the app",
        rest.update_application(&app.twilio.app_sid).await,
    )?;
    Ok(())
}

/// The board as the store has it.
async fn board(store: &Store) -> Result<Board, StoreError> {
    // Position first: a commit in between is then applied twice, which is harmless, and not missed.
    let (epoch, rev) = store.board_position().await?;
    let people = store
        .people()
        .await?
        .into_iter()
        .filter(|p| p.active)
        .map(|p| Person {
            id: p.id,
            extension: p.extension.as_str().into(),
            name: p.name,
            identity: p.id.to_string().as_str().into(),
            presence: p.presence,
            phone: PhonePage::Unknown,
            fallback: p.fallback.is_some(),
            calls: Vec::new(),
        })
        .collect();
    let slots = store
        .slots()
        .await?
        .into_iter()
        .map(|s| Slot {
            id: s.id,
            name: s.name,
            call: None,
            deadline: None,
        })
        .collect();
    let queues = store
        .queues()
        .await?
        .into_iter()
        .map(|q| Queue {
            id: q.id,
            name: q.name,
            calls: Vec::new(),
        })
        .collect();
    let calls = store.open_calls().await?.iter().map(Card::of).collect();
    Ok(Board::new(Snapshot {
        epoch,
        rev,
        people,
        calls,
        slots,
        queues,
    }))
}

/// How the desk works.
async fn desk(store: &Store) -> Result<Desk, StoreError> {
    let queue: Option<QueueId> = store.queues().await?.into_iter().next().map(|q| q.id);
    let default = Desk::default();
    let number = async |key: &str, default: i64| {
        let Some(text) = store.setting(key).await? else {
            return Ok(default);
        };
        let read = text.parse().ok().filter(|ms| *ms > 0);
        Ok::<i64, StoreError>(read.unwrap_or_else(|| {
            tracing::warn!(
                key,
                default,
                "a setting is not a time in milliseconds, and is passed over"
            );
            default
        }))
    };
    Ok(Desk {
        queue: queue.unwrap_or(default.queue),
        second: store
            .setting("second")
            .await?
            .map(|list| list.split(' ').filter_map(|u| u.parse().ok()).collect())
            .unwrap_or_default(),
        ring_ms: number("ring_ms", default.ring_ms).await?,
        return_ms: number("return_ms", default.return_ms).await?,
        park_ms: number("park_ms", default.park_ms).await?,
        hold_ms: number("hold_ms", default.hold_ms).await?,
    })
}
