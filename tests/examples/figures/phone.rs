//! What a call through a real browser takes: time, from a key in the console until each hears the other, and the
//! processor of the double that makes its sound.
//!
//! The console is the binary in a PTY, the page is in Chromium, twin and server are processes. All clocks are this
//! machine's. Needs `TEST_BROWSER_DRIVER` (the folder `tests/browser`, after `npm ci` there) and `TEST_CHROMIUM`.

use std::{
    ffi::OsString,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cordboard_tests::{
    backends::sqlite_file,
    browser::{self, Browser, Plan},
    house::House,
    page::{measured, pair},
    terminal::Terminal,
};
use cordboard_twin::{Caller, Voice};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::{
    runtime::Runtime,
    time::{interval, timeout},
};

use crate::kit::{Sample, charged, name, say};

/// How many calls are answered, and how many go before them uncounted.
const CALLS: (u32, u32) = (100, 5);
/// The longest anything may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// For how long the double's processor is watched.
const WATCH: Duration = Duration::from_secs(30);

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "it measures real time")]
fn epoch() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64() * 1_000.0
}

fn ms(from: f64, to: f64) -> Duration {
    Duration::from_secs_f64((to - from).max(0.0) / 1_000.0)
}

/// Asks until there is an answer.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        let mut turn = interval(Duration::from_millis(20));
        loop {
            turn.tick().await;
            if let Some(found) = ask().await {
                return found;
            }
        }
    };
    let found = timeout(PATIENCE, asking).await;
    found.unwrap_or_else(|late| panic!("never: {what} ({late})"))
}

/// A browser whose page is somebody's phone.
async fn page(house: &House, installed: &(OsString, OsString), email: &str) -> Browser {
    let http = Client::builder().no_proxy().build().expect("a client");
    let url = house.url().trim_end_matches('/').to_owned();
    let login = json!({ "email": email, "password": "switchboard", "device": "figures" });
    let request = http.post(format!("{url}/api/login")).json(&login);
    let answer = request.send().await.expect("the server answers");
    let tokens: Value = answer.json().await.expect("it is JSON");
    let token = tokens["access"].as_str().expect("a token");
    let mut browser = Browser::start(installed, Plan::default());
    measured(&mut browser);
    pair(&url, token, &mut browser).await;
    let awake =
        "await page.getByRole('button', { name: /^(Enable sound|Use this one)/ }).first().click()";
    browser.run(awake);
    browser.wait_for("Ready");
    browser
}

/// Somebody rings the demo's number, and says a tone.
async fn ring(house: &House, n: u32) -> String {
    let caller = Caller {
        from: format!("+1415555{:04}", 1000 + n % 9000),
        to: house.number(),
        name: Some(name(n)),
        voice: Some(Voice::Tone(440.0)),
        ..Caller::default()
    };
    let rung = house.carrier().call(&caller).await;
    rung.expect("the twin lets it ring")
}

/// From Enter until each hears the other.
pub(crate) fn answer(runtime: &Runtime, console: fn(&House) -> Terminal) {
    let Some(installed) = browser::installed() else {
        return;
    };
    let house = House::open(sqlite_file());
    let twin = house.carrier();
    let mut desk = console(&house);
    let mut page = runtime.block_on(page(&house, &installed, "ada@demo.example"));
    let mut steps: [(&str, Sample); 6] = [
        ("Enter → the page connects", Sample::default()),
        ("Enter → SDK accept", Sample::default()),
        (
            "Enter → joined: both in the room, unheld",
            Sample::default(),
        ),
        ("Enter → the caller hears the operator", Sample::default()),
        ("Enter → the caller is sent to the page", Sample::default()),
        ("Enter → the page receives sound", Sample::default()),
    ];
    let (counted, before) = CALLS;
    for n in 0..before + counted {
        let caller = runtime.block_on(ring(&house, n));
        let name = name(n);
        desk.wait_for(&format!("answer {name}"));
        page.run("await page.evaluate(() => performance.clearMarks())");
        let enter = epoch();
        desk.keys("a");
        let (joined, to_caller, to_page) = runtime.block_on(until("both are heard", async || {
            let log = twin.log().await.ok()?;
            let hears = log["hears"].as_array()?;
            let of = |key: &str| {
                let row = hears
                    .iter()
                    .rev()
                    .find(|h| h[key] == caller.as_str() && h["audible"].is_number())?;
                Some((row["from"].as_f64()?, row["audible"].as_f64()?))
            };
            let ((joined, caller), (_, page)) = (of("listener_sid")?, of("speaker_sid")?);
            Some((joined, caller, page))
        }));
        let marks = runtime.block_on(until("the page has sound", async || {
            let code = "return await page.evaluate(() => Object.fromEntries(Object.entries(cordboard.marks())
                .map(([name, at]) => [name, performance.timeOrigin + at])))";
            let marks = page.run(code);
            marks["first-audio"].is_number().then_some(marks)
        }));
        let mark = |name: &str| marks[name].as_f64().unwrap_or(f64::NAN);
        let at = [
            mark("connect"),
            mark("sdk-accept"),
            joined,
            to_caller,
            to_page,
            mark("first-audio"),
        ];
        if n >= before {
            for ((_, sample), at) in steps.iter_mut().zip(at) {
                sample.push(ms(enter, at));
            }
        }
        desk.keys("x");
        page.wait_for("Ready");
        desk.wait_for("No call on your line");
    }
    for (what, sample) in &mut steps {
        sample.print(what);
    }
}

/// What the double's process costs with twenty callers: without ears, and with four browsers that talk.
pub(crate) fn voices(runtime: &Runtime) {
    let Some(installed) = browser::installed() else {
        return;
    };
    let house = House::open(sqlite_file());
    let watch = |what: &str| {
        let before = charged(house.twin.id());
        runtime.block_on(async { tokio::time::sleep(WATCH).await });
        let spent = charged(house.twin.id()).saturating_sub(before);
        let percent = spent.as_secs_f64() / WATCH.as_secs_f64() * 100.0;
        say(format_args!("{what:<40} {percent:5.1} % of one core"));
    };
    watch("nobody");
    let calls: Vec<String> = (0..20).map(|n| runtime.block_on(ring(&house, n))).collect();
    watch("20 calls, no browser: no sound is made");
    let emails =
        ["ada", "grace", "margaret", "dennis"].map(|first| format!("{first}@demo.example"));
    let mut pages: Vec<Browser> = emails
        .iter()
        .map(|email| runtime.block_on(page(&house, &installed, email)))
        .collect();
    watch("20 calls wait, 4 browsers are ready");
    house.done(&["call", "answer", &calls[0]]);
    for (call, extension) in calls[1..4].iter().zip(["102", "107", "108"]) {
        // Passed on by the operator, and taken in their pages.
        let args = ["call", "transfer", call, extension];
        drop(house.verb(&args));
    }
    for page in &mut pages[1..] {
        page.press("Accept");
        page.wait_for("In call");
    }
    watch("20 calls, 4 of them with a browser each");
}
