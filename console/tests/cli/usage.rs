//! What needs no server: usage, pipes, completions, manual pages.

use serde_json::Value;

use crate::kit::binary;

#[test]
fn usage_pipes_and_pages() {
    let state = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| binary(state.path()).args(args).output().unwrap();
    let wrong = run(&["call", "answer", "--json"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert_eq!(
        serde_json::from_slice::<Value>(&wrong.stdout).unwrap()["error"]["code"],
        "usage"
    );
    for none in [
        &["twin", "world"][..],
        &["demo", "--cast", "--url", "http://127.0.0.1:1"],
    ] {
        let said = run(none);
        assert_eq!(said.status.code(), Some(2), "no twin was named: {said:?}");
        let why = String::from_utf8_lossy(&said.stderr);
        assert!(why.starts_with("Say which twin"), "{why}");
    }
    assert_eq!(
        run(&["twin", "--twin", "http://127.0.0.1:1", "world"])
            .status
            .code(),
        Some(4)
    );
    let bad = binary(state.path())
        .args(["twin", "world"])
        .env("CORDBOARD_TWIN", "nowhere")
        .output()
        .unwrap();
    assert_eq!(bad.status.code(), Some(2));
    let why = String::from_utf8_lossy(&bad.stderr);
    assert!(why.starts_with("CORDBOARD_TWIN is not"), "{why}");
    assert_eq!(
        run(&["twin", "world", "--twin", "http://127.0.0.1:1"])
            .status
            .code(),
        Some(4)
    );
    assert_eq!(run(&["--version"]).status.code(), Some(0));

    // A reader that leaves early is no failure.
    let mut child = binary(state.path())
        .args(["completions", "bash"])
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), b"".as_slice())
    );

    let pages = state.path().join("man");
    assert_eq!(
        run(&["man", pages.to_str().unwrap()]).status.code(),
        Some(0)
    );
    let transfer = std::fs::read_to_string(pages.join("cordboard-call-transfer.1")).unwrap();
    assert!(transfer.contains("until"), "{transfer}");
}
