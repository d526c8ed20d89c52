//! Who is there, and a frame of everybody's speaking and hearing. No socket, no clock: what must leave is put out.
//!
//! Parties have names outside and indices here, so that a frame looks nothing up. A name keeps its index as long as
//! somebody is there by it, hears by it, or has it in a mix; so a mix may name whoever has yet to come. Next: `ear`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use str0m::Input;
use str0m::net::{Protocol, Receive};

use crate::Event;
use crate::browser::{Browser, Counters, News, Out, Terms};
use crate::ear::{Ear, Loudness, Said};
use crate::pcm::{RATE, Ring};
use crate::stage::{MediaError, Mix};
use crate::tones::Keypad;
use crate::voice::Speech;

pub(crate) struct Floor {
    terms: Terms,
    names: HashMap<Arc<str>, usize>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// What each slot says in this frame.
    said: Vec<Said>,
    out: Out,
    /// What happened, oldest first, until somebody takes it.
    pub(crate) events: Vec<Event>,
}

struct Slot {
    name: Arc<str>,
    body: Option<Body>,
    ear: Ear,
}

/// Somebody who is there.
struct Body {
    source: Source,
    keypad: Keypad,
    said: Ring,
    heard: Ring,
}

enum Source {
    Telephone(Speech),
    Browser(Box<Browser>),
}

/// What a report is made of; the spectra are the asker's work.
pub(crate) struct Observed {
    pub(crate) said: Vec<i16>,
    pub(crate) heard: Vec<i16>,
    pub(crate) connected: bool,
    pub(crate) counters: Counters,
}

/// Which of a party's two sounds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    Said,
    Heard,
}

impl Body {
    fn new(source: Source) -> Self {
        Self {
            source,
            keypad: Keypad::default(),
            said: Ring::new(),
            heard: Ring::new(),
        }
    }

    /// The next 20 ms that it says: keys, if any are pressed, instead of the voice, which goes on unheard.
    fn speak(&mut self) -> Said {
        let voice = match &mut self.source {
            Source::Telephone(speech) => speech.frame(),
            Source::Browser(browser) => browser.said(),
        };
        let frame = self.keypad.frame().unwrap_or(voice);
        self.said.push(&frame);
        Said::new(&frame)
    }

    /// Whether sound comes to somebody.
    fn hears(&self) -> bool {
        match &self.source {
            Source::Telephone(_) => true,
            Source::Browser(browser) => browser.is_up(),
        }
    }
}

