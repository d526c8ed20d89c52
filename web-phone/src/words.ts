// Every sentence the page says.
//
// Nothing else spells English, so that tone and honesty can be read in one place. It must not know the DOM. Names from
// outside are never put into a sentence here that would be shown: the view sets them apart in an element of their own; only
// the window's title and what is read aloud are plain text, and `plain` takes the direction marks out of those.
//
// Read next: scene.ts (which sentence when).

import type { Note } from "./state";
import type { Quality, Warning } from "./wire";

export type Browser = "firefox" | "safari" | "ios" | "chromium";

export function browserOf(agent: string): Browser {
  if (/iPhone|iPad/.test(agent)) return "ios";
  if (/Firefox/.test(agent)) return "firefox";
  return /Chrome|Chromium|Edg/.test(agent) ? "chromium" : "safari";
}

/** A name without what would turn its letters round or hide some. The two joiners stay: scripts and emoji need them. */
export function clean(name: string | null | undefined): string {
  return (name ?? "").replace(/[\p{Cc}\u2028\u2029]/gu, " ").replace(/(?![\u200c\u200d])\p{Cf}/gu, "").trim();
}

/** Who it is, as far as anybody knows. */
export function who(of: { name?: string | null; number?: string | null }): string {
  return clean(of.name) || clean(of.number) || "Number withheld";
}

/** For plain text: without marks that would turn the rest of the line round, and not without end. */
export function plain(name: string, most = 60): string {
  const flat = clean(name).replace(/\s+/g, " ");
  return flat.length > most ? `${flat.slice(0, most - 1)}…` : flat;
}

/** Why it rings here. */
export function why(code: string): string {
  switch (code) {
    case "new": return "Incoming call";
    case "returned": return "Came back: nobody took it";
    case "park-expired": return "Returned from park";
    case "reconnect": return "Your call, cut off before";
    case "transfer": return "Sent by a colleague";
    default: return "Rings for you";
  }
}

/** Where a call stands. */
export function place(at: string): string {
  switch (at) {
    case "connecting": return "Connecting";
    case "talking": return "In call";
    case "holding": return "Putting on hold";
    case "held": return "On hold";
    case "parking": return "Parking";
    case "parked": return "Parked";
    case "transferring": return "Being sent on";
    case "dialling": return "Calling";
    case "ringing": return "Ringing";
    default: return "On the line";
  }
}

/** A stretch of time, as a clock shows it. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** The same, to be read or heard. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} ${seconds === 1 ? "second" : "seconds"}`;
  const minutes = Math.floor(seconds / 60);
  return `${minutes} ${minutes === 1 ? "minute" : "minutes"}`;
}

const WARNED: Record<Warning, string> = {
  "reconnecting": "The connection was lost. Finding it again.",
  "no-sound-out": "No sound arrives: you hear nothing of the others.",
  "no-sound-in": "Your microphone gives no sound: the others hear nothing.",
  "high-loss": "Part of the sound is being lost on the way.",
  "low-mos": "The sound is poor.",
  "high-jitter": "The sound arrives unevenly.",
  "high-rtt": "The line is slow: leave the other a moment to answer.",
};

/** How the line is, in words. */
export function quality(measured: Quality | null, warned: Warning | null, silent: boolean): string {
  if (silent) return "Connected, but no sound arrives. Check the network: a firewall may be in the way.";
  if (warned) return WARNED[warned];
  if (!measured) return "";
  const { rtt_ms: rtt, jitter_ms: jitter, loss_percent: loss } = measured;
  const word = loss >= 3 || jitter >= 50 || rtt >= 400 ? "Poor line" : loss >= 1 || jitter >= 30 || rtt >= 250 ? "Fair line" : "Clear line";
  // Nothing measured is no promise of nothing.
  return rtt > 0 ? `${word}, ${rtt} ms there and back` : word;
}

/** What is said once. */
export function note(of: Note): string {
  switch (of.say) {
    case "no": return plain(of.why, 240);
    case "hold-late": return "The hold was not confirmed. Your microphone is on again.";
    case "ended": return "The call has ended.";
    case "unplaced": return "The call could not be connected. Trying again.";
    case "press-for-ring": return "Your browser plays no ring tone yet. Click anywhere to hear it.";
    case "no-server": return "The server cannot be reached, so this was not done.";
    case "microphone-lost": return `The microphone is gone${of.label ? `: ${plain(of.label)}` : ""}. Another is used.`;
    case "output-lost": return `A speaker is gone${of.label ? `: ${plain(of.label)}` : ""}. Another is used.`;
  }
}

