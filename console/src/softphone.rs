//! A pretend softphone: it does what a phone page does, without a browser and without sound. The demo's cast has
//! one each, and so have the people in the tests.
//!
//! It holds the server's phone socket, beats every two seconds, and follows the state it is shown: a seat
//! without a call makes the twin `connect` with the access token; an offer is taken, declined or left ringing,
//! as its person would. Its own call is known from the twin, so it outlives a restart of the server. Where its
//! person opens a real page, it steps aside. It must not decide anything about calls: the server does.
//!
//! Read next: [`cordboard_core::wire::PhoneState`], `demo/people.rs` (who is like what).

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use cordboard_core::{
    api::SessionKind,
    ids::CallId,
    secret::Secret,
    wire::{PageBeat, PhoneMsg, PhoneServerMsg, PhoneState, VERSION},
};
use cordboard_twin::{
    Clock,
    control::{self, ControlError},
};
use rand::{RngExt, rngs::StdRng};
use serde_json::Value;
use tokio::{
    sync::{mpsc, watch},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use url::Url;

use crate::{
    client::{Client, ClientError, Credentials, Password, Socket},
    clock,
};

/// How often the page says that it is alive.
const BEAT: Duration = Duration::from_secs(2);
/// The shortest and longest pause before trying a server again, by the wall's clock.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));
/// How long the twin may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How soon a connect that did not work is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// A call of ours that belongs to no seat for so long is hung up. Long: while a hold is being confirmed, the
/// leg has to stay.
const SEATLESS: Duration = Duration::from_secs(30);

/// How long it stays away from a person who has a real page, before it looks whether they still have it.
const ASIDE: Duration = Duration::from_mins(1);

type Line = Socket<PhoneMsg, PhoneServerMsg>;

/// A moment by the twin's clock, in milliseconds.
type Ms = i64;

fn ms(duration: Duration) -> Ms {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// What a person does when their phone rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Lets somebody else press the button (the operator: the console, or a script).
    Waits,
    /// Answers after a while, unless they are on a call.
    Answers(Duration),
    /// Lets it ring.
    Ignores,
    /// Presses "decline" after a while.
    Declines(Duration),
    /// Is on another line, and their page says so at once.
    Busy,
}

/// Who sits at the page.
#[derive(Debug, Clone)]
pub struct Person {
    /// For the log.
    pub name: &'static str,
    /// What they sign in with.
    pub email: &'static str,
    /// And this.
    pub password: &'static str,
    /// What they are like.
    pub manner: Manner,
}

/// Where the page lives.
#[derive(Debug, Clone)]
pub struct World {
    /// The server.
    pub server: Url,
    /// The carrier.
    pub twin: control::Client,
    /// The time that both go by.
    pub clock: Clock,
    /// When it ends.
    pub stop: CancellationToken,
}

/// How a page stands with its server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Standing {
    /// It can be rung.
    ready: bool,
    /// How often it has lost the server.
    lost: u32,
}

/// The hands of somebody at a page that runs.
#[derive(Debug)]
pub struct Softphone {
    standing: watch::Receiver<Standing>,
    leaves: mpsc::Sender<CallId>,
}

/// The page's one active call.
#[derive(Debug)]
struct Active {
    sid: String,
    /// An emergency call has no seat, and needs none.
    emergency: bool,
    /// Since when it belongs to no seat.
    seatless: Option<Ms>,
}

impl Softphone {
    /// A page that is not connected yet. The future is its life: it stays connected until `stop`, over restarts
    /// of both sides.
    pub fn open(
        person: Person,
        world: World,
        dice: StdRng,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (standing, seen) = watch::channel(Standing::default());
        let (leaves, to_leave) = mpsc::channel(4);
        let page = Page {
            person,
            world,
            dice,
            standing,
            to_leave,
            identity: String::new(),
            token: Secret::default(),
            state: PhoneState::default(),
            active: None,
            was: String::new(),
            not_before: 0,
            offers: BTreeMap::new(),
            over: mpsc::channel(4),
        };
        let phone = Self {
            standing: seen,
            leaves,
        };
        (phone, page.run())
    }

    /// Waits until it can be rung, or has stopped.
    pub async fn ready(&mut self) {
        let _ = self.standing.wait_for(|now| now.ready).await;
    }

    /// How often it has lost the server, or never found it.
    pub fn lost(&self) -> u32 {
        self.standing.borrow().lost
    }

