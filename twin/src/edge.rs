//! Twilio's edge for browsers: the signalling of the Voice SDK at `/signal`, so that an unmodified SDK registers,
//! calls, is called and hears.
//!
//! A socket is one `Device`. A browser's call is a call of the world like any other; what is kept here is which
//! socket speaks for it, and what was agreed about its sound. Nothing here decides what becomes of a call: what a
//! browser says becomes a step of the world, and what the world says of a browser's call becomes a frame. A call
//! outlives its socket for as long as the SDK asked for when it came ([`frames::Said::Listen`]).
//!
//! What the server side of this protocol says is known from the SDK that reads it, not from Twilio's own. Next:
//! `edge/frames.rs` (the words), `edge/line.rs` (a socket), `sound.rs` (what is heard).

pub(crate) mod frames;
pub(crate) mod line;
pub(crate) mod outgoing;

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::world::call::{Call, CallStatus};
use frames::{error, frame};

/// How many frames a browser may be behind with. One that reads nothing is cut off.
const FRAMES: usize = 256;

/// Who is connected, and which calls are browsers'.
#[derive(Debug, Default)]
pub(crate) struct Edge {
    sockets: BTreeMap<u64, Socket>,
    legs: HashMap<String, BrowserLeg>,
    last: u64,
    /// Until when a browser's network is down, by identity; on purpose. Milliseconds since 1970.
    down: HashMap<String, i64>,
}

/// One `Device`.
#[derive(Debug)]
struct Socket {
    out: mpsc::Sender<String>,
    /// Cuts it off, as a network does: without a word.
    cut: CancellationToken,
    /// Since it has shown a token.
    identity: Option<String>,
    /// Whether that token lets it be rung.
    incoming: bool,
    registered: bool,
    /// Seconds that its calls may outlive it.
    patience: u64,
    /// How many tokens it has shown.
    tokens: u32,
}

/// What is known of a browser's call beside what the world knows.
#[derive(Debug)]
struct BrowserLeg {
    /// The socket that speaks for it; none: it is lost, and may come back.
    socket: Option<u64>,
    /// What the browser called it before it knew better.
    temporary: Option<String>,
    /// What the browser must bring to speak for it over another socket.
    reconnect: String,
    /// The answer to the browser's offer, until it is sent.
    answer: Option<String>,
    /// Where it rings: the sockets, each with what its sound is called on the stage.
    forks: Vec<(u64, String)>,
    /// What its sound is called on the stage.
    party: String,
}

impl Edge {
    /// A socket has opened.
    fn open(&mut self) -> (u64, mpsc::Receiver<String>, CancellationToken) {
        let (out, frames) = mpsc::channel(FRAMES);
        let cut = CancellationToken::new();
        self.last += 1;
        let socket = Socket {
            out,
            cut: cut.clone(),
            identity: None,
            incoming: false,
            registered: false,
            patience: 0,
            tokens: 0,
        };
        self.sockets.insert(self.last, socket);
        (self.last, frames, cut)
    }

    /// A socket is gone. The calls that it spoke for, and for how many seconds they are kept.
    fn close(&mut self, id: u64) -> Vec<(String, u64)> {
        let patience = self.sockets.remove(&id).map_or(0, |s| s.patience);
        let mut lost = Vec::new();
        for (sid, leg) in &mut self.legs {
            leg.forks.retain(|(socket, _)| *socket != id);
            if leg.socket == Some(id) {
                leg.socket = None;
                lost.push((sid.clone(), patience));
            }
        }
        lost.sort();
        lost
    }

    fn say(&self, socket: u64, kind: &str, payload: &Value) {
        let Some(socket) = self.sockets.get(&socket) else {
            return;
        };
        if socket.out.try_send(frame(kind, payload)).is_err() {
            // It reads nothing: as good as gone.
            socket.cut.cancel();
        }
    }

    /// The call that a browser means: by its real name, or by the one it gave it.
    fn meant(&self, socket: u64, name: &str) -> Option<String> {
        let of = |leg: &BrowserLeg| {
            leg.socket == Some(socket) || leg.forks.iter().any(|(s, _)| *s == socket)
        };
        if self.legs.get(name).is_some_and(of) {
            return Some(name.to_owned());
        }
        let own = |leg: &&BrowserLeg| of(leg) && leg.temporary.as_deref() == Some(name);
        let found = self.legs.iter().find(|(_, leg)| own(leg));
        found.map(|(sid, _)| sid.clone())
    }

