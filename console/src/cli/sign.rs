//! Coming in and going out: signing in, becoming the first administrator, joining, choosing a password, signing
//! out.
//!
//! Each verb is one question to the server; what is missing is asked for at the terminal first. Whoever comes in is
//! kept in the token file. It must not print a token (but for the verb that is for that), nor take a secret from a
//! flag.
//!
//! Read next: `cli/ask.rs`, `cli/session.rs`.

use cordboard_core::{
    api::{Fields, Join, Newcomer, PasswordChange, Reset, SessionKind, Setup, SignIn, Tokens},
    ids::{Email, Extension, SafeText, Timestamp},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use url::Url;

use super::{
    Failure, Out,
    args::{CreateArgs, JoinArgs, LoginArgs, NewcomerArgs, PasswordArgs, ResetArgs, join_link},
    ask, now,
    session::{Environment, SessionError},
    show,
};
use crate::client::{Client, ClientError, address, loopback};

/// Signs in.
pub(super) async fn login(
    args: LoginArgs,
    url: Option<&Url>,
    env: &Environment,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let url = server(url, env, "login", out)?;
    let email = match args.email {
        Some(email) => email.trim().to_owned(),
        None if args.password_stdin => {
            return Err(Failure::usage(
                "With --password-stdin, say who with --email.",
            ));
        }
        None => ask::ask("E-mail: ").await?,
    };
    let password = ask::password(args.password_stdin, "Password: ").await?;
    let sign_in = SignIn {
        email,
        password: password.expose_secret().into(),
        device: device(),
        kind: SessionKind::Console,
    };
    let asked = now();
    let tokens = Client::new(url.clone())?.login(&sign_in).await?;
    welcome(&url, tokens, asked, env, out).await
}

/// Becomes the first administrator.
pub(super) async fn create(
    args: CreateArgs,
    url: Option<&Url>,
    env: &Environment,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let url = server(url, env, "admin create", out)?;
    let client = Client::new(url.clone())?;
    let code = match args.code {
        Some(code) => code,
        None if args.person.password_stdin => {
            return Err(Failure::usage(
                "With --password-stdin, say the set-up code with --code.",
            ));
        }
        None => {
            // Before somebody writes down who they are for nothing.
            if !client.front().await?.setup {
                return Err(closed(
                    "setup-closed",
                    &url,
                    "has its administrator already. Ask them to invite you",
                ));
            }
            ask::ask("Set-up code: ").await?
        }
    };
    let person = newcomer(args.person, Known::default()).await?;
    let asked = now();
    let tokens = client
        .setup(&Setup {
            code: code.into(),
            person,
        })
        .await?;
    welcome(&url, tokens, asked, env, out).await
}

/// Takes an invitation.
pub(super) async fn join(
    args: JoinArgs,
    url: Option<&Url>,
    env: &Environment,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let (there, code) = match join_link(&args.code) {
        Some(link) => {
            let (there, code) = link.map_err(|why| Failure::usage(format!("That is {why}.")))?;
            (Some(there), code)
        }
        None => (None, args.code),
    };
    // The flag first: the link may name an address that only others can reach.
    let url = server(url.or(there.as_ref()), env, "join CODE", out)?;
    let client = Client::new(url.clone())?;
    let seen = client.look(&code).await?;
    if !args.person.password_stdin && !out.json {
        out.line(format!(
            "You are invited to {} as {}.",
            address(&url),
            seen.role.word()
        ))?;
    }
    let known = Known {
        name: Some(seen.name.to_string()).filter(|name| !name.is_empty()),
        email: seen.email.map(|e| e.to_string()),
        extension: seen.extension.map(|e| e.to_string()),
    };
    let person = newcomer(args.person, known).await?;
    let asked = now();
    let tokens = client
        .join(&Join {
            code: code.into(),
            person,
        })
        .await?;
    welcome(&url, tokens, asked, env, out).await
}

/// Enters oneself, to be let in by somebody.
pub(super) async fn register(
    args: NewcomerArgs,
    url: Option<&Url>,
    env: &Environment,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let url = server(url, env, "register", out)?;
    let client = Client::new(url.clone())?;
    // Before somebody writes down who they are for nothing.
    if !args.password_stdin && !client.front().await?.registration {
        return Err(closed(
            "registration-closed",
            &url,
            "lets nobody enter themselves. Ask an administrator to invite you",
        ));
    }
    let person = newcomer(args, Known::default()).await?;
    client.register(&person).await?;
    let at = address(&url);
    Ok(out.say(
        &json!({ "ok": true, "url": at, "pending": true }),
        [format!(
            "You are entered. When an administrator has let you in: cordboard login --url {at}."
        )],
    )?)
}

/// Chooses another password with a code.
pub(super) async fn reset(
    args: ResetArgs,
    url: Option<&Url>,
    env: &Environment,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let url = server(url, env, "reset CODE", out)?;
    let password = ask::new_password(args.password_stdin).await?;
    let reset = Reset {
        code: args.code.into(),
        password: password.expose_secret().into(),
    };
    let asked = now();
    let tokens = Client::new(url.clone())?.reset(&reset).await?;
    welcome(&url, tokens, asked, env, out).await
}

/// Chooses another password.
pub(super) async fn password(
    args: &PasswordArgs,
    client: &Client,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let current = ask::password(args.password_stdin, "Present password: ").await?;
    let password = ask::new_password(args.password_stdin).await?;
    let change = PasswordChange {
        current: current.expose_secret().into(),
        password: password.expose_secret().into(),
    };
    client.change_password(&change).await?;
    let said = ["Your password is another one now, and your other sign-ins have ended."];
    Ok(out.say(&json!({ "ok": true }), said)?)
}

/// Signs out, at the server and here.
pub(super) async fn logout(
    url: Option<&Url>,
    env: &Environment,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let url = env.signed_in(url)?.url().clone();
    let at = address(&url);
    // The file first: whatever the server says, this machine has forgotten.
    let Some(credentials) = env.forget(&url).await? else {
        return Err(SessionError::SignedOutThere(url).into());
    };
    match Client::signed_in(credentials).logout().await {
        Ok(()) => {}
        // It had ended there before.
        Err(e) if e.signed_out() => {}
        Err(error) => {
            let why = match &error {
                ClientError::Unreachable { why, .. } => format!(
                    "the server at {at} cannot be reached ({why}), so it does not know; the sign-in goes on there until it expires"
                ),
                error => format!("the server at {at} does not say that it has ended it: {error}"),
            };
            let exit = Failure::from(error);
            let why = format!(
                "You are signed out here; but {}.",
                why.trim_end_matches('.')
            );
            return Err(Failure::new(exit.exit, &exit.code, why).with("forgotten", true));
        }
    }
    Ok(out.say(
        &json!({ "ok": true, "url": at }),
        [format!("Signed out at {at}: here, and at the server.")],
    )?)
}

/// Says who is signed in, and what they may do.
pub(super) async fn whoami(client: &Client, out: &mut Out<'_>) -> Result<(), Failure> {
    let me = client.me().await?;
    let rights = me.role.rights().with(me.grants);
    let at = address(client.url());
    let may = show::list(rights.iter().map(cordboard_core::policy::Permission::word));
    let lines = [
        format!("{} ({}), {}, at {at}", me.name, me.id, me.role.word()),
        if may.is_empty() {
            "may look at the board, without seeing who is calling".to_owned()
        } else {
            format!("may: {may}")
        },
    ];
    let mut document = serde_json::to_value(&me).unwrap_or_default();
    if let Value::Object(fields) = &mut document {
        fields.insert("rights".to_owned(), json!(rights));
        fields.insert("url".to_owned(), json!(at));
    }
    Ok(out.say(&document, lines)?)
}

/// The server that is meant, for a verb that needs nobody who is signed in.
fn server(
    url: Option<&Url>,
    env: &Environment,
    verb: &str,
    out: &mut Out<'_>,
) -> Result<Url, Failure> {
    let Some(url) = env.server(url)? else {
        let why = format!("Say where: cordboard {verb} --url URL.");
        return Err(Failure::usage(why));
    };
    if url.scheme() == "http" && !loopback(&url) {
        let _ = writeln!(
            out.err,
            "Warning: {} is not encrypted; your password can be read on the way.",
            address(&url)
        );
    }
    Ok(url)
}

fn closed(code: &str, url: &Url, why: &str) -> Failure {
    let why = format!("The server at {} {why}.", address(url));
    Failure::new(super::Exit::NotAllowed, code, why)
}

/// Keeps whoever has come in, and greets them.
async fn welcome(
    url: &Url,
    tokens: Tokens,
    asked: Timestamp,
    env: &Environment,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let (me, session) = (tokens.me.clone(), tokens.session.clone());
    let expires = asked.plus(i64::from(tokens.expires_in) * 1_000);
    let at = address(url);
    env.keep(url, tokens, asked).await?;
    let line = format!("Signed in at {at} as {}, {}.", me.name, me.role.word());
    Ok(out.say(
        &json!({ "ok": true, "url": at, "session": session, "me": me, "expires": expires }),
        [line],
    )?)
}

/// What is known of somebody before they say it.
#[derive(Default)]
struct Known {
    name: Option<String>,
    email: Option<String>,
    extension: Option<String>,
}

/// Somebody new: what the flags say, what is known, what they are asked.
async fn newcomer(args: NewcomerArgs, known: Known) -> Result<Newcomer, Failure> {
    let script = args.password_stdin;
    let name = match (args.name, known.name) {
        (Some(name), _) => name,
        (None, Some(name)) if script => name,
        (None, None) if script => return Err(missing("--name")),
        (None, Some(name)) => {
            let typed = ask::ask(&format!("Name [{name}]: ")).await?;
            if typed.is_empty() { name } else { typed }
        }
        (None, None) => ask::ask_for("Name: ", name_fits).await?,
    };
    let email = match args.email.or(known.email) {
        Some(email) => email,
        None if script => return Err(missing("--email")),
        None => ask::ask_for("E-mail: ", Email::read).await?,
    };
    let extension = match args.extension.or(known.extension) {
        Some(extension) => extension,
        None if script => return Err(missing("--extension")),
        None => ask::ask_for("Extension: ", str::parse::<Extension>).await?,
    };
    let password = ask::new_password(script).await?;
    Ok(Newcomer {
        name,
        email,
        password: password.expose_secret().into(),
        extension,
        device: device(),
    })
}

fn missing(flag: &str) -> Failure {
    Failure::usage(format!(
        "With --password-stdin, nothing is asked for: say {flag}, too."
    ))
}

fn name_fits(text: &str) -> Result<(), String> {
    let mut fields = Fields::default();
    let name = fields.name("name", text).map(drop);
    let wrong = |errors: Vec<cordboard_core::api::FieldError>| {
        let why = errors
            .into_iter()
            .map(|e| e.why)
            .collect::<Vec<_>>()
            .join(" ");
        why.trim_end_matches('.').to_owned()
    };
    fields.done(name).map_err(wrong)
}

/// What this sign-in is called in the list of them.
fn device() -> String {
    let machine = rustix::system::uname();
    let name = SafeText::from(&*machine.nodename().to_string_lossy());
    if name.is_empty() {
        "Cordboard".to_owned()
    } else {
        SafeText::from(&*format!("Cordboard on {name}")).to_string()
    }
}
