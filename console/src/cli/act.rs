//! The verbs that change something: they name a call, send one command, and wait for what became of it.
//!
//! "Done" is the server's word for "confirmed by the carrier"; nothing here takes an acceptance for it. Waiting
//! until a transfer is answered follows the board from before the command is sent, so that no change can fall
//! between two looks.
//!
//! Read next: [`crate::client`].

use std::time::Duration;

use cordboard_core::{
    board::{Person, Snapshot},
    ids::{CallId, CallSid, Emergency, Phone, SafeText, SlotId},
    machine::{ERRAND_MS, Intent, Target},
    wire::{Command, Order},
};
use rand::{RngExt, rngs::StdRng};
use serde_json::{Map, Value, json};

use crate::{
    cli::{
        Exit, Failure, Out,
        args::{CallVerb, How, OnCall, Until},
        show::{self, Names},
        until::{Fate, Follow, Wanted},
    },
    client::{Answer, Client, Outcome},
};

/// How long a command is waited for. The server gives up at the same moment; it must be the one to say so.
const WAIT: Duration = Duration::from_secs(ERRAND_MS.unsigned_abs() / 1_000 + 1);
/// How long `--until answered` waits altogether: longer than anything rings.
const PATIENCE: Duration = Duration::from_mins(2);

/// The call that `name` means, as the server takes it: a call id, a CallSid, or the beginning of one call's id.
pub(super) async fn resolve(client: &Client, name: &str) -> Result<String, Failure> {
    if name.parse::<CallId>().is_ok() || name.parse::<CallSid>().is_ok() {
        return Ok(name.to_owned());
    }
    let unknown = |why: String| Failure::refused("unknown-call", why);
    if name.len() < 4 || !name.starts_with("c_") {
        return Err(unknown(format!(
            "“{name}” is neither a call id (c_…) nor a CallSid (CA…)."
        )));
    }
    let calls = client.calls().await?;
    let mut found = calls.iter().filter(|c| c.id.to_string().starts_with(name));
    match (found.next(), found.next()) {
        (Some(card), None) => Ok(card.id.to_string()),
        (None, _) => Err(unknown(format!(
            "There is no call that begins with {name}."
        ))),
        (Some(_), Some(_)) => Err(unknown(format!("More than one call begins with {name}."))),
    }
}

async fn resolve_id(client: &Client, name: &str) -> Result<CallId, Failure> {
    let name = resolve(client, name).await?;
    match name.parse() {
        Ok(id) => Ok(id),
        Err(_) => Ok(client.call(&name).await?.0.id),
    }
}

/// Somebody on the board: by extension, user id, or a name that means one person.
fn person<'a>(board: &'a Snapshot, text: &str) -> Result<Option<&'a Person>, Failure> {
    let people = &board.people;
    if let Some(found) = people
        .iter()
        .find(|p| p.extension.as_str() == text || p.id.to_string() == text)
    {
        return Ok(Some(found));
    }
    let wanted = text.to_lowercase();
    let wanted = wanted.trim();
    if wanted.is_empty() {
        return Ok(None);
    }
    let exact: Vec<&Person> = people
        .iter()
        .filter(|p| p.name.as_str().to_lowercase() == wanted)
        .collect();
    let found = if exact.is_empty() {
        // "grace", "hopper" and "grace h" all mean Grace Hopper.
        let fits = |name: &str| {
            name.starts_with(wanted) || name.split_whitespace().any(|word| word.starts_with(wanted))
        };
        people
            .iter()
            .filter(|p| fits(&p.name.as_str().to_lowercase()))
            .collect()
    } else {
        exact
    };
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        many => {
            let names: Vec<String> = many
                .iter()
                .take(5)
                .map(|p| format!("{} ({})", p.name, p.extension))
                .collect();
            Err(Failure::refused(
                "ambiguous",
                format!("“{text}” may be {}. Say the extension.", names.join(" or ")),
            ))
        }
    }
}

fn target(board: &Snapshot, text: &str) -> Result<Target, Failure> {
    if let Some(person) = person(board, text)? {
        return Ok(Target::User(person.id));
    }
    Phone::read(text).map(Target::Number).map_err(|_| {
        Failure::refused(
            "unknown-target",
            format!("“{text}” is no extension, user or name on the board, and no telephone number with its country code."),
        )
    })
}

