//! The settings over the board: the sections at the left, what is open at the right.
//!
//! Where there is no room for both, one of them: the sections, until one is open. The header stays, and so does the
//! line of what was said: calls go on, and who waits is told on the upper edge.
//!
//! Read next: [`crate::settings`], `view/form.rs`.

use ratatui::layout::Rect;

use super::{Canvas, bars, form, frame, ink, ink::Ink, phone};
use crate::{
    app::{Model, Sentence, Spot},
    keymap::{Action, Key},
    settings::{Around, List, Pane, Section, Settings, route, rows},
    theme::{Theme, Tone},
};

/// From this width on, sections and what is open stand beside each other.
const BOTH: u16 = 72;
/// How wide the sections are.
const SECTIONS: u16 = 18;

/// Where the settings go.
fn place(model: &Model) -> Rect {
    let shape = &model.shape;
    let y = shape.header.height.min(1);
    Rect {
        y,
        height: shape.note.y.saturating_sub(y),
        ..shape.screen
    }
}

pub(super) fn draw(canvas: &mut Canvas<'_>) {
    let model = canvas.model;
    let (Some(settings), Some(around)) = (model.open_settings(), model.around()) else {
        return;
    };
    let area = place(model);
    let ground = canvas.theme.ground();
    canvas.ground(area, ground);
    canvas.hit(area, Spot::Window);
    let edge = Rect { height: 1, ..area };
    head(canvas, settings, edge);
    let area = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    let both = area.width >= BOTH;
    let left = if both { SECTIONS } else { area.width };
    if both || !settings.inside() {
        let rect = Rect {
            x: area.x + 1,
            width: left - 1,
            ..area
        };
        sections(canvas, settings, &around, rect);
    }
    if both {
        let style = canvas.style(Tone::Rule);
        for y in area.top()..area.bottom() {
            canvas.put(area.x + left, y, "│", style);
        }
    }
    if both || settings.inside() {
        let x = if both { left + 2 } else { 1 };
        let rect = Rect {
            x: area.x + x,
            width: area.width.saturating_sub(x + 1),
            ..area
        };
        pane(canvas, settings, &around, rect);
    }
    if let Some(secret) = &settings.secret {
        let mut lines = vec![canvas.ink(), canvas.ink().ours(&secret.code, Tone::Strong)];
        if let Some(link) = &secret.link {
            lines.push(canvas.ink());
            lines.extend(wrapped(canvas, link, 60, Tone::Accent));
        }
        lines.push(canvas.ink());
        lines.extend(wrapped(canvas, secret.told.as_str(), 60, Tone::Text));
        let copied = if secret.copied {
            "✓ It was sent to your terminal's clipboard."
        } else {
            ""
        };
        lines.push(canvas.ink().say(copied, Tone::Good));
        let head = canvas
            .ink()
            .gap(1)
            .sentence(&secret.head, Tone::Accent)
            .gap(1);
        frame::notice(canvas, &head, lines, &settings.hints(&around));
    } else if let Some((_, question)) = &settings.question {
        let lines = wrapped(canvas, question.as_str(), 56, Tone::Strong);
        let head = canvas.ink();
        frame::notice(canvas, &head, lines, &settings.hints(&around));
    }
}

fn wrapped(canvas: &Canvas<'_>, text: &str, cells: u16, tone: Tone) -> Vec<Ink> {
    let cells = cells.min(canvas.buf.area.width.saturating_sub(8)).max(8);
    ink::wrap(text, cells.into())
        .iter()
        .map(|line| canvas.ink().ours(line, tone))
        .collect()
}

/// The upper edge: where one is, and who waits.
fn head(canvas: &mut Canvas<'_>, settings: &Settings, rect: Rect) {
    let model = canvas.model;
    let mut left = canvas.ink().say(" Settings ", Tone::Accent);
    if settings.inside() {
        left = left
            .say("· ", Tone::Faint)
            .say(settings.section.word(), Tone::Strong)
            .gap(1);
    }
    let waiting = model.waiting();
    let right = match waiting.first() {
        _ if !model.link.is_live() => canvas.ink().say(" not connected ", Tone::Bad),
        None => canvas.ink(),
        Some(card) => canvas
            .ink()
            .gap(1)
            .count(u64::try_from(waiting.len()).unwrap_or(0), Tone::Ring)
            .say(" waiting, ", Tone::Ring)
            .time(model.seconds_since(card.waits_since()), Tone::Ring)
            .gap(1),
    };
    canvas.rule(rect, &left, &right, Tone::Rule);
    // Whoever waits is answered from the board; what is typed here stays.
    if right.width() > 0 && rect.width > right.width() + 2 {
        let spot = Rect {
            x: rect.right() - right.width() - 2,
            width: right.width(),
            ..rect
        };
        canvas.hit(spot, Spot::Key(Key::Ctrl('b')));
    }
}

