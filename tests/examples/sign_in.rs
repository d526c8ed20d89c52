//! Whether the time that a wrong sign-in takes tells an account from none:
//! `cargo run --release -p cordboard-tests --example sign_in`.
//!
//! A whole server on a fresh SQLite file, with passwords as dear as they are for people, is asked over HTTP, one question
//! at a time, in an order that is drawn. Each question comes from an address of its own, and no account is asked about so
//! often that it is made to wait: what is timed is the password, not the throttle. Welch's t compares the means; with so
//! many answers, |t| below 1.96 is what chance alone does in 19 of 20 runs.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::{net::Ipv4Addr, time::Instant};

use cordboard_core::api::Tokens;
use cordboard_server::auth::PASSWORD_KIB;
use cordboard_tests::{
    backends::sqlite_file,
    desk::{Desk, Plan},
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use reqwest::Client;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

const PASSWORD: &str = "copper lantern fiddle";
/// How many accounts there are, and as many names of none.
const ACCOUNTS: usize = 25;
/// How often each is asked about: fewer than are let through at once.
const EACH: usize = 16;

type Trouble = Box<dyn std::error::Error>;

#[expect(clippy::disallowed_methods, reason = "it measures real time")]
#[tokio::main]
async fn main() -> Result<(), Trouble> {
    let seed: u64 = std::env::args().nth(1).map_or(Ok(1), |n| n.parse())?;
    let mut dice = StdRng::seed_from_u64(seed);
    let desk = Box::pin(Desk::open(Plan {
        password_kib: PASSWORD_KIB,
        ..Plan::empty(sqlite_file())
    }))
    .await;
    let url = desk.server.url.as_str().trim_end_matches('/').to_owned();
    let http = Client::builder().no_proxy().build()?;
    fill(&http, &url, &desk).await?;

    let mut questions: Vec<(bool, String)> = (0..ACCOUNTS * EACH)
        .flat_map(|n| [(true, email(n % ACCOUNTS)), (false, nobody(n % ACCOUNTS))])
        .collect();
    questions.shuffle(&mut dice);
    // Not the first of a cold server.
    for _ in 0..20 {
        ask(&http, &url, "warm@example.com", &mut dice).await?;
    }
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for (there, email) in questions {
        let began = Instant::now();
        ask(&http, &url, &email, &mut dice).await?;
        let ms = began.elapsed().as_secs_f64() * 1000.0;
        let list = if there { &mut known } else { &mut unknown };
        list.push(ms);
    }
    let (a, b) = (Sample::of(known), Sample::of(unknown));
    println!("seed {seed}, {PASSWORD_KIB} KiB, milliseconds from the question to the refusal");
    println!("an account  {a}");
    println!("none        {b}");
    let t = (a.mean - b.mean) / (a.variance / a.count + b.variance / b.count).sqrt();
    println!("Welch's t   {t:.2}");
    Ok(())
}

fn email(n: usize) -> String {
    format!("person{n}@example.com")
}

fn nobody(n: usize) -> String {
    format!("nobody{n}@example.com")
}

/// Everybody moves in.
async fn fill(http: &Client, url: &str, desk: &Desk) -> Result<(), Trouble> {
    let person = |n: usize| {
        json!({ "name": format!("Person {n}"), "email": email(n), "password": PASSWORD,
                "extension": (200 + n).to_string(), "device": "a measurement" })
    };
    let code = desk.server.setup_code.as_ref().ok_or("no set-up code")?;
    let body = json!({ "code": code.expose_secret(), "person": person(0) });
    let setup = http.post(format!("{url}/api/setup")).json(&body);
    let admin: Tokens = setup.send().await?.error_for_status()?.json().await?;
    for n in 1..ACCOUNTS {
        let invite = http
            .post(format!("{url}/api/invitations"))
            .bearer_auth(&*admin.access)
            .json(&json!({ "role": "agent" }));
        let invited: Value = invite.send().await?.error_for_status()?.json().await?;
        let body = json!({ "code": invited["code"], "person": person(n) });
        let join = http.post(format!("{url}/api/join")).json(&body);
        join.send().await?.error_for_status()?;
    }
    Ok(())
}

/// A wrong password, from an address that nobody has asked from.
async fn ask(http: &Client, url: &str, email: &str, dice: &mut StdRng) -> Result<(), Trouble> {
    let from = Ipv4Addr::from(dice.random_range(0x0100_0000_u32..0x7f00_0000));
    let body =
        json!({ "email": email, "password": "not that one, surely", "device": "a stranger" });
    let asking = http
        .post(format!("{url}/api/login"))
        .header("x-forwarded-for", from.to_string())
        .json(&body);
    let answer = asking.send().await?;
    let status = answer.status().as_u16();
    answer.bytes().await?;
    if status != 401 {
        return Err(format!("{email}: {status}").into());
    }
    Ok(())
}

/// What was measured.
struct Sample {
    count: f64,
    mean: f64,
    variance: f64,
    median: f64,
    p95: f64,
}

impl Sample {
    fn of(mut all: Vec<f64>) -> Self {
        all.sort_by(f64::total_cmp);
        let at = |part: usize| all[all.len() * part / 100];
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        let count = all.len() as f64;
        let mean = all.iter().sum::<f64>() / count;
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0);
        Self {
            count,
            mean,
            variance,
            median: at(50),
            p95: at(95),
        }
    }
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "n {}  mean {:.2}  deviation {:.2}  median {:.2}  p95 {:.2}",
            self.count,
            self.mean,
            self.variance.sqrt(),
            self.median,
            self.p95
        )
    }
}
