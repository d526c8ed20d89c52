//! What guessing comes to: a thousand wrong passwords from one address and from a thousand, while the right person
//! signs in; and that neither a flood of keys nor a clock that jumps breaks anything.

use proptest::prelude::*;

use super::*;

const DAY: i64 = 24 * 3_600_000;
const START: i64 = 1_767_225_600_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(START + ms)
}

/// Addresses in a /24 of their own each.
fn origin(n: u32) -> Origin {
    Origin::of(Ipv4Addr::from_bits((11 << 24) + (n << 8)).into())
}

fn ada() -> Account {
    Account::typed("ada@example.com")
}

const HOME: u32 = 0xffff;

/// How long the right person waits who comes at `from` and then whenever they are told to, in milliseconds, while
/// `others` ask at every tenth of a second, always before them.
fn waits(
    signs: &mut SignIns,
    known: bool,
    from: i64,
    mut others: impl FnMut(&mut SignIns, i64),
) -> i64 {
    let mut come = from;
    for ms in (from..from + 600_000).step_by(100) {
        others(signs, ms);
        if ms >= come {
            match signs.ask(ada(), origin(HOME), known, at(ms)) {
                Ok(attempt) => {
                    signs.right(attempt, at(ms));
                    return ms - from;
                }
                Err(wait) => come = ms + i64::from(wait.seconds) * 1000,
            }
        }
    }
    panic!("ten minutes, and locked out still")
}

#[test]
fn so_many_at_once_then_one_every_so_often() {
    let mut gcra = Gcra::new(Rate::new(3, 1_000), 10);
    let tried = |gcra: &mut Gcra<_>, ms| (0..9).filter(|_| gcra.check('a', at(ms)).is_ok()).count();
    assert_eq!(tried(&mut gcra, 0), 3);
    assert_eq!(gcra.peek(&'a', at(1)), Err(Wait { seconds: 1 }));
    assert_eq!(tried(&mut gcra, 999), 0);
    assert_eq!(tried(&mut gcra, 1_000), 1);
    assert_eq!(tried(&mut gcra, 3_000), 2);
    assert_eq!(gcra.check('b', at(3_000)), Ok(()), "each key for itself");
    gcra.refund('a', at(3_000));
    assert_eq!(tried(&mut gcra, 3_000), 1);
    gcra.forget(&'a');
    assert_eq!(tried(&mut gcra, 3_000), 3);
    gcra.consume('a', at(3_000));
    assert_eq!(
        gcra.peek(&'a', at(3_000)),
        Err(Wait { seconds: 1 }),
        "no more than full"
    );
    assert_eq!(gcra.check('c', at(9_000)), Ok(()));
    assert_eq!(gcra.len(), 1, "what is over is forgotten");
}

#[test]
fn of_too_many_keys_those_with_the_least_against_them_go() {
    let mut gcra = Gcra::new(Rate::new(5, 1_000), 100);
    for _ in 0..5 {
        gcra.consume(u32::MAX, at(0));
    }
    for key in 0..1_000_000_u32 {
        gcra.consume(key, at(0));
        assert!(gcra.len() <= 100);
    }
    assert!(
        gcra.peek(&u32::MAX, at(0)).is_err(),
        "who tried most is remembered"
    );
    assert_eq!(gcra.clear.of.len(), gcra.clear.order.len());
}

#[test]
fn a_flood_of_addresses_and_accounts_takes_no_more_room_than_a_few() {
    let mut signs = SignIns::new(500);
    for n in 0..100_000_u32 {
        let mut account = [0; 16];
        account[..4].copy_from_slice(&(n / 30).to_be_bytes());
        let _ = signs.ask(
            Account(account),
            Origin(Ipv4Addr::from_bits(n << 8).into()),
            false,
            at(0),
        );
    }
    let kept = [
        signs.pairs.len(),
        signs.accounts.len(),
        signs.origins.len(),
        signs.turns.len(),
        signs.promised.of.len(),
    ];
    assert_eq!(kept, [500; 5]);
}

