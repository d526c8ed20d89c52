//! How many commits a second a database takes:
//! `cargo run --release -p cordboard-server --example commits -- sqlite:commits.db`.
//!
//! A commit here is what an ordinary webhook brings: a fact's token, a call's next revision, a request to the
//! carrier, an audit line, and the board's next revision. The address comes as the first argument or in
//! `DATABASE_URL`; give it a database that nobody needs. With `sealed` after the address the audit is sealed meanwhile,
//! as in a server, and read again at the end.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::time::{Duration, Instant};

use cordboard_core::{
    call::{Call, Caller, Stop},
    ids::{CallId, Timestamp},
    machine::{Aspect, Context, Effect},
};
use cordboard_server::{
    Clock,
    auth::Keys,
    sealer::{Sealer, verify},
    store::{AuditRow, Change, Commit, Store},
};
use tokio_util::sync::CancellationToken;

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
    let clock = Clock::system();
    let keys = Keys::new(&"a secret that only this measurement has".into(), None);
    let stop = CancellationToken::new();
    let sealing = match std::env::args().nth(2).as_deref() {
        Some("sealed") => {
            let sealer = Sealer::open(store.clone(), &keys, clock.clone()).await?;
            Some(tokio::spawn(sealer.run(stop.clone())))
        }
        _ => None,
    };
    for writers in [1_u32, 8, 64, 256] {
        let until = Instant::now() + Duration::from_secs(3);
        let begun = Instant::now();
        let tasks: Vec<_> = (0..writers)
            .map(|writer| {
                let (store, clock) = (store.clone(), clock.clone());
                let id = u128::from(run) << 64 | u128::from(writers) << 32 | u128::from(writer);
                tokio::spawn(async move {
                    let mut call = arrived(id);
                    let (mut done, mut slowest) = (0_u32, Duration::ZERO);
                    while Instant::now() < until {
                        let from = Instant::now();
                        call.rev = u64::from(done) + 1;
                        store.commit(webhook(id, done, &call, clock.now())).await?;
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
    if let Some(sealing) = sealing {
        stop.cancel();
        let left = sealing.await?.look().await?;
        let begun = Instant::now();
        let told = verify(&store, &keys).await?;
        println!(
            "{} lines are sealed, the last {left} of them after the end; read again in {:.1} s: {}",
            told.sealed,
            begun.elapsed().as_secs_f64(),
            told.fault.as_deref().unwrap_or("intact"),
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

fn webhook(id: u128, done: u32, call: &Call, now: Timestamp) -> Commit {
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
            call: Some(call.id),
            raw: "AccountSid=AC00&CallSid=CA00&CallStatus=in-progress&Direction=inbound&SequenceNumber=3".to_owned(),
            ..AuditRow::new(now, "carrier")
        }],
        ..Commit::new(now)
    }
}
