//! What can be done now, and doing it.
//!
//! [`Model::offer`] (what the footer and the help show) and [`Model::act`] (what a key or a click does) both
//! ask the same `plan`, so a hint is never shown that its key would refuse, and a refused key always has a
//! reason.
//!
//! Which call is meant is decided in one place, `subject`: what is selected among the waiting or the parked,
//! else my own call. A call of somebody else's is meant only if I have none.

use cordboard_core::{
    board::{At, Card, Drop, DropTarget},
    ids::{CallId, Emergency, Phone, Rev, SafeText},
    machine::Intent,
    policy::{self, Act, Permission},
    wire::{ClientMsg, Command, Order},
};

use super::{
    Area, Asked, Cmd, Dialog, Find, Hand, Link, Model, Mood, Purpose, Question, Sentence, spelled,
};
use crate::keymap::{Action, Key, row_of};

/// Whether an action is possible now.
#[derive(Debug, Clone, PartialEq)]
pub enum Offer {
    /// It is.
    Yes {
        /// The call it would act on.
        call: Option<CallId>,
        /// What it would do, in words.
        sentence: Sentence,
    },
    /// It is not.
    No(Sentence),
}

/// What an action comes down to.
enum Plan {
    Do(CallId, Intent, String, Rev),
    Open(Dialog, Option<CallId>, String),
    Carry(CallId, Option<DropTarget>, String),
    Here(String),
    No(String),
}

const NOBODY_WAITS: &str = "Nobody is waiting.";
const NO_CALL: &str = "You have no call to do that with.";

impl Model {
    /// Whether `action` is possible now, and what it would do.
    pub fn offer(&self, action: Action) -> Offer {
        match self.plan(action) {
            Plan::Do(call, _, sentence, _) | Plan::Carry(call, _, sentence) => Offer::Yes {
                call: Some(call),
                sentence: Sentence::new(&sentence),
            },
            Plan::Open(_, call, sentence) => Offer::Yes {
                call,
                sentence: Sentence::new(&sentence),
            },
            Plan::Here(sentence) => Offer::Yes {
                call: None,
                sentence: Sentence::new(&sentence),
            },
            Plan::No(why) => Offer::No(Sentence::new(&why)),
        }
    }

    /// Does `action`, or says why not.
    pub fn act(&mut self, action: Action) -> Vec<Cmd> {
        match self.plan(action) {
            Plan::Do(call, intent, sentence, seen) => self.order(call, intent, &sentence, seen),
            Plan::Open(dialog, ..) => {
                self.cancel_carry(None);
                self.dialog = Some(dialog);
                self.search();
                self.dirty = true;
                Vec::new()
            }
            Plan::Carry(call, over, _) => {
                self.dialog = None;
                self.lift(call, Hand::Keyboard, None);
                if let Some(over) = over {
                    self.carry_to(over);
                }
                Vec::new()
            }
            Plan::No(why) => {
                self.say(Mood::Bad, &why);
                Vec::new()
            }
            Plan::Here(_) => self.act_here(action),
        }
    }

    /// Whether whoever is signed in has that action at all.
    pub fn has(&self, action: Action) -> bool {
        // Before anybody is signed in, everything is shown as not possible yet.
        self.me.is_none() || row_of(action).open_to(self.rights())
    }

    /// What concerns only this console.
    fn act_here(&mut self, action: Action) -> Vec<Cmd> {
        self.dirty = true;
        match action {
            Action::NextArea => self.next_area(1),
            Action::PrevArea => self.next_area(-1),
            Action::Back => self.go_home(),
            Action::NextGroup => self.next_group(),
            Action::Settings => self.show_settings(),
            Action::Mute => return self.mute(),
            Action::Pair => {
                self.cancel_carry(None);
                return self.look_at_pages();
            }
            Action::Theme => {
                self.theme = self.theme.next();
                let text = format!("Colours: {}.", self.theme.name());
                self.say(Mood::Info, &text);
                return vec![Cmd::Keep(self.preferences())];
            }
            Action::Mouse => {
                self.mouse = !self.mouse;
                self.cancel_carry(None);
                let text = if self.mouse {
                    "The mouse works the board again.".to_owned()
                } else {
                    format!(
                        "The mouse selects text in your terminal. {} brings it back to the board.",
                        self.keys.name(Action::Mouse)
                    )
                };
                self.say(Mood::Info, &text);
                return vec![Cmd::Mouse(self.mouse)];
            }
            Action::Copy => {
                if let Some(number) = self.number_in_hand() {
                    self.say(
                        Mood::Info,
                        &format!("{number} was sent to your terminal's clipboard."),
                    );
                    return vec![Cmd::Copy(number.to_string())];
                }
            }
            Action::Redraw => return vec![Cmd::Redraw],
            Action::Suspend => return vec![Cmd::Suspend],
            Action::Quit => return vec![Cmd::Quit],
            Action::Activate => return vec![Cmd::SignIn],
            _ => {}
        }
        Vec::new()
    }

