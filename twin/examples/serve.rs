//! A twin by itself, for any Twilio program: `cargo run -p cordboard-twin --example serve`. Prints its address
//! and credentials as one line of JSON, and runs until it is interrupted.

use std::io::Write;

use cordboard_twin::{TwinConfig, serve};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shutdown = CancellationToken::new();
    let twin = serve(TwinConfig::default(), shutdown.clone()).await?;
    let c = twin.credentials();
    let ready = serde_json::json!({
        "ready": true, "url": twin.url(), "account_sid": c.account_sid, "auth_token": c.auth_token,
        "api_key": c.api_key, "api_secret": c.api_secret, "app_sid": c.app_sid,
    });
    writeln!(std::io::stdout(), "{ready}")?;
    tokio::signal::ctrl_c().await?;
    shutdown.cancel();
    twin.stopped().await;
    Ok(())
}
