//! The lists of the settings: what stands in each line, and which lines there are.

use cordboard_core::api::SessionKind;

use super::{Around, List, Section, data::Data, moments};
use crate::{
    app::Sentence,
    keymap::{Action, Row, TABLE, row_of},
    theme::Tone,
};

/// A column of a list: what it is called, and how wide it is at least and at most.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// What it is called.
    pub head: &'static str,
    /// How wide it is at least.
    pub least: u16,
    /// How wide it is at most.
    pub most: u16,
}

const fn column(head: &'static str, least: u16, most: u16) -> Column {
    Column { head, least, most }
}

/// What stands in a cell, and how it is meant.
pub type Cell = (Sentence, Tone);

/// The columns of a section's list. Those on the right are left out where there is no room.
pub const fn columns(section: Section) -> &'static [Column] {
    const PEOPLE: &[Column] = &[
        column("Ext.", 6, 6),
        column("Name", 18, 28),
        column("", 15, 22),
        column("Role", 11, 13),
        column("E-mail", 20, 36),
        column("Groups", 12, 30),
    ];
    const DEVICES: &[Column] = &[
        column("What", 20, 34),
        column("Kind", 8, 8),
        column("Last seen", 13, 14),
        column("Address", 15, 24),
        column("Since", 13, 14),
    ];
    const INVITATIONS: &[Column] = &[
        column("For", 20, 36),
        column("Role", 11, 12),
        column("Until", 13, 14),
        column("By", 16, 26),
        column("Ext.", 6, 6),
    ];
    const GROUPS: &[Column] = &[
        column("Group", 12, 20),
        column("Name", 16, 30),
        column("Members", 20, 70),
    ];
    const SLOTS: &[Column] = &[
        column("Slot", 10, 16),
        column("Name", 16, 34),
        column("A call may lie in it", 20, 30),
    ];
    const QUEUES: &[Column] = &[column("Queue", 16, 16), column("Name", 24, 50)];
    const KEYS: &[Column] = &[
        column("Key", 5, 8),
        column("What", 13, 16),
        column("", 20, 100),
    ];
    const NUMBERS: &[Column] = &[column("Number", 18, 20), column("Rings", 36, 110)];
    match section {
        Section::People => PEOPLE,
        Section::Devices => DEVICES,
        Section::Invitations => INVITATIONS,
        Section::Groups => GROUPS,
        Section::Slots => SLOTS,
        Section::Queues => QUEUES,
        Section::Numbers => NUMBERS,
        Section::Keys => KEYS,
        _ => &[],
    }
}

/// What is said where a list is empty.
pub const fn nothing(section: Section) -> &'static str {
    match section {
        Section::Invitations => "Nobody is invited at the moment. n invites somebody.",
        Section::Groups => "There are no groups yet. n makes one.",
        Section::Slots => "There are no slots: calls cannot be parked. n makes one.",
        Section::Numbers => "No number is known here: no call comes in. n adds one.",
        _ => "There are none.",
    }
}

/// Which entries of the section's data are in the list, in its order.
pub fn shown(section: Section, data: &Data, list: &List) -> Vec<usize> {
    let count = match section {
        Section::People => {
            let text = list.find.text().trim().to_lowercase();
            let fits = |n: &usize| {
                let p = &data.people[*n];
                text.is_empty()
                    || p.extension.as_str().starts_with(&text)
                    || p.name.as_str().to_lowercase().contains(&text)
                    || p.email.as_str().contains(&text)
                    || p.role.word().starts_with(&text)
                    || p.groups.iter().any(|g| g.as_str().to_lowercase() == text)
                    || p.languages
                        .iter()
                        .any(|l| l.as_str().to_lowercase() == text)
            };
            return (0..data.people.len()).filter(fits).collect();
        }
        Section::Devices => data.sessions.len(),
        Section::Invitations => data.invitations.len(),
        Section::Groups => data.groups.len(),
        Section::Slots => data.slots.len(),
        Section::Queues => data.queues.len(),
        Section::Numbers => data.numbers.len(),
        Section::Keys => data.actions.len(),
        _ => 0,
    };
    (0..count).collect()
}

/// What whoever looks has keys for.
pub fn actions(around: &Around<'_>) -> Vec<Action> {
    let has = |row: &&Row| row.action.has_name() && row.open_to(around.me.rights);
    TABLE.iter().filter(has).map(|row| row.action).collect()
}

