//! The binary `cordboard`: reads what was typed and hands it to whoever does it.
//!
//! The verbs that work the desk are the library's ([`cordboard::cli`]). Those that run a server or the twin are here and in `demo`, the only
//! places that know both.
//!
//! Read next: [`cordboard::cli::args`].

use std::process::ExitCode;

use clap::Parser;
use cordboard::cli::{self, Exit, Out, args::Cli, session::Environment};

fn main() -> ExitCode {
    // One TLS provider for every client in the process; a second call would only say that it is there.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr());
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print();
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(Exit::Usage as u8));
        }
    };
    let mut out = Out { json: cli.common.json, out: &mut out, err: &mut err };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return ExitCode::from(out.fail(&e.into()) as u8),
    };
    ExitCode::from(runtime.block_on(cli::run(cli, &Environment::read(), &mut out)) as u8)
}
