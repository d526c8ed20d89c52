//! Asks a person at the terminal, and reads what a script sends instead.
//!
//! A secret is asked for with the echo off, and the terminal gets it back whatever happens: an answer, an error, a
//! signal. Signals come in as the end of a wait, so that everything is tidied up on the way out; from the first
//! question on they do not end the process by themselves. It must not ask where nobody sits: standard input is no
//! terminal then.
//!
//! Read next: `cli/sign.rs`.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, IsTerminal as _, Read as _, Write as _},
    sync::Arc,
    thread,
};

use cordboard_core::api::{Fields, PASSWORD_LEAST};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use super::{Exit, Failure};

/// The longest line that is read.
const LONGEST: u64 = 64 * 1024;
/// How often somebody may mistype.
const TRIES: usize = 3;

/// Whether somebody sits there who can be asked.
pub(super) fn terminal() -> bool {
    io::stdin().is_terminal()
}

/// What was typed, as it is.
pub(super) async fn ask(prompt: &str) -> Result<String, Failure> {
    let line = question(prompt, false).await?;
    Ok(line.expose_secret().trim().to_owned())
}

/// What was typed, until `read` can make sense of it.
pub(super) async fn ask_for<T, E: std::fmt::Display>(
    prompt: &str,
    read: impl Fn(&str) -> Result<T, E>,
) -> Result<String, Failure> {
    for _ in 1..TRIES {
        let text = ask(prompt).await?;
        match read(&text) {
            Ok(_) => return Ok(text),
            Err(why) => say(&format!("{why}."))?,
        }
    }
    // The server says it once more, field by field.
    ask(prompt).await
}

/// A yes or a no; whatever is not a yes is a no.
pub(super) async fn yes(prompt: &str) -> Result<bool, Failure> {
    let answer = ask(&format!("{prompt} [y/N] ")).await?;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// A password that there is.
pub(super) async fn password(stdin: bool, prompt: &str) -> Result<SecretString, Failure> {
    if stdin {
        return line();
    }
    question(prompt, true).await
}

/// A password that is new: long enough, and typed twice alike.
pub(super) async fn new_password(stdin: bool) -> Result<SecretString, Failure> {
    if stdin {
        return line();
    }
    for _ in 0..TRIES {
        let prompt = format!("New password (at least {PASSWORD_LEAST} characters): ");
        let first = question(&prompt, true).await?;
        let mut fields = Fields::default();
        fields.password("password", first.expose_secret());
        if let Err(wrong) = fields.done(Some(())) {
            for error in wrong {
                say(&error.why)?;
            }
            continue;
        }
        let again = question("Once more: ", true).await?;
        if again.expose_secret() == first.expose_secret() {
            return Ok(first);
        }
        say("They are not alike.")?;
    }
    Err(Failure::refused(
        "bad-input",
        "No password was chosen. Nothing was changed.",
    ))
}

/// One line of standard input.
pub(super) fn line() -> Result<SecretString, Failure> {
    let mut line = String::new();
    let read = io::stdin().lock().take(LONGEST).read_line(&mut line);
    match read {
        Ok(0) => Err(Failure::usage(
            "A line is missing on standard input: the password.",
        )),
        Ok(_) => Ok(line.trim_end_matches(['\r', '\n']).to_owned().into()),
        Err(e) => Err(Failure::refused(
            "io",
            format!("The password cannot be read: {e}."),
        )),
    }
}

/// Does something that asks: a signal ends it, and what it holds is dropped.
pub(super) async fn unless_interrupted<T>(
    asks: bool,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    if !asks {
        return work.await;
    }
    let interrupted = interrupted()?;
    tokio::select! {
        biased;
        done = work => done,
        () = interrupted => Err(interruption()),
    }
}

/// The first signal that ends a program.
pub(super) fn interrupted() -> Result<impl Future<Output = ()>, Failure> {
    let on = |kind| {
        signal(kind)
            .map_err(|e| Failure::refused("io", format!("Signals cannot be received: {e}.")))
    };
    let mut interrupt = on(SignalKind::interrupt())?;
    let mut terminate = on(SignalKind::terminate())?;
    let mut hang_up = on(SignalKind::hangup())?;
    let mut quit = on(SignalKind::quit())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
            _ = quit.recv() => {}
        }
    })
}

pub(super) fn interruption() -> Failure {
    Failure::new(Exit::Refused, "interrupted", "Interrupted.")
}

fn no_terminal(_: impl std::fmt::Display) -> Failure {
    Failure::usage(
        "There is no terminal to ask at. Say everything with flags, and a password on standard input with --password-stdin.",
    )
}

/// The terminal itself, wherever standard output and standard error lead.
fn open() -> Result<File, Failure> {
    if !terminal() {
        return Err(no_terminal("standard input is none"));
    }
    File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(no_terminal)
}

fn say(line: &str) -> Result<(), Failure> {
    writeln!(open()?, "{}", super::show::plain(line)).map_err(no_terminal)
}

async fn question(prompt: &str, secret: bool) -> Result<SecretString, Failure> {
    let tty = Arc::new(open()?);
    let quiet = secret.then(|| Quiet::new(tty.clone())).transpose()?;
    write!(&*tty, "{}", super::show::plain(prompt)).map_err(no_terminal)?;
    let (tell, told) = oneshot::channel();
    // A thread of its own, which the process does not wait for: nothing ends a read from a terminal but a line.
    thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(&*tty).take(LONGEST).read_line(&mut line);
            let _ = tell.send(read.map(|n| (n > 0).then_some(line)));
        })?;
    let line = told.await;
    drop(quiet);
    match line {
        Ok(Ok(Some(line))) => Ok(line.trim_end_matches(['\r', '\n']).to_owned().into()),
        Ok(Ok(None)) | Err(_) => Err(Failure::usage("Nothing was typed.")),
        Ok(Err(e)) => Err(no_terminal(e)),
    }
}

/// A terminal without echo, until this is dropped.
struct Quiet {
    tty: Arc<File>,
    before: Termios,
}

impl Quiet {
    fn new(tty: Arc<File>) -> Result<Self, Failure> {
        let before = tcgetattr(&*tty).map_err(no_terminal)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // Not put to sleep either: whoever came back to the shell would find it without echo.
        silent.special_codes[SpecialCodeIndex::VSUSP] = 0;
        tcsetattr(&*tty, OptionalActions::Flush, &silent).map_err(no_terminal)?;
        Ok(Self { tty, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing back.
        let _ = tcsetattr(&*self.tty, OptionalActions::Flush, &self.before);
        let _ = writeln!(&*self.tty);
    }
}
