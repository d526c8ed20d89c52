//! A store that stands still, fails, or vanishes, and a carrier that says nothing: what callers hear meanwhile,
//! and that nothing is lost by it.
//!
//! An SQLite file stands still while somebody else holds its write lock, and fails whoever has waited five
//! seconds for it. A PostgreSQL vanishes behind a wire that goes dead ([`Wire`]). Read next: `scene.rs`.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use cordboard_core::{
    board::{Board, Snapshot},
    call::{CUSTOMER, Caller, Stop},
    ids::{CallId, CallSid, UserId},
};
use cordboard_server::{
    Clock,
    auth::Keys,
    exchange::Exchange,
    house::House,
    live::Live,
    store::{Commit, Conflict, Store, StoreError},
};
use cordboard_tests::{
    backends::{fresh_database, sqlite_file},
    desk::{Desk, Plan},
};
use cordboard_twin::{Behaviour, Telephone, TwinConfig};
use futures_util::SinkExt as _;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    sync::oneshot,
};
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use super::{
    ADA, GRACE, NOBODY,
    scene::{Line, Scene, now, until},
};

/// How long a client waits that then loses patience. What it asked for has begun by then.
const IMPATIENT: Duration = Duration::from_secs(1);

/// A scene whose store can be made to stand still.
struct Outage {
    scene: Scene,
    url: String,
}

impl Outage {
    async fn open() -> Self {
        let database = sqlite_file();
        let url = database.url().to_owned();
        let desk = Desk::open(Plan {
            database,
            carrier: TwinConfig::default(),
            scale: 1.0,
            operators: &[2],
            settings: &[("ring_ms", "60000")],
            password_kib: 64,
            empty: false,
            requests_per_minute: 60_000,
        })
        .await;
        let http = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        let control = desk.twin.control();
        let scene = Scene {
            control,
            desk,
            http,
        };
        Self { scene, url }
    }

    /// From now on nobody can write, until what comes back says `ROLLBACK`.
    async fn stand_still(&self) -> SqliteConnection {
        let mut other = SqliteConnection::connect(&self.url).await.unwrap();
        say(&mut other, "BEGIN IMMEDIATE").await;
        other
    }

    /// Sends a command, and hangs up before it is answered.
    async fn command_and_hang_up(&self, token: &str, command: &Value) {
        let request = self.scene.http.post(self.scene.at("/api/commands"));
        let request = request.bearer_auth(token).json(command).timeout(IMPATIENT);
        let cut = request.send().await.unwrap_err();
        assert!(cut.is_timeout(), "{cut:?}");
    }

    /// Waits until a call is in that place.
    async fn in_place(&self, token: &str, call: &str, kind: &str) {
        until(&format!("the call is {kind}"), async || {
            let place = self.scene.place(token, call).await;
            if place["kind"] == kind {
                Ok(())
            } else {
                Err(place.to_string())
            }
        })
        .await;
    }

    /// A caller who talks to Ada over her page: the page, their call's id, and the page's CallSid.
    async fn talk(&self, token: &str) -> (Line, String, String) {
        let mut page = self.scene.page(token, "u1").await;
        let access = page.hear("welcome").await["token"].clone();
        let (call, _) = self.scene.ring(token, "+14155550132", "Rosa").await;
        page.say(&json!({"t": "accept", "call": call})).await;
        let seat = loop {
            let state = page.hear("state").await;
            if state["seat"]["call"] == call.as_str() {
                break state["seat"].clone();
            }
        };
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let params = BTreeMap::from([
            ("op".to_owned(), "join".to_owned()),
            ("leg".to_owned(), text(&seat["leg"])),
            ("ticket".to_owned(), text(&seat["ticket"])),
        ]);
        let control = &self.scene.control;
        let sid = control
            .connect(&text(&access), params)
            .await
            .unwrap()
            .call_sid;
        page.say(&json!({"t": "heartbeat", "ready": true, "sid": sid}))
            .await;
        self.in_place(token, &call, "talking").await;
        (page, call, sid)
    }

    /// The same, and the carrier has said that the page's connection is gone, of which the page has said nothing.
    async fn cut_off(&self, token: &str) -> (Line, String) {
        let (page, call, sid) = self.talk(token).await;
        self.scene.control.disconnect(&sid).await.unwrap();
        self.in_place(token, &call, "ringing").await;
        (page, call)
    }
}

