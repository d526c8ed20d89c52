//! One socket of the edge: what a browser says, step by step, and what it is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use super::frames::{Extra, HEARTBEAT, Said, error};
use super::outgoing::dial_in;
use super::{Claim, expired};
use crate::callers::{self, Caller};
use crate::switch::Switch;
use crate::token::{self, Identity, Unfit};
use crate::world::call::CallStatus;
use crate::world::{Effect, Program, Signal, World};

/// How often a browser hears of us. After 15 s of silence the SDK gives the socket up.
const BEAT: Duration = Duration::from_secs(5);
/// How long a browser may take nothing of what it is told; as long as the SDK waits for us.
const STUCK: Duration = Duration::from_secs(15);
/// The longest that a call outlives its socket, in seconds (the SDK asks for no more).
const LONGEST: f64 = 30.0;
/// Why whoever has shown no token may do nothing.
const NOBODY: &str = "nobody has said who this is";
/// The largest call message (Twilio docs: Voice SDK Call Message Events), in bytes.
const LONGEST_MESSAGE: usize = 10 * 1024;

struct Line {
    switch: Arc<Switch>,
    id: u64,
    who: Who,
    /// It has been told that the token has run out.
    told: bool,
    /// What it said while its network was down, and until when that is; it is heard of then, and so is all that follows.
    held: Option<Held>,
}

/// Whose socket it is.
enum Who {
    /// Nobody has said so yet.
    Unknown,
    /// A client, by its token.
    Client(Identity),
    /// A telephone of the public network, which calls so, and whose number was looked at when it was plugged in.
    Telephone(Caller),
}

struct Held {
    until: i64,
    token: String,
    patience: f64,
}

/// Serves a `Device`'s socket until it ends, or is cut off.
pub(crate) async fn serve(switch: Arc<Switch>, socket: WebSocket) {
    attend(switch, socket, Who::Unknown).await;
}

/// Serves a telephone, as [`serve`] does a `Device`. It says who it is by being there: `caller` is what it calls as.
pub(crate) async fn serve_telephone(switch: Arc<Switch>, socket: WebSocket, caller: Caller) {
    attend(switch, socket, Who::Telephone(caller)).await;
}

