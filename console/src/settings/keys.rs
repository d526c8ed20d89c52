//! The keys of the settings, and the hints that name them.
//!
//! Like every open window, they have their own keys; the board's are in [`crate::keymap`]. A hint can be clicked, and
//! is then its key: so each is a [`Key`] that [`Settings::key`] takes.

use cordboard_core::policy::{self, Act, Actor, Permission};

use super::{About, Around, Asked, Doing, List, Pane, Section, Settings, Wish, route, rows};
use crate::{
    app::{Mood, Sentence},
    keymap::{Dir, Key, row_of},
    theme::Theme,
};

/// A key that does something now: how it is written, and what it does.
pub type Hint = (Key, &'static str, &'static str);

impl Settings {
    /// Takes a key.
    pub fn key(&mut self, key: Key, around: &Around<'_>) -> Vec<Wish> {
        if self.secret.is_some() {
            return self.key_at_secret(key);
        }
        if let Some((asked, text)) = self.question.take() {
            match (key, asked) {
                (Key::Esc, _) | (Key::Char('n' | 'N'), Asked::Sure(_)) => {}
                (key, Asked::Press(action)) => return vec![Wish::Key(action, Some(key))],
                (Key::Char('y' | 'Y'), Asked::Sure(doing)) => {
                    return Self::go_ahead(doing, around);
                }
                // Enter is no answer: nothing here can be taken back.
                (_, asked) => self.question = Some((asked, text)),
            }
            return Vec::new();
        }
        if key == Key::Ctrl('b') {
            return vec![Wish::Hide];
        }
        match &mut self.pane {
            Pane::About => self.key_at_sections(key, around),
            Pane::Loading | Pane::Failed(_) => match key {
                Key::Esc | Key::BackTab | Key::Arrow(Dir::Left) => {
                    self.back();
                    Vec::new()
                }
                Key::Ctrl('r') | Key::Enter if matches!(self.pane, Pane::Failed(_)) => {
                    self.load(around)
                }
                _ => Vec::new(),
            },
            Pane::List(list) if list.typing => {
                match key {
                    Key::Esc => *list = List::default(),
                    Key::Enter | Key::Tab => list.typing = false,
                    Key::Arrow(Dir::Down | Dir::Up) | Key::PageDown | Key::PageUp => {
                        return self.key_in_list(key, around);
                    }
                    key => {
                        let before = list.find.text();
                        list.find.edit(key);
                        if list.find.text() != before {
                            list.at = 0;
                        }
                    }
                }
                Vec::new()
            }
            Pane::List(_) => self.key_in_list(key, around),
            Pane::Form(form, _) => {
                if key == Key::Ctrl('r') && !form.is_busy() && form.asked().is_none() {
                    if form.changed() && !self.conflict {
                        form.say(
                            Mood::Info,
                            "Save what you typed, or leave it with Esc, before it is loaded again.",
                        );
                        return Vec::new();
                    }
                    return self.reload(around);
                }
                let wish = form.key(key);
                self.grant(wish, around)
            }
            Pane::Route => self.key_in_route(key, around),
            Pane::Page(_) => self.key_at_page(key, around),
        }
    }

    fn key_at_secret(&mut self, key: Key) -> Vec<Wish> {
        let Some(secret) = &mut self.secret else {
            return Vec::new();
        };
        let text = match (key, &secret.link) {
            (Key::Char('y'), Some(link)) => link.clone(),
            (Key::Char('y' | 'c'), _) => secret.code.clone(),
            // Not Enter: it is seen once, and a hand that has just sent a form is quick.
            (Key::Esc, _) => {
                self.secret = None;
                return Vec::new();
            }
            _ => return Vec::new(),
        };
        secret.copied = true;
        vec![Wish::Copy(text)]
    }

