//! The house as it stands: who works here, in which groups, which slots, queues and numbers there are, and how the
//! desk works. What the door needs to know of it without asking the store each time.
//!
//! It is read whole at start and after a change; a reader holds the one it took. Nothing here changes anything: that
//! is [`crate::office`]'s.

use std::collections::BTreeMap;

use cordboard_core::{
    api::{Registration, RouteStop},
    board::{Board, Card, Group, Queue, Slot, Snapshot},
    call::{RingWhy, Stop},
    ids::{Email, Extension, GroupId, Phone, QueueId, Rev, SafeText, SlotId, UserId},
    machine::Desk,
    policy::Role,
};

use crate::{
    exchange::Session,
    store::{GroupRow, NumberRow, PersonRow, QueueRow, SlotRow, Store, StoreError},
};

/// The house, of one moment.
#[derive(Debug, Clone, Default)]
pub struct House {
    /// Everybody, also those who are kept out.
    pub people: BTreeMap<UserId, PersonRow>,
    /// The groups, in their order.
    pub groups: Vec<GroupRow>,
    /// The slots, in their order.
    pub slots: Vec<SlotRow>,
    /// The queues, in their order. The first is the desk's.
    pub queues: Vec<QueueRow>,
    /// Our numbers.
    pub numbers: BTreeMap<Phone, NumberRow>,
    /// How the desk works.
    pub desk: Desk,
    /// How often that has changed.
    pub desk_rev: Rev,
    /// Whether people may enter themselves.
    pub registration: Registration,
}

impl House {
    /// As the store has it.
    pub async fn load(store: &Store) -> Result<Self, StoreError> {
        let settings = store.settings().await?;
        let slots = store.slots().await?;
        let queues = store.queues().await?;
        let desk = desk(&settings, &slots, &queues);
        Ok(Self {
            people: store
                .people()
                .await?
                .into_iter()
                .map(|p| (p.id, p))
                .collect(),
            groups: store.groups().await?,
            numbers: store
                .numbers()
                .await?
                .into_iter()
                .map(|n| (n.number.clone(), n))
                .collect(),
            desk_rev: settings
                .get("rev")
                .and_then(|rev| rev.parse().ok())
                .unwrap_or(0),
            registration: settings
                .get("registration")
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default(),
            slots,
            queues,
            desk,
        })
    }

    /// Somebody who may sign in and be given calls.
    pub fn active(&self, user: UserId) -> Option<&PersonRow> {
        self.people.get(&user).filter(|p| p.active)
    }

    /// Whoever has that extension.
    pub fn by_extension(&self, text: &str) -> Option<&PersonRow> {
        self.people
            .values()
            .find(|p| p.active && p.extension.as_str() == text)
    }

    /// Whether there is somebody who runs the place.
    pub fn has_admin(&self) -> bool {
        self.people
            .values()
            .any(|p| p.active && p.role == Role::Admin)
    }

