//! The ways from the page of welcome, the forms they lead to, and what is read from those.
//!
//! What a field should look like is asked of [`cordboard_core::api`] before anything is sent: the server asks it the
//! same. What only the console can know, such as whether a password was typed twice alike, is asked here.

use cordboard_core::{
    api::{FieldError, Fields, InvitationSeen, Join, Newcomer, Reset, SessionKind, Setup, SignIn},
    ids::{Email, Timestamp},
    policy::Role,
};
use url::Url;

use crate::{cli::args::http_url, client::loopback, form::Form};

/// What is asked before typed text is lost.
const LOSE: &str = "Go back? What you have typed is lost then.";
/// A minute, an hour and a day, in milliseconds.
const TIMES: [(i64, &str); 3] = [(86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute")];

/// A server, and perhaps an invitation to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where it is.
    pub url: Url,
    /// The code that the link carried behind its `#`.
    pub code: Option<String>,
}

/// Something that can be done from the page of welcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Becoming the first administrator.
    Setup,
    /// Signing in.
    SignIn,
    /// Joining with an invitation.
    Join,
    /// Choosing another password with a code.
    Reset,
    /// Writing oneself down.
    Register,
    /// Asking the server again.
    Again,
    /// Another server.
    Elsewhere,
}

impl Way {
    /// What it is called.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Setup => "Set up this server",
            Self::SignIn => "Sign in",
            Self::Join => "Join",
            Self::Reset => "New password",
            Self::Register => "Register",
            Self::Again => "Try again",
            Self::Elsewhere => "Another server",
        }
    }

    /// What it takes.
    pub const fn means(self) -> &'static str {
        match self {
            Self::Setup => "with the code that it has printed",
            Self::SignIn => "with your e-mail address and your password",
            Self::Join => "with an invitation: a code, or a link",
            Self::Reset => "with a reset code from an administrator",
            Self::Register => "without invitation, to be let in later",
            Self::Again => "ask the server once more",
            Self::Elsewhere => "this is not the one you mean",
        }
    }
}

/// What is wrong with a field.
pub(super) fn wrong(field: &str, why: impl Into<String>) -> FieldError {
    FieldError {
        field: field.to_owned(),
        why: why.into(),
    }
}

/// Reads a server's address as people type it, or the link of an invitation to it.
pub fn read_place(text: &str) -> Result<Place, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(
            "Type the address of your server, such as https://desk.example.com.".to_owned(),
        );
    }
    let sentence = |why: String| format!("This is {why}.");
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        let local = http_url(&format!("http://{text}")).is_ok_and(|url| loopback(&url));
        format!("{}://{text}", if local { "http" } else { "https" })
    };
    let url = http_url(&full).map_err(sentence)?;
    let code = full.split_once('#').map(|(_, code)| code.trim().to_owned());
    match code.filter(|code| !code.is_empty()) {
        None => safe(url).map(|url| Place { url, code: None }),
        Some(code) => {
            let mut base = url.clone();
            if let Some(path) = url.path().strip_suffix("join/") {
                base.set_path(path);
            }
            safe(base).map(|url| Place {
                url,
                code: Some(code),
            })
        }
    }
}

/// The address, unless passwords would travel to it for everybody on the way to read.
pub(super) fn safe(url: Url) -> Result<Url, String> {
    if url.scheme() == "https" || loopback(&url) {
        return Ok(url);
    }
    let host = url.host_str().unwrap_or_default();
    Err(format!(
        "Over plain http, anybody on the way to {host} could read your password. Use https, or a tunnel to this computer, such as ssh -L 8080:localhost:8080 {host}."
    ))
}

fn form(word: &str) -> Form {
    Form::new(word).asking(LOSE)
}

/// Which server. `first`: there is no page before it.
pub(super) fn address(text: &str, first: bool) -> Form {
    form("Go on")
        .back(if first { "Leave" } else { "Back" })
        .text("url", "Server")
        .hint("https://desk.example.com, or the link of an invitation.")
        .filled(text)
}

pub(super) fn sign_in(email: &str) -> Form {
    let mut form = form("Sign in")
        .text("email", "E-mail")
        .filled(email)
        .secret("password", "Password");
    if !email.is_empty() {
        form.focus_on("password");
    }
    form
}

