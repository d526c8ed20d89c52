//! `pair`: shows a code, waits for the phone page that names it, and lets that page in.
//!
//! The page shows two digits and so do we: whoever confirms sees that it is their page which asks, not another one
//! that has come by the code. What is not confirmed when the wait ends is taken back.
//!
//! Read next: `cli/ask.rs`, [`cordboard_core::wire::PairingAsk`].

use std::{io, time::Duration};

use cordboard_core::{
    api::PairingMade,
    wire::{ClientMsg, PairingAsk, ServerMsg, VERSION},
};
use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
use serde_json::json;

use super::{Exit, Failure, Out, ask};
use crate::{
    client::{Client, ClientError, Socket},
    reach::Reach,
};

/// How long to wait before the server is tried again.
const PAUSE: Duration = Duration::from_secs(1);

type Line = Socket<ClientMsg, ServerMsg>;

/// Pairs a page with this sign-in.
pub(super) async fn pair(client: &Client, yes: bool, out: &mut Out<'_>) -> Result<(), Failure> {
    if !yes && !ask::terminal() {
        return Err(Failure::usage(
            "Nobody sits here to be asked. With --yes, the first page that names the code is let in.",
        ));
    }
    let interrupted = ask::interrupted()?;
    // Before there is a code: no page can ask unheard.
    let line = open(client).await?;
    let made = client.pair().await?;
    let result = tokio::select! {
        biased;
        result = meet(client, line, &made, yes, out) => result,
        () = interrupted => Err(ask::interruption()),
    };
    if result.is_err() {
        // It runs out by itself, too.
        let _ = client.end_pairing(&made.id).await;
    }
    result
}

async fn open(client: &Client) -> Result<Line, ClientError> {
    let mut line = client.console().await?;
    let (version, since) = (VERSION, None);
    line.send(&ClientMsg::Hello { version, since }).await?;
    Ok(line)
}

async fn meet(
    client: &Client,
    line: Line,
    made: &PairingMade,
    yes: bool,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    if out.json {
        out.json(&json!({ "pairing": made }))?;
    } else {
        let reach = Reach::of(&made.link);
        if reach == Reach::Anywhere && out.terminal {
            scanned(made, out)?;
        }
        out.lines(told(&reach, made))?;
    }
    let mut page = Page {
        client,
        line: Some(line),
        asks: None,
        pings: 0,
    };
    let limit = Duration::from_secs(made.expires_in.into());
    let asking = async {
        loop {
            page.changed(made).await?;
            let Some(ask) = page.asks.clone() else {
                continue;
            };
            if out.json {
                out.json(&json!({ "asks": ask }))?;
            } else {
                out.line(format!(
                    "{} at {} asks to be let in. It shows {}.",
                    ask.device, ask.address, ask.check
                ))?;
            }
            if !yes {
                let answer = ask::yes("Is that what your page shows?");
                if !page.meanwhile(made, answer).await? {
                    let why = "The page was not let in.";
                    return Err(Failure::refused("refused", why));
                }
                if page.asks.as_ref() != Some(&ask) {
                    out.line("It does not ask any more. Waiting for another.")?;
                    continue;
                }
            }
            return Ok(ask);
        }
    };
    let Ok(asked) = tokio::time::timeout(limit, asking).await else {
        let why = "The code has run out, and no page was let in. Run cordboard pair again.";
        return Err(Failure::new(Exit::Refused, "expired", why));
    };
    let ask = asked?;
    client.confirm_pairing(&made.id).await?;
    let line = format!("{} is paired.", ask.device);
    Ok(out.say(&json!({ "ok": true, "paired": ask }), [line])?)
}

/// How a page is opened with the code.
fn told(reach: &Reach, made: &PairingMade) -> Vec<String> {
    let mut lines = Vec::new();
    match reach {
        Reach::Anywhere | Reach::Here => {
            lines.push(format!("Open {}", &*made.link));
            let page = made.link.split('#').next().unwrap_or_default();
            lines.push(format!("or type {} at {page}.", &*made.code));
            lines.extend(reach.told());
        }
        Reach::Deaf(tunnel) => {
            lines.extend(reach.told());
            if let Some(tunnel) = tunnel {
                lines.push(format!(
                    "Or, on the machine with your browser, run {}",
                    tunnel.command
                ));
                lines.push(format!("and open {}", tunnel.address));
            }
            lines.push(format!("There, type {}", &*made.code));
        }
    }
    lines.push(format!("The code holds for {}.", minutes(made.expires_in)));
    lines
}

/// The link for a camera: black on white whatever the terminal's colours are, as nothing else is read.
fn scanned(made: &PairingMade, out: &mut Out<'_>) -> io::Result<()> {
    let Ok(code) = QrCode::with_error_correction_level(made.link.as_bytes(), EcLevel::L) else {
        return Ok(());
    };
    let picture = code.render::<Dense1x2>().quiet_zone(true).build();
    let wide = picture.lines().next().map_or(0, |l| l.chars().count());
    let room = crossterm::terminal::size().map_or(80, |(width, _)| usize::from(width));
    if wide > room {
        return Ok(());
    }
    for line in picture.lines() {
        writeln!(out.out, "\x1b[30;107m{line}\x1b[0m")?;
    }
    out.out.flush()
}

fn minutes(seconds: u32) -> String {
    match seconds.div_ceil(60) {
        1 => "a minute".to_owned(),
        n => format!("{n} minutes"),
    }
}

/// What is heard of the page.
struct Page<'a> {
    client: &'a Client,
    line: Option<Line>,
    asks: Option<PairingAsk>,
    pings: u64,
}

impl Page<'_> {
    /// Waits until another page asks, or none any more.
    async fn changed(&mut self, made: &PairingMade) -> Result<(), Failure> {
        loop {
            match self.listen(made).await {
                Ok(()) => return Ok(()),
                Err(ClientError::Unreachable { .. }) => {
                    // A page can still name the code when the server is back.
                    self.line = None;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    async fn listen(&mut self, made: &PairingMade) -> Result<(), ClientError> {
        if self.line.is_none() {
            self.line = Some(open(self.client).await?);
        }
        while let Some(line) = &mut self.line {
            match line.next().await? {
                ServerMsg::Pairing { asks } => {
                    // Also one that another console of this sign-in shows: that is not ours.
                    let asks = asks.filter(|ask| ask.pairing == made.id);
                    if asks != self.asks {
                        self.asks = asks;
                        return Ok(());
                    }
                }
                ServerMsg::Pulse { .. } => {
                    // The server hangs up on a console that says nothing.
                    self.pings += 1;
                    line.send(&ClientMsg::Ping { n: self.pings }).await?;
                }
                ServerMsg::Bye { why, again: false } => {
                    return Err(ClientError::refused(409, "bye", why));
                }
                ServerMsg::Bye { .. } => self.line = None,
                _ => {}
            }
        }
        let (url, why) = (
            self.client.url().clone(),
            "it closed the connection".to_owned(),
        );
        Err(ClientError::Unreachable { url, why })
    }

    /// Goes on listening while somebody thinks.
    async fn meanwhile<T>(
        &mut self,
        made: &PairingMade,
        thinking: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        tokio::pin!(thinking);
        loop {
            tokio::select! {
                biased;
                thought = &mut thinking => return thought,
                heard = self.changed(made) => heard?,
            }
        }
    }
}
