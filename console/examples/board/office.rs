//! What a made-up server answers to the questions of the settings: the accounts, groups, numbers and codes behind the
//! made-up house of `scene.rs`.
//!
//! It keeps what is saved and refuses what a server would refuse for reasons that only it knows: an extension that is
//! taken, and an old revision. It checks nobody's rights.

use cordboard::ask::{Answer, Ask, Trouble};
use cordboard_core::{
    api::{
        Account, Accounts, DeskDetail, FieldError, GroupDetail, GroupDetails, Invitation,
        Invitations, Invited, NumberDetail, NumberDetails, PairingMade, QueueDetail, QueueDetails,
        Registration, ResetMade, RouteStop, SessionKind, SignedIn, SignedIns, SlotDetail,
        SlotDetails,
    },
    board::Board,
    ids::{Rev, SafeText, Timestamp, UserId},
    policy::{Rights, Role},
};

/// How many people are in one answer.
const PAGE: usize = 200;

/// The office behind the house.
pub(crate) struct Office {
    pub(crate) people: Vec<Account>,
    sessions: Vec<SignedIn>,
    invitations: Vec<Invitation>,
    pub(crate) groups: Vec<GroupDetail>,
    slots: Vec<SlotDetail>,
    queues: Vec<QueueDetail>,
    pub(crate) numbers: Vec<NumberDetail>,
    pub(crate) desk: DeskDetail,
    now: Timestamp,
    me: UserId,
    codes: u64,
    /// Where a phone page is.
    pub(crate) link: String,
    /// Somebody else changes everything right before it is saved.
    pub(crate) meddled: bool,
}

fn hex(n: u64) -> String {
    format!("{n:016x}")
}