async fn attend(switch: Arc<Switch>, mut socket: WebSocket, who: Who) {
    let (id, mut frames, cut) = switch.edge(super::Edge::open);
    let mut line = Line {
        switch: switch.clone(),
        id,
        who,
        told: false,
        held: None,
    };
    if let Who::Telephone(caller) = &line.who {
        line.plug_in(&caller.from);
    }
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let text = tokio::select! {
            biased;
            () = switch.shutdown.cancelled() => break,
            () = cut.cancelled() => break,
            frame = frames.recv() => frame,
            _ = beat.tick() => Some(HEARTBEAT.to_owned()),
            () = line.expiry() => {
                line.told = true;
                line.say("error", &json!({ "error": expired() }));
                continue;
            }
            () = line.outage() => {
                line.back();
                continue;
            }
            said = socket.recv(), if line.held.is_none() => match said {
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
        // One that reads nothing must not keep us here.
        let sent = tokio::select! {
            biased;
            () = switch.shutdown.cancelled() => break,
            () = cut.cancelled() => break,
            sent = tokio::time::timeout(STUCK, socket.send(Message::text(text))) => sent,
        };
        if !matches!(sent, Ok(Ok(()))) {
            break;
        }
    }
    line.lost();
}

impl Who {
    /// Makes a call of theirs, and what it shall run.
    fn calls(
        &self,
        w: &mut World,
        mut params: BTreeMap<String, String>,
    ) -> Result<(String, Program), Unfit> {
        match self {
            Self::Unknown => Err(Unfit {
                code: 31204,
                why: NOBODY.to_owned(),
            }),
            Self::Client(identity) => dial_in(w, identity, &params),
            Self::Telephone(caller) => {
                let caller = Caller {
                    to: params.remove("To").unwrap_or_default(),
                    ..caller.clone()
                };
                callers::ring(w, &caller).map_err(|why| Unfit { code: 31404, why })
            }
        }
    }
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
            Said::Listen { token, patience } => self.listen(token, patience),
            Said::Register { media } => self.register(media.audio),
            Said::Invite {
                callsid,
                sdp,
                reconnect: Some(reconnect),
                ..
            } => self.reconnect(&callsid, &reconnect, &sdp).await,
            Said::Invite {
                callsid,
                sdp,
                twilio,
                reconnect: None,
            } => self.invite(callsid, &sdp, &twilio).await,
            Said::Answer { callsid, sdp } => self.answer(&callsid, &sdp).await,
            Said::Reject { callsid } => {
                self.reject(&callsid);
            }
            Said::Hangup { callsid } => self.hangup(&callsid),
            Said::Reinvite { callsid, sdp } => self.reinvite(&callsid, &sdp).await,
            Said::Dtmf { callsid, dtmf } => self.press(&callsid, dtmf),
            Said::Message {
                callsid,
                content,
                messagetype,
                voiceeventsid,
            } => self.message(&callsid, &content, &messagetype, &voiceeventsid),
        }
    }

    fn say(&self, kind: &str, payload: &Value) {
        self.switch.edge(|e| e.say(self.id, kind, payload));
    }

    fn meant(&self, name: &str) -> Option<String> {
        self.switch.edge(|e| e.meant(self.id, name))
    }

    /// A telephone is there, and can be rung by its number. It holds no token that could run out.
    fn plug_in(&self, number: &str) {
        let numbers: Vec<String> = self.switch.world(|w| {
            let numbers = w.account.numbers.iter();
            numbers.map(|n| n.e164.clone()).collect()
        });
        self.switch.edge(|e| {
            if let Some(socket) = e.sockets.get_mut(&self.id) {
                socket.identity = Some(number.to_owned());
                socket.incoming = true;
                socket.registered = true;
                socket.expires = i64::MAX;
            }
            e.say(self.id, "connected", &json!({ "numbers": numbers }));
        });
    }

    fn listen(&mut self, token: String, patience: f64) {
        if matches!(self.who, Who::Telephone(_)) {
            return self.wrong(31204, "a telephone has no token");
        }
        let checked = self
            .switch
            .world(|w| token::check(&token, &w.account, w.now));
        let identity = match checked {
            Ok(identity) => identity,
            Err(unfit) => return self.wrong(unfit.code, &unfit.why),
        };
        if matches!(&self.who, Who::Client(known) if known.name != identity.name) {
            return self.wrong(31204, "another token of this socket was somebody else's");
        }
        let now = self.switch.clock.now_ms();
        if let Some(until) = self.switch.edge(|e| e.is_down(&identity.name, now)) {
            // A socket that opened and closed again without a word would not look like a network: the SDK forgets then
            // that it was registered.
            self.held = Some(Held {
                until,
                token,
                patience,
            });
            return;
        }
        // A browser lives in real time, however fast the clock runs.
        let ttl = Duration::from_secs(identity.ttl.unsigned_abs());
        let connected = json!({
            "region": "us1", "home": "us1", "edge": "local", "gateway": "twin",
            "token": { "identity": identity.name, "ttl": self.switch.clock.real(ttl).as_secs() },
        });
        self.switch.edge(|e| {
            let Some(socket) = e.sockets.get_mut(&self.id) else {
                return;
            };
            socket.identity = Some(identity.name.clone());
            socket.incoming = identity.incoming;
            socket.expires = identity.expires;
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
        self.who = Who::Client(identity);
        self.told = false;
    }

    /// Until its network is up again; for ever, if it is.
    async fn outage(&self) {
        match &self.held {
            Some(held) => self.until(held.until).await,
            None => std::future::pending().await,
        }
    }

    fn back(&mut self) {
        if let Some(held) = self.held.take() {
            self.listen(held.token, held.patience);
        }
    }

    async fn until(&self, moment: i64) {
        let left = (moment - self.switch.clock.now_ms()).max(0);
        let left = Duration::from_millis(left.unsigned_abs());
        self.switch.clock.sleep(left).await;
    }

    fn wrong(&self, code: u32, why: &str) {
        self.say("error", &json!({ "error": error(code, why) }));
    }

    /// Until the token runs out; for ever, if it has and that was said.
    async fn expiry(&self) {
        match &self.who {
            Who::Client(identity) if !self.told => self.until(identity.expires).await,
            _ => std::future::pending().await,
        }
    }

    fn is_expired(&self) -> bool {
        let now = self.switch.clock.now_ms();
        self.switch.edge(|e| e.is_expired(self.id, now))
    }

    fn register(&self, on: bool) {
        if matches!(self.who, Who::Unknown) {
            // As at Twilio, by what the SDK says of it.
            return self.wrong(31204, NOBODY);
        }
        if on && self.is_expired() {
            return self.say("error", &json!({ "error": expired() }));
        }
        self.switch.edge(|e| {
            if let Some(socket) = e.sockets.get_mut(&self.id) {
                socket.registered = on;
            }
            e.say(self.id, if on { "ready" } else { "offline" }, &json!({}));
        });
    }

    /// A call does not come about, or is not theirs.
    fn refuse(&self, name: &str, code: u32, why: &str) {
        let hangup = json!({ "callsid": name, "error": error(code, why) });
        self.say("hangup", &hangup);
    }

    /// A call out.
    async fn invite(&self, temporary: String, offer: &str, twilio: &Extra) {
        if matches!(self.who, Who::Unknown) {
            return self.refuse(&temporary, 31204, NOBODY);
        }
        if self.meant(&temporary).is_some() {
            return; // said again over a socket that was slow
        }
        if self.is_expired() {
            return self.say(
                "hangup",
                &json!({ "callsid": temporary, "error": expired() }),
            );
        }
        if self.switch.edge(|e| e.is_busy(self.id)) {
            return self.refuse(&temporary, 31206, "too many calls at once");
        }
        let stage = match self.switch.sound.stage(&self.switch) {
            Ok(stage) => stage,
            Err(why) => return self.refuse(&temporary, 31005, &why),
        };
        let params = twilio.params();
        let made = self.switch.world(|w| {
            let (sid, program) = self.who.calls(w, params)?;
            if let Some(call) = w.call_mut(&sid) {
                call.browser = true;
            }
            let reconnect = w.sid("RC");
            self.switch
                .edge(|e| e.dialled(&sid, self.id, temporary.clone(), reconnect));
            Ok::<_, Unfit>((sid, program))
        });
        let (sid, program) = match made {
            Ok(made) => made,
            Err(unfit) => return self.refuse(&temporary, unfit.code, &unfit.why),
        };
        match stage.accept(&sid, offer).await {
            Ok(answer) => {
                self.switch.edge(|e| e.agreed(&sid, offer, answer));
                // It may have hung up already: then there is nothing to start.
                self.switch.world(|w| {
                    if w.is_live(&sid) {
                        w.effect(Effect::Start { call: sid, program });
                    }
                });
            }
            Err(why) => {
                let why = why.to_string();
                self.switch.edge(|e| e.forget(&sid));
                self.refuse(&temporary, 31400, &why);
                self.switch.world(|w| {
                    w.note(&sid, 31400, why, "");
                    w.finish(&sid, CallStatus::Failed, Some(488));
                });
            }
        }
    }

    /// A call that another socket spoke for, or was rung over, is spoken for by this one.
    async fn reconnect(&self, sid: &str, token: &str, sdp: &str) {
        let not_theirs = || self.refuse(sid, 31209, "this call cannot be reconnected");
        if matches!(self.who, Who::Unknown) {
            return not_theirs();
        }
        let claim = self.switch.edge(|e| e.claim(sid, self.id, token, sdp));
        let party = match claim {
            None => return not_theirs(),
            Some(Claim::Again) => return,
            Some(Claim::Elsewhere(party)) => party,
        };
        let Ok(stage) = self.switch.sound.stage(&self.switch) else {
            return not_theirs();
        };
        let answer = match stage.accept(&party, sdp).await {
            Ok(answer) => answer,
            Err(why) => return self.refuse(sid, 31400, &why.to_string()),
        };
        let both = (sdp, answer.as_str());
        match self.switch.edge(|e| e.moved(sid, self.id, &party, both)) {
            None => {
                stage.gone(&party);
                not_theirs();
            }
            Some((others, rang)) => {
                for party in &others {
                    stage.gone(party);
                }
                if rang {
                    self.switch.world(|w| w.tell(sid, Signal::PickUp));
                }
            }
        }
    }

    /// A call that rings is taken.
    async fn answer(&self, sid: &str, answer: &str) {
        let Ok(stage) = self.switch.sound.stage(&self.switch) else {
            return;
        };
        let Some(party) = self.switch.edge(|e| e.fork(sid, self.id)) else {
            if self.meant(sid).is_none() {
                // Somebody else was faster, or it is over.
                self.say("hangup", &json!({ "callsid": sid }));
            }
            return;
        };
        if let Err(why) = stage.answered(&party, answer).await {
            self.refuse(sid, 31400, &why.to_string());
            self.reject(sid);
            return;
        }
        if let Some(others) = self.switch.edge(|e| e.taken(sid, self.id, answer)) {
            for party in &others {
                stage.gone(party);
            }
            self.switch.world(|w| w.tell(sid, Signal::PickUp));
        }
    }

    /// A call that rings here is not wanted. False: none of that name does.
    fn reject(&self, sid: &str) -> bool {
        let refused = self.switch.edge(|e| e.refused(sid, self.id));
        let Some((party, by_all)) = refused else {
            return false;
        };
        self.switch.sound.gone(&party);
        if by_all {
            self.switch
                .world(|w| w.finish(sid, CallStatus::Busy, Some(603)));
        }
        true
    }

    fn hangup(&self, name: &str) {
        if self.reject(name) {
            return; // it was rung, and had not answered
        }
        let Some(sid) = self.meant(name) else {
            return;
        };
        self.switch.edge(|e| {
            // It knows: what it did itself is not told back.
            if let Some(leg) = e.legs.get_mut(&sid) {
                leg.socket = None;
            }
        });
        self.switch
            .world(|w| w.finish(&sid, CallStatus::Completed, None));
    }

    /// A call message is for whoever has subscribed to them.
    fn message(&self, name: &str, content: &Value, kind: &str, id: &str) {
        let refused = |code, why| {
            let error = error(code, why);
            self.say(
                "error",
                &json!({ "callsid": name, "voiceeventsid": id, "error": error }),
            );
        };
        if self.meant(name).is_none() {
            return refused(31404, "there is no such call");
        }
        if kind != "user-defined-message" {
            return refused(31210, "there is no such type of message");
        }
        if content.to_string().len() > LONGEST_MESSAGE {
            return refused(31212, "the message is too long");
        }
        self.say(
            "ack",
            &json!({ "acktype": "message", "callsid": name, "voiceeventsid": id }),
        );
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
        let left = self.switch.edge(|e| e.close(self.id));
        left.parties.iter().for_each(|p| self.switch.sound.gone(p));
        for (sid, loss) in left.calls {
            let me = self.switch.clone();
            self.switch.spawn(async move {
                // A network's time, not the clock's.
                tokio::time::sleep(Duration::from_secs(left.patience)).await;
                if me.edge(|e| e.is_lost(&sid, loss)) {
                    me.world(|w| w.finish(&sid, CallStatus::Completed, None));
                }
            });
        }
    }
}
