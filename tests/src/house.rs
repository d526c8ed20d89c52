//! A whole house as processes: the twin, the server and the cast, and the verbs that people type.
//!
//! Stories drive the binary that people install, through its command line, so what they see is what a script
//! would see. Processes listen on free ports, keep everything in a temporary folder, and are ended by the
//! process id they were started with. Every wait has a name and, when it fails, prints what was last seen and
//! the tail of the log.
//!
//! No assertion about Cordboard's behaviour belongs here. Read next: `it/stories.rs`.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use cordboard_twin::control;
use serde_json::Value;
use tempfile::TempDir;

use crate::backends::TestDatabase;
use crate::wall;

/// The longest anything in a story may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where the binary is that `make test` has built.
///
/// # Panics
/// If it is not there: a story without a binary would prove nothing.
#[must_use]
pub fn binary() -> PathBuf {
    let path = std::env::var_os("CORDBOARD_BIN").map_or_else(
        || {
            let mut path = std::env::current_exe().expect("a test knows where it is");
            path.pop();
            path.pop();
            path.join("cordboard")
        },
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "there is no {}: build the workspace first, or set CORDBOARD_BIN",
        path.display()
    );
    path
}

/// One process that prints a ready line.
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    /// What it said when it was ready.
    pub ready: Value,
}

impl Process {
    /// Starts `cordboard ARGS` with that environment and waits for its ready line.
    ///
    /// # Panics
    /// If it does not become ready.
    #[must_use]
    pub fn start(
        name: &'static str,
        args: &[&str],
        env: &[(&str, String)],
        folder: &TempDir,
    ) -> Self {
        let mut process = Self::spawn(name, args, env, folder);
        let stdout = process.child.stdout.take().expect("piped");
        let (said, hears) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str::<Value>(&line)
                    && said.send(value).is_err()
                {
                    return;
                }
            }
        });
        match hears.recv_timeout(PATIENCE) {
            Ok(value) => process.ready = value,
            Err(why) => panic!("{name} did not become ready ({why}):\n{}", process.tail()),
        }
        process
    }

    /// Starts `cordboard ARGS` with that environment.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn spawn(
        name: &'static str,
        args: &[&str],
        env: &[(&str, String)],
        folder: &TempDir,
    ) -> Self {
        let log = folder.path().join(format!("{name}.log"));
        let errors = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a log in a folder of the test's own");
        let child = Command::new(binary())
            .args(args)
            .env_clear()
            .envs(
                std::env::vars().filter(|(k, _)| matches!(k.as_str(), "PATH" | "HOME" | "TMPDIR")),
            )
            .envs(env.iter().map(|(k, v)| (*k, v.clone())))
            .env("XDG_STATE_HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .expect("the binary runs");
        Self {
            name,
            child,
            log,
            ready: Value::Null,
        }
    }

    /// A text of its ready line.
    ///
    /// # Panics
    /// If it said no such thing.
    #[must_use]
    pub fn said(&self, key: &str) -> String {
        self.ready[key]
            .as_str()
            .unwrap_or_else(|| panic!("{} did not say its {key}: {}", self.name, self.ready))
            .to_owned()
    }

    /// Its process id: what is measured of it is asked of the system.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The end of its log.
    #[must_use]
    pub fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let from = text.len().saturating_sub(4_000);
        format!(
            "--- {} ---\n{}",
            self.name,
            &text[text.floor_char_boundary(from)..]
        )
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a verb came to.
#[derive(Debug)]
pub struct Said {
    /// The exit code.
    pub code: i32,
    /// What it printed, as JSON where it is that.
    pub json: Value,
    /// What it printed.
    pub text: String,
    /// What it complained of.
    pub errors: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
            text,
        }
    }
}

/// The three processes, and a person at a terminal.
pub struct House {
    /// Telephones, rooms and webhooks.
    pub twin: Process,
    /// The server; `None` while it is down.
    pub server: Option<Process>,
    /// Colleagues and the operator's pretend phone.
    pub cast: Option<Process>,
    /// Where they keep things. Last: it goes when they have gone.
    pub folder: TempDir,
    /// What the server keeps.
    pub database: TestDatabase,
    listen: String,
}

