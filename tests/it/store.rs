//! The store keeps its promises on every database: each case runs on an SQLite file, on SQLite in memory, and
//! on PostgreSQL.
//!
//! The queries are not checked when they are compiled, so every one of them must run here. Cases drive the
//! store as the exchange does, and never look at a table. Here: how a case is run, and the calls they are
//! played with.

use cordboard_core::{
    call::{Call, Caller, EndWhy, Leg, Line, Place, Role, Stop},
    ids::{CallId, CallSid, Phone, Rev, Timestamp, UserId},
    machine::{Aspect, Context, Effect},
};
use cordboard_server::store::{Change, Commit, Committed, Conflict, Store};

/// Each case as a test of its own on each database.
macro_rules! on_every_database {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let database = cordboard_tests::backends::sqlite_file();
                let house = crate::store::House::open(database.url()).await;
                super::$case(&house).await;
                house.store.close().await;
            }
        )+}
        mod memory {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let house = crate::store::House::open("sqlite::memory:").await;
                super::$case(&house).await;
                house.store.close().await;
            }
        )+}
        mod postgres {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let Some(database) = cordboard_tests::backends::fresh_database().await else { return };
                let house = crate::store::House::open(database.url()).await;
                super::$case(&house).await;
                house.store.close().await;
            }
        )+}
    };
}

mod audit;
mod calls;
mod claims;
mod house;
mod outbox;
mod servers;

struct House {
    store: Store,
}

impl House {
    async fn open(url: &str) -> Self {
        Self {
            store: Store::open(url).await.unwrap(),
        }
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<Committed, Conflict> {
        self.store
            .commit(Commit {
                changes,
                ..Commit::new(NOW)
            })
            .await
    }

    /// Stores a call as new and returns it.
    async fn with(&self, call: Call) -> Call {
        self.commit(vec![new(&call)]).await.unwrap();
        call
    }

    async fn load(&self, id: CallId) -> Call {
        self.store.load(id).await.unwrap().unwrap()
    }

    /// What is due, as the words of its effects.
    async fn due(&self, now: Timestamp) -> Vec<Effect> {
        self.store
            .outbox_due(now, 100)
            .await
            .unwrap()
            .into_iter()
            .map(|row| row.effect)
            .collect()
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);
const ADA: UserId = UserId(1);
const GRACE: UserId = UserId(2);

fn sid(n: u128) -> CallSid {
    format!("CA{n:032x}").parse().unwrap()
}

fn phone(n: u32) -> Phone {
    format!("+1415555{n:04}").parse().unwrap()
}

/// A call that has just arrived and waits at the desk.
fn arrived(n: u128) -> Call {
    let caller = Caller {
        name: Some("Zoë".into()),
        number: Some(phone(132)),
    };
    let route = [Stop::Queue {
        queue: "desk".parse().unwrap(),
    }];
    let ctx = Context {
        now: NOW,
        ..Context::default()
    };
    Call::arrive(
        CallId::from_bits(n),
        sid(n << 16),
        caller,
        phone(100),
        &route,
        &ctx,
    )
    .call
}

/// The call one revision on, changed by `with`.
fn next(call: &Call, with: impl FnOnce(&mut Call)) -> Call {
    let mut call = call.clone();
    call.rev += 1;
    with(&mut call);
    call
}

fn parked(call: &Call, slot: &str) -> Call {
    next(call, |c| {
        c.place = Place::Parked {
            slot: slot.parse().unwrap(),
            by: ADA,
            note: None,
            deadline: NOW.plus(90_000),
            then: Vec::new(),
        };
    })
}

/// The call with a leg of `user`'s phone page in it.
fn joined(call: &Call, user: UserId) -> Call {
    next(call, |c| {
        let n = u16::try_from(c.legs.len()).unwrap();
        let mut leg = Leg::new(n, Role::Person(user), Line::Page);
        leg.sid = Some(sid(c.id.bits() << 16 | u128::from(n)));
        leg.joined = Some(NOW);
        c.legs.push(leg);
        c.place = Place::Talking;
    })
}

fn ended(call: &Call, at: Timestamp) -> Call {
    next(call, |c| {
        c.place = Place::Ended {
            why: EndWhy::CallerLeft,
        };
        c.since = at;
        c.look = None;
        c.errands.clear();
        for leg in &mut c.legs {
            leg.gone = Some(at);
        }
    })
}

fn new(call: &Call) -> Change {
    Change {
        before: 0,
        call: call.clone(),
        effects: Vec::new(),
    }
}

fn from(before: &Call, call: &Call) -> Change {
    Change {
        before: before.rev,
        call: call.clone(),
        effects: Vec::new(),
    }
}

fn asking(before: Rev, call: &Call, effects: Vec<Effect>) -> Change {
    Change {
        before,
        call: call.clone(),
        effects,
    }
}

fn hang_up(sid: &CallSid) -> Effect {
    Effect::HangUp { sid: sid.clone() }
}

const HOLD: Effect = Effect::Set {
    leg: 0,
    what: Aspect::Hold,
};
