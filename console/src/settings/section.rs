//! The sections of the settings, and who has which.

use cordboard_core::policy::{Permission, Rights};

use crate::ask::Ask;
use cordboard_core::ids::UserId;

/// A section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// My name, fallback number and languages.
    Profile,
    /// What I say of myself.
    Status,
    /// My password.
    Password,
    /// Where I am signed in.
    Devices,
    /// The phone page.
    Phone,
    /// The colours.
    Theme,
    /// The keys.
    Keys,
    /// Who works here.
    People,
    /// Who may come.
    Invitations,
    /// The groups.
    Groups,
    /// The parking slots.
    Slots,
    /// The queues.
    Queues,
    /// The numbers, and which way a call to them takes.
    Numbers,
    /// How the desk works.
    Desk,
}

impl Section {
    /// All of them, in their order.
    pub const ALL: [Self; 14] = [
        Self::Profile,
        Self::Status,
        Self::Password,
        Self::Devices,
        Self::Phone,
        Self::Theme,
        Self::Keys,
        Self::People,
        Self::Invitations,
        Self::Groups,
        Self::Slots,
        Self::Queues,
        Self::Numbers,
        Self::Desk,
    ];

    /// What it is called.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Profile => "Profile",
            Self::Status => "Status",
            Self::Password => "Password",
            Self::Devices => "Sign-ins",
            Self::Phone => "Phone",
            Self::Theme => "Colours",
            Self::Keys => "Keys",
            Self::People => "People",
            Self::Invitations => "Invitations",
            Self::Groups => "Groups",
            Self::Slots => "Slots",
            Self::Queues => "Queues",
            Self::Numbers => "Numbers",
            Self::Desk => "Desk",
        }
    }

    /// What it is for, in a sentence.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Profile => {
                "Your name, the number that rings when your phone page is closed, and what you speak."
            }
            Self::Status => {
                "Whether you are here, and when you will be back. Everybody sees it on your tile."
            }
            Self::Password => "Another password for yourself.",
            Self::Devices => "The consoles, scripts and phone pages that are signed in as you.",
            Self::Phone => "The phone page you talk with: pair it with this console.",
            Self::Theme => "The colours of this console.",
            Self::Keys => "What every key does. Where another suits you better, choose it.",
            Self::People => "Who works here: change them, invite them, let them in, keep them out.",
            Self::Invitations => "Who was invited and has not come yet.",
            Self::Groups => "People who are called together, and found together on the board.",
            Self::Slots => "Where calls are parked, and for how long.",
            Self::Queues => "Where callers wait.",
            Self::Numbers => "Your telephone numbers, and whom a call to each one rings for.",
            Self::Desk => {
                "How long things ring, who is tried next, and whether people may enter themselves."
            }
        }
    }

    /// Whether it is about oneself, and not about the house.
    pub const fn own(self) -> bool {
        matches!(
            self,
            Self::Profile
                | Self::Status
                | Self::Password
                | Self::Devices
                | Self::Phone
                | Self::Theme
                | Self::Keys
        )
    }

    /// Whether somebody with these rights has it.
    pub fn open_to(self, rights: Rights) -> bool {
        match self {
            Self::Phone => rights.has(Permission::Calls),
            Self::People => rights.has(Permission::People) || rights.has(Permission::Directory),
            Self::Invitations => rights.has(Permission::People),
            Self::Groups | Self::Slots | Self::Queues | Self::Numbers | Self::Desk => {
                rights.has(Permission::House)
            }
            _ => true,
        }
    }

    /// What is asked when it is opened.
    pub fn asks(self, me: UserId) -> Vec<Ask> {
        match self {
            Self::Profile | Self::Status => vec![Ask::Me],
            Self::Devices => vec![Ask::Sessions(me)],
            Self::People => vec![Ask::People(None), Ask::Groups],
            Self::Invitations => vec![Ask::Invitations, Ask::Groups],
            Self::Groups => vec![Ask::Groups],
            Self::Slots => vec![Ask::Slots],
            Self::Queues => vec![Ask::Queues],
            Self::Numbers => vec![Ask::Numbers, Ask::Groups],
            Self::Desk => vec![Ask::Desk],
            Self::Password | Self::Phone | Self::Theme | Self::Keys => Vec::new(),
        }
    }
}
