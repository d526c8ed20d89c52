// What is said and shown for which state, and what a key means. No browser.

import { describe, expect, it } from "vitest";
import { meant } from "../src/keys";
import type { Key } from "../src/keys";
import { face, scene, title } from "../src/scene";
import { age, browserOf, clock, note, plain, quality, undo, who, why } from "../src/words";
import { Page, offer, seat } from "./story";

describe("words", () => {
  it("tell time for the eye and for the ear", () => {
    expect([clock(0), clock(59_999), clock(61_000), clock(3_725_000), clock(-5)]).toEqual(["0:00", "0:59", "1:01", "1:02:05", "0:00"]);
    expect([age(900), age(61_000), age(600_000)]).toEqual(["1 second", "1 minute", "10 minutes"]);
  });

  it("call people by what is known, without marks that deceive", () => {
    expect(who({ name: "", number: null })).toBe("Number withheld");
    expect(who({ name: "\u202eevil\u202c", number: "1" })).toBe("evil");
    expect(who({ name: "\u200f \u2066", number: "+1" })).toBe("+1");
    expect(who({ name: "👩\u200d🚒", number: null })).toBe("👩\u200d🚒");
    expect(plain("a\nb\u0007\u2028c")).toBe("a b c");
    expect([...plain("x".repeat(500))].length).toBe(60);
  });

  it("say why it rings, also for a reason from a newer server", () => {
    expect(why("park-expired")).toBe("Returned from park");
    expect(why("something new")).toBe("Rings for you");
  });

  it("say how the line is, the worst first, and promise nothing that was not measured", () => {
    expect(quality(null, null, false)).toBe("");
    expect(quality({ rtt_ms: 40, jitter_ms: 5, loss_percent: 0 }, null, false)).toBe("Clear line, 40 ms there and back");
    expect(quality({ rtt_ms: 0, jitter_ms: 0, loss_percent: 5 }, null, false)).toBe("Poor line");
    expect(quality({ rtt_ms: 40, jitter_ms: 5, loss_percent: 0 }, "no-sound-out", false)).toMatch(/hear nothing/);
    expect(quality(null, "high-rtt", true)).toMatch(/no sound arrives/);
  });

  it("tell each browser's people how to allow the microphone again", () => {
    const kinds = ["Firefox/130", "Chrome/130 Safari", "Version/17 Safari", "iPhone Safari"].map(browserOf);
    expect(kinds).toEqual(["firefox", "chromium", "safari", "ios"]);
    expect(new Set(kinds.map((kind) => undo(kind)[0])).size).toBe(4);
  });

  it("have a sentence for each note", () => {
    for (const say of ["hold-late", "ended", "unplaced", "press-for-ring", "no-server"] as const) expect(note({ say })).toMatch(/\.$/);
    expect(note({ say: "microphone-lost", label: "" })).toBe("The microphone is gone. Another is used.");
    expect(note({ say: "no", why: "Ada was quicker." })).toBe("Ada was quicker.");
  });
});

