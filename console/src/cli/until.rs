//! `--until answered`: waiting for how a transfer or a dial ends, by following the board from before the
//! command was sent.
//!
//! What happens is read off the call's cards, one after another; nothing is asked twice and nothing is guessed
//! from time. It must not send commands.
//!
//! Read next: `cli/act.rs`.

use std::time::Duration;

use cordboard_core::{
    board::{At, Card},
    call::{CUSTOMER, LegState},
    ids::{Rev, UserId},
    machine::Target,
    wire::{Change, ClientMsg, ServerMsg, VERSION},
};

use crate::{
    cli::{
        Failure,
        show::{self, Names},
    },
    client::{Answer, Client, ClientError, Socket},
};

/// What `--until answered` waits for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    /// The one it was sent to talks with the caller.
    Taken(Target),
    /// The number that was dialled has answered.
    Answered,
}

/// How that ended.
#[derive(Debug, PartialEq)]
pub(super) enum Fate {
    Together(Card),
    Lost(Card, String),
}

/// The board's changes, from before the command on.
pub(super) struct Follow<'a> {
    client: &'a Client,
    socket: Option<Socket<ClientMsg, ServerMsg>>,
    names: Names,
    me: Option<UserId>,
    seen: Vec<Card>,
    /// The newest revision of the call that was judged.
    rev: Option<Rev>,
    judge: Judge,
}

/// The shortest and the longest pause before connecting again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

impl<'a> Follow<'a> {
    pub(super) async fn start(client: &'a Client, wanted: Wanted) -> Result<Self, Failure> {
        let mut socket = client.console().await?;
        socket
            .send(&ClientMsg::Hello {
                version: VERSION,
                since: None,
            })
            .await?;
        let (mut me, mut names) = (None, None);
        // The board must have arrived before the command leaves: what comes after it is what the command did.
        while names.is_none() {
            match socket.next().await? {
                ServerMsg::Welcome { me: who, .. } => me = Some(who.id),
                ServerMsg::Snapshot(board) => names = Some(Names::of(&board)),
                ServerMsg::Bye { why, .. } => return Err(Failure::refused("refused", why)),
                _ => {}
            }
        }
        let judge = Judge {
            wanted,
            under_way: false,
        };
        Ok(Self {
            client,
            socket: Some(socket),
            names: names.unwrap_or_default(),
            me,
            seen: Vec::new(),
            rev: None,
            judge,
        })
    }

    /// Reads the socket while the command is on its way: a socket that nobody reads is cut off.
    pub(super) async fn meanwhile(
        &mut self,
        sending: impl Future<Output = Result<Answer, ClientError>>,
    ) -> Result<Answer, ClientError> {
        tokio::pin!(sending);
        loop {
            let Some(socket) = &mut self.socket else {
                return sending.await;
            };
            tokio::select! {
                answer = &mut sending => return answer,
                message = socket.next() => match message {
                    Ok(ServerMsg::Delta(delta)) => self.seen.extend(delta.card().cloned()),
                    // Sent instead of changes that were too many: it has what they came to.
                    Ok(ServerMsg::Snapshot(board)) => self.seen.extend(board.calls),
                    Ok(_) => {}
                    Err(_) => self.socket = None,
                },
            }
        }
    }

