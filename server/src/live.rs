//! What is live and may be lost: the board that consoles follow, who is connected, and what each phone page
//! should be doing.
//!
//! Losing all of it loses no truth: it is rebuilt from the store at start. Deltas are encoded once for
//! everybody and handed over in the order of their board revisions, whatever order their commits came back in.
//! Nothing here waits for a client: one that is too slow is told to resync.
//!
//! [`Live`] is an enum because a second kind, with Redis between many servers, will stand beside the one in
//! memory. It must not know the store, the carrier or the sockets. Read next: `ws.rs`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::extract::ws::Utf8Bytes;
use cordboard_core::{
    board::{At, Board, Card, Presence, Snapshot},
    call::LegState,
    ids::{CallId, Emergency, LegId, Rev, Timestamp, UserId},
    machine::{Finish, Intent, PhonePage},
    wire::{Delta, EmergencyAddress, PersonPresence, PhoneOffer, PhoneState, Position, ServerMsg},
};
use tokio::sync::{broadcast, mpsc, watch};

/// How many deltas a console may be behind before it is sent a snapshot instead.
const BEHIND: usize = 1024;

/// A phone page is unreachable when it has not been heard of for so long (it says something every 2 s).
pub const PAGE_SILENCE_MS: i64 = 5_000;

/// How often it is looked whose page has fallen silent, and how much later than that a look may come and still
/// count.
pub const REVIEW_MS: i64 = 500;
const LATE_MS: i64 = 1_000;

/// How many orders to dial for help a page may be behind with.
const ORDERS: usize = 4;

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
    outcomes: broadcast::Sender<Ended>,
    emergency_address: Mutex<EmergencyAddress>,
    phones: Mutex<HashMap<UserId, PhoneLine>>,
    tabs: AtomicU64,
    started: Timestamp,
}

