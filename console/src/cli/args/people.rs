//! What can be typed about people: signing in, joining, accounts, invitations, statuses.
//!
//! Names here are a contract with scripts. No secret has a flag, for others on this machine can read those; the
//! codes that are typed work once.
//!
//! Read next: `cli/args.rs`, `cli/people.rs` (who does it).

use clap::{Args, Subcommand};
use cordboard_core::{
    board::Presence,
    ids::{CodeId, GroupId, Rev, SessionId},
    policy::Role,
};

use super::read::{self, Back, Grant};

/// How to sign in.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Your e-mail address; asked for if absent.
    #[arg(long)]
    pub email: Option<String>,
    /// Read the password from standard input (one line) instead of asking for it.
    #[arg(long)]
    pub password_stdin: bool,
}

/// Somebody new. What is absent is asked for at the terminal.
#[derive(Debug, Default, Args)]
pub struct NewcomerArgs {
    /// Your name, as it is shown on the board.
    #[arg(long)]
    pub name: Option<String>,
    /// The e-mail address that you will sign in with.
    #[arg(long)]
    pub email: Option<String>,
    /// Your extension: 2 to 6 digits.
    #[arg(long, value_name = "DIGITS")]
    pub extension: Option<String>,
    /// Read the password from standard input (one line) instead of asking for it twice.
    #[arg(long)]
    pub password_stdin: bool,
}

/// How to take an invitation.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cordboard join https://desk.example/join#WDJB-MJHT-QFNP
  cordboard join WDJB-MJHT-QFNP --url https://desk.example")]
pub struct JoinArgs {
    /// The code or the link that you were given. A link also says where the server is.
    #[arg(value_name = "CODE|LINK")]
    pub code: String,
    /// Who you are.
    #[command(flatten)]
    pub person: NewcomerArgs,
}

/// How to become the first administrator.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  cordboard admin create --url https://desk.example --code WDJB-MJHT \\
    --name \"Ada Lovelace\" --email ada@example.com --extension 101")]
pub struct CreateArgs {
    /// The set-up code that the server printed when it started; asked for if absent. It works once.
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
    /// Who you are.
    #[command(flatten)]
    pub person: NewcomerArgs,
}

/// How to choose another password with a code.
#[derive(Debug, Args)]
pub struct ResetArgs {
    /// The code that an administrator gave you. It works once.
    pub code: String,
    /// Read the new password from standard input (one line) instead of asking for it twice.
    #[arg(long)]
    pub password_stdin: bool,
}

/// How to choose another password.
#[derive(Debug, Args)]
pub struct PasswordArgs {
    /// Read from standard input: the present password on the first line, the new one on the second.
    #[arg(long)]
    pub password_stdin: bool,
}

/// What can be done with one's own sign-ins.
#[derive(Debug, Default, Subcommand)]
pub enum SessionsVerb {
    /// List them (also without a verb).
    #[default]
    List,
    /// End one of them, wherever it is: a lost laptop, a forgotten phone page.
    End {
        /// Which, as the list has it.
        id: SessionId,
    },
    /// End all of them but this one.
    EndOthers,
}

/// What a person says of themselves.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// In one word.
    #[arg(value_parser = read::presence())]
    pub presence: Presence,
    /// In words of your own, such as lunch. Without it there are none.
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
    /// When they are back: 30m, 13:30 (the next one, by this machine's clock), or a moment in RFC 3339.
    #[arg(long, value_name = "WHEN", value_parser = read::back)]
    pub back: Option<Back>,
}

/// Changes what was read, and what happens where somebody else has changed it meanwhile.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct OnRev {
    /// Only if it has not changed since this revision of it, as the JSON of an earlier look names it. Without it:
    /// the one that is found now.
    #[arg(long, value_name = "REV")]
    pub rev: Option<Rev>,
    /// Where somebody else was faster, read again and do it all the same (once).
    #[arg(long, conflicts_with = "rev")]
    pub force: bool,
}

