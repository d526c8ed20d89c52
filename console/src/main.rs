//! The binary `cordboard`: reads what was typed and hands it to whoever does it.
//!
//! The verbs that work the desk are the library's ([`cordboard::cli`]). Those that run a server or the twin are
//! here and in `demo`, the only places that know both. It must not hold any knowledge of its own beyond where
//! settings come from.
//!
//! Read next: [`cordboard::cli::args`].

use std::{
    env,
    future::Future,
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Parser;
use cordboard::{
    cli::{
        self, Exit, Failure, Out,
        args::{Cli, ServeArgs, TwinVerb, Verb},
        session::{Environment, SessionError},
    },
    client::{Credentials, address},
    door::{self, run::DoorOptions},
    preferences::Likes,
    run::{self, ConsoleError, ConsoleOptions, ExitReason, Stage},
};
use cordboard_server::Settings;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;
use url::Url;

use demo::Quit;

mod demo;

/// How long a console waits for a word on whether its sign-in goes on, before it opens without one.
const GREETING: Duration = Duration::from_secs(3);
/// How long a server that is told to stop may take. Longer than its own grace.
const STOPPING: Duration = Duration::from_secs(8);

fn main() -> ExitCode {
    // One TLS provider for every client in the process; a second call would only say that it is there.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (mut stdout, mut stderr) = (std::io::stdout(), std::io::stderr());
    let asked_for_json = env::args_os().any(|a| a == "--json");
    let mut out = Out {
        json: asked_for_json,
        terminal: std::io::stdout().is_terminal(),
        out: &mut stdout,
        err: &mut stderr,
    };
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => return ExitCode::from(misunderstood(&e, &mut out) as u8),
    };
    let exit = match work(cli, &mut out) {
        Ok(exit) => exit,
        Err(failure) => out.fail(&failure),
    };
    ExitCode::from(exit as u8)
}

/// Help and version are printed as they are; wrong usage also as JSON, where that was asked for.
fn misunderstood(error: &clap::Error, out: &mut Out<'_>) -> Exit {
    let _ = error.print();
    if !error.use_stderr() {
        return Exit::Done;
    }
    if out.json {
        let why = error.to_string();
        let why = why
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ");
        let _ = out.json(&json!({ "error": { "code": "usage", "why": why } }));
    }
    Exit::Usage
}

fn work(cli: Cli, out: &mut Out<'_>) -> Result<Exit, Failure> {
    let env = Environment::read();
    let url = cli.common.url.clone();
    match cli.verb {
        Some(Verb::Demo(mut args)) => {
            // With --cast the server may also be the one in the environment; the demo proper has its own.
            let url = if args.cast {
                args.twin = env.twin(args.twin)?;
                env.server(url.as_ref())?
            } else {
                None
            };
            many(demo::run(args, url, out))
        }
        Some(Verb::Serve(args)) => many(serve(args, out)),
        Some(Verb::Twin { verb, twin }) => {
            // One that is started has no use for another's address.
            let twin = match verb {
                TwinVerb::Serve { .. } => twin,
                _ => env.twin(twin)?,
            };
            many(demo::twin::run(verb, twin, out))
        }
        Some(Verb::Console(args)) => many(console(&env, url.as_ref(), args.plain)),
        None => many(console(&env, url.as_ref(), false)),
        Some(verb) => Ok(one()?.block_on(cli::run(
            Cli {
                verb: Some(verb),
                ..cli
            },
            &env,
            out,
        ))),
    }
}

/// A runtime on this thread: a question and its answer need no more, and it is there at once.
fn one() -> Result<Runtime, Failure> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Runs something that serves or draws on a runtime with a thread a core. What is left of it at the end is cut
/// off.
fn many(task: impl Future<Output = Result<(), Failure>>) -> Result<Exit, Failure> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(task);
    runtime.shutdown_timeout(Duration::from_millis(200));
    result.map(|()| Exit::Done)
}

