//! The header, the line of what was last said, and the buttons.
//!
//! Buttons are not a list of their own: they are the rows of the action table that are possible now, so
//! footer, help and keys cannot disagree.

use std::borrow::Cow;

use cordboard_core::{
    board::At,
    call::Dialled,
    ids::{SafeText, Timestamp},
    machine::PhonePage,
    policy::Role,
};
use ratatui::layout::Rect;

use super::{Canvas, ink::Ink, pair, phone, title};
use crate::{
    app::{Area, Dialog, Hand, Link, Model, Mood, Offer, Spot},
    keymap::{Action, row_of},
    shape::Class,
    theme::Tone,
};

pub(super) fn header(canvas: &mut Canvas<'_>) {
    let model = canvas.model;
    let rect = Rect {
        height: canvas.model.shape.header.height.min(1),
        ..canvas.model.shape.header
    };
    let wide = rect.width >= 96;

    // A narrow line has no room for more than what is wrong, while something is.
    let roomy = wide || model.link.is_live();
    let mut right = canvas.ink();
    if let Some(me) = model.me.as_ref().filter(|_| roomy) {
        right = right.safe(
            &SafeText::clean(me.name.as_str(), if wide { 28 } else { 14 }),
            Tone::Text,
        );
        if wide {
            right = right
                .say(" · ", Tone::Faint)
                .say(role(me.role), Tone::Faint);
        }
    }
    right = right
        .say("  ", Tone::Text)
        .then(wall(canvas, model.now, Tone::Strong))
        .say(" ", Tone::Text);

    let mut left = canvas
        .ink()
        .say(" ▐", Tone::Accent)
        .say(" cordboard", Tone::Strong)
        .gap(2);
    if rect.width >= 60 {
        if let Some(queue) = model.board.queues.first().filter(|_| roomy) {
            left = left
                .safe(&SafeText::clean(queue.name.as_str(), 20), Tone::Faint)
                .gap(3);
        }
    } else {
        left = canvas.ink().say(" ▐ ", Tone::Accent);
    }
    if let Some(alarm) = alarm(canvas) {
        left = alarm.gap(3);
    }
    left = left.then(link(canvas));
    if rect.width >= 60 {
        let mine = my_phone(canvas);
        if mine.width() > 0 {
            left = left.gap(3).then(mine);
        }
    }
    canvas.line_both(rect, &left, &right);
}

/// Somebody calls for help: nothing else in the header matters as much, on anybody's screen.
fn alarm(canvas: &Canvas<'_>) -> Option<Ink> {
    let model = canvas.model;
    let (card, number) = model.board.calls.values().find_map(|c| match &c.to {
        Dialled::Emergency(number) if !c.ended() => Some((c, number)),
        _ => None,
    })?;
    let ink = canvas.ink().say(" EMERGENCY ", Tone::Forbidden).gap(1);
    let ink = match card.with.first() {
        Some(who) => ink.safe(&model.name(*who), Tone::Bad),
        None => ink.say("Somebody", Tone::Bad),
    };
    let ink = ink
        .say(" has dialled ", Tone::Bad)
        .safe(&SafeText::from(number.as_str()), Tone::Bad)
        .say(" at ", Tone::Bad);
    Some(ink.then(wall(canvas, card.since, Tone::Bad)))
}

/// The time of day, as the wall clock of whoever looks shows it.
pub(super) fn wall(canvas: &Canvas<'_>, at: Timestamp, tone: Tone) -> Ink {
    let local = at.millis().div_euclid(1000) + i64::from(canvas.model.utc_offset);
    let minutes = local.div_euclid(60).rem_euclid(24 * 60);
    let mut ink = canvas.ink();
    for (n, after) in [(minutes / 60, ":"), (minutes % 60, "")] {
        if n < 10 {
            ink = ink.say("0", tone);
        }
        ink = ink
            .count(u64::try_from(n).unwrap_or(0), tone)
            .say(after, tone);
    }
    ink
}

/// The colour of something that was said.
pub(super) const fn mood(mood: Mood) -> Tone {
    match mood {
        Mood::Info => Tone::Text,
        Mood::News => Tone::Faint,
        Mood::Good => Tone::Good,
        Mood::Bad => Tone::Bad,
    }
}

