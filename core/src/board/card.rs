//! A card: what everybody who is signed in may see of a call, and nothing else.
//!
//! Its JSON is the `call` of the command line's contract: fields are only ever added. Read next: `drop.rs`.

use serde::{Deserialize, Serialize};

use crate::{
    call::{
        Back, CUSTOMER, Call, Callee, Caller, Dialled, Direction, EndWhy, LegState, Line, Place,
        RingWhy, Role as LegRole,
    },
    ids::{
        CallId, CallSid, LegId, Phone as Number, QueueId, Rev, SafeText, SlotId, Timestamp, UserId,
    },
    policy::Standing,
};

/// What is shown of a call. Serialises as the `call` of the command line's contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Card {
    /// Which call.
    pub id: CallId,
    /// Its revision.
    pub rev: Rev,
    /// The revision in which it last changed place or hands.
    pub moved: Rev,
    /// Where it is.
    pub place: CardPlace,
    /// While it is `connecting`: the place it keeps until the join, and goes back to if there is none. A slot
    /// stays taken meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<At>,
    /// The other party.
    pub caller: Caller,
    /// Who called whom.
    pub direction: Direction,
    /// The number that was dialled.
    pub to: Dialled,
    /// The people who are with it: talking, holding or joining.
    pub with: Vec<UserId>,
    /// When it began.
    pub since: Timestamp,
    /// While it waits: until when it was last talked to. Absent: nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talked: Option<Timestamp>,
    /// Everybody's connections that have not ended.
    pub legs: Vec<CardLeg>,
    /// Who can take its last move back, and to what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<CardUndo>,
}

/// Where a call is. The -ing forms mean asked, not yet confirmed by the carrier.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CardPlace {
    /// Since when.
    pub since: Timestamp,
    /// Which.
    #[serde(flatten)]
    pub at: At,
}

/// The kinds of place, with what belongs to each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum At {
    /// Waiting at a desk.
    Queued {
        /// Which.
        queue: QueueId,
        /// For whose attention, if it came back for somebody.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alert: Option<UserId>,
    },
    /// Ringing for people.
    Ringing {
        /// Those it still rings for.
        users: Vec<UserId>,
        /// `new`, `returned`, `park-expired` or `reconnect`.
        why: String,
        /// When the next stop is tried.
        deadline: Timestamp,
    },
    /// An outgoing call that nobody has taken yet.
    Dialling {
        /// Who dialled.
        user: UserId,
        /// Whom.
        to: Dialled,
    },
    /// Accepted, not yet joined.
    Connecting {
        /// By whom.
        user: UserId,
    },
    /// Together.
    Talking {
        /// Our people.
        users: Vec<UserId>,
    },
    /// Hold asked.
    Holding {
        /// By whom.
        user: UserId,
        /// When it rings back.
        deadline: Timestamp,
    },
    /// Hold confirmed.
    Held {
        /// By whom.
        user: UserId,
        /// When it rings back.
        deadline: Timestamp,
    },
    /// Park asked.
    Parking {
        /// Where.
        slot: SlotId,
        /// By whom.
        by: UserId,
        /// When it rings back.
        deadline: Timestamp,
        /// What was written on it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<SafeText>,
    },
    /// Park confirmed.
    Parked {
        /// Where.
        slot: SlotId,
        /// By whom.
        by: UserId,
        /// When it rings back.
        deadline: Timestamp,
        /// What was written on it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<SafeText>,
    },
    /// Sent on, not taken yet.
    Transferring {
        /// By whom; it returns to them.
        from: UserId,
        /// To whom: a user id or a number.
        to: String,
        /// When it returns.
        deadline: Timestamp,
    },
    /// Over.
    Ended {
        /// How.
        why: EndWhy,
    },
}

/// What is shown of a leg.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CardLeg {
    /// Which.
    pub id: LegId,
    /// The carrier's name for it.
    pub sid: Option<CallSid>,
    /// `customer`, `person` or `outside`.
    pub role: String,
    /// The person.
    pub user: Option<UserId>,
    /// The number.
    pub number: Option<Number>,
    /// How far it has come.
    pub state: LegState,
    /// Confirmed held.
    pub held: bool,
    /// Confirmed muted by the server. A person's own mute is known to their page only.
    pub muted: bool,
    /// Ordered away, and not gone yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
}

impl CardLeg {
    /// Whether it is in the room, and not the customer's, and stays.
    pub fn here(&self) -> bool {
        self.state == LegState::Joined && !self.leaving && self.id.n != CUSTOMER
    }
}

/// Who can take the last move back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CardUndo {
    /// Who moved it.
    pub by: UserId,
    /// What it goes back to, in a word: `talking`, `queued`, `parked`, `held`.
    pub to: String,
    /// With whom, if to a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<UserId>,
    /// Where, if to a slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<SlotId>,
}