    fn key_at_sections(&mut self, key: Key, around: &Around<'_>) -> Vec<Wish> {
        let sections: Vec<Section> = Self::sections(around).collect();
        let at = sections
            .iter()
            .position(|s| *s == self.section)
            .unwrap_or(0);
        let last = sections.len().saturating_sub(1);
        let to = match key {
            Key::Arrow(Dir::Down) => at + 1,
            Key::Arrow(Dir::Up) => at.saturating_sub(1),
            Key::Home | Key::PageUp => 0,
            Key::End | Key::PageDown => last,
            Key::Enter | Key::Tab | Key::Arrow(Dir::Right) | Key::Char(' ') => {
                return self.enter(self.section, around);
            }
            Key::Esc | Key::Char(',' | 'q') => return vec![Wish::Close],
            Key::Char(c) => {
                let begins =
                    |s: &Section| s.word().to_lowercase().starts_with(c.to_ascii_lowercase());
                let after = sections.iter().cycle().skip(at + 1).take(sections.len());
                match after.copied().find(begins) {
                    Some(section) => sections.iter().position(|s| *s == section).unwrap_or(at),
                    None => at,
                }
            }
            _ => at,
        };
        if let Some(section) = sections.get(to.min(last)) {
            self.section = *section;
        }
        Vec::new()
    }

    /// The keyboard goes up or down in what is shown.
    pub(super) fn step(&mut self, by: isize, _around: &Around<'_>) {
        match &mut self.pane {
            Pane::List(list) => {
                let last = rows::shown(self.section, &self.data, list)
                    .len()
                    .saturating_sub(1);
                list.at = list.at.saturating_add_signed(by).min(last);
            }
            Pane::Page(at) if self.section == Section::Theme => {
                *at = at.saturating_add_signed(by).min(Theme::ALL.len() - 1);
            }
            Pane::Route => {
                if let Some(route) = &mut self.route {
                    route.step(by);
                }
            }
            _ => {}
        }
    }

    fn moved(&mut self, key: Key, around: &Around<'_>) -> bool {
        let by = match key {
            Key::Arrow(Dir::Down) => 1,
            Key::Arrow(Dir::Up) => -1,
            Key::PageDown => 10,
            Key::PageUp => -10,
            Key::Home => isize::MIN,
            Key::End => isize::MAX,
            _ => return false,
        };
        self.step(by, around);
        true
    }

    /// The entry of the section's data that the keyboard is at.
    pub fn picked(&self) -> Option<usize> {
        match &self.pane {
            Pane::List(list) => rows::shown(self.section, &self.data, list)
                .get(list.at)
                .copied(),
            _ => None,
        }
    }

    fn key_in_list(&mut self, key: Key, around: &Around<'_>) -> Vec<Wish> {
        if self.moved(key, around) {
            return Vec::new();
        }
        match key {
            Key::Esc if matches!(&self.pane, Pane::List(list) if !list.find.is_empty()) => {
                self.pane = Pane::List(List::default());
            }
            Key::Esc | Key::BackTab | Key::Arrow(Dir::Left) => self.back(),
            Key::Ctrl('r') => return self.load(around),
            Key::Char('/') if self.section == Section::People => {
                if let Pane::List(list) = &mut self.pane {
                    list.typing = true;
                }
            }
            // A list whose lines are on their way may be another one when they come.
            _ if self.waits() => {}
            Key::Char('n') => self.make_new(around),
            Key::Enter if self.section == Section::Keys => self.ask_for_key(around),
            Key::Enter => self.open_picked(around),
            Key::Char('x') if self.section == Section::Keys => {
                let action = self.picked().and_then(|n| self.data.actions.get(n));
                return action.map(|a| Wish::Key(*a, None)).into_iter().collect();
            }
            Key::Char('x' | 'X' | 'r') => return self.ask_about_picked(key, around),
            _ => {}
        }
        Vec::new()
    }

