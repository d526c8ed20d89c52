//! The carrier of the small world: connections, rooms, and what comes of requests.
//!
//! It does what Twilio's documents say of conferences and participants, and no favours: it is slow, deaf or
//! gone as [`Luck`] has it.

use cordboard_core::{
    call::{CUSTOMER, Leg, NoWhy},
    ids::{CallId, CallSid, ConferenceSid, LegId, Timestamp, UserId},
    machine::{
        Aspect, Effect, Fact, InRoom, LegSeen, LegStatus, PhonePage, Reading, RoomSeen, Script,
    },
};

use crate::world::{World, sid};

/// How a request to the carrier goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Luck {
    /// Done, and answered.
    Good,
    /// Done, and the answer was lost.
    Deaf,
    /// Lost on the way there.
    Lost,
}

/// One connection at the carrier.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) leg: LegId,
    pub(crate) state: Line,
    /// Whether we have told it to go.
    told: bool,
    /// When it ended.
    pub(crate) over: Option<Timestamp>,
    pub(crate) room: Option<ConferenceSid>,
    pub(crate) hold: bool,
    pub(crate) ends_room: bool,
    /// Whose page it is, if it is one.
    pub(crate) page: Option<UserId>,
    /// Into which room it goes when it is picked up, if it is not asked for a key.
    invited: Option<ConferenceSid>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Ringing,
    /// Picked up, and asked for a key.
    Asked,
    Up,
    Over,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Room {
    pub(crate) name: Option<CallId>,
    pub(crate) started: bool,
    /// Whose leaving ended it.
    pub(crate) over: Option<CallSid>,
}

impl World {
    fn tell(&mut self, call: CallId, fact: Fact) {
        self.inbox.push((call, fact, self.now));
    }

    /// A connection asks us what to do, and does it. That request is not late, doubled or lost: the connection
    /// waits for its answer.
    pub(crate) fn ask(&mut self, connection: &CallSid) {
        let Some(leg) = self.wires.get(connection).map(|w| w.leg) else {
            return;
        };
        self.report(
            leg.call,
            &Fact::Fetched {
                leg: leg.n,
                sid: connection.clone(),
            },
            self.now,
        );
        self.obey(connection);
    }

    /// Does what our document says.
    fn obey(&mut self, connection: &CallSid) {
        let leg = self.wires[connection].leg;
        match self.calls[&leg.call].script(leg.n, connection) {
            Script::Join { ends_room } => {
                let room = self.room_named(leg.call);
                self.wires
                    .get_mut(connection)
                    .expect("a connection")
                    .ends_room = ends_room;
                self.join(connection, &room);
            }
            Script::AskKey => {
                self.wires.get_mut(connection).expect("a connection").state = Line::Asked;
            }
            Script::HangUp => self.hang_up(connection, None),
        }
    }

    /// The open room of that name, or a new one.
    fn room_named(&mut self, name: CallId) -> ConferenceSid {
        let open = self
            .rooms
            .iter()
            .find(|(_, r)| r.name == Some(name) && r.over.is_none())
            .map(|(sid, _)| sid.clone());
        open.unwrap_or_else(|| {
            let sid: ConferenceSid = format!("CF{:032x}", self.serial())
                .parse()
                .expect("a ConferenceSid");
            self.rooms.insert(
                sid.clone(),
                Room {
                    name: Some(name),
                    ..Room::default()
                },
            );
            sid
        })
    }

    pub(crate) fn in_room(&self, room: &ConferenceSid) -> Vec<CallSid> {
        self.wires
            .iter()
            .filter(|(_, w)| w.room.as_ref() == Some(room))
            .map(|(sid, _)| sid.clone())
            .collect()
    }

    fn join(&mut self, connection: &CallSid, room: &ConferenceSid) {
        let wire = self.wires.get_mut(connection).expect("a connection");
        (wire.state, wire.room, wire.hold) = (Line::Up, Some(room.clone()), false);
        let leg = wire.leg;
        self.tell(
            leg.call,
            Fact::Joined {
                leg: leg.n,
                sid: connection.clone(),
                room: room.clone(),
            },
        );
        if self.in_room(room).len() >= 2 && !self.rooms[room].started {
            self.rooms.get_mut(room).expect("a room").started = true;
            self.tell(leg.call, Fact::RoomStarted { room: room.clone() });
        }
    }

