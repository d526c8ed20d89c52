//! Whether a password is easily guessed.
//!
//! No rules of composition: they make people write `Password1!`. What counts is how many guesses it takes somebody who
//! knows the common ones, the words of this trade and the person's own (NIST SP 800-63B, 3.1.1.2; OWASP ASVS 5.0,
//! 6.2.4 and 6.2.11). `zxcvbn` counts them.

use zxcvbn::{Score, zxcvbn};

/// Words that everybody here would try first.
const TRADE: [&str; 6] = [
    "cordboard",
    "switchboard",
    "telephone",
    "operator",
    "receptionist",
    "twilio",
];

/// How much of a password is looked at: counting takes long for long ones, and what is longer than this is not guessed.
const LOOKED_AT: usize = 72;

/// Why a password is too easy, if it is. `words`: the person's own.
pub(super) async fn weak(password: String, words: &[&str]) -> Option<String> {
    // A name that is written in one word is one word to whoever guesses.
    let joined = words.iter().map(|w| w.replace(' ', ""));
    let words: Vec<String> = words
        .iter()
        .map(ToString::to_string)
        .chain(joined)
        .collect();
    // It takes milliseconds, which is long for whoever has calls to answer.
    let counted = tokio::task::spawn_blocking(move || {
        let start: String = password.chars().take(LOOKED_AT).collect();
        let mut own: Vec<&str> = TRADE.to_vec();
        own.extend(words.iter().flat_map(|w| w.split([' ', '@', '.'])));
        own.extend(words.iter().map(String::as_str));
        zxcvbn(&start, &own).score()
    });
    match counted.await {
        Ok(score) if score < Score::Three => Some(
            "This is guessed easily. Take a few words that do not belong together, or have one made."
                .to_owned(),
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_everybody_would_try_is_weak_and_what_nobody_would_is_not() {
        let ada = ["Ada Lovelace", "ada@example.com"];
        for bad in [
            "password1234",
            "switchboard1",
            "adalovelace1",
            "qwertyuiop12",
            "aaaaaaaaaaaa",
            "ada@example.com",
        ] {
            assert!(weak(bad.to_owned(), &ada).await.is_some(), "{bad}");
        }
        for good in [
            "copper lantern fiddle",
            "vIm7-quRt-9eLo",
            " two spaces  at the ends ",
            "пароль из четырёх слов дом",
        ] {
            assert_eq!(weak(good.to_owned(), &ada).await, None, "{good}");
        }
        // Long ones do not take long: no more of them is looked at than anybody could guess.
        assert_eq!(weak("x7 Kq".repeat(1000), &ada).await, None);
    }
}
