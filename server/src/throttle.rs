//! Who may try again, and when: rates for requests, and what guessing passwords and codes runs into.
//!
//! [`Gcra`] is the base: for each key so many at once and then one every so often (the generic cell rate algorithm,
//! which keeps one number a key). [`SignIns`] and [`Codes`] are made of it. An attempt is counted when it begins and
//! given back when it was right, so a thousand that begin together are a thousand, and whoever hangs up has tried.
//!
//! A limit that an attacker can use up is a lock he can put on somebody's door. So no limit of [`SignIns`] that a
//! stranger can use up holds for an address from which the account has signed in before, and everybody else is
//! promised a turn: see there.
//!
//! Own code, although `governor` has the algorithm: it cannot look without taking, give back, or forget the least of
//! too many keys, and a flood of keys is what this is for. It must not learn the time: it comes in, and may go back,
//! which makes nobody wait longer than a full count does. It is in memory: a restart forgets, and two servers count
//! each for themselves, so an attacker has as many times the tries as there are servers. Read next: [`crate::auth`].

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use aws_lc_rs::digest::{SHA256, digest};
use cordboard_core::ids::Timestamp;

/// Wrong passwords for one account from one address, known or not. One address that never stops: 5 at once, then one
/// a minute, 1,444 in a day: a password that stands 10⁸ guesses (what zxcvbn calls 3) stands two centuries of it. The
/// right person, if they sit at the same address, waits 60 s after five slips.
pub const PAIR: Rate = Rate::new(5, 60_000);

/// Wrong passwords for one account from all addresses that are new to it. A thousand addresses at once: 20 are tried
/// and 980 told to wait. From then on one a minute, and the [`TURNS`].
pub const ACCOUNT: Rate = Rate::new(20, 60_000);

/// Wrong passwords from one address for all accounts that it is new to: 30 at once, then 8,640 a day. Wide, because a
/// whole office may sit behind one address and come in at nine; who is right is not counted.
pub const ORIGIN: Rate = Rate::new(30, 10_000);

/// Turns that are promised to one network for one account while others use its limit up: three, and another each day.
/// Three are enough for a person. A thousand addresses in as many networks that all come back when they are told to
/// get 20 + 3,000 tries in the first minutes, 1,000 a day after that, and with the 1,440 of [`ACCOUNT`] a day it takes
/// them a century for 10⁸. For that price the right person waits 60 s at most wherever they are.
pub const TURNS: Rate = Rate::new(3, 24 * 3_600_000);

/// Wrong codes of one kind from one address.
pub const CODE_ORIGIN: Rate = Rate::new(10, 30_000);

/// Wrong codes of one kind from all addresses: 864,000 a day. A pairing has 20⁸ = 2.56·10¹⁰ codes; with ten of them
/// open all day, one is hit in a day with a chance of 3·10⁻⁴, and the person at the console must let it in all the
/// same. Other codes are longer. To use this up takes 300 addresses that never stop, and then whoever is honest comes
/// through as often as one of those.
pub const CODE_ALL: Rate = Rate::new(100, 100);

/// How many keys each count remembers: 16,384 take 2 to 3 MB.
pub const KEYS: usize = 1 << 14;

/// So many at once, then one every so often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    burst: i64,
    every_ms: i64,
}

impl Rate {
    /// `burst` at once, then one every `every_ms` milliseconds; at least one of each.
    pub const fn new(burst: u32, every_ms: u32) -> Self {
        const fn at_least_one(n: u32) -> i64 {
            if n == 0 { 1 } else { n as i64 }
        }
        Self {
            burst: at_least_one(burst),
            every_ms: at_least_one(every_ms),
        }
    }

    /// How long it takes for a count that is full to be empty.
    const fn full(self) -> i64 {
        self.burst.saturating_mul(self.every_ms)
    }
}

/// Not now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("too many, again in {seconds} s")]
pub struct Wait {
    /// For how many seconds: at least one. What `Retry-After` says.
    pub seconds: u32,
}

impl Wait {
    fn millis(ms: i64) -> Self {
        let seconds = ms.max(1).saturating_add(999) / 1000;
        Self {
            seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
        }
    }
}

/// Moments by key, at most so many of them; the earliest go first.
#[derive(Debug, Clone)]
struct Moments<K> {
    of: BTreeMap<K, i64>,
    order: BTreeSet<(i64, K)>,
    most: usize,
}

// Trees and not hash tables: keys come from whoever likes to send them, and a tree has no bad day.
impl<K: Ord + Clone> Moments<K> {
    fn new(most: usize) -> Self {
        Self {
            of: BTreeMap::new(),
            order: BTreeSet::new(),
            most: most.max(1),
        }
    }

    fn get(&self, key: &K) -> Option<i64> {
        self.of.get(key).copied()
    }

