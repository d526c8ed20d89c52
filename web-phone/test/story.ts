// What the tests of the reducer share: a page that is told events, and what it asked for.

import { reduce } from "../src/phone";
import { initial } from "../src/state";
import type { Command, Happening, State } from "../src/state";
import type { House, Offer, PageMsg, Seat } from "../src/wire";

export const START = 1_800_000_000_000;

export function offer(over: Partial<Offer> = {}): Offer {
  return { call: "c_1", name: "Rosa Diaz", number: "+15550100", why: "new", since: START, ...over };
}

export function seat(over: Partial<Seat> = {}): Seat {
  return { call: "c_1", leg: "c_1.2", ticket: "t1", joined: false, at: "connecting", name: "Rosa Diaz", number: "+15550100", since: START, ...over };
}

export class Page {
  state: State;
  at = START;
  commands: Command[] = [];
  /** What the newest event asked for. */
  last: Command[] = [];

  constructor(boot: Partial<Parameters<typeof initial>[0]> = {}) {
    this.state = initial({ at: this.at, secure: true, enabled: false, muted: false, ...boot });
  }

  tell(event: Happening, after = 10): this {
    this.at += after;
    [this.state, this.last] = reduce(this.state, { ...event, at: this.at });
    this.commands.push(...this.last);
    return this;
  }

  house(over: Partial<House> = {}): this {
    return this.tell({ e: "heard", msg: { t: "state", active: true, offers: [], held: [], ...over } });
  }

  welcome(over: { signalling?: string; token?: string; expires?: number; pulse_ms?: number } = {}): this {
    return this.tell({ e: "heard", msg: {
      t: "welcome", version: 2, identity: "u1", name: "Grace", token: "T1", expires: this.at + 3_600_000, now: this.at + 10, ...over,
    } });
  }

  /** Paired, connected, sound enabled, carrier there. */
  ready(): this {
    this.tell({ e: "door", door: { at: "in" } }).tell({ e: "line", up: true }).welcome().house();
    return this.tell({ e: "press", key: "enable" }).tell({ e: "mic", mic: "granted" }).tell({ e: "device", up: true });
  }

  /** In a call, with sound. */
  talking(): this {
    this.ready().house({ seat: seat() });
    const n = this.state.own!.n;
    this.tell({ e: "call-sid", n, sid: "CA1" }).tell({ e: "call", n, is: "open" }).tell({ e: "call", n, is: "flowing" });
    return this.house({ seat: seat({ joined: true, at: "talking" }) });
  }

  /** Time goes by, with the worker's ticks. */
  wait(ms: number): this {
    for (let left = ms; left > 0; left -= 2000) this.tell({ e: "tick" }, Math.min(2000, left));
    return this;
  }

  asked<C extends Command["c"]>(c: C, of = this.last): Extract<Command, { c: C }>[] {
    return of.filter((command): command is Extract<Command, { c: C }> => command.c === c);
  }

  /** What the newest event said to the server, without the heartbeats. */
  get said(): PageMsg[] {
    return this.asked("send").map(({ msg }) => msg).filter((msg) => msg.t !== "heartbeat");
  }

  get beats(): Extract<PageMsg, { t: "heartbeat" }>[] {
    return this.asked("send").map(({ msg }) => msg).filter((msg) => msg.t === "heartbeat");
  }
}
