//! The twin from the command line: to run it alone, and to do to its world what no telephone company lets one
//! do.
//!
//! Thin on purpose: what the controls mean is the twin's, and its answers are printed as they come.
//!
//! Read next: [`cordboard_twin::control`].

use std::{net::SocketAddr, path::Path, time::Duration};

use cordboard::{
    cli::{
        Exit, Failure, Out,
        args::{self, TwinVerb},
        show,
    },
    client::address,
};
use cordboard_core::ids::Phone;
use cordboard_twin::{
    Caller, Credentials, TwinConfig, Voice,
    control::{Client, ControlError},
};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Quit;

/// Does one of the twin's verbs; all but one are done to the twin at `at`.
pub(crate) async fn run(verb: TwinVerb, at: Option<Url>, out: &mut Out<'_>) -> Result<(), Failure> {
    let usage = |why| Failure::new(Exit::Usage, "usage", why);
    let control = match (&verb, at) {
        (
            TwinVerb::Serve {
                listen,
                seed,
                numbers,
            },
            None,
        ) => return serve(*listen, *seed, numbers, out).await,
        (TwinVerb::Serve { .. }, Some(_)) => {
            return Err(usage("A twin that is started has no need of --twin."));
        }
        (_, None) => return Err(usage("Say which twin: --twin URL, or CORDBOARD_TWIN.")),
        (_, Some(twin)) => Client::new(address(&twin)),
    };
    match verb {
        TwinVerb::Serve { .. } => Ok(()),
        TwinVerb::Call {
            from,
            to,
            name,
            patience,
            talk,
            voice,
        } => {
            let caller = Caller {
                from: from.to_string(),
                to: to.to_string(),
                name,
                patience: patience.map(|d| d.as_secs_f64()),
                talks: talk.map(|d| d.as_secs_f64()),
                voice: voice.map(|voice| match voice {
                    args::Voice::Tone(hz) => Voice::Tone(hz),
                    args::Voice::Silent => Voice::Silent,
                    args::Voice::Babble(number) => Voice::Babble(number),
                }),
                ..Caller::default()
            };
            let sid = control.call(&caller).await.map_err(said)?;
            Ok(out.say(&json!({ "call_sid": sid }), [&sid])?)
        }
        TwinVerb::Press { call_sid, digits } => {
            control.press(&call_sid, &digits).await.map_err(said)?;
            Ok(out.say(&json!({ "ok": true }), ["Pressed."])?)
        }
        TwinVerb::Hangup { call_sid } => {
            control.hangup(&call_sid).await.map_err(said)?;
            Ok(out.say(&json!({ "ok": true }), ["Hung up."])?)
        }
        TwinVerb::World => {
            let world = control.world().await.map_err(said)?;
            Ok(out.say(&world, picture(&world))?)
        }
        TwinVerb::Sound { call_sid } => {
            let sound = control.sound(&call_sid).await.map_err(said)?;
            Ok(out.say(&sound, levels(&sound))?)
        }
        TwinVerb::Listen {
            call_sid,
            seconds,
            out: file,
            said: of_its_own,
        } => {
            let (bytes, kept) = listen(&control, &call_sid, of_its_own, seconds).await?;
            keep(&file, &bytes)?;
            let document = json!({ "file": file, "seconds": kept });
            let line = format!("{kept:.1} s are in {}.", file.display());
            Ok(out.say(&document, [line])?)
        }
        TwinVerb::Fault { set, clear } => {
            let client = control;
            let mut now = if clear {
                client.clear_faults().await
            } else {
                client.faults().await
            }
            .map_err(said)?;
            if !set.is_empty() {
                let set: Vec<String> = set
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                now = client.fault(&set).await.map_err(said)?;
            }
            Ok(out.say(&now, pretty(&now))?)
        }
        TwinVerb::Requests => {
            let requests = control.requests().await.map_err(said)?;
            Ok(out.say(&requests, log(&requests))?)
        }
    }
}

fn said(error: ControlError) -> Failure {
    match error {
        ControlError::Unreachable { url, why } => Failure::new(
            Exit::Unreachable,
            "unreachable",
            format!("The twin at {url} cannot be reached: {why}."),
        ),
        ControlError::Refused { why, .. } => Failure::refused("refused", why),
    }
}

async fn serve(
    listen: SocketAddr,
    seed: Option<u64>,
    numbers: &[Phone],
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let mut quit = Quit::listen()?;
    crate::log_to_stderr();
    let stop = CancellationToken::new();
    let config = TwinConfig {
        listen,
        seed: seed.unwrap_or_else(|| rand::make_rng::<StdRng>().random()),
        credentials: seed.map_or_else(Credentials::random, Credentials::from_seed),
        numbers: numbers.iter().map(ToString::to_string).collect(),
        ..TwinConfig::default()
    };
    let twin = cordboard_twin::serve(config, stop.clone())
        .await
        .map_err(|e| Failure::refused("twin", format!("{e}.")))?;
    let c = twin.credentials();
    let ready = json!({
        "ready": true, "url": twin.url(), "account_sid": c.account_sid, "auth_token": c.auth_token,
        "api_key": c.api_key, "api_secret": c.api_secret, "app_sid": c.app_sid,
        "telephone": twin.telephone_url(),
    });
    let lines = [
        format!(
            "A double of Twilio listens on {}. Point a program at it with:",
            twin.url()
        ),
        format!("TWILIO_API_BASE={}", twin.url()),
        format!("TWILIO_ACCOUNT_SID={}", c.account_sid),
        format!("TWILIO_AUTH_TOKEN={}", c.auth_token),
        format!("TWILIO_API_KEY={}", c.api_key),
        format!("TWILIO_API_SECRET={}", c.api_secret),
        format!("TWILIO_APP_SID={}", c.app_sid),
        format!("To be a caller yourself, open {}", twin.telephone_url()),
    ];
    out.say(&ready, lines)?;
    quit.wait().await;
    stop.cancel();
    let _ = tokio::time::timeout(super::CLOSING, twin.stopped()).await;
    Ok(())
}

