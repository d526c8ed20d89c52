//! The people: a boxed tile each where there is room, a line each where there is not.

use cordboard_core::{
    board::{At, Card, DropTarget, Person},
    ids::{SafeText, UserId},
    machine::PhonePage,
};
use ratatui::{layout::Rect, style::Style};

use super::{Canvas, ink, ink::Ink, title, verdict};
use crate::{
    app::{Area, Look, Model, Preview, Spot, State},
    settings::moments,
    shape::Class,
    theme::Tone,
};

pub(super) fn draw(canvas: &mut Canvas<'_>) {
    let model = canvas.model;
    let shape = &model.shape;
    let here = model.cursor.area == Area::People;
    let total = model.order.len();
    let columns = usize::from(shape.columns.max(1));
    let page = shape.people_on_page();
    let first = (model.first_row * columns).min(total);
    let shown = total.saturating_sub(first).min(page);
    let left = canvas
        .ink()
        .say(" People ", if here { Tone::Accent } else { Tone::Text });
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let left = groups(canvas, left);
    let right = if shown < total {
        let range = canvas
            .ink()
            .gap(1)
            .count(number(first + 1), Tone::Text)
            .say("–", Tone::Faint);
        range
            .count(number(first + shown), Tone::Text)
            .say(" of ", Tone::Faint)
            .count(number(total), Tone::Text)
            .gap(1)
    } else {
        canvas.ink()
    };
    canvas.rule(shape.people_rule, &left, &right, Tone::Rule);
    canvas.hit(shape.people_rule, Spot::Area(Area::People));
    canvas.hit(shape.people, Spot::Area(Area::People));
    if total == 0 {
        let text = if model.board.epoch.is_empty() {
            "The board has not come yet."
        } else {
            "Nobody works here yet."
        };
        let ink = canvas.ink().gap(2).say(text, Tone::Faint);
        canvas.line(shape.people, &ink);
        return;
    }
    for user in model.order.iter().skip(first).take(page) {
        let (Some(person), Some(rect)) = (model.board.people.get(user), place(model, *user)) else {
            continue;
        };
        let tile = Tile::of(canvas, person);
        if shape.class == Class::Full {
            boxed(canvas, &tile, rect);
        } else {
            let rect = Rect {
                width: rect.width - 1,
                ..rect
            };
            if rect.width >= WIDE {
                wide(canvas, &tile, rect);
            } else {
                line(canvas, &tile, rect);
            }
        }
    }
}

/// From this width on, a person's line has columns: name, state, since when, with whom.
const WIDE: u16 = 72;

/// What a tile shows.
struct Tile<'a> {
    person: &'a Person,
    look: Look,
    card: Option<&'a Card>,
    /// The person is selected.
    selected: bool,
    /// What a drop here would do, while something is carried.
    preview: Option<Preview>,
    /// It would be dropped here now.
    over: bool,
}

impl<'a> Tile<'a> {
    fn of(canvas: &Canvas<'a>, person: &'a Person) -> Self {
        let model = canvas.model;
        let none = Vec::new();
        let calls = canvas.calls.get(&person.id).unwrap_or(&none);
        let look = model.look(person, calls);
        let target = DropTarget::Person(person.id);
        Self {
            person,
            look,
            card: look
                .call
                .and_then(|c| calls.iter().copied().find(|card| card.id == c)),
            selected: model.cursor.area == Area::People && model.cursor.person == Some(person.id),
            preview: model.preview_on(&target),
            over: model.carry.as_ref().is_some_and(|c| c.over == Some(target)),
        }
    }

    /// The colour of the border, and whether it is heavy.
    fn border(&self) -> (Tone, bool) {
        match (&self.preview, self.over) {
            (Some(p), true) => (verdict(p), true),
            (Some(p), false) => (if p.legal { Tone::Lit } else { Tone::Rule }, false),
            (None, _) if self.selected => (Tone::Accent, true),
            (None, _) => match self.look.state {
                State::Ringing | State::Connecting | State::Dialling => (Tone::Ring, false),
                State::Talking => (Tone::Busy, false),
                _ => (Tone::Rule, false),
            },
        }
    }

    fn name(&self) -> Tone {
        match (&self.preview, self.look.state) {
            (Some(p), _) if !p.legal && !self.over => Tone::Faint,
            (_, State::Offline | State::Gone) => Tone::Faint,
            _ => Tone::Strong,
        }
    }
}