    /// Waits for the end, which may have been before the command was answered: one that is repeated finds its
    /// call wherever it has come to since. `done` is the call as the answer brought it.
    pub(super) async fn end(mut self, done: &Card) -> Result<Fate, Failure> {
        for card in std::mem::take(&mut self.seen) {
            if let Some(fate) = self.see(&card, done) {
                return Ok(fate);
            }
        }
        if let Some(fate) = self.see(done, done) {
            return Ok(fate);
        }
        let mut pause = PAUSE.0;
        loop {
            let why = match self.listen(done).await {
                Ok(fate) => return Ok(fate),
                Err(why) => why,
            };
            // A server that starts anew refuses connections for a while, and then has the board as it was.
            if !matches!(why, ClientError::Unreachable { .. }) {
                return Err(Failure::from(why));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Follows over one connection; a new one begins with the board as it is now.
    async fn listen(&mut self, done: &Card) -> Result<Fate, ClientError> {
        let mut socket = if let Some(socket) = self.socket.take() {
            socket
        } else {
            let mut socket = self.client.console().await?;
            let (version, since) = (VERSION, None);
            socket.send(&ClientMsg::Hello { version, since }).await?;
            socket
        };
        loop {
            let card = match socket.next().await? {
                ServerMsg::Delta(delta) => match delta.change {
                    Change::Call(card) => *card,
                    _ => continue,
                },
                ServerMsg::Snapshot(board) => {
                    match board.calls.into_iter().find(|c| c.id == done.id) {
                        Some(card) => card,
                        None => self.client.call(&done.id.to_string()).await?.0,
                    }
                }
                ServerMsg::Bye { why, again: false } => {
                    return Err(ClientError::refused(409, "bye", why));
                }
                _ => continue,
            };
            if let Some(fate) = self.see(&card, done) {
                return Ok(fate);
            }
        }
    }

    /// Judges a card, if it is of this call and newer than the last one.
    fn see(&mut self, card: &Card, done: &Card) -> Option<Fate> {
        if card.id != done.id || self.rev.is_some_and(|rev| card.rev <= rev) {
            return None;
        }
        self.rev = Some(card.rev);
        // What is as new as the answer has happened after the command was done.
        self.judge.under_way |= card.rev >= done.rev;
        self.judge.see(card, &self.names, self.me)
    }
}

/// A call that is off the board.
fn over(card: Card, names: &Names) -> Fate {
    let why = show::sentence(&card, names);
    Fate::Lost(card, why)
}

/// Whether the customer still hears music. Everybody else may be in the room already; together they are when
/// the carrier has confirmed the end of the hold.
fn on_hold(card: &Card) -> bool {
    card.legs.iter().any(|l| l.id.n == CUSTOMER && l.held)
}

/// Reads off a call's cards, in order, how a transfer or a dial ends.
#[derive(Debug)]
struct Judge {
    wanted: Wanted,
    under_way: bool,
}

impl Judge {
    fn see(&mut self, card: &Card, names: &Names, me: Option<UserId>) -> Option<Fate> {
        if card.ended() {
            return Some(over(card.clone(), names));
        }
        match &self.wanted {
            Wanted::Answered => match &card.place.at {
                At::Talking { .. } if !on_hold(card) => Some(Fate::Together(card.clone())),
                _ => None,
            },
            Wanted::Taken(to) => match (&card.place.at, to) {
                (At::Transferring { to: there, .. }, _) if *there == String::from(to.clone()) => {
                    self.under_way = true;
                    None
                }
                // Somebody has accepted: when they are together it shows who.
                (At::Connecting { .. }, _) => None,
                (At::Talking { .. }, _) if on_hold(card) => None,
                (At::Talking { users }, Target::User(user)) if users.contains(user) => {
                    Some(Fate::Together(card.clone()))
                }
                (At::Talking { .. }, Target::Number(number))
                    if card.legs.iter().any(|l| {
                        l.number.as_ref() == Some(number)
                            && l.role == "outside"
                            && l.state == LegState::Joined
                    }) =>
                {
                    Some(Fate::Together(card.clone()))
                }
                _ if !self.under_way => None,
                _ => {
                    let who = match to {
                        Target::User(user) if Some(*user) == me => "You".to_owned(),
                        Target::User(user) => names.get(*user),
                        Target::Number(number) => number.to_string(),
                    };
                    Some(Fate::Lost(
                        card.clone(),
                        format!("{who} did not take it: {}", show::sentence(card, names)),
                    ))
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cordboard_core::{
        board::CardLeg,
        ids::{CallId, Phone},
    };
    use serde_json::{Value, json};

    fn card(place: Value) -> Card {
        let mut place = place;
        place["since"] = json!("2026-01-01T00:00:00Z");
        serde_json::from_value(json!({
            "id": CallId::from_bits(7), "rev": 1, "moved": 1, "place": place, "caller": { "name": "Rosa", "number": null },
            "direction": "in", "to": "+14155550100", "with": [], "since": "2026-01-01T00:00:00Z",
            "legs": [{ "id": CallId::from_bits(7).leg(1), "sid": null, "role": "outside", "user": null,
                       "number": "+14155550177", "state": "joined", "held": false, "muted": false }],
        }))
        .unwrap()
    }

    #[test]
    fn a_transfer_ends_when_they_talk_or_it_is_back() {
        let sent = json!({ "kind": "transferring", "from": "u1", "to": "u2", "deadline": "2026-01-01T00:00:20Z" });
        let with = |user: &str| json!({ "kind": "talking", "users": [user] });
        let joining = json!({ "kind": "connecting", "user": "u2" });
        let back = json!({ "kind": "ringing", "users": ["u1"], "why": "returned", "deadline": "2026-01-01T00:00:20Z" });
        let fate = |places: &[Value]| {
            let mut judge = Judge {
                wanted: Wanted::Taken(Target::User(UserId(2))),
                under_way: false,
            };
            places
                .iter()
                .find_map(|p| judge.see(&card(p.clone()), &Names::default(), None))
        };
        assert!(matches!(
            fate(&[with("u1"), sent.clone(), joining.clone(), with("u2")]),
            Some(Fate::Together(_))
        ));
        assert!(matches!(
            fate(&[with("u1"), sent.clone(), back]),
            Some(Fate::Lost(..))
        ));
        assert!(
            matches!(fate(&[sent.clone(), with("u1")]), Some(Fate::Lost(..))),
            "taken back"
        );
        assert!(matches!(
            fate(&[
                sent.clone(),
                json!({ "kind": "ended", "why": "caller-left" })
            ]),
            Some(Fate::Lost(..))
        ));
        assert_eq!(
            fate(&[with("u1"), sent.clone(), joining, sent]),
            None,
            "a lapsed accept goes on ringing"
        );
    }

    #[test]
    fn a_transfer_to_a_number_is_told_by_its_leg() {
        let number: Phone = "+14155550177".parse().unwrap();
        let mut judge = Judge {
            wanted: Wanted::Taken(Target::Number(number)),
            under_way: true,
        };
        let mut talking = card(json!({ "kind": "talking", "users": [] }));
        let customer = CardLeg {
            id: talking.id.leg(CUSTOMER),
            role: "customer".to_owned(),
            number: None,
            held: true,
            ..talking.legs[0].clone()
        };
        talking.legs.push(customer);
        assert_eq!(
            judge.see(&talking, &Names::default(), None),
            None,
            "they are in one room, but the caller still hears music"
        );
        talking.legs[1].held = false;
        assert!(matches!(
            judge.see(&talking, &Names::default(), None),
            Some(Fate::Together(_))
        ));
    }

    #[test]
    fn a_dial_has_not_ended_while_the_far_side_is_held() {
        let mut judge = Judge {
            wanted: Wanted::Answered,
            under_way: true,
        };
        let mut talking = card(json!({ "kind": "talking", "users": ["u1"] }));
        talking.legs[0].id = talking.id.leg(CUSTOMER);
        talking.legs[0].held = true;
        assert_eq!(judge.see(&talking, &Names::default(), None), None);
        talking.legs[0].held = false;
        assert!(matches!(
            judge.see(&talking, &Names::default(), None),
            Some(Fate::Together(_))
        ));
    }
}
