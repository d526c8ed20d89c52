//! One browser's connection: ICE, DTLS and SRTP by str0m, with a jitter buffer behind it. No socket and no clock: packets
//! and moments come in, packets go out through [`Out`].
//!
//! We are ice-lite: a browser's offer has no candidates, we learn where it is from its STUN requests and only answer.
//! So we are always the DTLS server, too. str0m is strict about its use: every change is followed by polling until it
//! asks for time ([`Browser::change`]). It panics rather than go on wrongly; then this connection ends, not the thread.
//!
//! Nothing here says goodbye to a browser by DTLS: the signalling does, and an alert before it looks like a fault there.
//! Next: `jitter`.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::config::DtlsCert;
use str0m::format::{Codec, FormatParams, PayloadParams};
use str0m::media::{Direction, Frequency, MediaKind, Mid, Pt};
use str0m::net::Transmit;
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Candidate, IceConnectionState, Input, Output, Rtc, RtcConfig, RtcError};

use crate::g711;
use crate::jitter::Jitter;
use crate::pcm::{Frame, real};
use crate::stage::MediaError;
use crate::tones::Events;

/// The largest session description that is read; the SDK's have 1.3 kB.
const LONGEST_SDP: usize = 64 * 1024;
/// str0m asks for time at most this often in a row before it is left alone until the next frame.
const TURNS: usize = 16;

/// What every connection of a stage shares.
pub(crate) struct Terms {
    pub(crate) certificate: DtlsCert,
    pub(crate) candidates: Vec<SocketAddr>,
    pub(crate) lost_after: Duration,
}

/// What a connection has to say to the outside.
#[derive(Default)]
pub(crate) struct Out {
    /// Datagrams to send.
    pub(crate) packets: Vec<Transmit>,
    /// What happened since somebody last looked.
    pub(crate) news: Vec<News>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum News {
    Key(char),
    Connected,
    Lost,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Link {
    /// Not yet.
    Waiting,
    Up,
    /// Told, and not come back.
    Lost,
}

/// Numbers of a connection, for reports.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) packets_in: u64,
    pub(crate) packets_out: u64,
    pub(crate) lost: u64,
    pub(crate) jitter_ms: f32,
    pub(crate) buffered_ms: f32,
    pub(crate) concealed: u64,
}

pub(crate) struct Browser {
    /// `None` when it died.
    rtc: Option<Rtc>,
    pending: Option<SdpPendingOffer>,
    /// Of the remote certificate: the same in another offer is the same peer connection.
    fingerprint: String,
    mid: Option<Mid>,
    pcmu: Option<Pt>,
    events: Option<Pt>,
    link: Link,
    lost_after: Duration,
    /// When something last came; `None` while nobody has answered our offer.
    alive: Option<Instant>,
    jitter: Jitter,
    keys: Events,
    arrivals: Arrivals,
    sequence: u64,
    timestamp: u32,
    sent: u64,
}

impl Browser {
    /// Answers an offer.
    pub(crate) fn answering(
        terms: &Terms,
        now: Instant,
        offer: &str,
        out: &mut Out,
    ) -> Result<(Self, String), MediaError> {
        let mut browser = Self::new(terms, now);
        let answer = browser.reoffered(now, offer, out)?;
        Ok((browser, answer))
    }

    /// Makes an offer.
    pub(crate) fn offering(
        terms: &Terms,
        now: Instant,
        out: &mut Out,
    ) -> Result<(Self, String), MediaError> {
        let mut browser = Self::new(terms, now);
        let made = browser.change(now, out, |rtc| {
            let mut change = rtc.sdp_api();
            let mid = change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
            Ok(change.apply().map(|(offer, pending)| (mid, offer, pending)))
        })?;
        let Some((mid, offer, pending)) = made else {
            return Err(MediaError::Sdp("nothing to offer".into()));
        };
        browser.mid = Some(mid);
        browser.pending = Some(pending);
        Ok((browser, offer.to_sdp_string()))
    }

    fn new(terms: &Terms, now: Instant) -> Self {
        let mut config = RtcConfig::new()
            .set_dtls_cert(terms.certificate.clone())
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_pcmu(true, false);
        config.codec_config().add_config(
            101.into(),
            None,
            Codec::Tele,
            Frequency::EIGHT_KHZ,
            None,
            FormatParams::parse_line("0-16"),
        );
        let mut rtc = config.build(now);
        for address in &terms.candidates {
            if let Ok(candidate) = Candidate::host(*address, "udp") {
                rtc.add_local_candidate(candidate);
            }
        }
        Self {
            rtc: Some(rtc),
            pending: None,
            fingerprint: String::new(),
            mid: None,
            pcmu: None,
            events: None,
            link: Link::Waiting,
            lost_after: terms.lost_after,
            alive: None,
            jitter: Jitter::new(),
            keys: Events::default(),
            arrivals: Arrivals::default(),
            sequence: 1,
            timestamp: 0,
            sent: 0,
        }
    }

