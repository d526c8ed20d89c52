//! A person at a browser: Debian's Chromium, headless, with a microphone that plays a tone.
//!
//! Each is a browser of its own, in a folder of its own, driven over a pipe by `browser/driver.mjs`. What a test wants
//! is written as it would be for Playwright, by roles and names, so that what a test presses is what a screen reader
//! reads. Every wait has a name and, when it fails, prints what the page shows and what its console has said. A browser
//! is ended when it is dropped, and can be killed as a power cut would.
//!
//! No assertion about Cordboard's behaviour belongs here. Read next: `it/phone.rs`.

use std::{
    collections::HashSet,
    f32::consts::TAU,
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    time::Duration,
};

use cordboard_media::write_wav;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::wall;

/// The longest anything in a page may take. A browser that starts on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(45);

/// How long it may take to close.
const CLOSING: Duration = Duration::from_secs(5);

/// What a browser says when a page asks for the microphone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Microphone {
    /// Yes, without asking anybody.
    Granted,
    /// No, as if its person had said so.
    Denied,
}

/// What a browser is to be.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Whether pages get its microphone.
    pub microphone: Microphone,
    /// What that hears: a tone of so many hertz.
    pub tone: f32,
    /// Width and height of the page.
    pub viewport: (u32, u32),
    /// Whether it is dark.
    pub dark: bool,
    /// Whether it plays before anybody has pressed something. For tests that measure what plays after a reload: an
    /// analyser hears nothing until then, although a call is heard.
    pub plays_unasked: bool,
    /// A port of this machine, and the port that connections to it go to instead: the page knows of no difference. See
    /// [`crate::relay`].
    pub detour: Option<(u16, u16)>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            microphone: Microphone::Granted,
            tone: 440.0,
            viewport: (900, 900),
            dark: false,
            plays_unasked: false,
            detour: None,
        }
    }
}

/// Where the driver's library and the browser are, if `make test` could install them. None, and then it is said.
#[must_use]
pub fn installed() -> Option<(OsString, OsString)> {
    let of = |variable| std::env::var_os(variable).filter(|value| !value.is_empty());
    let both = of("TEST_BROWSER_DRIVER").zip(of("TEST_CHROMIUM"));
    if both.is_none() {
        skipped();
    }
    both
}

#[expect(
    clippy::print_stderr,
    reason = "a skipped test must not look like one that passed"
)]
fn skipped() {
    eprintln!(
        "SKIPPED: TEST_BROWSER_DRIVER and TEST_CHROMIUM are not set (`make test` sets them). NOT TESTED: the phone page, and the Voice SDK, in a browser."
    );
}

/// A browser with one page open. Dropped, it is ended.
pub struct Browser {
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<Value>,
    log: Arc<Mutex<Vec<String>>>,
    asked: u64,
    folder: TempDir,
}

impl Browser {
    /// Starts one.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(installed: &(OsString, OsString), plan: Plan) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sound = folder.path().join("microphone.wav");
        fs::write(&sound, tone(plan.tone)).expect("a file in a folder of the test's own");
        let (width, height) = plan.viewport;
        let order = json!({
            "folder": folder.path().join("profile"),
            "chromium": Path::new(&installed.1),
            "sound": sound,
            "microphone": if plan.microphone == Microphone::Granted { "granted" } else { "denied" },
            "viewport": { "width": width, "height": height },
            "gestures": !plan.plays_unasked,
            "detour": plan.detour,
            "scheme": if plan.dark { "dark" } else { "light" },
        });
        let mut child = Command::new("node")
            .arg("driver.mjs")
            .arg(order.to_string())
            .current_dir(PathBuf::from(&installed.0))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("node runs");
        let stdin = child.stdin.take().expect("piped");
        let stdout = child.stdout.take().expect("piped");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (sender, answers) = channel();
        let said = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let message: Value = serde_json::from_str(&line).unwrap_or(json!({ "log": line }));
                if let Some(line) = message["log"].as_str() {
                    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                    said.push(line.to_owned());
                } else if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let browser = Self {
            child,
            stdin,
            answers,
            log,
            asked: 0,
            folder,
        };
        match browser.answers.recv_timeout(PATIENCE) {
            Ok(ready) if ready["ready"] == true => browser,
            other => panic!("the browser does not start: {other:?}\n{}", browser.tail()),
        }
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the page's console said last.
    #[must_use]
    pub fn tail(&self) -> String {
        let lines = self.lines();
        let from = lines.len().saturating_sub(40);
        lines[from..].join("\n")
    }

    /// Everything that the page's console has said.
    #[must_use]
    pub fn console(&self) -> Vec<String> {
        self.lines().clone()
    }

