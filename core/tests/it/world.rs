//! A small, honest world for the machine to live in: a carrier, telephones, phone pages, a store and a clock,
//! all in memory.
//!
//! The carrier takes [`Effect`]s and makes facts of what happens; the facts wait in an inbox, from which a test
//! takes them late, twice, in any order, or not at all. What the carrier does is what Twilio's documents say of
//! conferences and participants: a room has one life a [`ConferenceSid`], starts with the second participant
//! and ends with the last or with one that carries the flag; a room name used again opens another room. Read
//! next: `carrier.rs`, then `plan.rs`, which lets chance act on it.

use std::collections::{BTreeMap, BTreeSet};

use cordboard_core::{
    board::{At, Card, Presence, Status},
    call::{CUSTOMER, Call, Caller, Leg, LegState, NoWhy, Place, Stop},
    ids::{CallId, CallSid, ConferenceSid, LegId, Phone, SlotId, Timestamp, UserId},
    machine::{By, Context, Desk, Effect, Fact, Finish, Intent, PhonePage, Reach, Step},
};

use crate::carrier::{Line, Luck, Room, Wire};

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

/// A person, as far as telephones go.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) page: PhonePage,
    pub(crate) status: Status,
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
        let person = |u: UserId| {
            let mobile = u == PEOPLE[3];
            Person {
                page: if mobile {
                    PhonePage::Unreachable
                } else {
                    PhonePage::Ready
                },
                status: Status::default(),
                fallback: mobile.then(|| phone(9_004)),
            }
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
                            quiet: p.status.quiet(),
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
            name: (!n.is_multiple_of(3)).then(|| format!("Caller {n}").as_str().into()),
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
        if *fact == Fact::Clock {
            let due = step.call.due();
            assert!(
                due.is_none_or(|due| due > self.now),
                "told the time, and wants to be told again at once: {:#?}",
                step.call
            );
        }
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
            .map_err(|r| r.why)?;
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
        let step = Call::dial(id, &by, to, &self.context(None)).map_err(|r| r.why)?;
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
            steps.push(there.set_aside(user, aside, &ctx).map_err(|r| r.why)?);
        }
        steps.push(step);
        self.serial += 1;
        self.commands.insert(command, None);
        self.commit(steps);
        Ok(())
    }

    /// A person says whether they are here. Whoever signs off leaves what rings at their page to the others.
    pub(crate) fn say(&mut self, user: UserId, presence: Presence) {
        self.people
            .get_mut(&user)
            .expect("a person")
            .status
            .presence = presence;
        if presence == Presence::Offline {
            for id in self.calls.keys().copied().collect::<Vec<_>>() {
                self.report(id, &Fact::SignedOff { user }, self.now);
            }
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
    let others = || after.legs.iter().skip(1);
    let alone =
        others().any(|l| l.joined.is_some()) && others().all(|l| l.state() != LegState::Joined);
    if !after.ended() && after.room.started && alone && customer.alive() {
        assert!(
            customer.hold.wanted() || matches!(after.place, Place::Dialling { .. }),
            "I14: alone, and not to be held: {after:#?}"
        );
    }
}
