// The page's mind: `(state, event) -> [state, commands]`.
//
// An event changes what we know; `settle` then compares what we know with what the world was told last, and asks for the
// difference. So a rule stands in one place, whichever event made it apply, and an event that comes twice or late changes
// nothing. It follows the rules of the pretend page in `console/src/softphone.rs`: the server decides about calls, this
// page follows its seat. It knows no DOM, no SDK and no time but what events carry.
//
// Read next: device.ts (who does what is asked here), test/phone.test.ts (the rules, one by one).

import { VERSION } from "./wire";
import type { PageMsg, ServerMsg, Warning } from "./wire";
import { beat, micOn, ready, ring, ringing, same, seatOf, waking } from "./state";
import type { Command, Event, Own, State } from "./state";

/** A call of ours that belongs to no seat for so long is hung up. Long: while a hold is confirmed, the leg has to stay. */
const SEATLESS = 30_000;
/** The worker ticks every two seconds: after such a gap the machine was asleep, and no connection can be believed. */
const SLEPT = 10_000;
/** How long an answer or a hold may go unanswered: a claim lapses after four seconds. */
const UNANSWERED = 8_000;
/** How soon before its end a token is asked for, and how often at most. */
const TOKEN_EARLY = 60_000;
const TOKEN_PAUSE = 5_000;
/** How long a hang-up is worth telling, and a call for help worth trying. */
const OWED = 30_000;
/** How soon a call that was cut off is asked for again, if it was refused. */
const REJOIN = 2000;
/** How soon a registration that was forgotten is asked for: the SDK may be about to do so itself. Each time it takes twice
 *  as long, up to the second; after the second in peace it begins at the first again. */
const REGISTER = { first: 2000, most: 60_000 };
/** How long a note stays. */
const NOTE = 12_000;
/** So many pulses of the server may be missed. No browser says of a network that swallows everything that it is dead. */
const MISSED = 3;
/** How long a server may take to welcome us. */
const UNWELCOMED = 15_000;
/** With the carrier lost as well, a server that was silent for so long is asked again: two signs are enough. */
const STALE = 10_000;

type Draft = { -readonly [K in keyof State]: State[K] };
type Ask = (command: Command) => void;

export function reduce(state: State, event: Event): [State, Command[]] {
  const s: Draft = { ...state, now: event.at };
  const commands: Command[] = [];
  const ask: Ask = (command) => void commands.push(command);
  happen(s, event, ask);
  settle(s, state, event, ask);
  return [s, commands];
}

