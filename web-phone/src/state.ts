// The page's whole state, what can happen to it, what it can ask of the world, and what follows from a state alone.
//
// Everything here is data and pure functions of it: no DOM, no SDK, no clock, no dice. phone.ts changes the state;
// view.ts shows it; device.ts, line.ts, sound.ts and account.ts do what the commands say and report events.
//
// Read next: phone.ts.

import type { Heartbeat, House, PageMsg, Quality, Seat, ServerMsg, Trouble, Warning } from "./wire";

/** How the page stands with its pairing. */
export type Door =
  | { at: "opening" }
  | { at: "asking"; offered: string; said?: string }
  | { at: "claiming" }
  | { at: "waiting"; digits: string }
  | { at: "in" };

export type Mic = "unasked" | "asking" | "granted" | "denied" | "missing";

/** Our one call at the carrier. `n` tells it from the ones before: what is reported of those is passed over. */
export interface Own {
  readonly n: number;
  readonly emergency: boolean;
  readonly sid: string | null;
  readonly open: boolean;
  /** Open, and nothing arrived for three seconds. */
  readonly silent: boolean;
  /** We have ordered its end. */
  readonly ending: boolean;
  /** Since when it belongs to no seat. */
  readonly seatless: number | null;
  readonly quality: Quality | null;
  readonly warnings: readonly Warning[];
}

/** Something to tell the person once, in words.ts's words. */
export type Note =
  | { say: "no"; why: string }
  | { say: "hold-late" } | { say: "ended" } | { say: "unplaced" } | { say: "press-for-ring" } | { say: "no-server" }
  | { say: "microphone-lost"; label: string } | { say: "output-lost"; label: string };

/** A wish that the server has not answered yet. */
export interface Wish { readonly call: string; readonly at: number }

export interface State {
  /** Of the newest event, by our clock. */
  readonly now: number;
  /** When the page was loaded. */
  readonly born: number;
  /** The server's clock minus ours. */
  readonly skew: number;
  readonly secure: boolean;
  readonly door: Door;
  /** `pulse`: the server says something at least so often, as it has said itself. None: only when there is something. */
  readonly line: {
    readonly up: boolean; readonly welcomed: boolean; readonly since: number; readonly bye: string | null; readonly pulse: number | null;
  };
  readonly lastTick: number | null;
  readonly lastHeard: number;
  readonly name: string;
  readonly signalling: string | null;
  readonly token: { readonly value: string; readonly expires: number } | null;
  /** When we asked for a token. */
  readonly asked: number | null;
  /** Somebody had before it was loaded again. */
  readonly revived: boolean;
  /** Somebody has pressed "Enable sound" in this tab. */
  readonly enabled: boolean;
  readonly mic: Mic;
  /** The connection to the carrier, and since when it is so. `forgotten`: it stands, and the page is not registered there
   *  any more though it never asked for that. */
  readonly device: {
    readonly at: "none" | "starting" | "up" | "down"; readonly since: number; readonly refused: boolean; readonly forgotten: boolean;
  };
  /** Not before this moment is it registered again, and how often that was tried in a row. */
  readonly again: { readonly at: number; readonly tried: number };
  readonly house: House | null;
  readonly own: Own | null;
  readonly serial: number;
  /** The last leg we were in as: not connected again. */
  readonly was: string;
  /** Not before this moment is a connect tried again, and how often it has failed. */
  readonly retry: { readonly at: number; readonly failed: number };
  /** An emergency call that waits for its connection. */
  readonly urgent: { readonly to: string; readonly at: number } | null;
  readonly muted: boolean;
  readonly holding: Wish | null;
  readonly answering: Wish | null;
  /** When a call that was cut off was asked for last. */
  readonly rejoined: number;
  readonly declined: readonly string[];
  /** A hang-up that the server could not be told of. */
  readonly owed: Wish | null;
  readonly keypad: boolean;
  readonly digits: string;
  readonly note: (Note & { readonly at: number }) | null;
  /** What the world was told last: only changes become commands. */
  readonly told: { readonly beat: Heartbeat | null; readonly mic: boolean; readonly ring: Ring };
}

export type Ring = "off" | "ring" | "knock";

export type Happening =
  | { e: "door"; door: Door }
  | { e: "line"; up: boolean }
  | { e: "heard"; msg: ServerMsg }
  | { e: "press"; key: "enable" | "take" | "mute" | "hold" | "hangup" | "keypad" }
  | { e: "press"; key: "accept" | "decline" | "resume"; call: string }
  | { e: "digit"; digit: string }
  | { e: "mic"; mic: Mic }
  | { e: "lost"; what: "microphone" | "output"; label: string }
  | { e: "device"; up: boolean }
  | { e: "forgotten"; is: boolean }
  | { e: "token-wanted"; refused: boolean }
  | { e: "call"; n: number; is: "open" | "flowing" | "silent" | "ended" | "unplaced" }
  | { e: "call-sid"; n: number; sid: string }
  | { e: "sample"; n: number; rtt: number; jitter: number; loss: number }
  | { e: "warning"; n: number; warning: Warning; on: boolean }
  | { e: "ring-blocked" }
  | { e: "tick" }
  | { e: "stir" };

export type Event = Happening & { at: number };

