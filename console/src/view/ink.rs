//! Text on its way to cells: runs of cleaned text, each with a tone.
//!
//! The type is the guard. There is no way to put a `&str` from outside into an [`Ink`]: names come as [`SafeText`], sentences as [`Sentence`], which
//! cleaned them when they were made; what is left are literals and numbers.

use cordboard_core::ids::{Phone, QueueId, SafeText, SlotId};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::{
    app::Sentence,
    theme::{Theme, Tone},
};

/// A line being put together.
#[derive(Debug, Clone)]
pub(super) struct Ink {
    theme: Theme,
    runs: Vec<(String, Style)>,
}

impl Ink {
    pub(super) const fn new(theme: Theme) -> Self {
        Self {
            theme,
            runs: Vec::new(),
        }
    }

    fn run(mut self, text: String, tone: Tone) -> Self {
        if !text.is_empty() {
            self.runs.push((text, self.theme.style(tone)));
        }
        self
    }

    /// A literal.
    pub(super) fn say(self, text: &'static str, tone: Tone) -> Self {
        self.run(text.to_owned(), tone)
    }

    /// A name.
    pub(super) fn safe(self, text: &SafeText, tone: Tone) -> Self {
        self.run(text.as_str().to_owned(), tone)
    }

    /// A sentence.
    pub(super) fn sentence(self, text: &Sentence, tone: Tone) -> Self {
        self.run(text.as_str().to_owned(), tone)
    }

    /// Text that was put together in this module's parent from the above, such as a wrapped line of a sentence.
    pub(super) fn ours(self, text: &str, tone: Tone) -> Self {
        let clean = Sentence::new(text);
        self.sentence(&clean, tone)
    }

    /// A telephone number, with a blank after the country code and between groups.
    pub(super) fn phone(self, number: &Phone, tone: Tone) -> Self {
        self.run(spaced(number), tone)
    }

    /// A slot's name.
    pub(super) fn slot(self, slot: &SlotId, tone: Tone) -> Self {
        self.run(slot.as_str().to_owned(), tone)
    }

    /// A queue's name.
    pub(super) fn queue(self, queue: &QueueId, tone: Tone) -> Self {
        self.run(queue.as_str().to_owned(), tone)
    }

    /// A number.
    pub(super) fn count(self, n: impl Into<u64>, tone: Tone) -> Self {
        let n: u64 = n.into();
        self.run(n.to_string(), tone)
    }

    /// A length of time in seconds: `0:42`, `1:02:03`, `3 d`.
    pub(super) fn time(self, seconds: i64, tone: Tone) -> Self {
        self.run(clock(seconds), tone)
    }

    /// Blanks.
    pub(super) fn gap(self, cells: usize) -> Self {
        self.run(" ".repeat(cells), Tone::Text)
    }

    /// The other one after this one.
    pub(super) fn then(mut self, other: Self) -> Self {
        self.runs.extend(other.runs);
        self
    }

    /// Everything on that ground.
    pub(super) fn on(mut self, ground: Style) -> Self {
        for (_, style) in &mut self.runs {
            if let (None, Some(bg)) = (style.bg, ground.bg) {
                *style = style.bg(bg);
            }
            if ground.add_modifier.contains(Modifier::REVERSED) {
                // Reversed, a colour would become a patch of ground.
                *style = Style { fg: None, ..*style }.add_modifier(Modifier::REVERSED);
            }
        }
        self
    }

    /// How many cells it takes.
    pub(super) fn width(&self) -> u16 {
        let cells: usize = self.runs.iter().map(|(text, _)| text.width()).sum();
        u16::try_from(cells).unwrap_or(u16::MAX)
    }

    /// Writes into the first row of `rect`, which lies in the buffer, and marks with an ellipsis where it was cut.
    pub(super) fn write(&self, buf: &mut Buffer, rect: Rect) -> u16 {
        let cut = self.width() > rect.width;
        let mut room = usize::from(rect.width) - usize::from(cut);
        let mut x = rect.x;
        let mut last = Style::default();
        'runs: for (text, style) in &self.runs {
            let mut fits = 0;
            let style = whole(*style);
            last = style;
            for (at, c) in text.char_indices() {
                let width = c.width().unwrap_or(0);
                if width > room {
                    x = buf
                        .set_stringn(
                            x,
                            rect.y,
                            &text[..fits],
                            usize::from(rect.right() - x),
                            style,
                        )
                        .0;
                    break 'runs;
                }
                room -= width;
                fits = at + c.len_utf8();
            }
            x = buf
                .set_stringn(x, rect.y, text, usize::from(rect.right() - x), style)
                .0;
        }
        if cut && x < rect.right() {
            x = buf.set_stringn(x, rect.y, "…", 1, last).0;
        }
        x - rect.x
    }
}

