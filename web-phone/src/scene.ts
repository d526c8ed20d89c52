// Which of its faces the page shows: a pure function of the state, so that each can be tested without a browser.
//
// It must not decide what the page does, only what it says of it. Read next: view.ts.

import { CARRIER_GRACE, ringing, seatOf, trouble } from "./state";
import type { State } from "./state";
import { WORDS, place, plain, who } from "./words";

export type Face =
  | "opening" | "asking" | "claiming" | "waiting" | "insecure" | "connecting" | "server" | "second" | "asleep" | "prompting"
  | "denied" | "missing" | "carrier" | "starting" | "ready";

/** `good`: nothing to do; `busy`: wait a moment; `ask`: the person is asked for something; `bad`: it does not work. */
export type Tone = "good" | "busy" | "ask" | "bad";

export interface Scene {
  face: Face;
  tone: Tone;
  title: string;
  text: string;
  /** What will happen when the button is pressed: before a browser asks, it is said why. */
  hint: string;
  /** What one button does. */
  action: { label: string; key: "enable" | "take" } | null;
  /** Another page that is of use now. */
  link: { label: string; href: string } | null;
  /** There are cards for calls: the face is only a line above them, or nothing where all is well. */
  calls: boolean;
}

/** How long a lost server is not yet worth a word. */
const BLINK = 2000;

export function face(s: State): Face {
  if (s.door.at !== "in") return s.door.at;
  if (!s.secure) return "insecure";
  const gone = s.now - s.line.since >= BLINK;
  if (!s.line.up || !s.house) return gone && !s.line.up ? "server" : s.house ? soundFace(s) : "connecting";
  if (!s.house.active) return "second";
  return soundFace(s);
}

function soundFace(s: State): Face {
  switch (trouble(s)) {
    case "microphone-denied": return "denied";
    case "no-microphone": return "missing";
    case "asleep": return s.mic === "asking" ? "prompting" : "asleep";
    case "carrier": return "carrier";
    default: return s.device.at === "up" ? "ready" : "starting";
  }
}

export function scene(s: State): Scene {
  const at = face(s);
  const calls = s.own !== null || seatOf(s) !== null || (s.house?.active === true && s.house.held.length > 0) ||
    (ringing(s).length > 0 && at !== "asleep" && at !== "prompting");
  // Where the carrier is a double, nobody rings by chance: its own page is a telephone to ring with.
  const link = at === "ready" && !calls && s.signalling !== null ? { label: WORDS.double.telephone, href: `http://${s.signalling}/telephone` } : null;
  const say = (tone: Tone, title: string, text = "", action: Scene["action"] = null, hint = ""): Scene =>
    ({ face: at, tone, title, text, hint, action, link, calls });
  switch (at) {
    case "opening": return say("busy", WORDS.moment);
    case "connecting": return say("busy", WORDS.moment);
    case "asking": return say("ask", WORDS.pair.title, s.door.at === "asking" && s.door.offered ? WORDS.pair.offered : WORDS.pair.plain);
    case "claiming": return say("busy", WORDS.pair.claiming);
    case "waiting": return say("ask", WORDS.pair.waiting, WORDS.pair.digits);
    case "insecure": return say("bad", WORDS.insecure.title, WORDS.insecure.text);
    case "second": return say("ask", WORDS.second.title, s.house?.other ? WORDS.second.there : WORDS.second.text, { label: WORDS.second.button, key: "take" },
      s.mic === "granted" ? "" : `${WORDS.second.asks} ${WORDS.enable.promise}`);
    case "asleep": return say("ask", WORDS.enable.title, WORDS.enable.text, { label: WORDS.enable.button, key: "enable" }, WORDS.enable.promise);
    case "prompting": return say("ask", WORDS.enable.asking, WORDS.enable.allow);
    case "denied": return say("bad", WORDS.denied.title, WORDS.denied.text, { label: WORDS.denied.button, key: "enable" });
    case "missing": return say("bad", WORDS.missing.title, WORDS.missing.text, { label: WORDS.missing.button, key: "enable" });
    case "carrier": return say("bad", WORDS.carrier.title, s.device.refused ? WORDS.carrier.refused : WORDS.carrier.text);
    case "starting": return say("busy", WORDS.starting.title, WORDS.starting.text);
    case "ready": return s.device.forgotten ? say("busy", WORDS.ready.title, WORDS.ready.forgotten) : say("good", WORDS.ready.title, WORDS.ready.text);
    case "server": {
      const since = s.house ? WORDS.server.since(s.now - s.lastHeard) : WORDS.server.never;
      return say("bad", WORDS.server.title, s.own ? `${since} ${WORDS.server.call}` : since);
    }
  }
}

/** The window's title: what somebody in another window must know. */
export function title(s: State): string {
  const [offer] = ringing(s);
  if (offer && s.enabled) return WORDS.title.calling(who(offer));
  const seat = seatOf(s);
  if (s.own?.emergency) return WORDS.call.emergency;
  if (seat && s.own) {
    if (seat.at === "held") return WORDS.title.held(who(seat));
    return (s.muted ? WORDS.title.muted : WORDS.title.talking)(who(seat));
  }
  if (seat) return `${place(seat.at)}: ${plain(who(seat))}`;
  return `${scene(s).title} · ${WORDS.page}`;
}

/** When the next second changes something on its own. */
export function ticking(s: State): boolean {
  const waiting = s.device.at !== "up" && s.now - s.device.since < CARRIER_GRACE;
  return waiting || !s.line.up || seatOf(s) !== null || s.own !== null || (s.house?.held.length ?? 0) > 0 || (s.house?.offers.length ?? 0) > 0;
}
