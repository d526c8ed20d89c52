//! Two hands on one call, one hand that acts twice, and a hand that lets go too early.
//!
//! Who wins is decided by rows of the store, so each of these runs on every database there is. What programs send
//! that is wrong in itself is in `hostile.rs`.

use std::{collections::HashSet, time::Duration};

use cordboard_tests::backends::every_database;
use cordboard_twin::{Behaviour, Telephone};
use futures_util::SinkExt as _;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::scene::{Scene, clean, now, until};
use super::{ADA, GRACE};

/// Fifty calls, each dropped by two operators at the same moment. One wins, and the other is told who.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_who_drop_one_call_at_once_one_wins_and_the_other_is_told_who() {
    for database in every_database().await {
        println!("on {:?}", database.kind());
        let scene = Scene::on(database, 64).await;
        let (ada, grace) = (scene.token(ADA).await, scene.token(GRACE).await);
        // Two pages that ring and are not answered.
        let (alan, edsger) = (
            scene.token("alan@demo.example").await,
            scene.token("edsger@demo.example").await,
        );
        let pages = [
            scene.page(&alan, "u3").await,
            scene.page(&edsger, "u4").await,
        ];
        let beats = pages.map(|mut page| {
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
        });
        let mut calls = Vec::new();
        for n in 0..50 {
            calls.push(
                scene
                    .ring(&ada, &format!("+1415556{n:04}"), &format!("Caller {n}"))
                    .await
                    .0,
            );
        }
        // Two calls go to slots, all others to people.
        let drop_on = |n: usize, call: &str, operator: usize, seen: u64| {
            let id = format!("round-{n}-{operator}");
            let where_to = match n {
                0 | 1 => json!({"intent": "park", "slot": format!("P{}", 2 * n + operator + 1)}),
                _ => json!({"intent": "transfer", "to": format!("u{}", 3 + operator)}),
            };
            let mut command = json!({"id": id, "do": "call", "call": call, "seen": seen});
            command
                .as_object_mut()
                .unwrap()
                .extend(where_to.as_object().unwrap().clone());
            command
        };
        let round = async |n: usize, call: &str| {
            let (_, text) = scene.get(&ada, &format!("/api/calls/{call}")).await;
            let card: Value = serde_json::from_str(&text).unwrap();
            let seen = card["rev"]
                .as_u64()
                .unwrap_or_else(|| panic!("no rev: {text}"));
            let (first, second) = (drop_on(n, call, 0, seen), drop_on(n, call, 1, seen));
            let (a, g) = tokio::join!(
                scene.command(&ada, 0, &first),
                scene.command(&grace, 0, &second)
            );
            let (loser, winner, target) = match (a.0, g.0) {
                (StatusCode::OK, StatusCode::CONFLICT) => (g.1, "Ada Lovelace", 0),
                (StatusCode::CONFLICT, StatusCode::OK) => (a.1, "Grace Hopper", 1),
                _ => panic!("round {n}: not one winner: {a:?} {g:?}"),
            };
            let why = loser["detail"].as_str().unwrap_or_default();
            assert!(
                why.contains(winner),
                "round {n}: the loser is told {why:?}, and {winner} won"
            );
            let place = scene.place(&ada, call).await;
            let there = match n {
                0 | 1 => place["slot"] == format!("P{}", 2 * n + target + 1),
                _ => place["to"] == format!("u{}", 3 + target),
            };
            assert!(there, "round {n}: {winner} won, and the call is at {place}");
            target
        };
        let rounds = calls.iter().enumerate().map(|(n, call)| round(n, call));
        let winners = futures_util::future::join_all(rounds).await;
        println!(
            "Ada won {} of {}",
            winners.iter().filter(|w| **w == 0).count(),
            winners.len()
        );
        for beat in beats {
            beat.abort();
        }
    }
}