/// So many seconds of what a call hears or says, and how many they are. The twin makes sound only when somebody listens,
/// so what is missing is waited for.
async fn listen(
    control: &Client,
    call: &str,
    of_its_own: bool,
    seconds: f32,
) -> Result<(Vec<u8>, f32), Failure> {
    // Nobody waits longer than it takes to say so much.
    for _ in 0..2 {
        let bytes = control.listen(call, of_its_own, seconds).await;
        let bytes = bytes.map_err(said)?;
        let missing = seconds - length(&bytes);
        if missing < 0.02 {
            return Ok((bytes, seconds));
        }
        tokio::time::sleep(Duration::from_secs_f32(missing)).await;
    }
    let bytes = control.listen(call, of_its_own, seconds).await;
    let bytes = bytes.map_err(said)?;
    let there = length(&bytes);
    Ok((bytes, there))
}

/// How many seconds a file of the twin's has: 8,000 samples of two bytes each, behind a header of 44.
fn length(bytes: &[u8]) -> f32 {
    let samples = u32::try_from(bytes.len().saturating_sub(44) / 2).unwrap_or(u32::MAX);
    Duration::from_secs(u64::from(samples))
        .div_f32(8_000.0)
        .as_secs_f32()
}

fn keep(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let kept = std::fs::write(file, bytes);
    kept.map_err(|why| Failure::refused("file", format!("{}: {why}.", file.display())))
}

/// What a call says and hears.
fn levels(sound: &Value) -> Vec<String> {
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let row = |what: &str, side: &Value| {
        let tones: Vec<String> = rows(&side["tones"])
            .map(|t| format!("{:.0} Hz ({:.3})", number(&t["hz"]), number(&t["level"])))
            .collect();
        let tones = if tones.is_empty() {
            "silence".to_owned()
        } else {
            show::list(tones)
        };
        vec![
            what.to_owned(),
            format!("{:.3}", number(&side["rms"])),
            tones,
        ]
    };
    let table = [row("says", &sound["said"]), row("hears", &sound["heard"])];
    let mut lines = show::table(&table);
    let came = number(&sound["packets_in"]);
    if sound["connected"] == false {
        lines.push("Its browser is not connected.".to_owned());
    } else if came > 0.0 {
        lines.push(format!(
            "{came:.0} packets came from its browser, {:.0} were lost, {:.0} went to it.",
            number(&sound["lost"]),
            number(&sound["packets_out"]),
        ));
    }
    lines
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("")
}

fn rows(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Who is in which room, and what they hear.
fn picture(world: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let live: Vec<&Value> = rows(&world["calls"])
        .filter(|c| matches!(text(c, "status"), "queued" | "ringing" | "in-progress"))
        .collect();
    lines.push(format!("{} live calls", live.len()));
    let table: Vec<Vec<String>> = live
        .iter()
        .map(|c| {
            ["sid", "status", "from", "to"]
                .iter()
                .map(|k| show::plain(text(c, k)))
                .collect()
        })
        .collect();
    lines.extend(show::table(&table).into_iter().map(|l| format!("  {l}")));
    for room in rows(&world["conferences"]).filter(|r| text(r, "status") != "completed") {
        lines.push(format!("{} {}", text(room, "sid"), text(room, "status")));
        let inside: Vec<Vec<String>> = rows(&world["participants"])
            .filter(|p| p["conference_sid"] == room["sid"])
            .map(|p| {
                let hears: Vec<&str> = rows(&world["hears"])
                    .filter(|h| h["listener_sid"] == p["call_sid"])
                    .map(|h| text(h, "speaker"))
                    .collect();
                let what = if hears.is_empty() {
                    text(p, "hearing").to_owned()
                } else {
                    hears.join(", ")
                };
                vec![
                    show::plain(text(p, "who")),
                    format!("hears {}", show::plain(&what)),
                ]
            })
            .collect();
        lines.extend(show::table(&inside).into_iter().map(|l| format!("  {l}")));
    }
    lines
}

/// REST requests and webhooks, one a line.
fn log(requests: &Value) -> Vec<String> {
    let line = |cells: Vec<String>| cells.iter().map(|c| show::plain(c)).collect::<Vec<_>>();
    let bare = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let mut lines = vec!["Requests served".to_owned()];
    let rest: Vec<Vec<String>> = rows(&requests["rest"])
        .map(|r| {
            line(vec![
                bare(&r["at"]),
                bare(&r["status"]),
                bare(&r["method"]),
                bare(&r["path"]),
            ])
        })
        .collect();
    lines.extend(show::table(&rest).into_iter().map(|l| format!("  {l}")));
    lines.push("Webhooks sent".to_owned());
    let hooks: Vec<Vec<String>> = rows(&requests["webhooks"])
        .map(|h| {
            let last = rows(&h["attempts"]).last().map_or_else(String::new, |a| {
                if a["status"].is_null() {
                    bare(&a["error"])
                } else {
                    bare(&a["status"])
                }
            });
            line(vec![
                bare(&h["at"]),
                last,
                format!("×{}", rows(&h["attempts"]).count()),
                bare(&h["url"]),
            ])
        })
        .collect();
    lines.extend(show::table(&hooks).into_iter().map(|l| format!("  {l}")));
    lines
}

fn pretty(value: &Value) -> Vec<String> {
    serde_json::to_string_pretty(value)
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect()
}