    /// Its person hangs up: the page says that this leave is meant, and disconnects.
    pub async fn leave(&self, call: CallId) {
        // A page that has stopped has hung up.
        let _ = self.leaves.send(call).await;
    }
}

/// The page itself.
struct Page {
    person: Person,
    world: World,
    dice: StdRng,
    standing: watch::Sender<Standing>,
    /// The calls that its person hangs up.
    to_leave: mpsc::Receiver<CallId>,
    identity: String,
    /// The carrier's access token.
    token: Secret,
    state: PhoneState,
    active: Option<Active>,
    /// The last leg we were in as: a seat that is still shown after our call has ended is not connected again.
    was: String,
    /// Not before this moment is a connect tried again.
    not_before: Ms,
    /// When each offer is acted on; none: it was, or never will be.
    offers: BTreeMap<CallId, Option<Ms>>,
    /// The calls that the twin says are over.
    over: (mpsc::Sender<String>, mpsc::Receiver<String>),
}

/// Why a connection to the server is over.
enum Cut {
    Stopped,
    Lost(ClientError),
    /// The carrier does not take our token: another connection brings another.
    Stale,
    /// Its person has a real page open, which is their phone now.
    Aside,
}

impl From<ClientError> for Cut {
    fn from(error: ClientError) -> Self {
        Self::Lost(error)
    }
}

