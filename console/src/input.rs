//! From terminal events to messages: which key, and what the mouse meant.
//!
//! The mouse is a small machine between button down and button up. It is matched against the [`Hits`] of the
//! last frame that was painted: what the eye sees is what is hit. It decides what was meant, and nothing
//! about whether that can be done.
//!
//! A carry that was called off while the button is still down (Esc, the call has gone, focus lost) swallows
//! the button's release: the hand is opened by the person some time after, and that is no click.

use cordboard_core::ids::Timestamp;
use crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use crate::{
    app::{Msg, Spot},
    keymap::{Dir, Key},
    view::Hits,
};

/// How far the pointer moves before a press becomes a drag: a nervous finger is no drag.
const FAR: (u16, u16) = (3, 1);
/// The longest time between the two clicks of a double click, in milliseconds.
const DOUBLE_MS: i64 = 400;
/// Lines for one notch of the wheel.
const NOTCH: i16 = 1;

/// The key of an event, if it is one that this console tells apart.
pub fn key(event: &KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    let alt = event.modifiers.contains(KeyModifiers::ALT);
    Some(match event.code {
        // AltGr arrives as Ctrl and Alt together on some terminals: then it is a character, not a command.
        KeyCode::Char(c) if ctrl && !alt => Key::Ctrl(c.to_ascii_lowercase()),
        KeyCode::Char(_) if alt && !ctrl => return None,
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Delete => Key::Delete,
        KeyCode::Left => Key::Arrow(Dir::Left),
        KeyCode::Right => Key::Arrow(Dir::Right),
        KeyCode::Up => Key::Arrow(Dir::Up),
        KeyCode::Down => Key::Arrow(Dir::Down),
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::F(n) => Key::F(n),
        _ => return None,
    })
}

/// Keeps the fragments of broken escape sequences from being taken for commands.
///
/// The event library reads Esc followed at once by another sequence (Esc pressed while the mouse moves) as
/// Esc and then the rest of that sequence as typed text: `[<0;64;30M`. Typed on the board, that would answer
/// call 6. No hand types a bracket so soon after Esc.
#[derive(Debug, Clone, Default)]
pub struct Fragments {
    escaped: Option<Timestamp>,
    inside: u8,
}

impl Fragments {
    /// How soon after Esc a bracket is no hand's.
    const SOON_MS: i64 = 30;
    /// The longest sequence that is passed over.
    const LONGEST: u8 = 32;

    /// The key, unless it is part of a fragment.
    pub fn filter(&mut self, key: Key, now: Timestamp) -> Option<Key> {
        let soon = self
            .escaped
            .is_some_and(|at| now.since(at) <= Self::SOON_MS);
        match key {
            Key::Esc => {
                (self.escaped, self.inside) = (Some(now), 0);
                return Some(key);
            }
            Key::Char('[' | 'O' | ']') if soon && self.inside == 0 => self.inside = 1,
            Key::Char(c) if soon && self.inside > 0 && self.inside < Self::LONGEST => {
                self.inside += 1;
                if c.is_ascii_alphabetic() || c == '~' {
                    (self.escaped, self.inside) = (None, 0);
                }
            }
            _ => {
                (self.escaped, self.inside) = (None, 0);
                return Some(key);
            }
        }
        None
    }
}

/// What the mouse is doing.
#[derive(Debug, Clone, Default)]
pub struct Pointer {
    button: Button,
    clicked: Option<(Spot, Timestamp, (u16, u16))>,
}

#[derive(Debug, Clone, Default)]
enum Button {
    #[default]
    Up,
    Down {
        x: u16,
        y: u16,
        spot: Option<Spot>,
    },
    Carrying,
    /// Down, but it means nothing any more.
    Spent,
}

