// What an account owns, through the official client: created, read, paged, changed, removed, and refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import { buyNumber, client, complete, fault, refused, twin } from "./support.js";

const api = client();
// Resources are changed through `api.things(sid)`: in this version of the package, one that came from `create` or
// `list` does not know its own sid.
const gone = (promise) => refused(promise, 20404, 404);

test("the account is read and renamed with its token, and not with a key", async () => {
  const own = api.api.v2010.accounts(twin.account_sid);
  const account = complete(await own.fetch());
  assert.equal(account.status, "active");
  const renamed = await own.update({ friendlyName: "Front desk" });
  assert.equal(renamed.friendlyName, "Front desk");
  const byKey = client(twin.api_key, twin.api_secret);
  await refused(byKey.api.v2010.accounts(twin.account_sid).update({ friendlyName: "Back desk" }), 20003, 401);
  const [listed] = await api.api.v2010.accounts.list();
  assert.deepEqual([listed.sid, listed.friendlyName], [twin.account_sid, "Front desk"]);
});

test("wrong credentials, another account and unknown resources are refused", async () => {
  await refused(client(twin.account_sid, "0".repeat(32)).calls.list(), 20003, 401);
  await refused(client(`SK${"0".repeat(32)}`, twin.api_secret).calls.list(), 20003, 401);
  await gone(api.api.v2010.accounts(`AC${"0".repeat(32)}`).fetch());
  await gone(api.calls(`CA${"0".repeat(32)}`).fetch());
  await gone(api.conferences(`CF${"0".repeat(32)}`).fetch());
  await gone(api.conferences(`CF${"0".repeat(32)}`).participants("nobody").fetch());
  await gone(api.recordings(`RE${"0".repeat(32)}`).fetch());
});

test("numbers are searched, bought, changed and released", async () => {
  const shelf = api.availablePhoneNumbers("US").local;
  const [free] = await shelf.list({ areaCode: 206, limit: 1 });
  assert.match(free.phoneNumber, /^\+1206555\d{4}$/);
  const number = complete(await api.incomingPhoneNumbers.create({ phoneNumber: free.phoneNumber }));
  assert.equal(number.capabilities.voice, true);
  assert.ok((await shelf.list({ areaCode: 206 })).every((n) => n.phoneNumber !== free.phoneNumber));
  await refused(api.incomingPhoneNumbers.create({ phoneNumber: free.phoneNumber }), 21422);
  await refused(api.incomingPhoneNumbers.create({ phoneNumber: "twelve" }), 21421);
  await refused(api.incomingPhoneNumbers(number.sid).update({ voiceApplicationSid: "AP1" }), 21420);

  const own = api.incomingPhoneNumbers(number.sid);
  const changed = await own.update({
    friendlyName: "Main line",
    voiceUrl: "https://office.example/voice",
    voiceMethod: "GET",
    voiceFallbackUrl: "https://office.example/fallback",
    statusCallback: "https://office.example/status",
  });
  assert.deepEqual(
    [changed.friendlyName, changed.voiceUrl, changed.voiceMethod, changed.voiceFallbackUrl],
    ["Main line", "https://office.example/voice", "GET", "https://office.example/fallback"],
  );
  assert.equal((await own.fetch()).statusCallback, "https://office.example/status");
  const byNumber = await api.incomingPhoneNumbers.list({ phoneNumber: free.phoneNumber });
  const byName = await api.incomingPhoneNumbers.list({ friendlyName: "Main line" });
  assert.deepEqual([byNumber, byName].map((list) => list.map((n) => n.sid)), [[number.sid], [number.sid]]);
  assert.ok((await api.incomingPhoneNumbers.local.list()).some((n) => n.sid === number.sid));
  assert.equal(await own.remove(), true);
  await gone(own.fetch());

  const anyOfArea = await api.incomingPhoneNumbers.create({ areaCode: "212" });
  assert.match(anyOfArea.phoneNumber, /^\+1212/);
  assert.equal(await api.incomingPhoneNumbers(anyOfArea.sid).remove(), true);
  const countries = await api.availablePhoneNumbers.list();
  assert.ok(countries.some((c) => c.countryCode === "US"));
});

test("applications are made, read, changed and removed", async () => {
  const made = complete(await api.applications.create({ friendlyName: "Desk", voiceUrl: "https://office.example/a" }));
  const own = api.applications(made.sid);
  const changed = await own.update({ voiceUrl: "https://office.example/b", voiceMethod: "GET" });
  assert.deepEqual([changed.friendlyName, changed.voiceUrl, changed.voiceMethod], ["Desk", "https://office.example/b", "GET"]);
  assert.equal((await own.fetch()).voiceUrl, "https://office.example/b");
  assert.deepEqual((await api.applications.list({ friendlyName: "Desk" })).map((a) => a.sid), [made.sid]);
  await refused(own.update({ voiceUrl: "mailto:somebody" }), 21205);
  assert.equal(await own.remove(), true);
  await gone(own.fetch());
});

test("keys are made, open the API, are renamed, and close it again", async () => {
  const made = await api.newKeys.create({ friendlyName: "Night shift" });
  assert.match(made.sid, /^SK[0-9a-f]{32}$/);
  const withKey = client(made.sid, made.secret);
  assert.equal((await withKey.applications(twin.app_sid).fetch()).sid, twin.app_sid);
  await refused(withKey.keys(made.sid).fetch(), 20003, 401);
  assert.equal(complete(await api.keys(made.sid).fetch()).friendlyName, "Night shift");
  assert.equal((await api.keys(made.sid).update({ friendlyName: "Day shift" })).friendlyName, "Day shift");
  const names = (await api.keys.list()).map((k) => k.friendlyName);
  assert.ok(names.includes("Day shift") && !names.includes("Night shift"));
  assert.equal(await api.keys(made.sid).remove(), true);
  await refused(withKey.applications(twin.app_sid).fetch(), 20003, 401);
  await gone(api.keys(made.sid).fetch());
});

