//! Access tokens: with one of these a browser registers and calls as a person (Twilio docs: Access Tokens).
//!
//! A token cannot be taken back, so it lives an hour at most and a page fetches the next one before it ends. It
//! only lets a browser call our TwiML app; what that call may do is decided by the ticket it brings. It does
//! not let anybody be rung: pages are told over our own socket, and a grant for incoming calls would let Twilio
//! ring a page that we think is free.
//!
//! Read next: [`super`].

use cordboard_core::ids::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::TwilioConfig;

/// The longest life of a token, in seconds.
pub const LONGEST: u32 = 3600;

/// A token and when it ends. The token itself prints as `[REDACTED]`.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// What the browser gets.
    pub jwt: SecretString,
    /// When Twilio stops accepting it. A call in progress goes on.
    pub expires: Timestamp,
}

/// Why no token was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Other characters are legal for Twilio's servers but not for all of its clients.
    #[error("an identity is 1 to 64 letters, digits and underscores")]
    Identity,
    /// None or too long.
    #[error("a token lives between 1 and {LONGEST} seconds")]
    Life,
    /// The signer failed.
    #[error("the token could not be signed: {0}")]
    Signing(String),
}

#[derive(Serialize)]
struct Claims<'a> {
    jti: String,
    iss: &'a str,
    sub: &'a str,
    iat: i64,
    // No `nbf`: were our clock ahead of Twilio's, a fresh token would be refused.
    exp: i64,
    grants: Grants<'a>,
}

#[derive(Serialize)]
struct Grants<'a> {
    identity: &'a str,
    voice: Voice<'a>,
}

#[derive(Serialize)]
struct Voice<'a> {
    outgoing: Outgoing<'a>,
}

#[derive(Serialize)]
struct Outgoing<'a> {
    application_sid: &'a str,
}

/// A token for `identity`, from `now` on, for `seconds`.
pub fn mint(
    config: &TwilioConfig,
    identity: &str,
    now: Timestamp,
    seconds: u32,
) -> Result<AccessToken, TokenError> {
    if !(1..=64).contains(&identity.len())
        || !identity
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_')
    {
        return Err(TokenError::Identity);
    }
    if !(1..=LONGEST).contains(&seconds) {
        return Err(TokenError::Life);
    }
    let iat = now.millis().div_euclid(1000);
    let exp = iat.saturating_add(seconds.into());
    let claims = Claims {
        // In milliseconds: what replaces a token that was refused must not be the same token again.
        jti: format!("{}-{}", config.api_key, now.millis()),
        iss: &config.api_key,
        sub: &config.account_sid,
        iat,
        exp,
        grants: Grants {
            identity,
            voice: Voice {
                outgoing: Outgoing {
                    application_sid: &config.app_sid,
                },
            },
        },
    };
    let header = Header {
        cty: Some("twilio-fpa;v=1".to_owned()),
        ..Header::new(Algorithm::HS256)
    };
    let key = EncodingKey::from_secret(config.api_secret.expose_secret().as_bytes());
    let jwt = encode(&header, &claims, &key).map_err(|e| TokenError::Signing(e.to_string()))?;
    Ok(AccessToken {
        jwt: jwt.into(),
        expires: Timestamp::from_millis(exp.saturating_mul(1000)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twilio::tests::config;
    use jsonwebtoken::{DecodingKey, Validation, decode};
    use serde_json::{Value, json};

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_999);

    #[test]
    fn a_token_says_exactly_what_twilio_reads() {
        let config = config("http://localhost");
        let token = mint(&config, "u7", NOW, 600).unwrap();
        assert_eq!(token.expires.millis(), 1_700_000_600_000);
        assert_eq!(format!("{token:?}").matches("REDACTED").count(), 1);
        let mut check = Validation::new(Algorithm::HS256);
        check.validate_exp = false;
        let read = |secret: &str| {
            decode::<Value>(
                token.jwt.expose_secret(),
                &DecodingKey::from_secret(secret.as_bytes()),
                &check,
            )
        };
        let data = read("the-api-secret").unwrap();
        assert_eq!(
            serde_json::to_value(&data.header).unwrap(),
            json!({"typ": "JWT", "alg": "HS256", "cty": "twilio-fpa;v=1"})
        );
        assert_eq!(
            data.claims,
            json!({
                "jti": format!("{}-1700000000999", config.api_key),
                "iss": config.api_key,
                "sub": config.account_sid,
                "iat": 1_700_000_000,
                "exp": 1_700_000_600,
                "grants": {"identity": "u7", "voice": {"outgoing": {"application_sid": config.app_sid}}},
            })
        );
        assert!(read("the-auth-token").is_err());
    }

    #[test]
    fn the_next_token_of_the_same_second_is_another() {
        let config = config("http://localhost");
        let jwt = |now| {
            let token = mint(&config, "u7", now, 600).unwrap();
            token.jwt.expose_secret().to_owned()
        };
        assert_ne!(jwt(NOW), jwt(NOW.plus(-900)));
    }

    #[test]
    fn odd_identities_and_lives_are_refused() {
        let config = config("http://localhost");
        for identity in ["", "u 7", "u-7", "ü", &"u".repeat(65)] {
            assert_eq!(
                mint(&config, identity, NOW, 600).unwrap_err(),
                TokenError::Identity,
                "{identity}"
            );
        }
        for seconds in [0, LONGEST + 1, u32::MAX] {
            assert_eq!(
                mint(&config, "u7", NOW, seconds).unwrap_err(),
                TokenError::Life
            );
        }
        assert!(mint(&config, "u7", NOW, LONGEST).is_ok());
    }
}
