//! Groups, slots, queues, numbers, and how the desk works.
//!
//! Whoever may see who is calling may see these; changing them takes the permission `house`.

use cordboard_core::{
    api::{
        DeskDetail, DeskEdit, Fields, GroupDetail, GroupDetails, GroupEdit, NumberDetail,
        NumberDetails, NumberEdit, QueueDetail, QueueDetails, QueueEdit, RouteStop, SlotDetail,
        SlotDetails, SlotEdit,
    },
    ids::{GroupId, Phone, QueueId, Rev, SlotId, UserId},
    policy::{Act, Permission},
    wire::Change,
};
use serde::Serialize;

use super::{Office, json, may, on_this};
use crate::{
    error::ApiError,
    exchange::Session,
    house::{House, seconds},
    store::{Arrangement, AuditRow, Edit, GroupRow, NumberRow, PersonRow, QueueRow, SlotRow},
};

/// How short and how long a deadline may be, in seconds.
const SECONDS: std::ops::RangeInclusive<u32> = 5..=3600;
/// How many stops the way of a call has at most.
const STOPS: usize = 8;
/// How many slots and groups there are at most: they are shown.
const SLOTS: usize = 99;
const GROUPS: usize = 99;
/// How many people are tried after the sender, at most; and how many ring at one stop.
const TOGETHER: usize = 32;
/// How many domains people may enter themselves from.
const DOMAINS: usize = 32;

fn group(row: &GroupRow) -> GroupDetail {
    GroupDetail {
        id: row.id.clone(),
        rev: row.rev,
        name: row.name.clone(),
        members: row.members.clone(),
    }
}

fn slot(row: &SlotRow) -> SlotDetail {
    SlotDetail {
        id: row.id.clone(),
        rev: row.rev,
        name: row.name.clone(),
        park_seconds: row.park_ms.map(seconds),
    }
}

fn queue(row: &QueueRow) -> QueueDetail {
    QueueDetail {
        id: row.id.clone(),
        rev: row.rev,
        name: row.name.clone(),
    }
}

fn number(row: &NumberRow) -> NumberDetail {
    NumberDetail {
        number: row.number.clone(),
        rev: row.rev,
        route: row.route.clone(),
    }
}

fn desk(house: &House) -> DeskDetail {
    let desk = &house.desk;
    DeskDetail {
        rev: house.desk_rev,
        ring_seconds: seconds(desk.ring_ms),
        return_seconds: seconds(desk.return_ms),
        park_seconds: seconds(desk.park_ms),
        hold_seconds: seconds(desk.hold_ms),
        second: desk.second.clone(),
        registration: house.registration.clone(),
    }
}

/// Whether that many seconds are a deadline.
fn check_seconds(fields: &mut Fields, field: &str, seconds: Option<u32>) {
    if seconds.is_some_and(|s| !SECONDS.contains(&s)) {
        let (least, most) = (SECONDS.start(), SECONDS.end());
        fields.wrong(field, format!("This takes {least} to {most} seconds."));
    }
}

/// Whether those are people who work here.
fn check_people(fields: &mut Fields, field: &str, users: &[UserId], house: &House) {
    if users.len() > TOGETHER {
        fields.wrong(field, format!("At most {TOGETHER} people."));
    }
    for user in users {
        if house.active(*user).is_none() {
            fields.wrong(field, format!("There is nobody with the id {user}."));
        }
    }
}

fn no_such(what: &str) -> ApiError {
    ApiError::NotFound(format!("There is no {what}, or not any more."))
}

impl Office {
    fn arranged<W: Serialize, B: Serialize>(
        &self,
        by: &Session,
        kind: &str,
        subject: String,
        was: Option<&W>,
        became: Option<&B>,
        edit: Edit,
    ) -> Arrangement {
        let audit = AuditRow {
            subject: Some(subject),
            was: was.and_then(json),
            became: became.and_then(json),
            ..by.audit(self.now(), kind)
        };
        Arrangement::new(audit, vec![edit])
    }

    /// All groups.
    pub fn groups(&self, by: &Session) -> Result<GroupDetails, ApiError> {
        may(by, Act::Use(Permission::Board))?;
        let house = self.exchange.house();
        Ok(GroupDetails {
            groups: house.groups.iter().map(group).collect(),
        })
    }