    fn plan(&self, action: Action) -> Plan {
        match action {
            Action::Activate if self.link == Link::SignedOut => {
                Plan::Here("sign in again".to_owned())
            }
            Action::NextArea | Action::PrevArea => Plan::Here("go to the next area".to_owned()),
            Action::Back => Plan::Here("go back to your own line".to_owned()),
            Action::Theme => Plan::Here("change the colours".to_owned()),
            Action::Mouse => Plan::Here("give the mouse away, or take it".to_owned()),
            Action::Redraw => Plan::Here("draw the screen again".to_owned()),
            Action::Suspend => Plan::Here("leave to the shell".to_owned()),
            Action::Help => {
                Plan::Open(Dialog::Help(0), None, "show what every key does".to_owned())
            }
            Action::Palette => Plan::Open(
                Dialog::Palette(self.palette()),
                None,
                "do something by its name".to_owned(),
            ),
            Action::Log => Plan::Open(Dialog::Log(0), None, "show what was said lately".to_owned()),
            Action::Quit if self.settings.as_ref().is_some_and(|s| s.unsaved()) => Plan::Open(
                Dialog::Confirm(Question::Quit),
                None,
                "leave without saving what you typed in the settings".to_owned(),
            ),
            Action::Quit => match self.left_behind().filter(|_| self.link.is_live()) {
                Some(who) => Plan::Open(
                    Dialog::Confirm(Question::Quit),
                    self.current().map(|c| c.id),
                    format!("leave while {who}"),
                ),
                None => Plan::Here("leave the console".to_owned()),
            },
            Action::Copy => match self.number_in_hand() {
                Some(number) => Plan::Here(format!("copy {number}")),
                None => Plan::No("There is no number to copy.".to_owned()),
            },
            Action::Search => {
                let hand = self
                    .current()
                    .filter(|c| self.movable(c).is_ok())
                    .map(|c| (c.id, c.rev));
                Plan::Open(
                    finding(Purpose::Search(hand)),
                    None,
                    "find a person".to_owned(),
                )
            }
            Action::NextGroup if self.board.groups.is_empty() => {
                Plan::No("There are no groups.".to_owned())
            }
            Action::NextGroup => Plan::Here("show the next group".to_owned()),
            Action::Settings if self.me.is_none() => {
                Plan::No("Not connected yet: who you are is not known.".to_owned())
            }
            Action::Settings => Plan::Here("open the settings".to_owned()),
            Action::Pair | Action::Mute => self.plan_phone(action),
            _ => self.plan_call(action),
        }
    }

    /// What concerns the phone page.
    fn plan_phone(&self, action: Action) -> Plan {
        let Some(me) = self.actor().filter(|_| self.link.is_live()) else {
            return Plan::No(
                "Not connected: your phone page cannot be reached from here.".to_owned(),
            );
        };
        if let Err(why) = policy::may(me, Act::Dial) {
            return Plan::No(why.to_owned());
        }
        match (action, self.my_page(), self.muting()) {
            (Action::Pair, ..) if self.pairing.is_some() => {
                Plan::Here("look at the page that asks to be let in".to_owned())
            }
            (Action::Pair, ..) if !self.pages.is_empty() => {
                Plan::Here("look at your phone pages".to_owned())
            }
            (Action::Pair, ..) => Plan::Here("pair a phone page".to_owned()),
            (_, None, _) if !self.pages.is_empty() => Plan::No(
                "Your phone is another page now, not one of this console. Mute it there."
                    .to_owned(),
            ),
            (_, None, _) => Plan::No(format!(
                "No phone page is paired with this console. {} pairs one.",
                self.keys.name(Action::Pair)
            )),
            (_, Some(page), _) if !page.here => Plan::No(
                "Your phone page is silent. Whether its microphone is off is not known.".to_owned(),
            ),
            (.., Some(_)) => {
                Plan::No("Your phone page was asked already. Wait for its answer.".to_owned())
            }
            (_, Some(page), _) if page.muted == Some(true) => {
                Plan::Here("turn your microphone on".to_owned())
            }
            _ => Plan::Here("turn your microphone off".to_owned()),
        }
    }

