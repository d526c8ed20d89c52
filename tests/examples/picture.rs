//! Takes the picture of the board in the README: a real run in a terminal, written as SVG.
//!
//! `cargo xtask picture` builds what it needs and runs it. The server, the twin and the colleagues are those
//! of the stories; the callers are named here, so the picture stays the same but for a second here and there.
//! The operator answers, parks, sends calls on, and is seen carrying one over a colleague.
//!
//! Frames of boxes are drawn as lines, because in most fonts they do not meet; everything else is text, which
//! a reader can select and a search engine can read. Not a screenshot: that would be blurred on one screen
//! and large on another.

use std::{collections::BTreeMap, fmt::Write as _};

use cordboard_tests::{
    backends::sqlite_file,
    house::House,
    terminal::{Size, Spot, Terminal, framed, rows, shows, spot, spot_in},
};
use vt100::{Cell, Color, Screen};

/// A cell's size in the picture.
const CELL: (u16, u16) = (9, 19);
/// What is around the screen.
const MARGIN: u16 = 14;
/// The dark theme's ground: cells of that colour need no paint.
const GROUND: &str = "#12161e";
const INK: &str = "#d5dae3";
/// The first sixteen colours.
const PALETTE: [u32; 16] = [
    0x1c_1f26, 0xe0_6c75, 0x98_c379, 0xe5_c07b, 0x61_afef, 0xc6_78dd, 0x56_b6c2, 0xab_b2bf,
    0x5c_6370, 0xff_7b85, 0xb5_e890, 0xff_d68a, 0x7c_c4ff, 0xe0_92f0, 0x6f_d6e3, 0xff_ffff,
];

fn main() -> anyhow::Result<()> {
    let to = std::env::args()
        .nth(1)
        .ok_or_else(|| anyhow::anyhow!("Say where the picture goes: picture docs/board.svg"))?;
    std::fs::write(&to, svg(&run()))?;
    Ok(())
}

/// A few minutes' work at the desk, up to a moment worth a picture.
fn run() -> Screen {
    let house = House::open(sqlite_file());
    let state = house.folder.path().display().to_string();
    let size = Size::new(120, 34);
    let mut desk = Terminal::start(&["console"], &[("XDG_STATE_HOME", state)], size);
    desk.wait_for("● live");
    desk.wait_until("everybody's phone, known or known not to be there", |s| {
        (!shows(s, "? unknown")).then_some(())
    });
    let next = |desk: &mut Terminal, number: &str, name: &str| {
        let _call = house.ring(number, name);
        // A chip cuts a long name.
        let begins: String = name.chars().take(14).collect();
        desk.wait_until(&format!("{name}, waiting"), |s| {
            spot(s, &begins).filter(|at| at.1 < 8).map(drop)
        });
    };
    // One is with a colleague, one is parked, one is held, one is on the line, one is on the way, and three
    // wait.
    next(&mut desk, "+14155550117", "Initech · M. Waddams");
    answer(&mut desk, "Initech");
    send(&mut desk, "102", "Grace Hopper");
    next(&mut desk, "+13035550128", "Northwind · Priya Raman");
    answer(&mut desk, "Northwind");
    send(&mut desk, "121", "Tony Hoare");
    desk.wait_until("two colleagues on a call", |s| {
        let busy = |row: &String| row.matches("■ on a call").count();
        (rows(s).iter().map(busy).sum::<usize>() >= 2).then_some(())
    });
    next(&mut desk, "+12125550119", "Bob Stone");
    answer(&mut desk, "Bob Stone");
    desk.keys("p");
    desk.wait_for("Enter or p");
    desk.keys("2");
    desk.wait_for("P2 Bob Stone");
    next(&mut desk, "+442079460018", "Umbra Optics");
    answer(&mut desk, "Umbra Optics");
    next(&mut desk, "+13125550142", "Globex · Kofi Mensah");
    answer(&mut desk, "Globex");
    send(&mut desk, "103", "Alan Turing");
    next(&mut desk, "+14155550132", "Acme Corp · Rosa Diaz");
    answer(&mut desk, "Acme Corp");
    next(&mut desk, "+16175550121", "Oak Street Clinic");
    next(&mut desk, "+442079460021", "Lumen & Sons · Ingrid Haugen");
    next(&mut desk, "+12065550150", "Viktor Novak");
    desk.wait_for("longest 0:07");
    // The call that is held is lifted, and is over a colleague.
    let from = desk.wait_until("the call on hold", |s| in_hand(s, '‖'));
    let tile = desk.wait_for("107 ");
    let to = (tile.0 + 12, tile.1 + 2);
    desk.press(from);
    desk.drag(from, to);
    desk.wait_for("drop: send");
    let screen = desk.screen();
    desk.release(from);
    for there in [
        "P2",
        "Grace Hopper",
        "◐ ringing",
        "Waiting 3",
        "drop: send Umbra",
    ] {
        assert!(
            shows(&screen, there),
            "“{there}” is missing\n{}",
            framed(&screen)
        );
    }
    screen
}

