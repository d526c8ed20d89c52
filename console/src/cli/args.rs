//! What can be typed: every verb and flag of `cordboard`, as one tree.
//!
//! Names here are a contract with scripts. This file only reads; it must not do anything. `main` sends each
//! verb to whoever does it: the verbs that work the desk are in [`crate::cli`], those that run things are with
//! the demo and the server.
//!
//! Read next: `cli/args/people.rs`, `cli/args/house.rs`, `cli/args/read.rs` (single words), [`crate::cli`].

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use cordboard_core::{
    ids::{Phone, Rev, SlotId},
    wire::Position,
};
use url::Url;

use read::{command_id, kept_seconds, key_value, phone, position, rate, voice};

pub use house::{
    AdminVerb, AuditArgs, DeskArgs, DeskVerb, Door, GroupVerb, NumberVerb, QueueVerb, SlotVerb,
};
pub use people::{
    CreateArgs, InvitationVerb, InviteArgs, JoinArgs, LoginArgs, NewcomerArgs, OnRev, PasswordArgs,
    ResetArgs, SessionsVerb, SetArgs, StatusArgs, UserVerb,
};
pub use read::{Back, Grant, NONE, Park, Stop, Voice, duration, http_url, join_link};

mod house;
mod people;
mod read;

/// A switchboard for people who live in the terminal.
#[derive(Debug, Parser)]
#[command(name = "cordboard", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// Where to work and how to speak.
    #[command(flatten)]
    pub common: Common,
    /// What to do; the console, if nothing is said.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done · 1 refused or failed · 2 wrong usage · 3 not signed in or not allowed · \
4 the server cannot be reached · 5 sent, outcome unknown";

const SETTINGS: &str = "\
In the environment: CORDBOARD_LISTEN, CORDBOARD_PUBLIC_URL, CORDBOARD_FALLBACK_URL, CORDBOARD_SECRET, \
CORDBOARD_DATA_DIR, DATABASE_URL, REDIS_URL, TWILIO_API_BASE, TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN, \
TWILIO_SECONDARY_AUTH_TOKEN, TWILIO_API_KEY, TWILIO_API_SECRET, TWILIO_APP_SID.
In the settings file (TOML): the same in small letters, without CORDBOARD_. Secrets have no flags.";

/// Flags that every verb knows.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// The server. Otherwise CORDBOARD_URL, otherwise the one last signed in to.
    #[arg(long, global = true, value_name = "URL", value_parser = http_url)]
    pub url: Option<Url>,
    /// Print JSON for programs: one document, or one object a line for streams.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Every verb.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run everything in one process, without accounts or services, and open the console.
    Demo(DemoArgs),
    /// Run the backend alone.
    Serve(ServeArgs),
    /// Open the operator console.
    Console(ConsoleArgs),
    /// The Twilio double: run it alone, or work it.
    Twin {
        /// Which twin to work. Otherwise CORDBOARD_TWIN.
        #[arg(long, global = true, value_name = "URL", value_parser = http_url)]
        twin: Option<Url>,
        /// What.
        #[command(subcommand)]
        verb: TwinVerb,
    },
    /// Sign in, and keep what lets you in again in a file that only you can read.
    Login(LoginArgs),
    /// Sign out: the server ends this sign-in, and the file forgets it.
    Logout,
    /// Say who is signed in, where, and what they may do.
    Whoami,
    /// Print a bearer token for the HTTP API. It holds for minutes.
    Token,
    /// Take an invitation: become one of the people who work here.
    Join(JoinArgs),
    /// Enter yourself, where the house lets people do so; an administrator lets you in.
    Register(NewcomerArgs),
    /// Choose another password with a code that an administrator gave you.
    Reset(ResetArgs),
    /// Choose another password. Your other sign-ins end.
    Password(PasswordArgs),
    /// List your sign-ins, or end them.
    Sessions {
        /// What; without it, lists them.
        #[command(subcommand)]
        verb: Option<SessionsVerb>,
    },
    /// Say whether you are here.
    #[command(after_help = "\
