//! The real loop at the door, on a screen in memory, with a made-up server on a real socket.

use std::{
    future::Future,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use cordboard::{
    ask::Trouble,
    clock::Clock,
    door::{
        Answer, Door, Request, SignedIn,
        run::{ask, drive},
    },
    run::Settings,
    terminal::Screen,
    theme::Theme,
};
use cordboard_core::api::{InvitationLook, Join, Newcomer, Reset, Setup, SignIn};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::{Frame, Terminal, backend::TestBackend};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};
use url::Url;

use crate::{
    hand::MORNING,
    server::{self, INVITATION, PASSWORD, RESET, Server},
};

/// A wait with a name: what is not there after 20 s never comes.
async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
    waited.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

async fn served(server: Server) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(server::serve(listener, Arc::new(server)));
    url.parse().unwrap()
}

/// A server that answers every question with these bytes.
async fn saying(answer: &'static str) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url.parse().unwrap()
}

fn sign_in(password: &str) -> Request {
    Request::SignIn(SignIn {
        email: "ada@example.com".to_owned(),
        password: password.into(),
        ..SignIn::default()
    })
}

/// A screen whose last frame can be read from outside.
struct Paper {
    terminal: Terminal<TestBackend>,
    seen: Arc<Mutex<String>>,
}

impl Screen for Paper {
    fn frame(&mut self, draw: &mut dyn FnMut(&mut Frame<'_>)) -> io::Result<()> {
        let Ok(_) = self.terminal.draw(|frame| draw(frame));
        *self.seen.lock().unwrap() = self.terminal.backend().to_string();
        Ok(())
    }
    fn clear(&mut self) -> io::Result<()> {
        self.terminal.clear().map_err(|e| match e {})
    }
    fn size(&self) -> io::Result<(u16, u16)> {
        Ok((80, 24))
    }
    fn bell(&mut self) {}
    fn title(&mut self, _text: &str) {}
    fn mouse(&mut self, _on: bool) {}
    fn copy(&mut self, _text: &str) {}
    fn suspend(&mut self) -> io::Result<bool> {
        Ok(false)
    }
}

/// Somebody at the keyboard, who looks before they type.
struct Person {
    keys: mpsc::Sender<io::Result<Event>>,
    seen: Arc<Mutex<String>>,
}

impl Person {
    async fn sees(&self, text: &str) {
        let look = async {
            while !self.seen.lock().unwrap().contains(text) {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), look).await;
        assert!(
            waited.is_ok(),
            "no {text:?} on\n{}",
            self.seen.lock().unwrap()
        );
    }

    async fn press(&self, code: KeyCode) {
        let key = KeyEvent::new(code, KeyModifiers::NONE);
        self.keys.send(Ok(Event::Key(key))).await.unwrap();
    }