/// Answers whoever has waited longest, and waits until they are on the line.
fn answer(desk: &mut Terminal, name: &str) {
    desk.keys("a");
    desk.wait_until(&format!("{name} on the line"), |s| {
        let at = in_hand(s, '▶')?;
        let row = &rows(s)[usize::from(at.1)];
        (row.contains(name) && row.contains("talking")).then_some(())
    });
}

/// Sends the call on the line to a colleague, and waits until it has left the line.
fn send(desk: &mut Terminal, extension: &str, name: &str) {
    desk.keys("t");
    desk.wait_for("a name, an extension");
    desk.keys(extension);
    desk.wait_for(&format!("▶ {extension} {name}"));
    desk.keys("\r");
    desk.wait_until(&format!("the call on its way to {name}"), |s| {
        in_hand(s, '▶').is_none().then_some(())
    });
}

/// Where the name of a call of mine is, by the sign before it.
fn in_hand(screen: &Screen, sign: char) -> Option<Spot> {
    let (_, you) = spot(screen, "── You")?;
    let (x, y) = spot_in(screen, &format!("{sign} "), you + 1)?;
    (x < 3).then_some((x + 4, y))
}

/// A screen as a picture.
fn svg(screen: &Screen) -> String {
    let (height, width) = screen.size();
    let (height, width) = (height.get(), width.get());
    let (wide, high) = (width * CELL.0 + 2 * MARGIN, height * CELL.1 + 2 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" width=\"{wide}\" height=\"{high}\" role=\"img\" aria-label=\"Cordboard's board in a terminal: callers wait, one is carried over a colleague's tile\">\n\
         <rect width=\"{wide}\" height=\"{high}\" rx=\"8\" fill=\"{GROUND}\"/>\n\
         <g font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"15\" fill=\"{INK}\" xml:space=\"preserve\">\n"
    );
    let mut lines: BTreeMap<(String, bool), String> = BTreeMap::new();
    for y in 0..height {
        let cells: Vec<(u16, &Cell)> = (0..width)
            .filter_map(|x| screen.cell(y, x).map(|c| (x, c)))
            .filter(|(_, c)| !c.is_wide_continuation())
            .collect();
        for run in cells.chunk_by(|a, b| colours(a.1).1 == colours(b.1).1) {
            if let Some(ground) = colours(run[0].1).1.filter(|g| g != GROUND) {
                let (left, cells) = (run[0].0, cells_of(run));
                let _ = writeln!(
                    out,
                    "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{ground}\"/>",
                    x_of(left),
                    y_of(y),
                    cells * CELL.0,
                    CELL.1
                );
            }
        }
        for run in cells.chunk_by(|a, b| look(a.1) == look(b.1) && text(a.1) == text(b.1)) {
            let (ink, weight) = look(run[0].1);
            if text(run[0].1) {
                write_text(&mut out, run, y, &ink, &weight);
            } else {
                for (x, cell) in run {
                    let sign = cell.contents().chars().next().unwrap_or(' ');
                    if let Some((path, heavy)) = stroke(sign, x_of(*x), y_of(y)) {
                        lines
                            .entry((ink.clone(), heavy))
                            .or_default()
                            .push_str(&path);
                    }
                }
            }
        }
    }
    for ((ink, heavy), path) in lines {
        let width = if heavy { "2.4" } else { "1.1" };
        let _ = writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{ink}\" stroke-width=\"{width}\"/>"
        );
    }
    out.push_str("</g>\n</svg>\n");
    out
}

fn x_of(x: u16) -> u16 {
    MARGIN + x * CELL.0
}

fn y_of(y: u16) -> u16 {
    MARGIN + y * CELL.1
}

/// How many columns a run takes.
fn cells_of(run: &[(u16, &Cell)]) -> u16 {
    run.last()
        .map_or(0, |(x, c)| x + 1 + u16::from(c.is_wide()) - run[0].0)
}

