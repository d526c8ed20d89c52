//! The terminal: taken, written to in whole frames, and always given back.
//!
//! What was turned on is noted in one place, and every way out turns exactly that off: the guard's `Drop`, a
//! panic, a signal, Ctrl-Z, and a terminal that was closed (which the event library does not notice; a thread
//! watches for it). A panic elsewhere, in a task whose end is not the console's, leaves the board standing: its
//! message is kept for the shell's screen.
//!
//! Frames are put together in memory and written by a thread of their own, so a terminal that takes nothing,
//! such as a stopped one at the far end of a slow line, never stops the loop: while one frame is on its way
//! no other is begun.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel},
    },
    thread::{self, ThreadId},
    time::Duration,
};

use crossterm::{
    Command,
    clipboard::CopyToClipboard,
    cursor::Show,
    event::{DisableBracketedPaste, DisableFocusChange, EnableBracketedPaste, EnableFocusChange},
    queue,
    style::{ResetColor, force_color_output},
    terminal::{
        BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
        SetTitle, disable_raw_mode, enable_raw_mode,
    },
};
use ratatui::{
    Frame, Terminal,
    backend::CrosstermBackend,
    layout::{Position, Rect},
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What the loop draws on. The real one is [`TerminalScreen`]; tests bring their own.
pub trait Screen {
    /// Whether the last frame has gone out.
    fn ready(&self) -> bool {
        true
    }
    /// Draws one frame.
    fn frame(&mut self, draw: &mut dyn FnMut(&mut Frame<'_>)) -> io::Result<()>;
    /// Forgets what is on the screen: the next frame is written whole.
    fn clear(&mut self) -> io::Result<()>;
    /// How wide and high it is.
    fn size(&self) -> io::Result<(u16, u16)>;
    /// Rings the bell.
    fn bell(&mut self);
    /// Names the window. The text is already clean.
    fn title(&mut self, text: &str);
    /// Takes the mouse, or gives it back.
    fn mouse(&mut self, on: bool);
    /// Puts text on the clipboard of the terminal.
    fn copy(&mut self, text: &str);
    /// Gives the terminal to the shell until we are continued. False: there is no shell that could do that.
    fn suspend(&mut self) -> io::Result<bool>;
}

/// Mouse reporting: presses, drags and the wheel in SGR form. Not mode 1003, which reports every motion and
/// floods slow lines.
struct MouseOn;
struct MouseOff;

impl Command for MouseOn {
    fn write_ansi(&self, f: &mut impl fmt::Write) -> fmt::Result {
        f.write_str("\x1b[?1000h\x1b[?1002h\x1b[?1006h")
    }
}

impl Command for MouseOff {
    fn write_ansi(&self, f: &mut impl fmt::Write) -> fmt::Result {
        f.write_str("\x1b[?1006l\x1b[?1002l\x1b[?1000l")
    }
}

/// The window's title, kept by the terminal and brought back (`CSI 22 t` and `CSI 23 t` of xterm). A terminal
/// that does not know them passes over both.
struct KeepTitle;
struct BringBackTitle;

impl Command for KeepTitle {
    fn write_ansi(&self, f: &mut impl fmt::Write) -> fmt::Result {
        f.write_str("\x1b[22;0t")
    }
}

impl Command for BringBackTitle {
    fn write_ansi(&self, f: &mut impl fmt::Write) -> fmt::Result {
        f.write_str("\x1b[23;0t")
    }
}

/// Whether the terminal is ours. One terminal a process, so one flag, which the panic hook can reach too.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// The thread that took it: the console runs on it, and ends with a panic on it.
static TAKER: Mutex<Option<ThreadId>> = Mutex::new(None);
/// Panics of others, to be read when the screen has been given back.
static ELSEWHERE: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// How many of those are kept; the log has them all.
const KEPT: usize = 5;
/// How long what is under way may take to go out before the terminal counts as stopped.
const LAST_FRAME: Duration = Duration::from_secs(1);

fn take(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let mut out = io::stdout().lock();
    queue!(
        out,
        KeepTitle,
        EnterAlternateScreen,
        EnableFocusChange,
        EnableBracketedPaste
    )?;
    if mouse {
        queue!(out, MouseOn)?;
    }
    out.flush()
}

/// Gives the terminal back, if it is taken. Called from every way out, more than once without harm; it can do
/// nothing about errors.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout().lock();
        let _ = queue!(
            out,
            EndSynchronizedUpdate,
            MouseOff,
            DisableBracketedPaste,
            DisableFocusChange,
            ResetColor,
            LeaveAlternateScreen,
            BringBackTitle,
            Show
        );
        let _ = out.flush();
        let _ = disable_raw_mode();
    }
}

/// Bytes on their way to the terminal.
#[derive(Debug, Clone, Default)]
struct Gather(Arc<Mutex<Vec<u8>>>);

impl Write for Gather {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    /// Nothing goes out before the frame is whole.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The terminal this process was started on, from [`TerminalScreen::take`] until it is dropped.
#[derive(Debug)]
pub struct TerminalScreen {
    terminal: Terminal<CrosstermBackend<Gather>>,
    out: Outlet,
    mouse: bool,
}

/// The way to the thread that writes. Nothing here waits: a terminal that takes nothing must not stop the loop.
#[derive(Debug)]
struct Outlet {
    gather: Gather,
    /// None once the terminal is being given back.
    frames: Option<SyncSender<Vec<u8>>>,
    underway: Arc<AtomicUsize>,
    /// Ends with the thread that writes.
    writing: Receiver<()>,
}

impl Outlet {
    /// How many frames or commands may be on their way at once.
    const ROOM: usize = 2;

    /// Starts the thread, which gives what is sent to `write`.
    fn start(mut write: impl FnMut(&[u8]) + Send + 'static) -> io::Result<Self> {
        let (frames, to_write) = sync_channel::<Vec<u8>>(Self::ROOM);
        let (alive, writing) = channel();
        let underway = Arc::new(AtomicUsize::new(0));
        let count = underway.clone();
        thread::Builder::new()
            .name("frames".to_owned())
            .spawn(move || {
                let _alive = alive;
                for frame in to_write {
                    write(&frame);
                    count.fetch_sub(1, Ordering::SeqCst);
                }
            })?;
        Ok(Self {
            gather: Gather::default(),
            frames: Some(frames),
            underway,
            writing,
        })
    }

    fn ready(&self) -> bool {
        self.underway.load(Ordering::SeqCst) == 0
    }

    /// Sends what has been gathered; where there is no room for it, it goes with what comes next.
    fn send(&self) {
        let mut gathered = self.gather.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(frames) = self.frames.as_ref().filter(|_| !gathered.is_empty()) else {
            return;
        };
        self.underway.fetch_add(1, Ordering::SeqCst);
        if let Err(why) = frames.try_send(std::mem::take(&mut *gathered)) {
            self.underway.fetch_sub(1, Ordering::SeqCst);
            if let TrySendError::Full(kept) = why {
                *gathered = kept;
            }
        }
    }

    fn say(&mut self, command: impl Command) {
        let _ = queue!(self.gather, command);
        self.send();
    }

    /// Rings, unless the terminal is behind: a bell that comes late says nothing.
    fn bell(&mut self) {
        if self.ready() {
            let _ = self.gather.write_all(b"\x07");
            self.send();
        }
    }

    /// Lets what is under way go out, and nothing after it. False: the terminal takes nothing.
    fn close(&mut self) -> bool {
        self.frames = None;
        self.writing.recv_timeout(LAST_FRAME) != Err(RecvTimeoutError::Timeout)
    }
}

impl TerminalScreen {
    /// Takes the terminal. An error says that there is none.
    pub fn take(mouse: bool) -> io::Result<Self> {
        if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
            return Err(io::Error::other(
                "standard input and output must be a terminal",
            ));
        }
        // Our own themes honour NO_COLOR. The library's way of doing so also resets bold and reverse, and
        // with them every selection.
        force_color_output(true);
        let out = Outlet::start(|frame| {
            let mut out = io::stdout().lock();
            // Looked at with the lock held: what was still on its way when the terminal was given back, after a
            // panic or Ctrl-Z, must not follow it onto the shell's screen.
            if TAKEN.load(Ordering::SeqCst) {
                // A terminal that is gone is noticed by the watcher; there is nobody left to draw for.
                let _ = out.write_all(frame).and_then(|()| out.flush());
            }
        })?;
        let terminal = Terminal::new(CrosstermBackend::new(out.gather.clone()))?;
        give_back_on_panic();
        *TAKER.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current().id());
        take(mouse)?;
        Ok(Self {
            terminal,
            out,
            mouse,
        })
    }
}