    /// Makes or changes a group.
    pub async fn put_group(
        &self,
        by: &Session,
        id: GroupId,
        edit: &GroupEdit,
    ) -> Result<GroupDetail, ApiError> {
        may(by, Act::Use(Permission::House))?;
        let house = self.exchange.house();
        let was = house.group(&id);
        let mut fields = Fields::default();
        let name = fields.name("name", &edit.name);
        let mut members = edit.members.clone();
        members.sort_unstable();
        members.dedup();
        for user in &members {
            if !house.people.contains_key(user) {
                fields.wrong("members", format!("There is nobody with the id {user}."));
            }
        }
        let name = fields.done(name)?;
        on_this(
            edit.rev,
            was.map(|g| g.rev),
            &format!("group {id}").as_str().into(),
        )?;
        if was.is_none() && house.groups.len() >= GROUPS {
            return Err(ApiError::Refused(format!(
                "There are at most {GROUPS} groups."
            )));
        }
        let row = GroupRow {
            id,
            rev: edit.rev + 1,
            name,
            members,
        };
        let mut shown = Vec::new();
        if was.is_none_or(|g| g.name != row.name) {
            let mut groups = house.shown_groups();
            groups.retain(|g| g.id != row.id);
            let place = house.groups.iter().position(|g| g.id == row.id);
            let group = cordboard_core::board::Group {
                id: row.id.clone(),
                name: row.name.clone(),
            };
            groups.insert(place.unwrap_or(groups.len()), group);
            shown.push(Change::Groups(groups));
        }
        let before: &[UserId] = was.map_or(&[], |g| &g.members);
        shown.extend(regrouped(&house, &row.id, before, &row.members));
        let subject = format!("group {}", row.id);
        let edit = Edit::PutGroup(row.clone());
        let plan = Arrangement {
            shown,
            ..self.arranged(by, "group", subject, was, Some(&row), edit)
        };
        self.exchange.arrange(plan).await?;
        Ok(group(&row))
    }

    /// Dissolves a group.
    pub async fn drop_group(&self, by: &Session, id: &GroupId, rev: Rev) -> Result<(), ApiError> {
        may(by, Act::Use(Permission::House))?;
        let house = self.exchange.house();
        let what = format!("group {id}");
        let was = house.group(id).ok_or_else(|| no_such(&what))?;
        on_this(rev.max(1), Some(was.rev), &what.as_str().into())?;
        let mut groups = house.shown_groups();
        groups.retain(|g| g.id != *id);
        let mut shown = vec![Change::Groups(groups)];
        shown.extend(regrouped(&house, id, &was.members, &[]));
        let edit = Edit::DropGroup(id.clone(), rev);
        let plan = Arrangement {
            shown,
            ..self.arranged(by, "group", what, Some(was), None::<&()>, edit)
        };
        self.exchange.arrange(plan).await?;
        Ok(())
    }

    /// All slots.
    pub fn slots(&self, by: &Session) -> Result<SlotDetails, ApiError> {
        may(by, Act::Use(Permission::Board))?;
        let house = self.exchange.house();
        Ok(SlotDetails {
            slots: house.slots.iter().map(slot).collect(),
        })
    }

    /// Makes or changes a slot.
    pub async fn put_slot(
        &self,
        by: &Session,
        id: SlotId,
        edit: &SlotEdit,
    ) -> Result<SlotDetail, ApiError> {
        may(by, Act::Use(Permission::House))?;
        let house = self.exchange.house();
        let was = house.slot(&id);
        let mut fields = Fields::default();
        let name = fields.name("name", &edit.name);
        check_seconds(&mut fields, "park_seconds", edit.park_seconds);
        let name = fields.done(name)?;
        on_this(
            edit.rev,
            was.map(|s| s.rev),
            &format!("slot {id}").as_str().into(),
        )?;
        if was.is_none() && house.slots.len() >= SLOTS {
            return Err(ApiError::Refused(format!(
                "There are at most {SLOTS} slots."
            )));
        }
        let row = SlotRow {
            id,
            name,
            position: was.map_or(0, |s| s.position),
            rev: edit.rev + 1,
            park_ms: edit.park_seconds.map(|s| i64::from(s) * 1000),
        };
        let mut slots = house.shown_slots();
        let new = cordboard_core::board::Slot {
            id: row.id.clone(),
            name: row.name.clone(),
            call: None,
            deadline: None,
        };
        match slots.iter_mut().find(|s| s.id == row.id) {
            Some(slot) => *slot = new,
            None => slots.push(new),
        }
        let edit = Edit::PutSlot(row.clone());
        let subject = format!("slot {}", row.id);
        let plan = Arrangement {
            shown: vec![Change::Slots(slots)],
            ..self.arranged(by, "slot", subject, was, Some(&row), edit)
        };
        self.exchange.arrange(plan).await?;
        Ok(slot(&row))
    }