/** How a refused microphone is allowed again. */
export function undo(browser: Browser): readonly string[] {
  switch (browser) {
    case "chromium": return [
      "Click the icon at the left end of the address.",
      "Switch “Microphone” on.",
      "Come back here and press “Try again”.",
    ];
    case "firefox": return [
      "Click the crossed-out microphone at the left end of the address.",
      "Take “Blocked” away with its ×.",
      "Come back here and press “Try again”.",
    ];
    case "safari": return [
      "Open the Safari menu and choose “Settings for” this site.",
      "Set “Microphone” to “Allow”.",
      "Come back here and press “Try again”.",
    ];
    case "ios": return [
      "Tap the page button in the address bar, then “Website Settings”.",
      "Set “Microphone” to “Allow”.",
      "Come back here and press “Try again”.",
    ];
  }
}

export const WORDS = {
  page: "Cordboard phone",
  moment: "One moment",
  pair: {
    title: "Pair this page",
    offered: "Is this the code that your own console shows?",
    plain: "Press the phone key in your console. It shows a code; type it here.",
    label: "Code from your console",
    button: "Pair this page",
    claiming: "Asking your console",
    digits: "Your console shows these two digits as well. Let this page in there.",
    waiting: "Let this page in",
  },
  enable: {
    title: "This phone is asleep",
    text: "Calls are heard and spoken through this page. To wake it, press the button; your browser will ask whether the page may use the microphone. Choose “Allow”.",
    promise: "The microphone stays open so that a call connects at once. Nothing is sent unless you are in a call.",
    button: "Enable sound",
    asking: "Your browser is asking",
    allow: "Choose “Allow” in the question that your browser shows.",
    waiting: "is calling. Enable sound to answer.",
  },
  denied: { title: "The microphone is blocked", text: "Your browser keeps this page from the microphone, so nobody can ring you here.", button: "Try again" },
  missing: { title: "No microphone found", text: "Plug one in, or close the program that is using it. Then try again.", button: "Try again" },
  insecure: { title: "This address is not secure", text: "Browsers give the microphone only to pages from https or from localhost. Open the phone through such an address." },
  second: { title: "Another page is your phone", there: "Calls ring there:", text: "Calls ring there, not here.", button: "Use this one",
    asks: "Your browser will then ask whether this page may use the microphone. Choose “Allow”." },
  starting: { title: "Getting ready", text: "Connecting to the telephone network." },
  ready: { title: "Ready", text: "Calls ring here. Keep this page open; it may stay in the background.", forgotten: "The telephone network has lost track of this page and is being asked to take it back. You can talk meanwhile." },
  double: { telephone: "Be a caller yourself: open a telephone" },
  carrier: { title: "The telephone network cannot be reached", text: "Nobody can ring you here just now. This page keeps trying.", refused: "It did not accept this page’s token. A new one has been asked for." },
  server: {
    title: "The server cannot be reached", never: "This page has not reached it yet, and keeps trying.",
    since: (ms: number) => `Lost for ${age(ms)}. This page keeps trying.`,
    call: "Your call goes on. What is shown here may be old.",
    bye: "It said:",
  },
  call: {
    mute: "Mute", unmute: "Unmute", hold: "Hold", resume: "Resume", keypad: "Keypad", hangup: "Hang up",
    accept: "Accept", decline: "Decline", muted: "Your microphone is off", quiet: "Your microphone is off meanwhile",
    answering: "Answering", emergency: "Emergency call", held: "On hold", pressed: "Keys pressed", ending: "Hanging up",
    several: "More calls",
  },
  settings: {
    title: "Sound and keys", microphone: "Microphone", speaker: "Speaker", ring: "Ring tone", standard: "The system’s choice",
    test: "Test", level: "What the others hear", heard: "What you hear", shortcuts: "One-letter shortcuts",
    fixed: "This browser always uses the system’s speaker.", unpair: "Unpair this page", sure: "Press again to unpair",
    licences: "Licences",
  },
  keys: { accept: "A", decline: "D", mute: "M", hold: "H", hangup: "X", keypad: "K" },
  title: {
    calling: (name: string) => `☎ ${plain(name)} is calling`,
    talking: (name: string) => `In call with ${plain(name)}`,
    muted: (name: string) => `Muted, in call with ${plain(name)}`,
    held: (name: string) => `On hold: ${plain(name)}`,
  },
} as const;
