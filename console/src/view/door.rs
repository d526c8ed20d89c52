//! Drawing the door: one panel in the middle of the screen, the server above it, the keys below it.
//!
//! Read next: [`crate::door`], `view/form.rs`.

use ratatui::{layout::Rect, style::Style};

use super::{form, ink, ink::Ink, sheet::Sheet};
use crate::{
    app::{Sentence, Spot},
    client::address,
    door::{Door, Known, Page, Way},
    keymap::Action,
    shape::{MIN_HEIGHT, MIN_WIDTH},
    theme::{Theme, Tone},
};

/// How wide the panel is: on a usual screen, and where errors have room beside their fields.
const PANEL: (u16, u16) = (76, 118);
/// From this width on, they have.
const ROOMY: u16 = 124;
/// How wide the column of ways is.
const WAYS: u16 = 22;
/// The field of jacks over the page of welcome, and the cord in it.
const JACKS: [&str; 3] = [
    "○   ○   ●   ○   ○   ○   ○   ○   ○   ○",
    "        ╰───────────────────╮        ",
    "○   ○   ○   ○   ○   ○   ○   ●   ○   ○",
];

pub(super) fn draw(sheet: &mut Sheet<'_>, door: &Door) {
    let area = sheet.buf.area;
    sheet.ground(area, door.theme.ground());
    if area.width < MIN_WIDTH || area.height < MIN_HEIGHT {
        sheet.too_small("Nothing that you have typed is lost.");
        return;
    }
    header(sheet, door, Rect { height: 1, ..area });
    footer(
        sheet,
        door,
        Rect {
            y: area.bottom() - 1,
            height: 1,
            ..area
        },
    );
    let middle = Rect {
        y: area.y + 1,
        height: area.height - 2,
        ..area
    };
    match &door.form {
        Some(filled) => {
            let intro = intro(door);
            let inner = width(middle) - 6;
            let said = ink::wrap(&intro, inner.into());
            let said_rows = if intro.is_empty() {
                0
            } else {
                u16::try_from(said.len()).unwrap_or(0) + 1
            };
            let (least, full) = form::heights(filled, inner);
            let title = sheet
                .ink()
                .gap(1)
                .say(title(&door.page), Tone::Accent)
                .gap(1);
            let (inside, ground) = panel(sheet, middle, full + said_rows, &title);
            // Where there is little room, the fields need it more.
            let said_rows = if least + said_rows <= inside.height {
                said_rows
            } else {
                0
            };
            for (y, line) in (inside.y..inside.y + said_rows.saturating_sub(1)).zip(&said) {
                let ink = sheet.ink().ours(line, Tone::Text).on(ground);
                sheet.line(row(inside, y), &ink);
            }
            let rest = Rect {
                y: inside.y + said_rows,
                height: inside.height - said_rows,
                ..inside
            };
            form::draw(sheet, filled, rest, ground);
        }
        None => welcome(sheet, door, middle),
    }
}

fn row(area: Rect, y: u16) -> Rect {
    Rect {
        y,
        height: u16::from(y < area.bottom()),
        ..area
    }
}

const fn title(page: &Page) -> &'static str {
    match page {
        Page::Address => "Which server?",
        Page::Welcome => "Welcome",
        Page::SignIn => "Sign in",
        Page::Setup => "Set up this server",
        Page::Invitation => "Join with an invitation",
        Page::Join { .. } => "Join",
        Page::Reset => "Choose a new password",
        Page::Register => "Register",
        Page::Registered => "Registered",
    }
}

/// What a page is about.
fn intro(door: &Door) -> String {
    match &door.page {
        Page::Address => {
            "Cordboard's console works with a server. Whoever runs yours can tell you its address. To only look around, leave here and run: cordboard demo".to_owned()
        }
        Page::Setup => {
            "Nobody has an account at this server yet. It printed a set-up code when it started, on its own terminal or in its log: whoever types it here becomes the first administrator.".to_owned()
        }
        Page::Invitation => "An administrator has invited you and sent you a code, or a link.".to_owned(),
        Page::Join { .. } => "Welcome. What you see here is what the invitation says.".to_owned(),
        Page::Reset => "Your other sign-ins end with the old password.".to_owned(),
        Page::Register => "You write yourself down, and an administrator lets you in.".to_owned(),
        Page::Welcome | Page::SignIn | Page::Registered => String::new(),
    }
}

