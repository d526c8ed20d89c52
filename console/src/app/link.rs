//! What the server says, and what is known of the connection.
//!
//! The protocol's decisions are here: when a picture is current, when to ask for a new one, what became of a
//! command. Carrying frames and trying again is [`crate::net`]'s work.

use std::collections::{BTreeMap, BTreeSet};

use cordboard_core::{
    board::{At, Board, Card, Gap, Snapshot},
    call::{Caller, Direction, EndWhy},
    ids::{CallId, Timestamp},
    policy::Permission,
    wire::{Change, ClientMsg, Delta, Position, ServerMsg, VERSION},
};

use super::{Asked, Cmd, Dialog, Model, Mood, Question, Sentence};

/// The connection, as far as a person needs to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Link {
    /// Being set up.
    Connecting,
    /// The picture is the server's. With the way there and back in milliseconds, once measured.
    Live(Option<u32>),
    /// Connected; the picture is being fetched.
    Resyncing,
    /// Connected, but the server has gone quiet.
    Stale,
    /// Not connected.
    Offline {
        /// When it is tried again, by the local clock; never, if nothing is left to try.
        next: Option<Timestamp>,
        /// Why.
        why: Sentence,
    },
    /// Not connected, and the sign-in has ended: only its person can go on.
    SignedOut,
}

impl Link {
    /// Whether the picture is current and commands are taken.
    pub const fn is_live(&self) -> bool {
        matches!(self, Self::Live(_))
    }
}

/// News of the connection.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkNews {
    /// It is being set up.
    Connecting,
    /// It stands; nothing was said yet.
    Open,
    /// There and back took so many milliseconds.
    Rtt(u32),
    /// The server should have answered by now.
    Quiet,
    /// It is gone.
    Closed {
        /// Why.
        why: String,
        /// When it is tried again, by the local clock.
        next: Option<Timestamp>,
    },
    /// It is gone, and with it the sign-in; why.
    SignedOut(String),
}

/// How long the server may take to say anything about the board after a welcome.
const WELCOME_MS: i64 = 3_000;
/// How long a command may be without any answer.
const ANSWER_MS: i64 = 10_000;
/// The shortest time between two bells.
const BELL_MS: i64 = 1_500;
/// How often the bell reminds of a caller whom nobody takes.
const REMIND_MS: i64 = 8_000;

impl Model {
    pub(super) fn link_news(&mut self, news: LinkNews) -> Vec<Cmd> {
        match news {
            LinkNews::Connecting => self.unlink(Link::Connecting),
            LinkNews::Open => {
                self.unlink(Link::Resyncing);
                (self.lagging, self.resyncing) = (None, false);
                let since = (!self.board.epoch.is_empty()).then(|| Position {
                    epoch: self.board.epoch.clone(),
                    rev: self.board.rev,
                });
                return vec![Cmd::Send(ClientMsg::Hello {
                    version: VERSION,
                    since,
                })];
            }
            LinkNews::Rtt(ms) => {
                if self.link == Link::Stale {
                    self.go_live();
                }
                if let Link::Live(shown) = &mut self.link {
                    // A number that twitches with every measurement says nothing and costs a frame.
                    let differs = shown.is_none_or(|s| s.abs_diff(ms) > 3.max(s / 3));
                    if differs {
                        *shown = Some(ms);
                        self.dirty = true;
                    }
                }
            }
            LinkNews::Quiet => {
                if self.link.is_live() {
                    self.unlink(Link::Stale);
                }
            }
            LinkNews::Closed { why, next } => {
                self.unlink(Link::Offline {
                    next,
                    why: Sentence::new(&why),
                });
                self.forget_asked();
            }
            LinkNews::SignedOut(why) => {
                self.unlink(Link::SignedOut);
                self.forget_asked();
                self.say(Mood::News, &why);
            }
        }
        Vec::new()
    }

    /// The picture is no longer current: it keeps the moment it is of, and nothing can be dropped on it.
    fn unlink(&mut self, link: Link) {
        if self.link.is_live() {
            self.lost = Some(self.now);
            self.cancel_carry(Some("The connection was lost, so nothing was moved."));
        }
        self.link = link;
        self.dirty = true;
    }

    fn go_live(&mut self) {
        if !self.link.is_live() && !self.resyncing {
            self.lagging = None;
            let again = self.lost.take().is_some();
            self.link = Link::Live(None);
            self.dirty = true;
            if again {
                self.say(Mood::Good, "Connected again. The board is current.");
            }
        }
    }

    fn resync(&mut self) -> Vec<Cmd> {
        if self.resyncing {
            return Vec::new();
        }
        self.resyncing = true;
        self.unlink(Link::Resyncing);
        self.lagging = Some(self.now);
        vec![Cmd::Send(ClientMsg::Resync)]
    }

    /// Commands whose fate the lost connection has taken along.
    fn forget_asked(&mut self) {
        for asked in std::mem::take(&mut self.asked).into_values() {
            if asked.accepted.is_none() {
                let text = format!(
                    "The connection was lost: whether “{}” was heard is not known. {}",
                    asked.sentence,
                    what_now(&asked)
                );
                self.say(Mood::Bad, &text);
            }
        }
    }

