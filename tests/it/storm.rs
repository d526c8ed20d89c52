//! A storm: two hundred calls at once over a carrier that doubles, delays and loses what it says. At the end,
//! our account of every call is held against the carrier's own.
//!
//! Everything runs in this process on one clock, four times as fast as the wall's: the twin, the server on a
//! database file, a page for each of eleven people. Four of them work the desk over HTTP; the others take,
//! decline or ignore what is sent to them. The script is drawn from `SEED`, which is printed; the same seed
//! draws the same script and the same faults, though not the same race between them. `STORM_CALLS=20` makes it
//! small, `STORM_CALM=1` leaves the faults out, `STORM_DATABASE=postgres` keeps it on the server of the tests.
//!
//! Not covered yet: outgoing calls, answering a second call while in one, pages that vanish, requests that fail
//! with 500 or take long.
//!
//! Read next: `storm/verdict.rs`, for what is held against what.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    io::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use cordboard::{
    client::{Client, ClientError, Credentials as SignedIn},
    softphone::{Manner, Person, Softphone, World},
};
use cordboard_core::{
    api::SignIn,
    call::{Call, EndWhy, Place, RingWhy},
    ids::{CallId, Phone, UserId},
    machine::{Intent, Target},
    wire::{Command, Order},
};
use cordboard_server::{
    live::Ended,
    seed::{DEMO_NUMBER, DEMO_PASSWORD, DEMO_PEOPLE},
};
use cordboard_tests::{
    backends::{TestDatabase, fresh_database, sqlite_file},
    desk::{Desk, Plan},
    follower::{Follower, let_pass, locked, until},
};
use cordboard_twin::{Behaviour, Caller, Clock, Credentials, Telephone, TwinConfig, control};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

mod verdict;

/// How many callers ring.
const CALLS: usize = 200;
/// How much faster than the wall's the clock runs.
const SCALE: f64 = 4.0;
/// No more callers than this wait for an operator at once.
const WAITING: usize = 6;
/// Who works the desk.
const OPERATORS: [u32; 4] = [1, 2, 7, 8];
/// Who takes what is sent to them.
const TAKERS: [u32; 4] = [9, 10, 11, 12];
/// Who never answers, who declines, who is always on another call, and who has no page and a telephone instead.
const IGNORES: u32 = 3;
const DECLINES: u32 = 4;
const BUSY: u32 = 6;
const FALLBACK: u32 = 5;
/// A telephone that answers and, after a while, hangs up.
const OUTSIDE: &str = "+14155550188";
/// What goes wrong while it storms.
const FAULTS: [&str; 7] = [
    "webhook.double=0.3",
    "webhook.delay=0.2",
    "webhook.delay_max=2s",
    "webhook.lose=0.1",
    "voice.fail=0.05",
    "rest.lose_answer=0.05",
    "rest.429=0.05",
];

/// What a call is to go through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plot {
    /// Answered, and ended by either side.
    Answer,
    /// Answered, parked, fetched by whoever has time.
    Park,
    /// Answered, parked; the caller has had enough.
    ParkLeave,
    /// Answered, sent to a colleague who takes it.
    Transfer,
    /// The same, to somebody who has a telephone only.
    Fallback,
    /// The same, to somebody outside.
    Outside,
    /// Answered, sent to somebody who does not take it; it comes back.
    Return,
    /// The caller gives up before anybody answers.
    Abandon,
    /// Answered, held, resumed.
    Hold,
    /// Answered, sent, taken back.
    TakeBack,
}

/// Of two hundred.
const MIX: [(Plot, usize); 10] = [
    (Plot::Answer, 45),
    (Plot::Park, 35),
    (Plot::ParkLeave, 5),
    (Plot::Transfer, 30),
    (Plot::Fallback, 5),
    (Plot::Outside, 5),
    (Plot::Return, 30),
    (Plot::Abandon, 25),
    (Plot::Hold, 10),
    (Plot::TakeBack, 10),
];

/// What has come true of a plot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Answered,
    Parked,
    Retrieved,
    Transferred,
    Returned,
    Abandoned,
    Held,
    TakenBack,
}

/// One caller, and what became of them.
struct Story {
    n: usize,
    plot: Plot,
    from: String,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    sid: String,
    id: Option<CallId>,
    /// What was done, and when.
    notes: Vec<(i64, String)>,
    deeds: BTreeSet<Deed>,
    /// How it ended, as whoever ended it knows.
    end: Option<EndWhy>,
    /// Why the plot came to a stop.
    stuck: Option<String>,
    commands: usize,
}