struct Hub {
    board: Board,
    /// Deltas whose predecessors have not come back from the store yet.
    early: BTreeMap<Rev, Delta>,
    snapshot: Option<(Rev, Utf8Bytes)>,
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

/// A person's phone page, as far as we hear of it.
struct PhoneLine {
    state: watch::Sender<PhoneState>,
    /// The sockets that hold it. More than one: a second tab.
    tabs: Vec<Tab>,
    heard: Option<Timestamp>,
    ready: bool,
    /// It was heard once and has been silent for too long, and that was told.
    silent: bool,
    shown: PhonePage,
}

/// One of the sockets that hold somebody's phone page.
struct Tab {
    id: u64,
    heard: Option<Timestamp>,
    ready: bool,
    orders: mpsc::Sender<Emergency>,
}

impl Tab {
    /// Whether it could talk when it was last heard, a moment ago.
    fn ready(&self, now: Timestamp) -> bool {
        self.ready
            && self
                .heard
                .is_some_and(|heard| now.since(heard) <= PAGE_SILENCE_MS)
    }
}

/// What comes to a phone page over one of its sockets.
pub struct Page {
    /// Which socket: what [`Live::page_heard`] and [`Live::page_disconnected`] are told.
    pub tab: u64,
    /// What the page should be doing, now and from now on.
    pub states: watch::Receiver<PhoneState>,
    /// Orders to dial for help at once.
    pub orders: mpsc::Receiver<Emergency>,
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
            }),
            deltas: broadcast::channel(BEHIND).0,
            outcomes: broadcast::channel(BEHIND).0,
            emergency_address: Mutex::default(),
            phones: Mutex::default(),
            tabs: AtomicU64::default(),
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
    pub fn subscribe(&self) -> broadcast::Receiver<Frame> {
        self.memory_ref().deltas.subscribe()
    }

    /// Follows the ends of commands.
    pub fn outcomes(&self) -> broadcast::Receiver<Ended> {
        self.memory_ref().outcomes.subscribe()
    }

    /// The board, encoded, and its revision.
    pub fn snapshot(&self) -> (Rev, Utf8Bytes) {
        let mut hub = locked(&self.memory_ref().hub);
        let rev = hub.board.rev;
        if let Some((at, text)) = &hub.snapshot
            && *at == rev
        {
            return (rev, text.clone());
        }
        let text = encode(&ServerMsg::Snapshot(Box::new(hub.board.snapshot())));
        hub.snapshot = Some((rev, text.clone()));
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
            touched.extend(
                hub.board
                    .calls
                    .get(&delta.call.id)
                    .map(Card::concerns)
                    .unwrap_or_default(),
            );
            touched.extend(delta.call.concerns());
            if hub.board.apply(&delta) == Ok(true) {
                let text = encode(&ServerMsg::Delta(Box::new(delta)));
                // Nobody listening is no error.
                let _ = memory.deltas.send(Frame {
                    rev: Some(rev),
                    text,
                });
            }
        }
        touched.sort_unstable();
        touched.dedup();
        let phones = locked(&memory.phones);
        for user in touched {
            if let Some(line) = phones.get(&user) {
                let state = phone_state(&hub.board, user);
                line.state.send_if_modified(|now| {
                    let new = *now != state;
                    *now = state;
                    new
                });
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

    /// Orders somebody's page to dial for help. Whether there is one that hears it: the order goes to the tab
    /// that was heard of last, and to no other, or each would dial.
    pub fn emergency(&self, user: UserId, number: Emergency, now: Timestamp) -> bool {
        let phones = locked(&self.memory_ref().phones);
        let Some(line) = phones.get(&user) else {
            return false;
        };
        let mut tabs: Vec<&Tab> = line.tabs.iter().filter(|tab| tab.ready(now)).collect();
        tabs.sort_by_key(|tab| std::cmp::Reverse(tab.heard));
        tabs.iter().any(|tab| tab.orders.try_send(number).is_ok())
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
            // Nobody listening is no error.
            let _ = memory.deltas.send(Frame {
                rev: None,
                text: encode(&ServerMsg::EmergencyAddress { state }),
            });
        }
        news
    }

    /// A page has connected.
    pub fn page_connected(&self, user: UserId) -> Page {
        let memory = self.memory_ref();
        let hub = locked(&memory.hub);
        let state = phone_state(&hub.board, user);
        let mut phones = locked(&memory.phones);
        let line = phones.entry(user).or_insert_with(|| PhoneLine {
            state: watch::channel(PhoneState::default()).0,
            tabs: Vec::new(),
            heard: None,
            ready: false,
            silent: false,
            shown: PhonePage::Unknown,
        });
        let id = memory.tabs.fetch_add(1, Ordering::Relaxed);
        let (sender, orders) = mpsc::channel(ORDERS);
        line.tabs.push(Tab {
            id,
            heard: None,
            ready: false,
            orders: sender,
        });
        line.state.send_replace(state);
        Page {
            tab: id,
            states: line.state.subscribe(),
            orders,
        }
    }

    /// A page's socket is gone. The page itself may be back in a moment.
    pub fn page_disconnected(&self, user: UserId, tab: u64) {
        if let Some(line) = locked(&self.memory_ref().phones).get_mut(&user) {
            line.tabs.retain(|t| t.id != tab);
        }
    }

    /// A page has said over that socket that it is alive. Nearly always that is no news, and costs nothing.
    pub fn page_heard(&self, user: UserId, tab: u64, ready: bool, now: Timestamp) {
        let memory = self.memory_ref();
        let page;
        {
            let mut phones = locked(&memory.phones);
            let Some(line) = phones.get_mut(&user) else {
                return;
            };
            if let Some(tab) = line.tabs.iter_mut().find(|t| t.id == tab) {
                (tab.heard, tab.ready) = (Some(now), ready);
            }
            line.heard = Some(now);
            line.ready = line.tabs.iter().any(|tab| tab.ready(now));
            line.silent = false;
            page = if line.ready {
                PhonePage::Ready
            } else {
                PhonePage::Unreachable
            };
            if line.shown == page {
                return;
            }
            line.shown = page;
        }
        // The hub before the phones, everywhere; the next review mends what another did in between.
        let mut hub = locked(&memory.hub);
        let news: Vec<PersonPresence> = hub
            .board
            .people
            .get(&user)
            .filter(|p| p.phone != page)
            .map(|p| PersonPresence {
                id: user,
                phone: page,
                presence: p.presence,
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
        if now.since(last) > REVIEW_MS + LATE_MS {
            // It is us who stood still, and what they said meanwhile is not read yet: to judge now would cost
            // everybody their call. Whoever was there is given all of their time again.
            for line in phones.values_mut().filter(|line| !line.silent) {
                line.heard = line.heard.map(|_| now);
            }
            return Vec::new();
        }
        let mut news = Vec::new();
        let mut gone = Vec::new();
        let settled = now.since(memory.started) > PAGE_SILENCE_MS + 1_000;
        let people: Vec<(UserId, Presence)> = hub
            .board
            .people
            .values()
            .map(|p| (p.id, p.presence))
            .collect();
        for (user, presence) in people {
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
            let shown = hub
                .board
                .people
                .get(&user)
                .map(|p| p.phone)
                .unwrap_or_default();
            if shown != page {
                news.push(PersonPresence {
                    id: user,
                    phone: page,
                    presence,
                });
            }
            if let Some(line) = phones.get_mut(&user) {
                line.shown = page;
                // Also one that could not talk before it fell silent: it is shown the same, and is gone all the
                // same.
                if silent && !std::mem::replace(&mut line.silent, silent) {
                    gone.push(user);
                }
            }
        }
        memory.tell(&mut hub, news);
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
        hub.snapshot = None;
        // Nobody listening is no error.
        let _ = self.deltas.send(Frame {
            rev: None,
            text: encode(&ServerMsg::Presence { people: news }),
        });
    }
}

/// What a person's page should be doing, as the board has it. The ticket is filled in by who sends it.
fn phone_state(board: &Board, user: UserId) -> PhoneState {
    let mut state = PhoneState::default();
    let mut seats: Vec<(bool, LegId, LegState)> = Vec::new();
    for card in board.calls_of(user) {
        let why = match &card.place.at {
            At::Ringing { users, why, .. } if users.contains(&user) => Some(why.clone()),
            At::Transferring { to, .. } if *to == user.to_string() => Some("transfer".to_owned()),
            _ => None,
        };
        if let Some(why) = why {
            let (name, number) = (card.caller.name.clone(), card.caller.number.clone());
            state.offers.push(PhoneOffer {
                call: card.id,
                name,
                number,
                why,
            });
        }
        let connecting = matches!(card.place.at, At::Connecting { user: u } if u == user);
        // A page that calls for help does so by itself, and is told nothing about it.
        if card.with.contains(&user)
            && !card.emergency()
            && let Some(leg) = card.legs.iter().rev().find(|l| l.user == Some(user))
        {
            seats.push((
                connecting && leg.state < LegState::Joined,
                leg.id,
                leg.state,
            ));
        }
    }
    // The call they are on the way to comes before the one they are leaving for it.
    seats.sort_by_key(|(connecting, ..)| !connecting);
    state.seat = seats
        .first()
        .map(|(_, leg, leg_state)| cordboard_core::wire::PhoneSeat {
            call: leg.call,
            leg: leg.to_string(),
            ticket: String::new(),
            joined: *leg_state == LegState::Joined,
        });
    state
}

#[cfg(test)]
mod tests {
    use super::*;
    use cordboard_core::board::Person;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn house() -> Live {
        let person = |n: u32| Person {
            id: UserId(n),
            extension: "101".into(),
            name: "Ada".into(),
            identity: "u1".into(),
            presence: Presence::default(),
            phone: PhonePage::Unknown,
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
        });
        Live::memory(board, START)
    }

    #[test]
    fn a_page_that_falls_silent_is_told_once_whoever_else_is_heard_meanwhile() {
        let live = house();
        let pages = [UserId(1), UserId(2)].map(|user| live.page_connected(user));
        let [ada, grace] = [&pages[0], &pages[1]].map(|page| page.tab);
        live.page_heard(UserId(1), ada, true, START);
        live.page_heard(UserId(2), grace, true, START);
        assert_eq!(live.page(UserId(1)), PhonePage::Ready);
        let later = START.plus(PAGE_SILENCE_MS + 1);
        // The other's heartbeat must not be where the silence is noticed and forgotten.
        live.page_heard(UserId(2), grace, true, later);
        assert_eq!(live.review(later.plus(-REVIEW_MS), later), [UserId(1)]);
        assert_eq!(live.page(UserId(1)), PhonePage::Unreachable);
        assert_eq!(live.review(later, later.plus(1)), []);
        // It comes back, cannot talk, and falls silent again.
        live.page_heard(UserId(1), ada, false, later.plus(2));
        assert_eq!(live.page(UserId(1)), PhonePage::Unreachable);
        let end = later.plus(2 * PAGE_SILENCE_MS);
        assert!(live.review(end.plus(-REVIEW_MS), end).contains(&UserId(1)));
        drop(pages);
    }

    #[test]
    fn when_the_server_stood_still_nobody_is_gone_for_it_and_whoever_stays_silent_is_gone_later() {
        let live = house();
        let pages = [UserId(1), UserId(2)].map(|user| live.page_connected(user));
        let [ada, grace] = [&pages[0], &pages[1]].map(|page| page.tab);
        live.page_heard(UserId(1), ada, true, START);
        live.page_heard(UserId(2), grace, true, START);
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
        live.page_heard(UserId(1), ada, true, resumed.plus(1));
        let end = resumed.plus(PAGE_SILENCE_MS + 1);
        assert_eq!(live.review(end.plus(-REVIEW_MS), end), [UserId(2)]);
        drop(pages);
    }

    #[test]
    fn a_heartbeat_that_changes_nothing_tells_nobody_and_one_that_does_tells_everybody() {
        let live = house();
        let page = live.page_connected(UserId(1));
        let mut news = live.subscribe();
        live.page_heard(UserId(1), page.tab, true, START);
        live.page_heard(UserId(1), page.tab, true, START.plus(2_000));
        live.page_heard(UserId(1), page.tab, false, START.plus(4_000));
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
    fn an_order_to_dial_for_help_goes_to_one_page_that_hears_it_or_is_refused() {
        let live = house();
        let number = Emergency::recognise("911").unwrap();
        // A colleague's page hears nothing of it, and is nobody's page but theirs.
        let mut other = live.page_connected(UserId(2));
        live.page_heard(UserId(2), other.tab, true, START);
        assert!(!live.emergency(UserId(1), number, START));
        let [mut old, mut new, mut mute] = [(); 3].map(|()| live.page_connected(UserId(1)));
        live.page_heard(UserId(1), old.tab, true, START);
        live.page_heard(UserId(1), new.tab, true, START.plus(1_000));
        // A tab without a microphone neither dials nor makes the person unreachable.
        live.page_heard(UserId(1), mute.tab, false, START.plus(1_500));
        assert_eq!(live.page(UserId(1)), PhonePage::Ready);
        let now = START.plus(2_000);
        assert!(live.emergency(UserId(1), number, now));
        assert_eq!(new.orders.try_recv(), Ok(number));
        for page in [&mut old, &mut mute, &mut other] {
            assert!(page.orders.try_recv().is_err(), "two would dial");
        }
        // That tab is closed: the other one is asked. Both are closed: the page still counts as ready, because
        // it may be back in a moment, but nobody would hear.
        live.page_disconnected(UserId(1), new.tab);
        assert!(live.emergency(UserId(1), number, now));
        assert_eq!(old.orders.try_recv(), Ok(number));
        live.page_disconnected(UserId(1), old.tab);
        assert_eq!(live.page(UserId(1)), PhonePage::Ready);
        assert!(!live.emergency(UserId(1), number, now));
        // One that has not been heard for too long may be asleep.
        let late = live.page_connected(UserId(1));
        live.page_heard(UserId(1), late.tab, true, now);
        assert!(!live.emergency(UserId(1), number, now.plus(PAGE_SILENCE_MS + 1)));
    }
}
