//! The calls that wait: longest first, each with the number that answers it.

use cordboard_core::{
    board::{At, Card},
    ids::SafeText,
    policy::Permission,
};
use ratatui::layout::Rect;

use super::{Canvas, doing, title};
use crate::{
    app::{Area, Spot},
    shape::Class,
    theme::Tone,
};

/// From this many seconds on, a wait is shown as bad.
const LONG: i64 = 60;

pub(super) fn draw(canvas: &mut Canvas<'_>) {
    let model = canvas.model;
    let shape = &model.shape;
    let waiting = model.waiting();
    let here = model.cursor.area == Area::Waiting;
    let heading = if here { Tone::Accent } else { Tone::Text };
    let mut left = canvas.ink().say(" Waiting ", heading);
    let mut right = canvas.ink();
    if let Some(since) = waiting.iter().map(|c| c.waits_since()).min() {
        let count = u64::try_from(waiting.len()).unwrap_or(u64::MAX);
        left = left.count(count, Tone::Ring).gap(1);
        let oldest = model.seconds_since(since);
        let tone = if oldest >= LONG {
            Tone::Bad
        } else {
            Tone::Ring
        };
        right = right
            .say(" longest ", Tone::Faint)
            .time(oldest, tone)
            .gap(1);
    }
    canvas.rule(shape.waiting_rule, &left, &right, Tone::Rule);
    canvas.hit(shape.waiting_rule, Spot::Area(Area::Waiting));
    canvas.hit(shape.waiting, Spot::Area(Area::Waiting));
    if waiting.is_empty() {
        let text = if model.link.is_live() {
            "Nobody is waiting."
        } else {
            "Whether anybody is waiting is not known."
        };
        let ink = canvas.ink().gap(1).say(text, Tone::Faint);
        canvas.line(shape.waiting, &ink);
        return;
    }

    let page = shape.chips_on_page();
    let across = usize::from(shape.chips_across());
    let (before, after) = (
        model.first_chip,
        waiting.len().saturating_sub(model.first_chip + page),
    );
    for (n, card) in waiting.iter().skip(model.first_chip).take(page).enumerate() {
        let column = u16::try_from(n % across).unwrap_or(0);
        let row = u16::try_from(n / across).unwrap_or(0);
        let rect = Rect {
            x: shape.waiting.x + 1 + column * shape.chip,
            y: shape.waiting.y + row * shape.chip_step(),
            width: shape.chip - 1,
            height: shape.chip_height,
        };
        chip(canvas, card, rect);
    }
    // What is not visible is counted, on the rule or, without one, over the last chip.
    let more = u64::try_from(before + after).unwrap_or(0);
    if more > 0 {
        let ink = canvas
            .ink()
            .say(" +", Tone::Ring)
            .count(more, Tone::Ring)
            .say(" more ", Tone::Ring);
        let rule = shape.waiting_rule;
        let rect = if rule.is_empty() {
            shape.waiting
        } else {
            Rect {
                x: rule.x + 20,
                width: rule.width.saturating_sub(44),
                ..rule
            }
        };
        canvas.line_right(rect, &ink);
    }
}

