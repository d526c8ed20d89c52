// The sign-in, against a pretend server, a pretend store and locks as a browser's.

import { describe, expect, it } from "vitest";
import { Account, KEPT, Refusal, describe as name } from "../src/account";
import type { World } from "../src/account";
import type { Door } from "../src/state";

type Answer = { status?: number; body: unknown } | "away";

/** A browser: one store and one lock for all its tabs, and a server that answers what the test says. */
class Browser {
  readonly kept = new Map<string, string>();
  readonly asked: { path: string; body: Record<string, string>; bearer: string | null; hurried: boolean }[] = [];
  readonly slept: number[] = [];
  /** How many requests are on the way. */
  under = 0;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(readonly answer: (path: string, body: Record<string, string>, count: number) => Answer) {}

  readonly world: World = {
    fetch: async (path, init) => {
      const headers = init.headers as Record<string, string>;
      const body = JSON.parse(String(init.body)) as Record<string, string>;
      this.asked.push({ path, body, bearer: headers["authorization"] ?? null, hurried: init.signal instanceof AbortSignal });
      this.under += 1;
      await Promise.resolve();
      const answer = this.answer(path, body, this.asked.filter((one) => one.path === path).length);
      this.under -= 1;
      if (answer === "away") throw new TypeError("failed to fetch");
      return new Response(JSON.stringify(answer.body), { status: answer.status ?? 200 });
    },
    store: {
      getItem: (key) => this.kept.get(key) ?? null,
      setItem: (key, value) => void this.kept.set(key, value),
      removeItem: (key) => void this.kept.delete(key),
    },
    locked: <T>(_: string, work: () => Promise<T>): Promise<T> => {
      const turn = this.#queue.then(work);
      this.#queue = turn.catch(() => undefined);
      return turn;
    },
    sleep: (ms) => { this.slept.push(ms); return Promise.resolve(); },
    device: "Firefox on Linux",
  };
}

const refused = (status: number, code: string): Answer => ({ status, body: { code, detail: `It is ${code}.` } });

describe("pairing", () => {
  it("names the code, shows the digits, waits as it is told, and keeps what it is given", async () => {
    const doors: Door[] = [];
    const browser = new Browser((path, _, count) => {
      if (path.endsWith("claim")) return { body: { device_code: "D", check: "47", interval: 2 } };
      return [refused(400, "authorization-pending"), refused(400, "slow-down"), "away" as const, { body: { access: "A1", refresh: "R1" } }][count - 1]!;
    });
    await new Account(browser.world, (door) => doors.push(door)).pair("BCDF-GHJK");
    expect(browser.asked[0]).toMatchObject({ path: "/api/pairings/claim", body: { code: "BCDF-GHJK", device: "Firefox on Linux" } });
    expect(doors).toEqual([{ at: "claiming" }, { at: "waiting", digits: "47" }]);
    expect(browser.slept).toEqual([2000, 2000, 7000, 7000]);
    expect(browser.kept.get(KEPT)).toBe("R1");
  });

  it("ends with the server's sentence when it is refused", async () => {
    const browser = new Browser((path) => path.endsWith("claim") ? { body: { device_code: "D", check: "47", interval: 2 } } : refused(400, "access-denied"));
    await expect(new Account(browser.world, () => undefined).pair("X")).rejects.toThrow("It is access-denied.");
    expect(browser.kept.size).toBe(0);
  });
});

describe("renewing", () => {
  /** A server as ours: a refresh token is good once, and using it twice ends the sign-in. */
  const once = () => {
    let good = "R0";
    let n = 0;
    return new Browser((path, body) => {
      if (path !== "/api/token") return { body: { ticket: "T" } };
      if (body["refresh"] !== good) return refused(401, "unauthorised");
      n += 1;
      good = `R${n}`;
      return { body: { access: `A${n}`, refresh: good } };
    });
  };

  it("never uses one token twice though two tabs renew at once", async () => {
    const browser = once();
    browser.kept.set(KEPT, "R0");
    const tabs = [0, 1, 2].map(() => new Account(browser.world, () => undefined));
    expect(await Promise.all(tabs.map((tab) => tab.renew()))).toEqual([true, true, true]);
    expect(browser.asked.map(({ body }) => body["refresh"])).toEqual(["R0", "R1", "R2"]);
    expect(browser.kept.get(KEPT)).toBe("R3");
  });

  it("forgets a sign-in that is over, and keeps one that nobody could ask about", async () => {
    const over = new Browser(() => refused(401, "unauthorised"));
    over.kept.set(KEPT, "R0");
    expect(await new Account(over.world, () => undefined).renew()).toBe(false);
    expect(over.kept.has(KEPT)).toBe(false);
    for (const answer of ["away" as const, refused(503, "unavailable"), refused(429, "too-many")]) {
      const away = new Browser(() => answer);
      away.kept.set(KEPT, "R0");
      await expect(new Account(away.world, () => undefined).renew()).rejects.toBeInstanceOf(Refusal);
      expect(away.kept.get(KEPT)).toBe("R0");
    }
    expect(await new Account(new Browser(() => "away").world, () => undefined).renew()).toBe(false);
  });

  it("has a ticket with the token it has, with a new one where that has run out, and none where the sign-in is over", async () => {
    const browser = new Browser((path, _, count) => {
      if (path === "/api/token") return { body: { access: `A${count}`, refresh: "R" } };
      return count === 2 ? refused(401, "expired") : { body: { ticket: `T${count}` } };
    });
    browser.kept.set(KEPT, "R");
    const account = new Account(browser.world, () => undefined);
    expect(await account.ticket()).toBe("T1");
    expect(await account.ticket()).toBe("T3");
    expect(browser.asked.map(({ path, bearer }) => [path, bearer])).toEqual([
      ["/api/token", null], ["/api/ticket", "Bearer A1"], ["/api/ticket", "Bearer A1"], ["/api/token", null], ["/api/ticket", "Bearer A2"],
    ]);
    // A ticket is given up when it takes too long, and a renewal never: it must not arrive after the next one.
    expect(browser.asked.map(({ hurried }) => hurried)).toEqual([false, true, true, false, true]);
    account.forget();
    expect(await account.ticket()).toBeNull();
  });

  it("leaves here whatever the server says", async () => {
    const browser = new Browser((path) => path === "/api/logout" ? "away" : { body: { access: "A", refresh: "R", ticket: "T" } });
    browser.kept.set(KEPT, "R");
    const account = new Account(browser.world, () => undefined);
    await account.renew();
    await account.leave();
    expect(browser.asked.at(-1)).toMatchObject({ path: "/api/logout", bearer: "Bearer A" });
    expect(browser.kept.size).toBe(0);
  });
});

it("says what it is without saying more", () => {
  expect(name("Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0")).toBe("Firefox on Linux");
  expect(name("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36 Edg/130.0")).toBe("Edge on Windows");
  expect(name("curl/8")).toBe("A browser on something");
});
