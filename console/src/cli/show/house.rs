//! Groups, slots, queues, numbers, the desk and the audit as text for people.
//!
//! Pure functions from values to lines, as in `cli/show.rs`.
//!
//! Read next: `cli/house.rs`, `cli/audit.rs`.

use cordboard_core::api::{
    AuditLine, DeskDetail, GroupDetail, NumberDetail, QueueDetail, RouteStop, SlotDetail,
};

use super::{Names, list, moment, row, span, table};

fn seconds(seconds: u32) -> String {
    span(i64::from(seconds) * 1_000)
}

/// Rows under their titles, or a sentence where there are none.
fn titled<const N: usize>(titles: [&str; N], rows: Vec<Vec<String>>, none: &str) -> Vec<String> {
    if rows.is_empty() {
        return vec![none.to_owned()];
    }
    let mut all = vec![row(titles)];
    all.extend(rows);
    table(&all)
}

/// Groups as a table.
pub fn groups(groups: &[GroupDetail], names: &Names) -> Vec<String> {
    let rows = groups.iter().map(|group| {
        row([
            group.id.as_str(),
            group.name.as_str(),
            &names.list(&group.members),
        ])
    });
    titled(["ID", "NAME", "WHO"], rows.collect(), "No groups.")
}

/// Slots as a table.
pub fn slots(slots: &[SlotDetail]) -> Vec<String> {
    let rows = slots.iter().map(|slot| {
        let park = slot
            .park_seconds
            .map_or_else(|| "as the desk says".to_owned(), seconds);
        row([slot.id.as_str(), slot.name.as_str(), &park])
    });
    titled(["ID", "NAME", "PARKS FOR"], rows.collect(), "No slots.")
}

/// Queues as a table.
pub fn queues(queues: &[QueueDetail]) -> Vec<String> {
    let rows = queues
        .iter()
        .map(|queue| row([queue.id.as_str(), queue.name.as_str()]));
    titled(["ID", "NAME"], rows.collect(), "No queues.")
}

/// Numbers as a table.
pub fn numbers(numbers: &[NumberDetail], names: &Names) -> Vec<String> {
    let rows = numbers
        .iter()
        .map(|number| row([number.number.as_str(), &route(&number.route, names)]));
    titled(["NUMBER", "RINGS"], rows.collect(), "No numbers.")
}

/// A call's way in a line.
fn route(stops: &[RouteStop], names: &Names) -> String {
    let stops: Vec<String> = stops
        .iter()
        .map(|stop| match stop {
            RouteStop::People { users, seconds: s } => {
                format!("{} for {}", names.list(users), seconds(*s))
            }
            RouteStop::Group { group, seconds: s } => format!("group {group} for {}", seconds(*s)),
            RouteStop::Queue { queue } => format!("queue {queue}"),
        })
        .collect();
    stops.join(", then ")
}

/// How the desk works, as a page.
pub fn desk(desk: &DeskDetail, names: &Names) -> Vec<String> {
    let registration = if desk.registration.open {
        format!("open to {}", list(&desk.registration.domains))
    } else {
        "by invitation only".to_owned()
    };
    let second = if desk.second.is_empty() {
        "nobody".to_owned()
    } else {
        names.list(&desk.second)
    };
    table(&[
        row(["rev", &desk.rev.to_string()]),
        row(["rings for", &seconds(desk.ring_seconds)]),
        row(["returns for", &seconds(desk.return_seconds)]),
        row(["parks for", &seconds(desk.park_seconds)]),
        row(["holds for", &seconds(desk.hold_seconds)]),
        row(["second", &second]),
        row(["registration", &registration]),
    ])
}

/// Lines of the audit as a table.
pub fn audit(lines: &[AuditLine], names: &Names) -> Vec<String> {
    let rows = lines.iter().map(|line| {
        let who = match (line.actor, &line.address) {
            (Some(user), Some(address)) => format!("{}, {address}", names.get(user)),
            (Some(user), None) => names.get(user),
            (None, Some(address)) => address.to_string(),
            (None, None) => String::new(),
        };
        let change = match (&line.before, &line.after) {
            (Some(before), Some(after)) => format!("{before} → {after}"),
            (Some(before), None) => format!("{before} → nothing"),
            (None, Some(after)) => after.to_string(),
            (None, None) => String::new(),
        };
        row([
            &line
                .place
                .map_or_else(|| "new".to_owned(), |p| p.to_string()),
            &moment(line.at),
            &who,
            line.kind.as_str(),
            line.subject.as_deref().unwrap_or_default(),
            &change,
        ])
    });
    titled(
        ["PLACE", "WHEN", "WHO", "DID", "TO", "CHANGE"],
        rows.collect(),
        "No lines.",
    )
}