fn chip(canvas: &mut Canvas<'_>, card: &Card, rect: Rect) {
    let model = canvas.model;
    let selected = model.cursor.area == Area::Waiting
        && model.selected_waiting().is_some_and(|c| c.id == card.id);
    let ground = canvas.style(if selected { Tone::Selected } else { Tone::Chip });
    if canvas.carried(card.id) {
        let ground = canvas.theme.ground();
        canvas.ground(rect, ground);
    } else if !matches!(
        canvas.theme,
        crate::theme::Theme::Mono | crate::theme::Theme::Sixteen
    ) || selected
    {
        canvas.ground(rect, ground);
    }
    let seconds = model.seconds_since(card.waits_since());
    let age = if seconds >= LONG {
        Tone::Bad
    } else {
        Tone::Ring
    };
    let asked = model.asked_of(card.id).is_some();
    let mine = model.is_mine(card);

    let ink = canvas.ink();
    let ink = match model.digits.get(&card.id) {
        Some(digit) => ink
            .say(" ", Tone::Key)
            .count(u64::from(*digit), Tone::Key)
            .say(" ", Tone::Key),
        None => ink.say("   ", Tone::Text),
    };
    let name = canvas.name_tone(card, Tone::Strong);
    let mark = match (canvas.carried(card.id), asked, mine) {
        (true, ..) => "◇",
        (_, true, _) => "◌",
        (.., true) => "▶",
        _ => "▸",
    };
    let first = ink
        .gap(1)
        .say(mark, age)
        .gap(1)
        .safe(&title(card, 40), name);
    let time = canvas.ink().time(seconds, age).gap(1);
    let on = match (canvas.carried(card.id), selected) {
        (true, _) => ratatui::style::Style::new(),
        (false, true) => canvas.style(Tone::Selected),
        (false, false) => canvas.style(Tone::Chip),
    };
    canvas.line_both(Rect { height: 1, ..rect }, &first.on(on), &time.on(on));

    if rect.height > 1 {
        let second = why(canvas, card).on(on);
        let queue = queue(canvas, card).on(on);
        let row = Rect {
            x: rect.x + 6,
            y: rect.y + 1,
            width: rect.width.saturating_sub(6),
            height: 1,
        };
        canvas.line_both(row, &second, &queue);
    }
    canvas.hit(rect, Spot::Call(card.id, None));
}

/// The second line: what one should know before answering.
fn why(canvas: &Canvas<'_>, card: &Card) -> super::Ink {
    let (model, ink) = (canvas.model, canvas.ink());
    if let Some(asked) = model.asked_of(card.id) {
        return ink
            .say("asked: ", Tone::Ring)
            .sentence(&asked.sentence, Tone::Ring);
    }
    match &card.place.at {
        At::Transferring { from, .. } => ink
            .say("from ", Tone::Ring)
            .safe(&model.name(*from), Tone::Text),
        At::Ringing { users, why, .. } => {
            let (ink, then) = if why == "new" {
                (ink, "")
            } else {
                (ink.say(doing(&card.place.at), Tone::Ring), ", ")
            };
            match users.as_slice() {
                [] => ink,
                [user] if model.is_me(*user) => {
                    ink.say(then, Tone::Ring).say("rings for you", Tone::Ring)
                }
                [user, rest @ ..] => {
                    let ink = ink
                        .say(then, Tone::Ring)
                        .say("rings ", Tone::Faint)
                        .safe(&model.name(*user), Tone::Faint);
                    if rest.is_empty() {
                        ink
                    } else {
                        ink.say(" and others", Tone::Faint)
                    }
                }
            }
        }
        At::Queued {
            alert: Some(user), ..
        } => ink
            .say("came back for ", Tone::Ring)
            .safe(&model.name(*user), Tone::Text),
        _ => match (&card.caller.name, &card.caller.number) {
            (Some(_), Some(number)) => ink.phone(number, Tone::Faint),
            // On a wall nobody has a name.
            _ if !model.rights().has(Permission::Board) => ink,
            _ => ink.say("no name known", Tone::Faint),
        },
    }
}

fn queue(canvas: &Canvas<'_>, card: &Card) -> super::Ink {
    let ink = canvas.ink();
    let At::Queued { queue: id, .. } = &card.place.at else {
        return ink;
    };
    if canvas.model.shape.class != Class::Full || canvas.model.board.queues.len() < 2 {
        return ink;
    }
    match canvas.model.board.queues.iter().find(|q| q.id == *id) {
        Some(queue) => ink
            .safe(&SafeText::clean(queue.name.as_str(), 10), Tone::Held)
            .gap(1),
        None => ink.queue(id, Tone::Held).gap(1),
    }
}