impl Pointer {
    /// Takes a mouse event. `carrying`: whether the model still carries something for the mouse.
    pub fn mouse(
        &mut self,
        event: MouseEvent,
        hits: &Hits,
        now: Timestamp,
        carrying: bool,
    ) -> Vec<Msg> {
        let (x, y) = (event.column, event.row);
        let spot = hits.at(x, y);
        if matches!(self.button, Button::Carrying) && !carrying {
            self.button = Button::Spent;
        }
        match event.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                // A press while we think the button is down: its release was lost.
                let lost = matches!(self.button, Button::Carrying);
                self.button = Button::Down {
                    x,
                    y,
                    spot: spot.cloned(),
                };
                if lost { vec![Msg::Cancel] } else { Vec::new() }
            }
            MouseEventKind::Down(_) => {
                self.button = if matches!(self.button, Button::Up) {
                    Button::Up
                } else {
                    Button::Spent
                };
                vec![Msg::Cancel]
            }
            MouseEventKind::Drag(MouseButton::Left) => self.drag(x, y, spot),
            MouseEventKind::Up(MouseButton::Left) => match std::mem::take(&mut self.button) {
                Button::Carrying => vec![Msg::Release(spot.and_then(Spot::target).cloned())],
                Button::Down { spot: pressed, .. } => self.click(pressed, spot, (x, y), now),
                Button::Up | Button::Spent => Vec::new(),
            },
            MouseEventKind::ScrollUp => vec![Msg::Wheel(spot.cloned(), -NOTCH)],
            MouseEventKind::ScrollDown => vec![Msg::Wheel(spot.cloned(), NOTCH)],
            _ => Vec::new(),
        }
    }

    fn drag(&mut self, x: u16, y: u16, spot: Option<&Spot>) -> Vec<Msg> {
        let over = || Msg::Over(spot.and_then(Spot::target).cloned(), (x, y));
        match &self.button {
            Button::Down {
                x: from_x,
                y: from_y,
                spot: pressed,
            } => {
                if x.abs_diff(*from_x) < FAR.0 && y.abs_diff(*from_y) < FAR.1 {
                    return Vec::new();
                }
                let Some(call) = pressed.as_ref().and_then(Spot::call) else {
                    self.button = Button::Spent;
                    return Vec::new();
                };
                self.button = Button::Carrying;
                vec![Msg::Lift(call, (x, y)), over()]
            }
            Button::Carrying => vec![over()],
            Button::Up | Button::Spent => Vec::new(),
        }
    }

    fn click(
        &mut self,
        pressed: Option<Spot>,
        released: Option<&Spot>,
        at: (u16, u16),
        now: Timestamp,
    ) -> Vec<Msg> {
        let Some(spot) = pressed.filter(|p| Some(p) == released) else {
            return Vec::new();
        };
        let soon = self
            .clicked
            .take()
            .filter(|(_, then, _)| now.since(*then) <= DOUBLE_MS);
        // The footer changes with every call, and a form with its first click: the button that has come under a
        // hand which clicks twice is not the one it meant.
        if let Some((last, _, there)) = &soon
            && spot.is_button()
            && *last != spot
            && there.0.abs_diff(at.0) < FAR.0
            && there.1 == at.1
        {
            return Vec::new();
        }
        if soon.is_some_and(|(last, ..)| last == spot) {
            return vec![Msg::DoubleClick(spot)];
        }
        self.clicked = Some((spot.clone(), now, at));
        vec![Msg::Click(spot)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_broken_sequence_is_no_command_and_honest_typing_is() {
        let at = Timestamp::from_millis;
        let mut fragments = Fragments::default();
        assert_eq!(fragments.filter(Key::Esc, at(0)), Some(Key::Esc));
        for c in "[<0;64;30M".chars() {
            assert_eq!(fragments.filter(Key::Char(c), at(1)), None, "{c}");
        }
        assert_eq!(
            fragments.filter(Key::Char('6'), at(2)),
            Some(Key::Char('6')),
            "the sequence is over"
        );
        fragments.filter(Key::Esc, at(100));
        assert_eq!(
            fragments.filter(Key::Char('['), at(300)),
            Some(Key::Char('[')),
            "a hand is slower"
        );
        fragments.filter(Key::Esc, at(400));
        assert_eq!(
            fragments.filter(Key::Char('a'), at(401)),
            Some(Key::Char('a'))
        );
    }
}
