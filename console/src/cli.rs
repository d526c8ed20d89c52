//! The verbs that work the desk from a script: each is one question to the server's API and its answer, as text
//! for people or JSON for programs.
//!
//! Shapes and exit codes are a contract (docs: the command line). Everything printed has lost its control
//! characters, also in JSON, where they are written as escapes. Nothing here decides what a call may do: the
//! server does, and its sentence is handed on.
//!
//! Read next: `cli/args.rs` (what can be typed), `cli/act.rs` (what changes a call), `cli/sign.rs` (who comes in
//! and goes), `cli/people.rs`, `cli/house.rs`, `cli/watch.rs`, `cli/show.rs` (text).

use std::{
    fmt::Display,
    io::{self, Write},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::CommandFactory;
use cordboard_core::{api::FieldError, ids::Timestamp};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::client::{Client, ClientError, StoreError, address};
use args::{AdminVerb, CallVerb, Cli, Verb};
use session::{Environment, SessionError};
use show::Names;

mod act;
pub mod args;
mod ask;
mod audit;
mod house;
mod pair;
mod people;
pub mod session;
pub mod show;
mod sign;
mod until;
mod watch;

/// How a run ends. The numbers are the contract's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Refused, or failed.
    Refused = 1,
    /// Wrong usage.
    Usage = 2,
    /// Not signed in, or not allowed.
    NotAllowed = 3,
    /// The server cannot be reached.
    Unreachable = 4,
    /// Sent, outcome unknown.
    Unknown = 5,
}

/// Why a verb did not do what it was asked: an exit code, a word for programs, a sentence for people.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// A short word.
    pub code: String,
    /// A sentence.
    pub why: String,
    /// What is wrong, field by field.
    pub errors: Vec<FieldError>,
    /// What else `--json` prints beside the error.
    pub more: Map<String, Value>,
}

impl Failure {
    /// A failure with nothing beside it.
    pub fn new(exit: Exit, code: &str, why: impl Display) -> Self {
        Self {
            exit,
            code: code.to_owned(),
            why: why.to_string(),
            errors: Vec::new(),
            more: Map::new(),
        }
    }

    /// What was typed makes no sense.
    pub fn usage(why: impl Display) -> Self {
        Self::new(Exit::Usage, "usage", why)
    }

    /// Refused for a reason found here, before the server was asked.
    pub fn refused(code: &str, why: impl Display) -> Self {
        Self::new(Exit::Refused, code, why)
    }

    fn with(mut self, key: &str, value: impl Serialize) -> Self {
        if let Ok(value) = serde_json::to_value(value) {
            self.more.insert(key.to_owned(), value);
        }
        self
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unreachable { .. } => Self::new(Exit::Unreachable, "unreachable", error),
            ClientError::Lost { .. } => Self::new(Exit::Unknown, "unknown", error),
            ClientError::Garbled { .. } => Self::new(Exit::Refused, "garbled", error),
            ClientError::Store(error) => error.into(),
            ClientError::Refused {
                status,
                code,
                why,
                errors,
                retry_after,
            } => {
                let exit = match (status, code.as_str()) {
                    (401 | 403, _) => Exit::NotAllowed,
                    (_, "unknown") => Exit::Unknown,
                    _ => Exit::Refused,
                };
                let failure = Self {
                    errors,
                    ..Self::new(exit, &code, why)
                };
                match retry_after {
                    Some(wait) => failure.with("retry_after", wait.as_secs()),
                    None => failure,
                }
            }
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Exit::Refused, "token-file", error)
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::SignedOut | SessionError::SignedOutThere(_) => {
                Self::new(Exit::NotAllowed, "not-signed-in", error)
            }
            SessionError::Environment(..) => Self::usage(error),
            SessionError::Store(error) => error.into(),
            SessionError::Client(error) => error.into(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // Whoever read us has seen enough (`| head`): that is no failure.
            Self::new(Exit::Done, "closed", "")
        } else {
            Self::new(
                Exit::Refused,
                "io",
                format!("The output cannot be written: {error}."),
            )
        }
    }
}

/// Where a verb prints, and in which of the two languages.
pub struct Out<'a> {
    /// For programs.
    pub json: bool,
    /// Whether standard output is a terminal.
    pub terminal: bool,
    /// Standard output.
    pub out: &'a mut dyn Write,
    /// Standard error.
    pub err: &'a mut dyn Write,
}

