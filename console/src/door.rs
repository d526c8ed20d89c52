//! The door: what is shown while nobody is signed in. Which server, what can be done there, and doing it: signing in,
//! setting the server up, joining with an invitation, choosing another password with a code, registering.
//!
//! One pure function, [`update`], as for the board: keys, clicks, the clock and answers come in as [`DoorMsg`], and
//! what should happen leaves as [`DoorCmd`]. Nothing here draws, waits or opens a connection. Requests are numbered:
//! an answer to a page that was left meanwhile is passed over.
//!
//! It must not keep a password longer than its page is open, nor let one out through `Debug`.
//!
//! Read next: `door/words.rs` (what comes and goes), `door/pages.rs` (the forms, and what is read from them), `door/run.rs` (running it), `view/door.rs`.

use cordboard_core::{
    api::{Front, InvitationLook, InvitationSeen},
    ids::Timestamp,
};
use url::Url;

use crate::{
    app::{Mood, Sentence, Spot},
    ask::Trouble,
    cli::args::http_url,
    client::address,
    form::{Form, Wish},
    keymap::{Action, Dir, Key, Keymap},
    theme::Theme,
};

mod pages;
pub mod run;
mod words;

pub use pages::{Place, Way, read_place};
pub use run::{DoorOptions, SignedIn, run};
pub use words::{Answer, DoorCmd, DoorMsg, Request};

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// Which server.
    Address,
    /// What can be done there.
    Welcome,
    /// Signing in.
    SignIn,
    /// Becoming the first administrator.
    Setup,
    /// Which invitation.
    Invitation,
    /// Taking it.
    Join {
        /// Its code.
        code: String,
        /// What it says.
        seen: InvitationSeen,
    },
    /// Choosing another password with a code.
    Reset,
    /// Writing oneself down.
    Register,
    /// It is done; somebody has to let them in.
    Registered,
}

/// What is known of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It is being asked.
    Asking,
    /// What it has said.
    Front(Front),
    /// It says nothing that helps, and why.
    Nothing(Sentence),
}

/// The door.
#[derive(Debug, Clone, PartialEq)]
pub struct Door {
    /// What is shown.
    pub page: Page,
    /// What is filled in there. The page of welcome has none.
    pub form: Option<Form>,
    /// The server.
    pub url: Option<Url>,
    /// What is known of it.
    pub known: Known,
    /// Which way is selected.
    pub at: usize,
    /// Something that is said once, on the page of welcome.
    pub note: Option<(Mood, Sentence)>,
    /// The local clock.
    pub now: Timestamp,
    /// How wide and high the screen is.
    pub size: (u16, u16),
    /// The colours.
    pub theme: Theme,
    /// Whether the mouse is ours.
    pub mouse: bool,
    /// Whether there is anything new to draw.
    pub dirty: bool,
    /// What this sign-in shall be called.
    device: String,
    /// Until when the server wants to hear nothing.
    until: Option<Timestamp>,
    /// The request that is out.
    out: Option<u64>,
    count: u64,
    /// Whether the first page was chosen by the front already.
    welcomed: bool,
    /// The address of whoever has registered, to sign in with later.
    email: String,
}

impl Door {
    /// A door to the server at `url`, if one is known, and what should happen first. `device` is what the sign-in
    /// shall be called in the list of them.
    pub fn new(url: Option<Url>, device: &str, theme: Theme) -> (Self, Vec<DoorCmd>) {
        let mut door = Self {
            page: Page::Address,
            form: None,
            url: None,
            known: Known::Asking,
            at: 0,
            note: None,
            now: Timestamp::default(),
            size: (0, 0),
            theme,
            mouse: true,
            dirty: true,
            device: device.to_owned(),
            until: None,
            out: None,
            count: 0,
            welcomed: false,
            email: String::new(),
        };
        // With the slash at its end, which paths are joined to.
        let url = url.map(|url| http_url(url.as_str()).unwrap_or(url));
        let text = url.as_ref().map_or("", address).to_owned();
        door.open(Page::Address, pages::address(&text, true));
        let first = match url.map(pages::safe) {
            None => Vec::new(),
            Some(Ok(url)) => door.go_to(url),
            Some(Err(why)) => {
                let wrong = pages::wrong("url", why);
                door.with_form(|form| form.fail(vec![wrong]));
                Vec::new()
            }
        };
        (door, first)
    }

