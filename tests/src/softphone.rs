//! Clients that a test pretends: a phone page for each of several people, and a console that only follows.
//!
//! They live outside the server, as people do: the wire to the server, the control API to the twin. A page does
//! what a browser's page does and no more; who answers and who refuses is its [`Manner`]. They decide nothing
//! about calls, and assert nothing.
//!
//! Read next: `it/storm.rs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cordboard::client::{Client, ClientError, Socket};
use cordboard_core::{
    board::Board,
    ids::CallId,
    wire::{ClientMsg, PhoneMsg, PhoneServerMsg, PhoneState, ServerMsg, VERSION},
};
use cordboard_twin::{
    Clock,
    control::{self, ControlError},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

/// How often a page says that it is alive.
const BEAT: Duration = Duration::from_secs(2);
/// How soon a connect that did not work is tried again, in milliseconds.
const RETRY_MS: i64 = 200;
/// How soon somebody who was told no presses the button again, in milliseconds.
const AGAIN_MS: i64 = 500;
/// How often a console says that it is alive, by the wall's clock.
const PING: Duration = Duration::from_secs(5);

/// What somebody does when their page rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Nothing: they act at a console, or they are not there.
    Waits,
    /// Accepts after so many milliseconds, unless they are on a call.
    Accepts(i64),
    /// Declines after so many milliseconds.
    Declines(i64),
    /// Says at once that they are on another call.
    Busy,
}

/// A page that runs.
#[derive(Debug)]
pub struct Softphone {
    /// Signed in as its person.
    pub client: Client,
    orders: mpsc::Sender<CallId>,
    ready: watch::Receiver<bool>,
    task: JoinHandle<Result<(), String>>,
}

impl Softphone {
    /// Signs in and holds the phone socket until `stop`.
    ///
    /// # Errors
    /// If the server does not let its person in.
    pub async fn start(
        anonymous: &Client,
        email: &str,
        password: &str,
        twin: control::Client,
        clock: Clock,
        manner: Manner,
        stop: CancellationToken,
    ) -> Result<Self, ClientError> {
        let token = anonymous
            .login(email, &password.to_owned().into())
            .await?
            .token;
        let client = Client::new(anonymous.url().clone(), Some(token))?;
        let mut line = client.phone().await?;
        line.send(&PhoneMsg::Hello { version: VERSION }).await?;
        let (orders, orders_in) = mpsc::channel(4);
        let (ready_out, ready) = watch::channel(false);
        let page = Page {
            line,
            twin,
            clock,
            manner,
            ready: ready_out,
            token: String::new(),
            state: PhoneState::default(),
            active: None,
            was: String::new(),
            not_before: 0,
            offers: BTreeMap::new(),
            over: mpsc::channel(4),
        };
        let task = tokio::spawn(page.run(orders_in, stop));
        Ok(Self {
            client,
            orders,
            ready,
            task,
        })
    }

    /// Waits until its first state has come.
    pub async fn ready(&mut self) {
        // An error means that the page has ended; whoever joins it hears why.
        let _ = self.ready.wait_for(|ready| *ready).await;
    }

    /// Its person hangs up: the page says that this leave is meant, and disconnects.
    pub async fn leave(&self, call: CallId) {
        // A page that has ended has hung up.
        let _ = self.orders.send(call).await;
    }

    /// Waits until it has stopped.
    ///
    /// # Errors
    /// If it lost its server before it was told to stop.
    pub async fn join(self) -> Result<(), String> {
        self.task.await.map_err(|e| e.to_string())?
    }
}

type Line = Socket<PhoneMsg, PhoneServerMsg>;

struct Page {
    line: Line,
    twin: control::Client,
    clock: Clock,
    manner: Manner,
    ready: watch::Sender<bool>,
    /// The carrier's access token.
    token: String,
    state: PhoneState,
    /// The CallSid of its one active call.
    active: Option<String>,
    /// The last leg it was in as: a seat that is still shown after the call has ended is not connected again.
    was: String,
    not_before: i64,
    /// When each offer is acted on; none: it was, or never will be.
    offers: BTreeMap<CallId, Option<i64>>,
    /// The connections that the twin says are over.
    over: (mpsc::Sender<String>, mpsc::Receiver<String>),
}

