//! Pairing a phone page with a console, and what goes from the one to the other.

use std::time::Duration;

use cordboard_core::{
    api::{PairingClaimed, PairingMade, Ticket, Tokens},
    wire::PairingAsk,
};
use cordboard_tests::backends::TestDatabase;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _, http::HeaderValue},
};

use super::kit::{Client, House};

on_both!(
    a_page_is_let_in_by_the_console_that_shows_the_code,
    a_code_is_good_once_and_whoever_stole_it_gets_a_question_on_the_screen,
    a_page_that_is_refused_is_told_so_and_gets_nothing,
    codes_cannot_be_guessed_in_bulk,
    a_console_sees_its_page_and_mutes_it,
    a_page_hears_of_its_server_though_nothing_happens,
    a_ticket_opens_one_socket_of_one_origin,
    presence_is_who_is_connected_within_a_second,
);

/// A socket that is listened to with a name for each wait.
pub(crate) struct Line(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Line {
    async fn open(
        client: &Client,
        path: &str,
        headers: &[(&'static str, String)],
    ) -> Result<Self, u16> {
        let url = format!("{}{path}", client.url.replacen("http", "ws", 1));
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).unwrap();
            request.headers_mut().insert(*name, value);
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(no)) => Err(no.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    /// Whether a socket opens with that bearer, or the status it is refused with.
    pub(crate) async fn open_with(client: &Client, path: &str, bearer: &str) -> Result<(), u16> {
        let headers = [("authorization", bearer.to_owned())];
        Self::open(client, path, &headers).await.map(drop)
    }

    /// The socket of somebody who is signed in, after hello.
    pub(crate) async fn of(client: &Client, path: &str) -> Self {
        let hello = json!({ "t": "hello", "version": 2 });
        Self::greeted(client, path, hello).await.0
    }

    /// The same, after a hello of their own, with the server's welcome.
    pub(crate) async fn greeted(client: &Client, path: &str, hello: Value) -> (Self, Value) {
        let bearer = format!("Bearer {}", client.token.as_ref().unwrap());
        let mut line = Self::open(client, path, &[("authorization", bearer)])
            .await
            .unwrap();
        line.say(hello).await;
        let welcome = line.until("welcome", |m| m["t"] == "welcome").await;
        (line, welcome)
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    /// The next message; none: the socket is closed.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        while let Some(Ok(message)) = self.0.next().await {
            if let Message::Text(text) = message {
                return Some(serde_json::from_str(&text).unwrap());
            }
        }
        None
    }

    /// The first message that fits.
    pub(crate) async fn until(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let mut heard = Vec::new();
        let waiting = async {
            while let Some(message) = self.next().await {
                if fits(&message) {
                    return Some(message);
                }
                heard.push(message["t"].clone());
            }
            None
        };
        match tokio::time::timeout(Duration::from_secs(20), waiting).await {
            Ok(Some(message)) => message,
            Ok(None) => panic!("never: {name}; the socket was closed after {heard:?}"),
            Err(late) => panic!("never: {name} ({late}); only {heard:?}"),
        }
    }
}

async fn poll(client: &Client, claimed: &PairingClaimed) -> super::kit::Said {
    let body = json!({ "device_code": claimed.device_code });
    client.post("/api/pairings/poll", body).await
}

/// A page that is paired with Ada's console.
pub(crate) async fn page_of(house: &House) -> Tokens {
    let made: PairingMade = house.ada.post("/api/pairings", json!({})).await.ok();
    let claim = json!({ "code": made.code, "device": "Firefox on Linux" });
    let claimed: PairingClaimed = house.anyone.post("/api/pairings/claim", claim).await.ok();
    let confirm = format!("/api/pairings/{}/confirm", made.id);
    house.ada.post(&confirm, json!({})).await.ok::<Value>();
    poll(&house.anyone, &claimed).await.ok()
}

async fn a_page_is_let_in_by_the_console_that_shows_the_code(database: TestDatabase) {
    let house = House::open(database).await;
    let mut console = Line::of(&house.ada, "/ws/console").await;
    let made: PairingMade = house.ada.post("/api/pairings", json!({})).await.ok();
    assert!(made.expires_in <= 600 && made.code.len() == 9, "{made:?}");
    assert!(
        made.link.ends_with(&format!("/phone#{}", &*made.code)),
        "{made:?}"
    );
    let claim =
        json!({ "code": made.code.to_lowercase().replace('-', " "), "device": "Firefox on Linux" });
    let claimed: PairingClaimed = house.anyone.post("/api/pairings/claim", claim).await.ok();
    let news = console
        .until("the console is asked", |m| {
            m["t"] == "pairing" && !m["asks"].is_null()
        })
        .await;
    let asks: PairingAsk = serde_json::from_value(news["asks"].clone()).unwrap();
    assert_eq!(
        (asks.device.as_str(), asks.check.as_str()),
        ("Firefox on Linux", claimed.check.as_str())
    );
    assert_eq!(
        poll(&house.anyone, &claimed).await.no(),
        "authorization-pending"
    );
    assert_eq!(poll(&house.anyone, &claimed).await.no(), "slow-down");
    // Nobody else can let it in: not somebody else, not another console of the same person.
    let (grace, _) = house.join("Grace Hopper", "102", "admin").await;
    let other = house.anyone.login("ada@example.com").await;
    let confirm = format!("/api/pairings/{}/confirm", made.id);
    for client in [&grace, &house.anyone.with(&other.access)] {
        assert_eq!(client.post(&confirm, json!({})).await.no(), "not-found");
    }
    house.ada.post(&confirm, json!({})).await.ok::<Value>();
    console
        .until("the question is gone", |m| {
            m["t"] == "pairing" && m["asks"].is_null()
        })
        .await;
    let page: Tokens = poll(&house.anyone, &claimed).await.ok();
    assert_eq!(page.me.id, house.tokens.me.id);
    // Once.
    assert_eq!(poll(&house.anyone, &claimed).await.no(), "expired-token");
    let phone = house.anyone.with(&page.access);
    let sessions: Value = phone
        .get(&format!("/api/people/{}/sessions", page.me.id))
        .await
        .ok();
    let kinds: Vec<_> = sessions["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds.iter().filter(|k| **k == "phone").count(),
        1,
        "{sessions}"
    );
    // A page is no console.
    let bearer = format!("Bearer {}", &*page.access);
    let no = Line::open(&phone, "/ws/console", &[("authorization", bearer)]).await;
    assert_eq!(no.err(), Some(403));
    assert_eq!(
        phone.post("/api/pairings", json!({})).await.no(),
        "not-allowed"
    );
}

async fn a_code_is_good_once_and_whoever_stole_it_gets_a_question_on_the_screen(
    database: TestDatabase,
) {
    let house = House::open(database).await;
    let made: PairingMade = house.ada.post("/api/pairings", json!({})).await.ok();
    let claim = json!({ "code": made.code, "device": "thief" });
    let stolen: PairingClaimed = house
        .anyone
        .post("/api/pairings/claim", claim.clone())
        .await
        .ok();
    // The right page comes second, and is told so: that is how the theft is noticed at the other end.
    assert_eq!(
        house.anyone.post("/api/pairings/claim", claim).await.no(),
        "not-found"
    );
    let refuse = format!("/api/pairings/{}", made.id);
    house.ada.delete(&refuse).await.ok::<Value>();
    assert_eq!(poll(&house.anyone, &stolen).await.no(), "access-denied");
    // A new code takes the place of one that is open.
    let first: PairingMade = house.ada.post("/api/pairings", json!({})).await.ok();
    let second: PairingMade = house.ada.post("/api/pairings", json!({})).await.ok();
    let claim = json!({ "code": first.code });
    assert_eq!(
        house.anyone.post("/api/pairings/claim", claim).await.no(),
        "not-found"
    );
    house
        .anyone
        .post("/api/pairings/claim", json!({ "code": second.code }))
        .await
        .ok::<Value>();
}

async fn a_page_that_is_refused_is_told_so_and_gets_nothing(database: TestDatabase) {
    let house = House::open(database).await;
    let made: PairingMade = house.ada.post("/api/pairings", json!({})).await.ok();
    let confirm = format!("/api/pairings/{}/confirm", made.id);
    assert_eq!(house.ada.post(&confirm, json!({})).await.no(), "refused");
    let claimed: PairingClaimed = house
        .anyone
        .post("/api/pairings/claim", json!({ "code": made.code }))
        .await
        .ok();
    let forged = claimed.device_code.replace(['0', '1', '2'], "9");
    let body = json!({ "device_code": forged });
    assert_eq!(
        house.anyone.post("/api/pairings/poll", body).await.no(),
        "expired-token"
    );
    house
        .ada
        .delete(&format!("/api/pairings/{}", made.id))
        .await
        .ok::<Value>();
    assert_eq!(poll(&house.anyone, &claimed).await.no(), "access-denied");
    assert_eq!(house.ada.post(&confirm, json!({})).await.no(), "not-found");
}

async fn codes_cannot_be_guessed_in_bulk(database: TestDatabase) {
    let house = House::open(database).await;
    let thief = house.anyone.from("203.0.113.7");
    let mut said = Vec::new();
    for _ in 0..40 {
        said.push(
            thief
                .post("/api/pairings/claim", json!({ "code": "BBBB-BBBB" }))
                .await,
        );
    }
    let sent_away = said.iter().filter(|s| s.no() == "too-many").count();
    assert!(sent_away >= 25, "{sent_away}");
    // Nobody else waits for that.
    page_of(&house).await;
}

async fn a_console_sees_its_page_and_mutes_it(database: TestDatabase) {
    let house = House::open(database).await;
    let mut console = Line::of(&house.ada, "/ws/console").await;
    let tokens = page_of(&house).await;
    let phone = house.anyone.with(&tokens.access);
    let mut page = Line::of(&phone, "/ws/phone").await;
    page.say(json!({ "t": "heartbeat", "ready": true, "muted": false }))
        .await;
    let seen = console
        .until("the page is shown", |m| {
            m["t"] == "pages" && m["pages"][0]["ready"] == true
        })
        .await;
    assert_eq!(seen["pages"][0]["device"], "Firefox on Linux");
    assert_eq!(seen["pages"][0]["muted"], false);
    console
        .say(json!({ "t": "page", "page": tokens.session, "order": "mute", "on": true }))
        .await;
    page.until("the page is told", |m| m["t"] == "mute" && m["on"] == true)
        .await;
    // Not shown before it is so.
    page.say(json!({ "t": "heartbeat", "ready": true, "muted": true }))
        .await;
    console
        .until("muted is shown", |m| {
            m["t"] == "pages" && m["pages"][0]["muted"] == true
        })
        .await;
    // Another's page is nobody's to mute.
    let (grace, _) = house.join("Grace Hopper", "102", "admin").await;
    let mut other = Line::of(&grace, "/ws/console").await;
    other
        .say(json!({ "t": "page", "page": tokens.session, "order": "mute", "on": false }))
        .await;
    let none = other.until("her own pages", |m| m["t"] == "pages").await;
    assert_eq!(none["pages"], json!([]));
    // It goes, and the console is told at once.
    drop(page);
    console
        .until("the page is gone", |m| {
            m["t"] == "pages" && m["pages"] == json!([])
        })
        .await;
}

async fn a_page_hears_of_its_server_though_nothing_happens(database: TestDatabase) {
    let house = House::open(database).await;
    let phone = house.anyone.with(&page_of(&house).await.access);
    let hello = json!({ "t": "hello", "version": 2 });
    let (mut page, welcome) = Line::greeted(&phone, "/ws/phone", hello).await;
    let promised = Duration::from_millis(welcome["pulse_ms"].as_u64().unwrap());
    let first = page.until("what it should do", |m| m["t"] == "state").await;
    // Twice, or it would be chance; and before a page gives its socket up.
    for _ in 0..2 {
        let again = page.until("the same again", |m| m["t"] == "state");
        let again = tokio::time::timeout(2 * promised, again).await;
        assert_eq!(again.expect("as soon as it promised"), first);
    }
}

async fn a_ticket_opens_one_socket_of_one_origin(database: TestDatabase) {
    let house = House::open(database).await;
    let ours = house.anyone.url.clone();
    let ticket: Ticket = house.ada.post("/api/ticket", json!({})).await.ok();
    let protocols = |ticket: &str| {
        (
            "sec-websocket-protocol",
            format!("cordboard, ticket.{ticket}"),
        )
    };
    // A page from elsewhere has no business here, ticket or not; nor has one of another port of the browser's machine,
    // or one whose name was made to lead here.
    let host = ours.strip_prefix("http://").unwrap().to_owned();
    for (origin, host, yes) in [
        ("https://evil.example", &*host, false),
        ("null", &host, false),
        (&format!("{ours}.evil.example"), &host, false),
        ("http://127.0.0.1:1", &host, false),
        ("http://localhost:9000", &host, false),
        ("http://localhost:9000", "localhost:9001", false),
        ("http://evil.example:9000", "evil.example:9000", false),
        (
            "http://localhost.evil.example",
            "localhost.evil.example",
            false,
        ),
        // A tunnel.
        ("http://localhost:9000", "localhost:9000", true),
        ("http://127.0.0.1:9000", "127.0.0.1:9000", true),
        ("http://[::1]:9000", "[::1]:9000", true),
        ("http://localhost", "localhost", true),
    ] {
        let ticket: Ticket = house.ada.post("/api/ticket", json!({})).await.ok();
        let headers = [
            protocols(&ticket.ticket),
            ("origin", origin.to_owned()),
            ("host", host.to_owned()),
        ];
        let line = Line::open(&house.anyone, "/ws/console", &headers).await;
        let no = (!yes).then_some(403);
        assert_eq!(line.err(), no, "{origin} asks {host}");
    }
    let headers = [protocols(&ticket.ticket), ("origin", ours)];
    let mut line = Line::open(&house.anyone, "/ws/console", &headers)
        .await
        .unwrap();
    line.say(json!({ "t": "hello", "version": 2 })).await;
    line.until("welcome", |m| m["t"] == "welcome").await;
    let again = Line::open(&house.anyone, "/ws/console", &headers).await;
    assert_eq!(again.err(), Some(401));
    // Not for anything else than a socket.
    let none = house.anyone.get("/api/me").await;
    assert_eq!(none.no(), "not-signed-in");
}

async fn presence_is_who_is_connected_within_a_second(database: TestDatabase) {
    let house = House::open(database).await;
    let (grace, tokens) = house.join("Grace Hopper", "102", "agent").await;
    let mut console = Line::of(&house.ada, "/ws/console").await;
    let id = json!(tokens.me.id);
    let is = |m: &Value, online: &str| {
        m["t"] == "presence"
            && m["people"]
                .as_array()
                .unwrap()
                .iter()
                .any(|p| p["id"] == id && p["online"] == online)
    };
    let hers = Line::of(&grace, "/ws/console").await;
    console.until("she is online", |m| is(m, "online")).await;
    drop(hers);
    console.until("she is offline", |m| is(m, "offline")).await;
    let path = format!("/api/people/{}/status", tokens.me.id);
    let away = json!({ "presence": "away", "presence_text": "lunch" });
    grace.put(&path, away).await.ok::<Value>();
    console
        .until("she is away", |m| {
            m["t"] == "presence"
                && m["people"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|p| p["presence_text"] == "lunch")
        })
        .await;
    let other = format!("/api/people/{}/status", house.tokens.me.id);
    let dnd = json!({ "presence": "dnd" });
    assert_eq!(grace.put(&other, dnd).await.no(), "not-allowed");
}
