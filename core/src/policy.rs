//! Who may do what: the only authorisation rule.
//!
//! It is asked at the moment of the change, on the state as it is then (the server), and beforehand for the sake
//! of the preview (the console). It must not look at anything but the actor, what they want, and whose it is.
//!
//! A [`Role`] is a name for a set of [`Rights`]; a person may be granted single ones beside it. Nobody can give
//! what they do not have, nor rule over somebody who may do more than they.

use serde::{Deserialize, Serialize};

use crate::{
    call::{Call, Place},
    ids::UserId,
    machine::Intent,
};

/// What a person is here to do. Each may do what those after it may.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs the place.
    Admin,
    /// Answers for the desk.
    Supervisor,
    /// Works the switchboard: answers anything that waits, moves other people's calls.
    Operator,
    /// Works their own calls, and what is offered to them.
    Agent,
    /// Looks: at a board that names no caller, on a wall.
    #[default]
    ReadOnly,
}

impl Role {
    /// All of them, the one that may most first.
    pub const ALL: [Self; 5] = [
        Self::Admin,
        Self::Supervisor,
        Self::Operator,
        Self::Agent,
        Self::ReadOnly,
    ];

    /// What it stands for.
    pub const fn rights(self) -> Rights {
        use Permission::{Audit, Calls, Desk, Directory, House, People, Presence};
        match self {
            Self::ReadOnly => Rights::NONE,
            Self::Agent => Rights::NONE.and(Calls),
            Self::Operator => Self::Agent.rights().and(Desk),
            Self::Supervisor => Self::Operator
                .rights()
                .and(Directory)
                .and(Presence)
                .and(Audit),
            Self::Admin => Self::Supervisor.rights().and(People).and(House),
        }
    }

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Supervisor => "supervisor",
            Self::Operator => "operator",
            Self::Agent => "agent",
            Self::ReadOnly => "read-only",
        }
    }
}

/// One thing that a person may be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// See who is calling. Without it, a board without names and numbers of callers.
    Board,
    /// Work calls: one's own, and those that are offered. Brings `board`.
    Calls,
    /// Work everybody's calls.
    Desk,
    /// See people's e-mail addresses and fallback numbers.
    Directory,
    /// Say of others whether they are here, and sign them off.
    Presence,
    /// Read who did what.
    Audit,
    /// Invite people, change them, let them in and keep them out.
    People,
    /// Arrange groups, slots, queues, numbers and deadlines.
    House,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Board,
        Self::Calls,
        Self::Desk,
        Self::Directory,
        Self::Presence,
        Self::Audit,
        Self::People,
        Self::House,
    ];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Board => "board",
            Self::Calls => "calls",
            Self::Desk => "desk",
            Self::Directory => "directory",
            Self::Presence => "presence",
            Self::Audit => "audit",
            Self::People => "people",
            Self::House => "house",
        }
    }

    /// What it lets a person do, in words that end a sentence.
    pub const fn means(self) -> &'static str {
        match self {
            Self::Board => "see who is calling",
            Self::Calls => "work calls",
            Self::Desk => "work everybody's calls",
            Self::Directory => "see people's addresses and numbers",
            Self::Presence => "say of others whether they are here",
            Self::Audit => "read who did what",
            Self::People => "manage people",
            Self::House => "arrange groups, slots and numbers",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// What nobody has this permission without. Whoever works calls hears who is calling, in each refusal, too.
    const fn brings(self) -> Rights {
        match self {
            Self::Calls => Rights(Self::Board.bit()),
            _ => Rights::NONE,
        }
    }
}

/// A set of permissions, which holds with each what that brings. Serialises as the list of their words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "Vec<Permission>", from = "Vec<Permission>")]
pub struct Rights(u16);

