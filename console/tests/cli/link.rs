//! The console's link lives off the same sign-in: a fresh token at every connection, and no end but the sign-in's.

use std::time::Duration;

use cordboard::{
    app::{LinkNews, Msg},
    clock::Clock,
    net::{self, Wire},
};
use cordboard_core::wire::{ClientMsg, ServerMsg, VERSION};
use serde_json::{Value, json};

use crate::{kit::refusal, script::Script};

/// What the link says next, other than that it tries.
async fn next(wire: &mut Wire) -> Msg {
    let said = async {
        loop {
            match wire.incoming.recv().await {
                Some(Msg::Link(LinkNews::Connecting)) => {}
                Some(msg) => return msg,
                None => panic!("the link is over"),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), said)
        .await
        .expect("news of the link")
}

async fn greeted(wire: &mut Wire) {
    assert!(matches!(next(wire).await, Msg::Link(LinkNews::Open)));
    let hello = ClientMsg::Hello {
        version: VERSION,
        since: None,
    };
    wire.outgoing.send(hello).await.unwrap();
    match next(wire).await {
        Msg::Server(said) => assert!(matches!(*said, ServerMsg::Welcome { .. })),
        other => panic!("{other:?}"),
    }
}

async fn lost(wire: &mut Wire) -> (String, bool) {
    match next(wire).await {
        Msg::Link(LinkNews::Closed { why, next }) => (why, next.is_some()),
        Msg::Link(LinkNews::SignedOut(why)) => (why, false),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_connection_has_a_token_that_is_good() {
    let script = Script::start().await;
    let (_home, env) = script.signed_in(600).await;
    let mut wire = net::start(env.signed_in(None).unwrap(), Clock::system(), 7);
    greeted(&mut wire).await;
    let asked = script.asked();
    assert_eq!(
        (&*asked[0].line, &*asked[1].line),
        ("POST /api/token", "GET /ws/console")
    );
    assert_eq!(asked[1].bearer.as_deref(), Some("access-2"));

    // The server is other about this token than we: by the next connection it is another.
    script.expire();
    script.news.send(Value::Null).unwrap();
    assert!(lost(&mut wire).await.1, "it is tried again");
    greeted(&mut wire).await;
    let tokens: Vec<_> = script
        .asked()
        .into_iter()
        .filter(|a| a.line == "GET /ws/console")
        .map(|a| a.bearer.unwrap())
        .collect();
    assert_eq!(tokens, ["access-2", "access-3"]);
}

#[tokio::test]
async fn an_error_that_passes_is_waited_for_and_the_end_of_the_sign_in_is_not() {
    let script = Script::start().await;
    let busy = refusal(503, "unavailable", "The database is not there.");
    let (_home, env) = script.signed_in(600).await;
    script.says("POST /api/token", 503, busy).says(
        "POST /api/token",
        401,
        refusal(401, "not-signed-in", "This sign-in has ended."),
    );
    let mut wire = net::start(env.signed_in(None).unwrap(), Clock::system(), 7);
    let (why, again) = lost(&mut wire).await;
    assert!(again && why.contains("The database is not there"), "{why}");
    let (why, again) = lost(&mut wire).await;
    assert!(!again && why.contains("cordboard login"), "{why}");
    let kept = std::fs::read_to_string(env.file.as_ref().unwrap()).unwrap();
    assert!(!kept.contains("refresh-1"), "{kept}");
    assert_eq!(
        serde_json::from_str::<Value>(&kept).unwrap()["at"],
        json!({})
    );
}