    /// Takes a slot away that no call lies in.
    pub async fn drop_slot(&self, by: &Session, id: &SlotId, rev: Rev) -> Result<(), ApiError> {
        may(by, Act::Use(Permission::House))?;
        let house = self.exchange.house();
        let what = format!("slot {id}");
        let was = house.slot(id).ok_or_else(|| no_such(&what))?;
        on_this(rev.max(1), Some(was.rev), &what.as_str().into())?;
        let mut slots = house.shown_slots();
        slots.retain(|s| s.id != *id);
        let edit = Edit::DropSlot(id.clone(), rev);
        let plan = Arrangement {
            shown: vec![Change::Slots(slots)],
            ..self.arranged(by, "slot", what, Some(was), None::<&()>, edit)
        };
        self.exchange.arrange(plan).await?;
        Ok(())
    }

    /// All queues.
    pub fn queues(&self, by: &Session) -> Result<QueueDetails, ApiError> {
        may(by, Act::Use(Permission::Board))?;
        let house = self.exchange.house();
        Ok(QueueDetails {
            queues: house.queues.iter().map(queue).collect(),
        })
    }

    /// Renames a queue.
    pub async fn put_queue(
        &self,
        by: &Session,
        id: &QueueId,
        edit: &QueueEdit,
    ) -> Result<QueueDetail, ApiError> {
        may(by, Act::Use(Permission::House))?;
        let house = self.exchange.house();
        let what = format!("queue {id}");
        let was = house.queue(id).ok_or_else(|| no_such(&what))?;
        let mut fields = Fields::default();
        let name = fields.name("name", &edit.name);
        let name = fields.done(name)?;
        on_this(edit.rev.max(1), Some(was.rev), &what.as_str().into())?;
        let row = QueueRow {
            name,
            rev: edit.rev + 1,
            ..was.clone()
        };
        let mut queues = house.shown_queues();
        for shown in &mut queues {
            if shown.id == row.id {
                shown.name = row.name.clone();
            }
        }
        let edit = Edit::PutQueue(row.clone());
        let plan = Arrangement {
            shown: vec![Change::Queues(queues)],
            ..self.arranged(by, "queue", what, Some(was), Some(&row), edit)
        };
        self.exchange.arrange(plan).await?;
        Ok(queue(&row))
    }

    /// All our numbers.
    pub fn numbers(&self, by: &Session) -> Result<NumberDetails, ApiError> {
        may(by, Act::Use(Permission::Board))?;
        let house = self.exchange.house();
        Ok(NumberDetails {
            numbers: house.numbers.values().map(number).collect(),
        })
    }

    /// Whether a number would be a new one here, if `by` may add it and it leads somewhere: then the carrier is told
    /// first.
    pub fn is_new_number(
        &self,
        by: &Session,
        id: &Phone,
        edit: &NumberEdit,
    ) -> Result<bool, ApiError> {
        may(by, Act::Use(Permission::House))?;
        let house = self.exchange.house();
        check_route(&edit.route, &house)?;
        let is = house.numbers.get(id).map(|n| n.rev);
        on_this(edit.rev, is, &format!("number {id}").as_str().into())?;
        Ok(is.is_none())
    }

    /// Adds a number, or gives it another way.
    pub async fn put_number(
        &self,
        by: &Session,
        id: Phone,
        edit: &NumberEdit,
    ) -> Result<NumberDetail, ApiError> {
        may(by, Act::Use(Permission::House))?;
        let house = self.exchange.house();
        let was = house.numbers.get(&id);
        check_route(&edit.route, &house)?;
        let what = format!("number {id}");
        on_this(edit.rev, was.map(|n| n.rev), &what.as_str().into())?;
        let row = NumberRow {
            number: id,
            rev: edit.rev + 1,
            route: edit.route.clone(),
        };
        let edit = Edit::PutNumber(row.clone());
        let plan = self.arranged(by, "number", what, was, Some(&row), edit);
        self.exchange.arrange(plan).await?;
        Ok(number(&row))
    }

    /// Takes a number away: calls to it are turned down from now on.
    pub async fn drop_number(&self, by: &Session, id: &Phone, rev: Rev) -> Result<(), ApiError> {
        may(by, Act::Use(Permission::House))?;
        let house = self.exchange.house();
        let what = format!("number {id}");
        let was = house.numbers.get(id).ok_or_else(|| no_such(&what))?;
        on_this(rev.max(1), Some(was.rev), &what.as_str().into())?;
        let edit = Edit::DropNumber(id.clone(), rev);
        let plan = self.arranged(by, "number", what, Some(was), None::<&()>, edit);
        self.exchange.arrange(plan).await?;
        Ok(())
    }