    fn leave(&mut self, connection: &CallSid) {
        let wire = self.wires.get_mut(connection).expect("a connection");
        let (leg, ends) = (wire.leg, std::mem::take(&mut wire.ends_room));
        let hung_up = !wire.told;
        let Some(room) = wire.room.take() else { return };
        self.tell(
            leg.call,
            Fact::Left {
                leg: leg.n,
                sid: connection.clone(),
                room: room.clone(),
                hung_up,
            },
        );
        let others = self.in_room(&room);
        if ends || others.is_empty() {
            for other in others {
                let leg = self.wires[&other].leg;
                self.wires.get_mut(&other).expect("a connection").room = None;
                self.tell(
                    leg.call,
                    Fact::Left {
                        leg: leg.n,
                        sid: other.clone(),
                        room: room.clone(),
                        hung_up: false,
                    },
                );
                self.hang_up(&other, None); // its document has nothing after the room
            }
            let ended = self.rooms.get_mut(&room).expect("a room");
            if ended.over.is_none() {
                let by = Some(connection.clone());
                ended.over.clone_from(&by);
                self.tell(leg.call, Fact::RoomEnded { room, by });
            }
        }
    }

    /// A connection ends, by whoever's hand.
    pub(crate) fn hang_up(&mut self, connection: &CallSid, outcome: Option<NoWhy>) {
        if self
            .wires
            .get(connection)
            .is_none_or(|w| w.state == Line::Over)
        {
            return;
        }
        self.leave(connection);
        let wire = self.wires.get_mut(connection).expect("a connection");
        wire.state = Line::Over;
        wire.over = Some(self.now);
        let leg = wire.leg;
        self.tell(
            leg.call,
            Fact::Over {
                leg: leg.n,
                sid: Some(connection.clone()),
                outcome,
            },
        );
    }

    /// A ringing telephone is picked up.
    pub(crate) fn pick_up(&mut self, connection: &CallSid) {
        let Some(wire) = self
            .wires
            .get(connection)
            .filter(|w| w.state == Line::Ringing)
        else {
            return;
        };
        let (leg, invited) = (wire.leg, wire.invited.clone());
        self.tell(
            leg.call,
            Fact::PickedUp {
                leg: leg.n,
                sid: connection.clone(),
            },
        );
        match invited {
            Some(room) if self.rooms[&room].over.is_some() => self.hang_up(connection, None),
            Some(room) => self.join(connection, &room),
            None => self.ask(connection),
        }
    }

    /// A telephone that is asked for a key presses it.
    pub(crate) fn press(&mut self, connection: &CallSid) {
        let Some(wire) = self
            .wires
            .get(connection)
            .filter(|w| w.state == Line::Asked)
        else {
            return;
        };
        let leg = wire.leg;
        self.report(
            leg.call,
            &Fact::Accepted {
                leg: leg.n,
                sid: connection.clone(),
            },
            self.now,
        );
        self.obey(connection);
    }

    /// A page that is wanted somewhere, and has no connection, makes one.
    pub(crate) fn connect(&mut self, user: UserId) {
        let busy = self
            .wires
            .values()
            .any(|w| w.page == Some(user) && w.state != Line::Over);
        if self.people[&user].page != PhonePage::Ready || busy {
            return;
        }
        let wanted = self.calls.values().find_map(|c| {
            let claim = c.claim.as_ref().filter(|k| k.user == user)?;
            c.leg(claim.leg)
                .is_some_and(|l| l.sid.is_none() && l.line == cordboard_core::call::Line::Page)
                .then(|| c.id.leg(claim.leg))
        });
        if let Some(leg) = wanted {
            let connection = sid(self.serial());
            self.wires.insert(
                connection.clone(),
                Wire {
                    page: Some(user),
                    ..Wire::new(leg, Line::Up)
                },
            );
            self.ask(&connection);
        }
    }

    /// A second window of the same page takes the ticket that was redeemed.
    pub(crate) fn second_tab(&mut self, user: UserId) {
        let Some(leg) = self
            .wires
            .values()
            .find(|w| w.page == Some(user) && w.state != Line::Over)
            .map(|w| w.leg)
        else {
            return;
        };
        let connection = sid(self.serial());
        self.wires
            .insert(connection.clone(), Wire::new(leg, Line::Up));
        self.ask(&connection);
    }