impl Page {
    async fn run(mut self) {
        let stop = self.world.stop.clone();
        let mut client = None;
        let mut pause = PAUSE.0;
        loop {
            match self.session(&mut client).await {
                Ok(never) => match never {},
                Err(Cut::Stopped) => return,
                Err(Cut::Aside) => {
                    info!(
                        person = self.person.name,
                        "the phone steps aside for another page"
                    );
                    self.standing.send_modify(|now| now.ready = false);
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(ASIDE) => {}
                    }
                    continue;
                }
                Err(Cut::Stale) => info!(
                    person = self.person.name,
                    "the carrier refused the access token; asking for another"
                ),
                Err(Cut::Lost(error)) => {
                    debug!(person = self.person.name, %error, "the phone has no server");
                }
            }
            let before = *self.standing.borrow();
            self.standing.send_replace(Standing {
                ready: false,
                lost: before.lost.saturating_add(1),
            });
            // It was ready before: the connection had worked.
            if before.ready {
                pause = PAUSE.0;
            }
            let jittered = pause.mul_f64(self.dice.random_range(0.5..1.0));
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(jittered) => {}
            }
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    async fn session(&mut self, client: &mut Option<Client>) -> Result<Infallible, Cut> {
        let stop = self.world.stop.clone();
        let opening = async {
            let client = if let Some(client) = client {
                client
            } else {
                // It signs in when it needs a token, and anew when the server has forgotten it.
                let password = Password {
                    email: self.person.email.to_owned(),
                    password: self.person.password.to_owned().into(),
                    device: "Pretend softphone".to_owned(),
                    kind: SessionKind::Phone,
                };
                let url = self.world.server.clone();
                let credentials = Credentials::password(url, clock::Clock::system(), password)?;
                client.insert(Client::signed_in(credentials))
            };
            let mut line = client.phone().await?;
            let sid = self.active.as_ref().map(|a| a.sid.clone());
            let hello = PhoneMsg::Hello {
                version: VERSION,
                sid,
            };
            line.send(&hello).await?;
            Ok::<_, ClientError>(line)
        };
        let mut line = tokio::select! {
            () = stop.cancelled() => return Err(Cut::Stopped),
            line = opening => line?,
        };
        let mut beat = tokio::time::interval(self.world.clock.real(BEAT));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let pause = self.until_due();
            tokio::select! {
                () = stop.cancelled() => {
                    line.close().await;
                    return Err(Cut::Stopped);
                }
                message = line.next() => self.hear(message?, &mut line).await?,
                Some(sid) = self.over.1.recv() => {
                    if self.active.as_ref().is_some_and(|a| a.sid == sid) {
                        debug!(person = self.person.name, %sid, "the phone's call is over");
                        self.active = None;
                        self.beat(&mut line).await?;
                    }
                }
                Some(call) = self.to_leave.recv() => {
                    line.send(&PhoneMsg::Leave { call }).await?;
                    if let Some(active) = &self.active {
                        // It may have ended this moment.
                        let _ = within(self.world.twin.disconnect(&active.sid)).await;
                    }
                }
                _ = beat.tick() => self.beat(&mut line).await?,
                () = tokio::time::sleep(pause) => self.answer_offers(&mut line).await?,
            }
            self.take_seat(&mut line).await?;
        }
    }

    /// How long the wall's clock takes until something is due. At most a second, so that nothing waits for an
    /// event that does not come.
    fn until_due(&self) -> Duration {
        let now = self.world.clock.now_ms();
        let offers = self.offers.values().flatten().copied();
        let retry = (self.not_before > now).then_some(self.not_before);
        let due = offers
            .chain(retry)
            .min()
            .map_or(1000, |at| (at - now).clamp(1, 1000));
        self.world
            .clock
            .real(Duration::from_millis(due.unsigned_abs()))
    }

    async fn beat(&mut self, line: &mut Line) -> Result<(), Cut> {
        let sid = self.active.as_ref().map(|a| a.sid.clone());
        Ok(line
            .send(&PhoneMsg::Heartbeat(PageBeat {
                ready: true,
                sid,
                ..PageBeat::default()
            }))
            .await?)
    }

    async fn hear(&mut self, message: PhoneServerMsg, line: &mut Line) -> Result<(), Cut> {
        match message {
            PhoneServerMsg::Welcome {
                identity, token, ..
            } => {
                (self.identity, self.token) = (identity, token);
                if self.active.is_none() {
                    self.adopt().await;
                }
            }
            PhoneServerMsg::Token { token, .. } => self.token = token,
            // It has no microphone.
            PhoneServerMsg::Mute { .. } => {}
            PhoneServerMsg::State(state) if !state.active => {
                if let Some(active) = self.active.take() {
                    let _ = within(self.world.twin.disconnect(&active.sid)).await;
                }
                return Err(Cut::Aside);
            }
            PhoneServerMsg::State(state) => {
                self.plan(&state);
                self.state = state;
                self.standing
                    .send_if_modified(|now| !std::mem::replace(&mut now.ready, true));
            }
            PhoneServerMsg::No { call, why } => {
                debug!(person = self.person.name, %call, %why, "the server said no");
                // Still offered: the person presses the button again.
                if let Some(due) = self.offers.get_mut(&call) {
                    *due = Some(self.world.clock.now_ms() + 1000);
                }
            }
            PhoneServerMsg::Emergency { to } => {
                if let Some(active) = self.active.take() {
                    let _ = within(self.world.twin.disconnect(&active.sid)).await;
                }
                let params = [("op", "dial".to_owned()), ("to", to)];
                self.connect(params, true).await?;
                self.beat(line).await?;
            }
            PhoneServerMsg::Bye { why } => {
                debug!(person = self.person.name, %why, "the server said goodbye");
            }
        }
        Ok(())
    }

    /// When to act on what rings now. What has stopped ringing is forgotten, so that it is news when it rings
    /// again.
    fn plan(&mut self, state: &PhoneState) {
        let now = self.world.clock.now_ms();
        self.offers
            .retain(|call, _| state.offers.iter().any(|o| o.call == *call));
        for offer in &state.offers {
            let due = match self.person.manner {
                Manner::Waits | Manner::Ignores => None,
                Manner::Answers(after) | Manner::Declines(after) => Some(now + ms(after)),
                Manner::Busy => Some(now),
            };
            self.offers.entry(offer.call).or_insert(due);
        }
    }

    async fn answer_offers(&mut self, line: &mut Line) -> Result<(), Cut> {
        let now = self.world.clock.now_ms();
        let engaged = self.active.is_some() || self.state.seat.is_some();
        for (call, due) in &mut self.offers {
            if due.is_none_or(|at| at > now) {
                continue;
            }
            let message = match self.person.manner {
                // On another call: they take this one when that is over, if it still rings.
                Manner::Answers(after) if engaged => {
                    *due = Some(now + ms(after));
                    continue;
                }
                Manner::Answers(_) => PhoneMsg::Accept { call: *call },
                Manner::Declines(_) => PhoneMsg::Decline {
                    call: *call,
                    busy: false,
                },
                Manner::Busy => PhoneMsg::Decline {
                    call: *call,
                    busy: true,
                },
                Manner::Waits | Manner::Ignores => continue,
            };
            *due = None;
            line.send(&message).await?;
        }
        Ok(())
    }

    /// Brings what we are connected to in line with the seat we are shown.
    async fn take_seat(&mut self, line: &mut Line) -> Result<(), Cut> {
        let now = self.world.clock.now_ms();
        match (&self.state.seat, &mut self.active) {
            (Some(seat), None)
                if !seat.joined && seat.leg != self.was && now >= self.not_before =>
            {
                let params = [
                    ("op", "join".to_owned()),
                    ("leg", seat.leg.clone()),
                    ("ticket", seat.ticket.to_string()),
                ];
                let leg = seat.leg.clone();
                if self.connect(params, false).await? {
                    self.was = leg;
                    self.beat(line).await?;
                } else {
                    self.not_before = now + ms(RETRY);
                }
            }
            (Some(seat), Some(active)) => {
                active.seatless = None;
                // Also after a redirect, which changes the leg under a living connection.
                if seat.joined && seat.leg != self.was {
                    self.was.clone_from(&seat.leg);
                }
            }
            (None, Some(active)) if !active.emergency => match active.seatless {
                None => active.seatless = Some(now),
                Some(since) if now - since > ms(SEATLESS) => {
                    active.seatless = Some(now);
                    let _ = within(self.world.twin.disconnect(&active.sid)).await;
                }
                Some(_) => {}
            },
            _ => {}
        }
        Ok(())
    }

    /// Connects; returns whether there is a call now. Not: it is worth another try.
    async fn connect<const N: usize>(
        &mut self,
        params: [(&str, String); N],
        emergency: bool,
    ) -> Result<bool, Cut> {
        let params: BTreeMap<String, String> =
            params.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        match within(self.world.twin.connect(&self.token, params)).await {
            Ok(connected) => {
                debug!(person = self.person.name, sid = %connected.call_sid, "the phone is connected");
                self.hold_on_to(connected.call_sid, emergency);
                Ok(true)
            }
            // The token's fault: 20101 to 20104, 31202 and their like.
            Err(ControlError::Refused {
                status: 401, why, ..
            }) => {
                warn!(person = self.person.name, %why, "the carrier refused the phone's token");
                Err(Cut::Stale)
            }
            Err(error) => {
                debug!(person = self.person.name, %error, "the phone could not connect");
                Ok(false)
            }
        }
    }

    /// After a restart of ours: a call that our identity still has at the twin is our call.
    async fn adopt(&mut self) {
        let Ok(clients) = within(self.world.twin.clients()).await else {
            return;
        };
        let ours = clients["clients"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|c| {
                c["identity"].as_str() == Some(&self.identity)
                    && c["vanished"].as_bool() != Some(true)
                    && c["browser"].as_bool() != Some(true)
            });
        if let Some(sid) = ours.and_then(|c| c["call_sid"].as_str()) {
            self.hold_on_to(sid.to_owned(), false);
        }
    }

    /// Remembers our call, and has the twin tell us when it is over.
    fn hold_on_to(&mut self, sid: String, emergency: bool) {
        self.active = Some(Active {
            sid: sid.clone(),
            emergency,
            seatless: None,
        });
        let World { twin, stop, .. } = self.world.clone();
        let over = self.over.0.clone();
        let following = async move {
            loop {
                match twin
                    .wait_call(&sid, "completed", Duration::from_secs(30))
                    .await
                {
                    Ok(call) if is_final(&call) => break,
                    Ok(_) => {}
                    Err(ControlError::Refused { .. }) => break, // a twin that was restarted knows nothing of it
                    Err(ControlError::Unreachable { .. }) => tokio::time::sleep(PAUSE.0 * 3).await,
                }
            }
            let _ = over.send(sid).await;
        };
        tokio::spawn(async move { stop.run_until_cancelled(following).await });
    }
}

fn is_final(call: &Value) -> bool {
    matches!(
        call["status"].as_str(),
        Some("completed" | "busy" | "failed" | "no-answer" | "canceled")
    )
}

/// The twin's answer, or that none came in time.
async fn within<T>(
    asking: impl Future<Output = Result<T, ControlError>>,
) -> Result<T, ControlError> {
    match tokio::time::timeout(ANSWER, asking).await {
        Ok(answer) => answer,
        Err(_) => Err(ControlError::Unreachable {
            url: "the twin".to_owned(),
            why: "no answer in time".to_owned(),
        }),
    }
}
