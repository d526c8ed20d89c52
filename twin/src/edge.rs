//! Twilio's edge for browsers: the signalling of the Voice SDK at `/signal`, so that an unmodified SDK registers,
//! calls, is called and hears.
//!
//! A socket is one `Device`, or a telephone in a browser, which is known by its number (`telephone.rs`). A browser's
//! call is a call of the world like any other; what is kept here is which socket speaks for it, and what was agreed
//! about its sound. Nothing here decides what becomes of a call: what a browser says becomes a step of the world, and
//! what the world says of a browser's call becomes a frame. A call outlives its socket for as long as the SDK asked
//! for when it came ([`frames::Said::Listen`]), and whoever brings its reconnect token may speak for it over another
//! one. Nobody else may say anything about it.
//!
//! What the server side of this protocol says is known from the SDK that reads it, not from Twilio's own. Next:
//! `edge/frames.rs` (the words), `edge/line.rs` (a socket), `edge/ringing.rs` (a call to a browser), `sound.rs` (what is
//! heard).

pub(crate) mod frames;
pub(crate) mod line;
pub(crate) mod outgoing;
mod ringing;

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::world::call::{Call, CallStatus};
use frames::{error, fingerprint, frame};

/// How many frames a browser may be behind with. One that reads nothing is cut off.
const FRAMES: usize = 256;
/// How many calls a socket may have made that are not over. The SDK has one.
const CALLS: usize = 5;

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
    /// When that token runs out, in milliseconds since 1970.
    expires: i64,
    registered: bool,
    /// Seconds that its calls may outlive it.
    patience: u64,
    /// How many tokens it has shown.
    tokens: u32,
}

/// What is known of a browser's call beside what the world knows.
#[derive(Debug)]
struct BrowserLeg {
    /// It is being rung, and no browser has taken it yet.
    rings: bool,
    /// The socket that speaks for it; none: it rings, or that socket is lost and may come back.
    socket: Option<u64>,
    /// How often it has lost its socket.
    losses: u32,
    /// What the browser called it before it knew better.
    temporary: Option<String>,
    /// What the browser must bring to speak for it over another socket.
    reconnect: String,
    /// The answer to the browser's offer, until the call is answered.
    answer: Option<String>,
    /// Of the browser's certificate: the same in another description is the same connection.
    fingerprint: String,
    /// Where it rings: the sockets, each with what its sound is called on the stage.
    forks: Vec<(u64, String)>,
    /// What its sound is called on the stage.
    party: String,
}

impl BrowserLeg {
    fn new(sid: &str, reconnect: String) -> Self {
        Self {
            rings: false,
            socket: None,
            losses: 0,
            temporary: None,
            reconnect,
            answer: None,
            fingerprint: String::new(),
            forks: Vec::new(),
            party: sid.to_owned(),
        }
    }

    fn rings_at(&self, socket: u64) -> Option<usize> {
        self.forks.iter().position(|(at, _)| *at == socket)
    }
}

/// What a socket that is gone leaves behind.
#[derive(Debug, Default)]
struct Left {
    /// The calls that it spoke for, and how often each has now lost its socket.
    calls: Vec<(String, u32)>,
    /// What the sound of the calls that it was rung for was called on the stage.
    parties: Vec<String>,
    /// For how many seconds its calls are kept.
    patience: u64,
}

