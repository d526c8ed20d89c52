//! The forms of the settings: what is in each when it opens. What it asks for when it is sent is read in
//! `settings/reading.rs`.
//!
//! Roles and permissions that whoever looks may not give are not offered; who may not be changed by them is only read.

use cordboard_core::{
    api::{Account, RouteStop},
    board::{Presence, Status},
    ids::{GroupId, QueueId, SlotId, UserId},
    policy::{self, Act, Actor, Permission, Rights, Role},
};

use super::{Around, data::Data, moments, route::Route};
use crate::{
    app::natural,
    form::{Form, Pick},
};

/// What a form is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// Myself.
    Profile,
    /// What I say of myself.
    Status,
    /// My password.
    Password,
    /// That person.
    Person(UserId),
    /// Somebody to be invited.
    Invite,
    /// That group, or a new one.
    Group(Option<GroupId>),
    /// That slot, or a new one.
    Slot(Option<SlotId>),
    /// That queue.
    Queue(QueueId),
    /// A number that is not there yet.
    NewNumber,
    /// A stop where people ring, in that place or new.
    PeopleStop(Option<usize>),
    /// A stop where a group rings, in that place or new.
    GroupStop(Option<usize>),
    /// The queue at the end.
    QueueStop(usize),
    /// How the desk works.
    Desk,
}

/// The roles to choose from: those that whoever chooses may give.
fn roles(rights: Rights) -> Vec<Pick> {
    let may = |role: &Role| rights.cover(role.rights());
    Role::ALL
        .into_iter()
        .filter(may)
        .map(|r| Pick::new(r.word(), r.word()))
        .collect()
}

fn grants(rights: Rights) -> Vec<Pick> {
    rights
        .iter()
        .map(|p| Pick::new(p.word(), p.means()))
        .collect()
}

fn group_picks(data: &Data) -> Vec<Pick> {
    let pick = |g: &cordboard_core::api::GroupDetail| Pick::new(g.id.as_str(), g.name.as_str());
    data.groups.iter().map(pick).collect()
}

/// Everybody on the board by extension, and whoever is chosen and not on it: who is not named would be lost by saving.
fn people_picks(around: &Around<'_>, chosen: &[UserId]) -> Vec<Pick> {
    let mut people: Vec<_> = around.board.people.values().collect();
    people.sort_by_cached_key(|p| (natural(p.extension.as_str()), p.id));
    let here = people
        .iter()
        .map(|p| Pick::new(p.id.to_string(), &format!("{} {}", p.extension, p.name)));
    let gone = chosen
        .iter()
        .filter(|u| !around.board.people.contains_key(u))
        .map(|u| Pick::new(u.to_string(), &format!("{u}, deactivated")));
    here.chain(gone).collect()
}

fn many_people(form: Form, key: &str, label: &str, around: &Around<'_>, chosen: &[UserId]) -> Form {
    let keys: Vec<String> = chosen.iter().map(ToString::to_string).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    form.many(key, label, people_picks(around, chosen), &keys)
}

fn languages(account: &Account) -> String {
    let tags: Vec<&str> = account
        .languages
        .iter()
        .map(cordboard_core::ids::Language::as_str)
        .collect();
    tags.join(", ")
}

pub(super) fn fallback(account: &Account) -> &str {
    account.fallback.as_ref().map_or("", |n| n.as_str())
}

fn may_do(rights: Rights) -> String {
    let list: Vec<&str> = rights.iter().map(Permission::means).collect();
    if list.is_empty() {
        "look at the board, without seeing who is calling".to_owned()
    } else {
        list.join(", ")
    }
}

const LANGUAGES_HINT: &str = "Tags such as en or pt-BR, best first.";
const FALLBACK_HINT: &str =
    "Rings while your phone page is closed. With its country code; empty: none.";

