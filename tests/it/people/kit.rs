//! A client that says what it was answered, and a house with one administrator.

use cordboard::softphone::{Manner, Person, Softphone, World};
use cordboard_core::api::{Account, Tokens};
use cordboard_tests::{
    backends::TestDatabase,
    desk::{Desk, Plan},
};
use rand::{SeedableRng as _, rngs::StdRng};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A good password: nobody guesses it, and everybody here has it.
pub(crate) const PASSWORD: &str = "copper lantern fiddle";

/// What a request was answered with.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    pub(crate) retry_after: Option<u32>,
}

impl Said {
    /// The body, if it went well.
    #[track_caller]
    pub(crate) fn ok<T: DeserializeOwned>(self) -> T {
        assert!(self.status.is_success(), "{self:?}");
        serde_json::from_value(self.body).unwrap()
    }

    /// The problem's code, if it did not.
    #[track_caller]
    pub(crate) fn no(&self) -> &str {
        assert!(!self.status.is_success(), "{self:?}");
        assert_eq!(self.body["status"], self.status.as_u16(), "{self:?}");
        self.body["code"].as_str().unwrap()
    }

    /// The fields that are wrong.
    #[track_caller]
    pub(crate) fn fields(&self) -> Vec<&str> {
        assert_eq!(self.no(), "invalid", "{self:?}");
        let errors = self.body["errors"].as_array().unwrap();
        errors
            .iter()
            .map(|e| e["field"].as_str().unwrap())
            .collect()
    }
}

/// Somebody with a program.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) url: String,
    pub(crate) token: Option<String>,
    http: reqwest::Client,
    from: Option<String>,
}

impl Client {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            token: None,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            from: None,
        }
    }

    /// The same, as whoever has that token.
    pub(crate) fn with(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// The same, from behind a proxy that says it comes from there.
    pub(crate) fn from(&self, address: &str) -> Self {
        Self {
            from: Some(address.to_owned()),
            ..self.clone()
        }
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Said {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(from) = &self.from {
            request = request.header("x-forwarded-for", from);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let retry_after = response
            .headers()
            .get("retry-after")
            .map(|v| v.to_str().unwrap().parse().unwrap());
        let kind = response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        let wanted = if status.is_success() {
            "application/json"
        } else {
            "application/problem+json"
        };
        let text = response.text().await.unwrap();
        assert_eq!(kind, wanted, "{path}: {status} {text}");
        Said {
            status,
            body: serde_json::from_str(&text).unwrap(),
            retry_after,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Said {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Said {
        self.ask(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Said {
        self.ask(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Said {
        self.ask(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Said {
        self.ask(Method::DELETE, path, None).await
    }

    pub(crate) async fn login(&self, email: &str) -> Tokens {
        let body = json!({ "email": email, "password": PASSWORD, "device": "a test" });
        self.post("/api/login", body).await.ok()
    }

    pub(crate) async fn me(&self) -> Account {
        self.get("/api/me").await.ok()
    }
}

/// How somebody new writes themselves down.
pub(crate) fn newcomer(name: &str, extension: &str) -> Value {
    let first = name.split(' ').next().unwrap().to_lowercase();
    json!({
        "name": name, "email": format!("{first}@example.com"), "password": PASSWORD,
        "extension": extension, "device": format!("{first}'s console"),
    })
}

/// What the server has printed for whoever comes first.
pub(crate) fn setup_code(desk: &Desk) -> String {
    let code = desk.server.setup_code.as_ref();
    code.expect("an empty house prints a set-up code")
        .expose_secret()
        .to_owned()
}

/// A house with Ada in it, who runs it.
pub(crate) struct House {
    pub(crate) desk: Desk,
    /// Nobody.
    pub(crate) anyone: Client,
    /// Ada.
    pub(crate) ada: Client,
    pub(crate) tokens: Tokens,
}

impl House {
    pub(crate) async fn open(database: TestDatabase) -> Self {
        let desk = Box::pin(Desk::open(Plan::empty(database))).await;
        let anyone = Client::new(desk.server.url.as_str());
        let code = setup_code(&desk);
        let body = json!({ "code": code, "person": newcomer("Ada Lovelace", "101") });
        let tokens: Tokens = anyone.post("/api/setup", body).await.ok();
        let ada = anyone.with(&tokens.access);
        Self {
            desk,
            anyone,
            ada,
            tokens,
        }
    }

    /// Somebody who was invited to be that, and has joined.
    pub(crate) async fn join(&self, name: &str, extension: &str, role: &str) -> (Client, Tokens) {
        let invited: Value = self
            .ada
            .post("/api/invitations", json!({ "role": role }))
            .await
            .ok();
        let body = json!({ "code": invited["code"], "person": newcomer(name, extension) });
        let tokens: Tokens = self.anyone.post("/api/join", body).await.ok();
        (self.anyone.with(&tokens.access), tokens)
    }

    /// A caller rings one of our numbers.
    pub(crate) async fn ring(&self, from: &str, to: &str) {
        let caller = cordboard_twin::Caller {
            from: from.to_owned(),
            to: to.to_owned(),
            ..Default::default()
        };
        self.desk.twin.control().call(&caller).await.unwrap();
    }

    /// The phone page of somebody who works here. What rings there waits for a hand.
    pub(crate) async fn phone(&self, email: &'static str) -> Softphone {
        let person = Person {
            name: email,
            email,
            password: PASSWORD,
            manner: Manner::Waits,
        };
        let world = World {
            server: self.desk.server.url.clone(),
            twin: self.desk.twin.control(),
            clock: self.desk.twin.clock().clone(),
            stop: self.desk.stop.clone(),
        };
        let (mut phone, life) = Softphone::open(person, world, StdRng::seed_from_u64(7));
        tokio::spawn(life);
        phone.ready().await;
        phone
    }

    /// One of our numbers, whose callers wait at the desk.
    pub(crate) async fn open_number(&self, number: &str) {
        self.buy(number).await;
        let way = json!({ "route": [{ "kind": "queue", "queue": "desk" }] });
        let path = format!("/api/numbers/{number}");
        self.ada.put(&path, way).await.ok::<Value>();
    }

    /// Buys a number at the carrier, as people do before they bring it here.
    pub(crate) async fn buy(&self, number: &str) {
        let twin = &self.desk.twin;
        let account = twin.credentials();
        let url = format!(
            "{}/2010-04-01/Accounts/{}/IncomingPhoneNumbers.json",
            twin.url().trim_end_matches('/'),
            account.account_sid
        );
        let bought = self
            .anyone
            .http
            .post(url)
            .basic_auth(&account.account_sid, Some(&account.auth_token))
            .form(&[("PhoneNumber", number)])
            .send()
            .await
            .unwrap();
        assert!(bought.status().is_success(), "{}", bought.status());
    }
}