impl Rights {
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// These, and one more with what it brings.
    #[must_use]
    pub const fn and(self, permission: Permission) -> Self {
        Self(self.0 | permission.bit()).with(permission.brings())
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether this one is among them.
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Whether all of those are among them.
    pub const fn cover(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// One by one.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |p| self.has(*p))
    }
}

impl From<Rights> for Vec<Permission> {
    fn from(rights: Rights) -> Self {
        rights.iter().collect()
    }
}

impl From<Vec<Permission>> for Rights {
    fn from(list: Vec<Permission>) -> Self {
        list.into_iter().collect()
    }
}

impl FromIterator<Permission> for Rights {
    fn from_iter<I: IntoIterator<Item = Permission>>(list: I) -> Self {
        list.into_iter().fold(Self::NONE, Self::and)
    }
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// The person.
    pub user: UserId,
    /// What they may do at this moment: their role's rights, and those they were granted.
    pub rights: Rights,
}

impl Actor {
    /// A person in that role, without anything beside it.
    pub const fn of(user: UserId, role: Role) -> Self {
        Self {
            user,
            rights: role.rights(),
        }
    }

    /// Whether they have it.
    pub const fn has(self, permission: Permission) -> bool {
        self.rights.has(permission)
    }
}

/// Something that a person wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act<'a> {
    /// Something of a call, in which they have that standing.
    Call(&'a Intent, Standing),
    /// A new call.
    Dial,
    /// What takes a permission, whoever it is about.
    Use(Permission),
    /// See somebody's account: their e-mail address, fallback number, role.
    See(UserId),
    /// Say whether somebody is here.
    Presence(UserId),
    /// Change what people may change of themselves: their name, fallback number, languages. Also: see and end their
    /// sign-ins.
    Profile(UserId),
    /// Make somebody what has these rights, or change, let in, keep out or sign out somebody who has them.
    Rule(Rights),
}

/// Whose call it is, as far as rights go: what both a stored call and a card can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// They are in it, hold it, parked it, sent it, or have accepted it.
    pub own: bool,
    /// It rings for them.
    pub offered: bool,
    /// It lies in a slot or is otherwise anybody's to fetch.
    pub open: bool,
    /// It is a call for help.
    pub emergency: bool,
}

impl Standing {
    /// What `user` is to `call`.
    pub fn of(user: UserId, call: &Call) -> Self {
        use crate::call::{Callee, RingWhy};
        let (mut own, mut offered) = (call.seats().any(|(u, _)| u == user), false);
        match &call.place {
            Place::Ringing { offers, why, .. } => {
                let sent = matches!(why, RingWhy::Transfer { .. });
                offered = offers
                    .iter()
                    .any(|o| (sent || o.over.is_none()) && o.to == Callee::User(user));
                own |= matches!(why, RingWhy::Transfer { from } if *from == user);
            }
            Place::Held { by, .. } | Place::Parked { by, .. } | Place::Dialling { user: by } => {
                own |= *by == user;
            }
            Place::Queued { .. } | Place::Talking | Place::Ended { .. } => {}
        }
        own |= call.undo.as_ref().is_some_and(|u| u.by == user);
        Self {
            own,
            offered,
            open: call.slot().is_some(),
            emergency: call.emergency(),
        }
    }
}

/// Whether `actor` may do that. The error is a sentence.
pub fn may(actor: Actor, act: Act<'_>) -> Result<(), &'static str> {
    let allowed = |yes: bool, no: &'static str| if yes { Ok(()) } else { Err(no) };
    match act {
        Act::Call(intent, standing) => may_work(actor, intent, standing),
        Act::Dial => allowed(actor.has(Permission::Calls), LOOKING),
        Act::Use(permission) => allowed(actor.has(permission), lacks(permission)),
        Act::See(user) => allowed(
            user == actor.user || actor.has(Permission::Directory) || actor.has(Permission::People),
            lacks(Permission::Directory),
        ),
        Act::Presence(user) => allowed(
            user == actor.user || actor.has(Permission::Presence),
            lacks(Permission::Presence),
        ),
        Act::Profile(user) => allowed(
            user == actor.user || actor.has(Permission::People),
            lacks(Permission::People),
        ),
        Act::Rule(rights) => {
            allowed(actor.has(Permission::People), lacks(Permission::People))?;
            allowed(
                actor.rights.cover(rights),
                "They may do more than you. Ask somebody who may do all of it.",
            )
        }
    }
}

const LOOKING: &str = "You can look at the board, but not work calls.";

/// What is said to somebody who lacks a permission.
const fn lacks(permission: Permission) -> &'static str {
    match permission {
        Permission::Board => "Your sign-in shows a board without callers. Ask an administrator.",
        Permission::Calls | Permission::Desk => LOOKING,
        Permission::Directory => "You cannot see other people's accounts. Ask a supervisor.",
        Permission::Presence => {
            "You can say whether you are here, but not others. Ask a supervisor."
        }
        Permission::Audit => "You cannot read who did what. Ask a supervisor.",
        Permission::People => "Only administrators manage people. Ask one of them.",
        Permission::House => {
            "Only administrators arrange groups, slots, queues and numbers. Ask one of them."
        }
    }
}