    /// A browser's call out, whose sound is being agreed on.
    fn dialled(&mut self, sid: &str, socket: u64, temporary: String, reconnect: String) {
        let leg = BrowserLeg {
            socket: Some(socket),
            temporary: Some(temporary),
            reconnect,
            answer: None,
            forks: Vec::new(),
            party: sid.to_owned(),
        };
        self.legs.insert(sid.to_owned(), leg);
        self.say(socket, "ringing", &json!({ "callsid": sid }));
    }

    /// The sound of a call out is agreed on; the browser learns it with the answer.
    fn agreed(&mut self, sid: &str, sdp: String) {
        if let Some(leg) = self.legs.get_mut(sid) {
            leg.answer = Some(sdp);
        }
    }

    /// The sockets at which an identity can be rung.
    pub(crate) fn ringable(&self, identity: &str) -> Vec<u64> {
        let there =
            |s: &&Socket| s.registered && s.incoming && s.identity.as_deref() == Some(identity);
        let sockets = self.sockets.iter();
        sockets
            .filter(|(_, s)| there(s))
            .map(|(id, _)| *id)
            .collect()
    }

    /// A call begins to ring in browsers.
    pub(crate) fn rings(&mut self, sid: &str, reconnect: String) {
        let leg = BrowserLeg {
            socket: None,
            temporary: None,
            reconnect,
            answer: None,
            forks: Vec::new(),
            party: sid.to_owned(),
        };
        self.legs.insert(sid.to_owned(), leg);
    }

    /// It rings in one more.
    pub(crate) fn invite(
        &mut self,
        sid: &str,
        socket: u64,
        party: String,
        sdp: &str,
        about: &Value,
    ) {
        let Some(leg) = self.legs.get_mut(sid) else {
            return;
        };
        leg.forks.push((socket, party));
        let reconnect = leg.reconnect.clone();
        let invite =
            json!({ "callsid": sid, "sdp": sdp, "parameters": about, "reconnect": reconnect });
        self.say(socket, "invite", &invite);
    }

    /// What the sound of a ringing call is called at that socket.
    fn fork(&self, sid: &str, socket: u64) -> Option<String> {
        let forks = &self.legs.get(sid)?.forks;
        let fork = forks.iter().find(|(s, _)| *s == socket);
        fork.map(|(_, party)| party.clone())
    }

    /// A browser has taken a call that rings. The others are told so; what their sound was called comes back. None:
    /// it rings there no more.
    fn taken(&mut self, sid: &str, socket: u64) -> Option<Vec<String>> {
        let leg = self.legs.get_mut(sid)?;
        let at = leg.forks.iter().position(|(s, _)| *s == socket)?;
        let (_, party) = leg.forks.remove(at);
        (leg.socket, leg.party) = (Some(socket), party);
        let others = std::mem::take(&mut leg.forks);
        let reconnect = leg.reconnect.clone();
        for (other, _) in &others {
            self.say(*other, "cancel", &json!({ "callsid": sid }));
        }
        let taken = json!({ "callsid": sid, "reconnect": reconnect });
        self.say(socket, "answer", &taken);
        Some(others.into_iter().map(|(_, party)| party).collect())
    }

    /// A browser does not want a call that rings. Whether it rings nowhere now.
    fn refused(&mut self, sid: &str, socket: u64) -> bool {
        let Some(leg) = self.legs.get_mut(sid) else {
            return false;
        };
        leg.forks.retain(|(s, _)| *s != socket);
        leg.forks.is_empty() && leg.socket.is_none()
    }

