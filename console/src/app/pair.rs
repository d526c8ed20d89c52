//! The phone page: showing a code to pair it with, letting it in, and what is known of it.
//!
//! Whoever asks to be let in is looked at by a person: nothing is the default, Enter does nothing, and the window
//! that asks takes no key in its first moment, when the hand is still on what it came up over. What a page is said to
//! be doing is what it has said itself; an order to it is *asked* until then.
//!
//! Of several pages one is its person's phone, and the server says which: this console guesses none. It may be a page
//! of another console. Read next: `reach.rs` (where a link leads), `view/phone.rs` (a page in words).

use cordboard_core::{
    api::PairingMade,
    ids::{SessionId, Timestamp},
    machine::{PhonePage, RefusalCode},
    wire::{ClientMsg, PageOrder, PageState, PairingAsk},
};

use crate::{
    ask::{Answer, Ask, Trouble},
    keymap::{Action, Key},
    reach::Reach,
};

use super::{Cmd, Dialog, Model, Mood, Offer, Sentence, settings::Waiter};

/// How long the window that asks takes no key, in milliseconds: nobody reads faster.
pub const UNREADY_MS: i64 = 700;
/// How long a page has to say that it is muted, in milliseconds.
const MUTE_MS: i64 = 3_000;

/// A window that shows a code for a phone page.
#[derive(Clone, PartialEq)]
pub struct Code {
    /// The question it came from, or comes from.
    number: u64,
    /// It, and until when it holds by the local clock; or why there is none. None: it is asked for.
    pub made: Option<Result<(PairingMade, Timestamp), Sentence>>,
}

impl Code {
    /// Where its link can be followed.
    pub fn reach(&self) -> Option<Reach> {
        let made = self.made.as_ref()?.as_ref().ok();
        made.map(|(made, _)| Reach::of(&made.link))
    }
}

/// Without the code.
impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Code")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

/// An order to a page of which nothing was heard yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Muting {
    page: SessionId,
    /// What its microphone shall be: off.
    pub on: bool,
    at: Timestamp,
}

impl Model {
    /// The page that is my phone, if it is one of this console.
    pub fn my_page(&self) -> Option<&PageState> {
        self.pages.iter().find(|p| p.active)
    }

