//! The loop: drain what has come, update, and paint once, if anything is new.
//!
//! Input comes first, so that a flood from the server never makes a key wait; a drain is bounded, so that a
//! flood of keys never starves the server. There is no frame while nothing has changed: timers wake the loop
//! on the second at which a shown number changes, and not otherwise.
//!
//! [`drive`] is generic over the screen, and takes its input and the wire as the ends of channels: tests run
//! it as it is, on a screen in memory.

use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use cordboard_core::ids::Timestamp;
use crossterm::event::{self, Event};
use secrecy::SecretString;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{
        mpsc::{self, error::TryRecvError},
        oneshot,
    },
    time::sleep,
};
use url::Url;

use crate::{
    app::{Cmd, Hand, LinkNews, Model, Msg, update},
    clock::Clock,
    input::{self, Fragments, Pointer},
    net::{self, Wire},
    terminal::{Screen, TerminalScreen, watch_for_hang_up},
    theme::Theme,
    view::{self, Drawn},
};

/// The shortest time between two frames on one's own computer.
const FRAME_MS: i64 = 16;
/// The same over a remote line, where a frame costs more than the eye gains.
const REMOTE_FRAME_MS: i64 = 33;
/// How many events are taken before a frame is painted.
const BATCH: usize = 256;

/// How a console is to be run.
#[derive(Debug)]
pub struct ConsoleOptions {
    /// The server: `http` or `https`.
    pub url: Url,
    /// The bearer token of whoever is signed in.
    pub token: SecretString,
    /// The colours; none: what suits the terminal.
    pub theme: Option<Theme>,
    /// Whether the mouse works the board.
    pub mouse: bool,
    /// Whether the bell rings.
    pub bell: bool,
    /// Whether the terminal is at the far end of a slow line.
    pub remote: bool,
    /// Where the program writes its log; named when something goes wrong, if it is there by then.
    pub log: PathBuf,
    /// Whether the server ends with this console, and every call with it: the demo.
    pub leaving_ends_all: bool,
}

impl ConsoleOptions {
    /// A console with the usual settings, as the environment suggests them.
    pub fn new(url: Url, token: SecretString, log: PathBuf) -> Self {
        let remote = std::env::var_os("SSH_CONNECTION").is_some();
        Self {
            url,
            token,
            theme: None,
            mouse: true,
            bell: true,
            remote,
            log,
            leaving_ends_all: false,
        }
    }
}

/// Why a console ended, as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExitReason {
    /// Its person left.
    Quit,
    /// It was told to end, by that signal.
    Signal(&'static str),
    /// The terminal was closed.
    HungUp,
}

/// Why a console could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// There is no terminal to draw on.
    #[error(
        "The console needs a terminal: {0}. For scripts there are commands such as “cordboard call list”."
    )]
    NoTerminal(#[source] io::Error),
    /// The server does not want us, and trying again is of no use.
    #[error("{0}")]
    Refused(String),
    /// The terminal failed.
    #[error("The terminal cannot be written to: {why}.{}", more_in(log.as_deref()))]
    Terminal {
        /// Why.
        #[source]
        why: io::Error,
        /// Where the log is, if one is written.
        log: Option<PathBuf>,
    },
}

fn more_in(log: Option<&Path>) -> String {
    log.map(|log| format!(" More may be in {}.", log.display()))
        .unwrap_or_default()
}

/// Shows the board of the server at `options.url`, until its person leaves.
pub async fn console(options: ConsoleOptions) -> Result<ExitReason, ConsoleError> {
    let ConsoleOptions {
        url,
        token,
        theme,
        mouse,
        bell,
        remote,
        log,
        leaving_ends_all,
    } = options;
    let clock = Clock::system();
    let theme = theme.unwrap_or_else(|| {
        let var = |name: &str| std::env::var(name).ok();
        Theme::suited(
            var("NO_COLOR").as_deref(),
            var("COLORTERM").as_deref(),
            var("TERM").as_deref(),
        )
    });
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the edge: everything below draws from these seeds, or takes them as they are"
    )]
    let (jitter, run) = (rand::random(), rand::random());
    let wire = net::start(net::Target { url, token }, clock.clone(), jitter);
    let frame_ms = if remote { REMOTE_FRAME_MS } else { FRAME_MS };
    let mut model = Model::new(clock.now(), run, theme);
    (model.mouse, model.leaving_ends_all) = (mouse, leaving_ends_all);
    on_terminal(model, wire, clock, Settings { frame_ms, bell }, log).await
}

