//! Who is connected, with what: consoles and phone pages.
//!
//! A page says something every 2 s and a console every 5 s; whoever falls silent is not there any more, whatever TCP
//! still believes. Nothing here is stored, and nothing here tells anybody: [`super::Live`] does. Read next: `ws.rs`.

use std::collections::HashMap;

use cordboard_core::{
    board::Online,
    ids::{Emergency, SafeText, SessionId, Timestamp, UserId},
    machine::PhonePage,
    wire::{PageOrder, PhoneState},
};
use tokio::sync::{mpsc, watch};

use super::PAGE_SILENCE_MS;

/// A console that has not been heard of for so long may be gone: its socket is cut off a little later. It pings every
/// 5 s, and one ping may be late.
const CONSOLE_SILENCE_MS: i64 = 12_000;

/// How many orders a page may be behind with.
const ORDERS: usize = 8;

/// Something that a page shall do at once. All else it is told as state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageCall {
    /// Dial for help.
    Help(Emergency),
    /// What its console asks.
    Order(PageOrder),
}

/// What comes to a phone page over one of its sockets.
pub struct Page {
    /// Which socket: what [`super::Live::page_heard`] and [`super::Live::page_disconnected`] are told.
    pub tab: u64,
    /// What the page should be doing, now and from now on.
    pub states: watch::Receiver<PhoneState>,
    /// What it shall do at once.
    pub orders: mpsc::Receiver<PageCall>,
}

/// Which page it is, where it was paired.
#[derive(Debug, Clone, Default)]
pub struct Paired {
    /// Its sign-in.
    pub page: Option<SessionId>,
    /// The console it was paired with.
    pub console: Option<SessionId>,
    /// What it calls itself.
    pub device: SafeText,
}

/// What a page has said last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beat {
    /// Whether it can talk.
    pub ready: bool,
    /// The CallSid of its one active call.
    pub sid: Option<String>,
    /// Whether its microphone is off.
    pub muted: Option<bool>,
}

/// A person's phone page, as far as we hear of it.
pub(super) struct PhoneLine {
    pub(super) state: watch::Sender<PhoneState>,
    /// The sockets that hold it. More than one: a second tab.
    pub(super) tabs: Vec<Tab>,
    pub(super) heard: Option<Timestamp>,
    pub(super) ready: bool,
    /// It was heard once and has been silent for too long, and that was told.
    pub(super) silent: bool,
    pub(super) shown: PhonePage,
}

impl Default for PhoneLine {
    fn default() -> Self {
        Self {
            state: watch::channel(PhoneState::default()).0,
            tabs: Vec::new(),
            heard: None,
            ready: false,
            silent: false,
            shown: PhonePage::Unknown,
        }
    }
}

/// One of the sockets that hold somebody's phone page.
pub(super) struct Tab {
    pub(super) id: u64,
    pub(super) paired: Paired,
    pub(super) heard: Option<Timestamp>,
    pub(super) beat: Beat,
    /// It was silent when its console was told of it last.
    pub(super) told_silent: bool,
    pub(super) orders: mpsc::Sender<PageCall>,
}

impl Tab {
    /// Whether it was heard a moment ago.
    pub(super) fn here(&self, now: Timestamp) -> bool {
        self.heard
            .is_some_and(|heard| now.since(heard) <= PAGE_SILENCE_MS)
    }

    /// Whether it could talk when it was last heard, a moment ago.
    pub(super) fn ready(&self, now: Timestamp) -> bool {
        self.beat.ready && self.here(now)
    }
}

impl PhoneLine {
    /// A further socket, and what comes over it.
    pub(super) fn open(&mut self, id: u64, paired: Paired) -> Page {
        let (sender, orders) = mpsc::channel(ORDERS);
        self.tabs.push(Tab {
            id,
            paired,
            heard: None,
            beat: Beat::default(),
            told_silent: false,
            orders: sender,
        });
        Page {
            tab: id,
            states: self.state.subscribe(),
            orders,
        }
    }
}

/// The consoles that are open, by person.
#[derive(Default)]
pub(super) struct Consoles {
    open: HashMap<UserId, Vec<(u64, Timestamp)>>,
}

impl Consoles {
    pub(super) fn opened(&mut self, user: UserId, id: u64, now: Timestamp) {
        self.open.entry(user).or_default().push((id, now));
    }

    pub(super) fn heard(&mut self, user: UserId, id: u64, now: Timestamp) {
        if let Some(list) = self.open.get_mut(&user)
            && let Some((_, heard)) = list.iter_mut().find(|(n, _)| *n == id)
        {
            *heard = now;
        }
    }

    pub(super) fn closed(&mut self, user: UserId, id: u64) {
        if let Some(list) = self.open.get_mut(&user) {
            list.retain(|(n, _)| *n != id);
            if list.is_empty() {
                self.open.remove(&user);
            }
        }
    }

    /// Gives everybody all of their time again: it was us who stood still.
    pub(super) fn pardon(&mut self, now: Timestamp) {
        for (_, heard) in self.open.values_mut().flatten() {
            *heard = now;
        }
    }

    /// Whether a person is there, as far as their consoles say. `settled`: the server has run for long enough for
    /// those who were there to have come back.
    pub(super) fn online(&self, user: UserId, settled: bool, now: Timestamp) -> Online {
        match self.open.get(&user) {
            Some(list)
                if list
                    .iter()
                    .any(|(_, heard)| now.since(*heard) <= CONSOLE_SILENCE_MS) =>
            {
                Online::Online
            }
            None if settled => Online::Offline,
            Some(_) | None => Online::Unknown,
        }
    }
}