    /// What needs the server.
    fn plan_call(&self, action: Action) -> Plan {
        let Some(me) = self.actor().filter(|_| self.link.is_live()) else {
            let why = match action {
                Action::Dial => {
                    "Not connected: no call can be made from here. Dial from a telephone."
                }
                _ => "Not connected: nothing can be done until the board is live again.",
            };
            return Plan::No(why.to_owned());
        };
        if let Err(why) = policy::may(me, Act::Dial) {
            return Plan::No(why.to_owned());
        }
        match action {
            Action::Answer => match self.next_to_answer() {
                Some(card) => self.plan_drop(card, &DropTarget::Me),
                None => Plan::No(NOBODY_WAITS.to_owned()),
            },
            Action::AnswerDigit(digit) => {
                let call = self
                    .digits
                    .iter()
                    .find(|(_, d)| **d == digit)
                    .map(|(c, _)| *c);
                match call.and_then(|c| self.board.calls.get(&c)) {
                    Some(card) => self.plan_drop(card, &DropTarget::Me),
                    None => Plan::No(format!("No waiting call has the number {digit}.")),
                }
            }
            Action::Activate => self.plan_activate(),
            Action::Hold => self.plan_hold(),
            Action::Park => match self.subject() {
                None => Plan::No(NO_CALL.to_owned()),
                Some(card) => match (self.movable(card), self.free_slots().next()) {
                    (Err(why), _) => Plan::No(why),
                    (Ok(()), None) => {
                        Plan::No("Every slot is taken. Fetch a parked call first.".to_owned())
                    }
                    (Ok(()), Some(_)) => Plan::Open(
                        Dialog::Park(card.id, card.rev),
                        Some(card.id),
                        format!("park {}", card.title()),
                    ),
                },
            },
            Action::Transfer => match self.subject() {
                None => Plan::No(NO_CALL.to_owned()),
                Some(card) => match self.movable(card) {
                    Err(why) => Plan::No(why),
                    Ok(()) => Plan::Open(
                        finding(Purpose::Transfer(card.id, card.rev)),
                        Some(card.id),
                        format!("send {} to somebody", card.title()),
                    ),
                },
            },
            Action::PickUp => match self.subject() {
                None => Plan::No("There is no call to pick up.".to_owned()),
                Some(card) if matches!(card.place.at, At::Connecting { .. }) => Plan::No(format!(
                    "{} is being connected. Wait a moment.",
                    card.title()
                )),
                Some(card) if card.emergency() => {
                    Plan::No("That is an emergency call. It is not moved.".to_owned())
                }
                Some(card) => Plan::Carry(card.id, None, format!("pick up {}", card.title())),
            },
            Action::TakeBack => match self.undoable() {
                Some(card) => Plan::Do(
                    card.id,
                    Intent::TakeBack,
                    self.board.would(card, &Intent::TakeBack),
                    card.rev,
                ),
                None => Plan::No("There is nothing to take back.".to_owned()),
            },
            Action::Retrieve => match self.next_to_fetch() {
                Some(card) => self.plan_drop(card, &DropTarget::Me),
                None => Plan::No("Nobody is parked.".to_owned()),
            },
            Action::Decline => match self.offered_to_me() {
                Some(card) => Plan::Do(
                    card.id,
                    Intent::Decline {
                        busy: self.current().is_some(),
                    },
                    format!("decline {}", card.title()),
                    card.rev,
                ),
                None => Plan::No("Nothing rings for you alone.".to_owned()),
            },
            Action::HangUp => self.plan_hang_up(),
            Action::Dial => Plan::Open(finding(Purpose::Dial), None, "call a number".to_owned()),
            _ => Plan::No("That cannot be done here.".to_owned()),
        }
    }