impl Story {
    fn note(&self, at: i64, what: impl fmt::Display) {
        locked(&self.told).notes.push((at, what.to_string()));
    }

    fn did(&self, deed: Deed) {
        locked(&self.told).deeds.insert(deed);
    }

    fn sid(&self) -> String {
        locked(&self.told).sid.clone()
    }
}

struct Operator {
    user: UserId,
    client: Client,
    phone: Softphone,
}

/// What waits for an operator.
struct Item {
    story: Arc<Story>,
    /// Not before.
    due: i64,
    /// The slot's permit, when it lies in one.
    slot: Option<OwnedSemaphorePermit>,
}

/// A house in a storm.
struct Storm {
    seed: u64,
    clock: Clock,
    control: control::Client,
    desk: Desk,
    operators: Vec<Operator>,
    colleagues: Vec<(UserId, Softphone)>,
    follower: Follower,
    ended: Arc<Mutex<Vec<Ended>>>,
    /// Every command that was accepted.
    accepted: Mutex<Vec<(UserId, String)>>,
    free: Mutex<Vec<UserId>>,
    slots: Arc<Semaphore>,
    work: Mutex<VecDeque<Item>>,
    left: AtomicUsize,
    stories: Vec<Arc<Story>>,
}

type Told1<T = ()> = Result<T, String>;

impl Storm {
    async fn gather(seed: u64, calls: usize) -> Self {
        let desk = Desk::open(Plan {
            database: database().await,
            carrier: TwinConfig {
                seed,
                clock: Clock::scaled(SCALE),
                credentials: Credentials::from_seed(seed),
                ..TwinConfig::default()
            },
            scale: SCALE,
            operators: &OPERATORS,
            // Little patience for telephones.
            settings: &[("ring_ms", "8000")],
            password_kib: 64,
            empty: false,
            requests_per_minute: 60_000,
        })
        .await;
        let stop = desk.stop.clone();
        let clock = desk.twin.clock().clone();
        let control = desk.twin.control();
        let telephone = |number: &str, behaviour| Telephone {
            number: number.to_owned(),
            behaviour,
        };
        let keys = Behaviour::AnswersAndPresses {
            after: 1.0,
            digits: "1".to_owned(),
            wait: 1.0,
        };
        let outside = Behaviour::Answers {
            after: 1.0,
            talks: Some(3.0),
        };
        control
            .telephones(&[telephone("+14155550177", keys), telephone(OUTSIDE, outside)])
            .await
            .unwrap();

        let ended = Arc::new(Mutex::new(Vec::new()));
        let (mut outcomes, ends) = (desk.server.exchange.live().outcomes(), ended.clone());
        tokio::spawn(async move {
            while let Ok(end) = outcomes.recv().await {
                locked(&ends).push(end);
            }
        });
        let world = World {
            server: desk.server.url.clone(),
            twin: control.clone(),
            clock: clock.clone(),
            stop: stop.clone(),
        };
        let (mut operators, mut colleagues) = (Vec::new(), Vec::new());
        for person in DEMO_PEOPLE.iter().filter(|p| p.id != FALLBACK) {
            let manner = match person.id {
                id if TAKERS.contains(&id) => Manner::Answers(Duration::from_secs(1)),
                DECLINES => Manner::Declines(Duration::from_millis(700)),
                BUSY => Manner::Busy,
                _ => Manner::Waits,
            };
            let who = Person {
                name: person.name,
                email: person.email,
                password: DEMO_PASSWORD,
                manner,
            };
            let dice = StdRng::seed_from_u64(seed ^ u64::from(person.id));
            let (mut phone, life) = Softphone::open(who, world.clone(), dice);
            tokio::spawn(life);
            phone.ready().await;
            let user = UserId(person.id);
            if OPERATORS.contains(&person.id) {
                let client = signed_in(&desk, person.email).await;
                operators.push(Operator {
                    user,
                    client,
                    phone,
                });
            } else {
                colleagues.push((user, phone));
            }
        }
        let follower = Follower::start(&operators[0].client, stop.clone())
            .await
            .unwrap();
        let stories = script(seed, calls);
        Self {
            seed,
            clock,
            control,
            desk,
            operators,
            colleagues,
            follower,
            ended,
            accepted: Mutex::default(),
            free: Mutex::new(TAKERS.map(UserId).to_vec()),
            slots: Arc::new(Semaphore::new(4)),
            work: Mutex::default(),
            left: AtomicUsize::new(stories.len()),
            stories,
        }
    }