    /// The ways there are from the page of welcome, in their order.
    pub fn ways(&self) -> Vec<Way> {
        match &self.known {
            Known::Asking => vec![Way::Elsewhere],
            Known::Nothing(_) => vec![Way::Again, Way::Elsewhere],
            Known::Front(front) => {
                let setup = front.setup.then_some(Way::Setup);
                let register = front.registration.then_some(Way::Register);
                setup
                    .into_iter()
                    .chain([Way::SignIn, Way::Join, Way::Reset])
                    .chain(register)
                    .chain([Way::Elsewhere])
                    .collect()
            }
        }
    }

    /// For how many more seconds the server wants to hear nothing.
    pub fn waits(&self) -> u32 {
        let left = self.until.map_or(0, |until| until.since(self.now));
        u32::try_from((left.max(0) + 999) / 1000).unwrap_or(u32::MAX)
    }

    /// When the picture changes next by time alone.
    pub fn next_change(&self) -> Timestamp {
        match self.until {
            Some(until) if until > self.now => {
                let left = until.since(self.now);
                self.now
                    .plus(if left % 1000 == 0 { 1000 } else { left % 1000 })
            }
            _ => self.now.plus(60_000),
        }
    }

    /// The title of the terminal's window.
    pub fn title(&self) -> String {
        "Cordboard: not signed in".to_owned()
    }

    fn with_form(&mut self, change: impl FnOnce(&mut Form)) {
        if let Some(form) = &mut self.form {
            change(form);
        }
    }

    /// Shows a page with a form. What was asked for the last one is of no interest any more.
    fn open(&mut self, page: Page, mut form: Form) {
        form.wait(self.waits());
        (self.page, self.form) = (page, Some(form));
        self.out = None;
        self.note = None;
    }

    /// To the page of welcome.
    fn welcome(&mut self) {
        (self.page, self.form) = (Page::Welcome, None);
        (self.out, self.at) = (None, 0);
    }

    /// To the server there, and what can be done at it.
    fn go_to(&mut self, url: Url) -> Vec<DoorCmd> {
        if self.url.as_ref() != Some(&url) {
            // How long another server wants to hear nothing does not matter here.
            (self.until, self.welcomed) = (None, false);
        }
        self.url = Some(url);
        self.note = None;
        self.welcome();
        self.look()
    }

    /// Asks what can be done.
    fn look(&mut self) -> Vec<DoorCmd> {
        self.known = Known::Asking;
        self.ask(Request::Front)
    }

    fn ask(&mut self, request: Request) -> Vec<DoorCmd> {
        let Some(url) = self.url.clone() else {
            return Vec::new();
        };
        self.count += 1;
        self.out = Some(self.count);
        self.with_form(|form| form.busy(true));
        vec![DoorCmd::Ask(self.count, url, request)]
    }

    fn time(&mut self, now: Timestamp) {
        let before = self.waits();
        self.now = now;
        let left = self.waits();
        if before != left {
            self.with_form(|form| form.wait(left));
            self.dirty = true;
        }
    }

    fn key(&mut self, key: Key) -> Vec<DoorCmd> {
        self.dirty = true;
        match Keymap::default().action(key) {
            _ if key == Key::Ctrl('c') => return vec![DoorCmd::Quit],
            Some(action @ (Action::Redraw | Action::Suspend | Action::Mouse | Action::Theme)) => {
                return self.act(action);
            }
            _ => {}
        }
        if let Some(form) = &mut self.form {
            let wish = form.key(key);
            return self.grant(wish);
        }
        let ways = self.ways();
        match key {
            Key::Arrow(Dir::Down) | Key::Tab => self.at = (self.at + 1).min(ways.len() - 1),
            Key::Arrow(Dir::Up) | Key::BackTab => self.at = self.at.saturating_sub(1),
            Key::Home => self.at = 0,
            Key::End => self.at = ways.len() - 1,
            Key::Enter => return self.take(ways.get(self.at).copied()),
            Key::Char('r') => return self.take(Some(Way::Again)),
            Key::Char('q') | Key::Esc => return vec![DoorCmd::Quit],
            Key::Char(c @ '1'..='9') => {
                return self.take(ways.get(c as usize - '1' as usize).copied());
            }
            _ => {}
        }
        Vec::new()
    }

    fn act(&mut self, action: Action) -> Vec<DoorCmd> {
        match action {
            Action::Redraw => vec![DoorCmd::Redraw],
            Action::Suspend => vec![DoorCmd::Suspend],
            Action::Theme => {
                self.theme = self.theme.next();
                Vec::new()
            }
            Action::Mouse => {
                self.mouse = !self.mouse;
                vec![DoorCmd::Mouse(self.mouse)]
            }
            Action::Quit => vec![DoorCmd::Quit],
            _ => Vec::new(),
        }
    }