#[test]
fn a_thousand_wrong_passwords_from_one_address_are_five() {
    let mut signs = SignIns::default();
    let tried = (0..1_000)
        .filter(|ms| signs.ask(ada(), origin(1), false, at(*ms)).is_ok())
        .count();
    assert_eq!(tried, 5);
    let told = signs.ask(ada(), origin(1), false, at(1_000)).unwrap_err();
    assert_eq!(told, Wait { seconds: 59 });
    for known in [true, false] {
        assert_eq!(
            waits(&mut signs, known, 1_000, |_, _| ()),
            0,
            "known: {known}"
        );
    }
    // It never stops, once a second.
    let mut signs = SignIns::default();
    let day = (0..DAY).step_by(1_000);
    let tried = day
        .filter(|ms| signs.ask(ada(), origin(1), false, at(*ms)).is_ok())
        .count();
    assert_eq!(tried, 1_444);
    for known in [true, false] {
        let waited = waits(&mut signs, known, DAY, |signs, ms| {
            let _ = signs.ask(ada(), origin(1), false, at(ms));
        });
        assert_eq!(waited, 0, "known: {known}");
    }
}

#[test]
fn a_thousand_wrong_passwords_from_a_thousand_addresses_are_twenty() {
    let mut signs = SignIns::default();
    let tried = (0..1_000)
        .filter(|n| signs.ask(ada(), origin(*n), false, at(0)).is_ok())
        .count();
    assert_eq!(tried, 20);
    assert_eq!(waits(&mut signs.clone(), true, 1_000, |_, _| ()), 0);
    let waited = waits(&mut signs, false, 1_000, |_, _| ());
    assert_eq!(waited, 59_000);
}

#[test]
fn a_thousand_addresses_that_never_stop_get_their_turns_and_lock_nobody_out() {
    let mut signs = SignIns::default();
    let mut tried = 0;
    let mut storm = |signs: &mut SignIns, ms: i64| {
        // Each comes back within ten seconds.
        for n in (ms / 100 % 100..1_000).step_by(100) {
            let from = origin(u32::try_from(n).unwrap());
            tried += u32::from(signs.ask(ada(), from, false, at(ms)).is_ok());
        }
    };
    for ms in (0..600_000).step_by(100) {
        storm(&mut signs, ms);
    }
    assert_eq!(waits(&mut signs.clone(), true, 600_000, |_, _| ()), 0);
    let waited = waits(&mut signs, false, 600_000, &mut storm);
    assert!((1..=60_000).contains(&waited), "{waited} ms");
    let tried = i64::from(tried);
    let most = 20 + 3 * 1_000 + (600_000 + waited) / 60_000 + 1;
    assert!((3_000..=most).contains(&tried), "{tried} of {most}");
}

#[test]
fn many_addresses_of_one_network_share_its_turns() {
    let mut signs = SignIns::default();
    let v6 = |n: u16| Origin::of(Ipv6Addr::new(0x2001, 0xdb8, 7, n, 1, 2, 3, 4).into());
    let hour = (0..3_600_000).step_by(10_000);
    let tried = hour
        .flat_map(|ms| (0..100).map(move |n| (ms, n)))
        .filter(|(ms, n)| signs.ask(ada(), v6(*n), false, at(*ms)).is_ok());
    assert_eq!(
        tried.count(),
        20 + 3 + 59,
        "at once, promised, and one a minute"
    );
}

#[test]
fn one_address_has_thirty_wrong_passwords_for_all_accounts_and_the_known_are_not_in_its_way() {
    let mut signs = SignIns::default();
    let typed = |n: u32| Account::typed(&format!("u{n}@example.com"));
    let tried = (0..1_000)
        .filter(|n| signs.ask(typed(*n), origin(1), false, at(0)).is_ok())
        .count();
    assert_eq!(tried, 30);
    assert!(signs.ask(ada(), origin(1), true, at(0)).is_ok());
    // A house that comes in at nine is right, and not counted.
    let mut signs = SignIns::default();
    for n in 0..1_000 {
        let attempt = signs.ask(typed(n), origin(1), false, at(0)).unwrap();
        signs.right(attempt, at(0));
    }
    assert!(signs.pairs.is_empty() && signs.accounts.is_empty() && signs.origins.is_empty());
}

#[test]
fn slips_are_forgiven_and_what_nobody_looked_at_is_no_slip() {
    let mut signs = SignIns::default();
    for _ in 0..50 {
        for _ in 0..4 {
            let _wrong = signs.ask(ada(), origin(1), true, at(0)).unwrap();
        }
        let right = signs.ask(ada(), origin(1), true, at(0)).unwrap();
        signs.right(right, at(0));
    }
    for _ in 0..50 {
        let unseen = signs.ask(ada(), origin(1), false, at(0)).unwrap();
        signs.undone(unseen, at(0));
    }
    assert!(signs.pairs.is_empty() && signs.accounts.is_empty() && signs.origins.is_empty());
}

