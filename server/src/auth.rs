//! Who is asking: passwords, bearer tokens, and the tickets that let a phone page into a room. What they may do
//! is [`cordboard_core::policy`]'s.
//!
//! Passwords are argon2id, checked off the async threads and a few at a time, with the same work for an account
//! that does not exist. Bearer tokens are HS256 JWTs that name a person and nothing else: their role is looked
//! up when they act. An open socket outlives its token.

use std::sync::{Arc, LazyLock};

use argon2::{Argon2, Params, PasswordHasher as _, PasswordVerifier as _};
use aws_lc_rs::hmac;
use cordboard_core::ids::{CallId, CallSid, LegId, Timestamp, UserId};
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

/// How long a bearer token holds, in seconds.
const TOKEN_SECONDS: i64 = 12 * 3600;

/// The longest password that is looked at: more is a way to make us work.
const LONGEST_PASSWORD: usize = 512;

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
        if password.len() > LONGEST_PASSWORD {
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

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    iat: i64,
    exp: i64,
}

/// 128 bits that nobody can guess, from the machine: ids that are also names of rooms, and secrets.
#[expect(
    clippy::disallowed_methods,
    reason = "what must not be guessed must not be replayable from a seed either"
)]
pub fn unguessable() -> u128 {
    rand::random()
}

/// Bearer tokens and tickets, under the server's secret.
#[derive(Clone)]
pub struct Keys {
    encoding: EncodingKey,
    decoding: DecodingKey,
    tickets: hmac::Key,
    calls: hmac::Key,
}

impl Keys {
    /// Keys derived from the secret, one for each purpose.
    pub fn new(secret: &SecretString) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        let derive = |purpose: &str| hmac::sign(&root, purpose.as_bytes());
        let tokens = derive("cordboard bearer tokens");
        Self {
            encoding: EncodingKey::from_secret(tokens.as_ref()),
            decoding: DecodingKey::from_secret(tokens.as_ref()),
            tickets: hmac::Key::new(hmac::HMAC_SHA256, derive("cordboard tickets").as_ref()),
            calls: hmac::Key::new(hmac::HMAC_SHA256, derive("cordboard call ids").as_ref()),
        }
    }

    /// A bearer token for `user`, and when it ends.
    pub fn token(&self, user: UserId, now: Timestamp) -> Result<(String, Timestamp), ApiError> {
        let iat = now.millis() / 1000;
        let exp = iat + TOKEN_SECONDS;
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: ISSUER.to_owned(),
            sub: user,
            iat,
            exp,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .map_err(|_| ApiError::Unavailable)?;
        Ok((token, Timestamp::from_millis(exp * 1000)))
    }

    /// Whose token it is. The algorithm is pinned; the time is the clock's, with a minute of grace.
    pub fn user(&self, token: &str, now: Timestamp) -> Result<UserId, ApiError> {
        static VALIDATION: LazyLock<Validation> = LazyLock::new(|| {
            let mut v = Validation::new(Algorithm::HS256);
            v.set_issuer(&[ISSUER]);
            v.set_audience(&[ISSUER]);
            v.validate_exp = false; // by our clock, below
            v
        });
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &VALIDATION)
            .map_err(|_| {
                ApiError::NotSignedIn("This token is not valid here. Sign in again.".to_owned())
            })?
            .claims;
        if claims.exp + 60 < now.millis() / 1000 {
            return Err(ApiError::NotSignedIn(
                "Your sign-in has expired. Sign in again.".to_owned(),
            ));
        }
        Ok(claims.sub)
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
        Keys::new(&"0123456789abcdef0123456789abcdef".into())
    }

    #[test]
    fn a_token_names_its_user_until_it_expires_and_no_other_key_makes_one() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let (token, expires) = keys().token(UserId(7), now).unwrap();
        assert_eq!(keys().user(&token, now), Ok(UserId(7)));
        assert!(matches!(
            keys().user(&token, expires.plus(61_000)),
            Err(ApiError::NotSignedIn(_))
        ));
        let others = Keys::new(&"another secret of thirty-two characters".into());
        assert!(others.user(&token, now).is_err());
        let none = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJjb3JkYm9hcmQiLCJhdWQiOiJjb3JkYm9hcmQiLCJzdWIiOiJ1NyIsImlhdCI6MCwiZXhwIjo5OTk5OTk5OTk5OX0.";
        assert!(
            keys().user(none, now).is_err(),
            "a token without a signature"
        );
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