pub(super) const fn tone(state: State) -> Tone {
    match state {
        State::Available => Tone::Good,
        State::Talking | State::Busy => Tone::Busy,
        State::Connecting | State::Dialling | State::Ringing => Tone::Ring,
        State::Holding => Tone::Held,
        // No phone page is how most of a house is most of the time: nothing to cry about.
        State::Away | State::Offline | State::Gone | State::Unreachable => Tone::Away,
        State::Dnd => Tone::Bad,
        State::Unknown => Tone::Unknown,
    }
}

fn boxed(canvas: &mut Canvas<'_>, tile: &Tile<'_>, rect: Rect) {
    let (border, heavy) = tile.border();
    let style = canvas.style(border);
    canvas.hit(rect, Spot::Place(DropTarget::Person(tile.person.id)));
    if rect.height < 3 || rect.width < 8 {
        return;
    }
    canvas.boxed(rect, style, heavy);
    title_of(canvas, tile, rect);
    let inner = Rect {
        x: rect.x + 2,
        y: rect.y + 1,
        width: rect.width - 4,
        height: rect.height - 2,
    };
    let first = Rect { height: 1, ..inner };
    let right = since(canvas, tile).gap(0);
    let left = state(canvas, tile);
    let beside = back(canvas, tile, " · ");
    let fits = left.width() + beside.width() + right.width() < first.width;
    let late = back(canvas, tile, "");
    let left = if fits { left.then(beside) } else { left };
    canvas.line_both(first, &left, &right);
    let none = canvas.ink();
    let words = words(canvas, tile);
    let with = (company(canvas, tile), others(canvas, tile));
    let mut more = Vec::new();
    if !fits {
        more.push((late, none.clone()));
    }
    if words.width() > 0 {
        more.push((words, none.clone()));
    }
    more.extend([with, (circumstance(canvas, tile), none)]);
    for (y, (left, right)) in (inner.y + 1..inner.bottom()).zip(&more) {
        let row = Rect {
            y,
            height: 1,
            ..inner
        };
        canvas.line_both(row, left, right);
    }
    if let Some(card) = tile.card {
        canvas.hit(
            inner,
            Spot::Call(card.id, Some(DropTarget::Person(tile.person.id))),
        );
    }
}

/// Extension and name, on the upper edge of the box.
fn title_of(canvas: &mut Canvas<'_>, tile: &Tile<'_>, rect: Rect) {
    let name_cells = usize::from(rect.width).saturating_sub(8);
    let mut head = canvas
        .ink()
        .gap(1)
        .safe(
            &SafeText::clean(tile.person.extension.as_str(), 8),
            Tone::Faint,
        )
        .gap(1);
    head = head.safe(
        &SafeText::clean(tile.person.name.as_str(), name_cells),
        tile.name(),
    );
    if canvas.model.is_me(tile.person.id) {
        head = head.say(" · you", Tone::Faint);
    }
    head = head.gap(1);
    canvas.line(
        Rect {
            x: rect.x + 2,
            y: rect.y,
            width: rect.width - 4,
            height: 1,
        },
        &head,
    );
}

/// The tile under what is carried, over everything else: what a drop would do is said whole, however long it
/// is.
pub(super) fn target(canvas: &mut Canvas<'_>) {
    let model = canvas.model;
    let Some(DropTarget::Person(user)) = model.carry.as_ref().and_then(|c| c.over.as_ref()) else {
        return;
    };
    let (Some(person), Some(rect)) = (model.board.people.get(user), place(model, *user)) else {
        return;
    };
    let tile = Tile::of(canvas, person);
    let Some(preview) = tile
        .preview
        .as_ref()
        .filter(|_| model.shape.class == Class::Full)
    else {
        return;
    };
    let tone = verdict(preview);
    // Its own place, however far it grows: a neighbour that is covered is reached like any other.
    canvas.hit(rect, Spot::Place(DropTarget::Person(*user)));
    let lines = ink::wrap(
        preview.sentence.as_str(),
        rect.width.saturating_sub(4).into(),
    );
    let wanted = u16::try_from(lines.len())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let bottom = model.shape.you_rule.y.min(canvas.buf.area.bottom());
    let height = wanted.clamp(rect.height, bottom.max(rect.height));
    // At the lower edge it grows upwards.
    let rect = Rect {
        y: rect.y.min(bottom.saturating_sub(height)),
        height,
        ..rect
    };
    let ground = canvas.theme.raised();
    canvas.ground(rect, ground);
    let style = canvas.style(tone).patch(Style {
        bg: ground.bg,
        ..Default::default()
    });
    canvas.boxed(rect, style, true);
    title_of(canvas, &tile, rect);
    for (y, text) in (rect.top() + 1..rect.bottom() - 1).zip(&lines) {
        let ink = canvas.ink().ours(text, tone).on(ground);
        let row = Rect {
            x: rect.x + 2,
            y,
            width: rect.width - 4,
            height: 1,
        };
        canvas.line(row, &ink);
    }
}

