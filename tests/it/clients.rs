//! Twilio's own client libraries, unmodified, against the twin: what they cannot tell apart, the server cannot
//! either.
//!
//! The suites are in `tests/clients`, each in its library's language. Here a twin is started, a suite runs as a
//! child process, and then the twin's own log must show that every request a client can make was made and
//! succeeded: a suite that quietly stopped testing would not pass. Nothing is mocked. `make test` installs the
//! libraries; where it could not, the suite is skipped and says so. Read next: `tests/clients/node/support.js`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use cordboard_twin::{Twin, TwinConfig, serve};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// A suite takes some twenty seconds, most of it the rule of one outgoing call a second.
const LIMIT: Duration = Duration::from_secs(150);

/// Node's test runner takes `--test-concurrency` since this version.
const OLDEST_NODE: (u32, u32) = (20, 10);

/// Everything the client libraries can ask of the twin; `*` is an id. `""` is the account itself.
const REQUESTS: &[&str] = &[
    "GET ",
    "POST ",
    "GET Accounts",
    "POST Calls",
    "GET Calls",
    "GET Calls/*",
    "POST Calls/*",
    "DELETE Calls/*",
    "POST Calls/*/Recordings",
    "GET Calls/*/Recordings",
    "POST Calls/*/Recordings/*",
    "DELETE Calls/*/Recordings/*",
    "POST Calls/*/Streams",
    "POST Calls/*/Streams/*",
    "POST Calls/*/UserDefinedMessages",
    "POST Calls/*/UserDefinedMessageSubscriptions",
    "GET Calls/*/Events",
    "GET Calls/*/Notifications",
    "GET Conferences",
    "GET Conferences/*",
    "POST Conferences/*",
    "GET Conferences/*/Recordings",
    "POST Conferences/*/Participants",
    "GET Conferences/*/Participants",
    "GET Conferences/*/Participants/*",
    "POST Conferences/*/Participants/*",
    "DELETE Conferences/*/Participants/*",
    "POST Queues",
    "GET Queues",
    "GET Queues/*",
    "POST Queues/*",
    "DELETE Queues/*",
    "GET Queues/*/Members",
    "GET Queues/*/Members/*",
    "POST Queues/*/Members/*",
    "GET Recordings",
    "GET Recordings/*",
    "DELETE Recordings/*",
    "GET AvailablePhoneNumbers",
    "GET AvailablePhoneNumbers/*/Local",
    "POST IncomingPhoneNumbers",
    "GET IncomingPhoneNumbers",
    "GET IncomingPhoneNumbers/*",
    "POST IncomingPhoneNumbers/*",
    "DELETE IncomingPhoneNumbers/*",
    "POST Applications",
    "GET Applications",
    "GET Applications/*",
    "POST Applications/*",
    "DELETE Applications/*",
    "POST Keys",
    "GET Keys",
    "GET Keys/*",
    "POST Keys/*",
    "DELETE Keys/*",
    "POST OutgoingCallerIds",
    "GET OutgoingCallerIds",
    "GET OutgoingCallerIds/*",
    "POST OutgoingCallerIds/*",
    "DELETE OutgoingCallerIds/*",
    "POST Tokens",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_library_takes_the_twin_for_twilio() {
    let Some(folder) = installed("TEST_NODE_CLIENT", "Node") else {
        return;
    };
    let version = node_version().await;
    if version < OLDEST_NODE {
        skipped(
            "Node",
            &format!("node is {version:?}, older than {OLDEST_NODE:?}"),
        );
        return;
    }
    let mut suite = Command::new("node");
    suite
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .current_dir(folder);
    passes(suite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_library_takes_the_twin_for_twilio() {
    let Some(python) = installed("TEST_PYTHON_CLIENT", "Python") else {
        return;
    };
    let mut suite = Command::new(python);
    // `-B`: a test leaves no compiled files in the repository.
    suite
        .args(["-B", "-m", "unittest", "--verbose"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/python"));
    passes(suite).await;
}

#[test]
fn requests_are_known_by_their_shape() {
    let shape = |path: &str| shape("GET", &format!("/2010-04-01/{path}.json"));
    assert_eq!(shape("Accounts"), "GET Accounts");
    assert_eq!(shape("Accounts/AC1"), "GET ");
    assert_eq!(shape("Accounts/AC1/Calls"), "GET Calls");
    assert_eq!(
        shape("Accounts/AC1/Conferences/CF1/Participants/a%20b"),
        "GET Conferences/*/Participants/*"
    );
}

/// What `make test` installed, or nothing, and then it is said.
fn installed(variable: &str, language: &str) -> Option<OsString> {
    let value = std::env::var_os(variable).filter(|value| !value.is_empty());
    if value.is_none() {
        skipped(
            language,
            &format!("{variable} is not set (`make test` sets it)"),
        );
    }
    value
}

#[expect(
    clippy::print_stderr,
    reason = "a skip must be seen by whoever runs one test by hand"
)]
fn skipped(language: &str, why: &str) {
    eprintln!(
        "!! SKIPPED Twilio's {language} library: {why}. NOT TESTED: the twin against the official {language} client."
    );
}

async fn node_version() -> (u32, u32) {
    let output = Command::new("node")
        .arg("--version")
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut parts = text.trim().trim_start_matches('v').split('.');
    let mut number = || parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
    (number(), number())
}

/// Runs a suite against a twin of its own. Prints all the suite said if anything is amiss.
async fn passes(mut suite: Command) {
    let shutdown = CancellationToken::new();
    let twin = serve(TwinConfig::default(), shutdown.clone())
        .await
        .unwrap();
    // A file, so that a suite that had to be killed still tells what it was doing.
    let mut said = tempfile::tempfile().unwrap();
    let mut child = suite
        .env("TWIN", ready_line(&twin).to_string())
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(said.try_clone().unwrap())
        .stderr(said.try_clone().unwrap())
        // In this test's process group, so that the runner that ends the test ends all of the suite's
        // processes.
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let outcome = tokio::time::timeout(LIMIT, child.wait()).await;
    let requests = twin.control().requests().await.unwrap();
    shutdown.cancel();
    twin.stopped().await;

    let mut report = String::new();
    match outcome {
        Err(_) => writeln!(report, "the suite was not done within {LIMIT:?}").unwrap(),
        Ok(Ok(status)) if status.success() => {}
        Ok(status) => writeln!(report, "the suite failed: {status:?}").unwrap(),
    }
    for request in unmade(&requests) {
        writeln!(report, "the suite never made this with success: {request}").unwrap();
    }
    if !report.is_empty() {
        let mut text = String::new();
        said.rewind().unwrap();
        said.read_to_string(&mut text).unwrap();
        panic!("{text}\n{report}");
    }
}

/// The line that `cordboard twin serve --json` prints, so that a suite can be run by hand just as well.
fn ready_line(twin: &Twin) -> Value {
    let credentials = twin.credentials();
    json!({
        "url": twin.url(),
        "account_sid": credentials.account_sid,
        "auth_token": credentials.auth_token,
        "api_key": credentials.api_key,
        "api_secret": credentials.api_secret,
        "app_sid": credentials.app_sid,
    })
}

/// The [`REQUESTS`] that were never answered with success.
fn unmade(requests: &Value) -> Vec<&'static str> {
    let made: BTreeSet<String> = requests["rest"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["status"].as_u64().is_some_and(|status| status < 300))
        .map(|row| {
            shape(
                row["method"].as_str().unwrap(),
                row["path"].as_str().unwrap(),
            )
        })
        .collect();
    REQUESTS
        .iter()
        .filter(|request| !made.contains(**request))
        .copied()
        .collect()
}

/// A request without its ids: they are every second step of the path.
fn shape(method: &str, path: &str) -> String {
    let path = path.trim_start_matches("/2010-04-01/");
    let path = path.strip_suffix(".json").unwrap_or(path);
    let Some((_, rest)) = path.split_once('/') else {
        return format!("{method} {path}");
    };
    let steps: Vec<&str> = rest
        .split('/')
        .skip(1)
        .enumerate()
        .map(|(at, step)| if at % 2 == 0 { step } else { "*" })
        .collect();
    format!("{method} {}", steps.join("/"))
}