impl Page {
    async fn run(
        mut self,
        mut orders: mpsc::Receiver<CallId>,
        stop: CancellationToken,
    ) -> Result<(), String> {
        let mut beat = tokio::time::interval(self.clock.real(BEAT));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let done = self.turn(&mut orders, &mut beat, &stop).await;
            match done {
                Ok(false) => {}
                Ok(true) => {
                    self.line.close().await;
                    return Ok(());
                }
                Err(_) if stop.is_cancelled() => return Ok(()),
                Err(cause) => return Err(cause.to_string()),
            }
        }
    }

    /// Does the next thing; true when it is time to go.
    async fn turn(
        &mut self,
        orders: &mut mpsc::Receiver<CallId>,
        beat: &mut tokio::time::Interval,
        stop: &CancellationToken,
    ) -> Result<bool, ClientError> {
        let now = self.clock.now_ms();
        let retry = (self.not_before > now).then_some(self.not_before);
        let due = self.offers.values().flatten().copied().chain(retry).min();
        let pause = due.map_or(1_000, |at| (at - now).clamp(10, 1_000));
        let pause = self.clock.real(Duration::from_millis(pause.unsigned_abs()));
        tokio::select! {
            () = stop.cancelled() => return Ok(true),
            message = self.line.next() => self.hear(message?),
            Some(sid) = self.over.1.recv() => {
                if self.active.as_ref() == Some(&sid) {
                    self.active = None;
                    self.beat().await?;
                }
            }
            Some(call) = orders.recv() => {
                self.line.send(&PhoneMsg::Leave { call }).await?;
                if let Some(sid) = &self.active {
                    // It may have ended this moment.
                    let _ = self.twin.disconnect(sid).await;
                }
            }
            _ = beat.tick() => self.beat().await?,
            () = tokio::time::sleep(pause) => self.answer().await?,
        }
        self.take_seat().await?;
        Ok(false)
    }

    async fn beat(&mut self) -> Result<(), ClientError> {
        let sid = self.active.clone();
        self.line
            .send(&PhoneMsg::Heartbeat { ready: true, sid })
            .await
    }

    fn hear(&mut self, message: PhoneServerMsg) {
        let now = self.clock.now_ms();
        match message {
            PhoneServerMsg::Welcome { token, .. } | PhoneServerMsg::Token { token, .. } => {
                self.token = token;
            }
            PhoneServerMsg::State(state) => {
                self.offers
                    .retain(|call, _| state.offers.iter().any(|o| o.call == *call));
                for offer in &state.offers {
                    let due = match self.manner {
                        Manner::Waits => None,
                        Manner::Accepts(after) | Manner::Declines(after) => Some(now + after),
                        Manner::Busy => Some(now),
                    };
                    self.offers.entry(offer.call).or_insert(due);
                }
                self.state = state;
                self.ready.send_replace(true);
            }
            // Still offered: the person presses the button again.
            PhoneServerMsg::No { call, .. } => {
                if let Some(due) = self.offers.get_mut(&call) {
                    *due = Some(now + AGAIN_MS);
                }
            }
            PhoneServerMsg::Emergency { .. } | PhoneServerMsg::Bye { .. } => {}
        }
    }

    async fn answer(&mut self) -> Result<(), ClientError> {
        let now = self.clock.now_ms();
        let engaged = self.active.is_some() || self.state.seat.is_some();
        for (call, due) in &mut self.offers {
            if due.is_none_or(|at| at > now) {
                continue;
            }
            let call = *call;
            let message = match self.manner {
                Manner::Accepts(after) if engaged => {
                    *due = Some(now + after);
                    continue;
                }
                Manner::Accepts(_) => PhoneMsg::Accept { call },
                Manner::Declines(_) => PhoneMsg::Decline { call, busy: false },
                Manner::Busy => PhoneMsg::Decline { call, busy: true },
                Manner::Waits => continue,
            };
            *due = None;
            self.line.send(&message).await?;
        }
        Ok(())
    }

    /// Brings what it is connected to in line with the seat it is shown.
    async fn take_seat(&mut self) -> Result<(), ClientError> {
        let now = self.clock.now_ms();
        let Some(seat) = &self.state.seat else {
            return Ok(());
        };
        if seat.joined {
            // Also after a redirect, which changes the leg under a living connection.
            self.was.clone_from(&seat.leg);
        }
        if seat.joined || seat.leg == self.was || self.active.is_some() || now < self.not_before {
            return Ok(());
        }
        let params = [("op", "join"), ("leg", &seat.leg), ("ticket", &seat.ticket)];
        let params = params
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect();
        let leg = seat.leg.clone();
        let Ok(connected) = self.twin.connect(&self.token, params).await else {
            self.not_before = now + RETRY_MS;
            return Ok(());
        };
        self.was = leg;
        self.follow(connected.call_sid.clone());
        self.active = Some(connected.call_sid);
        self.beat().await
    }

    /// Has the twin say when that connection is over.
    fn follow(&self, sid: String) {
        let (twin, over) = (self.twin.clone(), self.over.0.clone());
        tokio::spawn(async move {
            loop {
                let wait = twin.wait_call(&sid, "completed", Duration::from_mins(1));
                match wait.await {
                    Ok(call) if is_over(call["status"].as_str()) => break,
                    Ok(_) => {}
                    Err(ControlError::Refused { .. }) => break,
                    Err(ControlError::Unreachable { .. }) => return,
                }
            }
            // The page may have gone first.
            let _ = over.send(sid).await;
        });
    }
}

fn is_over(status: Option<&str>) -> bool {
    matches!(
        status,
        Some("completed" | "busy" | "failed" | "no-answer" | "canceled")
    )
}

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
