//! What goes wrong with a page, and what the caller, the console and the colleagues notice of it.

use cordboard_tests::{
    browser::{Microphone, Plan},
    page::pair,
    relay::Relay,
};
use serde_json::{Value, json};

use super::rig::{Rig, kind, talking, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_whose_page_is_killed_hears_music_and_a_colleague_who_is_not_in_silence() {
    let Some(rig) = Rig::open().await else { return };
    let mut grace = rig.worker("Grace Hopper", "102", 730.0).await;
    let mut alan = rig.worker("Alan Turing", "103", 960.0).await;
    let (caller, call) = talking(&rig, &mut grace, "Rosa Diaz", 440.0).await;
    grace.browser.kill();
    // The tile says within five seconds that her phone cannot be reached, and the caller hears that they wait.
    alan.sees_unreachable(&grace.id).await;
    rig.ears.music("the caller", &caller, grace.tone).await;
    // Whoever takes it is heard at once.
    alan.card("the call can be taken", |c| {
        c["id"] == call.as_str() && kind(c) == "queued"
    })
    .await;
    alan.does("answer", &call, json!({})).await;
    rig.ears.hears("the caller", &caller, alan.tone, true).await;
    rig.ears.plays(&mut alan.browser, 440.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_dies_between_the_accept_and_the_join_loses_the_call_to_the_others_only() {
    let Some(rig) = Rig::open().await else { return };
    let mut grace = rig.worker("Grace Hopper", "102", 730.0).await;
    let mut alan = rig.worker("Alan Turing", "103", 960.0).await;
    let caller = rig.caller("Rosa Diaz", 440.0).await;
    let card = alan.card("the call waits", |c| kind(c) == "queued").await;
    let call = card["id"].as_str().unwrap().to_owned();
    // Her page is stopped at the moment in which it would connect.
    grace.browser.run(
        "await page.evaluate(() => { window.WebSocket.prototype.send = () => { for (;;) {} } })",
    );
    grace
        .console
        .say(json!({ "t": "do", "id": "k1", "do": "call", "call": call, "intent": "answer" }))
        .await;
    alan.card("she is on the way", |c| kind(c) == "connecting")
        .await;
    grace.browser.kill();
    alan.card("the claim has lapsed", |c| {
        c["id"] == call.as_str() && kind(c) == "queued"
    })
    .await;
    alan.does("answer", &call, json!({})).await;
    rig.ears.hears("the caller", &caller, alan.tone, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn between_two_held_calls_the_one_leg_of_the_page_is_moved_ten_times() {
    let Some(rig) = Rig::open().await else { return };
    let mut grace = rig.worker("Grace Hopper", "102", 730.0).await;
    let (rosa, first) = talking(&rig, &mut grace, "Rosa Diaz", 440.0).await;
    let leg = rig.leg(&mut grace, "").await;
    grace.does("hold", &first, json!({})).await;
    let (bob, second) = talking(&rig, &mut grace, "Bob Stone", 1000.0).await;
    for turn in 0..10 {
        let (to, with, other, hz) = if turn % 2 == 0 {
            (&first, &rosa, &bob, 440.0)
        } else {
            (&second, &bob, &rosa, 1000.0)
        };
        grace.does("resume", to, json!({})).await;
        rig.ears
            .hears("the one she turns to", with, grace.tone, true)
            .await;
        rig.ears.hears("the other", other, grace.tone, false).await;
        rig.ears.plays(&mut grace.browser, hz).await;
    }
    assert_eq!(
        rig.leg(&mut grace, "").await,
        leg,
        "the page was asked for nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_is_loaded_again_in_a_call_finds_it_again() {
    let Some(rig) = Rig::open().await else { return };
    let plan = Plan {
        tone: 730.0,
        plays_unasked: true,
        ..Plan::default()
    };
    let mut grace = rig.awake("Grace Hopper", "102", plan).await;
    let (caller, call) = talking(&rig, &mut grace, "Rosa Diaz", 440.0).await;
    let leg = rig.leg(&mut grace, "").await;
    // The page takes its time to go, so that all that it says is heard, and then to come; what the carrier says of the
    // cut, asked or not, comes in between.
    let news = [
        "webhook.delay_max=400ms",
        "next.webhook_delay=participant-leave",
        "next.webhook_delay=completed",
        "rest.slow_max=400ms",
        "rest.slow=1",
    ];
    rig.twin.fault(&news.map(str::to_owned)).await.unwrap();
    grace.browser.run(
        "await page.evaluate(() => addEventListener('pagehide', () => {
            for (const end = Date.now() + 300; Date.now() < end;);
        }));
        await page.route('**/phone.js', (script) => setTimeout(() => script.continue(), 1000));
        await page.reload()",
    );
    // Nobody presses anything.
    rig.leg(&mut grace, &leg).await;
    rig.ears
        .hears("the caller", &caller, grace.tone, true)
        .await;
    rig.ears.plays(&mut grace.browser, 440.0).await;
    grace.browser.wait_for("In call");
    grace.does("hold", &call, json!({})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_goes_on_while_the_signalling_is_gone_for_four_seconds() {
    let Some(rig) = Rig::open().await else { return };
    let mut grace = rig.worker("Grace Hopper", "102", 730.0).await;
    let (caller, _) = talking(&rig, &mut grace, "Rosa Diaz", 440.0).await;
    let leg = rig.leg(&mut grace, "").await;
    rig.twin
        .fault(&[
            "client.offline_for=4s".to_owned(),
            format!("client.offline={}", grace.id),
        ])
        .await
        .unwrap();
    grace
        .pages("the console says that it reconnects", |p| {
            p["quality"]["warning"] == "reconnecting"
        })
        .await;
    rig.ears
        .hears("the caller", &caller, grace.tone, true)
        .await;
    rig.ears.plays(&mut grace.browser, 440.0).await;
    grace
        .pages("and that it has", |p| {
            p["ready"] == true && p["quality"]["warning"].is_null()
        })
        .await;
    assert_eq!(rig.leg(&mut grace, "").await, leg, "the same call");
    rig.ears
        .hears("the caller", &caller, grace.tone, true)
        .await;
    grace.hangs_up().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_whose_sdk_forgets_its_registration_says_so_and_registers_again() {
    let Some(rig) = Rig::open().await else { return };
    let mut grace = rig.worker("Grace Hopper", "102", 730.0).await;
    grace.browser.wait_for("Calls ring here");
    // Its socket is cut, and the next one is dropped before the gateway has said that it is connected.
    grace.browser.run(
        r#"await page.evaluate(() => {
            const { send } = WebSocket.prototype;
            let dropped = false;
            WebSocket.prototype.send = function (text) {
                if (dropped || !text.includes('"listen"')) return send.call(this, text);
                dropped = true;
                this.close();
            };
        })"#,
    );
    rig.twin
        .fault(&[
            "client.offline_for=1s".to_owned(),
            format!("client.offline={}", grace.id),
        ])
        .await
        .unwrap();
    grace.browser.wait_for("lost track of this page");
    until("it is registered again", async || {
        let clients = rig.twin.clients().await.map_err(|e| json!(e.to_string()))?;
        let mut browsers = clients["browsers"].as_array().into_iter().flatten();
        let hers = |b: &Value| b["identity"] == grace.id.as_str() && b["registered"] == true;
        if browsers.any(hers) {
            Ok(())
        } else {
            Err(clients)
        }
    })
    .await;
    grace.browser.wait_for("Calls ring here");
    talking(&rig, &mut grace, "Rosa Diaz", 440.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_token_costs_no_call() {
    let Some(rig) = Rig::open().await else { return };
    let mut grace = rig.worker("Grace Hopper", "102", 730.0).await;
    let (caller, call) = talking(&rig, &mut grace, "Rosa Diaz", 440.0).await;
    rig.twin
        .fault(&[format!("client.expire={}", grace.id)])
        .await
        .unwrap();
    until("the page shows another token", async || {
        let clients = rig.twin.clients().await.map_err(|e| json!(e.to_string()))?;
        match clients["browsers"][0]["tokens"].as_u64() {
            Some(2..) => Ok(()),
            _ => Err(clients),
        }
    })
    .await;
    rig.ears
        .hears("the caller", &caller, grace.tone, true)
        .await;
    grace.does("hangup", &call, json!({})).await;
    // And the next one.
    talking(&rig, &mut grace, "Bob Stone", 1000.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_microphone_nobody_is_rung_and_everybody_knows_why() {
    let Some(rig) = Rig::open().await else { return };
    let plan = Plan {
        microphone: Microphone::Denied,
        ..Plan::default()
    };
    let mut grace = rig.at_the_door("Grace Hopper", "102", plan).await;
    grace.browser.press("Enable sound");
    grace.browser.wait_for("The microphone is blocked");
    grace
        .pages("the console says why", |p| {
            p["trouble"] == "microphone-denied" && p["ready"] == false
        })
        .await;
    // The caller waits at the desk, and rings into nothing.
    let caller = rig.caller("Rosa Diaz", 440.0).await;
    grace.card("the call waits", |c| kind(c) == "queued").await;
    let world = rig.twin.world().await.unwrap();
    let clients = rig.twin.clients().await.unwrap();
    assert_eq!(clients["clients"], json!([]), "{world:#}");
    let heard = rig.ears.music("the caller", &caller, grace.tone);
    heard.await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_tabs_one_is_the_phone_and_the_other_says_so() {
    let Some(rig) = Rig::open().await else { return };
    let mut grace = rig.worker("Grace Hopper", "102", 730.0).await;
    let url = format!("{}/phone", rig.house.anyone.url);
    grace.browser.run(&format!(
        "globalThis.other = await context.newPage(); await globalThis.other.goto({})",
        json!(url)
    ));
    let shown = |text: &str| {
        format!(
            "await globalThis.other.getByText({}).first().waitFor()",
            json!(text)
        )
    };
    grace.browser.run(&shown("Another page is your phone"));
    let (caller, call) = talking(&rig, &mut grace, "Rosa Diaz", 440.0).await;
    // One leg, one voice: the other tab neither rings nor connects.
    let clients = rig.twin.clients().await.unwrap();
    assert_eq!(
        clients["clients"].as_array().unwrap().len(),
        1,
        "{clients:#}"
    );
    grace.does("hangup", &call, json!({})).await;
    // Taken over on purpose: the first one says so now.
    let take = "await globalThis.other.getByRole('button', { name: 'Use this one' }).click()";
    grace.browser.run(take);
    grace.browser.wait_for("Another page is your phone");
    let gone = rig
        .twin
        .wait_call(&caller, "completed", std::time::Duration::from_secs(20));
    gone.await.unwrap();
    // What rings now is taken there.
    let caller = rig.caller("Bob Stone", 1000.0).await;
    let card = grace
        .card("the call waits", |c| {
            kind(c) == "queued" && c["caller"]["name"] == "Bob Stone"
        })
        .await;
    let call = card["id"].as_str().unwrap().to_owned();
    until("the other tab can talk", async || {
        let board: Value = grace.client.get("/api/board").await.ok();
        let people = board["people"].as_array().into_iter().flatten();
        let hers = people.into_iter().find(|p| p["id"] == grace.id.as_str());
        match hers {
            Some(p) if p["phone"] == "ready" => Ok(()),
            other => Err(json!(other)),
        }
    })
    .await;
    grace.does("answer", &call, json!({})).await;
    rig.ears
        .hears("the caller", &caller, grace.tone, true)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_on_another_machine_takes_the_phone_and_the_call_with_it() {
    let Some(rig) = Rig::open().await else { return };
    let mut grace = rig.worker("Grace Hopper", "102", 730.0).await;
    let (caller, _) = talking(&rig, &mut grace, "Rosa Diaz", 440.0).await;
    let plan = Plan {
        tone: 1130.0,
        ..Plan::default()
    };
    let mut mobile = rig.browser(plan);
    let token = grace.client.token.as_deref().unwrap();
    pair(&grace.client.url, token, &mut mobile).await;
    mobile.press("Use this one");
    rig.ears.hears("the caller", &caller, 1130.0, true).await;
    rig.ears.hears("the caller", &caller, 730.0, false).await;
    grace.browser.wait_for("Another page is your phone");
}

/// A server without https, of another machine: the page is at the near end of a tunnel.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_at_the_end_of_a_tunnel_talks_and_is_back_in_its_call_when_it_is_loaded_again() {
    let Some(rig) = Rig::open().await else { return };
    let way = Relay::to(rig.house.desk.server.url.port().unwrap()).await;
    let near = format!("http://localhost:{}", way.ports.1);
    let plan = Plan {
        tone: 730.0,
        plays_unasked: true,
        ..Plan::default()
    };
    let mut grace = rig.at_the_door_of(&near, "Grace Hopper", "102", plan).await;
    grace.browser.press("Enable sound");
    grace.ready().await;
    let (caller, _) = talking(&rig, &mut grace, "Rosa Diaz", 440.0).await;
    let leg = rig.leg(&mut grace, "").await;
    grace.browser.run("await page.reload()");
    rig.leg(&mut grace, &leg).await;
    rig.ears
        .hears("the caller", &caller, grace.tone, true)
        .await;
    grace.hangs_up().await;
}

/// As a browser does when a machine has slept, or when its sound system was started anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_microphone_that_the_browser_ends_is_opened_again_in_a_call_and_before_the_next() {
    let Some(rig) = Rig::open().await else { return };
    let mut grace = rig
        .at_the_door(
            "Grace Hopper",
            "102",
            Plan {
                tone: 730.0,
                ..Plan::default()
            },
        )
        .await;
    // Every track that there is, so that all of them can be ended at once.
    grace.browser.run(
        "await page.evaluate(() => {
            window.tracks = [];
            const { mediaDevices } = navigator;
            const open = mediaDevices.getUserMedia.bind(mediaDevices);
            mediaDevices.getUserMedia = async (...asked) => {
                const stream = await open(...asked);
                window.tracks.push(...stream.getTracks());
                return stream;
            };
            const { clone } = MediaStreamTrack.prototype;
            MediaStreamTrack.prototype.clone = function () {
                const track = clone.call(this);
                window.tracks.push(track);
                return track;
            };
        })",
    );
    grace.browser.press("Enable sound");
    grace.ready().await;
    let end = "return await page.evaluate(() => {
        const living = window.tracks.splice(0).filter((track) => track.readyState === 'live');
        for (const track of living) track.stop();
        return living.length;
    })";
    let (caller, _) = talking(&rig, &mut grace, "Rosa Diaz", 440.0).await;
    assert_ne!(grace.browser.run(end), json!(0), "nothing was ended");
    until("a microphone is open again", async || {
        let open = grace
            .browser
            .run("return await page.evaluate(() => window.tracks.length)");
        if open == json!(0) { Err(open) } else { Ok(()) }
    })
    .await;
    // What the caller heard before is not what they hear now.
    grace.browser.press("Mute");
    rig.ears
        .hears("the caller", &caller, grace.tone, false)
        .await;
    grace.browser.press("Unmute");
    rig.ears
        .hears("the caller", &caller, grace.tone, true)
        .await;
    grace.browser.press("Hang up");
    grace.browser.wait_for("Calls ring here");
    assert_ne!(grace.browser.run(end), json!(0), "nothing was ended");
    talking(&rig, &mut grace, "Bob Stone", 560.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_microphone_that_is_unplugged_in_a_call_is_missed_by_all_and_used_again_when_it_is_back()
{
    let Some(rig) = Rig::open().await else { return };
    let plan = Plan {
        tone: 730.0,
        ..Plan::default()
    };
    let mut grace = rig.at_the_door("Grace Hopper", "102", plan).await;
    grace.browser.run(
        "await page.evaluate(() => {
            const devices = navigator.mediaDevices;
            const list = devices.enumerateDevices.bind(devices);
            devices.enumerateDevices = async () =>
                (await list()).filter((device) => !window.unplugged || device.kind !== 'audioinput');
            window.plug = (there) => {
                window.unplugged = !there;
                devices.dispatchEvent(new Event('devicechange'));
            };
        })",
    );
    grace.browser.press("Enable sound");
    grace.ready().await;
    let (caller, call) = talking(&rig, &mut grace, "Rosa Diaz", 440.0).await;
    grace.browser.run("await page.evaluate(() => plug(false))");
    grace.browser.wait_for("No microphone found");
    let shown = grace.browser.text();
    assert!(!shown.contains("Another is used"), "{shown}");
    grace
        .pages("the console says why", |p| p["trouble"] == "no-microphone")
        .await;
    rig.ears
        .hears("the caller", &caller, grace.tone, false)
        .await;
    rig.ears.plays(&mut grace.browser, 440.0).await;

    grace.browser.run("await page.evaluate(() => plug(true))");
    rig.ears
        .hears("the caller", &caller, grace.tone, true)
        .await;
    let well = |p: &Value| p["ready"] == true && p["call"] == call.as_str();
    grace.pages("the console says so, too", well).await;
}
