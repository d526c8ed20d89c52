//! Telephones in browsers: people of the public network, with a number and no token.

use serde_json::json;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::client::Client;
use super::{Browser, dial, house, outcome, rung, sounds, text};
use crate::kit::{DESK, Kit};

const NUMBER: &str = "+15557001";
const LINE: &str = "/telephone/line?number=%2B15557001&name=Rosa%20Diaz";

/// A telephone that is plugged in.
async fn telephone(kit: &Kit) -> Browser {
    let mut telephone = Browser::at(kit, LINE).await;
    let connected = telephone.next("connected").await;
    assert_eq!(connected, json!({ "numbers": [DESK] }));
    telephone
}

/// As the page calls.
fn calling(to: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("To", to)
        .finish()
}

/// A telephone that has called the desk, the call, and the sound of its browser.
async fn rings_the_desk(kit: &Kit) -> (Browser, String, Client) {
    let mut telephone = telephone(kit).await;
    let client = Client::new(600.0);
    telephone
        .invite("T1", &client.offer(), &calling(DESK))
        .await;
    let call = text(&telephone.next("ringing").await, "callsid");
    (telephone, call, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_calls_the_desk_with_a_browser() {
    let kit = house("<Client>ada</Client>").await;
    let mut ada = Browser::registered(&kit, "ada").await;
    let (mut rosa, call, hers) = rings_the_desk(&kit).await;
    let (leg, _, _adas) = ada.takes(1500.0).await;
    let answer = rosa.next("answer").await;
    assert_eq!(answer["callsid"], call.as_str());
    hers.answered(&text(&answer, "sdp"));
    sounds(&kit, &call, "heard", 1500.0).await;
    sounds(&kit, &leg, "heard", 600.0).await;

    let asked = kit.site.seen("/voice");
    assert_eq!(asked[0].get("From"), NUMBER);
    assert_eq!(asked[0].get("To"), DESK);
    assert_eq!(asked[0].get("Direction"), "inbound");

    rosa.say("hangup", json!({ "callsid": call })).await;
    assert_eq!(outcome(&kit, &call).await, "completed");
    assert_eq!(ada.next("hangup").await["callsid"], leg.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_telephone_whose_page_is_gone_has_hung_up() {
    let kit = house("<Client>ada</Client>").await;
    let mut ada = Browser::registered(&kit, "ada").await;
    let (rosa, call, _hers) = rings_the_desk(&kit).await;
    ada.next("invite").await;
    drop(rosa);
    assert_eq!(outcome(&kit, &call).await, "completed");
    ada.next("cancel").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_desk_rings_a_telephone_by_its_number() {
    let kit = house("").await;
    let mut rosa = telephone(&kit).await;
    let call = dial(&kit, NUMBER).await;
    let (rings, _, _hers) = rosa.takes(600.0).await;
    assert_eq!(rings, call);
    sounds(&kit, &call, "said", 600.0).await;
    kit.until_status(&call, "in-progress").await;

    // One that is talked on is not interrupted: it refuses the next, as a page does.
    let second = dial(&kit, NUMBER).await;
    let invite = rosa.next("invite").await;
    assert_eq!(invite["parameters"]["From"], DESK);
    rosa.say("reject", json!({ "callsid": second })).await;
    assert_eq!(kit.until_status(&second, "busy").await["status"], "busy");

    kit.control.hangup(&call).await.unwrap();
    assert_eq!(rosa.next("hangup").await["callsid"], call.as_str());
    // Unplugged, the number is answered by whatever was told to.
    drop(rosa);
    super::connected(&kit, 0).await;
    let scripted = dial(&kit, NUMBER).await;
    kit.until_status(&scripted, "in-progress").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_is_listened_to_as_at_any_telephone() {
    let kit = house("").await;
    kit.site.twiml("/out", "<Pause length=\"3600\"/>");
    let mut rosa = telephone(&kit).await;
    let url = kit.site.at("/out");
    let form = [
        ("To", NUMBER),
        ("From", DESK),
        ("Url", url.as_str()),
        ("MachineDetection", "Enable"),
    ];
    let (status, call) = kit.post("Calls", &form).await;
    assert_eq!(status, 201, "{call}");
    let (_, _, _hers) = rosa.takes(600.0).await;
    let asked = kit.site.first("the document", "/out").await;
    assert_eq!(asked.get("AnsweredBy"), "human");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_telephone_is_no_client_and_calls_numbers_of_the_account_only() {
    let kit = house("").await;
    let mut rosa = telephone(&kit).await;
    let sdp = Client::new(600.0).offer();
    for (n, to) in ["+15559999", "", "client:ada"].into_iter().enumerate() {
        let name = format!("T{n}");
        rosa.invite(&name, &sdp, &calling(to)).await;
        assert_eq!(rosa.refused(&name).await, 31404, "{to}");
    }
    rosa.listen(&rung(&kit, "ada"), 0).await;
    assert_eq!(rosa.next("error").await["error"]["code"], 31204);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_number_and_who_comes_from_elsewhere_gets_no_line() {
    let kit = house("").await;
    let base = kit.twin.url().replace("http", "ws");
    let refusal = async |path: &str, origin: &str| {
        let mut request = format!("{base}{path}").into_client_request().unwrap();
        let origin = origin.parse().unwrap();
        request.headers_mut().insert("origin", origin);
        match tokio_tungstenite::connect_async(request).await {
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
                response.status().as_u16()
            }
            other => panic!("{path}: {other:?}"),
        }
    };
    let own = kit.twin.url();
    for number in ["", "ada", "15557001", "%2B1555%0d%0a"] {
        let path = format!("/telephone/line?number={number}");
        assert_eq!(refusal(&path, &own).await, 400, "{number}");
    }
    let long = format!("{LINE}{}", "x".repeat(64));
    assert_eq!(refusal(&long, &own).await, 400);
    assert_eq!(refusal(LINE, "https://elsewhere.example").await, 403);
}
