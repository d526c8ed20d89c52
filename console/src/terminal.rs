//! The terminal: taken, written to in whole frames, and always given back.
//!
//! What was turned on is noted in one place, and every way out turns exactly that off: the guard's `Drop`, a
//! panic, a signal, Ctrl-Z, and a terminal that was closed (which the event library does not notice; a thread
//! watches for it).
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
        mpsc::{SyncSender, sync_channel},
    },
    thread,
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

/// Whether the terminal is ours. One terminal a process, so one flag, which the panic hook can reach too.
static TAKEN: AtomicBool = AtomicBool::new(false);

fn take(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let mut out = io::stdout().lock();
    queue!(
        out,
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
    gather: Gather,
    frames: SyncSender<Vec<u8>>,
    underway: Arc<AtomicUsize>,
    mouse: bool,
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
        let gather = Gather::default();
        let terminal = Terminal::new(CrosstermBackend::new(gather.clone()))?;
        let underway = Arc::new(AtomicUsize::new(0));
        let (frames, to_write) = sync_channel::<Vec<u8>>(2);
        let count = underway.clone();
        thread::Builder::new()
            .name("frames".to_owned())
            .spawn(move || {
                for frame in to_write {
                    let mut out = io::stdout().lock();
                    // A terminal that is gone is noticed by the watcher; there is nobody left to draw for.
                    let _ = out.write_all(&frame).and_then(|()| out.flush());
                    drop(out);
                    count.fetch_sub(1, Ordering::SeqCst);
                }
            })?;
        give_back_on_panic();
        take(mouse)?;
        Ok(Self {
            terminal,
            gather,
            frames,
            underway,
            mouse,
        })
    }

    fn send(&mut self) {
        let frame =
            std::mem::take(&mut *self.gather.0.lock().unwrap_or_else(PoisonError::into_inner));
        if !frame.is_empty() {
            self.underway.fetch_add(1, Ordering::SeqCst);
            if self.frames.send(frame).is_err() {
                self.underway.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    fn say(&mut self, command: impl Command) {
        let _ = queue!(self.gather, command);
        self.send();
    }
}

impl Screen for TerminalScreen {
    fn ready(&self) -> bool {
        self.underway.load(Ordering::SeqCst) == 0
    }

    fn frame(&mut self, draw: &mut dyn FnMut(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.gather, BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| draw(frame))?;
        queue!(self.gather, EndSynchronizedUpdate)?;
        self.send();
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
        let _ = self.gather.write_all(b"\x07");
        self.send();
    }

    fn title(&mut self, text: &str) {
        self.say(SetTitle(text));
    }

    fn mouse(&mut self, on: bool) {
        self.mouse = on;
        if on {
            self.say(MouseOn);
        } else {
            self.say(MouseOff);
        }
    }

    fn copy(&mut self, text: &str) {
        self.say(CopyToClipboard::to_clipboard_from(text));
    }

    fn suspend(&mut self) -> io::Result<bool> {
        give_back();
        let stopped =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
        // Here we are again.
        take(self.mouse)?;
        stopped?;
        Ok(true)
    }
}

impl Drop for TerminalScreen {
    fn drop(&mut self) {
        give_back();
    }
}

/// A panic's message belongs on the real screen, not on the board.
fn give_back_on_panic() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
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
