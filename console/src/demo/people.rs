//! How the people of the demo behave, and who calls them.
//!
//! Who they are (names, extensions, what they sign in with) is the server's seed; this adds what they are like.
//! Everything is data, drawn with a seed where there is chance, so that a day can be repeated. Nobody here is
//! real, and every number is from a range kept for fiction.
//!
//! Read next: `demo/cast.rs`, which plays them.

use std::time::Duration;

use cordboard::softphone::Manner;
use cordboard_core::ids::Phone;
use cordboard_server::seed::DemoPerson;
use cordboard_twin::{Behaviour, Caller, Telephone};
use rand::{Rng, RngExt};

/// What somebody is like, by extension; none has no phone page open.
pub(crate) fn manner(person: &DemoPerson) -> Option<Manner> {
    const fn seconds(s: u64) -> Duration {
        Duration::from_secs(s)
    }
    Some(match person.extension {
        "101" => Manner::Waits,
        "102" => Manner::Answers(seconds(1)),
        "103" => Manner::Ignores,
        "104" => Manner::Declines(seconds(1)),
        "105" | "109" | "123" => return None,
        "106" => Manner::Busy,
        "108" => Manner::Answers(seconds(4)),
        _ => Manner::Answers(seconds(2)),
    })
}

/// What the fallback telephones do: they answer after two seconds and press the key they are asked for.
pub(crate) fn telephones(people: &[DemoPerson]) -> Vec<Telephone> {
    people
        .iter()
        .filter_map(|p| p.fallback)
        .map(|number| Telephone {
            number: number.to_owned(),
            behaviour: Behaviour::AnswersAndPresses {
                after: 2.0,
                digits: "1".to_owned(),
                wait: 0.5,
            },
        })
        .collect()
}

const FIRST: [&str; 24] = [
    "Rosa", "Kofi", "Mei", "Lars", "Amina", "Tomás", "Priya", "Jonas", "Chloé", "Yusuf", "Ingrid",
    "Mateo", "Noor", "Sean", "Hana", "Viktor", "Leila", "Pablo", "Greta", "Omar", "Zöe", "Diego",
    "Akiko", "Ruth",
];
const LAST: [&str; 20] = [
    "Diaz",
    "Mensah",
    "Chen",
    "Lindqvist",
    "Okafor",
    "Silva",
    "Raman",
    "Weber",
    "Martin",
    "Demir",
    "Haugen",
    "Rossi",
    "Haddad",
    "Byrne",
    "Sato",
    "Novak",
    "Karimi",
    "Ortega",
    "Vogel",
    "Stone",
];
const COMPANIES: [&str; 12] = [
    "Acme Corp",
    "Initech",
    "Globex",
    "Umbra Optics",
    "Northwind",
    "Tyrell Labs",
    "Blue Harbour",
    "Fabrikam",
    "Lumen & Sons",
    "Orbit Freight",
    "Kestrel Travel",
    "Oak Street Clinic",
];

/// Numbers that reach nobody: North America's 555-01xx and the ranges that Ofcom keeps for drama.
fn fictional_number(dice: &mut impl Rng) -> String {
    match dice.random_range(0..10) {
        0 => format!("+4420794{:05}", dice.random_range(60_000..61_000)),
        1 => format!("+4411349{:05}", dice.random_range(60_000..61_000)),
        n => {
            let area = [415, 212, 312, 206, 303, 617, 718, 503][n - 2];
            // 0100 and 0177 are the house's own.
            format!("+1{area}5550{}", dice.random_range(110..170))
        }
    }
}

/// Somebody rings `to`: a name mostly, a company often, a patience of half a minute to a minute and a half; one
/// in eight gives up early.
pub(crate) fn caller(dice: &mut impl Rng, to: &Phone) -> Caller {
    let pick =
        |dice: &mut _, from: &[&'static str]| from[RngExt::random_range(dice, 0..from.len())];
    let person = format!("{} {}", pick(dice, &FIRST), pick(dice, &LAST));
    let name = match dice.random_range(0..10) {
        0 => None,
        1..=4 => Some(person),
        5 => Some(pick(dice, &COMPANIES).to_owned()),
        _ => Some(format!("{} · {person}", pick(dice, &COMPANIES))),
    };
    let early = dice.random_ratio(1, 8);
    let patience = if early {
        dice.random_range(6.0..15.0)
    } else {
        dice.random_range(30.0..90.0)
    };
    Caller {
        from: fictional_number(dice),
        to: to.to_string(),
        name,
        mood: early.then(|| "in a hurry".to_owned()),
        patience: Some(patience),
        talks: Some(dice.random_range(20.0..60.0)),
        ..Caller::default()
    }
}

/// The pause before the next caller: chance without memory, as callers have none, but neither a burst nor an
/// hour of silence.
pub(crate) fn pause(dice: &mut impl Rng, per_minute: f64) -> Duration {
    let mean = 60.0 / per_minute;
    let drawn = -mean * (1.0 - dice.random::<f64>()).ln();
    Duration::from_secs_f64(drawn.clamp(mean / 5.0, mean * 3.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cordboard_server::seed::DEMO_PEOPLE;
    use rand::{SeedableRng, rngs::StdRng};

    #[test]
    fn the_contracts_colleagues_behave_as_promised() {
        let of = |extension: &str| {
            manner(
                DEMO_PEOPLE
                    .iter()
                    .find(|p| p.extension == extension)
                    .unwrap(),
            )
        };
        assert_eq!(of("101"), Some(Manner::Waits));
        assert_eq!(of("102"), Some(Manner::Answers(Duration::from_secs(1))));
        assert_eq!(of("103"), Some(Manner::Ignores));
        assert!(matches!(of("104"), Some(Manner::Declines(_))));
        assert_eq!(of("105"), None);
        assert_eq!(of("106"), Some(Manner::Busy));
        let barbara = DEMO_PEOPLE.iter().find(|p| p.extension == "105").unwrap();
        assert_eq!(
            telephones(&DEMO_PEOPLE)
                .iter()
                .map(|t| Some(t.number.as_str()))
                .collect::<Vec<_>>(),
            [barbara.fallback]
        );
    }

    #[test]
    fn a_seed_makes_the_day_repeatable_and_its_numbers_reach_nobody() {
        let to: Phone = "+14155550100".parse().unwrap();
        let day = |seed| {
            let mut dice = StdRng::seed_from_u64(seed);
            (0..200)
                .map(|_| (caller(&mut dice, &to), pause(&mut dice, 4.0)))
                .collect::<Vec<_>>()
        };
        assert_eq!(day(7), day(7));
        assert_ne!(day(7), day(8));
        for (caller, pause) in day(7) {
            let from: Phone = caller.from.parse().unwrap();
            let fictional = from.as_str().contains("55501")
                || from.as_str().starts_with("+44207946")
                || from.as_str().starts_with("+44113496");
            assert!(fictional, "{from}");
            assert_ne!(from, to);
            assert!((3.0..=45.0).contains(&pause.as_secs_f64()), "{pause:?}");
            assert!((6.0..90.0).contains(&caller.patience.unwrap()));
        }
    }
}
