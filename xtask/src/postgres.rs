//! One private PostgreSQL a run.
//!
//! A server a test would be fatal (every test is its own process), and a server that outlives the run is a
//! leak. So a small shell script guards it: it makes the data folder, starts the server, and holds it for as
//! long as its own standard input stays open. However this process ends, be it by Ctrl-C, a panic or SIGKILL,
//! the kernel closes that pipe, and the script stops the server by its process id and removes the folder. The
//! choice not taken is a signal handler here: it cannot see SIGKILL.
//!
//! The server listens on a Unix socket in a folder only its owner may enter, and on no network port: it trusts
//! whoever reaches it, and on a shared machine a port is reached by everybody.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// `$1` is the folder of PostgreSQL's programs. Prints the socket folder when the server answers.
///
/// `/tmp`, not `TMPDIR`: a socket's path may have 107 bytes. Locale C, as SQLite's BINARY collation: the one
/// SQL body has to sort alike on both. Durability is off, since nothing here outlives the run.
const GUARD: &str = r#"
set -eu
bin=$1
dir=$(mktemp -d /tmp/cordboard-pg.XXXXXX)
server=
finish() {
    if [ -n "$server" ]; then
        kill -INT "$server" 2>/dev/null || true
        wait "$server" || true
    fi
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM
if ! "$bin/initdb" --pgdata "$dir/data" --username cordboard --auth trust \
    --encoding UTF8 --locale C --no-sync >"$dir/initdb.log" 2>&1; then
    cat "$dir/initdb.log" >&2
    exit 1
fi
"$bin/postgres" -D "$dir/data" -c listen_addresses= -c "unix_socket_directories=$dir" \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
    -c max_connections=300 -c shared_buffers=128MB -c autovacuum=off \
    >"$dir/server.log" 2>&1 </dev/null &
server=$!
until "$bin/pg_isready" --quiet --host "$dir"; do
    if ! kill -0 "$server" 2>/dev/null; then
        cat "$dir/server.log" >&2
        exit 1
    fi
    sleep 0.1
done
echo "$dir"
cat >/dev/null
"#;

/// A running private server. It ends when this is dropped.
pub(crate) struct Private {
    guard: Child,
    url: String,
}

impl Private {
    /// Starts a server from the programs in `bin` and waits until it answers.
    ///
    /// PostgreSQL refuses to run as root, so root hands it to the `postgres` user its package made.
    pub(crate) fn start(bin: &Path, as_root: bool) -> Result<Self> {
        let mut command = if as_root {
            let mut runuser = Command::new("runuser");
            runuser.args(["-u", "postgres", "--", "sh"]);
            runuser
        } else {
            Command::new("sh")
        };
        let mut guard = command
            .args(["-c", GUARD, "cordboard-pg"])
            .arg(bin)
            // The caller's folder may be closed to the postgres user.
            .current_dir("/tmp")
            // Ctrl-C in the terminal is for the tests; the server must outlast them.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the guard of the private PostgreSQL cannot be started")?;
        let mut folder = String::new();
        if let Some(stdout) = guard.stdout.take() {
            BufReader::new(stdout).read_line(&mut folder)?;
        }
        let folder = folder.trim();
        if folder.is_empty() {
            let status = guard.wait()?;
            bail!("the private PostgreSQL did not start ({status}); its own words are above");
        }
        let url = format!("postgres://cordboard@localhost/postgres?host={folder}");
        Ok(Self { guard, url })
    }

    /// Where tests find it; the `host` parameter is the socket's folder.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        if let Err(error) = self.guard.wait() {
            eprintln!("xtask: waiting for the private PostgreSQL to stop: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_cannot_start_is_reported_and_leaves_no_process() {
        let Err(error) = Private::start(Path::new("/nonexistent"), false) else {
            panic!("a folder without programs started a server");
        };
        assert!(error.to_string().contains("did not start"), "{error}");
    }
}
