//! The verbs about people: accounts, invitations, sign-ins, statuses.
//!
//! Who is meant is found first (an extension, an e-mail address, an id), then one question is asked. An account is
//! changed on the revision that was read a moment before, so that nobody is overwritten unseen. What may be changed
//! by whom, the server decides.
//!
//! Read next: `cli/house.rs` (the same for groups, slots, queues and numbers), `client/routes.rs`.

use cordboard_core::{
    api::{Account, AccountEdit, Invite},
    board::Status,
    ids::{Rev, SafeText, UserId},
    policy::Rights,
};
use jiff::tz::TimeZone;
use serde_json::json;

use super::{
    Failure, Out,
    args::{
        Grant, InvitationVerb, InviteArgs, NONE, OnRev, SessionsVerb, SetArgs, StatusArgs, UserVerb,
    },
    now, show,
};
use crate::client::{CHANGED, Client, address};

/// Somebody who can be meant.
struct Entry {
    id: UserId,
    extension: String,
    email: Option<String>,
}

impl From<Account> for Entry {
    fn from(account: Account) -> Self {
        Self {
            id: account.id,
            extension: account.extension.to_string(),
            email: Some(account.email.to_string()),
        }
    }
}

/// Everybody who can be meant by an extension or an address.
async fn directory(client: &Client) -> Result<Vec<Entry>, Failure> {
    match client.everybody().await {
        Ok(all) => Ok(all.into_iter().map(Entry::from).collect()),
        // Whoever may not see addresses still knows their own, and the extensions on the board.
        Err(e) if e.forbidden() => {
            let me = client.me().await?;
            let board = client.board().await?;
            let others = board.people.into_iter().map(|person| Entry {
                id: person.id,
                extension: person.extension.to_string(),
                email: None,
            });
            Ok(std::iter::once(Entry::from(me)).chain(others).collect())
        }
        Err(e) => Err(e.into()),
    }
}

/// Who that is.
pub(super) async fn who(client: &Client, text: &str) -> Result<UserId, Failure> {
    let ids = everyone(client, &[text.to_owned()]).await?;
    Ok(ids[0])
}

/// Who those are, in their order. Nobody, where that is what was said.
pub(super) async fn everyone(client: &Client, texts: &[String]) -> Result<Vec<UserId>, Failure> {
    let mut all = None;
    let mut ids = Vec::new();
    for text in texts {
        let text = text.trim();
        let id = if let Ok(id) = text.parse() {
            id
        } else if text == "me" {
            client.me().await?.id
        } else {
            if all.is_none() {
                all = Some(directory(client).await?);
            }
            let meant = |entry: &&Entry| {
                let email = entry.email.as_deref();
                entry.extension == text || email.is_some_and(|e| e.eq_ignore_ascii_case(text))
            };
            let found = all.iter().flatten().find(meant);
            found.map(|entry| entry.id).ok_or_else(|| {
                let why = format!(
                    "There is nobody with the extension, e-mail address or id “{}”.",
                    SafeText::from(text)
                );
                Failure::refused("unknown-person", why)
            })?
        };
        ids.push(id);
    }
    Ok(ids)
}

/// Does something on the state that it reads; where somebody else was faster and that was to be forced, once more.
pub(super) async fn insist<T>(
    on: OnRev,
    attempt: impl AsyncFn() -> Result<T, Failure>,
) -> Result<T, Failure> {
    match attempt().await {
        Err(failure) if on.force && failure.code == CHANGED => attempt().await,
        done => done,
    }
}

/// A list as it was typed: `none` is an empty one.
pub(super) fn listed(values: &[String]) -> Result<Vec<String>, Failure> {
    let values: Vec<String> = values
        .iter()
        .map(|v| v.trim().to_owned())
        .filter(|v| !v.is_empty())
        .collect();
    match values.iter().position(|v| v == NONE) {
        None => Ok(values),
        Some(_) if values.len() == 1 => Ok(Vec::new()),
        Some(_) => Err(Failure::usage("“none” stands alone: it empties the list.")),
    }
}

