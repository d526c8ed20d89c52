//! The demo: a whole switchboard in one process. A server on an embedded database, the twin as its carrier, and
//! a cast of colleagues and callers.
//!
//! Nothing is simulated inside the server: it speaks to the twin as it would to the carrier, over sockets, and
//! the cast speaks to both from outside. With `main`, this is the only place that knows the server and the
//! twin. It must not know how a call works.
//!
//! Read next: `demo/cast.rs`, `demo/twin.rs` (the twin alone, and its controls).

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use cordboard::{
    cli::{Exit, Failure, Out, args::DemoArgs},
    client::{self, Password, address},
    clock::Clock,
    preferences::Likes,
    run::ConsoleOptions,
};
use cordboard_core::api::SessionKind;
use cordboard_server::{Config, Running, TwilioSettings};
use cordboard_twin::{Credentials, Twin, TwinConfig, control};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use url::Url;

use cast::{Cast, CastConfig};

mod cast;
mod people;
pub(crate) mod twin;

/// How long everybody may take to go home. What is not done by then is cut off.
const CLOSING: Duration = Duration::from_millis(1_700);
/// How long the phones may take to be ready before we say so anyway.
const READY: Duration = Duration::from_secs(5);
/// Everybody's password is known, so a strong hash would protect nothing and cost the start half a second.
const PASSWORD_KIB: u32 = 512;

/// Where the database and the log are: a folder of the user's, or one that is removed at the end.
enum Folder {
    Kept(PathBuf),
    Fresh(TempDir),
}

impl Folder {
    fn open(wanted: Option<&Path>) -> Result<Self, Failure> {
        match wanted {
            Some(dir) => match std::fs::create_dir_all(dir).and_then(|()| std::path::absolute(dir))
            {
                Ok(dir) => Ok(Self::Kept(dir)),
                Err(e) => Err(failed(format!(
                    "The folder {} cannot be used: {e}.",
                    dir.display()
                ))),
            },
            None => tempfile::Builder::new()
                .prefix("cordboard-demo-")
                .tempdir()
                .map(Self::Fresh)
                .map_err(|e| {
                    failed(format!(
                        "No temporary folder can be made: {e}. Say --data-dir."
                    ))
                }),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(dir) => dir,
            Self::Fresh(dir) => dir.path(),
        }
    }
}

fn failed(why: impl std::fmt::Display) -> Failure {
    Failure::refused("demo", why)
}

/// A demo that runs.
struct House {
    twin: Twin,
    server: Running,
    cast: Cast,
    stop: Stops,
    log: PathBuf,
    /// Last: removed when everything that writes into it is gone.
    folder: Folder,
}

/// Who is told to stop in which order: a server that hangs up its callers' legs should still find its carrier.
#[derive(Default)]
struct Stops {
    cast: CancellationToken,
    server: CancellationToken,
    twin: CancellationToken,
}

impl House {
    async fn open(args: &DemoArgs) -> Result<Self, Failure> {
        let folder = Folder::open(args.data_dir.as_deref())?;
        let log = folder.path().join("cordboard.log");
        log_to(&log)?;
        let stop = Stops::default();
        let seed = args
            .seed
            .unwrap_or_else(|| rand::make_rng::<StdRng>().random());
        // Logged, so that a strange day can be had again.
        tracing::info!(seed, "the demo begins");

        let credentials = if args.seed.is_some() {
            Credentials::from_seed(seed)
        } else {
            Credentials::random()
        };
        let config = TwinConfig {
            seed,
            credentials,
            ..TwinConfig::default()
        };
        let twin = cordboard_twin::serve(config, stop.twin.clone())
            .await
            .map_err(|e| failed(format!("{e}.")))?;
        let config = server_config(args, folder.path(), &twin)?;
        let server = cordboard_server::serve(config, clock_of(&twin), stop.server.clone()).await;
        let server =
            server.map_err(|e| failed(format!("The demo's server does not start: {e}")))?;
        let config = CastConfig {
            server: server.url.clone(),
            twin: twin.control(),
            clock: Some(twin.clock().clone()),
            seed,
            calls_per_minute: args.calls_per_minute,
            number: args.number.clone().or_else(|| server.number.clone()),
        };
        let cast = Cast::start(config, stop.cast.clone()).await;
        Ok(Self {
            twin,
            server,
            cast,
            stop,
            log,
            folder,
        })
    }

    /// The line that says everything a script needs.
    fn ready_line(&self) -> Value {
        let credentials = self.twin.credentials();
        json!({
            "ready": true,
            "url": address(&self.server.url),
            "twin": self.twin.url(),
            "phone": self.server.url.join("phone").ok().map(|url| url.to_string()),
            "telephone": self.twin.telephone_url(),
            "operator": self.server.operator.as_ref().map(|(email, password)| json!({ "email": email, "password": password })),
            "number": self.server.number,
            "account_sid": credentials.account_sid,
            "auth_token": credentials.auth_token,
        })
    }

    /// Sends everybody home, in order, and tidies up.
    async fn close(self) {
        let Self {
            twin,
            server,
            cast,
            stop,
            folder,
            ..
        } = self;
        let closing = async {
            stop.cast.cancel();
            cast.join().await;
            stop.server.cancel();
            server.join().await;
            stop.twin.cancel();
            twin.stopped().await;
        };
        if tokio::time::timeout(CLOSING, closing).await.is_err() {
            tracing::warn!("not everything had stopped in time");
        }
        for token in [&stop.cast, &stop.server, &stop.twin] {
            token.cancel();
        }
        drop(folder);
    }
}

