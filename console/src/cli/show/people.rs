//! Accounts, sign-ins and invitations as text for people.
//!
//! Pure functions from values to lines, as in `cli/show.rs`.
//!
//! Read next: `cli/people.rs`.

use cordboard_core::{
    api::{Account, Invitation, SessionKind, SignedIn},
    board::{Presence, Status},
    policy::{Permission, Rights, Role},
};

use super::{list, moment, row, table};

/// What a person says of themselves: `away (lunch), back at 2026-01-31 13:30:00Z`.
pub fn status(status: &Status) -> String {
    let word = match status.presence {
        Presence::Available => "available",
        Presence::Away => "away",
        Presence::Busy => "busy",
        Presence::Dnd => "do not disturb",
        Presence::Offline => "offline",
    };
    let text = match status.text.as_str() {
        "" => String::new(),
        text => format!(" ({text})"),
    };
    let back = status
        .back_at
        .map_or_else(String::new, |back| format!(", back at {}", moment(back)));
    format!("{word}{text}{back}")
}

fn rights(rights: Rights) -> String {
    list(rights.iter().map(Permission::word))
}

/// A role, and what is granted beside it: `operator + audit, house`.
fn role(role: Role, grants: Rights) -> String {
    match rights(grants) {
        none if none.is_empty() => role.word().to_owned(),
        grants => format!("{} + {grants}", role.word()),
    }
}

/// Whether they may come in, in a word; nothing where they may.
fn standing(account: &Account) -> &'static str {
    match (account.pending, account.active) {
        (true, _) => "waits to be let in",
        (false, false) => "kept out",
        (false, true) => "",
    }
}

/// Accounts as a table.
pub fn accounts(people: &[Account]) -> Vec<String> {
    if people.is_empty() {
        return vec!["Nobody.".to_owned()];
    }
    let mut rows = vec![row([
        "EXT", "ID", "NAME", "ROLE", "E-MAIL", "GROUPS", "STATUS",
    ])];
    for person in people {
        let standing = standing(person);
        rows.push(row([
            person.extension.as_str(),
            &person.id.to_string(),
            person.name.as_str(),
            &role(person.role, person.grants),
            person.email.as_str(),
            &list(&person.groups),
            &if standing.is_empty() {
                status(&person.status)
            } else {
                standing.to_owned()
            },
        ]));
    }
    table(&rows)
}

/// Everything about one account.
pub fn account(person: &Account) -> Vec<String> {
    let mut rows = vec![
        row(["person", &person.id.to_string()]),
        row(["rev", &person.rev.to_string()]),
        row(["name", person.name.as_str()]),
        row(["e-mail", person.email.as_str()]),
        row(["extension", person.extension.as_str()]),
        row(["role", person.role.word()]),
    ];
    let mut more = |name: &str, text: String| {
        if !text.is_empty() {
            rows.push(row([name, &text]));
        }
    };
    more("granted", rights(person.grants));
    more(
        "fallback",
        person.fallback.iter().map(ToString::to_string).collect(),
    );
    more("languages", list(&person.languages));
    more("groups", list(&person.groups));
    more("status", status(&person.status));
    more("standing", standing(person).to_owned());
    more("since", moment(person.since));
    table(&rows)
}

fn kind(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Console => "console",
        SessionKind::Script => "script",
        SessionKind::Phone => "phone page",
    }
}

/// Sign-ins as a table.
pub fn sessions(sessions: &[SignedIn]) -> Vec<String> {
    if sessions.is_empty() {
        return vec!["No sign-ins.".to_owned()];
    }
    let mut rows = vec![row(["ID", "WHAT", "DEVICE", "FROM", "SINCE", "SEEN", ""])];
    for session in sessions {
        rows.push(row([
            session.id.as_str(),
            kind(session.kind),
            session.device.as_str(),
            session.address.as_str(),
            &moment(session.since),
            &moment(session.seen),
            if session.current { "this one" } else { "" },
        ]));
    }
    table(&rows)
}

/// Invitations as a table.
pub fn invitations(invitations: &[Invitation]) -> Vec<String> {
    if invitations.is_empty() {
        return vec!["No invitations.".to_owned()];
    }
    let mut rows = vec![row(["ID", "FOR", "E-MAIL", "AS", "BY", "UNTIL"])];
    for invitation in invitations {
        rows.push(row([
            invitation.id.as_str(),
            if invitation.name.is_empty() {
                "anybody"
            } else {
                invitation.name.as_str()
            },
            invitation.email.as_ref().map_or("any", |e| e.as_str()),
            &role(invitation.role, invitation.grants),
            &invitation.by.to_string(),
            &moment(invitation.expires),
        ]));
    }
    table(&rows)
}