fn sections(canvas: &mut Canvas<'_>, settings: &Settings, around: &Around<'_>, rect: Rect) {
    let mut lines: Vec<Option<Section>> = Vec::new();
    let all: Vec<Section> = Settings::sections(around).collect();
    let house = all.iter().position(|s| !s.own());
    for (n, section) in all.iter().enumerate() {
        if house == Some(n) {
            lines.push(None);
        }
        lines.push(Some(*section));
    }
    let at = lines
        .iter()
        .position(|l| *l == Some(settings.section))
        .unwrap_or(0);
    let room = usize::from(rect.height.max(1));
    let first = (at + 2)
        .saturating_sub(room)
        .min(lines.len().saturating_sub(room));
    for (y, line) in (rect.y..rect.bottom()).zip(lines.iter().skip(first)) {
        let Some(section) = line else { continue };
        let here = *section == settings.section;
        let row = Rect {
            y,
            height: 1,
            ..rect
        };
        let (mark, tone) = match (here, settings.inside()) {
            (true, false) => ("▶ ", Tone::Strong),
            (true, true) => ("▸ ", Tone::Strong),
            (false, _) => ("  ", Tone::Text),
        };
        let ink = canvas
            .ink()
            .say(mark, Tone::Accent)
            .say(section.word(), tone);
        if here && !settings.inside() {
            let selected = canvas.style(Tone::Selected);
            canvas.ground(row, selected);
            canvas.line(row, &ink.on(selected));
        } else {
            canvas.line(row, &ink);
        }
        canvas.hit(row, Spot::Section(*section));
    }
}

fn text(canvas: &mut Canvas<'_>, rect: Rect, lines: &[(&str, Tone)]) {
    let mut y = rect.y;
    for (text, tone) in lines {
        for line in ink::wrap(text, rect.width.min(76).into()) {
            if y < rect.bottom() {
                let ink = canvas.ink().ours(&line, *tone);
                canvas.line(
                    Rect {
                        y,
                        height: 1,
                        ..rect
                    },
                    &ink,
                );
            }
            y += 1;
        }
        y += 1;
    }
}

fn pane(canvas: &mut Canvas<'_>, settings: &Settings, around: &Around<'_>, rect: Rect) {
    let below = Rect {
        y: rect.y + 1,
        height: rect.height.saturating_sub(1),
        ..rect
    };
    match &settings.pane {
        Pane::About => {
            let lines = [
                (settings.section.about(), Tone::Text),
                ("Enter opens it.", Tone::Faint),
            ];
            text(canvas, below, &lines);
        }
        Pane::Loading => text(canvas, below, &[("◌ asking the server…", Tone::Ring)]),
        Pane::Failed(why) => {
            let why = format!("! {why}");
            text(
                canvas,
                below,
                &[(&why, Tone::Bad), ("Ctrl-R tries it again.", Tone::Faint)],
            );
        }
        Pane::List(state) => list(canvas, settings, state, around, rect),
        Pane::Form(form, _) => {
            let ground = canvas.theme.ground();
            form::draw(&mut canvas.sheet, form, below, ground);
        }
        Pane::Route => way(canvas, settings, around, below),
        Pane::Page(at) => page(canvas, settings.section, *at, below),
    }
}

/// How wide each column is: as many as fit, and wider where there is room.
fn widths(section: Section, room: u16) -> Vec<u16> {
    const GAP: u16 = 2;
    let mut widths: Vec<u16> = Vec::new();
    let mut used = 0;
    for column in rows::columns(section) {
        if used + column.least > room && !widths.is_empty() {
            break;
        }
        widths.push(column.least.min(room));
        used += column.least + GAP;
    }
    let mut rest = room.saturating_sub(used.saturating_sub(GAP));
    for (width, column) in widths.iter_mut().zip(rows::columns(section)) {
        let more = rest.min(column.most.saturating_sub(*width));
        *width += more;
        rest -= more;
    }
    widths
}

