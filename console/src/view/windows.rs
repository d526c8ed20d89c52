//! The windows that lie over the board: typing a name, choosing a slot, a question, the help, the log.
//!
//! A window takes every click on it. The board stays visible around it, so that a person being looked for can
//! still be seen.

use cordboard_core::ids::{CallId, SafeText};
use ratatui::{layout::Rect, style::Style};

use super::{
    Canvas, doing, frame,
    frame::{Typing, row, window},
    ink,
    ink::Ink,
    lately::said,
    pair, palette, slots, text_width, title,
};
use crate::{
    app::{Dialog, Find, Found, Model, Offer, Purpose, Question, Sentence, Spot},
    keymap::{Action, Group, TABLE},
    theme::Tone,
};

pub(super) fn draw(canvas: &mut Canvas<'_>) {
    let model = canvas.model;
    match &model.dialog {
        None => {}
        Some(Dialog::Help(top)) => help(canvas, *top),
        Some(Dialog::Log(top)) => log(canvas, *top),
        Some(Dialog::Find(find)) => finder(canvas, find),
        Some(Dialog::Palette(palette)) => palette::draw(canvas, palette),
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
        Some(Dialog::Pages) => pair::pages(canvas),
        Some(Dialog::Code(code)) => pair::code(canvas, code),
        Some(Dialog::Admit(since)) => pair::admit(canvas, *since),
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
    let picked = find.typed.chosen();
    let said = if !model.link.is_live() && !matches!(find.purpose, Purpose::Search(None)) {
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
    } else if find.typed.found.is_empty() {
        let text = match (find.purpose, find.typed.text.is_empty()) {
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
    let ghost = match find.purpose {
        Purpose::Search(_) => "letters of a name, or an extension",
        Purpose::Transfer(..) => "a name, an extension, or a number such as +14155550132",
        Purpose::Dial => "a number with its country code, such as +14155550132",
    };
    let height = if canvas.buf.area.height < 30 { 13 } else { 18 };
    let typing = Typing {
        head,
        size: (72, height),
        sign: "› ",
        ghost,
        said,
    };
    frame::typing(
        canvas,
        &typing,
        &find.typed,
        |canvas, found, rect, ink, ground| {
            candidate(canvas, find, found, rect, ink, ground);
        },
    );
}

fn candidate(
    canvas: &mut Canvas<'_>,
    find: &Find,
    found: &Found,
    rect: Rect,
    ink: Ink,
    ground: Style,
) {
    let model = canvas.model;
    let legal = model.find_legal(find, found);
    let tone = if legal { Tone::Strong } else { Tone::Faint };
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
                .gap(usize::from(10_u16.saturating_sub(text_width(&key))))
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