/// The backend alone, until a signal.
async fn serve(args: ServeArgs, out: &mut Out<'_>) -> Result<(), Failure> {
    let wrong = |e: cordboard_server::ConfigError| Failure::new(Exit::Usage, "settings", e);
    let mut quit = Quit::listen()?;
    let settings = match &args.config {
        Some(file) => Settings::from_file(file).map_err(wrong)?,
        None => Settings::default(),
    };
    let config = over(settings, args)?.complete().map_err(wrong)?;
    log_to_stderr();
    let twilio = config.twilio.clone();
    let stop = CancellationToken::new();
    let starting = cordboard_server::serve(config, cordboard_server::Clock::system(), stop.clone());
    let running = tokio::select! {
        running = starting => running.map_err(|e| Failure::refused("serve", format!("The server does not start: {e}")))?,
        () = quit.wait() => return Ok(()),
    };
    let operator = running
        .operator
        .as_ref()
        .map(|(email, password)| json!({ "email": email, "password": password }));
    let ready = json!({
        "ready": true,
        "url": address(&running.url),
        "twin": null,
        "phone": null,
        "operator": operator,
        "number": running.number,
        // Whoever has it becomes the first administrator; null once there is one.
        "setup_code": running.setup_code.as_ref().map(ExposeSecret::expose_secret),
        "account_sid": twilio.account_sid,
        // Only the demo's own twin has a token that may be printed.
        "auth_token": null,
    });
    let mut lines = vec![format!("Cordboard serves on {}.", address(&running.url))];
    if let (Some((email, password)), Some(number)) = (&running.operator, &running.number) {
        lines.push(format!(
            "Demo: sign in as {email} with the password “{password}”; {number} leads to the desk."
        ));
    }
    if let Some(code) = &running.setup_code {
        lines.push(format!(
            "Nobody works here yet. Whoever has this code becomes the first administrator: {}",
            code.expose_secret()
        ));
        lines.push("Type it in the console (cordboard), or: cordboard admin create".to_owned());
    }
    out.say(&ready, lines)?;
    quit.wait().await;
    stop.cancel();
    let _ = tokio::time::timeout(STOPPING, running.join()).await;
    Ok(())
}

/// Flags over the environment over the file.
fn over(mut settings: Settings, args: ServeArgs) -> Result<Settings, Failure> {
    fn said(name: &str) -> Option<String> {
        env::var(name).ok().filter(|v| !v.trim().is_empty())
    }
    fn read<T: std::str::FromStr>(name: &'static str) -> Result<Option<T>, Failure> {
        said(name)
            .map(|text| {
                text.trim().parse().map_err(|_| {
                    Failure::new(
                        Exit::Usage,
                        "settings",
                        format!("{name} is set to “{text}”, which cannot be read."),
                    )
                })
            })
            .transpose()
    }
    fn put<T>(setting: &mut Option<T>, said: Option<T>) {
        if said.is_some() {
            *setting = said;
        }
    }
    let secret = |name: &str| said(name).map(SecretString::from);
    put(
        &mut settings.listen,
        args.listen
            .map_or_else(|| read("CORDBOARD_LISTEN"), |a| Ok(Some(a)))?,
    );
    put(
        &mut settings.public_url,
        args.public_url
            .map_or_else(|| read("CORDBOARD_PUBLIC_URL"), |u| Ok(Some(u)))?
            .map(String::from),
    );
    put(
        &mut settings.fallback_url,
        read::<Url>("CORDBOARD_FALLBACK_URL")?.map(String::from),
    );
    put(&mut settings.secret, secret("CORDBOARD_SECRET"));
    put(
        &mut settings.previous_secret,
        secret("CORDBOARD_PREVIOUS_SECRET"),
    );
    if let Some(list) = said("CORDBOARD_TRUSTED_PROXIES") {
        settings.trusted_proxies = cordboard_server::config::networks(&list)
            .map_err(|why| Failure::new(Exit::Usage, "settings", why))?;
    }
    put(
        &mut settings.requests_per_minute,
        read("CORDBOARD_REQUESTS_PER_MINUTE")?,
    );
    put(
        &mut settings.data_dir,
        args.data_dir
            .or_else(|| said("CORDBOARD_DATA_DIR").map(PathBuf::from)),
    );
    put(
        &mut settings.database_url,
        args.database_url.or_else(|| said("DATABASE_URL")),
    );
    put(
        &mut settings.redis_url,
        args.redis_url.or_else(|| said("REDIS_URL")),
    );
    put(
        &mut settings.twilio_api_base,
        args.twilio_api_base
            .map_or_else(|| read("TWILIO_API_BASE"), |u| Ok(Some(u)))?
            .map(String::from),
    );
    put(&mut settings.twilio_account_sid, said("TWILIO_ACCOUNT_SID"));
    put(&mut settings.twilio_auth_token, secret("TWILIO_AUTH_TOKEN"));
    put(
        &mut settings.twilio_secondary_auth_token,
        secret("TWILIO_SECONDARY_AUTH_TOKEN"),
    );
    put(&mut settings.twilio_api_key, said("TWILIO_API_KEY"));
    put(&mut settings.twilio_api_secret, secret("TWILIO_API_SECRET"));
    put(&mut settings.twilio_app_sid, said("TWILIO_APP_SID"));
    settings.seed_demo |= args.seed_demo;
    Ok(settings)
}

