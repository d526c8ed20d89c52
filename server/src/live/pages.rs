//! The phone pages: they come, say that they are alive, are told what they should be doing, and go.
//!
//! What a page should be doing follows from the board alone, so it is made here anew whenever a call changes that
//! concerns its person, and nothing of it can be lost. Whoever falls silent is noticed by [`Live::review`], which also
//! says who is there at all, consoles and pages together. It must not decide about calls: what becomes of one whose
//! page is gone is for whoever asked for the review. Read next: `live/here.rs` (which of a person's pages is the phone),
//! `ws.rs`, `app.rs` (who reviews).

use std::sync::atomic::Ordering;

use cordboard_core::{
    board::{At, Board, Card, Online},
    call::LegState,
    ids::{Emergency, SessionId, Timestamp, UserId},
    machine::PhonePage,
    secret::Secret,
    wire::{
        PageBeat, PageOrder, PageState, PersonPresence, PhoneHeld, PhoneOffer, PhoneSeat,
        PhoneState,
    },
};

use super::{
    Live, Memory, Notice,
    here::{PAGE_SILENCE_MS, Page, PageCall, Paired, Silent, Tab},
    locked,
};

/// A call is taken from a page that has not been heard of for so long. More than above: it may only be the way to us that
/// is gone, and then the two are talking (docs/adr/0016). A way that was gone for as long as a page may be silent, and is
/// tried again every two seconds, must not cost a call.
const PAGE_GONE_MS: i64 = 10_000;

/// How often it is looked whose page has fallen silent, and how much later than that a look may come and still
/// count.
pub const REVIEW_MS: i64 = 500;
const LATE_MS: i64 = 1_000;

impl Live {
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
            let page = line.open(id, paired, now);
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
        let (told, news);
        {
            let mut phones = locked(&self.memory_ref().phones);
            let Some(line) = phones.get_mut(&user) else {
                return;
            };
            if !line.take(tab, now) {
                return;
            }
            told = line.consoles();
            // What the one before could do, this one may have to learn yet.
            news = line.judge(now);
        }
        self.pages_changed(told);
        self.show(user, news);
    }

    /// A page has said over that socket that it is alive. Nearly always that is no news, and costs nothing.
    pub fn page_heard(&self, user: UserId, tab: u64, beat: PageBeat, now: Timestamp) {
        let (told, news);
        {
            let mut phones = locked(&self.memory_ref().phones);
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
            (line.silent, line.gone) = (false, false);
            news = line.judge(now);
        }
        self.pages_changed(told);
        self.show(user, news);
    }

    /// Tells everybody what has become of somebody's phone, if that is news.
    fn show(&self, user: UserId, news: Option<PhonePage>) {
        let Some(page) = news else { return };
        let memory = self.memory_ref();
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
        (line.heard, line.silent, line.gone) = (None, true, true);
        true
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

    /// Orders somebody's page to dial for help. Whether there is one that hears it: the order goes to the page that
    /// is their phone, else to the one that was heard of last, and to no other, or each would dial.
    pub fn emergency(&self, user: UserId, number: Emergency, now: Timestamp) -> bool {
        let phones = locked(&self.memory_ref().phones);
        let Some(line) = phones.get(&user) else {
            return false;
        };
        let mut tabs: Vec<&Tab> = line.tabs.iter().filter(|tab| tab.ready(now)).collect();
        tabs.sort_by_key(|tab| std::cmp::Reverse((Some(tab.id) == line.active, tab.heard)));
        tabs.iter()
            .any(|tab| tab.orders.try_send(PageCall::Help(number)).is_ok())
    }

    /// Looks whose page has fallen silent or come back, tells the consoles, and returns those that are newly
    /// silent. `last` is when it was looked before.
    pub fn review(&self, last: Timestamp, now: Timestamp) -> Silent {
        let memory = self.memory_ref();
        let mut hub = locked(&memory.hub);
        let mut phones = locked(&memory.phones);
        let mut consoles = locked(&memory.consoles);
        if now.since(last) > REVIEW_MS + LATE_MS {
            // It is us who stood still, and what they said meanwhile is not read yet: to judge now would cost
            // everybody their call. Whoever was there is given all of their time again.
            for line in phones.values_mut().filter(|line| !line.gone) {
                // Who was missed already is missed, and has as long as before to come back to their call.
                let missed = if line.silent { PAGE_SILENCE_MS + 1 } else { 0 };
                line.heard = line.heard.map(|_| now.plus(-missed));
                if line.silent {
                    continue;
                }
                for tab in &mut line.tabs {
                    tab.heard = tab.heard.map(|_| now);
                }
            }
            consoles.pardon(now);
            return Silent::default();
        }
        let mut news = Vec::new();
        let mut found = Silent::default();
        let mut silent_of: Vec<SessionId> = Vec::new();
        let settled = now.since(memory.started) > PAGE_SILENCE_MS + 1_000;
        for person in hub.board.people.values() {
            let user = person.id;
            let line = phones.get(&user);
            let silence = line.and_then(|l| l.heard).map_or(0, |h| now.since(h));
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
                if silence > PAGE_SILENCE_MS && !std::mem::replace(&mut line.silent, true) {
                    found.unreachable.push(user);
                }
                if silence > PAGE_GONE_MS && !std::mem::replace(&mut line.gone, true) {
                    found.gone.push(user);
                }
            }
        }
        memory.tell(&mut hub, news);
        self.pages_changed(silent_of);
        found
    }

    fn pages_changed(&self, mut consoles: Vec<SessionId>) {
        consoles.sort_unstable();
        consoles.dedup();
        for console in consoles {
            self.notice(Notice::Pages(console));
        }
    }
}

