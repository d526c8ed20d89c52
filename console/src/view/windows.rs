//! The windows that lie over the board: typing a name, choosing a slot, a question, the help, the log.
//!
//! A window takes every click on it. The board stays visible around it, so that a person being looked for can
//! still be seen.

use cordboard_core::ids::{CallId, SafeText};
use ratatui::layout::Rect;

use super::{Canvas, doing, ink, ink::Ink, lately::said, slots, title};
use crate::{
    app::{Dialog, Find, Found, Model, Offer, Purpose, Question, Sentence, Spot},
    keymap::{Action, Group, TABLE},
    settings::Hint,
    theme::Tone,
};

pub(super) fn draw(canvas: &mut Canvas<'_>) {
    let model = canvas.model;
    match &model.dialog {
        None => {}
        Some(Dialog::Help(top)) => help(canvas, *top),
        Some(Dialog::Log(top)) => log(canvas, *top),
        Some(Dialog::Find(find)) => finder(canvas, find),
        Some(Dialog::Palette(palette)) => super::palette::draw(canvas, palette),
        Some(Dialog::Park(call, _)) => {
            let who = named(canvas, *call, 24);
            let head = canvas
                .ink()
                .say(" Park ", Tone::Accent)
                .safe(&who, Tone::Strong)
                .say(" in ", Tone::Text);
            park(canvas, &head);
        }
        Some(Dialog::Confirm(question)) => {
            let text = match question {
                Question::Quit => leaving(model),
                Question::HangUp(call, _) => {
                    let who = named(canvas, *call, 30);
                    let own = model.own().into_iter().find(|c| c.id == *call);
                    match own.map(|c| doing(&c.place.at)) {
                        Some(doing) => {
                            format!("{who} is not on your line, but {doing}. Hang up on them?")
                        }
                        None => format!("This is not your call. Hang up on {who} all the same?"),
                    }
                }
            };
            ask(canvas, &Sentence::new(&text));
        }
        Some(Dialog::Choose(call, _, options)) => {
            let who = named(canvas, *call, 24);
            let head = canvas
                .ink()
                .say(" What to do with ", Tone::Accent)
                .safe(&who, Tone::Strong)
                .gap(1);
            let lines: Vec<Ink> = (1_u64..)
                .zip(options)
                .map(|(n, (_, sentence))| {
                    canvas
                        .ink()
                        .gap(1)
                        .count(n, Tone::Key)
                        .gap(1)
                        .sentence(sentence, Tone::Text)
                })
                .collect();
            list(canvas, &head, 64, lines);
        }
        Some(Dialog::Code(code)) => super::pair::code(canvas, code),
        Some(Dialog::Admit(since)) => super::pair::admit(canvas, *since),
    }
}

/// What leaving would mean, and the question.
fn leaving(model: &Model) -> String {
    if model.settings.as_ref().is_some_and(|s| s.unsaved()) {
        return "What you typed in the settings is not saved. Leave all the same?".to_owned();
    }
    let who = match model.left_behind() {
        Some(who) => format!("{who}. "),
        None => String::new(),
    };
    let what = if model.leaving_ends_all {
        "This is the demo: leaving ends it, with every call. Leave?"
    } else if model.current().is_some() {
        "Leaving the console ends no call: your phone page keeps it. Leave?"
    } else {
        "Leaving the console ends no call: whoever waits rings again when the time is up. Leave?"
    };
    format!("{who}{what}")
}

/// Whom a window is about.
fn named(canvas: &Canvas<'_>, call: CallId, cells: usize) -> SafeText {
    let card = canvas.model.board.calls.get(&call);
    card.map(|c| title(c, cells)).unwrap_or_default()
}

