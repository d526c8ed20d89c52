//! What is asked for at a terminal: without echo, twice, and with the echo back whatever happens.

use std::{
    io::{Read as _, Write as _},
    sync::mpsc,
    time::Duration,
};

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::{kit::tokens, script::Script};

/// A shell line on a terminal of its own.
pub(crate) struct Terminal {
    output: mpsc::Receiver<Vec<u8>>,
    input: Box<dyn std::io::Write + Send>,
    seen: String,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    pub(crate) fn start(home: &std::path::Path, line: &str) -> Self {
        let pair = native_pty_system().openpty(PtySize::default()).unwrap();
        let mut command = CommandBuilder::new("sh");
        command.args([
            "-c",
            &line.replace("cordboard", env!("CARGO_BIN_EXE_cordboard")),
        ]);
        command.env("XDG_STATE_HOME", home);
        command.env_remove("CORDBOARD_URL");
        let child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (tell, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut bytes) {
                if tell.send(bytes[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            output,
            input: pair.master.take_writer().unwrap(),
            seen: String::new(),
            child,
            _master: pair.master,
        }
    }

    /// Waits for a text that was not seen before, and forgets what came before it.
    pub(crate) fn wait(&mut self, text: &str) -> String {
        let limit = Duration::from_secs(20);
        loop {
            if let Some(at) = self.seen.find(text) {
                let before = self.seen[..at].to_owned();
                self.seen.drain(..at + text.len());
                return before;
            }
            match self.output.recv_timeout(limit) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(e) => panic!("waited in vain for {text:?} ({e}); there is\n{}", self.seen),
            }
        }
    }

    fn keys(&mut self, keys: &str) {
        self.input.write_all(keys.as_bytes()).unwrap();
        self.input.flush().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_not_shown_and_a_new_one_is_typed_twice() {
    let script = Script::start().await;
    script
        .says("POST /api/invitations/look", 200, json!({ "role": "operator", "name": "", "email": null, "extension": null, "expires": "2026-02-01T00:00:00Z" }))
        .says("POST /api/join", 200, tokens("access-1", "refresh-1", 600));
    let home = tempfile::tempdir().unwrap();
    let line = format!(
        "cordboard join {}join#WDJB; echo exit $?; stty -a",
        script.url
    );
    let work = move || {
        let mut terminal = Terminal::start(home.path(), &line);
        terminal.wait("as operator.");
        terminal.wait("Name: ");
        terminal.keys("Grace Hopper\r");
        terminal.wait("E-mail: ");
        terminal.keys("nowhere\r");
        terminal.wait("is not an e-mail address");
        terminal.wait("E-mail: ");
        terminal.keys("grace@demo.example\r");
        terminal.wait("Extension: ");
        terminal.keys("102\r");
        terminal.wait("New password (at least 12 characters): ");
        terminal.keys("short\r");
        terminal.wait("at least 12 characters.");
        terminal.wait("New password");
        terminal.keys("correct horse battery\r");
        terminal.wait("Once more: ");
        terminal.keys("correct horse batterx\r");
        terminal.wait("They are not alike.");
        terminal.wait("New password");
        terminal.keys("correct horse battery\r");
        terminal.wait("Once more: ");
        terminal.keys("correct horse battery\r");
        let said = terminal.wait("exit 0");
        assert!(!said.contains("horse"), "{said}");
        assert!(said.contains("Signed in at"), "{said}");
        let modes = terminal.wait("echok");
        assert!(
            modes.contains(" echo ") && !modes.contains("-echo "),
            "{modes}"
        );
        terminal.child.wait().unwrap();
    };
    tokio::task::spawn_blocking(work).await.unwrap();
    let sent = script.asked().pop().unwrap().body;
    assert_eq!(sent["person"]["password"], "correct horse battery");
    assert_eq!(sent["person"]["email"], "grace@demo.example");
}

#[test]
fn whoever_is_interrupted_gets_the_echo_back() {
    let home = tempfile::tempdir().unwrap();
    // The shell that looks at the terminal afterwards outlives the key that interrupts.
    let line = "trap : INT; \
                sh -c 'echo pid $$.; exec cordboard login --url http://127.0.0.1:9 --email ada@demo.example'; \
                echo exit $?; stty -a";
    for signal in [
        None,
        Some(Signal::TERM),
        Some(Signal::HUP),
        Some(Signal::QUIT),
    ] {
        let mut terminal = Terminal::start(home.path(), line);
        terminal.wait("pid ");
        let pid = terminal.wait(".").parse().unwrap();
        terminal.wait("Password: ");
        match signal {
            None => terminal.keys("\u{3}"),
            Some(signal) => kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap(),
        }
        let said = terminal.wait("exit 1");
        assert!(said.contains("Interrupted."), "{signal:?}: {said}");
        let modes = terminal.wait("echok");
        assert!(
            modes.contains(" echo ") && !modes.contains("-echo "),
            "{signal:?}: {modes}"
        );
        assert!(!modes.contains("susp = <undef>"), "{signal:?}: {modes}");
        terminal.child.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_let_in_by_whoever_sees_its_digits() {
    let pairing = "00000000000000c1";
    for (keys, exit, last) in [
        (
            "y\r",
            "exit 0",
            format!("POST /api/pairings/{pairing}/confirm"),
        ),
        ("\r", "exit 1", format!("DELETE /api/pairings/{pairing}")),
        ("\u{3}", "exit 1", format!("DELETE /api/pairings/{pairing}")),
    ] {
        let script = Script::start().await;
        let made = json!({ "id": pairing, "code": "WDJB-MJHT", "link": "https://desk.example/phone#WDJB-MJHT", "expires_in": 600 });
        script
            .says("POST /api/pairings", 201, made)
            .says(&last, 200, json!({}));
        let (home, _) = script.signed_in(0).await;
        let line = format!(
            "trap : INT; cordboard pair --url {}; echo exit $?",
            script.url
        );
        let news = script.news.clone();
        let work = move || {
            let mut terminal = Terminal::start(home.path(), &line);
            terminal.wait("WDJB-MJHT at");
            let asks = json!({ "t": "pairing", "asks": { "pairing": pairing, "device": "Firefox on Linux", "address": "10.0.0.7",
                               "check": "42", "until": "2026-01-01T00:10:00.000Z" } });
            news.send(asks).unwrap();
            terminal.wait("It shows 42.");
            terminal.wait("[y/N] ");
            terminal.keys(keys);
            terminal.wait(exit);
            terminal.child.wait().unwrap();
        };
        tokio::task::spawn_blocking(work).await.unwrap();
        assert_eq!(script.lines().pop().unwrap(), last, "{keys:?}");
    }
}
