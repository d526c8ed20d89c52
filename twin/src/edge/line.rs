//! One socket of the edge: what a browser says, step by step, and what it is told.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use super::frames::{Extra, HEARTBEAT, Said, error};
use super::outgoing::dial_in;
use crate::switch::Switch;
use crate::token::{self, Identity};
use crate::world::call::CallStatus;
use crate::world::{Effect, Signal};

/// How often a browser hears of us. After 15 s of silence the SDK gives the socket up.
const BEAT: Duration = Duration::from_secs(5);
/// The longest that a call outlives its socket, in seconds (the SDK asks for no more).
const LONGEST: f64 = 30.0;

struct Line {
    switch: Arc<Switch>,
    id: u64,
    /// Who its token says it is.
    identity: Option<Identity>,
}

/// Serves a browser's socket until it ends, or is cut off.
pub(crate) async fn serve(switch: Arc<Switch>, mut socket: WebSocket) {
    let (id, mut frames, cut) = switch.edge(super::Edge::open);
    let mut line = Line {
        switch: switch.clone(),
        id,
        identity: None,
    };
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let text = tokio::select! {
            biased;
            () = switch.shutdown.cancelled() => break,
            () = cut.cancelled() => break,
            frame = frames.recv() => frame,
            _ = beat.tick() => Some(HEARTBEAT.to_owned()),
            said = socket.recv() => match said {
                Some(Ok(Message::Text(text))) => {
                    if text.as_str() != HEARTBEAT {
                        line.hear(&text).await;
                    }
                    continue;
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => continue,
            },
        };
        let Some(text) = text else { break };
        if socket.send(Message::text(text)).await.is_err() {
            break;
        }
    }
    line.lost();
}

impl Line {
    async fn hear(&mut self, text: &str) {
        let said = match serde_json::from_str::<Said>(text) {
            Ok(said) => said,
            Err(why) => {
                tracing::debug!(%why, "a browser said something unknown");
                return;
            }
        };
        match said {
            Said::Listen { token, patience } => self.listen(&token, patience),
            Said::Register { media } => self.register(media.audio),
            Said::Invite {
                callsid,
                reconnect: Some(reconnect),
                ..
            } => self.reconnect(&callsid, &reconnect),
            Said::Invite {
                callsid,
                sdp,
                twilio,
                reconnect: None,
            } => self.invite(callsid, &sdp, &twilio).await,
            Said::Answer { callsid, sdp } => self.answer(&callsid, &sdp).await,
            Said::Reject { callsid } => self.reject(&callsid),
            Said::Hangup { callsid } => self.hangup(&callsid),
            Said::Reinvite { callsid, sdp } => self.reinvite(&callsid, &sdp).await,
            Said::Dtmf { callsid, dtmf } => self.press(&callsid, dtmf),
            Said::Message {
                callsid,
                voiceeventsid,
            } => self.say(
                "ack",
                &json!({ "acktype": "message", "callsid": callsid, "voiceeventsid": voiceeventsid }),
            ),
        }
    }

    fn say(&self, kind: &str, payload: &Value) {
        self.switch.edge(|e| e.say(self.id, kind, payload));
    }

    fn meant(&self, name: &str) -> Option<String> {
        self.switch.edge(|e| e.meant(self.id, name))
    }

