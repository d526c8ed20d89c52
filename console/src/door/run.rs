//! Running the door: on the same loop and the same terminal as the board, with its questions sent over HTTP.
//!
//! A question is asked by a task of its own and answered through the loop, so that the screen never waits for the
//! network. Passwords are only sent where nobody on the way can read them. Nothing is asked twice by itself.
//!
//! Read next: `run/stage.rs`.

use std::{future::Future, io, path::PathBuf, time::Duration};

use cordboard_core::{
    api::{Front, InvitationSeen, Problem, Tokens},
    ids::Timestamp,
};
use crossterm::event::Event;
use ratatui::buffer::Buffer;
use reqwest::{Method, Response, header::RETRY_AFTER};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::mpsc;
use url::Url;

use super::{Answer, Door, DoorCmd, DoorMsg, Request, pages, update};
use crate::{
    app::Msg,
    ask::Trouble,
    client::{address, loopback},
    clock::Clock,
    run::{
        ConsoleError, ExitReason, Settings, Stage,
        stage::{self, Do, Ends, Over, Play},
        suited,
    },
    terminal::Screen,
    theme::Theme,
    view::{self, Drawn},
};

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long it may take to answer: it makes a password's hash meanwhile, and may have a queue of them.
const ANSWER: Duration = Duration::from_secs(15);
/// The longest answer that is read.
const LONGEST: usize = 1 << 20;

/// How a door is to be run.
#[derive(Debug)]
pub struct DoorOptions {
    /// The server, if it is known.
    pub url: Option<Url>,
    /// What the sign-in shall be called in the list of them.
    pub device: String,
    /// The colours; none: what suits the terminal.
    pub theme: Option<Theme>,
    /// Whether the mouse works it.
    pub mouse: bool,
    /// Whether the terminal is at the far end of a slow line.
    pub remote: bool,
    /// Where the program writes its log; named when something goes wrong, if it is there by then.
    pub log: PathBuf,
}

impl DoorOptions {
    /// A door with the usual settings, as the environment suggests them.
    pub fn new(url: Option<Url>, theme: Option<Theme>, log: PathBuf) -> Self {
        let said = |name| std::env::var(name).ok().filter(|v| !v.trim().is_empty());
        let host = said("HOSTNAME").or_else(|| said("HOST"));
        Self {
            url,
            device: host.map_or_else(|| "Console".to_owned(), |h| format!("Console on {h}")),
            theme,
            mouse: true,
            remote: std::env::var_os("SSH_CONNECTION").is_some(),
            log,
        }
    }
}

/// Somebody who has come in, and how they had arranged the screen.
#[derive(Debug)]
pub struct SignedIn {
    /// Where.
    pub url: Url,
    /// What lets them act there. Not for a log.
    pub tokens: Tokens,
    /// The colours, if they were chosen there.
    pub theme: Option<Theme>,
    /// Whether the mouse is ours.
    pub mouse: bool,
}

/// Shows the door until somebody is signed in. None: its person left, or was made to.
pub async fn run(
    stage: &mut Stage,
    options: DoorOptions,
) -> Result<Option<SignedIn>, ConsoleError> {
    let DoorOptions {
        url,
        device,
        theme,
        mouse,
        remote,
        log,
    } = options;
    let (mut door, first) = Door::new(url, &device, theme.unwrap_or_else(suited));
    door.mouse = mouse;
    stage.screen.mouse(mouse);
    let Stage {
        screen,
        input,
        stop,
    } = stage;
    let ends = Ends { screen, input };
    let settings = Settings::on_line(remote, false);
    let left = open((door, first), ends, stop, &Clock::system(), settings).await;
    left.map_err(|why| ConsoleError::of_terminal(why, log))
}

/// Runs the loop with a door, as from [`Door::new`], on any screen: tests do it in memory.
pub async fn drive<S: Screen>(
    opened: (Door, Vec<DoorCmd>),
    screen: &mut S,
    mut input: mpsc::Receiver<io::Result<Event>>,
    clock: &Clock,
    settings: Settings,
) -> io::Result<Option<SignedIn>> {
    let input = &mut input;
    let stop = std::future::pending();
    open(opened, Ends { screen, input }, stop, clock, settings).await
}

