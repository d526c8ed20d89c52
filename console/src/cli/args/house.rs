//! What can be typed about the house: groups, slots, queues, numbers, the desk, the audit.
//!
//! Names here are a contract with scripts. This file only reads.
//!
//! Read next: `cli/args.rs`, `cli/house.rs` and `cli/audit.rs` (who does it).

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use cordboard_core::ids::{GroupId, Phone, QueueId, SlotId};

use super::{
    How,
    people::{CreateArgs, OnRev},
    read::{self, Park, Stop},
};

/// What can be done with groups of people.
#[derive(Debug, Subcommand)]
pub enum GroupVerb {
    /// List the groups and who is in them.
    List,
    /// Make a group, or change one. What is not named stays.
    #[command(after_help = "\
Example:
  cordboard group set sales --name Sales --member 102,103,grace@example.com")]
    Set {
        /// Its id: letters, digits, - and _, at most 16.
        id: GroupId,
        /// What it is called; a new one is called by its id if nothing is said.
        #[arg(long)]
        name: Option<String>,
        /// Who is in it, comma-separated, instead of those who were: extensions, e-mail addresses or user ids; or
        /// none.
        #[arg(long, value_name = "WHO", value_delimiter = ',')]
        member: Option<Vec<String>>,
        /// On what.
        #[command(flatten)]
        on: OnRev,
    },
    /// Take a group away. Its people stay.
    Delete {
        /// Which.
        id: GroupId,
        /// On what.
        #[command(flatten)]
        on: OnRev,
    },
}

/// What can be done with parking slots.
#[derive(Debug, Subcommand)]
pub enum SlotVerb {
    /// List the slots and how long a call may lie in them.
    List,
    /// Fetch the call that is parked there.
    Retrieve {
        /// Which slot, such as P2.
        slot: SlotId,
        /// How to carry it out.
        #[command(flatten)]
        how: How,
    },
    /// Make a slot, or change one. What is not named stays.
    Set {
        /// Its id, which is what people say, such as P5.
        id: SlotId,
        /// What it is called; a new one is called by its id if nothing is said.
        #[arg(long)]
        name: Option<String>,
        /// How long a call may lie in it, such as 90s or 2m; none: as long as the desk says.
        #[arg(long, value_name = "TIME", value_parser = read::park)]
        park: Option<Park>,
        /// On what.
        #[command(flatten)]
        on: OnRev,
    },
    /// Take a slot away. It has to be free.
    Delete {
        /// Which.
        id: SlotId,
        /// On what.
        #[command(flatten)]
        on: OnRev,
    },
}

/// What can be done with queues.
#[derive(Debug, Subcommand)]
pub enum QueueVerb {
    /// List the queues.
    List,
    /// Rename a queue.
    Set {
        /// Which.
        id: QueueId,
        /// What it is called from now on.
        #[arg(long)]
        name: String,
        /// On what.
        #[command(flatten)]
        on: OnRev,
    },
}

/// What can be done with our own telephone numbers.
#[derive(Debug, Subcommand)]
pub enum NumberVerb {
    /// List the numbers and the way that a call to each takes.
    List,
    /// Add a number, or give it another way.
    #[command(after_help = "\
A stop is people (101,102@20s), a group (group:sales@20s) or, as the last one, a queue (queue:desk). Without a time
it rings for 20 s.

Example:
  cordboard number set +14155550100 101@15s group:sales@20s queue:desk")]
    Set {
        /// The number, with its country code.
        #[arg(value_parser = read::phone)]
        number: Phone,
        /// What is tried, one after the other.
        #[arg(value_name = "STOP", required = true, value_parser = read::stop)]
        route: Vec<Stop>,
        /// On what.
        #[command(flatten)]
        on: OnRev,
    },
    /// Take a number away. A call to it is not answered any more.
    Delete {
        /// Which.
        #[arg(value_parser = read::phone)]
        number: Phone,
        /// On what.
        #[command(flatten)]
        on: OnRev,
    },
}