    async fn types(&self, text: &str) {
        self.keys
            .send(Ok(Event::Paste(text.to_owned())))
            .await
            .unwrap();
        self.press(KeyCode::Enter).await;
    }
}

/// Runs a door at `url` while `act` is done at its keyboard.
async fn visit<F: Future<Output = ()>>(
    url: Option<Url>,
    act: impl FnOnce(Person) -> F,
) -> Option<SignedIn> {
    let (keys, input) = mpsc::channel(16);
    let seen = Arc::new(Mutex::new(String::new()));
    let mut paper = Paper {
        terminal: Terminal::new(TestBackend::new(80, 24)).unwrap(),
        seen: seen.clone(),
    };
    let door = Door::new(url, "Console", Theme::Dark);
    let settings = Settings {
        frame_ms: 0,
        bell: false,
    };
    let clock = Clock::system();
    let running = drive(door, &mut paper, input, &clock, settings);
    let (left, ()) = within("the door to close", async {
        tokio::join!(running, act(Person { keys, seen }))
    })
    .await;
    left.unwrap()
}

#[tokio::test]
async fn somebody_comes_in() {
    let url = served(Server::default()).await;
    let left = visit(None, async |person: Person| {
        person.sees("Which server?").await;
        person.types(url.as_str()).await;
        person.sees("Who are you?").await;
        person.press(KeyCode::Enter).await;
        person.types("ada@example.com").await;
        person.types("no").await;
        person.sees("or the password is wrong").await;
        person.types(PASSWORD).await;
        person.keys.closed().await;
    })
    .await;
    let came = left.unwrap();
    assert_eq!(
        (came.tokens.me.name.as_str(), &came.url),
        ("Ada Lovelace", &url)
    );
}

#[tokio::test]
async fn somebody_leaves() {
    let url = served(Server::default()).await;
    let left = visit(Some(url), async |person: Person| {
        person.sees("Who are you?").await;
        person.press(KeyCode::Char('q')).await;
    })
    .await;
    assert!(left.is_none());
    let left = visit(None, async |person: Person| drop(person)).await;
    assert!(left.is_none(), "the terminal was closed");
}

#[tokio::test]
async fn every_question_is_asked_where_the_server_answers_it() {
    let url = served(Server {
        now: MORNING,
        personal: true,
        ..Server::default()
    })
    .await;
    assert!(matches!(ask(&url, Request::Front).await, Ok(Answer::Front(front)) if !front.setup));
    assert!(matches!(
        ask(&url, sign_in(PASSWORD)).await,
        Ok(Answer::Tokens(_))
    ));
    let look = Request::Look(InvitationLook {
        code: INVITATION.into(),
    });
    assert!(matches!(ask(&url, look).await, Ok(Answer::Seen(seen)) if seen.extension.is_some()));
    let reset = Request::Reset(Reset {
        code: RESET.into(),
        password: PASSWORD.into(),
    });
    assert!(matches!(ask(&url, reset).await, Ok(Answer::Tokens(_))));
    let closed = ask(&url, Request::Setup(Setup::default()))
        .await
        .unwrap_err();
    assert_eq!(closed.code, "setup-closed");
    let nobody = ask(&url, Request::Register(Newcomer::default()))
        .await
        .unwrap_err();
    assert_eq!(nobody.errors.len(), 4, "{nobody:?}");
    let lost = ask(&url, Request::Join(Join::default())).await.unwrap_err();
    assert_eq!(lost.code, "not-found");
    for _ in 0..3 {
        assert_eq!(ask(&url, sign_in("x")).await.unwrap_err().retry_after, None);
    }
    let held = ask(&url, sign_in("x")).await.unwrap_err();
    assert_eq!((&*held.code, held.retry_after), ("too-many", Some(12)));
}

#[tokio::test]
async fn whatever_else_answers_there_is_said_in_a_sentence() {
    let said = async |url: &Url, request: Request| {
        let trouble = within("an answer", ask(url, request)).await.unwrap_err();
        (trouble.code, trouble.detail)
    };
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
            .parse()
            .unwrap()
    };
    let (code, why) = said(&gone, Request::Front).await;
    assert_eq!(code, Trouble::UNREACHABLE);
    assert!(
        why.contains("cannot be reached") && why.contains("refused"),
        "{why}"
    );

    let page =
        saying("HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\n<html>").await;
    let (code, why) = said(&page, Request::Front).await;
    assert_eq!(code, Trouble::GARBLED);
    assert!(why.contains("Is it a Cordboard"), "{why}");

    let other =
        saying("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let (_, why) = said(&other, Request::Front).await;
    assert!(why.contains("There is no Cordboard"), "{why}");

    let moved = saying("HTTP/1.1 301 Moved\r\nlocation: http://evil.example/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    let (_, why) = said(&moved, sign_in(PASSWORD)).await;
    assert!(
        why.contains("elsewhere"),
        "the password was not carried on: {why}"
    );

    let gateway =
        saying("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
    assert_eq!(said(&gateway, Request::Front).await.0, Trouble::UNREACHABLE);

    let silent = saying("").await;
    let (code, why) = said(&silent, Request::Join(Join::default())).await;
    assert_eq!(code, Trouble::LOST);
    assert!(why.contains("It may have been done all the same"), "{why}");
    assert_eq!(
        said(&silent, sign_in(PASSWORD)).await.0,
        Trouble::UNREACHABLE
    );

    let open = "http://desk.example.com/".parse().unwrap();
    let (_, why) = said(&open, sign_in(PASSWORD)).await;
    assert!(why.contains("Use https"), "{why}");
}
