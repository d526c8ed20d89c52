// The line, against pretend sockets and a pretend clock.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Line } from "../src/line";
import type { Ends, Wire } from "../src/line";
import type { ServerMsg } from "../src/wire";

class Socket implements Wire {
  readyState = 0;
  sent: string[] = [];
  closed = false;
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  constructor(readonly protocols: string[]) {}
  send(text: string): void { this.sent.push(text); }
  close(): void { this.closed = true; this.readyState = 3; }
  opens(): void { this.readyState = 1; this.onopen?.(); }
  dies(): void { this.readyState = 3; this.onclose?.(); }
  says(message: unknown): void { this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) }); }
}

const WELCOME = { t: "welcome", version: 2, identity: "u", name: "G", token: "T", expires: 1, now: 1 };

class Rig {
  sockets: Socket[] = [];
  ups: boolean[] = [];
  heard: ServerMsg[] = [];
  unpaired = 0;
  ticket: () => Promise<string | null> = () => Promise.resolve("k");
  readonly line: Line;
  constructor() {
    const ends: Ends = {
      ticket: () => this.ticket(),
      open: (protocols) => { const socket = new Socket(protocols); this.sockets.push(socket); return socket; },
      up: (up) => this.ups.push(up), heard: (message) => this.heard.push(message),
      unpaired: () => { this.unpaired += 1; }, dice: () => 1,
    };
    this.line = new Line(ends);
  }
  get socket(): Socket { return this.sockets.at(-1)!; }
  async started(): Promise<this> { this.line.start(); await vi.advanceTimersByTimeAsync(0); return this; }
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("the line", () => {
  it("opens with a ticket, says that it is up, and carries both ways", async () => {
    const rig = await new Rig().started();
    expect(rig.socket.protocols).toEqual(["cordboard", "ticket.k"]);
    rig.line.send({ t: "take" });
    rig.socket.opens();
    rig.line.send({ t: "take" });
    expect(rig.socket.sent).toEqual(['{"t":"take"}']);
    rig.socket.says({ t: "mute", on: true });
    for (const rubbish of ["", "{", "null", "[]", '{"t":"mute"}', '{"t":"constructor"}', '{"t":"state","active":true,"offers":[{}],"held":[]}']) rig.socket.says(rubbish);
    expect(rig.heard).toEqual([{ t: "mute", on: true }]);
    expect(rig.ups).toEqual([true]);
  });

  it("comes back, later each time, and at first again only when the server has welcomed it", async () => {
    const rig = await new Rig().started();
    const pauses = [];
    for (let i = 0; i < 14; i += 1) {
      if (i === 12) { rig.socket.opens(); rig.socket.says(WELCOME); }
      const before = rig.sockets.length;
      rig.socket.dies();
      let waited = 0;
      while (rig.sockets.length === before) { await vi.advanceTimersByTimeAsync(100); waited += 100; }
      pauses.push(waited);
    }
    // Of which the dice take a part: an outage of some seconds is over soon after its end.
    expect(pauses).toEqual([500, 1000, 2000, 2000, 2000, 2000, 2000, 2000, 4000, 8000, 15_000, 15_000, 500, 1000]);
    expect(rig.ups).toEqual([true, false]);
  });

  it("tries again when no ticket is to be had, and stops where the page is not paired", async () => {
    const rig = new Rig();
    rig.ticket = () => Promise.reject(new Error("away"));
    await rig.started();
    expect(rig.sockets).toHaveLength(0);
    rig.ticket = () => Promise.resolve(null);
    await vi.advanceTimersByTimeAsync(500);
    expect(rig.unpaired).toBe(1);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([rig.unpaired, rig.sockets.length]).toEqual([1, 0]);
  });

  it("gives up on a socket that does not open in ten seconds", async () => {
    const rig = await new Rig().started();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(rig.socket.closed).toBe(true);
    await vi.advanceTimersByTimeAsync(500);
    expect(rig.sockets).toHaveLength(2);
  });

  it("is not late where the browser lets the timers of a hidden tab sleep, if it is looked at", async () => {
    vi.stubGlobal("setTimeout", () => 0);
    const rig = new Rig();
    rig.line.start();
    const looked = async (after: number) => { vi.setSystemTime(Date.now() + after); rig.line.look(); await Promise.resolve(); return rig.sockets.length; };
    expect(await looked(0)).toBe(1);
    // Opening takes too long, and then the pause is over.
    expect(await looked(9999)).toBe(1);
    expect(await looked(1)).toBe(1);
    expect(rig.socket.closed).toBe(true);
    expect(await looked(499)).toBe(1);
    expect(await looked(1)).toBe(2);
    // Nothing is due while it stands.
    rig.socket.opens();
    expect(await looked(60_000)).toBe(2);
    vi.unstubAllGlobals();
  });

  it("opens a new one at once when told, and the old one says nothing more", async () => {
    const rig = await new Rig().started();
    const old = rig.socket;
    old.opens();
    const { onmessage, onclose } = old;
    rig.line.again();
    await vi.advanceTimersByTimeAsync(0);
    expect(old.closed).toBe(true);
    onmessage?.({ data: JSON.stringify({ t: "mute", on: true }) });
    onclose?.();
    rig.socket.opens();
    expect(rig.heard).toEqual([]);
    expect(rig.ups).toEqual([true, false, true]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(rig.sockets).toHaveLength(2);
  });

  it("hurries only while it waits", async () => {
    const rig = await new Rig().started();
    rig.line.hurry();
    rig.socket.opens();
    rig.line.hurry();
    expect(rig.sockets).toHaveLength(1);
    rig.socket.dies();
    rig.line.hurry();
    await vi.advanceTimersByTimeAsync(0);
    expect(rig.sockets).toHaveLength(2);
  });

  it("is silent when it was stopped while it asked for a ticket", async () => {
    const rig = new Rig();
    let give: (ticket: string) => void = () => undefined;
    rig.ticket = () => new Promise((done) => { give = done; });
    rig.line.start();
    rig.line.stop();
    give("k");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(rig.sockets).toHaveLength(0);
  });
});