    fn put(&mut self, key: K, at: i64) {
        self.take(&key);
        while self.of.len() >= self.most
            && let Some((_, other)) = self.order.pop_first()
        {
            self.of.remove(&other);
        }
        self.of.insert(key.clone(), at);
        self.order.insert((at, key));
    }

    fn take(&mut self, key: &K) -> Option<i64> {
        let (key, at) = self.of.remove_entry(key)?;
        self.order.remove(&(at, key));
        Some(at)
    }

    /// Forgets what is over: a few at a time, so that nobody waits for all of them.
    fn sweep(&mut self, now: i64) {
        for _ in 0..4 {
            let Some((_, key)) = self.order.first().filter(|(at, _)| *at <= now) else {
                return;
            };
            let key = key.clone();
            self.take(&key);
        }
    }
}

/// A rate for each key.
///
/// Keys that have nothing against them any more are forgotten. There are never more than so many: if more come, those
/// with the least against them are forgotten early. To have one's own key forgotten one needs as many others with more
/// against them, which is more than it is worth.
#[derive(Debug, Clone)]
pub struct Gcra<K> {
    rate: Rate,
    /// When a key has nothing against it any more.
    clear: Moments<K>,
}

impl<K: Ord + Clone> Gcra<K> {
    /// That rate for each of at most `most` keys.
    pub fn new(rate: Rate, most: usize) -> Self {
        Self {
            rate,
            clear: Moments::new(most),
        }
    }

    /// Whether one more would be let through, without counting it.
    pub fn peek(&self, key: &K, now: Timestamp) -> Result<(), Wait> {
        let over = self.against(key, now) - (self.rate.full() - self.rate.every_ms);
        if over <= 0 {
            Ok(())
        } else {
            Err(Wait::millis(over))
        }
    }

    /// Counts one more, if it is let through.
    pub fn check(&mut self, key: K, now: Timestamp) -> Result<(), Wait> {
        self.peek(&key, now)?;
        self.consume(key, now);
        Ok(())
    }

    /// Counts one more, even where it would not be let through. More than full a count does not get.
    pub fn consume(&mut self, key: K, now: Timestamp) {
        let ms = self.against(&key, now).saturating_add(self.rate.every_ms);
        self.set(key, ms.min(self.rate.full()), now);
    }

    /// Takes one back.
    pub fn refund(&mut self, key: K, now: Timestamp) {
        let ms = self.against(&key, now) - self.rate.every_ms;
        self.set(key, ms, now);
    }

    /// Takes all back.
    pub fn forget(&mut self, key: &K) {
        self.clear.take(key);
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.clear.of.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How long it takes until nothing is against the key, in milliseconds. Where the clock has gone back that is not
    /// more than of a count that is full.
    fn against(&self, key: &K, now: Timestamp) -> i64 {
        let clear = self.clear.get(key).unwrap_or(i64::MIN);
        clear
            .saturating_sub(now.millis())
            .clamp(0, self.rate.full())
    }

    fn set(&mut self, key: K, against: i64, now: Timestamp) {
        self.clear.sweep(now.millis());
        if against <= 0 {
            self.clear.take(&key);
        } else {
            self.clear.put(key, now.plus(against).millis());
        }
    }
}

/// Where somebody comes from, as it is counted: an IPv4 address, or the /64 of an IPv6 one, which is what a household
/// or a hired machine has all to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(IpAddr);

impl Origin {
    /// Where that address is.
    pub fn of(address: IpAddr) -> Self {
        Self(first_of(address, 32, 64))
    }

    /// The network it is in: the /24, or the /48 that anybody may have for the asking.
    fn network(self) -> Self {
        Self(first_of(self.0, 24, 48))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

/// The address with all but its first bits cleared.
fn first_of(address: IpAddr, v4: u32, v6: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(a) => Ipv4Addr::from_bits(a.to_bits() & (u32::MAX << (32 - v4))).into(),
        IpAddr::V6(a) => Ipv6Addr::from_bits(a.to_bits() & (u128::MAX << (128 - v6))).into(),
    }
}

/// What was typed as the account, whether there is such an account or not: its hash, so that nothing that is typed
/// takes more room than anything else, and no address is kept that nobody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account([u8; 16]);

impl Account {
    /// As [`cordboard_core::ids::Email::read`] reads it: space around it and the case of letters do not count.
    pub fn typed(email: &str) -> Self {
        let hash = digest(&SHA256, email.trim().to_ascii_lowercase().as_bytes());
        let mut first = [0; 16];
        first.copy_from_slice(&hash.as_ref()[..16]);
        Self(first)
    }
}

/// An attempt to sign in that was let through, and is counted as wrong until something else is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "what is neither right nor undone stays counted as wrong"]
pub struct Attempt {
    account: Account,
    origin: Origin,
    known: bool,
}

/// Wrong passwords, by account and address.
///
/// An address that is *known* to an account (it has signed in from there before) has only its own count with this
/// account, [`PAIR`], which nobody else can use up unless they sit behind the same address. All others share
/// [`ACCOUNT`] and have [`ORIGIN`] beside. Whoever finds the account's count used up is promised a turn, which is
/// theirs when it comes, however many others ask meanwhile: without that, an attacker who asks ten times a second
/// would take each try as it comes free, and a person who travels could never sign in. What a promise costs is that
/// each network has a few, so [`TURNS`] counts them.
///
/// An account that does not exist is counted like any other: it is never known, and neither is a new address.
#[derive(Debug, Clone)]
pub struct SignIns {
    pairs: Gcra<(Account, Origin)>,
    accounts: Gcra<Account>,
    origins: Gcra<Origin>,
    turns: Gcra<(Account, Origin)>,
    /// From when on each turn can be taken.
    promised: Moments<(Account, Origin)>,
}

impl Default for SignIns {
    fn default() -> Self {
        Self::new(KEYS)
    }
}

impl SignIns {
    /// Remembers at most `most` keys of each kind.
    pub fn new(most: usize) -> Self {
        Self {
            pairs: Gcra::new(PAIR, most),
            accounts: Gcra::new(ACCOUNT, most),
            origins: Gcra::new(ORIGIN, most),
            turns: Gcra::new(TURNS, most),
            promised: Moments::new(most),
        }
    }