    pub(super) fn hear(&mut self, msg: ServerMsg) -> Vec<Cmd> {
        match msg {
            ServerMsg::Welcome { me, now, .. } => {
                self.offset = now.since(self.now);
                if self.cursor.person.is_none() {
                    self.cursor.person = Some(me.id);
                }
                self.me = Some(me);
                self.check_settings();
                self.gather_again();
                self.lagging = Some(self.now);
                self.dirty = true;
            }
            ServerMsg::Snapshot(snapshot) => self.take_snapshot(*snapshot),
            ServerMsg::Delta(delta) => return self.take_delta(&delta),
            ServerMsg::Presence { people } => self.dirty |= self.board.presence(&people),
            ServerMsg::EmergencyAddress { state } => {
                self.dirty |= std::mem::replace(&mut self.emergency_address, state) != state;
            }
            ServerMsg::Pages { pages } => self.pages_told(pages),
            ServerMsg::Pairing { asks } => return self.pairing_asked(asks),
            ServerMsg::Pulse { at, digest, now } => {
                let offset = now.since(self.now);
                // The way here takes time and varies; only a clock that is really off is followed.
                if offset.abs_diff(self.offset) > 400 {
                    self.offset = offset;
                    self.dirty = true;
                }
                let ours = format!("{:016x}", self.board.digest());
                if at.epoch != self.board.epoch || (at.rev == self.board.rev && digest != ours) {
                    return self.resync();
                }
                if at.rev > self.board.rev {
                    // Its deltas may still be on the way. If they are not here by the next pulse, they are
                    // lost.
                    let lost = self
                        .behind
                        .replace(at.rev)
                        .is_some_and(|rev| rev > self.board.rev);
                    return if lost { self.resync() } else { Vec::new() };
                }
                self.behind = None;
                if at.rev == self.board.rev {
                    self.go_live();
                }
            }
            ServerMsg::Yes { id, call, rev } => {
                if let Some(asked) = self.asked.get_mut(&id) {
                    (asked.call, asked.accepted) = (Some(call), Some(rev));
                    self.dirty = true;
                }
            }
            ServerMsg::No { id, code, why } => {
                if self.asked.remove(&id).is_some() {
                    // No row was made, and yet it is no refusal: the phone page dials past the board.
                    let done = code == "emergency";
                    let why = self.advised(&code, why);
                    self.say(if done { Mood::Good } else { Mood::Bad }, &why);
                }
            }
            ServerMsg::Done { id, .. } => {
                if let Some(asked) = self.asked.remove(&id) {
                    self.say(Mood::Good, &format!("Done: {}.", asked.sentence));
                }
            }
            ServerMsg::Failed { id, why, .. } => {
                if let Some(asked) = self.asked.remove(&id) {
                    self.say(Mood::Bad, &format!("Not done: {}. {why}", asked.sentence));
                }
            }
            ServerMsg::Unknown { id, .. } => {
                if let Some(asked) = self.asked.remove(&id) {
                    self.say(
                        Mood::Bad,
                        &format!(
                            "Nobody can say yet whether this worked: {}.",
                            asked.sentence
                        ),
                    );
                }
            }
            ServerMsg::Pong { .. } => {}
            ServerMsg::Bye { why, .. } => self.say(Mood::Bad, &why),
        }
        Vec::new()
    }

    fn take_snapshot(&mut self, mut snapshot: Snapshot) {
        snapshot.calls.iter_mut().for_each(|card| self.unname(card));
        self.board = Board::new(snapshot);
        (self.lagging, self.behind, self.resyncing) = (None, None, false);
        self.go_live();
        self.reorder();
        self.board_changed(None);
    }

    /// The people in the order of their extensions, and room for as many as there are.
    pub(super) fn reorder(&mut self) {
        let mut order: Vec<_> = self
            .board
            .people
            .values()
            .map(|p| (natural(p.extension.as_str()), p.id))
            .collect();
        order.sort();
        self.everybody = order.into_iter().map(|(_, id)| id).collect();
        self.show_group();
    }

    /// A board without callers says so where a name would stand: that they are not shown is not that they withheld
    /// their number.
    fn unname(&self, card: &mut Card) {
        if self
            .me
            .as_ref()
            .is_some_and(|me| me.rights.has(Permission::Board))
            || card.emergency()
        {
            return;
        }
        let who = match card.direction {
            Direction::Out => "somebody",
            Direction::In => "a caller",
        };
        card.caller = Caller {
            name: Some(who.into()),
            number: None,
        };
    }