/// What stands in the line of that entry.
pub fn cells(section: Section, data: &Data, n: usize, around: &Around<'_>) -> Vec<Cell> {
    let text = |text: &str, tone: Tone| (Sentence::new(text), tone);
    let plain = |t: &str| text(t, Tone::Text);
    let strong = |t: &str| text(t, Tone::Strong);
    let faint = |t: &str| text(t, Tone::Faint);
    let day = |at| moments::day(at, around.utc_offset);
    match section {
        Section::People => {
            let Some(p) = data.people.get(n) else {
                return Vec::new();
            };
            let (state, tone) = match (p.pending, p.active) {
                (true, _) => ("not let in yet", Tone::Ring),
                (_, false) => ("deactivated", Tone::Bad),
                _ if p.id == around.me.id => ("you", Tone::Accent),
                _ => ("active", Tone::Good),
            };
            let name = if p.active {
                strong(p.name.as_str())
            } else {
                faint(p.name.as_str())
            };
            let groups: Vec<String> = p
                .groups
                .iter()
                .map(|g| data.group(around.board, g))
                .collect();
            let more = if p.grants.iter().next().is_some() {
                " +"
            } else {
                ""
            };
            vec![
                faint(p.extension.as_str()),
                name,
                text(state, tone),
                plain(&format!("{}{more}", p.role.word())),
                faint(p.email.as_str()),
                faint(&groups.join(", ")),
            ]
        }
        Section::Devices => {
            let Some(s) = data.sessions.get(n) else {
                return Vec::new();
            };
            let name = if s.device.is_empty() {
                "without a name"
            } else {
                s.device.as_str()
            };
            let seen = if s.current {
                text("this console", Tone::Accent)
            } else {
                plain(&day(s.seen))
            };
            vec![
                strong(name),
                plain(kind(s.kind)),
                seen,
                faint(s.address.as_str()),
                faint(&day(s.since)),
            ]
        }
        Section::Invitations => {
            let Some(i) = data.invitations.get(n) else {
                return Vec::new();
            };
            let whom = match (i.name.is_empty(), &i.email) {
                (false, _) => i.name.to_string(),
                (true, Some(email)) => email.to_string(),
                (true, None) => "anybody".to_owned(),
            };
            let extension = i.extension.as_ref().map_or("", |e| e.as_str());
            vec![
                strong(&whom),
                plain(i.role.word()),
                plain(&day(i.expires)),
                faint(&data.name(around.board, i.by)),
                faint(extension),
            ]
        }
        Section::Groups => {
            let Some(g) = data.groups.get(n) else {
                return Vec::new();
            };
            let names: Vec<String> = g
                .members
                .iter()
                .take(6)
                .map(|u| around.board.name(*u))
                .collect();
            let more = g.members.len().saturating_sub(names.len());
            let who = match (g.members.len(), more) {
                (0, _) => "nobody".to_owned(),
                (_, 0) => names.join(", "),
                _ => format!("{} and {more} more", names.join(", ")),
            };
            vec![plain(g.id.as_str()), strong(g.name.as_str()), faint(&who)]
        }
        Section::Slots => {
            let Some(s) = data.slots.get(n) else {
                return Vec::new();
            };
            let long = match s.park_seconds {
                Some(seconds) => format!("{seconds} s"),
                None => "as long as in any".to_owned(),
            };
            vec![plain(s.id.as_str()), strong(s.name.as_str()), faint(&long)]
        }
        Section::Queues => {
            let Some(q) = data.queues.get(n) else {
                return Vec::new();
            };
            vec![plain(q.id.as_str()), strong(q.name.as_str())]
        }
        Section::Numbers => {
            let Some(number) = data.numbers.get(n) else {
                return Vec::new();
            };
            let stops: Vec<String> = number
                .route
                .iter()
                .map(|stop| super::route::sentence(stop, data, around))
                .collect();
            vec![strong(number.number.as_str()), plain(&stops.join(" → "))]
        }
        Section::Keys => {
            let Some(action) = data.actions.get(n) else {
                return Vec::new();
            };
            let row = row_of(*action);
            let key = around.keys.name(*action);
            let tone = if key == row.key {
                Tone::Text
            } else {
                Tone::Accent
            };
            vec![text(&key, tone), strong(row.word), faint(row.help)]
        }
        _ => Vec::new(),
    }
}

/// The word for a kind of sign-in.
pub const fn kind(kind: SessionKind) -> &'static str {
    match kind {
        SessionKind::Console => "console",
        SessionKind::Script => "script",
        SessionKind::Phone => "phone",
    }
}
