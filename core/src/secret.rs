//! What nobody should read who reads a log: passwords, tokens, and codes that open a door.

use std::{fmt, ops::Deref};

use serde::{Deserialize, Serialize};

/// A text for whoever it is said to, and for nobody who prints what it is part of. It travels as it is.
///
/// It is not wiped from memory: what this protects from is a `{:?}` in passing, of which the type is there to be
/// forgotten.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Deref for Secret {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        secret.0
    }
}

#[cfg(test)]
mod tests {
    use serde::{Serialize, de::DeserializeOwned};
    use serde_json::{Value, json};

    use crate::{
        api::{
            InvitationLook, Invited, Join, Newcomer, PairingClaim, PairingClaimed, PairingMade,
            PairingPoll, PasswordChange, Renew, Reset, ResetMade, Setup, SignIn, Ticket, Tokens,
        },
        wire::{PhoneServerMsg, PhoneState},
    };

    /// It travels with what is secret in it, and is printed without.
    #[track_caller]
    fn keeps<T: Serialize + DeserializeOwned + std::fmt::Debug>(said: &Value) {
        let read: T = serde_json::from_value(said.clone()).unwrap();
        let sent = serde_json::to_string(&read).unwrap();
        let shown = format!("{read:?} {read:#?}");
        for secret in ["copper lantern", "another lantern", "BBBB-BBBB"] {
            let there = said.to_string().contains(secret);
            assert_eq!(sent.contains(secret), there, "{sent}");
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains('…'), "{shown}");
    }

    #[test]
    fn what_is_printed_in_passing_names_no_password_token_or_code() {
        let (word, code) = ("copper lantern", "BBBB-BBBB");
        let link = "https://example.com/join#BBBB-BBBB";
        let until = "2026-01-01T09:41:07.000Z";
        let me = json!({ "id": "u1", "name": "Ada", "role": "admin", "rights": [] });
        let ada = json!({ "name": "Ada", "email": "ada@example.com", "password": word, "extension": "101" });
        let invitation = json!({ "id": "0123456789abcdef", "role": "agent", "grants": [], "groups": [], "name": "", "email": null,
                                 "extension": null, "by": "u1", "since": until, "expires": until });
        keeps::<SignIn>(&json!({ "email": "ada@example.com", "password": word }));
        keeps::<Renew>(&json!({ "refresh": word }));
        keeps::<Newcomer>(&ada);
        keeps::<Setup>(&json!({ "code": code, "person": ada }));
        keeps::<Join>(&json!({ "code": code, "person": ada }));
        keeps::<InvitationLook>(&json!({ "code": code }));
        keeps::<Reset>(&json!({ "code": code, "password": word }));
        keeps::<PasswordChange>(&json!({ "current": word, "password": "another lantern" }));
        keeps::<PairingClaim>(&json!({ "code": code, "device": "Firefox" }));
        keeps::<PairingPoll>(&json!({ "device_code": word }));
        keeps::<Tokens>(
            &json!({ "access": word, "expires_in": 600, "refresh": "another lantern",
                                 "session": "0123456789abcdef", "me": me }),
        );
        keeps::<Invited>(&json!({ "invitation": invitation, "code": code, "link": link }));
        keeps::<ResetMade>(&json!({ "code": code, "expires": until }));
        keeps::<PairingMade>(
            &json!({ "id": "0123456789abcdef", "code": code, "link": link, "expires_in": 600 }),
        );
        keeps::<PairingClaimed>(
            &json!({ "device_code": word, "check": "42", "interval": 2, "expires_in": 600 }),
        );
        keeps::<Ticket>(&json!({ "ticket": word, "expires_in": 30 }));
        keeps::<PhoneServerMsg>(
            &json!({ "t": "welcome", "version": 2, "identity": "u1", "token": word, "expires": until }),
        );
        keeps::<PhoneServerMsg>(&json!({ "t": "token", "token": word, "expires": until }));
        keeps::<PhoneState>(
            &json!({ "offers": [], "seat": { "call": "c_00000000000000000000000000",
                                     "leg": "c_00000000000000000000000000.1", "ticket": word, "joined": false } }),
        );
    }
}