/// Every verb on one call.
pub(super) async fn call(
    client: &Client,
    verb: CallVerb,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let (on, intent, until) = match verb {
        CallVerb::Answer(on) => (on, Intent::Answer, None),
        CallVerb::Hold(on) => (on, Intent::Hold, None),
        CallVerb::Resume(on) => (on, Intent::Resume, None),
        CallVerb::Park { on, slot, note } => (
            on,
            Intent::Park {
                slot,
                note: note.as_deref().map(SafeText::from),
            },
            None,
        ),
        CallVerb::Retrieve(on) => (on, Intent::Retrieve, None),
        CallVerb::TakeBack(on) => (on, Intent::TakeBack, None),
        CallVerb::Hangup(on) => (on, Intent::Hangup, None),
        CallVerb::Transfer { on, to, until } => {
            let to = target(&client.board().await?, &to)?;
            (on, Intent::Transfer { to }, until)
        }
        CallVerb::List | CallVerb::Show { .. } => {
            return Err(Failure::new(
                Exit::Usage,
                "usage",
                "Looking at calls changes nothing.",
            ));
        }
    };
    let OnCall { call, how } = on;
    let call = resolve_id(client, &call).await?;
    let wanted = match &intent {
        Intent::Transfer { to } => Wanted::Taken(to.clone()),
        _ => Wanted::Answered,
    };
    let until = until.map(|Until::Answered| wanted);
    carry_out(client, Order::Call { call, intent }, &how, until, out).await
}

/// Fetches the call that is parked in a slot.
pub(super) async fn retrieve(
    client: &Client,
    slot: &SlotId,
    how: &How,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let before = match &how.id {
        // A command that is repeated means the call it meant, wherever that is by now.
        Some(id) if !how.dry_run => client.sent(id).await?,
        _ => None,
    };
    let call = match before {
        Some(call) => call,
        None => parked(&client.board().await?, slot)?,
    };
    let order = Order::Call {
        call,
        intent: Intent::Retrieve,
    };
    carry_out(client, order, how, None, out).await
}

/// The call in a slot.
fn parked(board: &Snapshot, slot: &SlotId) -> Result<CallId, Failure> {
    let Some(found) = board.slots.iter().find(|s| s.id == *slot) else {
        let names: Vec<&str> = board.slots.iter().map(|s| s.id.as_str()).collect();
        return Err(Failure::refused(
            "unknown-slot",
            format!("There is no slot {slot}. There are {}.", names.join(", ")),
        ));
    };
    found.call.ok_or_else(|| {
        Failure::refused(
            "refused",
            format!("{slot} is free: there is nothing to fetch."),
        )
    })
}

/// Dials. Neither a number nor an emergency waits for a look at the board.
pub(super) async fn dial(
    client: &Client,
    to: &str,
    how: How,
    until: Option<Until>,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let to = if Emergency::recognise(to).is_some() {
        to.to_owned()
    } else {
        match Phone::read(to) {
            Ok(number) => number.to_string(),
            Err(_) => match target(&client.board().await?, to)? {
                Target::Number(number) => number.to_string(),
                Target::User(user) => {
                    let board = client.board().await?;
                    let person = board.people.iter().find(|p| p.id == user);
                    person.map_or_else(|| to.to_owned(), |p| p.extension.to_string())
                }
            },
        }
    };
    let order = Order::Dial {
        to: SafeText::from(&*to),
    };
    carry_out(
        client,
        order,
        &how,
        until.map(|Until::Answered| Wanted::Answered),
        out,
    )
    .await
}

