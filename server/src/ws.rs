//! The sockets: consoles and phone pages. They carry messages and decide nothing.
//!
//! A console is welcomed, brought up to date, and then follows. Commands run beside the fan-out, so an answer
//! never waits behind other people's news. A console that reads too slowly is brought up to date by a snapshot,
//! and one that does not read at all is cut off. A phone page is told what it should be doing, as state, each
//! time that changes, and again while it does not: a page that hears nothing knows that it is cut off. An order to
//! dial for help comes before everything else, and waits for no store.
//!
//! Read next: [`crate::live`], [`crate::exchange`].

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, Utf8Bytes, WebSocket},
    },
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use cordboard_core::{
    api::SessionKind,
    ids::{CallId, LegId, SessionId},
    machine::{Finish, Intent},
    policy::{Act, Permission},
    wire::{
        ClientMsg, Command, MAX_FRAME, Order, PageOrder, PhoneMsg, PhoneServerMsg, ServerMsg,
        VERSION,
    },
};
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use secrecy::ExposeSecret as _;
use tokio::sync::{Semaphore, broadcast::error::RecvError, mpsc};

use crate::{
    accounts::Entry,
    app::App,
    emergency,
    error::ApiError,
    exchange::Session,
    http::origin::is_ours,
    live::{Audience, Ended, Notice, Page, PageCall, Paired, encode},
    office,
    twilio::{token, words::one_line},
};

/// How long a socket may take to accept a frame before it is cut off.
const SLOW: Duration = Duration::from_secs(10);
/// How long the first message may take.
const HELLO: Duration = Duration::from_secs(10);
/// How often a console or a page hears of us when nothing happens.
const PULSE: Duration = Duration::from_secs(5);
/// A console that has said nothing for so long is gone (it pings every 5 s).
const SILENCE: Duration = Duration::from_secs(30);
/// How often a socket that stays open says so for its sign-in, which would run out otherwise.
const TOUCH: Duration = Duration::from_hours(6);
/// How many commands of one console are under way at once.
const COMMANDS: usize = 16;
/// How many of the changes that a console has missed are read at once.
const MISSED: usize = 500;
/// In how many beats of a page a leg that it does not have is worth a look. A page may be wrong, or another tab of
/// its person's, so the carrier decides; its list is up to 2 s behind, which is why one look may come too early.
const HINTS: u32 = 2;
/// How long an access token for the carrier holds, in seconds, and how long before its end the next is sent, in
/// milliseconds.
const TOKEN_SECONDS: u32 = 3_600;
const TOKEN_MARGIN_MS: i64 = 300_000;

type Out = SplitSink<WebSocket, Message>;
type In = SplitStream<WebSocket>;

/// `GET /ws/console`.
pub async fn console(
    State(app): State<App>,
    entry: Entry,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    match same_origin(&app, &headers) {
        Ok(()) if entry.kind == SessionKind::Phone => {
            let why = "A phone page has a socket of its own: /ws/phone.";
            ApiError::NotAllowed(why.to_owned()).into_response()
        }
        Ok(()) => small(upgrade)
            .on_upgrade(move |socket| async move { Console::serve(app, entry, socket).await }),
        Err(no) => no.into_response(),
    }
}

/// `GET /ws/phone`.
pub async fn phone(
    State(app): State<App>,
    entry: Entry,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let may = office::may(&entry.session, Act::Use(Permission::Calls));
    match same_origin(&app, &headers).and(may) {
        Ok(()) => small(upgrade)
            .on_upgrade(move |socket| async move { serve_phone(app, entry, socket).await }),
        Err(no) => no.into_response(),
    }
}

/// The library's default is a read buffer of 128 KiB a connection: 5,000 consoles would take 640 MB. What
/// consoles say is a few hundred bytes; for more, the buffer grows.
fn small(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        // What a browser asked for beside its ticket; a terminal asks for nothing.
        .protocols(["cordboard"])
        .read_buffer_size(1024)
        .write_buffer_size(4 * 1024)
        .max_write_buffer_size(8 * 1024 * 1024)
        .max_message_size(MAX_FRAME)
        .max_frame_size(MAX_FRAME)
}