    /// Why I cannot talk with my page, or what it has not said; as far as this is known now.
    pub fn page_trouble(&self) -> Option<&'static str> {
        let page = self.my_page().filter(|_| self.link.is_live())?;
        match (page.here, page.trouble, page.ready) {
            (false, ..) => {
                Some("Your phone page has fallen silent. Whether it is still open is not known.")
            }
            (_, Some(trouble), _) => Some(trouble.advice()),
            (.., false) => Some("Your phone page is not ready, and has not said why. Look at it."),
            (.., true) => None,
        }
    }

    /// The sentence of a refusal, mine or the server's. One that is about my page goes with what the page has said: to
    /// open it is no advice for one that is open.
    pub(super) fn advised(&self, code: &str, why: String) -> String {
        let trouble = self.my_page().filter(|p| p.here && !p.ready);
        match trouble.and_then(|p| p.trouble) {
            Some(trouble)
                if code == RefusalCode::NoPage.word() && self.my_phone() != PhonePage::Ready =>
            {
                format!("The call has nowhere to go yet. {}", trouble.advice())
            }
            _ => why,
        }
    }

    /// Opens what there is to see of my pages; where there is none, a code to pair one with.
    pub(super) fn look_at_pages(&mut self) -> Vec<Cmd> {
        if self.pairing.is_some() {
            self.dialog = Some(Dialog::Admit(self.now));
        } else if self.pages.is_empty() {
            return self.show_code();
        } else {
            self.dialog = Some(Dialog::Pages);
        }
        Vec::new()
    }

    /// Asks for a code, if that is possible now; or says why not.
    pub(super) fn pair_another(&mut self) -> Vec<Cmd> {
        self.cancel_carry(None);
        match self.offer(Action::Pair) {
            Offer::Yes { .. } if self.pairing.is_some() => self.look_at_pages(),
            Offer::Yes { .. } => self.show_code(),
            Offer::No(why) => {
                self.say(Mood::Bad, why.as_str());
                Vec::new()
            }
        }
    }

    pub(super) fn key_at_pages(&mut self, key: Key) -> Vec<Cmd> {
        match key {
            Key::Esc => return Vec::new(),
            Key::Char('n') => {
                self.dialog = Some(Dialog::Pages);
                return self.pair_another();
            }
            _ => self.dialog = Some(Dialog::Pages),
        }
        Vec::new()
    }

    /// The order that it has not confirmed.
    pub fn muting(&self) -> Option<&Muting> {
        self.muting.as_ref()
    }

    /// Asks for a code, and opens the window that shows it.
    pub(super) fn show_code(&mut self) -> Vec<Cmd> {
        let (number, cmd) = self.ask(Ask::Pair, Waiter::Code);
        self.dialog = Some(Dialog::Code(Code { number, made: None }));
        vec![cmd]
    }

    /// The code has come, or has not.
    pub(super) fn code_answered(&mut self, number: u64, answer: Result<Answer, Trouble>) {
        let now = self.now;
        match (&mut self.dialog, answer) {
            (Some(Dialog::Code(code)), answer) if code.number == number => {
                code.made = Some(match answer {
                    Ok(Answer::Pairing(made)) => {
                        let until = now.plus(i64::from(made.expires_in) * 1000);
                        Ok((made, until))
                    }
                    Ok(_) => Err(Sentence::new("The server answered something else.")),
                    Err(trouble) => Err(Sentence::new(&trouble.detail)),
                });
            }
            // Nobody looks at it any more. It runs out by itself.
            _ => {}
        }
    }

    pub(super) fn key_at_code(&mut self, code: Code, key: Key) -> Vec<Cmd> {
        match (key, &code.made) {
            (Key::Esc, Some(Ok((made, _)))) => {
                // What nobody looks at should not be open to whoever has seen it.
                let id = made.id.clone();
                if self.link.is_live() {
                    let (number, cmd) = self.ask(Ask::Refuse(id), Waiter::Code);
                    self.waiters.remove(&number);
                    return vec![cmd];
                }
                return Vec::new();
            }
            (Key::Esc, _) => return Vec::new(),
            (Key::Char('y'), Some(Ok((made, _))))
                if !matches!(code.reach(), Some(Reach::Deaf(_))) =>
            {
                let link = made.link.to_string();
                self.dialog = Some(Dialog::Code(code));
                self.say(
                    Mood::Info,
                    "The link was sent to your terminal's clipboard.",
                );
                return vec![Cmd::Copy(link)];
            }
            (Key::Char('n') | Key::Ctrl('r'), Some(_)) if !self.code_holds(&code) => {
                return self.show_code();
            }
            _ => {}
        }
        self.dialog = Some(Dialog::Code(code));
        Vec::new()
    }

    /// Whether a page could still be paired with it.
    pub fn code_holds(&self, code: &Code) -> bool {
        matches!(&code.made, Some(Ok((_, until))) if *until > self.now)
    }

    /// A page asks to be let in, or does so no more.
    pub(super) fn pairing_asked(&mut self, asks: Option<PairingAsk>) -> Vec<Cmd> {
        if self.pairing == asks {
            return Vec::new();
        }
        self.dirty = true;
        self.pairing = asks;
        let showing = matches!(
            self.dialog,
            Some(Dialog::Code(_) | Dialog::Admit(_) | Dialog::Pages)
        );
        if self.pairing.is_none() {
            if matches!(self.dialog, Some(Dialog::Admit(_))) {
                self.dialog = None;
                self.say(Mood::Info, "The page does not wait any more.");
            }
            return Vec::new();
        }
        let free = self.dialog.is_none() && self.carry.is_none() && self.open_settings().is_none();
        if free || showing {
            self.dialog = Some(Dialog::Admit(self.now));
        }
        vec![Cmd::Bell]
    }

    pub(super) fn key_at_admit(&mut self, since: Timestamp, key: Key) -> Vec<Cmd> {
        let Some(asks) = self.pairing.clone() else {
            return Vec::new();
        };
        let ready = self.now.since(since) >= UNREADY_MS;
        let (ask, said) = match key {
            Key::Esc => return Vec::new(),
            Key::Char('y') if ready => (
                Ask::Confirm(asks.pairing),
                "The page is let in: it is yours as long as you are signed in here.",
            ),
            Key::Char('n') if ready => (
                Ask::Refuse(asks.pairing),
                "The page was kept out, and its code is worth nothing now.",
            ),
            _ => {
                self.dialog = Some(Dialog::Admit(since));
                return Vec::new();
            }
        };
        if !self.link.is_live() {
            self.dialog = Some(Dialog::Admit(since));
            self.say(Mood::Bad, "Not connected: nobody can be let in now.");
            return Vec::new();
        }
        vec![self.ask(ask, Waiter::Door(said)).1]
    }

    /// Turns the microphone of my page off, or on again.
    pub(super) fn mute(&mut self) -> Vec<Cmd> {
        let Some(page) = self.my_page() else {
            return Vec::new();
        };
        let (page, on) = (page.page.clone(), page.muted != Some(true));
        self.muting = Some(Muting {
            page: page.clone(),
            on,
            at: self.now,
        });
        self.dirty = true;
        vec![Cmd::Send(ClientMsg::Page {
            page,
            order: PageOrder::Mute { on },
        })]
    }

    /// The pages are like that now, as far as they have said.
    pub(super) fn pages_told(&mut self, pages: Vec<PageState>) {
        self.dirty |= self.pages != pages;
        self.pages = pages;
        let Some(muting) = &self.muting else { return };
        match self.pages.iter().find(|p| p.page == muting.page) {
            Some(page) if page.muted == Some(muting.on) => self.muting = None,
            Some(_) => {}
            None => {
                self.muting = None;
                self.say(
                    Mood::Bad,
                    "Your phone page has gone. Whether its microphone is off is not known.",
                );
            }
        }
    }

    /// The end of patience with a page that does not say what it does.
    pub(super) fn page_silent(&mut self) {
        let now = self.now;
        if let Some(muting) = self.muting.take_if(|m| now.since(m.at) > MUTE_MS) {
            let what = if muting.on { "off" } else { "on" };
            let text = format!(
                "Your phone page has not said that its microphone is {what}. Look at the page before you rely on it."
            );
            self.say(Mood::Bad, &text);
        }
    }

    /// When something of this changes by time alone, by the local clock.
    pub(super) fn pair_change(&self) -> Option<Timestamp> {
        let muting = self.muting.as_ref().map(|m| m.at.plus(MUTE_MS + 1));
        let counting = matches!(self.dialog, Some(Dialog::Code(_) | Dialog::Admit(_)));
        let second = Timestamp::from_millis((self.now.millis().div_euclid(1000) + 1) * 1000);
        let counting = counting.then_some(second);
        muting.into_iter().chain(counting).min()
    }
}