    /// The next key is the one that is chosen.
    fn ask_for_key(&mut self, around: &Around<'_>) {
        let Some(action) = self.picked().and_then(|n| self.data.actions.get(n)) else {
            return;
        };
        let text = format!(
            "Press the key that shall do “{}”. So far it is {}.",
            row_of(*action).word,
            around.keys.name(*action)
        );
        self.question = Some((Asked::Press(*action), Sentence::new(&text)));
    }

    fn make_new(&mut self, around: &Around<'_>) {
        let manages = around.me.rights.has(Permission::People);
        let about = match self.section {
            Section::People | Section::Invitations if manages => About::Invite,
            Section::Groups => About::Group(None),
            Section::Slots => About::Slot(None),
            Section::Numbers => About::NewNumber,
            _ => return,
        };
        self.open(about, around);
    }

    fn open_picked(&mut self, around: &Around<'_>) {
        let Some(n) = self.picked() else { return };
        let data = &self.data;
        let about = match self.section {
            Section::People => data.people.get(n).map(|p| About::Person(p.id)),
            Section::Groups => data.groups.get(n).map(|g| About::Group(Some(g.id.clone()))),
            Section::Slots => data.slots.get(n).map(|s| About::Slot(Some(s.id.clone()))),
            Section::Queues => data.queues.get(n).map(|q| About::Queue(q.id.clone())),
            Section::Numbers => {
                if let (Some(number), Pane::List(list)) = (data.numbers.get(n), &self.pane) {
                    self.list = list.clone();
                    let route =
                        route::Route::new(number.number.clone(), number.rev, number.route.clone());
                    self.route = Some(route);
                    self.pane = Pane::Route;
                }
                None
            }
            _ => None,
        };
        if let Some(about) = about {
            self.open(about, around);
        }
    }

    fn ask_about_picked(&mut self, key: Key, around: &Around<'_>) -> Vec<Wish> {
        let Some(n) = self.picked() else {
            return Vec::new();
        };
        let data = &self.data;
        let no = |why: &str| vec![Wish::Say(Mood::Bad, why.to_owned())];
        let (doing, text) = match (self.section, key) {
            (Section::Devices, Key::Char('x')) => {
                let session = &data.sessions[n];
                if session.current {
                    return no("This is the console you sit at: cordboard logout ends it.");
                }
                let name = if session.device.is_empty() {
                    rows::kind(session.kind).to_owned()
                } else {
                    session.device.to_string()
                };
                (
                    Doing::EndSession(session.id.clone()),
                    format!("End the sign-in “{name}”? It is asked for the password next time."),
                )
            }
            (Section::Devices, Key::Char('X')) => (
                Doing::EndSessions,
                "End all your sign-ins but this one?".to_owned(),
            ),
            (Section::People, Key::Char('r')) => {
                let person = &data.people[n];
                let actor = Actor {
                    user: around.me.id,
                    rights: around.me.rights,
                };
                let rights = person.role.rights().with(person.grants);
                if let Err(why) = policy::may(actor, Act::Rule(rights)) {
                    return no(why);
                }
                (
                    Doing::Reset(person.id),
                    format!(
                        "Make a code with which {} chooses another password? The one so far holds until then.",
                        person.name
                    ),
                )
            }
            (Section::Invitations, Key::Char('x')) => (
                Doing::Revoke(data.invitations[n].id.clone()),
                "Take this invitation back? Its code is worth nothing then.".to_owned(),
            ),
            (Section::Groups, Key::Char('x')) => {
                let group = &data.groups[n];
                let text = format!("Remove the group {}? Its people stay.", group.name);
                (Doing::DropGroup(group.id.clone(), group.rev), text)
            }
            (Section::Slots, Key::Char('x')) => {
                let slot = &data.slots[n];
                let text = format!("Remove the slot {}?", slot.id);
                (Doing::DropSlot(slot.id.clone(), slot.rev), text)
            }
            (Section::Numbers, Key::Char('x')) => {
                let number = &data.numbers[n];
                let text = format!(
                    "Remove {}? Calls to it are not taken any more.",
                    number.number
                );
                (Doing::DropNumber(number.number.clone(), number.rev), text)
            }
            _ => return Vec::new(),
        };
        self.question = Some((Asked::Sure(doing), Sentence::new(&text)));
        Vec::new()
    }

