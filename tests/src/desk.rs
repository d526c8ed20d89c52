//! A desk in this process: the twin, and a server that works with it, on one clock unless a test says otherwise.
//!
//! For tests that look inside, or need a clock that runs faster than the wall's. Where it matters what people
//! type and see, [`crate::house`] starts the same as processes. No assertion about Cordboard's behaviour
//! belongs here.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use cordboard_core::{ids::UserId, policy::Role};
use cordboard_server::{
    Config, Running, TwilioSettings,
    auth::Passwords,
    seed::{self, DEMO_PEOPLE},
    store::{NewPerson, Store},
};
use cordboard_twin::{Twin, TwinConfig};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::backends::TestDatabase;

/// What a desk is to be.
pub struct Plan<'a> {
    /// Where it keeps things.
    pub database: TestDatabase,
    /// The carrier, with the clock that everybody goes by.
    pub carrier: TwinConfig,
    /// How much faster than the wall's that clock runs.
    pub scale: f64,
    /// Who of the demo's people may work every call; Ada always may.
    pub operators: &'a [u32],
    /// What is set before the doors open.
    pub settings: &'a [(&'a str, &'a str)],
    /// What a password costs, in KiB.
    pub password_kib: u32,
    /// An empty house: nobody works here yet, and the server has printed a set-up code.
    pub empty: bool,
    /// How many requests a minute each may make.
    pub requests_per_minute: u32,
}

impl Plan<'_> {
    /// A server whose first administrator has yet to come.
    #[must_use]
    pub fn empty(database: TestDatabase) -> Self {
        Self {
            database,
            carrier: TwinConfig::default(),
            scale: 1.0,
            operators: &[],
            settings: &[],
            password_kib: 64,
            empty: true,
            requests_per_minute: 60_000,
        }
    }
}

/// The demo's house, open. It closes when it is dropped.
pub struct Desk {
    /// The carrier.
    pub twin: Twin,
    /// The server.
    pub server: Running,
    /// Stops all of it, and whatever else is started with it.
    pub stop: CancellationToken,
    /// By how much the server's clock is ahead of the carrier's, in milliseconds.
    ahead: Arc<AtomicI64>,
    _folder: TempDir,
    _database: TestDatabase,
}

impl Desk {
    /// Opens the doors.
    ///
    /// # Panics
    /// If they stay shut.
    pub async fn open(plan: Plan<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stop = CancellationToken::new();
        let twin = cordboard_twin::serve(plan.carrier, stop.clone())
            .await
            .expect("the twin starts");
        let store = Store::open(plan.database.url())
            .await
            .expect("the database can be opened");
        if !plan.empty {
            furnish(&store, plan.operators, plan.password_kib).await;
        }
        for (key, value) in plan.settings {
            store
                .set_setting(key, value)
                .await
                .expect("a setting can be written");
        }
        store.close().await;
        let credentials = twin.credentials().clone();
        let config = Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            public_url: None,
            fallback_url: None,
            database_url: plan.database.url().to_owned(),
            redis_url: None,
            previous_secret: None,
            // Tests say where they come from as a proxy would.
            trusted_proxies: vec!["127.0.0.0/8".parse().expect("a network")],
            requests_per_minute: plan.requests_per_minute,
            secret: None,
            data_dir: folder.path().to_owned(),
            twilio: TwilioSettings {
                api_base: twin.url().parse().expect("the twin has an address"),
                account_sid: credentials.account_sid,
                auth_token: credentials.auth_token.into(),
                secondary_auth_token: None,
                api_key: credentials.api_key,
                api_secret: credentials.api_secret.into(),
                app_sid: credentials.app_sid,
            },
            seed_demo: !plan.empty,
            password_kib: plan.password_kib,
        };
        let (of_twin, ahead) = (twin.clock().clone(), Arc::new(AtomicI64::new(0)));
        let more = ahead.clone();
        let now = move || of_twin.now_ms() + more.load(Ordering::SeqCst);
        let clock = cordboard_server::Clock::from_fn(now, plan.scale);
        // Boxed: a server that starts is large, and desks are opened deep within other futures.
        let server = Box::pin(cordboard_server::serve(config, clock, stop.clone()))
            .await
            .expect("the server starts");
        Self {
            twin,
            server,
            stop,
            ahead,
            _folder: folder,
            _database: plan.database,
        }
    }

    /// So much later it is for the server from now on, as for a machine that has slept; the carrier's time goes on as it
    /// did.
    pub fn later(&self, ms: i64) {
        self.ahead.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn furnish(store: &Store, operators: &[u32], password_kib: u32) {
    seed::demo(store, &Passwords::new(password_kib))
        .await
        .expect("the demo's people move in");
    for person in DEMO_PEOPLE.iter().filter(|p| operators.contains(&p.id)) {
        let id = UserId(person.id);
        let hash = store.password_hash(id).await.expect("people can be read");
        let operator = NewPerson {
            id,
            name: person.name.into(),
            email: person.email.parse().expect("an address"),
            extension: person.extension.parse().expect("an extension"),
            role: Role::Operator,
            password_hash: hash.expect("the demo's people have passwords"),
            ..NewPerson::default()
        };
        store
            .upsert_person(&operator)
            .await
            .expect("a person can be written");
    }
}
