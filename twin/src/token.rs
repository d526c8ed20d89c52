//! Access tokens of the Voice SDK: checked as Twilio's edge checks them.
//!
//! HS256, `cty: twilio-fpa;v=1`, issued by a key of this account, with a voice grant: to be rung, or to call, or both.
//! The codes are those the SDK reports. Time comes from the twin's clock, so the JWT library's own check of it
//! is off.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use crate::world::account::Account;

/// No token lives longer (Twilio docs: Access Tokens).
const LONGEST_SECONDS: i64 = 86_400;

/// Why a client may not connect: the SDK's error code and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {why}")]
pub(crate) struct Unfit {
    pub(crate) code: u32,
    pub(crate) why: String,
}

/// What a good token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name: String,
    /// Whose program its calls run; none: it may not call.
    pub(crate) application_sid: Option<String>,
    /// Whether it may be rung.
    pub(crate) incoming: bool,
    /// When it runs out, in milliseconds since 1970.
    pub(crate) expires: i64,
    /// Seconds left.
    pub(crate) ttl: i64,
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    iat: Option<i64>,
    grants: Grants,
}

#[derive(Debug, Deserialize)]
struct Grants {
    #[serde(default)]
    identity: Option<String>,
    #[serde(default)]
    voice: Option<Voice>,
}

#[derive(Debug, Deserialize)]
struct Voice {
    #[serde(default)]
    outgoing: Option<Outgoing>,
    #[serde(default)]
    incoming: Option<Incoming>,
}

#[derive(Debug, Deserialize)]
struct Incoming {
    #[serde(default)]
    allow: bool,
}

#[derive(Debug, Deserialize)]
struct Outgoing {
    application_sid: String,
}

