//! What the tests and the demo need from the machine: one function a tool.
//!
//! Each one finds the tool, else installs it where that is allowed (a pinned `cargo install`, or apt as root or
//! with password-less sudo), else skips it loudly with the reason and with what stays untested. Only the test
//! runner itself cannot be skipped. A new tool (a Redis server, a browser) is one more function here and one
//! line in `test.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::postgres;
use crate::steps::{Steps, run};

/// The version installed where none is present. A present one of any version is used: nextest itself checks
/// that it is new enough for `.config/nextest.toml`.
const NEXTEST: &str = "0.9.143";

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the repository")
}

/// cargo as the one that runs us, so that a `+toolchain` is kept.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The test runner.
pub(crate) fn nextest(steps: &mut Steps) -> Result<()> {
    if succeeds(cargo().args(["nextest", "--version"])) {
        return Ok(());
    }
    steps.step(
        &format!("install cargo-nextest {NEXTEST} (once)"),
        |_| -> Result<()> {
            // Without its self-update: that would bring a TLS stack nobody here uses.
            run(cargo().args([
                "install",
                "--locked",
                "cargo-nextest",
                "--version",
                NEXTEST,
                "--no-default-features",
                "--features",
                "default-no-update",
            ]))
        },
    )
}

/// Where PostgreSQL tests go.
pub(crate) enum Database {
    /// `TEST_DATABASE_URL` was set by whoever called us.
    External(String),
    /// Ours, for this run.
    Private(postgres::Private),
    /// None: skipped, and said so.
    Missing,
}

impl Database {
    /// The value for `TEST_DATABASE_URL`.
    pub(crate) fn url(&self) -> Option<&str> {
        match self {
            Self::External(url) => Some(url),
            Self::Private(server) => Some(server.url()),
            Self::Missing => None,
        }
    }
}

/// A PostgreSQL server: the caller's, or a private one.
pub(crate) fn database(steps: &mut Steps) -> Result<Database> {
    if let Some(url) = std::env::var("TEST_DATABASE_URL")
        .ok()
        .filter(|url| !url.is_empty())
    {
        eprintln!("\n== PostgreSQL: using TEST_DATABASE_URL");
        return Ok(Database::External(url));
    }
    steps.step("PostgreSQL", |steps| {
        const UNTESTED: &str = "everything on PostgreSQL (SQLite only)";
        let bin = match postgres_programs() {
            Some(bin) => bin,
            None => match apt_install(&["postgresql"]) {
                Ok(()) => postgres_programs()
                    .context("apt installed postgresql, but its initdb is not to be found")?,
                Err(why) => {
                    steps.skip("PostgreSQL", &why, UNTESTED);
                    return Ok(Database::Missing);
                }
            },
        };
        let root = is_root();
        if root && !succeeds(Command::new("runuser").args(["-u", "postgres", "--", "true"])) {
            let why = "PostgreSQL refuses to run as root, and there is no postgres user to run it";
            steps.skip("PostgreSQL", why, UNTESTED);
            return Ok(Database::Missing);
        }
        eprintln!("   from {}", bin.display());
        Ok(Database::Private(postgres::Private::start(&bin, root)?))
    })
}

/// The folder with `initdb`, `postgres` and `pg_isready`: on the PATH, else the newest Debian has.
fn postgres_programs() -> Option<PathBuf> {
    let complete = |folder: &PathBuf| {
        ["initdb", "postgres", "pg_isready"]
            .iter()
            .all(|program| folder.join(program).is_file())
    };
    // A link on the PATH is followed to the folder where its siblings are.
    let linked = in_path("initdb")
        .and_then(|initdb| initdb.canonicalize().ok())
        .and_then(|initdb| initdb.parent().map(Path::to_path_buf))
        .filter(complete);
    linked.or_else(|| {
        let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
            .ok()?
            .flatten()
            .filter_map(|entry| {
                let version = entry.file_name().to_str()?.parse().ok()?;
                Some((version, entry.path().join("bin")))
            })
            .filter(|(_, folder)| complete(folder))
            .collect();
        versions.sort_unstable();
        versions.pop().map(|(_, folder)| folder)
    })
}

/// Twilio's own Node library, for the tests that point unmodified clients at the twin: the folder to run in.
pub(crate) fn node_clients(steps: &mut Steps) -> Result<Option<PathBuf>> {
    let folder = repository().join("tests/clients/node");
    if !folder.join("package-lock.json").is_file() {
        return Ok(None);
    }
    steps.step("Twilio's Node library", |steps| {
        if !has_npm() {
            steps.skip(
                "Twilio's Node library",
                "node and npm are not installed",
                "the twin against the official Node client",
            );
            return Ok(None);
        }
        npm_ci(&folder)?;
        Ok(Some(folder))
    })
}

/// Twilio's own Python library in a virtual environment under `target`: its interpreter.
pub(crate) fn python_clients(steps: &mut Steps) -> Result<Option<PathBuf>> {
    const WHAT: &str = "Twilio's Python library";
    const UNTESTED: &str = "the twin against the official Python client";
    let wanted = repository().join("tests/clients/python/requirements.txt");
    if !wanted.is_file() {
        return Ok(None);
    }
    steps.step(WHAT, |steps| {
        if in_path("python3").is_none() {
            steps.skip(WHAT, "python3 is not installed", UNTESTED);
            return Ok(None);
        }
        let venv = target().join("clients/python");
        let python = venv.join("bin/python");
        // The list as it was when the environment was last completed.
        let stamp = venv.join("installed.txt");
        if python.is_file() && same_content(&wanted, &stamp) {
            return Ok(Some(python));
        }
        let create = || {
            let mut command = Command::new("python3");
            command.args(["-m", "venv", "--clear"]).arg(&venv);
            command
        };
        if run(&mut create()).is_err() {
            // Debian keeps `venv`'s other half in a package of its own.
            if let Err(why) = apt_install(&["python3-venv"]) {
                steps.skip(
                    WHAT,
                    &format!("python3 has no working venv, and {why}"),
                    UNTESTED,
                );
                return Ok(None);
            }
            run(&mut create())?;
        }
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--requirement"])
            .arg(&wanted))?;
        fs::copy(&wanted, &stamp)?;
        Ok(Some(python))
    })
}