pub(super) fn setup() -> Form {
    let form = form("Set up")
        .text("code", "Set-up code")
        .hint("The server prints it when it starts.");
    newcomer(form, None)
}

pub(super) fn invitation() -> Form {
    form("Look at it")
        .text("code", "Invitation")
        .hint("Its code, or the whole link. Pasting works.")
}

pub(super) fn join(seen: &InvitationSeen, now: Timestamp) -> Form {
    let role = role(seen.role);
    let form = form("Join")
        .info("You will be", &role)
        .info("Holds for", &left(seen.expires.since(now)));
    newcomer(form, Some(seen))
}

pub(super) fn register() -> Form {
    newcomer(form("Register"), None)
}

pub(super) fn reset() -> Form {
    passwords(
        form("Change it")
            .text("code", "Reset code")
            .hint("An administrator makes one, and tells you."),
        "New password",
    )
}

pub(super) fn registered(email: &str) -> Form {
    Form::new("Sign in")
        .info("Registered", email)
        .info(
            "What now",
            "An administrator has to let you in. Until then nobody can sign in with this address; afterwards you can, with the password you have chosen.",
        )
}

/// Name, address, extension and password of somebody new. What an invitation fixes can only be read.
fn newcomer(form: Form, seen: Option<&InvitationSeen>) -> Form {
    let name = seen.map_or("", |s| s.name.as_str());
    let form = form
        .text("name", "Your name")
        .hint("As it is shown on the board.")
        .filled(name);
    let form = match seen.and_then(|s| s.email.as_ref()) {
        Some(email) => form.info("E-mail", email.as_str()),
        None => form
            .text("email", "E-mail")
            .hint("What you will sign in with."),
    };
    let form = match seen.and_then(|s| s.extension.as_ref()) {
        Some(extension) => form.info("Extension", extension.as_str()),
        None => form
            .text("extension", "Extension")
            .hint("2 to 6 digits: what colleagues dial to reach you."),
    };
    passwords(form, "Password")
}

fn passwords(form: Form, label: &str) -> Form {
    form.secret("password", label)
        .hint("At least 12 characters: a few unrelated words do.")
        .secret("again", "Once more")
}

/// What a role means for whoever gets it.
fn role(role: Role) -> String {
    let means = match role {
        Role::Admin => "run the place: people, numbers and everything else",
        Role::Supervisor => "answer for the desk, and see what was done",
        Role::Operator => "work the switchboard",
        Role::Agent => "work your own calls",
        Role::ReadOnly => "look at the board",
    };
    format!("{}: you {means}", role.word())
}

/// How long that is, as people say it.
fn left(ms: i64) -> String {
    let told = TIMES.iter().find(|(unit, _)| ms >= *unit);
    match told.map(|(unit, word)| (ms / unit, word)) {
        Some((1, word)) => format!("one more {word}"),
        Some((n, word)) => format!("{n} more {word}s"),
        None => "less than a minute".to_owned(),
    }
}

type Read<T> = Result<T, Vec<FieldError>>;

/// What was read, and what is wrong beside it.
fn all_or<T>(read: T, errors: Vec<FieldError>) -> Read<T> {
    if errors.is_empty() {
        Ok(read)
    } else {
        Err(errors)
    }
}

/// Whether the password was typed twice alike. Only asked where there is one: two complaints would be one too many.
fn twice(form: &Form, errors: &mut Vec<FieldError>) {
    let fine = !errors.iter().any(|e| e.field.ends_with("password"));
    if fine && form.value("password") != form.value("again") {
        errors.push(wrong("again", "The two passwords are not the same."));
    }
}

fn code(form: &Form, what: &str, errors: &mut Vec<FieldError>) -> String {
    let code = form.value("code").trim().to_owned();
    if code.is_empty() {
        errors.push(wrong("code", format!("Type the {what}.")));
    }
    code
}

pub(super) fn read_sign_in(form: &Form, device: &str) -> Read<SignIn> {
    let (email, password) = (form.value("email"), form.value("password"));
    let mut errors = Vec::new();
    if Email::read(email).is_err() {
        let why = "This is no e-mail address. One looks like ada@example.com.";
        errors.push(wrong("email", why));
    }
    if password.is_empty() {
        errors.push(wrong("password", "Type your password."));
    }
    let read = SignIn {
        email: email.trim().to_owned(),
        password: password.into(),
        device: device.to_owned(),
        kind: SessionKind::Console,
    };
    all_or(read, errors)
}

