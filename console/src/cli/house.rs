//! The verbs about the house: groups, slots, queues, numbers, the desk.
//!
//! A thing is changed whole, so it is read first, what is not named stays, and it is sent on the revision that was
//! read: nobody is overwritten unseen. What may be changed by whom, the server decides.
//!
//! Read next: `cli/people.rs`, `client/routes.rs`.

use std::fmt::Display;

use cordboard_core::{
    api::{
        DeskEdit, GroupDetail, GroupEdit, NumberEdit, QueueEdit, Registration, RouteStop,
        SlotDetail, SlotEdit,
    },
    ids::Rev,
};
use serde::Serialize;
use serde_json::json;

use super::{
    Failure, Out,
    args::{
        DeskArgs, DeskVerb, Door, GroupVerb, NumberVerb, OnRev, Park, QueueVerb, SlotVerb, Stop,
    },
    people::{everyone, insist, listed},
    show::{self, Names},
};
use crate::client::Client;

/// Names are a courtesy: without them there are ids.
pub(super) async fn names(client: &Client, out: &Out<'_>) -> Names {
    if out.json {
        return Names::default();
    }
    let board = client.board().await;
    board.map(|b| Names::of(&b)).unwrap_or_default()
}

fn unknown(kind: &str, id: &impl Display, there: Vec<String>) -> Failure {
    let there = if there.is_empty() {
        String::new()
    } else {
        format!(" There are {}.", show::list(there))
    };
    let code = format!("unknown-{kind}");
    Failure::refused(&code, format!("There is no {kind} {id}.{there}"))
}

fn gone(id: &impl Serialize, line: &str, out: &mut Out<'_>) -> Result<(), Failure> {
    Ok(out.say(&json!({ "ok": true, "id": id }), [line])?)
}

/// The revision that is meant: the one that was named, or the one that was found; a new thing has none.
fn rev_of(on: OnRev, found: Option<Rev>) -> Rev {
    on.rev.or(found).unwrap_or_default()
}

/// Every verb on groups.
pub(super) async fn group(
    client: &Client,
    verb: GroupVerb,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    match verb {
        GroupVerb::List => {
            let groups = client.groups().await?;
            let lines = show::house::groups(&groups, &names(client, out).await);
            Ok(out.say(&json!({ "groups": groups }), lines)?)
        }
        GroupVerb::Set {
            id,
            name,
            member,
            on,
        } => {
            let members = match member.as_deref().map(listed).transpose()? {
                Some(list) => Some(everyone(client, &list).await?),
                None => None,
            };
            let group = insist(on, async || {
                let found = client.groups().await?.into_iter().find(|g| g.id == id);
                let edit = GroupEdit {
                    rev: rev_of(on, found.as_ref().map(|g| g.rev)),
                    name: named(name.as_deref(), found.as_ref().map(|g| &g.name), &id),
                    members: members
                        .clone()
                        .or(found.map(|g| g.members))
                        .unwrap_or_default(),
                };
                Ok(client.set_group(&id, &edit).await?)
            })
            .await?;
            let names = names(client, out).await;
            let lines = show::house::groups(std::slice::from_ref(&group), &names);
            Ok(out.say(&group, lines)?)
        }
        GroupVerb::Delete { id, on } => {
            insist(on, async || {
                let groups = client.groups().await?;
                let Some(group) = groups.iter().find(|g| g.id == id) else {
                    let there = groups.iter().map(|g: &GroupDetail| g.id.to_string());
                    return Err(unknown("group", &id, there.collect()));
                };
                Ok(client
                    .delete_group(&id, rev_of(on, Some(group.rev)))
                    .await?)
            })
            .await?;
            gone(&id, &format!("The group {id} is no more."), out)
        }
    }
}

/// What a thing is called: what was said, what it was called so far, its id.
fn named(said: Option<&str>, so_far: Option<&impl Display>, id: &impl Display) -> String {
    match (said, so_far) {
        (Some(name), _) => name.to_owned(),
        (None, Some(name)) => name.to_string(),
        (None, None) => id.to_string(),
    }
}

/// The verbs that arrange slots. What fetches a call from one is with the calls.
pub(super) async fn slot(
    client: &Client,
    verb: SlotVerb,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    match verb {
        SlotVerb::Retrieve { slot, how } => super::act::retrieve(client, &slot, &how, out).await,
        SlotVerb::List => {
            let slots = client.slots().await?;
            let lines = show::house::slots(&slots);
            Ok(out.say(&json!({ "slots": slots }), lines)?)
        }
        SlotVerb::Set { id, name, park, on } => {
            let slot = insist(on, async || {
                let found = client.slots().await?.into_iter().find(|s| s.id == id);
                let edit = SlotEdit {
                    rev: rev_of(on, found.as_ref().map(|s| s.rev)),
                    name: named(name.as_deref(), found.as_ref().map(|s| &s.name), &id),
                    park_seconds: match park {
                        Some(Park::For(seconds)) => Some(seconds),
                        Some(Park::AsAny) => None,
                        None => found.and_then(|s| s.park_seconds),
                    },
                };
                Ok(client.set_slot(&id, &edit).await?)
            })
            .await?;
            let lines = show::house::slots(std::slice::from_ref(&slot));
            Ok(out.say(&slot, lines)?)
        }
        SlotVerb::Delete { id, on } => {
            insist(on, async || {
                let slots = client.slots().await?;
                let Some(slot) = slots.iter().find(|s| s.id == id) else {
                    let there = slots.iter().map(|s: &SlotDetail| s.id.to_string());
                    return Err(unknown("slot", &id, there.collect()));
                };
                Ok(client.delete_slot(&id, rev_of(on, Some(slot.rev))).await?)
            })
            .await?;
            gone(&id, &format!("The slot {id} is no more."), out)
        }
    }
}