function happen(s: Draft, event: Event, ask: Ask): void {
  switch (event.e) {
    case "door":
      // Out of the door nothing of the house is known; a call that goes on stays until its person ends it.
      if (event.door.at !== "in") Object.assign(s, { house: null, name: "", holding: null, answering: null, declined: [] });
      s.door = event.door;
      break;
    case "line":
      s.line = { up: event.up, welcomed: false, since: event.at, bye: event.up ? null : s.line.bye, pulse: null };
      s.told = { ...s.told, beat: null };
      if (event.up) s.lastHeard = event.at;
      break;
    case "heard":
      // Late, of a line that was given up: the next one says everything again.
      if (!s.line.up) break;
      s.lastHeard = event.at;
      hear(s, event.msg, ask);
      break;
    case "press": press(s, event, ask); break;
    case "digit":
      if (s.keypad && s.own?.open && /^[0-9*#]$/.test(event.digit)) {
        s.digits = (s.digits + event.digit).slice(-32);
        ask({ c: "digit", n: s.own.n, digit: event.digit });
      }
      break;
    case "mic": s.mic = event.mic; break;
    case "lost":
      // Where none is left that is said, and no other is used.
      if (event.what === "microphone" && s.mic === "missing") break;
      s.note = { say: event.what === "microphone" ? "microphone-lost" : "output-lost", label: event.label, at: event.at };
      break;
    case "device":
      if (s.device.at === "none" || (s.device.at === "up") === event.up) break;
      s.device = { at: event.up ? "up" : "down", since: event.at, refused: event.up ? false : s.device.refused, forgotten: false };
      if (!event.up && event.at - s.lastHeard > STALE) ask({ c: "reconnect" });
      break;
    case "forgotten":
      if (s.device.at !== "up" || s.device.forgotten === event.is) break;
      s.device = { ...s.device, forgotten: event.is };
      if (event.is) registerLater(s, s.now - s.again.at > REGISTER.most ? 0 : s.again.tried);
      break;
    case "token-wanted":
      if (event.refused) s.device = { ...s.device, refused: true };
      wantToken(s, ask);
      break;
    case "call": callEvent(s, event, ask); break;
    case "call-sid": ours(s, event.n, () => ({ sid: event.sid })); break;
    case "sample": ours(s, event.n, () => ({ quality: rounded(event) })); break;
    case "warning":
      ours(s, event.n, (own) => ({ warnings: others(own.warnings, event.warning).concat(event.on ? [event.warning] : []) }));
      break;
    case "ring-blocked":
      if (s.told.ring !== "off") s.note = { say: "press-for-ring", at: event.at };
      break;
    case "tick": tick(s, ask); break;
    case "stir": s.told = { ...s.told, beat: null }; break;
  }
}

/** Changes our call, if it is that one. */
function ours(s: Draft, n: number, change: (own: Own) => Partial<Own>): boolean {
  if (s.own?.n !== n) return false;
  s.own = { ...s.own, ...change(s.own) };
  return true;
}

const others = (list: readonly Warning[], one: Warning): Warning[] => list.filter((w) => w !== one);

/** Rounded, so that the console is not told of nothing. */
function rounded({ rtt, jitter, loss }: { rtt: number; jitter: number; loss: number }) {
  const to = (step: number, v: number) => Math.max(0, Math.round((Number.isFinite(v) ? v : 0) / step) * step);
  return { rtt_ms: to(10, rtt), jitter_ms: to(5, jitter), loss_percent: Math.min(100, to(1, loss)) };
}

/** Says it, if somebody is there to hear. */
function send(s: Draft, msg: PageMsg, ask: Ask): boolean {
  if (s.line.up) ask({ c: "send", msg });
  else s.note = { say: "no-server", at: s.now };
  return s.line.up;
}

/** There is a token, it was not refused, and it lasts for a while. */
function holds(s: Draft): boolean {
  return s.token !== null && !s.device.refused && s.token.expires - (s.now + s.skew) > TOKEN_EARLY;
}

function wantToken(s: Draft, ask: Ask): void {
  if (!s.line.up || (s.asked !== null && s.now - s.asked < TOKEN_PAUSE)) return;
  s.asked = s.now;
  ask({ c: "send", msg: { t: "token" } });
}

function hear(s: Draft, msg: ServerMsg, ask: Ask): void {
  switch (msg.t) {
    case "welcome": {
      s.skew = Number.isFinite(msg.now) ? msg.now - s.now : 0;
      s.name = msg.name ?? "";
      s.line = { ...s.line, welcomed: true, pulse: msg.pulse_ms || null };
      const moved = s.signalling !== (msg.signalling ?? null) && s.device.at !== "none";
      s.signalling = msg.signalling ?? null;
      // Every token that the SDK is given makes it say hello again, which may cost a moment of sound: one that still
      // holds is kept.
      if (!holds(s) || moved) takeToken(s, msg, ask);
      if (moved) s.device = { at: "none", since: s.now, refused: false, forgotten: false };
      // The next state is the whole truth: a hold that it does not show did not happen.
      if (s.holding) s.holding = { ...s.holding, at: -Infinity };
      if (s.owed && s.now - s.owed.at < OWED) ask({ c: "send", msg: { t: "leave", call: s.owed.call } });
      s.owed = null;
      break;
    }
    case "token": takeToken(s, msg, ask); break;
    case "state": {
      const { t: _, ...house } = msg;
      const before = seatOf(s)?.leg;
      s.house = house;
      const seat = seatOf(s);
      if (seat && !seat.joined && seat.leg !== before) ask({ c: "mark", name: "seat" });
      const there = (call: string) => house.offers.some((o) => o.call === call);
      if (s.answering && !there(s.answering.call)) s.answering = null;
      if (s.declined.some((call) => !there(call))) s.declined = s.declined.filter(there);
      // Gone elsewhere, under way, or denied by the first state of a new connection.
      if (s.holding && (seat?.call !== s.holding.call || seat.at !== "talking" || s.holding.at === -Infinity)) s.holding = null;
      break;
    }
    case "no":
      if (s.holding?.call === msg.call) s.holding = null;
      if (s.answering?.call === msg.call) s.answering = null;
      s.declined = s.declined.filter((call) => call !== msg.call);
      s.note = { say: "no", why: msg.why, at: s.now };
      break;
    case "mute": s.muted = msg.on; break;
    case "emergency":
      // Twice the same is one call. It goes before everything else, asleep or not: the browser asks for the microphone.
      if (s.urgent?.to === msg.to || (s.own?.emergency && !s.own.ending)) break;
      s.urgent = { to: msg.to, at: s.now };
      s.muted = false;
      s.holding = null;
      hangUp(s, ask);
      break;
    case "bye": s.line = { ...s.line, bye: msg.why }; break;
  }
}

function takeToken(s: Draft, { token, expires }: { token: string; expires: number }, ask: Ask): void {
  if (s.token?.value === token) return;
  s.token = { value: token, expires };
  if (s.device.at !== "none") {
    s.device = { ...s.device, refused: false };
    ask({ c: "token", token });
  }
}

function registerLater(s: Draft, tried: number): void {
  s.again = { at: s.now + Math.min(REGISTER.first * 2 ** tried, REGISTER.most), tried };
}

function hangUp(s: Draft, ask: Ask): void {
  if (!s.own || s.own.ending) return;
  s.own = { ...s.own, ending: true };
  ask({ c: "disconnect", n: s.own.n });
}

function press(s: Draft, event: Event & { e: "press" }, ask: Ask): void {
  const seat = seatOf(s);
  switch (event.key) {
    // One gesture is both: the word that this page shall be the phone, and what a browser wants before it plays.
    case "enable":
      if (s.line.up) ask({ c: "send", msg: { t: "take" } });
      wake(s, ask);
      break;
    case "take":
      if (send(s, { t: "take" }, ask)) wake(s, ask);
      break;
    case "accept": accept(s, event.call, ask); break;
    case "decline": {
      if (!ringing(s).some((o) => o.call === event.call)) break;
      const busy = s.own || seat ? { busy: true } : {};
      if (send(s, { t: "decline", call: event.call, ...busy }, ask)) s.declined = [...s.declined, event.call];
      break;
    }
    case "mute": if (s.own || seat) s.muted = !s.muted; break;
    case "hold":
      if (!seat || seat.at !== "talking" || s.holding || s.own?.emergency) break;
      if (send(s, { t: "hold", call: seat.call }, ask)) s.holding = { call: seat.call, at: s.now };
      break;
    case "resume": if (s.house?.active) send(s, { t: "resume", call: event.call }, ask); break;
    case "hangup":
      // The word goes before the deed: an end without it is an accident, and the caller is kept.
      if (seat && !s.own?.emergency) {
        if (s.line.up) ask({ c: "send", msg: { t: "leave", call: seat.call } });
        else s.owed = { call: seat.call, at: s.now };
        s.was = seat.leg;
      }
      s.urgent = null;
      hangUp(s, ask);
      break;
    case "keypad": if (s.own?.open) s.keypad = !s.keypad; break;
  }
}

/** Asks for the microphone, if it is not there yet. */
function wake(s: Draft, ask: Ask): void {
  s.enabled = true;
  if (s.mic === "asking" || s.mic === "granted") return;
  s.mic = "asking";
  ask({ c: "open-microphone" });
}

function accept(s: Draft, call: string, ask: Ask): void {
  if (!ready(s) || s.answering || !ringing(s).some((o) => o.call === call)) return;
  if (!send(s, { t: "accept", call }, ask)) return;
  ask({ c: "mark", name: "accept-sent" });
  s.answering = { call, at: s.now };
}

/** A call that was cut off from this page, by a reload or a lost network, is taken again without being asked for. */
function rejoin(s: Draft, ask: Ask): void {
  if (s.own || seatOf(s) || s.answering || !s.line.up || s.now - s.rejoined < REJOIN) return;
  const [offer] = ringing(s).filter((o) => o.why === "reconnect");
  if (!offer || !ready(s)) return;
  s.rejoined = s.now;
  accept(s, offer.call, ask);
}

function callEvent(s: Draft, event: Event & { e: "call" }, ask: Ask): void {
  const own = s.own;
  if (own?.n !== event.n) return;
  switch (event.is) {
    case "open": s.own = { ...own, open: true }; s.retry = { at: 0, failed: 0 }; break;
    case "flowing": s.own = { ...own, silent: false }; break;
    case "silent": s.own = { ...own, silent: true }; break;
    case "ended":
      // Not by us: the server sees it as well and decides what becomes of the call. The leg is not connected again.
      if (!own.ending && own.open) s.note = { say: "ended", at: s.now };
      if (own.emergency) s.urgent = null;
      s.own = null;
      break;
    case "unplaced": {
      // There was no call: it is worth another try, but not a storm of them.
      const failed = s.retry.failed + 1;
      s.retry = { at: s.now + Math.min(200 * 2 ** (failed - 1), 3200), failed };
      s.own = null;
      if (!own.ending) s.was = "";
      if (failed === 3) s.note = { say: "unplaced", at: s.now };
      ask({ c: "wake", after: s.retry.at - s.now });
      break;
    }
  }
}

function tick(s: Draft, ask: Ask): void {
  const slept = s.lastTick !== null && s.now - s.lastTick > SLEPT;
  s.lastTick = s.now;
  if (slept || silent(s)) ask({ c: "reconnect" });
  if (slept && s.device.at !== "none" && !s.own) ask({ c: "rebuild" });
  if (s.device.at !== "none" && !holds(s)) wantToken(s, ask);
  if (s.answering && s.now - s.answering.at > UNANSWERED) s.answering = null;
  if (s.holding && s.holding.at !== -Infinity && s.now - s.holding.at > UNANSWERED) {
    s.holding = null;
    s.note = { say: "hold-late", at: s.now };
  }
  if (s.note && s.now - s.note.at > NOTE) s.note = null;
}

/** The server has been silent for longer than it ever is while its socket stands. */
function silent(s: Draft): boolean {
  if (!s.line.up) return false;
  const patience = !s.line.welcomed ? UNWELCOMED : s.line.pulse === null ? Infinity : s.line.pulse * MISSED;
  return s.now - s.lastHeard > patience;
}

/** Brings the world in line with what we know. `before` is the state that the event found. */
function settle(s: Draft, before: State, event: Event, ask: Ask): void {
  if (s.token && s.device.at === "none" && ((s.enabled && s.mic === "granted") || s.urgent)) {
    s.device = { at: "starting", since: s.now, refused: false, forgotten: false };
    ask({ c: "start", token: s.token.value, signalling: s.signalling });
  }
  if (s.device.forgotten && s.now >= s.again.at) {
    registerLater(s, s.again.tried + 1);
    ask({ c: "register" });
  }
  seatAndCall(s, ask);
  if (!s.own?.open && s.keypad) s.keypad = false;
  if (s.digits && !s.own) s.digits = "";
  // The next call begins with the microphone on; the same call, cut off and found again, does not.
  if (s.muted && !s.own && !seatOf(s) && (before.own || seatOf(before)) && s.line.up) s.muted = false;
  if (s.own && s.told.mic !== micOn(s)) {
    s.told = { ...s.told, mic: !s.told.mic };
    ask({ c: "mute", n: s.own.n, on: !s.told.mic });
  }
  if (ring(s) !== s.told.ring) {
    s.told = { ...s.told, ring: ring(s) };
    ask({ c: "ring", ring: s.told.ring });
  }
  if (s.enabled !== before.enabled || s.muted !== before.muted) ask({ c: "remember", enabled: s.enabled, muted: s.muted });
  const saying = beat(s);
  // With the call that it is in, so that the server knows at once that it has this page back, and not another one.
  if (s.line.up && !before.line.up) ask({ c: "send", msg: { t: "hello", version: VERSION, ...(s.own?.sid ? { sid: s.own.sid } : {}) } });
  if (s.line.up && !waking(s) && (event.e === "tick" || !same(saying, s.told.beat))) {
    s.told = { ...s.told, beat: saying };
    ask({ c: "send", msg: saying });
  }
  // Last: the server gives a call only to a page that has said it can talk.
  rejoin(s, ask);
}

/** The seat and our call at the carrier: at most one, never on another page's behalf. */
function seatAndCall(s: Draft, ask: Ask): void {
  const seat = seatOf(s);
  if (s.own) {
    if (s.own.emergency) return;
    if (seat) {
      if (s.own.seatless !== null) s.own = { ...s.own, seatless: null };
      // Also after a redirect, which changes the leg under a living call.
      if (seat.joined && seat.leg !== s.was) s.was = seat.leg;
    } else if (s.house && !s.house.active) hangUp(s, ask); // another page has taken the phone, and waits for its seat
    else if (s.own.seatless === null) s.own = { ...s.own, seatless: s.now };
    else if (s.now - s.own.seatless > SEATLESS) hangUp(s, ask);
    return;
  }
  if (s.urgent && s.now - s.urgent.at > OWED) s.urgent = null;
  if (s.now < s.retry.at) return;
  if (s.urgent) {
    if (s.device.at !== "none") connect(s, { op: "dial", to: s.urgent.to }, ask);
  } else if (seat && !seat.joined && seat.leg !== s.was && ready(s)) {
    s.was = seat.leg;
    connect(s, { op: "join", leg: seat.leg, ticket: seat.ticket }, ask);
  }
}

function connect(s: Draft, params: Record<string, string>, ask: Ask): void {
  const n = s.serial + 1;
  s.serial = n;
  s.own = {
    n, emergency: params["op"] === "dial", sid: null, open: false, silent: false, ending: false, seatless: null,
    quality: null, warnings: [],
  };
  if (!s.own.emergency) s.urgent = null;
  ask({ c: "connect", n, params });
  // A new call begins with its microphone on, as the SDK has it; `settle` turns it off where it must be.
  s.told = { ...s.told, mic: true };
}