Examples:
  cordboard status away --text lunch --back 30m
  cordboard status dnd --back 13:30
  cordboard status available")]
    Status(StatusArgs),
    /// Pair a phone page with this sign-in: shows a code and a link, and waits for the page.
    Pair {
        /// Let the first page in that names the code, without asking.
        #[arg(long)]
        yes: bool,
    },
    /// Show the whole board.
    Board,
    /// Follow every change of the board as it happens; resumes by itself.
    Watch {
        /// Go on after this place, as printed in a line before.
        #[arg(long, value_name = "EPOCH:REV", value_parser = position)]
        since: Option<Position>,
    },
    /// Work a call.
    Call {
        /// What.
        #[command(subcommand)]
        verb: CallVerb,
    },
    /// Work the parking slots, or arrange them.
    Slot {
        /// What.
        #[command(subcommand)]
        verb: SlotVerb,
    },
    /// Manage the people who work here.
    User {
        /// What.
        #[command(subcommand)]
        verb: UserVerb,
    },
    /// List and take back invitations. (To invite: user invite.)
    Invitation {
        /// What.
        #[command(subcommand)]
        verb: InvitationVerb,
    },
    /// Arrange people in groups.
    Group {
        /// What.
        #[command(subcommand)]
        verb: GroupVerb,
    },
    /// List and rename the queues.
    Queue {
        /// What.
        #[command(subcommand)]
        verb: QueueVerb,
    },
    /// Arrange our own telephone numbers, and where they ring.
    Number {
        /// What.
        #[command(subcommand)]
        verb: NumberVerb,
    },
    /// Set the server up, arrange the desk, read the audit.
    Admin {
        /// What.
        #[command(subcommand)]
        verb: AdminVerb,
    },
    /// Call somebody, as the person who is signed in.
    Dial {
        /// A telephone number with its country code, or an emergency number.
        to: String,
        /// How to carry it out.
        #[command(flatten)]
        how: How,
        /// Wait for more than that it rings.
        #[arg(long, value_name = "WHAT", conflicts_with_all = ["no_wait", "dry_run"])]
        until: Option<Until>,
    },
    /// Print a completion script.
    Completions {
        /// For which shell.
        shell: Shell,
    },
    /// Write manual pages.
    Man {
        /// Into which folder.
        dir: PathBuf,
    },
}

/// How a change is carried out.
#[derive(Debug, Clone, Default, Args)]
pub struct How {
    /// Return once the server has taken it, without waiting for the carrier.
    #[arg(long, conflicts_with = "dry_run")]
    pub no_wait: bool,
    /// Only say what it would do, and whether it is allowed.
    #[arg(long)]
    pub dry_run: bool,
    /// The command's id: the same id twice acts once.
    #[arg(long, value_name = "ID", value_parser = command_id)]
    pub id: Option<String>,
    /// Refuse if the call has moved since this revision of it.
    #[arg(long, value_name = "REV")]
    pub seen: Option<Rev>,
}

/// What to wait for beyond the ringing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Until {
    /// They talk; exit 1 if it came back.
    Answered,
}

/// What can be done with a call. `CALL` is a call id (or the unique beginning of one) or any CallSid in it.
#[derive(Debug, Subcommand)]
pub enum CallVerb {
    /// List the calls that are not over.
    List,
    /// Show one call; also one that is over.
    Show {
        /// Which.
        #[arg(value_name = "CALL")]
        call: String,
    },
    /// Take it: from the queue, or because it rings for you.
    Answer(OnCall),
    /// Keep it aside for yourself.
    Hold(OnCall),
    /// Go on with a call that you hold.
    Resume(OnCall),
    /// Put it into a slot, where anyone may fetch it.
    Park {
        /// Which call.
        #[command(flatten)]
        on: OnCall,
        /// Which slot; otherwise the first free one.
        #[arg(long, value_name = "SLOT")]
        slot: Option<SlotId>,
        /// A note for whoever fetches it.
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Fetch it from its slot.
    Retrieve(OnCall),
    /// Send it on; it returns if nobody takes it.
    Transfer {
        /// Which call.
        #[command(flatten)]
        on: OnCall,
        /// An extension, a user id, a colleague's name, or a telephone number.
        to: String,
        /// Wait for more than that it rings.
        #[arg(long, value_name = "WHAT", conflicts_with_all = ["no_wait", "dry_run"])]
        until: Option<Until>,
    },
    /// Undo its last transfer or park.
    TakeBack(OnCall),
    /// End it.
    Hangup(OnCall),
}

/// A change of one call.
#[derive(Debug, Clone, Args)]
pub struct OnCall {
    /// A call id, or any CallSid in it.
    #[arg(value_name = "CALL")]
    pub call: String,
    /// How to carry it out.
    #[command(flatten)]
    pub how: How,
}

/// How to open the console.
#[derive(Debug, Default, Args)]
pub struct ConsoleArgs {
    /// Line by line, without a screen.
    #[arg(long)]
    pub plain: bool,
}

/// How to run the demo.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Without the console: print one line of JSON when ready, and run until told to stop.
    #[arg(long)]
    pub headless: bool,
    /// Only the colleagues and callers, against a server (--url) and a twin (--twin) elsewhere.
    #[arg(long, conflicts_with_all = ["headless", "data_dir", "port"])]
    pub cast: bool,
    /// The twin to use with --cast. Otherwise CORDBOARD_TWIN.
    #[arg(long, value_name = "URL", value_parser = http_url)]
    pub twin: Option<Url>,
    /// Makes the day repeatable.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How many callers ring in a minute; 0: none but those you place.
    #[arg(long, value_name = "R", default_value_t = 4.0, value_parser = rate)]
    pub calls_per_minute: f64,
    /// Which number they ring.
    #[arg(long, value_name = "NUMBER", value_parser = phone)]
    pub number: Option<Phone>,
    /// Where to keep the database and the log; otherwise a fresh temporary folder, removed at the end.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The server's port on 127.0.0.1; 0: any.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub port: u16,
}