/// Where somebody's tile is, if they are on this page.
fn place(model: &Model, user: UserId) -> Option<Rect> {
    let shape = &model.shape;
    let columns = usize::from(shape.columns.max(1));
    let at = model.order.iter().position(|u| *u == user)?;
    let n = at
        .checked_sub(model.first_row * columns)
        .filter(|n| *n < shape.people_on_page())?;
    let (column, row) = (
        u16::try_from(n % columns).ok()?,
        u16::try_from(n / columns).ok()?,
    );
    let rect = Rect {
        x: shape.people.x + column * shape.tile.0,
        y: shape.people.y + row * shape.tile.1,
        width: shape.tile.0,
        height: shape.tile.1,
    };
    Some(rect.intersection(shape.people)).filter(|r| !r.is_empty())
}

fn state(canvas: &Canvas<'_>, tile: &Tile<'_>) -> Ink {
    let tone = match &tile.preview {
        Some(p) if !p.legal => Tone::Faint,
        _ => tone(tile.look.state),
    };
    canvas
        .ink()
        .say(tile.look.state.symbol(), tone)
        .gap(1)
        .say(tile.look.state.word(), tone)
}

fn since(canvas: &Canvas<'_>, tile: &Tile<'_>) -> Ink {
    let (ink, model) = (canvas.ink(), canvas.model);
    match tile.look.since {
        Some(at) if model.link.is_live() => {
            ink.time(model.seconds_since(at), tone(tile.look.state))
        }
        Some(_) if tile.look.state == State::Unknown => match model.lost {
            Some(lost) => ink.time(model.now.since(lost) / 1000, Tone::Unknown),
            None => ink,
        },
        _ => ink,
    }
}

/// What somebody says of themselves in their own words, while no call says more.
fn words(canvas: &Canvas<'_>, tile: &Tile<'_>) -> Ink {
    let text = &tile.person.status.text;
    let ink = canvas.ink();
    if tile.card.is_some() || !canvas.model.link.is_live() || text.is_empty() {
        return ink;
    }
    ink.safe(text, Tone::Text)
}

/// When they mean to be back, or that they meant to be.
fn back(canvas: &Canvas<'_>, tile: &Tile<'_>, before: &'static str) -> Ink {
    let model = canvas.model;
    let ink = canvas.ink();
    let Some((at, over)) = model.back(tile.person).filter(|_| tile.card.is_none()) else {
        return ink;
    };
    let day = |at| moments::date(at, model.utc_offset);
    let when = if day(at) == day(model.server_now()) {
        moments::clock(at, model.utc_offset)
    } else {
        moments::day(at, model.utc_offset)
    };
    let (told, tone) = if over {
        ("was to be back ", Tone::Ring)
    } else {
        ("back ", Tone::Away)
    };
    ink.say(before, Tone::Faint)
        .say(told, tone)
        .ours(&when, tone)
}

/// The groups, as far as there are any: which is shown, and which `g` shows next.
fn groups(canvas: &Canvas<'_>, ink: Ink) -> Ink {
    let model = canvas.model;
    if model.board.groups.is_empty() {
        return ink;
    }
    let tone = |on: bool| if on { Tone::Strong } else { Tone::Faint };
    let ink = ink
        .say("─ ", Tone::Rule)
        .say("all", tone(model.group.is_none()));
    let names = model.board.groups.iter().take(8);
    names
        .fold(ink, |ink, group| {
            let on = model.group.as_ref() == Some(&group.id);
            ink.say(" · ", Tone::Faint)
                .safe(&SafeText::clean(group.name.as_str(), 16), tone(on))
        })
        .gap(1)
}