fn granted(grants: &[Grant]) -> Result<Rights, Failure> {
    let rights = grants.iter().filter_map(|grant| match grant {
        Grant::This(permission) => Some(*permission),
        Grant::Nothing => None,
    });
    let rights: Rights = rights.collect();
    if grants.contains(&Grant::Nothing) && rights != Rights::NONE {
        return Err(Failure::usage("“none” stands alone: it empties the list."));
    }
    Ok(rights)
}

/// Every verb on accounts.
pub(super) async fn user(
    client: &Client,
    verb: UserVerb,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    match verb {
        UserVerb::List => {
            let people = client.everybody().await?;
            Ok(out.say(
                &json!({ "people": people }),
                show::people::accounts(&people),
            )?)
        }
        UserVerb::Show { who: text } => {
            let id = who(client, &text).await?;
            shown(&client.person(id).await?, out)
        }
        UserVerb::Invite(args) => invite(client, args, out).await,
        UserVerb::Set { who, what, on } => set(client, &who, &what, on, out).await,
        UserVerb::Activate { who, on } => let_in(client, &who, true, on, out).await,
        UserVerb::Deactivate { who, on } => let_in(client, &who, false, on, out).await,
        UserVerb::ResetCode { who: text } => {
            let id = who(client, &text).await?;
            let made = client.reset_code(id).await?;
            let at = address(client.url());
            let lines = [
                made.code.to_string(),
                format!(
                    "It works once, until {}. They type: cordboard reset {} --url {at}",
                    show::moment(made.expires),
                    &*made.code
                ),
            ];
            Ok(out.say(&made, lines)?)
        }
        UserVerb::Status { who: text, status } => {
            let id = who(client, &text).await?;
            say_status(client, id, status, out).await
        }
        UserVerb::Sessions { who: text } => {
            let id = who(client, &text).await?;
            list_sessions(client, id, out).await
        }
        UserVerb::EndSessions { who: text, session } => {
            let id = who(client, &text).await?;
            match session {
                Some(session) => client.end_session(id, &session).await?,
                None => client.end_sessions(id).await?,
            }
            ended(out)
        }
    }
}

fn shown(account: &Account, out: &mut Out<'_>) -> Result<(), Failure> {
    Ok(out.say(account, show::people::account(account))?)
}

async fn invite(client: &Client, args: InviteArgs, out: &mut Out<'_>) -> Result<(), Failure> {
    let invite = Invite {
        role: args.role,
        grants: granted(&args.grant)?,
        groups: args.group.iter().map(ToString::to_string).collect(),
        name: args.name.unwrap_or_default(),
        email: args.email.unwrap_or_default(),
        extension: args.extension.unwrap_or_default(),
    };
    let invited = client.invite(&invite).await?;
    let lines = [
        invited.code.to_string(),
        invited.link.to_string(),
        format!(
            "Either works once, until {}. They type: cordboard join {}",
            show::moment(invited.invitation.expires),
            &*invited.link
        ),
    ];
    Ok(out.say(&invited, lines)?)
}

/// What is changed, on that revision.
fn edit(what: &SetArgs, rev: Rev) -> Result<AccountEdit, Failure> {
    let fallback = what.fallback.as_deref();
    Ok(AccountEdit {
        rev,
        name: what.name.clone(),
        email: what.email.clone(),
        extension: what.extension.clone(),
        role: what.role,
        grants: what.grant.as_deref().map(granted).transpose()?,
        fallback: fallback.map(|n| {
            if n == NONE {
                String::new()
            } else {
                n.to_owned()
            }
        }),
        languages: what.language.as_deref().map(listed).transpose()?,
        groups: what.group.as_deref().map(listed).transpose()?,
        active: None,
    })
}

async fn set(
    client: &Client,
    text: &str,
    what: &SetArgs,
    on: OnRev,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let edit = edit(what, 0)?;
    shown(&change(client, text, edit, on).await?, out)
}

async fn let_in(
    client: &Client,
    text: &str,
    active: bool,
    on: OnRev,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let edit = AccountEdit {
        active: Some(active),
        ..AccountEdit::default()
    };
    shown(&change(client, text, edit, on).await?, out)
}