/// Checks a token at `now_ms`.
pub(crate) fn check(token: &str, account: &Account, now_ms: i64) -> Result<Identity, Unfit> {
    let unfit = |code, why: &str| Unfit {
        code,
        why: why.to_owned(),
    };
    if token.len() > 8192 {
        return Err(unfit(20101, "the access token is too long"));
    }
    let header = jsonwebtoken::decode_header(token)
        .map_err(|_| unfit(20101, "the access token is not a JWT"))?;
    if header.cty.as_deref() != Some("twilio-fpa;v=1") {
        return Err(unfit(
            20102,
            "the access token's header must have cty twilio-fpa;v=1",
        ));
    }
    if !matches!(
        header.alg,
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512
    ) {
        return Err(unfit(20102, "the access token must be signed with HS256"));
    }
    // The issuer names the key that must have signed; nothing else of the token is believed before that.
    let claimed = jsonwebtoken::dangerous::insecure_decode::<Claims>(token)
        .map_err(|_| unfit(20101, "the access token's claims are incomplete"))?
        .claims;
    let key = account.keys.iter().find(|k| k.sid == claimed.iss);
    let key = key.ok_or_else(|| {
        unfit(
            20103,
            "the access token's issuer is not a key of this account",
        )
    })?;
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let claims = jsonwebtoken::decode::<Claims>(
        token,
        &DecodingKey::from_secret(key.secret.as_bytes()),
        &validation,
    )
    .map_err(|_| {
        unfit(
            31202,
            "the access token's signature is not its key's (20107)",
        )
    })?
    .claims;
    if claims.sub != account.credentials.account_sid {
        return Err(unfit(
            20103,
            "the access token's subject is another account",
        ));
    }
    let now = now_ms.div_euclid(1000);
    if claims.exp <= now {
        return Err(unfit(31205, "the access token has expired (20104)"));
    }
    if claims.exp - claims.nbf.or(claims.iat).unwrap_or(now) > LONGEST_SECONDS {
        return Err(unfit(
            31207,
            "the access token would live longer than a day (20157)",
        ));
    }
    // A little slack for a clock that runs behind, as every verifier of tokens grants.
    if claims.nbf.is_some_and(|nbf| nbf > now + 10) {
        return Err(unfit(20105, "the access token is not valid yet"));
    }
    let identity = claims.grants.identity.unwrap_or_default();
    let valid = (1..=121).contains(&identity.len())
        && identity
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !valid {
        return Err(unfit(
            31204,
            "the access token's identity must be letters, digits and underscores",
        ));
    }
    let voice = claims.grants.voice;
    let incoming = voice.as_ref().and_then(|v| v.incoming.as_ref());
    let incoming = incoming.is_some_and(|i| i.allow);
    let outgoing = voice.and_then(|v| v.outgoing);
    if outgoing.is_none() && !incoming {
        return Err(unfit(20106, "the access token has no voice grant"));
    }
    Ok(Identity {
        name: identity,
        application_sid: outgoing.map(|o| o.application_sid),
        incoming,
        expires: claims.exp.saturating_mul(1000),
        ttl: claims.exp - now,
    })
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;
    use crate::world::account::Credentials;

    const NOW: i64 = 1_700_000_000_000;

    fn account() -> Account {
        Account::new(Credentials::from_seed(1), String::new(), 0)
    }

    fn claims(account: &Account) -> Value {
        let c = &account.credentials;
        json!({
            "jti": format!("{}-1700000000", c.api_key), "iss": c.api_key, "sub": c.account_sid, "iat": 1_700_000_000,
            "exp": 1_700_003_600, "grants": { "identity": "a_7", "voice": { "outgoing": { "application_sid": c.app_sid } } },
        })
    }

    fn sign(claims: &Value, secret: &str, cty: &str) -> String {
        let header = Header {
            cty: Some(cty.to_owned()),
            ..Header::new(Algorithm::HS256)
        };
        encode(
            &header,
            claims,
            &EncodingKey::from_secret(secret.as_bytes()),
        )
        .unwrap()
    }

    fn verdict(change: impl FnOnce(&mut Value)) -> u32 {
        let account = account();
        let mut claims = claims(&account);
        change(&mut claims);
        let token = sign(&claims, &account.credentials.api_secret, "twilio-fpa;v=1");
        check(&token, &account, NOW).map_or_else(|e| e.code, |_| 0)
    }

    #[test]
    fn a_good_token_names_who_and_where() {
        let account = account();
        let token = sign(
            &claims(&account),
            &account.credentials.api_secret,
            "twilio-fpa;v=1",
        );
        let good = check(&token, &account, NOW).unwrap();
        assert_eq!((good.name.as_str(), good.ttl), ("a_7", 3600));
        assert_eq!(good.application_sid, Some(account.credentials.app_sid));
        assert_eq!((good.incoming, good.expires), (false, 1_700_003_600_000));
    }

    #[test]
    fn a_bad_token_is_refused_with_the_sdks_code() {
        assert_eq!(verdict(|_| ()), 0);
        assert_eq!(verdict(|c| c["exp"] = json!(1_700_000_000)), 31205);
        assert_eq!(verdict(|c| c["exp"] = json!(1_700_100_000)), 31207);
        assert_eq!(verdict(|c| c["nbf"] = json!(1_700_000_100)), 20105);
        assert_eq!(verdict(|c| c["sub"] = json!("AC0")), 20103);
        assert_eq!(verdict(|c| c["iss"] = json!("SK0")), 20103);
        assert_eq!(verdict(|c| c["grants"]["identity"] = json!("a-7")), 31204);
        assert_eq!(verdict(|c| c["grants"]["voice"] = json!({})), 20106);
        let only = |allow| json!({ "incoming": { "allow": allow } });
        assert_eq!(verdict(|c| c["grants"]["voice"] = only(true)), 0);
        assert_eq!(verdict(|c| c["grants"]["voice"] = only(false)), 20106);
        let account = account();
        let token = |secret: &str, cty: &str| {
            check(&sign(&claims(&account), secret, cty), &account, NOW)
                .unwrap_err()
                .code
        };
        assert_eq!(token("wrong", "twilio-fpa;v=1"), 31202);
        assert_eq!(token(&account.credentials.api_secret, "JWT"), 20102);
        assert_eq!(check("not.a.token", &account, NOW).unwrap_err().code, 20101);
    }
}