    fn key_in_route(&mut self, key: Key, around: &Around<'_>) -> Vec<Wish> {
        let Some(route) = &mut self.route else {
            self.back();
            return Vec::new();
        };
        if route.asking {
            match key {
                Key::Char('y' | 'Y') => return self.leave(around),
                Key::Char('n' | 'N') | Key::Esc => route.asking = false,
                _ => {}
            }
            return Vec::new();
        }
        if route.busy {
            if key == Key::Esc {
                route.busy = false;
                self.out.clear();
                self.tell(
                    Mood::Info,
                    "You did not wait for the answer. The server may have done it all the same.",
                );
            }
            return Vec::new();
        }
        let room = route.stops.len() < route::MOST;
        match key {
            Key::Esc if route.changed() => route.asking = true,
            Key::Esc => return self.leave(around),
            Key::Ctrl('s') => return self.save_route(around),
            Key::Ctrl('r') if self.conflict || !route.changed() => return self.reload(around),
            Key::Char('p') if room => {
                self.open(About::PeopleStop(None), around);
            }
            Key::Char('g') if room => {
                self.open(About::GroupStop(None), around);
            }
            Key::Char('p' | 'g') => self.tell(Mood::Bad, "A way has at most eight stops."),
            Key::Enter => {
                use cordboard_core::api::RouteStop;
                let at = route.at;
                let about = match route.stops.get(at) {
                    Some(RouteStop::People { .. }) => About::PeopleStop(Some(at)),
                    Some(RouteStop::Group { .. }) => About::GroupStop(Some(at)),
                    Some(RouteStop::Queue { .. }) => About::QueueStop(at),
                    None => return Vec::new(),
                };
                self.open(about, around);
            }
            Key::Char('x') => route.remove(),
            Key::Char('u') => route.shift(false),
            Key::Char('d') => route.shift(true),
            key => {
                self.moved(key, around);
            }
        }
        Vec::new()
    }

    fn key_at_page(&mut self, key: Key, around: &Around<'_>) -> Vec<Wish> {
        if self.moved(key, around) {
            return Vec::new();
        }
        match (key, self.section, &self.pane) {
            (Key::Esc | Key::BackTab | Key::Arrow(Dir::Left), ..) => {
                self.back();
                Vec::new()
            }
            (Key::Enter | Key::Char(' '), Section::Theme, Pane::Page(at)) => {
                let theme = Theme::ALL.get(*at).copied().unwrap_or_default();
                vec![Wish::Theme(theme)]
            }
            (Key::Enter | Key::Char('P'), Section::Phone, _) => vec![Wish::Pair],
            _ => Vec::new(),
        }
    }

    /// Takes a click on a line of the list, or the second of two.
    pub fn click_line(&mut self, n: usize, double: bool, around: &Around<'_>) -> Vec<Wish> {
        if self.secret.is_some() || self.question.is_some() {
            return Vec::new();
        }
        match &mut self.pane {
            Pane::List(list) => {
                let again = list.at == n;
                list.at = n;
                list.typing = false;
                if double || again {
                    return self.key_in_list(Key::Enter, around);
                }
            }
            Pane::Page(at) if self.section == Section::Theme => {
                *at = n.min(Theme::ALL.len() - 1);
                return self.key_at_page(Key::Enter, around);
            }
            Pane::Route => {
                if let Some(route) = self.route.as_mut().filter(|r| !r.busy && !r.asking) {
                    let again = route.at == n;
                    route.at = n.min(route.stops.len().saturating_sub(1));
                    if double || again {
                        return self.key_in_route(Key::Enter, around);
                    }
                }
            }
            _ => {}
        }
        Vec::new()
    }