    /// Whoever has that address or that extension already, but for `me`.
    pub fn taken(&self, email: &Email, extension: &Extension, me: UserId) -> Vec<&'static str> {
        let others = || self.people.values().filter(|p| p.id != me);
        let mut taken = Vec::new();
        if others().any(|p| p.email == *email) {
            taken.push("email");
        }
        if others().any(|p| p.extension == *extension) {
            taken.push("extension");
        }
        taken
    }

    /// The name of a person, or what stands for it.
    pub fn name(&self, user: UserId) -> SafeText {
        self.people
            .get(&user)
            .map_or_else(|| user.to_string().as_str().into(), |p| p.name.clone())
    }

    /// A group.
    pub fn group(&self, id: &GroupId) -> Option<&GroupRow> {
        self.groups.iter().find(|g| g.id == *id)
    }

    /// A slot.
    pub fn slot(&self, id: &SlotId) -> Option<&SlotRow> {
        self.slots.iter().find(|s| s.id == *id)
    }

    /// A queue.
    pub fn queue(&self, id: &QueueId) -> Option<&QueueRow> {
        self.queues.iter().find(|q| q.id == *id)
    }

    /// The number that people see when we dial: the first of ours. None: we have none, and cannot dial.
    pub fn caller_id(&self) -> Option<&Phone> {
        self.numbers.keys().next()
    }

    /// The way a call to one of our numbers takes. None: it is none of ours.
    pub fn route(&self, number: &Phone) -> Option<Vec<Stop>> {
        let row = self.numbers.get(number)?;
        let ring = |users: &[UserId], seconds: u32| {
            let here = users.iter().copied().filter(|u| self.active(*u).is_some());
            let users: Vec<UserId> = here.collect();
            (!users.is_empty()).then_some(Stop::Ring {
                users,
                why: RingWhy::New,
                ms: i64::from(seconds) * 1000,
            })
        };
        let stops = row.route.iter().filter_map(|stop| match stop {
            RouteStop::People { users, seconds } => ring(users, *seconds),
            // Whoever is in it now.
            RouteStop::Group { group, seconds } => ring(&self.group(group)?.members, *seconds),
            RouteStop::Queue { queue } => Some(Stop::Queue {
                queue: queue.clone(),
            }),
        });
        Some(stops.collect())
    }

    /// The session of somebody who is active.
    pub fn session(&self, user: UserId) -> Option<Session> {
        let person = self.active(user)?;
        Some(Session {
            user,
            name: person.name.clone(),
            role: person.role,
            rights: person.rights(),
            id: None,
            address: None,
        })
    }

    /// The slots as a console sees them.
    pub fn shown_slots(&self) -> Vec<Slot> {
        self.slots
            .iter()
            .map(|s| Slot {
                id: s.id.clone(),
                name: s.name.clone(),
                call: None,
                deadline: None,
            })
            .collect()
    }

    /// The queues as a console sees them.
    pub fn shown_queues(&self) -> Vec<Queue> {
        self.queues
            .iter()
            .map(|q| Queue {
                id: q.id.clone(),
                name: q.name.clone(),
                calls: Vec::new(),
            })
            .collect()
    }

    /// The groups as a console sees them.
    pub fn shown_groups(&self) -> Vec<Group> {
        self.groups
            .iter()
            .map(|g| Group {
                id: g.id.clone(),
                name: g.name.clone(),
            })
            .collect()
    }

    /// The board of this house with the store's open calls.
    pub async fn board(&self, store: &Store) -> Result<Board, StoreError> {
        // Position first: a commit in between is then applied twice, which is harmless, and not missed.
        let (epoch, rev) = store.board_position().await?;
        let calls = store.open_calls().await?.iter().map(Card::of).collect();
        Ok(Board::new(Snapshot {
            epoch,
            rev,
            people: self
                .people
                .values()
                .filter(|p| p.active)
                .map(PersonRow::shown)
                .collect(),
            calls,
            slots: self.shown_slots(),
            queues: self.shown_queues(),
            groups: self.shown_groups(),
        }))
    }
}

/// How the desk works.
fn desk(settings: &BTreeMap<String, String>, slots: &[SlotRow], queues: &[QueueRow]) -> Desk {
    let default = Desk::default();
    let number = |key: &str, default: i64| {
        let Some(text) = settings.get(key) else {
            return default;
        };
        let read = text.parse().ok().filter(|ms| *ms > 0);
        read.unwrap_or_else(|| {
            tracing::warn!(
                key,
                default,
                "a setting is not a time in milliseconds, and is passed over"
            );
            default
        })
    };
    Desk {
        queue: queues
            .first()
            .map_or(default.queue, |queue| queue.id.clone()),
        second: settings
            .get("second")
            .map(|list| list.split(' ').filter_map(|u| u.parse().ok()).collect())
            .unwrap_or_default(),
        ring_ms: number("ring_ms", default.ring_ms),
        return_ms: number("return_ms", default.return_ms),
        park_ms: number("park_ms", default.park_ms),
        park_ms_in: slots
            .iter()
            .filter_map(|s| Some((s.id.clone(), s.park_ms?)))
            .collect(),
        hold_ms: number("hold_ms", default.hold_ms),
    }
}

/// Milliseconds as whole seconds.
pub fn seconds(ms: i64) -> u32 {
    u32::try_from(ms / 1000).unwrap_or(u32::MAX)
}
