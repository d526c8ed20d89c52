//! One's phone pages, as they have said they are; and pairing another: the code to be scanned or typed, and the
//! question who is to be let in.
//!
//! A code is black on white in every theme, with its quiet zone: cameras read nothing else. Where it does not fit, the
//! address and the letters stand alone; they are enough. Where a telephone could not follow it, it is not shown at all.
//!
//! Read next: `reach.rs`, `view/phone.rs`.

use cordboard_core::api::PairingMade;
use qrcode::{EcLevel, QrCode};
use ratatui::{
    layout::{Rect, Size},
    style::{Color, Style},
    widgets::Widget,
};
use tui_qrcode::{Colors, QrCodeWidget, QuietZone};

use super::{Canvas, frame, ink, ink::Ink, phone};
use crate::{
    app::{Code, Model, UNREADY_MS},
    keymap::Key,
    reach::Reach,
    settings::Hint,
    theme::{Theme, Tone},
};
use cordboard_core::ids::Timestamp;

/// How wide the words beside the code are, at least and at most.
const BESIDE: (u16, u16) = (26, 44);
/// How wide a window is in which there is no code for a camera.
const ALONE: u16 = 70;

/// What can be done in the window of a code.
pub(super) fn code_hints(model: &Model, code: &Code) -> &'static [Hint] {
    const LINK: &[Hint] = &[
        (Key::Char('y'), "y", "copy the link"),
        (Key::Esc, "Esc", "close, and drop the code"),
    ];
    match code.reach() {
        _ if !model.code_holds(code) => SPENT,
        Some(Reach::Deaf(_)) => &LINK[1..],
        _ => LINK,
    }
}

/// What can be done where there is no code, or not any more.
const SPENT: &[Hint] = &[
    (Key::Char('n'), "n", "another code"),
    (Key::Esc, "Esc", "close"),
];

/// What can be done in the window of the pages.
pub(super) const PAGES: &[Hint] = &[
    (Key::Char('n'), "n", "pair another"),
    (Key::Esc, "Esc", "close"),
];

/// What can be done with a page that asks.
pub(super) const ADMIT: &[Hint] = &[
    (Key::Char('y'), "y", "let it in"),
    (Key::Char('n'), "n", "keep it out"),
    (Key::Esc, "Esc", "not now"),
];

/// Lines of a notice.
fn wrapped(canvas: &Canvas<'_>, text: &str, tone: Tone) -> Vec<Ink> {
    let width = 64.min(canvas.buf.area.width.saturating_sub(8)).max(8);
    ink::wrap(text, width.into())
        .iter()
        .map(|line| canvas.ink().ours(line, tone))
        .collect()
}

/// Every page of this console, as far as it has said.
pub(super) fn pages(canvas: &mut Canvas<'_>) {
    let model = canvas.model;
    let head = canvas.ink().say(" Your phone pages ", Tone::Accent);
    let mut lines = vec![canvas.ink()];
    if !model.link.is_live() {
        let told = "Not connected. This is how they were.";
        lines.extend(wrapped(canvas, told, Tone::Bad));
        lines.push(canvas.ink());
    }
    if model.pages.is_empty() {
        let told = "No phone page is paired with this console.";
        lines.extend(wrapped(canvas, told, Tone::Text));
    } else if model.my_page().is_none() {
        let told = "Your phone is a page of another console.";
        lines.extend(wrapped(canvas, told, Tone::Text));
        lines.push(canvas.ink());
    }
    // Frame, keys and the line before them are not for pages; nor is the last line, if they do not all fit.
    let room = usize::from(canvas.buf.area.height).saturating_sub(8);
    let sorted = |active| model.pages.iter().filter(move |p| p.active == active);
    let mut left = model.pages.len();
    for page in sorted(true).chain(sorted(false)) {
        let mut own: Vec<Ink> = Vec::new();
        for (n, (text, tone)) in phone::about(page).into_iter().enumerate() {
            let indent = if n == 0 { 0 } else { 2 };
            let parts = wrapped(canvas, &text, tone);
            own.extend(parts.into_iter().map(|i| canvas.ink().gap(indent).then(i)));
        }
        own.push(canvas.ink());
        if lines.len() + own.len() > room {
            let more = u64::try_from(left).unwrap_or(0);
            lines.push(
                canvas
                    .ink()
                    .say("and ", Tone::Faint)
                    .count(more, Tone::Faint)
                    .say(" more", Tone::Faint),
            );
            break;
        }
        lines.extend(own);
        left -= 1;
    }
    frame::notice(canvas, &head, lines, PAGES);
}