    /// Whether an offer comes from the peer connection that this is connected to.
    pub(crate) fn is_same(&self, offer: &str) -> bool {
        self.rtc.is_some() && !self.fingerprint.is_empty() && self.fingerprint == fingerprint(offer)
    }

    /// Another offer on this connection: an ICE restart.
    pub(crate) fn reoffered(
        &mut self,
        now: Instant,
        offer: &str,
        out: &mut Out,
    ) -> Result<String, MediaError> {
        let parsed = SdpOffer::from_sdp_string(checked(offer)?)
            .map_err(|e| MediaError::Sdp(e.to_string()))?;
        let answer = self.change(now, out, |rtc| rtc.sdp_api().accept_offer(parsed))?;
        let answer = answer.to_sdp_string();
        // str0m tells of it when the connection is up, which is too late to refuse.
        self.mid = self.mid.or(audio(&answer).map(Mid::from));
        self.agreed(now, offer)?;
        Ok(answer)
    }

    /// The answer to our offer.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        answer: &str,
        out: &mut Out,
    ) -> Result<(), MediaError> {
        let pending = self.pending.take().ok_or(MediaError::NotOffered)?;
        let parsed = SdpAnswer::from_sdp_string(checked(answer)?)
            .map_err(|e| MediaError::Sdp(e.to_string()))?;
        self.change(now, out, |rtc| rtc.sdp_api().accept_answer(pending, parsed))?;
        self.agreed(now, answer)
    }

    /// Both sides know what is spoken: which payload types, and from when on something should come.
    fn agreed(&mut self, now: Instant, remote: &str) -> Result<(), MediaError> {
        let media = self.rtc.as_ref().zip(self.mid).and_then(|(rtc, mid)| {
            let agreed = rtc.media(mid)?.remote_pts();
            let type_of = |codec| {
                let params = rtc.codec_config().params();
                let mut params = params.iter().filter(|p| agreed.contains(&p.pt()));
                params
                    .find(|p| p.spec().codec == codec)
                    .map(PayloadParams::pt)
            };
            Some((type_of(Codec::PCMU)?, type_of(Codec::Tele)))
        });
        let (pcmu, events) = media.ok_or(MediaError::NoCommonCodec)?;
        self.pcmu = Some(pcmu);
        self.events = events;
        self.fingerprint = fingerprint(remote);
        self.alive = Some(now);
        Ok(())
    }

    /// Whether a packet is for this connection.
    pub(crate) fn accepts(&self, input: &Input) -> bool {
        self.rtc.as_ref().is_some_and(|rtc| rtc.accepts(input))
    }

    /// A packet, or just the passing of time.
    pub(crate) fn input(&mut self, now: Instant, input: Input, out: &mut Out) {
        // What is wrong with a packet is told by the connection's end, or is nobody's business.
        let _ = self.change(now, out, |rtc| rtc.handle_input(input));
    }

    /// What came from the browser for the next 20 ms.
    pub(crate) fn said(&mut self) -> Frame {
        self.jitter.pull()
    }

    /// Sends the next 20 ms, once the connection has been up; through an ICE restart on the old way.
    pub(crate) fn send(&mut self, now: Instant, frame: &Frame, out: &mut Out) {
        let (Some(mid), Some(pcmu), true) = (self.mid, self.pcmu, self.link != Link::Waiting)
        else {
            return;
        };
        let payload = frame.map(g711::encode);
        let write = RtpWrite::new(pcmu, self.sequence.into(), self.timestamp, now, payload)
            .marker(self.sent == 0);
        let sent = self.change(now, out, |rtc| {
            let mut api = rtc.direct_api();
            // None: the browser said that it will not listen.
            let stream = api.stream_tx_by_mid(mid, None);
            Ok(stream.map(|s| s.write_rtp(write)).is_some())
        });
        if sent.unwrap_or(false) {
            self.sequence += 1;
            self.timestamp = self.timestamp.wrapping_add(160);
            self.sent += 1;
        }
    }

    /// Once a frame: is it still there?
    pub(crate) fn look(&mut self, now: Instant, out: &mut Out) {
        let silent = |since: Instant| now.saturating_duration_since(since) > self.lost_after;
        if self.alive.is_some_and(silent) {
            self.lost(out);
        }
    }

    /// Whether sound goes to somebody who is there.
    pub(crate) fn is_up(&self) -> bool {
        self.link == Link::Up
    }

    pub(crate) fn counters(&self) -> Counters {
        let waiting = usize::try_from(self.jitter.waiting()).unwrap_or(0);
        Counters {
            packets_in: self.arrivals.count,
            packets_out: self.sent,
            lost: self.arrivals.lost(),
            jitter_ms: self.arrivals.jitter / 8.0,
            buffered_ms: real(waiting) / 8.0,
            concealed: self.jitter.concealed,
        }
    }

