//! Following the board: one line a change, for as long as anybody reads, over as many connections as that
//! takes.
//!
//! The server sends whole cards. What else a change touches (slots, people, queues) is found by comparing a
//! [`Board`] before and after, with the same code as the console's. When it is resumed from a place in the
//! past, the cards as they were then are not known; the changes until now then say only what their own card
//! proves, and the last of them brings people, slots and queues whole.
//!
//! Read next: [`cordboard_core::wire`].

use std::time::Duration;

use cordboard_core::{
    board::{At, Board, Card, Group, Person, Queue, Slot, Snapshot},
    ids::{Timestamp, UserId},
    wire::{Change, ClientMsg, Delta, PersonPresence, Position, ServerMsg, VERSION},
};
use rand::{RngExt, rngs::StdRng};
use serde::Serialize;
use serde_json::json;

use crate::{
    cli::{
        Failure, Out, now,
        show::{self, Names},
    },
    client::{Client, ClientError},
};

/// How long nothing may be heard before we ask whether anybody is there, and how often in vain. The server
/// pulses every five seconds.
const BEAT: Duration = Duration::from_secs(8);
const QUIET: u32 = 3;
/// The shortest and the longest pause before connecting again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// What one change touched, as it is printed.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Changed {
    calls: Vec<Card>,
    slots: Vec<Slot>,
    people: Vec<Person>,
    queues: Vec<Queue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<Group>,
    /// Who does not work here any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    people_gone: Vec<UserId>,
}

impl Changed {
    fn is_empty(&self) -> bool {
        self.calls.is_empty()
            && self.slots.is_empty()
            && self.people.is_empty()
            && self.queues.is_empty()
            && self.groups.is_empty()
            && self.people_gone.is_empty()
    }
}

/// What is known of the board, and whether it is whole.
struct Follower {
    board: Board,
    /// While it catches up after being resumed: the board it will have reached.
    ahead: Option<Box<Snapshot>>,
}

impl Follower {
    fn new(snapshot: Snapshot) -> Self {
        Self {
            board: Board::new(snapshot),
            ahead: None,
        }
    }

    /// A board as it was at `since`, as far as one can know now: people, slots and queues, and no call that has
    /// changed after it.
    fn resumed(since: &Position, now: Snapshot) -> Self {
        let ahead = (now.rev > since.rev).then(|| Box::new(now.clone()));
        let board = Board::new(now);
        let mut board = board;
        board.rev = since.rev;
        Self { board, ahead }
    }

    fn at(&self) -> Position {
        Position {
            epoch: self.board.epoch.clone(),
            rev: self.board.rev,
        }
    }

    /// Takes a change; `None`: it was taken already. An error: a snapshot is needed.
    fn take(&mut self, delta: &Delta) -> Result<Option<Changed>, cordboard_core::board::Gap> {
        if let Some(ahead) = &self.ahead {
            if delta.at.epoch != self.board.epoch {
                return Err(cordboard_core::board::Gap::Foreign);
            }
            if delta.at.rev <= self.board.rev {
                return Ok(None);
            }
            if delta.at.rev != self.board.rev + 1 {
                return Err(cordboard_core::board::Gap::Missing);
            }
            self.board.rev = delta.at.rev;
            let mut changed = Changed {
                calls: delta.card().cloned().into_iter().collect(),
                ..Changed::default()
            };
            if delta.at.rev < ahead.rev {
                let slot = delta.card().and_then(|card| self.slot_of(card));
                changed.slots.extend(slot);
            } else {
                self.board = Board::new((**ahead).clone());
                self.ahead = None;
                let whole = self.board.snapshot();
                (changed.slots, changed.people, changed.queues) =
                    (whole.slots, whole.people, whole.queues);
                changed.groups = whole.groups;
            }
            return Ok(Some(changed));
        }
        let before = self.board.snapshot();
        if !self.board.apply(delta)? {
            return Ok(None);
        }
        let after = self.board.snapshot();
        Ok(Some(Changed {
            calls: delta.card().cloned().into_iter().collect(),
            slots: differing(&before.slots, after.slots),
            people: differing(&before.people, after.people),
            queues: differing(&before.queues, after.queues),
            groups: differing(&before.groups, after.groups),
            people_gone: match delta.change {
                Change::PersonGone(user) => vec![user],
                _ => Vec::new(),
            },
        }))
    }

    fn slot_of(&self, card: &Card) -> Option<Slot> {
        match &card.place.at {
            At::Parked { slot, deadline, .. } | At::Parking { slot, deadline, .. } => {
                let slot = self.board.slots.iter().find(|s| s.id == *slot)?;
                Some(Slot {
                    call: Some(card.id),
                    deadline: Some(*deadline),
                    ..slot.clone()
                })
            }
            _ => None,
        }
    }

