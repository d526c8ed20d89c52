//! Who is connected, with what: consoles and phone pages, and which of a person's pages is the phone.
//!
//! A page says something every 2 s and a console every 5 s; whoever falls silent is not there any more, whatever TCP
//! still believes. Nothing here is stored, and nothing here tells anybody: [`super::Live`] does. Read next:
//! `live/pages.rs`.

use std::collections::HashMap;

use cordboard_core::{
    board::Online,
    ids::{Emergency, SafeText, SessionId, Timestamp, UserId},
    machine::PhonePage,
    wire::{PageBeat, PageOrder, PhoneState},
};
use tokio::sync::{mpsc, watch};

/// A phone page is unreachable when it has not been heard of for so long (it says something every 2 s).
pub const PAGE_SILENCE_MS: i64 = 5_000;

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

/// What a person's phone should be doing, and which of their pages is it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Doing {
    state: PhoneState,
    active: Option<u64>,
    /// What that page calls itself.
    device: SafeText,
}

impl Doing {
    /// What the page behind a socket is told.
    pub fn told(&self, tab: u64) -> PhoneState {
        if self.active == Some(tab) {
            return PhoneState {
                active: true,
                ..self.state.clone()
            };
        }
        PhoneState {
            other: self.active.map(|_| self.device.clone()),
            ..PhoneState::default()
        }
    }
}

/// What comes to a phone page over one of its sockets.
pub struct Page {
    /// Which socket: what [`super::Live::page_heard`] and [`super::Live::page_disconnected`] are told.
    pub tab: u64,
    /// What the page should be doing, now and from now on.
    pub states: watch::Receiver<Doing>,
    /// What it shall do at once.
    pub orders: mpsc::Receiver<PageCall>,
}

/// Whose pages have fallen silent, as far as it was not told before.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Silent {
    /// They cannot be reached, and need not be waited for: what rings for them rings elsewhere.
    pub unreachable: Vec<UserId>,
    /// They are not coming back to the call that they were in.
    pub gone: Vec<UserId>,
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
    /// The call that it was in already when it came.
    pub sid: Option<String>,
}

/// A person's phone page, as far as we hear of it.
pub(super) struct PhoneLine {
    doing: watch::Sender<Doing>,
    /// The sockets that hold it. More than one: a second tab, or another device.
    pub(super) tabs: Vec<Tab>,
    /// The one that is the phone. The others neither ring nor connect.
    pub(super) active: Option<u64>,
    /// The one that its person has said shall be. In a call it is only when it can talk: until then the other party
    /// goes on hearing the one that is.
    taken: Option<u64>,
    pub(super) heard: Option<Timestamp>,
    pub(super) ready: bool,
    /// It was heard once and has been silent for too long, and that was told.
    pub(super) silent: bool,
    /// It has been silent for so long that its call is not its any more, and that was told.
    pub(super) gone: bool,
    pub(super) shown: PhonePage,
}

impl Default for PhoneLine {
    fn default() -> Self {
        Self {
            doing: watch::channel(Doing::default()).0,
            tabs: Vec::new(),
            active: None,
            taken: None,
            heard: None,
            ready: false,
            silent: false,
            gone: false,
            shown: PhonePage::Unknown,
        }
    }
}

/// One of the sockets that hold somebody's phone page.
pub(super) struct Tab {
    pub(super) id: u64,
    pub(super) paired: Paired,
    pub(super) heard: Option<Timestamp>,
    pub(super) beat: PageBeat,
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
    /// A further socket, and what comes over it. A page that says which call it is in takes the place of the socket
    /// that it had before: that one is lost, whatever TCP still believes. As another page it would be told that it is
    /// not the phone, and would hang up.
    pub(super) fn open(&mut self, id: u64, mut paired: Paired, now: Timestamp) -> Page {
        let (sender, orders) = mpsc::channel(ORDERS);
        let mut beat = PageBeat {
            sid: paired.sid.take(),
            ..PageBeat::default()
        };
        let heard = beat.sid.is_some().then_some(now);
        let same = |t: &Tab| heard.is_some() && t.beat.sid == beat.sid;
        if let Some(at) = self.tabs.iter().position(same) {
            let before = self.tabs.remove(at);
            beat = before.beat;
            for it in [&mut self.active, &mut self.taken] {
                if *it == Some(before.id) {
                    *it = Some(id);
                }
            }
            self.doing.send_if_modified(|doing| {
                let it = doing.active == Some(before.id);
                doing.active = if it { Some(id) } else { doing.active };
                it
            });
        }
        self.tabs.push(Tab {
            id,
            paired,
            heard,
            beat,
            told_silent: false,
            orders: sender,
        });
        Page {
            tab: id,
            states: self.doing.subscribe(),
            orders,
        }
    }

