//! A person at a terminal: the real binary in a real PTY, a screen that is read as text, a keyboard and a
//! mouse.
//!
//! What the program writes goes through a terminal emulator, frame by frame: what lies between the marks of a
//! synchronised update is shown at once, as a terminal would. The mouse speaks the SGR form that the program
//! asked for. Every wait has a name and prints the screen when it fails; the reader wakes it, so nothing
//! sleeps.
//!
//! No assertion about Cordboard's behaviour belongs here. Read next: `it/screens.rs`.

use std::{
    fmt::Write as _,
    io::{Read, Write},
    num::NonZeroU16,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use vt100::{Callbacks, MouseProtocolMode, Parser, Screen};

use crate::house::binary;
use crate::wall;

/// The longest anything on a screen may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many times a pointer is reported on its way, at most.
const STEPS: u16 = 24;
/// A synchronised update begins: what follows is not shown yet.
const BEGIN: &[u8] = b"\x1b[?2026h";
/// It ends: all of it is shown at once.
const END: &[u8] = b"\x1b[?2026l";

/// Columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Cells across.
    pub columns: u16,
    /// Cells down.
    pub rows: u16,
}

impl Size {
    /// That many columns and rows.
    #[must_use]
    pub const fn new(columns: u16, rows: u16) -> Self {
        Self { columns, rows }
    }

    fn pty(self) -> PtySize {
        PtySize {
            rows: self.rows,
            cols: self.columns,
            pixel_width: 0,
            pixel_height: 0,
        }
    }

    fn cells(self) -> (NonZeroU16, NonZeroU16) {
        let cells = |n| NonZeroU16::new(n).expect("a terminal has at least one row and one column");
        (cells(self.rows), cells(self.columns))
    }
}

/// A cell, counted from 0, from the left and from the top.
pub type Spot = (u16, u16);

/// What a program asked of the terminal beside cells.
#[derive(Default)]
struct Asides {
    titles: Vec<Vec<u8>>,
}

impl Callbacks for Asides {
    fn set_window_title(&mut self, _: &mut Screen, title: &[u8]) {
        self.titles.push(title.to_vec());
    }
}

/// What has come out of the program.
struct Seen {
    parser: Parser<Asides>,
    /// Of a frame that has not ended.
    kept: Vec<u8>,
    raw: Vec<u8>,
    /// Nothing more will come.
    over: bool,
}

impl Seen {
    /// Takes bytes; shows what belongs to whole frames.
    fn take(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        self.kept.extend_from_slice(bytes);
        loop {
            let shown = match find(&self.kept, BEGIN) {
                Some(at) => match find(&self.kept[at..], END) {
                    Some(length) => at + length + END.len(),
                    None => at,
                },
                // The mark itself may have come in two pieces.
                None => {
                    self.kept.len()
                        - (1..BEGIN.len())
                            .rev()
                            .find(|n| self.kept.ends_with(&BEGIN[..*n]))
                            .unwrap_or(0)
                }
            };
            if shown == 0 {
                return;
            }
            let bytes: Vec<u8> = self.kept.drain(..shown).collect();
            self.parser.process(&bytes);
        }
    }
}

fn find(all: &[u8], part: &[u8]) -> Option<usize> {
    all.windows(part.len()).position(|w| w == part)
}

/// A program in a terminal. Dropped, it is ended.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    size: Size,
    /// The line discipline before the program came, as the system describes it.
    before: String,
    /// Where its colours and keys are kept, unless the test says otherwise.
    _likes: TempDir,
}

impl Terminal {
    /// Starts `cordboard ARGS` with that environment, and nothing else of ours, in a terminal of that size.
    ///
    /// # Panics
    /// If there is no PTY, or the program cannot be started.
    #[must_use]
    pub fn start(args: &[&str], env: &[(&str, String)], size: Size) -> Self {
        Self::run(&binary(), args, env, size)
    }