/// What administrators do.
#[derive(Debug, Subcommand)]
pub enum AdminVerb {
    /// Become the first administrator of a new server, with the set-up code that it has printed.
    Create(CreateArgs),
    /// Show how the desk works, or change it.
    Desk {
        /// What; without it, shows it.
        #[command(subcommand)]
        verb: Option<DeskVerb>,
    },
    /// Read who did what, have it verified, or take it away as JSON lines.
    #[command(after_help = "\
Examples:
  cordboard admin audit --limit 20
  cordboard admin audit --oldest --after 200
  cordboard admin audit --verify --head \"$(cat head)\"
  cordboard admin audit --export audit.jsonl
The head that --verify prints, kept elsewhere, shows with --head whether the end was cut off since.")]
    Audit(AuditArgs),
}

/// What can be done with the desk.
#[derive(Debug, Subcommand)]
pub enum DeskVerb {
    /// Change how it works. What is not named stays.
    #[command(
        override_usage = "cordboard admin desk set [OPTIONS]",
        after_help = "\
Example:
  cordboard admin desk set --ring 20s --park 90s --second 102,103 --registration open --domain example.com"
    )]
    Set {
        /// What.
        #[command(flatten)]
        what: DeskArgs,
        /// On what.
        #[command(flatten)]
        on: OnRev,
    },
}

/// Whether people may enter themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Door {
    /// They may, with an address of one of the domains.
    Open,
    /// They have to be invited.
    Closed,
}

/// What is changed in how the desk works.
#[derive(Debug, Default, Args)]
#[group(id = "changes", required = true, multiple = true)]
pub struct DeskArgs {
    /// How long a person rings, such as 20s.
    #[arg(long, value_name = "TIME", value_parser = read::seconds)]
    pub ring: Option<u32>,
    /// How long whoever sent or parked a call rings when it comes back.
    #[arg(long = "return", value_name = "TIME", value_parser = read::seconds)]
    pub back: Option<u32>,
    /// How long a call may lie in a slot.
    #[arg(long, value_name = "TIME", value_parser = read::seconds)]
    pub park: Option<u32>,
    /// How long a call may be held.
    #[arg(long, value_name = "TIME", value_parser = read::seconds)]
    pub hold: Option<u32>,
    /// Who is tried after the sender, comma-separated: extensions, e-mail addresses or user ids; or none.
    #[arg(long, value_name = "WHO", value_delimiter = ',')]
    pub second: Option<Vec<String>>,
    /// Whether people may enter themselves (cordboard register).
    #[arg(long)]
    pub registration: Option<Door>,
    /// With an address of which domains, comma-separated; or none.
    #[arg(long, value_name = "DOMAIN", value_delimiter = ',')]
    pub domain: Option<Vec<String>>,
}

/// What is wanted of the audit.
#[derive(Debug, Default, Args)]
pub struct AuditArgs {
    /// Have the whole chain read again: exit 1 if a sealed line is not what it was.
    #[arg(long)]
    pub verify: bool,
    /// Look whether a head that was kept from an earlier --verify is still in the chain: exit 1 if not.
    #[arg(long, value_name = "HASH", value_parser = hash)]
    pub head: Option<String>,
    /// Write every line as JSON, one a line, into a file that only you can read; -: to standard output.
    #[arg(long, value_name = "FILE|-")]
    pub export: Option<PathBuf>,
    /// Show lines in the order of the chain, from its beginning, and not the latest first.
    #[arg(long, conflicts_with = "export")]
    pub oldest: bool,
    /// Show what follows: the number that the lines before ended with.
    #[arg(long, value_name = "N", conflicts_with = "export")]
    pub after: Option<u64>,
    /// How many lines are shown, at most.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000), conflicts_with = "export")]
    pub limit: u32,
}

fn hash(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    if !text.is_empty() && text.len() <= 128 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(text)
    } else {
        Err("hexadecimal digits, as --verify prints them".to_owned())
    }
}