/// Text in one look. Spaces at its ends are left out, and its length is said, so that no font moves what
/// follows.
fn write_text(out: &mut String, run: &[(u16, &Cell)], y: u16, ink: &str, weight: &str) {
    let blank = |c: &Cell| c.contents().trim().is_empty();
    let Some(first) = run.iter().position(|(_, c)| !blank(c)) else {
        return;
    };
    let last = run.iter().rposition(|(_, c)| !blank(c)).unwrap_or(first);
    let run = &run[first..=last];
    let words: String = run
        .iter()
        .map(|(_, c)| if c.has_contents() { c.contents() } else { " " })
        .collect();
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{}\" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{ink}\"{weight}>{}</text>",
        x_of(run[0].0),
        y_of(y) + 14,
        cells_of(run) * CELL.0,
        escaped(&words)
    );
}

/// What callers are named reaches this file: nothing in it may be read as a tag.
fn escaped(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .map(|c| match c {
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '&' => "&amp;".to_owned(),
            '"' => "&quot;".to_owned(),
            c => c.to_string(),
        })
        .collect()
}

/// Whether a cell is written as text, and not drawn as lines.
fn text(cell: &Cell) -> bool {
    cell.contents()
        .chars()
        .next()
        .is_none_or(|c| stroke(c, 0, 0).is_none())
}

/// The line a frame's sign is, from a cell's corner, and whether it is a heavy one.
fn stroke(sign: char, x: u16, y: u16) -> Option<(String, bool)> {
    let (w, h) = CELL;
    let (x, y) = (f32::from(x), f32::from(y));
    let (right, down) = (x + f32::from(w), y + f32::from(h));
    let (mx, my) = (x + f32::from(w) / 2.0, y + f32::from(h) / 2.0);
    Some(match sign {
        '─' => (format!("M{x} {my}H{right}"), false),
        '│' => (format!("M{mx} {y}V{down}"), false),
        '╭' => (format!("M{mx} {down}Q{mx} {my} {right} {my}"), false),
        '╮' => (format!("M{x} {my}Q{mx} {my} {mx} {down}"), false),
        '╰' => (format!("M{mx} {y}Q{mx} {my} {right} {my}"), false),
        '╯' => (format!("M{x} {my}Q{mx} {my} {mx} {y}"), false),
        '━' => (format!("M{x} {my}H{right}"), true),
        '┃' => (format!("M{mx} {y}V{down}"), true),
        '┏' => (format!("M{mx} {down}V{my}H{right}"), true),
        '┓' => (format!("M{x} {my}H{mx}V{down}"), true),
        '┗' => (format!("M{mx} {y}V{my}H{right}"), true),
        '┛' => (format!("M{x} {my}H{mx}V{y}"), true),
        _ => return None,
    })
}

/// A cell's ink, and the attributes that go with it.
fn look(cell: &Cell) -> (String, String) {
    let mut weight = String::new();
    if cell.bold() {
        weight.push_str(" font-weight=\"bold\"");
    }
    if cell.italic() {
        weight.push_str(" font-style=\"italic\"");
    }
    if cell.underline() {
        weight.push_str(" text-decoration=\"underline\"");
    }
    if cell.dim() {
        weight.push_str(" opacity=\"0.65\"");
    }
    (colours(cell).0, weight)
}

/// The ink, and the ground where it is not the screen's.
fn colours(cell: &Cell) -> (String, Option<String>) {
    let (ink, ground) = (colour(cell.fgcolor()), colour(cell.bgcolor()));
    if cell.inverse() {
        (
            ground.unwrap_or_else(|| GROUND.to_owned()),
            Some(ink.unwrap_or_else(|| INK.to_owned())),
        )
    } else {
        (ink.unwrap_or_else(|| INK.to_owned()), ground)
    }
}

/// A terminal's colour in SVG's words; none for the terminal's own.
fn colour(colour: Color) -> Option<String> {
    let hex = |r: u8, g: u8, b: u8| format!("#{r:02x}{g:02x}{b:02x}");
    match colour {
        Color::Default => None,
        Color::Rgb(r, g, b) => Some(hex(r, g, b)),
        Color::Idx(n @ 0..16) => Some(format!("#{:06x}", PALETTE[usize::from(n)])),
        Color::Idx(n @ 16..232) => {
            let step = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
            let n = n - 16;
            Some(hex(step(n / 36), step(n / 6 % 6), step(n % 6)))
        }
        Color::Idx(n) => {
            let grey = 8 + 10 * (n - 232);
            Some(hex(grey, grey, grey))
        }
    }
}