/// Opens a window of that size in the middle, a little above it, and returns its inside.
pub(super) fn window(canvas: &mut Canvas<'_>, width: u16, height: u16, head: &Ink) -> Rect {
    let screen = canvas.buf.area;
    let width = width.min(screen.width.saturating_sub(2)).max(4);
    // The footer stays visible: it says what the keys do.
    let height = height.min(screen.height.saturating_sub(3)).max(3);
    let rect = Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + 1 + screen.height.saturating_sub(height + 3) / 3,
        width,
        height,
    };
    let raised = canvas.theme.raised();
    canvas.ground(rect, raised);
    // The whole screen under it takes clicks as "beside the window".
    canvas.hit(rect, Spot::Window);
    let style = canvas.style(Tone::Accent);
    let style = style.patch(ratatui::style::Style {
        bg: raised.bg,
        ..Default::default()
    });
    canvas.boxed(rect, style, false);
    canvas.line(
        Rect {
            x: rect.x + 2,
            width: rect.width.saturating_sub(4),
            height: 1,
            ..rect
        },
        &head.clone().on(raised),
    );
    Rect {
        x: rect.x + 2,
        y: rect.y + 1,
        width: rect.width.saturating_sub(4),
        height: rect.height.saturating_sub(2),
    }
}

pub(super) fn row(inner: Rect, n: usize) -> Rect {
    let n = u16::try_from(n).unwrap_or(u16::MAX);
    if n < inner.height {
        Rect {
            y: inner.y + n,
            height: 1,
            ..inner
        }
    } else {
        Rect { height: 0, ..inner }
    }
}

fn list(canvas: &mut Canvas<'_>, head: &Ink, width: u16, lines: Vec<Ink>) {
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let inner = window(canvas, width, height, head);
    let raised = canvas.theme.raised();
    for (n, ink) in lines.into_iter().enumerate() {
        let rect = row(inner, n);
        canvas.line(rect, &ink.on(raised));
        canvas.hit(rect, Spot::Line(n));
    }
}

fn park(canvas: &mut Canvas<'_>, head: &Ink) {
    let model = canvas.model;
    let first_free = model.free_slots().next().cloned();
    let lines = (1_u64..)
        .zip(&model.board.slots)
        .map(|(n, slot)| {
            let there = canvas.parked.get(&slot.id).copied();
            let key = if n <= 9 {
                canvas.ink().gap(1).count(n, Tone::Key).gap(1)
            } else {
                canvas.ink().gap(3)
            };
            let ink = key.gap(1).slot(&slot.id, Tone::Strong).gap(1);
            match there {
                Some(card) => ink
                    .say("taken by ", Tone::Faint)
                    .safe(&title(card, 30), Tone::Faint),
                None if !model.link.is_live() => ink.say(slots::free(canvas), Tone::Faint),
                None if Some(&slot.id) == first_free.as_ref() => {
                    ink.say("free", Tone::Good).say("  Enter or p", Tone::Faint)
                }
                None => ink.say("free", Tone::Good),
            }
        })
        .collect();
    list(canvas, head, 48, lines);
}

fn ask(canvas: &mut Canvas<'_>, question: &Sentence) {
    let width = 60.min(canvas.buf.area.width.saturating_sub(2));
    let lines = ink::wrap(question.as_str(), width.saturating_sub(4).max(1).into());
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(4);
    let head = canvas.ink();
    let inner = window(canvas, width, height, &head);
    let raised = canvas.theme.raised();
    for (n, text) in lines.iter().enumerate() {
        let ink = canvas.ink().ours(text, Tone::Strong).on(raised);
        canvas.line(row(inner, n), &ink);
    }
    let last = row(inner, usize::from(inner.height).saturating_sub(1));
    if last.is_empty() {
        return;
    }
    let mut x = last.x;
    for (key, word, action) in [
        (" y ", " yes", Action::Activate),
        (" n ", " no", Action::Back),
    ] {
        let ink = canvas
            .ink()
            .say(key, Tone::Key)
            .say(word, Tone::Text)
            .on(raised);
        x += canvas.button(x, last.y, last.right(), &ink, Spot::Button(action)) + 3;
    }
}