fn link(canvas: &Canvas<'_>) -> Ink {
    let (model, ink) = (canvas.model, canvas.ink());
    let age = |ink: Ink| match model.lost {
        Some(lost) => ink
            .say(" · the board is ", Tone::Bad)
            .time(model.now.since(lost) / 1000, Tone::Bad)
            .say(" old", Tone::Bad),
        None => ink,
    };
    match &model.link {
        Link::Live(None) => ink.say("● live", Tone::Good),
        Link::Live(Some(ms)) => ink
            .say("● live ", Tone::Good)
            .count(*ms, Tone::Faint)
            .say(" ms", Tone::Faint),
        Link::Connecting => age(ink.say("◌ connecting", Tone::Ring)),
        Link::Resyncing => age(ink.say("◐ fetching the board", Tone::Ring)),
        Link::Stale => age(ink.say("○ no word from the server", Tone::Bad)),
        Link::SignedOut => age(ink.say("○ signed out", Tone::Bad)),
        Link::Offline { next, .. } => {
            let ink = age(ink.say("○ not connected", Tone::Bad));
            match next {
                Some(next) => {
                    let seconds = (next.millis() - model.now.millis() + 999) / 1000;
                    ink.say(" · retry in ", Tone::Bad).time(seconds, Tone::Bad)
                }
                None => ink,
            }
        }
    }
}

fn my_phone(canvas: &Canvas<'_>) -> Ink {
    let ink = canvas.ink();
    // With the link down there are more important words for this line, and nothing is known.
    if canvas.model.me.is_none() || !canvas.model.link.is_live() {
        return ink;
    }
    if let Some(muting) = canvas.model.muting() {
        let text = if muting.on {
            "◌ muting…"
        } else {
            "◌ unmuting…"
        };
        return ink.say(text, Tone::Ring);
    }
    if let Some(page) = canvas.model.my_page() {
        let (sign, words, tone) = phone::brief(page);
        return ink.say(sign, tone).say("phone ", tone).say(words, tone);
    }
    match canvas.model.my_phone() {
        // Its person has taken another page than those of this console.
        PhonePage::Ready if !canvas.model.pages.is_empty() => {
            ink.say("● phone: another page", Tone::Good)
        }
        PhonePage::Ready => ink.say("● phone ready", Tone::Good),
        PhonePage::Unreachable if !canvas.model.pages.is_empty() => {
            ink.say("◌ phone: another page, not ready", Tone::Bad)
        }
        PhonePage::Unreachable => ink.say("◌ no phone page", Tone::Bad),
        PhonePage::Unknown => ink.say("? phone unknown", Tone::Unknown),
    }
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Admin => "admin",
        Role::Supervisor => "supervisor",
        Role::Operator => "operator",
        Role::Agent => "agent",
        Role::ReadOnly => "looking only",
    }
}

/// What matters most just now: what a drop would do, what went wrong, what was asked, or what Enter does.
pub(super) fn note(canvas: &mut Canvas<'_>) {
    let model = canvas.model;
    let rect = model.shape.note;
    let ink = canvas.ink().gap(1);
    let ink = if let Some(carry) = &model.carry {
        let who = model
            .board
            .calls
            .get(&carry.call)
            .map(|c| title(c, 24))
            .unwrap_or_default();
        let ink = ink.say("◇ ", Tone::Ring);
        let ink = if carry.typed.is_empty() {
            ink
        } else {
            ink.safe(&SafeText::from(&*carry.typed), Tone::Chip).gap(1)
        };
        match (model.preview(), carry.hand) {
            (Some(p), _) if p.legal => ink
                .say("drop: ", Tone::Target)
                .sentence(&p.sentence, Tone::Target),
            (Some(p), _) => ink
                .say("no: ", Tone::Forbidden)
                .sentence(&p.sentence, Tone::Forbidden),
            (None, Hand::Mouse) => ink.safe(&who, Tone::Strong).say(
                "  over a person, a slot or your own line: release the button to drop",
                Tone::Faint,
            ),
            (None, Hand::Keyboard) if carry.typed.is_empty() => ink.safe(&who, Tone::Strong).say(
                "  choose where: arrows, letters of a name, or a slot such as P2",
                Tone::Faint,
            ),
            (None, Hand::Keyboard) => ink.say("nobody fits what you typed", Tone::Faint),
        }
    } else if model.pairing.is_some() && !matches!(model.dialog, Some(Dialog::Admit(_))) {
        ink.say("◐ A phone page asks to be let in: ", Tone::Ring)
            .ours(
                &if model.open_settings().is_some() || model.dialog.is_some() {
                    "F4 looks at it.".into()
                } else {
                    format!("{} looks at it.", model.keys.name(Action::Pair))
                },
                Tone::Ring,
            )
    } else if let Some(note) = model.note() {
        let tone = mood(note.mood);
        ink.say(note.mood.sign(), tone).sentence(&note.text, tone)
    } else if let Link::Offline { why, .. } = &model.link {
        ink.say("! ", Tone::Bad).sentence(why, Tone::Bad)
    } else if model.link == Link::SignedOut {
        ink.say(
            "! Your sign-in here has ended. Enter on the board opens the door again.",
            Tone::Bad,
        )
    } else if let Some(asked) = model.asked.values().max_by_key(|a| a.at) {
        ink.say("◌ asked: ", Tone::Ring)
            .sentence(&asked.sentence, Tone::Text)
    } else if model.open_settings().is_some() {
        ink
    } else if let (Some(why), None) = (model.page_trouble(), &model.dialog) {
        // Before what Enter would do: most of it needs the page.
        ink.say("! ", Tone::Ring).say(why, Tone::Ring)
    } else if let (Offer::Yes { sentence, .. }, None) =
        (model.offer(Action::Activate), &model.dialog)
    {
        ink.say("Enter: ", Tone::Faint)
            .sentence(&sentence, Tone::Faint)
    } else if model.dialog.is_none() && model.link.is_live() {
        let key = |action| model.keys.name(action);
        let (carry, pair) = (key(Action::PickUp), key(Action::Pair));
        let told = if !model.has(Action::PickUp) {
            "You look at the board.".to_owned()
        } else if without_phone(model) {
            format!("Your phone page is not open: {pair} pairs one to talk with.")
        } else if model.current().is_some() {
            format!("Drag the call, or press {carry} to carry it with the arrows.")
        } else {
            format!("A call can be dragged, or carried with {carry} and the arrows.")
        };
        ink.ours(&told, Tone::Faint)
            .gap(1)
            .key(key(Action::Help), Tone::Faint)
            .say(" lists every key.", Tone::Faint)
    } else {
        ink
    };
    canvas.foot(rect, &ink);
}