/// A page from elsewhere has no business here.
fn same_origin(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    if is_ours(&app.public_url, headers) {
        return Ok(());
    }
    let why = "This page is not from here.";
    Err(ApiError::NotAllowed(why.to_owned()))
}

async fn send(out: &mut Out, text: Utf8Bytes) -> Result<(), ()> {
    match tokio::time::timeout(SLOW, out.send(Message::Text(text))).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(()),
    }
}

/// The next text, or that the socket is over. `Some(Err)` is a message that cannot be read.
async fn next<T: serde::de::DeserializeOwned>(from: &mut In) -> Option<Result<T, String>> {
    loop {
        match from.next().await? {
            Ok(Message::Text(text)) => {
                // The sentence quotes what was sent.
                return Some(
                    serde_json::from_str(&text).map_err(|e| one_line(&e.to_string(), 200)),
                );
            }
            Ok(Message::Binary(_)) => return Some(Err("messages are text".to_owned())),
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            Ok(Message::Close(_)) | Err(_) => return None,
        }
    }
}

/// Sockets live in the wall's time: a peer is not dead sooner because a test's clock runs faster.
#[expect(
    clippy::disallowed_methods,
    reason = "a socket's silence is measured by the wall's clock"
)]
fn wall() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

struct Console {
    app: App,
    session: Session,
    /// Its sign-in.
    id: SessionId,
    audience: Audience,
    out: Out,
    /// The last board revision that was sent.
    known: u64,
}

impl Console {
    async fn serve(app: App, entry: Entry, socket: WebSocket) {
        let (out, mut from) = socket.split();
        let mut console = Self {
            audience: Audience::of(entry.session.rights),
            session: entry.session,
            id: entry.id,
            app,
            out,
            known: 0,
        };
        let live = console.app.exchange.live().clone();
        let user = console.session.user;
        let here = live.console_connected(user, console.app.exchange.clock().now());
        let ended = console.run(&mut from, here).await;
        live.console_disconnected(user, here);
        let why = match ended {
            Ok(()) | Err(Cut::Gone) => return,
            Err(Cut::Bye(why, again)) => ServerMsg::Bye { why, again },
        };
        let _ = send(&mut console.out, encode(&why)).await;
        let _ = console.out.close().await;
    }