    /// Sends the oldest request of the lane that row `i` is in: one in flight a leg.
    pub(crate) fn perform(&mut self, i: usize, luck: Luck) {
        let (id, effect) = self.outbox[i].clone();
        let i = self
            .outbox
            .iter()
            .position(|(c, e)| *c == id && lane(e) == lane(&effect))
            .unwrap_or(i);
        let (id, effect) = self.outbox.remove(i);
        let call = self.calls[&id].clone();
        let wanted =
            |n: u16| !call.ended() && call.leg(n).is_some_and(|l| l.alive() && l.leave.is_none());
        match &effect {
            Effect::Set { leg, what } => {
                let Some(l) = call.leg(*leg).filter(|l| l.alive()) else {
                    return;
                };
                let register = if *what == Aspect::Hold {
                    &l.hold
                } else {
                    &l.ends_room
                };
                let done =
                    luck != Luck::Lost && self.set(call.id.leg(*leg), *what, register.wanted());
                let fact = match luck {
                    Luck::Good if done => Fact::Confirmed {
                        leg: *leg,
                        what: *what,
                        wish: register.wish,
                    },
                    _ => Fact::Unclear,
                };
                self.tell(id, fact);
            }
            Effect::HangUp { .. } | Effect::Redirect { .. } if luck == Luck::Lost => {
                self.outbox.push((id, effect));
            }
            Effect::HangUp { sid } => {
                if let Some(wire) = self.wires.get_mut(sid) {
                    wire.told = true;
                }
                self.let_go(sid, None);
            }
            Effect::Redirect { sid, to } => {
                if call
                    .legs
                    .iter()
                    .any(|l| l.sid.as_ref() == Some(sid) && l.alive())
                {
                    self.let_go(sid, Some(*to));
                    if luck == Luck::Deaf {
                        self.outbox.push((id, effect)); // sent again: nobody knows that it was done
                    }
                }
            }
            Effect::Dial { leg, .. } | Effect::Invite { leg, .. } if !wanted(*leg) => {
                self.tell(
                    id,
                    Fact::Over {
                        leg: *leg,
                        sid: None,
                        outcome: None,
                    },
                );
            }
            Effect::Dial { .. } | Effect::Invite { .. } if luck == Luck::Lost => {
                self.tell(id, Fact::Unclear);
            }
            Effect::Dial { leg, .. } => self.ring(call.id.leg(*leg), None, luck),
            Effect::Invite { leg, .. } => {
                let room = call.room_sid().cloned().expect("a room to invite into");
                if self.rooms[&room].over.is_some() {
                    self.tell(
                        id,
                        Fact::Over {
                            leg: *leg,
                            sid: None,
                            outcome: Some(NoWhy::Failed),
                        },
                    );
                } else {
                    self.ring(call.id.leg(*leg), Some(room), luck);
                }
            }
            Effect::Look => {
                if luck != Luck::Lost {
                    let reading = self.read(id);
                    self.tell(id, Fact::Read(reading));
                }
            }
            Effect::Cancel { .. } => {}
        }
    }

    fn ring(&mut self, leg: LegId, invited: Option<ConferenceSid>, luck: Luck) {
        let connection = sid(self.serial());
        let ends_room = leg.n == CUSTOMER;
        self.wires.insert(
            connection.clone(),
            Wire {
                ends_room,
                invited,
                ..Wire::new(leg, Line::Ringing)
            },
        );
        let answer = if luck == Luck::Good {
            Fact::Asked {
                leg: leg.n,
                sid: connection.clone(),
            }
        } else {
            Fact::Unclear
        };
        self.tell(leg.call, answer);
        self.tell(
            leg.call,
            Fact::Rang {
                leg: leg.n,
                sid: connection,
            },
        );
    }

    fn set(&mut self, leg: LegId, what: Aspect, on: bool) -> bool {
        let there = self
            .wires
            .values()
            .position(|w| w.leg == leg && w.room.is_some());
        let Some(wire) = there.and_then(|i| self.wires.values_mut().nth(i)) else {
            return false;
        };
        let started = wire
            .room
            .as_ref()
            .is_some_and(|room| self.rooms[room].started);
        match what {
            Aspect::Hold if !started => return false,
            Aspect::Hold => wire.hold = on,
            // A held participant silently ignores the change.
            Aspect::EndsRoom if wire.hold => return false,
            Aspect::EndsRoom => wire.ends_room = on,
        }
        true
    }

