//! Running the board: drain what has come, update, and paint once, if anything is new.
//!
//! [`drive`] is generic over the screen, and takes its input and the wire as the ends of channels: tests run
//! it as it is, on a screen in memory.
//!
//! Read next: `run/stage.rs` (the loop, and the terminal it runs on), [`crate::app`].

use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use cordboard_core::{ids::Timestamp, wire::ClientMsg};
use crossterm::event::Event;
use ratatui::buffer::Buffer;
use tokio::{sync::mpsc, task::JoinHandle};

use crate::{
    app::{Cmd, Hand, LinkNews, Model, Msg, update},
    ask::{
        Ask, Trouble,
        http::{self, Line},
    },
    client::Credentials,
    clock::Clock,
    net::{self, Wire},
    preferences::{Likes, Preferences},
    terminal::Screen,
    theme::Theme,
    view::{self, Drawn},
};

pub(crate) mod stage;

use stage::{Do, Ends, Over, Play};
pub use stage::{Settings, Stage};

/// How long the end waits for what is still to be kept.
const KEEPING: Duration = Duration::from_secs(1);
/// The shortest time between two frames on one's own computer.
const FRAME_MS: i64 = 16;
/// The same over a remote line, where a frame costs more than the eye gains.
const REMOTE_FRAME_MS: i64 = 33;

/// How a console is to be run.
#[derive(Debug)]
pub struct ConsoleOptions {
    /// Who is signed in, and where.
    pub credentials: Credentials,
    /// The colours; none: those that are kept, or what suits the terminal.
    pub theme: Option<Theme>,
    /// The colours and keys that are kept, if they are anywhere.
    pub likes: Option<Likes>,
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
    pub fn new(credentials: Credentials, likes: Option<Likes>, log: PathBuf) -> Self {
        let remote = std::env::var_os("SSH_CONNECTION").is_some();
        Self {
            credentials,
            theme: None,
            likes,
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
    /// Its sign-in has ended, and its person wants another.
    SignedOut,
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

impl ConsoleError {
    /// The same, if the log is there by now, with where it is.
    pub(crate) fn of_terminal(why: io::Error, log: PathBuf) -> Self {
        Self::Terminal {
            why,
            log: log.is_file().then_some(log),
        }
    }
}

/// The theme that suits what the environment says.
pub fn suited() -> Theme {
    let var = |name: &str| std::env::var(name).ok();
    Theme::suited(
        var("NO_COLOR").as_deref(),
        var("COLORTERM").as_deref(),
        var("TERM").as_deref(),
    )
}

/// Shows the board of the server where `options.credentials` are good, until its person leaves.
pub async fn console(options: ConsoleOptions) -> Result<ExitReason, ConsoleError> {
    let mut stage = Stage::take(options.mouse)?;
    console_on(&mut stage, options).await
}

/// The same on a terminal that was taken before.
pub async fn console_on(
    stage: &mut Stage,
    options: ConsoleOptions,
) -> Result<ExitReason, ConsoleError> {
    let ConsoleOptions {
        credentials,
        theme,
        likes,
        mouse,
        bell,
        remote,
        log,
        leaving_ends_all,
    } = options;
    let clock = Clock::system();
    let (liked, keeper, unread) = match likes.map(|likes| (likes.read, likes.path)) {
        Some((Ok(liked), path)) => (liked, Some(Keeper::of(path)), None),
        // What could not be read is not written over.
        Some((Err(why), path)) => (Preferences::default(), None, Some((why, path))),
        None => (Preferences::default(), None, None),
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the edge: everything below draws from these seeds, or takes them as they are"
    )]
    let (jitter, run) = (rand::random(), rand::random());
    let fresh = {
        let credentials = credentials.clone();
        move || {
            let credentials = credentials.clone();
            async move { credentials.access().await.map_err(Trouble::from) }
        }
    };
    let line = http::start(credentials.url().clone(), fresh)
        .inspect_err(|why| tracing::warn!(%why, "nothing can be asked over HTTP"))
        .ok();
    let wire = net::start(credentials, clock.clone(), jitter);
    let colours = theme.or(liked.theme).unwrap_or_else(suited);
    let mut model = Model::new(clock.now(), run, colours);
    (model.mouse, model.leaving_ends_all) = (mouse, leaving_ends_all);
    model.keys = liked.keys.clone();
    if let Some((why, path)) = unread {
        let path = path.display();
        let text = format!(
            "{path} cannot be read: {why}. Colours and keys are the usual ones, and are not kept."
        );
        update(&mut model, Msg::Trouble(text));
    }
    if let (Some(keeper), true) = (&keeper, theme.is_some()) {
        let theme = theme.or(liked.theme);
        keeper.shelf.put(Preferences { theme, ..liked });
    }
    stage.screen.mouse(mouse);
    on_stage(
        stage,
        model,
        Behind { wire, line, keeper },
        clock,
        Settings::on_line(remote, bell),
        log,
    )
    .await
}

/// Runs a model on the terminal of this process.
pub async fn on_terminal(
    model: Model,
    wire: Wire,
    line: Option<Line>,
    clock: Clock,
    settings: Settings,
    log: PathBuf,
) -> Result<ExitReason, ConsoleError> {
    let mut stage = Stage::take(model.mouse)?;
    let behind = Behind {
        wire,
        line,
        keeper: None,
    };
    on_stage(&mut stage, model, behind, clock, settings, log).await
}

async fn on_stage(
    Stage {
        screen,
        input,
        stop,
    }: &mut Stage,
    model: Model,
    behind: Behind,
    clock: Clock,
    settings: Settings,
    log: PathBuf,
) -> Result<ExitReason, ConsoleError> {
    let ends = Ends { screen, input };
    let ended = board(model, ends, behind, stop, &clock, settings).await;
    ended.map_err(|e| match e {
        Ended::Screen(why) => ConsoleError::of_terminal(why, log),
        Ended::Refused(why) => ConsoleError::Refused(why),
    })
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            frame_ms: FRAME_MS,
            bell: true,
        }
    }
}

