//! A made-up switchboard in memory: people, slots, calls in every place, and a server simple enough to read
//! in one go.
//!
//! It answers [`ClientMsg`]s as a server would, so that dragging, parking and sending can be tried without
//! one, and so that tests of the screen have something to talk to. It knows nothing of a carrier: what is
//! asked comes true after a moment, or fails as the person's character says.

use std::collections::BTreeMap;

use cordboard_core::{
    board::{
        At, Board, Card, CardLeg, CardPlace, CardUndo, Group, Online, Person, Presence, Queue,
        Slot, Snapshot, Status,
    },
    call::{Caller, Dialled, Direction, EndWhy, LegState},
    ids::{CallId, GroupId, SafeText, Timestamp, UserId},
    machine::{Intent, PhonePage, Target},
    policy::{Permission, Role},
    wire::{Cause, Change, ClientMsg, Command, Delta, Me, Order, Position, ServerMsg, VERSION},
};

/// Who sits at the console: Ada Lovelace.
pub(crate) const ME: UserId = UserId(1);
/// The house's epoch.
pub(crate) const EPOCH: &str = "made-up";

/// People, as extension, name, presence, phone page and whether a fallback number rings.
const PEOPLE: &[(&str, &str, Presence, PhonePage, bool)] = &[
    (
        "101",
        "Ada Lovelace",
        Presence::Available,
        PhonePage::Ready,
        false,
    ),
    (
        "102",
        "Grace Hopper",
        Presence::Available,
        PhonePage::Ready,
        false,
    ),
    (
        "103",
        "Alan Turing",
        Presence::Available,
        PhonePage::Ready,
        true,
    ),
    (
        "104",
        "Edsger Dijkstra",
        Presence::Away,
        PhonePage::Ready,
        false,
    ),
    (
        "105",
        "Barbara Liskov",
        Presence::Available,
        PhonePage::Unreachable,
        true,
    ),
    (
        "106",
        "Donald Knuth",
        Presence::Dnd,
        PhonePage::Ready,
        false,
    ),
    (
        "107",
        "Radia Perlman",
        Presence::Available,
        PhonePage::Ready,
        false,
    ),
    (
        "108",
        "Katherine Johnson",
        Presence::Available,
        PhonePage::Ready,
        false,
    ),
    (
        "109",
        "Hedy Lamarr",
        Presence::Available,
        PhonePage::Unknown,
        false,
    ),
    (
        "110",
        "John von Neumann",
        Presence::Offline,
        PhonePage::Unreachable,
        false,
    ),
    (
        "111",
        "Margaret Hamilton",
        Presence::Busy,
        PhonePage::Ready,
        false,
    ),
    (
        "112",
        "李小龍",
        Presence::Available,
        PhonePage::Unreachable,
        false,
    ),
];

/// Who calls: ordinary people, and some whose names were chosen to do harm.
pub(crate) const CALLERS: &[(Option<&str>, &str)] = &[
    (Some("Acme Corp · Rosa Diaz"), "+14155550132"),
    (None, "+442079460018"),
    (Some("Initech · M. Waddams"), "+14155550177"),
    (Some("Bob Stone"), "+12125550101"),
    (
        Some("\u{1b}]52;c;aGk=\u{7}\u{1b}[2J\u{202e}evil"),
        "+19005550666",
    ),
    (Some("王小明 上海機械有限公司"), "+862155550123"),
    (
        Some(
            "Zo\u{e9}\u{301}\u{301}\u{301}\u{301}\u{301} M\u{fc}ller-L\u{fc}denscheidt of the Very Long Department Name Ltd & Co. KG",
        ),
        "+493055550199",
    ),
    (Some("St Mary's Hospital"), "+14155550111"),
    (
        Some("👩\u{200d}👩\u{200d}👧 Family Dental ♻\u{fe0f}"),
        "+13125550144",
    ),
    (Some("Chidi Okafor"), "+2348055550101"),
];