    /// Runs the body of an async function of `page` and `context`; what it returns, or how it failed.
    ///
    /// # Panics
    /// If the browser is gone, or there is no answer for far too long.
    pub fn ask(&mut self, code: &str) -> Result<Value, String> {
        self.asked += 1;
        let id = self.asked;
        let line = json!({ "id": id, "code": code });
        writeln!(self.stdin, "{line}").expect("the browser's driver listens");
        let until = wall() + PATIENCE + PATIENCE;
        loop {
            let left = until.saturating_duration_since(wall());
            match self.answers.recv_timeout(left) {
                Ok(answer) if answer["id"] == id => {
                    return match answer["error"].as_str() {
                        Some(why) => Err(why.to_owned()),
                        None => Ok(answer["ok"].clone()),
                    };
                }
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => panic!("no answer to {code}\n{}", self.tail()),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the browser's driver is gone\n{}", self.tail())
                }
            }
        }
    }

    /// The same, where it must not fail.
    ///
    /// # Panics
    /// If it does, with what the page shows.
    pub fn run(&mut self, code: &str) -> Value {
        match self.ask(code) {
            Ok(value) => value,
            Err(why) => self.fail(&format!("{code}\nfailed: {why}")),
        }
    }

    fn fail(&mut self, what: &str) -> ! {
        let shows = self.ask("return page.url() + '\\n' + await page.locator('body').innerText()");
        let shows = shows.unwrap_or_default();
        let shows = shows.as_str().unwrap_or_default();
        panic!(
            "{what}\nThe page shows:\n{shows}\nIts console:\n{}",
            self.tail()
        );
    }

    /// Goes to an address.
    ///
    /// # Panics
    /// If nothing is there.
    pub fn go(&mut self, url: &str) {
        self.run(&format!("await page.goto({})", json!(url)));
    }

    /// Presses the button of that name, as soon as it can be pressed.
    ///
    /// # Panics
    /// If it cannot.
    pub fn press(&mut self, name: &str) {
        let (name, limit) = (json!(name), PATIENCE.as_millis());
        self.run(&format!(
            "await page.getByRole('button', {{ name: {name} }}).first().click({{ timeout: {limit} }})"
        ));
    }

    /// Waits until the page shows a text.
    ///
    /// # Panics
    /// If it does not come.
    pub fn wait_for(&mut self, text: &str) {
        let (text, limit) = (json!(text), PATIENCE.as_millis());
        self.run(&format!(
            "await page.getByText({text}).locator('visible=true').first().waitFor({{ timeout: {limit} }})"
        ));
    }

    /// Waits until the page shows something in the form of a regular expression.
    ///
    /// # Panics
    /// If it does not come.
    pub fn wait_for_form(&mut self, what: &str, expression: &str) {
        let limit = PATIENCE.as_millis();
        let code = format!(
            "await page.getByText(/{expression}/).locator('visible=true').first().waitFor({{ timeout: {limit} }})"
        );
        if let Err(why) = self.ask(&code) {
            self.fail(&format!("never in the page: {what}\n{why}"));
        }
    }

    /// Waits until an expression is true in a page whose policy lets it be evaluated there.
    ///
    /// # Panics
    /// If it does not become so.
    pub fn wait_until(&mut self, what: &str, expression: &str) {
        let limit = PATIENCE.as_millis();
        let code = format!(
            "await page.waitForFunction({}, null, {{ timeout: {limit}, polling: 50 }})",
            json!(expression)
        );
        if let Err(why) = self.ask(&code) {
            self.fail(&format!("never in the page: {what}\n{why}"));
        }
    }

    /// What the page shows, as text.
    pub fn text(&mut self) -> String {
        let text = self.run("return await page.locator('body').innerText()");
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Ends the browser as a power cut does: nothing of it says goodbye.
    ///
    /// # Panics
    /// If it cannot be found.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Stops the browser as a machine does that falls asleep: it knows nothing until it is woken. What is asked of it
    /// meanwhile is answered then.
    ///
    /// # Panics
    /// If it cannot be found.
    pub fn suspend(&self) {
        self.signal(Signal::STOP);
    }

    /// Wakes it.
    ///
    /// # Panics
    /// If it cannot be found.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let processes = self.processes();
        assert!(!processes.is_empty(), "the browser is there");
        for pid in processes {
            // Whoever has ended meanwhile needs no telling.
            let _ = kill_process(pid, signal);
        }
    }

    /// All of its processes: those that know its folder, and whatever they have started.
    fn processes(&self) -> Vec<Pid> {
        let folder = self.folder.path().join("profile");
        let mark = format!("--user-data-dir={}", folder.display());
        let mut found = HashSet::new();
        let mut parents = Vec::new();
        for entry in fs::read_dir("/proc").expect("Linux").flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else {
                continue;
            };
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if line.split(|b| *b == 0).any(|word| word == mark.as_bytes()) {
                found.insert(pid);
            }
            // "pid (name) state parent …", and a name may have spaces.
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
            let parent: Option<i32> = after.split_whitespace().nth(1).and_then(|p| p.parse().ok());
            parents.extend(parent.map(|parent| (pid, parent)));
        }
        let mut known = 0;
        while known < found.len() {
            known = found.len();
            for (pid, parent) in &parents {
                if found.contains(parent) {
                    found.insert(*pid);
                }
            }
        }
        found.into_iter().filter_map(Pid::from_raw).collect()
    }

    /// Keeps a picture of the page.
    pub fn picture(&mut self, path: &Path) {
        let path = json!(path);
        self.run(&format!("await page.screenshot({{ path: {path} }})"));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A browser that is closed in order leaves no process behind. One that hangs is ended with its driver; one that
        // sleeps would be neither.
        for pid in self.processes() {
            let _ = kill_process(pid, Signal::CONT);
        }
        let line = json!({ "id": 0, "code": "await context.close()" });
        if writeln!(self.stdin, "{line}").is_ok() {
            let _ = self.answers.recv_timeout(CLOSING);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A tone as a WAV file of 48 kHz, louder and softer all the time: what does not change is taken for a fault.
fn tone(hz: f32) -> Vec<u8> {
    const RATE: u32 = 48_000;
    // A whole number of swings of either, so that it has no seam where it begins again.
    let seconds = 4;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "samples of a few seconds"
    )]
    let samples: Vec<i16> = (0..RATE * seconds)
        .map(|n| {
            let t = n as f32 / RATE as f32;
            let swing = 0.7 + 0.3 * (TAU * 3.0 * t).sin();
            ((TAU * hz * t).sin() * swing * 12_000.0) as i16
        })
        .collect();
    write_wav(&samples, RATE)
}