impl Settings {
    /// What suits a terminal that may be at the far end of a slow line.
    pub const fn on_line(remote: bool, bell: bool) -> Self {
        Self {
            frame_ms: if remote { REMOTE_FRAME_MS } else { FRAME_MS },
            bell,
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
    model: Model,
    screen: &mut S,
    mut input: mpsc::Receiver<io::Result<Event>>,
    wire: Wire,
    stop: impl Future<Output = ExitReason>,
    clock: &Clock,
    settings: Settings,
) -> Result<ExitReason, Ended> {
    let input = &mut input;
    let ends = Ends { screen, input };
    let behind = Behind {
        wire,
        line: None,
        keeper: None,
    };
    board(model, ends, behind, stop, clock, settings).await
}

async fn board<S: Screen>(
    model: Model,
    ends: Ends<'_, S>,
    Behind { wire, line, keeper }: Behind,
    stop: impl Future<Output = ExitReason>,
    clock: &Clock,
    settings: Settings,
) -> Result<ExitReason, Ended> {
    let Wire { incoming, outgoing } = wire;
    let (asks, incoming) = match line {
        Some(Line { asks, answers }) => (Some(asks), joined(incoming, answers)),
        None => (None, incoming),
    };
    let (shelf, kept, incoming) = match keeper {
        Some(Keeper {
            shelf,
            troubles,
            kept,
        }) => (Some(shelf), Some(kept), joined(incoming, troubles)),
        None => (None, None, incoming),
    };
    let mut board = Board {
        model,
        outgoing,
        asks,
        shelf,
    };
    let over = stage::run(&mut board, ends, incoming, stop, clock, settings).await;
    drop(board);
    if let Some(kept) = kept {
        // What was chosen last is written before the program ends, if the disk is not stuck.
        let _ = tokio::time::timeout(KEEPING, kept).await;
    }
    match over? {
        Over::Left(Ok(reason)) | Over::Told(reason) => Ok(reason),
        Over::Left(Err(why)) => Err(Ended::Refused(why)),
    }
}

/// What the board works with beside its terminal.
struct Behind {
    wire: Wire,
    line: Option<Line>,
    keeper: Option<Keeper>,
}

/// Keeps what somebody likes, off the loop and in order.
struct Keeper {
    shelf: Shelf,
    troubles: mpsc::Receiver<Msg>,
    /// Ends when all is written.
    kept: JoinHandle<()>,
}

impl Keeper {
    fn of(path: PathBuf) -> Self {
        let (shelf, mut chosen) = mpsc::channel::<Preferences>(8);
        let (trouble, troubles) = mpsc::channel(1);
        let kept = tokio::spawn(async move {
            while let Some(likes) = chosen.recv().await {
                let path = path.clone();
                let written = tokio::task::spawn_blocking(move || likes.write(&path)).await;
                let why = match written {
                    Ok(Ok(())) => continue,
                    Ok(Err(why)) => why.to_string(),
                    Err(why) => why.to_string(),
                };
                tracing::warn!(why, "colours and keys could not be kept");
                let text =
                    format!("What you chose holds until you leave, and cannot be kept: {why}.");
                // A loop that has ended wants to hear nothing.
                let _ = trouble.send(Msg::Trouble(text)).await;
            }
        });
        Self {
            shelf: Shelf(shelf),
            troubles,
            kept,
        }
    }
}

/// Where what is to be kept is put, for the keeper to fetch.
struct Shelf(mpsc::Sender<Preferences>);

impl Shelf {
    fn put(&self, likes: Preferences) {
        // Nobody chooses faster than a disk writes; if so, the next choice is kept.
        let _ = self.0.try_send(likes);
    }
}

/// What comes from the link, and the answers between, in one queue.
fn joined(mut link: mpsc::Receiver<Msg>, mut answers: mpsc::Receiver<Msg>) -> mpsc::Receiver<Msg> {
    let (to_loop, joined) = mpsc::channel(256);
    tokio::spawn(async move {
        loop {
            let msg = tokio::select! {
                biased;
                Some(msg) = link.recv() => msg,
                Some(msg) = answers.recv() => msg,
                else => return,
            };
            if to_loop.send(msg).await.is_err() {
                return;
            }
        }
    });
    joined
}

/// The board as the loop runs it.
struct Board {
    model: Model,
    outgoing: mpsc::Sender<ClientMsg>,
    asks: Option<mpsc::Sender<(u64, Ask)>>,
    shelf: Option<Shelf>,
}

impl Board {
    /// Takes a question; or says that it cannot be asked.
    fn ask(&self, number: u64, ask: Ask) -> Result<(), Trouble> {
        let Some(asks) = &self.asks else {
            return Err(Trouble::new(
                Trouble::UNREACHABLE,
                "Nothing can be asked of the server from here.",
            ));
        };
        asks.try_send((number, ask)).map_err(|why| {
            tracing::warn!(%why, "a question could not be asked");
            Trouble::new(
                Trouble::UNREACHABLE,
                "Too much is being asked at once. Try again in a moment.",
            )
        })
    }
}

impl Play for Board {
    type News = Msg;
    /// Or the server does not want us, and why.
    type Left = Result<ExitReason, String>;

    fn tell(&mut self, msg: Msg) -> Vec<Do<Self::Left>> {
        let mut todo = vec![msg];
        let mut cmds = Vec::new();
        while let Some(msg) = todo.pop() {
            for cmd in update(&mut self.model, msg) {
                match cmd {
                    // Every question is answered, if only by that it could not be asked.
                    Cmd::Ask(number, ask) => {
                        if let Err(trouble) = self.ask(number, ask) {
                            todo.push(Msg::Answer(number, Err(trouble)));
                        }
                    }
                    cmd => cmds.push(cmd),
                }
            }
        }
        let follow = |cmd| match cmd {
            Cmd::Send(msg) => {
                // A full queue means a link that takes nothing. The command is not kept for later: its
                // silence will be noticed and said.
                if let Err(why) = self.outgoing.try_send(msg) {
                    tracing::warn!(%why, "a message could not be sent");
                }
                None
            }
            // Asked above.
            Cmd::Ask(..) => None,
            Cmd::Bell => Some(Do::Bell),
            Cmd::Mouse(on) => Some(Do::Mouse(on)),
            Cmd::Copy(text) => Some(Do::Copy(text)),
            Cmd::Redraw => Some(Do::Redraw),
            Cmd::Suspend => Some(Do::Suspend),
            Cmd::Quit => Some(Do::Leave(Ok(ExitReason::Quit))),
            Cmd::Keep(likes) => {
                if let Some(shelf) = &self.shelf {
                    shelf.put(likes);
                }
                None
            }
            Cmd::SignIn => Some(Do::Leave(Ok(ExitReason::SignedOut))),
        };
        cmds.into_iter().filter_map(follow).collect()
    }

    fn hear(&mut self, news: Msg) -> Vec<Do<Self::Left>> {
        // With nothing to show, there is nothing to stay for.
        if let Msg::Link(LinkNews::Closed { why, next: None } | LinkNews::SignedOut(why)) = &news
            && self.model.board.epoch.is_empty()
        {
            return vec![Do::Leave(Err(why.clone()))];
        }
        self.tell(news)
    }

    fn carrying(&self) -> bool {
        let carry = self.model.carry.as_ref();
        carry.is_some_and(|c| c.hand == Hand::Mouse)
    }

    fn dirty(&mut self) -> &mut bool {
        &mut self.model.dirty
    }

    fn next_change(&self) -> Timestamp {
        self.model.next_change()
    }

    fn title(&self) -> String {
        self.model.title()
    }

    fn utc_offset(&mut self, seconds: i32) {
        self.model.utc_offset = seconds;
    }

    fn draw(&self, buf: &mut Buffer) -> Drawn {
        view::draw(&self.model, buf)
    }

    fn drawn(&mut self, drawn: &Drawn) {
        if let Some(last) = drawn.last_line {
            update(&mut self.model, Msg::LastLine(last));
        }
    }
}
