//! The work behind the Makefile: `cargo xtask help` lists it.
//!
//! Everything a newcomer or CI does beyond plain cargo is here, in Rust, so that it runs the same for both. It
//! must stay small to compile (it is built before anything else) and must not know Cordboard's own crates: it
//! has to work while they do not. Read next: [`mod@test`] for the one test command, [`setup`] for the tools it
//! finds or installs.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool for developers: the terminal is its only output"
)]

use std::process::ExitCode;

use anyhow::{Result, bail};

mod demo;
mod picture;
mod postgres;
mod setup;
mod steps;
mod test;

const HELP: &str = "\
cargo xtask demo [FLAGS…]      build, then run `cordboard demo FLAGS…` in this terminal
cargo xtask test [ARGS…]       set up, build, run every test; ARGS go to `cargo nextest run`
cargo xtask with-db CMD…       run CMD with TEST_DATABASE_URL naming a private PostgreSQL
cargo xtask picture            take the picture of the board in the README anew: docs/board.svg
cargo xtask help               this text

Environment:
  TEST_DATABASE_URL=postgres:… use this server instead of a private one; its user must be allowed CREATE DATABASE
  CORDBOARD_NO_APT=1           never install system packages; skip, loudly, what needs them";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<ExitCode> {
    // cargo sets this to xtask's own folder; the repository is one above, wherever the command was typed.
    std::env::set_current_dir(setup::repository())?;
    let (verb, rest) = args
        .split_first()
        .map_or(("help", &[][..]), |(verb, rest)| (verb.as_str(), rest));
    match verb {
        "demo" => demo::run(rest),
        "test" => test::run(rest),
        "picture" => picture::run(),
        "with-db" => test::with_database(rest),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        unknown => bail!("there is no `{unknown}`. What there is:\n\n{HELP}"),
    }
}