async fn say(connection: &mut SqliteConnection, words: &'static str) {
    sqlx::query(words).execute(connection).await.unwrap();
}

/// Keeps a page alive that does nothing else.
fn keep_alive(mut page: Line) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut beat = tokio::time::interval(Duration::from_secs(1));
        loop {
            beat.tick().await;
            let alive = Message::text(r#"{"t":"heartbeat","ready":true}"#);
            if page.0.send(alive).await.is_err() {
                return;
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_rings_while_the_store_stands_still_is_asked_for_a_moment_within_three_seconds() {
    let house = Outage::open().await;
    let scene = &house.scene;
    let token = scene.token(ADA).await;
    let (call, _) = scene.ring(&token, "+14155550111", "Bob").await;
    // Of a call that nobody remembers: only the store knows whether there is one.
    let leg = CallId::from_bits(7).leg(1);
    let customer = call.parse::<CallId>().unwrap().leg(CUSTOMER);
    let keys = scene.desk.server.exchange.keys();
    let (leg_text, ticket) = (leg.to_string(), keys.ticket(leg, "u1"));
    let ring = [
        ("CallSid", NOBODY),
        ("From", "+14155550132"),
        ("To", "+14155550100"),
        ("CallStatus", "ringing"),
    ];
    let key = [
        ("CallSid", NOBODY),
        ("From", "+14155550100"),
        ("To", "+14155550177"),
        ("CallStatus", "in-progress"),
        ("Digits", "1"),
    ];
    let join = [
        ("CallSid", NOBODY),
        ("From", "client:u1"),
        ("op", "join"),
        ("leg", &*leg_text),
        ("ticket", &*ticket),
    ];
    // The customer's own leg, rung by a stranger's connection: something that must be written.
    let key_path = format!("/twilio/key?leg={customer}");
    let mut other = house.stand_still().await;
    let began = now();
    let (rang, pressed) = tokio::join!(
        scene.signed("/twilio/voice", &ring),
        scene.signed(&key_path, &key),
    );
    let took = began.elapsed();
    say(&mut other, "ROLLBACK").await;
    assert!(took < Duration::from_secs(3), "{took:?}");
    for ((status, document), again) in [
        (rang, "/twilio/voice<".to_owned()),
        // Where the key is asked for once more: what was pressed is not sent again.
        (pressed, format!("/twilio/leg?leg={customer}<")),
    ] {
        assert_eq!(status, StatusCode::OK);
        assert!(
            document.contains("one-moment") && document.contains(&again),
            "{again}: {document}"
        );
    }
    // What was asked for happens all the same: the caller's next request finds their call.
    until("the call that rang is there", async || {
        let (status, text) = scene.get(&token, &format!("/api/calls/{NOBODY}")).await;
        if status == StatusCode::OK {
            Ok(())
        } else {
            Err(text)
        }
    })
    .await;
    scene.desk.server.exchange.store().close().await;
    let (status, document) = scene.signed("/twilio/app", &join).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        document.contains(&format!("/twilio/leg?leg={leg}<")),
        "a ticket is not sent again, so it is redeemed once: {document}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_leaves_nothing_unpublished() {
    let house = Outage::open().await;
    let token = house.scene.token(ADA).await;
    let (call, _) = house.scene.ring(&token, "+14155550132", "Rosa").await;
    let park = json!({"id": "park", "do": "call", "call": call, "intent": "park", "slot": "P1"});
    let store = house.scene.desk.server.exchange.store();
    loop {
        let mut other = house.stand_still().await;
        house.command_and_hang_up(&token, &park).await;
        say(&mut other, "ROLLBACK").await;
        // Behind everything that waited for the store.
        store.set_setting("nothing", "nothing").await.unwrap();
        if store.command(UserId(1), "park").await.unwrap().is_some() {
            break;
        }
        // It was still waiting for news of the same call to be written: once more.
    }
    house.in_place(&token, &call, "parked").await;
    let board = house.scene.board(&token).await;
    assert!(
        board["slots"]
            .as_array()
            .unwrap()
            .iter()
            .any(|slot| slot["call"] == call.as_str()),
        "{board}"
    );
}

/// Ada hangs up in her page at the moment in which Grace sends her caller on to Alan.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leave_does_not_end_a_call_that_has_just_been_moved() {
    let house = Outage::open().await;
    let scene = &house.scene;
    let (ada, grace) = (scene.token(ADA).await, scene.token(GRACE).await);
    let alan = scene.token("alan@demo.example").await;
    let alive = keep_alive(scene.page(&alan, "u3").await);
    let (mut page, call, _) = house.talk(&ada).await;
    let transfer =
        json!({"id": "on", "do": "call", "call": call, "intent": "transfer", "to": "u3"});
    let mut other = house.stand_still().await;
    let mut moved = std::pin::pin!(scene.command(&grace, 0, &transfer));
    let early = tokio::time::timeout(IMPATIENT, &mut moved).await;
    assert!(early.is_err(), "{early:?}");
    page.say(&json!({"t": "leave", "call": call})).await;
    // What the page wants is done in order: the answer to this comes after the leave.
    let nobody = CallId::from_bits(7).to_string();
    page.say(&json!({"t": "accept", "call": nobody})).await;
    page.say(&json!({"t": "heartbeat", "ready": false})).await;
    until("the page's words were read", async || {
        let people = scene.board(&ada).await["people"].clone();
        let read = |p: &Value| p["id"] == "u1" && p["phone"] == "unreachable";
        if people.as_array().unwrap().iter().any(read) {
            Ok(())
        } else {
            Err(people.to_string())
        }
    })
    .await;
    say(&mut other, "ROLLBACK").await;
    let (status, said) = moved.await;
    assert_eq!(status, StatusCode::OK, "{said}");
    assert_eq!(page.hear("no").await["call"], nobody.as_str());
    let place = scene.place(&ada, &call).await;
    assert!(
        place["kind"] == "transferring" && place["to"] == "u3",
        "{place}"
    );
    alive.abort();
}

/// Ada hangs up in her page, and the carrier's news that her leg is gone is faster than her page's word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leave_ends_the_call_also_when_it_comes_after_the_news_of_it() {
    let house = Outage::open().await;
    let ada = house.scene.token(ADA).await;
    let (mut page, call) = house.cut_off(&ada).await;
    page.say(&json!({"t": "leave", "call": call})).await;
    house.in_place(&ada, &call, "ended").await;
}

/// Ada's page was cut off, takes its call again, and she hangs up before the carrier has said that she is back in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leave_on_the_way_back_to_a_call_ends_it() {
    let house = Outage::open().await;
    let ada = house.scene.token(ADA).await;
    let (mut page, call) = house.cut_off(&ada).await;
    page.say(&json!({"t": "accept", "call": call})).await;
    house.in_place(&ada, &call, "connecting").await;
    page.say(&json!({"t": "leave", "call": call})).await;
    house.in_place(&ada, &call, "ended").await;
}

