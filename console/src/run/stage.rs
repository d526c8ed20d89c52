//! The loop itself, and the terminal it runs on: for the board, and for the door before it.
//!
//! Input comes first, so that a flood from the server never makes a key wait; a drain is bounded, so that a
//! flood of keys never starves the server. There is no frame while nothing has changed: timers wake the loop
//! on the second at which a shown number changes, and not otherwise.
//!
//! It knows nothing of what it runs but [`Play`]. The terminal is taken once ([`Stage`]) for whatever is played on it
//! one after the other: a second reader of its keys would swallow the first of them.

use std::{fmt, future::Future, io, pin::Pin, thread, time::Duration};

use cordboard_core::ids::Timestamp;
use crossterm::event::{self, Event};
use ratatui::buffer::Buffer;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{
        mpsc::{self, error::TryRecvError},
        oneshot,
    },
    time::sleep,
};

use super::{ConsoleError, ExitReason};
use crate::{
    app::Msg,
    clock::Clock,
    input::{self, Fragments, Pointer},
    terminal::{Screen, TerminalScreen, watch_for_hang_up},
    view::Drawn,
};

/// How many events are taken before a frame is painted.
const BATCH: usize = 256;
/// The longest text that is taken from a paste: longer than any field.
const PASTE: usize = 1024;

/// Something that the loop runs: it is told what happens, says what shall follow, and draws itself.
pub(crate) trait Play {
    /// What comes to it from elsewhere than the terminal.
    type News;
    /// What it leaves with.
    type Left;

    /// Something has happened at the terminal, or on the clock.
    fn tell(&mut self, msg: Msg) -> Vec<Do<Self::Left>>;
    /// Something has come from elsewhere.
    fn hear(&mut self, news: Self::News) -> Vec<Do<Self::Left>>;
    /// Whether the mouse carries something.
    fn carrying(&self) -> bool {
        false
    }
    /// Whether there is anything new to draw.
    fn dirty(&mut self) -> &mut bool;
    /// When the picture changes next by time alone.
    fn next_change(&self) -> Timestamp;
    /// The title of the window, clean.
    fn title(&self) -> String;
    /// What the civil time here is ahead of UTC, in seconds.
    fn utc_offset(&mut self, _seconds: i32) {}
    /// Draws a frame.
    fn draw(&self, buf: &mut Buffer) -> Drawn;
    /// That was drawn.
    fn drawn(&mut self, _drawn: &Drawn) {}
}

/// What shall follow.
#[derive(Debug)]
pub(crate) enum Do<L> {
    /// Ring the terminal's bell.
    Bell,
    /// Turn mouse capture on or off.
    Mouse(bool),
    /// Put this on the clipboard of the terminal.
    Copy(String),
    /// Draw everything again.
    Redraw,
    /// Stop until the shell brings us back.
    Suspend,
    /// Leave.
    Leave(L),
}

/// How a play ended.
#[derive(Debug)]
pub(crate) enum Over<L> {
    /// By itself.
    Left(L),
    /// It was told to end.
    Told(ExitReason),
}

type Stop = Pin<Box<dyn Future<Output = ExitReason> + Send>>;

/// The terminal of this process, taken: what is drawn on, what comes from it, and what tells to end.
pub struct Stage {
    pub(crate) screen: TerminalScreen,
    pub(crate) input: mpsc::Receiver<io::Result<Event>>,
    pub(crate) stop: Stop,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").finish_non_exhaustive()
    }
}