/// Builds the phone page into the folder that the server embeds. Without `web-phone/` there is nothing to do;
/// without npm the server embeds the committed page that says how to build it.
pub(crate) fn phone_page(steps: &mut Steps) -> Result<()> {
    let folder = repository().join("web-phone");
    if !folder.join("package-lock.json").is_file() {
        return Ok(());
    }
    steps.step("phone page", |steps| {
        if !has_npm() {
            steps.skip(
                "the phone page",
                "node and npm are not installed",
                "the browser phone (a page that says so is embedded)",
            );
            return Ok(());
        }
        npm_ci(&folder)?;
        run(Command::new("npm")
            .args(["run", "--silent", "build"])
            .current_dir(&folder))
    })
}

/// The phone page's own tests.
pub(crate) fn phone_page_tests(steps: &mut Steps) -> Result<()> {
    let folder = repository().join("web-phone");
    if !has_npm() {
        return Ok(()); // said where the page was to be built
    }
    steps.step("phone page's tests", |_| {
        for script in ["check", "test"] {
            run(Command::new("npm")
                .args(["run", "--silent", script])
                .env("CI", "true")
                .current_dir(&folder))?;
        }
        Ok(())
    })
}

/// A browser, and the library that drives it: the driver's folder, and Chromium.
pub(crate) fn browser(steps: &mut Steps) -> Result<Option<(PathBuf, PathBuf)>> {
    const WHAT: &str = "Chromium";
    const UNTESTED: &str = "the phone page in a browser, with real sound";
    let folder = repository().join("tests/browser");
    steps.step(WHAT, |steps| {
        if !has_npm() {
            steps.skip(WHAT, "node and npm are not installed", UNTESTED);
            return Ok(None);
        }
        let chromium = match in_path("chromium") {
            Some(chromium) => chromium,
            None => match apt_install(&["chromium"]) {
                Ok(()) => in_path("chromium")
                    .context("apt installed chromium, but it is not to be found")?,
                Err(why) => {
                    steps.skip(WHAT, &why, UNTESTED);
                    return Ok(None);
                }
            },
        };
        npm_ci(&folder)?;
        Ok(Some((folder, chromium)))
    })
}

/// `npm ci`, unless the folder already holds what its lock file says.
fn npm_ci(folder: &Path) -> Result<()> {
    let stamp = folder.join("node_modules/.cordboard-installed.json");
    let lock = folder.join("package-lock.json");
    if same_content(&lock, &stamp) {
        return Ok(());
    }
    run(Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(folder))?;
    fs::create_dir_all(folder.join("node_modules"))?;
    fs::copy(lock, stamp)?;
    Ok(())
}

fn same_content(one: &Path, other: &Path) -> bool {
    matches!((fs::read(one), fs::read(other)), (Ok(one), Ok(other)) if one == other)
}

fn has_npm() -> bool {
    in_path("node").is_some() && in_path("npm").is_some()
}

/// Installs Debian packages, or says in a sentence's tail why it cannot.
fn apt_install(packages: &[&str]) -> Result<(), String> {
    let names = packages.join(" ");
    if std::env::var_os("CORDBOARD_NO_APT").is_some_and(|value| !value.is_empty()) {
        return Err(format!("{names} is missing and CORDBOARD_NO_APT is set"));
    }
    if in_path("apt-get").is_none() {
        return Err(format!("{names} is missing and there is no apt-get here"));
    }
    let sudo = !is_root();
    if sudo && !succeeds(Command::new("sudo").args(["-n", "true"])) {
        return Err(format!(
            "{names} is missing and installing it needs root (`sudo apt-get install {names}`)"
        ));
    }
    // A list that cannot be refreshed (somebody's own repository is down) need not stop the install.
    if let Err(error) = apt(sudo, &["update", "--quiet"]) {
        eprintln!("   {error:#}; trying with the lists there are");
    }
    let mut args = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
    args.extend(packages);
    apt(sudo, &args).map_err(|error| format!("{names} could not be installed: {error:#}"))
}

fn apt(sudo: bool, args: &[&str]) -> Result<()> {
    let mut command = if sudo {
        let mut sudo = Command::new("sudo");
        // sudo forgets the environment, so it is set on its far side.
        sudo.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        sudo
    } else {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    run(command.args(args).stdin(Stdio::null()))
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// The first file of that name in the PATH's folders.
fn in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Whether a command runs and succeeds, in silence.
fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// cargo's target folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// The program cargo built, in the shared target folder.
pub(crate) fn built(program: &str) -> Result<PathBuf> {
    let file = target().join("debug").join(program);
    if !file.is_file() {
        bail!(
            "{} is not there although the build succeeded",
            file.display()
        );
    }
    Ok(file.canonicalize()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_where_the_path_leads() {
        assert!(in_path("sh").is_some_and(|file| file.is_absolute()));
        assert_eq!(in_path("no-such-program-anywhere"), None);
    }

    #[test]
    fn a_stamp_counts_only_with_the_same_content() {
        let manifest = repository().join("Cargo.toml");
        assert!(same_content(&manifest, &manifest));
        assert!(!same_content(&manifest, &repository().join("Makefile")));
        assert!(!same_content(&manifest, &repository().join("no-such-file")));
    }
}