impl Office {
    /// The office of that house, with so many more people than are on its board.
    pub(crate) fn of(board: &Board, me: UserId, now: Timestamp, more: u32) -> Self {
        let ago = |hours: i64| now.plus(-hours * 3_600_000);
        let mut people: Vec<Account> =
            board
                .people
                .values()
                .map(|p| Account {
                    id: p.id,
                    rev: 1,
                    name: p.name.clone(),
                    email: format!("u{}@example.com", p.id.0)
                        .parse()
                        .expect("an address"),
                    // 112 is in the made-up house, and nobody's extension in a real one.
                    extension: p.extension.as_str().parse().unwrap_or_else(|_| {
                        (180 + p.id.0).to_string().parse().expect("an extension")
                    }),
                    role: match p.id.0 {
                        1 | 2 => Role::Admin,
                        3 => Role::Supervisor,
                        4..=8 => Role::Operator,
                        _ => Role::Agent,
                    },
                    grants: Rights::NONE,
                    fallback: p
                        .fallback
                        .then(|| "+14155550177".parse().expect("a number")),
                    languages: p.languages.clone(),
                    groups: p.groups.clone(),
                    status: p.status.clone(),
                    active: p.id.0 != 11,
                    pending: p.id.0 == 12,
                    since: ago(24 * 200),
                })
                .collect();
        for n in 0..more {
            people.push(Account {
                id: UserId(1000 + n),
                rev: 1,
                name: SafeText::from(&*format!("Person {n:04}")),
                email: format!("p{n}@example.com").parse().expect("an address"),
                extension: (2000 + n).to_string().parse().expect("an extension"),
                role: Role::Agent,
                grants: Rights::NONE,
                fallback: None,
                languages: Vec::new(),
                groups: Vec::new(),
                status: cordboard_core::board::Status::default(),
                active: true,
                pending: false,
                since: ago(24),
            });
        }
        let session = |n: u64, kind, device: &str, hours: i64| SignedIn {
            id: hex(n).parse().expect("an id"),
            kind,
            device: device.into(),
            address: "192.0.2.17".into(),
            since: ago(hours),
            seen: ago(hours.min(3)),
            expires: now.plus(86_400_000),
            current: n == 1,
        };
        let (sales, support) = ("sales", "support");
        let group = |id: &str, name: &str, members: &[u32]| GroupDetail {
            id: id.parse().expect("a group"),
            rev: 1,
            name: name.into(),
            members: members.iter().map(|n| UserId(*n)).collect(),
        };
        Self {
            people,
            sessions: vec![
                session(1, SessionKind::Console, "desk-3, kitty", 5),
                session(2, SessionKind::Phone, "Firefox on Linux", 5),
                session(3, SessionKind::Console, "laptop, over SSH", 74),
                session(4, SessionKind::Script, "backup of the night", 900),
            ],
            invitations: vec![Invitation {
                id: hex(70).parse().expect("an id"),
                role: Role::Operator,
                grants: Rights::NONE,
                groups: vec![sales.parse().expect("a group")],
                name: "Mary Jackson".into(),
                email: Some("mary@example.com".parse().expect("an address")),
                extension: Some("131".parse().expect("an extension")),
                by: me,
                since: ago(20),
                expires: now.plus(4 * 86_400_000),
            }],
            groups: vec![
                group(sales, "Sales", &[2, 3, 7]),
                group(support, "Support", &[4, 5, 8, 9]),
            ],
            slots: board
                .slots
                .iter()
                .map(|s| SlotDetail {
                    id: s.id.clone(),
                    rev: 1,
                    name: s.name.clone(),
                    park_seconds: (s.id.as_str() == "P5").then_some(600),
                })
                .collect(),
            queues: board
                .queues
                .iter()
                .map(|q| QueueDetail {
                    id: q.id.clone(),
                    rev: 1,
                    name: q.name.clone(),
                })
                .collect(),
            numbers: vec![
                NumberDetail {
                    number: "+14155550100".parse().expect("a number"),
                    rev: 1,
                    route: vec![
                        RouteStop::People {
                            users: vec![UserId(2), UserId(3)],
                            seconds: 20,
                        },
                        RouteStop::Group {
                            group: sales.parse().expect("a group"),
                            seconds: 15,
                        },
                        RouteStop::Queue {
                            queue: "desk".parse().expect("a queue"),
                        },
                    ],
                },
                NumberDetail {
                    number: "+442079460018".parse().expect("a number"),
                    rev: 1,
                    route: vec![RouteStop::Queue {
                        queue: "desk".parse().expect("a queue"),
                    }],
                },
            ],
            desk: DeskDetail {
                rev: 1,
                ring_seconds: 20,
                return_seconds: 15,
                park_seconds: 90,
                hold_seconds: 120,
                second: vec![UserId(2)],
                registration: Registration {
                    open: false,
                    domains: vec!["example.com".to_owned()],
                },
            },
            now,
            me,
            codes: 90,
            link: "https://desk.example.com/phone".to_owned(),
            meddled: false,
        }
    }

    fn code(&mut self) -> String {
        self.codes += 1;
        hex(self.codes)
    }

