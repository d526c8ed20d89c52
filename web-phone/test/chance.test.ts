// Whatever happens in whatever order: the promises that hold always. A failure prints its seed; SEED=<n> plays it again.

import { expect, it } from "vitest";
import { micOn, ready, seatOf } from "../src/state";
import type { Happening } from "../src/state";
import { Page, offer, seat } from "./story";

declare const process: { env: Record<string, string | undefined> };

/** A small generator with a seed (mulberry32). */
function dice(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const PLACES = ["connecting", "talking", "talking", "dialling", "holding", "held", "parked", "transferring"];

/** The carrier, as it would answer what the page asks for; it refuses to be two calls. */
class Exchange {
  live: { n: number; muted: boolean; emergency: boolean } | null = null;
  calls = 0;
}

function play(seed: number, steps: number): number {
  const roll = dice(seed);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(roll() * list.length)]!;
  const some = (share: number) => roll() < share;
  const page = new Page();
  const world = new Exchange();

  const follow = (): void => {
    for (const command of page.last) {
      if (command.c === "connect") {
        expect(world.live, "one call at once").toBeNull();
        const emergency = command.params["op"] === "dial";
        if (!emergency) {
          expect(ready(page.state), "never asleep").toBe(true);
          expect(page.state.house?.active, "never for another page").toBe(true);
          expect(seatOf(page.state)?.leg).toBe(command.params["leg"]);
        }
        world.live = { n: command.n, muted: false, emergency };
        world.calls += 1;
      } else if (command.c === "mute") {
        expect(world.live?.n).toBe(command.n);
        world.live!.muted = command.on;
      } else if (command.c === "disconnect") expect(world.live?.n, "no strange call is hung up").toBe(command.n);
      else if (command.c === "ring" && command.ring !== "off") {
        expect(page.state.house?.active && page.state.enabled && page.state.line.up).toBe(true);
      } else if (command.c === "send") expect(page.state.line.up, "nothing is said to nobody").toBe(true);
    }
    if (world.live) {
      expect(world.live.n).toBe(page.state.own?.n);
      expect(world.live.muted, "the microphone is as it must be").toBe(!micOn(page.state));
      const at = seatOf(page.state)?.at ?? "";
      if (!world.live.emergency && !["connecting", "talking", "dialling"].includes(at)) expect(world.live.muted).toBe(true);
      if (page.state.muted) expect(world.live.muted).toBe(true);
    } else expect(page.state.own).toBeNull();
  };

  const something = (): Happening => {
    const call = pick(["c_1", "c_2", "c_3"]);
    const n = world.live?.n ?? 1;
    const kind = Math.floor(roll() * 20);
    switch (kind) {
      case 0: return { e: "line", up: some(0.8) };
      case 1: return { e: "door", door: { at: some(0.95) ? "in" : "opening" } };
      case 2: return { e: "heard", msg: { t: "welcome", version: 2, identity: "u", name: "G", token: pick(["T1", "T2", "T3"]), expires: page.at + pick([30_000, 3_600_000]), now: page.at } };
      case 3: case 4: case 5: case 6: {
        const at = pick(PLACES);
        return { e: "heard", msg: {
          t: "state", active: some(0.85), offers: some(0.4) ? [offer({ call })] : [], held: [],
          seat: some(0.7) ? seat({ call, leg: `${call}.${pick([1, 2])}`, at, joined: some(0.5) }) : null,
        } };
      }
      case 7: return { e: "heard", msg: { t: "no", call, why: "No." } };
      case 8: return { e: "heard", msg: { t: "mute", on: some(0.5) } };
      case 9: return some(0.3) ? { e: "heard", msg: { t: "emergency", to: "112" } } : { e: "stir" };
      case 10: return { e: "press", key: pick(["enable", "take", "mute", "hold", "hangup", "keypad"]) };
      case 11: return { e: "press", key: pick(["accept", "decline", "resume"]), call };
      case 12: return { e: "mic", mic: some(0.85) ? "granted" : pick(["denied", "missing", "unasked"]) };
      case 13: return some(0.7) ? { e: "device", up: some(0.85) } : { e: "forgotten", is: some(0.5) };
      case 14: return { e: "token-wanted", refused: some(0.5) };
      case 15: return { e: "call", n: some(0.8) ? n : n - 1, is: pick(["open", "flowing", "silent"]) };
      case 16: return { e: "warning", n, warning: pick(["high-rtt", "reconnecting"]), on: some(0.5) };
      case 17: return { e: "sample", n, rtt: roll() * 500, jitter: roll() * 50, loss: roll() * 5 };
      default: return { e: "tick" };
    }
  };

  for (let step = 0; step < steps; step += 1) {
    // What the carrier does by itself, and what it was told to do, takes its time.
    let event: Happening = something();
    if (world.live && some(page.state.own?.ending ? 0.5 : 0.06)) {
      event = { e: "call", n: world.live.n, is: some(0.7) ? "ended" : "unplaced" };
      world.live = null;
    }
    page.tell(event, Math.floor(roll() * pick([50, 500, 3000, 15_000])));
    follow();
    // A doubled or late event: only a beat may follow, and nothing that matters is other than before.
    if (event.e !== "press" && event.e !== "line" && event.e !== "tick" && event.e !== "heard" && event.e !== "token-wanted" && some(0.3)) {
      const before = page.state;
      page.tell(event, 0);
      expect(page.last.filter(({ c }) => c !== "send"), `twice ${event.e}`).toEqual([]);
      expect({ ...page.state, told: null, device: { ...page.state.device, since: 0 } }).toEqual({ ...before, told: null, device: { ...before.device, since: 0 } });
    }
    if (event.e === "heard" && event.msg.t === "state" && some(0.5)) {
      page.tell(event, 0);
      follow();
      expect(page.asked("connect"), "a doubled state connects nothing").toEqual([]);
      expect(page.asked("mute")).toEqual([]);
      expect(page.asked("ring")).toEqual([]);
    }
  }
  return world.calls;
}

const SEED = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const LIVES = process.env["SEED"] ? 1 : 80;

it(`holds its promises in ${LIVES} lives, from seed ${SEED}`, () => {
  let calls = 0;
  for (let life = 0; life < LIVES; life += 1) {
    try {
      calls += play(SEED + life, 250);
    } catch (error) {
      throw new Error(`SEED=${SEED + life} plays it again`, { cause: error });
    }
  }
  // Lives without calls would promise nothing.
  if (LIVES > 1) expect(calls).toBeGreaterThan(LIVES * 3);
}, 60_000);