/// The house.
pub(crate) struct House {
    /// The board as it is.
    pub(crate) board: Board,
    me: Me,
    now: Timestamp,
    next_call: u128,
    callers: usize,
    /// What comes true later: when, which call (unless it has moved since that revision), and what.
    later: Vec<(Timestamp, CallId, u64, Later)>,
    commands: BTreeMap<CallId, String>,
    /// Deltas of calls that were set aside, not sent yet.
    aside: Vec<ServerMsg>,
}

#[derive(Clone)]
enum Later {
    Become(At),
    Accept(UserId),
    Return,
}

impl House {
    /// A house where nothing happens.
    pub(crate) fn quiet(now: Timestamp) -> Self {
        Self::with_people(now, PEOPLE.len())
    }

    /// A house with so many people, most of them made up.
    pub(crate) fn with_people(now: Timestamp, count: usize) -> Self {
        let mut people: Vec<Person> = Vec::new();
        for n in 0..count {
            let (extension, name, presence, phone, fallback) = PEOPLE.get(n).map_or_else(
                || {
                    (
                        (101 + n).to_string(),
                        format!("Person {:04}", n + 1),
                        Presence::Available,
                        PhonePage::Ready,
                        false,
                    )
                },
                |p| (p.0.to_owned(), p.1.to_owned(), p.2, p.3, p.4),
            );
            people.push(Person {
                id: UserId(u32::try_from(n + 1).unwrap_or(u32::MAX)),
                extension: SafeText::from(&*extension),
                name: SafeText::from(&*name),
                identity: SafeText::from(&*extension),
                status: Status {
                    presence,
                    ..Status::default()
                },
                online: if presence == Presence::Offline {
                    Online::Offline
                } else {
                    Online::Online
                },
                phone,
                groups: Vec::new(),
                languages: Vec::new(),
                fallback,
                calls: Vec::new(),
            });
        }
        let slots = (1..=5)
            .map(|n| Slot {
                id: format!("P{n}").parse().expect("a slot name"),
                name: SafeText::from(&*format!("Slot {n}")),
                call: None,
                deadline: None,
            })
            .collect();
        let queues = vec![Queue {
            id: "desk".parse().expect("a queue name"),
            name: "Front desk".into(),
            calls: Vec::new(),
        }];
        let snapshot = Snapshot {
            epoch: EPOCH.to_owned(),
            rev: 0,
            people,
            calls: Vec::new(),
            slots,
            queues,
            groups: Vec::new(),
        };
        Self {
            board: Board::new(snapshot),
            me: Me {
                id: ME,
                name: "Ada Lovelace".into(),
                role: Role::Operator,
                rights: Role::Operator.rights(),
            },
            now,
            next_call: 0x0123_4567_89ab_cdef,
            callers: 0,
            later: Vec::new(),
            commands: BTreeMap::new(),
            aside: Vec::new(),
        }
    }

    /// Another role for whoever sits at the console.
    pub(crate) fn in_role(mut self, role: Role) -> Self {
        (self.me.role, self.me.rights) = (role, role.rights());
        self
    }

    /// Groups, with some people in each, who speak this and that.
    pub(crate) fn with_groups(mut self) -> Self {
        let groups: [(&str, &str, &[u32], &str); 2] = [
            ("sales", "Sales", &[2, 3, 7], "en"),
            ("support", "Support", &[4, 5, 8, 9], "de"),
        ];
        for (id, name, members, language) in groups {
            let id: GroupId = id.parse().expect("a group");
            for user in members {
                if let Some(person) = self.board.people.get_mut(&UserId(*user)) {
                    person.groups.push(id.clone());
                    person.languages.push(language.parse().expect("a language"));
                }
            }
            self.board.groups.push(Group {
                id,
                name: name.into(),
            });
        }
        self
    }

    /// The board, as far as whoever sits there may see it.
    fn snapshot(&self) -> Snapshot {
        let snapshot = self.board.snapshot();
        if self.me.rights.has(Permission::Board) {
            snapshot
        } else {
            snapshot.redacted()
        }
    }