fn list(
    canvas: &mut Canvas<'_>,
    settings: &Settings,
    state: &List,
    around: &Around<'_>,
    rect: Rect,
) {
    let section = settings.section;
    let shown = rows::shown(section, &settings.data, state);
    let mut area = rect;
    if section == Section::People {
        find(
            canvas,
            settings,
            state,
            shown.len(),
            Rect { height: 1, ..area },
        );
        area = Rect {
            y: area.y + 1,
            height: area.height.saturating_sub(1),
            ..area
        };
    }
    let widths = widths(section, area.width.saturating_sub(2));
    let cells_of = |x: &mut u16, width: u16, y: u16| {
        let cell = Rect {
            x: *x,
            y,
            width,
            height: 1,
        };
        *x += width + 2;
        cell
    };
    let mut x = area.x + 2;
    for (column, width) in rows::columns(section).iter().zip(&widths) {
        let ink = canvas.ink().say(column.head, Tone::Faint);
        let cell = cells_of(&mut x, *width, area.y);
        canvas.line(cell, &ink);
    }
    let foot = Rect {
        y: area.bottom().saturating_sub(1),
        height: 1,
        ..area
    };
    let room = usize::from(area.height.saturating_sub(2));
    let first = (state.at + 1).saturating_sub(room.max(1));
    // In the middle, as far as can be: what comes after is as interesting as what was before.
    let first = (first + room / 2)
        .min(state.at.saturating_sub(room / 2))
        .min(shown.len().saturating_sub(room))
        .max(first);
    for (n, (y, entry)) in (area.y + 1..foot.y)
        .zip(shown.iter().skip(first))
        .enumerate()
    {
        let n = n + first;
        let row = Rect {
            y,
            height: 1,
            ..area
        };
        let ground = if n == state.at {
            canvas.style(Tone::Selected)
        } else {
            canvas.theme.ground()
        };
        if n == state.at {
            canvas.ground(row, ground);
            let mark = canvas.ink().say("▶ ", Tone::Accent).on(ground);
            canvas.line(row, &mark);
        }
        let cells = rows::cells(section, &settings.data, *entry, around);
        let mut x = area.x + 2;
        for ((text, tone), width) in cells.iter().zip(&widths) {
            let ink = canvas.ink().sentence(text, *tone).on(ground);
            let cell = cells_of(&mut x, *width, y);
            canvas.line(cell, &ink);
        }
        canvas.hit(row, Spot::Line(n));
    }
    if shown.is_empty() {
        let told = if state.find.is_empty() {
            rows::nothing(section)
        } else {
            "Nobody fits."
        };
        let rect = Rect {
            y: area.y + 2,
            ..area
        };
        text(canvas, rect.intersection(area), &[(told, Tone::Faint)]);
    }
    let ink = if settings.waits() {
        canvas.ink().say("◌ asking the server…", Tone::Ring)
    } else if shown.len() > room {
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        canvas
            .ink()
            .count(number(first + 1), Tone::Text)
            .say("–", Tone::Faint)
            .count(number((first + room).min(shown.len())), Tone::Text)
            .say(" of ", Tone::Faint)
            .count(number(shown.len()), Tone::Text)
    } else {
        canvas.ink()
    };
    canvas.line_right(foot, &ink);
}

/// What is looked for among the people.
fn find(canvas: &mut Canvas<'_>, settings: &Settings, state: &List, fit: usize, rect: Rect) {
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let total = settings.data.people.len();
    let count = canvas
        .ink()
        .count(number(fit), Tone::Text)
        .say(" of ", Tone::Faint)
        .count(number(total), Tone::Text);
    let rest = canvas.line_right(rect, &count);
    let rest = Rect {
        width: rest.width.saturating_sub(1),
        ..rest
    };
    let sign = canvas.ink().say(
        "/ ",
        if state.typing {
            Tone::Accent
        } else {
            Tone::Faint
        },
    );
    let room = rest.width.saturating_sub(sign.width() + 1).max(1);
    let seen = state.find.shown(room);
    let x = rest.x + sign.width() + seen.cursor;
    let line = if state.find.is_empty() {
        sign.say(
            "name, extension, e-mail, role, group or language",
            Tone::Faint,
        )
    } else {
        sign.typed(&seen.text, Tone::Strong)
    };
    canvas.line(rest, &line);
    canvas.hit(rest, Spot::Key(Key::Char('/')));
    if state.typing && canvas.model.dialog.is_none() {
        canvas.sheet.drawn.cursor = Some(ratatui::layout::Position {
            x: x.min(rest.right().saturating_sub(1)),
            y: rest.y,
        });
    }
}