/// A window with a few lines, and the keys that do something with them.
pub(super) fn notice(canvas: &mut Canvas<'_>, head: &Ink, lines: Vec<Ink>, keys: &[Hint]) {
    let widest = lines.iter().map(Ink::width).max().unwrap_or(0);
    let buttons: u16 = keys
        .iter()
        .map(|(_, key, word)| super::text_width(key) + super::text_width(word) + 6)
        .sum();
    let width = widest.max(head.width() + 2).max(buttons).max(40) + 4;
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(4);
    let inner = window(canvas, width, height, head);
    let raised = canvas.theme.raised();
    let last = row(inner, usize::from(inner.height).saturating_sub(1));
    for (n, line) in lines.into_iter().enumerate() {
        let rect = row(inner, n);
        if rect.y < last.y {
            canvas.line(rect, &line.on(raised));
        }
    }
    let mut x = last.x;
    for (key, name, word) in keys {
        let ink = canvas
            .ink()
            .say(" ", Tone::Key)
            .say(name, Tone::Key)
            .say(" ", Tone::Key)
            .gap(1)
            .say(word, Tone::Text)
            .on(raised);
        x += canvas.button(x, last.y, last.right(), &ink, Spot::Key(*key)) + 3;
    }
}

fn finder(canvas: &mut Canvas<'_>, find: &Find) {
    let model = canvas.model;
    let who = find
        .hand()
        .and_then(|(c, _)| model.board.calls.get(&c))
        .map(|c| title(c, 24));
    let head = canvas.ink();
    let head = match (find.purpose, &who) {
        (Purpose::Transfer(..), Some(who)) => head
            .say(" Send ", Tone::Accent)
            .safe(who, Tone::Strong)
            .say(" to ", Tone::Accent),
        (Purpose::Search(_), Some(who)) => head
            .say(" Find, and send ", Tone::Accent)
            .safe(who, Tone::Strong)
            .gap(1),
        (Purpose::Dial, _) => head.say(" Call ", Tone::Accent),
        _ => head.say(" Find ", Tone::Accent),
    };
    // Its height does not follow the list: a window that jumps with every letter is hard to read.
    let height = if canvas.buf.area.height < 30 { 13 } else { 18 };
    let inner = window(canvas, 72, height, &head);
    let raised = canvas.theme.raised();
    let sign = canvas.ink().say("› ", Tone::Accent);
    let shown = find
        .text
        .shown(inner.width.saturating_sub(sign.width()).max(1));
    let at = sign.width() + shown.cursor;
    let field = sign.typed(&shown.text, Tone::Strong);
    let field = if find.text.is_empty() {
        let ghost = match find.purpose {
            Purpose::Search(_) => "letters of a name, or an extension",
            Purpose::Transfer(..) => "a name, an extension, or a number such as +14155550132",
            Purpose::Dial => "a number with its country code, such as +14155550132",
        };
        field.say(ghost, Tone::Faint)
    } else {
        field
    };
    canvas.line(row(inner, 0), &field.on(raised));
    canvas.drawn.cursor = Some(ratatui::layout::Position {
        x: (inner.x + at).min(inner.right().saturating_sub(1)),
        y: inner.y,
    });

    let room = usize::from(inner.height).saturating_sub(4);
    let first = find.picked.map_or(0, |p| (p + 1).saturating_sub(room));
    for (n, found) in find.found.iter().enumerate().skip(first).take(room) {
        let rect = row(inner, 1 + n - first);
        candidate(canvas, find, found, find.picked == Some(n), rect);
        canvas.hit(rect, Spot::Line(n));
    }
    let picked = find.picked.and_then(|n| find.found.get(n));
    let (text, tone) = if !model.link.is_live() && !matches!(find.purpose, Purpose::Search(None)) {
        // Nothing that is listed here could be done now.
        let text = match (find.purpose, picked) {
            (Purpose::Dial, Some(Found::Emergency(number))) => {
                format!("Not connected. Dial {number} from a telephone now.")
            }
            (Purpose::Dial, _) => "Not connected. Dial from a telephone.".to_owned(),
            _ => "Not connected: nothing can be moved until the board is live again.".to_owned(),
        };
        (text, Tone::Bad)
    } else if let Some(found) = picked {
        let sentence = model.find_sentence(find, found);
        let (lead, tone) = if model.find_legal(find, found) {
            ("Enter", Tone::Target)
        } else {
            ("no", Tone::Forbidden)
        };
        let warning = match found {
            Found::Emergency(_) => model.emergency_address.warning(),
            _ => None,
        };
        match warning {
            Some(warning) => (format!("{lead}: {sentence}. {warning}"), tone),
            None => (format!("{lead}: {sentence}"), tone),
        }
    } else if model.enter_answers(find) {
        match model.offer(Action::Answer) {
            Offer::Yes { sentence, .. } => (format!("Enter: {sentence}"), Tone::Ring),
            Offer::No(_) => (String::new(), Tone::Faint),
        }
    } else if find.found.is_empty() {
        let text = match (find.purpose, find.text.is_empty()) {
            (Purpose::Dial, true) => {
                "Type the number. An emergency number stands as it is dialled."
            }
            (Purpose::Dial, false) => {
                "That is no whole number yet. Write it with its country code, such as +1."
            }
            _ => "Nobody fits. Write outside numbers with their country code, such as +1.",
        };
        (text.to_owned(), Tone::Faint)
    } else {
        (
            "Type letters of a name, or choose with the arrows.".to_owned(),
            Tone::Faint,
        )
    };
    let last = usize::from(inner.height).saturating_sub(2);
    for (n, part) in ink::wrap(&text, inner.width.into())
        .iter()
        .take(2)
        .enumerate()
    {
        let ink = canvas.ink().ours(part, tone).on(raised);
        canvas.line(row(inner, last + n), &ink);
    }
}

