//! Two people with a browser each.

use super::rig::{DESK, Rig};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_devices_hear_each_other_and_not_themselves() {
    let Some(rig) = Rig::open().await else { return };
    rig.twiml(
        "/app",
        &format!("<Dial callerId=\"{DESK}\"><Client>eve</Client></Dial>"),
    );
    let mut ada = rig.page(600.0);
    let mut eve = rig.page(1500.0);
    ada.register(&rig.token("ada", 3600));
    eve.register(&rig.token("eve", 3600));

    ada.run("await connect()");
    ada.came("call ringing false");
    let calls = ada.call();
    eve.came("device incoming");
    let from = eve.run("return call.parameters.From");
    assert_eq!(from, DESK);
    eve.run("accept()");
    eve.came("call accept");
    ada.came("call accept");
    let rings = eve.call();

    rig.sound(&calls, "said", ada.tone, true).await;
    rig.sound(&calls, "heard", eve.tone, true).await;
    rig.sound(&calls, "heard", ada.tone, false).await;
    rig.sound(&rings, "heard", ada.tone, true).await;
    rig.sound(&rings, "heard", eve.tone, false).await;
    ada.plays(eve.tone, ada.tone);
    eve.plays(ada.tone, eve.tone);

    ada.run("call.disconnect()");
    ada.came("call disconnect");
    eve.came("call disconnect");
    rig.status(&calls, "completed").await;
    rig.status(&rings, "completed").await;
    for page in [&mut ada, &mut eve] {
        let events = page.run("return events");
        assert!(!events.to_string().contains("error"), "{events:#}");
        assert_eq!(page.outside(), serde_json::json!([]));
    }
}
