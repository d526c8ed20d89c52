// The page's sign-in: pairing with a console, keeping the refresh token, and having new ones.
//
// The refresh token lies in this origin's local storage (docs/adr/0010), where only our own scripts come near it: the
// policy lets no other run. It is good once, so two tabs must never use it at once: a renewal holds a lock and reads the
// store inside it. Nothing here touches the DOM; what the person must be told goes out as a door.
//
// Read next: line.ts (what the access token is for).

import type { Door } from "./state";

export const KEPT = "cordboard.refresh";
const LOCK = "cordboard.refresh";
const SLOW_DOWN = 5000;
/** How long a ticket may take. Where a network swallows everything, a browser would wait for minutes. */
const TICKET = 10_000;

/** A refusal with the server's own sentence. No `code`: nobody could be asked. */
export class Refusal extends Error {
  constructor(message: string, readonly code: string | null, readonly status: number) { super(message); }
}

/** What it needs of a browser, so that a test can be one. */
export interface World {
  fetch(path: string, init: RequestInit): Promise<Response>;
  store: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  locked<T>(name: string, work: () => Promise<T>): Promise<T>;
  sleep(ms: number): Promise<void>;
  device: string;
}

interface Tokens { access: string; refresh: string }

export class Account {
  #access: string | null = null;

  constructor(private readonly world: World, private readonly door: (door: Door) => void) {}

  /** A request to our API: what it answers, or a refusal. */
  async #ask<T>(path: string, body: unknown, token?: string, more: RequestInit = {}): Promise<T> {
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (token) headers["authorization"] = `Bearer ${token}`;
    let response: Response;
    let answer: unknown;
    try {
      response = await this.world.fetch(path, { method: "POST", headers, body: JSON.stringify(body), cache: "no-store", ...more });
      answer = await response.json();
    } catch {
      throw new Refusal("The server cannot be reached.", null, 0);
    }
    if (response.ok) return answer as T;
    const problem = answer as { detail?: string; code?: string };
    throw new Refusal(problem.detail ?? "The server refused this.", problem.code ?? "unknown", response.status);
  }

  #keep(tokens: Tokens): void {
    this.#access = tokens.access;
    this.world.store.setItem(KEPT, tokens.refresh);
  }

  forget(): void {
    this.#access = null;
    this.world.store.removeItem(KEPT);
  }

  /** Names the code, and waits to be let in. A refusal ends it. */
  async pair(code: string): Promise<void> {
    this.door({ at: "claiming" });
    const waiting = await this.#ask<{ device_code: string; check: string; interval: number }>(
      "/api/pairings/claim", { code, device: this.world.device });
    this.door({ at: "waiting", digits: waiting.check });
    for (let pause = waiting.interval * 1000; ; ) {
      await this.world.sleep(pause);
      try {
        this.#keep(await this.#ask<Tokens>("/api/pairings/poll", { device_code: waiting.device_code }));
        return;
      } catch (problem) {
        if (!(problem instanceof Refusal)) throw problem;
        // A server that is away for a moment has not said no.
        if (problem.code === "slow-down") pause += SLOW_DOWN;
        else if (problem.code !== null && problem.code !== "authorization-pending") throw problem;
      }
    }
  }

  /** The next tokens. Whether there is a sign-in that goes on; a refusal without a code where nobody could say. */
  async renew(): Promise<boolean> {
    return this.world.locked(LOCK, async () => {
      // Inside the lock: another tab may have had the next one meanwhile.
      const refresh = this.world.store.getItem(KEPT);
      if (refresh === null) return false;
      try {
        this.#keep(await this.#ask<Tokens>("/api/token", { refresh }));
        return true;
      } catch (problem) {
        if (!(problem instanceof Refusal) || problem.status !== 401) throw problem;
        this.forget();
        return false;
      }
    });
  }

  /** A ticket for one socket. None: this page is not paired any more. */
  async ticket(): Promise<string | null> {
    for (let fresh = false; ; fresh = true) {
      if (this.#access === null || fresh) {
        if (!(await this.renew())) return null;
      }
      try {
        // Only this is given up when it takes too long. A renewal that was given up, and arrives after the next one,
        // would look like a thief's, and end the sign-in.
        const signal = AbortSignal.timeout(TICKET);
        return (await this.#ask<{ ticket: string }>("/api/ticket", {}, this.#access ?? "", { signal })).ticket;
      } catch (problem) {
        if (fresh || !(problem instanceof Refusal) || problem.status !== 401) throw problem;
      }
    }
  }

  /** Whether there is a sign-in in the store. */
  paired(): boolean { return this.world.store.getItem(KEPT) !== null; }

  /** Ends the sign-in, here whatever the server says. */
  async leave(): Promise<void> {
    try {
      if (this.#access !== null) await this.#ask("/api/logout", {}, this.#access);
    } catch { /* It runs out by itself. */ } finally { this.forget(); }
  }
}

/** What this browser calls itself, for the console's question. */
export function describe(agent: string): string {
  const browser = ["Firefox", "Edg", "Chrome", "Safari"].find((name) => agent.includes(name)) ?? "A browser";
  const system = ["Android", "iPhone", "iPad", "Windows", "Mac OS", "Linux"].find((name) => agent.includes(name)) ?? "something";
  return `${browser === "Edg" ? "Edge" : browser} on ${system}`;
}