    async fn run(&mut self, from: &mut In, here: u64) -> Result<(), Cut> {
        let first = tokio::time::timeout(HELLO, next::<ClientMsg>(from)).await;
        let since = match first {
            Ok(Some(Ok(ClientMsg::Hello {
                version: VERSION,
                since,
            }))) => since,
            Ok(Some(Ok(ClientMsg::Hello { version, .. }))) => {
                let older = if version < VERSION {
                    "This console is older than its server. Update it."
                } else {
                    "This server is older than the console. Update it."
                };
                return Err(Cut::Bye(older.to_owned(), false));
            }
            Ok(Some(_)) => {
                return Err(Cut::Bye(
                    "The first message must be hello.".to_owned(),
                    false,
                ));
            }
            Ok(None) | Err(_) => return Err(Cut::Gone),
        };
        let live = self.app.exchange.live().clone();
        let mut outcomes = live.outcomes();
        // Subscribed before the snapshot is taken: nothing falls in between.
        let mut frames = live.subscribe(self.audience);
        let mut notices = live.notices();
        self.say(&ServerMsg::Welcome {
            version: VERSION,
            me: self.session.me(),
            now: self.app.exchange.clock().now(),
        })
        .await?;
        // Boxed: reading from the store takes 15 kB of future, for a moment. Inline, every console would hold
        // them for as long as it is there.
        Box::pin(self.catch_up(since)).await?;
        let state = live.emergency_address();
        self.say(&ServerMsg::EmergencyAddress { state }).await?;
        self.pages().await?;
        // A page may have asked while nobody looked.
        if let Ok(asks @ Some(_)) = self.app.pairings.asks(&self.id).await {
            self.say(&ServerMsg::Pairing { asks }).await?;
        }

        // Encoded: a queue is allocated whole, and a message is three times the size of its text's handle.
        let (answers, mut answered) = mpsc::channel::<Utf8Bytes>(COMMANDS * 2);
        let turns = Arc::new(Semaphore::new(COMMANDS));
        let mut pulse = tokio::time::interval(PULSE);
        let mut touch = tokio::time::interval_at(wall() + TOUCH, TOUCH);
        let mut heard = wall();
        loop {
            tokio::select! {
                biased;
                () = self.app.stop.cancelled() => {
                    return Err(Cut::Bye("The server is stopping. It will be back.".to_owned(), true));
                }
                Some(answer) = answered.recv() => self.text(answer).await?,
                msg = next::<ClientMsg>(from) => {
                    heard = wall();
                    live.console_heard(self.session.user, here, self.app.exchange.clock().now());
                    match msg {
                        None => return Err(Cut::Gone),
                        Some(Err(why)) => return Err(Cut::Bye(format!("A message cannot be read: {why}"), false)),
                        Some(Ok(ClientMsg::Do(command))) => self.perform(command, &turns, &answers),
                        Some(Ok(ClientMsg::Ping { n })) => self.say(&ServerMsg::Pong { n }).await?,
                        Some(Ok(ClientMsg::Page { page, order })) => {
                            if !live.order(self.session.user, &self.id, &page, order) {
                                // What is true of it is all there is to say.
                                self.pages().await?;
                            }
                        }
                        Some(Ok(ClientMsg::Resync | ClientMsg::Hello { .. })) => self.snapshot().await?,
                    }
                }
                ended = outcomes.recv() => match ended {
                    Ok(ended) if ended.by == self.session.user => self.say(&outcome(ended)).await?,
                    Ok(_) => {}
                    // One of them may have been for this console, which would wait for it.
                    Err(RecvError::Lagged(_)) => {
                        return Err(Cut::Bye("This console reads too slowly. It may come again.".to_owned(), true));
                    }
                    Err(RecvError::Closed) => return Err(Cut::Gone),
                },
                notice = notices.recv() => match notice {
                    Ok(notice) => self.noticed(notice).await?,
                    // One of them may have been that this console is not welcome any more.
                    Err(RecvError::Lagged(_)) => {
                        return Err(Cut::Bye("This console reads too slowly. It may come again.".to_owned(), true));
                    }
                    Err(RecvError::Closed) => return Err(Cut::Gone),
                },
                frame = frames.recv() => match frame {
                    Ok(frame) => {
                        if frame.rev.is_none_or(|rev| rev > self.known) {
                            self.known = frame.rev.unwrap_or(self.known);
                            self.text(frame.text).await?;
                        }
                    }
                    Err(RecvError::Lagged(_)) => self.snapshot().await?,
                    Err(RecvError::Closed) => return Err(Cut::Gone),
                },
                _ = touch.tick() => self.app.accounts.touch(&self.id),
                _ = pulse.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Err(Cut::Gone);
                    }
                    let now = self.app.exchange.clock().now();
                    self.say(&live.pulse(now)).await?;
                }
            }
        }
    }

    /// The phone pages that are paired with this console.
    async fn pages(&mut self) -> Result<(), Cut> {
        let now = self.app.exchange.clock().now();
        let live = self.app.exchange.live();
        let pages = live.pages(self.session.user, &self.id, now);
        self.say(&ServerMsg::Pages { pages }).await
    }

    /// Something that may concern this console.
    async fn noticed(&mut self, notice: Notice) -> Result<(), Cut> {
        match notice {
            Notice::SignedOut(id) if id == self.id => Err(signed_out()),
            Notice::Changed(user) if user == self.session.user => {
                // Who is let in, and sees what, is asked anew.
                let why = "What you may do here has changed.";
                Err(Cut::Bye(why.to_owned(), true))
            }
            Notice::Pages(id) if id == self.id => self.pages().await,
            Notice::Pairing(id, asks) if id == self.id => {
                self.say(&ServerMsg::Pairing { asks }).await
            }
            _ => Ok(()),
        }
    }

    /// What the console missed, or everything.
    async fn catch_up(&mut self, since: Option<cordboard_core::wire::Position>) -> Result<(), Cut> {
        let Some(since) = since else {
            return self.snapshot().await;
        };
        let store = self.app.exchange.store().clone();
        self.known = since.rev;
        loop {
            let Ok(Some(deltas)) = store.changes_since(&since.epoch, self.known, MISSED).await
            else {
                return self.snapshot().await;
            };
            let all = deltas.len() < MISSED;
            for delta in deltas {
                self.known = delta.at.rev;
                let delta = ServerMsg::Delta(Box::new(delta));
                self.say(&self.audience.told(delta)).await?;
            }
            if all {
                break;
            }
        }
        // Presence is outside the count: as it is now.
        let people = self.app.exchange.live().board().people;
        let people = people
            .iter()
            .map(cordboard_core::board::Person::presence)
            .collect();
        let people = ServerMsg::Presence { people };
        self.say(&self.audience.told(people)).await
    }

    async fn snapshot(&mut self) -> Result<(), Cut> {
        let (rev, text) = self.app.exchange.live().snapshot(self.audience);
        self.known = rev;
        self.text(text).await
    }

    fn perform(&self, command: Command, turns: &Arc<Semaphore>, answers: &mpsc::Sender<Utf8Bytes>) {
        let (app, session, answers) = (self.app.clone(), self.session.clone(), answers.clone());
        let turn = turns.clone().try_acquire_owned();
        tokio::spawn(async move {
            let id = command.id.clone();
            let no = |e: &ApiError| ServerMsg::No {
                id: id.clone(),
                code: e.code().to_owned(),
                why: e.to_string(),
            };
            let Ok(_turn) = turn else {
                let _ = answers.send(encode(&no(&ApiError::TooMany))).await;
                return;
            };
            if let Some(answer) = emergency::dial(&app, &session, &command) {
                // There is no call that a yes could name.
                let answer = answer.map_or_else(
                    |e| no(&e),
                    |why| ServerMsg::No {
                        id: command.id.clone(),
                        code: "emergency".to_owned(),
                        why,
                    },
                );
                let _ = answers.send(encode(&answer)).await;
                return;
            }
            let answer = match app.exchange.act(&session, &command).await {
                Ok(accepted) => ServerMsg::Yes {
                    id: command.id.clone(),
                    call: accepted.call.id,
                    rev: accepted.call.rev,
                },
                Err(e) => no(&e),
            };
            let _ = answers.send(encode(&answer)).await;
        });
    }

    async fn say(&mut self, msg: &ServerMsg) -> Result<(), Cut> {
        self.text(encode(msg)).await
    }

    async fn text(&mut self, text: Utf8Bytes) -> Result<(), Cut> {
        send(&mut self.out, text).await.map_err(|()| Cut::Gone)
    }
}

