//! What is live and may be lost: the board that consoles follow, who is connected, and what each phone page
//! should be doing.
//!
//! Losing all of it loses no truth: it is rebuilt from the store at start. Deltas are encoded once for
//! everybody who may see the same ([`Audience`]) and handed over in the order of their board revisions, whatever
//! order their commits came back in. Nothing here waits for a client: one that is too slow is told to resync.
//!
//! [`Live`] is an enum because a second kind, with Redis between many servers, will stand beside the one in
//! memory. It must not know the store, the carrier or the sockets. Read next:
//! `live/here.rs` (who is connected), `ws.rs`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::extract::ws::Utf8Bytes;
use cordboard_core::{
    board::{At, Board, Card, Online, Snapshot, Status},
    call::LegState,
    ids::{CallId, Emergency, Rev, SessionId, Timestamp, UserId},
    machine::{Finish, Intent, PhonePage},
    policy::{Permission, Rights},
    secret::Secret,
    wire::{
        Delta, EmergencyAddress, PageBeat, PageOrder, PageState, PairingAsk, PersonPresence,
        PhoneHeld, PhoneOffer, PhoneSeat, PhoneState, Position, ServerMsg,
    },
};
use tokio::sync::broadcast;

mod here;

use here::{Consoles, PhoneLine};
pub use here::{Doing, Page, PageCall, Paired};

/// How many deltas a console may be behind before it is sent a snapshot instead.
const BEHIND: usize = 1024;

/// A phone page is unreachable when it has not been heard of for so long (it says something every 2 s).
pub const PAGE_SILENCE_MS: i64 = 5_000;

/// How often it is looked whose page has fallen silent, and how much later than that a look may come and still
/// count.
pub const REVIEW_MS: i64 = 500;
const LATE_MS: i64 = 1_000;

/// Who may see the same, and is sent the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Those who may see who is calling.
    Desk,
    /// Those who may not: a wall.
    Wall,
}

impl Audience {
    /// Whose rights are these?
    pub const fn of(rights: Rights) -> Self {
        if rights.has(Permission::Board) {
            Self::Desk
        } else {
            Self::Wall
        }
    }

    /// The message as they are told it.
    pub fn told(self, msg: ServerMsg) -> ServerMsg {
        match self {
            Self::Desk => msg,
            Self::Wall => msg.redacted(),
        }
    }
}

/// Something that concerns the sockets of one sign-in or one person. Each socket picks out its own.
#[derive(Debug, Clone)]
pub enum Notice {
    /// That sign-in is over.
    SignedOut(SessionId),
    /// That person may do other things than before, or nothing any more.
    Changed(UserId),
    /// A page of that console has come, gone, or is other than it was.
    Pages(SessionId),
    /// A page wants to be paired with that console; none: not any more.
    Pairing(SessionId, Option<PairingAsk>),
}

/// Live state. Clones share it.
#[derive(Clone)]
pub enum Live {
    /// In this process.
    Memory(Arc<Memory>),
}

/// Live state in this process.
pub struct Memory {
    hub: Mutex<Hub>,
    deltas: broadcast::Sender<Frame>,
    walls: broadcast::Sender<Frame>,
    outcomes: broadcast::Sender<Ended>,
    notices: broadcast::Sender<Notice>,
    emergency_address: Mutex<EmergencyAddress>,
    // Whoever takes more than one of these takes them in this order, after the hub.
    phones: Mutex<HashMap<UserId, PhoneLine>>,
    consoles: Mutex<Consoles>,
    sockets: AtomicU64,
    started: Timestamp,
}

struct Hub {
    board: Board,
    /// Deltas whose predecessors have not come back from the store yet.
    early: BTreeMap<Rev, Delta>,
    snapshot: Option<(Rev, Utf8Bytes)>,
    wall: Option<(Rev, Utf8Bytes)>,
}

impl Hub {
    fn position(&self) -> Position {
        Position {
            epoch: self.board.epoch.clone(),
            rev: self.board.rev,
        }
    }
}

