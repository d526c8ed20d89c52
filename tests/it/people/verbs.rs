//! Every verb of the command line, for every role, against the same kind of table as the routes: whoever may not is told so
//! with exit code 3, and nobody else.

use std::{
    collections::BTreeSet,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use clap::CommandFactory as _;
use cordboard::cli::args::Cli;
use cordboard_core::policy::Permission;
use cordboard_tests::{backends, house::binary};
use serde_json::{Value, json};

use super::{
    kit::{House, PASSWORD},
    table::{Takes, everybody},
};

use Permission::{Audit, Board, Calls, Directory, House as Rooms, People, Presence};
use Takes::{Either, Nothing, One, SignIn};

const CALL: &str = "c_00000000000000000000000000";

/// A verb, what is typed behind it, and what it takes. `None`: it runs something of its own and asks no server.
fn verbs() -> Vec<(&'static str, Vec<&'static str>, Option<Takes>)> {
    let none = |verb| (verb, Vec::new(), None);
    let some = |verb, typed: &[&'static str], takes| (verb, typed.to_vec(), Some(takes));
    vec![
        none("demo"),
        none("serve"),
        none("console"),
        none("twin serve"),
        none("twin call"),
        none("twin press"),
        none("twin hangup"),
        none("twin world"),
        none("twin fault"),
        none("twin sound"),
        none("twin listen"),
        none("twin requests"),
        none("completions"),
        none("man"),
        // These are how one comes in, and are tried with what opens nothing.
        none("login"),
        none("logout"),
        some(
            "admin create",
            &[
                "--name",
                "Eve",
                "--email",
                "e@example.com",
                "--extension",
                "190",
                "--code",
                "BBBB-BBBB-BBBB-BBBB",
                "--password-stdin",
            ],
            Nothing,
        ),
        some(
            "join",
            &[
                "BBBB-BBBB-BBBB-BBBB",
                "--name",
                "Eve",
                "--email",
                "e@example.com",
                "--extension",
                "190",
                "--password-stdin",
            ],
            Nothing,
        ),
        some(
            "register",
            &[
                "--name",
                "Eve",
                "--email",
                "e@example.com",
                "--extension",
                "190",
                "--password-stdin",
            ],
            Nothing,
        ),
        some(
            "reset",
            &["BBBB-BBBB-BBBB-BBBB", "--password-stdin"],
            Nothing,
        ),
        some("whoami", &[], SignIn),
        some("token", &[], SignIn),
        some("password", &["--password-stdin"], SignIn),
        some("sessions list", &[], SignIn),
        some("sessions end", &["0123456789abcdef"], SignIn),
        some("sessions end-others", &[], SignIn),
        some("status", &["available"], SignIn),
        // Waits for a page: that it may, the routes' table holds.
        none("pair"),
        some("board", &[], SignIn),
        // Goes on for ever: so do the sockets, which the messages' table holds.
        none("watch"),
        some("call list", &[], SignIn),
        some("call show", &[CALL], One(Board)),
        // Of a call that is not there, everybody is told that it is not there; of one that is, the door asks again.
        some("call answer", &[CALL], SignIn),
        some("call hold", &[CALL], SignIn),
        some("call resume", &[CALL], SignIn),
        some("call park", &[CALL], SignIn),
        some("call retrieve", &[CALL], SignIn),
        some("call transfer", &[CALL, "+14155550177"], SignIn),
        some("call take-back", &[CALL], SignIn),
        some("call hangup", &[CALL], SignIn),
        some("dial", &["+14155550132", "--dry-run"], One(Calls)),
        some("slot list", &[], One(Board)),
        some("slot retrieve", &["P1"], SignIn),
        some(
            "slot set",
            &["P1", "--name", "P1", "--rev", "99"],
            One(Rooms),
        ),
        some("slot delete", &["P4", "--rev", "99"], One(Rooms)),
        some("user list", &[], Either(Directory, People)),
        some("user show", &["u1"], Either(Directory, People)),
        some("user invite", &["--role", "read-only"], One(People)),
        some(
            "user set",
            &["u1", "--name", "Ada", "--rev", "99"],
            One(People),
        ),
        some("user activate", &["u1", "--rev", "99"], One(People)),
        some("user deactivate", &["u1", "--rev", "99"], One(People)),
        some("user reset-code", &["u1"], One(People)),
        some("user status", &["u1", "available"], One(Presence)),
        some("user sessions", &["u1"], One(People)),
        some(
            "user end-sessions",
            &["u1", "--session", "0123456789abcdef"],
            One(People),
        ),
        some("invitation list", &[], One(People)),
        some("invitation revoke", &["0123456789abcdef"], One(People)),
        some("group list", &[], One(Board)),
        some(
            "group set",
            &["x", "--name", "X", "--rev", "99"],
            One(Rooms),
        ),
        some("group delete", &["x", "--rev", "99"], One(Rooms)),
        some("queue list", &[], One(Board)),
        some(
            "queue set",
            &["desk", "--name", "Desk", "--rev", "99"],
            One(Rooms),
        ),
        some("number list", &[], One(Board)),
        some("number set", &["+14155550190", "queue:desk"], One(Rooms)),
        some(
            "number delete",
            &["+14155550191", "--rev", "99"],
            One(Rooms),
        ),
        some(
            "admin desk set",
            &["--ring", "20s", "--rev", "99"],
            One(Rooms),
        ),
        some("admin audit", &[], One(Audit)),
    ]
}

/// Every verb that has no verbs below it.
fn leaves(command: &clap::Command, at: &str, into: &mut BTreeSet<String>) {
    let below: Vec<_> = command
        .get_subcommands()
        .filter(|c| c.get_name() != "help")
        .collect();
    if below.is_empty() {
        into.insert(at.trim().to_owned());
    }
    for verb in below {
        leaves(verb, &format!("{at} {}", verb.get_name()), into);
    }
}

#[test]
fn every_verb_has_a_row() {
    let mut there = BTreeSet::new();
    leaves(&Cli::command(), "", &mut there);
    let rows: BTreeSet<String> = verbs()
        .into_iter()
        .map(|(verb, ..)| verb.to_owned())
        .collect();
    let without: Vec<_> = there.difference(&rows).collect();
    let beyond: Vec<_> = rows.difference(&there).collect();
    assert!(
        without.is_empty() && beyond.is_empty(),
        "no row: {without:?}; no verb: {beyond:?}"
    );
}

/// Types it as whoever is kept in that folder; what came of it.
fn typed(folder: &Path, url: &str, verb: &str, more: &[&str], stdin: &str) -> (i32, String) {
    let mut child = Command::new(binary())
        .args(verb.split(' '))
        .args(more)
        .args(["--url", url, "--json"])
        .env_clear()
        .env("HOME", folder)
        .env("XDG_STATE_HOME", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(stdin.as_bytes())
        .unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    (done.status.code().unwrap(), said.into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_verb_is_for_whom_the_table_says() {
    let house = Box::pin(House::open(backends::sqlite_file())).await;
    let people = everybody(&house).await;
    // So that there is something to take away.
    let group = json!({ "name": "X" });
    house.ada.put("/api/groups/x", group).await.ok::<Value>();
    house.buy("+14155550191").await;
    let way = json!({ "route": [{ "kind": "queue", "queue": "desk" }] });
    let number = house.ada.put("/api/numbers/+14155550191", way).await;
    number.ok::<Value>();
    let url = house.anyone.url.clone();
    let walked = tokio::task::spawn_blocking(move || {
        let mut wrong = Vec::new();
        for (role, email) in people {
            let folder = tempfile::tempdir().unwrap();
            let login = ["--email", &email, "--password-stdin"];
            let (code, said) = typed(folder.path(), &url, "login", &login, PASSWORD);
            assert_eq!(code, 0, "{email}: {said}");
            for (verb, more, takes) in verbs() {
                let Some(takes) = takes else { continue };
                let (code, said) = typed(
                    folder.path(),
                    &url,
                    verb,
                    &more,
                    "not my password so far\nanother lantern, green\n",
                );
                let refused = said.contains("\"not-allowed\"");
                let fits = refused != takes.allows(role) && refused == (code == 3) && code != 2;
                // Nobody comes in by these; that is another no than the table's.
                if takes != Nothing && !fits {
                    wrong.push(format!("{verb} for {}: {code} {said}", role.word()));
                }
            }
        }
        wrong
    });
    let wrong = walked.await.unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