/// Why a socket ends.
enum Cut {
    /// The other side is gone, or does not read.
    Gone,
    /// We say goodbye, and whether to come again.
    Bye(String, bool),
}

fn signed_out() -> Cut {
    // It may come again, to be told at the door what to do.
    Cut::Bye("Your sign-in is over. Sign in again.".to_owned(), true)
}

fn outcome(ended: Ended) -> ServerMsg {
    let (id, call) = (ended.command.into_string(), ended.call);
    match ended.result {
        Finish::Done => ServerMsg::Done { id, call },
        Finish::Failed(why) => ServerMsg::Failed { id, call, why },
        Finish::Unknown => ServerMsg::Unknown { id, call },
    }
}

async fn serve_phone(app: App, entry: Entry, socket: WebSocket) {
    let session = entry.session;
    let live = app.exchange.live().clone();
    let (mut out, mut from) = socket.split();
    let first = tokio::time::timeout(HELLO, next::<PhoneMsg>(&mut from)).await;
    let Ok(Some(Ok(PhoneMsg::Hello {
        version: VERSION,
        sid,
    }))) = first
    else {
        let why = "The first message must be hello, in this server's version.".to_owned();
        let _ = send(&mut out, phone_text(&PhoneServerMsg::Bye { why })).await;
        return;
    };
    let paired = Paired {
        page: Some(entry.id.clone()),
        console: entry.parent,
        device: entry.device,
        sid,
    };
    let clock = app.exchange.clock();
    let page = live.page_connected(session.user, paired, clock.now());
    let tab = page.tab;
    tracing::info!(user = %session.user, "a phone page has connected");
    let left = follow_phone(&app, &session, &entry.id, &mut out, &mut from, page).await;
    live.page_disconnected(session.user, tab, clock.now());
    if matches!(left, Err(Left::SignedOut)) {
        app.page_signed_out(session.user).await;
    }
    let _ = out.close().await;
}