/// How wide the panel is.
fn width(middle: Rect) -> u16 {
    let most = if middle.width >= ROOMY {
        PANEL.1
    } else {
        PANEL.0
    };
    most.min(middle.width)
}

/// A panel for so many rows, a little above the middle. Returns its inside, and its ground.
fn panel(sheet: &mut Sheet<'_>, middle: Rect, rows: u16, title: &Ink) -> (Rect, Style) {
    let width = width(middle);
    // A blank row within the border, above first.
    let spare = middle.height.saturating_sub(rows.saturating_add(2)).min(2);
    let margin = spare.min(1);
    let height = rows.saturating_add(2 + spare).min(middle.height);
    let rect = Rect {
        x: middle.x + (middle.width - width) / 2,
        y: middle.y + (middle.height - height) / 3,
        width,
        height,
    };
    let ground = sheet.theme.raised();
    sheet.ground(rect, ground);
    let style = sheet.style(Tone::Rule).patch(Style {
        bg: ground.bg,
        ..Style::default()
    });
    sheet.boxed(rect, style, false);
    let head = Rect {
        x: rect.x + 2,
        width: rect.width - 4,
        height: 1,
        ..rect
    };
    sheet.line(head, &title.clone().on(ground));
    let inside = Rect {
        x: rect.x + 3,
        y: rect.y + 1 + margin,
        width: rect.width - 6,
        height: rect.height - 2 - spare,
    };
    (inside, ground)
}

fn header(sheet: &mut Sheet<'_>, door: &Door, rect: Rect) {
    let left = sheet
        .ink()
        .say(" ▐", Tone::Accent)
        .say(" cordboard", Tone::Strong)
        .gap(3);
    let at = door.url.as_ref().map(|url| Sentence::new(address(url)));
    let left = match &at {
        Some(at) => left.sentence(at, Tone::Faint),
        None => left,
    };
    let right = sheet
        .ink()
        .say(env!("CARGO_PKG_VERSION"), Tone::Faint)
        .gap(1);
    sheet.line_both(rect, &left, &right);
}

/// The keys of the page that is shown. Those that are not a form's own can be clicked.
fn footer(sheet: &mut Sheet<'_>, door: &Door, rect: Rect) {
    let typing: &[(&'static str, &'static str)] = match &door.form {
        Some(form) if form.asked().is_some() => &[("y", "leave"), ("n", "stay")],
        Some(form) if form.is_busy() => &[("Esc", "stop waiting")],
        Some(_) => &[("Tab", "next"), ("Enter", "go on"), ("Esc", "back")],
        None => &[("↑↓", "choose"), ("Enter", "go on")],
    };
    let quit = if door.form.is_some() { "Ctrl-C" } else { "q" };
    let mouse = if door.mouse { "select text" } else { "mouse" };
    let buttons = [
        ("F3", "colours", Action::Theme),
        ("F2", mouse, Action::Mouse),
        (quit, "leave", Action::Quit),
    ];
    let mut limit = rect.right();
    for (key, word, action) in buttons.into_iter().rev() {
        let ink = hint(sheet, key, word);
        let x = limit.saturating_sub(ink.width() + 2);
        // A narrow screen keeps the way out.
        if x < rect.x + 30 && action != Action::Quit {
            break;
        }
        sheet.button(x, rect.y, rect.right(), &ink, Spot::Button(action));
        limit = x;
    }
    let mut x = rect.x + 1;
    for (key, word) in typing {
        let ink = hint(sheet, key, word);
        if x + ink.width() + 1 > limit {
            break;
        }
        let rect = Rect {
            x,
            width: ink.width(),
            ..rect
        };
        sheet.line(rect, &ink);
        x += ink.width() + 2;
    }
}

fn hint(sheet: &Sheet<'_>, key: &'static str, word: &'static str) -> Ink {
    let narrow = sheet.theme == Theme::Mono || sheet.buf.area.width < 100;
    let ink = sheet.ink();
    let ink = if narrow {
        ink.say(key, Tone::Key)
    } else {
        ink.say(" ", Tone::Key)
            .say(key, Tone::Key)
            .say(" ", Tone::Key)
    };
    ink.gap(1).say(word, Tone::Text)
}