describe("faces", () => {
  it("say why the browser will ask for the microphone before a press that makes it ask", () => {
    const inside = () => new Page().tell({ e: "door", door: { at: "in" } }).tell({ e: "line", up: true }).welcome();
    for (const page of [inside().house(), inside().house({ active: false, other: "Firefox" })]) {
      const shown = scene(page.state);
      expect(`${shown.text} ${shown.hint}`).toMatch(/browser will .*ask whether .* may use the microphone.*Nothing is sent/);
    }
    expect(scene(new Page().ready().house({ active: false, other: "Firefox" }).state).hint).toBe("");
  });

  it("show each state as what it is", () => {
    expect(face(new Page().state)).toBe("opening");
    expect(face(new Page().tell({ e: "door", door: { at: "asking", offered: "" } }).state)).toBe("asking");
    const inside = new Page().tell({ e: "door", door: { at: "in" } });
    expect(face(inside.state)).toBe("connecting");
    expect(face({ ...inside.state, now: inside.at + 5000 })).toBe("server");
    expect(face(new Page().tell({ e: "door", door: { at: "in" } }).tell({ e: "line", up: true }).welcome().house().state)).toBe("asleep");
    expect(face(new Page().ready().state)).toBe("ready");
    expect(face(new Page().ready().house({ active: false }).state)).toBe("second");
    expect(face(new Page().ready().tell({ e: "mic", mic: "denied" }).state)).toBe("denied");
    expect(face(new Page().ready().tell({ e: "device", up: false }).state)).toBe("starting");
    expect(face(new Page().ready().tell({ e: "device", up: false }).wait(4000).state)).toBe("carrier");
    expect(face(new Page({ secure: false }).ready().state)).toBe("insecure");
  });

  it("show the way to a telephone where the carrier is a double, and nowhere else", () => {
    const double = new Page().ready().welcome({ signalling: "127.0.0.1:4010" });
    const ready = scene(double.tell({ e: "device", up: true }).state);
    expect(ready.face).toBe("ready");
    expect(ready.link?.href).toBe("http://127.0.0.1:4010/telephone");
    expect(scene(double.house({ offers: [offer()] }).state).link).toBeNull();
    expect(scene(new Page().ready().state).link).toBeNull();
  });

  it("say that the telephone network has lost track of the page, as long as it has", () => {
    const page = new Page().ready();
    const well = scene(page.state);
    expect(scene(page.tell({ e: "forgotten", is: true }).state)).toMatchObject({ face: "ready", tone: "busy", text: expect.stringMatching(/lost track.*can talk/) as string });
    expect(scene(page.tell({ e: "forgotten", is: false }).state)).toEqual(well);
  });

  it("say how old what is shown is when the server is away, and that a call goes on", () => {
    // It was silent for a while before its socket was given up.
    const page = new Page().talking().tell({ e: "line", up: false }, 15_000);
    expect(face(page.state)).toBe("ready");
    const later = scene({ ...page.state, now: page.at + 12_000 });
    expect(later).toMatchObject({ face: "server", tone: "bad", calls: true });
    expect(later.text).toBe("Lost for 27 seconds. This page keeps trying. Your call goes on. What is shown here may be old.");
  });

  it("put into the window's title what somebody elsewhere must know", () => {
    expect(title(new Page().ready().house({ offers: [offer()] }).state)).toBe("☎ Rosa Diaz is calling");
    expect(title(new Page().talking().state)).toBe("In call with Rosa Diaz");
    expect(title(new Page().talking().tell({ e: "press", key: "mute" }).state)).toBe("Muted, in call with Rosa Diaz");
    expect(title(new Page().ready().state)).toBe("Ready · Cordboard phone");
    expect(title(new Page().ready().house({ active: false, offers: [offer()] }).state)).toBe("Another page is your phone · Cordboard phone");
  });
});

describe("keys", () => {
  const press = (key: string, over: Partial<Key> = {}): Key => ({ key, repeat: false, modified: false, typing: false, onButton: false, ...over });
  const rings = new Page().ready().house({ offers: [offer()] }).state;
  const talks = new Page().talking();

  it("mean what they say they mean", () => {
    expect(meant(rings, press("a"), true)).toEqual({ e: "press", key: "accept", call: "c_1" });
    expect(meant(rings, press("Enter"), true)).toEqual({ e: "press", key: "accept", call: "c_1" });
    expect(meant(rings, press("D"), true)).toEqual({ e: "press", key: "decline", call: "c_1" });
    for (const [key, what] of [["m", "mute"], ["h", "hold"], ["x", "hangup"], ["k", "keypad"]] as const) {
      expect(meant(talks.state, press(key), true)).toEqual({ e: "press", key: what });
      expect(meant(rings, press(key), true)).toBeNull();
    }
    const held = new Page().talking().house({ seat: seat({ joined: true, at: "held" }) }).state;
    expect(meant(held, press("h"), true)).toEqual({ e: "press", key: "resume", call: "c_1" });
  });

  it("are letters while somebody types, and nothing with other keys, held down, or switched off", () => {
    for (const over of [{ typing: true }, { modified: true }, { repeat: true }]) expect(meant(rings, press("a", over), true)).toBeNull();
    expect(meant(rings, press("a"), false)).toBeNull();
    expect(meant(rings, press("Enter", { onButton: true }), true)).toBeNull();
    expect(meant(rings, press("Enter"), false)).not.toBeNull();
  });

  it("are digits while the keypad is open", () => {
    expect(meant(talks.state, press("5"), true)).toBeNull();
    const open = new Page().talking().tell({ e: "press", key: "keypad" }).state;
    expect(meant(open, press("#"), false)).toEqual({ e: "digit", digit: "#" });
    expect(meant(open, press("Escape"), true)).toEqual({ e: "press", key: "keypad" });
  });
});