    /// How the desk works.
    pub fn desk(&self, by: &Session) -> Result<DeskDetail, ApiError> {
        may(by, Act::Use(Permission::Board))?;
        Ok(desk(&self.exchange.house()))
    }

    /// Changes how the desk works.
    pub async fn change_desk(&self, by: &Session, edit: &DeskEdit) -> Result<DeskDetail, ApiError> {
        may(by, Act::Use(Permission::House))?;
        let house = self.exchange.house();
        let mut fields = Fields::default();
        let mut values: Vec<(&'static str, String)> = Vec::new();
        for (field, key, seconds) in [
            ("ring_seconds", "ring_ms", edit.ring_seconds),
            ("return_seconds", "return_ms", edit.return_seconds),
            ("park_seconds", "park_ms", edit.park_seconds),
            ("hold_seconds", "hold_ms", edit.hold_seconds),
        ] {
            check_seconds(&mut fields, field, seconds);
            values.extend(seconds.map(|s| (key, (u64::from(s) * 1000).to_string())));
        }
        if let Some(second) = &edit.second {
            check_people(&mut fields, "second", second, &house);
            let list: Vec<String> = second.iter().map(ToString::to_string).collect();
            values.push(("second", list.join(" ")));
        }
        if let Some(registration) = &edit.registration {
            if registration.domains.len() > DOMAINS {
                fields.wrong(
                    "registration.domains",
                    format!("At most {DOMAINS} domains."),
                );
            }
            for domain in &registration.domains {
                // What an address of it would be.
                if cordboard_core::ids::Email::read(&format!("a@{domain}")).is_err() {
                    let why = "A domain looks like example.com.";
                    fields.wrong("registration.domains", why);
                }
            }
            values.extend(json(registration).map(|text| ("registration", text)));
        }
        fields.done(Some(()))?;
        if edit.rev != house.desk_rev {
            return Err(super::overtaken("How the desk works"));
        }
        let was = desk(&house);
        let became = json(edit);
        let put = Edit::PutSettings {
            values,
            rev: edit.rev + 1,
        };
        let mut plan = self.arranged(by, "desk", "desk".to_owned(), Some(&was), None::<&()>, put);
        for line in &mut plan.audit {
            line.became.clone_from(&became);
        }
        self.exchange.arrange(plan).await?;
        Ok(desk(&self.exchange.house()))
    }
}

/// The people whose groups are others, as a console sees them.
fn regrouped(house: &House, group: &GroupId, before: &[UserId], after: &[UserId]) -> Vec<Change> {
    let shown = |row: &PersonRow| {
        let mut person = row.shown();
        person.groups.retain(|g| g != group);
        if after.contains(&row.id) {
            person.groups.push(group.clone());
            person.groups.sort();
        }
        Change::Person(Box::new(person))
    };
    let moved = house
        .people
        .values()
        .filter(|p| p.active && before.contains(&p.id) != after.contains(&p.id));
    moved.map(shown).collect()
}

/// Whether a call finds its way: to people and groups that there are, and in the end to a queue.
fn check_route(route: &[RouteStop], house: &House) -> Result<(), ApiError> {
    let mut fields = Fields::default();
    if route.len() > STOPS {
        fields.wrong("route", format!("A way has at most {STOPS} stops."));
    }
    if !matches!(route.last(), Some(RouteStop::Queue { .. })) {
        fields.wrong(
            "route",
            "A way has to end in a queue, so that no caller is lost.",
        );
    }
    for (n, stop) in route.iter().enumerate() {
        let field = format!("route[{n}]");
        match stop {
            RouteStop::People { users, seconds } => {
                check_people(&mut fields, &field, users, house);
                if users.is_empty() {
                    fields.wrong(&field, "This stop rings nobody.");
                }
                check_seconds(&mut fields, &field, Some(*seconds));
            }
            RouteStop::Group { group, seconds } => {
                if house.group(group).is_none() {
                    fields.wrong(&field, format!("There is no group {group}."));
                }
                check_seconds(&mut fields, &field, Some(*seconds));
            }
            RouteStop::Queue { queue } => {
                if house.queue(queue).is_none() {
                    fields.wrong(&field, format!("There is no queue {queue}."));
                }
                if n + 1 < route.len() {
                    fields.wrong(
                        &field,
                        "A call stays in a queue: nothing can come after it.",
                    );
                }
            }
        }
    }
    Ok(fields.done(Some(()))?)
}
