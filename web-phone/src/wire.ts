// What travels over the page's own socket, as types, and the one place where a frame is read.
//
// It mirrors `core/src/wire/phone.rs`: a change there is a change here and a new VERSION. It must not decide anything: a frame
// that does not have the shape is passed over, so that a newer server cannot break an older page in the middle of a call.
//
// Read next: state.ts.

export const VERSION = 2;

/** Why the page cannot talk. */
export type Trouble = "asleep" | "microphone-denied" | "no-microphone" | "carrier" | "no-network-audio" | "insecure";

/** What is wrong with a call's sound. `in` is what the microphone gives, `out` is what there is to hear. */
export type Warning =
  | "high-rtt" | "high-jitter" | "high-loss" | "low-mos" | "no-sound-in" | "no-sound-out" | "reconnecting";

export interface Quality { rtt_ms: number; jitter_ms: number; loss_percent: number; warning?: Warning }

export interface Heartbeat {
  t: "heartbeat"; ready: boolean; sid?: string; muted?: boolean; trouble?: Trouble; quality?: Quality;
}

export type PageMsg =
  | { t: "hello"; version: number; sid?: string }
  | Heartbeat
  | { t: "accept"; call: string }
  | { t: "decline"; call: string; busy?: boolean }
  | { t: "leave"; call: string }
  | { t: "hold"; call: string }
  | { t: "resume"; call: string }
  | { t: "take" }
  | { t: "token" };

export interface Offer { call: string; name?: string | null; number?: string | null; why: string; since: number }
export interface Held { call: string; name?: string | null; number?: string | null; since: number }
export interface Seat {
  call: string; leg: string; ticket: string; joined: boolean; at: string;
  name?: string | null; number?: string | null; since: number;
}

/** What the page should be doing. Always whole. */
export interface House {
  active: boolean; other?: string | null; offers: readonly Offer[]; seat?: Seat | null; held: readonly Held[];
}

export type ServerMsg =
  | { t: "welcome"; version: number; identity: string; name: string; token: string; expires: number; now: number;
      signalling?: string | null; pulse_ms?: number | null }
  | ({ t: "state" } & House)
  | { t: "token"; token: string; expires: number }
  | { t: "no"; call: string; why: string }
  | { t: "mute"; on: boolean }
  | { t: "emergency"; to: string }
  | { t: "bye"; why: string };

type Json = Record<string, unknown>;
const text = (v: unknown): v is string => typeof v === "string";
const whole = (v: unknown): v is number => typeof v === "number" && Number.isFinite(v);
const maybe = (v: unknown): boolean => v === undefined || v === null || text(v);
const thing = (v: unknown): v is Json => typeof v === "object" && v !== null && !Array.isArray(v);
const named = (v: unknown): v is Json => thing(v) && text(v["call"]) && maybe(v["name"]) && maybe(v["number"]) && whole(v["since"]);

function seat(v: unknown): boolean {
  if (v === undefined || v === null) return true;
  return named(v) && text(v["leg"]) && text(v["ticket"]) && typeof v["joined"] === "boolean" && text(v["at"]);
}

const SHAPES: Record<ServerMsg["t"], (m: Json) => boolean> = {
  // A server that does not say its time is taken to have ours; see `skew` in state.ts.
  welcome: (m) => text(m["token"]) && whole(m["expires"]) && maybe(m["signalling"]) && (!m["pulse_ms"] || whole(m["pulse_ms"])),
  state: (m) => typeof m["active"] === "boolean" && maybe(m["other"]) && seat(m["seat"])
    && Array.isArray(m["offers"]) && m["offers"].every((o) => named(o) && text(o["why"]))
    && Array.isArray(m["held"]) && m["held"].every(named),
  token: (m) => text(m["token"]) && whole(m["expires"]),
  no: (m) => text(m["call"]) && text(m["why"]),
  mute: (m) => typeof m["on"] === "boolean",
  emergency: (m) => text(m["to"]),
  bye: (m) => text(m["why"]),
};

/** A frame, read. None: it is nothing that this page knows. */
export function parse(frame: unknown): ServerMsg | null {
  if (!text(frame)) return null;
  let message: unknown;
  try { message = JSON.parse(frame); } catch { return null; }
  if (!thing(message) || !text(message["t"]) || !Object.hasOwn(SHAPES, message["t"])) return null;
  const read = moments(message) as Json;
  return SHAPES[message["t"] as ServerMsg["t"]](read) ? (read as unknown as ServerMsg) : null;
}

/** Which fields are moments. They travel as RFC 3339 and are milliseconds here. */
const MOMENTS = ["now", "expires", "since"];

function moments(v: unknown, key = ""): unknown {
  if (Array.isArray(v)) return v.map((one) => moments(one));
  if (thing(v)) return Object.fromEntries(Object.entries(v).map(([k, one]) => [k, moments(one, k)]));
  return text(v) && MOMENTS.includes(key) ? Date.parse(v) : v;
}
