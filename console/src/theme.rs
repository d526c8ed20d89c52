//! Colours by meaning. Views ask for what a thing *is* ([`Tone`]); only this file knows how that looks.
//!
//! State is never told by colour alone: every tone comes with a symbol and a word where it is used. Four
//! themes: dark and light paint their own ground in 24-bit colour, `sixteen` uses the terminal's own palette,
//! `mono` only bold, dim, underlined and reversed.

use ratatui::style::{Color, Modifier, Style};

/// A set of colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// Light on dark.
    #[default]
    Dark,
    /// Dark on light.
    Light,
    /// The terminal's own sixteen colours.
    Sixteen,
    /// No colours at all.
    Mono,
}

/// What a piece of text or a border means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Ordinary text.
    Text,
    /// What matters most on its line.
    Strong,
    /// What may be passed over.
    Faint,
    /// Rules and idle borders.
    Rule,
    /// The house's own colour: names of areas, the cursor.
    Accent,
    /// Free, ready, done.
    Good,
    /// Ringing, waiting, asked.
    Ring,
    /// On a call.
    Busy,
    /// Held or parked.
    Held,
    /// Away.
    Away,
    /// Not known.
    Unknown,
    /// Refused, lost, forbidden.
    Bad,
    /// A key in a hint.
    Key,
    /// A place where what is carried may be dropped.
    Lit,
    /// The place where it would be dropped now.
    Target,
    /// The place where it can't be dropped.
    Forbidden,
    /// What is being carried.
    Carried,
    /// A chip or a field: text on its own ground.
    Chip,
    /// The selected chip or row.
    Selected,
}

impl Theme {
    /// Every theme, in the order in which they take turns.
    pub const ALL: [Self; 4] = [Self::Dark, Self::Light, Self::Sixteen, Self::Mono];

    /// The theme that suits what the environment says: `NO_COLOR` (set and not empty) asks for none,
    /// `COLORTERM` announces 24 bits.
    pub fn suited(no_color: Option<&str>, colorterm: Option<&str>, term: Option<&str>) -> Self {
        let asked = |value: Option<&str>| value.is_some_and(|v| !v.is_empty());
        let direct = term.is_some_and(|t| t.ends_with("-direct"));
        match colorterm {
            _ if asked(no_color) => Self::Mono,
            _ if matches!(term, Some("dumb" | "vt100" | "vt220" | "linux-m")) => Self::Mono,
            Some("truecolor" | "24bit") => Self::Dark,
            _ if direct => Self::Dark,
            _ => Self::Sixteen,
        }
    }

    /// Its name, as options write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
            Self::Sixteen => "16 colours",
            Self::Mono => "no colours",
        }
    }

    /// The next one round.
    #[must_use]
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|t| *t == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    /// What everything is painted on.
    pub const fn ground(self) -> Style {
        match self {
            Self::Dark => Style::new().fg(rgb(0xd5_da_e3)).bg(rgb(0x12_16_1e)),
            Self::Light => Style::new().fg(rgb(0x24_2a_33)).bg(rgb(0xfb_fa_f7)),
            Self::Sixteen | Self::Mono => Style::new().fg(Color::Reset).bg(Color::Reset),
        }
    }

    /// The ground of a window that lies over the board.
    pub const fn raised(self) -> Style {
        match self {
            Self::Dark => Style::new().fg(rgb(0xd5_da_e3)).bg(rgb(0x1b_21_2c)),
            Self::Light => Style::new().fg(rgb(0x24_2a_33)).bg(rgb(0xff_ff_ff)),
            Self::Sixteen | Self::Mono => Style::new().fg(Color::Reset).bg(Color::Reset),
        }
    }

    /// How a tone looks.
    pub const fn style(self, tone: Tone) -> Style {
        match self {
            Self::Dark => dark(tone),
            Self::Light => light(tone),
            Self::Sixteen => sixteen(tone),
            Self::Mono => mono(tone),
        }
    }
}

const fn rgb(hex: u32) -> Color {
    let [_, r, g, b] = hex.to_be_bytes();
    Color::Rgb(r, g, b)
}

const fn dark(tone: Tone) -> Style {
    let s = Style::new();
    match tone {
        Tone::Text => s.fg(rgb(0xd5_da_e3)),
        Tone::Strong => s.fg(rgb(0xff_ff_ff)).add_modifier(Modifier::BOLD),
        Tone::Faint => s.fg(rgb(0x8a_94_a6)),
        Tone::Rule => s.fg(rgb(0x3a_43_53)),
        Tone::Accent => s.fg(rgb(0x7c_b7_ff)).add_modifier(Modifier::BOLD),
        Tone::Good => s.fg(rgb(0x7f_d9_8c)),
        Tone::Ring => s.fg(rgb(0xff_cf_5c)),
        Tone::Busy => s.fg(rgb(0xff_8f_70)),
        Tone::Held => s.fg(rgb(0x6f_d0_e0)),
        Tone::Away => s.fg(rgb(0xa0_a8_b8)),
        Tone::Unknown => s.fg(rgb(0xb0_98_d8)),
        Tone::Bad | Tone::Forbidden => s.fg(rgb(0xff_6b_7d)).add_modifier(Modifier::BOLD),
        Tone::Key => s
            .fg(rgb(0x12_16_1e))
            .bg(rgb(0x8f_a3_bf))
            .add_modifier(Modifier::BOLD),
        Tone::Lit => s.fg(rgb(0x5f_a8_78)),
        Tone::Target => s.fg(rgb(0x8c_f0_a0)).add_modifier(Modifier::BOLD),
        Tone::Carried => s
            .fg(rgb(0x12_16_1e))
            .bg(rgb(0xff_cf_5c))
            .add_modifier(Modifier::BOLD),
        Tone::Chip => s.fg(rgb(0xd5_da_e3)).bg(rgb(0x23_2b_38)),
        Tone::Selected => s.fg(rgb(0xff_ff_ff)).bg(rgb(0x2f_4f_7f)),
    }
}