/// Runs a model on the terminal of this process.
pub async fn on_terminal(
    model: Model,
    wire: Wire,
    clock: Clock,
    settings: Settings,
    log: PathBuf,
) -> Result<ExitReason, ConsoleError> {
    let mut screen = TerminalScreen::take(model.mouse).map_err(ConsoleError::NoTerminal)?;
    let (gone, hung_up) = oneshot::channel();
    let told = watch_for_hang_up(move || {
        let _ = gone.send(());
    })
    .and_then(|()| Ok((signals()?, events()?)));
    let ended = match told {
        Ok((signals, events)) => {
            let stop = async move {
                tokio::select! {
                    reason = signals => reason,
                    Ok(()) = hung_up => ExitReason::HungUp,
                }
            };
            drive(model, &mut screen, events, wire, stop, &clock, settings).await
        }
        Err(why) => Err(Ended::Screen(why)),
    };
    drop(screen);
    ended.map_err(|e| match e {
        Ended::Screen(why) => ConsoleError::Terminal {
            why,
            log: log.is_file().then_some(log),
        },
        Ended::Refused(why) => ConsoleError::Refused(why),
    })
}

/// The terminal's events, through a channel, from a thread that does nothing but read them.
///
/// The library reads with `poll` (its feature `use-dev-tty`), not with its default, an edge-triggered wait:
/// that one takes 1,024 bytes after each wake-up and then waits for new ones, so the rest of a burst lies
/// there until another key is pressed. `a_burst_of_keys_and_mouse_reports_is_read_to_its_end` holds this.
///
/// The thread ends with the first event that nobody takes, or with the process.
fn events() -> io::Result<mpsc::Receiver<io::Result<Event>>> {
    let (to_loop, input) = mpsc::channel(BATCH);
    thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || {
            loop {
                let event = event::read();
                let failed = event.is_err();
                if to_loop.blocking_send(event).is_err() || failed {
                    return;
                }
            }
        })?;
    Ok(input)
}

/// The signals that end a console.
fn signals() -> io::Result<impl Future<Output = ExitReason>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => ExitReason::Signal("SIGTERM"),
            _ = interrupt.recv() => ExitReason::Signal("SIGINT"),
            _ = hang_up.recv() => ExitReason::HungUp,
        }
    })
}

/// How the loop behaves.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The shortest time between two frames, in milliseconds.
    pub frame_ms: i64,
    /// Whether the bell rings.
    pub bell: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            frame_ms: FRAME_MS,
            bell: true,
        }
    }
}

/// Why the loop could not go on.
#[derive(Debug)]
pub enum Ended {
    /// The screen failed.
    Screen(io::Error),
    /// The server does not want us.
    Refused(String),
}

impl From<io::Error> for Ended {
    fn from(why: io::Error) -> Self {
        Self::Screen(why)
    }
}

/// Runs the loop until its person leaves, `stop` is fulfilled, or nothing can come any more.
pub async fn drive<S: Screen>(
    mut model: Model,
    screen: &mut S,
    mut input: mpsc::Receiver<io::Result<Event>>,
    mut wire: Wire,
    stop: impl Future<Output = ExitReason>,
    clock: &Clock,
    settings: Settings,
) -> Result<ExitReason, Ended> {
    let mut hands = Hands {
        pointer: Pointer::default(),
        fragments: Fragments::default(),
        drawn: Drawn::default(),
        bell: settings.bell,
        title: String::new(),
    };
    let (width, height) = screen.size()?;
    update(&mut model, Msg::Size(width, height));
    let mut painted: Option<Timestamp> = None;
    let mut wire_open = true;
    // Continued after a stop that was not ours: what is on the screen is the shell's.
    let mut continued = signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?;
    let mut stopped = signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))?;
    tokio::pin!(stop);

    loop {
        // What is visible of the time comes before what came in with it.
        let now = clock.now();
        if hands.tell(&mut model, screen, &wire, Msg::Time(now))? {
            return Ok(ExitReason::Quit);
        }
        let due = painted.map_or(now, |at| at.plus(settings.frame_ms));
        if model.dirty && now >= due && screen.ready() {
            // Not once at the start: summer time begins and ends under a console that runs for months.
            model.utc_offset = clock.utc_offset();
            hands.paint(&mut model, screen)?;
            painted = Some(now);
        }
        let wake = if model.dirty {
            due.max(now.plus(1))
        } else {
            model.next_change()
        };
        let pause =
            Duration::from_millis(u64::try_from(wake.since(now)).unwrap_or(0).clamp(1, 60_000));

        let mut msgs = Vec::new();
        tokio::select! {
            biased;
            event = input.recv() => match event {
                Some(Ok(event)) => msgs.extend(hands.read(&event, &model, screen, clock.now())?),
                Some(Err(why)) => return Err(why.into()),
                None => return Ok(ExitReason::HungUp),
            },
            reason = &mut stop => return Ok(reason),
            _ = stopped.recv() => hands.suspend(&mut model, screen)?,
            _ = continued.recv() => {
                screen.clear()?;
                model.dirty = true;
            }
            msg = wire.incoming.recv(), if wire_open => match msg {
                Some(msg) => msgs.push(msg),
                None => wire_open = false,
            },
            () = sleep(pause) => {}
        }
        for n in 0..BATCH {
            for msg in msgs.drain(..) {
                if let Msg::Link(LinkNews::Closed { why, next: None }) = &msg
                    && model.board.epoch.is_empty()
                {
                    return Err(Ended::Refused(why.clone()));
                }
                if hands.tell(&mut model, screen, &wire, msg)? {
                    return Ok(ExitReason::Quit);
                }
            }
            if n + 1 == BATCH {
                break;
            }
            // Input first, here too.
            match input.try_recv() {
                Ok(Ok(event)) => msgs.extend(hands.read(&event, &model, screen, clock.now())?),
                Ok(Err(why)) => return Err(why.into()),
                Err(TryRecvError::Disconnected) => return Ok(ExitReason::HungUp),
                Err(TryRecvError::Empty) => match wire.incoming.try_recv() {
                    Ok(msg) => msgs.push(msg),
                    Err(_) => break,
                },
            }
        }
    }
}