    /// The same with another program.
    ///
    /// # Panics
    /// If there is no PTY, or the program cannot be started.
    #[must_use]
    pub fn run(program: &Path, args: &[&str], env: &[(&str, String)], size: Size) -> Self {
        let pair = native_pty_system()
            .openpty(size.pty())
            .expect("the system has a PTY");
        let before = discipline(pair.master.as_ref());
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.env_clear();
        for (key, value) in
            std::env::vars().filter(|(k, _)| matches!(k.as_str(), "PATH" | "HOME" | "TMPDIR"))
        {
            command.env(key, value);
        }
        for (key, value) in [
            ("TERM", "xterm-256color"),
            ("COLORTERM", "truecolor"),
            ("LANG", "C.UTF-8"),
            ("TZ", "UTC"),
        ] {
            command.env(key, value);
        }
        // What whoever runs the tests likes is not what they are about.
        let likes = tempfile::tempdir().expect("a temporary folder");
        command.env("XDG_CONFIG_HOME", likes.path());
        for (key, value) in env {
            command.env(key, value);
        }
        let child = pair.slave.spawn_command(command).expect("the binary runs");
        drop(pair.slave);
        let writer = pair.master.take_writer().expect("the writer is taken once");
        let mut reader = pair.master.try_clone_reader().expect("a PTY can be read");
        let (rows, columns) = size.cells();
        let parser = Parser::new_with_callbacks(rows, columns, 0, Asides::default());
        let seen = Arc::new((
            Mutex::new(Seen {
                parser,
                kept: Vec::new(),
                raw: Vec::new(),
                over: false,
            }),
            Condvar::new(),
        ));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut bytes = [0; 16_384];
            loop {
                // An error is how Linux says that the other end is closed.
                let length = reader.read(&mut bytes).unwrap_or(0);
                let mut seen = shared.0.lock().unwrap_or_else(PoisonError::into_inner);
                seen.take(&bytes[..length]);
                seen.over = length == 0;
                shared.1.notify_all();
                if seen.over {
                    return;
                }
            }
        });
        Self {
            child,
            master: pair.master,
            writer,
            seen,
            size,
            before,
            _likes: likes,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the screen shows what `look` looks for.
    ///
    /// # Panics
    /// If that does not come, with the screen as it was last.
    pub fn wait_until<T>(&self, what: &str, mut look: impl FnMut(&Screen) -> Option<T>) -> T {
        let until = wall() + PATIENCE;
        let mut seen = self.seen();
        loop {
            if let Some(found) = look(seen.parser.screen()) {
                return found;
            }
            let left = until.saturating_duration_since(wall());
            assert!(
                !left.is_zero(),
                "never on the screen: {what}\n{}",
                framed(seen.parser.screen())
            );
            assert!(
                !seen.over,
                "the program ended before: {what}\n{}",
                framed(seen.parser.screen())
            );
            seen = self
                .seen
                .1
                .wait_timeout(seen, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until a text is on the screen; where it begins.
    ///
    /// # Panics
    /// If it does not come.
    pub fn wait_for(&self, text: &str) -> Spot {
        self.wait_until(&format!("the text “{text}”"), |s| spot(s, text))
    }

    /// Waits until a text is no longer on the screen.
    ///
    /// # Panics
    /// If it stays.
    pub fn wait_gone(&self, text: &str) {
        self.wait_until(&format!("the text “{text}” gone"), |s| {
            spot(s, text).is_none().then_some(())
        });
    }

    /// What the screen shows now.
    #[must_use]
    pub fn screen(&self) -> Screen {
        self.seen().parser.screen().clone()
    }

    /// Every window title that was set, oldest first, as it was sent.
    #[must_use]
    pub fn titles(&self) -> Vec<Vec<u8>> {
        self.seen().parser.callbacks().titles.clone()
    }

    /// Every byte that the program wrote, from that one on.
    #[must_use]
    pub fn bytes(&self, from: usize) -> Vec<u8> {
        self.seen().raw[from..].to_vec()
    }

    /// How many bytes the program has written.
    #[must_use]
    pub fn written(&self) -> usize {
        self.seen().raw.len()
    }

    /// Types something: text, or the bytes of a key.
    ///
    /// # Panics
    /// If the program takes no input.
    pub fn keys(&mut self, text: &str) {
        // One write a key: what arrives in one piece is one key, and what a hand types is not one piece.
        self.writer
            .write_all(text.as_bytes())
            .and_then(|()| self.writer.flush())
            .unwrap_or_else(|e| {
                panic!(
                    "the terminal takes no key ({e})\n{}",
                    framed(&self.screen())
                );
            });
    }

    fn mouse(&mut self, button: u16, at: Spot, end: char) {
        self.keys(&format!("\x1b[<{button};{};{}{end}", at.0 + 1, at.1 + 1));
    }

    /// Presses the left button.
    pub fn press(&mut self, at: Spot) {
        self.mouse(0, at, 'M');
    }

    /// Moves the mouse with the left button down, as a quick hand does: a report every few cells, because no
    /// terminal reports a cell the pointer jumped over.
    pub fn drag(&mut self, from: Spot, to: Spot) {
        let steps = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).min(STEPS);
        let between = |a: u16, b: u16, n: u16| {
            let way = u32::from(a.abs_diff(b)) * u32::from(n) / u32::from(steps.max(1));
            let way = u16::try_from(way).expect("a part of a way that fits is no longer than it");
            if a < b { a + way } else { a - way }
        };
        for n in 1..=steps {
            self.mouse(
                32,
                (between(from.0, to.0, n), between(from.1, to.1, n)),
                'M',
            );
        }
    }

    /// Lets go of the left button.
    pub fn release(&mut self, at: Spot) {
        self.mouse(0, at, 'm');
    }

    /// Makes the terminal another size; the program is told as a terminal tells it.
    ///
    /// # Panics
    /// If the PTY does not take it.
    pub fn resize(&mut self, size: Size) {
        let (rows, columns) = size.cells();
        let mut seen = self.seen();
        seen.parser.set_size(rows, columns);
        drop(seen);
        self.size = size;
        self.master
            .resize(size.pty())
            .expect("a PTY can be resized");
    }

    /// Waits until the program has ended; its exit code.
    ///
    /// # Panics
    /// If it does not end.
    pub fn ended(&mut self) -> u32 {
        let until = wall() + PATIENCE;
        let seen = self.seen();
        let left = until.saturating_duration_since(wall());
        let (seen, _) = self
            .seen
            .1
            .wait_timeout_while(seen, left, |s| !s.over)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(
            seen.over,
            "the program goes on\n{}",
            framed(seen.parser.screen())
        );
        drop(seen);
        self.child.wait().expect("it was started here").exit_code()
    }

    /// Sends the program a signal.
    ///
    /// # Panics
    /// If it has ended already.
    pub fn signal(&self, signal: Signal) {
        let id = self
            .child
            .process_id()
            .and_then(|id| i32::try_from(id).ok());
        let process = id
            .and_then(Pid::from_raw)
            .expect("a program that runs has an id");
        kill_process(process, signal).expect("the program runs");
    }

    /// What of the terminal is not as the program found it; nothing, after it has ended as it should.
    #[must_use]
    pub fn disturbed(&self) -> Vec<&'static str> {
        let screen = self.screen();
        let mut left = Vec::new();
        for (wrong, what) in [
            (screen.alternate_screen(), "the shell's screen is hidden"),
            (screen.hide_cursor(), "the cursor is hidden"),
            (screen.bracketed_paste(), "pastes are bracketed"),
            (
                screen.mouse_protocol_mode() != MouseProtocolMode::None,
                "the mouse is reported",
            ),
            (self.keeps_title(), "the window keeps the program's title"),
            (
                !self.as_before(),
                "lines are not edited or echoed as before",
            ),
        ] {
            if wrong {
                left.push(what);
            }
        }
        left
    }

    /// Whether the window had its title kept more often than it was given back, or was named and not given its
    /// own title back at all.
    fn keeps_title(&self) -> bool {
        let seen = self.seen();
        let count = |mark: &[u8]| seen.raw.windows(mark.len()).filter(|w| *w == mark).count();
        let (kept, back) = (count(b"\x1b[22;0t"), count(b"\x1b[23;0t"));
        let named = !seen.parser.callbacks().titles.is_empty();
        kept != back || (named && back == 0)
    }

    /// Whether lines are edited and echoed again as they were before the program came.
    #[must_use]
    pub fn as_before(&self) -> bool {
        discipline(self.master.as_ref()) == self.before
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The line discipline, in words to compare.
fn discipline(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios())
}

/// The rows of a screen. A character of two cells is there once, and an empty cell is a space.
#[must_use]
pub fn rows(screen: &Screen) -> Vec<String> {
    let (height, width) = screen.size();
    (0..height.get())
        .map(|y| {
            (0..width.get())
                .filter_map(|x| screen.cell(y, x))
                .filter(|c| !c.is_wide_continuation())
                .map(|c| if c.has_contents() { c.contents() } else { " " })
                .collect()
        })
        .collect()
}

/// Whether a text is somewhere on a screen.
#[must_use]
pub fn shows(screen: &Screen, text: &str) -> bool {
    spot(screen, text).is_some()
}

/// The first cell of the first place where a text is on a screen, within one row.
#[must_use]
pub fn spot(screen: &Screen, text: &str) -> Option<Spot> {
    spot_in(screen, text, 0)
}

/// The same, from that row on.
#[must_use]
pub fn spot_in(screen: &Screen, text: &str, first_row: u16) -> Option<Spot> {
    let (height, width) = screen.size();
    for y in first_row..height.get() {
        let mut row = String::new();
        let mut starts = Vec::new();
        for x in 0..width.get() {
            let cell = screen.cell(y, x)?;
            if !cell.is_wide_continuation() {
                starts.push((row.len(), x));
                row.push_str(if cell.has_contents() {
                    cell.contents()
                } else {
                    " "
                });
            }
        }
        if let Some(at) = row.find(text) {
            return starts
                .iter()
                .rev()
                .find(|(start, _)| *start <= at)
                .map(|(_, x)| (*x, y));
        }
    }
    None
}

/// A screen in a frame, for a test that fails.
#[must_use]
pub fn framed(screen: &Screen) -> String {
    let (height, width) = screen.size();
    let mut out = String::new();
    let edge = "─".repeat(usize::from(width.get()));
    let _ = writeln!(out, "┌{edge}┐ {width}×{height}");
    for row in rows(screen) {
        let _ = writeln!(out, "│{row}│");
    }
    let _ = writeln!(out, "└{edge}┘");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Seen {
        let (rows, columns) = Size::new(20, 2).cells();
        Seen {
            parser: Parser::new_with_callbacks(rows, columns, 0, Asides::default()),
            kept: Vec::new(),
            raw: Vec::new(),
            over: false,
        }
    }

    #[test]
    fn half_a_frame_is_not_shown_however_it_is_cut() {
        let bytes = b"old\x1b[?2026h\x1b[Hnew\x1b[?2026l more";
        for cut in 0..bytes.len() {
            let mut seen = seen();
            seen.take(&bytes[..cut]);
            let half = &rows(seen.parser.screen())[0];
            assert!(
                "old".starts_with(half.trim_end()) || half.starts_with("new"),
                "cut at {cut}: {half:?}"
            );
            seen.take(&bytes[cut..]);
            assert_eq!(
                rows(seen.parser.screen())[0].trim_end(),
                "new more",
                "cut at {cut}"
            );
        }
    }

    #[test]
    fn a_text_is_found_at_its_cell_behind_wide_characters() {
        let mut seen = seen();
        seen.take("上海 Rosa".as_bytes());
        assert_eq!(spot(seen.parser.screen(), "Rosa"), Some((5, 0)));
        assert_eq!(spot(seen.parser.screen(), "Bob"), None);
    }
}