fn server_config(args: &DemoArgs, folder: &Path, twin: &Twin) -> Result<Config, Failure> {
    let credentials = twin.credentials().clone();
    let api_base: Url = twin.url().parse().map_err(|e| failed(format!("{e}.")))?;
    Ok(Config {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, args.port)),
        public_url: None,
        fallback_url: None,
        database_url: format!("sqlite:{}", folder.join("cordboard.db").display()),
        redis_url: None,
        previous_secret: None,
        trusted_proxies: Vec::new(),
        requests_per_minute: cordboard_server::config::REQUESTS_PER_MINUTE,
        secret: None,
        data_dir: folder.to_owned(),
        twilio: TwilioSettings {
            api_base,
            account_sid: credentials.account_sid,
            auth_token: credentials.auth_token.into(),
            secondary_auth_token: None,
            api_key: credentials.api_key,
            api_secret: credentials.api_secret.into(),
            app_sid: credentials.app_sid,
        },
        seed_demo: true,
        password_kib: PASSWORD_KIB,
    })
}

/// The server's clock, which is the twin's: they and the cast agree on the time.
fn clock_of(twin: &Twin) -> cordboard_server::Clock {
    let clock = twin.clock().clone();
    let scale = clock.scale();
    cordboard_server::Clock::from_fn(move || clock.now_ms(), scale)
}

/// Everything that is said goes into a file: the screen is the console's.
fn log_to(path: &Path) -> Result<(), Failure> {
    let wrong = |e: io::Error| {
        failed(format!(
            "The log {} cannot be written: {e}.",
            path.display()
        ))
    };
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(wrong)?;
    let filter = tracing_subscriber::EnvFilter::try_from_env("CORDBOARD_LOG")
        .unwrap_or_else(|_| "info".into());
    // A second subscriber in one process is refused: then somebody else is listening already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(file))
        .try_init();
    Ok(())
}

/// Runs the demo, whichever of its three forms is asked for.
pub(crate) async fn run(
    args: DemoArgs,
    url: Option<Url>,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    if args.cast {
        return run_cast(args, url, out).await;
    }
    let mut quit = Quit::listen()?;
    let mut house = House::open(&args).await?;
    let result = if args.headless {
        headless(&mut house, &mut quit, out).await
    } else {
        console(&house).await
    };
    house.close().await;
    result
}

/// Says that everything is ready, and waits for a signal.
async fn headless(house: &mut House, quit: &mut Quit, out: &mut Out<'_>) -> Result<(), Failure> {
    tokio::select! {
        ready = tokio::time::timeout(READY, house.cast.ready()) => {
            if ready.is_err() {
                tracing::warn!("not every phone was ready in time");
            }
            out.json(&house.ready_line())?;
            quit.wait().await;
        }
        () = quit.wait() => {}
    }
    Ok(())
}

/// The console, signed in as the operator, over the demo that runs beneath it.
async fn console(house: &House) -> Result<(), Failure> {
    let (email, password) = house
        .server
        .operator
        .clone()
        .ok_or_else(|| failed("The demo has no operator."))?;
    let password = Password {
        email,
        password: password.into(),
        device: "The demo".to_owned(),
        kind: SessionKind::Console,
    };
    let url = house.server.url.clone();
    // Nobody else has them, and they are gone with the demo.
    let credentials = client::Credentials::password(url, Clock::system(), password)?;
    let options = ConsoleOptions {
        leaving_ends_all: true,
        ..ConsoleOptions::new(credentials, Likes::look(), house.log.clone())
    };
    crate::open_console(options).await
}

/// Only the people, for a server and a twin elsewhere.
async fn run_cast(args: DemoArgs, url: Option<Url>, out: &mut Out<'_>) -> Result<(), Failure> {
    let usage = |why| Failure::new(Exit::Usage, "usage", why);
    let server =
        url.ok_or_else(|| usage("Say which server: cordboard demo --cast --url URL --twin URL."))?;
    let twin = args
        .twin
        .ok_or_else(|| usage("Say which twin: cordboard demo --cast --url URL --twin URL."))?;
    let mut quit = Quit::listen()?;
    crate::log_to_stderr();
    let stop = CancellationToken::new();
    let config = CastConfig {
        server,
        twin: control::Client::new(address(&twin)),
        clock: None,
        seed: args
            .seed
            .unwrap_or_else(|| rand::make_rng::<StdRng>().random()),
        calls_per_minute: args.calls_per_minute,
        number: args.number,
    };
    let mut cast = Cast::start(config, stop.clone()).await;
    tokio::select! {
        () = cast.ready() => {
            out.say(&json!({ "ready": true }), ["Everybody is at their phone."])?;
            quit.wait().await;
        }
        () = quit.wait() => {}
    }
    stop.cancel();
    let _ = tokio::time::timeout(CLOSING, cast.join()).await;
    Ok(())
}

/// The two signals that end a program which has no screen.
pub(crate) struct Quit {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Quit {
    /// Listens from now on. Before anything is started, so that a signal during the start is not lost.
    pub(crate) fn listen() -> Result<Self, Failure> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let on = |kind| {
                signal(kind).map_err(|e| failed(format!("Signals cannot be received: {e}.")))
            };
            Ok(Self {
                terminate: on(SignalKind::terminate())?,
                interrupt: on(SignalKind::interrupt())?,
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for one.
    pub(crate) async fn wait(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}