fn candidate(canvas: &mut Canvas<'_>, find: &Find, found: &Found, picked: bool, rect: Rect) {
    let model = canvas.model;
    let ground = if picked {
        canvas.style(Tone::Selected)
    } else {
        canvas.theme.raised()
    };
    if picked {
        canvas.ground(rect, ground);
    }
    let legal = model.find_legal(find, found);
    let tone = if legal { Tone::Strong } else { Tone::Faint };
    let ink = canvas
        .ink()
        .say(if picked { "▶ " } else { "  " }, Tone::Accent);
    match found {
        Found::Person(user) => {
            let Some(person) = model.board.people.get(user) else {
                return;
            };
            let none = Vec::new();
            let look = model.look(person, canvas.calls.get(user).unwrap_or(&none));
            let left = ink
                .safe(&SafeText::clean(person.extension.as_str(), 6), Tone::Faint)
                .gap(1)
                .safe(&SafeText::clean(person.name.as_str(), 34), tone);
            let left = person.languages.iter().take(4).fold(left, |ink, language| {
                ink.gap(1)
                    .safe(&SafeText::from(language.as_str()), Tone::Faint)
            });
            let colour = super::people::tone(look.state);
            let right = canvas
                .ink()
                .say(look.state.symbol(), colour)
                .gap(1)
                .say(look.state.word(), colour)
                .gap(1);
            canvas.line_both(rect, &left.on(ground), &right.on(ground));
        }
        Found::Number(number) => {
            let left = ink.phone(number, tone);
            let right = canvas.ink().say("outside number ", Tone::Faint);
            canvas.line_both(rect, &left.on(ground), &right.on(ground));
        }
        Found::Emergency(number) => {
            let left = ink
                .say("emergency ", Tone::Bad)
                .safe(&SafeText::from(number.as_str()), Tone::Bad);
            canvas.line(rect, &left.on(ground));
        }
    }
}