/// The actions of the footer, in the order in which they get room.
const HINTS: &[Action] = &[
    Action::Answer,
    Action::TakeBack,
    Action::Decline,
    Action::Hold,
    Action::Park,
    Action::Transfer,
    Action::HangUp,
    Action::PickUp,
    Action::Retrieve,
    Action::Pair,
    Action::Dial,
    Action::Search,
    Action::Mute,
    Action::Settings,
    Action::Palette,
];

/// Those that are only shown where there is room to spare.
const SPARE: [Action; 2] = [Action::Settings, Action::Palette];

pub(super) fn hints(canvas: &mut Canvas<'_>) {
    let model = canvas.model;
    let rect = model.shape.hints;
    if rect.is_empty() {
        return;
    }
    let mut x = rect.x + 1;
    // Help and the way out keep their place at the right end.
    let mut limit = rect.right();
    for action in [Action::Quit, Action::Help] {
        let ink = hint(canvas, action, None, None);
        let width = ink.width() + 1;
        limit = limit.saturating_sub(width);
        canvas.button(limit, rect.y, rect.right(), &ink, Spot::Button(action));
    }
    limit = limit.saturating_sub(1);

    let modal: Option<&[(Action, &'static str)]> = match (&model.carry, &model.dialog) {
        (Some(carry), _) if carry.hand == Hand::Mouse => Some(&[(Action::Back, "put it back")]),
        (Some(_), _) => Some(&[
            (Action::Activate, "drop"),
            (Action::Back, "put it back"),
            (Action::NextArea, "people, slots, you"),
        ]),
        (None, Some(Dialog::Help(_) | Dialog::Log(_))) => Some(&[(Action::Back, "close")]),
        (None, Some(Dialog::Confirm(_))) => {
            Some(&[(Action::Activate, "yes"), (Action::Back, "no")])
        }
        (None, Some(_)) => Some(&[(Action::Activate, "do it"), (Action::Back, "close")]),
        (None, None) => None,
    };
    let holds = |code| pair::code_hints(model, code).to_vec();
    let own = match (&model.carry, &model.dialog) {
        (None, Some(Dialog::Code(code))) => Some(holds(code)),
        (None, Some(Dialog::Admit(_))) => Some(pair::ADMIT.to_vec()),
        (None, Some(Dialog::Pages)) => Some(pair::PAGES.to_vec()),
        (_, None) => match (model.open_settings(), model.around()) {
            (Some(settings), Some(around)) => Some(settings.hints(&around)),
            _ => None,
        },
        _ => None,
    };
    if let Some(own) = own {
        for (key, name, word) in own {
            let ink = keyed(canvas, name.into()).gap(1).say(word, Tone::Text);
            x += advance(canvas.button(x, rect.y, limit, &ink, Spot::Key(key)));
        }
        return;
    }
    if let Some(modal) = modal {
        for (action, word) in modal {
            let ink = hint(canvas, *action, Some(word), None);
            x += advance(canvas.button(x, rect.y, limit, &ink, Spot::Button(*action)));
        }
        return;
    }
    // Names are left out before actions are, but for those that are there at any time.
    let width = |offered: &[(Action, Ink)]| -> u16 {
        let needed = offered.iter().filter(|(a, _)| !SPARE.contains(a));
        needed.map(|(_, ink)| advance(ink.width())).sum()
    };
    let mut offered = offered(canvas, true);
    if x + width(&offered) > limit + 2 {
        offered = self::offered(canvas, false);
        // Nor for a margin where it would cost the last of them.
        if canvas.buf.area.width < 100 && x + width(&offered) > limit + 2 {
            x = rect.x;
        }
    }
    for (action, ink) in offered {
        x += advance(canvas.button(x, rect.y, limit, &ink, Spot::Button(action)));
    }
}

/// What is possible now, as buttons.
fn offered(canvas: &Canvas<'_>, names: bool) -> Vec<(Action, Ink)> {
    let model = canvas.model;
    let mut out = Vec::new();
    for action in HINTS.iter().copied() {
        let Offer::Yes { call, .. } = model.offer(action) else {
            continue;
        };
        if skipped(model, action) {
            continue;
        }
        let about = call
            .and_then(|c| model.board.calls.get(&c))
            .filter(|_| names && named(model, action))
            .map(|c| title(c, 16));
        let mut ink = hint(canvas, action, word(model, action), about.as_ref());
        if action == Action::TakeBack
            && let Some(card) = model.undoable()
            && let At::Transferring { deadline, .. }
            | At::Parking { deadline, .. }
            | At::Parked { deadline, .. } = card.place.at
        {
            ink = ink.gap(1).time(model.seconds_until(deadline), Tone::Ring);
        }
        out.push((action, ink));
    }
    out
}

const fn advance(width: u16) -> u16 {
    if width == 0 { 0 } else { width + 2 }
}

/// A key and its word.
fn hint(
    canvas: &Canvas<'_>,
    action: Action,
    word: Option<&'static str>,
    about: Option<&SafeText>,
) -> Ink {
    let row = row_of(action);
    let ink = keyed(canvas, canvas.model.keys.name(action))
        .gap(1)
        .say(word.unwrap_or(row.word), Tone::Text);
    match about {
        Some(name) => ink.gap(1).safe(name, Tone::Faint),
        None => ink,
    }
}

/// A key as it is written on its button.
fn keyed(canvas: &Canvas<'_>, key: Cow<'static, str>) -> Ink {
    // Narrow screens save the blanks round the key.
    let narrow = canvas.theme == crate::theme::Theme::Mono || canvas.buf.area.width < 100;
    let ink = canvas.ink();
    if narrow {
        ink.key(key, Tone::Key)
    } else {
        ink.say(" ", Tone::Key)
            .key(key, Tone::Key)
            .say(" ", Tone::Key)
    }
}

/// Hold is also how one goes on, and mute how one is heard again.
fn word(model: &Model, action: Action) -> Option<&'static str> {
    if action == Action::Mute {
        let muted = model.my_page().is_some_and(|p| p.muted == Some(true));
        return muted.then_some("unmute");
    }
    if action == Action::Pair {
        return (!model.pages.is_empty()).then_some("phone");
    }
    let Offer::Yes {
        call: Some(call), ..
    } = model.offer(action)
    else {
        return None;
    };
    let held = matches!(
        model.board.calls.get(&call)?.place.at,
        At::Held { .. } | At::Holding { .. }
    );
    (action == Action::Hold && held).then_some("resume")
}

