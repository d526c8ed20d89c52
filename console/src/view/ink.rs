//! Text on its way to cells: runs of cleaned text, each with a tone.
//!
//! The type is the guard. There is no way to put a `&str` from outside into an [`Ink`]: names come as
//! [`SafeText`], sentences as [`Sentence`], which cleaned them when they were made; what is left are literals
//! and numbers.

use std::borrow::Cow;

use cordboard_core::ids::{Phone, QueueId, SafeText, SlotId};
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::{
    app::Sentence,
    field::Cells,
    number,
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

    /// What is in sight of a line that is being typed.
    pub(super) fn typed(self, text: &Cells, tone: Tone) -> Self {
        self.run(text.as_str().to_owned(), tone)
    }

    /// Text that was put together in this module's parent from the above, such as a wrapped line of a
    /// sentence.
    pub(super) fn ours(self, text: &str, tone: Tone) -> Self {
        let clean = Sentence::new(text);
        self.sentence(&clean, tone)
    }

    /// A key as it is written.
    pub(super) fn key(self, key: Cow<'static, str>, tone: Tone) -> Self {
        match key {
            Cow::Borrowed(key) => self.say(key, tone),
            Cow::Owned(key) => self.ours(&key, tone),
        }
    }

    /// A telephone number, with a blank after the country code and between groups.
    pub(super) fn phone(self, number: &Phone, tone: Tone) -> Self {
        self.run(number::spaced(number), tone)
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

    /// Broken at blanks into at most `most` lines of that width. Lines after the first stand a little in.
    pub(super) fn fold(&self, cells: u16, most: usize) -> Vec<Self> {
        const INDENT: u16 = 3;
        if self.width() <= cells || most < 2 {
            return vec![self.clone()];
        }
        let (mut lines, mut line, mut used) = (Vec::new(), Self::new(self.theme), 0);
        for (text, style) in &self.runs {
            for word in text.split_inclusive(' ') {
                let width = text_width(word);
                // The blank after a word may hang over the edge.
                if used + text_width(word.trim_end()) > cells
                    && used > INDENT
                    && lines.len() + 1 < most
                {
                    lines.push(std::mem::replace(
                        &mut line,
                        Self::new(self.theme).gap(INDENT.into()),
                    ));
                    used = INDENT;
                }
                line.runs.push((word.to_owned(), *style));
                used += width;
            }
        }
        lines.push(line);
        lines
    }

    /// How many cells it takes.
    pub(super) fn width(&self) -> u16 {
        let cells: usize = self.runs.iter().map(|(text, _)| text.width()).sum();
        u16::try_from(cells).unwrap_or(u16::MAX)
    }

    /// Writes into the first row of `rect`, which lies in the buffer, and marks with an ellipsis where it was
    /// cut.
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

/// A style that leaves nothing of what was under it but the ground: themes that set no colour of their own
/// would otherwise show the colour and the weight of the border they are written on.
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
    fn a_line_that_is_too_long_goes_on_in_the_next_and_keeps_its_words() {
        let ink = Ink::new(Theme::Mono).say("drop: ", Tone::Target).safe(
            &"send Rosa Diaz to Grace Hopper, back to you".into(),
            Tone::Text,
        );
        let text = |ink: &Ink| ink.runs.iter().map(|(t, _)| t.as_str()).collect::<String>();
        let lines: Vec<String> = ink.fold(26, 2).iter().map(text).collect();
        assert_eq!(
            lines,
            ["drop: send Rosa Diaz to ", "   Grace Hopper, back to you"]
        );
        assert_eq!(ink.fold(80, 2).len(), 1);
        assert_eq!(ink.fold(10, 1).len(), 1, "one row is one line, cut");
    }

    #[test]
    fn sentences_wrap_at_blanks_and_long_words_break() {
        assert_eq!(wrap("send Rosa to Grace", 9), ["send Rosa", "to Grace"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
    }

    #[test]
    fn times_are_written_as_people_read_them() {
        assert_eq!(
            [clock(-3), clock(42), clock(3723), clock(200_000)],
            ["0:00", "0:42", "1:02:03", "2 d"]
        );
    }
}