    fn plan_activate(&self) -> Plan {
        match self.cursor.area {
            Area::Waiting => match self.selected_waiting() {
                Some(card) => self.plan_drop(card, &DropTarget::Me),
                None => Plan::No(NOBODY_WAITS.to_owned()),
            },
            Area::People => match (self.cursor.person, self.current()) {
                (Some(user), Some(card)) if !self.is_me(user) => {
                    let sentence = format!("send {} to {}", card.title(), self.name(user));
                    Plan::Carry(card.id, Some(DropTarget::Person(user)), sentence)
                }
                (Some(user), None) if !self.is_me(user) => Plan::No(format!(
                    "There is no call on your line to send to {}.",
                    self.name(user)
                )),
                _ => self.plan_call(Action::Answer),
            },
            Area::Slots => {
                let Some(slot) = &self.cursor.slot else {
                    return Plan::No("No slot is selected.".to_owned());
                };
                match (self.board.in_slot(slot), self.current()) {
                    (Some(card), _) => self.plan_drop(card, &DropTarget::Me),
                    (None, Some(card)) => {
                        let sentence = format!("park {} in {slot}", card.title());
                        Plan::Carry(card.id, Some(DropTarget::Slot(slot.clone())), sentence)
                    }
                    (None, None) => Plan::No(format!("{slot} is free.")),
                }
            }
            Area::You => match self.selected_own() {
                Some(card) if !matches!(card.place.at, At::Talking { .. }) => {
                    self.plan_drop(card, &DropTarget::Me)
                }
                // With a call on the line, Enter must not take another one unasked; `a` does.
                Some(card) => Plan::No(format!(
                    "You are talking to {}. a answers the next call and holds this one.",
                    card.title()
                )),
                None => self.plan_call(Action::Answer),
            },
        }
    }

    fn plan_hold(&self) -> Plan {
        let own = self.own();
        let held_by_me = |c: &&Card| matches!(c.place.at, At::Held { .. } | At::Holding { .. });
        let card = match self.cursor.area {
            Area::You => self.selected_own(),
            _ => self.current(),
        };
        let card = card.or_else(|| own.iter().copied().find(held_by_me));
        match card {
            None => Plan::No(NO_CALL.to_owned()),
            Some(card) if held_by_me(&card) => self.plan_drop(card, &DropTarget::Me),
            Some(card) if matches!(card.place.at, At::Talking { .. }) => {
                self.plan_intent(card, Intent::Hold, "hold")
            }
            Some(card) => Plan::No(format!("You are not talking to {} yet.", card.title())),
        }
    }

    fn plan_hang_up(&self) -> Plan {
        let Some(card) = self.subject() else {
            return Plan::No(NO_CALL.to_owned());
        };
        // The one on the line is meant by a bare key. What a key falls through to once that one is gone, a
        // caller on hold or on the way to somebody, is ended only if it was pointed at.
        let meant = self.current().is_some_and(|c| c.id == card.id)
            || (self.cursor.area == Area::You && self.cursor.own == Some(card.id));
        match self.plan_intent(card, Intent::Hangup, "hang up on") {
            Plan::Do(call, _, sentence, seen) if !meant => Plan::Open(
                Dialog::Confirm(Question::HangUp(call, seen)),
                Some(call),
                sentence,
            ),
            plan => plan,
        }
    }

    fn plan_intent(&self, card: &Card, intent: Intent, verb: &str) -> Plan {
        let Some(me) = self.actor() else {
            return Plan::No("Not signed in.".to_owned());
        };
        match policy::may(me, Act::Call(&intent, card.standing(me.user))) {
            Ok(()) => Plan::Do(
                card.id,
                intent,
                format!("{verb} {}", card.title()),
                card.rev,
            ),
            Err(why) => Plan::No(why.to_owned()),
        }
    }

    fn plan_drop(&self, card: &Card, target: &DropTarget) -> Plan {
        let Some(me) = self.actor() else {
            return Plan::No("Not signed in.".to_owned());
        };
        match self.board.drop_on(me, card.id, target) {
            Drop::Do(intent, sentence) => Plan::Do(card.id, intent, sentence, card.rev),
            Drop::Choose(options) => {
                let options = spelled(options);
                let about = format!("choose what to do with {}", card.title());
                Plan::Open(
                    Dialog::Choose(card.id, card.rev, options),
                    Some(card.id),
                    about,
                )
            }
            Drop::No(no) => Plan::No(self.advised(no.code.word(), no.why)),
        }
    }

