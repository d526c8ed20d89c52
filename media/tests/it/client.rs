//! A browser for tests: full ICE, DTLS client, G.711 both ways, in a thread of its own that sends and reads every
//! 20 ms as a browser does. It has its own mu-law and its own ear, so that it does not share our mistakes.

use std::collections::BTreeMap;
use std::f32::consts::TAU;
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::format::{Codec, FormatParams};
use str0m::media::{Direction, Frequency, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};

/// Samples of 20 ms.
const FRAME: u32 = 160;

/// What the client has noticed, for whoever looks.
#[derive(Default, Debug)]
pub(crate) struct Noticed {
    /// ICE and DTLS are up.
    pub(crate) connected: bool,
    /// What was heard, by RTP sequence number, 160 samples each.
    pub(crate) heard: BTreeMap<u64, Vec<i16>>,
    pub(crate) sent: u64,
}

enum Order {
    /// Makes an offer; `restart`: with new ICE credentials.
    Offer {
        restart: bool,
        reply: Sender<String>,
    },
    Answered(String),
    Answer {
        offer: String,
        reply: Sender<String>,
    },
    Say(Option<f32>),
    Press(u8),
}

/// The handle; the client ends when it is dropped.
pub(crate) struct Client {
    orders: Sender<Order>,
    noticed: Arc<Mutex<Noticed>>,
}

impl Client {
    /// A client that says a tone once it is connected.
    pub(crate) fn new(hz: f32) -> Self {
        let (orders, receiver) = channel();
        let noticed = Arc::new(Mutex::new(Noticed::default()));
        let worker = Worker::new(hz, receiver, noticed.clone());
        std::thread::Builder::new()
            .name(format!("client {hz}"))
            .spawn(move || worker.run())
            .expect("a thread");
        Self { orders, noticed }
    }

    /// Its offer, without candidates, as the SDK sends it.
    pub(crate) fn offer(&self) -> String {
        self.make_offer(false)
    }

    /// An offer that restarts ICE.
    pub(crate) fn restart(&self) -> String {
        self.make_offer(true)
    }

    fn make_offer(&self, restart: bool) -> String {
        let (reply, offer) = channel();
        self.order(Order::Offer { restart, reply });
        offer.recv().expect("the client makes an offer")
    }

    pub(crate) fn answered(&self, answer: &str) {
        self.order(Order::Answered(answer.to_owned()));
    }

    /// Its answer to an offer, without candidates.
    pub(crate) fn answer(&self, offer: &str) -> String {
        let (reply, answer) = channel();
        let offer = offer.to_owned();
        self.order(Order::Answer { offer, reply });
        answer.recv().expect("the client answers")
    }

    /// From now on a tone, or nothing at all: not even silence is sent.
    pub(crate) fn say(&self, hz: Option<f32>) {
        self.order(Order::Say(hz));
    }

    /// A key, as an event of 160 ms (RFC 4733).
    pub(crate) fn press(&self, event: u8) {
        self.order(Order::Press(event));
    }

    pub(crate) fn noticed(&self) -> MutexGuard<'_, Noticed> {
        self.noticed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest samples heard.
    pub(crate) fn heard(&self, samples: usize) -> Vec<i16> {
        let all: Vec<i16> = self
            .noticed()
            .heard
            .values()
            .rev()
            .take(samples / 160 + 1)
            .rev()
            .flatten()
            .copied()
            .collect();
        all[all.len().saturating_sub(samples)..].to_vec()
    }

    fn order(&self, order: Order) {
        self.orders.send(order).expect("the client runs");
    }
}

struct Worker {
    rtc: Rtc,
    socket: UdpSocket,
    address: SocketAddr,
    orders: Receiver<Order>,
    noticed: Arc<Mutex<Noticed>>,
    mid: Option<Mid>,
    pending: Option<SdpPendingOffer>,
    say: Option<f32>,
    swing: f32,
    sequence: u64,
    timestamp: u32,
    /// The packets of a key that are still to be sent: timestamp of its beginning, event, how many were sent.
    key: Option<(u32, u8, u16)>,
}

impl Worker {
    fn new(hz: f32, orders: Receiver<Order>, noticed: Arc<Mutex<Noticed>>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let address = socket.local_addr().expect("its address");
        let mut config = Rtc::builder()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_pcmu(true, false);
        config.codec_config().add_config(
            126.into(),
            None,
            Codec::Tele,
            Frequency::EIGHT_KHZ,
            None,
            FormatParams::parse_line("0-16"),
        );
        let mut rtc = config.build(now());
        rtc.add_local_candidate(Candidate::host(address, "udp").expect("a candidate"));
        Self {
            rtc,
            socket,
            address,
            orders,
            noticed,
            mid: None,
            pending: None,
            say: Some(hz),
            swing: 0.0,
            // Not far from where sixteen and thirty-two bits end.
            sequence: 65_500,
            timestamp: u32::MAX - 20_000,
            key: None,
        }
    }