/// The console for whoever is signed in. Its screen is taken, so its log is a file.
async fn console(env: &Environment, url: Option<&Url>, plain: bool) -> Result<(), Failure> {
    if plain {
        return Err(Failure::new(
            Exit::Usage,
            "usage",
            "The console has no plain mode yet. Use cordboard watch, and the call verbs.",
        ));
    }
    let (mut credentials, mut server, nobody) = match env.signed_in(url) {
        Ok(credentials) if !ended(&credentials).await => (Some(credentials), None, None),
        Ok(credentials) => {
            let server = credentials.url().clone();
            let nobody = SessionError::SignedOutThere(server.clone());
            (None, Some(server), Some(nobody))
        }
        Err(SessionError::SignedOutThere(server)) => {
            let nobody = SessionError::SignedOutThere(server.clone());
            (None, Some(server), Some(nobody))
        }
        Err(nobody @ SessionError::SignedOut) => (None, None, Some(nobody)),
        Err(e) => return Err(e.into()),
    };
    let beside = env.file.as_deref().and_then(Path::parent);
    let log = console_log(beside).map_err(|e| {
        Failure::refused(
            "console",
            format!("The console's log cannot be written: {e}."),
        )
    })?;
    let failed = |e: ConsoleError| Failure::refused("console", e);
    // One screen for the door and the board: two who read the same keys would share them out.
    let mut stage = match (Stage::take(true), nobody) {
        (Ok(stage), _) => stage,
        // Where nothing can be typed, what to type elsewhere is said.
        (Err(ConsoleError::NoTerminal(_)), Some(nobody)) => return Err(nobody.into()),
        (Err(e), _) => return Err(failed(e)),
    };
    // From the door to the board, and back to the door where the sign-in ends meanwhile.
    loop {
        // Once for both of them, and anew for whoever comes back: the board may have kept something meanwhile.
        let likes = Likes::look();
        let options = if let Some(credentials) = credentials.take() {
            ConsoleOptions::new(credentials, likes, log.clone())
        } else {
            let door = DoorOptions::new(
                server.take(),
                likes.as_ref().and_then(Likes::theme),
                log.clone(),
            );
            let came = door::run(&mut stage, door).await.map_err(failed)?;
            let Some(came) = came else {
                return Ok(());
            };
            let asked = cordboard::clock::Clock::system().now();
            env.keep(&came.url, came.tokens, asked).await?;
            let mut options =
                ConsoleOptions::new(env.signed_in(Some(&came.url))?, likes, log.clone());
            (options.theme, options.mouse) = (came.theme, came.mouse);
            options
        };
        server = Some(options.credentials.url().clone());
        match run::console_on(&mut stage, options).await {
            Ok(ExitReason::SignedOut) => {}
            Ok(_) => return Ok(()),
            Err(e) => {
                // The screen first: what is said then stays readable.
                drop(stage);
                return Err(failed(e));
            }
        }
    }
}