export type Command =
  | { c: "send"; msg: PageMsg }
  | { c: "open-microphone" }
  | { c: "start"; token: string; signalling: string | null }
  | { c: "token"; token: string }
  | { c: "connect"; n: number; params: Record<string, string> }
  | { c: "disconnect"; n: number }
  | { c: "mute"; n: number; on: boolean }
  | { c: "digit"; n: number; digit: string }
  | { c: "ring"; ring: Ring }
  | { c: "reconnect" }
  | { c: "rebuild" }
  | { c: "register" }
  | { c: "wake"; after: number }
  | { c: "remember"; enabled: boolean; muted: boolean }
  | { c: "mark"; name: string };

export interface Boot { at: number; secure: boolean; enabled: boolean; muted: boolean }

export function initial(boot: Boot): State {
  return {
    now: boot.at, born: boot.at, skew: 0, secure: boot.secure, door: { at: "opening" },
    line: { up: false, welcomed: false, since: boot.at, bye: null, pulse: null }, lastTick: null, lastHeard: boot.at,
    name: "", signalling: null, token: null, asked: null,
    revived: boot.enabled, enabled: boot.enabled, mic: "unasked", device: { at: "none", since: boot.at, refused: false, forgotten: false },
    again: { at: -Infinity, tried: 0 },
    house: null, own: null, serial: 0, was: "", retry: { at: 0, failed: 0 }, urgent: null,
    muted: boot.muted, holding: null, answering: null, rejoined: -Infinity, declined: [], owed: null,
    keypad: false, digits: "", note: null, told: { beat: null, mic: true, ring: "off" },
  };
}

/** How long the carrier may take before that is a trouble: it takes a moment at every start. */
export const CARRIER_GRACE = 3000;

/** The places of a seat in which what one says is meant to be heard. */
const OPEN = ["connecting", "talking", "dialling"];

/** The seat, if it is this page's to take. */
export function seatOf(s: State): Seat | null {
  return s.house?.active ? (s.house.seat ?? null) : null;
}

/** It can talk: sound enabled, microphone granted, carrier there. */
export function ready(s: State): boolean {
  return s.secure && s.enabled && s.mic === "granted" && s.device.at === "up";
}

export function trouble(s: State): Trouble | null {
  if (!s.secure) return "insecure";
  if (s.mic === "denied") return "microphone-denied";
  if (s.mic === "missing") return "no-microphone";
  if (!s.enabled || s.mic !== "granted") return "asleep";
  if (s.device.refused || (s.device.at !== "up" && s.now - s.device.since >= CARRIER_GRACE)) return "carrier";
  if (s.own?.silent) return "no-network-audio";
  return null;
}

/** Whether the microphone is on. Off is the answer to every doubt, but never in a call for help. */
export function micOn(s: State): boolean {
  if (!s.own || s.muted) return false;
  if (s.own.emergency) return true;
  const seat = seatOf(s);
  return seat !== null && OPEN.includes(seat.at) && s.holding?.call !== seat.call;
}

/** How long a page that was awake before it was loaded again may take to be so again, before it says that it is not. */
const WAKING = 3000;

/** It is being loaded again. Until it knows whether it can talk it says nothing of that: "no" would give its call away,
 *  and the server's patience with silence is longer. */
export function waking(s: State): boolean {
  const hopeless = s.mic === "denied" || s.mic === "missing" || s.device.refused || !s.secure;
  return s.revived && !hopeless && !ready(s) && s.now - s.born < WAKING;
}

/** The offers to ring for, without those that were just answered or declined here. */
export function ringing(s: State): House["offers"] {
  if (!s.house?.active) return [];
  return s.house.offers.filter((o) => !s.declined.includes(o.call) && s.answering?.call !== o.call);
}

export function ring(s: State): Ring {
  const engaged = s.own !== null || seatOf(s) !== null;
  // A call that was cut off is taken again without being rung for.
  const waiting = ringing(s).some((o) => engaged || o.why !== "reconnect");
  if (!s.enabled || s.mic !== "granted" || !s.line.up || !waiting) return "off";
  return engaged ? "knock" : "ring";
}

/** The worst first: one warning is shown and told. */
const WORST: readonly Warning[] =
  ["reconnecting", "no-sound-out", "no-sound-in", "high-loss", "low-mos", "high-jitter", "high-rtt"];

export function warning(own: Own | null): Warning | null {
  return WORST.find((w) => own?.warnings.includes(w)) ?? null;
}

/** Whether both say the same. Asked after every event, so it writes nothing down to compare it. */
export function same(a: Heartbeat | null, b: Heartbeat | null): boolean {
  const [q, r] = [a?.quality, b?.quality];
  return a?.ready === b?.ready && a?.sid === b?.sid && a?.muted === b?.muted && a?.trouble === b?.trouble
    && q?.rtt_ms === r?.rtt_ms && q?.jitter_ms === r?.jitter_ms && q?.loss_percent === r?.loss_percent && q?.warning === r?.warning;
}

/** What the page says of itself. `muted` is the person's own choice: that a held call is silent says its place. */
export function beat(s: State): Heartbeat {
  const out: Heartbeat = { t: "heartbeat", ready: ready(s), muted: s.muted };
  if (s.own?.sid) out.sid = s.own.sid;
  const wrong = trouble(s);
  if (wrong) out.trouble = wrong;
  const warned = warning(s.own);
  if (s.own && (s.own.quality || warned)) {
    out.quality = { ...(s.own.quality ?? { rtt_ms: 0, jitter_ms: 0, loss_percent: 0 }) };
    if (warned) out.quality.warning = warned;
  }
  return out;
}