/// A style that leaves nothing of what was under it but the ground: themes that set no colour of their own would otherwise show the colour and the weight
/// of the border they are written on.
pub(super) fn whole(style: Style) -> Style {
    Style {
        fg: Some(style.fg.unwrap_or(Color::Reset)),
        sub_modifier: Modifier::all().difference(style.add_modifier),
        ..style
    }
}

/// How many cells a text takes.
pub(super) fn text_width(text: &str) -> u16 {
    u16::try_from(text.width()).unwrap_or(u16::MAX)
}

/// Breaks a text at its blanks into lines of at most `cells`; a longer word is broken where the line ends.
pub(super) fn wrap(text: &str, cells: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let cells = cells.max(1);
    for word in text.split_whitespace() {
        let mut line = lines.pop().unwrap_or_default();
        let gap = usize::from(!line.is_empty());
        if line.width() + gap + word.width() <= cells {
            line.push_str(if gap == 1 { " " } else { "" });
            line.push_str(word);
            lines.push(line);
            continue;
        }
        if !line.is_empty() {
            lines.push(line);
        }
        let mut piece = String::new();
        for c in word.chars() {
            if piece.width() + c.width().unwrap_or(0) > cells {
                lines.push(std::mem::take(&mut piece));
            }
            piece.push(c);
        }
        lines.push(piece);
    }
    lines
}

/// A length of time as a clock shows it.
pub(super) fn clock(seconds: i64) -> String {
    match seconds.max(0) {
        s if s < 3600 => format!("{}:{:02}", s / 60, s % 60),
        s if s < 86_400 => format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60),
        s => format!("{} d", s / 86_400),
    }
}

/// A number in groups, so that it can be read aloud: country code, then groups of three or four.
pub(super) fn spaced(number: &Phone) -> String {
    let digits = &number.as_str()[1..];
    let (country, rest) = digits.split_at(country_digits(digits).min(digits.len()));
    let mut out = format!("+{country}");
    let sizes: &[usize] = match rest.len() {
        5 | 6 => &[3],
        7 => &[3, 4],
        9 => &[3, 3, 3],
        10 => &[3, 3, 4],
        11 => &[3, 4, 4],
        _ => &[4],
    };
    let (mut rest, mut sizes) = (rest, sizes.iter().cycle());
    while !rest.is_empty() {
        let (group, after) = rest.split_at(sizes.next().copied().unwrap_or(4).min(rest.len()));
        out.push(' ');
        out.push_str(group);
        rest = after;
    }
    out
}

/// How many digits the country code has (ITU-T E.164, list of assigned country codes: 1 and 7 have one, the rest two or three).
fn country_digits(digits: &str) -> usize {
    let two = |from: u8, to: u8| {
        digits
            .get(..2)
            .and_then(|d| d.parse::<u8>().ok())
            .is_some_and(|n| (from..=to).contains(&n))
    };
    match digits.as_bytes().first() {
        Some(b'1' | b'7') => 1,
        _ if two(20, 20)
            || two(27, 28)
            || two(30, 34)
            || two(36, 36)
            || two(39, 41)
            || two(43, 49) =>
        {
            2
        }
        _ if two(51, 58)
            || two(60, 66)
            || two(81, 84)
            || two(86, 86)
            || two(90, 95)
            || two(98, 98) =>
        {
            2
        }
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_its_width_and_says_so() {
        let row = Rect::new(0, 0, 8, 1);
        let mut buf = Buffer::empty(row);
        let ink = Ink::new(Theme::Mono).safe(&"李小龍 and friends".into(), Tone::Text);
        assert_eq!(ink.write(&mut buf, row), 8);
        let text: String = buf
            .content
            .iter()
            .map(ratatui::buffer::Cell::symbol)
            .collect();
        assert!(text.ends_with('…'), "{text:?}");
    }

    #[test]
    fn sentences_wrap_at_blanks_and_long_words_break() {
        assert_eq!(wrap("send Rosa to Grace", 9), ["send Rosa", "to Grace"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
    }

    #[test]
    fn times_and_numbers_are_written_as_people_read_them() {
        assert_eq!(
            [clock(-3), clock(42), clock(3723), clock(200_000)],
            ["0:00", "0:42", "1:02:03", "2 d"]
        );
        assert_eq!(spaced(&"+14155550132".parse().unwrap()), "+1 415 555 0132");
        assert_eq!(
            spaced(&"+2348055550101".parse().unwrap()),
            "+234 805 555 0101"
        );
        assert_eq!(
            spaced(&"+442079460018".parse().unwrap()),
            "+44 207 946 0018"
        );
    }
}
