//! A call to a browser: every `Device` of an identity, or telephone of a number, is rung at once, and the first to answer
//! has it.
//!
//! It is a part of the call's program ([`crate::legs`]) that speaks to sockets instead of a telephone: each is offered
//! sound of its own, and whichever picks up is told apart by the edge. What becomes of the call afterwards is not known
//! here. Next: `edge.rs` (who is rung, and who has answered), `sound.rs` (what is offered).

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::legs::{Break, Leg, Step};
use crate::world::call::CallStatus;
use crate::world::{Dial, Signal};

impl Leg {
    /// Rings wherever an identity is registered, until one of its browsers answers. False: it is registered nowhere.
    pub(crate) async fn ring_browsers(
        &mut self,
        dial: &Dial,
        identity: &str,
        to: &str,
    ) -> Step<bool> {
        let sockets = {
            let now = self.switch.clock.now_ms();
            self.switch.edge(|e| e.ringable(identity, now))
        };
        if sockets.is_empty() {
            return Ok(false);
        }
        let Ok(stage) = self.switch.sound.stage(&self.switch) else {
            return Ok(false);
        };
        let about = self.switch.world(|w| {
            let reconnect = w.sid("RC");
            if let Some(call) = w.call_mut(&self.sid) {
                call.browser = true;
            }
            self.switch.edge(|e| e.rings(&self.sid, reconnect));
            w.progress(&self.sid, CallStatus::Ringing);
            let from = w.call(&self.sid).map(|c| c.from.clone());
            // What follows the identity is the page's to read, and the document's parameters are.
            let params = to.split_once('?').map_or("", |(_, params)| params);
            let params = page_params(params, &dial.parameters);
            serde_json::json!({
                "From": from, "To": to.split('?').next(), "CallSid": self.sid,
                "AccountSid": w.account.credentials.account_sid, "ApiVersion": "2010-04-01", "Params": params,
            })
        });
        let mut rung = 0;
        for (n, socket) in sockets.into_iter().enumerate() {
            let party = format!("{}/{n}", self.sid);
            match stage.offer(&party).await {
                Ok(offer) => {
                    self.switch
                        .edge(|e| e.invite(&self.sid, socket, party, &offer, &about));
                    rung += 1;
                }
                Err(why) => tracing::debug!(%why, "a browser cannot be rung"),
            }
        }
        if rung == 0 {
            return Err(self.end(CallStatus::Failed, 480));
        }
        let patience = Duration::from_secs(dial.timeout);
        if !self.picked_up {
            self.pass_until(patience, |s| *s == Signal::PickUp).await?;
        }
        if !self.picked_up {
            return Err(self.end(CallStatus::NoAnswer, 487));
        }
        if !self.switch.world(|w| w.answer(&self.sid)) {
            return Err(Break::Over);
        }
        Ok(true)
    }
}

/// Parameters for a page, as the SDK reads them: it splits the text and decodes the values. One that it can't decode
/// would break the page.
fn page_params(query: &str, more: &[(String, String)]) -> String {
    let of_query = query.split('&').filter(|pair| !pair.is_empty());
    let of_query = of_query.map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = value.replace('+', " ");
        let value = percent_decode_str(&value).decode_utf8_lossy().into_owned();
        (key.to_owned(), value)
    });
    let pairs: Vec<String> = of_query
        .chain(more.iter().cloned())
        .map(|(key, value)| format!("{key}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC)))
        .collect();
    pairs.join("&")
}