impl House {
    /// Opens a house on that database: nobody rings, everybody with a phone is ready.
    #[must_use]
    pub fn open(database: TestDatabase) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let twin = Process::start(
            "twin",
            &["twin", "serve", "--listen", "127.0.0.1:0", "--json"],
            &[],
            &folder,
        );
        let mut house = Self {
            twin,
            server: None,
            cast: None,
            folder,
            database,
            listen: "127.0.0.1:0".to_owned(),
        };
        house.start_server();
        let url = house.url();
        let twin = house.twin.said("url");
        let args = [
            "demo",
            "--cast",
            "--url",
            &url,
            "--twin",
            &twin,
            "--calls-per-minute",
            "0",
        ];
        house.cast = Some(Process::spawn("cast", &args, &[], &house.folder));
        let login = house.verb_with(
            &[
                "login",
                "--url",
                &url,
                "--email",
                "ada@demo.example",
                "--password-stdin",
            ],
            "switchboard\n",
        );
        assert_eq!(login.code, 0, "{login:?}");
        house.wait("every demo phone is ready", |h| {
            let people = &h.verb(&["board", "--json"]).json["people"];
            // By name: any five would leave the operator without a phone now and then.
            let ready = |id: &str| {
                people
                    .as_array()
                    .is_some_and(|all| all.iter().any(|p| p["id"] == id && p["phone"] == "ready"))
            };
            ["u1", "u2", "u3", "u4", "u6"]
                .into_iter()
                .all(ready)
                .then_some(())
        });
        house
    }

    /// Starts the server, at the address it had before if it had one.
    pub fn start_server(&mut self) {
        let twin = |key| self.twin.said(key);
        let env = [
            ("DATABASE_URL", self.database.url().to_owned()),
            (
                "CORDBOARD_SECRET",
                "a secret that only this test knows, long enough".to_owned(),
            ),
            ("TWILIO_API_BASE", twin("url")),
            ("TWILIO_ACCOUNT_SID", twin("account_sid")),
            ("TWILIO_AUTH_TOKEN", twin("auth_token")),
            ("TWILIO_API_KEY", twin("api_key")),
            ("TWILIO_API_SECRET", twin("api_secret")),
            ("TWILIO_APP_SID", twin("app_sid")),
        ];
        // A story looks more often than a person or a sane script would.
        let settings = self.folder.path().join("settings.toml");
        std::fs::write(&settings, "requests_per_minute = 60000\n").expect("a folder of its own");
        let settings = settings
            .to_str()
            .expect("a temporary folder has a plain name");
        let server = Process::start(
            "serve",
            &[
                "serve",
                "--listen",
                &self.listen,
                "--seed-demo",
                "--json",
                "--config",
                settings,
            ],
            &env,
            &self.folder,
        );
        // The carrier has learned this address: after a restart the server must be found there again.
        let url = server.said("url");
        url.trim_start_matches("http://")
            .trim_end_matches('/')
            .clone_into(&mut self.listen);
        self.server = Some(server);
    }

    /// The server's address.
    ///
    /// # Panics
    /// If it is down.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.as_ref().expect("the server is up").said("url")
    }

    /// The desk's number.
    ///
    /// # Panics
    /// If the server is down.
    #[must_use]
    pub fn number(&self) -> String {
        let server = self.server.as_ref().expect("the server is up");
        server.said("number")
    }

    /// What one can do at the twin.
    #[must_use]
    pub fn carrier(&self) -> control::Client {
        control::Client::new(&self.twin.said("url"))
    }

    /// Types a verb.
    #[must_use]
    pub fn verb(&self, args: &[&str]) -> Said {
        self.verb_with(args, "")
    }

    /// Types a verb and then that.
    ///
    /// # Panics
    /// If it cannot be typed at all.
    #[must_use]
    pub fn verb_with(&self, args: &[&str], typed: &str) -> Said {
        let mut child = Command::new(binary())
            .args(args)
            .env("XDG_STATE_HOME", self.folder.path())
            .env("CORDBOARD_TWIN", self.twin.said("url"))
            .env_remove("CORDBOARD_URL")
            .env_remove("CORDBOARD_TOKEN")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        child
            .stdin
            .take()
            .expect("piped")
            .write_all(typed.as_bytes())
            .expect("it reads what is typed");
        child.wait_with_output().expect("it ends").into()
    }

    /// Types a verb that must succeed.
    ///
    /// # Panics
    /// If it does not.
    pub fn done(&self, args: &[&str]) -> Said {
        let said = self.verb(args);
        assert_eq!(
            said.code,
            0,
            "cordboard {}: {said:#?}\n{}",
            args.join(" "),
            self.tails()
        );
        said
    }

    /// A caller rings the desk; their CallSid.
    ///
    /// # Panics
    /// If the twin does not let them.
    #[must_use]
    pub fn ring(&self, from: &str, name: &str) -> String {
        let number = self.number();
        let said = self.done(&[
            "twin",
            "call",
            "--from",
            from,
            "--to",
            &number,
            "--name",
            name,
            "--patience",
            "600s",
            "--json",
        ]);
        let sid = said.json["call_sid"]
            .as_str()
            .expect("a CallSid")
            .to_owned();
        self.wait("the caller waits at the desk", |h| {
            (h.place(&sid)["kind"] == "queued").then_some(())
        });
        sid
    }

    /// Where a call is.
    #[must_use]
    pub fn place(&self, call: &str) -> Value {
        self.done(&["call", "show", call, "--json"]).json["place"].clone()
    }

    /// The twin's world.
    #[must_use]
    pub fn world(&self) -> Value {
        self.done(&["twin", "world", "--json"]).json
    }

    /// What somebody hears, by who they are at the twin; none if they are in no room.
    #[must_use]
    pub fn hearing(&self, who: &str) -> Option<String> {
        let world = self.world();
        let participants = world["participants"].as_array()?;
        participants
            .iter()
            .find(|p| p["who"] == who)
            .and_then(|p| p["hearing"].as_str().map(str::to_owned))
    }

    /// In how many rows of `hears` somebody is, on either side.
    #[must_use]
    pub fn rows(&self, who: &str) -> usize {
        let world = self.world();
        let hears = world["hears"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        hears
            .iter()
            .filter(|h| h["listener"] == who || h["speaker"] == who)
            .count()
    }

    /// Waits for something that has a name.
    ///
    /// # Panics
    /// If it does not come true in time; says what was last on the board and in the logs.
    pub fn wait<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let until = wall() + PATIENCE;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(
                wall() < until,
                "never: {what}\n{}\n{}",
                self.verb(&["board"]).text,
                self.tails()
            );
            pause();
        }
    }

    /// The ends of all logs.
    #[must_use]
    pub fn tails(&self) -> String {
        let mut all = vec![self.twin.tail()];
        all.extend(self.server.iter().map(Process::tail));
        all.extend(self.cast.iter().map(Process::tail));
        all.join("\n")
    }
}

/// Between two looks: what is looked at is another process, which has no event to wait for.
#[expect(
    clippy::disallowed_methods,
    reason = "a bounded wait polls a real process, and says what it waits for"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(30));
}