/// Whether the server says that the sign-in has ended. One that cannot be reached says nothing: the console waits
/// for it, and shows that it does.
async fn ended(credentials: &Credentials) -> bool {
    let asked = tokio::time::timeout(GREETING, credentials.access()).await;
    matches!(asked, Ok(Err(why)) if why.signed_out())
}

async fn open_console(options: ConsoleOptions) -> Result<(), Failure> {
    match run::console(options).await {
        Ok(_) => Ok(()),
        Err(e) => Err(Failure::refused("console", e)),
    }
}

/// Listens for the console's log: in a folder that is the user's own, beside the token file; where that cannot
/// be, in a fresh temporary file. Only its owner can read it.
fn console_log(folder: Option<&Path>) -> std::io::Result<PathBuf> {
    let open = |folder: &Path| {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
        let path = folder.join("console.log");
        let mut options = std::fs::OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        std::io::Result::Ok((options.open(&path)?, path))
    };
    let kept = folder.map(open).and_then(std::io::Result::ok);
    let (file, path) = if let Some(kept) = kept {
        kept
    } else {
        let file = tempfile::Builder::new()
            .prefix("cordboard-console-")
            .suffix(".log")
            .tempfile()?;
        file.keep()?
    };
    // A second subscriber in one process is refused: then somebody else is listening already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter("info"))
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(file))
        .try_init();
    Ok(path)
}

/// What is worth a line, if CORDBOARD_LOG does not say otherwise.
fn filter(usual: &str) -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::try_from_env("CORDBOARD_LOG").unwrap_or_else(|_| usual.into())
}

/// Warnings go to standard error, for programs that run without a screen.
fn log_to_stderr() {
    // A second subscriber in one process is refused: then somebody else is listening already.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter("warn"))
        // Colours are for a terminal; a file is read with other tools.
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_goes_before_the_file() {
        let file = Settings {
            listen: "127.0.0.1:1".parse().ok(),
            public_url: Some("https://file.example".to_owned()),
            database_url: Some("sqlite:file.db".to_owned()),
            redis_url: Some("redis://file".to_owned()),
            twilio_api_base: Some("https://file.example".to_owned()),
            ..Settings::default()
        };
        let args = ServeArgs {
            listen: "127.0.0.1:2".parse().ok(),
            public_url: "https://flag.example".parse().ok(),
            database_url: Some("sqlite:flag.db".to_owned()),
            redis_url: Some("redis://flag".to_owned()),
            twilio_api_base: "https://flag.example".parse().ok(),
            seed_demo: true,
            ..ServeArgs::default()
        };
        let settings = over(file, args).unwrap();
        assert_eq!(settings.listen.unwrap().port(), 2);
        let set = [
            settings.public_url,
            settings.database_url,
            settings.redis_url,
            settings.twilio_api_base,
        ]
        .map(Option::unwrap);
        assert_eq!(
            set,
            [
                "https://flag.example/",
                "sqlite:flag.db",
                "redis://flag",
                "https://flag.example/"
            ]
        );
        assert!(settings.seed_demo);
    }

    #[cfg(unix)]
    #[test]
    fn the_consoles_log_is_its_owners_and_has_a_place_without_a_home() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let kept = console_log(Some(&home.path().join("cordboard"))).unwrap();
        assert_eq!(kept, home.path().join("cordboard/console.log"));
        let file = home.path().join("file");
        std::fs::write(&file, "no folder").unwrap();
        let fresh = console_log(Some(&file)).unwrap();
        for path in [&kept, &fresh] {
            let mode = std::fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
        std::fs::remove_file(fresh).unwrap();
    }
}
