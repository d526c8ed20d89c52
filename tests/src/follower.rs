//! A console that only follows, and the ways to wait for what it sees.
//!
//! It lives outside the server, as people do, and asserts nothing: what it could not make sense of is kept for
//! whoever asks.
//!
//! Read next: `it/storm.rs`.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cordboard::client::{Client, ClientError};
use cordboard_core::{
    board::Board,
    wire::{ClientMsg, ServerMsg, VERSION},
};
use cordboard_twin::Clock;
use tokio_util::sync::CancellationToken;

/// How often a console says that it is alive, by the wall's clock.
const PING: Duration = Duration::from_secs(5);

/// What a console has seen.
#[derive(Debug, Default)]
pub struct Seen {
    /// The board, as it follows from the first snapshot and the deltas.
    pub board: Board,
    /// The commands that changes were the consequence of.
    pub commands: BTreeSet<String>,
    /// How many snapshots it was sent.
    pub snapshots: usize,
    /// How many changes it took.
    pub deltas: usize,
    /// What it could not make sense of.
    pub wrong: Vec<String>,
}

/// A console that follows the board and touches nothing.
#[derive(Debug)]
pub struct Follower {
    seen: Arc<Mutex<Seen>>,
}

impl Follower {
    /// Follows until `stop`.
    ///
    /// # Errors
    /// If the server does not let it.
    pub async fn start(client: &Client, stop: CancellationToken) -> Result<Self, ClientError> {
        let mut line = client.console().await?;
        let hello = ClientMsg::Hello {
            version: VERSION,
            since: None,
        };
        line.send(&hello).await?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let notes = seen.clone();
        tokio::spawn(async move {
            let mut ping = tokio::time::interval(PING);
            loop {
                let message = tokio::select! {
                    () = stop.cancelled() => return,
                    message = line.next() => message,
                    _ = ping.tick() => {
                        if line.send(&ClientMsg::Ping { n: 0 }).await.is_err() && !stop.is_cancelled() {
                            locked(&notes).wrong.push("the console's socket does not take a ping".to_owned());
                            return;
                        }
                        continue;
                    }
                };
                match message {
                    Ok(message) => locked(&notes).take(message),
                    Err(_) if stop.is_cancelled() => return,
                    Err(cause) => {
                        locked(&notes).wrong.push(cause.to_string());
                        return;
                    }
                }
            }
        });
        Ok(Self { seen })
    }

    /// What it has seen so far.
    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        locked(&self.seen)
    }
}

impl Seen {
    fn take(&mut self, message: ServerMsg) {
        match message {
            ServerMsg::Snapshot(snapshot) => {
                self.snapshots += 1;
                self.board = Board::new(*snapshot);
            }
            ServerMsg::Delta(delta) => {
                self.deltas += 1;
                if delta.cause.kind.as_str() == "command"
                    && let Some(id) = &delta.cause.id
                {
                    self.commands.insert(id.to_string());
                }
                if let Err(gap) = self.board.apply(&delta) {
                    self.wrong.push(format!(
                        "{gap:?} between {} and {}",
                        self.board.rev, delta.at.rev
                    ));
                }
            }
            ServerMsg::Presence { people } => {
                self.board.presence(&people);
            }
            ServerMsg::Pulse { at, digest, .. } => {
                let ours = format!("{:016x}", self.board.digest());
                if at.rev == self.board.rev && digest != ours {
                    self.wrong.push(format!(
                        "at {} the server's digest is {digest}, ours {ours}",
                        at.rev
                    ));
                }
            }
            ServerMsg::Bye { why, .. } => self.wrong.push(why),
            _ => {}
        }
    }
}

/// Nothing is left half done under this lock.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks every 10 ms of the wall's clock until `look` finds something, at most `limit_ms` of `clock`; none if
/// it never does.
pub async fn until<T, F: Future<Output = Option<T>>>(
    clock: &Clock,
    limit_ms: i64,
    mut look: impl FnMut() -> F,
) -> Option<T> {
    let end = clock.now_ms() + limit_ms;
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if clock.now_ms() >= end {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Lets so many milliseconds of that clock go by: how long people talk, think and wait. Not for waiting until
/// something has happened.
pub async fn let_pass(clock: &Clock, ms: i64) {
    clock.sleep(Duration::from_millis(ms.unsigned_abs())).await;
}
