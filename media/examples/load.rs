//! What everybody's sound costs: twenty telephones and four browsers in one conference, for some seconds.
//!
//! `cargo run --release -p cordboard-media --example load -- [seconds]` prints the CPU seconds of the media thread
//! alone, as Linux counts them, and how well the browsers heard. The numbers in docs/performance.md come from here.

#[path = "../tests/it/client.rs"]
#[expect(dead_code, reason = "it can do more than is measured")]
mod client;

use std::time::Duration;

use client::{Client, now};
use cordboard_media::{Mix, Stage, StageConfig, Voice};
use tokio::time::interval;

const TELEPHONES: u64 = 20;
const BROWSERS: u16 = 4;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "a measurement is there to be read")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(20), |s| s.parse())?;
    let (stage, mut events) = Stage::start(StageConfig {
        bind: "127.0.0.1:0".parse()?,
        ..StageConfig::default()
    })?;
    pass(Duration::from_secs(2)).await;
    println!(
        "nobody there, 2 s: {:.3} CPU seconds",
        cpu().unwrap_or(f64::NAN)
    );

    let mut everybody: Vec<String> = Vec::new();
    for seed in 0..TELEPHONES {
        let party = format!("telephone {seed}");
        stage.telephone(&party, Voice::Babble { seed });
        everybody.push(party);
    }
    let mut clients = Vec::new();
    for n in 0..BROWSERS {
        let party = format!("browser {n}");
        let client = Client::new(500.0 + 200.0 * f32::from(n));
        let answer = stage.accept(&party, &client.offer()).await?;
        client.answered(&answer);
        clients.push(client);
        everybody.push(party);
    }
    // The most there can be to add: all of them hear all others.
    for party in &everybody {
        let mix = Mix {
            people: everybody.clone(),
            playing: Vec::new(),
        };
        stage.hears(party, mix);
    }
    // Until everybody is connected and has heard everybody.
    pass(Duration::from_secs(2)).await;
    let (began, used) = (now(), cpu());
    pass(Duration::from_secs(seconds)).await;
    let (took, used) = (
        began.elapsed().as_secs_f64(),
        cpu().zip(used).map(|(a, b)| a - b),
    );
    let used = used.unwrap_or(f64::NAN);
    println!(
        "{TELEPHONES} telephones and {BROWSERS} browsers, {took:.1} s: {used:.2} CPU seconds, {:.1} % of one core",
        100.0 * used / took
    );
    for n in 0..BROWSERS {
        let report = stage
            .report(&format!("browser {n}"))
            .await
            .ok_or("a browser is gone")?;
        println!(
            "browser {n}: connected {}, in {}, out {}, lost {}, concealed {}, jitter {:.1} ms, buffered {:.0} ms",
            report.connected,
            report.packets_in,
            report.packets_out,
            report.lost,
            report.concealed,
            report.jitter_ms,
            report.buffered_ms
        );
    }
    let mut told = 0;
    while events.try_recv().is_ok() {
        told += 1;
    }
    println!("{told} events");
    Ok(())
}

async fn pass(time: Duration) {
    let mut tick = interval(time);
    tick.tick().await;
    tick.tick().await;
}

/// CPU seconds of the media thread so far; `None` where Linux's /proc is not.
fn cpu() -> Option<f64> {
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let folder = task.ok()?.path();
        if std::fs::read_to_string(folder.join("comm")).ok()?.trim() == "media" {
            // The first number: nanoseconds on a CPU.
            let stat = std::fs::read_to_string(folder.join("schedstat")).ok()?;
            let nanoseconds: f64 = stat.split_whitespace().next()?.parse().ok()?;
            return Some(nanoseconds / 1e9);
        }
    }
    None
}