    fn presence(&mut self, news: &[PersonPresence]) -> Changed {
        if let Some(ahead) = &mut self.ahead {
            // Said with the last change of the past, which brings people whole.
            let mut board = Board::new((**ahead).clone());
            board.presence(news);
            **ahead = board.snapshot();
            return Changed::default();
        }
        let before = self.board.snapshot();
        self.board.presence(news);
        Changed {
            people: differing(&before.people, self.board.snapshot().people),
            ..Changed::default()
        }
    }
}

/// Those of `after` that were not there before, or were other than they are. Where they stand in the list does not
/// matter: one that comes or goes moves all that are behind it.
fn differing<T: PartialEq>(before: &[T], after: Vec<T>) -> Vec<T> {
    after
        .into_iter()
        .filter(|item| !before.contains(item))
        .collect()
}

/// Prints every change until nobody reads any more or the server refuses.
pub(super) async fn watch(
    client: &Client,
    since: Option<Position>,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let mut follower = match since {
        Some(since) => {
            let now = client.board().await?;
            // Another life of the board, or a place it has not come to: nothing can be resumed.
            (now.epoch == since.epoch && now.rev >= since.rev)
                .then(|| Follower::resumed(&since, now))
        }
        None => None,
    };
    let mut dice: StdRng = rand::make_rng();
    let mut pause = PAUSE.0;
    let mut reached = false;
    loop {
        match follow(client, &mut follower, &mut reached, out).await {
            Ok(never) => match never {},
            Err(End::Give(failure)) => return Err(failure),
            // The first connection must succeed: a wrong address should not be waited for.
            Err(End::Again(error)) if !reached => return Err(error.into()),
            Err(End::Again(error)) => {
                let _ = writeln!(
                    out.err,
                    "{}",
                    show::plain(&format!("{error} Trying again."))
                );
                pause = (pause * 2).min(PAUSE.1);
            }
            Err(End::Fresh) => pause = PAUSE.0,
        }
        // Half of it by chance, so that a hundred watchers do not return in step.
        tokio::time::sleep(pause.mul_f64(dice.random_range(0.5..1.0))).await;
    }
}

/// How one connection ends.
enum End {
    /// For good.
    Give(Failure),
    /// Try again.
    Again(ClientError),
    /// Try again soon: it had worked.
    Fresh,
}

impl From<ClientError> for End {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unreachable { .. } | ClientError::Lost { .. } => Self::Again(error),
            ClientError::Refused { .. } | ClientError::Garbled { .. } | ClientError::Store(_) => {
                Self::Give(error.into())
            }
        }
    }
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        Self::Give(error.into())
    }
}

