//! A small, honest world for the machine to live in: a carrier, telephones, phone pages, a store and a clock, all in memory.
//!
//! The carrier takes [`Effect`]s and makes facts of what happens; the facts wait in an inbox, from which a test takes them late, twice, in any
//! order, or not at all. What the carrier does is what Twilio's documents say of conferences and participants: a room has one life a
//! [`ConferenceSid`], starts with the second participant and ends with the last or with one that carries the flag; a room name used
//! again opens another room. Read next: `machine.rs`, which lets chance act on it.

use std::collections::{BTreeMap, BTreeSet};

use cordboard_core::{
    board::{At, Card},
    call::{CUSTOMER, Call, Caller, Leg, LegState, NoWhy, Place, Stop},
    ids::{CallId, CallSid, ConferenceSid, LegId, Phone, SlotId, Timestamp, UserId},
    machine::{
        Aspect, By, Context, Desk, Effect, Fact, Finish, InRoom, Intent, LegSeen, LegStatus,
        PhonePage, Reach, Reading, RoomSeen, Script, Step,
    },
};

/// The people of this world. The last has a fallback number; the third is the desk's second destination.
pub(crate) const PEOPLE: [UserId; 4] = [UserId(1), UserId(2), UserId(3), UserId(4)];

pub(crate) fn sid(n: u32) -> CallSid {
    format!("CA{n:032x}").parse().expect("a CallSid")
}

pub(crate) fn phone(n: u32) -> Phone {
    format!("+1415555{n:04}").parse().expect("a number")
}

pub(crate) fn slot(n: u32) -> SlotId {
    format!("P{n}").parse().expect("a slot")
}

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
    pub(crate) over: bool,
}

/// A person, as far as telephones go.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) page: PhonePage,
    pub(crate) fallback: Option<Phone>,
}

/// Everything there is.
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) calls: BTreeMap<CallId, Call>,
    pub(crate) people: BTreeMap<UserId, Person>,
    pub(crate) desk: Desk,
    pub(crate) wires: BTreeMap<CallSid, Wire>,
    pub(crate) rooms: BTreeMap<ConferenceSid, Room>,
    /// News under way to us.
    pub(crate) inbox: Vec<(CallId, Fact, Timestamp)>,
    /// Requests under way to the carrier.
    pub(crate) outbox: Vec<(CallId, Effect)>,
    /// Commands that were accepted, and how they ended.
    pub(crate) commands: BTreeMap<Box<str>, Option<Finish>>,
    /// Every leg that was ever dialled or invited.
    dialled: BTreeSet<LegId>,
    /// How often what happened: chance is only worth something where it gets around.
    pub(crate) seen: Option<BTreeMap<String, u32>>,
    serial: u32,
}

impl World {
    pub(crate) fn new() -> Self {
        // The last works from their telephone, until their page comes.
        let person = |u: UserId| match u == PEOPLE[3] {
            true => Person {
                page: PhonePage::Unreachable,
                fallback: Some(phone(9_004)),
            },
            false => Person {
                page: PhonePage::Ready,
                fallback: None,
            },
        };
        Self {
            now: Timestamp::from_millis(1_767_225_600_000),
            calls: BTreeMap::new(),
            people: PEOPLE.into_iter().map(|u| (u, person(u))).collect(),
            desk: Desk {
                second: vec![PEOPLE[2]],
                ..Desk::default()
            },
            wires: BTreeMap::new(),
            rooms: BTreeMap::new(),
            inbox: Vec::new(),
            outbox: Vec::new(),
            commands: BTreeMap::new(),
            dialled: BTreeSet::new(),
            seen: None,
            serial: 0,
        }
    }

    pub(crate) fn serial(&mut self) -> u32 {
        self.serial += 1;
        self.serial
    }

    fn count(&mut self, what: impl FnOnce() -> String) {
        if let Some(seen) = &mut self.seen {
            *seen.entry(what()).or_default() += 1;
        }
    }

    pub(crate) fn slots() -> BTreeSet<SlotId> {
        (1..=3).map(slot).collect()
    }

