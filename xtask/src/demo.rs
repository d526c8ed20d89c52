//! `make demo`: build what the demo shows, then become it.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Result, anyhow};

use crate::setup;
use crate::steps::{self, Steps};

/// Builds the phone page and the binary, then runs `cordboard demo ARGS…` in place of this process, so that the
/// terminal, its signals and the exit status are the demo's own.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let mut steps = Steps::default();
    setup::phone_page(&mut steps)?;
    // The development profile: its dependencies are optimised (see Cargo.toml), which is where a frame's time
    // goes, and it shares every artefact with the tests. `--release` would build the world a second time.
    steps.step(
        "build (the first one takes some minutes)",
        |_| -> Result<()> {
            steps::run(setup::cargo().args([
                "build",
                "--locked",
                "--workspace",
                "--bin",
                "cordboard",
            ]))
        },
    )?;
    let error = Command::new(setup::built("cordboard")?)
        .arg("demo")
        .args(args)
        .exec();
    Err(anyhow!(error).context("`cordboard demo` cannot be started"))
}