/// How a page's socket ends.
enum Left {
    /// It is gone, or does not read. It may be back in a moment.
    Gone,
    /// Its sign-in is over.
    SignedOut,
}

impl From<()> for Left {
    fn from((): ()) -> Self {
        Self::Gone
    }
}

/// What a page's person wants of a call; none: they have left it.
type Want = (CallId, Option<Intent>);

/// Does what a page's person wants, one after the other, and answers with refusals. Beside the socket, which must
/// hear an order to dial for help while the store does not answer; and to the end, also when the page closes: that
/// it leaves is often its last word.
async fn perform_for_page(
    app: App,
    session: Session,
    mut wants: mpsc::Receiver<Want>,
    refusals: mpsc::Sender<PhoneServerMsg>,
) {
    while let Some((call, intent)) = wants.recv().await {
        let Some(intent) = intent else {
            Box::pin(app.left(&session, call)).await;
            continue;
        };
        let command = Command {
            id: format!("phone-{:032x}", crate::auth::unguessable()),
            order: Order::Call { call, intent },
            seen: None,
            dry_run: false,
        };
        if let Err(no) = Box::pin(app.exchange.act(&session, &command)).await {
            let why = no.to_string();
            // A page that is gone needs no answer.
            let _ = refusals.send(PhoneServerMsg::No { call, why }).await;
        }
    }
}

fn phone_text(msg: &PhoneServerMsg) -> Utf8Bytes {
    serde_json::to_string(msg)
        .expect("wire messages are plain data")
        .into()
}

fn token_msg(token: &token::AccessToken) -> PhoneServerMsg {
    PhoneServerMsg::Token {
        token: token.jwt.expose_secret().into(),
        expires: token.expires,
    }
}

