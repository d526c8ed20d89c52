//! Telephone numbers as people read them: the country code, then groups of two to four digits.
//!
//! The carrier's form (E.164, no blanks) is what is stored, sent, copied and printed for scripts; this is for
//! eyes only. It is no numbering plan: beyond the plans that operators meet daily, groups are merely of a
//! size that can be read aloud. Somebody who needs more than that needs a library and its tables, not more
//! lines here.

use cordboard_core::ids::Phone;

/// A number in groups: `+1 415 555 0132`, `+44 20 7946 0018`.
pub fn spaced(number: &Phone) -> String {
    let digits = number.as_str().trim_start_matches('+');
    let (country, mut rest) = digits.split_at(country_digits(digits).min(digits.len()));
    let mut out = format!("+{country}");
    let mut sizes = groups(country, rest).iter().cycle();
    while !rest.is_empty() {
        let (group, after) = rest.split_at(sizes.next().copied().unwrap_or(4).min(rest.len()));
        out.push(' ');
        out.push_str(group);
        rest = after;
    }
    out
}

/// The same for every number in a text, such as a sentence about a caller without a name.
pub fn spaced_in(text: &str) -> String {
    let word = |word: &str| {
        let (bare, after) = word.split_at(word.trim_end_matches(['.', ',', ':', ';', '”']).len());
        match bare.parse::<Phone>() {
            Ok(number) => format!("{}{after}", spaced(&number)),
            Err(_) => word.to_owned(),
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// How long the groups are after the country code.
fn groups(country: &str, rest: &str) -> &'static [usize] {
    match (country, rest.len()) {
        // Ofcom's plan: London and its like have an area code of two digits, large cities of three, the rest
        // of four.
        ("44", 10) if rest.starts_with('2') => &[2, 4, 4],
        ("44", 10)
            if rest.starts_with(['3', '8', '9'])
                || (rest.starts_with('1') && rest[1..3].contains('1')) =>
        {
            &[3, 3, 4]
        }
        ("44", 10) => &[4, 3, 3],
        // France reads in pairs (ARCEP).
        ("33", 9) => &[1, 2, 2, 2, 2],
        (_, 5 | 6) => &[3],
        (_, 7) => &[3, 4],
        (_, 9) => &[3, 3, 3],
        (_, 10) => &[3, 3, 4],
        (_, 11) => &[3, 4, 4],
        _ => &[4],
    }
}

/// How many digits the country code has (ITU-T E.164, list of assigned country codes: 1 and 7 have one, the
/// rest two or three).
fn country_digits(digits: &str) -> usize {
    let two = |from: u8, to: u8| {
        digits
            .get(..2)
            .and_then(|d| d.parse::<u8>().ok())
            .is_some_and(|n| (from..=to).contains(&n))
    };
    match digits.as_bytes().first() {
        Some(b'1' | b'7') => 1,
        _ if two(20, 20)
            || two(27, 28)
            || two(30, 34)
            || two(36, 36)
            || two(39, 41)
            || two(43, 49) =>
        {
            2
        }
        _ if two(51, 58)
            || two(60, 66)
            || two(81, 84)
            || two(86, 86)
            || two(90, 95)
            || two(98, 98) =>
        {
            2
        }
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_read_aloud() {
        for (number, read) in [
            ("+14155550132", "+1 415 555 0132"),
            ("+442079460018", "+44 20 7946 0018"),
            ("+441134960123", "+44 113 496 0123"),
            ("+441632960123", "+44 1632 960 123"),
            ("+447700900123", "+44 7700 900 123"),
            ("+33199001234", "+33 1 99 00 12 34"),
            ("+2348055550101", "+234 805 555 0101"),
            ("+4930901820", "+49 3090 1820"),
        ] {
            assert_eq!(spaced(&number.parse().unwrap()), read);
        }
    }

    #[test]
    fn a_number_in_a_sentence_is_spaced_and_nothing_else_is_touched() {
        assert_eq!(
            spaced_in("answer +442079460018, then +1 x and 14155550132."),
            "answer +44 20 7946 0018, then +1 x and 14155550132."
        );
        assert_eq!(
            spaced_in("Wait for the answer to “hang up on +14155550132”."),
            "Wait for the answer to “hang up on +1 415 555 0132”."
        );
    }
}