    /// Says what it should be doing.
    pub(super) fn shall(&self, state: PhoneState) {
        self.doing.send_if_modified(|now| {
            let news = now.state != state;
            now.state = state;
            news
        });
    }

    /// The page behind a socket shall be the phone, because its person says so. Whether it is, and was not before.
    pub(super) fn take(&mut self, tab: u64, now: Timestamp) -> bool {
        self.taken = Some(tab);
        self.choose(now)
    }

    /// Settles which page is the phone: the one that its person has taken, who may have to allow it a microphone yet.
    /// Else one that is in a call, the one that is before the others; else the one that is, for as long as it is here
    /// and can talk; else whichever can talk, the one that was opened last before the others. Whether another is now.
    pub(super) fn choose(&mut self, now: Timestamp) -> bool {
        let of = |tab: Option<u64>| self.tabs.iter().find(|t| Some(t.id) == tab);
        let active = of(self.active).filter(|t| t.here(now));
        // One that has not been heard yet has only just come.
        let taken = of(self.taken).filter(|t| t.heard.is_none() || t.here(now));
        let talks = active.is_some_and(|t| t.beat.sid.is_some());
        if let Some(taken) = taken
            && (taken.ready(now) || !talks)
        {
            let taken = taken.id;
            return self.make_active(Some(taken));
        }
        if talks {
            return false;
        }
        // One that is in a call, and was not heard for a while or came back later than the others.
        let in_call = |t: &&Tab| t.here(now) && t.beat.sid.is_some();
        if let Some(tab) = self.tabs.iter().find(in_call) {
            let tab = tab.id;
            return self.make_active(Some(tab));
        }
        if active.is_some_and(|t| t.beat.ready) {
            return false;
        }
        let best = self.tabs.iter().max_by_key(|t| {
            let kept = Some(t.id) == self.active;
            (t.ready(now), t.here(now), kept, t.id)
        });
        let best = best.map(|t| t.id);
        self.make_active(best)
    }

    fn make_active(&mut self, tab: Option<u64>) -> bool {
        if std::mem::replace(&mut self.active, tab) == tab {
            return false;
        }
        let of = |t: &Tab| t.paired.device.clone();
        let device = self.tabs.iter().find(|t| Some(t.id) == tab).map(of);
        self.doing.send_modify(|doing| {
            (doing.active, doing.device) = (tab, device.unwrap_or_default());
        });
        true
    }

    /// Whether the page that is the phone could talk when it was last heard, a moment ago.
    fn can_talk(&self, now: Timestamp) -> bool {
        self.tabs
            .iter()
            .any(|t| Some(t.id) == self.active && t.ready(now))
    }

    /// Settles whether the phone can talk, as far as it has said. What is to be shown of it, if that is news.
    pub(super) fn judge(&mut self, now: Timestamp) -> Option<PhonePage> {
        self.ready = self.can_talk(now);
        let page = if self.ready {
            PhonePage::Ready
        } else {
            PhonePage::Unreachable
        };
        (std::mem::replace(&mut self.shown, page) != page).then_some(page)
    }

    /// The consoles whose pages these are.
    pub(super) fn consoles(&self) -> Vec<SessionId> {
        let consoles = self.tabs.iter().filter_map(|t| t.paired.console.clone());
        consoles.collect()
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
