//! The door with a made-up server behind it: no database, no carrier, every page can be tried.
//!
//! `cargo run -p cordboard --example door` shows a server that has been set up; `setup` one that has not; `register`
//! one where people may register; `nobody` an address where nothing listens; `unknown` begins without an address;
//! `personal` has an invitation that fixes an address. `theme=light` (or `dark`, `16`, `mono`) chooses the colours.
//! What it takes is printed first, and stands on the screen again when the door is left.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod server;

use std::sync::{Arc, atomic::AtomicBool};

use cordboard::{
    clock::Clock,
    door::{self, DoorOptions},
    run::{ConsoleError, Stage},
    theme::Theme,
};
use server::Server;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), ConsoleError> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let given = |word: &str| words.iter().any(|w| w == word);
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .map_err(ConsoleError::NoTerminal)?;
    let at = listener.local_addr().map_err(ConsoleError::NoTerminal)?;
    println!("The server at http://{at} takes:");
    println!("  the password   {}", server::PASSWORD);
    println!("  to be set up   {}", server::SETUP);
    println!("  an invitation  http://{at}/join#{}", server::INVITATION);
    println!("  to reset       {}", server::RESET);
    let made_up = Arc::new(Server {
        setup: AtomicBool::new(given("setup")),
        registration: given("register"),
        personal: given("personal"),
        now: Clock::system().now(),
        ..Server::default()
    });
    if given("nobody") {
        drop(listener);
    } else {
        tokio::spawn(server::serve(listener, made_up));
    }
    let url = (!given("unknown")).then(|| format!("http://{at}").parse().ok());
    let theme = words.iter().find_map(|w| match w.strip_prefix("theme=")? {
        "light" => Some(Theme::Light),
        "dark" => Some(Theme::Dark),
        "16" => Some(Theme::Sixteen),
        "mono" => Some(Theme::Mono),
        _ => None,
    });
    let options = DoorOptions::new(url.flatten(), theme, "door.log".into());
    let mut stage = Stage::take(true)?;
    let left = door::run(&mut stage, options).await?;
    drop(stage);
    match left {
        Some(came) => println!("{} is in, at {}.", came.tokens.me.name, came.url),
        None => println!("Nobody is in."),
    }
    Ok(())
}
