//! Proves that a request is Twilio's: `X-Twilio-Signature`, by the algorithm of Twilio's own libraries.
//!
//! Twilio signs the URL it was given, without its fragment, followed by every parameter of a form body: names
//! in byte order, each with its values sorted and without repetitions (Twilio docs: Webhooks security). The key
//! is the account's auth token, never an API key. We check against the *configured* public URL: the Host header
//! is chosen by whoever sends the request.
//!
//! The scheme has no separators, so it does not prove where a name ends and its value begins, and it has no
//! time in it, so an old request verifies for ever. Both are why the facts behind this door are monotone,
//! deduplicated and bound to ids that we made.
//!
//! It must not read meaning into a request. Read next: [`super::webhook`].

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::{digest, hmac};
use axum::http::{HeaderMap, Method, header};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use secrecy::ExposeSecret;
use url::Url;

use super::{
    TwilioConfig, Urls,
    webhook::{Delivery, Params},
};

/// Why a request was not let in. The sentences are for our log; a stranger is told nothing but a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No signature, or more than one.
    #[error("the request has no X-Twilio-Signature, or several")]
    NoSignature,
    /// It is not Twilio's, or not for this URL.
    #[error(
        "the signature does not match: a stranger, a wrong auth token, or a public URL that is not the one Twilio calls"
    )]
    Forged,
    /// A JSON body that is not the one that was signed.
    #[error("the body is not the one whose hash was signed")]
    OtherBody,
    /// More bytes than the caller allows.
    #[error("the body is larger than any that Twilio sends")]
    TooLarge,
    /// More than [`Params::MOST`].
    #[error("the request has more parameters than any that Twilio sends")]
    TooMany,
    /// Not UTF-8 after decoding.
    #[error("the parameters are not UTF-8")]
    NotText,
    /// Neither a form nor JSON.
    #[error("the body is neither a form nor JSON")]
    OtherKind,
}

/// Knows the account's tokens and our public URL.
#[derive(Clone)]
pub struct Verifier {
    urls: Urls,
    keys: Vec<hmac::Key>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// With the account's primary and, while they are rotated, secondary auth token.
    pub fn new(config: &TwilioConfig) -> Self {
        let keys = std::iter::once(&config.auth_token)
            .chain(&config.secondary_auth_token)
            .map(|token| {
                hmac::Key::new(
                    hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
                    token.expose_secret().as_bytes(),
                )
            })
            .collect();
        Self {
            urls: Urls::new(config),
            keys,
        }
    }

    /// Lets a request in, or says why not. `path_and_query` is raw, as it came over the wire (behind a nested
    /// router: the *original* URI); `most` is the largest body in bytes.
    pub fn open(
        &self,
        method: &Method,
        path_and_query: &str,
        headers: &HeaderMap,
        body: &[u8],
        most: usize,
    ) -> Result<Delivery, Refused> {
        if body.len() > most {
            return Err(Refused::TooLarge);
        }
        let mut signatures = headers.get_all("x-twilio-signature").iter();
        let (Some(signature), None) = (signatures.next(), signatures.next()) else {
            return Err(Refused::NoSignature);
        };
        let url = self.urls.signed(path_and_query);
        let query = path_and_query
            .split_once('?')
            .map_or("", |(_, query)| query);
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        let is = |wanted: &str| {
            kind.split(';')
                .next()
                .is_some_and(|k| k.trim().eq_ignore_ascii_case(wanted))
        };

        let (params, signed) = if method == Method::GET {
            (Params::read(query.as_bytes())?, Params::default())
        } else if is("application/json") {
            if !has_hash_of(body, query) {
                return Err(Refused::OtherBody);
            }
            (Params::default(), Params::default())
        } else if is("application/x-www-form-urlencoded") || body.is_empty() {
            let params = Params::read(body)?;
            (params.clone(), params)
        } else {
            return Err(Refused::OtherKind);
        };
        if !is_signed(&self.keys, &url, &signed, signature.as_bytes()) {
            return Err(Refused::Forged);
        }
        let token = headers
            .get("i-twilio-idempotency-token")
            .and_then(|v| v.to_str().ok());
        Ok(Delivery::new(params, token))
    }
}