fn help(canvas: &mut Canvas<'_>, top: usize) {
    let model = canvas.model;
    let mut lines: Vec<(Ink, Option<Action>)> = Vec::new();
    let raised = canvas.theme.raised();
    let width = 118.min(canvas.buf.area.width.saturating_sub(2));
    let room = usize::from(width.saturating_sub(4 + 28)).max(16);
    for group in [Group::Calls, Group::Board, Group::Console] {
        let mut entries = TABLE
            .iter()
            .filter(|r| r.group == group && model.has(r.action))
            .peekable();
        if entries.peek().is_none() {
            continue;
        }
        if !lines.is_empty() {
            lines.push((canvas.ink(), None));
        }
        lines.push((canvas.ink().say(group.heading(), Tone::Accent), None));
        for entry in entries {
            let offer = model.offer(entry.action);
            let possible = matches!(offer, Offer::Yes { .. })
                || matches!(entry.action, Action::AnswerDigit(_));
            let (word, text) = if possible {
                (Tone::Strong, Tone::Text)
            } else {
                (Tone::Faint, Tone::Faint)
            };
            let key = model.keys.name(entry.action);
            let key = canvas
                .ink()
                .gap(usize::from(10_u16.saturating_sub(super::text_width(&key))))
                .key(key, Tone::Key);
            let name = canvas.ink().say(entry.word, word);
            let pad = usize::from(16_u16.saturating_sub(name.width()));
            for (n, part) in ink::wrap(entry.help, room).iter().enumerate() {
                let lead = if n == 0 {
                    key.clone().gap(1).then(name.clone()).gap(pad + 1)
                } else {
                    canvas.ink().gap(28)
                };
                lines.push((
                    lead.ours(part, text),
                    (n == 0 && possible).then_some(entry.action),
                ));
            }
        }
    }
    lines.push((canvas.ink(), None));
    let works = model.has(Action::PickUp);
    for text in [
        "Mouse: drag a call onto a person, a slot or your own line; right button or Esc puts it back. Every hint can be clicked.",
        "What cannot be done now is grey; its key says why.",
    ] {
        if !works && text.starts_with("Mouse") {
            continue;
        }
        for part in ink::wrap(text, usize::from(width.saturating_sub(4)).max(8)) {
            lines.push((canvas.ink().ours(&part, Tone::Faint), None));
        }
    }
    let head = canvas.ink().say(" Help ", Tone::Accent);
    let height = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let inner = window(canvas, width, height, &head);
    let last = lines.len().saturating_sub(inner.height.into());
    canvas.drawn.last_line = Some(last);
    let top = top.min(last);
    let count = lines.len();
    for (n, (ink, action)) in lines
        .into_iter()
        .skip(top)
        .take(inner.height.into())
        .enumerate()
    {
        let rect = row(inner, n);
        canvas.line(rect, &ink.on(raised));
        if let Some(action) = action {
            canvas.hit(rect, Spot::Button(action));
        }
    }
    more(canvas, inner, top, count);
}

fn log(canvas: &mut Canvas<'_>, top: usize) {
    let model = canvas.model;
    let head = canvas.ink().say(" Said lately ", Tone::Accent);
    let count = model.notes.len();
    let height = u16::try_from(count.max(1))
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let inner = window(canvas, 100, height.max(6), &head);
    let raised = canvas.theme.raised();
    if count == 0 {
        let ink = canvas.ink().say("Nothing yet.", Tone::Faint).on(raised);
        canvas.line(row(inner, 0), &ink);
    }
    let last = count.saturating_sub(inner.height.into());
    canvas.drawn.last_line = Some(last);
    let top = top.min(last);
    for (n, note) in model
        .notes
        .iter()
        .rev()
        .skip(top)
        .take(inner.height.into())
        .enumerate()
    {
        let ink = said(canvas, note).on(raised);
        canvas.line(row(inner, n), &ink);
    }
    more(canvas, inner, top, count);
}

/// Says at the lower edge that there is more than fits.
fn more(canvas: &mut Canvas<'_>, inner: Rect, top: usize, count: usize) {
    let below = count.saturating_sub(top + usize::from(inner.height));
    if below == 0 && top == 0 {
        return;
    }
    let ink = canvas
        .ink()
        .say(" ↑↓ ", Tone::Accent)
        .count(u64::try_from(below).unwrap_or(0), Tone::Text)
        .say(" more lines ", Tone::Faint);
    let edge = Rect {
        y: inner.bottom(),
        height: 1,
        ..inner
    };
    let ink = ink.on(canvas.theme.raised());
    canvas.line_right(edge, &ink);
}