    fn click(&mut self, spot: &Spot, double: bool) -> Vec<DoorCmd> {
        self.dirty = true;
        match (spot, &mut self.form) {
            (Spot::Form(part), Some(form)) => {
                let wish = form.click(*part, double);
                self.grant(wish)
            }
            (Spot::Line(n), None) if !double => {
                let way = self.ways().get(*n).copied();
                self.take(way)
            }
            (Spot::Button(action), _) if !double => self.act(*action),
            _ => Vec::new(),
        }
    }

    fn wheel(&mut self, lines: i16) {
        self.dirty = true;
        if let Some(form) = &mut self.form {
            form.wheel(lines);
        } else {
            let last = self.ways().len() - 1;
            self.at = self.at.saturating_add_signed(lines.into()).min(last);
        }
    }

    /// Takes one of the ways.
    fn take(&mut self, way: Option<Way>) -> Vec<DoorCmd> {
        match way {
            Some(Way::SignIn) => {
                let form = pages::sign_in(&self.email);
                self.open(Page::SignIn, form);
            }
            Some(Way::Setup) => self.open(Page::Setup, pages::setup()),
            Some(Way::Join) => self.open(Page::Invitation, pages::invitation()),
            Some(Way::Reset) => self.open(Page::Reset, pages::reset()),
            Some(Way::Register) => self.open(Page::Register, pages::register()),
            Some(Way::Elsewhere) => {
                let text = self.url.as_ref().map_or("", address).to_owned();
                let first = self.url.is_none();
                self.open(Page::Address, pages::address(&text, first));
            }
            Some(Way::Again) if self.out.is_none() && self.waits() == 0 => {
                self.note = None;
                self.at = 0;
                return self.look();
            }
            Some(Way::Again) | None => {}
        }
        Vec::new()
    }

    fn grant(&mut self, wish: Wish) -> Vec<DoorCmd> {
        match wish {
            Wish::None => Vec::new(),
            Wish::Forget => {
                self.out = None;
                Vec::new()
            }
            Wish::Submit => self.submit(),
            Wish::Leave => self.back(),
        }
    }

    /// One page back; from the first, out.
    fn back(&mut self) -> Vec<DoorCmd> {
        match self.page {
            Page::Address if self.url.is_none() => return vec![DoorCmd::Quit],
            Page::Join { .. } => self.open(Page::Invitation, pages::invitation()),
            _ => {
                self.welcome();
                if self.known == Known::Asking {
                    return self.look();
                }
            }
        }
        Vec::new()
    }

    fn submit(&mut self) -> Vec<DoorCmd> {
        let Some(form) = &self.form else {
            return Vec::new();
        };
        let request = match &self.page {
            Page::Address => return self.submit_address(),
            Page::Invitation => return self.submit_invitation(),
            Page::Registered => return self.take(Some(Way::SignIn)),
            Page::SignIn => pages::read_sign_in(form, &self.device).map(Request::SignIn),
            Page::Setup => pages::read_setup(form, &self.device).map(Request::Setup),
            Page::Join { code, seen } => {
                pages::read_join(form, code, seen, &self.device).map(Request::Join)
            }
            Page::Reset => pages::read_reset(form).map(Request::Reset),
            Page::Register => {
                pages::read_newcomer(form, "", &self.device).map(|who| Request::Register(*who))
            }
            Page::Welcome => return Vec::new(),
        };
        match request {
            Ok(request) => self.ask(request),
            Err(errors) => {
                self.with_form(|form| form.fail(errors));
                Vec::new()
            }
        }
    }

    fn submit_address(&mut self) -> Vec<DoorCmd> {
        let text = self.form.as_ref().map_or("", |form| form.value("url"));
        match read_place(text) {
            Ok(Place { url, code: None }) => self.go_to(url),
            Ok(Place {
                url,
                code: Some(code),
            }) => self.go_in_with(url, &code),
            Err(why) => {
                let wrong = pages::wrong("url", why);
                self.with_form(|form| form.fail(vec![wrong]));
                Vec::new()
            }
        }
    }

    /// A code, or the link that it came in. The link names the server, which may be another.
    fn submit_invitation(&mut self) -> Vec<DoorCmd> {
        let text = self.form.as_ref().map_or("", |form| form.value("code"));
        let code = text.trim().to_owned();
        let why = if code.is_empty() {
            "Type the code of your invitation, or paste its link.".to_owned()
        } else if !code.contains("://") {
            return self.ask(Request::Look(InvitationLook { code: code.into() }));
        } else {
            match read_place(&code) {
                Ok(Place {
                    url,
                    code: Some(code),
                }) => return self.go_in_with(url, &code),
                Ok(_) => {
                    "There is no code in this link: it is what stands behind the #.".to_owned()
                }
                Err(why) => why,
            }
        };
        let wrong = pages::wrong("code", why);
        self.with_form(|form| form.fail(vec![wrong]));
        Vec::new()
    }

