//! A person who calls with a browser: the double's telephone, and the page of whoever answers.

use cordboard_tests::browser::{Browser, Plan};
use serde_json::json;

use super::rig::{Rig, until};

/// What the caller says.
const ROSA: f32 = 1130.0;
/// Hers.
const NUMBER: &str = "+14155550177";

/// A telephone in a browser, plugged in.
pub(super) fn telephone(browser: &mut Browser, url: &str) {
    // What it says is the tone, not what a browser makes of a voice; what it plays can be asked for, as of the phone page.
    browser.run(
        "await context.addInitScript(() => {
            const media = navigator.mediaDevices;
            const open = media.getUserMedia.bind(media);
            const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
            media.getUserMedia = () => open({ audio: raw });
            let heard = null;
            globalThis.cordboard = { spectrum() {
                const stream = document.getElementById('ear').srcObject;
                if (stream === null) return 0;
                if (heard?.stream !== stream) {
                    const context = heard?.context ?? new AudioContext();
                    const ear = new AnalyserNode(context, { fftSize: 8192 });
                    new MediaStreamAudioSourceNode(context, { mediaStream: stream }).connect(ear);
                    heard = { stream, context, ear };
                }
                const levels = new Float32Array(heard.ear.frequencyBinCount);
                heard.ear.getFloatFrequencyData(levels);
                const loudest = levels.indexOf(Math.max(...levels));
                return levels[loudest] > -70 ? loudest * heard.context.sampleRate / 8192 : 0;
            } };
        })",
    );
    browser.go(url);
    browser.wait_for("Ready. Nobody is on the line.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_with_a_browser_each_talk_whoever_calls() {
    let Some(rig) = Rig::open().await else { return };
    let mut grace = rig.worker("Grace Hopper", "102", 730.0).await;
    let mut rosa = rig.browser(Plan {
        tone: ROSA,
        ..Plan::default()
    });
    telephone(&mut rosa, &rig.house.desk.twin.telephone_url());

    // She calls the desk under her name, and both hear each other.
    rosa.run("await page.getByLabel('Name').fill('Rosa Diaz')");
    rosa.run("await page.getByLabel('Name').blur()");
    rosa.wait_for("Ready. Nobody is on the line.");
    rosa.press("Call");
    let card = grace
        .card("the call waits", |c| c["place"]["kind"] == "queued")
        .await;
    assert_eq!(card["caller"]["name"], "Rosa Diaz", "{card}");
    assert_eq!(card["caller"]["number"], NUMBER, "{card}");
    let call = card["id"].as_str().unwrap().to_owned();
    rosa.wait_for("Connected with");
    grace.does("answer", &call, json!({})).await;
    rig.ears.plays(&mut grace.browser, ROSA).await;
    rig.ears.plays(&mut rosa, grace.tone).await;

    // Muted at her end, then held at the other.
    rosa.press("Mute");
    rig.ears.plays(&mut grace.browser, 0.0).await;
    rosa.press("Mute");
    rig.ears.plays(&mut grace.browser, ROSA).await;
    grace.does("hold", &call, json!({})).await;
    rig.ears.plays(&mut grace.browser, 0.0).await;
    until("Rosa hears music", async || {
        let heard = rosa.run("return await page.evaluate(() => cordboard.spectrum())");
        let hz = heard.as_f64().unwrap_or_default();
        let music = hz > 0.0 && (hz - f64::from(grace.tone)).abs() > 12.0;
        if music { Ok(()) } else { Err(heard) }
    })
    .await;
    grace.does("resume", &call, json!({})).await;
    rig.ears.plays(&mut rosa, grace.tone).await;

    // She hangs up, and the desk knows.
    rosa.press("Hang up");
    grace
        .card("the call is over", |c| c["place"]["kind"] == "ended")
        .await;
    rosa.wait_for("You have hung up.");

    // The desk calls her; she refuses, and then answers, with the key that is under her finger.
    grace.dials(NUMBER).await;
    rosa.wait_for("is calling.");
    rosa.press("Refuse");
    grace
        .card("it did not come about", |c| {
            c["place"]["kind"] == "ended" && c["id"] != call.as_str()
        })
        .await;
    grace.dials(NUMBER).await;
    rosa.wait_for("is calling.");
    rosa.run("await page.keyboard.press('Enter')");
    rosa.wait_for("Connected with");
    rig.ears.plays(&mut grace.browser, ROSA).await;
    rig.ears.plays(&mut rosa, grace.tone).await;
    grace.browser.press("Hang up");
    rosa.wait_for("The other end has hung up.");
}
