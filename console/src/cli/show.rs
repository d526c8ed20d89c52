//! Cards, boards and moments as text for people: aligned, in words, and harmless to any terminal.
//!
//! Pure functions from values to lines. They must not print, ask or decide. The contract is about JSON; what is
//! said here may be made better at any time.
//!
//! Read next: `cli/show/people.rs`, `cli/show/house.rs`, [`crate::cli`].

use std::collections::BTreeMap;

use cordboard_core::{
    board::{At, Card, Person, Presence, Snapshot},
    call::{Dialled, Direction, EndWhy},
    ids::{Timestamp, UserId},
    machine::PhonePage,
};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

pub mod house;
pub mod people;

/// Whether a character could do something to a terminal other than be seen: controls, and what changes the
/// direction of writing.
pub fn moves_a_cursor(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// A text whose dangerous characters have become blanks.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if moves_a_cursor(c) { ' ' } else { c })
        .collect()
}

/// The word a value has on the wire.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// A span of milliseconds: `0:07`, `12:40`, `1:02:03`. What has not begun is `0:00`.
pub fn span(ms: i64) -> String {
    let s = ms.max(0) / 1000;
    if s < 3600 {
        format!("{}:{:02}", s / 60, s % 60)
    } else {
        format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
    }
}

/// Several things in a row, separated by commas.
pub fn list<T: ToString>(things: impl IntoIterator<Item = T>) -> String {
    let things: Vec<String> = things.into_iter().map(|thing| thing.to_string()).collect();
    things.join(", ")
}

/// A moment to the second, in UTC: `2026-01-31 09:41:07Z`.
pub fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time}Z"),
        _ => text,
    }
}

/// Who is who.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<UserId, String>);

impl Names {
    /// From a board.
    pub fn of(board: &Snapshot) -> Self {
        Self(
            board
                .people
                .iter()
                .map(|p| (p.id, p.name.to_string()))
                .collect(),
        )
    }

    /// A person's name, or their id.
    pub fn get(&self, user: UserId) -> String {
        self.0
            .get(&user)
            .cloned()
            .unwrap_or_else(|| user.to_string())
    }

    /// Several people's names.
    pub fn list(&self, users: &[UserId]) -> String {
        list(users.iter().map(|u| self.get(*u)))
    }

    /// A user id or number as the wire has it, in words.
    fn target(&self, to: &str) -> String {
        to.parse()
            .map_or_else(|_| to.to_owned(), |user| self.get(user))
    }
}

/// Where a call is, in a few words that fit after "Rosa Diaz".
pub fn place(at: &At, names: &Names) -> String {
    match at {
        At::Queued { queue, alert: None } => format!("waits in {queue}"),
        At::Queued {
            queue,
            alert: Some(user),
        } => format!("waits in {queue}, back for {}", names.get(*user)),
        At::Ringing { users, why, .. } => {
            let back = match why.as_str() {
                "returned" => ", nobody took it",
                "park-expired" => ", parked too long",
                "reconnect" => ", the line was lost",
                _ => "",
            };
            format!("rings for {}{back}", names.list(users))
        }
        At::Dialling { user, to } => {
            format!("is dialled by {} ({})", names.get(*user), dialled(to))
        }
        At::Connecting { user } => format!("is being connected to {}", names.get(*user)),
        At::Talking { users } if users.is_empty() => "talks to an outside number".to_owned(),
        At::Talking { users } => format!("talks to {}", names.list(users)),
        At::Holding { user, .. } => format!("is about to be held by {}", names.get(*user)),
        At::Held { user, .. } => format!("is held by {}", names.get(*user)),
        At::Parking { slot, by, .. } => {
            format!("is about to be parked in {slot} by {}", names.get(*by))
        }
        At::Parked { slot, by, .. } => format!("is parked in {slot} by {}", names.get(*by)),
        At::Transferring { from, to, .. } => {
            format!(
                "is being sent to {} by {}",
                names.target(to),
                names.get(*from)
            )
        }
        At::Ended { why } => match why {
            EndWhy::Abandoned => "hung up before anybody answered",
            EndWhy::CallerLeft => "hung up",
            EndWhy::HungUp => "was hung up on",
            EndWhy::NoAnswer => "did not answer",
            EndWhy::Busy => "was busy",
            EndWhy::Failed => "was lost: the call failed",
        }
        .to_owned(),
    }
}