/// One message for every console, encoded once.
#[derive(Clone)]
pub struct Frame {
    /// The board revision it brings; none for what stands outside the count.
    pub rev: Option<Rev>,
    /// The message.
    pub text: Utf8Bytes,
}

/// The end of a command.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Whose it was.
    pub by: UserId,
    /// Its id.
    pub command: Box<str>,
    /// Its call.
    pub call: CallId,
    /// How it ended.
    pub result: Finish,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every critical section here leaves its data whole at each step, so a panic in another thread spoils
    // nothing.
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Encodes a message for a console.
pub fn encode(msg: &ServerMsg) -> Utf8Bytes {
    serde_json::to_string(msg)
        .expect("wire messages are plain data")
        .into()
}

impl Live {
    /// Live state in this process, with the board as the store has it.
    pub fn memory(board: Board, started: Timestamp) -> Self {
        Self::Memory(Arc::new(Memory {
            hub: Mutex::new(Hub {
                board,
                early: BTreeMap::new(),
                snapshot: None,
                wall: None,
            }),
            deltas: broadcast::channel(BEHIND).0,
            walls: broadcast::channel(BEHIND).0,
            outcomes: broadcast::channel(BEHIND).0,
            notices: broadcast::channel(BEHIND).0,
            emergency_address: Mutex::default(),
            phones: Mutex::default(),
            consoles: Mutex::default(),
            sockets: AtomicU64::default(),
            started,
        }))
    }

    fn memory_ref(&self) -> &Memory {
        match self {
            Self::Memory(memory) => memory,
        }
    }

    /// Follows everything that is sent to consoles. Subscribe before taking the snapshot, and pass over what it
    /// already shows.
    pub fn subscribe(&self, audience: Audience) -> broadcast::Receiver<Frame> {
        match audience {
            Audience::Desk => self.memory_ref().deltas.subscribe(),
            Audience::Wall => self.memory_ref().walls.subscribe(),
        }
    }