async fn follow(
    client: &Client,
    follower: &mut Option<Follower>,
    reached: &mut bool,
    out: &mut Out<'_>,
) -> Result<std::convert::Infallible, End> {
    let mut socket = client.console().await?;
    let since = follower.as_ref().map(Follower::at);
    socket
        .send(&ClientMsg::Hello {
            version: VERSION,
            since,
        })
        .await?;
    let mut lived = false;
    let (mut quiet, mut pings) = (0, 0);
    loop {
        let message = match tokio::time::timeout(BEAT, socket.next()).await {
            Ok(Ok(message)) => message,
            // A connection that has lived is worth trying soon.
            Ok(Err(ClientError::Unreachable { .. })) if lived => return Err(End::Fresh),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) if quiet < QUIET => {
                quiet += 1;
                continue;
            }
            Err(_) => {
                let (url, why) = (client.url().clone(), "it says nothing".to_owned());
                return Err(End::Again(ClientError::Unreachable { url, why }));
            }
        };
        quiet = 0;
        match message {
            ServerMsg::Snapshot(snapshot) => {
                (*reached, lived) = (true, true);
                if out.json {
                    let (epoch, rev) = (&snapshot.epoch, snapshot.rev);
                    out.json(&json!({ "epoch": epoch, "rev": rev, "snapshot": snapshot }))?;
                } else {
                    out.lines(show::calls(&snapshot.calls, &Names::of(&snapshot), now()))?;
                }
                *follower = Some(Follower::new(*snapshot));
            }
            ServerMsg::Delta(delta) => {
                (*reached, lived) = (true, true);
                let Some(known) = follower else { continue };
                let before = delta
                    .card()
                    .and_then(|card| known.board.calls.get(&card.id))
                    .cloned();
                match known.take(&delta) {
                    Ok(Some(changed)) if out.json => {
                        let (epoch, rev) = (&delta.at.epoch, delta.at.rev);
                        out.json(&json!({ "epoch": epoch, "rev": rev, "changed": changed, "cause": delta.cause }))?;
                    }
                    Ok(Some(_)) => {
                        if let Some(line) =
                            told(before.as_ref(), &delta, &Names::of(&known.board.snapshot()))
                        {
                            out.lines([line])?;
                        }
                    }
                    Ok(None) => {}
                    Err(_) => socket.send(&ClientMsg::Resync).await?,
                }
            }
            ServerMsg::Presence { people } => {
                lived = true;
                let Some(known) = follower else { continue };
                let changed = known.presence(&people);
                if changed.is_empty() {
                    continue;
                }
                if out.json {
                    let Position { epoch, rev } = known.at();
                    let cause = json!({ "kind": "presence", "id": null });
                    out.json(
                        &json!({ "epoch": epoch, "rev": rev, "changed": changed, "cause": cause }),
                    )?;
                } else {
                    out.lines(changed.people.iter().map(|p| {
                        format!(
                            "          {} is {}, phone {}",
                            p.name,
                            show::word(&p.status.presence),
                            show::word(&p.phone)
                        )
                    }))?;
                }
            }
            ServerMsg::Pulse { at, digest, .. } => {
                lived = true;
                // The server hangs up on a console that says nothing.
                pings += 1;
                socket.send(&ClientMsg::Ping { n: pings }).await?;
                if let Some(known) = follower
                    && known.ahead.is_none()
                    && (at.epoch != known.board.epoch
                        || at.rev > known.board.rev
                        || (at.rev == known.board.rev
                            && digest != format!("{:016x}", known.board.digest())))
                {
                    socket.send(&ClientMsg::Resync).await?;
                }
            }
            ServerMsg::Welcome { .. } => *reached = true,
            ServerMsg::Bye { why, again: false } => {
                // A token is refused before there is a socket. This is another version, or a misunderstanding.
                return Err(End::Give(Failure::refused("bye", why)));
            }
            ServerMsg::Bye { why, again: true } => {
                let url = client.url().clone();
                return Err(End::Again(ClientError::Unreachable {
                    url,
                    why: why.trim_end_matches('.').to_owned(),
                }));
            }
            ServerMsg::Yes { .. }
            | ServerMsg::No { .. }
            | ServerMsg::Done { .. }
            | ServerMsg::Failed { .. }
            | ServerMsg::Unknown { .. }
            | ServerMsg::EmergencyAddress { .. }
            | ServerMsg::Pages { .. }
            | ServerMsg::Pairing { .. }
            | ServerMsg::Pong { .. } => {}
        }
    }
}

/// A change in a line for people, if it is one they would notice.
fn told(before: Option<&Card>, delta: &Delta, names: &Names) -> Option<String> {
    let card = delta.card()?;
    // A call that is over is off the board; what is still tidied up after it is nobody's business.
    if before.map_or(card.ended(), |b| b.place.at == card.place.at) {
        return None;
    }
    let by = if delta.cause.kind.as_str() == "time" {
        "  (time ran out)"
    } else {
        ""
    };
    Some(format!(
        "{}  {}{by}",
        clock(card.place.since),
        show::sentence(card, names)
    ))
}

