//! The verbs that make the twin's sound heard, against a twin.

use std::path::Path;

use axum::{Router, response::IntoResponse as _};
use cordboard_twin::{Credentials, TwinConfig};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::kit::binary;

const DESK: &str = "+14155550100";

/// A twin whose number lets everybody wait in silence.
async fn twin(stop: &CancellationToken) -> String {
    let wait = async || {
        let twiml = "<Response><Pause length=\"600\"/></Response>";
        ([("content-type", "text/xml")], twiml).into_response()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(wait)).await });
    let config = TwinConfig {
        numbers: vec![DESK.to_owned()],
        credentials: Credentials::from_seed(7),
        ..TwinConfig::default()
    };
    let twin = cordboard_twin::serve(config, stop.clone()).await.unwrap();
    let c = twin.credentials();
    let api = format!("{}/2010-04-01/Accounts/{}", twin.url(), c.account_sid);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let as_account = |request: reqwest::RequestBuilder| async {
        let request = request.basic_auth(&c.account_sid, Some(&c.auth_token));
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        answer.json::<Value>().await.unwrap()
    };
    let numbers = as_account(http.get(format!("{api}/IncomingPhoneNumbers.json"))).await;
    let sid = numbers["incoming_phone_numbers"][0]["sid"].as_str();
    let number = format!("{api}/IncomingPhoneNumbers/{}.json", sid.unwrap());
    as_account(http.post(number).form(&[("VoiceUrl", &site)])).await;
    twin.url()
}

/// Types a verb of the twin's; its exit code and what it printed.
fn typed(folder: &Path, twin: &str, args: &[&str]) -> (i32, String) {
    let output = binary(folder)
        .current_dir(folder)
        .arg("twin")
        .args(args)
        .args(["--twin", twin])
        .output()
        .unwrap();
    let said = if output.status.success() {
        output.stdout
    } else {
        output.stderr
    };
    let said = String::from_utf8(said).unwrap();
    (output.status.code().unwrap(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_is_measured_and_kept() {
    let stop = CancellationToken::new();
    let twin = twin(&stop).await;
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| typed(folder.path(), &twin, args);
    let ring = |voice: &str| {
        let caller = ["--from", "+14155550132", "--to", DESK];
        let (code, sid) = run(&[&["call", "--voice", voice][..], &caller].concat());
        assert_eq!(code, 0, "{sid}");
        sid.trim().to_owned()
    };
    let (tone, silent) = (ring("tone:440"), ring("silent"));

    // The first question opens the ear: there is nothing yet, and so much is waited for.
    let whole = ["--seconds", "1.5", "--out", "a.wav", "--json"];
    let (code, kept) = run(&[&["listen", &tone, "--said"][..], &whole].concat());
    assert_eq!(code, 0, "{kept}");
    let kept: Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(
        (&kept["file"], &kept["seconds"]),
        (&"a.wav".into(), &1.5.into())
    );
    let wav = std::fs::read(folder.path().join("a.wav")).unwrap();
    assert_eq!(wav.len(), 44 + 2 * 12_000);
    assert_eq!(&wav[..4], b"RIFF");
    assert!(wav[44..].iter().any(|b| *b > 8), "there is a tone in it");
    let (code, line) = run(&["listen", &silent, "--seconds", "0.5", "--out", "b.wav"]);
    assert_eq!((code, line.as_str()), (0, "0.5 s are in b.wav.\n"));

    let (code, says) = run(&["sound", &tone]);
    assert_eq!(code, 0, "{says}");
    let lines: Vec<&str> = says.lines().collect();
    assert!(
        lines[0].starts_with("says ") && lines[0].contains("440 Hz ("),
        "{says}"
    );
    assert_eq!(
        lines[1].split_whitespace().collect::<Vec<_>>(),
        ["hears", "0.000", "silence"]
    );
    assert_eq!(lines.len(), 2, "it is no browser's: {says}");
    let (_, json) = run(&["sound", &silent, "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["said"]["rms"], 0.0, "{json}");

    // What is not there, and where nothing can be kept.
    let (code, why) = run(&["sound", "CA0"]);
    assert_eq!((code, why.as_str()), (1, "there is no live call CA0\n"));
    let (code, why) = run(&["listen", &tone, "--seconds", "0.1", "--out", "none/a.wav"]);
    assert_eq!(code, 1, "{why}");
    assert!(why.starts_with("none/a.wav: "), "{why}");
    stop.cancel();
}
