//! Who is asking: passwords, bearer tokens, and the tickets that let a phone page into a room. What they may do
//! is [`cordboard_core::policy`]'s.
//!
//! Passwords are argon2id, checked off the async threads and a few at a time, with the same work for an account
//! that does not exist. Bearer tokens are HS256 JWTs that name a person and nothing else: their role is looked
//! up when they act. An open socket outlives its token.

use std::sync::{Arc, LazyLock};

use argon2::{Argon2, Params, PasswordHasher as _, PasswordVerifier as _};
use aws_lc_rs::hmac;
use cordboard_core::{
    api::PASSWORD_MOST,
    ids::{CallId, CallSid, LegId, SessionId, Timestamp, UserId},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::error::ApiError;

/// The memory of one password hash, in KiB (OWASP: 46 MiB with one pass).
pub const PASSWORD_KIB: u32 = 46 * 1024;

/// How many passwords are hashed at once, and how many more may wait for their turn.
const AT_ONCE: usize = 2;
const WAITING: usize = 32;

/// How long an access token holds, in seconds.
pub const ACCESS_SECONDS: u32 = 600;

/// How long access tokens are made under one key.
const WEEK_MS: i64 = 7 * 24 * 3_600_000;

const ISSUER: &str = "cordboard";

/// Passwords: at most so many are hashed at once, or sign-ins would starve the calls.
#[derive(Clone)]
pub struct Passwords {
    argon: Argon2<'static>,
    turns: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl Passwords {
    /// Hashes with so much memory.
    pub fn new(kib: u32) -> Self {
        let params = Params::new(kib.max(8), 1, 1, None)
            .expect("one pass, one lane and at least 8 KiB are valid");
        Self {
            argon: Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params),
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            queue: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
        }
    }

    /// A hash with a salt of its own, in PHC form.
    pub async fn hash(&self, password: &str) -> Result<String, ApiError> {
        let (argon, password) = (self.argon.clone(), SecretString::from(password));
        self.work(move || {
            argon
                .hash_password(password.expose_secret().as_bytes())
                .map(|h| h.to_string())
                .map_err(|_| ApiError::Unavailable)
        })
        .await?
    }

    /// Whether `password` is the one that was hashed. Without a hash the work is the same, and the answer is
    /// no.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, ApiError> {
        if password.len() > PASSWORD_MOST {
            return Ok(false);
        }
        let (argon, password) = (self.argon.clone(), SecretString::from(password));
        let Some(hash) = hash.map(str::to_owned) else {
            self.hash(password.expose_secret()).await?;
            return Ok(false);
        };
        self.work(move || {
            argon
                .verify_password(password.expose_secret().as_bytes(), hash.as_str())
                .is_ok()
        })
        .await
    }

    /// Whether a hash was made when less was asked of one than now.
    pub fn outdated(&self, hash: &str) -> bool {
        let wanted = self.argon.params();
        let Ok(hash) = argon2::PasswordHash::new(hash) else {
            return true;
        };
        Params::try_from(&hash).map_or(true, |made| {
            made.m_cost() < wanted.m_cost() || made.t_cost() < wanted.t_cost()
        })
    }

    async fn work<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        // Whoever comes when the queue is full is sent away at once: waiting costs us nothing, but the honest
        // ones would wait behind them.
        let place = self
            .queue
            .clone()
            .try_acquire_owned()
            .map_err(|_| ApiError::TooMany)?;
        let turn = self
            .turns
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| ApiError::Unavailable)?;
        // With the work, not with who asked: a client that hangs up does not end a hash under way.
        let work = move || {
            let _held = (place, turn);
            job()
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| ApiError::Unavailable)
    }
}

/// What an access token says (RFC 7519, 4.1; RFC 9068 for the rest). Never what its person may do: that is looked up
/// when they act.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    sid: SessionId,
    /// Which refresh token it came with.
    generation: u64,
    iat: i64,
    exp: i64,
}

/// Whose access token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The person.
    pub user: UserId,
    /// Their sign-in.
    pub session: SessionId,
    /// Which of its refresh tokens it came with.
    pub generation: u64,
}

/// 128 bits that nobody can guess, from the machine: ids that are also names of rooms, and secrets.
#[expect(
    clippy::disallowed_methods,
    reason = "what must not be guessed must not be replayable from a seed either"
)]
pub fn unguessable() -> u128 {
    rand::random()
}

/// A secret that only its holder keeps: 256 bits, in hexadecimal digits.
pub fn new_secret() -> SecretString {
    format!("{:032x}{:032x}", unguessable(), unguessable()).into()
}