/// Every verb on queues.
pub(super) async fn queue(
    client: &Client,
    verb: QueueVerb,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    match verb {
        QueueVerb::List => {
            let queues = client.queues().await?;
            let lines = show::house::queues(&queues);
            Ok(out.say(&json!({ "queues": queues }), lines)?)
        }
        QueueVerb::Set { id, name, on } => {
            let queue = insist(on, async || {
                let queues = client.queues().await?;
                let Some(queue) = queues.iter().find(|q| q.id == id) else {
                    let there = queues.iter().map(|q| q.id.to_string());
                    return Err(unknown("queue", &id, there.collect()));
                };
                let edit = QueueEdit {
                    rev: rev_of(on, Some(queue.rev)),
                    name: name.clone(),
                };
                Ok(client.set_queue(&id, &edit).await?)
            })
            .await?;
            let lines = show::house::queues(std::slice::from_ref(&queue));
            Ok(out.say(&queue, lines)?)
        }
    }
}

/// Every verb on our own numbers.
pub(super) async fn number(
    client: &Client,
    verb: NumberVerb,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    match verb {
        NumberVerb::List => {
            let numbers = client.numbers().await?;
            let lines = show::house::numbers(&numbers, &names(client, out).await);
            Ok(out.say(&json!({ "numbers": numbers }), lines)?)
        }
        NumberVerb::Set { number, route, on } => {
            let stops = stops(client, route).await?;
            let set = insist(on, async || {
                let numbers = client.numbers().await?;
                let found = numbers.iter().find(|n| n.number == number);
                let edit = NumberEdit {
                    rev: rev_of(on, found.map(|n| n.rev)),
                    route: stops.clone(),
                };
                Ok(client.set_number(&number, &edit).await?)
            })
            .await?;
            let names = names(client, out).await;
            let lines = show::house::numbers(std::slice::from_ref(&set), &names);
            Ok(out.say(&set, lines)?)
        }
        NumberVerb::Delete { number, on } => {
            insist(on, async || {
                let numbers = client.numbers().await?;
                let Some(found) = numbers.iter().find(|n| n.number == number) else {
                    let there = numbers.iter().map(|n| n.number.to_string());
                    return Err(unknown("number", &number, there.collect()));
                };
                let rev = rev_of(on, Some(found.rev));
                Ok(client.delete_number(&number, rev).await?)
            })
            .await?;
            gone(&number, &format!("{number} is not ours any more."), out)
        }
    }
}

/// The stops of a route, with the people they mean.
async fn stops(client: &Client, typed: Vec<Stop>) -> Result<Vec<RouteStop>, Failure> {
    // All at once: who is who is asked for no more than once.
    let people: Vec<String> = typed
        .iter()
        .flat_map(|stop| match stop {
            Stop::People(people, _) => people.as_slice(),
            _ => &[],
        })
        .cloned()
        .collect();
    let mut ids = everyone(client, &people).await?.into_iter();
    let stops = typed.into_iter().map(|stop| match stop {
        Stop::People(people, seconds) => RouteStop::People {
            users: ids.by_ref().take(people.len()).collect(),
            seconds,
        },
        Stop::Group(group, seconds) => RouteStop::Group { group, seconds },
        Stop::Queue(queue) => RouteStop::Queue { queue },
    });
    Ok(stops.collect())
}

/// How the desk works.
pub(super) async fn desk(
    client: &Client,
    verb: Option<DeskVerb>,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let desk = match verb {
        None => client.desk().await?,
        Some(DeskVerb::Set { what, on }) => set_desk(client, &what, on).await?,
    };
    let lines = show::house::desk(&desk, &names(client, out).await);
    Ok(out.say(&desk, lines)?)
}

async fn set_desk(
    client: &Client,
    what: &DeskArgs,
    on: OnRev,
) -> Result<cordboard_core::api::DeskDetail, Failure> {
    let second = match what.second.as_deref().map(listed).transpose()? {
        Some(list) => Some(everyone(client, &list).await?),
        None => None,
    };
    let domains = what.domain.as_deref().map(listed).transpose()?;
    insist(on, async || {
        let desk = client.desk().await?;
        // It is sent whole: the half that was not named stays as it is.
        let registration = (what.registration.is_some() || domains.is_some()).then(|| {
            let open = what.registration.map(|door| door == Door::Open);
            Registration {
                open: open.unwrap_or(desk.registration.open),
                domains: domains.clone().unwrap_or(desk.registration.domains),
            }
        });
        let edit = DeskEdit {
            rev: rev_of(on, Some(desk.rev)),
            ring_seconds: what.ring,
            return_seconds: what.back,
            park_seconds: what.park,
            hold_seconds: what.hold,
            second: second.clone(),
            registration,
        };
        Ok(client.edit_desk(&edit).await?)
    })
    .await
}