#[test]
fn an_account_is_what_was_typed_and_an_origin_what_one_household_has() {
    assert_eq!(Account::typed(" Ada@Example.com "), ada());
    assert_ne!(Account::typed("grace@example.com"), ada());
    let origin = |text: &str| Origin::of(text.parse().unwrap());
    assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:1"));
    assert_ne!(origin("2001:db8:0:1::1"), origin("2001:db8::1"));
    assert_eq!(origin("::ffff:192.0.2.7"), origin("192.0.2.7"));
    assert_ne!(origin("192.0.2.7"), origin("192.0.2.8"));
    assert_eq!(origin("192.0.2.7").network(), origin("192.0.2.8").network());
    assert_eq!(origin("2001:db8:1:2::9").to_string(), "2001:db8:1:2::/64");
    assert_eq!(origin("192.0.2.7").to_string(), "192.0.2.7");
}

#[test]
fn codes_are_guessed_at_a_rate_that_leads_nowhere() {
    let mut codes = Codes::default();
    let one = (0..1_000).filter(|ms| codes.ask(CodeKind::Pairing, origin(1), at(*ms)).is_ok());
    assert_eq!(one.count(), 10);
    assert!(
        codes.ask(CodeKind::Reset, origin(1), at(0)).is_ok(),
        "each kind for itself"
    );
    let mut codes = Codes::default();
    let many = (0..1_000).filter(|n| codes.ask(CodeKind::Pairing, origin(*n), at(0)).is_ok());
    assert_eq!(many.count(), 100);
    assert_eq!(
        codes.ask(CodeKind::Pairing, origin(HOME), at(0)),
        Err(Wait { seconds: 1 })
    );
    assert_eq!(codes.ask(CodeKind::Pairing, origin(HOME), at(100)), Ok(()));
    // Whoever has a code may show it as often as they like, and gets no tries for it.
    let mut codes = Codes::default();
    let guesses = (0..1_000).filter(|_| {
        if codes.ask(CodeKind::Invitation, origin(1), at(0)).is_ok() {
            codes.right(CodeKind::Invitation, origin(1), at(0));
        }
        codes.ask(CodeKind::Invitation, origin(1), at(0)).is_ok()
    });
    assert_eq!(guesses.count(), 10);
}

proptest! {
    /// Whatever the clock does, nobody waits longer than for a count that is full, and nothing breaks.
    #[test]
    fn no_order_of_times_breaks_it(
        steps in prop::collection::vec((any::<i64>(), 0..5_u8, 0..4_u32, any::<bool>()), 1..200)
    ) {
        let mut signs = SignIns::new(3);
        let mut codes = Codes::new(3);
        let mut gcra = Gcra::new(Rate::new(u32::MAX, u32::MAX), 2);
        for (ms, what, who, known) in steps {
            let now = Timestamp::from_millis(ms);
            let waited = match what {
                0 => signs.ask(ada(), origin(who), known, now).err(),
                1 => {
                    let asked = signs.ask(Account::typed(&who.to_string()), origin(who), known, now);
                    asked.map(|attempt| signs.right(attempt, now)).err()
                }
                2 => codes.ask(CodeKind::Reset, origin(who), now).err(),
                3 => {
                    codes.right(CodeKind::Reset, origin(who), now);
                    None
                }
                _ => {
                    gcra.consume(who, now);
                    gcra.refund(who + 1, now);
                    None
                }
            };
            prop_assert!(waited.is_none_or(|wait| (1..=60).contains(&wait.seconds)), "{waited:?}");
            prop_assert!(signs.pairs.len() <= 3 && codes.origins.len() <= 3 && gcra.len() <= 2);
        }
    }

    /// It is what a bucket is that so many fit into, and that leaks at that rate.
    #[test]
    fn it_lets_through_what_a_leaking_bucket_does(
        burst in 1..6_u32, every in 1..50_u32, pauses in prop::collection::vec(0..100_i64, 1..200)
    ) {
        let mut gcra = Gcra::new(Rate::new(burst, every), 10);
        let (mut fill, mut ms) = (0_i64, 0_i64);
        for pause in pauses {
            ms += pause;
            fill = (fill - pause).max(0);
            let fits = fill + i64::from(every) <= i64::from(burst * every);
            prop_assert_eq!(gcra.check((), at(ms)).is_ok(), fits);
            fill += if fits { i64::from(every) } else { 0 };
        }
    }
}