impl Memory {
    /// Says to those people's pages what they should be doing, as the board has it now.
    pub(super) fn pages_follow(&self, board: &Board, people: Vec<UserId>) {
        let phones = locked(&self.phones);
        for user in people {
            if let Some(line) = phones.get(&user) {
                line.shall(phone_state(board, user));
            }
        }
    }
}

/// What a person's phone should be doing, as the board has it. The ticket is filled in by who sends it, and which page
/// is the phone by [`super::Doing::told`].
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
    use cordboard_core::board::{Person, Snapshot, Status};

    use super::*;
    use crate::live::Audience;

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

    /// Both people have a page that can talk.
    fn two_pages() -> (Live, [Page; 2]) {
        let live = house();
        let pages = [UserId(1), UserId(2)].map(|user| {
            let page = live.page_connected(user, Paired::default(), START);
            live.page_heard(user, page.tab, beat(true), START);
            page
        });
        (live, pages)
    }

    #[test]
    fn a_page_that_falls_silent_is_told_once_whoever_else_is_heard_meanwhile() {
        let (live, pages) = two_pages();
        let [ada, grace] = [&pages[0], &pages[1]].map(|page| page.tab);
        assert_eq!(live.page(UserId(1)), PhonePage::Ready);
        let later = START.plus(PAGE_SILENCE_MS + 1);
        // The other's heartbeat must not be where the silence is noticed and forgotten.
        live.page_heard(UserId(2), grace, beat(true), later);
        let found = live.review(later.plus(-REVIEW_MS), later);
        assert_eq!(found.unreachable, [UserId(1)]);
        assert_eq!(found.gone, [], "its call is left to it for a while");
        assert_eq!(live.page(UserId(1)), PhonePage::Unreachable);
        assert_eq!(live.review(later, later.plus(1)), Silent::default());
        // Another second, and no longer.
        let still = START.plus(PAGE_GONE_MS);
        live.page_heard(UserId(2), grace, beat(true), still);
        assert_eq!(
            live.review(still.plus(-REVIEW_MS), still),
            Silent::default()
        );
        let found = live.review(still, still.plus(1));
        assert_eq!((found.unreachable, found.gone), (vec![], vec![UserId(1)]));
        assert_eq!(live.review(still.plus(1), still.plus(2)), Silent::default());
        let later = still;
        // It comes back, cannot talk, and falls silent again.
        live.page_heard(UserId(1), ada, beat(false), later.plus(2));
        assert_eq!(live.page(UserId(1)), PhonePage::Unreachable);
        let end = later.plus(2 * PAGE_SILENCE_MS);
        let found = live.review(end.plus(-REVIEW_MS), end);
        assert!(found.unreachable.contains(&UserId(1)), "{found:?}");
        drop(pages);
    }

    #[test]
    fn when_the_server_stood_still_nobody_is_gone_for_it_and_whoever_stays_silent_is_gone_later() {
        let (live, pages) = two_pages();
        let ada = pages[0].tab;
        let last = START.plus(REVIEW_MS);
        assert_eq!(live.review(START, last), Silent::default());
        let resumed = last.plus(30_000);
        assert_eq!(
            live.review(last, resumed),
            Silent::default(),
            "before what they said was read"
        );
        assert_eq!(live.page(UserId(1)), PhonePage::Ready);
        // One of them was there all the time; the other had really gone.
        live.page_heard(UserId(1), ada, beat(true), resumed.plus(1));
        let end = resumed.plus(PAGE_SILENCE_MS + 1);
        let found = live.review(end.plus(-REVIEW_MS), end);
        assert_eq!((found.unreachable, found.gone), (vec![UserId(2)], vec![]));
        // Again, while she is missed: she is, and has as long as before to come back to her call.
        let resumed = end.plus(30_000);
        assert_eq!(live.review(end, resumed), Silent::default());
        live.page_heard(UserId(1), ada, beat(true), resumed.plus(1));
        let missed = live.review(resumed, resumed.plus(REVIEW_MS));
        assert_eq!(missed, Silent::default());
        assert_eq!(live.page(UserId(2)), PhonePage::Unreachable);
        let end = resumed.plus(PAGE_GONE_MS - PAGE_SILENCE_MS);
        live.page_heard(UserId(1), ada, beat(true), end);
        assert_eq!(live.review(end.plus(-REVIEW_MS), end).gone, [UserId(2)]);
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
        // Taken by its person, it is the phone, also where it has no microphone yet; everybody is told so at once.
        hear(&second, beat(false), START);
        assert_eq!(live.page(ada), PhonePage::Ready);
        live.page_taken(ada, second.tab, START);
        assert!(active(&second) && !active(&first));
        assert_eq!(live.page(ada), PhonePage::Unreachable);
        // It falls silent while the other one is heard.
        let later = START.plus(PAGE_SILENCE_MS + 1);
        hear(&first, beat(true), later);
        let found = live.review(later.plus(-REVIEW_MS), later);
        assert_eq!(found, Silent::default());
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
    fn a_page_that_comes_back_in_its_call_is_the_phone_whatever_is_believed_of_its_old_socket_and_of_other_pages()
     {
        let live = house();
        let ada = UserId(1);
        let come = |sid: Option<&str>| {
            let paired = Paired {
                sid: sid.map(ToOwned::to_owned),
                ..Paired::default()
            };
            live.page_connected(ada, paired, START)
        };
        let active = |page: &Page| page.states.borrow().told(page.tab).active;
        let talking = PageBeat {
            sid: Some("CA1".to_owned()),
            ..beat(true)
        };
        let [other, old] = [come(None), come(None)];
        live.page_heard(ada, other.tab, beat(true), START);
        live.page_heard(ada, old.tab, talking, START);
        live.page_taken(ada, old.tab, START);
        // Its old socket is open, and nobody has said that it is lost.
        let back = come(Some("CA1"));
        assert!(active(&back), "before it has said anything else");
        assert!(!active(&old) && !active(&other));
        // The old socket ends at last.
        live.page_disconnected(ada, old.tab, START);
        assert!(active(&back));
        // The server has been away, and the others came back first.
        live.page_disconnected(ada, back.tab, START);
        assert!(active(&other));
        let back = come(Some("CA1"));
        assert!(active(&back) && !active(&other));
        // Its person takes another: that one is.
        live.page_taken(ada, other.tab, START);
        assert!(active(&other) && !active(&back));
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