/// The form about that, filled with what is known. None: it is not there any more.
pub(super) fn open(
    about: &About,
    data: &Data,
    around: &Around<'_>,
    route: Option<&Route>,
) -> Option<Form> {
    let form = match about {
        About::Profile => {
            let me = data.me.as_ref()?;
            Form::new("Save")
                .text("name", "Name")
                .filled(me.name.as_str())
                .text("fallback", "Other number")
                .hint(FALLBACK_HINT)
                .filled(fallback(me))
                .text("languages", "Languages")
                .hint(LANGUAGES_HINT)
                .filled(&languages(me))
                .info("E-mail", me.email.as_str())
                .info("Extension", me.extension.as_str())
                .info("Role", me.role.word())
                .info("You may", &may_do(around.me.rights))
        }
        About::Status => status(&data.me.as_ref()?.status, around),
        About::Password => Form::new("Change it")
            .asking("Leave without changing the password?")
            .secret("current", "Password so far")
            .secret("password", "New password")
            .hint("At least 12 characters. A few words are better than one clever one.")
            .secret("again", "Once more")
            .hint("All your other sign-ins end."),
        About::Person(user) => person(data.person(*user)?, data, around),
        About::Invite => Form::new("Invite")
            .asking("Leave without inviting anybody?")
            .text("name", "Name")
            .hint("If you know it.")
            .text("email", "E-mail")
            .hint("Empty: whoever has the code may use any address.")
            .text("extension", "Extension")
            .hint("Empty: they choose.")
            .choice("role", "Role", roles(around.me.rights), Role::Agent.word())
            .many("grants", "And may", grants(around.me.rights), &[])
            .many("groups", "Groups", group_picks(data), &[]),
        About::Group(id) => {
            let group = match id {
                Some(id) => Some(data.groups.iter().find(|g| g.id == *id)?),
                None => None,
            };
            let form = Form::new("Save");
            let form = match group {
                Some(group) => form.info("Group", group.id.as_str()),
                None => form
                    .text("id", "Short name")
                    .hint("Letters, digits, - and _, such as sales. It stays."),
            };
            let form = form
                .text("name", "Name")
                .filled(group.map_or("", |g| g.name.as_str()));
            let members = group.map_or(&[][..], |g| &g.members);
            many_people(form, "members", "Members", around, members)
        }
        About::Slot(id) => {
            let slot = match id {
                Some(id) => Some(data.slots.iter().find(|s| s.id == *id)?),
                None => None,
            };
            let form = Form::new("Save");
            let form = match slot {
                Some(slot) => form.info("Slot", slot.id.as_str()),
                None => form
                    .text("id", "Short name")
                    .hint("What people say, such as P6. It stays."),
            };
            let seconds = slot.and_then(|s| s.park_seconds);
            form.text("name", "Name")
                .filled(slot.map_or("", |s| s.name.as_str()))
                .text("park_seconds", "Seconds")
                .hint("How long a call may lie in it. Empty: as long as in any.")
                .filled(&seconds.map(|s| s.to_string()).unwrap_or_default())
        }
        About::Queue(id) => {
            let queue = data.queues.iter().find(|q| q.id == *id)?;
            Form::new("Save")
                .info("Queue", queue.id.as_str())
                .text("name", "Name")
                .filled(queue.name.as_str())
        }
        About::NewNumber => Form::new("Go on")
            .text("number", "Number")
            .hint("One that is yours at the carrier, with its country code.")
            .choice("queue", "Waits in", queue_picks(around), "")
            .hint("Where its way ends. What is tried before comes next."),
        About::PeopleStop(n) => {
            let (users, seconds) = match n.and_then(|n| route?.stops.get(n)) {
                Some(RouteStop::People { users, seconds }) => (users.clone(), *seconds),
                _ => (Vec::new(), 20),
            };
            let form = Form::new("Take it")
                .text("seconds", "Seconds")
                .hint("How long it rings for them.")
                .filled(&seconds.to_string());
            many_people(form, "users", "Rings for", around, &users)
        }
        About::GroupStop(n) => {
            let (group, seconds) = match n.and_then(|n| route?.stops.get(n)) {
                Some(RouteStop::Group { group, seconds }) => (group.as_str(), *seconds),
                _ => ("", 20),
            };
            Form::new("Take it")
                .choice("group", "Group", group_picks(data), group)
                .text("seconds", "Seconds")
                .hint("How long it rings for whoever is in it.")
                .filled(&seconds.to_string())
        }
        About::QueueStop(n) => {
            let queue = match route?.stops.get(*n) {
                Some(RouteStop::Queue { queue }) => queue.as_str(),
                _ => "",
            };
            Form::new("Take it").choice("queue", "Waits in", queue_picks(around), queue)
        }
        About::Desk => {
            let desk = data.desk.as_ref()?;
            let form = Form::new("Save");
            let form = [
                (
                    "ring_seconds",
                    "A person rings",
                    "For so many seconds.",
                    desk.ring_seconds,
                ),
                (
                    "return_seconds",
                    "What comes back",
                    "Rings its sender for so many seconds.",
                    desk.return_seconds,
                ),
                (
                    "park_seconds",
                    "In a slot",
                    "A call may lie so many seconds.",
                    desk.park_seconds,
                ),
                (
                    "hold_seconds",
                    "On hold",
                    "A call may be so many seconds.",
                    desk.hold_seconds,
                ),
            ]
            .into_iter()
            .fold(form, |form, (key, label, hint, seconds)| {
                form.text(key, label)
                    .hint(hint)
                    .filled(&seconds.to_string())
            });
            let form = form
                .toggle("open", "Open registration", desk.registration.open)
                .hint("People may enter themselves; an administrator lets them in.")
                .text("domains", "Of these domains")
                .hint("Such as example.com, example.org. Empty: nobody.")
                .filled(&desk.registration.domains.join(", "));
            many_people(form, "second", "Tried after sender", around, &desk.second)
        }
    };
    Some(form)
}