impl Card {
    /// What is shown of `call`.
    pub fn of(call: &Call) -> Self {
        let mut with: Vec<UserId> = call.seats().map(|(u, _)| u).collect();
        if let Place::Held { by, .. } = &call.place
            && !with.contains(by)
        {
            with.push(*by);
        }
        let (at, kept, since) = match &call.claim {
            Some(claim) => (
                At::Connecting { user: claim.user },
                Some(At::of(call)),
                claim.since,
            ),
            None => (At::of(call), None, call.since),
        };
        Self {
            id: call.id,
            rev: call.rev,
            moved: call.moved,
            place: CardPlace { since, at },
            kept,
            caller: call.caller.clone(),
            direction: call.direction,
            to: call.to.clone(),
            with,
            since: call.arrived,
            talked: match &call.place {
                Place::Queued { .. } | Place::Ringing { .. } => {
                    call.talks().into_iter().filter_map(|t| t.to).max()
                }
                _ => None,
            },
            legs: call
                .legs
                .iter()
                .filter(|l| l.alive())
                .map(|l| CardLeg {
                    id: call.id.leg(l.n),
                    sid: l.sid.clone(),
                    role: match l.role {
                        LegRole::Customer => "customer",
                        LegRole::Person(_) => "person",
                        LegRole::Outside(_) => "outside",
                    }
                    .to_owned(),
                    user: l.user(),
                    number: match (&l.role, &l.line) {
                        (LegRole::Customer, _) => call.caller.number.clone(),
                        (LegRole::Outside(number), _) => Some(number.clone()),
                        // A colleague's private number is nobody else's business.
                        (LegRole::Person(_), Line::Telephone(_) | Line::Page | Line::Inbound) => {
                            None
                        }
                    },
                    state: l.state(),
                    held: l.hold.is(),
                    muted: false,
                    leaving: l.leave.is_some(),
                })
                .collect(),
            undo: call.undo.as_ref().map(|u| CardUndo {
                by: u.by,
                with: match &u.to {
                    Back::With { user } => Some(*user),
                    Back::Place { .. } => None,
                },
                slot: match &u.to {
                    Back::Place { place } => match &**place {
                        Place::Parked { slot, .. } => Some(slot.clone()),
                        _ => None,
                    },
                    Back::With { .. } => None,
                },
                to: match &u.to {
                    Back::With { .. } => "talking",
                    Back::Place { place } => match **place {
                        Place::Queued { .. } => "queued",
                        Place::Parked { .. } => "parked",
                        Place::Held { .. } => "held",
                        _ => "ringing",
                    },
                }
                .to_owned(),
            }),
        }
    }

    /// What a wall may show of it, or somebody who may not see who is calling: who of us is with it, and where it
    /// is. Nothing that names the other party, or was written about it; but that it is a call for help, and to whom.
    #[must_use]
    pub fn redacted(mut self) -> Self {
        if !self.emergency() {
            self.caller = Caller::default();
            if self.direction == Direction::Out {
                self.to = Dialled::Withheld;
            }
        }
        for leg in &mut self.legs {
            (leg.number, leg.sid) = (None, None);
        }
        for at in std::iter::once(&mut self.place.at).chain(self.kept.as_mut()) {
            match at {
                At::Parking { note, .. } | At::Parked { note, .. } => *note = None,
                At::Dialling { to, .. } if matches!(to, Dialled::Number(_)) => {
                    *to = Dialled::Withheld;
                }
                At::Transferring { to, .. } if to.parse::<UserId>().is_err() => {
                    *to = String::from(Dialled::Withheld);
                }
                _ => {}
            }
        }
        self
    }

    /// What `user` is to this call, as far as a card can say. Agrees with [`Standing::of`] on the call.
    pub fn standing(&self, user: UserId) -> Standing {
        let mut standing = Standing {
            own: self.with.contains(&user) || self.undo.as_ref().is_some_and(|u| u.by == user),
            emergency: self.emergency(),
            ..Standing::default()
        };
        match self.lies() {
            At::Ringing { users, .. } => standing.offered = users.contains(&user),
            At::Dialling { user: by, .. }
            | At::Holding { user: by, .. }
            | At::Held { user: by, .. } => {
                standing.own |= *by == user;
            }
            At::Parking { by, .. } | At::Parked { by, .. } => {
                standing.own |= *by == user;
                standing.open = true;
            }
            At::Transferring { from, to, .. } => {
                standing.own |= *from == user;
                standing.offered = *to == user.to_string();
            }
            At::Queued { .. } | At::Connecting { .. } | At::Talking { .. } | At::Ended { .. } => {}
        }
        standing
    }