    /// Puts a call into every kind of place.
    pub(crate) fn fill(&mut self) {
        let now = self.now;
        let ago = |seconds: i64| now.plus(-seconds * 1000);
        let ahead = |seconds: i64| now.plus(seconds * 1000);
        let desk = "desk".parse().expect("a queue name");
        let slot = "P2".parse().expect("a slot name");
        let (grace, alan, radia) = (UserId(2), UserId(3), UserId(7));
        let waiting = |alert| At::Queued {
            queue: "desk".parse().expect("a queue name"),
            alert,
        };
        let places = [
            (42, 42, waiting(None)),
            (
                7,
                7,
                At::Queued {
                    queue: desk,
                    alert: None,
                },
            ),
            (192, 192, At::Talking { users: vec![grace] }),
            (
                95,
                51,
                At::Parked {
                    slot,
                    by: ME,
                    deadline: ahead(39),
                    note: Some("wants Grace about invoice 1042".into()),
                },
            ),
            (64, 64, waiting(None)),
            (
                130,
                65,
                At::Held {
                    user: ME,
                    deadline: ahead(55),
                },
            ),
            (
                31,
                4,
                At::Transferring {
                    from: ME,
                    to: alan.to_string(),
                    deadline: ahead(16),
                },
            ),
            (
                18,
                18,
                At::Ringing {
                    users: vec![radia],
                    why: "new".to_owned(),
                    deadline: ahead(9),
                },
            ),
            (75, 3, waiting(Some(ME))),
            (12, 12, At::Talking { users: vec![ME] }),
        ];
        let cards: Vec<(i64, i64, At)> = places.into_iter().collect();
        for (arrived, since, at) in cards {
            let (arrived, since) = (ago(arrived), ago(since));
            let (id, _) = self.arrive(arrived);
            self.change(id, |card| {
                // Who came back for somebody has been talked to.
                card.talked = matches!(at, At::Queued { alert: Some(_), .. }).then_some(since);
                card.place = CardPlace { since, at };
            });
        }
        let sent: Vec<CallId> = self
            .board
            .calls
            .values()
            .filter(|c| matches!(c.place.at, At::Transferring { .. }))
            .map(|c| c.id)
            .collect();
        for id in sent {
            self.change(id, |card| card.undo = Some(undo()));
        }
    }

    /// The next caller rings the desk.
    pub(crate) fn arrive(&mut self, at: Timestamp) -> (CallId, ServerMsg) {
        let (name, number) = CALLERS[self.callers % CALLERS.len()];
        self.callers += 1;
        self.next_call = self
            .next_call
            .wrapping_mul(0x2545_f491_4f6c_dd1d)
            .wrapping_add(0x9e37_79b9_7f4a_7c15);
        let id = CallId::from_bits(self.next_call);
        let card = Card {
            id,
            rev: 1,
            moved: 1,
            place: CardPlace {
                since: at,
                at: At::Queued {
                    queue: "desk".parse().expect("a queue name"),
                    alert: None,
                },
            },
            caller: Caller {
                name: name.map(SafeText::from),
                number: Some(number.parse().expect("a number")),
            },
            direction: Direction::In,
            to: Dialled::Number("+14155550100".parse().expect("a number")),
            with: Vec::new(),
            kept: None,
            since: at,
            talked: None,
            legs: Vec::new(),
            undo: None,
        };
        (id, self.publish(card))
    }

    fn publish(&mut self, card: Card) -> ServerMsg {
        let delta = Delta {
            at: Position {
                epoch: EPOCH.to_owned(),
                rev: self.board.rev + 1,
            },
            change: Change::Call(Box::new(card)),
            cause: Cause {
                kind: "command".into(),
                id: None,
            },
        };
        self.board.apply(&delta).expect("its own delta");
        ServerMsg::Delta(Box::new(delta))
    }