    /// Follows what concerns single sockets.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.memory_ref().notices.subscribe()
    }

    /// Tells the sockets whom it concerns.
    pub fn notice(&self, notice: Notice) {
        // Nobody listening is no error.
        let _ = self.memory_ref().notices.send(notice);
    }

    /// Follows the ends of commands.
    pub fn outcomes(&self) -> broadcast::Receiver<Ended> {
        self.memory_ref().outcomes.subscribe()
    }

    /// The board, encoded, and its revision.
    pub fn snapshot(&self, audience: Audience) -> (Rev, Utf8Bytes) {
        let mut hub = locked(&self.memory_ref().hub);
        let rev = hub.board.rev;
        let kept = match audience {
            Audience::Desk => &hub.snapshot,
            Audience::Wall => &hub.wall,
        };
        if let Some((at, text)) = kept
            && *at == rev
        {
            return (rev, text.clone());
        }
        let board = ServerMsg::Snapshot(Box::new(hub.board.snapshot()));
        let text = encode(&audience.told(board));
        let kept = Some((rev, text.clone()));
        match audience {
            Audience::Desk => hub.snapshot = kept,
            Audience::Wall => hub.wall = kept,
        }
        (rev, text)
    }

    /// The board as data.
    pub fn board(&self) -> Snapshot {
        locked(&self.memory_ref().hub).board.snapshot()
    }

    /// Where the board is.
    pub fn position(&self) -> Position {
        locked(&self.memory_ref().hub).position()
    }

    /// Where the board is, for a pulse.
    pub fn pulse(&self, now: Timestamp) -> ServerMsg {
        let hub = locked(&self.memory_ref().hub);
        ServerMsg::Pulse {
            at: hub.position(),
            digest: format!("{:016x}", hub.board.digest()),
            now,
        }
    }

    /// Sends deltas on, in order. One whose predecessor is still on its way waits for it. Returns the revisions
    /// that are missing, if any.
    pub fn publish(&self, deltas: impl IntoIterator<Item = Delta>) -> Option<(Rev, Rev)> {
        let memory = self.memory_ref();
        let mut touched: Vec<UserId> = Vec::new();
        let mut hub = locked(&memory.hub);
        hub.early.extend(deltas.into_iter().map(|d| (d.at.rev, d)));
        while let Some(entry) = hub.early.first_entry() {
            let rev = *entry.key();
            if rev > hub.board.rev + 1 {
                break;
            }
            let Some((_, delta)) = hub.early.pop_first() else {
                break;
            };
            if let Some(card) = delta.card() {
                let before = hub.board.calls.get(&card.id);
                touched.extend(before.map(Card::concerns).unwrap_or_default());
                touched.extend(card.concerns());
            }
            if hub.board.apply(&delta) == Ok(true) {
                memory.everybody(Some(rev), ServerMsg::Delta(Box::new(delta)));
            }
        }
        touched.sort_unstable();
        touched.dedup();
        let phones = locked(&memory.phones);
        for user in touched {
            if let Some(line) = phones.get(&user) {
                line.shall(phone_state(&hub.board, user));
            }
        }
        hub.early
            .keys()
            .next()
            .map(|first| (hub.board.rev + 1, *first - 1))
    }

    /// What that would do to the call, in words ([`Board::would`]).
    pub fn would(&self, card: &Card, intent: &Intent) -> String {
        locked(&self.memory_ref().hub).board.would(card, intent)
    }

    /// Tells that a command has ended.
    pub fn ended(&self, ended: Ended) {
        let _ = self.memory_ref().outcomes.send(ended);
    }

    /// Orders somebody's page to dial for help. Whether there is one that hears it: the order goes to the page that
    /// is their phone, else to the one that was heard of last, and to no other, or each would dial.
    pub fn emergency(&self, user: UserId, number: Emergency, now: Timestamp) -> bool {
        let phones = locked(&self.memory_ref().phones);
        let Some(line) = phones.get(&user) else {
            return false;
        };
        let mut tabs: Vec<&here::Tab> = line.tabs.iter().filter(|tab| tab.ready(now)).collect();
        tabs.sort_by_key(|tab| std::cmp::Reverse((Some(tab.id) == line.active, tab.heard)));
        tabs.iter()
            .any(|tab| tab.orders.try_send(PageCall::Help(number)).is_ok())
    }

    /// Whether a call for help would show an address, as the carrier last said.
    pub fn emergency_address(&self) -> EmergencyAddress {
        *locked(&self.memory_ref().emergency_address)
    }

    /// The carrier has said whether it would. Whether that is news; if so, every console is told.
    pub fn tell_emergency_address(&self, state: EmergencyAddress) -> bool {
        let memory = self.memory_ref();
        let news = std::mem::replace(&mut *locked(&memory.emergency_address), state) != state;
        if news {
            memory.everybody(None, ServerMsg::EmergencyAddress { state });
        }
        news
    }

    /// A console has connected. What comes back names its socket.
    pub fn console_connected(&self, user: UserId, now: Timestamp) -> u64 {
        let memory = self.memory_ref();
        let id = memory.sockets.fetch_add(1, Ordering::Relaxed);
        locked(&memory.consoles).opened(user, id, now);
        id
    }

    /// A console has said something over that socket.
    pub fn console_heard(&self, user: UserId, socket: u64, now: Timestamp) {
        locked(&self.memory_ref().consoles).heard(user, socket, now);
    }

    /// A console's socket is gone.
    pub fn console_disconnected(&self, user: UserId, socket: u64) {
        locked(&self.memory_ref().consoles).closed(user, socket);
    }

    /// What a person says of themselves is something else now.
    pub fn status(&self, user: UserId, status: Status) {
        let memory = self.memory_ref();
        let mut hub = locked(&memory.hub);
        let news = hub.board.people.get(&user).map(|p| PersonPresence {
            status,
            ..p.presence()
        });
        memory.tell(&mut hub, news.into_iter().collect());
    }

    /// A page has connected.
    pub fn page_connected(&self, user: UserId, paired: Paired, now: Timestamp) -> Page {
        let memory = self.memory_ref();
        let (page, told) = {
            let hub = locked(&memory.hub);
            let state = phone_state(&hub.board, user);
            let mut phones = locked(&memory.phones);
            let line = phones.entry(user).or_default();
            let id = memory.sockets.fetch_add(1, Ordering::Relaxed);
            line.shall(state);
            let page = line.open(id, paired);
            line.choose(now);
            (page, line.consoles())
        };
        self.pages_changed(told);
        page
    }

    /// A page's socket is gone. The page itself may be back in a moment.
    pub fn page_disconnected(&self, user: UserId, tab: u64, now: Timestamp) {
        let mut told = Vec::new();
        if let Some(line) = locked(&self.memory_ref().phones).get_mut(&user) {
            told = line.consoles();
            line.tabs.retain(|t| t.id != tab);
            line.choose(now);
        }
        self.pages_changed(told);
    }

    /// The person says that this page is their phone, and none of the others.
    pub fn page_taken(&self, user: UserId, tab: u64, now: Timestamp) {
        let mut told = Vec::new();
        if let Some(line) = locked(&self.memory_ref().phones).get_mut(&user)
            && line.take(tab, now)
        {
            told = line.consoles();
        }
        self.pages_changed(told);
    }

    /// A page has gone for good. Whether its person is without one now.
    pub fn page_left(&self, user: UserId, now: Timestamp) -> bool {
        let mut phones = locked(&self.memory_ref().phones);
        let Some(line) = phones.get_mut(&user) else {
            return false;
        };
        if line.tabs.iter().any(|tab| tab.here(now)) {
            return false;
        }
        // Told as gone: the next look has nothing to add.
        (line.heard, line.silent) = (None, true);
        true
    }

    fn pages_changed(&self, mut consoles: Vec<SessionId>) {
        consoles.sort_unstable();
        consoles.dedup();
        for console in consoles {
            self.notice(Notice::Pages(console));
        }
    }

    /// The pages that are paired with a console of `user`, as far as they are connected.
    pub fn pages(&self, user: UserId, console: &SessionId, now: Timestamp) -> Vec<PageState> {
        let memory = self.memory_ref();
        let hub = locked(&memory.hub);
        let phones = locked(&memory.phones);
        let line = phones.get(&user);
        let active = line.and_then(|line| line.active);
        let tabs = line.into_iter().flat_map(|line| line.tabs.iter());
        tabs.filter(|tab| tab.paired.console.as_ref() == Some(console))
            .filter_map(|tab| {
                let sid = tab.beat.sid.as_deref();
                let with_it = |card: &&Card| {
                    let sids = card.legs.iter().filter_map(|leg| leg.sid.as_ref());
                    sid.is_some() && sids.into_iter().any(|s| Some(s.as_str()) == sid)
                };
                Some(PageState {
                    page: tab.paired.page.clone()?,
                    device: tab.paired.device.clone(),
                    here: tab.here(now),
                    ready: tab.ready(now),
                    active: active == Some(tab.id),
                    muted: tab.beat.muted,
                    trouble: tab.beat.trouble,
                    quality: tab.beat.quality,
                    call: hub.board.calls_of(user).find(with_it).map(|card| card.id),
                })
            })
            .collect()
    }

    /// Orders a page of that console to do something. Whether it is there to hear it.
    pub fn order(
        &self,
        user: UserId,
        console: &SessionId,
        page: &SessionId,
        order: PageOrder,
    ) -> bool {
        let phones = locked(&self.memory_ref().phones);
        let Some(line) = phones.get(&user) else {
            return false;
        };
        let ours = line.tabs.iter().filter(|tab| {
            tab.paired.console.as_ref() == Some(console) && tab.paired.page.as_ref() == Some(page)
        });
        // Every socket of it: a page that has just reconnected may have two for a moment.
        ours.filter(|tab| tab.orders.try_send(PageCall::Order(order)).is_ok())
            .count()
            > 0
    }

    /// A page has said over that socket that it is alive. Nearly always that is no news, and costs nothing.
    pub fn page_heard(&self, user: UserId, tab: u64, beat: PageBeat, now: Timestamp) {
        let memory = self.memory_ref();
        let (page, told);
        {
            let mut phones = locked(&memory.phones);
            let Some(line) = phones.get_mut(&user) else {
                return;
            };
            let mut consoles = Vec::new();
            if let Some(tab) = line.tabs.iter_mut().find(|t| t.id == tab) {
                if tab.beat != beat || tab.told_silent || tab.heard.is_none() {
                    consoles.extend(tab.paired.console.clone());
                }
                (tab.heard, tab.beat, tab.told_silent) = (Some(now), beat, false);
            }
            if line.choose(now) {
                consoles = line.consoles();
            }
            told = consoles;
            line.heard = Some(now);
            line.ready = line.can_talk(now);
            line.silent = false;
            page = if line.ready {
                PhonePage::Ready
            } else {
                PhonePage::Unreachable
            };
        }
        self.pages_changed(told);
        {
            let mut phones = locked(&memory.phones);
            let shown = phones.get_mut(&user).map(|line| &mut line.shown);
            if shown.is_none_or(|shown| std::mem::replace(shown, page) == page) {
                return;
            }
        }
        // The hub before the phones, everywhere; the next review mends what another did in between.
        let mut hub = locked(&memory.hub);
        let news: Vec<PersonPresence> = hub
            .board
            .people
            .get(&user)
            .filter(|p| p.phone != page)
            .map(|p| PersonPresence {
                phone: page,
                ..p.presence()
            })
            .into_iter()
            .collect();
        memory.tell(&mut hub, news);
    }

    /// Looks whose page has fallen silent or come back, tells the consoles, and returns those that are newly
    /// gone. `last` is when it was looked before.
    pub fn review(&self, last: Timestamp, now: Timestamp) -> Vec<UserId> {
        let memory = self.memory_ref();
        let mut hub = locked(&memory.hub);
        let mut phones = locked(&memory.phones);
        let mut consoles = locked(&memory.consoles);
        if now.since(last) > REVIEW_MS + LATE_MS {
            // It is us who stood still, and what they said meanwhile is not read yet: to judge now would cost
            // everybody their call. Whoever was there is given all of their time again.
            for line in phones.values_mut().filter(|line| !line.silent) {
                line.heard = line.heard.map(|_| now);
                for tab in &mut line.tabs {
                    tab.heard = tab.heard.map(|_| now);
                }
            }
            consoles.pardon(now);
            return Vec::new();
        }
        let mut news = Vec::new();
        let mut gone = Vec::new();
        let mut silent_of: Vec<SessionId> = Vec::new();
        let settled = now.since(memory.started) > PAGE_SILENCE_MS + 1_000;
        for person in hub.board.people.values() {
            let user = person.id;
            let line = phones.get(&user);
            let silent = line
                .and_then(|l| l.heard)
                .is_some_and(|heard| now.since(heard) > PAGE_SILENCE_MS);
            let page = match line.and_then(|l| l.heard.map(|h| (h, l.ready))) {
                Some((heard, true)) if now.since(heard) <= PAGE_SILENCE_MS => PhonePage::Ready,
                // Just started: its page may be about to come back.
                None if !settled => PhonePage::Unknown,
                Some(_) | None => PhonePage::Unreachable,
            };
            let online = match consoles.online(user, settled, now) {
                // A page is somebody, too.
                Online::Offline | Online::Unknown
                    if line.is_some_and(|l| l.tabs.iter().any(|tab| tab.here(now))) =>
                {
                    Online::Online
                }
                online => online,
            };
            if (person.phone, person.online) != (page, online) {
                news.push(PersonPresence {
                    phone: page,
                    online,
                    ..person.presence()
                });
            }
            if let Some(line) = phones.get_mut(&user) {
                line.shown = page;
                for tab in &mut line.tabs {
                    if !tab.here(now) && !std::mem::replace(&mut tab.told_silent, true) {
                        silent_of.extend(tab.paired.console.clone());
                    }
                }
                if line.choose(now) {
                    silent_of.extend(line.consoles());
                }
                // Also one that could not talk before it fell silent: it is shown the same, and is gone all the
                // same.
                if silent && !std::mem::replace(&mut line.silent, silent) {
                    gone.push(user);
                }
            }
        }
        memory.tell(&mut hub, news);
        self.pages_changed(silent_of);
        gone
    }

    /// Whether somebody's page can be rung.
    pub fn page(&self, user: UserId) -> PhonePage {
        locked(&self.memory_ref().hub)
            .board
            .people
            .get(&user)
            .map(|p| p.phone)
            .unwrap_or_default()
    }
}