/// What can be done.
fn welcome(sheet: &mut Sheet<'_>, door: &Door, screen: Rect) {
    // A short list is not worth a wide panel.
    let width = PANEL.0.min(screen.width);
    let middle = Rect {
        x: screen.x + (screen.width - width) / 2,
        width,
        ..screen
    };
    let ways = door.ways();
    let inner = width - 6;
    let (text, tone) = known(door);
    let said = ink::wrap(&text, inner.into());
    let note = door.note.as_ref().map(|(mood, text)| {
        let lines = ink::wrap(&format!("{}{text}", mood.sign()), inner.into());
        (lines, super::bars::mood(*mood))
    });
    let rows = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
    let noted = note.as_ref().map_or(0, |(lines, _)| rows(lines.len()) + 1);
    let needed = rows(said.len()) + noted + 1 + rows(ways.len());
    let art = rows(JACKS.len()) + 1;
    let jacks = middle.height >= needed + art + 4;
    let wanted = needed + if jacks { art } else { 0 };
    let title = sheet
        .ink()
        .gap(1)
        .say(title(&door.page), Tone::Accent)
        .gap(1);
    let (inside, ground) = panel(sheet, middle, wanted, &title);
    let mut y = inside.y;
    if jacks {
        for line in JACKS {
            draw_jacks(sheet, row(inside, y), line, ground);
            y += 1;
        }
        y += 1;
    }
    let (lines, note_tone) = note.unwrap_or((Vec::new(), Tone::Text));
    for (line, tone) in lines
        .iter()
        .map(|line| (line, note_tone))
        .chain(said.iter().map(|line| (line, tone)))
    {
        let ink = sheet.ink().ours(line, tone).on(ground);
        sheet.line(row(inside, y), &ink);
        y += 1;
    }
    y += 1;
    for (n, way) in ways.iter().enumerate() {
        let rect = row(inside, y);
        let here = door.at == n;
        let ground = if here {
            sheet.style(Tone::Selected)
        } else {
            ground
        };
        if here {
            sheet.ground(rect, ground);
        }
        let ink = entry(sheet, door, *way, n, here).on(ground);
        sheet.line(rect, &ink);
        sheet.hit(rect, Spot::Line(n));
        y += 1;
    }
}

fn entry(sheet: &Sheet<'_>, door: &Door, way: Way, n: usize, here: bool) -> Ink {
    let number = u64::try_from(n + 1).unwrap_or(0);
    let ink = sheet
        .ink()
        .say(if here { "▸ " } else { "  " }, Tone::Accent)
        .count(number, Tone::Faint)
        .gap(2);
    let word = sheet.ink().say(way.word(), Tone::Strong);
    let pad = usize::from(WAYS.saturating_sub(word.width()));
    let ink = ink.then(word).gap(pad);
    let waits = door.waits();
    if way == Way::Again && waits > 0 {
        return ink
            .say("in ", Tone::Ring)
            .count(waits, Tone::Ring)
            .say(" s", Tone::Ring);
    }
    let key = if way == Way::Again { "r: " } else { "" };
    ink.say(key, Tone::Faint).say(way.means(), Tone::Faint)
}

/// What is known of the server, in a sentence.
fn known(door: &Door) -> (String, Tone) {
    let at = door.url.as_ref().map_or("", address);
    match &door.known {
        Known::Asking => (format!("◌ asking {at}…"), Tone::Ring),
        Known::Nothing(why) => (format!("! {why}"), Tone::Bad),
        Known::Front(_) => (format!("● {at} is there. Who are you?"), Tone::Good),
    }
}

/// A row of jacks, in the middle: those with a cord in them stand out.
fn draw_jacks(sheet: &mut Sheet<'_>, rect: Rect, line: &'static str, ground: Style) {
    let mut ink = sheet.ink();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let same = |other: char| (other == '○' || other == ' ') == (c == '○' || c == ' ');
        let end = rest.find(|other| !same(other)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        let tone = if same('○') {
            Tone::Rule
        } else {
            Tone::Accent
        };
        ink = ink.say(part, tone);
        rest = after;
    }
    let width = ink.width().min(rect.width);
    let rect = Rect {
        x: rect.x + (rect.width - width) / 2,
        width,
        ..rect
    };
    sheet.line(rect, &ink.on(ground));
}