    fn run(mut self) {
        let mut due = now();
        let mut buffer = vec![0; 2_000];
        loop {
            loop {
                match self.orders.try_recv() {
                    Ok(order) => self.obey(order),
                    Err(std::sync::mpsc::TryRecvError::Empty) => break,
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
                }
            }
            let left = due.saturating_duration_since(now());
            if left.is_zero() {
                due += Duration::from_millis(20);
                self.speak();
                self.input(Input::Timeout(now()));
                continue;
            }
            self.socket
                .set_read_timeout(Some(left))
                .expect("a time-out");
            let Ok((length, from)) = self.socket.recv_from(&mut buffer) else {
                continue;
            };
            if let Ok(receive) = Receive::new(Protocol::Udp, from, self.address, &buffer[..length])
            {
                self.input(Input::Receive(now(), receive));
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Offer { restart, reply } => {
                let mut change = self.rtc.sdp_api();
                if restart {
                    change.ice_restart(true);
                } else {
                    let mid =
                        change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
                    self.mid = Some(mid);
                }
                let (offer, pending) = change.apply().expect("an offer");
                self.pending = Some(pending);
                let _ = reply.send(without_candidates(&offer.to_sdp_string()));
            }
            Order::Answered(answer) => {
                let pending = self.pending.take().expect("an offer before the answer");
                let answer =
                    SdpAnswer::from_sdp_string(&answer).expect("an answer that can be read");
                self.rtc
                    .sdp_api()
                    .accept_answer(pending, answer)
                    .expect("an answer that fits");
            }
            Order::Answer { offer, reply } => {
                // Left the choice, a browser becomes the DTLS client, and str0m would not.
                let offer = offer.replace("a=setup:actpass", "a=setup:passive");
                let offer = SdpOffer::from_sdp_string(&offer).expect("an offer that can be read");
                let answer = self
                    .rtc
                    .sdp_api()
                    .accept_offer(offer)
                    .expect("an offer that fits");
                let _ = reply.send(without_candidates(&answer.to_sdp_string()));
            }
            Order::Say(hz) => self.say = hz,
            Order::Press(event) => self.key = Some((self.timestamp, event, 0)),
        }
        self.drain();
    }

    fn input(&mut self, input: Input) {
        self.rtc
            .handle_input(input)
            .expect("the client understands what comes");
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().expect("the client works") {
                Output::Timeout(_) => return,
                Output::Transmit(t) => {
                    let _ = self.socket.send_to(&t.contents, t.destination);
                }
                Output::Event(Event::MediaAdded(added)) => self.mid = Some(added.mid),
                Output::Event(Event::Connected) => self.note().connected = true,
                Output::Event(Event::RtpPacket(packet)) => {
                    let samples = packet.payload.iter().map(|b| expand(*b)).collect();
                    self.note().heard.insert(*packet.seq_no, samples);
                }
                Output::Event(_) => {}
            }
        }
    }

    fn note(&self) -> MutexGuard<'_, Noticed> {
        self.noticed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// 20 ms of the tone, or a packet of the key that is pressed.
    fn speak(&mut self) {
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(FRAME);
        if let Some((began, event, sent)) = self.key {
            // Eight packets, the last of them three times, with the end bit.
            let duration = (sent + 1).min(8) * 160;
            let end = if sent >= 7 { 0x80 } else { 0 };
            let [high, low] = duration.to_be_bytes();
            self.write(126, began, vec![event, end | 0x0a, high, low]);
            self.key = (sent < 9).then_some((began, event, sent + 1));
            return;
        }
        let Some(hz) = self.say else { return };
        let payload = (0..FRAME)
            .map(|_| {
                self.swing = (self.swing + hz / 8_000.0).fract();
                compress(0.3 * (TAU * self.swing).sin())
            })
            .collect();
        self.write(0, timestamp, payload);
    }

    fn write(&mut self, payload_type: u8, timestamp: u32, payload: Vec<u8>) {
        let Some(mid) = self.mid.filter(|_| self.rtc.is_connected()) else {
            return;
        };
        let sequence = self.sequence;
        let mut api = self.rtc.direct_api();
        if let Some(stream) = api.stream_tx_by_mid(mid, None) {
            stream.write_rtp(RtpWrite::new(
                payload_type.into(),
                sequence.into(),
                timestamp,
                now(),
                payload,
            ));
            self.sequence += 1;
        }
        self.note().sent += 1;
        self.drain();
    }
}

fn without_candidates(sdp: &str) -> String {
    sdp.split_inclusive("\r\n")
        .filter(|line| !line.starts_with("a=candidate") && !line.starts_with("a=end-of-candidates"))
        .collect()
}

/// Mu-law by its formula, not by its pieces.
fn compress(loudness: f32) -> u8 {
    let magnitude = (loudness.abs().min(1.0) * 255.0).ln_1p() / 256.0_f32.ln();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 127"
    )]
    let code = (magnitude * 127.0).round() as u8;
    !(code | if loudness < 0.0 { 0x80 } else { 0 })
}

fn expand(byte: u8) -> i16 {
    let code = !byte;
    let magnitude = f32::from(code & 0x7f) / 127.0;
    let loudness = ((256.0_f32.ln() * magnitude).exp() - 1.0) / 255.0;
    #[expect(clippy::cast_possible_truncation, reason = "at most 32 767")]
    let sample = (loudness * 32_767.0).round() as i16;
    if code & 0x80 == 0 { sample } else { -sample }
}

/// The level of one frequency, 0 to 1 (Goertzel).
pub(crate) fn level(samples: &[i16], hz: f32) -> f32 {
    let turn = 2.0 * (TAU * hz / 8_000.0).cos();
    let (mut before, mut last) = (0.0_f32, 0.0_f32);
    for sample in samples {
        let next = f32::from(*sample) / 32_768.0 + turn * last - before;
        (before, last) = (last, next);
    }
    let power = before * before + last * last - turn * before * last;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand samples")]
    let count = samples.len().max(1) as f32;
    2.0 * power.max(0.0).sqrt() / count
}

#[expect(clippy::disallowed_methods, reason = "a browser lives in real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