/// One call in a sentence.
pub fn sentence(card: &Card, names: &Names) -> String {
    format!("{} {}.", card.title(), place(&card.place.at, names))
}

fn dialled(to: &Dialled) -> String {
    match to {
        Dialled::Number(number) => number.to_string(),
        Dialled::Emergency(number) => format!("{number}, emergency"),
        Dialled::Withheld => "a number that is withheld".to_owned(),
    }
}

/// The calls as a table, oldest first.
pub fn calls(cards: &[Card], names: &Names, now: Timestamp) -> Vec<String> {
    if cards.is_empty() {
        return vec!["No calls.".to_owned()];
    }
    let mut rows = vec![row([
        "CALL",
        "FOR",
        "",
        "CALLER",
        "NUMBER",
        "WHERE",
        "THERE FOR",
    ])];
    for card in cards {
        rows.push(row([
            &card.id.to_string(),
            &span(now.since(card.since)),
            match card.direction {
                Direction::In => "in",
                Direction::Out => "out",
            },
            card.caller.name.as_ref().map_or("", |n| n.as_str()),
            &number(card),
            &place(&card.place.at, names),
            &span(now.since(card.place.since)),
        ]));
    }
    table(&rows)
}

/// The other party's number; a call for help has no other than the one that was dialled.
fn number(card: &Card) -> String {
    match &card.caller.number {
        Some(number) => number.to_string(),
        None if card.emergency() => dialled(&card.to),
        None => "withheld".to_owned(),
    }
}

/// Everything about one call.
pub fn call(card: &Card, names: &Names, now: Timestamp) -> Vec<String> {
    let mut rows = vec![
        row(["call", &card.id.to_string()]),
        row(["rev", &card.rev.to_string()]),
        row(["caller", card.title()]),
        row(["number", &number(card)]),
        row(["to", &dialled(&card.to)]),
        row([
            "since",
            &format!("{} ({})", card.since, span(now.since(card.since))),
        ]),
        row([
            "where",
            &format!(
                "{} ({})",
                place(&card.place.at, names),
                span(now.since(card.place.since))
            ),
        ]),
    ];
    if let At::Parking {
        note: Some(note), ..
    }
    | At::Parked {
        note: Some(note), ..
    } = &card.place.at
    {
        rows.push(row(["note", note.as_str()]));
    }
    if let Some(undo) = &card.undo {
        rows.push(row([
            "take back",
            &format!("by {}, to {}", names.get(undo.by), undo.to),
        ]));
    }
    for leg in &card.legs {
        let who = match (leg.user, &leg.number) {
            (Some(user), _) => names.get(user),
            (None, Some(number)) => number.to_string(),
            (None, None) => "withheld".to_owned(),
        };
        let sid = leg.sid.as_ref().map_or("no sid yet", |s| s.as_str());
        let held = if leg.held { ", held" } else { "" };
        let muted = if leg.muted { ", muted" } else { "" };
        rows.push(row([
            &leg.role,
            &format!("{who}, {}{held}{muted}, {sid}", word(&leg.state)),
        ]));
    }
    table(&rows)
}

