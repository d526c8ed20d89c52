//! The link against a real socket: how it presents itself, what it makes of silence and refusals, and that it
//! comes back.

use std::{future::Future, time::Duration};

use cordboard::{
    app::{LinkNews, Msg},
    client::Credentials,
    clock::Clock,
    net::{Wire, start},
};
use cordboard_core::wire::{ClientMsg, ServerMsg, VERSION};
use futures_util::{SinkExt, StreamExt};
use secrecy::SecretString;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
    },
};

/// A wait with a name: what is not there after 20 s never comes.
async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
    waited.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

async fn listening() -> (TcpListener, Credentials) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let token = SecretString::from("s3cret".to_owned());
    let credentials = Credentials::bearer(url.parse().unwrap(), token);
    (listener, credentials.unwrap())
}

/// Takes one console, and returns how it asked.
async fn accept(listener: &TcpListener) -> (WebSocketStream<TcpStream>, String, Option<String>) {
    let (stream, _) = within("a connection", listener.accept()).await.unwrap();
    let mut asked = (String::new(), None);
    #[expect(clippy::result_large_err, reason = "the shape the library asks for")]
    let look = |request: &Request, response: Response| {
        let bearer = request
            .headers()
            .get("authorization")
            .map(|v| v.to_str().unwrap().to_owned());
        asked = (request.uri().to_string(), bearer);
        Ok(response)
    };
    let socket = within("the upgrade", accept_hdr_async(stream, look))
        .await
        .unwrap();
    (socket, asked.0, asked.1)
}

/// The next news that is not the answer to a ping.
async fn next(wire: &mut Wire, what: &str) -> Msg {
    loop {
        match within(what, wire.incoming.recv()).await {
            Some(Msg::Link(LinkNews::Rtt(_))) => {}
            Some(msg) => return msg,
            None => panic!("the link ended instead of {what}"),
        }
    }
}

async fn hear(socket: &mut WebSocketStream<TcpStream>, what: &str) -> ClientMsg {
    loop {
        if let Message::Text(text) = within(what, socket.next()).await.unwrap().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

#[tokio::test]
async fn the_token_is_in_the_header_and_the_link_comes_back_when_it_is_cut() {
    let (listener, target) = listening().await;
    let mut wire = start(target, Clock::system(), 7);
    assert_eq!(
        next(&mut wire, "connecting").await,
        Msg::Link(LinkNews::Connecting)
    );

    let (mut socket, path, bearer) = accept(&listener).await;
    assert_eq!(
        (path.as_str(), bearer.as_deref()),
        ("/ws/console", Some("Bearer s3cret"))
    );
    assert_eq!(next(&mut wire, "open").await, Msg::Link(LinkNews::Open));

    wire.outgoing
        .send(ClientMsg::Hello {
            version: VERSION,
            since: None,
        })
        .await
        .unwrap();
    let hello = ClientMsg::Hello {
        version: VERSION,
        since: None,
    };
    assert_eq!(
        hear(&mut socket, "hello").await,
        hello,
        "a ping must not come first"
    );
    assert_eq!(hear(&mut socket, "a ping").await, ClientMsg::Ping { n: 1 });
    let pong = serde_json::to_string(&ServerMsg::Pong { n: 1 }).unwrap();
    socket.send(Message::text(pong)).await.unwrap();
    let measured = within("a measured way there and back", wire.incoming.recv()).await;
    assert!(
        matches!(measured, Some(Msg::Link(LinkNews::Rtt(_)))),
        "{measured:?}"
    );

    drop(socket);
    let cut = next(&mut wire, "the loss").await;
    assert!(
        matches!(&cut, Msg::Link(LinkNews::Closed { next: Some(_), .. })),
        "{cut:?}"
    );
    assert_eq!(
        next(&mut wire, "another try").await,
        Msg::Link(LinkNews::Connecting)
    );
    // Said while there was nobody to hear it: void.
    wire.outgoing.send(ClientMsg::Resync).await.unwrap();
    let (mut socket, ..) = accept(&listener).await;
    assert_eq!(
        next(&mut wire, "open again").await,
        Msg::Link(LinkNews::Open)
    );
    wire.outgoing.send(hello.clone()).await.unwrap();
    assert_eq!(
        hear(&mut socket, "hello again").await,
        hello,
        "and not the resync"
    );
}

#[tokio::test]
async fn a_refusal_is_final_and_says_what_to_do() {
    let (listener, target) = listening().await;
    let mut wire = start(target, Clock::system(), 7);
    next(&mut wire, "connecting").await;
    let (mut stream, _) = within("a connection", listener.accept()).await.unwrap();
    let mut request = [0_u8; 2048];
    within("the request", stream.read(&mut request))
        .await
        .unwrap();
    let answer = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer).await.unwrap();
    match next(&mut wire, "the refusal").await {
        Msg::Link(LinkNews::SignedOut(why)) => {
            assert!(why.contains("cordboard login"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        within("the end of the link", wire.incoming.recv()).await,
        None
    );
}

#[tokio::test]
async fn a_farewell_decides_whether_it_is_tried_again() {
    for again in [true, false] {
        let (listener, target) = listening().await;
        let mut wire = start(target, Clock::system(), 7);
        next(&mut wire, "connecting").await;
        let (mut socket, ..) = accept(&listener).await;
        next(&mut wire, "open").await;
        let bye = ServerMsg::Bye {
            why: "The server is being updated.".to_owned(),
            again,
        };
        socket
            .send(Message::text(serde_json::to_string(&bye).unwrap()))
            .await
            .unwrap();
        match next(&mut wire, "the farewell").await {
            Msg::Link(LinkNews::Closed { why, next }) => {
                assert_eq!(
                    (why.as_str(), next.is_some()),
                    ("The server is being updated.", again)
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_ends_the_connection_and_not_the_console() {
    let (listener, target) = listening().await;
    let mut wire = start(target, Clock::system(), 7);
    next(&mut wire, "connecting").await;
    let (mut socket, ..) = accept(&listener).await;
    next(&mut wire, "open").await;
    socket
        .send(Message::text("{\"t\":\"from the future\"}"))
        .await
        .unwrap();
    match next(&mut wire, "the loss").await {
        Msg::Link(LinkNews::Closed { why, next: Some(_) }) => {
            assert!(why.contains("same version"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_proxy_that_knows_nobody_is_asked_again() {
    let (listener, target) = listening().await;
    let mut wire = start(target, Clock::system(), 7);
    next(&mut wire, "connecting").await;
    let (mut stream, _) = within("a connection", listener.accept()).await.unwrap();
    let mut request = [0_u8; 2048];
    within("the request", stream.read(&mut request))
        .await
        .unwrap();
    let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    stream.write_all(answer).await.unwrap();
    match next(&mut wire, "the loss").await {
        Msg::Link(LinkNews::Closed { why, next: Some(_) }) => {
            assert!(why.contains("no Cordboard at"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}