/// Two calls for one slot: one lies there, and the other's operator is told who does.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_slot_takes_one_of_two_and_says_whom() {
    for database in every_database().await {
        println!("on {:?}", database.kind());
        let scene = Scene::on(database, 64).await;
        let (ada, grace) = (scene.token(ADA).await, scene.token(GRACE).await);
        for n in 0..10 {
            let names = [format!("Rosa {n}"), format!("Bob {n}")];
            let (rosa, _) = scene
                .ring(&ada, &format!("+1415557{n:04}"), &names[0])
                .await;
            let (bob, _) = scene
                .ring(&ada, &format!("+1415558{n:04}"), &names[1])
                .await;
            let park = |call: &str, who: &str| json!({"id": format!("{who}-{n}"), "do": "call", "call": call, "intent": "park", "slot": "P1"});
            let (first, second) = (park(&rosa, "a"), park(&bob, "g"));
            let (a, g) = tokio::join!(
                scene.command(&ada, 0, &first),
                scene.command(&grace, 0, &second)
            );
            let (loser, there) = match (a.0, g.0) {
                (StatusCode::OK, StatusCode::CONFLICT) => (g.1, 0),
                (StatusCode::CONFLICT, StatusCode::OK) => (a.1, 1),
                _ => panic!("not one winner: {a:?} {g:?}"),
            };
            let why = loser["detail"].as_str().unwrap_or_default();
            assert!(
                why.contains("P1") && why.contains(&names[there]),
                "{why:?} does not say that {} lies there",
                names[there]
            );
            for call in [rosa, bob] {
                let over = json!({"id": format!("over-{call}"), "do": "call", "call": call, "intent": "hangup"});
                let (status, said) = scene.command(&ada, 10_000, &over).await;
                assert_eq!(status, StatusCode::OK, "{said}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_command_that_is_sent_twice_acts_once_and_its_id_is_for_nothing_else() {
    for database in every_database().await {
        println!("on {:?}", database.kind());
        let scene = Scene::on(database, 64).await;
        let (ada, grace) = (scene.token(ADA).await, scene.token(GRACE).await);
        let (call, _) = scene.ring(&ada, "+14155550132", "Rosa").await;
        let park =
            json!({"id": "once", "do": "call", "call": call, "intent": "park", "slot": "P3"});
        let all =
            futures_util::future::join_all((0..10).map(|_| scene.command(&ada, 10_000, &park)))
                .await;
        for (status, said) in &all {
            assert_eq!(
                (*status, said["call"]["id"].as_str()),
                (StatusCode::OK, Some(call.as_str())),
                "{said}"
            );
        }
        let audit = scene
            .desk
            .server
            .exchange
            .store()
            .recent_audit(10_000)
            .await
            .unwrap();
        assert_eq!(
            audit.iter().filter(|row| row.kind == "command").count(),
            1,
            "it acted more than once"
        );
        let (status, said) = scene
            .command(
                &ada,
                0,
                &json!({"id": "once", "do": "call", "call": call, "intent": "hangup"}),
            )
            .await;
        assert_eq!(
            (status, said["code"].as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, Some("other-content"))
        );
        assert_eq!(scene.place(&ada, &call).await["slot"], "P3");
        // An id is its sender's: another person's is another.
        let (status, _) = scene
            .command(
                &grace,
                10_000,
                &json!({"id": "once", "do": "call", "call": call, "intent": "hangup"}),
            )
            .await;
        assert_eq!(status, StatusCode::OK);
        for bad in [
            json!({}),
            json!({"id": "", "do": "dial", "to": "+14155550188"}),
            json!({"id": "\u{1b}[2J", "do": "dial", "to": "1"}),
            json!({"id": "x".repeat(65), "do": "dial", "to": "1"}),
            json!({"id": "y", "do": "explode"}),
            json!({"id": "y", "do": "call", "call": "c_1", "intent": "park"}),
        ] {
            let (status, said) = scene.command(&ada, 0, &bad).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}: {said}");
            assert!(clean(&said), "{said:?}");
        }
    }
}

/// Grace accepts, and her page is gone before it connects. The caller is nobody's for four seconds, and then
/// anybody's again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accept_that_does_not_become_a_join_reopens_the_offer() {
    for database in every_database().await {
        println!("on {:?}", database.kind());
        let scene = Scene::on(database, 64).await;
        let (ada, grace) = (scene.token(ADA).await, scene.token(GRACE).await);
        let mut page = scene.page(&grace, "u2").await;
        let (call, _) = scene.ring(&ada, "+14155550132", "Rosa").await;
        page.say(&json!({"t": "accept", "call": call})).await;
        until("Grace's accept is on the board", async || {
            let place = scene.place(&ada, &call).await;
            if place["kind"] == "connecting" && place["user"] == "u2" {
                Ok(())
            } else {
                Err(place.to_string())
            }
        })
        .await;
        let accepted = now();
        drop(page);
        let (status, said) = scene
            .command(
                &ada,
                0,
                &json!({"id": "mine", "do": "call", "call": call, "intent": "park"}),
            )
            .await;
        assert_eq!(status, StatusCode::CONFLICT, "{said}");
        assert!(
            said["detail"]
                .as_str()
                .is_some_and(|why| why.contains("Grace Hopper")),
            "{said}"
        );
        until("the caller waits at the desk again", async || {
            let place = scene.place(&ada, &call).await;
            if place["kind"] == "queued" {
                Ok(())
            } else {
                Err(place.to_string())
            }
        })
        .await;
        let took = accepted.elapsed();
        assert!(
            (Duration::from_secs(3)..=Duration::from_secs(5)).contains(&took),
            "it took {took:?}"
        );
        let (status, said) = scene
            .command(
                &ada,
                10_000,
                &json!({"id": "park", "do": "call", "call": call, "intent": "park"}),
            )
            .await;
        assert_eq!(status, StatusCode::OK, "{said}");
    }
}

/// Three callers are sent to one person's telephone, and the carrier takes one dial a second: what has not left yet
/// is not looked for, and no telephone is taken for another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dial_that_waits_for_its_turn_takes_nobody_elses_telephone() {
    let scene = Scene::open(64).await;
    let ada = scene.token(ADA).await;
    let barbara = Telephone {
        number: "+14155550177".to_owned(),
        behaviour: Behaviour::Rings,
    };
    scene.control.telephones(&[barbara]).await.unwrap();
    for n in 0..3 {
        let from = format!("+1415555{n:04}");
        let (call, _) = scene.ring(&ada, &from, &format!("Caller {n}")).await;
        let send = json!({"id": format!("send-{n}"), "do": "call", "call": call, "intent": "transfer", "to": "u5"});
        let (status, said) = scene.command(&ada, 0, &send).await;
        assert_eq!(status, StatusCode::OK, "{said}");
    }
    until("three telephones ring, a second apart", async || {
        let board = scene.board(&ada).await;
        let legs = board["calls"].as_array().unwrap().iter();
        let legs = legs.flat_map(|call| call["legs"].as_array().unwrap());
        let telephones = legs.filter(|leg| leg["role"] == "person" && !leg["sid"].is_null());
        let sids: Vec<&str> = telephones.map(|leg| leg["sid"].as_str().unwrap()).collect();
        let different: HashSet<&&str> = sids.iter().collect();
        assert_eq!(
            different.len(),
            sids.len(),
            "one telephone, two calls: {board}"
        );
        if sids.len() == 3 {
            Ok(())
        } else {
            Err(board.to_string())
        }
    })
    .await;
}
