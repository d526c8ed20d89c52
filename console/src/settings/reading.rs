//! Reads a form of the settings that is sent: what it asks of the server, or what is wrong with which field.
//!
//! What a field may hold is checked by [`cordboard_core::api`], as the server does it; only what differs is sent.

use cordboard_core::{
    api::{
        Account, AccountEdit, DeskEdit, FieldError, Fields, GroupEdit, Invite, PasswordChange,
        QueueEdit, Registration, RouteStop, SlotEdit,
    },
    board::Status,
    ids::{GroupId, Phone, QueueId, SafeText, SlotId, UserId},
    policy::{Permission, Rights, Role},
};

use super::{
    About, Around,
    data::Data,
    forms::{PRESENCES, fallback},
    moments,
};
use crate::{ask::Ask, form::Form};

/// What comes of a form that is sent.
pub(super) enum Sent {
    /// That is to be asked.
    Ask(Ask),
    /// Nothing differs.
    Same,
    /// The way of a number has got that stop.
    Stop(RouteStop, Option<usize>),
    /// A new number begins with that way.
    Number(Phone, QueueId),
    /// It was only there to be read.
    Read,
}

/// Words between commas or blanks.
fn words(text: &str) -> Vec<String> {
    text.split([',', ';', ' '])
        .filter(|w| !w.is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

fn role_of(word: &str) -> Option<Role> {
    Role::ALL.into_iter().find(|r| r.word() == word)
}

fn rights_of(words: &[String]) -> Rights {
    let chosen = |p: &Permission| words.iter().any(|w| w == p.word());
    Permission::ALL.into_iter().filter(chosen).collect()
}

fn users_of(keys: &[String]) -> Vec<UserId> {
    keys.iter().filter_map(|k| k.parse().ok()).collect()
}

/// What it asks for now. The error says field by field what is wrong.
pub(super) fn read(
    form: &Form,
    about: &About,
    data: &Data,
    around: &Around<'_>,
) -> Result<Sent, Vec<FieldError>> {
    let mut fields = Fields::default();
    match about {
        About::Profile => match &data.me {
            Some(me) => account(form, me, true, around),
            None => Ok(Sent::Same),
        },
        About::Person(user) => match data.person(*user) {
            Some(person) if form.entries().iter().any(crate::form::Entry::editable) => {
                account(form, person, false, around)
            }
            _ => Ok(Sent::Read),
        },
        About::Status => {
            let text = form.value("presence_text");
            let clean = SafeText::from(text);
            if clean.as_str() != text.trim() {
                fields.wrong(
                    "presence_text",
                    "At most 64 columns, without invisible characters.",
                );
            }
            let back_at = moments::read_back(form.value("back_at"), around.now, around.utc_offset)
                .map_err(|why| fields.wrong("back_at", why))
                .ok();
            let chosen = form.chosen("presence");
            let presence = PRESENCES.iter().find(|(_, key, _)| *key == chosen);
            let read = back_at.zip(presence).map(|(back_at, (presence, ..))| {
                let status = Status {
                    presence: *presence,
                    text: clean,
                    back_at,
                };
                Sent::Ask(Ask::Status(around.me.id, status))
            });
            fields.done(read)
        }
        About::Password => {
            let (password, again) = (form.value("password"), form.value("again"));
            if form.value("current").is_empty() {
                fields.wrong("current", "Your password so far is missing.");
            }
            fields.password("password", password);
            if password != again {
                fields.wrong("again", "This is another one than above.");
            }
            fields.done(Some(Sent::Ask(Ask::Password(PasswordChange {
                current: form.value("current").into(),
                password: password.into(),
            }))))
        }
        About::Invite => {
            let invite = Invite {
                role: role_of(form.chosen("role")).unwrap_or(Role::Agent),
                grants: rights_of(&form.picked("grants")),
                groups: form.picked("groups"),
                name: form.value("name").trim().to_owned(),
                email: form.value("email").trim().to_owned(),
                extension: form.value("extension").trim().to_owned(),
            };
            invite.check().map(|_| Sent::Ask(Ask::Invite(invite)))
        }
        About::Group(id) => {
            let id = id_of::<GroupId>(form, &mut fields, id.as_ref());
            let name = fields.name("name", form.value("name"));
            let read = id.zip(name).map(|(id, name)| {
                let rev = data.groups.iter().find(|g| g.id == id).map_or(0, |g| g.rev);
                let members = users_of(&form.picked("members"));
                Sent::Ask(Ask::PutGroup(
                    id,
                    GroupEdit {
                        rev,
                        name: name.to_string(),
                        members,
                    },
                ))
            });
            fields.done(read)
        }
        About::Slot(id) => {
            let id = id_of::<SlotId>(form, &mut fields, id.as_ref());
            let name = fields.name("name", form.value("name"));
            let text = form.value("park_seconds").trim();
            let park_seconds = if text.is_empty() {
                Some(None)
            } else {
                seconds(form, &mut fields, "park_seconds").map(Some)
            };
            let read = id
                .zip(name)
                .zip(park_seconds)
                .map(|((id, name), park_seconds)| {
                    let rev = data.slots.iter().find(|s| s.id == id).map_or(0, |s| s.rev);
                    Sent::Ask(Ask::PutSlot(
                        id,
                        SlotEdit {
                            rev,
                            name: name.to_string(),
                            park_seconds,
                        },
                    ))
                });
            fields.done(read)
        }
        About::Queue(id) => {
            let name = fields.name("name", form.value("name"));
            let rev = data
                .queues
                .iter()
                .find(|q| q.id == *id)
                .map_or(0, |q| q.rev);
            let edit = |name: SafeText| QueueEdit {
                rev,
                name: name.to_string(),
            };
            fields.done(name.map(|name| Sent::Ask(Ask::PutQueue(id.clone(), edit(name)))))
        }
        About::NewNumber => {
            let why = "This is no telephone number with its country code, such as +14155550132.";
            let number = fields.read("number", Phone::read(form.value("number")), why);
            if number
                .as_ref()
                .is_some_and(|n| data.numbers.iter().any(|d| d.number == *n))
            {
                fields.wrong("number", "This number is in the list already.");
            }
            let queue = fields.read(
                "queue",
                form.chosen("queue").parse(),
                "There is no queue to choose.",
            );
            fields.done(number.zip(queue).map(|(n, q)| Sent::Number(n, q)))
        }
        About::PeopleStop(n) => {
            let users = users_of(&form.picked("users"));
            if users.is_empty() {
                fields.wrong("users", "Choose somebody.");
            }
            let seconds = seconds(form, &mut fields, "seconds");
            fields.done(seconds.map(|s| Sent::Stop(RouteStop::People { users, seconds: s }, *n)))
        }
        About::GroupStop(n) => {
            let why = "There is no group to choose. Make one first.";
            let group = fields.read("group", form.chosen("group").parse(), why);
            let seconds = seconds(form, &mut fields, "seconds");
            let read = group.zip(seconds);
            fields
                .done(read.map(|(group, s)| Sent::Stop(RouteStop::Group { group, seconds: s }, *n)))
        }
        About::QueueStop(n) => {
            let queue = fields.read(
                "queue",
                form.chosen("queue").parse(),
                "There is no queue to choose.",
            );
            fields.done(queue.map(|queue| Sent::Stop(RouteStop::Queue { queue }, Some(*n))))
        }
        About::Desk => {
            let Some(desk) = &data.desk else {
                return Ok(Sent::Same);
            };
            let mut edit = DeskEdit {
                rev: desk.rev,
                ..DeskEdit::default()
            };
            for (key, was, place) in [
                ("ring_seconds", desk.ring_seconds, &mut edit.ring_seconds),
                (
                    "return_seconds",
                    desk.return_seconds,
                    &mut edit.return_seconds,
                ),
                ("park_seconds", desk.park_seconds, &mut edit.park_seconds),
                ("hold_seconds", desk.hold_seconds, &mut edit.hold_seconds),
            ] {
                *place = seconds(form, &mut fields, key).filter(|s| *s != was);
            }
            let second = users_of(&form.picked("second"));
            let chosen = |u: &UserId| second.contains(u);
            // Their order says who is tried first: only who is new comes at the end.
            let mut ordered: Vec<UserId> = desk.second.iter().copied().filter(chosen).collect();
            ordered.extend(second.iter().filter(|u| !desk.second.contains(u)));
            edit.second = Some(ordered).filter(|s| *s != desk.second);
            let registration = Registration {
                open: form.is_on("open"),
                domains: words(form.value("domains")),
            };
            edit.registration = Some(registration).filter(|r| *r != desk.registration);
            let same = edit
                == DeskEdit {
                    rev: desk.rev,
                    ..DeskEdit::default()
                };
            let sent = if same {
                Sent::Same
            } else {
                Sent::Ask(Ask::ChangeDesk(edit))
            };
            fields.done(Some(sent))
        }
    }
}

/// The id of what there is, or the one that was typed for what is new.
fn id_of<T: std::str::FromStr + Clone>(
    form: &Form,
    fields: &mut Fields,
    id: Option<&T>,
) -> Option<T> {
    if let Some(id) = id {
        return Some(id.clone());
    }
    let why = "At most 16 letters, digits, - and _.";
    fields.read("id", form.value("id").trim().parse(), why)
}

fn seconds(form: &Form, fields: &mut Fields, key: &str) -> Option<u32> {
    let read = form.value(key).trim().parse::<u32>().ok();
    let fits = read.filter(|s| (5..=3600).contains(s)).ok_or(());
    fields.read(key, fits, "Whole seconds, from 5 to 3600.")
}

/// What differs from the account.
fn account(
    form: &Form,
    p: &Account,
    own: bool,
    around: &Around<'_>,
) -> Result<Sent, Vec<FieldError>> {
    let differs = |key: &str, was: &str| {
        let text = form.value(key).trim();
        (text != was).then(|| text.to_owned())
    };
    let spoken = words(form.value("languages"));
    let was: Vec<String> = p.languages.iter().map(ToString::to_string).collect();
    let mut edit = AccountEdit {
        rev: p.rev,
        name: differs("name", p.name.as_str()),
        fallback: differs("fallback", fallback(p)),
        languages: Some(spoken).filter(|l| *l != was),
        ..AccountEdit::default()
    };
    if !own {
        edit.email = differs("email", p.email.as_str());
        edit.extension = differs("extension", p.extension.as_str());
        edit.role = role_of(form.chosen("role")).filter(|r| *r != p.role);
        // What whoever edits may not give is not in the list, and stays as it is.
        let others: Rights = p
            .grants
            .iter()
            .filter(|g| !around.me.rights.has(*g))
            .collect();
        let given = rights_of(&form.picked("grants")).with(others);
        edit.grants = Some(given).filter(|g| *g != p.grants);
        let mut groups = form.picked("groups");
        let mut was: Vec<String> = p.groups.iter().map(ToString::to_string).collect();
        groups.sort();
        was.sort();
        edit.groups = Some(groups).filter(|g| *g != was);
        let active = p.active && !p.pending;
        edit.active = Some(form.is_on("active")).filter(|on| *on != active);
    }
    edit.check()?;
    let same = AccountEdit {
        rev: p.rev,
        ..AccountEdit::default()
    };
    Ok(if edit == same {
        Sent::Same
    } else {
        Sent::Ask(Ask::Edit(p.id, edit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_between_commas_and_blanks() {
        assert_eq!(words(" en, de;fr  pt-BR "), ["en", "de", "fr", "pt-BR"]);
        assert!(words(" , ").is_empty());
    }
}
