// The wiring: events in, commands out. It decides nothing.
//
// Read next: phone.ts, the page's mind.

import { Account, KEPT, Refusal, describe } from "./account";
import { Carrier } from "./device";
import { typing } from "./dom";
import { meant } from "./keys";
import { Line } from "./line";
import type { Wire } from "./line";
import { reduce } from "./phone";
import { ticking } from "./scene";
import { Settings, shortcuts } from "./settings";
import { Sound } from "./sound";
import { initial } from "./state";
import type { Command, Happening } from "./state";
import { View } from "./view";

const BEAT = "/assets/beat.js";
const TAB = "cordboard.tab";
const MEASURE = "cordboard.measure";

interface Tab { enabled: boolean; muted: boolean }
function tab(): Tab {
  try { return { enabled: false, muted: false, ...JSON.parse(sessionStorage.getItem(TAB) ?? "{}") as Partial<Tab> }; } catch { return { enabled: false, muted: false }; }
}

let state = initial({ at: Date.now(), secure: window.isSecureContext, ...tab() });
const waiting: Happening[] = [];
let working = false;

/** One event at a time, in the order in which they came: a command may report back at once. */
function say(event: Happening): void {
  waiting.push(event);
  if (working) return;
  working = true;
  try {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const [after, commands] = reduce(state, { ...next, at: Date.now() });
      state = after;
      for (const command of commands) carryOut(command);
    }
  } finally {
    working = false;
    draw();
  }
}

const sound = new Sound(() => say({ e: "ring-blocked" }));

const carrier = new Carrier({
  report: say,
  choice: () => sound.choice(),
  streams: (inward, remote) => sound.streams(inward, remote),
  mark: (name) => void performance.mark(name),
});

const account = new Account({
  fetch: (path, init) => fetch(path, init),
  store: localStorage,
  // A browser without locks renews all the same; two of its tabs may then sign each other out.
  locked: async <T>(name: string, work: () => Promise<T>): Promise<T> =>
    navigator.locks ? await navigator.locks.request(name, work) as T : work(),
  sleep: (ms) => new Promise((done) => setTimeout(done, ms)),
  device: describe(navigator.userAgent),
}, (door) => say({ e: "door", door }));