async fn open<S: Screen>(
    (door, first): (Door, Vec<DoorCmd>),
    ends: Ends<'_, S>,
    stop: impl Future<Output = ExitReason>,
    clock: &Clock,
    settings: Settings,
) -> io::Result<Option<SignedIn>> {
    // A question is asked by one who waits for its answer: there are never many.
    let (to_loop, answers) = mpsc::channel(8);
    let mut play = Doorway {
        theme: door.theme,
        door,
        first,
        to_loop,
    };
    Ok(
        match stage::run(&mut play, ends, answers, stop, clock, settings).await? {
            Over::Left(left) => left,
            Over::Told(_) => None,
        },
    )
}

/// The door as the loop runs it.
struct Doorway {
    /// The colours as they were at first.
    theme: Theme,
    door: Door,
    first: Vec<DoorCmd>,
    to_loop: mpsc::Sender<(u64, Result<Answer, Trouble>)>,
}

type Follows = Vec<Do<Option<SignedIn>>>;

impl Doorway {
    fn take(&mut self, msg: DoorMsg) -> Follows {
        let mut cmds = std::mem::take(&mut self.first);
        cmds.extend(update(&mut self.door, msg));
        cmds.into_iter()
            .filter_map(|cmd| self.follow(cmd))
            .collect()
    }

    fn follow(&mut self, cmd: DoorCmd) -> Option<Do<Option<SignedIn>>> {
        match cmd {
            DoorCmd::Ask(n, url, request) => {
                let to_loop = self.to_loop.clone();
                tokio::spawn(async move {
                    let answer = ask(&url, request).await;
                    // A loop that has ended waits for nothing.
                    let _ = to_loop.send((n, answer)).await;
                });
                None
            }
            DoorCmd::Enter(url, Answer::Tokens(tokens)) => Some(Do::Leave(Some(SignedIn {
                url,
                tokens: *tokens,
                theme: (self.door.theme != self.theme).then_some(self.door.theme),
                mouse: self.door.mouse,
            }))),
            DoorCmd::Enter(..) => None,
            DoorCmd::Mouse(on) => Some(Do::Mouse(on)),
            DoorCmd::Redraw => Some(Do::Redraw),
            DoorCmd::Suspend => Some(Do::Suspend),
            DoorCmd::Quit => Some(Do::Leave(None)),
        }
    }
}

impl Play for Doorway {
    type News = (u64, Result<Answer, Trouble>);
    type Left = Option<SignedIn>;

    fn tell(&mut self, msg: Msg) -> Follows {
        let msg = match msg {
            Msg::Time(now) => DoorMsg::Time(now),
            Msg::Size(width, height) => DoorMsg::Size(width, height),
            Msg::Key(key) => DoorMsg::Key(key),
            Msg::Paste(text) => DoorMsg::Paste(text),
            Msg::Click(spot) => DoorMsg::Click(spot, false),
            Msg::DoubleClick(spot) => DoorMsg::Click(spot, true),
            Msg::Wheel(_, lines) => DoorMsg::Wheel(lines),
            Msg::NoShell => DoorMsg::NoShell,
            // Nothing is carried here, and there is no board.
            _ => return Vec::new(),
        };
        self.take(msg)
    }

    fn hear(&mut self, (n, answer): Self::News) -> Follows {
        self.take(DoorMsg::Answer(n, answer))
    }

    fn dirty(&mut self) -> &mut bool {
        &mut self.door.dirty
    }

    fn next_change(&self) -> Timestamp {
        self.door.next_change()
    }

    fn title(&self) -> String {
        self.door.title()
    }

    fn draw(&self, buf: &mut Buffer) -> Drawn {
        view::draw_door(&self.door, buf)
    }
}