/// The way of a number.
fn way(canvas: &mut Canvas<'_>, settings: &Settings, around: &Around<'_>, rect: Rect) {
    let Some(route) = &settings.route else { return };
    let row = |y: u16| {
        Rect {
            y: rect.y + y,
            height: 1,
            ..rect
        }
        .intersection(rect)
    };
    let title = canvas
        .ink()
        .say("A call to ", Tone::Text)
        .phone(&route.number, Tone::Strong)
        .say(" is tried in this order:", Tone::Text);
    canvas.line(row(0), &title);
    for (n, stop) in route.stops.iter().enumerate() {
        let line = row(2 + u16::try_from(n).unwrap_or(u16::MAX));
        let here = n == route.at;
        let ground = if here {
            canvas.style(Tone::Selected)
        } else {
            canvas.theme.ground()
        };
        if here {
            canvas.ground(line, ground);
        }
        let said = Sentence::new(&route::sentence(stop, &settings.data, around));
        let ink = canvas
            .ink()
            .say(if here { "▶ " } else { "  " }, Tone::Accent)
            .count(u64::try_from(n + 1).unwrap_or(0), Tone::Faint)
            .gap(2)
            .sentence(&said, if here { Tone::Strong } else { Tone::Text });
        let ink = if route.last(n) {
            ink.say("  until somebody answers", Tone::Faint)
        } else {
            ink
        };
        canvas.line(line, &ink.on(ground));
        canvas.hit(line, Spot::Line(n));
    }
    let below = 3 + u16::try_from(route.stops.len()).unwrap_or(0);
    let (said, tone) = match &route.notice {
        _ if route.asking => (
            "Leave without saving? y leaves, n stays.".to_owned(),
            Tone::Strong,
        ),
        _ if route.busy => ("◌ asking the server…".to_owned(), Tone::Ring),
        Some((mood, text)) => (format!("{}{text}", mood.sign()), bars::mood(*mood)),
        None if route.changed() => ("Not saved yet: Ctrl-S saves it.".to_owned(), Tone::Ring),
        None => (
            "p adds people before the selected stop, g a group.".to_owned(),
            Tone::Faint,
        ),
    };
    let rest = Rect {
        y: rect.y + below,
        height: rect.height.saturating_sub(below),
        ..rect
    };
    text(canvas, rest.intersection(rect), &[(&said, tone)]);
}

fn page(canvas: &mut Canvas<'_>, section: Section, at: usize, rect: Rect) {
    let model = canvas.model;
    match section {
        Section::Theme => {
            for (n, theme) in Theme::ALL.iter().enumerate() {
                let line = Rect {
                    y: rect.y + u16::try_from(n).unwrap_or(0),
                    height: 1,
                    width: rect.width.min(30),
                    ..rect
                }
                .intersection(rect);
                let ground = if n == at {
                    canvas.style(Tone::Selected)
                } else {
                    canvas.theme.ground()
                };
                if n == at {
                    canvas.ground(line, ground);
                }
                let on = *theme == model.theme;
                let ink = canvas
                    .ink()
                    .say(if n == at { "▶ " } else { "  " }, Tone::Accent)
                    .say(if on { "● " } else { "○ " }, Tone::Accent)
                    .say(theme.name(), if on { Tone::Strong } else { Tone::Text });
                canvas.line(line, &ink.on(ground));
                canvas.hit(line, Spot::Line(n));
            }
            let rest = Rect {
                y: rect.y + 5,
                height: rect.height.saturating_sub(5),
                ..rect
            };
            let told = format!(
                "{} changes them from the board.",
                model.keys.name(Action::Theme)
            );
            text(canvas, rest.intersection(rect), &[(&told, Tone::Faint)]);
        }
        Section::Phone => {
            let mut lines: Vec<(String, Tone)> = Vec::new();
            for page in &model.pages {
                lines.extend(phone::about(page));
            }
            if lines.is_empty() {
                let told = "No phone page is paired with this console.";
                lines.push((told.to_owned(), Tone::Text));
            }
            lines.push((
                "Enter shows a code. Open the page with it on the computer or telephone you want to talk with; this console then answers, mutes and hangs up there.".to_owned(),
                Tone::Faint,
            ));
            let lines: Vec<(&str, Tone)> =
                lines.iter().map(|(t, tone)| (t.as_str(), *tone)).collect();
            text(canvas, rect, &lines);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::text_width;

    #[test]
    fn columns_fill_their_room_and_no_more() {
        for section in Section::ALL
            .into_iter()
            .filter(|s| !rows::columns(*s).is_empty())
        {
            for room in 10..200 {
                let widths = widths(section, room);
                let sum: u16 =
                    widths.iter().sum::<u16>() + 2 * (u16::try_from(widths.len()).unwrap() - 1);
                assert!(sum <= room, "{section:?} takes {sum} of {room}");
                assert!(!widths.is_empty());
            }
            let heads = rows::columns(section).iter().map(|c| text_width(c.head));
            assert!(heads.zip(rows::columns(section)).all(|(w, c)| w <= c.least));
        }
    }
}