impl Screen for TerminalScreen {
    fn ready(&self) -> bool {
        self.out.ready()
    }

    fn frame(&mut self, draw: &mut dyn FnMut(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.out.gather, BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| draw(frame))?;
        queue!(self.out.gather, EndSynchronizedUpdate)?;
        self.out.send();
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        // Not `Terminal::clear`: it asks the terminal where the cursor is, and the answer would have to pass
        // through the reader of keys that waits for us.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))
    }

    fn size(&self) -> io::Result<(u16, u16)> {
        self.terminal.size().map(|s| (s.width, s.height))
    }

    fn bell(&mut self) {
        self.out.bell();
    }

    fn title(&mut self, text: &str) {
        self.out.say(SetTitle(text));
    }

    fn mouse(&mut self, on: bool) {
        if self.mouse == on {
            return;
        }
        self.mouse = on;
        if on {
            self.out.say(MouseOn);
        } else {
            self.out.say(MouseOff);
        }
    }

    fn copy(&mut self, text: &str) {
        self.out.say(CopyToClipboard::to_clipboard_from(text));
    }

    fn suspend(&mut self) -> io::Result<bool> {
        use rustix::process::{Signal, getpgrp, getsid, kill_current_process_group};
        // The first of its session has no shell above it: stopped, it would stay so for ever.
        if getsid(None)? == getpgrp() {
            return Ok(false);
        }
        give_back();
        // All of the job, as a terminal's own Ctrl-Z would: the shell waits for its first process, which may be
        // `make`. Not SIGTSTP: we listen for that ourselves, and so would not stop.
        let stopped = kill_current_process_group(Signal::STOP);
        // Here we are again.
        take(self.mouse)?;
        stopped?;
        Ok(true)
    }
}