test("caller ids are verified, read, renamed and removed", async () => {
  const request = complete(await api.validationRequests.create({ phoneNumber: "+12065550901", friendlyName: "Cell" }));
  assert.match(request.validationCode, /^\d{6}$/);
  await refused(api.validationRequests.create({ phoneNumber: "+12065550901" }), 21450);
  const [listed] = await api.outgoingCallerIds.list({ phoneNumber: "+12065550901" });
  const row = api.outgoingCallerIds(listed.sid);
  assert.equal(complete(await row.fetch()).friendlyName, "Cell");
  assert.equal((await row.update({ friendlyName: "Mobile" })).friendlyName, "Mobile");
  assert.equal(await row.remove(), true);
  await gone(row.fetch());
});

test("queues are made, read, changed and removed", async () => {
  const made = complete(await api.queues.create({ friendlyName: "Sales", maxSize: 7 }));
  assert.deepEqual([made.maxSize, made.currentSize, made.averageWaitTime], [7, 0, 0]);
  await refused(api.queues.create({ friendlyName: "Sales" }), 22003);
  await refused(api.queues.create({ friendlyName: "Too large", maxSize: 100_000 }), 20001);
  const own = api.queues(made.sid);
  const changed = await own.update({ friendlyName: "Sales desk", maxSize: 9 });
  assert.deepEqual([changed.friendlyName, changed.maxSize], ["Sales desk", 9]);
  assert.ok((await api.queues.list()).some((q) => q.sid === made.sid && q.friendlyName === "Sales desk"));
  assert.deepEqual(await own.members.list(), []);
  await gone(own.members("Front").fetch());
  assert.equal(await own.remove(), true);
  await gone(own.fetch());
});

test("a network traversal token is made", async () => {
  const token = await api.tokens.create({ ttl: 120 });
  assert.deepEqual([token.accountSid, token.ttl], [twin.account_sid, "120"]);
});

test("lists are paged forwards, backwards, by address and one by one", async () => {
  const made = [];
  for (const n of [1, 2, 3, 4, 5]) made.push((await api.applications.create({ friendlyName: `Paged ${n}` })).sid);
  const all = (await api.applications.list()).map((a) => a.sid);
  assert.ok(made.every((sid) => all.includes(sid)));
  assert.deepEqual((await api.applications.list({ pageSize: 2 })).map((a) => a.sid), all);
  assert.deepEqual((await api.applications.list({ pageSize: 2, limit: 3 })).map((a) => a.sid), all.slice(0, 3));

  const first = await api.applications.page({ pageSize: 2 });
  const second = await first.nextPage();
  const third = await api.applications.getPage(second.nextPageUrl);
  const back = await third.previousPage();
  const sids = (page) => page.instances.map((a) => a.sid);
  assert.deepEqual([first, second, third].flatMap(sids), all.slice(0, 6));
  assert.deepEqual(sids(back), sids(second));
  assert.deepEqual(sids(await back.previousPage()), sids(first));

  const eachSids = [];
  await new Promise((done, fail) => {
    const each = { pageSize: 4, callback: (a) => eachSids.push(a.sid), done: (e) => (e ? fail(e) : done()) };
    api.applications.each(each);
  });
  assert.deepEqual(eachSids, all);

  // A row removed meanwhile moves no page: they hang on tokens, not on counts.
  const three = await api.applications.page({ pageSize: 3 });
  assert.equal(three.instances[1].sid, made[0]);
  assert.equal(await api.applications(made[0]).remove(), true);
  assert.deepEqual(sids(await three.nextPage()), all.slice(3, 6));
  await refused(api.applications.page({ pageSize: 1001 }), 20007);
  await refused(api.applications.page({ pageToken: "PAnowhere" }), 21481);
  for (const sid of made.slice(1)) assert.equal(await api.applications(sid).remove(), true);
});

test("too many requests: told by code, and ridden out by the client's own retries", async () => {
  await fault("next.429=GET:/Queues");
  await refused(api.queues.list(), 20429, 429);
  await fault("next.429=GET:/Queues", "next.429=GET:/Queues");
  const patient = client(twin.account_sid, twin.auth_token, { autoRetry: true });
  assert.ok(Array.isArray(await patient.queues.list()));
  await fault("next.500=GET:/Queues");
  await refused(api.queues.list(), 20500, 500);
});

test("an answer lost on the way back: the client sees a broken connection, and the deed is done", async () => {
  await fault("next.lose_answer=POST:/Queues");
  await assert.rejects(api.queues.create({ friendlyName: "Lost answer" }), (error) => error.code === "ECONNRESET");
  const [found] = (await api.queues.list()).filter((q) => q.friendlyName === "Lost answer");
  assert.equal(await api.queues(found.sid).remove(), true);
});

test("a number's calls can be given to an application", async () => {
  const number = await buyNumber({ voiceApplicationSid: twin.app_sid });
  assert.equal(number.voiceApplicationSid, twin.app_sid);
  const own = api.incomingPhoneNumbers(number.sid);
  await refused(own.update({ voiceFallbackUrl: "https://office.example/fallback" }), 21405);
  assert.equal(await own.remove(), true);
});