/// Whether the hint says which call it means: always where it is not the one on the line.
fn named(model: &Model, action: Action) -> bool {
    let wide = model.shape.class == Class::Full;
    match action {
        Action::Answer | Action::TakeBack | Action::Retrieve => wide,
        Action::Decline => false,
        _ => {
            wide && model.cursor.area != Area::You
                && model.current().map(|c| c.id) != model.subject().map(|c| c.id)
        }
    }
}

/// Whether there is no page to talk with, as far as is known.
fn without_phone(model: &Model) -> bool {
    model.my_page().is_none() && model.my_phone() == PhonePage::Unreachable
}

/// Hints that are possible but would only be noise.
fn skipped(model: &Model, action: Action) -> bool {
    match action {
        // Without a call there is nothing to keep from anybody.
        Action::Mute => {
            model.current().is_none() && model.my_page().is_none_or(|p| p.muted != Some(true))
        }
        Action::Pair => !without_phone(model) && model.page_trouble().is_none(),
        // Picking up is what one does with a call that is pointed at, or with one's own.
        Action::PickUp | Action::Park | Action::Transfer | Action::HangUp => {
            let own = model
                .subject()
                .is_some_and(|c| model.own().iter().any(|o| o.id == c.id));
            !own && model.cursor.area == Area::You
        }
        _ => false,
    }
}