/// Asks the server at `url`, and waits for its answer.
pub async fn ask(url: &Url, request: Request) -> Result<Answer, Trouble> {
    let link = Link::to(url, &request)?;
    match &request {
        Request::Front => link.get::<Front>("api/front").await.map(Answer::Front),
        Request::SignIn(body) => link.tokens("api/login", body).await,
        Request::Setup(body) => link.tokens("api/setup", body).await,
        Request::Join(body) => link.tokens("api/join", body).await,
        Request::Reset(body) => link.tokens("api/password/reset", body).await,
        Request::Look(body) => {
            let seen: InvitationSeen = link.post("api/invitations/look", body).await?;
            Ok(Answer::Seen(seen))
        }
        Request::Register(body) => {
            let _: serde_json::Value = link.post("api/register", body).await?;
            Ok(Answer::Registered)
        }
    }
}

/// A server that is asked one thing.
struct Link<'a> {
    url: &'a Url,
    http: reqwest::Client,
    /// Whether what is asked changes something there.
    changes: bool,
}

impl<'a> Link<'a> {
    fn to(url: &'a Url, request: &Request) -> Result<Self, Trouble> {
        pages::safe(url.clone()).map_err(|why| Trouble::new("plain-http", why))?;
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            // A redirect would carry the password to wherever the answer says.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("cordboard/", env!("CARGO_PKG_VERSION")));
        if loopback(url) {
            http = http.no_proxy();
        }
        let changes = !matches!(
            request,
            Request::Front | Request::Look(_) | Request::SignIn(_)
        );
        match http.build() {
            Ok(http) => Ok(Self { url, http, changes }),
            Err(why) => Err(unreachable(url, &deepest(&why))),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        self.send(Method::GET, path, None::<&()>).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Trouble> {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn tokens(&self, path: &str, body: &impl Serialize) -> Result<Answer, Trouble> {
        let tokens: Tokens = self.post(path, body).await?;
        Ok(Answer::Tokens(Box::new(tokens)))
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Trouble> {
        let url = self
            .url
            .join(path)
            .map_err(|_| self.garbled("an address that is none"))?;
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|why| self.lost(&why))?;
        let status = response.status();
        let again = retry_after(&response);
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|why| self.lost(&why))? {
            if bytes.len() + chunk.len() > LONGEST {
                return Err(self.garbled("an answer without an end"));
            }
            bytes.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|why| self.garbled(&why.to_string()));
        }
        let Ok(problem) = serde_json::from_slice::<Problem>(&bytes) else {
            return Err(match status.as_u16() {
                300..400 => self.garbled(&format!("{status}: it sends us elsewhere")),
                404 => Trouble::new(
                    Trouble::GARBLED,
                    format!(
                        "There is no Cordboard at {}, or an older one.",
                        address(self.url)
                    ),
                ),
                502..=504 => unreachable(self.url, &format!("what stands before it says {status}")),
                _ => self.garbled(&status.to_string()),
            });
        };
        Err(Trouble {
            code: problem.code,
            detail: problem.detail,
            errors: problem.errors,
            retry_after: again,
        })
    }

    fn lost(&self, why: &reqwest::Error) -> Trouble {
        if self.changes && !why.is_connect() && !why.is_builder() {
            let detail = format!(
                "It was sent, and no answer came: {}. It may have been done all the same.",
                deepest(why)
            );
            return Trouble::new(Trouble::LOST, detail);
        }
        unreachable(self.url, &deepest(why))
    }

    fn garbled(&self, what: &str) -> Trouble {
        let detail = format!(
            "The server at {} answered something this console does not understand ({what}). Is it a Cordboard, and of the same version?",
            address(self.url)
        );
        Trouble::new(Trouble::GARBLED, detail)
    }
}

fn unreachable(url: &Url, why: &str) -> Trouble {
    let at = address(url);
    let detail = format!(
        "The server at {at} cannot be reached: {why}. Is it running, and is that its address?"
    );
    Trouble::new(Trouble::UNREACHABLE, detail)
}

/// When it may be asked again, if the server says so in seconds.
fn retry_after(response: &Response) -> Option<u32> {
    let said = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    said.trim().parse().ok()
}

/// The innermost cause: "connection refused" says more than "error sending request".
fn deepest(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text = cause.to_string();
    // What the system calls it says enough; its number is for nobody here.
    let text = text.split(" (os error").next().unwrap_or_default();
    text.trim_end_matches('.').to_owned()
}
