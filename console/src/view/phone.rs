//! A phone page, in words: whether one can talk with it, and how that sounds.
//!
//! It says what the page has said of itself, and no more. A page that has fallen silent may be as it was or may be
//! gone: of one, nothing else is told. Read next: `app/pair.rs`, `view/pair.rs`.

use cordboard_core::wire::{PageState, Quality};

use crate::theme::Tone;

/// Whether one can talk with it: a sign, words, a colour.
pub(super) const fn state(page: &PageState) -> (&'static str, &'static str, Tone) {
    match (page.here, page.ready, page.trouble) {
        (false, ..) => ("○ ", "silent", Tone::Bad),
        (_, false, _) => ("◌ ", "not ready", Tone::Ring),
        (.., Some(_)) => ("◌ ", "in trouble", Tone::Ring),
        (.., None) => ("● ", "ready", Tone::Good),
    }
}

/// The same, with its microphone: what is most worth to know of the one that one talks with.
pub(super) const fn brief(page: &PageState) -> (&'static str, &'static str, Tone) {
    let (sign, words, tone) = state(page);
    match (tone, page.muted) {
        (Tone::Good, Some(true)) => ("◌ ", "muted", Tone::Ring),
        (Tone::Good, None) => (sign, "ready, microphone unknown", tone),
        _ => (sign, words, tone),
    }
}

/// All that it has said of itself, a line each.
pub(super) fn about(page: &PageState) -> Vec<(String, Tone)> {
    let (sign, words, tone) = state(page);
    // How a page is that nobody talks with is nothing to cry about.
    let (whose, tone) = if page.active {
        ("your phone", tone)
    } else {
        ("not your phone now", Tone::Faint)
    };
    let mut lines = vec![(format!("{sign}{}: {words} · {whose}", page.device), tone)];
    if !page.here {
        return lines;
    }
    if let Some(trouble) = page.trouble {
        let tone = if page.active { Tone::Ring } else { Tone::Text };
        lines.push((format!("! {}", trouble.advice()), tone));
    }
    let microphone = match page.muted {
        Some(true) => "muted",
        Some(false) => "microphone on",
        None => "microphone unknown",
    };
    let call = if page.call.is_some() {
        "in a call, "
    } else {
        ""
    };
    lines.push((format!("{call}{microphone}"), Tone::Text));
    if let Some(quality) = &page.quality {
        lines.push(sound(quality));
    }
    lines
}

/// How a call sounds, in words and figures.
fn sound(quality: &Quality) -> (String, Tone) {
    let figures = format!(
        "{} ms there and back, {} ms uneven, {} % lost",
        quality.rtt_ms, quality.jitter_ms, quality.loss_percent
    );
    match quality.warning {
        Some(warning) => (format!("▲ {} · {figures}", warning.words()), Tone::Ring),
        None => (figures, Tone::Faint),
    }
}