pub(super) fn code(canvas: &mut Canvas<'_>, code: &Code) {
    let head = canvas.ink().say(" Pair a phone page ", Tone::Accent);
    let holds = canvas.model.code_holds(code);
    match &code.made {
        None => {
            let lines = wrapped(canvas, "◌ asking the server for a code…", Tone::Ring);
            frame::notice(canvas, &head, lines, &[(Key::Esc, "Esc", "close")]);
        }
        Some(Err(why)) => {
            let lines = wrapped(canvas, &format!("! {why}"), Tone::Bad);
            frame::notice(canvas, &head, lines, SPENT);
        }
        Some(Ok(_)) if !holds => {
            let lines = wrapped(canvas, "This code has run out.", Tone::Text);
            frame::notice(canvas, &head, lines, SPENT);
        }
        Some(Ok((made, until))) => live(canvas, &head, made, *until),
    }
}

fn live(canvas: &mut Canvas<'_>, head: &Ink, made: &PairingMade, until: Timestamp) {
    let screen = canvas.buf.area;
    let reach = Reach::of(&made.link);
    let qr = QrCode::with_error_correction_level(made.link.as_bytes(), EcLevel::L).ok();
    // A telephone that scans an address of this machine looks for it in itself.
    let qr = qr.filter(|_| reach == Reach::Anywhere);
    let widget = qr.map(|qr| {
        QrCodeWidget::new(qr)
            .quiet_zone(QuietZone::Enabled)
            .colors(Colors::Normal)
            .style(paper(canvas.theme))
    });
    let size = widget.as_ref().map_or(Size::ZERO, |w| w.size(screen));
    let beside_it = screen
        .width
        .saturating_sub(size.width + 8)
        .clamp(BESIDE.0, BESIDE.1);
    let (width, height) = (size.width + beside_it + 6, size.height + 2);
    let fits = size.width > 0 && width <= screen.width && height <= screen.height;
    if reach != Reach::Anywhere {
        // In words only, and no larger than they are.
        let width = ALONE.min(screen.width.saturating_sub(2));
        let room = Size::new(width.saturating_sub(4), screen.height.saturating_sub(5));
        let lines = beside(canvas, room, (made, until), &reach, false);
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let inner = frame::window(canvas, width, height.saturating_add(2), head);
        write(canvas, inner, lines);
        return;
    }
    let (width, height) = if fits { (width, height) } else { (60, 15) };
    let inner = frame::window(canvas, width, height, head);
    let words = match widget.filter(|_| fits && inner.height >= size.height) {
        Some(widget) => {
            let rect = Rect {
                width: size.width,
                height: size.height,
                ..inner
            };
            widget.render(rect, canvas.buf);
            Rect {
                x: inner.x + size.width + 2,
                width: inner.width - size.width - 2,
                ..inner
            }
        }
        None => inner,
    };
    let lines = beside(canvas, words.as_size(), (made, until), &reach, fits);
    write(canvas, words, lines);
}

fn write(canvas: &mut Canvas<'_>, rect: Rect, lines: Vec<Ink>) {
    let raised = canvas.theme.raised();
    for (n, line) in lines.into_iter().enumerate() {
        canvas.line(frame::row(rect, n), &line.on(raised));
    }
}