impl Drop for TerminalScreen {
    fn drop(&mut self) {
        if self.out.close() {
            give_back();
        } else if TAKEN.swap(false, Ordering::SeqCst) {
            // It takes nothing, so nothing can be given back but how it reads keys; waiting for it would keep
            // a console alive that was told to end.
            let _ = disable_raw_mode();
        }
        let told = std::mem::take(&mut *ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner));
        for panic in told {
            let _ = writeln!(io::stderr(), "{panic}");
        }
    }
}

/// A panic's message belongs on the real screen, not on the board. One that ends the console gives that back at
/// once; one in a task (the server, the twin and the cast of a demo share this process) is kept for later.
fn give_back_on_panic() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let here = Some(thread::current().id());
            let ours = *TAKER.lock().unwrap_or_else(PoisonError::into_inner) == here;
            if TAKEN.load(Ordering::SeqCst) && !ours {
                tracing::error!(panic = %info, "a task has panicked");
                let mut kept = ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
                if kept.len() < KEPT {
                    kept.push(info.to_string());
                }
                return;
            }
            give_back();
            before(info);
        }));
    });
}

/// Calls `gone` once the terminal has hung up. The event library does not notice, and would spin on a dead
/// terminal for days.
pub fn watch_for_hang_up(gone: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name("hang-up".to_owned())
        .spawn(move || {
            let stdin = io::stdin();
            let pause = Timespec {
                tv_sec: 0,
                tv_nsec: 250_000_000,
            };
            loop {
                // No events are asked for: hang-up and error are reported unasked, and input is left to its
                // reader.
                let mut fds = [PollFd::new(&stdin, PollFlags::empty())];
                let over = match poll(&mut fds, Some(&pause)) {
                    Ok(_) => fds[0]
                        .revents()
                        .intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
                    Err(rustix::io::Errno::INTR) => false,
                    Err(_) => true,
                };
                if over {
                    return gone();
                }
            }
        })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than anything here takes, unless it waits for ever.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// An outlet to a terminal that takes nothing until it is told to, and what it has taken then.
    fn stopped() -> (Outlet, SyncSender<()>, Receiver<Vec<u8>>) {
        let (go, wait) = sync_channel::<()>(1);
        let (to_test, taken) = channel();
        let out = Outlet::start(move |bytes| {
            let _ = wait.recv();
            let _ = to_test.send(bytes.to_vec());
        });
        (out.unwrap(), go, taken)
    }

    #[test]
    fn a_stopped_terminal_stops_no_bell_and_no_title_and_loses_no_mode() {
        let (mut out, go, taken) = stopped();
        let (done, finished) = channel();
        thread::spawn(move || {
            out.say(SetTitle("one"));
            for _ in 0..9 {
                out.bell();
                out.say(SetTitle("more"));
            }
            out.say(MouseOff);
            done.send(out).unwrap();
        });
        let mut out = finished
            .recv_timeout(PATIENCE)
            .expect("the loop waits for a terminal that takes nothing");
        drop(go);
        while !out.ready() {
            thread::yield_now();
        }
        out.say(SetTitle("last"));
        assert!(out.close());
        let all: Vec<u8> = taken.iter().flatten().collect();
        let text = String::from_utf8(all).unwrap();
        assert!(!text.contains("\x07\x07"), "{text:?}");
        assert!(
            text.contains("\x1b[?1000l"),
            "the mouse was given back: {text:?}"
        );
    }

    #[test]
    fn what_is_under_way_goes_out_before_the_terminal_is_given_back() {
        let (mut out, go, taken) = stopped();
        out.say(SetTitle("one"));
        out.say(SetTitle("two"));
        drop(go);
        assert!(out.close(), "it was taken in time");
        let written: Vec<u8> = taken.try_iter().flatten().collect();
        assert!(
            written.windows(3).any(|w| w == b"two"),
            "it was closed while a command was still on its way"
        );
    }
}