impl Floor {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            names: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            said: Vec::new(),
            out: Out::default(),
            events: Vec::new(),
        }
    }

    /// Whether anybody is there: if not, no frame need be made.
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.iter().all(|s| s.body.is_none())
    }

    /// Datagrams to send since this was last asked.
    pub(crate) fn packets(&mut self) -> std::vec::Drain<'_, str0m::net::Transmit> {
        self.out.packets.drain(..)
    }

    pub(crate) fn accept(
        &mut self,
        now: Instant,
        party: &str,
        offer: &str,
    ) -> Result<String, MediaError> {
        let out = &mut self.out;
        if let Some(index) = self.names.get(party)
            && let Some(body) = &mut self.slots[*index].body
            && let Source::Browser(browser) = &mut body.source
            && browser.is_same(offer)
        {
            let index = *index;
            let answer = browser.reoffered(now, offer, out);
            self.tell(index);
            return answer;
        }
        let (browser, answer) =
            Browser::answering(&self.terms, now, offer, out).inspect_err(|_| {
                // Of a connection that never was.
                self.out.news.clear();
            })?;
        self.enter(party, Source::Browser(Box::new(browser)));
        Ok(answer)
    }

    pub(crate) fn offer(&mut self, now: Instant, party: &str) -> Result<String, MediaError> {
        let (browser, offer) = Browser::offering(&self.terms, now, &mut self.out)?;
        self.enter(party, Source::Browser(Box::new(browser)));
        Ok(offer)
    }

    pub(crate) fn answered(
        &mut self,
        now: Instant,
        party: &str,
        answer: &str,
    ) -> Result<(), MediaError> {
        let index = *self.names.get(party).ok_or(MediaError::NotOffered)?;
        let body = self.slots[index].body.as_mut();
        let Some(Source::Browser(browser)) = body.map(|b| &mut b.source) else {
            return Err(MediaError::NotOffered);
        };
        let done = browser.answered(now, answer, &mut self.out);
        self.tell(index);
        done
    }

    pub(crate) fn telephone(&mut self, party: &str, speech: Speech) {
        if let Some(index) = self.names.get(party)
            && let Some(body) = &mut self.slots[*index].body
            && let Source::Telephone(before) = &mut body.source
        {
            *before = speech;
            return;
        }
        self.enter(party, Source::Telephone(speech));
    }

    pub(crate) fn press(&mut self, party: &str, keys: &str) {
        if let Some(body) = self.body_mut(party) {
            body.keypad.press(keys);
        }
    }

    pub(crate) fn hears(&mut self, party: &str, mix: Mix) {
        let index = self.index(party);
        let mut people: Vec<usize> = Vec::with_capacity(mix.people.len());
        for name in &mix.people {
            let who = self.index(name);
            if who != index {
                people.push(who);
            }
        }
        people.sort_unstable();
        people.dedup();
        self.slots[index].ear.set(&people, mix.playing);
        self.sweep();
    }

    pub(crate) fn gone(&mut self, party: &str) {
        if let Some(index) = self.names.get(party) {
            self.slots[*index].body = None;
            self.slots[*index].ear = Ear::default();
            self.said[*index] = Said::NOTHING;
            self.sweep();
        }
    }

    pub(crate) fn observe(&self, party: &str) -> Option<Observed> {
        let body = self.body(party)?;
        let second = RATE as usize;
        let (connected, counters) = match &body.source {
            Source::Telephone(_) => (true, Counters::default()),
            Source::Browser(browser) => (browser.is_up(), browser.counters()),
        };
        Some(Observed {
            said: body.said.last(second),
            heard: body.heard.last(second),
            connected,
            counters,
        })
    }

    pub(crate) fn recent(&self, party: &str, which: Which, samples: usize) -> Option<Vec<i16>> {
        let body = self.body(party)?;
        Some(match which {
            Which::Said => body.said.last(samples),
            Which::Heard => body.heard.last(samples),
        })
    }

    /// A datagram; whose it is, its connection knows. Garbage is nobody's.
    pub(crate) fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let at = self.arrived_at(from);
        let Some(receive) = at.and_then(|at| Receive::new(Protocol::Udp, from, at, datagram).ok())
        else {
            return;
        };
        let input = Input::Receive(now, receive);
        for index in 0..self.slots.len() {
            if let Some(browser) = self.browser_mut(index)
                && browser.accepts(&input)
            {
                let mut out = std::mem::take(&mut self.out);
                if let Some(browser) = self.browser_mut(index) {
                    browser.input(now, input, &mut out);
                }
                self.out = out;
                self.tell(index);
                return;
            }
        }
    }

    /// Which of our addresses a datagram came to, which a socket that listens on all of them does not say: for a
    /// connection only the sender's address matters, and that ours is one that it knows.
    fn arrived_at(&self, from: SocketAddr) -> Option<SocketAddr> {
        let near = |address: &&SocketAddr| address.ip().is_loopback() == from.ip().is_loopback();
        let candidates = &self.terms.candidates;
        candidates.iter().find(near).or(candidates.first()).copied()
    }

    /// 20 ms: everybody speaks, then everybody hears. Without `room`, who is heard for the first time is told later.
    pub(crate) fn frame(&mut self, now: Instant, room: bool) {
        for (slot, said) in self.slots.iter_mut().zip(&mut self.said) {
            *said = slot.body.as_mut().map_or(Said::NOTHING, Body::speak);
        }
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            let Some(body) = &mut slot.body else { continue };
            let heard = slot.ear.hear(&self.said);
            body.heard.push(&heard);
            if let Source::Browser(browser) = &mut body.source {
                browser.input(now, Input::Timeout(now), &mut self.out);
                browser.send(now, &heard, &mut self.out);
                browser.look(now, &mut self.out);
                self.tell(index);
            }
            if room {
                self.tell_heard(index);
            }
        }
    }

    fn tell_heard(&mut self, index: usize) {
        let audible = |who: usize| self.said[who].loudness == Loudness::Audible;
        let slot = &self.slots[index];
        let fresh = |s: &&crate::ear::Seat| !s.told && audible(s.who);
        if !slot.ear.people.iter().any(|s| fresh(&s))
            || !slot.body.as_ref().is_some_and(Body::hears)
        {
            return;
        }
        let new: Vec<usize> = slot
            .ear
            .people
            .iter()
            .filter(fresh)
            .map(|s| s.who)
            .collect();
        for who in new {
            self.events.push(Event::Heard {
                listener: self.slots[index].name.to_string(),
                speaker: self.slots[who].name.to_string(),
            });
            for seat in &mut self.slots[index].ear.people {
                seat.told |= seat.who == who;
            }
        }
    }

    /// What a browser's connection said becomes events, and its keys become tones.
    fn tell(&mut self, index: usize) {
        for news in self.out.news.drain(..) {
            let slot = &mut self.slots[index];
            let party = slot.name.to_string();
            self.events.push(match news {
                News::Connected => Event::Connected { party },
                News::Lost => Event::Lost { party },
                News::Key(key) => {
                    // Whoever hears the party hears its keys, as behind a real carrier.
                    if let Some(body) = &mut slot.body {
                        body.keypad.press(key.encode_utf8(&mut [0; 4]));
                    }
                    Event::Key { party, key }
                }
            });
        }
    }

    fn enter(&mut self, party: &str, source: Source) {
        let index = self.index(party);
        self.slots[index].body = Some(Body::new(source));
        self.tell(index);
    }

    fn body(&self, party: &str) -> Option<&Body> {
        self.slots[*self.names.get(party)?].body.as_ref()
    }

    fn body_mut(&mut self, party: &str) -> Option<&mut Body> {
        self.slots[*self.names.get(party)?].body.as_mut()
    }

    fn browser_mut(&mut self, index: usize) -> Option<&mut Browser> {
        match &mut self.slots[index].body.as_mut()?.source {
            Source::Browser(browser) => Some(browser),
            Source::Telephone(_) => None,
        }
    }

    /// The index of a name, a new one if need be.
    fn index(&mut self, name: &str) -> usize {
        if let Some(index) = self.names.get(name) {
            return *index;
        }
        let name: Arc<str> = name.into();
        let slot = Slot {
            name: name.clone(),
            body: None,
            ear: Ear::default(),
        };
        let index = if let Some(index) = self.free.pop() {
            self.slots[index] = slot;
            index
        } else {
            self.slots.push(slot);
            self.said.push(Said::NOTHING);
            self.slots.len() - 1
        };
        self.names.insert(name, index);
        index
    }

    /// Forgets names that nobody needs any more.
    fn sweep(&mut self) {
        let mut needed = vec![false; self.slots.len()];
        for (index, slot) in self.slots.iter().enumerate() {
            needed[index] |= slot.body.is_some() || !slot.ear.is_empty();
            for seat in &slot.ear.people {
                needed[seat.who] = true;
            }
        }
        let free = &mut self.free;
        self.names.retain(|_, index| {
            if !needed[*index] {
                free.push(*index);
            }
            needed[*index]
        });
    }
}

#[cfg(test)]
mod tests;