    /// Lets everybody ring and everybody work, until the last plot is over.
    async fn rage(self: &Arc<Self>) {
        let mut tasks = JoinSet::new();
        let this = self.clone();
        tasks.spawn(async move { this.callers().await });
        for n in 0..self.operators.len() {
            let this = self.clone();
            tasks.spawn(async move { this.operator(n).await });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    }

    async fn callers(self: Arc<Self>) {
        let mut dice = StdRng::seed_from_u64(self.seed ^ 1);
        let mut tasks = JoinSet::new();
        for story in self.stories.clone() {
            let (patience, own) = (dice.random_range(2.0..6.0), dice.next_u64());
            let_pass(&self.clock, dice.random_range(100..1_200)).await;
            let room = || async { (locked(&self.work).len() < WAITING).then_some(()) };
            until(&self.clock, 600_000, room).await;
            let this = self.clone();
            tasks.spawn(async move { this.caller(story, patience, own).await });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    }

    /// Somebody rings, and is waited for at the desk.
    async fn caller(&self, story: Arc<Story>, patience: f64, _own: u64) {
        let abandons = story.plot == Plot::Abandon;
        let caller = Caller {
            from: story.from.clone(),
            to: DEMO_NUMBER.to_owned(),
            name: Some(format!("Caller {}", story.n)),
            patience: abandons.then_some(patience),
            ..Caller::default()
        };
        let sid = self.control.call(&caller).await.unwrap();
        locked(&story.told).sid.clone_from(&sid);
        story.note(self.clock.now_ms(), format!("rings as {sid}"));
        let parsed = sid.parse().unwrap();
        let store = self.desk.server.exchange.store();
        let arrived = || async { store.call_of_sid(&parsed).await.unwrap() };
        let Some(leg) = until(&self.clock, 30_000, arrived).await else {
            return self.over(&story, Err("never arrived".to_owned()));
        };
        locked(&story.told).id = Some(leg.call);
        if abandons {
            let end = self.end(&story, EndWhy::Abandoned).await;
            if end.is_ok() {
                story.did(Deed::Abandoned);
            }
            return self.over(&story, end);
        }
        locked(&self.work).push_back(Item {
            story,
            due: 0,
            slot: None,
        });
    }

    /// The plot has come to its end.
    fn over(&self, story: &Story, how: Told1) {
        if let Err(why) = how {
            story.note(self.clock.now_ms(), &why);
            locked(&story.told).stuck = Some(why);
        }
        self.left.fetch_sub(1, Ordering::SeqCst);
    }

    /// What an operator does next: fetch what lies in a slot, else answer.
    fn next(&self) -> Option<Item> {
        let now = self.clock.now_ms();
        let mut work = locked(&self.work);
        if let Some(i) = work.iter().position(|i| i.slot.is_some() && i.due <= now) {
            return work.remove(i);
        }
        let parks = |item: &Item| matches!(item.story.plot, Plot::Park | Plot::ParkLeave);
        let slot = self.slots.clone().try_acquire_owned().ok();
        let i = work
            .iter()
            .position(|i| i.slot.is_none() && (slot.is_some() || !parks(i)))?;
        let item = work.remove(i)?;
        let slot = slot.filter(|_| parks(&item));
        Some(Item {
            due: -1,
            slot,
            ..item
        })
    }

    async fn operator(self: Arc<Self>, n: usize) {
        let mut dice = StdRng::seed_from_u64(self.seed ^ (2 + n as u64));
        let mut aftercare = JoinSet::new();
        loop {
            let next = || async {
                match self.next() {
                    Some(item) => Some(Some(item)),
                    None => (self.left.load(Ordering::SeqCst) == 0).then_some(None),
                }
            };
            let Some(Some(item)) = until(&self.clock, 900_000, next).await else {
                break;
            };
            let story = item.story.clone();
            let work = if item.due > 0 {
                self.fetch(n, item, &mut dice).await.map(|()| true)
            } else {
                self.take(n, item, &mut dice, &mut aftercare).await
            };
            match work {
                Ok(false) => {}
                Ok(true) => self.over(&story, Ok(())),
                Err(why) => {
                    self.rescue(n, &story).await;
                    self.over(&story, Err(why));
                }
            }
        }
        while let Some(done) = aftercare.join_next().await {
            done.unwrap();
        }
    }

    /// A plot that went wrong must not keep its operator from the next.
    async fn rescue(&self, n: usize, story: &Story) {
        let _ = self.bring(n, story, Intent::Hangup, |c, _| c.ended()).await;
        let _ = self.control.hangup(&story.sid()).await;
    }

    /// Answers a waiting call and goes on with its plot. True when that is over.
    async fn take(
        self: &Arc<Self>,
        n: usize,
        item: Item,
        dice: &mut StdRng,
        aftercare: &mut JoinSet<()>,
    ) -> Told1<bool> {
        let Item { story, slot, .. } = item;
        let me = self.operators[n].user;
        self.bring(n, &story, Intent::Answer, talks_to).await?;
        story.did(Deed::Answered);
        self.talk(dice).await;
        match story.plot {
            Plot::Abandon | Plot::Answer => {}
            Plot::Park | Plot::ParkLeave => {
                let park = Intent::Park {
                    slot: None,
                    note: None,
                };
                self.bring(n, &story, park, |c, _| c.slot().is_some())
                    .await?;
                story.did(Deed::Parked);
                if story.plot == Plot::ParkLeave {
                    self.talk(dice).await;
                    self.hang_up_caller(&story).await?;
                    return Ok(true);
                }
                let due = self.clock.now_ms() + dice.random_range(1_000..5_000);
                locked(&self.work).push_back(Item { story, due, slot });
                return Ok(false);
            }
            Plot::Hold => {
                let held = |c: &Call, me| {
                    matches!(c.place, Place::Held { by, .. } if by == me) && c.at_rest()
                };
                self.bring(n, &story, Intent::Hold, held).await?;
                story.did(Deed::Held);
                self.talk(dice).await;
                self.bring(n, &story, Intent::Resume, talks_to).await?;
            }
            Plot::Transfer => {
                let free = || async { locked(&self.free).pop() };
                let to = until(&self.clock, 120_000, free)
                    .await
                    .ok_or("no colleague was free")?;
                let taken = self.send(n, &story, Target::User(to), Some(to)).await;
                if taken != Ok(true) {
                    locked(&self.free).push(to);
                }
                if taken? {
                    let (this, secs) = (self.clone(), dice.random_range(1_500..4_000));
                    let by_caller = dice.random_bool(0.5);
                    aftercare.spawn(async move {
                        let_pass(&this.clock, secs).await;
                        let end = if by_caller {
                            this.hang_up_caller(&story).await
                        } else {
                            this.colleague_leaves(&story, to).await
                        };
                        this.over(&story, end);
                        locked(&this.free).insert(0, to);
                    });
                    return Ok(false);
                }
            }
            Plot::Fallback => {
                let to = UserId(FALLBACK);
                if self.send(n, &story, Target::User(to), Some(to)).await? {
                    self.talk(dice).await;
                    self.hang_up_caller(&story).await?;
                    return Ok(true);
                }
            }
            Plot::Outside => {
                let to = Target::Number(OUTSIDE.parse::<Phone>().unwrap());
                if self.send(n, &story, to, None).await? {
                    self.end(&story, EndWhy::HungUp).await?;
                    return Ok(true);
                }
            }
            Plot::Return => {
                let to = UserId([IGNORES, DECLINES, BUSY][dice.random_range(0..3)]);
                if self.send(n, &story, Target::User(to), Some(to)).await? {
                    return Err(format!("{to} has taken it"));
                }
            }
            Plot::TakeBack => {
                let to = Target::User(UserId(IGNORES));
                self.bring(n, &story, Intent::Transfer { to }, gone_from)
                    .await?;
                let_pass(&self.clock, dice.random_range(0..3_000)).await;
                self.bring(n, &story, Intent::TakeBack, talks_to).await?;
                story.did(Deed::TakenBack);
            }
        }
        // Back with whoever sent it.
        let call = self.call(&story).await?;
        if !talks_to(&call, me) {
            self.bring(n, &story, Intent::Answer, talks_to).await?;
        }
        self.finish(n, &story, dice).await.map(|()| true)
    }

    /// Fetches a call from its slot.
    async fn fetch(&self, n: usize, item: Item, dice: &mut StdRng) -> Told1 {
        let Item { story, slot, .. } = item;
        self.bring(n, &story, Intent::Retrieve, talks_to).await?;
        drop(slot);
        story.did(Deed::Retrieved);
        self.finish(n, &story, dice).await
    }

    /// Sends a call on. True when it was taken; false when it has come back.
    async fn send(&self, n: usize, story: &Story, to: Target, user: Option<UserId>) -> Told1<bool> {
        self.bring(n, story, Intent::Transfer { to }, gone_from)
            .await?;
        let arrived = || async {
            match self.call(story).await {
                Err(why) => Some(Err(why)),
                Ok(call) if call.ended() => Some(Err("over while it was sent".to_owned())),
                Ok(call) => match &call.place {
                    Place::Talking => match user {
                        Some(user) => call.leg_of(user).map(|_| Ok(true)),
                        None => Some(Ok(true)),
                    },
                    Place::Ringing {
                        why: RingWhy::Transfer { .. },
                        ..
                    } => None,
                    Place::Ringing { .. } | Place::Queued { .. } => Some(Ok(false)),
                    other => Some(Err(format!("sent, and it is {other:?}"))),
                },
            }
        };
        let taken = until(&self.clock, 60_000, arrived)
            .await
            .unwrap_or_else(|| Err("neither taken nor back".to_owned()))?;
        story.note(self.clock.now_ms(), if taken { "taken" } else { "back" });
        story.did(if taken {
            Deed::Transferred
        } else {
            Deed::Returned
        });
        Ok(taken)
    }

    /// They talk, and one of them hangs up.
    async fn finish(&self, n: usize, story: &Story, dice: &mut StdRng) -> Told1 {
        self.talk(dice).await;
        if dice.random_bool(0.5) {
            return self.hang_up_caller(story).await;
        }
        story.note(self.clock.now_ms(), "we hang up");
        self.bring(n, story, Intent::Hangup, |c, _| c.ended())
            .await?;
        self.end(story, EndWhy::HungUp).await
    }

    async fn hang_up_caller(&self, story: &Story) -> Told1 {
        story.note(self.clock.now_ms(), "the caller hangs up");
        self.control
            .hangup(&story.sid())
            .await
            .map_err(|e| e.to_string())?;
        self.end(story, EndWhy::CallerLeft).await
    }

    async fn colleague_leaves(&self, story: &Story, who: UserId) -> Told1 {
        story.note(self.clock.now_ms(), format!("{who} hangs up"));
        let id = locked(&story.told).id.ok_or("no call")?;
        let page = self.colleagues.iter().find(|(user, _)| *user == who);
        page.ok_or("no page")?.1.leave(id).await;
        self.end(story, EndWhy::HungUp).await
    }

    /// Waits until we know that it is over, which must be for that reason.
    async fn end(&self, story: &Story, why: EndWhy) -> Told1 {
        locked(&story.told).end = Some(why);
        let over = || async {
            match self.call(story).await {
                Ok(call) => call.ended().then_some(Ok(())),
                Err(why) => Some(Err(why)),
            }
        };
        until(&self.clock, 60_000, over)
            .await
            .unwrap_or_else(|| Err(format!("never over: {why:?}")))
    }

    async fn talk(&self, dice: &mut StdRng) {
        let_pass(&self.clock, dice.random_range(1_500..4_000)).await;
    }

    async fn call(&self, story: &Story) -> Told1<Arc<Call>> {
        let id = locked(&story.told).id.ok_or("it has no id")?;
        self.desk
            .server
            .exchange
            .call(id)
            .await
            .map_err(|e| e.to_string())?
            .ok_or_else(|| "there is no such call".to_owned())
    }

    /// Wants something until it has come true. What is refused, failed or unknown is looked at and, if need be,
    /// wanted again, as a person would.
    async fn bring(
        &self,
        n: usize,
        story: &Story,
        intent: Intent,
        reached: impl Fn(&Call, UserId) -> bool,
    ) -> Told1 {
        let Operator { user, client, .. } = &self.operators[n];
        let until = self.clock.now_ms() + 90_000;
        loop {
            let call = self.call(story).await?;
            if reached(&call, *user) {
                return Ok(());
            }
            if call.ended() {
                return Err(format!("over before {user} could {intent:?}"));
            }
            if self.clock.now_ms() > until {
                return Err(format!("{user} could never {intent:?}: {:?}", call.place));
            }
            // Taken back, and the page has not come: it is their own held call now.
            let kept = matches!(call.place, Place::Held { by, .. } if by == *user);
            let intent = match &intent {
                Intent::TakeBack if kept => Intent::Resume,
                intent => intent.clone(),
            };
            let id = {
                let mut told = locked(&story.told);
                told.commands += 1;
                format!("s{}-{}", story.n, told.commands)
            };
            let command = Command {
                id: id.clone(),
                order: Order::Call {
                    call: call.id,
                    intent: intent.clone(),
                },
                seen: None,
                dry_run: false,
            };
            let said = client.command(&command, Duration::from_secs(20)).await;
            let (accepted, words) = match said {
                Ok(answer) => (true, format!("{:?}", answer.outcome)),
                Err(ClientError::Refused { code, why, .. }) => {
                    (code == "failed", format!("{code}: {why}"))
                }
                Err(other) => return Err(format!("{user} {intent:?}: {other}")),
            };
            story.note(
                self.clock.now_ms(),
                format!("{user} {intent:?} [{id}]: {words}"),
            );
            if accepted {
                locked(&self.accepted).push((*user, id));
            }
            if words != "Done" {
                let_pass(&self.clock, 300).await;
            }
        }
    }

    /// Clears the faults and waits until nothing is on its way any more.
    async fn rest(&self) -> Told1 {
        self.control
            .clear_faults()
            .await
            .map_err(|e| e.to_string())?;
        let store = self.desk.server.exchange.store();
        let quiet = || async {
            let outbox = store.outbox_len().await.unwrap();
            let open = store.open_calls().await.unwrap().len();
            (outbox == 0 && open == 0).then_some(())
        };
        if until(&self.clock, 120_000, quiet).await.is_some() {
            return Ok(());
        }
        Err(format!(
            "it does not come to rest: {} in the outbox, open {:#?}",
            store.outbox_len().await.unwrap(),
            store.open_calls().await.unwrap()
        ))
    }
}

/// The person and the caller hear each other, as far as is confirmed.
fn talks_to(call: &Call, user: UserId) -> bool {
    let hold = &call.customer().hold;
    matches!(call.place, Place::Talking)
        && call.leg_of(user).is_some()
        && hold.settled()
        && !hold.is()
}

fn gone_from(call: &Call, user: UserId) -> bool {
    call.leg_of(user).is_none()
}

/// Where the storm is kept: a file, or with `STORM_DATABASE=postgres` a database on the server of the tests.
async fn database() -> TestDatabase {
    match std::env::var("STORM_DATABASE").as_deref() {
        Ok("postgres") => fresh_database().await.expect("TEST_DATABASE_URL is set"),
        _ => sqlite_file(),
    }
}

/// The API, as somebody who has signed in.
async fn signed_in(desk: &Desk, email: &str) -> Client {
    let anonymous = Client::new(desk.server.url.clone()).unwrap();
    let sign_in = SignIn {
        email: email.to_owned(),
        password: DEMO_PASSWORD.into(),
        ..SignIn::default()
    };
    let tokens = anonymous.login(&sign_in).await.unwrap();
    let token = String::from(tokens.access).into();
    Client::signed_in(SignedIn::bearer(desk.server.url.clone(), token).unwrap())
}

/// The callers of a storm, in the order in which they ring.
fn script(seed: u64, calls: usize) -> Vec<Arc<Story>> {
    let mut plots: Vec<Plot> = MIX
        .iter()
        .flat_map(|(plot, of_200)| std::iter::repeat_n(*plot, (of_200 * calls).div_ceil(200)))
        .collect();
    plots.shuffle(&mut StdRng::seed_from_u64(seed));
    let story = |(n, plot)| {
        Arc::new(Story {
            n,
            plot,
            from: format!("+1415556{n:04}"),
            told: Mutex::default(),
        })
    };
    plots.into_iter().enumerate().map(story).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn storm_leaves_no_caller_and_no_account_behind() {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or_else(|| rand::make_rng::<StdRng>().next_u64());
    let _ = writeln!(std::io::stderr(), "storm: SEED={seed}");
    let calls = std::env::var("STORM_CALLS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(CALLS);
    let calm = std::env::var_os("STORM_CALM").is_some();
    let storm = Arc::new(Storm::gather(seed, calls).await);
    let begun = storm.clock.now_ms();
    if !calm {
        storm.control.fault(&FAULTS).await.unwrap();
    }
    storm.rage().await;
    let raged = storm.clock.now_ms();
    let rest = storm.rest().await;
    let _ = writeln!(
        std::io::stderr(),
        "storm: {} calls in {} s of its clock, {} s to come to rest",
        storm.stories.len(),
        (raged - begun) / 1_000,
        (storm.clock.now_ms() - raged) / 1_000
    );
    let verdict = verdict::of(&storm, rest).await;
    storm.desk.stop.cancel();
    assert!(verdict.is_empty(), "SEED={seed}\n{}", verdict.join("\n"));
}
