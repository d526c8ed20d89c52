//! What is kept of a sign-in, and how it is renewed: in time, once, by one process, without ever losing it to an
//! error that passes.

use std::{
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use cordboard::{
    cli::{args::http_url, now, session::Environment},
    client::{Client, ClientError, Credentials, Kept, Password, Store},
    clock::Clock,
};
use cordboard_core::{api::SessionKind, ids::Timestamp};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::{
    kit::{account, at_home_for, binary, read, refusal, run, tokens},
    script::{Script, told},
};

fn me(script: &Script) {
    script.says("GET /api/me", 200, account(1, "101", "Ada Lovelace"));
}

/// What is in the file, for the one server that is in it.
fn kept(env: &Environment) -> Value {
    let file = read(&std::fs::read_to_string(env.file.as_ref().unwrap()).unwrap());
    file["at"][env.url.as_ref().unwrap()].clone()
}

#[tokio::test]
async fn a_token_is_used_while_it_is_good_and_renewed_a_minute_before_it_is_not() {
    let script = Script::start().await;
    me(&script);
    // A clock that was set back by five minutes since: nobody knows how old the token is.
    for (age, renewed) in [
        (0, false),
        (530, false),
        (545, true),
        (4_000, true),
        (-300, true),
    ] {
        let script = Script::start().await;
        me(&script);
        let (_home, env) = script.signed_in(age).await;
        let told = told(&script, &env, "cordboard whoami").await;
        assert_eq!(told.exit, 0, "{age}: {}", told.err);
        let lines: Vec<&str> = told.asked.iter().map(|a| a.line.as_str()).collect();
        let (n, wanted): (u32, &[&str]) = if renewed {
            (2, &["POST /api/token", "GET /api/me"])
        } else {
            (1, &["GET /api/me"])
        };
        assert_eq!(lines, wanted, "{age}");
        assert_eq!(told.last().bearer, Some(format!("access-{n}")), "{age}");
        assert_eq!(kept(&env)["refresh"], format!("refresh-{n}"), "{age}");
        if renewed {
            assert_eq!(told.asked[0].body, json!({ "refresh": "refresh-1" }));
            assert_eq!(told.asked[0].bearer, None);
            let until: Timestamp = kept(&env)["until"].as_str().unwrap().parse().unwrap();
            let left = until.since(now());
            assert!(
                (580_000..=600_000).contains(&left),
                "by our own clock: {left}"
            );
        }
    }
}

#[tokio::test]
async fn a_token_that_the_server_does_not_take_is_renewed_once() {
    let script = Script::start().await;
    me(&script);
    let (_home, env) = script.signed_in(0).await;
    script.expire();
    let first = told(&script, &env, "cordboard whoami").await;
    assert_eq!(first.exit, 0, "{}", first.err);
    let lines: Vec<&str> = first.asked.iter().map(|a| a.line.as_str()).collect();
    assert_eq!(lines, ["GET /api/me", "POST /api/token", "GET /api/me"]);
    assert_eq!(first.last().bearer.as_deref(), Some("access-2"));

    // The server gives out what it does not take: nobody asks for ever.
    let unknown = refusal(401, "not-signed-in", "Sign in first.");
    script.says("GET /api/calls", 401, unknown);
    let second = told(&script, &env, "cordboard call list --json").await;
    assert_eq!(second.exit, 3);
    assert_eq!(second.asked.len(), 3, "{:?}", second.asked);
    assert_eq!(read(&second.out)["error"]["code"], "not-signed-in");
    assert_eq!(
        kept(&env)["refresh"],
        "refresh-3",
        "only a refused renewal signs out"
    );
}

#[tokio::test]
async fn many_in_one_process_renew_once() {
    let script = Script::start().await;
    me(&script);
    let (_home, env) = script.signed_in(600).await;
    let line = "cordboard whoami";
    let (a, b, c, d) = tokio::join!(
        run(&env, line),
        run(&env, line),
        run(&env, line),
        run(&env, line)
    );
    for (exit, _, err) in [a, b, c, d] {
        assert_eq!(exit, 0, "{err}");
    }
    let renewals = script
        .lines()
        .iter()
        .filter(|l| *l == "POST /api/token")
        .count();
    assert_eq!(renewals, 1);
    assert_eq!(kept(&env)["refresh"], "refresh-2");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_renew_at_once_use_one_refresh_token() {
    let script = Script::start().await;
    me(&script);
    let (home, env) = script.signed_in(600).await;
    // Nobody gets an answer before all of them are there.
    script.open.send_replace(false);
    let start = || {
        let mut command = binary(home.path());
        command
            .args(["whoami", "--url", &script.url])
            .spawn()
            .unwrap()
    };
    let all: Vec<_> = (0..4).map(|_| start()).collect();
    script.open.send_replace(true);
    for process in all {
        let ended = tokio::task::spawn_blocking(|| process.wait_with_output().unwrap());
        let ended = ended.await.unwrap();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    }
    let renewals = script
        .lines()
        .iter()
        .filter(|l| *l == "POST /api/token")
        .count();
    assert_eq!(renewals, 1);
    assert_eq!(kept(&env)["refresh"], "refresh-2");
}

#[tokio::test]
async fn a_renewal_whose_answer_was_lost_is_asked_for_again() {
    let script = Script::start().await;
    me(&script);
    let (_home, env) = script.signed_in(600).await;
    script.lose(1);
    let first = told(&script, &env, "cordboard whoami").await;
    assert_eq!(first.exit, 0, "{}", first.err);
    let tried: Vec<&Value> = first.asked[..2]
        .iter()
        .map(|a| &a.body["refresh"])
        .collect();
    assert_eq!(tried, ["refresh-1", "refresh-1"]);
    assert_eq!(kept(&env)["refresh"], "refresh-3");
}

/// The process before was killed between the server's answer and the disk.
#[tokio::test]
async fn a_renewal_that_was_lost_with_its_process_is_repeated_by_the_next() {
    let script = Script::start().await;
    me(&script);
    let (_home, env) = script.signed_in(600).await;
    let url = http_url(&script.url).unwrap();
    let lost = Client::new(url)
        .unwrap()
        .renew(&"refresh-1".to_owned().into())
        .await;
    assert_eq!(&*lost.unwrap().refresh, "refresh-2");
    let (exit, _, err) = run(&env, "cordboard whoami").await;
    assert_eq!(exit, 0, "{err}");
    assert_eq!(kept(&env)["refresh"], "refresh-3");
}

#[tokio::test]
async fn a_refused_renewal_forgets_the_tokens_and_keeps_the_address() {
    let script = Script::start().await;
    me(&script);
    let (_home, env) = script.signed_in(600).await;
    script.end();
    let first = told(&script, &env, "cordboard whoami --json").await;
    assert_eq!(first.exit, 3);
    assert_eq!(read(&first.out)["error"]["code"], "not-signed-in");
    assert!(
        first.err.contains("cordboard login --url http://127.0.0.1"),
        "{}",
        first.err
    );
    let file = std::fs::read_to_string(env.file.as_ref().unwrap()).unwrap();
    assert!(
        !file.contains("refresh-") && !file.contains("access-"),
        "{file}"
    );
    assert_eq!(read(&file)["current"], script.url.as_str());

    // Nobody who is signed out asks the server for anything.
    let nobody = Environment {
        url: None,
        ..env.clone()
    };
    let second = told(&script, &nobody, "cordboard whoami").await;
    assert_eq!((second.exit, second.asked.len()), (3, 0));
    assert!(
        second.err.contains(script.url.trim_end_matches('/')),
        "{}",
        second.err
    );
}

#[tokio::test]
async fn an_error_that_passes_signs_nobody_out() {
    let script = Script::start().await;
    me(&script);
    let busy = refusal(503, "unavailable", "The database is not there.");
    script.says("POST /api/token", 503, busy);
    // 30 s are left of the token: it is used to its end.
    let (_home, env) = script.signed_in(570).await;
    let used = told(&script, &env, "cordboard whoami").await;
    assert_eq!(used.exit, 0, "{}", used.err);
    assert_eq!(used.last().bearer.as_deref(), Some("access-1"));

    let (_home, env) = script.signed_in(601).await;
    let before = kept(&env);
    for (status, exit) in [(503, 4), (500, 4), (429, 1)] {
        let script = Script::start().await;
        script.says("POST /api/token", status, refusal(status, "x", "Not now."));
        let (_home, env) = script.signed_in(601).await;
        let late = told(&script, &env, "cordboard whoami").await;
        assert_eq!(late.exit, exit, "{status}: {}", late.err);
        assert_eq!(kept(&env)["refresh"], "refresh-1", "{status}");
    }
    assert_eq!(kept(&env), before);
}

/// Signed in again at the same server, meanwhile, by somebody else at this machine.
#[tokio::test]
async fn a_console_that_is_open_stays_who_it_is() {
    let script = Script::start().await;
    let (home, env) = script.signed_in(600).await;
    let credentials = env.signed_in(None).unwrap();
    let mut other = tokens("other", "other", 600);
    other["session"] = json!("00000000000000b2");
    other["me"]["id"] = json!("u2");
    let other = serde_json::from_value(other).unwrap();
    env.keep(credentials.url(), other, now()).await.unwrap();

    let access = credentials.access().await.unwrap();
    assert_eq!(access.expose_secret(), "access-2");
    assert_eq!(kept(&env)["refresh"], "other", "the file is theirs now");
    drop(home);
    assert_eq!(
        credentials.access().await.unwrap().expose_secret(),
        "access-2"
    );
}

#[tokio::test]
async fn a_console_that_is_open_ends_with_its_sign_in() {
    let script = Script::start().await;
    let (_home, env) = script.signed_in(600).await;
    let credentials = env.signed_in(None).unwrap();
    env.forget(credentials.url()).await.unwrap();
    let ended = credentials.access().await.unwrap_err();
    assert!(ended.signed_out(), "{ended}");
    assert!(
        script.asked().is_empty(),
        "nobody who was signed out is renewed"
    );
}

#[tokio::test]
async fn what_a_password_brought_is_had_with_it_again() {
    let script = Script::start().await;
    me(&script);
    script
        .says("POST /api/login", 200, tokens("access-1", "refresh-1", 600))
        .says(
            "POST /api/token",
            401,
            refusal(401, "not-signed-in", "This sign-in has ended."),
        );
    let password = Password {
        email: "ada@demo.example".to_owned(),
        password: "a password".to_owned().into(),
        device: "A test".to_owned(),
        kind: SessionKind::Phone,
    };
    let url = http_url(&script.url).unwrap();
    let credentials = Credentials::password(url, Clock::system(), password).unwrap();
    assert!(
        script.asked().is_empty(),
        "nothing is asked before it is needed"
    );
    let client = Client::signed_in(credentials);
    client.me().await.unwrap();
    let asked = script.asked();
    assert_eq!(
        asked[0].body,
        json!({ "email": "ada@demo.example", "password": "a password", "device": "A test", "kind": "phone" })
    );
    script.expire();
    // The script gives the same token again, which is not good any more: it was tried once more, and no more.
    assert!(client.me().await.unwrap_err().signed_out());
    assert_eq!(
        script.lines(),
        [
            "GET /api/me",
            "POST /api/token",
            "POST /api/login",
            "GET /api/me"
        ]
    );
}

#[tokio::test]
async fn a_token_without_more_is_good_until_the_server_says_otherwise() {
    let script = Script::start().await;
    me(&script);
    let url = http_url(&script.url).unwrap();
    let token = "access-1".to_owned().into();
    let client = Client::signed_in(Credentials::bearer(url, token).unwrap());
    client.me().await.unwrap();
    script.expire();
    assert!(client.me().await.unwrap_err().signed_out());
    assert_eq!(script.lines(), ["GET /api/me", "GET /api/me"]);
}

/// A token that could not be kept must not be used: the server would take the refresh token before it, which is
/// all that the disk has, for a copy.
#[tokio::test]
async fn what_cannot_be_kept_is_not_used() {
    let script = Script::start().await;
    me(&script);
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("cordboard");
    let file = folder.join("sessions.json");
    let store = Store::at(&file);
    let url = http_url(&script.url).unwrap();
    let given = serde_json::from_value(tokens("access-1", "refresh-1", 600)).unwrap();
    let first = Kept::of(given, now().plus(-600_000));
    store
        .lock()
        .await
        .unwrap()
        .begin(&url, first.clone())
        .unwrap();
    let credentials = Credentials::kept(url.clone(), Clock::system(), first, store).unwrap();
    // The answer waits until the folder is full: something stands where the file is to be put.
    script.open.send_replace(false);
    let asking = credentials.access();
    let spoiling = async {
        let asked = async {
            while script.asked().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        let limit = std::time::Duration::from_secs(20);
        tokio::time::timeout(limit, asked).await.expect("a renewal");
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir_all(file.join("in the way")).unwrap();
        script.open.send_replace(true);
    };
    let (access, ()) = tokio::join!(asking, spoiling);
    assert!(matches!(access, Err(ClientError::Store(_))), "{access:?}");

    std::fs::remove_dir_all(&file).unwrap();
    let given = serde_json::from_value(tokens("access-1", "refresh-1", 600)).unwrap();
    let again = Kept::of(given, now().plus(-600_000));
    Store::at(&file)
        .lock()
        .await
        .unwrap()
        .begin(&url, again)
        .unwrap();
    assert_eq!(
        credentials.access().await.unwrap().expose_secret(),
        "access-3"
    );
}

/// Everything in the folder, with the rights that others have to it.
fn readable_by_others(folder: &Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let open = entries.filter_map(|entry| {
        // One that is renamed away while we look was looked at before, or is looked at next.
        let mode = entry.metadata().ok()?.permissions().mode() & 0o777;
        (mode & 0o077 != 0).then(|| format!("{} {mode:o}", entry.path().display()))
    });
    open.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_can_read_what_is_kept_not_for_a_moment() {
    let script = Script::start().await;
    me(&script);
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("cordboard");
    let done = Arc::new(AtomicBool::new(false));
    let looking = {
        let (done, folder) = (done.clone(), folder.clone());
        std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !done.load(Ordering::SeqCst) {
                seen.extend(readable_by_others(&folder));
                std::thread::yield_now();
            }
            seen
        })
    };
    script
        .says("POST /api/login", 200, tokens("access-1", "refresh-1", 1))
        .says("POST /api/logout", 200, json!({}));
    // The most generous shell there is.
    let generous = |line: &str| {
        let mut command = std::process::Command::new("sh");
        let program = env!("CARGO_BIN_EXE_cordboard");
        let line = format!("umask 0; {}", line.replace("cordboard", program));
        command
            .args(["-c", &line])
            .env("XDG_STATE_HOME", home.path())
            .env("URL", &script.url)
            .stdout(Stdio::null());
        command
    };
    let login =
        "echo secret | cordboard login --url $URL --email ada@demo.example --password-stdin";
    for line in [
        login,
        "cordboard whoami",
        "cordboard whoami",
        "cordboard logout",
        login,
    ] {
        let mut command = generous(line);
        tokio::task::spawn_blocking(move || command.status().unwrap())
            .await
            .unwrap();
    }
    done.store(true, Ordering::SeqCst);
    assert_eq!(looking.join().unwrap(), Vec::<String>::new());
    assert_eq!(readable_by_others(&folder), Vec::<String>::new());
    assert!(folder.join("sessions.json").is_file() && folder.join("sessions.lock").is_file());
    assert_eq!(readable_by_others(home.path()), Vec::<String>::new());
}

#[tokio::test]
async fn two_servers_in_one_file_do_not_lose_each_others_tokens() {
    let (a, b) = (Script::start().await, Script::start().await);
    for script in [&a, &b] {
        me(script);
    }
    let (_home, env) = at_home_for(&a.url, tokens("access-1", "refresh-1", 600), 600).await;
    let there = serde_json::from_value(tokens("access-1", "refresh-1", 600)).unwrap();
    env.keep(&http_url(&b.url).unwrap(), there, now().plus(-600_000))
        .await
        .unwrap();
    let at = |url: &str| Environment {
        url: Some(url.to_owned()),
        ..env.clone()
    };
    let (at_a, at_b) = (at(&a.url), at(&b.url));
    let line = "cordboard whoami";
    let (one, two) = tokio::join!(run(&at_a, line), run(&at_b, line));
    assert_eq!((one.0, two.0), (0, 0), "{} {}", one.2, two.2);
    assert_eq!(
        (&kept(&at_a)["refresh"], &kept(&at_b)["refresh"]),
        (&json!("refresh-2"), &json!("refresh-2"))
    );
}
