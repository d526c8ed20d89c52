//! A person at the console in a terminal: what more than one story does there on the way to what it is about.
//!
//! No assertion about Cordboard's behaviour belongs here. Read next: [`crate::terminal`].

use std::path::Path;

use vt100::Screen;

use crate::terminal::{Size, Terminal, rows};

/// A console of that server, which keeps what it keeps in that folder, and whose person has come in by the door.
///
/// # Panics
/// If they are not let in.
#[must_use]
pub fn signed_in(server: &str, home: &Path, email: &str, password: &str) -> Terminal {
    let env = [
        ("XDG_STATE_HOME", home.display().to_string()),
        ("CORDBOARD_URL", server.to_owned()),
    ];
    let mut desk = Terminal::start(&["console"], &env, Size::new(120, 34));
    desk.wait_for("Who are you?");
    desk.keys("1");
    desk.wait_for("▸ E-mail");
    for typed in [email, "\t", password, "\r"] {
        desk.keys(typed);
    }
    desk.wait_for("● live");
    desk
}

/// Asks for a phone page; the code that is shown for it.
///
/// # Panics
/// If none is shown.
#[must_use]
pub fn code(desk: &mut Terminal) -> String {
    desk.keys("P");
    desk.wait_until("the code for the page", shown)
}

/// Twice four letters on the screen.
fn shown(screen: &Screen) -> Option<String> {
    let letters = |part: &str| part.len() == 4 && part.bytes().all(|b| b.is_ascii_uppercase());
    rows(screen)
        .iter()
        .flat_map(|row| row.split_whitespace())
        .find(|word| {
            word.split_once('-')
                .is_some_and(|(a, b)| letters(a) && letters(b))
        })
        .map(ToOwned::to_owned)
}

/// Lets in the page that the console asks about.
///
/// # Panics
/// If it does not ask, or the page is not let in.
pub fn let_in(desk: &mut Terminal) {
    desk.wait_for("It shows");
    // The window takes no key in its first moment; it counts the seconds.
    let mut last = None;
    let mut turns = 0;
    desk.wait_until("the window has been there for a second", |s| {
        let now = rows(s).into_iter().find(|row| row.contains("It waits"));
        turns += u32::from(now != last);
        last = now;
        (turns == 3).then_some(())
    });
    desk.keys("y");
    desk.wait_for("The page is let in");
}