/// What stands between the model and the outside.
struct Hands {
    pointer: Pointer,
    fragments: Fragments,
    drawn: Drawn,
    bell: bool,
    title: String,
}

impl Hands {
    /// What an event of the terminal means, given what was painted last.
    fn read(
        &mut self,
        event: &Event,
        model: &Model,
        screen: &mut impl Screen,
        now: Timestamp,
    ) -> io::Result<Vec<Msg>> {
        Ok(match event {
            Event::Key(key) => {
                let key = input::key(key).and_then(|key| self.fragments.filter(key, now));
                key.map(Msg::Key).into_iter().collect()
            }
            Event::Mouse(mouse) => {
                let carrying = model.carry.as_ref().is_some_and(|c| c.hand == Hand::Mouse);
                self.pointer.mouse(*mouse, &self.drawn.hits, now, carrying)
            }
            Event::Paste(text) => vec![Msg::Paste(text.chars().take(256).collect())],
            Event::Resize(width, height) => {
                screen.clear()?;
                vec![Msg::Size(*width, *height)]
            }
            Event::FocusGained => vec![Msg::Focus(true)],
            Event::FocusLost => vec![Msg::Focus(false)],
        })
    }

    /// Tells the model something, and does what follows from it. True: leave.
    fn tell(
        &mut self,
        model: &mut Model,
        screen: &mut impl Screen,
        wire: &Wire,
        msg: Msg,
    ) -> io::Result<bool> {
        for cmd in update(model, msg) {
            match cmd {
                Cmd::Send(msg) => {
                    // A full queue means a link that takes nothing. The command is not kept for later: its
                    // silence will be noticed and said.
                    if let Err(why) = wire.outgoing.try_send(msg) {
                        tracing::warn!(%why, "a message could not be sent");
                    }
                }
                Cmd::Bell if self.bell => screen.bell(),
                Cmd::Bell => {}
                Cmd::Mouse(on) => screen.mouse(on),
                Cmd::Copy(text) => screen.copy(&text),
                Cmd::Redraw => {
                    screen.clear()?;
                    model.dirty = true;
                }
                Cmd::Suspend => self.suspend(model, screen)?,
                Cmd::Quit => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Leaves to the shell until it brings us back.
    fn suspend(&mut self, model: &mut Model, screen: &mut impl Screen) -> io::Result<()> {
        if !screen.suspend()? {
            update(model, Msg::NoShell);
            return Ok(());
        }
        // The window had its own title meanwhile.
        self.title.clear();
        screen.clear()?;
        model.dirty = true;
        Ok(())
    }

    fn paint(&mut self, model: &mut Model, screen: &mut impl Screen) -> io::Result<()> {
        let drawn = &mut self.drawn;
        let seen: &Model = model;
        screen.frame(&mut |frame| {
            *drawn = view::draw(seen, frame.buffer_mut());
            if let Some(cursor) = drawn.cursor {
                frame.set_cursor_position(cursor);
            }
        })?;
        model.dirty = false;
        if let Some(last) = self.drawn.last_line {
            update(model, Msg::LastLine(last));
        }
        let title = model.title();
        if title != self.title {
            screen.title(&title);
            self.title = title;
        }
        Ok(())
    }
}
