//! The words of the Voice SDK's signalling ("PStream" 1.6), as the SDK reads and writes them: JSON in text frames,
//! `{"type","version","payload"}`, and a lone line feed as the heartbeat (`@twilio/voice-sdk` 2.18.5,
//! `lib/twilio/pstream.ts` and `wstransport.ts`). A frame that cannot be read is passed over, as unknown ones are at
//! the other end.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

/// The heartbeat, both ways.
pub(super) const HEARTBEAT: &str = "\n";

/// From a browser.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", content = "payload", rename_all = "lowercase")]
pub(super) enum Said {
    /// The first frame on every socket, and again with a new token.
    Listen {
        token: String,
        /// Seconds that a call may outlive its socket.
        #[serde(rename = "reconnectTimeout", default)]
        patience: f64,
    },
    Register {
        media: Media,
    },
    /// A call out; or, with `reconnect`, a call whose socket is another now.
    Invite {
        callsid: String,
        #[serde(default)]
        sdp: String,
        #[serde(default)]
        reconnect: Option<String>,
        #[serde(default)]
        twilio: Extra,
    },
    Answer {
        callsid: String,
        sdp: String,
    },
    Reject {
        callsid: String,
    },
    Hangup {
        callsid: String,
    },
    /// ICE is restarted.
    Reinvite {
        callsid: String,
        sdp: String,
    },
    /// Keys, where telephone events were not agreed on.
    Dtmf {
        callsid: String,
        dtmf: String,
    },
    /// A call message.
    Message {
        callsid: String,
        #[serde(default)]
        content: Value,
        #[serde(default)]
        messagetype: String,
        #[serde(default)]
        voiceeventsid: String,
    },
}

#[derive(Debug, Deserialize)]
pub(super) struct Media {
    pub(super) audio: bool,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Extra {
    #[serde(default)]
    params: Option<String>,
}

impl Extra {
    /// What the page gave to `connect`.
    pub(super) fn params(&self) -> BTreeMap<String, String> {
        let text = self.params.as_deref().unwrap_or_default();
        form_urlencoded::parse(text.as_bytes())
            .into_owned()
            .collect()
    }
}

/// To a browser.
pub(super) fn frame(kind: &str, payload: &Value) -> String {
    json!({ "type": kind, "version": "1.6", "payload": payload }).to_string()
}

/// Of the certificate in a session description: whoever has the same is the same peer connection. Empty: there is none.
pub(super) fn fingerprint(sdp: &str) -> &str {
    let mut lines = sdp.lines();
    let found = lines.find_map(|line| line.strip_prefix("a=fingerprint:"));
    found.unwrap_or_default().trim()
}

/// Why a call or a socket is in trouble, as the SDK reads it.
pub(super) fn error(code: u32, message: &str) -> Value {
    json!({ "code": code, "message": message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_the_sdk_writes_them() {
        let read = |text: &str| serde_json::from_str::<Said>(text);
        let listen = r#"{"type":"listen","version":"1.6","payload":{"browserinfo":{"p":"browser"},"reconnectTimeout":30,"token":"t"}}"#;
        assert!(
            matches!(read(listen), Ok(Said::Listen { token, patience }) if token == "t" && patience > 29.0)
        );
        let invite = r#"{"type":"invite","version":"1.6","payload":{"callsid":"TJS1","sdp":"v=0","twilio":{"params":"To=%2B15557654321&caseId=a%20b%26c%3D%C3%A9"}}}"#;
        let Ok(Said::Invite { twilio, .. }) = read(invite) else {
            panic!("{:?}", read(invite));
        };
        let params = twilio.params();
        assert_eq!(params["To"], "+15557654321");
        assert_eq!(params["caseId"], "a b&c=é");
        // Without parameters the object is empty.
        let bare = r#"{"type":"invite","payload":{"callsid":"TJS1","sdp":"v=0","twilio":{}}}"#;
        assert!(
            matches!(read(bare), Ok(Said::Invite { twilio, .. }) if twilio.params().is_empty())
        );
        assert!(read(r#"{"type":"sing","payload":{}}"#).is_err());
        assert!(read("7").is_err());
    }
}