/// What is read beside the code for a camera, or without one.
fn beside(
    canvas: &Canvas<'_>,
    room: Size,
    (made, until): (&PairingMade, Timestamp),
    reach: &Reach,
    scanned: bool,
) -> Vec<Ink> {
    let wrapped = |text: &str, tone| -> Vec<Ink> {
        let lines = ink::wrap(text, room.width.max(8).into());
        let ours = |line: &String| canvas.ink().ours(line, tone);
        lines.iter().map(ours).collect()
    };
    let address = made.link.split('#').next().unwrap_or_default();
    let mut lines = Vec::new();
    let mut add = |text: &str, tone| lines.extend(wrapped(text, tone));
    match reach {
        Reach::Anywhere | Reach::Here => {
            let how = if scanned {
                "Scan it, or open"
            } else {
                "Open in a browser"
            };
            add(how, Tone::Text);
            add(address, Tone::Accent);
        }
        Reach::Deaf(tunnel) => {
            for told in reach.told() {
                add(&told, Tone::Ring);
            }
            if let Some(tunnel) = tunnel {
                add("Or, on the machine with your browser, run", Tone::Text);
                add(&tunnel.command, Tone::Accent);
                add("and open", Tone::Text);
                add(&tunnel.address, Tone::Accent);
            }
        }
    }
    add("and type", Tone::Text);
    let letters: Vec<char> = made
        .code
        .chars()
        .filter(char::is_ascii_alphabetic)
        .collect();
    let roomy = room.height >= 12 && !matches!(reach, Reach::Deaf(_));
    if roomy && letters.len() == 8 && letters.iter().all(|c| glyph(*c).is_some()) {
        lines.push(canvas.ink());
        let wide = room.width >= 50;
        for half in letters.chunks(if wide { 8 } else { 4 }) {
            lines.extend(large(canvas, half));
        }
    }
    lines.push(canvas.ink().ours(&made.code, Tone::Strong));
    let left = (until.since(canvas.model.now) + 999) / 1000;
    lines.push(
        canvas
            .ink()
            .say("holds for ", Tone::Text)
            .time(left, Tone::Ring),
    );
    lines.push(canvas.ink());
    let look = "Then look here: this console asks before it lets a page in.";
    lines.extend(wrapped(look, Tone::Faint));
    if *reach == Reach::Here {
        for told in reach.told() {
            lines.extend(wrapped(&told, Tone::Faint));
        }
    }
    lines
}

/// Black on white, in the words of the theme.
const fn paper(theme: Theme) -> Style {
    match theme {
        Theme::Dark | Theme::Light => Style::new()
            .fg(Color::Rgb(0, 0, 0))
            .bg(Color::Rgb(255, 255, 255)),
        // Not even where no colours are wanted could a camera read it otherwise.
        Theme::Sixteen | Theme::Mono => Style::new().fg(Color::Black).bg(Color::White),
    }
}

/// Letters three lines high.
fn large(canvas: &Canvas<'_>, letters: &[char]) -> Vec<Ink> {
    (0..3)
        .map(|line| {
            letters.iter().fold(canvas.ink(), |ink, letter| {
                let rows = glyph(*letter).unwrap_or_default();
                let at = |y: usize| rows.get(y).copied().unwrap_or(0);
                let (upper, lower) = (at(line * 2), at(line * 2 + 1));
                let ink = (0..5).rev().fold(ink, |ink, bit| {
                    let cell = match (upper >> bit & 1, lower >> bit & 1) {
                        (1, 1) => "█",
                        (1, _) => "▀",
                        (_, 1) => "▄",
                        _ => " ",
                    };
                    ink.say(cell, Tone::Strong)
                });
                ink.gap(1)
            })
        })
        .collect()
}