    /// We end or move a leg. Nobody may be taken along by that, or be left in silence.
    fn let_go(&mut self, connection: &CallSid, to: Option<LegId>) {
        let Some(wire) = self
            .wires
            .get(connection)
            .filter(|w| w.state != Line::Over)
            .cloned()
        else {
            return;
        };
        let call = &self.calls[&wire.leg.call];
        if let Some(room) = &wire.room
            && !call.ended()
            && wire.leg.n != CUSTOMER
            && call.room_sid() == Some(room)
        {
            assert!(
                !wire.ends_room,
                "hanging up {} would end the call",
                wire.leg
            );
        }
        match to {
            None => self.hang_up(connection, None),
            Some(to) => {
                self.leave(connection);
                self.wires.get_mut(connection).expect("a connection").leg = to;
                self.ask(connection);
            }
        }
        if let Some(room) = &wire.room {
            self.nobody_in_silence(wire.leg.call, room);
        }
    }

    /// A customer who is alone, in a room that has started, and not held: only while news of it is on its way,
    /// or the hold is.
    pub(crate) fn nobody_in_silence(&self, id: CallId, room: &ConferenceSid) {
        let there = self.in_room(room);
        let [only] = there.as_slice() else { return };
        let wire = &self.wires[only];
        if wire.leg.n == CUSTOMER
            && !wire.hold
            && self.rooms[room].started
            && !self.calls[&id].ended()
        {
            let on_its_way = self.inbox.iter().any(|(c, ..)| *c == id)
                || self.outbox.iter().any(|(c, _)| *c == id);
            assert!(
                on_its_way,
                "{id}: the customer is alone in silence, and nobody knows\n{:#?}",
                self.calls[&id]
            );
        }
    }

    /// What the carrier says of a call, as the reconciler would ask.
    pub(crate) fn read(&self, id: CallId) -> Reading {
        let call = &self.calls[&id];
        let room = match call.room_sid() {
            Some(sid) => Some(sid.clone()),
            None => self
                .rooms
                .iter()
                .rev()
                .find(|(_, r)| r.name == Some(id))
                .map(|(sid, _)| sid.clone()),
        };
        let seen = match &room {
            None => RoomSeen::None,
            Some(sid) if self.rooms[sid].over.is_some() => RoomSeen::Over {
                sid: sid.clone(),
                by: self.rooms[sid].over.clone(),
            },
            Some(sid) => RoomSeen::Open {
                sid: sid.clone(),
                started: self.rooms[sid].started,
            },
        };
        let there = |l: &Leg| {
            self.wires
                .values()
                .any(|w| w.leg == id.leg(l.n) && w.room.is_some() && w.room == room)
        };
        let legs = call
            .legs
            .iter()
            .filter(|l| l.alive() || there(l))
            .filter_map(|l| {
                let label = id.leg(l.n);
                let (connection, wire) = match &l.sid {
                    Some(sid) => (sid, self.wires.get(sid)?),
                    None => self
                        .wires
                        .iter()
                        .find(|(_, w)| w.leg == label && w.state != Line::Over)?,
                };
                let there = wire.leg == label && wire.room.is_some() && wire.room == room;
                let in_room = there.then_some(InRoom {
                    hold: wire.hold,
                    ends_room: wire.ends_room,
                    joined: None,
                    updated: None,
                });
                let status = match wire.state {
                    Line::Ringing => LegStatus::Ringing,
                    Line::Asked | Line::Up => LegStatus::Up,
                    Line::Over => LegStatus::Over {
                        at: wire.over,
                        outcome: None,
                    },
                };
                Some(LegSeen {
                    n: l.n,
                    sid: connection.clone(),
                    status,
                    in_room,
                })
            });
        Reading {
            rev: call.rev,
            sent: self.now,
            room: seen,
            legs: legs.collect(),
        }
    }
}

impl Wire {
    pub(crate) fn new(leg: LegId, state: Line) -> Self {
        Self {
            leg,
            state,
            told: false,
            over: None,
            room: None,
            hold: false,
            ends_room: false,
            page: None,
            invited: None,
        }
    }
}

/// Requests for one leg go one after the other.
fn lane(effect: &Effect) -> String {
    match effect {
        Effect::Set { leg, .. } => format!("leg {leg}"),
        Effect::HangUp { sid } | Effect::Redirect { sid, .. } => sid.to_string(),
        Effect::Dial { leg, .. } | Effect::Invite { leg, .. } | Effect::Cancel { leg } => {
            format!("dial {leg}")
        }
        Effect::Look => "look".to_owned(),
    }
}