async fn follow_phone(
    app: &App,
    session: &Session,
    id: &SessionId,
    out: &mut Out,
    from: &mut In,
    page: Page,
) -> Result<(), Left> {
    let Page {
        tab,
        mut states,
        mut orders,
    } = page;
    let clock = app.exchange.clock().clone();
    let live = app.exchange.live().clone();
    let mut notices = live.notices();
    let identity = session.user.to_string();
    let mint = || token::mint(&app.twilio, &identity, clock.now(), TOKEN_SECONDS).map_err(drop);
    let mut token = mint()?;
    let welcome = PhoneServerMsg::Welcome {
        version: VERSION,
        identity: identity.clone(),
        name: session.name.clone(),
        token: token.jwt.expose_secret().into(),
        expires: token.expires,
        now: clock.now(),
        signalling: app.twilio.signalling(),
        pulse_ms: u32::try_from(PULSE.as_millis()).ok(),
    };
    send(out, phone_text(&welcome)).await?;
    let (wanted, wants) = mpsc::channel(COMMANDS);
    let (refusals, mut refused) = mpsc::channel(COMMANDS);
    tokio::spawn(perform_for_page(
        app.clone(),
        session.clone(),
        wants,
        refusals,
    ));
    states.mark_changed();
    // The leg that the page says it does not have, and for how many beats.
    let mut disowned: Option<(LegId, u32)> = None;
    let mut heard = wall();
    let mut touch = tokio::time::interval_at(wall() + TOUCH, TOUCH);
    let mut pulse = tokio::time::interval_at(wall() + PULSE, PULSE);
    loop {
        let renew = token.expires.plus(-TOKEN_MARGIN_MS);
        tokio::select! {
            biased;
            Some(call) = orders.recv() => {
                let msg = match call {
                    PageCall::Help(number) => PhoneServerMsg::Emergency { to: number.to_string() },
                    PageCall::Order(PageOrder::Mute { on }) => PhoneServerMsg::Mute { on },
                };
                send(out, phone_text(&msg)).await?;
            }
            notice = notices.recv() => match notice {
                Ok(Notice::SignedOut(over)) if over == *id => {
                    let bye = PhoneServerMsg::Bye { why: "This page is not paired any more.".to_owned() };
                    let _ = send(out, phone_text(&bye)).await;
                    return Err(Left::SignedOut);
                }
                Ok(_) => {}
                // One of them may have been this. It comes back, if it may.
                Err(_) => return Err(Left::Gone),
            },
            () = app.stop.cancelled() => {
                let bye = PhoneServerMsg::Bye { why: "The server is stopping. It will be back.".to_owned() };
                return Ok(send(out, phone_text(&bye)).await?);
            }
            changed = states.changed() => {
                changed.map_err(drop)?;
                let mut state = states.borrow_and_update().told(tab);
                if let Some(seat) = &mut state.seat
                    && let Ok(leg) = seat.leg.parse::<LegId>()
                {
                    seat.ticket = app.exchange.keys().ticket(leg, &identity).into();
                }
                send(out, phone_text(&PhoneServerMsg::State(state))).await?;
            }
            Some(no) = refused.recv() => send(out, phone_text(&no)).await?,
            msg = next::<PhoneMsg>(from) => {
                heard = wall();
                let (call, intent) = match msg {
                    None => return Err(Left::Gone),
                    Some(Ok(PhoneMsg::Heartbeat(beat))) => {
                        let sid = beat.sid.clone();
                        live.page_heard(session.user, tab, beat, clock.now());
                        // What another page does is not this one's to know.
                        let active = states.borrow().told(tab).active;
                        disowned = match app.exchange.disowned(session.user, sid.as_deref()).filter(|_| active) {
                            Some(leg) => {
                                let times = disowned.map_or(0, |(l, times)| if l == leg { times } else { 0 });
                                if times < HINTS {
                                    app.exchange.look_at(leg.call);
                                }
                                Some((leg, times.saturating_add(1)))
                            }
                            None => None,
                        };
                        continue;
                    }
                    Some(Ok(PhoneMsg::Accept { call })) => (call, Some(Intent::Answer)),
                    Some(Ok(PhoneMsg::Decline { call, busy })) => (call, Some(Intent::Decline { busy })),
                    Some(Ok(PhoneMsg::Hold { call })) => (call, Some(Intent::Hold)),
                    Some(Ok(PhoneMsg::Resume { call })) => (call, Some(Intent::Resume)),
                    Some(Ok(PhoneMsg::Leave { call })) => (call, None),
                    Some(Ok(PhoneMsg::Take)) => {
                        live.page_taken(session.user, tab, clock.now());
                        continue;
                    }
                    Some(Ok(PhoneMsg::Token)) => {
                        token = mint()?;
                        send(out, phone_text(&token_msg(&token))).await?;
                        continue;
                    }
                    Some(Ok(PhoneMsg::Hello { .. })) => continue,
                    Some(Err(why)) => {
                        let bye = PhoneServerMsg::Bye { why: format!("A message cannot be read: {why}") };
                        return Ok(send(out, phone_text(&bye)).await?);
                    }
                };
                if wanted.try_send((call, intent)).is_err() {
                    let why = ApiError::TooMany.to_string();
                    send(out, phone_text(&PhoneServerMsg::No { call, why })).await?;
                }
            }
            _ = touch.tick() => app.accounts.touch(id),
            // A page cannot see a ping. What it should be doing, said again, is one that it can.
            _ = pulse.tick() => states.mark_changed(),
            () = clock.sleep_until(renew) => {
                token = mint()?;
                send(out, phone_text(&token_msg(&token))).await?;
            }
            // Last: what has been said and not been read, because it was us who stood still, counts.
            () = tokio::time::sleep_until(heard + SILENCE) => return Err(Left::Gone),
        }
    }
}