impl Memory {
    /// Puts news of pages on the board and tells the consoles.
    fn tell(&self, hub: &mut Hub, news: Vec<PersonPresence>) {
        if news.is_empty() {
            return;
        }
        hub.board.presence(&news);
        (hub.snapshot, hub.wall) = (None, None);
        self.everybody(None, ServerMsg::Presence { people: news });
    }

    /// Tells every console, each what it may see.
    fn everybody(&self, rev: Option<Rev>, msg: ServerMsg) {
        let frame = |msg: &ServerMsg| Frame {
            rev,
            text: encode(msg),
        };
        // Nobody listening is no error; but most houses have no wall to encode it a second time for.
        let _ = self.deltas.send(frame(&msg));
        if self.walls.receiver_count() > 0 {
            let _ = self.walls.send(frame(&Audience::Wall.told(msg)));
        }
    }
}

/// What a person's phone should be doing, as the board has it. The ticket is filled in by who sends it, and which page
/// is the phone by [`Doing::told`].
fn phone_state(board: &Board, user: UserId) -> PhoneState {
    let mut state = PhoneState::default();
    let mut seats: Vec<(bool, PhoneSeat)> = Vec::new();
    for card in board.calls_of(user) {
        let (name, number) = (card.caller.name.clone(), card.caller.number.clone());
        let (at, since) = (&card.place.at, card.place.since);
        let why = match at {
            At::Ringing { users, why, .. } if users.contains(&user) => Some(why.clone()),
            At::Transferring { to, .. } if *to == user.to_string() => Some("transfer".to_owned()),
            _ => None,
        };
        if let Some(why) = why {
            state.offers.push(PhoneOffer {
                call: card.id,
                name: name.clone(),
                number: number.clone(),
                why,
                since,
            });
        }
        if matches!(at, At::Held { user: by, .. } if *by == user) {
            state.held.push(PhoneHeld {
                call: card.id,
                name: name.clone(),
                number: number.clone(),
                since,
            });
        }
        let connecting = matches!(at, At::Connecting { user: u } if *u == user);
        // A page that calls for help does so by itself, and is told nothing about it.
        if card.with.contains(&user)
            && !card.emergency()
            && let Some(leg) = card.legs.iter().rev().find(|l| l.user == Some(user))
        {
            let seat = PhoneSeat {
                call: card.id,
                leg: leg.id.to_string(),
                ticket: Secret::default(),
                joined: leg.state == LegState::Joined,
                at: at.kind().to_owned(),
                name,
                number,
                since,
            };
            seats.push((connecting && leg.state < LegState::Joined, seat));
        }
    }
    // The call they are on the way to comes before the one they are leaving for it.
    seats.sort_by_key(|(connecting, _)| !connecting);
    state.seat = seats.into_iter().map(|(_, seat)| seat).next();
    if let Some(seat) = &state.seat {
        state.held.retain(|held| held.call != seat.call);
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use cordboard_core::board::{Online, Person, Status};

    fn beat(ready: bool) -> PageBeat {
        PageBeat {
            ready,
            ..PageBeat::default()
        }
    }

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn house() -> Live {
        let person = |n: u32| Person {
            id: UserId(n),
            extension: "101".into(),
            name: "Ada".into(),
            identity: "u1".into(),
            status: Status::default(),
            online: Online::Unknown,
            phone: PhonePage::Unknown,
            groups: Vec::new(),
            languages: Vec::new(),
            fallback: false,
            calls: Vec::new(),
        };
        let board = Board::new(Snapshot {
            epoch: "e".to_owned(),
            rev: 0,
            people: vec![person(1), person(2)],
            calls: Vec::new(),
            slots: Vec::new(),
            queues: Vec::new(),
            groups: Vec::new(),
        });
        Live::memory(board, START)
    }

    #[test]
    fn a_page_that_falls_silent_is_told_once_whoever_else_is_heard_meanwhile() {
        let live = house();
        let pages =
            [UserId(1), UserId(2)].map(|user| live.page_connected(user, Paired::default(), START));
        let [ada, grace] = [&pages[0], &pages[1]].map(|page| page.tab);
        live.page_heard(UserId(1), ada, beat(true), START);
        live.page_heard(UserId(2), grace, beat(true), START);
        assert_eq!(live.page(UserId(1)), PhonePage::Ready);
        let later = START.plus(PAGE_SILENCE_MS + 1);
        // The other's heartbeat must not be where the silence is noticed and forgotten.
        live.page_heard(UserId(2), grace, beat(true), later);
        assert_eq!(live.review(later.plus(-REVIEW_MS), later), [UserId(1)]);
        assert_eq!(live.page(UserId(1)), PhonePage::Unreachable);
        assert_eq!(live.review(later, later.plus(1)), []);
        // It comes back, cannot talk, and falls silent again.
        live.page_heard(UserId(1), ada, beat(false), later.plus(2));
        assert_eq!(live.page(UserId(1)), PhonePage::Unreachable);
        let end = later.plus(2 * PAGE_SILENCE_MS);
        assert!(live.review(end.plus(-REVIEW_MS), end).contains(&UserId(1)));
        drop(pages);
    }

    #[test]
    fn when_the_server_stood_still_nobody_is_gone_for_it_and_whoever_stays_silent_is_gone_later() {
        let live = house();
        let pages =
            [UserId(1), UserId(2)].map(|user| live.page_connected(user, Paired::default(), START));
        let [ada, grace] = [&pages[0], &pages[1]].map(|page| page.tab);
        live.page_heard(UserId(1), ada, beat(true), START);
        live.page_heard(UserId(2), grace, beat(true), START);
        let last = START.plus(REVIEW_MS);
        assert_eq!(live.review(START, last), []);
        let resumed = last.plus(30_000);
        assert_eq!(
            live.review(last, resumed),
            [],
            "before what they said was read"
        );
        assert_eq!(live.page(UserId(1)), PhonePage::Ready);
        // One of them was there all the time; the other had really gone.
        live.page_heard(UserId(1), ada, beat(true), resumed.plus(1));
        let end = resumed.plus(PAGE_SILENCE_MS + 1);
        assert_eq!(live.review(end.plus(-REVIEW_MS), end), [UserId(2)]);
        drop(pages);
    }

    #[test]
    fn a_heartbeat_that_changes_nothing_tells_nobody_and_one_that_does_tells_everybody() {
        let live = house();
        let page = live.page_connected(UserId(1), Paired::default(), START);
        let mut news = live.subscribe(Audience::Desk);
        live.page_heard(UserId(1), page.tab, beat(true), START);
        live.page_heard(UserId(1), page.tab, beat(true), START.plus(2_000));
        live.page_heard(UserId(1), page.tab, beat(false), START.plus(4_000));
        let told: Vec<String> = std::iter::from_fn(|| news.try_recv().ok())
            .map(|frame| frame.text.to_string())
            .collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].contains("ready") && told[1].contains("unreachable"),
            "{told:?}"
        );
    }

    #[test]
    fn of_several_pages_one_is_the_phone_and_another_only_when_it_cannot_be_or_is_taken() {
        let live = house();
        let ada = UserId(1);
        let open = || live.page_connected(ada, Paired::default(), START);
        let active = |page: &Page| page.states.borrow().told(page.tab).active;
        let hear = |page: &Page, beat, at| live.page_heard(ada, page.tab, beat, at);
        let talking = |ready| PageBeat {
            sid: Some("CA1".to_owned()),
            ..beat(ready)
        };
        let [first, second] = [open(), open()];
        hear(&first, beat(true), START);
        hear(&second, beat(true), START);
        assert!(active(&first) && !active(&second));
        assert!(second.states.borrow().told(second.tab).other.is_some());
        // Taken by its person, it is the phone, also where it has no microphone yet.
        live.page_taken(ada, second.tab, START);
        assert!(active(&second) && !active(&first));
        hear(&second, beat(false), START);
        assert!(active(&second) && live.page(ada) == PhonePage::Unreachable);
        // It falls silent while the other one is heard.
        let later = START.plus(PAGE_SILENCE_MS + 1);
        hear(&first, beat(true), later);
        assert_eq!(live.review(later.plus(-REVIEW_MS), later), []);
        assert!(active(&first) && live.page(ada) == PhonePage::Ready);
        // In a call, the one that talks stays the phone until the one that was taken can.
        hear(&first, talking(true), later);
        live.page_taken(ada, second.tab, later);
        hear(&second, beat(false), later);
        assert!(active(&first));
        hear(&first, talking(false), later);
        assert!(
            active(&first),
            "it talks, whatever else it lacks for a moment"
        );
        hear(&second, beat(true), later);
        assert!(active(&second));
        // It is closed.
        live.page_disconnected(ada, second.tab, later);
        assert!(active(&first));
        live.page_taken(ada, second.tab, later);
        assert!(active(&first), "who is gone takes nothing");
        // One that nobody has taken, and that can neither talk nor is in a call, makes room for one that can.
        let third = open();
        hear(&third, beat(true), later);
        assert!(active(&first));
        hear(&first, beat(false), later);
        assert!(active(&third));
    }

    #[test]
    fn an_order_to_dial_for_help_goes_to_one_page_that_hears_it_or_is_refused() {
        let live = house();
        let number = Emergency::recognise("911").unwrap();
        // A colleague's page hears nothing of it, and is nobody's page but theirs.
        let mut other = live.page_connected(UserId(2), Paired::default(), START);
        live.page_heard(UserId(2), other.tab, beat(true), START);
        assert!(!live.emergency(UserId(1), number, START));
        let [mut old, mut new, mut mute] =
            [(); 3].map(|()| live.page_connected(UserId(1), Paired::default(), START));
        live.page_heard(UserId(1), old.tab, beat(true), START);
        live.page_heard(UserId(1), new.tab, beat(true), START.plus(1_000));
        // A tab without a microphone neither dials nor makes the person unreachable.
        live.page_heard(UserId(1), mute.tab, beat(false), START.plus(1_500));
        assert_eq!(live.page(UserId(1)), PhonePage::Ready);
        let now = START.plus(2_000);
        live.page_taken(UserId(1), new.tab, START);
        assert!(live.emergency(UserId(1), number, now));
        assert_eq!(new.orders.try_recv(), Ok(PageCall::Help(number)));
        for page in [&mut old, &mut mute, &mut other] {
            assert!(page.orders.try_recv().is_err(), "two would dial");
        }
        // That tab is closed: the other one is asked. Both are closed: the page still counts as ready, because
        // it may be back in a moment, but nobody would hear.
        live.page_disconnected(UserId(1), new.tab, now);
        assert!(live.emergency(UserId(1), number, now));
        assert_eq!(old.orders.try_recv(), Ok(PageCall::Help(number)));
        live.page_disconnected(UserId(1), old.tab, now);
        assert_eq!(live.page(UserId(1)), PhonePage::Ready);
        assert!(!live.emergency(UserId(1), number, now));
        // One that has not been heard for too long may be asleep.
        let late = live.page_connected(UserId(1), Paired::default(), START);
        live.page_heard(UserId(1), late.tab, beat(true), now);
        assert!(!live.emergency(UserId(1), number, now.plus(PAGE_SILENCE_MS + 1)));
    }
}