/// Sends the command, waits as it was asked to, and says what became of it.
async fn carry_out(
    client: &Client,
    order: Order,
    how: &How,
    until: Option<Wanted>,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let id = how.id.clone().unwrap_or_else(new_id);
    let command = Command {
        id: id.clone(),
        order,
        seen: how.seen,
        dry_run: how.dry_run,
    };
    let wait = if how.no_wait || how.dry_run {
        Duration::ZERO
    } else {
        WAIT
    };
    let mut follow = match until {
        Some(wanted) => Some(Follow::start(client, wanted).await?),
        None => None,
    };
    let sending = client.command(&command, wait);
    let answer = match &mut follow {
        Some(follow) => follow.meanwhile(sending).await,
        None => sending.await,
    };
    let answer = answer.map_err(|e| Failure::from(e).with("id", &id))?;
    match answer.outcome {
        Outcome::Unknown => return Err(unknown(&answer)),
        Outcome::Committed if !how.no_wait => return Err(unknown(&answer)),
        Outcome::Done | Outcome::Committed | Outcome::Would => {}
    }
    let card = match (follow, &answer.call) {
        (Some(follow), Some(card)) => {
            let end = tokio::time::timeout(PATIENCE, follow.end(card)).await;
            let end = end.map_err(|_| unknown(&answer))?;
            match end.map_err(|why| unfollowed(&answer, &why))? {
                Fate::Together(card) => Some(card),
                Fate::Lost(card, why) => {
                    return Err(Failure::refused("came-back", why)
                        .with("id", &answer.id)
                        .with("call", card));
                }
            }
        }
        _ => answer.call.clone(),
    };
    if out.json {
        let mut document = Map::new();
        document.insert("ok".to_owned(), json!(true));
        document.insert("id".to_owned(), json!(answer.id));
        document.insert("outcome".to_owned(), json!(said(answer.outcome)));
        document.insert(
            "call".to_owned(),
            card.as_ref().map_or(Value::Null, |c| json!(c)),
        );
        if let Some(why) = &answer.why {
            document.insert("why".to_owned(), json!(why));
        }
        return Ok(out.json(&document)?);
    }
    // Names are a courtesy: without them the sentence has ids.
    let names = client
        .board()
        .await
        .map(|b| Names::of(&b))
        .unwrap_or_default();
    let line = match (answer.outcome, &answer.why, &card) {
        (Outcome::Would, Some(why), _) => format!("Would: {why}"),
        (Outcome::Would, None, _) => "It would be done.".to_owned(),
        (Outcome::Committed, _, Some(card)) => format!("Taken. {}", show::sentence(card, &names)),
        (_, _, Some(card)) => show::sentence(card, &names),
        (_, Some(why), None) => why.to_string(),
        (_, None, None) => "Done.".to_owned(),
    };
    Ok(out.line(line)?)
}

fn said(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::Committed => "committed",
        Outcome::Unknown => "unknown",
        Outcome::Would => "would",
    }
}

fn unknown(answer: &Answer) -> Failure {
    let why = answer.why.as_ref().map_or_else(
        || "The command was accepted, but the carrier has not confirmed it in time. Look at the call before you try again.".to_owned(),
        ToString::to_string,
    );
    let failure = Failure::new(Exit::Unknown, "unknown", why).with("id", &answer.id);
    match &answer.call {
        Some(card) => failure.with("call", card),
        None => failure,
    }
}

/// The command was done, and then the server would not let its call be followed.
fn unfollowed(answer: &Answer, why: &Failure) -> Failure {
    let why = format!(
        "It was sent on, but nobody can say how it ended: {} Look at the call before you try again.",
        why.why
    );
    let failure = Failure::new(Exit::Unknown, "unknown", why).with("id", &answer.id);
    failure.with("call", &answer.call)
}

/// An id that nobody else chooses: it makes a repeated command harmless.
fn new_id() -> String {
    format!("cli-{:032x}", rand::make_rng::<StdRng>().random::<u128>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cordboard_core::ids::UserId;

    fn board() -> Snapshot {
        let person = |id: u32, extension: &str, name: &str| {
            json!({ "id": format!("u{id}"), "extension": extension, "name": name, "identity": format!("p{id}"),
                    "presence": "available", "phone": "ready" })
        };
        serde_json::from_value(json!({
            "epoch": "e", "rev": 1, "calls": [], "slots": [], "queues": [],
            "people": [person(1, "101", "Ada Lovelace"), person(2, "102", "Grace Hopper"), person(3, "103", "Grace Jones"),
                       person(4, "104", "Grace")],
        }))
        .unwrap()
    }

    #[test]
    fn somebody_is_found_by_extension_id_or_name() {
        let board = board();
        let found = |text| target(&board, text);
        assert_eq!(found("102").unwrap(), Target::User(UserId(2)));
        assert_eq!(found("u3").unwrap(), Target::User(UserId(3)));
        assert_eq!(found("ada").unwrap(), Target::User(UserId(1)));
        assert_eq!(found("HOPPER").unwrap(), Target::User(UserId(2)));
        assert_eq!(
            found("grace").unwrap(),
            Target::User(UserId(4)),
            "a whole name goes before the beginning of others"
        );
        assert_eq!(
            found("+1 415 555 0132").unwrap(),
            Target::Number("+14155550132".parse().unwrap())
        );
        let both = found("gra").unwrap_err();
        assert_eq!(
            (both.exit, both.code.as_str()),
            (Exit::Refused, "ambiguous")
        );
        assert!(both.why.contains("Grace Hopper (102)"), "{}", both.why);
        assert_eq!(found("nobody").unwrap_err().code, "unknown-target");
        assert_eq!(found(" ").unwrap_err().code, "unknown-target");
    }
}