    /// Whether a call can be sent on at all, whoever it would go to.
    pub(super) fn movable(&self, card: &Card) -> Result<(), String> {
        let Some(me) = self.actor() else {
            return Err("Not signed in.".to_owned());
        };
        // Any number will do: what a drop on a number refuses has nothing to do with the number.
        let anybody: Phone = "+10000000".parse().map_err(|e| format!("{e}"))?;
        match self
            .board
            .drop_on(me, card.id, &DropTarget::Number(anybody))
        {
            Drop::No(no) => Err(no.why),
            Drop::Do(..) | Drop::Choose(_) => Ok(()),
        }
    }

    /// The call that a verb means.
    pub fn subject(&self) -> Option<&Card> {
        let selected = match self.cursor.area {
            Area::Waiting => self.selected_waiting(),
            Area::Slots => self
                .cursor
                .slot
                .as_ref()
                .and_then(|s| self.board.in_slot(s)),
            Area::You => self.selected_own(),
            Area::People => None,
        };
        let theirs = || match (self.cursor.area, self.cursor.person) {
            (Area::People, Some(user)) => self.board.calls_of(user).next(),
            _ => None,
        };
        selected
            .or_else(|| self.current())
            .or_else(|| self.own().into_iter().next())
            .or_else(theirs)
    }

    /// The call that `answer` takes: the selected one, else what rings for me, else what has waited longest.
    fn next_to_answer(&self) -> Option<&Card> {
        let selected = if self.cursor.area == Area::Waiting {
            self.selected_waiting()
        } else {
            None
        };
        let waiting = self.waiting();
        let me = self.me.as_ref()?;
        let may = |c: &&Card| match &c.place.at {
            // What rings for somebody else is theirs, unless it is pointed at.
            At::Ringing { users, .. } => users.contains(&me.id),
            At::Queued { .. } => me.rights.has(Permission::Desk),
            _ => true,
        };
        selected
            .or_else(|| waiting.iter().copied().find(may))
            .or_else(|| waiting.first().copied())
    }

    fn offered_to_me(&self) -> Option<&Card> {
        let me = self.me.as_ref()?;
        let mine = |c: &&Card| match &c.place.at {
            At::Ringing { users, .. } => users.contains(&me.id),
            At::Transferring { to, .. } => *to == me.id.to_string(),
            _ => false,
        };
        let selected = if self.cursor.area == Area::Waiting {
            self.selected_waiting().filter(mine)
        } else {
            None
        };
        selected.or_else(|| self.waiting().into_iter().find(|c| mine(c)))
    }

    fn next_to_fetch(&self) -> Option<&Card> {
        let selected = match self.cursor.area {
            Area::Slots => self
                .cursor
                .slot
                .as_ref()
                .and_then(|s| self.board.in_slot(s)),
            _ => None,
        };
        let longest = || {
            let parked = self
                .board
                .calls
                .values()
                .filter(|c| matches!(c.place.at, At::Parked { .. } | At::Parking { .. }));
            parked.min_by_key(|c| (c.place.since, c.id))
        };
        selected.or_else(longest)
    }

    /// The call whose last move I can take back: the newest.
    pub fn undoable(&self) -> Option<&Card> {
        let me = self.me.as_ref()?.id;
        self.board
            .calls
            .values()
            .filter(|c| c.undo.as_ref().is_some_and(|u| u.by == me))
            .filter(|c| {
                matches!(
                    c.place.at,
                    At::Transferring { .. } | At::Parking { .. } | At::Parked { .. }
                )
            })
            .max_by_key(|c| (c.place.since, c.id))
    }

    /// Who would be left behind by leaving the console, as part of a sentence: whoever is on my line, and whoever
    /// waits on my account, held, parked or on the way to somebody.
    pub fn left_behind(&self) -> Option<String> {
        let current = self.current();
        let parked = |c: &&Card| match c.lies() {
            At::Parked { by, .. } | At::Parking { by, .. } => self.is_me(*by),
            _ => false,
        };
        let own = self.own().into_iter();
        let mut others = own
            .filter(|c| current.is_none_or(|on| on.id != c.id))
            .chain(self.board.calls.values().filter(parked));
        let who = match (others.next(), others.count()) {
            (None, _) => None,
            (Some(card), 0) => Some(format!("{} waits for you", card.title())),
            (Some(_), more) => Some(format!("{} callers wait for you", more + 1)),
        };
        match (current, who) {
            (Some(card), Some(who)) => Some(format!("{} is on your line and {who}", card.title())),
            (Some(card), None) => Some(format!("{} is on your line", card.title())),
            (None, who) => who,
        }
    }