/// What can be done with accounts.
#[derive(Debug, Subcommand)]
pub enum UserVerb {
    /// List everybody who works here, also those who are not let in any more or not yet.
    List,
    /// Show one account.
    Show {
        /// Who: an extension, an e-mail address, a user id such as u7, or “me”.
        who: String,
    },
    /// Invite somebody: prints a code and a link, once. They join from their own terminal.
    #[command(after_help = "\
Example:
  cordboard user invite --role operator --name \"Grace Hopper\" --email grace@example.com --group sales")]
    Invite(InviteArgs),
    /// Change an account. What is not named stays.
    #[command(
        override_usage = "cordboard user set <WHO> [OPTIONS]",
        after_help = "\
Examples:
  cordboard user set 102 --role operator --grant house,audit --group sales,support
  cordboard user set grace@example.com --fallback +14155550132 --language en,de
  cordboard user set u7 --fallback none --grant none"
    )]
    Set {
        /// Who: an extension, an e-mail address, a user id such as u7, or “me”.
        who: String,
        /// What.
        #[command(flatten)]
        what: SetArgs,
        /// On what.
        #[command(flatten)]
        on: OnRev,
    },
    /// Let somebody in: who has registered, or was kept out.
    Activate {
        /// Who: an extension, an e-mail address, a user id such as u7, or “me”.
        who: String,
        /// On what.
        #[command(flatten)]
        on: OnRev,
    },
    /// Keep somebody out, and end their sign-ins. What they have done stays in the history.
    Deactivate {
        /// Who: an extension, an e-mail address, a user id such as u7, or “me”.
        who: String,
        /// On what.
        #[command(flatten)]
        on: OnRev,
    },
    /// Make a code that lets somebody choose another password: cordboard reset CODE.
    ResetCode {
        /// Who: an extension, an e-mail address, a user id such as u7, or “me”.
        who: String,
    },
    /// Say of somebody whether they are here.
    Status {
        /// Who: an extension, an e-mail address, a user id such as u7, or “me”.
        who: String,
        /// What.
        #[command(flatten)]
        status: StatusArgs,
    },
    /// List somebody's sign-ins.
    Sessions {
        /// Who: an extension, an e-mail address, a user id such as u7, or “me”.
        who: String,
    },
    /// End somebody's sign-ins: all (of oneself: all but this one), or one.
    EndSessions {
        /// Who: an extension, an e-mail address, a user id such as u7, or “me”.
        who: String,
        /// Which; otherwise all.
        #[arg(long, value_name = "ID")]
        session: Option<SessionId>,
    },
}

/// Somebody who is invited.
#[derive(Debug, Args)]
pub struct InviteArgs {
    /// What they will be here to do.
    #[arg(long, default_value = "agent", value_parser = read::role())]
    pub role: Role,
    /// What they may do beside it, comma-separated.
    #[arg(long, value_name = "PERMISSION", value_delimiter = ',', value_parser = read::grant())]
    pub grant: Vec<Grant>,
    /// The groups they come into, comma-separated.
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    pub group: Vec<GroupId>,
    /// Their name, if it is known.
    #[arg(long)]
    pub name: Option<String>,
    /// The e-mail address that they have to use; otherwise any.
    #[arg(long)]
    pub email: Option<String>,
    /// Their extension; otherwise they choose.
    #[arg(long, value_name = "DIGITS")]
    pub extension: Option<String>,
}

/// What is changed in an account. A list replaces the one there was; `none` empties it.
#[derive(Debug, Default, Args)]
#[group(id = "changes", required = true, multiple = true)]
pub struct SetArgs {
    /// Their name.
    #[arg(long)]
    pub name: Option<String>,
    /// The e-mail address that they sign in with.
    #[arg(long)]
    pub email: Option<String>,
    /// Their extension.
    #[arg(long, value_name = "DIGITS")]
    pub extension: Option<String>,
    /// What they are here to do.
    #[arg(long, value_parser = read::role())]
    pub role: Option<Role>,
    /// What they may do beside their role, comma-separated, instead of what they could so far; or none.
    #[arg(long, value_name = "PERMISSION", value_delimiter = ',', value_parser = read::grant())]
    pub grant: Option<Vec<Grant>>,
    /// The number that rings when their phone page is not there; or none.
    #[arg(long, value_name = "NUMBER")]
    pub fallback: Option<String>,
    /// The languages they speak, best first, comma-separated, such as en,pt-BR; or none.
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    pub language: Option<Vec<String>>,
    /// The groups they belong to, comma-separated; or none.
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    pub group: Option<Vec<String>>,
}

/// What can be done with invitations.
#[derive(Debug, Subcommand)]
pub enum InvitationVerb {
    /// List those that can still be taken.
    List,
    /// Take one back.
    Revoke {
        /// Which, as the list has it.
        id: CodeId,
    },
}