fn queue_picks(around: &Around<'_>) -> Vec<Pick> {
    let pick = |q: &cordboard_core::board::Queue| Pick::new(q.id.as_str(), q.name.as_str());
    around.board.queues.iter().map(pick).collect()
}

/// The words for what somebody says of themselves, in the order in which they are offered.
pub(super) const PRESENCES: [(Presence, &str, &str); 5] = [
    (Presence::Available, "available", "available"),
    (Presence::Away, "away", "away"),
    (Presence::Busy, "busy", "busy"),
    (Presence::Dnd, "dnd", "do not disturb"),
    (Presence::Offline, "offline", "signed off"),
];

fn status(status: &Status, around: &Around<'_>) -> Form {
    let picks = PRESENCES
        .iter()
        .map(|(_, key, word)| Pick::new(*key, word))
        .collect();
    let chosen = PRESENCES.iter().find(|(p, ..)| *p == status.presence);
    // What is over is no plan any more.
    let back = status.back_at.filter(|at| *at > around.now);
    let back = back
        .map(|at| moments::clock(at, around.utc_offset))
        .unwrap_or_default();
    Form::new("Say so")
        .choice(
            "presence",
            "I am",
            picks,
            chosen.map_or("", |(_, key, _)| key),
        )
        .text("presence_text", "In my words")
        .hint("Such as “lunch”. Everybody reads it.")
        .filled(status.text.as_str())
        .text("back_at", "Back")
        .hint("How long, such as 30m or 1h30, or when, such as 13:30.")
        .filled(&back)
}

fn person(p: &Account, data: &Data, around: &Around<'_>) -> Form {
    let actor = Actor {
        user: around.me.id,
        rights: around.me.rights,
    };
    let rights = p.role.rights().with(p.grants);
    let groups: Vec<&str> = p.groups.iter().map(GroupId::as_str).collect();
    if let Err(why) = policy::may(actor, Act::Rule(rights)) {
        let groups: Vec<String> = p
            .groups
            .iter()
            .map(|g| data.group(around.board, g))
            .collect();
        return Form::new("Back")
            .info("Name", p.name.as_str())
            .info("E-mail", p.email.as_str())
            .info("Extension", p.extension.as_str())
            .info("Role", p.role.word())
            .info("May", &may_do(rights))
            .info("Other number", fallback(p))
            .info("Languages", &languages(p))
            .info("Groups", &groups.join(", "))
            .info("Here since", &moments::date(p.since, around.utc_offset))
            .info("", why);
    }
    let given: Vec<&str> = p.grants.iter().map(Permission::word).collect();
    let form = Form::new("Save");
    let admission = |form: Form| {
        form.toggle("active", "May sign in", p.active && !p.pending)
            .hint("Without it they are kept out and get no calls. Their history stays.")
    };
    // Whoever waits to be let in is looked at for that; for everybody else it is the last thing to change.
    let form = if p.pending {
        let told = "They have entered themselves, and nobody has let them in yet. Tick “May sign in” to do it.";
        admission(form.info("", told))
    } else {
        form
    };
    let form = form
        .text("name", "Name")
        .filled(p.name.as_str())
        .text("email", "E-mail")
        .filled(p.email.as_str())
        .text("extension", "Extension")
        .filled(p.extension.as_str())
        .choice("role", "Role", roles(around.me.rights), p.role.word())
        .many("grants", "And may", grants(around.me.rights), &given)
        .hint("Beside what the role stands for.")
        .text("fallback", "Other number")
        .hint("Rings while their phone page is closed. Empty: none.")
        .filled(fallback(p))
        .text("languages", "Languages")
        .hint(LANGUAGES_HINT)
        .filled(&languages(p))
        .many("groups", "Groups", group_picks(data), &groups);
    let form = if p.pending { form } else { admission(form) };
    form.info("Here since", &moments::date(p.since, around.utc_offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_offered_a_role_they_cannot_give() {
        let offered: Vec<String> = roles(Role::Operator.rights())
            .into_iter()
            .map(|p| p.key)
            .collect();
        assert_eq!(offered, ["operator", "agent", "read-only"]);
    }
}