    /// What the exchange would gather for a step on `of`.
    pub(crate) fn context(&self, of: Option<CallId>) -> Context {
        let seats: BTreeMap<UserId, LegId> = self
            .calls
            .values()
            .flat_map(|c| c.seats().map(|(u, n)| (u, c.id.leg(n))))
            .collect();
        let taken: BTreeMap<_, _> = self
            .calls
            .values()
            .filter(|c| Some(c.id) != of)
            .filter_map(|c| Some((c.slot()?.clone(), c.caller.title().into())))
            .collect();
        let mine = of
            .and_then(|id| self.calls.get(&id))
            .and_then(|c| c.slot().cloned());
        Context {
            now: self.now,
            people: self
                .people
                .iter()
                .map(|(user, p)| {
                    let seat = seats.get(user).copied();
                    (
                        *user,
                        Reach {
                            name: name(*user).into(),
                            page: p.page,
                            seat,
                            fallback: p.fallback.clone(),
                        },
                    )
                })
                .collect(),
            desk: self.desk.clone(),
            free_slot: Self::slots()
                .into_iter()
                .find(|s| !taken.contains_key(s) && Some(s) != mine.as_ref()),
            taken,
            slots: Self::slots(),
        }
    }

    // --- our side ---

    /// A caller rings in; their leg joins the room by name.
    pub(crate) fn arrive(&mut self, route: &[Stop]) -> CallId {
        let n = self.serial();
        let id = CallId::from_bits(u128::from(n) * 0x1_0000_0001);
        let caller = Caller {
            name: (n % 3 != 0).then(|| format!("Caller {n}").as_str().into()),
            number: Some(phone(n)),
        };
        let connection = sid(n);
        let step = Call::arrive(
            id,
            connection.clone(),
            caller,
            phone(9_000),
            route,
            &self.context(None),
        );
        assert_eq!(step.call.rev, 1);
        self.accept(None, step);
        self.wires
            .insert(connection.clone(), Wire::new(id.leg(CUSTOMER), Line::Up));
        self.ask(&connection);
        id
    }

    /// Commits steps as one, the way the store would, and holds them to what must be true of any step.
    fn commit(&mut self, steps: Vec<Step>) {
        for step in steps {
            let before = self.calls.get(&step.call.id).cloned();
            self.accept(before.as_ref(), step);
        }
        // I2, across calls: the store's UNIQUE indexes would refuse this.
        let (mut seats, mut slots) = (BTreeMap::new(), BTreeMap::new());
        for call in self.calls.values() {
            for (user, n) in call.seats() {
                if let Some(other) = seats.insert(user, call.id.leg(n)) {
                    panic!("I2: {user} has {other} and {}", call.id.leg(n));
                }
            }
            if let Some(slot) = call.slot()
                && let Some(other) = slots.insert(slot.clone(), call.id)
            {
                panic!("I2: {slot} has {other} and {}", call.id);
            }
        }
    }

    fn accept(&mut self, before: Option<&Call>, step: Step) {
        let id = step.call.id;
        assert_eq!(
            step.fault, None,
            "a step broke the call; it was {before:#?}"
        );
        assert_eq!(step.call.check(), Ok(()));
        if let Some(before) = before {
            hold_to_the_rules(before, &step);
        }
        self.count(|| format!("place {}", At::kind(&Card::of(&step.call).place.at)));
        for outcome in step.outcomes {
            self.count(|| format!("outcome {}", word(&outcome.result)));
            let ended = self
                .commands
                .get_mut(&outcome.command)
                .expect("an outcome of a command that was accepted");
            assert_eq!(
                *ended, None,
                "I4: {} ended twice, now as {:?}",
                outcome.command, outcome.result
            );
            *ended = Some(outcome.result);
        }
        self.calls.insert(id, step.call);
        for effect in step.effects {
            self.count(|| format!("effect {}", word(&effect)));
            match &effect {
                Effect::Dial { leg, .. } | Effect::Invite { leg, .. } => {
                    assert!(
                        self.dialled.insert(id.leg(*leg)),
                        "I5: {} is dialled twice",
                        id.leg(*leg)
                    );
                }
                Effect::HangUp { sid } => {
                    let stays =
                        self.calls.values().flat_map(|c| &c.legs).find(|l| {
                            l.sid.as_ref() == Some(sid) && l.alive() && l.leave.is_none()
                        });
                    assert!(
                        stays.is_none(),
                        "a leg is hung up that should stay: {stays:?}"
                    );
                }
                Effect::Cancel { leg } => {
                    let waits = |e: &Effect| matches!(e, Effect::Dial { leg: n, .. } | Effect::Invite { leg: n, .. } if n == leg);
                    if let Some(i) = self.outbox.iter().position(|(c, e)| *c == id && waits(e)) {
                        self.outbox.remove(i);
                        let fact = Fact::Over {
                            leg: *leg,
                            sid: None,
                            outcome: None,
                        };
                        self.inbox.push((id, fact, self.now));
                    }
                    continue;
                }
                Effect::Set { .. } if self.outbox.contains(&(id, effect.clone())) => continue,
                _ => {}
            }
            self.outbox.push((id, effect));
        }
    }