/// The store fails in the very moment in which Barbara's telephone accepts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_the_store_could_not_take_is_asked_for_again() {
    let house = Outage::open().await;
    let scene = &house.scene;
    let token = scene.token(ADA).await;
    let mobile = "+14155550177";
    let answers = Behaviour::Answers {
        after: 0.1,
        talks: None,
    };
    let telephone = Telephone {
        number: mobile.to_owned(),
        behaviour: answers,
    };
    scene.control.telephones(&[telephone]).await.unwrap();
    until("Barbara's page is known not to be there", async || {
        let people = scene.board(&token).await["people"].clone();
        let gone = |p: &Value| p["id"] == "u5" && p["phone"] == "unreachable";
        if people.as_array().unwrap().iter().any(gone) {
            Ok(())
        } else {
            Err(people.to_string())
        }
    })
    .await;
    let (call, _) = scene.ring(&token, "+14155550132", "Rosa").await;
    let transfer =
        json!({"id": "on", "do": "call", "call": call, "intent": "transfer", "to": "u5"});
    let (status, said) = scene.command(&token, 0, &transfer).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    let sid = until("her telephone is asked for the key", async || {
        let world = scene.control.world().await.unwrap();
        let calls = world["calls"].as_array().unwrap();
        let asked = calls
            .iter()
            .find(|c| c["to"] == mobile && c["status"] == "in-progress");
        match asked.and_then(|c| c["sid"].as_str().or(c["call_sid"].as_str())) {
            Some(sid) => Ok(sid.to_owned()),
            None => Err(world["calls"].to_string()),
        }
    })
    .await;
    until("her telephone's connection is known", async || {
        let (status, text) = scene.get(&token, &format!("/api/calls/{sid}")).await;
        if status == StatusCode::OK {
            Ok(())
        } else {
            Err(text)
        }
    })
    .await;
    let mut other = house.stand_still().await;
    scene.control.press(&sid, "1").await.unwrap();
    until("the key was sent", async || {
        let requests = scene.control.requests().await.unwrap();
        let webhooks = requests["webhooks"].to_string();
        if webhooks.contains("/twilio/key") {
            Ok(())
        } else {
            Err(webhooks)
        }
    })
    .await;
    // Behind the key in the store's queue: when this has failed, the key has too.
    let store = scene.desk.server.exchange.store();
    assert!(store.set_setting("nothing", "nothing").await.is_err());
    say(&mut other, "ROLLBACK").await;
    until("she is asked again, presses again, and talks", async || {
        let place = scene.place(&token, &call).await;
        if place["kind"] == "talking" {
            return Ok(());
        }
        let pressed = scene.control.press(&sid, "1").await;
        Err(format!("{place}, {pressed:?}"))
    })
    .await;
}

