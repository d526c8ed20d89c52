//! `cargo xtask picture`: the picture of the board in the README, taken anew.
//!
//! It is kept in git and taken by hand, after the board has changed: a picture that every build redraws would
//! be a change in every commit. What is on it is decided in `tests/examples/picture.rs`.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::setup;
use crate::steps;

/// Where it goes, from the repository.
const PICTURE: &str = "docs/board.svg";

/// Builds the binary and the photographer, in one go so that both have the same features, and takes the
/// picture.
pub(crate) fn run() -> Result<ExitCode> {
    steps::run(setup::cargo().args([
        "build",
        "--locked",
        "--workspace",
        "--bin",
        "cordboard",
        "--example",
        "picture",
    ]))?;
    steps::run(Command::new(setup::built("examples/picture")?).arg(PICTURE))?;
    println!("{PICTURE} is new. Look at it before you commit it.");
    Ok(ExitCode::SUCCESS)
}