    /// A fact is reported. It is observed twice, and the second time must change nothing that counts.
    pub(crate) fn report(&mut self, id: CallId, fact: &Fact, at: Timestamp) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let ctx = self.context(Some(id));
        let step = call.observe(fact, at, &ctx);
        let again = step.call.observe(fact, at, &ctx);
        assert_eq!(
            lasting(&again.call),
            lasting(&step.call),
            "{fact:?} twice is not {fact:?} once"
        );
        let ignored = step
            .ignored
            .map_or_else(String::new, |why| format!(" ignored: {why:?}"));
        self.count(|| format!("fact {}{ignored}", word(fact)));
        self.commit(vec![step]);
    }

    /// A command, as the exchange does it: with the call that has to be set aside, if there is one.
    pub(crate) fn act(&mut self, user: UserId, id: CallId, intent: &Intent) -> Result<(), String> {
        let Some(call) = self.calls.get(&id) else {
            return Err("no such call".to_owned());
        };
        let command: Box<str> = format!("c{}", self.serial + 1).into();
        let by = By {
            user,
            command: Some(command.clone()),
        };
        let step = call
            .command(&by, intent, &self.context(Some(id)))
            .map_err(|r| r.0)?;
        self.committed(user, command, step)?;
        self.count(|| format!("command {}", word(intent)));
        Ok(())
    }

    pub(crate) fn dial(&mut self, user: UserId, to: Phone) -> Result<CallId, String> {
        let n = self.serial();
        let id = CallId::from_bits(u128::from(n) * 0x1_0000_0001);
        let command: Box<str> = format!("c{}", self.serial + 1).into();
        let by = By {
            user,
            command: Some(command.clone()),
        };
        let step = Call::dial(id, &by, to, &self.context(None)).map_err(|r| r.0)?;
        self.committed(user, command, step)?;
        self.count(|| "command Dial".to_owned());
        Ok(id)
    }

    fn committed(&mut self, user: UserId, command: Box<str>, step: Step) -> Result<(), String> {
        let mut steps = vec![];
        if let Some(aside) = step.aside
            && let Some(there) = self.calls.get(&aside.from.call)
        {
            let ctx = self.context(Some(there.id));
            steps.push(there.set_aside(user, aside, &ctx).map_err(|r| r.0)?);
        }
        steps.push(step);
        self.serial += 1;
        self.commands.insert(command, None);
        self.commit(steps);
        Ok(())
    }

    // --- the carrier's side ---

    fn tell(&mut self, call: CallId, fact: Fact) {
        self.inbox.push((call, fact, self.now));
    }

    /// A connection asks us what to do, and does it. That request is not late, doubled or lost: the connection waits for its answer.
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
                self.wires.get_mut(connection).expect("a connection").state = Line::Asked
            }
            Script::HangUp => self.hang_up(connection, None),
        }
    }

    /// The open room of that name, or a new one.
    fn room_named(&mut self, name: CallId) -> ConferenceSid {
        let open = self
            .rooms
            .iter()
            .find(|(_, r)| r.name == Some(name) && !r.over)
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
        let Some(room) = wire.room.take() else { return };
        self.tell(
            leg.call,
            Fact::Left {
                leg: leg.n,
                sid: connection.clone(),
                room: room.clone(),
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
                    },
                );
                self.hang_up(&other, None); // its document has nothing after the room
            }
            let ended = self.rooms.get_mut(&room).expect("a room");
            if !std::mem::replace(&mut ended.over, true) {
                self.tell(leg.call, Fact::RoomEnded { room });
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
            Some(room) if self.rooms[&room].over => self.hang_up(connection, None),
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
                self.outbox.push((id, effect))
            }
            Effect::HangUp { sid } => self.let_go(sid, None),
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
                self.tell(id, Fact::Unclear)
            }
            Effect::Dial { leg, .. } => self.ring(call.id.leg(*leg), None, luck),
            Effect::Invite { leg, .. } => {
                let room = call.room_sid().cloned().expect("a room to invite into");
                if self.rooms[&room].over {
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
                invited,
                ends_room,
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

    /// A customer who is alone, in a room that has started, and not held: only while news of it is on its way, or the hold is.
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
            Some(sid) if self.rooms[sid].over => RoomSeen::Over { sid: sid.clone() },
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
                let in_room = there.then(|| InRoom {
                    hold: wire.hold,
                    ends_room: wire.ends_room,
                    joined: None,
                    updated: None,
                });
                let status = match wire.state {
                    Line::Ringing => LegStatus::Ringing,
                    Line::Asked | Line::Up => LegStatus::Up,
                    Line::Over => LegStatus::Over {
                        at: None,
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

    // --- rest ---

    /// Nothing fails any more, nobody does anything new, and time runs on: everything must come to rest.
    pub(crate) fn quiesce(&mut self) {
        let end = self.now.plus(6 * 60_000);
        let mut round = self.now;
        let mut rings: BTreeMap<CallSid, Timestamp> = BTreeMap::new();
        while self.now < end {
            self.settle();
            let due = self.calls.values().filter_map(Call::due).min();
            let next = due.map_or(round, |d| d.min(round)).max(self.now.plus(1));
            self.now = next;
            if round <= self.now {
                round = self.now.plus(20_000);
                let alive = |c: &Call| c.legs.iter().any(Leg::alive);
                for id in self
                    .calls
                    .values()
                    .filter(|c| alive(c))
                    .map(|c| c.id)
                    .collect::<Vec<_>>()
                {
                    let reading = self.read(id);
                    self.report(id, &Fact::Read(reading), self.now);
                }
            }
            for (id, call) in &self.calls.clone() {
                if call.due().is_some_and(|d| d <= self.now) {
                    self.report(*id, &Fact::Clock, self.now);
                }
            }
            // A telephone that nobody takes stops ringing, and one that is not given a key hangs up.
            for (connection, wire) in self.wires.clone() {
                if matches!(wire.state, Line::Ringing | Line::Asked) {
                    let since = *rings.entry(connection.clone()).or_insert(self.now);
                    if self.now.since(since) > 30_000 {
                        self.hang_up(&connection, Some(NoWhy::NoAnswer));
                    }
                }
            }
        }
        self.settle();
    }

    /// Delivers and performs all there is, and lets pages connect.
    pub(crate) fn settle(&mut self) {
        for _ in 0..2_000 {
            if !self.inbox.is_empty() {
                let (id, fact, at) = self.inbox.remove(0);
                self.report(id, &fact, at);
            } else if !self.outbox.is_empty() {
                self.perform(0, Luck::Good);
            } else {
                let before = self.serial;
                for user in PEOPLE {
                    self.connect(user);
                }
                if self.serial == before && self.inbox.is_empty() && self.outbox.is_empty() {
                    return;
                }
            }
        }
        panic!(
            "it does not come to rest: {:#?}\n{:#?}",
            self.outbox, self.inbox
        );
    }

    /// What must be true when everything has come to rest.
    pub(crate) fn check_rest(&self) {
        for call in self.calls.values() {
            let id = call.id;
            let legs: Vec<&Wire> = self
                .wires
                .values()
                .filter(|w| w.leg.call == id && w.state != Line::Over)
                .collect();
            assert!(call.claim.is_none(), "{id}: a claim for ever: {call:#?}");
            assert!(
                call.errands.is_empty(),
                "{id}: a command without an end: {:?}",
                call.errands
            );
            if call.ended() {
                assert!(legs.is_empty(), "{id}: it is over, and {legs:?} lives");
                assert!(
                    call.legs.iter().all(|l| !l.alive()),
                    "{id}: it is over, and keeps a leg: {call:#?}"
                );
                assert_eq!(
                    call.due(),
                    None,
                    "{id}: it is over, and wants to be told the time"
                );
                continue;
            }
            let customer = legs
                .iter()
                .find(|w| w.leg.n == CUSTOMER)
                .unwrap_or_else(|| {
                    panic!("{id}: the caller has gone, and nobody knows: {call:#?}")
                });
            let company: Vec<_> = legs.iter().filter(|w| w.leg.n != CUSTOMER).collect();
            for wire in &legs {
                assert_eq!(
                    wire.room.as_ref(),
                    call.room_sid(),
                    "{id}: {wire:?} is not in the room of {call:#?}"
                );
                let leg = call.leg(wire.leg.n).expect("its leg");
                assert!(
                    leg.state() == LegState::Joined && leg.leave.is_none(),
                    "{id}: {leg:?} should have left"
                );
                assert_eq!(
                    wire.hold,
                    leg.hold.wanted(),
                    "{id}: {wire:?}, and we want {:?}",
                    leg.hold
                );
                assert!(
                    leg.hold.settled() && leg.ends_room.settled(),
                    "{id}: unconfirmed: {leg:?}"
                );
                assert!(
                    wire.leg.n == CUSTOMER || wire.ends_room == leg.ends_room.wanted(),
                    "{id}: {wire:?} {leg:?}"
                );
            }
            let started = customer
                .room
                .as_ref()
                .is_some_and(|room| self.rooms[room].started);
            match call.place {
                Place::Talking => assert!(
                    !company.is_empty() && !customer.hold,
                    "{id}: talks to nobody"
                ),
                Place::Queued { .. } => assert!(
                    company.is_empty() && customer.hold == started,
                    "{id}: waits in silence: {call:#?}"
                ),
                _ => panic!("{id}: it waits for ever: {call:#?}"),
            }
        }
        for (command, end) in &self.commands {
            assert!(end.is_some(), "I4: {command} never ended");
        }
    }
}

impl Wire {
    fn new(leg: LegId, state: Line) -> Self {
        Self {
            leg,
            state,
            room: None,
            hold: false,
            ends_room: false,
            page: None,
            invited: None,
        }
    }
}

/// The first word of how a value prints: its variant.
fn word(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}")
        .chars()
        .take_while(|c| c.is_alphanumeric())
        .collect()
}

pub(crate) fn name(user: UserId) -> &'static str {
    ["nobody", "Ada", "Grace", "Bob", "Mary"][user.0 as usize]
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

/// What a call is, without its counters and without when it is next looked at.
pub(crate) fn lasting(call: &Call) -> Call {
    Call {
        rev: 0,
        moved: 0,
        look: None,
        errands: Vec::new(),
        ..call.clone()
    }
}

/// What must be true of every step, whatever it was for.
fn hold_to_the_rules(before: &Call, step: &Step) {
    let after = &step.call;
    if step.changed(before) {
        assert_eq!(after.rev, before.rev + 1, "I3: a change is one revision");
    } else {
        assert_eq!(after, before, "I3: no revision, no change");
        assert!(
            step.effects.iter().all(|e| *e == Effect::Look),
            "I6: a request without a commit: {:?}",
            step.effects
        );
    }
    let hands = |c: &Call| c.claim.as_ref().map(|k| k.user);
    let moved = !after.place.stays(&before.place) || hands(after) != hands(before);
    assert_eq!(
        after.moved,
        if moved { after.rev } else { before.moved },
        "`moved` is the last change of place or claim"
    );
    if before.ended() {
        assert!(after.ended(), "I7: what is over stays over");
    }
    let known = |c: &Call| c.legs.len();
    assert!(known(after) >= known(before), "legs are never removed");
    let customer = after.customer();
    let alone = after
        .legs
        .iter()
        .skip(1)
        .all(|l| l.state() != LegState::Joined);
    if !after.ended() && after.room.started && alone && customer.alive() {
        assert!(
            customer.hold.wanted() || matches!(after.place, Place::Dialling { .. }),
            "I14: alone, and not to be held: {after:#?}"
        );
    }
}