/// An order to dial for help waits behind nothing, not even an accept that the store does not take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_waits_for_the_store_hears_an_order_to_dial_for_help() {
    let house = Outage::open().await;
    let scene = &house.scene;
    let token = scene.token(ADA).await;
    let mut page = scene.page(&token, "u1").await;
    // A second tab, older by its last word. One of them dials.
    let mut tab = scene.socket("/ws/phone", &token).await.unwrap();
    tab.say(&json!({"t": "hello", "version": 2})).await;
    tab.hear("state").await;
    let (call, _) = scene.ring(&token, "+14155550132", "Rosa").await;
    let mut other = house.stand_still().await;
    page.say(&json!({"t": "accept", "call": call})).await;
    page.say(&json!({"t": "heartbeat", "ready": true})).await;
    let began = now();
    let help = json!({"id": "help", "do": "dial", "to": "911"});
    let (status, said) = scene.command(&token, 0, &help).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    assert_eq!(page.hear("emergency").await["to"], "911");
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    say(&mut other, "ROLLBACK").await;
    tab.say(&json!("nonsense")).await;
    let words = tab.last_words().await;
    assert!(
        words.iter().all(|word| word["t"] != "emergency"),
        "both tabs would dial: {words:?}"
    );
}

/// The carrier says nothing of it, and the page does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_has_lost_its_connection_is_believed_enough_to_look() {
    let house = Outage::open().await;
    let token = house.scene.token(ADA).await;
    let (mut page, call, sid) = house.talk(&token).await;
    let control = &house.scene.control;
    control.fault(&["webhook.lose=1"]).await.unwrap();
    control.disconnect(&sid).await.unwrap();
    let began = now();
    page.say(&json!({"t": "heartbeat", "ready": true})).await;
    house.in_place(&token, &call, "ringing").await;
    // The steady round comes every 20 s.
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_over_is_not_hung_up_by_a_document_that_may_not() {
    let house = Outage::open().await;
    let token = house.scene.token(ADA).await;
    let (call, sid) = house.scene.ring(&token, "+14155550132", "Rosa").await;
    let path = format!(
        "/twilio/wait?leg={}",
        call.parse::<CallId>().unwrap().leg(CUSTOMER)
    );
    let form = [
        ("CallSid", sid.as_str()),
        ("From", "+14155550132"),
        ("To", "+14155550100"),
        ("CallStatus", "in-progress"),
    ];
    let (_, document) = house.scene.signed(&path, &form).await;
    assert!(document.contains("<Play>"), "{document}");
    house.scene.control.hangup(&sid).await.unwrap();
    house.in_place(&token, &call, "ended").await;
    let (status, document) = house.scene.signed(&path, &form).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        document.contains("<Response>") && !document.contains("<Hangup"),
        "{document}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_forgets_what_has_served_its_time() {
    let database = sqlite_file();
    let seen = |at| Commit {
        seen: Some("old".to_owned()),
        ..Commit::new(at)
    };
    let today = Clock::system().now();
    let store = Store::open(database.url()).await.unwrap();
    store
        .commit(seen(today.plus(-8 * 24 * 3_600_000)))
        .await
        .unwrap();
    let again = store.commit(seen(today)).await.unwrap_err();
    assert!(matches!(again, Conflict::Seen), "{again:?}");
    store.close().await;
    let desk = Desk::open(Plan {
        database,
        carrier: TwinConfig::default(),
        scale: 1.0,
        operators: &[],
        settings: &[],
        password_kib: 64,
        empty: false,
        requests_per_minute: 60_000,
    })
    .await;
    let store = desk.server.exchange.store();
    until("a week-old fact is forgotten", async || {
        store.commit(seen(today)).await.map_err(|e| e.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_its_sender_left_behind_or_nobody_can_read_stops_no_other() {
    let house = Outage::open().await;
    let token = house.scene.token(ADA).await;
    let (page, call, _) = house.talk(&token).await;
    let page = keep_alive(page);
    let lane = call.parse::<CallId>().unwrap().leg(CUSTOMER).to_string();
    let mut other = SqliteConnection::connect(&house.url).await.unwrap();
    let flag = json!({"effect": "set", "leg": CUSTOMER, "what": "ends-room"}).to_string();
    for (id, lane, effect, state) in [
        (900_001, lane.as_str(), flag.as_str(), "sent"),
        (900_002, "another", r#"{"effect":"of-tomorrow"}"#, "new"),
    ] {
        let row = "INSERT INTO outbox (id, call, leg, lane, kind, effect, priority, due_at, attempts, state, owner, lease_until)
                   VALUES ($1, $2, 0, $3, 'ends-room', $4, 0, 0, 1, $5, 'nobody', 1)";
        let row = sqlx::query(row).bind(id).bind(&call).bind(lane);
        let row = row.bind(effect).bind(state).execute(&mut other).await;
        row.unwrap();
    }
    let hold = json!({"id": "hold", "do": "call", "call": call, "intent": "hold"});
    let (status, said) = house.scene.command(&token, 0, &hold).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    house.in_place(&token, &call, "held").await;
    page.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_nobody_can_read_does_not_keep_a_server_from_starting() {
    let database = sqlite_file();
    let store = Store::open(database.url()).await.unwrap();
    store.close().await;
    let mut other = SqliteConnection::connect(database.url()).await.unwrap();
    say(&mut other, "INSERT INTO calls (id, rev, live, arrived, claims, claims_before, body) VALUES ('C1', 1, TRUE, 0, '', '', '{}')").await;
    other.close().await.unwrap();
    let scene = Scene::on(database, 64).await;
    let token = scene.token(ADA).await;
    scene.ring(&token, "+14155550132", "Rosa").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_console_that_was_away_for_long_is_told_every_change() {
    let house = Outage::open().await;
    let token = house.scene.token(ADA).await;
    let door = &house.scene.desk.server.exchange;
    let (epoch, since) = door.store().board_position().await.unwrap();
    for n in 1..=520 {
        arrive(door, n).await.unwrap();
    }
    let mut console = house.scene.socket("/ws/console", &token).await.unwrap();
    console
        .say(&json!({"t": "hello", "version": 2, "since": {"epoch": epoch, "rev": since}}))
        .await;
    for rev in since + 1..=since + 520 {
        assert_eq!(console.hear("delta").await["rev"], rev);
    }
}

/// The way to a PostgreSQL, which goes dead on demand: nothing more comes, and nobody says so.
struct Wire {
    url: String,
    trap: Arc<Mutex<Option<&'static str>>>,
}

impl Wire {
    async fn to(database: &str) -> Self {
        let mut url: Url = database.parse().unwrap();
        let folder = url
            .query_pairs()
            .find(|(key, _)| key == "host")
            .map(|(_, folder)| folder.into_owned());
        let port = url.port().unwrap_or(5432);
        let far = (url.host_str().unwrap_or("localhost").to_owned(), port);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port()))
            .unwrap();
        // What is encrypted cannot be waited for.
        url.set_query(Some("sslmode=disable"));
        let trap = Arc::new(Mutex::new(None));
        let set = trap.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let trap = set.clone();
                if let Some(folder) = &folder {
                    let socket = format!("{folder}/.s.PGSQL.{port}");
                    let far = UnixStream::connect(socket).await.unwrap();
                    tokio::spawn(relay(near, far, trap));
                } else {
                    let far = TcpStream::connect(&far).await.unwrap();
                    tokio::spawn(relay(near, far, trap));
                }
            }
        });
        Self {
            url: url.into(),
            trap,
        }
    }

    /// The next connection that says this goes dead with it. It arrives; the answer does not.
    fn dies_with(&self, word: &'static str) {
        *self.trap.lock().unwrap() = Some(word);
    }
}

async fn relay(
    near: TcpStream,
    far: impl AsyncRead + AsyncWrite + Send + 'static,
    trap: Arc<Mutex<Option<&'static str>>>,
) {
    let (mut from_near, mut to_near) = near.into_split();
    let (mut from_far, mut to_far) = tokio::io::split(far);
    let (die, dead) = oneshot::channel();
    tokio::spawn(async move {
        tokio::select! {
            biased;
            // Open, as far as anybody can tell.
            Ok(()) = dead => std::future::pending::<()>().await,
            _ = tokio::io::copy(&mut from_far, &mut to_near) => {}
        }
    });
    let mut said = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from_near.read(&mut said).await {
        let sprung = {
            let mut trap = trap.lock().unwrap();
            trap.take_if(|word| said[..n].windows(word.len()).any(|w| w == word.as_bytes()))
        };
        if sprung.is_some() {
            let _ = die.send(());
            let _ = to_far.write_all(&said[..n]).await;
            return std::future::pending().await;
        }
        if to_far.write_all(&said[..n]).await.is_err() {
            return;
        }
    }
}

/// A switchboard's door on a database behind that wire, used once so that it is warm.
async fn door(wire: &Wire, call: u32) -> Exchange {
    let store = Store::open(&wire.url).await.unwrap();
    let (epoch, rev) = store.board_position().await.unwrap();
    let board = Board::new(Snapshot {
        epoch,
        rev,
        people: Vec::new(),
        calls: Vec::new(),
        slots: Vec::new(),
        queues: Vec::new(),
        groups: Vec::new(),
    });
    let clock = Clock::system();
    let live = Live::memory(board, clock.now());
    let keys = Keys::new(
        &"a secret that only this test knows, long enough".into(),
        None,
    );
    let (door, _looks) = Exchange::open(store, live, clock, keys, House::default())
        .await
        .unwrap();
    arrive(&door, call).await.unwrap();
    door
}

async fn arrive(door: &Exchange, n: u32) -> Result<CallId, StoreError> {
    let sid: CallSid = format!("CA{n:032x}").parse().unwrap();
    let caller = Caller {
        name: None,
        number: None,
    };
    let route = [Stop::Queue {
        queue: "desk".parse().unwrap(),
    }];
    let to = "+14155550100".parse().unwrap();
    let call = door.arrive(&sid, caller, &to, &route, None).await?;
    Ok(call.id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_vanishes_is_given_up_on_and_what_it_kept_is_found_out() {
    let Some(database) = fresh_database().await else {
        return;
    };
    let wires = [
        Wire::to(database.url()).await,
        Wire::to(database.url()).await,
    ];
    let doors = [door(&wires[0], 1).await, door(&wires[1], 2).await];
    let began = now();
    let unkept = async {
        wires[0].dies_with("BEGIN");
        let lost = arrive(&doors[0], 3).await.unwrap_err();
        assert!(matches!(lost, StoreError::Unreachable(_)), "{lost:?}");
        // Over a new connection.
        arrive(&doors[0], 3).await.unwrap();
    };
    let kept = async {
        wires[1].dies_with("COMMIT");
        let lost = arrive(&doors[1], 4).await.unwrap_err();
        assert!(matches!(lost, StoreError::Uncertain(_)), "{lost:?}");
    };
    tokio::join!(unkept, kept);
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    // Nobody asks again, and the call is on the board and known to this process.
    let id = doors[1]
        .keys()
        .call_id(&format!("CA{:032x}", 4).parse().unwrap());
    until("the call that was kept is shown", async || {
        let calls = doors[1].live().board().calls;
        let known = doors[1].calls().iter().any(|call| call.id == id);
        if known && calls.iter().any(|card| card.id == id) {
            Ok(())
        } else {
            Err(format!("known: {known}, {calls:?}"))
        }
    })
    .await;
    for door in doors {
        door.store().close().await;
    }
}