impl Out<'_> {
    /// One line of text. Control characters become blanks.
    pub fn line(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(self.out, "{}", show::plain(&text.to_string()))?;
        self.out.flush()
    }

    /// Several lines of text, as a table or a page.
    pub fn lines<T: Display>(&mut self, lines: impl IntoIterator<Item = T>) -> io::Result<()> {
        for line in lines {
            writeln!(self.out, "{}", show::plain(&line.to_string()))?;
        }
        self.out.flush()
    }

    /// One JSON document on a line.
    pub fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        write_json(self.out, value)?;
        self.out.flush()
    }

    /// JSON for programs, or the lines for people.
    pub fn say<T: Display>(
        &mut self,
        value: &impl Serialize,
        lines: impl IntoIterator<Item = T>,
    ) -> io::Result<()> {
        if self.json {
            self.json(value)
        } else {
            self.lines(lines)
        }
    }

    /// Says why it did not work, on standard error and, for programs, on standard output; returns the exit
    /// code.
    pub fn fail(&mut self, failure: &Failure) -> Exit {
        if failure.exit != Exit::Done {
            // Nothing can be done about a standard error that is closed.
            let _ = writeln!(self.err, "{}", show::plain(&failure.why));
            for FieldError { field, why } in &failure.errors {
                let _ = writeln!(self.err, "{}", show::plain(&format!("{field}: {why}")));
            }
            if self.json {
                let mut document = Map::new();
                document.insert(
                    "error".to_owned(),
                    json!({ "code": failure.code, "why": failure.why }),
                );
                if !failure.errors.is_empty() {
                    document.insert("errors".to_owned(), json!(failure.errors));
                }
                document.extend(failure.more.clone());
                let _ = self.json(&document);
            }
        }
        failure.exit
    }
}

/// Writes JSON in which no character can move a cursor: those that `serde_json` lets through are escaped too.
fn write_json(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    struct Inert;
    impl serde_json::ser::Formatter for Inert {
        fn write_string_fragment<W: ?Sized + Write>(
            &mut self,
            to: &mut W,
            fragment: &str,
        ) -> io::Result<()> {
            let mut rest = fragment;
            while let Some(at) = rest.find(show::moves_a_cursor) {
                let (before, after) = rest.split_at(at);
                let c = after.chars().next().unwrap_or_default();
                write!(to, "{before}")?;
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(to, "\\u{unit:04x}")?;
                }
                rest = &after[c.len_utf8()..];
            }
            write!(to, "{rest}")
        }
    }
    let mut line = Vec::new();
    value.serialize(&mut serde_json::Serializer::with_formatter(
        &mut line, Inert,
    ))?;
    line.push(b'\n');
    out.write_all(&line)
}

/// The time by this machine's clock, for durations that people read.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the command line reads the clock; nothing is decided by it"
)]
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Runs a verb that only needs the server's API. Verbs that run things are not for here and are refused.
pub async fn run(cli: Cli, env: &Environment, out: &mut Out<'_>) -> Exit {
    match dispatch(cli, env, out).await {
        Ok(()) => Exit::Done,
        Err(failure) => out.fail(&failure),
    }
}

async fn dispatch(cli: Cli, env: &Environment, out: &mut Out<'_>) -> Result<(), Failure> {
    let url = cli.common.url.as_ref();
    let Some(verb) = cli.verb else {
        return Err(Failure::usage("Say what to do; cordboard --help lists it."));
    };
    match verb {
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "cordboard", &mut script);
            Ok(out.out.write_all(&script)?)
        }
        Verb::Man { dir } => {
            let wrong = |e: io::Error| {
                Failure::refused("io", format!("{} cannot be written: {e}.", dir.display()))
            };
            std::fs::create_dir_all(&dir).map_err(wrong)?;
            clap_mangen::generate_to(Cli::command(), &dir).map_err(wrong)
        }
        Verb::Login(args) => {
            let asks = !args.password_stdin;
            ask::unless_interrupted(asks, sign::login(args, url, env, out)).await
        }
        Verb::Join(args) => {
            let asks = !args.person.password_stdin;
            ask::unless_interrupted(asks, sign::join(args, url, env, out)).await
        }
        Verb::Register(args) => {
            let asks = !args.password_stdin;
            ask::unless_interrupted(asks, sign::register(args, url, env, out)).await
        }
        Verb::Reset(args) => {
            let asks = !args.password_stdin;
            ask::unless_interrupted(asks, sign::reset(args, url, env, out)).await
        }
        Verb::Admin {
            verb: AdminVerb::Create(args),
        } => {
            let asks = !args.person.password_stdin;
            ask::unless_interrupted(asks, sign::create(args, url, env, out)).await
        }
        Verb::Logout => sign::logout(url, env, out).await,
        Verb::Token => {
            let credentials = env.signed_in(url)?;
            let access = credentials.access().await?;
            let (text, url) = (access.expose_secret(), address(credentials.url()));
            let expires_in = credentials.expires_in().await;
            let document = json!({ "token": text, "url": url, "expires_in": expires_in });
            Ok(out.say(&document, [text])?)
        }
        Verb::Demo(_) | Verb::Serve(_) | Verb::Console(_) | Verb::Twin { .. } => Err(
            Failure::usage("This verb runs something; it does not ask a server."),
        ),
        verb => {
            let client = Client::signed_in(env.signed_in(url)?);
            // Boxed: the verbs are many, and the largest would make every other as large.
            Box::pin(signed_in(verb, &client, out)).await
        }
    }
}