    /// A browser speaks for its call over another socket, if it can prove that the call is its own.
    fn reattached(&mut self, sid: &str, socket: u64, reconnect: &str) -> bool {
        let Some(leg) = self.legs.get_mut(sid).filter(|l| l.reconnect == reconnect) else {
            return false;
        };
        leg.socket = Some(socket);
        // What it missed, or nothing new: that is for the SDK to say.
        let sdp = leg.answer.take();
        let mut answer = json!({ "callsid": sid, "reconnect": reconnect });
        if let Some(sdp) = sdp {
            answer["sdp"] = json!(sdp);
        }
        self.say(socket, "answer", &answer);
        true
    }

    /// Whether nobody speaks for a call any more.
    fn is_lost(&self, sid: &str) -> bool {
        self.legs.get(sid).is_some_and(|leg| leg.socket.is_none())
    }

    /// What a call's sound is called on the stage.
    pub(crate) fn party<'a>(&'a self, sid: &'a str) -> &'a str {
        self.legs.get(sid).map_or(sid, |leg| &leg.party)
    }

    /// The world has answered a browser's call.
    pub(crate) fn answered(&mut self, sid: &str) {
        let Some(leg) = self.legs.get_mut(sid) else {
            return;
        };
        // One that was rung has answered itself; one that has no socket at the moment is told when it is back.
        if let (Some(socket), Some(sdp)) =
            (leg.socket, leg.answer.take_if(|_| leg.socket.is_some()))
        {
            let reconnect = leg.reconnect.clone();
            let answer = json!({ "callsid": sid, "sdp": sdp, "reconnect": reconnect });
            self.say(socket, "answer", &answer);
        }
    }

    /// A browser's call is over. What its sound was called where it rang in vain.
    pub(crate) fn over(&mut self, call: &Call) -> Vec<String> {
        let sid = call.sid.as_str();
        let Some(leg) = self.legs.remove(sid) else {
            return Vec::new();
        };
        if let Some(socket) = leg.socket {
            let mut hangup = json!({ "callsid": sid });
            let why = match call.status {
                CallStatus::Busy => Some(error(31486, "Busy here")),
                CallStatus::NoAnswer => Some(error(31603, "Decline")),
                CallStatus::Failed => Some(error(31404, "Not found")),
                _ => None,
            };
            if let Some(why) = why {
                hangup["error"] = why;
            }
            self.say(socket, "hangup", &hangup);
        }
        for (socket, _) in &leg.forks {
            self.say(*socket, "cancel", &json!({ "callsid": sid }));
        }
        leg.forks.into_iter().map(|(_, party)| party).collect()
    }

    /// A message to the browser of a call, if it has one (UserDefinedMessages).
    pub(crate) fn message(&self, sid: &str, id: &str, content: &str) {
        let Some(socket) = self.legs.get(sid).and_then(|leg| leg.socket) else {
            return;
        };
        let message = json!({
            "callsid": sid, "content": content, "contenttype": "application/json",
            "messagetype": "user-defined-message", "voiceeventsid": id,
        });
        self.say(socket, "message", &message);
    }

    /// Everybody who is connected: `{"identity","registered","tokens"}`.
    pub(crate) fn body(&self) -> Vec<Value> {
        let sockets = self.sockets.values();
        sockets
            .map(|s| json!({ "identity": s.identity, "registered": s.registered, "tokens": s.tokens }))
            .collect()
    }

    /// On purpose: the network of a browser is down until then.
    pub(crate) fn take_down(&mut self, identity: &str, until: i64) {
        self.down.insert(identity.to_owned(), until);
        for socket in self.of(identity) {
            socket.cut.cancel();
        }
    }

    /// On purpose: a browser's token is not good any more.
    pub(crate) fn expire(&self, identity: &str) {
        let expired = json!({ "error": error(31205, "AccessTokenExpired") });
        let ids: Vec<u64> = self.ids(identity);
        for id in ids {
            self.say(id, "error", &expired);
        }
    }

    fn of<'a>(&'a self, identity: &'a str) -> impl Iterator<Item = &'a Socket> {
        let sockets = self.sockets.values();
        sockets.filter(move |s| s.identity.as_deref() == Some(identity))
    }

    fn ids(&self, identity: &str) -> Vec<u64> {
        let theirs =
            |(id, s): (&u64, &Socket)| (s.identity.as_deref() == Some(identity)).then_some(*id);
        self.sockets.iter().filter_map(theirs).collect()
    }
}