    fn listen(&mut self, token: &str, patience: f64) {
        let checked = self
            .switch
            .world(|w| token::check(token, &w.account, w.now));
        let identity = match checked {
            Ok(identity) => identity,
            Err(unfit) => {
                self.say("error", &json!({ "error": error(unfit.code, &unfit.why) }));
                return;
            }
        };
        let now = self.switch.clock.now_ms();
        let connected = json!({
            "region": "us1", "home": "us1", "edge": "local", "gateway": "twin",
            "token": { "identity": identity.name, "ttl": identity.ttl },
        });
        self.switch.edge(|e| {
            let down = e.down.get(&identity.name).is_some_and(|until| *until > now);
            let Some(socket) = e.sockets.get_mut(&self.id) else {
                return;
            };
            if down {
                socket.cut.cancel();
                return;
            }
            socket.identity = Some(identity.name.clone());
            socket.incoming = identity.incoming;
            socket.tokens += 1;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 0 and 30"
            )]
            let seconds = patience.clamp(0.0, LONGEST) as u64;
            socket.patience = seconds;
            e.say(self.id, "connected", &connected);
        });
        self.identity = Some(identity);
    }

    fn register(&self, on: bool) {
        if self.identity.is_none() {
            return;
        }
        self.switch.edge(|e| {
            if let Some(socket) = e.sockets.get_mut(&self.id) {
                socket.registered = on;
            }
            e.say(self.id, if on { "ready" } else { "offline" }, &json!({}));
        });
    }

    /// A call out.
    async fn invite(&self, temporary: String, offer: &str, twilio: &Extra) {
        let refused = |code: u32, why: &str| {
            self.say(
                "hangup",
                &json!({ "callsid": temporary, "error": error(code, why) }),
            );
        };
        let Some(identity) = &self.identity else {
            return refused(31204, "nobody has said who this is");
        };
        if self.meant(&temporary).is_some() {
            return; // said again over a socket that was slow
        }
        let stage = match self.switch.sound.stage(&self.switch) {
            Ok(stage) => stage,
            Err(why) => return refused(31005, &why),
        };
        let params = twilio.params();
        let made = self.switch.world(|w| {
            let (sid, program) = dial_in(w, identity, &params)?;
            if let Some(call) = w.call_mut(&sid) {
                call.browser = true;
            }
            let reconnect = w.sid("RC");
            self.switch
                .edge(|e| e.dialled(&sid, self.id, temporary.clone(), reconnect));
            Ok::<_, token::Unfit>((sid, program))
        });
        let (sid, program) = match made {
            Ok(made) => made,
            Err(unfit) => return refused(unfit.code, &unfit.why),
        };
        match stage.accept(&sid, offer).await {
            Ok(answer) => {
                self.switch.edge(|e| e.agreed(&sid, answer));
                // It may have hung up already: then there is nothing to start.
                self.switch.world(|w| {
                    if w.is_live(&sid) {
                        w.effect(Effect::Start { call: sid, program });
                    }
                });
            }
            Err(why) => {
                tracing::debug!(%sid, %why, "a browser's offer cannot be answered");
                self.switch.world(|w| {
                    w.note(&sid, 31400, why.to_string(), "");
                    w.finish(&sid, CallStatus::Failed, Some(488));
                });
            }
        }
    }

    /// A call whose socket was lost is spoken for by this one.
    fn reconnect(&self, sid: &str, reconnect: &str) {
        if !self.switch.edge(|e| e.reattached(sid, self.id, reconnect)) {
            let why = error(31209, "this call cannot be reconnected");
            self.say("hangup", &json!({ "callsid": sid, "error": why }));
        }
    }

    /// A call that rings is taken.
    async fn answer(&self, sid: &str, answer: &str) {
        let Ok(stage) = self.switch.sound.stage(&self.switch) else {
            return;
        };
        let Some(party) = self.switch.edge(|e| e.fork(sid, self.id)) else {
            return; // somebody else was faster, and it has been told so
        };
        if let Err(why) = stage.answered(&party, answer).await {
            let why = error(31400, &why.to_string());
            self.say("hangup", &json!({ "callsid": sid, "error": why }));
            return self.reject(sid);
        }
        if let Some(others) = self.switch.edge(|e| e.taken(sid, self.id)) {
            for party in &others {
                stage.gone(party);
            }
            self.switch.world(|w| w.tell(sid, Signal::PickUp));
        }
    }

    fn reject(&self, sid: &str) {
        if self.switch.edge(|e| e.refused(sid, self.id)) {
            self.switch
                .world(|w| w.finish(sid, CallStatus::Busy, Some(603)));
        }
    }

    fn hangup(&self, name: &str) {
        let Some(sid) = self.meant(name) else {
            return;
        };
        if self.switch.edge(|e| e.fork(&sid, self.id)).is_some() {
            return self.reject(&sid); // it was rung, and has not answered
        }
        self.switch.edge(|e| {
            // It knows: what it did itself is not told back.
            if let Some(leg) = e.legs.get_mut(&sid) {
                leg.socket = None;
            }
        });
        self.switch
            .world(|w| w.finish(&sid, CallStatus::Completed, None));
    }

    async fn reinvite(&self, name: &str, offer: &str) {
        let Some(sid) = self.meant(name) else {
            return;
        };
        let Ok(stage) = self.switch.sound.stage(&self.switch) else {
            return;
        };
        let party = self.switch.edge(|e| e.party(&sid).to_owned());
        match stage.accept(&party, offer).await {
            Ok(sdp) => self.say("answer", &json!({ "callsid": sid, "sdp": sdp })),
            Err(why) => tracing::debug!(%sid, %why, "ICE cannot be restarted"),
        }
    }

    fn press(&self, name: &str, keys: String) {
        if let Some(sid) = self.meant(name)
            && keys.len() <= 64
            && keys
                .bytes()
                .all(|k| k.is_ascii_digit() || b"*#w".contains(&k))
        {
            self.switch.world(|w| w.tell(&sid, Signal::Digits(keys)));
        }
    }

    /// The socket is gone. Its calls are kept for a while, in case it comes back.
    fn lost(&self) {
        for (sid, patience) in self.switch.edge(|e| e.close(self.id)) {
            let me = self.switch.clone();
            self.switch.spawn(async move {
                // A network's time, not the clock's.
                tokio::time::sleep(Duration::from_secs(patience)).await;
                if me.edge(|e| e.is_lost(&sid)) {
                    me.world(|w| w.finish(&sid, CallStatus::Completed, None));
                }
            });
        }
    }
}