    /// The number to copy: of the call that is meant.
    fn number_in_hand(&self) -> Option<Phone> {
        self.subject().and_then(|c| c.caller.number.clone())
    }

    /// Sends an intent, and marks the call as asked.
    pub(super) fn order(
        &mut self,
        call: CallId,
        intent: Intent,
        sentence: &str,
        seen: Rev,
    ) -> Vec<Cmd> {
        if let Some(asked) = self.asked_of(call) {
            let text = format!("Wait for the answer to “{}”.", asked.sentence);
            self.say(Mood::Info, &text);
            return Vec::new();
        }
        // The hand goes back to one's own line, where what it has taken is the first. It is not selected: that
        // would outlive its being the call one talks to, and then mean another than the one on the line.
        if matches!(intent, Intent::Answer | Intent::Retrieve | Intent::Resume) {
            self.go_home();
        }
        self.send(
            Some(call),
            Order::Call { call, intent },
            sentence,
            Some(seen),
        )
    }

    pub(super) fn dial(&mut self, to: &SafeText, sentence: &str) -> Vec<Cmd> {
        self.cursor.area = Area::You;
        self.send(None, Order::Dial { to: to.clone() }, sentence, None)
    }

    fn send(
        &mut self,
        call: Option<CallId>,
        order: Order,
        sentence: &str,
        seen: Option<Rev>,
    ) -> Vec<Cmd> {
        self.dialog = None;
        let help = match &order {
            Order::Dial { to } => Emergency::recognise(to.as_str()),
            Order::Call { .. } => None,
        };
        if !self.link.is_live() {
            let text = match (&order, help) {
                (_, Some(number)) => {
                    format!("Not connected: nobody was called. Dial {number} from a telephone now.")
                }
                (Order::Dial { .. }, None) => {
                    "Not connected: nobody was called. Dial from a telephone.".to_owned()
                }
                (Order::Call { .. }, _) => "Not connected: nothing was sent.".to_owned(),
            };
            self.say(Mood::Bad, &text);
            return Vec::new();
        }
        self.ids.count += 1;
        let id = format!("{}-{}", self.ids.prefix, self.ids.count);
        let asked = Asked {
            call,
            sentence: Sentence::new(sentence),
            at: self.now,
            accepted: None,
            help,
        };
        self.asked.insert(id.clone(), asked);
        self.dirty = true;
        vec![Cmd::Send(ClientMsg::Do(Command {
            id,
            order,
            seen,
            dry_run: false,
        }))]
    }

    pub(super) fn key_in_park(&mut self, call: CallId, seen: Rev, key: Key) -> Vec<Cmd> {
        match key {
            Key::Esc => Vec::new(),
            Key::Enter | Key::Char('p') => {
                let free = self.free_slots().next().cloned();
                let n = self
                    .board
                    .slots
                    .iter()
                    .position(|s| Some(&s.id) == free.as_ref());
                self.park_in(call, seen, n.unwrap_or(usize::MAX))
            }
            Key::Char(c @ '1'..='9') => self.park_in(call, seen, c as usize - '1' as usize),
            _ => {
                self.dialog = Some(Dialog::Park(call, seen));
                Vec::new()
            }
        }
    }

    pub(super) fn park_in(&mut self, call: CallId, seen: Rev, n: usize) -> Vec<Cmd> {
        let slot = self.board.slots.get(n).map(|s| s.id.clone());
        let (Some(slot), Some(me)) = (slot, self.actor()) else {
            self.dialog = Some(Dialog::Park(call, seen));
            return Vec::new();
        };
        match self.board.drop_on(me, call, &DropTarget::Slot(slot)) {
            Drop::Do(intent, sentence) => self.order(call, intent, &sentence, seen),
            Drop::No(no) => {
                self.say(Mood::Bad, &no.why);
                self.dialog = Some(Dialog::Park(call, seen));
                Vec::new()
            }
            Drop::Choose(_) => Vec::new(),
        }
    }
}

fn finding(purpose: Purpose) -> Dialog {
    Dialog::Find(Find::new(purpose))
}