    /// Changes the connection and polls it until it wants time, as str0m must be used.
    fn change<T>(
        &mut self,
        now: Instant,
        out: &mut Out,
        what: impl FnOnce(&mut Rtc) -> Result<T, RtcError>,
    ) -> Result<T, MediaError> {
        let Some(mut rtc) = self.rtc.take() else {
            return Err(MediaError::Sdp("the connection has ended".into()));
        };
        // Whatever state a panic leaves behind is dropped with the connection.
        let done = catch_unwind(AssertUnwindSafe(|| {
            let result = what(&mut rtc);
            let alive = self.drain(&mut rtc, now, out) && rtc.is_alive();
            (result, alive)
        }));
        let result = match done {
            Ok((result, alive)) => {
                self.rtc = alive.then_some(rtc);
                result.map_err(|e| MediaError::Sdp(e.to_string()))
            }
            Err(_) => Err(MediaError::Sdp("it broke the connection".into())),
        };
        match &self.rtc {
            None => self.lost(out),
            // One who was lost because nothing came is back when something comes.
            Some(rtc) if rtc.is_connected() && self.link != Link::Up => {
                if self.link == Link::Waiting || self.alive == Some(now) {
                    self.link = Link::Up;
                    out.news.push(News::Connected);
                }
            }
            Some(_) => {}
        }
        result
    }

    /// False: the connection is dead.
    fn drain(&mut self, rtc: &mut Rtc, now: Instant, out: &mut Out) -> bool {
        for _ in 0..TURNS {
            let wants = loop {
                match rtc.poll_output() {
                    Err(error) => {
                        tracing::debug!(%error, "a browser's connection ended");
                        return false;
                    }
                    Ok(Output::Timeout(at)) => break at,
                    Ok(Output::Transmit(packet)) => out.packets.push(packet),
                    Ok(Output::Event(event)) => self.event(event, now, out),
                }
            };
            if wants > now {
                break;
            }
            if rtc.handle_input(Input::Timeout(now)).is_err() {
                return false;
            }
        }
        true
    }

    fn event(&mut self, event: str0m::Event, now: Instant, out: &mut Out) {
        match event {
            str0m::Event::RtpPacket(packet) => self.packet(&packet, now, out),
            str0m::Event::IceConnectionStateChange(IceConnectionState::Disconnected)
            | str0m::Event::Closed => self.lost(out),
            _ => {}
        }
    }

    fn packet(&mut self, packet: &RtpPacket, now: Instant, out: &mut Out) {
        self.alive = Some(now);
        let header = &packet.header;
        self.arrivals.note(*packet.seq_no, header.timestamp, now);
        if Some(header.payload_type) == self.pcmu {
            self.jitter.put(header.timestamp, &packet.payload);
        } else if Some(header.payload_type) == self.events
            && let Some(key) = self.keys.key(header.timestamp, &packet.payload)
        {
            out.news.push(News::Key(key));
        }
    }

    fn lost(&mut self, out: &mut Out) {
        if self.link != Link::Lost {
            self.link = Link::Lost;
            out.news.push(News::Lost);
        }
    }
}

/// What packets tell by coming: how many did not, and how unevenly the others did.
#[derive(Default)]
struct Arrivals {
    count: u64,
    first: Option<u64>,
    highest: u64,
    last: Option<(u32, Instant)>,
    /// In units of the RTP clock (RFC 3550, 6.4.1).
    jitter: f32,
}

impl Arrivals {
    fn note(&mut self, sequence: u64, timestamp: u32, now: Instant) {
        self.count += 1;
        self.first = Some(self.first.map_or(sequence, |f| f.min(sequence)));
        self.highest = self.highest.max(sequence);
        if let Some((before, then)) = self.last {
            let came = now.saturating_duration_since(then).as_secs_f32() * 8_000.0;
            let step = timestamp.wrapping_sub(before).cast_signed();
            // Another stream, or the packets of one key: no measure of the network.
            if (1..8_000).contains(&step) {
                let uneven = (came - real(usize::try_from(step).unwrap_or(0))).abs();
                self.jitter += (uneven - self.jitter) / 16.0;
            }
        }
        self.last = Some((timestamp, now));
    }

    fn lost(&self) -> u64 {
        self.first.map_or(0, |first| {
            (self.highest - first + 1).saturating_sub(self.count)
        })
    }
}

fn checked(sdp: &str) -> Result<&str, MediaError> {
    if sdp.len() > LONGEST_SDP {
        return Err(MediaError::Sdp(format!("{} bytes are too many", sdp.len())));
    }
    Ok(sdp)
}

/// The first fingerprint of a session description.
fn fingerprint(sdp: &str) -> String {
    sdp.lines()
        .find_map(|line| line.trim_end().strip_prefix("a=fingerprint:"))
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// The id of the first audio that our answer does not refuse (by port 0).
fn audio(answer: &str) -> Option<&str> {
    let mut inside = false;
    for line in answer.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            inside = media.starts_with("audio ") && !media.starts_with("audio 0 ");
        } else if let Some(mid) = line.strip_prefix("a=mid:")
            && inside
        {
            return Some(mid.trim_end());
        }
    }
    None
}
