//! What a call says and hears, as sound: for tests that listen, and for people who want to.
//!
//! Asking opens the stage, so that there is something to hear also where no browser is.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use cordboard_media::{RATE, Report, Sound, Stage, write_wav};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Control, Refused, live, no_such_call};
use crate::switch::Switch;

/// How many seconds can be had.
const LONGEST: f32 = 10.0;

fn stage(switch: &Arc<Switch>) -> Result<Stage, Refused> {
    let opened = switch.sound.stage(switch);
    opened.map_err(|why| Refused(StatusCode::SERVICE_UNAVAILABLE, 0, why))
}

fn party(switch: &Switch, sid: &str) -> Result<String, Refused> {
    switch.world(|w| live(w, sid))?;
    Ok(switch.edge(|e| e.party(sid).to_owned()))
}

fn in_words(sound: &Sound) -> Value {
    let tones = sound.tones.iter();
    let tones: Vec<Value> = tones
        .map(|t| json!({ "hz": t.hz, "level": t.level }))
        .collect();
    json!({ "rms": sound.rms, "tones": tones })
}

/// What a call has said and heard in the last second.
pub(super) async fn report(
    State(switch): Control,
    Path(sid): Path<String>,
) -> Result<Json<Value>, Refused> {
    let stage = stage(&switch)?;
    let party = party(&switch, &sid)?;
    let Report {
        said,
        heard,
        connected,
        packets_in,
        packets_out,
        lost,
        jitter_ms,
        buffered_ms,
        concealed,
    } = stage
        .report(&party)
        .await
        .ok_or_else(|| no_such_call(&sid))?;
    Ok(Json(json!({
        "said": in_words(&said), "heard": in_words(&heard), "connected": connected,
        "packets_in": packets_in, "packets_out": packets_out, "lost": lost,
        "jitter_ms": jitter_ms, "buffered_ms": buffered_ms, "concealed": concealed,
    })))
}

#[derive(Debug, Deserialize)]
pub(super) struct Last {
    seconds: Option<f32>,
}

/// The last seconds of what a call has heard, or said, as a WAV file.
pub(super) async fn wav(
    State(switch): Control,
    Path((sid, which)): Path<(String, String)>,
    Query(last): Query<Last>,
) -> Result<impl IntoResponse, Refused> {
    let stage = stage(&switch)?;
    let party = party(&switch, &sid)?;
    let seconds = last.seconds.unwrap_or(LONGEST);
    let samples = match which.as_str() {
        "heard.wav" => stage.heard(&party, seconds).await,
        "said.wav" => stage.said(&party, seconds).await,
        _ => None,
    };
    let samples = samples.ok_or_else(|| no_such_call(&sid))?;
    let file = write_wav(&samples, RATE);
    Ok(([(header::CONTENT_TYPE, "audio/wav")], file))
}