/// How to run the backend. A flag goes before the environment, and that before the settings file.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = SETTINGS)]
pub struct ServeArgs {
    /// The address to listen on, such as 127.0.0.1:8080.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// The address that Twilio calls and signs; otherwise the one that is listened on.
    #[arg(long, value_name = "URL")]
    pub public_url: Option<Url>,
    /// Where everything is kept: sqlite:FILE or postgres://USER@HOST/NAME. Others on this machine can read
    /// flags: one with a password belongs into DATABASE_URL.
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// For many instances; not used by this version.
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<String>,
    /// Where Twilio's REST API is, or the twin's.
    #[arg(long, value_name = "URL")]
    pub twilio_api_base: Option<Url>,
    /// The settings file.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the database and the made secret are kept; otherwise CORDBOARD_DATA_DIR, otherwise the folder of
    /// the database, otherwise the current one.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Write the demo's people, slots and number, once, and point the number at this server.
    #[arg(long)]
    pub seed_demo: bool,
}

/// The twin: to run it alone, and what can be done to its world.
#[derive(Debug, Subcommand)]
pub enum TwinVerb {
    /// Run the Twilio double alone, for any Twilio program.
    Serve {
        /// The address to listen on.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Makes its credentials and its dice repeatable.
        #[arg(long, value_name = "N")]
        seed: Option<u64>,
        /// A number that its account owns from the start; may be given more than once.
        #[arg(long = "number", value_name = "NUMBER", value_parser = phone)]
        numbers: Vec<Phone>,
    },
    /// Let a caller ring a number.
    Call {
        /// The caller's number.
        #[arg(long, value_parser = phone)]
        from: Phone,
        /// The number that is rung.
        #[arg(long, value_parser = phone)]
        to: Phone,
        /// The caller's name.
        #[arg(long)]
        name: Option<String>,
        /// How long the caller waits for a person, such as 60s.
        #[arg(long, value_name = "TIME", value_parser = duration)]
        patience: Option<Duration>,
        /// How long the caller talks before hanging up, such as 30s; otherwise until somebody else does.
        #[arg(long, value_name = "TIME", value_parser = duration)]
        talk: Option<Duration>,
        /// What the caller sounds like: tone:440, silent, or the number of a voice; otherwise as their number has it.
        #[arg(long, value_name = "VOICE", value_parser = voice)]
        voice: Option<Voice>,
    },
    /// Press keys, as the far end of a call.
    Press {
        /// Which leg.
        call_sid: String,
        /// 0-9, *, #; w waits half a second.
        #[arg(allow_hyphen_values = true)]
        digits: String,
    },
    /// Hang up, as the far end of a call.
    Hangup {
        /// Which leg.
        call_sid: String,
    },
    /// Show calls, conferences, participants, and who hears whom.
    World,
    /// Say what a call says and hears now: how loud it is, and the strongest tones.
    Sound {
        /// Which leg.
        call_sid: String,
    },
    /// Keep the last seconds of what a call hears as a sound file. What has not been made yet is waited for.
    Listen {
        /// Which leg.
        call_sid: String,
        /// How many, at most 10.
        #[arg(long, value_name = "N", default_value = "5", value_parser = kept_seconds)]
        seconds: f32,
        /// The file, in the WAV format. One that is there is replaced.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// What it says, instead of what it hears.
        #[arg(long)]
        said: bool,
    },
    /// Let things go wrong on purpose.
    Fault {
        /// Such as webhook.double=0.3 or rest.slow=0.1; nothing: show what is set.
        #[arg(value_name = "KEY=VALUE", value_parser = key_value)]
        set: Vec<(String, String)>,
        /// Let everything go right again (before anything that is set).
        #[arg(long)]
        clear: bool,
    },
    /// Show the REST requests it served and the webhooks it sent.
    Requests,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_contracts_lines_are_understood() {
        for line in [
            "cordboard",
            "cordboard demo",
            "cordboard demo --headless --seed 7 --calls-per-minute 0 --data-dir d --port 0",
            "cordboard demo --cast --url http://127.0.0.1:1 --twin http://127.0.0.1:2",
            "cordboard serve --listen 127.0.0.1:0 --seed-demo --json",
            "cordboard serve --public-url https://desk.example --database-url sqlite:x/y.db --redis-url redis://h --twilio-api-base http://127.0.0.1:2",
            "cordboard console --plain",
            "cordboard twin serve --listen 127.0.0.1:0 --json",
            "cordboard twin call --from +14155550132 --to +14155550100 --name Rosa --patience 60s --json --twin http://127.0.0.1:2",
            "cordboard twin call --from +14155550132 --to +14155550100 --voice tone:440 --twin http://127.0.0.1:2",
            "cordboard twin call --from +14155550132 --to +14155550100 --voice 7 --twin http://127.0.0.1:2",
            "cordboard twin sound CA1 --json --twin http://127.0.0.1:2",
            "cordboard twin listen CA1 --seconds 2.5 --out a.wav --said --twin http://127.0.0.1:2",
            "cordboard twin press CA1 123# --twin http://127.0.0.1:2",
            "cordboard twin fault webhook.double=0.3 rest.429=0.1 --twin http://127.0.0.1:2",
            "cordboard twin fault --clear --twin http://127.0.0.1:2",
            "cordboard twin world --json --twin http://127.0.0.1:2",
            "cordboard twin --twin http://127.0.0.1:2 world --json",
            "cordboard login --url http://127.0.0.1:1 --email a@example.com --password-stdin",
            "cordboard watch --json --since e1:42",
            "cordboard call list --json",
            "cordboard call park c_1 --slot P2 --note hello --json --id x1 --no-wait",
            "cordboard call transfer c_1 102 --until answered --url http://127.0.0.1:1",
            "cordboard call take-back c_1 --dry-run",
            "cordboard slot retrieve P1",
            "cordboard join https://desk.example/join#WDJB --name Ada --email a@b.example --extension 101 --password-stdin",
            "cordboard register --url http://127.0.0.1:1",
            "cordboard reset WDJB --password-stdin",
            "cordboard password --password-stdin",
            "cordboard sessions",
            "cordboard sessions end 00000000000000a1",
            "cordboard sessions end-others --json",
            "cordboard status away --text lunch --back 13:30",
            "cordboard pair --yes",
            "cordboard user list --json",
            "cordboard user set 102 --role read-only --grant house,audit --grant people --fallback +14155550132 --language en,pt-BR --group a --group b --force",
            "cordboard user set u1 --grant none --rev 4",
            "cordboard user invite",
            "cordboard user status 102 dnd --back 30m",
            "cordboard user end-sessions 102 --session 00000000000000a1",
            "cordboard invitation revoke 00000000000000a1",
            "cordboard group set sales --member 101,102",
            "cordboard slot set P5 --name Lift --park none",
            "cordboard slot delete P5 --force",
            "cordboard queue set desk --name Desk",
            "cordboard number set +14155550100 101,102@20s group:sales queue:desk",
            "cordboard number delete +14155550100 --rev 3",
            "cordboard admin create --code X --name A --email a@b.example --extension 101 --password-stdin",
            "cordboard admin desk",
            "cordboard admin desk set --ring 20s --return 15 --registration open --domain a.example,b.example --second none",
            "cordboard admin audit --verify --head 0aF --export -",
            "cordboard dial +14155550199 --until answered",
            "cordboard completions zsh",
            "cordboard man out",
        ] {
            if let Err(e) = parse(line) {
                panic!("{line}\n{e}");
            }
        }
    }