const line = new Line({
  ticket: () => account.ticket(),
  open: (protocols) => {
    const address = new URL("/ws/phone", location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    return new WebSocket(address, protocols) as unknown as Wire;
  },
  up: (up) => say({ e: "line", up }),
  heard: (msg) => say({ e: "heard", msg }),
  unpaired: () => askForCode(""),
  dice: Math.random,
});

const settings = new Settings(sound, (kind) => { if (kind !== "ring") void carrier.useChoice(); }, () => void unpair());
const view = new View(document.getElementById("app")!, { settings: settings.node, say, pair: (code) => void pair(code) });

function draw(): void { view.draw({ ...state, now: Date.now() }); }

function carryOut(command: Command): void {
  switch (command.c) {
    case "send": line.send(command.msg); break;
    case "open-microphone": void sound.open().then((mic) => { say({ e: "mic", mic }); void settings.list(); }); break;
    case "start": carrier.start(command.token, command.signalling); break;
    case "token": carrier.token(command.token); break;
    case "connect": void carrier.connect(command.n, command.params); break;
    case "disconnect": carrier.disconnect(command.n); break;
    case "mute": carrier.mute(command.n, command.on); break;
    case "digit": carrier.digit(command.n, command.digit); sound.digit(command.digit); break;
    case "ring": sound.ring(command.ring); break;
    case "reconnect": line.again(); break;
    case "rebuild": carrier.rebuild(); break;
    case "register": carrier.register(); break;
    case "wake": setTimeout(() => say({ e: "stir" }), command.after); break;
    case "mark": performance.mark(command.name); break;
    case "remember":
      try { sessionStorage.setItem(TAB, JSON.stringify({ enabled: command.enabled, muted: command.muted })); } catch { /* Then a reload asks again. */ }
      break;
  }
}

// Pairing.

function askForCode(offered: string, said?: string): void {
  say({ e: "door", door: { at: "asking", offered, ...(said === undefined ? {} : { said }) } });
}

async function pair(code: string): Promise<void> {
  try {
    await account.pair(code);
    enter();
  } catch (problem) {
    askForCode("", problem instanceof Refusal ? problem.message : String(problem));
  }
}

function enter(): void {
  say({ e: "door", door: { at: "in" } });
  line.start();
}

async function unpair(): Promise<void> {
  line.stop();
  await account.leave();
  location.reload();
}

function open(): void {
  if (location.hash) {
    // Whoever opens a new code leaves the old sign-in.
    let offered = "";
    try { offered = decodeURIComponent(location.hash.slice(1)); } catch { /* Not a code, then. */ }
    history.replaceState(null, "", location.pathname);
    account.forget();
    askForCode(offered);
  } else if (account.paired()) enter();
  else askForCode("");
}

// The world's own events.

addEventListener("storage", ({ key, newValue }) => {
  // Another tab has unpaired this browser, or paired it.
  if (key !== KEPT) return;
  if (newValue === null) { line.stop(); account.forget(); askForCode(""); } else if (state.door.at === "asking") enter();
});
addEventListener("hashchange", () => location.reload());
addEventListener("online", () => { line.hurry(); say({ e: "stir" }); });
addEventListener("offline", () => say({ e: "stir" }));
document.addEventListener("visibilitychange", () => say({ e: "stir" }));
document.addEventListener("freeze", () => say({ e: "stir" }));
document.addEventListener("resume", () => say({ e: "tick" }));
// From here on the SDK takes itself apart, which would be told as "this page cannot talk" and give the call away that the
// page is about to come back to (docs/adr/0013): say no more. Before the SDK hears of it, which listens later than we.
addEventListener("pagehide", () => line.stop());
// Out of the browser's store of pages everything is stale, and the SDK's device is gone.
addEventListener("pageshow", ({ persisted }) => { if (persisted) location.reload(); });
(navigator as { connection?: EventTarget }).connection?.addEventListener("change", () => { line.hurry(); say({ e: "stir" }); });
for (const gesture of ["pointerdown", "keydown"]) addEventListener(gesture, () => sound.wake(), { capture: true, passive: true });
document.addEventListener("keydown", (event) => {
  const at = document.activeElement;
  const press = meant(state, {
    key: event.key, repeat: event.repeat, typing: typing(),
    modified: event.ctrlKey || event.metaKey || event.altKey,
    onButton: at instanceof HTMLElement && at.matches("button, a, summary, input"),
  }, shortcuts());
  if (!press) return;
  event.preventDefault();
  say(press);
});

// The heart. Its answer is given here, in the main thread, so that a page that hangs is silent.

const trusted = (window as unknown as { trustedTypes?: { createPolicy(name: string, rules: object): { createScriptURL(url: string): string } } }).trustedTypes;
const policy = trusted?.createPolicy("cordboard", {
  createScriptURL: (url: string) => { if (url !== BEAT) throw new TypeError("not our worker"); return url; },
});

function beat(): void {
  say({ e: "tick" });
  line.look();
}

function heart(): void {
  try {
    new Worker(policy ? policy.createScriptURL(BEAT) : BEAT).onmessage = beat;
  } catch {
    setInterval(beat, 2000);
  }
}

// A tab that had sound before it was loaded again has it still, if the browser does not ask.
async function wakeUp(): Promise<void> {
  if (!state.enabled) return;
  if (!(await sound.granted())) return;
  say({ e: "mic", mic: await sound.open() });
}

void sound.watch((permission) => {
  if (!state.enabled || state.mic === "asking") return;
  if (permission === "granted") void wakeUp();
  else say({ e: "mic", mic: permission === "denied" ? "denied" : "unasked" });
});
setInterval(() => { if (ticking(state)) draw(); }, 1000);
if (localStorage.getItem(MEASURE) === "1") {
  Object.defineProperty(window, "cordboard", { value: Object.freeze({
    marks: () => Object.fromEntries(performance.getEntriesByType("mark").map((mark) => [mark.name, mark.startTime])),
    levels: () => sound.levels(),
    spectrum: () => sound.spectrum(),
  }) });
}
heart();
draw();
open();
void wakeUp();
