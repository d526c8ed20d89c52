//! A page that cannot reach the server, for a while or for ever, while there is a call: what is heard goes its own way,
//! and nobody rings where nobody is.

use cordboard_core::ids::Timestamp;
use cordboard_tests::{browser::Plan, relay::Relay};
use cordboard_twin::{Behaviour, Telephone};
use serde_json::{Value, json};

use super::rig::{DESK, Rig, Worker, kind, talking, until};

/// How long a page may be dead before its call rings elsewhere: it is silent for five seconds, which is looked for twice
/// a second, and what follows takes a moment on a busy machine.
const NOTICED_MS: i64 = 6_500;

/// How often a page has asked to be let in.
fn tickets(of: &mut Worker) -> u64 {
    let asked = of.browser.run(
        "return await page.evaluate(() => performance.getEntriesByType('resource')
            .filter((one) => one.name.endsWith('/api/ticket')).length)",
    );
    asked.as_u64().unwrap_or_default()
}

/// Somebody as the board shows them now.
async fn on_the_board(worker: &Worker) -> Value {
    let board: Value = worker.client.get("/api/board").await.ok();
    let people = board["people"].as_array().into_iter().flatten();
    let found = people.into_iter().find(|p| p["id"] == worker.id.as_str());
    found.cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_goes_on_while_its_page_cannot_reach_the_server_and_they_agree_again_afterwards() {
    let Some(rig) = Rig::open().await else { return };
    let way = Relay::to(rig.house.desk.server.url.port().unwrap()).await;
    let plan = Plan {
        tone: 730.0,
        detour: Some(way.ports),
        ..Plan::default()
    };
    let mut grace = rig.awake("Grace Hopper", "102", plan).await;
    let (caller, call) = talking(&rig, &mut grace, "Rosa Diaz", 440.0).await;
    let leg = rig.leg(&mut grace, "").await;
    let rosa = rig.ears.keep(&caller, grace.tone);
    let operator = rig.ears.keep(&leg, 440.0);

    // Until everybody has noticed: the page says so in words, and what becomes of the call; then her tile.
    way.shut();
    grace.browser.wait_for("The server cannot be reached");
    grace.browser.wait_for("Your call goes on.");
    let id = grace.id.clone();
    grace.sees_unreachable(&id).await;
    rig.ears.plays(&mut grace.browser, 440.0).await;
    way.open();

    // Page, console and board agree again, of one page and of one call that is where it was.
    let told = |m: &Value| {
        let pages = m["pages"].as_array();
        let [page] = pages.map(Vec::as_slice).unwrap_or_default() else {
            return false;
        };
        let well = ["here", "ready", "active"].iter().all(|k| page[k] == true);
        m["t"] == "pages" && well && page["call"] == call.as_str()
    };
    grace.console.until("the page is back", told).await;
    grace.browser.wait_for("In call");
    let gone = "await page.getByRole('heading', { name: 'The server cannot be reached' }).waitFor({ state: 'hidden' })";
    grace.browser.run(gone);
    until("her tile says so, too", async || {
        let hers = on_the_board(&grace).await;
        if hers["phone"] == "ready" {
            Ok(())
        } else {
            Err(hers)
        }
    })
    .await;
    let board: Value = grace.client.get("/api/board").await.ok();
    let card = &board["calls"][0];
    let legs = card["legs"].as_array().map(Vec::len);
    assert_eq!((kind(card), legs), ("talking", Some(2)), "{card:#}");
    assert_eq!(rig.leg(&mut grace, "").await, leg, "the same leg");
    let clients = rig.twin.clients().await.unwrap();
    let clients = clients["clients"].as_array().unwrap();
    assert_eq!(clients.len(), 1, "no second one: {clients:#?}");
    rosa.never_missed("the caller").await;
    operator.never_missed("the operator").await;

    // A blink, after which the server takes the page's old connection for a living one. What is pressed is done.
    let before = tickets(&mut grace);
    way.shut();
    way.open();
    until("the page has connected anew", async || {
        let now = tickets(&mut grace);
        if now > before {
            Ok(())
        } else {
            Err(json!(now))
        }
    })
    .await;
    grace.browser.press("Mute");
    grace
        .pages("the console sees that she is muted", |p| p["muted"] == true)
        .await;
    assert_eq!(rig.leg(&mut grace, "").await, leg, "the same leg, still");
    rig.ears
        .hears("the caller", &caller, grace.tone, false)
        .await;
    grace.browser.press("Unmute");
    rig.ears
        .hears("the caller", &caller, grace.tone, true)
        .await;
    grace.browser.press("Hold");
    grace.card("she holds it", |c| kind(c) == "held").await;
    rig.ears.music("the caller", &caller, grace.tone).await;
    grace.browser.press("Resume");
    rig.ears
        .hears("the caller", &caller, grace.tone, true)
        .await;
    rig.ears.plays(&mut grace.browser, 440.0).await;
    grace.hangs_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_that_sleeps_in_a_call_has_it_still_after_a_nap_and_after_longer_is_told_the_truth()
 {
    let Some(rig) = Rig::open().await else { return };
    let mut grace = rig.worker("Grace Hopper", "102", 730.0).await;
    let (caller, call) = talking(&rig, &mut grace, "Rosa Diaz", 440.0).await;
    let leg = rig.leg(&mut grace, "").await;
    let id = grace.id.clone();

    // Long enough to be missed.
    grace.browser.suspend();
    grace.sees_unreachable(&id).await;
    grace.browser.resume();
    let back = |p: &Value| p["here"] == true && p["ready"] == true && p["call"] == call.as_str();
    grace.pages("the page is back in its call", back).await;
    rig.ears
        .hears("the caller", &caller, grace.tone, true)
        .await;
    rig.ears.plays(&mut grace.browser, 440.0).await;
    assert_eq!(rig.leg(&mut grace, "").await, leg, "the same leg");

    // Long enough for the caller to be given to others. They wait with music, and the page that wakes says that nobody
    // is on the line.
    grace.browser.suspend();
    grace
        .card("the caller waits", |c| kind(c) == "queued")
        .await;
    rig.ears.music("the caller", &caller, grace.tone).await;
    grace.browser.resume();
    grace.browser.wait_for("Calls ring here");
    grace.ready().await;
    grace.does("answer", &call, json!({})).await;
    // Its microphone, which the browser has ended meanwhile, is open again.
    rig.ears
        .hears("the caller", &caller, grace.tone, true)
        .await;
    rig.ears.plays(&mut grace.browser, 440.0).await;
}

/// The next callers ring for one after the other, a long time for each, and then wait at the desk.
async fn one_after_the_other(rig: &Rig, people: &[&Worker]) {
    let stop = |w: &&Worker| json!({ "kind": "people", "users": [w.id], "seconds": 600 });
    let mut route: Vec<Value> = people.iter().map(stop).collect();
    route.push(json!({ "kind": "queue", "queue": "desk" }));
    let path = format!("/api/numbers/{DESK}");
    let way = json!({ "rev": 1, "route": route });
    rig.house.ada.put(&path, way).await.ok::<Value>();
}

/// Whom a card rings for.
fn rings_for(card: &Value, worker: &str) -> bool {
    kind(card) == "ringing" && card["place"]["users"] == json!([worker])
}

/// A page dies while it rings; its caller is elsewhere before anybody has waited for long. The card there.
async fn dies_ringing(
    rig: &Rig,
    dying: &mut Worker,
    witness: &mut Worker,
    then: &str,
    so: impl Fn(&Value) -> bool,
) -> Value {
    dying.browser.wait_for("Incoming call");
    dying.browser.kill();
    let killed = Timestamp::from_millis(rig.house.desk.twin.clock().now_ms());
    let id = dying.id.clone();
    witness.sees_unreachable(&id).await;
    // The news of the tile and of the call come in either order.
    let card = until(then, async || {
        let board: Value = witness.client.get("/api/board").await.ok();
        let card = board["calls"][0].clone();
        if so(&card) { Ok(card) } else { Err(card) }
    })
    .await;
    let since: Timestamp = serde_json::from_value(card["place"]["since"].clone()).unwrap();
    assert!(since.since(killed) < NOTICED_MS, "{killed:?} {card:#}");
    card
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_rings_into_no_dead_page_but_for_the_next_person_who_is_heard() {
    let Some(rig) = Rig::open().await else { return };
    let mut grace = rig.worker("Grace Hopper", "102", 730.0).await;
    let mut alan = rig.worker("Alan Turing", "103", 960.0).await;
    one_after_the_other(&rig, &[&grace, &alan]).await;
    let caller = rig.caller("Rosa Diaz", 440.0).await;
    let next = alan.id.clone();
    let so = |c: &Value| rings_for(c, &next);
    dies_ringing(&rig, &mut grace, &mut alan, "it rings for Alan", so).await;
    alan.browser.press("Accept");
    rig.ears.hears("the caller", &caller, alan.tone, true).await;
    rig.ears.plays(&mut alan.browser, 440.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_dead_page_its_person_is_rung_by_telephone_and_after_everybody_there_is_the_queue()
{
    const MOBILE: &str = "+14155550177";
    let Some(rig) = Rig::open().await else { return };
    let mut grace = rig.worker("Grace Hopper", "102", 730.0).await;
    let mobile = Telephone {
        number: MOBILE.to_owned(),
        behaviour: Behaviour::Rings,
    };
    rig.twin.telephones(&[mobile]).await.unwrap();
    let me = grace.client.me().await;
    let with = json!({ "rev": me.rev, "fallback": MOBILE });
    let path = format!("/api/people/{}", grace.id);
    grace.client.patch(&path, with).await.ok::<Value>();
    one_after_the_other(&rig, &[&grace]).await;
    let caller = rig.caller("Rosa Diaz", 440.0).await;
    let id = grace.id.clone();
    let card = grace.card("it rings", |c| rings_for(c, &id)).await;
    let (page, call) = (card["place"]["since"].clone(), card["id"].clone());
    grace.browser.wait_for("Incoming call");
    grace.browser.kill();
    grace.sees_unreachable(&id).await;
    let mobile = until("her mobile rings", async || {
        let world = rig.twin.world().await.map_err(|e| json!(e.to_string()))?;
        let calls = world["calls"].as_array().into_iter().flatten();
        let to = calls.into_iter().find(|c| c["to"] == MOBILE);
        let sid = to.and_then(|c| c["sid"].as_str()).map(ToOwned::to_owned);
        let board: Value = grace.client.get("/api/board").await.ok();
        sid.ok_or_else(|| json!([world["calls"], board["calls"]]))
    })
    .await;
    let board: Value = grace.client.get("/api/board").await.ok();
    let card = &board["calls"][0];
    assert_eq!((&card["id"], &card["place"]["since"]), (&call, &page));
    // From a number of the house, although the house had none when the server began.
    let from = rig.twin.get_call(&mobile).await.unwrap()["from"].clone();
    assert_eq!(from, DESK);
    // She does not take it there either.
    rig.twin.hangup(&mobile).await.unwrap();
    grace.card("it waits", |c| kind(c) == "queued").await;
    rig.ears.music("the caller", &caller, grace.tone).await;
}
