//! What the settings know: what the server has answered, as it was then.
//!
//! It is as old as its last answer, and says nothing of what has happened since: whoever changes something names the
//! revision that stands here, and the server says whether somebody else was faster.

use cordboard_core::{
    api::{
        Account, DeskDetail, GroupDetail, Invitation, NumberDetail, QueueDetail, SignedIn,
        SlotDetail,
    },
    board::Board,
    ids::{GroupId, QueueId, UserId},
};

use crate::{app::natural, ask::Answer, keymap::Action};

/// What the server has answered.
#[derive(Debug, Clone, Default)]
pub struct Data {
    /// My own account.
    pub me: Option<Account>,
    /// Who works here, by extension.
    pub people: Vec<Account>,
    /// Where I am signed in.
    pub sessions: Vec<SignedIn>,
    /// The invitations.
    pub invitations: Vec<Invitation>,
    /// The groups.
    pub groups: Vec<GroupDetail>,
    /// The slots.
    pub slots: Vec<SlotDetail>,
    /// The queues.
    pub queues: Vec<QueueDetail>,
    /// The numbers.
    pub numbers: Vec<NumberDetail>,
    /// How the desk works.
    pub desk: Option<DeskDetail>,
    /// What has a key that can be chosen; this the server is not asked.
    pub actions: Vec<Action>,
}

impl Data {
    /// Takes an answer in; `me` is whoever asks.
    pub fn take(&mut self, me: UserId, answer: Answer) {
        match answer {
            Answer::Account(account) => {
                if account.id == me {
                    self.me = Some((*account).clone());
                }
                self.people.retain(|p| p.id != account.id);
                self.people.push(*account);
                self.sort();
            }
            Answer::Accounts(page) => {
                for account in page.people {
                    self.people.retain(|p| p.id != account.id);
                    self.people.push(account);
                }
                self.sort();
            }
            Answer::Sessions(list) => self.sessions = list.sessions,
            Answer::Invitations(list) => self.invitations = list.invitations,
            Answer::Groups(list) => self.groups = list.groups,
            Answer::Group(group) => replace(&mut self.groups, group, |g| g.id.clone()),
            Answer::Slots(list) => self.slots = list.slots,
            Answer::Slot(slot) => replace(&mut self.slots, slot, |s| s.id.clone()),
            Answer::Queues(list) => self.queues = list.queues,
            Answer::Queue(queue) => replace(&mut self.queues, queue, |q| q.id.clone()),
            Answer::Numbers(list) => self.numbers = list.numbers,
            Answer::Number(number) => replace(&mut self.numbers, number, |n| n.number.clone()),
            Answer::Desk(desk) => self.desk = Some(*desk),
            Answer::Reset(_) | Answer::Invited(_) | Answer::Pairing(_) | Answer::Done => {}
        }
    }

    /// Whoever waits to be let in first, whoever is kept out last.
    fn sort(&mut self) {
        self.people.sort_by_cached_key(|p| {
            let rank = match (p.pending, p.active) {
                (true, _) => 0,
                (false, true) => 1,
                (false, false) => 2,
            };
            (rank, natural(p.extension.as_str()), p.id)
        });
    }

    /// An account.
    pub fn person(&self, user: UserId) -> Option<&Account> {
        self.people.iter().find(|p| p.id == user)
    }

    /// What somebody is called.
    pub fn name(&self, board: &Board, user: UserId) -> String {
        match self.person(user) {
            Some(person) => person.name.to_string(),
            None => board.name(user),
        }
    }

    /// What a group is called.
    pub fn group(&self, board: &Board, group: &GroupId) -> String {
        let here = self.groups.iter().find(|g| g.id == *group).map(|g| &g.name);
        let there = || {
            board
                .groups
                .iter()
                .find(|g| g.id == *group)
                .map(|g| &g.name)
        };
        here.or_else(there)
            .map_or_else(|| group.to_string(), ToString::to_string)
    }

    /// What a queue is called.
    pub fn queue(&self, board: &Board, queue: &QueueId) -> String {
        let there = board.queues.iter().find(|q| q.id == *queue);
        there.map_or_else(|| queue.to_string(), |q| q.name.to_string())
    }
}

/// Puts the one with that name in its place, or at the end.
fn replace<T, K: PartialEq>(list: &mut Vec<T>, item: T, key: impl Fn(&T) -> K) {
    match list.iter_mut().find(|other| key(other) == key(&item)) {
        Some(other) => *other = item,
        None => list.push(item),
    }
}