/// The letters of codes (RFC 8628, 6.1: consonants only), five by five.
const fn glyph(letter: char) -> Option<[u8; 5]> {
    Some(match letter.to_ascii_uppercase() {
        'B' => [0b11110, 0b10001, 0b11110, 0b10001, 0b11110],
        'C' => [0b01111, 0b10000, 0b10000, 0b10000, 0b01111],
        'D' => [0b11110, 0b10001, 0b10001, 0b10001, 0b11110],
        'F' => [0b11111, 0b10000, 0b11110, 0b10000, 0b10000],
        'G' => [0b01111, 0b10000, 0b10011, 0b10001, 0b01111],
        'H' => [0b10001, 0b10001, 0b11111, 0b10001, 0b10001],
        'J' => [0b00001, 0b00001, 0b00001, 0b10001, 0b01110],
        'K' => [0b10001, 0b10010, 0b11100, 0b10010, 0b10001],
        'L' => [0b10000, 0b10000, 0b10000, 0b10000, 0b11111],
        'M' => [0b10001, 0b11011, 0b10101, 0b10001, 0b10001],
        'N' => [0b10001, 0b11001, 0b10101, 0b10011, 0b10001],
        'P' => [0b11110, 0b10001, 0b11110, 0b10000, 0b10000],
        'Q' => [0b01110, 0b10001, 0b10001, 0b10010, 0b01101],
        'R' => [0b11110, 0b10001, 0b11110, 0b10010, 0b10001],
        'S' => [0b01111, 0b10000, 0b01110, 0b00001, 0b11110],
        'T' => [0b11111, 0b00100, 0b00100, 0b00100, 0b00100],
        'V' => [0b10001, 0b10001, 0b10001, 0b01010, 0b00100],
        'W' => [0b10001, 0b10001, 0b10101, 0b11011, 0b10001],
        'X' => [0b10001, 0b01010, 0b00100, 0b01010, 0b10001],
        'Z' => [0b11111, 0b00010, 0b00100, 0b01000, 0b11111],
        _ => return None,
    })
}

/// A page asks to be let in.
pub(super) fn admit(canvas: &mut Canvas<'_>, since: Timestamp) {
    let model = canvas.model;
    let Some(asks) = &model.pairing else { return };
    let head = canvas
        .ink()
        .say(" A phone page asks to be let in ", Tone::Accent);
    let lines = vec![
        canvas.ink(),
        canvas
            .ink()
            .say("It is   ", Tone::Faint)
            .safe(&asks.device, Tone::Strong),
        canvas
            .ink()
            .say("From    ", Tone::Faint)
            .safe(&asks.address, Tone::Strong),
        canvas.ink(),
        canvas
            .ink()
            .say("Is this your page? It shows ", Tone::Text)
            .safe(&asks.check, Tone::Carried)
            .say(" as well.", Tone::Text),
        canvas.ink().say(
            "Whoever is let in talks and answers in your name.",
            Tone::Faint,
        ),
        canvas.ink(),
        canvas
            .ink()
            .say("It waits ", Tone::Faint)
            .time(model.seconds_until(asks.until), Tone::Ring)
            .say(" more.", Tone::Faint),
    ];
    let ready = model.now.since(since) >= UNREADY_MS;
    frame::notice(
        canvas,
        &head,
        lines,
        if ready { ADMIT } else { &ADMIT[2..] },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_of_a_code_has_a_shape_of_its_own() {
        let letters: Vec<char> = "BCDFGHJKLMNPQRSTVWXZ".chars().collect();
        let mut shapes: Vec<_> = letters.iter().filter_map(|c| glyph(*c)).collect();
        assert_eq!(shapes.len(), 20);
        shapes.sort_unstable();
        shapes.dedup();
        assert_eq!(shapes.len(), 20);
        assert_eq!(glyph('A'), None);
    }

    #[test]
    fn a_code_is_black_on_white_in_every_theme() {
        for theme in Theme::ALL {
            let style = paper(theme);
            assert!(matches!(style.fg, Some(Color::Black | Color::Rgb(0, 0, 0))));
            assert!(matches!(
                style.bg,
                Some(Color::White | Color::Rgb(255, 255, 255))
            ));
        }
    }
}
