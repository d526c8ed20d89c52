//! How many commits a second a database takes:
//! `cargo run --release -p cordboard-server --example commits -- sqlite:commits.db`.
//!
//! A commit here is what an ordinary webhook brings: a fact's token, a call's next revision, a request to the
//! carrier, an audit line, and the board's next revision. The address comes as the first argument or in
//! `DATABASE_URL`; give it a database that nobody needs.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::time::{Duration, Instant};

use cordboard_core::{
    call::{Call, Caller, Stop},
    ids::{CallId, Timestamp},
    machine::{Aspect, Context, Effect},
};
use cordboard_server::store::{AuditRow, Change, Commit, Store};

#[expect(clippy::disallowed_methods, reason = "it measures real time")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .or_else(|| std::env::var("DATABASE_URL").ok());
    let address = address.ok_or("name a database: sqlite:FILE, sqlite::memory: or postgres://…")?;
    let store = Store::open(&address).await?;
    // A later run on the same database needs calls and tokens of its own.
    let (_, run) = store.board_position().await?;
    println!("{store:?}");
    for writers in [1_u32, 8, 64, 256] {
        let until = Instant::now() + Duration::from_secs(3);
        let begun = Instant::now();
        let tasks: Vec<_> = (0..writers)
            .map(|writer| {
                let store = store.clone();
                let id = u128::from(run) << 64 | u128::from(writers) << 32 | u128::from(writer);
                tokio::spawn(async move {
                    let mut call = arrived(id);
                    let (mut done, mut slowest) = (0_u32, Duration::ZERO);
                    while Instant::now() < until {
                        let from = Instant::now();
                        call.rev = u64::from(done) + 1;
                        store.commit(webhook(id, done, &call)).await?;
                        slowest = slowest.max(from.elapsed());
                        done += 1;
                    }
                    Ok::<_, cordboard_server::store::Conflict>((done, slowest))
                })
            })
            .collect();
        let (mut done, mut slowest) = (0, Duration::ZERO);
        for task in tasks {
            let (n, slow) = task.await??;
            done += n;
            slowest = slowest.max(slow);
        }
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{writers:4} writers: {:7.0} commits/s, slowest {:6.1} ms, board at {}",
            f64::from(done) / seconds,
            slowest.as_secs_f64() * 1000.0,
            store.board_position().await?.1,
        );
    }
    store.close().await;
    Ok(())
}

fn arrived(id: u128) -> Call {
    let caller = Caller {
        name: Some("Zoë Müller".into()),
        number: Some("+14155550132".parse().expect("a number")),
    };
    let route = [Stop::Queue {
        queue: "desk".parse().expect("a queue"),
    }];
    let sid = format!("CA{id:032x}").parse().expect("a SID");
    let to = "+14155550100".parse().expect("a number");
    Call::arrive(
        CallId::from_bits(id),
        sid,
        caller,
        to,
        &route,
        &Context::default(),
    )
    .call
}

fn webhook(id: u128, done: u32, call: &Call) -> Commit {
    let now = Timestamp::from_millis(done.into());
    let effect = Effect::Set {
        leg: 0,
        what: Aspect::Hold,
    };
    Commit {
        changes: vec![Change {
            before: done.into(),
            call: call.clone(),
            effects: vec![effect],
        }],
        seen: Some(format!("{id:x}:{done}")),
        audit: vec![AuditRow {
            at: now,
            actor: None,
            kind: "carrier".to_owned(),
            call: Some(call.id),
            raw: "AccountSid=AC00&CallSid=CA00&CallStatus=in-progress&Direction=inbound&SequenceNumber=3".to_owned(),
        }],
        ..Commit::new(now)
    }
}