    /// Answers as a server would.
    pub(crate) fn answer(&mut self, ask: Ask) -> Result<Answer, Trouble> {
        if std::mem::take(&mut self.meddled) && ask.changes() {
            self.people.iter_mut().for_each(|p| p.rev += 1);
            self.groups.iter_mut().for_each(|g| g.rev += 1);
            self.slots.iter_mut().for_each(|s| s.rev += 1);
            self.numbers.iter_mut().for_each(|n| n.rev += 1);
            self.desk.rev += 1;
        }
        let (now, me) = (self.now, self.me);
        Ok(match ask {
            Ask::Me => self.person(me)?,
            Ask::People(after) => {
                let from = after.map_or(0, |a| a.0 + 1);
                let mut page: Vec<Account> = self
                    .people
                    .iter()
                    .filter(|p| p.id.0 >= from)
                    .cloned()
                    .collect();
                page.sort_by_key(|p| p.id);
                let more = page.len() > PAGE;
                page.truncate(PAGE);
                let next = page.last().filter(|_| more).map(|p| p.id);
                Answer::Accounts(Accounts { people: page, next })
            }
            Ask::Person(user) => self.person(user)?,
            Ask::Edit(user, edit) => {
                let change = edit.check().map_err(invalid)?;
                let taken = change.extension.as_ref().is_some_and(|e| {
                    self.people
                        .iter()
                        .any(|p| p.id != user && p.extension == *e)
                });
                if taken {
                    return Err(invalid(vec![FieldError {
                        field: "extension".to_owned(),
                        why: "Somebody else has this extension.".to_owned(),
                    }]));
                }
                let person = self
                    .people
                    .iter_mut()
                    .find(|p| p.id == user)
                    .ok_or_else(gone)?;
                fresh(person.rev, edit.rev, "this person")?;
                person.rev += 1;
                person.name = change.name.unwrap_or_else(|| person.name.clone());
                person.extension = change.extension.unwrap_or_else(|| person.extension.clone());
                person.role = change.role.unwrap_or(person.role);
                person.grants = change.grants.unwrap_or(person.grants);
                person.active = change.active.unwrap_or(person.active);
                person.pending &= change.active != Some(true);
                if let Some(fallback) = change.fallback {
                    person.fallback = fallback;
                }
                if let Some(languages) = change.languages {
                    person.languages = languages;
                }
                if let Some(groups) = change.groups {
                    person.groups = groups;
                }
                self.person(user)?
            }
            Ask::Status(user, status) => {
                let person = self
                    .people
                    .iter_mut()
                    .find(|p| p.id == user)
                    .ok_or_else(gone)?;
                person.status = status;
                self.person(user)?
            }
            Ask::Password(change) if &*change.current == "wrong" => {
                return Err(invalid(vec![FieldError {
                    field: "current".to_owned(),
                    why: "This is not your password.".to_owned(),
                }]));
            }
            Ask::Sessions(_) => Answer::Sessions(SignedIns {
                sessions: self.sessions.clone(),
            }),
            Ask::EndSession(_, session) => {
                self.sessions.retain(|s| s.id != session);
                Answer::Done
            }
            Ask::EndSessions(_) => {
                self.sessions.retain(|s| s.current);
                Answer::Done
            }
            Ask::ResetCode(_) => Answer::Reset(ResetMade {
                code: "K7QF-2M9D-X4TR".into(),
                expires: now.plus(86_400_000),
            }),
            Ask::Invitations => Answer::Invitations(Invitations {
                invitations: self.invitations.clone(),
            }),
            Ask::Invite(invite) => {
                let guest = invite.check().map_err(invalid)?;
                let invitation = Invitation {
                    id: self.code().parse().expect("an id"),
                    role: guest.role,
                    grants: guest.grants,
                    groups: guest.groups,
                    name: guest.name,
                    email: guest.email,
                    extension: guest.extension,
                    by: me,
                    since: now,
                    expires: now.plus(7 * 86_400_000),
                };
                self.invitations.insert(0, invitation.clone());
                Answer::Invited(Box::new(Invited {
                    invitation,
                    code: "B4XN-77QK-0WVD".into(),
                    link: "https://desk.example.com/join#B4XN-77QK-0WVD".into(),
                }))
            }
            Ask::Revoke(code) => {
                self.invitations.retain(|i| i.id != code);
                Answer::Done
            }
            Ask::Groups => Answer::Groups(GroupDetails {
                groups: self.groups.clone(),
            }),
            Ask::PutGroup(id, edit) => {
                let old = self.groups.iter().position(|g| g.id == id);
                fresh(
                    old.map_or(0, |n| self.groups[n].rev),
                    edit.rev,
                    "this group",
                )?;
                let group = GroupDetail {
                    id,
                    rev: edit.rev + 1,
                    name: SafeText::from(&*edit.name),
                    members: edit.members,
                };
                put(&mut self.groups, old, group.clone());
                Answer::Group(group)
            }
            Ask::DropGroup(id, _) => {
                self.groups.retain(|g| g.id != id);
                Answer::Done
            }
            Ask::Slots => Answer::Slots(SlotDetails {
                slots: self.slots.clone(),
            }),
            Ask::PutSlot(id, edit) => {
                let old = self.slots.iter().position(|s| s.id == id);
                fresh(old.map_or(0, |n| self.slots[n].rev), edit.rev, "this slot")?;
                let slot = SlotDetail {
                    id,
                    rev: edit.rev + 1,
                    name: SafeText::from(&*edit.name),
                    park_seconds: edit.park_seconds,
                };
                put(&mut self.slots, old, slot.clone());
                Answer::Slot(slot)
            }
            Ask::DropSlot(id, _) => {
                self.slots.retain(|s| s.id != id);
                Answer::Done
            }
            Ask::Queues => Answer::Queues(QueueDetails {
                queues: self.queues.clone(),
            }),
            Ask::PutQueue(id, edit) => {
                let queue = self
                    .queues
                    .iter_mut()
                    .find(|q| q.id == id)
                    .ok_or_else(gone)?;
                fresh(queue.rev, edit.rev, "this queue")?;
                (queue.rev, queue.name) = (queue.rev + 1, SafeText::from(&*edit.name));
                Answer::Queue(queue.clone())
            }
            Ask::Numbers => Answer::Numbers(NumberDetails {
                numbers: self.numbers.clone(),
            }),
            Ask::PutNumber(number, edit) => {
                let old = self.numbers.iter().position(|n| n.number == number);
                fresh(
                    old.map_or(0, |n| self.numbers[n].rev),
                    edit.rev,
                    "this number",
                )?;
                let detail = NumberDetail {
                    number,
                    rev: edit.rev + 1,
                    route: edit.route,
                };
                put(&mut self.numbers, old, detail.clone());
                Answer::Number(detail)
            }
            Ask::DropNumber(number, _) => {
                self.numbers.retain(|n| n.number != number);
                Answer::Done
            }
            Ask::Desk => Answer::Desk(Box::new(self.desk.clone())),
            Ask::ChangeDesk(edit) => {
                fresh(self.desk.rev, edit.rev, "the desk")?;
                let desk = &mut self.desk;
                desk.rev += 1;
                desk.ring_seconds = edit.ring_seconds.unwrap_or(desk.ring_seconds);
                desk.return_seconds = edit.return_seconds.unwrap_or(desk.return_seconds);
                desk.park_seconds = edit.park_seconds.unwrap_or(desk.park_seconds);
                desk.hold_seconds = edit.hold_seconds.unwrap_or(desk.hold_seconds);
                desk.second = edit.second.unwrap_or_else(|| desk.second.clone());
                desk.registration = edit
                    .registration
                    .unwrap_or_else(|| desk.registration.clone());
                Answer::Desk(Box::new(desk.clone()))
            }
            Ask::Pair => Answer::Pairing(PairingMade {
                id: self.code().parse().expect("an id"),
                code: "WDJB-MJHT".into(),
                link: format!("{}#WDJB-MJHT", self.link).into(),
                expires_in: 600,
            }),
            Ask::Password(_) | Ask::Confirm(_) | Ask::Refuse(_) => Answer::Done,
        })
    }

    fn person(&self, user: UserId) -> Result<Answer, Trouble> {
        let person = self.people.iter().find(|p| p.id == user).ok_or_else(gone)?;
        Ok(Answer::Account(Box::new(person.clone())))
    }
}

fn put<T>(list: &mut Vec<T>, old: Option<usize>, item: T) {
    match old {
        Some(n) => list[n] = item,
        None => list.push(item),
    }
}

fn gone() -> Trouble {
    Trouble::new("unknown", "It is not there any more.")
}

fn invalid(errors: Vec<FieldError>) -> Trouble {
    Trouble {
        errors,
        ..Trouble::new("invalid", "Look at the fields.")
    }
}

fn fresh(now: Rev, seen: Rev, what: &str) -> Result<(), Trouble> {
    if now == seen {
        return Ok(());
    }
    let detail = format!("Grace Hopper has changed {what} meanwhile.");
    Err(Trouble::new("changed", detail))
}