/// What a socket may do with a call that it has the token of.
#[derive(Debug, PartialEq, Eq)]
enum Claim {
    /// It speaks for it again, and has been told so.
    Again,
    /// Another connection takes the call over: its sound must be agreed on, under this name on the stage.
    Elsewhere(String),
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
            expires: 0,
            registered: false,
            patience: 0,
            tokens: 0,
        };
        self.sockets.insert(self.last, socket);
        (self.last, frames, cut)
    }

    /// A socket is gone.
    fn close(&mut self, id: u64) -> Left {
        let patience = self.sockets.remove(&id).map_or(0, |s| s.patience);
        let mut left = Left {
            patience,
            ..Left::default()
        };
        for (sid, leg) in &mut self.legs {
            if let Some(at) = leg.rings_at(id) {
                left.parties.push(leg.forks.remove(at).1);
            }
            if leg.socket == Some(id) {
                leg.socket = None;
                leg.losses += 1;
                left.calls.push((sid.clone(), leg.losses));
            }
        }
        left
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

    /// The call that a browser means and speaks for: by its real name, or by the one it gave it.
    fn meant(&self, socket: u64, name: &str) -> Option<String> {
        let own = |leg: &BrowserLeg| leg.socket == Some(socket);
        if self.legs.get(name).is_some_and(own) {
            return Some(name.to_owned());
        }
        let named = |leg: &BrowserLeg| own(leg) && leg.temporary.as_deref() == Some(name);
        let found = self.legs.iter().find(|(_, leg)| named(leg));
        found.map(|(sid, _)| sid.clone())
    }

    /// Whether a socket speaks for as many calls as it may.
    fn is_busy(&self, socket: u64) -> bool {
        let own = self.legs.values().filter(|l| l.socket == Some(socket));
        own.count() >= CALLS
    }

    /// A browser's call out, whose sound is being agreed on.
    fn dialled(&mut self, sid: &str, socket: u64, temporary: String, reconnect: String) {
        let leg = BrowserLeg {
            socket: Some(socket),
            temporary: Some(temporary),
            ..BrowserLeg::new(sid, reconnect)
        };
        self.legs.insert(sid.to_owned(), leg);
    }

    /// The sound of a call out is agreed on; the browser learns it with the answer, and its real name now.
    fn agreed(&mut self, sid: &str, offer: &str, answer: String) {
        if let Some(leg) = self.legs.get_mut(sid) {
            fingerprint(offer).clone_into(&mut leg.fingerprint);
            leg.answer = Some(answer);
            if let Some(socket) = leg.socket {
                self.say(socket, "ringing", &json!({ "callsid": sid }));
            }
        }
    }

    /// Nothing can be agreed on with the browser that made that call. It is told that by its own name for it.
    fn forget(&mut self, sid: &str) {
        self.legs.remove(sid);
    }

    /// The sockets at which an identity can be rung.
    pub(crate) fn ringable(&self, identity: &str, now: i64) -> Vec<u64> {
        let theirs = |s: &Socket| s.identity.as_deref() == Some(identity);
        let there = |s: &&Socket| theirs(s) && s.registered && s.incoming && s.expires > now;
        let sockets = self.sockets.iter();
        sockets
            .filter(|(_, s)| there(s))
            .map(|(id, _)| *id)
            .collect()
    }

    /// A call begins to ring in browsers.
    pub(crate) fn rings(&mut self, sid: &str, reconnect: String) {
        let leg = BrowserLeg {
            rings: true,
            ..BrowserLeg::new(sid, reconnect)
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
        // The first may have taken it already.
        let Some(leg) = self.legs.get_mut(sid).filter(|leg| leg.rings) else {
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
        let leg = self.legs.get(sid)?;
        leg.rings_at(socket).map(|at| leg.forks[at].1.clone())
    }

    /// A browser has taken a call that rings there. The others are told so; what their sound was called comes back.
    /// None: it rings there no more.
    fn taken(&mut self, sid: &str, socket: u64, answer: &str) -> Option<Vec<String>> {
        let leg = self.legs.get_mut(sid)?;
        let (_, party) = leg.forks.remove(leg.rings_at(socket)?);
        let others = self.give(sid, socket, party, answer);
        let reconnect = self.legs.get(sid).map(|leg| leg.reconnect.clone());
        let taken = json!({ "callsid": sid, "reconnect": reconnect });
        self.say(socket, "answer", &taken);
        Some(others)
    }

    /// A call is that socket's from now on, and rings nowhere else. What its sound was called there.
    fn give(&mut self, sid: &str, socket: u64, party: String, sdp: &str) -> Vec<String> {
        let Some(leg) = self.legs.get_mut(sid) else {
            return Vec::new();
        };
        leg.rings = false;
        fingerprint(sdp).clone_into(&mut leg.fingerprint);
        leg.party = party;
        let before = leg.socket.replace(socket);
        let others = std::mem::take(&mut leg.forks);
        for (other, _) in others.iter().filter(|(other, _)| *other != socket) {
            self.say(*other, "cancel", &json!({ "callsid": sid }));
        }
        if let Some(before) = before.filter(|before| *before != socket) {
            self.say(before, "hangup", &json!({ "callsid": sid }));
        }
        others.into_iter().map(|(_, party)| party).collect()
    }

    /// A browser does not want a call that rings there. What its sound was called there, and whether it rings nowhere
    /// now. None: it did not ring there.
    fn refused(&mut self, sid: &str, socket: u64) -> Option<(String, bool)> {
        let leg = self.legs.get_mut(sid)?;
        let (_, party) = leg.forks.remove(leg.rings_at(socket)?);
        Some((party, leg.forks.is_empty()))
    }

    /// A browser that brings a call's token wants to speak for it over this socket. None: the token is another, or the
    /// call is over.
    fn claim(&mut self, sid: &str, socket: u64, token: &str, sdp: &str) -> Option<Claim> {
        let leg = self.legs.get_mut(sid);
        let leg = leg.filter(|leg| leg.reconnect == token)?;
        if leg.rings {
            // Rung in one browser, and taken in another (`connectToken`).
            return Some(Claim::Elsewhere(format!("{sid}/t{socket}")));
        }
        if !sdp.is_empty() && fingerprint(sdp) != leg.fingerprint {
            return Some(Claim::Elsewhere(leg.party.clone()));
        }
        leg.socket = Some(socket);
        let answer = json!({ "callsid": sid, "reconnect": token });
        self.say(socket, "answer", &answer);
        Some(Claim::Again)
    }

    /// Another connection has taken a call over, and its sound is agreed on. What it was called where it rang, and
    /// whether it did. None: the call is over, or was taken by a third meanwhile.
    fn moved(
        &mut self,
        sid: &str,
        socket: u64,
        party: &str,
        (offer, answer): (&str, &str),
    ) -> Option<(Vec<String>, bool)> {
        let leg = self.legs.get(sid)?;
        let (rang, token) = (leg.rings, leg.reconnect.clone());
        if !rang && leg.party != party {
            return None;
        }
        let others = self.give(sid, socket, party.to_owned(), offer);
        let moved = json!({ "callsid": sid, "sdp": answer, "reconnect": token });
        self.say(socket, "answer", &moved);
        Some((others, rang))
    }

    /// Whether nobody has spoken for a call since it lost its socket for that time.
    fn is_lost(&self, sid: &str, loss: u32) -> bool {
        let lost = |leg: &BrowserLeg| leg.socket.is_none() && leg.losses == loss;
        self.legs.get(sid).is_some_and(lost)
    }

    /// What a call's sound is called on the stage.
    pub(crate) fn party<'a>(&'a self, sid: &'a str) -> &'a str {
        self.legs.get(sid).map_or(sid, |leg| &leg.party)
    }

    /// The world has answered a browser's call. One that was rung has answered itself. One whose socket is lost can
    /// not come back: only the answer has the token for that.
    pub(crate) fn answered(&mut self, sid: &str) {
        let Some(leg) = self.legs.get_mut(sid) else {
            return;
        };
        if let Some((socket, sdp)) = leg.socket.zip(leg.answer.take()) {
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
        // JSON by its type, and read as such; what is none stays a text.
        let content = serde_json::from_str(content).unwrap_or_else(|_| json!(content));
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
        let sockets = self.sockets.values();
        sockets
            .filter(|s| s.identity.as_deref() == Some(identity))
            .for_each(|s| s.cut.cancel());
    }

    /// Until when the network of a browser is down, if it is.
    fn is_down(&self, identity: &str, now: i64) -> Option<i64> {
        let until = self.down.get(identity).copied();
        until.filter(|until| *until > now)
    }

    /// On purpose: the tokens of a browser are not good any more.
    pub(crate) fn expire(&mut self, identity: &str) {
        let theirs = |(id, s): (&u64, &mut Socket)| {
            let theirs = s.identity.as_deref() == Some(identity);
            theirs.then(|| {
                s.expires = 0;
                *id
            })
        };
        let ids: Vec<u64> = self.sockets.iter_mut().filter_map(theirs).collect();
        for id in ids {
            self.say(id, "error", &json!({ "error": expired() }));
        }
    }

    /// Whether the token that a socket has shown has run out.
    fn is_expired(&self, socket: u64, now: i64) -> bool {
        self.sockets.get(&socket).is_some_and(|s| s.expires <= now)
    }
}

/// What the SDK is told when its token has run out.
fn expired() -> Value {
    error(31205, "the access token has expired (20104)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_was_lost_twice_is_kept_for_the_second_time() {
        let mut edge = Edge::default();
        let (first, _frames, _cut) = edge.open();
        edge.dialled("CA1", first, String::from("TJS1"), String::from("RC1"));
        let once = edge.close(first).calls;
        assert_eq!(once, [(String::from("CA1"), 1)]);
        assert!(edge.is_lost("CA1", 1));
        let (second, _frames, _cut) = edge.open();
        assert_eq!(edge.claim("CA1", second, "RC2", ""), None);
        assert_eq!(edge.claim("CA1", second, "RC1", ""), Some(Claim::Again));
        assert!(!edge.is_lost("CA1", 1));
        edge.close(second);
        assert!(
            !edge.is_lost("CA1", 1),
            "the first wait is not the second's"
        );
        assert!(edge.is_lost("CA1", 2));
    }

    #[test]
    fn a_socket_that_is_gone_leaves_nothing_on_the_stage() {
        let mut edge = Edge::default();
        let (socket, _frames, _cut) = edge.open();
        edge.rings("CA1", String::from("RC1"));
        edge.invite("CA1", socket, String::from("CA1/0"), "", &json!({}));
        assert_eq!(edge.close(socket).parties, ["CA1/0"]);
        edge.rings("CA2", String::from("RC2"));
        edge.invite("CA2", socket, String::from("CA2/0"), "", &json!({}));
        let refused = edge.refused("CA2", socket);
        assert_eq!(refused, Some((String::from("CA2/0"), true)));
        assert_eq!(edge.refused("CA2", socket), None);
    }
}