async fn change(
    client: &Client,
    text: &str,
    edit: AccountEdit,
    on: OnRev,
) -> Result<Account, Failure> {
    let id = who(client, text).await?;
    insist(on, async || {
        let rev = match on.rev {
            Some(rev) => rev,
            None => client.person(id).await?.rev,
        };
        let edit = AccountEdit {
            rev,
            ..edit.clone()
        };
        Ok(client.edit_person(id, &edit).await?)
    })
    .await
}

/// Says of oneself whether one is here.
pub(super) async fn status(
    client: &Client,
    args: StatusArgs,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let me = client.me().await?.id;
    say_status(client, me, args, out).await
}

async fn say_status(
    client: &Client,
    id: UserId,
    args: StatusArgs,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let text = args.text.unwrap_or_default();
    let status = Status {
        presence: args.presence,
        text: SafeText::from(text.as_str()),
        back_at: args.back.map(|b| b.moment(now(), TimeZone::system())),
    };
    if status.text.as_str() != text.trim() {
        // Not changed behind their back.
        let why =
            "A status text has at most 64 columns, without control characters or invisible ones.";
        return Err(Failure::refused("bad-input", why));
    }
    let account = client.set_status(id, &status).await?;
    let line = format!(
        "{}: {}.",
        account.name,
        show::people::status(&account.status)
    );
    Ok(out.say(&account, [line])?)
}

/// Every verb on one's own sign-ins.
pub(super) async fn sessions(
    client: &Client,
    verb: SessionsVerb,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let me = client.me().await?.id;
    match verb {
        SessionsVerb::List => list_sessions(client, me, out).await,
        SessionsVerb::End { id } => {
            client.end_session(me, &id).await?;
            ended(out)
        }
        SessionsVerb::EndOthers => {
            client.end_sessions(me).await?;
            ended(out)
        }
    }
}

async fn list_sessions(client: &Client, id: UserId, out: &mut Out<'_>) -> Result<(), Failure> {
    let list = client.sessions(id).await?;
    Ok(out.say(&list, show::people::sessions(&list.sessions))?)
}

fn ended(out: &mut Out<'_>) -> Result<(), Failure> {
    Ok(out.say(&json!({ "ok": true }), ["Ended."])?)
}

/// Every verb on invitations.
pub(super) async fn invitation(
    client: &Client,
    verb: InvitationVerb,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    match verb {
        InvitationVerb::List => {
            let list = client.invitations().await?;
            let lines = show::people::invitations(&list);
            Ok(out.say(&json!({ "invitations": list }), lines)?)
        }
        InvitationVerb::Revoke { id } => {
            client.revoke_invitation(&id).await?;
            let line = "Nobody can take that invitation any more.";
            Ok(out.say(&json!({ "ok": true, "id": id }), [line])?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cordboard_core::policy::Permission;

    #[test]
    fn none_empties_a_list_and_stands_alone() {
        let list = |values: &[&str]| {
            let values: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
            listed(&values).map_err(|e| e.exit)
        };
        assert_eq!(list(&["none"]), Ok(Vec::new()));
        assert_eq!(list(&[""]), Ok(Vec::new()));
        assert_eq!(
            list(&["de", " en"]),
            Ok(vec!["de".to_owned(), "en".to_owned()])
        );
        assert_eq!(list(&["de", "none"]), Err(super::super::Exit::Usage));

        let house = Grant::This(Permission::House);
        assert_eq!(
            granted(&[house]).unwrap(),
            Rights::NONE.and(Permission::House)
        );
        assert_eq!(granted(&[Grant::Nothing]).unwrap(), Rights::NONE);
        assert!(granted(&[house, Grant::Nothing]).is_err());
    }

    #[test]
    fn what_is_not_named_is_not_sent() {
        let what = SetArgs {
            fallback: Some("none".to_owned()),
            language: Some(vec!["none".to_owned()]),
            ..SetArgs::default()
        };
        let sent = serde_json::to_value(edit(&what, 4).unwrap()).unwrap();
        assert_eq!(sent, json!({ "rev": 4, "fallback": "", "languages": [] }));
    }
}