/// Somebody new. `at` stands before the names of the fields, as in the request.
fn person(form: &Form, seen: Option<&InvitationSeen>, device: &str) -> Newcomer {
    let or_fixed = |fixed: Option<String>, key: &str| {
        fixed.unwrap_or_else(|| form.value(key).trim().to_owned())
    };
    let email = seen
        .and_then(|s| s.email.as_ref())
        .map(|e| e.as_str().to_owned());
    let extension = seen
        .and_then(|s| s.extension.as_ref())
        .map(|e| e.as_str().to_owned());
    Newcomer {
        name: form.value("name").trim().to_owned(),
        email: or_fixed(email, "email"),
        password: form.value("password").into(),
        extension: or_fixed(extension, "extension"),
        device: device.to_owned(),
    }
}

pub(super) fn read_newcomer(form: &Form, at: &str, device: &str) -> Read<Box<Newcomer>> {
    let read = person(form, None, device);
    let mut errors = read.check(at).err().unwrap_or_default();
    twice(form, &mut errors);
    all_or(Box::new(read), errors)
}

pub(super) fn read_setup(form: &Form, device: &str) -> Read<Setup> {
    let person = person(form, None, device);
    let mut errors = Vec::new();
    let code = code(form, "code that the server has printed", &mut errors);
    errors.extend(person.check("person.").err().unwrap_or_default());
    twice(form, &mut errors);
    let code = code.into();
    all_or(Setup { code, person }, errors)
}

pub(super) fn read_join(
    form: &Form,
    code: &str,
    seen: &InvitationSeen,
    device: &str,
) -> Read<Join> {
    let person = person(form, Some(seen), device);
    let mut errors = person.check("person.").err().unwrap_or_default();
    twice(form, &mut errors);
    let code = code.into();
    all_or(Join { code, person }, errors)
}

pub(super) fn read_reset(form: &Form) -> Read<Reset> {
    let mut errors = Vec::new();
    let code = code(form, "reset code", &mut errors);
    let password = form.value("password").to_owned();
    let mut fields = Fields::default();
    fields.password("password", &password);
    errors.extend(fields.done(Some(())).err().unwrap_or_default());
    twice(form, &mut errors);
    let (code, password) = (code.into(), password.into());
    all_or(Reset { code, password }, errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_people_type_it() {
        let place =
            |text: &str| read_place(text).map(|p| (p.url.to_string(), p.code.unwrap_or_default()));
        for (typed, url, code) in [
            ("desk.example.com", "https://desk.example.com/", ""),
            (
                " https://desk.example.com ",
                "https://desk.example.com/",
                "",
            ),
            ("localhost:8080", "http://localhost:8080/", ""),
            ("127.0.0.1:8080", "http://127.0.0.1:8080/", ""),
            ("https://x.example/board", "https://x.example/board/", ""),
            (
                "https://x.example/join#AB-12",
                "https://x.example/",
                "AB-12",
            ),
            (
                "https://x.example/board/join#AB",
                "https://x.example/board/",
                "AB",
            ),
        ] {
            let read = place(typed).unwrap();
            assert_eq!(read, (url.to_owned(), code.to_owned()), "{typed}");
        }
        for bad in ["", "  ", "ftp://desk.example.com", "https://", "a b"] {
            assert!(place(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_password_does_not_travel_in_the_open() {
        let why = read_place("http://desk.example.com").unwrap_err();
        assert!(
            why.contains("plain http") && why.contains("ssh -L"),
            "{why}"
        );
        assert!(read_place("http://desk.example.com/join#AB12").is_err());
        assert!(read_place("http://[::1]:8080").is_ok());
    }

    #[test]
    fn time_that_is_left_is_told_in_its_largest_unit() {
        let told = [30_000, 60_000, 7_200_000, 90_000_000, 600_000_000].map(left);
        assert_eq!(
            told,
            [
                "less than a minute",
                "one more minute",
                "2 more hours",
                "one more day",
                "6 more days"
            ]
        );
    }
}