    fn take_delta(&mut self, delta: &Delta) -> Vec<Cmd> {
        let mut delta = delta.clone();
        if let Change::Call(card) = &mut delta.change {
            self.unname(card);
        }
        let delta = &delta;
        let before: BTreeSet<CallId> = self.waiting().iter().map(|c| c.id).collect();
        let was = delta
            .card()
            .and_then(|card| self.board.calls.get(&card.id))
            .cloned();
        match self.board.apply(delta) {
            Ok(false) => return Vec::new(),
            Err(Gap::Missing | Gap::Foreign) => return self.resync(),
            Ok(true) => {}
        }
        self.go_live();
        let Some(card) = delta.card() else {
            self.reorder();
            self.board_changed(None);
            return Vec::new();
        };
        // What a command of ours has done is its yes, where the yes itself is still on its way.
        if let Some(id) = &delta.cause.id
            && let Some(asked) = self.asked.get_mut(id.as_str())
            && asked.call.is_none_or(|call| call == card.id)
        {
            (asked.call, asked.accepted) = (Some(card.id), Some(card.rev));
        }
        if let Some(news) = self.news(was.as_ref(), card) {
            self.say(Mood::News, &news);
        }
        self.board_changed(Some(card));
        let new = self
            .waiting()
            .iter()
            .any(|c| !before.contains(&c.id) && self.rings_for_me(c.id))
            || (was.is_none() && card.emergency());
        if new { self.bell(BELL_MS) } else { Vec::new() }
    }

    /// Whatever hangs on the calls that are there is brought in line with them.
    fn board_changed(&mut self, changed: Option<&Card>) {
        self.dirty = true;
        let waiting: Vec<CallId> = self.waiting().iter().map(|c| c.id).collect();
        self.digits.retain(|call, _| waiting.contains(call));
        for call in waiting {
            if !self.digits.contains_key(&call) {
                let taken: BTreeSet<u8> = self.digits.values().copied().collect();
                if let Some(digit) = (1..=9).find(|d| !taken.contains(d)) {
                    self.digits.insert(call, digit);
                }
            }
        }
        self.check_carry(changed);
        self.check_dialog(changed);
        self.check_cursor();
    }

    /// A window about a call that has gone closes.
    fn check_dialog(&mut self, changed: Option<&Card>) {
        let about = match &self.dialog {
            Some(
                Dialog::Park(call, _)
                | Dialog::Confirm(Question::HangUp(call, _))
                | Dialog::Choose(call, ..),
            ) => Some(*call),
            Some(Dialog::Find(find)) => find.hand().map(|(call, _)| call),
            _ => None,
        };
        if let Some(call) = about
            && !self.board.calls.contains_key(&call)
        {
            self.dialog = None;
            self.say(Mood::Info, &format!("{}.", how_it_ended(call, changed)));
        }
    }

    /// Whether the bell rings here for a waiting call.
    pub(super) fn rings_for_me(&self, call: CallId) -> bool {
        let (Some(me), Some(card)) = (&self.me, self.board.calls.get(&call)) else {
            return false;
        };
        match &card.place.at {
            At::Queued { alert, .. } => me.rights.has(Permission::Desk) || *alert == Some(me.id),
            At::Ringing { users, .. } => users.contains(&me.id),
            At::Transferring { to, .. } => *to == me.id.to_string(),
            _ => false,
        }
    }

    fn bell(&mut self, gap: i64) -> Vec<Cmd> {
        if self.last_bell.is_some_and(|at| self.now.since(at) < gap) {
            return Vec::new();
        }
        self.last_bell = Some(self.now);
        vec![Cmd::Bell]
    }

    /// What time brings: a reminder of who waits, and the end of patience with a silent server.
    pub(super) fn remind(&mut self) -> Vec<Cmd> {
        let now = self.now;
        let (silent, asked): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.asked)
            .into_iter()
            .partition(|(_, a): &(String, Asked)| {
                a.accepted.is_none() && now.since(a.at) > ANSWER_MS
            });
        self.asked = asked;
        self.page_silent();
        for asked in silent.into_values() {
            self.say(
                Mood::Bad,
                &format!("No answer to “{}”. {}", asked.sentence, what_now(&asked)),
            );
        }
        if self.link == Link::Resyncing && self.lagging.is_some_and(|at| now.since(at) > WELCOME_MS)
        {
            self.lagging = Some(now);
            return vec![Cmd::Send(ClientMsg::Resync)];
        }
        let idle = self.current().is_none() && self.link.is_live();
        if idle && self.waiting().iter().any(|c| self.rings_for_me(c.id)) {
            return self.bell(REMIND_MS);
        }
        Vec::new()
    }
}

/// How a call ended that is no longer there, as far as the change that ended it says so.
pub(super) fn how_it_ended(call: CallId, changed: Option<&Card>) -> &'static str {
    match changed.filter(|c| c.id == call).map(|c| &c.place.at) {
        Some(At::Ended {
            why: EndWhy::Abandoned | EndWhy::CallerLeft,
        }) => "The caller hung up",
        _ => "The call is over",
    }
}

/// What to do about a command of which nothing was heard.
fn what_now(asked: &Asked) -> String {
    match asked.help {
        Some(number) => format!("Dial {number} from a telephone now."),
        None => "Look before you repeat it.".to_owned(),
    }
}

/// Extensions in the order of their numbers, then of their letters: 99 before 100.
pub(crate) fn natural(extension: &str) -> (u64, String) {
    let digits: String = extension.chars().take_while(char::is_ascii_digit).collect();
    (digits.parse().unwrap_or(u64::MAX), extension.to_owned())
}