/// A verb of somebody who is signed in.
async fn signed_in(verb: Verb, client: &Client, out: &mut Out<'_>) -> Result<(), Failure> {
    match verb {
        Verb::Whoami => sign::whoami(client, out).await,
        Verb::Password(args) => {
            let asks = !args.password_stdin;
            ask::unless_interrupted(asks, sign::password(&args, client, out)).await
        }
        Verb::Sessions { verb } => people::sessions(client, verb.unwrap_or_default(), out).await,
        Verb::Status(args) => people::status(client, args, out).await,
        Verb::Pair { yes } => pair::pair(client, yes, out).await,
        Verb::User { verb } => people::user(client, verb, out).await,
        Verb::Invitation { verb } => people::invitation(client, verb, out).await,
        Verb::Group { verb } => house::group(client, verb, out).await,
        Verb::Slot { verb } => house::slot(client, verb, out).await,
        Verb::Queue { verb } => house::queue(client, verb, out).await,
        Verb::Number { verb } => house::number(client, verb, out).await,
        Verb::Admin { verb } => match verb {
            AdminVerb::Desk { verb } => house::desk(client, verb, out).await,
            AdminVerb::Audit(args) => audit::audit(client, args, out).await,
            AdminVerb::Create(_) => Err(Failure::usage("Nobody is signed in yet for that.")),
        },
        Verb::Board => {
            let board = client.board().await?;
            Ok(if out.json {
                out.json(&board)
            } else {
                out.lines(show::board(&board, now()))
            }?)
        }
        Verb::Watch { since } => watch::watch(client, since, out).await,
        Verb::Call {
            verb: CallVerb::List,
        } => {
            if out.json {
                return Ok(out.json(&json!({ "calls": client.calls().await? }))?);
            }
            let board = client.board().await?;
            Ok(out.lines(show::calls(&board.calls, &Names::of(&board), now()))?)
        }
        Verb::Call {
            verb: CallVerb::Show { call },
        } => {
            let id = act::resolve(client, &call).await?;
            let (card, raw) = client.call(&id).await?;
            if out.json {
                return Ok(out.json(&raw)?);
            }
            let names = Names::of(&client.board().await?);
            Ok(out.lines(show::call(&card, &names, now()))?)
        }
        Verb::Call { verb } => act::call(client, verb, out).await,
        Verb::Dial { to, how, until } => act::dial(client, &to, how, until, out).await,
        Verb::Completions { .. }
        | Verb::Man { .. }
        | Verb::Login(_)
        | Verb::Logout
        | Verb::Token
        | Verb::Join(_)
        | Verb::Register(_)
        | Verb::Reset(_)
        | Verb::Demo(_)
        | Verb::Serve(_)
        | Verb::Console(_)
        | Verb::Twin { .. } => Err(Failure::usage("This verb needs nobody who is signed in.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_cannot_move_a_cursor_and_still_says_the_same() {
        let hostile = "a\u{9b}2J\u{202e}b\u{7f}\u{1b}[0mü";
        let mut line = Vec::new();
        write_json(&mut line, &json!({ "x": hostile })).unwrap();
        let text = String::from_utf8(line).unwrap();
        assert!(
            !text.trim_end().chars().any(show::moves_a_cursor),
            "{text:?}"
        );
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["x"], hostile);
        assert!(text.contains('ü'), "{text}");
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = Out {
            json: true,
            terminal: false,
            out: &mut out,
            err: &mut err,
        }
        .fail(&failure);
        assert_eq!(exit, Exit::Done);
        assert!(out.is_empty() && err.is_empty());
    }

    #[test]
    fn errors_have_the_contracts_codes() {
        let url: url::Url = "http://127.0.0.1:1/".parse().unwrap();
        let coded = |status, code: &str| ClientError::refused(status, code, "No.");
        let refused = |status| coded(status, "x");
        for (error, exit) in [
            (refused(400), Exit::Refused),
            (refused(401), Exit::NotAllowed),
            (refused(403), Exit::NotAllowed),
            (refused(404), Exit::Refused),
            (refused(409), Exit::Refused),
            (refused(422), Exit::Refused),
            (coded(503, "unknown"), Exit::Unknown),
            (ClientError::Lost { why: String::new() }, Exit::Unknown),
            (
                ClientError::Unreachable {
                    url: url.clone(),
                    why: String::new(),
                },
                Exit::Unreachable,
            ),
            (
                ClientError::Garbled {
                    url: url.clone(),
                    what: String::new(),
                },
                Exit::Refused,
            ),
        ] {
            assert_eq!(Failure::from(error).exit, exit);
        }
        assert_eq!(
            Failure::from(SessionError::SignedOutThere(url)).exit,
            Exit::NotAllowed
        );
    }
}