    /// Whether a password may be tried. `known`: this account has signed in from there before.
    pub fn ask(
        &mut self,
        account: Account,
        origin: Origin,
        known: bool,
        now: Timestamp,
    ) -> Result<Attempt, Wait> {
        self.pairs.peek(&(account, origin), now)?;
        if !known {
            self.origins.peek(&origin, now)?;
            if let Err(wait) = self.accounts.peek(&account, now) {
                self.turn((account, origin.network()), wait, now)?;
            }
            self.origins.consume(origin, now);
            self.accounts.consume(account, now);
        }
        self.pairs.consume((account, origin), now);
        Ok(Attempt {
            account,
            origin,
            known,
        })
    }

    /// The password was right. Slips before it are forgiven to this address; for the account's count they were no less
    /// wrong, or a thief who knows when its owner signs in had more tries.
    pub fn right(&mut self, attempt: Attempt, now: Timestamp) {
        self.undone(attempt, now);
        self.pairs.forget(&(attempt.account, attempt.origin));
    }

    /// Nobody has looked at the password: there was no room for more, or the store did not answer.
    pub fn undone(&mut self, attempt: Attempt, now: Timestamp) {
        let Attempt {
            account,
            origin,
            known,
        } = attempt;
        self.pairs.refund((account, origin), now);
        if !known {
            self.origins.refund(origin, now);
            self.accounts.refund(account, now);
        }
    }

    /// The turn of a network whose account has no try left but in `wait`: taken, waited for, or promised now.
    fn turn(&mut self, who: (Account, Origin), wait: Wait, now: Timestamp) -> Result<(), Wait> {
        let Some(at) = self.promised.get(&who) else {
            if self.turns.check(who, now).is_ok() {
                let at = now.plus(i64::from(wait.seconds) * 1000);
                self.promised.put(who, at.millis());
            }
            return Err(wait);
        };
        let left = at.saturating_sub(now.millis()).min(ACCOUNT.every_ms);
        if left > 0 {
            return Err(Wait::millis(left));
        }
        self.promised.take(&who);
        Ok(())
    }
}

/// What a code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CodeKind {
    /// Becoming the first administrator.
    Setup,
    /// Joining.
    Invitation,
    /// Choosing another password.
    Reset,
    /// Pairing a phone page.
    Pairing,
}

/// Wrong codes, by kind and address, and by kind.
#[derive(Debug, Clone)]
pub struct Codes {
    origins: Gcra<(CodeKind, Origin)>,
    all: Gcra<CodeKind>,
}

impl Default for Codes {
    fn default() -> Self {
        Self::new(KEYS)
    }
}

impl Codes {
    /// Remembers at most `most` addresses.
    pub fn new(most: usize) -> Self {
        Self {
            origins: Gcra::new(CODE_ORIGIN, most),
            all: Gcra::new(CODE_ALL, most),
        }
    }

    /// Whether a code may be tried. It is counted as wrong until it was [right](Self::right).
    pub fn ask(&mut self, kind: CodeKind, origin: Origin, now: Timestamp) -> Result<(), Wait> {
        self.origins.peek(&(kind, origin), now)?;
        self.all.check(kind, now)?;
        self.origins.consume((kind, origin), now);
        Ok(())
    }

    /// The code was right, or nobody has looked at it. Earlier wrong ones stay: a code may be shown more than once,
    /// and whoever has one could guess others in between.
    pub fn right(&mut self, kind: CodeKind, origin: Origin, now: Timestamp) {
        self.origins.refund((kind, origin), now);
        self.all.refund(kind, now);
    }
}

#[cfg(test)]
mod tests;
