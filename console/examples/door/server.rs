//! A made-up server that opens its door, and does nothing behind it.
//!
//! It says what a real one says, word for word where it matters, and knows one set-up code, one invitation, one reset
//! code and one password.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use cordboard_core::{
    api::{
        FieldError, Front, InvitationLook, InvitationSeen, Join, Newcomer, Problem, Reset, Setup,
        SignIn, Tokens,
    },
    ids::{SafeText, Timestamp, UserId},
    policy::Role,
    wire::Me,
};
use tokio::net::TcpListener;

/// The one password.
pub(crate) const PASSWORD: &str = "plug and cord and bell";
/// The code it would have printed.
pub(crate) const SETUP: &str = "KM4T-9QXD-2FWP";
/// The one invitation.
pub(crate) const INVITATION: &str = "H7RN-C3VB";
/// The one reset code.
pub(crate) const RESET: &str = "X2JD-88PL";
/// How many wrong passwords it takes before it wants some rest.
const PATIENCE: u32 = 3;
/// How much.
const REST: u32 = 12;

/// What it is like.
#[derive(Debug, Default)]
pub(crate) struct Server {
    /// Nobody has set it up.
    pub(crate) setup: AtomicBool,
    /// People may register.
    pub(crate) registration: bool,
    /// Whose invitation it is: with an address and an extension that are fixed.
    pub(crate) personal: bool,
    /// What time it has.
    pub(crate) now: Timestamp,
    /// Wrong passwords so far.
    pub(crate) wrong: AtomicU32,
}

/// Serves until the listener's task ends.
pub(crate) async fn serve(listener: TcpListener, server: Arc<Server>) -> std::io::Result<()> {
    let app = Router::new()
        .route("/api/front", get(front))
        .route("/api/login", post(login))
        .route("/api/setup", post(setup))
        .route("/api/invitations/look", post(look))
        .route("/api/join", post(join))
        .route("/api/password/reset", post(reset))
        .route("/api/register", post(register))
        .with_state(server);
    axum::serve(listener, app).await
}

type At = State<Arc<Server>>;

async fn front(State(server): At) -> Json<Front> {
    Json(Front {
        setup: server.setup.load(SeqCst),
        registration: server.registration,
    })
}

async fn login(State(server): At, Json(who): Json<SignIn>) -> Response {
    let wrong = server.wrong.load(SeqCst);
    if wrong >= PATIENCE {
        server.wrong.store(0, SeqCst);
        let mut answer = problem(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many",
            "Too many wrong passwords.",
            Vec::new(),
        );
        let headers = answer.headers_mut();
        headers.insert("retry-after", REST.into());
        return answer;
    }
    if &*who.password == PASSWORD {
        return tokens("Ada Lovelace", Role::Operator);
    }
    server.wrong.store(wrong + 1, SeqCst);
    problem(
        StatusCode::UNAUTHORIZED,
        "not-signed-in",
        "The e-mail address or the password is wrong.",
        Vec::new(),
    )
}

async fn setup(State(server): At, Json(asked): Json<Setup>) -> Response {
    if !server.setup.load(SeqCst) {
        let why = "This server has been set up already. Sign in, or ask its administrator for an invitation.";
        return problem(StatusCode::FORBIDDEN, "setup-closed", why, Vec::new());
    }
    if &*asked.code != SETUP {
        let why = "This is not the code that the server has printed.";
        return problem(StatusCode::UNAUTHORIZED, "not-signed-in", why, Vec::new());
    }
    if let Some(refusal) = refused(&asked.person, "person.") {
        return refusal;
    }
    server.setup.store(false, SeqCst);
    tokens(&asked.person.name, Role::Admin)
}

async fn look(State(server): At, Json(asked): Json<InvitationLook>) -> Response {
    if &*asked.code != INVITATION {
        return no_invitation();
    }
    Json(InvitationSeen {
        role: Role::Operator,
        name: "Grace Hopper".into(),
        email: server
            .personal
            .then(|| "grace@example.com".parse().ok())
            .flatten(),
        extension: server.personal.then(|| "102".parse().ok()).flatten(),
        expires: server.now.plus(6 * 86_400_000 + 60_000),
    })
    .into_response()
}

async fn join(Json(asked): Json<Join>) -> Response {
    if &*asked.code != INVITATION {
        return no_invitation();
    }
    refused(&asked.person, "person.").unwrap_or_else(|| tokens(&asked.person.name, Role::Operator))
}

async fn reset(Json(asked): Json<Reset>) -> Response {
    if &*asked.code != RESET {
        let why = "This code does not hold, or not any more. Ask for a new one.";
        return problem(StatusCode::UNAUTHORIZED, "not-signed-in", why, Vec::new());
    }
    tokens("Ada Lovelace", Role::Operator)
}

async fn register(Json(asked): Json<Newcomer>) -> Response {
    refused(&asked, "")
        .unwrap_or_else(|| (StatusCode::ACCEPTED, Json(serde_json::json!({}))).into_response())
}

fn no_invitation() -> Response {
    let why = "There is no such invitation, or it does not hold any more. Ask for a new one.";
    problem(StatusCode::NOT_FOUND, "not-found", why, Vec::new())
}

/// What only a server can say of somebody new.
fn refused(who: &Newcomer, at: &str) -> Option<Response> {
    let mut errors = who.check(at).err().unwrap_or_default();
    let mut wrong = |field: &str, why: &str| {
        errors.push(FieldError {
            field: format!("{at}{field}"),
            why: why.to_owned(),
        });
    };
    if who.extension == "101" {
        wrong("extension", "101 is Ada Lovelace's extension.");
    }
    if who.password.contains("password") {
        wrong(
            "password",
            "This is one of the first that anybody would try.",
        );
    }
    (!errors.is_empty()).then(|| {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        problem(status, "invalid", "Some fields are wrong.", errors)
    })
}

fn tokens(name: &str, role: Role) -> Response {
    let Ok(session) = "0123456789abcdef".parse() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    Json(Tokens {
        access: "access".into(),
        expires_in: 600,
        refresh: "refresh".into(),
        session,
        me: Me {
            id: UserId(1),
            name: SafeText::from(name),
            role,
            rights: role.rights(),
        },
    })
    .into_response()
}

fn problem(status: StatusCode, code: &str, detail: &str, errors: Vec<FieldError>) -> Response {
    let body = Problem {
        kind: "about:blank".to_owned(),
        title: status.canonical_reason().unwrap_or_default().to_owned(),
        status: status.as_u16(),
        detail: detail.to_owned(),
        code: code.to_owned(),
        request_id: None,
        errors,
    };
    let kind = [("content-type", "application/problem+json")];
    (status, kind, Json(body)).into_response()
}