impl Stage {
    /// Takes the terminal, with the mouse or without. It is given back when this is dropped.
    pub fn take(mouse: bool) -> Result<Self, ConsoleError> {
        let screen = TerminalScreen::take(mouse).map_err(ConsoleError::NoTerminal)?;
        let (gone, hung_up) = oneshot::channel();
        let told = watch_for_hang_up(move || {
            let _ = gone.send(());
        })
        .and_then(|()| Ok((signals()?, events()?)));
        match told {
            Ok((signals, input)) => {
                let stop = Box::pin(async move {
                    tokio::select! {
                        reason = signals => reason,
                        Ok(()) = hung_up => ExitReason::HungUp,
                    }
                });
                Ok(Self {
                    screen,
                    input,
                    stop,
                })
            }
            Err(why) => Err(ConsoleError::Terminal { why, log: None }),
        }
    }
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
fn signals() -> io::Result<impl Future<Output = ExitReason> + Send> {
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

/// What the loop draws on, and what comes from there.
#[derive(Debug)]
pub(crate) struct Ends<'a, S> {
    pub(crate) screen: &'a mut S,
    pub(crate) input: &'a mut mpsc::Receiver<io::Result<Event>>,
}

/// Runs the loop until what it plays leaves, `stop` is fulfilled, or nothing can come any more.
pub(crate) async fn run<P: Play, S: Screen>(
    play: &mut P,
    Ends { screen, input }: Ends<'_, S>,
    mut news: mpsc::Receiver<P::News>,
    stop: impl Future<Output = ExitReason>,
    clock: &Clock,
    settings: Settings,
) -> io::Result<Over<P::Left>> {
    let mut hands = Hands {
        pointer: Pointer::default(),
        fragments: Fragments::default(),
        drawn: Drawn::default(),
        bell: settings.bell,
        title: String::new(),
    };
    let (width, height) = screen.size()?;
    play.tell(Msg::Size(width, height));
    let mut painted: Option<Timestamp> = None;
    let mut open = true;
    // Continued after a stop that was not ours: what is on the screen is the shell's.
    let mut continued = signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?;
    let mut stopped = signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))?;
    tokio::pin!(stop);

    loop {
        // What is visible of the time comes before what came in with it.
        let now = clock.now();
        let follows = play.tell(Msg::Time(now));
        if let Some(left) = hands.act(play, screen, follows)? {
            return Ok(Over::Left(left));
        }
        let due = painted.map_or(now, |at| at.plus(settings.frame_ms));
        if *play.dirty() && now >= due && screen.ready() {
            // Not once at the start: summer time begins and ends under a console that runs for months.
            play.utc_offset(clock.utc_offset());
            hands.paint(play, screen)?;
            painted = Some(now);
        }
        let wake = if *play.dirty() {
            due.max(now.plus(1))
        } else {
            play.next_change()
        };
        let pause =
            Duration::from_millis(u64::try_from(wake.since(now)).unwrap_or(0).clamp(1, 60_000));

        let mut came = Vec::new();
        tokio::select! {
            biased;
            event = input.recv() => match event {
                Some(Ok(event)) => came.extend(hands.read(&event, play.carrying(), screen, clock.now())?.into_iter().map(Came::Msg)),
                Some(Err(why)) => return Err(why),
                None => return Ok(Over::Told(ExitReason::HungUp)),
            },
            reason = &mut stop => return Ok(Over::Told(reason)),
            _ = stopped.recv() => hands.suspend(play, screen)?,
            _ = continued.recv() => {
                screen.clear()?;
                *play.dirty() = true;
            }
            said = news.recv(), if open => match said {
                Some(said) => came.push(Came::News(said)),
                None => open = false,
            },
            () = sleep(pause) => {}
        }
        for n in 0..BATCH {
            for came in came.drain(..) {
                let follows = match came {
                    Came::Msg(msg) => play.tell(msg),
                    Came::News(said) => play.hear(said),
                };
                if let Some(left) = hands.act(play, screen, follows)? {
                    return Ok(Over::Left(left));
                }
            }
            if n + 1 == BATCH {
                break;
            }
            // Input first, here too.
            match input.try_recv() {
                Ok(Ok(event)) => {
                    let msgs = hands.read(&event, play.carrying(), screen, clock.now())?;
                    came.extend(msgs.into_iter().map(Came::Msg));
                }
                Ok(Err(why)) => return Err(why),
                Err(TryRecvError::Disconnected) => return Ok(Over::Told(ExitReason::HungUp)),
                Err(TryRecvError::Empty) => match news.try_recv() {
                    Ok(said) => came.push(Came::News(said)),
                    Err(_) => break,
                },
            }
        }
    }
}

/// Something that has come in.
enum Came<N> {
    Msg(Msg),
    News(N),
}

/// What stands between a play and the terminal.
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
        carrying: bool,
        screen: &mut impl Screen,
        now: Timestamp,
    ) -> io::Result<Vec<Msg>> {
        Ok(match event {
            Event::Key(key) => {
                let key = input::key(key).and_then(|key| self.fragments.filter(key, now));
                key.map(Msg::Key).into_iter().collect()
            }
            Event::Mouse(mouse) => self.pointer.mouse(*mouse, &self.drawn.hits, now, carrying),
            Event::Paste(text) => vec![Msg::Paste(text.chars().take(PASTE).collect())],
            Event::Resize(width, height) => {
                screen.clear()?;
                vec![Msg::Size(*width, *height)]
            }
            Event::FocusGained => vec![Msg::Focus(true)],
            Event::FocusLost => vec![Msg::Focus(false)],
        })
    }

    /// Does what follows. Something: what was played leaves with it.
    fn act<P: Play>(
        &mut self,
        play: &mut P,
        screen: &mut impl Screen,
        follows: Vec<Do<P::Left>>,
    ) -> io::Result<Option<P::Left>> {
        for follow in follows {
            match follow {
                Do::Bell if self.bell => screen.bell(),
                Do::Bell => {}
                Do::Mouse(on) => screen.mouse(on),
                Do::Copy(text) => screen.copy(&text),
                Do::Redraw => {
                    screen.clear()?;
                    *play.dirty() = true;
                }
                Do::Suspend => self.suspend(play, screen)?,
                Do::Leave(left) => return Ok(Some(left)),
            }
        }
        Ok(None)
    }

    /// Leaves to the shell until it brings us back.
    fn suspend(&mut self, play: &mut impl Play, screen: &mut impl Screen) -> io::Result<()> {
        if !screen.suspend()? {
            play.tell(Msg::NoShell);
            return Ok(());
        }
        // The window had its own title meanwhile.
        self.title.clear();
        screen.clear()?;
        *play.dirty() = true;
        Ok(())
    }

    fn paint(&mut self, play: &mut impl Play, screen: &mut impl Screen) -> io::Result<()> {
        let drawn = &mut self.drawn;
        let seen: &_ = play;
        screen.frame(&mut |frame| {
            *drawn = seen.draw(frame.buffer_mut());
            if let Some(cursor) = drawn.cursor {
                frame.set_cursor_position(cursor);
            }
        })?;
        *play.dirty() = false;
        play.drawn(&self.drawn);
        let title = play.title();
        if title != self.title {
            screen.title(&title);
            self.title = title;
        }
        Ok(())
    }
}