/// How a secret is stored and found again: its SHA-256. Enough for what cannot be guessed; passwords can.
pub fn fingerprint(secret: &str) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes()).as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Codes that people read to each other and type: letters that make no word and are not mistaken for one another
/// (RFC 8628, 6.1: 20 consonants, no digits).
pub mod code {
    use secrecy::{ExposeSecret as _, SecretString};

    const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

    /// How many letters pair a page: 20^8 is 34.6 bits, for 10 minutes and a handful of tries.
    pub const SHORT: usize = 8;
    /// How many letters an invitation or a reset has, which hold for days: 69 bits.
    pub const LONG: usize = 16;

    /// A new one of so many letters, in groups of four.
    pub fn new(letters: usize) -> SecretString {
        let mut bits = super::unguessable();
        let mut text = String::new();
        for n in 0..letters {
            if n > 0 && n % 4 == 0 {
                text.push('-');
            }
            // 128 bits are 29 letters: for 16 of them, none is more likely than another by more than 2^-58.
            let letter = usize::try_from(bits % 20).expect("less than 20");
            bits /= 20;
            text.push(char::from(LETTERS[letter]));
        }
        text.into()
    }

    /// The code in what somebody has typed or pasted, as it is stored: without what stands between its letters, and
    /// without what stands before it in a link.
    pub fn read(typed: &str) -> Option<String> {
        let bare = typed.rsplit('#').next().unwrap_or(typed);
        let letters: String = bare
            .chars()
            .filter(|c| !matches!(c, ' ' | '-' | '\t'))
            .map(|c| c.to_ascii_uppercase())
            .collect();
        let fits =
            matches!(letters.len(), SHORT | LONG) && letters.bytes().all(|b| LETTERS.contains(&b));
        fits.then_some(letters)
    }

    /// What is stored of it.
    pub fn stored(code: &SecretString) -> String {
        super::fingerprint(&read(code.expose_secret()).unwrap_or_default())
    }
}

/// Bearer tokens, tickets and other things under the server's secret.
#[derive(Clone)]
pub struct Keys {
    /// The secret, and the one before it, whose tokens are taken until they run out.
    roots: Vec<Root>,
    tickets: hmac::Key,
    calls: hmac::Key,
    /// Of the same secrets.
    audit: Vec<AuditKey>,
}

/// What access tokens are made under: a key a week, derived.
#[derive(Clone)]
struct Root {
    name: String,
    key: hmac::Key,
}

/// A key that seals the audit, and its name: 16 hexadecimal digits that say nothing of the secret.
#[derive(Clone)]
pub(crate) struct AuditKey {
    pub(crate) name: String,
    pub(crate) key: hmac::Key,
}

impl AuditKey {
    fn of(secret: &SecretString) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let derive = |purpose: &str| hmac::sign(&root, purpose.as_bytes());
        Self {
            name: hex(&derive("cordboard name of the audit's key").as_ref()[..8]),
            key: hmac::Key::new(hmac::HMAC_SHA256, derive("cordboard audit").as_ref()),
        }
    }
}

impl Root {
    fn of(secret: &SecretString) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let derive = |purpose: &str| hmac::sign(&root, purpose.as_bytes());
        Self {
            name: hex(&derive("cordboard name of the secret").as_ref()[..4]),
            key: hmac::Key::new(
                hmac::HMAC_SHA256,
                derive("cordboard access tokens").as_ref(),
            ),
        }
    }

    /// The name of the key of that week.
    fn kid(&self, week: i64) -> String {
        format!("{}.{week}", self.name)
    }

    fn secret(&self, kid: &str) -> hmac::Tag {
        hmac::sign(&self.key, kid.as_bytes())
    }
}

const fn week(now: Timestamp) -> i64 {
    now.millis().div_euclid(WEEK_MS)
}