/// The whole board as a page.
pub fn board(board: &Snapshot, now: Timestamp) -> Vec<String> {
    let names = Names::of(board);
    let mut page = Vec::new();
    let card = |id| board.calls.iter().find(|c| c.id == id);
    let mut part = |title: &str, rows: &[Vec<String>]| {
        if !page.is_empty() {
            page.push(String::new());
        }
        page.push(title.to_owned());
        page.extend(table(rows).into_iter().map(|line| format!("  {line}")));
    };
    let waiting: Vec<Vec<String>> = board
        .calls
        .iter()
        .filter(|c| matches!(c.place.at, At::Queued { .. } | At::Ringing { .. }))
        .map(|c| {
            row([
                &span(now.since(c.place.since)),
                c.title(),
                &place(&c.place.at, &names),
                &c.id.to_string(),
            ])
        })
        .collect();
    part(&format!("Waiting ({})", waiting.len()), &waiting);
    let people: Vec<Vec<String>> = board
        .people
        .iter()
        .map(|p| {
            let busy = p
                .calls
                .iter()
                .find_map(|id| card(*id).filter(|c| c.with.contains(&p.id)));
            let with = busy.map_or(String::new(), |c| {
                format!("{} {}", c.title(), span(now.since(c.place.since)))
            });
            row([
                p.extension.as_str(),
                p.name.as_str(),
                presence(p),
                phone(p),
                &with,
            ])
        })
        .collect();
    part("People", &people);
    let slots: Vec<Vec<String>> = board
        .slots
        .iter()
        .map(|s| match s.call.and_then(card) {
            None => row([s.id.as_str(), "free"]),
            Some(c) => {
                let left = s
                    .deadline
                    .map_or(String::new(), |d| format!("back in {}", span(d.since(now))));
                let note = match &c.place.at {
                    At::Parked {
                        note: Some(note), ..
                    }
                    | At::Parking {
                        note: Some(note), ..
                    } => note.as_str(),
                    _ => "",
                };
                row([
                    s.id.as_str(),
                    c.title(),
                    &place(&c.place.at, &names),
                    &left,
                    note,
                ])
            }
        })
        .collect();
    part("Parking", &slots);
    let calls = calls(&board.calls, &names, now);
    page.push(String::new());
    page.push("Calls".to_owned());
    page.extend(calls.into_iter().map(|line| format!("  {line}")));
    page
}

fn presence(person: &Person) -> &'static str {
    match person.status.presence {
        Presence::Available => "available",
        Presence::Away => "away",
        Presence::Busy => "busy",
        Presence::Dnd => "do not disturb",
        Presence::Offline => "offline",
    }
}

fn phone(person: &Person) -> &'static str {
    match (person.phone, person.fallback) {
        (PhonePage::Ready, _) => "phone ready",
        (PhonePage::Unreachable, true) => "rings elsewhere",
        (PhonePage::Unreachable, false) => "phone not reachable",
        (PhonePage::Unknown, _) => "phone unknown",
    }
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.iter().map(|c| plain(c)).collect()
}

/// Rows with their columns aligned, two blanks apart; the last column of a row is not padded.
pub fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|i| {
            rows.iter()
                .filter(|r| r.len() > i + 1)
                .filter_map(|r| r.get(i))
                .map(|c| c.width())
                .max()
                .unwrap_or(0)
        })
        .collect();
    rows.iter()
        .map(|cells| {
            let mut line = String::new();
            for (i, cell) in cells.iter().enumerate() {
                line.push_str(cell);
                if i + 1 < cells.len() {
                    let blanks = widths[i].saturating_sub(cell.width()) + 2;
                    line.extend(std::iter::repeat_n(' ', blanks));
                }
            }
            line.trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_are_read_at_a_glance() {
        assert_eq!(
            [-5, 0, 7_999, 65_000, 3_599_999, 3_723_000].map(span),
            ["0:00", "0:00", "0:07", "1:05", "59:59", "1:02:03"]
        );
    }

    #[test]
    fn columns_stay_aligned_with_wide_characters() {
        let rows = [
            row(["李小龍", "x"]),
            row(["Ada", "y"]),
            row(["a long last column of its own"]),
        ];
        let lines = table(&rows);
        assert_eq!(lines[0], "李小龍  x");
        assert_eq!(lines[1], "Ada     y");
    }

    proptest! {
        #[test]
        fn no_line_can_move_a_cursor(cells in proptest::collection::vec(any::<String>(), 0..6)) {
            let cells: Vec<String> = cells.iter().map(|c| plain(c)).collect();
            for line in table(&[cells]) {
                prop_assert!(!line.chars().any(moves_a_cursor));
            }
        }
    }
}