/// The second line: with whom, or what one should know before sending them a call.
fn company(canvas: &Canvas<'_>, tile: &Tile<'_>) -> Ink {
    let (model, ink) = (canvas.model, canvas.ink());
    if let Some(card) = tile.card {
        let mark = match (
            &card.place.at,
            canvas.carried(card.id),
            model.asked_of(card.id).is_some(),
        ) {
            (_, true, _) => "◇ ",
            (.., true) => "◌ ",
            (At::Held { .. } | At::Holding { .. }, ..) => "‖ ",
            _ => "▸ ",
        };
        let mut ink = ink
            .say(mark, super::tone_of(&card.place.at))
            .safe(&title(card, 40), canvas.name_tone(card, Tone::Text));
        if let At::Transferring { from, .. } = &card.place.at
            && !tall(model)
        {
            ink = ink.say(" ← ", Tone::Faint);
            ink = if model.is_me(*from) {
                ink.say("you", Tone::Faint)
            } else {
                ink.safe(&model.name(*from), Tone::Faint)
            };
        }
        return ink;
    }
    if !model.link.is_live() {
        return ink;
    }
    match (tile.person.phone, tile.look.state) {
        (PhonePage::Ready, _) | (_, State::Offline) => ink,
        (_, State::Gone) if !tile.person.fallback => ink,
        (_, _) if tile.person.fallback => ink.say("rings their other number", Tone::Faint),
        (PhonePage::Unreachable, State::Unreachable) => {
            ink.say("no other number to ring", Tone::Faint)
        }
        (PhonePage::Unreachable, _) => ink.say("◌ phone not reachable", Tone::Bad),
        (PhonePage::Unknown, State::Unknown) => ink.say("is their phone there?", Tone::Faint),
        (PhonePage::Unknown, _) => ink.say("? phone unknown", Tone::Unknown),
    }
}

/// How many calls they have beside the one that is shown.
fn others(canvas: &Canvas<'_>, tile: &Tile<'_>) -> Ink {
    match u64::try_from(tile.look.more) {
        Ok(more) if more > 0 && tile.card.is_some() => {
            canvas.ink().say("+", Tone::Held).count(more, Tone::Held)
        }
        _ => canvas.ink(),
    }
}

/// Whether boxes have a third line.
fn tall(model: &Model) -> bool {
    model.shape.class == Class::Full && model.shape.tile.1 > 4
}

/// The third line: what there is to know about the call.
fn circumstance(canvas: &Canvas<'_>, tile: &Tile<'_>) -> Ink {
    let (model, ink) = (canvas.model, canvas.ink());
    let Some(card) = tile.card else { return ink };
    match (&card.place.at, &card.caller.name, &card.caller.number) {
        (At::Transferring { from, deadline, .. }, ..) => {
            let ink = ink.say("  from ", Tone::Faint);
            let ink = if model.is_me(*from) {
                ink.say("you", Tone::Text)
            } else {
                ink.safe(&SafeText::clean(model.name(*from).as_str(), 12), Tone::Text)
            };
            if !model.link.is_live() {
                return ink;
            }
            ink.say(", back in ", Tone::Faint).time(
                model.seconds_until(*deadline),
                super::slots::urgency(canvas, *deadline),
            )
        }
        (At::Held { .. } | At::Holding { .. }, ..) => ink.say("  on hold", Tone::Held),
        (_, Some(_), Some(number)) => ink.gap(2).phone(number, Tone::Faint),
        _ => ink,
    }
}