    /// The place it lies in: what it keeps while somebody is on the way, or else where it is.
    pub fn lies(&self) -> &At {
        self.kept.as_ref().unwrap_or(&self.place.at)
    }

    /// Whether that person is in the room to stay.
    pub fn here(&self, user: UserId) -> bool {
        self.legs.iter().any(|l| l.user == Some(user) && l.here())
    }

    /// Whether it is a call for help.
    pub const fn emergency(&self) -> bool {
        matches!(self.to, Dialled::Emergency(_))
    }

    /// Whether it is over.
    pub fn ended(&self) -> bool {
        matches!(self.place.at, At::Ended { .. })
    }

    /// The caller's name, or number, or that there is neither.
    pub fn title(&self) -> &str {
        self.caller.title()
    }

    /// Since when its caller has not been talked to: through ringing, queues and all.
    pub fn waits_since(&self) -> Timestamp {
        self.talked.unwrap_or(self.since)
    }

    /// The people to whom it is a concern: with it, or rung for it.
    pub fn concerns(&self) -> Vec<UserId> {
        let mut users = self.with.clone();
        match &self.place.at {
            At::Ringing { users: rung, .. } => users.extend(rung),
            At::Transferring { to, .. } => users.extend(to.parse::<UserId>()),
            _ => {}
        }
        users.sort_unstable();
        users.dedup();
        users
    }

    pub(super) fn digest(&self) -> u64 {
        // A card's id and revision identify its content; the sum over all cards is kept incrementally.
        let bits = self.id.bits();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "both halves of the id are folded in"
        )]
        let seed =
            (bits as u64) ^ ((bits >> 64) as u64) ^ self.rev.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // The finaliser of SplitMix64: every input bit reaches every output bit.
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl At {
    fn of(call: &Call) -> Self {
        let held = call.at_rest();
        match &call.place {
            Place::Queued { queue, alert } => Self::Queued {
                queue: queue.clone(),
                alert: *alert,
            },
            Place::Ringing {
                why: RingWhy::Transfer { from },
                offers,
                deadline,
                ..
            } => Self::Transferring {
                from: *from,
                to: offers
                    .first()
                    .map(|o| match &o.to {
                        Callee::User(u) => u.to_string(),
                        Callee::Outside(n) => n.to_string(),
                    })
                    .unwrap_or_default(),
                deadline: *deadline,
            },
            Place::Ringing {
                offers,
                why,
                deadline,
                ..
            } => Self::Ringing {
                users: offers
                    .iter()
                    .filter(|o| o.over.is_none())
                    .filter_map(|o| match o.to {
                        Callee::User(u) => Some(u),
                        Callee::Outside(_) => None,
                    })
                    .collect(),
                why: match why {
                    RingWhy::New | RingWhy::Transfer { .. } => "new",
                    RingWhy::Returned => "returned",
                    RingWhy::ParkExpired => "park-expired",
                    RingWhy::Reconnect => "reconnect",
                }
                .to_owned(),
                deadline: *deadline,
            },
            Place::Dialling { user } => Self::Dialling {
                user: *user,
                to: call.to.clone(),
            },
            Place::Talking if call.customer().hold.is() => {
                match call.company().find_map(crate::call::Leg::user) {
                    // Together, but the unhold is not confirmed: nobody hears anybody yet.
                    Some(user) => Self::Connecting { user },
                    None => Self::Talking { users: Vec::new() },
                }
            }
            Place::Talking => Self::Talking {
                users: call.company().filter_map(crate::call::Leg::user).collect(),
            },
            Place::Held { by, deadline, .. } if held => Self::Held {
                user: *by,
                deadline: *deadline,
            },
            Place::Held { by, deadline, .. } => Self::Holding {
                user: *by,
                deadline: *deadline,
            },
            Place::Parked {
                slot,
                by,
                deadline,
                note,
                ..
            } => {
                let (slot, by, deadline, note) = (slot.clone(), *by, *deadline, note.clone());
                if held {
                    Self::Parked {
                        slot,
                        by,
                        deadline,
                        note,
                    }
                } else {
                    Self::Parking {
                        slot,
                        by,
                        deadline,
                        note,
                    }
                }
            }
            Place::Ended { why } => Self::Ended { why: *why },
        }
    }

    /// The word for it, as in the contract.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::Ringing { .. } => "ringing",
            Self::Dialling { .. } => "dialling",
            Self::Connecting { .. } => "connecting",
            Self::Talking { .. } => "talking",
            Self::Holding { .. } => "holding",
            Self::Held { .. } => "held",
            Self::Parking { .. } => "parking",
            Self::Parked { .. } => "parked",
            Self::Transferring { .. } => "transferring",
            Self::Ended { .. } => "ended",
        }
    }
}