/// Whether `signature` (base64) is one that the holder of one of `keys` makes for this URL and these
/// parameters.
fn is_signed(keys: &[hmac::Key], url: &str, params: &Params, signature: &[u8]) -> bool {
    let Ok(signature) = BASE64.decode(signature) else {
        return false;
    };
    let mut by_name: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, value) in params.iter() {
        by_name.entry(name).or_default().insert(value);
    }
    let mut tail = String::new();
    for (name, values) in by_name {
        for value in values {
            tail.push_str(name);
            tail.push_str(value);
        }
    }
    candidates(url).iter().any(|url| {
        let data = format!("{url}{tail}");
        // Constant time, inside `verify`.
        keys.iter()
            .any(|key| hmac::verify(key, data.as_bytes(), &signature).is_ok())
    })
}

/// The spellings of one URL that Twilio may have signed: as it is, with the scheme's own port written out,
/// without a port (it leaves out unusual https ports), and each as a browser would write it (`'` as `%27`).
/// Twilio's libraries try the same.
fn candidates(url: &str) -> Vec<String> {
    let url = url.split('#').next().unwrap_or_default();
    let spellings = std::iter::once(url.to_owned()).chain(Url::parse(url).map(String::from));
    let mut all = Vec::new();
    for spelling in spellings {
        all.push(spelling.clone());
        let Some((scheme, rest)) = spelling.split_once("://") else {
            continue;
        };
        let (authority, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        // The colon of a port comes after userinfo and after the bracket of an IPv6 address.
        let host_at = authority.rfind(['@', ']']).map_or(0, |i| i + 1);
        let bare = authority[host_at..]
            .find(':')
            .map_or(authority, |colon| &authority[..host_at + colon]);
        let default = if scheme == "https" { 443 } else { 80 };
        let (without, with) = (
            format!("{scheme}://{bare}{tail}"),
            format!("{scheme}://{bare}:{default}{tail}"),
        );
        all.push(without);
        if bare == authority {
            all.push(with);
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Whether the query names the SHA-256 of this body: how Twilio signs JSON (the query is part of the signed
/// URL).
fn has_hash_of(body: &[u8], query: &str) -> bool {
    use std::fmt::Write as _;
    let hash = digest::digest(&digest::SHA256, body);
    let hex = hash
        .as_ref()
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}"); // writing to a String cannot fail
            hex
        });
    let mut named =
        form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "bodySHA256");
    named
        .next()
        .is_some_and(|(_, value)| value.eq_ignore_ascii_case(&hex))
        && named.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twilio::tests::config;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    type Pairs = &'static [(&'static str, &'static str)];

    const COMMON: Pairs = &[
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
    ];
    const CONFERENCE: Pairs = &[
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+14158675309"),
        ("Digits", "1234"),
        ("From", "+14158675309"),
        ("To", "+18005551212"),
        ("ReasonConferenceEnded", "test"),
        ("Reason", "Participant"),
    ];
    const PLAIN: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";

    /// Vectors of the public test suites of Twilio's libraries; the token is 12345. The URL is what a validator
    /// is given, which in two of them is not quite what was signed.
    const VECTORS: [(&str, Pairs, &str); 22] = [
        (PLAIN, COMMON, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        (
            "https://mycompany.com:443/myapp.php?foo=1&bar=2",
            COMMON,
            "kvajT1Ptam85bY51eRf/AJRuM3w=",
        ),
        (
            "http://mycompany.com:80/myapp.php?foo=1&bar=2",
            COMMON,
            "0ZXoZLH/DfblKGATFgpif+LLRf4=",
        ),
        (
            "http://mycompany.com:1234/myapp.php?foo=1&bar=2",
            COMMON,
            "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=",
        ),
        (
            "http://mycompany.com/myapp.php?foo=1&bar=2",
            CONFERENCE,
            "n2xBNyzSW7rfYStDtOFiFMv7qNo=",
        ),
        (
            "https://user:pass@mycompany.com/myapp.php?foo=1&bar=2",
            COMMON,
            "CukzLTc1tT5dXEDIHm/tKBanW10=",
        ),
        (
            "https://user@mycompany.com/myapp.php?foo=1&bar=2",
            COMMON,
            "2YRLlVAflCqxaNicjMpJcSTgzSs=",
        ),
        (
            "https://user:pass@mycompany.com:443/myapp.php?foo=1&bar=2",
            COMMON,
            "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI=",
        ),
        (
            "https://user@mycompany.com:443/myapp.php?foo=1&bar=2",
            COMMON,
            "aZfj4hyX1MLZhSS6QIL18Vn2/RA=",
        ),
        (
            "https://mycompany.com/myapp.php?foo=1&bar=2&Body=It's+amazing",
            COMMON,
            "TfZzewPq8wqrGlMfyAud8+/IvJ0=",
        ),
        (
            PLAIN,
            &[
                ("MessagingBinding.Address", "+1325xxxxxxx"),
                ("MessagingBinding.Address", "+1415xxxxxxx"),
            ],
            "83O6e2vORAoJHUNzJjDWN1jz+BA=",
        ),
        (
            PLAIN,
            &[
                ("Sid", "CA123"),
                ("SidAccount", "AC123"),
                ("Digits", "5678"),
                ("Digits", "1234"),
                ("Digits", "1234"),
            ],
            "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
        ),
        (PLAIN, CONFERENCE, "vOEb5UThFn24KEfnOFLQY2AE5FY="),
        (
            "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
            &[],
            "a9nBmqA0ju/hNViExpshrM61xv4=",
        ),
        (
            "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            &[],
            "Ldidvp12m26NI7eqEvxnEpkd9Hc=",
        ),
        (
            "https://mycompany.com/myapp.php?bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
            &[],
            "y77kIzt2vzLz71DgmJGsen2scGs=",
        ),
        (
            PLAIN,
            &[("property", "value"), ("boolean", "true")],
            "NBdBDr/T/lgjI+tlgpXjKZQZs/k=",
        ),
        (PLAIN, &[], "zYQTYrRWXE7LtzbG4PfP7/bkkGo="),
        (
            "https://mycompany.com/myapp.php",
            COMMON,
            "1xaxFBvyzXYvWplzNOSs28HWO94=",
        ),
        (
            "https://mycompany.com/myapp.php?foo=hello%20world&bar=test%2Bvalue",
            COMMON,
            "er2tvAP1Wx+iuTTE2BPgvEaN1cs=",
        ),
        (
            PLAIN,
            &[
                ("Message", "Hello & goodbye! @#$%^*()"),
                ("From", "+1 (415) 867-5309"),
                ("Special", "unicode: ñáéíóú"),
            ],
            "dCPiR4WtQ6QFN6pJh81CtlCcWLQ=",
        ),
        (
            PLAIN,
            &[
                ("Digits", ""),
                ("CallSid", "CA1234567890ABCDE"),
                ("EmptyParam", ""),
            ],
            "9HHp/OqQMEwdrVebHDdA/+tqjX8=",
        ),
    ];

    fn key(token: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes())
    }

    fn body(pairs: &[(&str, &str)]) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish()
    }

    fn params(pairs: &[(&str, &str)]) -> Params {
        Params::read(body(pairs).as_bytes()).unwrap()
    }

    fn sign(token: &str, data: &str) -> String {
        BASE64.encode(hmac::sign(&key(token), data.as_bytes()))
    }

    #[test]
    fn the_vectors_of_twilios_own_libraries_verify() {
        for (n, (url, pairs, signature)) in VECTORS.iter().enumerate() {
            assert!(
                is_signed(&[key("12345")], url, &params(pairs), signature.as_bytes()),
                "vector {}: {url}",
                n + 1
            );
            assert!(
                !is_signed(&[key("12346")], url, &params(pairs), signature.as_bytes()),
                "vector {}, wrong token",
                n + 1
            );
            let both = [key("new"), key("12345")];
            assert!(
                is_signed(&both, url, &params(pairs), signature.as_bytes()),
                "vector {}, second token",
                n + 1
            );
        }
    }

    #[test]
    fn what_was_not_signed_is_not_accepted() {
        let keys = [key("12345")];
        let (url, pairs, good) = VECTORS[0];
        let no = |url: &str, pairs: &[(&str, &str)], signature: &str, what: &str| {
            assert!(
                !is_signed(&keys, url, &params(pairs), signature.as_bytes()),
                "{what}"
            );
        };
        let mut changed = pairs.to_vec();
        changed[2].1 = "1235";
        no(url, &changed, good, "one value changed");
        no(
            url,
            &[pairs, &[("Extra", "1")]].concat(),
            good,
            "an extra parameter",
        );
        no(url, &pairs[1..], good, "a missing parameter");
        no(&url.replace("https", "http"), pairs, good, "another scheme");
        no(&url.replace("bar=2", "bar=3"), pairs, good, "another query");
        no(
            &url.replace("mycompany", "yourcompany"),
            pairs,
            good,
            "another host",
        );
        no(url, pairs, "", "an empty signature");
        no(
            url,
            pairs,
            &good.to_lowercase(),
            "the signature in another case",
        );
        no(url, pairs, &good[..good.len() - 1], "a shortened signature");
        no(
            url,
            pairs,
            "RSOYDt4T1cUTdK1PDd93/VVr8B9=",
            "loose bits at the end of the base64",
        );
        let mut turned = pairs.to_vec();
        turned.reverse();
        assert!(
            is_signed(&keys, url, &params(&turned), good.as_bytes()),
            "the order on the wire does not matter"
        );
        assert!(
            is_signed(
                &keys,
                &format!("{url}#rc=3&rp=all"),
                &params(pairs),
                good.as_bytes()
            ),
            "a fragment is not signed"
        );
    }

    #[test]
    fn ports_are_found_after_credentials_and_brackets() {
        assert!(
            candidates("https://u:p@a.example:8443/x")
                .contains(&"https://u:p@a.example/x".to_owned())
        );
        assert!(candidates("http://u:p@[::1]/x").contains(&"http://u:p@[::1]:80/x".to_owned()));
        assert!(candidates("http://[::1]:90?x:y").contains(&"http://[::1]?x:y".to_owned()));
        assert_eq!(candidates("nonsense"), ["nonsense"]);
    }

    fn headers(signature: Option<&str>, kind: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(signature) = signature {
            headers.insert(
                "X-Twilio-Signature",
                HeaderValue::from_str(signature).unwrap(),
            );
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::HOST, HeaderValue::from_static("evil.example"));
        headers
    }

    const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

    #[test]
    fn a_request_is_checked_against_the_configured_url_and_both_tokens() {
        let mut config = config("http://localhost");
        config.secondary_auth_token = Some("the-next-token".into());
        let door = Verifier::new(&config);
        let path = "/twilio/voice";
        let data = "https://desk.example.com/pbx/twilio/voiceCallSidCA1From+1";
        let sent = body(&[("From", "+1"), ("CallSid", "CA1")]);
        let open = |headers: &HeaderMap, path: &str, sent: &str, most: usize| {
            door.open(&Method::POST, path, headers, sent.as_bytes(), most)
        };
        for token in ["the-auth-token", "the-next-token"] {
            let mut headers = headers(Some(&sign(token, data)), FORM);
            headers.insert(
                "I-Twilio-Idempotency-Token",
                HeaderValue::from_static("f1b2"),
            );
            let delivery = open(&headers, path, &sent, 1000).unwrap();
            assert_eq!(delivery.params().get("From"), Some("+1"));
            assert_eq!(delivery.token(), Some("f1b2"));
        }
        let good = headers(Some(&sign("the-auth-token", data)), FORM);
        assert_eq!(
            open(&headers(None, FORM), path, &sent, 1000).unwrap_err(),
            Refused::NoSignature
        );
        assert_eq!(
            open(&headers(Some(""), FORM), path, &sent, 1000).unwrap_err(),
            Refused::Forged
        );
        assert_eq!(
            open(
                &headers(Some(&sign("the-api-secret", data)), FORM),
                path,
                &sent,
                1000
            )
            .unwrap_err(),
            Refused::Forged
        );
        assert_eq!(
            open(&good, "/twilio/app", &sent, 1000).unwrap_err(),
            Refused::Forged
        );
        assert_eq!(
            open(&good, path, &sent, sent.len() - 1).unwrap_err(),
            Refused::TooLarge
        );
        assert_eq!(
            open(&good, path, "From=%FF", 1000).unwrap_err(),
            Refused::NotText
        );
        assert_eq!(
            open(&good, path, &"a=1&".repeat(201), 1000).unwrap_err(),
            Refused::TooMany
        );
        let mut twice = good.clone();
        twice.append("X-Twilio-Signature", HeaderValue::from_static("x"));
        assert_eq!(
            open(&twice, path, &sent, 1000).unwrap_err(),
            Refused::NoSignature
        );
        let text = headers(Some(&sign("the-auth-token", data)), "text/plain");
        assert_eq!(
            open(&text, path, &sent, 1000).unwrap_err(),
            Refused::OtherKind
        );
    }

    #[test]
    fn json_is_accepted_only_with_the_hash_that_was_signed() {
        let door = Verifier::new(&config("http://localhost"));
        let body = br#"{"property": "value", "boolean": true}"#;
        let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
        let path = format!("/twilio/events?bodySHA256={hash}");
        let signature = sign(
            "the-auth-token",
            &format!("https://desk.example.com/pbx{path}"),
        );
        let headers = headers(Some(&signature), "application/json");
        assert!(
            door.open(&Method::POST, &path, &headers, body, 1000)
                .is_ok()
        );
        assert_eq!(
            door.open(&Method::POST, &path, &headers, b"{}", 1000)
                .unwrap_err(),
            Refused::OtherBody
        );
        assert_eq!(
            door.open(&Method::POST, "/twilio/events", &headers, body, 1000)
                .unwrap_err(),
            Refused::OtherBody
        );
        let other = format!("{path}&bodySHA256=0");
        assert_eq!(
            door.open(&Method::POST, &other, &headers, body, 1000)
                .unwrap_err(),
            Refused::OtherBody
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// Whatever one change is made to the request, its signature or the token, the door stays shut.
        #[test]
        fn no_mutation_is_accepted(
            pairs in prop::collection::vec(("[A-Za-z]{1,12}", "\\PC{0,16}"), 1..12),
            at: prop::sample::Index,
            letter in "[a-z0-9]",
            how in 0..5,
        ) {
            let url = "https://desk.example.com/twilio/status?leg=c_7.1".to_owned();
            let text = |url: &str, pairs: &[(String, String)]| {
                let mut by_name: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
                for (name, value) in pairs {
                    by_name.entry(name).or_default().insert(value);
                }
                let tail = by_name.iter().flat_map(|(n, vs)| vs.iter().map(move |v| format!("{n}{v}")));
                std::iter::once(url.to_owned()).chain(tail).collect::<String>()
            };
            let signed = text(&url, &pairs);
            let signature = sign("12345", &signed);
            let (mut url, mut mutated, mut presented, mut token) = (url, pairs.clone(), signature.clone(), "12345");
            let swap = |text: &str| {
                let i = at.index(text.chars().count());
                text.chars().enumerate().map(|(n, c)| if n == i { letter.chars().next().unwrap() } else { c }).collect::<String>()
            };
            match how {
                0 => url = swap(&url),
                1 => {
                    let i = at.index(mutated.len());
                    mutated[i].1.push_str(&letter);
                }
                2 => {
                    mutated.remove(at.index(mutated.len()));
                }
                3 => presented = swap(&signature),
                _ => token = "12354",
            }
            prop_assume!(text(&url, &mutated) != signed || presented != signature || token != "12345");
            let pairs: Vec<_> = mutated.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            prop_assert!(!is_signed(&[key(token)], &url, &params(&pairs), presented.as_bytes()));
        }

        #[test]
        fn no_request_panics_the_door(
            path in "\\PC{0,80}",
            body: Vec<u8>,
            signature: Vec<u8>,
            kind in prop::sample::select(vec!["", FORM, "application/json", "text/plain"]),
            get: bool,
        ) {
            let mut headers = headers(None, kind);
            if let Ok(value) = HeaderValue::from_bytes(&signature) {
                headers.insert("X-Twilio-Signature", value);
            }
            let method = if get { Method::GET } else { Method::POST };
            prop_assert!(Verifier::new(&config("http://localhost")).open(&method, &path, &headers, &body, 4096).is_err());
        }
    }
}
