// What the suites share: the official client pointed at the twin, the twin's controls, and an office.
//
// The twin to test is named by $TWIN, the line that `cordboard twin serve --json` prints, so that a suite can also be
// run by hand: TWIN='{"url":…}' npm test. Nothing of the `twilio` package is replaced but the address it speaks to.

import assert from "node:assert/strict";
import http from "node:http";
import twilio from "twilio";

if (!process.env.TWIN) {
  throw new Error("TWIN is not set: it holds the line that `cordboard twin serve --json` prints");
}

/** Address and credentials: url, account_sid, auth_token, api_key, api_secret, app_sid. */
export const twin = JSON.parse(process.env.TWIN);

/** No wait is longer, in milliseconds. Generous, since a busy machine is not a fault of the twin. */
const LIMIT = 30_000;

/** The package's own HTTP client, sent to the twin instead of Twilio. */
class ToTwin extends twilio.RequestClient {
  request(options) {
    const uri = options.uri.replace(/^https:\/\/api\.twilio\.com\//, `${twin.url}/`);
    assert.notEqual(uri, options.uri, `${options.uri} is not an address of api.twilio.com`);
    return super.request({ ...options, uri });
  }
}

/** A client of the twin with the account's token, or with other credentials. */
export function client(user = twin.account_sid, password = twin.auth_token, http = {}) {
  return twilio(user, password, { accountSid: twin.account_sid, httpClient: new ToTwin(http) });
}

/** The twin's control API: a GET, or a POST of `body`. Refusals come back as `{refused: {code, why}}`. */
export async function control(path, body) {
  const response = await fetch(`${twin.url}/control/${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
    // Longer than the longest wait below, whose answer says what was seen.
    signal: AbortSignal.timeout(2 * LIMIT),
  });
  const answer = await response.json();
  return response.ok ? answer : { refused: answer.error };
}

/** Sets faults, each `key=value`. */
export async function fault(...settings) {
  const { refused } = await control("fault", { set: settings });
  assert.equal(refused, undefined);
}

/** Waits until a call has one of the statuses (commas between) and hands back the call. */
export async function untilCall(sid, status) {
  const call = await control(`calls/${sid}/wait?status=${status}&timeout=30s`);
  const wanted = status.split(",");
  assert.ok(
    wanted.includes(call.status) || (wanted.includes("completed") && call.end_time),
    `call ${sid} should become ${status}, and is ${JSON.stringify(call)}`,
  );
  return call;
}

/** What the telephones at these numbers do, such as `{"+15550001": {does: "answers", after: 0}}`. */
export function telephones(rows) {
  return control("telephones", Object.entries(rows).map(([number, row]) => ({ number, ...row })));
}

/** Asserts that a promise is refused by the package's own error class with this code and HTTP status. */
export async function refused(promise, code, status = 400) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof twilio.RestException, `a RestException was expected, not ${error.stack}`);
    assert.equal(error.code, code, `${error.message} (${error.code})`);
    assert.equal(error.status, status);
    assert.equal(error.moreInfo, `https://www.twilio.com/docs/errors/${code}`);
    return true;
  });
}

/** Asserts that a resource has every field its class reads, its dates parsed; hands it back. */
export function complete(resource, ...except) {
  for (const [name, value] of Object.entries(resource.toJSON())) {
    if (except.includes(name)) continue;
    assert.notEqual(value, undefined, `${resource.constructor.name}.${name} is missing in the twin's answer`);
    if (/^date|Time$/.test(name) && !/queue|wait/i.test(name) && value !== null) {
      assert.ok(value instanceof Date, `${resource.constructor.name}.${name} is no date: ${value}`);
    }
  }
  return resource;
}

/** A number of the account, bought now; `settings` as IncomingPhoneNumbers takes them. */
export function buyNumber(settings = {}) {
  return client().incomingPhoneNumbers.create({ areaCode: "206", ...settings });
}

/**
 * The customer's web server. Every request is checked by the package's validator as it arrives; `close` fails if any
 * was not Twilio's. What it answers is set by path: a VoiceResponse, a string of TwiML, or a function of the request.
 */
export class Office {
  static async open() {
    const office = new Office();
    office.server = http.createServer((request, response) => office.#serve(request, response));
    await new Promise((done) => office.server.listen(0, "127.0.0.1", done));
    office.url = `http://127.0.0.1:${office.server.address().port}`;
    return office;
  }

  requests = [];
  #answers = new Map();
  #waiting = new Set();

  answer(path, answer) {
    this.#answers.set(path, answer);
    return this.url + path;
  }

  /** The first request, past or to come, that `wanted` holds for. */
  until(name, wanted) {
    const found = this.requests.find(wanted);
    if (found) return Promise.resolve(found);
    return new Promise((done, fail) => {
      const waiter = { wanted, done };
      waiter.alarm = setTimeout(() => {
        this.#waiting.delete(waiter);
        const seen = this.requests.map((r) => `${r.method} ${r.url} ${JSON.stringify(r.params)}`);
        fail(new Error(`${name} never came. The office saw:\n${seen.join("\n") || "nothing"}`));
      }, LIMIT);
      this.#waiting.add(waiter);
    });
  }

  /** All requests to a path, so far. */
  to(path) {
    return this.requests.filter((r) => r.path === path);
  }

  async close() {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
    const forged = this.requests.filter((r) => !r.valid);
    assert.deepEqual(forged, [], "the official validator refused these requests of the twin");
  }

  async #serve(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString("utf8");
    const params = {};
    for (const [key, value] of new URLSearchParams(body)) {
      params[key] = key in params ? [params[key], value].flat() : value;
    }
    const url = new URL(request.url, this.url);
    const signature = request.headers["x-twilio-signature"] ?? "";
    const seen = {
      method: request.method,
      path: url.pathname,
      url: this.url + request.url,
      query: Object.fromEntries(url.searchParams),
      params,
      headers: request.headers,
      signature,
      valid: twilio.validateRequest(twin.auth_token, signature, this.url + request.url, params),
    };
    this.requests.push(seen);
    let answer = this.#answers.get(url.pathname) ?? "<Response/>";
    if (typeof answer === "function") answer = answer(seen);
    if (typeof answer === "number") {
      response.writeHead(answer).end();
    } else {
      response.writeHead(200, { "content-type": "text/xml" }).end(answer.toString());
    }
    for (const waiter of this.#waiting) {
      if (waiter.wanted(seen)) {
        this.#waiting.delete(waiter);
        clearTimeout(waiter.alarm);
        waiter.done(seen);
      }
    }
  }
}