fn may_work(actor: Actor, intent: &Intent, standing: Standing) -> Result<(), &'static str> {
    if !actor.has(Permission::Calls) {
        return Err(LOOKING);
    }
    if standing.emergency && !(standing.own && *intent == Intent::Hangup) {
        return Err(
            "This is an emergency call. Nobody may hold, move or end it but the person who made it.",
        );
    }
    if actor.has(Permission::Desk) || standing.own || standing.offered {
        return Ok(());
    }
    match intent {
        Intent::Answer | Intent::Retrieve if standing.open => Ok(()),
        Intent::Answer | Intent::Retrieve => {
            Err("This call is not offered to you. Ask an operator to send it.")
        }
        _ => Err("This is somebody else's call. Operators may move it."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_those_after_it_may() {
        for pair in Role::ALL.windows(2) {
            let (more, less) = (pair[0].rights(), pair[1].rights());
            assert!(more.cover(less) && more != less, "{pair:?}");
        }
        let everything: Rights = Permission::ALL.into_iter().collect();
        assert_eq!(Role::Admin.rights(), everything);
        assert_eq!(Role::ReadOnly.rights(), Rights::NONE);
    }

    #[test]
    fn nobody_works_calls_without_seeing_who_is_calling() {
        let n = Permission::ALL.len();
        for set in 0..1_usize << n {
            let some = Permission::ALL.into_iter().enumerate();
            let words: Vec<_> = some
                .filter(|(i, _)| set & (1 << i) != 0)
                .map(|(_, p)| p.word())
                .collect();
            let text = serde_json::to_string(&words).unwrap();
            let rights: Rights = serde_json::from_str(&text).unwrap();
            let calls = rights.has(Permission::Calls);
            assert!(rights.has(Permission::Board) || !calls, "{text}");
            assert_eq!(calls, words.contains(&"calls"), "{text}");
            // And all else is as it was said.
            let given = words.len() + usize::from(calls && !words.contains(&"board"));
            assert_eq!(rights.iter().count(), given, "{text}");
            assert_eq!(rights, rights.iter().collect(), "{text}");
        }
    }

    #[test]
    fn rights_travel_as_words() {
        let rights = Role::Operator.rights();
        let text = serde_json::to_string(&rights).unwrap();
        assert_eq!(text, r#"["board","calls","desk"]"#);
        assert_eq!(serde_json::from_str::<Rights>(&text).unwrap(), rights);
    }

    #[test]
    fn nobody_gives_what_they_do_not_have_or_rules_over_more_than_themselves() {
        let clerk = Actor {
            user: UserId(7),
            rights: Role::Operator.rights().and(Permission::People),
        };
        assert_eq!(may(clerk, Act::Rule(Role::Operator.rights())), Ok(()));
        assert!(may(clerk, Act::Rule(Role::Admin.rights())).is_err());
        assert!(may(clerk, Act::Rule(Rights::NONE.and(Permission::House))).is_err());
        let operator = Actor::of(UserId(8), Role::Operator);
        assert!(may(operator, Act::Rule(Rights::NONE)).is_err());
    }

    #[test]
    fn oneself_needs_no_permission() {
        let wall = Actor::of(UserId(9), Role::ReadOnly);
        for act in [
            Act::See(UserId(9)),
            Act::Presence(UserId(9)),
            Act::Profile(UserId(9)),
        ] {
            assert_eq!(may(wall, act), Ok(()), "{act:?}");
        }
        for act in [
            Act::See(UserId(1)),
            Act::Presence(UserId(1)),
            Act::Profile(UserId(1)),
        ] {
            assert!(may(wall, act).is_err(), "{act:?}");
        }
    }
}
