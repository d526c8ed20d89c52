//! The log of a run: what was done, how long it took, and what was left out and why.
//!
//! A skipped set-up step is not a failure, but it must never look like a success: it is printed when it happens
//! and again under the closing table, with what stays untested.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// The steps of one run, in order.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<(String, Duration, bool)>,
    skips: Vec<String>,
}

impl Steps {
    /// Does one named step and keeps its time, whether it succeeds or not.
    pub(crate) fn step<T>(
        &mut self,
        name: &str,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        eprintln!("\n== {name}");
        let start = now();
        let outcome = work(self);
        let took = start.elapsed();
        self.done.push((name.to_owned(), took, outcome.is_ok()));
        outcome.with_context(|| format!("{name} failed after {} min", minutes(took)))
    }

    /// Says, twice in all, that something is left out: `what` is missing, `why`, and what is therefore
    /// `untested`.
    pub(crate) fn skip(&mut self, what: &str, why: &str, untested: &str) {
        let line = format!("SKIPPED {what}: {why}. NOT TESTED: {untested}.");
        eprintln!("\n!! {line}\n");
        self.skips.push(line);
    }

    /// The closing table: minutes of each step, their sum, and every skip.
    pub(crate) fn table(&self) -> String {
        let mut out = String::from("\nminutes  step\n");
        let mut total = Duration::ZERO;
        for (name, took, ok) in &self.done {
            total += *took;
            let mark = if *ok { "" } else { "   FAILED" };
            let _ = writeln!(out, "{:>7}  {name}{mark}", minutes(*took));
        }
        let _ = writeln!(out, "{:>7}  in all", minutes(total));
        for skip in &self.skips {
            let _ = writeln!(out, "!! {skip}");
        }
        out
    }
}

/// Runs a command with this terminal as its input and output.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    eprintln!("   {}", spell(command));
    let status = command
        .status()
        .with_context(|| format!("`{}` cannot be started", spell(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", spell(command));
    }
    Ok(())
}

fn spell(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let mut line = name.to_string_lossy().into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}

fn minutes(took: Duration) -> String {
    format!("{:.1}", took.as_secs_f64() / 60.0)
}

/// The only clock xtask reads.
#[expect(
    clippy::disallowed_methods,
    reason = "minutes of a build are real minutes; nothing here is replayed"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_and_a_skip_both_show_in_the_table() {
        let mut steps = Steps::default();
        steps.step("good", |_| Ok(())).unwrap();
        let error = steps
            .step("bad", |_| -> Result<()> { bail!("no such luck") })
            .unwrap_err();
        steps.skip("Redis", "no server here", "fan-out");
        let table = steps.table();
        assert!(format!("{error:#}").contains("no such luck"), "{error:#}");
        assert!(table.contains("good\n"), "{table}");
        assert!(table.contains("bad   FAILED"), "{table}");
        assert!(
            table.contains("!! SKIPPED Redis: no server here. NOT TESTED: fan-out."),
            "{table}"
        );
    }

    #[test]
    fn a_command_that_fails_is_named() {
        let error = run(Command::new("false").arg("--really")).unwrap_err();
        assert!(error.to_string().contains("false --really"), "{error}");
    }
}