    /// The keys that do something now, the most useful first.
    pub fn hints(&self, around: &Around<'_>) -> Vec<Hint> {
        let (up, leave) = ((Key::Esc, "Esc", "sections"), (Key::Esc, "Esc", "board"));
        if let Some(secret) = &self.secret {
            let close = (Key::Esc, "Esc", "I have it");
            return match &secret.link {
                Some(_) => vec![
                    (Key::Char('y'), "y", "copy the link"),
                    (Key::Char('c'), "c", "copy the code"),
                    close,
                ],
                None => vec![(Key::Char('y'), "y", "copy the code"), close],
            };
        }
        if matches!(self.question, Some((Asked::Press(_), _))) {
            return vec![(Key::Esc, "Esc", "leave it")];
        }
        let asked = self.question.is_some() || self.route.as_ref().is_some_and(|r| r.asking);
        if asked {
            return vec![(Key::Char('y'), "y", "yes"), (Key::Char('n'), "n", "no")];
        }
        let manages = around.me.rights.has(Permission::People);
        let mut hints: Vec<Hint> = Vec::new();
        match (&self.pane, self.section) {
            (Pane::About, _) => hints.extend([(Key::Enter, "Enter", "open"), leave]),
            (Pane::Loading, _) => hints.push(up),
            (Pane::Failed(_), _) => hints.extend([(Key::Ctrl('r'), "Ctrl-R", "try again"), up]),
            (Pane::List(list), _) if list.typing => {
                hints.extend([
                    (Key::Enter, "Enter", "to the list"),
                    (Key::Esc, "Esc", "everybody"),
                ]);
            }
            (Pane::List(_), section) => {
                let change = (Key::Enter, "Enter", "change");
                match section {
                    Section::People => {
                        hints.push((Key::Enter, "Enter", if manages { "change" } else { "look" }));
                        hints.push((Key::Char('/'), "/", "find"));
                        if manages {
                            hints.push((Key::Char('n'), "n", "invite"));
                            hints.push((Key::Char('r'), "r", "reset code"));
                        }
                    }
                    Section::Devices => hints.extend([
                        (Key::Char('x'), "x", "end it"),
                        (Key::Char('X'), "X", "end all others"),
                    ]),
                    Section::Invitations => hints.extend([
                        (Key::Char('n'), "n", "invite"),
                        (Key::Char('x'), "x", "take back"),
                    ]),
                    Section::Queues => hints.push(change),
                    Section::Keys => {
                        let first = (Key::Char('x'), "x", "as it was at first");
                        return vec![change, first, up];
                    }
                    _ => hints.extend([
                        change,
                        (Key::Char('n'), "n", "new"),
                        (Key::Char('x'), "x", "remove"),
                    ]),
                }
                hints.extend([up, (Key::Ctrl('r'), "Ctrl-R", "load again")]);
            }
            (Pane::Form(..), _) => {
                if self.conflict {
                    hints.push((Key::Ctrl('r'), "Ctrl-R", "load again"));
                }
                hints.push((Key::Ctrl('b'), "Ctrl-B", "board, keeping this"));
            }
            (Pane::Route, _) => hints.extend([
                (Key::Ctrl('s'), "Ctrl-S", "save"),
                (Key::Enter, "Enter", "change"),
                (Key::Char('p'), "p", "add people"),
                (Key::Char('g'), "g", "add a group"),
                (Key::Char('x'), "x", "remove"),
                (Key::Char('u'), "u", "up"),
                (Key::Char('d'), "d", "down"),
            ]),
            (Pane::Page(_), Section::Theme) => {
                hints.extend([(Key::Enter, "Enter", "take these"), up]);
            }
            (Pane::Page(_), _) => {
                hints.extend([(Key::Enter, "Enter", "pair a page"), up]);
            }
        }
        hints
    }
}