/// The time of day in UTC: `09:41:07`.
fn clock(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cordboard_core::ids::CallId;
    use serde_json::Value;

    fn call(bits: u128, rev: u64, place: Value) -> Value {
        let mut place = place;
        place["since"] = json!("2026-01-01T00:00:00Z");
        json!({ "id": CallId::from_bits(bits), "rev": rev, "moved": rev, "place": place,
                "caller": { "name": "Rosa", "number": null }, "direction": "in", "to": "+14155550100",
                "with": [], "since": "2026-01-01T00:00:00Z", "legs": [] })
    }

    fn queued() -> Value {
        json!({ "kind": "queued", "queue": "desk" })
    }

    fn parked(slot: &str) -> Value {
        json!({ "kind": "parked", "slot": slot, "by": "u1", "deadline": "2026-01-01T00:01:30Z" })
    }

    fn snapshot(rev: u64, calls: &[Value]) -> Snapshot {
        let slot = |id: &str| json!({ "id": id, "name": id });
        let raw: Snapshot = serde_json::from_value(json!({
            "epoch": "e", "rev": rev, "calls": calls, "slots": [slot("P1"), slot("P2")],
            "queues": [{ "id": "desk", "name": "Desk" }],
            "people": [{ "id": "u1", "extension": "101", "name": "Ada", "identity": "a", "presence": "available", "phone": "ready" }],
        }))
        .unwrap();
        Board::new(raw).snapshot()
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "each test makes its own call"
    )]
    fn delta(rev: u64, call: Value) -> Delta {
        serde_json::from_value(json!({ "epoch": "e", "rev": rev, "call": call, "cause": { "kind": "command", "id": "x" } }))
            .unwrap()
    }

    #[test]
    fn a_change_names_what_it_touched_and_nothing_else() {
        let mut follower = Follower::new(snapshot(4, &[call(1, 1, queued())]));
        let changed = follower
            .take(&delta(5, call(1, 2, parked("P2"))))
            .unwrap()
            .unwrap();
        assert_eq!(changed.calls.len(), 1);
        assert_eq!(
            changed
                .slots
                .iter()
                .map(|s| (s.id.as_str(), s.call))
                .collect::<Vec<_>>(),
            [("P2", Some(CallId::from_bits(1)))]
        );
        assert_eq!(changed.queues[0].calls, []);
        assert!(changed.people.is_empty());

        let over = json!({ "kind": "ended", "why": "hung-up" });
        let changed = follower.take(&delta(6, call(1, 3, over))).unwrap().unwrap();
        assert_eq!(changed.slots[0].call, None);
        assert!(changed.calls[0].ended() && changed.queues.is_empty());
        assert_eq!(
            follower.take(&delta(6, call(1, 3, queued()))).unwrap(),
            None,
            "it was taken already"
        );
        assert!(follower.take(&delta(9, call(1, 4, queued()))).is_err());
    }

    #[test]
    fn resuming_says_only_what_is_proven_until_it_has_caught_up() {
        // Now, at 12: call 1 is in P1. At 10, where we resume, it was queued, which nobody can tell us any
        // more.
        let now = snapshot(12, &[call(1, 3, parked("P1"))]);
        let since = Position {
            epoch: "e".to_owned(),
            rev: 10,
        };
        let mut follower = Follower::resumed(&since, now.clone());
        assert_eq!(follower.at(), since);

        let changed = follower
            .take(&delta(11, call(1, 2, parked("P2"))))
            .unwrap()
            .unwrap();
        assert_eq!(changed.slots.len(), 1);
        assert_eq!(
            (changed.slots[0].id.as_str(), changed.slots[0].call),
            ("P2", Some(CallId::from_bits(1)))
        );
        assert!(changed.people.is_empty() && changed.queues.is_empty());

        let changed = follower
            .take(&delta(12, call(1, 3, parked("P1"))))
            .unwrap()
            .unwrap();
        assert_eq!(
            (
                changed.slots.len(),
                changed.people.len(),
                changed.queues.len()
            ),
            (2, 1, 1)
        );
        assert_eq!(changed.slots[1].call, None);
        assert_eq!(
            follower.board,
            Board::new(now),
            "and from here on it is an ordinary board"
        );
    }

    #[test]
    fn resuming_where_nothing_was_missed_is_following() {
        let now = snapshot(12, &[call(1, 3, queued())]);
        let mut follower = Follower::resumed(
            &Position {
                epoch: "e".to_owned(),
                rev: 12,
            },
            now,
        );
        assert!(follower.ahead.is_none());
        let changed = follower
            .take(&delta(13, call(1, 4, parked("P1"))))
            .unwrap()
            .unwrap();
        assert_eq!((changed.slots.len(), changed.queues.len()), (1, 1));
    }

    #[test]
    fn somebody_who_comes_or_goes_is_the_only_one_who_has_changed() {
        let person = |id: &str| json!({ "id": id, "extension": "100", "name": id, "identity": id, "presence": "available", "phone": "ready" });
        let mut board = snapshot(1, &[]);
        board.people = serde_json::from_value(json!([person("u1"), person("u5")])).unwrap();
        let mut follower = Follower::new(board);
        let mut take = |rev: u64, change: &str, value: Value| {
            let mut delta =
                json!({ "epoch": "e", "rev": rev, "cause": { "kind": "command", "id": null } });
            delta[change] = value;
            let delta = serde_json::from_value(delta).unwrap();
            follower.take(&delta).unwrap().unwrap()
        };
        let came = take(2, "person", person("u3"));
        assert_eq!(came.people.iter().map(|p| p.id.0).collect::<Vec<_>>(), [3]);
        let gone = take(3, "person_gone", json!("u1"));
        assert!(gone.people.is_empty(), "{gone:?}");
        assert_eq!(gone.people_gone, [UserId(1)]);
        let named = take(4, "groups", json!([{ "id": "sales", "name": "Sales" }]));
        assert_eq!(named.groups.len(), 1);
        assert!(
            serde_json::to_value(named)
                .unwrap()
                .get("people_gone")
                .is_none()
        );
    }

    #[test]
    fn presence_changes_people_only_where_it_is_news() {
        let mut follower = Follower::new(snapshot(1, &[]));
        let news = |phone: &str| -> Vec<PersonPresence> {
            serde_json::from_value(json!([{ "id": "u1", "phone": phone, "presence": "available" }]))
                .unwrap()
        };
        assert!(follower.presence(&news("ready")).is_empty());
        assert_eq!(follower.presence(&news("unreachable")).people.len(), 1);
    }
}