    #[test]
    fn wrong_usage_is_told_from_help() {
        for line in [
            "cordboard frobnicate",
            "cordboard call answer",
            "cordboard watch --since 42",
            "cordboard demo --calls-per-minute -1",
            "cordboard call hold c_1 --no-wait --dry-run",
            "cordboard call hold c_1 --id",
            "cordboard twin call --from +14155550132 --to +14155550100 --voice tone:9000 --twin http://127.0.0.1:2",
            "cordboard twin call --from +14155550132 --to +14155550100 --voice loud --twin http://127.0.0.1:2",
            "cordboard twin listen CA1 --twin http://127.0.0.1:2",
            "cordboard twin listen CA1 --out a.wav --seconds 11 --twin http://127.0.0.1:2",
            "cordboard twin fault oops --twin http://127.0.0.1:2",
            "cordboard user set 102",
            "cordboard user set 102 --role king",
            "cordboard user set 102 --grant none --force --rev 3",
            "cordboard admin desk set",
            "cordboard status lunch",
            "cordboard status away --back 30",
            "cordboard sessions end x",
            "cordboard number set +14155550100",
            "cordboard admin audit --head xyz",
            "cordboard board --token x",
            "cordboard login --password x",
            "cordboard board --url ftp://x",
            "cordboard board --url http://user:pw@127.0.0.1",
        ] {
            assert_eq!(parse(line).expect_err(line).exit_code(), 2, "{line}");
        }
        assert_eq!(parse("cordboard --help").unwrap_err().exit_code(), 0);
    }
}
