//! The twin from the command line: to run it alone, and to do to its world what no telephone company lets one
//! do.
//!
//! Thin on purpose: what the controls mean is the twin's, and its answers are printed as they come.
//!
//! Read next: [`cordboard_twin::control`].

use std::net::SocketAddr;

use cordboard::{
    cli::{Exit, Failure, Out, args::TwinVerb, show},
    client::address,
};
use cordboard_core::ids::Phone;
use cordboard_twin::{
    Caller, Credentials, TwinConfig,
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
        } => {
            let caller = Caller {
                from: from.to_string(),
                to: to.to_string(),
                name,
                patience: patience.map(|d| d.as_secs_f64()),
                talks: talk.map(|d| d.as_secs_f64()),
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
    ];
    out.say(&ready, lines)?;
    quit.wait().await;
    stop.cancel();
    let _ = tokio::time::timeout(super::CLOSING, twin.stopped()).await;
    Ok(())
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