    /// Changes a call, and says so to the console.
    pub(crate) fn change(
        &mut self,
        id: CallId,
        change: impl FnOnce(&mut Card),
    ) -> Option<ServerMsg> {
        let mut card = self.board.calls.get(&id)?.clone();
        let before = card.place.clone();
        change(&mut card);
        card.rev += 1;
        if card.place.at != before.at {
            card.moved = card.rev;
        }
        card.kept = matches!(card.place.at, At::Connecting { .. }).then(|| before.at.clone());
        card.with = match &card.place.at {
            At::Talking { users } => users.clone(),
            At::Connecting { user }
            | At::Held { user, .. }
            | At::Holding { user, .. }
            | At::Dialling { user, .. } => vec![*user],
            _ => Vec::new(),
        };
        card.legs = match &card.place.at {
            At::Talking { users } => (1..)
                .zip(users)
                .map(|(n, user)| leg(id, n, *user))
                .collect(),
            _ => Vec::new(),
        };
        Some(self.publish(card))
    }

    /// Takes a message of the console.
    pub(crate) fn hear(&mut self, msg: ClientMsg) -> Vec<ServerMsg> {
        match msg {
            ClientMsg::Hello { .. } => vec![
                ServerMsg::Welcome {
                    version: VERSION,
                    me: self.me.clone(),
                    now: self.now,
                },
                ServerMsg::Snapshot(Box::new(self.snapshot())),
            ],
            ClientMsg::Resync => vec![ServerMsg::Snapshot(Box::new(self.snapshot()))],
            ClientMsg::Ping { n } => vec![ServerMsg::Pong { n }],
            ClientMsg::Do(command) => self.obey(command),
            // No page is paired here.
            ClientMsg::Page { .. } => Vec::new(),
        }
    }

    fn obey(&mut self, command: Command) -> Vec<ServerMsg> {
        let Command {
            id, order, seen, ..
        } = command;
        let no = |why: &str| {
            vec![ServerMsg::No {
                id: id.clone(),
                code: "refused".to_owned(),
                why: why.to_owned(),
            }]
        };
        let (call, intent) = match order {
            Order::Call { call, intent } => (call, intent),
            Order::Dial { .. } => {
                return no(
                    "This made-up house has no telephone lines. Start a real server to dial.",
                );
            }
        };
        let Some(card) = self.board.calls.get(&call) else {
            return no("That call is over.");
        };
        if seen.is_some_and(|seen| seen < card.moved) {
            return no("Somebody else has moved this call meanwhile.");
        }
        let now = self.now;
        let ahead = |seconds: i64| now.plus(seconds * 1000);
        // What it becomes at once, what it becomes once the carrier has confirmed, and how long that takes.
        let (at, next, undo) = match intent {
            Intent::Answer | Intent::Retrieve | Intent::Resume => {
                self.set_aside(call);
                (
                    At::Connecting { user: ME },
                    vec![(600, Later::Become(At::Talking { users: vec![ME] }))],
                    None,
                )
            }
            Intent::TakeBack => {
                self.set_aside(call);
                (
                    At::Connecting { user: ME },
                    vec![(400, Later::Become(At::Talking { users: vec![ME] }))],
                    None,
                )
            }
            Intent::Hold => {
                let deadline = ahead(120);
                (
                    At::Holding { user: ME, deadline },
                    vec![(500, Later::Become(At::Held { user: ME, deadline }))],
                    None,
                )
            }
            Intent::Park { slot, note } => {
                let free = self
                    .board
                    .slots
                    .iter()
                    .map(|s| s.id.clone())
                    .find(|s| self.board.in_slot(s).is_none());
                let Some(slot) = slot.or(free) else {
                    return no("Every slot is taken.");
                };
                let deadline = ahead(90);
                let parked = At::Parked {
                    slot: slot.clone(),
                    by: ME,
                    deadline,
                    note: note.clone(),
                };
                (
                    At::Parking {
                        slot,
                        by: ME,
                        deadline,
                        note,
                    },
                    vec![(500, Later::Become(parked))],
                    Some(undo()),
                )
            }
            Intent::Transfer { to } => {
                let character = match &to {
                    Target::User(UserId(2 | 7 | 8)) => (2_500, Later::Accept(user_of(&to))),
                    _ => (8_000, Later::Return),
                };
                (
                    At::Transferring {
                        from: ME,
                        to: String::from(to),
                        deadline: ahead(20),
                    },
                    vec![character],
                    Some(undo()),
                )
            }
            Intent::Decline { .. } => (
                At::Queued {
                    queue: "desk".parse().expect("a queue name"),
                    alert: None,
                },
                Vec::new(),
                None,
            ),
            Intent::Hangup => (
                At::Ended {
                    why: EndWhy::HungUp,
                },
                Vec::new(),
                None,
            ),
        };
        let delta = self.change(call, |card| {
            card.place = CardPlace { since: now, at };
            card.undo = undo;
        });
        let rev = self.board.calls.get(&call).map_or(0, |c| c.rev);
        for (ms, later) in next {
            self.later.push((now.plus(ms), call, rev, later));
        }
        self.commands.insert(call, id.clone());
        let mut out = std::mem::take(&mut self.aside);
        out.push(ServerMsg::Yes {
            id: id.clone(),
            call,
            rev,
        });
        out.extend(delta);
        if rev == 0 {
            out.push(ServerMsg::Done { id, call });
        }
        out
    }