    /// To that server with an invitation.
    fn go_in_with(&mut self, url: Url, code: &str) -> Vec<DoorCmd> {
        if self.url.as_ref() != Some(&url) {
            (self.until, self.known) = (None, Known::Asking);
            self.url = Some(url);
        }
        // What the server has to say first does not lead away from here.
        self.welcomed = true;
        let mut form = pages::invitation();
        form.fill("code", code);
        self.open(Page::Invitation, form);
        let code = code.into();
        self.ask(Request::Look(InvitationLook { code }))
    }

    fn answer(&mut self, n: u64, result: Result<Answer, Trouble>) -> Vec<DoorCmd> {
        if self.out != Some(n) {
            return Vec::new();
        }
        self.out = None;
        self.dirty = true;
        self.with_form(|form| form.busy(false));
        let Some(url) = self.url.clone() else {
            return Vec::new();
        };
        match (&self.page, result) {
            (_, Ok(answer @ Answer::Tokens(_))) => return vec![DoorCmd::Enter(url, answer)],
            (Page::Welcome, Ok(Answer::Front(front))) => {
                let setup = front.setup && !self.welcomed;
                self.welcomed = true;
                self.known = Known::Front(front);
                self.at = 0;
                if setup {
                    self.open(Page::Setup, pages::setup());
                }
            }
            (Page::Invitation, Ok(Answer::Seen(seen))) => {
                let text = self.form.as_ref().map_or("", |form| form.value("code"));
                let code = text.trim().to_owned();
                let form = pages::join(&seen, self.now);
                self.open(Page::Join { code, seen }, form);
            }
            (Page::Register, Ok(Answer::Registered)) => {
                let form = self.form.as_ref();
                self.email = form.map_or("", |f| f.value("email")).trim().to_owned();
                self.open(Page::Registered, pages::registered(&self.email));
            }
            // To each question there is one good answer.
            (_, Ok(_)) => {}
            (_, Err(trouble)) => return self.trouble(trouble),
        }
        Vec::new()
    }

    fn trouble(&mut self, trouble: Trouble) -> Vec<DoorCmd> {
        let Trouble {
            code,
            detail,
            errors,
            retry_after,
        } = trouble;
        if let Some(seconds) = retry_after {
            self.until = Some(self.now.plus(i64::from(seconds) * 1000));
        }
        let left = self.waits();
        let Some(form) = &mut self.form else {
            self.known = Known::Nothing(Sentence::new(&detail));
            self.at = 0;
            return Vec::new();
        };
        let coded = matches!(self.page, Page::Setup | Page::Invitation | Page::Reset);
        match &*code {
            _ if !errors.is_empty() => form.fail(errors),
            // Somebody else was faster: what can be done here is another thing now.
            "setup-closed" => {
                self.welcome();
                self.note = Some((Mood::Bad, Sentence::new(&detail)));
                return self.look();
            }
            "not-signed-in" | "not-found" if coded => {
                form.fail(vec![pages::wrong("code", detail)]);
            }
            "not-signed-in" if self.page == Page::SignIn => {
                form.refuse(&detail);
                // It has to be typed again, and most likely only that.
                form.fill("password", "");
                form.focus_on("password");
            }
            _ => form.refuse(&detail),
        }
        form.wait(left);
        Vec::new()
    }
}

/// Takes one message.
pub fn update(door: &mut Door, msg: DoorMsg) -> Vec<DoorCmd> {
    match msg {
        DoorMsg::Time(now) => door.time(now),
        DoorMsg::Size(width, height) => {
            door.size = (width, height);
            door.dirty = true;
        }
        DoorMsg::Key(key) => return door.key(key),
        DoorMsg::Paste(text) => {
            door.with_form(|form| form.paste(&text));
            door.dirty = true;
        }
        DoorMsg::Click(spot, double) => return door.click(&spot, double),
        DoorMsg::Wheel(lines) => door.wheel(lines),
        DoorMsg::NoShell => {
            let said = "There is no shell to leave to: this was started by itself.";
            door.with_form(|form| form.say(Mood::Bad, said));
            door.note = Some((Mood::Bad, Sentence::new(said)));
            door.dirty = true;
        }
        DoorMsg::Answer(n, result) => return door.answer(n, result),
    }
    Vec::new()
}
