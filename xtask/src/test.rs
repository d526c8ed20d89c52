//! `make test`: the one test command. Set up, build once, run everything, say how long each step took.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::setup;
use crate::steps::{self, Steps};

/// Where nextest leaves its counts (`.config/nextest.toml`); under the repository even with `CARGO_TARGET_DIR`.
const JUNIT: &str = "target/nextest/default/junit.xml";

/// Runs every test; `args` narrow the run as `cargo nextest run` understands them.
///
/// The last line on standard output is `N passed, N failed`.
pub(crate) fn run(args: &[String]) -> Result<ExitCode> {
    let mut steps = Steps::default();
    let junit = setup::repository().join(JUNIT);
    // A run that dies early must not be summed up with the counts of the run before.
    if junit.exists() {
        fs::remove_file(&junit)?;
    }
    let outcome = all(&mut steps, args);
    println!("{}", steps.table());
    if let Err(error) = &outcome {
        println!("{error:#}");
    }
    match fs::read_to_string(&junit).ok().as_deref().map(counts) {
        Some(Ok((passed, failed))) => println!("{passed} passed, {failed} failed"),
        Some(Err(error)) => println!("no test counts: {error:#}"),
        None => println!("no test counts: the tests were not reached"),
    }
    Ok(if outcome.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn all(steps: &mut Steps, args: &[String]) -> Result<()> {
    setup::nextest(steps)?;
    let database = setup::database(steps)?;
    let node = setup::node_clients(steps)?;
    let python = setup::python_clients(steps)?;
    let browser = setup::browser(steps)?;
    setup::phone_page(steps)?;

    // All targets in one pass: the tests, and the `cordboard` binary that some of them start. Building the
    // binary by itself would leave out the dev-dependencies' features and compile parts of the world again.
    steps.step("build", |_| {
        steps::run(setup::cargo().args(["build", "--locked", "--workspace", "--all-targets"]))
    })?;

    let mut environment: Vec<(&str, PathBuf)> = vec![("CORDBOARD_BIN", setup::built("cordboard")?)];
    environment.extend(
        database
            .url()
            .map(|url| ("TEST_DATABASE_URL", PathBuf::from(url))),
    );
    environment.extend(node.map(|folder| ("TEST_NODE_CLIENT", folder)));
    environment.extend(python.map(|python| ("TEST_PYTHON_CLIENT", python)));
    if let Some((driver, chromium)) = browser {
        environment.extend([("TEST_BROWSER_DRIVER", driver), ("TEST_CHROMIUM", chromium)]);
    }
    // Narrowed runs are for someone in the middle of a change; the examples in the docs can wait.
    let examples = if args.is_empty() {
        setup::phone_page_tests(steps)?;
        steps.step("examples in the docs", |_| {
            steps::run(setup::cargo().args(["test", "--quiet", "--locked", "--workspace", "--doc"]))
        })
    } else {
        Ok(())
    };
    // Last, so that its summary closes the log; and whatever became of the examples.
    let tests = steps.step("tests", |_| {
        steps::run(
            setup::cargo()
                .args(["nextest", "run", "--locked", "--workspace"])
                .args(args)
                .envs(environment),
        )
    });
    examples.and(tests)
}

/// Passed and failed tests, from the first tag of a JUnit report.
///
/// `errors` are tests that could not be run; they count as failed, as nextest's own summary counts them.
fn counts(junit: &str) -> Result<(u32, u32)> {
    let (_, suites) = junit
        .split_once("<testsuites")
        .context("the report has no <testsuites>")?;
    let tag = suites.split_once('>').map_or(suites, |(tag, _)| tag);
    let number = |name: &str| -> Result<u32> {
        let (_, value) = tag
            .split_once(&format!(" {name}=\""))
            .with_context(|| format!("the report does not count {name}"))?;
        let digits = value.split_once('"').map_or(value, |(digits, _)| digits);
        digits
            .parse()
            .with_context(|| format!("the report counts {digits:?} {name}"))
    };
    let failed = number("failures")? + number("errors")?;
    Ok((number("tests")?.saturating_sub(failed), failed))
}

/// Runs a command with a PostgreSQL to test against, and ends as it ends.
pub(crate) fn with_database(args: &[String]) -> Result<ExitCode> {
    let Some((program, rest)) = args.split_first() else {
        bail!(
            "with-db needs a command, such as `cargo xtask with-db cargo nextest run -p cordboard-server`"
        );
    };
    let mut steps = Steps::default();
    let database = setup::database(&mut steps)?;
    let Some(url) = database.url() else {
        bail!("there is no PostgreSQL to run it with");
    };
    let status = Command::new(program)
        .args(rest)
        .env("TEST_DATABASE_URL", url)
        .status()
        .with_context(|| format!("`{program}` cannot be started"))?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_from_the_report_and_errors_are_failures() {
        let report = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="12" failures="1" errors="2" uuid="x" time="0.1">
    <testsuite name="a" tests="12" disabled="0" errors="2" failures="1">"#;
        assert_eq!(counts(report).unwrap(), (9, 3));
    }

    #[test]
    fn a_report_without_counts_is_an_error_and_not_a_success() {
        assert!(counts("<testsuites name=\"x\">").is_err());
        assert!(counts("").is_err());
    }
}