impl Keys {
    /// Keys derived from the secret, one for each purpose. `before`: the secret until lately.
    pub fn new(secret: &SecretString, before: Option<&SecretString>) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let derive = |purpose: &str| hmac::sign(&root, purpose.as_bytes());
        Self {
            roots: std::iter::once(secret)
                .chain(before)
                .map(Root::of)
                .collect(),
            tickets: hmac::Key::new(hmac::HMAC_SHA256, derive("cordboard tickets").as_ref()),
            calls: hmac::Key::new(hmac::HMAC_SHA256, derive("cordboard call ids").as_ref()),
            audit: std::iter::once(secret)
                .chain(before)
                .map(AuditKey::of)
                .collect(),
        }
    }

    /// An access token. It holds for [`ACCESS_SECONDS`].
    pub fn access(&self, bearer: &Bearer, now: Timestamp) -> Result<String, ApiError> {
        let root = &self.roots[0];
        let kid = root.kid(week(now));
        let iat = now.millis() / 1000;
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: ISSUER.to_owned(),
            sub: bearer.user,
            sid: bearer.session.clone(),
            generation: bearer.generation,
            iat,
            exp: iat + i64::from(ACCESS_SECONDS),
        };
        let key = EncodingKey::from_secret(root.secret(&kid).as_ref());
        let header = Header {
            kid: Some(kid),
            ..Header::new(Algorithm::HS256)
        };
        jsonwebtoken::encode(&header, &claims, &key).map_err(|_| ApiError::Unavailable)
    }

    /// Whose access token it is. The algorithm is pinned and the key is named by the token but chosen by us; the time
    /// is the clock's, with a minute of grace.
    pub fn bearer(&self, token: &str, now: Timestamp) -> Result<Bearer, ApiError> {
        static VALIDATION: LazyLock<Validation> = LazyLock::new(|| {
            let mut v = Validation::new(Algorithm::HS256);
            v.set_issuer(&[ISSUER]);
            v.set_audience(&[ISSUER]);
            v.validate_exp = false; // by our clock, below
            v
        });
        let invalid =
            || ApiError::NotSignedIn("This token is not valid here. Sign in again.".to_owned());
        let kid = jsonwebtoken::decode_header(token)
            .ok()
            .and_then(|header| header.kid)
            .ok_or_else(invalid)?;
        // A server whose clock is a little ahead may have begun the next week.
        let this = week(now);
        let root = self
            .roots
            .iter()
            .find(|root| (this - 1..=this + 1).any(|week| root.kid(week) == kid))
            .ok_or_else(invalid)?;
        let key = DecodingKey::from_secret(root.secret(&kid).as_ref());
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &VALIDATION)
            .map_err(|_| invalid())?
            .claims;
        if claims.exp + 60 < now.millis() / 1000 {
            return Err(ApiError::NotSignedIn(
                "Your token has run out. Ask for the next, or sign in again.".to_owned(),
            ));
        }
        Ok(Bearer {
            user: claims.sub,
            session: claims.sid,
            generation: claims.generation,
        })
    }

    /// What lets the page of `identity` into a call as `leg`, once: 32 hexadecimal digits.
    pub fn ticket(&self, leg: LegId, identity: &str) -> String {
        let tag = hmac::sign(&self.tickets, Self::ticket_text(leg, identity).as_bytes());
        tag.as_ref()
            .iter()
            .take(16)
            .fold(String::with_capacity(32), |text, b| {
                text + &format!("{b:02x}")
            })
    }

    /// Whether that is the ticket.
    pub fn is_ticket(&self, leg: LegId, identity: &str, ticket: &str) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(
            self.ticket(leg, identity).as_bytes(),
            ticket.as_bytes(),
        )
        .is_ok()
    }

    fn ticket_text(leg: LegId, identity: &str) -> String {
        format!("{leg} {identity}")
    }

    /// What seals the audit, and what sealed it until lately.
    pub(crate) fn audit(&self) -> &[AuditKey] {
        &self.audit
    }

    /// The id of the call that arrives as `sid`. A function of the SID, so that a request made twice finds the
    /// same call, and not to be guessed without the secret.
    pub fn call_id(&self, sid: &CallSid) -> CallId {
        let tag = hmac::sign(&self.calls, sid.as_str().as_bytes());
        let bytes: [u8; 16] = tag.as_ref()[..16]
            .try_into()
            .expect("SHA-256 gives 32 bytes");
        CallId::from_bits(u128::from_be_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::new(&"0123456789abcdef0123456789abcdef".into(), None)
    }

    fn bearer() -> Bearer {
        Bearer {
            user: UserId(7),
            session: "0123456789abcdef".parse().unwrap(),
            generation: 3,
        }
    }

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn a_token_names_its_person_until_it_runs_out_and_no_other_key_makes_one() {
        let token = keys().access(&bearer(), NOW).unwrap();
        assert_eq!(keys().bearer(&token, NOW), Ok(bearer()));
        let over = NOW.plus(i64::from(ACCESS_SECONDS) * 1000 + 61_000);
        assert!(matches!(
            keys().bearer(&token, over),
            Err(ApiError::NotSignedIn(_))
        ));
        let others = Keys::new(&"another secret of thirty-two characters".into(), None);
        assert!(others.bearer(&token, NOW).is_err());
    }

    #[test]
    fn a_token_is_taken_by_a_server_whose_clock_is_five_minutes_off() {
        let token = keys().access(&bearer(), NOW).unwrap();
        for off in [-300_000, 300_000] {
            assert_eq!(keys().bearer(&token, NOW.plus(off)), Ok(bearer()), "{off}");
        }
    }

    #[test]
    fn a_key_holds_for_a_week_and_the_last_ones_tokens_are_still_taken() {
        let week = Timestamp::from_millis(2_976 * WEEK_MS);
        let before = keys().access(&bearer(), week.plus(-1)).unwrap();
        let after = keys().access(&bearer(), week).unwrap();
        let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid;
        assert_ne!(kid(&before), kid(&after));
        assert_eq!(keys().bearer(&before, week), Ok(bearer()));
        assert!(keys().bearer(&before, week.plus(2 * WEEK_MS)).is_err());
    }

    #[test]
    fn a_new_secret_takes_the_old_ones_tokens_while_it_is_named() {
        let new = "a new secret of thirty-two characters!".into();
        let old = "0123456789abcdef0123456789abcdef".into();
        let token = keys().access(&bearer(), NOW).unwrap();
        assert_eq!(
            Keys::new(&new, Some(&old)).bearer(&token, NOW),
            Ok(bearer())
        );
        assert!(Keys::new(&new, None).bearer(&token, NOW).is_err());
    }

    #[test]
    fn a_token_that_is_bent_is_none() {
        let good = keys().access(&bearer(), NOW).unwrap();
        let part = |n: usize| good.split('.').nth(n).unwrap().to_owned();
        let kid = jsonwebtoken::decode_header(&good).unwrap().kid.unwrap();
        let header = |json: String| {
            use base64::Engine as _;
            base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(json)
        };
        let none = header(format!(r#"{{"alg":"none","kid":"{kid}"}}"#));
        let rs256 = header(format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#));
        let hs512 = header(format!(r#"{{"alg":"HS512","kid":"{kid}"}}"#));
        let nameless = header(r#"{"alg":"HS256"}"#.to_owned());
        let foreign = header(r#"{"alg":"HS256","kid":"../../etc/passwd"}"#.to_owned());
        let (claims, tag) = (part(1), part(2));
        let bent = [
            format!("{none}.{claims}."),
            format!("{none}.{claims}.{tag}"),
            format!("{rs256}.{claims}.{tag}"),
            format!("{hs512}.{claims}.{tag}"),
            format!("{nameless}.{claims}.{tag}"),
            format!("{foreign}.{claims}.{tag}"),
            format!("{}.{claims}.{}", part(0), "A".repeat(tag.len())),
            format!("{}.{}.{tag}", part(0), header("{}".to_owned())),
            String::new(),
            "..".to_owned(),
        ];
        for token in bent {
            assert!(keys().bearer(&token, NOW).is_err(), "{token}");
        }
    }

    #[test]
    fn a_code_is_read_however_it_is_typed_and_is_of_letters_only() {
        use secrecy::ExposeSecret as _;
        let made = code::new(code::LONG);
        let text = made.expose_secret();
        assert_eq!(text.len(), 19, "{text}");
        let bare = text.replace('-', "");
        for typed in [
            text.to_owned(),
            text.to_lowercase(),
            text.replace('-', " "),
            format!("https://desk.example/join#{text}"),
        ] {
            assert_eq!(code::read(&typed), Some(bare.clone()), "{typed}");
        }
        for wrong in ["", "BCDF", "BCDF-GHJA", "BCDF-GHJ1", "BCDF-GHJK-LM"] {
            assert_eq!(code::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_ticket_is_for_one_leg_of_one_person() {
        let leg = CallId::from_bits(1).leg(2);
        let ticket = keys().ticket(leg, "u7");
        assert!(keys().is_ticket(leg, "u7", &ticket));
        assert!(!keys().is_ticket(leg, "u8", &ticket));
        assert!(!keys().is_ticket(CallId::from_bits(1).leg(3), "u7", &ticket));
        assert!(!keys().is_ticket(leg, "u7", ""));
    }

    #[tokio::test]
    async fn a_password_is_recognised_and_an_unknown_account_is_not_faster() {
        let passwords = Passwords::new(64);
        let hash = passwords.hash("switchboard").await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.verify("switchboard", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("Switchboard", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("switchboard", None).await.unwrap());
        assert!(
            !passwords
                .verify(&"x".repeat(10_000), Some(&hash))
                .await
                .unwrap()
        );
    }
}
