//! The house: its slots, queues, telephone numbers and settings.
//!
//! Everything that writes here may be done twice with the same result, so that a seed can be run again. It must
//! not know who may change what. Read next: [`super::people`].

use std::collections::BTreeMap;

use cordboard_core::{
    api::RouteStop,
    ids::{GroupId, Phone, QueueId, Rev, SafeText, SlotId, UserId},
};
use serde::Serialize;

use super::{Store, StoreError, args, sql};

/// A parking slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SlotRow {
    /// Its id, which is what people say.
    pub id: SlotId,
    /// What it is called.
    pub name: SafeText,
    /// Where it stands on the board.
    pub position: u32,
    /// How often this has changed.
    pub rev: Rev,
    /// How long a call may lie in it; none: as long as the desk says.
    pub park_ms: Option<i64>,
}

/// A group of people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupRow {
    /// Its id.
    pub id: GroupId,
    /// How often this has changed.
    pub rev: Rev,
    /// What it is called.
    pub name: SafeText,
    /// Who is in it.
    pub members: Vec<UserId>,
}

/// A queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueRow {
    /// Its id.
    pub id: QueueId,
    /// What it is called.
    pub name: SafeText,
    /// How often this has changed.
    pub rev: Rev,
}

/// One of our own telephone numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NumberRow {
    /// The number.
    pub number: Phone,
    /// How often this has changed.
    pub rev: Rev,
    /// The way a call to it takes.
    pub route: Vec<RouteStop>,
}

impl Store {
    /// Every parking slot, in the order of the board.
    pub async fn slots(&self) -> Result<Vec<SlotRow>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT id, name, position, rev, park_ms FROM slots ORDER BY position, id",
                Vec::new(),
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(SlotRow {
                    id: row.parse(0)?,
                    name: row.get::<String>(1)?.as_str().into(),
                    position: row.int(2)?,
                    rev: row.int(3)?,
                    park_ms: row.get(4)?,
                })
            })
            .collect()
    }

    /// Adds a parking slot, or renames and moves the one there is.
    pub async fn upsert_slot(
        &self,
        id: &SlotId,
        name: &str,
        position: u32,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO slots (id, name, position) VALUES ($1, $2, $3)
                   ON CONFLICT (id) DO UPDATE SET name = excluded.name, position = excluded.position";
        self.db
            .run(sql, args![id.as_str(), name, position].into())
            .await?;
        Ok(())
    }

    /// Every queue, in the order in which they were added. The first is the desk's.
    pub async fn queues(&self) -> Result<Vec<QueueRow>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT id, name, rev FROM queues ORDER BY position, id",
                Vec::new(),
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(QueueRow {
                    id: row.parse(0)?,
                    name: row.get::<String>(1)?.as_str().into(),
                    rev: row.int(2)?,
                })
            })
            .collect()
    }

    /// Every group, in the order of the house, with who is in it.
    pub async fn groups(&self) -> Result<Vec<GroupRow>, StoreError> {
        let sql =
            "SELECT g.id, g.rev, g.name, m.person FROM groups g LEFT JOIN members m ON m.grp = g.id
                   ORDER BY g.position, g.id, m.person";
        let mut groups: Vec<GroupRow> = Vec::new();
        for row in &self.db.rows(sql, Vec::new()).await? {
            let id: GroupId = row.parse(0)?;
            if groups.last().is_none_or(|last| last.id != id) {
                groups.push(GroupRow {
                    id,
                    rev: row.int(1)?,
                    name: row.get::<String>(2)?.as_str().into(),
                    members: Vec::new(),
                });
            }
            let member = row.get::<Option<i64>>(3)?;
            let member = member.and_then(|id| u32::try_from(id).ok()).map(UserId);
            if let Some(group) = groups.last_mut() {
                group.members.extend(member);
            }
        }
        Ok(groups)
    }

    /// Adds a queue after the others, or renames the one there is.
    pub async fn upsert_queue(&self, id: &QueueId, name: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO queues (id, name, position) SELECT $1, $2, COALESCE(MAX(position), 0) + 1 FROM queues WHERE 1 = 1
                   ON CONFLICT (id) DO UPDATE SET name = excluded.name";
        self.db.run(sql, args![id.as_str(), name].into()).await?;
        Ok(())
    }

    /// Every telephone number of ours.
    pub async fn numbers(&self) -> Result<Vec<NumberRow>, StoreError> {
        let rows = self
            .db
            .rows(
                "SELECT number, route, rev FROM numbers ORDER BY number",
                Vec::new(),
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(NumberRow {
                    number: row.parse(0)?,
                    route: row.json(1)?,
                    rev: row.int(2)?,
                })
            })
            .collect()
    }

    /// One telephone number of ours.
    pub async fn number(&self, number: &Phone) -> Result<Option<NumberRow>, StoreError> {
        let row = self
            .db
            .row(
                "SELECT number, route, rev FROM numbers WHERE number = $1",
                args![number.as_str()].into(),
            )
            .await?;
        row.map(|row| {
            Ok(NumberRow {
                number: row.parse(0)?,
                route: row.json(1)?,
                rev: row.int(2)?,
            })
        })
        .transpose()
    }

    /// Adds a telephone number, or gives the one there is another route.
    pub async fn upsert_number(
        &self,
        number: &Phone,
        route: &[RouteStop],
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO numbers (number, route) VALUES ($1, $2) ON CONFLICT (number) DO UPDATE SET route = excluded.route";
        self.db
            .run(sql, args![number.as_str(), sql::json(&route)?].into())
            .await?;
        Ok(())
    }

    /// Every setting.
    pub async fn settings(&self) -> Result<BTreeMap<String, String>, StoreError> {
        let rows = self
            .db
            .rows("SELECT key, value FROM settings", Vec::new())
            .await?;
        rows.iter()
            .map(|row| Ok((row.get(0)?, row.get(1)?)))
            .collect()
    }

    /// One setting.
    pub async fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        let row = self
            .db
            .row(
                "SELECT value FROM settings WHERE key = $1",
                args![key].into(),
            )
            .await?;
        row.map(|row| row.get(0)).transpose()
    }

    /// Makes or changes a setting.
    pub async fn set_setting(&self, key: &str, value: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO settings (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
        self.db.run(sql, args![key, value].into()).await?;
        Ok(())
    }
}