    /// My other call goes on hold when I take one.
    fn set_aside(&mut self, except: CallId) {
        let other = self.board.calls.values().find(|c| {
            c.id != except && matches!(&c.place.at, At::Talking { users } if users.contains(&ME))
        });
        if let Some(other) = other.map(|c| c.id) {
            let (now, deadline) = (self.now, self.now.plus(120_000));
            let delta = self.change(other, |c| {
                c.place = CardPlace {
                    since: now,
                    at: At::Held { user: ME, deadline },
                }
            });
            self.aside.extend(delta);
        }
    }

    /// Time passes: what comes of what was asked.
    pub(crate) fn tick(&mut self, now: Timestamp) -> Vec<ServerMsg> {
        self.now = now;
        let mut out = std::mem::take(&mut self.aside);
        let (due, later) = std::mem::take(&mut self.later)
            .into_iter()
            .partition(|(at, ..)| *at <= now);
        self.later = later;
        let due: Vec<(Timestamp, CallId, u64, Later)> = due;
        for (_, call, rev, later) in due {
            if self.board.calls.get(&call).is_none_or(|c| c.rev != rev) {
                continue;
            }
            let at = match later {
                Later::Become(at) => at,
                Later::Accept(user) => At::Talking { users: vec![user] },
                Later::Return => At::Ringing {
                    users: vec![ME],
                    why: "returned".to_owned(),
                    deadline: now.plus(15_000),
                },
            };
            let undo = matches!(at, At::Parked { .. });
            out.extend(self.change(call, |card| {
                card.place = CardPlace { since: now, at };
                if !undo {
                    card.undo = None;
                }
            }));
            if let Some(id) = self.commands.remove(&call) {
                out.push(ServerMsg::Done { id, call });
            }
        }
        out
    }
}

/// The leg of somebody who is in the room.
fn leg(call: CallId, n: u16, user: UserId) -> CardLeg {
    CardLeg {
        id: call.leg(n),
        sid: None,
        role: "person".to_owned(),
        user: Some(user),
        number: None,
        state: LegState::Joined,
        held: false,
        muted: false,
        leaving: false,
    }
}

/// What was moved from my own line can be taken back to it.
fn undo() -> CardUndo {
    CardUndo {
        by: ME,
        to: "talking".to_owned(),
        with: Some(ME),
        slot: None,
    }
}

fn user_of(target: &Target) -> UserId {
    match target {
        Target::User(user) => *user,
        Target::Number(_) => ME,
    }
}