const fn light(tone: Tone) -> Style {
    let s = Style::new();
    match tone {
        Tone::Text => s.fg(rgb(0x24_2a_33)),
        Tone::Strong => s.fg(rgb(0x00_00_00)).add_modifier(Modifier::BOLD),
        Tone::Faint => s.fg(rgb(0x66_6e_7a)),
        Tone::Rule => s.fg(rgb(0xc2_bf_b6)),
        Tone::Accent => s.fg(rgb(0x1a_5f_b4)).add_modifier(Modifier::BOLD),
        Tone::Good => s.fg(rgb(0x1d_7a_36)),
        Tone::Ring => s.fg(rgb(0x9a_5b_00)),
        Tone::Busy => s.fg(rgb(0xb5_3a_12)),
        Tone::Held => s.fg(rgb(0x0b_6b_7d)),
        Tone::Away => s.fg(rgb(0x60_68_74)),
        Tone::Unknown => s.fg(rgb(0x6a_45_a8)),
        Tone::Bad | Tone::Forbidden => s.fg(rgb(0xb7_12_2d)).add_modifier(Modifier::BOLD),
        Tone::Key => s
            .fg(rgb(0xff_ff_ff))
            .bg(rgb(0x5d_67_75))
            .add_modifier(Modifier::BOLD),
        Tone::Lit => s.fg(rgb(0x3f_98_58)),
        Tone::Target => s.fg(rgb(0x0c_6b_26)).add_modifier(Modifier::BOLD),
        Tone::Carried => s
            .fg(rgb(0x24_2a_33))
            .bg(rgb(0xff_d4_66))
            .add_modifier(Modifier::BOLD),
        Tone::Chip => s.fg(rgb(0x24_2a_33)).bg(rgb(0xec_e9_e1)),
        Tone::Selected => s.fg(rgb(0x00_00_00)).bg(rgb(0xc6_dc_f8)),
    }
}

const fn sixteen(tone: Tone) -> Style {
    let s = Style::new();
    match tone {
        Tone::Text | Tone::Chip => s,
        Tone::Strong => s.add_modifier(Modifier::BOLD),
        Tone::Faint | Tone::Rule | Tone::Away => s.fg(Color::DarkGray),
        Tone::Accent => s.fg(Color::Blue).add_modifier(Modifier::BOLD),
        Tone::Good | Tone::Lit => s.fg(Color::Green),
        Tone::Ring => s.fg(Color::Yellow),
        Tone::Busy => s.fg(Color::Red),
        Tone::Held => s.fg(Color::Cyan),
        Tone::Unknown => s.fg(Color::Magenta),
        Tone::Bad | Tone::Forbidden => s.fg(Color::Red).add_modifier(Modifier::BOLD),
        Tone::Key | Tone::Selected => s.add_modifier(Modifier::REVERSED),
        Tone::Target => s.fg(Color::Green).add_modifier(Modifier::BOLD),
        Tone::Carried => s.fg(Color::Black).bg(Color::Yellow),
    }
}

const fn mono(tone: Tone) -> Style {
    let s = Style::new();
    match tone {
        Tone::Text | Tone::Good | Tone::Held | Tone::Lit | Tone::Chip => s,
        Tone::Faint | Tone::Rule | Tone::Away => s.add_modifier(Modifier::DIM),
        Tone::Strong | Tone::Accent | Tone::Ring | Tone::Busy | Tone::Target | Tone::Forbidden => {
            s.add_modifier(Modifier::BOLD)
        }
        Tone::Unknown => s.add_modifier(Modifier::ITALIC),
        Tone::Bad => s.add_modifier(Modifier::BOLD.union(Modifier::UNDERLINED)),
        Tone::Key | Tone::Selected | Tone::Carried => s.add_modifier(Modifier::REVERSED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_chooses() {
        assert_eq!(
            Theme::suited(Some("1"), Some("truecolor"), None),
            Theme::Mono
        );
        assert_eq!(
            Theme::suited(Some(""), Some("truecolor"), None),
            Theme::Dark,
            "an empty NO_COLOR asks for nothing"
        );
        assert_eq!(
            Theme::suited(None, None, Some("xterm-256color")),
            Theme::Sixteen
        );
        assert_eq!(Theme::suited(None, None, Some("vt220")), Theme::Mono);
    }

    #[test]
    fn mono_has_no_colour_anywhere() {
        for tone in [
            Tone::Text,
            Tone::Busy,
            Tone::Bad,
            Tone::Key,
            Tone::Carried,
            Tone::Chip,
            Tone::Selected,
            Tone::Lit,
        ] {
            let style = Theme::Mono.style(tone);
            assert!(style.fg.is_none() && style.bg.is_none(), "{tone:?}");
        }
    }
}
