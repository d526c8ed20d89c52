//! One's own line: the call one is on, those one holds, those one is sending on.

use cordboard_core::{
    board::{At, Card, DropTarget},
    ids::{SafeText, UserId},
};
use ratatui::layout::Rect;

use super::{Canvas, doing, ink::Ink, slots, title, tone_of, verdict};
use crate::{
    app::{Area, Offer, Spot},
    keymap::Action,
    shape::Class,
    theme::Tone,
};

pub(super) fn draw(canvas: &mut Canvas<'_>) {
    let model = canvas.model;
    let shape = &model.shape;
    let here = model.cursor.area == Area::You;
    let own = model.own();
    let left = canvas
        .ink()
        .say(" You ", if here { Tone::Accent } else { Tone::Text });
    let held = own
        .iter()
        .filter(|c| matches!(c.place.at, At::Held { .. } | At::Holding { .. }))
        .count();
    let right = if held > 1 {
        canvas
            .ink()
            .gap(1)
            .count(u64::try_from(held).unwrap_or(0), Tone::Held)
            .say(" held ", Tone::Held)
    } else {
        canvas.ink()
    };
    let preview = model.preview_on(&DropTarget::Me);
    let over = model
        .carry
        .as_ref()
        .is_some_and(|c| c.over == Some(DropTarget::Me));
    let edge = match (&preview, over) {
        (Some(p), true) => verdict(p),
        (Some(p), false) if p.legal => Tone::Lit,
        _ => Tone::Rule,
    };
    canvas.rule(shape.you_rule, &left, &right, edge);
    canvas.hit(shape.you_rule, Spot::Place(DropTarget::Me));
    canvas.hit(shape.you, Spot::Place(DropTarget::Me));

    if let (Some(preview), true) = (&preview, over) {
        let tone = verdict(preview);
        let ink = canvas
            .ink()
            .gap(1)
            .say("┃ ", tone)
            .sentence(&preview.sentence, tone);
        canvas.line(shape.you, &ink);
        return;
    }
    if own.is_empty() {
        nobody(canvas);
        return;
    }
    let rows = usize::from(shape.you.height).max(1);
    let first = model.first_own.min(own.len().saturating_sub(rows));
    for (n, card) in own.iter().skip(first).take(rows).enumerate() {
        let rect = Rect {
            y: shape.you.y + u16::try_from(n).unwrap_or(0),
            height: 1,
            ..shape.you
        };
        let last = n + 1 == rows;
        let more = if last {
            own.len().saturating_sub(rows)
        } else {
            0
        };
        line(canvas, card, rect, more);
    }
}

fn nobody(canvas: &mut Canvas<'_>) {
    let model = canvas.model;
    let told = if model.link.is_live() {
        "No call on your line."
    } else {
        "Whether a call is on your line is not known."
    };
    let ink = canvas.ink().gap(1).say(told, Tone::Faint);
    let ink = match model.offer(Action::Answer) {
        Offer::Yes { sentence, .. } => ink
            .gap(2)
            .key(model.keys.name(Action::Answer), Tone::Ring)
            .say(": ", Tone::Ring)
            .sentence(&sentence, Tone::Text),
        Offer::No(_) => ink,
    };
    let ink = match model.asked.values().find(|a| a.call.is_none()) {
        Some(asked) => canvas
            .ink()
            .gap(1)
            .say("◌ asked: ", Tone::Ring)
            .sentence(&asked.sentence, Tone::Ring),
        None => ink,
    };
    canvas.line(model.shape.you, &ink);
}

fn line(canvas: &mut Canvas<'_>, card: &Card, rect: Rect, more: usize) {
    let model = canvas.model;
    let at = &card.place.at;
    let wide = model.shape.class == Class::Full;
    let selected = model.cursor.area == Area::You
        && model.selected_own().is_some_and(|c| c.id == card.id)
        && model.own().len() > 1;
    let tone = tone_of(at);
    let asked = model.asked_of(card.id);
    let mark = match at {
        _ if canvas.carried(card.id) => "◇ ",
        _ if asked.is_some() => "◌ ",
        At::Held { .. } | At::Holding { .. } => "‖ ",
        At::Transferring { .. } => "→ ",
        At::Connecting { .. } | At::Dialling { .. } => "◐ ",
        _ => "▶ ",
    };
    let strong = canvas.name_tone(
        card,
        if matches!(at, At::Talking { .. }) {
            Tone::Strong
        } else {
            Tone::Text
        },
    );
    let edge = if selected {
        canvas.ink().say("▌", Tone::Accent)
    } else {
        canvas.ink().gap(1)
    };
    let cells = if wide {
        40
    } else {
        usize::from(rect.width) * 2 / 5
    };
    let mut left = edge.say(mark, tone).safe(&title(card, cells), strong);
    if let (true, Some(number), Some(_)) = (wide, &card.caller.number, &card.caller.name) {
        left = left.gap(2).phone(number, Tone::Faint);
    }
    left = left.gap(2).then(state(canvas, card));
    if more > 0 {
        left = left
            .say("  +", Tone::Held)
            .count(u64::try_from(more).unwrap_or(0), Tone::Held)
            .say(" more", Tone::Held);
    }
    if let Some(asked) = asked {
        left = left
            .say("  asked: ", Tone::Ring)
            .sentence(&asked.sentence, Tone::Ring);
    }
    canvas.line(rect, &left);
    canvas.hit(rect, Spot::Call(card.id, Some(DropTarget::Me)));
}

fn state(canvas: &Canvas<'_>, card: &Card) -> Ink {
    let model = canvas.model;
    let at = &card.place.at;
    let tone = tone_of(at);
    let ink = canvas.ink();
    match at {
        At::Held { deadline, .. } | At::Holding { deadline, .. } => ink
            .say(doing(at), tone)
            .gap(1)
            .time(model.seconds_since(card.place.since), tone)
            .gap(2)
            .then(slots::meter(canvas, card, *deadline, 8))
            .say(" rings back in ", Tone::Faint)
            .time(
                model.seconds_until(*deadline),
                slots::urgency(canvas, *deadline),
            ),
        At::Transferring { to, deadline, .. } => {
            let whom = to
                .parse::<UserId>()
                .map_or_else(|_| SafeText::from(to.as_str()), |u| model.name(u));
            ink.say("ringing ", tone)
                .safe(&whom, Tone::Strong)
                .gap(1)
                .time(model.seconds_since(card.place.since), tone)
                .say("  back to you in ", Tone::Faint)
                .time(
                    model.seconds_until(*deadline),
                    slots::urgency(canvas, *deadline),
                )
        }
        At::Talking { users } => {
            let mut ink = ink
                .say("talking ", tone)
                .time(model.seconds_since(card.place.since), tone);
            for user in users.iter().filter(|u| !model.is_me(**u)).take(3) {
                ink = ink
                    .say("  with ", Tone::Faint)
                    .safe(&model.name(*user), Tone::Text);
            }
            let mine = model.current().is_some_and(|c| c.id == card.id);
            if mine && model.my_page().is_some_and(|p| p.muted == Some(true)) {
                ink = ink.say("  ⊘ you are muted", Tone::Ring);
            }
            let page = model
                .my_page()
                .filter(|p| mine && p.here && model.link.is_live());
            let quality = page.and_then(|p| p.quality);
            if let Some(warning) = quality.and_then(|q| q.warning) {
                ink = ink.say("  ▲ ", Tone::Ring).say(warning.words(), Tone::Ring);
            }
            ink
        }
        _ => ink
            .say(doing(at), tone)
            .gap(1)
            .time(model.seconds_since(card.place.since), tone),
    }
}