/// One whole line: symbol, extension and name, what they are doing and for how long, with whom.
fn wide(canvas: &mut Canvas<'_>, tile: &Tile<'_>, rect: Rect) {
    let (left, ground) = lead(canvas, tile, rect);
    let tone = match &tile.preview {
        Some(p) if !p.legal && !tile.over => Tone::Faint,
        _ => tone(tile.look.state),
    };
    let part = |x: u16, width: u16| Rect {
        x: rect.x + x,
        width: width.min(rect.width.saturating_sub(x)),
        height: 1,
        ..rect
    };
    let on = |ink: Ink| match ground {
        Some(style) => ink.on(style),
        None => ink,
    };
    canvas.line(part(0, 30), &on(left));
    let doing = canvas.ink().say(tile.look.state.word(), tone);
    let time = since(canvas, tile);
    canvas.line_both(part(31, 20), &on(doing), &on(time));
    let words = words(canvas, tile);
    let with = if words.width() > 0 {
        words
    } else {
        company(canvas, tile)
    };
    // When they are back before what they say of it: that is what a caller is told.
    let late = back(canvas, tile, "");
    let with = match (late.width(), with.width()) {
        (0, _) => with,
        (_, 0) => late,
        _ => late.say(" · ", Tone::Faint).then(with),
    };
    let others = others(canvas, tile);
    canvas.line_both(part(53, rect.width), &on(with), &on(others));
    hit_line(canvas, tile, rect);
}

/// Half a line: symbol, extension, name, and at the right what they are doing.
fn line(canvas: &mut Canvas<'_>, tile: &Tile<'_>, rect: Rect) {
    let (left, ground) = lead(canvas, tile, rect);
    let tone = match &tile.preview {
        Some(p) if !p.legal && !tile.over => Tone::Faint,
        _ => tone(tile.look.state),
    };
    let right = match tile.card {
        Some(card) => {
            let room = usize::from(rect.width).saturating_sub(usize::from(left.width()) + 8);
            let mark = if canvas.carried(card.id) {
                "◇ "
            } else if canvas.model.asked_of(card.id).is_some() {
                "◌ "
            } else {
                "▸ "
            };
            let ink = canvas.ink();
            let ink = if room >= 5 {
                ink.say(mark, tone)
                    .safe(&title(card, room), canvas.name_tone(card, Tone::Text))
                    .gap(1)
            } else {
                ink
            };
            ink.then(since(canvas, tile))
        }
        // The name matters more than the whole of the word.
        None if tile.look.state == State::Unreachable => canvas.ink().say("not reachable", tone),
        None => {
            let word = canvas.ink().say(tile.look.state.word(), tone);
            let late = back(canvas, tile, " · ");
            let room = rect.width.saturating_sub(left.width() + word.width() + 1);
            if late.width() <= room {
                word.then(late)
            } else {
                word
            }
        }
    };
    let (left, right) = match ground {
        Some(style) => (left.on(style), right.on(style)),
        None => (left, right),
    };
    canvas.line_both(rect, &left, &right);
    hit_line(canvas, tile, rect);
}

fn hit_line(canvas: &mut Canvas<'_>, tile: &Tile<'_>, rect: Rect) {
    let target = DropTarget::Person(tile.person.id);
    match tile.card {
        Some(card) => canvas.hit(rect, Spot::Call(card.id, Some(target))),
        None => canvas.hit(rect, Spot::Place(target)),
    }
}

/// How a line begins, on its ground: what the hand or the cursor makes of it, symbol, extension and name.
fn lead(canvas: &mut Canvas<'_>, tile: &Tile<'_>, rect: Rect) -> (Ink, Option<Style>) {
    let marked = match (&tile.preview, tile.over) {
        (Some(p), true) => Some((if p.legal { "▶" } else { "×" }, verdict(p))),
        (Some(p), false) if p.legal => Some(("▏", Tone::Lit)),
        (None, _) if tile.selected => Some(("▶", Tone::Accent)),
        _ => None,
    };
    let ground = canvas.style(Tone::Selected);
    let bright = tile.over || (tile.selected && tile.preview.is_none());
    if bright {
        canvas.ground(rect, ground);
    }
    let tone = match &tile.preview {
        Some(p) if !p.legal && !tile.over => Tone::Faint,
        _ => tone(tile.look.state),
    };
    let mut left = match marked {
        Some((mark, tone)) => canvas.ink().say(mark, tone),
        None => canvas.ink().gap(1),
    };
    left = left.say(tile.look.state.symbol(), tone).gap(1);
    left = left
        .safe(
            &SafeText::clean(tile.person.extension.as_str(), 6),
            Tone::Faint,
        )
        .gap(1);
    left = left.safe(&SafeText::clean(tile.person.name.as_str(), 24), tile.name());
    if canvas.model.is_me(tile.person.id) {
        left = left.say(" · you", Tone::Faint);
    }
    (left, bright.then_some(ground))
}
